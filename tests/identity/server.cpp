// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The server is whom the client asked for, unless the caller wrote out that it need not be.

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/stream.hpp>
#include <tls/trust.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;
using tls::stream_end;

namespace {

using memory_stream = tests::session<>::stream_type;

const std::error_code none;

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

TEST_CASE("F50 a certificate for another host is refused, and the peer is told so") {
    const auto version = any_version();
    const auto name = GENERATE(as<std::string>(), "other.test", "localhost.other.test", "127.0.0.2", "::2");
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
    net.a().pump([&] { peer.pump(); });
    memory_stream stream(net.a().socket(), tests::client_of(version), name);
    std::error_code ec;
    stream.handshake(ec);
    CHECK(ec.category() == tls::verify_category());
    CHECK(ec.value() ==
          (name.find("test") != std::string::npos ? X509_V_ERR_HOSTNAME_MISMATCH : X509_V_ERR_IP_ADDRESS_MISMATCH));
    const auto failure = ec;
    CHECK_FALSE(stream.version());
    CHECK_FALSE(stream.peer_certificate());
    CHECK(stream.write("a secret", ec) == 0);
    CHECK(ec == failure);
    peer.pump();
    REQUIRE(peer.alerts().size() == 1);
    CHECK(peer.alerts()[0] == SSL_AD_BAD_CERTIFICATE);
    CHECK(peer.received().empty());
    CHECK(stream.close({.timeout = 1s}, ec).peer == stream_end::failed);
    CHECK(ec == none);
    CHECK(tests::queue_is_empty());
    try {
        tests::memory_network again;
        tests::raw_peer server(again.b(), tls::role::server, tests::peer_of(version));
        again.a().pump([&] { server.pump(); });
        memory_stream throwing(again.a().socket(), tests::client_of(version), name);
        throwing.handshake();
        FAIL("no exception");
    } catch (const tls::error& e) {
        CHECK(e.code() == failure);
        CHECK_FALSE(e.details().empty());
    }
}

TEST_CASE("F58 verification is on unless it was switched off by its ugly name") {
    CHECK(tls::client_options{}.verification == tls::verify_mode::full);
    const auto version = any_version();
    // The server's certificate is for localhost, by the test authority.
    const auto outcome = [&](const tls::client_options& options, std::string_view name) {
        tests::memory_network net;
        tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
        net.a().pump([&] { peer.pump(); });
        std::error_code ec;
        auto stream = memory_stream::create(net.a().socket(), tls::client_context(options), name, ec);
        if (!ec) stream.handshake(ec);
        return ec;
    };
    const auto trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem());
    const auto strangers = tls::trust_store::from_pem(tests::make_authority("Another CA").certificate_pem());
    const auto refused = [](std::error_code ec) { return ec.category() == tls::verify_category(); };

    CHECK(outcome({.trust = trust}, "localhost") == none);
    CHECK(refused(outcome({.trust = trust}, "other.test")));
    CHECK(refused(outcome({.trust = strangers}, "localhost")));
    CHECK(outcome({.trust = trust}, "") == tls::errc::server_name_required);
    // Nobody is trusted: that is not the same as not to ask.
    CHECK(refused(outcome({.trust = tls::trust_store{}}, "localhost")));
    CHECK(
        refused(outcome({.trust = tls::trust_store{}, .verification = tls::verify_mode::dangerously_chain_only}, "localhost")));

    CHECK(outcome({.trust = trust, .verification = tls::verify_mode::dangerously_chain_only}, "other.test") == none);
    CHECK(outcome({.trust = trust, .verification = tls::verify_mode::dangerously_chain_only}, "") == none);
    CHECK(refused(outcome({.trust = strangers, .verification = tls::verify_mode::dangerously_chain_only}, "localhost")));
    CHECK(outcome({.trust = tls::trust_store{}, .verification = tls::verify_mode::dangerously_none}, "other.test") == none);
    CHECK(outcome({.trust = strangers, .verification = tls::verify_mode::dangerously_none}, "") == none);
}

}  // namespace
