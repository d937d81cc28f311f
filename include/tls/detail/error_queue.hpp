// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// BoringSSL's error queue: one per thread, filled by any call, and trusted by SSL_get_error. The library reads it after
// each call that failed and leaves it empty at every exit.

#ifndef TLS_STREAM_TLS_DETAIL_ERROR_QUEUE_HPP
#define TLS_STREAM_TLS_DETAIL_ERROR_QUEUE_HPP

#include <tls/detail/boringssl.hpp>

#include <cstdint>
#include <string>

namespace tls {
inline namespace v0 {
namespace detail {

// Empties the queue. Peeking first is what keeps this off the fast path: ERR_clear_error visits all sixteen entries.
inline void clear_error_queue() noexcept {
    if (::ERR_peek_error() != 0) ::ERR_clear_error();
}

// Empties the queue when it goes out of scope.
class error_queue_guard {
public:
    error_queue_guard() noexcept { clear_error_queue(); }
    ~error_queue_guard() { clear_error_queue(); }
    error_queue_guard(const error_queue_guard&) = delete;
    error_queue_guard& operator=(const error_queue_guard&) = delete;
};

// What a packed code says, by ERR_lib_error_string and ERR_reason_error_string: "SSL routines: WRONG_VERSION_NUMBER".
[[nodiscard]] inline std::string error_queue_text(std::uint32_t packed) {
    const char* const library = ::ERR_lib_error_string(packed);
    const char* const reason = ::ERR_reason_error_string(packed);
    std::string text = library != nullptr ? library : "unknown library";
    text += ": ";
    text += reason != nullptr ? reason : "reason " + std::to_string(ERR_GET_REASON(packed));
    return text;
}

// What the queue held: its oldest code, which is the cause, and all of it as text.
struct queued_errors {
    std::uint32_t first = 0;
    std::string text;
};

// Takes everything off the queue. The text holds reasons and the data that BoringSSL attached, but no file names or lines
// of BoringSSL's own source.
[[nodiscard]] inline queued_errors take_error_queue() {
    queued_errors taken;
    const char* data = nullptr;
    int flags = 0;
    while (const auto packed = static_cast<std::uint32_t>(::ERR_get_error_line_data(nullptr, nullptr, &data, &flags))) {
        if (taken.first == 0) taken.first = packed;
        if (!taken.text.empty()) taken.text += "; ";
        taken.text += error_queue_text(packed);
        if (data != nullptr && (flags & ERR_FLAG_STRING) != 0 && *data != '\0') {
            taken.text += " (";
            taken.text += data;
            taken.text += ")";
        }
    }
    return taken;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
