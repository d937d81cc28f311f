// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What the asynchronous operations do, step by step: each step is a call of the loops of a stream that does not block.

#ifndef TLS_STREAM_TLS_DETAIL_ASYNC_WORK_HPP
#define TLS_STREAM_TLS_DETAIL_ASYNC_WORK_HPP

#include <tls/closing.hpp>
#include <tls/detail/async_core.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <system_error>
#include <tuple>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// Which of the effects that a cancellation allows is the mildest that is possible; `harmless` is whether nothing has happened yet that
// the caller would not know of.
[[nodiscard]] constexpr cancel_effect mildest(const cancellation_effects& allowed, bool harmless) noexcept {
    if ((allowed.total && harmless) || allowed.partial) return cancel_effect::partial;
    return allowed.terminal ? cancel_effect::terminal : cancel_effect::none;
}

// What all of them have.
template <class Core>
class async_work {
public:
    using library = typename Core::library;
    using library_code = typename Core::library_code;
    using time_point = std::chrono::steady_clock::time_point;

    static constexpr bool is_handshake = false;

    void begin(const Core& core) noexcept { deadline_ = core.stream.write_deadline(); }
    // Of what may run the handshake.
    [[nodiscard]] async_needs needs(const Core& core) const noexcept {
        if (asks(core)) return {.output = core.has_output(), .answer = true};
        return {.input = !core.stream.tls.established(), .output = core.has_output()};
    }
    [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
    [[nodiscard]] bool is_late() const noexcept { return deadline_ != never && std::chrono::steady_clock::now() >= deadline_; }
    void stop(Core&, std::error_code why) noexcept { ec_ = why; }
    void stop_empty() noexcept { ec_ = errc::not_open; }
    [[nodiscard]] cancel_effect effect_of(const cancellation_effects& allowed) const noexcept { return mildest(allowed, true); }

protected:
    [[nodiscard]] static bool would_block(std::error_code ec) noexcept { return ec == std::errc::operation_would_block; }
    // Did the last call stop because the user has been asked something?
    [[nodiscard]] static bool asks(const Core& core) noexcept { return needs_answer(core.stream.wants()); }
    [[nodiscard]] static std::error_code already_started() noexcept { return library::to_std(library::already_started()); }
    // Of a write or a handshake.
    [[nodiscard]] static std::error_code writer_refusal(const Core& core) noexcept {
        if (core.occupied(async_slot::closer)) return errc::write_shut_down;
        const bool second = core.occupied(async_slot::writer);
        assert(!second && "tls::stream: a write or a handshake is outstanding already");
        return second ? already_started() : std::error_code();
    }

    time_point deadline_ = never;
    std::error_code ec_;
};

// What is read or written: what a connection is for, or early data, which has names of its own.
enum class data_kind : unsigned char { application, early };

template <class Core, class Buffers, data_kind Kind = data_kind::application>
class read_work : public async_work<Core> {
    using base = async_work<Core>;

public:
    static constexpr async_slot slot = async_slot::reader;

    explicit read_work(const Buffers& buffers) : buffers_(buffers) {}

    void begin(const Core& core) noexcept { base::deadline_ = core.stream.read_deadline(); }

    [[nodiscard]] std::error_code refusal(const Core& core) const noexcept {
        const bool second = core.occupied(async_slot::reader);
        assert(!second && "tls::stream: a read is outstanding already");
        return second ? base::already_started() : std::error_code();
    }

    // Goes on to the next record as long as that is likely to be here, but not for ever: others wait for their turn.
    bool step(Core& core) {
        bool any_room = false;
        const auto end = base::library::end(buffers_);
        for (auto next = base::library::begin(buffers_); next != end; ++next) {
            auto into = base::library::bytes(*next);
            while (!into.empty()) {
                any_room = true;
                std::error_code ec;
                const bool early = Kind == data_kind::early;
                const std::size_t n = early ? core.stream.read_early(into, ec) : core.stream.read_some(into, ec);
                if (n == 0) return stopped_by(ec);
                bytes_ += n;
                into = into.subspan(n);
                if (early || bytes_ >= batch_plaintext || !core.stream.more_is_likely()) return true;
            }
        }
        return bytes_ != 0 || !any_room;
    }

    [[nodiscard]] async_needs needs(const Core& core) const noexcept {
        const bool somebody_sends = core.occupied(async_slot::writer) || core.occupied(async_slot::closer);
        if (base::asks(core)) return {.output = core.has_output() && !somebody_sends, .answer = true};
        return {.input = true, .output = core.has_output() && !somebody_sends};
    }
    // What a failed read has to say to the peer, an alert, goes out as far as that needs no waiting.
    template <class Executor>
    void leave(Core& core, const Executor& executor) const {
        if (base::ec_ && !core.occupied(async_slot::writer)) core.send_alone(executor);
    }
    [[nodiscard]] std::tuple<typename base::library_code, std::size_t> result() const {
        return {at_end_ ? base::library::eof() : base::library::from_std(base::ec_), bytes_};
    }

private:
    bool stopped_by(std::error_code ec) noexcept {
        if (bytes_ != 0) return true;  // an end stays, and the next read finds it
        if (base::would_block(ec)) return false;
        base::ec_ = ec;
        at_end_ = !ec;
        return true;
    }

    Buffers buffers_;
    std::size_t bytes_ = 0;
    bool at_end_ = false;
};

template <class Core, class Buffers, data_kind Kind = data_kind::application>
class write_work : public async_work<Core> {
    using base = async_work<Core>;

public:
    static constexpr async_slot slot = async_slot::writer;

    explicit write_work(const Buffers& buffers) : buffers_(buffers) {}

    [[nodiscard]] std::error_code refusal(const Core& core) const noexcept { return base::writer_refusal(core); }

    // Seals once, what makes up to four records; then it is done when all of that is with the layer.
    bool step(Core& core) {
        if (accepted_ == 0) {
            if constexpr (Kind == data_kind::early) accepted_ = core.write_early(buffers_, base::ec_);
            else accepted_ = core.write_some(buffers_, base::ec_);
            const bool blocked = base::would_block(base::ec_);
            if (blocked) base::ec_.clear();
            if (accepted_ == 0) return !blocked;
        }
        if (!base::ec_ && core.has_output()) core.stream.flush(base::ec_);
        if (base::ec_) accepted_ = 0;  // lost, and the stream says so from now on
        return base::ec_ || !core.has_output();
    }

    // Sealed bytes cannot be taken back.
    [[nodiscard]] cancel_effect effect_of(const cancellation_effects& allowed) const noexcept {
        return mildest(allowed, accepted_ == 0);
    }
    template <class Executor>
    void leave(Core& core, const Executor& executor) const {
        if (base::ec_) core.send_alone(executor);
    }
    [[nodiscard]] std::tuple<typename base::library_code, std::size_t> result() const {
        return {base::library::from_std(base::ec_), accepted_};
    }

private:
    Buffers buffers_;
    std::size_t accepted_ = 0;
};

template <class Core>
class handshake_work : public async_work<Core> {
    using base = async_work<Core>;

public:
    static constexpr async_slot slot = async_slot::writer;
    static constexpr bool is_handshake = true;

    [[nodiscard]] std::error_code refusal(const Core& core) const noexcept { return base::writer_refusal(core); }
    bool step(Core& core) {
        core.stream.handshake(base::ec_);
        if (!base::would_block(base::ec_)) return true;
        base::ec_.clear();
        return false;
    }
    template <class Executor>
    void leave(Core& core, const Executor& executor) const {
        if (base::ec_) core.send_alone(executor);
    }
    [[nodiscard]] std::tuple<typename base::library_code> result() const { return {base::library::from_std(base::ec_)}; }
};

template <class Core>
class key_update_work : public async_work<Core> {
    using base = async_work<Core>;

public:
    static constexpr async_slot slot = async_slot::writer;

    explicit key_update_work(bool ask_peer) noexcept : ask_peer_(ask_peer) {}

    [[nodiscard]] std::error_code refusal(const Core& core) const noexcept { return base::writer_refusal(core); }
    // Asked for once; then it is done when that is with the layer.
    bool step(Core& core) {
        if (sealed_) {
            core.stream.flush(base::ec_);
            return base::ec_ || !core.has_output();
        }
        core.stream.update_keys(ask_peer_, base::ec_);
        if (!base::would_block(base::ec_)) return true;
        base::ec_.clear();
        sealed_ = core.stream.tls.established();
        return false;
    }
    template <class Executor>
    void leave(Core& core, const Executor& executor) const {
        if (base::ec_) core.send_alone(executor);
    }
    [[nodiscard]] std::tuple<typename base::library_code> result() const { return {base::library::from_std(base::ec_)}; }

private:
    bool ask_peer_;
    bool sealed_ = false;
};

// A shutdown of reading, of which the peer hears nothing; or what closing.hpp calls a goal.
template <class Core>
class close_work : public async_work<Core> {
    using base = async_work<Core>;

public:
    static constexpr async_slot slot = async_slot::closer;

    close_work(shutdown_mode mode, const shutdown_options& options) noexcept
        : goal_(closing::goal_of(mode)), reading_only_(mode == shutdown_mode::read), options_(options) {}
    explicit close_work(const shutdown_options& options) noexcept : goal_(closing::goal::close), options_(options) {}

    // The clock starts here, not when the writer is done.
    void begin(const Core& core) noexcept {
        const auto limit = saturating_sum(std::chrono::steady_clock::now(), options_.timeout);
        base::deadline_ = (std::min)({limit, core.stream.read_deadline(), core.stream.write_deadline()});
    }
    // Closing an empty stream is harmless.
    void stop_empty() noexcept {
        if (goal_ != closing::goal::close) base::stop_empty();
    }

    [[nodiscard]] std::error_code refusal(const Core& core) const noexcept {
        const bool second = core.occupied(async_slot::closer);
        assert(!second && "tls::stream: a shutdown or close is outstanding already");
        return second ? base::already_started() : std::error_code();
    }

    // At its limit the closing itself comes to an end.
    [[nodiscard]] bool is_late() const noexcept { return false; }

    bool step(Core& core) {
        if (reading_only_) {
            result_ = core.stream.shut_reading(base::ec_);
            return true;
        }
        const auto now = std::chrono::steady_clock::now();
        if (core.occupied(async_slot::writer)) {
            if (!core.stream.tls.established()) core.stop_handshake();
            if (now < base::deadline_ && core.occupied(async_slot::writer)) return false;
        }
        if (!begun_) {
            using std::chrono::milliseconds;
            if (base::deadline_ != never)
                options_.timeout = (std::max)({}, std::chrono::floor<milliseconds>(base::deadline_ - now));
            begun_ = true;
        }
        result_ = core.stream.close_by_steps(goal_, options_, base::ec_);
        if (!base::would_block(base::ec_)) return true;
        base::ec_.clear();
        return false;
    }

    [[nodiscard]] async_needs needs(const Core& core) const noexcept {
        if (core.occupied(async_slot::writer)) return {.writer_done = true};
        if (core.wants_shutdown()) return {.shutdown = true};
        const bool receives = core.stream.closing_wants_input();
        const bool beside_reader = core.occupied(async_slot::reader);
        return {.input = receives && !beside_reader, .output = core.has_output(), .reader_done = receives && beside_reader};
    }
    void stop(Core& core, std::error_code why) noexcept {
        base::ec_ = why;
        if (begun_) core.stream.break_off_closing();
    }
    // At the limit a read that did the receiving has nobody left to do it for.
    template <class Executor>
    void leave(Core& core, const Executor&) const {
        if (reading_only_) core.wake(async_slot::reader);
        if (goal_ != closing::goal::write && result_.timed_out) core.stop(async_slot::reader, Core::aborted());
        if (core.stream.is_closed()) core.stop_all(Core::aborted());
    }
    [[nodiscard]] std::tuple<typename base::library_code, shutdown_result> result() const {
        return {base::library::from_std(base::ec_), result_};
    }

private:
    closing::goal goal_;
    bool reading_only_ = false;
    shutdown_options options_;
    shutdown_result result_{};
    bool begun_ = false;
};

// shutdown(both) that tells less.
template <class Core>
class teardown_work : public close_work<Core> {
public:
    teardown_work() noexcept : close_work<Core>(shutdown_mode::both, {}) {}
    [[nodiscard]] std::tuple<typename Core::library_code> result() const { return {std::get<0>(close_work<Core>::result())}; }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
