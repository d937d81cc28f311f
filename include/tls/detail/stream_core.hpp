// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The loops of a blocking or non-blocking stream: they move bytes between a connection and a socket, and wait. What a close means is
// asked of closing.hpp, what counts as an end of detail/connection.hpp.

#ifndef TLS_STREAM_TLS_DETAIL_STREAM_CORE_HPP
#define TLS_STREAM_TLS_DETAIL_STREAM_CORE_HPP

#include <tls/closing.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/direct_wire.hpp>
#include <tls/detail/gather.hpp>
#include <tls/detail/new_connection.hpp>
#include <tls/error.hpp>
#include <tls/progress.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// Lives where it was made: the connection refers to the wire, the wire to the socket. Socket may be a reference.
template <class Socket>
class stream_core {
public:
    using socket_type = std::remove_reference_t<Socket>;
    using time_point = std::chrono::steady_clock::time_point;

    stream_core(Socket&& under, new_connection made)
        : socket(std::forward<Socket>(under)), wire(socket), tls(std::move(made.ssl), made.side, wire, std::move(made.server_name)) {}
    stream_core(const stream_core&) = delete;
    stream_core& operator=(const stream_core&) = delete;

    Socket socket;
    direct_wire<socket_type> wire;
    connection tls;

    [[nodiscard]] bool is_closed() const noexcept { return closed_; }
    [[nodiscard]] want wants() const noexcept { return wants_; }
    [[nodiscard]] const shutdown_result& closing_result() const noexcept { return closing_.result(); }

    void set_deadlines(time_point read, time_point write) {
        read_deadline_ = read;
        write_deadline_ = write;
        wire.set_deadlines(read, write);
    }
    [[nodiscard]] time_point read_deadline() const noexcept { return read_deadline_; }
    [[nodiscard]] time_point write_deadline() const noexcept { return write_deadline_; }

    void handshake(std::error_code& ec) {
        if (!begin(ec)) return;
        finish_read(with_output([&] { return tls.handshake(); }), ec);
        // A flight that is still here would keep the peer waiting while the caller believes that all is said.
        if (!ec) flushed(ec);
    }

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        if (into.empty()) return ec.clear(), 0;
        if (!begin(ec)) return 0;
        if (wire.pending().empty()) return finish_read(tls.read(into), ec);
        return finish_read(with_output([&] { return tls.read(into); }), ec);
    }

    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        if (from.empty()) return ec.clear(), 0;
        if (!begin(ec) || !ready_to_write(ec)) return 0;
        return finish_write(tls.write(from), ec);
    }

    std::size_t write(std::span<const std::byte> from, std::error_code& ec) {
        std::size_t done = write_some(from, ec);
        while (!ec && done < from.size()) done += write_some(from.subspan(done), ec);
        return done;
    }

    // Full records, however the bytes are cut into pieces.
    std::size_t write(std::span<const std::span<const std::byte>> pieces, std::error_code& ec) {
        gather records(pieces);
        ec.clear();
        if (records.left() == 0 || !begin(ec) || !ready_to_write(ec)) return 0;
        std::size_t done = 0;
        while (!ec && records.left() != 0) {
            if (wire.output_blocked() && !flushed(ec)) break;
            const auto next = records.next();
            const progress step = tls.write(next, records_in(records.left()) - records_in(next.size()));
            // Records that wait for the ones behind them are not sent yet, and not stuck either.
            const bool last = step.bytes == records.left() || step.bytes == 0;
            done += last || wire.output_blocked() ? finish_write(step, ec) : step.bytes;
            records.taken(step.bytes);
        }
        return done;
    }

    bool flush(std::error_code& ec) {
        if (!begin(ec)) return false;
        const bool done = flushed(ec) && !ec;
        if (ec == std::errc::operation_would_block) ec.clear();
        if (!done) return false;
        if constexpr (requires { { socket.flush(ec) } -> std::same_as<bool>; }) {
            const bool below = socket.flush(ec);
            if (!below) wants_ = want::output;
            return below;
        } else {
            return true;
        }
    }

    [[nodiscard]] std::size_t pending_output() const noexcept {
        std::size_t below = 0;
        if constexpr (requires { { socket.pending_output() } -> std::same_as<std::size_t>; }) below = socket.pending_output();
        return wire.pending().size() + below;
    }

    [[nodiscard]] bool input_buffered() const noexcept {
        bool below = false;
        if constexpr (requires { { socket.input_buffered() } -> std::same_as<bool>; }) below = socket.input_buffered();
        return below || tls.buffered() != 0;
    }

    shutdown_result shut_reading(std::error_code& ec) {
        if (!begin(ec)) return closing_.result();
        tls.shut_reading();
        send_without_waiting();
        shutdown_result result = closing_.result();
        result.peer = tls.read_end();
        return result;
    }

    // Carries out the steps of a close. ec: operation_would_block, call again; or why our own part failed.
    shutdown_result close_by_steps(closing::goal goal, const shutdown_options& options, std::error_code& ec) {
        if (closed_ && goal == closing::goal::close) return ec.clear(), closing_.result();
        if (!begin(ec)) return closing_.result();
        const restore_deadlines restore(*this);
        closing_.begin(goal, options, now(socket), std::min(read_deadline_, write_deadline_));
        const time_point limit = closing_.deadline();
        for (;;) {
            const time_point turn = closing_.receives() ? end_of_turn(limit) : limit;
            wire.set_deadlines(turn, turn);
            bool moved = true;
            switch (closing_.next(tls, now(socket))) {
                case closing_step::send: moved = send_step(limit); break;
                case closing_step::receive:
                    wire.set_deadlines(limit, limit);
                    moved = drain_step();
                    if (!moved) wants_ = want::input;
                    break;
                case closing_step::drop:
                    wire.set_deadlines(limit, limit);
                    moved = drop_step();
                    if (!moved) wants_ = want::input;
                    break;
                case closing_step::shut_write:
                    wire.set_deadlines(limit, limit);
                    socket.shutdown(shutdown_mode::write, ec);
                    moved = is_final(ec);
                    if (moved) closing_.transport_shut(tls, ec);
                    break;
                case closing_step::shut_both:
                    wire.set_deadlines(limit, limit);
                    socket.shutdown(shutdown_mode::both, ec);
                    moved = is_final(ec);
                    if (moved) closing_.both_sides_shut();
                    break;
                case closing_step::close:
                    wire.set_deadlines(limit, limit);
                    socket.close(ec);
                    moved = is_final(ec);
                    if (moved) closing_.socket_closed(ec);
                    closed_ = closed_ || moved;
                    break;
                case closing_step::done: wants_ = want::nothing; return ec = closing_.error(), closing_.result();
            }
            if (moved) continue;
            if (now(socket) >= limit) {
                closing_.waited_in_vain();
            } else if (wire.blocked_by() != std::errc::timed_out || ec == std::errc::operation_would_block) {
                ec = std::make_error_code(std::errc::operation_would_block);
                return closing_.result();
            }
        }
    }

    void abort() noexcept {
        if (closed_) return;
        closed_ = true;
        wants_ = want::nothing;
        if constexpr (abortable_socket<socket_type>) {
            socket.abort();
        } else {
            try {
                std::error_code ignored;
                socket.close(ignored);
            } catch (...) {
                return;  // the socket is done for, and nobody asked how
            }
        }
    }

private:
    // How long a socket that cannot wait for both directions at once is left to wait for one.
    static constexpr std::chrono::milliseconds turn_length{10};

    class restore_deadlines {
    public:
        explicit restore_deadlines(stream_core& core) noexcept : core_(core) {}
        ~restore_deadlines() { core_.wire.set_deadlines(core_.read_deadline_, core_.write_deadline_); }
        restore_deadlines(const restore_deadlines&) = delete;
        restore_deadlines& operator=(const restore_deadlines&) = delete;

    private:
        stream_core& core_;
    };

    bool begin(std::error_code& ec) {
        ec.clear();
        wants_ = want::nothing;
        if (closed_) ec = errc::not_open;
        return !closed_;
    }

    // --- waiting ---

    // Both directions have something to do. A call on one of them may wait until this.
    [[nodiscard]] time_point end_of_turn(time_point limit) const {
        if constexpr (pollable_socket<socket_type>) {
            return time_point::min();
        } else {
            return std::min(limit, saturating_sum(now(socket), turn_length));
        }
    }

    // Neither direction moved within its turn: waits for either. False when that is impossible or the time is over.
    bool wait_for_either(time_point limit) {
        if (wire.blocked_by() != std::errc::timed_out || now(socket) >= limit) return false;
        if constexpr (pollable_socket<socket_type>) {
            std::error_code ec;
            socket.wait_either(limit, ec);
            return !ec;
        } else {
            return true;  // the turns wait by themselves
        }
    }

    // Runs `receive` while ciphertext from before is still to be sent: the peer may wait for it before it says anything.
    template <class Receive>
    progress with_output(Receive receive) {
        const restore_deadlines restore(*this);
        const time_point limit = std::min(read_deadline_, write_deadline_);
        while (!wire.pending().empty()) {
            const time_point turn = end_of_turn(limit);
            wire.set_deadlines(turn, turn);
            wire.flush();
            tls.settle_output();
            if (wire.pending().empty()) break;
            const progress step = receive();
            if (step.wants == want::nothing || !wait_for_either(limit)) return step;
        }
        wire.set_deadlines(read_deadline_, write_deadline_);
        return receive();
    }

    // --- endings of calls ---

    std::size_t finish_read(const progress& step, std::error_code& ec) {
        if (step.wants != want::nothing) {
            // In a handshake the peer waits for our flight first.
            wants_ = !tls.established() && !wire.pending().empty() ? want::output : want::input;
            ec = wire.blocked_by();
        } else if (step.error) {
            ec = step.error;
            send_without_waiting();
        }
        return step.bytes;
    }

    std::size_t finish_write(const progress& step, std::error_code& ec) {
        if (step.bytes == 0) return finish_read(step, ec);
        if (wire.pending().empty()) return step.bytes;
        if (!wire.output_blocked()) wire.flush();
        tls.settle_output();
        if (tls.transport_refuses()) {
            ec = tls.write_failure();
            return 0;
        }
        if (wire.pending().empty()) return step.bytes;
        wants_ = want::output;
        if (wire.blocked_by() == std::errc::timed_out) ec = wire.blocked_by();
        return step.bytes;
    }

    // What is here goes as far as it can without waiting: an alert, when a call has failed. A close sends the rest.
    void send_without_waiting() {
        if (wire.pending().empty()) return;
        const restore_deadlines restore(*this);
        wire.set_deadlines(time_point::min(), time_point::min());
        wire.flush();
    }

    // Nothing is here that the socket has not taken; else ec says why, and wants() what for.
    bool flushed(std::error_code& ec) {
        if (!wire.pending().empty()) wire.flush();
        tls.settle_output();
        if (tls.transport_refuses()) {
            ec = tls.write_failure();
        } else if (!wire.pending().empty()) {
            wants_ = want::output;
            ec = wire.blocked_by();
            return false;
        }
        return true;
    }

    bool ready_to_write(std::error_code& ec) {
        ec = tls.write_refusal();
        return !ec && flushed(ec) && !ec;
    }

    // --- steps of a close: false when nothing moved ---

    bool send_step(time_point limit) {
        const bool both_ways = closing_.receives() && tls.established() && tls.read_end() == stream_end::open &&
                               !closing_.result().limit_reached;
        if (!both_ways) wire.set_deadlines(limit, limit);
        wire.flush();
        tls.settle_output();
        if (wire.pending().empty()) return true;
        wants_ = want::output;
        return both_ways && (drain_step() || wait_for_either(limit));
    }

    bool drain_step() {
        const progress step = tls.drain(closing_.allowance());
        closing_.received(tls, step);
        return step.wants == want::nothing;
    }

    bool drop_step() {
        std::array<std::byte, 4096> dropped;
        wire.begin_call();
        const std::size_t n = wire.receive(dropped);
        if (n == 0 && wire.input() == input_state::blocked) return false;
        closing_.dropped(n);
        return true;
    }

    // The socket's own shutdown or close has come to an end: a stream below that does not block wants to be called again.
    bool is_final(std::error_code& ec) {
        if (ec != std::errc::operation_would_block) return true;
        if constexpr (requires { { socket.wants() } -> std::same_as<want>; }) wants_ = socket.wants();
        const bool too_late = now(socket) >= closing_.deadline();
        if (too_late) ec = std::make_error_code(std::errc::timed_out);
        return too_late;
    }

    time_point read_deadline_ = never;
    time_point write_deadline_ = never;
    closing closing_;
    want wants_ = want::nothing;
    bool closed_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
