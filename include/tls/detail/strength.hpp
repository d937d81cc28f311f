// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Keys and signatures that are too weak to prove anything. BoringSSL takes them all, but for MD5.

#ifndef TLS_STREAM_TLS_DETAIL_STRENGTH_HPP
#define TLS_STREAM_TLS_DETAIL_STRENGTH_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>

#include <cstddef>
#include <cstdint>

namespace tls {
inline namespace v0 {
namespace detail {

// RFC 9325 4.5: RSA keys have at least 2048 bits, curves at least 224, which is the least that BoringSSL has. The key is not decoded by
// X509_get_pubkey, which keeps what it decodes: a connection would have it on its heap for as long as it lives.
[[nodiscard]] inline bool has_weak_key(const X509* certificate) {
    const error_queue_guard queue;
    ASN1_OBJECT* algorithm = nullptr;
    X509_PUBKEY* const key = ::X509_get_X509_PUBKEY(certificate);
    if (key == nullptr || ::X509_PUBKEY_get0_param(&algorithm, nullptr, nullptr, nullptr, key) != 1) return true;
    if (::OBJ_obj2nid(algorithm) != NID_rsaEncryption) return false;
    std::uint8_t* encoded = nullptr;
    const int size = ::i2d_X509_PUBKEY(key, &encoded);
    const bssl::UniquePtr<std::uint8_t> owned(encoded);
    if (size < 0) return true;
    CBS der;
    ::CBS_init(&der, encoded, static_cast<std::size_t>(size));
    const bssl::UniquePtr<EVP_PKEY> decoded(::EVP_parse_public_key(&der));
    return decoded == nullptr || ::EVP_PKEY_bits(decoded.get()) < 2048;
}

// RFC 9325 4.5: nothing is signed over MD5 or SHA-1. A trusted root is not asked: nobody looks at its signature.
[[nodiscard]] inline bool has_weak_signature(const X509* certificate) noexcept {
    switch (::X509_get_signature_nid(certificate)) {
        case NID_md5WithRSAEncryption:
        case NID_sha1WithRSAEncryption:
        case NID_sha1WithRSA:
        case NID_ecdsa_with_SHA1: return true;
        default: return false;
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
