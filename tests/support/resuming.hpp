// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Connections of the library with itself from which sessions come, and which take them up.

#ifndef TLS_STREAM_TESTS_SUPPORT_RESUMING_HPP
#define TLS_STREAM_TESTS_SUPPORT_RESUMING_HPP

#include <support/engines.hpp>
#include <support/pki.hpp>

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/trust.hpp>

#include <stdexcept>
#include <string_view>
#include <utility>

namespace tests {

// One version only; the client keeps the sessions that come.
[[nodiscard]] inline tls::client_options resuming_client(tls::protocol_version version = tls::protocol_version::tls1_3) {
    return {.trust = tls::trust_store::from_pem(test_pki().authority.certificate_pem()),
            .min_version = version,
            .max_version = version,
            .keep_session = true};
}
[[nodiscard]] inline tls::server_options resuming_server(tls::protocol_version version = tls::protocol_version::tls1_3,
                                                         tls::ticket_options tickets = {}) {
    const auto& server = test_pki().server;
    return {.identity = tls::credential::from_pem(server.certificate_pem(), server.key_pem()),
            .min_version = version,
            .max_version = version,
            .tickets = std::move(tickets)};
}

// A handshake, and a word from the server: its TLS 1.3 tickets leave with the first that it writes.
struct resuming_pair : engine_handshake {
    resuming_pair(const tls::client_context& for_client, const tls::server_context& for_server,
                  std::string_view name = "localhost", const tls::connection_options& options = {})
        : engine_handshake(for_client, for_server, name, options) {
        if (complete()) server_error = server.write("x").error;
        go_on();
    }

    // Was the session that was offered taken up?
    [[nodiscard]] bool resumed() const {
        if (!complete()) throw std::runtime_error("no connection");
        if (client.session_reused() != server.session_reused()) throw std::runtime_error("half resumed");
        return client.session_reused();
    }
};

// Does a connection that offers this session take it up?
[[nodiscard]] inline bool resumes(const tls::client_context& client, const tls::server_context& server, tls::session offered,
                                  std::string_view name = "localhost") {
    return resuming_pair(client, server, name, {.resume = std::move(offered)}).resumed();
}

// The session that a full handshake gives; the client's options have keep_session.
[[nodiscard]] inline tls::session new_session(const tls::client_context& client, const tls::server_context& server,
                                              std::string_view name = "localhost") {
    const resuming_pair made(client, server, name);
    if (made.resumed() || !made.client.session()) throw std::runtime_error("no new session");
    return made.client.session();
}

}  // namespace tests

#endif
