// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Contexts: what the options do in a handshake, and how wrong ones are refused.

#include <tls/context.hpp>

#include <support/engines.hpp>
#include <support/pki.hpp>
#include <support/refusal.hpp>
#include <support/stale_errors.hpp>

#include <tls/engine.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using tls::client_auth;
using tls::client_context;
using tls::client_options;
using tls::protocol_version;
using tls::server_context;
using tls::server_options;
using tls::verify_mode;
using tls::want;

namespace {

tls::trust_store test_trust() { return tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()); }
tls::credential identity_of(const tests::issued& from) {
    return tls::credential::from_pem(from.certificate_pem(), from.key_pem());
}

client_options client() { return {.trust = test_trust()}; }
server_options server() { return {.identity = identity_of(tests::test_pki().server)}; }

using handshake = tests::engine_handshake;

std::error_code alert(int number) { return {number, tls::alert_category()}; }

static_assert(std::is_nothrow_copy_constructible_v<client_context> && std::is_nothrow_move_constructible_v<client_context>);
static_assert(std::is_default_constructible_v<client_context> && !std::is_default_constructible_v<server_context>);
static_assert(!std::is_convertible_v<client_context, server_context> && !std::is_convertible_v<bool, verify_mode>);

}  // namespace

TEST_CASE("context: the defaults", "[context]") {
    const client_options options;
    CHECK(options.verification == verify_mode::full);
    CHECK(options.min_version == protocol_version::tls1_2);
    CHECK(options.max_version == protocol_version::tls1_3);
    CHECK(server().authentication == client_auth::none);
    const handshake h(client(), server());
    CHECK(h.complete());
    CHECK(h.client.version() == protocol_version::tls1_3);
    CHECK(h.client.alpn().empty());
}

TEST_CASE("context: versions", "[context]") {
    auto c = client();
    auto s = server();
    SECTION("the best that both have") {
        s.max_version = protocol_version::tls1_2;
        CHECK(handshake(c, s).client.version() == protocol_version::tls1_2);
    }
    SECTION("none in common") {
        s.max_version = protocol_version::tls1_2;
        c.min_version = protocol_version::tls1_3;
        const handshake h(c, s);
        CHECK(h.client_error == alert(SSL_AD_PROTOCOL_VERSION));
        CHECK(h.server_error.category() == tls::ssl_category());
    }
    SECTION("a range that is none") {
        c.min_version = protocol_version::tls1_3;
        c.max_version = protocol_version::tls1_2;
        tests::check_options_refused<client_context>(c, tls::errc::invalid_versions, "protocol versions");
        s.min_version = static_cast<protocol_version>(0x0301);
        tests::check_options_refused<server_context>(s, tls::errc::invalid_versions, "protocol versions");
        s = server();
        s.max_version = static_cast<protocol_version>(0x7fff);
        tests::check_options_refused<server_context>(s, tls::errc::invalid_versions, "protocol versions");
    }
}

TEST_CASE("context: ALPN by the server's preference", "[context]") {
    auto c = client();
    auto s = server();
    c.alpn = {"h2", "http/1.1"};
    SECTION("the server's first that the client offers") {
        s.alpn = {"spdy", "http/1.1", "h2"};
        const handshake h(c, s);
        CHECK(h.client.alpn() == "http/1.1");
        CHECK(h.server.alpn() == "http/1.1");
    }
    SECTION("none in common: a fatal alert") {
        s.alpn = {"smtp"};
        const handshake h(c, s);
        CHECK(h.client_error == alert(SSL_AD_NO_APPLICATION_PROTOCOL));
        CHECK(h.server_error.category() == tls::ssl_category());
    }
    SECTION("a server without a list ignores it") {
        const handshake h(c, s);
        CHECK(h.complete());
        CHECK(h.client.alpn().empty());
    }
    SECTION("a client without a list gets none") {
        c.alpn.clear();
        s.alpn = {"h2"};
        const handshake h(c, s);
        CHECK(h.complete());
        CHECK(h.server.alpn().empty());
    }
    SECTION("names that are none") {
        c.alpn = {"h2", ""};
        tests::check_options_refused<client_context>(c, tls::errc::invalid_alpn, "ALPN");
        c.alpn = {std::string(256, 'x')};
        tests::check_options_refused<client_context>(c, tls::errc::invalid_alpn, "256");
        s.alpn = {""};
        tests::check_options_refused<server_context>(s, tls::errc::invalid_alpn, "ALPN");
        c.alpn = {std::string(255, 'x')};
        std::error_code ec;
        CHECK(client_context::create(c, ec));
        s.alpn = std::vector<std::string>(256, std::string(255, 'x'));
        tests::check_options_refused<server_context>(s, tls::errc::invalid_alpn, "65536");
    }
}

TEST_CASE("context: ciphers and groups by BoringSSL's lists", "[context]") {
    auto c = client();
    auto s = server();
    c.max_version = s.max_version = protocol_version::tls1_2;
    SECTION("a cipher") {
        c.tls1_2_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
        const handshake h(c, s);
        REQUIRE(h.complete());
        CHECK(h.client.cipher() == tls::cipher_info{"ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256});
        CHECK(h.server.shared_ciphers() == std::vector{*h.server.cipher()});
        CHECK(h.client.shared_ciphers() == std::vector{*h.client.cipher()});
    }
    SECTION("none in common") {
        c.tls1_2_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
        s.tls1_2_ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
        CHECK(handshake(c, s).client_error == alert(SSL_AD_HANDSHAKE_FAILURE));
    }
    SECTION("a group") {
        s.groups = "P-384";
        const handshake h(c, s);
        REQUIRE(h.complete());
        CHECK(h.client.group() == "P-384");
    }
    SECTION("lists that are none") {
        c.tls1_2_ciphers = "NO-SUCH-CIPHER";
        tests::check_options_refused<client_context>(c, tls::errc::invalid_ciphers, "NO-SUCH-CIPHER");
        c.tls1_2_ciphers = std::string("ECDHE-ECDSA-AES256-GCM-SHA384\0x", 31);
        tests::check_options_refused<client_context>(c, tls::errc::invalid_ciphers, "ciphers");
        s.groups = "P-0";
        tests::check_options_refused<server_context>(s, tls::errc::invalid_groups, "P-0");
        s.groups = std::string("P-256\0x", 7);
        tests::check_options_refused<server_context>(s, tls::errc::invalid_groups, "groups");
    }
}

TEST_CASE("context: verification is chain and name unless the caller writes out that it is not", "[context]") {
    const auto stranger = tests::make_leaf({"localhost"});
    auto s = server();
    auto c = client();
    const auto refused = [](int reason) { return std::error_code(reason, tls::verify_category()); };
    SECTION("full") {
        CHECK(handshake(c, s, "example.test").complete());
        CHECK(handshake(c, s, "127.0.0.1").complete());
        CHECK(handshake(c, s, "::1").complete());
        CHECK(handshake(c, s, "other.test").client_error == refused(X509_V_ERR_HOSTNAME_MISMATCH));
        CHECK(handshake(c, s, "127.0.0.2").client_error == refused(X509_V_ERR_IP_ADDRESS_MISMATCH));
        s.identity = identity_of(stranger);
        const handshake h(c, s);
        CHECK(h.client_error.category() == tls::verify_category());
        CHECK(h.server_error.category() == tls::alert_category());
    }
    SECTION("chain only") {
        c.verification = verify_mode::dangerously_chain_only;
        CHECK(handshake(c, s, "other.test").complete());
        CHECK(handshake(c, s, "").complete());
        s.identity = identity_of(stranger);
        CHECK(handshake(c, s).client_error.category() == tls::verify_category());
    }
    SECTION("none") {
        c.verification = verify_mode::dangerously_none;
        s.identity = identity_of(stranger);
        CHECK(handshake(c, s, "other.test").complete());
        CHECK(handshake(c, s, "").complete());
    }
    SECTION("F58 an empty trust store trusts nobody") {
        c.trust = tls::trust_store();
        std::error_code ec;
        const auto made = client_context::create(c, ec);
        if (made) {
            CHECK(handshake(made, server_context(s)).client_error.category() == tls::verify_category());
        } else {
            CHECK(ec == tls::errc::invalid_trust);
        }
    }
}

TEST_CASE("context: client authentication", "[context]") {
    auto c = client();
    auto s = server();
    s.trust = test_trust();
    c.max_version = GENERATE(protocol_version::tls1_2, protocol_version::tls1_3);
    const auto stranger = tests::make_leaf({"stranger"});
    SECTION("none: a certificate is not asked for") {
        c.identity = identity_of(tests::test_pki().client);
        const handshake h(c, s);
        CHECK(h.complete());
        CHECK_FALSE(h.server.peer_certificate());
    }
    SECTION("optional") {
        s.authentication = client_auth::optional;
        CHECK(handshake(c, s).complete());
        CHECK_FALSE(handshake(c, s).server.peer_certificate());
        c.identity = identity_of(tests::test_pki().client);
        const handshake h(c, s);
        REQUIRE(h.complete());
        CHECK(h.server.peer_certificate()->subject().find("Test Client") != std::string::npos);
        c.identity = identity_of(stranger);
        CHECK(handshake(c, s).server_error.category() == tls::verify_category());
    }
    SECTION("required") {
        s.authentication = client_auth::required;
        const handshake without(c, s);
        CHECK(without.server_error);
        CHECK(without.client_error.category() == tls::alert_category());
        c.identity = identity_of(tests::test_pki().client);
        CHECK(handshake(c, s).complete());
        // A server's certificate is none for a client.
        c.identity = identity_of(tests::test_pki().server);
        CHECK(handshake(c, s).server_error.category() == tls::verify_category());
    }
}

TEST_CASE("context: a server without an identity is refused", "[context]") {
    auto good = server();
    const auto taken = std::move(good.identity);
    tests::check_options_refused<server_context>(good, tls::errc::not_open, "");
}

TEST_CASE("context: copies share, and connections keep what they need", "[context]") {
    std::optional<client_context> c(std::in_place, client());
    std::optional<server_context> s(std::in_place, server());
    const client_context copy = *c;
    CHECK(copy.native_handle() == c->native_handle());
    client_context assigned = copy;
    assigned = *c;
    CHECK(assigned.native_handle() == c->native_handle());
    const client_context moved = std::move(assigned);
    CHECK(moved);
    CHECK_FALSE(assigned);
    CHECK(assigned.native_handle() == nullptr);
    const client_context copy_of_empty = assigned;
    CHECK_FALSE(copy_of_empty);

    tls::engine client_side(*c, "localhost");
    tls::engine server_side(*s);
    c.reset();
    s.reset();
    for (bool moved_any = true; moved_any;) {
        REQUIRE_FALSE(client_side.handshake().error);
        moved_any = tests::carry(client_side, server_side);
        REQUIRE_FALSE(server_side.handshake().error);
        moved_any = tests::carry(server_side, client_side) || moved_any;
    }
    CHECK(client_side.version());
    CHECK(server_side.version());
}
