// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The pieces of docs/threads.md: a stream whose halves are used by two threads, and one that has said all it had to say. For an echo
// server. `full_duplex HOST PORT [CA-FILE]`

#include <tls/tls.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <future>
#include <iostream>
#include <string>
#include <utility>

#include "support/number.hpp"

namespace {

using namespace std::chrono_literals;
using stream = tls::stream<tls::tcp_socket>;
using reader = tls::reader<tls::tcp_socket>;
using writer = tls::writer<tls::tcp_socket>;

// --- Two halves, two threads ---

// In a thread of its own: it has the writer to itself, and gives it back.
writer send(writer half, const std::string& message) {
    half.expires_after(30s);
    half.write(message);
    half.shutdown(tls::shutdown_mode::write);  // "That was all." What the peer still says is for the reader.
    return half;
}

// Up to the peer's own end, which is clean, or an exception.
std::string receive(reader& half) {
    half.expires_after(30s);
    std::string received;
    std::string some(16384, '\0');
    while (const std::size_t n = half.read_some(some)) received.append(some, 0, n);
    return received;
}

// Neither direction waits for the other. In the end there is a stream again.
std::string exchange(stream& session, const std::string& message) {
    auto [receiving, sending] = tls::split(std::move(session));
    std::future<writer> sent = std::async(std::launch::async, send, std::move(sending), message);
    try {
        std::string received = receive(receiving);
        session = tls::join(std::move(receiving), sent.get());
        return received;
    } catch (...) {
        receiving.abort();  // whatever the writer waits for ends, too
        throw;
    }
}

// --- A stream that has said all ---

std::string ask(stream session, const std::string& question) {
    session.expires_after(30s);
    session.write(question);
    auto rest = std::move(session).finish();  // close_notify and FIN; rest.write(...) does not compile
    std::string answer = receive(rest);
    rest.close();
    return answer;
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 3 && argc != 4) {
        std::cerr << "usage: full_duplex HOST PORT [CA-FILE]\n";
        return 2;
    }
    try {
        const std::string host = argv[1];
        const auto port = demo::number<std::uint16_t>(argv[2], "a port");
        tls::client_options options;
        if (argc == 4) options.trust = tls::trust_store::from_file(argv[3]);
        const tls::client_context context(options);
        const auto limit = [] { return std::chrono::steady_clock::now() + 10s; };

        const std::string message(std::size_t{4} << 20, 'x');
        stream session = tls::connect(host, port, context, limit());
        const std::string echo = exchange(session, message);
        const tls::shutdown_result closed = session.close();
        std::cout << echo.size() << " bytes came back while others were sent, "
                  << (echo == message ? "the same" : "but not the same") << "; closed "
                  << (closed.clean() ? "clean" : "not clean") << '\n';

        const std::string answer = ask(tls::connect(host, port, context, limit()), "Is that all?");
        std::cout << "the answer to all that was said: " << answer << '\n';
        return echo == message && closed.clean() ? 0 : 1;
    } catch (const std::exception& failed) {
        std::cerr << "full_duplex: " << failed.what() << '\n';
        return 1;
    }
}
