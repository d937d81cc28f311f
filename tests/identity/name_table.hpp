// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Which hosts a certificate's names are good for: the one table that the library, openssl and Python are held against.

#ifndef TLS_STREAM_TESTS_IDENTITY_NAME_TABLE_HPP
#define TLS_STREAM_TESTS_IDENTITY_NAME_TABLE_HPP

#include <support/pki.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace identity {

// What the library says to a host and a certificate.
enum class answer : unsigned char {
    accepted,
    refused,  // the certificate is for somebody else
    no_name,  // the host is none, and no connection is made
};

// Who answers otherwise: accepts what the library does not, or the other way round. `decided_by` is then the reason to differ.
enum class dissent : unsigned char { none, openssl, python, both };

// What a certificate says. Addresses are in octets.
struct names {
    std::vector<std::string> dns{};
    std::vector<std::string> addresses{};
    std::vector<std::string> emails{};
    std::vector<std::string> uris{};
    std::string common_name = "somebody else";
};

struct row {
    std::string_view fault;  // of the list of faults
    std::string host;
    names certificate;
    answer ours;
    std::string_view decided_by;  // an RFC and its section
    dissent others = dissent::none;
};

// A certificate with these names, by that authority.
[[nodiscard]] inline tests::issued issue(const names& from, const tests::issued& authority) {
    return tests::issue_certificate({.common_name = from.common_name,
                                     .dns_names = from.dns,
                                     .ip_addresses = from.addresses,
                                     .emails = from.emails,
                                     .uris = from.uris,
                                     .extended_key_usage = "serverAuth"},
                                    &authority);
}

[[nodiscard]] inline std::vector<row> make_table() {
    using namespace std::string_literals;
    using enum answer;
    const auto dns = [](auto... name) { return names{.dns = {std::string(name)...}}; };
    const auto raw_ip = [](std::string octets) { return names{.addresses = {std::move(octets)}}; };
    const auto ip = [](auto... address) { return names{.addresses = {tests::octets(address)...}}; };
    const auto common = [](std::string name) { return names{.common_name = std::move(name)}; };
    const std::string v4 = tests::octets("127.0.0.1");
    const std::string label(63, 'a');
    const std::string long_253 = label + "." + label + "." + label + "." + std::string(61, 'a');
    const std::string u_label =
        "b\xC3\xBC"
        "cher.example.test";
    const std::string a_label = "xn--bcher-kva.example.test";

    // How a DNS name is written: RFC 1034 3.5, RFC 1123 2.1, and their length RFC 1035 2.3.4. RFC 9525 2 takes no other names, and no
    // common name; 6.3 compares labels and says what a wildcard is, 6.4 compares addresses, 6.2 sorts out the other kinds. RFC 5280
    // 4.2.1.6 says how names stand in a certificate, RFC 6066 3 that a host's trailing dot is not sent.
    constexpr std::string_view labels = "RFC 9525 6.3";
    constexpr std::string_view octets = "RFC 9525 6.4";
    constexpr std::string_view no_common_name = "RFC 9525 2";
    constexpr std::string_view kinds = "RFC 9525 6.2";
    constexpr std::string_view in_certificates = "RFC 5280 4.2.1.6";
    constexpr std::string_view syntax = "RFC 1123 2.1";
    constexpr std::string_view trailing_dot = "RFC 6066 3";
    // What RFC 9525 leaves to others, and BoringSSL is strict about: there are two labels behind a wildcard, and no underscore near it.
    constexpr std::string_view stricter = "RFC 9525 7.1";

    return {
        // --- addresses ---
        {"F53", "127.0.0.1", ip("127.0.0.1"), accepted, octets},
        {"F53", "127.0.0.1", ip("10.0.0.1", "127.0.0.1"), accepted, octets},
        {"F53", "127.0.0.1", {.dns = {"localhost"}, .addresses = {v4}}, accepted, octets},
        {"F53", "127.0.0.1", {}, refused, octets},
        {"F53", "127.0.0.1", ip("127.0.0.2"), refused, octets},
        {"F53", "127.0.0.1", ip("::ffff:127.0.0.1"), refused, octets},
        {"F53", "127.0.0.1", dns("127.0.0.1"), refused, kinds},
        {"F53", "127.0.0.1", dns("*.0.0.1"), refused, kinds},
        {"F53", "127.0.0.1", dns("*"), refused, kinds},
        {"F53", "127.0.0.1", common("127.0.0.1"), refused, no_common_name},
        {"F53", "127.0.0.1", {.uris = {"https://127.0.0.1/"}}, refused, kinds},
        {"F53", "127.0.0.1", raw_ip("127.0.0.1"), refused, octets},               // its text in place of its octets
        {"F53", "127.0.0.1", raw_ip(v4 + "\0"s), refused, octets},                // five octets
        {"F53", "127.0.0.1", raw_ip(v4 + "\xFF\xFF\xFF\xFF"s), refused, octets},  // with a mask, as in name constraints
        {"F53", "127.0.0.1", raw_ip(""), refused, octets},
        {"F53", "2001:db8::1", ip("2001:db8::1"), accepted, octets},
        {"F53", "2001:DB8:0::0:1", ip("2001:db8::1"), accepted, octets},
        {"F53", "2001:db8::1", ip("2001:db8::2"), refused, octets},
        {"F53", "::1", dns("::1"), refused, kinds},
        {"F53", "::ffff:127.0.0.1", ip("::ffff:127.0.0.1"), accepted, octets},
        {"F53", "::ffff:127.0.0.1", ip("127.0.0.1"), refused, octets},
        {"F53", "fe80::1%eth0", ip("fe80::1"), accepted, "RFC 4007 11.2", dissent::both},  // a zone says which way, not who
        {"F53", "fe80::1%eth0", ip("fe80::2"), refused, octets},
        {"F53", "[::1]", ip("::1"), no_name, "RFC 3986 3.2.2"},  // brackets are the URI's
        {"F53", "[::1]", dns("[::1]"), no_name, "RFC 3986 3.2.2", dissent::both},
        {"F53", "127.0.0.01", ip("127.0.0.1"), no_name, "RFC 6943 3.1.1", dissent::python},
        {"F53", "127.0.0.01", dns("127.0.0.01"), no_name, "RFC 6943 3.1.1", dissent::openssl},
        {"F53", "127.1", ip("127.0.0.1"), no_name, "RFC 6943 3.1.1"},
        {"F53", "127.1", dns("127.1"), no_name, "RFC 6943 3.1.1", dissent::both},
        {"F53", "2130706433", dns("2130706433"), no_name, "RFC 6943 3.1.1", dissent::both},
        {"F53", "0x7f000001", dns("0x7f000001"), no_name, "RFC 6943 3.1.1", dissent::both},
        {"F53", "127.0.0.1.", ip("127.0.0.1"), no_name, syntax},
        {"F53", "256.0.0.1", dns("256.0.0.1"), no_name, syntax, dissent::both},

        // --- NUL ---
        {"F54", "example.test\0.evil.test"s, dns("example.test"), no_name, syntax},
        {"F54", "example.test\0"s, dns("example.test"), no_name, syntax},
        {"F54", "127.0.0.1\0"s, ip("127.0.0.1"), no_name, syntax},
        {"F54", "example.test", dns("example.test\0.evil.test"s), refused, in_certificates},
        {"F54", "example.test", dns("example.test\0"s), refused, in_certificates},
        {"F54", "example.test", dns("\0example.test"s), refused, in_certificates},
        {"F54", "a.example.test", dns("*\0.example.test"s), refused, in_certificates},
        {"F54", "example.test", dns("other.test\0"s, "example.test"), accepted, labels},
        {"F54", "example.test", common("example.test\0.evil.test"s), refused, no_common_name},

        // --- whole names and wildcards ---
        {"F55", "example.test", dns("example.test"), accepted, labels},
        {"F55", "EXAMPLE.test", dns("example.TEST"), accepted, labels},
        {"F55", "localhost", dns("localhost"), accepted, labels},
        {"F55", "b.test", dns("a.test", "b.test", "c.test"), accepted, labels},
        {"F55", "d.test", dns("a.test", "b.test", "c.test"), refused, labels},
        {"F55", "example.test", dns("example.tes"), refused, labels},
        {"F55", "example.tes", dns("example.test"), refused, labels},
        {"F55", "xexample.test", dns("example.test"), refused, labels},
        {"F55", "a.example.test", dns("example.test"), refused, labels},
        {"F55", "a.example.test", dns(".example.test"), refused, labels},
        {"F55", "a.test", ip("127.0.0.1"), refused, kinds},
        {"F55", "a.test", raw_ip("a.test"), refused, kinds},
        {"F55", "a.example.test", dns("*.example.test"), accepted, labels},
        {"F55", "A.Example.Test", dns("*.example.test"), accepted, labels},
        {"F55", "a-b.example.test", dns("*.example.test"), accepted, labels},
        {"F55", "123.example.test", dns("*.example.test"), accepted, labels},
        {"F55", a_label, dns("*.example.test"), accepted, labels},
        {"F55", "a.xn--bcher-kva.test", dns("*.xn--bcher-kva.test"), accepted, labels},
        {"F55", "a.b.c.d.test", dns("*.b.c.d.test"), accepted, labels},
        {"F55", "a.co.uk", dns("*.co.uk"), accepted, labels},  // public suffixes are no concern of TLS
        {"F55", "example.test", dns("*.example.test"), refused, labels},
        {"F55", "a.b.example.test", dns("*.example.test"), refused, labels},
        {"F55", "a.example.tes", dns("*.example.test"), refused, labels},
        {"F55", "a.xexample.test", dns("*.example.test"), refused, labels},
        {"F55", "test", dns("*"), refused, stricter},
        {"F55", "a.test", dns("*"), refused, labels},
        {"F55", "a.test", dns("*."), refused, in_certificates},
        {"F55", "a.test", dns("*.*"), refused, labels},
        {"F55", "ab.example.test", dns("a*.example.test"), refused, labels, dissent::openssl},
        {"F55", "ba.example.test", dns("*a.example.test"), refused, labels, dissent::openssl},
        {"F55", "a.example.test", dns("a*.example.test"), refused, labels, dissent::openssl},
        {"F55", "axb.example.test", dns("a*b.example.test"), refused, labels},
        {"F55", "ab.example.test", dns("**.example.test"), refused, labels},
        {"F55", "xexample.test", dns("*example.test"), refused, labels},
        {"F55", "a.b.example.test", dns("*.*.example.test"), refused, labels},
        {"F55", "a.b.example.test", dns("a.*.example.test"), refused, labels},
        {"F55", "a.example.test", dns("a.example.*"), refused, labels},
        {"F55", "a.b.test", dns("a.*.test"), refused, labels},
        {"F55", "xn--bcher-kva.test", dns("xn--b*.test"), refused, labels},
        {"F55", "xn--a.example.test", dns("xn--*.example.test"), refused, labels},
        {"F55", "a.example.test", dns("*.example.test."), refused, in_certificates},
        {"F55", "a.example.test", dns("*..example.test"), refused, labels},
        {"F55", "a.example.test", dns(" *.example.test"), refused, labels},
        {"F55", "a.example.test", dns("a.example.test b.test"), refused, labels},
        {"F55", "a.test", dns("*.test"), refused, stricter},
        {"F55", "example.com", dns("*.com"), refused, stricter},
        {"F55", "a.localhost", dns("*.localhost"), refused, stricter},
        {"F55", "_a.example.test", dns("*.example.test"), refused, "RFC 1034 3.5"},
        {"F55", "x.a_b.test", dns("*.a_b.test"), refused, "RFC 1034 3.5"},
        {"F55", "*.example.test", dns("*.example.test"), no_name, labels, dissent::both},

        // --- common name only ---
        {"F56", "example.test", common("example.test"), refused, no_common_name, dissent::both},
        {"F56", "a.example.test", common("*.example.test"), refused, no_common_name, dissent::both},
        {"F56", "example.test", {.dns = {"other.test"}, .common_name = "example.test"}, refused, no_common_name},
        {"F56", "example.test", {.addresses = {v4}, .common_name = "example.test"}, refused, no_common_name, dissent::both},
        {"F56",
         "example.test",
         {.emails = {"a@b.test"}, .common_name = "example.test"},
         refused,
         no_common_name,
         dissent::both},
        {"F56",
         "example.test",
         {.uris = {"https://b.test/"}, .common_name = "example.test"},
         refused,
         no_common_name,
         dissent::both},
        {"F56", "example.test", {.uris = {"https://example.test/"}}, refused, kinds},
        {"F56", "example.test", {.emails = {"example.test", "a@example.test"}}, refused, kinds},

        // --- hosts that are strange, or none ---
        {"F57", "", dns("example.test"), no_name, syntax, dissent::openssl},
        {"F57", ".", dns("."), no_name, syntax, dissent::openssl},
        {"F57", "example.test.", dns("example.test"), accepted, trailing_dot, dissent::both},
        {"F57", "a.example.test.", dns("*.example.test"), accepted, trailing_dot, dissent::both},
        {"F57", "example.test", dns("example.test."), refused, in_certificates},
        {"F57", "example.test.", dns("example.test."), refused, in_certificates, dissent::both},
        {"F57", "example.test..", dns("example.test"), no_name, syntax},
        {"F57", ".example.test", dns("a.example.test"), no_name, syntax, dissent::openssl},
        {"F57", "a..example.test", dns("a..example.test"), no_name, syntax, dissent::openssl},
        {"F57", "example.test", dns(""), refused, in_certificates},
        {"F57", "_a.example.test", dns("_a.example.test"), accepted, labels},
        {"F57", "exa mple.test", dns("exa mple.test"), no_name, syntax, dissent::both},
        {"F57", "example.test:443", dns("example.test"), no_name, syntax},
        {"F57", "example.test\n", dns("example.test"), no_name, syntax},
        {"F57", u_label, dns(u_label), no_name, "RFC 9525 6.3", dissent::openssl},
        {"F57", u_label, dns(a_label), no_name, "RFC 5891 5",
         dissent::python},  // whoever asks converts; Python does, by IDNA 2003
        {"F57", a_label, dns(a_label), accepted, labels},
        {"F57", "XN--Bcher-Kva.example.test", dns(a_label), accepted, labels},
        {"F57", a_label, dns(u_label), refused, in_certificates},
        {"F57", label + ".example.test", dns(label + ".example.test"), accepted, "RFC 1035 2.3.4"},
        {"F57", label + "a.example.test", dns(label + "a.example.test"), no_name, "RFC 1035 2.3.4", dissent::openssl},
        {"F57", long_253, dns(long_253), accepted, "RFC 1035 2.3.4"},
        {"F57", long_253 + "a", dns(long_253 + "a"), no_name, "RFC 1035 2.3.4", dissent::both},
    };
}

[[nodiscard]] inline const std::vector<row>& table() {
    static const std::vector<row> made = make_table();
    return made;
}

}  // namespace identity

#endif
