// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The memory connection itself: each fault does what it says, and each rule of TCP that closing depends on holds.

#include <support/memory_socket.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using tests::call_kind;
using tests::features;
using tests::outcome;
using tests::record_fault;
using tls::shutdown_mode;

template <features Has>
using socket_with = tests::basic_memory_socket<Has>;

static_assert(tls::vectored_socket<tests::memory_socket> && tls::deadline_socket<tests::memory_socket>);
static_assert(tls::clocked_socket<tests::memory_socket> && tls::pollable_socket<tests::memory_socket>);
static_assert(tls::abortable_socket<tests::memory_socket>);
static_assert(tls::socket<tests::plain_memory_socket>);
static_assert(!tls::vectored_socket<tests::plain_memory_socket> && !tls::deadline_socket<tests::plain_memory_socket>);
static_assert(!tls::clocked_socket<tests::plain_memory_socket> && !tls::pollable_socket<tests::plain_memory_socket>);
static_assert(!tls::abortable_socket<tests::plain_memory_socket>);
static_assert(!tls::vectored_socket<socket_with<features::all - features::vectored>>);
static_assert(tls::pollable_socket<socket_with<features::all - features::vectored>>);
static_assert(!tls::clocked_socket<socket_with<features::all - features::clock>>);
static_assert(tls::pollable_socket<socket_with<features::all - features::clock>>);
static_assert(!tls::pollable_socket<socket_with<features::all - features::polling>>);
static_assert(tls::clocked_socket<socket_with<features::all - features::polling>>);
static_assert(!tls::abortable_socket<socket_with<features::all - features::aborting>>);
static_assert(tls::deadline_socket<socket_with<features::deadlines>>);
static_assert(!tls::vectored_socket<socket_with<features::deadlines>>);
static_assert(tls::vectored_socket<socket_with<features::vectored>>);
static_assert(!tls::deadline_socket<socket_with<features::vectored>>);
static_assert(!std::is_copy_constructible_v<tests::memory_socket> && std::is_nothrow_move_assignable_v<tests::memory_socket>);

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string as_text(std::span<const std::byte> from) {
    std::string text;
    for (const auto b : from) text.push_back(std::to_integer<char>(b));
    return text;
}

// What one call gave.
struct result {
    std::string text;
    std::size_t count = 0;
    std::error_code ec;
};

template <class Socket>
result get(Socket& from, std::size_t size = 100) {
    tests::bytes into(size);
    result r;
    r.count = from.read_some(std::span<std::byte>(into), r.ec);
    r.text = as_text(std::span(into).first(std::min(r.count, size)));
    return r;
}

template <class Socket>
result put(Socket& to, std::string_view text) {
    result r;
    r.count = to.write_some(as_bytes(text), r.ec);
    return r;
}

bool is_system(std::error_code ec, std::errc code) {
    return ec == std::error_code(static_cast<int>(code), std::system_category());
}
bool would_block(const result& r) { return r.count == 0 && r.ec == std::errc::operation_would_block; }
bool at_eof(const result& r) { return r.count == 0 && !r.ec; }

// Two ends that do not block.
struct pair {
    explicit pair(const tests::network_options& options = {}) : net(options), a(net.a().socket()), b(net.b().socket()) {
        a.non_blocking(true);
        b.non_blocking(true);
    }
    tests::network net;
    tests::memory_socket a;
    tests::memory_socket b;
    std::error_code ec;
};

// A TLS record with a body of `text`.
std::string record(std::string_view text, char type = 23) {
    return std::string{type, 3, 3, 0, static_cast<char>(text.size())} + std::string(text);
}

}  // namespace

TEST_CASE("memory socket: bytes arrive in order, and an empty queue would block", "[memory_socket]") {
    pair p;
    CHECK(would_block(get(p.b)));
    CHECK(put(p.a, "hello ").count == 6);
    CHECK(put(p.a, "world").count == 5);
    CHECK(p.net.b().unread() == 11);
    CHECK(get(p.b, 8).text == "hello wo");
    CHECK(get(p.b).text == "rld");
    CHECK(would_block(get(p.b)));
    CHECK(put(p.b, "back").count == 4);
    CHECK(get(p.a).text == "back");
    CHECK(as_text(p.net.a().sent()) == "hello world");
    CHECK(as_text(p.net.b().received()) == "hello world");
    CHECK(tests::to_string(p.net.a().log()) == "write 6, write 5, read 4");
    CHECK(p.net.a().calls().io == 3);
    CHECK(p.net.b().calls().reads == 4);
}

TEST_CASE("memory socket: a vectored call is one call", "[memory_socket]") {
    pair p;
    const std::array from{as_bytes("abc"), as_bytes(""), as_bytes("defgh")};
    CHECK(p.a.write_some(std::span<const std::span<const std::byte>>(from), p.ec) == 8);
    tests::bytes first(2);
    tests::bytes second(4);
    const std::array into{std::span(first), std::span(second)};
    CHECK(p.b.read_some(std::span<const std::span<std::byte>>(into), p.ec) == 6);
    CHECK(as_text(first) + as_text(second) == "abcdef");
    CHECK(p.net.a().calls().writes == 1);
    p.net.a().script({.write_chunk = 4});
    CHECK(p.a.write_some(std::span<const std::span<const std::byte>>(from), p.ec) == 4);
    CHECK(get(p.b).text == "ghabcd");
}

TEST_CASE("memory socket: empty ranges move nothing", "[memory_socket]") {
    pair p;
    CHECK(at_eof(get(p.a, 0)));
    CHECK(at_eof(put(p.a, "")));
    CHECK(p.net.a().log().empty());
}

TEST_CASE("memory socket: a full buffer blocks until it is read", "[memory_socket]") {
    pair p({.capacity_a_to_b = 4});
    CHECK(put(p.a, "abcdef").count == 4);
    CHECK(would_block(put(p.a, "ef")));
    CHECK(get(p.b, 1).text == "a");
    CHECK(put(p.a, "ef").count == 1);
    CHECK(put(p.b, "any amount").count == 10);

    pair q({.capacity_b_to_a = 3});
    CHECK(put(q.a, "any amount").count == 10);
    CHECK(put(q.b, "abcdef").count == 3);
}

TEST_CASE("memory socket: closing by TCP's rules", "[memory_socket]") {
    pair p;

    SECTION("FIN comes after what was sent, and the other direction goes on") {
        put(p.a, "last");
        p.a.shutdown(shutdown_mode::write, p.ec);
        CHECK_FALSE(p.ec);
        CHECK(get(p.b).text == "last");
        CHECK(at_eof(get(p.b)));
        CHECK(at_eof(get(p.b)));
        CHECK(put(p.b, "still").count == 5);
        CHECK(get(p.a).text == "still");
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        p.a.shutdown(shutdown_mode::write, p.ec);
        CHECK_FALSE(p.ec);
        CHECK(tests::to_string(p.net.a().log()) == "write 4, shutdown write, read 5, error Broken pipe, shutdown write");
    }
    SECTION("SHUT_RD gives what there is, then 0") {
        put(p.b, "here");
        p.a.shutdown(shutdown_mode::read, p.ec);
        CHECK(get(p.a).text == "here");
        CHECK(at_eof(get(p.a)));
        CHECK(put(p.a, "x").count == 1);
        CHECK(put(p.b, "later").count == 5);
        CHECK(get(p.a).text == "later");
    }
    SECTION("closing with nothing unread is a FIN; writing to the closed end brings back a reset") {
        put(p.a, "bye");
        p.a.close(p.ec);
        CHECK(p.net.a().closed());
        CHECK(get(p.b).text == "bye");
        CHECK(put(p.b, "into the void").count == 13);
        CHECK(at_eof(get(p.b)));
        CHECK(is_system(put(p.b, "x").ec, std::errc::broken_pipe));
        CHECK(p.net.a().wire_text() == "other, close");
    }
    SECTION("twice is harmless, and a closed end refuses") {
        p.a.close(p.ec);
        p.a.close(p.ec);
        CHECK_FALSE(p.ec);
        CHECK(is_system(get(p.a).ec, std::errc::bad_file_descriptor));
        CHECK(is_system(put(p.a, "x").ec, std::errc::bad_file_descriptor));
        p.a.shutdown(shutdown_mode::both, p.ec);
        CHECK(is_system(p.ec, std::errc::bad_file_descriptor));
        CHECK(p.net.a().calls().closes == 1);
    }
    SECTION("abort and the destructor close, under names of their own") {
        p.a.abort();
        {
            const auto gone = std::move(p.b);
        }
        CHECK(tests::to_string(p.net.a().log()) == "abort");
        CHECK(tests::to_string(p.net.b().log()) == "destroyed");
    }
    SECTION("a moved socket goes on, and the one moved from refuses") {
        tests::memory_socket moved = std::move(p.a);
        CHECK(put(moved, "x").count == 1);
        CHECK(is_system(put(p.a, "x").ec, std::errc::bad_file_descriptor));
        p.a.close(p.ec);
        CHECK_FALSE(p.ec);
        CHECK(p.a.now() == tests::memory_socket::time_point());
        CHECK_FALSE(p.net.a().closed());
        p.b = std::move(moved);
        CHECK(p.net.b().closed());
        CHECK_FALSE(p.net.a().closed());
    }
    SECTION("the socket of an end exists once") { CHECK_THROWS_AS(p.net.a().socket(), std::logic_error); }
}

TEST_CASE("memory socket: closing with bytes unread resets the other end", "[memory_socket]") {
    using tests::unread_close;
    const auto closed_early = [](unread_close how) {
        pair p({.on_unread_close = how});
        put(p.a, "do not lose me");
        put(p.b, "never read");
        p.a.close(p.ec);
        std::vector<result> got;
        for (int i = 0; i < 3; ++i) got.push_back(get(p.b));
        got.push_back(put(p.b, "x"));
        return std::pair(got, p.net.a().wire_text());
    };

    SECTION("and loses what it had not read") {
        const auto [got, wire] = closed_early(unread_close::reset_and_lose);
        CHECK(is_system(got[0].ec, std::errc::connection_reset));
        CHECK(at_eof(got[1]));
        CHECK(is_system(got[3].ec, std::errc::broken_pipe));
        CHECK(wire == "other, RST, close");
    }
    SECTION("or lets it read first") {
        const auto [got, wire] = closed_early(unread_close::reset);
        CHECK(got[0].text == "do not lose me");
        CHECK(is_system(got[1].ec, std::errc::connection_reset));
        CHECK(at_eof(got[2]));
        CHECK(wire == "other, RST, close");
    }
    SECTION("or is forgiven") {
        const auto [got, wire] = closed_early(unread_close::fin);
        CHECK(got[0].text == "do not lose me");
        CHECK(at_eof(got[1]));
        CHECK(got[3].count == 1);
        CHECK(wire == "other, close");
    }
}

TEST_CASE("memory socket: a reset by hand", "[memory_socket]") {
    pair p;
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

TEST_CASE("memory socket: blocking runs the pump, then virtual time", "[memory_socket]") {
    tests::network net({.capacity_a_to_b = 4});
    auto a = net.a().socket();
    auto b = net.b().socket();
    b.non_blocking(true);
    const auto start = net.now();
    CHECK(a.now() == start);

    SECTION("the pump lets the other end act") {
        net.a().pump([&] { put(b, "pumped"); });
        CHECK(get(a).text == "pumped");
        CHECK(net.now() == start);
    }
    SECTION("a pump that needs several rounds is run again") {
        int rounds = 0;
        net.a().pump([&] {
            get(b, 1);
            if (++rounds == 4) put(b, "done");
        });
        CHECK(put(a, "full").count == 4);
        CHECK(get(a).text == "done");
        CHECK(rounds == 4);
    }
    SECTION("a write waits for room") {
        CHECK(put(a, "full").count == 4);
        net.a().pump([&] { get(b, 3); });
        CHECK(put(a, "more").count == 3);
    }
    SECTION("the deadline is reached without waiting for it") {
        a.read_expires_at(start + 5s);
        const auto r = get(a);
        CHECK(r.ec == std::make_error_code(std::errc::timed_out));
        CHECK(r.ec.category() == std::generic_category());
        CHECK(net.now() == start + 5s);
        CHECK(tests::to_string(net.a().log()) == "error " + r.ec.message());
        CHECK(net.a().log().back().time == start + 5s);
    }
    SECTION("reading and writing have deadlines of their own") {
        put(a, "full");
        a.read_expires_at(start + 5s);
        a.write_expires_at(start + 2s);
        CHECK(put(a, "x").ec == std::make_error_code(std::errc::timed_out));
        CHECK(net.now() == start + 2s);
        CHECK(get(a).ec == std::make_error_code(std::errc::timed_out));
        CHECK(net.now() == start + 5s);
    }
    SECTION("a deadline that has passed lets a call do what it can, and runs no pump") {
        bool pumped = false;
        net.a().pump([&] { pumped = true; });
        a.read_expires_at(start - 1s);
        CHECK(get(a).ec == std::errc::timed_out);
        put(b, "here");
        CHECK(get(a).text == "here");
        CHECK_FALSE(pumped);
        CHECK(net.now() == start);
    }
    SECTION("what was set on the clock happens meanwhile, exactly at the deadline included") {
        net.clock().call_after(5s, [&] { put(b, "just in time"); });
        a.read_expires_at(start + 5s);
        CHECK(get(a).text == "just in time");
        net.clock().call_after(1s + 1ns, [&] { put(b, "late"); });
        a.read_expires_at(start + 6s);
        CHECK(get(a).ec == std::errc::timed_out);
        CHECK(net.now() == start + 6s);
        a.read_expires_at(tls::never);
        CHECK(get(a).text == "late");
    }
    SECTION("a pump may take time") {
        net.a().pump([&] { net.clock().advance(1s); });
        a.read_expires_at(start + 3s + 500ms);
        CHECK(get(a).ec == std::errc::timed_out);
        CHECK(net.now() == start + 4s);
    }
    SECTION("what can never end is a failure of the test") {
        CHECK_THROWS_AS(get(a), tests::deadlock);
        net.a().pump([] {});
        CHECK_THROWS_AS(get(a), tests::deadlock);
    }
    SECTION("so is a pump that moves something else for ever") {
        tests::network busy({.capacity_a_to_b = 1, .max_rounds = 1'000});
        auto c = busy.a().socket();
        auto d = busy.b().socket();
        put(c, "x");
        c.write_expires_at(busy.now() + 1s);
        int rounds = 0;
        busy.a().pump([&] {
            put(d, "y");
            ++rounds;
        });
        CHECK_THROWS_AS(put(c, "x"), tests::deadlock);
        CHECK(rounds == 1'000);
    }
    SECTION("what the pump throws comes out, and the end is as good as before") {
        net.a().pump([] { throw std::runtime_error("from the pump"); });
        CHECK_THROWS_AS(get(a), std::runtime_error);
        net.a().pump([&] { put(b, "again"); });
        CHECK(get(a).text == "again");
    }
    SECTION("an end that does not block runs no pump") {
        net.a().pump([&] { put(b, "x"); });
        a.non_blocking(true);
        a.read_expires_at(start + 5s);
        CHECK(would_block(get(a)));
        CHECK(net.now() == start);
    }
    SECTION("an end closed by its own pump") {
        std::error_code ec;
        net.a().pump([&] { a.close(ec); });
        CHECK(is_system(get(a).ec, std::errc::bad_file_descriptor));
    }
}

TEST_CASE("memory socket: waiting for either direction", "[memory_socket]") {
    tests::network net({.capacity_a_to_b = 2});
    auto a = net.a().socket();
    auto b = net.b().socket();
    b.non_blocking(true);
    const auto start = net.now();
    std::error_code ec;
    a.wait_either(start + 1s, ec);
    CHECK_FALSE(ec);
    put(a, "ab");

    SECTION("nothing") {
        a.wait_either(start + 1s, ec);
        CHECK(ec == std::make_error_code(std::errc::timed_out));
        CHECK(net.now() == start + 1s);
        CHECK(net.a().calls().waits == 2);
    }
    SECTION("readable") {
        net.a().pump([&] { put(b, "x"); });
    }
    SECTION("writable") {
        net.a().pump([&] { get(b, 1); });
    }
    SECTION("ended") {
        net.a().pump([&] { b.shutdown(shutdown_mode::write, ec); });
    }
    SECTION("reset") {
        net.a().pump([&] { net.b().reset(); });
    }
    SECTION("F05 spurious") {
        net.a().script({.spurious_waits = 1});
        a.read_expires_at(start);
        a.wait_either(start + 1s, ec);
        CHECK_FALSE(ec);
        CHECK(get(a).ec == std::errc::timed_out);
        a.wait_either(start + 1s, ec);
        CHECK(ec == std::errc::timed_out);
        return;
    }
    if (net.now() == start) {
        a.wait_either(start + 1s, ec);
        CHECK_FALSE(ec);
        CHECK(net.now() == start);
    }
}

TEST_CASE("memory socket: a plain socket blocks by its pump alone", "[memory_socket]") {
    tests::network net;
    auto a = net.a().socket<features::none>();
    auto b = net.b().socket<features::none>();
    net.a().pump([&] { put(b, "ok"); });
    CHECK(get(a).text == "ok");
    CHECK_THROWS_AS(get(b), tests::deadlock);
    b.non_blocking(true);
    CHECK(would_block(get(b)));
}

TEST_CASE("memory socket: faults by the number of a call", "[memory_socket]") {
    pair p;
    auto a_end = p.net.a();
    put(p.b, "incoming");

    SECTION("chunks") {
        a_end.script(tests::chunked(3));
        CHECK(get(p.a).text == "inc");
        CHECK(put(p.a, "outgoing").count == 3);
    }
    SECTION("a storm blocks once before each call") {
        a_end.script(tests::storm());
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 2).text == "in");
        CHECK(would_block(put(p.a, "x")));
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 2).text == "co");
        CHECK(put(p.a, "x").count == 1);
        CHECK(tests::to_string(a_end.log()) == "read 2*2, write 1");
        CHECK(a_end.calls().io == 6);
    }
    SECTION("a storm of EINTR") {
        a_end.script(tests::storm(std::errc::interrupted));
        CHECK(get(p.a).ec == std::errc::interrupted);
        CHECK(get(p.a).text == "incoming");
    }
    SECTION("one read, counted from the first that there was") {
        get(p.a, 1);
        a_end.script(tests::at_call(call_kind::read, 2, outcome::would_block()));
        CHECK(get(p.a, 1).text == "n");
        put(p.a, "x");
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 1).text == "c");
    }
    SECTION("one write") {
        a_end.script(tests::at_call(call_kind::write, 1, outcome::interrupted()));
        get(p.a, 1);
        CHECK(put(p.a, "x").count == 1);
        CHECK(is_system(put(p.a, "x").ec, std::errc::interrupted));
        CHECK(put(p.a, "x").count == 1);
        CHECK(get(p.b).text == "xx");
    }
    SECTION("one call of either kind") {
        a_end.script(tests::at_call(call_kind::io, 1, outcome::would_block()));
        CHECK(put(p.a, "x").count == 1);
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 1).count == 1);
    }
    SECTION("every call") {
        a_end.script(tests::at_call(call_kind::read, tests::every_call, outcome::would_block()));
        for (int i = 0; i < 5; ++i) CHECK(would_block(get(p.a)));
        CHECK(put(p.a, "x").count == 1);
    }
    SECTION("several faults") {
        a_end.script({.calls = {{call_kind::read, 0, outcome::would_block()}, {call_kind::write, 1, outcome::zero()}}});
        CHECK(would_block(get(p.a)));
        CHECK(put(p.a, "x").count == 1);
        CHECK(at_eof(put(p.a, "x")));
        CHECK(get(p.a).text == "incoming");
    }
    SECTION("end of stream, for good") {
        a_end.script(tests::at_call(call_kind::read, 1, outcome::end_of_stream()));
        CHECK(get(p.a, 2).text == "in");
        CHECK(at_eof(get(p.a)));
        put(p.b, "more");
        CHECK(at_eof(get(p.a)));
        CHECK(put(p.a, "x").count == 1);
        CHECK(tests::to_string(a_end.log()) == "read 2, eof*2, write 1");
    }
    SECTION("reset on reading, for both ends") {
        a_end.script(tests::at_call(call_kind::read, 1, outcome::reset()));
        put(p.a, "got out");
        CHECK(get(p.a, 2).text == "in");
        CHECK(is_system(get(p.a).ec, std::errc::connection_reset));
        CHECK(at_eof(get(p.a)));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(get(p.b).text == "got out");
        CHECK(is_system(get(p.b).ec, std::errc::connection_reset));
        p.a.close(p.ec);
        CHECK_FALSE(p.ec);
    }
    SECTION("reset on writing") {
        a_end.script(tests::at_call(call_kind::write, 0, outcome::reset()));
        CHECK(is_system(put(p.a, "x").ec, std::errc::connection_reset));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(at_eof(get(p.a)));
        CHECK(a_end.bytes_sent() == 0);
    }
    SECTION("F09 EPIPE on writing leaves what can be read") {
        a_end.script(tests::at_call(call_kind::write, 0, outcome::broken_pipe()));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(get(p.a).text == "incoming");
        CHECK(would_block(get(p.a)));
        p.a.close(p.ec);
        CHECK(at_eof(get(p.b)));
    }
    SECTION("F12 an unknown error, once") {
        a_end.script(tests::at_call(call_kind::read, 0, outcome::unknown_error()));
        CHECK(std::string_view(get(p.a).ec.category().name()) == "tests.unknown");
        CHECK(get(p.a).text == "incoming");
        CHECK(tests::to_string(a_end.log()) == "error unheard-of error 4711, read 8");
    }
    SECTION("F12 an exception, once") {
        a_end.script({.calls = {{call_kind::write, 0, outcome::exception()},
                                {call_kind::read, 0, outcome::exception(std::make_exception_ptr(std::out_of_range("mine")))}}});
        CHECK_THROWS_AS(put(p.a, "x"), tests::injected_exception);
        CHECK_THROWS_AS(get(p.a), std::out_of_range);
        CHECK(put(p.a, "x").count == 1);
        CHECK(get(p.a).text == "incoming");
    }
    SECTION("F10 a write of nothing, F11 a count that cannot be") {
        a_end.script({.calls = {{call_kind::write, 0, outcome::zero()},
                                {call_kind::write, 1, outcome::excess()},
                                {call_kind::read, 0, outcome::excess(1000)}}});
        CHECK(at_eof(put(p.a, "abc")));
        CHECK(put(p.a, "abc").count == 4);
        CHECK(get(p.a, 5).count == 1005);
        CHECK(a_end.bytes_sent() == 0);
        CHECK(a_end.bytes_received() == 0);
    }
    SECTION("shutdown and close") {
        a_end.script({.calls = {{call_kind::shutdown, 0, outcome::unknown_error()},
                                {call_kind::close, 0, outcome::error(std::make_error_code(std::errc::io_error))}}});
        p.a.shutdown(shutdown_mode::write, p.ec);
        CHECK(p.ec == outcome::unknown_error().code());
        CHECK(would_block(get(p.b)));
        p.a.shutdown(shutdown_mode::write, p.ec);
        CHECK_FALSE(p.ec);
        CHECK(at_eof(get(p.b)));
        CHECK(get(p.a).text == "incoming");
        p.a.close(p.ec);
        CHECK(p.ec == std::errc::io_error);
        CHECK(a_end.closed());
    }
}

TEST_CASE("memory socket: faults by the offset of a byte", "[memory_socket]") {
    pair p;
    auto a_end = p.net.a();
    put(p.b, "incoming");

    for (std::size_t at = 0; at <= 8; ++at) {
        DYNAMIC_SECTION("EOF at " << at) {
            a_end.script({.input_ends_at = at});
            if (at > 0) CHECK(get(p.a).text == std::string("incoming").substr(0, at));
            CHECK(at_eof(get(p.a)));
            CHECK(at_eof(get(p.a)));
            CHECK(put(p.a, "x").count == 1);
        }
        DYNAMIC_SECTION("reset at " << at) {
            a_end.script({.input_resets_at = at});
            if (at > 0) CHECK(get(p.a).text == std::string("incoming").substr(0, at));
            CHECK(is_system(get(p.a).ec, std::errc::connection_reset));
            CHECK(at_eof(get(p.a)));
            CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        }
        DYNAMIC_SECTION("EPIPE at " << at) {
            a_end.script({.output_breaks_at = at});
            if (at > 0) CHECK(put(p.a, "outgoing?").count == at);
            CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
            CHECK(get(p.a).text == "incoming");
        }
        DYNAMIC_SECTION("room for " << at) {
            a_end.script({.room = at});
            if (at > 0) CHECK(put(p.a, "outgoing?").count == at);
            CHECK(would_block(put(p.a, "x")));
            a_end.add_room(2);
            CHECK(put(p.a, "outgoing?").count == 2);
            CHECK(would_block(put(p.a, "x")));
        }
    }
    SECTION("a changed bit") {
        a_end.script({.flips = {{.offset = 2, .mask = std::byte{0x20}}, {.offset = 3}}});
        CHECK(get(p.a, 3).text == "inC");
        CHECK(get(p.a).text == "nming");
        CHECK(as_text(a_end.received()) == "inCnming");
        CHECK(as_text(p.net.b().sent()) == "incoming");
    }
    SECTION("a wait for room that the pump gives") {
        a_end.script({.room = 0});
        a_end.pump([&] { a_end.add_room(1); });
        p.a.non_blocking(false);
        CHECK(put(p.a, "xyz").count == 1);
    }
}

TEST_CASE("memory socket: records lost, doubled and moved", "[memory_socket]") {
    const auto through = [](std::vector<record_fault> script, std::size_t chunk) {
        pair p;
        p.net.a().script({.records = std::move(script)});
        p.net.b().script({.write_chunk = chunk});
        std::string all = record("zero") + record("1", 22) + record("") + record("three", 21) + "\x17\x03";
        while (!all.empty()) all.erase(0, put(p.b, all).count);
        p.b.shutdown(shutdown_mode::write, p.ec);
        const auto got = get(p.a, 1000).text;
        CHECK(at_eof(get(p.a)));
        return got;
    };
    using action = record_fault::action;
    const auto r0 = record("zero");
    const auto r1 = record("1", 22);
    const auto r2 = record("");
    const auto r3 = record("three", 21);
    const std::string rest = "\x17\x03";
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{4}, std::size_t{7}, tests::no_limit}) {
        CAPTURE(chunk);
        CHECK(through({}, chunk) == r0 + r1 + r2 + r3 + rest);
        CHECK(through({{action::drop, 1}}, chunk) == r0 + r2 + r3 + rest);
        CHECK(through({{action::duplicate, 0}}, chunk) == r0 + r0 + r1 + r2 + r3 + rest);
        CHECK(through({{action::swap, 1}}, chunk) == r0 + r2 + r1 + r3 + rest);
        CHECK(through({{action::swap, 3}}, chunk) == r0 + r1 + r2 + r3 + rest);
        CHECK(through({{action::replay, 0, 2}}, chunk) == r0 + r1 + r2 + r0 + r3 + rest);
        CHECK(through({{action::drop, 0}, {action::duplicate, 3}}, chunk) == r1 + r2 + r3 + r3 + rest);
    }

    SECTION("records are counted from the first, though the script comes later, in the midst of one") {
        pair p;
        put(p.b, r0 + r1.substr(0, 3));
        p.net.a().script({.records = {{action::drop, 1}, {action::drop, 2}}});
        put(p.b, r1.substr(3) + r2 + r3);
        CHECK(get(p.a).text == r0 + r1 + r3);
    }
}

TEST_CASE("memory socket: records and the view of the wire", "[memory_socket]") {
    const auto body = [](std::size_t size) { return std::string(size, 'x'); };
    const std::string wire =
        record(body(30), 22) + record("\x01", 20) + record(body(19)) + record(body(26), 21) + record(body(9)) + "\x17\x03\x03";

    const auto found = tests::records(as_bytes(wire));
    REQUIRE(found.size() == 6);
    CHECK(found[0].type == tests::record_type::handshake);
    CHECK(found[0].version == 0x0303);
    CHECK(found[0].length == 30);
    CHECK(found[1].offset == 35);
    CHECK(found[1].end() == 41);
    CHECK(tests::is_alert_sized(found[2]));
    CHECK(tests::is_alert_sized(found[3]));
    CHECK_FALSE(tests::is_alert_sized(found[4]));
    CHECK(found[4].complete);
    CHECK_FALSE(found[5].complete);
    CHECK(tests::records(as_bytes(wire.substr(0, 34)))[0].complete == false);
    CHECK(tests::records({}).empty());

    pair p;
    put(p.a, wire.substr(0, 60));
    CHECK(p.net.a().wire_text() == "handshake, ccs, partial");
    CHECK(p.net.a().wire_text(41) == "partial");
    CHECK(p.net.a().wire_text(42) == "");
    put(p.a, wire.substr(60));
    CHECK(p.net.a().wire_text(41) == "alert*2, data, other");

    pair q;
    put(q.a, record(body(30), 22));
    const auto handshake = q.net.a().bytes_sent();
    q.a.shutdown(shutdown_mode::read, q.ec);
    put(q.a, record("abc") + record("defg"));
    put(q.a, record("") + record(body(19)));
    q.a.shutdown(shutdown_mode::write, q.ec);
    q.a.shutdown(shutdown_mode::both, q.ec);
    q.a.close(q.ec);
    CHECK(q.net.a().wire_text() == "handshake, data*3, alert, FIN, close");
    CHECK(q.net.a().wire_text(handshake) == "data*3, alert, FIN, close");
    CHECK(tests::to_string(q.net.a().log()) ==
          "write 35, shutdown read, write 17, write 29, shutdown write, shutdown both, close");
    CHECK(q.net.a().wire_text(81) == "FIN, close");
    CHECK(q.net.a().log()[3].index == 3);
    CHECK(q.net.a().log()[3].sent == 81);

    pair early;
    early.a.shutdown(shutdown_mode::write, early.ec);
    CHECK(early.net.a().wire_text() == "FIN");
    CHECK(early.net.a().wire_text(1) == "");
}

TEST_CASE("memory socket: events are counted over both ends", "[memory_socket]") {
    pair p;
    put(p.a, "1");
    put(p.b, "2");
    p.net.clock().advance(3s);
    put(p.a, "3");
    CHECK(p.net.a().log()[0].index == 0);
    CHECK(p.net.b().log()[0].index == 1);
    CHECK(p.net.a().log()[1].index == 2);
    CHECK(p.net.a().log()[1].time - p.net.a().log()[0].time == 3s);
}

TEST_CASE("virtual clock: stands still, goes on, and calls in order", "[memory_socket]") {
    tests::virtual_clock clock;
    const auto start = clock.now();
    CHECK(clock.now() == start);
    CHECK(clock.next_call() == tls::never);
    std::string said;
    clock.call_after(2s, [&] { said += "2"; });
    clock.call_after(1s, [&] {
        said += "1";
        CHECK(clock.now() == start + 1s);
        clock.call_after(500ms, [&] { said += "+"; });
    });
    CHECK(clock.next_call() == start + 1s);
    clock.advance(1s - 1ns);
    CHECK(said.empty());
    clock.advance(5s);
    CHECK(said == "1+2");
    CHECK(clock.now() == start + 6s - 1ns);
    clock.advance(-1h);
    CHECK(clock.now() == start + 6s - 1ns);
    CHECK_THROWS_AS(clock.advance_to(tls::never), std::invalid_argument);
}

TEST_CASE("memory socket: two threads block for each other", "[memory_socket]") {
    tests::network net({.capacity_a_to_b = 7, .capacity_b_to_a = 5, .wait = tests::waiting::threads});
    auto a = net.a().socket();
    auto b = net.b().socket<features::none>();
    const std::string text(20'000, 'x');
    std::string got;
    std::string echoed;
    std::thread echo([&] {
        for (auto r = get(b); r.count != 0; r = get(b)) {
            got += r.text;
            while (!r.text.empty()) r.text.erase(0, put(b, r.text).count);
        }
        std::error_code ec;
        b.shutdown(shutdown_mode::write, ec);
    });
    std::size_t sent = 0;
    std::error_code ec;
    while (sent < text.size()) {
        sent += put(a, std::string_view(text).substr(sent, 5)).count;
        while (echoed.size() < sent) echoed += get(a).text;
    }
    a.shutdown(shutdown_mode::write, ec);
    CHECK(at_eof(get(a)));
    echo.join();
    CHECK(got == text);
    CHECK(echoed == text);
}

TEST_CASE("memory socket: deadlines in real time", "[memory_socket]") {
    tests::network net({.wait = tests::waiting::threads});
    auto a = net.a().socket();
    const auto start = std::chrono::steady_clock::now();
    a.read_expires_at(start + 20ms);
    CHECK(get(a).ec == std::make_error_code(std::errc::timed_out));
    CHECK(std::chrono::steady_clock::now() >= start + 20ms);
    CHECK(a.now() >= start + 20ms);

    tests::network hopeless({.wait = tests::waiting::threads, .patience = 0s});
    auto c = hopeless.a().socket();
    CHECK_THROWS_AS(get(c), tests::deadlock);
}
