// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Servers and clients with all kinds of keys, here or elsewhere, and a handshake that may stop to ask.

#ifndef TLS_STREAM_TESTS_SUPPORT_IDENTITIES_HPP
#define TLS_STREAM_TESTS_SUPPORT_IDENTITIES_HPP

#include <support/engines.hpp>
#include <support/pki.hpp>

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/engine.hpp>
#include <tls/progress.hpp>
#include <tls/signing.hpp>
#include <tls/trust.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tests {

enum class key_kind : unsigned char { p256, p384, rsa, ed25519 };
inline constexpr std::array key_kinds{key_kind::p256, key_kind::p384, key_kind::rsa, key_kind::ed25519};

[[nodiscard]] inline bssl::UniquePtr<EVP_PKEY> new_key(key_kind kind) {
    if (kind == key_kind::rsa) return new_rsa_key();
    const int number = kind == key_kind::ed25519 ? EVP_PKEY_ED25519 : EVP_PKEY_EC;
    const bssl::UniquePtr<EVP_PKEY_CTX> maker(::EVP_PKEY_CTX_new_id(number, nullptr));
    const int curve = kind == key_kind::p384 ? NID_secp384r1 : NID_X9_62_prime256v1;
    EVP_PKEY* made = nullptr;
    demo::require(maker && ::EVP_PKEY_keygen_init(maker.get()) == 1 &&
                      (number != EVP_PKEY_EC || ::EVP_PKEY_CTX_set_ec_paramgen_curve_nid(maker.get(), curve) == 1) &&
                      ::EVP_PKEY_keygen(maker.get(), &made) == 1,
                  "key");
    return bssl::UniquePtr<EVP_PKEY>(made);
}

// A certificate of the test authority's for this name, good for servers and clients.
[[nodiscard]] inline issued issue_for(const std::string& name, key_kind kind = key_kind::p256) {
    certificate_options options;
    options.common_name = name;
    options.dns_names = {name};
    options.extended_key_usage = "serverAuth,clientAuth";
    options.key = new_key(kind);
    return issue_certificate(std::move(options), &test_pki().authority);
}

// The same for localhost, made once for each kind.
[[nodiscard]] inline const issued& issued_of(key_kind kind) {
    static const std::array made{issue_for("localhost", key_kinds[0]), issue_for("localhost", key_kinds[1]),
                                 issue_for("localhost", key_kinds[2]), issue_for("localhost", key_kinds[3])};
    return made[static_cast<std::size_t>(kind)];
}

[[nodiscard]] inline tls::credential credential_of(const issued& from) {
    return tls::credential::from_pem(from.certificate_pem(), from.key_pem());
}
[[nodiscard]] inline tls::credential credential_of(key_kind kind) { return credential_of(issued_of(kind)); }

[[nodiscard]] inline tls::trust_store test_trust() {
    return tls::trust_store::from_pem(test_pki().authority.certificate_pem());
}

// What the holder of that key answers.
[[nodiscard]] inline std::vector<std::byte> signature_by(EVP_PKEY* key, const tls::signature_request& asked) {
    bssl::ScopedEVP_MD_CTX work;
    EVP_PKEY_CTX* how = nullptr;
    const EVP_MD* const digest = ::SSL_get_signature_algorithm_digest(static_cast<std::uint16_t>(asked.scheme()));
    const auto* const input = reinterpret_cast<const std::uint8_t*>(asked.input().data());
    const std::size_t input_size = asked.input().size();
    std::size_t size = 0;
    demo::require(::EVP_DigestSignInit(work.get(), &how, digest, nullptr, key) == 1 &&
                      (!asked.is_pss() || (::EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
                                           ::EVP_PKEY_CTX_set_rsa_pss_saltlen(how, -1) == 1)) &&
                      ::EVP_DigestSign(work.get(), nullptr, &size, input, input_size) == 1,
                  "signature");
    std::vector<std::byte> signature(size);
    auto* const out = reinterpret_cast<std::uint8_t*>(signature.data());
    demo::require(::EVP_DigestSign(work.get(), out, &size, input, input_size) == 1, "signature");
    signature.resize(size);
    return signature;
}

// A handshake of the library with itself that may be looked at, and changed, before it runs and where it stops to ask.
struct engine_pair {
    engine_pair(const tls::client_context& for_client, const tls::server_context& for_server,
                std::string_view name = "localhost")
        : client(for_client, name), server(for_server) {}

    // As far as it comes; once more after a question was answered.
    void run() {
        bool moved = true;
        while (moved) {
            advance(client, client_error, client_wants);
            moved = carry(client, server);
            advance(server, server_error, server_wants);
            moved = carry(server, client) || moved;
        }
    }

    [[nodiscard]] bool complete() const { return !client_error && !server_error && client.version() && server.version(); }
    // Whom the client is talking to, by the first name of its certificate; empty before the handshake is complete.
    [[nodiscard]] std::string server_is() const {
        const auto certificate = client.peer_certificate();
        return certificate ? certificate->common_name() : "";
    }

    tls::engine client;
    tls::engine server;
    std::error_code client_error{};
    std::error_code server_error{};
    tls::want client_wants = tls::want::nothing;
    tls::want server_wants = tls::want::nothing;

private:
    // A read as well: in TLS 1.3 the client is done before the server has seen its certificate.
    static void advance(tls::engine& side, std::error_code& error, tls::want& wants) {
        std::array<char, 100> buffer;
        if (error) return;
        const tls::progress step = side.version() ? side.read(buffer) : side.handshake();
        error = step.error;
        wants = step.wants;
    }
};

}  // namespace tests

#endif
