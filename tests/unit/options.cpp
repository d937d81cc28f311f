// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What options are when nothing is said, and how what cannot be is refused when the context is made.

#include <tls/options.hpp>

#include <support/identities.hpp>
#include <support/refusal.hpp>
#include <support/stale_errors.hpp>

#include <tls/context.hpp>
#include <tls/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
using tls::client_context;
using tls::client_options;
using tls::errc;
using tls::server_context;
using tls::server_options;

client_options client() { return {.trust = tests::test_trust()}; }
server_options server() { return {.identity = tests::credential_of(tests::key_kind::p256)}; }

TEST_CASE("what nobody has asked for is off", "[options]") {
    const client_options c;
    CHECK(c.verification == tls::verify_mode::full);
    CHECK_FALSE(c.pins);
    CHECK_FALSE(c.revocation);
    CHECK_FALSE(c.verification_time);
    CHECK_FALSE(c.verify);
    CHECK_FALSE(c.identity);
    CHECK_FALSE(c.sessions);
    CHECK_FALSE(c.on_session);
    CHECK_FALSE(c.keep_session);
    CHECK_FALSE(c.early_data);
    CHECK_FALSE(c.require_alpn);
    CHECK_FALSE((c.request_ocsp || c.request_scts || c.ech_grease));
    CHECK_FALSE(c.keys);
    CHECK_FALSE(c.observe);
    CHECK(c.policy == tls::compliance_policy::none);

    const server_options s = server();
    CHECK(s.authentication == tls::client_auth::none);
    CHECK_FALSE(s.trust);
    CHECK(s.unknown_names == tls::unknown_name::use_identity);
    CHECK_FALSE(s.select_identity);
    CHECK_FALSE(s.select_alpn);
    CHECK_FALSE(s.tickets.keys);
    CHECK(s.tickets.count == 2);
    CHECK(s.tickets.lifetime == 48h);
    CHECK_FALSE(s.early_data);
    CHECK_FALSE(s.ech);
    CHECK_FALSE(s.keys);
    CHECK_FALSE(s.observe);

    const tls::connection_options connection;
    CHECK_FALSE(connection.resume);
    CHECK(connection.port == 0);
    CHECK(connection.ech_config_list.empty());
}

TEST_CASE("tickets have limits", "[options]") {
    const auto invalid = std::make_error_code(std::errc::invalid_argument);
    const auto with = [](std::size_t count, std::chrono::seconds lifetime) {
        server_options options = server();
        options.tickets.count = count;
        options.tickets.lifetime = lifetime;
        return options;
    };
    tests::check_options_refused<server_context>(with(17, 1h), invalid, "tickets.count");
    tests::check_options_refused<server_context>(with(2, 0s), invalid, "tickets.lifetime");
    tests::check_options_refused<server_context>(with(2, -1s), invalid, "tickets.lifetime");
    tests::check_options_refused<server_context>(with(2, std::chrono::days(7) + 1s), invalid, "tickets.lifetime");
    CHECK(server_context(with(16, std::chrono::days(7))));
    CHECK(server_context(with(0, 1s)));

    server_options options = server();
    tls::ticket_keys keys;
    options.tickets.keys = keys;
    CHECK(server_context(options));
    const tls::ticket_keys gone = std::move(keys);
    options.tickets.keys = std::move(keys);  // NOLINT(bugprone-use-after-move): that is what is tested
    tests::check_options_refused<server_context>(options, errc::not_open, "tls::ticket_keys");
}

TEST_CASE("options that have nothing to stand on are refused", "[options]") {
    client_options options = client();
    options.require_alpn = true;
    tests::check_options_refused<client_context>(options, errc::invalid_alpn, "require_alpn");
    options.alpn = {"h2"};
    CHECK(client_context(options));

    options = client();
    options.identity = tls::credential();
    tests::check_options_refused<client_context>(options, errc::not_open, "tls::credential");

    options = client();
    options.revocation = tls::revocation_check::leaf;
    tests::check_options_refused<client_context>(options, errc::invalid_trust, "revocation list");
    options.revocation = tls::revocation_check::none;
    CHECK(client_context(options));

    server_options serving = server();
    serving.authentication = tls::client_auth::required;
    serving.trust = tests::test_trust();
    serving.revocation = tls::revocation_check::chain;
    tests::check_options_refused<server_context>(serving, errc::invalid_trust, "revocation list");
}

TEST_CASE("algorithms are given once, by names that are known", "[options]") {
    client_options options = client();
    options.groups = "X25519";
    options.group_list = {tls::group::x25519};
    tests::check_options_refused<client_context>(options, errc::invalid_groups, "given twice");
    options.groups.clear();
    CHECK(client_context(options));
    options.group_list.push_back(static_cast<tls::group>(12345));
    tests::check_options_refused<client_context>(options, errc::invalid_groups, "12345");
    options.group_list.clear();
    options.groups = std::string("X25519\0:P-256", 13);
    tests::check_options_refused<client_context>(options, errc::invalid_groups, "NUL");

    server_options serving = server();
    serving.tls1_2_ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
    serving.cipher_list = {static_cast<tls::cipher_suite>(0xFFFF)};
    tests::check_options_refused<server_context>(serving, errc::invalid_ciphers, "65535");
    serving.cipher_list.clear();
    CHECK(server_context(serving));
}

}  // namespace
