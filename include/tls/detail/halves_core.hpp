// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a reader and a writer share: one connection over a buffered wire, and a socket for two threads. The lock is held around
// BoringSSL's calls and never while the socket is waited for. What a close means is asked of closing.hpp (detail/halves_closing.hpp), what
// counts as an end of detail/connection.hpp.

#ifndef TLS_STREAM_TLS_DETAIL_HALVES_CORE_HPP
#define TLS_STREAM_TLS_DETAIL_HALVES_CORE_HPP

#include <tls/closing.hpp>
#include <tls/detail/answer.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/gather.hpp>
#include <tls/detail/shared_socket.hpp>
#include <tls/detail/stream_core.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/progress.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <algorithm>
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

// Lives at one address, and belongs to both halves. Each call names the deadline of the half that makes it.
template <class Socket>
class halves_core {
public:
    using socket_type = std::remove_reference_t<Socket>;
    using time_point = std::chrono::steady_clock::time_point;
    using lock = typename shared_socket<Socket>::lock;

    // Takes a stream apart. `bio` is make_wire_bio<buffered_wire>'s, `received` what the stream's wire had received.
    halves_core(stream_core<Socket>& from, bssl::UniquePtr<BIO> bio, byte_queue received) noexcept
        : shared(from.socket, from.read_deadline(), from.write_deadline()),
          wire(from.wire, std::move(received)),
          tls(std::move(from.tls), wire, std::move(bio)),
          steps(from.closing_state()) {}
    halves_core(const halves_core&) = delete;
    halves_core& operator=(const halves_core&) = delete;

    shared_socket<Socket> shared;
    buffered_wire wire;
    connection tls;
    closing steps;
    bool in_read = false;   // a call that reads is being made
    bool in_close = false;  // a shutdown or close is being made

    // The lock; none if this is called by the user's own code in the middle of a call, whose thread has it.
    [[nodiscard]] lock enter() { return running_callback::is_of(tls) ? lock() : shared.enter(); }

    // True between construction and the end of a call; made and ended with the lock held.
    class during {
    public:
        during(bool& what, halves_core& core) noexcept : what_(what), core_(core) { what_ = true; }
        during(const during&) = delete;
        during& operator=(const during&) = delete;
        ~during() {
            what_ = false;
            core_.shared.changed();
        }

    private:
        bool& what_;
        halves_core& core_;
    };

    // --- the calls of the halves ---

    // All of it is one call: nobody else receives in between.
    std::size_t read(std::span<std::byte> into, bool fill, time_point deadline, std::error_code& ec) {
        lock held = begin(ec);
        if (into.empty()) return ec.clear(), 0;
        if (ec) return 0;
        const during reading(in_read, *this);
        return failing_by_exception([&] {
            std::size_t done = 0;
            std::size_t n = 0;
            do {
                n = read_some(held, into.subspan(done), deadline, ec);
                done += n;
            } while (fill && n != 0 && done < into.size());
            return done;
        });
    }

    std::size_t write_some(std::span<const std::byte> from, time_point deadline, std::error_code& ec) {
        lock held = begin(ec);
        if (from.empty()) return ec.clear(), 0;
        if (ec) return 0;
        return failing_by_exception([&] {
            if (!ready_to_write(held, deadline, ec)) return std::size_t{0};
            return finish_write(held, tls.write(from), deadline, ec);
        });
    }

    // Full records, however the bytes are cut into pieces.
    std::size_t write(std::span<const std::span<const std::byte>> pieces, time_point deadline, std::error_code& ec) {
        gather records(pieces);
        lock held = begin(ec);
        if (records.left() == 0) return ec.clear(), 0;
        if (ec) return 0;
        return failing_by_exception([&] {
            std::size_t done = 0;
            while (!ec && records.left() != 0 && ready_to_write(held, deadline, ec)) {
                progress batch;
                while (records.left() != 0 && batch.bytes < batch_plaintext) {
                    const auto next = records.next();
                    const progress step = tls.write(next.first((std::min)(next.size(), batch_plaintext - batch.bytes)));
                    batch.error = step.error;
                    if (step.bytes == 0) break;
                    batch.bytes += step.bytes;
                    records.taken(step.bytes);
                }
                done += finish_write(held, batch, deadline, ec);
            }
            return done;
        });
    }

    void update_keys(bool ask_peer, time_point deadline, std::error_code& ec) {
        lock held = begin(ec);
        if (ec) return;
        failing_by_exception([&] {
            if (!ready_to_write(held, deadline, ec)) return;
            ec = tls.update_keys(ask_peer).error;
            if (!ec) flushed(held, deadline, ec);
        });
    }

    bool flush(time_point deadline, std::error_code& ec) {
        lock held = begin(ec);
        if (ec) return false;
        return failing_by_exception([&] {
            const bool done = flushed(held, deadline, ec);
            if (ec == std::errc::operation_would_block) ec.clear();
            return done;
        });
    }

    shutdown_result shut_reading(std::error_code& ec) {
        lock held = begin(ec);
        if (!ec) tls.shut_reading();
        shutdown_result result = steps.result();
        result.peer = tls.read_end();
        return result;
    }

    // Runs `use` with the SSL while no other thread is in BoringSSL.
    template <class Use>
    decltype(auto) with_ssl(Use&& use) {
        const lock held = enter();
        const error_queue_guard queue;
        return std::forward<Use>(use)(tls.ssl());
    }

    void abort() noexcept {
        lock held = enter();
        shared.abort(held);
    }

    // --- pieces of them, with the lock held; what the lock guards may have changed when they return ---

    // An exception that comes out of the socket comes out of the call, once; the connection has failed then, for both halves.
    template <class Call>
    auto failing_by_exception(Call&& call) {
        try {
            return call();
        } catch (...) {
            clear_error_queue();
            tls.fail(errc::exception_thrown);
            steps.broken_off();
            shared.changed();
            throw;
        }
    }

    [[nodiscard]] bool has_output() const noexcept { return !wire.pending().empty(); }

    // Sends what is pending, and what others add to it meanwhile; nobody else may be sending(). Empty: nothing is left to be sent;
    // else why not.
    std::error_code send_pending(lock& held, time_point deadline) {
        while (has_output()) {
            const pinned here(wire);
            const call_outcome done = shared.send(held, wire.pending(), deadline);
            wire.output_sent(done.bytes);
            if (done.end == call_end::failed) return refused(held, done.error);
            if (done.end == call_end::gone || (done.end == call_end::blocked && has_output())) return done.error;
        }
        return tls.lost_output() ? tls.write_failure() : std::error_code();
    }

    // Receives once, and gives it to the wire; nobody else may be receiving(). False: ec says why nothing came.
    bool receive(lock& held, time_point deadline, std::error_code& ec) {
        byte_queue incoming;
        const call_outcome done = shared.receive(held, incoming.room(buffered_wire::input_room), deadline);
        switch (done.end) {
            case call_end::moved:
                incoming.commit(done.bytes);
                if (done.bytes != 0) wire.input_received(incoming);
                return true;
            case call_end::ended: wire.input_ended(); return true;
            case call_end::failed: wire.input_failed(done.error); return true;
            default: ec = done.error; return false;
        }
    }

    // Nothing is here that the socket has not taken; else ec says why. Whoever is sending takes all that there is.
    bool flushed(lock& held, time_point deadline, std::error_code& ec) {
        while (has_output() && shared.sending()) {
            if (!await_change(held, deadline, ec)) return false;
        }
        ec = send_pending(held, deadline);
        return !ec;
    }

    // Something new is there for BoringSSL; else ec says why not.
    bool await_input(lock& held, time_point deadline, std::error_code& ec) {
        return shared.receiving() ? await_change(held, deadline, ec) : receive(held, deadline, ec);
    }

    bool await_change(lock& held, time_point deadline, std::error_code& ec) {
        if (!shared.wait(held, deadline)) ec = std::make_error_code(std::errc::timed_out);
        if (shared.is_gone()) ec = std::make_error_code(std::errc::operation_canceled);
        return !ec;
    }

    // An alert of ours leaves as far as it can without waiting. If somebody is sending, that carries it.
    void send_alert(lock& held) {
        if (!has_output() || shared.sending()) return;
        [[maybe_unused]] const std::error_code blocked = send_pending(held, (time_point::min)());  // a close sends the rest
    }

private:
    // What is sent stays where it lies although others add to it, or a fatal alert of the peer's takes it away.
    class pinned {
    public:
        explicit pinned(buffered_wire& wire) noexcept : wire_(wire) { wire_.pin_pending(); }
        pinned(const pinned&) = delete;
        pinned& operator=(const pinned&) = delete;
        ~pinned() { wire_.unpin_pending(); }

    private:
        buffered_wire& wire_;
    };

    // Every call begins here: what others left on BoringSSL's error queue must not be taken for this call's.
    [[nodiscard]] lock begin(std::error_code& ec) {
        lock held = enter();
        clear_error_queue();
        ec.clear();
        if (!held) ec = errc::called_from_callback;
        else if (shared.is_gone()) ec = errc::not_open;
        return held;
    }

    std::size_t read_some(lock& held, std::span<std::byte> into, time_point deadline, std::error_code& ec) {
        if (!tls.reading_shut() && !shake_hands(held, deadline, ec)) return 0;
        for (;;) {
            const progress step = needs_more() ? progress{.wants = want::input} : tls.read(into);
            if (step.wants == want::nothing) {
                ec = step.error;
                if (step.error) send_alert(held);
                return step.bytes;
            }
            if (!await_input(held, deadline, ec)) return 0;
        }
    }

    // BoringSSL would only find out the same, at ten times the price.
    [[nodiscard]] bool needs_more() const noexcept { return wire.is_dry() && tls.needs_input(); }

    // The handshake is complete; else ec says why not.
    bool shake_hands(lock& held, time_point deadline, std::error_code& ec) {
        while (!tls.established()) {
            const progress step = tls.handshake();
            if (step.error) {
                ec = step.error;
                send_alert(held);
                return false;
            }
            const bool may_wait = has_output();
            if (!flushed(held, deadline, ec)) return !tls.transport_refuses() ? false : handshake_refused(held, ec);
            if (may_wait) continue;  // the other half may have gone on meanwhile, and want something else
            if (step.wants == want::input && !await_input(held, deadline, ec)) return false;
            if (needs_answer(step.wants) && !await_answer(held, deadline, ec)) return false;
        }
        return true;
    }

    // The user has been asked something, and has answered; else ec says why not.
    bool await_answer(lock& held, time_point deadline, std::error_code& ec) {
        const std::shared_ptr<pending_answer> asked = tls.awaited();
        if (asked == nullptr) return true;
        if (waits_for_answer_) return await_change(held, deadline, ec);  // the other half tells
        waits_for_answer_ = true;
        bool told = false;
        held.unlock();
        asked->on_answer([&] {
            const lock in_turn = shared.enter();
            told = true;
            shared.changed();
        });
        held.lock();
        while (!told && await_change(held, deadline, ec)) continue;
        held.unlock();
        asked->on_answer(nullptr);
        held.lock();
        waits_for_answer_ = false;
        shared.changed();
        return !ec;
    }

    // Our flight is not taken: the peer may have said why before it went.
    bool handshake_refused(lock& held, std::error_code& ec) {
        if (tls.established()) return false;
        std::error_code why;
        if (!shared.receiving()) receive(held, without_waiting(), why);
        ec = tls.handshake().error;
        return false;
    }

    bool ready_to_write(lock& held, time_point deadline, std::error_code& ec) {
        ec = tls.write_refusal();
        if (ec || !shake_hands(held, deadline, ec) || !flushed(held, deadline, ec)) return false;
        ec = tls.write_refusal();  // it may have come to that meanwhile
        return !ec;
    }

    // What was accepted goes out. A count beside timed_out says that it was accepted.
    std::size_t finish_write(lock& held, const progress& step, time_point deadline, std::error_code& ec) {
        std::error_code why;
        if (!flushed(held, deadline, why) && (tls.lost_output() || shared.is_gone())) return ec = why, 0;
        ec = step.error ? step.error : why;
        if (step.bytes != 0 && ec == std::errc::operation_would_block) ec.clear();
        return step.bytes;
    }

    // The transport takes nothing any more. If it is gone, an alert that the peer sent before is the better reason, and it is looked for
    // without waiting; unless somebody is in a call that receives, who will come upon it himself.
    std::error_code refused(lock& held, std::error_code why) {
        wire.output_failed(why);
        tls.settle_output();
        shared.changed();
        if (is_reset(why) && tls.established()) {
            std::error_code nothing;
            while (!shared.receiving() && tls.look_ahead() && receive(held, without_waiting(), nothing)) continue;
        }
        return tls.write_failure();
    }

    // For a socket without deadlines: one whose connection is gone ends at once.
    [[nodiscard]] static constexpr time_point without_waiting() noexcept {
        return deadline_socket<socket_type> ? (time_point::min)() : never;
    }

    bool waits_for_answer_ = false;  // one of the halves does
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
