// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The little that tcp.hpp needs of POSIX besides the calls themselves: errno as an error code, waiting until a deadline,
// and a descriptor with one owner that other threads may interrupt.

#ifndef TLS_STREAM_TLS_DETAIL_POSIX_HPP
#define TLS_STREAM_TLS_DETAIL_POSIX_HPP

#include <tls/error.hpp>
#include <tls/socket.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <limits>
#include <string>
#include <system_error>
#include <thread>

namespace tls {
inline namespace v0 {
namespace detail {

// What the kernel said last, as it said it.
[[nodiscard]] inline std::error_code last_system_error() noexcept { return {errno, std::system_category()}; }

// The second half of every throwing overload in tcp.hpp.
inline void throw_if(std::error_code ec, const char* what) {
    if (ec) throw error(ec, what);
}

[[nodiscard]] inline bool has_passed(std::chrono::steady_clock::time_point deadline) noexcept {
    return deadline != never && deadline <= std::chrono::steady_clock::now();
}

// Waits by poll(2), which knows descriptors above 1023, until one of `events` or an error is there. It looks at least once,
// even if the deadline has passed; nothing by then is std::errc::timed_out. Signals neither end nor stretch it.
[[nodiscard]] inline std::error_code wait_for(int descriptor, short events,
                                              std::chrono::steady_clock::time_point deadline) noexcept {
    using std::chrono::milliseconds;
    for (;;) {
        int timeout = -1;
        if (deadline != never) {
            // Rounded up: with the last fraction of a millisecond rounded down, this would spin.
            const auto now = std::chrono::steady_clock::now();
            const auto left = deadline > now ? std::chrono::ceil<milliseconds>(deadline - now) : milliseconds(0);
            timeout = static_cast<int>(std::min<milliseconds::rep>(left.count(), (std::numeric_limits<int>::max)()));
        }
        ::pollfd polled{descriptor, events, 0};
        const int ready = ::poll(&polled, 1, timeout);
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return last_system_error();
        if (ready == 0 && has_passed(deadline)) return std::make_error_code(std::errc::timed_out);
    }
}

// Sets or clears O_NONBLOCK.
inline void set_non_blocking(int descriptor, bool on, std::error_code& ec) noexcept {
    ec.clear();
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0 || ::fcntl(descriptor, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) ec = last_system_error();
}

// Owns a descriptor and closes it. One thread at a time may use it, except for interrupt().
//
// interrupt() counts itself in before it looks at the number, and take() removes the number before it looks at the count: in
// the one order of these four accesses that all threads see, either interrupt() finds no number, or take() waits until it is
// done. So the number cannot be reused under it. Unlike a lock this is safe in a signal handler too.
class descriptor {
public:
    descriptor() noexcept = default;
    explicit descriptor(int number) noexcept : number_(number < 0 ? -1 : number) {}
    descriptor(descriptor&& other) noexcept : number_(other.take()) {}
    descriptor& operator=(descriptor&& other) noexcept {
        const int taken = other.take();
        reset();
        number_.store(taken);
        return *this;
    }
    ~descriptor() { reset(); }

    // The number, or -1.
    [[nodiscard]] int get() const noexcept { return number_.load(std::memory_order_relaxed); }
    [[nodiscard]] explicit operator bool() const noexcept { return get() >= 0; }

    // Gives the number to the caller, or -1.
    [[nodiscard]] int take() noexcept {
        const int taken = number_.exchange(-1);
        while (interrupters_.load() != 0) std::this_thread::yield();
        return taken;
    }

    // Closes it; an empty one is left alone. close(2) is never called twice, not even after EINTR: Linux has let go of the
    // number by then, and another thread may have it. All other errors are told.
    void close(std::error_code& ec) noexcept {
        ec.clear();
        const int taken = take();
        if (taken >= 0 && ::close(taken) != 0 && errno != EINTR) ec = last_system_error();
    }
    void reset() noexcept {
        std::error_code ignored;
        close(ignored);
    }

    // shutdown(2) in both directions. From any thread or signal handler, while the owner uses or closes it; errno is kept.
    void interrupt() noexcept {
        if (number_.load() < 0) return;  // so that calls that come too late do not keep take() waiting
        const int kept = errno;
        interrupters_.fetch_add(1);
        if (const int number = number_.load(); number >= 0) ::shutdown(number, SHUT_RDWR);
        interrupters_.fetch_sub(1);
        errno = kept;
    }

private:
    std::atomic<int> number_{-1};
    std::atomic<int> interrupters_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
