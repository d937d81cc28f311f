// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One end of a connection on the library, for tests that have another program at the other end: it takes the steps that its
// arguments name, one after the other, and prints what came of them as a line of JSON, one for each connection.
//
//   driver client --port N [OPTION]... STEP...
//   driver server --cert FILE --key FILE [OPTION]... STEP...   listens on 127.0.0.1, prints {"port": N}, serves its connections
//   driver pki DIRECTORY                                       writes the certificates and keys that the tests use
//
// Once a step has failed, only `close` is still taken; without it the stream is destroyed as it is.

#include "driver_options.hpp"
#include "driver_pki.hpp"

#include <tls/tls.hpp>

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
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using driver::command_line;
using driver::step;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* usage = R"(usage: driver client|server OPTION... STEP...   or   driver pki DIRECTORY
steps
  handshake           implied by reading and writing
  send=N              N bytes of 0000000\n0000001\n0000002\n...
  text=TEXT           the text as it is
  expect=N            reads N bytes
  expect-text=TEXT    reads until that has come
  until-blank-line    reads to the end of an HTTP request's head
  until-end           reads to the clean end
  early=TEXT          client: as early data, where there can be some
  read-early          server: reads all early data
  export=LABEL        tells 32 bytes of keying material
  update-keys=WHO     own, or ask: the peer's too
  wait                says {"waiting": true}, and waits for a line or the end of standard input
  shutdown=MODE       read, write, both
  close
options
)";

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
    std::string group;
    std::string server_name;
    std::string peer;          // its certificate's subject
    std::string peer_key;      // ... and kind of key
    std::size_t verified = 0;  // certificates in the chain that was verified
    bool reused = false;
    bool early_accepted = false;
    std::size_t early_sent = 0;
    std::size_t early_resent = 0;
    std::string early;  // as a server received it
    bool ech_accepted = false;
    std::vector<std::byte> ech_retry, ocsp, scts, exported, tls_exporter, tls_unique;
    std::vector<std::string> events;
    tls::stream_end read_end = tls::stream_end::open;
    std::size_t sent = 0;
    std::string received;
    std::optional<tls::shutdown_result> closing;  // of the last shutdown or close
    milliseconds closing_time{0};
    std::optional<tls::error> error;  // the first one
    std::string failed_step;
};

std::string in_quotes(std::string_view text) {
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

std::string hexadecimal(std::span<const std::byte> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string made;
    for (const std::byte one : bytes) {
        made += digits[std::to_integer<unsigned>(one) >> 4U];
        made += digits[std::to_integer<unsigned>(one) & 15U];
    }
    return made;
}

std::string json_of(const std::string& text) { return in_quotes(text); }
std::string json_of(std::size_t number) { return std::to_string(number); }
std::string json_of(bool truth) { return truth ? "true" : "false"; }
std::string json_of(const std::vector<std::byte>& bytes) { return in_quotes(hexadecimal(bytes)); }
std::string json_of(const std::vector<std::string>& texts) {
    std::string made;
    for (const std::string& text : texts) made += (made.empty() ? "[" : ", ") + in_quotes(text);
    return made.empty() ? "[]" : made + "]";
}

void print(const outcome& told) {
    std::cout << std::boolalpha << R"({"version": )" << in_quotes(told.version);
    const auto field = [](const char* name, const auto& value) { std::cout << ", \"" << name << "\": " << json_of(value); };
    field("cipher", told.cipher);
    field("alpn", told.alpn);
    field("group", told.group);
    field("server_name", told.server_name);
    field("peer", told.peer);
    field("peer_key", told.peer_key);
    field("verified", told.verified);
    field("reused", told.reused);
    field("early_accepted", told.early_accepted);
    field("early_sent", told.early_sent);
    field("early_resent", told.early_resent);
    field("early", told.early);
    field("ech_accepted", told.ech_accepted);
    field("ech_retry", told.ech_retry);
    field("ocsp", told.ocsp);
    field("scts", told.scts);
    field("exported", told.exported);
    field("tls_exporter", told.tls_exporter);
    field("tls_unique", told.tls_unique);
    field("events", told.events);
    field("read_end", std::string(to_string(told.read_end)));
    field("sent", told.sent);
    field("received", told.received.size());
    std::cout << R"(, "closing": )";
    if (const auto& result = told.closing) {
        std::cout << R"({"close_notify_sent": )" << result->close_notify_sent << R"(, "transport_shut_down": )"
                  << result->transport_shut_down << R"(, "peer": )" << in_quotes(to_string(result->peer))
                  << R"(, "timed_out": )" << result->timed_out << R"(, "limit_reached": )" << result->limit_reached
                  << R"(, "discarded": )" << result->discarded << R"(, "clean": )" << result->clean() << R"(, "milliseconds": )"
                  << told.closing_time.count() << "}";
    } else {
        std::cout << "null";
    }
    std::cout << R"(, "error": )";
    if (const auto& error = told.error) {
        std::cout << R"({"step": )" << in_quotes(told.failed_step) << R"(, "category": )"
                  << in_quotes(error->code().category().name()) << R"(, "value": )" << error->code().value()
                  << R"(, "message": )" << in_quotes(error->what()) << R"(, "details": )" << in_quotes(error->details()) << "}";
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
    } else if (name == "expect-text") {
        receive(stream, told.received, unlimited, [&, &text = value] { return told.received.find(text) != std::string::npos; });
    } else if (name == "early") {
        std::error_code refused;
        told.early_sent = stream.write_early(value, refused);
        if (refused && refused != tls::errc::early_data_unavailable) throw tls::error(refused, "early data", stream.details());
    } else if (name == "read-early") {
        std::array<char, 4096> buffer;
        while (const std::size_t n = stream.read_early(buffer)) told.early.append(buffer.data(), n);
    } else if (name == "export") {
        told.exported = stream.export_keying_material(value, std::nullopt, 32);
    } else if (name == "update-keys") {
        stream.update_keys(value == "ask");
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

// What the stream tells of the connection.
void look_at(const tcp_stream& stream, outcome& told) {
    told.read_end = stream.read_end();
    told.ech_retry = stream.ech_retry_configs();
    told.early_resent = stream.early_data_resent();
    const auto version = stream.version();
    if (!version) return;
    std::error_code not_supported;
    told.version = to_string(*version);
    told.cipher = stream.cipher()->name;
    told.alpn = stream.alpn();
    told.group = stream.group();
    told.server_name = stream.server_name();
    if (const auto peer = stream.peer_certificate()) {
        told.peer = peer->subject();
        told.peer_key = peer->key_type();
    }
    told.verified = stream.verified_chain().size();
    told.reused = stream.session_reused();
    told.early_accepted = stream.early_data_accepted();
    told.ech_accepted = stream.ech_accepted();
    told.ocsp = stream.ocsp_response();
    told.scts = stream.sct_list();
    told.tls_exporter = stream.channel_binding(tls::channel_binding_type::tls_exporter, not_supported);
    told.tls_unique = stream.channel_binding(tls::channel_binding_type::tls_unique, not_supported);
}

void take_all(tcp_stream& stream, const command_line& line, outcome& told) {
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
        look_at(stream, told);
    }
    if (line.has("received")) std::ofstream(line.text("received"), std::ios::binary) << told.received;
}

// One connection after the other; `connect(n)` gives the stream of each. Returns whether one of them failed.
template <class Connect>
bool run_all(const command_line& line, std::vector<std::string>& events, Connect connect) {
    bool failed = false;
    for (std::uint64_t i = 0; i != line.number("connections"); ++i) {
        outcome told;
        events.clear();
        {
            tcp_stream stream = connect();
            take_all(stream, line, told);
            if (const tls::session last = stream.session(); line.has("session") && last) {
                const auto bytes = last.serialize();
                std::ofstream(line.text("session"), std::ios::binary)
                    .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
            }
        }
        told.events = events;
        failed = failed || told.error;
        print(told);
    }
    return failed;
}

// Writes down what an observer sees: "sent client_hello", "received close_notify".
tls::observer into(std::vector<std::string>& events) {
    return [&events](const tls::protocol_event& event) {
        if (event.kind == tls::protocol_event::content::change_cipher_spec) return;
        events.push_back((event.sent ? "sent " : "received ") + std::string(event.name));
    };
}

bool run_client(const command_line& line) {
    std::vector<std::string> events;
    const tls::client_context context(driver::client_options_of(line, into(events)));
    const auto port = static_cast<std::uint16_t>(line.number("port"));
    return run_all(line, events, [&] {
        tls::connection_options own{.port = port};
        if (line.has("session") && std::filesystem::exists(line.text("session"))) {
            own.resume = tls::session::parse(driver::bytes_in(line.text("session")));
        }
        if (line.has("ech-list")) own.ech_config_list = driver::bytes_in(line.text("ech-list"));
        tls::tcp_socket socket = tls::tcp_socket::connect("127.0.0.1", port, steady_clock::now() + line.time("timeout"));
        return tcp_stream(std::move(socket), context, line.text("name"), own);
    });
}

bool run_server(const command_line& line) {
    std::vector<std::string> events;
    std::vector<std::filesystem::path> files;
    if (line.has("reload")) files = {line.text("cert"), line.text("key")};
    tls::context_reloader<tls::server_context> contexts(
        [&] { return tls::server_context(driver::server_options_of(line, into(events))); }, files);
    tls::tcp_listener listener("127.0.0.1", 0);
    std::cout << R"({"port": )" << listener.port() << "}" << std::endl;
    return run_all(line, events, [&] {
        tls::tcp_socket socket = listener.accept(steady_clock::now() + line.time("timeout"));
        contexts.refresh();
        return tcp_stream(std::move(socket), contexts.get());
    });
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const command_line line = parse({argv + 1, argv + argc});
        if (line.role == "pki") {
            driver::write_pki(line.steps.at(0).first);
            return 0;
        }
        if (line.role != "client" && line.role != "server") throw std::invalid_argument("neither client nor server");
        return (line.role == "client" ? run_client(line) : run_server(line)) ? 1 : 0;
    } catch (const tls::error& failed) {
        std::cerr << "driver: " << failed.what() << '\n';
        return 3;
    } catch (const std::exception& wrong) {
        std::cerr << "driver: " << wrong.what() << '\n' << usage << driver::options_text;
        return 2;
    }
}
