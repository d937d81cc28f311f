// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Ticket keys as values, and what tickets that are sealed with them are good for: on which server, after which rotation.

#include <tls/ticket_keys.hpp>

#include <support/raw_resumption.hpp>
#include <support/refusal.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using tests::check_refused;
using tests::connect_raw;
using tests::new_session;
using tests::queue_is_empty;
using tls::errc;
using tls::ticket_key;
using tls::ticket_keys;

static_assert(std::is_nothrow_default_constructible_v<ticket_key> && std::is_nothrow_move_constructible_v<ticket_key>);
static_assert(std::is_nothrow_move_constructible_v<ticket_keys>);
static_assert(!std::is_convertible_v<ticket_key, bool> && !std::is_convertible_v<ticket_keys, bool>);
static_assert(!std::is_convertible_v<std::vector<ticket_key>, ticket_keys>);

// Octets of a temporary would be gone at once.
template <class Key>
concept shows_octets = requires(Key&& key) { std::forward<Key>(key).bytes(); };
static_assert(shows_octets<const ticket_key&> && !shows_octets<ticket_key>);

// The name of one key, the secrets of another.
ticket_key impostor(const ticket_key& of) {
    std::array<std::byte, ticket_key::size> octets;
    const ticket_key other = ticket_key::generate();
    std::ranges::copy(other.bytes(), octets.begin());
    std::ranges::copy(of.name(), octets.begin());
    return ticket_key::from_bytes(octets);
}

std::vector<std::byte> ticket_of(const SSL_SESSION* session) {
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    ::SSL_SESSION_get0_ticket(session, &data, &size);
    const auto bytes = std::as_bytes(std::span(data, size));
    return {bytes.begin(), bytes.end()};
}

bool is_sealed_with(const SSL_SESSION* session, const ticket_key& key) {
    const auto ticket = ticket_of(session);
    return ticket.size() > key.name().size() && std::ranges::equal(std::span(ticket).first(key.name().size()), key.name());
}

// What BoringSSL has at hand for a ticket.
struct sealing {
    std::array<std::uint8_t, SSL_TICKET_KEY_NAME_LEN> name{};
    std::array<std::uint8_t, EVP_MAX_IV_LENGTH> iv{};
    bssl::ScopedEVP_CIPHER_CTX cipher{};
    bssl::ScopedHMAC_CTX mac{};

    int use(const ticket_keys& keys, bool seal) {
        return tls::detail::use_ticket_key(keys, name.data(), iv.data(), cipher.get(), mac.get(), seal);
    }
};

std::uint16_t any_version() { return GENERATE(std::uint16_t{TLS1_2_VERSION}, std::uint16_t{TLS1_3_VERSION}); }

TEST_CASE("a ticket key is 80 octets, and no two are the same", "[ticket_keys]") {
    const ticket_key key = ticket_key::generate();
    REQUIRE(key);
    REQUIRE(key.bytes().size() == 80);
    CHECK(key.name().size() == 16);
    CHECK(key.name().data() == key.bytes().data());

    // Each of the three parts is random.
    const ticket_key other = ticket_key::generate();
    for (const auto& [from, size] : {std::pair{0, 16}, std::pair{16, 32}, std::pair{48, 32}}) {
        const auto a = key.bytes().subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(size));
        const auto b = other.bytes().subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(size));
        CHECK_FALSE(std::ranges::equal(a, b));
    }
    CHECK(key != other);

    const ticket_key again = ticket_key::from_bytes(key.bytes());
    CHECK(again == key);
    CHECK(std::ranges::equal(again.bytes(), key.bytes()));

    std::vector<std::byte> octets(key.bytes().begin(), key.bytes().end());
    for (std::byte& one : octets) {
        one ^= std::byte{1};
        CHECK(ticket_key::from_bytes(octets) != key);
        one ^= std::byte{1};
    }
}

TEST_CASE("what is not 80 octets is no ticket key", "[ticket_keys]") {
    for (const std::size_t size : {0u, 1u, 48u, 79u, 81u, 160u}) {
        CAPTURE(size);
        const std::vector<std::byte> octets(size);
        check_refused(errc::invalid_ticket_key, [&](auto&... ec) { return ticket_key::from_bytes(octets, ec...); });
    }
    std::error_code ec = errc::truncated;
    CHECK(ticket_key::from_bytes(std::vector<std::byte>(80), ec));
    CHECK_FALSE(ec);
}

TEST_CASE("an empty ticket key has nothing", "[ticket_keys]") {
    ticket_key key = ticket_key::generate();
    const ticket_key copy = key;
    const ticket_key moved = std::move(key);
    CHECK(moved == copy);
    for (const ticket_key& empty : {ticket_key(), key}) {  // NOLINT(bugprone-use-after-move)
        CHECK_FALSE(empty);
        CHECK(empty.bytes().empty());
        CHECK(empty.name().empty());
        CHECK(empty == ticket_key());
        CHECK(empty != copy);
    }
}

TEST_CASE("a server's ticket keys are checked", "[ticket_keys]") {
    const ticket_key a = ticket_key::generate();
    const ticket_key b = ticket_key::generate();

    CHECK(ticket_keys().size() == 1);
    CHECK(ticket_keys().keys() != ticket_keys().keys());
    CHECK(ticket_keys({a, b}).keys() == std::vector{a, b});
    CHECK(ticket_keys({a, b, a}).keys() == std::vector{a, b});
    CHECK(ticket_keys({a, ticket_key::from_bytes(a.bytes())}).keys() == std::vector{a});

    const std::vector<std::vector<ticket_key>> bad{{}, {ticket_key()}, {a, ticket_key()}, {a, b, impostor(a)}};
    ticket_keys keys({a, b});
    for (const auto& list : bad) {
        CAPTURE(list.size());
        check_refused(errc::invalid_ticket_key, [&](auto&... ec) {
            if constexpr (sizeof...(ec) == 0) return ticket_keys(list);
            else return ticket_keys::create(list, ec...);
        });
        check_refused(errc::invalid_ticket_key, [&](auto&... ec) { keys.set(list, ec...); });
        CHECK(keys.keys() == std::vector{a, b});
    }
    std::error_code ec = errc::truncated;
    CHECK(ticket_keys::create({a}, ec).size() == 1);
    CHECK_FALSE(ec);
}

TEST_CASE("rotation puts a key in front and keeps some behind it", "[ticket_keys]") {
    const ticket_key a = ticket_key::generate();
    const ticket_key b = ticket_key::generate();
    const ticket_key c = ticket_key::generate();
    const ticket_key d = ticket_key::generate();
    ticket_keys keys({a});
    keys.rotate(b);
    CHECK(keys.keys() == std::vector{b, a});
    keys.rotate(c);
    CHECK(keys.keys() == std::vector{c, b, a});
    std::error_code ec = errc::truncated;
    keys.rotate(d, ec);
    CHECK_FALSE(ec);
    CHECK(keys.keys() == std::vector{d, c, b});
    keys.rotate(b);  // is there already
    CHECK(keys.keys() == std::vector{b, d, c});
    keys.rotate(b);
    CHECK(keys.keys() == std::vector{b, d, c});
    keys.rotate(a, 1, ec);
    CHECK(keys.keys() == std::vector{a, b});
    keys.rotate(c, 100);
    CHECK(keys.keys() == std::vector{c, a, b});
    keys.rotate(d, 0);
    CHECK(keys.keys() == std::vector{d});
    CHECK(keys.size() == 1);

    keys.set({a, b, c});
    check_refused(errc::invalid_ticket_key, [&](auto&... ec_) { keys.rotate(ticket_key(), ec_...); });
    for (const std::size_t keep : {0u, 2u}) {
        check_refused(errc::invalid_ticket_key, [&](auto&... ec_) { keys.rotate(impostor(c), keep, ec_...); });
    }
    CHECK(keys.keys() == std::vector{a, b, c});
}

TEST_CASE("copies of ticket keys are the same keys, and moving leaves none", "[ticket_keys]") {
    const ticket_key next = ticket_key::generate();
    ticket_keys keys;
    const ticket_keys copy = keys;
    keys.set({next});
    CHECK(copy.keys() == std::vector{next});

    ticket_keys moved = std::move(keys);
    CHECK(moved.keys() == copy.keys());
    CHECK_FALSE(keys);  // NOLINT(bugprone-use-after-move)
    check_refused(errc::not_open, [&](auto&... ec) { keys.set({next}, ec...); });
    check_refused(errc::not_open, [&](auto&... ec) { keys.rotate(next, ec...); });
    CHECK_THROWS_AS(keys.keys(), tls::error);
    CHECK_THROWS_AS(keys.size(), tls::error);
}

TEST_CASE("servers with the same ticket keys resume each other's sessions", "[ticket_keys]") {
    const std::uint16_t version = any_version();
    CAPTURE(version);
    const ticket_keys here;
    // Another machine: all that it has is the octets.
    const ticket_key key = ticket_key::from_bytes(here.keys().front().bytes());
    const ticket_keys there({key});

    const auto session = new_session({.version = version, .tickets = &here});
    CHECK(is_sealed_with(session.get(), key));
    CHECK(connect_raw({.version = version, .resume = session.get(), .tickets = &here}).resumed);
    CHECK(connect_raw({.version = version, .resume = session.get(), .tickets = &there}).resumed);

    // A server with other keys, and one with the right name and the wrong secrets, make a full handshake of it.
    for (const ticket_keys& others : {ticket_keys(), ticket_keys({impostor(key)})}) {
        const auto full = connect_raw({.version = version, .resume = session.get(), .tickets = &others});
        CHECK(full.established);
        CHECK_FALSE(full.resumed);
    }
    CHECK(queue_is_empty());
}

TEST_CASE("a ticket that was tampered with is a full handshake", "[ticket_keys]") {
    const std::uint16_t version = any_version();
    CAPTURE(version);
    const ticket_keys keys;
    const auto session = new_session({.version = version, .tickets = &keys});
    const auto ticket = ticket_of(session.get());
    // Name, IV, and what is encrypted, at both of its ends, and the MAC.
    for (const std::size_t at : {std::size_t{0}, std::size_t{16}, std::size_t{32}, ticket.size() - 33, ticket.size() - 1}) {
        CAPTURE(at);
        auto changed = ticket;
        changed[at] ^= std::byte{0x80};
        REQUIRE(::SSL_SESSION_set_ticket(session.get(), reinterpret_cast<const std::uint8_t*>(changed.data()),
                                         changed.size()) == 1);
        const auto full = connect_raw({.version = version, .resume = session.get(), .tickets = &keys});
        CHECK(full.established);
        CHECK_FALSE(full.resumed);
    }
    REQUIRE(::SSL_SESSION_set_ticket(session.get(), reinterpret_cast<const std::uint8_t*>(ticket.data()), ticket.size()) == 1);
    CHECK(connect_raw({.version = version, .resume = session.get(), .tickets = &keys}).resumed);
}

TEST_CASE("a ticket is encrypted by AES-256-CBC and authenticated by HMAC-SHA256", "[ticket_keys]") {
    const ticket_keys keys;
    const ticket_key key = keys.keys().front();
    const auto session = new_session({.tickets = &keys});
    const auto ticket = ticket_of(session.get());
    const auto* const octets = reinterpret_cast<const std::uint8_t*>(ticket.data());
    const auto* const secrets = reinterpret_cast<const std::uint8_t*>(key.bytes().data());
    REQUIRE(ticket.size() > 16 + 16 + 16 + 32);

    std::array<std::uint8_t, 32> mac;
    unsigned mac_size = 0;
    REQUIRE(::HMAC(::EVP_sha256(), secrets + 16, 32, octets, ticket.size() - 32, mac.data(), &mac_size) != nullptr);
    CHECK(std::equal(mac.begin(), mac.end(), octets + ticket.size() - 32));

    std::vector<std::uint8_t> opened(ticket.size());
    int first = 0;
    int last = 0;
    bssl::ScopedEVP_CIPHER_CTX cipher;
    REQUIRE(::EVP_DecryptInit_ex(cipher.get(), ::EVP_aes_256_cbc(), nullptr, secrets + 48, octets + 16) == 1);
    REQUIRE(::EVP_DecryptUpdate(cipher.get(), opened.data(), &first, octets + 32, static_cast<int>(ticket.size()) - 64) == 1);
    REQUIRE(::EVP_DecryptFinal_ex(cipher.get(), opened.data() + first, &last) == 1);
    const bssl::UniquePtr<SSL_CTX> ctx(::SSL_CTX_new(::TLS_method()));
    const bssl::UniquePtr<SSL_SESSION> inside(
        ::SSL_SESSION_from_bytes(opened.data(), static_cast<std::size_t>(first + last), ctx.get()));
    REQUIRE(inside);
    CHECK(::SSL_SESSION_get_protocol_version(inside.get()) == TLS1_3_VERSION);
}

TEST_CASE("an older ticket key opens, and its ticket is renewed", "[ticket_keys]") {
    const std::uint16_t version = any_version();
    CAPTURE(version);
    ticket_keys keys;
    const auto session = new_session({.version = version, .tickets = &keys});
    const auto with_current = connect_raw({.version = version, .resume = session.get(), .tickets = &keys});
    CHECK(with_current.resumed);
    // TLS 1.3 gives new tickets always, TLS 1.2 only where they are needed.
    CHECK(with_current.sessions.empty() == (version == TLS1_2_VERSION));

    const ticket_key next = ticket_key::generate();
    keys.rotate(next);
    const auto with_older = connect_raw({.version = version, .resume = session.get(), .tickets = &keys});
    CHECK(with_older.resumed);
    REQUIRE_FALSE(with_older.sessions.empty());
    CHECK(is_sealed_with(with_older.sessions.back().get(), next));

    keys.rotate(ticket_key::generate());
    CHECK(connect_raw({.version = version, .resume = session.get(), .tickets = &keys}).resumed);
    keys.rotate(ticket_key::generate());
    const auto forgotten = connect_raw({.version = version, .resume = session.get(), .tickets = &keys});
    CHECK(forgotten.established);
    CHECK_FALSE(forgotten.resumed);
    CHECK(connect_raw({.version = version, .resume = with_older.sessions.back().get(), .tickets = &keys}).resumed);
}

TEST_CASE("a new ticket key is known everywhere before it seals", "[ticket_keys]") {
    const ticket_key old_key = ticket_key::generate();
    const ticket_key new_key = ticket_key::generate();
    const ticket_keys first({old_key, new_key});   // has been told
    const ticket_keys second({new_key, old_key});  // has gone on already
    const auto by_first = new_session({.tickets = &first});
    const auto by_second = new_session({.tickets = &second});
    CHECK(is_sealed_with(by_first.get(), old_key));
    CHECK(is_sealed_with(by_second.get(), new_key));
    CHECK(connect_raw({.resume = by_first.get(), .tickets = &second}).resumed);
    CHECK(connect_raw({.resume = by_second.get(), .tickets = &first}).resumed);
}

TEST_CASE("no two tickets have the same IV", "[ticket_keys]") {
    const ticket_keys keys;
    std::vector<std::array<std::uint8_t, EVP_MAX_IV_LENGTH>> vectors(1);  // of zeros
    for (int i = 0; i != 4; ++i) {
        sealing with;
        CHECK(with.use(keys, true) == 1);
        vectors.push_back(with.iv);
    }
    std::ranges::sort(vectors);
    CHECK(std::ranges::adjacent_find(vectors) == vectors.end());
}

TEST_CASE("without ticket keys nothing is sealed, and nothing opened", "[ticket_keys]") {
    ticket_keys gone;
    const ticket_keys keys = std::move(gone);
    sealing with;
    CHECK(with.use(gone, true) == -1);  // NOLINT(bugprone-use-after-move)
    CHECK(with.use(gone, false) == 0);
    CHECK(with.use(keys, false) == 0);  // the name is not known
    CHECK(with.use(keys, true) == 1);
    CHECK(with.use(keys, false) == 1);
    CHECK(queue_is_empty());
}

TEST_CASE("ticket keys rotate while servers use them", "[ticket_keys][threads]") {
    constexpr int rotations = 200;
    ticket_keys keys;
    std::atomic<bool> begun = false;
    std::atomic<int> resumed = 0;
    std::atomic<int> failed = 0;
    const auto serve = [&, own = keys] {
        while (!begun) std::this_thread::yield();
        for (int i = 0; i != 10; ++i) {
            const auto session = new_session({.tickets = &own});
            ++(connect_raw({.resume = session.get(), .tickets = &own}).resumed ? resumed : failed);
        }
    };
    (void)tests::test_pki();
    std::thread one(serve);
    std::thread other(serve);
    begun = true;
    for (int i = 0; i != rotations; ++i) {
        keys.rotate(ticket_key::generate(), rotations);
        if (i % 2 == 0) keys.set(keys.keys());
        std::this_thread::yield();
    }
    one.join();
    other.join();
    CHECK(failed == 0);
    CHECK(resumed == 20);
    CHECK(keys.size() == rotations + 1);
}

}  // namespace
