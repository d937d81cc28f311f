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
#include <utility>
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

// A verification of these certificates for this connection's purpose, against what its context trusts, with these parameters; null when memory
// ran out.
[[nodiscard]] inline bssl::UniquePtr<X509_STORE_CTX> new_verification(const SSL* ssl, STACK_OF(X509) * sent,
                                                                      const X509_VERIFY_PARAM* parameters) {
    bssl::UniquePtr<X509_STORE_CTX> work(::X509_STORE_CTX_new());
    X509_STORE* const store = ::SSL_CTX_get_cert_store(::SSL_get_SSL_CTX(ssl));
    const char* const purpose = ::SSL_is_server(ssl) != 0 ? "ssl_client" : "ssl_server";
    const bool made = work != nullptr && ::X509_STORE_CTX_init(work.get(), store, sk_X509_value(sent, 0), sent) == 1 &&
                      ::X509_STORE_CTX_set_default(work.get(), purpose) == 1 &&
                      ::X509_VERIFY_PARAM_set1(::X509_STORE_CTX_get0_param(work.get()), parameters) == 1;
    return made ? std::move(work) : nullptr;
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
