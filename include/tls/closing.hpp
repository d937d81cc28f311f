// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What closing means: the one place that decides it, without I/O.
///
///   1. Everything written, then close_notify (RFC 8446 6.1: each side says it before it closes its write side).
///   2. The transport's write side: FIN. Nothing can overtake, for 2 begins when all of 1 is with the transport.
///   3. Receive until the peer's own end, within limits. A socket closed with unread input is reset by the kernel, and a reset erases
///      what the peer has not read yet: this step is what makes sure that nothing written is lost.
///   4. Once the peer has ended, the transport whole; for a close, the socket itself.
///
/// shutdown(write) is 1 and 2, shutdown(both) 1 to 4, close() all of it. Whatever cannot be done is left out and told in the result:
/// no close_notify before the handshake is complete, and nothing at all after a fatal alert.
///
/// A face asks next() what to do, does it, and reports; it decides nothing. It also says when it would have to wait, and when waiting
/// was in vain.

#ifndef TLS_STREAM_TLS_CLOSING_HPP
#define TLS_STREAM_TLS_CLOSING_HPP

#include <tls/detail/connection.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <system_error>

namespace tls {
inline namespace v0 {

/// What a face has to do next.
enum class closing_step : unsigned char {
    /// Give pending ciphertext to the transport. For `both` and `close`, when the transport takes nothing, receive meanwhile: the
    /// peer may itself be stuck in sending.
    send,
    shut_write,  ///< End the transport's write side; then transport_shut().
    receive,     ///< Drain the connection, at most allowance() bytes; then received().
    /// Read from the transport and drop what comes, at most allowance() bytes: an alert of ours must not be erased by a reset. Then
    /// dropped().
    drop,
    /// Read from the transport what is there already, at most allowance() bytes, without waiting, and drop it: what came behind the
    /// peer's close_notify is not TLS, but left unread it would make the kernel reset the connection. Then swept().
    sweep,
    shut_both,  ///< End both sides of the transport; errors are of no interest any more.
    close,      ///< Close the socket.
    done,       ///< Nothing: result() and error() are final.
};

/// The state machine of one stream's closing. It is kept between calls: a call that would block is made again, and a second shutdown goes
/// on where the first one stopped.
class closing {
public:
    /// What deadlines are.
    using time_point = std::chrono::steady_clock::time_point;
    /// What a call is after.
    enum class goal : unsigned char {
        write,  ///< shutdown(write)
        both,   ///< shutdown(both)
        close,  ///< close()
    };
    /// What a shutdown of the writing side, or of both, is after. That of reading alone is no closing.
    [[nodiscard]] static constexpr goal goal_of(shutdown_mode mode) noexcept {
        return mode == shutdown_mode::write ? goal::write : goal::both;
    }

    /// A call begins, or is made again after it would have blocked: then the clock runs on from its first time.
    void begin(goal what, const shutdown_options& options, time_point now, time_point stream_deadline) noexcept {
        if (!running_ || goal_ != what) {
            if (running_) both_ended_ = false;  // the run that is left unfinished is not taken for one that came to its end
            started_ = now;
            drained_ = 0;
            overtime_ = 0;
            // What a stream below could not do in its time may be done in this one.
            if (write_side_ == side::out_of_time) write_side_ = side::open;
            if (both_sides_ == side::out_of_time) both_sides_ = side::open;
        }
        running_ = true;
        goal_ = what;
        keep_transport_open_ = options.keep_transport_open;
        drain_limit_ = options.drain_limit;
        deadline_ = (std::min)(detail::saturating_sum(started_, options.timeout), stream_deadline);
        error_.clear();
        // For a close that only closes, what the shutdown(both) before it found is the result.
        result_.timed_out = only_close() && both_timed_out_;
        result_.limit_reached = only_close() && both_limit_reached_;
    }
    /// A call was left by an exception: the next one begins anew.
    void broken_off() noexcept { running_ = false; }

    /// What to do now. Sealing close_notify is done here.
    [[nodiscard]] closing_step next(detail::connection& tls, time_point now) {
        if (now >= deadline_ && ++overtime_ > overtime_steps) result_.timed_out = true;
        const closing_step step = decide(tls);
        result_.close_notify_sent = tls.close_notify_sent();
        result_.peer = tls.read_end();
        if (step == closing_step::done) finish(tls);
        return step;
    }

    /// Waiting came to its end: the deadline has passed and nothing moved.
    void waited_in_vain() noexcept { result_.timed_out = true; }

    /// How many bytes may still be thrown away.
    [[nodiscard]] std::size_t allowance() const noexcept { return drain_limit_ - (std::min)(drained_, drain_limit_); }

    /// `step` is what draining the connection has answered.
    void received(const detail::connection& tls, const progress& step) noexcept {
        if (step.bytes == 0) {
            result_.limit_reached = step.wants == want::nothing && (tls.read_end() == stream_end::open || tls.held() != 0);
        } else if (!tls.reading_shut()) {
            drained_ += step.bytes;
            result_.discarded += step.bytes;
        }
    }

    /// `n` bytes of the transport, at most allowance(), were dropped; 0: it has ended.
    void dropped(std::size_t n) noexcept {
        drained_ += n;
        nothing_to_drop_ = n == 0;
        result_.limit_reached = n != 0 && allowance() == 0;
    }

    /// `n` bytes, or 0: no more are there now.
    void swept(std::size_t n) noexcept {
        drained_ += n;
        swept_ = n == 0 || allowance() == 0;
    }

    /// The transport's write side was shut down, or could not be.
    void transport_shut(const detail::connection& tls, std::error_code ec) noexcept {
        write_side_ = ec == std::errc::timed_out ? side::out_of_time : side::shut;
        if (write_side_ == side::out_of_time) result_.timed_out = true;
        result_.transport_shut_down = !ec && !tls.transport_refuses();
        if (ec != std::errc::operation_not_supported) transport_error_ = ec;  // a transport without it: the result says so
    }
    /// The transport was shut down both ways, or could not be.
    void both_sides_shut(std::error_code ec) noexcept {
        both_sides_ = ec == std::errc::timed_out ? side::out_of_time : side::shut;
    }
    /// The socket was closed; an error is told where nothing worse is.
    void socket_closed(std::error_code ec) noexcept {
        socket_closed_ = true;
        if (!transport_error_) transport_error_ = ec;
    }

    /// The limit of this call, in time: the earlier of the options' and the stream's.
    [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
    /// Does this closing receive at all?
    [[nodiscard]] bool receives() const noexcept { return goal_ != goal::write; }
    /// What to do while sending is stuck, since the peer may be stuck in sending itself: receive, drop, or done for nothing.
    [[nodiscard]] closing_step meanwhile(const detail::connection& tls) const noexcept {
        if (!receives() || result_.limit_reached) return closing_step::done;
        if (tls.established() && tls.read_end() == stream_end::open) return closing_step::receive;
        if (tls.held() != 0 && goal_ == goal::close) return closing_step::receive;  // counted before it goes
        return tls.alert_sent() && !nothing_to_drop_ ? closing_step::drop : closing_step::done;
    }
    /// What has been found and done until now.
    [[nodiscard]] const shutdown_result& result() const noexcept { return result_; }
    /// Why our own part failed, if it did. What the peer did is in the result.
    [[nodiscard]] std::error_code error() const noexcept { return error_; }

private:
    // How far the transport's shutdown has come. A transport that is itself TLS can run out of time.
    enum class side : unsigned char { open, shut, out_of_time };

    // Steps that may be taken after the deadline because they need no waiting; a peer that sends without pause must not stretch it.
    static constexpr unsigned overtime_steps = 1024;

    // A shutdown(both) came to its end before, in whatever way: then a close only closes.
    [[nodiscard]] bool only_close() const noexcept { return goal_ == goal::close && both_ended_; }

    [[nodiscard]] closing_step decide(detail::connection& tls) {
        if (only_close()) return socket_closed_ ? closing_step::done : closing_step::close;

        if (write_side_ != side::shut) tls.close_notify();
        const bool out_of_time = result_.timed_out;
        if (tls.has_output() && !out_of_time) return closing_step::send;
        if (!tls.has_output() && write_side_ == side::open && !keep_transport_open_) return closing_step::shut_write;
        if (goal_ == goal::write) return closing_step::done;

        if (const closing_step step = meanwhile(tls); step != closing_step::done && !out_of_time) return step;
        if (tls.read_end() == stream_end::close_notify && !swept_ && !keep_transport_open_ && !tls.has_output()) {
            return closing_step::sweep;
        }
        // In the middle of a handshake there is nobody to wait for.
        const bool ended = tls.read_end() != stream_end::open || !tls.established();
        if (ended && both_sides_ == side::open && !keep_transport_open_ && !tls.has_output()) return closing_step::shut_both;
        if (goal_ == goal::close && !socket_closed_) return closing_step::close;
        return closing_step::done;
    }

    void finish(const detail::connection& tls) noexcept {
        running_ = false;
        if (only_close()) {
            error_ = transport_error_;
            return;
        }
        if (goal_ != goal::write) {
            both_ended_ = true;
            both_timed_out_ = result_.timed_out;
            both_limit_reached_ = result_.limit_reached;
        }
        if (tls.has_output()) {
            error_ = std::make_error_code(std::errc::timed_out);
        } else if (tls.established() && (tls.lost_output() || close_notify_refused(tls))) {
            error_ = tls.write_failure();
        } else {
            error_ = transport_error_;
        }
        transport_error_.clear();
    }

    // Ours could not be sent. If the peer's is in and its transport is gone, that is a result: it had already closed.
    [[nodiscard]] static bool close_notify_refused(const detail::connection& tls) noexcept {
        const bool gone = tls.read_end() == stream_end::close_notify && detail::is_reset(tls.write_failure());
        return tls.close_notify_sealed() && !tls.close_notify_sent() && !gone;
    }

    shutdown_result result_;
    std::error_code error_;
    std::error_code transport_error_;
    time_point started_{};
    time_point deadline_{};
    std::size_t drain_limit_ = 0;
    std::size_t drained_ = 0;
    unsigned overtime_ = 0;
    goal goal_ = goal::write;
    bool running_ = false;
    bool keep_transport_open_ = false;
    side write_side_ = side::open;
    side both_sides_ = side::open;
    bool nothing_to_drop_ = false;
    bool swept_ = false;
    bool both_ended_ = false;
    bool both_timed_out_ = false;
    bool both_limit_reached_ = false;
    bool socket_closed_ = false;
};

}  // namespace v0
}  // namespace tls

#endif
