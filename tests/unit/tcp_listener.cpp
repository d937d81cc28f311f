// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// tcp_listener.

#include <tls/tcp.hpp>

#include "support/tcp_tools.hpp"

#include <catch2/catch_test_macros.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using tests::timed_out;

namespace {

static_assert(std::is_nothrow_move_constructible_v<tls::tcp_listener> && std::is_nothrow_move_assignable_v<tls::tcp_listener>);
static_assert(!std::is_copy_constructible_v<tls::tcp_listener> && !std::is_copy_assignable_v<tls::tcp_listener>);

const std::error_code canceled = std::make_error_code(std::errc::operation_canceled);

std::error_code accept_code(tls::tcp_listener& listener, tests::clock::time_point deadline = tls::never) {
    auto ec = std::make_error_code(std::errc::owner_dead);
    const auto accepted = listener.accept(deadline, ec);
    CHECK(accepted.is_open() == !ec);
    return ec;
}

std::error_code create_code(std::string_view address, std::uint16_t port) {
    auto ec = std::make_error_code(std::errc::owner_dead);
    const auto made = tls::tcp_listener::create(address, port, ec);
    CHECK(made.is_open() == !ec);
    return ec;
}

void check_empty(tls::tcp_listener& listener) {
    std::error_code ec;
    CHECK_FALSE(listener);
    CHECK_FALSE(listener.is_open());
    CHECK(listener.native_handle() == -1);
    CHECK(listener.port() == 0);
    CHECK(accept_code(listener) == tls::errc::not_open);
    CHECK_THROWS_AS(listener.accept(), tls::error);
    CHECK(listener.local_endpoint(ec) == tls::endpoint{});
    CHECK(ec == tls::errc::not_open);
    CHECK_THROWS_AS(listener.local_endpoint(), tls::error);
    CHECK_NOTHROW(listener.close());
    listener.close(ec);
    CHECK_FALSE(ec);
    listener.interrupt();
    CHECK(accept_code(listener) == tls::errc::not_open);
}

}  // namespace

TEST_CASE("tcp_listener: listens where it is told, on a port that the system chooses") {
    for (const std::string address : {"127.0.0.1", "::1"}) {
        const tls::tcp_listener listener(address, 0);
        CHECK(listener);
        CHECK(listener.port() != 0);
        CHECK(listener.local_endpoint() == tls::endpoint{address, listener.port()});
        CHECK((::fcntl(listener.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    tls::tcp_listener named("localhost", 0);
    CHECK(tls::tcp_socket::connect("localhost", named.port(), tests::patience()));
    CHECK_FALSE(create_code("127.0.0.1", 0));
}

TEST_CASE("tcp_listener: accepted sockets block, send at once, and are not inherited") {
    tls::tcp_listener listener("127.0.0.1", 0);
    std::error_code ec;
    for (int form = 0; form != 4; ++form) {
        auto client = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience());
        auto server = form == 0   ? listener.accept()
                      : form == 1 ? listener.accept(tests::patience())
                      : form == 2 ? listener.accept(ec)
                                  : listener.accept(tests::patience(), ec);
        REQUIRE(server);
        CHECK_FALSE(ec);
        CHECK_FALSE(server.non_blocking());
        CHECK((::fcntl(server.native_handle(), F_GETFL) & O_NONBLOCK) == 0);
        CHECK((::fcntl(server.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
        int no_delay = 0;
        ::socklen_t size = sizeof no_delay;
        CHECK(::getsockopt(server.native_handle(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
        CHECK(no_delay != 0);
        CHECK(server.remote_endpoint() == client.local_endpoint());
        client.write_some("hello");
        CHECK(tests::read_text(server) == "hello");
    }
}

TEST_CASE("tcp_listener: accept waits until its deadline") {
    tls::tcp_listener listener("127.0.0.1", 0);
    const auto deadline = tests::in(30ms);
    CHECK(accept_code(listener, deadline) == timed_out);
    CHECK(tests::clock::now() >= deadline);
    CHECK(tests::clock::now() < deadline + 20s);
    CHECK_THROWS_AS(listener.accept(tests::past()), tls::error);

    const auto client = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience());
    CHECK_FALSE(accept_code(listener, tests::past()));  // one that is there is taken
    CHECK(accept_code(listener, tests::past()) == timed_out);
}

TEST_CASE("tcp_listener: a connection ends the wait") {
    tls::tcp_listener listener("127.0.0.1", 0);
    for (const auto when : {tls::never, tests::patience()}) {
        std::error_code ec = timed_out;
        tls::tcp_socket accepted;
        tests::waiting_thread server([&] { accepted = listener.accept(when, ec); });
        const auto client = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience());
        server.join();
        CHECK_FALSE(ec);
        CHECK(accepted);
    }
}

TEST_CASE("F04 tcp_listener: signals neither shorten nor stretch a wait") {
    tls::tcp_listener listener("127.0.0.1", 0);
    const tests::signal_storm storm;
    const auto deadline = tests::in(100ms);
    CHECK(accept_code(listener, deadline) == timed_out);
    CHECK(tests::clock::now() >= deadline);
    CHECK(tests::clock::now() < deadline + 20s);
    CHECK(tests::signal_storm::count() > 10);

    tests::signal_storm::count() = 0;
    tls::tcp_socket client;
    auto other = tests::signal_storm::afterwards(
        [&] { client = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience()); });
    CHECK_FALSE(accept_code(listener));
    other.join();
}

TEST_CASE("tcp_listener: interrupt ends accept, for good") {
    for (const auto when : {tls::never, tests::patience()}) {
        tls::tcp_listener listener("127.0.0.1", 0);
        const auto queued = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience());
        listener.interrupt();
        CHECK(accept_code(listener, when) == canceled);
        CHECK(accept_code(listener, when) == canceled);
        CHECK(listener.is_open());  // shut down, not closed

        tls::tcp_listener moved(std::move(listener));
        CHECK(accept_code(moved, when) == canceled);
        tls::tcp_listener assigned("127.0.0.1", 0);
        assigned = std::move(moved);
        CHECK(accept_code(assigned, when) == canceled);
        std::error_code ec;
        (void)tls::tcp_socket::connect("127.0.0.1", assigned.port(), tests::patience(), ec);
        CHECK(ec == std::errc::connection_refused);

        assigned = tls::tcp_listener("127.0.0.1", 0);  // another one
        CHECK(accept_code(assigned, tests::past()) == timed_out);
    }
}

TEST_CASE("tcp_listener: interrupt wakes an accept that waits in another thread") {
    for (const auto when : {tls::never, tests::patience()}) {
        tls::tcp_listener listener("127.0.0.1", 0);
        std::error_code ec;
        tests::waiting_thread server([&] { (void)listener.accept(when, ec); });
        listener.interrupt();
        server.join();
        CHECK(ec == canceled);
    }
}

TEST_CASE("tcp_listener: close frees the port, and twice is harmless") {
    tls::tcp_listener listener("127.0.0.1", 0);
    const std::uint16_t port = listener.port();
    {
        auto client = tls::tcp_socket::connect("127.0.0.1", port, tests::patience());
        auto server = listener.accept(tests::patience());
        server.close();  // the side that closes first keeps the port in TIME_WAIT
        CHECK(tests::read_text(client).empty());
    }
    listener.close();
    check_empty(listener);
    CHECK_FALSE(create_code("127.0.0.1", port));
}

TEST_CASE("F80 tcp_listener: a failing close is told once") {
    tls::tcp_listener listener("127.0.0.1", 0);
    REQUIRE(::close(listener.native_handle()) == 0);
    std::error_code ec;
    listener.close(ec);
    CHECK(ec == std::error_code(EBADF, std::system_category()));
    check_empty(listener);
}

TEST_CASE("tcp_listener: empty by default and after a move") {
    tls::tcp_listener none;
    check_empty(none);
    tls::tcp_listener listener("127.0.0.1", 0);
    const std::uint16_t port = listener.port();
    tls::tcp_listener moved(std::move(listener));
    check_empty(listener);  // NOLINT(bugprone-use-after-move)
    CHECK(moved.port() == port);
    none = std::move(moved);
    check_empty(moved);  // NOLINT(bugprone-use-after-move)
    const auto client = tls::tcp_socket::connect("127.0.0.1", port, tests::patience());
    CHECK_FALSE(accept_code(none, tests::patience()));
}

TEST_CASE("tcp_listener: what cannot be listened on") {
    const tls::tcp_listener taken("127.0.0.1", 0);
    CHECK(create_code("127.0.0.1", taken.port()) == std::error_code(EADDRINUSE, std::system_category()));
    CHECK(create_code("192.0.2.1", 0) == std::error_code(EADDRNOTAVAIL, std::system_category()));
    CHECK(create_code("", 0) == tls::errc::host_not_found);
    CHECK(create_code("[::1]", 0) == tls::errc::host_not_found);
    try {
        const tls::tcp_listener second("127.0.0.1", taken.port());
        FAIL("two listen on one port");
    } catch (const tls::error& e) {
        CHECK(e.code() == std::errc::address_in_use);
        CHECK(std::string(e.what()).find(to_string(taken.local_endpoint())) != std::string::npos);
    }
}

TEST_CASE("tcp_listener: too many open files is an error, and not the end") {
    tls::tcp_listener listener("127.0.0.1", 0);
    const auto client = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience());
    ::rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int lowest_free = ::dup(client.native_handle());
    ::close(lowest_free);
    const ::rlimit none_left{static_cast<::rlim_t>(lowest_free), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none_left) == 0);
    const std::error_code ec = accept_code(listener, tests::patience());
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(ec == std::errc::too_many_files_open);
    CHECK_FALSE(accept_code(listener, tests::patience()));
}
