// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Clients that prove who they are, by a certificate of their own: a server that insists on one, and one that only asks, each visited by
// several clients on loopback.

#include <tls/tls.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <future>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "support/identity.hpp"
#include "support/issue_certificate.hpp"

namespace {

using namespace std::chrono_literals;
using stream = tls::stream<tls::tcp_socket>;

// --- The server ---

tls::server_context make_server(tls::credential identity, const tls::trust_store& customers, tls::client_auth authentication) {
    // `trust` is for clients alone: these are the authorities whose certificates are let in. It is never the system's.
    return tls::server_context({.identity = std::move(identity), .authentication = authentication, .trust = customers});
}

// Who the client is, in the words of an authority that the server trusts; std::nullopt if it showed no certificate, which happens only
// where that is optional.
std::optional<std::string> client_of(const stream& connection) {
    const auto certificate = connection.peer_certificate();
    if (!certificate) return std::nullopt;
    std::string name = certificate->common_name();
    for (const auto& other : certificate->alternative_names()) {
        if (other.type == tls::alternative_name::kind::email) name += " <" + other.value + ">";
    }
    return name;
}

// Serves one client, and tells whom.
std::string greet(tls::tcp_socket socket, const tls::server_context& context) {
    stream connection(std::move(socket), context);
    connection.expires_after(10s);
    std::error_code ec;
    connection.handshake(ec);
    if (ec) {
        // Which certificate was refused, and why. The client is told an alert, and close() sees to it that it gets there.
        const auto refused = connection.verify_failure();
        std::string why = "refused: " + (refused ? refused->text : ec.message());
        connection.close(ec);
        return why;
    }
    const auto client = client_of(connection);
    connection.write("Hello, " + client.value_or("whoever you are") + "!");
    connection.close();
    return "let in: " + client.value_or("somebody without a certificate");
}

// --- The clients ---

// What the server says to whoever has this identity, which is used only where a server asks for one.
std::string visit(std::uint16_t port, const tls::trust_store& trust, std::optional<tls::credential> identity) {
    try {
        const tls::client_context context({.trust = trust, .identity = std::move(identity)});
        auto connection = tls::connect("localhost", port, context, std::chrono::steady_clock::now() + 10s);
        connection.expires_after(10s);
        // In TLS 1.3 the client is done before the server has seen its certificate: a refusal comes with the first read.
        std::string greeting(1000, '\0');
        greeting.resize(connection.read(greeting));
        connection.close();
        return greeting;
    } catch (const tls::error& failed) {
        return failed.code().message();
    }
}

// --- The certificates; a product gets them from its own authority ---

tls::credential credential_of(const demo::issued& made) {
    return tls::credential::from_pem(made.certificate_pem(), made.key_pem());
}

demo::issued issue_client(const std::string& name, const std::string& email, const demo::issued& authority,
                          int ends_in_days = 30) {
    demo::certificate_options options;
    options.common_name = name;
    options.emails = {email};
    options.extended_key_usage = "clientAuth";  // a server's certificate is none for a client
    options.begins_in_days = -30;
    options.ends_in_days = ends_in_days;
    return demo::issue_certificate(std::move(options), &authority);
}

void run() {
    const demo::identity server = demo::make_identity();
    const auto trust = tls::trust_store::from_pem(server.authority_pem);
    const demo::issued customers = demo::issue_certificate({.common_name = "Customers", .authority = true});
    const demo::issued strangers = demo::issue_certificate({.common_name = "Strangers", .authority = true});

    for (const auto authentication : {tls::client_auth::required, tls::client_auth::optional}) {
        const bool required = authentication == tls::client_auth::required;
        std::cout << "=== certificates are " << (required ? "required" : "optional") << '\n';
        const auto context =
            make_server(server.credential(), tls::trust_store::from_pem(customers.certificate_pem()), authentication);
        tls::tcp_listener listener("127.0.0.1", 0);  // port 0: the system chooses; listener.port() tells
        const auto meet = [&](const std::string& who, std::optional<tls::credential> with) {
            auto server_side = std::async(
                std::launch::async, [&] { return greet(listener.accept(std::chrono::steady_clock::now() + 10s), context); });
            const std::string answer = visit(listener.port(), trust, std::move(with));
            std::cout << who << ":\n  client: " << answer << "\n  server: " << server_side.get() << '\n';
        };
        meet("Alice", credential_of(issue_client("Alice", "alice@example.test", customers)));
        meet("Bob, whose certificate has expired", credential_of(issue_client("Bob", "bob@example.test", customers, -1)));
        meet("Mallory, who is Alice by another authority",
             credential_of(issue_client("Alice", "alice@example.test", strangers)));
        meet("somebody without a certificate", std::nullopt);
    }
}

}  // namespace

int main() {
    try {
        run();
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "mutual_tls: " << failed.what() << '\n';
        return 1;
    }
}
