// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What tls::certificate gives where a text or a number does not say enough.

#ifndef TLS_STREAM_TLS_CERTIFICATE_FIELDS_HPP
#define TLS_STREAM_TLS_CERTIFICATE_FIELDS_HPP

#include <optional>
#include <string>

namespace tls {
inline namespace v0 {

/// One attribute of a distinguished name. The value is UTF-8 on one line: a control character, a backslash and a character
/// that ends lines or turns the direction of writing are shown byte by byte as `\XX`, hexadecimal.
struct name_attribute {
    /// Python's (OpenSSL's) long name: "commonName", "organizationName", "countryName"; unknown ones as dotted numbers.
    std::string type;
    /// One that is no kind of text is shown as in RFC 4514 2.4: '#' and its DER in hexadecimal.
    std::string value;

    [[nodiscard]] friend bool operator==(const name_attribute&, const name_attribute&) = default;
};

/// One entry of the subjectAltName (RFC 5280 4.2.1.6).
struct alternative_name {
    /// What is named, and how the value is written.
    enum class kind : unsigned char {
        dns,            ///< a DNS name, as text: see `value`
        ip_address,     ///< as certificate::ip_addresses() gives it
        email,          ///< a mail address, as text
        uri,            ///< a URI, as text
        directory,      ///< a distinguished name, as certificate::subject() gives it
        registered_id,  ///< dotted numbers
        other,  ///< an otherName as its dotted type, '=' and the value as in name_attribute; anything else as '#' and its DER
    };

    kind type = kind::other;  ///< what is named
    /// Text is as it stands there, and each byte that does not belong in one (control characters, backslash, non-ASCII) as `\XX`,
    /// hexadecimal. DER is in hexadecimal too.
    std::string value;

    [[nodiscard]] friend bool operator==(const alternative_name&, const alternative_name&) = default;
};

/// What the certificate's key may be used for (RFC 5280 4.2.1.3).
struct key_usage {
    bool digital_signature = false;    ///< to sign other things than certificates and revocation lists: what TLS needs
    bool content_commitment = false;   ///< to sign what the signer cannot deny later; once named nonRepudiation
    bool key_encipherment = false;     ///< to encrypt keys: RSA key exchange, which this library does not have
    bool data_encipherment = false;    ///< to encrypt data itself
    bool key_agreement = false;        ///< to agree on keys: Diffie-Hellman with the certificate's own key
    bool certificate_signing = false;  ///< to sign certificates: an authority's
    bool crl_signing = false;          ///< to sign revocation lists
    bool encipher_only = false;        ///< with key_agreement: to encrypt alone
    bool decipher_only = false;        ///< with key_agreement: to decrypt alone

    [[nodiscard]] friend bool operator==(const key_usage&, const key_usage&) = default;
};

/// Whether the certificate may issue others, and how deep (RFC 5280 4.2.1.9).
struct basic_constraints {
    bool authority = false;                 ///< may it issue certificates?
    std::optional<unsigned> path_length{};  ///< how many authorities may stand between it and a leaf; without one, any number

    [[nodiscard]] friend bool operator==(const basic_constraints&, const basic_constraints&) = default;
};

}  // namespace v0
}  // namespace tls

#endif
