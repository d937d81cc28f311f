// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a server decides by the ClientHello: who it is, which protocol is spoken, and what a session may be resumed under.

#ifndef TLS_STREAM_TLS_DETAIL_SERVING_HPP
#define TLS_STREAM_TLS_DETAIL_SERVING_HPP

#include <tls/alert.hpp>
#include <tls/client_hello.hpp>
#include <tls/credential.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/printable.hpp>
#include <tls/detail/signatures.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>
#include <tls/signing.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// --- who the server is ---

// Does a host's name, exact or with a wildcard as its left-most label, cover the one that a client asks for? Both in lower
// case.
[[nodiscard]] inline bool covers(std::string_view host, std::string_view asked) noexcept {
    if (!host.starts_with("*.")) return host == asked;
    const std::size_t dot = asked.find('.');
    return dot != std::string_view::npos && dot != 0 && asked.substr(dot) == host.substr(1);
}

// The identities for a name, or null. Exact names come before wildcards.
[[nodiscard]] inline const std::vector<credential>* identities_for(const context_settings& settings, std::string_view name) {
    if (!name.empty()) {
        for (const bool wildcard : {false, true}) {
            for (const virtual_host& host : settings.hosts) {
                const auto fits = [&](const std::string& one) {
                    return one.starts_with("*.") == wildcard && covers(one, name);
                };
                if (std::any_of(host.names.begin(), host.names.end(), fits)) return &host.identities;
            }
        }
        if (settings.unknown_names == unknown_name::refuse && !settings.hosts.empty()) return nullptr;
    }
    return settings.identities.empty() ? nullptr : &settings.identities;
}

// Will it be TLS 1.3 with a client with this ClientHello?
[[nodiscard]] inline bool will_be_tls1_3(const SSL_CLIENT_HELLO* hello) {
    const auto extension = extension_of(hello, TLSEXT_TYPE_supported_versions);
    if (!extension || ::SSL_get_max_proto_version(hello->ssl) < TLS1_3_VERSION) return false;
    const auto versions = numbers_of(*extension, 1);
    return std::find(versions.begin(), versions.end(), TLS1_3_VERSION) != versions.end();
}

// The curve that a scheme is tied to in TLS 1.3 (RFC 8446 4.2.3).
[[nodiscard]] inline int curve_of(std::uint16_t scheme) noexcept {
    switch (scheme) {
        case SSL_SIGN_ECDSA_SECP256R1_SHA256: return NID_X9_62_prime256v1;
        case SSL_SIGN_ECDSA_SECP384R1_SHA384: return NID_secp384r1;
        case SSL_SIGN_ECDSA_SECP521R1_SHA512: return NID_secp521r1;
        default: return NID_undef;
    }
}

// Can this key sign by that scheme?
[[nodiscard]] inline bool signs_by(const EVP_PKEY* key, std::uint16_t scheme, bool tls1_3) noexcept {
    if (key == nullptr || ::SSL_get_signature_algorithm_key_type(scheme) != ::EVP_PKEY_id(key)) return false;
    if (!tls1_3) return true;
    switch (::EVP_PKEY_id(key)) {
        case EVP_PKEY_RSA: return ::SSL_is_signature_algorithm_rsa_pss(scheme) == 1;
        case EVP_PKEY_EC:
            return ::EC_GROUP_get_curve_name(::EC_KEY_get0_group(::EVP_PKEY_get0_EC_KEY(key))) == curve_of(scheme);
        default: return true;
    }
}

// Can a client with this ClientHello verify a signature of this identity, and agree on a cipher suite with it?
[[nodiscard]] inline bool suits(const SSL_CLIENT_HELLO* hello, const credential& identity) {
    const bool tls1_3 = will_be_tls1_3(hello);
    const bool is_rsa = identity.key_type() == "RSA";
    const auto extension = extension_of(hello, TLSEXT_TYPE_signature_algorithms);
    const auto schemes = extension ? numbers_of(*extension, 2) : std::vector<std::uint16_t>();
    const auto fits = [&](std::uint16_t scheme) { return signs_by(public_key_of(identity), scheme, tls1_3); };
    if (std::none_of(schemes.begin(), schemes.end(), fits)) return schemes.empty() && is_rsa;
    if (tls1_3) return true;
    // In TLS 1.2 the suite names the kind of key.
    CBS suites;
    ::CBS_init(&suites, hello->cipher_suites, hello->cipher_suites_len);
    std::uint16_t number = 0;
    while (::CBS_get_u16(&suites, &number) != 0) {
        const SSL_CIPHER* const suite = ::SSL_get_cipher_by_value(number);
        if (suite != nullptr && ::SSL_CIPHER_get_auth_nid(suite) == (is_rsa ? NID_auth_rsa : NID_auth_ecdsa)) return true;
    }
    return false;
}

[[nodiscard]] inline const credential& best_for(const SSL_CLIENT_HELLO* hello, const std::vector<credential>& identities) {
    const auto good =
        std::find_if(identities.begin(), identities.end(), [&](const credential& one) { return suits(hello, one); });
    return good != identities.end() ? *good : identities.front();
}

inline bool become(connection& here, const context_settings& settings, const credential& identity) {
    if (!settings.has_choice) return true;  // the SSL_CTX has it
    if (const signer* const sign = signer_of(identity)) here.state().sign = *sign;
    failure why;
    install(identity, here.ssl(), &keys_elsewhere, why);
    if (why) here.state().failure = why.code;
    return !why;
}

// The identity's answer to a refusal. BoringSSL would say handshake_failure.
inline ssl_select_cert_result_t refuse_client(connection& here, alert why) {
    here.state().failure = errc::identity_refused;
    ::SSL_send_fatal_alert(here.ssl(), static_cast<std::uint8_t>(why));
    return ssl_select_cert_error;
}

// RFC 6066 3: a session is not resumed under another name. With what else decides, which the context knows.
inline bool bind_session(SSL* ssl, const context_settings& settings, std::string_view name) {
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> id{};
    SHA256_CTX hash;
    ::SHA256_Init(&hash);
    ::SHA256_Update(&hash, settings.session_binding.data(), settings.session_binding.size());
    ::SHA256_Update(&hash, name.data(), name.size());
    ::SHA256_Final(id.data(), &hash);
    return ::SSL_set_session_id_context(ssl, id.data(), id.size()) == 1;
}

inline ssl_select_cert_result_t choose_identity(connection& here, const context_settings& settings,
                                                const SSL_CLIENT_HELLO* hello) {
    const std::string name = server_name_of(hello);
    if (!bind_session(here.ssl(), settings, name)) return ssl_select_cert_error;
    if (settings.select_identity) {
        handshake_state& state = here.state();
        if (state.identity == nullptr) {
            state.identity = std::make_shared<question<identity_answer>>();
            settings.select_identity(identity_request(read_client_hello(hello), state.identity));
        }
        if (!state.identity->is_answered()) return ssl_select_cert_retry;
        const identity_answer& given = state.identity->answer();
        if (given.refused) return refuse_client(here, *given.refused);
        if (given.chosen) return become(here, settings, *given.chosen) ? ssl_select_cert_success : ssl_select_cert_error;
    }
    const std::vector<credential>* const identities = identities_for(settings, name);
    if (identities == nullptr) return refuse_client(here, alert::unrecognized_name);
    const credential& chosen = identities->size() == 1 ? identities->front() : best_for(hello, *identities);
    return become(here, settings, chosen) ? ssl_select_cert_success : ssl_select_cert_error;
}

// BoringSSL's select_certificate callback, before it has decided anything.
inline ssl_select_cert_result_t on_client_hello(const SSL_CLIENT_HELLO* hello) noexcept {
    connection* const here = connection::of(hello->ssl);
    const context_settings* const settings = settings_of(hello->ssl);
    if (here == nullptr || settings == nullptr) return ssl_select_cert_success;
    return here->call_user(ssl_select_cert_error, [&] { return choose_identity(*here, *settings, hello); });
}

// --- ALPN ---

// The server's choice: the first of its own list that the client offers too, or its own callable's.
inline int select_alpn(SSL* ssl, const std::uint8_t** out, std::uint8_t* out_size, const std::uint8_t* offered,
                       unsigned offered_size, void*) noexcept {
    const context_settings& settings = *settings_of(ssl);
    if (settings.select_alpn) {
        connection* const here = connection::of(ssl);
        if (here == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
        return here->call_user(SSL_TLSEXT_ERR_ALERT_FATAL, [&] {
            CBS list;
            ::CBS_init(&list, offered, offered_size);
            const std::vector<std::string> names = alpn_names_of(list);
            const char* const asked = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
            const auto chosen = settings.select_alpn(names, asked != nullptr ? lower_case(asked) : std::string());
            if (!chosen) return SSL_TLSEXT_ERR_ALERT_FATAL;
            if (chosen->empty()) return SSL_TLSEXT_ERR_NOACK;
            // What is given back must live on: it is the client's own copy.
            CBS name;
            while (::CBS_get_u8_length_prefixed(&list, &name) != 0) {
                const std::string_view text(reinterpret_cast<const char*>(::CBS_data(&name)), ::CBS_len(&name));
                if (text != *chosen) continue;
                *out = ::CBS_data(&name);
                *out_size = static_cast<std::uint8_t>(::CBS_len(&name));
                return SSL_TLSEXT_ERR_OK;
            }
            return SSL_TLSEXT_ERR_ALERT_FATAL;  // not one that was offered
        });
    }
    const auto& own = settings.alpn;
    if (own.empty()) return SSL_TLSEXT_ERR_NOACK;
    std::uint8_t* chosen = nullptr;
    const int found =
        ::SSL_select_next_proto(&chosen, out_size, own.data(), static_cast<unsigned>(own.size()), offered, offered_size);
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
