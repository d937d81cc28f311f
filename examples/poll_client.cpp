// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A whole session on a socket that does not block, over poll(2): handshake, sending and receiving at the same time, closing. For an
// echo server. `poll_client HOST PORT [CA-FILE]`

#include <tls/tls.hpp>

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "support/number.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using stream = tls::stream<tls::tcp_socket>;

// Waits for `events` on the stream's socket, until the deadline. False: it has passed.
bool wait_for(const stream& session, int events, clock_type::time_point deadline) {
    ::pollfd entry{session.next_layer().native_handle(), static_cast<short>(events), 0};
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock_type::now()).count();
        const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
        if (clock_type::now() >= deadline) return false;
    }
}

// What a call that would block has to wait for.
int wanted(const stream& session) { return session.wants() == tls::want::output ? POLLOUT : POLLIN; }

// operation_would_block is no failure here; everything else is.
bool would_block(std::error_code ec, const char* what) {
    if (ec && ec != std::errc::operation_would_block) throw tls::error(ec, what);
    return static_cast<bool>(ec);
}

void handshake(stream& session, clock_type::time_point deadline) {
    std::error_code ec;
    while (session.handshake(ec), would_block(ec, "handshake")) {
        if (!wait_for(session, wanted(session), deadline)) throw std::runtime_error("the handshake takes too long");
    }
}

// Sends the message while what comes back is received: neither end waits for the other to take something first.
std::string exchange(stream& session, const std::string& message, clock_type::time_point deadline) {
    std::string received;
    std::string some(16384, '\0');
    for (std::size_t sent = 0; received.size() < message.size();) {
        std::error_code ec;
        if (sent < message.size()) {
            sent += session.write_some(std::span(message).subspan(sent), ec);
            would_block(ec, "write");
        }
        const std::size_t n = session.read_some(some, ec);
        if (would_block(ec, "read")) {
            // What was accepted for sending may still be here, too; every call sends as much of it as the socket takes.
            const bool has_output = sent < message.size() || session.pending_output() != 0;
            if (!wait_for(session, has_output ? POLLIN | POLLOUT : POLLIN, deadline))
                throw std::runtime_error("no answer in time");
        } else if (n == 0) {
            throw std::runtime_error("the server ended before everything had come back");
        } else {
            received.append(some, 0, n);
        }
    }
    return received;
}

// Says that this end is done, and waits for the other to say the same. The limit is the options' own: when it has passed, the call
// comes to its end by itself.
tls::shutdown_result close(stream& session) {
    const tls::shutdown_options limits{.timeout = 5s};
    const auto deadline = clock_type::now() + limits.timeout;
    std::error_code ec;
    tls::shutdown_result result;
    while (result = session.close(limits, ec), would_block(ec, "close")) {
        // Input always: a peer that is stuck in sending takes nothing until it is read.
        wait_for(session, wanted(session) | POLLIN, deadline);
    }
    return result;
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 3 && argc != 4) {
        std::cerr << "usage: poll_client HOST PORT [CA-FILE]\n";
        return 2;
    }
    try {
        const std::string host = argv[1];
        const auto port = demo::number<std::uint16_t>(argv[2], "a port");
        tls::client_options options;
        if (argc == 4) options.trust = tls::trust_store::from_file(argv[3]);
        const tls::client_context context(options);
        const auto deadline = clock_type::now() + 10s;

        // Looking the name up and connecting wait, until the deadline; from then on nothing does but poll.
        tls::tcp_socket socket = tls::tcp_socket::connect(host, port, deadline);
        socket.non_blocking(true);
        stream session(std::move(socket), context, host);
        handshake(session, deadline);

        const std::string message(std::size_t{4} << 20, 'x');
        const std::string echo = exchange(session, message, deadline);
        const tls::shutdown_result closed = close(session);

        std::cout << echo.size() << " bytes came back, " << (echo == message ? "the same" : "but not the same") << "; closed "
                  << (closed.clean() ? "clean" : "not clean") << '\n';
        return echo == message && closed.clean() ? 0 : 1;
    } catch (const std::exception& failed) {
        std::cerr << "poll_client: " << failed.what() << '\n';
        return 1;
    }
}
