// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F20 to F23: peers that speak something else, fatal alerts that come, and fatal alerts of our own that must arrive.

#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::timed_out;
using tls::stream_end;

namespace {

constexpr std::array<tls::role, 2> roles{tls::role::client, tls::role::server};

std::error_code alert(int number) { return {number, tls::alert_category()}; }

// A stream whose other end is a bare socket, for bytes that are not TLS.
struct lone {
    explicit lone(tls::role role, std::size_t chunk = tests::no_limit)
        : far(net.b().non_blocking_socket()), stream(make(role)) {
        net.a().script({.read_chunk = chunk});
        stream.expires_after(10s);
    }

    tls::stream<tests::memory_socket> make(tls::role role) {
        auto socket = net.a().socket();
        const auto version = tls::protocol_version::tls1_3;
        return role == tls::role::client ? tls::stream(std::move(socket), tests::client_of(version), "localhost")
                                         : tls::stream(std::move(socket), tests::server_of(version));
    }
    void send(std::string_view text) {
        std::error_code ec;
        far.write_some(std::as_bytes(std::span(text)), ec);
        if (ec) throw std::system_error(ec);
    }
    void fin() {
        std::error_code ec;
        far.shutdown(tls::shutdown_mode::write, ec);
    }

    tests::memory_network net;
    tests::memory_socket far;
    tls::stream<tests::memory_socket> stream;
};

// The handshake fails, the same again, nothing is known or given, and the close ends in time.
std::error_code fails(lone& with) {
    std::error_code first;
    with.stream.handshake(first);
    CHECK(first);
    CHECK(tests::queue_is_empty());
    std::array<char, 10> into;
    std::error_code ec;
    const auto sent = with.net.a().bytes_sent();
    CHECK(with.stream.read_some(into, ec) == 0);
    CHECK(ec == first);
    CHECK(with.stream.write("a secret", ec) == 0);
    CHECK(ec == first);
    CHECK(with.net.a().bytes_sent() == sent);
    CHECK_FALSE(with.stream.version());
    CHECK_FALSE(with.stream.peer_certificate());
    CHECK(with.stream.read_end() != stream_end::close_notify);
    const auto result = with.stream.close(ec);
    CHECK_FALSE(result.close_notify_sent);
    CHECK_FALSE(ec);
    CHECK(with.net.a().closed());
    CHECK(with.net.a().calls().io < 1000);
    CHECK(tests::queue_is_empty());
    return first;
}

// Alerts that a peer may send as fatal ones (RFC 8446 6.2), and one that nobody knows.
constexpr std::array alerts{10, 20, 21, 22, 40, 42,  43,  44,  45,  46,  47,  48,  49, 50,
                            51, 70, 71, 80, 86, 109, 110, 112, 113, 115, 116, 120, 200};

// After a fatal alert of the peer's: every answer is the alert, and nothing more is sent, by the library's own decision.
template <class Session>
void check_over(Session& s, int number) {
    const auto before = s.net.a().calls().writes;
    const std::array<std::span<const std::byte>, 1> pieces{std::as_bytes(std::span("more", 4))};
    std::array<char, 10> into;
    std::error_code ec;
    for (int twice = 0; twice < 2; ++twice) {
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == alert(number));
        CHECK(s.stream.write("more", ec) == 0);
        CHECK(ec == alert(number));
        CHECK(s.stream.write(pieces, ec) == 0);
        CHECK(ec == alert(number));
        CHECK(s.stream.read_end() == stream_end::failed);
        CHECK(tests::queue_is_empty());
    }
    const auto result = s.stream.close(ec);
    CHECK(result.peer == stream_end::failed);
    CHECK_FALSE(result.close_notify_sent);
    CHECK_FALSE(ec);
    CHECK(s.net.a().calls().writes == before);
    CHECK(s.net.a().closed());
}

// A record that no key opens.
std::string broken_record() { return std::string("\x17\x03\x03\x00\x28", 5) + std::string(40, '?'); }

bool openssl_is_there() { return std::system("openssl version >/dev/null 2>&1") == 0; }

// What a command prints; it runs when this is made, and is waited for by text().
class command {
public:
    explicit command(const std::string& line) : pipe_(::popen(line.c_str(), "r"), &::pclose) {
        if (!pipe_) throw std::runtime_error("popen");
    }
    std::string text() {
        std::string all;
        std::array<char, 4096> some;
        while (const std::size_t n = std::fread(some.data(), 1, some.size(), pipe_.get())) all.append(some.data(), n);
        return all;
    }

private:
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe_;
};

}  // namespace

TEST_CASE("F20 something else than TLS, to a server and to a client", "[faults]") {
    const std::array<std::string, 8> others{
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /form HTTP/1.1\r\n\r\n",
        "CONNECT localhost:443 HTTP/1.1\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "220 mail.example ESMTP ready\r\n",
        std::string(100, '\0'),
        std::string(100, '\xff'),
    };
    for (const auto role : roles) {
        for (const auto& text : others) {
            for (const std::size_t chunk : {std::size_t{1}, std::size_t{5}, tests::no_limit}) {
                INFO("text " << &text - others.data());
                lone with(role, chunk);
                with.send(text);  // and stays
                const auto why = fails(with);
                CHECK(why.category() == tls::ssl_category());
                if (ERR_GET_REASON(static_cast<std::uint32_t>(why.value())) == SSL_R_HTTP_REQUEST ||
                    ERR_GET_REASON(static_cast<std::uint32_t>(why.value())) == SSL_R_HTTPS_PROXY_REQUEST) {
                    // BoringSSL has nothing to say to a browser that forgot the s.
                    CHECK(with.net.a().bytes_sent() == 0);
                    continue;
                }
                const auto own = role == tls::role::client ? "handshake, " : "";
                CHECK(with.net.a().wire_text() == own + std::string("alert, FIN, close"));
            }
        }
    }
}

TEST_CASE("F20 random bytes end in an error, and never in waiting", "[faults]") {
    std::minstd_rand random(20);
    for (int i = 0; i < 600; ++i) {
        const auto role = roles[random() % 2];
        lone with(role);
        std::string text(1 + random() % 700, '\0');
        for (auto& c : text) c = static_cast<char>(random());
        // Half of them begin like a record of a handshake.
        if (i % 2 == 0) text.insert(0, std::string("\x16\x03\x01\x00\x80\x01", 6));
        with.send(text);
        const bool ends = random() % 2 == 0;
        if (ends) with.fin();
        const auto why = fails(with);
        CHECK((why.category() == tls::ssl_category() || why.category() == tls::alert_category() ||
               why == (ends ? make_error_code(tls::errc::handshake_truncated) : timed_out)));
    }
}

TEST_CASE("F20 SSH to a server on a real socket: the alert arrives, and then the end", "[faults]") {
    auto [a, b] = tests::tcp_pair();
    std::string got;
    std::error_code end;
    std::thread other([&, under = std::move(b)]() mutable {
        const std::string request = "SSH-2.0-OpenSSH_9.2p1\r\n" + std::string(100'000, 'x');  // much more than the server reads
        std::error_code ec;
        under.write_expires_at(tests::patience());
        under.read_expires_at(tests::patience());
        std::string_view rest = request;
        while (!rest.empty() && !ec) rest.remove_prefix(under.write_some(std::as_bytes(std::span(rest)), ec));
        std::array<std::byte, 100> some;
        while (const std::size_t n = under.read_some(some, end)) got.append(reinterpret_cast<const char*>(some.data()), n);
        under.close(ec);
    });
    tls::stream server(std::move(a), tests::server_of(tls::protocol_version::tls1_3));
    server.expires_at(tests::patience());
    std::error_code ec;
    server.handshake(ec);
    CHECK(ec.category() == tls::ssl_category());
    server.close(ec);
    CHECK_FALSE(ec);
    other.join();
    REQUIRE(got.size() == 7);
    CHECK(got[0] == '\x15');
    CHECK_FALSE(end);
}

TEST_CASE("F21 a fatal alert instead of a handshake", "[faults]") {
    for (const auto role : roles) {
        for (const int number : alerts) {
            lone with(role);
            with.send(std::string("\x15\x03\x03\x00\x02\x02", 6) + static_cast<char>(number));
            CHECK(fails(with) == alert(number));
            CHECK(with.net.a().wire_text() == (role == tls::role::client ? "handshake, FIN, close" : "FIN, close"));
        }
    }
}

TEST_CASE("F21 a fatal alert in the middle of a handshake", "[faults]") {
    for (const int number : alerts) {
        // In TLS 1.2 the server's flight is in the clear, and so may an alert behind it be.
        tests::session s({.version = tls::protocol_version::tls1_2, .non_blocking = true, .handshake = false});
        std::error_code ec;
        s.stream.handshake(ec);
        s.peer.pump();
        s.peer.reading(false);
        s.peer.raw(std::string("\x15\x03\x03\x00\x02\x02", 6) + static_cast<char>(number));
        s.peer.pump();
        s.stream.handshake(ec);
        CHECK(ec == alert(number));
        CHECK_FALSE(s.stream.version());
        check_over(s, number);
    }
}

TEST_CASE("F21 a fatal alert in each state after the handshake", "[faults]") {
    for (const auto version : tests::versions) {
        for (const auto role : roles) {
            for (const int number : alerts) {
                for (int state = 0; state < 7; ++state) {
                    INFO("alert " << number << ", state " << state);
                    tests::session s({.version = version, .role = role});
                    std::array<char, 10> into;
                    std::error_code ec;
                    switch (state) {
                        case 0:  // while nothing happens
                            s.peer.fatal_alert(number);
                            s.peer.pump();
                            CHECK(s.stream.read_some(into, ec) == 0);
                            CHECK(ec == alert(number));
                            break;
                        case 1:  // while a read waits
                            s.peer.fatal_alert(number);
                            CHECK(s.stream.read_some(into, ec) == 0);
                            CHECK(ec == alert(number));
                            break;
                        case 2:  // behind data, which comes first
                            s.peer.send("before it");
                            s.peer.fatal_alert(number);
                            CHECK(s.read_all(ec) == "before it");
                            CHECK(ec == alert(number));
                            break;
                        case 3:  // after we have written
                            CHECK(s.stream.write("something", ec) == 9);
                            s.peer.fatal_alert(number);
                            CHECK(s.stream.read_some(into, ec) == 0);
                            CHECK(ec == alert(number));
                            break;
                        case 4: {  // after shutdown(write): only reads can say it
                            s.stream.shutdown(tls::shutdown_mode::write, ec);
                            CHECK_FALSE(ec);
                            s.peer.fatal_alert(number);
                            CHECK(s.stream.read_some(into, ec) == 0);
                            CHECK(ec == alert(number));
                            CHECK(s.stream.write("more", ec) == 0);
                            CHECK(ec == tls::errc::write_shut_down);
                            const auto calls = s.net.a().calls().writes;
                            CHECK(s.stream.close(ec).peer == stream_end::failed);
                            CHECK_FALSE(ec);
                            CHECK(s.net.a().calls().writes == calls);
                            continue;
                        }
                        case 5: {  // while shutdown(both) waits: a result, and no error
                            s.peer.send("before it");
                            s.peer.fatal_alert(number);
                            const auto result = s.stream.shutdown(tls::shutdown_mode::both, ec);
                            CHECK_FALSE(ec);
                            CHECK(result.peer == stream_end::failed);
                            CHECK(result.close_notify_sent);
                            CHECK(result.discarded == 9);
                            CHECK_FALSE(result.clean());
                            CHECK(s.stream.read_some(into, ec) == 0);
                            CHECK(ec == alert(number));
                            continue;
                        }
                        default: {  // after shutdown(read): it is found by the close, and nothing is sent
                            s.stream.shutdown(tls::shutdown_mode::read, ec);
                            s.peer.fatal_alert(number);
                            s.peer.pump();
                            CHECK(s.stream.read_some(into, ec) == 0);
                            CHECK_FALSE(ec);
                            CHECK(s.stream.close(ec).peer == stream_end::failed);
                            continue;
                        }
                    }
                    check_over(s, number);
                }
            }
        }
    }
}

TEST_CASE("F21 close_notify that calls itself fatal is no clean end by an empty error", "[faults]") {
    for (const auto version : tests::versions) {
        tests::session s({.version = version});
        s.peer.fatal_alert(0);
        std::array<char, 10> into;
        std::error_code ec;
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK((s.stream.read_end() == stream_end::close_notify) == !ec);
        CHECK(s.stream.read_end() != stream_end::open);
    }
}

TEST_CASE("F22 an alert of our own that meets a full socket arrives before the end, at every byte of room", "[faults]") {
    for (const auto version : tests::versions) {
        for (const auto role : roles) {
            for (const bool data_before : {false, true}) {
                std::size_t whole = 200;
                for (std::size_t room = 0; room < whole; ++room) {
                    tests::session s({.version = version, .role = role});
                    s.net.a().script({.room = room});
                    std::error_code ec;
                    if (data_before) {
                        s.stream.expires_at(s.net.now());
                        CHECK(s.stream.write("said before", ec) == 11);
                        s.stream.expires_never();
                    }
                    s.peer.raw(broken_record());
                    s.peer.pump();
                    std::array<char, 10> into;
                    const auto start = s.net.now();
                    CHECK(s.stream.read_some(into, ec) == 0);
                    CHECK(ec.category() == tls::ssl_category());
                    CHECK(s.net.now() == start);  // an error waits for nothing
                    CHECK(s.net.a().bytes_sent() - s.since == std::min(room, s.net.a().bytes_sent() - s.since));

                    s.net.clock().call_after(2s, [&] { s.net.a().add_room(1000); });
                    const auto result = s.stream.close(ec);
                    CHECK_FALSE(ec);
                    CHECK_FALSE(result.close_notify_sent);
                    CHECK(result.transport_shut_down);
                    s.peer.pump();
                    CHECK(s.peer.alerts() == std::vector<int>{SSL_AD_BAD_RECORD_MAC});
                    CHECK(s.peer.received() == (data_before ? "said before" : ""));
                    CHECK(s.peer.account().ends_with("eof"));
                    whole = s.net.a().bytes_sent() - s.since;
                }
                CHECK(whole >= 7);
            }
        }
    }
}

TEST_CASE("F22 an alert of our own that the peer never takes: the close ends in its time", "[faults]") {
    for (const auto version : tests::versions) {
        tests::session s({.version = version});
        s.net.a().script({.room = 3});
        s.peer.raw(broken_record());
        s.peer.pump();
        std::array<char, 10> into;
        std::error_code ec;
        s.stream.read_some(into, ec);
        const auto start = s.net.now();
        const auto result = s.stream.close({.timeout = 3s}, ec);
        CHECK(ec == timed_out);
        CHECK(result.timed_out);
        CHECK(s.net.now() == start + 3s);
        CHECK(s.net.a().closed());
    }
}

TEST_CASE("F23 a handshake that fails here: the peer sees the alert and then the end, whatever it sends meanwhile",
          "[faults]") {
    struct refusal {
        const char* name;
        tls::role role;
        std::function<tls::stream<tests::memory_socket>(tests::memory_socket, tls::protocol_version)> make;
        std::function<void(tests::raw_peer_options&)> options;
        int alert_1_2;
        int alert_1_3;
    };
    const auto server_with = [](tls::protocol_version version, std::vector<std::string> alpn, tls::client_auth authentication) {
        const auto& own = tests::test_pki().server;
        return tls::server_context({.identity = tls::credential::from_pem(own.certificate_pem(), own.key_pem()),
                                    .authentication = authentication,
                                    .trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()),
                                    .alpn = std::move(alpn),
                                    .min_version = version,
                                    .max_version = version});
    };
    const auto stranger = tests::make_authority("Somebody else");
    const std::array<refusal, 5> refusals{{
        {"a server's certificate by an authority that is not trusted", tls::role::client,
         [&](tests::memory_socket socket, tls::protocol_version version) {
             const tls::client_context context({.trust = tls::trust_store::from_pem(stranger.certificate_pem()),
                                                .min_version = version,
                                                .max_version = version});
             return tls::stream(std::move(socket), context, "localhost");
         },
         [](tests::raw_peer_options&) {}, SSL_AD_UNKNOWN_CA, SSL_AD_UNKNOWN_CA},
        {"a server's certificate for another name", tls::role::client,
         [](tests::memory_socket socket, tls::protocol_version version) {
             return tls::stream(std::move(socket), tests::client_of(version), "other.test");
         },
         [](tests::raw_peer_options&) {}, SSL_AD_BAD_CERTIFICATE, SSL_AD_BAD_CERTIFICATE},
        {"a client without the certificate that it needs", tls::role::server,
         [&](tests::memory_socket socket, tls::protocol_version version) {
             return tls::stream(std::move(socket), server_with(version, {}, tls::client_auth::required));
         },
         [](tests::raw_peer_options& options) { options.certificate = nullptr; }, SSL_AD_HANDSHAKE_FAILURE,
         SSL_AD_CERTIFICATE_REQUIRED},
        {"a client that has no protocol in common", tls::role::server,
         [&](tests::memory_socket socket, tls::protocol_version version) {
             return tls::stream(std::move(socket), server_with(version, {"h2"}, tls::client_auth::none));
         },
         [](tests::raw_peer_options&) {}, SSL_AD_NO_APPLICATION_PROTOCOL, SSL_AD_NO_APPLICATION_PROTOCOL},
        {"a client of another version", tls::role::server,
         [&](tests::memory_socket socket, tls::protocol_version version) {
             return tls::stream(std::move(socket), server_with(version, {}, tls::client_auth::none));
         },
         [](tests::raw_peer_options& options) {
             const bool is_1_3 = options.min_version == TLS1_3_VERSION;
             options.min_version = options.max_version = is_1_3 ? TLS1_2_VERSION : TLS1_3_VERSION;
         },
         SSL_AD_PROTOCOL_VERSION, SSL_AD_PROTOCOL_VERSION},
    }};
    for (const auto version : tests::versions) {
        for (const auto& refusal : refusals) {
            for (const bool talkative : {false, true}) {
                INFO(refusal.name << (talkative ? ", and the peer talks on" : ""));
                tests::memory_network net;
                auto options = tests::peer_of(version);
                refusal.options(options);
                tests::raw_peer peer(net.b(), refusal.role == tls::role::client ? tls::role::server : tls::role::client,
                                     options);
                const std::array<std::uint8_t, 4> offer{3, 'f', 't', 'p'};
                ::SSL_set_alpn_protos(peer.native_handle(), offer.data(), offer.size());
                net.a().pump([&] { peer.pump(); });
                auto stream = refusal.make(net.a().socket(), version);
                std::error_code ec;
                stream.handshake(ec);
                CHECK(ec);
                CHECK((ec.category() == tls::ssl_category() || ec.category() == tls::verify_category()));
                CHECK(tests::queue_is_empty());
                CHECK(net.a().wire_text().ends_with("alert"));

                // It sends a lot before it reads; what is unread when the socket is closed would reset it, and erase the alert.
                if (talkative) peer.raw(std::string(100'000, '?'));
                net.clock().call_after(1s, [&] { peer.fin(), peer.pump(); });
                peer.reading(!talkative);
                peer.pump();
                peer.reading(true);
                const auto result = stream.close(ec);
                CHECK_FALSE(ec);
                CHECK_FALSE(result.close_notify_sent);
                CHECK(result.transport_shut_down);
                CHECK(net.a().closed());
                peer.pump();
                CHECK(peer.alerts() ==
                      std::vector<int>{version == tls::protocol_version::tls1_2 ? refusal.alert_1_2 : refusal.alert_1_3});
                CHECK(peer.account().ends_with("eof"));
            }
        }
    }
}

TEST_CASE("F23 OpenSSL sees the alert of a server that refuses it", "[faults]") {
    if (!openssl_is_there()) SKIP("no openssl");
    const auto& own = tests::test_pki().server;
    const tls::server_context context({.identity = tls::credential::from_pem(own.certificate_pem(), own.key_pem()),
                                       .authentication = tls::client_auth::required,
                                       .trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem())});
    for (const std::string version : {"-tls1_2", "-tls1_3"}) {
        tls::tcp_listener listener("127.0.0.1", 0);
        command client("openssl s_client -connect 127.0.0.1:" + std::to_string(listener.port()) + " " + version +
                       " -msg -ign_eof </dev/null 2>&1");
        {
            tls::stream server(listener.accept(tests::patience()), context);
            server.expires_at(tests::patience());
            std::error_code ec;
            server.handshake(ec);
            CHECK(ec.category() == tls::ssl_category());
            server.close(ec);
            CHECK_FALSE(ec);
        }
        const std::string text = client.text();
        INFO(text);
        // "<<< TLS 1.3, Alert [length 0002], fatal ...": < is what it received.
        const auto at = text.find("Alert [length 0002], fatal");
        REQUIRE(at != std::string::npos);
        CHECK(text.substr(text.rfind('\n', at) + 1, 3) == "<<<");
        CHECK(text.find("errno=104") == std::string::npos);
    }
}
