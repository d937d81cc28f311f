// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From what BoringSSL has of a peer to values.

#ifndef TLS_STREAM_TLS_DETAIL_PEER_CHAIN_HPP
#define TLS_STREAM_TLS_DETAIL_PEER_CHAIN_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

[[nodiscard]] inline std::vector<certificate> certificates_of(const STACK_OF(X509) * stack) {
    std::vector<certificate> all;
    for (std::size_t i = 0; stack != nullptr && i < sk_X509_num(stack); ++i) {
        all.emplace_back(bssl::UpRef(sk_X509_value(stack, i)));
    }
    return all;
}

// What SSL_get0_ocsp_response and SSL_get0_signed_cert_timestamp_list have.
[[nodiscard]] inline std::vector<std::byte> stapled(const SSL* ssl,
                                                    void (*get)(const SSL*, const std::uint8_t**, std::size_t*)) {
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    get(ssl, &data, &size);
    const auto bytes = std::as_bytes(std::span(data, size));
    return {bytes.begin(), bytes.end()};
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
