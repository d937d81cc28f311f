// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A socket for two threads: one may be in its reading calls while another is in its writing calls, and all that they share is looked at
// by one of them at a time. It knows nothing of TLS.
//
// One mutex guards everything but the socket. Who calls the socket lets go of the mutex meanwhile, and holds the right to that
// direction instead: a flag under the mutex, so that nothing can happen between the last look and giving the right up. Whatever happens
// is a change, and who waits for something waits for the next change and looks again.

#ifndef TLS_STREAM_TLS_DETAIL_SHARED_SOCKET_HPP
#define TLS_STREAM_TLS_DETAIL_SHARED_SOCKET_HPP

#include <tls/detail/error_queue.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// How a call of a shared socket's ended.
//
// moved    It moved `bytes`. None: it was interrupted, or there was a change to look at first.
// ended    The end of the stream; reading only.
// blocked  It cannot go on: `error` is std::errc::timed_out or operation_would_block. `bytes` were moved all the same.
// failed   `error` says why, and no further call is of use in this direction.
// gone     The socket was let go of meanwhile.
enum class call_end : unsigned char { moved, ended, blocked, failed, gone };
struct call_outcome {
    call_end end = call_end::moved;
    std::size_t bytes = 0;
    std::error_code error{};
};

// Lives at one address. Socket may be a reference.
template <class Socket>
class shared_socket {
public:
    using socket_type = std::remove_reference_t<Socket>;
    using time_point = std::chrono::steady_clock::time_point;
    using lock = std::unique_lock<std::mutex>;

    // The deadlines are those that the socket has.
    shared_socket(Socket& under, time_point read, time_point write) noexcept
        : socket(std::forward<Socket>(under)), reading_{.deadline = read}, writing_{.deadline = write} {}
    shared_socket(const shared_socket&) = delete;
    shared_socket& operator=(const shared_socket&) = delete;

    Socket socket;

    [[nodiscard]] lock enter() { return lock(mutex_); }

    // --- with the lock held ---

    // Somebody is in the socket, for reading or for writing.
    [[nodiscard]] bool receiving() const noexcept { return reading_.taken; }
    [[nodiscard]] bool sending() const noexcept { return writing_.taken; }
    [[nodiscard]] bool is_busy() const noexcept { return inside_ != 0; }
    // Nobody calls the socket any more.
    [[nodiscard]] bool is_gone() const noexcept { return gone_; }

    // Something has happened that somebody may wait for.
    void changed() noexcept {
        ++changes_;
        happened_.notify_all();
    }

    // Waits for the next change, at most until that time; false: it has passed.
    bool wait(lock& held, time_point until) {
        const auto seen = changes_;
        const auto happened = [&] { return changes_ != seen; };
        if (until == never) return happened_.wait(held, happened), true;
        return now(socket) < until && happened_.wait_until(held, until, happened);
    }

    // When nobody is in the socket, and it is to be used without this.
    void set_deadlines(time_point read, time_point write) {
        if constexpr (deadline_socket<socket_type>) {
            if (read != reading_.deadline) socket.read_expires_at(read);
            reading_.deadline = read;
            if (write != writing_.deadline) socket.write_expires_at(write);
            writing_.deadline = write;
        }
    }

    // One call for reading; nobody else may be receiving(). A deadline that has passed still lets it do what needs no waiting.
    call_outcome receive(lock& held, std::span<std::byte> into, time_point deadline) {
        call_outcome done;
        {
            const right mine(reading_);
            const outside_lock without(held, *this);
            if constexpr (deadline_socket<socket_type>) {
                if (deadline != reading_.deadline) socket.read_expires_at(deadline);
            }
            if (may_call(reading_, deadline, done)) done.bytes = socket.read_some(into, done.error);
        }
        if (gone_) return gone(done);
        if (done.bytes > into.size()) return {call_end::failed, 0, errc::socket_misbehaved};
        if (done.bytes != 0) return {call_end::moved, done.bytes};
        if (!done.error) done.end = call_end::ended;
        return judged(done, deadline);
    }

    // One call for writing; nobody else may be sending().
    call_outcome send(lock& held, std::span<const std::byte> from, time_point deadline) {
        call_outcome done;
        {
            const right mine(writing_);
            const outside_lock without(held, *this);
            if constexpr (deadline_socket<socket_type>) {
                if (deadline != writing_.deadline) socket.write_expires_at(deadline);
            }
            if (may_call(writing_, deadline, done)) done.bytes = socket.write_some(from, done.error);
        }
        if (gone_) return gone(done);
        if (done.bytes > from.size() || (done.bytes == 0 && !done.error)) {
            return {call_end::failed, 0, errc::socket_misbehaved};
        }
        return judged(done, deadline);
    }

    // Any other call, with one right or with both; nobody else may have them.
    template <class Call>
    void call_sending(lock& held, Call&& call) {
        const right mine(writing_);
        const outside_lock without(held, *this);
        call();
    }
    template <class Call>
    void call_with_both(lock& held, Call&& call) {
        const right first(reading_);
        const right second(writing_);
        const outside_lock without(held, *this);
        call();
    }

    // Ends directions of the transport beside whoever is in the socket, so that he comes out. What the socket says to that is of no
    // interest.
    void interrupt(lock& held, shutdown_mode mode) noexcept {
        std::optional<outside_lock> without;
        if (held) without.emplace(held, *this);  // else it is a callback's, and the call that it is in has the lock
        try {
            std::error_code ignored;
            socket.shutdown(mode, ignored);
        } catch (...) {
            return;  // he stays where he is
        }
    }

    // From here on nobody begins a call.
    void leave() noexcept {
        gone_ = true;
        changed();
    }
    // Waits until nobody is in the socket any more.
    void wait_for_all(lock& held) {
        while (inside_ != 0) wait(held, never);
    }

    // Lets go of the connection at once. If somebody is in the socket he is called out, and the last one closes it.
    void abort(lock& held) noexcept {
        if (std::exchange(abandoned_, true)) return;
        leave();
        if (inside_ != 0) return interrupt(held, shutdown_mode::both);
        let_go();
    }

private:
    struct direction {
        time_point deadline;  // as the socket has it
        bool late = false;    // one that has no deadlines was called once after this one
        bool taken = false;
    };

    // The right to a direction, as long as this lives; made and ended with the lock held, around an outside_lock.
    class right {
    public:
        explicit right(direction& which) noexcept : which_(which) { which_.taken = true; }
        right(const right&) = delete;
        right& operator=(const right&) = delete;
        ~right() { which_.taken = false; }

    private:
        direction& which_;
    };

    // In the socket, without the lock. A socket may use BoringSSL itself, and what it leaves on the error queue is not ours.
    class outside_lock {
    public:
        outside_lock(lock& held, shared_socket& from) noexcept : held_(held), from_(from) {
            ++from_.inside_;
            held_.unlock();
        }
        outside_lock(const outside_lock&) = delete;
        outside_lock& operator=(const outside_lock&) = delete;
        ~outside_lock() {
            clear_error_queue();
            held_.lock();
            if (--from_.inside_ == 0 && from_.abandoned_) from_.let_go();
            from_.changed();  // seen by others once the lock is let go of
        }

    private:
        lock& held_;
        shared_socket& from_;
    };

    // Is a call allowed at this time? Without deadlines a socket may wait without end, so once the time is over it is called once.
    bool may_call(direction& which, time_point deadline, call_outcome& done) {
        if (deadline != std::exchange(which.deadline, deadline)) which.late = false;
        if constexpr (deadline_socket<socket_type>) {
            return true;
        } else {
            if (deadline == never || now(socket) < deadline || !std::exchange(which.late, true)) return true;
            done.error = std::make_error_code(std::errc::timed_out);
            done.end = call_end::blocked;
            return false;
        }
    }

    [[nodiscard]] static call_outcome gone(const call_outcome& done) noexcept {
        return {call_end::gone, done.bytes, std::make_error_code(std::errc::operation_canceled)};
    }

    // What an error of the socket's means, if there is one.
    call_outcome judged(call_outcome done, time_point deadline) {
        if (!done.error || done.end == call_end::blocked) return done;
        const auto expired = std::make_error_code(std::errc::timed_out);
        if (done.error == std::errc::interrupted) {
            if (deadline == never || now(socket) < deadline) return {call_end::moved, done.bytes};
            return {call_end::blocked, done.bytes, expired};
        }
        const bool is_late = deadline_socket<socket_type> && done.error.category() == expired.category() &&
                             done.error.value() == expired.value();
        const bool passes = is_late || done.error == std::errc::operation_would_block ||
                            done.error == std::errc::resource_unavailable_try_again;
        done.end = passes ? call_end::blocked : call_end::failed;
        return done;
    }

    void let_go() noexcept {
        if (!std::exchange(let_go_, true)) abandon(socket);
    }

    std::mutex mutex_;
    std::condition_variable happened_;
    std::uint64_t changes_ = 0;
    direction reading_;
    direction writing_;
    unsigned inside_ = 0;  // how many are in the socket
    bool gone_ = false;
    bool abandoned_ = false;
    bool let_go_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
