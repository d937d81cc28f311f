// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Who a server is: by the name that the client asks for, by what it can verify, and by the server's own choice.

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>

#include <support/identities.hpp>
#include <support/refusal.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using tests::credential_of;
using tests::engine_pair;
using tests::issue_for;
using tests::key_kind;
using tls::alert;
using tls::client_context;
using tls::credential;
using tls::errc;
using tls::identity_request;
using tls::protocol_version;
using tls::server_context;
using tls::server_options;
using tls::want;

const std::error_code none;

std::error_code told(alert what) { return {static_cast<int>(what), tls::alert_category()}; }

protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// The chain alone: whom the server says it is is what is looked at here.
client_context client_of(protocol_version version, std::vector<std::string> alpn = {}) {
    return client_context({.trust = tests::test_trust(),
                           .verification = tls::verify_mode::dangerously_chain_only,
                           .alpn = std::move(alpn),
                           .min_version = version,
                           .max_version = version});
}

// One credential for each name, made once.
const credential& named(const std::string& name) {
    static std::map<std::string, credential> made;
    credential& one = made[name];
    if (!one) one = credential_of(issue_for(name));
    return one;
}

struct verdict {
    std::string who;  // the certificate's name
    std::error_code client{};
    std::error_code server{};
    friend bool operator==(const verdict&, const verdict&) = default;
};

// What comes of a client that sends this name, byte for byte; empty: none.
verdict ask(const server_context& server, std::string_view name, protocol_version version) {
    engine_pair both(client_of(version), server, "");
    if (!name.empty()) ::SSL_set_tlsext_host_name(both.client.native_handle(), std::string(name).c_str());
    both.run();
    CHECK(tests::queue_is_empty());
    CHECK(both.complete() == (!both.client_error && !both.server_error));
    return {both.server_is(), both.client_error, both.server_error};
}

const verdict unrecognized{"", told(alert::unrecognized_name), make_error_code(errc::identity_refused)};

TEST_CASE("a server is whom the client asks for: exact names first, then wildcards, then its default") {
    const auto version = any_version();
    server_options options{.identity = named("default.test")};
    options.hosts = {
        {.names = {"*.example.test"}, .identities = {named("wildcard")}},
        {.names = {"exact.example.test", "Other.Test.", "xn--mnchen-3ya.test"}, .identities = {named("exact")}},
        {.names = {"*.deep.example.test"}, .identities = {named("deep")}},
        {.names = {"exact.example.test"}, .identities = {named("never")}},
    };
    // What the certificate says, where nothing else is said.
    options.hosts.push_back(
        {.identities = {credential_of(tests::make_leaf({"own.test", "*.own.test"}, &tests::test_pki().authority))}});
    const server_context server(options);
    const std::vector<std::pair<std::string, std::string>> table{
        {"exact.example.test", "exact"},
        {"EXACT.Example.TEST", "exact"},
        {"other.test", "exact"},
        {"oTHER.tEST", "exact"},
        {"other.test.", "exact"},
        {"xn--mnchen-3ya.test", "exact"},
        {"a.example.test", "wildcard"},
        {"A.EXAMPLE.TEST", "wildcard"},
        {"a.example.test.", "wildcard"},
        {"exact2.example.test", "wildcard"},
        {"deep.example.test", "wildcard"},
        {"a.deep.example.test", "deep"},
        {"a.b.example.test", "default.test"},
        {"a.exact.example.test", "default.test"},
        {"example.test", "default.test"},
        {"xexample.test", "default.test"},
        {"*.example.test", "wildcard"},
        {"a.other.test", "default.test"},
        {"other.test.evil.test", "default.test"},
        {"default.test", "default.test"},
        {"own.test", "own.test"},
        {"www.own.test", "own.test"},
        {"a.www.own.test", "default.test"},
        {"", "default.test"},
    };
    for (const auto& [asked, expected] : table) {
        CAPTURE(asked);
        CHECK(ask(server, asked, version) == verdict{expected});
    }
}

TEST_CASE("a server may refuse names that it does not have, and the client is told so") {
    const auto version = any_version();
    server_options options{.identity = named("default.test")};
    options.hosts = {{.names = {"known.test"}, .identities = {named("known")}}};
    options.unknown_names = tls::unknown_name::refuse;
    const server_context server(options);
    CHECK(ask(server, "known.test", version) == verdict{"known"});
    CHECK(ask(server, "unknown.test", version) == unrecognized);
    CHECK(ask(server, "default.test", version) == unrecognized);
    CHECK(ask(server, "", version) == verdict{"default.test"});

    // Nobody to be for them.
    options.identity = {};
    for (const auto policy : {tls::unknown_name::refuse, tls::unknown_name::use_identity}) {
        options.unknown_names = policy;
        const server_context nobody(options);
        CHECK(ask(nobody, "known.test", version) == verdict{"known"});
        CHECK(ask(nobody, "unknown.test", version) == unrecognized);
        CHECK(ask(nobody, "", version) == unrecognized);
    }
    // Identities beside one that is not there are as good.
    options.more_identities = {named("more")};
    options.unknown_names = tls::unknown_name::use_identity;
    const server_context more(options);
    CHECK(ask(more, "known.test", version) == verdict{"known"});
    CHECK(ask(more, "unknown.test", version) == verdict{"more"});
    CHECK(ask(more, "", version) == verdict{"more"});
}

TEST_CASE("a client that verifies names gets the right certificate of many") {
    server_options options{.identity = named("default.test")};
    for (const char* const name : {"a.test", "b.test", "c.test"}) options.hosts.push_back({.identities = {named(name)}});
    const server_context server(options);
    const client_context client({.trust = tests::test_trust()});
    for (const char* const name : {"a.test", "b.test", "c.test", "default.test"}) {
        engine_pair both(client, server, name);
        both.run();
        CHECK(both.complete());
        CHECK(both.server.server_name() == name);
    }
    engine_pair other(client, server, "d.test");
    other.run();
    CHECK(other.client_error == std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, tls::verify_category()));
}

TEST_CASE("what one identity has stapled is not another's") {
    const auto version = any_version();
    server_options options{.identity = named("default.test").with_ocsp_response("for the default")};
    options.hosts = {{.names = {"plain.test"}, .identities = {named("plain")}},
                     {.names = {"stapled.test"}, .identities = {named("stapled").with_ocsp_response("for the host")}}};
    const server_context server(options);
    const client_context client({.trust = tests::test_trust(),
                                 .verification = tls::verify_mode::dangerously_chain_only,
                                 .min_version = version,
                                 .max_version = version,
                                 .request_ocsp = true});
    const auto response = [&](const char* name) {
        engine_pair both(client, server, name);
        both.run();
        CHECK(both.complete());
        const auto bytes = both.client.ocsp_response();
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    CHECK(response("other.test") == "for the default");
    CHECK(response("stapled.test") == "for the host");
    CHECK(response("plain.test").empty());
}

// The kind of key that the server shows to a client that verifies these schemes only, and has these TLS 1.2 suites (empty: all).
std::string shown_to(const server_context& server, protocol_version version, const std::vector<std::uint16_t>& schemes,
                     const char* ciphers = "", protocol_version up_to = protocol_version::tls1_2) {
    const client_context client(
        {.trust = tests::test_trust(), .min_version = version, .max_version = std::max(version, up_to)});
    engine_pair both(client, server);
    SSL* const ssl = both.client.native_handle();
    REQUIRE(::SSL_set_verify_algorithm_prefs(ssl, schemes.data(), schemes.size()) == 1);
    if (*ciphers != '\0') REQUIRE(::SSL_set_strict_cipher_list(ssl, ciphers) == 1);
    both.run();
    CHECK(tests::queue_is_empty());
    const auto leaf = both.client.peer_certificate();
    if (!leaf) return "none: " + both.server_error.message();
    return leaf->key_type() + (leaf->key_type() == "EC" ? " " + std::to_string(leaf->key_bits()) : "");
}

TEST_CASE("of several identities the first is used that the client can verify") {
    server_options options{.identity = credential_of(key_kind::ed25519)};
    options.more_identities = {credential_of(key_kind::p384), credential_of(key_kind::p256), credential_of(key_kind::rsa)};
    const server_context by_default(options);
    server_options at_host{.identity = named("default.test")};
    at_host.hosts = {{.names = {"localhost"}, .identities = options.more_identities}};
    at_host.hosts[0].identities.insert(at_host.hosts[0].identities.begin(), options.identity);
    const server_context by_host(at_host);

    for (const server_context& server : {by_default, by_host}) {
        for (const auto version : tests::versions) {
            CAPTURE(version);
            const bool new_one = version == protocol_version::tls1_3;
            CHECK(shown_to(server, version, {SSL_SIGN_ED25519, SSL_SIGN_RSA_PSS_RSAE_SHA256}) == "Ed25519");
            CHECK(shown_to(server, version, {SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_ECDSA_SECP256R1_SHA256}) == "EC 384");
            CHECK(shown_to(server, version, {SSL_SIGN_RSA_PSS_RSAE_SHA256}) == "RSA");
            // TLS 1.3 ties the scheme to the curve, TLS 1.2 does not (RFC 8446 4.2.3).
            CHECK(shown_to(server, version, {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_ECDSA_SECP256R1_SHA256}) ==
                  (new_one ? "EC 256" : "EC 384"));
        }
        // In TLS 1.2 the suite has a say.
        const std::vector<std::uint16_t> all{SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256,
                                             SSL_SIGN_RSA_PKCS1_SHA256};
        const auto old = protocol_version::tls1_2;
        CHECK(shown_to(server, old, all, "ECDHE-RSA-AES128-GCM-SHA256") == "RSA");
        CHECK(shown_to(server, old, all, "ECDHE-ECDSA-AES128-GCM-SHA256") == "EC 384");
        CHECK(shown_to(server, old, {SSL_SIGN_RSA_PKCS1_SHA256}) == "RSA");
    }

    // A client of TLS 1.3 is a client of TLS 1.2 to a server that has no more.
    options.max_version = protocol_version::tls1_2;
    const server_context old_server(options);
    const std::vector<std::uint16_t> both_kinds{SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256};
    CHECK(shown_to(old_server, protocol_version::tls1_2, both_kinds, "ECDHE-RSA-AES128-GCM-SHA256", protocol_version::tls1_3) ==
          "RSA");
    CHECK(shown_to(by_default, protocol_version::tls1_2, both_kinds, "ECDHE-RSA-AES128-GCM-SHA256", protocol_version::tls1_3) ==
          "EC 256");
    // PKCS#1 v1.5 is for TLS 1.2 alone.
    options.max_version = protocol_version::tls1_3;
    options.identity = credential_of(key_kind::rsa);
    options.more_identities = {credential_of(key_kind::p256)};
    CHECK(shown_to(server_context(options), protocol_version::tls1_3,
                   {SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_ECDSA_SECP256R1_SHA256}) == "EC 256");

    // Where none will do, the first has to.
    options.identity = credential_of(key_kind::p256);
    options.more_identities = {credential_of(key_kind::p384)};
    CHECK(shown_to(server_context(options), protocol_version::tls1_3, {SSL_SIGN_RSA_PSS_RSAE_SHA256}).starts_with("none"));
}

// --- the server's own choice ---

// Where a selector leaves what it was asked.
using kept_request = std::optional<identity_request>;

server_context choosing(protocol_version version, tls::identity_selector select, credential otherwise = {}) {
    server_options options{.identity = std::move(otherwise), .min_version = version, .max_version = version};
    options.select_identity = std::move(select);
    return server_context(options);
}

TEST_CASE("a server chooses by a callable, at once") {
    const auto version = any_version();
    int asked = 0;
    const auto outcome = [&](const tls::identity_selector& select, const char* name = "a.test") {
        asked = 0;
        const auto counting = [&](const identity_request& request) {
            ++asked;
            select(request);
        };
        const verdict seen = ask(choosing(version, counting, named("default.test")), name, version);
        CHECK(asked == 1);
        return seen;
    };
    CHECK(outcome([](const identity_request& r) { r.use(named("chosen")); }) == verdict{"chosen"});
    CHECK(outcome([](const identity_request& r) { r.use(named(r.hello().server_name)); }, "B.test") == verdict{"b.test"});
    CHECK(outcome([](const identity_request& r) { r.use_default(); }) == verdict{"default.test"});
    CHECK(outcome([](const identity_request& r) { r.refuse(); }) == unrecognized);
    CHECK(outcome([](const identity_request& r) { r.refuse(alert::access_denied); }) ==
          verdict{"", told(alert::access_denied), make_error_code(errc::identity_refused)});
    CHECK(outcome([](const identity_request&) {}) == unrecognized);
    // The first answer counts.
    CHECK(outcome([](const identity_request& r) {
              r.use(named("chosen"));
              r.refuse();
          }) == verdict{"chosen"});
    const verdict empty = outcome([](const identity_request& r) { r.use({}); });
    CHECK(empty.server == errc::not_open);
    CHECK(empty.client.category() == tls::alert_category());

    // Without an identity of its own a default is none.
    CHECK(ask(choosing(version, [](const identity_request& r) { r.use(named("chosen")); }), "a.test", version) ==
          verdict{"chosen"});
    CHECK(ask(choosing(version, [](const identity_request& r) { r.use_default(); }), "a.test", version) == unrecognized);
}

TEST_CASE("a server's callable comes before its hosts, and may leave it to them") {
    const auto version = any_version();
    server_options options{.identity = named("default.test")};
    options.hosts = {{.names = {"a.test"}, .identities = {named("a host")}}};
    options.select_identity = [](const identity_request& request) {
        if (request.hello().server_name == "b.test") request.use(named("chosen"));
        else request.use_default();
    };
    const server_context server(options);
    CHECK(ask(server, "a.test", version) == verdict{"a host"});
    CHECK(ask(server, "b.test", version) == verdict{"chosen"});
    CHECK(ask(server, "c.test", version) == verdict{"default.test"});
}

TEST_CASE("a server chooses later, and the handshake waits for it") {
    const auto version = any_version();
    kept_request kept;
    int asked = 0;
    const server_context server = choosing(
        version,
        [&](identity_request request) {
            ++asked;
            kept = std::move(request);
        },
        named("default.test"));
    const client_context client = client_of(version);
    engine_pair both(client, server, "a.test");
    both.run();
    CHECK(both.server_wants == want::identity);
    CHECK(both.server.output().empty());
    both.run();
    CHECK(both.server_wants == want::identity);
    CHECK(asked == 1);
    REQUIRE(kept);
    CHECK(kept->hello().server_name == "a.test");

    SECTION("the answer is an identity, from another thread") {
        std::thread([&] { kept->use(named("chosen")); }).join();
        both.run();
        CHECK(both.complete());
        CHECK(both.server_is() == "chosen");
        kept->refuse();  // late, and of no use
        kept.reset();
    }
    SECTION("the answer is the default") {
        kept->use_default();
        both.run();
        CHECK(both.complete());
        CHECK(both.server_is() == "default.test");
    }
    SECTION("the answer is no") {
        kept->refuse(alert::access_denied);
        both.run();
        CHECK(both.server_error == errc::identity_refused);
        CHECK(both.client_error == told(alert::access_denied));
    }
    SECTION("the last copy goes without one") {
        kept_request copy = kept;
        kept.reset();
        both.run();
        CHECK(both.server_wants == want::identity);
        CHECK_FALSE(both.server_error);
        copy.reset();
        both.run();
        CHECK(both.server_error == errc::identity_refused);
        CHECK(both.client_error == told(alert::unrecognized_name));
    }
    SECTION("nobody is there any more to hear it") {
        both.server = tls::engine(server);
        kept->use(named("chosen"));
    }
    CHECK(asked == 1);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("what a server's callable throws comes out of the call, once") {
    const auto version = any_version();
    const server_context server =
        choosing(version, [](const identity_request&) { throw std::runtime_error("no such customer"); }, named("default.test"));
    const client_context client = client_of(version);
    engine_pair both(client, server, "a.test");
    CHECK_THROWS_AS(both.run(), std::runtime_error);
    CHECK(both.server.handshake().error == errc::exception_thrown);
    CHECK(tests::queue_is_empty());
}

// A server's stream whose client, a raw one, works while it waits.
struct served {
    served(protocol_version version, const server_context& context, bool blocks = true)
        : client(net.b(), tls::role::client,
                 {.server_name = "a.test",
                  .min_version = static_cast<std::uint16_t>(version),
                  .max_version = static_cast<std::uint16_t>(version)}),
          stream(net.a().socket(), context) {
        stream.next_layer().non_blocking(!blocks);
        net.a().pump([this] { client.pump(); });
    }
    [[nodiscard]] std::string client_sees() const {
        const bssl::UniquePtr<X509> seen(::SSL_get_peer_certificate(client.native_handle()));
        return seen ? tls::certificate(bssl::UpRef(seen)).common_name() : "";
    }

    tests::memory_network net;
    tests::raw_peer client;
    tls::stream<tests::memory_socket> stream;
};

TEST_CASE("a blocking stream waits for the server's choice, within its deadline") {
    const auto version = any_version();
    kept_request kept;
    std::thread elsewhere;
    bool at_once = false;
    const server_context server = choosing(version, [&](const identity_request& request) {
        if (at_once) elsewhere = std::thread([request] { request.use(named("chosen")); });
        else kept = request;
    });
    named("chosen");
    SECTION("it comes from another thread") {
        at_once = true;
        served one(version, server);
        one.stream.handshake();
        elsewhere.join();
        one.client.pump();
        CHECK(one.client_sees() == "chosen");
        CHECK(one.stream.server_name() == "a.test");
    }
    SECTION("it comes too late for one call, and in time for the next, whichever that is") {
        served one(version, server);
        one.stream.expires_after(std::chrono::milliseconds(5));
        std::error_code ec;
        one.stream.handshake(ec);
        CHECK(ec == std::errc::timed_out);
        CHECK(one.stream.wants() == want::identity);
        one.stream.expires_never();
        kept->use(named("chosen"));
        one.client.send("hello");
        std::string text(5, '\0');
        CHECK(one.stream.read(text, ec) == 5);
        CHECK(ec == none);
        CHECK(text == "hello");
        CHECK(one.client_sees() == "chosen");
    }
    SECTION("it is no, and the client is told so before anybody waits again") {
        served one(version, server);
        one.stream.expires_after(std::chrono::milliseconds(5));
        std::error_code ec;
        one.stream.handshake(ec);
        kept->refuse();
        one.stream.handshake(ec);
        CHECK(ec == errc::identity_refused);
        one.client.pump();
        CHECK(one.client.alerts() == std::vector<int>{SSL_AD_UNRECOGNIZED_NAME});
    }
}

TEST_CASE("a stream that does not block says that the server has to choose") {
    const auto version = any_version();
    kept_request kept;
    const server_context server = choosing(version, [&](const identity_request& request) { kept = request; });
    served one(version, server, false);
    std::error_code ec;
    const auto go_on = [&] {
        for (int i = 0; i != 10; ++i) {
            one.client.pump();
            one.stream.handshake(ec);
        }
    };
    go_on();
    CHECK(ec == std::errc::operation_would_block);
    CHECK(one.stream.wants() == want::identity);
    std::string text(5, '\0');
    CHECK(one.stream.read_some(text, ec) == 0);
    CHECK(ec == std::errc::operation_would_block);
    CHECK(one.stream.wants() == want::identity);
    CHECK(one.stream.write_some("hello", ec) == 0);
    CHECK(ec == std::errc::operation_would_block);
    CHECK(one.stream.wants() == want::identity);
    REQUIRE(kept);
    kept->use(named("chosen"));
    go_on();
    CHECK(ec == none);
    CHECK(one.stream.wants() == want::nothing);
    CHECK(one.client_sees() == "chosen");
}

TEST_CASE("a server's choice is by more than the name") {
    const auto version = any_version();
    const server_context server = choosing(version, [](const identity_request& request) {
        const auto& hello = request.hello();
        const bool machine = std::find(hello.alpn.begin(), hello.alpn.end(), "machine") != hello.alpn.end();
        request.use(named(machine ? "for machines" : "for people"));
    });
    for (const bool machine : {false, true}) {
        engine_pair both(client_of(version, {machine ? "machine" : "h2"}), server, "a.test");
        both.run();
        CHECK(both.complete());
        CHECK(both.server_is() == (machine ? "for machines" : "for people"));
    }
}

// --- construction ---

TEST_CASE("a server without any identity is refused when it is made, and so is one with a hole in it") {
    server_options options{.identity = {}};
    tests::check_options_refused<server_context>(options, errc::not_open);
    options.more_identities = {named("more")};
    tests::check_options_refused<server_context>(options, errc::not_open);
    options.more_identities.clear();
    options.hosts = {{.names = {"a.test"}, .identities = {named("a")}}};
    CHECK(server_context(options));
    options.hosts.push_back({.names = {"b.test"}});
    tests::check_options_refused<server_context>(options, errc::not_open);
    options.hosts.back().identities = {named("b"), credential()};
    tests::check_options_refused<server_context>(options, errc::not_open);
    options.hosts.pop_back();
    options.more_identities = {credential()};
    tests::check_options_refused<server_context>(options, errc::not_open);
}

TEST_CASE("a host's names are names") {
    server_options options{.identity = named("default.test")};
    const auto with = [&](const char* name) {
        options.hosts = {{.names = {name}, .identities = {named("a")}}};
        return options;
    };
    for (const char* const bad : {"", ".", "*", "*.", "a..test", "*.*.test", "a.*.test", "w*.test", "-.test ", "a b.test",
                                  "m\xC3\xBCnchen.test", "a.test..", ".test"}) {
        CAPTURE(bad);
        tests::check_options_refused<server_context>(with(bad), errc::invalid_server_name);
    }
    for (const char* const good : {"a", "a.test", "A.TEST.", "*.test", "*.a.test.", "xn--mnchen-3ya.test"}) {
        CAPTURE(good);
        CHECK(server_context(with(good)));
    }
    // No name at all, neither here nor in the certificate.
    tests::certificate_options nameless;
    nameless.common_name = "nameless.test";
    options.hosts = {
        {.identities = {credential_of(tests::issue_certificate(std::move(nameless), &tests::test_pki().authority))}}};
    tests::check_options_refused<server_context>(options, errc::invalid_server_name);
}

}  // namespace
