// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Bare calls of memory sockets, without TLS: what the tests of <tls/testing.hpp> are made of.

#ifndef TLS_STREAM_TESTS_SUPPORT_MEMORY_ENDS_HPP
#define TLS_STREAM_TESTS_SUPPORT_MEMORY_ENDS_HPP

#include <tls/testing.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace tests {

[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

[[nodiscard]] inline std::string as_text(std::span<const std::byte> from) {
    std::string text;
    for (const auto b : from) text.push_back(std::to_integer<char>(b));
    return text;
}

// What one call gave.
struct moved {
    std::string text;
    std::size_t count = 0;
    std::error_code ec;
};

template <class Socket>
moved get(Socket& from, std::size_t size = 100) {
    tls::testing::bytes into(size);
    moved r;
    r.count = from.read_some(std::span<std::byte>(into), r.ec);
    r.text = as_text(std::span(into).first(std::min(r.count, size)));
    return r;
}

template <class Socket>
moved put(Socket& to, std::string_view text) {
    moved r;
    r.count = to.write_some(as_bytes(text), r.ec);
    return r;
}

[[nodiscard]] inline bool is_system(std::error_code ec, std::errc code) {
    return ec == std::error_code(static_cast<int>(code), std::system_category());
}
[[nodiscard]] inline bool would_block(const moved& r) { return r.count == 0 && r.ec == std::errc::operation_would_block; }
[[nodiscard]] inline bool at_eof(const moved& r) { return r.count == 0 && !r.ec; }

// Two ends that do not block.
struct open_pair {
    explicit open_pair(const tls::testing::network_options& options = {}) : net(options) {}

    tls::testing::memory_network net;
    tls::testing::memory_socket a = net.a().non_blocking_socket();
    tls::testing::memory_socket b = net.b().non_blocking_socket();
    std::error_code ec{};
};

// A TLS record with a body of `text`.
[[nodiscard]] inline std::string wire_record(std::string_view text, char type = 23) {
    return std::string{type, 3, 3, 0, static_cast<char>(text.size())} + std::string(text);
}

}  // namespace tests

#endif
