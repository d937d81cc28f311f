// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// How failures are named: four categories beside the standard ones, and the exception that carries them.
///
/// A call that would block is std::errc::operation_would_block, an expired deadline std::errc::timed_out, and an error of the
/// transport keeps its own code. Everything else that can go wrong is in one of the categories here.

#ifndef TLS_STREAM_TLS_ERROR_HPP
#define TLS_STREAM_TLS_ERROR_HPP

#include <tls/alert.hpp>
#include <tls/shutdown.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {

/// What the library itself finds wrong (stream_category).
enum class errc {
    truncated = 1,         ///< the transport ended without the peer's close_notify
    handshake_truncated,   ///< ... before the handshake was complete
    write_shut_down,       ///< writing was shut down by shutdown(write), shutdown(both)
    not_open,              ///< closed, moved from, or empty
    not_closed,            ///< release() before close_notify went both ways
    host_not_found,        ///< the name does not resolve
    invalid_server_name,   ///< neither a DNS name nor an IP address
    server_name_required,  ///< verification is on, and there is no name to verify
    invalid_certificate,   ///< not PEM, or not a certificate, or a chain that is none
    invalid_private_key,   ///< not a private key, or encrypted and the password is missing or wrong
    key_mismatch,          ///< the private key is not the leaf certificate's
    invalid_trust,         ///< a trust store that cannot be read or holds nothing
    invalid_alpn,          ///< an ALPN name that is empty or longer than 255 bytes, or a list over 65,535 bytes
    invalid_ciphers,       ///< a TLS 1.2 cipher list that BoringSSL does not understand
    invalid_groups,        ///< a list of groups that BoringSSL does not understand
    invalid_versions,      ///< min_version above max_version, or a version that is none
    socket_misbehaved,     ///< a socket reported more bytes than it was given, or wrote nothing without an error
    exception_thrown,      ///< an exception came out of a socket or a callback before; it was rethrown then
    mismatched_halves,     ///< join() of a reader and a writer that are not of one stream
    not_supported,  ///< the BoringSSL at hand, or the protocol version that was agreed on, cannot do what an option or a call asks for
    not_established,          ///< asked for before the handshake is complete
    called_from_callback,     ///< a call of a stream's from within a callback of its own
    verification_refused,     ///< the caller's own verification said no, or never answered
    weak_key,                 ///< an RSA key of a chain that was verified has less than 2048 bits (RFC 9325 4.5)
    weak_signature,           ///< a certificate of a chain that was verified is signed over MD5 or SHA-1 (RFC 9325 4.5)
    pinned_key_missing,       ///< no certificate of the chain has a pinned key
    invalid_pin,              ///< not the SHA-256 of a public key
    invalid_revocation_list,  ///< a revocation list that cannot be read
    signature_failed,         ///< whoever holds the private key did not sign, or never answered
    identity_refused,         ///< the server has no identity for that name, or its own choice said no, or never answered
    no_application_protocol,  ///< client_options::require_alpn, and the server chose none
    invalid_session,          ///< not a serialized session, or one for another server
    invalid_ticket_key,       ///< not a ticket key, or none at all
    invalid_ech,              ///< not an ECH configuration or key
    invalid_key_log,          ///< a key log that cannot be opened
    early_data_unread,        ///< a read before read_early() has given all of the early data
    early_data_unavailable,  ///< early data where none can go: no session that allows it, more than its limit, or the handshake is past it
};

/// errc's category, "tls".
[[nodiscard]] const std::error_category& stream_category() noexcept;
/// BoringSSL's packed codes (ERR_get_error), "tls.boringssl".
[[nodiscard]] const std::error_category& ssl_category() noexcept;
/// A fatal alert that the peer sent, by its number (RFC 8446 6.2), "tls.alert".
[[nodiscard]] const std::error_category& alert_category() noexcept;
/// Why a certificate was refused, X509_V_ERR_*, "tls.verify".
[[nodiscard]] const std::error_category& verify_category() noexcept;

/// The code in stream_category; found by argument-dependent lookup when an errc becomes a std::error_code.
[[nodiscard]] inline std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), stream_category()}; }

/// What the throwing overloads throw.
class error : public std::system_error {
public:
    /// `what` says what was being done, and to what. `details` is BoringSSL's own account, or empty.
    error(std::error_code code, const std::string& what, std::string details = {}, std::size_t bytes_transferred = 0,
          const shutdown_result& shutdown = {})
        : std::system_error(code, what),
          more_(std::make_shared<const more>(more{std::move(details), bytes_transferred, shutdown})) {}

    /// BoringSSL's error queue as text, and for a refused certificate or an alert its reason; empty where there is none.
    /// Lives as long as this exception or a copy of it.
    [[nodiscard]] std::string_view details() const noexcept { return more_->details; }
    /// Bytes that the call had transferred before it failed.
    [[nodiscard]] std::size_t bytes_transferred() const noexcept { return more_->bytes_transferred; }
    /// What a shutdown or close had done before it failed.
    [[nodiscard]] const shutdown_result& shutdown() const noexcept { return more_->shutdown; }

private:
    struct more {
        std::string details;
        std::size_t bytes_transferred;
        shutdown_result shutdown;
    };
    std::shared_ptr<const more> more_;  // shared, so that copying the exception cannot throw
};

namespace detail {

// As ec.clear(), which is a call into the standard library each time, and is needed hardly ever.
inline void reset(std::error_code& ec) noexcept {
    if (ec) ec.clear();
}

// How BoringSSL's own numbers become words. This header does not know BoringSSL, so the code that can produce such
// numbers puts its functions here (detail/queued_failure.hpp); without them a number is all that there is to say.
struct code_texts {
    std::string (*ssl)(int) = nullptr;
    std::string (*verify)(int) = nullptr;
};
inline code_texts known_texts;

class stream_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "tls"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
            case errc::truncated: return "the connection ended without the peer's close_notify";
            case errc::handshake_truncated: return "the connection ended during the TLS handshake";
            case errc::write_shut_down: return "the stream was shut down for writing";
            case errc::not_open: return "the object is closed or empty";
            case errc::not_closed: return "close_notify has not gone both ways";
            case errc::host_not_found: return "host not found";
            case errc::invalid_server_name: return "the server name is neither a DNS name nor an IP address";
            case errc::server_name_required: return "verification needs a server name";
            case errc::invalid_certificate: return "invalid certificate or chain";
            case errc::invalid_private_key: return "invalid private key or wrong password";
            case errc::key_mismatch: return "the private key does not belong to the certificate";
            case errc::invalid_trust: return "invalid or empty trust store";
            case errc::invalid_alpn: return "invalid ALPN protocol list";
            case errc::invalid_ciphers: return "invalid TLS 1.2 cipher list";
            case errc::invalid_groups: return "invalid list of groups";
            case errc::invalid_versions: return "invalid range of protocol versions";
            case errc::socket_misbehaved: return "the socket reported an impossible number of bytes";
            case errc::exception_thrown: return "an exception ended the stream before";
            case errc::mismatched_halves: return "the reader and the writer are not of one stream";
            case errc::not_supported: return "not supported by this BoringSSL or in this protocol version";
            case errc::not_established: return "the TLS handshake is not complete";
            case errc::called_from_callback: return "the stream is in the middle of a call: its callbacks cannot call it";
            case errc::verification_refused: return "the peer was refused by the caller's own verification";
            case errc::weak_key: return "a certificate's key is too weak";
            case errc::weak_signature: return "a certificate is signed over MD5 or SHA-1";
            case errc::pinned_key_missing: return "no certificate of the peer's chain has a pinned public key";
            case errc::invalid_pin: return "not the SHA-256 of a public key";
            case errc::invalid_revocation_list: return "invalid certificate revocation list";
            case errc::signature_failed: return "the private key's owner did not sign";
            case errc::identity_refused: return "the server has no identity for this client";
            case errc::no_application_protocol: return "no application protocol was agreed on";
            case errc::invalid_session: return "invalid session";
            case errc::invalid_ticket_key: return "invalid ticket key";
            case errc::invalid_ech: return "invalid ECH configuration or key";
            case errc::invalid_key_log: return "invalid key log";
            case errc::early_data_unread: return "early data has not been read yet";
            case errc::early_data_unavailable: return "early data cannot be sent now";
        }
        return "unknown error " + std::to_string(value);
    }
};

class boringssl_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "tls.boringssl"; }
    [[nodiscard]] std::string message(int value) const override {
        return known_texts.ssl != nullptr ? known_texts.ssl(value) : "BoringSSL error " + std::to_string(value);
    }
};

class alert_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "tls.alert"; }
    [[nodiscard]] std::string message(int value) const override {
        const std::string_view known = to_string(static_cast<alert>(value));
        return "the peer sent the fatal alert " + (known != "unknown" ? std::string(known) : std::to_string(value));
    }
};

class verify_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "tls.verify"; }
    [[nodiscard]] std::string message(int value) const override {
        return known_texts.verify != nullptr ? known_texts.verify(value) : "verify error " + std::to_string(value);
    }
};

// One object each in the whole program, there before any dynamic initialisation.
inline constinit const stream_error_category the_stream_category;
inline constinit const boringssl_error_category the_ssl_category;
inline constinit const alert_error_category the_alert_category;
inline constinit const verify_error_category the_verify_category;

}  // namespace detail

inline const std::error_category& stream_category() noexcept { return detail::the_stream_category; }
inline const std::error_category& ssl_category() noexcept { return detail::the_ssl_category; }
inline const std::error_category& alert_category() noexcept { return detail::the_alert_category; }
inline const std::error_category& verify_category() noexcept { return detail::the_verify_category; }

}  // namespace v0
}  // namespace tls

template <>
struct std::is_error_code_enum<tls::errc> : std::true_type {};

#endif
