// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One end as a test sees it: what it did, and what left it.

#include <support/memory_ends.hpp>

#include <tls/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace testing = tls::testing;
using tests::as_bytes;
using tests::at_eof;
using tests::get;
using tests::is_system;
using tests::open_pair;
using tests::put;
using tests::wire_record;
using tls::shutdown_mode;

}  // namespace

TEST_CASE("memory end: a reset by hand", "[testing]") {
    open_pair p;
    put(p.b, "close_notify, say");
    SECTION("after what was sent") {
        p.net.b().reset();
        CHECK(get(p.a).text == "close_notify, say");
        CHECK(is_system(get(p.a).ec, std::errc::connection_reset));
    }
    SECTION("instead of what was sent; a write may be the first to hear of it") {
        p.net.b().reset(true);
        CHECK(is_system(put(p.a, "x").ec, std::errc::connection_reset));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(at_eof(get(p.a)));
    }
    SECTION("after a FIN: a reader sees the end, and a writer EPIPE") {
        p.b.shutdown(shutdown_mode::write, p.ec);
        p.net.b().reset();
        CHECK(get(p.a).text == "close_notify, say");
        CHECK(at_eof(get(p.a)));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
    }
    CHECK(p.net.b().closed());
}

TEST_CASE("memory end: the view of the wire", "[testing]") {
    const auto body = [](std::size_t size) { return std::string(size, 'x'); };
    const std::string wire = wire_record(body(30), 22) + wire_record("\x01", 20) + wire_record(body(19)) +
                             wire_record(body(26), 21) + wire_record(body(9)) + "\x17\x03\x03";

    open_pair p;
    put(p.a, wire.substr(0, 60));
    CHECK(p.net.a().wire_text() == "handshake, ccs, partial");
    CHECK(p.net.a().wire_text(41) == "partial");
    CHECK(p.net.a().wire_text(42) == "");
    put(p.a, wire.substr(60));
    CHECK(p.net.a().wire_text(41) == "alert*2, data, other");

    open_pair q;
    put(q.a, wire_record(body(30), 22));
    const auto handshake = q.net.a().bytes_sent();
    q.a.shutdown(shutdown_mode::read, q.ec);
    put(q.a, wire_record("abc") + wire_record("defg"));
    put(q.a, wire_record("") + wire_record(body(19)));
    q.a.shutdown(shutdown_mode::write, q.ec);
    q.a.shutdown(shutdown_mode::both, q.ec);
    q.a.close(q.ec);
    CHECK(q.net.a().wire_text() == "handshake, data*3, alert, FIN, close");
    CHECK(q.net.a().wire_text(handshake) == "data*3, alert, FIN, close");
    CHECK(testing::to_string(q.net.a().log()) ==
          "write 35, shutdown read, write 17, write 29, shutdown write, shutdown both, close");
    CHECK(q.net.a().wire_text(81) == "FIN, close");
    CHECK(q.net.a().log()[3].index == 3);
    CHECK(q.net.a().log()[3].sent == 81);

    open_pair early;
    early.a.shutdown(shutdown_mode::write, early.ec);
    CHECK(early.net.a().wire_text() == "FIN");
    CHECK(early.net.a().wire_text(1) == "");
}

TEST_CASE("memory end: events are counted over both ends", "[testing]") {
    open_pair p;
    put(p.a, "1");
    put(p.b, "2");
    p.net.clock().advance(3s);
    put(p.a, "3");
    CHECK(p.net.a().log()[0].index == 0);
    CHECK(p.net.b().log()[0].index == 1);
    CHECK(p.net.a().log()[1].index == 2);
    CHECK(p.net.a().log()[1].time - p.net.a().log()[0].time == 3s);
}

TEST_CASE("memory end: the socket of an end exists once", "[testing]") {
    testing::memory_network net;
    const auto taken = net.a().socket();
    CHECK_THROWS_WITH(net.a().socket(), "memory_end: the socket of end a was given out before");
    CHECK_THROWS_AS(net.a().non_blocking_socket(), std::logic_error);
    {
        const auto gone = net.b().socket();
    }
    CHECK_THROWS_WITH(net.end(testing::side::b).socket(), "memory_end: the socket of end b was given out before");
}

TEST_CASE("memory end: outlives its network", "[testing]") {
    auto net = std::make_unique<testing::memory_network>();
    auto socket = net->a().socket();
    const auto end = net->a();
    net.reset();
    CHECK(put(socket, "x").count == 1);
    CHECK(end.bytes_sent() == 1);
}

TEST_CASE("memory end: every kind of event in words", "[testing]") {
    using testing::event;
    using testing::event_kind;
    const std::vector<event> log{{.kind = event_kind::read, .size = 1},
                                 {.kind = event_kind::read, .size = 1},
                                 {.kind = event_kind::eof},
                                 {.kind = event_kind::write, .size = 2},
                                 {.kind = event_kind::shutdown, .mode = shutdown_mode::both},
                                 {.kind = event_kind::reset},
                                 {.kind = event_kind::close},
                                 {.kind = event_kind::abort},
                                 {.kind = event_kind::destroyed},
                                 {.error = std::make_error_code(std::errc::broken_pipe)}};
    CHECK(testing::to_string(log) ==
          "read 1*2, eof, write 2, shutdown both, RST, close, abort, destroyed, error " + log.back().error.message());
    CHECK(testing::to_string(std::vector<event>()).empty());
}
