// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What waits, and at what: an operation that waits, whatever its handler is, and the handler by which the layer says that a lane's own
// operation is done (see async_core.hpp).

#ifndef TLS_STREAM_TLS_DETAIL_ASYNC_LANE_HPP
#define TLS_STREAM_TLS_DETAIL_ASYNC_LANE_HPP

#include <tls/shutdown.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

enum class async_slot : unsigned char { reader, writer, closer };
enum class async_lane : unsigned char { input, output, shutdown, answer };

// What an operation has to wait for.
struct async_needs {
    bool input = false;
    bool output = false;
    bool shutdown = false;     // the layer's own
    bool answer = false;       // the user's own
    bool reader_done = false;  // the operation that reads receives for it
    bool writer_done = false;
};

// What a cancellation permits, as Asio's cancellation_type has it, and what is made of it: `partial` ends the operation, `terminal` the
// stream.
struct cancellation_effects {
    bool total = false;
    bool partial = false;
    bool terminal = false;
};
enum class cancel_effect : unsigned char { none, partial, terminal };

// An operation that waits, whatever its handler is.
class async_operation {
public:
    // Goes on; to be called on its executor. It may be gone afterwards, and the stream with it.
    virtual void advance() = 0;
    // Has advance() called, from its executor.
    virtual void wake() = 0;
    // Gone without a call of its handler.
    virtual void discard() noexcept = 0;

    // Its next step is its last: it completes with this.
    void stop(std::error_code why) noexcept {
        if (!stopped) stopped = why;
    }
    void release() noexcept {
        if (--owners == 0) discard();
    }

    std::error_code stopped;
    std::uint64_t number = 0;
    unsigned owners = 0;
    bool queued = false;  // a wake-up is on its way
    bool is_handshake = false;

protected:
    async_operation() = default;
    ~async_operation() = default;
    async_operation(const async_operation&) = delete;
    async_operation& operator=(const async_operation&) = delete;
};

// The executor of an operation's handler. Where it is the layer's, as nearly always, that one is referred to: an executor that can be of
// any kind is a large thing, and one for each idle stream adds up. Where it is another it is kept from running out of work.
template <class Core, class Executor>
class operations_executor {
    using library = typename Core::library;
    using tracked = typename library::template tracked_executor<Executor>;

public:
    operations_executor(const Core& core, const Executor& executor) {
        if constexpr (std::is_same_v<Executor, typename Core::executor_type>) {
            if (executor == core.executor()) return;
        }
        other_ = std::make_shared<const kept>(executor);
    }

    // Null: it is the layer's.
    [[nodiscard]] const Executor* other() const noexcept { return other_ != nullptr ? &other_->executor : nullptr; }
    [[nodiscard]] Executor in(const Core& core) const noexcept {
        if constexpr (std::is_same_v<Executor, typename Core::executor_type>) {
            if (other_ == nullptr) return core.executor();
        }
        return other_->executor;
    }

private:
    struct kept {
        explicit kept(const Executor& from) : executor(from), work(library::track(from)) {}
        Executor executor;
        tracked work;
    };
    std::shared_ptr<const kept> other_;
};

// What the layer calls when a lane's operation is done.
template <class Core, class Executor>
class lane_handler {
public:
    using executor_type = Executor;

    lane_handler(std::shared_ptr<Core> core, async_lane which, operations_executor<Core, Executor> executor)
        : core_(std::move(core)), executor_(std::move(executor)), which_(which) {}
    lane_handler(lane_handler&&) = default;
    lane_handler& operator=(lane_handler&&) = delete;
    ~lane_handler() {
        if (core_ != nullptr) core_->abandon(which_);
    }

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_.in(*core_); }

    void operator()(typename Core::library_code why) { arrive(why); }
    void operator()(typename Core::library_code why, std::size_t transferred) { arrive(why, transferred); }
    void operator()(typename Core::library_code why, const shutdown_result& result) { arrive(why, result); }

protected:
    std::shared_ptr<Core> core_;
    operations_executor<Core, Executor> executor_;
    async_lane which_;

private:
    template <class... Result>
    void arrive(const typename Core::library_code& why, const Result&... result) {
        const std::shared_ptr<Core> core = std::move(core_);
        core->arrive(which_, executor_, why, result...);
    }
};

// The same for a layer whose operations are cancelled one by one.
template <class Core, class Executor>
class cancellable_lane_handler : public lane_handler<Core, Executor> {
public:
    using cancellation_slot_type = typename Core::library::slot;

    using lane_handler<Core, Executor>::lane_handler;
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
        return this->core_->cancellation_slot(this->which_);
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
