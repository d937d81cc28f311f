// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// SIGINT and SIGTERM as something that a thread waits for, instead of something that interrupts it.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_STOP_SIGNAL_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_STOP_SIGNAL_HPP

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace demo {

// Held back from this thread and from those that it starts, until wait().
class stop_signal {
public:
    stop_signal() {
        ::sigemptyset(&signals_);
        ::sigaddset(&signals_, SIGINT);
        ::sigaddset(&signals_, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    }

    void wait() const {
        int number = 0;
        ::sigwait(&signals_, &number);
    }

private:
    ::sigset_t signals_{};
};

// Something that any number of threads can poll(2) for beside a socket.
class stop_flag {
public:
    stop_flag() {
        if (::pipe(ends_.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    }
    stop_flag(const stop_flag&) = delete;
    stop_flag& operator=(const stop_flag&) = delete;
    ~stop_flag() {
        raise();
        ::close(ends_[0]);
    }

    // The end of a pipe without a writer is readable for ever, and for everybody.
    void raise() noexcept {
        if (ends_[1] >= 0) ::close(ends_[1]);
        ends_[1] = -1;
    }

    // Waits until `descriptor` is readable or the flag is raised. True: it is raised.
    [[nodiscard]] bool wait(int descriptor) const {
        std::array<::pollfd, 2> either{{{ends_[0], POLLIN, 0}, {descriptor, POLLIN, 0}}};
        while (::poll(either.data(), either.size(), -1) < 0) {
            if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
        }
        return either[0].revents != 0;
    }

private:
    std::array<int, 2> ends_{-1, -1};
};

}  // namespace demo

#endif
