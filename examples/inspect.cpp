// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Looks into a TLS connection: what was agreed on, who the peer is, and what exactly goes over the wire when it is closed.

#include <tls/tls.hpp>

#include <getopt.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <ostream>
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
  --json         print all of it as JSON
  --keylog FILE  append the connection's secrets to FILE, for Wireshark and the like: whoever has it can
                 read what was sent
  --help         this text
)";

struct arguments {
    std::string host;  // empty: a server of our own
    std::uint16_t port = 443;
    std::string ca_file;
    std::chrono::milliseconds timeout{10000};
    bool echo = false;
    std::vector<std::string> alpn;
    bool json = false;
    std::string key_log;
    bool help = false;
};

arguments parse(int argc, char* argv[]) {
    const ::option options[] = {{"ca", required_argument, nullptr, 'c'}, {"timeout", required_argument, nullptr, 't'},
                                {"echo", no_argument, nullptr, 'e'},     {"alpn", required_argument, nullptr, 'a'},
                                {"json", no_argument, nullptr, 'j'},     {"keylog", required_argument, nullptr, 'k'},
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
            case 'j': given.json = true; break;
            case 'k': given.key_log = ::optarg; break;
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
    demo::output() << "Connected to " << target << '\n';
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

using nlohmann::json;

json to_json(const tls::shutdown_result& result) {
    return {{"close_notify_sent", result.close_notify_sent},
            {"transport_shut_down", result.transport_shut_down},
            {"peer", to_string(result.peer)},
            {"timed_out", result.timed_out},
            {"limit_reached", result.limit_reached},
            {"discarded", result.discarded},
            {"clean", result.clean()}};
}

json to_json(const std::vector<tls::cipher_info>& ciphers) {
    json all = json::array();
    for (const auto& [name, protocol, bits] : ciphers) all.push_back({{"name", name}, {"protocol", protocol}, {"bits", bits}});
    return all;
}

json to_json(const tls::certificate& certificate) {
    return {{"subject", certificate.subject()},
            {"issuer", certificate.issuer()},
            {"dns_names", certificate.dns_names()},
            {"ip_addresses", certificate.ip_addresses()},
            {"not_before", demo::date(certificate.not_before())},
            {"not_after", demo::date(certificate.not_after())},
            {"serial", certificate.serial()},
            {"sha256", demo::fingerprint(certificate)},
            {"key", {{"type", certificate.key_type()}, {"bits", certificate.key_bits()}}},
            {"signature_algorithm", certificate.signature_algorithm()}};
}

json to_json(const stream& session) {
    json chain = json::array();
    for (const tls::certificate& one : session.peer_chain()) chain.push_back(to_json(one));
    return {{"version", to_string(session.version().value())},
            {"cipher", to_json(std::vector{session.cipher().value()}).front()},
            {"group", session.group()},
            {"alpn", session.alpn()},
            {"server_name", session.server_name()},
            {"resumed", session.session_reused()},
            {"offered_ciphers", to_json(session.shared_ciphers())},
            {"chain", chain}};
}

json to_json(const demo::timeline& timeline) {
    json all = json::array();
    for (const auto& [when, one] : timeline.rows()) {
        json row{
            {"microseconds", timeline.microseconds(when)}, {"end", one.at_client ? "client" : "server"}, {"what", one.what}};
        if (one.way) row["way"] = *one.way == demo::flow::sent ? "sent" : "received";
        if (one.size != 0) row["bytes"] = one.size;
        all.push_back(std::move(row));
    }
    return all;
}

// What the connection is made with, and to whom: a server of our own, unless there is another.
struct target {
    std::unique_ptr<demo::demo_server> server;
    tls::client_options options;
    std::string host;
    std::uint16_t port;
};

target choose(const arguments& given) {
    target chosen{nullptr, {.alpn = given.alpn}, given.host, given.port};
    if (given.host.empty()) {
        const demo::identity identity = demo::make_identity();
        chosen.server =
            std::make_unique<demo::demo_server>(tls::server_options{.identity = identity.credential(), .alpn = {"demo"}});
        chosen.options.trust = tls::trust_store::from_pem(identity.authority_pem);
        chosen.options.alpn = {"demo"};
        chosen.host = "localhost";
        chosen.port = chosen.server->port();
    } else if (!given.ca_file.empty()) {
        chosen.options.trust = tls::trust_store::from_file(given.ca_file);
    }
    if (!given.key_log.empty()) chosen.options.keys = tls::key_log::to_file(given.key_log);
    return chosen;
}

// Connects, looks, talks, closes. True if nothing was left to be desired.
bool inspect(const arguments& given) {
    auto [server, options, host, port] = choose(given);
    demo::wire_log log;
    options.observe = log.observer();
    const tls::client_context context(options);

    // Connecting: name resolution, TCP and TLS under one deadline.
    const auto deadline = std::chrono::steady_clock::now() + given.timeout;
    // Our own server by its address: a bare system may not know the name.
    tls::tcp_socket socket = tls::tcp_socket::connect(server ? "127.0.0.1" : host, port, deadline);
    const auto connected = std::chrono::steady_clock::now();
    const std::string target = host + " port " + std::to_string(port) + " (" + to_string(socket.remote_endpoint()) + ")";
    stream session(demo::recording_socket(std::move(socket), log), context, host);
    session.expires_at(deadline);
    std::error_code ec;
    session.handshake(ec);
    if (const auto refused = session.verify_failure()) {
        throw std::runtime_error("the certificate of " + target + " was refused: " + refused->text);
    }
    if (ec) throw tls::error(ec, "TLS handshake with " + target);
    log.handshake_done();
    json report{{"target", target}, {"session", to_json(session)}};
    print_session(session, target);

    print_ciphers(session, server.get());
    print_chain(session);

    demo::heading("Data");
    session.expires_after(given.timeout);
    if (server || given.echo) demo::echo_megabyte(session, log);
    else demo::ask_for_page(session, log, host);

    // Closing, in two steps, so that each can be looked at.
    session.expires_never();
    const tls::shutdown_options limits{.timeout = std::min(given.timeout, tls::shutdown_options{}.timeout)};
    const tls::shutdown_result shut_down = session.shutdown(tls::shutdown_mode::both, limits);
    const tls::shutdown_result closed = session.close(limits);
    report["closing"] = {{"client_shutdown", to_json(shut_down)}, {"client_close", to_json(closed)}};

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
        report["closing"]["server_close"] = to_json(seen->closed);
    }
    demo::heading("On the wire");
    timeline.print();
    demo::heading("How it ended");
    demo::print_results(results);
    report["timeline"] = to_json(timeline);
    if (given.json) std::cout << report.dump(2) << '\n';
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
        std::ostream nowhere(nullptr);
        if (given.json) demo::output_stream() = &nowhere;
        return inspect(given) ? 0 : 1;
    } catch (const std::invalid_argument& wrong) {
        std::cerr << "inspect: " << wrong.what() << '\n';
        return 2;
    } catch (const std::exception& failed) {
        std::cerr << "inspect: " << failed.what() << '\n';
        return 1;
    }
}
