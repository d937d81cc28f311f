// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F01 to F05: a transport that is slow or hesitant, and loses nothing.

#include "session.hpp"

#include <support/session.hpp>
#include <support/tcp_tools.hpp>

#include <tls/error.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::timed_out;
using tests::would_block;

namespace {

constexpr std::array<std::size_t, 4> chunk_sizes{1, 2, 5, 17};
// Around a record, around a batch of four, and little.
const std::vector<std::size_t> large{16'385, 66'000, 40};

// Every version, role, kind of socket and order.
void for_each_session(const std::function<void(const trial::plan&)>& with) {
    trial::for_each_setting([&](trial::plan what) {
        for (const auto order : trial::orders) {
            what.ends = order;
            with(what);
        }
    });
}

// Calls for a header and then for a body, `chunk` bytes at a time.
std::size_t calls_to_read(std::span<const std::byte> wire, std::size_t chunk) {
    std::size_t calls = 0;
    for (const auto& r : tests::records(wire)) {
        calls += (tests::record_header_size + chunk - 1) / chunk + (r.length + chunk - 1) / chunk;
    }
    return calls;
}

// The types and lengths of the last records, which do not vary. Signatures do, by a byte or two.
std::vector<std::pair<tests::record_type, std::size_t>> last_records(const tests::bytes& wire, std::size_t count) {
    std::vector<std::pair<tests::record_type, std::size_t>> found;
    for (const auto& r : tests::records(wire)) found.emplace_back(r.type, r.length);
    found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(std::min(count, found.size())));
    return found;
}

// A memory socket that, while it is told so, lets a second pass in each call and is interrupted then.
class interrupted_socket {
public:
    using time_point = std::chrono::steady_clock::time_point;
    struct switches {
        tests::virtual_clock* clock = nullptr;
        bool on = false;
        std::size_t calls = 0;
    };

    interrupted_socket(tests::memory_socket under, switches& how) noexcept : under_(std::move(under)), how_(&how) {}

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return interrupted(ec) ? 0 : under_.read_some(into, ec);
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return interrupted(ec) ? 0 : under_.write_some(from, ec);
    }
    void shutdown(tls::shutdown_mode mode, std::error_code& ec) { under_.shutdown(mode, ec); }
    void close(std::error_code& ec) { under_.close(ec); }
    void read_expires_at(time_point when) { under_.read_expires_at(when); }
    void write_expires_at(time_point when) { under_.write_expires_at(when); }
    [[nodiscard]] time_point now() const noexcept { return under_.now(); }

private:
    bool interrupted(std::error_code& ec) {
        if (!how_->on) return false;
        ++how_->calls;
        how_->clock->advance(1s);
        ec = std::make_error_code(std::errc::interrupted);
        return true;
    }

    tests::memory_socket under_;
    switches* how_;
};
static_assert(tls::clocked_socket<interrupted_socket>);

// A stream over such a socket, its handshake done.
struct interrupted_session {
    explicit interrupted_session(tls::protocol_version version) { how.clock = &net.clock(), open(version); }

    void open(tls::protocol_version version) {
        net.a().pump([this] { peer.pump(); });
        stream = tls::stream(interrupted_socket(net.a().socket(), how), tests::client_of(version), "localhost");
        stream.handshake();
        peer.pump();
    }

    tests::memory_network net;
    tests::raw_peer peer{net.b(), tls::role::server, tests::peer_of(tls::protocol_version::tls1_3, tests::reaction::fin)};
    interrupted_socket::switches how;
    tls::stream<interrupted_socket> stream;
};

}  // namespace

TEST_CASE("F01 short reads give the same plaintext, with no call too many", "[faults]") {
    for_each_session([](trial::plan what) {
        for (const std::size_t chunk : chunk_sizes) {
            what.theirs = chunk < 5 ? std::vector<std::size_t>{60, 17'000} : large;
            what.script.read_chunk = chunk;
            auto seen = trial::run(what);
            seen.expect_all_well();
            seen.expect(seen.calls.reads <= calls_to_read(seen.peer_sent, chunk) + seen.retries + 4, "no read is made in vain");
            trial::verdict(seen, std::to_string(chunk) + " bytes at a time");
        }
    });
}

TEST_CASE("F02 short writes give the same wire, with no call too many", "[faults]") {
    for_each_session([](trial::plan what) {
        for (const std::size_t chunk : chunk_sizes) {
            what.ours = chunk < 5 ? std::vector<std::size_t>{17'000, 300, 40} : large;
            what.script.write_chunk = tests::no_limit;
            const auto clean = trial::run(what);
            const std::size_t same = chunk < 5 ? 5 : 9;  // records of data, and close_notify
            what.script.write_chunk = chunk;
            auto seen = trial::run(what);
            seen.expect_all_well();
            seen.expect(last_records(seen.sent, same) == last_records(clean.sent, same), "the records are the same");
            seen.expect(tests::records(seen.sent).size() == tests::records(clean.sent).size(), "as many records");
            const std::size_t needed = seen.sent.size() / chunk + tests::records(seen.sent).size();
            seen.expect(seen.calls.writes <= needed + seen.retries + 2, "no write is made in vain");
            trial::verdict(seen, std::to_string(chunk) + " bytes at a time");
        }
    });
}

TEST_CASE("F03 would-block before every call: the same session, in a bounded number of calls", "[faults]") {
    for_each_session([](trial::plan what) {
        if (what.socket == trial::socket_kind::plain) return;  // it waits, so it never says would-block
        for (const std::size_t chunk : {std::size_t{1}, std::size_t{100}, tests::no_limit}) {
            what.script = tests::chunked(chunk);
            const auto clean = trial::run(what);
            what.script.before_each_read = what.script.before_each_write = would_block;
            auto seen = trial::run(what);
            seen.expect_all_well();
            seen.expect(seen.retries > 0, "it does block");
            seen.expect(seen.calls.io <= 3 * clean.calls.io + 30, "calls are bounded");
            trial::verdict(seen, "storm");
        }
    });
}

TEST_CASE("F03 would-block at every single call of a socket that does not block", "[faults]") {
    for_each_session([](const trial::plan& what) {
        if (what.socket != trial::socket_kind::non_blocking) return;
        const auto clean = trial::run(what);
        const auto runs = trial::at_every_index(
            what,
            [](trial::plan& with, std::size_t i) {
                with.script = tests::at_call(tests::call_kind::io, i, tests::outcome::would_block());
            },
            [&](trial::account& seen, std::size_t i) {
                seen.expect_all_well();
                seen.expect(seen.calls.io <= clean.calls.io + 12, "calls are bounded");
                return i < seen.calls.io;
            });
        CHECK(runs >= 10);
    });
}

TEST_CASE("F04 a signal at every call changes nothing", "[faults]") {
    for_each_session([](trial::plan what) {
        const auto clean = trial::run(what);
        what.script = tests::storm(std::errc::interrupted);
        auto seen = trial::run(what);
        seen.expect_all_well();
        seen.expect(seen.retries <= clean.retries, "nobody is told");
        seen.expect(seen.calls.io <= 2 * clean.calls.io + 10, "calls are bounded");
        trial::verdict(seen, "signals");

        const auto runs = trial::at_every_index(
            what,
            [](trial::plan& with, std::size_t i) {
                with.script = tests::at_call(tests::call_kind::io, i, tests::outcome::interrupted());
            },
            [&](trial::account& at, std::size_t i) {
                at.expect_all_well();
                return i < at.calls.io;
            });
        CHECK(runs >= 10);
    });
}

TEST_CASE("F04 signals without end: deadlines are counted down all the same", "[faults]") {
    interrupted_session s(tls::protocol_version::tls1_3);
    s.how.on = true;
    const auto start = s.net.now();
    s.stream.expires_at(start + 10s);
    std::array<char, 10> into;
    std::error_code ec;

    SECTION("of a read") {
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == timed_out);
        CHECK(s.how.calls == 10);
        CHECK(s.net.now() == start + 10s);
    }
    SECTION("of a write") {
        CHECK(s.stream.write_some("something", ec) == 9);
        CHECK(ec == timed_out);
        CHECK(s.how.calls == 10);
        CHECK(s.stream.pending_output() > 9);
    }
    SECTION("of a shutdown") {
        const auto result = s.stream.shutdown(tls::shutdown_mode::both, {.timeout = 4s}, ec);
        CHECK(ec == timed_out);
        CHECK(result.timed_out);
        CHECK_FALSE(result.close_notify_sent);
        CHECK(s.net.now() >= start + 4s);
        CHECK(s.net.now() <= start + 8s);  // each step may make one call that takes a second
    }

    s.how.on = false;
    s.stream.expires_never();
    s.peer.send("still there");
    if (s.stream.read_some(into, ec) != 10) FAIL_CHECK("a later deadline gives what came");
    CHECK(s.stream.close(ec).close_notify_sent);
    CHECK_FALSE(ec);
    s.peer.pump();
    CHECK(s.peer.close_notify_received());
}

TEST_CASE("F04 real signals, without SA_RESTART, during a session over sockets that wait", "[faults]") {
    const std::string text(3'000'000, 't');
    for (const auto version : tests::versions) {
        const bool limited = version == tls::protocol_version::tls1_3;
        auto [a, b] = tests::unix_pair();
        std::thread other([&, under = std::move(b)]() mutable {
            try {
                tls::stream server(std::move(under), tests::server_of(version));
                std::string got(text.size(), '\0');
                server.read(got);
                while (tests::signal_storm::count() < 20) std::this_thread::yield();  // the client waits in a read meanwhile
                server.write(got);
                server.close();
            } catch (const std::exception& e) {
                // The client sees an end that is not clean.
            }
        });
        {
            const tests::signal_storm signals;
            std::error_code ec;
            tls::stream client(std::move(a), tests::client_of(version), "localhost");
            if (limited) client.expires_at(tests::patience());
            CHECK(client.write(text, ec) == text.size());
            CHECK_FALSE(ec);
            std::string got(text.size() + 1, '\0');
            CHECK(client.read(got, ec) == text.size());
            CHECK_FALSE(ec);
            CHECK(client.read_end() == tls::stream_end::close_notify);
            CHECK(client.close(ec).clean());
            CHECK_FALSE(ec);
            other.join();
            CHECK(tests::signal_storm::count() >= 20);
        }
    }
}

TEST_CASE("F05 readiness that is none: a read waits again and gives what comes", "[faults]") {
    for (const auto version : tests::versions) {
        tests::session s({.version = version});
        s.net.a().script({.room = 0, .spurious_waits = 5});
        s.stream.expires_at(s.net.now());
        std::error_code ec;
        REQUIRE(s.stream.write_some("a request", ec) == 9);
        REQUIRE(ec == timed_out);

        // Output is stuck and input is not there: the stream waits for either.
        s.net.clock().call_after(1s, [&] {
            s.peer.send("an answer");
            s.peer.pump();
        });
        const auto before = s.net.a().calls();
        s.stream.expires_after(10s);
        std::array<char, 9> into;
        CHECK(s.stream.read_some(into, ec) == 9);
        CHECK_FALSE(ec);
        CHECK(std::string(into.data(), into.size()) == "an answer");
        const auto calls = s.net.a().calls();
        CHECK(calls.waits - before.waits >= 6);
        CHECK(calls.io - before.io <= 2 * (calls.waits - before.waits) + 4);

        s.net.a().add_room(1000);
        CHECK(s.stream.flush(ec));
        s.peer.pump();
        CHECK(s.peer.received() == "a request");
    }
}

TEST_CASE("F05 readiness that is none: a close goes on", "[faults]") {
    for (const auto version : tests::versions) {
        tests::session s({.version = version, .on_close_notify = tests::reaction::fin});
        s.net.a().script({.room = 0, .spurious_waits = 5});
        s.net.clock().call_after(1s, [&] { s.net.a().add_room(1000); });
        std::error_code ec;
        CHECK(s.stream.close(ec).clean());
        CHECK_FALSE(ec);
        CHECK(s.net.a().calls().waits >= 6);
        CHECK(s.net.a().calls().io <= 60);
    }
}

TEST_CASE("F05 readiness that is none: without blocking, each call says would-block and what to poll for", "[faults]") {
    for (const auto version : tests::versions) {
        tests::session s({.version = version, .non_blocking = true, .net = {.capacity_b_to_a = 1}});
        std::array<char, 100> into;
        std::error_code ec;
        for (int i = 0; i < 100; ++i) {
            CHECK(s.stream.read_some(into, ec) == 0);
            CHECK(ec == would_block);
            CHECK(s.stream.wants() == tls::want::input);
        }
        // The answer comes byte by byte: after each but the last the socket is readable, and there is nothing to give yet.
        s.peer.send("an answer");
        std::size_t bytes = 0;
        std::size_t n = 0;
        while (n == 0 && bytes < 1000) {
            s.peer.pump();
            ++bytes;
            n = s.stream.read_some(into, ec);
            if (n == 0 && (ec != would_block || s.stream.wants() != tls::want::input)) FAIL("a read that cannot go on says so");
        }
        CHECK(n == 9);
        CHECK(bytes > 9 + tests::record_header_size);
        CHECK_FALSE(ec);
        CHECK(s.stream.wants() == tls::want::nothing);
    }
}
