// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Watching a connection: its handshake messages and alerts, in clear text, as they pass.

#ifndef TLS_STREAM_TLS_OBSERVER_HPP
#define TLS_STREAM_TLS_OBSERVER_HPP

#include <tls/alert.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace tls {
inline namespace v0 {

/// A handshake message, an alert or a ChangeCipherSpec, sent or received (in TLS 1.3, where the latter means nothing, only sent). For the
/// length of the call.
struct protocol_event {
    /// What it can be.
    enum class content : unsigned char {
        handshake,           ///< a handshake message
        alert,               ///< an alert
        change_cipher_spec,  ///< a ChangeCipherSpec
    };

    bool sent = false;                             ///< or received
    content kind = content::handshake;             ///< what it is
    std::uint8_t type = 0;                         ///< of a handshake message (RFC 8446 4), or the alert's number
    bool fatal = false;                            ///< of an alert: it ends the connection
    std::string_view name{};                       ///< "client_hello", "close_notify"; "unknown"; static storage
    std::span<const std::byte> bytes{};            ///< the message with its header; not encrypted, as secret as the traffic
    std::chrono::system_clock::time_point time{};  ///< when it passed
    const void* connection = nullptr;              ///< the same for all events of one connection; only to be compared
};

/// Is called for each of them, by whichever thread uses the stream. What it throws comes out of the stream's call, and the stream has failed
/// then. It must not call the stream.
using observer = std::function<void(const protocol_event&)>;

/// The name of a handshake message (RFC 8446 4, RFC 5246 7.4), or "unknown".
[[nodiscard]] constexpr std::string_view handshake_message_name(std::uint8_t type) noexcept {
    switch (type) {
        case 0: return "hello_request";
        case 1: return "client_hello";
        case 2: return "server_hello";
        case 4: return "new_session_ticket";
        case 5: return "end_of_early_data";
        case 8: return "encrypted_extensions";
        case 11: return "certificate";
        case 12: return "server_key_exchange";
        case 13: return "certificate_request";
        case 14: return "server_hello_done";
        case 15: return "certificate_verify";
        case 16: return "client_key_exchange";
        case 20: return "finished";
        case 22: return "certificate_status";
        case 24: return "key_update";
        case 25: return "compressed_certificate";
        case 254: return "message_hash";
        default: return "unknown";
    }
}

}  // namespace v0
}  // namespace tls

#endif
