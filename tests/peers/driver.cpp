// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One end of a connection on the library, for tests that have another program at the other end: it takes the steps that its
// arguments name, one after the other, and prints what came of them as a line of JSON.
//
//   driver client --port N [OPTION]... STEP...
//   driver server --cert FILE --key FILE [OPTION]... STEP...   listens on 127.0.0.1, prints {"port": N}, serves one connection
//   driver pki DIRECTORY                                       writes the certificates and keys that the tests use
//
// Once a step has failed, only `close` is still taken; without it the stream is destroyed as it is.

#include <support/pki.hpp>
#include <tls/tls.hpp>

#include <openssl/nid.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* usage = R"(usage: driver client|server OPTION... STEP...   or   driver pki DIRECTORY
options
  --port N            client: where to
  --name NAME         client: the server's name (localhost)
  --ca FILE           client: whom to trust; server: clients must have a certificate of this authority
  --cert FILE         the own certificate and
  --key FILE          its key
  --alpn NAME         the one protocol to offer or accept
  --min, --max 1.2    versions (1.2, 1.3)
  --timeout MS        of everything but closing (30000)
  --close-timeout MS  of each shutdown and close (10000)
  --received FILE     where to put what was received
steps
  handshake           implied by reading and writing
  send=N              N bytes of 0000000\n0000001\n0000002\n...
  text=TEXT           the text as it is
  expect=N            reads N bytes
  until-blank-line    reads to the end of an HTTP request's head
  until-end           reads to the clean end
  wait                says {"waiting": true}, and waits for a line or the end of standard input
  shutdown=MODE       read, write, both
  close
)";

using step = std::pair<std::string, std::string>;

struct command_line {
    std::string role;
    std::map<std::string, std::string, std::less<>> options{
        {"name", "localhost"}, {"min", "1.2"}, {"max", "1.3"}, {"timeout", "30000"}, {"close-timeout", "10000"}};
    std::vector<step> steps;

    [[nodiscard]] bool has(std::string_view name) const { return options.find(name) != options.end(); }
    [[nodiscard]] const std::string& text(std::string_view name) const {
        const auto found = options.find(name);
        if (found == options.end()) throw std::invalid_argument("--" + std::string(name) + " is missing");
        return found->second;
    }
    [[nodiscard]] milliseconds time(std::string_view name) const { return milliseconds(std::stoll(text(name))); }
    [[nodiscard]] tls::protocol_version version(std::string_view name) const {
        if (text(name) == "1.2") return tls::protocol_version::tls1_2;
        if (text(name) == "1.3") return tls::protocol_version::tls1_3;
        throw std::invalid_argument("there is no TLS " + text(name));
    }
};

command_line parse(const std::vector<std::string>& arguments) {
    command_line line;
    line.role = arguments.at(0);
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (word.starts_with("--")) {
            line.options[word.substr(2)] = arguments.at(++i);
        } else {
            const std::size_t equals = word.find('=');
            line.steps.emplace_back(word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1));
        }
    }
    return line;
}

// What is told in the end.
struct outcome {
    std::string version;
    std::string cipher;
    std::string alpn;
    tls::stream_end read_end = tls::stream_end::open;
    std::size_t sent = 0;
    std::string received;
    std::optional<tls::shutdown_result> closing;  // of the last shutdown or close
    milliseconds closing_time{0};
    std::optional<tls::error> error;  // the first one
    std::string failed_step;
};

std::string quoted(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string made = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            made += {'\\', c};
        } else if (byte < 0x20 || byte >= 0x7f) {
            made += "\\u00";
            made += {digits[byte >> 4U], digits[byte & 15U]};
        } else {
            made += c;
        }
    }
    return made + '"';
}

void print(const outcome& told) {
    std::cout << std::boolalpha << R"({"version": )" << quoted(told.version) << R"(, "cipher": )" << quoted(told.cipher)
              << R"(, "alpn": )" << quoted(told.alpn) << R"(, "read_end": )" << quoted(to_string(told.read_end))
              << R"(, "sent": )" << told.sent << R"(, "received": )" << told.received.size() << R"(, "closing": )";
    if (const auto& result = told.closing) {
        std::cout << R"({"close_notify_sent": )" << result->close_notify_sent << R"(, "transport_shut_down": )"
                  << result->transport_shut_down << R"(, "peer": )" << quoted(to_string(result->peer)) << R"(, "timed_out": )"
                  << result->timed_out << R"(, "limit_reached": )" << result->limit_reached << R"(, "discarded": )"
                  << result->discarded << R"(, "clean": )" << result->clean() << R"(, "milliseconds": )"
                  << told.closing_time.count() << "}";
    } else {
        std::cout << "null";
    }
    std::cout << R"(, "error": )";
    if (const auto& error = told.error) {
        std::cout << R"({"step": )" << quoted(told.failed_step) << R"(, "category": )"
                  << quoted(error->code().category().name()) << R"(, "value": )" << error->code().value() << R"(, "message": )"
                  << quoted(error->what()) << R"(, "details": )" << quoted(error->details()) << "}";
    } else {
        std::cout << "null";
    }
    std::cout << "}" << std::endl;
}

std::string numbered_lines(std::size_t size) {
    std::string made;
    made.reserve(size + 8);
    for (std::size_t i = 0; made.size() < size; ++i) {
        const std::string number = std::to_string(i);
        made += std::string(7 - number.size(), '0') + number + '\n';
    }
    made.resize(size);
    return made;
}

using tcp_stream = tls::stream<tls::tcp_socket>;

// Reads until `enough(received)`, or to the clean end.
template <class Enough>
void receive(tcp_stream& stream, std::string& received, std::size_t at_most, Enough enough) {
    std::array<char, 65536> buffer;
    while (!enough()) {
        const std::size_t n = stream.read_some(std::span(buffer).first(std::min(at_most, buffer.size())));
        if (n == 0) return;
        received.append(buffer.data(), n);
        at_most -= n;
    }
}

void close_timed(outcome& told, const auto& call) {
    const auto begin = steady_clock::now();
    const auto stop = [&] { told.closing_time = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin); };
    try {
        told.closing = call();
        stop();
    } catch (const tls::error& failed) {
        told.closing = failed.shutdown();
        stop();
        throw;
    }
}

void take(const step& what, tcp_stream& stream, const command_line& line, outcome& told) {
    constexpr std::size_t unlimited = static_cast<std::size_t>(-1);
    const auto& [name, value] = what;
    const tls::shutdown_options closing{.timeout = line.time("close-timeout")};
    if (name == "handshake") {
        stream.handshake();
    } else if (name == "send") {
        told.sent += stream.write(numbered_lines(std::stoul(value)));
    } else if (name == "text") {
        told.sent += stream.write(value);
    } else if (name == "expect") {
        const std::size_t wanted = told.received.size() + std::stoul(value);
        receive(stream, told.received, std::stoul(value), [&] { return told.received.size() == wanted; });
    } else if (name == "until-blank-line") {
        receive(stream, told.received, unlimited, [&] { return told.received.find("\r\n\r\n") != std::string::npos; });
    } else if (name == "until-end") {
        receive(stream, told.received, unlimited, [] { return false; });
    } else if (name == "wait") {
        std::cout << R"({"waiting": true})" << std::endl;
        std::string ignored;
        std::getline(std::cin, ignored);
    } else if (name == "shutdown") {
        const auto mode = value == "read"    ? tls::shutdown_mode::read
                          : value == "write" ? tls::shutdown_mode::write
                                             : tls::shutdown_mode::both;
        close_timed(told, [&] { return stream.shutdown(mode, closing); });
    } else if (name == "close") {
        stream.expires_never();
        close_timed(told, [&] { return stream.close(closing); });
    } else {
        throw std::invalid_argument("there is no step " + name);
    }
}

outcome take_all(tcp_stream stream, const command_line& line) {
    outcome told;
    stream.expires_after(line.time("timeout"));
    for (const step& next : line.steps) {
        if (told.error && next.first != "close") continue;
        try {
            take(next, stream, line, told);
        } catch (const tls::error& failed) {
            if (told.error) continue;
            told.error = failed;
            told.failed_step = next.first;
            told.sent += next.first == "send" ? failed.bytes_transferred() : 0;
        }
        if (const auto version = stream.version()) told.version = to_string(*version);
        if (const auto cipher = stream.cipher()) told.cipher = cipher->name;
        told.alpn = stream.alpn();
        told.read_end = stream.read_end();
    }
    return told;
}

outcome run_client(const command_line& line) {
    tls::client_options options{.min_version = line.version("min"), .max_version = line.version("max")};
    if (line.has("ca")) options.trust = tls::trust_store::from_file(line.text("ca"));
    if (line.has("alpn")) options.alpn = {line.text("alpn")};
    if (line.has("cert")) options.identity = tls::credential::from_files(line.text("cert"), line.text("key"));
    const auto port = static_cast<std::uint16_t>(std::stoul(line.text("port")));
    tls::tcp_socket socket = tls::tcp_socket::connect("127.0.0.1", port, steady_clock::now() + line.time("timeout"));
    return take_all(tcp_stream(std::move(socket), tls::client_context(options), line.text("name")), line);
}

outcome run_server(const command_line& line) {
    tls::server_options options{.identity = tls::credential::from_files(line.text("cert"), line.text("key")),
                                .min_version = line.version("min"),
                                .max_version = line.version("max")};
    if (line.has("alpn")) options.alpn = {line.text("alpn")};
    if (line.has("ca")) {
        options.authentication = tls::client_auth::required;
        options.trust = tls::trust_store::from_file(line.text("ca"));
    }
    tls::tcp_listener listener("127.0.0.1", 0);
    std::cout << R"({"port": )" << listener.port() << "}" << std::endl;
    tls::tcp_socket socket = listener.accept(steady_clock::now() + line.time("timeout"));
    return take_all(tcp_stream(std::move(socket), tls::server_context(options)), line);
}

// NAME.pem and NAME.key for each.
void write_pki(const std::filesystem::path& directory) {
    const auto write = [&](const std::string& name, const std::string& chain, const tests::issued& one) {
        std::ofstream(directory / (name + ".pem")) << chain;
        std::ofstream(directory / (name + ".key")) << one.key_pem();
    };
    const tests::pki& good = tests::test_pki();
    write("ca", good.authority.certificate_pem(), good.authority);
    write("server", good.server.certificate_pem(), good.server);
    write("client", good.client.certificate_pem(), good.client);

    // As people make them: an authority that is its own server, with nothing said of the key's usage.
    tests::certificate_options own;
    own.dns_names = {"localhost"};
    own.common_name = "localhost";
    own.authority = true;
    own.before_signing = [](X509* x509) {
        const int at = ::X509_get_ext_by_NID(x509, NID_key_usage, -1);
        const bssl::UniquePtr<X509_EXTENSION> key_usage(::X509_delete_ext(x509, at));
    };
    const tests::issued selfsigned = tests::issue_certificate(std::move(own));
    write("selfsigned", selfsigned.certificate_pem(), selfsigned);
    const tests::issued stranger = tests::make_authority("Unknown CA");
    const tests::issued unknown = tests::make_leaf({"localhost"}, &stranger);
    write("unknown", unknown.certificate_pem() + stranger.certificate_pem(), unknown);
    const tests::issued between = tests::make_authority("Intermediate CA", &good.authority);
    const tests::issued incomplete = tests::make_leaf({"localhost"}, &between);
    write("incomplete", incomplete.certificate_pem(), incomplete);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const command_line line = parse({argv + 1, argv + argc});
        if (line.role == "pki") {
            write_pki(line.steps.at(0).first);
            return 0;
        }
        if (line.role != "client" && line.role != "server") throw std::invalid_argument("neither client nor server");
        const outcome told = line.role == "client" ? run_client(line) : run_server(line);
        if (line.has("received")) std::ofstream(line.text("received"), std::ios::binary) << told.received;
        print(told);
        return told.error ? 1 : 0;
    } catch (const tls::error& failed) {
        std::cerr << "driver: " << failed.what() << '\n';
        return 3;
    } catch (const std::exception& wrong) {
        std::cerr << "driver: " << wrong.what() << '\n' << usage;
        return 2;
    }
}
