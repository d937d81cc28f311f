// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

#include <tls/observer.hpp>

#include <tls/alert.hpp>
#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/error.hpp>
#include <tls/key_log.hpp>
#include <tls/split.hpp>
#include <tls/stream.hpp>
#include <tls/trust.hpp>

#include <support/engines.hpp>
#include <support/session.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using tls::protocol_event;
using tls::protocol_version;
using strings = std::vector<std::string>;

namespace {

const std::error_code none;

protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// What an observer was told.
struct tape {
    struct event {
        std::string text;  // "> client_hello": sent; "< ...": received; "!" behind it: fatal
        bool sent;
        protocol_event::content kind;
        std::vector<std::byte> bytes;
        std::chrono::system_clock::time_point time;
        const void* connection;
    };
    std::vector<event> events;

    tls::observer observer() {
        return [this](const protocol_event& one) {
            std::string text = (one.sent ? "> " : "< ") + std::string(one.name) + (one.fatal ? "!" : "");
            events.push_back(
                {std::move(text), one.sent, one.kind, {one.bytes.begin(), one.bytes.end()}, one.time, one.connection});
        };
    }
    // From the given one on. `sent`: those that were, without the sign.
    [[nodiscard]] strings texts(std::size_t from = 0) const {
        strings all;
        for (std::size_t i = from; i < events.size(); ++i) all.push_back(events[i].text);
        return all;
    }
    [[nodiscard]] strings names(bool sent) const {
        strings all;
        for (const event& one : events) {
            if (one.sent == sent) all.push_back(one.text.substr(2));
        }
        return all;
    }
};

tls::trust_store trust() { return tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()); }
tls::credential identity() {
    const auto& server = tests::test_pki().server;
    return tls::credential::from_pem(server.certificate_pem(), server.key_pem());
}
tls::client_options client_options(protocol_version version) {
    return {.trust = trust(), .min_version = version, .max_version = version};
}
tls::server_options server_options(protocol_version version) {
    return {.identity = identity(), .min_version = version, .max_version = version};
}

// Two engines with an observer each.
struct watched {
    tape at_client;
    tape at_server;
    tests::engine_handshake both;

    explicit watched(protocol_version version, tls::client_options for_client, tls::server_options for_server)
        : both(make(at_client, std::move(for_client), version), make(at_server, std::move(for_server), version)) {}
    explicit watched(protocol_version version) : watched(version, client_options(version), server_options(version)) {}

private:
    static tls::client_context make(tape& into, tls::client_options options, protocol_version) {
        options.observe = into.observer();
        return tls::client_context(options);
    }
    static tls::server_context make(tape& into, tls::server_options options, protocol_version) {
        options.observe = into.observer();
        return tls::server_context(options);
    }
};

TEST_CASE("observer: the messages of a TLS 1.3 handshake, in their order") {
    const watched with(protocol_version::tls1_3);
    REQUIRE(with.both.complete());
    const strings client{"> client_hello", "< server_hello",       "> change_cipher_spec", "< encrypted_extensions",
                         "< certificate",  "< certificate_verify", "< finished",           "> finished"};
    CHECK(with.at_client.texts() == client);
    const strings server{"< client_hello", "> server_hello",       "> change_cipher_spec", "> encrypted_extensions",
                         "> certificate",  "> certificate_verify", "> finished",           "< finished"};
    strings told = with.at_server.texts();
    // Where the tickets, which leave with what is written next, come in is not said.
    CHECK(std::erase(told, "> new_session_ticket") == 2);
    CHECK(told == server);
}

TEST_CASE("observer: the messages of a TLS 1.2 handshake, in their order") {
    const watched with(protocol_version::tls1_2);
    REQUIRE(with.both.complete());
    const strings client{"> client_hello",        "< server_hello",      "< certificate",
                         "< server_key_exchange", "< server_hello_done", "> client_key_exchange",
                         "> change_cipher_spec",  "> finished",          "< new_session_ticket",
                         "< change_cipher_spec",  "< finished"};
    CHECK(with.at_client.texts() == client);
    CHECK(with.at_server.names(false) == with.at_client.names(true));
    CHECK(with.at_server.names(true) == with.at_client.names(false));
}

TEST_CASE("observer: each event has the message, the time, and whose it is") {
    const auto version = any_version();
    const auto before = std::chrono::system_clock::now();
    const watched with(version);
    const watched other(version);
    const auto after = std::chrono::system_clock::now();
    const void* const connection = with.at_client.events.at(0).connection;
    CHECK(connection != nullptr);
    CHECK(connection != with.at_server.events.at(0).connection);
    CHECK(connection != other.at_client.events.at(0).connection);
    for (const auto& one : with.at_client.events) {
        CAPTURE(one.text);
        CHECK(one.connection == connection);
        CHECK(one.time >= before);
        CHECK(one.time <= after);
        if (one.kind != protocol_event::content::handshake) continue;
        REQUIRE(one.bytes.size() >= 4);
        const auto octet = [&](std::size_t at) { return std::to_integer<std::size_t>(one.bytes[at]); };
        CHECK(tls::handshake_message_name(std::to_integer<std::uint8_t>(one.bytes[0])) == one.text.substr(2));
        CHECK(one.bytes.size() == 4 + (octet(1) << 16 | octet(2) << 8 | octet(3)));
    }
}

TEST_CASE("observer: alerts, both ways") {
    const auto version = any_version();
    SECTION("close_notify is not fatal") {
        watched with(version);
        const auto client = with.at_client.events.size();
        const auto server = with.at_server.events.size();
        CHECK(with.both.client.close_notify().error == none);
        with.both.go_on();
        CHECK(with.at_client.texts(client) == strings{"> close_notify"});
        CHECK(with.at_server.texts(server) == strings{"< close_notify"});
        CHECK(with.at_server.events.back().kind == protocol_event::content::alert);
        CHECK(with.at_server.events.back().bytes.size() == 2);
    }
    SECTION("a certificate that is refused") {
        auto options = client_options(version);
        options.trust = {};
        const watched with(version, options, server_options(version));
        CHECK(with.both.client_error);
        CHECK(with.at_client.texts().back() == "> unknown_ca!");
        CHECK(with.at_server.texts().back() == "< unknown_ca!");
    }
    SECTION("a protocol that is required") {
        auto options = client_options(version);
        options.alpn = {"h2"};
        options.require_alpn = true;
        const watched with(version, options, server_options(version));
        CHECK(with.both.client_error == tls::errc::no_application_protocol);
        CHECK(with.at_client.texts().back() == "> no_application_protocol!");
        CHECK(with.at_server.texts().back() == "< no_application_protocol!");
    }
}

TEST_CASE("observer: what comes after the handshake") {
    watched with(protocol_version::tls1_3);
    const auto client = with.at_client.events.size();
    const auto server = with.at_server.events.size();
    CHECK(with.both.server.write("tickets come with this").bytes == 22);
    with.both.go_on();
    CHECK(with.at_client.texts(client) == strings{"< new_session_ticket", "< new_session_ticket"});
    CHECK(with.both.client.update_keys(true).error == none);
    with.both.go_on();
    CHECK(with.both.server.write("so does the answer").bytes == 18);
    with.both.go_on();
    CHECK(with.at_client.texts(client + 2) == strings{"> key_update", "< key_update"});
    CHECK(with.at_server.texts(server) == strings{"< key_update", "> key_update"});
}

TEST_CASE("observer: of streams and their halves") {
    const auto version = any_version();
    tape seen;
    auto options = client_options(version);
    options.observe = seen.observer();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
    net.a().pump([&] { peer.pump(); });
    const tls::client_context context(options);
    tls::stream stream(net.a().socket(), context, "localhost");
    stream.handshake();
    peer.send("hello");
    std::array<char, 10> some;
    CHECK(stream.read_some(some) == 5);
    const auto events = seen.events.size();
    auto [reader, writer] = tls::split(std::move(stream));
    peer.close_notify();
    CHECK(reader.read_some(some) == 0);
    writer.shutdown(tls::shutdown_mode::write);
    CHECK(seen.texts(events) == strings{"< close_notify", "> close_notify"});
    // It is the same connection still.
    for (const auto& one : seen.events) CHECK(one.connection == seen.events[0].connection);
}

// The labels of a log's lines, and all of them.
struct logged {
    strings lines;

    tls::key_log log() {
        return tls::key_log::to([this](std::string_view line) { lines.emplace_back(line); });
    }
    [[nodiscard]] std::multiset<std::string> labels() const {
        std::multiset<std::string> all;
        for (const auto& line : lines) all.insert(line.substr(0, line.find(' ')));
        return all;
    }
};

TEST_CASE("key_log: the secrets of each connection, from either side, and none unless asked for") {
    const auto version = any_version();
    const std::multiset<std::string> labels =
        version == protocol_version::tls1_2
            ? std::multiset<std::string>{"CLIENT_RANDOM"}
            : std::multiset<std::string>{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                                         "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"};
    logged at_client, at_server;
    auto for_client = client_options(version);
    auto for_server = server_options(version);
    SECTION("both") {
        for_client.keys = at_client.log();
        for_server.keys = at_server.log();
        const watched with(version, for_client, for_server);
        REQUIRE(with.both.complete());
        CHECK(at_client.labels() == labels);
        CHECK(std::multiset(at_client.lines.begin(), at_client.lines.end()) ==
              std::multiset(at_server.lines.begin(), at_server.lines.end()));
        // Each line names the connection by the ClientHello's random.
        const auto& hello = with.at_client.events.at(0).bytes;
        std::string random;
        for (const std::byte octet : std::span(hello).subspan(6, 32)) {
            constexpr std::string_view digits = "0123456789abcdef";
            random += digits[std::to_integer<std::size_t>(octet >> 4)];
            random += digits[std::to_integer<std::size_t>(octet & std::byte{15})];
        }
        for (const auto& line : at_client.lines) CHECK(line.find(' ' + random + ' ') != std::string::npos);
    }
    SECTION("one") {
        for_server.keys = at_server.log();
        CHECK(watched(version, for_client, for_server).both.complete());
        CHECK(at_server.labels() == labels);
    }
    SECTION("none") {
        CHECK(watched(version).both.complete());
        CHECK(::SSL_CTX_get_keylog_callback(tls::client_context(for_client).native_handle()) == nullptr);
        CHECK(::SSL_CTX_get_keylog_callback(tls::server_context(for_server).native_handle()) == nullptr);
    }
}

}  // namespace
