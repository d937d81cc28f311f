// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// From a host's name to a stream with a verified server at its other end.

#ifndef TLS_STREAM_TLS_CONNECT_HPP
#define TLS_STREAM_TLS_CONNECT_HPP

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/socket.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
/// A connection to the host, its certificate verified for that name as the context says, the handshake complete. The deadline bounds
/// all of it, name resolution included, and is cleared before the stream is returned. Errors: errc::host_not_found; those of
/// tcp_socket::connect and of stream::handshake; std::errc::timed_out.
[[nodiscard]] inline stream<tcp_socket> connect(std::string_view host, std::uint16_t port, const client_context& context,
                                                std::chrono::steady_clock::time_point deadline = never) {
    // A name that TLS would refuse is refused before anything goes out.
    stream<tcp_socket> made(tcp_socket{}, context, host, {.port = port});
    made.next_layer() = tcp_socket::connect(host, port, deadline);
    made.expires_at(deadline);
    try {
        made.handshake();
    } catch (const error& failed) {
        const std::string what = "TLS handshake with " + std::string(host) + " port " + std::to_string(port);
        throw error(failed.code(), what, std::string(failed.details()));
    }
    made.expires_never();
    return made;
}

/// The same without an exception; an empty stream on failure.
[[nodiscard]] inline stream<tcp_socket> connect(std::string_view host, std::uint16_t port, const client_context& context,
                                                std::chrono::steady_clock::time_point deadline, std::error_code& ec) {
    ec.clear();
    try {
        return connect(host, port, context, deadline);
    } catch (const error& failed) {
        ec = failed.code();
        return {};
    }
}
/// The same without a deadline.
[[nodiscard]] inline stream<tcp_socket> connect(std::string_view host, std::uint16_t port, const client_context& context,
                                                std::error_code& ec) {
    return connect(host, port, context, never, ec);
}

}  // namespace v0
}  // namespace tls

#endif
