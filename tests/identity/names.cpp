// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Which hosts a certificate's names are good for, in handshakes.

#include "name_table.hpp"

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/trust.hpp>

#include <support/engines.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace {

using identity::answer;

// Goes through the rows of one fault; fails unless there are at least that many.
void check_rows(std::string_view fault, std::size_t at_least) {
    static const tests::issued authority = tests::make_authority("Name CA");
    static const tls::client_context client({.trust = tls::trust_store::from_pem(authority.certificate_pem())});
    std::size_t count = 0;
    for (const identity::row& row : identity::table()) {
        if (row.fault != fault) continue;
        ++count;
        CAPTURE(row.host, row.certificate.dns, row.certificate.addresses.size(), row.certificate.common_name);
        CHECK(row.decided_by.starts_with("RFC "));
        if (row.ours == answer::no_name) {
            std::error_code ec;
            CHECK_FALSE(tls::engine::create(client, row.host, ec));
            CHECK(ec == (row.host.empty() ? tls::errc::server_name_required : tls::errc::invalid_server_name));
            continue;
        }
        const tests::issued leaf = identity::issue(row.certificate, authority);
        const tls::server_context server({.identity = tls::credential::from_pem(leaf.certificate_pem(), leaf.key_pem())});
        const tests::engine_handshake both(client, server, row.host);
        CHECK(tests::queue_is_empty());
        if (row.ours == answer::accepted) {
            CHECK(both.client_error == std::error_code());
            CHECK(both.complete());
            continue;
        }
        const int reason = fault == "F53" ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH;
        CHECK(both.client_error == std::error_code(reason, tls::verify_category()));
        CHECK(both.server_error == std::error_code(SSL_AD_BAD_CERTIFICATE, tls::alert_category()));  // RFC 9525 6.6
        CHECK_FALSE(both.client.version());
    }
    CHECK(count >= at_least);
}

TEST_CASE("F53 an address is the certificate's own octets, and never a wildcard or a name") { check_rows("F53", 25); }
TEST_CASE("F54 a NUL ends no name, neither the host's nor the certificate's") { check_rows("F54", 8); }
TEST_CASE("F55 a wildcard stands for one whole label, on the left") { check_rows("F55", 40); }
TEST_CASE("F56 a common name names nobody, whatever else the certificate has or has not") { check_rows("F56", 6); }
TEST_CASE("F57 strange hosts are understood or refused, never guessed at") { check_rows("F57", 20); }

TEST_CASE("F53 to F57 make up the table of names") {
    CHECK(identity::table().size() >= 60);
    CHECK(std::all_of(identity::table().begin(), identity::table().end(),
                      [](const identity::row& row) { return row.fault >= "F53" && row.fault <= "F57"; }));
}

}  // namespace
