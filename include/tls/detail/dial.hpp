// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Making TCP sockets: to connect to a host, and to listen on an address.

#ifndef TLS_STREAM_TLS_DETAIL_DIAL_HPP
#define TLS_STREAM_TLS_DETAIL_DIAL_HPP

#include <tls/detail/failure.hpp>
#include <tls/detail/posix.hpp>
#include <tls/detail/resolve.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Sets an option that is an int. A failure is told by nothing but the return value.
inline bool set_option(int descriptor, int level, int option, int value) noexcept {
    return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

// A small record leaves at once and does not wait for the acknowledgement of the one before. A socket that is not TCP, which
// has no such option, is left as it is.
inline void set_no_delay(int descriptor) noexcept { set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1); }

// The address of one end, by getsockname or getpeername.
[[nodiscard]] inline socket_address name_by(int (*call)(int, ::sockaddr*, ::socklen_t*), int descriptor,
                                            std::error_code& ec) noexcept {
    ec.clear();
    socket_address address;
    if (call(descriptor, address.get(), &address.size) != 0) ec = last_system_error();
    return address;
}

// TCP lets a socket connect to itself, when the system gives it the very port that it asks for and nobody listens there.
[[nodiscard]] inline bool is_connected_to_itself(int descriptor) noexcept {
    std::error_code ec;
    const socket_address local = name_by(::getsockname, descriptor, ec);
    if (ec) return false;
    const socket_address remote = name_by(::getpeername, descriptor, ec);
    return !ec && local.size == remote.size && std::memcmp(&local.storage, &remote.storage, local.size) == 0;
}

// A blocking socket that is connected to this address, or an empty one.
[[nodiscard]] inline descriptor connect_one(const socket_address& address, std::chrono::steady_clock::time_point deadline,
                                            std::error_code& ec) noexcept {
    ec.clear();
    descriptor made(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) {
        ec = last_system_error();
        return {};
    }
    if (::connect(made.get(), address.get(), address.size) != 0) {
        if (errno != EINPROGRESS && errno != EINTR) {
            ec = last_system_error();
            return {};
        }
        ec = wait_for(made.get(), POLLOUT, deadline);
        if (ec) return {};
        int outcome = 0;
        ::socklen_t size = sizeof outcome;
        if (::getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &outcome, &size) != 0) outcome = errno;
        if (outcome != 0) ec.assign(outcome, std::system_category());
    }
    if (!ec && is_connected_to_itself(made.get())) ec.assign(ECONNREFUSED, std::system_category());
    if (!ec) set_non_blocking(made.get(), false, ec);
    if (ec) return {};
    set_no_delay(made.get());
    return made;
}

// An equal share of the time that is left, for the first of `count` addresses.
[[nodiscard]] inline std::chrono::steady_clock::time_point share(std::chrono::steady_clock::time_point deadline,
                                                                 std::size_t count) noexcept {
    const auto now = std::chrono::steady_clock::now();
    if (deadline == never || deadline <= now) return deadline;
    return now + (deadline - now) / static_cast<std::chrono::steady_clock::rep>(count);
}

// Connects to the first address of `host` that answers; empty, and `why`, if none does. The failure is the last address's.
[[nodiscard]] inline descriptor dial(std::string_view host, std::uint16_t port, std::chrono::steady_clock::time_point deadline,
                                     failure& why) {
    resolution found = resolve(host, port, deadline);
    why = {found.code, {}, std::move(found.details)};
    for (std::size_t i = 0; i != found.addresses.size(); ++i) {
        descriptor made = connect_one(found.addresses[i], share(deadline, found.addresses.size() - i), why.code);
        if (made) return made;
    }
    why.what = "cannot connect to " + join_host_port(host, port);
    if (!found.addresses.empty()) why.what += " (tried " + join_host_port(host_text(found.addresses.back()), port) + ")";
    return {};
}

// Listens, without blocking, on the first address of `host` that can be had; empty, and `why`, if none can.
[[nodiscard]] inline descriptor listen_on(std::string_view host, std::uint16_t port, failure& why) {
    resolution found = resolve(host, port, never);
    why = {found.code, {}, std::move(found.details)};
    for (const socket_address& address : found.addresses) {
        descriptor made(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (made && set_option(made.get(), SOL_SOCKET, SO_REUSEADDR, 1) &&
            ::bind(made.get(), address.get(), address.size) == 0 && ::listen(made.get(), SOMAXCONN) == 0) {
            return made;
        }
        why.code = last_system_error();
    }
    why.what = "cannot listen on " + join_host_port(host, port);
    return {};
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
