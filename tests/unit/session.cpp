// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Sessions as values: what they tell, and that they survive being written down, and nothing else does.

#include <tls/session.hpp>

#include <support/raw_resumption.hpp>
#include <support/refusal.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using std::chrono::system_clock;
using tests::check_refused;
using tests::connect_raw;
using tests::new_session;
using tests::queue_is_empty;
using tests::raw_connection_options;
using tests::with_stale_errors;
using tls::errc;
using tls::protocol_version;
using tls::session;

static_assert(std::is_nothrow_default_constructible_v<session> && std::is_nothrow_move_constructible_v<session>);
static_assert(!std::is_convertible_v<session, bool>);

std::uint16_t any_version() { return GENERATE(std::uint16_t{TLS1_2_VERSION}, std::uint16_t{TLS1_3_VERSION}); }

void allow_early_data(SSL* ssl) { ::SSL_set_early_data_enabled(ssl, 1); }

// The native session's own bytes.
std::vector<std::byte> native_bytes(const session& of) {
    std::uint8_t* data = nullptr;
    std::size_t size = 0;
    REQUIRE(::SSL_SESSION_to_bytes(of.native_handle(), &data, &size) == 1);
    const bssl::UniquePtr<std::uint8_t> owned(data);
    const auto bytes = std::as_bytes(std::span(data, size));
    return {bytes.begin(), bytes.end()};
}

// One of its own, that a test may change.
session changeable(std::uint16_t version = TLS1_3_VERSION) { return {new_session({.version = version}), "example.test"}; }

void check_no_session(std::span<const std::byte> serialized) {
    check_refused(errc::invalid_session,
                  [&](auto&... ec) { return with_stale_errors([&] { return session::parse(serialized, ec...); }); });
}

TEST_CASE("a session tells what it is good for", "[session]") {
    const std::uint16_t version = any_version();
    const bool tls1_3 = version == TLS1_3_VERSION;
    CAPTURE(version);
    const auto before = std::chrono::floor<std::chrono::seconds>(system_clock::now());
    const session one(new_session({.version = version}), "example.test");
    REQUIRE(one);
    CHECK(one.server_name() == "example.test");
    CHECK(one.version() == (tls1_3 ? protocol_version::tls1_3 : protocol_version::tls1_2));
    CHECK(one.established_at() >= before);
    CHECK(one.established_at() <= system_clock::now());
    CHECK(one.expires_at() - one.established_at() == std::chrono::seconds(::SSL_SESSION_get_timeout(one.native_handle())));
    CHECK(one.expires_at() > system_clock::now() + 5min);
    CHECK(one.single_use() == tls1_3);
    CHECK_FALSE(one.early_data_capable());
}

TEST_CASE("a session knows whether the server takes early data", "[session]") {
    const session one(new_session({.prepare_client = allow_early_data, .prepare_server = allow_early_data}), "example.test");
    CHECK(one.early_data_capable());
    CHECK(session::parse(one.serialize()).early_data_capable());
}

TEST_CASE("an empty session is nothing", "[session]") {
    session one = changeable();
    const session moved = std::move(one);
    CHECK(moved);
    for (const session& empty : {session(), session(nullptr, "example.test"), one}) {  // NOLINT(bugprone-use-after-move)
        CHECK_FALSE(empty);
        CHECK(empty.server_name().empty());
        CHECK_FALSE(empty.version());
        CHECK(empty.established_at() == system_clock::time_point());
        CHECK(empty.expires_at() == system_clock::time_point());
        CHECK_FALSE(empty.single_use());
        CHECK_FALSE(empty.early_data_capable());
        CHECK(empty.native_handle() == nullptr);
        check_refused(errc::not_open, [&](auto&... ec) { return !empty.serialize(ec...).empty(); });
    }
}

TEST_CASE("copies of a session share it", "[session]") {
    session one = changeable();
    SSL_SESSION* const native = one.native_handle();
    const session copy = one;
    one = session();
    CHECK(copy.native_handle() == native);
    CHECK(copy.server_name() == "example.test");
}

TEST_CASE("times beyond the clock's end are the clock's end", "[session]") {
    const session one = changeable();
    constexpr auto last = static_cast<std::uint64_t>(
        std::chrono::floor<std::chrono::seconds>(system_clock::time_point::max()).time_since_epoch().count());
    ::SSL_SESSION_set_timeout(one.native_handle(), 10);
    for (const std::uint64_t far : {last + 1, std::numeric_limits<std::uint64_t>::max()}) {
        ::SSL_SESSION_set_time(one.native_handle(), far);
        CHECK(one.established_at() == system_clock::time_point::max());
        CHECK(one.expires_at() == system_clock::time_point::max());
    }
    ::SSL_SESSION_set_time(one.native_handle(), last - 10);
    CHECK(one.established_at() == system_clock::time_point(std::chrono::seconds(last - 10)));
    CHECK(one.expires_at() == system_clock::time_point(std::chrono::seconds(last)));
    ::SSL_SESSION_set_time(one.native_handle(), last - 9);
    CHECK(one.expires_at() == system_clock::time_point::max());
    ::SSL_SESSION_set_time(one.native_handle(), 0);
    CHECK(one.expires_at() == system_clock::time_point(10s));
}

TEST_CASE("a session is written down, read again, and resumed", "[session]") {
    const std::uint16_t version = any_version();
    CAPTURE(version);
    const tls::ticket_keys keys;
    const session one(new_session({.version = version, .tickets = &keys}), "example.test");
    std::error_code ec = errc::truncated;
    const auto bytes = with_stale_errors([&] { return one.serialize(ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(one.serialize() == bytes);

    ec = errc::truncated;
    const session again = with_stale_errors([&] { return session::parse(bytes, ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    REQUIRE(again);
    CHECK(again.server_name() == "example.test");
    CHECK(again.version() == one.version());
    CHECK(again.established_at() == one.established_at());
    CHECK(again.expires_at() == one.expires_at());
    CHECK(again.single_use() == one.single_use());
    CHECK(again.serialize() == bytes);
    CHECK(native_bytes(again) == native_bytes(one));

    const auto resumed = connect_raw({.version = version, .resume = again.native_handle(), .tickets = &keys});
    CHECK(resumed.resumed);
}

TEST_CASE("any server name survives being written down", "[session]") {
    for (const std::string& name : {std::string(), std::string("::1"), std::string(253, 'a'), std::string("a\0b", 3)}) {
        const session one(new_session({}), name);
        CHECK(session::parse(one.serialize()).server_name() == name);
    }
}

TEST_CASE("no part of a serialized session is one", "[session]") {
    const std::uint16_t version = any_version();
    CAPTURE(version);
    const auto bytes = changeable(version).serialize();
    for (std::size_t size = 0; size != bytes.size(); ++size) {
        CAPTURE(size);
        std::error_code ec;
        CHECK_FALSE(session::parse(std::span(bytes).first(size), ec));
        CHECK(ec == errc::invalid_session);
        CHECK(queue_is_empty());
    }
    check_no_session({});
    check_no_session(std::span(bytes).first(8));
    check_no_session(std::span(bytes).first(bytes.size() - 1));
    check_no_session(std::span(bytes).subspan(1));
}

TEST_CASE("what is not a serialized session of this version is none", "[session]") {
    const session one = changeable();
    const auto bytes = one.serialize();
    auto longer = bytes;
    longer.push_back(std::byte{0});
    check_no_session(longer);
    check_no_session(native_bytes(one));
    // The form, the version, and the lengths.
    const std::size_t body = 8 + 2 + one.server_name().size();
    for (std::size_t at = 0; at != body + 3; ++at) {
        if (at >= 10 && at < body) continue;  // the name may be any
        CAPTURE(at);
        auto changed = bytes;
        changed[at] ^= std::byte{1};
        check_no_session(changed);
    }
}

TEST_CASE("a damaged session is refused or read, and nothing else", "[session]") {
    const auto bytes = changeable().serialize();
    auto changed = bytes;
    std::size_t refused = 0;
    for (std::size_t at = 0; at != bytes.size(); ++at) {
        for (const int bit : {0, 7}) {
            changed[at] = bytes[at] ^ std::byte(1 << bit);
            std::error_code ec;
            const session read = session::parse(changed, ec);
            refused += ec ? 1 : 0;
            if (static_cast<bool>(read) == static_cast<bool>(ec) || (ec && ec != errc::invalid_session) || !queue_is_empty()) {
                FAIL_CHECK("octet " << at << ", bit " << bit);
            }
        }
        changed[at] = bytes[at];
    }
    CHECK(refused > 0);
}

TEST_CASE("sessions of other protocol versions are refused", "[session]") {
    const session one = changeable(TLS1_2_VERSION);
    for (const std::uint16_t other :
         {std::uint16_t{TLS1_VERSION}, std::uint16_t{TLS1_1_VERSION}, std::uint16_t{DTLS1_2_VERSION}}) {
        CAPTURE(other);
        REQUIRE(::SSL_SESSION_set_protocol_version(one.native_handle(), other) == 1);
        check_no_session(one.serialize());
    }
    REQUIRE(::SSL_SESSION_set_protocol_version(one.native_handle(), TLS1_2_VERSION) == 1);
    CHECK(session::parse(one.serialize()));
}

TEST_CASE("a session that cannot be resumed is not written down", "[session]") {
    // In TLS 1.3 the connection's own session is none: those come with the tickets.
    bssl::UniquePtr<SSL_SESSION> own;
    (void)connect_raw({}, [&](SSL* client, SSL*) { own.reset(::SSL_get1_session(client)); });
    REQUIRE(own);
    REQUIRE(::SSL_SESSION_is_resumable(own.get()) == 0);
    const session one(std::move(own), "example.test");
    check_refused(errc::invalid_session, [&](auto&... ec) { return !one.serialize(ec...).empty(); });
}

}  // namespace
