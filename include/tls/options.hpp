// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a context is made of. Every member but server_options::identity has an initialiser, so that designated forms name only what
// differs from the default: {.trust = trust_store::from_file("ca.pem")}.

#ifndef TLS_STREAM_TLS_OPTIONS_HPP
#define TLS_STREAM_TLS_OPTIONS_HPP

#include <tls/credential.hpp>
#include <tls/protocol.hpp>
#include <tls/trust.hpp>

#include <optional>
#include <string>
#include <vector>

namespace tls {
inline namespace v0 {

// How a client checks the server.
//
// full                    Chain and name; nothing else authenticates a server.
// dangerously_chain_only  The chain alone: any certificate of any of the trusted authorities passes for any server.
// dangerously_none        Nothing: whoever sits on the way can read and change everything.
enum class verify_mode : unsigned char { full, dangerously_chain_only, dangerously_none };

// Whether a server asks its clients for a certificate, and whether it insists. One that is sent is always verified.
enum class client_auth : unsigned char { none, optional, required };

// What a client makes of its contexts.
struct client_options {
    // Whom to believe. The default is the system's: SSL_CERT_FILE and SSL_CERT_DIR, else the usual places.
    trust_store trust = trust_store::system();
    verify_mode verification = verify_mode::full;
    // For a server that asks for a certificate.
    std::optional<credential> identity{};
    // Protocols to offer, the best first (RFC 7301). Empty: ALPN is not offered.
    std::vector<std::string> alpn{};
    protocol_version min_version = protocol_version::tls1_2;
    protocol_version max_version = protocol_version::tls1_3;
    // BoringSSL's list syntax (SSL_CTX_set_strict_cipher_list, SSL_CTX_set1_groups_list). Empty: the default.
    std::string tls1_2_ciphers{}, groups{};
};

// What a server makes of its contexts.
struct server_options {
    credential identity;
    client_auth authentication = client_auth::none;
    // For client certificates; the names of its authorities are sent to the client.
    trust_store trust{};
    // Protocols in order of preference. A client that offers ALPN and none of them is refused with the fatal alert
    // no_application_protocol (RFC 7301 3.2). Empty: ALPN is ignored.
    std::vector<std::string> alpn{};
    protocol_version min_version = protocol_version::tls1_2;
    protocol_version max_version = protocol_version::tls1_3;
    // As in client_options.
    std::string tls1_2_ciphers{}, groups{};
};

}  // namespace v0
}  // namespace tls

#endif
