// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F10 to F12: a socket that is wrong: counts that cannot be, errors nobody knows, exceptions.

#include "session.hpp"

#include <tls/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <system_error>

using namespace std::chrono_literals;
using tests::call_kind;
using tests::outcome;
using tls::stream_end;

namespace {

// One call of that kind ends so, whichever it is; the judge sees each outcome.
void at_every_call(call_kind kind, const outcome& ends, const std::function<void(trial::account&)>& judge) {
    trial::for_each_setting([&](trial::plan what) {
        for (const auto order : trial::orders) {
            // When we cannot say close_notify, the peer has no reason to end, and only a deadline ends the waiting.
            const bool waits = order != trial::order::peer_first && what.socket == trial::socket_kind::plain;
            const bool polls = order == trial::order::half_close && what.socket == trial::socket_kind::non_blocking;
            if (kind == call_kind::write && (waits || polls)) continue;
            what.ends = order;
            const auto clean = trial::run(what);
            const auto runs = trial::at_every_index(
                what, [&](trial::plan& with, std::size_t i) { with.script = tests::at_call(kind, i, ends); },
                [&](trial::account& seen, std::size_t i) {
                    if (i >= (kind == call_kind::read ? seen.calls.reads : seen.calls.writes)) return false;
                    seen.expect(seen.calls.io <= clean.calls.io + 20, "it does not spin");
                    judge(seen);
                    return true;
                });
            CHECK(runs >= 2);
        }
    });
}

// A write failed in a way of its own: writes and the close say so, reads go on.
void expect_write_failure(trial::account& seen, std::error_code why) {
    seen.expect(seen.waited == 0s, "nothing is waited for");
    if (seen.handshake) {
        seen.expect_no_session(why);
        seen.expect(seen.read_end == stream_end::failed || seen.authenticated, "read_end() says failed");
        return;
    }
    seen.expect(!seen.write_error || seen.write_error == why, "writes say why");
    seen.expect(!seen.closed.close_notify_sent, "no close_notify is claimed");
    seen.expect(seen.peer_received.size() == seen.accepted || seen.close_error == why, "what is lost is told");
    seen.expect(seen.peer_account.find("close_notify") == std::string::npos, "the peer sees no close_notify");
}

// A read failed in a way of its own: the stream is done for.
void expect_read_failure(trial::account& seen, std::error_code why) {
    if (seen.handshake) {
        seen.expect_no_session(why);
        seen.expect(seen.read_end == stream_end::failed, "read_end() says failed");
        return;
    }
    if (seen.closed.peer == stream_end::close_notify)
        return;  // all was heard before; what the transport says then is of no interest
    seen.expect(seen.read == seen.plaintext_within(seen.arrived.size()), "what came before is delivered");
    if (!seen.read_ended && seen.exceptions != 0) return;  // it came out of the close
    seen.expect(seen.closed.peer == stream_end::failed, "the close says failed");
    if (!seen.read_ended) return;  // in what the close drained
    seen.expect(seen.read_error == why && seen.read_end == stream_end::failed, "reads say why");
    if (seen.planned.ends == trial::order::half_close && !seen.write_error) return;  // all was written before
    seen.expect(seen.write_error == why, "writes say why");
    seen.expect(!seen.closed.close_notify_sent, "no close_notify is claimed");
}

}  // namespace

TEST_CASE("F10 a write that takes nothing and says nothing", "[faults]") {
    at_every_call(call_kind::write, outcome::zero(),
                  [](trial::account& seen) { expect_write_failure(seen, tls::errc::socket_misbehaved); });
}

TEST_CASE("F11 a write that says it took more than it was given", "[faults]") {
    for (const std::size_t more : {std::size_t{1}, tests::no_limit / 2}) {
        at_every_call(call_kind::write, outcome::excess(more),
                      [](trial::account& seen) { expect_write_failure(seen, tls::errc::socket_misbehaved); });
    }
}

TEST_CASE("F11 a read that says it gave more than there was room for", "[faults]") {
    for (const std::size_t more : {std::size_t{1}, tests::no_limit / 2}) {
        at_every_call(call_kind::read, outcome::excess(more),
                      [](trial::account& seen) { expect_read_failure(seen, tls::errc::socket_misbehaved); });
    }
}

TEST_CASE("F12 an error that nobody knows is told as it is, and stays", "[faults]") {
    const std::error_code unknown{4711, tests::unknown_category()};
    // The transport's own ETIMEDOUT is not a deadline.
    const std::error_code transport_timeout{static_cast<int>(std::errc::timed_out), std::system_category()};
    for (const auto code : {unknown, transport_timeout}) {
        const auto ends = outcome::error(code);
        at_every_call(call_kind::read, ends, [&](trial::account& seen) { expect_read_failure(seen, code); });
        at_every_call(call_kind::write, ends, [&](trial::account& seen) { expect_write_failure(seen, code); });
    }
}

TEST_CASE("F12 an exception comes out once, and the stream has failed", "[faults]") {
    const auto once = [](trial::account& seen) { seen.expect(seen.exceptions == 1, "the exception comes out once"); };
    at_every_call(call_kind::read, outcome::exception(), [&](trial::account& seen) {
        once(seen);
        expect_read_failure(seen, tls::errc::exception_thrown);
    });
    at_every_call(call_kind::write, outcome::exception(), [&](trial::account& seen) {
        once(seen);
        expect_write_failure(seen, tls::errc::exception_thrown);
    });
}
