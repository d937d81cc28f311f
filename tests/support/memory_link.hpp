// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The machinery under a memory connection: two ends, the bytes between them, and the rules of TCP as far as they matter for
// closing. Tests use it through memory_socket.hpp.
//
// The rules, as Linux has them. After FIN the other end reads what there is and then 0, and can still write. Writing after
// one's own FIN is EPIPE. The first write to an end that is gone succeeds and brings back a reset. A reset is told once, as
// ECONNRESET, by the next read that finds no bytes or the next write; from then on writes are EPIPE and reads 0. After
// SHUT_RD reads give what there is, then 0.

#ifndef TLS_STREAM_TESTS_SUPPORT_MEMORY_LINK_HPP
#define TLS_STREAM_TESTS_SUPPORT_MEMORY_LINK_HPP

#include <support/event_log.hpp>
#include <support/faults.hpp>
#include <support/virtual_clock.hpp>

#include <tls/socket.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tests {

// Which end of a connection.
enum class side : unsigned char { a, b };

// What a blocking end does when it cannot go on.
enum class waiting : unsigned char {
    // One thread, virtual time: it runs its pump, then lets time pass until something happens or its deadline is there.
    pump,
    // Two threads, real time: it sleeps until the other thread has moved something.
    threads,
};

// What happens to the other end when an end is let go of while bytes lie unread in it.
enum class unread_close : unsigned char {
    reset_and_lose,  // It is reset, and what it has not read yet is lost: what TCP can do at worst.
    reset,           // It is reset after it has read what there is, as an AF_UNIX socketpair does it.
    fin,             // It sees an orderly end: a kinder world than the real one.
};

struct network_options {
    // Bytes that a direction holds before writing blocks: the socket buffers.
    std::size_t capacity_a_to_b = no_limit;
    std::size_t capacity_b_to_a = no_limit;
    waiting wait = waiting::pump;
    unread_close on_unread_close = unread_close::reset_and_lose;
    // waiting::threads: who waits longer than this, deadline or not, gets a tests::deadlock.
    std::chrono::seconds patience{60};
    // waiting::pump: whose pump has run so often within one call and still moves something else, gets one, too.
    std::size_t max_rounds = 100'000;
};

// A blocking call that can never end: nothing moves, and there is no deadline, or too much moves in vain. Thrown out of the
// socket's call.
class deadlock : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

namespace detail {

[[nodiscard]] inline std::error_code system_error_code(std::errc code) noexcept {
    return {static_cast<int>(code), std::system_category()};
}

class memory_link {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using lock = std::unique_lock<std::mutex>;

    // All that there is to one end. Guarded by the link's mutex.
    struct end_state {
        faults script{};
        call_counts counts{};
        bool stormed_read = false;  // the next read is the one after the storm
        bool stormed_write = false;
        std::function<void()> pump{};
        bool pumping = false;
        bool taken = false;  // its socket was given out
        bool non_blocking = false;
        time_point read_deadline = tls::never;
        time_point write_deadline = tls::never;

        bool closed = false;
        bool gone = false;         // closed or reset: what arrives here is answered by a reset
        bool write_ended = false;  // own FIN
        bool read_ended = false;   // own SHUT_RD
        bool input_ended = false;  // the other's FIN
        bool output_broken = false;
        bool reset_untold = false;  // ECONNRESET is still to be told

        bytes incoming{};
        std::size_t taken_off = 0;  // how much of `incoming` was read
        record_filter filter{};
        std::size_t capacity = no_limit;  // of `incoming`

        bytes sent{};
        bytes received{};
        std::vector<event> log{};

        [[nodiscard]] std::size_t unread() const noexcept { return incoming.size() - taken_off; }
    };

    explicit memory_link(const network_options& options) : options_(options) {
        state(side::a).capacity = options.capacity_b_to_a;
        state(side::b).capacity = options.capacity_a_to_b;
    }

    [[nodiscard]] time_point now() const noexcept {
        return options_.wait == waiting::threads ? std::chrono::steady_clock::now() : clock_.now();
    }
    [[nodiscard]] virtual_clock& clock() noexcept { return clock_; }

    // Runs `use(end_state&)` under the lock; for looking at an end, and for changing what is not on the wire.
    template <class Use>
    auto with(side who, Use&& use) {
        const lock held(mutex_);
        return std::forward<Use>(use)(state(who));
    }
    // The same for what a waiting call may be waiting for.
    template <class Use>
    void change(side who, Use&& use) {
        const lock held(mutex_);
        std::forward<Use>(use)(state(who));
        changed();
    }

    std::size_t read(side who, std::span<const std::span<std::byte>> into, std::error_code& ec) {
        lock held(mutex_);
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
        lock held(mutex_);
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
        lock held(mutex_);
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
        while (!e.closed && !readable(e) && room(who) == 0 && !e.output_broken && !e.write_ended) {
            if (wait_for_change(held, e, when, rounds)) continue;
            ec = std::make_error_code(std::errc::timed_out);
            return;
        }
    }

    void shutdown(side who, tls::shutdown_mode mode, std::error_code& ec) {
        const lock held(mutex_);
        auto& e = state(who);
        if (!start(e, e.counts.shutdowns, ec)) return;
        if (interfere(who, call_kind::shutdown, e.counts.shutdowns++, no_limit, 0, ec)) return;
        if (mode != tls::shutdown_mode::write) e.read_ended = true;
        if (mode != tls::shutdown_mode::read) end_output(who);
        note(e, {.kind = event_kind::shutdown, .mode = mode});
        changed();
    }

    // By close(), abort() or the destructor, as `how` says. A fault of close() is told after the end was let go of.
    void close(side who, event_kind how, std::error_code& ec) {
        const lock held(mutex_);
        auto& e = state(who);
        ec.clear();
        if (e.closed) return;
        let_go(who, how);
        changed();
        const std::size_t number = e.counts.closes++;
        if (how == event_kind::close) (void)interfere(who, call_kind::close, number, no_limit, 0, ec);
    }

    // What SO_LINGER {1, 0} and close(2) do: RST at once. What is on its way to the other end is lost or not, as `lose` says.
    void reset(side who, bool lose) {
        const lock held(mutex_);
        auto& e = state(who);
        if (e.closed) return;
        send_reset(who, lose);
        e.closed = e.gone = true;
        changed();
    }

private:
    [[nodiscard]] static side other(side who) noexcept { return who == side::a ? side::b : side::a; }
    [[nodiscard]] end_state& state(side who) noexcept { return ends_[static_cast<std::size_t>(who)]; }

    void changed() {
        ++changes_;
        if (options_.wait == waiting::threads) changed_.notify_all();
    }

    void note(end_state& e, event what) {
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

    static bool storms(std::error_code code, bool& stormed, std::error_code& ec) {
        if (!code || std::exchange(stormed, !stormed)) return false;
        ec = code;
        return true;
    }

    // Carries out what the script has for this call; empty if there is nothing.
    std::optional<std::size_t> interfere(side who, call_kind call, std::size_t number, std::size_t io, std::size_t asked,
                                         std::error_code& ec) {
        auto& e = state(who);
        const auto hit = std::find_if(e.script.calls.begin(), e.script.calls.end(), [&](const call_fault& f) {
            if (f.call != call && (f.call != call_kind::io || io == no_limit)) return false;
            return f.number == every_call || f.number == (f.call == call ? number : io);
        });
        if (hit == e.script.calls.end()) return std::nullopt;
        const outcome ends = hit->ends;
        switch (ends.what()) {
            case outcome::kind::error:
                if (ends.code() == std::errc::operation_would_block || ends.code() == std::errc::interrupted) {
                    ec = ends.code();
                    return 0;
                }
                return fail(e, ends.code(), ec);
            case outcome::kind::end_of_stream:
                e.script.input_ends_at = e.received.size();
                note(e, {.kind = event_kind::eof});
                return 0;
            case outcome::kind::reset: cut_connection(who); return tell_reset(e, ec);
            case outcome::kind::broken_pipe:
                e.output_broken = true;
                return fail(e, system_error_code(std::errc::broken_pipe), ec);
            case outcome::kind::zero: return 0;
            case outcome::kind::excess: return asked + ends.more();
            case outcome::kind::exception: ends.raise();
        }
        return std::nullopt;
    }

    // --- what moves bytes; an empty result says that nothing can be done now ---

    [[nodiscard]] static bool input_cut(const end_state& e) noexcept {
        return e.script.input_ends_at == e.received.size() || e.script.input_resets_at == e.received.size();
    }

    [[nodiscard]] static bool readable(const end_state& e) noexcept {
        return e.unread() > 0 || e.reset_untold || e.input_ended || e.read_ended || input_cut(e);
    }

    std::optional<std::size_t> try_read(side who, std::span<const std::span<std::byte>> into, std::size_t asked,
                                        std::error_code& ec) {
        auto& e = state(who);
        if (e.script.input_resets_at == e.received.size()) {
            e.script.input_resets_at.reset();
            cut_connection(who);
        }
        if (e.script.input_ends_at != e.received.size()) {
            std::size_t size = std::min({asked, e.script.read_chunk, e.unread()});
            for (const auto& cut : {e.script.input_ends_at, e.script.input_resets_at}) {
                if (cut && *cut > e.received.size()) size = std::min(size, *cut - e.received.size());
            }
            if (size > 0) return take(e, into, size);
            if (e.reset_untold) return tell_reset(e, ec);
            if (!e.input_ended && !e.read_ended) return std::nullopt;
        }
        note(e, {.kind = event_kind::eof});
        return 0;
    }

    std::size_t take(end_state& e, std::span<const std::span<std::byte>> into, std::size_t size) {
        const auto from = std::span(e.incoming).subspan(e.taken_off, size);
        for (const auto& flip : e.script.flips) {
            if (flip.offset >= e.received.size() && flip.offset - e.received.size() < size) {
                from[flip.offset - e.received.size()] ^= flip.mask;
            }
        }
        auto rest = from;
        for (const auto& range : into) {
            const auto part = rest.first(std::min(rest.size(), range.size()));
            std::copy(part.begin(), part.end(), range.begin());
            rest = rest.subspan(part.size());
        }
        e.received.insert(e.received.end(), from.begin(), from.end());
        e.taken_off += size;
        if (e.taken_off >= e.incoming.size() / 2) {
            const auto read = static_cast<std::ptrdiff_t>(std::exchange(e.taken_off, 0));
            e.incoming.erase(e.incoming.begin(), e.incoming.begin() + read);
        }
        note(e, {.kind = event_kind::read, .size = size});
        changed();
        return size;
    }

    // How many bytes a write could take, were there no limit to a call.
    [[nodiscard]] std::size_t room(side who) noexcept {
        const auto& e = state(who);
        const auto& to = state(other(who));
        const std::size_t buffer = to.gone ? no_limit : to.capacity - std::min(to.capacity, to.unread());
        return std::min(buffer, e.script.room.value_or(no_limit));
    }

    std::optional<std::size_t> try_write(side who, std::span<const std::span<const std::byte>> from, std::size_t asked,
                                         std::error_code& ec) {
        auto& e = state(who);
        if (e.reset_untold) return tell_reset(e, ec);
        if (e.script.output_breaks_at == e.sent.size()) e.output_broken = true;
        if (e.output_broken || e.write_ended) return fail(e, system_error_code(std::errc::broken_pipe), ec);
        std::size_t size = std::min({asked, e.script.write_chunk, room(who)});
        if (e.script.output_breaks_at && *e.script.output_breaks_at > e.sent.size()) {
            size = std::min(size, *e.script.output_breaks_at - e.sent.size());
        }
        if (size == 0) return std::nullopt;
        if (e.script.room) *e.script.room -= size;
        auto left = size;
        for (const auto& range : from) {
            const auto part = range.first(std::min(left, range.size()));
            e.sent.insert(e.sent.end(), part.begin(), part.end());
            left -= part.size();
        }
        auto& to = state(other(who));
        if (to.gone) {
            receive_reset(e, false);
        } else {
            to.filter.push(std::span<const std::byte>(e.sent).last(size), to.incoming);
        }
        note(e, {.kind = event_kind::write, .size = size});
        changed();
        return size;
    }

    void end_output(side who) {
        auto& e = state(who);
        auto& to = state(other(who));
        if (std::exchange(e.write_ended, true) || to.gone || e.gone) return;
        to.filter.flush(to.incoming);
        to.input_ended = true;
    }

    // An RST arrives at `e`. After a FIN there is nothing more to tell a reader, only writes fail then.
    void receive_reset(end_state& e, bool lose) {
        if (lose) {
            e.incoming.clear();
            e.taken_off = 0;
        }
        e.reset_untold = lose || !e.input_ended;
        e.output_broken = true;
        e.input_ended = true;
        e.gone = true;
    }

    // An RST from somewhere between the two, which both get.
    void cut_connection(side who) {
        auto& far = state(other(who));
        if (!far.gone) receive_reset(far, false);
        receive_reset(state(who), true);
        changed();
    }

    std::size_t tell_reset(end_state& e, std::error_code& ec) {
        e.reset_untold = false;
        return fail(e, system_error_code(std::errc::connection_reset), ec);
    }

    void send_reset(side who, bool lose) {
        note(state(who), {.kind = event_kind::reset});
        auto& to = state(other(who));
        if (!to.gone) receive_reset(to, lose);
    }

    void let_go(side who, event_kind how) {
        auto& e = state(who);
        if (e.unread() > 0 && !e.gone && options_.on_unread_close != unread_close::fin) {
            send_reset(who, options_.on_unread_close == unread_close::reset_and_lose);
        } else {
            end_output(who);
        }
        e.closed = e.gone = true;
        note(e, {.kind = how});
    }

    // --- waiting ---

    template <class Attempt>
    std::size_t finish(lock& held, end_state& e, time_point deadline, std::error_code& ec, Attempt attempt) {
        std::size_t rounds = 0;
        while (true) {
            if (const auto moved = attempt()) return *moved;
            if (e.non_blocking) {
                ec = std::make_error_code(std::errc::operation_would_block);
                return 0;
            }
            if (!wait_for_change(held, e, deadline, rounds)) return fail(e, std::make_error_code(std::errc::timed_out), ec);
            if (e.closed) return fail(e, system_error_code(std::errc::bad_file_descriptor), ec);
        }
    }

    // False when the deadline has passed; true when it is worth while to try again.
    bool wait_for_change(lock& held, end_state& e, time_point deadline, std::size_t& rounds) {
        if (now() >= deadline) return false;
        const auto before = changes_;
        if (options_.wait == waiting::threads) {
            const auto limit = tls::detail::saturating_sum(now(), options_.patience);
            if (changed_.wait_until(held, std::min(deadline, limit), [&] { return changes_ != before; })) return true;
            if (limit < deadline) throw deadlock("memory socket: nothing has moved for longer than network_options::patience");
            return true;
        }
        if (rounds++ == options_.max_rounds) throw deadlock("memory socket: more than network_options::max_rounds in vain");
        const auto since = now();
        if (e.pump && !e.pumping) {
            e.pumping = true;
            const auto pump = e.pump;
            held.unlock();
            try {
                pump();
            } catch (...) {
                held.lock();
                e.pumping = false;
                throw;
            }
            held.lock();
            e.pumping = false;
            if (changes_ != before || now() != since) return true;
        }
        const auto next = std::min(clock_.next_call(), deadline);
        if (next == tls::never) throw deadlock("memory socket: nothing moves, and there is no deadline to wait for");
        held.unlock();
        clock_.advance_to(next);
        held.lock();
        return true;
    }

    network_options options_;
    virtual_clock clock_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t changes_ = 0;
    std::size_t next_event_ = 0;
    std::array<end_state, 2> ends_;
};

}  // namespace detail
}  // namespace tests

#endif
