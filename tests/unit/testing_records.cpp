// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Records found in bytes, and lost, doubled and moved on their way.

#include <support/memory_ends.hpp>

#include <tls/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace testing = tls::testing;
using testing::record_fault;
using tests::as_bytes;
using tests::at_eof;
using tests::get;
using tests::moved;
using tests::open_pair;
using tests::put;
using tests::wire_record;
using tls::shutdown_mode;

}  // namespace

TEST_CASE("records: lost, doubled and moved", "[testing]") {
    const auto through = [](std::vector<record_fault> script, std::size_t chunk) {
        open_pair p;
        p.net.a().script({.records = std::move(script)});
        p.net.b().script({.write_chunk = chunk});
        std::string all = wire_record("zero") + wire_record("1", 22) + wire_record("") + wire_record("three", 21) + "\x17\x03";
        while (!all.empty()) all.erase(0, put(p.b, all).count);
        p.b.shutdown(shutdown_mode::write, p.ec);
        const auto got = get(p.a, 1000).text;
        CHECK(at_eof(get(p.a)));
        return got;
    };
    using action = record_fault::action;
    const auto r0 = wire_record("zero");
    const auto r1 = wire_record("1", 22);
    const auto r2 = wire_record("");
    const auto r3 = wire_record("three", 21);
    const std::string rest = "\x17\x03";
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{4}, std::size_t{7}, testing::no_limit}) {
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
        open_pair p;
        put(p.b, r0 + r1.substr(0, 3));
        CHECK_THROWS_WITH(p.net.a().script({.records = {{action::drop, 1}}}),
                          "faults: records[0] is for record 1, and 2 are under way already");
        p.net.a().script({.records = {{action::drop, 2}}});
        put(p.b, r1.substr(3) + r2 + r3);
        CHECK(get(p.a).text == r0 + r1 + r3);
    }
}

TEST_CASE("records: found in bytes", "[testing]") {
    const auto body = [](std::size_t size) { return std::string(size, 'x'); };
    const std::string wire = wire_record(body(30), 22) + wire_record("\x01", 20) + wire_record(body(19)) +
                             wire_record(body(26), 21) + wire_record(body(9)) + "\x17\x03\x03";

    const auto found = testing::records(as_bytes(wire));
    REQUIRE(found.size() == 6);
    CHECK(found[0].type == testing::record_type::handshake);
    CHECK(found[0].version == 0x0303);
    CHECK(found[0].length == 30);
    CHECK(found[1].offset == 35);
    CHECK(found[1].end() == 41);
    CHECK(testing::is_alert_sized(found[2]));
    CHECK(testing::is_alert_sized(found[3]));
    CHECK_FALSE(testing::is_alert_sized(found[4]));
    CHECK(found[4].complete);
    CHECK_FALSE(found[5].complete);
    CHECK(testing::records(as_bytes(wire.substr(0, 34)))[0].complete == false);
    CHECK(testing::records({}).empty());
    CHECK(testing::to_string(found[0]) == "handshake");
    CHECK(testing::to_string(found[1]) == "ccs");
    CHECK(testing::to_string(found[2]) == "alert");
    CHECK(testing::to_string(found[3]) == "alert");
    CHECK(testing::to_string(found[4]) == "data");
    CHECK(testing::to_string(found[5]) == "other");
}
