// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A clock that stands still until it is told to go on, so that a test of five seconds takes none and always ends alike.

#ifndef TLS_STREAM_TLS_TESTING_VIRTUAL_CLOCK_HPP
#define TLS_STREAM_TLS_TESTING_VIRTUAL_CLOCK_HPP

#include <tls/socket.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <utility>

namespace tls {
inline namespace v0 {
namespace testing {

/// Time as std::chrono::steady_clock tells it, moved by hand. It begins at the real time, so that deadlines which code without
/// access to this clock takes from the real one still lie ahead. now() may be called from any thread, the rest from one.
class virtual_clock {
public:
    using duration = std::chrono::steady_clock::duration;      ///< Differences of points in time.
    using time_point = std::chrono::steady_clock::time_point;  ///< What deadlines are.

    /// The time.
    [[nodiscard]] time_point now() const noexcept { return time_point(duration(ticks_.load())); }

    /// Lets time pass, and calls what was set for it meanwhile, each at its own time and in the order of their times. A span
    /// below zero is std::invalid_argument.
    void advance(duration span) {
        if (span < span.zero()) throw std::invalid_argument("virtual_clock: time cannot go back");
        advance_to(detail::saturating_sum(now(), span));
    }
    /// The same up to a point in time. One before now(), and tls::never, are std::invalid_argument.
    void advance_to(time_point when) {
        if (when < now()) throw std::invalid_argument("virtual_clock: time cannot go back");
        if (when == never) throw std::invalid_argument("virtual_clock: time cannot go on to tls::never");
        while (!calls_.empty() && calls_.begin()->first <= when) {
            const auto due = calls_.extract(calls_.begin());
            set(due.key());
            due.mapped()();
        }
        set(when);
    }

    /// Has `call` called when time comes to `when`; at the next advance if it has passed. The call may set further ones, and
    /// let time pass itself. An empty call is std::invalid_argument.
    void call_at(time_point when, std::function<void()> call) {
        if (!call) throw std::invalid_argument("virtual_clock: the call is empty");
        calls_.emplace(when, std::move(call));
    }
    /// The same, a span from now.
    void call_after(duration span, std::function<void()> call) {
        call_at(detail::saturating_sum(now(), span), std::move(call));
    }
    /// When the next call is due; tls::never if none was set.
    [[nodiscard]] time_point next_call() const noexcept { return calls_.empty() ? never : calls_.begin()->first; }

private:
    // A call may have let more time pass than was asked for.
    void set(time_point when) noexcept {
        if (when > now()) ticks_ = when.time_since_epoch().count();
    }

    std::atomic<duration::rep> ticks_{std::chrono::steady_clock::now().time_since_epoch().count()};
    std::multimap<time_point, std::function<void()>> calls_;
};

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
