// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The machinery under a memory connection: two ends, the bytes between them, what scripts do to them, and the rules of TCP that
// <tls/testing.hpp> tells.

#ifndef TLS_STREAM_TLS_DETAIL_TESTING_LINK_HPP
#define TLS_STREAM_TLS_DETAIL_TESTING_LINK_HPP

#include <tls/detail/testing_end_state.hpp>
#include <tls/detail/testing_script.hpp>
#include <tls/detail/testing_waiting.hpp>
#include <tls/shutdown.hpp>
#include <tls/testing/event_log.hpp>
#include <tls/testing/faults.hpp>
#include <tls/testing/network_options.hpp>
#include <tls/testing/virtual_clock.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

[[nodiscard]] inline std::error_code system_error_code(std::errc code) noexcept {
    return {static_cast<int>(code), std::system_category()};
}

class memory_link {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using lock = memory_waiting::lock;
    using side = testing::side;
    using call_kind = testing::call_kind;
    using event_kind = testing::event_kind;
    using end_state = memory_end_state;

    explicit memory_link(const testing::network_options& options)
        : waiting_(options), on_unread_close_(options.on_unread_close) {
        check_options(options);
        state(side::a).capacity = options.capacity_b_to_a;
        state(side::b).capacity = options.capacity_a_to_b;
        state(side::b).who = side::b;
    }

    [[nodiscard]] time_point now() const noexcept { return waiting_.now(); }
    [[nodiscard]] bool is_by_threads() const noexcept { return waiting_.is_by_threads(); }
    [[nodiscard]] testing::virtual_clock& clock() {
        if (is_by_threads()) throw std::logic_error("memory_network: with waiting::threads there is no virtual clock");
        return waiting_.clock();
    }

    // Runs `use(end_state&)` under the lock; for looking at an end, and for changing what is not on the wire.
    template <class Use>
    auto with(side who, Use&& use) {
        const lock held = waiting_.hold();
        return std::forward<Use>(use)(state(who));
    }
    // The same for what a waiting call may be waiting for.
    template <class Use>
    void change(side who, Use&& use) {
        const lock held = waiting_.hold();
        std::forward<Use>(use)(state(who));
        waiting_.changed();
    }

    std::size_t read(side who, std::span<const std::span<std::byte>> into, std::error_code& ec) {
        lock held = waiting_.hold();
        auto& e = state(who);
        std::size_t asked = 0;
        for (const auto& range : into) asked += range.size();
        if (!start(e, e.counts.reads, ec)) return 0;
        const std::size_t io = e.counts.io++;
        const std::size_t number = e.counts.reads++;
        if (const auto done = interfere(who, call_kind::read, number, io, asked, ec)) return *done;
        if (storms(e.script.before_each_read, e.stormed_read, ec) || asked == 0) return 0;
        return finish(held, e, e.read_deadline, ec, [&] { return try_read(who, into, asked, ec); });
    }

    std::size_t write(side who, std::span<const std::span<const std::byte>> from, std::error_code& ec) {
        lock held = waiting_.hold();
        auto& e = state(who);
        std::size_t asked = 0;
        for (const auto& range : from) asked += range.size();
        if (!start(e, e.counts.writes, ec)) return 0;
        const std::size_t io = e.counts.io++;
        const std::size_t number = e.counts.writes++;
        if (const auto done = interfere(who, call_kind::write, number, io, asked, ec)) return *done;
        if (storms(e.script.before_each_write, e.stormed_write, ec) || asked == 0) return 0;
        return finish(held, e, e.write_deadline, ec, [&] { return try_write(who, from, asked, ec); });
    }

    // poll for both directions. It waits on an end that does not block, too.
    void wait_either(side who, time_point when, std::error_code& ec) {
        lock held = waiting_.hold();
        auto& e = state(who);
        ++e.counts.waits;
        ec.clear();
        if (e.closed) {
            ec = system_error_code(std::errc::bad_file_descriptor);
            return;
        }
        if (e.script.spurious_waits > 0) {
            --e.script.spurious_waits;
            return;
        }
        std::size_t rounds = 0;
        while (!e.closed && !e.readable() && room(who) == 0 && !e.output_broken && !e.write_ended) {
            if (waiting_.wait(held, e, state(other(who)), when, rounds)) continue;
            ec = std::make_error_code(std::errc::timed_out);
            return;
        }
    }

    void shutdown(side who, shutdown_mode mode, std::error_code& ec) {
        const lock held = waiting_.hold();
        auto& e = state(who);
        if (!start(e, e.counts.shutdowns, ec)) return;
        if (interfere(who, call_kind::shutdown, e.counts.shutdowns++, testing::no_limit, 0, ec)) return;
        if (mode != shutdown_mode::write) e.read_ended = true;
        if (mode != shutdown_mode::read) end_output(who);
        note(e, {.kind = event_kind::shutdown, .mode = mode});
        waiting_.changed();
    }

    // By close(), abort() or the destructor, as `how` says. A fault of close() is told after the end was let go of.
    void close(side who, event_kind how, std::error_code& ec) {
        const lock held = waiting_.hold();
        auto& e = state(who);
        ec.clear();
        if (e.closed) return;
        let_go(who, how);
        waiting_.changed();
        const std::size_t number = e.counts.closes++;
        if (how == event_kind::close) (void)interfere(who, call_kind::close, number, testing::no_limit, 0, ec);
    }

    // What SO_LINGER {1, 0} and close(2) do: RST at once. What is on its way to the other end is lost or not, as `lose` says.
    void reset(side who, bool lose) {
        const lock held = waiting_.hold();
        auto& e = state(who);
        if (e.closed) return;
        send_reset(who, lose);
        e.closed = e.gone = true;
        waiting_.changed();
    }

private:
    [[nodiscard]] static side other(side who) noexcept { return who == side::a ? side::b : side::a; }
    [[nodiscard]] end_state& state(side who) noexcept { return ends_[static_cast<std::size_t>(who)]; }

    void note(end_state& e, testing::event what) {
        what.index = next_event_++;
        what.time = now();
        what.sent = e.sent.size();
        e.log.push_back(what);
    }

    std::size_t fail(end_state& e, std::error_code code, std::error_code& ec) {
        ec = code;
        note(e, {.kind = event_kind::error, .error = code});
        return 0;
    }

    // False on a closed end, which still counts the call.
    bool start(end_state& e, std::size_t& count, std::error_code& ec) {
        ec.clear();
        if (!e.closed) return true;
        ++count;
        fail(e, system_error_code(std::errc::bad_file_descriptor), ec);
        return false;
    }

    // --- what a script does ---

    static bool storms(std::error_code code, bool& stormed, std::error_code& ec) {
        if (!code || std::exchange(stormed, !stormed)) return false;
        ec = code;
        return true;
    }

    // Carries out what the script has for this call; empty if there is nothing.
    std::optional<std::size_t> interfere(side who, call_kind call, std::size_t number, std::size_t io, std::size_t asked,
                                         std::error_code& ec) {
        auto& e = state(who);
        const auto hit = std::find_if(e.script.calls.begin(), e.script.calls.end(), [&](const testing::call_fault& f) {
            if (f.call != call && (f.call != call_kind::io || io == testing::no_limit)) return false;
            return f.number == testing::every_call || f.number == (f.call == call ? number : io);
        });
        if (hit == e.script.calls.end()) return std::nullopt;
        using kind = testing::outcome::kind;
        const testing::outcome ends = hit->ends;
        switch (ends.what()) {
            case kind::error:
                if (ends.code() == std::errc::operation_would_block || ends.code() == std::errc::interrupted) {
                    ec = ends.code();
                    return 0;
                }
                return fail(e, ends.code(), ec);
            case kind::end_of_stream:
                e.script.input_ends_at = e.received.size();
                note(e, {.kind = event_kind::eof});
                return 0;
            case kind::reset: cut_connection(who); return tell_reset(e, ec);
            case kind::broken_pipe: e.output_broken = true; return fail(e, system_error_code(std::errc::broken_pipe), ec);
            case kind::zero: return 0;
            case kind::excess: return asked + ends.more();
            case kind::exception: ends.raise();
        }
        return std::nullopt;
    }

    // --- what moves bytes; an empty result says that nothing can be done now ---

    std::optional<std::size_t> try_read(side who, std::span<const std::span<std::byte>> into, std::size_t asked,
                                        std::error_code& ec) {
        auto& e = state(who);
        if (e.script.input_resets_at == e.received.size()) {
            e.script.input_resets_at.reset();
            cut_connection(who);
        }
        if (e.script.input_ends_at != e.received.size()) {
            std::size_t size = (std::min)({asked, e.script.read_chunk, e.unread()});
            for (const auto& cut : {e.script.input_ends_at, e.script.input_resets_at}) {
                if (cut && *cut > e.received.size()) size = (std::min)(size, *cut - e.received.size());
            }
            if (size > 0) {
                e.take(into, size);
                note(e, {.kind = event_kind::read, .size = size});
                waiting_.changed();
                return size;
            }
            if (e.reset_untold) return tell_reset(e, ec);
            if (!e.input_ended && !e.read_ended) return std::nullopt;
        }
        note(e, {.kind = event_kind::eof});
        return 0;
    }

    // How many bytes a write could take, were there no limit to a call.
    [[nodiscard]] std::size_t room(side who) noexcept {
        const auto& e = state(who);
        const auto& to = state(other(who));
        const std::size_t buffer = to.gone ? testing::no_limit : to.capacity - (std::min)(to.capacity, to.unread());
        return (std::min)(buffer, e.script.room.value_or(testing::no_limit));
    }

    std::optional<std::size_t> try_write(side who, std::span<const std::span<const std::byte>> from, std::size_t asked,
                                         std::error_code& ec) {
        auto& e = state(who);
        if (e.reset_untold) return tell_reset(e, ec);
        if (e.script.output_breaks_at == e.sent.size()) e.output_broken = true;
        if (e.output_broken || e.write_ended) return fail(e, system_error_code(std::errc::broken_pipe), ec);
        std::size_t size = (std::min)({asked, e.script.write_chunk, room(who)});
        if (e.script.output_breaks_at && *e.script.output_breaks_at > e.sent.size()) {
            size = (std::min)(size, *e.script.output_breaks_at - e.sent.size());
        }
        if (size == 0) return std::nullopt;
        if (e.script.room) *e.script.room -= size;
        const auto wire = e.put(from, size);
        auto& to = state(other(who));
        if (to.gone) e.receive_reset(false);
        else to.filter.push(wire, to.incoming);
        note(e, {.kind = event_kind::write, .size = size});
        waiting_.changed();
        return size;
    }

    // --- how it ends ---

    void end_output(side who) {
        auto& e = state(who);
        auto& to = state(other(who));
        if (std::exchange(e.write_ended, true) || to.gone || e.gone) return;
        to.filter.flush(to.incoming);
        to.input_ended = true;
    }

    // An RST from somewhere between the two, which both get.
    void cut_connection(side who) {
        auto& to = state(other(who));
        if (!to.gone) to.receive_reset(false);
        state(who).receive_reset(true);
        waiting_.changed();
    }

    std::size_t tell_reset(end_state& e, std::error_code& ec) {
        e.reset_untold = false;
        return fail(e, system_error_code(std::errc::connection_reset), ec);
    }

    void send_reset(side who, bool lose) {
        note(state(who), {.kind = event_kind::reset});
        auto& to = state(other(who));
        if (!to.gone) to.receive_reset(lose);
    }

    void let_go(side who, event_kind how) {
        auto& e = state(who);
        if (e.unread() > 0 && !e.gone && on_unread_close_ != testing::unread_close::fin) {
            send_reset(who, on_unread_close_ == testing::unread_close::reset_and_lose);
        } else {
            end_output(who);
        }
        e.closed = e.gone = true;
        note(e, {.kind = how});
    }

    // Tries until it is done, would block, or is too late.
    template <class Attempt>
    std::size_t finish(lock& held, end_state& e, time_point deadline, std::error_code& ec, Attempt attempt) {
        std::size_t rounds = 0;
        while (true) {
            if (const auto moved = attempt()) return *moved;
            if (e.non_blocking) {
                ec = std::make_error_code(std::errc::operation_would_block);
                return 0;
            }
            if (!waiting_.wait(held, e, state(other(e.who)), deadline, rounds)) {
                return fail(e, std::make_error_code(std::errc::timed_out), ec);
            }
            if (e.closed) return fail(e, system_error_code(std::errc::bad_file_descriptor), ec);
        }
    }

    memory_waiting waiting_;
    testing::unread_close on_unread_close_;
    std::size_t next_event_ = 0;
    std::array<end_state, 2> ends_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
