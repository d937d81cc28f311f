// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The cipher suites of a ClientHello. SSL_get_shared_ciphers is a stub in BoringSSL, SSL_get_ciphers leaves the TLS 1.3 suites out, and
// both need configuration that is gone after the handshake; the message itself has it all.

#ifndef TLS_STREAM_TLS_DETAIL_CLIENT_HELLO_HPP
#define TLS_STREAM_TLS_DETAIL_CLIENT_HELLO_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/protocol.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Does this handshake message (RFC 8446 4) begin with client_hello(1)?
[[nodiscard]] inline bool is_client_hello(std::span<const std::uint8_t> message) noexcept {
    return !message.empty() && message.front() == SSL3_MT_CLIENT_HELLO;
}

// Is the suite one that this side may use, by its versions and its TLS 1.2 cipher list?
[[nodiscard]] inline bool allowed_cipher(const SSL* ssl, const SSL_CIPHER* cipher) noexcept {
    if (::SSL_CIPHER_get_min_version(cipher) >= TLS1_3_VERSION) return ::SSL_get_max_proto_version(ssl) >= TLS1_3_VERSION;
    if (::SSL_get_min_proto_version(ssl) > TLS1_2_VERSION) return false;
    const STACK_OF(SSL_CIPHER)* const list = ::SSL_get_ciphers(ssl);
    for (std::size_t i = 0; i < sk_SSL_CIPHER_num(list); ++i) {
        if (::SSL_CIPHER_get_id(sk_SSL_CIPHER_value(list, i)) == ::SSL_CIPHER_get_id(cipher)) return true;
    }
    return false;
}

// The suites in the ClientHello (RFC 8446 4.1.2) that this side may use too, in the client's order. Values that are not suites (GREASE,
// signalling values) are left out, and a message that does not parse gives none.
[[nodiscard]] inline std::vector<std::uint16_t> usable_ciphers(std::span<const std::uint8_t> message, const SSL* ssl) {
    std::vector<std::uint16_t> usable;
    CBS hello, session_id, suites;
    ::CBS_init(&hello, message.data(), message.size());
    constexpr std::size_t header_version_random = 4 + 2 + 32;
    if (::CBS_skip(&hello, header_version_random) == 0 || ::CBS_get_u8_length_prefixed(&hello, &session_id) == 0 ||
        ::CBS_get_u16_length_prefixed(&hello, &suites) == 0) {
        return usable;
    }
    std::uint16_t value = 0;
    while (::CBS_get_u16(&suites, &value) != 0) {
        const SSL_CIPHER* const cipher = ::SSL_get_cipher_by_value(value);
        if (cipher != nullptr && allowed_cipher(ssl, cipher)) usable.push_back(value);
    }
    usable.shrink_to_fit();
    return usable;
}

// A suite as Python's SSLSocket.cipher() tells it. SSL_CIPHER_get_version says "TLSv1/SSLv3" even for TLS 1.3 suites, and
// SSL_CIPHER_get_min_version says SSL 3.0 for the ECDHE suites, which came with RFC 4492, for TLS 1.0.
[[nodiscard]] inline cipher_info describe(const SSL_CIPHER* cipher) noexcept {
    const auto version = ::SSL_CIPHER_get_min_version(cipher);
    const auto protocol = [&]() -> std::string_view {
        switch (version) {
            case SSL3_VERSION: return ::SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe ? "TLSv1.0" : "SSLv3";
            case TLS1_VERSION: return "TLSv1.0";
            case TLS1_1_VERSION: return "TLSv1.1";
            case TLS1_2_VERSION: return "TLSv1.2";
            default: return "TLSv1.3";
        }
    };
    const char* const name = version >= TLS1_3_VERSION ? ::SSL_CIPHER_standard_name(cipher) : ::SSL_CIPHER_get_name(cipher);
    return {name, protocol(), ::SSL_CIPHER_get_bits(cipher, nullptr)};
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
