// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The record of what one end of a memory connection did, call by call, and how it looks on the wire.

#ifndef TLS_STREAM_TESTS_SUPPORT_EVENT_LOG_HPP
#define TLS_STREAM_TESTS_SUPPORT_EVENT_LOG_HPP

#include <support/records.hpp>

#include <tls/shutdown.hpp>

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tests {

// What an end did. Calls that would have blocked or were interrupted do not appear.
enum class event_kind : unsigned char {
    read,       // `size` bytes were received
    eof,        // a read returned 0
    write,      // `size` bytes were sent
    shutdown,   // `mode`
    reset,      // an RST left: an end was let go of with bytes unread, or memory_end::reset
    close,      // the socket was closed,
    abort,      // ... by abort(),
    destroyed,  // ... by its destructor
    error,      // a call failed with `error`
};

struct event {
    event_kind kind = event_kind::error;
    std::size_t index = 0;  // counted over both ends, so that it tells who was first
    std::chrono::steady_clock::time_point time{};
    std::size_t sent = 0;  // bytes that this end had sent when it was over
    std::size_t size = 0;
    tls::shutdown_mode mode = tls::shutdown_mode::read;
    std::error_code error{};
};

// How often an end was called, faults included. `io` is reads and writes. The numbers that call_fault goes by.
struct call_counts {
    std::size_t reads = 0;
    std::size_t writes = 0;
    std::size_t io = 0;
    std::size_t shutdowns = 0;
    std::size_t closes = 0;  // abort() too
    std::size_t waits = 0;   // wait_either
};

// One event in words: "read 5", "shutdown write", "error Broken pipe".
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

// Words joined by commas, with a count for those that follow themselves: "data*3, alert, FIN".
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

// A whole log in words.
[[nodiscard]] inline std::string to_string(std::span<const event> log) {
    std::vector<std::string> words;
    for (const auto& e : log) words.push_back(to_string(e));
    return joined(words);
}

// What left an end, records and the transport's own signs together and in order: a record by its name (see records.hpp),
// "FIN" for the first shutdown of the write side, "RST", and "close", "abort" or "destroyed". A socket that is let go of
// without "FIN" or "RST" before it sends its FIN then. `sent` is all that the end sent, of which what begins at `since` or
// later is shown; signs that came before `since` bytes were sent are left out.
[[nodiscard]] inline std::vector<std::string> wire_view(std::span<const event> log, std::span<const std::byte> sent,
                                                        std::size_t since = 0) {
    std::vector<std::string> seen;
    const auto wire = records(sent);
    auto next = wire.begin();
    const auto records_until = [&](std::size_t offset) {
        for (; next != wire.end() && next->offset < offset; ++next) {
            if (next->offset >= since) seen.emplace_back(name(*next));
        }
    };
    bool ended = false;
    for (const auto& e : log) {
        std::string sign;
        switch (e.kind) {
            case event_kind::shutdown:
                if (e.mode != tls::shutdown_mode::read && !ended) {
                    sign = "FIN";
                    ended = true;
                }
                break;
            case event_kind::reset:
            case event_kind::close:
            case event_kind::abort:
            case event_kind::destroyed: sign = to_string(e); break;
            default: break;
        }
        if (sign.empty()) continue;
        records_until(e.sent);
        if (e.sent >= since) seen.push_back(std::move(sign));
    }
    records_until(sent.size());
    return seen;
}

}  // namespace tests

#endif
