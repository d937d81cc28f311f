// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Makes certificates and keys in memory, for trying out. A product gets its certificates from an authority.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_ISSUE_CERTIFICATE_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_ISSUE_CERTIFICATE_HPP

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace demo {

inline void require(bool worked, const char* what) {
    if (!worked) throw std::runtime_error(std::string("cannot make a certificate: ") + what);
}

// What `write(BIO*) -> int` writes, 1 being success.
template <class Write>
[[nodiscard]] std::string text_of(Write&& write) {
    const bssl::UniquePtr<BIO> memory(::BIO_new(::BIO_s_mem()));
    const std::uint8_t* text = nullptr;
    std::size_t size = 0;
    require(memory && write(memory.get()) == 1 && ::BIO_mem_contents(memory.get(), &text, &size) == 1, "PEM");
    return {reinterpret_cast<const char*>(text), size};
}

// What a certificate is to say.
struct certificate_options {
    std::string common_name{};
    std::vector<std::string> dns_names{};     // subjectAltName, byte for byte
    std::vector<std::string> ip_addresses{};  // subjectAltName, 4 or 16 octets each (demo::octets makes them from text)
    std::vector<std::string> emails{};        // subjectAltName, byte for byte
    std::vector<std::string> uris{};          // subjectAltName, byte for byte
    bool authority = false;                   // may issue others
    std::optional<int> path_length{};         // of an authority: how many authorities may follow
    std::string key_usage{};                  // "digitalSignature,keyCertSign"; empty: what `authority` calls for
    std::string extended_key_usage{};         // "serverAuth", "clientAuth", "serverAuth,clientAuth"; empty: none, good for all
    std::string name_constraints{};           // of an authority: "permitted;DNS:example.org,excluded;DNS:secret.example.org"
    int begins_in_days = -1;                  // validity, from now
    int ends_in_days = 30;
    bssl::UniquePtr<EVP_PKEY> key{};              // null: a new P-256 key
    const EVP_MD* digest = ::EVP_sha256();        // of the signature; null if the issuer's key is Ed25519
    std::function<void(X509*)> before_signing{};  // a last word, for what is not in this list
};

// A certificate with its private key.
struct issued {
    bssl::UniquePtr<X509> certificate;
    bssl::UniquePtr<EVP_PKEY> key;

    [[nodiscard]] std::string certificate_pem() const {
        return text_of([&](BIO* into) { return ::PEM_write_bio_X509(into, certificate.get()); });
    }
    [[nodiscard]] std::string key_pem() const {  // PKCS#8, not encrypted
        return text_of(
            [&](BIO* into) { return ::PEM_write_bio_PKCS8PrivateKey(into, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    }
};

[[nodiscard]] inline bssl::UniquePtr<EVP_PKEY> new_p256_key() {
    bssl::UniquePtr<EC_KEY> ec(::EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
    bssl::UniquePtr<EVP_PKEY> key(::EVP_PKEY_new());
    require(ec && key && ::EC_KEY_generate_key(ec.get()) == 1 && ::EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) == 1, "key");
    return key;
}

// The octets of an IP address in text form.
[[nodiscard]] inline std::string octets(const char* address) {
    const bssl::UniquePtr<ASN1_OCTET_STRING> parsed(::a2i_IPADDRESS(address));
    require(parsed != nullptr, "address");
    const auto* const data = reinterpret_cast<const char*>(::ASN1_STRING_get0_data(parsed.get()));
    return {data, static_cast<std::size_t>(::ASN1_STRING_length(parsed.get()))};
}

inline void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const bssl::UniquePtr<X509_EXTENSION> extension(::X509V3_EXT_nconf_nid(nullptr, &context, kind, value.c_str()));
    require(extension && ::X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
}

inline void add_alternative_names(X509* certificate, const certificate_options& options) {
    const bssl::UniquePtr<GENERAL_NAMES> names(sk_GENERAL_NAME_new_null());
    require(names != nullptr, "names");
    const auto add = [&](int type, const std::vector<std::string>& values) {
        for (const std::string& bytes : values) {
            const int size = static_cast<int>(bytes.size());
            bssl::UniquePtr<GENERAL_NAME> name(::GENERAL_NAME_new());
            bssl::UniquePtr<ASN1_STRING> value(
                ::ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING));
            require(name && value && ::ASN1_STRING_set(value.get(), bytes.data(), size) == 1, "name");
            ::GENERAL_NAME_set0_value(name.get(), type, value.release());
            require(bssl::PushToStack(names.get(), std::move(name)), "name");
        }
    };
    add(GEN_DNS, options.dns_names);
    add(GEN_IPADD, options.ip_addresses);
    add(GEN_EMAIL, options.emails);
    add(GEN_URI, options.uris);
    if (sk_GENERAL_NAME_num(names.get()) == 0) return;
    require(::X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1, "names");
}

// Makes a certificate, signed by `issuer` or, without one, by itself. Throws std::runtime_error.
[[nodiscard]] inline issued issue_certificate(certificate_options options, const issued* issuer = nullptr) {
    issued made{bssl::UniquePtr<X509>(::X509_new()), options.key ? std::move(options.key) : new_p256_key()};
    X509* const x509 = made.certificate.get();
    require(x509 != nullptr, "memory");
    X509* const signer = issuer != nullptr ? issuer->certificate.get() : x509;

    std::uint64_t number = 0;
    ::RAND_bytes(reinterpret_cast<std::uint8_t*>(&number), sizeof number);
    require(::ASN1_INTEGER_set_uint64(::X509_get_serialNumber(x509), number) == 1, "serial number");

    if (!options.common_name.empty()) {
        const auto* const name = reinterpret_cast<const std::uint8_t*>(options.common_name.data());
        const int size = static_cast<int>(options.common_name.size());
        bssl::UniquePtr<X509_NAME> subject(::X509_NAME_new());
        require(subject && ::X509_NAME_add_entry_by_NID(subject.get(), NID_commonName, MBSTRING_UTF8, name, size, -1, 0) == 1 &&
                    ::X509_set_subject_name(x509, subject.get()) == 1,
                "common name");
    }
    require(::X509_set_version(x509, X509_VERSION_3) == 1 && ::X509_set_pubkey(x509, made.key.get()) == 1 &&
                ::X509_time_adj_ex(::X509_getm_notBefore(x509), options.begins_in_days, 0, nullptr) != nullptr &&
                ::X509_time_adj_ex(::X509_getm_notAfter(x509), options.ends_in_days, 0, nullptr) != nullptr &&
                ::X509_set_issuer_name(x509, ::X509_get_subject_name(signer)) == 1,
            "fields");

    const bool ca = options.authority;
    const std::string limit = options.path_length ? ",pathlen:" + std::to_string(*options.path_length) : "";
    add_extension(x509, signer, NID_basic_constraints, (ca ? "critical,CA:TRUE" : "critical,CA:FALSE") + limit);
    const std::string usage = ca ? "keyCertSign,cRLSign" : "digitalSignature";
    add_extension(x509, signer, NID_key_usage, "critical," + (options.key_usage.empty() ? usage : options.key_usage));
    if (!options.extended_key_usage.empty()) add_extension(x509, signer, NID_ext_key_usage, options.extended_key_usage);
    if (!options.name_constraints.empty()) {
        add_extension(x509, signer, NID_name_constraints, "critical," + options.name_constraints);
    }
    add_extension(x509, signer, NID_subject_key_identifier, "hash");
    add_extension(x509, signer, NID_authority_key_identifier, "keyid");
    add_alternative_names(x509, options);
    if (options.before_signing) options.before_signing(x509);

    EVP_PKEY* const signing_key = issuer != nullptr ? issuer->key.get() : made.key.get();
    require(::X509_sign(x509, signing_key, options.digest) > 0, "signature");
    return made;
}

}  // namespace demo

#endif
