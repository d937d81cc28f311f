// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A session is good where it was made and nowhere else: for that server, that name, and those reasons to believe the peer. And early data
// that a server has not accepted is sent once more, and only once.

#include <tls/context.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/pinned_keys.hpp>
#include <tls/session.hpp>
#include <tls/session_cache.hpp>
#include <tls/stream.hpp>
#include <tls/ticket_keys.hpp>

#include <support/refusal.hpp>
#include <support/resuming.hpp>
#include <support/revocation.hpp>
#include <support/session.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using tests::new_session;
using tests::resumes;
using tests::resuming_client;
using tests::resuming_pair;
using tests::resuming_server;
using tls::errc;
using tls::session;
using tls::session_cache;
using tls::ticket_keys;

namespace {

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// What stands for it on the wire.
std::vector<std::byte> ticket_of(const session& one) {
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    ::SSL_SESSION_get0_ticket(one.native_handle(), &data, &size);
    const auto bytes = std::as_bytes(std::span(data, size));
    return {bytes.begin(), bytes.end()};
}

// Is this session in the first flight of a connection?
bool offers(const tls::client_context& context, std::string_view name, const session& one,
            const tls::connection_options& options) {
    tls::engine client(context, name, options);
    REQUIRE(client.handshake().wants == tls::want::input);
    const auto ticket = ticket_of(one);
    REQUIRE(ticket.size() > 16);
    const auto flight = client.output();
    return std::search(flight.begin(), flight.end(), ticket.begin(), ticket.end()) != flight.end();
}

// The same session under another name, as only somebody could have it who means harm or is confused.
session renamed(const session& one, std::string name) { return {bssl::UpRef(one.native_handle()), std::move(name)}; }

TEST_CASE("F83 a session of one server is not offered to another") {
    const auto version = any_version();
    auto options = resuming_client(version);
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version));
    const session one = new_session(client, server);
    CHECK(offers(client, "localhost", one, {.resume = one}));
    CHECK(offers(client, "LOCALHOST.", one, {.resume = one}));
    for (const char* const other : {"example.test", "localhost.test", "127.0.0.1", "::1", "ocalhost"}) {
        CAPTURE(other);
        tests::check_refused(errc::invalid_session, [&](auto&... ec) {
            if constexpr (sizeof...(ec) == 0) return tls::engine(client, other, {.resume = one});
            else return tls::engine::create(client, other, {.resume = one}, ec...);
        });
        tests::memory_network net;
        std::error_code ec;
        using stream = tests::session<>::stream_type;
        CHECK_FALSE(stream::create(net.a().socket(), client, other, {.resume = one}, ec));
        CHECK(ec == errc::invalid_session);
        CHECK(net.a().bytes_sent() == 0);
    }
    // Nor without a name, where none is needed.
    options.verification = tls::verify_mode::dangerously_chain_only;
    std::error_code ec;
    CHECK_FALSE(tls::engine::create(tls::client_context(options), "", {.resume = one}, ec));
    CHECK(ec == errc::invalid_session);
}

TEST_CASE("F83 a cached session of one server is not offered to another") {
    const auto version = any_version();
    auto options = resuming_client(version);
    options.sessions = session_cache();
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version, {.count = 1}));
    const resuming_pair made(client, server, "localhost", {.port = 443});
    const session one = made.client.session();
    REQUIRE(one);
    CHECK_FALSE(offers(client, "example.test", one, {.port = 443}));
    CHECK_FALSE(offers(client, "127.0.0.1", one, {.port = 443}));
    CHECK_FALSE(offers(client, "localhost", one, {.port = 8443}));
    CHECK_FALSE(offers(client, "localhost", one, {}));
    CHECK(offers(client, "localhost", one, {.port = 443}));
}

TEST_CASE("F83 a session is not offered by a client that believes servers for other reasons") {
    const auto version = any_version();
    session_cache cache;
    auto options = resuming_client(version);
    options.sessions = cache;
    const tls::client_context client(options);
    const tls::server_context server(resuming_server(version));
    const auto server_key = tls::pinned_keys::of(tls::certificate(bssl::UpRef(tests::test_pki().server.certificate)));
    const auto root_key = tls::pinned_keys::of(tls::certificate(bssl::UpRef(tests::test_pki().authority.certificate)));

    std::vector<std::pair<std::string, std::function<void(tls::client_options&)>>> changes;
    changes.emplace_back("more trust", [](auto& o) {
        o.trust = o.trust + tls::trust_store::from_pem(tests::make_authority("Another").certificate_pem());
    });
    changes.emplace_back("other trust", [](auto& o) {
        o.trust = tls::trust_store::from_pem(tests::make_authority("Test CA").certificate_pem());
    });
    changes.emplace_back("no trust", [](auto& o) { o.trust = {}; });
    changes.emplace_back("chain only", [](auto& o) { o.verification = tls::verify_mode::dangerously_chain_only; });
    changes.emplace_back("none", [](auto& o) { o.verification = tls::verify_mode::dangerously_none; });
    changes.emplace_back("a pin", [&](auto& o) { o.pins = server_key; });
    changes.emplace_back("another pin", [&](auto& o) { o.pins = root_key; });
    changes.emplace_back("two pins", [&](auto& o) { o.pins = root_key + server_key; });
    changes.emplace_back("a verifier", [](auto& o) { o.verify = [](const tls::verification& asked) { asked.accept(); }; });
    changes.emplace_back("another verifier",
                         [](auto& o) { o.verify = [](const tls::verification& asked) { asked.reject(); }; });
    changes.emplace_back("another time", [](auto& o) { o.verification_time = std::chrono::system_clock::now(); });
    changes.emplace_back("revocation", [](auto& o) { o.revocation = tls::revocation_check::none; });

    const auto changed = [&](std::size_t i) {
        auto other = options;
        changes[i].second(other);
        return tls::client_context(other);
    };
    // Neither the plain one's by any of the others, nor theirs by it or each other.
    for (std::size_t i = 0; i != changes.size(); ++i) {
        CAPTURE(changes[i].first);
        const tls::client_context other = changed(i);
        const session one = new_session(client, server);
        cache.clear();
        cache.put(one);
        CHECK_FALSE(offers(other, "localhost", one, {.resume = one}));
        CHECK_FALSE(offers(other, "localhost", one, {}));
        CHECK(offers(client, "localhost", one, {}));

        cache.clear();
        const resuming_pair made(other, server);
        if (!made.complete()) continue;  // the other one believes nobody here
        const session theirs = made.client.session();
        cache.clear();
        cache.put(theirs);
        CHECK(offers(other, "localhost", theirs, {.resume = theirs}));
        CHECK_FALSE(offers(client, "localhost", theirs, {.resume = theirs}));
        CHECK_FALSE(offers(client, "localhost", theirs, {}));
        for (std::size_t k = 0; k != changes.size(); ++k) {
            CAPTURE(changes[k].first);
            if (k != i) CHECK_FALSE(offers(changed(k), "localhost", theirs, {.resume = theirs}));
        }
    }
    // What has nothing to do with belief does not part them.
    auto alike = options;
    alike.alpn = {"h2"};
    alike.request_ocsp = true;
    const session one = new_session(tls::client_context(resuming_client(version)), server);
    CHECK(offers(tls::client_context(alike), "localhost", one, {.resume = one}));
}

TEST_CASE("F83 each context with a verifier has its own sessions") {
    const auto version = any_version();
    auto options = resuming_client(version);
    options.verify = [](const tls::verification& asked) { asked.accept(); };
    const tls::client_context one(options);
    const tls::client_context other(options);
    const tls::server_context server(resuming_server(version));
    CHECK(resumes(one, server, new_session(one, server)));
    CHECK_FALSE(resumes(other, server, new_session(one, server)));
    // A copy is the same context.
    const tls::client_context copy(one);
    CHECK(resumes(copy, server, new_session(one, server)));
}

TEST_CASE("F83 a session that nobody verified is not resumed by who verifies") {
    const auto version = any_version();
    session_cache cache;
    auto options = resuming_client(version);
    options.sessions = cache;
    auto careless = options;
    careless.verification = tls::verify_mode::dangerously_none;
    // A server that no one should believe.
    const auto stranger = tests::make_leaf({"localhost"});
    auto for_server = resuming_server(version);
    for_server.identity = tls::credential::from_pem(stranger.certificate_pem(), stranger.key_pem());
    const tls::server_context impostor(for_server);
    const tls::client_context without(careless);
    const tls::client_context verifying(options);
    const session unverified = new_session(without, impostor);
    CHECK(cache.size() > 0);
    CHECK(resumes(without, impostor, unverified));
    for (const session& offered : {session(), unverified, session::parse(unverified.serialize())}) {
        const resuming_pair made(verifying, impostor, "localhost", {.resume = offered});
        CHECK_FALSE(made.complete());
        CHECK(made.client_error.category() == tls::verify_category());
        CHECK_FALSE(offers(verifying, "localhost", unverified, {.resume = offered}));
    }
}

TEST_CASE("F83 a server does not resume under another name") {
    const auto version = any_version();
    const tls::client_context client(resuming_client(version));
    const tls::server_context server(resuming_server(version));
    const session one = new_session(client, server, "localhost");
    CHECK(resumes(client, server, one, "localhost"));
    // A client that offers it all the same gets a full handshake.
    CHECK(offers(client, "example.test", one, {.resume = renamed(one, "example.test")}));
    CHECK_FALSE(resumes(client, server, renamed(one, "example.test"), "example.test"));
    // Nor without a name, which is what an address is to a server.
    CHECK_FALSE(resumes(client, server, renamed(one, "127.0.0.1"), "127.0.0.1"));
    const session nameless = new_session(client, server, "127.0.0.1");
    CHECK(resumes(client, server, nameless, "127.0.0.1"));
    CHECK_FALSE(resumes(client, server, renamed(nameless, "localhost"), "localhost"));
    // Case is none of a name's.
    CHECK(resumes(client, server, renamed(one, "LocalHost"), "LocalHost"));
}

TEST_CASE("F83 a server resumes only clients that it would believe") {
    const auto version = any_version();
    const ticket_keys shared;
    const auto& own = tests::test_pki().client;
    auto for_client = resuming_client(version);
    for_client.identity = tls::credential::from_pem(own.certificate_pem(), own.key_pem());
    const tls::client_context client(for_client);
    const tls::client_context anonymous(resuming_client(version));

    std::vector<std::pair<std::string, std::function<void(tls::server_options&)>>> kinds;
    kinds.emplace_back("none", [](auto&) {});
    kinds.emplace_back("optional", [&](auto& o) {
        o.authentication = tls::client_auth::optional;
        o.trust = for_client.trust;
    });
    kinds.emplace_back("required", [&](auto& o) {
        o.authentication = tls::client_auth::required;
        o.trust = for_client.trust;
    });
    kinds.emplace_back("other trust", [&](auto& o) {
        o.authentication = tls::client_auth::required;
        o.trust = for_client.trust + tls::trust_store::from_pem(tests::make_authority("Another").certificate_pem());
    });
    kinds.emplace_back("pins", [&](auto& o) {
        o.authentication = tls::client_auth::required;
        o.trust = for_client.trust;
        o.pins = tls::pinned_keys::of(tls::certificate(bssl::UpRef(own.certificate)));
    });
    kinds.emplace_back("a verifier", [&](auto& o) {
        o.authentication = tls::client_auth::required;
        o.trust = for_client.trust;
        o.verify = [](const tls::verification& asked) { asked.accept(); };
    });
    std::vector<tls::server_context> servers;
    for (const auto& [name, change] : kinds) {
        auto options = resuming_server(version, {.keys = shared});
        change(options);
        servers.emplace_back(options);
    }
    for (std::size_t i = 0; i != kinds.size(); ++i) {
        for (std::size_t k = 0; k != kinds.size(); ++k) {
            CAPTURE(kinds[i].first, kinds[k].first);
            const resuming_pair made(client, servers[k], "localhost", {.resume = new_session(client, servers[i])});
            CHECK(made.resumed() == (i == k));
            // Who it is is known, whichever way.
            CHECK(made.server.peer_certificate().has_value() == (k != 0));
        }
    }
    // Who came without a certificate cannot get by a server that insists.
    const session nobody = new_session(anonymous, servers[0]);
    const resuming_pair made(anonymous, servers[2], "localhost", {.resume = nobody});
    CHECK_FALSE(made.complete());
    CHECK_FALSE(made.server.session_reused());
    CHECK(made.server_error);
    const session optional = new_session(anonymous, servers[1]);
    CHECK(resumes(anonymous, servers[1], optional));
    CHECK_FALSE(resuming_pair(anonymous, servers[2], "localhost", {.resume = optional}).complete());
}

// --- early data ---

std::string text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Everything that a server got, early and not, in order, and the rest of a connection that began with early data.
struct early_outcome {
    std::string early;
    std::string normal;
    std::size_t resent = 0;
    bool accepted = false;
};

early_outcome exchange(const tls::client_context& for_client, const tls::server_context& for_server, const session& offered,
                       const std::vector<std::string>& words) {
    early_outcome made;
    tls::engine client(for_client, "localhost", {.resume = offered});
    tls::engine server(for_server);
    for (const std::string& word : words) CHECK(client.write_early(word).bytes == word.size());
    std::array<std::byte, 100> some;
    bool wrote = false;
    bool moved = true;
    while (moved) {
        moved = tests::carry(client, server);
        tls::progress step;
        while ((step = server.read_early(some)).bytes != 0) made.early += text_of(std::span(some).first(step.bytes));
        CHECK_FALSE(step.error);
        if (server.version()) {
            while ((step = server.read(some)).bytes != 0) made.normal += text_of(std::span(some).first(step.bytes));
        }
        moved = tests::carry(server, client) || moved;
        const auto shaken = client.handshake();
        CHECK_FALSE(shaken.error);
        if (client.version() && !wrote) {
            // Told before anything else is written.
            made.resent = client.early_data_resent();
            made.accepted = client.early_data_accepted();
            wrote = client.write("|and more").bytes == 9;
        }
        moved = moved || !client.output().empty();
    }
    CHECK(client.early_data_resent() == made.resent);
    return made;
}

TEST_CASE("F83 early data that is accepted is never sent again") {
    auto options = resuming_client();
    options.early_data = true;
    auto for_server = resuming_server();
    for_server.early_data = true;
    const tls::client_context client(options);
    const tls::server_context server(for_server);
    const auto made = exchange(client, server, new_session(client, server), {"one ", "two ", "three"});
    CHECK(made.accepted);
    CHECK(made.resent == 0);
    CHECK(made.early == "one two three");
    CHECK(made.normal == "|and more");
}

TEST_CASE("F83 early data that is rejected is sent again exactly once, in order, before anything else") {
    ticket_keys keys;
    auto options = resuming_client();
    options.early_data = true;
    auto for_server = resuming_server(tls::protocol_version::tls1_3, {.keys = keys});
    for_server.early_data = true;
    const tls::client_context client(options);
    const session offered = new_session(client, tls::server_context(for_server));
    REQUIRE(offered.early_data_capable());
    SECTION("the ticket is not known") { keys.set({tls::ticket_key::generate()}); }
    SECTION("the server takes none") { for_server.early_data = false; }
    SECTION("the server asks for another hello") { for_server.groups = "P-384"; }
    SECTION("the server speaks another protocol") {
        options.alpn = for_server.alpn = {"h2"};
        const tls::client_context with_alpn(options);
        const session with_h2 = new_session(with_alpn, tls::server_context(for_server));
        options.alpn = for_server.alpn = {"http/1.1", "h2"};
        const auto made = exchange(tls::client_context(options), tls::server_context(for_server), with_h2, {"one ", "two"});
        CHECK_FALSE(made.accepted);
        CHECK(made.resent == 7);
        CHECK(made.early.empty());
        CHECK(made.normal == "one two|and more");
        return;
    }
    SECTION("the server now asks for certificates") {
        for_server.authentication = tls::client_auth::optional;
        for_server.trust = options.trust;
    }
    const auto made = exchange(client, tls::server_context(for_server), offered, {"one ", "two ", "three"});
    CHECK_FALSE(made.accepted);
    CHECK(made.resent == 13);
    CHECK(made.early.empty());
    CHECK(made.normal == "one two three|and more");
}

TEST_CASE("F83 early data is not sent to another server, or by a client with other reasons") {
    auto options = resuming_client();
    options.early_data = true;
    auto for_server = resuming_server();
    for_server.early_data = true;
    const tls::client_context client(options);
    const tls::server_context server(for_server);
    const session offered = new_session(client, server);
    options.verification = tls::verify_mode::dangerously_none;
    tls::engine careless(tls::client_context(options), "localhost", {.resume = offered});
    CHECK(careless.write_early("secret").error == errc::early_data_unavailable);
    CHECK(careless.output().empty());
    // A server that does not resume under another name accepts no early data there either.
    const auto made = exchange(client, server, renamed(offered, "localhost"), {"secret"});
    CHECK(made.accepted);
    tls::engine other(client, "example.test", {.resume = renamed(offered, "example.test")});
    CHECK(other.write_early("secret").bytes == 6);
    tls::engine far(server);
    tests::carry(other, far);
    std::array<char, 10> some;
    CHECK(far.read_early(some).bytes == 0);
}

}  // namespace
