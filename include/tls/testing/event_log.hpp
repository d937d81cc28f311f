// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// The record of what one end of a memory connection did, call by call.

#ifndef TLS_STREAM_TLS_TESTING_EVENT_LOG_HPP
#define TLS_STREAM_TLS_TESTING_EVENT_LOG_HPP

#include <tls/shutdown.hpp>

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace tls {
inline namespace v0 {
namespace testing {

/// What an end did. Calls that would have blocked or were interrupted do not appear.
enum class event_kind : unsigned char {
    read,       ///< `size` bytes were received.
    eof,        ///< A read returned 0.
    write,      ///< `size` bytes were sent.
    shutdown,   ///< `mode` says which direction.
    reset,      ///< An RST left: the end was let go of with bytes unread, or by memory_end::reset().
    close,      ///< The socket was closed,
    abort,      ///< ... by abort(),
    destroyed,  ///< ... by its destructor.
    error,      ///< A call failed with `error`.
};

/// One thing that an end did.
struct event {
    event_kind kind = event_kind::error;                 ///< Which of them.
    std::size_t index = 0;                               ///< Counted over both ends, so that it tells who was first.
    std::chrono::steady_clock::time_point time{};        ///< When, by memory_network::now().
    std::size_t sent = 0;                                ///< Bytes that this end had sent when it was over.
    std::size_t size = 0;                                ///< Of `read` and `write`.
    tls::shutdown_mode mode = tls::shutdown_mode::read;  ///< Of `shutdown`.
    std::error_code error{};                             ///< Of `error`.
};

/// How often an end was called, faults included. These are the numbers that call_fault goes by.
struct call_counts {
    std::size_t reads = 0;      ///< read_some,
    std::size_t writes = 0;     ///< write_some,
    std::size_t io = 0;         ///< ... and both together.
    std::size_t shutdowns = 0;  ///< shutdown
    std::size_t closes = 0;     ///< close, abort and the destructor: the one that let go.
    std::size_t waits = 0;      ///< wait_either
};

/// One event in words: "read 5", "shutdown write", "error Broken pipe".
[[nodiscard]] inline std::string to_string(const event& e) {
    switch (e.kind) {
        case event_kind::read: return "read " + std::to_string(e.size);
        case event_kind::eof: return "eof";
        case event_kind::write: return "write " + std::to_string(e.size);
        case event_kind::shutdown: return "shutdown " + std::string(tls::to_string(e.mode));
        case event_kind::reset: return "RST";
        case event_kind::close: return "close";
        case event_kind::abort: return "abort";
        case event_kind::destroyed: return "destroyed";
        case event_kind::error: return "error " + e.error.message();
    }
    return "unknown";
}

/// Words joined by commas, with a count for those that follow themselves: "data*3, alert, FIN".
[[nodiscard]] inline std::string joined(std::span<const std::string> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size();) {
        std::size_t same = 1;
        while (i + same < words.size() && words[i + same] == words[i]) ++same;
        if (!text.empty()) text += ", ";
        text += words[i];
        if (same > 1) text += "*" + std::to_string(same);
        i += same;
    }
    return text;
}

/// A whole log in words: "write 35, shutdown write, eof, close".
[[nodiscard]] inline std::string to_string(std::span<const event> log) {
    std::vector<std::string> words;
    for (const auto& e : log) words.push_back(to_string(e));
    return joined(words);
}

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
