// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Carries out the steps of a close for a connection that two halves share. closing.hpp decides which; here it is only decided who does
// the receiving: a call that reads, if one is being made, and else the one that closes.

#ifndef TLS_STREAM_TLS_DETAIL_HALVES_CLOSING_HPP
#define TLS_STREAM_TLS_DETAIL_HALVES_CLOSING_HPP

#include <tls/closing.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/halves_core.hpp>
#include <tls/detail/shared_socket.hpp>
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
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// One call of shutdown or close.
template <class Socket>
class halves_closing {
    using core_type = halves_core<Socket>;
    using socket_type = typename core_type::socket_type;
    using time_point = typename core_type::time_point;

public:
    halves_closing(core_type& core, closing::goal goal) : core_(core), held_(core.enter()), goal_(goal) {}

    // ec: why our own part failed; operation_canceled, the other half let go of the socket meanwhile.
    shutdown_result run(const shutdown_options& options, time_point deadline, std::error_code& ec) {
        clear_error_queue();
        ec.clear();
        if (!held_) return ec = errc::called_from_callback, steps().result();
        while (core_.in_close) shared().wait(held_, never);  // of the other half's, which has limits
        if (shared().is_gone()) {
            if (goal_ != closing::goal::close) ec = errc::not_open;
            return steps().result();
        }
        const typename core_type::during busy(core_.in_close, core_);
        return core_.failing_by_exception([&] {
            steps().begin(goal_, options, now(shared().socket), deadline);
            limit_ = steps().deadline();
            carry_out_all(ec);
            if (!ec && !finished_) ec = std::make_error_code(std::errc::operation_would_block);
            if (steps().result().timed_out && !options.keep_transport_open) call_reader_out();
            return steps().result();
        });
    }

private:
    // How long to wait for one direction when both have something to do, and there is no waiting for either.
    static constexpr std::chrono::milliseconds turn_length{10};

    [[nodiscard]] shared_socket<Socket>& shared() noexcept { return core_.shared; }
    [[nodiscard]] connection& tls() noexcept { return core_.tls; }
    [[nodiscard]] closing& steps() noexcept { return core_.steps; }

    void carry_out_all(std::error_code& ec) {
        for (;;) {
            const closing_step step = steps().next(tls(), now(shared().socket));
            if (step == closing_step::done) {
                finished_ = true;
                ec = steps().error();
                return;
            }
            blocked_by_.clear();
            const bool moved = carry_out(step);
            if (!closes_ && shared().is_gone()) {
                finished_ = true;
                ec = std::make_error_code(std::errc::operation_canceled);
                return;
            }
            if (moved) continue;
            if (now(shared().socket) >= limit_) {
                steps().waited_in_vain();
            } else if (blocked_by_ != std::errc::timed_out) {
                return;
            }
        }
    }

    // False: nothing moved, and blocked_by_ says why.
    bool carry_out(closing_step step) {
        switch (step) {
            case closing_step::send: return send_step();
            case closing_step::receive: return receive_step();
            case closing_step::drop: return drop_step(limit_);
            case closing_step::sweep: return sweep_step();
            case closing_step::shut_write:
                return end_transport(shutdown_mode::write, [&](std::error_code why) { steps().transport_shut(tls(), why); });
            case closing_step::shut_both:
                return end_transport(shutdown_mode::both, [&](std::error_code why) { steps().both_sides_shut(why); });
            default: return close_step();
        }
    }

    // The peer may be stuck in sending itself: then it takes nothing until it is read.
    bool send_step() {
        if (shared().sending()) return core_.await_change(held_, limit_, blocked_by_);
        const closing_step meanwhile = steps().meanwhile(tls());
        if (meanwhile == closing_step::done || !deadline_socket<socket_type>) {
            blocked_by_ = core_.send_pending(held_, limit_);
            return !core_.has_output();
        }
        const bool alone = !core_.in_read && !shared().receiving();
        const time_point turn = end_of_turn(alone);
        blocked_by_ = core_.send_pending(held_, turn);
        if (!core_.has_output()) return true;
        if (shared().is_gone() || core_.in_read || shared().receiving()) return false;
        if (meanwhile == closing_step::receive ? drain_step(turn) : drop_step(turn)) return true;
        return alone && blocked_by_ == std::errc::timed_out && !shared().is_gone() && wait_for_either();
    }

    [[nodiscard]] time_point end_of_turn(bool alone) {
        if (alone && pollable_socket<socket_type>) return (time_point::min)();
        return (std::min)(limit_, saturating_sum(now(shared().socket), turn_length));
    }

    // True: go on. The time that it takes to find that out is over when the limit is.
    bool wait_for_either() {
        if constexpr (pollable_socket<socket_type>) {
            if (now(shared().socket) >= limit_) return false;
            std::error_code ec;
            shared().call_with_both(held_, [&] { shared().socket.wait_either(limit_, ec); });
            if (ec && ec != std::errc::timed_out) steps().waited_in_vain();  // there is no waiting for this socket
            return ec != std::errc::timed_out;
        } else {
            return false;  // the turns wait by themselves
        }
    }

    bool receive_step() {
        if (core_.in_read || shared().receiving()) return core_.await_change(held_, limit_, blocked_by_);
        return drain_step(limit_);
    }

    // Throws away what is here, or receives more.
    bool drain_step(time_point until) {
        const progress step = tls().drain(steps().allowance());
        steps().received(tls(), step);
        if (step.wants == want::nothing) return true;
        return core_.receive(held_, until, blocked_by_);
    }

    bool drop_step(time_point until) {
        if (shared().receiving()) return core_.await_change(held_, until, blocked_by_);
        const std::size_t n = drop_input(until);
        if (n == 0 && blocked_by_) return false;
        steps().dropped(n);
        return true;
    }

    bool sweep_step() {
        const bool can_look = deadline_socket<socket_type> && !shared().receiving();
        steps().swept(can_look ? drop_input((time_point::min)()) : 0);
        return true;
    }

    // Takes from the transport, not through TLS, what may be dropped.
    std::size_t drop_input(time_point until) {
        std::array<std::byte, 4096> dropped;
        const auto most = std::span(dropped).first((std::min)(steps().allowance(), dropped.size()));
        if (most.empty()) return 0;
        if (const std::size_t here = core_.wire.take_received(most); here != 0) return here;
        call_outcome done = shared().receive(held_, most, until);
        while (done.end == call_end::moved && done.bytes == 0) done = shared().receive(held_, most, until);
        if (done.end == call_end::blocked || done.end == call_end::gone) blocked_by_ = done.error;
        return done.bytes;
    }

    // A shutdown of the socket's, which is called again when it was interrupted.
    template <class Done>
    bool end_transport(shutdown_mode mode, Done&& done) {
        if (shared().sending()) return core_.await_change(held_, limit_, blocked_by_);
        std::error_code why;
        shared().call_sending(held_, [&] {
            do shared().socket.shutdown(mode, why);
            while (why == std::errc::interrupted);
        });
        done(why);
        return true;
    }

    // Who is in the socket is called out first: a descriptor must not be closed under him.
    bool close_step() {
        closes_ = true;
        shared().leave();
        if (shared().is_busy()) {
            shared().interrupt(held_, shutdown_mode::both);
            shared().wait_for_all(held_);
        }
        std::error_code why;
        try {
            shared().call_with_both(held_, [&] {
                do shared().socket.close(why);
                while (why == std::errc::interrupted);
            });
        } catch (...) {
            shared().abort(held_);
            throw;
        }
        steps().socket_closed(why);
        return true;
    }

    // The time is over, and a call that reads still waits: it ends by an error of its own, for the peer's end was not found.
    void call_reader_out() {
        if (!core_.in_read || shared().is_gone() || tls().read_end() != stream_end::open || !steps().receives()) return;
        tls().end_reading(std::make_error_code(std::errc::operation_canceled));
        shared().changed();
        if (shared().receiving()) shared().interrupt(held_, shutdown_mode::read);
    }

    core_type& core_;
    typename core_type::lock held_;
    const closing::goal goal_;
    time_point limit_ = never;
    std::error_code blocked_by_;
    bool finished_ = false;
    bool closes_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
