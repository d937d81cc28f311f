// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A thread between two sockets that passes on what comes, a few bytes at a time, and keeps a record of it: for sockets that cannot be
// wrapped, because the library reads and writes their descriptors.

#ifndef TLS_STREAM_TESTS_SUPPORT_WIRETAP_HPP
#define TLS_STREAM_TESTS_SUPPORT_WIRETAP_HPP

#include <support/taped_socket.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

namespace tests {

class wiretap {
public:
    // Takes over two connected descriptors, whose other ends the two sides have. It ends when both sides have ended.
    wiretap(int a, int b, std::size_t chunk) : lines_{line(a, b), line(b, a)}, chunk_(chunk) {
        for (const int end : {a, b}) {
            if (::fcntl(end, F_SETFL, O_NONBLOCK) != 0) throw std::runtime_error("wiretap: fcntl");
        }
        if (::pipe2(stop_, O_CLOEXEC) != 0) throw std::runtime_error("wiretap: pipe");
        thread_ = std::thread([this] { run(); });
    }
    ~wiretap() {
        stop();
        ::close(stop_[0]);
        ::close(stop_[1]);
        for (const auto& l : lines_) ::close(l.from);
    }
    wiretap(const wiretap&) = delete;
    wiretap& operator=(const wiretap&) = delete;

    // Passes on what is there, and no more.
    void stop() {
        if (!thread_.joinable()) return;
        if (::write(stop_[1], "", 1) != 1) std::abort();
        thread_.join();
    }

    // To be looked at after stop(): what came from the first descriptor, and from the second. Whether a side was reset counts as no FIN.
    [[nodiscard]] const tape& from_a() const noexcept { return lines_[0].passed; }
    [[nodiscard]] const tape& from_b() const noexcept { return lines_[1].passed; }
    [[nodiscard]] bool reset() const noexcept { return lines_[0].reset || lines_[1].reset; }

private:
    struct line {
        line(int source, int target) : from(source), to(target) {}

        int from;
        int to;
        tape passed{};
        std::vector<std::byte> waiting{};
        std::size_t done = 0;  // of what is waiting
        bool ended = false;    // nothing comes any more
        bool over = false;     // ... and the other side knows
        bool reset = false;

        [[nodiscard]] bool idle() const noexcept { return done == waiting.size(); }
    };

    void run() {
        for (;;) {
            std::array<::pollfd, 3> polled{{{stop_[0], POLLIN, 0}, {-1, 0, 0}, {-1, 0, 0}}};
            for (std::size_t i = 0; i < 2; ++i) {
                const auto& other = lines_[1 - i];
                short events = 0;
                if (lines_[i].idle() && !lines_[i].ended) events |= POLLIN;
                if (!other.idle()) events |= POLLOUT;
                if (events != 0) polled[i + 1] = {lines_[i].from, events, 0};
            }
            if (lines_[0].over && lines_[1].over) return;
            if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
            bool moved = false;
            for (auto& l : lines_) moved = step(l) || moved;
            if (polled[0].revents != 0 && !moved) return;
        }
    }

    bool step(line& l) {
        bool moved = false;
        if (l.idle() && !l.ended) moved = receive(l);
        while (!l.idle() && send(l)) moved = true;
        if (l.idle() && l.ended && !l.over) {
            l.over = true;
            ::shutdown(l.to, SHUT_WR);
            moved = true;
        }
        return moved;
    }

    bool receive(line& l) {
        l.waiting.resize(65536);
        l.done = 0;
        const auto n = ::recv(l.from, l.waiting.data(), l.waiting.size(), 0);
        const int error = errno;
        l.waiting.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        l.passed.sent.insert(l.passed.sent.end(), l.waiting.begin(), l.waiting.end());
        if (n > 0) return true;
        if (n < 0 && (error == EAGAIN || error == EINTR)) return false;
        l.ended = true;
        l.reset = n < 0;
        l.passed.fin = n == 0;
        l.passed.sent_before_fin = l.passed.sent.size();
        return true;
    }

    bool send(line& l) {
        const auto part = std::span(l.waiting).subspan(l.done);
        const auto n = ::send(l.to, part.data(), std::min(part.size(), chunk_), MSG_NOSIGNAL);
        if (n > 0) l.done += static_cast<std::size_t>(n);
        else if (errno != EAGAIN && errno != EINTR) l.done = l.waiting.size();  // nobody is there to take it
        return n > 0 || l.idle();
    }

    std::array<line, 2> lines_;
    std::size_t chunk_;
    int stop_[2]{};
    std::thread thread_;
};

}  // namespace tests

#endif
