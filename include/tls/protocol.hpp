// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// The protocol's own vocabulary: roles, versions, cipher suites.

#ifndef TLS_STREAM_TLS_PROTOCOL_HPP
#define TLS_STREAM_TLS_PROTOCOL_HPP

#include <cstdint>
#include <string_view>

namespace tls {
inline namespace v0 {

/// Which side of the handshake this is.
enum class role : unsigned char {
    client,  ///< It begins, and knows whom it wants to reach.
    server,  ///< It answers, and shows who it is.
};

/// Protocol versions by their number on the wire. Older ones are not offered by this library.
enum class protocol_version : std::uint16_t {
    tls1_2 = 0x0303,  ///< RFC 5246
    tls1_3 = 0x0304,  ///< RFC 8446
};

/// A cipher suite, told as Python's SSLSocket.cipher() tells it: ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128).
struct cipher_info {
    std::string_view name;      ///< the IANA name for TLS 1.3, OpenSSL's name for older suites; static storage
    std::string_view protocol;  ///< the oldest version that has the suite; static storage
    int bits = 0;               ///< strength of the symmetric key

    friend constexpr bool operator==(const cipher_info&, const cipher_info&) noexcept = default;
};

/// Groups for the key exchange, by their numbers in the IANA registry "TLS Supported Groups".
enum class group : std::uint16_t {
    secp256r1 = 23,            ///< P-256
    secp384r1 = 24,            ///< P-384
    secp521r1 = 25,            ///< P-521
    x25519 = 29,               ///< RFC 7748
    x25519_mlkem768 = 0x11ec,  ///< with a part that quantum computers do not break; needs a newer BoringSSL
};

/// The name that BoringSSL and the registries use: "X25519", "P-256", "X25519MLKEM768"; empty for one that is not known here.
[[nodiscard]] constexpr std::string_view to_string(group value) noexcept {
    switch (value) {
        case group::secp256r1: return "P-256";
        case group::secp384r1: return "P-384";
        case group::secp521r1: return "P-521";
        case group::x25519: return "X25519";
        case group::x25519_mlkem768: return "X25519MLKEM768";
    }
    return "";
}

/// Cipher suites of TLS 1.2 that are good, by their numbers. Those of TLS 1.3 are all used and cannot be chosen.
enum class cipher_suite : std::uint16_t {
    ecdhe_ecdsa_aes128_gcm_sha256 = 0xc02b,  ///< RFC 5289
    ecdhe_ecdsa_aes256_gcm_sha384 = 0xc02c,  ///< RFC 5289
    ecdhe_rsa_aes128_gcm_sha256 = 0xc02f,    ///< RFC 5289
    ecdhe_rsa_aes256_gcm_sha384 = 0xc030,    ///< RFC 5289
    ecdhe_rsa_chacha20_poly1305 = 0xcca8,    ///< RFC 7905
    ecdhe_ecdsa_chacha20_poly1305 = 0xcca9,  ///< RFC 7905
};

/// The name in BoringSSL's lists: "ECDHE-ECDSA-AES128-GCM-SHA256"; empty for one that is not known here.
[[nodiscard]] constexpr std::string_view to_string(cipher_suite value) noexcept {
    switch (value) {
        case cipher_suite::ecdhe_ecdsa_aes128_gcm_sha256: return "ECDHE-ECDSA-AES128-GCM-SHA256";
        case cipher_suite::ecdhe_ecdsa_aes256_gcm_sha384: return "ECDHE-ECDSA-AES256-GCM-SHA384";
        case cipher_suite::ecdhe_rsa_aes128_gcm_sha256: return "ECDHE-RSA-AES128-GCM-SHA256";
        case cipher_suite::ecdhe_rsa_aes256_gcm_sha384: return "ECDHE-RSA-AES256-GCM-SHA384";
        case cipher_suite::ecdhe_rsa_chacha20_poly1305: return "ECDHE-RSA-CHACHA20-POLY1305";
        case cipher_suite::ecdhe_ecdsa_chacha20_poly1305: return "ECDHE-ECDSA-CHACHA20-POLY1305";
    }
    return "";
}

/// What another protocol's authentication, SCRAM for one, can be tied to a TLS connection with (RFC 9266, RFC 5929).
enum class channel_binding_type : unsigned char {
    tls_exporter,  ///< RFC 9266: TLS 1.3, and TLS 1.2 with the extended master secret
    tls_unique,    ///< RFC 5929: TLS 1.2 alone
};

/// Rules that a connection has to keep (SSL_CTX_set_compliance_policy): versions, suites, groups and signatures are what they allow.
enum class compliance_policy : unsigned char {
    none,             ///< BoringSSL's defaults, and what the options say.
    fips_202205,      ///< NIST SP 800-52r2: AES-GCM, P-256 and P-384.
    wpa3_192_202304,  ///< The "192-bit" mode of WPA3: AES-256-GCM, P-384.
    cnsa_202407,      ///< CNSA 1.0 and 2.0: AES-256-GCM before AES-128-GCM; needs a newer BoringSSL.
};

/// "TLSv1.2" or "TLSv1.3", as Python and OpenSSL spell it; "unknown" for any other value.
[[nodiscard]] constexpr std::string_view to_string(protocol_version version) noexcept {
    switch (version) {
        case protocol_version::tls1_2: return "TLSv1.2";
        case protocol_version::tls1_3: return "TLSv1.3";
    }
    return "unknown";
}

}  // namespace v0
}  // namespace tls

#endif
