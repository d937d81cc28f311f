// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Client certificates, from files that docs/how-to/own-authorities.md makes. Server and client, on loopback.

#include <tls/tls.hpp>

#include <chrono>
#include <exception>
#include <future>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
using stream = tls::stream<tls::tcp_socket>;

tls::server_context members_only() {
    return tls::server_context({.identity = tls::credential::from_files("server.pem", "server.key"),
                                .authentication = tls::client_auth::required,
                                .trust = tls::trust_store::from_file("members.pem")});
}

tls::client_context alice() {
    return tls::client_context(
        {.trust = tls::trust_store::from_file("ca.pem"), .identity = tls::credential::from_files("alice.pem", "alice.key")});
}

// Serves one client. Who it is, is what an authority of ours has written into the certificate.
void greet(tls::tcp_socket accepted, const tls::server_context& context) {
    stream session(std::move(accepted), context);
    session.expires_after(10s);
    std::error_code ec;
    session.handshake(ec);
    if (ec) {
        std::cout << "server: refused: " << ec.message() << std::endl;
        session.close(ec);  // so that the client gets the alert that says why
        return;
    }
    const auto member = session.peer_certificate();
    std::cout << "server: let in: " << member->common_name() << std::endl;
    session.write("Hello, " + member->common_name() + "!");
    session.close();
}

std::string visit(std::uint16_t port, const tls::client_context& context) {
    try {
        auto session = tls::connect("localhost", port, context, std::chrono::steady_clock::now() + 10s);
        session.expires_after(10s);
        std::string said(100, '\0');
        said.resize(session.read(said));  // in TLS 1.3 a refusal comes here
        session.close();
        return said;
    } catch (const tls::error& failed) {
        return failed.what();
    }
}

}  // namespace

int main() {
    try {
        const tls::server_context server = members_only();
        const tls::client_context nobody({.trust = tls::trust_store::from_file("ca.pem")});
        tls::tcp_listener listener("127.0.0.1", 0);
        for (const tls::client_context& client : {alice(), nobody}) {
            auto served =
                std::async(std::launch::async, [&] { greet(listener.accept(std::chrono::steady_clock::now() + 10s), server); });
            const std::string said = visit(listener.port(), client);
            served.get();
            std::cout << "client: " << said << std::endl;
        }
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "howto_certificates: " << failed.what() << '\n';
        return 1;
    }
}
