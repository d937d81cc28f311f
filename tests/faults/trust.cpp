// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Trust from bad input, and from very much of it. What bundles of certificates do with bad input is in unit/trust.cpp.

#include <tls/context.hpp>
#include <tls/trust.hpp>

#include <support/files.hpp>
#include <support/pki.hpp>
#include <support/refusal.hpp>
#include <support/revocation.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using tests::issued;
using tests::queue_is_empty;
using tests::revocation_list;
using tests::temporary_directory;
using tests::with_stale_errors;
using tls::errc;
using tls::trust_store;

const revocation_list& list() {
    static const revocation_list made = tests::revoke(tests::test_pki().authority, {.revoked = {&tests::test_pki().server}});
    return made;
}

void check_file_refused(const std::filesystem::path& path, std::error_condition expected, std::string_view reason = "") {
    CAPTURE(path);
    const auto load = [&](auto&... ec) { return trust_store::revocation_lists_from_file(path, ec...); };
    tests::check_refused_over_stale_errors(expected, load, path.filename().native());
    tests::check_refused_over_stale_errors(expected, load, reason);
}

std::error_condition invalid() { return make_error_code(errc::invalid_revocation_list).default_error_condition(); }

TEST_CASE("F60 revocation lists that are bad in any part are refused whole, by their file's name") {
    const temporary_directory directory;
    const std::string good = list().pem();
    const auto der = list().der();
    const std::string_view bytes(reinterpret_cast<const char*>(der.data()), der.size());
    const std::string cut = good.substr(0, good.size() / 2) + "\n" + good.substr(good.find("-----END"));
    for (const std::string& text : {good, "\xEF\xBB\xBF" + good, "text\n" + good + "text", std::string(bytes)}) {
        CHECK(trust_store::revocation_lists_from_file(directory.write("good", text)).revocation_list_count() == 1);
    }
    for (const std::string& text : {
             ""s,
             "garbage"s,
             "\0\0"s,
             "0"s,
             tests::test_pki().authority.certificate_pem(),
             std::string(10'000'000, '\xA5'),
             std::string(10'000'000, '0'),
             good.substr(0, good.size() / 2),
             cut,
             "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"s,
             std::string(bytes.substr(0, bytes.size() - 1)),
             std::string(bytes) + "\n",
             "\n" + std::string(bytes),
         }) {
        CAPTURE(text.substr(0, 60));
        check_file_refused(directory.write("bad-list", text), invalid());
    }
    check_file_refused(directory.write("second", good + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), invalid(),
                       "revocation list 2 is malformed");
    check_file_refused(directory.write("second-der", std::string(bytes) + "\x30\x00"s), invalid(),
                       "revocation list 2 is malformed");
    check_file_refused(directory.write("large", good + std::string(std::size_t{17} << 20, '\n')), invalid());
    tests::check_refused_over_stale_errors(
        invalid(), [&](auto&... ec) { return trust_store::revocation_lists_from_pem("", ec...); }, "PEM");
    tests::check_refused_over_stale_errors(
        invalid(), [&](auto&... ec) { return trust_store::revocation_lists_from_der({}, ec...); }, "DER");
    for (std::size_t size = 1; size != der.size(); ++size) {
        CAPTURE(size);
        std::error_code ec;
        CHECK_FALSE(with_stale_errors([&] { return trust_store::revocation_lists_from_der(std::span(der).first(size), ec); }));
        CHECK(ec == errc::invalid_revocation_list);
        CHECK(queue_is_empty());
    }
}

TEST_CASE("F61 what is no readable file of revocation lists is refused at once") {
    const temporary_directory directory;
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    check_file_refused(directory / "fifo", invalid(), "is not a regular file");
    check_file_refused("/dev/zero", invalid(), "is not a regular file");
    check_file_refused(directory.path(), std::make_error_condition(std::errc::is_a_directory));
    check_file_refused(directory / "absent", std::make_error_condition(std::errc::no_such_file_or_directory));
    check_file_refused("/proc/self/mem", std::make_error_condition(std::errc::io_error));
    tests::check_refused_over_stale_errors(
        std::make_error_condition(std::errc::invalid_argument),
        [&](auto&... ec) { return trust_store::revocation_lists_from_file(directory.path() / "\0"s, ec...); }, "\\00");
}

TEST_CASE("F64 10,000 authorities are loaded once, found each, and shared by all contexts") {
    constexpr int count = 10'000;
    const auto key = demo::new_p256_key();
    std::string bundle;
    std::vector<issued> some;
    for (int i = 0; i != count; ++i) {
        tests::certificate_options options;
        options.common_name = "Authority " + std::to_string(i);
        options.authority = true;
        options.key = bssl::UpRef(key);
        issued authority = tests::issue_certificate(std::move(options));
        bundle += authority.certificate_pem();
        if (i % 2500 == 0 || i + 1 == count) some.push_back(std::move(authority));
    }
    const trust_store trust = trust_store::from_pem(bundle);
    CHECK(trust.size() == count);
    const tls::client_context first({.trust = trust});
    const tls::client_context second({.trust = trust});
    X509_STORE* const store = ::SSL_CTX_get_cert_store(first.native_handle());
    CHECK(::SSL_CTX_get_cert_store(second.native_handle()) == store);
    for (const issued& authority : some) {
        const issued leaf = tests::make_leaf({"a.test"}, &authority);
        CHECK(tests::verify_reason(leaf.certificate.get(), store) == X509_V_OK);
    }
    const issued stranger = tests::make_leaf({"a.test"}, &tests::test_pki().authority);
    CHECK(tests::verify_reason(stranger.certificate.get(), store) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

}  // namespace
