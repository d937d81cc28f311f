// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Whole connections between two raw peers, for what happens in the handshake alone: sessions, tickets, ECH.

#ifndef TLS_STREAM_TESTS_SUPPORT_RAW_RESUMPTION_HPP
#define TLS_STREAM_TESTS_SUPPORT_RAW_RESUMPTION_HPP

#include <support/pki.hpp>
#include <support/raw_peer.hpp>
#include <support/testing.hpp>

#include <tls/detail/boringssl.hpp>
#include <tls/protocol.hpp>
#include <tls/ticket_keys.hpp>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tests {

struct raw_connection_options {
    std::uint16_t version = TLS1_3_VERSION;
    std::string server_name = "example.test";
    SSL_SESSION* resume = nullptr;                  // what the client offers
    const tls::ticket_keys* tickets = nullptr;      // the server's; null: BoringSSL's own, of this one server
    std::function<void(SSL*)> prepare_client = {};  // before the handshake
    std::function<void(SSL*)> prepare_server = {};
};

// What came of it.
struct raw_connection {
    bool established = false;
    bool resumed = false;  // on both sides alike
    std::string client;    // raw_peer::account
    std::string server;
    std::string wire;                                      // what the client sent
    std::vector<bssl::UniquePtr<SSL_SESSION>> sessions{};  // that the client was given
};

namespace detail {

inline int ticket_key_callback(SSL* ssl, std::uint8_t* name, std::uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* mac,
                               int seal) {
    const auto* const keys = static_cast<const tls::ticket_keys*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(ssl)));
    return tls::detail::use_ticket_key(*keys, name, iv, cipher, mac, seal == 1);
}

inline int keep_session(SSL* ssl, SSL_SESSION* session) {
    using sessions = std::vector<bssl::UniquePtr<SSL_SESSION>>;
    static_cast<sessions*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(ssl)))->emplace_back(session);
    return 1;
}

}  // namespace detail

// A connection in one thread: the handshake, and one byte from the server, before which its tickets leave. `look` sees both
// sides after it, the client first. Client and server have contexts of their own, made for this connection.
[[nodiscard]] inline raw_connection connect_raw(const raw_connection_options& options,
                                                const std::function<void(SSL*, SSL*)>& look = nullptr) {
    memory_network net;
    const auto& identity = test_pki().server;
    raw_peer client(net.a(), tls::role::client,
                    {.server_name = options.server_name, .min_version = options.version, .max_version = options.version});
    raw_peer server(net.b(), tls::role::server,
                    {.certificate = identity.certificate.get(),
                     .key = identity.key.get(),
                     .min_version = options.version,
                     .max_version = options.version});
    raw_connection made;
    SSL_CTX* const of_client = ::SSL_get_SSL_CTX(client.native_handle());
    SSL_CTX* const of_server = ::SSL_get_SSL_CTX(server.native_handle());
    SSL_CTX_set_app_data(of_client, &made.sessions);
    ::SSL_CTX_set_session_cache_mode(of_client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    ::SSL_CTX_sess_set_new_cb(of_client, &detail::keep_session);
    if (options.resume != nullptr && ::SSL_set_session(client.native_handle(), options.resume) != 1) {
        throw std::runtime_error("SSL_set_session");
    }
    if (options.tickets != nullptr) {
        SSL_CTX_set_app_data(of_server, const_cast<tls::ticket_keys*>(options.tickets));
        ::SSL_CTX_set_tlsext_ticket_key_cb(of_server, &detail::ticket_key_callback);
    }
    if (options.prepare_client) options.prepare_client(client.native_handle());
    if (options.prepare_server) options.prepare_server(server.native_handle());
    server.send("x");
    while (client.pump() || server.pump()) {
    }

    made.established = client.handshake_complete() && server.handshake_complete();
    made.client = client.account();
    made.server = server.account();
    for (const std::byte one : net.a().sent()) made.wire += static_cast<char>(one);
    if (made.established) {
        made.resumed = ::SSL_session_reused(client.native_handle()) == 1;
        if (made.resumed != (::SSL_session_reused(server.native_handle()) == 1)) throw std::runtime_error("half resumed");
    }
    if (look) look(client.native_handle(), server.native_handle());
    return made;
}

// The session that a new connection gives its client; with TLS 1.3 there are several, and this is the last.
[[nodiscard]] inline bssl::UniquePtr<SSL_SESSION> new_session(const raw_connection_options& options) {
    raw_connection made = connect_raw(options);
    if (made.sessions.empty()) throw std::runtime_error("no session: " + made.client + " / " + made.server);
    return std::move(made.sessions.back());
}

}  // namespace tests

#endif
