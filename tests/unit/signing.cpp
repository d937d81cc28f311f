// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Private keys that are elsewhere: whoever holds one is asked to sign, and does, or does not.

#include <tls/signing.hpp>

#include <support/identities.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <tls/context.hpp>
#include <tls/error.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
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
using tests::issued_of;
using tests::key_kind;
using tests::signature_by;
using tls::client_context;
using tls::credential;
using tls::errc;
using tls::protocol_version;
using tls::server_context;
using tls::signature_request;
using tls::signature_scheme;
using tls::want;

using question = tls::detail::question<tls::detail::signature_answer>;

const std::error_code none;

std::error_code told(tls::alert what) { return {static_cast<int>(what), tls::alert_category()}; }

protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto all = std::as_bytes(std::span(text));
    return {all.begin(), all.end()};
}

// --- the request itself ---

TEST_CASE("signature schemes have the names and numbers of the standard", "[signing]") {
    using enum signature_scheme;
    CHECK(to_string(ecdsa_secp256r1_sha256) == "ecdsa_secp256r1_sha256");
    CHECK(to_string(rsa_pss_rsae_sha384) == "rsa_pss_rsae_sha384");
    CHECK(to_string(rsa_pkcs1_sha1) == "rsa_pkcs1_sha1");
    CHECK(to_string(ed25519) == "ed25519");
    CHECK(to_string(static_cast<signature_scheme>(0x0A0A)).empty());
    CHECK(static_cast<std::uint16_t>(ed25519) == SSL_SIGN_ED25519);
    CHECK(static_cast<std::uint16_t>(ecdsa_secp521r1_sha512) == SSL_SIGN_ECDSA_SECP521R1_SHA512);
    CHECK(static_cast<std::uint16_t>(rsa_pss_rsae_sha512) == SSL_SIGN_RSA_PSS_RSAE_SHA512);
    CHECK(static_cast<std::uint16_t>(rsa_pkcs1_sha256) == SSL_SIGN_RSA_PKCS1_SHA256);
}

TEST_CASE("a signature request has the message, and its digest for who needs that", "[signing]") {
    using enum signature_scheme;
    const auto input = bytes_of("abc");
    const auto request = [&](signature_scheme scheme) {
        return signature_request::internal::make(scheme, input, std::make_shared<question>());
    };
    const auto hex = [](const std::vector<std::byte>& bytes) {
        std::string text;
        for (const std::byte octet : bytes) {
            for (const unsigned half : {std::to_integer<unsigned>(octet) >> 4, std::to_integer<unsigned>(octet) & 15}) {
                text += "0123456789abcdef"[half];
            }
        }
        return text;
    };
    const auto asked = request(ecdsa_secp256r1_sha256);
    CHECK(asked.scheme() == ecdsa_secp256r1_sha256);
    CHECK(std::vector(asked.input().begin(), asked.input().end()) == input);
    // FIPS 180-2's own examples.
    CHECK(hex(asked.digest()) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(request(rsa_pkcs1_sha1).digest()) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(request(rsa_pss_rsae_sha384).digest().size() == 48);
    CHECK(request(ecdsa_secp521r1_sha512).digest().size() == 64);
    CHECK(request(ed25519).digest().empty());
    CHECK(request(static_cast<signature_scheme>(0x0A0A)).digest().empty());
    CHECK(request(rsa_pss_rsae_sha256).is_pss());
    CHECK_FALSE(request(rsa_pkcs1_sha256).is_pss());
    CHECK_FALSE(request(ecdsa_secp256r1_sha256).is_pss());
    CHECK(tests::with_stale_errors([&] { return request(rsa_pkcs1_sha256).digest().size(); }) == 32);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("the first answer to a signature request counts, and none is one too", "[signing]") {
    const auto asked = std::make_shared<question>();
    std::optional<signature_request> one(signature_request::internal::make(signature_scheme::ed25519, {}, asked));
    std::optional<signature_request> copy(one);
    SECTION("a signature") {
        copy->sign("x");
        one->fail();
        one->sign("y");
        CHECK(asked->answer() == bytes_of("x"));
    }
    SECTION("a refusal") {
        one->fail();
        copy->sign("x");
        CHECK_FALSE(asked->answer());
    }
    SECTION("neither") {
        one.reset();
        CHECK_FALSE(asked->is_answered());
        copy.reset();
        REQUIRE(asked->is_answered());
        CHECK_FALSE(asked->answer());
    }
}

// --- in a handshake ---

// The identity of that kind whose key is with `sign`.
credential elsewhere(key_kind kind, tls::signer sign) {
    return credential::with_signer(issued_of(kind).certificate_pem(), std::move(sign));
}

// One side that has its key elsewhere, the other a usual one. Both verify every scheme.
struct signed_handshake {
    signed_handshake(tls::role who, const credential& identity, protocol_version version,
                     const std::vector<std::uint16_t>& schemes = {})
        : both(client(who, identity, version), server(who, identity, version)) {
        // Clients and servers here do not offer Ed25519 unless they are told to.
        std::vector<std::uint16_t> verified = schemes;
        if (verified.empty()) {
            verified = {SSL_SIGN_ED25519, SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384,
                        SSL_SIGN_RSA_PSS_RSAE_SHA256};
        }
        SSL* const verifier = (who == tls::role::server ? both.client : both.server).native_handle();
        REQUIRE(::SSL_set_verify_algorithm_prefs(verifier, verified.data(), verified.size()) == 1);
        signing = who == tls::role::server ? signing_side{both.server, both.server_error, both.server_wants, both.client_error}
                                           : signing_side{both.client, both.client_error, both.client_wants, both.server_error};
    }
    void run() {
        both.run();
        CHECK(tests::queue_is_empty());
    }

    struct signing_side {
        std::reference_wrapper<tls::engine> engine;
        std::reference_wrapper<std::error_code> error;
        std::reference_wrapper<want> wants;
        std::reference_wrapper<std::error_code> peer_error;
    };
    engine_pair both;
    signing_side signing{both.server, both.server_error, both.server_wants, both.client_error};

private:
    static client_context client(tls::role who, const credential& identity, protocol_version version) {
        tls::client_options options{.trust = tests::test_trust(), .min_version = version, .max_version = version};
        if (who == tls::role::client) options.identity = identity;
        return client_context(options);
    }
    static server_context server(tls::role who, const credential& identity, protocol_version version) {
        tls::server_options options{.identity = who == tls::role::server ? identity : credential_of(key_kind::p256),
                                    .min_version = version,
                                    .max_version = version};
        options.authentication = who == tls::role::client ? tls::client_auth::required : tls::client_auth::none;
        options.trust = tests::test_trust();
        return server_context(options);
    }
};

tls::role any_role() { return GENERATE(tls::role::server, tls::role::client); }

TEST_CASE("a key that is elsewhere signs at once, whatever its kind", "[signing]") {
    using enum signature_scheme;
    const auto version = any_version();
    const auto who = any_role();
    const auto outcome = [&](key_kind kind, const std::vector<std::uint16_t>& schemes = {}) {
        int asked = 0;
        signature_scheme scheme{};
        const credential identity = elsewhere(kind, [&](const signature_request& request) {
            ++asked;
            scheme = request.scheme();
            request.sign(signature_by(issued_of(kind).key.get(), request));
        });
        signed_handshake one(who, identity, version, schemes);
        one.run();
        CHECK(one.both.complete());
        CHECK(asked == 1);
        return scheme;
    };
    CHECK(outcome(key_kind::p256) == ecdsa_secp256r1_sha256);
    CHECK(outcome(key_kind::ed25519) == ed25519);
    CHECK(outcome(key_kind::rsa) == rsa_pss_rsae_sha256);
    CHECK(outcome(key_kind::rsa, {SSL_SIGN_RSA_PSS_RSAE_SHA512, SSL_SIGN_ECDSA_SECP256R1_SHA256}) == rsa_pss_rsae_sha512);
    CHECK(outcome(key_kind::p384, {SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_ECDSA_SECP256R1_SHA256}) ==
          (version == protocol_version::tls1_3 ? ecdsa_secp384r1_sha384 : ecdsa_secp256r1_sha256));
    if (version == protocol_version::tls1_2) {
        CHECK(outcome(key_kind::rsa, {SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_ECDSA_SECP256R1_SHA256}) == rsa_pkcs1_sha256);
    }
}

// Where a signer leaves what it was asked.
using kept_request = std::optional<signature_request>;

TEST_CASE("a key that is elsewhere signs later, and the handshake waits for it", "[signing]") {
    const auto version = any_version();
    const auto who = any_role();
    const auto kind = key_kind::p256;
    int asked = 0;
    kept_request kept;
    const credential identity = elsewhere(kind, [&](signature_request request) {
        ++asked;
        kept = std::move(request);
    });
    signed_handshake one(who, identity, version);
    one.run();
    CHECK(one.signing.wants == want::signature);
    CHECK_FALSE(one.signing.error.get());
    one.run();
    CHECK(one.signing.wants == want::signature);
    REQUIRE(kept);
    CHECK(asked == 1);

    SECTION("it signs, from another thread") {
        std::thread([&] { kept->sign(signature_by(issued_of(kind).key.get(), *kept)); }).join();
        one.run();
        CHECK(one.both.complete());
        kept->fail();  // late, and of no use
    }
    SECTION("it does not sign") {
        kept->fail();
        one.run();
        CHECK(one.signing.error == errc::signature_failed);
        CHECK(one.signing.peer_error == told(tls::alert::internal_error));
    }
    SECTION("the last copy of the request goes without an answer") {
        kept_request copy = kept;
        kept.reset();
        one.run();
        CHECK(one.signing.wants == want::signature);
        copy.reset();
        one.run();
        CHECK(one.signing.error == errc::signature_failed);
        CHECK(one.signing.peer_error == told(tls::alert::internal_error));
    }
    SECTION("it signs something else") {
        const auto other = signature_request::internal::make(kept->scheme(), bytes_of("other"), std::make_shared<question>());
        kept->sign(signature_by(issued_of(kind).key.get(), other));
        one.run();
        CHECK(one.signing.peer_error.get().category() == tls::ssl_category());
        CHECK(one.signing.error == told(tls::alert::decrypt_error));
    }
    SECTION("nobody is there any more to use it") {
        one.signing.engine.get() = tls::engine(client_context({.trust = tests::test_trust()}), "localhost");
        kept->sign("x");
    }
    CHECK(asked == 1);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("a key that is elsewhere and does not sign ends the handshake, and the peer is told", "[signing]") {
    const auto version = any_version();
    const auto who = any_role();
    const auto kind = GENERATE(key_kind::p256, key_kind::rsa);
    const auto outcome = [&](tls::signer sign) {
        signed_handshake one(who, elsewhere(kind, std::move(sign)), version);
        one.run();
        CHECK_FALSE(one.both.complete());
        return std::pair(one.signing.error.get(), one.signing.peer_error.get());
    };
    const std::pair refused{make_error_code(errc::signature_failed), told(tls::alert::internal_error)};
    CHECK(outcome([](const signature_request& request) { request.fail(); }) == refused);
    CHECK(outcome([](const signature_request&) {}) == refused);
    CHECK(outcome([](const signature_request& request) { request.sign(""); }) == refused);
    CHECK(outcome([](const signature_request& request) { request.sign(std::string(1000, 'x')); }) == refused);
    // Another key's.
    const auto other = tests::new_key(kind);
    const auto wrong = outcome([&](const signature_request& request) { request.sign(signature_by(other.get(), request)); });
    CHECK(wrong.first == told(tls::alert::decrypt_error));
    CHECK(wrong.second.category() == tls::ssl_category());
    const auto garbage = outcome([](const signature_request& request) { request.sign("garbage"); });
    CHECK(garbage.first == told(tls::alert::decrypt_error));
}

TEST_CASE("what a signer throws comes out of the call, once", "[signing]") {
    const auto version = any_version();
    const auto who = any_role();
    signed_handshake one(
        who, elsewhere(key_kind::p256, [](const signature_request&) { throw std::runtime_error("no module"); }), version);
    CHECK_THROWS_AS(one.run(), std::runtime_error);
    CHECK(one.signing.engine.get().handshake().error == errc::exception_thrown);
    CHECK(tests::queue_is_empty());
}

TEST_CASE("each identity of a server's has its own signer", "[signing]") {
    const auto version = any_version();
    std::string asked;
    const auto signer_named = [&](const tests::issued& of, std::string name) {
        return credential::with_signer(of.certificate_pem(), [&, name](const signature_request& request) {
            asked = name;
            request.sign(signature_by(of.key.get(), request));
        });
    };
    const tests::issued first = tests::issue_for("a.test");
    const tests::issued second = tests::issue_for("b.test", key_kind::rsa);
    tls::server_options options{
        .identity = signer_named(issued_of(key_kind::p256), "default"), .min_version = version, .max_version = version};
    options.more_identities = {signer_named(issued_of(key_kind::rsa), "more")};
    options.hosts = {{.identities = {signer_named(first, "a")}},
                     {.identities = {signer_named(second, "b")}},
                     {.names = {"here.test"}, .identities = {credential_of(tests::issue_for("here.test"))}}};
    const server_context server(options);
    const client_context client({.trust = tests::test_trust()});
    const auto signs = [&](const char* name, const std::vector<std::uint16_t>& schemes) {
        asked = "nobody";
        engine_pair both(client, server, name);
        REQUIRE(::SSL_set_verify_algorithm_prefs(both.client.native_handle(), schemes.data(), schemes.size()) == 1);
        both.run();
        CHECK(both.complete());
        return asked;
    };
    const std::vector<std::uint16_t> all{SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256};
    CHECK(signs("localhost", all) == "default");
    CHECK(signs("localhost", {SSL_SIGN_RSA_PSS_RSAE_SHA256}) == "more");
    CHECK(signs("a.test", all) == "a");
    CHECK(signs("b.test", all) == "b");
    CHECK(signs("here.test", all) == "nobody");
}

TEST_CASE("an RSA key that is elsewhere signs, and is never asked to decrypt", "[signing]") {
    tests::certificate_options options;
    options.dns_names = {"localhost"};
    options.key_usage = "digitalSignature,keyEncipherment";
    options.key = tests::new_rsa_key();
    const auto of = tests::issue_certificate(std::move(options), &tests::test_pki().authority);
    int asked = 0;
    const auto identity = credential::with_signer(of.certificate_pem(), [&](const signature_request&) { ++asked; });
    const server_context server(
        {.identity = identity, .max_version = protocol_version::tls1_2, .tls1_2_ciphers = "AES128-SHA"});
    const client_context client(
        {.trust = tests::test_trust(), .max_version = protocol_version::tls1_2, .tls1_2_ciphers = "AES128-SHA"});
    engine_pair both(client, server);
    both.run();
    CHECK(both.server_error);
    CHECK(both.client_error == told(tls::alert::handshake_failure));
    CHECK(asked == 0);
}

// --- in streams ---

TEST_CASE("a blocking stream waits for a signature, within its deadline", "[signing]") {
    const auto version = any_version();
    kept_request kept;
    std::thread holder;
    bool at_once = false;
    const auto sign = [](const signature_request& request) {
        request.sign(signature_by(issued_of(key_kind::p256).key.get(), request));
    };
    const credential identity = elsewhere(key_kind::p256, [&](const signature_request& request) {
        if (at_once) holder = std::thread([request, sign] { sign(request); });
        else kept = request;
    });
    const server_context server({.identity = identity, .min_version = version, .max_version = version});
    tests::memory_network net;
    tests::raw_peer client(net.b(), tls::role::client,
                           {.trust = tests::test_pki().authority.certificate.get(), .server_name = "localhost"});
    net.a().pump([&] { client.pump(); });
    tls::stream stream(net.a().socket(), server);
    std::error_code ec;
    SECTION("it comes from another thread") {
        at_once = true;
        stream.handshake(ec);
        holder.join();
        CHECK(ec == none);
        CHECK(stream.write("hello") == 5);
        client.pump();
        CHECK(client.received() == "hello");
    }
    SECTION("it comes too late for one call, and in time for the next, whichever that is") {
        stream.expires_after(std::chrono::milliseconds(5));
        stream.handshake(ec);
        CHECK(ec == std::errc::timed_out);
        CHECK(stream.wants() == want::signature);
        stream.expires_never();
        sign(*kept);
        CHECK(stream.write("hello", ec) == 5);
        CHECK(ec == none);
        client.pump();
        CHECK(client.received() == "hello");
    }
    SECTION("it never comes, and the stream is closed") {
        stream.expires_after(std::chrono::milliseconds(5));
        stream.handshake(ec);
        CHECK(ec == std::errc::timed_out);
        stream.expires_never();
        CHECK_FALSE(stream.close({.timeout = std::chrono::seconds(1)}, ec).close_notify_sent);
        CHECK(ec == none);
        sign(*kept);
        client.pump();
        CHECK(client.account() == "eof");
    }
}

}  // namespace
