// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Somebody on the way who changes what two that could do better agree on.

#include <tls/context.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>

#include <support/engines.hpp>
#include <support/pki.hpp>
#include <support/session.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <system_error>
#include <vector>

namespace {

using message = std::vector<std::byte>;

std::byte octet(unsigned value) { return static_cast<std::byte>(value); }

// Takes what an engine sends, as somebody on the way has it.
message taken(tls::engine& from) {
    message all(from.output().begin(), from.output().end());
    from.output_sent(all.size());
    return all;
}
void give(tls::engine& to, const message& all) {
    for (std::size_t done = 0; done != all.size();) {
        const auto space = to.input_space();
        const std::size_t n = std::min(space.size(), all.size() - done);
        std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(done), n, space.begin());
        to.input_received(n);
        done += n;
    }
}

// A handshake whose ClientHello was changed on its way. What the client says in the end.
std::error_code outcome(tls::engine& client, tls::engine& server, const std::function<bool(message&)>& change) {
    client.handshake();
    message hello = taken(client);
    REQUIRE(change(hello));
    give(server, hello);
    std::error_code refused;
    bool moved = true;
    while (moved) {
        server.handshake();
        moved = tests::carry(server, client);
        refused = client.handshake().error;
        moved = tests::carry(client, server) || moved;
    }
    return refused;
}

// Makes an extension into one that nobody knows.
bool hide_extension(message& hello, std::uint16_t type, const message& begins_with) {
    message sought{octet(type >> 8U), octet(type & 0xFFU)};
    sought.insert(sought.end(), begins_with.begin(), begins_with.end());
    const auto at = std::search(hello.begin(), hello.end(), sought.begin(), sought.end());
    if (at == hello.end()) return false;
    *at = octet(0xFE);
    return true;
}

TEST_CASE("a downgrade to TLS 1.2 on the way is noticed") {
    const auto& pki = tests::test_pki();
    // The list has 1.3 and 1.2.
    const auto no_versions = [](message& hello) {
        return hide_extension(hello, TLSEXT_TYPE_supported_versions, {octet(0), octet(5), octet(4)});
    };
    tls::engine client{tls::client_context({.trust = tls::trust_store::from_pem(pki.authority.certificate_pem())}),
                       "localhost"};
    tls::engine server{
        tls::server_context({.identity = tls::credential::from_pem(pki.server.certificate_pem(), pki.server.key_pem())})};
    const std::error_code refused = outcome(client, server, no_versions);
    CHECK(refused.category() == tls::ssl_category());
    CHECK(ERR_GET_REASON(static_cast<std::uint32_t>(refused.value())) == SSL_R_TLS13_DOWNGRADE);
    CHECK_FALSE(client.version());
    CHECK_FALSE(server.version());
    // It is the server's being able to do better that counts: with one that is not, 1.2 is what there is.
    tls::engine modest{tests::server_of(tls::protocol_version::tls1_2)};
    tls::engine another{tls::client_context({.trust = tls::trust_store::from_pem(pki.authority.certificate_pem())}),
                        "localhost"};
    const auto unchanged = [](message&) { return true; };
    CHECK_FALSE(outcome(another, modest, unchanged));
    CHECK(another.version() == tls::protocol_version::tls1_2);
}

TEST_CASE("a list of ciphers that was changed on the way is noticed") {
    for (const auto version : tests::versions) {
        const auto other_cipher = [](message& hello) {
            // The record's header, the message's, version, random, the length of the session ID and it, that of the list.
            const std::size_t id = 5 + 4 + 2 + 32;
            const std::size_t ciphers = id + 1 + std::to_integer<std::size_t>(hello[id]) + 2;
            hello[ciphers] ^= octet(0x40);  // the first that the client has becomes one that nobody has
            return true;
        };
        tls::engine client{tests::client_of(version), "localhost"};
        tls::engine server{tests::server_of(version)};
        CHECK(outcome(client, server, other_cipher));
        CHECK_FALSE(client.version());
        CHECK_FALSE(server.version());
    }
}

}  // namespace
