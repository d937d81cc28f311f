// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Which names are understood, and which certificates answer to them. Each row of the matching tables goes the way that a
// handshake goes: parse_server_name, require_name, X509_verify_cert.

#include <tls/verify.hpp>

#include <support/pki.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using tests::octets;
using tls::detail::parse_server_name;

struct understood {
    tls::detail::server_identity identity;
    tls::detail::failure why;
};

understood parse(std::string_view name) {
    understood result;
    result.identity = tests::with_stale_errors([&] { return parse_server_name(name, result.why); });
    ::ERR_clear_error();
    return result;
}

const tests::issued& authority() {
    static const tests::issued made = tests::make_authority("Name CA");
    return made;
}

// X509_V_OK, or why a certificate with these names is refused as `server`.
int reason(const std::string& server, const std::vector<std::string>& dns_names, const std::vector<std::string>& addresses = {},
           const std::string& common_name = "somebody else") {
    tests::certificate_options options;
    options.common_name = common_name;
    options.dns_names = dns_names;
    options.ip_addresses = addresses;
    const tests::issued leaf = tests::issue_certificate(std::move(options), &authority());
    const bssl::UniquePtr<X509_STORE> store(::X509_STORE_new());
    REQUIRE(::X509_STORE_add_cert(store.get(), authority().certificate.get()) == 1);
    tls::detail::failure why;
    const auto identity = parse_server_name(server, why);
    REQUIRE_FALSE(why);
    return tests::verify_reason(leaf.certificate.get(), store.get(), [&](X509_VERIFY_PARAM* parameters) {
        REQUIRE(tls::detail::require_name(parameters, identity));
    });
}

TEST_CASE("a DNS name is understood as it is, without its trailing dot") {
    for (const auto& [given, name] : std::vector<std::pair<std::string, std::string>>{
             {"example.org", "example.org"},
             {"example.org.", "example.org"},
             {"localhost", "localhost"},
             {"EXAMPLE.Org", "EXAMPLE.Org"},
             {"a", "a"},
             {"xn--bcher-kva.example", "xn--bcher-kva.example"},
             {"_service.example.org", "_service.example.org"},
             {"a-b--c.example", "a-b--c.example"},
             {"1.2.3.4a", "1.2.3.4a"},
             {"4.example", "4.example"},
             {"0x7f.example", "0x7f.example"},
             {"0xyz", "0xyz"},
             {std::string(63, 'a') + ".example", std::string(63, 'a') + ".example"},
         }) {
        CAPTURE(given);
        const auto [identity, why] = parse(given);
        CHECK_FALSE(why);
        CHECK(identity.name == name);
        CHECK_FALSE(identity.is_address);
        CHECK(identity.octet_count == 0);
    }
}

TEST_CASE("F57 names that are none are refused by name") {
    const std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + ".";
    CHECK(parse(longest + std::string(61, 'd')).identity.name.size() == 253);
    CHECK(parse(longest + std::string(61, 'd') + ".").identity.name.size() == 253);

    for (const std::string& given : {
             ""s,
             "."s,
             ".."s,
             ".example.org"s,
             "example..org"s,
             "example.org.."s,
             longest + std::string(62, 'd'),
             std::string(64, 'a') + ".example",
             "exa mple.org"s,
             " example.org"s,
             "example.org\n"s,
             "example.org:443"s,
             "user@example.org"s,
             "https://example.org"s,
             "b\xC3\xBC"
             "cher.example"s,
             "example.org\xE3\x80\x82"s,
             "*.example.org"s,
             "*"s,
             "ex*mple.org"s,
             "127.1"s,
             "2130706433"s,
             "0177.0.0.1"s,
             "127.0.0.1."s,
             "1.2.3.4.5"s,
             "256.0.0.1"s,
             "example.0x7f"s,
             "0x7f000001"s,
             "0x"s,
             "0X7F.1"s,
             "example.123"s,
         }) {
        CAPTURE(given);
        const auto [identity, why] = parse(given);
        CHECK(why.code == tls::errc::invalid_server_name);
        CHECK(why.what.starts_with("server name \""));
        CHECK(identity.name.empty());
        CHECK(std::all_of(why.what.begin(), why.what.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
    }
    CHECK(parse("b\xC3\xBC"
                "cher.example")
              .why.what == "server name \"b\\C3\\BCcher.example\": international names must be in ASCII form (xn--)");
}

TEST_CASE("F54 a NUL in the name that is asked for is refused, not cut off at") {
    for (const std::string& given : {"example.org\0.evil.test"s, "\0"s, "example.org\0"s, "127.0.0.1\0"s,
                                     "127.0.0.1\0.evil.test"s, "::1\0"s, "fe80::1%\0"s}) {
        const auto [identity, why] = parse(given);
        CHECK(why.code == tls::errc::invalid_server_name);
        CHECK(why.what.find("\\00") != std::string::npos);
        CHECK(identity.name.empty());
        CHECK(identity.octet_count == 0);
    }
}

TEST_CASE("F53 an address is understood octet by octet") {
    struct row {
        std::string given;
        std::string name;  // as it is understood; empty: refused
    };
    for (const auto& [given, name] : std::vector<row>{
             {"127.0.0.1", "127.0.0.1"},
             {"255.255.255.255", "255.255.255.255"},
             {"0.0.0.0", "0.0.0.0"},
             {"::1", "::1"},
             {"::", "::"},
             {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
             {"::ffff:127.0.0.1", "::ffff:127.0.0.1"},
             {"fe80::1%eth0", "fe80::1"},
             {"fe80::1%1", "fe80::1"},
             {"fe80::1%", ""},
             {"127.0.0.1%eth0", ""},
             {"%eth0", ""},
             {"[::1]", ""},
             {"[127.0.0.1]", ""},
             {"::1::", ""},
             {"1:2:3:4:5:6:7:8:9", ""},
             {"::g", ""},
             {" ::1", ""},
             {"127.0.0.01", ""},
             {"127.0.0.1 ", ""},
         }) {
        CAPTURE(given);
        const auto [identity, why] = parse(given);
        CHECK(identity.name == name);
        CHECK(identity.is_address == !name.empty());
        if (name.empty()) {
            CHECK(why.code == tls::errc::invalid_server_name);
            continue;
        }
        const std::string expected = octets(name.c_str());
        CHECK(identity.octet_count == expected.size());
        CHECK(std::equal(expected.begin(), expected.end(), identity.octets.begin(),
                         [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; }));
    }
}

TEST_CASE("F53 an address matches the certificate's own octets and nothing else") {
    const std::string v4 = octets("127.0.0.1");
    const std::string v6 = octets("2001:db8::1");
    const std::string mapped = octets("::ffff:127.0.0.1");
    struct row {
        std::string server;
        std::vector<std::string> dns_names;
        std::vector<std::string> addresses;
        bool accepted;
    };
    for (const auto& [server, dns_names, addresses, accepted] : std::vector<row>{
             {"127.0.0.1", {}, {v4}, true},
             {"127.0.0.1", {"localhost"}, {octets("10.0.0.1"), v4}, true},
             {"127.0.0.1", {}, {octets("127.0.0.2")}, false},
             {"127.0.0.1", {}, {mapped}, false},
             {"127.0.0.1", {"127.0.0.1"}, {}, false},  // an address as a DNS name
             {"127.0.0.1", {"*.0.0.1"}, {}, false},    // never a wildcard
             {"127.0.0.1", {"*"}, {}, false},
             {"127.0.0.1", {}, {}, false},
             {"127.0.0.1", {}, {"127.0.0.1"s}, false},              // its text in place of its octets
             {"127.0.0.1", {}, {v4 + "\0"s}, false},                // five octets
             {"127.0.0.1", {}, {v4 + "\xFF\xFF\xFF\xFF"s}, false},  // with a mask, as in name constraints
             {"2001:db8::1", {}, {v6}, true},
             {"2001:DB8:0::0:1", {}, {v6}, true},
             {"2001:db8::2", {}, {v6}, false},
             {"fe80::1%eth0", {}, {octets("fe80::1")}, true},
             {"fe80::1%eth0", {}, {octets("fe80::2")}, false},
             {"::ffff:127.0.0.1", {}, {mapped}, true},
             {"::ffff:127.0.0.1", {}, {v4}, false},
             {"::1", {"::1"}, {}, false},
             {"::1", {}, {octets("::1")}, true},
         }) {
        CAPTURE(server, dns_names, addresses.size());
        CHECK(reason(server, dns_names, addresses) == (accepted ? X509_V_OK : X509_V_ERR_IP_ADDRESS_MISMATCH));
    }
}

TEST_CASE("F55 wildcards stand for one whole label, on the left") {
    struct row {
        std::string server;
        std::string pattern;
        bool accepted;
    };
    for (const auto& [server, pattern, accepted] : std::vector<row>{
             {"example.test", "example.test", true},
             {"EXAMPLE.test", "example.TEST", true},
             {"example.test.", "example.test", true},
             {"example.test", "example.test.", false},
             {"example.test", "example.tes", false},
             {"example.tes", "example.test", false},
             {"xexample.test", "example.test", false},
             {"a.example.test", "example.test", false},
             {"a.example.test", ".example.test", false},
             {"localhost", "localhost", true},
             {"_a.example.test", "_a.example.test", true},
             {"a.example.test", "*.example.test", true},
             {"A.Example.Test", "*.example.test", true},
             {"a.example.test.", "*.example.test", true},
             {"a-b.example.test", "*.example.test", true},
             {"123.example.test", "*.example.test", true},
             {"xn--bcher-kva.example.test", "*.example.test", true},
             {"a.xn--bcher-kva.test", "*.xn--bcher-kva.test", true},
             {"a.b.c.d.test", "*.b.c.d.test", true},
             {"a.co.uk", "*.co.uk", true},  // public suffixes are no concern of TLS
             {"example.test", "*.example.test", false},
             {"a.b.example.test", "*.example.test", false},
             {"a.example.tes", "*.example.test", false},
             {"a.xexample.test", "*.example.test", false},
             {"test", "*", false},
             {"a.test", "*", false},
             {"a.test", "*.", false},
             {"a.test", "*.*", false},
             {"ab.example.test", "a*.example.test", false},
             {"ba.example.test", "*a.example.test", false},
             {"axb.example.test", "a*b.example.test", false},
             {"a.example.test", "a*.example.test", false},
             {"ab.example.test", "**.example.test", false},
             {"xexample.test", "*example.test", false},
             {"a.b.example.test", "*.*.example.test", false},
             {"a.b.example.test", "a.*.example.test", false},
             {"a.example.test", "a.example.*", false},
             {"a.b.test", "a.*.test", false},
             {"xn--a.example.test", "xn--*.example.test", false},
             {"xn--bcher-kva.test", "xn--b*.test", false},
             {"a.example.test", "*.example.test.", false},
             {"a.example.test", "*..example.test", false},
             {"a.example.test", " *.example.test", false},
             {"a.example.test", "a.example.test b.test", false},
             // BoringSSL is stricter than RFC 9525 here: it wants two labels behind a wildcard ...
             {"a.test", "*.test", false},
             {"example.com", "*.com", false},
             {"a.localhost", "*.localhost", false},
             // ... and no underscore in what it stands for, or behind it.
             {"_a.example.test", "*.example.test", false},
             {"x.a_b.test", "*.a_b.test", false},
         }) {
        CAPTURE(server, pattern);
        CHECK(reason(server, {pattern}) == (accepted ? X509_V_OK : X509_V_ERR_HOSTNAME_MISMATCH));
    }
}

TEST_CASE("F55 any of several names will do, and addresses do not help") {
    CHECK(reason("b.test", {"a.test", "b.test", "c.test"}) == X509_V_OK);
    CHECK(reason("d.test", {"a.test", "b.test", "c.test"}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("a.test", {}, {octets("127.0.0.1")}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("a.test", {}, {"a.test"s}) == X509_V_ERR_HOSTNAME_MISMATCH);
}

TEST_CASE("F54 a NUL in the certificate's name ends nothing") {
    CHECK(reason("example.test", {"example.test\0.evil.test"s}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("example.test", {"example.test\0"s}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("example.test", {"\0example.test"s}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("a.example.test", {"*\0.example.test"s}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("example.test", {""s}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("example.test", {"other.test\0"s, "example.test"s}) == X509_V_OK);
}

TEST_CASE("F56 common name only is rejected") {
    CHECK(reason("example.test", {}, {}, "example.test") == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("a.example.test", {}, {}, "*.example.test") == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("127.0.0.1", {}, {}, "127.0.0.1") == X509_V_ERR_IP_ADDRESS_MISMATCH);
    CHECK(reason("example.test", {"other.test"}, {}, "example.test") == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("example.test", {}, {octets("127.0.0.1")}, "example.test") == X509_V_ERR_HOSTNAME_MISMATCH);
}

}  // namespace
