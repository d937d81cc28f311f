// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The pieces of docs/how-to/plain-text.md: TLS that begins in the middle of a connection, TLS through an HTTP proxy, and plain text
// after TLS. Client, server and proxy are threads, on loopback.

#include <tls/tls.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/identity.hpp"

namespace {

using namespace std::chrono_literals;
using stream = tls::stream<tls::tcp_socket>;

void set_limit(tls::tcp_socket& socket, std::chrono::seconds limit) {
    const auto when = std::chrono::steady_clock::now() + limit;
    socket.read_expires_at(when);
    socket.write_expires_at(when);
}

void write_all(tls::tcp_socket& socket, std::string_view text) {
    while (!text.empty()) text.remove_prefix(socket.write_some(text));
}

// A byte at a time: what follows the line is not ours to read, and stays in the socket.
std::string read_line(tls::tcp_socket& socket) {
    std::string line;
    for (char c = 0; c != '\n'; line += c) {
        if (line.size() == 1000) throw std::runtime_error("a line without an end");
        if (socket.read_some(std::span(&c, 1)) == 0) throw std::runtime_error("the peer ended in the middle of a line");
    }
    return line;
}

// --- Plain text, then TLS ---

stream start_tls(tls::tcp_socket socket, const tls::client_context& context, const std::string& name) {
    set_limit(socket, 10s);
    write_all(socket, "STARTTLS\n");
    if (read_line(socket) != "OK\n") throw std::runtime_error("the server does not want TLS");  // never go on without it
    stream session(std::move(socket), context, name);
    session.expires_after(10s);
    session.handshake();
    return session;
}

stream accept_start_tls(tls::tcp_socket socket, const tls::server_context& context) {
    set_limit(socket, 10s);
    if (read_line(socket) != "STARTTLS\n") throw std::runtime_error("the client does not want TLS");
    write_all(socket, "OK\n");
    stream session(std::move(socket), context);
    session.expires_after(10s);
    session.handshake();
    return session;
}

// --- Through a proxy ---

// To the host through the proxy that `socket` is connected to. The proxy sees the name, and else only what is encrypted.
stream connect_through(tls::tcp_socket socket, const std::string& host, std::uint16_t port,
                       const tls::client_context& context) {
    set_limit(socket, 10s);
    const std::string target = host + ":" + std::to_string(port);
    write_all(socket, "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n");
    const std::string status = read_line(socket);
    if (!status.starts_with("HTTP/1.1 200 ")) throw std::runtime_error("the proxy says: " + status);
    while (read_line(socket) != "\r\n") {
    }
    stream session(std::move(socket), context, host, {.port = port});
    session.expires_after(10s);
    session.handshake();
    return session;
}

// --- TLS, then plain text ---

struct plain_again {
    tls::tcp_socket socket;
    std::string received;  // what had come in already
};

plain_again end_tls(stream session) {
    session.expires_after(10s);
    session.shutdown(tls::shutdown_mode::both, {.keep_transport_open = true});
    auto [socket, surplus] = std::move(session).release();  // errc::not_closed unless both sides have said close_notify
    std::string received(surplus.size(), '\0');
    for (std::size_t i = 0; i < surplus.size(); ++i) received[i] = static_cast<char>(surplus[i]);
    return {std::move(socket), std::move(received)};
}

// --- All of it ---

// Accepts one connection, and runs `use` on it in a thread of its own.
class one_client {
public:
    explicit one_client(std::function<void(tls::tcp_socket)> use)
        : done_(std::async(std::launch::async,
                           [this, use = std::move(use)] { use(listener_.accept(std::chrono::steady_clock::now() + 10s)); })) {}

    [[nodiscard]] tls::tcp_socket connect() const { return tls::tcp_socket::connect("127.0.0.1", listener_.port()); }
    [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
    void wait() { done_.get(); }

private:
    tls::tcp_listener listener_{"127.0.0.1", 0};
    std::future<void> done_;
};

// What comes from one goes to the other, its end included.
void relay(tls::tcp_socket& from, tls::tcp_socket& to) {
    std::string some(16384, '\0');
    while (const std::size_t n = from.read_some(some)) write_all(to, std::string_view(some).substr(0, n));
    to.shutdown(tls::shutdown_mode::write);
}

void proxy(tls::tcp_socket client, std::uint16_t port) {
    while (read_line(client) != "\r\n") {
    }
    tls::tcp_socket server = tls::tcp_socket::connect("127.0.0.1", port);
    write_all(client, "HTTP/1.1 200 Connection established\r\n\r\n");
    std::thread there([&] { relay(client, server); });
    relay(server, client);
    there.join();
}

void begin_and_end(const tls::server_context& server, const tls::client_context& client) {
    one_client there([&](tls::tcp_socket socket) {
        stream session = accept_start_tls(std::move(socket), server);
        session.write("a secret");
        plain_again plain = end_tls(std::move(session));
        if (plain.received.empty()) plain.received = read_line(plain.socket);
        write_all(plain.socket, "You said in the open: " + plain.received);
    });
    stream session = start_tls(there.connect(), client, "localhost");
    std::string secret(8, '\0');
    session.read(secret);
    std::cout << "after STARTTLS: " << secret << '\n';
    plain_again plain = end_tls(std::move(session));
    write_all(plain.socket, "that was it\n");
    std::cout << "after TLS: " << plain.received << read_line(plain.socket);
    there.wait();
}

void tunnel(const tls::server_context& server, const tls::client_context& client) {
    one_client there([&](tls::tcp_socket socket) {
        stream session(std::move(socket), server);
        session.expires_after(10s);
        session.write("nobody on the way has read this");
        session.close();
    });
    one_client between([&](tls::tcp_socket socket) { proxy(std::move(socket), there.port()); });
    stream session = connect_through(between.connect(), "localhost", there.port(), client);
    std::string said(100, '\0');
    said.resize(session.read(said));
    const bool clean = session.close().clean();
    std::cout << "through a proxy: " << said << (clean ? ", closed clean\n" : ", not closed clean\n");
    between.wait();
    there.wait();
}

}  // namespace

int main() {
    try {
        const demo::identity made = demo::make_identity();
        const tls::server_context server({.identity = made.credential()});
        const tls::client_context client({.trust = tls::trust_store::from_pem(made.authority_pem)});
        begin_and_end(server, client);
        tunnel(server, client);
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "howto_plain_text: " << failed.what() << '\n';
        return 1;
    }
}
