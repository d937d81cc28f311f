// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// An X.509 certificate as a value: what a peer sent, what a credential or a trust store holds.

#ifndef TLS_STREAM_TLS_CERTIFICATE_HPP
#define TLS_STREAM_TLS_CERTIFICATE_HPP

#include <tls/certificate_fields.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/certificate_fields.hpp>
#include <tls/detail/certificate_summary.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/printable.hpp>
#include <tls/detail/x509_text.hpp>
#include <tls/error.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

/// A certificate, immutable and shared: copies are cheap and may be used by several threads. The getters throw tls::error:
/// errc::not_open on an empty one, errc::invalid_certificate where the part that is asked for is malformed. They show what
/// the certificate claims; whether it may be trusted is for the handshake to find out.
class certificate {
public:
    /// Empty.
    certificate() noexcept = default;
    /// Takes the reference over; null gives an empty one.
    explicit certificate(bssl::UniquePtr<X509> x509) noexcept : x509_(std::move(x509)) {}
    /// Copies share the X509.
    certificate(const certificate& other) noexcept : x509_(bssl::UpRef(other.x509_)) {}
    certificate(certificate&&) noexcept = default;
    /// Copies share the X509.
    certificate& operator=(const certificate& other) noexcept {
        x509_ = bssl::UpRef(other.x509_);
        return *this;
    }
    certificate& operator=(certificate&&) noexcept = default;
    ~certificate() = default;

    /// The first certificate of a PEM text; other blocks and text between them are skipped. Fails with
    /// errc::invalid_certificate if there is none or if it is malformed.
    [[nodiscard]] static certificate from_pem(std::string_view text);
    /// The same without an exception.
    [[nodiscard]] static certificate from_pem(std::string_view text, std::error_code& ec);
    /// Exactly one certificate in DER. Fails with errc::invalid_certificate.
    [[nodiscard]] static certificate from_der(std::span<const std::byte> der);
    /// The same without an exception.
    [[nodiscard]] static certificate from_der(std::span<const std::byte> der, std::error_code& ec);

    /// False for an empty one.
    [[nodiscard]] explicit operator bool() const noexcept { return x509_ != nullptr; }

    /// The subject's distinguished name, most specific part first and escaped as in RFC 2253, but in UTF-8 and with a space after each
    /// comma: "CN=example.org, O=Example". Control characters and those that end lines or turn the direction of writing are
    /// escaped as `\XX` for each octet.
    [[nodiscard]] std::string subject() const;
    /// The issuer's name, in the same form.
    [[nodiscard]] std::string issuer() const;
    /// The subject's name attribute by attribute, in the certificate's order, which is least specific first by custom. The values
    /// are not escaped as in RFC 2253.
    [[nodiscard]] std::vector<name_attribute> subject_attributes() const;
    /// The issuer's, likewise.
    [[nodiscard]] std::vector<name_attribute> issuer_attributes() const;
    /// The subject's common name, the last one if there are several; empty without one. It says nothing about which servers the
    /// certificate is for: that is for the alternative names to say (RFC 9525 2).
    [[nodiscard]] std::string common_name() const;
    /// Subject and issuer are the same name (RFC 5280 6.1), as in every root. Says nothing about who signed.
    [[nodiscard]] bool is_self_issued() const;

    /// The subjectAltName's DNS names, as they stand there; wildcards too. A byte that does not belong in a name (NUL, other
    /// control characters, backslash, non-ASCII) is shown as `\XX`, hexadecimal, so that it cannot pass for another name.
    [[nodiscard]] std::vector<std::string> dns_names() const;
    /// The subjectAltName's IP addresses in textual form (inet_ntop). One that is neither 4 nor 16 octets long is shown as
    /// its octets, each as `\XX`.
    [[nodiscard]] std::vector<std::string> ip_addresses() const;
    /// The whole subjectAltName, in its order.
    [[nodiscard]] std::vector<alternative_name> alternative_names() const;

    /// 3 for X.509 v3, which all are that have extensions.
    [[nodiscard]] int version() const;
    /// The serial number in hexadecimal, lower case, two digits for each octet.
    [[nodiscard]] std::string serial() const;
    /// The first second in which it is valid. Where a date lies outside the clock's range (a year above 2262, if it counts
    /// nanoseconds in 64 bits) this is the clock's end, so that comparing with now() is always right.
    [[nodiscard]] std::chrono::system_clock::time_point not_before() const;
    /// The last second in which it is valid, likewise.
    [[nodiscard]] std::chrono::system_clock::time_point not_after() const;

    /// What the key may be used for (the extension keyUsage, RFC 5280 4.2.1.3); std::nullopt without it, which sets no limit.
    [[nodiscard]] std::optional<key_usage> usage() const;
    /// What for, by extendedKeyUsage (RFC 5280 4.2.1.12): "serverAuth", "clientAuth", "OCSPSigning", "anyExtendedKeyUsage", unknown
    /// ones as dotted numbers. Empty without it, which sets no limit.
    [[nodiscard]] std::vector<std::string> extended_key_usage() const;
    /// Whether it is an authority's (basicConstraints, RFC 5280 4.2.1.9); std::nullopt without the extension.
    [[nodiscard]] std::optional<basic_constraints> constraints() const;

    /// OCSP responders (authorityInfoAccess, RFC 5280 4.2.2.1), as URIs, escaped as in alternative_name; other names are left out.
    [[nodiscard]] std::vector<std::string> ocsp_urls() const;
    /// Where the issuer's certificate is to be had (authorityInfoAccess), likewise.
    [[nodiscard]] std::vector<std::string> ca_issuer_urls() const;
    /// Where the issuer's revocation lists are (cRLDistributionPoints, RFC 5280 4.2.1.13), likewise.
    [[nodiscard]] std::vector<std::string> crl_urls() const;

    /// "RSA", "EC", "Ed25519"; otherwise BoringSSL's short name or dotted numbers.
    [[nodiscard]] std::string key_type() const;
    /// The public key's size: the modulus of RSA, the group of EC; 256 for Ed25519; 0 if BoringSSL does not know the algorithm
    /// or the curve.
    [[nodiscard]] int key_bits() const;
    /// The named curve of an EC key: "P-256", "P-384", "P-521", otherwise BoringSSL's short name or dotted numbers. Empty for
    /// other keys.
    [[nodiscard]] std::string key_curve() const;
    /// How the issuer signed: "ecdsa-with-SHA256", "sha256WithRSAEncryption", "rsassaPss", "Ed25519"; unknown ones as dotted
    /// numbers.
    [[nodiscard]] std::string signature_algorithm() const;
    /// SHA-256 of the SubjectPublicKeyInfo in DER: what pins are made of (RFC 7469 2.4).
    [[nodiscard]] std::array<std::byte, 32> public_key_sha256() const;

    /// SHA-256 of the DER form: the fingerprint.
    [[nodiscard]] std::array<std::byte, 32> sha256() const;
    /// The certificate in PEM, with a line feed at its end.
    [[nodiscard]] std::string pem() const;
    /// The certificate in DER.
    [[nodiscard]] std::vector<std::byte> der() const;

    /// The certificate itself, null if empty. It belongs to this object and its copies: do not change it.
    [[nodiscard]] X509* native_handle() const noexcept { return x509_.get(); }

    /// Equal if their DER forms are; empty ones are equal to each other.
    [[nodiscard]] friend bool operator==(const certificate& a, const certificate& b) {
        if (a.x509_ == b.x509_) return true;
        return a && b && a.der() == b.der();
    }

    /// All of the above but PEM and DER, over some lines, without a line feed at the end; parts that are not there are left out.
    /// For people to read: the form may change. A part that is malformed says so, and nothing that a certificate holds ends its
    /// line or passes for another. An empty certificate is "no certificate".
    friend std::ostream& operator<<(std::ostream& out, const certificate& shown) {
        return out << (shown ? detail::certificate_summary(shown) : std::string("no certificate"));
    }

private:
    [[nodiscard]] X509* required() const {
        if (!x509_) throw error(make_error_code(errc::not_open), "tls::certificate");
        return x509_.get();
    }

    bssl::UniquePtr<X509> x509_;
};

namespace detail {

// DER to a certificate, and on to the next: `der` becomes what follows it. With `auxiliary`, OpenSSL's trust settings are
// read too (d2i_X509_AUX). Empty if it is malformed; the reason is on the queue.
[[nodiscard]] inline certificate parse_certificate(std::span<const std::uint8_t>& der, bool auxiliary = false) {
    const std::uint8_t* at = der.data();
    const auto size = static_cast<long>(der.size());
    certificate parsed(bssl::UniquePtr<X509>(auxiliary ? ::d2i_X509_AUX(nullptr, &at, size) : ::d2i_X509(nullptr, &at, size)));
    if (parsed) der = der.subspan(static_cast<std::size_t>(at - der.data()));
    return parsed;
}

[[nodiscard]] inline std::span<const std::uint8_t> as_octets(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

// Every certificate of a PEM text, in order; blocks of other kinds are skipped. All or nothing: one that is malformed
// fails the whole, and so does finding none.
[[nodiscard]] inline std::vector<certificate> read_certificates(std::string_view text, const input_source& source, failure& why,
                                                                bool only_first = false) {
    std::vector<certificate> found;
    const bool well_formed = read_pem(text, source, why, [&](const pem_block& block) {
        const bool trusted = block.label == "TRUSTED CERTIFICATE";
        if (!trusted && block.label != "CERTIFICATE" && block.label != "X509 CERTIFICATE") return true;
        auto rest = block.der;
        certificate parsed = block.encrypted ? certificate() : parse_certificate(rest, trusted);
        if (!parsed || !rest.empty()) {
            why = source.wrong("certificate " + std::to_string(found.size() + 1) + " is malformed");
            return false;
        }
        found.push_back(std::move(parsed));
        return !only_first;
    });
    if (well_formed && !why && found.empty()) why = source.wrong("holds no certificate in PEM");
    if (why) found.clear();
    return found;
}

[[nodiscard]] inline certificate certificate_from_pem(std::string_view text, failure& why) {
    const error_queue_guard guard;
    auto found = read_certificates(text, {"PEM text", errc::invalid_certificate}, why, true);
    return found.empty() ? certificate() : std::move(found.front());
}

[[nodiscard]] inline certificate certificate_from_der(std::span<const std::byte> der, failure& why) {
    const error_queue_guard guard;
    auto rest = as_octets(der);
    certificate parsed = parse_certificate(rest);
    if (parsed && rest.empty()) return parsed;
    const input_source source{"DER", errc::invalid_certificate};
    why = source.wrong(parsed ? "more follows the certificate" : "is not a certificate");
    return {};
}

}  // namespace detail

inline certificate certificate::from_pem(std::string_view text) {
    return detail::throwing([&](detail::failure& why) { return detail::certificate_from_pem(text, why); });
}
inline certificate certificate::from_pem(std::string_view text, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::certificate_from_pem(text, why); });
}
inline certificate certificate::from_der(std::span<const std::byte> der) {
    return detail::throwing([&](detail::failure& why) { return detail::certificate_from_der(der, why); });
}
inline certificate certificate::from_der(std::span<const std::byte> der, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::certificate_from_der(der, why); });
}

inline std::string certificate::subject() const { return detail::name_text(::X509_get_subject_name(required())); }
inline std::string certificate::issuer() const { return detail::name_text(::X509_get_issuer_name(required())); }

inline std::vector<name_attribute> certificate::subject_attributes() const {
    const detail::error_queue_guard guard;
    return detail::name_attributes(::X509_get_subject_name(required()));
}
inline std::vector<name_attribute> certificate::issuer_attributes() const {
    const detail::error_queue_guard guard;
    return detail::name_attributes(::X509_get_issuer_name(required()));
}
inline std::string certificate::common_name() const {
    const detail::error_queue_guard guard;
    return detail::last_common_name(::X509_get_subject_name(required()));
}
inline bool certificate::is_self_issued() const {
    const detail::error_queue_guard guard;
    return ::X509_NAME_cmp(::X509_get_subject_name(required()), ::X509_get_issuer_name(required())) == 0;
}

inline std::vector<std::string> certificate::dns_names() const {
    return detail::alternative_names(required(), GEN_DNS, detail::printable_ascii);
}
inline std::vector<std::string> certificate::ip_addresses() const {
    return detail::alternative_names(required(), GEN_IPADD, detail::address_text);
}

inline std::vector<alternative_name> certificate::alternative_names() const {
    const detail::error_queue_guard guard;
    return detail::all_alternative_names(required());
}

inline int certificate::version() const { return static_cast<int>(::X509_get_version(required())) + 1; }

inline std::string certificate::serial() const { return detail::serial_text(::X509_get0_serialNumber(required())); }

inline std::chrono::system_clock::time_point certificate::not_before() const {
    return detail::time_of(::X509_get0_notBefore(required()));
}
inline std::chrono::system_clock::time_point certificate::not_after() const {
    return detail::time_of(::X509_get0_notAfter(required()));
}

inline std::optional<key_usage> certificate::usage() const {
    const detail::error_queue_guard guard;
    return detail::usage_of(required());
}
inline std::vector<std::string> certificate::extended_key_usage() const {
    const detail::error_queue_guard guard;
    return detail::extended_usage_of(required());
}
inline std::optional<basic_constraints> certificate::constraints() const {
    const detail::error_queue_guard guard;
    return detail::constraints_of(required());
}

inline std::vector<std::string> certificate::ocsp_urls() const {
    const detail::error_queue_guard guard;
    return detail::access_uris(required(), NID_ad_OCSP);
}
inline std::vector<std::string> certificate::ca_issuer_urls() const {
    const detail::error_queue_guard guard;
    return detail::access_uris(required(), NID_ad_ca_issuers);
}
inline std::vector<std::string> certificate::crl_urls() const {
    const detail::error_queue_guard guard;
    return detail::distribution_uris(required());
}

inline std::string certificate::key_type() const {
    const detail::error_queue_guard guard;
    return detail::key_type_of(required());
}
inline int certificate::key_bits() const {
    const detail::error_queue_guard guard;
    return detail::key_bits_of(required());
}
inline std::string certificate::key_curve() const {
    const detail::error_queue_guard guard;
    return detail::key_curve_of(required());
}
inline std::string certificate::signature_algorithm() const {
    const detail::error_queue_guard guard;
    return detail::signature_algorithm_of(required());
}
inline std::array<std::byte, 32> certificate::public_key_sha256() const {
    const detail::error_queue_guard guard;
    return detail::public_key_hash(required());
}

inline std::array<std::byte, 32> certificate::sha256() const {
    const detail::error_queue_guard guard;
    std::array<std::byte, 32> digest{};
    if (::X509_digest(required(), ::EVP_sha256(), reinterpret_cast<std::uint8_t*>(digest.data()), nullptr) != 1) {
        detail::malformed_certificate("cannot be hashed");
    }
    return digest;
}

inline std::string certificate::pem() const {
    const detail::error_queue_guard guard;
    const bssl::UniquePtr<BIO> memory(::BIO_new(::BIO_s_mem()));
    if (!memory || ::PEM_write_bio_X509(memory.get(), required()) != 1) detail::malformed_certificate("cannot be encoded");
    return std::string(detail::contents(memory.get()));
}

inline std::vector<std::byte> certificate::der() const {
    const detail::error_queue_guard guard;
    std::uint8_t* encoded = nullptr;
    const int size = ::i2d_X509(required(), &encoded);
    if (size < 0) detail::malformed_certificate("cannot be encoded");
    const bssl::UniquePtr<std::uint8_t> owned(encoded);
    const auto bytes = std::as_bytes(std::span(encoded, static_cast<std::size_t>(size)));
    return {bytes.begin(), bytes.end()};
}

}  // namespace v0
}  // namespace tls

#endif
