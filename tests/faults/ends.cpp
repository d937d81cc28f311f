// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F06 to F09: a transport that ends, is reset, or breaks, at every place where it can.

#include "session.hpp"

#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <tls/error.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/socket.h>

using namespace std::chrono_literals;
using tests::call_kind;
using tests::outcome;
using tls::stream_end;

namespace {

const std::error_code reset = {static_cast<int>(std::errc::connection_reset), std::system_category()};
const std::error_code broken_pipe = {static_cast<int>(std::errc::broken_pipe), std::system_category()};
const std::error_code bad_certificate{42, tls::alert_category()};

// The peer's plaintext up to the place where the transport went, and then how it went.
void expect_cut(trial::account& seen, std::size_t at, stream_end end, std::error_code why) {
    seen.expect(!seen.handshake, "the handshake was complete");
    seen.expect(seen.read == seen.plaintext_within(at), "what came whole is delivered, and no more");
    seen.expect(seen.read_ended && seen.read_error == why, "then reads say why");
    seen.expect(seen.read_end == end, "and so does read_end()");
    seen.expect(seen.closed.peer == end, "and the close");
}

// Gives the messages, and a fatal alert, from the peer; then nothing that is written arrives.
template <class Session>
void alert_behind(Session& s, std::string_view data) {
    if (!data.empty()) s.peer.send(data);
    s.peer.fatal_alert(42);
    s.peer.close();
    s.peer.pump();
}

}  // namespace

TEST_CASE("F06 end of input at every byte of the handshake", "[faults]") {
    trial::for_each_setting([](const trial::plan& what) {
        const auto runs = trial::at_every_index(
            what, [](trial::plan& with, std::size_t i) { with.script.input_ends_at = i; },
            [](trial::account& seen, std::size_t i) {
                if (i >= seen.handshake_size()) return false;
                seen.expect_no_session(tls::errc::handshake_truncated);
                seen.expect(seen.read_end == stream_end::truncated, "read_end() says truncated");
                return true;
            },
            0, trial::byte_step(what));
        CHECK(runs >= 20);
    });
}

TEST_CASE("F07 end of input at every byte after the handshake", "[faults]") {
    trial::for_each_setting([](trial::plan what) {
        for (const auto order : trial::orders) {
            what.ends = order;
            const auto clean = trial::run(what);
            const auto end = clean.peer_sent.size() + 3;  // signatures vary in length
            std::size_t after = 0;
            const auto runs = trial::at_every_index(
                what, [](trial::plan& with, std::size_t i) { with.script.input_ends_at = i; },
                [&](trial::account& seen, std::size_t i) {
                    if (i > end) return false;
                    if (i < seen.handshake_size()) return true;
                    ++after;
                    if (seen.peer_said_all && i >= seen.peer_sent.size()) {
                        seen.expect_all_well();
                        return true;
                    }
                    if (seen.planned.ends == trial::order::we_first && !seen.read_ended) {
                        // The end lay in what the close drained.
                        seen.expect(seen.read == clean.read, "everything is read");
                        seen.expect(seen.closed.peer == stream_end::truncated, "the close says truncated");
                    } else {
                        expect_cut(seen, i, stream_end::truncated, tls::errc::truncated);
                    }
                    seen.expect(seen.closed.close_notify_sent && !seen.close_error, "our side closes as ever");
                    seen.expect(seen.peer_received == clean.peer_received, "everything we wrote is received");
                    return true;
                },
                clean.handshake_size() - 3, order == trial::order::peer_first ? trial::byte_step(what) : 5);
            CHECK(runs > 0);
            CHECK(after >= 10);
        }
    });
}

TEST_CASE("F08 reset at every byte that arrives", "[faults]") {
    trial::for_each_setting([](const trial::plan& what) {
        const auto size = trial::run(what).peer_sent.size();
        trial::at_every_index(
            what, [](trial::plan& with, std::size_t i) { with.script.input_resets_at = i; },
            [&](trial::account& seen, std::size_t i) {
                if (i + 3 > size) return false;
                if (i < seen.handshake_size()) {
                    seen.expect_no_session(reset);
                    seen.expect(seen.read_end == stream_end::reset, "read_end() says reset");
                } else {
                    expect_cut(seen, i, stream_end::reset, reset);
                    seen.expect(seen.write_error == reset, "writes are refused with it");
                    seen.expect(!seen.closed.close_notify_sent, "no close_notify is claimed");
                }
                return true;
            },
            0, trial::byte_step(what));
    });
}

TEST_CASE("F08 reset at every read and at every write", "[faults]") {
    trial::for_each_setting([](trial::plan what) {
        for (const auto order : trial::orders) {
            what.ends = order;
            for (const auto kind : {call_kind::read, call_kind::write}) {
                const auto runs = trial::at_every_index(
                    what, [&](trial::plan& with, std::size_t i) { with.script = tests::at_call(kind, i, outcome::reset()); },
                    [&](trial::account& seen, std::size_t i) {
                        if (i >= (kind == call_kind::read ? seen.calls.reads : seen.calls.writes)) return false;
                        const auto found = seen.closed.peer;
                        if (seen.handshake) {
                            seen.expect_no_session(reset);
                        } else if (found == stream_end::close_notify) {
                            // It came when all was said and heard.
                            seen.expect(seen.read_ended ? !seen.read_error : seen.closed.peer == stream_end::close_notify,
                                        "a clean end stays");
                        } else {
                            seen.expect(seen.read == seen.plaintext_within(seen.arrived.size()),
                                        "what was decrypted is delivered");
                            seen.expect(found == stream_end::reset, "the close says reset");
                            seen.expect(!seen.read_ended || (seen.read_error == reset && seen.read_end == stream_end::reset),
                                        "reads say reset");
                            seen.expect(!seen.write_error || seen.write_error == reset, "writes say reset");
                        }
                        return true;
                    });
                CHECK(runs >= (kind == call_kind::read ? 6u : 2u));
            }
        }
    });
}

TEST_CASE("F08 a reset on TCP: what was decrypted is still delivered, then ECONNRESET", "[faults]") {
    for (const auto version : tests::versions) {
        auto [a, b] = tests::tcp_pair();
        std::thread other([&, under = std::move(b)]() mutable {
            std::error_code ec;
            tls::stream server(std::move(under), tests::server_of(version));
            server.write("ten bytes and more", ec);
            char go = 0;
            server.read_some(std::span(&go, 1), ec);
            const ::linger at_once{1, 0};
            ::setsockopt(server.next_layer().native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            server.abort();
        });
        tls::stream client(std::move(a), tests::client_of(version), "localhost");
        client.expires_at(tests::patience());
        std::array<char, 3> some;
        std::string got;
        got.append(some.data(), client.read(some));
        client.write("!");
        other.join();

        std::error_code ec;
        std::array<char, 100> rest;
        while (const std::size_t n = client.read_some(rest, ec)) got.append(rest.data(), n);
        CHECK(got == "ten bytes and more");
        CHECK(ec == reset);
        CHECK(client.read_end() == stream_end::reset);
        CHECK(client.read_some(rest, ec) == 0);
        CHECK(ec == reset);
        CHECK(client.write("more", ec) == 0);
        CHECK(ec == reset);
        CHECK_FALSE(client.close(ec).close_notify_sent);
        CHECK(tests::queue_is_empty());
    }
}

TEST_CASE("F09 EPIPE while the peer's fatal alert can be read: the alert is the reason, behind its plaintext", "[faults]") {
    using session = tests::session<>;
    struct way {
        const char* name;
        std::function<void(session&, std::error_code&)> call;
    };
    const std::string text(40'000, 'x');
    const std::array pieces{std::as_bytes(std::span("ab", 2)), std::as_bytes(std::span(text))};
    const std::array<way, 5> ways{{
        {"write_some", [](session& s, std::error_code& ec) { CHECK(s.stream.write_some("some", ec) == 0); }},
        {"write", [&](session& s, std::error_code& ec) { CHECK(s.stream.write(text, ec) == 0); }},
        {"gathered write", [&](session& s, std::error_code& ec) { CHECK(s.stream.write(pieces, ec) < 40'002); }},
        {"flush",
         [](session& s, std::error_code& ec) {
             auto script = tests::at_call(call_kind::write, s.net.a().calls().writes + 1, outcome::broken_pipe());
             script.room = 0;
             s.net.a().script(script);
             CHECK(s.stream.write_some("some", ec) == 4);
             s.net.a().script(tests::at_call(call_kind::write, tests::every_call, outcome::broken_pipe()));
             CHECK_FALSE(s.stream.flush(ec));
         }},
        {"flush by a read",
         [](session& s, std::error_code& ec) {
             s.net.a().script({.room = 0});
             CHECK(s.stream.write_some("some", ec) == 4);
             s.net.a().script(tests::at_call(call_kind::write, tests::every_call, outcome::broken_pipe()));
             std::array<char, 1> one;
             s.stream.read_some(one, ec);
             CHECK_FALSE(ec);
             s.stream.write_some("some", ec);
         }},
    }};
    for (const auto version : tests::versions) {
        for (const auto role : trial::roles) {
            for (const auto& way : ways) {
                INFO(way.name);
                session s({.version = version, .role = role, .non_blocking = true});
                alert_behind(s, "before it");
                s.net.a().script(tests::at_call(call_kind::write, tests::every_call, outcome::broken_pipe()));
                std::error_code ec;
                way.call(s, ec);
                CHECK(ec == bad_certificate);
                CHECK(tests::queue_is_empty());

                std::string got = s.read_all(ec);
                CHECK(got == std::string("before it").substr(9 - got.size()));
                CHECK(got.size() >= 8);  // one was read on the way
                CHECK(ec == bad_certificate);
                CHECK(s.stream.read_end() == stream_end::failed);
                const auto calls = s.net.a().calls().writes;
                for (int twice = 0; twice < 2; ++twice) {
                    CHECK(s.stream.write("more", ec) == 0);
                    CHECK(ec == bad_certificate);
                }
                const auto result = s.stream.close(ec);
                CHECK(result.peer == stream_end::failed);
                CHECK_FALSE(result.close_notify_sent);
                CHECK(s.net.a().calls().writes == calls);
            }
        }
    }
}

TEST_CASE("F09 EPIPE in a close finds the peer's alert", "[faults]") {
    for (const auto version : tests::versions) {
        for (const auto mode : {tls::shutdown_mode::write, tls::shutdown_mode::both}) {
            tests::session s({.version = version});
            alert_behind(s, "before it");
            s.net.a().script(tests::at_call(call_kind::write, tests::every_call, outcome::broken_pipe()));
            std::error_code ec;
            const auto result = s.stream.shutdown(mode, {.drain_limit = 0}, ec);
            CHECK_FALSE(result.close_notify_sent);
            CHECK(result.peer == stream_end::failed);
            CHECK(ec == bad_certificate);
            CHECK(s.read_all(ec) == "before it");
            CHECK(ec == bad_certificate);
        }
    }
}

TEST_CASE("F09 EPIPE without an alert is EPIPE at every write, although the peer is silent and stays", "[faults]") {
    trial::for_each_setting([](trial::plan what) {
        if (what.socket == trial::socket_kind::plain) return;  // it would wait for what the peer might have said
        for (const auto order : trial::orders) {
            // Nothing would ever end the reading.
            if (order == trial::order::half_close && what.socket == trial::socket_kind::non_blocking) continue;
            what.ends = order;
            const auto runs = trial::at_every_index(
                what,
                [](trial::plan& with, std::size_t i) {
                    with.script = tests::at_call(call_kind::write, i, outcome::broken_pipe());
                },
                [&](trial::account& seen, std::size_t i) {
                    if (i >= seen.calls.writes) return false;
                    seen.expect(seen.waited == 0s, "nothing is waited for");
                    if (seen.handshake) {
                        seen.expect_no_session(broken_pipe);
                        return true;
                    }
                    seen.expect(seen.read == seen.plaintext_within(seen.arrived.size()), "reading goes on");
                    seen.expect(!seen.write_error || seen.write_error == broken_pipe, "writes say EPIPE");
                    seen.expect(!seen.closed.close_notify_sent, "no close_notify is claimed");
                    seen.expect(seen.peer_received.size() == seen.accepted || seen.close_error == broken_pipe,
                                "what was accepted and is lost is told");
                    return true;
                });
            CHECK(runs >= 4);
        }
    });
}

TEST_CASE("F09 EPIPE on a real socket whose peer takes nothing more, is silent, and stays", "[faults]") {
    for (const auto version : tests::versions) {
        auto [a, b] = tests::unix_pair();
        std::promise<void> done;
        std::thread other([&, under = std::move(b), until = done.get_future()]() mutable {
            std::error_code ec;
            tls::stream server(std::move(under), tests::server_of(version));
            server.expires_at(tests::patience());
            server.handshake(ec);
            ::shutdown(server.next_layer().native_handle(), SHUT_RD);
            server.write("go", ec);
            until.wait();
        });
        tls::stream client(std::move(a), tests::client_of(version), "localhost");
        client.expires_at(tests::patience());
        std::array<char, 2> go;
        std::error_code ec;
        CHECK(client.read(go, ec) == 2);
        const auto start = tests::clock::now();
        client.expires_at(start + 10s);
        CHECK(client.write("text", ec) == 0);
        CHECK(ec == broken_pipe);
        CHECK(tests::clock::now() < start + 9s);  // it waits for nothing
        client.expires_at(tests::past());
        CHECK(client.read_some(go, ec) == 0);
        CHECK(ec == tests::timed_out);
        CHECK(client.read_end() == stream_end::open);
        client.abort();
        done.set_value();
        other.join();
    }
}

TEST_CASE("F09 a server that refuses the client's certificate and is gone: the client learns why", "[faults]") {
    // In TLS 1.3 the client is done before the server has looked at its certificate.
    tests::memory_network net;
    auto options = tests::peer_of(tls::protocol_version::tls1_3);
    options.trust = tests::test_pki().authority.certificate.get();
    tests::raw_peer peer(net.b(), tls::role::server, options);
    net.a().pump([&] { peer.pump(); });
    tls::stream stream(net.a().socket(), tests::client_of(tls::protocol_version::tls1_3), "localhost");
    std::error_code ec;
    stream.handshake(ec);
    REQUIRE_FALSE(ec);
    peer.pump();
    peer.close();
    peer.pump();
    REQUIRE(net.a().unread() > 0);
    net.a().script(tests::at_call(call_kind::write, tests::every_call, outcome::broken_pipe()));
    CHECK(stream.write("hello", ec) == 0);
    CHECK(ec == std::error_code(116, tls::alert_category()));
    std::array<char, 10> into;
    CHECK(stream.read_some(into, ec) == 0);
    CHECK(ec == std::error_code(116, tls::alert_category()));
}
