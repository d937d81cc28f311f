// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a connection needs to know of its context beyond what SSL_CTX tells.

#ifndef TLS_STREAM_TLS_DETAIL_CONTEXT_SETTINGS_HPP
#define TLS_STREAM_TLS_DETAIL_CONTEXT_SETTINGS_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/options.hpp>
#include <tls/protocol.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Lives as long as the SSL_CTX, and does not change.
struct context_settings {
    role side = role::client;
    verify_mode verification = verify_mode::full;
    pinned_keys pins{};
    verifier verify{};
    std::vector<std::uint8_t> alpn{};  // in ALPN's own form: each name behind its length
    key_log keys{};
    observer observe{};
    // What a session may be resumed under: everything that decided whether its peer was believed.
    std::array<std::uint8_t, 32> session_binding{};
    signer sign{};  // whoever holds the private key of the identity, if that is
                    // elsewhere

    // A client's.
    bool require_alpn = false;
    bool early_data = false;
    bool keep_session = false;
    bool ech_grease = false;
    std::optional<session_cache> sessions{};
    std::function<void(const session&)> on_session{};

    // A server's.
    std::vector<credential> identities{};  // for names that no host has
    bool has_choice = false;               // otherwise there is one identity, and the SSL_CTX has it
    std::vector<virtual_host> hosts{};     // their names in lower case
    unknown_name unknown_names = unknown_name::use_identity;
    identity_selector select_identity{};
    alpn_selector select_alpn{};
    std::optional<ticket_keys> tickets{};
    std::optional<ech_keys> ech{};
};

inline void free_context_settings(void* owner, void* settings, CRYPTO_EX_DATA*, int, long, void*) noexcept {
    auto* const mine = static_cast<context_settings*>(settings);
    if (mine != nullptr && mine->ech) detach(*mine->ech, static_cast<SSL_CTX*>(owner));
    delete mine;
}

[[nodiscard]] inline int context_settings_index() noexcept {
    static const int index = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_context_settings);
    return index;
}

// The settings of a context that make_context made; null for any other.
[[nodiscard]] inline const context_settings* settings_of(const SSL_CTX* ctx) noexcept {
    return static_cast<const context_settings*>(::SSL_CTX_get_ex_data(ctx, context_settings_index()));
}
[[nodiscard]] inline const context_settings* settings_of(const SSL* ssl) noexcept {
    return settings_of(::SSL_get_SSL_CTX(ssl));
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
