// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From options to an SSL_CTX. What the two roles have in common is a template over their options.

#ifndef TLS_STREAM_TLS_DETAIL_CONTEXT_SETUP_HPP
#define TLS_STREAM_TLS_DETAIL_CONTEXT_SETUP_HPP

#include <tls/credential.hpp>
#include <tls/detail/algorithms_setup.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/detail/server_setup.hpp>
#include <tls/detail/serving.hpp>
#include <tls/detail/signatures.hpp>
#include <tls/detail/verification_setup.hpp>
#include <tls/detail/verifying.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>
#include <tls/protocol.hpp>
#include <tls/trust.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

namespace detail {

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

inline void log_key(const SSL* ssl, const char* line) noexcept {
    connection* const here = connection::of(ssl);
    const context_settings* const settings = settings_of(ssl);
    if (here == nullptr || settings == nullptr) return;
    here->call_user(0, [&] { return settings->keys.write(line), 0; });
}

// What client and server have in common.
template <class Options>
void set_common(SSL_CTX* ctx, const Options& from, context_settings& settings, failure& why) {
    set_versions(ctx, from.min_version, from.max_version, why);
    if (!why) set_ciphers(ctx, from, why);
    if (!why) set_groups(ctx, from, why);
    if (!why) set_signatures(ctx, why);
    if (!why) settings.alpn = alpn_wire_format(from.alpn, why);
    settings.pins = from.pins;
    settings.verify = from.verify;
    settings.observe = from.observe;
    settings.keys = from.keys;
    if (from.keys) ::SSL_CTX_set_keylog_callback(ctx, &log_key);
}

// --- a client ---

inline int keep_session(SSL* ssl, SSL_SESSION* given) noexcept {
    bssl::UniquePtr<SSL_SESSION> fresh(given);  // 1 says that it is ours now
    if (connection* const here = connection::of(ssl)) here->received_session(std::move(fresh));
    return 1;
}

inline void set_role(SSL_CTX* ctx, const client_options& from, context_settings& settings, failure& why) {
    settings.verification = from.verification;
    const bool verifies_chain = from.verification != verify_mode::dangerously_none;
    // Whose system store cannot be read must still be able to do without it.
    if (verifies_chain) set_verification(ctx, from, why);
    if (!why) set_session_binding(from, static_cast<unsigned>(from.verification), verifies_chain, settings, why);
    if (!why && from.identity) {
        install(*from.identity, ctx, &keys_elsewhere, why);
        if (const signer* const sign = signer_of(*from.identity)) settings.sign = *sign;
    }
    if (why) return;
    if (verifies_chain || from.verify || from.pins) {
        ::SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, &verify_peer);
    } else {
        ::SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
    }

    settings.require_alpn = from.require_alpn;
    if (from.require_alpn && settings.alpn.empty()) why = {errc::invalid_alpn, "require_alpn without a protocol to offer", {}};
    // At most 65,535 bytes; older BoringSSL takes an unsigned, newer a size_t.
    if (!settings.alpn.empty() &&
        ::SSL_CTX_set_alpn_protos(ctx, settings.alpn.data(), static_cast<unsigned>(settings.alpn.size())) != 0) {
        why = queued_failure(errc::invalid_alpn, "ALPN list");
    }

    settings.sessions = from.sessions;
    settings.on_session = from.on_session;
    settings.keep_session = from.keep_session;
    settings.early_data = from.early_data;
    ::SSL_CTX_set_session_id_context(ctx, settings.session_binding.data(), settings.session_binding.size());
    if (from.sessions || from.on_session || from.keep_session) {
        ::SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        ::SSL_CTX_sess_set_new_cb(ctx, &keep_session);
    }

    if (from.request_ocsp) ::SSL_CTX_enable_ocsp_stapling(ctx);
    if (from.request_scts) ::SSL_CTX_enable_signed_cert_timestamps(ctx);
    settings.ech_grease = from.ech_grease;
}

// --- a server ---

inline void set_role(SSL_CTX* ctx, const server_options& from, context_settings& settings, failure& why) {
    set_identities(ctx, from, settings, why);
    if (!why) set_tickets(ctx, from.tickets, settings, why);
    if (why) return;
    settings.select_alpn = from.select_alpn;
    ::SSL_CTX_set_alpn_select_cb(ctx, &select_alpn, nullptr);
    if (from.select_alpn && !from.alpn.empty()) {
        why = {errc::invalid_alpn, "ALPN is given twice, as a list and as a callable", {}};
        return;
    }
    ::SSL_CTX_set_early_data_enabled(ctx, from.early_data ? 1 : 0);
    const bool verifies = from.authentication != client_auth::none;
    set_session_binding(from, static_cast<unsigned>(from.authentication), verifies, settings, why);
    if (!why && from.ech) {
        settings.ech = from.ech;
        attach(*from.ech, ctx, why);
    }
    if (why || !verifies) return;
    const int must = from.authentication == client_auth::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    set_verification(ctx, from, why);
    if (why) return;
    ::SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER | must, &verify_peer);
    auto names = subject_names(from.trust, why);
    if (!why) ::SSL_CTX_set_client_CA_list(ctx, names.release());
}

// An SSL_CTX made of the options; null and `why` if they do not hold together. Nothing half-made is ever returned.
template <class Options>
[[nodiscard]] bssl::UniquePtr<SSL_CTX> make_context(const Options& from, failure& why) {
    const error_queue_guard queue;
    bssl::UniquePtr<SSL_CTX> ctx(::SSL_CTX_new(::TLS_method()));
    const bool there = ctx != nullptr && context_settings_index() >= 0;
    auto owned = std::make_unique<context_settings>();
    if (!there || ::SSL_CTX_set_ex_data(ctx.get(), context_settings_index(), owned.get()) == 0) {
        why = queued_failure(std::make_error_code(std::errc::not_enough_memory), "TLS context");
        return nullptr;
    }
    context_settings& settings = *owned.release();  // the SSL_CTX frees it
    settings.side = std::is_same_v<Options, client_options> ? role::client : role::server;
    set_common(ctx.get(), from, settings, why);
    if (!why) set_role(ctx.get(), from, settings, why);
    if (!why) set_policy(ctx.get(), from.policy, why);
    return why ? nullptr : std::move(ctx);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
