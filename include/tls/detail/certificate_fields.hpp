// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A certificate's names, extensions and public key, read one by one. As in x509_text.hpp, what is malformed is refused with
// errc::invalid_certificate. Whoever calls these holds an error_queue_guard.

#ifndef TLS_STREAM_TLS_DETAIL_CERTIFICATE_FIELDS_HPP
#define TLS_STREAM_TLS_DETAIL_CERTIFICATE_FIELDS_HPP

#include <tls/certificate_fields.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/printable.hpp>
#include <tls/detail/x509_text.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// An object identifier as dotted numbers, or by its long name if BoringSSL knows one (OBJ_obj2txt).
enum class object_form : int { long_name = 0, dotted = 1 };
[[nodiscard]] inline std::string object_text(const ASN1_OBJECT* object, object_form form) {
    const int size = ::OBJ_obj2txt(nullptr, 0, object, static_cast<int>(form));
    if (size < 0) malformed_certificate("malformed object identifier");
    std::string text(static_cast<std::size_t>(size) + 1, '\0');
    ::OBJ_obj2txt(text.data(), size + 1, object, static_cast<int>(form));
    text.pop_back();
    return text;
}

// By its short name ("serverAuth"), or as dotted numbers.
[[nodiscard]] inline std::string object_short_name(const ASN1_OBJECT* object) {
    const int known = ::OBJ_obj2nid(object);
    return known != NID_undef ? ::OBJ_nid2sn(known) : object_text(object, object_form::dotted);
}

// OpenSSL, and so Python, has names for these; BoringSSL has none.
[[nodiscard]] inline std::string attribute_type(const ASN1_OBJECT* object) {
    using name = std::pair<std::string_view, std::string_view>;
    static constexpr std::array names{
        name{"1.3.6.1.4.1.311.60.2.1.1", "jurisdictionLocalityName"},
        name{"1.3.6.1.4.1.311.60.2.1.2", "jurisdictionStateOrProvinceName"},
        name{"1.3.6.1.4.1.311.60.2.1.3", "jurisdictionCountryName"},
        name{"2.5.4.97", "organizationIdentifier"},
        name{"0.9.2342.19200300.100.1.44", "uniqueIdentifier"},
        name{"1.2.643.3.131.1.1", "INN"},
        name{"1.2.643.100.1", "OGRN"},
        name{"1.2.643.100.3", "SNILS"},
        name{"1.2.643.100.5", "OGRNIP"},
    };
    std::string type = object_text(object, object_form::long_name);
    const auto found = std::find_if(names.begin(), names.end(), [&](const name& known) { return known.first == type; });
    return found != names.end() ? std::string(found->second) : type;
}

// Whatever an ASN.1 string holds, as UTF-8; what is no kind of text as '#' and its DER in hexadecimal. Fit for one line, and
// two different texts never look alike.
[[nodiscard]] inline std::string string_text(const ASN1_STRING* value) {
    constexpr unsigned long form = ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_DUMP_UNKNOWN | ASN1_STRFLGS_DUMP_DER;
    const bssl::UniquePtr<BIO> memory(::BIO_new(::BIO_s_mem()));
    if (!memory || ::ASN1_STRING_print_ex(memory.get(), value, form) < 0) malformed_certificate("malformed text in a name");
    std::string escaped;
    for (const char c : contents(memory.get())) {
        if (c == '\\') append_escaped(escaped, '\\');
        else escaped += c;
    }
    return on_one_line(escaped);
}

[[nodiscard]] inline std::vector<name_attribute> name_attributes(const X509_NAME* name) {
    std::vector<name_attribute> attributes;
    for (int i = 0; i != ::X509_NAME_entry_count(name); ++i) {
        const X509_NAME_ENTRY* const entry = ::X509_NAME_get_entry(name, i);
        attributes.push_back(
            {attribute_type(::X509_NAME_ENTRY_get_object(entry)), string_text(::X509_NAME_ENTRY_get_data(entry))});
    }
    return attributes;
}

[[nodiscard]] inline std::string last_common_name(const X509_NAME* name) {
    int last = -1;
    for (int i = last; (i = ::X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;) last = i;
    return last < 0 ? std::string() : string_text(::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(name, last)));
}

[[nodiscard]] inline std::string hexadecimal(std::span<const std::uint8_t> octets) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const std::uint8_t octet : octets) {
        text += digits[octet >> 4];
        text += digits[octet & 15];
    }
    return text;
}

// '#' and the DER that `encode(uint8_t**) -> int` gives, an i2d function.
template <class Encode>
[[nodiscard]] std::string encoded_text(Encode encode) {
    std::uint8_t* encoded = nullptr;
    const int size = encode(&encoded);
    if (size < 0) malformed_certificate("malformed subjectAltName");
    const bssl::UniquePtr<std::uint8_t> owned(encoded);
    return '#' + hexadecimal({encoded, static_cast<std::size_t>(size)});
}

[[nodiscard]] inline std::string other_name_text(const OTHERNAME& name) {
    std::string text = object_text(name.type_id, object_form::dotted) + '=';
    switch (name.value->type) {
        case V_ASN1_UTF8STRING: return text + string_text(name.value->value.utf8string);
        case V_ASN1_IA5STRING: return text + string_text(name.value->value.ia5string);
        case V_ASN1_PRINTABLESTRING: return text + string_text(name.value->value.printablestring);
        default: return text + encoded_text([&](std::uint8_t** into) { return ::i2d_ASN1_TYPE(name.value, into); });
    }
}

[[nodiscard]] inline std::string ia5_text(const ASN1_IA5STRING* value) { return printable_ascii(string_octets(value)); }

[[nodiscard]] inline alternative_name general_name(GENERAL_NAME* name) {
    using kind = alternative_name::kind;
    switch (name->type) {
        case GEN_DNS: return {kind::dns, ia5_text(name->d.dNSName)};
        case GEN_EMAIL: return {kind::email, ia5_text(name->d.rfc822Name)};
        case GEN_URI: return {kind::uri, ia5_text(name->d.uniformResourceIdentifier)};
        case GEN_IPADD: return {kind::ip_address, address_text(string_octets(name->d.iPAddress))};
        case GEN_DIRNAME: return {kind::directory, name_text(name->d.directoryName)};
        case GEN_RID: return {kind::registered_id, object_text(name->d.registeredID, object_form::dotted)};
        case GEN_OTHERNAME: return {kind::other, other_name_text(*name->d.otherName)};
        default: return {kind::other, encoded_text([&](std::uint8_t** into) { return ::i2d_GENERAL_NAME(name, into); })};
    }
}

[[nodiscard]] inline std::vector<alternative_name> all_alternative_names(const X509* x509) {
    std::vector<alternative_name> all;
    if (const auto names = extension<GENERAL_NAMES>(x509, NID_subject_alt_name, "subjectAltName")) {
        for (std::size_t i = 0; i != sk_GENERAL_NAME_num(names.get()); ++i) {
            all.push_back(general_name(sk_GENERAL_NAME_value(names.get(), i)));
        }
    }
    return all;
}

[[nodiscard]] inline std::optional<key_usage> usage_of(const X509* x509) {
    const auto bits = extension<ASN1_BIT_STRING>(x509, NID_key_usage, "keyUsage");
    if (!bits) return {};
    const auto has = [&](int bit) { return ::ASN1_BIT_STRING_get_bit(bits.get(), bit) != 0; };
    return key_usage{has(0), has(1), has(2), has(3), has(4), has(5), has(6), has(7), has(8)};
}

[[nodiscard]] inline std::vector<std::string> extended_usage_of(const X509* x509) {
    std::vector<std::string> purposes;
    if (const auto listed = extension<EXTENDED_KEY_USAGE>(x509, NID_ext_key_usage, "extendedKeyUsage")) {
        for (std::size_t i = 0; i != sk_ASN1_OBJECT_num(listed.get()); ++i) {
            purposes.push_back(object_short_name(sk_ASN1_OBJECT_value(listed.get(), i)));
        }
    }
    return purposes;
}

[[nodiscard]] inline std::optional<basic_constraints> constraints_of(const X509* x509) {
    const auto read = extension<BASIC_CONSTRAINTS>(x509, NID_basic_constraints, "basicConstraints");
    if (!read) return {};
    basic_constraints constraints{read->ca != 0};
    if (read->pathlen != nullptr) {
        std::uint64_t length = 0;
        if (::ASN1_INTEGER_get_uint64(&length, read->pathlen) != 1 || length > (std::numeric_limits<unsigned>::max)()) {
            malformed_certificate("path length out of range");
        }
        constraints.path_length = static_cast<unsigned>(length);
    }
    return constraints;
}

inline void add_uri(std::vector<std::string>& uris, const GENERAL_NAME* name) {
    if (name->type == GEN_URI) uris.push_back(ia5_text(name->d.uniformResourceIdentifier));
}

// The URIs of authorityInfoAccess (RFC 5280 4.2.2.1) that are for one purpose, by its NID.
[[nodiscard]] inline std::vector<std::string> access_uris(const X509* x509, int purpose) {
    std::vector<std::string> uris;
    if (const auto listed = extension<AUTHORITY_INFO_ACCESS>(x509, NID_info_access, "authorityInfoAccess")) {
        for (std::size_t i = 0; i != sk_ACCESS_DESCRIPTION_num(listed.get()); ++i) {
            const ACCESS_DESCRIPTION* const access = sk_ACCESS_DESCRIPTION_value(listed.get(), i);
            if (::OBJ_obj2nid(access->method) == purpose) add_uri(uris, access->location);
        }
    }
    return uris;
}

// The URIs of cRLDistributionPoints (RFC 5280 4.2.1.13).
[[nodiscard]] inline std::vector<std::string> distribution_uris(const X509* x509) {
    constexpr int full_name = 0;
    std::vector<std::string> uris;
    const auto points = extension<CRL_DIST_POINTS>(x509, NID_crl_distribution_points, "cRLDistributionPoints");
    for (std::size_t i = 0; points && i != sk_DIST_POINT_num(points.get()); ++i) {
        const DIST_POINT_NAME* const point = sk_DIST_POINT_value(points.get(), i)->distpoint;
        if (point == nullptr || point->type != full_name) continue;
        for (std::size_t j = 0; j != sk_GENERAL_NAME_num(point->name.fullname); ++j) {
            add_uri(uris, sk_GENERAL_NAME_value(point->name.fullname, j));
        }
    }
    return uris;
}

[[nodiscard]] inline const X509_ALGOR* key_algorithm(const X509* x509) {
    X509_ALGOR* algorithm = nullptr;
    if (::X509_PUBKEY_get0_param(nullptr, nullptr, nullptr, &algorithm, ::X509_get_X509_PUBKEY(x509)) != 1) {
        malformed_certificate("malformed public key");
    }
    return algorithm;
}

[[nodiscard]] inline std::string key_type_of(const X509* x509) {
    const ASN1_OBJECT* type = nullptr;
    ::X509_ALGOR_get0(&type, nullptr, nullptr, key_algorithm(x509));
    switch (::OBJ_obj2nid(type)) {
        case NID_rsaEncryption: return "RSA";
        case NID_X9_62_id_ecPublicKey: return "EC";
        case NID_ED25519: return "Ed25519";
        default: return object_short_name(type);
    }
}

[[nodiscard]] inline std::string key_curve_of(const X509* x509) {
    const ASN1_OBJECT* type = nullptr;
    int kind = V_ASN1_UNDEF;
    const void* parameter = nullptr;
    ::X509_ALGOR_get0(&type, &kind, &parameter, key_algorithm(x509));
    if (::OBJ_obj2nid(type) != NID_X9_62_id_ecPublicKey || kind != V_ASN1_OBJECT) return {};
    const auto* const curve = static_cast<const ASN1_OBJECT*>(parameter);
    const char* const nist = ::EC_curve_nid2nist(::OBJ_obj2nid(curve));
    return nist != nullptr ? nist : object_short_name(curve);
}

// Runs `use(span of octets)` on the SubjectPublicKeyInfo in DER.
template <class Use>
auto with_public_key(const X509* x509, Use use) {
    std::uint8_t* encoded = nullptr;
    const int size = ::i2d_X509_PUBKEY(::X509_get_X509_PUBKEY(x509), &encoded);
    if (size < 0) malformed_certificate("malformed public key");
    const bssl::UniquePtr<std::uint8_t> owned(encoded);
    return use(std::span<const std::uint8_t>(encoded, static_cast<std::size_t>(size)));
}

[[nodiscard]] inline int key_bits_of(const X509* x509) {
    return with_public_key(x509, [](std::span<const std::uint8_t> encoded) {
        CBS reader;
        ::CBS_init(&reader, encoded.data(), encoded.size());
        const bssl::UniquePtr<EVP_PKEY> key(::EVP_parse_public_key(&reader));
        if (key)
            return ::EVP_PKEY_id(key.get()) == EVP_PKEY_ED25519 ? 256 : ::EVP_PKEY_bits(key.get());  // BoringSSL counts 253
        const auto packed = static_cast<std::uint32_t>(::ERR_peek_error());
        const auto is = [&](int library, int reason) {
            return ERR_GET_LIB(packed) == library && ERR_GET_REASON(packed) == reason;
        };
        if (is(ERR_LIB_EVP, EVP_R_UNSUPPORTED_ALGORITHM) || is(ERR_LIB_EC, EC_R_UNKNOWN_GROUP)) return 0;
        malformed_certificate("malformed public key");
    });
}

[[nodiscard]] inline std::array<std::byte, 32> public_key_hash(const X509* x509) {
    return with_public_key(x509, [](std::span<const std::uint8_t> encoded) {
        std::array<std::byte, 32> hash{};
        ::SHA256(encoded.data(), encoded.size(), reinterpret_cast<std::uint8_t*>(hash.data()));
        return hash;
    });
}

[[nodiscard]] inline std::string signature_algorithm_of(const X509* x509) {
    const X509_ALGOR* algorithm = nullptr;
    ::X509_get0_signature(nullptr, &algorithm, x509);
    const ASN1_OBJECT* type = nullptr;
    ::X509_ALGOR_get0(&type, nullptr, nullptr, algorithm);
    return ::OBJ_obj2nid(type) == NID_ED25519 ? "Ed25519" : object_text(type, object_form::long_name);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
