// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What failed handshakes look like, each provoked on loopback. For docs/how-to/failed-handshake.md.

#include <tls/tls.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/identity.hpp"

namespace {

using namespace std::chrono_literals;
using stream = tls::stream<tls::tcp_socket>;

// All that the stream knows. To be asked before it is closed.
void tell(const stream& session, std::error_code ec) {
    std::cout << "  " << ec.category().name() << ": " << ec.message() << '\n';
    if (const auto refused = session.verify_failure()) std::cout << "  " << refused->text << '\n';
    if (const std::string more = session.details(); !more.empty() && !session.verify_failure())
        std::cout << "  " << more << '\n';
}

// Each message of the handshake, and each alert, as it passes.
tls::observer narrator() {
    return [](const tls::protocol_event& event) {
        std::cout << (event.sent ? "  --> " : "  <-- ") << event.name << (event.fatal ? " (fatal)\n" : "\n");
    };
}

// A client that connects, and tells how far it came.
void try_it(std::string_view title, tls::tcp_socket socket, const tls::client_options& options, const std::string& name) {
    std::cout << title << ":\n";
    stream session(std::move(socket), tls::client_context(options), name);
    session.expires_after(1s);
    std::error_code ec;
    session.handshake(ec);
    char none = 0;
    if (!ec) session.read_some(std::span(&none, 1), ec);  // in TLS 1.3 the server may refuse only now
    if (ec) tell(session, ec);
    else std::cout << "  " << to_string(session.version().value()) << '\n';
    session.close(ec);
}

// --- Servers to fail with ---

using serve = std::function<void(tls::tcp_socket)>;

serve with_tls(const tls::server_options& options) {
    return [context = tls::server_context(options)](tls::tcp_socket socket) {
        stream session(std::move(socket), context);
        session.expires_after(10s);
        std::error_code ec;
        session.handshake(ec);
        session.close(ec);
    };
}

void plain_http(tls::tcp_socket socket) {
    std::string some(4096, '\0');
    socket.read_some(some);
    socket.write_some(std::string_view("HTTP/1.1 400 Bad Request\r\n\r\n"));
    socket.shutdown(tls::shutdown_mode::write);
    std::error_code ec;
    while (socket.read_some(some, ec) != 0) {
    }
}

void mute(tls::tcp_socket socket) {
    std::string some(4096, '\0');
    std::error_code ec;
    while (socket.read_some(some, ec) != 0) {
    }
}

void hang_up(tls::tcp_socket socket) {
    std::string some(4096, '\0');
    socket.read_some(some);
}

void meet(std::string_view title, const serve& server, const tls::client_options& options,
          const std::string& name = "localhost") {
    tls::tcp_listener listener("127.0.0.1", 0);
    auto served = std::async(std::launch::async, [&] { server(listener.accept(std::chrono::steady_clock::now() + 10s)); });
    try_it(title, tls::tcp_socket::connect("127.0.0.1", listener.port()), options, name);
    served.get();
}

void run() {
    const demo::identity made = demo::make_identity();
    const auto trust = tls::trust_store::from_pem(made.authority_pem);
    const serve usual = with_tls({.identity = made.credential()});
    const auto only_1_2 = tls::protocol_version::tls1_2;

    meet("another name", usual, {.trust = trust}, "example.org");
    meet("an authority that is not trusted", usual, {.trust = {}});
    meet("a chain that is not whole",
         with_tls({.identity = tls::credential::from_pem(made.credential().leaf().pem(), made.key_pem)}), {.trust = trust});
    meet("no version in common", with_tls({.identity = made.credential(), .max_version = only_1_2}),
         {.trust = trust, .min_version = tls::protocol_version::tls1_3});
    meet("no protocol in common", with_tls({.identity = made.credential(), .alpn = {"h2"}}),
         {.trust = trust, .alpn = {"http/1.1"}});
    meet("a certificate is asked for",
         with_tls({.identity = made.credential(), .authentication = tls::client_auth::required, .trust = trust}),
         {.trust = trust});
    meet("no TLS at that port", plain_http, {.trust = trust});
    meet("an end in the middle", hang_up, {.trust = trust});
    meet("no answer", mute, {.trust = trust});
    meet("another name, message by message", usual, {.trust = trust, .observe = narrator()}, "example.org");
}

}  // namespace

int main() {
    try {
        run();
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "howto_failures: " << failed.what() << '\n';
        return 1;
    }
}
