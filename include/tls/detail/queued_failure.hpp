// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From BoringSSL's error queue to a failure, and from its numbers to words.

#ifndef TLS_STREAM_TLS_DETAIL_QUEUED_FAILURE_HPP
#define TLS_STREAM_TLS_DETAIL_QUEUED_FAILURE_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/error.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// A failure whose details are what BoringSSL left on its queue, which is emptied.
[[nodiscard]] inline failure queued_failure(std::error_code code, std::string what) {
    return {code, std::move(what), take_error_queue().text};
}

// Is the packed code this reason of the SSL library's?
[[nodiscard]] inline bool is_ssl_reason(std::uint32_t packed, int reason) noexcept {
    return ERR_GET_LIB(packed) == ERR_LIB_SSL && ERR_GET_REASON(packed) == reason;
}

// Does the packed code say that the peer sent a fatal alert? Its reason is the alert's number plus SSL_AD_REASON_OFFSET then.
[[nodiscard]] inline bool is_peer_alert(std::uint32_t packed) noexcept {
    return ERR_GET_LIB(packed) == ERR_LIB_SSL && ERR_GET_REASON(packed) >= SSL_AD_REASON_OFFSET;
}

// What a packed code of BoringSSL's means: memory that ran out, the peer's fatal alert, or the code itself. An alert with the number 0
// keeps its packed code: as an error code of its own it would say that there is no error.
[[nodiscard]] inline std::error_code code_from_packed(std::uint32_t packed) noexcept {
    const int reason = ERR_GET_REASON(packed);
    if (reason == ERR_R_MALLOC_FAILURE) return std::make_error_code(std::errc::not_enough_memory);
    if (is_peer_alert(packed) && reason != SSL_AD_REASON_OFFSET) return {reason - SSL_AD_REASON_OFFSET, alert_category()};
    return {static_cast<int>(packed), ssl_category()};
}

// Gives error.hpp its words for BoringSSL's numbers, before main() in any program that includes this header.
inline const bool texts_are_known = [] {
    known_texts.ssl = [](int packed) { return error_queue_text(static_cast<std::uint32_t>(packed)); };
    known_texts.verify = [](int reason) -> std::string { return ::X509_verify_cert_error_string(reason); };
    return true;
}();

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
