// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The forms of bytes that reading and writing members take.

#include <tls/bytes.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <deque>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using tls::const_bytes;
using tls::mutable_bytes;

namespace {

template <class T>
constexpr bool writes = std::is_convertible_v<T, const_bytes>;
template <class T>
constexpr bool reads = std::is_convertible_v<T, mutable_bytes>;

// Any contiguous range of char, unsigned char or std::byte.
static_assert(writes<std::string> && writes<const std::string&> && writes<std::string_view> && writes<std::vector<char>>);
static_assert(writes<std::vector<unsigned char>> && writes<std::vector<std::byte>> && writes<std::array<std::byte, 4>>);
static_assert(writes<std::span<const std::byte>> && writes<std::span<char>> && writes<std::span<const unsigned char, 5>>);
static_assert(writes<char (&)[5]> && writes<unsigned char (&)[5]> && writes<const unsigned char (&)[5]> &&
              writes<const std::byte (&)[5]>);
static_assert(reads<std::string&> && reads<std::vector<char>&> && reads<std::vector<unsigned char>&> &&
              reads<std::span<std::byte>>);
static_assert(reads<char (&)[5]> && reads<std::array<std::byte, 4>&> && reads<std::span<char, 4>>);

// Not what is no byte, is scattered, is constant, goes away, or has no length.
static_assert(!writes<std::vector<int>> && !writes<std::wstring> && !writes<std::deque<char>> && !writes<std::list<std::byte>>);
static_assert(!writes<std::vector<signed char>> && !writes<std::u8string> && !writes<int> && !writes<std::vector<bool>>);
static_assert(!writes<const char*> && !writes<char*> && !writes<const std::byte*> && !writes<std::nullptr_t>);
static_assert(!reads<const std::string&> && !reads<std::string_view> && !reads<std::span<const std::byte>>);
static_assert(!reads<std::string> && !reads<std::vector<char>> && !reads<const char (&)[5]> && !reads<char*>);

std::string text_of(std::span<const std::byte> from) {
    std::string text;
    for (const std::byte b : from) text.push_back(static_cast<char>(b));
    return text;
}

}  // namespace

TEST_CASE("bytes: a string literal is written without its NUL, other NULs stay", "[bytes]") {
    CHECK(text_of(const_bytes("hello").span()) == "hello");
    CHECK(const_bytes("").span().empty());
    CHECK(text_of(const_bytes("a\0b").span()) == std::string("a\0b", 3));
}

TEST_CASE("bytes: an array of char is written as it is, its NUL too", "[bytes]") {
    char array[5] = {'a', 'b', 'c', 'd', '\0'};
    CHECK(const_bytes(array).span().size() == 5);
    const char five[5] = {'1', '2', '3', '4', '5'};
    CHECK(text_of(const_bytes(std::span(five)).span()) == "12345");
}

TEST_CASE("bytes: they look at the caller's memory", "[bytes]") {
    std::string text = "text";
    CHECK(static_cast<const void*>(const_bytes(text).span().data()) == text.data());
    CHECK(const_bytes(text).span().size() == 4);
    const mutable_bytes into(text);
    into.span()[0] = std::byte{'n'};
    CHECK(text == "next");
    CHECK(into.span().size() == 4);
    const std::span<std::byte> converted = into;
    CHECK(converted.data() == into.span().data());
    CHECK(mutable_bytes(std::span<std::byte>()).span().empty());
    CHECK(const_bytes(std::string_view()).span().empty());
}
