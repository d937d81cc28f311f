// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Signing where the private key is elsewhere: BoringSSL asks, and whoever has the key answers, at once or later.

#ifndef TLS_STREAM_TLS_DETAIL_SIGNATURES_HPP
#define TLS_STREAM_TLS_DETAIL_SIGNATURES_HPP

#include <tls/detail/answer.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/handshake_state.hpp>
#include <tls/error.hpp>
#include <tls/signing.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace tls {
inline namespace v0 {
namespace detail {

inline ssl_private_key_result_t finish_signature(connection& here, std::uint8_t* out, std::size_t* size, std::size_t room) {
    handshake_state& state = here.state();
    if (state.signature == nullptr) return ssl_private_key_failure;
    if (!state.signature->is_answered()) return ssl_private_key_retry;
    const signature_answer given = state.signature->answer();
    state.signature = nullptr;
    if (!given || given->empty() || given->size() > room) {
        state.failure = errc::signature_failed;
        ::SSL_send_fatal_alert(here.ssl(), SSL_AD_INTERNAL_ERROR);  // BoringSSL would end without a word
        return ssl_private_key_failure;
    }
    std::memcpy(out, given->data(), given->size());
    *size = given->size();
    return ssl_private_key_success;
}

inline ssl_private_key_result_t ask_for_signature(SSL* ssl, std::uint8_t* out, std::size_t* size, std::size_t room,
                                                  std::uint16_t scheme, const std::uint8_t* input,
                                                  std::size_t input_size) noexcept {
    connection* const here = connection::of(ssl);
    const context_settings* const settings = settings_of(ssl);
    if (here == nullptr || settings == nullptr) return ssl_private_key_failure;
    return here->call_user(ssl_private_key_failure, [&] {
        handshake_state& state = here->state();
        const signer& sign = state.sign ? state.sign : settings->sign;
        if (!sign) return ssl_private_key_failure;
        state.signature = std::make_shared<question<signature_answer>>();
        sign(signature_request::internal::make(static_cast<signature_scheme>(scheme),
                                               std::as_bytes(std::span(input, input_size)), state.signature));
        return finish_signature(*here, out, size, room);
    });
}

inline ssl_private_key_result_t complete_signature(SSL* ssl, std::uint8_t* out, std::size_t* size, std::size_t room) noexcept {
    connection* const here = connection::of(ssl);
    if (here == nullptr) return ssl_private_key_failure;
    return here->call_user(ssl_private_key_failure, [&] { return finish_signature(*here, out, size, room); });
}

// RSA key exchange, where a private key decrypts, gives no forward secrecy: keys elsewhere only sign.
inline ssl_private_key_result_t refuse_to_decrypt(SSL* ssl, std::uint8_t*, std::size_t*, std::size_t, const std::uint8_t*,
                                                  std::size_t) noexcept {
    ::SSL_send_fatal_alert(ssl, SSL_AD_HANDSHAKE_FAILURE);
    return ssl_private_key_failure;
}

inline constexpr SSL_PRIVATE_KEY_METHOD keys_elsewhere{&ask_for_signature, &refuse_to_decrypt, &complete_signature};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
