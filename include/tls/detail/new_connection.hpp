// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From a context, and for a client the server's name, to an SSL that is ready for its handshake.

#ifndef TLS_STREAM_TLS_DETAIL_NEW_CONNECTION_HPP
#define TLS_STREAM_TLS_DETAIL_NEW_CONNECTION_HPP

#include <tls/context.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/context_setup.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/verify.hpp>

#include <memory>
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

// RFC 6066 3: SNI carries DNS names, never addresses. An empty name is allowed where no name is verified.
[[nodiscard]] inline new_connection prepare(const client_context& context, std::string_view server_name, failure& why) {
    const error_queue_guard queue;
    new_connection made{new_ssl(context.native_handle(), why), role::client, {}};
    if (why) return {};
    const bool verify_name = settings_of(context.native_handle())->verification == verify_mode::full;
    if (server_name.empty()) {
        if (verify_name) why = {errc::server_name_required, "TLS client", {}};
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
    return made;
}

[[nodiscard]] inline new_connection prepare(const server_context& context, failure& why) {
    const error_queue_guard queue;
    return {new_ssl(context.native_handle(), why), role::server, {}};
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
