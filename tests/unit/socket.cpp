// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The concepts of sockets, by archetypes: one has a member less than the other. And sums of times.

#include <tls/socket.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <limits>
#include <span>
#include <system_error>

namespace {

using time_point = std::chrono::steady_clock::time_point;

struct minimal {
    std::size_t read_some(std::span<std::byte>, std::error_code&);
    std::size_t write_some(std::span<const std::byte>, std::error_code&);
    void shutdown(tls::shutdown_mode, std::error_code&);
    void close(std::error_code&);
};
struct no_read {
    std::size_t write_some(std::span<const std::byte>, std::error_code&);
    void shutdown(tls::shutdown_mode, std::error_code&);
    void close(std::error_code&);
};
struct no_shutdown {
    std::size_t read_some(std::span<std::byte>, std::error_code&);
    std::size_t write_some(std::span<const std::byte>, std::error_code&);
    void close(std::error_code&);
};
struct returns_int : minimal {
    int read_some(std::span<std::byte>, std::error_code&);
};
struct throwing_move : minimal {
    throwing_move(throwing_move&&) noexcept(false);
};
struct copied_only : minimal {
    copied_only(const copied_only&) noexcept;
};
struct deadlines : minimal {
    void read_expires_at(time_point);
    void write_expires_at(time_point);
};
struct read_deadline_only : minimal {
    void read_expires_at(time_point);
};
struct polled : deadlines {
    void wait_either(time_point, std::error_code&);
};
struct polled_without_deadlines : minimal {
    void wait_either(time_point, std::error_code&);
};
struct clocked : deadlines {
    time_point now() const noexcept;
};
struct clock_may_throw : deadlines {
    time_point now() const;
};
struct aborting : minimal {
    void abort() noexcept;
};
struct abort_may_throw : minimal {
    void abort();
};
struct vectored : minimal {
    using minimal::read_some;
    using minimal::write_some;
    std::size_t read_some(std::span<const std::span<std::byte>>, std::error_code&);
    std::size_t write_some(std::span<const std::span<const std::byte>>, std::error_code&);
};
struct vectored_one_way : minimal {
    using minimal::write_some;
    std::size_t write_some(std::span<const std::span<const std::byte>>, std::error_code&);
};

static_assert(tls::socket<minimal> && tls::socket<copied_only> && tls::socket<vectored>);
static_assert(!tls::socket<no_read> && !tls::socket<no_shutdown> && !tls::socket<returns_int> && !tls::socket<throwing_move>);
static_assert(!tls::socket<int> && !tls::socket<void*>);
static_assert(tls::deadline_socket<deadlines> && !tls::deadline_socket<minimal> && !tls::deadline_socket<read_deadline_only>);
static_assert(tls::pollable_socket<polled> && !tls::pollable_socket<deadlines> &&
              !tls::pollable_socket<polled_without_deadlines>);
static_assert(tls::clocked_socket<clocked> && !tls::clocked_socket<deadlines> && !tls::clocked_socket<clock_may_throw>);
static_assert(tls::abortable_socket<aborting> && !tls::abortable_socket<minimal> && !tls::abortable_socket<abort_may_throw>);
static_assert(tls::vectored_socket<vectored> && !tls::vectored_socket<minimal> && !tls::vectored_socket<vectored_one_way>);

}  // namespace

TEST_CASE("socket: sums of times saturate", "[socket]") {
    using namespace std::chrono_literals;
    using tls::detail::saturating_sum;
    const time_point some(1h);
    CHECK(saturating_sum(some, 5s) == some + 5s);
    CHECK(saturating_sum(some, -5s) == some - 5s);
    CHECK(saturating_sum(some, 0s) == some);
    CHECK(saturating_sum(some, std::chrono::nanoseconds::max()) == tls::never);
    CHECK(saturating_sum(some, std::chrono::nanoseconds::min()) == time_point::min());
    CHECK(saturating_sum(time_point(-1h), std::chrono::nanoseconds::min()) == time_point::min());
    CHECK(saturating_sum(some, std::chrono::milliseconds::max()) == tls::never);
    CHECK(saturating_sum(some, std::chrono::milliseconds::min()) == time_point::min());
    CHECK(saturating_sum(some, std::chrono::hours::max()) == tls::never);
    CHECK(saturating_sum(tls::never, 1ns) == tls::never);
    CHECK(saturating_sum(tls::never, 0ns) == tls::never);
    CHECK(saturating_sum(tls::never, -1ns) == tls::never - 1ns);
    CHECK(saturating_sum(tls::never - 10ns, 9ns) == tls::never - 1ns);
    CHECK(saturating_sum(tls::never - 10ns, 10ns) == tls::never);
    CHECK(saturating_sum(tls::never - 10ns, 11ns) == tls::never);
    CHECK(saturating_sum(time_point::min(), -1ns) == time_point::min());
    CHECK(saturating_sum(time_point::min() + 10ns, -9ns) == time_point::min() + 1ns);
    // The longest span there is stands for "for ever".
    CHECK(saturating_sum(time_point(-1h), std::chrono::nanoseconds::max()) == tls::never);
    // Spans finer or coarser than the clock's, and of floating point.
    CHECK(saturating_sum(some, std::chrono::duration<double>(0.5)) == some + 500ms);
    CHECK(saturating_sum(some, std::chrono::duration<double>(1e30)) == tls::never);
    CHECK(saturating_sum(some, std::chrono::duration<double>(std::numeric_limits<double>::infinity())) == tls::never);
    CHECK(saturating_sum(some, std::chrono::duration<double>(-1e30)) == time_point::min());
}

TEST_CASE("socket: the time is the socket's own, or steady_clock's", "[socket]") {
    struct fixed {
        std::size_t read_some(std::span<std::byte>, std::error_code&) { return 0; }
        std::size_t write_some(std::span<const std::byte>, std::error_code&) { return 0; }
        void shutdown(tls::shutdown_mode, std::error_code&) {}
        void close(std::error_code&) {}
        void read_expires_at(time_point) {}
        void write_expires_at(time_point) {}
        [[nodiscard]] time_point now() const noexcept { return time_point(std::chrono::hours(7)); }
    };
    static_assert(tls::clocked_socket<fixed>);
    CHECK(tls::detail::now(fixed()) == time_point(std::chrono::hours(7)));
    const auto before = std::chrono::steady_clock::now();
    const auto told = tls::detail::now(0);
    CHECK(told >= before);
    CHECK(told <= std::chrono::steady_clock::now());
}
