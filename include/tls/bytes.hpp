// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What reading and writing members take: any contiguous range of char, unsigned char or std::byte.

#ifndef TLS_STREAM_TLS_BYTES_HPP
#define TLS_STREAM_TLS_BYTES_HPP

#include <concepts>
#include <cstddef>
#include <ranges>
#include <span>
#include <type_traits>

namespace tls {
inline namespace v0 {

/// A type whose objects are bytes on the wire.
template <class T>
concept byte_like = std::same_as<T, char> || std::same_as<T, unsigned char> || std::same_as<T, std::byte>;

/// A contiguous, sized range of bytes: std::string, std::vector<std::byte>, std::array<char, 5>, char[5], std::span ...
template <class R>
concept byte_range =
    std::ranges::contiguous_range<R> && std::ranges::sized_range<R> && byte_like<std::ranges::range_value_t<R>>;

/// An array of const char could be a literal with its NUL, or five bytes that are meant: the two must not look alike.
template <class R>
concept const_char_array =
    std::is_array_v<std::remove_reference_t<R>> && std::same_as<std::remove_extent_t<std::remove_reference_t<R>>, const char>;

/// Bytes to write; looks at the caller's memory for the length of the call.
class const_bytes {
public:
    /// The bytes of a span.
    constexpr const_bytes(std::span<const std::byte> bytes) noexcept : data_(bytes.data()), size_(bytes.size()) {}

    /// The bytes of any range of them but an array of const char.
    template <byte_range R>
        requires(!const_char_array<R>)
    const_bytes(R&& range) noexcept(noexcept(std::ranges::data(range)))
        : data_(std::ranges::data(range)), size_(std::ranges::size(range)) {}

    /// A string literal, without its NUL. Decided at compile time: an array of const char that does not end in NUL, or whose
    /// contents the compiler does not know, is refused; write it as a std::span.
    template <std::size_t N>
    consteval const_bytes(const char (&literal)[N]) : data_(literal), size_(N - 1) {
        if (literal[N - 1] != '\0') throw "an array of const char that is not a string literal: write it as a std::span";
    }

    /// A pointer alone does not say how many bytes there are.
    template <class Pointer>
        requires std::is_pointer_v<std::remove_reference_t<Pointer>>
    const_bytes(Pointer&&) = delete;

    /// The bytes, as long as the caller's memory lives.
    [[nodiscard]] std::span<const std::byte> span() const noexcept { return {static_cast<const std::byte*>(data_), size_}; }
    /// The same as span().
    operator std::span<const std::byte>() const noexcept { return span(); }

private:
    const void* data_;  // a constant expression cannot see a literal as bytes
    std::size_t size_;
};

/// Room to read into, for the length of the call.
class mutable_bytes {
public:
    /// The room that a span has.
    constexpr mutable_bytes(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}

    /// The room that any range of bytes has: all of its size, which does not change.
    template <byte_range R>
        requires(std::ranges::borrowed_range<R> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>)
    mutable_bytes(R&& range) noexcept(noexcept(std::ranges::data(range)))
        : bytes_(std::as_writable_bytes(std::span(std::ranges::data(range), std::ranges::size(range)))) {}

    /// The room, as long as the caller's memory lives.
    [[nodiscard]] constexpr std::span<std::byte> span() const noexcept { return bytes_; }
    /// The same as span().
    constexpr operator std::span<std::byte>() const noexcept { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

}  // namespace v0
}  // namespace tls

#endif
