// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Certificate revocation lists for tests.

#ifndef TLS_STREAM_TESTS_SUPPORT_REVOCATION_HPP
#define TLS_STREAM_TESTS_SUPPORT_REVOCATION_HPP

#include <support/pki.hpp>

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tests {

// What a list is to say.
struct revocation_options {
    std::vector<const issued*> revoked{};  // by their serial numbers
    int begins_in_days = -1;               // from now
    int ends_in_days = 30;
    EVP_PKEY* signing_key = nullptr;  // null: the issuer's
};

struct revocation_list {
    bssl::UniquePtr<X509_CRL> list;

    [[nodiscard]] std::string pem() const {
        return demo::text_of([&](BIO* into) { return ::PEM_write_bio_X509_CRL(into, list.get()); });
    }
    [[nodiscard]] std::vector<std::byte> der() const {
        std::uint8_t* encoded = nullptr;
        const int size = ::i2d_X509_CRL(list.get(), &encoded);
        const bssl::UniquePtr<std::uint8_t> owned(encoded);
        demo::require(size > 0, "list");
        const auto all = std::as_bytes(std::span(encoded, static_cast<std::size_t>(size)));
        return {all.begin(), all.end()};
    }
};

// Makes a list of that authority's (RFC 5280 5). Throws std::runtime_error.
[[nodiscard]] inline revocation_list revoke(const issued& issuer, const revocation_options& options = {}) {
    const auto in_days = [](int days) {
        bssl::UniquePtr<ASN1_TIME> time(::ASN1_TIME_adj(nullptr, ::time(nullptr), days, 0));
        demo::require(time != nullptr, "date");
        return time;
    };
    revocation_list made{bssl::UniquePtr<X509_CRL>(::X509_CRL_new())};
    X509_CRL* const list = made.list.get();
    demo::require(list && ::X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
                      ::X509_CRL_set_issuer_name(list, ::X509_get_subject_name(issuer.certificate.get())) == 1 &&
                      ::X509_CRL_set1_lastUpdate(list, in_days(options.begins_in_days).get()) == 1 &&
                      ::X509_CRL_set1_nextUpdate(list, in_days(options.ends_in_days).get()) == 1,
                  "fields");
    for (const issued* const one : options.revoked) {
        bssl::UniquePtr<X509_REVOKED> entry(::X509_REVOKED_new());
        const ASN1_INTEGER* const serial = ::X509_get0_serialNumber(one->certificate.get());
        demo::require(entry && ::X509_REVOKED_set_serialNumber(entry.get(), serial) == 1 &&
                          ::X509_REVOKED_set_revocationDate(entry.get(), in_days(options.begins_in_days).get()) == 1 &&
                          ::X509_CRL_add0_revoked(list, entry.get()) == 1,
                      "entry");
        [[maybe_unused]] const auto* const given_away = entry.release();
    }
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.certificate.get(), nullptr, nullptr, list, 0);
    const bssl::UniquePtr<X509_EXTENSION> key_identifier(
        ::X509V3_EXT_nconf_nid(nullptr, &context, NID_authority_key_identifier, "keyid"));
    EVP_PKEY* const key = options.signing_key != nullptr ? options.signing_key : issuer.key.get();
    demo::require(key_identifier && ::X509_CRL_add_ext(list, key_identifier.get(), -1) == 1 && ::X509_CRL_sort(list) == 1 &&
                      ::X509_CRL_sign(list, key, ::EVP_sha256()) > 0,
                  "signature");
    return made;
}

}  // namespace tests

#endif
