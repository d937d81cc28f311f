// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The rows of docs/python.md for ssl.SSLContext: each counterpart does what Python's member does.

#include "ends.hpp"

#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/key_log.hpp>
#include <tls/session.hpp>

#include <support/engines.hpp>
#include <support/files.hpp>
#include <support/revocation.hpp>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

namespace {

using python::a_client;
using python::a_server;
using python::authority;
using python::ends;
using python::identity_of;
using python::only;
using tls::protocol_version;

const std::error_code none;

std::error_code refused(int reason) { return {reason, tls::verify_category()}; }

// What a client of these options makes of the usual server.
std::error_code outcome(const tls::client_options& client, std::string_view name = "localhost") {
    return tests::engine_handshake(tls::client_context(client), tls::server_context(a_server()), name).client_error;
}
std::error_code outcome(const tls::client_options& client, const tls::credential& server) {
    return tests::engine_handshake(tls::client_context(client), tls::server_context({.identity = server})).client_error;
}

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The system's authorities are loaded once in a process: here they are the test authority.
tls::client_options trusts_the_system() {
    static const tests::temporary_directory directory;
    static const auto file = directory.write("ca.pem", tests::test_pki().authority.certificate_pem());
    static const tests::environment_guard bundle("SSL_CERT_FILE", file.c_str());
    static const tests::environment_guard no_directory("SSL_CERT_DIR", nullptr);
    return {};
}

TEST_CASE("SSLContext.cert_store_stats") {
    const auto& pki = tests::test_pki();
    const auto other = tests::make_authority("Another CA");
    const auto two = tls::trust_store::from_pem(pki.authority.certificate_pem() + other.certificate_pem());
    const auto lists = tls::trust_store::revocation_lists_from_pem(tests::revoke(pki.authority).pem());
    CHECK((two + lists).size() == 2);
    CHECK((two + lists).revocation_list_count() == 1);
    CHECK(tls::trust_store().size() == 0);
}

TEST_CASE("SSLContext.check_hostname") {
    CHECK(outcome(a_client(), "example.test") == none);
    CHECK(outcome(a_client(), "other.test") == refused(X509_V_ERR_HOSTNAME_MISMATCH));
    CHECK(outcome(a_client(), "127.0.0.2") == refused(X509_V_ERR_IP_ADDRESS_MISMATCH));
    auto unchecked = a_client();
    unchecked.verification = tls::verify_mode::dangerously_chain_only;
    CHECK(outcome(unchecked, "other.test") == none);
    // "check_hostname requires server_hostname", says Python.
    std::error_code ec;
    CHECK_FALSE(tls::engine::create(tls::client_context(a_client()), "", ec));
    CHECK(ec == tls::errc::server_name_required);
}

TEST_CASE("SSLContext.get_ciphers") {
    auto options = only(protocol_version::tls1_2, a_client());
    options.cipher_list = {tls::cipher_suite::ecdhe_ecdsa_aes256_gcm_sha384, tls::cipher_suite::ecdhe_ecdsa_aes128_gcm_sha256};
    const ends two(options, a_server());
    REQUIRE(two.good());
    std::vector<std::string_view> offered;
    for (const auto& cipher : two.client.shared_ciphers()) offered.push_back(cipher.name);
    CHECK(offered == std::vector<std::string_view>{"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"});
}

TEST_CASE("SSLContext.hostname_checks_common_name") {
    const auto& pki = tests::test_pki();
    const auto named =
        tests::issue_certificate({.common_name = "localhost", .extended_key_usage = "serverAuth"}, &pki.authority);
    CHECK(outcome(a_client(), identity_of(named)) == refused(X509_V_ERR_HOSTNAME_MISMATCH));
}

TEST_CASE("SSLContext.keylog_filename") {
    const tests::temporary_directory directory;
    const auto path = directory / "keys";
    CHECK_FALSE(a_client().keys);
    auto options = only(protocol_version::tls1_2, a_client());
    options.keys = tls::key_log::to_file(path);
    REQUIRE(ends(options, a_server()).good());
    CHECK(contents(path).starts_with("CLIENT_RANDOM "));
    auto server = only(protocol_version::tls1_3, a_server());
    server.keys = options.keys;
    REQUIRE(ends(a_client(), server).good());
    for (const char* label : {"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
                              "CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 ", "EXPORTER_SECRET "}) {
        CHECK(contents(path).find(std::string("\n") + label) != std::string::npos);
    }
}

TEST_CASE("SSLContext.load_cert_chain") {
    const auto& pki = tests::test_pki();
    const tests::temporary_directory directory;
    const auto chain = directory.write("server.pem", pki.server.certificate_pem());
    const auto key = directory.write("server.key", pki.server.key_pem());
    const auto both = directory.write("both.pem", pki.server.certificate_pem() + pki.server.key_pem());
    std::string secret = "secret";
    const auto encrypted = directory.write("encrypted.key", demo::text_of([&](BIO* into) {
                                               return ::PEM_write_bio_PKCS8PrivateKey(
                                                   into, pki.server.key.get(), ::EVP_aes_256_cbc(), secret.data(),
                                                   static_cast<int>(secret.size()), nullptr, nullptr);
                                           }));
    CHECK(outcome(a_client(), tls::credential::from_files(chain, key)) == none);
    CHECK(outcome(a_client(), tls::credential::from_files(both, both)) == none);
    CHECK(outcome(a_client(), tls::credential::from_files(chain, encrypted, "secret")) == none);
    int asked = 0;
    const auto ask = [&asked] { return ++asked, std::string("secret"); };
    CHECK(outcome(a_client(), tls::credential::from_files(chain, encrypted, ask)) == none);
    CHECK(asked == 1);
    std::error_code ec;
    CHECK_FALSE(tls::credential::from_files(chain, encrypted, "wrong", ec));
    CHECK(ec == tls::errc::invalid_private_key);
    CHECK_FALSE(tls::credential::from_files(chain, directory.write("other.key", pki.client.key_pem()), ec));
    CHECK(ec == tls::errc::key_mismatch);
    CHECK_FALSE(tls::credential::from_files(directory / "absent", key, ec));
    CHECK(ec == std::errc::no_such_file_or_directory);
}

TEST_CASE("SSLContext.load_default_certs") {
    const auto options = trusts_the_system();
    CHECK(outcome(options) == none);
    CHECK(options.trust.size() == 1);
}

TEST_CASE("SSLContext.set_default_verify_paths") {
    CHECK(trusts_the_system().trust);
    CHECK(outcome(trusts_the_system()) == none);
    const auto stranger = tests::make_authority("Another CA");
    const auto unknown = tests::make_leaf({"localhost"}, &stranger);
    CHECK(outcome(trusts_the_system(), identity_of(unknown)) == refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
}

TEST_CASE("SSLContext.load_verify_locations") {
    const auto& pki = tests::test_pki();
    const std::string pem = pki.authority.certificate_pem();
    const auto der = tls::certificate::from_pem(pem).der();
    const tests::temporary_directory directory;
    const auto file = directory.write("ca.pem", pem);
    const auto trusting = [](tls::trust_store trust) { return outcome({.trust = std::move(trust)}); };
    CHECK(trusting(tls::trust_store::from_file(file)) == none);                   // cafile
    CHECK(trusting(tls::trust_store::from_directory(directory.path())) == none);  // capath
    CHECK(trusting(tls::trust_store::from_pem(pem)) == none);                     // cadata, text
    CHECK(trusting(tls::trust_store::from_der(der)) == none);                     // cadata, bytes
    // Called twice, Python adds.
    const auto another = tls::trust_store::from_pem(tests::make_authority("Another CA").certificate_pem());
    CHECK(trusting(another) == refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
    CHECK(trusting(another + tls::trust_store::from_der(der)) == none);
    std::error_code ec;
    CHECK_FALSE(tls::trust_store::from_file(directory / "absent", ec));
    CHECK(ec == std::errc::no_such_file_or_directory);
    CHECK_FALSE(tls::trust_store::from_pem("", ec));
    CHECK(ec == tls::errc::invalid_trust);
}

TEST_CASE("SSLContext.maximum_version") {
    auto options = a_client();
    CHECK(options.max_version == protocol_version::tls1_3);
    CHECK(ends(options, a_server()).client.version() == protocol_version::tls1_3);
    options.max_version = protocol_version::tls1_2;
    CHECK(ends(options, a_server()).client.version() == protocol_version::tls1_2);
}

TEST_CASE("SSLContext.minimum_version") {
    auto options = a_client();
    CHECK(options.min_version == protocol_version::tls1_2);
    options.min_version = protocol_version::tls1_3;
    CHECK(ends(options, a_server()).good());
    const ends apart(options, only(protocol_version::tls1_2, a_server()));
    CHECK(apart.client_error == std::error_code(SSL_AD_PROTOCOL_VERSION, tls::alert_category()));
    CHECK(apart.server_error.category() == tls::ssl_category());
}

TEST_CASE("SSLContext.num_tickets") {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
        auto client = only(protocol_version::tls1_3, a_client());
        std::size_t came = 0;
        client.on_session = [&came](const tls::session&) { ++came; };
        auto server = a_server();
        CHECK(server.tickets.count == 2);
        server.tickets.count = count;
        ends two(client, server);
        REQUIRE(two.good());
        CHECK(ends::say(two.server, two.client) == "word");
        CHECK(came == count);
    }
}

TEST_CASE("SSLContext.options") {
    // OP_NO_COMPRESSION and OP_NO_RENEGOTIATION: always.
    ends two(only(protocol_version::tls1_2, a_client()), a_server());
    REQUIRE(two.good());
    CHECK_FALSE(two.client.compression());
    CHECK(::SSL_renegotiate(two.client.native_handle()) != 1);
    ::ERR_clear_error();
    // OP_NO_TICKET.
    auto server = only(protocol_version::tls1_2, a_server());
    server.tickets.count = 0;
    auto client = a_client();
    client.keep_session = true;
    CHECK_FALSE(ends(client, server).client.session());
    CHECK(ends(client, only(protocol_version::tls1_2, a_server())).client.session());
    // OP_IGNORE_UNEXPECTED_EOF: never.
    two.server.abort();
    std::error_code ec;
    std::string some(10, '\0');
    CHECK(two.client.read_some(some, ec) == 0);
    CHECK(ec == tls::errc::truncated);
}

TEST_CASE("SSLContext.protocol") {
    // PROTOCOL_TLS_CLIENT verifies, PROTOCOL_TLS_SERVER does not ask; each is a type, so that none is taken for the other.
    static_assert(std::is_same_v<tls::client_context, tls::context<tls::role::client>>);
    static_assert(std::is_same_v<tls::server_context, tls::context<tls::role::server>>);
    static_assert(!std::is_convertible_v<tls::client_context, tls::server_context>);
    static_assert(!std::is_constructible_v<python::stream, tls::tcp_socket, const tls::client_context&>);
    CHECK(tls::client_options().verification == tls::verify_mode::full);
    CHECK(a_server().authentication == tls::client_auth::none);
    CHECK(ends().good());
}

TEST_CASE("SSLContext.security_level") {
    const auto& pki = tests::test_pki();
    const auto leaf = [&](int bits, const EVP_MD* digest) {
        return identity_of(tests::issue_certificate(
            {.dns_names = {"localhost"}, .extended_key_usage = "serverAuth", .key = tests::new_rsa_key(bits), .digest = digest},
            &pki.authority));
    };
    CHECK(outcome(a_client(), leaf(2048, ::EVP_sha256())) == none);
    CHECK(outcome(a_client(), leaf(1024, ::EVP_sha256())) == tls::errc::weak_key);
    CHECK(outcome(a_client(), leaf(2048, ::EVP_sha1())) == tls::errc::weak_signature);
}

TEST_CASE("SSLContext.set_alpn_protocols") {
    auto client = a_client();
    auto server = a_server();
    client.alpn = {"spdy/2", "http/1.1", "h2"};
    server.alpn = {"h2", "http/1.1"};
    CHECK(ends(client, server).client.alpn() == "h2");  // the server's preference, as Python has it
    server.alpn.clear();
    CHECK(ends(client, server).client.alpn().empty());
    // Python goes on without one; RFC 7301 3.2 has the server refuse.
    server.alpn = {"imap"};
    CHECK(ends(client, server).client_error == std::error_code(SSL_AD_NO_APPLICATION_PROTOCOL, tls::alert_category()));
    client.alpn = {""};
    std::error_code ec;
    CHECK_FALSE(tls::client_context::create(client, ec));
    CHECK(ec == tls::errc::invalid_alpn);
}

TEST_CASE("SSLContext.set_ciphers") {
    auto client = only(protocol_version::tls1_2, a_client());
    client.tls1_2_ciphers = "ECDHE+CHACHA20";
    const auto chosen = ends(client, a_server()).client.cipher();
    REQUIRE(chosen);
    CHECK(chosen->name == "ECDHE-ECDSA-CHACHA20-POLY1305");
    client.tls1_2_ciphers.clear();
    client.cipher_list = {tls::cipher_suite::ecdhe_ecdsa_aes256_gcm_sha384};
    CHECK(ends(client, a_server()).client.cipher()->name == "ECDHE-ECDSA-AES256-GCM-SHA384");
    // "No cipher can be selected.", says Python.
    client.cipher_list.clear();
    client.tls1_2_ciphers = "no such cipher";
    std::error_code ec;
    CHECK_FALSE(tls::client_context::create(client, ec));
    CHECK(ec == tls::errc::invalid_ciphers);
}

TEST_CASE("SSLContext.set_ecdh_curve") {
    auto server = a_server();
    server.group_list = {tls::group::secp384r1};
    CHECK(ends(a_client(), server).client.group() == "P-384");
    server.group_list.clear();
    server.groups = "P-256";
    CHECK(ends(a_client(), server).client.group() == "P-256");
    server.groups = "no such curve";
    std::error_code ec;
    CHECK_FALSE(tls::server_context::create(server, ec));
    CHECK(ec == tls::errc::invalid_groups);
}

TEST_CASE("SSLContext.set_servername_callback") {
    auto server = a_server();
    const auto other = identity_of(tests::make_leaf({"other.test"}, &tests::test_pki().authority));
    server.hosts = {{.names = {"other.test"}, .identities = {other}}};
    const auto leaf = [&](std::string_view name) { return ends(a_client(), server, name).client.peer_certificate(); };
    CHECK(leaf("other.test") == other.leaf());
    CHECK(leaf("localhost") == server.identity.leaf());
    CHECK(leaf("127.0.0.1") == server.identity.leaf());  // no name was sent
}

TEST_CASE("SSLContext.sni_callback") {
    const auto other = identity_of(tests::make_leaf({"other.test"}, &tests::test_pki().authority));
    auto server = a_server();
    std::vector<std::string> seen;
    server.select_identity = [&](const tls::identity_request& request) {
        const auto& name = request.hello().server_name;
        seen.push_back(name);
        if (name == "other.test") request.use(other);  // ssl_socket.context = ...
        else if (name == "example.test")
            request.refuse(tls::alert::access_denied);  // return ssl.ALERT_DESCRIPTION_ACCESS_DENIED
        else request.use_default();                     // return None
    };
    CHECK(ends(a_client(), server, "other.test").client.peer_certificate() == other.leaf());
    CHECK(ends(a_client(), server, "localhost").client.peer_certificate() == server.identity.leaf());
    CHECK(ends(a_client(), server, "::1").client.peer_certificate() == server.identity.leaf());
    const ends refused(a_client(), server, "example.test");
    CHECK(refused.client_error == std::error_code(SSL_AD_ACCESS_DENIED, tls::alert_category()));
    CHECK(refused.server_error == tls::errc::identity_refused);
    CHECK(seen == std::vector<std::string>{"other.test", "localhost", "", "example.test"});
}

TEST_CASE("SSLContext.verify_flags") {
    const auto& pki = tests::test_pki();
    const auto lists =
        tls::trust_store::revocation_lists_from_pem(tests::revoke(pki.authority, {.revoked = {&pki.server}}).pem());
    auto options = a_client();
    options.trust += lists;
    options.revocation = tls::revocation_check::none;
    CHECK(outcome(options) == none);
    options.revocation = tls::revocation_check::leaf;  // VERIFY_CRL_CHECK_LEAF
    CHECK(outcome(options) == refused(X509_V_ERR_CERT_REVOKED));
    options.revocation = tls::revocation_check::chain;  // VERIFY_CRL_CHECK_CHAIN
    CHECK(outcome(options) == refused(X509_V_ERR_CERT_REVOKED));
    // VERIFY_X509_PARTIAL_CHAIN is off: an authority that is not a root is no end of a chain.
    const auto middle = tests::make_authority("Middle CA", &pki.authority);
    const auto leaf = identity_of(tests::make_leaf({"localhost"}, &middle));
    CHECK(outcome({.trust = tls::trust_store::from_pem(middle.certificate_pem())}, leaf) ==
          refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT));
}

TEST_CASE("SSLContext.verify_mode") {
    const auto& pki = tests::test_pki();
    const auto stranger = tests::make_authority("Another CA");
    const auto unknown = identity_of(tests::make_leaf({"localhost"}, &stranger));
    // A client's: CERT_REQUIRED, CERT_NONE.
    CHECK(outcome(a_client(), unknown) == refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
    CHECK(outcome({.verification = tls::verify_mode::dangerously_none}, unknown) == none);
    // A server's: CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED.
    const auto server = [&](tls::client_auth asking, const std::optional<tls::credential>& client) {
        auto options = a_client();
        options.identity = client;
        auto serving = a_server();
        serving.authentication = asking;
        serving.trust = authority();
        return tests::engine_handshake(tls::client_context(options), tls::server_context(serving)).server_error;
    };
    const auto client = identity_of(pki.client);
    using tls::client_auth;
    CHECK(server(client_auth::none, unknown) == none);
    CHECK(server(client_auth::optional, std::nullopt) == none);
    CHECK(server(client_auth::optional, client) == none);
    CHECK(server(client_auth::optional, unknown).category() == tls::verify_category());
    CHECK(server(client_auth::required, client) == none);
    CHECK(server(client_auth::required, std::nullopt).category() == tls::ssl_category());
}

TEST_CASE("SSLContext.wrap_bio") {
    const tests::engine_handshake two{tls::client_context(a_client()), tls::server_context(a_server())};
    CHECK(two.complete());
    CHECK(two.client.version() == two.server.version());
}

TEST_CASE("SSLContext.wrap_socket") {
    ends two;
    REQUIRE(two.good());
    CHECK(ends::say(two.client, two.server, "to the server") == "to the server");
    CHECK(ends::say(two.server, two.client, "to the client") == "to the client");
}

}  // namespace
