// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Memory sockets as their users have them: streams on both ends of a connection, in one thread and in two.

#include <support/identities.hpp>

#include <tls/context.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/stream.hpp>
#include <tls/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace testing = tls::testing;

tls::client_context client_context() { return tls::client_context({.trust = tests::test_trust()}); }
tls::server_context server_context() { return tls::server_context({.identity = tests::credential_of(tests::key_kind::p256)}); }

// The code under test, which knows nothing of tests: it blocks.
template <class Stream>
std::string fetch(Stream& stream, std::string_view question) {
    stream.write(question);
    stream.shutdown(tls::shutdown_mode::write);
    std::string answer(100, '\0');
    answer.resize(stream.read(answer));
    stream.close();
    return answer;
}

// The other end, as far as it comes without waiting.
class answering {
public:
    explicit answering(testing::memory_end end) : stream_(end.non_blocking_socket(), server_context()) {}

    void work() {
        std::error_code ec;
        std::string some(100, '\0');
        while (const std::size_t n = stream_.read_some(some, ec)) question_.append(some, 0, n);
        if (ec || answered_) return;
        answered_ = true;
        stream_.write("You said: " + question_);
        stream_.shutdown(tls::shutdown_mode::write);
    }

private:
    tls::stream<testing::memory_socket> stream_;
    std::string question_;
    bool answered_ = false;
};

}  // namespace

TEST_CASE("testing: both ends in one thread", "[testing]") {
    testing::memory_network net;
    tls::stream client(net.a().socket(), client_context(), "localhost");
    answering server(net.b());
    net.a().pump([&] { server.work(); });

    SECTION("as it should be") {
        CHECK(fetch(client, "Hello?") == "You said: Hello?");
        CHECK(net.a().wire_text() == "handshake, ccs, data*2, alert, FIN, close");
    }
    SECTION("a byte at a time") {
        net.a().script(testing::chunked(1));
        net.b().script(testing::chunked(1));
        CHECK(fetch(client, "Hello?") == "You said: Hello?");
        CHECK(net.a().calls().reads >= net.b().bytes_sent());
        CHECK(net.a().calls().writes >= net.b().bytes_received());
    }
    SECTION("cut off") {
        client.handshake();
        net.a().script({.input_ends_at = net.a().bytes_received()});
        try {
            fetch(client, "Hello?");
            FAIL("an end that nobody said");
        } catch (const tls::error& failed) {
            CHECK(failed.code() == tls::errc::truncated);
        }
    }
}

TEST_CASE("testing: a peer that never answers a close takes no time", "[testing]") {
    testing::memory_network net;
    tls::stream client(net.a().socket(), client_context(), "localhost");
    tls::stream server(net.b().non_blocking_socket(), server_context());
    net.a().pump([&] {
        std::error_code ignored;
        server.handshake(ignored);
    });
    client.handshake();
    const auto start = net.now();
    const auto real = std::chrono::steady_clock::now();

    SECTION("of a stream that blocks: the clock goes on by itself") {
        const auto result = client.close({.timeout = 1h});
        CHECK(result.timed_out);
        CHECK(result.peer == tls::stream_end::open);
        CHECK(net.now() == start + 1h);
    }
    SECTION("of one that does not block: it is told to") {
        client.next_layer().non_blocking(true);
        std::error_code ec;
        client.close({.timeout = 1h}, ec);
        CHECK(ec == std::errc::operation_would_block);
        net.clock().advance(1h - 1ns);
        client.close({.timeout = 1h}, ec);
        CHECK(ec == std::errc::operation_would_block);
        net.clock().advance(1ns);
        CHECK(client.close({.timeout = 1h}, ec).timed_out);
        CHECK_FALSE(ec);
        CHECK(net.a().closed());
    }
    CHECK(std::chrono::steady_clock::now() - real < 30min);
}

TEST_CASE("testing: the other end may be an engine", "[testing]") {
    testing::memory_network net;
    tls::stream client(net.a().socket(), client_context(), "localhost");
    auto socket = net.b().non_blocking_socket();
    tls::engine server(server_context());
    std::string heard;
    net.a().pump([&] {
        std::error_code ec;
        while (const std::size_t n = socket.read_some(server.input_space(), ec)) {
            server.input_received(n);
            std::array<char, 100> some{};
            while (const std::size_t read = server.read(some).bytes) heard.append(some.data(), read);
        }
        while (!server.output().empty()) server.output_sent(socket.write_some(server.output(), ec));
    });
    client.write("Hello?");
    client.close({.timeout = 1s});
    CHECK(heard == "Hello?");
    CHECK(server.read_end() == tls::stream_end::close_notify);
}

TEST_CASE("testing: both ends in threads of their own", "[testing]") {
    testing::memory_network net({.capacity_a_to_b = 10, .capacity_b_to_a = 7, .wait = testing::waiting::threads});
    std::string question(100, '\0');
    std::thread elsewhere([&, socket = net.b().socket()]() mutable {
        tls::stream server(std::move(socket), server_context());
        question.resize(server.read(question));
        server.write("You said: " + question);
        server.close();
    });
    tls::stream client(net.a().socket(), client_context(), "localhost");
    const std::string answer = fetch(client, "Hello?");
    elsewhere.join();
    CHECK(answer == "You said: Hello?");
    CHECK(net.b().wire_text().ends_with("alert, FIN, close"));
}
