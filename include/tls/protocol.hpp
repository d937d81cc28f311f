// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The protocol's own vocabulary: roles, versions, cipher suites.

#ifndef TLS_STREAM_TLS_PROTOCOL_HPP
#define TLS_STREAM_TLS_PROTOCOL_HPP

#include <cstdint>
#include <string_view>

namespace tls {
inline namespace v0 {

// Which side of the handshake this is.
enum class role : unsigned char { client, server };

// Protocol versions by their number on the wire. Older ones are not offered by this library.
enum class protocol_version : std::uint16_t { tls1_2 = 0x0303, tls1_3 = 0x0304 };

// A cipher suite, told as Python's SSLSocket.cipher() tells it: ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128).
struct cipher_info {
    std::string_view name;      // the IANA name for TLS 1.3, OpenSSL's name for older suites; static storage
    std::string_view protocol;  // the oldest version that has the suite; static storage
    int bits = 0;               // strength of the symmetric key

    friend constexpr bool operator==(const cipher_info&, const cipher_info&) noexcept = default;
};

// "TLSv1.2" or "TLSv1.3", as Python and OpenSSL spell it; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view to_string(protocol_version version) noexcept {
    switch (version) {
        case protocol_version::tls1_2: return "TLSv1.2";
        case protocol_version::tls1_3: return "TLSv1.3";
    }
    return "unknown";
}

}  // namespace v0
}  // namespace tls

#endif
