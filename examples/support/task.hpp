// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A coroutine that another one waits for.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_TASK_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_TASK_HPP

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace demo {

template <class T>
struct promise_result {
    std::optional<T> value;
    void return_value(T given) { value.emplace(std::move(given)); }
    T take() { return std::move(*value); }
};
template <>
struct promise_result<void> {
    void return_void() noexcept {}
    void take() noexcept {}
};

// Begins when it is waited for, and then resumes who waits with its result or its exception. It owns its frame.
template <class T = void>
class [[nodiscard]] task {
public:
    struct promise_type : promise_result<T> {
        std::coroutine_handle<> waiting = std::noop_coroutine();
        std::exception_ptr failure;

        task get_return_object() { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct resume_waiting : std::suspend_always {
                std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
                    return ended.promise().waiting;
                }
            };
            return resume_waiting{};
        }
        void unhandled_exception() noexcept { failure = std::current_exception(); }
    };

    task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~task() {
        if (frame_) frame_.destroy();
    }

    [[nodiscard]] std::coroutine_handle<> handle() const noexcept { return frame_; }

    // For co_await.
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
        frame_.promise().waiting = waiting;
        return frame_;
    }
    T await_resume() {
        if (frame_.promise().failure) std::rethrow_exception(frame_.promise().failure);
        return frame_.promise().take();
    }

private:
    explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

    std::coroutine_handle<promise_type> frame_;
};

}  // namespace demo

#endif
