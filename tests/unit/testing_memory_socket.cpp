// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Memory sockets by themselves: bytes, the rules of TCP that closing depends on, and what each ability of a socket does.

#include <support/memory_ends.hpp>

#include <tls/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace testing = tls::testing;
using testing::socket_features;
using tests::as_bytes;
using tests::as_text;
using tests::at_eof;
using tests::get;
using tests::is_system;
using tests::moved;
using tests::open_pair;
using tests::put;
using tests::would_block;
using tls::shutdown_mode;

template <socket_features Has>
using socket_with = testing::basic_memory_socket<Has>;

static_assert(tls::vectored_socket<testing::memory_socket> && tls::deadline_socket<testing::memory_socket>);
static_assert(tls::clocked_socket<testing::memory_socket> && tls::pollable_socket<testing::memory_socket>);
static_assert(tls::abortable_socket<testing::memory_socket> && tls::non_blocking_socket<testing::memory_socket>);
static_assert(tls::socket<testing::plain_memory_socket>);
static_assert(!tls::vectored_socket<testing::plain_memory_socket> && !tls::deadline_socket<testing::plain_memory_socket>);
static_assert(!tls::clocked_socket<testing::plain_memory_socket> && !tls::pollable_socket<testing::plain_memory_socket>);
static_assert(!tls::abortable_socket<testing::plain_memory_socket> && !tls::non_blocking_socket<testing::plain_memory_socket>);
static_assert(!tls::vectored_socket<socket_with<socket_features::all - socket_features::vectored>>);
static_assert(tls::pollable_socket<socket_with<socket_features::all - socket_features::vectored>>);
static_assert(!tls::clocked_socket<socket_with<socket_features::all - socket_features::clock>>);
static_assert(tls::pollable_socket<socket_with<socket_features::all - socket_features::clock>>);
static_assert(!tls::pollable_socket<socket_with<socket_features::all - socket_features::polling>>);
static_assert(tls::clocked_socket<socket_with<socket_features::all - socket_features::polling>>);
static_assert(!tls::abortable_socket<socket_with<socket_features::all - socket_features::aborting>>);
static_assert(!tls::non_blocking_socket<socket_with<socket_features::all - socket_features::blocking_mode>>);
static_assert(tls::deadline_socket<socket_with<socket_features::deadlines>>);
static_assert(!tls::vectored_socket<socket_with<socket_features::deadlines>>);
static_assert(tls::vectored_socket<socket_with<socket_features::vectored>>);
static_assert(!tls::deadline_socket<socket_with<socket_features::vectored>>);
static_assert(has(socket_features::vectored | socket_features::clock, socket_features::clock));
static_assert(!has(socket_features::vectored, socket_features::vectored | socket_features::clock));
static_assert(!std::is_copy_constructible_v<testing::memory_socket> &&
              std::is_nothrow_move_assignable_v<testing::memory_socket>);

}  // namespace

TEST_CASE("memory socket: bytes arrive in order, and an empty queue would block", "[testing]") {
    open_pair p;
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
    CHECK(testing::to_string(p.net.a().log()) == "write 6, write 5, read 4");
    CHECK(p.net.a().calls().io == 3);
    CHECK(p.net.b().calls().reads == 4);
}

TEST_CASE("memory socket: a vectored call is one call", "[testing]") {
    open_pair p;
    const std::array from{as_bytes("abc"), as_bytes(""), as_bytes("defgh")};
    CHECK(p.a.write_some(std::span<const std::span<const std::byte>>(from), p.ec) == 8);
    testing::bytes first(2);
    testing::bytes second(4);
    const std::array into{std::span(first), std::span(second)};
    CHECK(p.b.read_some(std::span<const std::span<std::byte>>(into), p.ec) == 6);
    CHECK(as_text(first) + as_text(second) == "abcdef");
    CHECK(p.net.a().calls().writes == 1);
    p.net.a().script({.write_chunk = 4});
    CHECK(p.a.write_some(std::span<const std::span<const std::byte>>(from), p.ec) == 4);
    CHECK(get(p.b).text == "ghabcd");
}

TEST_CASE("memory socket: empty ranges move nothing", "[testing]") {
    open_pair p;
    CHECK(at_eof(get(p.a, 0)));
    CHECK(at_eof(put(p.a, "")));
    CHECK(p.net.a().log().empty());
}

TEST_CASE("memory socket: closing by TCP's rules", "[testing]") {
    open_pair p;

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
        CHECK(testing::to_string(p.net.a().log()) == "write 4, shutdown write, read 5, error Broken pipe, shutdown write");
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
        CHECK(testing::to_string(p.net.a().log()) == "abort");
        CHECK(testing::to_string(p.net.b().log()) == "destroyed");
    }
    SECTION("a moved socket goes on, and the one moved from refuses") {
        testing::memory_socket moved = std::move(p.a);
        CHECK(put(moved, "x").count == 1);
        CHECK(is_system(put(p.a, "x").ec, std::errc::bad_file_descriptor));
        p.a.close(p.ec);
        CHECK_FALSE(p.ec);
        CHECK(p.a.now() == testing::memory_socket::time_point());
        CHECK_FALSE(p.net.a().closed());
        p.b = std::move(moved);
        CHECK(p.net.b().closed());
        CHECK_FALSE(p.net.a().closed());
    }
}

TEST_CASE("memory socket: closing with bytes unread resets the other end", "[testing]") {
    using testing::unread_close;
    const auto closed_early = [](unread_close how) {
        open_pair p({.on_unread_close = how});
        put(p.a, "do not lose me");
        put(p.b, "never read");
        p.a.close(p.ec);
        std::vector<moved> got;
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

TEST_CASE("memory socket: waiting for either direction", "[testing]") {
    testing::memory_network net({.capacity_a_to_b = 2});
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

TEST_CASE("memory socket: a plain socket blocks by its pump alone", "[testing]") {
    testing::memory_network net;
    auto a = net.a().socket<socket_features::none>();
    auto b = net.b().socket<socket_features::none>();
    net.a().pump([&] { put(b, "ok"); });
    CHECK(get(a).text == "ok");
    CHECK_THROWS_AS(get(b), testing::deadlock);
    b.non_blocking(true);
    CHECK(would_block(get(b)));
}

TEST_CASE("memory socket: says whether it blocks", "[testing]") {
    testing::memory_network net;
    auto a = net.a().socket();
    const auto b = net.b().non_blocking_socket<socket_features::blocking_mode>();
    CHECK_FALSE(a.non_blocking());
    CHECK(b.non_blocking());
    a.non_blocking(true);
    CHECK(a.non_blocking());
    CHECK(would_block(get(a)));
    CHECK_FALSE(testing::memory_socket().non_blocking());
}
