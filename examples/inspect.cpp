// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Looks into a TLS connection: what was agreed on, who the peer is, and what exactly goes over the wire when it is closed.

#include <tls/tls.hpp>

#include <getopt.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/demo_server.hpp"
#include "support/exchange.hpp"
#include "support/identity.hpp"
#include "support/number.hpp"
#include "support/recording_socket.hpp"
#include "support/report.hpp"
#include "support/timeline.hpp"
#include "support/wire_log.hpp"

namespace {

constexpr std::string_view usage = R"(usage: inspect [OPTION...] [HOST [PORT]]

Looks into a TLS connection: to HOST, port 443 unless PORT says otherwise, or without arguments to
a server of its own, on loopback. The server's certificate and name are verified.

  --ca FILE      trust the authorities in FILE (PEM) instead of the system's
  --timeout MS   how long connecting, the exchange of data and closing may take, each; default 10000
  --echo         HOST sends back what it gets: send a megabyte, instead of asking for a web page
  --alpn NAME    offer this protocol, default http/1.1; may be repeated; "" offers none
  --help         this text
)";

struct arguments {
    std::string host;  // empty: a server of our own
    std::uint16_t port = 443;
    std::string ca_file;
    std::chrono::milliseconds timeout{10000};
    bool echo = false;
    std::vector<std::string> alpn;
    bool help = false;
};

arguments parse(int argc, char* argv[]) {
    const ::option options[] = {{"ca", required_argument, nullptr, 'c'}, {"timeout", required_argument, nullptr, 't'},
                                {"echo", no_argument, nullptr, 'e'},     {"alpn", required_argument, nullptr, 'a'},
                                {"help", no_argument, nullptr, 'h'},     {nullptr, 0, nullptr, 0}};
    arguments given;
    bool alpn_given = false;
    for (int option = 0; (option = ::getopt_long(argc, argv, ":", options, nullptr)) != -1;) {
        switch (option) {
            case 'c': given.ca_file = ::optarg; break;
            case 't': given.timeout = std::chrono::milliseconds(demo::number<std::uint32_t>(::optarg, "a number of ms")); break;
            case 'e': given.echo = true; break;
            case 'a':
                alpn_given = true;
                if (*::optarg != '\0') given.alpn.emplace_back(::optarg);
                break;
            case 'h': given.help = true; return given;
            case ':': throw std::invalid_argument(std::string(argv[::optind - 1]) + " needs a value; see --help");
            default: throw std::invalid_argument("there is no option " + std::string(argv[::optind - 1]) + "; see --help");
        }
    }
    if (argc - ::optind > 2) throw std::invalid_argument("too many arguments; see --help");
    if (::optind < argc) given.host = argv[::optind];
    if (::optind + 1 < argc) given.port = demo::number<std::uint16_t>(argv[::optind + 1], "a port");
    if (given.host.empty() && (!given.ca_file.empty() || given.echo || alpn_given)) {
        throw std::invalid_argument("--ca, --echo and --alpn go with a HOST; see --help");
    }
    if (!alpn_given && !given.echo) given.alpn = {"http/1.1"};
    return given;
}

using stream = tls::stream<demo::recording_socket>;

void print_session(const stream& session, std::string_view target) {
    std::cout << "Connected to " << target << '\n';
    demo::heading("Session");
    demo::field("version", to_string(session.version().value()));
    demo::field("cipher", demo::describe(session.cipher().value()));
    demo::field("group", session.group());
    demo::field("ALPN", session.alpn().empty() ? "none" : session.alpn());
    demo::field("compression", session.compression().value_or("none"));
    demo::field("server name", session.server_name());
}

void print_ciphers(const stream& session, demo::demo_server* server) {
    demo::heading("Ciphers, in the client's order");
    std::optional<std::vector<tls::cipher_info>> shared;
    if (server != nullptr) shared = server->shared_ciphers();
    demo::print_ciphers(session.shared_ciphers(), session.cipher().value(), shared);
}

void print_chain(const stream& session) {
    const std::vector<tls::certificate> chain = session.peer_chain();
    demo::heading("The server's certificate, verified for this name");
    demo::print_certificate(session.peer_certificate().value());
    for (std::size_t i = 1; i < chain.size(); ++i) {
        demo::heading("Certificate " + std::to_string(i + 1) + " of the chain that it sent");
        demo::print_certificate(chain[i]);
    }
}

// Connects, looks, talks, closes. True if nothing was left to be desired.
bool inspect(const arguments& given) {
    // A server of our own, unless there is another.
    std::unique_ptr<demo::demo_server> server;
    tls::client_options options{.alpn = given.alpn};
    std::string host = given.host;
    std::uint16_t port = given.port;
    if (host.empty()) {
        const demo::identity identity = demo::make_identity();
        server =
            std::make_unique<demo::demo_server>(tls::server_context({.identity = identity.credential(), .alpn = {"demo"}}));
        options.trust = tls::trust_store::from_pem(identity.authority_pem);
        options.alpn = {"demo"};
        host = "localhost";
        port = server->port();
    } else if (!given.ca_file.empty()) {
        options.trust = tls::trust_store::from_file(given.ca_file);
    }
    const tls::client_context context(options);

    // Connecting: name resolution, TCP and TLS under one deadline.
    const auto deadline = std::chrono::steady_clock::now() + given.timeout;
    demo::wire_log log;
    // Our own server by its address: a bare system may not know the name.
    tls::tcp_socket socket = tls::tcp_socket::connect(server ? "127.0.0.1" : host, port, deadline);
    const auto connected = std::chrono::steady_clock::now();
    const std::string target = host + " port " + std::to_string(port) + " (" + to_string(socket.remote_endpoint()) + ")";
    stream session(demo::recording_socket(std::move(socket), log), context, host);
    session.expires_at(deadline);
    std::error_code ec;
    session.handshake(ec);
    const bool refused = ec.category() == tls::verify_category();
    if (ec) throw tls::error(ec, refused ? "the certificate of " + target + " was refused" : "TLS handshake with " + target);
    log.watch(session.native_handle());
    print_session(session, target);

    print_ciphers(session, server.get());
    print_chain(session);

    demo::heading("Data");
    session.expires_after(given.timeout);
    if (server || given.echo) demo::echo_megabyte(session);
    else demo::ask_for_page(session, host);

    // Closing, in two steps, so that each can be looked at.
    session.expires_never();
    const tls::shutdown_options limits{.timeout = std::min(given.timeout, tls::shutdown_options{}.timeout)};
    const tls::shutdown_result shut_down = session.shutdown(tls::shutdown_mode::both, limits);
    const tls::shutdown_result closed = session.close(limits);

    std::vector<std::pair<std::string, tls::shutdown_result>> results{{"client: shutdown(both)", shut_down},
                                                                      {"client: close()", closed}};
    demo::timeline timeline(connected);
    timeline.add_client(log);
    const demo::server_view* seen = nullptr;
    if (server) {
        seen = &server->finish();
        if (!seen->failure.empty()) throw std::runtime_error("the server failed: " + seen->failure);
        timeline.add_server(server->log());
        results.emplace_back("server: close()", seen->closed);
    }
    demo::heading("On the wire");
    timeline.print();
    demo::heading("How it ended");
    demo::print_results(results);
    return !server || (closed.clean() && seen->closed.clean());
}

}  // namespace

int main(int argc, char* argv[]) {
    try {
        const arguments given = parse(argc, argv);
        if (given.help) {
            std::cout << usage;
            return 0;
        }
        return inspect(given) ? 0 : 1;
    } catch (const std::invalid_argument& wrong) {
        std::cerr << "inspect: " << wrong.what() << '\n';
        return 2;
    } catch (const std::exception& failed) {
        std::cerr << "inspect: " << failed.what() << '\n';
        return 1;
    }
}
