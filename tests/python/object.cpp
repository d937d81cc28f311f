// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The rows of docs/python.md for ssl.SSLObject and ssl.MemoryBIO: TLS without a socket.

#include "ends.hpp"

#include <tls/certificate.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/session.hpp>

#include <support/engines.hpp>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using python::a_client;
using python::a_server;
using python::identity_of;
using python::only;
using tests::carry;
using tls::protocol_version;
using tls::want;

const std::error_code none;

// Client and server after their handshake.
tests::engine_handshake connected(const tls::client_options& client = a_client(),
                                  const tls::server_options& server = a_server(), std::string_view name = "localhost") {
    return {tls::client_context(client), tls::server_context(server), name};
}

tls::engine fresh_client() { return {tls::client_context(a_client()), "localhost"}; }

TEST_CASE("SSLObject.cipher") {
    const auto two = connected();
    REQUIRE(two.client.cipher());
    CHECK(two.client.cipher()->protocol == "TLSv1.3");
    CHECK(two.client.cipher() == two.server.cipher());
    CHECK_FALSE(fresh_client().cipher());
}

TEST_CASE("SSLObject.compression") { CHECK_FALSE(connected().client.compression()); }

TEST_CASE("SSLObject.do_handshake") {
    tls::engine client = fresh_client();
    const auto first = client.handshake();
    CHECK(first.wants == want::input);  // SSLWantReadError
    CHECK_FALSE(first.error);
    CHECK_FALSE(client.output().empty());
    tls::engine server{tls::server_context(a_server())};
    while (carry(client, server) || carry(server, client)) {
        CHECK_FALSE(server.handshake().error);
        CHECK_FALSE(client.handshake().error);
    }
    CHECK(client.version());
    CHECK(server.version());
    CHECK(client.handshake().wants == want::nothing);  // again is harmless
}

TEST_CASE("SSLObject.get_channel_binding") {
    const auto two = connected(only(protocol_version::tls1_2, a_client()));
    using enum tls::channel_binding_type;
    CHECK(two.client.channel_binding(tls_unique).size() == 12);
    CHECK(two.client.channel_binding(tls_unique) == two.server.channel_binding(tls_unique));
}

TEST_CASE("SSLObject.get_unverified_chain") {
    auto server = a_server();
    const auto two = connected(a_client(), server);
    CHECK(two.client.peer_chain() == server.identity.chain());
}

TEST_CASE("SSLObject.get_verified_chain") {
    auto server = a_server();
    auto whole = server.identity.chain();
    whole.push_back(tls::certificate::from_pem(tests::test_pki().authority.certificate_pem()));
    CHECK(connected(a_client(), server).client.verified_chain() == whole);
}

TEST_CASE("SSLObject.getpeercert") {
    const auto two = connected();
    CHECK(two.client.peer_certificate() == a_server().identity.leaf());
    CHECK_FALSE(two.server.peer_certificate());
    CHECK_FALSE(fresh_client().peer_certificate());
}

TEST_CASE("SSLObject.pending") {
    auto two = connected();
    std::string some(4, '\0');
    CHECK(two.client.read(some).wants == want::input);  // nothing is
    CHECK(two.server.write("two words").bytes == 9);
    carry(two.server, two.client);
    CHECK(two.client.read(some).bytes == 4);
    CHECK(two.client.read(some).bytes == 4);  // from what was there
    CHECK(two.client.read(some).bytes == 1);
    CHECK(two.client.read(some).wants == want::input);
}

TEST_CASE("SSLObject.read") {
    auto two = connected();
    two.server.write("some");
    carry(two.server, two.client);
    std::string some(100, '\0');
    CHECK(two.client.read(some).bytes == 4);
    two.server.close_notify();
    carry(two.server, two.client);
    const auto end = two.client.read(some);
    CHECK(end.bytes == 0);
    CHECK(end.wants == want::nothing);
    CHECK_FALSE(end.error);
}

TEST_CASE("SSLObject.selected_alpn_protocol") {
    auto client = a_client();
    auto server = a_server();
    client.alpn = {"h2", "http/1.1"};
    server.alpn = {"h2"};
    CHECK(connected(client, server).client.alpn() == "h2");
    CHECK(connected().client.alpn().empty());
}

TEST_CASE("SSLObject.server_hostname") {
    const auto two = connected(a_client(), a_server(), "example.test");
    CHECK(two.client.server_name() == "example.test");
    CHECK(two.server.server_name() == "example.test");
}

TEST_CASE("SSLObject.server_side") {
    auto two = connected();
    CHECK(::SSL_is_server(two.client.native_handle()) == 0);
    CHECK(::SSL_is_server(two.server.native_handle()) == 1);
}

TEST_CASE("SSLObject.session") {
    auto options = a_client();
    options.keep_session = true;
    const tls::client_context client(options);
    const tls::server_context server(a_server());
    tests::engine_handshake first(client, server);
    REQUIRE(first.server.write("x").bytes == 1);
    carry(first.server, first.client);
    std::string some(1, '\0');
    REQUIRE(first.client.read(some).bytes == 1);
    REQUIRE(first.client.session());
    tls::engine again(client, "localhost", {.resume = first.client.session()});
    tls::engine other(server);
    again.handshake();
    carry(again, other);
    other.handshake();
    carry(other, again);
    CHECK(again.handshake().wants == want::nothing);
    CHECK(again.session_reused());
}

TEST_CASE("SSLObject.session_reused") {
    auto options = a_client();
    options.sessions = tls::session_cache();
    const tls::client_context client(options);
    const tls::server_context server(a_server());
    tests::engine_handshake first(client, server);
    REQUIRE(first.complete());
    CHECK_FALSE(first.client.session_reused());
    first.server.write("x");
    carry(first.server, first.client);
    std::string some(1, '\0');
    first.client.read(some);
    const tests::engine_handshake second(client, server);
    CHECK(second.client.session_reused());
    CHECK(second.server.session_reused());
}

TEST_CASE("SSLObject.shared_ciphers") {
    const auto two = connected();
    const auto shared = two.server.shared_ciphers();
    REQUIRE(two.server.cipher());
    CHECK(std::find(shared.begin(), shared.end(), *two.server.cipher()) != shared.end());
    CHECK(fresh_client().shared_ciphers().empty());
}

TEST_CASE("SSLObject.unwrap") {
    auto two = connected();
    two.client.close_notify();
    carry(two.client, two.server);
    std::string some(1, '\0');
    CHECK(two.server.read(some).wants == want::nothing);
    CHECK(two.server.read_end() == tls::stream_end::close_notify);
    CHECK(two.client.read(some).wants == want::input);  // the answer is awaited
    two.server.close_notify();
    carry(two.server, two.client);
    two.client.read(some);
    CHECK(two.client.read_end() == tls::stream_end::close_notify);
    CHECK(two.client.surplus().empty());
}

TEST_CASE("SSLObject.version") {
    CHECK(connected().client.version() == protocol_version::tls1_3);
    CHECK(connected(only(protocol_version::tls1_2, a_client())).client.version() == protocol_version::tls1_2);
    CHECK_FALSE(fresh_client().version());
}

TEST_CASE("SSLObject.write") {
    auto two = connected();
    CHECK(two.client.write("some").bytes == 4);
    CHECK_FALSE(two.client.output().empty());
    carry(two.client, two.server);
    std::string some(100, '\0');
    CHECK(two.server.read(some).bytes == 4);
    two.client.close_notify();
    CHECK(two.client.write("more").error == tls::errc::write_shut_down);
}

TEST_CASE("MemoryBIO.eof") {
    auto two = connected();
    CHECK(two.client.read_end() == tls::stream_end::open);
    two.client.input_ended();
    std::string some(1, '\0');
    CHECK(two.client.read(some).error == tls::errc::truncated);  // SSLEOFError
    CHECK(two.client.read_end() == tls::stream_end::truncated);
}

TEST_CASE("MemoryBIO.pending") {
    tls::engine client = fresh_client();
    CHECK(client.output().size() == 0);
    client.handshake();
    const std::size_t hello = client.output().size();
    CHECK(hello > 100);
    client.output_sent(10);
    CHECK(client.output().size() == hello - 10);
}

TEST_CASE("MemoryBIO.read") {
    tls::engine client = fresh_client();
    client.handshake();
    std::vector<std::byte> hello(client.output().begin(), client.output().end());
    CHECK(hello[0] == std::byte{22});  // a handshake record
    client.output_sent(hello.size());
    CHECK(client.output().empty());
}

TEST_CASE("MemoryBIO.write") {
    tls::engine client = fresh_client();
    tls::engine server{tls::server_context(a_server())};
    client.handshake();
    CHECK(server.handshake().wants == want::input);
    // Byte by byte, as it pleases the caller.
    while (!client.output().empty()) {
        server.input_space()[0] = client.output()[0];
        server.input_received(1);
        client.output_sent(1);
        CHECK_FALSE(server.handshake().error);
    }
    CHECK_FALSE(server.output().empty());
}

TEST_CASE("MemoryBIO.write_eof") {
    auto two = connected();
    two.server.write("last words");
    carry(two.server, two.client);
    two.client.input_ended();
    std::string some(100, '\0');
    CHECK(two.client.read(some).bytes == 10);  // first what came before
    CHECK(two.client.read(some).error == tls::errc::truncated);
    tls::engine early = fresh_client();
    early.handshake();
    early.input_ended();
    CHECK(early.handshake().error == tls::errc::handshake_truncated);
}

}  // namespace
