// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Certificates and keys for tests: a builder for any of them, and a ready-made set.

#ifndef TLS_STREAM_TESTS_SUPPORT_PKI_HPP
#define TLS_STREAM_TESTS_SUPPORT_PKI_HPP

#include <support/issue_certificate.hpp>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tests {

using demo::certificate_options;
using demo::issue_certificate;
using demo::issued;
using demo::octets;

[[nodiscard]] inline bssl::UniquePtr<EVP_PKEY> new_rsa_key(int bits = 2048) {
    const bssl::UniquePtr<BIGNUM> exponent(::BN_new());
    bssl::UniquePtr<RSA> rsa(::RSA_new());
    bssl::UniquePtr<EVP_PKEY> key(::EVP_PKEY_new());
    demo::require(exponent && rsa && key && ::BN_set_word(exponent.get(), RSA_F4) == 1 &&
                      ::RSA_generate_key_ex(rsa.get(), bits, exponent.get(), nullptr) == 1 &&
                      ::EVP_PKEY_set1_RSA(key.get(), rsa.get()) == 1,
                  "RSA key");
    return key;
}

inline void remove_extension(X509* x509, int kind) {
    const bssl::UniquePtr<X509_EXTENSION> removed(::X509_delete_ext(x509, ::X509_get_ext_by_NID(x509, kind, -1)));
    demo::require(removed != nullptr, "no such extension");
}

// Replaces a certificate's signature by one over an MD5 digest, which X509_sign refuses to make; with the issuer's RSA key.
inline void sign_with_md5(X509* x509, EVP_PKEY* issuer) {
    const bssl::UniquePtr<X509_ALGOR> algorithm(::X509_ALGOR_new());
    demo::require(algorithm &&
                      ::X509_ALGOR_set0(algorithm.get(), ::OBJ_nid2obj(NID_md5WithRSAEncryption), V_ASN1_NULL, nullptr) == 1 &&
                      ::X509_set1_signature_algo(x509, algorithm.get()) == 1,
                  "MD5");
    std::uint8_t* encoded = nullptr;
    const int size = ::i2d_re_X509_tbs(x509, &encoded);
    const bssl::UniquePtr<std::uint8_t> owned(encoded);
    demo::require(size > 0, "MD5");
    std::array<std::uint8_t, 16> digest{};
    ::MD5(encoded, static_cast<std::size_t>(size), digest.data());
    RSA* const rsa = ::EVP_PKEY_get0_RSA(issuer);
    demo::require(rsa != nullptr, "MD5 goes with an RSA key");
    std::vector<std::uint8_t> signature(::RSA_size(rsa));
    unsigned signature_size = 0;
    demo::require(::RSA_sign(NID_md5, digest.data(), digest.size(), signature.data(), &signature_size, rsa) == 1 &&
                      ::X509_set1_signature_value(x509, signature.data(), signature_size) == 1,
                  "MD5");
}

// A chain as a server sends it: the leaf first, everybody followed by its issuer, the last one by an authority that is not part of it.
struct chain {
    std::vector<issued> links;

    [[nodiscard]] std::string pem() const {
        std::string text;
        for (const issued& link : links) text += link.certificate_pem();
        return text;
    }
};

// One of so many certificates, the leaf included, below that authority. All have one key, so that it is quickly made.
[[nodiscard]] inline chain make_chain(std::size_t length, certificate_options leaf, const issued& authority) {
    const auto key = demo::new_p256_key();
    chain made;
    const issued* issuer = &authority;
    made.links.resize(length);
    for (std::size_t i = length; i-- != 0; issuer = &made.links[i]) {
        certificate_options options = i == 0 ? std::move(leaf) : certificate_options{};
        if (i != 0) {
            options.common_name = "Authority " + std::to_string(length - i);
            options.authority = true;
        }
        options.key = bssl::UpRef(key);
        made.links[i] = issue_certificate(std::move(options), issuer);
    }
    return made;
}

// An authority, self-signed without an issuer.
[[nodiscard]] inline issued make_authority(std::string name, const issued* issuer = nullptr) {
    certificate_options options;
    options.common_name = std::move(name);
    options.authority = true;
    return issue_certificate(std::move(options), issuer);
}

// A server's certificate for these DNS names; its common name is the first.
[[nodiscard]] inline issued make_leaf(std::vector<std::string> dns_names, const issued* issuer = nullptr) {
    certificate_options options;
    options.common_name = dns_names.empty() ? "leaf" : dns_names.front();
    options.dns_names = std::move(dns_names);
    options.extended_key_usage = "serverAuth";
    return issue_certificate(std::move(options), issuer);
}

// Everything for a handshake. All keys are P-256.
struct pki {
    issued authority;  // "Test CA", self-signed
    issued server;     // localhost, example.test, 127.0.0.1, ::1
    issued client;     // "Test Client", for client authentication
};

// The ready-made set, made when it is first asked for; the same throughout the process.
[[nodiscard]] inline const pki& test_pki() {
    static const pki made = [] {
        pki set;
        set.authority = make_authority("Test CA");
        certificate_options server;
        server.common_name = "localhost";
        server.dns_names = {"localhost", "example.test"};
        server.ip_addresses = {octets("127.0.0.1"), octets("::1")};
        server.extended_key_usage = "serverAuth";
        set.server = issue_certificate(std::move(server), &set.authority);
        certificate_options client;
        client.common_name = "Test Client";
        client.extended_key_usage = "clientAuth";
        set.client = issue_certificate(std::move(client), &set.authority);
        return set;
    }();
    return made;
}

// What X509_verify_cert makes of a certificate: X509_V_OK, or the reason why not. `adjust` gets the X509_VERIFY_PARAM.
template <class Adjust>
[[nodiscard]] int verify_reason(X509* leaf, X509_STORE* store, Adjust&& adjust) {
    const bssl::UniquePtr<X509_STORE_CTX> context(::X509_STORE_CTX_new());
    demo::require(context && ::X509_STORE_CTX_init(context.get(), store, leaf, nullptr) == 1, "verification");
    adjust(::X509_STORE_CTX_get0_param(context.get()));
    const bool trusted = ::X509_verify_cert(context.get()) == 1;
    const int reason = ::X509_STORE_CTX_get_error(context.get());
    ::ERR_clear_error();
    return trusted ? X509_V_OK : reason;
}
[[nodiscard]] inline int verify_reason(X509* leaf, X509_STORE* store) {
    return verify_reason(leaf, store, [](X509_VERIFY_PARAM*) {});
}

}  // namespace tests

#endif
