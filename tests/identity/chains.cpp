// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chains of certificates that must not be trusted, each for a reason of its own, and chains that are too much.

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/trust.hpp>

#include <support/engines.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using tests::certificate_options;
using tests::issue_certificate;
using tests::issued;

const std::error_code none;

std::error_code refused(int reason) { return {reason, tls::verify_category()}; }
std::error_code alert(int number) { return {number, tls::alert_category()}; }

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// A trusted authority with an RSA key, because with RSA everything weak can be had.
const issued& root() {
    static const issued made = issue_certificate({.common_name = "Root", .authority = true, .key = tests::new_rsa_key()});
    return made;
}

certificate_options authority(std::string name = "Middle") { return {.common_name = std::move(name), .authority = true}; }
certificate_options leaf() { return {.common_name = "Leaf", .dns_names = {"localhost"}, .extended_key_usage = "serverAuth"}; }

// What a server sends.
struct sent {
    std::string chain_pem;
    std::string key_pem;
};
sent alone(const issued& one) { return {one.certificate_pem(), one.key_pem()}; }
sent below_root(certificate_options options) { return alone(issue_certificate(std::move(options), &root())); }
sent below(const issued& issuer, certificate_options options = leaf()) {
    const issued one = issue_certificate(std::move(options), &issuer);
    return {one.certificate_pem() + issuer.certificate_pem(), one.key_pem()};
}
sent below_middle(certificate_options middle, certificate_options options = leaf()) {
    return below(issue_certificate(std::move(middle), &root()), std::move(options));
}

// What both sides say to it. The client is one for localhost that trusts the root, and `more` if that is not empty.
struct verdict {
    std::error_code client;
    std::error_code server;
};
verdict judge(const sent& what, tls::protocol_version version, const std::string& more = {}) {
    const tls::client_context client(
        {.trust = tls::trust_store::from_pem(root().certificate_pem() + more), .min_version = version, .max_version = version});
    const tls::server_context server({.identity = tls::credential::from_pem(what.chain_pem, what.key_pem)});
    const tests::engine_handshake both(client, server);
    CHECK(tests::queue_is_empty());
    CHECK(both.complete() == (!both.client_error && !both.server_error));
    CHECK((!both.client_error || !both.client.version()));
    return {both.client_error, both.server_error};
}

// A chain with one thing wrong, and what that is called.
struct fault {
    std::string_view what;
    std::function<sent()> make;
    int reason;
    int alert;  // RFC 8446 6.2
};
void check_refused(const std::vector<fault>& faults) {
    const auto version = any_version();
    for (const fault& wrong : faults) {
        CAPTURE(wrong.what);
        const verdict told = judge(wrong.make(), version);
        CHECK(told.client == refused(wrong.reason));
        CHECK(told.server == alert(wrong.alert));
    }
}
void check_accepted(const sent& what) {
    for (const auto version : tests::versions) {
        const verdict told = judge(what, version);
        CHECK(told.client == none);
        CHECK(told.server == none);
    }
}

TEST_CASE("F51 a certificate out of its time is refused, and it says on which side") {
    const auto expired = [](certificate_options options) {
        options.begins_in_days = -30;
        options.ends_in_days = -1;
        return options;
    };
    const auto early = [](certificate_options options) {
        options.begins_in_days = 1;
        return options;
    };
    check_refused({
        {"an expired leaf", [&] { return below_root(expired(leaf())); }, X509_V_ERR_CERT_HAS_EXPIRED,
         SSL_AD_CERTIFICATE_EXPIRED},
        {"an expired authority", [&] { return below_middle(expired(authority())); }, X509_V_ERR_CERT_HAS_EXPIRED,
         SSL_AD_CERTIFICATE_EXPIRED},
        {"a leaf before its time", [&] { return below_root(early(leaf())); }, X509_V_ERR_CERT_NOT_YET_VALID,
         SSL_AD_CERTIFICATE_EXPIRED},
        {"an authority before its time", [&] { return below_middle(early(authority())); }, X509_V_ERR_CERT_NOT_YET_VALID,
         SSL_AD_CERTIFICATE_EXPIRED},
    });
    check_accepted(below_middle(authority()));
}

TEST_CASE("F51 a trusted root out of its time is none") {
    const auto version = any_version();
    auto options = authority("Old Root");
    options.begins_in_days = -30;
    options.ends_in_days = -1;
    const issued old = issue_certificate(std::move(options));
    const issued one = issue_certificate(leaf(), &old);
    CHECK(judge(alone(one), version, old.certificate_pem()).client == refused(X509_V_ERR_CERT_HAS_EXPIRED));
}

TEST_CASE("F52 a chain that does not lead to a trusted authority is refused, and it says where it ends") {
    const issued stranger = issue_certificate(authority("Stranger"));
    const auto self_signed =
        [] {  // as people make them: nothing is said of the key's usage, which would forbid it to sign itself
            auto options = leaf();
            options.authority = true;
            options.before_signing = [](X509* x509) { tests::remove_extension(x509, NID_key_usage); };
            return alone(issue_certificate(std::move(options)));
        };
    const auto impostor = [] {  // its issuer is named as the trusted one is, but has another key
        const issued other = issue_certificate(authority("Root"));
        return alone(issue_certificate(leaf(), &other));
    };
    check_refused({
        {"a leaf that signed itself", self_signed, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, SSL_AD_UNKNOWN_CA},
        {"an unknown root", [&] { return below(stranger); }, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, SSL_AD_UNKNOWN_CA},
        {"an unknown root that was not sent", [&] { return alone(issue_certificate(leaf(), &stranger)); },
         X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, SSL_AD_UNKNOWN_CA},
        {"a missing intermediate",
         [] {
             const issued middle = issue_certificate(authority(), &root());
             return alone(issue_certificate(leaf(), &middle));
         },
         X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, SSL_AD_UNKNOWN_CA},
        {"a namesake of the root", impostor, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, SSL_AD_UNKNOWN_CA},
    });
}

TEST_CASE("F59 who may not issue, or may not serve, is refused") {
    const auto certificate_for = [](std::string usage) {
        auto options = leaf();
        options.extended_key_usage = std::move(usage);
        return options;
    };
    const auto no_authority = [](std::string usage) {
        return certificate_options{.common_name = "No Authority", .key_usage = std::move(usage)};
    };
    const auto path_too_long = [] {
        auto options = authority("Short");
        options.path_length = 0;
        const issued upper = issue_certificate(std::move(options), &root());
        const issued lower = issue_certificate(authority("One Too Many"), &upper);
        sent made = below(lower);
        made.chain_pem += upper.certificate_pem();
        return made;
    };
    // RFC 5280: 4.2.1.12 says what a key is for, 4.2.1.9 who is an authority and how many may follow, 4.2.1.3 whose key may sign
    // certificates.
    check_refused({
        {"a client's certificate", [&] { return below_root(certificate_for("clientAuth")); }, X509_V_ERR_INVALID_PURPOSE,
         SSL_AD_UNSUPPORTED_CERTIFICATE},
        {"a certificate for e-mail", [&] { return below_root(certificate_for("emailProtection")); }, X509_V_ERR_INVALID_PURPOSE,
         SSL_AD_UNSUPPORTED_CERTIFICATE},
        {"an authority for e-mail",
         [&] {
             auto options = authority();
             options.extended_key_usage = "emailProtection";
             return below_middle(std::move(options));
         },
         X509_V_ERR_INVALID_PURPOSE, SSL_AD_UNSUPPORTED_CERTIFICATE},
        {"a server as an authority", [&] { return below_middle(no_authority("digitalSignature")); },
         X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, SSL_AD_UNKNOWN_CA},
        {"CA:false that claims to sign certificates", [&] { return below_middle(no_authority("keyCertSign")); },
         X509_V_ERR_INVALID_CA, SSL_AD_UNKNOWN_CA},
        {"an authority whose key is for lists only",
         [&] {
             auto options = authority();
             options.key_usage = "cRLSign";
             return below_middle(std::move(options));
         },
         X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, SSL_AD_UNKNOWN_CA},
        {"an authority too many", path_too_long, X509_V_ERR_PATH_LENGTH_EXCEEDED, SSL_AD_UNKNOWN_CA},
    });
    check_accepted(below_root(certificate_for("clientAuth,serverAuth")));
    check_accepted(below_root(certificate_for("")));
    auto last = authority();
    last.path_length = 0;
    check_accepted(below_middle(std::move(last)));
}

TEST_CASE("F59 an authority is held to the names that it may give") {
    const auto within = [](std::string constraints, certificate_options options = leaf()) {
        auto middle = authority();
        middle.name_constraints = std::move(constraints);
        return below_middle(std::move(middle), std::move(options));
    };
    const auto also = [](std::string name) {
        auto options = leaf();
        options.dns_names.push_back(std::move(name));
        return options;
    };
    const auto at = [](const char* address) {
        auto options = leaf();
        options.ip_addresses = {tests::octets(address)};
        return options;
    };
    // RFC 5280 4.2.1.10: every name of the certificate must be allowed, not only the one that is asked for.
    check_refused({
        {"not among the permitted", [&] { return within("permitted;DNS:example.test"); }, X509_V_ERR_PERMITTED_VIOLATION,
         SSL_AD_CERTIFICATE_UNKNOWN},
        {"excluded", [&] { return within("excluded;DNS:localhost"); }, X509_V_ERR_EXCLUDED_VIOLATION,
         SSL_AD_CERTIFICATE_UNKNOWN},
        {"one of two names not permitted", [&] { return within("permitted;DNS:localhost", also("example.test")); },
         X509_V_ERR_PERMITTED_VIOLATION, SSL_AD_CERTIFICATE_UNKNOWN},
        {"one of two names excluded", [&] { return within("excluded;DNS:example.test", also("a.example.test")); },
         X509_V_ERR_EXCLUDED_VIOLATION, SSL_AD_CERTIFICATE_UNKNOWN},
        {"a wildcard under what is excluded", [&] { return within("excluded;DNS:example.test", also("*.example.test")); },
         X509_V_ERR_EXCLUDED_VIOLATION, SSL_AD_CERTIFICATE_UNKNOWN},
        // BoringSSL cannot tell, so it believes nobody.
        {"an address under an authority for addresses",
         [&] { return within("permitted;IP:127.0.0.0/255.0.0.0", at("127.0.0.1")); }, X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE,
         SSL_AD_CERTIFICATE_UNKNOWN},
    });
    check_accepted(within("permitted;IP:127.0.0.0/255.0.0.0"));
    check_accepted(within("permitted;DNS:localhost"));
    check_accepted(within("permitted;DNS:localhost,permitted;DNS:example.test", also("a.example.test")));
    check_accepted(within("excluded;DNS:example.test"));
}

// RFC 9325 4.5: RSA keys have at least 2048 bits, and nothing is signed over MD5 or SHA-1.
TEST_CASE("F59 weak keys and weak signatures are refused, wherever they stand in the chain") {
    const auto version = any_version();
    const auto with_rsa = [](certificate_options options, int bits) {
        options.key = tests::new_rsa_key(bits);
        return options;
    };
    const auto with_sha1 = [](certificate_options options) {
        options.digest = ::EVP_sha1();
        return options;
    };
    const auto with_md5 = [](certificate_options options) {
        issued one = issue_certificate(std::move(options), &root());
        tests::sign_with_md5(one.certificate.get(), root().key.get());
        return one;
    };
    const std::vector<std::pair<std::string_view, std::function<sent()>>> weak{
        {"a key of 512 bits", [&] { return below_root(with_rsa(leaf(), 512)); }},
        {"a key of 1024 bits", [&] { return below_root(with_rsa(leaf(), 1024)); }},
        {"an authority's key of 512 bits", [&] { return below_middle(with_rsa(authority(), 512)); }},
        {"an authority's key of 1024 bits", [&] { return below_middle(with_rsa(authority(), 1024)); }},
        {"signed over SHA-1", [&] { return below_root(with_sha1(leaf())); }},
        {"an authority signed over SHA-1", [&] { return below_middle(with_sha1(authority())); }},
        {"signed over MD5", [&] { return alone(with_md5(leaf())); }},
        {"an authority signed over MD5", [&] { return below(with_md5(authority())); }},
    };
    for (const auto& [what, make] : weak) {
        CAPTURE(what);
        const verdict told = judge(make(), version);
        CHECK(told.client);
        CHECK(told.server);
    }
}

TEST_CASE("F59 the weakest keys and signatures that will do") {
    auto options = leaf();
    options.key = tests::new_rsa_key(2048);
    check_accepted(below_root(std::move(options)));
    auto middle = authority();
    middle.key = tests::new_rsa_key(2048);
    check_accepted(below_middle(std::move(middle)));
    // A root is trusted for what it is: nobody looks at its signature.
    auto trusted = authority("SHA-1 Root");
    trusted.digest = ::EVP_sha1();
    const issued old = issue_certificate(std::move(trusted));
    const issued one = issue_certificate(leaf(), &old);
    CHECK(judge(alone(one), any_version(), old.certificate_pem()).client == none);
}

// --- too much ---

TEST_CASE("F63 a chain of 100 certificates is verified, and a longer one is refused") {
    const auto version = any_version();
    const auto of_length = [](std::size_t length) {
        const tests::chain made = tests::make_chain(length, leaf(), root());
        return sent{made.pem(), made.links[0].key_pem()};
    };
    CHECK(judge(of_length(100), version).client == none);
    // Whether it says that the chain is too long, or that it has not found the root so far, depends on BoringSSL.
    const std::error_code longer = judge(of_length(110), version).client;
    CHECK(
        (longer == refused(X509_V_ERR_CERT_CHAIN_TOO_LONG) || longer == refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)));
}

// What a peer sends that is more than SSL_CTX_get_max_cert_list allows: 100 KiB.
tests::chain too_much(bool many, std::string usage) {
    auto options = leaf();
    options.extended_key_usage = std::move(usage);
    if (many) return tests::make_chain(1000, std::move(options), tests::test_pki().authority);
    for (int i = 0; i < 8000; ++i) options.dns_names.push_back("name-" + std::to_string(100'000 + i) + ".example.test");
    return tests::make_chain(1, std::move(options), tests::test_pki().authority);
}

TEST_CASE("F63 a Certificate message beyond the limit is refused before it has come") {
    const auto version = any_version();
    const auto role = GENERATE(tls::role::client, tls::role::server);  // of the library
    const bool many = GENERATE(true, false);                           // a chain of 1000, or one certificate of 200 kB
    CAPTURE(version, role, many);
    const bool from_server = role == tls::role::client;
    const tests::chain chain = too_much(many, from_server ? "serverAuth" : "clientAuth");
    auto options = tests::peer_of(version);
    options.certificate = chain.links[0].certificate.get();
    options.key = chain.links[0].key.get();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), from_server ? tls::role::server : tls::role::client, options);
    for (std::size_t i = 1; i < chain.links.size(); ++i) {
        REQUIRE(::SSL_add1_chain_cert(peer.native_handle(), chain.links[i].certificate.get()) == 1);
    }
    net.a().pump([&] { peer.pump(); });
    using memory_stream = tests::session<>::stream_type;
    const auto& server = tests::test_pki().server;
    const tls::server_context asking({.identity = tls::credential::from_pem(server.certificate_pem(), server.key_pem()),
                                      .authentication = tls::client_auth::required,
                                      .trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem())});
    memory_stream stream = from_server ? memory_stream(net.a().socket(), tests::client_of(version), "localhost")
                                       : memory_stream(net.a().socket(), asking);
    std::error_code ec;
    stream.handshake(ec);
    CHECK(ec.category() == tls::ssl_category());
    CHECK(ERR_GET_REASON(static_cast<std::uint32_t>(ec.value())) == SSL_R_EXCESSIVE_MESSAGE_SIZE);
    CHECK_FALSE(stream.version());
    CHECK_FALSE(stream.peer_certificate());
    CHECK(tests::queue_is_empty());
    peer.pump();
    REQUIRE(peer.alerts().size() == 1);
    CHECK(peer.alerts()[0] == SSL_AD_ILLEGAL_PARAMETER);
    CHECK(net.b().bytes_sent() > 200'000);
    CHECK(net.a().bytes_received() < 50'000);  // some records, as far as the message's length
}

}  // namespace
