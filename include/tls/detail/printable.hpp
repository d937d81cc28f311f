// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Text from certificates, paths and callers, made fit for a message or a terminal.

#ifndef TLS_STREAM_TLS_DETAIL_PRINTABLE_HPP
#define TLS_STREAM_TLS_DETAIL_PRINTABLE_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace tls {
inline namespace v0 {
namespace detail {

// Domain names compare without regard to case, of ASCII's letters alone (RFC 4343).
[[nodiscard]] constexpr char lower_case(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
[[nodiscard]] inline std::string lower_case(std::string_view text) {
    std::string lowered(text);
    for (char& c : lowered) c = lower_case(c);
    return lowered;
}

// Appends one byte as \XX, hexadecimal.
inline void append_escaped(std::string& text, unsigned char byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    text += '\\';
    text += digits[byte >> 4];
    text += digits[byte & 15];
}

// Bytes that ought to be ASCII: a control character, a backslash and everything from 0x7F up become \XX, so that two
// different inputs never look alike.
[[nodiscard]] inline std::string printable_ascii(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7F || c == '\\') append_escaped(text, byte);
        else text += c;
    }
    return text;
}

// Bytes that ought to be UTF-8: control characters become \XX, those above 0x7F (C1) too, because terminals obey them.
[[nodiscard]] inline std::string printable_utf8(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i != bytes.size(); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        const auto next = i + 1 != bytes.size() ? static_cast<unsigned char>(bytes[i + 1]) : 0u;
        if (byte == 0xC2 && next >= 0x80 && next <= 0x9F) {
            append_escaped(text, byte);
            append_escaped(text, static_cast<unsigned char>(next));
            ++i;
        } else if (byte < 0x20 || byte == 0x7F) {
            append_escaped(text, byte);
        } else {
            text += bytes[i];
        }
    }
    return text;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
