// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One asynchronous operation from its initiating function to the call of its handler. What is done in between is its `Work`
// (async_work.hpp):
//
//     static constexpr async_slot slot;
//     static constexpr bool is_handshake;
//     void begin(const Core&);                        // the call of the initiating function
//     std::error_code refusal(const Core&) const;     // it may not be started now
//     bool step(Core&);                               // goes as far as it can without waiting; true: it is done
//     async_needs needs(const Core&) const;           // otherwise: what it waits for
//     time_point deadline() const;                    // ... and when it steps again in any case
//     bool is_late() const;                           // that step was its last
//     void stop(Core&, std::error_code why);          // it is done, for a reason from outside
//     void stop_empty();                              // ... because there is no stream
//     cancel_effect effect_of(const cancellation_effects&) const;
//     void leave(Core&, executor) const;              // it is done: what that means for the others
//     std::tuple<Library::error_code, ...> result() const;

#ifndef TLS_STREAM_TLS_DETAIL_ASYNC_OPERATION_HPP
#define TLS_STREAM_TLS_DETAIL_ASYNC_OPERATION_HPP

#include <tls/detail/async_core.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/error.hpp>

#include <cstdint>
#include <memory>
#include <new>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// A handler with its arguments, to be posted to its executor, with its allocator.
template <class Library, class Handler, class Result>
class posted_completion {
public:
    using allocator_type = typename Library::template handler_allocator<Handler>;

    posted_completion(Handler&& handler, Result result) : handler_(std::move(handler)), result_(std::move(result)) {}

    [[nodiscard]] allocator_type get_allocator() const noexcept { return Library::allocator_of(handler_); }
    void operator()() { std::apply(std::move(handler_), std::move(result_)); }

private:
    Handler handler_;
    Result result_;
};

// Does what can be done without waiting. Nothing that is thrown below may leave an operation that never completes.
template <class Core, class Work>
bool step_of(Core& core, Work& work) {
    try {
        return work.step(core);
    } catch (const std::bad_alloc&) {
        work.stop(core, std::make_error_code(std::errc::not_enough_memory));
    } catch (...) {
        work.stop(core, errc::exception_thrown);
    }
    clear_error_queue();
    return true;
}

// The operation once it has to wait. Made with the handler's allocator; its memory is given back before the handler is called.
template <class Core, class Work, class Handler>
class waiting_operation final : public async_operation {
    using library = typename Core::library;
    using executor_type = typename library::template handler_executor<Handler, typename Core::executor_type>;
    using allocator_type = typename std::allocator_traits<
        typename library::template handler_allocator<Handler>>::template rebind_alloc<waiting_operation>;

public:
    static void start(std::shared_ptr<Core> core, Work work, Handler&& handler) {
        allocator_type allocator(library::allocator_of(handler));
        waiting_operation* const made = std::allocator_traits<allocator_type>::allocate(allocator, 1);
        try {
            ::new (static_cast<void*>(made)) waiting_operation(std::move(core), std::move(work), std::move(handler));
        } catch (...) {
            std::allocator_traits<allocator_type>::deallocate(allocator, made, 1);
            throw;
        }
        made->is_handshake = Work::is_handshake;
        made->core_->enter(Work::slot, *made);
        made->accept_cancellation();
        if (!made->wait()) made->wake();
    }

    void advance() override {
        if (core_->is_dead()) stop(Core::aborted());
        if (cannot_wait_) {
            // work_ knows why.
        } else if (stopped) {
            work_.stop(*core_, stopped);
        } else if (!step_of(*core_, work_)) {
            if (work_.is_late()) {
                work_.stop(*core_, std::make_error_code(std::errc::timed_out));
            } else if (wait()) {
                return;
            }
        }
        complete();
    }

    void wake() override {
        if (std::exchange(queued, true)) return;
        ++owners;  // what cannot be posted lets go of its own
        try {
            library::post(core_->executor(), executor_.other(), wake_up(*this));
        } catch (...) {
            queued = false;
            release();
            throw;
        }
        --owners;
    }

    void discard() noexcept override {
        const std::shared_ptr<Core> core = std::move(core_);
        core->leave(Work::slot, false);
        destroy(allocator_type(library::allocator_of(handler_)));
    }

private:
    // Owns the operation until it is called.
    class wake_up {
    public:
        explicit wake_up(waiting_operation& sleeper) noexcept : sleeper_(&sleeper) { ++sleeper.owners; }
        wake_up(wake_up&& other) noexcept : sleeper_(std::exchange(other.sleeper_, nullptr)) {}
        wake_up& operator=(wake_up&&) = delete;
        ~wake_up() {
            if (sleeper_ != nullptr) sleeper_->release();
        }
        void operator()() {
            waiting_operation* const sleeper = std::exchange(sleeper_, nullptr);
            sleeper->queued = false;
            --sleeper->owners;
            sleeper->advance();
        }

    private:
        waiting_operation* sleeper_;
    };

    waiting_operation(std::shared_ptr<Core> core, Work work, Handler&& handler)
        : executor_(*core, library::executor_of(handler, core->executor())),
          core_(std::move(core)),
          work_(std::move(work)),
          handler_(std::move(handler)) {}
    ~waiting_operation() = default;

    void accept_cancellation() {
        if constexpr (library::has_cancellation_slots) {
            auto slot = library::slot_of(handler_);
            if (!slot.is_connected()) return;
            slot.assign([core = std::weak_ptr<Core>(core_), number = number, this](typename library::cancellation type) {
                // This is there as long as the core knows its number.
                const auto here = core.lock();
                if (here != nullptr && here->is_outstanding(Work::slot, number)) {
                    here->cancel_operation(Work::slot, work_.effect_of(library::allowed_effects(type)));
                }
            });
        }
    }

    // False: it cannot wait, and its work is done.
    bool wait() {
        try {
            core_->wait(Work::slot, work_.needs(*core_), work_.deadline(), executor_);
            return true;
        } catch (const std::bad_alloc&) {
            work_.stop(*core_, std::make_error_code(std::errc::not_enough_memory));
        } catch (...) {
            work_.stop(*core_, errc::exception_thrown);
        }
        cannot_wait_ = true;
        return false;
    }

    void complete() {
        const std::shared_ptr<Core> core = std::move(core_);
        core->leave(Work::slot, true);
        work_.leave(*core, executor_);
        if constexpr (library::has_cancellation_slots) {
            auto slot = library::slot_of(handler_);
            if (slot.is_connected()) slot.clear();
        }
        auto result = work_.result();
        Handler handler(std::move(handler_));
        const auto work = std::move(executor_);
        destroy(allocator_type(library::allocator_of(handler)));
        std::apply(std::move(handler), std::move(result));
    }

    void destroy(allocator_type allocator) noexcept {
        this->~waiting_operation();
        std::allocator_traits<allocator_type>::deallocate(allocator, this, 1);
    }

    operations_executor<Core, executor_type> executor_;
    std::shared_ptr<Core> core_;
    Work work_;
    Handler handler_;
    bool cannot_wait_ = false;
};

// What an initiating function does: the first step, and if that was all a posted completion.
template <class Core>
class start_operation {
    using library = typename Core::library;

public:
    using executor_type = typename Core::executor_type;

    // `core` is null for an empty stream; `former` is what it had before it was moved from, if it ever had one.
    start_operation(std::shared_ptr<Core> core, const std::shared_ptr<Core>& former) noexcept : core_(std::move(core)) {
        if (core_ == nullptr) former_ = former;
    }

    template <class Given, class Work>
    void operator()(Given&& given, Work work) {
        using handler_type = std::decay_t<Given>;
        handler_type handler(std::forward<Given>(given));
        if (core_ == nullptr) {
            work.stop_empty();
            if (former_ == nullptr)
                return post(library::executor_of(handler), static_cast<const decltype(library::executor_of(handler))*>(nullptr),
                            std::move(handler), work);
            const auto executor = library::executor_of(handler, former_->executor());
            return post(former_->executor(), &executor, std::move(handler), work);
        }
        const operations_executor executor(*core_, library::executor_of(handler, core_->executor()));
        work.begin(*core_);
        if (core_->is_dead()) {
            work.stop(*core_, Core::aborted());
        } else if (const std::error_code refusal = work.refusal(*core_)) {
            work.stop(*core_, refusal);
        } else if (!step_of(*core_, work)) {
            if (work.is_late()) {
                work.stop(*core_, std::make_error_code(std::errc::timed_out));
            } else {
                using operation = waiting_operation<Core, Work, handler_type>;
                return operation::start(std::move(core_), std::move(work), std::move(handler));
            }
        }
        work.leave(*core_, executor);
        post(core_->executor(), executor.other(), std::move(handler), work);
    }

private:
    template <class LayersExecutor, class Executor, class Handler, class Work>
    static void post(const LayersExecutor& layers, const Executor* other, Handler&& handler, const Work& work) {
        using completion = posted_completion<library, Handler, decltype(work.result())>;
        library::post(layers, other, completion(std::move(handler), work.result()));
    }

    std::shared_ptr<Core> core_;
    std::shared_ptr<Core> former_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
