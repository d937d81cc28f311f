// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a server sees of a ClientHello, and the choice of a protocol by it.

#include <tls/client_hello.hpp>

#include <support/identities.hpp>
#include <support/stale_errors.hpp>

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using tests::credential_of;
using tests::engine_pair;
using tests::key_kind;
using tls::client_context;
using tls::client_hello;
using tls::client_options;
using tls::errc;
using tls::identity_request;
using tls::protocol_version;
using tls::server_context;
using tls::server_options;

using question = tls::detail::question<tls::detail::identity_answer>;
using numbers = std::vector<std::uint16_t>;
using strings = std::vector<std::string>;

std::error_code told(tls::alert what) { return {static_cast<int>(what), tls::alert_category()}; }

bool has(const numbers& all, std::uint16_t one) { return std::find(all.begin(), all.end(), one) != all.end(); }

// GREASE (RFC 8701) aside.
numbers known(numbers all) {
    std::erase_if(all, [](std::uint16_t one) { return (one & 0x0F0F) == 0x0A0A && (one >> 8) == (one & 0xFF); });
    return all;
}

// What a server is told of a client that `change(SSL*)` has been at; the handshake is completed.
template <class Change>
client_hello seen(const client_options& options, std::string_view name, Change&& change) {
    std::optional<client_hello> hello;
    server_options serving{.identity = {}};
    serving.select_identity = [&](const identity_request& request) {
        hello = request.hello();
        request.use(credential_of(key_kind::p256));
    };
    const client_context client(options);
    const server_context server(serving);
    engine_pair both(client, server, name);
    change(both.client.native_handle());
    both.run();
    CHECK(both.complete());
    CHECK(tests::queue_is_empty());
    REQUIRE(hello);
    return *hello;
}
client_hello seen(const client_options& options, std::string_view name = "localhost") {
    return seen(options, name, [](SSL*) {});
}

client_options chain_only() { return {.trust = tests::test_trust(), .verification = tls::verify_mode::dangerously_chain_only}; }

std::string text_of(const std::optional<std::vector<std::byte>>& bytes) {
    return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "none";
}

TEST_CASE("a server sees what a client asks for and can do", "[client_hello]") {
    client_options options = chain_only();
    options.alpn = {"h2", "http/1.1"};
    options.groups = "P-384:X25519";
    options.tls1_2_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256";
    const client_hello hello = seen(options, "Localhost", [](SSL* ssl) {
        const std::array<std::uint16_t, 2> schemes{SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_ECDSA_SECP256R1_SHA256};
        CHECK(::SSL_set_verify_algorithm_prefs(ssl, schemes.data(), schemes.size()) == 1);
    });
    CHECK(hello.server_name == "localhost");
    CHECK(hello.alpn == strings{"h2", "http/1.1"});
    CHECK(known(hello.versions) == numbers{0x0304, 0x0303});
    CHECK(known(hello.groups) == numbers{SSL_CURVE_SECP384R1, SSL_CURVE_X25519});
    CHECK(hello.signature_schemes == numbers{SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_ECDSA_SECP256R1_SHA256});
    CHECK(has(hello.ciphers, 0x1301));
    CHECK(has(hello.ciphers, 0xC02C));
    CHECK(has(hello.ciphers, 0xC02F));
    CHECK_FALSE(has(hello.ciphers, 0xC02B));
    for (const std::uint16_t number : numbers{TLSEXT_TYPE_server_name, TLSEXT_TYPE_supported_versions, TLSEXT_TYPE_key_share,
                                              TLSEXT_TYPE_application_layer_protocol_negotiation}) {
        CAPTURE(number);
        CHECK(has(hello.extensions, number));
        CHECK(hello.extension(number));
    }
    // Each extension as it was sent.
    using namespace std::string_literals;
    CHECK(text_of(hello.extension(TLSEXT_TYPE_application_layer_protocol_negotiation)) == "\0\x0C\x02h2\x08http/1.1"s);
    CHECK(text_of(hello.extension(TLSEXT_TYPE_server_name)).ends_with("\0\x09Localhost"s));
    CHECK(text_of(hello.extension(TLSEXT_TYPE_extended_master_secret)).empty());
    CHECK_FALSE(hello.extension(0xFFFF));
    // The message begins with TLS 1.2's number, whatever is spoken (RFC 8446 4.1.2).
    REQUIRE(hello.bytes.size() > 2);
    CHECK(hello.bytes[0] == std::byte{3});
    CHECK(hello.bytes[1] == std::byte{3});
}

TEST_CASE("what a client does not say is empty", "[client_hello]") {
    client_options options = chain_only();
    options.max_version = protocol_version::tls1_2;
    const client_hello hello = seen(options, "");
    CHECK(hello.server_name.empty());
    CHECK(hello.alpn.empty());
    CHECK_FALSE(has(hello.extensions, TLSEXT_TYPE_server_name));
    CHECK_FALSE(hello.extension(TLSEXT_TYPE_server_name));
    CHECK(known(hello.versions) == numbers{0x0303});
    CHECK_FALSE(has(hello.ciphers, 0x1301));
    // An address is no name (RFC 6066 3).
    CHECK(seen(chain_only(), "127.0.0.1").server_name.empty());
}

TEST_CASE("a name is told in one form, whichever way it was sent", "[client_hello]") {
    const auto name = [](const char* sent) {
        return seen(chain_only(), "", [&](SSL* ssl) { CHECK(::SSL_set_tlsext_host_name(ssl, sent) == 1); }).server_name;
    };
    CHECK(name("WWW.Example.TEST") == "www.example.test");
    CHECK(name("www.example.test.") == "www.example.test");
    CHECK(name("xn--mnchen-3ya.test") == "xn--mnchen-3ya.test");
    CHECK(name("*.\x01 strange") == "*.\x01 strange");
}

TEST_CASE("an extension is found in the bytes of the message, however it is damaged", "[client_hello]") {
    client_hello hello = seen(chain_only());
    const auto wanted = hello.extension(TLSEXT_TYPE_server_name);
    REQUIRE(wanted);
    const auto whole = hello.bytes;
    // A list that goes on beyond the end is none.
    for (std::size_t size = 0; size != whole.size(); ++size) {
        hello.bytes.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        REQUIRE_FALSE(hello.extension(TLSEXT_TYPE_server_name));
    }
    CHECK_FALSE(client_hello{}.extension(0));
}

TEST_CASE("the first answer to an identity request counts, and none is a refusal", "[client_hello]") {
    const auto asked = std::make_shared<question>();
    std::optional<identity_request> one(std::in_place, client_hello{.server_name = "a.test"}, asked);
    std::optional<identity_request> copy(one);
    CHECK(copy->hello().server_name == "a.test");
    CHECK(&copy->hello() == &one->hello());
    SECTION("an identity") {
        copy->use(credential_of(key_kind::p256));
        one->refuse();
        REQUIRE(asked->answer().chosen);
        CHECK(asked->answer().chosen->leaf() == tests::credential_of(key_kind::p256).leaf());
        CHECK_FALSE(asked->answer().refused);
    }
    SECTION("the default") {
        one->use_default();
        copy->use({});
        CHECK_FALSE(asked->answer().chosen);
        CHECK_FALSE(asked->answer().refused);
    }
    SECTION("a refusal") {
        one->refuse(tls::alert::access_denied);
        CHECK(asked->answer().refused == tls::alert::access_denied);
    }
    SECTION("none") {
        one.reset();
        CHECK_FALSE(asked->is_answered());
        copy.reset();
        REQUIRE(asked->is_answered());
        CHECK(asked->answer().refused == tls::alert::unrecognized_name);
    }
}

// --- ALPN by the server's own choice ---

struct alpn_outcome {
    std::string client, server;
    std::error_code client_error{}, server_error{};
    friend bool operator==(const alpn_outcome&, const alpn_outcome&) = default;
};

alpn_outcome negotiate(protocol_version version, strings offered, tls::alpn_selector select) {
    const client_context client(
        {.trust = tests::test_trust(), .alpn = std::move(offered), .min_version = version, .max_version = version});
    server_options options{.identity = credential_of(key_kind::p256)};
    options.select_alpn = std::move(select);
    const server_context server(options);
    engine_pair both(client, server);
    both.run();
    CHECK(tests::queue_is_empty());
    return {std::string(both.client.alpn()), std::string(both.server.alpn()), both.client_error, both.server_error};
}

TEST_CASE("a server's callable chooses the protocol", "[client_hello]") {
    const auto version = GENERATE(protocol_version::tls1_2, protocol_version::tls1_3);
    strings offered;
    std::string name;
    int asked = 0;
    const auto answer = [&](std::optional<std::string> choice) {
        return [&, choice = std::move(choice)](const strings& all, std::string_view server_name) {
            ++asked;
            offered = all;
            name = server_name;
            return choice;
        };
    };
    CHECK(negotiate(version, {"h2", "http/1.1"}, answer("http/1.1")) == alpn_outcome{"http/1.1", "http/1.1"});
    CHECK(offered == strings{"h2", "http/1.1"});
    CHECK(name == "localhost");
    CHECK(negotiate(version, {"h2"}, answer("")) == alpn_outcome{});
    CHECK(asked == 2);
    // A client that offers nothing is not a question.
    CHECK(negotiate(version, {}, answer(std::nullopt)) == alpn_outcome{});
    CHECK(asked == 2);

    for (const auto& choice :
         {std::optional<std::string>(), std::optional<std::string>("h3"), std::optional<std::string>("h")}) {
        const alpn_outcome refused = negotiate(version, {"h2"}, answer(choice));
        CHECK(refused.client_error == told(tls::alert::no_application_protocol));
        CHECK(refused.server_error ==
              std::error_code(ERR_PACK(ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL), tls::ssl_category()));
    }
    CHECK_THROWS_AS(
        negotiate(version, {"h2"}, [](const auto&, auto) -> std::optional<std::string> { throw std::runtime_error("no"); }),
        std::runtime_error);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("ALPN is given once", "[client_hello]") {
    server_options options{.identity = credential_of(key_kind::p256), .alpn = {"h2"}};
    options.select_alpn = [](const auto&, auto) { return std::optional<std::string>(); };
    std::error_code ec;
    CHECK_FALSE(server_context::create(options, ec));
    CHECK(ec == errc::invalid_alpn);
}

}  // namespace
