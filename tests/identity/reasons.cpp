// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The reasons of BoringSSL's that people meet, each by the mistake that leads to it: what docs/errors.md says of them is so. A name in
// quotes here is one of that page's.

#include <support/engines.hpp>
#include <support/identities.hpp>
#include <support/pki.hpp>
#include <support/stale_errors.hpp>

#include <tls/alert.hpp>
#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/verifying.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/trust.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using tests::engine_handshake;
using tests::key_kind;

constexpr auto tls1_2 = tls::protocol_version::tls1_2;
constexpr auto tls1_3 = tls::protocol_version::tls1_3;

std::error_code alert(tls::alert number) { return {static_cast<int>(number), tls::alert_category()}; }

// "WRONG_VERSION_NUMBER" of "SSL routines: WRONG_VERSION_NUMBER"; the whole text of another category's.
std::string reason(const std::error_code& code) {
    const std::string text = code.message();
    constexpr std::string_view library = "SSL routines: ";
    const bool is_boringssl = code.category() == tls::ssl_category() && text.starts_with(library);
    return is_boringssl ? text.substr(library.size()) : code.category().name() + std::string(": ") + text;
}

tls::client_options client() { return {.trust = tests::test_trust()}; }
tls::server_options server(key_kind kind = key_kind::p256) { return {.identity = tests::credential_of(kind)}; }

// What an engine says that gets these bytes instead of a handshake.
std::string told_of(tls::engine engine, std::string_view bytes) {
    tls::progress step = engine.handshake();
    while (step.wants == tls::want::input && !bytes.empty()) {
        const auto space = engine.input_space();
        const std::size_t n = std::min(space.size(), bytes.size());
        std::ranges::copy(std::as_bytes(std::span(bytes.substr(0, n))), space.begin());
        engine.input_received(n);
        bytes.remove_prefix(n);
        step = engine.handshake();
    }
    CHECK(tests::queue_is_empty());
    return reason(step.error);
}
std::string server_told_of(std::string_view bytes) { return told_of(tls::engine(tls::server_context(server())), bytes); }
std::string client_told_of(std::string_view bytes) {
    return told_of(tls::engine(tls::client_context(client()), "localhost"), bytes);
}

}  // namespace

TEST_CASE("reasons: why a certificate is refused, by number, in words, and by the alert for it") {
    struct row {
        int reason;
        int number;
        std::string_view text;
        tls::alert alert;
    };
    using enum tls::alert;
    for (const auto& [reason, number, text, alert] : {
             row{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, 2, "unable to get issuer certificate", unknown_ca},
             row{X509_V_ERR_UNABLE_TO_GET_CRL, 3, "unable to get certificate CRL", unknown_ca},
             row{X509_V_ERR_CERT_SIGNATURE_FAILURE, 7, "certificate signature failure", decrypt_error},
             row{X509_V_ERR_CRL_SIGNATURE_FAILURE, 8, "CRL signature failure", decrypt_error},
             row{X509_V_ERR_CERT_NOT_YET_VALID, 9, "certificate is not yet valid", certificate_expired},
             row{X509_V_ERR_CERT_HAS_EXPIRED, 10, "certificate has expired", certificate_expired},
             row{X509_V_ERR_CRL_NOT_YET_VALID, 11, "CRL is not yet valid", certificate_expired},
             row{X509_V_ERR_CRL_HAS_EXPIRED, 12, "CRL has expired", certificate_expired},
             row{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 18, "self signed certificate", unknown_ca},
             row{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, 19, "self signed certificate in certificate chain", unknown_ca},
             row{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 20, "unable to get local issuer certificate", unknown_ca},
             row{X509_V_ERR_CERT_CHAIN_TOO_LONG, 22, "certificate chain too long", unknown_ca},
             row{X509_V_ERR_CERT_REVOKED, 23, "certificate revoked", certificate_revoked},
             row{X509_V_ERR_INVALID_CA, 24, "invalid CA certificate", unknown_ca},
             row{X509_V_ERR_PATH_LENGTH_EXCEEDED, 25, "path length constraint exceeded", unknown_ca},
             row{X509_V_ERR_INVALID_PURPOSE, 26, "unsupported certificate purpose", unsupported_certificate},
             row{X509_V_ERR_CERT_REJECTED, 28, "certificate rejected", bad_certificate},
             row{X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, 33, "unable to get CRL issuer certificate", unknown_ca},
             row{X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, 34, "unhandled critical extension", certificate_unknown},
             row{X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, 35, "key usage does not include CRL signing", certificate_unknown},
             row{X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, 36, "unhandled critical CRL extension", certificate_unknown},
             row{X509_V_ERR_INVALID_EXTENSION, 41, "invalid or inconsistent certificate extension", certificate_unknown},
             row{X509_V_ERR_INVALID_POLICY_EXTENSION, 42, "invalid or inconsistent certificate policy extension",
                 certificate_unknown},
             row{X509_V_ERR_NO_EXPLICIT_POLICY, 43, "no explicit policy", certificate_unknown},
             row{X509_V_ERR_DIFFERENT_CRL_SCOPE, 44, "Different CRL scope", certificate_unknown},
             row{X509_V_ERR_PERMITTED_VIOLATION, 47, "permitted subtree violation", certificate_unknown},
             row{X509_V_ERR_EXCLUDED_VIOLATION, 48, "excluded subtree violation", certificate_unknown},
             row{X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, 51, "unsupported name constraint type", certificate_unknown},
             row{X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, 53, "unsupported or invalid name syntax", certificate_unknown},
             row{X509_V_ERR_HOSTNAME_MISMATCH, 62, "Hostname mismatch", bad_certificate},
             row{X509_V_ERR_IP_ADDRESS_MISMATCH, 64, "IP address mismatch", bad_certificate},
             row{X509_V_ERR_NAME_CONSTRAINTS_WITHOUT_SANS, 67, "Issuer has name constraints but leaf has no SANs",
                 certificate_unknown},
         }) {
        CAPTURE(text);
        CHECK(reason == number);
        CHECK(std::error_code(reason, tls::verify_category()).message() == text);
        CHECK(tls::detail::alert_for({.reason = {reason, tls::verify_category()}}) == static_cast<std::uint8_t>(alert));
    }
}

TEST_CASE("reasons: something else than TLS") {
    CHECK(server_told_of("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == "HTTP_REQUEST");
    CHECK(server_told_of("CONNECT localhost:443 HTTP/1.1\r\n\r\n") == "HTTPS_PROXY_REQUEST");
    CHECK(server_told_of("SSH-2.0-OpenSSH_9.2p1\r\n") == "WRONG_VERSION_NUMBER");
    CHECK(client_told_of("HTTP/1.1 400 Bad Request\r\n\r\n") == "WRONG_VERSION_NUMBER");
    CHECK(client_told_of("220 mail.example ESMTP ready\r\n") == "WRONG_VERSION_NUMBER");
}

TEST_CASE("reasons: no version in common") {
    auto old_client = client();
    old_client.max_version = tls1_2;
    auto new_server = server();
    new_server.min_version = tls1_3;
    const engine_handshake one(old_client, new_server);
    CHECK(reason(one.server_error) == "UNSUPPORTED_PROTOCOL");
    CHECK(one.client_error == alert(tls::alert::protocol_version));

    auto new_client = client();
    new_client.min_version = tls1_3;
    auto old_server = server();
    old_server.max_version = tls1_2;
    const engine_handshake other(new_client, old_server);
    CHECK(reason(other.server_error) == "UNSUPPORTED_PROTOCOL");
    CHECK(other.client_error == alert(tls::alert::protocol_version));
}

TEST_CASE("reasons: nothing in common but the version") {
    auto for_client = client();
    for_client.max_version = tls1_2;
    for_client.cipher_list = {tls::cipher_suite::ecdhe_ecdsa_aes128_gcm_sha256};
    const engine_handshake ciphers(for_client, server(key_kind::rsa));
    CHECK(reason(ciphers.server_error) == "NO_SHARED_CIPHER");
    CHECK(ciphers.client_error == alert(tls::alert::handshake_failure));
    for_client.cipher_list = {};
    for_client.group_list = {tls::group::x25519};
    auto other_groups = server();
    other_groups.group_list = {tls::group::secp384r1};
    CHECK(reason(engine_handshake(for_client, other_groups).server_error) == "NO_SHARED_CIPHER");

    for_client = client();
    for_client.min_version = tls1_3;
    for_client.group_list = {tls::group::x25519};
    auto for_server = server();
    for_server.group_list = {tls::group::secp384r1};
    const engine_handshake groups(for_client, for_server);
    CHECK(reason(groups.server_error) == "NO_SHARED_GROUP");
    CHECK(groups.client_error == alert(tls::alert::handshake_failure));

    for_client = client();
    for_client.alpn = {"one"};
    for_server = server();
    for_server.alpn = {"two"};
    const engine_handshake alpn(for_client, for_server);
    CHECK(reason(alpn.server_error) == "NO_APPLICATION_PROTOCOL");
    CHECK(alpn.client_error == alert(tls::alert::no_application_protocol));
}

TEST_CASE("reasons: certificates") {
    // Nobody need sign with P-521, and this client does not ask for it (RFC 8446 4.2.3).
    const bssl::UniquePtr<EVP_PKEY_CTX> maker(::EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr));
    EVP_PKEY* key = nullptr;
    REQUIRE((maker && ::EVP_PKEY_keygen_init(maker.get()) == 1 &&
             ::EVP_PKEY_CTX_set_ec_paramgen_curve_nid(maker.get(), NID_secp521r1) == 1 &&
             ::EVP_PKEY_keygen(maker.get(), &key) == 1));
    tests::certificate_options options{.common_name = "localhost", .dns_names = {"localhost"}};
    options.key.reset(key);
    const auto large = tests::issue_certificate(std::move(options), &tests::test_pki().authority);
    const engine_handshake unsigned_one(client(), {.identity = tests::credential_of(large)});
    CHECK(reason(unsigned_one.server_error) == "NO_COMMON_SIGNATURE_ALGORITHMS");
    CHECK(unsigned_one.client_error == alert(tls::alert::handshake_failure));

    for (const auto version : {tls1_2, tls1_3}) {
        auto for_client = client();
        for_client.min_version = for_client.max_version = version;
        auto for_server = server();
        for_server.trust = tests::test_trust();
        for_server.authentication = tls::client_auth::required;
        const engine_handshake without(for_client, for_server);
        CHECK(reason(without.server_error) == "PEER_DID_NOT_RETURN_A_CERTIFICATE");
        CHECK(without.client_error ==
              alert(version == tls1_3 ? tls::alert::certificate_required : tls::alert::handshake_failure));
    }
}

TEST_CASE("reasons: an alert in the clear, where TLS 1.3 has none") {
    auto new_client = client();
    new_client.min_version = tls1_3;
    tls::engine from(tls::client_context(new_client), "localhost");
    tls::engine to{tls::server_context(server())};
    REQUIRE(from.handshake().wants == tls::want::input);
    tests::carry(from, to);
    REQUIRE(to.handshake().wants == tls::want::input);
    constexpr std::array<unsigned char, 7> unknown_ca{21, 3, 3, 0, 2, 2, 48};
    std::ranges::copy(std::as_bytes(std::span(unknown_ca)), to.input_space().begin());
    to.input_received(unknown_ca.size());
    CHECK(reason(to.handshake().error) == "BAD_PACKET_LENGTH");
    CHECK(tests::queue_is_empty());
}

TEST_CASE("reasons: a record that was changed on the way") {
    engine_handshake both(client(), server());
    REQUIRE(both.complete());
    REQUIRE(both.client.write(std::string_view("hello")).bytes == 5);
    std::vector<std::byte> sent(both.client.output().begin(), both.client.output().end());
    sent.back() ^= std::byte{1};
    std::ranges::copy(sent, both.server.input_space().begin());
    both.server.input_received(sent.size());
    std::array<char, 10> some;
    // The oldest on BoringSSL's queue, which is another library's.
    CHECK(both.server.read(some).error.message() == "Cipher functions: BAD_DECRYPT");
    CHECK(both.server.details() == "Cipher functions: BAD_DECRYPT; SSL routines: DECRYPTION_FAILED_OR_BAD_RECORD_MAC");
    tests::carry(both.server, both.client);
    CHECK(both.client.read(some).error == alert(tls::alert::bad_record_mac));
}
