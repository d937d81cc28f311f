// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What only a server's SSL_CTX has: identities, hosts, tickets.

#ifndef TLS_STREAM_TLS_DETAIL_SERVER_SETUP_HPP
#define TLS_STREAM_TLS_DETAIL_SERVER_SETUP_HPP

#include <tls/credential.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/printable.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/detail/serving.hpp>
#include <tls/detail/signatures.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>
#include <tls/signing.hpp>
#include <tls/ticket_keys.hpp>
#include <tls/verify.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Names in lower case; those of a host without any are its first identity's.
[[nodiscard]] inline std::vector<virtual_host> hosts_of(const std::vector<virtual_host>& from, failure& why) {
    std::vector<virtual_host> hosts = from;
    for (virtual_host& host : hosts) {
        const bool any_empty =
            std::any_of(host.identities.begin(), host.identities.end(), [](const auto& one) { return !one; });
        if (host.identities.empty() || any_empty) {
            why = {errc::not_open,
                   "virtual host " + (host.names.empty() ? std::string() : printable_ascii(host.names.front())) +
                       ": an identity is missing",
                   {}};
            return {};
        }
        if (host.names.empty()) host.names = host.identities.front().leaf().dns_names();
        if (host.names.empty())
            why = {errc::invalid_server_name, "virtual host: neither it nor its certificate has a name", {}};
        for (std::string& name : host.names) {
            name = lower_case(name);
            if (name.ends_with('.')) name.pop_back();
            const std::string_view plain = name.starts_with("*.") ? std::string_view(name).substr(2) : std::string_view(name);
            if (const char* const fault = dns_name_fault(plain)) {
                why = {errc::invalid_server_name, "virtual host \"" + printable_ascii(name) + "\": " + fault, {}};
                return {};
            }
        }
    }
    return hosts;
}

inline void set_identities(SSL_CTX* ctx, const server_options& from, context_settings& settings, failure& why) {
    settings.hosts = hosts_of(from.hosts, why);
    settings.unknown_names = from.unknown_names;
    settings.select_identity = from.select_identity;
    if (why) return;
    if (settings.hosts.empty() && from.unknown_names == unknown_name::refuse) {
        why = {errc::invalid_server_name, "unknown_names = refuse, and there are no hosts whose names are known", {}};
        return;
    }
    const bool any_other = !settings.hosts.empty() || !from.more_identities.empty() || from.select_identity;
    if (from.identity || (settings.hosts.empty() && !from.select_identity)) settings.identities.push_back(from.identity);
    settings.identities.insert(settings.identities.end(), from.more_identities.begin(), from.more_identities.end());
    // What is stapled to a context's own identity cannot be taken off a connection that has another, so where there is a choice the
    // context has none. All of them are tried, so that a bad one is found now.
    const bssl::UniquePtr<SSL_CTX> trial(any_other ? ::SSL_CTX_new(::TLS_method()) : nullptr);
    if (any_other && trial == nullptr) why = queued_failure(std::make_error_code(std::errc::not_enough_memory), "TLS context");
    const auto try_all = [&](const std::vector<credential>& identities) {
        for (const credential& one : identities) {
            if (!why) install(one, any_other ? trial.get() : ctx, &keys_elsewhere, why);
        }
    };
    try_all(settings.identities);
    for (const virtual_host& host : settings.hosts) try_all(host.identities);
    settings.has_choice = any_other;
    if (why) return;
    if (!any_other) {
        if (const signer* const sign = signer_of(from.identity)) settings.sign = *sign;
    }
    ::SSL_CTX_set_select_certificate_cb(ctx, &on_client_hello);
}

inline int use_tickets(SSL* ssl, std::uint8_t* name, std::uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* mac,
                       int seal) noexcept {
    const auto& keys = settings_of(ssl)->tickets;
    return keys ? use_ticket_key(*keys, name, iv, cipher, mac, seal != 0) : -1;
}

inline void set_tickets(SSL_CTX* ctx, const ticket_options& from, context_settings& settings, failure& why) {
    constexpr std::chrono::seconds limit = std::chrono::days(7);  // RFC 8446 4.6.1
    constexpr std::size_t most = 16;                              // what BoringSSL sends
    if (from.lifetime.count() <= 0 || from.lifetime > limit || from.count > most) {
        why = {
            std::make_error_code(std::errc::invalid_argument),
            from.count > most ? "tickets.count is at most 16" : "tickets.lifetime is at least a second and at most seven days",
            {}};
        return;
    }
    if (from.count == 0) {
        ::SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        ::SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        return;
    }
    const auto seconds = static_cast<std::uint32_t>(from.lifetime.count());
    ::SSL_CTX_set_timeout(ctx, seconds);
    ::SSL_CTX_set_session_psk_dhe_timeout(ctx, seconds);
    ::SSL_CTX_set_num_tickets(ctx, from.count);
    if (!from.keys) return;
    settings.tickets = from.keys;
    if (!*from.keys) why = {errc::not_open, "tls::ticket_keys", {}};
    ::SSL_CTX_set_tlsext_ticket_key_cb(ctx, &use_tickets);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
