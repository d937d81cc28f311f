// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F69: a tls::stream is itself a socket, so TLS runs in TLS. Both sides are the library's here, in one thread: the far one does not
// block and works whenever the near one waits.

#include <tls/socket.hpp>
#include <tls/stream.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using outer_stream = tls::stream<tests::memory_socket>;
using inner_stream = tls::stream<outer_stream>;

static_assert(tls::socket<outer_stream> && tls::socket<inner_stream>);
static_assert(tls::deadline_socket<inner_stream> && tls::clocked_socket<inner_stream>);
static_assert(tls::pollable_socket<inner_stream> && tls::abortable_socket<inner_stream>);
static_assert(!tls::deadline_socket<tls::stream<tests::plain_memory_socket>>);

const std::error_code none;
const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);
const std::error_code timed_out = std::make_error_code(std::errc::timed_out);

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// The far side: does what it is asked to as far as it can, and is called again.
struct far_side {
    explicit far_side(inner_stream made) : stream(std::move(made)) {}

    void work() {
        std::error_code ec;
        if (silent) return;
        for (bool moved = true; moved;) {
            moved = false;
            if (!to_send.empty()) {
                const std::size_t n = stream.write_some(to_send, ec);
                to_send.erase(0, n);
                moved = n != 0;
            }
            std::array<char, 5000> into;
            if (reads && !ended) {
                const std::size_t n = stream.read_some(into, ec);
                received.append(into.data(), n);
                ended = n == 0 && ec != would_block;
                if (ended) end = ec;
                moved = moved || n != 0;
            }
        }
        (void)stream.flush(ec);
        if (closes || (answers && ended && !end)) {
            result = stream.close(ec);
            if (ec != would_block) closed = true;
            close_error = ec;
        }
    }

    inner_stream stream;
    std::string to_send;
    bool silent = false;
    bool reads = true;
    bool answers = true;  // a clean end by a close
    bool closes = false;
    std::string received;
    bool ended = false;
    std::error_code end;
    bool closed = false;
    shutdown_result result;
    std::error_code close_error;
};

struct nested_options {
    tls::protocol_version outer = tls::protocol_version::tls1_3;
    tls::protocol_version inner = tls::protocol_version::tls1_3;
    std::string_view inner_name = "localhost";
    bool non_blocking = false;
    bool handshake = true;
    tests::network_options net{};
};

struct nested {
    explicit nested(const nested_options& options = {})
        : net(options.net),
          near(outer_stream(net.a().socket(), tests::client_of(options.outer), "localhost"), tests::client_of(options.inner),
               options.inner_name),
          far(inner_stream(outer_stream(net.b().socket(), tests::server_of(options.outer)), tests::server_of(options.inner))) {
        far.stream.next_layer().next_layer().non_blocking(true);
        near.next_layer().next_layer().non_blocking(options.non_blocking);
        net.a().pump([this] { far.work(); });
        if (!options.handshake) return;
        std::error_code ec;
        repeat([&](std::error_code& why) { near.handshake(why); }, ec);
        if (ec) throw std::system_error(ec, "nested handshake");
        far.work();
        since = net.a().bytes_sent();
    }
    nested(const nested&) = delete;
    nested& operator=(const nested&) = delete;

    template <class Call>
    void repeat(Call&& call, std::error_code& ec) {
        for (int i = 0; i < 20'000; ++i) {
            call(ec);
            if (ec != would_block) return;
            far.work();
        }
    }

    tests::memory_network net;
    inner_stream near;
    far_side far;
    std::size_t since = 0;
};

std::string read_all(inner_stream& from, std::error_code& ec) {
    std::string text;
    std::array<char, 3000> into;
    while (const std::size_t n = from.read_some(into, ec)) text.append(into.data(), n);
    return text;
}

}  // namespace

TEST_CASE("F69 TLS in TLS: data both ways, and we close first") {
    const auto outer = any_version();
    const auto inner = any_version();
    const bool non_blocking = GENERATE(false, true);
    nested n({.outer = outer, .inner = inner, .non_blocking = non_blocking});
    const std::string text(100'000, 'n');
    std::error_code ec;
    std::size_t done = 0;
    n.repeat([&](std::error_code& why) { done += n.near.write(std::string_view(text).substr(done), why); }, ec);
    CHECK(ec == none);
    bool sent = false;
    for (int i = 0; i < 100 && !sent; ++i) {
        sent = n.near.flush(ec);
        n.far.work();
    }
    CHECK(n.near.pending_output() == 0);
    CHECK(n.far.received == text);
    n.far.to_send = std::string(50'000, 'f');
    n.far.work();
    std::string got(50'000, ' ');
    CHECK(n.near.read(got, ec) == 50'000);
    CHECK(got == std::string(50'000, 'f'));

    shutdown_result result;
    n.repeat([&](std::error_code& why) { result = n.near.close(why); }, ec);
    CHECK(ec == none);
    CHECK(result.clean());
    CHECK(result.transport_shut_down);
    CHECK(n.net.a().closed());
    for (int i = 0; i < 3; ++i) n.far.work();
    CHECK(n.far.end == none);
    CHECK(n.far.closed);
    CHECK(n.far.close_error == none);
    CHECK(n.far.result.clean());
    CHECK(n.net.b().closed());
    // The outer close_notify is the last on the wire, once, and before FIN.
    const auto wire = n.net.a().wire_text(n.since);
    CHECK(wire.ends_with("alert, FIN, close"));
    CHECK((wire + n.net.b().wire_text()).find("RST") == std::string::npos);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F69 TLS in TLS: the peer closes first") {
    const auto outer = any_version();
    const auto inner = any_version();
    nested n({.outer = outer, .inner = inner});
    n.far.to_send = "the last words";
    n.far.work();
    n.far.closes = true;
    std::error_code ec;
    CHECK(read_all(n.near, ec) == "the last words");
    CHECK(ec == none);
    CHECK(n.near.read_end() == stream_end::close_notify);
    const auto result = n.near.close(ec);
    CHECK(ec == none);
    CHECK(result.clean());
    for (int i = 0; i < 3; ++i) n.far.work();
    CHECK(n.far.closed);
    CHECK(n.far.close_error == none);
    CHECK(n.far.result.peer == stream_end::close_notify);
    CHECK(n.net.a().wire_text().ends_with("alert, FIN, close"));
    CHECK(n.net.a().wire_text().find("RST") == std::string::npos);
}

TEST_CASE("F69 TLS in TLS: half-close of the inner layer closes the outer one's direction, and reading goes on") {
    nested n;
    n.far.answers = false;
    n.near.write("question");
    std::error_code ec;
    const auto half = n.near.shutdown(shutdown_mode::write, ec);
    CHECK(ec == none);
    CHECK(half == shutdown_result{.close_notify_sent = true, .transport_shut_down = true});
    CHECK(n.net.a().wire_text(n.since).ends_with("alert, FIN"));
    n.far.work();
    CHECK(n.far.received == "question");
    CHECK(n.far.ended);
    CHECK(n.far.end == none);
    n.far.to_send = "answer";
    n.far.work();
    n.far.closes = true;
    CHECK(read_all(n.near, ec) == "answer");
    CHECK(ec == none);
    CHECK(n.near.close(ec).clean());
}

TEST_CASE("F69 TLS in TLS: the inner layer ends alone, and the outer one goes on in its own right") {
    nested n;
    n.far.answers = false;
    std::error_code ec;
    n.near.write("inner");
    (void)n.near.shutdown(shutdown_mode::write, {.keep_transport_open = true}, ec);
    CHECK(ec == none);
    n.far.work();
    CHECK(n.far.received == "inner");
    CHECK(n.far.ended);
    n.far.silent = true;
    (void)n.far.stream.shutdown(shutdown_mode::both, {.keep_transport_open = true}, ec);
    CHECK(ec == none);
    CHECK(n.near.shutdown(shutdown_mode::both, {.keep_transport_open = true}, ec).clean());
    auto near = std::move(n.near).release();
    auto far = std::move(n.far.stream).release();
    CHECK(near.surplus.empty());
    near.socket.write("outer");
    std::array<char, 100> into{};
    CHECK(far.socket.read_some(into, ec) == 5);
    CHECK(std::string_view(into.data(), 5) == "outer");
    CHECK(near.socket.read_end() == stream_end::open);
}

TEST_CASE("F69 TLS in TLS: an outer layer that ends is the end of the inner one, by its true name") {
    nested n;
    std::error_code ec;
    n.far.answers = false;
    n.far.to_send = "half a sen";
    n.far.work();
    SECTION("outer close_notify without an inner one: truncated") {
        n.far.silent = true;
        (void)n.far.stream.next_layer().close(ec);
        CHECK(read_all(n.near, ec) == "half a sen");
        CHECK(ec == tls::errc::truncated);
        CHECK(n.near.read_end() == stream_end::truncated);
    }
    SECTION("no close_notify at all: truncated") {
        n.far.silent = true;
        n.far.stream.abort();
        CHECK(read_all(n.near, ec) == "half a sen");
        CHECK(ec == tls::errc::truncated);
        CHECK(n.near.read_end() == stream_end::truncated);
        CHECK(n.near.next_layer().read_end() == stream_end::truncated);
    }
    SECTION("a reset: reset") {
        n.far.silent = true;
        n.net.b().reset();
        CHECK(read_all(n.near, ec) == "half a sen");
        CHECK(ec == std::errc::connection_reset);
        CHECK(n.near.read_end() == stream_end::reset);
    }
    SECTION("a broken outer record: failed, and the alert goes out") {
        n.far.silent = true;
        std::array<char, 10> into{};
        REQUIRE(n.near.read(into) == 10);
        n.net.a().script({.flips = {{.offset = n.net.a().bytes_received() + 20}}});
        n.far.silent = false;
        n.far.to_send = "changed on the way";
        n.far.work();
        CHECK(read_all(n.near, ec).empty());
        CHECK(ec.category() == tls::ssl_category());
        CHECK(n.near.read_end() == stream_end::failed);
        CHECK(n.near.next_layer().read_end() == stream_end::failed);
        n.far.work();
        CHECK(n.far.end.category() == tls::alert_category());
    }
    const auto failure = ec;
    std::array<char, 10> into;
    CHECK(n.near.read_some(into, ec) == 0);
    CHECK(ec == failure);
    CHECK(tests::queue_is_empty());
    const auto result = n.near.close(ec);
    CHECK(result.peer == n.near.read_end());
    CHECK_FALSE(result.clean());
    CHECK(n.net.a().closed());
}

TEST_CASE("F69 TLS in TLS: an inner handshake that fails tells the inner peer so") {
    const auto version = any_version();
    const bool non_blocking = GENERATE(false, true);
    nested n({.inner = version, .inner_name = "other.test", .non_blocking = non_blocking, .handshake = false});
    std::error_code ec;
    n.repeat([&](std::error_code& why) { n.near.handshake(why); }, ec);
    CHECK(ec == std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, tls::verify_category()));
    CHECK(tests::queue_is_empty());
    n.far.work();
    CHECK(n.far.end == std::error_code(SSL_AD_BAD_CERTIFICATE, tls::alert_category()));
    // The outer layer is as good as before.
    CHECK(n.near.next_layer().read_end() == stream_end::open);
    n.far.closes = true;
    shutdown_result result;
    n.repeat([&](std::error_code& why) { result = n.near.close({.timeout = 1s}, why); }, ec);
    CHECK(result.peer == stream_end::failed);
    CHECK_FALSE(result.close_notify_sent);
    CHECK(n.net.a().closed());
}

TEST_CASE("F69 TLS in TLS: limits pass inward") {
    nested n;
    n.far.silent = true;
    std::array<char, 10> into;
    std::error_code ec;
    const auto begin = n.net.now();
    SECTION("a read's") {
        n.near.expires_after(2s);
        CHECK(n.near.read_some(into, ec) == 0);
        CHECK(ec == timed_out);
        CHECK(n.net.now() - begin == 2s);
        // It is not lost: with a later deadline it goes on.
        n.far.silent = false;
        n.far.to_send = "late";
        n.near.expires_never();
        CHECK(n.near.read_some(into, ec) == 4);
        CHECK(ec == none);
    }
    SECTION("one that has passed: no waiting") {
        n.near.expires_at(begin - 1s);
        CHECK(n.near.read_some(into, ec) == 0);
        CHECK(ec == timed_out);
        CHECK(n.near.write("goes out", ec) == 8);
        CHECK(ec == none);
        CHECK(n.net.now() == begin);
    }
    SECTION("a write's, when nothing more goes out") {
        n.net.a().script({.room = 100});
        n.near.expires_after(3s);
        CHECK(n.near.write(std::string(1'000'000, 'w'), ec) < 1'000'000);
        CHECK(ec == timed_out);
        CHECK(n.net.now() - begin == 3s);
        // Everything that was accepted leaves with the next flush.
        n.net.a().script({});
        n.near.expires_never();
        CHECK(n.near.flush(ec));
        CHECK(n.near.pending_output() == 0);
    }
    SECTION("a close's: both layers within the one limit") {
        const auto result = n.near.close({.timeout = 1500ms}, ec);
        CHECK(ec == none);
        CHECK(result.close_notify_sent);
        CHECK(result.timed_out);
        CHECK(result.peer == stream_end::open);
        CHECK(n.net.now() - begin == 1500ms);
        CHECK(n.net.a().closed());
    }
    SECTION("a close's, by an earlier deadline") {
        n.near.expires_after(700ms);
        const auto result = n.near.close(ec);
        CHECK(result.timed_out);
        CHECK(n.net.now() - begin == 700ms);
        CHECK(n.net.a().closed());
    }
    SECTION("a close's, when not even close_notify goes out") {
        n.net.a().script({.room = 5});
        const auto result = n.near.close({.timeout = 1s}, ec);
        CHECK(ec == timed_out);
        CHECK(result.timed_out);
        CHECK_FALSE(result.clean());
        CHECK(n.net.now() - begin == 1s);
        CHECK(n.net.a().closed());
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F69 TLS in TLS: abort() reaches the bottom, and so does the destructor, without a word") {
    auto n = std::make_unique<nested>();
    tests::memory_end end = n->net.a();
    const auto sent = end.bytes_sent();
    const auto calls = end.calls();
    tests::event_kind last = tests::event_kind::destroyed;
    SECTION("abort") {
        n->near.abort();
        last = tests::event_kind::abort;
        std::error_code ec;
        CHECK(n->near.write("text", ec) == 0);
        CHECK(ec == tls::errc::not_open);
    }
    SECTION("the destructor") { n->near = inner_stream(); }
    SECTION("in the middle of a handshake") {
        n = std::make_unique<nested>(nested_options{.non_blocking = true, .handshake = false});
        end = n->net.a();
        std::error_code ec;
        n->near.handshake(ec);
        CHECK(ec == would_block);
        CHECK(end.bytes_sent() > 0);
        n->near.abort();
        last = tests::event_kind::abort;
        CHECK(end.wire_text() == "handshake, abort");
        CHECK(end.closed());
        return;
    }
    CHECK(end.closed());
    CHECK(end.log().back().kind == last);
    CHECK(end.bytes_sent() == sent);
    CHECK(end.calls().io == calls.io);
    CHECK(end.calls().shutdowns == 0);
    n->far.work();
    CHECK(n->far.end == tls::errc::truncated);
}

TEST_CASE("F69 TLS in TLS: a pending write is finished before both close_notifies, wherever the socket stopped") {
    const auto inner = any_version();
    const std::string text(300, 't');
    for (std::size_t room = 0; room < 420; room += 3) {
        CAPTURE(room);
        nested n({.inner = inner, .non_blocking = true});
        n.net.a().script({.room = room});
        std::error_code ec;
        REQUIRE(n.near.write(text, ec) == text.size());
        shutdown_result result = n.near.close(ec);
        n.net.a().add_room(1);
        if (ec == would_block) result = n.near.close(ec);
        n.net.a().add_room(10'000);
        n.repeat([&](std::error_code& why) { result = n.near.close(why); }, ec);
        CHECK(ec == none);
        CHECK(result.clean());
        CHECK(n.far.received == text);
        for (int i = 0; i < 3; ++i) n.far.work();
        CHECK(n.far.closed);
        CHECK(n.far.result.clean());
        CHECK(n.net.a().wire_text(n.since).ends_with("alert, FIN, close"));
        CHECK(tests::queue_is_empty());
    }
}

TEST_CASE("F69 TLS in TLS with both sides stuck in sending: all that was written is delivered") {
    const bool non_blocking = GENERATE(false, true);
    nested n({.non_blocking = non_blocking, .net = {.capacity_a_to_b = 10'000, .capacity_b_to_a = 20'000}});
    n.far.reads = false;
    n.far.to_send = std::string(300'000, 'f');
    n.far.work();
    const std::string text(60'000, 't');
    std::error_code ec;
    n.near.expires_at(n.net.now());
    REQUIRE(n.near.write_some(text, ec) == text.size());
    n.near.expires_never();
    REQUIRE(n.near.pending_output() >= 45'000);
    // It reads when it has said everything, and not before.
    n.net.a().pump([&] {
        n.far.reads = n.far.to_send.empty() && n.far.stream.pending_output() == 0;
        n.far.work();
    });
    const auto begin = n.net.now();
    shutdown_result result;
    for (int i = 0; i < 5000; ++i) {
        result = n.near.close(ec);
        if (ec != would_block) break;
        n.far.reads = n.far.to_send.empty() && n.far.stream.pending_output() == 0;
        n.far.work();
    }
    CHECK(ec == none);
    CHECK(result ==
          shutdown_result{
              .close_notify_sent = true, .transport_shut_down = true, .peer = stream_end::close_notify, .discarded = 300'000});
    CHECK(n.net.now() - begin < 5s);
    CHECK(n.far.received == text);
}

TEST_CASE("F69 TLS in TLS over tiny reads and writes that are always interrupted first") {
    const auto inner = any_version();
    const std::size_t chunk = GENERATE(as<std::size_t>(), 1, 2, 5, 17);
    const bool storm = GENERATE(false, true);
    nested n({.inner = inner, .non_blocking = storm, .handshake = false});
    auto script = tests::chunked(chunk);
    if (storm) script.before_each_read = script.before_each_write = would_block;
    n.net.a().script(script);
    std::error_code ec;
    n.repeat([&](std::error_code& why) { n.near.handshake(why); }, ec);
    REQUIRE(ec == none);
    n.repeat([&](std::error_code& why) { n.near.write("hello", why); }, ec);
    CHECK(ec == none);
    shutdown_result result;
    for (int i = 0; i < 20; ++i) {
        n.repeat([&](std::error_code& why) { result = n.near.close(why); }, ec);
        if (ec != would_block) break;
    }
    CHECK(ec == none);
    CHECK(result.clean());
    CHECK(n.far.received == "hello");
}
