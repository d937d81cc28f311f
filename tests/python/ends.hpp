// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Two ends of a connection, as Python's tests have them: a client and a server over a pair of sockets.

#ifndef TLS_STREAM_TESTS_PYTHON_ENDS_HPP
#define TLS_STREAM_TESTS_PYTHON_ENDS_HPP

#include <support/pki.hpp>
#include <support/tcp_tools.hpp>

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/options.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>
#include <tls/trust.hpp>

#include <array>
#include <future>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace python {

using stream = tls::stream<tls::tcp_socket>;

// Python's certificate authority, certificate and key, so to speak.
inline tls::trust_store authority() { return tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()); }
inline tls::credential identity_of(const tests::issued& one) {
    return tls::credential::from_pem(one.certificate_pem(), one.key_pem());
}
inline tls::client_options a_client() { return {.trust = authority()}; }
inline tls::server_options a_server() { return {.identity = identity_of(tests::test_pki().server)}; }

// Both, after their handshakes, and what those said.
struct ends {
    ends(const tls::client_options& client_is, const tls::server_options& server_is, std::string_view name = "localhost",
         const tls::connection_options& connection = {})
        : ends(tests::tcp_pair(), tls::client_context(client_is), tls::server_context(server_is), name, connection) {}
    ends(const tls::client_context& client_is, const tls::server_context& server_is, std::string_view name = "localhost",
         const tls::connection_options& connection = {})
        : ends(tests::tcp_pair(), client_is, server_is, name, connection) {}
    ends() : ends(a_client(), a_server()) {}

    [[nodiscard]] bool good() const { return !client_error && !server_error; }

    // A word from one to the other.
    static std::string say(stream& from, stream& to, std::string_view word = "word") {
        from.write(word);
        std::string heard(word.size(), '\0');
        heard.resize(to.read(heard));
        return heard;
    }

    stream client;
    stream server;
    std::error_code client_error{};
    std::error_code server_error{};

private:
    ends(tests::socket_pair sockets, const tls::client_context& client_is, const tls::server_context& server_is,
         std::string_view name, const tls::connection_options& connection)
        : client(std::move(sockets.a), client_is, name, connection), server(std::move(sockets.b), server_is) {
        client.expires_at(tests::patience());
        server.expires_at(tests::patience());
        const auto serving = std::async(std::launch::async, [this] { server.handshake(server_error); });
        client.handshake(client_error);
        // One that has failed must not leave the other waiting.
        if (client_error) client.close({.timeout = std::chrono::milliseconds(0)}, ignored_);
    }

    std::error_code ignored_{};
};

// What Python's ssl.PROTOCOL_TLS and TLSVersion pin down: one version.
inline tls::client_options only(tls::protocol_version version, tls::client_options options) {
    options.min_version = options.max_version = version;
    return options;
}
inline tls::server_options only(tls::protocol_version version, tls::server_options options) {
    options.min_version = options.max_version = version;
    return options;
}

}  // namespace python

#endif
