// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// The words for closing. What they do is decided in closing.hpp and told in docs/shutdown.md.

#ifndef TLS_STREAM_TLS_SHUTDOWN_HPP
#define TLS_STREAM_TLS_SHUTDOWN_HPP

#include <chrono>
#include <cstddef>
#include <string_view>

namespace tls {
inline namespace v0 {

/// Which direction to end: SHUT_RD, SHUT_WR and SHUT_RDWR as a type, so that no int passes for one.
enum class shutdown_mode : unsigned char {
    read,   ///< What is buffered and what still arrives is thrown away; nothing is sent, for TLS has no message that says so.
    write,  ///< Everything written, close_notify, then the transport's FIN. Reading goes on until the peer ends.
    both,   ///< As `write`; then what the peer still sends is received until its own end, within shutdown_options' limits.
};

/// How the peer's direction ended. Once it is known it never changes.
enum class stream_end : unsigned char {
    open,          ///< It has not, as far as is known.
    close_notify,  ///< The peer's close_notify was read: the only proof that nothing is missing (RFC 8446 6.1).
    truncated,     ///< The transport ended without close_notify: bytes may be missing, by accident or by an attacker.
    reset,         ///< The transport was reset (ECONNRESET and its like).
    failed,        ///< A fatal alert, sent or received, a broken record, or a transport that failed in another way.
};

/// Limits of one shutdown or close.
struct shutdown_options {
    /// Bounds the whole call; an earlier deadline of the stream bounds it too. Zero: all that can be done without
    /// waiting is done.
    std::chrono::milliseconds timeout{5000};
    /// Plaintext bytes that may be thrown away while waiting for the peer's end. What is not thrown away stays readable.
    std::size_t drain_limit = std::size_t{1} << 20;
    /// close_notify only, no TCP shutdown: TLS ends, the connection goes on (see stream::release).
    bool keep_transport_open = false;
};

/// What a shutdown or close found and did. What the peer does meanwhile is told here; it is never an error of the call.
struct shutdown_result {
    bool close_notify_sent = false;      ///< handed to the transport whole
    bool transport_shut_down = false;    ///< FIN sent
    stream_end peer = stream_end::open;  ///< how the peer's direction ended, if it did
    bool timed_out = false;              ///< the time ran out before everything was done
    bool limit_reached = false;          ///< more plaintext came than drain_limit allows
    std::size_t discarded = 0;           ///< plaintext bytes thrown away

    /// Both sides said close_notify and nothing that came in was thrown away.
    [[nodiscard]] constexpr bool clean() const noexcept {
        return close_notify_sent && peer == stream_end::close_notify && discarded == 0;
    }

    friend constexpr bool operator==(const shutdown_result&, const shutdown_result&) noexcept = default;
};

/// The enumerator's name, for logs and messages. Never fails; the text lives for ever.
[[nodiscard]] constexpr std::string_view to_string(shutdown_mode mode) noexcept {
    switch (mode) {
        case shutdown_mode::read: return "read";
        case shutdown_mode::write: return "write";
        case shutdown_mode::both: return "both";
    }
    return "unknown";
}

/// The enumerator's name, for logs and messages. Never fails; the text lives for ever.
[[nodiscard]] constexpr std::string_view to_string(stream_end end) noexcept {
    switch (end) {
        case stream_end::open: return "open";
        case stream_end::close_notify: return "close_notify";
        case stream_end::truncated: return "truncated";
        case stream_end::reset: return "reset";
        case stream_end::failed: return "failed";
    }
    return "unknown";
}

}  // namespace v0
}  // namespace tls

#endif
