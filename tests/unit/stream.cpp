// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The stream's members, against a scripted peer in memory; closing has a file of its own.

#include <tls/stream.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::reaction;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;
using tls::want;

namespace {

using session = tests::session<>;
using memory_stream = tls::stream<tests::memory_socket>;

const std::error_code none;
const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);
const std::error_code timed_out = std::make_error_code(std::errc::timed_out);

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// The sizes of the records of application data in what was sent.
std::vector<std::size_t> data_records(const tests::memory_end& end, std::size_t since) {
    std::vector<std::size_t> sizes;
    const auto sent = end.sent();
    for (const auto& r : tests::records(std::span(sent).subspan(since))) sizes.push_back(r.length);
    return sizes;
}

// What is thrown, whole.
template <class Call>
std::optional<tls::error> thrown_by(Call call) {
    try {
        call();
    } catch (const tls::error& e) {
        return e;
    }
    return std::nullopt;
}

}  // namespace

static_assert(std::is_nothrow_move_constructible_v<memory_stream> && std::is_nothrow_move_assignable_v<memory_stream>);
static_assert(!std::is_copy_constructible_v<memory_stream> && !std::is_copy_assignable_v<memory_stream>);
static_assert(tls::deadline_socket<memory_stream> && tls::pollable_socket<memory_stream>);
static_assert(tls::clocked_socket<memory_stream> && tls::abortable_socket<memory_stream>);
static_assert(tls::socket<tls::stream<tests::plain_memory_socket>> &&
              !tls::deadline_socket<tls::stream<tests::plain_memory_socket>>);

// --- bytes ---

TEST_CASE("stream: writes every form of byte range", "[stream]") {
    session s({.version = any_version()});
    const std::string text = "text ";
    char array[5] = {'a', 'r', 'r', 'a', 'y'};
    const std::array<char, 5> std_array{'-', 's', 't', 'd', ' '};
    const std::vector<unsigned char> unsigned_chars{'u', 'c', ' '};
    const std::vector<std::byte> bytes{std::byte{'b'}, std::byte{'y'}};
    CHECK(s.stream.write("literal ") == 8);
    CHECK(s.stream.write(text) == 5);
    CHECK(s.stream.write(array) == 5);
    CHECK(s.stream.write(std_array) == 5);
    CHECK(s.stream.write(unsigned_chars) == 3);
    CHECK(s.stream.write(bytes) == 2);
    CHECK(s.stream.write(std::string_view(" view")) == 5);
    CHECK(s.stream.write(std::span(array, 2)) == 2);
    CHECK(s.stream.write_some(std::as_bytes(std::span(text))) == 5);
    s.work();
    CHECK(s.peer.received() == "literal text array-std uc by viewartext ");
}

TEST_CASE("stream: reads into every form of byte range", "[stream]") {
    session s({.version = any_version()});
    s.peer.send("12345abcdeABCDEvwxyz.....");
    char array[5];
    std::string text(5, '\0');
    std::vector<unsigned char> unsigned_chars(5);
    std::array<std::byte, 5> bytes{};
    CHECK(s.stream.read(array) == 5);
    CHECK(std::string(array, 5) == "12345");
    CHECK(s.stream.read(text) == 5);
    CHECK(text == "abcde");
    CHECK(s.stream.read(unsigned_chars) == 5);
    CHECK(unsigned_chars.back() == 'E');
    CHECK(s.stream.read_some(bytes) == 5);
    CHECK(bytes[0] == std::byte{'v'});
    CHECK(s.stream.read_some(std::as_writable_bytes(std::span(array))) == 5);
    CHECK(array[4] == '.');
}

TEST_CASE("F47 stream: an empty range reads and writes nothing and runs no handshake", "[stream]") {
    session s({.handshake = false});
    std::error_code ec = tls::errc::truncated;
    const std::vector<std::span<const std::byte>> no_pieces;
    const std::vector<std::span<const std::byte>> empty_pieces(3);
    CHECK(s.stream.read_some(std::span<std::byte>(), ec) == 0);
    CHECK(ec == none);
    CHECK(s.stream.read(std::span<char>()) == 0);
    CHECK(s.stream.write_some("", ec) == 0);
    CHECK(ec == none);
    CHECK(s.stream.write(std::string()) == 0);
    CHECK(s.stream.write(no_pieces, ec) == 0);
    CHECK(ec == none);
    CHECK(s.stream.write(empty_pieces, ec) == 0);
    CHECK(ec == none);
    CHECK(s.net.a().calls().io == 0);
    CHECK(s.stream.read_end() == stream_end::open);
    CHECK(tests::queue_is_empty());

    s.stream.handshake();
    s.peer.close_notify();
    CHECK(s.stream.read_some(std::span<std::byte>()) == 0);
    CHECK(s.stream.read_end() == stream_end::open);
}

TEST_CASE("stream: read_some gives what is there, read fills the range or stops at the clean end", "[stream]") {
    session s({.version = any_version()});
    std::error_code ec;
    std::array<char, 10> into{};
    s.peer.send("abc");
    s.work();
    CHECK(s.stream.read_some(into, ec) == 3);
    s.peer.send("0123");
    s.peer.send("4567");
    s.peer.send("89+");
    CHECK(s.stream.read(into, ec) == 10);
    CHECK(std::string(into.data(), 10) == "0123456789");
    CHECK(s.stream.input_buffered());  // "89" and "+" came in one record
    s.peer.send("last");
    SECTION("close_notify: a smaller count, and no error") {
        s.peer.close_notify();
        CHECK(s.stream.read(into, ec) == 5);
        CHECK(ec == none);
        CHECK(s.stream.read(into, ec) == 0);
        CHECK(ec == none);
        CHECK(s.stream.read_end() == stream_end::close_notify);
    }
    SECTION("truncation: the count and the error") {
        s.peer.fin();
        CHECK(s.stream.read(into, ec) == 5);
        CHECK(ec == tls::errc::truncated);
        CHECK(s.stream.read_end() == stream_end::truncated);
    }
    SECTION("truncation, thrown") {
        s.peer.fin();
        const auto e = thrown_by([&] { s.stream.read(into); });
        REQUIRE(e);
        CHECK(e->code() == tls::errc::truncated);
        CHECK(e->bytes_transferred() == 5);
        CHECK(e->details().empty());
    }
    CHECK(std::string(into.data(), 5) == "+last");
}

// --- gathered writes and records ---

TEST_CASE("stream: gathered writes fill whole records, however the bytes are cut", "[stream]") {
    const auto version = any_version();
    session s({.version = version});
    // What sealing adds: in TLS 1.3 a type and a tag; in TLS 1.2 what the first record shows.
    s.stream.write("x");
    const std::size_t overhead = data_records(s.net.a(), s.since).back() - 1;
    const std::size_t since = s.net.a().bytes_sent();
    std::string all;
    std::vector<std::string> parts;
    std::vector<std::size_t> expected;
    SECTION("{100, 20000} are two records") {
        parts = {std::string(100, 'a'), std::string(20'000, 'b')};
        expected = {16384, 3716};
    }
    SECTION("many small pieces are joined") {
        for (int i = 0; i < 1000; ++i) parts.push_back(std::string(7, static_cast<char>('a' + i % 26)));
        expected = {7000};
    }
    SECTION("empty pieces do not count") {
        parts = {"", "one", "", "", "two", ""};
        expected = {6};
    }
    SECTION("a piece of whole records and a bit") {
        parts = {std::string(32768 + 10, 'a'), std::string(5, 'b')};
        expected = {16384, 16384, 15};
    }
    SECTION("small, large, small") {
        parts = {std::string(16383, 'a'), std::string(50'000, 'b'), std::string(1, 'c')};
        expected = {16384, 16384, 16384, 16384, 16383 + 50'000 + 1 - 65536};
    }
    SECTION("more than one batch") {
        for (int i = 0; i < 30; ++i) parts.push_back(std::string(10'000, static_cast<char>('a' + i)));
        expected = std::vector<std::size_t>(18, 16384);
        expected.push_back(300'000 - 18 * 16384);
    }
    std::vector<std::span<const std::byte>> pieces;
    for (const auto& part : parts) {
        pieces.push_back(as_bytes(part));
        all += part;
    }
    const auto calls = s.net.a().calls().writes;
    CHECK(s.stream.write(pieces) == all.size());
    CHECK(s.stream.pending_output() == 0);
    for (auto& size : expected) size += overhead;
    CHECK(data_records(s.net.a(), since) == expected);
    CHECK(s.net.a().calls().writes - calls == (expected.size() + 3) / 4);
    s.work();
    CHECK(s.peer.received().substr(1) == all);
}

TEST_CASE("stream: a gathered write that would block tells how far it came, and goes on from there", "[stream]") {
    session s({.version = any_version(), .non_blocking = true});
    std::string all;
    for (int i = 0; i < 40'000; ++i) all.push_back(static_cast<char>('a' + i % 23));
    for (std::size_t room = 0; room < 40'000; room += 1777) {
        CAPTURE(room);
        s.net.a().script({.room = room});
        const auto before = s.peer.received().size();
        std::size_t done = 0;
        std::error_code ec;
        for (int turn = 0; done < all.size(); ++turn) {
            REQUIRE(turn < 20);
            const auto rest = as_bytes(all).subspan(done);
            const std::array<std::span<const std::byte>, 3> pieces{
                rest.first(rest.size() / 7), rest.subspan(rest.size() / 7, 1), rest.subspan(rest.size() / 7 + 1)};
            const std::size_t n = s.stream.write(pieces, ec);
            done += n;
            CHECK((ec == none || ec == would_block));
            if (ec == would_block) CHECK(s.stream.wants() == want::output);
            if (done < all.size()) CHECK(ec == would_block);
            s.net.a().add_room(9000);
        }
        while (!s.stream.flush()) s.net.a().add_room(9000);
        s.work();
        REQUIRE(s.peer.received().substr(before) == all);
    }
}

TEST_CASE("stream: a gathered write that runs out of time tells how far it came, and goes on from there", "[stream]") {
    session s({.version = any_version()});
    std::string all;
    for (int i = 0; i < 250'000; ++i) all.push_back(static_cast<char>('a' + i % 23));
    const auto pieces_of = [](std::span<const std::byte> from) {
        std::vector<std::span<const std::byte>> pieces;
        for (std::size_t size = 1; !from.empty(); size = size * 3 % 30'011) {
            pieces.push_back(from.first(std::min(size, from.size())));
            from = from.subspan(pieces.back().size());
        }
        return pieces;
    };
    s.net.a().script({.room = 20'000});
    std::size_t done = 0;
    for (int turn = 0; done < all.size(); ++turn) {
        REQUIRE(turn < 100);
        std::error_code ec;
        s.stream.expires_after(1s);
        done += s.stream.write(pieces_of(as_bytes(all).subspan(done)), ec);
        REQUIRE((ec == timed_out || (ec == none && done == all.size())));
        s.net.a().add_room(10'000);
    }
    s.net.a().script({});
    CHECK(s.stream.flush());
    s.work();
    CHECK(s.peer.received() == all);
}

TEST_CASE("stream: write_some takes at most 64 KiB, in as few calls as there are batches", "[stream]") {
    session s({.version = any_version()});
    const auto calls = s.net.a().calls().writes;
    const std::string text(200'000, 'x');
    CHECK(s.stream.write_some(text) == 65536);
    CHECK(s.net.a().calls().writes - calls == 1);
    CHECK(s.stream.write(text) == text.size());
    s.work();
    CHECK(s.peer.received().size() == 265'536);
}

// --- making one ---

TEST_CASE("stream: create tells why there is none, and the constructor throws it", "[stream]") {
    tests::memory_network net;
    std::error_code ec;
    const auto check = [&](const tls::client_context& context, std::string_view name, std::error_code expected) {
        tests::memory_network fresh;
        const auto made = memory_stream::create(fresh.a().socket(), context, name, ec);
        CHECK_FALSE(made);
        CHECK(ec == expected);
        CHECK(fresh.a().wire_text() == "destroyed");
        CHECK(tests::queue_is_empty());
        tests::memory_network other;
        const auto e = thrown_by([&] { memory_stream(other.a().socket(), context, name); });
        REQUIRE(e);
        CHECK(e->code() == expected);
    };
    const auto& client = tests::client_of(tls::protocol_version::tls1_3);
    check(client, "", tls::errc::server_name_required);
    check(client, "no such name!", tls::errc::invalid_server_name);
    check(client, std::string_view("local\0host", 10), tls::errc::invalid_server_name);
    auto moved_from = client;
    const auto taken = std::move(moved_from);
    check(moved_from, "localhost", tls::errc::not_open);

    tests::memory_network fresh;
    auto server = tests::server_of(tls::protocol_version::tls1_3);
    const auto good = memory_stream::create(fresh.a().socket(), server, ec);
    CHECK(good);
    CHECK(ec == none);
    CHECK(fresh.a().calls().io == 0);
    const auto other_server = std::move(server);
    CHECK_FALSE(memory_stream::create(net.a().socket(), server, ec));
    CHECK(ec == tls::errc::not_open);
    CHECK_THROWS_AS(memory_stream(net.b().socket(), server), tls::error);
}

TEST_CASE("F70 stream: an empty one refuses by name", "[stream]") {
    session s;
    std::optional<memory_stream> somewhere;
    const int which = GENERATE(0, 1);
    if (which == 0) somewhere.emplace(std::move(s.stream));
    memory_stream never_made;
    memory_stream& e = which == 0 ? s.stream : never_made;

    const auto refuses = [](auto call) {
        std::error_code ec;
        call(ec);
        return ec == tls::errc::not_open && tests::queue_is_empty();
    };
    std::array<char, 4> into{};
    const std::array<std::span<const std::byte>, 1> pieces{as_bytes("text")};
    CHECK_FALSE(e);
    CHECK(refuses([&](auto& ec) { e.handshake(ec); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.read_some(into, ec) == 0); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.read(into, ec) == 0); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.write_some("text", ec) == 0); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.write("text", ec) == 0); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.write(pieces, ec) == 0); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.shutdown(shutdown_mode::read, ec) == shutdown_result{}); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.shutdown(shutdown_mode::write, ec) == shutdown_result{}); }));
    CHECK(refuses([&](auto& ec) { CHECK(e.shutdown(shutdown_mode::both, ec) == shutdown_result{}); }));
    CHECK(refuses([&](auto& ec) { CHECK_FALSE(e.flush(ec)); }));
    CHECK(refuses([&](auto& ec) { CHECK_FALSE(std::move(e).release(ec)); }));
    CHECK(refuses([&](auto& ec) { e.wait_either(tls::never, ec); }));
    CHECK_THROWS_AS(e.handshake(), tls::error);
    CHECK_THROWS_AS(e.read_some(into), tls::error);
    CHECK_THROWS_AS(e.write("text"), tls::error);
    CHECK_THROWS_AS(e.shutdown(shutdown_mode::both), tls::error);
    CHECK_THROWS_AS(e.flush(), tls::error);
    CHECK_THROWS_AS(std::move(e).release(), tls::error);

    CHECK(e.close() == shutdown_result{});
    e.abort();
    e.expires_after(1s);
    e.expires_at(tls::never);
    e.expires_never();
    e.read_expires_at(tls::never);
    e.write_expires_at(tls::never);
    CHECK(e.now() == memory_stream::time_point());
    CHECK(e.wants() == want::nothing);
    CHECK(e.pending_output() == 0);
    CHECK_FALSE(e.input_buffered());
    CHECK(e.read_end() == stream_end::open);
    CHECK(e.version() == std::nullopt);
    CHECK(e.cipher() == std::nullopt);
    CHECK(e.shared_ciphers().empty());
    CHECK(e.compression() == std::nullopt);
    CHECK(e.alpn().empty());
    CHECK(e.group().empty());
    CHECK(e.server_name().empty());
    CHECK_FALSE(e.peer_certificate());
    CHECK(e.peer_chain().empty());
    CHECK(e.native_handle() == nullptr);
    memory_stream again(std::move(e));
    e = std::move(again);
    CHECK_FALSE(e);
}

TEST_CASE("stream: moving does no I/O and carries everything along", "[stream]") {
    session s({.version = any_version(), .non_blocking = true});
    std::error_code ec;
    s.net.a().script({.room = 5});
    CHECK(s.stream.write("pending", ec) == 7);
    s.peer.send("arrived, not read");
    s.work();
    std::array<char, 7> into{};
    CHECK(s.stream.read_some(into) == 7);
    const auto calls = s.net.a().calls().io;
    const auto pending = s.stream.pending_output();
    memory_stream moved(std::move(s.stream));
    CHECK(moved.pending_output() == pending);
    CHECK(moved.input_buffered());
    memory_stream assigned;
    assigned = std::move(moved);
    CHECK(s.net.a().calls().io == calls);
    s.net.a().script({});
    CHECK(assigned.flush());
    CHECK(assigned.read(std::span(into).first(7)) == 7);
    CHECK(std::string(into.data(), 7) == ", not r");
    s.work();
    CHECK(s.peer.received() == "pending");
}

TEST_CASE("stream: over a reference the socket is used and left alone", "[stream]") {
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(tls::protocol_version::tls1_3));
    net.a().pump([&] { peer.pump(); });
    tests::memory_socket socket = net.a().socket();
    {
        tls::stream<tests::memory_socket&> stream(socket, tests::client_of(tls::protocol_version::tls1_3), "localhost");
        stream.write("hello");
        static_assert(std::is_same_v<decltype(stream.next_layer()), tests::memory_socket&>);
        CHECK(&stream.next_layer() == &socket);
        auto moved = std::move(stream);
        moved.write(" again");
        CHECK(&moved.next_layer() == &socket);
    }
    CHECK_FALSE(net.a().closed());
    peer.pump();
    CHECK(peer.account() == "handshake, data 11");
    CHECK(net.a().wire_text().find("alert") == std::string::npos);
    std::error_code ec;
    CHECK(socket.write_some(as_bytes("x"), ec) == 1);

    SECTION("release gives the reference back, close closes it") {
        tests::memory_network other;
        tests::raw_peer server(other.b(), tls::role::server,
                               tests::peer_of(tls::protocol_version::tls1_3, reaction::close_notify));
        other.a().pump([&] { server.pump(); });
        auto under = other.a().socket();
        tls::stream<tests::memory_socket&> stream(under, tests::client_of(tls::protocol_version::tls1_3), "localhost");
        stream.handshake();
        REQUIRE(stream.shutdown(shutdown_mode::both, {.keep_transport_open = true}).clean());
        auto parts = std::move(stream).release();
        static_assert(std::is_same_v<decltype(parts.socket), tests::memory_socket&>);
        CHECK(&parts.socket == &under);
        CHECK_FALSE(other.a().closed());
    }
}

// --- the handshake ---

TEST_CASE("stream: the first read or write runs the handshake; twice is harmless", "[stream]") {
    session s({.version = any_version(), .handshake = false});
    CHECK(s.stream.version() == std::nullopt);
    CHECK(s.stream.peer_certificate() == std::nullopt);
    CHECK(s.stream.server_name().empty());
    SECTION("by a write") { CHECK(s.stream.write("hello") == 5); }
    SECTION("by a read") {
        s.peer.send("hello");
        std::array<char, 5> into{};
        CHECK(s.stream.read(into) == 5);
    }
    SECTION("by a gathered write") {
        const std::array<std::span<const std::byte>, 1> pieces{as_bytes("text")};
        CHECK(s.stream.write(pieces) == 4);
    }
    SECTION("by itself") { s.stream.handshake(); }
    const auto calls = s.net.a().calls().io;
    s.stream.handshake();
    CHECK(s.net.a().calls().io == calls);
    CHECK(s.stream.version().has_value());
    CHECK(s.stream.server_name() == "localhost");
    REQUIRE(s.stream.peer_certificate());
    CHECK(s.stream.peer_certificate()->dns_names() == std::vector<std::string>{"localhost", "example.test"});
    CHECK(s.stream.peer_chain().size() == 1);
    CHECK(s.stream.cipher()->bits >= 128);
    CHECK_FALSE(s.stream.shared_ciphers().empty());
    CHECK_FALSE(s.stream.group().empty());
    CHECK(s.stream.compression() == std::nullopt);
    CHECK(s.stream.alpn().empty());
    s.peer.pump();
    CHECK(s.peer.handshake_complete());
}

TEST_CASE("stream: the first read's deadline bounds the handshake too", "[stream]") {
    session s({.handshake = false});
    s.net.a().pump({});
    const auto begin = s.net.now();
    std::error_code ec;
    std::array<char, 5> into{};
    s.stream.expires_after(3s);
    CHECK(s.stream.read_some(into, ec) == 0);
    CHECK(ec == timed_out);
    CHECK(s.net.now() - begin == 3s);
    CHECK(s.stream.write("text", ec) == 0);
    CHECK(ec == timed_out);
    // Nothing is lost: it goes on with a later deadline.
    s.net.a().pump([&] { s.work(); });
    s.stream.expires_never();
    CHECK(s.stream.write("text", ec) == 4);
    CHECK(ec == none);
}

TEST_CASE("F24 stream: a handshake that drips ends by its absolute deadline", "[stream]") {
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(tls::protocol_version::tls1_3));
    memory_stream stream(net.a().socket(), tests::client_of(tls::protocol_version::tls1_3), "localhost");
    net.b().script({.room = 0});
    std::function<void()> drip = [&] {
        net.b().add_room(1);
        peer.pump();
        net.clock().call_after(1s, drip);
    };
    drip();
    const auto begin = net.now();
    std::error_code ec;
    stream.expires_after(20s);
    stream.handshake(ec);
    CHECK(ec == timed_out);
    CHECK(net.now() - begin == 20s);
    CHECK(net.a().bytes_received() >= 19);
}

TEST_CASE("stream: a handshake that failed says the same again, and its details", "[stream]") {
    const auto version = any_version();
    const auto impostor = tests::make_leaf({"localhost"});
    auto options = tests::peer_of(version);
    options.certificate = impostor.certificate.get();
    options.key = impostor.key.get();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, options);
    net.a().pump([&] { peer.pump(); });
    memory_stream stream(net.a().socket(), tests::client_of(version), "localhost");
    const auto first = thrown_by([&] { stream.handshake(); });
    REQUIRE(first);
    CHECK(first->code().category() == tls::verify_category());
    CHECK(first->details().find("CERTIFICATE_VERIFY_FAILED") != std::string::npos);
    CHECK(std::string(first->what()).find("TLS handshake") != std::string::npos);
    const auto sent = net.a().bytes_sent();
    std::error_code ec;
    stream.handshake(ec);
    CHECK(ec == first->code());
    CHECK(stream.write("text", ec) == 0);
    CHECK(ec == first->code());
    std::array<char, 4> into{};
    CHECK(stream.read_some(into, ec) == 0);
    CHECK(ec == first->code());
    CHECK(stream.read_end() == stream_end::failed);
    CHECK(net.a().bytes_sent() == sent);
    CHECK(stream.version() == std::nullopt);
    CHECK(stream.peer_certificate() == std::nullopt);
    peer.pump();
    CHECK(peer.alerts() == std::vector<int>{SSL_AD_UNKNOWN_CA});
}

TEST_CASE("stream: the end of the transport in the handshake is handshake_truncated", "[stream]") {
    session s({.version = any_version(), .handshake = false});
    std::error_code ec;
    s.peer.fin();
    s.net.a().pump([&] { s.net.a().script({.input_ends_at = 0}), s.peer.pump(); });
    std::array<char, 4> into{};
    CHECK(s.stream.read_some(into, ec) == 0);
    CHECK(ec == tls::errc::handshake_truncated);
    CHECK(s.stream.read_end() == stream_end::truncated);
    CHECK(s.stream.write("text", ec) == 0);
    CHECK(ec == tls::errc::handshake_truncated);
}

TEST_CASE("stream: the peer's alert in the handshake is told by its number, with details", "[stream]") {
    session s({.version = any_version(), .handshake = false});
    s.peer.raw(std::string("\x15\x03\x03\x00\x02\x02\x28", 7));  // handshake_failure
    s.work();
    const auto e = thrown_by([&] { s.stream.write("text"); });
    REQUIRE(e);
    CHECK(e->code() == std::error_code(SSL_AD_HANDSHAKE_FAILURE, tls::alert_category()));
    CHECK_FALSE(e->details().empty());
    CHECK(e->bytes_transferred() == 0);
    CHECK(tests::queue_is_empty());
}

// --- deadlines ---

TEST_CASE("stream: expires_* saturate and bound every wait", "[stream]") {
    session s;
    const auto begin = s.net.now();
    std::error_code ec;
    std::array<char, 4> into{};
    SECTION("the longest span is never") {
        s.stream.expires_after(std::chrono::nanoseconds::max());
        s.net.clock().call_after(std::chrono::hours(100'000), [&] { s.peer.send("late"), s.peer.pump(); });
        CHECK(s.stream.read_some(into, ec) == 4);
        CHECK(s.net.now() - begin == std::chrono::hours(100'000));
    }
    SECTION("the longest span over a reading that never ends is a wait without end") {
        s.stream.expires_after(std::chrono::nanoseconds::max());
        CHECK_THROWS_AS(s.stream.read_some(into, ec), tests::deadlock);
    }
    SECTION("the shortest span has passed") {
        s.stream.expires_after(std::chrono::nanoseconds::min());
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == timed_out);
        CHECK(s.net.now() == begin);
    }
    SECTION("a deadline that has passed still lets a call do what needs no waiting") {
        s.peer.send("here");
        s.work();
        s.stream.expires_at(begin - 1h);
        CHECK(s.stream.read_some(into, ec) == 4);
        CHECK(ec == none);
        CHECK(s.stream.write("text", ec) == 4);
        CHECK(ec == none);
    }
    SECTION("expires_never takes it back") {
        s.stream.expires_after(1s);
        s.stream.expires_never();
        s.net.clock().call_after(5s, [&] { s.peer.send("late"), s.peer.pump(); });
        CHECK(s.stream.read_some(into, ec) == 4);
    }
    SECTION("the two directions by themselves") {
        s.stream.read_expires_at(begin + 2s);
        s.stream.write_expires_at(begin + 4s);
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == timed_out);
        CHECK(s.net.now() - begin == 2s);
        s.net.a().script({.room = 1});
        CHECK(s.stream.write("text", ec) == 4);  // accepted, and not out
        CHECK(ec == timed_out);
        CHECK(s.net.now() - begin == 4s);
    }
}

TEST_CASE("stream: an expired write tells what it accepted; nothing is lost and nothing is sent twice", "[stream]") {
    session s({.version = any_version()});
    std::error_code ec;
    s.net.a().script({.room = 20'000});
    const std::string text(150'000, 't');
    s.stream.expires_after(1s);
    SECTION("with an error code") {
        const std::size_t done = s.stream.write(text, ec);
        CHECK(ec == timed_out);
        CHECK(done == 65536);
        CHECK(s.stream.write("more", ec) == 0);
        CHECK(ec == timed_out);
    }
    SECTION("thrown") {
        const auto e = thrown_by([&] { s.stream.write(text); });
        REQUIRE(e);
        CHECK(e->code() == timed_out);
        CHECK(e->bytes_transferred() == 65536);
    }
    CHECK(s.stream.pending_output() > 40'000);
    s.net.a().script({});
    s.stream.expires_never();
    CHECK(s.stream.write(std::string_view(text).substr(65536), ec) == text.size() - 65536);
    s.work();
    CHECK(s.peer.received() == text);
}

TEST_CASE("stream: now() and wait_either() are the socket's", "[stream]") {
    session s;
    CHECK(s.stream.now() == s.net.now());
    std::error_code ec;
    s.net.a().script({.room = 0});
    s.stream.wait_either(s.net.now() + 1s, ec);
    CHECK(ec == timed_out);
    s.peer.send("0123456789");
    s.work();
    std::array<char, 4> into{};
    REQUIRE(s.stream.read_some(into) == 4);
    s.stream.wait_either(s.net.now() + 1s, ec);  // what is decrypted can be read, though the socket has nothing
    CHECK(ec == none);
}

// --- sockets that do not block ---

TEST_CASE("stream: would-block, wants(), flush() and pending_output()", "[stream]") {
    session s({.version = any_version(), .non_blocking = true});
    std::error_code ec;
    std::array<char, 100> into{};
    CHECK(s.stream.wants() == want::nothing);
    CHECK(s.stream.pending_output() == 0);
    CHECK(s.stream.flush());

    CHECK(s.stream.read_some(into, ec) == 0);
    CHECK(ec == would_block);
    CHECK(s.stream.wants() == want::input);
    CHECK_FALSE(s.stream.input_buffered());

    s.net.a().script({.room = 10});
    CHECK(s.stream.write("0123456789", ec) == 10);
    CHECK(ec == none);
    CHECK(s.stream.wants() == want::output);
    const auto pending = s.stream.pending_output();
    CHECK(s.net.a().bytes_sent() == s.since + 10);
    CHECK(pending > 10);

    // Not before that is out; and not a byte of it is taken.
    CHECK(s.stream.write("abc", ec) == 0);
    CHECK(ec == would_block);
    CHECK(s.stream.wants() == want::output);
    CHECK_FALSE(s.stream.flush(ec));
    CHECK(ec == none);
    CHECK(s.stream.wants() == want::output);

    // Reading goes on meanwhile, and sends what it can.
    s.peer.send("answer");
    s.work();
    s.net.a().add_room(1);
    CHECK(s.stream.read_some(into, ec) == 6);
    CHECK(ec == none);
    CHECK(s.stream.pending_output() == pending - 1);
    CHECK(s.stream.read_some(into, ec) == 0);
    CHECK(ec == would_block);

    s.net.a().add_room(1000);
    CHECK(s.stream.flush());
    CHECK(s.stream.pending_output() == 0);
    CHECK(s.stream.wants() == want::nothing);
    CHECK(s.stream.write("abc", ec) == 3);
    s.work();
    CHECK(s.peer.received() == "0123456789abc");
    CHECK(tests::queue_is_empty());

    const auto e = thrown_by([&] { s.stream.read_some(into); });
    REQUIRE(e);
    CHECK(e->code() == would_block);
}

TEST_CASE("stream: the handshake by repeated calls, at every byte of room", "[stream]") {
    const auto version = any_version();
    session s({.version = version, .non_blocking = true, .handshake = false});
    s.net.a().script({.write_chunk = 1, .room = 0});
    std::error_code ec;
    int turns = 0;
    for (s.stream.handshake(ec); ec == would_block; s.stream.handshake(ec)) {
        REQUIRE(++turns < 5000);
        REQUIRE(s.stream.wants() != want::nothing);
        if (s.stream.wants() == want::output) s.net.a().add_room(1);
        s.work();
    }
    CHECK(ec == none);
    CHECK(s.stream.version() == version);
    CHECK(s.stream.pending_output() == 0);
    CHECK(s.stream.wants() == want::nothing);
}

TEST_CASE("F48 stream: a call that is repeated may come with other memory", "[stream]") {
    session s({.version = any_version(), .non_blocking = true});
    std::error_code ec;
    s.net.a().script({.room = 3});
    auto first = std::make_unique<std::string>("first");
    CHECK(s.stream.write(*first, ec) == 5);
    first.reset();
    auto second = std::make_unique<std::string>("second");
    CHECK(s.stream.write(*second, ec) == 0);
    second = std::make_unique<std::string>("another");
    s.net.a().script({});
    CHECK(s.stream.write(*second, ec) == 7);
    s.work();
    CHECK(s.peer.received() == "firstanother");
}

TEST_CASE("stream: a blocking write returns when the ciphertext is with the socket, a blocking read sends what is pending",
          "[stream]") {
    session s({.version = any_version()});
    std::error_code ec;
    s.net.a().script({.room = 10});
    s.net.clock().call_after(3s, [&] { s.net.a().add_room(1000); });
    const auto begin = s.net.now();
    CHECK(s.stream.write("hello", ec) == 5);
    CHECK(ec == none);
    CHECK(s.net.now() - begin == 3s);
    CHECK(s.stream.pending_output() == 0);

    // Pending from a write that ran out of time: the peer answers only when it has it.
    s.net.a().script({.room = 10});
    s.stream.expires_at(s.net.now());
    CHECK(s.stream.write("question", ec) == 8);
    CHECK(ec == timed_out);
    s.stream.expires_never();
    s.net.a().pump([&] {
        s.work();
        if (s.peer.received() == "helloquestion" && s.peer.idle()) s.peer.send("answer");
        s.work();
    });
    s.net.clock().call_after(1s, [&] { s.net.a().add_room(1000); });
    std::array<char, 6> into{};
    CHECK(s.stream.read(into, ec) == 6);
    CHECK(std::string(into.data(), 6) == "answer");
    CHECK(s.peer.received() == "helloquestion");
}

// --- failures ---

TEST_CASE("stream: a transport that fails keeps its own code, and writes say so ever after", "[stream]") {
    session s({.version = any_version()});
    std::error_code ec;
    const std::error_code broken{static_cast<int>(std::errc::io_error), std::system_category()};
    SECTION("writing") {
        s.net.a().script(tests::at_call(tests::call_kind::write, s.net.a().calls().writes + 1, tests::outcome::error(broken)));
        const auto e = thrown_by([&] { s.stream.write(std::string(100'000, 'x')); });
        REQUIRE(e);
        CHECK(e->code() == broken);
        CHECK(e->bytes_transferred() == 65536);
        CHECK(s.stream.write("text", ec) == 0);
        CHECK(ec == broken);
    }
    SECTION("reading") {
        s.net.a().script(tests::at_call(tests::call_kind::read, s.net.a().calls().reads, tests::outcome::error(broken)));
        std::array<char, 4> into{};
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == broken);
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == broken);
        CHECK(s.stream.read_end() == stream_end::failed);
        CHECK(s.stream.write("text", ec) == 0);
        CHECK(ec == broken);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("stream: the peer's alert, thrown, has its details; a record that is broken too", "[stream]") {
    session s({.version = any_version()});
    std::array<char, 4> into{};
    s.peer.send("data");
    SECTION("alert") {
        s.peer.fatal_alert(SSL_AD_ACCESS_DENIED);
        CHECK(s.stream.read(into) == 4);
        const auto e = thrown_by([&] { s.stream.read(into); });
        REQUIRE(e);
        CHECK(e->code() == std::error_code(SSL_AD_ACCESS_DENIED, tls::alert_category()));
        CHECK(e->details().find("ACCESS_DENIED") != std::string::npos);
    }
    SECTION("a record that does not decrypt") {
        s.net.a().script({.flips = {{.offset = s.net.a().bytes_received() + 10}}});
        const auto e = thrown_by([&] { s.stream.read(into); });
        REQUIRE(e);
        CHECK(e->code().category() == tls::ssl_category());
        CHECK_FALSE(e->details().empty());
    }
    CHECK(s.stream.read_end() == stream_end::failed);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F68 stream: stale entries on the error queue mean nothing, and none are left", "[stream]") {
    session s({.version = any_version(), .non_blocking = true, .handshake = false});
    std::error_code ec;
    const auto check = [&](auto call) {
        tests::with_stale_errors([&] { call(); });
        CHECK(tests::queue_is_empty());
    };
    do {
        check([&] { s.stream.handshake(ec); });
        s.work();
    } while (ec == would_block);
    CHECK(ec == none);
    std::array<char, 4> into{};
    check([&] { s.stream.read_some(into, ec); });
    CHECK(ec == would_block);
    check([&] { s.stream.write("text", ec); });
    CHECK(ec == none);
    check([&] { s.stream.write(std::array{as_bytes("text")}, ec); });
    CHECK(ec == none);
    s.peer.send("data");
    s.work();
    check([&] { CHECK(s.stream.read_some(into, ec) == 4); });
    check([&] { CHECK(s.stream.flush(ec)); });
    check([&] { CHECK(s.stream.shutdown(shutdown_mode::write, ec).close_notify_sent); });
    CHECK(ec == none);
    check([&] { (void)s.stream.shutdown(shutdown_mode::both, ec); });
    CHECK(ec == would_block);
    s.peer.close_notify();
    s.work();
    check([&] { CHECK(s.stream.shutdown(shutdown_mode::both, ec).clean()); });
    check([&] { CHECK(s.stream.close(ec).clean()); });
    CHECK(ec == none);
}

TEST_CASE("stream: release() refuses until close_notify went both ways, and on what is closed", "[stream]") {
    session s({.on_close_notify = reaction::close_notify});
    std::error_code ec;
    CHECK_FALSE(std::move(s.stream).release(ec));
    CHECK(ec == tls::errc::not_closed);
    CHECK(s.stream);
    CHECK(s.stream.close().clean());
    CHECK_FALSE(std::move(s.stream).release(ec));
    CHECK(ec == tls::errc::not_open);
}

TEST_CASE("stream: a socket that is released has no deadline of the stream's left", "[stream]") {
    session s({.on_close_notify = reaction::close_notify});
    s.stream.expires_after(1s);
    REQUIRE(s.stream.shutdown(shutdown_mode::both, {.keep_transport_open = true}).clean());
    auto parts = std::move(s.stream).release();
    s.net.clock().call_after(5s, [&] { s.peer.raw("plain"), s.peer.pump(); });
    std::array<std::byte, 5> into{};
    std::error_code ec;
    CHECK(parts.socket.read_some(std::span<std::byte>(into), ec) == 5);
    CHECK(ec == none);
}

// --- TLS in TLS ---

namespace {

using inner_stream = tls::stream<memory_stream>;

// The far end of a connection with TLS in TLS, which never waits.
struct nested_server {
    explicit nested_server(tests::memory_end end, tls::protocol_version version)
        : stream(memory_stream(end.socket(), tests::server_of(version)), tests::server_of(version)) {
        stream.next_layer().next_layer().non_blocking(true);
    }

    void pump() {
        std::error_code ec;
        std::array<char, 1000> into{};
        if (closed) return;
        if (!ended) {
            std::size_t n = 0;
            while ((n = stream.read_some(into, ec)) != 0) received.append(into.data(), n);
            ended = ec != would_block;
            end_error = ended ? ec : none;
        }
        if (!answer.empty() && stream.version()) stream.write(std::exchange(answer, {}), ec);
        if ((ended && closes) || closes_first) {
            result = stream.close(ec);
            closed = ec != would_block;
            close_error = closed ? ec : none;
        } else {
            (void)stream.flush(ec);
        }
    }

    inner_stream stream;
    std::string received{};
    std::string answer{};
    bool ended = false;
    bool closed = false;
    bool closes = true;
    bool closes_first = false;
    std::error_code end_error{};
    std::error_code close_error{};
    shutdown_result result{};
};

}  // namespace

TEST_CASE("F69 TLS in TLS: data, and both orders of closing", "[stream]") {
    const auto version = any_version();
    tests::memory_network net;
    nested_server server(net.b(), version);
    net.a().pump([&] { server.pump(); });
    inner_stream client(memory_stream(net.a().socket(), tests::client_of(version), "localhost"), tests::client_of(version),
                        "localhost");
    std::error_code ec;
    client.handshake();
    CHECK(client.version() == version);
    CHECK(client.next_layer().version() == version);
    const std::string text(50'000, 'n');
    client.write(text);
    server.pump();
    CHECK(server.received == text);
    server.answer = "answer";
    std::array<char, 6> into{};
    CHECK(client.read(into) == 6);

    SECTION("the client first") {
        const auto result = client.close(ec);
        CHECK(ec == none);
        CHECK(result.clean());
        server.pump();
    }
    SECTION("the server first") {
        server.closes_first = true;
        CHECK(client.read_some(into, ec) == 0);
        CHECK(ec == none);
        CHECK(client.read_end() == stream_end::close_notify);
        CHECK(client.close(ec).clean());
        CHECK(ec == none);
        server.pump();
    }
    CHECK(server.ended);
    CHECK(server.end_error == none);
    CHECK(server.closed);
    CHECK(server.close_error == none);
    CHECK(server.result.clean());
    CHECK(client.next_layer().read_end() == stream_end::close_notify);
    CHECK(net.a().wire_text().ends_with("alert, FIN, close"));
    CHECK(net.b().wire_text().ends_with("alert, FIN, close"));
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F69 TLS in TLS: the outer stream closed under the inner one shows as truncation inside", "[stream]") {
    tests::memory_network net;
    nested_server server(net.b(), tls::protocol_version::tls1_3);
    net.a().pump([&] { server.pump(); });
    inner_stream client(memory_stream(net.a().socket(), tests::client_of(tls::protocol_version::tls1_3), "localhost"),
                        tests::client_of(tls::protocol_version::tls1_3), "localhost");
    client.write("said");
    client.next_layer().shutdown(shutdown_mode::write);
    server.pump();
    CHECK(server.received == "said");
    CHECK(server.end_error == tls::errc::truncated);
    CHECK(server.stream.read_end() == stream_end::truncated);
    CHECK(server.stream.next_layer().read_end() == stream_end::close_notify);
    // The inner stream has lost its transport for writing.
    std::error_code ec;
    CHECK(client.write("more", ec) == 0);
    CHECK(ec);
}

TEST_CASE("F69 TLS in TLS: limits pass inward, and abort() reaches the bottom", "[stream]") {
    tests::memory_network net;
    nested_server server(net.b(), tls::protocol_version::tls1_3);
    server.closes = false;
    net.a().pump([&] { server.pump(); });
    inner_stream client(memory_stream(net.a().socket(), tests::client_of(tls::protocol_version::tls1_3), "localhost"),
                        tests::client_of(tls::protocol_version::tls1_3), "localhost");
    client.handshake();
    const auto begin = net.now();
    std::error_code ec;
    SECTION("reading") {
        std::array<char, 6> into{};
        client.expires_after(2s);
        CHECK(client.read_some(into, ec) == 0);
        CHECK(ec == timed_out);
        CHECK(net.now() - begin == 2s);
    }
    SECTION("closing") {
        const auto result = client.close({.timeout = 3s}, ec);
        CHECK(result.close_notify_sent);
        CHECK(result.timed_out);
        CHECK(ec == none);
        CHECK(net.now() - begin == 3s);
        CHECK(net.a().wire_text().ends_with("alert, FIN, close"));
        CHECK(server.ended);
        CHECK(server.end_error == none);
    }
    SECTION("abort") {
        client.abort();
        CHECK(net.now() == begin);
        CHECK(net.a().wire_text().find("alert") == std::string::npos);
    }
    if (!net.a().closed()) client.abort();
    CHECK(net.a().closed());
}
