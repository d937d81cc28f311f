// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What a context is made of. Every member but server_options::identity has an initialiser, so that designated forms name only what
/// differs from the default: {.trust = trust_store::from_file("ca.pem")}.

#ifndef TLS_STREAM_TLS_OPTIONS_HPP
#define TLS_STREAM_TLS_OPTIONS_HPP

#include <tls/client_hello.hpp>
#include <tls/credential.hpp>
#include <tls/ech.hpp>
#include <tls/key_log.hpp>
#include <tls/observer.hpp>
#include <tls/pinned_keys.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/session_cache.hpp>
#include <tls/ticket_keys.hpp>
#include <tls/trust.hpp>
#include <tls/verification.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tls {
inline namespace v0 {

/// How a client checks the server.
enum class verify_mode : unsigned char {
    full,                    ///< Chain and name; nothing else authenticates a server.
    dangerously_chain_only,  ///< The chain alone: any certificate of any of the trusted authorities passes for any server.
    dangerously_none,        ///< Nothing: whoever sits on the way can read and change everything.
};

/// Whether a server asks its clients for a certificate, and whether it insists. One that is sent is always verified.
enum class client_auth : unsigned char {
    none,      ///< No certificate is asked for.
    optional,  ///< One is asked for, and a client without one is served too.
    required,  ///< A client without one is refused with the alert certificate_required, in TLS 1.2 handshake_failure.
};

/// What a client makes of its contexts.
struct client_options {
    /// Whom to believe. The default is the system's: SSL_CERT_FILE and SSL_CERT_DIR, else the usual places.
    trust_store trust = trust_store::system();
    verify_mode verification = verify_mode::full;  ///< how the server is checked
    /// For a server that asks for a certificate.
    std::optional<credential> identity{};
    /// Protocols to offer, the best first (RFC 7301). Empty: ALPN is not offered.
    std::vector<std::string> alpn{};
    protocol_version min_version = protocol_version::tls1_2;  ///< the oldest that is spoken
    protocol_version max_version = protocol_version::tls1_3;  ///< the newest that is spoken
    /// In BoringSSL's list syntax (SSL_CTX_set_strict_cipher_list). Empty: the default.
    std::string tls1_2_ciphers{};
    /// In BoringSSL's list syntax (SSL_CTX_set1_groups_list). Empty: the default.
    std::string groups{};

    // --- verifying the server ---
    /// Public keys, one of which must be in the chain that was verified; with dangerously_none, the server's own. Empty: any will do.
    pinned_keys pins{};
    /// Unset: the revocation lists in `trust`, if there are any, are held against the server's own certificate.
    std::optional<revocation_check> revocation{};
    /// The time that certificates and revocation lists are verified for. Unset: the system's.
    std::optional<std::chrono::system_clock::time_point> verification_time{};
    /// The last word, after all of the above; see verification.hpp.
    verifier verify{};

    // --- algorithms ---
    /// The same as `groups`, typed, the best first. Only one of the two may be given. Where none is, and the library has it,
    /// X25519MLKEM768 comes first.
    std::vector<group> group_list{};
    /// The same as `tls1_2_ciphers`, typed, the best first. Only one of the two may be given.
    std::vector<cipher_suite> cipher_list{};
    /// Set last, over all that is said above. errc::not_supported where the library does not have it.
    compliance_policy policy = compliance_policy::none;
    /// A server that agrees on no protocol is refused: errc::no_application_protocol, and the alert of that name. Only with `alpn`.
    bool require_alpn = false;

    // --- sessions: see docs/sessions.md ---
    /// Where sessions are put when the server gives some, and taken from when a connection to the same name and port begins. In TLS 1.3
    /// they come with what is read after the handshake; one that comes when shutdown(write) has been said is lost.
    std::optional<session_cache> sessions{};
    /// Is called with each session that the server gives, while the stream reads. It must not call the stream.
    std::function<void(const session&)> on_session{};
    /// Keeps the latest one for stream::session(): some memory for each connection.
    bool keep_session = false;
    /// Allows write_early(): replayable bytes in the first flight of a resumed connection (RFC 8446 8).
    bool early_data = false;

    // --- what else is asked of the server ---
    bool request_ocsp = false;  ///< an OCSP response, for ocsp_response() and `verify`; what it says is theirs to judge
    bool request_scts = false;  ///< a list of signed certificate timestamps
    /// Sends an ECH extension that means nothing where there is no configuration, so that real ones do not stand out (RFC 9849).
    bool ech_grease = false;

    // --- watching ---
    /// The secrets of each connection, for tools that decrypt what was recorded. Off unless set.
    key_log keys{};
    observer observe{};  ///< sees handshake messages and alerts as they pass
};

/// What one connection of a client's has of its own; the last argument of its constructors.
struct connection_options {
    /// To be resumed, if server, name and trust are still the same: errc::invalid_session if it is another server's. Without it the
    /// context's session_cache is asked.
    session resume{};
    /// For the session_cache, which is by name and port; nothing is connected by it.
    std::uint16_t port = 0;
    /// An ECHConfigList, from DNS for one: the name is sent encrypted. errc::invalid_ech if there is nothing usable in it,
    /// errc::not_supported if the context does not speak TLS 1.3.
    std::vector<std::byte> ech_config_list{};
};

/// Names that a server answers to, and who it is then. A name is exact or has a wildcard as its whole left-most label; exact ones are tried
/// first. Without names they are those of the first identity's certificate. Of several identities the first is used that the client can
/// verify: say ECDSA before RSA. Where none is, the first.
struct virtual_host {
    std::vector<std::string> names{};      ///< as in a certificate: "example.org", "*.example.org"
    std::vector<credential> identities{};  ///< the best first; at least one
};

/// What a server makes of a client that asks for a name that none of its hosts has: it is its `identity`, or refuses with the alert
/// unrecognized_name, for which there must be hosts. One that sends no name always gets `identity`, if there is one.
enum class unknown_name : unsigned char {
    use_identity,  ///< It is its `identity`.
    refuse,        ///< The client gets the alert unrecognized_name.
};

/// A server's session tickets (RFC 8446 4.6.1, RFC 5077).
struct ticket_options {
    /// What tickets are sealed with. Servers that share them resume each other's sessions; kept and rotated by whoever has a copy. Unset:
    /// keys of the context's own, which BoringSSL rotates.
    std::optional<ticket_keys> keys{};
    /// How many are sent after a TLS 1.3 handshake. 0: none, and no session is resumed, in TLS 1.2 neither.
    std::size_t count = 2;
    /// How long one is good. TLS 1.3 has a limit of seven days.
    std::chrono::seconds lifetime{std::chrono::hours{48}};
};

/// A server's own choice among the protocols that a client offers, by them and by the name that it asks for, in lower case: one of them;
/// an empty string, and none is agreed on; std::nullopt, or one that was not offered, and the client is refused with
/// no_application_protocol. What it throws comes out of the stream's call.
using alpn_selector =
    std::function<std::optional<std::string>(const std::vector<std::string>& offered, std::string_view server_name)>;

/// What a server makes of its contexts.
struct server_options {
    credential identity;                             ///< who it is, where neither `hosts` nor `select_identity` says otherwise
    client_auth authentication = client_auth::none;  ///< whether clients have to show a certificate
    /// For client certificates; the names of its authorities are sent to the client.
    trust_store trust{};
    /// Protocols in order of preference. A client that offers ALPN and none of them is refused with the fatal alert
    /// no_application_protocol (RFC 7301 3.2). Empty: ALPN is ignored.
    std::vector<std::string> alpn{};
    protocol_version min_version = protocol_version::tls1_2;  ///< the oldest that is spoken
    protocol_version max_version = protocol_version::tls1_3;  ///< the newest that is spoken
    std::string tls1_2_ciphers{};                             ///< as client_options::tls1_2_ciphers
    std::string groups{};                                     ///< as client_options::groups

    // --- who it is ---
    /// Beside `identity`, for the same names: of all of them the first that the client can verify is used.
    std::vector<credential> more_identities{};
    std::vector<virtual_host> hosts{};                        ///< names, and who the server is for each
    unknown_name unknown_names = unknown_name::use_identity;  ///< what happens for all others
    /// Before hosts and identity, which may be left out then; see client_hello.hpp.
    identity_selector select_identity{};
    /// Instead of `alpn`.
    alpn_selector select_alpn{};

    // --- verifying the client ---
    /// Public keys, one of which must be in the chain that was verified. Empty: any will do.
    pinned_keys pins{};
    /// Unset: the revocation lists in `trust`, if there are any, are held against the client's own certificate.
    std::optional<revocation_check> revocation{};
    /// The time that certificates and revocation lists are verified for. Unset: the system's.
    std::optional<std::chrono::system_clock::time_point> verification_time{};
    /// The last word, after all of the above; see verification.hpp.
    verifier verify{};

    // --- algorithms ---
    /// The same as `groups`, typed, the best first. Only one of the two may be given. Where none is, and the library has it,
    /// X25519MLKEM768 comes first.
    std::vector<group> group_list{};
    /// The same as `tls1_2_ciphers`, typed, the best first. Only one of the two may be given.
    std::vector<cipher_suite> cipher_list{};
    /// Set last, over all that is said above. errc::not_supported where the library does not have it.
    compliance_policy policy = compliance_policy::none;

    // --- sessions: see docs/sessions.md ---
    ticket_options tickets{};  ///< what clients get to resume with
    /// Accepts early data (RFC 8446 8), which whoever is on the way can send again: read_early() gives it, and nothing else does.
    bool early_data = false;
    /// Encrypted ClientHello: the keys, which may be rotated while the context serves.
    std::optional<ech_keys> ech{};

    // --- watching ---
    /// The secrets of each connection, for tools that decrypt what was recorded. Off unless set.
    key_log keys{};
    observer observe{};  ///< sees handshake messages and alerts as they pass
};

}  // namespace v0
}  // namespace tls

#endif
