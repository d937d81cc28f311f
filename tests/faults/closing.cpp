// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Faults around the end of a connection: what the peer does, or does not do, while somebody closes. In memory, by a clock that the
// test moves.

#include <tls/stream.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace std::string_view_literals;
using tests::reaction;
using tls::shutdown_mode;
using tls::shutdown_options;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using session = tests::session<>;

const std::error_code none;
const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }
tls::role any_role() { return GENERATE(tls::role::client, tls::role::server); }

// The three calls that end a stream.
enum class ending : unsigned char { write, both, close };
ending any_ending() { return GENERATE(ending::write, ending::both, ending::close); }

template <class Stream>
shutdown_result end_by(Stream& stream, ending how, const shutdown_options& options, std::error_code& ec) {
    if (how == ending::close) return stream.close(options, ec);
    return stream.shutdown(how == ending::write ? shutdown_mode::write : shutdown_mode::both, options, ec);
}
template <class Session>
shutdown_result end_by(Session& s, ending how, std::error_code& ec) {
    return s.repeat([&](std::error_code& why) { return end_by(s.stream, how, {}, why); }, ec);
}

// Three times, in each way there is to read: what is known of the end stays.
template <class Stream>
void check_reads_end(Stream& stream, std::error_code expected, stream_end end) {
    std::array<char, 10> into{};
    for (int i = 0; i < 3; ++i) {
        std::error_code ec;
        CHECK((i == 1 ? stream.read(into, ec) : stream.read_some(into, ec)) == 0);
        CHECK(ec == expected);
        CHECK(stream.read_end() == end);
        CHECK(tests::queue_is_empty());
    }
}

// Every way to write says this, and nothing reaches the socket.
template <class Stream>
void check_writes_refused(Stream& stream, const tests::memory_end& end, std::error_code expected) {
    const auto sent = end.bytes_sent();
    const auto calls = end.calls().writes;
    const std::string text = "must not go out";
    const std::array pieces{std::as_bytes(std::span(text)), std::as_bytes(std::span(text))};
    std::error_code ec;
    for (int i = 0; i < 2; ++i) {
        CHECK(stream.write(text, ec) == 0);
        CHECK(ec == expected);
        CHECK(stream.write_some(text, ec) == 0);
        CHECK(ec == expected);
        CHECK(stream.write(pieces, ec) == 0);
        CHECK(ec == expected);
        if (stream.pending_output() == 0) (void)stream.flush(ec);
        CHECK(tests::queue_is_empty());
    }
    CHECK(end.bytes_sent() == sent);
    CHECK(end.calls().writes == calls);
}

// Where the last record begins in what an end has sent.
std::size_t last_record(const tests::memory_end& end) { return tests::records(end.sent()).back().offset; }

// Makes each read and write from call `first` on fail with would-block.
tests::faults blocked_from(std::size_t first) {
    tests::faults script;
    for (std::size_t i = first; i < first + 100; ++i)
        script.calls.push_back({tests::call_kind::io, i, tests::outcome::would_block()});
    return script;
}

}  // namespace

// --- what the peer leaves out ---

TEST_CASE("F29 a peer that never says close_notify is waited for until the limit, and no longer") {
    const auto version = any_version();
    const auto role = any_role();
    const bool close = GENERATE(false, true);
    const bool shut_reading = GENERATE(false, true);
    session s({.version = version, .role = role});
    s.stream.write("hello");
    if (shut_reading) s.stream.shutdown(shutdown_mode::read);
    const auto how = close ? ending::close : ending::both;
    const auto begin = s.net.now();
    std::error_code ec;
    CHECK(end_by(s.stream, how, {.timeout = 1234ms}, ec) ==
          shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
    CHECK(ec == none);
    CHECK(s.net.now() - begin == 1234ms);
    s.work();
    CHECK(s.peer.received() == "hello");
    CHECK(s.peer.close_notify_received());
    if (close) {
        CHECK(s.net.a().closed());
    } else {
        // It may still come, and is looked for with a fresh limit.
        s.net.clock().call_after(2s, [&] {
            s.peer.close_notify();
            s.peer.pump();
        });
        CHECK(s.stream.shutdown(shutdown_mode::both, ec).clean());
        CHECK(ec == none);
        CHECK(s.net.now() - begin == 3234ms);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F30 a peer that closes TCP without close_notify has truncated the stream") {
    const auto version = any_version();
    const auto role = any_role();
    session s({.version = version, .role = role});
    s.peer.send("half a sen");
    s.peer.close();
    std::error_code ec;
    SECTION("seen by reading") {
        CHECK(s.read_all(ec) == "half a sen");
        CHECK(ec == tls::errc::truncated);
        check_reads_end(s.stream, tls::errc::truncated, stream_end::truncated);
        CHECK(s.stream.close(ec).peer == stream_end::truncated);
        CHECK(ec == none);
    }
    SECTION("seen by closing") {
        const auto result = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(ec == none);
        CHECK(result.peer == stream_end::truncated);
        CHECK(result.discarded == 10);
        CHECK_FALSE(result.clean());
        check_reads_end(s.stream, tls::errc::truncated, stream_end::truncated);
    }
    SECTION("seen by closing, with nothing thrown away") {
        const auto result = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 0}, ec);
        CHECK(ec == none);
        CHECK(result.peer == stream_end::open);
        CHECK(result.limit_reached);
        CHECK(s.read_all(ec) == "half a sen");
        check_reads_end(s.stream, tls::errc::truncated, stream_end::truncated);
    }
}

// --- what the peer sends late ---

TEST_CASE("F31 what a peer sends after our close_notify is thrown away within drain_limit and time") {
    const auto version = any_version();
    session s({.version = version});
    std::error_code ec;
    SECTION("a flood: the limit in size, to the byte, and the rest stays readable") {
        const std::size_t limit = GENERATE(as<std::size_t>(), 0, 1, 16'383, 16'384, 16'385, 100'000);
        std::size_t sent = 0;
        bool flooding = true;
        s.net.a().pump([&] {
            if (flooding) s.peer.send(std::string(20'000, 'f'));
            if (flooding) sent += 20'000;
            s.peer.pump();
        });
        const auto begin = s.net.now();
        const auto result = s.stream.shutdown(shutdown_mode::both, {.drain_limit = limit}, ec);
        CHECK(ec == none);
        CHECK(result == shutdown_result{
                            .close_notify_sent = true, .transport_shut_down = true, .limit_reached = true, .discarded = limit});
        CHECK(s.net.now() == begin);
        flooding = false;
        s.peer.close_notify();
        CHECK(s.read_all(ec).size() == sent - limit);
        CHECK(ec == none);
        CHECK(s.stream.shutdown(shutdown_mode::both, ec).discarded == limit);
        CHECK(s.stream.read_end() == stream_end::close_notify);
    }
    SECTION("a flood that ends within the limit") {
        s.peer.send(std::string(400'000, 'f'));
        s.peer.close_notify();
        const auto result = s.stream.close({.drain_limit = 400'000}, ec);
        CHECK(ec == none);
        CHECK(result == shutdown_result{.close_notify_sent = true,
                                        .transport_shut_down = true,
                                        .peer = stream_end::close_notify,
                                        .discarded = 400'000});
    }
    SECTION("slow: the limit in time, however often something comes") {
        std::function<void()> drip = [&] {
            s.peer.send("x");
            s.peer.pump();
            s.net.clock().call_after(300ms, drip);
        };
        s.net.clock().call_after(300ms, drip);
        const auto begin = s.net.now();
        const auto result = s.stream.close({.timeout = 1s}, ec);
        CHECK(ec == none);
        CHECK(result ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true, .discarded = 3});
        CHECK(s.net.now() - begin == 1s);
    }
}

TEST_CASE("F32 what a peer sends after its close_notify is ignored") {
    const auto version = any_version();
    const auto role = any_role();
    // Encrypted data cannot follow close_notify out of BoringSSL; what can is anything else.
    const auto after = GENERATE(as<std::string>(), "\x17\x03\x03\x00\x20 this looks like a record, or begins to"s, "plain text",
                                "\x15\x03\x03\x00\x02\x02\x28"s, std::string(50'000, '\x17'));
    session s({.version = version, .role = role});
    s.peer.send("all of it");
    s.peer.close_notify();
    s.peer.raw(after);
    s.peer.fin();
    s.work();
    std::error_code ec;
    SECTION("reading") {
        CHECK(s.read_all(ec) == "all of it");
        CHECK(ec == none);
        check_reads_end(s.stream, none, stream_end::close_notify);
        CHECK(s.stream.write("an answer", ec) == 9);
        CHECK(s.stream.close(ec).clean());
        CHECK(ec == none);
        CHECK(s.net.a().closed());
    }
    SECTION("closing") {
        const auto result = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(ec == none);
        CHECK(result.peer == stream_end::close_notify);
        CHECK(result.discarded == 9);
        check_reads_end(s.stream, none, stream_end::close_notify);
    }
}

TEST_CASE("F33 data, close_notify and FIN in one segment: the data, then a clean end") {
    const auto version = any_version();
    const auto role = any_role();
    const bool non_blocking = GENERATE(false, true);
    session s({.version = version, .role = role, .non_blocking = non_blocking});
    const std::string text(20'000, 'd');
    s.peer.send(text);
    s.peer.send("!");
    s.peer.close_notify();
    s.peer.fin();
    s.work();
    std::error_code ec;
    SECTION("in pieces") {
        const std::size_t piece = GENERATE(as<std::size_t>(), 1, 1000, 100'000);
        std::string got;
        std::vector<char> into(piece);
        while (const std::size_t n = s.stream.read_some(into, ec)) got.append(into.data(), n);
        CHECK(ec == none);
        CHECK(got == text + "!");
    }
    SECTION("in one call") {
        std::vector<char> into(30'000);
        CHECK(s.stream.read(into, ec) == 20'001);
        CHECK(ec == none);
    }
    SECTION("thrown away") {
        const auto result = s.stream.shutdown(shutdown_mode::both, ec);
        CHECK(ec == none);
        CHECK(result == shutdown_result{.close_notify_sent = true,
                                        .transport_shut_down = true,
                                        .peer = stream_end::close_notify,
                                        .discarded = 20'001});
    }
    check_reads_end(s.stream, none, stream_end::close_notify);
    CHECK(s.stream.close(ec).peer == stream_end::close_notify);
    CHECK(ec == none);
}

// --- who is first ---

TEST_CASE("F34 both sides close at once: clean in every order of their calls") {
    const auto version = any_version();
    constexpr unsigned orders = 1u << 7;
    for (unsigned order = 0; order < orders; ++order) {
        CAPTURE(order);
        tests::memory_network net;
        tls::stream client(net.a().socket(), tests::client_of(version), "localhost");
        tls::stream server(net.b().socket(), tests::server_of(version));
        client.next_layer().non_blocking(true);
        server.next_layer().non_blocking(true);
        std::error_code of_client;
        std::error_code of_server;
        do {
            client.handshake(of_client);
            server.handshake(of_server);
        } while (of_client == would_block || of_server == would_block);
        REQUIRE_FALSE(of_client);
        REQUIRE_FALSE(of_server);

        of_client = of_server = would_block;
        shutdown_result at_client;
        shutdown_result at_server;
        for (unsigned turn = 0; turn < 20 && (of_client || of_server); ++turn) {
            const bool clients = turn < 7 ? ((order >> turn) & 1) != 0 : turn % 2 == 0;
            if (clients) {
                at_client = client.close(of_client);
            } else {
                at_server = server.close(of_server);
            }
        }
        CHECK_FALSE(of_client);
        CHECK_FALSE(of_server);
        CHECK(at_client.clean());
        CHECK(at_server.clean());
        CHECK(net.a().wire_text().ends_with("alert, FIN, close"));
        CHECK(net.b().wire_text().ends_with("alert, FIN, close"));
        CHECK((net.a().wire_text() + net.b().wire_text()).find("RST") == std::string::npos);
    }
}

// --- at a bad moment ---

TEST_CASE("F36 closing with a large write pending finishes it first, wherever the socket stopped") {
    const auto version = any_version();
    const auto role = any_role();
    const auto how = any_ending();
    const std::string text(40'000, 't');
    std::size_t whole = 1;
    for (std::size_t room = 0; room < whole; room += room % 3 == 0 ? 911 : 1024) {
        CAPTURE(room);
        session s({.version = version, .on_close_notify = reaction::close, .role = role});
        s.net.a().script({.room = room});
        s.stream.expires_after(1s);
        std::error_code ec;
        REQUIRE(s.stream.write_some(text, ec) == text.size());
        REQUIRE(ec == std::errc::timed_out);
        whole = room + s.stream.pending_output();
        s.stream.expires_never();
        s.net.clock().call_after(1s, [&] { s.net.a().add_room(100); });
        s.net.clock().call_after(2s, [&] { s.net.a().add_room(1'000'000); });
        const auto result = end_by(s.stream, how, {}, ec);
        CHECK(ec == none);
        CHECK(result.close_notify_sent);
        CHECK(result.transport_shut_down);
        s.work();
        CHECK(s.peer.received() == text);
        CHECK(s.peer.account() == "handshake, data 40000, close_notify, eof");
        const auto wire = s.wire();
        CHECK(wire.find("alert") == wire.rfind("alert"));
        CHECK(wire.find("alert, FIN") != std::string::npos);
        CHECK(tests::queue_is_empty());
    }
    CHECK(whole > text.size());
}

TEST_CASE("F37 closing in the middle of a handshake, after each of its calls: no close_notify, no error") {
    const auto version = any_version();
    const auto role = any_role();
    const auto how = any_ending();
    std::size_t stops = 0;
    for (;; ++stops) {
        CAPTURE(stops);
        REQUIRE(stops < 100);
        session s({.version = version, .role = role, .non_blocking = true, .handshake = false});
        s.net.a().script(blocked_from(stops));
        std::error_code ec;
        do {
            s.stream.handshake(ec);
            s.peer.pump();
        } while (ec == would_block && s.net.a().calls().io <= stops);
        if (s.stream.version()) break;
        REQUIRE(ec == would_block);
        s.net.a().script({});

        const auto result = end_by(s, how, ec);
        CHECK(ec == none);
        CHECK(result == shutdown_result{.transport_shut_down = true});
        CHECK(s.net.a().closed() == (how == ending::close));
        s.peer.pump();
        CHECK_FALSE(s.peer.close_notify_received());
        CHECK(s.peer.alerts().empty());
        CHECK(s.peer.transport_ended());
        check_writes_refused(s.stream, s.net.a(), how == ending::close ? tls::errc::not_open : tls::errc::write_shut_down);
        CHECK(tests::queue_is_empty());
    }
    CHECK(stops >= 4);
}

TEST_CASE("F37 a handshake that completes after shutdown(write): the close still says close_notify where it can") {
    const auto version = any_version();
    const auto role = any_role();
    const bool keep_open = GENERATE(true, false);
    session s({.version = version, .on_close_notify = reaction::close, .role = role, .non_blocking = true, .handshake = false});
    std::error_code ec;
    // As far as it goes without the peer's last flight.
    for (int i = 0; i < 2; ++i) {
        s.stream.handshake(ec);
        REQUIRE(ec == would_block);
        if (i == 0 && role == tls::role::server) s.work();
    }
    const auto early = s.stream.shutdown(shutdown_mode::write, {.keep_transport_open = keep_open}, ec);
    CHECK(ec == none);
    CHECK_FALSE(early.close_notify_sent);
    CHECK(early.transport_shut_down == !keep_open);

    s.peer.send("read all the same");
    std::array<char, 100> into{};
    std::size_t got = 0;
    s.repeat([&](std::error_code& why) { return got = s.stream.read_some(into, why); }, ec);
    if (keep_open) {
        CHECK(ec == none);
        CHECK(got == 17);
    }
    check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
    const auto result = s.repeat([&](std::error_code& why) { return s.stream.close({.timeout = 0ms}, why); }, ec);
    // After FIN the last flight of the handshake may have found no way out, which is told.
    CHECK((ec == none || (!keep_open && ec == std::errc::broken_pipe)));
    CHECK(s.net.a().closed());
    s.work();
    CHECK(result.close_notify_sent == keep_open);
    CHECK(s.peer.close_notify_received() == keep_open);
}

TEST_CASE("F38 closing after a failed handshake: our alert, then FIN, wherever the socket stopped") {
    const auto how = any_ending();
    constexpr std::size_t alert_size = 7;
    for (std::size_t room = 0; room <= alert_size; ++room) {
        CAPTURE(room);
        tests::memory_network net;
        tls::stream stream(net.a().socket(), tests::server_of(tls::protocol_version::tls1_3));
        stream.next_layer().non_blocking(true);
        net.a().script({.room = room});
        auto far = net.b().socket();
        std::error_code ec;
        far.write_some(std::as_bytes(std::span("SSH-2.0-OpenSSH_9.2\r\n"sv)), ec);
        far.shutdown(shutdown_mode::write, ec);

        stream.handshake(ec);
        const auto failure = ec;
        CHECK(failure.category() == tls::ssl_category());
        CHECK(net.a().bytes_sent() == room);
        CHECK(stream.pending_output() == alert_size - room);
        (void)end_by(stream, how, {}, ec);
        CHECK(ec == (room < alert_size ? would_block : none));
        net.a().add_room(1000);
        const auto result = end_by(stream, how, {}, ec);
        CHECK(ec == none);
        CHECK(result == shutdown_result{.transport_shut_down = true, .peer = stream_end::failed});
        CHECK(net.a().bytes_sent() == alert_size);
        CHECK(net.a().wire_text() == (how == ending::close ? "alert, FIN, close" : "alert, FIN"));
        if (how != ending::close) {
            stream.handshake(ec);
            CHECK(ec == failure);
        }
    }
}

TEST_CASE("F38 closing before the handshake has begun sends no TLS byte") {
    const auto role = any_role();
    const auto how = any_ending();
    session s({.role = role, .handshake = false});
    std::error_code ec;
    CHECK(end_by(s.stream, how, {}, ec) == shutdown_result{.transport_shut_down = true});
    CHECK(ec == none);
    CHECK(s.net.a().wire_text() == (how == ending::close ? "FIN, close" : "FIN"));
    CHECK(s.net.a().bytes_sent() == 0);
    check_writes_refused(s.stream, s.net.a(), how == ending::close ? tls::errc::not_open : tls::errc::write_shut_down);
}

TEST_CASE("F39 plaintext that nobody has read is counted or left readable, never lost in silence") {
    const auto version = any_version();
    const bool ended = GENERATE(false, true);
    const bool close_notify_read = ended && GENERATE(false, true);
    for (const std::size_t limit : {0u, 1u, 899u, 900u, 901u, 1599u, 1600u, 2899u, 2900u, 2901u, 1'000'000u}) {
        CAPTURE(limit, ended);
        session s({.version = version});
        std::string text;
        for (const std::size_t size : {1000u, 700u, 1300u}) {
            const std::string part(size, static_cast<char>('a' + text.size() % 26));
            s.peer.send(part);
            text += part;
        }
        if (ended) s.peer.close_notify();
        s.work();
        std::array<char, 100> begin{};
        REQUIRE(s.stream.read(begin) == 100);
        std::error_code ec;
        // One that looks and takes nothing must not change what the next one finds.
        if (close_notify_read) (void)s.stream.shutdown(shutdown_mode::both, {.timeout = 0ms, .drain_limit = 0}, ec);
        const auto result = s.stream.shutdown(shutdown_mode::both, {.timeout = 0ms, .drain_limit = limit}, ec);
        CHECK(ec == none);
        CHECK(result.discarded == std::min<std::size_t>(limit, 2900));
        CHECK(result.limit_reached == (limit < 2900));
        CHECK(result.peer == (ended && limit >= 2900 ? stream_end::close_notify : stream_end::open));
        s.stream.expires_at(s.net.now());
        CHECK(s.read_all(ec) == text.substr(100 + result.discarded));
        CHECK(ec == (ended ? none : std::make_error_code(std::errc::timed_out)));
    }
}

// --- close_notify that does not arrive, or leave, as it should ---

TEST_CASE("F42 close_notify cut at each of its bytes is truncation, and after a reset a reset") {
    const auto version = any_version();
    const auto role = any_role();
    const auto seen_by = GENERATE(0, 1, 2);  // read, shutdown(both), close
    const bool reset = GENERATE(false, true);
    std::size_t size = 1;
    for (std::size_t cut = 0; cut <= size; ++cut) {
        CAPTURE(cut, seen_by, reset);
        session s({.version = version, .role = role});
        s.peer.send("before");
        s.peer.close_notify();
        s.work();
        size = s.net.b().bytes_sent() - last_record(s.net.b());
        const bool whole = cut == size;
        const auto at = last_record(s.net.b()) + cut;
        s.net.a().script(reset ? tests::faults{.input_resets_at = at} : tests::faults{.input_ends_at = at});
        const auto end = whole ? stream_end::close_notify : reset ? stream_end::reset : stream_end::truncated;
        const auto error = whole   ? none
                           : reset ? std::error_code(ECONNRESET, std::system_category())
                                   : tls::make_error_code(tls::errc::truncated);
        std::error_code ec;
        if (seen_by == 0) {
            CHECK(s.read_all(ec) == "before");
            CHECK(ec == error);
            check_reads_end(s.stream, error, end);
            const auto result = s.stream.close(ec);
            CHECK(ec == none);
            CHECK(result.peer == end);
            CHECK(result.clean() == whole);
        } else {
            const auto result = end_by(s.stream, seen_by == 1 ? ending::both : ending::close, {}, ec);
            CHECK(ec == none);
            CHECK(result ==
                  shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .peer = end, .discarded = 6});
            if (seen_by == 1) check_reads_end(s.stream, error, end);
            CHECK(s.stream.read_end() == end);
        }
    }
    CHECK(size >= 5 + 2 + 16);
}

TEST_CASE("F43 close_notify and then a reset instead of FIN is a clean end") {
    const auto version = any_version();
    const auto role = any_role();
    const bool non_blocking = GENERATE(false, true);
    session s({.version = version, .role = role, .non_blocking = non_blocking});
    std::error_code ec;
    SECTION("the reset is there before anything is read") {
        s.peer.send("all of it");
        s.peer.close_notify();
        s.peer.reset();
        s.work();
        CHECK(s.read_all(ec) == "all of it");
        CHECK(ec == none);
        check_reads_end(s.stream, none, stream_end::close_notify);
        const auto result = s.stream.close(ec);
        CHECK(ec == none);
        CHECK(result.peer == stream_end::close_notify);
    }
    SECTION("the reset is found by a write: the end stays clean") {
        s.peer.send("all of it");
        s.peer.close_notify();
        s.work();
        CHECK(s.read_all(ec) == "all of it");
        s.peer.reset();
        s.work();
        CHECK(s.stream.write("too late", ec) == 0);
        CHECK(ec == std::errc::connection_reset);
        check_reads_end(s.stream, none, stream_end::close_notify);
        CHECK(s.stream.read_end() == stream_end::close_notify);
    }
    SECTION("while we close") {
        const auto how = GENERATE(ending::both, ending::close);
        s.peer.close_notify();
        s.peer.reset();
        if (non_blocking) {
            (void)end_by(s.stream, how, {}, ec);
            REQUIRE(ec == would_block);
        }
        const auto result = end_by(s, how, ec);
        CHECK(ec == none);
        CHECK(result.clean());
        if (how == ending::both) check_reads_end(s.stream, none, stream_end::close_notify);
    }
    SECTION("the socket reports it when it is shut down and closed") {
        const auto reset = tests::outcome::error({ECONNRESET, std::system_category()});
        s.peer.close_notify();
        s.work();
        tests::faults script;
        script.calls = {{tests::call_kind::shutdown, 1, reset}};
        s.net.a().script(script);
        CHECK(s.stream.close(ec).clean());
        CHECK(ec == none);
    }
}

TEST_CASE("F44 our close_notify that a gone peer cannot take, once its own is in, is a result and no error") {
    const auto version = any_version();
    const auto role = any_role();
    const auto how = any_ending();
    const bool read_before = GENERATE(false, true);
    const bool broken_pipe = GENERATE(false, true);
    const bool non_blocking = GENERATE(false, true);
    session s({.version = version, .role = role, .non_blocking = non_blocking});
    s.peer.send("all of it");
    s.peer.close_notify();
    s.peer.fin();
    s.work();
    std::error_code ec;
    if (read_before) {
        CHECK(s.read_all(ec) == "all of it");
    }
    const auto fault =
        broken_pipe ? tests::outcome::broken_pipe() : tests::outcome::error({ECONNRESET, std::system_category()});
    s.net.a().script(tests::at_call(tests::call_kind::write, s.net.a().calls().writes, fault));
    const auto result = end_by(s, how, ec);
    CHECK(ec == none);
    CHECK_FALSE(result.close_notify_sent);
    CHECK(result.peer == stream_end::close_notify);
    CHECK_FALSE(result.clean());
    CHECK(s.stream.read_end() == stream_end::close_notify);
    if (how == ending::close) {
        CHECK(s.net.a().closed());
    } else if (read_before) {
        check_reads_end(s.stream, none, stream_end::close_notify);
    } else {
        // What came before the end is delivered, or was counted.
        const std::string rest = s.read_all(ec);
        CHECK(ec == none);
        CHECK(rest.size() + result.discarded == 9);
        check_reads_end(s.stream, none, stream_end::close_notify);
    }
    const auto again = end_by(s, how, ec);
    CHECK(ec == none);
    CHECK(again.peer == stream_end::close_notify);
    CHECK(tests::queue_is_empty());
}

// --- writing when it is over ---

TEST_CASE("F46 no write goes through once writing is shut down or the stream has failed") {
    const auto version = any_version();
    const auto role = any_role();
    const bool non_blocking = GENERATE(false, true);
    session s({.version = version, .role = role, .non_blocking = non_blocking});
    std::error_code ec;
    const shutdown_options at_once{.timeout = 0ms};
    SECTION("shutdown(write)") {
        s.stream.shutdown(shutdown_mode::write);
        check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
        // ... whatever comes later.
        s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
        s.work();
        (void)s.read_all(ec);
        check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
    }
    SECTION("shutdown(write) that leaves the transport open") {
        s.stream.shutdown(shutdown_mode::write, {.keep_transport_open = true});
        check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
    }
    SECTION("shutdown(write) whose close_notify is stuck") {
        s.net.a().script({.room = 3});
        (void)s.stream.shutdown(shutdown_mode::write, at_once, ec);
        CHECK(ec == std::errc::timed_out);
        check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
    }
    SECTION("shutdown(both)") {
        s.stream.shutdown(shutdown_mode::both, at_once);
        check_writes_refused(s.stream, s.net.a(), tls::errc::write_shut_down);
    }
    SECTION("close") {
        s.stream.close(at_once);
        check_writes_refused(s.stream, s.net.a(), tls::errc::not_open);
    }
    SECTION("abort") {
        s.stream.abort();
        check_writes_refused(s.stream, s.net.a(), tls::errc::not_open);
    }
    SECTION("a fatal alert of the peer's") {
        s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
        s.work();
        (void)s.read_all(ec);
        check_writes_refused(s.stream, s.net.a(), {SSL_AD_INTERNAL_ERROR, tls::alert_category()});
        (void)s.stream.close(at_once, ec);
        CHECK(s.net.a().bytes_sent() == s.since);
    }
    SECTION("a fatal alert of the peer's while ciphertext is pending: not even that goes out") {
        s.stream.next_layer().non_blocking(true);
        s.net.a().script({.room = 5});
        REQUIRE(s.stream.write("pending", ec) == 7);
        s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
        s.work();
        (void)s.read_all(ec);
        CHECK(ec.category() == tls::alert_category());
        s.net.a().add_room(1000);
        check_writes_refused(s.stream, s.net.a(), {SSL_AD_INTERNAL_ERROR, tls::alert_category()});
        (void)s.stream.close(at_once, ec);
        CHECK(s.net.a().bytes_sent() == s.since + 5);
    }
    SECTION("a fatal alert of our own") {
        s.peer.raw("this is no TLS record");
        s.work();
        (void)s.read_all(ec);
        CHECK(ec.category() == tls::ssl_category());
        check_writes_refused(s.stream, s.net.a(), ec);
    }
    SECTION("a reset") {
        s.peer.reset();
        s.work();
        (void)s.read_all(ec);
        check_writes_refused(s.stream, s.net.a(), {ECONNRESET, std::system_category()});
    }
    SECTION("a write that failed") {
        const std::error_code disk_on_fire{EIO, std::system_category()};
        s.net.a().script(
            tests::at_call(tests::call_kind::write, s.net.a().calls().writes, tests::outcome::error(disk_on_fire)));
        CHECK(s.stream.write("lost", ec) == 0);
        CHECK(ec == disk_on_fire);
        check_writes_refused(s.stream, s.net.a(), disk_on_fire);
    }
}

TEST_CASE("F46 no write goes through once the handshake has failed") {
    const auto role = any_role();
    session s({.role = role, .handshake = false});
    const auto fails_with = [&](std::string_view wire) {
        s.peer.raw(wire);
        s.peer.fin();
        s.work();
        std::error_code ec;
        s.stream.handshake(ec);
        return ec;
    };
    std::error_code failure;
    SECTION("by the peer's alert") {
        failure = fails_with("\x15\x03\x01\x00\x02\x02\x28"sv);
        if (role == tls::role::client) CHECK(failure == std::error_code(SSL_AD_HANDSHAKE_FAILURE, tls::alert_category()));
    }
    SECTION("by the end of the transport") {
        failure = fails_with("");
        CHECK(failure == tls::errc::handshake_truncated);
    }
    SECTION("by a reset") {
        s.peer.reset();
        s.work();
        s.stream.handshake(failure);
        CHECK(failure == std::errc::connection_reset);
    }
    SECTION("by what is no TLS") {
        failure = fails_with("220 localhost ESMTP ready\r\n");
        CHECK(failure.category() == tls::ssl_category());
    }
    REQUIRE(failure);
    check_writes_refused(s.stream, s.net.a(), failure);
    std::array<char, 4> into;
    std::error_code ec;
    CHECK(s.stream.read_some(into, ec) == 0);
    CHECK(ec == failure);
    s.stream.handshake(ec);
    CHECK(ec == failure);
    CHECK_FALSE(s.stream.version());
}
