// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Faults of the program that uses the library: its memory, its objects, and what it left on BoringSSL's error queue.

#include <tls/engine.hpp>
#include <tls/stream.hpp>

#include <support/engines.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::carry;
using tests::reaction;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using session = tests::session<>;
using memory_stream = session::stream_type;

const std::error_code none;
const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }
tls::role any_role() { return GENERATE(tls::role::client, tls::role::server); }

// More bytes than an int can count, without memory behind them until they are touched.
class huge_range {
public:
    huge_range() : memory_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
        if (memory_ == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap");
    }
    ~huge_range() { ::munmap(memory_, size); }
    huge_range(const huge_range&) = delete;
    huge_range& operator=(const huge_range&) = delete;

    [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(memory_), size}; }
    [[nodiscard]] std::string text(std::size_t n) const { return {static_cast<const char*>(memory_), n}; }

private:
    static constexpr std::size_t size = (std::size_t{1} << 31) + 5;
    void* memory_;
};

struct engines {
    tls::engine client;
    tls::engine server;

    explicit engines(tls::protocol_version version)
        : client(tests::client_of(version), "localhost"), server(tests::server_of(version)) {}

    void exchange() {
        carry(client, server);
        carry(server, client);
    }
    void handshake() {
        for (int i = 0; i < 10; ++i) {
            REQUIRE_FALSE(client.handshake().error);
            REQUIRE_FALSE(server.handshake().error);
            exchange();
        }
        REQUIRE(client.version());
        REQUIRE(server.version());
    }
};

// Makes each read and write from call `first` on fail with would-block.
tests::faults blocked_from(std::size_t first) {
    tests::faults script;
    for (std::size_t i = first; i < first + 100; ++i)
        script.calls.push_back({tests::call_kind::io, i, tests::outcome::would_block()});
    return script;
}

// A whole session of a stream that does not block, by steps of one call each. `before` runs ahead of each call, and may replace the
// stream. Gives what the stream read; stops when `before` says false.
template <class Stream>
std::string whole_session(std::optional<Stream>& stream, tests::raw_peer& peer, const std::function<bool()>& before,
                          shutdown_result& result) {
    const std::string text(3000, 'w');
    std::string got;
    std::array<char, 700> into;
    bool ended = false;
    bool closed = false;
    bool broken = false;
    const auto repeat = [&](auto&& call) {
        for (int i = 0; i < 200 && !broken; ++i) {
            if (!before()) {
                broken = true;
                return;
            }
            std::error_code ec;
            call(ec);
            peer.pump();
            if (ec != would_block) {
                REQUIRE(ec == none);
                return;
            }
        }
    };
    repeat([&](std::error_code& ec) { stream->handshake(ec); });
    for (int i = 0; i < 3; ++i) {
        std::size_t done = 0;
        while (done < text.size() && !broken) {
            repeat([&](std::error_code& ec) { done += stream->write_some(text.substr(done), ec); });
        }
    }
    bool sent = false;
    while (!sent && !broken) repeat([&](std::error_code& ec) { sent = stream->flush(ec); });
    while (!ended && !broken) {
        repeat([&](std::error_code& ec) {
            const std::size_t n = stream->read_some(into, ec);
            got.append(into.data(), n);
            ended = n == 0 && !ec;
        });
    }
    while (!closed && !broken) {
        repeat([&](std::error_code& ec) {
            result = stream->close(ec);
            closed = !ec;
        });
    }
    return got;
}

void say_all(tests::raw_peer& peer) {
    peer.send(std::string(2000, 'p'));
    peer.send("the end");
    peer.close_notify();
    peer.fin();
}

}  // namespace

// --- sizes ---

TEST_CASE("F47 reading into and writing from nothing does nothing, in every state") {
    const auto role = any_role();
    session s({.role = role, .handshake = false});
    const auto check = [&](tests::memory_end end) {
        const auto calls = end.calls();
        std::error_code ec = would_block;
        CHECK(s.stream.read_some(std::span<std::byte>(), ec) == 0);
        CHECK(ec == none);
        CHECK(s.stream.read(std::span<char>(), ec) == 0);
        CHECK(ec == none);
        CHECK(s.stream.write_some("", ec) == 0);
        CHECK(ec == none);
        CHECK(s.stream.write(std::string(), ec) == 0);
        CHECK(ec == none);
        const std::array<std::span<const std::byte>, 2> pieces{};
        CHECK(s.stream.write(pieces, ec) == 0);
        CHECK(ec == none);
        CHECK(s.stream.write(std::span(pieces).first(0), ec) == 0);
        CHECK(ec == none);
        CHECK(end.calls().io == calls.io);
        CHECK(tests::queue_is_empty());
    };
    check(s.net.a());
    CHECK_FALSE(s.stream.version());
    std::error_code ec;
    s.stream.handshake(ec);
    REQUIRE(ec == none);
    check(s.net.a());
    s.peer.close_notify();
    CHECK(s.read_all(ec).empty());
    check(s.net.a());
    s.stream.shutdown(shutdown_mode::write);
    check(s.net.a());
}

TEST_CASE("F47 ranges above what an int counts") {
    const huge_range huge;
    const auto version = any_version();
    std::error_code ec;
    SECTION("read_some") {
        session s({.version = version});
        s.peer.send("a few bytes");
        CHECK(s.stream.read_some(huge.bytes(), ec) == 11);
        CHECK(ec == none);
        CHECK(huge.text(11) == "a few bytes");
    }
    SECTION("read") {
        session s({.version = version});
        s.peer.send(std::string(40'000, 'r'));
        s.peer.send("end");
        s.peer.close_notify();
        CHECK(s.stream.read(huge.bytes(), ec) == 40'003);
        CHECK(ec == none);
        CHECK(huge.text(40'003) == std::string(40'000, 'r') + "end");
    }
    SECTION("write_some and write: taken in parts, in order") {
        session s({.version = version, .non_blocking = true});
        s.net.a().script({.room = 100'000});
        huge.bytes()[0] = std::byte{'f'};
        std::size_t done = s.stream.write_some(huge.bytes(), ec);
        CHECK(ec == none);
        CHECK(done > 0);
        CHECK(done <= 65'536);
        done += s.stream.write(huge.bytes().subspan(done), ec);
        CHECK(ec == would_block);
        CHECK(done >= 99'000);
        CHECK(done <= 100'000 + 2 * 65'536);
        s.net.a().add_room(1'000'000);
        CHECK(s.stream.flush(ec));
        s.work();
        CHECK(s.peer.received() == "f" + std::string(done - 1, '\0'));
    }
    SECTION("gathered") {
        session s({.version = version, .non_blocking = true});
        s.net.a().script({.room = 100'000});
        const std::string first = "first";
        const std::array<std::span<const std::byte>, 3> pieces{std::as_bytes(std::span(first)), huge.bytes(), huge.bytes()};
        const std::size_t done = s.stream.write(pieces, ec);
        CHECK(ec == would_block);
        CHECK(done >= 99'000);
        CHECK(done <= 100'000 + 2 * 65'536);
        s.net.a().add_room(1'000'000);
        CHECK(s.stream.flush(ec));
        s.work();
        CHECK(s.peer.received() == "first" + std::string(done - 5, '\0'));
    }
    SECTION("engine") {
        engines both(version);
        both.handshake();
        const auto written = both.client.write(huge.bytes());
        CHECK(written.error == none);
        CHECK(written.bytes > 0);
        CHECK(written.bytes <= 65'536);
        both.exchange();
        CHECK(both.server.read(huge.bytes()).bytes == 16'384);
    }
    SECTION("limits of a close") {
        session s({.version = version});
        s.peer.send(std::string(40'000, 'r'));
        s.peer.close_notify();
        const auto result = s.stream.close({.drain_limit = std::numeric_limits<std::size_t>::max()}, ec);
        CHECK(ec == none);
        CHECK(result.discarded == 40'000);
        CHECK(result.peer == stream_end::close_notify);
    }
}

TEST_CASE("F37 an engine that was told to end before its handshake was complete can be told again afterwards") {
    engines both(any_version());
    CHECK(both.client.close_notify().error == none);
    CHECK(both.client.output().empty());
    CHECK(both.client.write("refused").error == tls::errc::write_shut_down);
    both.handshake();
    CHECK(both.client.write("refused").error == tls::errc::write_shut_down);
    CHECK(both.client.output().empty());
    CHECK(both.client.close_notify().error == none);
    const auto size = both.client.output().size();
    CHECK(size > 0);
    CHECK(both.client.close_notify().error == none);
    CHECK(both.client.output().size() == size);
    both.exchange();
    std::array<char, 10> into;
    const auto end = both.server.read(into);
    CHECK(end.bytes == 0);
    CHECK(end.error == none);
    CHECK(both.server.read_end() == stream_end::close_notify);
}

// --- the caller's memory ---

TEST_CASE("F48 a call that is repeated may come with other memory, at every byte of room") {
    const auto version = any_version();
    const bool handshake = GENERATE(true, false);
    std::string text;
    for (int i = 0; text.size() < 500; ++i) text += std::to_string(i) + " ";
    for (std::size_t room = 0; room < 700; room += handshake ? 1 : 7) {
        CAPTURE(room);
        session s({.version = version, .non_blocking = true, .handshake = handshake});
        s.net.a().script({.room = room});
        std::error_code ec;
        std::size_t done = 0;
        for (int i = 0; i < 100 && done < text.size(); ++i) {
            // Each time from fresh memory, which is overwritten and freed as soon as the call returns.
            auto copy = std::make_unique<std::vector<char>>(text.begin() + static_cast<std::ptrdiff_t>(done), text.end());
            copy->resize(std::min<std::size_t>(copy->size(), 100));
            done += s.stream.write_some(*copy, ec);
            std::fill(copy->begin(), copy->end(), '#');
            copy.reset();
            s.work();
            s.net.a().add_room(i < 3 ? 1 : 400);
        }
        REQUIRE(done == text.size());
        bool sent = false;
        for (int i = 0; i < 10 && !sent; ++i) {
            sent = s.stream.flush(ec);
            s.net.a().add_room(1000);
        }
        s.work();
        CHECK(s.peer.received() == text);
    }
}

TEST_CASE("F48 a read that is repeated may come with other memory, at every byte that arrives") {
    const auto version = any_version();
    session s({.version = version, .non_blocking = true});
    s.net.a().script({.read_chunk = 1, .before_each_read = would_block});
    s.peer.send(std::string(100, 'a') + std::string(100, 'b'));
    s.work();
    std::string got;
    std::size_t vain = 0;
    while (got.size() < 200 && vain < 1000) {
        auto into = std::make_unique<std::vector<char>>(1 + vain % 50);
        std::error_code ec;
        const std::size_t n = s.stream.read_some(*into, ec);
        got.append(into->data(), n);
        vain += n == 0;
    }
    CHECK(vain >= 200);
    CHECK(got == std::string(100, 'a') + std::string(100, 'b'));
}

TEST_CASE("F49 what was accepted needs the caller's memory no longer") {
    const auto version = any_version();
    const std::size_t size = GENERATE(as<std::size_t>(), 1, 100, 16'384, 16'385, 65'536, 200'000);
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
    std::error_code ec;
    SECTION("stream, with the ciphertext still here") {
        session s({.version = version, .non_blocking = true});
        s.net.a().script({.room = 3});
        auto copy = std::make_unique<std::string>(text);
        const std::size_t done = s.stream.write_some(*copy, ec);
        CHECK(done == std::min<std::size_t>(size, 65'536));
        std::fill(copy->begin(), copy->end(), '#');
        copy.reset();
        s.net.a().add_room(1'000'000);
        CHECK(s.stream.flush(ec));
        s.work();
        CHECK(s.peer.received() == text.substr(0, done));
    }
    SECTION("gathered") {
        session s({.version = version, .non_blocking = true});
        s.net.a().script({.room = 3});
        auto copy = std::make_unique<std::string>(text);
        auto pieces = std::make_unique<std::vector<std::span<const std::byte>>>();
        const auto all = std::as_bytes(std::span(*copy));
        for (std::size_t at = 0; at < size; at += 10'000)
            pieces->push_back(all.subspan(at, std::min<std::size_t>(10'000, size - at)));
        const std::size_t done = s.stream.write(*pieces, ec);
        CHECK(done > 0);
        std::fill(copy->begin(), copy->end(), '#');
        pieces.reset();
        copy.reset();
        s.net.a().add_room(1'000'000);
        CHECK(s.stream.flush(ec));
        s.work();
        CHECK(s.peer.received() == text.substr(0, done));
    }
    SECTION("engine") {
        engines both(version);
        both.handshake();
        auto copy = std::make_unique<std::string>(text);
        const auto step = both.client.write(*copy);
        CHECK(step.error == none);
        CHECK(step.bytes > 0);
        std::fill(copy->begin(), copy->end(), '#');
        copy.reset();
        std::string got;
        std::vector<char> into(20'000);
        both.exchange();
        while (const std::size_t n = both.server.read(into).bytes) got.append(into.data(), n);
        CHECK(got == text.substr(0, step.bytes));
    }
}

// --- BoringSSL's error queue ---

TEST_CASE("F68 stale entries on the error queue change nothing, and no call leaves one") {
    const auto version = any_version();
    const auto role = any_role();
    const auto end = GENERATE(0, 1, 2, 3);  // close_notify, truncation, the peer's alert, our own alert
    const bool non_blocking = GENERATE(false, true);
    session s({.version = version, .role = role, .non_blocking = non_blocking, .handshake = false});
    std::array<char, 5> into{};
    const std::array<std::span<const std::byte>, 2> pieces{std::as_bytes(std::span(into)), std::as_bytes(std::span(into))};
    // Runs a call, again while it would block, each time with entries of others on the queue.
    const auto check = [&](auto&& call) {
        std::error_code ec;
        for (int i = 0; i < 20; ++i) {
            tests::with_stale_errors([&] { call(ec); });
            CHECK(tests::queue_is_empty());
            if (ec != would_block) break;
            s.work();
        }
        return ec;
    };
    CHECK(check([&](std::error_code& ec) { s.stream.handshake(ec); }) == none);
    CHECK(check([&](std::error_code& ec) { s.stream.handshake(ec); }) == none);
    CHECK(check([&](std::error_code& ec) { s.stream.write("some", ec); }) == none);
    CHECK(check([&](std::error_code& ec) { s.stream.write_some("some", ec); }) == none);
    CHECK(check([&](std::error_code& ec) { s.stream.write(pieces, ec); }) == none);
    CHECK(check([&](std::error_code& ec) { s.stream.flush(ec); }) == none);
    s.peer.send("abcdefgh");
    s.work();
    CHECK(check([&](std::error_code& ec) { s.stream.read(into, ec); }) == none);

    // What only looks.
    (void)s.stream.version();
    (void)s.stream.cipher();
    (void)s.stream.shared_ciphers();
    (void)s.stream.alpn();
    (void)s.stream.group();
    (void)s.stream.server_name();
    (void)s.stream.peer_certificate();
    (void)s.stream.peer_chain();
    (void)s.stream.read_end();
    (void)s.stream.input_buffered();
    (void)s.stream.pending_output();
    CHECK(tests::queue_is_empty());

    std::error_code expected;
    if (end == 0) s.peer.close_notify();
    if (end == 1) expected = tls::errc::truncated;
    if (end == 2) {
        s.peer.fatal_alert(SSL_AD_INTERNAL_ERROR);
        expected = {SSL_AD_INTERNAL_ERROR, tls::alert_category()};
    }
    if (end == 3) s.peer.raw(std::string(40, '\x17'));
    s.peer.fin();
    s.work();
    CHECK(check([&](std::error_code& ec) { s.stream.read(std::span(into).first(3), ec); }) == none);
    for (int i = 0; i < 2; ++i) {
        const auto ec = check([&](std::error_code& why) { s.stream.read_some(into, why); });
        if (end == 3) {
            CHECK(ec.category() == tls::ssl_category());
            CHECK(static_cast<std::uint32_t>(ec.value()) != ERR_PACK(ERR_LIB_X509, ERR_R_MALLOC_FAILURE));
        } else {
            CHECK(ec == expected);
        }
    }
    CHECK(check([&](std::error_code& ec) { s.stream.shutdown(shutdown_mode::read, ec); }) == none);
    CHECK(check([&](std::error_code& ec) { s.stream.shutdown(shutdown_mode::write, ec); }) == none);
    CHECK(check([&](std::error_code& ec) { s.stream.shutdown(shutdown_mode::both, ec); }) == none);
    (void)check([&](std::error_code& ec) { s.stream.write("refused", ec); });
    (void)check([&](std::error_code& ec) { (void)std::move(s.stream).release(ec); });
    if (s.stream) CHECK(check([&](std::error_code& ec) { s.stream.close(ec); }) == none);
    (void)check([&](std::error_code& ec) { s.stream.read_some(into, ec); });
}

TEST_CASE("F68 a refused certificate leaves nothing on the error queue") {
    const auto version = any_version();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
    net.a().pump([&] { peer.pump(); });
    memory_stream stream(net.a().socket(), tests::client_of(version), "other.test");
    std::error_code ec;
    tests::with_stale_errors([&] { stream.handshake(ec); });
    CHECK(ec == std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, tls::verify_category()));
    CHECK(tests::queue_is_empty());
    tests::with_stale_errors([&] { stream.close({.timeout = 0ms}, ec); });
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F68 an engine's calls neither believe nor leave what is on the error queue") {
    const auto version = any_version();
    engines both(version);
    std::array<char, 100> into{};
    const auto check = [&](auto&& call) {
        const tls::progress step = tests::with_stale_errors(call);
        CHECK(tests::queue_is_empty());
        return step;
    };
    for (int i = 0; i < 10; ++i) {
        CHECK(check([&] { return both.client.handshake(); }).error == none);
        CHECK(check([&] { return both.server.handshake(); }).error == none);
        both.exchange();
    }
    CHECK(check([&] { return both.server.read(into); }).wants == tls::want::input);
    CHECK(check([&] { return both.client.write("hello"); }).bytes == 5);
    both.exchange();
    CHECK(check([&] { return both.server.read(into); }).bytes == 5);
    CHECK(check([&] { return both.client.close_notify(); }).error == none);
    both.exchange();
    const auto end = check([&] { return both.server.read(into); });
    CHECK(end.bytes == 0);
    CHECK(end.wants == tls::want::nothing);
    CHECK(end.error == none);
    CHECK(both.server.read_end() == stream_end::close_notify);
    std::memset(both.client.input_space().data(), 0x17, 50);
    both.client.input_received(50);
    CHECK(check([&] { return both.client.read(into); }).error.category() == tls::ssl_category());
}

// --- objects that were moved from, moved and destroyed ---

TEST_CASE("F70 every member of a stream that is empty answers, and does nothing") {
    session s;
    const auto why = GENERATE(0, 1, 2, 3);  // moved from, assigned from, default, not created
    std::optional<memory_stream> kept;
    memory_stream stream;
    std::error_code ec;
    if (why == 0) kept.emplace(std::move(s.stream));
    if (why == 1) kept = std::move(s.stream);
    if (why < 2) stream = std::move(s.stream);
    if (why == 3)
        stream = memory_stream::create(tests::memory_socket(), tests::client_of(tests::versions[1]), "not a name!", ec);
    CHECK(bool(ec) == (why == 3));
    const auto calls = s.net.a().calls();
    std::array<char, 10> into{};
    const std::array<std::span<const std::byte>, 1> pieces{std::as_bytes(std::span(into))};
    const auto refused = [&](auto&& call) {
        ec.clear();
        call();
        CHECK(ec == tls::errc::not_open);
        CHECK(tests::queue_is_empty());
    };
    const auto throws = [&](auto&& call) {
        try {
            call();
            FAIL_CHECK("no exception");
        } catch (const tls::error& e) {
            CHECK(e.code() == tls::errc::not_open);
            CHECK(e.bytes_transferred() == 0);
            CHECK(e.shutdown() == shutdown_result{});
        }
    };
    CHECK_FALSE(stream);
    refused([&] { stream.handshake(ec); });
    refused([&] { CHECK(stream.read_some(into, ec) == 0); });
    refused([&] { CHECK(stream.read(into, ec) == 0); });
    refused([&] { CHECK(stream.write_some("text", ec) == 0); });
    refused([&] { CHECK(stream.write("text", ec) == 0); });
    refused([&] { CHECK(stream.write(pieces, ec) == 0); });
    refused([&] { CHECK_FALSE(stream.flush(ec)); });
    refused([&] { stream.wait_either(tls::never, ec); });
    refused([&] { CHECK_FALSE(std::move(stream).release(ec)); });
    for (const auto mode : {shutdown_mode::read, shutdown_mode::write, shutdown_mode::both}) {
        refused([&] { CHECK(stream.shutdown(mode, ec) == shutdown_result{}); });
        refused([&] { CHECK(stream.shutdown(mode, {}, ec) == shutdown_result{}); });
        throws([&] { stream.shutdown(mode); });
    }
    throws([&] { stream.handshake(); });
    throws([&] { stream.read_some(into); });
    throws([&] { stream.read(into); });
    throws([&] { stream.write_some("text"); });
    throws([&] { stream.write("text"); });
    throws([&] { stream.write(pieces); });
    throws([&] { stream.flush(); });
    throws([&] { (void)std::move(stream).release(); });
    // Letting go of nothing is harmless.
    CHECK(stream.close(ec) == shutdown_result{});
    CHECK(ec == none);
    CHECK(stream.close() == shutdown_result{});
    stream.abort();
    stream.expires_at(tests::virtual_clock::time_point::min());
    stream.expires_after(1s);
    stream.expires_never();
    stream.read_expires_at(tls::never);
    stream.write_expires_at(tls::never);
    (void)stream.now();
    CHECK(stream.wants() == tls::want::nothing);
    CHECK(stream.pending_output() == 0);
    CHECK_FALSE(stream.input_buffered());
    CHECK(stream.read_end() == stream_end::open);
    CHECK_FALSE(stream.version());
    CHECK_FALSE(stream.cipher());
    CHECK(stream.shared_ciphers().empty());
    CHECK_FALSE(stream.compression());
    CHECK(stream.alpn().empty());
    CHECK(stream.group().empty());
    CHECK(stream.server_name().empty());
    CHECK_FALSE(stream.peer_certificate());
    CHECK(stream.peer_chain().empty());
    CHECK(stream.native_handle() == nullptr);
    memory_stream other(std::move(stream));
    CHECK_FALSE(other);
    CHECK(s.net.a().calls().io == calls.io);
    CHECK(s.net.a().closed() == false);

    // And the one that it was moved to goes on as before.
    if (kept) {
        s.peer.send("still here");
        CHECK(kept->read(into) == 10);
        CHECK(kept->write("so are we") == 9);
    }
}

TEST_CASE("F70 an assignment lets go of the stream that was there, without a word") {
    session s;
    session other;
    s.stream = std::move(other.stream);
    CHECK(s.wire() == "destroyed");
    CHECK(other.wire().empty());
    CHECK(s.stream.write("on the other's connection") == 25);
    CHECK(other.wire() == "data");
    memory_stream& same = s.stream;
    s.stream = std::move(same);
    CHECK(s.stream);
    CHECK(s.stream.write("still") == 5);
}

TEST_CASE("F70 every member of an engine that is empty answers, and does nothing") {
    std::error_code ec;
    const bool moved = GENERATE(true, false);
    tls::engine full(tests::client_of(tests::versions[1]), "localhost");
    tls::engine empty =
        moved ? tls::engine(std::move(full)) : tls::engine::create(tests::client_of(tests::versions[1]), "", ec);
    if (moved) std::swap(empty, full);
    tls::engine& engine = empty;
    CHECK(bool(ec) != moved);
    CHECK_FALSE(engine);
    std::array<char, 10> into{};
    for (const auto& step : {engine.handshake(), engine.read(into), engine.write("text"), engine.close_notify()}) {
        CHECK(step.bytes == 0);
        CHECK(step.wants == tls::want::nothing);
        CHECK(step.error == tls::errc::not_open);
    }
    CHECK(engine.input_space().empty());
    engine.input_received(0);
    engine.input_ended();
    engine.input_failed(tls::errc::truncated);
    CHECK(engine.output().empty());
    engine.output_sent(0);
    CHECK(engine.surplus().empty());
    CHECK(engine.read_end() == stream_end::open);
    CHECK_FALSE(engine.version());
    CHECK_FALSE(engine.cipher());
    CHECK(engine.shared_ciphers().empty());
    CHECK_FALSE(engine.compression());
    CHECK(engine.alpn().empty());
    CHECK(engine.group().empty());
    CHECK(engine.server_name().empty());
    CHECK_FALSE(engine.peer_certificate());
    CHECK(engine.peer_chain().empty());
    CHECK(engine.native_handle() == nullptr);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F70 a context, a credential and a trust store that are empty are refused by name") {
    std::error_code ec;
    tls::client_context client = tests::client_of(tests::versions[1]);
    const tls::client_context taken = std::move(client);
    tls::server_context server = tests::server_of(tests::versions[1]);
    const tls::server_context also_taken = std::move(server);
    CHECK_FALSE(client);
    CHECK_FALSE(server);
    CHECK(taken);
    CHECK(client.native_handle() == nullptr);
    const tls::client_context copy = client;
    CHECK_FALSE(copy);
    const auto is_not_open = [](const tls::error& e) { return e.code() == tls::errc::not_open; };
    const auto throws = [&](auto&& make) {
        try {
            make();
            return false;
        } catch (const tls::error& e) {
            return is_not_open(e);
        }
    };
    CHECK(throws([&] { memory_stream(tests::memory_socket(), client, "localhost"); }));
    CHECK(throws([&] { memory_stream(tests::memory_socket(), server); }));
    CHECK(throws([&] { tls::engine(client, "localhost"); }));
    CHECK(throws([&] { const tls::engine refused(server); }));
    CHECK_FALSE(memory_stream::create(tests::memory_socket(), client, "localhost", ec));
    CHECK(ec == tls::errc::not_open);
    CHECK_FALSE(memory_stream::create(tests::memory_socket(), server, ec));
    CHECK(ec == tls::errc::not_open);
    CHECK_FALSE(tls::engine::create(copy, "localhost", ec));
    CHECK(ec == tls::errc::not_open);
    CHECK_FALSE(tls::engine::create(server, ec));
    CHECK(ec == tls::errc::not_open);

    const auto& pki = tests::test_pki();
    auto identity = tls::credential::from_pem(pki.server.certificate_pem(), pki.server.key_pem());
    const auto kept = std::move(identity);
    CHECK(throws([&] { const tls::server_context refused({.identity = identity}); }));
    CHECK_FALSE(tls::server_context::create({.identity = identity}, ec));
    CHECK(ec == tls::errc::not_open);
    CHECK(tls::server_context::create({.identity = kept}, ec));
    CHECK(ec == none);
    // One that was moved from trusts nobody, or is refused; it never trusts everybody.
    auto trust = tls::trust_store::from_pem(pki.authority.certificate_pem());
    const auto kept_trust = std::move(trust);
    if (const auto nobody = tls::client_context::create({.trust = trust}, ec)) {
        tests::memory_network net;
        tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(tests::versions[1]));
        net.a().pump([&] { peer.pump(); });
        memory_stream stream(net.a().socket(), nobody, "localhost");
        stream.handshake(ec);
        CHECK(ec.category() == tls::verify_category());
    } else {
        CHECK(ec);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F71 a stream may be moved between any two calls, also while one would block") {
    const auto version = any_version();
    const auto role = any_role();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), role == tls::role::client ? tls::role::server : tls::role::client, tests::peer_of(version));
    auto socket = net.a().non_blocking_socket();
    std::optional<memory_stream> stream;
    if (role == tls::role::client) {
        stream.emplace(std::move(socket), tests::client_of(version), "localhost");
    } else {
        stream.emplace(std::move(socket), tests::server_of(version));
    }
    net.a().script({.read_chunk = 100, .write_chunk = 100, .before_each_read = would_block, .before_each_write = would_block});
    say_all(peer);
    std::size_t moves = 0;
    shutdown_result result;
    const auto got = whole_session<memory_stream>(
        stream, peer,
        [&] {
            // To other memory, by construction and by assignment in turn; the old object is gone before the next call.
            auto fresh = std::make_unique<memory_stream>(std::move(*stream));
            stream.reset();
            if (moves++ % 2 == 0) {
                stream.emplace(std::move(*fresh));
            } else {
                stream.emplace();
                *stream = std::move(*fresh);
            }
            return true;
        },
        result);
    CHECK(got == std::string(2000, 'p') + "the end");
    CHECK(peer.received() == std::string(9000, 'w'));
    CHECK(result.clean());
    CHECK(moves > 50);
    CHECK(net.a().wire_text().find("destroyed") == std::string::npos);
}

TEST_CASE("F71 streams in a container that grows") {
    const auto version = any_version();
    std::vector<std::unique_ptr<session>> sessions;
    std::vector<memory_stream> streams;
    for (int i = 0; i < 20; ++i) {
        sessions.push_back(
            std::make_unique<session>(tests::session_options{.version = version, .on_close_notify = reaction::close}));
        streams.push_back(std::move(sessions.back()->stream));
        for (auto& stream : streams) CHECK(stream.write("x") == 1);
    }
    streams.erase(streams.begin() + 3, streams.begin() + 9);
    for (auto& stream : streams) CHECK(stream.close().clean());
}

TEST_CASE("F71 an engine may be moved between any two calls") {
    const auto version = any_version();
    engines both(version);
    const auto moved = [](tls::engine& engine) {
        auto kept = std::make_unique<tls::engine>(std::move(engine));
        engine = std::move(*kept);
    };
    for (int i = 0; i < 10; ++i) {
        moved(both.client);
        CHECK(both.client.handshake().error == none);
        moved(both.server);
        CHECK(both.server.handshake().error == none);
        moved(both.client);
        both.exchange();
    }
    CHECK(both.client.write("hello").bytes == 5);
    moved(both.client);
    moved(both.server);
    both.exchange();
    moved(both.server);
    std::array<char, 3> into{};
    CHECK(both.server.read(into).bytes == 3);
    moved(both.server);
    CHECK(both.server.read(into).bytes == 2);
}

TEST_CASE("F72 a stream may be destroyed at each of its calls: no I/O, nothing leaks") {
    const auto version = any_version();
    const auto role = any_role();
    const auto how = GENERATE(0, 1, 2);  // the destructor, an assignment, abort()
    std::size_t stops = 0;
    for (bool complete = false; !complete; ++stops) {
        CAPTURE(stops);
        REQUIRE(stops < 1000);
        tests::memory_network net({.on_unread_close = tests::unread_close::fin});
        tests::raw_peer peer(net.b(), role == tls::role::client ? tls::role::server : tls::role::client,
                             tests::peer_of(version));
        auto socket = net.a().non_blocking_socket();
        std::optional<memory_stream> stream;
        if (role == tls::role::client) {
            stream.emplace(std::move(socket), tests::client_of(version), "localhost");
        } else {
            stream.emplace(std::move(socket), tests::server_of(version));
        }
        auto script = blocked_from(stops);
        script.read_chunk = script.write_chunk = 1000;
        net.a().script(script);
        say_all(peer);
        shutdown_result result;
        const auto got = whole_session<memory_stream>(stream, peer, [&] { return net.a().calls().io <= stops; }, result);
        complete = net.a().closed();
        if (complete) {
            CHECK(result.clean());
            continue;
        }
        const auto before = net.a().calls();
        const auto sent = net.a().bytes_sent();
        if (how == 0) stream.reset();
        if (how == 1) *stream = memory_stream();
        if (how == 2) stream->abort();
        const auto after = net.a().calls();
        CHECK(after.io == before.io);
        CHECK(after.shutdowns == before.shutdowns);
        CHECK(after.waits == before.waits);
        CHECK(net.a().bytes_sent() == sent);
        CHECK(net.a().closed());
        CHECK(net.a().log().back().kind == (how == 2 ? tests::event_kind::abort : tests::event_kind::destroyed));
        CHECK(tests::queue_is_empty());
        // Unless close_notify had gone out already, the peer sees truncation.
        peer.pump();
        CHECK(peer.transport_ended());
        CHECK(peer.close_notify_received() == result.close_notify_sent);
        stream.reset();
        CHECK(net.a().calls().io == before.io);
    }
    CHECK(stops > 15);
}

TEST_CASE("F72 a stream over a reference may be destroyed at any time: the socket is left alone") {
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(tests::versions[1]));
    net.a().pump([&] { peer.pump(); });
    auto socket = net.a().non_blocking_socket();
    {
        tls::stream<tests::memory_socket&> stream(socket, tests::client_of(tests::versions[1]), "localhost");
        std::error_code ec;
        stream.handshake(ec);
        REQUIRE(ec == would_block);
    }
    CHECK_FALSE(net.a().closed());
    CHECK(net.a().wire_text() == "handshake");
    CHECK(net.a().calls().shutdowns == 0);
}

TEST_CASE("F72 an engine may be destroyed at any time") {
    for (int stop = 0; stop < 12; ++stop) {
        engines both(tests::versions[1]);
        std::array<char, 10> into;
        for (int i = 0; i < stop; ++i) {
            if (i < 8) {
                (void)(i % 2 == 0 ? both.client : both.server).handshake();
            } else {
                (void)both.client.write("hello");
                (void)both.server.read(into);
            }
            if (i % 3 != 2) both.exchange();
        }
    }
    CHECK(tests::queue_is_empty());
}
