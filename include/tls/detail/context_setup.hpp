// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From options to an SSL_CTX. What the two roles have in common is a template over their options.

#ifndef TLS_STREAM_TLS_DETAIL_CONTEXT_SETUP_HPP
#define TLS_STREAM_TLS_DETAIL_CONTEXT_SETUP_HPP

#include <tls/credential.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>
#include <tls/protocol.hpp>
#include <tls/trust.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

namespace detail {

// What a connection needs to know of its context beyond what SSL_CTX tells; lives as long as the SSL_CTX.
struct context_settings {
    verify_mode verification = verify_mode::full;
    std::vector<std::uint8_t> alpn;  // in ALPN's own form: each name behind its length
};

inline void free_context_settings(void*, void* settings, CRYPTO_EX_DATA*, int, long, void*) noexcept {
    delete static_cast<context_settings*>(settings);
}

[[nodiscard]] inline int context_settings_index() noexcept {
    static const int index = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_context_settings);
    return index;
}

// The settings of a context that make_context made; null for any other.
[[nodiscard]] inline const context_settings* settings_of(const SSL_CTX* ctx) noexcept {
    return static_cast<const context_settings*>(::SSL_CTX_get_ex_data(ctx, context_settings_index()));
}

// RFC 7301 3.1: a name has 1 to 255 bytes, the list at most 65,535.
[[nodiscard]] inline std::vector<std::uint8_t> alpn_wire_format(const std::vector<std::string>& names, failure& why) {
    std::vector<std::uint8_t> list;
    for (const std::string& name : names) {
        if (name.empty() || name.size() > 255) {
            why = {errc::invalid_alpn, "ALPN name of " + std::to_string(name.size()) + " bytes", {}};
            return {};
        }
        list.push_back(static_cast<std::uint8_t>(name.size()));
        list.insert(list.end(), name.begin(), name.end());
    }
    if (list.size() > 65535) why = {errc::invalid_alpn, "ALPN list of " + std::to_string(list.size()) + " bytes", {}};
    return list;
}

// The server's choice: the first of its own list that the client offers too.
inline int select_alpn(SSL* ssl, const std::uint8_t** out, std::uint8_t* out_size, const std::uint8_t* offered,
                       unsigned offered_size, void*) noexcept {
    const auto& own = settings_of(::SSL_get_SSL_CTX(ssl))->alpn;
    if (own.empty()) return SSL_TLSEXT_ERR_NOACK;
    std::uint8_t* chosen = nullptr;
    const int found =
        ::SSL_select_next_proto(&chosen, out_size, own.data(), static_cast<unsigned>(own.size()), offered, offered_size);
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

[[nodiscard]] inline bool is_known(protocol_version version) noexcept {
    return version == protocol_version::tls1_2 || version == protocol_version::tls1_3;
}

inline void set_versions(SSL_CTX* ctx, protocol_version least, protocol_version most, failure& why) {
    if (!is_known(least) || !is_known(most) || least > most) {
        why = {errc::invalid_versions, "protocol versions", {}};
    } else if (::SSL_CTX_set_min_proto_version(ctx, static_cast<std::uint16_t>(least)) == 0 ||
               ::SSL_CTX_set_max_proto_version(ctx, static_cast<std::uint16_t>(most)) == 0) {
        why = queued_failure(errc::invalid_versions, "protocol versions");
    }
}

inline void set_groups(SSL_CTX* ctx, const std::string& groups, failure& why) {
#if TLS_STREAM_HAS_GROUPS_LIST
    const int done = ::SSL_CTX_set1_groups_list(ctx, groups.c_str());
#else
    const int done = ::SSL_CTX_set1_curves_list(ctx, groups.c_str());
#endif
    if (done == 0) why = queued_failure(errc::invalid_groups, "groups '" + groups + "'");
}

// What client and server have in common. A string with a NUL inside would be read only up to it, so it is refused.
template <class Options>
void set_common(SSL_CTX* ctx, const Options& from, context_settings& settings, failure& why) {
    set_versions(ctx, from.min_version, from.max_version, why);
    if (why) return;
    if (!from.tls1_2_ciphers.empty()) {
        if (from.tls1_2_ciphers.find('\0') != std::string::npos ||
            ::SSL_CTX_set_strict_cipher_list(ctx, from.tls1_2_ciphers.c_str()) == 0) {
            why = queued_failure(errc::invalid_ciphers, "TLS 1.2 ciphers '" + from.tls1_2_ciphers + "'");
            return;
        }
    }
    if (!from.groups.empty()) {
        if (from.groups.find('\0') != std::string::npos) {
            why = {errc::invalid_groups, "groups with a NUL", {}};
        } else {
            set_groups(ctx, from.groups, why);
        }
        if (why) return;
    }
    settings.alpn = alpn_wire_format(from.alpn, why);
}

inline void set_trust(SSL_CTX* ctx, const trust_store& trust, failure& why) {
    auto store = certificate_store(trust, why);
    if (!why) ::SSL_CTX_set_cert_store(ctx, store.release());
}

inline void set_role(SSL_CTX* ctx, const client_options& from, context_settings& settings, failure& why) {
    settings.verification = from.verification;
    ::SSL_CTX_set_verify(ctx, from.verification == verify_mode::dangerously_none ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    // Whose system store cannot be read must still be able to do without it.
    if (from.verification != verify_mode::dangerously_none) set_trust(ctx, from.trust, why);
    if (!why && from.identity) install(*from.identity, ctx, why);
    if (why || settings.alpn.empty()) return;
    // At most 65,535 bytes; older BoringSSL takes an unsigned, newer a size_t.
    if (::SSL_CTX_set_alpn_protos(ctx, settings.alpn.data(), static_cast<unsigned>(settings.alpn.size())) != 0) {
        why = queued_failure(errc::invalid_alpn, "ALPN list");
    }
}

inline void set_role(SSL_CTX* ctx, const server_options& from, context_settings&, failure& why) {
    install(from.identity, ctx, why);
    if (why) return;
    ::SSL_CTX_set_alpn_select_cb(ctx, &select_alpn, nullptr);
    if (from.authentication == client_auth::none) return;
    const int must = from.authentication == client_auth::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    ::SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | must, nullptr);
    set_trust(ctx, from.trust, why);
    if (why) return;
    auto names = subject_names(from.trust, why);
    if (why) return;
    ::SSL_CTX_set_client_CA_list(ctx, names.release());
    // Without one BoringSSL refuses to resume a session whose client was verified.
    constexpr std::string_view id = "tls-stream";
    ::SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const std::uint8_t*>(id.data()), id.size());
}

// An SSL_CTX made of the options; null and `why` if they do not hold together. Nothing half-made is ever returned.
template <class Options>
[[nodiscard]] bssl::UniquePtr<SSL_CTX> make_context(const Options& from, failure& why) {
    const error_queue_guard queue;
    bssl::UniquePtr<SSL_CTX> ctx(::SSL_CTX_new(::TLS_method()));
    auto settings = std::make_unique<context_settings>();
    if (ctx == nullptr || context_settings_index() < 0) {
        why = queued_failure(std::make_error_code(std::errc::not_enough_memory), "TLS context");
        return nullptr;
    }
    set_common(ctx.get(), from, *settings, why);
    if (!why) set_role(ctx.get(), from, *settings, why);
    if (why) return nullptr;
    if (::SSL_CTX_set_ex_data(ctx.get(), context_settings_index(), settings.get()) == 0) {
        why = queued_failure(std::make_error_code(std::errc::not_enough_memory), "TLS context");
        return nullptr;
    }
    [[maybe_unused]] const auto* const given_away = settings.release();  // the SSL_CTX frees it
    return ctx;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
