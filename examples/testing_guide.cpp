// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The pieces of docs/how-to/testing.md: code that talks over TLS, and its tests over sockets in memory. Any test framework will do; here
// `check` prints what holds, and throws if something does not.

#include <tls/testing.hpp>
#include <tls/tls.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "support/identity.hpp"

namespace {

using namespace std::chrono_literals;
using namespace tls::testing;

void check(bool holds, std::string_view what) {
    if (!holds) throw std::runtime_error("does not hold: " + std::string(what));
    std::cout << what << '\n';
}

// --- The code under test ---

// Asks for a document, and gives it back if all of it came. In the program `Socket` is tls::tcp_socket.
template <class Socket>
std::string fetch(tls::stream<Socket>& stream, std::string_view name) {
    stream.expires_after(30s);
    stream.write(std::string(name) + '\n');
    std::string document;
    std::string some(4096, '\0');
    while (const std::size_t n = stream.read_some(some)) document.append(some, 0, n);
    stream.close();
    return document;
}

// The same for an event loop: called again whenever the socket is ready, until it says true. Throws when it has failed.
class fetching {
public:
    explicit fetching(std::string_view name) : question_(std::string(name) + '\n') {}

    template <class Socket>
    bool go_on(tls::stream<Socket>& stream) {
        std::error_code ec;
        while (!question_.empty() && !ec) question_.erase(0, stream.write_some(question_, ec));
        while (!ec && !ended_) {
            const std::size_t n = stream.read_some(some_, ec);
            document_.append(some_, 0, n);
            ended_ = n == 0 && !ec;
        }
        if (ended_) stream.close(ec);
        if (ec && ec != std::errc::operation_would_block) throw tls::error(ec, "fetch");
        return ended_ && !ec;
    }
    [[nodiscard]] const std::string& document() const { return document_; }

private:
    std::string question_, document_;
    std::string some_ = std::string(4096, '\0');
    bool ended_ = false;
};

// --- The other side ---

// A server, played by the test. It never waits: it goes as far as it comes.
class document_server {
public:
    document_server(memory_end end, const tls::server_context& context) : stream_(end.non_blocking_socket(), context) {}

    void work() {
        std::error_code ec;
        std::string some(100, '\0');
        while (!question_.ends_with('\n')) {
            const std::size_t n = stream_.read_some(some, ec);
            if (n == 0) return;  // there is no more now, or ever
            question_.append(some, 0, n);
        }
        if (std::exchange(answered_, true)) return;
        stream_.write("This is " + question_);
        stream_.shutdown(tls::shutdown_mode::write);
    }

private:
    tls::stream<memory_socket> stream_;
    std::string question_;
    bool answered_ = false;
};

// --- A connection between them ---

struct connection {
    explicit connection(const demo::identity& identity)
        : client(net.a().socket(), tls::client_context({.trust = tls::trust_store::from_pem(identity.authority_pem)}),
                 "localhost"),
          server(net.b(), tls::server_context({.identity = identity.credential()})) {
        net.a().pump([this] { server.work(); });  // what happens while the client waits
    }

    memory_network net;
    tls::stream<memory_socket> client;
    document_server server;
};

// --- Tests ---

void test_as_it_should_be(const demo::identity& identity) {
    connection c(identity);
    check(fetch(c.client, "a.txt") == "This is a.txt\n", "the document comes");
    check(c.net.a().wire_text() == "handshake, ccs, data*2, alert, FIN, close", "close_notify, FIN and close, in this order");
}

void test_one_byte_at_a_time(const demo::identity& identity) {
    connection c(identity);
    c.net.a().script(chunked(1));
    c.net.b().script(chunked(1));
    check(fetch(c.client, "a.txt") == "This is a.txt\n", "the document comes byte by byte");
}

// What an attacker can do who cannot break TLS: cut the connection where he likes. True if the code under test has noticed.
bool notices_the_cut(const demo::identity& identity, std::size_t at) {
    connection c(identity);
    c.client.handshake();
    c.net.a().script({.input_ends_at = c.net.a().bytes_received() + at});
    try {
        return fetch(c.client, "a.txt") != "This is a.txt\n";
    } catch (const tls::error& failed) {
        return failed.code() == tls::errc::truncated;
    }
}

void test_truncation(const demo::identity& identity) {
    std::size_t at = 0;
    while (notices_the_cut(identity, at)) ++at;  // until the cut comes behind the server's close_notify
    check(at > 2 * record_header_size, "the answer cut off at any of its bytes is truncated");
    connection c(identity);
    c.client.handshake();
    const std::size_t before = c.net.a().bytes_received();
    fetch(c.client, "a.txt");
    check(at == c.net.a().bytes_received() - before, "close_notify is the last of them");
}

void test_reset(const demo::identity& identity) {
    connection c(identity);
    c.client.handshake();
    const std::size_t next = c.net.a().calls().reads;
    c.net.a().script(at_call(call_kind::read, next + 1, outcome::reset()));
    std::error_code seen;
    try {
        fetch(c.client, "a.txt");
    } catch (const tls::error& failed) {
        seen = failed.code();
    }
    check(seen == std::errc::connection_reset, "a reset in the middle is told");
    check(c.client.read_end() == tls::stream_end::reset, "and stays");
}

// A peer that does everything right, and then says nothing any more.
void test_close_without_answer(const demo::identity& identity) {
    connection c(identity);
    c.client.handshake();
    c.net.a().pump([] {});
    const auto start = c.net.now();
    const tls::shutdown_result end = c.client.close({.timeout = 5s});
    check(end.timed_out && end.close_notify_sent, "a close without an answer ends at its limit");
    check(c.net.now() == start + 5s, "after five seconds, which took none");
}

void test_late_answer(const demo::identity& identity) {
    connection c(identity);
    const auto start = c.net.now();
    c.net.a().pump([] {});
    c.net.clock().call_after(20s, [&] { c.net.a().pump([&] { c.server.work(); }); });
    check(fetch(c.client, "a.txt") == "This is a.txt\n", "a server that sleeps for twenty seconds is waited for");
    check(c.net.now() == start + 20s, "for twenty seconds");

    connection late(identity);
    late.net.a().pump([] {});
    std::error_code seen;
    try {
        fetch(late.client, "a.txt");
    } catch (const tls::error& failed) {
        seen = failed.code();
    }
    check(seen == std::errc::timed_out, "one that sleeps for ever is not");
}

void test_event_loop(const demo::identity& identity) {
    connection c(identity);
    c.client.next_layer().non_blocking(true);
    c.net.a().script(storm());  // every call has to be made twice
    fetching job("a.txt");
    while (!job.go_on(c.client)) c.server.work();
    check(job.document() == "This is a.txt\n", "the document comes without blocking");
}

void test_event_loop_without_answer(const demo::identity& identity) {
    connection c(identity);
    c.client.handshake();
    c.client.next_layer().non_blocking(true);
    std::error_code ec;
    c.client.close({.timeout = 5s}, ec);
    check(ec == std::errc::operation_would_block, "a close that does not block asks to be called again");
    c.net.clock().advance(5s);
    check(c.client.close({.timeout = 5s}, ec).timed_out && !ec, "and ends when its time has run out");
}

void test_threads(const demo::identity& identity) {
    memory_network net({.wait = waiting::threads});
    std::thread elsewhere([&, socket = net.b().socket()]() mutable {
        tls::stream server(std::move(socket), tls::server_context({.identity = identity.credential()}));
        std::string question(6, '\0');
        server.read(question);
        server.write("This is " + question);
        server.close();
    });
    tls::stream client(net.a().socket(), tls::client_context({.trust = tls::trust_store::from_pem(identity.authority_pem)}),
                       "localhost");
    const std::string document = fetch(client, "a.txt");
    elsewhere.join();
    check(document == "This is a.txt\n", "the document comes from another thread");
}

}  // namespace

int main() {
    try {
        const demo::identity identity = demo::make_identity();
        test_as_it_should_be(identity);
        test_one_byte_at_a_time(identity);
        test_truncation(identity);
        test_reset(identity);
        test_close_without_answer(identity);
        test_late_answer(identity);
        test_event_loop(identity);
        test_event_loop_without_answer(identity);
        test_threads(identity);
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "testing_guide: " << failed.what() << '\n';
        return 1;
    }
}
