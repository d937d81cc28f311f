// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What tests of real sockets need: connected pairs, threads that are known to wait, and storms of signals.

#ifndef TLS_STREAM_TESTS_SUPPORT_TCP_TOOLS_HPP
#define TLS_STREAM_TESTS_SUPPORT_TCP_TOOLS_HPP

#include <tls/tcp.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace tests {

using clock = std::chrono::steady_clock;

// Long enough never to be reached, so that a test that would hang fails.
inline clock::time_point patience() { return clock::now() + std::chrono::seconds(60); }
inline clock::time_point in(std::chrono::milliseconds span) { return clock::now() + span; }
inline clock::time_point past() { return clock::now() - std::chrono::seconds(1); }

inline const std::error_code timed_out = std::make_error_code(std::errc::timed_out);
inline const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);

inline std::pair<int, int> descriptor_pair(int type = SOCK_STREAM | SOCK_CLOEXEC) {
    int ends[2];
    if (::socketpair(AF_UNIX, type, 0, ends) != 0) throw std::system_error(errno, std::system_category());
    return {ends[0], ends[1]};
}

struct socket_pair {
    tls::tcp_socket a;
    tls::tcp_socket b;
};

inline socket_pair unix_pair() {
    const auto [a, b] = descriptor_pair();
    return {tls::tcp_socket(a), tls::tcp_socket(b)};
}

inline socket_pair tcp_pair() {
    tls::tcp_listener listener("127.0.0.1", 0);
    auto a = tls::tcp_socket::connect("127.0.0.1", listener.port(), patience());
    return {std::move(a), listener.accept(patience())};
}

// Writes until nothing more goes in at once.
inline void fill(tls::tcp_socket& socket) {
    const std::string block(65536, 'x');
    std::error_code ec;
    socket.write_expires_at(past());
    while (!ec) socket.write_some(block, ec);
    socket.write_expires_at(tls::never);
    if (ec != timed_out) throw std::system_error(ec);
}

// One read, as text.
inline std::string read_text(tls::tcp_socket& socket, std::size_t most = 4096) {
    std::string text(most, '\0');
    text.resize(socket.read_some(text));
    return text;
}

// A thread that runs one call which waits; the constructor returns when it does wait in the kernel.
class waiting_thread {
public:
    template <class Call>
    explicit waiting_thread(Call call)
        : thread_([this, call = std::move(call)] {
              id_.store(::gettid());
              call();
          }) {
        while (!asleep()) std::this_thread::yield();
    }
    ~waiting_thread() { join(); }

    void join() {
        if (thread_.joinable()) thread_.join();
    }

private:
    bool asleep() const {
        const auto id = id_.load();
        if (id == 0) return false;
        std::ifstream stat("/proc/self/task/" + std::to_string(id) + "/stat");
        const std::string text{std::istreambuf_iterator<char>(stat), {}};
        const auto end = text.rfind(')');
        return end == std::string::npos || text.substr(end + 2, 1) == "S";  // it has ended, or it sleeps
    }

    std::atomic<::pid_t> id_{0};
    std::thread thread_;
};

// SIGALRM every millisecond, for this thread, by a handler without SA_RESTART: system calls that wait fail with EINTR.
class signal_storm {
public:
    signal_storm() {
        count() = 0;
        struct ::sigaction action{};
        action.sa_handler = [](int) { ++count(); };
        ::sigaction(SIGALRM, &action, &action_before_);
        const ::itimerval every{{0, 1000}, {0, 1000}};
        ::setitimer(ITIMER_REAL, &every, nullptr);
    }
    ~signal_storm() {
        const ::itimerval off{};
        ::setitimer(ITIMER_REAL, &off, nullptr);
        ::sigaction(SIGALRM, &action_before_, nullptr);
    }
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;

    // Signals so far.
    static std::atomic<int>& count() {
        static std::atomic<int> signals{0};
        return signals;
    }

    // A thread that the signals leave alone, and that runs `call` after fifty of them.
    template <class Call>
    static std::thread afterwards(Call call) {
        const tls::detail::signals_blocked guard;
        return std::thread([call = std::move(call)] {
            while (count() < 50) std::this_thread::yield();
            call();
        });
    }

private:
    struct ::sigaction action_before_{};
};

}  // namespace tests

#endif
