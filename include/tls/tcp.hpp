// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A connected stream socket and a listening one, on POSIX: blocking, with absolute deadlines, or without blocking.
///
/// No call raises SIGPIPE, fails because of a signal (EINTR), or has trouble with descriptors above 1023. Errors of the system
/// keep their errno, in std::system_category(). Three conditions have one exact code each, whichever call they come from:
/// std::errc::operation_would_block and std::errc::timed_out in the generic category, and errc::not_open for a socket that is
/// closed, moved from or empty. A socket belongs to one thread at a time, with two exceptions: one thread may be in its reading calls
/// while another is in its writing calls, with shutdown() beside them; and interrupt() may be called from any thread.

#ifndef TLS_STREAM_TLS_TCP_HPP
#define TLS_STREAM_TLS_TCP_HPP

#include <tls/bytes.hpp>
#include <tls/detail/descriptor_io.hpp>
#include <tls/detail/dial.hpp>
#include <tls/detail/posix.hpp>
#include <tls/detail/resolve.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {

/// One end of a connection.
struct endpoint {
    std::string address;     ///< an IP address in numbers; an AF_UNIX socket's path, or empty if it has none
    std::uint16_t port = 0;  ///< 0 for an AF_UNIX socket

    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// "127.0.0.1:443", "[::1]:443", or without a port the address alone.
[[nodiscard]] inline std::string to_string(const endpoint& end) {
    return end.port == 0 ? end.address : detail::join_host_port(end.address, end.port);
}

namespace detail {

[[nodiscard]] inline endpoint endpoint_by(int (*call)(int, ::sockaddr*, ::socklen_t*), int descriptor, std::error_code& ec) {
    ec = errc::not_open;
    if (descriptor < 0) return {};
    const socket_address address = name_by(call, descriptor, ec);
    if (ec) return {};
    return {host_text(address), port_of(address)};
}

}  // namespace detail

/// A connected stream socket, TCP or AF_UNIX: vectored_socket, deadline_socket, pollable_socket and abortable_socket.
///
/// Move-only; a default-constructed, closed or moved-from one is empty. The destructor closes the descriptor. Without a deadline
/// a call is one plain blocking system call; with one it is tried first, even if the deadline has passed, and polls only if it
/// must.
class tcp_socket {
public:
    /// What deadlines are.
    using time_point = std::chrono::steady_clock::time_point;

    /// An empty one.
    tcp_socket() noexcept = default;

    /// Takes over the descriptor of a connected stream socket, and closes it in the end. Its options stay as they are; that it
    /// is O_NONBLOCK is noticed. A negative number makes an empty socket.
    explicit tcp_socket(int connected_descriptor) noexcept : descriptor_(connected_descriptor) {
        const int flags = descriptor_ ? ::fcntl(connected_descriptor, F_GETFL) : -1;
        non_blocking_ = flags >= 0 && (flags & O_NONBLOCK) != 0;
    }

    /// Connects to a host's name or IP address, a zone included ("fe80::1%eth0"), without brackets. Every address is tried until
    /// one answers; each gets an equal share of the time that is left. The socket blocks, has TCP_NODELAY and FD_CLOEXEC on, and
    /// no deadline.
    ///
    /// errc::host_not_found: the name does not resolve, or is empty, or has a NUL in it (details() holds the resolver's words);
    /// std::errc::timed_out: not by the deadline; otherwise the error of the address that was tried last, such as
    /// std::errc::connection_refused. what() names host, port and that address.
    ///
    /// With a deadline a name is looked up in a thread of its own, which is left behind if the resolver takes longer; without
    /// one, and for an IP address, in the calling thread.
    [[nodiscard]] static tcp_socket connect(std::string_view host, std::uint16_t port, time_point deadline = never) {
        detail::failure why;
        tcp_socket made(detail::dial(host, port, deadline, why));
        if (!made) why.raise();
        return made;
    }
    /// The same without an exception.
    [[nodiscard]] static tcp_socket connect(std::string_view host, std::uint16_t port, std::error_code& ec) {
        return connect(host, port, never, ec);
    }
    /// The same with a deadline.
    [[nodiscard]] static tcp_socket connect(std::string_view host, std::uint16_t port, time_point deadline,
                                            std::error_code& ec) {
        detail::failure why;
        tcp_socket made(detail::dial(host, port, deadline, why));
        ec = made ? std::error_code() : why.code;
        return made;
    }

    /// recv(2): at least 1 byte, or 0 at the end of the stream. Reading into an empty range does nothing and returns 0.
    std::size_t read_some(mutable_bytes bytes, std::error_code& ec) noexcept {
        return detail::receive(descriptor_.get(), bytes.span(), {read_deadline_, non_blocking_}, ec);
    }
    /// The same; throws tls::error.
    std::size_t read_some(mutable_bytes into) {
        std::error_code ec;
        const std::size_t count = read_some(into, ec);
        detail::throw_if(ec, "cannot read from the socket");
        return count;
    }

    /// The same into several ranges, in order, by one recvmsg(2).
    std::size_t read_some(std::span<const std::span<std::byte>> into, std::error_code& ec) noexcept {
        return detail::receive(descriptor_.get(), into, {read_deadline_, non_blocking_}, ec);
    }
    /// The same; throws tls::error.
    std::size_t read_some(std::span<const std::span<std::byte>> into) {
        std::error_code ec;
        const std::size_t count = read_some(into, ec);
        detail::throw_if(ec, "cannot read from the socket");
        return count;
    }

    /// send(2): at least 1 byte. That it succeeds says nothing of the peer. Writing an empty range does nothing and returns 0.
    std::size_t write_some(const_bytes bytes, std::error_code& ec) noexcept {
        return detail::send(descriptor_.get(), bytes.span(), {write_deadline_, non_blocking_}, ec);
    }
    /// The same; throws tls::error.
    std::size_t write_some(const_bytes from) {
        std::error_code ec;
        const std::size_t count = write_some(from, ec);
        detail::throw_if(ec, "cannot write to the socket");
        return count;
    }

    /// The same from several ranges, in order, by one sendmsg(2).
    std::size_t write_some(std::span<const std::span<const std::byte>> from, std::error_code& ec) noexcept {
        return detail::send(descriptor_.get(), from, {write_deadline_, non_blocking_}, ec);
    }
    /// The same; throws tls::error.
    std::size_t write_some(std::span<const std::span<const std::byte>> from) {
        std::error_code ec;
        const std::size_t count = write_some(from, ec);
        detail::throw_if(ec, "cannot write to the socket");
        return count;
    }

    /// The points after which reading and writing no longer wait, and fail with std::errc::timed_out. `never` takes one back.
    void read_expires_at(time_point when) noexcept { read_deadline_ = when; }
    /// The deadline of writing, likewise.
    void write_expires_at(time_point when) noexcept { write_deadline_ = when; }

    /// Waits until the socket can be read or written, the end of the stream and failures included, or until `when`
    /// (std::errc::timed_out). It looks once even if that has passed. The deadlines and non_blocking() do not count here.
    void wait_either(time_point when, std::error_code& ec) noexcept {
        ec = descriptor_ ? detail::wait_for(descriptor_.get(), POLLIN | POLLOUT, when) : make_error_code(errc::not_open);
    }
    /// The same; throws tls::error.
    void wait_either(time_point when) {
        std::error_code ec;
        wait_either(when, ec);
        detail::throw_if(ec, "cannot wait for the socket");
    }

    /// Whether reading and writing fail with std::errc::operation_would_block rather than wait, whatever the deadlines
    /// (O_NONBLOCK by fcntl(2)).
    void non_blocking(bool on, std::error_code& ec) noexcept {
        ec = errc::not_open;
        if (descriptor_) detail::set_non_blocking(descriptor_.get(), on, ec);
        if (!ec) non_blocking_ = on;
    }
    /// The same; throws tls::error.
    void non_blocking(bool on) {
        std::error_code ec;
        non_blocking(on, ec);
        detail::throw_if(ec, "cannot change whether the socket blocks");
    }
    /// Is that so?
    [[nodiscard]] bool non_blocking() const noexcept { return non_blocking_; }

    /// shutdown(2). That both directions have ended already (ENOTCONN) is no error.
    void shutdown(shutdown_mode mode, std::error_code& ec) noexcept { detail::shut_down(descriptor_.get(), mode, ec); }
    /// The same; throws tls::error.
    void shutdown(shutdown_mode mode) {
        std::error_code ec;
        shutdown(mode, ec);
        detail::throw_if(ec, "cannot shut the socket down");
    }

    /// close(2). The socket is empty afterwards, whatever the outcome. Closing an empty one does nothing.
    void close(std::error_code& ec) noexcept { descriptor_.close(ec); }
    /// The same; throws tls::error.
    void close() {
        std::error_code ec;
        close(ec);
        detail::throw_if(ec, "cannot close the socket");
    }
    /// The same when there is nobody to tell.
    void abort() noexcept { descriptor_.reset(); }

    /// Ends both directions by shutdown(2), so that calls that wait return: reading with the end of the stream, writing with
    /// EPIPE. It never closes. From any thread, and from a signal handler, also while the owner reads, writes, closes, aborts or
    /// releases: a descriptor of the same number that is opened later is never touched. Moving or destroying the socket
    /// meanwhile is the caller's error.
    void interrupt() noexcept { descriptor_.interrupt(); }

    /// Is there a descriptor?
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(descriptor_); }
    /// As is_open().
    [[nodiscard]] explicit operator bool() const noexcept { return is_open(); }

    /// The descriptor, still the socket's own; -1 if it is empty.
    [[nodiscard]] int native_handle() const noexcept { return descriptor_.get(); }
    /// Gives the descriptor away, -1 if there is none. The socket is empty afterwards.
    [[nodiscard]] int release() noexcept { return descriptor_.take(); }

    /// This end of the connection (getsockname(2)). Error: errc::not_open, and what the system says.
    [[nodiscard]] endpoint local_endpoint(std::error_code& ec) const {
        return detail::endpoint_by(::getsockname, descriptor_.get(), ec);
    }
    /// The same; throws tls::error.
    [[nodiscard]] endpoint local_endpoint() const {
        std::error_code ec;
        endpoint end = local_endpoint(ec);
        detail::throw_if(ec, "the socket has no local endpoint");
        return end;
    }
    /// The other end of the connection.
    [[nodiscard]] endpoint remote_endpoint(std::error_code& ec) const {
        return detail::endpoint_by(::getpeername, descriptor_.get(), ec);
    }
    /// The same; throws tls::error.
    [[nodiscard]] endpoint remote_endpoint() const {
        std::error_code ec;
        endpoint end = remote_endpoint(ec);
        detail::throw_if(ec, "the socket has no remote endpoint");
        return end;
    }

private:
    friend class tcp_listener;

    // A descriptor that is known to block.
    explicit tcp_socket(detail::descriptor&& blocking) noexcept : descriptor_(std::move(blocking)) {}

    detail::descriptor descriptor_;
    time_point read_deadline_ = never;
    time_point write_deadline_ = never;
    bool non_blocking_ = false;
};

/// A listening TCP socket.
///
/// Move-only; a default-constructed, closed or moved-from one is empty. The destructor closes it.
class tcp_listener {
public:
    /// What deadlines are.
    using time_point = std::chrono::steady_clock::time_point;

    /// An empty one.
    tcp_listener() noexcept = default;

    /// Listens on an IPv4 or IPv6 address of this machine, or the first address of a name that can be had; "0.0.0.0" and "::"
    /// are all of them. Port 0 lets the system choose. SO_REUSEADDR is on, the backlog SOMAXCONN. errc::host_not_found: no such
    /// name; otherwise the error of the system, such as std::errc::address_in_use. what() names address and port.
    tcp_listener(std::string_view address, std::uint16_t port) {
        detail::failure why;
        open(address, port, why);
        if (why.code) why.raise();
    }
    /// The same without an exception; an empty listener on failure.
    [[nodiscard]] static tcp_listener create(std::string_view address, std::uint16_t port, std::error_code& ec) {
        tcp_listener made;
        detail::failure why;
        made.open(address, port, why);
        ec = why.code;
        return made;
    }

    /// Moves the descriptor; the other is empty.
    tcp_listener(tcp_listener&& other) noexcept
        : descriptor_(std::move(other.descriptor_)), interrupted_(other.interrupted_.load()), port_(other.port_) {}
    /// Closes what this one had.
    tcp_listener& operator=(tcp_listener&& other) noexcept {
        descriptor_ = std::move(other.descriptor_);
        interrupted_.store(other.interrupted_.load());
        port_ = other.port_;
        return *this;
    }
    ~tcp_listener() = default;

    /// The next connection: a socket that blocks, with TCP_NODELAY and FD_CLOEXEC on. A connection that broke before it was
    /// accepted is passed over. A deadline that has passed still lets a waiting connection be taken.
    ///
    /// std::errc::timed_out: none by the deadline; std::errc::operation_canceled: interrupt() was called; otherwise the
    /// error of accept(2), such as std::errc::too_many_files_open, after which accept() may be called again.
    [[nodiscard]] tcp_socket accept(time_point deadline = never) {
        std::error_code ec;
        tcp_socket accepted = accept(deadline, ec);
        detail::throw_if(ec, "cannot accept a connection");
        return accepted;
    }
    /// The same without an exception.
    [[nodiscard]] tcp_socket accept(std::error_code& ec) noexcept { return accept(never, ec); }
    /// The same with a deadline.
    [[nodiscard]] tcp_socket accept(time_point deadline, std::error_code& ec) noexcept {
        ec.clear();
        const int number = descriptor_.get();
        if (number < 0) ec = errc::not_open;
        while (!ec) {
            detail::descriptor accepted(::accept4(number, nullptr, nullptr, SOCK_CLOEXEC));
            const int failure = errno;
            if (interrupted_.load()) {
                ec = std::make_error_code(std::errc::operation_canceled);
            } else if (accepted) {
                detail::set_no_delay(accepted.get());
                return tcp_socket(std::move(accepted));
            } else if (failure == EAGAIN || failure == EWOULDBLOCK) {
                ec = detail::wait_for(number, POLLIN, deadline);
            } else if (!is_of_one_connection(failure)) {
                ec.assign(failure, std::system_category());
            }
        }
        return {};
    }

    /// Makes accept() fail with std::errc::operation_canceled, now and for good, one that waits included; the system refuses
    /// further connections (shutdown(2)). It never closes. From any thread, and from a signal handler, also while the owner
    /// accepts or closes; moving or destroying the listener meanwhile is the caller's error.
    void interrupt() noexcept {
        interrupted_.store(true);
        descriptor_.interrupt();
    }

    /// close(2). The listener is empty afterwards, whatever the outcome. Closing an empty one does nothing.
    void close(std::error_code& ec) noexcept { descriptor_.close(ec); }
    /// The same; throws tls::error.
    void close() {
        std::error_code ec;
        close(ec);
        detail::throw_if(ec, "cannot close the listener");
    }

    /// Is there a descriptor?
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(descriptor_); }
    /// As is_open().
    [[nodiscard]] explicit operator bool() const noexcept { return is_open(); }

    /// The port that it listens on; 0 if it is empty.
    [[nodiscard]] std::uint16_t port() const noexcept { return is_open() ? port_ : std::uint16_t{0}; }
    /// The descriptor, which does not block, still the listener's own; -1 if it is empty.
    [[nodiscard]] int native_handle() const noexcept { return descriptor_.get(); }

    /// The address and port that it listens on (getsockname(2)). Error: errc::not_open.
    [[nodiscard]] endpoint local_endpoint(std::error_code& ec) const {
        return detail::endpoint_by(::getsockname, descriptor_.get(), ec);
    }
    /// The same; throws tls::error.
    [[nodiscard]] endpoint local_endpoint() const {
        std::error_code ec;
        endpoint end = local_endpoint(ec);
        detail::throw_if(ec, "the listener has no endpoint");
        return end;
    }

private:
    void open(std::string_view address, std::uint16_t port, detail::failure& why) {
        descriptor_ = detail::listen_on(address, port, why);
        if (!descriptor_) return;
        port_ = detail::port_of(detail::name_by(::getsockname, descriptor_.get(), why.code));
        if (why.code) descriptor_.reset();
    }

    // What accept(2) reports of the connection at the head of the queue, not of the listener (accept(2), "Error handling").
    [[nodiscard]] static bool is_of_one_connection(int failure) noexcept {
        switch (failure) {
            case EINTR:
            case ECONNABORTED:
            case EPROTO:
            case ENOPROTOOPT:
            case ENETDOWN:
            case ENETUNREACH:
            case EHOSTDOWN:
            case EHOSTUNREACH: return true;
            default: return false;
        }
    }

    detail::descriptor descriptor_;
    std::atomic<bool> interrupted_{false};
    std::uint16_t port_ = 0;
};

}  // namespace v0
}  // namespace tls

#endif
