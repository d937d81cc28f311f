// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Single cases that the systematic tests beside this one do not come to: calls in an unusual order, a socket with a habit, an
// error in an odd place. In memory, by a clock that the test moves.

#include <tls/engine.hpp>
#include <tls/stream.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using namespace std::string_literals;
using tests::call_kind;
using tests::outcome;
using tests::socket_features;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using session = tests::session<>;

const std::error_code none;
const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);
const std::error_code timed_out = std::make_error_code(std::errc::timed_out);

std::error_code system_code(int number) { return {number, std::system_category()}; }

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// The end's next write ends like this.
void next_write(session& s, outcome ends) {
    s.net.a().script(tests::at_call(call_kind::write, s.net.a().calls().writes, std::move(ends)));
}

// Ciphertext of this many bytes written is stuck here, since the peer takes nothing. No deadline is left.
void get_stuck(auto& s, std::size_t size) {
    s.peer.reading(false);
    s.stream.expires_at(s.net.now());
    std::error_code ec;
    REQUIRE(s.stream.write_some(std::string(size, 'x'), ec) == size);
    s.stream.expires_never();
}

// Why a read gives nothing.
std::error_code read_error(auto& stream) {
    std::error_code ec;
    std::array<char, 10> into{};
    CHECK(stream.read_some(into, ec) == 0);
    CHECK(tests::queue_is_empty());
    return ec;
}

// Twice, since what is known of the end stays.
void check_reads_end(auto& stream, std::error_code expected, stream_end end) {
    for (int i = 0; i < 2; ++i) {
        CHECK(read_error(stream) == expected);
        CHECK(stream.read_end() == end);
    }
}

void check_writes_refused(auto& stream, const tests::memory_end& end, std::error_code expected) {
    const auto calls = end.calls().writes;
    std::error_code ec;
    CHECK(stream.write_some("must not go out", ec) == 0);
    CHECK(ec == expected);
    CHECK(end.calls().writes == calls);
}

// As tests::session, for a socket of another type; it must be made from a memory_socket.
template <class Socket>
struct session_over {
    session_over(tls::protocol_version version, const tests::network_options& options)
        : net(options),
          peer(net.b(), tls::role::server, tests::peer_of(version)),
          stream(Socket{net.a().socket()}, tests::client_of(version), "localhost") {
        net.a().pump([this] { peer.pump(); });
        stream.handshake();
        peer.pump();
    }
    tests::memory_network net;
    tests::raw_peer peer;
    tls::stream<Socket> stream;
};

// Uses BoringSSL for itself, and leaves entries on its queue.
struct littering_socket : tests::memory_socket {
    static std::size_t litter(std::size_t n) { return ::ERR_put_error(ERR_LIB_X509, 0, ERR_R_INTERNAL_ERROR, "", 1), n; }
    std::size_t read_some(auto into, std::error_code& ec) { return litter(basic_memory_socket::read_some(into, ec)); }
    std::size_t write_some(auto from, std::error_code& ec) { return litter(basic_memory_socket::write_some(from, ec)); }
};

// Cannot wait for both directions, although it ought to.
struct unpollable_socket : tests::memory_socket {
    void wait_either(time_point, std::error_code& ec) {
        if (++waits > 100) throw std::runtime_error("wait_either fails, and is called again and again");
        ec = system_code(EIO);
    }
    int waits = 0;
};

void carry(tls::engine& from, tls::engine& to) {
    const std::size_t n = from.output().size();
    const auto space = to.input_space();
    REQUIRE(space.size() >= n);
    std::copy_n(from.output().begin(), n, space.begin());
    to.input_received(n);
    from.output_sent(n);
}

}  // namespace

TEST_CASE("a close after a shutdown(both) that was given more time, and has not used it, delivers everything", "[faults]") {
    session s({.version = any_version(), .non_blocking = true, .net = {.capacity_a_to_b = 3000}});
    get_stuck(s, 18'000);
    std::error_code ec;
    CHECK(s.stream.shutdown(shutdown_mode::both, {.timeout = 0ms}, ec).timed_out);
    CHECK(ec == timed_out);
    CHECK_FALSE(s.stream.shutdown(shutdown_mode::both, {.timeout = 5s}, ec).timed_out);
    CHECK(ec == would_block);
    s.peer.reading(true);
    s.peer.close_notify();
    s.peer.fin();
    CHECK(s.repeat([&](std::error_code& why) { return s.stream.close(why); }, ec).clean());
    CHECK(ec == none);
    s.work();
    CHECK(s.peer.account() == "handshake, data 18000, close_notify, eof");
}

TEST_CASE("a shutdown(write) between shutdown(both) and close does not hide why the former ended", "[faults]") {
    session s({.version = any_version()});
    const bool limit = GENERATE(false, true);
    if (limit) s.peer.send("ten bytes.");
    s.work();
    const auto both = s.stream.shutdown(shutdown_mode::both, {.drain_limit = 4});
    REQUIRE((limit ? both.limit_reached : both.timed_out));
    (void)s.stream.shutdown(shutdown_mode::write);
    const auto result = s.stream.close();
    CHECK(result.limit_reached == limit);
    CHECK(result.timed_out == !limit);
}

TEST_CASE("TLS in TLS: an outer shutdown that ran out of time inside the inner one's is done by the next", "[faults]") {
    using outer_stream = tls::stream<tests::memory_socket>;
    const auto& client = tests::client_of(tls::protocol_version::tls1_3);
    const auto& server = tests::server_of(tls::protocol_version::tls1_3);
    tests::memory_network net;
    tls::stream<outer_stream> near(outer_stream(net.a().socket(), client, "localhost"), client, "localhost");
    tls::stream<outer_stream> far(outer_stream(net.b().socket(), server), server);
    far.next_layer().next_layer().non_blocking(true);
    std::error_code end;
    const auto work = [&] {
        end = read_error(far);
        (void)far.flush();
    };
    net.a().pump(work);
    near.handshake();
    work();
    REQUIRE(end == would_block);
    net.a().script({.room = 10});
    std::error_code ec;
    CHECK_FALSE(near.shutdown(shutdown_mode::write, {.timeout = 100ms}, ec).transport_shut_down);
    CHECK(ec == timed_out);
    net.a().script({});
    CHECK(near.shutdown(shutdown_mode::write, {.timeout = 10s}).transport_shut_down);
    CHECK(near.pending_output() == 0);
    CHECK(net.a().wire_text().ends_with("FIN"));
    work();
    CHECK(end == none);
}

TEST_CASE("a close takes the bytes behind the peer's close_notify, so that no reset erases what was written", "[faults]") {
    session s({.version = any_version()});
    s.peer.close_notify();
    s.peer.raw(std::string(30'000, 'z'));
    s.work();
    REQUIRE(read_error(s.stream) == none);
    s.peer.reading(false);
    s.stream.write("the answer");
    REQUIRE(s.net.a().unread() > 20'000);
    CHECK(s.stream.close().clean());
    CHECK(s.net.a().unread() == 0);
    s.peer.reading(true);
    s.work();
    CHECK(s.peer.account() == "handshake, data 10, close_notify, eof");
}

TEST_CASE("a close with both sides stuck and a broken record delivers what was written, and the alert", "[faults]") {
    session s({.net = {.capacity_a_to_b = 20'000, .capacity_b_to_a = 20'000}});
    s.stuck_while_sending = true;
    s.peer.send(std::string(16'000, 'p'));
    s.peer.raw("\x17\x03\x03\x00\x20"s + std::string(100'000, 'z'));
    s.work();
    get_stuck(s, 60'000);
    std::error_code ec;
    CHECK(s.read_all(ec).size() == 16'000);
    CHECK(s.stream.close().transport_shut_down);
    s.work();
    CHECK(s.peer.account().starts_with("handshake, data 60000, alert 20"));
}

TEST_CASE("a certificate that is refused without a reason fails the handshake", "[faults]") {
    const auto version = any_version();
    const tls::client_context context(
        {.trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()), .max_version = version});
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
    net.a().pump([&] { peer.pump(); });
    tls::stream stream(net.a().socket(), context, "localhost");
    const auto refuse = [](SSL*, std::uint8_t*) { return ssl_verify_invalid; };
    ::SSL_set_custom_verify(stream.native_handle(), SSL_VERIFY_PEER, refuse);
    std::error_code failure;
    stream.handshake(failure);
    CHECK(failure);
    check_reads_end(stream, failure, stream_end::failed);
    check_writes_refused(stream, net.a(), failure);
}

TEST_CASE("an engine that is told of a failure without an error, or of more output sent than there is", "[faults]") {
    const auto version = any_version();
    tls::engine client(tests::client_of(version), "localhost");
    tls::engine server(tests::server_of(version));
    for (int i = 0; i < 3; ++i) {
        REQUIRE_FALSE(client.handshake().error);
        carry(client, server);
        REQUIRE_FALSE(server.handshake().error);
        carry(server, client);
    }
    std::array<char, 10> into{};
    SECTION("input that failed has ended, and not cleanly") {
        client.input_failed({});
        CHECK(client.read(into).error == tls::errc::truncated);
        CHECK(client.read_end() == stream_end::truncated);
    }
    SECTION("an alert has emptied the output meanwhile") {
        CHECK(client.write("never to be sent").bytes == 16);
        const std::size_t begun = client.output().size();
        ::SSL_send_fatal_alert(server.native_handle(), SSL_AD_HANDSHAKE_FAILURE);
        carry(server, client);
        CHECK(client.read(into).error == std::error_code(SSL_AD_HANDSHAKE_FAILURE, tls::alert_category()));
        CHECK(client.output().empty());
        client.output_sent(begun);
        CHECK(client.output().empty());
    }
}

TEST_CASE("a handshake that a read runs after the transport was shut down fails by one name", "[faults]") {
    session s({.version = any_version(), .non_blocking = true, .handshake = false});
    std::error_code ec;
    s.stream.handshake(ec);
    REQUIRE(ec == would_block);
    s.work();
    (void)s.stream.shutdown(shutdown_mode::both);
    const auto failure = read_error(s.stream);
    CHECK(failure);
    check_reads_end(s.stream, failure, stream_end::truncated);
}

TEST_CASE("a reset that a write of the handshake is told of is the end of reading, too", "[faults]") {
    const std::size_t number = GENERATE(0u, 1u);
    session s({.version = any_version(), .handshake = false});
    s.net.a().script(tests::at_call(call_kind::write, number, outcome::reset()));
    std::error_code ec;
    s.stream.handshake(ec);
    CHECK(ec == system_code(ECONNRESET));
    check_reads_end(s.stream, ec, stream_end::reset);
    check_writes_refused(s.stream, s.net.a(), ec);
}

TEST_CASE("EPIPE keeps its name for writes when an alert is read later", "[faults]") {
    session s({.version = any_version(), .non_blocking = true});
    next_write(s, outcome::broken_pipe());
    std::error_code ec;
    CHECK(s.stream.write_some("lost", ec) == 0);
    s.peer.fatal_alert(SSL_AD_HANDSHAKE_FAILURE);
    s.work();
    check_reads_end(s.stream, {SSL_AD_HANDSHAKE_FAILURE, tls::alert_category()}, stream_end::failed);
    check_writes_refused(s.stream, s.net.a(), system_code(EPIPE));
}

TEST_CASE("a fatal alert of the number of close_notify ends everything: nothing more is sent", "[faults]") {
    session s({.version = any_version(), .net = {.capacity_a_to_b = 3000}});
    get_stuck(s, 9'000);
    s.peer.fatal_alert(SSL_AD_CLOSE_NOTIFY);
    s.work();
    const auto failure = read_error(s.stream);
    CHECK(failure.category() == tls::ssl_category());
    CHECK(s.stream.pending_output() == 0);
    check_reads_end(s.stream, failure, stream_end::failed);
    check_writes_refused(s.stream, s.net.a(), failure);
    const auto sent = s.net.a().bytes_sent();
    s.peer.reading(true);
    std::error_code ec;
    CHECK_FALSE(s.stream.close(ec).close_notify_sent);
    CHECK(s.net.a().bytes_sent() == sent);
}

TEST_CASE("close_notify that cannot be sent, the peer's being in: EPIPE is a result, any other failure an error", "[faults]") {
    const int number = GENERATE(EIO, ETIMEDOUT, EPIPE);
    session s({.version = any_version()});
    s.peer.close_notify();
    s.work();
    REQUIRE(read_error(s.stream) == none);
    next_write(s, outcome::error(system_code(number)));
    std::error_code ec;
    CHECK_FALSE(s.stream.shutdown(shutdown_mode::write, ec).close_notify_sent);
    CHECK(ec == (number == EPIPE ? none : system_code(number)));
}

TEST_CASE("a socket without vectored writes that reports one byte too many misbehaves, whatever is behind it", "[faults]") {
    const std::size_t later = GENERATE(0u, 1u);
    tests::session<socket_features::all - socket_features::vectored> s({.version = any_version()});
    const auto writes = s.net.a().calls().writes;
    s.net.a().script(tests::at_call(call_kind::write, writes + later, outcome::excess(1)));
    std::error_code ec;
    (void)s.stream.write(std::string(40'000, 'x'), ec);
    CHECK(ec == tls::errc::socket_misbehaved);
    check_writes_refused(s.stream, s.net.a(), tls::errc::socket_misbehaved);
}

TEST_CASE("a socket without deadlines is not called on when the limit has passed within one of its calls", "[faults]") {
    tests::session<socket_features::none> s({.version = any_version()});
    const auto reads = s.net.a().calls().reads;
    SECTION("the peer sends without pause") {
        auto limit = tls::never;
        s.net.a().pump([&] {
            if (limit == tls::never) limit = std::chrono::steady_clock::now() + 20ms;
            while (std::chrono::steady_clock::now() < limit) continue;  // the first call outlasts the limit
            s.peer.send("x");
            s.peer.pump();
        });
        CHECK(s.stream.close({.timeout = 20ms}).timed_out);
    }
    SECTION("a record comes byte by byte") {
        s.peer.send(std::string(1000, 'x'));
        s.work();
        s.net.a().script({.read_chunk = 1});
        CHECK(s.stream.close({.timeout = 0ms}).timed_out);
    }
    CHECK(s.net.a().calls().reads - reads <= 4);
}

TEST_CASE("what a socket leaves on BoringSSL's error queue is not taken for the connection's, and does not stay", "[faults]") {
    session_over<littering_socket> s(any_version(), {});
    CHECK(s.stream.write_some("abc") == 3);
    CHECK(tests::queue_is_empty());
    const bool non_blocking = GENERATE(false, true);
    s.stream.next_layer().non_blocking(non_blocking);
    s.stream.expires_at(s.net.now());
    CHECK(read_error(s.stream) == (non_blocking ? would_block : timed_out));
    s.peer.send("defg");
    s.peer.close_notify();
    s.peer.pump();
    std::array<char, 10> into{};
    CHECK(s.stream.read_some(into) == 4);
    CHECK(tests::queue_is_empty());
    CHECK(s.stream.close().clean());
    CHECK(tests::queue_is_empty());
}

TEST_CASE("a socket that cannot wait for both directions is not asked again and again", "[faults]") {
    session_over<unpollable_socket> s(any_version(), {.capacity_a_to_b = 1000});
    get_stuck(s, 9'000);
    SECTION("by a read") { CHECK(read_error(s.stream) == system_code(EIO)); }
    SECTION("by a close") {
        std::error_code ec;
        CHECK(s.stream.close(ec).timed_out);
        CHECK(ec == timed_out);
    }
}

TEST_CASE("an interrupted shutdown of the socket is called again", "[faults]") {
    session s({.version = any_version(), .on_close_notify = tests::reaction::close});
    s.net.a().script(tests::at_call(call_kind::shutdown, 0, outcome::interrupted()));
    CHECK(s.stream.close().clean());
    CHECK(s.wire() == "alert, FIN, close");
}

TEST_CASE("an exception out of flush fails the stream", "[faults]") {
    session s({.version = any_version(), .net = {.capacity_a_to_b = 1000}});
    get_stuck(s, 5'000);
    next_write(s, outcome::exception());
    CHECK_THROWS_AS(s.stream.flush(), tests::injected_exception);
    s.peer.send("too late");
    s.work();
    check_reads_end(s.stream, tls::errc::exception_thrown, stream_end::failed);
    check_writes_refused(s.stream, s.net.a(), tls::errc::exception_thrown);
}

TEST_CASE("an exception out of the socket's shutdown fails the stream, and the next shutdown has all its time", "[faults]") {
    session s({.version = any_version()});
    s.net.a().script(tests::at_call(call_kind::shutdown, 0, outcome::exception()));
    const bool refused = GENERATE(false, true);  // then there is something to wait for: that the peer takes our alert
    if (refused) s.peer.raw("this is no TLS record");
    s.work();
    if (refused) REQUIRE(read_error(s.stream));
    CHECK_THROWS_AS(s.stream.shutdown(shutdown_mode::both), tests::injected_exception);
    s.net.clock().advance(6s);
    const auto begin = s.net.now();
    s.net.clock().call_after(1s, [&] { s.peer.fin(); });
    const auto result = s.stream.shutdown(shutdown_mode::both);
    CHECK(result == shutdown_result{.close_notify_sent = !refused, .transport_shut_down = true, .peer = stream_end::failed});
    CHECK(s.net.now() - begin == (refused ? 1s : 0s));
}

TEST_CASE("a write deadline that has passed does not limit reads", "[faults]") {
    session s({.version = any_version(), .net = {.capacity_a_to_b = 1000}});
    get_stuck(s, 5'000);
    s.stream.write_expires_at(s.net.now());
    s.net.clock().call_after(1s, [&] { s.peer.send("hello"); });
    const auto begin = s.net.now();
    std::array<char, 10> into{};
    CHECK(s.stream.read_some(into) == 5);
    CHECK(s.net.now() - begin == 1s);
}

TEST_CASE("a socket that is handed over with a deadline does not keep it", "[faults]") {
    const auto version = any_version();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
    net.a().pump([&] { peer.pump(); });
    auto socket = net.a().socket();
    socket.read_expires_at(net.now());
    tls::stream stream(std::move(socket), tests::client_of(version), "localhost");
    CHECK_NOTHROW(stream.handshake());
}
