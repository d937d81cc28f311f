// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Alerts, by the names and numbers of RFC 8446 6 and the IANA registry.

#ifndef TLS_STREAM_TLS_ALERT_HPP
#define TLS_STREAM_TLS_ALERT_HPP

#include <cstdint>
#include <string_view>

namespace tls {
inline namespace v0 {

/// What one side tells the other when it ends the connection, for a reason or, with close_notify, for none.
enum class alert : std::uint8_t {
    close_notify = 0,                       ///< the sender is done; everything that it sent is in (RFC 8446 6.1)
    unexpected_message = 10,                ///< a message that does not belong there
    bad_record_mac = 20,                    ///< a record that cannot be decrypted: changed on the way, or another key
    decryption_failed = 21,                 ///< older versions
    record_overflow = 22,                   ///< a record that is too long
    decompression_failure = 30,             ///< older versions
    handshake_failure = 40,                 ///< no acceptable set of parameters
    no_certificate = 41,                    ///< older versions
    bad_certificate = 42,                   ///< a certificate that is malformed, or whose signature does not verify
    unsupported_certificate = 43,           ///< a certificate of a kind that is not supported
    certificate_revoked = 44,               ///< its issuer has revoked the certificate
    certificate_expired = 45,               ///< the certificate has expired, or is not valid yet
    certificate_unknown = 46,               ///< something else makes the certificate unacceptable
    illegal_parameter = 47,                 ///< a value that is out of range, or does not fit others
    unknown_ca = 48,                        ///< the chain leads to no authority that is trusted
    access_denied = 49,                     ///< a valid certificate whose holder may not come in
    decode_error = 50,                      ///< a message that cannot be parsed
    decrypt_error = 51,                     ///< a signature or a Finished message that does not verify
    protocol_version = 70,                  ///< no common protocol version
    insufficient_security = 71,             ///< the server asks for stronger parameters than the client has
    internal_error = 80,                    ///< something that is not about the peer
    inappropriate_fallback = 86,            ///< a client that fell back to an older version needlessly (RFC 7507)
    user_canceled = 90,                     ///< somebody has cancelled the handshake
    no_renegotiation = 100,                 ///< TLS 1.2: renegotiation is refused (RFC 5246 7.2.2)
    missing_extension = 109,                ///< an extension that the message must have is not there
    unsupported_extension = 110,            ///< an extension where it may not be
    certificate_unobtainable = 111,         ///< older versions
    unrecognized_name = 112,                ///< no server of that name here (RFC 6066 3)
    bad_certificate_status_response = 113,  ///< a stapled OCSP response that is unacceptable (RFC 6066 8)
    bad_certificate_hash_value = 114,       ///< older versions
    unknown_psk_identity = 115,             ///< no acceptable PSK identity
    certificate_required = 116,             ///< the client has to show a certificate, and did not
    no_application_protocol = 120,          ///< no common protocol by ALPN (RFC 7301 3.2)
    ech_required = 121,                     ///< the client insists on Encrypted Client Hello (RFC 9849 6.1.6)
};

/// The alert's name, "unknown_ca" for one; "unknown" for a number that has none.
[[nodiscard]] constexpr std::string_view to_string(alert value) noexcept {
    switch (value) {
        case alert::close_notify: return "close_notify";
        case alert::unexpected_message: return "unexpected_message";
        case alert::bad_record_mac: return "bad_record_mac";
        case alert::decryption_failed: return "decryption_failed";
        case alert::record_overflow: return "record_overflow";
        case alert::decompression_failure: return "decompression_failure";
        case alert::handshake_failure: return "handshake_failure";
        case alert::no_certificate: return "no_certificate";
        case alert::bad_certificate: return "bad_certificate";
        case alert::unsupported_certificate: return "unsupported_certificate";
        case alert::certificate_revoked: return "certificate_revoked";
        case alert::certificate_expired: return "certificate_expired";
        case alert::certificate_unknown: return "certificate_unknown";
        case alert::illegal_parameter: return "illegal_parameter";
        case alert::unknown_ca: return "unknown_ca";
        case alert::access_denied: return "access_denied";
        case alert::decode_error: return "decode_error";
        case alert::decrypt_error: return "decrypt_error";
        case alert::protocol_version: return "protocol_version";
        case alert::insufficient_security: return "insufficient_security";
        case alert::internal_error: return "internal_error";
        case alert::inappropriate_fallback: return "inappropriate_fallback";
        case alert::user_canceled: return "user_canceled";
        case alert::no_renegotiation: return "no_renegotiation";
        case alert::missing_extension: return "missing_extension";
        case alert::unsupported_extension: return "unsupported_extension";
        case alert::certificate_unobtainable: return "certificate_unobtainable";
        case alert::unrecognized_name: return "unrecognized_name";
        case alert::bad_certificate_status_response: return "bad_certificate_status_response";
        case alert::bad_certificate_hash_value: return "bad_certificate_hash_value";
        case alert::unknown_psk_identity: return "unknown_psk_identity";
        case alert::certificate_required: return "certificate_required";
        case alert::no_application_protocol: return "no_application_protocol";
        case alert::ech_required: return "ech_required";
    }
    return "unknown";
}

}  // namespace v0
}  // namespace tls

#endif
