// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// tcp_socket on connected sockets; tcp_connect.cpp and tcp_listener.cpp test how one comes to be.

#include <tls/tcp.hpp>

#include "support/tcp_tools.hpp"

#include <catch2/catch_test_macros.hpp>

#include <dlfcn.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::timed_out;
using tests::would_block;

namespace {

// While it is set, poll(2) says that everything is ready.
std::atomic<bool> poll_lies{false};

}  // namespace

extern "C" int poll(::pollfd* polled, ::nfds_t count, int timeout) {
    using poll_call = int(::pollfd*, ::nfds_t, int);
    static auto* const really = reinterpret_cast<poll_call*>(::dlsym(RTLD_NEXT, "poll"));
    if (!poll_lies) return really(polled, count, timeout);
    for (::nfds_t i = 0; i != count; ++i) polled[i].revents = polled[i].events;
    return static_cast<int>(count);
}

namespace {

static_assert(tls::socket<tls::tcp_socket>);
static_assert(tls::vectored_socket<tls::tcp_socket>);
static_assert(tls::deadline_socket<tls::tcp_socket>);
static_assert(tls::pollable_socket<tls::tcp_socket>);
static_assert(tls::abortable_socket<tls::tcp_socket>);
static_assert(!tls::clocked_socket<tls::tcp_socket>);
static_assert(std::is_nothrow_move_constructible_v<tls::tcp_socket> && std::is_nothrow_move_assignable_v<tls::tcp_socket>);
static_assert(!std::is_copy_constructible_v<tls::tcp_socket> && !std::is_copy_assignable_v<tls::tcp_socket>);
static_assert(!std::is_convertible_v<int, tls::tcp_socket>);

template <class Point>
concept takes_deadline = requires(tls::tcp_socket& s, Point when) { s.read_expires_at(when); } ||
                         requires(tls::tcp_socket& s, Point when) { s.write_expires_at(when); } ||
                         requires(tls::tcp_socket& s, Point when, std::error_code& ec) { s.wait_either(when, ec); } ||
                         requires(Point when, std::error_code& ec) { tls::tcp_socket::connect("h", 1, when, ec); };

std::error_code system_error(int number) { return {number, std::system_category()}; }

bool is_open_descriptor(int number) { return ::fcntl(number, F_GETFD) != -1; }

// What a call reports that has an error code.
template <class Call>
std::error_code code_of(Call call) {
    auto ec = std::make_error_code(std::errc::owner_dead);  // so that a call which forgets to clear it shows
    call(ec);
    return ec;
}

// What the same call throws.
template <class Call>
std::error_code thrown_by(Call call) {
    try {
        call();
    } catch (const tls::error& e) {
        return e.code();
    }
    return {};
}

template <class Bytes>
std::span<const std::byte> bytes(const Bytes& range) {
    return std::as_bytes(std::span(range));
}

// Every member of an empty socket: the refusal by name, or nothing at all.
void check_empty(tls::tcp_socket& socket) {
    std::array<char, 4> room{};
    const std::array<std::span<std::byte>, 1> into{std::as_writable_bytes(std::span(room))};
    const std::array<std::span<const std::byte>, 1> from{bytes(room)};
    const std::error_code not_open = tls::errc::not_open;

    CHECK_FALSE(socket);
    CHECK_FALSE(socket.is_open());
    CHECK(socket.native_handle() == -1);
    CHECK(code_of([&](auto& ec) { CHECK(socket.read_some(room, ec) == 0); }) == not_open);
    CHECK(code_of([&](auto& ec) { CHECK(socket.read_some(into, ec) == 0); }) == not_open);
    CHECK(code_of([&](auto& ec) { CHECK(socket.write_some(room, ec) == 0); }) == not_open);
    CHECK(code_of([&](auto& ec) { CHECK(socket.write_some(from, ec) == 0); }) == not_open);
    CHECK(code_of([&](auto& ec) { socket.read_some(std::span<std::byte>(), ec); }) == not_open);
    CHECK(code_of([&](auto& ec) { socket.wait_either(tests::past(), ec); }) == not_open);
    CHECK(code_of([&](auto& ec) { socket.non_blocking(true, ec); }) == not_open);
    CHECK(code_of([&](auto& ec) { socket.shutdown(tls::shutdown_mode::both, ec); }) == not_open);
    CHECK(code_of([&](auto& ec) { (void)socket.local_endpoint(ec); }) == not_open);
    CHECK(code_of([&](auto& ec) { (void)socket.remote_endpoint(ec); }) == not_open);

    CHECK(thrown_by([&] { socket.read_some(room); }) == not_open);
    CHECK(thrown_by([&] { socket.read_some(into); }) == not_open);
    CHECK(thrown_by([&] { socket.write_some(room); }) == not_open);
    CHECK(thrown_by([&] { socket.write_some(from); }) == not_open);
    CHECK(thrown_by([&] { socket.wait_either(tests::past()); }) == not_open);
    CHECK(thrown_by([&] { socket.non_blocking(true); }) == not_open);
    CHECK(thrown_by([&] { socket.shutdown(tls::shutdown_mode::both); }) == not_open);
    CHECK(thrown_by([&] { (void)socket.local_endpoint(); }) == not_open);
    CHECK(thrown_by([&] { (void)socket.remote_endpoint(); }) == not_open);

    CHECK_FALSE(code_of([&](auto& ec) { socket.close(ec); }));
    CHECK_NOTHROW(socket.close());
    socket.abort();
    socket.interrupt();
    CHECK(socket.release() == -1);
}

}  // namespace

TEST_CASE("tcp_socket: reads what was written, one range at a time") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    CHECK(a.write_some("hello") == 5);
    CHECK(tests::read_text(b, 3) == "hel");
    CHECK(tests::read_text(b) == "lo");

    const std::array<std::byte, 2> two{std::byte{1}, std::byte{2}};
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(b.write_some(std::span(two), ec) == 2); }));
    std::array<std::byte, 8> room{};
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.read_some(std::span(room), ec) == 2); }));
    CHECK(room[0] == std::byte{1});
    CHECK(room[1] == std::byte{2});
}

TEST_CASE("tcp_socket: reads and writes several ranges in one call") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    const std::string first = "one ", second, third = "two";
    const std::array<std::span<const std::byte>, 3> from{bytes(first), bytes(second), bytes(third)};
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.write_some(from, ec) == 7); }));

    std::array<char, 2> head{};
    std::array<char, 16> body{};
    const std::array<std::span<std::byte>, 2> into{std::as_writable_bytes(std::span(head)),
                                                   std::as_writable_bytes(std::span(body))};
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(b.read_some(into, ec) == 7); }));
    CHECK(std::string(head.data(), 2) == "on");
    CHECK(std::string(body.data(), 5) == "e two");

    CHECK(a.write_some(from) == 7);
    CHECK(b.read_some(into) == 7);
}

TEST_CASE("tcp_socket: more ranges than one system call takes are a short count, from the front") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    const std::string letters = "abcdefghijklmnopqrstuvwxyz";
    std::vector<std::span<const std::byte>> from(40);  // empty ones do not use up the room
    for (const char& letter : letters) from.push_back(bytes(std::span(&letter, 1)));

    const std::size_t sent = a.write_some(from);
    CHECK(sent >= 16);
    CHECK(sent <= letters.size());
    CHECK(tests::read_text(b) == letters.substr(0, sent));
}

TEST_CASE("tcp_socket: an empty range does nothing, even where there is nothing to read or no room") {
    auto ab = tests::unix_pair();
    auto& a = ab.a;
    const std::array<std::span<std::byte>, 2> into{};
    const std::array<std::span<const std::byte>, 2> from{};
    tests::fill(a);
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.read_some(std::span<std::byte>(), ec) == 0); }));
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.read_some(into, ec) == 0); }));
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.read_some(std::span<const std::span<std::byte>>(), ec) == 0); }));
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.write_some(std::span<const std::byte>(), ec) == 0); }));
    CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.write_some(from, ec) == 0); }));
}

TEST_CASE("tcp_socket: the end of the stream is 0 without an error, each time, after everything that came before") {
    auto ab = tests::tcp_pair();
    auto &a = ab.a, &b = ab.b;
    a.write_some("last");
    a.close();
    CHECK(tests::read_text(b) == "last");
    std::array<char, 4> room{};
    for (int i = 0; i != 2; ++i) CHECK_FALSE(code_of([&](auto& ec) { CHECK(b.read_some(room, ec) == 0); }));
}

TEST_CASE("tcp_socket: an error of the system keeps its number") {
    auto ab = tests::tcp_pair();
    auto &a = ab.a, &b = ab.b;
    const ::linger at_once{1, 0};
    REQUIRE(::setsockopt(a.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    a.abort();
    std::array<char, 4> room{};
    b.read_expires_at(tests::patience());
    CHECK(code_of([&](auto& ec) { CHECK(b.read_some(room, ec) == 0); }) == system_error(ECONNRESET));
    CHECK(thrown_by([&] { b.write_some("x"); }) == system_error(EPIPE));
}

TEST_CASE("tcp_socket: the exception tells what could not be done") {
    tls::tcp_socket socket;
    try {
        socket.write_some("x");
        FAIL("an empty socket took a byte");
    } catch (const tls::error& e) {
        CHECK(std::string(e.what()).find("write") != std::string::npos);
        CHECK(e.code() == tls::errc::not_open);
        CHECK(e.bytes_transferred() == 0);
    }
}

TEST_CASE("tcp_socket: a deadline that has passed still lets a call do what it can without waiting") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    std::array<char, 8> room{};
    const std::array<std::span<std::byte>, 1> into{std::as_writable_bytes(std::span(room))};
    for (const auto when : {tests::past(), tests::clock::time_point::min(), tests::clock::time_point()}) {
        a.write_expires_at(when);
        b.read_expires_at(when);
        CHECK(code_of([&](auto& ec) { CHECK(b.read_some(room, ec) == 0); }) == timed_out);
        CHECK(code_of([&](auto& ec) { CHECK(b.read_some(into, ec) == 0); }) == timed_out);
        CHECK_FALSE(code_of([&](auto& ec) { CHECK(a.write_some("abc", ec) == 3); }));
        CHECK_FALSE(code_of([&](auto& ec) { CHECK(b.read_some(room, ec) == 3); }));
    }
    tests::fill(a);
    a.write_expires_at(tests::past());
    const std::array<std::span<const std::byte>, 1> from{bytes(room)};
    CHECK(code_of([&](auto& ec) { CHECK(a.write_some(room, ec) == 0); }) == timed_out);
    CHECK(code_of([&](auto& ec) { CHECK(a.write_some(from, ec) == 0); }) == timed_out);
    CHECK(thrown_by([&] { a.write_some(room); }) == timed_out);
}

TEST_CASE("tcp_socket: a call waits until its deadline, and no longer than that") {
    auto ab = tests::unix_pair();
    auto& a = ab.a;
    tests::fill(a);
    std::array<char, 8> room{};
    const auto deadline = tests::in(30ms);

    a.read_expires_at(deadline);
    CHECK(code_of([&](auto& ec) { a.read_some(room, ec); }) == timed_out);
    CHECK(tests::clock::now() >= deadline);
    CHECK(tests::clock::now() < deadline + 20s);

    const auto later = tests::in(30ms);
    a.write_expires_at(later);
    CHECK(code_of([&](auto& ec) { a.write_some(room, ec); }) == timed_out);
    CHECK(tests::clock::now() >= later);
    CHECK(tests::clock::now() < later + 20s);
}

TEST_CASE("tcp_socket: what comes before the deadline ends the wait") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    std::string got;
    b.read_expires_at(tests::patience());
    tests::waiting_thread reader([&] { got = tests::read_text(b); });
    a.write_some("now");
    reader.join();
    CHECK(got == "now");

    tests::fill(a);
    a.write_expires_at(tests::patience());
    std::size_t sent = 0;
    tests::waiting_thread writer([&] { sent = a.write_some("more"); });
    std::error_code ec;
    b.read_expires_at(tests::past());
    std::vector<char> sink(65536);
    while (!ec) b.read_some(sink, ec);
    writer.join();
    CHECK(sent == 4);
}

TEST_CASE("tcp_socket: `never` takes a deadline back") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    b.read_expires_at(tests::past());
    b.read_expires_at(tls::never);
    std::string got;
    tests::waiting_thread reader([&] { got = tests::read_text(b); });
    a.write_some("x");
    reader.join();
    CHECK(got == "x");
}

TEST_CASE("F05 tcp_socket: poll may promise what the next call does not find") {
    auto ab = tests::unix_pair();
    auto& a = ab.a;
    tests::fill(a);
    std::array<char, 8> room{};
    poll_lies = true;
    const auto deadline = tests::in(20ms);
    a.read_expires_at(deadline);
    const auto read = code_of([&](auto& ec) { a.read_some(room, ec); });
    a.write_expires_at(deadline);
    const auto written = code_of([&](auto& ec) { a.write_some(room, ec); });
    poll_lies = false;
    CHECK(read == timed_out);
    CHECK(written == timed_out);
    CHECK(tests::clock::now() >= deadline);
}

TEST_CASE("F04 tcp_socket: signals neither shorten nor stretch a deadline") {
    auto ab = tests::unix_pair();
    auto& a = ab.a;
    std::array<char, 8> room{};
    tests::fill(a);
    const tests::signal_storm storm;
    const auto expires = [](auto call) {
        const auto deadline = tests::in(100ms);
        const std::error_code ec = code_of([&](auto& code) { call(deadline, code); });
        const auto now = tests::clock::now();
        return ec == timed_out && now >= deadline && now < deadline + 20s;
    };
    CHECK(expires([&](auto deadline, auto& ec) {
        a.read_expires_at(deadline);
        a.read_some(room, ec);
    }));
    CHECK(expires([&](auto deadline, auto& ec) {
        a.write_expires_at(deadline);
        a.write_some(room, ec);
    }));
    CHECK(expires([&](auto deadline, auto& ec) { a.wait_either(deadline, ec); }));
    CHECK(tests::signal_storm::count() > 10);
}

TEST_CASE("F04 tcp_socket: signals do not end a call that waits without a deadline") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    tests::fill(b);
    const tests::signal_storm storm;

    auto writer = tests::signal_storm::afterwards([&] { b.shutdown(tls::shutdown_mode::write); });
    std::vector<char> sink(65536);
    std::error_code ec;
    while (a.read_some(sink, ec) != 0) {
    }
    writer.join();
    CHECK_FALSE(ec);

    tests::fill(a);
    tests::signal_storm::count() = 0;
    auto reader = tests::signal_storm::afterwards([&] {
        std::vector<char> drain(65536);
        b.read_expires_at(tests::past());
        std::error_code drained;
        while (!drained) b.read_some(drain, drained);
    });
    CHECK(code_of([&](auto& code) { CHECK(a.write_some("x", code) == 1); }) == std::error_code());
    reader.join();
}

TEST_CASE("tcp_socket: without blocking it never waits, whatever the deadline") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    a.non_blocking(true);
    CHECK(a.non_blocking());
    std::array<char, 8> room{};
    for (const auto when : {tls::never, tests::patience(), tests::past()}) {
        a.read_expires_at(when);
        CHECK(code_of([&](auto& ec) { CHECK(a.read_some(room, ec) == 0); }) == would_block);
    }
    b.write_some("abc");
    CHECK(a.read_some(room) == 3);

    std::error_code ec;
    const std::string block(65536, 'x');
    while (!ec) a.write_some(block, ec);
    CHECK(ec == would_block);
    CHECK(thrown_by([&] { a.write_some(block); }) == would_block);

    a.non_blocking(false);
    CHECK_FALSE(a.non_blocking());
    CHECK((::fcntl(a.native_handle(), F_GETFL) & O_NONBLOCK) == 0);
    a.read_expires_at(tests::in(5ms));
    CHECK(code_of([&](auto& code) { a.read_some(room, code); }) == timed_out);
}

TEST_CASE("tcp_socket: takes over a descriptor that does not block as what it is") {
    const auto [x, y] = tests::descriptor_pair(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
    tls::tcp_socket a(x);
    const tls::tcp_socket b(y);
    CHECK(a.non_blocking());
    std::array<char, 8> room{};
    CHECK(code_of([&](auto& ec) { a.read_some(room, ec); }) == would_block);
}

TEST_CASE("tcp_socket: its own word decides whether it blocks, not what others do to the descriptor") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    std::error_code ec;
    tls::detail::set_non_blocking(a.native_handle(), true, ec);
    REQUIRE_FALSE(ec);
    std::string got;
    tests::waiting_thread reader([&] { got = tests::read_text(a); });
    b.write_some("waited");
    reader.join();
    CHECK(got == "waited");

    a.non_blocking(true);
    tls::detail::set_non_blocking(a.native_handle(), false, ec);
    REQUIRE_FALSE(ec);
    std::array<char, 8> room{};
    CHECK(code_of([&](auto& code) { a.read_some(room, code); }) == would_block);
}

TEST_CASE("tcp_socket: wait_either waits for whichever direction comes first") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    CHECK_FALSE(code_of([&](auto& ec) { a.wait_either(tests::past(), ec); }));  // it can be written

    tests::fill(a);
    CHECK(code_of([&](auto& ec) { a.wait_either(tests::past(), ec); }) == timed_out);
    const auto deadline = tests::in(20ms);
    CHECK(code_of([&](auto& ec) { a.wait_either(deadline, ec); }) == timed_out);
    CHECK(tests::clock::now() >= deadline);
    CHECK(thrown_by([&] { a.wait_either(tests::past()); }) == timed_out);

    std::error_code readable = timed_out;
    tests::waiting_thread waiter([&] { a.wait_either(tests::patience(), readable); });
    b.write_some("x");
    waiter.join();
    CHECK_FALSE(readable);

    CHECK(tests::read_text(a) == "x");
    b.close();
    CHECK_FALSE(code_of([&](auto& ec) { a.wait_either(tests::patience(), ec); }));  // the end counts
}

TEST_CASE("tcp_socket: shutdown ends one direction or both") {
    auto ab = tests::tcp_pair();
    auto &a = ab.a, &b = ab.b;
    a.read_expires_at(tests::patience());
    b.read_expires_at(tests::patience());

    CHECK_FALSE(code_of([&](auto& ec) { a.shutdown(tls::shutdown_mode::write, ec); }));
    CHECK(tests::read_text(b).empty());
    CHECK(code_of([&](auto& ec) { a.write_some("x", ec); }) == system_error(EPIPE));
    b.write_some("still");
    CHECK(tests::read_text(a) == "still");

    CHECK_FALSE(code_of([&](auto& ec) { a.shutdown(tls::shutdown_mode::read, ec); }));
    CHECK(tests::read_text(a).empty());
}

TEST_CASE("tcp_socket: shutting down what both sides have ended is no error") {
    auto ab = tests::tcp_pair();
    auto &a = ab.a, &b = ab.b;
    a.shutdown(tls::shutdown_mode::write);
    b.shutdown(tls::shutdown_mode::both);
    a.read_expires_at(tests::patience());
    CHECK(tests::read_text(a).empty());
    CHECK_FALSE(code_of([&](auto& ec) { a.shutdown(tls::shutdown_mode::both, ec); }));
    CHECK_FALSE(code_of([&](auto& ec) { a.shutdown(tls::shutdown_mode::write, ec); }));
    CHECK_FALSE(code_of([&](auto& ec) { b.shutdown(tls::shutdown_mode::both, ec); }));
}

TEST_CASE("tcp_socket: close, abort and the destructor let go of the descriptor") {
    std::array<int, 3> numbers{};
    {
        auto ab = tests::unix_pair();
        auto &a = ab.a, &b = ab.b;
        auto cd = tests::unix_pair();
        auto& c = cd.a;
        numbers = {a.native_handle(), b.native_handle(), c.native_handle()};
        a.close();
        CHECK_FALSE(is_open_descriptor(numbers[0]));
        CHECK_FALSE(code_of([&](auto& ec) { a.close(ec); }));  // twice is harmless
        check_empty(a);
        CHECK(tests::read_text(b).empty());
        b.abort();
        b.abort();
        CHECK_FALSE(is_open_descriptor(numbers[1]));
        check_empty(b);
        CHECK(is_open_descriptor(numbers[2]));
    }
    CHECK_FALSE(is_open_descriptor(numbers[2]));
}

TEST_CASE("tcp_socket: empty by default, from a negative number, and after a move") {
    tls::tcp_socket none;
    check_empty(none);
    tls::tcp_socket negative(-7);
    check_empty(negative);

    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    const int number = a.native_handle();
    a.read_expires_at(tests::past());
    tls::tcp_socket moved(std::move(a));
    check_empty(a);  // NOLINT(bugprone-use-after-move)
    CHECK(moved.native_handle() == number);
    std::array<char, 8> room{};
    CHECK(code_of([&](auto& ec) { moved.read_some(room, ec); }) == timed_out);  // the deadline came along

    const int overwritten = b.native_handle();
    b = std::move(moved);
    check_empty(moved);  // NOLINT(bugprone-use-after-move)
    CHECK(b.native_handle() == number);
    CHECK_FALSE(is_open_descriptor(overwritten));

    tls::tcp_socket& same = b;
    b = std::move(same);
    CHECK(b.native_handle() == number);
    CHECK(is_open_descriptor(number));
}

TEST_CASE("tcp_socket: release gives the descriptor away, open and as it is") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    const int number = a.native_handle();
    CHECK(a.release() == number);
    check_empty(a);
    CHECK(is_open_descriptor(number));
    tls::tcp_socket again(number);
    again.write_some("x");
    CHECK(tests::read_text(b) == "x");
}

TEST_CASE("F78 tcp_socket: no SIGPIPE, whatever its disposition") {
    struct ::sigaction before{};
    struct ::sigaction deadly{};
    deadly.sa_handler = SIG_DFL;
    REQUIRE(::sigaction(SIGPIPE, &deadly, &before) == 0);
    for (const auto when : {tls::never, tests::patience()}) {
        auto ab = tests::unix_pair();
        auto &a = ab.a, &b = ab.b;
        b.close();
        a.write_expires_at(when);
        const std::string text = "x";
        const std::array<std::span<const std::byte>, 2> from{bytes(text), bytes(text)};
        CHECK(code_of([&](auto& ec) { CHECK(a.write_some(text, ec) == 0); }) == system_error(EPIPE));
        CHECK(code_of([&](auto& ec) { CHECK(a.write_some(from, ec) == 0); }) == system_error(EPIPE));
    }
    ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("F79 tcp_socket: after close nothing touches a descriptor that has the same number") {
    const std::array<void (*)(tls::tcp_socket&), 3> ways{[](tls::tcp_socket& socket) { socket.close(); },
                                                         [](tls::tcp_socket& socket) { socket.abort(); },
                                                         [](tls::tcp_socket& socket) { ::close(socket.release()); }};
    for (const auto let_go : ways) {
        auto socket_pair = tests::unix_pair();
        auto& socket = socket_pair.a;
        const int number = socket.native_handle();
        let_go(socket);
        auto foreign_pair = tests::unix_pair();
        auto &foreign = foreign_pair.a, &peer = foreign_pair.b;
        REQUIRE(foreign.native_handle() == number);  // the lowest free number
        check_empty(socket);
        CHECK(is_open_descriptor(number));
        peer.non_blocking(true);
        std::array<char, 8> room{};
        CHECK(code_of([&](auto& ec) { peer.read_some(room, ec); }) == would_block);  // neither bytes nor an end
    }
}

TEST_CASE("F80 tcp_socket: a failing close is told once, and closes nothing else") {
    auto ab = tests::unix_pair();
    auto &a = ab.a, &b = ab.b;
    REQUIRE(::close(a.native_handle()) == 0);
    CHECK(code_of([&](auto& ec) { a.close(ec); }) == system_error(EBADF));
    CHECK_FALSE(code_of([&](auto& ec) { a.close(ec); }));

    REQUIRE(::close(b.native_handle()) == 0);
    CHECK(thrown_by([&] { b.close(); }) == system_error(EBADF));
    CHECK_FALSE(b);
    CHECK_NOTHROW(b.close());

    auto cd = tests::unix_pair();
    auto& c = cd.a;
    const int number = c.release();
    CHECK_FALSE(code_of([&](auto& ec) { c.close(ec); }));
    CHECK(is_open_descriptor(number));
    ::close(number);
}

TEST_CASE("F80 tcp_socket: a descriptor that is none is refused by each call, with the system's word") {
    auto ab = tests::unix_pair();
    auto& a = ab.a;
    REQUIRE(::close(a.release()) == 0);
    const auto [x, y] = tests::descriptor_pair();
    ::close(x);
    const tls::tcp_socket peer(y);
    tls::tcp_socket bad(x);
    std::array<char, 8> room{};
    CHECK(code_of([&](auto& ec) { bad.read_some(room, ec); }) == system_error(EBADF));
    CHECK(code_of([&](auto& ec) { bad.write_some(room, ec); }) == system_error(EBADF));
    CHECK(code_of([&](auto& ec) { bad.shutdown(tls::shutdown_mode::both, ec); }) == system_error(EBADF));
    CHECK(code_of([&](auto& ec) { bad.non_blocking(true, ec); }) == system_error(EBADF));
    CHECK_FALSE(bad.non_blocking());
    CHECK(code_of([&](auto& ec) { (void)bad.local_endpoint(ec); }) == system_error(EBADF));
    CHECK(code_of([&](auto& ec) { bad.close(ec); }) == system_error(EBADF));
}

TEST_CASE("F81 tcp_socket: descriptors above 1023 work") {
    ::rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const ::rlimit enough{std::max<::rlim_t>(before.rlim_cur, 2100), before.rlim_max};
    if (before.rlim_max < 2100 || ::setrlimit(RLIMIT_NOFILE, &enough) != 0) SKIP("this many descriptors are not allowed here");
    {
        auto low_pair = tests::unix_pair();
        auto &low = low_pair.a, &b = low_pair.b;
        tls::tcp_socket a(::fcntl(low.native_handle(), F_DUPFD_CLOEXEC, 2000));
        low.close();
        REQUIRE(a.native_handle() >= 2000);
        std::array<char, 8> room{};
        a.read_expires_at(tests::in(5ms));
        CHECK(code_of([&](auto& ec) { a.read_some(room, ec); }) == timed_out);
        a.read_expires_at(tests::patience());
        std::string got;
        tests::waiting_thread reader([&] { got = tests::read_text(a); });
        b.write_some("high");
        reader.join();
        CHECK(got == "high");
        CHECK_FALSE(code_of([&](auto& ec) { a.wait_either(tests::patience(), ec); }));
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("F82 tcp_socket: only a clock that never jumps can make a deadline") {
    STATIC_CHECK(takes_deadline<std::chrono::steady_clock::time_point>);
    STATIC_CHECK_FALSE(takes_deadline<std::chrono::system_clock::time_point>);
}

TEST_CASE("tcp_socket: interrupt wakes a call that waits") {
    for (const auto when : {tls::never, tests::patience()}) {
        auto ab = tests::tcp_pair();
        auto &a = ab.a, &b = ab.b;
        a.read_expires_at(when);
        std::optional<std::size_t> count;
        std::error_code ec = timed_out;
        std::array<char, 8> room{};
        tests::waiting_thread reader([&] { count = a.read_some(room, ec); });
        a.interrupt();
        reader.join();
        CHECK(count == 0);
        CHECK_FALSE(ec);
        CHECK(a.is_open());  // shut down, not closed
        CHECK(tests::read_text(b).empty());
    }
    for (const auto when : {tls::never, tests::patience()}) {
        auto ab = tests::tcp_pair();
        auto& a = ab.a;
        tests::fill(a);
        a.write_expires_at(when);
        std::error_code ec;
        tests::waiting_thread writer([&] { a.write_some("x", ec); });
        a.interrupt();
        writer.join();
        CHECK(ec == system_error(EPIPE));
    }
}

TEST_CASE("tcp_socket: interrupt keeps errno, as a signal handler must") {
    tls::tcp_socket lonely(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::shutdown(lonely.native_handle(), SHUT_RDWR) != 0);  // what interrupt() calls does fail
    errno = EDOM;
    lonely.interrupt();
    CHECK(errno == EDOM);
}

TEST_CASE("F79 tcp_socket: interrupt from another thread never reaches a descriptor that was opened after close") {
    int reused = 0;
    int harmed = 0;
    for (int i = 0; i != 200; ++i) {
        auto socket_pair = tests::unix_pair();
        auto& socket = socket_pair.a;
        const int number = socket.native_handle();
        std::atomic<int> calls{0};
        std::atomic<bool> done{false};
        std::thread other([&] {
            while (!done) {
                socket.interrupt();
                ++calls;
            }
        });
        while (calls == 0) std::this_thread::yield();
        socket.close();
        auto foreign_pair = tests::unix_pair();
        auto& foreign = foreign_pair.a;
        reused += foreign.native_handle() == number;
        for (const int seen = calls; calls < seen + 2;) std::this_thread::yield();
        done = true;
        other.join();
        std::error_code ec;
        foreign.write_some("x", ec);
        harmed += static_cast<bool>(ec);
    }
    CHECK(reused > 0);
    CHECK(harmed == 0);
}

TEST_CASE("tcp_socket: endpoints of TCP over IPv4 and IPv6") {
    for (const std::string address : {"127.0.0.1", "::1"}) {
        tls::tcp_listener listener(address, 0);
        const auto a = tls::tcp_socket::connect(address, listener.port(), tests::patience());
        const auto b = listener.accept(tests::patience());
        CHECK(a.remote_endpoint() == tls::endpoint{address, listener.port()});
        CHECK(a.local_endpoint() == b.remote_endpoint());
        CHECK(a.local_endpoint().port != listener.port());
        CHECK_FALSE(code_of([&](auto& ec) { CHECK(b.local_endpoint(ec) == a.remote_endpoint()); }));
    }
}

TEST_CASE("tcp_socket: endpoints of AF_UNIX sockets") {
    const auto [x, y] = tests::descriptor_pair();
    const tls::tcp_socket a(x), b(y);
    CHECK(a.local_endpoint() == tls::endpoint{});

    std::string directory = (std::filesystem::temp_directory_path() / "tls-stream-XXXXXX").string();
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    const std::string path = directory + "/socket";
    ::sockaddr_un name{};
    name.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof name.sun_path);
    std::memcpy(name.sun_path, path.data(), path.size());
    const tls::tcp_socket listener(::socket(AF_UNIX, SOCK_STREAM, 0));
    const tls::tcp_socket client(::socket(AF_UNIX, SOCK_STREAM, 0));
    REQUIRE(::bind(listener.native_handle(), reinterpret_cast<const ::sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(::listen(listener.native_handle(), 1) == 0);
    REQUIRE(::connect(client.native_handle(), reinterpret_cast<const ::sockaddr*>(&name), sizeof name) == 0);
    CHECK(client.remote_endpoint() == tls::endpoint{path, 0});
    CHECK(to_string(client.remote_endpoint()) == path);
    std::filesystem::remove_all(directory);
}

TEST_CASE("tcp_socket: a socket that is not connected has no remote endpoint") {
    const tls::tcp_socket lonely(::socket(AF_INET, SOCK_STREAM, 0));
    CHECK(code_of([&](auto& ec) { (void)lonely.remote_endpoint(ec); }) == system_error(ENOTCONN));
    CHECK(thrown_by([&] { (void)lonely.remote_endpoint(); }) == system_error(ENOTCONN));
}

TEST_CASE("endpoint: as text") {
    CHECK(to_string(tls::endpoint{"127.0.0.1", 443}) == "127.0.0.1:443");
    CHECK(to_string(tls::endpoint{"::1", 443}) == "[::1]:443");
    CHECK(to_string(tls::endpoint{"fe80::1%lo", 1}) == "[fe80::1%lo]:1");
    CHECK(to_string(tls::endpoint{"/run/socket", 0}) == "/run/socket");
    CHECK(to_string(tls::endpoint{}).empty());
}
