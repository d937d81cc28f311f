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
#include <memory>
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
        : socket(std::forward<Socket>(under)),
          wire(socket),
          tls(std::move(made.ssl), made.side, wire, std::move(made.server_name), made.port) {}
    // Goes on with a connection that was over another wire. `bio` is make_wire_bio<direct_wire<socket_type>>'s, `received` the
    // bytes that the
    // other wire had received; the deadlines are the socket's.
    stream_core(Socket& under, connection&& from, detail::wire& other, closing state, bssl::UniquePtr<BIO> bio,
                std::unique_ptr<std::byte[]> received, std::size_t size, time_point read, time_point write) noexcept
        : socket(std::forward<Socket>(under)),
          wire(socket, other, std::move(received), size, read, write),
          tls(std::move(from), wire, std::move(bio)),
          read_deadline_(read),
          write_deadline_(write),
          closing_(state) {}
    stream_core(const stream_core&) = delete;
    stream_core& operator=(const stream_core&) = delete;

    Socket socket;
    direct_wire<socket_type> wire;
    connection tls;

    [[nodiscard]] bool is_closed() const noexcept { return closed_; }
    // close_notify went both ways, and everything that was read is with the caller.
    [[nodiscard]] bool is_over() const noexcept {
        return tls.close_notify_sent() && tls.read_end() == stream_end::close_notify && tls.buffered() == 0;
    }
    [[nodiscard]] want wants() const noexcept { return wants_; }
    [[nodiscard]] const shutdown_result& closing_result() const noexcept { return closing_.result(); }
    [[nodiscard]] const closing& closing_state() const noexcept { return closing_; }
    [[nodiscard]] time_point closing_deadline() const noexcept { return closing_.deadline(); }
    // After close_by_steps() would block: is there something to receive? Sending may be stuck because the peer is stuck itself.
    [[nodiscard]] bool closing_wants_input() const noexcept {
        return wants_ == want::input || closing_.meanwhile(tls) != closing_step::done;
    }
    // The call that would block is not made again: the next one has limits of its own.
    void break_off_closing() noexcept { closing_.broken_off(); }
    // Somebody reads at the same time, and a close leaves the receiving to him.
    void leave_receiving(bool on) noexcept { leaves_receiving_ = on; }

    void set_deadlines(time_point read, time_point write) {
        read_deadline_ = read;
        write_deadline_ = write;
        wire.set_deadlines(read, write);
    }
    [[nodiscard]] time_point read_deadline() const noexcept { return read_deadline_; }
    [[nodiscard]] time_point write_deadline() const noexcept { return write_deadline_; }

    void handshake(std::error_code& ec) {
        if (!begin_alone(ec)) return;
        failing_by_exception([&] {
            answered([&] { return tls.handshake(); }, ec);
            // A flight that is still here would keep the peer waiting while the caller believes that all is said.
            if (!ec) flushed(ec);
        });
    }

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        if (!begin(ec) || into.empty()) return without_open(into.empty(), ec);
        const auto otherwise = [&](const progress& other) {
            return finish_step(other, ec, [&] { return read_again(into, ec); });
        };
        if (wire.pending().empty()) return tls.read(into, otherwise);
        if (called_back(ec)) return 0;
        return failing_by_exception([&] { return otherwise(with_output([&] { return tls.read(into); })); });
    }

    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        if (!begin(ec) || from.empty()) return without_open(from.empty(), ec);
        if (!wire.pending().empty() && !ready_to_write(ec)) return 0;
        const std::size_t done = tls.write(
            from, 0, [&](const progress& other) { return finish_step(other, ec, [&] { return write_again(from, ec); }); });
        return wire.pending().empty() ? done : finish_write({.bytes = done}, ec);
    }

    std::size_t write(std::span<const std::byte> from, std::error_code& ec) {
        std::size_t done = 0;
        do done += write_some(from.subspan(done), ec);
        while (!ec && done < from.size());
        return done;
    }

    // Full records, however the bytes are cut into pieces.
    std::size_t write(std::span<const std::span<const std::byte>> pieces, std::error_code& ec) {
        gather records(pieces);
        if (!begin_alone(ec) || records.left() == 0) return without_open(records.left() == 0, ec);
        return failing_by_exception([&] {
            std::size_t done = 0;
            if (!ready_to_write(ec)) return done;
            while (!ec && records.left() != 0) {
                // As much is taken as of one piece: a batch, even if all of it has to wait.
                const bool enough = done > batch_plaintext - record_plaintext_limit;
                if (wire.output_blocked() && enough && !flushed(ec)) break;
                const auto next = records.next();
                const progress step = tls.write(next, records_in(records.left()) - records_in(next.size()));
                if (needs_answer(step.wants)) {
                    if (await_answer(step.wants, ec)) continue;
                    break;
                }
                // Records that wait for the ones behind them are not sent yet, and not stuck either.
                const bool last = step.bytes == records.left() || step.bytes == 0;
                done += last || wire.output_blocked() ? finish_write(step, ec) : step.bytes;
                records.taken(step.bytes);
            }
            return done;
        });
    }

    // Not gathered: each call makes a record at most.
    std::size_t write_early(std::span<const std::byte> from, std::error_code& ec) {
        if (!begin_alone(ec) || from.empty()) return without_open(from.empty(), ec);
        if (!wire.pending().empty() && !ready_to_write(ec)) return 0;
        return failing_by_exception([&] {
            std::size_t done = 0;
            do {
                const progress step = tls.write_early(from.subspan(done));
                if (step.bytes == 0 && done != 0 && step.error == errc::early_data_unavailable) break;  // its limit
                done += finish_write(step, ec);
            } while (!ec && done < from.size() && wire.pending().empty());
            return done;
        });
    }

    std::size_t read_early(std::span<std::byte> into, std::error_code& ec) {
        if (!begin_alone(ec) || into.empty()) return without_open(into.empty(), ec);
        return failing_by_exception([&] { return answered([&] { return tls.read_early(into); }, ec); });
    }

    void update_keys(bool ask_peer, std::error_code& ec) {
        if (!begin_alone(ec)) return;
        failing_by_exception([&] {
            answered([&] { return tls.update_keys(ask_peer); }, ec);
            if (!ec) flushed(ec);
        });
    }

    bool flush(std::error_code& ec) {
        if (!begin_alone(ec)) return false;
        return failing_by_exception([&] {
            const bool done = flushed(ec) && !ec && flushed_below(ec);
            if (ec == std::errc::operation_would_block) ec.clear();
            return done;
        });
    }

    [[nodiscard]] std::size_t pending_output() const noexcept {
        std::size_t below = 0;
        if constexpr (requires {
                          { socket.pending_output() } -> std::same_as<std::size_t>;
                      })
            below = socket.pending_output();
        return wire.pending().size() + below;
    }

    [[nodiscard]] bool input_buffered() const noexcept {
        bool below = false;
        if constexpr (requires {
                          { socket.input_buffered() } -> std::same_as<bool>;
                      })
            below = socket.input_buffered();
        return below || wire.input_buffered() || tls.buffered() != 0;
    }

    // The next record may well be here already.
    [[nodiscard]] bool more_is_likely() const noexcept { return wire.header_is_ahead() || input_buffered(); }

    shutdown_result shut_reading(std::error_code& ec) {
        if (!begin_alone(ec)) return closing_.result();
        tls.shut_reading();
        send_without_waiting();
        shutdown_result result = closing_.result();
        result.peer = tls.read_end();
        return result;
    }

    // Carries out the steps of a close. ec: operation_would_block, call again; or why our own part failed.
    shutdown_result close_by_steps(closing::goal goal, const shutdown_options& options, std::error_code& ec) {
        if (closed_ && goal == closing::goal::close) return ec.clear(), closing_.result();
        if (!begin_alone(ec)) return closing_.result();
        return failing_by_exception([&] {
            const restore_deadlines restore(*this);
            closing_.begin(goal, options, now(socket), (std::min)(read_deadline_, write_deadline_));
            const time_point limit = closing_.deadline();
            for (;;) {
                const time_point turn = closing_.receives() ? end_of_turn(limit) : limit;
                wire.set_deadlines(turn, turn);
                const closing_step step = closing_.next(tls, now(socket));
                if (step == closing_step::done) return finish_close(options, ec);
                if (carry_out(step, limit, ec)) continue;
                if (now(socket) >= limit) {
                    closing_.waited_in_vain();
                } else if (wire.blocked_by() != std::errc::timed_out || ec == std::errc::operation_would_block) {
                    ec = std::make_error_code(std::errc::operation_would_block);
                    return closing_.result();
                }
            }
        });
    }

    void abort() noexcept {
        if (closed_) return;
        closed_ = true;
        wants_ = want::nothing;
        abandon(socket);
    }

private:
    // How long a socket that cannot wait for both directions at once is left to wait for one.
    static constexpr std::chrono::milliseconds turn_length{10};

    class restore_deadlines {
    public:
        explicit restore_deadlines(stream_core& core) noexcept : core_(core) {}
        ~restore_deadlines() {
            try {
                core_.wire.set_deadlines(core_.read_deadline_, core_.write_deadline_);
            } catch (...) {
                core_.tls.fail(errc::exception_thrown);  // who cannot be given a deadline cannot be waited for
            }
        }
        restore_deadlines(const restore_deadlines&) = delete;
        restore_deadlines& operator=(const restore_deadlines&) = delete;

    private:
        stream_core& core_;
    };

    bool begin(std::error_code& ec) {
        reset(ec);
        wants_ = want::nothing;
        if (closed_) ec = errc::not_open;
        return !closed_;
    }
    // Is this call made by the user's own code in the middle of another? Then it would send what that one has not finished. Where
    // BoringSSL is called first the connection sees to it.
    bool called_back(std::error_code& ec) const noexcept {
        if (tls.in_callback()) ec = errc::called_from_callback;
        return tls.in_callback();
    }
    // For all calls but reading and writing.
    bool begin_alone(std::error_code& ec) { return begin(ec) && !called_back(ec); }

    // The answer to a call that needs no connection: an empty range is no error even in a closed stream.
    std::size_t without_open(bool nothing_to_do, std::error_code& ec) {
        clear_error_queue();
        if (nothing_to_do) ec.clear();
        return 0;
    }

    // An exception that comes out of the socket comes out of the stream, once; the stream has failed then. Where the socket is called
    // below BoringSSL the connection sees to that.
    template <class Call>
    auto failing_by_exception(Call&& call) {
        try {
            return call();
        } catch (...) {
            clear_error_queue();
            tls.fail(errc::exception_thrown);
            closing_.broken_off();
            throw;
        }
    }

    // --- waiting ---

    // Both directions have something to do. A call on one of them may wait until this.
    [[nodiscard]] time_point end_of_turn(time_point limit) const {
        if constexpr (pollable_socket<socket_type>) {
            return (time_point::min)();
        } else if constexpr (deadline_socket<socket_type>) {
            return (std::min)(limit, saturating_sum(now(socket), turn_length));
        } else {
            return limit;
        }
    }

    // Neither direction moved within its turn: waits for either. False when that is impossible, and when the time is over.
    bool wait_for_either(time_point limit, std::error_code& ec) {
        if (wire.blocked_by() != std::errc::timed_out || now(socket) >= limit) return false;
        if constexpr (pollable_socket<socket_type>) {
            socket.wait_either(limit, ec);
            clear_error_queue();
            return !ec;
        } else {
            return true;  // the turns wait by themselves
        }
    }

    // Runs `receive` while ciphertext from before is still to be sent: the peer may wait for it before it says anything.
    template <class Receive>
    progress with_output(Receive receive) {
        const restore_deadlines restore(*this);
        const time_point limit = (std::min)(read_deadline_, write_deadline_);
        while (!wire.pending().empty()) {
            const time_point turn = end_of_turn(limit);
            wire.set_deadlines(turn, turn);
            wire.flush();
            tls.settle_output();
            if (wire.pending().empty()) break;
            const progress step = receive();
            if (step.wants == want::nothing || needs_answer(step.wants)) return step;
            std::error_code ec;
            if (wait_for_either(limit, ec)) continue;
            if (ec && ec != std::errc::timed_out) return {.error = ec};
            // Only sending has run out of its time.
            if (wire.blocked_by() == std::errc::timed_out && limit < read_deadline_) break;
            return step;
        }
        wire.set_deadlines(read_deadline_, write_deadline_);
        return receive();
    }

    // The user has been asked something. True: it has been answered, and the call is to be made again; else ec says why not.
    // Who does not block is not kept here either.
    bool await_answer(want what, std::error_code& ec) {
        wants_ = what;
        const std::shared_ptr<pending_answer> asked = tls.awaited();
        const time_point limit = (std::min)(read_deadline_, write_deadline_);
        bool answered = asked == nullptr;
        ec = std::make_error_code(std::errc::operation_would_block);
        if (!answered && !never_blocks(socket)) {
            // What the socket's clock says is left is what there is on the real one.
            const time_point present = now(socket);
            const auto left = (std::max)(limit, present) - present;
            answered = asked->wait_until(limit == never ? never : saturating_sum(std::chrono::steady_clock::now(), left));
            ec = std::make_error_code(std::errc::timed_out);
        }
        if (!answered) return false;
        wants_ = want::nothing;
        ec.clear();
        return true;
    }

    // Makes a call of the connection's, and again after each answer of the user's.
    template <class Call>
    std::size_t answered(Call call, std::error_code& ec) {
        for (;;) {
            const progress step = with_output(call);
            if (!needs_answer(step.wants)) return finish_read(step, ec);
            if (!await_answer(step.wants, ec)) return 0;
        }
    }

    // Out of line, so that what calls itself only after an answer is no recursion to the compiler, which would not inline it.
    [[gnu::noinline]] std::size_t read_again(std::span<std::byte> into, std::error_code& ec) { return read_some(into, ec); }
    [[gnu::noinline]] std::size_t write_again(std::span<const std::byte> from, std::error_code& ec) {
        return write_some(from, ec);
    }

    // --- endings of calls ---

    // `again` makes the call once more.
    template <class Again>
    [[gnu::noinline]] std::size_t finish_step(const progress& step, std::error_code& ec, const Again& again) {
        if (!needs_answer(step.wants)) return finish_read(step, ec);
        return await_answer(step.wants, ec) ? again() : 0;
    }

    std::size_t finish_read(const progress& step, std::error_code& ec) {
        clear_error_queue();  // not every way to here has led through BoringSSL
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
        if (!wire.output_blocked()) failing_by_exception([&] { wire.flush(); });
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
        failing_by_exception([&] {
            const restore_deadlines restore(*this);
            wire.set_deadlines((time_point::min)(), (time_point::min)());
            wire.flush();
        });
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
        if (called_back(ec)) return false;
        clear_error_queue();
        ec = tls.write_refusal();
        return !ec && failing_by_exception([&] { return flushed(ec); }) && !ec;
    }

    // The same for what a socket that is a stream itself has accepted.
    bool flushed_below(std::error_code& ec) {
        if constexpr (requires {
                          { socket.flush(ec) } -> std::same_as<bool>;
                      }) {
            const bool done = socket.flush(ec);
            if (!done) wants_ = want::output;
            return done;
        } else {
            return true;
        }
    }

    // --- steps of a close: false when nothing moved, wants() tells what must ---

    bool carry_out(closing_step step, time_point limit, std::error_code& ec) {
        if (step == closing_step::send) return send_step(limit);
        wire.set_deadlines(limit, limit);
        switch (step) {
            case closing_step::receive: return drain_step();
            case closing_step::drop: return drop_step();
            case closing_step::sweep: return sweep_step();
            case closing_step::shut_write:
                if (!is_final(ec, [&] { socket.shutdown(shutdown_mode::write, ec); })) return false;
                closing_.transport_shut(tls, ec);
                return true;
            case closing_step::shut_both:
                if (!is_final(ec, [&] { socket.shutdown(shutdown_mode::both, ec); })) return false;
                closing_.both_sides_shut(ec);
                return true;
            default:
                if (!is_final(ec, [&] { socket.close(ec); })) return false;
                closing_.socket_closed(ec);
                return closed_ = true;
        }
    }

    bool send_step(time_point limit) {
        const closing_step meanwhile = closing_.meanwhile(tls);
        if (meanwhile == closing_step::done) wire.set_deadlines(limit, limit);
        wire.flush();
        tls.settle_output();
        if (wire.pending().empty()) return true;
        bool moved = false;
        std::error_code ec;
        if (meanwhile == closing_step::receive) moved = drain_step();
        if (meanwhile == closing_step::drop) moved = drop_step();
        if (!moved && meanwhile != closing_step::done) moved = wait_for_either(limit, ec);
        if (ec && ec != std::errc::timed_out) closing_.waited_in_vain();  // there is no waiting for this socket
        wants_ = want::output;
        return moved || ec;
    }

    bool drain_step() {
        if (leaves_receiving_) {
            wants_ = want::input;
            return false;
        }
        const progress step = tls.drain(closing_.allowance());
        closing_.received(tls, step);
        wants_ = step.wants;
        return step.wants == want::nothing;
    }

    bool drop_step() {
        const std::size_t n = drop_input();
        if (n == 0 && wire.input() == input_state::blocked) {
            wants_ = want::input;
            return false;
        }
        closing_.dropped(n);
        return true;
    }

    bool sweep_step() {
        wire.set_deadlines((time_point::min)(), (time_point::min)());
        closing_.swept(wire.may_wait() ? 0 : drop_input());
        return true;
    }

    // Takes from the transport, not through TLS, what may be dropped.
    std::size_t drop_input() {
        std::array<std::byte, 4096> dropped;
        const auto most = std::span(dropped).first((std::min)(closing_.allowance(), dropped.size()));
        wire.begin_call();
        if (most.empty()) return 0;
        const std::size_t here = wire.take_received(most);
        return here != 0 ? here : wire.receive(most);
    }

    // The socket's own shutdown or close has come to an end: a stream below that does not block wants to be called again.
    template <class Call>
    bool is_final(std::error_code& ec, Call&& call) {
        do call();
        while (ec == std::errc::interrupted);
        clear_error_queue();
        if (ec != std::errc::operation_would_block) return true;
        if constexpr (requires {
                          { socket.wants() } -> std::same_as<want>;
                      })
            wants_ = socket.wants();
        const bool too_late = now(socket) >= closing_.deadline();
        if (too_late) ec = std::make_error_code(std::errc::timed_out);
        return too_late;
    }

    // TLS has ended; where the transport goes on, what a stream below has accepted must be out before that is said.
    shutdown_result finish_close(const shutdown_options& options, std::error_code& ec) {
        wants_ = want::nothing;
        ec = closing_.error();
        shutdown_result result = closing_.result();
        if (!ec && options.keep_transport_open && !closed_ && !flushed_below(ec)) {
            if (!ec) ec = std::make_error_code(std::errc::operation_would_block);
            result.close_notify_sent = false;
        }
        return result;
    }

    time_point read_deadline_ = never;
    time_point write_deadline_ = never;
    closing closing_;
    want wants_ = want::nothing;
    bool closed_ = false;
    bool leaves_receiving_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
