// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The client's cache of sessions: which one it gives, once or often, and what it lets go.

#include <tls/session_cache.hpp>

#include <support/raw_resumption.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using tests::new_session;
using tls::errc;
using tls::session;
using tls::session_cache;

static_assert(std::is_nothrow_move_constructible_v<session_cache>);
static_assert(!std::is_convertible_v<std::size_t, session_cache> && !std::is_convertible_v<session_cache, bool>);

// Sessions are copies of one, and are told apart by their session ID.
const session& original(std::uint16_t version) {
    static const session tls1_2(new_session({.version = TLS1_2_VERSION}), "original");
    static const session tls1_3(new_session({.version = TLS1_3_VERSION}), "original");
    return version == TLS1_2_VERSION ? tls1_2 : tls1_3;
}

session numbered(std::uint8_t number, std::string name = "a.test", std::uint16_t version = TLS1_3_VERSION) {
    const session copy = session::parse(original(version).serialize());
    REQUIRE(::SSL_SESSION_set1_id(copy.native_handle(), &number, 1) == 1);
    return {bssl::UpRef(copy.native_handle()), std::move(name)};
}

// Its number, or -1 of an empty one.
int number(const session& of) {
    if (!of) return -1;
    unsigned size = 0;
    const std::uint8_t* const id = ::SSL_SESSION_get_id(of.native_handle(), &size);
    return size == 1 ? *id : -2;
}

constexpr std::array<std::uint8_t, 2> first_context{1, 2};
constexpr std::array<std::uint8_t, 2> second_context{1, 3};

session in_context(std::uint8_t number, std::span<const std::uint8_t> context, std::uint16_t version = TLS1_3_VERSION) {
    session made = numbered(number, "a.test", version);
    REQUIRE(::SSL_SESSION_set1_id_context(made.native_handle(), context.data(), context.size()) == 1);
    return made;
}

template <class Call>
void check_not_open(Call&& call) {
    try {
        call();
        FAIL_CHECK("not refused");
    } catch (const tls::error& e) {
        CHECK(e.code() == errc::not_open);
    }
}

TEST_CASE("a session for single use is given once, the newest first", "[session_cache]") {
    const session_cache cache;
    CHECK_FALSE(cache.take("a.test"));
    cache.put(numbered(1));
    cache.put(numbered(2));
    cache.put(numbered(3));
    CHECK(cache.size() == 3);
    CHECK(number(cache.take("a.test")) == 3);
    CHECK(number(cache.take("a.test")) == 2);
    CHECK(cache.size() == 1);
    CHECK(number(cache.take("a.test")) == 1);
    CHECK(number(cache.take("a.test")) == -1);
    CHECK(cache.size() == 0);
}

TEST_CASE("a TLS 1.2 session is given again and again", "[session_cache]") {
    const session_cache cache;
    cache.put(numbered(1, "a.test", TLS1_2_VERSION));
    cache.put(numbered(2, "a.test", TLS1_2_VERSION));
    for (int i = 0; i != 3; ++i) CHECK(number(cache.take("a.test")) == 2);
    CHECK(cache.size() == 2);
    // One of either kind.
    cache.put(numbered(3));
    CHECK(number(cache.take("a.test")) == 3);
    CHECK(number(cache.take("a.test")) == 2);
}

TEST_CASE("sessions belong to a name and a port", "[session_cache]") {
    const session_cache cache;
    cache.put(numbered(1, "a.test"), 443);
    cache.put(numbered(2, "a.test"), 8443);
    cache.put(numbered(3, "b.test"), 443);
    cache.put(numbered(4, "a.test"));
    cache.put(numbered(5, "::1"), 443);
    CHECK(number(cache.take("a.test", 444)) == -1);
    CHECK(number(cache.take("c.test", 443)) == -1);
    CHECK(number(cache.take("a.tes", 443)) == -1);
    CHECK(number(cache.take("a.test.", 443)) == -1);
    CHECK(number(cache.take("", 443)) == -1);
    CHECK(cache.size() == 5);
    CHECK(number(cache.take("a.test", 443)) == 1);
    CHECK(number(cache.take("a.test", 443)) == -1);
    CHECK(number(cache.take("a.test", 8443)) == 2);
    CHECK(number(cache.take("b.test", 443)) == 3);
    CHECK(number(cache.take("a.test")) == 4);
    CHECK(number(cache.take("::1", 443)) == 5);
    // 0x4141 is "AA": a port is not part of a name.
    cache.put(numbered(6, "AAx"), 0);
    CHECK(number(cache.take("x", 0x4141)) == -1);
    CHECK(number(cache.take("x", 0x6161)) == -1);
}

TEST_CASE("names are compared without case, and no more is alike", "[session_cache]") {
    const session_cache cache;
    cache.put(numbered(1, "WWW.Example.test"));
    CHECK(number(cache.take("www.eXAMPLE.TEST")) == 1);
    cache.put(numbered(2, "www.example.test"));
    CHECK(number(cache.take("WWW.EXAMPLE.TEST")) == 2);
    // '@' and '[' stand beside the letters; 0xC0 and 0xE0 are a pair in Latin-1.
    cache.put(numbered(3, "@[\xC0"));
    CHECK(number(cache.take("`[\xC0")) == -1);
    CHECK(number(cache.take("@{\xC0")) == -1);
    CHECK(number(cache.take("@[\xE0")) == -1);
    CHECK(number(cache.take("@[\xC0")) == 3);
}

TEST_CASE("at most four sessions are kept for a server", "[session_cache]") {
    const session_cache cache;
    for (std::uint8_t i = 1; i != 8; ++i) cache.put(numbered(i));
    cache.put(numbered(9, "b.test"));
    CHECK(cache.size() == 5);
    for (const int expected : {7, 6, 5, 4, -1}) CHECK(number(cache.take("a.test")) == expected);
    CHECK(number(cache.take("b.test")) == 9);
}

TEST_CASE("a full cache forgets who was used least recently", "[session_cache]") {
    const session_cache cache(3);
    CHECK(cache.capacity() == 3);
    cache.put(numbered(1, "a.test", TLS1_2_VERSION));
    cache.put(numbered(2, "b.test", TLS1_2_VERSION));
    cache.put(numbered(3, "c.test", TLS1_2_VERSION));
    CHECK(number(cache.take("a.test")) == 1);  // b.test comes last now
    cache.put(numbered(4, "d.test", TLS1_2_VERSION));
    CHECK(cache.size() == 3);
    CHECK(number(cache.take("b.test")) == -1);
    cache.put(numbered(5, "c.test", TLS1_2_VERSION));  // is used by this, so that a.test loses its session
    CHECK(cache.size() == 3);
    CHECK(number(cache.take("a.test")) == -1);
    CHECK(number(cache.take("c.test")) == 5);
    // Of a server that has several the oldest goes.
    cache.put(numbered(6, "d.test", TLS1_2_VERSION));
    cache.put(numbered(7, "e.test"));
    CHECK(number(cache.take("e.test")) == 7);
    CHECK(cache.size() == 2);
    CHECK(number(cache.take("c.test")) == -1);
    CHECK(number(cache.take("d.test")) == 6);
}

TEST_CASE("a cache of one, and of none", "[session_cache]") {
    const session_cache one(1);
    one.put(numbered(1, "a.test"));
    one.put(numbered(2, "a.test"));
    CHECK(one.size() == 1);
    one.put(numbered(3, "b.test"));
    CHECK(one.size() == 1);
    CHECK(number(one.take("a.test")) == -1);
    CHECK(number(one.take("b.test")) == 3);
    CHECK(one.size() == 0);
    one.put(numbered(4, "a.test"));
    CHECK(number(one.take("a.test")) == 4);

    const session_cache none(0);
    none.put(numbered(1));
    CHECK(none.size() == 0);
    CHECK_FALSE(none.take("a.test"));
}

TEST_CASE("expired sessions are not given", "[session_cache]") {
    const session_cache cache;
    const session expired = numbered(1);
    ::SSL_SESSION_set_timeout(expired.native_handle(), 0);
    cache.put(expired);
    CHECK(cache.size() == 0);

    // Time passes: what was good when it was put in is not any more.
    std::vector<session> kept;
    for (std::uint8_t i = 1; i != 5; ++i) cache.put(kept.emplace_back(numbered(i)));
    ::SSL_SESSION_set_timeout(kept[3].native_handle(), 0);
    ::SSL_SESSION_set_timeout(kept[1].native_handle(), 0);
    CHECK(number(cache.take("a.test")) == 3);
    CHECK(cache.size() == 1);
    ::SSL_SESSION_set_timeout(kept[0].native_handle(), 0);
    CHECK_FALSE(cache.take("a.test"));
    CHECK(cache.size() == 0);
}

TEST_CASE("what cannot be resumed is not kept", "[session_cache]") {
    bssl::UniquePtr<SSL_SESSION> own;
    (void)tests::connect_raw({}, [&](SSL* client, SSL*) { own.reset(::SSL_get1_session(client)); });
    REQUIRE(::SSL_SESSION_is_resumable(own.get()) == 0);
    const session_cache cache;
    cache.put(session(std::move(own), "a.test"));
    CHECK(cache.size() == 0);
    check_not_open([&] { cache.put(session()); });
}

TEST_CASE("sessions of another configuration are never given", "[session_cache]") {
    using tls::detail::take_session;
    const session_cache cache;
    cache.put(in_context(1, first_context));
    cache.put(in_context(2, second_context));
    cache.put(in_context(3, first_context));
    cache.put(in_context(4, {}));
    CHECK(number(take_session(cache, "a.test", 0, second_context)) == 2);
    CHECK(number(take_session(cache, "a.test", 0, second_context)) == -1);
    CHECK(number(take_session(cache, "a.test", 0, std::span(first_context).first(1))) == -1);
    CHECK(number(take_session(cache, "a.test", 0, first_context)) == 3);
    CHECK(number(take_session(cache, "A.TEST", 0, first_context)) == 1);
    CHECK(number(take_session(cache, "a.test", 0, first_context)) == -1);
    CHECK(cache.size() == 1);
    CHECK(number(take_session(cache, "a.test", 0, {})) == 4);

    cache.put(in_context(5, first_context, TLS1_2_VERSION));
    for (int i = 0; i != 2; ++i) CHECK(number(take_session(cache, "a.test", 0, first_context)) == 5);
    CHECK(number(take_session(cache, "a.test", 0, second_context)) == -1);
}

TEST_CASE("a cache forgets what it is told to", "[session_cache]") {
    const session_cache cache;
    for (std::uint8_t i = 1; i != 4; ++i) cache.put(numbered(i), 443);
    cache.put(numbered(4), 444);
    cache.put(numbered(5, "b.test"), 443);
    cache.erase("A.test", 443);
    CHECK(cache.size() == 2);
    CHECK_FALSE(cache.take("a.test", 443));
    cache.erase("a.test", 443);
    CHECK(cache.size() == 2);
    CHECK(number(cache.take("a.test", 444)) == 4);
    cache.clear();
    CHECK(cache.size() == 0);
    CHECK_FALSE(cache.take("b.test", 443));
    cache.put(numbered(6, "b.test"), 443);
    CHECK(number(cache.take("b.test", 443)) == 6);
}

TEST_CASE("copies of a cache are the same cache, and moving leaves none", "[session_cache]") {
    session_cache cache;
    const session_cache copy = cache;
    cache.put(numbered(1));
    CHECK(number(copy.take("a.test")) == 1);
    CHECK(cache.size() == 0);

    const session_cache moved = std::move(cache);
    CHECK(moved);
    CHECK_FALSE(cache);  // NOLINT(bugprone-use-after-move)
    check_not_open([&] { cache.put(numbered(1)); });
    check_not_open([&] { (void)cache.take("a.test"); });
    check_not_open([&] { cache.erase("a.test"); });
    check_not_open([&] { cache.clear(); });
    check_not_open([&] { (void)cache.size(); });
    check_not_open([&] { (void)cache.capacity(); });
}

TEST_CASE("no two threads get the same session for single use", "[session_cache][threads]") {
    constexpr std::uint8_t rounds = 100;
    const session_cache cache(16);
    std::vector<session> fresh;
    for (std::uint8_t i = 0; i != rounds; ++i) fresh.push_back(numbered(i, i % 2 == 0 ? "a.test" : "b.test"));
    std::array<std::atomic<int>, rounds> given{};
    std::atomic<bool> all_in = false;
    const auto take = [&] {
        bool last = false;
        while (!last) {
            last = all_in;  // what was put in before is taken out in this round
            for (const std::string_view name : {"a.test", "b.test"}) {
                while (const session one = cache.take(name)) ++given[static_cast<std::size_t>(number(one))];
            }
            std::this_thread::yield();
        }
    };
    std::thread one(take);
    std::thread other(take);
    for (const session& next : fresh) cache.put(next);
    all_in = true;
    one.join();
    other.join();
    CHECK(cache.size() == 0);
    int sum = 0;
    for (const auto& times : given) {
        CHECK(times <= 1);
        sum += times;
    }
    CHECK(sum >= 8);  // at least what is left after the last one was put in
}

}  // namespace
