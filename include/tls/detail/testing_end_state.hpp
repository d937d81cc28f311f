// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// All that there is to one end of a memory connection.

#ifndef TLS_STREAM_TLS_DETAIL_TESTING_END_STATE_HPP
#define TLS_STREAM_TLS_DETAIL_TESTING_END_STATE_HPP

#include <tls/detail/testing_record_filter.hpp>
#include <tls/socket.hpp>
#include <tls/testing/event_log.hpp>
#include <tls/testing/faults.hpp>
#include <tls/testing/network_options.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Guarded by the mutex of its connection.
struct memory_end_state {
    using time_point = std::chrono::steady_clock::time_point;

    testing::side who = testing::side::a;
    testing::faults script{};
    testing::call_counts counts{};
    bool stormed_read = false;  // the next read is the one after the storm
    bool stormed_write = false;
    std::function<void()> pump{};
    bool pumping = false;
    bool taken = false;  // its socket was given out
    bool non_blocking = false;
    time_point read_deadline = never;
    time_point write_deadline = never;

    bool closed = false;
    bool gone = false;         // closed or reset: what arrives here is answered by a reset
    bool write_ended = false;  // own FIN
    bool read_ended = false;   // own SHUT_RD
    bool input_ended = false;  // the other's FIN
    bool output_broken = false;
    bool reset_untold = false;  // ECONNRESET is still to be told

    testing::bytes incoming{};
    std::size_t taken_off = 0;  // how much of `incoming` was read
    record_filter filter{};
    std::size_t capacity = testing::no_limit;  // of `incoming`

    testing::bytes sent{};
    testing::bytes received{};
    std::vector<testing::event> log{};

    [[nodiscard]] std::string name() const { return who == testing::side::a ? "end a" : "end b"; }

    [[nodiscard]] std::size_t unread() const noexcept { return incoming.size() - taken_off; }

    [[nodiscard]] bool readable() const noexcept {
        const bool cut = script.input_ends_at == received.size() || script.input_resets_at == received.size();
        return unread() > 0 || reset_untold || input_ended || read_ended || cut;
    }

    // Moves the next `size` bytes of what came in, changed as the script has it.
    void take(std::span<const std::span<std::byte>> into, std::size_t size) {
        const auto from = std::span(incoming).subspan(taken_off, size);
        for (const auto& flip : script.flips) {
            if (flip.offset >= received.size() && flip.offset - received.size() < size) {
                from[flip.offset - received.size()] ^= flip.mask;
            }
        }
        auto rest = from;
        for (const auto& range : into) {
            const auto part = rest.first((std::min)(rest.size(), range.size()));
            std::copy(part.begin(), part.end(), range.begin());
            rest = rest.subspan(part.size());
        }
        received.insert(received.end(), from.begin(), from.end());
        taken_off += size;
        if (taken_off >= incoming.size() / 2) {
            const auto read = static_cast<std::ptrdiff_t>(std::exchange(taken_off, 0));
            incoming.erase(incoming.begin(), incoming.begin() + read);
        }
    }

    // Notes the first `size` bytes of `from` as sent, and gives them back in one piece.
    std::span<const std::byte> put(std::span<const std::span<const std::byte>> from, std::size_t size) {
        auto left = size;
        for (const auto& range : from) {
            const auto part = range.first((std::min)(left, range.size()));
            sent.insert(sent.end(), part.begin(), part.end());
            left -= part.size();
        }
        return std::span<const std::byte>(sent).last(size);
    }

    // An RST arrives. After a FIN there is nothing more to tell a reader, only writes fail then.
    void receive_reset(bool lose) {
        if (lose) {
            incoming.clear();
            taken_off = 0;
        }
        reset_untold = lose || !input_ended;
        output_broken = true;
        input_ended = true;
        gone = true;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
