// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Numbers from the command line.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_NUMBER_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_NUMBER_HPP

#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace demo {

// The whole text as a number that fits into `Number`, or std::invalid_argument, which says what it should have been.
template <class Number>
[[nodiscard]] Number number(std::string_view text, const char* what) {
    Number value{};
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc() || end != text.data() + text.size()) {
        throw std::invalid_argument("\"" + std::string(text) + "\" is not " + what);
    }
    return value;
}

}  // namespace demo

#endif
