// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chapter 5 of docs/tutorial: answers each line while the next ones come, to many clients at a time. `tutorial_5_server [PORT]`

#include <tls/tls.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
constexpr auto handshake_limit = 5s;
constexpr auto idle_limit = 60s;
constexpr auto write_limit = 10s;

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

std::string serve(tls::tcp_socket accepted, const tls::server_context& context) {
    tls::stream stream(std::move(accepted), context);
    stream.expires_after(handshake_limit);
    stream.write("Words, please.\n");
    counter count;
    std::string some(16384, '\0');
    for (;;) {
        stream.expires_after(idle_limit);
        const std::size_t n = stream.read_some(some);
        if (n == 0) break;
        stream.expires_after(write_limit);
        stream.write(count.add(std::string_view(some).substr(0, n)));
    }
    stream.expires_after(write_limit);
    stream.write(count.text() + '\n');
    stream.close();
    return count.text();
}

// A client and the thread that serves it.
struct connection {
    std::atomic<bool> done{false};
    std::jthread thread{};
};

void serve_all(tls::tcp_listener& listener, const tls::server_context& context) {
    std::list<connection> connections;
    for (int number = 1;; ++number) {
        tls::tcp_socket accepted = listener.accept();
        connections.remove_if([](const connection& one) { return one.done.load(); });
        connection& one = connections.emplace_back();
        one.thread = std::jthread([&one, &context, number, socket = std::move(accepted)]() mutable {
            try {
                say("client " + std::to_string(number) + ": " + serve(std::move(socket), context));
            } catch (const std::exception& failed) {
                say("client " + std::to_string(number) + ": " + failed.what());
            }
            one.done = true;
        });
    }
}

}  // namespace

int main(int argc, char* argv[]) {
    try {
        const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 4433);
        const tls::server_context context({.identity = tls::credential::from_files("server.pem", "server.key")});
        tls::tcp_listener listener("127.0.0.1", port);
        say("listening on port " + std::to_string(listener.port()));
        serve_all(listener, context);
    } catch (const std::exception& failed) {
        std::cout << "-- " << failed.what() << '\n';
        return 1;
    }
}
