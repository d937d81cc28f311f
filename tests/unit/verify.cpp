// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Which names are understood. Which certificates answer to them is for tests/identity to tell, by handshakes; here is only that it is
// demanded.

#include <tls/verify.hpp>

#include <support/pki.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
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

TEST_CASE("what require_name demands, X509_verify_cert insists on") {
    CHECK(reason("example.test", {"example.test"}) == X509_V_OK);
    CHECK(reason("a.example.test.", {"*.example.test"}) == X509_V_OK);
    CHECK(reason("example.test", {"other.test"}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("ab.example.test", {"a*.example.test"}) == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("example.test", {}, {}, "example.test") == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(reason("127.0.0.1", {}, {octets("127.0.0.1")}) == X509_V_OK);
    CHECK(reason("127.0.0.1", {"127.0.0.1"}, {octets("127.0.0.2")}) == X509_V_ERR_IP_ADDRESS_MISMATCH);
    CHECK(reason("fe80::1%eth0", {}, {octets("fe80::1")}) == X509_V_OK);
}

}  // namespace
