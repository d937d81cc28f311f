// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The rows of docs/python.md for ssl.SSLSocket: each counterpart does what Python's member does.

#include "ends.hpp"

#include <tls/certificate.hpp>
#include <tls/connect.hpp>
#include <tls/error.hpp>
#include <tls/session.hpp>
#include <tls/session_cache.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using python::a_client;
using python::a_server;
using python::authority;
using python::ends;
using python::identity_of;
using python::only;
using tls::protocol_version;
using tls::shutdown_mode;

const std::error_code none;

// A listening server that greets whoever comes.
struct greeter {
    tls::tcp_listener listener{"127.0.0.1", 0};
    std::future<tls::shutdown_result> served = std::async(std::launch::async, [this] {
        python::stream client(listener.accept(tests::patience()), tls::server_context(a_server()));
        client.expires_at(tests::patience());
        client.write("hello");
        return client.close();
    });
};

TEST_CASE("SSLSocket.accept") {
    greeter server;
    python::stream client(tls::tcp_socket::connect("127.0.0.1", server.listener.port()), tls::client_context(a_client()),
                          "localhost");
    client.expires_at(tests::patience());
    std::string heard(5, '\0');
    CHECK(client.read(heard) == 5);
    CHECK(heard == "hello");
    CHECK(client.close().clean());
    CHECK(server.served.get().clean());
}

TEST_CASE("SSLSocket.bind") {
    const tls::tcp_listener any("127.0.0.1", 0);
    CHECK(any.local_endpoint().address == "127.0.0.1");
    CHECK(any.port() != 0);
    std::error_code ec;
    CHECK_FALSE(tls::tcp_listener::create("127.0.0.1", any.port(), ec));
    CHECK(ec == std::errc::address_in_use);
}

TEST_CASE("SSLSocket.cipher") {
    ends two(only(protocol_version::tls1_3, a_client()), a_server());
    const auto cipher = two.client.cipher();
    REQUIRE(cipher);
    CHECK(cipher->name.starts_with("TLS_"));
    CHECK(cipher->protocol == "TLSv1.3");
    CHECK((cipher->bits == 128 || cipher->bits == 256));
    CHECK(two.server.cipher() == cipher);
    const python::stream before(tls::tcp_socket(), tls::client_context(a_client()), "localhost");
    CHECK_FALSE(before.cipher());
}

TEST_CASE("SSLSocket.close") {
    ends two;
    two.client.abort();  // what Python's close() does: no close_notify
    std::string some(10, '\0');
    std::error_code ec;
    CHECK(two.server.read_some(some, ec) == 0);
    CHECK(ec == tls::errc::truncated);
    CHECK(two.client.read_some(some, ec) == 0);
    CHECK(ec == tls::errc::not_open);
    ends more;
    auto closed = std::async(std::launch::async, [&] { return more.client.close(); });
    CHECK(more.server.read_some(some) == 0);  // and what close() does here
    CHECK(more.server.close().clean());
    CHECK(closed.get().clean());
}

TEST_CASE("SSLSocket.compression") {
    const ends two;
    REQUIRE(two.good());
    CHECK_FALSE(two.client.compression());
    CHECK_FALSE(two.server.compression());
}

TEST_CASE("SSLSocket.connect") {
    greeter server;
    auto client = tls::connect("127.0.0.1", server.listener.port(), tls::client_context(a_client()), tests::patience());
    CHECK(client.version());
    CHECK(client.server_name() == "127.0.0.1");
    client.close();
    server.served.wait();
}

TEST_CASE("SSLSocket.connect_ex") {
    tls::tcp_listener gone("127.0.0.1", 0);
    const auto port = gone.port();
    gone.close();
    std::error_code ec;
    CHECK_FALSE(tls::connect("127.0.0.1", port, tls::client_context(a_client()), ec));
    CHECK(ec == std::errc::connection_refused);
}

TEST_CASE("SSLSocket.detach") {
    ends two;
    const int number = two.client.next_layer().native_handle();
    tls::tcp_socket again(two.client.next_layer().release());
    CHECK(again.native_handle() == number);
    CHECK(two.client.next_layer().native_handle() == -1);
    CHECK(::fcntl(number, F_GETFD) >= 0);  // not closed
}

TEST_CASE("SSLSocket.do_handshake") {
    auto [a, b] = tests::tcp_pair();
    python::stream client(std::move(a), tls::client_context(a_client()), "localhost");
    python::stream server(std::move(b), tls::server_context(a_server()));
    CHECK_FALSE(client.version());
    const auto serving = std::async(std::launch::async, [&] { server.handshake(); });
    client.handshake();
    CHECK(client.version());
    client.handshake();  // again is harmless
}

TEST_CASE("SSLSocket.do_handshake_on_connect") {
    auto [a, b] = tests::tcp_pair();
    python::stream client(std::move(a), tls::client_context(a_client()), "localhost");
    python::stream server(std::move(b), tls::server_context(a_server()));
    const auto serving = std::async(std::launch::async, [&] { server.write("the first write runs it"); });
    std::string heard(100, '\0');
    heard.resize(client.read_some(heard));  // and so does the first read
    CHECK(heard == "the first write runs it");
}

TEST_CASE("SSLSocket.fileno") {
    ends two;
    CHECK(two.client.next_layer().native_handle() >= 0);
    two.client.abort();
    CHECK(two.client.next_layer().native_handle() == -1);
}

TEST_CASE("SSLSocket.get_channel_binding") {
    const ends old(only(protocol_version::tls1_2, a_client()), a_server());
    using enum tls::channel_binding_type;
    CHECK(old.client.channel_binding(tls_unique).size() == 12);
    CHECK(old.client.channel_binding(tls_unique) == old.server.channel_binding(tls_unique));
    // Python's means nothing in TLS 1.3 (RFC 8446 C.5), where there is another.
    const ends fresh(only(protocol_version::tls1_3, a_client()), a_server());
    std::error_code ec;
    CHECK(fresh.client.channel_binding(tls_unique, ec).empty());
    CHECK(ec == tls::errc::not_supported);
    CHECK(fresh.client.channel_binding(tls_exporter).size() == 32);
    CHECK(fresh.client.channel_binding(tls_exporter) == fresh.server.channel_binding(tls_exporter));
    const python::stream before(tls::tcp_socket(), tls::client_context(a_client()), "localhost");
    CHECK(before.channel_binding(tls_unique, ec).empty());
    CHECK(ec == tls::errc::not_established);
}

TEST_CASE("SSLSocket.get_inheritable") {
    ends two;  // one end by connect(), one by accept()
    for (const python::stream* const end : {&two.client, &two.server}) {
        CHECK((::fcntl(end->next_layer().native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    }
}

TEST_CASE("SSLSocket.get_unverified_chain") {
    const auto& pki = tests::test_pki();
    const auto middle = tests::make_authority("Middle CA", &pki.authority);
    const auto leaf = tests::make_leaf({"localhost"}, &middle);
    const auto beside = tests::make_authority("Nobody's CA");
    const auto identity = tls::credential::from_pem(leaf.certificate_pem() + middle.certificate_pem(), leaf.key_pem());
    const ends two(a_client(), {.identity = identity});
    CHECK(two.client.peer_chain() == identity.chain());
    const ends blind({.verification = tls::verify_mode::dangerously_none}, {.identity = identity});
    CHECK(blind.client.peer_chain() == identity.chain());
    CHECK(two.server.peer_chain().empty());  // the client sent none
}

TEST_CASE("SSLSocket.get_verified_chain") {
    const auto& pki = tests::test_pki();
    const auto middle = tests::make_authority("Middle CA", &pki.authority);
    const auto leaf = tests::make_leaf({"localhost"}, &middle);
    const auto identity = tls::credential::from_pem(leaf.certificate_pem() + middle.certificate_pem(), leaf.key_pem());
    auto whole = identity.chain();
    whole.push_back(tls::certificate::from_pem(pki.authority.certificate_pem()));
    const ends two(a_client(), {.identity = identity});
    CHECK(two.client.verified_chain() == whole);
    // Python gives what was sent where nothing was verified; here nothing is nothing.
    const ends blind({.verification = tls::verify_mode::dangerously_none}, {.identity = identity});
    CHECK(blind.client.verified_chain().empty());
    CHECK(two.server.verified_chain().empty());
}

TEST_CASE("SSLSocket.getblocking") {
    ends two;
    CHECK_FALSE(two.client.non_blocking());
    two.client.next_layer().non_blocking(true);
    CHECK(two.client.non_blocking());
}

TEST_CASE("SSLSocket.getpeercert") {
    const ends two;
    const auto leaf = two.client.peer_certificate();
    REQUIRE(leaf);
    CHECK(*leaf == tls::certificate::from_pem(tests::test_pki().server.certificate_pem()));
    CHECK(leaf->subject_attributes() == std::vector<tls::name_attribute>{{"commonName", "localhost"}});
    CHECK(leaf->issuer_attributes() == std::vector<tls::name_attribute>{{"commonName", "Test CA"}});
    CHECK(leaf->version() == 3);
    CHECK(leaf->dns_names() == std::vector<std::string>{"localhost", "example.test"});
    CHECK(leaf->not_before() < leaf->not_after());
    CHECK_FALSE(two.server.peer_certificate());  // None
    // Python hides what it has not verified; here the certificate is shown as it was sent.
    CHECK(ends({.verification = tls::verify_mode::dangerously_none}, a_server()).client.peer_certificate() == leaf);
}

TEST_CASE("SSLSocket.getpeername") {
    ends two;
    CHECK(two.client.next_layer().remote_endpoint() == two.server.next_layer().local_endpoint());
    two.client.abort();
    std::error_code ec;
    (void)two.client.next_layer().remote_endpoint(ec);
    CHECK(ec == tls::errc::not_open);
}

TEST_CASE("SSLSocket.getsockname") {
    const ends two;
    CHECK(two.client.next_layer().local_endpoint().address == "127.0.0.1");
    CHECK(two.client.next_layer().local_endpoint() == two.server.next_layer().remote_endpoint());
}

TEST_CASE("SSLSocket.getsockopt") {
    ends two;
    int on = 0;
    ::socklen_t size = sizeof on;
    REQUIRE(::getsockopt(two.client.next_layer().native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
    CHECK(on != 0);
}

TEST_CASE("SSLSocket.listen") {
    tls::tcp_listener listener("127.0.0.1", 0);
    const auto waiting = tls::tcp_socket::connect("127.0.0.1", listener.port());  // nobody has accepted it yet
    CHECK(waiting.is_open());
    std::error_code ec;
    CHECK(listener.accept(tests::patience(), ec));
    CHECK_FALSE(listener.accept(tests::past(), ec));
    CHECK(ec == std::errc::timed_out);
}

TEST_CASE("SSLSocket.pending") {
    ends two;
    CHECK_FALSE(two.client.input_buffered());
    two.server.write("two words");
    std::string some(3, '\0');
    CHECK(two.client.read(some) == 3);
    CHECK(two.client.input_buffered());  // pending() > 0
    some.resize(6);
    CHECK(two.client.read(some) == 6);
    CHECK_FALSE(two.client.input_buffered());
}

TEST_CASE("SSLSocket.read") {
    ends two;
    two.server.write("some");
    std::string some(1024, '\0');
    CHECK(two.client.read_some(some) == 4);  // what is there, not all that was asked for
    CHECK(two.client.read_some(std::span<std::byte>()) == 0);
}

TEST_CASE("SSLSocket.recv") {
    ends two;
    two.server.write("last words");
    two.server.shutdown(shutdown_mode::write);
    std::string some(1024, '\0');
    CHECK(two.client.read_some(some) == 10);
    CHECK(two.client.read_some(some) == 0);  // b'': close_notify
    CHECK(two.client.read_end() == tls::stream_end::close_notify);
}

TEST_CASE("SSLSocket.recv_into") {
    ends two;
    two.server.write("some");
    std::array<unsigned char, 16> buffer{};
    CHECK(two.client.read_some(std::span(buffer).subspan(2)) == 4);
    CHECK(buffer[1] == 0);
    CHECK(buffer[2] == 's');
    CHECK(buffer[6] == 0);
}

TEST_CASE("SSLSocket.selected_alpn_protocol") {
    auto client = a_client();
    auto server = a_server();
    client.alpn = {"h2", "http/1.1"};
    server.alpn = {"http/1.1"};
    const ends two(client, server);
    CHECK(two.client.alpn() == "http/1.1");
    CHECK(two.server.alpn() == "http/1.1");
    CHECK(ends().client.alpn().empty());  // None
}

TEST_CASE("SSLSocket.send") {
    ends two;
    CHECK(two.client.write_some("some") == 4);
    std::string some(10, '\0');
    CHECK(two.server.read_some(some) == 4);
    CHECK(two.client.write_some(std::string()) == 0);
    two.client.shutdown(shutdown_mode::write);
    std::error_code ec;
    CHECK(two.client.write_some("more", ec) == 0);
    CHECK(ec == tls::errc::write_shut_down);
}

TEST_CASE("SSLSocket.sendall") {
    ends two;
    const std::string all(3'000'000, 'x');
    auto sent = std::async(std::launch::async, [&] { return two.client.write(all); });
    std::string got(all.size(), '\0');
    CHECK(two.server.read(got) == all.size());
    CHECK(got == all);
    CHECK(sent.get() == all.size());
}

TEST_CASE("SSLSocket.sendmsg") {
    ends two;  // Python has NotImplementedError for it
    const std::string_view head = "head ", body = "body";
    const std::array pieces{std::as_bytes(std::span(head)), std::as_bytes(std::span(body))};
    CHECK(two.client.write(pieces) == 9);
    std::string got(9, '\0');
    CHECK(two.server.read(got) == 9);
    CHECK(got == "head body");
}

TEST_CASE("SSLSocket.server_hostname") {
    const ends two(a_client(), a_server(), "example.test");
    CHECK(two.client.server_name() == "example.test");
    CHECK(two.server.server_name() == "example.test");  // Python's servers do not know it
    const ends by_address(a_client(), a_server(), "127.0.0.1");
    CHECK(by_address.client.server_name() == "127.0.0.1");
    CHECK(by_address.server.server_name().empty());
}

TEST_CASE("SSLSocket.server_side") {
    ends two;
    REQUIRE(two.good());
    CHECK(::SSL_is_server(two.client.native_handle()) == 0);  // made with a client_context
    CHECK(::SSL_is_server(two.server.native_handle()) == 1);  // made with a server_context
}

TEST_CASE("SSLSocket.session") {
    for (const auto version : {protocol_version::tls1_2, protocol_version::tls1_3}) {
        auto options = only(version, a_client());
        options.keep_session = true;
        const tls::client_context client(options);
        const tls::server_context server(a_server());
        ends first(client, server);
        CHECK(ends::say(first.server, first.client) == "word");  // in TLS 1.3 a ticket comes with what is read
        const tls::session session = first.client.session();
        REQUIRE(session);
        CHECK(session.server_name() == "localhost");
        const ends second(client, server, "localhost", {.resume = session});
        CHECK(second.client.session_reused());
        CHECK(second.server.session_reused());
    }
}

TEST_CASE("SSLSocket.session_reused") {
    auto options = a_client();
    options.sessions = tls::session_cache();
    const tls::client_context client(options);
    const tls::server_context server(a_server());
    ends first(client, server);
    CHECK_FALSE(first.client.session_reused());
    CHECK_FALSE(first.server.session_reused());
    CHECK(ends::say(first.server, first.client) == "word");
    const ends second(client, server);
    CHECK(second.client.session_reused());
    CHECK(second.server.session_reused());
    CHECK(second.client.peer_certificate() == first.client.peer_certificate());
    const ends elsewhere(client, tls::server_context(a_server()));  // other ticket keys
    CHECK(elsewhere.good());
    CHECK_FALSE(elsewhere.client.session_reused());
}

TEST_CASE("SSLSocket.setblocking") {
    ends two;
    two.client.next_layer().non_blocking(true);
    std::string some(10, '\0');
    std::error_code ec;
    CHECK(two.client.read_some(some, ec) == 0);
    CHECK(ec == std::errc::operation_would_block);  // SSLWantReadError
    CHECK(two.client.wants() == tls::want::input);
    two.client.next_layer().non_blocking(false);
    CHECK(ends::say(two.server, two.client) == "word");
}

TEST_CASE("SSLSocket.setsockopt") {
    ends two;
    const int on = 1;
    REQUIRE(::setsockopt(two.client.next_layer().native_handle(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
    CHECK(ends::say(two.server, two.client) == "word");
}

TEST_CASE("SSLSocket.settimeout") {
    ends two;
    two.client.expires_after(1ms);
    std::string some(10, '\0');
    std::error_code ec;
    CHECK(two.client.read_some(some, ec) == 0);
    CHECK(ec == std::errc::timed_out);
    two.client.expires_never();
    CHECK(ends::say(two.server, two.client) == "word");  // nothing is lost
}

TEST_CASE("SSLSocket.shared_ciphers") {
    auto client = only(protocol_version::tls1_2, a_client());
    auto server = a_server();
    using enum tls::cipher_suite;
    client.cipher_list = {ecdhe_ecdsa_aes256_gcm_sha384, ecdhe_ecdsa_chacha20_poly1305, ecdhe_ecdsa_aes128_gcm_sha256};
    server.cipher_list = {ecdhe_ecdsa_aes128_gcm_sha256, ecdhe_ecdsa_aes256_gcm_sha384};
    const ends two(client, server);
    REQUIRE(two.good());
    std::vector<std::string_view> names;
    for (const auto& cipher : two.server.shared_ciphers()) names.push_back(cipher.name);
    CHECK(names == std::vector<std::string_view>{"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"});
    CHECK(python::stream(tls::tcp_socket(), tls::server_context(server)).shared_ciphers().empty());  // None
}

TEST_CASE("SSLSocket.shutdown") {
    // Python's sends no close_notify for any mode; this one does.
    ends two;
    std::string some(100, '\0');
    two.client.write("all of it");
    CHECK(two.client.shutdown(shutdown_mode::write).close_notify_sent);
    CHECK(two.server.read_some(some) == 9);
    CHECK(two.server.read_some(some) == 0);
    CHECK(ends::say(two.server, two.client) == "word");  // the other direction goes on
    two.client.shutdown(shutdown_mode::read);
    CHECK(two.client.read_some(some) == 0);
    ends more;
    auto end = std::async(std::launch::async, [&] { return more.client.shutdown(shutdown_mode::both); });
    CHECK(more.server.read_some(some) == 0);
    CHECK(more.server.close().clean());
    CHECK(end.get().clean());
}

TEST_CASE("SSLSocket.suppress_ragged_eofs") {
    ends two;
    CHECK(ends::say(two.server, two.client) == "word");
    two.server.next_layer().close();  // no close_notify: b'' in Python unless it is told otherwise
    std::string some(10, '\0');
    std::error_code ec;
    CHECK(two.client.read_some(some, ec) == 0);
    CHECK(ec == tls::errc::truncated);
}

TEST_CASE("SSLSocket.unwrap") {
    ends two;
    const tls::shutdown_options stay{.keep_transport_open = true};
    auto end = std::async(std::launch::async, [&] { return two.client.shutdown(shutdown_mode::both, stay); });
    CHECK(two.server.shutdown(shutdown_mode::both, stay).clean());
    CHECK(end.get().clean());
    auto client = std::move(two.client).release();
    auto server = std::move(two.server).release();
    CHECK(client.surplus.empty());
    client.socket.write_some("plain text");
    CHECK(tests::read_text(server.socket) == "plain text");
}

TEST_CASE("SSLSocket.version") {
    const ends old(only(protocol_version::tls1_2, a_client()), a_server());
    CHECK(to_string(old.client.version().value()) == "TLSv1.2");
    const ends fresh(a_client(), a_server());
    CHECK(to_string(fresh.client.version().value()) == "TLSv1.3");
    CHECK_FALSE(python::stream(tls::tcp_socket(), tls::client_context(a_client()), "localhost").version());  // None
}

TEST_CASE("SSLSocket.write") {
    ends two;
    CHECK(two.client.write_some(std::vector<unsigned char>{1, 2, 3}) == 3);
    std::vector<unsigned char> got(3);
    CHECK(two.server.read(got) == 3);
    CHECK(got == std::vector<unsigned char>{1, 2, 3});
}

}  // namespace
