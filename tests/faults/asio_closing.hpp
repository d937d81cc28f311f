// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F34 to F36 and F75 over Asio: closing from both sides, twice, and beside other operations. For asio.cpp and boost_asio.cpp.

#ifndef TLS_STREAM_TESTS_FAULTS_ASIO_CLOSING_HPP
#define TLS_STREAM_TESTS_FAULTS_ASIO_CLOSING_HPP

#include <support/asio_layer.hpp>
#include <support/asio_tools.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace async_closing {
namespace {

using namespace std::chrono_literals;
using tests::aborted;
using tests::end_of_file;
using tests::finish;
using tests::no_error;
using tests::on_net;
using tests::tcp_socket;
using tests::unix_socket;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;
using layer = tests::taped_layer<unix_socket>;

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// A client over a taped layer and a server over a socket, the handshake done.
struct taped_conversation {
    explicit taped_conversation(tls::protocol_version version)
        : client(layer(std::move(pair.a), state), tests::client_of(version), "localhost"),
          server(std::move(pair.b), tests::server_of(version)) {
        const auto one = tests::handshake(client);
        const auto other = tests::handshake(server);
        if (finish(io, one).ec || finish(io, other).ec) throw std::runtime_error("handshake");
        since = state->written.sent.size();
    }

    // What the client sent since the handshake: "data, alert, FIN".
    [[nodiscard]] std::string wire() const {
        std::vector<std::string> words;
        const auto& tape = state->written;
        for (const auto& r : tests::records(std::span(tape.sent).subspan(since))) {
            if (tape.fin && since + r.offset == tape.sent_before_fin) words.emplace_back("FIN");
            words.emplace_back(tests::to_string(r));
        }
        if (tape.fin && tape.sent_before_fin == tape.sent.size()) words.emplace_back("FIN");
        return tests::joined(words);
    }

    net::io_context io;
    tests::sockets<unix_socket> pair{io, io};
    std::shared_ptr<tests::layer_state> state = std::make_shared<tests::layer_state>();
    tls::stream<layer> client;
    tls::stream<unix_socket> server;
    std::size_t since = 0;
};

template <class Socket>
void close_from_both_sides(int times) {
    for (int i = 0; i < times; ++i) {
        tests::conversation<Socket> c(tests::versions[static_cast<std::size_t>(i) % 2]);
        const auto one = tests::close(c.client);
        const auto other = tests::close(c.server);
        finish(c.io, one);
        finish(c.io, other);
        const shutdown_result clean{.close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify};
        CAPTURE(i);
        REQUIRE(one->ec == no_error);
        REQUIRE(other->ec == no_error);
        REQUIRE(one->result == clean);
        REQUIRE(other->result == clean);
    }
}

}  // namespace
}  // namespace async_closing

namespace {
using async_closing::taped_conversation;
}  // namespace

TEST_CASE("F34 both sides close at once, a thousand times: both clean" + tests::on_net, "[faults]") {
    async_closing::close_from_both_sides<tests::tcp_socket>(500);
    async_closing::close_from_both_sides<tests::unix_socket>(500);
}

TEST_CASE("F34 both sides close at once with data under way: clean, or counted" + tests::on_net, "[faults]") {
    using namespace async_closing;
    for (int i = 0; i < 50; ++i) {
        tests::conversation<tcp_socket> c(tests::versions[static_cast<std::size_t>(i) % 2]);
        const std::string text = tests::text_of(static_cast<std::size_t>(1 + 777 * i));
        const auto written = tests::write_all(c.client, text);
        const auto answered = tests::write_all(c.server, text);
        REQUIRE(finish(c.io, written).ec == no_error);
        REQUIRE(finish(c.io, answered).ec == no_error);
        const auto one = tests::close(c.client);
        const auto other = tests::close(c.server);
        finish(c.io, one);
        finish(c.io, other);
        const shutdown_result counted{
            .close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify, .discarded = text.size()};
        REQUIRE(one->result == counted);
        REQUIRE(other->result == counted);
        REQUIRE(one->ec == no_error);
        REQUIRE(other->ec == no_error);
    }
}

TEST_CASE("F35 a shutdown that is asked for twice is one on the wire, with the same result" + tests::on_net, "[faults]") {
    using namespace async_closing;
    taped_conversation c(any_version());
    const auto mode = GENERATE(shutdown_mode::write, shutdown_mode::both);
    const auto closed = mode == shutdown_mode::both ? tests::close(c.server) : nullptr;
    const auto once = finish(c.io, tests::shut(c.client, mode));
    const auto twice = finish(c.io, tests::shut(c.client, mode));
    CHECK(once.ec == no_error);
    CHECK(twice.ec == no_error);
    CHECK(once.result == twice.result);
    CHECK(once.result.close_notify_sent);
    CHECK(c.wire() == "alert, FIN");
    const auto peer = closed ? closed : tests::close(c.server);
    const auto last = finish(c.io, tests::close(c.client));
    CHECK(last.result.clean());
    CHECK(finish(c.io, tests::close(c.client)).result == last.result);
    CHECK(finish(c.io, peer).result.clean());
    CHECK(c.wire() == "alert, FIN");
}

TEST_CASE("F36 a shutdown beside a write that is stuck at any of its bytes: data, close_notify, FIN" + tests::on_net,
          "[faults]") {
    using namespace async_closing;
    const auto version = any_version();
    const bool whole = GENERATE(true, false);
    const std::string text = "written before";
    std::size_t size = 1;
    for (std::size_t room = 0; room < size; ++room) {
        CAPTURE(room);
        taped_conversation c(version);
        c.state->room = room;
        const auto written = tests::write_some(c.client, text);
        tests::settle(c.io);
        const bool data_stuck = !written->done();  // else it is close_notify that has no room
        REQUIRE(c.state->written.sent.size() <= c.since + room);
        REQUIRE((data_stuck || room >= text.size()));
        const auto closed = whole ? tests::close(c.client) : tests::shut(c.client, shutdown_mode::write);
        // What comes after it is refused, whether it has begun or not.
        CHECK(finish(c.io, tests::write_some(c.client, "too late")).ec == tls::errc::write_shut_down);
        tests::settle(c.io);
        CHECK_FALSE(closed->done());
        c.state->release();
        CHECK(finish(c.io, written).ec == no_error);
        CHECK(written->bytes == text.size());
        std::string got(text.size() + 1, '\0');
        CHECK(finish(c.io, tests::read_all(c.server, got)).ec == end_of_file);
        CHECK(got.substr(0, text.size()) == text);
        const auto answer = tests::close(c.server);
        CHECK(finish(c.io, closed).ec == no_error);
        CHECK(closed->result.close_notify_sent);
        CHECK(c.wire() == "data, alert, FIN");
        if (whole) CHECK(closed->result.clean());
        else CHECK(finish(c.io, tests::close(c.client)).result.clean());
        CHECK(finish(c.io, answer).result.clean());
        size = c.state->written.sent.size() - c.since;
    }
    CHECK(size > 2 * 21 + text.size());
}

TEST_CASE("F36 a composed write that a shutdown cuts in two: its rest is refused, and counted" + tests::on_net, "[faults]") {
    using namespace async_closing;
    taped_conversation c(any_version());
    const std::string text = tests::text_of(200'000);
    const auto written = tests::write_all(c.client, text);
    const auto shut = tests::shut(c.client, shutdown_mode::write);
    std::string got(text.size(), '\0');
    const auto read = tests::read_all(c.server, got);
    CHECK(finish(c.io, written).ec == tls::errc::write_shut_down);
    CHECK(written->bytes < text.size());
    CHECK(finish(c.io, shut).result.close_notify_sent);
    CHECK(finish(c.io, read).ec == end_of_file);
    CHECK(read->bytes == written->bytes);
    CHECK(got.substr(0, read->bytes) == text.substr(0, read->bytes));
}

TEST_CASE("F36 a shutdown whose write is stuck for good ends at its limit" + tests::on_net, "[faults]") {
    using namespace async_closing;
    taped_conversation c(any_version());
    const bool whole = GENERATE(true, false);
    c.state->room = 5;
    const auto written = tests::write_some(c.client, "never to arrive");
    const auto closed =
        whole ? tests::close(c.client, {.timeout = 30ms}) : tests::shut(c.client, shutdown_mode::write, {.timeout = 30ms});
    finish(c.io, closed);
    CHECK(closed->ec == tests::too_late);
    CHECK_FALSE(closed->result.close_notify_sent);
    CHECK(closed->result.timed_out);
    if (whole) {
        CHECK(finish(c.io, written).ec == aborted);
        std::string got(20, '\0');
        CHECK(finish(c.io, tests::read_all(c.server, got)).ec == tls::errc::truncated);
        return;
    }
    CHECK_FALSE(written->done());
    c.state->release();
    CHECK(finish(c.io, written).ec == no_error);
    const auto answer = tests::close(c.server);
    const auto again = finish(c.io, tests::close(c.client));
    CHECK(again.ec == no_error);
    CHECK(again.result.close_notify_sent);
    CHECK(finish(c.io, answer).result.discarded == written->bytes);
}

TEST_CASE("F75 a shutdown beside a read: the read receives, and there is one end" + tests::on_net, "[faults]") {
    using namespace async_closing;
    tests::conversation<tcp_socket> c(any_version());
    const bool whole = GENERATE(true, false);
    std::string into(100, '\0');
    SECTION("the peer has more to say") {
        const auto read = tests::read_some(c.client, into);
        const auto shut = whole ? tests::close(c.client) : tests::shut(c.client, shutdown_mode::both);
        const auto said = finish(c.io, tests::write_all(c.server, "one more thing"));
        REQUIRE(said.ec == no_error);
        CHECK(finish(c.io, read).ec == no_error);
        CHECK(into.substr(0, read->bytes) == "one more thing");
        const auto answer = tests::close(c.server);
        CHECK(finish(c.io, shut).result.clean());
        CHECK(shut->ec == no_error);
        CHECK(finish(c.io, answer).result.clean());
    }
    SECTION("the peer just ends: that is what the read finds") {
        const auto read = tests::read_some(c.client, into);
        const auto shut = whole ? tests::close(c.client) : tests::shut(c.client, shutdown_mode::both);
        const auto answer = tests::close(c.server);
        CHECK(finish(c.io, read).ec == end_of_file);
        CHECK(finish(c.io, shut).result.clean());
        CHECK(finish(c.io, answer).result.clean());
    }
    SECTION("the peer breaks off") {
        const auto read = tests::read_some(c.client, into);
        const auto shut = whole ? tests::close(c.client) : tests::shut(c.client, shutdown_mode::both);
        tests::settle(c.io);
        c.server.abort();
        const auto why = finish(c.io, read).ec;
        CHECK((why == tls::errc::truncated || why == tests::as_std(tests::net_code(net::error::connection_reset))));
        CHECK(finish(c.io, shut).ec == no_error);
        CHECK(shut->result.peer != stream_end::close_notify);
        CHECK(shut->result.peer != stream_end::open);
    }
    SECTION("the peer is silent: at the limit the read is aborted, and has seen no end") {
        const auto read = tests::read_some(c.client, into);
        const tls::shutdown_options limit{.timeout = 30ms};
        const auto shut = whole ? tests::close(c.client, limit) : tests::shut(c.client, shutdown_mode::both, limit);
        CHECK(finish(c.io, shut).ec == no_error);
        CHECK(shut->result.timed_out);
        CHECK(shut->result.close_notify_sent);
        CHECK(finish(c.io, read).ec == aborted);
        CHECK(read->bytes == 0);
        CHECK(c.client.read_end() == stream_end::open);
    }
    SECTION("shutdown(write) leaves the read alone") {
        const auto read = tests::read_some(c.client, into);
        CHECK(finish(c.io, tests::shut(c.client, shutdown_mode::write)).ec == no_error);
        CHECK_FALSE(read->done());
        REQUIRE(finish(c.io, tests::write_all(c.server, "still")).ec == no_error);
        CHECK(finish(c.io, read).ec == no_error);
        CHECK(into.substr(0, 5) == "still");
    }
    SECTION("shutdown(read) ends the read") {
        const auto read = tests::read_some(c.client, into);
        CHECK(finish(c.io, tests::shut(c.client, shutdown_mode::read)).ec == no_error);
        CHECK(finish(c.io, read).ec == end_of_file);
        CHECK(c.client.read_end() == stream_end::open);
    }
}

TEST_CASE("F75 a close beside a read and a write, wherever they are" + tests::on_net, "[faults]") {
    using namespace async_closing;
    const auto version = any_version();
    const std::string text = tests::text_of(30'000);
    // Data goes both ways, and after so many handlers one side closes.
    for (int handlers = 0; handlers < 40; ++handlers) {
        CAPTURE(handlers);
        tests::conversation<unix_socket> c(version);
        std::string at_client(text.size(), '\0');
        std::string at_server(text.size(), '\0');
        const auto to_server = tests::write_all(c.client, text);
        const auto read = tests::read_all(c.client, at_client);
        const auto to_client = tests::write_all(c.server, text);
        const auto other = tests::read_all(c.server, at_server);
        c.io.restart();
        for (int i = 0; i < handlers && c.io.poll_one() != 0; ++i) {
        }
        const auto closed = tests::close(c.client);
        finish(c.io, to_server);
        finish(c.io, read);
        finish(c.io, to_client);
        finish(c.io, other);
        REQUIRE((to_server->ec == no_error || to_server->ec == tls::errc::write_shut_down));
        REQUIRE((other->ec == no_error || other->ec == end_of_file));
        REQUIRE(other->bytes == to_server->bytes);
        REQUIRE(at_server.substr(0, other->bytes) == text.substr(0, other->bytes));
        REQUIRE(at_client.substr(0, read->bytes) == text.substr(0, read->bytes));
        const auto answer = tests::close(c.server);
        finish(c.io, closed);
        finish(c.io, answer);
        REQUIRE(closed->ec == no_error);
        REQUIRE(answer->ec == no_error);
        REQUIRE(closed->result.close_notify_sent);
        REQUIRE(closed->result.peer == stream_end::close_notify);
        REQUIRE(read->bytes + closed->result.discarded == to_client->bytes);
    }
}

#endif
