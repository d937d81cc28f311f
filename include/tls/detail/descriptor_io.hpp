// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Bytes through a connected stream socket's descriptor, whoever owns it: one system call where one will do, waiting where it must,
// never SIGPIPE, and EINTR is nobody's business.

#ifndef TLS_STREAM_TLS_DETAIL_DESCRIPTOR_IO_HPP
#define TLS_STREAM_TLS_DETAIL_DESCRIPTOR_IO_HPP

#include <tls/detail/posix.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>

namespace tls {
inline namespace v0 {
namespace detail {

// Several ranges as the system wants them. It takes the first sixteen that are not empty, which is as many as POSIX promises
// (_XOPEN_IOV_MAX) and more than the library ever gathers; the rest is for the next call, as with any short count.
class io_vector {
public:
    template <class Byte>
    explicit io_vector(std::span<const std::span<Byte>> ranges) noexcept {
        for (const std::span<Byte> range : ranges) {
            if (range.empty()) continue;
            if (count_ == most) break;
            // sendmsg(2) does not write to it; iovec has no const form.
            parts_[count_++] = {const_cast<std::byte*>(range.data()), range.size()};
        }
    }

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] ::msghdr message() noexcept {
        ::msghdr header{};
        header.msg_iov = parts_;
        header.msg_iovlen = count_;
        return header;
    }

private:
    static constexpr std::size_t most = 16;
    ::iovec parts_[most];
    std::size_t count_ = 0;
};

// How long a transfer may wait. With a deadline it is tried first, even if that has passed; if it does not block it never waits.
struct patience {
    std::chrono::steady_clock::time_point deadline = never;
    bool non_blocking = false;

    [[nodiscard]] int flags() const noexcept { return deadline == never && !non_blocking ? 0 : MSG_DONTWAIT; }
};

// The first try has failed, and errno says why.
template <class Call>
[[gnu::noinline]] std::size_t transfer_again(int number, short events, patience how, std::error_code& ec, Call call) noexcept {
    for (;;) {
        if (errno != EINTR) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                ec = last_system_error();
            } else if (how.non_blocking) {
                ec = std::make_error_code(std::errc::operation_would_block);
            } else if (has_passed(how.deadline)) {
                ec = std::make_error_code(std::errc::timed_out);
            } else {
                ec = wait_for(number, events, how.deadline);
            }
            if (ec) return 0;
        }
        const ::ssize_t count = call(number, how.flags());
        if (count >= 0) return static_cast<std::size_t>(count);
    }
}

// Runs `call` until it has moved bytes or failed for good.
template <class Call>
[[gnu::always_inline]] inline std::size_t transfer(int number, bool nothing_to_do, short events, patience how,
                                                   std::error_code& ec, Call call) noexcept {
    reset(ec);
    if (number >= 0 && !nothing_to_do) {
        const ::ssize_t count = call(number, how.flags());
        if (count >= 0) return static_cast<std::size_t>(count);
        return transfer_again(number, events, how, ec, call);
    }
    if (number < 0) ec = errc::not_open;
    return 0;
}

// recv(2): at least 1 byte, or 0 at the end of the stream or into an empty range. A negative number is errc::not_open.
[[gnu::always_inline]] inline std::size_t receive(int number, std::span<std::byte> into, patience how,
                                                  std::error_code& ec) noexcept {
    return transfer(number, into.empty(), POLLIN, how, ec,
                    [into](int from, int flags) { return ::recv(from, into.data(), into.size(), flags); });
}
// The same into several ranges, in order, by one recvmsg(2).
[[gnu::always_inline]] inline std::size_t receive(int number, std::span<const std::span<std::byte>> into, patience how,
                                                  std::error_code& ec) noexcept {
    io_vector ranges(into);
    return transfer(number, ranges.empty(), POLLIN, how, ec, [&ranges](int from, int flags) {
        ::msghdr message = ranges.message();
        return ::recvmsg(from, &message, flags);
    });
}

// send(2): at least 1 byte. That it succeeds says nothing of the peer.
[[gnu::always_inline]] inline std::size_t send(int number, std::span<const std::byte> from, patience how,
                                               std::error_code& ec) noexcept {
    return transfer(number, from.empty(), POLLOUT, how, ec,
                    [from](int to, int flags) { return ::send(to, from.data(), from.size(), flags | MSG_NOSIGNAL); });
}
// The same from several ranges, in order, by one sendmsg(2).
[[gnu::always_inline]] inline std::size_t send(int number, std::span<const std::span<const std::byte>> from, patience how,
                                               std::error_code& ec) noexcept {
    io_vector ranges(from);
    return transfer(number, ranges.empty(), POLLOUT, how, ec, [&ranges](int to, int flags) {
        const ::msghdr message = ranges.message();
        return ::sendmsg(to, &message, flags | MSG_NOSIGNAL);
    });
}

// shutdown(2). That both directions have ended already (ENOTCONN) is no error.
inline void shut_down(int number, shutdown_mode mode, std::error_code& ec) noexcept {
    ec.clear();
    const int how = mode == shutdown_mode::read ? SHUT_RD : mode == shutdown_mode::write ? SHUT_WR : SHUT_RDWR;
    if (number < 0) {
        ec = errc::not_open;
    } else if (::shutdown(number, how) != 0 && errno != ENOTCONN) {
        ec = last_system_error();
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
