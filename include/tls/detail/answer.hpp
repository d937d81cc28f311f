// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Questions that a handshake asks of its user, which may be answered at once or later and from any thread: is this certificate
// good, what is the signature of that, which identity is it to be.

#ifndef TLS_STREAM_TLS_DETAIL_ANSWER_HPP
#define TLS_STREAM_TLS_DETAIL_ANSWER_HPP

#include <tls/socket.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// What a face knows of a question: whether it has been answered.
class pending_answer {
public:
    pending_answer(const pending_answer&) = delete;
    pending_answer& operator=(const pending_answer&) = delete;

    [[nodiscard]] bool is_answered() const {
        const std::lock_guard held(mutex_);
        return answered_;
    }

    // False: it was not answered by then.
    [[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point when) const {
        std::unique_lock held(mutex_);
        const auto is_there = [this] { return answered_; };
        if (when == never) return changed_.wait(held, is_there), true;
        return changed_.wait_until(held, when, is_there);
    }

    // `told` is called once, by whoever answers or, if that has happened, at once. An empty one takes the last one back: once
    // this returns it is not being called.
    void on_answer(std::function<void()> told) {
        std::unique_lock held(mutex_);
        changed_.wait(held, [this] { return !telling_; });
        told_ = std::move(told);
        if (answered_) tell(held);
    }

protected:
    pending_answer() = default;
    ~pending_answer() = default;

    // The first answer counts.
    template <class Set>
    void settle(Set&& set) {
        std::unique_lock held(mutex_);
        if (answered_) return;
        std::forward<Set>(set)();
        answered_ = true;
        changed_.notify_all();
        tell(held);
    }

private:
    // Without the lock: whoever is told has locks of its own.
    void tell(std::unique_lock<std::mutex>& held) {
        const auto told = std::exchange(told_, nullptr);
        if (!told) return;
        telling_ = true;
        held.unlock();
        try {
            told();
        } catch (...) {
            held.lock();
            telling_ = false;
            changed_.notify_all();
            throw;
        }
        held.lock();
        telling_ = false;
        changed_.notify_all();
    }

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::function<void()> told_;
    bool answered_ = false;
    bool telling_ = false;
};

template <class Answer>
class question final : public pending_answer {
public:
    void answer(Answer given) {
        settle([&] { answer_ = std::move(given); });
    }
    // Only once it has been answered.
    [[nodiscard]] const Answer& answer() const noexcept {
        return *answer_;  // NOLINT(bugprone-unchecked-optional-access): that is the precondition
    }

private:
    std::optional<Answer> answer_;
};

// The right to answer, which the copies of a handle share. When the last one goes without an answer, that is one too:
// `unanswered`.
template <class Answer>
class answering {
public:
    answering(std::shared_ptr<question<Answer>> asked, Answer unanswered)
        : asked_(std::move(asked)), unanswered_(std::move(unanswered)) {}
    answering(const answering&) = delete;
    answering& operator=(const answering&) = delete;
    ~answering() {
        try {
            asked_->answer(std::move(unanswered_));
        } catch (...) {
            return;  // nobody is there who could be told: whoever waits has its
                     // deadline
        }
    }

    void answer(Answer given) const { asked_->answer(std::move(given)); }

private:
    std::shared_ptr<question<Answer>> asked_;
    Answer unanswered_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
