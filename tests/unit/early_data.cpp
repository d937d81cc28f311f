// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Early data (RFC 8446 8): what arrives, what is sent again, what is refused, and that it is never taken for anything else.

#include <tls/context.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/stream.hpp>
#include <tls/ticket_keys.hpp>

#include <support/resuming.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::carry;
using tls::engine;
using tls::errc;
using tls::progress;
using tls::session;
using tls::ticket_keys;
using tls::want;

namespace {

// What BoringSSL's servers take.
constexpr std::size_t server_limit = 14336;

const std::error_code none;

tls::client_options client_options() {
    auto options = tests::resuming_client();
    options.early_data = true;
    return options;
}
tls::server_options server_options(std::optional<ticket_keys> keys = std::nullopt) {
    auto options = tests::resuming_server(tls::protocol_version::tls1_3, {.keys = std::move(keys)});
    options.early_data = true;
    return options;
}
const tls::client_context& client_context() {
    static const tls::client_context made(client_options());
    return made;
}
const tls::server_context& server_context() {
    static const tls::server_context made(server_options());
    return made;
}

// Good for early data with that server.
session early_session(const tls::server_context& server = server_context(),
                      const tls::client_context& client = client_context()) {
    session made = tests::new_session(client, server);
    REQUIRE(made.early_data_capable());
    return made;
}

std::string pattern(std::size_t size) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i != size; ++i) text[i] = static_cast<char>('a' + i % 26);
    return text;
}

// All that read_early gives, up to its end, an error, or a wait.
std::string early_text(engine& from, progress& last) {
    std::string text;
    std::array<char, 777> some;
    while ((last = from.read_early(some)).bytes != 0) text.append(some.data(), last.bytes);
    return text;
}
std::string text_of(engine& from, progress& last) {
    std::string text;
    std::array<char, 777> some;
    while ((last = from.read(some)).bytes != 0) text.append(some.data(), last.bytes);
    return text;
}
// Writes all of it, or as much as is taken.
std::size_t write_early(engine& to, std::string_view text, std::error_code& ec) {
    std::size_t done = 0;
    while (done != text.size()) {
        const progress step = to.write_early(text.substr(done));
        ec = step.error;
        if (step.bytes == 0) break;
        done += step.bytes;
    }
    return done;
}

// Two engines, the client with early data in its first flight, which is still in its output.
struct early_pair {
    explicit early_pair(std::string_view text, const session& resumed, const tls::server_context& for_server = server_context(),
                        const tls::client_context& for_client = client_context())
        : client(for_client, "localhost", {.resume = resumed}), server(for_server) {
        std::error_code ec;
        written = write_early(client, text, ec);
        error = ec;
    }

    // Until nothing moves. The server is given its early data by read_early; what else it reads is `normal`.
    void go_on() {
        progress last;
        bool moved = true;
        while (moved) {
            moved = carry(client, server);
            early += early_text(server, last);
            server_error = last.error;
            if (!last.error && last.wants == want::nothing) {
                normal += text_of(server, last);
                server_error = last.error;
            }
            moved = carry(server, client) || moved;
            if (!client.version()) client_error = client.handshake().error;
            else back += text_of(client, last), client_error = last.error;
            moved = moved || !client.output().empty();
        }
    }

    engine client;
    engine server;
    std::size_t written = 0;
    std::error_code error{};
    std::string early{};
    std::string normal{};
    std::string back{};
    std::error_code client_error{};
    std::error_code server_error{};
};

TEST_CASE("early data: it goes out with the first flight, and arrives as what it is", "[early_data]") {
    const std::size_t size = GENERATE(1u, 5u, 1000u, 5000u, 14336u);
    const std::string text = pattern(size);
    early_pair pair(text, early_session());
    CHECK(pair.written == size);
    CHECK(pair.error == none);
    CHECK_FALSE(pair.client.version());
    CHECK_FALSE(pair.client.early_data_accepted());
    carry(pair.client, pair.server);
    // Before the server has said anything.
    progress last;
    CHECK(early_text(pair.server, last) == text);
    CHECK(last.wants == want::input);
    CHECK_FALSE(pair.server.version());
    pair.go_on();
    CHECK(pair.client_error == none);
    CHECK(pair.server_error == none);
    CHECK(pair.early.empty());
    CHECK(pair.normal.empty());
    for (const auto* const side : {&pair.client, &pair.server}) {
        CHECK(side->version() == tls::protocol_version::tls1_3);
        CHECK(side->early_data_accepted());
        CHECK(side->session_reused());
        CHECK(side->early_data_resent() == 0);
    }
    CHECK(pair.client.write("more").bytes == 4);
    pair.go_on();
    CHECK(pair.normal == "more");
    CHECK(pair.early.empty());
    CHECK(tests::queue_is_empty());
}

TEST_CASE("early data: many writes are one text, in order", "[early_data]") {
    early_pair pair("first ", early_session());
    for (const std::string_view word : {"second ", "third ", "fourth"}) {
        CHECK(pair.client.write_early(word).bytes == word.size());
    }
    pair.go_on();
    CHECK(pair.early == "first second third fourth");
    CHECK(pair.client.early_data_accepted());
}

TEST_CASE("early data: what is beyond the server's limit is not taken", "[early_data]") {
    const std::string text = pattern(server_limit + 1000);
    early_pair pair(text, early_session());
    CHECK(pair.written == server_limit);
    CHECK(pair.error == errc::early_data_unavailable);
    for (int i = 0; i != 3; ++i) {
        const progress more = pair.client.write_early("x");
        CHECK(more.bytes == 0);
        CHECK(more.wants == want::nothing);
        CHECK(more.error == errc::early_data_unavailable);
    }
    pair.go_on();
    CHECK(pair.client.early_data_accepted());
    CHECK(pair.early == text.substr(0, server_limit));
    CHECK(pair.client.write(std::string_view(text).substr(server_limit)).bytes == 1000);
    pair.go_on();
    CHECK(pair.early + pair.normal == text);
}

TEST_CASE("early data: the limit does not make a write into a read", "[early_data]") {
    // The server's answer is here already: a rejection, and the handshake could go on.
    const bool accepted = GENERATE(true, false);
    ticket_keys keys;
    const tls::server_context server(server_options(keys));
    early_pair pair(pattern(server_limit), early_session(server), server);
    if (!accepted) keys.set({tls::ticket_key::generate()});
    carry(pair.client, pair.server);
    progress last;
    CHECK((early_text(pair.server, last).size() == server_limit) == accepted);
    carry(pair.server, pair.client);
    const progress more = pair.client.write_early("x");
    CHECK(more.bytes == 0);
    CHECK(more.error == errc::early_data_unavailable);
    CHECK_FALSE(pair.client.version());
    pair.go_on();
    CHECK(pair.client_error == none);
    CHECK(pair.client.early_data_accepted() == accepted);
    CHECK(pair.normal.size() == (accepted ? 0 : server_limit));
}

TEST_CASE("early data: there is none without a session that allows it, and nothing is sent", "[early_data]") {
    const auto refused = [](const tls::client_context& context, const session& resumed) {
        engine client(context, "localhost", {.resume = resumed});
        const progress step = tests::with_stale_errors([&] { return client.write_early("early"); });
        CHECK(step.bytes == 0);
        CHECK(step.wants == want::nothing);
        CHECK(step.error == errc::early_data_unavailable);
        CHECK(client.output().empty());
        CHECK(tests::queue_is_empty());
        // write() is the way.
        engine server(server_context());
        bool moved = true;
        progress last;
        std::string text;
        std::size_t written = 0;
        while (moved) {
            if (written == 0) written = client.write("normal").bytes;
            moved = carry(client, server);
            text += text_of(server, last);
            moved = carry(server, client) || moved;
        }
        CHECK(text == "normal");
    };
    const tls::client_context without(tests::resuming_client());
    const tls::server_context not_early(tests::resuming_server());
    refused(client_context(), {});
    refused(client_context(), tests::new_session(client_context(), not_early));
    refused(without, early_session());
    auto either = client_options();
    either.min_version = tls::protocol_version::tls1_2;
    auto old_server = tests::resuming_server(tls::protocol_version::tls1_2);
    const tls::client_context any_version(either);
    refused(any_version, tests::new_session(any_version, tls::server_context(old_server)));
}

TEST_CASE("early data: none after the handshake, and a client reads none", "[early_data]") {
    tests::resuming_pair pair(client_context(), server_context(), "localhost", {.resume = early_session()});
    REQUIRE(pair.resumed());
    std::array<char, 10> some;
    CHECK(pair.client.write_early("x").error == errc::early_data_unavailable);
    CHECK(pair.server.write_early("x").error == errc::early_data_unavailable);
    CHECK(pair.client.read_early(some).error == errc::early_data_unavailable);
    const progress end = pair.server.read_early(some);
    CHECK(end.bytes == 0);
    CHECK(end.wants == want::nothing);
    CHECK(end.error == none);
    CHECK(pair.client.output().empty());
    CHECK(pair.server.output().empty());
}

TEST_CASE("early data: a server reads nothing else until it has fetched it", "[early_data]") {
    // By handshake() or read(), with something behind it in the same flight or not.
    const bool by_handshake = GENERATE(true, false);
    const bool at_once = GENERATE(true, false);
    early_pair pair("early", early_session());
    carry(pair.client, pair.server);
    std::array<char, 100> some;
    const auto shake_hands = [&] { return by_handshake ? pair.server.handshake() : pair.server.read(some); };
    CHECK(shake_hands().wants == want::input);
    carry(pair.server, pair.client);
    CHECK(pair.client.handshake().wants == want::nothing);
    if (at_once) CHECK(pair.client.write("normal").bytes == 6);
    carry(pair.client, pair.server);
    if (by_handshake) CHECK(pair.server.handshake().wants == want::nothing);
    for (int i = 0; i != 2; ++i) {
        const progress step = pair.server.read(some);
        CHECK(step.bytes == 0);
        CHECK(step.error == errc::early_data_unread);
        CHECK(pair.server.version());
    }
    if (!at_once) CHECK(pair.client.write("normal").bytes == 6);
    carry(pair.client, pair.server);
    CHECK(pair.server.read(some).error == errc::early_data_unread);
    // It may write.
    CHECK(pair.server.write("answer").bytes == 6);
    CHECK(pair.server.handshake().wants == want::nothing);
    CHECK(pair.server.read_early(std::span(some).first(3)).bytes == 3);
    CHECK(std::string(some.data(), 3) == "ear");
    CHECK(pair.server.read(some).error == errc::early_data_unread);
    CHECK(pair.server.read_early(some).bytes == 2);
    CHECK(std::string(some.data(), 2) == "ly");
    const progress end = pair.server.read_early(some);
    CHECK(end.bytes == 0);
    CHECK(end.wants == want::nothing);
    CHECK(end.error == none);
    progress last;
    CHECK(text_of(pair.server, last) == "normal");
    CHECK(last.wants == want::input);
    carry(pair.server, pair.client);
    CHECK(text_of(pair.client, last) == "answer");
}

TEST_CASE("early data: a server that does not want it gets it once more, as anything else", "[early_data]") {
    ticket_keys keys;
    const tls::server_context giver(server_options(keys));
    const session offered = early_session(giver);
    const std::string text = pattern(GENERATE(4u, 14336u));
    SECTION("it does not know the ticket") { keys.set({tls::ticket_key::generate()}); }
    auto options = server_options(keys);
    SECTION("it takes none") { options.early_data = false; }
    SECTION("it wants another group") { options.groups = "P-384"; }
    const tls::server_context server(options);
    early_pair pair(text, offered, server);
    CHECK(pair.written == text.size());
    pair.go_on();
    CHECK(pair.client_error == none);
    CHECK(pair.server_error == none);
    CHECK_FALSE(pair.client.early_data_accepted());
    CHECK_FALSE(pair.server.early_data_accepted());
    CHECK(pair.client.early_data_resent() == text.size());
    CHECK(pair.server.early_data_resent() == 0);
    CHECK(pair.early.empty());
    CHECK(pair.normal == text);
    CHECK(pair.client.write("!").bytes == 1);
    pair.go_on();
    CHECK(pair.normal == text + "!");
    CHECK(pair.client.early_data_resent() == text.size());
    CHECK(tests::queue_is_empty());
}

TEST_CASE("early data: a write that completes the handshake comes behind what is sent again", "[early_data]") {
    ticket_keys keys;
    const tls::server_context server(server_options(keys));
    early_pair pair("early ", early_session(server), server);
    keys.set({tls::ticket_key::generate()});
    bool moved = true;
    std::size_t written = 0;
    progress last;
    while (moved) {
        if (written == 0) written = pair.client.write("normal").bytes;
        moved = carry(pair.client, pair.server);
        pair.normal += text_of(pair.server, last);
        moved = carry(pair.server, pair.client) || moved;
    }
    CHECK(pair.normal == "early normal");
    CHECK(pair.client.early_data_resent() == 6);
}

TEST_CASE("early data: it is bound to the protocol that was agreed on", "[early_data]") {
    const ticket_keys keys;
    auto for_client = client_options();
    auto for_server = server_options(keys);
    for_client.alpn = {"h2", "http/1.1"};
    for_server.alpn = {"h2"};
    const tls::client_context client(for_client);
    const tls::server_context server(for_server);
    const session resumed = early_session(server, client);
    {
        early_pair pair("early", resumed, server, client);
        pair.go_on();
        CHECK(pair.client.early_data_accepted());
        CHECK(pair.early == "early");
        CHECK(pair.client.alpn() == "h2");
        CHECK(pair.server.alpn() == "h2");
    }
    // The server has changed its mind: what was meant for the one protocol comes with the handshake of the other, where the client can see it.
    for_server.alpn = {"http/1.1"};
    const tls::server_context changed(for_server);
    {
        early_pair pair("early", resumed, changed, client);
        pair.go_on();
        CHECK_FALSE(pair.client.early_data_accepted());
        CHECK(pair.early.empty());
        CHECK(pair.client.alpn() == "http/1.1");
    }
    // The client has.
    for_client.alpn = {"http/1.1"};
    const tls::client_context other_client(for_client);
    {
        early_pair pair("early", resumed, changed, other_client);
        CHECK(pair.written == 0);
        CHECK(pair.error == errc::early_data_unavailable);
        pair.go_on();
        CHECK(pair.client.alpn() == "http/1.1");
        CHECK(pair.early.empty());
        CHECK(pair.normal.empty());
    }
}

TEST_CASE("early data: a server may answer before the handshake is complete", "[early_data]") {
    early_pair pair("question", early_session());
    carry(pair.client, pair.server);
    progress last;
    CHECK(early_text(pair.server, last) == "question");
    const std::string answer = pattern(100'000);
    std::size_t done = 0;
    std::string back;
    while (done != answer.size()) {
        const progress step = pair.server.write_early(std::string_view(answer).substr(done));
        REQUIRE(step.error == none);
        REQUIRE((step.bytes != 0 || step.wants == want::output));
        done += step.bytes;
        CHECK(pair.server.output().size() < 200'000);
        carry(pair.server, pair.client);
        back += text_of(pair.client, last);
    }
    CHECK_FALSE(pair.server.version());
    CHECK(pair.client.version());
    CHECK(back == answer);
    CHECK(pair.client.write("thanks").bytes == 6);
    pair.go_on();
    CHECK(pair.server.version());
    CHECK(pair.normal == "thanks");
    CHECK(pair.server.write_early("x").error == errc::early_data_unavailable);
}

TEST_CASE("early data: a server has nothing to answer to without it", "[early_data]") {
    engine server(server_context());
    CHECK(server.write_early("x").error == errc::early_data_unavailable);
    CHECK(server.output().empty());
    engine client(client_context(), "localhost");
    CHECK(client.handshake().wants == want::input);
    carry(client, server);
    std::array<char, 10> some;
    CHECK(server.read_early(some).wants == want::input);
    CHECK(server.write_early("x").error == errc::early_data_unavailable);
}

TEST_CASE("early data: it arrives however the flight is cut", "[early_data]") {
    const session resumed = early_session();
    const std::string text = pattern(30);
    std::size_t size = 0;
    {
        early_pair pair(text, resumed);
        size = pair.client.output().size();
    }
    std::vector<std::size_t> cuts;
    for (std::size_t cut = 0; cut <= size; ++cut) cuts.push_back(cut);
    for (const std::size_t cut : cuts) {
        CAPTURE(cut);
        early_pair pair(text, resumed);
        progress last;
        std::size_t moved = 0;
        const std::vector<std::byte> flight(pair.client.output().begin(), pair.client.output().end());
        pair.client.output_sent(flight.size());
        // To the cut, and from there byte by byte.
        while (moved != flight.size()) {
            const std::size_t n = moved < cut ? cut - moved : 1;
            const auto space = pair.server.input_space();
            std::copy_n(flight.begin() + static_cast<std::ptrdiff_t>(moved), n, space.begin());
            pair.server.input_received(n);
            moved += n;
            pair.early += early_text(pair.server, last);
            if (last.error || last.wants != want::input) break;
        }
        pair.go_on();
        if (pair.early != text || !pair.client.early_data_accepted() || pair.client_error || pair.server_error) {
            FAIL_CHECK("early: " << pair.early);
        }
    }
}

TEST_CASE("early data: whoever sends a first flight again reaches read_early, and nothing else", "[early_data]") {
    early_pair pair("pay 100", early_session());
    const std::vector<std::byte> flight(pair.client.output().begin(), pair.client.output().end());
    for (int i = 0; i != 2; ++i) {
        engine server(server_context());
        const auto space = server.input_space();
        std::copy(flight.begin(), flight.end(), space.begin());
        server.input_received(flight.size());
        std::array<char, 100> some;
        if (i == 0) {
            progress last;
            CHECK(early_text(server, last) == "pay 100");
        }
        // The handshake is never completed.
        CHECK(server.read(some).wants == want::input);
        CHECK_FALSE(server.version());
        CHECK_FALSE(server.early_data_accepted());
        server.input_ended();
        CHECK(server.read(some).error == errc::handshake_truncated);
    }
}

TEST_CASE("early data: what came before the end is given before it", "[early_data]") {
    early_pair pair("early", early_session());
    carry(pair.client, pair.server);
    pair.server.input_ended();
    progress last;
    CHECK(early_text(pair.server, last) == "early");
    CHECK(last.error == errc::handshake_truncated);
    CHECK(pair.server.read_end() == tls::stream_end::truncated);
    CHECK(pair.server.write_early("x").error == errc::handshake_truncated);
}

TEST_CASE("early data: a server that has gone back to TLS 1.2 breaks the connection", "[early_data]") {
    auto for_client = client_options();
    for_client.min_version = tls::protocol_version::tls1_2;
    const tls::client_context client(for_client);
    early_pair pair("early", early_session(server_context(), client),
                    tls::server_context(tests::resuming_server(tls::protocol_version::tls1_2)), client);
    CHECK(pair.written == 5);
    pair.go_on();
    CHECK(pair.client_error.category() == tls::ssl_category());
    CHECK(ERR_GET_REASON(static_cast<std::uint32_t>(pair.client_error.value())) == SSL_R_WRONG_VERSION_ON_EARLY_DATA);
    CHECK(pair.client.early_data_resent() == 0);
    CHECK(pair.normal.empty());
    CHECK(pair.early.empty());
}

// --- streams ---

using memory_stream = tests::session<>::stream_type;

// A server at the far end of a connection in memory. It reads early data first, if it is to, and answers it with "early answer"; then it reads
// everything else.
struct far_server {
    explicit far_server(const tls::server_context& context = server_context(), const tests::network_options& options = {})
        : net(options), stream(net.b().non_blocking_socket(), context) {
        // More than once: a storm makes every other call fail.
        net.a().pump([this] {
            for (int i = 0; i != 8; ++i) work();
        });
    }
    void work() {
        std::array<char, 1000> some;
        std::error_code ec;
        while (!early_done) {
            if (answers && !answered && !early.empty()) answered = stream.write_early("early answer", ec) == 12;
            if (ec) return note(ec);
            const std::size_t n = stream.read_early(some, ec);
            early.append(some.data(), n);
            if (n == 0) early_done = !ec;
            if (ec) return note(ec);
        }
        while (const std::size_t n = stream.read_some(some, ec)) normal.append(some.data(), n);
        note(ec);
        if (!ec && closes) stream.shutdown(tls::shutdown_mode::write, ec);
    }

    tests::memory_network net;
    memory_stream stream;
    std::string early{};
    std::string normal{};
    std::error_code error{};
    bool answers = false;
    bool closes = true;
    bool answered = false;
    bool early_done = false;

private:
    void note(std::error_code ec) {
        if (ec != std::errc::operation_would_block) error = ec;
    }
};

TEST_CASE("early data: over a stream, accepted", "[early_data]") {
    far_server far;
    far.answers = true;
    memory_stream near(far.net.a().socket(), client_context(), "localhost", {.resume = early_session()});
    const std::string text = pattern(GENERATE(3u, 14000u));
    CHECK(near.write_early(text) == text.size());
    // Nothing was waited for.
    CHECK(far.early.empty());
    CHECK(far.net.a().bytes_received() == 0);
    CHECK_FALSE(near.version());
    std::array<char, 12> answer;
    CHECK(near.read(answer) == 12);
    CHECK(std::string(answer.data(), 12) == "early answer");
    CHECK(near.early_data_accepted());
    CHECK(near.early_data_resent() == 0);
    CHECK(near.write("normal") == 6);
    CHECK(near.shutdown(tls::shutdown_mode::both).clean());
    CHECK(far.early == text);
    CHECK(far.normal == "normal");
    CHECK(far.error == none);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("early data: over a stream, rejected", "[early_data]") {
    ticket_keys keys;
    const tls::server_context server(server_options(keys));
    const session resumed = early_session(server);
    keys.set({tls::ticket_key::generate()});
    far_server far(server);
    memory_stream near(far.net.a().socket(), client_context(), "localhost", {.resume = resumed});
    const std::string text = pattern(GENERATE(3u, 14000u));
    CHECK(near.write_early(text) == text.size());
    SECTION("found out by the handshake") {
        near.handshake();
        CHECK(near.early_data_resent() == text.size());
        CHECK(near.write("normal") == 6);
    }
    SECTION("found out by a write") { CHECK(near.write("normal") == 6); }
    SECTION("found out by a gathered write") {
        const std::array<std::span<const std::byte>, 2> pieces{std::as_bytes(std::span("nor", 3)),
                                                               std::as_bytes(std::span("mal", 3))};
        CHECK(near.write(pieces) == 6);
    }
    CHECK(near.shutdown(tls::shutdown_mode::both).clean());
    CHECK(near.early_data_resent() == text.size());
    CHECK_FALSE(near.early_data_accepted());
    CHECK(far.early.empty());
    CHECK(far.normal == text + "normal");
}

TEST_CASE("early data: over a stream, beyond the limit", "[early_data]") {
    far_server far;
    memory_stream near(far.net.a().socket(), client_context(), "localhost", {.resume = early_session()});
    const std::string text = pattern(server_limit + 5000);
    const std::size_t taken = near.write_early(text);
    CHECK(taken == server_limit);
    std::error_code ec;
    CHECK(near.write_early("x", ec) == 0);
    CHECK(ec == errc::early_data_unavailable);
    CHECK(far.net.a().bytes_received() == 0);
    CHECK(near.write(std::string_view(text).substr(taken)) == text.size() - taken);
    CHECK(near.shutdown(tls::shutdown_mode::both).clean());
    CHECK(far.early + far.normal == text);
    CHECK(far.early.size() == server_limit);
}

TEST_CASE("early data: over a stream, none without a session, and nothing is sent", "[early_data]") {
    far_server far;
    memory_stream near(far.net.a().socket(), client_context(), "localhost");
    std::error_code ec;
    CHECK(near.write_early("early", ec) == 0);
    CHECK(ec == errc::early_data_unavailable);
    CHECK(far.net.a().log().empty());
    try {
        (void)near.write_early("early");
        FAIL("no exception");
    } catch (const tls::error& e) {
        CHECK(e.code() == errc::early_data_unavailable);
    }
    CHECK(near.write_early("", ec) == 0);
    CHECK(ec == none);
    CHECK(near.write("normal") == 6);
    CHECK(near.close().close_notify_sent);
    CHECK(far.normal == "normal");
    CHECK(near.write_early("x", ec) == 0);
    CHECK(ec == errc::not_open);
    std::array<char, 1> one;
    CHECK(near.read_early(one, ec) == 0);
    CHECK(ec == errc::not_open);
}

// Reads and writes as `script` says, on either side, accepted or not: the same comes of it.
void check_exchange(const tests::faults& near_faults, const tests::faults& far_faults, bool accepted, bool non_blocking,
                    const session& resumed, const tls::server_context& server) {
    far_server far(server);
    far.answers = true;
    auto socket = far.net.a().socket();
    socket.non_blocking(non_blocking);
    far.net.a().script(near_faults);
    far.net.b().script(far_faults);
    memory_stream near(std::move(socket), client_context(), "localhost", {.resume = resumed});
    const std::string text = pattern(500);
    std::size_t done = 0;
    std::string answer;
    std::array<char, 100> some;
    int rounds = 0;
    const auto repeat = [&](auto&& call) {
        std::error_code ec;
        do {
            call(ec);
            if (ec == std::errc::operation_would_block) far.work();
        } while (ec == std::errc::operation_would_block && ++rounds < 100'000);
        if (ec) FAIL_CHECK(ec.message());
    };
    while (done != text.size() && rounds < 100'000) {
        repeat([&](std::error_code& ec) { done += near.write_early(std::string_view(text).substr(done), ec); });
    }
    repeat([&](std::error_code& ec) { near.handshake(ec); });
    repeat([&](std::error_code& ec) { near.flush(ec); });
    repeat([&](std::error_code& ec) { near.write("normal", ec); });
    repeat([&](std::error_code& ec) { near.shutdown(tls::shutdown_mode::write, ec); });
    repeat([&](std::error_code& ec) {
        while (const std::size_t n = near.read_some(some, ec)) answer.append(some.data(), n);
    });
    CHECK(near.early_data_accepted() == accepted);
    CHECK(near.early_data_resent() == (accepted ? 0 : text.size()));
    CHECK(far.early == (accepted ? text : ""));
    CHECK(far.normal == (accepted ? "normal" : text + "normal"));
    CHECK(answer == (accepted ? "early answer" : ""));
    CHECK(near.read_end() == tls::stream_end::close_notify);
    CHECK(far.error == none);
}

TEST_CASE("early data: in small pieces, and with a would-block before every call", "[early_data]") {
    const bool accepted = GENERATE(true, false);
    const bool non_blocking = GENERATE(true, false);
    const std::size_t chunk = GENERATE(1u, 7u, 1000u);
    CAPTURE(accepted, non_blocking, chunk);
    ticket_keys keys;
    const tls::server_context server(server_options(keys));
    const session resumed = early_session(server);
    if (!accepted) keys.set({tls::ticket_key::generate()});
    tests::faults far = tests::storm();
    far.read_chunk = far.write_chunk = chunk;
    const tests::faults near = non_blocking ? far : tests::chunked(chunk);
    check_exchange(near, far, accepted, non_blocking, resumed, server);
}

TEST_CASE("early data: destroyed at any of its steps", "[early_data]") {
    const bool accepted = GENERATE(true, false);
    const auto where = GENERATE(tests::side::a, tests::side::b);
    ticket_keys keys;
    const tls::server_context server(server_options(keys));
    std::size_t calls = 1;
    for (std::size_t stop = 0; stop <= calls; ++stop) {
        const session resumed = early_session(server);
        const auto old = keys.keys();
        if (!accepted) keys.set({tls::ticket_key::generate()});
        {
            far_server far(server);
            far.answers = true;
            if (stop != calls)
                far.net.end(where).script(tests::at_call(tests::call_kind::io, stop, tests::outcome::exception()));
            memory_stream near(far.net.a().socket(), client_context(), "localhost", {.resume = resumed});
            try {
                std::size_t written = near.write_early("early");
                near.handshake();
                written += near.write("normal");
                near.close();
                CHECK(written == 11);
                CHECK(stop == calls);
                CHECK(far.early + far.normal == "earlynormal");
            } catch (const tests::injected_exception&) {
                std::error_code ec;
                CHECK(near.write_early("early", ec) == 0);
                CHECK(ec);
            }
            if (stop == 0) calls = 2;
            const auto made = far.net.end(where).calls();
            calls = std::max(calls, made.reads + made.writes);
            // What has come is a beginning, and never twice.
            CHECK(std::string("earlynormal").starts_with(far.early + far.normal));
        }
        keys.set(old);
    }
    CHECK(calls > 5);
}

TEST_CASE("early data: a close in the middle of it waits for nobody, and says what was not done", "[early_data]") {
    const auto mode = GENERATE(0, 1, 2);
    far_server far;
    far.net.a().pump([] {});  // the server is silent
    memory_stream near(far.net.a().socket(), client_context(), "localhost", {.resume = early_session()});
    CHECK(near.write_early("early") == 5);
    const auto result = mode == 0   ? near.shutdown(tls::shutdown_mode::write)
                        : mode == 1 ? near.shutdown(tls::shutdown_mode::both)
                                    : near.close();
    CHECK_FALSE(result.close_notify_sent);
    CHECK(result.transport_shut_down);
    CHECK_FALSE(result.clean());
    std::error_code ec;
    CHECK(near.write_early("more", ec) == 0);
    CHECK(ec == (mode == 2 ? errc::not_open : errc::write_shut_down));
    // What was sent arrives, and is not taken for all.
    far.work();
    CHECK(far.early == "early");
    CHECK(far.error.category() == tls::stream_category());
    CHECK(far.error == errc::handshake_truncated);
}

TEST_CASE("early data: a server's shutdown does not lose what was not fetched without saying so", "[early_data]") {
    far_server far;
    memory_stream near(far.net.a().socket(), client_context(), "localhost", {.resume = early_session()});
    far.net.a().pump([&] {
        std::error_code ec;
        far.stream.handshake(ec);
    });
    CHECK(near.write_early("early") == 5);
    near.handshake();
    std::error_code ec;
    far.stream.handshake(ec);
    CHECK(ec == none);
    CHECK(near.shutdown(tls::shutdown_mode::write).close_notify_sent);
    CHECK(far.stream.input_buffered());
    std::array<char, 100> some;
    SECTION("looked at, and left readable") {
        const auto result = far.stream.shutdown(tls::shutdown_mode::both, {.drain_limit = 0}, ec);
        CHECK(result.discarded == 0);
        CHECK(result.limit_reached);
        CHECK(far.stream.read_early(some, ec) == 5);
        CHECK(far.stream.read_early(some, ec) == 0);
        CHECK(ec == none);
    }
    SECTION("thrown away, and counted") {
        const auto result = far.stream.shutdown(tls::shutdown_mode::both, ec);
        CHECK(result.discarded == 5);
        CHECK_FALSE(result.clean());
        CHECK(result.peer == tls::stream_end::close_notify);
        CHECK(far.stream.read_early(some, ec) == 0);
        CHECK(far.stream.read_some(some, ec) == 0);
        CHECK(ec == none);
    }
    SECTION("closed, and counted") {
        const auto result = far.stream.close(ec);
        CHECK(result.discarded == 5);
        CHECK_FALSE(result.clean());
    }
    SECTION("reading was shut down: it is thrown away as everything is") {
        CHECK(far.stream.shutdown(tls::shutdown_mode::read, ec).discarded == 0);
        CHECK(far.stream.read_early(some, ec) == 0);
        CHECK(ec == none);
        CHECK(far.stream.read_some(some, ec) == 0);
        CHECK(ec == none);
        const auto result = far.stream.close(ec);
        CHECK(result.clean());
        CHECK(result.discarded == 0);
    }
    SECTION("not over for release()") {
        (void)far.stream.shutdown(tls::shutdown_mode::write, {.keep_transport_open = true}, ec);
        CHECK_FALSE(std::move(far.stream).release(ec));
        CHECK(ec == errc::not_closed);
    }
}

TEST_CASE("early data: a non-blocking stream takes what there is room for", "[early_data]") {
    far_server far;
    auto socket = far.net.a().non_blocking_socket();
    tests::faults little;
    little.room = 100;
    far.net.a().script(little);
    memory_stream near(std::move(socket), client_context(), "localhost", {.resume = early_session()});
    const std::string text = pattern(server_limit);
    std::error_code ec;
    std::size_t done = near.write_early(std::string_view(text).substr(0, 1000), ec);
    CHECK(done == 1000);
    CHECK(ec == none);
    CHECK(near.wants() == want::output);
    CHECK(near.pending_output() > 1000);
    CHECK(near.write_early("x", ec) == 0);
    CHECK(ec == std::errc::operation_would_block);
    CHECK(near.wants() == want::output);
    far.net.a().add_room(1 << 20);
    done += near.write_early(std::string_view(text).substr(done), ec);
    CHECK(ec == none);
    CHECK(done == text.size());
    CHECK(near.pending_output() == 0);
    far.work();
    CHECK(far.early == text);
}

TEST_CASE("early data: an early answer that a socket does not take is not all kept here", "[early_data]") {
    far_server far;
    memory_stream near(far.net.a().socket(), client_context(), "localhost", {.resume = early_session()});
    far.net.a().pump([] {});
    CHECK(near.write_early("early") == 5);
    std::error_code ec;
    std::array<char, 10> some;
    CHECK(far.stream.read_early(some, ec) == 5);
    tests::faults little;
    little.room = 10'000;
    far.net.b().script(little);
    const std::string answer = pattern(1'000'000);
    std::size_t done = far.stream.write_early(answer, ec);
    CHECK(ec == none);
    CHECK(done > 0);
    CHECK(far.stream.wants() == want::output);
    CHECK(far.stream.pending_output() < 100'000);
    CHECK(far.stream.write_early(std::string_view(answer).substr(done), ec) == 0);
    CHECK(ec == std::errc::operation_would_block);
    far.net.b().add_room(10'000'000);
    done += far.stream.write_early(std::string_view(answer).substr(done), ec);
    CHECK(ec == none);
    CHECK(done == answer.size());
    std::string back(answer.size(), ' ');
    CHECK(near.read(back) == back.size());
    CHECK(back == answer);
}

TEST_CASE("early data: a server that blocks does not wait for more than there is", "[early_data]") {
    const int way = GENERATE(0, 1, 2);
    const session resumed = early_session();
    tests::memory_network net;
    memory_stream client(net.b().non_blocking_socket(), client_context(), "localhost", {.resume = resumed});
    CHECK(client.write_early("early") == 5);
    // It completes the handshake and waits for an answer.
    std::string answer;
    net.a().pump([&] {
        std::error_code ec;
        std::array<char, 100> some;
        while (const std::size_t n = client.read_some(some, ec)) answer.append(some.data(), n);
    });
    memory_stream server(net.a().socket(), server_context());
    std::array<char, 100> some;
    if (way == 0) {
        CHECK(server.read_early(some) == 5);
        CHECK(server.read_early(some) == 0);
    } else if (way == 1) {
        server.handshake();
        CHECK(server.read_early(some) == 5);
        CHECK(server.read_early(some) == 0);
    }
    CHECK(server.write("answer") == 6);
    if (way == 2) CHECK(server.read_early(some) == 5);
    CHECK(server.version());
    CHECK(server.early_data_accepted());
    std::error_code ec;
    (void)client.read_some(some, ec);
    answer += std::string(some.data(), ec ? 0 : 6);
    CHECK(answer == "answer");
}

}  // namespace
