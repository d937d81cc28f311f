// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What a memory socket can do beyond what every socket must.

#ifndef TLS_STREAM_TLS_TESTING_SOCKET_FEATURES_HPP
#define TLS_STREAM_TLS_TESTING_SOCKET_FEATURES_HPP

namespace tls {
inline namespace v0 {
namespace testing {

/// The optional abilities of a socket, one bit each: a stream takes other paths where one is missing.
enum class socket_features : unsigned {
    none = 0,            ///< The four members of tls::socket.
    vectored = 1,        ///< tls::vectored_socket
    deadlines = 2,       ///< tls::deadline_socket
    clock = 4,           ///< tls::clocked_socket; with `deadlines` only
    polling = 8,         ///< tls::pollable_socket; with `deadlines` only
    aborting = 16,       ///< tls::abortable_socket
    blocking_mode = 32,  ///< tls::non_blocking_socket: it says whether it blocks.
    all = 63,            ///< Every one of them.
};

/// What is in either.
[[nodiscard]] constexpr socket_features operator|(socket_features x, socket_features y) noexcept {
    return static_cast<socket_features>(static_cast<unsigned>(x) | static_cast<unsigned>(y));
}
/// All of `set` but those in `less`.
[[nodiscard]] constexpr socket_features operator-(socket_features set, socket_features less) noexcept {
    return static_cast<socket_features>(static_cast<unsigned>(set) & ~static_cast<unsigned>(less));
}
/// All of `wanted` are in `set`.
[[nodiscard]] constexpr bool has(socket_features set, socket_features wanted) noexcept {
    return (static_cast<unsigned>(set) & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
