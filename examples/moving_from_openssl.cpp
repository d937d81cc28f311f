// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What docs/moving-from-openssl.md moves to: a client over a socket that blocks, and over one that does not. What it moves from is
// tests/examples/before_openssl.cpp. `moving_from_openssl HOST PORT CA-FILE blocking|polling` asks the server and prints its answer.

#include <tls/tls.hpp>

#include <poll.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
using stream = tls::stream<tls::tcp_socket>;

std::string ask(stream& session, const std::string& question) {
    session.write(question);  // the handshake runs by itself
    std::string answer;
    for (std::array<char, 4096> some; const std::size_t n = session.read_some(some);) answer.append(some.data(), n);
    session.close();
    return answer;
}

// Repeats a call until it does not want to wait any more.
template <class Call>
auto repeat(stream& session, Call call) {
    for (;;) {
        std::error_code ec;
        const auto result = call(ec);
        if (!ec) return result;
        if (ec != std::errc::operation_would_block) throw tls::error(ec, "TLS", session.details());
        const bool sends = session.wants() == tls::want::output || session.pending_output() != 0;
        ::pollfd entry{session.next_layer().native_handle(), static_cast<short>(POLLIN | (sends ? POLLOUT : 0)), 0};
        if (::poll(&entry, 1, 10'000) <= 0) throw std::runtime_error("it takes too long");
    }
}

std::string ask_polling(stream& session, std::string_view question) {
    while (!question.empty()) {
        repeat(session, [&](std::error_code& ec) {
            question.remove_prefix(session.write_some(question, ec));
            return question.size();
        });
    }
    std::string answer;
    for (std::array<char, 4096> some;;) {
        const std::size_t n = repeat(session, [&](std::error_code& ec) { return session.read_some(some, ec); });
        if (n == 0) break;
        answer.append(some.data(), n);
    }
    repeat(session, [&](std::error_code& ec) { return session.close({.timeout = 5s}, ec); });
    return answer;
}

// All that an error has to say.
void report(const tls::error& failed) {
    std::cerr << failed.what() << '\n';  // what was being done, and the code's message
    std::cerr << "category " << failed.code().category().name() << ", value " << failed.code().value() << '\n';
    std::cerr << failed.details() << '\n';  // BoringSSL's own account, or which certificate was refused
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 5) return 2;
    const std::string host = argv[1];
    const auto port = static_cast<std::uint16_t>(std::stoi(argv[2]));
    try {
        const tls::client_context context({.trust = tls::trust_store::from_file(argv[3])});
        tls::tcp_socket socket = tls::tcp_socket::connect(host, port);
        const bool polls = std::string_view(argv[4]) == "polling";
        socket.non_blocking(polls);
        stream session(std::move(socket), context, host);
        std::cout << (polls ? ask_polling(session, "Are you there?\n") : ask(session, "Are you there?\n"));
    } catch (const tls::error& failed) {
        report(failed);
        return 1;
    }
}
