// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The scripted peer itself, two of them talking to each other: it does what it is told, and tells what it saw.

#include <support/pki.hpp>
#include <support/raw_peer.hpp>
#include <support/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using tests::raw_peer;
using tests::raw_peer_options;
using tests::reaction;

raw_peer_options server_options(std::uint16_t version = TLS1_3_VERSION) {
    const auto& server = tests::test_pki().server;
    return {.certificate = server.certificate.get(), .key = server.key.get(), .min_version = version, .max_version = version};
}

struct talk {
    explicit talk(const raw_peer_options& for_server = server_options(), const raw_peer_options& for_client = {},
                  const tests::network_options& options = {})
        : net(options), client(net.a(), tls::role::client, for_client), server(net.b(), tls::role::server, for_server) {}

    // Lets both go on until neither can.
    void run() {
        while (client.pump() || server.pump()) {
        }
        CHECK(::ERR_peek_error() == 0);
    }
    tests::memory_network net;
    raw_peer client;
    raw_peer server;
};

}  // namespace

TEST_CASE("raw peer: a session with data and close_notify both ways", "[raw_peer]") {
    const std::uint16_t version = GENERATE(std::uint16_t{TLS1_2_VERSION}, std::uint16_t{TLS1_3_VERSION});
    CAPTURE(version);
    talk t(server_options(version));
    CHECK_FALSE(t.client.handshake_complete());
    t.run();
    REQUIRE(t.client.handshake_complete());
    REQUIRE(t.server.handshake_complete());
    CHECK(::SSL_version(t.client.native_handle()) == version);

    const auto since = t.net.a().bytes_sent();
    t.client.send("hello");
    t.client.send(std::string(40'000, 'x'));
    t.client.close_notify();
    t.client.fin();
    t.server.send("back again");
    t.run();
    CHECK(t.server.account() == "handshake, data 40005, close_notify, eof");
    CHECK(t.server.close_notify_received());
    CHECK(t.server.alerts() == std::vector<int>{0});
    CHECK(t.server.received().substr(0, 6) == "hellox");
    CHECK(t.client.account() == "handshake, data 10");
    CHECK_FALSE(t.client.close_notify_received());
    CHECK(t.net.a().wire_text(since) == "data*4, alert, FIN");

    t.server.close_notify();
    t.server.close();
    t.run();
    CHECK(t.client.account() == "handshake, data 10, close_notify, eof");
    CHECK(t.net.b().closed());
    CHECK(t.client.idle());
}

TEST_CASE("raw peer: reactions to close_notify", "[raw_peer]") {
    const auto after = [](reaction wanted) {
        auto options = server_options();
        options.on_close_notify = wanted;
        talk t(options);
        t.run();
        t.server.send("last words");
        t.client.close_notify();
        t.run();
        return t.client.account() + (t.net.b().closed() ? ", closed" : "");
    };
    CHECK(after(reaction::none) == "handshake, data 10");
    CHECK(after(reaction::close_notify) == "handshake, data 10, close_notify");
    CHECK(after(reaction::fin) == "handshake, data 10, close_notify, eof");
    CHECK(after(reaction::close) == "handshake, data 10, close_notify, eof, closed");
}

TEST_CASE("raw peer: a fatal alert", "[raw_peer]") {
    const std::uint16_t version = GENERATE(std::uint16_t{TLS1_2_VERSION}, std::uint16_t{TLS1_3_VERSION});
    talk t(server_options(version));
    t.run();
    t.server.send("before");
    t.server.fatal_alert(SSL_AD_INTERNAL_ERROR);
    t.server.fin();
    t.run();
    CHECK(t.client.account().starts_with("handshake, data 6, alert 80, error "));
    CHECK(t.client.account().ends_with(", eof"));
    CHECK(t.client.alerts() == std::vector<int>{80});
    CHECK_FALSE(t.client.close_notify_received());
}

TEST_CASE("raw peer: ends that are not clean", "[raw_peer]") {
    talk t;
    t.run();
    t.server.send("data");
    SECTION("FIN without close_notify") {
        t.server.fin();
        t.run();
        CHECK(t.client.account() == "handshake, data 4, eof");
    }
    SECTION("reset") {
        t.server.reset();
        t.run();
        CHECK(t.client.account() == "handshake, data 4, reset");
        t.client.send("x");
        t.run();
        CHECK(t.client.account() == "handshake, data 4, reset, error Broken pipe");
    }
    SECTION("a reset that loses what was on its way") {
        t.server.reset(true);
        t.run();
        CHECK(t.client.account() == "handshake, reset");
    }
    SECTION("close_notify, then reset") {
        t.server.close_notify();
        t.server.reset();
        t.run();
        CHECK(t.client.account() == "handshake, data 4, close_notify, reset");
    }
    SECTION("bytes that are no record, which the other side answers with an alert") {
        t.server.raw("GET / HTTP/1.0\r\n\r\n");
        t.run();
        CHECK(t.client.account().starts_with("handshake, data 4, error "));
        CHECK(t.server.alerts().size() == 1);
    }
    SECTION("bytes after close_notify are not looked at") {
        t.server.close_notify();
        t.server.raw("nonsense");
        t.server.fin();
        t.run();
        CHECK(t.client.account() == "handshake, data 4, close_notify, eof");
    }
    CHECK((t.client.received() == "data" || t.client.received().empty()));
}

TEST_CASE("raw peer: before the handshake only the transport can act", "[raw_peer]") {
    tests::memory_network net;
    raw_peer client(net.a(), tls::role::client, {});
    auto far = net.b().socket();
    client.send("waits for ever");
    client.pump();
    CHECK(net.a().wire_text() == "handshake");
    std::error_code ec;
    far.shutdown(tls::shutdown_mode::write, ec);
    client.pump();
    CHECK(client.account() == "eof");
    CHECK_FALSE(client.idle());
    CHECK_FALSE(client.pump());

    tests::memory_network other;
    raw_peer silent(other.a(), tls::role::server, server_options());
    silent.raw("SSH-2.0-x\r\n");
    silent.fin();
    silent.pump();
    CHECK(other.b().unread() == 11);
    CHECK(other.a().wire_text() == "other, FIN");
}

TEST_CASE("raw peer: as the pump of an end that blocks", "[raw_peer]") {
    tests::memory_network net;
    raw_peer server(net.b(), tls::role::server, server_options());
    net.a().pump([&] { server.pump(); });
    auto socket = net.a().socket();
    std::error_code ec;
    const std::string_view banner = "SSH-2.0-x\r\n";
    socket.write_some(std::as_bytes(std::span(banner)), ec);
    tests::bytes answer(100);
    answer.resize(socket.read_some(std::span<std::byte>(answer), ec));
    CHECK_FALSE(ec);
    REQUIRE(tests::records(answer).size() == 1);
    CHECK(tests::is_alert_sized(tests::records(answer)[0]));
    CHECK(server.account() == "error WRONG_VERSION_NUMBER");
    server.fin();
    CHECK(socket.read_some(std::span<std::byte>(answer), ec) == 0);
    CHECK_FALSE(ec);
}

TEST_CASE("raw peer: KeyUpdate", "[raw_peer]") {
    talk t;
    t.run();
    t.server.send("to get the tickets out");
    t.run();
    const auto since = t.net.b().bytes_sent();
    const auto from_client = t.net.a().bytes_sent();
    t.server.key_update(true);
    t.server.send("under new keys");
    t.client.send("the first, ");
    t.run();
    t.client.send("second");
    t.run();
    CHECK(t.client.account() == "handshake, data 36");
    CHECK(t.server.received() == "the first, second");
    // The message: 4 bytes of header, 1 of type, 1 of inner type, 16 of tag.
    const auto key_updates = [](const tests::bytes& wire, std::size_t offset) {
        const auto all = tests::records(wire);
        return std::count_if(all.begin(), all.end(), [&](const auto& r) { return r.offset >= offset && r.length == 22; });
    };
    CHECK(key_updates(t.net.b().sent(), since) == 1);
    CHECK(key_updates(t.net.a().sent(), from_client) == 1);
}

TEST_CASE("raw peer: certificates", "[raw_peer]") {
    const auto& pki = tests::test_pki();
    X509* const authority = pki.authority.certificate.get();
    SECTION("a client verifies") {
        talk t(server_options(), {.trust = authority, .server_name = "localhost"});
        t.run();
        CHECK(t.client.handshake_complete());
        CHECK(std::string(::SSL_get_servername(t.server.native_handle(), TLSEXT_NAMETYPE_host_name)) == "localhost");
    }
    SECTION("a client refuses, and the server gets the alert") {
        talk t(server_options(), {.trust = pki.client.certificate.get()});
        t.run();
        CHECK_FALSE(t.client.handshake_complete());
        CHECK(t.client.account() == "error CERTIFICATE_VERIFY_FAILED");
        CHECK(t.server.alerts() == std::vector<int>{SSL_AD_UNKNOWN_CA});
    }
    SECTION("a server asks, and takes what it gets") {
        auto options = server_options();
        options.request_certificate = true;
        talk with(options, {.certificate = pki.client.certificate.get(), .key = pki.client.key.get()});
        with.run();
        CHECK(with.server.handshake_complete());
        CHECK(bssl::UniquePtr<X509>(::SSL_get_peer_certificate(with.server.native_handle())) != nullptr);
        talk without(options);
        without.run();
        CHECK(without.server.handshake_complete());
    }
    SECTION("a server insists") {
        auto options = server_options();
        options.trust = authority;
        talk with(options, {.certificate = pki.client.certificate.get(), .key = pki.client.key.get()});
        with.run();
        CHECK(with.server.handshake_complete());
        talk without(options);
        without.run();
        CHECK_FALSE(without.server.handshake_complete());
        CHECK(without.client.alerts() == std::vector<int>{SSL_AD_CERTIFICATE_REQUIRED});
    }
    SECTION("a key that is another's is refused") {
        tests::memory_network net;
        CHECK_THROWS_AS(
            raw_peer(net.a(), tls::role::server, {.certificate = pki.server.certificate.get(), .key = pki.client.key.get()}),
            std::runtime_error);
    }
}

TEST_CASE("raw peer: a narrow and faulty transport changes nothing", "[raw_peer]") {
    talk t(server_options(), {}, {.capacity_a_to_b = 100, .capacity_b_to_a = 1});
    tests::faults script = tests::chunked(7);
    script.before_each_read = script.before_each_write = std::make_error_code(std::errc::interrupted);
    t.net.a().script(script);
    t.net.b().script(script);
    const std::string text(5'000, 'y');
    t.client.send(text);
    t.client.close_notify();
    t.client.fin();
    t.run();
    CHECK(t.server.received() == text);
    CHECK(t.server.account() == "handshake, data 5000, close_notify, eof");
}

TEST_CASE("raw peer: what lies on the error queue does no harm, and is gone", "[raw_peer]") {
    talk t;
    do {
        ::ERR_put_error(ERR_LIB_USER, 0, 1, __FILE__, __LINE__);
    } while (t.client.pump() || t.server.pump());
    CHECK(::ERR_peek_error() == 0);
    CHECK(t.client.account() == "handshake");
    CHECK(t.server.account() == "handshake");

    t.server.close_notify();
    t.run();
    ::ERR_put_error(ERR_LIB_USER, 0, 1, __FILE__, __LINE__);
    CHECK_FALSE(t.client.pump());
    CHECK(::ERR_peek_error() == 0);
}

TEST_CASE("raw peer: one that does not read", "[raw_peer]") {
    talk t(server_options(), {}, {.capacity_a_to_b = 3'000});
    t.run();
    t.server.reading(false);
    t.client.send(std::string(10'000, 'z'));
    t.run();
    CHECK(t.server.received().empty());
    CHECK(t.net.b().unread() == 3'000);
    CHECK_FALSE(t.client.idle());
    t.server.reading(true);
    t.run();
    CHECK(t.server.received().size() == 10'000);
}
