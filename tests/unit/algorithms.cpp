// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What the options about algorithms and ALPN come to in a handshake.

#include <tls/options.hpp>

#include <tls/alert.hpp>
#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/stream.hpp>
#include <tls/trust.hpp>

#include <support/engines.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using tls::cipher_suite;
using tls::compliance_policy;
using tls::errc;
using tls::group;
using tls::protocol_version;

namespace {

using memory_stream = tests::session<>::stream_type;

const std::error_code none;

protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

std::error_code alerted(tls::alert value) { return {static_cast<int>(value), tls::alert_category()}; }

tls::client_options client_options(protocol_version version) {
    return {.trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()),
            .min_version = version,
            .max_version = version};
}
tls::server_options server_options(protocol_version version) {
    const auto& server = tests::test_pki().server;
    return {.identity = tls::credential::from_pem(server.certificate_pem(), server.key_pem()),
            .min_version = version,
            .max_version = version};
}
tests::engine_handshake connect(const tls::client_options& client, const tls::server_options& server) {
    return {tls::client_context(client), tls::server_context(server)};
}

// Both overloads say that this BoringSSL does not have it, and name what is wanted and the number that is needed.
template <class Context>
void check_not_supported(const typename Context::options& from, std::string_view what, std::string_view needed) {
    std::error_code ec;
    CHECK_FALSE(Context::create(from, ec));
    CHECK(ec == errc::not_supported);
    try {
        const Context made(from);
        FAIL_CHECK("not refused");
    } catch (const tls::error& e) {
        CHECK(e.code() == errc::not_supported);
        const std::string text = std::string(what) + ": this BoringSSL has API number " +
                                 std::to_string(BORINGSSL_API_VERSION) + ", and " + std::string(needed) + " is needed";
        CHECK(std::string_view(e.what()).substr(0, text.size()) == text);
    }
    CHECK(tests::queue_is_empty());
}
// In the options of either side.
template <class Change>
void check_neither_supported(std::string_view what, std::string_view needed, Change&& change) {
    auto client = client_options(protocol_version::tls1_3);
    auto server = server_options(protocol_version::tls1_3);
    change(client);
    change(server);
    check_not_supported<tls::client_context>(client, what, needed);
    check_not_supported<tls::server_context>(server, what, needed);
}

TEST_CASE("require_alpn: a server that chooses none is refused") {
    const auto version = any_version();
    auto client = client_options(version);
    client.alpn = {"h2", "http/1.1"};
    CHECK(connect(client, server_options(version)).complete());
    client.require_alpn = true;
    SECTION("an engine") {
        auto both = connect(client, server_options(version));
        CHECK(both.client_error == errc::no_application_protocol);
        CHECK(both.server_error == alerted(tls::alert::no_application_protocol));
        // It has failed, and stays so.
        CHECK_FALSE(both.client.version());
        CHECK(both.client.handshake().error == errc::no_application_protocol);
        CHECK(both.client.write("secret").error == errc::no_application_protocol);
        std::array<char, 10> some;
        CHECK(both.client.read(some).error == errc::no_application_protocol);
        CHECK(both.client.read_end() == tls::stream_end::failed);
        CHECK(both.client.close_notify().error == none);
        CHECK(both.client.output().empty());
    }
    SECTION("a stream") {
        const tls::client_context context(client);
        tests::memory_network net;
        tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
        net.a().pump([&] { peer.pump(); });
        memory_stream stream(net.a().socket(), context, "localhost");
        std::error_code ec;
        CHECK(stream.write("secret", ec) == 0);
        CHECK(ec == errc::no_application_protocol);
        stream.handshake(ec);
        CHECK(ec == errc::no_application_protocol);
        const auto result = stream.close(ec);
        CHECK(ec == none);
        CHECK_FALSE(result.close_notify_sent);
        CHECK(result.peer == tls::stream_end::failed);
        peer.pump();
        CHECK(peer.alerts() == std::vector<int>{SSL_AD_NO_APPLICATION_PROTOCOL});
        CHECK(peer.received().empty());
    }
    SECTION("and one that chooses is not") {
        auto server = server_options(version);
        server.alpn = {"http/1.1"};
        const auto both = connect(client, server);
        CHECK(both.complete());
        CHECK(both.client.alpn() == "http/1.1");
        CHECK(both.server.alpn() == "http/1.1");
    }
    SECTION("a server that has others says so itself") {
        auto server = server_options(version);
        server.alpn = {"smtp"};
        CHECK(connect(client, server).client_error == alerted(tls::alert::no_application_protocol));
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("group_list: what is agreed on is the client's first that the server has") {
    const auto version = any_version();
    const auto agreed = [&](std::vector<group> client_list, std::vector<group> server_list) {
        auto client = client_options(version);
        auto server = server_options(version);
        client.group_list = std::move(client_list);
        server.group_list = std::move(server_list);
        const auto both = connect(client, server);
        CHECK(both.client.group() == both.server.group());
        return std::string(both.client.group());
    };
    // The certificate's own, P-256, must be among them in TLS 1.2 (RFC 8422 5.1).
    CHECK(agreed({group::secp384r1, group::secp256r1}, {}) == "P-384");
    CHECK(agreed({}, {group::secp256r1}) == "P-256");
    CHECK(agreed({group::secp521r1, group::x25519, group::secp256r1}, {group::x25519, group::secp521r1}) == "P-521");
    CHECK(agreed({group::x25519, group::secp521r1, group::secp256r1}, {group::secp521r1, group::secp256r1}) == "P-521");
    CHECK(agreed({group::secp521r1, group::secp256r1}, {group::x25519}).empty());
}

TEST_CASE("group_list: X25519MLKEM768 comes first, where the library has it") {
#if defined(SSL_GROUP_X25519_MLKEM768)
    CHECK(connect(client_options(protocol_version::tls1_3), server_options(protocol_version::tls1_3)).client.group() ==
          "X25519MLKEM768");
#else
    check_neither_supported("group X25519MLKEM768", TLS_STREAM_NEEDS_MLKEM,
                            [](auto& from) { from.group_list = {group::x25519, group::x25519_mlkem768}; });
    check_neither_supported("group X25519MLKEM768", TLS_STREAM_NEEDS_MLKEM,
                            [](auto& from) { from.groups = "X25519:X25519MLKEM768"; });
#endif
}

TEST_CASE("cipher_list: TLS 1.2 keeps to it") {
    auto client = client_options(protocol_version::tls1_2);
    auto server = server_options(protocol_version::tls1_2);
    client.cipher_list = {cipher_suite::ecdhe_ecdsa_chacha20_poly1305};
    CHECK(connect(client, server).client.cipher()->name == "ECDHE-ECDSA-CHACHA20-POLY1305");
    client.cipher_list.push_back(cipher_suite::ecdhe_ecdsa_aes256_gcm_sha384);
    server.cipher_list = {cipher_suite::ecdhe_ecdsa_aes128_gcm_sha256, cipher_suite::ecdhe_ecdsa_aes256_gcm_sha384};
    CHECK(connect(client, server).client.cipher()->name == "ECDHE-ECDSA-AES256-GCM-SHA384");
    server.cipher_list = {cipher_suite::ecdhe_ecdsa_aes128_gcm_sha256};
    CHECK(connect(client, server).client_error == alerted(tls::alert::handshake_failure));
}

TEST_CASE("cipher_list: it goes with no string beside it") {
    auto client = client_options(protocol_version::tls1_2);
    client.cipher_list = {cipher_suite::ecdhe_rsa_aes128_gcm_sha256};
    client.tls1_2_ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
    std::error_code ec;
    CHECK_FALSE(tls::client_context::create(client, ec));
    CHECK(ec == errc::invalid_ciphers);
}

#if TLS_STREAM_HAS_COMPLIANCE_POLICY

// NIST SP 800-52r2.
TEST_CASE("policy: fips_202205 on either side decides what is agreed on") {
    const auto version = any_version();
    for (const bool at_client : {false, true}) {
        CAPTURE(at_client);
        auto client = client_options(version);
        auto server = server_options(version);
        (at_client ? client.policy : server.policy) = compliance_policy::fips_202205;
        const auto both = connect(client, server);
        REQUIRE(both.complete());
        CHECK(both.client.group() == "P-256");
        CHECK(both.client.cipher()->name.find("GCM") != std::string_view::npos);
        // Whoever has nothing that it allows is refused.
        (at_client ? server.group_list : client.group_list) = {group::x25519};
        CHECK_FALSE(connect(client, server).complete());
        if (version == protocol_version::tls1_3) continue;
        (at_client ? server.group_list : client.group_list).clear();
        (at_client ? server.cipher_list : client.cipher_list) = {cipher_suite::ecdhe_ecdsa_chacha20_poly1305};
        CHECK_FALSE(connect(client, server).complete());
    }
}

TEST_CASE("policy: it is set over the lists") {
    auto client = client_options(protocol_version::tls1_2);
    client.group_list = {group::x25519};
    client.cipher_list = {cipher_suite::ecdhe_ecdsa_chacha20_poly1305};
    client.policy = compliance_policy::fips_202205;
    const auto both = connect(client, server_options(protocol_version::tls1_2));
    REQUIRE(both.complete());
    CHECK(both.client.group() == "P-256");
    CHECK(both.client.cipher()->name.find("GCM") != std::string_view::npos);
}

TEST_CASE("policy: wpa3_192_202304 wants P-384 throughout") {
    const auto version = any_version();
    const auto strong_key = [] {
        bssl::UniquePtr<EC_KEY> ec(::EC_KEY_new_by_curve_name(NID_secp384r1));
        bssl::UniquePtr<EVP_PKEY> key(::EVP_PKEY_new());
        REQUIRE((::EC_KEY_generate_key(ec.get()) == 1 && ::EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) == 1));
        return key;
    };
    tests::certificate_options for_root{.common_name = "Strong", .authority = true};
    for_root.key = strong_key();
    for_root.digest = ::EVP_sha384();
    const auto root = tests::issue_certificate(std::move(for_root));
    tests::certificate_options for_leaf{.common_name = "leaf", .dns_names = {"localhost"}};
    for_leaf.key = strong_key();
    for_leaf.digest = ::EVP_sha384();
    const auto leaf = tests::issue_certificate(std::move(for_leaf), &root);

    auto client = client_options(version);
    client.policy = compliance_policy::wpa3_192_202304;
    CHECK_FALSE(connect(client, server_options(version)).complete());
    client.trust = tls::trust_store::from_pem(root.certificate_pem());
    auto server = server_options(version);
    server.identity = tls::credential::from_pem(leaf.certificate_pem(), leaf.key_pem());
    const auto both = connect(client, server);
    REQUIRE(both.complete());
    CHECK(both.client.group() == "P-384");
    CHECK(both.client.cipher()->bits == 256);
}

#if !TLS_STREAM_HAS_CNSA_POLICY
TEST_CASE("policy: cnsa_202407 is refused where the library does not have it") {
    check_neither_supported("policy cnsa_202407", TLS_STREAM_NEEDS_CNSA_POLICY,
                            [](auto& from) { from.policy = compliance_policy::cnsa_202407; });
}
#endif

#else

TEST_CASE("policy: one that the library does not have is refused") {
    check_neither_supported("policy", TLS_STREAM_NEEDS_COMPLIANCE_POLICY,
                            [](auto& from) { from.policy = compliance_policy::fips_202205; });
    check_neither_supported("policy", TLS_STREAM_NEEDS_COMPLIANCE_POLICY,
                            [](auto& from) { from.policy = compliance_policy::wpa3_192_202304; });
}

#endif

}  // namespace
