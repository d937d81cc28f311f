// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What an asynchronous stream owns: the loops of a stream that does not block (stream_core), and who waits for what.
//
// Three operations can be outstanding together, each in a slot of its own: a reader, a writer, and a closer that waits for the writer to
// be done. They wait at lanes, each of them one operation of the layer's: input, output, and the layer's own shutdown; or, where the user
// has been asked something in the middle of a handshake, at one that is a timer which whoever answers cancels. A lane is started by the first who needs it and wakes everybody who waits at it, each on his own executor. All of this happens on one strand;
// there is no lock.
//
// Who owns whom: a lane's handler, which Asio keeps, owns the operations that wait at it; so does a posted wake-up. The core only knows
// them. When an io_context is destroyed its handlers are, and with them the operations and what their handlers own.

#ifndef TLS_STREAM_TLS_DETAIL_ASYNC_CORE_HPP
#define TLS_STREAM_TLS_DETAIL_ASYNC_CORE_HPP

#include <tls/detail/answer.hpp>
#include <tls/detail/async_lane.hpp>
#include <tls/detail/async_layer.hpp>
#include <tls/detail/buffer_list.hpp>
#include <tls/detail/buffered_layer.hpp>
#include <tls/detail/native_layer.hpp>
#include <tls/detail/new_connection.hpp>
#include <tls/detail/stream_core.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

template <class Library, class Socket>
class async_core final : public std::enable_shared_from_this<async_core<Library, Socket>> {
public:
    using library = Library;
    using library_code = typename Library::error_code;
    using next_type = std::remove_reference_t<Socket>;
    using executor_type = typename next_type::executor_type;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_native = Library::template is_native<next_type>;
    using layer_type = std::conditional_t<is_native, native_layer<Library, Socket>, buffered_layer<Library, Socket>>;

    async_core(Socket&& under, new_connection made)
        : executor_(under.get_executor()), stream(layer_type(std::forward<Socket>(under)), std::move(made)) {}
    async_core(const async_core&) = delete;
    async_core& operator=(const async_core&) = delete;
    ~async_core() { forget_answer(); }

private:
    // A socket keeps its executor even when it was moved from, as the stream's is in the end; of other layers it is kept here.
    struct sockets_own {
        explicit sockets_own(const executor_type&) noexcept {}
    };
    [[no_unique_address]] std::conditional_t<is_native, sockets_own, executor_type> executor_;

public:
    stream_core<layer_type> stream;

    [[nodiscard]] executor_type executor() const noexcept {
        if constexpr (is_native) {
            return const_cast<next_type&>(layer().next()).get_executor();  // not const in all versions
        } else {
            return executor_;
        }
    }

    [[nodiscard]] layer_type& layer() noexcept { return stream.socket; }
    [[nodiscard]] const layer_type& layer() const noexcept { return stream.socket; }
    [[nodiscard]] bool has_output() const noexcept { return !stream.wire.pending().empty(); }
    // The stream that this was the core of has been destroyed.
    [[nodiscard]] bool is_dead() const noexcept { return dead_; }

    // Nothing of the stream's is under way on the layer.
    [[nodiscard]] bool is_idle() const noexcept {
        return !any_outstanding() && std::none_of(lanes_.begin(), lanes_.end(), [](const state& lane) { return lane.busy; });
    }

    // What makes up to four records, gathered however many buffers it is.
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, std::error_code& ec) {
        const buffer_list<Library, Buffers> pieces(buffers, batch_plaintext);
        return pieces.single() ? stream.write_some(pieces.front(), ec) : stream.write(pieces.all(), ec);
    }

    // The same for early data, a record for each buffer.
    template <class Buffers>
    std::size_t write_early(const Buffers& buffers, std::error_code& ec) {
        std::size_t done = 0;
        const auto end = Library::end(buffers);
        for (auto next = Library::begin(buffers); !ec && next != end; ++next) {
            const std::span<const std::byte> from = Library::bytes(*next);
            if (from.empty()) continue;
            std::error_code why;
            const std::size_t n = stream.write_early(from, why);
            done += n;
            if (done == 0 || why != errc::early_data_unavailable) ec = why;  // else it is the server's limit
            if (n < from.size()) break;
        }
        return done;
    }

    // --- operations ---

    [[nodiscard]] bool occupied(async_slot which) const noexcept { return at(which) != nullptr; }
    [[nodiscard]] bool is_outstanding(async_slot which, std::uint64_t number) const noexcept {
        return occupied(which) && at(which)->number == number;
    }
    [[nodiscard]] bool any_outstanding() const noexcept {
        return occupied(async_slot::reader) || occupied(async_slot::writer) || occupied(async_slot::closer);
    }

    void enter(async_slot which, async_operation& operation) noexcept {
        assert(!occupied(which));
        at(which) = &operation;
        operation.number = ++last_number_;
        if (which == async_slot::reader) stream.leave_receiving(true);
    }

    // The operation completes, or is discarded. Who waits for it goes on.
    void leave(async_slot which, bool completes) {
        at(which) = nullptr;
        if (which == async_slot::reader) stream.leave_receiving(false);
        if (std::exchange(armed_[index(which)], false) && completes) (*timers_)[index(which)].cancel();
        for (const async_lane lane : all_lanes) {
            state& here = lanes_[index(lane)];
            const bool waited = (here.waiting & bit(which)) != 0;
            here.waiting &= static_cast<std::uint8_t>(~bit(which));
            // Ciphertext that is under way goes on; nobody needs the rest.
            const bool drops = is_native || lane == async_lane::input || lane == async_lane::answer;
            const bool needless = waited && here.waiting == 0 && drops;
            if (needless && completes && !dead_) cancel(lane);
        }
        if (which == async_slot::closer) closer_waits_for_ = 0;
        if ((closer_waits_for_ & bit(which)) != 0) {
            closer_waits_for_ &= static_cast<std::uint8_t>(~bit(which));
            async_operation* const closer = at(async_slot::closer);
            if (completes) closer->wake();
            closer->release();
        }
        // What a cancelled write has left here goes out by who still waits.
        if (completes && which != async_slot::reader && occupied(async_slot::reader) && has_output())
            at(async_slot::reader)->wake();
    }

    // Has the operation in that slot woken when something of what it needs has happened, or at `deadline`.
    template <class Executor>
    void wait(async_slot which, const async_needs& needs, time_point deadline,
              const operations_executor<async_core, Executor>& executors) {
        async_operation& operation = *at(which);
        // A lane that cannot be started has taken its waiters with it; this one is still needed to say so.
        ++operation.owners;
        const auto done = finally([&operation] { --operation.owners; });
        if (needs.reader_done) wait_for(async_slot::reader);
        if (needs.writer_done) wait_for(async_slot::writer);
        if (deadline != never) arm(which, deadline, executors);
        if (needs.input) join(which, async_lane::input, executors);
        if (needs.output) join(which, async_lane::output, executors);
        if (needs.shutdown) join(which, async_lane::shutdown, executors);
        if (needs.answer) join(which, async_lane::answer, executors);
        assert(operation.owners > 1);
    }

    // Has the operation in that slot, if there is one, look at how things stand.
    void wake(async_slot which) {
        if (occupied(which)) at(which)->wake();
    }
    // Completes it.
    void stop(async_slot which, std::error_code why) {
        if (!occupied(which)) return;
        at(which)->stop(why);
        wake(which);
    }
    void stop_all(std::error_code why) {
        for (const async_slot which : all_slots) stop(which, why);
    }

    // A close does not wait for a handshake, which may never end.
    void stop_handshake() {
        if (occupied(async_slot::writer) && at(async_slot::writer)->is_handshake) stop(async_slot::writer, aborted());
    }

    // A cancellation that an operation allows has come: `terminal` is the end of the stream.
    void cancel_operation(async_slot which, cancel_effect effect) {
        if (effect == cancel_effect::none) return;
        if (effect == cancel_effect::terminal) {
            stream.tls.fail(aborted());
            stop_all(aborted());
        } else {
            stop(which, aborted());
        }
    }

    // Does a close wait for the layer's own shutdown?
    [[nodiscard]] bool wants_shutdown() const noexcept {
        if constexpr (is_native) {
            return false;
        } else {
            return layer().wanted_shutdown().has_value();
        }
    }

    // --- lanes, and what comes from them ---

    [[nodiscard]] typename Library::slot cancellation_slot(async_lane which) noexcept {
        return Library::signal_slot(lanes_[index(which)].signal);
    }

    template <class Executor, class... Result>
    void arrive(async_lane which, const operations_executor<async_core, Executor>& executors, const library_code& why,
                const Result&... result) {
        state& here = lanes_[index(which)];
        here.busy = false;
        const bool aborted_here = why == Library::operation_aborted();
        const bool by_us = std::exchange(here.cancelled, false);
        take_note(which, why, result...);

        const auto waiting = std::exchange(here.waiting, std::uint8_t{0});
        async_operation* starter = nullptr;
        for (const async_slot slot : all_slots) {
            if ((waiting & bit(slot)) == 0) continue;
            async_operation& operation = *at(slot);
            if (aborted_here && !by_us) operation.stop(aborted());
            if (is_native && why && !aborted_here) operation.stop(Library::to_std(why));  // there is no waiting for this socket
            if (operation.number == here.starter) {
                starter = &operation;
            } else {
                operation.wake();
                operation.release();
            }
        }
        if (starter != nullptr) {
            --starter->owners;
            if (!starter->queued) return starter->advance();
        } else if (!is_native && which == async_lane::output && waiting == 0 && has_output() && !why && !dead_) {
            start(which, executors);  // what was accepted goes out, even if nobody waits for that
        }
    }

    // The io_context is gone, or the layer could not start: so are those who wait.
    void abandon(async_lane which) noexcept {
        state& here = lanes_[index(which)];
        here.busy = false;
        if (!is_native && which == async_lane::output) stream.wire.unpin_pending();
        const auto waiting = std::exchange(here.waiting, std::uint8_t{0});
        for (const async_slot slot : all_slots) {
            if ((waiting & bit(slot)) != 0) at(slot)->release();
        }
    }

    // The deadline of the operation with that number has come.
    void expire(async_slot which, std::uint64_t number) {
        if (!is_outstanding(which, number)) return;
        armed_[index(which)] = false;
        if (!at(which)->queued) at(which)->advance();
    }

    // Ciphertext is here that nobody waits for, an alert for one. A socket has been given it already, as far as it takes it; any other
    // layer is started sending.
    template <class Executor>
    void send_alone(const operations_executor<async_core, Executor>& executors) {
        if constexpr (!is_native) {
            const bool idle = !lanes_[index(async_lane::output)].busy && !stream.is_closed() && !dead_;
            if (idle && has_output()) start(async_lane::output, executors);
        }
    }

    // --- the end ---

    // Closes the layer at once; what is outstanding is aborted.
    void abort() noexcept {
        stream.abort();
        abort_operations();
    }

    void abort_operations() noexcept {
        try {
            stop_all(aborted());
        } catch (...) {
            return;  // no memory for a wake-up: the layer's own end wakes them
        }
    }

    // The stream is destroyed: whatever is outstanding is aborted, and the layer is let go of.
    void die() noexcept {
        dead_ = true;
        forget_answer();
        abort_operations();
        for (const async_lane lane : all_lanes) cancel(lane);
        if constexpr (!std::is_reference_v<Socket>) {
            [[maybe_unused]] const next_type gone(std::move(layer().next()));
        }
    }

    [[nodiscard]] std::vector<std::byte> surplus() const {
        std::vector<std::byte> all = stream.wire.surplus();
        if constexpr (!is_native) {
            const auto more = layer().received();
            all.insert(all.end(), more.begin(), more.end());
        }
        return all;
    }

    // What Asio calls operation_aborted.
    [[nodiscard]] static std::error_code aborted() noexcept { return Library::to_std(Library::operation_aborted()); }

private:
    static constexpr std::array all_slots{async_slot::reader, async_slot::writer, async_slot::closer};
    static constexpr std::array all_lanes{async_lane::input, async_lane::output, async_lane::shutdown, async_lane::answer};

    static constexpr bool cancels_one_by_one = Library::has_cancellation_slots && !is_native;
    struct no_signal {};

    struct state {
        [[no_unique_address]] std::conditional_t<cancels_one_by_one, typename Library::signal, no_signal> signal;
        std::uint64_t starter = 0;  // the operation's number, on whose executor the lane arrives
        std::uint8_t waiting = 0;   // a bit for each slot
        bool busy = false;
        bool cancelled = false;  // by us: that it is aborted is no news
    };
    using timer = typename Library::template timer<executor_type>;

    template <class Action>
    static auto finally(Action action) {
        struct guard {
            explicit guard(Action what) : action(what) {}
            guard(const guard&) = delete;
            guard& operator=(const guard&) = delete;
            ~guard() { action(); }
            Action action;
        };
        return guard(action);
    }

    template <class Enum>
    static constexpr std::size_t index(Enum which) noexcept {
        return static_cast<std::size_t>(which);
    }
    static constexpr std::uint8_t bit(async_slot which) noexcept { return static_cast<std::uint8_t>(1u << index(which)); }
    [[nodiscard]] async_operation*& at(async_slot which) noexcept { return operations_[index(which)]; }
    [[nodiscard]] async_operation* at(async_slot which) const noexcept { return operations_[index(which)]; }

    void wait_for(async_slot other) noexcept {
        if ((closer_waits_for_ & bit(other)) != 0) return;
        closer_waits_for_ |= bit(other);
        ++at(async_slot::closer)->owners;
    }

    template <class Executor>
    void join(async_slot who, async_lane which, const operations_executor<async_core, Executor>& executors) {
        state& here = lanes_[index(which)];
        if ((here.waiting & bit(who)) == 0) {
            here.waiting |= bit(who);
            ++at(who)->owners;
        }
        if (here.busy) return;
        here.starter = at(who)->number;
        start(which, executors);
    }

    template <class Executor>
    void start(async_lane which, const operations_executor<async_core, Executor>& executors) {
        using handler_type = std::conditional_t<cancels_one_by_one, cancellable_lane_handler<async_core, Executor>,
                                                lane_handler<async_core, Executor>>;
        lanes_[index(which)].busy = true;
        if (which == async_lane::answer) return start_answer(executors);
        handler_type handler(this->shared_from_this(), which, executors);
        if (which == async_lane::input) {
            layer().start_input(std::move(handler));
        } else if (which == async_lane::output) {
            const auto pending = stream.wire.pending();
            if constexpr (!is_native) stream.wire.pin_pending();
            layer().start_output(std::move(handler), pending);
        } else if constexpr (!is_native && async_tls_stream<next_type>) {
            layer().start_shutdown(std::move(handler), stream.closing_deadline());
        }
    }

    // Waits until the user has answered, which may be in any thread.
    template <class Executor>
    void start_answer(const operations_executor<async_core, Executor>& executors) {
        if (answer_clock_ == nullptr) answer_clock_ = std::make_unique<timer>(executor());
        answer_clock_->expires_at(never);
        answer_clock_->async_wait(lane_handler<async_core, Executor>(this->shared_from_this(), async_lane::answer, executors));
        forget_answer();
        awaited_ = stream.tls.awaited();
        const auto told = [here = this->weak_from_this(), layers = executor(), executors] {
            Library::post(layers, executors.other(), [here] {
                if (const auto core = here.lock()) core->cancel(async_lane::answer);
            });
        };
        awaited_ != nullptr ? awaited_->on_answer(told) : told();
    }

    // Whoever answers tells nobody any more.
    void forget_answer() noexcept {
        if (const auto asked = std::exchange(awaited_, nullptr)) asked->on_answer(nullptr);
    }

    // What the layer has done. Each kind of layer has only some of these.
    void take_note(async_lane, const library_code&) noexcept {}
    void take_note(async_lane which, library_code why, std::size_t n) noexcept {
        if (which == async_lane::input) {
            layer().finish_input(n, why);
        } else {
            stream.wire.unpin_pending();
            stream.wire.output_sent(n);
            layer().finish_output(why);
        }
    }
    void take_note(async_lane, library_code why, const shutdown_result&) noexcept { layer().finish_shutdown(why); }

    void cancel(async_lane which) noexcept {
        state& here = lanes_[index(which)];
        if (!here.busy || (here.cancelled && !dead_)) return;
        here.cancelled = true;
        if (which == async_lane::answer) {
            answer_clock_->cancel();
            return;
        }
        if constexpr (cancels_one_by_one) {
            Library::emit_cancellation(here.signal, dead_);
        } else {
            // There is no cancelling one alone, or for mere waiting it is not worth a slot's memory. The others begin anew.
            for (const async_lane other : all_lanes) {
                if (other != async_lane::answer) lanes_[index(other)].cancelled = lanes_[index(other)].busy;
            }
            try {
                cancel_layer(layer().next());
            } catch (...) {
                return;  // then it ends with the layer
            }
        }
    }

    template <class Executor>
    void arm(async_slot which, time_point deadline, const operations_executor<async_core, Executor>& executors) {
        async_operation& operation = *at(which);
        if (timers_ == nullptr) {
            const executor_type ours = executor();
            timers_.reset(new std::array<timer, 3>{timer(ours), timer(ours), timer(ours)});
        }
        timer& clock = (*timers_)[index(which)];
        if (std::exchange(armed_[index(which)], true)) return;
        clock.expires_at(deadline);
        clock.async_wait(Library::on_executor(
            executors.in(*this), [core = this->shared_from_this(), which, number = operation.number](library_code why) {
                if (!why) core->expire(which, number);
            }));
    }

    std::array<async_operation*, 3> operations_{};
    std::array<state, 4> lanes_{};
    std::unique_ptr<std::array<timer, 3>> timers_;  // once an operation has a deadline to wait for
    std::unique_ptr<timer> answer_clock_;           // once the user has been asked something
    std::shared_ptr<pending_answer> awaited_;
    std::array<bool, 3> armed_{};
    std::uint64_t last_number_ = 0;
    std::uint8_t closer_waits_for_ = 0;
    bool dead_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
