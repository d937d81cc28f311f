// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Tasks that wait for descriptors, over epoll(7): each wait has a deadline, and one call ends them all.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_EVENT_LOOP_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_EVENT_LOOP_HPP

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "task.hpp"

namespace demo {

// A descriptor that nobody else closes.
class descriptor {
public:
    descriptor(int number, const char* what) : number_(number) {
        if (number < 0) throw std::system_error(errno, std::system_category(), what);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { ::close(number_); }

    [[nodiscard]] int get() const noexcept { return number_; }

private:
    int number_;
};

// Why a wait is over.
enum class wake : unsigned char { ready, late, stopped };

// Resumes the coroutines whose descriptor is ready or whose time is up, one after another in the thread that calls run().
class event_loop {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // A descriptor that the loop watches, for one coroutine at a time. epoll reports edges, and only once: they are remembered
    // until a call on the descriptor has failed with EAGAIN, and exhausted() says so. Closing the descriptor ends the watching.
    class source {
    public:
        source(event_loop& loop, int number) : loop_(loop) {
            ::epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = this}};
            if (::epoll_ctl(loop.epoll_.get(), EPOLL_CTL_ADD, number, &event) != 0) {
                throw std::system_error(errno, std::system_category(), "epoll_ctl");
            }
        }
        source(const source&) = delete;
        source& operator=(const source&) = delete;
        ~source() {
            if (waiting_) loop_.timers_.erase(timer_);
        }

        void exhausted(std::uint32_t events) noexcept { ready_ &= ~events; }
        // From now on a stop of the loop does not end the waiting.
        void ignore_stop() noexcept { heeds_stop_ = false; }

        // co_await source.wait(...): until one of the events, the deadline (time_point::max(): there is none), or a stop.
        auto wait(std::uint32_t events, time_point deadline) noexcept {
            struct awaitable {
                source& of;
                std::uint32_t events;
                time_point deadline;

                [[nodiscard]] bool await_ready() const noexcept { return false; }
                bool await_suspend(std::coroutine_handle<> who) { return of.suspend(who, events, deadline); }
                wake await_resume() const noexcept { return of.why_; }
            };
            return awaitable{*this, events, deadline};
        }

    private:
        friend class event_loop;

        // False: the wait is over already. A peer that sends a byte now and then does not stretch a deadline.
        bool suspend(std::coroutine_handle<> who, std::uint32_t events, time_point deadline) {
            const bool stopped = loop_.stopping_ && heeds_stop_;
            why_ = stopped ? wake::stopped : (ready_ & events) != 0 ? wake::ready : wake::late;
            if (why_ != wake::late || deadline <= std::chrono::steady_clock::now()) return false;
            wanted_ = events;
            timer_ = loop_.timers_.emplace(deadline, this);
            waiting_ = who;
            return true;
        }
        void happened(std::uint32_t events) {
            ready_ |= (events & (EPOLLERR | EPOLLHUP)) != 0 ? EPOLLIN | EPOLLOUT : events;
            if (waiting_ && (ready_ & wanted_) != 0) wake_up(wake::ready);
        }
        void wake_up(wake why) {
            why_ = why;
            loop_.timers_.erase(timer_);
            loop_.ready_.push_back(std::exchange(waiting_, nullptr));
        }

        event_loop& loop_;
        std::uint32_t ready_ = 0;
        std::uint32_t wanted_ = 0;
        bool heeds_stop_ = true;
        wake why_ = wake::ready;
        std::coroutine_handle<> waiting_;
        std::multimap<time_point, source*>::iterator timer_;
    };

    // Takes a task over, which begins at the loop's next turn. An exception that comes out of it comes out of run().
    void spawn(task<> work) {
        const auto place = tasks_.insert(tasks_.end(), std::move(work));
        *place = supervise(std::move(*place), place);
        ready_.push_back(place->handle());
    }

    // co_await loop.turn() lets everybody else come first who is ready.
    auto turn() {
        struct awaitable : std::suspend_always {
            event_loop& loop;
            explicit awaitable(event_loop& of) noexcept : loop(of) {}
            void await_suspend(std::coroutine_handle<> who) const { loop.ready_.push_back(who); }
        };
        return awaitable(*this);
    }

    // Until the last task has ended.
    void run() {
        for (;;) {
            for (const std::coroutine_handle<> one : std::exchange(ready_, {})) one.resume();
            ended_.clear();
            if (failure_) std::rethrow_exception(failure_);
            if (tasks_.empty()) return;
            collect_events();
            while (!timers_.empty() && timers_.begin()->first <= std::chrono::steady_clock::now())
                timers_.begin()->second->wake_up(wake::late);
        }
    }

    // Ends every wait that heeds it, now and from now on.
    void stop() {
        stopping_ = true;
        for (auto next = timers_.begin(); next != timers_.end();) {
            source& one = *(next++)->second;
            if (one.heeds_stop_) one.wake_up(wake::stopped);
        }
    }
    [[nodiscard]] bool stopping() const noexcept { return stopping_; }

private:
    task<> supervise(task<> work, std::list<task<>>::iterator place) {
        try {
            co_await work;
        } catch (...) {
            failure_ = std::current_exception();
        }
        ended_.splice(ended_.end(), tasks_, place);
    }

    // Resumes nobody, so that nobody can end while there is still an event for them.
    void collect_events() {
        int timeout = ready_.empty() ? -1 : 0;
        if (timeout < 0 && !timers_.empty() && timers_.begin()->first != time_point::max()) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - std::chrono::steady_clock::now()).count();
            timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
        }
        std::array<::epoll_event, 256> events;
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
        if (count < 0 && errno != EINTR) throw std::system_error(errno, std::system_category(), "epoll_wait");
        for (const ::epoll_event& one : std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
            static_cast<source*>(one.data.ptr)->happened(one.events);
        }
    }

    descriptor epoll_{::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"};
    std::multimap<time_point, source*> timers_;  // all that wait: nobody does without saying how long
    std::vector<std::coroutine_handle<>> ready_;
    std::exception_ptr failure_;
    bool stopping_ = false;
    std::list<task<>> ended_;
    std::list<task<>> tasks_;  // last, so that what is suspended goes before what it refers to
};

}  // namespace demo

#endif
