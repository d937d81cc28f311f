// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Two engines against each other, the bytes carried by the test.

#include <tls/engine.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using tls::engine;
using tls::stream_end;
using tls::want;

namespace {

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// Carries at most `most` bytes, and tells how many.
std::size_t carry(engine& from, engine& to, std::size_t most = tests::no_limit) {
    std::size_t carried = 0;
    while (carried < most && !from.output().empty()) {
        const auto space = to.input_space();
        if (space.empty()) FAIL("input_space is empty");
        const std::size_t n = std::min({space.size(), from.output().size(), most - carried});
        std::copy_n(from.output().begin(), n, space.begin());
        to.input_received(n);
        from.output_sent(n);
        carried += n;
    }
    return carried;
}

void put(engine& into, std::string_view wire) {
    const auto space = into.input_space();
    REQUIRE(space.size() >= wire.size());
    std::transform(wire.begin(), wire.end(), space.begin(), [](char c) { return static_cast<std::byte>(c); });
    into.input_received(wire.size());
}

std::string text_of(std::span<const std::byte> from) {
    std::string text;
    for (const auto b : from) text.push_back(std::to_integer<char>(b));
    return text;
}

struct engines {
    explicit engines(tls::protocol_version version)
        : client(tests::client_of(version), "localhost"), server(tests::server_of(version)) {}

    void shake_hands() {
        for (;;) {
            const auto c = client.handshake();
            REQUIRE_FALSE(c.error);
            carry(client, server);
            const auto s = server.handshake();
            REQUIRE_FALSE(s.error);
            carry(server, client);
            if (c.wants == want::nothing && s.wants == want::nothing) return;
        }
    }
    engine client;
    engine server;
};

static_assert(std::is_nothrow_move_constructible_v<engine> && std::is_nothrow_move_assignable_v<engine>);
static_assert(!std::is_copy_constructible_v<engine>);

}  // namespace

TEST_CASE("engine: a handshake says what it wants at every step", "[engine]") {
    engines e(any_version());
    CHECK_FALSE(e.client.version());
    CHECK(e.client.output().empty());
    CHECK(e.server.handshake().wants == want::input);
    CHECK(e.server.output().empty());
    CHECK(e.client.handshake().wants == want::input);
    CHECK_FALSE(e.client.output().empty());
    const auto hello = e.client.output().size();
    CHECK(e.client.handshake().wants == want::input);  // asked again: nothing new
    CHECK(e.client.output().size() == hello);
    e.shake_hands();
    CHECK(e.client.version() == e.server.version());
    CHECK(e.client.cipher() == e.server.cipher());
    CHECK(e.server.server_name() == "localhost");
    const auto done = e.client.handshake();
    CHECK((done.wants == want::nothing && !done.error && done.bytes == 0));
    CHECK(tests::queue_is_empty());
}

TEST_CASE("engine: everything arrives in order, whatever the chunks", "[engine]") {
    engines e(any_version());
    const unsigned seed = GENERATE(range(0u, 20u));
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto up_to = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(1, most)(random); };
    const std::size_t most = std::array<std::size_t, 4>{1, 7, 3000, 100'000}[seed % 4];

    struct direction {
        engine* from;
        engine* to;
        std::string said{};
        std::string sent{};
        std::string heard{};
        bool closed = false;
        bool ended = false;
    };
    std::array<direction, 2> both{{{&e.client, &e.server}, {&e.server, &e.client}}};
    for (auto& d : both) {
        for (std::size_t i = 0; i < (most < 100 ? 2'000 : 200'000); ++i) d.said.push_back(static_cast<char>(random()));
    }
    std::size_t turns = 0;
    while (!both[0].ended || !both[1].ended) {
        if (++turns == 1'000'000) FAIL("it never ends");
        auto& d = both[random() % 2];
        if (d.sent.size() < d.said.size()) {
            const auto rest = std::string_view(d.said).substr(d.sent.size());
            const auto step = d.from->write(rest.substr(0, up_to(most)));
            if (step.error || (step.bytes == 0 && step.wants == want::nothing)) FAIL("write " << step.error);
            d.sent += rest.substr(0, step.bytes);
        } else if (!d.closed) {
            REQUIRE_FALSE(d.from->close_notify().error);
            d.closed = true;
        }
        carry(*d.from, *d.to, up_to(most));
        std::string into(up_to(most), '\0');
        const auto step = d.to->read(into);
        if (step.error || !tests::queue_is_empty()) FAIL("read " << step.error);
        d.heard += into.substr(0, step.bytes);
        if (step.bytes == 0 && step.wants == want::nothing) d.ended = true;
    }
    for (const auto& d : both) {
        CHECK(d.heard == d.said);
        CHECK(d.to->read_end() == stream_end::close_notify);
    }
}

TEST_CASE("engine: write takes what there is room for, at least a record, and wants output when there is none", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    const std::string text(300'000, 'x');
    std::size_t accepted = 0;
    for (;;) {
        const auto step = e.client.write(std::string_view(text).substr(0, 100'000));
        REQUIRE_FALSE(step.error);
        if (step.wants == want::output) {
            CHECK(step.bytes == 0);
            break;
        }
        CHECK(step.bytes >= 16384);
        accepted += step.bytes;
        REQUIRE(accepted < 200'000);
    }
    std::string heard;
    std::string into(20'000, '\0');
    while (carry(e.client, e.server, 10'000) != 0) {
        while (const auto n = e.server.read(into).bytes) heard += into.substr(0, n);
    }
    CHECK(heard.size() == accepted);
    CHECK(e.client.write(text).bytes >= 16384);
}

TEST_CASE("engine: close_notify comes after everything written, once, and refuses writes", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    CHECK(e.client.write("last words").bytes == 10);
    CHECK_FALSE(e.client.close_notify().error);
    const auto pending = e.client.output().size();
    CHECK_FALSE(e.client.close_notify().error);
    CHECK(e.client.output().size() == pending);
    CHECK(e.client.write("more").error == tls::errc::write_shut_down);
    CHECK(e.client.output().size() == pending);
    carry(e.client, e.server);
    std::string into(100, '\0');
    CHECK(e.server.read(into).bytes == 10);
    for (int i = 0; i < 2; ++i) {
        const auto end = e.server.read(into);
        CHECK((end.bytes == 0 && end.wants == want::nothing && !end.error));
    }
    CHECK(e.server.read_end() == stream_end::close_notify);

    // The other direction is open.
    CHECK(e.server.write("answer").bytes == 6);
    carry(e.server, e.client);
    CHECK(e.client.read(into).bytes == 6);
    CHECK(e.client.read(into).wants == want::input);
    CHECK(e.client.read_end() == stream_end::open);
}

TEST_CASE("engine: close_notify before the handshake sends nothing", "[engine]") {
    engines e(any_version());
    CHECK_FALSE(e.client.close_notify().error);
    CHECK(e.client.output().empty());
    CHECK(e.client.write("text").error == tls::errc::write_shut_down);
    CHECK(e.client.output().empty());
}

TEST_CASE("engine: an empty range does nothing", "[engine]") {
    engines e(any_version());
    const auto read = e.client.read(std::span<std::byte>());
    CHECK((read.bytes == 0 && read.wants == want::nothing && !read.error));
    const auto written = e.client.write("");
    CHECK((written.bytes == 0 && written.wants == want::nothing && !written.error));
    CHECK(e.client.output().empty());
}

TEST_CASE("engine: surplus is what followed close_notify", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    CHECK(e.server.write("data").bytes == 4);
    CHECK_FALSE(e.server.close_notify().error);
    carry(e.server, e.client);
    put(e.client, "plain text");
    CHECK(e.client.surplus().empty());  // not before close_notify was read
    std::string into(100, '\0');
    CHECK(e.client.read(into).bytes == 4);
    CHECK(e.client.surplus().empty());
    CHECK(e.client.read(into).bytes == 0);
    CHECK(e.client.read_end() == stream_end::close_notify);
    CHECK(text_of(e.client.surplus()) == "plain text");
    put(e.client, " and more");
    CHECK(text_of(e.client.surplus()) == "plain text and more");
}

TEST_CASE("engine: the transport's end and failure come after everything before them, and stay", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    const std::error_code broken{static_cast<int>(std::errc::io_error), std::system_category()};
    const std::error_code reset{static_cast<int>(std::errc::connection_reset), std::system_category()};
    CHECK(e.server.write("before").bytes == 6);
    std::string into(100, '\0');
    std::error_code expected;
    stream_end end = stream_end::truncated;
    bool writable = false;
    SECTION("ended at a record's edge") {
        carry(e.server, e.client);
        e.client.input_ended();
        expected = tls::errc::truncated;
        writable = true;
    }
    SECTION("ended inside a record") {
        carry(e.server, e.client);
        CHECK(e.server.write("cut").bytes == 3);
        carry(e.server, e.client, 7);
        e.client.input_ended();
        expected = tls::errc::truncated;
        writable = true;
    }
    SECTION("failed") {
        carry(e.server, e.client);
        e.client.input_failed(broken);
        expected = broken;
        end = stream_end::failed;
    }
    SECTION("reset") {
        carry(e.server, e.client);
        e.client.input_failed(reset);
        expected = reset;
        end = stream_end::reset;
    }
    SECTION("the first end counts") {
        carry(e.server, e.client);
        e.client.input_failed(broken);
        e.client.input_ended();
        expected = broken;
        end = stream_end::failed;
    }
    CHECK(e.client.read_end() == stream_end::open);
    CHECK(e.client.read(into).bytes == 6);
    for (int i = 0; i < 2; ++i) {
        const auto step = e.client.read(into);
        CHECK(step.bytes == 0);
        CHECK(step.error == expected);
        CHECK(e.client.read_end() == end);
    }
    CHECK(e.client.write("text").error == (writable ? std::error_code() : expected));
    CHECK(tests::queue_is_empty());
}

TEST_CASE("engine: the end of the transport in the handshake", "[engine]") {
    engines e(any_version());
    CHECK(e.client.handshake().wants == want::input);
    e.client.input_ended();
    CHECK(e.client.handshake().error == tls::errc::handshake_truncated);
    CHECK(e.client.write("text").error == tls::errc::handshake_truncated);
    std::string into(10, '\0');
    CHECK(e.client.read(into).error == tls::errc::handshake_truncated);
}

TEST_CASE("engine: a failure leaves its alert in the output; nothing follows it", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    CHECK(e.client.write("first").bytes == 5);
    put(e.client, "this is no TLS record");
    std::string into(10, '\0');
    const auto failure = e.client.read(into).error;
    CHECK(failure.category() == tls::ssl_category());
    const auto pending = e.client.output().size();
    CHECK(e.client.write("more").error == failure);
    CHECK_FALSE(e.client.close_notify().error);
    CHECK(e.client.output().size() == pending);
    carry(e.client, e.server);
    CHECK(e.server.read(into).bytes == 5);
    const auto alert = e.server.read(into).error;
    CHECK(alert.category() == tls::alert_category());
    CHECK(e.server.read_end() == stream_end::failed);
    CHECK(e.server.write("text").error == alert);
    CHECK(e.server.output().empty());
}

TEST_CASE("engine: after the peer's fatal alert what was pending is not sent any more", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    put(e.server, "this is no TLS record");
    std::string into(10, '\0');
    CHECK(e.server.read(into).error);
    CHECK(e.client.write("pending").bytes == 7);
    carry(e.server, e.client);
    CHECK(e.client.read(into).error.category() == tls::alert_category());
    CHECK(e.client.output().empty());
}

TEST_CASE("engine: an empty one refuses by name", "[engine]") {
    engines e(any_version());
    const engine taken(std::move(e.client));
    std::string into(10, '\0');
    CHECK_FALSE(e.client);
    CHECK(e.client.handshake().error == tls::errc::not_open);
    CHECK(e.client.read(into).error == tls::errc::not_open);
    CHECK(e.client.write("text").error == tls::errc::not_open);
    CHECK(e.client.close_notify().error == tls::errc::not_open);
    CHECK(e.client.input_space().empty());
    CHECK(e.client.output().empty());
    CHECK(e.client.surplus().empty());
    e.client.input_received(0);
    e.client.output_sent(0);
    e.client.input_ended();
    e.client.input_failed(tls::errc::truncated);
    CHECK(e.client.read_end() == stream_end::open);
    CHECK(e.client.native_handle() == nullptr);
    CHECK_FALSE(e.client.version());
}

TEST_CASE("engine: create tells why there is none, and the constructor throws it", "[engine]") {
    std::error_code ec;
    const auto& client = tests::client_of(tls::protocol_version::tls1_3);
    CHECK_FALSE(engine::create(client, "", ec));
    CHECK(ec == tls::errc::server_name_required);
    CHECK_FALSE(engine::create(client, "not a name", ec));
    CHECK(ec == tls::errc::invalid_server_name);
    CHECK(engine::create(client, "localhost", ec));
    CHECK_FALSE(ec);
    auto server = tests::server_of(tls::protocol_version::tls1_3);
    CHECK(engine::create(server, ec));
    CHECK_FALSE(ec);
    const auto taken = std::move(server);
    CHECK_FALSE(engine::create(server, ec));
    CHECK(ec == tls::errc::not_open);
    CHECK_THROWS_AS(engine(server), tls::error);
    CHECK_THROWS_AS(engine(client, ""), tls::error);
}

TEST_CASE("engine: moving carries everything along", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    CHECK(e.client.write("pending").bytes == 7);
    engine moved(std::move(e.client));
    engine assigned = std::move(moved);
    carry(assigned, e.server);
    std::string into(10, '\0');
    CHECK(e.server.read(into).bytes == 7);
    CHECK(e.server.write("back").bytes == 4);
    carry(e.server, assigned);
    CHECK(assigned.read(into).bytes == 4);
}

TEST_CASE("F68 engine: stale entries on the error queue mean nothing", "[engine]") {
    engines e(any_version());
    e.shake_hands();
    std::string into(10, '\0');
    const auto step = tests::with_stale_errors([&] { return e.client.read(into); });
    CHECK((step.wants == want::input && !step.error));
    CHECK(tests::queue_is_empty());
    CHECK(tests::with_stale_errors([&] { return e.client.write("text"); }).bytes == 4);
    CHECK(tests::queue_is_empty());
    CHECK_FALSE(tests::with_stale_errors([&] { return e.client.close_notify(); }).error);
    CHECK(tests::queue_is_empty());
}
