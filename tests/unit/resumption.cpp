// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Sessions that are resumed: where the client gets them from, what the server seals them with, and how long they are good.

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/session_cache.hpp>
#include <tls/split.hpp>
#include <tls/stream.hpp>
#include <tls/ticket_keys.hpp>

#include <support/refusal.hpp>
#include <support/resuming.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using std::chrono::system_clock;
using tests::new_session;
using tests::resumes;
using tests::resuming_client;
using tests::resuming_pair;
using tests::resuming_server;
using tls::errc;
using tls::protocol_version;
using tls::session;
using tls::session_cache;
using tls::ticket_key;
using tls::ticket_keys;

namespace {

protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

TEST_CASE("resumption: a context with a cache resumes by itself", "[resumption]") {
    const auto version = any_version();
    session_cache cache;
    auto options = resuming_client(version);
    options.sessions = cache;
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version));
    CHECK_FALSE(resuming_pair(client, server).resumed());
    CHECK(cache.size() == (version == protocol_version::tls1_3 ? 2 : 1));
    for (int i = 0; i != 5; ++i) {
        const resuming_pair again(client, server);
        CHECK(again.resumed());
        CHECK(cache.size() > 0);
        CHECK(again.client.version() == version);
    }
    // Another context of the same configuration shares it; one without the cache does not.
    CHECK(resuming_pair(tls::client_context(options), server).resumed());
    CHECK_FALSE(resuming_pair(tls::client_context(resuming_client(version)), server).resumed());
    cache.clear();
    CHECK_FALSE(resuming_pair(client, server).resumed());
    CHECK(tests::queue_is_empty());
}

TEST_CASE("resumption: a cached session belongs to a name and a port", "[resumption]") {
    const auto version = any_version();
    auto options = resuming_client(version);
    options.sessions = session_cache();
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version));
    CHECK_FALSE(resuming_pair(client, server, "localhost", {.port = 443}).resumed());
    CHECK(options.sessions->size() > 0);
    CHECK_FALSE(resuming_pair(client, server, "localhost").resumed());
    CHECK_FALSE(resuming_pair(client, server, "localhost", {.port = 444}).resumed());
    CHECK_FALSE(resuming_pair(client, server, "example.test", {.port = 443}).resumed());
    CHECK(resuming_pair(client, server, "LOCALHOST", {.port = 443}).resumed());
    // By address: no SNI is sent, and the session is good for that address.
    CHECK_FALSE(resuming_pair(client, server, "127.0.0.1", {.port = 443}).resumed());
    CHECK(resuming_pair(client, server, "127.0.0.1", {.port = 443}).resumed());
    CHECK_FALSE(resuming_pair(client, server, "::1", {.port = 443}).resumed());
}

TEST_CASE("resumption: in TLS 1.3 a session is used once, in TLS 1.2 again and again", "[resumption]") {
    const auto version = any_version();
    const bool tls1_3 = version == protocol_version::tls1_3;
    session_cache cache;
    auto options = resuming_client(version);
    options.sessions = cache;
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version, {.count = 1}));
    REQUIRE_FALSE(resuming_pair(client, server).resumed());
    REQUIRE(cache.size() == 1);
    CHECK(resuming_pair(client, server).resumed());
    CHECK(cache.size() == 1);
    // Two connections begin before either gets a new one.
    tls::engine begun(client, "localhost");
    CHECK(cache.size() == (tls1_3 ? 0 : 1));
    CHECK(resuming_pair(client, server).resumed() != tls1_3);
}

TEST_CASE("resumption: who has no cache sees each session, and gives it back", "[resumption]") {
    const auto version = any_version();
    std::vector<session> seen;
    auto options = resuming_client(version);
    options.keep_session = false;
    options.on_session = [&](const session& one) { seen.push_back(one); };
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version, {.count = 4}));
    const auto before = std::chrono::floor<std::chrono::seconds>(system_clock::now());
    const resuming_pair made(client, server, "LocalHost.");
    REQUIRE(made.complete());
    CHECK_FALSE(made.client.session());  // keep_session is not set
    REQUIRE(seen.size() == (version == protocol_version::tls1_3 ? 4 : 1));
    for (const session& one : std::vector(seen)) {
        CHECK(one.server_name() == "LocalHost");
        CHECK(one.version() == version);
        CHECK(one.established_at() >= before);
        CHECK_FALSE(one.early_data_capable());
        const auto copy = session::parse(one.serialize());
        CHECK(resumes(client, server, copy));
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("resumption: the latest session is kept where that is asked for", "[resumption]") {
    const auto version = any_version();
    auto options = resuming_client(version);
    options.keep_session = true;
    std::vector<session> seen;
    options.on_session = [&](const session& one) { seen.push_back(one); };
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version));
    {
        const tls::engine unborn(client, "localhost");
        CHECK_FALSE(unborn.session());
    }
    const resuming_pair made(client, server);
    REQUIRE(made.complete());
    REQUIRE_FALSE(seen.empty());
    REQUIRE(made.client.session());
    CHECK(made.client.session().native_handle() == seen.back().native_handle());
    CHECK_FALSE(made.server.session());
    // Written down and read, as by another process with other contexts of the same configuration.
    const auto bytes = made.client.session().serialize();
    options.on_session = nullptr;
    const tls::client_context other(options);
    const resuming_pair again(other, server, "localhost", {.resume = session::parse(bytes)});
    CHECK(again.resumed());
    CHECK(again.client.peer_certificate());
    // TLS 1.2 has no reason to give another one.
    CHECK(static_cast<bool>(again.client.session()) == (version == protocol_version::tls1_3));
}

TEST_CASE("resumption: what the peer has shown is known after it", "[resumption]") {
    const auto version = any_version();
    const auto& own = tests::test_pki().client;
    auto options = resuming_client(version);
    options.identity = tls::credential::from_pem(own.certificate_pem(), own.key_pem());
    options.keep_session = true;
    options.alpn = {"h2"};
    const tls::client_context client(options);
    auto for_server = resuming_server(version);
    for_server.authentication = tls::client_auth::required;
    for_server.trust = options.trust;
    for_server.alpn = {"h2"};
    const tls::server_context server(for_server);
    const resuming_pair full(client, server);
    REQUIRE_FALSE(full.resumed());
    const resuming_pair made(client, server, "localhost", {.resume = full.client.session()});
    REQUIRE(made.resumed());
    REQUIRE(made.client.peer_certificate());
    REQUIRE(made.server.peer_certificate());
    CHECK(made.client.peer_certificate()->sha256() == full.client.peer_certificate()->sha256());
    CHECK(made.server.peer_certificate()->sha256() == full.server.peer_certificate()->sha256());
    CHECK(made.server.peer_certificate()->common_name() == "Test Client");
    CHECK(made.client.peer_chain().size() == full.client.peer_chain().size());
    CHECK(made.server.peer_chain().size() == full.server.peer_chain().size());
    CHECK(made.client.verified_chain().size() == full.client.verified_chain().size());
    CHECK(made.server.verified_chain().size() == 2);
    CHECK(made.client.alpn() == "h2");
    CHECK(made.server.alpn() == "h2");
    CHECK(made.client.server_name() == "localhost");
    CHECK(made.server.server_name() == "localhost");
    CHECK(made.client.cipher());
    CHECK_FALSE(made.client.shared_ciphers().empty());
    CHECK_FALSE(made.server.shared_ciphers().empty());
}

TEST_CASE("resumption: servers that share ticket keys resume each other's sessions", "[resumption]") {
    const auto version = any_version();
    const ticket_keys shared;
    const ticket_keys written_down({ticket_key::from_bytes(shared.keys().front().bytes())});
    auto options = resuming_client(version);
    options.keep_session = true;
    const tls::client_context client(options);
    const tls::server_context first(resuming_server(version, {.keys = shared}));
    const tls::server_context second(resuming_server(version, {.keys = written_down}));
    const tls::server_context stranger(resuming_server(version, {.keys = ticket_keys()}));
    const tls::server_context alone(resuming_server(version));
    CHECK(resumes(client, first, new_session(client, first)));
    CHECK(resumes(client, second, new_session(client, first)));
    CHECK(resumes(client, first, new_session(client, second)));
    for (const auto* const other : {&stranger, &alone}) {
        CHECK_FALSE(resumes(client, *other, new_session(client, first)));
        CHECK_FALSE(resumes(client, first, new_session(client, *other)));
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("resumption: ticket keys are changed while a server serves", "[resumption]") {
    const auto version = any_version();
    ticket_keys keys;
    auto options = resuming_client(version);
    options.keep_session = true;
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version, {.keys = keys}));
    const session old = new_session(client, server);
    const resuming_pair unchanged(client, server, "localhost", {.resume = old});
    CHECK(unchanged.resumed());
    const auto first = keys.keys().front();
    keys.rotate(ticket_key::generate(), 1);
    // The older key still opens, and the ticket is renewed under the newer one.
    const resuming_pair renewed(client, server, "localhost", {.resume = old});
    CHECK(renewed.resumed());
    REQUIRE(renewed.client.session());
    keys.rotate(ticket_key::generate(), 1);
    CHECK_FALSE(resumes(client, server, old));
    CHECK(resumes(client, server, renewed.client.session()));
    // One that was dropped may come back.
    auto all = keys.keys();
    all.push_back(first);
    keys.set(all);
    CHECK(resumes(client, server, old));
}

TEST_CASE("resumption: ticket keys rotate in one thread while others serve and resume", "[resumption][threads]") {
    const auto version = any_version();
    constexpr int rounds = 12;
    ticket_keys keys;
    auto options = resuming_client(version);
    options.sessions = session_cache();
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version, {.keys = keys}));
    std::atomic<int> at_work = 2;
    std::atomic<int> complete = 0;
    std::atomic<int> taken_up = 0;
    const auto serve = [&](std::uint16_t port) {
        for (int i = 0; i != rounds; ++i) {
            const resuming_pair made(client, server, "localhost", {.port = port});
            complete += made.complete() ? 1 : 0;
            taken_up += made.server.session_reused() ? 1 : 0;
        }
        --at_work;
    };
    std::thread one(serve, std::uint16_t{1});
    std::thread other(serve, std::uint16_t{2});
    while (at_work != 0) {
        keys.rotate(ticket_key::generate(), 10'000);
        std::this_thread::yield();
    }
    one.join();
    other.join();
    CHECK(complete == 2 * rounds);
    CHECK(taken_up == 2 * (rounds - 1));
}

TEST_CASE("resumption: as many tickets as are asked for, and with none no resumption", "[resumption]") {
    const auto version = any_version();
    const std::size_t count = GENERATE(0u, 1u, 4u, 16u);
    int seen = 0;
    auto options = resuming_client(version);
    options.keep_session = true;
    options.on_session = [&](const session&) { ++seen; };
    const tls::client_context client(options);
    const ticket_keys keys;
    const tls::server_context server(resuming_server(version, {.keys = keys, .count = count}));
    const resuming_pair made(client, server);
    REQUIRE_FALSE(made.resumed());
    CHECK(seen == (version == protocol_version::tls1_3 ? static_cast<int>(count) : count != 0 ? 1 : 0));
    if (count != 0) return;
    CHECK_FALSE(made.client.session());
    // Not even a ticket that another server sealed with the same keys.
    const tls::server_context giver(resuming_server(version, {.keys = keys}));
    CHECK_FALSE(resumes(client, server, new_session(client, giver)));
}

TEST_CASE("resumption: what a server cannot promise for its tickets is refused", "[resumption]") {
    const auto check = [](std::errc expected, const tls::ticket_options& tickets) {
        tests::check_refused(make_error_code(expected).default_error_condition(), [&](auto&... ec) {
            if constexpr (sizeof...(ec) == 0) {
                return tls::server_context(resuming_server(protocol_version::tls1_3, tickets));
            } else {
                return tls::server_context::create(resuming_server(protocol_version::tls1_3, tickets), ec...);
            }
        });
    };
    check(std::errc::invalid_argument, {.lifetime = std::chrono::days(7) + 1s});
    check(std::errc::invalid_argument, {.lifetime = 0s});
    check(std::errc::invalid_argument, {.lifetime = -1s});
    check(std::errc::invalid_argument, {.lifetime = std::chrono::seconds::max()});
    check(std::errc::invalid_argument, {.count = 17});
    check(std::errc::invalid_argument, {.count = static_cast<std::size_t>(-1)});
    std::error_code ec;
    ticket_keys keys;
    const ticket_keys moved = std::move(keys);
    CHECK_FALSE(tls::server_context::create(resuming_server(protocol_version::tls1_3, {.keys = keys}),
                                            ec));  // NOLINT(bugprone-use-after-move)
    CHECK(ec == errc::not_open);
    for (const auto lifetime : {std::chrono::seconds(1s), std::chrono::seconds(std::chrono::days(7))}) {
        CHECK(tls::server_context(resuming_server(protocol_version::tls1_3, {.lifetime = lifetime})));
    }
}

// What the contexts under test believe the time to be, beyond the real one.
std::atomic<long> seconds_ahead = 0;
void set_clock(SSL_CTX* ctx) {
    ::SSL_CTX_set_current_time_cb(ctx, [](const SSL*, timeval* out) {
        *out = {};
        out->tv_sec = std::time(nullptr) + seconds_ahead;
    });
}

TEST_CASE("resumption: a ticket is good for as long as the server says", "[resumption]") {
    const auto version = any_version();
    auto options = resuming_client(version);
    options.keep_session = true;
    const tls::client_context client(options);
    constexpr auto lifetime = 600s;
    const tls::server_context server(resuming_server(version, {.lifetime = lifetime}));
    set_clock(client.native_handle());
    set_clock(server.native_handle());
    seconds_ahead = 0;
    const session one = new_session(client, server);
    if (version == protocol_version::tls1_3) CHECK(one.expires_at() - one.established_at() == lifetime);
    CHECK(one.expires_at() > system_clock::now() + lifetime - 60s);
    const auto after = [&](std::chrono::seconds time) {
        seconds_ahead = time.count();
        return resumes(client, server, one);
    };
    CHECK(after(lifetime - 60s));
    CHECK_FALSE(after(lifetime + 1s));
    seconds_ahead = 0;
}

// --- streams ---

using memory_stream = tests::session<>::stream_type;

// A server at the far end of a connection in memory, which says a word and ends.
struct far_server {
    explicit far_server(const tls::server_context& context) : stream(net.b().non_blocking_socket(), context) {
        net.a().pump([this] { work(); });
    }
    void work() {
        std::error_code ec;
        std::array<char, 100> some;
        if (!stream.version()) stream.handshake(ec);
        if (!stream.version() || ended) return;
        if (!spoke) spoke = stream.write("hello", ec) == 5;
        while (const std::size_t n = stream.read_some(some, ec)) received.append(some.data(), n);
        if (!ec) ended = !stream.shutdown(tls::shutdown_mode::write, ec).timed_out && !ec;
    }

    tests::memory_network net;
    memory_stream stream;
    std::string received;
    bool spoke = false;
    bool ended = false;
};

TEST_CASE("resumption: streams resume as engines do", "[resumption]") {
    const auto version = any_version();
    session_cache cache;
    auto options = resuming_client(version);
    options.sessions = cache;
    options.keep_session = true;
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version));
    session kept;
    for (int i = 0; i != 3; ++i) {
        far_server far(server);
        memory_stream near(far.net.a().socket(), client, "localhost", {.port = 7});
        std::array<char, 5> word;
        CHECK(near.read(word) == 5);
        CHECK(near.write("thanks") == 6);
        CHECK(near.session_reused() == (i != 0));
        CHECK(near.shutdown(tls::shutdown_mode::both).clean());
        CHECK(far.stream.session_reused() == (i != 0));
        CHECK(far.received == "thanks");
        if (near.session()) kept = near.session();
    }
    REQUIRE(kept);
    CHECK_FALSE(cache.take("localhost"));
    far_server far(server);
    std::error_code ec;
    auto near = memory_stream::create(far.net.a().socket(), client, "localhost", {.resume = kept, .port = 8}, ec);
    REQUIRE_FALSE(ec);
    near.handshake();
    CHECK(near.session_reused());
}

// BoringSSL drops them then (tls13_process_new_session_ticket).
TEST_CASE("resumption: sessions that come after close_notify went out are not kept", "[resumption]") {
    session_cache cache;
    auto options = resuming_client(protocol_version::tls1_3);
    options.sessions = cache;
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(protocol_version::tls1_3));
    far_server far(server);
    memory_stream near(far.net.a().socket(), client, "localhost");
    near.handshake();
    CHECK(near.shutdown(tls::shutdown_mode::write).close_notify_sent);
    std::array<char, 5> word;
    CHECK(near.read(word) == 5);
    CHECK(cache.size() == 0);
}

TEST_CASE("resumption: sessions that a reader comes upon after a split are kept", "[resumption]") {
    session_cache cache;
    int seen = 0;
    auto options = resuming_client(protocol_version::tls1_3);
    options.sessions = cache;
    options.keep_session = true;
    options.on_session = [&](const session& one) { seen += one.server_name() == "localhost" ? 1 : 0; };
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(protocol_version::tls1_3));
    far_server far(server);
    memory_stream near(far.net.a().socket(), client, "localhost", {.port = 9});
    near.handshake();
    CHECK(seen == 0);
    auto [reader, writer] = tls::split(std::move(near));
    std::array<char, 5> word;
    CHECK(reader.read(word) == 5);
    CHECK(seen == 2);
    CHECK(cache.take("localhost", 9));
    CHECK(writer.write("thanks") == 6);
    auto whole = tls::join(std::move(reader), std::move(writer));
    const session kept = whole.session();
    REQUIRE(kept);
    CHECK(whole.close().clean());
    far_server again(server);
    memory_stream once_more(again.net.a().socket(), client, "localhost", {.resume = kept});
    auto [other_reader, other_writer] = tls::split(std::move(once_more));
    CHECK(other_writer.write("hello") == 5);
    again.work();
    CHECK(again.stream.session_reused());
}

}  // namespace
