// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F24 to F29 and F31 over Asio: waiting that comes to an end, when it should and no earlier. For asio.cpp and boost_asio.cpp.

#ifndef TLS_STREAM_TESTS_FAULTS_ASIO_WAITING_HPP
#define TLS_STREAM_TESTS_FAULTS_ASIO_WAITING_HPP

#include <support/asio_layer.hpp>
#include <support/asio_tools.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace waiting {
namespace {

using namespace std::chrono_literals;
using tests::aborted;
using tests::finish;
using tests::keep;
using tests::no_error;
using tests::on_net;
using tests::perform;
using tests::start;
using tests::too_late;
using tests::unix_socket;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;
using conversation = tests::conversation<unix_socket>;
using unix_stream = tls::stream<unix_socket>;

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// Passes on what comes, a byte at a time with a pause between; or at once.
class dripper {
public:
    dripper(unix_socket& from, unix_socket& to) : from_(from), to_(to), timer_(from.get_executor()) { receive(); }

    std::chrono::milliseconds pause = 0ms;
    std::size_t passed = 0;

private:
    void receive() {
        from_.async_read_some(net::buffer(block_), [this](tests::net_code ec, std::size_t n) {
            if (ec) return;
            done_ = 0;
            size_ = n;
            pass();
        });
    }
    void pass() {
        if (done_ == size_) return receive();
        timer_.expires_after(pause);
        timer_.async_wait([this](tests::net_code ec) {
            if (ec) return;
            const std::size_t n = pause == 0ms ? size_ - done_ : 1;
            net::async_write(to_, net::buffer(block_.data() + done_, n), [this](tests::net_code why, std::size_t m) {
                if (why) return;
                done_ += m;
                passed += m;
                pass();
            });
        });
    }

    unix_socket& from_;
    unix_socket& to_;
    net::steady_timer timer_;
    std::array<char, 4096> block_{};
    std::size_t done_ = 0;
    std::size_t size_ = 0;
};

// A client and a server with drippers between them.
struct slow_conversation {
    explicit slow_conversation(tls::protocol_version version)
        : client(std::move(client_side.a), tests::client_of(version), "localhost"),
          server(std::move(server_side.a), tests::server_of(version)) {}

    net::io_context io;
    tests::sockets<unix_socket> client_side{io, io};
    tests::sockets<unix_socket> server_side{io, io};
    dripper to_server{client_side.b, server_side.b};
    dripper to_client{server_side.b, client_side.b};
    unix_stream client;
    unix_stream server;
};

// Writes until the peer's socket takes no more: what was accepted by then. The last write is outstanding.
template <class Stream>
struct stuck_writer {
    stuck_writer(net::io_context& io, Stream& stream) {
        for (;;) {
            writing = tests::write_some(stream, text);
            tests::settle(io);
            if (!writing->done()) return;
            if (writing->ec) throw std::system_error(writing->ec, "write");
            accepted += text.substr(0, writing->bytes);
        }
    }

    const std::string text = tests::text_of(100'000);
    std::string accepted{};
    tests::operation writing{};
};

}  // namespace
}  // namespace waiting

namespace {
using namespace waiting;
}  // namespace

TEST_CASE("F24 a byte now and then does not stretch a handshake's deadline" + on_net, "[faults]") {
    slow_conversation c(any_version());
    const bool of_client = GENERATE(true, false);
    auto& limited = of_client ? c.client : c.server;
    auto& other = of_client ? c.server : c.client;
    auto& drip = of_client ? c.to_client : c.to_server;
    drip.pause = 5ms;
    limited.expires_after(40ms);
    const auto shaken = tests::handshake(other);
    CHECK(finish(c.io, tests::handshake(limited)).ec == too_late);
    CHECK(drip.passed < 200);  // of a flight that is longer
    CHECK_FALSE(limited.version());
    CHECK(limited.read_end() == stream_end::open);
    // What came is not lost.
    drip.pause = 0ms;
    limited.expires_never();
    CHECK(finish(c.io, tests::handshake(limited)).ec == no_error);
    CHECK(finish(c.io, shaken).ec == no_error);
}

TEST_CASE("F24 a byte now and then does not stretch a read's deadline" + on_net, "[faults]") {
    slow_conversation c(any_version());
    const auto shaken = tests::handshake(c.server);
    REQUIRE(finish(c.io, tests::handshake(c.client)).ec == no_error);
    REQUIRE(finish(c.io, shaken).ec == no_error);
    const std::string text = tests::text_of(2000);
    c.to_client.pause = 5ms;
    REQUIRE(finish(c.io, tests::write_all(c.server, text)).ec == no_error);
    std::string into(text.size(), '\0');
    c.client.expires_after(40ms);
    CHECK(finish(c.io, tests::read_some(c.client, into)).ec == too_late);
    CHECK(c.client.read_end() == stream_end::open);
    c.to_client.pause = 0ms;
    c.client.expires_never();
    CHECK(finish(c.io, tests::read_all(c.client, into)).ec == no_error);
    CHECK(into == text);
}

TEST_CASE("F25 a peer that says nothing is waited for until the deadline" + on_net, "[faults]") {
    const auto version = any_version();
    conversation c(version, false);
    std::string into(10, '\0');
    SECTION("in the handshake, on either side") {
        auto& limited = GENERATE(true, false) ? c.client : c.server;
        auto& other = &limited == &c.client ? c.server : c.client;
        limited.expires_after(30ms);
        CHECK(finish(c.io, tests::handshake(limited)).ec == too_late);
        CHECK(finish(c.io, tests::handshake(limited)).ec == too_late);  // and the deadline stays
        CHECK(finish(c.io, tests::read_some(limited, into)).ec == too_late);
        limited.expires_never();
        const auto shaken = tests::handshake(other);
        CHECK(finish(c.io, tests::handshake(limited)).ec == no_error);
        CHECK(finish(c.io, shaken).ec == no_error);
    }
    SECTION("in a read") {
        c.shake();
        c.client.expires_after(30ms);
        CHECK(finish(c.io, tests::read_some(c.client, into)).ec == too_late);
        c.client.expires_never();
    }
    CHECK(c.works());
}

TEST_CASE("F26 a peer that stops reading: the write's deadline, and what was accepted goes out later" + on_net, "[faults]") {
    conversation c(any_version());
    const stuck_writer fill(c.io, c.client);
    std::string accepted = fill.accepted;
    // The write that is stuck was started without a deadline: it is cancelled from below, and counts what it has accepted.
    c.client.next_layer().cancel();
    CHECK(finish(c.io, fill.writing).ec == aborted);
    accepted += fill.text.substr(0, fill.writing->bytes);
    CHECK(c.client.pending_output() > 0);

    // One that is started now cannot begin.
    c.client.expires_after(30ms);
    const auto late = finish(c.io, tests::write_some(c.client, fill.text));
    CHECK(late.ec == too_late);
    accepted += fill.text.substr(0, late.bytes);

    c.client.expires_never();
    const auto last = tests::write_all(c.client, "the last words");
    accepted += "the last words";
    std::string got(accepted.size(), '\0');
    CHECK(finish(c.io, tests::read_all(c.server, got)).ec == no_error);
    CHECK(got == accepted);
    CHECK(finish(c.io, last).ec == no_error);
    CHECK(c.works());
}

TEST_CASE("F26 a write that is under way when its deadline comes tells what it has accepted" + on_net, "[faults]") {
    conversation c(any_version());
    std::string accepted;
    const std::string text = tests::text_of(100'000);
    c.client.expires_after(30ms);
    std::error_code ec;
    while (!ec) {
        const auto done = finish(c.io, tests::write_some(c.client, text));
        ec = done.ec;
        accepted += text.substr(0, done.bytes);
    }
    CHECK(ec == too_late);
    std::string got(accepted.size(), '\0');
    const auto read = tests::read_all(c.server, got);
    c.client.expires_never();
    const auto last = tests::write_some(c.client, "more");
    CHECK(finish(c.io, last).ec == no_error);
    CHECK(finish(c.io, read).ec == no_error);
    CHECK(got == accepted);
}

TEST_CASE("F26 a peer that stops reading: the stream can be aborted in the middle of a write" + on_net, "[faults]") {
    conversation c(any_version());
    const stuck_writer fill(c.io, c.client);
    c.client.abort();
    CHECK(finish(c.io, fill.writing).ec == aborted);
    CHECK(finish(c.io, tests::write_some(c.client, "more")).ec == tls::errc::not_open);
    std::string got(fill.accepted.size() + 200'000, '\0');
    const auto read = finish(c.io, tests::read_all(c.server, got));
    CHECK(read.ec == tls::errc::truncated);
    CHECK(got.substr(0, read.bytes).starts_with(fill.accepted.substr(0, read.bytes)));
}

TEST_CASE("F27 a deadline at the moment of completion: one outcome, and nothing lost" + on_net, "[faults]") {
    const auto version = any_version();
    conversation c(version);
    const std::string text = "just in time";
    int in_time = 0;
    int late = 0;
    for (int microseconds = 0; microseconds < 600; microseconds += 2) {
        std::string into(text.size(), '\0');
        const auto written = tests::write_some(c.server, text);
        c.client.expires_after(std::chrono::microseconds(microseconds));
        const auto read = finish(c.io, tests::read_some(c.client, into));
        if (read.ec == no_error) {
            ++in_time;
            REQUIRE(read.bytes == text.size());
        } else {
            ++late;
            REQUIRE(read.ec == too_late);
            REQUIRE(read.bytes == 0);
            c.client.expires_never();
            REQUIRE(finish(c.io, tests::read_some(c.client, into)).ec == no_error);
        }
        REQUIRE(into == text);
        finish(c.io, written);
    }
    CHECK(in_time + late == 300);
    CHECK(in_time > 0);
    CHECK(c.works());
}

TEST_CASE("F28 a deadline that has passed: what needs no waiting is done" + on_net, "[faults]") {
    conversation c(any_version());
    std::string into(5, '\0');
    c.client.expires_at(tests::past());
    SECTION("a read gives what is there, and no more") {
        CHECK(finish(c.io, tests::read_some(c.client, into)).ec == too_late);
        REQUIRE(finish(c.io, tests::write_all(c.server, "12345")).ec == no_error);
        const auto read = finish(c.io, tests::read_some(c.client, into));
        CHECK(read.ec == no_error);
        CHECK(into == "12345");
        REQUIRE(finish(c.io, tests::shut(c.server, shutdown_mode::write)).ec == no_error);
        CHECK(finish(c.io, tests::read_some(c.client, into)).ec == tests::end_of_file);
    }
    SECTION("a write goes as far as the socket takes it") {
        const std::string text = tests::text_of(100'000);
        std::string accepted;
        std::error_code ec;
        while (!ec) {
            const auto done = finish(c.io, tests::write_some(c.client, text));
            ec = done.ec;
            accepted += text.substr(0, done.bytes);
        }
        CHECK(ec == too_late);
        CHECK(accepted.size() >= 65'536);
        std::string got(accepted.size(), '\0');
        const auto read = tests::read_all(c.server, got);
        c.client.expires_never();
        CHECK(finish(c.io, tests::write_some(c.client, "more")).ec == no_error);
        CHECK(finish(c.io, read).ec == no_error);
        CHECK(got == accepted);
    }
    SECTION("a shutdown says close_notify, and does not wait for the peer's") {
        const auto mode = GENERATE(shutdown_mode::write, shutdown_mode::both);
        const auto done = finish(c.io, tests::shut(c.client, mode));
        CHECK(done.ec == no_error);
        CHECK(done.result.close_notify_sent);
        CHECK(done.result.transport_shut_down);
        CHECK(done.result.timed_out == (mode == shutdown_mode::both));
        CHECK(finish(c.io, tests::read_some(c.server, into)).ec == tests::end_of_file);
    }
    SECTION("a close with no time at all") {
        c.client.expires_never();
        const auto done = finish(c.io, tests::close(c.client, {.timeout = 0ms}));
        CHECK(done.ec == no_error);
        CHECK(done.result.close_notify_sent);
        CHECK(done.result.timed_out);
        CHECK_FALSE(c.client.lowest_layer().is_open());
    }
}

TEST_CASE("F29 a peer that never says close_notify holds a shutdown up to its limit" + on_net, "[faults]") {
    conversation c(any_version());
    const bool by_stream = GENERATE(true, false);
    if (by_stream) c.client.expires_after(30ms);
    const tls::shutdown_options options{.timeout = by_stream ? 60s : 30ms};
    const bool whole = GENERATE(true, false);
    const auto done =
        finish(c.io, whole ? tests::close(c.client, options) : tests::shut(c.client, shutdown_mode::both, options));
    CHECK(done.ec == no_error);
    CHECK(done.result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
    std::string into(5, '\0');
    CHECK(finish(c.io, tests::read_some(c.server, into)).ec == tests::end_of_file);
    CHECK(c.client.lowest_layer().is_open() == !whole);
    if (whole) return;
    // It goes on with fresh limits.
    c.client.expires_never();
    const auto closed = tests::close(c.server);
    CHECK(finish(c.io, tests::shut(c.client, shutdown_mode::both)).result.clean());
    CHECK(finish(c.io, closed).result.clean());
    CHECK(finish(c.io, tests::close(c.client)).result.clean());
}

TEST_CASE("F31 a peer that floods us after our close_notify: within the limit of bytes" + on_net, "[faults]") {
    conversation c(any_version());
    const std::string text = tests::text_of(400'000);
    const auto written = tests::write_all(c.server, text);
    const std::size_t limit = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{20'000}, std::size_t{100'000});
    const auto done = finish(c.io, tests::shut(c.client, shutdown_mode::both, {.timeout = 60s, .drain_limit = limit}));
    CHECK(done.ec == no_error);
    CHECK(done.result.close_notify_sent);
    CHECK(done.result.limit_reached);
    CHECK_FALSE(done.result.timed_out);
    CHECK(done.result.discarded <= limit);
    CHECK(done.result.discarded + 16'384 >= limit);
    // What was not thrown away stays readable.
    std::string rest(text.size() - done.result.discarded, '\0');
    CHECK(finish(c.io, tests::read_all(c.client, rest)).ec == no_error);
    CHECK(rest == text.substr(done.result.discarded));
    CHECK(finish(c.io, written).ec == no_error);
    const auto closed = tests::close(c.server);
    CHECK(finish(c.io, tests::read_some(c.client, rest)).ec == tests::end_of_file);
    CHECK(finish(c.io, tests::close(c.client)).result.peer == stream_end::close_notify);
    finish(c.io, closed);
}

TEST_CASE("F31 a peer that goes on and on after our close_notify: within the limit of time" + on_net, "[faults]") {
    conversation c(any_version());
    // As soon as one is written, the next one.
    const std::string text = tests::text_of(100);
    net::steady_timer pause(c.io);
    std::function<void()> go_on = [&] {
        c.server.async_write_some(net::buffer(text), [&](tests::net_code ec, std::size_t) {
            if (ec) return;
            pause.expires_after(1ms);
            pause.async_wait([&](tests::net_code why) {
                if (!why) go_on();
            });
        });
    };
    go_on();
    const auto done = finish(c.io, tests::close(c.client, {.timeout = 40ms}));
    CHECK(done.ec == no_error);
    CHECK(done.result.close_notify_sent);
    CHECK(done.result.timed_out);
    CHECK_FALSE(done.result.limit_reached);
    CHECK(done.result.peer == stream_end::open);
    CHECK(done.result.discarded % text.size() == 0);
    CHECK_FALSE(c.client.lowest_layer().is_open());
    pause.cancel();
    go_on = [] {};
    tests::settle(c.io);
}

#endif
