// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Scripts: each fault does what it says, where it says, and what makes no sense is refused.

#include <support/memory_ends.hpp>

#include <tls/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

namespace testing = tls::testing;
using testing::call_kind;
using testing::outcome;
using tests::as_text;
using tests::at_eof;
using tests::get;
using tests::is_system;
using tests::open_pair;
using tests::put;
using tests::would_block;
using tls::shutdown_mode;

}  // namespace

TEST_CASE("faults: by the number of a call", "[testing]") {
    open_pair p;
    auto a_end = p.net.a();
    put(p.b, "incoming");

    SECTION("chunks") {
        a_end.script(testing::chunked(3));
        CHECK(get(p.a).text == "inc");
        CHECK(put(p.a, "outgoing").count == 3);
    }
    SECTION("a storm blocks once before each call") {
        a_end.script(testing::storm());
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 2).text == "in");
        CHECK(would_block(put(p.a, "x")));
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 2).text == "co");
        CHECK(put(p.a, "x").count == 1);
        CHECK(testing::to_string(a_end.log()) == "read 2*2, write 1");
        CHECK(a_end.calls().io == 6);
    }
    SECTION("a storm of EINTR") {
        a_end.script(testing::storm(std::errc::interrupted));
        CHECK(get(p.a).ec == std::errc::interrupted);
        CHECK(get(p.a).text == "incoming");
    }
    SECTION("one read, counted from the first that there was") {
        get(p.a, 1);
        a_end.script(testing::at_call(call_kind::read, 2, outcome::would_block()));
        CHECK(get(p.a, 1).text == "n");
        put(p.a, "x");
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 1).text == "c");
    }
    SECTION("one write") {
        a_end.script(testing::at_call(call_kind::write, 1, outcome::interrupted()));
        get(p.a, 1);
        CHECK(put(p.a, "x").count == 1);
        CHECK(is_system(put(p.a, "x").ec, std::errc::interrupted));
        CHECK(put(p.a, "x").count == 1);
        CHECK(get(p.b).text == "xx");
    }
    SECTION("one call of either kind") {
        a_end.script(testing::at_call(call_kind::io, 1, outcome::would_block()));
        CHECK(put(p.a, "x").count == 1);
        CHECK(would_block(get(p.a)));
        CHECK(get(p.a, 1).count == 1);
    }
    SECTION("every call") {
        a_end.script(testing::at_call(call_kind::read, testing::every_call, outcome::would_block()));
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
        a_end.script(testing::at_call(call_kind::read, 1, outcome::end_of_stream()));
        CHECK(get(p.a, 2).text == "in");
        CHECK(at_eof(get(p.a)));
        put(p.b, "more");
        CHECK(at_eof(get(p.a)));
        CHECK(put(p.a, "x").count == 1);
        CHECK(testing::to_string(a_end.log()) == "read 2, eof*2, write 1");
    }
    SECTION("reset on reading, for both ends") {
        a_end.script(testing::at_call(call_kind::read, 1, outcome::reset()));
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
        a_end.script(testing::at_call(call_kind::write, 0, outcome::reset()));
        CHECK(is_system(put(p.a, "x").ec, std::errc::connection_reset));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(at_eof(get(p.a)));
        CHECK(a_end.bytes_sent() == 0);
    }
    SECTION("F09 EPIPE on writing leaves what can be read") {
        a_end.script(testing::at_call(call_kind::write, 0, outcome::broken_pipe()));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));
        CHECK(get(p.a).text == "incoming");
        CHECK(would_block(get(p.a)));
        p.a.close(p.ec);
        CHECK(at_eof(get(p.b)));
    }
    SECTION("F12 an unknown error, once") {
        a_end.script(testing::at_call(call_kind::read, 0, outcome::unknown_error()));
        CHECK(std::string_view(get(p.a).ec.category().name()) == "tls.testing.unknown");
        CHECK(get(p.a).text == "incoming");
        CHECK(testing::to_string(a_end.log()) == "error unheard-of error 4711, read 8");
    }
    SECTION("F12 an exception, once") {
        a_end.script({.calls = {{call_kind::write, 0, outcome::exception()},
                                {call_kind::read, 0, outcome::exception(std::make_exception_ptr(std::out_of_range("mine")))}}});
        CHECK_THROWS_AS(put(p.a, "x"), testing::injected_exception);
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

TEST_CASE("faults: by the offset of a byte", "[testing]") {
    const auto who = GENERATE(testing::side::a, testing::side::b);
    CAPTURE(who);
    open_pair p;
    auto end = p.net.end(who);
    auto& near = who == testing::side::a ? p.a : p.b;
    auto& far = who == testing::side::a ? p.b : p.a;
    put(far, "incoming");

    for (std::size_t at = 0; at <= 8; ++at) {
        DYNAMIC_SECTION("EOF at " << at) {
            end.script({.input_ends_at = at});
            if (at > 0) CHECK(get(near).text == std::string("incoming").substr(0, at));
            CHECK(at_eof(get(near)));
            CHECK(at_eof(get(near)));
            CHECK(put(near, "x").count == 1);
        }
        DYNAMIC_SECTION("reset at " << at) {
            end.script({.input_resets_at = at});
            if (at > 0) CHECK(get(near).text == std::string("incoming").substr(0, at));
            CHECK(is_system(get(near).ec, std::errc::connection_reset));
            CHECK(at_eof(get(near)));
            CHECK(is_system(put(near, "x").ec, std::errc::broken_pipe));
        }
        DYNAMIC_SECTION("EPIPE at " << at) {
            end.script({.output_breaks_at = at});
            if (at > 0) CHECK(put(near, "outgoing?").count == at);
            CHECK(is_system(put(near, "x").ec, std::errc::broken_pipe));
            CHECK(get(near).text == "incoming");
        }
        DYNAMIC_SECTION("room for " << at) {
            end.script({.room = at});
            if (at > 0) CHECK(put(near, "outgoing?").count == at);
            CHECK(would_block(put(near, "x")));
            end.add_room(2);
            CHECK(put(near, "outgoing?").count == 2);
            CHECK(would_block(put(near, "x")));
        }
    }
    SECTION("a changed bit") {
        end.script({.flips = {{.offset = 2, .mask = std::byte{0x20}}, {.offset = 3}}});
        CHECK(get(near, 3).text == "inC");
        CHECK(get(near).text == "nming");
        CHECK(as_text(end.received()) == "inCnming");
        CHECK(as_text((who == testing::side::a ? p.net.b() : p.net.a()).sent()) == "incoming");
    }
    SECTION("a wait for room that the pump gives") {
        end.script({.room = 0});
        end.pump([&] { end.add_room(1); });
        near.non_blocking(false);
        CHECK(put(near, "xyz").count == 1);
    }
}

TEST_CASE("faults: each kind at the N-th call, at either end and in either direction", "[testing]") {
    const auto who = GENERATE(testing::side::a, testing::side::b);
    const auto call = GENERATE(call_kind::read, call_kind::write);
    const std::size_t at = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{5});
    CAPTURE(who, call, at);
    open_pair p;
    auto end = p.net.end(who);
    auto& near = who == testing::side::a ? p.a : p.b;
    auto& far = who == testing::side::a ? p.b : p.a;
    put(far, "12345678");
    const auto move = [&] { return call == call_kind::read ? get(near, 1) : put(near, "x"); };
    const auto moves = [](const tests::moved& r) { return r.count == 1 && !r.ec; };
    // A call in the other direction, which does not count.
    if (call == call_kind::read) put(near, "y");
    else get(near, 1);
    // Nothing happens before, and the fault at the call itself; then what comes after it.
    const auto reach = [&](const outcome& ends) {
        end.script(testing::at_call(call, at, ends));
        for (std::size_t i = 0; i < at; ++i) CHECK(moves(move()));
        const auto hit = move();
        CHECK((call == call_kind::read ? end.calls().reads : end.calls().writes) == at + 1);
        CHECK((call == call_kind::read ? end.bytes_received() : end.bytes_sent()) == at);
        return hit;
    };

    SECTION("would block") {
        CHECK(would_block(reach(outcome::would_block())));
        CHECK(moves(move()));
    }
    SECTION("interrupted") {
        CHECK(is_system(reach(outcome::interrupted()).ec, std::errc::interrupted));
        CHECK(moves(move()));
    }
    SECTION("an error") {
        const auto timed_out = std::make_error_code(std::errc::timed_out);
        CHECK(reach(outcome::error(timed_out)).ec == timed_out);
        CHECK(moves(move()));
    }
    SECTION("an unknown error") {
        CHECK(&reach(outcome::unknown_error()).ec.category() == &testing::unknown_category());
        CHECK(moves(move()));
    }
    SECTION("a count of zero") {
        CHECK(at_eof(reach(outcome::zero())));
        CHECK(moves(move()));
    }
    SECTION("a count too large") {
        CHECK(reach(outcome::excess(3)).count == 4);
        CHECK(moves(move()));
    }
    SECTION("an exception") {
        CHECK_THROWS_AS(reach(outcome::exception()), testing::injected_exception);
        CHECK(moves(move()));
    }
    SECTION("a reset, for both") {
        CHECK(is_system(reach(outcome::reset()).ec, std::errc::connection_reset));
        CHECK(at_eof(get(near)));
        CHECK(is_system(put(near, "x").ec, std::errc::broken_pipe));
        while (get(far).count != 0) {
        }
        CHECK(is_system(put(far, "x").ec, std::errc::broken_pipe));
    }
    SECTION("the end of what is read, or of what can be written") {
        if (call == call_kind::read) {
            CHECK(at_eof(reach(outcome::end_of_stream())));
            CHECK(at_eof(move()));
        } else {
            CHECK(is_system(reach(outcome::broken_pipe()).ec, std::errc::broken_pipe));
            CHECK(is_system(move().ec, std::errc::broken_pipe));
        }
    }
}

TEST_CASE("faults: a short call that is counted", "[testing]") {
    open_pair p;
    put(p.b, "incoming");
    p.net.a().script({.read_chunk = 3, .calls = {{call_kind::read, 1, outcome::would_block()}}});
    CHECK(get(p.a).text == "inc");
    CHECK(would_block(get(p.a)));
    CHECK(get(p.a).text == "omi");
    p.net.a().script({});
    CHECK(get(p.a).text == "ng");
}

TEST_CASE("faults: a script that makes no sense is refused, and the old one stays", "[testing]") {
    open_pair p;
    auto end = p.net.a();
    put(p.b, "incoming");
    get(p.a, 3);
    put(p.a, "ab");
    put(p.a, "cd");
    p.a.shutdown(tls::shutdown_mode::read, p.ec);
    end.script({.read_chunk = 1});

    const auto refused = [&](const testing::faults& script, const std::string& why) {
        CHECK_THROWS_AS(end.script(script), std::invalid_argument);
        CHECK_THROWS_WITH(end.script(script), "faults: " + why);
    };
    const auto at = [](call_kind call, std::size_t number, const outcome& ends) {
        return testing::at_call(call, number, ends);
    };
    refused({.read_chunk = 0}, "read_chunk is 0: nothing would ever be read");
    refused({.write_chunk = 0}, "write_chunk is 0: nothing would ever be written; room = 0 blocks");
    refused(testing::storm(std::errc::io_error), "before_each_read is neither operation_would_block nor interrupted");
    refused({.before_each_write = outcome::unknown_error().code()},
            "before_each_write is neither operation_would_block nor interrupted");

    refused(at(call_kind::write, 7, outcome::end_of_stream()), "calls[0] is an end of stream, and not for reads");
    refused(at(call_kind::io, 7, outcome::end_of_stream()), "calls[0] is an end of stream, and not for reads");
    refused({.calls = {{call_kind::io, 9, outcome::zero()}, {call_kind::read, 9, outcome::broken_pipe()}}},
            "calls[1] is a broken pipe, and not for writes");
    for (const auto call : {call_kind::shutdown, call_kind::close}) {
        for (const auto& ends :
             {outcome::zero(), outcome::excess(), outcome::reset(), outcome::broken_pipe(), outcome::end_of_stream()}) {
            refused(at(call, 9, ends), "calls[0] is for shutdown or close, which end by an error or an exception only");
        }
        end.script(at(call, 9, outcome::error(std::make_error_code(std::errc::io_error))));
        end.script({.read_chunk = 1});
    }

    refused(at(call_kind::read, 0, outcome::zero()), "calls[0] is for call 0, and 1 were made already");
    refused(at(call_kind::write, 1, outcome::zero()), "calls[0] is for call 1, and 2 were made already");
    refused(at(call_kind::io, 2, outcome::zero()), "calls[0] is for call 2, and 3 were made already");
    refused(at(call_kind::shutdown, 0, outcome::unknown_error()), "calls[0] is for call 0, and 1 were made already");
    refused({.input_ends_at = 2}, "input_ends_at is at byte 2, and 3 have passed already");
    refused({.input_resets_at = 2}, "input_resets_at is at byte 2, and 3 have passed already");
    refused({.output_breaks_at = 3}, "output_breaks_at is at byte 3, and 4 have passed already");
    refused({.flips = {{.offset = 3}, {.offset = 2}}}, "flips[1] is at byte 2, and 3 have passed already");
    refused({.flips = {{.offset = 3, .mask = std::byte{0}}}}, "flips[0] has the mask 0, which changes nothing");
    refused({.input_ends_at = 5, .input_resets_at = 5}, "input_ends_at and input_resets_at are the same byte");

    using action = testing::record_fault::action;
    refused({.records = {{action::replay, 5, 4}}}, "records[0] replays a record before it was sent");
    refused({.records = {{action::drop, 5, 6}}}, "records[0] has an `after`, which is for replay");

    CHECK(get(p.a).text == "o");
    end.script({.input_ends_at = 4, .input_resets_at = 5, .output_breaks_at = 4});  // what lies ahead is well
    CHECK(at_eof(get(p.a)));
    CHECK(is_system(put(p.a, "x").ec, std::errc::broken_pipe));

    CHECK_THROWS_WITH(outcome::error({}), "outcome::error: the code says that there is no error");
    CHECK_THROWS_WITH(outcome::exception(nullptr), "outcome::exception: there is no exception to throw");
    CHECK_THROWS_WITH(end.add_room(1), "memory_end: room is added to end a, whose script has no faults::room");
}
