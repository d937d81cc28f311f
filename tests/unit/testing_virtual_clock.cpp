// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The clock that is moved by hand.

#include <tls/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;
namespace testing = tls::testing;

}  // namespace

TEST_CASE("virtual clock: stands still, goes on, and calls in order", "[testing]") {
    testing::virtual_clock clock;
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
}

TEST_CASE("virtual clock: what makes no sense is refused", "[testing]") {
    testing::virtual_clock clock;
    const auto start = clock.now();
    CHECK_THROWS_WITH(clock.advance(-1ns), "virtual_clock: time cannot go back");
    CHECK_THROWS_WITH(clock.advance_to(start - 1ns), "virtual_clock: time cannot go back");
    CHECK_THROWS_WITH(clock.advance_to(tls::never), "virtual_clock: time cannot go on to tls::never");
    CHECK_THROWS_WITH(clock.advance(std::chrono::nanoseconds::max()), "virtual_clock: time cannot go on to tls::never");
    CHECK_THROWS_WITH(clock.call_after(1s, nullptr), "virtual_clock: the call is empty");
    CHECK(clock.now() == start);
    CHECK(clock.next_call() == tls::never);
}

TEST_CASE("virtual clock: a call that is due already comes with the next advance", "[testing]") {
    testing::virtual_clock clock;
    const auto start = clock.now();
    int called = 0;
    clock.call_after(-1s, [&] { ++called; });
    clock.advance(0s);
    CHECK(called == 1);
    CHECK(clock.now() == start);
}

TEST_CASE("virtual clock: a call may let time pass itself", "[testing]") {
    testing::virtual_clock clock;
    const auto start = clock.now();
    std::string said;
    clock.call_after(1s, [&] {
        said += "1";
        clock.advance(1h);
        said += "!";
    });
    clock.call_after(2s, [&] { said += "2"; });
    clock.advance(3s);
    CHECK(said == "12!");
    CHECK(clock.now() == start + 1s + 1h);
}
