// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What is agreed on with a connection beyond its data: exported secrets, channel bindings, new keys.

#include <tls/detail/connection.hpp>

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/stream.hpp>
#include <tls/trust.hpp>

#include <support/engines.hpp>
#include <support/refusal.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using secret_bytes = std::vector<std::byte>;
using tls::channel_binding_type;
using tls::const_bytes;
using tls::errc;
using tls::protocol_version;
using tls::want;

namespace {

using memory_stream = tests::session<>::stream_type;

const std::error_code none;

protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

tests::engine_handshake connected(protocol_version version) { return {tests::client_of(version), tests::server_of(version)}; }

const_bytes text(const std::string& of) { return of; }

// What a side exports.
secret_bytes exported(const tls::engine& side, std::string_view label, std::optional<const_bytes> context, std::size_t length) {
    std::error_code ec = errc::not_open;
    secret_bytes secret = side.export_keying_material(label, context, length, ec);
    CHECK(ec == none);
    CHECK(secret.size() == length);
    CHECK(secret == side.export_keying_material(label, context, length));
    return secret;
}

TEST_CASE("export_keying_material: both sides have the same, and nothing else has it") {
    const auto version = any_version();
    const auto both = connected(version);
    const auto other = connected(version);
    const std::string some = "context", empty;
    const auto secret = exported(both.client, "EXPERIMENTAL test", text(some), 32);
    CHECK(secret == exported(both.server, "EXPERIMENTAL test", text(some), 32));
    CHECK(secret != exported(other.client, "EXPERIMENTAL test", text(some), 32));
    CHECK(secret != exported(both.client, "EXPERIMENTAL tesT", text(some), 32));
    CHECK(secret != exported(both.client, "EXPERIMENTAL test", std::nullopt, 32));
    const auto without = exported(both.client, "EXPERIMENTAL test", std::nullopt, 32);
    const auto with_none = exported(both.client, "EXPERIMENTAL test", text(empty), 32);
    CHECK(without == exported(both.server, "EXPERIMENTAL test", std::nullopt, 32));
    CHECK(with_none == exported(both.server, "EXPERIMENTAL test", text(empty), 32));
    // RFC 5705 4 tells an empty context from none, RFC 8446 7.5 does not.
    CHECK((without == with_none) == (version == protocol_version::tls1_3));
    CHECK(exported(both.client, "EXPERIMENTAL test", text(some), 1).size() == 1);
    CHECK(exported(both.client, "EXPERIMENTAL test", text(some), 1000) ==
          exported(both.server, "EXPERIMENTAL test", text(some), 1000));
    CHECK(tests::queue_is_empty());
}

TEST_CASE("export_keying_material: errors") {
    const auto version = any_version();
    const auto both = connected(version);
    const auto refuse = [](std::error_condition why, const auto& side, std::string_view label, std::size_t length) {
        tests::check_refused(
            why, [&](auto&... ec) { return !side.export_keying_material(label, std::nullopt, length, ec...).empty(); });
    };
    const auto not_established = make_error_code(errc::not_established).default_error_condition();
    const auto invalid = std::make_error_condition(std::errc::invalid_argument);
    refuse(not_established, tls::engine(tests::client_of(version), "localhost"), "label", 32);
    refuse(not_established, tls::engine(tests::server_of(version)), "label", 32);
    refuse(not_established, memory_stream(), "label", 32);
    refuse(invalid, both.client, "label", 0);
    refuse(invalid, both.client, "label", 65536);
    refuse(invalid, both.client, "", 32);
    // HKDF gives at most 255 digests (RFC 5869 2.3).
    std::error_code ec;
    if (version == protocol_version::tls1_3) {
        CHECK(both.client.export_keying_material("label", std::nullopt, 65535, ec).empty());
        CHECK(ec);
    } else {
        CHECK(both.client.export_keying_material("label", std::nullopt, 65535, ec).size() == 65535);
    }
    CHECK(tests::queue_is_empty());
}

// RFC 9266.
TEST_CASE("channel_binding: tls_exporter is the same on both sides, and one connection's only") {
    const auto version = any_version();
    const auto both = connected(version);
    const std::string empty;
    const auto binding = both.client.channel_binding(channel_binding_type::tls_exporter);
    CHECK(binding.size() == 32);
    CHECK(binding == both.server.channel_binding(channel_binding_type::tls_exporter));
    CHECK(binding == exported(both.client, "EXPORTER-Channel-Binding", text(empty), 32));
    CHECK(binding != connected(version).client.channel_binding(channel_binding_type::tls_exporter));
}

// RFC 5929 3.
TEST_CASE("channel_binding: tls_unique is for TLS 1.2 alone") {
    const auto older = connected(protocol_version::tls1_2);
    const auto binding = older.client.channel_binding(channel_binding_type::tls_unique);
    CHECK(binding.size() == 12);
    CHECK(binding == older.server.channel_binding(channel_binding_type::tls_unique));
    CHECK(binding != connected(protocol_version::tls1_2).client.channel_binding(channel_binding_type::tls_unique));
    const auto newer = connected(protocol_version::tls1_3);
    tests::check_refused(errc::not_supported, [&](auto&... ec) {
        return !newer.client.channel_binding(channel_binding_type::tls_unique, ec...).empty();
    });
    for (const auto type : {channel_binding_type::tls_exporter, channel_binding_type::tls_unique}) {
        tests::check_refused(errc::not_established, [&](auto&... ec) {
            return !tls::engine(tests::client_of(protocol_version::tls1_3), "localhost").channel_binding(type, ec...).empty();
        });
    }
}

// How many KeyUpdates each side sent and received.
struct key_updates {
    unsigned sent = 0;
    unsigned received = 0;

    tls::observer observer() {
        return [this](const tls::protocol_event& one) {
            if (one.name == "key_update") ++(one.sent ? sent : received);
        };
    }
};

TEST_CASE("update_keys: it goes out at once, the peer answers if asked, and data goes on both ways") {
    const bool ask = GENERATE(false, true);
    key_updates at_client, at_server;
    const auto& pki = tests::test_pki();
    tests::engine_handshake both(
        tls::client_context(
            {.trust = tls::trust_store::from_pem(pki.authority.certificate_pem()), .observe = at_client.observer()}),
        tls::server_context({.identity = tls::credential::from_pem(pki.server.certificate_pem(), pki.server.key_pem()),
                             .observe = at_server.observer()}));
    REQUIRE(both.complete());
    const auto say = [](tls::engine& from, tls::engine& to, std::string_view what) {
        std::array<char, 20> some;
        CHECK(from.write(what).bytes == what.size());
        tests::carry(from, to);
        const auto step = to.read(some);
        CHECK(std::string_view(some.data(), step.bytes) == what);
    };
    const auto both_ways = [&] {
        say(both.client, both.server, "to the server");
        say(both.server, both.client, "to the client");
    };
    both_ways();
    for (unsigned round = 1; round != 4; ++round) {
        CAPTURE(round);
        CHECK(both.client.output().empty());
        CHECK(both.client.update_keys(ask).error == none);
        CHECK_FALSE(both.client.output().empty());
        both.go_on();
        CHECK(at_client.sent == round);
        CHECK(at_server.received == round);
        both_ways();
        CHECK(at_server.sent == (ask ? round : 0));
        CHECK(at_client.received == (ask ? round : 0));
    }
    // The other way round as well.
    CHECK(both.server.update_keys(false).error == none);
    both_ways();
    CHECK(at_client.received == (ask ? 4u : 1u));
    CHECK(tests::queue_is_empty());
}

TEST_CASE("update_keys: errors") {
    auto older = connected(protocol_version::tls1_2);
    CHECK(older.client.update_keys(true).error == errc::not_supported);
    CHECK(older.client.output().empty());
    CHECK(older.client.write("goes on").bytes == 7);
    auto newer = connected(protocol_version::tls1_3);
    CHECK(newer.client.close_notify().error == none);
    CHECK(newer.client.update_keys(true).error == errc::write_shut_down);
    CHECK(tls::engine(tests::client_of(protocol_version::tls1_3), "localhost").update_keys(true).wants == want::input);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("update_keys: of a stream, which runs the handshake if need be") {
    tests::session<> with({.on_close_notify = tests::reaction::fin, .handshake = false});
    with.stream.update_keys(true);
    REQUIRE(with.stream.version() == protocol_version::tls1_3);
    const auto sent = with.net.a().bytes_sent();
    with.stream.update_keys(false);
    CHECK(with.net.a().bytes_sent() > sent);
    CHECK(with.stream.pending_output() == 0);
    CHECK(with.stream.write("ping") == 4);
    with.peer.pump();
    CHECK(with.peer.received() == "ping");
    with.peer.send("pong");
    std::array<char, 4> some;
    CHECK(with.stream.read(some) == 4);
    CHECK(with.stream.close().clean());
    tests::check_refused(errc::not_open, [&](auto&... ec) { with.stream.update_keys(false, ec...); });
}

TEST_CASE("update_keys: of a TLS 1.2 stream") {
    tests::session<> with({.version = protocol_version::tls1_2});
    tests::check_refused(errc::not_supported, [&](auto&... ec) { with.stream.update_keys(true, ec...); });
    CHECK(with.stream.write("ping") == 4);
    with.peer.pump();
    CHECK(with.peer.received() == "ping");
}

}  // namespace
