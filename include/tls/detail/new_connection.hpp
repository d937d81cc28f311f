// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From a context, and for a client the server's name, to an SSL that is ready for its handshake.

#ifndef TLS_STREAM_TLS_DETAIL_NEW_CONNECTION_HPP
#define TLS_STREAM_TLS_DETAIL_NEW_CONNECTION_HPP

#include <tls/context.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/printable.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/session_cache.hpp>
#include <tls/verify.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// What a connection is made of.
struct new_connection {
    bssl::UniquePtr<SSL> ssl;
    role side = role::client;
    std::string server_name;  // a client's; a server learns its own from the handshake
    std::uint16_t port = 0;
};

[[nodiscard]] inline bssl::UniquePtr<SSL> new_ssl(SSL_CTX* ctx, failure& why) {
    if (ctx == nullptr) {
        why = {errc::not_open, "TLS context", {}};
        return nullptr;
    }
    bssl::UniquePtr<SSL> ssl(::SSL_new(ctx));
    if (ssl == nullptr) why = queued_failure(std::make_error_code(std::errc::not_enough_memory), "TLS connection");
    return ssl;
}

// The session to resume: the one that was given, or one of the context's cache. Only one that was made with the same server,
// under a configuration that believed it for the same reasons, is offered.
inline void offer_session(new_connection& made, const context_settings& settings, const connection_options& options,
                          failure& why) {
    session resumed = options.resume;
    if (resumed) {
        if (lower_case(resumed.server_name()) != lower_case(made.server_name)) {
            why = {errc::invalid_session,
                   "session of server '" + printable_ascii(resumed.server_name()) + "' for '" + made.server_name + "'",
                   {}};
            return;
        }
    } else if (settings.sessions) {
        resumed = take_session(*settings.sessions, made.server_name, options.port, settings.session_binding);
    }
    if (!resumed) return;
    unsigned size = 0;
    const std::uint8_t* const id = ::SSL_SESSION_get0_id_context(resumed.native_handle(), &size);
    if (!std::ranges::equal(std::span(id, size), settings.session_binding)) return;
    ::SSL_set_session(made.ssl.get(), resumed.native_handle());
}

// Would BoringSSL use this ECHConfig (RFC 9849 4), its version and contents given? It wants X25519, HKDF-SHA256, an AEAD that it has,
// no extension that must be understood, and a public name that is one.
[[nodiscard]] inline bool is_usable_ech_config(std::uint16_t version, CBS contents) {
    CBS public_key, suites, public_name, extensions, extension;
    std::uint8_t id = 0, max_name_length = 0;
    std::uint16_t kem = 0, kdf = 0, aead = 0, kind = 0;
    if (version != TLSEXT_TYPE_encrypted_client_hello || ::CBS_get_u8(&contents, &id) != 1 ||
        ::CBS_get_u16(&contents, &kem) != 1 || ::CBS_get_u16_length_prefixed(&contents, &public_key) != 1 ||
        ::CBS_get_u16_length_prefixed(&contents, &suites) != 1 || ::CBS_get_u8(&contents, &max_name_length) != 1 ||
        ::CBS_get_u8_length_prefixed(&contents, &public_name) != 1 ||
        ::CBS_get_u16_length_prefixed(&contents, &extensions) != 1 || kem != EVP_HPKE_DHKEM_X25519_HKDF_SHA256) {
        return false;
    }
    while (::CBS_get_u16(&extensions, &kind) == 1 && ::CBS_get_u16_length_prefixed(&extensions, &extension) == 1) {
        if ((kind & 0x8000) != 0) return false;
    }
    const std::string name =
        "." + std::string(reinterpret_cast<const char*>(::CBS_data(&public_name)), ::CBS_len(&public_name)) + ".";
    if (dns_name_fault(std::string_view(name).substr(1, name.size() - 2)) != nullptr || name.find('_') != std::string::npos ||
        name.find(".-") != std::string::npos || name.find("-.") != std::string::npos) {
        return false;
    }
    while (::CBS_get_u16(&suites, &kdf) == 1 && ::CBS_get_u16(&suites, &aead) == 1) {
        if (kdf == EVP_HPKE_HKDF_SHA256 && aead >= EVP_HPKE_AES_128_GCM && aead <= EVP_HPKE_CHACHA20_POLY1305) return true;
    }
    return false;
}

// Is there one that BoringSSL would use? With none it would send the name in the open, and not say so.
[[nodiscard]] inline bool has_usable_ech_config(std::span<const std::byte> list) {
    CBS rest, configs, contents;
    std::uint16_t version = 0;
    ::CBS_init(&rest, reinterpret_cast<const std::uint8_t*>(list.data()), list.size());
    if (::CBS_get_u16_length_prefixed(&rest, &configs) != 1) return false;
    while (::CBS_get_u16(&configs, &version) == 1 && ::CBS_get_u16_length_prefixed(&configs, &contents) == 1) {
        if (is_usable_ech_config(version, contents)) return true;
    }
    return false;
}

// RFC 9849.
inline void offer_ech(SSL* ssl, const context_settings& settings, const connection_options& options, failure& why) {
    if (settings.ech_grease) ::SSL_set_enable_ech_grease(ssl, 1);
    if (options.ech_config_list.empty()) return;
    const auto* const list = reinterpret_cast<const std::uint8_t*>(options.ech_config_list.data());
    if (::SSL_get_max_proto_version(ssl) < TLS1_3_VERSION) {
        why = {errc::not_supported, "ECH without TLS 1.3", {}};
    } else if (::SSL_set1_ech_config_list(ssl, list, options.ech_config_list.size()) != 1) {
        why = queued_failure(errc::invalid_ech, "ECH configuration list");
    } else if (!has_usable_ech_config(options.ech_config_list)) {
        why = {errc::invalid_ech, "ECH configuration list: none of its configurations can be used", {}};
    }
}

// RFC 6066 3: SNI carries DNS names, never addresses. An empty name is allowed where no name is verified.
[[nodiscard]] inline new_connection prepare(const client_context& context, std::string_view server_name,
                                            const connection_options& options, failure& why) {
    const error_queue_guard queue;
    new_connection made{new_ssl(context.native_handle(), why), role::client, {}, options.port};
    if (why) return {};
    const context_settings& settings = *settings_of(context.native_handle());
    const bool verify_name = settings.verification == verify_mode::full;
    offer_ech(made.ssl.get(), settings, options, why);
    if (why) return {};
    if (server_name.empty()) {
        if (verify_name) why = {errc::server_name_required, "TLS client", {}};
        if (!why) offer_session(made, settings, options, why);
        return made;
    }
    server_identity identity = parse_server_name(server_name, why);
    if (why) return {};
    const bool named = identity.is_address || ::SSL_set_tlsext_host_name(made.ssl.get(), identity.name.c_str()) == 1;
    if (!named || (verify_name && !require_name(::SSL_get0_param(made.ssl.get()), identity))) {
        why = queued_failure(errc::invalid_server_name, "server name '" + identity.name + "'");
        return {};
    }
    made.server_name = std::move(identity.name);
    offer_session(made, settings, options, why);
    return made;
}
[[nodiscard]] inline new_connection prepare(const client_context& context, std::string_view server_name, failure& why) {
    return prepare(context, server_name, connection_options{}, why);
}

[[nodiscard]] inline new_connection prepare(const server_context& context, failure& why) {
    const error_queue_guard queue;
    return {new_ssl(context.native_handle(), why), role::server, {}, 0};
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
