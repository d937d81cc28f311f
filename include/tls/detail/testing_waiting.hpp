// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// How the ends of a memory connection wait for each other: by their pumps in virtual time, or in threads in real time.

#ifndef TLS_STREAM_TLS_DETAIL_TESTING_WAITING_HPP
#define TLS_STREAM_TLS_DETAIL_TESTING_WAITING_HPP

#include <tls/detail/testing_end_state.hpp>
#include <tls/socket.hpp>
#include <tls/testing/network_options.hpp>
#include <tls/testing/virtual_clock.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>

namespace tls {
inline namespace v0 {
namespace detail {

class memory_waiting {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using lock = std::unique_lock<std::mutex>;

    explicit memory_waiting(const testing::network_options& options)
        : threads_(options.wait == testing::waiting::threads), patience_(options.patience), max_rounds_(options.max_rounds) {}

    [[nodiscard]] lock hold() { return lock(mutex_); }

    [[nodiscard]] bool is_by_threads() const noexcept { return threads_; }
    [[nodiscard]] time_point now() const noexcept { return threads_ ? std::chrono::steady_clock::now() : clock_.now(); }
    [[nodiscard]] testing::virtual_clock& clock() noexcept { return clock_; }

    // Something has happened that an end may wait for. Under the lock.
    void changed() {
        ++changes_;
        if (threads_) changed_.notify_all();
    }

    // False when the deadline has passed; true when it is worth while to try again. `rounds` counts over one call of `end`.
    bool wait(lock& held, memory_end_state& end, const memory_end_state& other, time_point deadline, std::size_t& rounds) {
        if (now() >= deadline) return false;
        if (threads_) return sleep(held, end, deadline);
        if (rounds++ == max_rounds_) throw deadlocked(end, "its pump has run network_options::max_rounds times in vain");
        const auto before = changes_;
        const auto since = now();
        if (end.pump && !end.pumping) {
            run_pump(held, end);
            if (changes_ != before || now() != since) return true;
        }
        const auto next = (std::min)(clock_.next_call(), deadline);
        if (next == never) throw deadlocked(end, why_nothing_moves(end, other));
        held.unlock();
        clock_.advance_to((std::max)(next, clock_.now()));
        held.lock();
        return true;
    }

private:
    [[nodiscard]] static testing::deadlock deadlocked(const memory_end_state& end, const std::string& why) {
        return testing::deadlock("memory socket of " + end.name() + ": " + why);
    }

    [[nodiscard]] static std::string why_nothing_moves(const memory_end_state& end, const memory_end_state& other) {
        std::string why = "nothing moves, and there is no deadline to wait for";
        if (other.pumping) why += "; in the pump of " + other.name() + " it has to be non-blocking";
        else if (!end.pump) why += "; it has no pump";
        return why;
    }

    bool sleep(lock& held, const memory_end_state& end, time_point deadline) {
        const auto before = changes_;
        const auto limit = saturating_sum(now(), patience_);
        if (changed_.wait_until(held, (std::min)(deadline, limit), [&] { return changes_ != before; })) return true;
        if (limit < deadline) throw deadlocked(end, "nothing has moved for longer than network_options::patience");
        return true;
    }

    static void run_pump(lock& held, memory_end_state& end) {
        end.pumping = true;
        const auto pump = end.pump;
        held.unlock();
        try {
            pump();
        } catch (...) {
            held.lock();
            end.pumping = false;
            throw;
        }
        held.lock();
        end.pumping = false;
    }

    bool threads_;
    std::chrono::seconds patience_;
    std::size_t max_rounds_;
    testing::virtual_clock clock_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t changes_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
