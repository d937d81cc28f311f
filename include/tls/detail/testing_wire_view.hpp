// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What one end of a memory connection sent, as somebody on the way sees it.

#ifndef TLS_STREAM_TLS_DETAIL_TESTING_WIRE_VIEW_HPP
#define TLS_STREAM_TLS_DETAIL_TESTING_WIRE_VIEW_HPP

#include <tls/testing/event_log.hpp>
#include <tls/testing/records.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// What memory_end::wire() tells: see there. `sent` is all that the end sent.
[[nodiscard]] inline std::vector<std::string> wire_view(std::span<const testing::event> log, std::span<const std::byte> sent,
                                                        std::size_t since) {
    std::vector<std::string> seen;
    const auto wire = testing::records(sent);
    auto next = wire.begin();
    const auto records_until = [&](std::size_t offset) {
        for (; next != wire.end() && next->offset < offset; ++next) {
            if (next->offset >= since) seen.emplace_back(to_string(*next));
        }
    };
    bool ended = false;
    for (const auto& e : log) {
        using kind = testing::event_kind;
        std::string sign;
        switch (e.kind) {
            case kind::shutdown:
                if (e.mode != shutdown_mode::read && !ended) {
                    sign = "FIN";
                    ended = true;
                }
                break;
            case kind::reset:
            case kind::close:
            case kind::abort:
            case kind::destroyed: sign = to_string(e); break;
            default: break;
        }
        if (sign.empty()) continue;
        records_until(e.sent);
        if (e.sent >= since) seen.push_back(std::move(sign));
    }
    records_until(sent.size());
    return seen;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
