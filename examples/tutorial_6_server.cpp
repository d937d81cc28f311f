// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chapter 6 of docs/tutorial: the server of chapter 5, which SIGINT or SIGTERM stops without losing a byte. `tutorial_6_server [PORT]`

#include <tls/tls.hpp>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
constexpr auto handshake_limit = 5s;
constexpr auto idle_limit = 60s;
constexpr auto write_limit = 10s;
constexpr auto grace = 3s;          // for the clients that are there when the server is told to stop
constexpr auto goodbye_limit = 1s;  // for their last answers and their ends

// Counts as the bytes come, wherever they happen to be cut.
class counter {
public:
    // The answer: for each line that ends in `some`, how many words it has.
    std::string add(std::string_view some) {
        std::string answer;
        for (const char c : some) {
            const bool in_word = c != ' ' && c != '\n';
            if (in_word && !in_word_) ++in_line_;
            in_word_ = in_word;
            if (c != '\n') continue;
            answer += std::to_string(in_line_) + '\n';
            words_ += std::exchange(in_line_, 0);
            ++lines_;
        }
        bytes_ += some.size();
        return answer;
    }
    [[nodiscard]] std::string text() const {
        return std::to_string(lines_) + " lines, " + std::to_string(words_ + in_line_) + " words, " + std::to_string(bytes_) +
               " bytes";
    }

private:
    std::size_t lines_ = 0, words_ = 0, in_line_ = 0, bytes_ = 0;
    bool in_word_ = false;
};

// One line, whole, whichever thread says it.
void say(const std::string& text) { std::cout << text + "\n" << std::flush; }

class word_server {
public:
    explicit word_server(std::uint16_t port)
        : context_({.identity = tls::credential::from_files("server.pem", "server.key")}), listener_("127.0.0.1", port) {}

    [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

    // Serves whoever comes, until stop().
    void run() {
        for (int number = 1;; ++number) {
            std::error_code ec;
            tls::tcp_socket accepted = listener_.accept(ec);
            if (ec == std::errc::operation_canceled) return;
            try {
                if (ec) throw tls::error(ec, "cannot accept");
                start(number, std::move(accepted));
            } catch (const std::system_error& failed) {
                say(failed.what());  // out of descriptors or threads: some may soon be free
                std::this_thread::sleep_for(100ms);
            }
        }
    }

    // From another thread: nobody is accepted any more, and who is there has a while to finish.
    void stop() {
        stop_at_ = clock_type::now() + grace;
        listener_.interrupt();
    }

    // After run(): until all connections have been closed.
    void finish() { connections_.clear(); }

    [[nodiscard]] std::string summary() const {
        return std::to_string(finished_) + " finished, " + std::to_string(unfinished_) + " not";
    }

private:
    // A client and the thread that serves it.
    struct connection {
        std::atomic<bool> done{false};
        std::jthread thread{};
    };

    void start(int number, tls::tcp_socket accepted) {
        connections_.remove_if([](const connection& one) { return one.done.load(); });
        connection& one = connections_.emplace_back();
        one.thread = std::jthread([this, &one, number, socket = std::move(accepted)]() mutable {
            say("client " + std::to_string(number) + ": " + serve(std::move(socket)));
            one.done = true;
        });
    }

    // What became of the client.
    std::string serve(tls::tcp_socket accepted) {
        counter count;
        try {
            tls::stream stream(std::move(accepted), context_);
            stream.expires_after(handshake_limit);
            stream.write("Words, please.\n");

            std::string some(16384, '\0');
            std::error_code ec;
            while (const std::size_t n = read_some(stream, some, ec)) {
                stream.expires_after(write_limit);
                stream.write(count.add(std::string_view(some).substr(0, n)));
            }
            if (ec && ec != std::errc::timed_out) throw tls::error(ec, "TLS read");

            // The client's end, or the end of our patience: what has come has been answered, and the client learns how far that is.
            const std::string answer = (ec ? "not finished: " : "") + count.text();
            stream.expires_after(goodbye_limit);
            stream.write(answer + '\n');
            const tls::shutdown_result result = stream.close();
            ++(result.clean() && !ec ? finished_ : unfinished_);
            if (result.clean()) return answer;
            return answer + "; " + std::to_string(result.discarded) +
                   " bytes thrown away, the client's end: " + std::string(to_string(result.peer));
        } catch (const std::exception& failed) {
            ++unfinished_;
            return failed.what() + std::string(" after ") + count.text();
        }
    }

    // As the stream's, and looks up ten times a second whether the server is to stop. Reading that ran out of time can go on: nothing is
    // lost. std::errc::timed_out: the client was silent for too long, or it is time to stop.
    std::size_t read_some(tls::stream<tls::tcp_socket>& stream, std::span<char> some, std::error_code& ec) const {
        const auto silent_at = clock_type::now() + idle_limit;
        for (;;) {
            const auto now = clock_type::now();
            const auto limit = std::min(silent_at, stop_at_.load());
            if (now >= limit) return ec = std::make_error_code(std::errc::timed_out), 0;
            stream.expires_at(std::min(limit, now + 100ms));
            const std::size_t n = stream.read_some(some, ec);
            if (ec != std::errc::timed_out) return n;
        }
    }

    tls::server_context context_;
    tls::tcp_listener listener_;
    std::atomic<clock_type::time_point> stop_at_{tls::never};
    std::atomic<std::size_t> finished_{0}, unfinished_{0};
    std::list<connection> connections_;  // last: its threads are joined before the rest goes
};

}  // namespace

int main(int argc, char* argv[]) {
    try {
        // Held back from this thread and from all that it starts, so that sigwait() gets them.
        ::sigset_t signals;
        ::sigemptyset(&signals);
        ::sigaddset(&signals, SIGINT);
        ::sigaddset(&signals, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

        word_server server(static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 4433));
        say("listening on port " + std::to_string(server.port()));
        std::jthread accepting([&] { server.run(); });

        int number = 0;
        ::sigwait(&signals, &number);
        say("stopping");
        server.stop();
        accepting.join();
        server.finish();
        say("stopped: " + server.summary());
        return 0;
    } catch (const std::exception& failed) {
        std::cout << "-- " << failed.what() << '\n';
        return 1;
    }
}
