// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The two halves of a stream: taking apart, putting together, finishing, and what each of them does. Two threads are in faults/halves.cpp.

#include <tls/split.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::reaction;
using tests::timed_out;
using tests::would_block;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using session = tests::session<>;
using socket_type = tests::memory_socket;
using reader_type = tls::reader<socket_type>;
using writer_type = tls::writer<socket_type>;

const std::error_code none;

static_assert(std::is_nothrow_move_constructible_v<reader_type> && std::is_nothrow_move_assignable_v<reader_type>);
static_assert(std::is_nothrow_move_constructible_v<writer_type> && std::is_nothrow_move_assignable_v<writer_type>);
static_assert(!std::is_copy_constructible_v<reader_type> && !std::is_copy_constructible_v<writer_type>);
static_assert(std::is_nothrow_default_constructible_v<reader_type>);

template <class T>
concept reads = requires(T& half, std::span<std::byte> into) { half.read_some(into); } ||
                requires(T& half, std::span<std::byte> into) { half.read(into); };
template <class T>
concept writes = requires(T& half, std::span<const std::byte> from) { half.write_some(from); } ||
                 requires(T& half, std::span<const std::byte> from) { half.write(from); };
template <class T>
concept shuts_writing_down = requires(T& half) { half.shutdown(shutdown_mode::write); };
template <class T>
concept takes_deadlines = requires(T& half) { half.expires_never(); };
static_assert(reads<reader_type> && !reads<writer_type>);
static_assert(writes<writer_type> && !writes<reader_type>);
static_assert(shuts_writing_down<writer_type> && !shuts_writing_down<reader_type>);
static_assert(takes_deadlines<reader_type> && takes_deadlines<writer_type>);
static_assert(!takes_deadlines<tls::reader<tests::plain_memory_socket>> && reads<tls::reader<tests::plain_memory_socket>>);

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }
tls::role any_role() { return GENERATE(tls::role::client, tls::role::server); }

template <class Face>
std::string read_text(Face& face, std::size_t most, std::error_code& ec) {
    std::string text(most, '\0');
    text.resize(face.read_some(text, ec));
    return text;
}
template <class Face>
std::string read_all(Face& face, std::error_code& ec) {
    std::string text;
    std::string some;
    while (!(some = read_text(face, 5000, ec)).empty()) text += some;
    return text;
}

}  // namespace

TEST_CASE("split: the halves go on where the stream stopped, and the stream where the halves did", "[split]") {
    const auto role = any_role();
    session s({.version = any_version(), .on_close_notify = reaction::fin, .role = role});
    std::error_code ec;
    s.stream.write("one, ");
    auto [reader, writer] = tls::split(std::move(s.stream));
    CHECK_FALSE(s.stream);
    CHECK(reader);
    CHECK(writer);
    CHECK(writer.write("two, ", ec) == 5);
    CHECK(ec == none);
    s.peer.send("three, ");
    CHECK(read_text(reader, 100, ec) == "three, ");
    CHECK(ec == none);

    auto whole = tls::join(std::move(reader), std::move(writer));
    CHECK_FALSE(reader);
    CHECK_FALSE(writer);
    whole.write("four");
    s.peer.send("five");
    CHECK(read_text(whole, 100, ec) == "five");
    CHECK(whole.close().clean());
    s.work();
    CHECK(s.peer.received() == "one, two, four");
    CHECK(s.peer.close_notify_received());
    CHECK((role == tls::role::server || s.wire() == "data*3, alert, FIN, close"));  // a server has sent tickets, too
    CHECK(tests::queue_is_empty());
}

TEST_CASE("split: no byte is lost on the way, however much has been received and not read", "[split]") {
    const auto version = any_version();
    const std::size_t size = GENERATE(std::size_t{1}, 40, 100, 5000, 16384);
    session s({.version = version, .on_close_notify = reaction::fin});
    std::string expected;
    for (int i = 0; i < 12; ++i) {
        const std::string text(size, static_cast<char>('a' + i));
        s.peer.send(text);
        expected += text;
    }
    s.work();
    std::error_code ec;
    // One read at a time, by the stream, the reader, the stream again ... with odd sizes, so that plaintext and ciphertext are left over.
    std::string got;
    auto stream = std::move(s.stream);
    while (got.size() < expected.size()) {
        got += read_text(stream, size / 2 + 1, ec);
        REQUIRE(ec == none);
        if (got.size() == expected.size()) break;
        auto [reader, writer] = tls::split(std::move(stream));
        got += read_text(reader, size / 3 + 1, ec);
        REQUIRE(ec == none);
        stream = tls::join(std::move(reader), std::move(writer));
    }
    CHECK(got == expected);
    CHECK(stream.close().clean());
}

TEST_CASE("split: what is still to be sent goes along, in order", "[split]") {
    session s({.version = any_version(), .on_close_notify = reaction::fin});
    std::error_code ec;
    s.net.a().script({.room = 10});
    s.stream.expires_at(s.net.now());
    CHECK(s.stream.write_some("first, ", ec) == 7);
    CHECK(ec == timed_out);
    const auto left = s.stream.pending_output();
    REQUIRE(left > 0);

    auto [reader, writer] = tls::split(std::move(s.stream));
    CHECK(writer.pending_output() == left);
    CHECK_FALSE(writer.flush(ec));
    CHECK(ec == timed_out);  // the deadline has gone along, too
    CHECK(writer.write_some("refused", ec) == 0);
    CHECK(ec == timed_out);
    s.net.a().add_room(5);
    CHECK_FALSE(writer.flush(ec));
    CHECK(writer.pending_output() < left);
    writer.expires_never();
    s.net.clock().call_after(1s, [&] { s.net.a().add_room(60); });
    CHECK(writer.write("second, ", ec) == 8);
    CHECK(ec == none);
    CHECK(writer.pending_output() == 0);
    writer.expires_at(s.net.now());
    s.net.a().script({.room = 3});
    CHECK(writer.write_some("third", ec) == 5);
    CHECK(ec == timed_out);

    auto whole = tls::join(std::move(reader), std::move(writer));
    CHECK(whole.pending_output() > 0);
    CHECK_FALSE(whole.flush(ec));
    CHECK(ec == timed_out);
    s.net.a().script({});
    CHECK(whole.flush());
    s.work();
    CHECK(s.peer.received() == "first, second, third");
    whole.expires_never();
    CHECK(whole.close().clean());
}

TEST_CASE("split: each half has a deadline of its own, and join keeps them", "[split]") {
    session s;
    std::error_code ec;
    auto [reader, writer] = tls::split(std::move(s.stream));
    const auto begin = s.net.now();
    reader.expires_after(3s);
    CHECK(read_text(reader, 10, ec).empty());
    CHECK(ec == timed_out);
    CHECK(s.net.now() - begin == 3s);
    CHECK(writer.write("unlimited", ec) == 9);
    CHECK(ec == none);
    s.peer.send("there already");
    s.work();
    CHECK(read_text(reader, 100, ec) == "there already");  // it needs no waiting
    CHECK(ec == none);

    writer.expires_after(2s);
    s.net.a().script({.room = 0});
    CHECK(writer.write("stuck", ec) == 5);
    CHECK(ec == timed_out);
    CHECK(s.net.now() - begin == 5s);
    reader.read_expires_at(s.net.now() + 10s);
    writer.write_expires_at(s.net.now() + 20s);

    auto whole = tls::join(std::move(reader), std::move(writer));
    CHECK(read_text(whole, 100, ec).empty());
    CHECK(ec == timed_out);
    CHECK(s.net.now() - begin == 15s);
    CHECK_FALSE(whole.flush(ec));
    CHECK(ec == timed_out);
    CHECK(s.net.now() - begin == 25s);
}

TEST_CASE("split: a deadline beyond the clock's end is none", "[split]") {
    session s;
    auto [reader, writer] = tls::split(std::move(s.stream));
    reader.expires_after(std::chrono::nanoseconds::max());
    s.net.clock().call_after(std::chrono::hours(24 * 365), [&] { s.peer.send("at last"); });
    std::error_code ec;
    CHECK(read_text(reader, 100, ec) == "at last");
    CHECK(ec == none);
}

TEST_CASE("split: before the handshake, whichever half is first runs it", "[split]") {
    const auto version = any_version();
    session s({.version = version, .role = any_role(), .handshake = false});
    std::error_code ec;
    auto [reader, writer] = tls::split(std::move(s.stream));
    CHECK_FALSE(reader.version());
    SECTION("the reader") {
        s.peer.send("welcome");
        CHECK(read_text(reader, 100, ec) == "welcome");
    }
    SECTION("the writer") {
        CHECK(writer.write("hello", ec) == 5);
        CHECK(ec == none);
        s.work();
        CHECK(s.peer.received() == "hello");
    }
    SECTION("neither, but the stream that is made of them") {
        auto whole = tls::join(std::move(reader), std::move(writer));
        whole.handshake(ec);
        CHECK(whole.version() == version);
        std::tie(reader, writer) = tls::split(std::move(whole));
    }
    CHECK(ec == none);
    CHECK(reader.version() == version);
    CHECK(writer.version() == version);
    CHECK_FALSE(reader.shared_ciphers().empty());  // from the ClientHello, over whichever wire it went
}

TEST_CASE("split: in the middle of a handshake, at each of its steps", "[split]") {
    const auto version = any_version();
    const auto role = any_role();
    for (int steps = 0; steps < 5; ++steps) {
        session s({.version = version, .role = role, .non_blocking = true, .handshake = false});
        std::error_code ec;
        for (int i = 0; i < steps; ++i) {
            s.stream.handshake(ec);
            s.peer.pump();
        }
        auto [reader, writer] = tls::split(std::move(s.stream));
        for (int i = 0; i < steps; ++i) {
            (void)read_text(reader, 10, ec);
            s.peer.pump();
        }
        auto whole = tls::join(std::move(reader), std::move(writer));
        for (whole.handshake(ec); ec == would_block; whole.handshake(ec)) s.peer.pump();
        CHECK(ec == none);
        CHECK(whole.version() == version);
        CHECK_FALSE(whole.shared_ciphers().empty());
        s.peer.send("hello");
        s.peer.pump();
        CHECK(read_text(whole, 10, ec) == "hello");
    }
}

TEST_CASE("split: what both halves tell of the connection", "[split]") {
    const auto version = any_version();
    session s({.version = version});
    const auto cipher = s.stream.cipher();
    const auto offered = s.stream.shared_ciphers();
    const std::string group(s.stream.group());
    const auto chain = s.stream.peer_chain().size();
    auto [reader, writer] = tls::split(std::move(s.stream));
    const auto check = [&](auto& half) {
        CHECK(half.version() == version);
        CHECK(half.cipher() == cipher);
        CHECK(half.shared_ciphers() == offered);
        CHECK(half.group() == group);
        CHECK(half.alpn().empty());
        CHECK_FALSE(half.compression());
        CHECK(half.server_name() == "localhost");
        CHECK(half.peer_certificate());
        CHECK(half.peer_chain().size() == chain);
        CHECK(half.read_end() == stream_end::open);
        CHECK(half.with_native_handle([](SSL* ssl) { return ssl != nullptr; }));
    };
    check(reader);
    check(writer);
    s.peer.close_notify();
    std::error_code ec;
    CHECK(read_all(reader, ec).empty());
    CHECK(reader.read_end() == stream_end::close_notify);
    CHECK(writer.read_end() == stream_end::close_notify);
    CHECK(&reader.next_layer() == &writer.next_layer());
}

TEST_CASE("split: an empty or closed stream has no halves, and it says so", "[split]") {
    std::error_code ec;
    tls::stream<socket_type> nothing;
    {
        const auto [reader, writer] = tls::split(std::move(nothing), ec);
        CHECK(ec == tls::errc::not_open);
        CHECK_FALSE(reader);
        CHECK_FALSE(writer);
    }
    session s({.on_close_notify = reaction::fin});
    s.stream.close();
    CHECK_THROWS_AS((void)tls::split(std::move(s.stream)), tls::error);
    CHECK(s.stream);  // as it was
    CHECK(tests::queue_is_empty());
}

TEST_CASE("join: halves that do not belong together are refused by name, and stay as they are", "[split]") {
    session one;
    session other;
    std::error_code ec;
    auto [reader, writer] = tls::split(std::move(one.stream));
    auto [reader2, writer2] = tls::split(std::move(other.stream));
    CHECK_FALSE(tls::join(std::move(reader), std::move(writer2), ec));
    CHECK(ec == tls::errc::mismatched_halves);
    CHECK_FALSE(tls::join(reader_type(), std::move(writer), ec));
    CHECK(ec == tls::errc::not_open);
    CHECK_FALSE(tls::join(std::move(reader), writer_type(), ec));
    CHECK(ec == tls::errc::not_open);
    try {
        (void)tls::join(std::move(reader2), std::move(writer));
        FAIL_CHECK("not thrown");
    } catch (const tls::error& failed) {
        CHECK(failed.code() == tls::errc::mismatched_halves);
    }
    one.peer.send("still here");
    CHECK(read_text(reader, 100, ec) == "still here");
    CHECK(writer.write("still here", ec) == 10);
    CHECK(tls::join(std::move(reader), std::move(writer), ec));
    CHECK(ec == none);

    writer2.abort();
    CHECK_FALSE(tls::join(std::move(reader2), std::move(writer2), ec));
    CHECK(ec == tls::errc::not_open);
    CHECK(reader2);
}

TEST_CASE("split: every member of an empty half answers, and does nothing", "[split]") {
    session s;
    auto halves = tls::split(std::move(s.stream));
    auto& reader = halves.first;
    auto& writer = halves.second;
    const auto whole = tls::join(std::move(reader), std::move(writer));
    std::error_code ec;
    std::array<char, 4> some{};
    const std::array<std::span<const std::byte>, 1> pieces{std::as_bytes(std::span(some))};
    const auto refused = [&](auto&& call) {
        ec.clear();
        tests::with_stale_errors(call);
        CHECK(ec == tls::errc::not_open);
        CHECK(tests::queue_is_empty());
    };
    refused([&] { CHECK(reader.read_some(some, ec) == 0); });
    refused([&] { CHECK(reader.read(some, ec) == 0); });
    refused([&] { CHECK(reader.shutdown_read(ec) == shutdown_result{}); });
    refused([&] { CHECK(writer.write_some(some, ec) == 0); });
    refused([&] { CHECK(writer.write(some, ec) == 0); });
    refused([&] { CHECK(writer.write(pieces, ec) == 0); });
    refused([&] { CHECK_FALSE(writer.flush(ec)); });
    refused([&] { CHECK(writer.shutdown(shutdown_mode::both, ec) == shutdown_result{}); });
    CHECK(reader.close(ec) == shutdown_result{});
    CHECK(ec == none);
    CHECK(writer.close(ec) == shutdown_result{});
    CHECK(ec == none);
    reader.abort();
    writer.abort();
    writer.expires_after(1s);
    reader.expires_never();
    CHECK(writer.pending_output() == 0);
    CHECK(reader.read_end() == stream_end::open);
    CHECK_FALSE(writer.version());
    CHECK(reader.peer_chain().empty());
    CHECK(reader.with_native_handle([](SSL* ssl) { return ssl == nullptr; }));
    CHECK_THROWS_AS(reader.read_some(some), tls::error);
    CHECK_THROWS_AS(writer.write_some(some), tls::error);
    CHECK_THROWS_AS(writer.flush(), tls::error);
    CHECK_THROWS_AS(writer.shutdown(shutdown_mode::write), tls::error);
}

TEST_CASE("reader and writer: nothing to read or write is no error, in every state", "[split]") {
    session s({.on_close_notify = reaction::fin, .handshake = false});
    auto [reader, writer] = tls::split(std::move(s.stream));
    const std::array<std::span<const std::byte>, 2> pieces{};
    const auto check = [&](tls::reader<socket_type>& reading, tls::writer<socket_type>& writing) {
        const auto calls = s.net.a().calls().io;
        std::error_code ec = would_block;
        CHECK(reading.read_some(std::span<std::byte>(), ec) == 0);
        CHECK(ec == none);
        CHECK(reading.read(std::span<std::byte>(), ec) == 0);
        CHECK(ec == none);
        CHECK(writing.write_some("", ec) == 0);
        CHECK(ec == none);
        CHECK(writing.write("", ec) == 0);
        CHECK(ec == none);
        CHECK(writing.write(pieces, ec) == 0);
        CHECK(ec == none);
        CHECK(s.net.a().calls().io == calls);
    };
    check(reader, writer);
    writer.write("x");
    check(reader, writer);
    writer.close();
    check(reader, writer);
}

TEST_CASE("writer: pieces are gathered into full records, four to a send", "[split]") {
    session s({.version = any_version()});
    auto [reader, writer] = tls::split(std::move(s.stream));
    const std::string a(100, 'a');
    const std::string b(20'000, 'b');
    const std::string c(80'000, 'c');
    const auto bytes = [](const std::string& text) -> std::span<const std::byte> { return std::as_bytes(std::span(text)); };
    const std::array pieces{bytes(a), bytes(b), bytes(c)};
    const auto before = s.net.a().calls().writes;
    std::error_code ec;
    CHECK(writer.write(pieces, ec) == 100'100);
    CHECK(ec == none);
    CHECK(s.wire() == "data*7");
    CHECK(s.net.a().calls().writes - before == 2);
    s.work();
    CHECK(s.peer.received() == a + b + c);
}

TEST_CASE("writer: shutdown and close mean what they mean for a stream", "[split]") {
    session s({.version = any_version(), .on_close_notify = reaction::fin});
    auto [reader, writer] = tls::split(std::move(s.stream));
    std::error_code ec;
    CHECK(writer.shutdown(shutdown_mode::read, ec) == shutdown_result{});
    CHECK(ec == std::errc::invalid_argument);
    CHECK(writer.write("data", ec) == 4);
    SECTION("write") {
        CHECK(writer.shutdown(shutdown_mode::write, ec) ==
              shutdown_result{.close_notify_sent = true, .transport_shut_down = true});
        CHECK(ec == none);
        CHECK(writer.write("more", ec) == 0);
        CHECK(ec == tls::errc::write_shut_down);
        s.work();
        CHECK(s.wire() == "data, alert, FIN");
        CHECK(read_all(reader, ec).empty());
        CHECK(ec == none);
        CHECK(writer.shutdown(shutdown_mode::both, ec).clean());
        CHECK(ec == none);
    }
    SECTION("both, with no reader in a call: the writer receives, and throws away within drain_limit") {
        s.peer.send(std::string(300, 'p'));
        CHECK(writer.shutdown(shutdown_mode::both, {.drain_limit = 200}, ec).limit_reached);
        CHECK(ec == none);
        const auto rest = read_all(reader, ec);
        CHECK(rest == std::string(100, 'p'));
        CHECK(ec == none);
        const auto again = writer.shutdown(shutdown_mode::both, ec);
        CHECK(again.discarded == 200);
        CHECK(again.peer == stream_end::close_notify);
    }
    SECTION("both, with reading shut: everything is thrown away, and not counted") {
        s.peer.send(std::string(3000, 'p'));
        CHECK(reader.shutdown_read(ec).peer == stream_end::open);
        CHECK(ec == none);
        CHECK(read_all(reader, ec).empty());
        CHECK(ec == none);
        CHECK(reader.read_end() == stream_end::open);
        CHECK(writer.shutdown(shutdown_mode::both, {.drain_limit = 0}, ec).clean());
    }
    SECTION("close, by the writer") {
        const auto closed = writer.close(ec);
        CHECK(closed.clean());
        CHECK(ec == none);
        CHECK(s.wire() == "data, alert, FIN, close");
        CHECK(writer.close(ec) == closed);
        CHECK(ec == none);
        CHECK(reader.close(ec) == closed);
        CHECK(read_all(reader, ec).empty());
        CHECK(ec == tls::errc::not_open);
        CHECK(writer.write("more", ec) == 0);
        CHECK(ec == tls::errc::not_open);
        CHECK_FALSE(writer.flush(ec));
        CHECK(ec == tls::errc::not_open);
    }
    SECTION("close, by the reader") {
        CHECK(reader.close(ec).clean());
        CHECK(ec == none);
        CHECK(s.wire() == "data, alert, FIN, close");
        CHECK(writer.write("more", ec) == 0);
        CHECK(ec == tls::errc::not_open);
    }
    SECTION("abort, by either") {
        if (GENERATE(false, true)) writer.abort();
        else reader.abort();
        CHECK(s.wire() == "data, abort");
        CHECK(read_all(reader, ec).empty());
        CHECK(ec == tls::errc::not_open);
        CHECK(writer.write("more", ec) == 0);
        CHECK(ec == tls::errc::not_open);
        CHECK(writer.close(ec).close_notify_sent == false);
        CHECK(ec == none);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("split: truncation, an alert, and a failed handshake are told by the reader, and our alert is sent", "[split]") {
    const auto version = any_version();
    session s({.version = version});
    auto [reader, writer] = tls::split(std::move(s.stream));
    std::error_code ec;
    s.peer.send("half a sen");
    SECTION("truncation") {
        s.peer.fin();
        CHECK(read_all(reader, ec) == "half a sen");
        CHECK(ec == tls::errc::truncated);
        CHECK(reader.read_end() == stream_end::truncated);
        CHECK(writer.write("goes on", ec) == 7);
        CHECK(ec == none);
    }
    SECTION("an alert of the peer's") {
        s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
        CHECK(read_all(reader, ec) == "half a sen");
        CHECK(ec == std::error_code(80, tls::alert_category()));
        CHECK(reader.read_end() == stream_end::failed);
        CHECK(writer.write("refused", ec) == 0);
        CHECK(ec == std::error_code(80, tls::alert_category()));
    }
    SECTION("what is not TLS") {
        s.work();
        s.peer.raw("\x17\x03\x03\xff\xff");
        CHECK(read_all(reader, ec) == "half a sen");
        CHECK(ec.category() == tls::ssl_category());
        s.work();
        CHECK(s.peer.alerts() == std::vector<int>{SSL_AD_RECORD_OVERFLOW});
        try {
            std::array<char, 1> one{};
            reader.read_some(one);
            FAIL_CHECK("not thrown");
        } catch (const tls::error& failed) {
            CHECK_FALSE(failed.details().empty());
        }
    }
    CHECK(read_all(reader, ec).empty());
    CHECK(ec);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("split: EPIPE while the peer's alert can be read: the write tells the alert, and what came before stays readable",
          "[split]") {
    const auto version = any_version();
    session s({.version = version});
    auto [reader, writer] = tls::split(std::move(s.stream));
    s.peer.send("last words");
    s.peer.fatal_alert(SSL_AD_ACCESS_DENIED);
    s.peer.pump();
    s.net.a().script(tests::at_call(tests::call_kind::write, s.net.a().calls().writes, tests::outcome::broken_pipe()));
    std::error_code ec;
    const std::error_code denied(SSL_AD_ACCESS_DENIED, tls::alert_category());
    for (int i = 0; i < 2; ++i) {
        CHECK(writer.write("anybody there?", ec) == 0);
        CHECK(ec == denied);
    }
    CHECK(read_all(reader, ec) == "last words");
    CHECK(ec == denied);
}

TEST_CASE("split: over a reference the socket is left alone, by value it goes when both halves are gone, without a word",
          "[split]") {
    const bool reader_first = GENERATE(false, true);
    session s;
    std::error_code ec;
    SECTION("by value") {
        auto both = std::make_unique<std::pair<reader_type, writer_type>>(tls::split(std::move(s.stream)));
        both->second.write("something");
        const auto calls = s.net.a().calls();
        if (reader_first) both->first = {};
        else both->second = {};
        CHECK_FALSE(s.net.a().closed());
        s.work();
        if (reader_first) {
            CHECK(both->second.write("and more", ec) == 8);
            CHECK(ec == none);
        } else {
            s.peer.send("an answer");
            CHECK(read_text(both->first, 100, ec) == "an answer");
        }
        both.reset();
        CHECK(s.net.a().closed());
        CHECK(s.net.a().calls().shutdowns == calls.shutdowns);
        CHECK(s.wire() == (reader_first ? "data*2, destroyed" : "data, destroyed"));
    }
    SECTION("by reference") {
        tests::memory_network net;
        tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(tls::protocol_version::tls1_3));
        auto socket = net.a().socket();
        net.a().pump([&] { peer.pump(); });
        {
            tls::stream<socket_type&> stream(socket, tests::client_of(tls::protocol_version::tls1_3), "localhost");
            auto [reader, writer] = tls::split(std::move(stream));
            writer.write("something");
            CHECK(&writer.next_layer() == &socket);
        }
        CHECK_FALSE(net.a().closed());
        socket.write_some(std::as_bytes(std::span("still open")), ec);
        CHECK(ec == none);
    }
}

TEST_CASE("writer: BoringSSL is at hand under the lock", "[split]") {
    session s;
    auto [reader, writer] = tls::split(std::move(s.stream));
    std::error_code ec;
    for (int i = 0; i < 3; ++i) {
        CHECK(writer.with_native_handle([](SSL* ssl) { return ::SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED); }) == 1);
        CHECK(writer.write("under a new key ", ec) == 16);
        s.peer.key_update(true);
        s.peer.send("so is this");
        CHECK(read_text(reader, 100, ec) == "so is this");
        CHECK(ec == none);
    }
    s.work();
    CHECK(s.peer.received().size() == 48);
    CHECK(writer.with_native_handle([](SSL*) { return ::ERR_put_error(ERR_LIB_SSL, 0, 1, "", 0), 0; }) == 0);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("finish: everything written, close_notify, FIN, and a reader is left", "[split]") {
    const auto version = any_version();
    const bool early = GENERATE(false, true);
    session s({.version = version, .role = any_role(), .handshake = !early});
    std::error_code ec;
    if (!early) s.stream.write("a question");
    auto reader = std::move(s.stream).finish();
    static_assert(std::is_same_v<decltype(reader), reader_type>);
    CHECK_FALSE(s.stream);
    CHECK(reader.version() == version);  // the handshake was run
    s.work();
    CHECK(s.peer.close_notify_received());
    CHECK(s.peer.transport_ended());
    s.peer.send("an answer");
    s.peer.close_notify();
    CHECK(read_all(reader, ec) == "an answer");
    CHECK(ec == none);
    CHECK(reader.read_end() == stream_end::close_notify);
    CHECK(reader.close(ec).clean());
    CHECK(ec == none);
    CHECK(s.net.a().closed());
}

TEST_CASE("finish: when it fails the caller has the stream", "[split]") {
    session s({.version = any_version(), .on_close_notify = reaction::fin});
    std::error_code ec;
    SECTION("no time: called again it goes on") {
        s.net.a().script({.room = 5});
        CHECK(s.stream.write_some("", ec) == 0);
        CHECK_FALSE(std::move(s.stream).finish({.timeout = 2s}, ec));
        CHECK(ec == timed_out);
        REQUIRE(s.stream);
        try {
            (void)std::move(s.stream).finish({.timeout = 1s});
            FAIL_CHECK("not thrown");
        } catch (const tls::error& failed) {
            CHECK(failed.code() == timed_out);
            CHECK(failed.shutdown().timed_out);
        }
        s.peer.send("meanwhile");
        CHECK(read_text(s.stream, 100, ec) == "meanwhile");
        CHECK(s.stream.write("no", ec) == 0);
        CHECK(ec == tls::errc::write_shut_down);
        s.net.a().add_room(100);
        auto reader = std::move(s.stream).finish(ec);
        CHECK(ec == none);
        CHECK(reader);
        s.work();
        CHECK(s.wire() == "alert, FIN");
        CHECK(s.peer.close_notify_received());
    }
    SECTION("the stream has failed") {
        s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
        CHECK(read_text(s.stream, 100, ec).empty());
        CHECK_FALSE(std::move(s.stream).finish(ec));
        CHECK(ec == std::error_code(80, tls::alert_category()));
        CHECK(s.stream);
    }
    SECTION("it is empty, or closed") {
        s.stream.close();
        CHECK_FALSE(std::move(s.stream).finish(ec));
        CHECK(ec == tls::errc::not_open);
        tls::stream<socket_type> nothing;
        CHECK_FALSE(std::move(nothing).finish(ec));
        CHECK(ec == tls::errc::not_open);
    }
    SECTION("the handshake fails") {
        session early({.handshake = false});
        early.peer.fin();
        early.peer.pump();
        CHECK_FALSE(std::move(early.stream).finish(ec));
        CHECK(ec == tls::errc::handshake_truncated);
        CHECK(early.stream);
        early.stream.handshake(ec);
        CHECK(ec == tls::errc::handshake_truncated);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("split: new keys, and what is known of the connection, from either half", "[split]") {
    for (const auto version : tests::versions) {
        session here({.version = version});
        auto [reading, writing] = tls::split(std::move(here.stream));
        std::error_code ec;
        writing.update_keys(true, ec);
        CHECK(ec == (version == tls::protocol_version::tls1_3 ? none : make_error_code(tls::errc::not_supported)));
        writing.write("after", ec);
        CHECK(ec == none);
        here.work();
        CHECK(here.peer.received() == "after");
        here.peer.send("answer");
        std::array<char, 6> got{};
        CHECK(reading.read(got, ec) == got.size());

        CHECK(reading.verified_chain().size() == 2);
        CHECK_FALSE(reading.verify_failure());
        CHECK(writing.details().empty());
        CHECK_FALSE(writing.session_reused());
        CHECK_FALSE(writing.early_data_accepted());
        CHECK_FALSE(reading.ech_accepted());
        CHECK(reading.ocsp_response().empty());
        const auto secret = reading.export_keying_material("EXPORTER-test", std::nullopt, 20);
        CHECK(secret.size() == 20);
        CHECK(writing.export_keying_material("EXPORTER-test", std::nullopt, 20) == secret);
        CHECK(writing.channel_binding(tls::channel_binding_type::tls_exporter).size() == 32);
    }
}
