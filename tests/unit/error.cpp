// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// How failures are named.

#include <tls/error.hpp>

#include <tls/context.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <set>
#include <string>
#include <system_error>
#include <type_traits>

using Catch::Matchers::ContainsSubstring;
using tls::errc;

static_assert(std::is_error_code_enum_v<errc>);
static_assert(std::is_nothrow_copy_constructible_v<tls::error> && std::is_base_of_v<std::system_error, tls::error>);

TEST_CASE("error: the categories have names of their own", "[error]") {
    CHECK(std::string(tls::stream_category().name()) == "tls");
    CHECK(std::string(tls::ssl_category().name()) == "tls.boringssl");
    CHECK(std::string(tls::alert_category().name()) == "tls.alert");
    CHECK(std::string(tls::verify_category().name()) == "tls.verify");
    CHECK(&tls::stream_category() == &tls::stream_category());
}

TEST_CASE("error: every errc has words of its own, and none is success", "[error]") {
    std::set<std::string> messages;
    for (int value = 1; value <= static_cast<int>(errc::early_data_unavailable); ++value) {
        const std::error_code code = static_cast<errc>(value);
        CAPTURE(value, code.message());
        CHECK(code);
        CHECK(code.category() == tls::stream_category());
        CHECK(messages.insert(code.message()).second);
        CHECK(code.message().find("unknown") == std::string::npos);
    }
    CHECK(std::error_code(0, tls::stream_category()).message() == "unknown error 0");
    CHECK(
        std::error_code(static_cast<int>(errc::early_data_unavailable) + 1, tls::stream_category()).message().find("unknown") ==
        0);
    CHECK(static_cast<int>(errc::truncated) == 1);
}

TEST_CASE("error: alerts, BoringSSL's codes and verify reasons in words", "[error]") {
    CHECK_THAT(std::error_code(40, tls::alert_category()).message(), ContainsSubstring("handshake_failure"));
    CHECK_THAT(std::error_code(120, tls::alert_category()).message(), ContainsSubstring("no_application_protocol"));
    CHECK_THAT(std::error_code(99, tls::alert_category()).message(), ContainsSubstring("99"));
    const auto packed = static_cast<int>(ERR_PACK(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER));
    CHECK_THAT(std::error_code(packed, tls::ssl_category()).message(), ContainsSubstring("WRONG_VERSION_NUMBER"));
    CHECK(std::error_code(X509_V_ERR_CERT_HAS_EXPIRED, tls::verify_category()).message() ==
          ::X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED));
}

TEST_CASE("error: an exception carries its code, its story and what was done", "[error]") {
    const tls::shutdown_result result{.close_notify_sent = true, .discarded = 7};
    const tls::error e(errc::truncated, "TLS read", "details", 42, result);
    CHECK(e.code() == errc::truncated);
    CHECK_THAT(e.what(), ContainsSubstring("TLS read"));
    CHECK_THAT(e.what(), ContainsSubstring("close_notify"));
    CHECK(e.details() == "details");
    CHECK(e.bytes_transferred() == 42);
    CHECK(e.shutdown() == result);

    const tls::error copy = e;
    CHECK(copy.details().data() == e.details().data());
    try {
        throw copy;
    } catch (const std::system_error& caught) {
        CHECK(caught.code() == errc::truncated);
    }
    const tls::error bare(errc::not_open, "x");
    CHECK(bare.details().empty());
    CHECK(bare.bytes_transferred() == 0);
    CHECK(bare.shutdown() == tls::shutdown_result{});
}
