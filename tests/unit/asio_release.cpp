// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// <tls/asio.hpp> without assertions, in a program of its own: what a second operation of a kind comes to.

#include <support/standalone_asio.hpp>

#include <support/asio_tools.hpp>

#include <catch2/catch_test_macros.hpp>

#ifndef NDEBUG
#error "this is about programs that define NDEBUG"
#endif

using tests::finish;

TEST_CASE("stream: without assertions a second operation of a kind is already_started, and the first goes on (asio)",
          "[asio]") {
    tests::conversation<tests::unix_socket> c;
    const auto refused = tests::as_std(net::error::already_started);
    std::string into(10, '\0');
    std::string other(10, '\0');
    const std::string text(3'000'000, 't');
    SECTION("reads") {
        const auto first = tests::read_some(c.client, into);
        CHECK(finish(c.io, tests::read_some(c.client, other)).ec == refused);
        CHECK_FALSE(first->done());
        finish(c.io, tests::write_all(c.server, "here"));
        CHECK_FALSE(finish(c.io, first).ec);
        CHECK(into.substr(0, first->bytes) == "here");
    }
    SECTION("writes, and a handshake beside a write") {
        const auto first = tests::write_all(c.client, text);
        tests::settle(c.io);
        CHECK_FALSE(first->done());
        CHECK(finish(c.io, tests::write_some(c.client, "more")).ec == refused);
        CHECK(finish(c.io, tests::handshake(c.client)).ec == refused);
        std::string got(text.size(), '\0');
        const auto read = tests::read_all(c.server, got);
        CHECK_FALSE(finish(c.io, first).ec);
        CHECK_FALSE(finish(c.io, read).ec);
        CHECK(got == text);
    }
    SECTION("shutdowns") {
        const auto first = tests::close(c.client);
        CHECK(finish(c.io, tests::shut(c.client, tls::shutdown_mode::write)).ec == refused);
        CHECK_FALSE(first->done());
        const auto answer = tests::close(c.server);
        CHECK(finish(c.io, first).result.clean());
        CHECK(finish(c.io, answer).result.clean());
    }
}
