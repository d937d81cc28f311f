// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What tls::certificate gives where a text or a number does not say enough.

#ifndef TLS_STREAM_TLS_CERTIFICATE_FIELDS_HPP
#define TLS_STREAM_TLS_CERTIFICATE_FIELDS_HPP

#include <optional>
#include <string>

namespace tls {
inline namespace v0 {

// One attribute of a distinguished name. The value is UTF-8 on one line: a control character, a backslash and a character
// that ends lines or turns the direction of writing are shown byte by byte as \XX, hexadecimal.
struct name_attribute {
    // Python's (OpenSSL's) long name: "commonName", "organizationName", "countryName"; unknown ones as dotted numbers.
    std::string type;
    // One that is no kind of text is shown as in RFC 4514 2.4: '#' and its DER in hexadecimal.
    std::string value;

    [[nodiscard]] friend bool operator==(const name_attribute&, const name_attribute&) = default;
};

// One entry of the subjectAltName (RFC 5280 4.2.1.6).
struct alternative_name {
    enum class kind : unsigned char { dns, ip_address, email, uri, directory, registered_id, other };

    kind type = kind::other;
    // dns, email, uri: as it stands there, and each byte that does not belong in one (control characters, backslash, non-ASCII)
    // as \XX. ip_address: as certificate::ip_addresses() gives it. directory: as certificate::subject(). registered_id: dotted
    // numbers. other: an otherName as its dotted type, '=' and the value as in name_attribute; anything else as '#' and its
    // DER in hexadecimal.
    std::string value;

    [[nodiscard]] friend bool operator==(const alternative_name&, const alternative_name&) = default;
};

// What the certificate's key may be used for (RFC 5280 4.2.1.3).
struct key_usage {
    bool digital_signature = false;
    bool content_commitment = false;  // once named nonRepudiation
    bool key_encipherment = false;
    bool data_encipherment = false;
    bool key_agreement = false;
    bool certificate_signing = false;
    bool crl_signing = false;
    bool encipher_only = false;
    bool decipher_only = false;

    [[nodiscard]] friend bool operator==(const key_usage&, const key_usage&) = default;
};

// Whether the certificate may issue others, and how deep (RFC 5280 4.2.1.9).
struct basic_constraints {
    bool authority = false;
    std::optional<unsigned> path_length{};  // how many authorities may stand between it and a leaf; without one, any number

    [[nodiscard]] friend bool operator==(const basic_constraints&, const basic_constraints&) = default;
};

}  // namespace v0
}  // namespace tls

#endif
