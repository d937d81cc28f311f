// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a credential is made of, and that its parts belong together.

#ifndef TLS_STREAM_TLS_DETAIL_IDENTITY_MATERIAL_HPP
#define TLS_STREAM_TLS_DETAIL_IDENTITY_MATERIAL_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/private_key.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/signing.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Shared by all copies of a credential.
struct identity_material {
    std::vector<certificate> chain;                         // the leaf first; never empty
    std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> encoded{};  // the same in DER, as every handshake sends them
    bssl::UniquePtr<EVP_PKEY> public_key{};                 // the leaf's
    bssl::UniquePtr<EVP_PKEY> key{};                        // null if it is elsewhere
    signer sign{};                                          // asked then
};

// What is sent beside the chain; empty for none.
struct staples {
    std::vector<std::byte> ocsp_response{};
    std::vector<std::byte> sct_list{};
};

// "RSA", "EC", "Ed25519"; "unknown" for any other.
[[nodiscard]] inline std::string_view key_type_name(const EVP_PKEY* key) noexcept {
    switch (::EVP_PKEY_id(key)) {
        case EVP_PKEY_RSA: return "RSA";
        case EVP_PKEY_EC: return "EC";
        case EVP_PKEY_ED25519: return "Ed25519";
        default: return "unknown";
    }
}

// "certificate 2 (CN=Example CA)", counted from 1.
[[nodiscard]] inline std::string certificate_label(const std::vector<certificate>& chain, std::size_t index) {
    std::string label = "certificate " + std::to_string(index + 1);
    try {
        label += " (" + chain[index].subject() + ")";
    } catch (const error&) {
        label += " (malformed subject)";
    }
    return label;
}

// By its names and key identifiers (X509_check_issued); whether it may issue, and did sign, is for whoever verifies.
[[nodiscard]] inline bool may_have_issued(const certificate& issuer, const certificate& subject) {
    const int reason = ::X509_check_issued(issuer.native_handle(), subject.native_handle());
    return reason != X509_V_ERR_SUBJECT_ISSUER_MISMATCH && reason != X509_V_ERR_AKID_SKID_MISMATCH &&
           reason != X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH;
}

// RFC 8446 4.4.2: each certificate certifies the one before it.
[[nodiscard]] inline bool check_order(const std::vector<certificate>& chain, const input_source& source, failure& why) {
    for (std::size_t i = 1; i != chain.size(); ++i) {
        if (may_have_issued(chain[i], chain[i - 1])) continue;
        why = source.wrong(certificate_label(chain, i) + " did not issue " + certificate_label(chain, i - 1));
        return false;
    }
    return true;
}

// The leaf's public key and all certificates' DER forms. Null and `why` if the chain is none.
[[nodiscard]] inline std::shared_ptr<identity_material> material_of_chain(std::vector<certificate> chain,
                                                                          const input_source& source, failure& why) {
    if (chain.empty()) why = source.wrong("holds no certificate");
    if (why || !check_order(chain, source, why)) return nullptr;
    auto made = std::make_shared<identity_material>(identity_material{std::move(chain)});
    made->public_key.reset(::X509_get_pubkey(made->chain.front().native_handle()));
    if (!made->public_key) {
        why = source.wrong("the leaf's public key is malformed or of a kind that is not known");
        return nullptr;
    }
    for (const certificate& one : made->chain) {
        std::uint8_t* encoded = nullptr;
        const int size = ::i2d_X509(one.native_handle(), &encoded);
        const bssl::UniquePtr<std::uint8_t> owned(encoded);
        if (size >= 0) made->encoded.emplace_back(::CRYPTO_BUFFER_new(encoded, static_cast<std::size_t>(size), nullptr));
        if (size < 0 || !made->encoded.back()) {
            why = source.wrong("cannot be encoded");
            return nullptr;
        }
    }
    return made;
}

// Adds the key that belongs to the chain. Null and errc::key_mismatch if it is another.
[[nodiscard]] inline std::shared_ptr<const identity_material> with_key(std::shared_ptr<identity_material> made,
                                                                       bssl::UniquePtr<EVP_PKEY> key, std::string what,
                                                                       failure& why) {
    if (::EVP_PKEY_cmp(made->public_key.get(), key.get()) != 1) {
        why = queued_failure(make_error_code(errc::key_mismatch), std::move(what));
        return nullptr;
    }
    made->key = std::move(key);
    return made;
}

// RFC 6962 3.3, SignedCertificateTimestampList: 1 to 65,535 bytes of entries, each of 1 to 65,535, both behind their lengths.
[[nodiscard]] inline bool is_sct_list(std::span<const std::uint8_t> bytes) noexcept {
    CBS rest;
    CBS entries;
    CBS_init(&rest, bytes.data(), bytes.size());
    if (::CBS_get_u16_length_prefixed(&rest, &entries) != 1 || CBS_len(&rest) != 0 || CBS_len(&entries) == 0) return false;
    while (CBS_len(&entries) != 0) {
        CBS entry;
        if (::CBS_get_u16_length_prefixed(&entries, &entry) != 1 || CBS_len(&entry) == 0) return false;
    }
    return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
