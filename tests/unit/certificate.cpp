// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a certificate says about itself, and that nothing malformed in it passes for something else.

#include <tls/certificate.hpp>

#include <support/pki.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using tests::certificate_options;
using tests::issue_certificate;
using tests::queue_is_empty;
using tests::with_stale_errors;
using tls::certificate;
using tls::errc;
using strings = std::vector<std::string>;

static_assert(std::is_nothrow_default_constructible_v<certificate> && std::is_nothrow_copy_constructible_v<certificate>);
static_assert(std::is_nothrow_move_constructible_v<certificate> && std::is_nothrow_move_assignable_v<certificate>);
static_assert(!std::is_convertible_v<certificate, bool> && !std::is_convertible_v<bssl::UniquePtr<X509>, certificate>);

certificate made_from(certificate_options options) { return certificate(issue_certificate(std::move(options)).certificate); }

certificate made_by(std::function<void(X509*)> change) {
    certificate_options options;
    options.before_signing = std::move(change);
    return made_from(std::move(options));
}

certificate server() { return certificate(bssl::UpRef(tests::test_pki().server.certificate)); }

// The error that `call` throws.
template <class Call>
std::error_code thrown_by(Call&& call) {
    try {
        (void)std::forward<Call>(call)();
    } catch (const tls::error& e) {
        return e.code();
    }
    return {};
}

void add_to_subject(X509* x509, const char* field, int type, std::string_view value) {
    REQUIRE(::X509_NAME_add_entry_by_txt(::X509_get_subject_name(x509), field, type,
                                         reinterpret_cast<const std::uint8_t*>(value.data()), static_cast<int>(value.size()),
                                         -1, 0) == 1);
}

// Adds a subjectAltName whose DER is given byte by byte.
void add_alternative_name(X509* x509, std::string_view der) {
    const bssl::UniquePtr<ASN1_OCTET_STRING> value(::ASN1_OCTET_STRING_new());
    REQUIRE(::ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const std::uint8_t*>(der.data()),
                                    static_cast<int>(der.size())) == 1);
    const bssl::UniquePtr<X509_EXTENSION> extension(
        ::X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, value.get()));
    REQUIRE(extension);
    REQUIRE(::X509_add_ext(x509, extension.get(), -1) == 1);
}

TEST_CASE("a certificate tells its names") {
    const certificate leaf = server();
    REQUIRE(leaf);
    CHECK(leaf.subject() == "CN=localhost");
    CHECK(leaf.issuer() == "CN=Test CA");
    CHECK(leaf.dns_names() == strings{"localhost", "example.test"});
    CHECK(leaf.ip_addresses() == strings{"127.0.0.1", "::1"});

    const certificate authority(bssl::UpRef(tests::test_pki().authority.certificate));
    CHECK(authority.subject() == authority.issuer());
    CHECK(authority.dns_names().empty());
    CHECK(authority.ip_addresses().empty());
    CHECK(queue_is_empty());
}

TEST_CASE("distinguished names are readable, most specific part first, and escaped") {
    CHECK(made_by([](X509* x509) {
              add_to_subject(x509, "C", MBSTRING_ASC, "DE");
              add_to_subject(x509, "O", MBSTRING_UTF8,
                             "B\xC3\xBC"
                             "cher, Gro\xC3\x9F & Co");
              add_to_subject(x509, "CN", MBSTRING_UTF8, "example.test");
          }).subject() ==
          "CN=example.test, O=B\xC3\xBC"
          "cher\\, Gro\xC3\x9F & Co, C=DE");
    CHECK(made_by([](X509* x509) {
              add_to_subject(x509, "CN", MBSTRING_UTF8,
                             "a\nb\x1B[31m\x7F"
                             "c");
          }).subject() == "CN=a\\0Ab\\1B[31m\\7Fc");
    CHECK(made_by([](X509* x509) {
              add_to_subject(x509, "CN", MBSTRING_UTF8,
                             "a\xC2\x9B"
                             "31mb");
          }).subject() == "CN=a\\C2\\9B31mb");
    CHECK(made_by([](X509* x509) { add_to_subject(x509, "CN", MBSTRING_UTF8, "good.test\0.evil.test"s); }).subject() ==
          "CN=good.test\\00.evil.test");
    CHECK(made_by([](X509*) {}).subject().empty());
}

TEST_CASE("F54 a NUL in a DNS name is shown, and so is whatever else does not belong there") {
    certificate_options options;
    options.dns_names = {"good.test\0.evil.test"s, "a\\00b", "tab\there", "\xFF\xFEx"s, "", "*.example.test"};
    CHECK(made_from(std::move(options)).dns_names() ==
          strings{"good.test\\00.evil.test", "a\\5C00b", "tab\\09here", "\\FF\\FEx", "", "*.example.test"});
}

TEST_CASE("an address of a wrong length is shown as its octets") {
    certificate_options options;
    options.ip_addresses = {tests::octets("10.1.2.3"), "\x7F\0\0"s, "\x7F\0\0\1\0"s, "", tests::octets("::ffff:10.1.2.3")};
    CHECK(made_from(std::move(options)).ip_addresses() ==
          strings{"10.1.2.3", "\\7F\\00\\00", "\\7F\\00\\00\\01\\00", "", "::ffff:10.1.2.3"});
}

TEST_CASE("a subjectAltName that cannot be read is an error, not an empty list") {
    const certificate garbage = made_by([](X509* x509) { add_alternative_name(x509, "garbage"); });
    CHECK(thrown_by([&] { return garbage.dns_names(); }) == errc::invalid_certificate);
    CHECK(thrown_by([&] { return garbage.ip_addresses(); }) == errc::invalid_certificate);
    const certificate twice = made_by([](X509* x509) {
        add_alternative_name(x509,
                             "\x30\x03\x82\x01"
                             "a");
        add_alternative_name(x509,
                             "\x30\x03\x82\x01"
                             "b");
    });
    CHECK(thrown_by([&] { return twice.dns_names(); }) == errc::invalid_certificate);
    CHECK(made_by([](X509* x509) {
              add_alternative_name(x509,
                                   "\x30\x03\x82\x01"
                                   "a");
          }).dns_names() == strings{"a"});
    CHECK(queue_is_empty());
}

TEST_CASE("validity is told to the second, beyond 2038, and at the clock's end beyond that") {
    using std::chrono::sys_days;
    using namespace std::chrono_literals;
    const auto dates = [](const char* begin, const char* end) {
        return made_by([=](X509* x509) {
            REQUIRE(::ASN1_TIME_set_string(::X509_getm_notBefore(x509), begin) == 1);
            REQUIRE(::ASN1_TIME_set_string(::X509_getm_notAfter(x509), end) == 1);
        });
    };
    using point = std::chrono::system_clock::time_point;
    const certificate usual = dates("500101000000Z", "380119031408Z");  // 1950; one second after 2^31 - 1
    CHECK(usual.not_before() == point(sys_days(1950y / 1 / 1)));
    CHECK(usual.not_after() == point(std::chrono::seconds(0x80000000)));

    const certificate late = dates("20500228235959Z", "22000301000000Z");
    CHECK(late.not_before() == point(sys_days(2050y / 2 / 28)) + 23h + 59min + 59s);
    CHECK(late.not_after() == point(sys_days(2200y / 3 / 1)));

    // RFC 5280's "no expiry"; a clock of 64-bit nanoseconds ends in 2262.
    const certificate for_ever = dates("00010101000000Z", "99991231235959Z");
    const bool fits = std::chrono::floor<std::chrono::days>(point::max()) > sys_days(9999y / 12 / 31);
    CHECK(for_ever.not_after() == (fits ? point(std::chrono::seconds(253402300799)) : point::max()));
    CHECK(for_ever.not_before() < point(sys_days(1700y / 1 / 1)));
    CHECK(for_ever.not_after() > std::chrono::system_clock::now());
    CHECK(for_ever.not_before() < std::chrono::system_clock::now());
}

TEST_CASE("serial number and fingerprint") {
    const auto serial = [](std::uint64_t number) {
        return made_by([=](X509* x509) { REQUIRE(::ASN1_INTEGER_set_uint64(::X509_get_serialNumber(x509), number) == 1); })
            .serial();
    };
    CHECK(serial(1) == "01");
    CHECK(serial(0xABC) == "0abc");
    CHECK(serial(0xFEDCBA9876543210) == "fedcba9876543210");

    const certificate leaf = server();
    const auto der = leaf.der();
    std::array<std::uint8_t, 32> expected{};
    ::SHA256(reinterpret_cast<const std::uint8_t*>(der.data()), der.size(), expected.data());
    const auto fingerprint = leaf.sha256();
    CHECK(std::equal(expected.begin(), expected.end(), fingerprint.begin(), fingerprint.end(),
                     [](std::uint8_t a, std::byte b) { return std::byte{a} == b; }));
}

TEST_CASE("PEM and DER there and back") {
    const certificate leaf = server();
    CHECK(leaf.pem() == tests::test_pki().server.certificate_pem());
    const certificate again = certificate::from_pem(leaf.pem());
    CHECK(again.native_handle() != leaf.native_handle());
    CHECK(again == leaf);
    CHECK(certificate::from_der(leaf.der()) == leaf);
    CHECK(certificate(bssl::UpRef(tests::test_pki().client.certificate)) != leaf);
}

TEST_CASE("PEM text may hold more than the certificate: the first one counts") {
    const std::string first = tests::test_pki().server.certificate_pem();
    const std::string second = tests::test_pki().authority.certificate_pem();
    std::string with_crlf;
    for (const char c : first) with_crlf += c == '\n' ? "\r\n"s : std::string(1, c);
    for (const std::string& text :
         {"\xEF\xBB\xBF" + first, with_crlf, "some text\n" + first + "more", first + second,
          tests::test_pki().server.key_pem() + first, first + "-----BEGIN CERTIFICATE-----\nbroken"}) {
        CHECK(certificate::from_pem(text) == server());
    }
}

TEST_CASE("F60 what is no certificate gives none, and an error with a name") {
    const std::string good = tests::test_pki().server.certificate_pem();
    for (const std::string& text :
         {""s, "garbage"s, good.substr(0, good.size() / 2), good.substr(0, good.find("-----END")),
          tests::test_pki().server.key_pem(), "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"s,
          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"s,
          "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"s, std::string(10'000'000, 'x')}) {
        CAPTURE(text.substr(0, 80));
        std::error_code ec;
        CHECK_FALSE(with_stale_errors([&] { return certificate::from_pem(text, ec); }));
        CHECK(ec == errc::invalid_certificate);
        CHECK(queue_is_empty());
        CHECK(thrown_by([&] { return certificate::from_pem(text); }) == errc::invalid_certificate);
        CHECK(queue_is_empty());
    }

    std::error_code ec;
    auto der = server().der();
    CHECK_FALSE(certificate::from_der(std::span(der).first(der.size() - 1), ec));
    CHECK(ec == errc::invalid_certificate);
    CHECK_FALSE(certificate::from_der({}, ec));
    CHECK(ec == errc::invalid_certificate);
    der.push_back(std::byte{0});
    CHECK_FALSE(with_stale_errors([&] { return certificate::from_der(der, ec); }));
    CHECK(ec == errc::invalid_certificate);
    CHECK(queue_is_empty());
    der.pop_back();
    CHECK(with_stale_errors([&] { return certificate::from_der(der, ec); }));
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
}

TEST_CASE("several certificates are read whole or not at all") {
    const std::string good = tests::test_pki().server.certificate_pem();
    const tls::detail::input_source source{"here", errc::invalid_trust};
    tls::detail::failure why;
    CHECK(tls::detail::read_certificates(good + good, source, why).size() == 2);
    CHECK_FALSE(why);
    CHECK(tls::detail::read_certificates(good + good.substr(0, 200), source, why).empty());
    CHECK(why.code == errc::invalid_trust);
    CHECK(why.what == "here: malformed PEM");
    why = {};
    CHECK(tls::detail::read_certificates(good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", source, why)
              .empty());
    CHECK(why.what == "here: certificate 2 is malformed");
    CHECK(queue_is_empty());
}

TEST_CASE("an empty certificate says that it is") {
    certificate moved = server();
    const certificate taken = std::move(moved);
    CHECK(taken);
    for (const certificate& empty : {certificate(), certificate(nullptr), moved}) {
        CHECK_FALSE(empty);
        CHECK(empty.native_handle() == nullptr);
        CHECK(empty == certificate());
        CHECK(empty != taken);
        CHECK(thrown_by([&] { return empty.subject(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.issuer(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.dns_names(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.ip_addresses(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.serial(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.not_before(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.not_after(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.sha256(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.pem(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.der(); }) == errc::not_open);
    }
}

TEST_CASE("copies share the certificate and outlive the first") {
    certificate first = server();
    certificate copy = first;
    CHECK(copy.native_handle() == first.native_handle());
    first = certificate();
    CHECK_FALSE(first);
    CHECK(copy.subject() == "CN=localhost");
    auto& same = copy;
    copy = same;
    CHECK(copy.subject() == "CN=localhost");
}

TEST_CASE("F68 the getters neither see nor leave queue entries") {
    const certificate leaf = server();
    CHECK(with_stale_errors([&] { return leaf.subject(); }) == "CN=localhost");
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.dns_names(); }).size() == 2);
    CHECK(queue_is_empty());
    CHECK_FALSE(with_stale_errors([&] { return leaf.serial(); }).empty());
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.not_after(); }) > std::chrono::system_clock::now());
    CHECK(queue_is_empty());
    (void)with_stale_errors([&] { return leaf.sha256(); });
    CHECK(queue_is_empty());
    CHECK_FALSE(with_stale_errors([&] { return leaf.pem(); }).empty());
    CHECK(queue_is_empty());
    CHECK_FALSE(with_stale_errors([&] { return leaf.der(); }).empty());
    CHECK(queue_is_empty());
}

}  // namespace
