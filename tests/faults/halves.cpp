// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The faults that concern waiting, threads and destruction, for the two halves of a stream: in memory where one thread plays both, and over
// real sockets where each half has a thread of its own.

#include <tls/split.hpp>

#include <tls/context.hpp>
#include <tls/trust.hpp>
#include <tls/verification.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::reaction;
using tests::timed_out;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using session = tests::session<>;
using plain_session = tests::session<tests::socket_features::none>;
using tcp_stream = tls::stream<tls::tcp_socket>;
using tcp_reader = tls::reader<tls::tcp_socket>;
using tcp_writer = tls::writer<tls::tcp_socket>;

const std::error_code none;
const std::error_code canceled = std::make_error_code(std::errc::operation_canceled);
constexpr tls::shutdown_options patient{.timeout = 60s};

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }
tls::role any_role() { return GENERATE(tls::role::client, tls::role::server); }

template <class Face>
std::string read_text(Face& face, std::error_code& ec, std::size_t most = 5000) {
    std::string text(most, '\0');
    text.resize(face.read_some(text, ec));
    return text;
}
template <class Face>
std::string read_all(Face& face, std::error_code& ec) {
    std::string text;
    std::string some;
    while (!(some = read_text(face, ec)).empty()) text += some;
    return text;
}

// A client in halves and a server in one piece, over real sockets, the handshake done.
struct connected {
    tcp_reader reader;
    tcp_writer writer;
    tcp_stream server;

    explicit connected(tests::socket_pair pair, tls::protocol_version version = tls::protocol_version::tls1_3) {
        tcp_stream client(std::move(pair.a), tests::client_of(version), "localhost");
        server = tcp_stream(std::move(pair.b), tests::server_of(version));
        std::thread other([&] {
            std::error_code ec;
            server.handshake(ec);
        });
        std::error_code ec;
        client.handshake(ec);
        other.join();
        if (ec) throw std::system_error(ec, "handshake");
        std::tie(reader, writer) = tls::split(std::move(client));
    }
};
tests::socket_pair any_pair() { return GENERATE(false, true) ? tests::tcp_pair() : tests::unix_pair(); }

// What a call that reads, in a thread of its own, came to. The constructor returns when it waits in the kernel.
class waiting_read {
public:
    template <class Reader>
    explicit waiting_read(Reader& reader, std::size_t most = 5000)
        : thread_([this, &reader, most] {
              text_ = read_text(reader, error_, most);
              clean_ = tests::queue_is_empty();
          }) {}

    void join() { thread_.join(); }
    std::error_code error() {
        join();
        return error_;
    }
    std::string text() {
        join();
        return text_;
    }
    // Clean in the sense of BoringSSL's queue, which is the thread's own.
    [[nodiscard]] bool left_nothing() const { return clean_; }

private:
    std::string text_;
    std::error_code error_;
    bool clean_ = false;
    tests::waiting_thread thread_;  // the last one: it uses the others
};

}  // namespace

// --- waiting ---

TEST_CASE("F25 halves: a peer that sends nothing is waited for until the half's own deadline") {
    const bool writes = GENERATE(false, true);
    session s({.version = any_version(), .role = any_role(), .handshake = false});
    s.net.a().pump([] {});
    auto [reader, writer] = tls::split(std::move(s.stream));
    reader.expires_after(3s);
    writer.expires_after(5s);
    const auto begin = s.net.now();
    std::error_code ec;
    CHECK((writes ? writer.write("x", ec) : read_text(reader, ec).size()) == 0);
    CHECK(ec == timed_out);
    CHECK(s.net.now() - begin == (writes ? 5s : 3s));
    // Nothing is lost: with time it goes on.
    s.net.a().pump([&] { s.peer.pump(); });
    writer.expires_never();
    CHECK(writer.write("x", ec) == 1);
    CHECK(ec == none);
}

TEST_CASE("F25 halves: both in the handshake with a peer that says nothing, each until its own deadline") {
    auto pair = any_pair();
    tcp_stream client(std::move(pair.a), tests::client_of(tls::protocol_version::tls1_3), "localhost");
    auto [reader, writer] = tls::split(std::move(client));
    const bool reader_first = GENERATE(false, true);
    const auto begin = tests::clock::now();
    reader.expires_at(begin + (reader_first ? 20ms : 60ms));
    writer.expires_at(begin + (reader_first ? 60ms : 20ms));
    std::error_code of_reader;
    std::error_code of_writer;
    tests::clock::duration reader_took{};
    std::thread other([&, &read = reader] {
        read_text(read, of_reader);
        reader_took = tests::clock::now() - begin;
    });
    writer.write("x", of_writer);
    const auto writer_took = tests::clock::now() - begin;
    other.join();
    CHECK(of_reader == timed_out);
    CHECK(of_writer == timed_out);
    CHECK(reader_took >= (reader_first ? 20ms : 60ms));
    CHECK(writer_took >= (reader_first ? 60ms : 20ms));
    // One ClientHello went out.
    std::array<std::byte, 16384> hello;
    std::error_code ec;
    const std::size_t n = pair.b.read_some(std::span<std::byte>(hello), ec);
    CHECK(tests::records(std::span(hello).first(n)).size() == 1);
}

TEST_CASE("F26 halves: a peer that stops reading holds the writer until its deadline, and the reader not at all") {
    const auto version = any_version();
    connected both(any_pair(), version);
    const std::string text(8'000'000, 't');
    both.writer.expires_after(50ms);
    std::error_code ec;
    std::size_t written = 0;
    {
        tests::waiting_thread writing([&] { written = both.writer.write(text, ec); });
        for (int i = 0; i < 20; ++i) {
            std::error_code of_reader;
            both.server.write("still talking");
            CHECK(read_text(both.reader, of_reader) == "still talking");
            CHECK(of_reader == none);
        }
    }
    CHECK(ec == timed_out);
    CHECK(written < text.size());
    CHECK(both.writer.pending_output() > 0);
    // What was accepted goes out, and nothing twice.
    std::string got;
    std::error_code of_server;
    std::thread receiving([&] { got = read_all(both.server, of_server); });
    both.writer.expires_never();
    written += both.writer.write(std::span(text).subspan(written), ec);
    CHECK(ec == none);
    CHECK(written == text.size());
    CHECK(both.writer.shutdown(shutdown_mode::write, ec).close_notify_sent);
    receiving.join();
    CHECK(of_server == none);
    CHECK(got == text);
}

TEST_CASE("F26 halves: a write that a peer holds up without end is ended by the other half") {
    connected both(any_pair());
    const bool close = GENERATE(false, true);
    std::error_code ec;
    std::size_t written = 0;
    const std::string text(8'000'000, 't');
    {
        tests::waiting_thread writing([&] { written = both.writer.write(text, ec); });
        if (close) {
            std::error_code of_close;
            const auto result = both.reader.close({.timeout = 20ms}, of_close);
            CHECK(of_close == timed_out);  // what was accepted is not out
            CHECK_FALSE(result.close_notify_sent);
        } else {
            both.reader.abort();
        }
    }
    CHECK((ec == canceled || (close && ec == tls::errc::write_shut_down)));
    CHECK(written < text.size());
    CHECK(both.writer.write("x", ec) == 0);
    CHECK(ec == tls::errc::not_open);
    read_all(both.server, ec);
    CHECK(ec == tls::errc::truncated);
}

TEST_CASE("F27 halves: bytes that arrive when the deadline does come once, now or with the next read") {
    const auto version = any_version();
    for (int offset = -3; offset <= 3; ++offset) {
        CAPTURE(offset);
        session s({.version = version});
        auto [reader, writer] = tls::split(std::move(s.stream));
        const auto deadline = s.net.now() + 1s;
        reader.expires_at(deadline);
        s.net.clock().call_at(deadline + std::chrono::nanoseconds(offset), [&] {
            s.peer.send("just in time");
            s.peer.pump();
        });
        std::error_code ec;
        std::string got = read_text(reader, ec);
        CHECK((ec == timed_out) == got.empty());
        if (offset < 0) CHECK(got == "just in time");
        if (offset > 0) CHECK(ec == timed_out);
        if (ec == timed_out) {
            reader.expires_after(1s);
            got = read_text(reader, ec);
        }
        CHECK(ec == none);
        CHECK(got == "just in time");
        CHECK(writer.write("and back", ec) == 8);
    }
    for (int offset = -3; offset <= 3; ++offset) {
        CAPTURE(offset);
        session s({.version = version});
        auto [reader, writer] = tls::split(std::move(s.stream));
        s.net.a().script({.room = 4});
        const auto deadline = s.net.now() + 1s;
        writer.expires_at(deadline);
        s.net.clock().call_at(deadline + std::chrono::nanoseconds(offset), [&] { s.net.a().add_room(1000); });
        std::error_code ec;
        CHECK(writer.write("once", ec) == 4);
        CHECK((ec == none || ec == timed_out));
        CHECK((ec == timed_out) == (writer.pending_output() != 0));
        writer.expires_after(1s);
        CHECK(writer.flush(ec));
        s.work();
        CHECK(s.peer.received() == "once");
    }
}

TEST_CASE("F28 halves: with a deadline that has passed, what needs no waiting is done") {
    const auto version = any_version();
    session s({.version = version});
    auto [reader, writer] = tls::split(std::move(s.stream));
    reader.expires_at(s.net.now() - 1s);
    writer.expires_at(std::chrono::steady_clock::time_point::min());
    const auto begin = s.net.now();
    std::error_code ec;
    CHECK(read_text(reader, ec).empty());
    CHECK(ec == timed_out);
    s.peer.send("is here");
    s.work();
    CHECK(read_text(reader, ec) == "is here");
    CHECK(ec == none);
    CHECK(writer.write("goes out", ec) == 8);
    CHECK(ec == none);
    s.net.a().script({.room = 12});
    CHECK(writer.write("as far as there is room", ec) > 0);
    CHECK(ec == timed_out);
    CHECK(s.net.a().bytes_sent() > 0);
    SECTION("and a close sends what it can, too") {
        const auto result = writer.shutdown(shutdown_mode::both, {.timeout = 0ms}, ec);
        CHECK(ec == timed_out);
        CHECK(result.timed_out);
        CHECK_FALSE(result.close_notify_sent);
        s.net.a().add_room(1000);
        const auto again = writer.close({.timeout = 0ms}, ec);
        CHECK(again.close_notify_sent == false);  // the one before came to its end: this only closes
        CHECK(s.net.a().closed());
    }
    CHECK(s.net.now() == begin);
}

TEST_CASE("F29 halves: a peer that never says close_notify, and no call that reads: the writer waits until the limit") {
    const bool close = GENERATE(false, true);
    session s({.version = any_version(), .role = any_role()});
    auto [reader, writer] = tls::split(std::move(s.stream));
    writer.write("hello");
    const auto begin = s.net.now();
    std::error_code ec;
    const tls::shutdown_options limit{.timeout = 1234ms};
    CHECK((close ? writer.close(limit, ec) : writer.shutdown(shutdown_mode::both, limit, ec)) ==
          shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
    CHECK(ec == none);
    CHECK(s.net.now() - begin == 1234ms);
    if (close) return;
    // It may still come: reading goes on as after `write`.
    s.peer.send("late, but");
    s.peer.close_notify();
    CHECK(read_all(reader, ec) == "late, but");
    CHECK(ec == none);
    CHECK(writer.shutdown(shutdown_mode::both, ec).clean());
}

TEST_CASE("F29 halves: a peer that never says close_notify, and a read that waits: it ends at the limit, never cleanly") {
    const auto version = any_version();
    connected both(any_pair(), version);
    const bool close = GENERATE(false, true);
    waiting_read reading(both.reader);
    const auto begin = tests::clock::now();
    std::error_code ec;
    const tls::shutdown_options limit{.timeout = 30ms};
    const auto result = close ? both.writer.close(limit, ec) : both.writer.shutdown(shutdown_mode::both, limit, ec);
    const auto took = tests::clock::now() - begin;
    CHECK(ec == none);
    CHECK(result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
    CHECK(took >= 30ms);
    CHECK(took < 10s);
    CHECK(reading.error() == canceled);
    CHECK(reading.left_nothing());
    CHECK(both.reader.read_end() != stream_end::close_notify);
    CHECK(read_text(both.reader, ec).empty());
    CHECK(ec == (close ? std::error_code(tls::errc::not_open) : canceled));
    // The peer has got everything, and can end in its own time.
    CHECK(read_all(both.server, ec).empty());
    CHECK(ec == none);
    CHECK(both.writer.close(patient, ec).close_notify_sent);
    CHECK(ec == none);
}

TEST_CASE("F29 halves: a shutdown that leaves the transport open leaves a read that waits alone") {
    connected both(any_pair());
    waiting_read reading(both.reader);
    std::error_code ec;
    const auto result = both.writer.shutdown(shutdown_mode::both, {.timeout = 20ms, .keep_transport_open = true}, ec);
    CHECK(ec == none);
    CHECK(result == shutdown_result{.close_notify_sent = true, .timed_out = true});
    both.server.write("in time for the read");
    CHECK(reading.text() == "in time for the read");
    CHECK(reading.error() == none);
}

TEST_CASE("F29 halves: a socket without deadlines, and a read that waits in it: limits hold all the same") {
    const auto version = any_version();
    const bool close = GENERATE(false, true);
    tests::memory_network net({.wait = tests::waiting::threads});
    tls::stream client(net.a().socket<tests::socket_features::none>(), tests::client_of(version), "localhost");
    tls::stream server(net.b().socket<tests::socket_features::none>(), tests::server_of(version));
    std::thread other([&] {
        std::error_code ec;
        server.handshake(ec);
    });
    client.handshake();
    other.join();
    auto [reader, writer] = tls::split(std::move(client));
    waiting_read reading(reader);
    std::error_code ec;
    const tls::shutdown_options limit{.timeout = 30ms};
    const auto result = close ? writer.close(limit, ec) : writer.shutdown(shutdown_mode::both, limit, ec);
    CHECK(ec == none);
    CHECK(result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
    CHECK(reading.error() == canceled);
    CHECK(read_all(server, ec).empty());
    CHECK(ec == none);
}

TEST_CASE("F31 halves: what a peer sends after our close_notify, with no call that reads") {
    session s({.version = any_version()});
    auto [reader, writer] = tls::split(std::move(s.stream));
    std::error_code ec;
    s.peer.send(std::string(100'000, 'f'));
    const auto result = writer.shutdown(shutdown_mode::both, {.drain_limit = 30'000}, ec);
    CHECK(ec == none);
    CHECK(result.limit_reached);
    CHECK(result.discarded == 30'000);
    s.peer.close_notify();
    CHECK(read_all(reader, ec).size() == 70'000);
    CHECK(ec == none);
}

TEST_CASE("F31 halves: what a peer sends after our close_notify goes to a call that reads, all of it") {
    connected both(any_pair());
    const std::string text(3'000'000, 'f');
    std::string got(text.size() + 1, '\0');
    std::error_code of_reader;
    tests::waiting_thread reading([&] { got.resize(both.reader.read(got, of_reader)); });
    std::thread peer([&] {
        std::error_code ec;
        read_all(both.server, ec);  // our close_notify
        both.server.write(text, ec);
        both.server.shutdown(shutdown_mode::write, ec);
    });
    std::error_code ec;
    const auto result = both.writer.shutdown(shutdown_mode::both, {.timeout = 60s, .drain_limit = 0}, ec);
    CHECK(ec == none);
    CHECK(result.clean());
    reading.join();
    peer.join();
    CHECK(of_reader == none);
    CHECK(got == text);
}

TEST_CASE("F31 halves: a peer that drips does not stretch the limit, whoever receives") {
    const bool reads = GENERATE(false, true);
    connected both(any_pair());
    std::atomic<bool> over = false;
    std::thread drip([&] {
        std::error_code ec;
        while (!ec && !over) {
            both.server.write("d", ec);
            std::this_thread::sleep_for(1ms);
        }
    });
    std::error_code of_reader;
    std::thread reading([&] {
        if (reads) read_all(both.reader, of_reader);
    });
    const auto begin = tests::clock::now();
    std::error_code ec;
    const auto result = both.writer.close({.timeout = 50ms}, ec);
    const auto took = tests::clock::now() - begin;
    CHECK(ec == none);
    CHECK(result.timed_out);
    CHECK(took >= 50ms);
    CHECK(took < 10s);
    over = true;
    drip.join();
    reading.join();
    if (reads) CHECK((of_reader == canceled || of_reader == tls::errc::not_open));
}

// --- closing from several sides ---

TEST_CASE("F34 halves: both sides close at once, with reads that wait on both") {
    constexpr int times = 100;
    const auto version = any_version();
    const bool tcp = GENERATE(false, true);
    for (int i = 0; i < times; ++i) {
        CAPTURE(i);
        connected both(tcp ? tests::tcp_pair() : tests::unix_pair(), version);
        auto [reader, writer] = tls::split(std::move(both.server));
        std::barrier<> together(4);
        std::array<std::error_code, 4> ec;
        std::array<std::string, 2> got;
        std::array<shutdown_result, 2> result;
        const auto reads = [&](tcp_reader& half, std::size_t which) {
            return std::thread([&half, &together, &text = got[which], &why = ec[which]] {
                together.arrive_and_wait();
                text = read_all(half, why);
            });
        };
        const auto shuts = [&](tcp_writer& half, std::size_t which) {
            return std::thread([&half, &together, &ended = result[which], &why = ec[2 + which]] {
                together.arrive_and_wait();
                ended = half.shutdown(shutdown_mode::both, patient, why);
            });
        };
        std::array threads{reads(both.reader, 0), reads(reader, 1), shuts(both.writer, 0), shuts(writer, 1)};
        for (auto& thread : threads) thread.join();
        REQUIRE(ec == std::array<std::error_code, 4>{});
        REQUIRE(got == std::array<std::string, 2>{});
        REQUIRE(result[0].clean());
        REQUIRE(result[1].clean());
        REQUIRE(both.reader.read_end() == stream_end::close_notify);
        REQUIRE(writer.close().clean());
        REQUIRE(both.writer.close().clean());
    }
}

TEST_CASE("F35 halves: a shutdown said twice, and by both halves at once, is one close_notify") {
    const auto version = any_version();
    SECTION("twice") {
        session s({.version = version, .on_close_notify = reaction::fin});
        auto [reader, writer] = tls::split(std::move(s.stream));
        std::error_code ec;
        for (int i = 0; i < 2; ++i) CHECK(writer.shutdown(shutdown_mode::write, ec).close_notify_sent);
        for (int i = 0; i < 2; ++i) CHECK(writer.shutdown(shutdown_mode::both, ec).clean());
        CHECK(reader.close(ec).clean());
        CHECK(writer.close(ec).clean());
        CHECK(ec == none);
        CHECK(s.wire() == "alert, FIN, close");
    }
    SECTION("at once") {
        for (int i = 0; i < 30; ++i) {
            connected both(i % 2 == 0 ? tests::tcp_pair() : tests::unix_pair(), version);
            std::thread peer([&] {
                std::error_code ec;
                read_all(both.server, ec);
                both.server.close(ec);
            });
            std::array<shutdown_result, 2> result;
            std::array<std::error_code, 2> ec;
            std::barrier<> together(2);
            std::thread other([&] {
                together.arrive_and_wait();
                result[0] = both.reader.close(patient, ec[0]);
            });
            together.arrive_and_wait();
            result[1] =
                i % 3 == 0 ? both.writer.close(patient, ec[1]) : both.writer.shutdown(shutdown_mode::both, patient, ec[1]);
            other.join();
            peer.join();
            CHECK(ec[0] == none);
            CHECK((ec[1] == none || ec[1] == tls::errc::not_open));  // the socket was closed before it was called
            CHECK(result[0].clean());
            CHECK(result[1].clean());
            CHECK(both.server.close(ec[0]).clean());
        }
    }
}

TEST_CASE("F36 halves: closing with a large write pending finishes it first, wherever the socket stopped") {
    const auto version = any_version();
    const std::string text(40'000, 'p');
    for (std::size_t room = 0; room < 41'000; room += room < 40 ? 1 : 997) {
        CAPTURE(room);
        session s({.version = version, .on_close_notify = reaction::fin});
        auto [reader, writer] = tls::split(std::move(s.stream));
        s.net.a().script({.room = room});
        writer.expires_at(s.net.now());
        std::error_code ec;
        const std::size_t accepted = writer.write(text, ec);
        writer.expires_never();
        REQUIRE(accepted == text.size());
        s.net.clock().call_after(1s, [&] { s.net.a().add_room(100'000); });
        CHECK(writer.shutdown(shutdown_mode::both, ec).clean());
        CHECK(ec == none);
        s.work();
        CHECK(s.peer.received() == text);
        CHECK(s.wire() == "data*3, alert, FIN");
    }
}

TEST_CASE("F36 halves: both sides stuck in sending, and nobody reads: a close delivers what was written") {
    const auto version = any_version();
    session s(
        {.version = version, .on_close_notify = reaction::close, .net = {.capacity_a_to_b = 4000, .capacity_b_to_a = 4000}});
    s.stuck_while_sending = true;
    auto [reader, writer] = tls::split(std::move(s.stream));
    s.peer.send(std::string(100'000, 'p'));
    writer.expires_after(1s);
    std::error_code ec;
    const std::string text(60'000, 'w');
    CHECK(writer.write(text, ec) == text.size());
    CHECK(ec == timed_out);
    writer.expires_never();
    const auto result = writer.close({.drain_limit = 200'000}, ec);
    CHECK(ec == none);
    CHECK(result.close_notify_sent);
    CHECK(result.discarded == 100'000);
    CHECK(result.peer == stream_end::close_notify);
    s.work();
    CHECK(s.peer.received() == text);
}

// --- the caller's memory, and his objects ---

TEST_CASE(
    "F48 F49 halves: what was accepted needs the caller's memory no longer, and a call may be made again with other memory") {
    const auto version = any_version();
    std::string text;
    for (int i = 0; text.size() < 500; ++i) text += std::to_string(i) + " ";
    for (std::size_t room = 0; room < 700; room += 3) {
        CAPTURE(room);
        session s({.version = version});
        auto [reader, writer] = tls::split(std::move(s.stream));
        s.net.a().script({.room = room});
        std::error_code ec;
        std::size_t done = 0;
        for (int i = 0; i < 100 && done < text.size(); ++i) {
            // Each time from fresh memory, which is overwritten and freed as soon as the call returns.
            auto copy = std::make_unique<std::string>(text.substr(done, 100));
            writer.expires_at(s.net.now());
            done += writer.write_some(*copy, ec);
            std::fill(copy->begin(), copy->end(), '#');
            copy.reset();
            s.work();
            s.net.a().add_room(i < 3 ? 1 : 400);
        }
        REQUIRE(done == text.size());
        s.net.a().script({});
        CHECK(writer.flush(ec));
        s.work();
        CHECK(s.peer.received() == text);
    }
}

TEST_CASE("F71 halves: each may be moved between any two calls, also while the other one waits") {
    connected both(any_pair());
    const auto moved = [](auto& half) {
        auto kept = std::make_unique<std::remove_reference_t<decltype(half)>>(std::move(half));
        half = std::move(*kept);
    };
    for (int i = 0; i < 10; ++i) {
        waiting_read reading(both.reader);
        for (int j = 0; j < 5; ++j) {
            moved(both.writer);
            both.writer.write("from somewhere else");
        }
        both.server.write("an answer");
        CHECK(reading.text() == "an answer");
        moved(both.reader);
    }
    std::error_code ec;
    both.writer.shutdown(shutdown_mode::write, ec);
    moved(both.writer);
    CHECK(read_all(both.server, ec).size() == 50 * 19);
}

TEST_CASE("F72 halves: destroyed at each of their calls, in either order: no I/O, nothing leaks") {
    const auto version = any_version();
    const bool reader_first = GENERATE(false, true);
    std::size_t stops = 0;
    for (bool complete = false; !complete; ++stops) {
        CAPTURE(stops);
        REQUIRE(stops < 1000);
        session s({.version = version,
                   .on_close_notify = reaction::fin,
                   .handshake = false,
                   .net = {.on_unread_close = tests::unread_close::fin}});
        s.peer.send("a greeting");
        std::optional<tls::reader<tests::memory_socket>> reader;
        std::optional<tls::writer<tests::memory_socket>> writer;
        {
            auto halves = tls::split(std::move(s.stream));
            reader.emplace(std::move(halves.first));
            writer.emplace(std::move(halves.second));
        }
        tests::faults script{.read_chunk = 1000, .write_chunk = 1000};
        for (std::size_t i = stops; i < stops + 100; ++i) {
            script.calls.push_back(
                {tests::call_kind::io, i, tests::outcome::error(std::make_error_code(std::errc::timed_out))});
        }
        s.net.a().script(script);
        std::error_code ec;
        read_text(*reader, ec);
        if (!ec) writer->write(std::string(3000, 'w'), ec);
        if (!ec) writer->close({.timeout = 0ms}, ec);
        complete = s.net.a().calls().io <= stops;
        const auto before = s.net.a().calls();
        const auto sent = s.net.a().bytes_sent();
        if (reader_first) reader.reset();
        else writer.reset();
        const bool open = !s.net.a().closed();
        CHECK(s.net.a().bytes_sent() == sent);
        reader.reset();
        writer.reset();
        const auto after = s.net.a().calls();
        CHECK(after.io == before.io);
        CHECK(after.waits == before.waits);
        CHECK(after.shutdowns == before.shutdowns);
        CHECK(s.net.a().closed());
        if (open) CHECK(s.net.a().log().back().kind == tests::event_kind::destroyed);
        CHECK(tests::queue_is_empty());
    }
    CHECK(stops > 8);
}

TEST_CASE("F72 halves: one is destroyed while the other one waits, which goes on") {
    connected both(any_pair());
    std::error_code ec;
    SECTION("the writer") {
        waiting_read reading(both.reader);
        both.writer = {};
        both.server.write("go on");
        CHECK(reading.text() == "go on");
        CHECK(reading.error() == none);
    }
    SECTION("the reader") {
        const std::string text(8'000'000, 't');
        std::string got;
        {
            tests::waiting_thread writing([&] {
                both.writer.write(text, ec);
                both.writer.shutdown(shutdown_mode::write);
            });
            both.reader = {};
            std::error_code of_server;
            got = read_all(both.server, of_server);
            CHECK(of_server == none);
        }
        CHECK(ec == none);
        CHECK(got == text);
    }
    // The last one takes the socket along, without a word.
    both.reader = {};
    both.writer = {};
    read_all(both.server, ec);
    CHECK((ec == none || ec == tls::errc::truncated));
}

TEST_CASE("F73 halves: a call that is cut off at any of its I/O loses no byte when it is made again") {
    const auto version = any_version();
    const bool plain = GENERATE(false, true);
    const std::string text(30'000, 'w');
    const std::string answer(20'000, 'p');
    const auto run = [&](auto& s, std::size_t stop, const tests::outcome& fault) {
        auto [reader, writer] = tls::split(std::move(s.stream));
        s.net.a().script({.read_chunk = 5000, .write_chunk = 5000, .calls = {{tests::call_kind::io, stop, fault}}});
        std::error_code ec;
        std::size_t cut = 0;
        std::size_t done = 0;
        while (done < text.size()) {
            done += writer.write_some(std::span(text).subspan(done), ec);
            if (ec && ++cut > 1) break;
        }
        s.work();
        s.peer.send(answer);
        s.peer.close_notify();
        std::string got;
        for (bool over = false; !over;) {
            const auto some = read_text(reader, ec);
            got += some;
            if (ec && ++cut > 1) break;
            over = some.empty() && !ec;
        }
        shutdown_result result = writer.shutdown(shutdown_mode::both, ec);
        while (ec && ++cut <= 2) result = writer.shutdown(shutdown_mode::both, ec);
        s.work();
        CHECK(ec == none);
        CHECK(cut <= 1);
        CHECK(got == answer);
        CHECK(s.peer.received() == text);
        CHECK(result.clean());
    };
    for (std::size_t stop = 0; stop < 40; ++stop) {
        CAPTURE(stop);
        if (plain) {
            plain_session s({.version = version});
            run(s, s.net.a().calls().io + stop, tests::outcome::interrupted());
        } else {
            session s({.version = version});
            run(s, s.net.a().calls().io + stop,
                tests::outcome::error(std::make_error_code(stop % 2 == 0 ? std::errc::timed_out : std::errc::interrupted)));
        }
    }
}

TEST_CASE("F73 halves: a close or an abort calls a read out that waits, and what it had not read is not mistaken for an end") {
    const auto version = any_version();
    const auto how = GENERATE(0, 1, 2);
    connected both(any_pair(), version);
    waiting_read reading(both.reader);
    std::error_code ec;
    if (how == 0) both.writer.abort();
    if (how == 1) CHECK(both.writer.close({.timeout = 0ms}, ec).timed_out);
    if (how == 2) both.writer.next_layer().interrupt();  // the caller's own way: the transport ends
    const auto why = reading.error();
    CHECK(why == (how == 2 ? std::error_code(tls::errc::truncated) : canceled));
    CHECK(reading.text().empty());
    CHECK(both.reader.read_end() != stream_end::close_notify);
    CHECK(read_text(both.reader, ec).empty());
    CHECK(ec == (how == 2 ? tls::errc::truncated : tls::errc::not_open));
    read_all(both.server, ec);
    CHECK(ec == (how == 1 ? none : std::error_code(tls::errc::truncated)));
}

// --- two threads ---

TEST_CASE("F74 halves: the handshake that both halves begin at once is one, and each gets on with its own") {
    const auto version = any_version();
    for (int i = 0; i < 30; ++i) {
        auto pair = i % 2 == 0 ? tests::tcp_pair() : tests::unix_pair();
        auto [reader, writer] = tls::split(tcp_stream(std::move(pair.a), tests::client_of(version), "localhost"));
        auto [far_reader, far_writer] = tls::split(tcp_stream(std::move(pair.b), tests::server_of(version)));
        std::array<std::string, 2> got;
        std::array<std::error_code, 4> ec;
        std::array threads{
            std::thread([&, &half = reader] { got[0] = read_all(half, ec[0]); }),
            std::thread([&, &half = far_reader] { got[1] = read_all(half, ec[1]); }),
            std::thread([&, &half = far_writer] {
                half.write("from the server", ec[2]);
                half.shutdown(shutdown_mode::write);
            }),
            std::thread([&, &half = writer] {
                half.write("from the client", ec[3]);
                half.shutdown(shutdown_mode::write);
            }),
        };
        for (auto& thread : threads) thread.join();
        CHECK(ec == std::array<std::error_code, 4>{});
        CHECK(got == std::array<std::string, 2>{"from the server", "from the client"});
    }
}

// An answer wakes both at once. One sends the last flight and goes on to the peer's answer; the other one, who may be slow to come back,
// must look again at what there is to wait for.
TEST_CASE("F74 halves: who waits in the handshake for the other half, which completes it, does not wait for the peer then") {
    constexpr auto version = tls::protocol_version::tls1_2;
    for (int i = 0; i < 200; ++i) {
        auto pair = tests::unix_pair();
        std::thread server([&] {
            tcp_stream stream(std::move(pair.b), tests::server_of(version));
            std::error_code ec;
            stream.write("pong", ec);
            read_text(stream, ec);
        });
        std::promise<tls::verification> question;
        const tls::client_context context({.trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()),
                                           .max_version = version,
                                           .verify = [&](const tls::verification& one) { question.set_value(one); }});
        auto [reader, writer] = tls::split(tcp_stream(std::move(pair.a), context, "localhost"));
        std::string got;
        std::array<std::error_code, 2> ec;
        std::thread reading([&, &half = reader] { got = read_text(half, ec[0]); });
        std::thread writing([&, &half = writer] {
            half.expires_after(10s);
            half.write("ping", ec[1]);
            if (ec[1]) half.abort();
        });
        question.get_future().get().accept();
        for (auto* thread : {&reading, &writing, &server}) thread->join();
        REQUIRE(ec == std::array<std::error_code, 2>{});
        REQUIRE(got == "pong");
    }
}

TEST_CASE("F74 halves: a read that fails sends its alert, also while a write is held up") {
    const auto version = any_version();
    const bool busy = GENERATE(false, true);
    connected both(any_pair(), version);
    const std::string text(busy ? 4'000'000 : 10, 't');
    std::error_code of_writer;
    std::error_code of_reader;
    std::optional<tests::waiting_thread> writing;
    if (busy) writing.emplace([&] { both.writer.write(text, of_writer); });
    else both.writer.write(text);
    waiting_read reading(both.reader);
    both.server.next_layer().write_some("\x17\x03\x03\xff\xff");
    CHECK(reading.error().category() == tls::ssl_category());
    CHECK(reading.left_nothing());
    // What was written before comes first, whole records of it, and then the alert.
    std::string got;
    std::error_code ec;
    std::string some;
    while (!(some = read_text(both.server, ec)).empty()) got += some;
    CHECK(ec == std::error_code(SSL_AD_RECORD_OVERFLOW, tls::alert_category()));
    if (writing) writing->join();
    CHECK(text.starts_with(got));
    if (!busy) CHECK(got == text);
    CHECK(both.writer.write("refused", ec) == 0);
    CHECK(ec.category() == tls::ssl_category());
}

TEST_CASE("F74 halves: a peer's fatal alert beside a write that is under way: the read tells it, and the write has failed") {
    const auto version = any_version();
    for (int i = 0; i < 20; ++i) {
        CAPTURE(i);
        connected both(i % 2 == 0 ? tests::tcp_pair() : tests::unix_pair(), version);
        const std::error_code denied(SSL_AD_ACCESS_DENIED, tls::alert_category());
        std::error_code of_writer;
        std::error_code again;
        std::optional<tests::waiting_thread> writing(std::in_place, [&] {
            both.writer.write(std::string(8'000'000, 't'), of_writer);
            both.writer.write("x", again);
        });
        waiting_read reading(both.reader);
        both.server.write("last words");
        CHECK(reading.text() == "last words");
        REQUIRE(::SSL_send_fatal_alert(both.server.native_handle(), SSL_AD_ACCESS_DENIED) == 1);
        std::error_code of_reader;
        CHECK(read_text(both.reader, of_reader).empty());
        CHECK(of_reader == denied);
        both.server.abort();
        writing.reset();
        // Which of the two comes first is up to the network; then it stays.
        CHECK((of_writer == denied || of_writer == std::errc::broken_pipe || of_writer == std::errc::connection_reset));
        CHECK(again == of_writer);
        CHECK(both.reader.read_end() == stream_end::failed);
    }
}

TEST_CASE("F75 halves: shutdown(both) beside a read that waits: one clean end, told by both") {
    const auto version = any_version();
    for (int i = 0; i < 50; ++i) {
        CAPTURE(i);
        connected both(i % 2 == 0 ? tests::tcp_pair() : tests::unix_pair(), version);
        std::optional<waiting_read> reading(std::in_place, both.reader);
        std::thread peer([&] {
            std::error_code ec;
            read_all(both.server, ec);
            both.server.close(ec);
        });
        std::error_code ec;
        const auto result = both.writer.shutdown(shutdown_mode::both, patient, ec);
        CHECK(ec == none);
        CHECK(result.clean());
        CHECK(reading->error() == none);
        CHECK(reading->text().empty());
        CHECK(both.reader.read_end() == stream_end::close_notify);
        peer.join();
        CHECK(tls::join(std::move(both.reader), std::move(both.writer)).close().clean());
    }
}

TEST_CASE("F75 halves: a read that is made while shutdown(both) receives gets what comes, and the shutdown waits for it") {
    connected both(any_pair());
    std::error_code of_writer;
    shutdown_result result;
    std::string got;
    std::error_code ec;
    {
        tests::waiting_thread shutting([&] { result = both.writer.shutdown(shutdown_mode::both, patient, of_writer); });
        waiting_read reading(both.reader);
        both.server.write("for the reader");
        got = reading.text();
        both.server.shutdown(shutdown_mode::write);
    }
    CHECK(got == "for the reader");
    CHECK(of_writer == none);
    CHECK(result.clean());
}

TEST_CASE(
    "F12 halves: an exception out of the socket comes out of the call it happened in, and the other half has failed too") {
    session s;
    auto [reader, writer] = tls::split(std::move(s.stream));
    const bool reads = GENERATE(false, true);
    s.net.a().script(tests::at_call(reads ? tests::call_kind::read : tests::call_kind::write,
                                    reads ? s.net.a().calls().reads : s.net.a().calls().writes, tests::outcome::exception()));
    std::error_code ec;
    if (reads) CHECK_THROWS_AS(read_text(reader, ec), tests::injected_exception);
    else CHECK_THROWS_AS(writer.write("x", ec), tests::injected_exception);
    CHECK(read_text(reader, ec).empty());
    CHECK(ec == tls::errc::exception_thrown);
    CHECK(writer.write("x", ec) == 0);
    CHECK(ec == tls::errc::exception_thrown);
    CHECK_FALSE(writer.close(ec).close_notify_sent);
    CHECK(s.net.a().closed());
}

TEST_CASE("F76 halves: 64 threads with connections of one context, which is gone while they live") {
    constexpr std::size_t threads = 64;
    auto client = std::make_unique<tls::client_context>(tests::client_of(tls::protocol_version::tls1_3));
    auto server = std::make_unique<tls::server_context>(tests::server_of(tls::protocol_version::tls1_3));
    std::array<std::string, threads> got;
    std::array<std::error_code, threads> ec;
    std::barrier<> made(threads + 1);
    std::barrier<> gone(threads + 1);
    std::vector<std::thread> running;
    for (std::size_t i = 0; i < threads; ++i) {
        running.emplace_back([&, i] {
            auto pair = tests::unix_pair();
            auto [reader, writer] = tls::split(tcp_stream(std::move(pair.a), *client, "localhost"));
            tcp_stream far(std::move(pair.b), *server);
            made.arrive_and_wait();
            gone.arrive_and_wait();
            std::thread other([&, &half = writer] {
                half.write("hello from " + std::to_string(i), ec[i]);
                half.shutdown(shutdown_mode::write);
            });
            std::error_code of_far;
            got[i] = read_all(far, of_far);
            far.close({.timeout = 0ms}, of_far);
            std::error_code of_reader;
            read_all(reader, of_reader);
            other.join();
        });
    }
    made.arrive_and_wait();
    client.reset();
    server.reset();
    gone.arrive_and_wait();
    for (auto& thread : running) thread.join();
    for (std::size_t i = 0; i < threads; ++i) {
        CHECK(ec[i] == none);
        CHECK(got[i] == "hello from " + std::to_string(i));
    }
}
