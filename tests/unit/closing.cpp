// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What closing means: the order on the wire, what reads and writes say afterwards, and the limits, by a clock that the test moves.

#include <tls/closing.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
using tests::reaction;
using tls::shutdown_mode;
using tls::shutdown_options;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using session = tests::session<>;

const std::error_code none;
const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);
const std::error_code timed_out = std::make_error_code(std::errc::timed_out);

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// Every way to write says this, and nothing reaches the socket.
template <class Stream>
void check_writes_refused(Stream& stream, const tests::memory_end& end, std::error_code expected) {
    const auto sent = end.bytes_sent();
    const auto calls = end.calls().writes;
    const std::array<std::span<const std::byte>, 2> pieces{std::as_bytes(std::span("ab", 2)),
                                                           std::as_bytes(std::span("cd", 2))};
    std::error_code ec;
    CHECK(stream.write("text", ec) == 0);
    CHECK(ec == expected);
    CHECK(stream.write_some("text", ec) == 0);
    CHECK(ec == expected);
    CHECK(stream.write(pieces, ec) == 0);
    CHECK(ec == expected);
    CHECK(end.bytes_sent() == sent);
    CHECK(end.calls().writes == calls);
    CHECK(tests::queue_is_empty());
}

// Twice, since an end that is known never changes.
template <class Stream>
void check_reads_end(Stream& stream, std::error_code expected, stream_end end) {
    std::array<char, 10> into{};
    for (int i = 0; i < 2; ++i) {
        std::error_code ec;
        CHECK(stream.read_some(into, ec) == 0);
        CHECK(ec == expected);
        CHECK(stream.read_end() == end);
    }
    CHECK(tests::queue_is_empty());
}

// How many alert records there are in what a session's end sent.
std::size_t alerts(const std::string& wire) {
    std::size_t count = 0;
    for (auto at = wire.find("alert"); at != std::string::npos; at = wire.find("alert", at + 1)) ++count;
    return count;
}

}  // namespace

// --- the table ---

TEST_CASE("closing: shutdown(write) sends what was written, close_notify and FIN; reading goes on", "[closing]") {
    session s({.version = any_version()});
    s.stream.write("hello");
    const auto mark = s.mark();
    CHECK(s.stream.shutdown(shutdown_mode::write) == shutdown_result{.close_notify_sent = true, .transport_shut_down = true});
    CHECK(s.wire() == "data, alert, FIN");
    CHECK(s.steps(mark) == "write, shutdown write");
    CHECK(s.stream.read_end() == stream_end::open);
    s.peer.pump();
    CHECK(s.peer.account() == "handshake, data 5, close_notify, eof");

    s.peer.send("still here");
    s.peer.send(std::string(40'000, 'y'));
    s.peer.close_notify();
    std::error_code ec;
    CHECK(s.read_all(ec) == "still here" + std::string(40'000, 'y'));
    CHECK(ec == none);
    check_reads_end(s.stream, none, stream_end::close_notify);
    check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
    CHECK(s.wire() == "data, alert, FIN");
}

TEST_CASE("closing: shutdown(read) sends nothing; reads give 0 and writes go on", "[closing]") {
    session s({.version = any_version()});
    s.peer.send("buffered and thrown away");
    s.work();
    std::array<char, 4> some{};
    REQUIRE(s.stream.read_some(some) == 4);

    const auto mark = s.mark();
    std::error_code ec;
    CHECK(s.stream.shutdown(shutdown_mode::read, ec) == shutdown_result{});
    CHECK(ec == none);
    CHECK(s.steps(mark).empty());
    CHECK_FALSE(s.stream.input_buffered());
    s.peer.send("later");
    s.work();
    check_reads_end(s.stream, none, stream_end::open);
    CHECK(s.steps(mark).empty());

    CHECK(s.stream.write("goes on") == 7);
    CHECK(s.wire() == "data");
    s.work();
    CHECK(s.peer.received() == "goes on");
}

TEST_CASE("closing: shutdown(both) sends as write does, receives until the peer's end, and shuts both then", "[closing]") {
    session s({.version = any_version(), .on_close_notify = reaction::fin});
    s.stream.write("hello");
    const auto mark = s.mark();
    const auto result = s.stream.shutdown(shutdown_mode::both);
    CHECK(result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify});
    CHECK(result.clean());
    CHECK(s.wire() == "data, alert, FIN");
    CHECK(s.steps(mark) == "write, shutdown write, read, eof, shutdown both");
    CHECK_FALSE(s.net.a().closed());
    check_reads_end(s.stream, none, stream_end::close_notify);
    check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
    CHECK(s.peer.account() == "handshake, data 5, close_notify, eof");
}

TEST_CASE("closing: close() is shutdown(both), then the socket", "[closing]") {
    session s({.version = any_version(), .on_close_notify = reaction::close});
    s.stream.write("hello");
    const auto mark = s.mark();
    CHECK(s.stream.close().clean());
    CHECK(s.wire() == "data, alert, FIN, close");
    CHECK(s.steps(mark) == "write, shutdown write, read, eof, shutdown both, close");
    check_reads_end(s.stream, tls::errc::not_open, stream_end::close_notify);
    check_writes_refused(s.stream, s.net.a(), tls::errc::not_open);
    CHECK(s.peer.account() == "handshake, data 5, close_notify, eof");

    std::error_code ec;
    CHECK(s.stream.shutdown(shutdown_mode::both, ec).clean());
    CHECK(ec == tls::errc::not_open);
    s.stream.handshake(ec);
    CHECK(ec == tls::errc::not_open);
    CHECK_FALSE(s.stream.flush(ec));
    CHECK(ec == tls::errc::not_open);
}

TEST_CASE("closing: abort() closes the socket and sends nothing", "[closing]") {
    session s({.version = any_version()});
    s.stream.write("hello");
    const auto mark = s.mark();
    s.stream.abort();
    s.stream.abort();
    CHECK(s.wire() == "data, abort");
    CHECK(s.steps(mark) == "abort");
    check_reads_end(s.stream, tls::errc::not_open, stream_end::open);
    check_writes_refused(s.stream, s.net.a(), tls::errc::not_open);
    s.work();
    CHECK(s.peer.account() == "handshake, data 5, eof");
    std::error_code ec;
    CHECK(s.stream.close(ec) == shutdown_result{});
    CHECK(ec == none);
}

TEST_CASE("closing: a socket without abort() is closed by abort()", "[closing]") {
    tests::session<tests::socket_features::none> s;
    s.stream.abort();
    CHECK(s.wire() == "close");
}

TEST_CASE("closing: the destructor lets go of the socket and sends nothing", "[closing]") {
    session s({.version = any_version()});
    s.stream.write("half a mess");
    const auto mark = s.mark();
    const auto calls = s.net.a().calls();
    s.stream = session::stream_type();
    CHECK(s.wire() == "data, destroyed");
    CHECK(s.steps(mark) == "destroyed");
    CHECK(s.net.a().calls().io == calls.io);
    s.work();
    CHECK(s.peer.account() == "handshake, data 11, eof");
}

// --- what the peer does is a result ---

TEST_CASE("closing: the peer's end is a result, and reads name it afterwards", "[closing]") {
    const bool close = GENERATE(false, true);
    session s({.version = any_version()});
    const auto end = [&](const shutdown_options& options, std::error_code& ec) {
        return close ? s.stream.close(options, ec) : s.stream.shutdown(shutdown_mode::both, options, ec);
    };
    const auto reads_then = [&](std::error_code expected, stream_end peer) {
        check_reads_end(s.stream, close ? std::error_code(tls::errc::not_open) : expected, peer);
        check_writes_refused(s.stream, s.net.a(), close ? tls::errc::not_open : tls::errc::write_shut_down);
    };
    const std::string tail = close ? ", close" : "";
    std::error_code ec;
    SECTION("FIN without close_notify") {
        s.peer.fin();
        CHECK(end({}, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::truncated});
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN" + tail);
        reads_then(tls::errc::truncated, stream_end::truncated);
    }
    SECTION("reset") {
        s.net.a().pump([&] { s.peer.reset(), s.peer.pump(); });
        CHECK(end({}, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::reset});
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN" + tail);
        reads_then({static_cast<int>(std::errc::connection_reset), std::system_category()}, stream_end::reset);
    }
    SECTION("a fatal alert") {
        s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
        CHECK(end({}, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::failed});
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN" + tail);
        reads_then({SSL_AD_INTERNAL_ERROR, tls::alert_category()}, stream_end::failed);
    }
    SECTION("data within the limit, then close_notify") {
        s.peer.send("thrown away");
        s.peer.close_notify();
        const auto result = end({}, ec);
        CHECK(result ==
              shutdown_result{
                  .close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify, .discarded = 11});
        CHECK_FALSE(result.clean());
        CHECK(ec == none);
        reads_then(none, stream_end::close_notify);
    }
    SECTION("nothing, until time is up") {
        const auto begin = s.net.now();
        CHECK(end({}, ec) == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
        CHECK(ec == none);
        CHECK(s.net.now() - begin == 5s);
        CHECK(s.wire() == "alert, FIN" + tail);
        CHECK(s.stream.read_end() == stream_end::open);
        if (!close) {
            s.peer.send("late");
            s.peer.close_notify();
            CHECK(s.read_all(ec) == "late");
            CHECK(ec == none);
        }
        reads_then(none, close ? stream_end::open : stream_end::close_notify);
    }
}

TEST_CASE("closing: our part unsent in time is an error; the rest is still sent by a later call", "[closing]") {
    session s({.version = any_version(), .on_close_notify = reaction::close_notify});
    s.net.a().script({.room = 3});
    std::error_code ec;
    const auto begin = s.net.now();
    SECTION("shutdown(write)") {
        CHECK(s.stream.shutdown(shutdown_mode::write, {.timeout = 700ms}, ec) == shutdown_result{.timed_out = true});
        CHECK(ec == timed_out);
        CHECK(s.net.now() - begin == 700ms);
        CHECK(s.net.a().bytes_sent() == s.since + 3);
        s.net.a().add_room(1000);
        CHECK(s.stream.shutdown(shutdown_mode::write, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true});
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN");
    }
    SECTION("shutdown(both)") {
        CHECK(s.stream.shutdown(shutdown_mode::both, {.timeout = 700ms}, ec) == shutdown_result{.timed_out = true});
        CHECK(ec == timed_out);
        CHECK(s.net.now() - begin == 700ms);
        s.net.a().add_room(1000);
        CHECK(s.stream.shutdown(shutdown_mode::both, ec).clean());
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN");
    }
    SECTION("close") {
        CHECK(s.stream.close({.timeout = 700ms}, ec) == shutdown_result{.timed_out = true});
        CHECK(ec == timed_out);
        CHECK(s.net.now() - begin == 700ms);
        CHECK(s.net.a().bytes_sent() == s.since + 3);
        CHECK(s.wire().find("FIN") == std::string::npos);
        CHECK(s.net.a().closed());
    }
}

TEST_CASE("closing: a throwing close closes first, and the exception holds the result", "[closing]") {
    session s;
    s.net.a().script({.room = 0});
    try {
        s.stream.close({.timeout = 1s});
        FAIL("it should have thrown");
    } catch (const tls::error& e) {
        CHECK(e.code() == timed_out);
        CHECK(e.shutdown() == shutdown_result{.timed_out = true});
        CHECK(e.bytes_transferred() == 0);
    }
    CHECK(s.net.a().closed());
    CHECK_NOTHROW(s.stream.close());
}

TEST_CASE("closing: an error of the socket's own close or shutdown is told", "[closing]") {
    session s({.on_close_notify = reaction::close_notify});
    const std::error_code broken{static_cast<int>(std::errc::io_error), std::system_category()};
    std::error_code ec;
    SECTION("close") {
        s.net.a().script(tests::at_call(tests::call_kind::close, 0, tests::outcome::error(broken)));
        CHECK(s.stream.close(ec).clean());
        CHECK(ec == broken);
    }
    SECTION("shutdown") {
        s.net.a().script(tests::at_call(tests::call_kind::shutdown, 0, tests::outcome::error(broken)));
        const auto result = s.stream.shutdown(shutdown_mode::write, ec);
        CHECK(result == shutdown_result{.close_notify_sent = true});
        CHECK(ec == broken);
    }
    SECTION("the second shutdown, when the peer has ended, is of no interest") {
        s.net.a().script(tests::at_call(tests::call_kind::shutdown, 1, tests::outcome::error(broken)));
        CHECK(s.stream.shutdown(shutdown_mode::both, ec).clean());
        CHECK(ec == none);
    }
}

TEST_CASE("closing: close_notify that the transport refuses", "[closing]") {
    const auto version = any_version();
    const auto mode = GENERATE(shutdown_mode::write, shutdown_mode::both);
    session s({.version = version});
    std::error_code ec;
    const std::error_code broken_pipe{static_cast<int>(std::errc::broken_pipe), std::system_category()};
    const auto break_output = [&] { s.net.a().script({.output_breaks_at = s.net.a().bytes_sent()}); };
    SECTION("EPIPE while the peer's close_notify has been read: a result") {
        s.peer.close_notify();
        std::array<char, 4> into{};
        REQUIRE(s.stream.read_some(into) == 0);
        break_output();
        const auto result = s.stream.shutdown(mode, ec);
        CHECK(ec == none);
        CHECK_FALSE(result.close_notify_sent);
        CHECK(result.peer == stream_end::close_notify);
        check_reads_end(s.stream, none, stream_end::close_notify);
    }
    SECTION("EPIPE while the peer's close_notify has arrived and was not read: a result") {
        s.peer.close_notify();
        s.peer.fin();
        s.work();
        break_output();
        const auto result = s.stream.shutdown(mode, ec);
        CHECK(ec == none);
        CHECK_FALSE(result.close_notify_sent);
        CHECK(result.peer == stream_end::close_notify);
        check_reads_end(s.stream, none, stream_end::close_notify);
    }
    SECTION("ECONNRESET while the peer's close_notify has arrived: a result") {
        s.peer.send("data");
        s.peer.close_notify();
        s.peer.reset();
        s.work();
        const auto result = s.stream.shutdown(mode, ec);
        CHECK(ec == none);
        CHECK_FALSE(result.close_notify_sent);
        CHECK(result.peer == stream_end::close_notify);
        CHECK(s.read_all(ec) == "data");
        check_reads_end(s.stream, none, stream_end::close_notify);
    }
    SECTION("EPIPE while the peer has said nothing: an error") {
        break_output();
        const auto result = s.stream.shutdown(mode, {.timeout = 1s}, ec);
        CHECK(ec == broken_pipe);
        CHECK_FALSE(result.close_notify_sent);
        CHECK_FALSE(result.clean());
        CHECK(result.peer == stream_end::open);
    }
    SECTION("EPIPE that the peer's alert explains: the alert is reported") {
        s.peer.send("before");
        s.peer.fatal_alert(SSL_AD_ACCESS_DENIED);
        s.work();
        break_output();
        const std::error_code alert{SSL_AD_ACCESS_DENIED, tls::alert_category()};
        CHECK(s.stream.write("text", ec) == 0);
        CHECK(ec == alert);
        const auto result = s.stream.shutdown(mode, ec);
        CHECK(result.peer == stream_end::failed);
        CHECK_FALSE(result.close_notify_sent);
        CHECK(s.read_all(ec) == "before");
        check_reads_end(s.stream, alert, stream_end::failed);
    }
}

TEST_CASE("closing: written data that the transport refuses is an error, even if the peer has said close_notify", "[closing]") {
    session s({.version = any_version(), .non_blocking = true});
    s.peer.close_notify();
    s.work();
    s.net.a().script({.room = 10});
    std::error_code ec;
    REQUIRE(s.stream.write("accepted, and lost", ec) == 18);
    s.net.a().script({.output_breaks_at = s.net.a().bytes_sent()});
    const auto result = s.stream.shutdown(shutdown_mode::both, ec);
    CHECK(ec == std::errc::broken_pipe);
    CHECK(result.peer == stream_end::close_notify);
    CHECK_FALSE(result.close_notify_sent);
}

// --- limits in time ---

TEST_CASE("closing: the limit is the earlier of timeout and the stream's deadline, and the deadline holds afterwards",
          "[closing]") {
    session s({.version = any_version()});
    const auto begin = s.net.now();
    std::error_code ec;
    SECTION("the deadline") {
        s.stream.expires_after(2s);
        CHECK(s.stream.shutdown(shutdown_mode::both, ec).timed_out);
        CHECK(s.net.now() - begin == 2s);
    }
    SECTION("one direction's deadline") {
        s.stream.write_expires_at(begin + 3s);
        CHECK(s.stream.shutdown(shutdown_mode::both, ec).timed_out);
        CHECK(s.net.now() - begin == 3s);
    }
    SECTION("timeout") {
        s.stream.expires_after(1h);
        CHECK(s.stream.shutdown(shutdown_mode::both, {.timeout = 300ms}, ec).timed_out);
        CHECK(s.net.now() - begin == 300ms);
        std::array<char, 4> into{};
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == timed_out);
        CHECK(s.net.now() - begin == 1h);
    }
    SECTION("the longest timeout there is: until the peer ends") {
        s.net.clock().call_after(std::chrono::hours(1000), [&] { s.peer.close_notify(), s.peer.pump(); });
        CHECK(s.stream.shutdown(shutdown_mode::both, {.timeout = std::chrono::milliseconds::max()}, ec).clean());
        CHECK(s.net.now() - begin == std::chrono::hours(1000));
    }
}

TEST_CASE("closing: with no time at all, what needs no waiting is done", "[closing]") {
    session s({.version = any_version()});
    const auto begin = s.net.now();
    std::error_code ec;
    shutdown_options options{.timeout = GENERATE(0ms, -1000ms)};
    if (GENERATE(false, true)) {
        s.stream.expires_at(begin - 1h);
        options.timeout = 5s;
    }
    SECTION("the peer is silent") {
        CHECK(s.stream.shutdown(shutdown_mode::both, options, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN");
    }
    SECTION("all that the peer had to say is here") {
        s.peer.send(std::string(100'000, 'x'));
        s.peer.close_notify();
        s.peer.fin();
        s.work();
        CHECK(s.stream.close(options, ec) == shutdown_result{.close_notify_sent = true,
                                                             .transport_shut_down = true,
                                                             .peer = stream_end::close_notify,
                                                             .discarded = 100'000});
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN, close");
    }
    SECTION("the socket takes a part: as far as it takes it") {
        s.net.a().script({.room = 7});
        CHECK(s.stream.shutdown(shutdown_mode::write, options, ec) == shutdown_result{.timed_out = true});
        CHECK(ec == timed_out);
        CHECK(s.net.a().bytes_sent() == s.since + 7);
        s.net.a().add_room(5);
        CHECK(s.stream.close(options, ec) == shutdown_result{.timed_out = true});
        CHECK(ec == timed_out);
        CHECK(s.net.a().bytes_sent() == s.since + 12);
        CHECK(s.net.a().closed());
    }
    CHECK(s.net.now() == begin);
}

TEST_CASE("closing: a peer that drips does not stretch the limit", "[closing]") {
    session s({.version = any_version()});
    std::function<void()> drip = [&] {
        s.peer.send("x");
        s.peer.pump();
        s.net.clock().call_after(1s, drip);
    };
    drip();
    const auto begin = s.net.now();
    std::error_code ec;
    CHECK(s.stream.close({.timeout = 4500ms}, ec) ==
          shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true, .discarded = 5});
    CHECK(ec == none);
    CHECK(s.net.now() - begin == 4500ms);
}

TEST_CASE("closing: a peer that sends without pause does not stretch the limit", "[closing]") {
    session s({.version = any_version()});
    s.peer.send(std::string(10'000, 'x'));
    s.work();
    s.stream.shutdown(shutdown_mode::read);
    // Each read is answered by the next record at once, and takes time.
    std::size_t records = 0;
    s.net.a().pump([&] {
        s.net.clock().advance(1ms);
        s.peer.send(std::string(1000, 'y'));
        s.peer.pump();
        ++records;
    });
    std::error_code ec;
    const auto result = s.stream.close({.timeout = 1s}, ec);
    CHECK(result.timed_out);
    CHECK(ec == none);
    CHECK(records >= 900);
    CHECK(records <= 3000);
    CHECK(s.net.a().closed());
}

TEST_CASE("closing: when time is up, what lies there is still taken, but not without end", "[closing]") {
    session s({.version = any_version()});
    s.stream.shutdown(shutdown_mode::read);
    for (int i = 0; i < 4000; ++i) s.peer.send("yyy");
    s.peer.close_notify();
    s.work();
    const auto reads = s.net.a().calls().reads;
    std::error_code ec;
    const auto result = s.stream.close({.timeout = 0ms}, ec);
    CHECK(ec == none);
    CHECK(result.timed_out);
    CHECK(result.peer == stream_end::open);
    CHECK(s.net.a().calls().reads - reads < 3000);
    CHECK(s.net.a().closed());
}

// --- limits in size ---

TEST_CASE("closing: drain_limit", "[closing]") {
    session s({.version = any_version()});
    std::error_code ec;
    SECTION("0: it looks, and throws nothing away") {
        s.peer.send("readable");
        s.peer.close_notify();
        CHECK(s.stream.shutdown(shutdown_mode::both, {.drain_limit = 0}, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .limit_reached = true});
        CHECK(ec == none);
        CHECK(s.read_all(ec) == "readable");
        CHECK(ec == none);
        CHECK(s.stream.read_end() == stream_end::close_notify);
    }
    SECTION("0, and there is nothing to throw away") {
        s.peer.close_notify();
        CHECK(s.stream.shutdown(shutdown_mode::both, {.drain_limit = 0}, ec).clean());
    }
    SECTION("exactly what comes") {
        s.peer.send("0123456789");
        s.peer.close_notify();
        CHECK(s.stream.shutdown(shutdown_mode::both, {.drain_limit = 10}, ec) ==
              shutdown_result{
                  .close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify, .discarded = 10});
    }
    SECTION("one byte less") {
        s.peer.send("0123456789");
        s.peer.close_notify();
        CHECK(s.stream.shutdown(shutdown_mode::both, {.drain_limit = 9}, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .limit_reached = true, .discarded = 9});
        CHECK(s.read_all(ec) == "9");
        CHECK(s.stream.read_end() == stream_end::close_notify);
    }
    SECTION("what was decrypted before counts too") {
        s.peer.send("0123456789");
        s.peer.close_notify();
        std::array<char, 3> some{};
        REQUIRE(s.stream.read_some(some) == 3);
        CHECK(s.stream.shutdown(shutdown_mode::both, {.drain_limit = 5}, ec).discarded == 5);
        CHECK(s.read_all(ec) == "89");
    }
    SECTION("a second call goes on with fresh limits, and discarded adds up") {
        s.peer.send("0123456789");
        s.peer.send("abcdefghij");
        s.peer.close_notify();
        auto result = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 8}, ec);
        CHECK(result.discarded == 8);
        CHECK(result.limit_reached);
        result = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 8}, ec);
        CHECK(result.discarded == 16);
        CHECK(result.limit_reached);
        result = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 4}, ec);
        CHECK(result ==
              shutdown_result{
                  .close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify, .discarded = 20});
        CHECK(s.wire() == "alert, FIN");
    }
    SECTION("a close that reaches it closes") {
        s.peer.send("0123456789");
        CHECK(s.stream.close({.drain_limit = 3}, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .limit_reached = true, .discarded = 3});
        CHECK(ec == none);
        CHECK(s.net.a().closed());
    }
    SECTION("the default lets a megabyte pass") {
        s.peer.send(std::string(1 << 20, 'x'));
        s.peer.close_notify();
        CHECK(s.stream.shutdown(shutdown_mode::both, ec) == shutdown_result{.close_notify_sent = true,
                                                                            .transport_shut_down = true,
                                                                            .peer = stream_end::close_notify,
                                                                            .discarded = 1 << 20});
    }
}

TEST_CASE("closing: what follows shutdown(read) is drained within the time limit alone, and is not counted", "[closing]") {
    session s({.version = any_version()});
    std::error_code ec;
    s.peer.send("some of it is read");
    s.work();
    std::array<char, 4> some{};
    REQUIRE(s.stream.read_some(some) == 4);
    s.stream.shutdown(shutdown_mode::read);
    s.peer.send(std::string(50'000, 'x'));
    SECTION("to the end") {
        s.peer.close_notify();
        const auto result = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 0}, ec);
        CHECK(result.clean());
        CHECK(result ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify});
        check_reads_end(s.stream, none, stream_end::close_notify);
    }
    SECTION("until time is up") {
        const auto result = s.stream.shutdown(shutdown_mode::both, {.timeout = 1s, .drain_limit = 0}, ec);
        CHECK(result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
        check_reads_end(s.stream, none, stream_end::open);
    }
    SECTION("to an end that is not clean: reads still give 0, and the result tells") {
        s.peer.fin();
        CHECK(s.stream.shutdown(shutdown_mode::both, ec).peer == stream_end::truncated);
        check_reads_end(s.stream, none, stream_end::truncated);
    }
    CHECK(ec == none);
}

// --- ciphertext that is pending ---

TEST_CASE("F36 closing with a write that is pending finishes it first, at every byte of room", "[closing]") {
    const auto version = any_version();
    const auto mode = GENERATE(0, 1, 2);
    const std::string text(150, 't');
    std::size_t whole = 1;
    for (std::size_t room = 0; room <= whole; ++room) {
        CAPTURE(room);
        session s({.version = version, .on_close_notify = reaction::close, .non_blocking = true});
        std::error_code ec;
        const auto end = [&](std::error_code& why) {
            return mode == 0   ? s.stream.shutdown(shutdown_mode::write, why)
                   : mode == 1 ? s.stream.shutdown(shutdown_mode::both, why)
                               : s.stream.close(why);
        };
        s.net.a().script({.room = room});
        REQUIRE(s.stream.write(text, ec) == text.size());
        auto result = end(ec);
        s.work();
        if (room < whole && ec == would_block && !result.close_notify_sent) {
            CHECK(s.stream.wants() == tls::want::output);
            CHECK_FALSE(result.transport_shut_down);
            CHECK(s.net.a().bytes_sent() == s.since + room);
            CHECK_FALSE(s.peer.close_notify_received());
            whole = room + s.stream.pending_output();
        }
        check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
        s.net.a().add_room(10'000);
        result = s.repeat(end, ec);
        CHECK(ec == none);
        CHECK(result.close_notify_sent);
        CHECK(result.transport_shut_down);
        CHECK(s.wire() == (mode == 2 ? "data, alert, FIN, close" : "data, alert, FIN"));
        s.work();
        CHECK(s.peer.account() == "handshake, data 150, close_notify, eof");
        CHECK(tests::queue_is_empty());
    }
    CHECK(whole > 150 + 2 * 5);
}

// Both sides send and neither reads: whoever closes must read to get its own bytes out.
template <tests::socket_features Has>
void check_flooded(bool non_blocking, bool close) {
    tests::session<Has> s({.on_close_notify = reaction::close_notify,
                           .non_blocking = non_blocking,
                           .net = {.capacity_a_to_b = 10'000, .capacity_b_to_a = 20'000}});
    s.stuck_while_sending = true;
    s.peer.send(std::string(300'000, 'f'));
    s.work();
    std::error_code ec;
    if constexpr (tests::has(Has, tests::socket_features::deadlines)) {
        s.stream.expires_at(s.net.now());
    }
    const std::string text(60'000, 't');
    REQUIRE(s.stream.write_some(text, ec) == text.size());
    REQUIRE(s.stream.pending_output() >= 50'000);
    if constexpr (tests::has(Has, tests::socket_features::deadlines)) {
        s.stream.expires_never();
    }
    const auto begin = s.net.now();
    const auto end = [&](std::error_code& why) {
        return close ? s.stream.close(why) : s.stream.shutdown(shutdown_mode::both, why);
    };
    const auto result = s.repeat(end, ec);
    CHECK(ec == none);
    CHECK(result ==
          shutdown_result{
              .close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify, .discarded = 300'000});
    CHECK(s.peer.received() == text);
    CHECK(s.peer.account() == "handshake, data 60000, close_notify, eof");
    CHECK(s.net.now() - begin < 5s);
    CHECK(s.wire().starts_with("data*4, alert, FIN"));
}

TEST_CASE("closing: with both sides stuck in sending, all that was written is delivered", "[closing]") {
    using tests::socket_features;
    const bool close = GENERATE(false, true);
    SECTION("a socket that can be polled") { check_flooded<socket_features::all>(false, close); }
    SECTION("a socket with deadlines alone") { check_flooded<socket_features::all - socket_features::polling>(false, close); }
    SECTION("a socket that does not block") { check_flooded<socket_features::all>(true, close); }
    SECTION("a socket that does not block and can do no more than it must") {
        check_flooded<socket_features::none>(true, close);
    }
}

TEST_CASE("closing: with both sides stuck and drain_limit reached, it ends in time and says so", "[closing]") {
    session s({.net = {.capacity_a_to_b = 10'000, .capacity_b_to_a = 20'000}});
    s.stuck_while_sending = true;
    s.peer.send(std::string(300'000, 'f'));
    s.work();
    s.stream.expires_at(s.net.now());
    std::error_code ec;
    REQUIRE(s.stream.write_some(std::string(60'000, 't'), ec) == 60'000);
    s.stream.expires_never();
    const auto begin = s.net.now();
    const auto result = s.stream.shutdown(shutdown_mode::both, {.timeout = 2s, .drain_limit = 1000}, ec);
    CHECK(ec == timed_out);
    CHECK(result == shutdown_result{.timed_out = true, .limit_reached = true, .discarded = 1000});
    CHECK(s.net.now() - begin == 2s);
    // Fresh limits, and it goes on from there.
    const auto second = s.stream.shutdown(shutdown_mode::both, {.timeout = 2s}, ec);
    CHECK(ec == none);
    CHECK(second.close_notify_sent);
    CHECK(second.discarded == 300'000);
    CHECK(s.peer.received().size() == 60'000);
}

TEST_CASE("closing: bytes that were accepted and are still here leave with a close without time", "[closing]") {
    session s({.version = any_version(), .non_blocking = true});
    s.net.a().script({.room = 4});
    std::error_code ec;
    REQUIRE(s.stream.write("accepted", ec) == 8);
    s.net.a().add_room(10'000);
    CHECK(s.stream.close({.timeout = 0ms}, ec) ==
          shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
    CHECK(ec == none);
    CHECK(s.wire() == "data, alert, FIN, close");
}

// --- twice, and one after the other ---

TEST_CASE("F35 closing twice is harmless: one close_notify on the wire", "[closing]") {
    session s({.version = any_version()});
    std::error_code ec;
    const shutdown_result sent{.close_notify_sent = true, .transport_shut_down = true};
    SECTION("write, write") {
        CHECK(s.stream.shutdown(shutdown_mode::write) == sent);
        const auto mark = s.mark();
        CHECK(s.stream.shutdown(shutdown_mode::write) == sent);
        CHECK(s.steps(mark).empty());
    }
    SECTION("both goes on from write") {
        CHECK(s.stream.shutdown(shutdown_mode::write) == sent);
        s.peer.close_notify();
        const auto mark = s.mark();
        CHECK(s.stream.shutdown(shutdown_mode::both).clean());
        CHECK(s.steps(mark) == "read, shutdown both");
    }
    SECTION("close goes on from write") {
        CHECK(s.stream.shutdown(shutdown_mode::write) == sent);
        s.peer.close_notify();
        const auto mark = s.mark();
        CHECK(s.stream.close().clean());
        CHECK(s.steps(mark) == "read, shutdown both, close");
    }
    SECTION("both, both, write") {
        s.peer.close_notify();
        const auto first = s.stream.shutdown(shutdown_mode::both);
        CHECK(first.clean());
        const auto mark = s.mark();
        CHECK(s.stream.shutdown(shutdown_mode::both) == first);
        CHECK(s.stream.shutdown(shutdown_mode::write) == first);
        CHECK(s.steps(mark).empty());
    }
    SECTION("both that ran out of time, and again") {
        CHECK(s.stream.shutdown(shutdown_mode::both, {.timeout = 1s}).timed_out);
        const auto begin = s.net.now();
        s.net.clock().call_after(2s, [&] { s.peer.close_notify(), s.peer.pump(); });
        CHECK(s.stream.shutdown(shutdown_mode::both).clean());
        CHECK(s.net.now() - begin == 2s);
    }
    SECTION("close, close") {
        s.peer.close_notify();
        const auto first = s.stream.close();
        const auto mark = s.mark();
        CHECK(s.stream.close(ec) == first);
        CHECK(ec == none);
        CHECK(s.steps(mark).empty());
        CHECK(s.net.a().calls().closes == 1);
    }
    s.stream.abort();
    CHECK(alerts(s.wire()) == 1);
    s.work();
    CHECK(s.peer.alerts() == std::vector<int>{0});
}

TEST_CASE("closing: close() after a shutdown(both) that ended, in whatever way, only closes", "[closing]") {
    session s({.version = any_version()});
    std::error_code ec;
    const auto check_only_closes = [&](const shutdown_result& found) {
        const auto mark = s.mark();
        const auto begin = s.net.now();
        CHECK(s.stream.close(ec) == found);
        CHECK(ec == none);
        CHECK(s.steps(mark).ends_with("close"));
        CHECK(s.steps(mark).find("read") == std::string::npos);
        CHECK(s.steps(mark).find("write") == std::string::npos);
        CHECK(s.net.now() == begin);
        CHECK(s.net.a().closed());
    };
    SECTION("the peer's end") {
        s.peer.close_notify();
        const auto found = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(found.clean());
        check_only_closes(found);
    }
    SECTION("time") {
        const auto found = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(found.timed_out);
        check_only_closes(found);
    }
    SECTION("size") {
        s.peer.send("data");
        const auto found = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 1}, ec);
        CHECK(found.limit_reached);
        check_only_closes(found);
    }
    SECTION("our own part unsent") {
        s.net.a().script({.room = 0});
        const auto found = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(ec == timed_out);
        check_only_closes(found);
    }
    SECTION("truncation") {
        s.peer.fin();
        const auto found = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(found.peer == stream_end::truncated);
        check_only_closes(found);
    }
}

// --- the transport stays open ---

TEST_CASE("closing: keep_transport_open sends close_notify and no FIN; release() hands over the rest", "[closing]") {
    const auto version = any_version();
    session s({.version = version});
    const shutdown_options keep{.keep_transport_open = true};
    std::error_code ec;
    s.stream.write("secret");
    SECTION("both") {
        s.peer.send("also secret");
        s.peer.close_notify();
        s.peer.raw("plain text from here on");
        std::array<char, 11> said{};
        CHECK(s.stream.read(said) == 11);
        CHECK(s.stream.shutdown(shutdown_mode::both, keep, ec) ==
              shutdown_result{.close_notify_sent = true, .peer = stream_end::close_notify});
        CHECK(ec == none);
        CHECK(s.wire() == "data, alert");
        CHECK(s.net.a().calls().shutdowns == 0);

        auto parts = std::move(s.stream).release();
        CHECK_FALSE(s.stream);
        const std::string expected = "plain text from here on";
        std::string plain;
        for (const auto b : parts.surplus) plain.push_back(std::to_integer<char>(b));
        CHECK(parts.surplus.size() + s.net.a().unread() == expected.size());
        std::string rest(s.net.a().unread(), '\0');
        if (!rest.empty()) CHECK(parts.socket.read_some(std::as_writable_bytes(std::span(rest)), ec) == rest.size());
        CHECK(plain + rest == expected);
        CHECK(parts.socket.write_some(std::as_bytes(std::span("plain", 5)), ec) == 5);
        CHECK_FALSE(s.net.a().closed());
    }
    SECTION("write, and reading goes on; FIN comes when it is asked for") {
        CHECK(s.stream.shutdown(shutdown_mode::write, keep) == shutdown_result{.close_notify_sent = true});
        CHECK(s.wire() == "data, alert");
        CHECK(std::move(s.stream).release(ec) == std::nullopt);
        CHECK(ec == tls::errc::not_closed);
        s.peer.send("answer");
        s.peer.close_notify();
        CHECK(s.stream.shutdown(shutdown_mode::write, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true});
        CHECK(s.wire() == "data, alert, FIN");
        CHECK(s.read_all(ec) == "answer");
    }
    SECTION("only the peer's close_notify is missing") {
        CHECK(s.stream.shutdown(shutdown_mode::both, {.timeout = 1s, .keep_transport_open = true}, ec).timed_out);
        CHECK(std::move(s.stream).release(ec) == std::nullopt);
        CHECK(ec == tls::errc::not_closed);
        CHECK_THROWS_AS(std::move(s.stream).release(), tls::error);
        s.peer.close_notify();
        CHECK(s.stream.shutdown(shutdown_mode::both, keep).clean());
        CHECK(std::move(s.stream).release(ec).has_value());
        CHECK(ec == none);
        CHECK(s.wire() == "data, alert, destroyed");
    }
    SECTION("close closes all the same") {
        s.peer.close_notify();
        CHECK(s.stream.close(keep, ec).clean());
        CHECK(s.wire() == "data, alert, close");
    }
}

TEST_CASE("closing: surplus is whole when the peer's close_notify is read before the call", "[closing]") {
    session s({.version = any_version()});
    s.peer.close_notify();
    s.peer.raw("abc");
    s.work();
    std::array<char, 10> into{};
    REQUIRE(s.stream.read_some(into) == 0);
    std::error_code ec;
    REQUIRE(s.stream.shutdown(shutdown_mode::both, {.keep_transport_open = true}, ec).clean());
    auto parts = std::move(s.stream).release();
    const auto n = s.net.a().unread();
    CHECK(parts.surplus.size() + n == 3);
}

// --- before and after the handshake ---

TEST_CASE("F37 closing while the handshake is not complete: no close_notify, no error", "[closing]") {
    const bool begun = GENERATE(false, true);
    session s({.version = any_version(), .non_blocking = true, .handshake = false});
    std::error_code ec;
    if (begun) {
        s.stream.handshake(ec);
        REQUIRE(ec == would_block);
    }
    const std::string hello = begun ? "handshake, " : "";
    SECTION("write") {
        CHECK(s.stream.shutdown(shutdown_mode::write, ec) == shutdown_result{.transport_shut_down = true});
        CHECK(s.wire() == hello + "FIN");
    }
    SECTION("both") {
        const auto mark = s.mark();
        CHECK(s.stream.shutdown(shutdown_mode::both, ec) == shutdown_result{.transport_shut_down = true});
        CHECK(s.steps(mark) == "shutdown write, shutdown both");
    }
    SECTION("close") {
        CHECK(s.stream.close(ec) == shutdown_result{.transport_shut_down = true});
        CHECK(s.wire() == hello + "FIN, close");
    }
    SECTION("read: nothing") {
        CHECK(s.stream.shutdown(shutdown_mode::read, ec) == shutdown_result{});
        CHECK(s.net.a().calls().shutdowns == 0);
    }
    CHECK(ec == none);
}

TEST_CASE("F38 closing after a handshake that failed flushes our alert, then FIN, and drops what still comes", "[closing]") {
    const auto version = any_version();
    const auto impostor = tests::make_leaf({"localhost"});
    tests::memory_network net;
    auto options = tests::peer_of(version);
    options.certificate = impostor.certificate.get();
    options.key = impostor.key.get();
    tests::raw_peer peer(net.b(), tls::role::server, options);
    tls::stream<tests::memory_socket> stream(net.a().socket(), tests::client_of(version), "localhost");
    net.a().pump([&] { peer.pump(); });
    std::error_code ec;
    SECTION("the alert leaves at once") {
        stream.handshake(ec);
        CHECK(ec.category() == tls::verify_category());
        const auto result = stream.close({.timeout = 1s}, ec);
        CHECK(ec == none);
        CHECK(result.peer == stream_end::failed);
        CHECK_FALSE(result.close_notify_sent);
        CHECK(result.transport_shut_down);
        CHECK(alerts(net.a().wire_text()) <= 1);
        CHECK(net.a().wire_text().ends_with("FIN, close"));
        REQUIRE(peer.alerts().size() == 1);
        CHECK(peer.alerts()[0] == SSL_AD_UNKNOWN_CA);
    }
    SECTION("the socket is full when it fails") {
        // All of the first flight goes in, and nothing after it.
        net.a().pump([&] {
            if (peer.pump()) net.a().script({.room = 0});
        });
        stream.handshake(ec);
        CHECK(ec.category() == tls::verify_category());
        CHECK(stream.pending_output() > 0);
        const auto failure = ec;
        net.clock().call_after(500ms, [&] { net.a().script({}); });
        const auto result = stream.close({.timeout = 1s}, ec);
        CHECK(ec == none);
        CHECK(result.peer == stream_end::failed);
        CHECK(peer.alerts() == std::vector<int>{SSL_AD_UNKNOWN_CA});
        CHECK(net.a().wire_text().ends_with("FIN, close"));
        CHECK(failure != none);
    }
    SECTION("what the peer still sends is read, so that no reset erases the alert") {
        stream.handshake(ec);
        peer.raw(std::string(50'000, 'r'));
        peer.fin();
        const auto result = stream.close({.timeout = 1s}, ec);
        CHECK(ec == none);
        CHECK_FALSE(result.timed_out);
        CHECK(net.a().wire_text().find("RST") == std::string::npos);
        CHECK(peer.alerts() == std::vector<int>{SSL_AD_UNKNOWN_CA});
    }
    SECTION("within its limits") {
        stream.handshake(ec);
        const auto begin = net.now();
        CHECK(stream.close({.timeout = 1s}, ec).timed_out);
        CHECK(net.now() - begin == 1s);
        CHECK(ec == none);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("closing: after a fatal alert of the peer nothing more is sent", "[closing]") {
    const bool close = GENERATE(false, true);
    session s({.version = any_version()});
    s.peer.send("before");
    s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
    std::error_code ec;
    const std::error_code alert{SSL_AD_INTERNAL_ERROR, tls::alert_category()};
    CHECK(s.read_all(ec) == "before");
    CHECK(ec == alert);
    check_writes_refused(s.stream, s.net.a(), alert);
    const auto result = close ? s.stream.close(ec) : s.stream.shutdown(shutdown_mode::both, ec);
    CHECK(result == shutdown_result{.transport_shut_down = true, .peer = stream_end::failed});
    CHECK(ec == none);
    CHECK(s.wire() == (close ? "FIN, close" : "FIN"));
    CHECK(s.net.a().bytes_sent() == s.since);
}

TEST_CASE("closing: what was pending when the peer's fatal alert came is not sent any more, and that is told", "[closing]") {
    session s({.version = any_version(), .non_blocking = true});
    s.net.a().script({.room = 3});
    std::error_code ec;
    REQUIRE(s.stream.write("pending", ec) == 7);
    s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
    s.work();
    const std::error_code alert{SSL_AD_INTERNAL_ERROR, tls::alert_category()};
    CHECK(s.read_all(ec).empty());
    CHECK(ec == alert);
    s.net.a().add_room(1000);
    const auto result = s.stream.close(ec);
    CHECK(ec == alert);
    CHECK(result == shutdown_result{.transport_shut_down = true, .peer = stream_end::failed});
    CHECK(s.net.a().bytes_sent() == s.since + 3);
    CHECK(s.net.a().closed());
}

TEST_CASE("closing: after a fatal alert of our own nothing more is sent but the alert", "[closing]") {
    session s({.version = any_version()});
    s.peer.raw("this is no TLS record at all");
    s.peer.fin();
    std::error_code ec;
    CHECK(s.read_all(ec).empty());
    CHECK(ec.category() == tls::ssl_category());
    const auto failure = ec;
    check_writes_refused(s.stream, s.net.a(), failure);
    const auto result = s.stream.close(ec);
    CHECK(ec == none);
    CHECK(result.peer == stream_end::failed);
    CHECK_FALSE(result.close_notify_sent);
    CHECK(s.wire() == "alert, FIN, close");
    s.work();
    REQUIRE(s.peer.alerts().size() == 1);
    CHECK(s.peer.alerts()[0] != SSL_AD_CLOSE_NOTIFY);
}

TEST_CASE("F22 an alert of our own that meets a full socket still reaches the peer before FIN", "[closing]") {
    session s({.version = any_version()});
    s.net.a().script({.room = 0});
    s.peer.raw("this is no TLS record at all");
    s.work();
    std::error_code ec;
    (void)s.read_all(ec);
    CHECK(ec.category() == tls::ssl_category());
    CHECK(s.stream.pending_output() > 0);
    s.net.clock().call_after(1s, [&] { s.net.a().add_room(1000); });
    const auto result = s.stream.shutdown(shutdown_mode::write, ec);
    CHECK(result.transport_shut_down);
    CHECK(s.wire() == "alert, FIN");
    s.work();
    CHECK(s.peer.alerts().size() == 1);
}

TEST_CASE("closing: after truncation and after the peer's close_notify writes go on, and a close says ours", "[closing]") {
    session s({.version = any_version()});
    const bool clean = GENERATE(false, true);
    if (clean) s.peer.close_notify();
    s.peer.fin();
    std::error_code ec;
    CHECK(s.read_all(ec).empty());
    CHECK(ec == (clean ? none : std::error_code(tls::errc::truncated)));
    CHECK(s.stream.write("goes on", ec) == 7);
    CHECK(ec == none);
    const auto result = s.stream.close(ec);
    CHECK(ec == none);
    CHECK(result.close_notify_sent);
    CHECK(result.clean() == clean);
    CHECK(s.wire() == "data, alert, FIN, close");
    s.work();
    CHECK(s.peer.received() == "goes on");
    CHECK(s.peer.close_notify_received());
}

TEST_CASE("closing: after a reset writes are refused with it", "[closing]") {
    session s({.version = any_version()});
    s.peer.send("arrived");
    s.peer.reset();
    s.work();
    std::error_code ec;
    CHECK(s.read_all(ec) == "arrived");
    CHECK(ec == std::errc::connection_reset);
    CHECK(s.stream.read_end() == stream_end::reset);
    check_writes_refused(s.stream, s.net.a(), ec);
    const auto result = s.stream.close(ec);
    CHECK(ec == none);
    CHECK(result.peer == stream_end::reset);
    CHECK_FALSE(result.close_notify_sent);
    CHECK(s.net.a().closed());
}

TEST_CASE("closing: a KeyUpdate that asks for an answer gets none after our close_notify", "[closing]") {
    session s({.on_close_notify = reaction::none});
    std::error_code ec;
    SECTION("it comes after close_notify") {
        s.stream.shutdown(shutdown_mode::write);
        s.peer.key_update(true);
        s.peer.send("data");
        s.peer.close_notify();
        CHECK(s.read_all(ec) == "data");
        CHECK(ec == none);
        CHECK(s.stream.close(ec).clean());
        CHECK(s.wire() == "alert, FIN, close");
    }
    SECTION("it comes before: the answer, if it goes out at all, goes first") {
        s.peer.key_update(true);
        s.peer.send("data");
        std::array<char, 4> into{};
        CHECK(s.stream.read(into) == 4);
        s.stream.shutdown(shutdown_mode::write);
        s.work();
        CHECK(s.wire().ends_with("alert, FIN"));
        CHECK(s.peer.account() == "handshake, close_notify, eof");
    }
    SECTION("it comes while we drain") {
        s.peer.key_update(true);
        s.peer.send("data");
        s.peer.close_notify();
        CHECK(s.stream.close(ec).discarded == 4);
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN, close");
    }
}

// --- sockets that do not block ---

TEST_CASE("closing without blocking after a handshake that failed", "[closing]") {
    session s({.version = any_version(), .non_blocking = true, .handshake = false});
    s.peer.raw("HTTP/1.0 400 Bad Request\r\n\r\n");
    s.work();
    s.net.a().script({.room = 0});
    std::error_code ec;
    s.stream.handshake(ec);
    CHECK(ec.category() == tls::ssl_category());
    CHECK(s.stream.close(ec).peer == stream_end::failed);
    CHECK(ec == would_block);
    CHECK(s.stream.wants() == tls::want::output);
    s.net.a().script({});
    CHECK(s.stream.close(ec).transport_shut_down);
    CHECK(ec == would_block);  // it reads, lest a reset erase the alert
    CHECK(s.stream.wants() == tls::want::input);
    CHECK(s.wire().ends_with("alert, FIN"));
    s.peer.fin();
    s.work();
    CHECK_FALSE(s.stream.close(ec).close_notify_sent);
    CHECK(ec == none);
    CHECK(s.wire().ends_with("alert, FIN, close"));
}

TEST_CASE("closing without blocking: by repeated calls, and the clock starts at the first", "[closing]") {
    session s({.version = any_version(), .non_blocking = true});
    std::error_code ec;
    SECTION("the peer's end comes in time") {
        auto result = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(ec == would_block);
        CHECK(result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true});
        CHECK(s.stream.wants() == tls::want::input);
        s.net.clock().advance(4s);
        s.peer.close_notify();
        s.work();
        result = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(ec == none);
        CHECK(result.clean());
        CHECK(s.stream.wants() == tls::want::nothing);
        CHECK(s.wire() == "alert, FIN");
    }
    SECTION("it does not: the result says so, and close() closes") {
        CHECK_FALSE(s.stream.close(ec).timed_out);
        CHECK(ec == would_block);
        CHECK_FALSE(s.net.a().closed());
        s.net.clock().advance(3s);
        CHECK_FALSE(s.stream.close(ec).timed_out);
        CHECK(ec == would_block);
        s.net.clock().advance(2s);
        CHECK(s.stream.close(ec).timed_out);
        CHECK(ec == none);
        CHECK(s.net.a().closed());
        CHECK(s.wire() == "alert, FIN, close");
    }
    SECTION("our own part does not leave in time") {
        s.net.a().script({.room = 1});
        CHECK_FALSE(s.stream.close(ec).close_notify_sent);
        CHECK(ec == would_block);
        CHECK(s.stream.wants() == tls::want::output);
        s.net.clock().advance(5s);
        CHECK(s.stream.close(ec) == shutdown_result{.timed_out = true});
        CHECK(ec == timed_out);
        CHECK(s.net.a().closed());
    }
    SECTION("a call with no time does not block, it ends") {
        CHECK(s.stream.shutdown(shutdown_mode::both, {.timeout = 0ms}, ec).timed_out);
        CHECK(ec == none);
    }
    SECTION("drain_limit counts over the repeated calls") {
        s.peer.send("01234");
        s.work();
        CHECK(s.stream.shutdown(shutdown_mode::both, {.drain_limit = 8}, ec).discarded == 5);
        CHECK(ec == would_block);
        s.peer.send("56789");
        s.work();
        const auto result = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 8}, ec);
        CHECK(ec == none);
        CHECK(result.limit_reached);
        CHECK(result.discarded == 8);
        CHECK(s.read_all(ec) == "89");
    }
    SECTION("a both that would block, then close: it goes on") {
        (void)s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(ec == would_block);
        s.peer.close_notify();
        s.work();
        CHECK(s.stream.close(ec).clean());
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN, close");
    }
    CHECK(alerts(s.wire()) <= 1);
}

// --- sockets that can do less ---

TEST_CASE("closing over a socket without deadlines: the limits are looked at between its calls", "[closing]") {
    tests::session<tests::socket_features::none> s({.version = any_version(), .on_close_notify = reaction::close});
    std::error_code ec;
    s.stream.write("hello");
    SECTION("clean") {
        CHECK(s.stream.close(ec).clean());
        CHECK(s.wire() == "data, alert, FIN, close");
        CHECK(s.peer.account() == "handshake, data 5, close_notify, eof");
    }
    SECTION("drain_limit") {
        s.peer.send("0123456789");
        const auto result = s.stream.close({.drain_limit = 4}, ec);
        CHECK(result.limit_reached);
        CHECK(result.discarded == 4);
    }
    SECTION("time") {
        s.peer.send("0123456789");
        s.work();
        const auto result = s.stream.close({.timeout = 0ms}, ec);
        CHECK(result.close_notify_sent);
        CHECK(s.wire().starts_with("data, alert, FIN"));
    }
    CHECK(ec == none);
}

TEST_CASE("closing over a socket with deadlines and no polling", "[closing]") {
    tests::session<tests::socket_features::all - tests::socket_features::polling> s({.version = any_version()});
    std::error_code ec;
    const auto begin = s.net.now();
    SECTION("the peer is silent") {
        CHECK(s.stream.close(ec).timed_out);
        CHECK(ec == none);
    }
    SECTION("the socket takes nothing") {
        s.net.a().script({.room = 2});
        CHECK(s.stream.close(ec) == shutdown_result{.timed_out = true});
        CHECK(ec == timed_out);
    }
    CHECK(s.net.now() - begin == 5s);
    CHECK(s.net.a().closed());
}

// --- the library as the server ---

TEST_CASE("closing as a server: session tickets go before close_notify, and the order holds", "[closing]") {
    const auto version = any_version();
    session s({.version = version, .on_close_notify = reaction::close, .role = tls::role::server});
    SECTION("nothing was written") {
        CHECK(s.stream.close().clean());
        CHECK(s.wire().ends_with("alert, FIN, close"));
        CHECK(s.peer.account() == "handshake, close_notify, eof");
    }
    SECTION("something was") {
        s.stream.write("hello");
        CHECK(s.stream.close().clean());
        CHECK(s.wire() == (version == tls::protocol_version::tls1_3 ? "data*2, alert, FIN, close" : "data, alert, FIN, close"));
        CHECK(s.peer.account() == "handshake, data 5, close_notify, eof");
    }
    CHECK(alerts(s.wire()) == 1);
}

// --- an exception out of the socket ---

TEST_CASE("closing: an exception out of the socket comes out of close once, and the socket is closed", "[closing]") {
    session s;
    s.net.a().script(tests::at_call(tests::call_kind::write, s.net.a().calls().writes, tests::outcome::exception()));
    std::error_code ec;
    CHECK_THROWS_AS(s.stream.close(ec), tests::injected_exception);
    CHECK(s.net.a().closed());
    CHECK(s.stream.close(ec).close_notify_sent == false);
    CHECK(ec == none);
    CHECK(tests::queue_is_empty());
}
