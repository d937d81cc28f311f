// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The connection in memory: how its ends wait for each other, in one thread and in two.

#include <support/memory_ends.hpp>

#include <tls/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

namespace {

using namespace std::chrono_literals;
namespace testing = tls::testing;
using Catch::Matchers::Message;
using testing::socket_features;
using tests::at_eof;
using tests::get;
using tests::is_system;
using tests::open_pair;
using tests::put;
using tests::would_block;
using tls::shutdown_mode;

}  // namespace

TEST_CASE("memory network: a full buffer blocks until it is read", "[testing]") {
    open_pair p({.capacity_a_to_b = 4});
    CHECK(put(p.a, "abcdef").count == 4);
    CHECK(would_block(put(p.a, "ef")));
    CHECK(get(p.b, 1).text == "a");
    CHECK(put(p.a, "ef").count == 1);
    CHECK(put(p.b, "any amount").count == 10);

    open_pair q({.capacity_b_to_a = 3});
    CHECK(put(q.a, "any amount").count == 10);
    CHECK(put(q.b, "abcdef").count == 3);
}

TEST_CASE("memory network: blocking runs the pump, then virtual time", "[testing]") {
    testing::memory_network net({.capacity_a_to_b = 4});
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
        CHECK(testing::to_string(net.a().log()) == "error " + r.ec.message());
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
    SECTION("what was set on the clock for a time that has passed happens at once") {
        net.clock().call_at(start - 1s, [&] { put(b, "overdue"); });
        CHECK(get(a).text == "overdue");
        CHECK(net.now() == start);
    }
    SECTION("a pump may take time") {
        net.a().pump([&] { net.clock().advance(1s); });
        a.read_expires_at(start + 3s + 500ms);
        CHECK(get(a).ec == std::errc::timed_out);
        CHECK(net.now() == start + 4s);
    }
    SECTION("what can never end is a failure of the test") {
        const std::string nothing = "memory socket of end a: nothing moves, and there is no deadline to wait for";
        CHECK_THROWS_MATCHES(get(a), testing::deadlock, Message(nothing + "; it has no pump"));
        net.a().pump([] {});
        CHECK_THROWS_MATCHES(get(a), testing::deadlock, Message(nothing));
        net.a().pump(nullptr);
        CHECK_THROWS_MATCHES(get(a), testing::deadlock, Message(nothing + "; it has no pump"));
    }
    SECTION("so is an end that blocks in the pump of the other") {
        b.non_blocking(false);
        net.a().pump([&] { get(b); });
        CHECK_THROWS_MATCHES(
            get(a), testing::deadlock,
            Message("memory socket of end b: nothing moves, and there is no deadline to wait for; in the pump of "
                    "end a it has to be non-blocking"));
    }
    SECTION("so is a pump that moves something else for ever") {
        testing::memory_network busy({.capacity_a_to_b = 1, .max_rounds = 1'000});
        auto c = busy.a().socket();
        auto d = busy.b().socket();
        put(c, "x");
        c.write_expires_at(busy.now() + 1s);
        int rounds = 0;
        busy.a().pump([&] {
            put(d, "y");
            ++rounds;
        });
        CHECK_THROWS_MATCHES(put(c, "x"), testing::deadlock,
                             Message("memory socket of end a: its pump has run network_options::max_rounds times in vain"));
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

TEST_CASE("memory network: two threads block for each other", "[testing]") {
    testing::memory_network net({.capacity_a_to_b = 7, .capacity_b_to_a = 5, .wait = testing::waiting::threads});
    auto a = net.a().socket();
    auto b = net.b().socket<socket_features::none>();
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

TEST_CASE("memory network: deadlines in real time", "[testing]") {
    testing::memory_network net({.wait = testing::waiting::threads});
    auto a = net.a().socket();
    const auto start = std::chrono::steady_clock::now();
    a.read_expires_at(start + 20ms);
    CHECK(get(a).ec == std::make_error_code(std::errc::timed_out));
    CHECK(std::chrono::steady_clock::now() >= start + 20ms);
    CHECK(a.now() >= start + 20ms);

    testing::memory_network hopeless({.wait = testing::waiting::threads, .patience = 0s});
    auto c = hopeless.a().socket();
    CHECK_THROWS_MATCHES(get(c), testing::deadlock,
                         Message("memory socket of end a: nothing has moved for longer than network_options::patience"));
}

TEST_CASE("memory network: what makes no sense is refused by name", "[testing]") {
    using testing::memory_network;
    CHECK_THROWS_WITH(memory_network({.capacity_a_to_b = 0}),
                      "network_options: capacity_a_to_b is 0: nothing could ever be sent");
    CHECK_THROWS_WITH(memory_network({.capacity_b_to_a = 0}),
                      "network_options: capacity_b_to_a is 0: nothing could ever be sent");
    CHECK_THROWS_WITH(memory_network({.patience = -1s}), "network_options: patience is below zero");
    CHECK_THROWS_WITH(memory_network({.max_rounds = 0}), "network_options: max_rounds is 0: no pump could ever run");
    const memory_network threads({.wait = testing::waiting::threads});
    CHECK_THROWS_WITH(threads.clock(), "memory_network: with waiting::threads there is no virtual clock");
    CHECK_THROWS_WITH(threads.a().pump([] {}), "memory_end: with waiting::threads no pump ever runs");
}
