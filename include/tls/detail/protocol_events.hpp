// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From what BoringSSL's message callback tells to what an observer is told.

#ifndef TLS_STREAM_TLS_DETAIL_PROTOCOL_EVENTS_HPP
#define TLS_STREAM_TLS_DETAIL_PROTOCOL_EVENTS_HPP

#include <tls/alert.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/observer.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace tls {
inline namespace v0 {
namespace detail {

// Nothing for what is no message: BoringSSL also tells of record headers and of the inner ClientHello of ECH.
[[nodiscard]] inline std::optional<protocol_event> describe_event(bool sent, int content_type,
                                                                  std::span<const std::uint8_t> message,
                                                                  const void* connection) noexcept {
    protocol_event event{
        .sent = sent, .bytes = std::as_bytes(message), .time = std::chrono::system_clock::now(), .connection = connection};
    switch (content_type) {
        case SSL3_RT_HANDSHAKE:
            if (message.empty()) return std::nullopt;
            event.type = message.front();
            event.name = handshake_message_name(event.type);
            return event;
        case SSL3_RT_ALERT:
            if (message.size() != 2) return std::nullopt;
            event.kind = protocol_event::content::alert;
            event.type = message[1];
            event.fatal = message[0] == SSL3_AL_FATAL && event.type != SSL_AD_CLOSE_NOTIFY;
            event.name = to_string(static_cast<alert>(event.type));
            return event;
        case SSL3_RT_CHANGE_CIPHER_SPEC:
            event.kind = protocol_event::content::change_cipher_spec;
            event.name = "change_cipher_spec";
            return event;
        default: return std::nullopt;
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
