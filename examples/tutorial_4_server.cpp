// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chapter 4 of docs/tutorial: the server of chapter 2, with a limit for every wait. `tutorial_4_server [PORT]`

#include <tls/tls.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
constexpr auto handshake_limit = 2s;
constexpr auto text_limit = 4s;
constexpr auto goodbye_limit = 1s;

// Counts as the bytes come, wherever they happen to be cut.
class counter {
public:
    void add(std::string_view some) {
        for (const char c : some) {
            const bool in_word = c != ' ' && c != '\n';
            if (in_word && !in_word_) ++words_;
            if (c == '\n') ++lines_;
            in_word_ = in_word;
        }
        bytes_ += some.size();
    }
    [[nodiscard]] std::string text() const {
        return std::to_string(lines_) + " lines, " + std::to_string(words_) + " words, " + std::to_string(bytes_) + " bytes";
    }

private:
    std::size_t lines_ = 0, words_ = 0, bytes_ = 0;
    bool in_word_ = false;
};

// Reads a text up to the client's end, and answers.
std::string serve(tls::tcp_socket accepted, const tls::server_context& context) {
    tls::stream stream(std::move(accepted), context);
    stream.expires_after(handshake_limit);
    stream.handshake();
    stream.write("Words, please.\n");

    stream.expires_after(text_limit);  // for all that is read from here on, together
    counter count;
    std::string some(16384, '\0');
    std::error_code ec;
    while (const std::size_t n = stream.read_some(some, ec)) count.add(std::string_view(some).substr(0, n));
    if (ec && ec != std::errc::timed_out) throw tls::error(ec, "TLS read");

    // When time has run out nothing is lost: the stream can still say so, and be closed.
    const std::string answer = (ec ? "too slow, after " : "") + count.text();
    stream.expires_after(goodbye_limit);
    stream.write(answer + "\n");
    stream.close();
    return answer;
}

}  // namespace

int main(int argc, char* argv[]) {
    try {
        const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 4433);
        const tls::server_context context({.identity = tls::credential::from_files("server.pem", "server.key")});
        tls::tcp_listener listener("127.0.0.1", port);
        std::cout << "listening on port " << listener.port() << std::endl;
        for (int number = 1;; ++number) {
            tls::tcp_socket accepted = listener.accept();
            std::string told;
            try {
                told = serve(std::move(accepted), context);
            } catch (const tls::error& failed) {
                told = failed.what();
            }
            std::cout << "client " << number << ": " << told << std::endl;
        }
    } catch (const std::exception& failed) {
        std::cout << "-- " << failed.what() << '\n';
        return 1;
    }
}
