// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Pins are read in the forms that people have them in, and in no other.

#include <tls/pinned_keys.hpp>

#include <support/pki.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using tests::queue_is_empty;
using tests::with_stale_errors;
using tls::certificate;
using tls::errc;
using tls::pinned_keys;

static_assert(std::is_nothrow_default_constructible_v<pinned_keys> && std::is_copy_constructible_v<pinned_keys>);
static_assert(std::is_nothrow_move_constructible_v<pinned_keys> && std::is_nothrow_move_assignable_v<pinned_keys>);
static_assert(!std::is_convertible_v<pinned_keys, bool> && !std::is_convertible_v<pinned_keys::hash, pinned_keys>);

// 00 01 02 ... 1f, and 0xff 32 times, in every form.
constexpr std::string_view counting = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr std::string_view ones = "//////////////////////////////////////////8=";

pinned_keys::hash hash_of(unsigned first, unsigned step) {
    pinned_keys::hash hash{};
    for (std::size_t i = 0; i != hash.size(); ++i) hash[i] = std::byte(static_cast<std::uint8_t>(first + step * i));
    return hash;
}

pinned_keys only(const pinned_keys::hash& hash) {
    pinned_keys pinned;
    pinned.add(hash);
    return pinned;
}

std::error_code refused(const std::string& text) {
    std::error_code ec;
    const pinned_keys pinned = with_stale_errors([&] { return pinned_keys::from_text({text}, ec); });
    CHECK(queue_is_empty());
    CHECK_FALSE(pinned);
    return ec;
}

TEST_CASE("a pin is read as base64, with either prefix, and as hexadecimal digits") {
    const pinned_keys expected = only(hash_of(0, 1));
    const std::string base64(counting);
    const std::string digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const std::string colons =
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1b:1c:1d:1e:1f";
    for (const std::string& text : {base64, "sha256/" + base64, "sha256//" + base64, digits, colons}) {
        CAPTURE(text);
        std::error_code ec = errc::truncated;
        CHECK(with_stale_errors([&] { return pinned_keys::from_text({text}, ec); }) == expected);
        CHECK_FALSE(ec);
        CHECK(queue_is_empty());
        CHECK(pinned_keys::from_text({text}) == expected);
        CHECK(pinned_keys::from_text(std::array{text}) == expected);
    }
    CHECK(expected.to_text() == std::vector{"sha256/" + base64});
}

TEST_CASE("base64 that begins with a slash is not taken for the longer prefix") {
    const pinned_keys expected = only(hash_of(0xFF, 0));
    const std::string base64(ones);
    for (const std::string& text :
         {base64, "sha256/" + base64, "sha256//" + base64, std::string(64, 'f'), std::string(64, 'F')}) {
        CAPTURE(text);
        CHECK(pinned_keys::from_text({text}) == expected);
    }
    CHECK_FALSE(pinned_keys::from_text({"sha256/" + base64}) == only(hash_of(0, 0)));
}

TEST_CASE("what is no pin is refused") {
    const std::string base64(counting);
    const std::string digits(64, 'a');
    std::string colons = "aa";
    for (int i = 1; i != 32; ++i) colons += ":aa";
    for (const std::string& good : {base64, digits, colons}) CHECK(pinned_keys::from_text({good}).size() == 1);

    const std::string one_less = base64.substr(0, 43);
    const auto with = [](std::string text, std::size_t at, char c) {
        text[at] = c;
        return text;
    };
    for (const std::string& text : {
             ""s,
             "sha256/"s,
             "sha256//"s,
             "garbage"s,
             one_less,                       // no padding
             one_less + "A",                 // 33 octets
             one_less.substr(0, 42) + "==",  // 31 octets
             with(base64, 42, '9'),          // bits that must be 0 are not
             with(base64, 5, '-'),
             with(base64, 5, ' '),
             with(base64, 5, '='),
             with(base64, 43, '\n'),
             with(base64, 5, '\0'),
             base64 + "\n",
             " " + base64,
             base64 + base64,
             "sha256///" + base64,
             "sha1/" + base64,
             "SHA256/" + base64,
             "sha256/sha256/" + base64,
             "sha256/" + digits,
             digits.substr(1),
             digits + "a",
             with(digits, 0, 'g'),
             with(digits, 63, 'G'),
             with(digits, 63, '/'),
             with(digits, 63, ':'),
             with(digits, 63, '@'),
             with(digits, 0, '`'),
             with(colons, 2, '-'),
             with(colons, 92, 'a'),
             with(colons, 0, ':'),
             colons + ":",
             ":" + colons,
             colons.substr(1),
             colons.substr(3),
             with(digits, 2, ':'),
             std::string(95, ':'),
             std::string(64, ':'),
             std::string(1'000'000, 'a'),
         }) {
        CAPTURE(text.substr(0, 120));
        CHECK(refused(text) == errc::invalid_pin);
    }
}

TEST_CASE("several pins are read all or not at all, and the error tells which") {
    const std::string good(counting);
    const std::string other(ones);
    CHECK(pinned_keys::from_text({good, other, good}).size() == 2);
    const std::vector<std::string> texts{good, other, "sha256/" + good, "no pin"};
    std::error_code ec;
    CHECK(pinned_keys::from_text(std::span(texts).first(3), ec) == pinned_keys::from_text({other, good}));
    CHECK_FALSE(ec);
    CHECK_FALSE(pinned_keys::from_text(texts, ec));
    CHECK(ec == errc::invalid_pin);
    try {
        (void)pinned_keys::from_text(texts);
        FAIL("a text that is no pin was taken");
    } catch (const tls::error& e) {
        CHECK(e.code() == errc::invalid_pin);
        CHECK(std::string_view(e.what()).starts_with("pin 4"));
        CHECK(std::string_view(e.what()).find("no pin") == std::string_view::npos);  // whatever it was, it is not repeated
    }
}

TEST_CASE("an empty set pins nothing") {
    for (const pinned_keys& none :
         {pinned_keys(), pinned_keys::from_text({}), pinned_keys::from_text(std::vector<std::string>())}) {
        CHECK_FALSE(none);
        CHECK(none.size() == 0);
        CHECK(none == pinned_keys());
        CHECK(none.to_text().empty());
        CHECK_FALSE(none.contains(pinned_keys::hash{}));
    }
    pinned_keys moved = only(hash_of(0, 1));
    const pinned_keys taken = std::move(moved);
    CHECK(taken.size() == 1);
    CHECK_FALSE(moved);
}

TEST_CASE("a set holds each hash once, whatever the order") {
    pinned_keys pinned;
    for (const unsigned first : {7u, 3u, 250u, 3u, 0u, 7u}) pinned.add(hash_of(first, 1));
    CHECK(pinned);
    CHECK(pinned.size() == 4);
    for (const unsigned first : {0u, 3u, 7u, 250u}) CHECK(pinned.contains(hash_of(first, 1)));
    for (const unsigned first : {1u, 4u, 251u}) CHECK_FALSE(pinned.contains(hash_of(first, 1)));
    pinned_keys::hash last_octet_differs = hash_of(7, 1);
    last_octet_differs[31] ^= std::byte{1};
    CHECK_FALSE(pinned.contains(last_octet_differs));

    const std::vector<std::string> texts = pinned.to_text();
    CHECK(texts.size() == 4);
    CHECK(pinned_keys::from_text(texts) == pinned);

    pinned_keys others = only(hash_of(1, 1));
    others.add(hash_of(7, 1));
    const pinned_keys both = pinned + others;
    CHECK(both.size() == 5);
    CHECK(both == others + pinned);
    CHECK(both.contains(hash_of(1, 1)));
    CHECK(both.contains(hash_of(250, 1)));
    CHECK(both != pinned);
    CHECK(pinned.size() == 4);
    CHECK(pinned + pinned_keys() == pinned);
    pinned_keys& same = pinned;
    pinned += same;
    CHECK(pinned.size() == 4);
}

TEST_CASE("a certificate's key as a pin") {
    const certificate server(bssl::UpRef(tests::test_pki().server.certificate));
    const certificate client(bssl::UpRef(tests::test_pki().client.certificate));
    std::error_code ec = errc::truncated;
    const pinned_keys pinned = with_stale_errors([&] { return pinned_keys::of(server, ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(pinned.size() == 1);
    CHECK(pinned.contains(server.public_key_sha256()));
    CHECK_FALSE(pinned.contains(client.public_key_sha256()));
    CHECK(pinned == pinned_keys::of(server));
    CHECK(pinned != pinned_keys::of(client));
    // Another certificate for the same key is as good: that is what pinning keys is for.
    tests::certificate_options renewed;
    renewed.common_name = "renewed";
    renewed.key = bssl::UpRef(tests::test_pki().server.key);
    CHECK(pinned_keys::of(certificate(tests::issue_certificate(std::move(renewed)).certificate)) == pinned);

    CHECK_FALSE(with_stale_errors([&] { return pinned_keys::of(certificate(), ec); }));
    CHECK(ec == errc::not_open);
    CHECK(queue_is_empty());
    try {
        (void)pinned_keys::of(certificate());
        FAIL("there was no certificate");
    } catch (const tls::error& e) {
        CHECK(e.code() == errc::not_open);
    }
}

}  // namespace
