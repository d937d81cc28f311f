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
#include <optional>
#include <span>
#include <sstream>
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

// Adds an extension whose DER is given byte by byte.
void add_raw_extension(X509* x509, int nid, std::string_view der) {
    const bssl::UniquePtr<ASN1_OCTET_STRING> value(::ASN1_OCTET_STRING_new());
    REQUIRE(::ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const std::uint8_t*>(der.data()),
                                    static_cast<int>(der.size())) == 1);
    const bssl::UniquePtr<X509_EXTENSION> extension(::X509_EXTENSION_create_by_NID(nullptr, nid, 0, value.get()));
    REQUIRE(extension);
    REQUIRE(::X509_add_ext(x509, extension.get(), -1) == 1);
}
void add_alternative_name(X509* x509, std::string_view der) { add_raw_extension(x509, NID_subject_alt_name, der); }

// A DER element with a short length.
std::string element(unsigned char tag, std::string_view content) {
    REQUIRE(content.size() < 128);
    return std::string{static_cast<char>(tag), static_cast<char>(content.size())} + std::string(content);
}
std::string sequence(std::string_view content) { return element(0x30, content); }

void remove_extension(X509* x509, int nid) {
    const int at = ::X509_get_ext_by_NID(x509, nid, -1);
    REQUIRE(at >= 0);
    const bssl::UniquePtr<X509_EXTENSION> removed(::X509_delete_ext(x509, at));
}

// A certificate with this extension in place of the one that it had.
certificate with_extension(int nid, std::string_view der) {
    return made_by([&](X509* x509) {
        if (::X509_get_ext_by_NID(x509, nid, -1) >= 0) remove_extension(x509, nid);
        add_raw_extension(x509, nid, der);
    });
}
// The same extension twice.
certificate with_extension_twice(int nid, std::string_view der) {
    return made_by([&](X509* x509) {
        if (::X509_get_ext_by_NID(x509, nid, -1) >= 0) remove_extension(x509, nid);
        add_raw_extension(x509, nid, der);
        add_raw_extension(x509, nid, der);
    });
}

void add_attribute(X509_NAME* name, const char* oid, int type, std::string_view value, int set = 0) {
    const bssl::UniquePtr<ASN1_OBJECT> object(::OBJ_txt2obj(oid, 1));
    REQUIRE(object);
    REQUIRE(::X509_NAME_add_entry_by_OBJ(name, object.get(), type, reinterpret_cast<const std::uint8_t*>(value.data()),
                                         static_cast<int>(value.size()), -1, set) == 1);
}
std::string attribute_value(int type, std::string_view value) {
    const certificate made = made_by([&](X509* x509) { add_attribute(::X509_get_subject_name(x509), "2.5.4.3", type, value); });
    const std::vector<tls::name_attribute> attributes = made.subject_attributes();
    REQUIRE(attributes.size() == 1);
    CHECK(made.common_name() == attributes[0].value);
    return attributes[0].value;
}

// Makes the subject's last attribute a UTF8String that is none. A parser refuses such a name, but an X509 may hold one.
void break_subject(X509* x509) {
    const X509_NAME* const subject = ::X509_get_subject_name(x509);
    const X509_NAME_ENTRY* const entry = ::X509_NAME_get_entry(subject, ::X509_NAME_entry_count(subject) - 1);
    REQUIRE(::ASN1_STRING_set(::X509_NAME_ENTRY_get_data(entry), "\xFF\xFE", 2) == 1);
}

// Puts a public key into a certificate as its parts: the algorithm, its parameters (none, or a curve) and the bits.
void set_public_key(X509* x509, const char* algorithm, const char* curve, std::string_view bits) {
    void* const parameter = curve != nullptr ? ::OBJ_txt2obj(curve, 1) : nullptr;
    auto* const copy = static_cast<std::uint8_t*>(::OPENSSL_memdup(bits.data(), bits.size()));
    REQUIRE(::X509_PUBKEY_set0_param(::X509_get_X509_PUBKEY(x509), ::OBJ_txt2obj(algorithm, 1),
                                     curve != nullptr ? V_ASN1_OBJECT : V_ASN1_UNDEF, parameter, copy,
                                     static_cast<int>(bits.size())) == 1);
}
certificate with_public_key(const char* algorithm, const char* curve, std::string_view bits) {
    return made_by([&](X509* x509) { set_public_key(x509, algorithm, curve, bits); });
}
certificate with_key(EVP_PKEY* key) {
    return made_by([=](X509* x509) { REQUIRE(::X509_set_pubkey(x509, key) == 1); });
}

bssl::UniquePtr<EVP_PKEY> new_ec_key(int curve) {
    const bssl::UniquePtr<EC_KEY> ec(::EC_KEY_new_by_curve_name(curve));
    bssl::UniquePtr<EVP_PKEY> key(::EVP_PKEY_new());
    REQUIRE((ec && key && ::EC_KEY_generate_key(ec.get()) == 1 && ::EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) == 1));
    return key;
}
bssl::UniquePtr<EVP_PKEY> new_ed25519_key() {
    const std::array<std::uint8_t, 32> seed{1, 2, 3};
    bssl::UniquePtr<EVP_PKEY> key(::EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
    REQUIRE(key);
    return key;
}

std::string printed(const certificate& shown) {
    std::ostringstream out;
    out << shown;
    return out.str();
}

strings lines_of(const std::string& text) {
    strings lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}
bool has_line(const std::string& text, std::string_view line) {
    const strings lines = lines_of(text);
    return std::find(lines.begin(), lines.end(), line) != lines.end();
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

TEST_CASE("attributes have the names that Python's ssl gives them, in the certificate's order") {
    struct row {
        const char* oid;
        const char* name;
    };
    // As ssl.SSLSocket.getpeercert() names them (OpenSSL 3).
    static constexpr std::array rows{
        row{"2.5.4.6", "countryName"},
        row{"2.5.4.8", "stateOrProvinceName"},
        row{"2.5.4.7", "localityName"},
        row{"2.5.4.9", "streetAddress"},
        row{"2.5.4.17", "postalCode"},
        row{"2.5.4.10", "organizationName"},
        row{"2.5.4.11", "organizationalUnitName"},
        row{"2.5.4.15", "businessCategory"},
        row{"2.5.4.5", "serialNumber"},
        row{"2.5.4.97", "organizationIdentifier"},
        row{"1.3.6.1.4.1.311.60.2.1.1", "jurisdictionLocalityName"},
        row{"1.3.6.1.4.1.311.60.2.1.2", "jurisdictionStateOrProvinceName"},
        row{"1.3.6.1.4.1.311.60.2.1.3", "jurisdictionCountryName"},
        row{"2.5.4.4", "surname"},
        row{"2.5.4.42", "givenName"},
        row{"2.5.4.43", "initials"},
        row{"2.5.4.44", "generationQualifier"},
        row{"2.5.4.12", "title"},
        row{"2.5.4.13", "description"},
        row{"2.5.4.41", "name"},
        row{"2.5.4.65", "pseudonym"},
        row{"2.5.4.46", "dnQualifier"},
        row{"0.9.2342.19200300.100.1.25", "domainComponent"},
        row{"0.9.2342.19200300.100.1.1", "userId"},
        row{"0.9.2342.19200300.100.1.44", "uniqueIdentifier"},
        row{"1.2.643.3.131.1.1", "INN"},
        row{"1.2.643.100.1", "OGRN"},
        row{"1.2.643.100.3", "SNILS"},
        row{"1.2.643.100.5", "OGRNIP"},
        row{"1.2.840.113549.1.9.1", "emailAddress"},
        row{"1.3.6.1.4.1.99999.7", "1.3.6.1.4.1.99999.7"},
        row{"2.5.4.3", "commonName"},
    };
    std::vector<tls::name_attribute> expected;
    const certificate made = made_by([&](X509* x509) {
        for (const row& one : rows) {
            const std::string value = "a value of " + std::to_string(expected.size());
            add_attribute(::X509_get_subject_name(x509), one.oid, V_ASN1_UTF8STRING, value);
            add_attribute(::X509_get_issuer_name(x509), one.oid, V_ASN1_UTF8STRING, value + " for the issuer");
            expected.push_back({one.name, value});
        }
    });
    CHECK(made.subject_attributes() == expected);
    for (tls::name_attribute& attribute : expected) attribute.value += " for the issuer";
    CHECK(made.issuer_attributes() == expected);
    CHECK(server().subject_attributes() == std::vector<tls::name_attribute>{{"commonName", "localhost"}});
    CHECK(made_by([](X509*) {}).subject_attributes().empty());
}

TEST_CASE("the common name is the most specific one") {
    const certificate made = made_by([](X509* x509) {
        X509_NAME* const subject = ::X509_get_subject_name(x509);
        add_attribute(subject, "2.5.4.3", V_ASN1_UTF8STRING, "first");
        add_attribute(subject, "2.5.4.3", V_ASN1_UTF8STRING, "last");
        add_attribute(subject, "2.5.4.11", V_ASN1_UTF8STRING, "beside it", -1);  // in the same RDN
        add_attribute(subject, "2.5.4.10", V_ASN1_UTF8STRING, "Example");
    });
    CHECK(made.common_name() == "last");
    CHECK(made.subject_attributes() == std::vector<tls::name_attribute>{{"commonName", "first"},
                                                                        {"commonName", "last"},
                                                                        {"organizationalUnitName", "beside it"},
                                                                        {"organizationName", "Example"}});
    CHECK(made_by([](X509* x509) { add_to_subject(x509, "O", MBSTRING_UTF8, "Example"); }).common_name().empty());
    CHECK(made_by([](X509*) {}).common_name().empty());
}

TEST_CASE("an attribute is UTF-8 on one line, whatever it was, and hides nothing") {
    CHECK(attribute_value(V_ASN1_UTF8STRING,
                          "B\xC3\xBC"
                          "cher, Gro\xC3\x9F & Co") ==
          "B\xC3\xBC"
          "cher, Gro\xC3\x9F & Co");
    CHECK(attribute_value(V_ASN1_BMPSTRING, "\x20\xAC\0a"s) ==
          "\xE2\x82\xAC"
          "a");
    CHECK(attribute_value(V_ASN1_T61STRING, "\xFC") == "\xC3\xBC");
    CHECK(attribute_value(V_ASN1_PRINTABLESTRING, "plain, with = and + and #") == "plain, with = and + and #");
    CHECK(attribute_value(V_ASN1_UTF8STRING, "good.test\0.evil.test"s) == "good.test\\00.evil.test");
    CHECK(attribute_value(V_ASN1_UTF8STRING, "a\r\nb\x1B[31m\x7F") == "a\\0D\\0Ab\\1B[31m\\7F");
    CHECK(attribute_value(V_ASN1_UTF8STRING, "a\\0Ab") == "a\\5C0Ab");
    CHECK(attribute_value(V_ASN1_UTF8STRING,
                          "a\xC2\x85"
                          "b") == "a\\C2\\85b");
    CHECK(attribute_value(V_ASN1_UTF8STRING, "") == "");
    // A BIT STRING is no text.
    CHECK(attribute_value(V_ASN1_BIT_STRING, "ac") == "#0303006163");

    const auto escaped = [](std::string_view octets) {
        std::string text;
        for (const char c : octets) tls::detail::append_escaped(text, static_cast<unsigned char>(c));
        return text;
    };
    // Ends of lines for Unicode, and what turns the direction: U+2028, U+2029, U+061C, U+200E, U+200F, U+202A, U+202E, U+2066,
    // U+2069.
    for (const std::string_view character : {"\xE2\x80\xA8", "\xE2\x80\xA9", "\xD8\x9C", "\xE2\x80\x8E", "\xE2\x80\x8F",
                                             "\xE2\x80\xAA", "\xE2\x80\xAE", "\xE2\x81\xA6", "\xE2\x81\xA9"}) {
        const std::string value = "a" + std::string(character) + "b";
        CHECK(attribute_value(V_ASN1_UTF8STRING, value) == "a" + escaped(character) + "b");
        CHECK(made_by([&](X509* x509) { add_to_subject(x509, "CN", MBSTRING_UTF8, value); }).subject() ==
              "CN=a" + escaped(character) + "b");
    }
    // Their neighbours are letters and signs like others: U+061B, U+061D, U+200D, U+2010, U+2027, U+202F, U+2065, U+206A.
    for (const std::string character : {"\xD8\x9B", "\xD8\x9D", "\xE2\x80\x8D", "\xE2\x80\x90", "\xE2\x80\xA7", "\xE2\x80\xAF",
                                        "\xE2\x81\xA5", "\xE2\x81\xAA"}) {
        CHECK(attribute_value(V_ASN1_UTF8STRING, character) == character);
    }
}

TEST_CASE("a name that is no text at all is malformed") {
    const certificate broken = made_by([](X509* x509) { add_to_subject(x509, "CN", MBSTRING_UTF8, "a"); });
    break_subject(broken.native_handle());
    CHECK(thrown_by([&] { return broken.subject_attributes(); }) == errc::invalid_certificate);
    CHECK(thrown_by([&] { return broken.common_name(); }) == errc::invalid_certificate);
    CHECK(thrown_by([&] { return broken.subject(); }) == errc::invalid_certificate);
    CHECK(broken.issuer_attributes().empty());
    CHECK(queue_is_empty());
}

TEST_CASE("alternative names of all kinds, in their order") {
    using kind = tls::alternative_name::kind;
    // 1.3.6.1.4.1.311.20.2.3, which Windows uses for logging on
    const std::string principal_name = element(0x06, "\x2B\x06\x01\x04\x01\x82\x37\x14\x02\x03");
    const std::string common_name = sequence(element(0x31, sequence(element(0x06, "\x55\x04\x03") + element(0x0C, "A, B\n"))));
    const std::string x400 = element(0xA3, "\x30\0"s);
    const std::string edi = element(0xA5, element(0xA1, element(0x0C, "party")));
    const certificate made = with_extension(
        NID_subject_alt_name,
        sequence(element(0x82, "example.test") + element(0x81, "me@example.test") + element(0x86, "https://example.test/\n") +
                 element(0x87, "\x0A\x01\x02\x03") + element(0x88, "\x2A\x03\x04") + element(0x82, "*.example.test")));
    CHECK(made.alternative_names() == std::vector<tls::alternative_name>{{kind::dns, "example.test"},
                                                                         {kind::email, "me@example.test"},
                                                                         {kind::uri, "https://example.test/\\0A"},
                                                                         {kind::ip_address, "10.1.2.3"},
                                                                         {kind::registered_id, "1.2.3.4"},
                                                                         {kind::dns, "*.example.test"}});
    CHECK(made.dns_names() == strings{"example.test", "*.example.test"});

    const auto only = [](std::string_view name) {
        const auto names = with_extension(NID_subject_alt_name, sequence(name)).alternative_names();
        REQUIRE(names.size() == 1);
        return names[0];
    };
    CHECK(only(element(0xA4, common_name)) == tls::alternative_name{kind::directory, "CN=A\\, B\\0A"});
    CHECK(only(element(0xA0, principal_name + element(0xA0, element(0x0C, "me\\\n@example.test")))) ==
          tls::alternative_name{kind::other, "1.3.6.1.4.1.311.20.2.3=me\\5C\\0A@example.test"});
    CHECK(only(element(0xA0, principal_name + element(0xA0, element(0x04, "ab")))) ==
          tls::alternative_name{kind::other, "1.3.6.1.4.1.311.20.2.3=#04026162"});
    const std::string no_text =
        element(0xA0, principal_name + element(0xA0, element(0x0C, "\xC0\x8A")));  // an overlong line feed
    CHECK(thrown_by([&] { return only(no_text); }) == errc::invalid_certificate);
    CHECK(only(x400).type == kind::other);
    CHECK(only(x400).value == "#A3023000");
    CHECK(only(edi) == tls::alternative_name{kind::other, "#A509A1070C057061727479"});
    CHECK(made_by([](X509*) {}).alternative_names().empty());
    CHECK(queue_is_empty());
}

TEST_CASE("version") {
    CHECK(server().version() == 3);
    CHECK(made_by([](X509* x509) {
              while (::X509_get_ext_count(x509) != 0) bssl::UniquePtr<X509_EXTENSION>(::X509_delete_ext(x509, 0));
              REQUIRE(::X509_set_version(x509, X509_VERSION_1) == 1);
          }).version() == 1);
}

TEST_CASE("what the key may be used for") {
    using tls::key_usage;
    CHECK(server().usage() == key_usage{.digital_signature = true});
    CHECK(certificate(bssl::UpRef(tests::test_pki().authority.certificate)).usage() ==
          key_usage{.certificate_signing = true, .crl_signing = true});
    CHECK(made_by([](X509* x509) { remove_extension(x509, NID_key_usage); }).usage() == std::nullopt);
    CHECK(with_extension(NID_key_usage, "\x03\x02\x07\0"s).usage() == key_usage{});

    // Each bit alone, as RFC 5280 numbers them.
    static constexpr std::array fields{
        &key_usage::digital_signature, &key_usage::content_commitment, &key_usage::key_encipherment,
        &key_usage::data_encipherment, &key_usage::key_agreement,      &key_usage::certificate_signing,
        &key_usage::crl_signing,       &key_usage::encipher_only,      &key_usage::decipher_only};
    static constexpr std::array names{"digitalSignature", "nonRepudiation", "keyEncipherment",
                                      "dataEncipherment", "keyAgreement",   "keyCertSign",
                                      "cRLSign",          "encipherOnly",   "decipherOnly"};
    for (std::size_t bit = 0; bit != fields.size(); ++bit) {
        key_usage expected;
        expected.*fields[bit] = true;
        const auto first = static_cast<char>(bit < 8 ? 0x80 >> bit : 0);
        const std::string octets = bit < 8 ? std::string{static_cast<char>(7 - bit), first} : "\x07\0\x80"s;
        const certificate made = with_extension(NID_key_usage, element(0x03, octets));
        CHECK(made.usage() == expected);
        CHECK(has_line(printed(made), "key usage: "s + names[bit]));
    }

    CHECK(server().extended_key_usage() == strings{"serverAuth"});
    CHECK(made_by([](X509*) {}).extended_key_usage().empty());
    certificate_options options;
    options.extended_key_usage = "clientAuth,1.3.6.1.4.1.99999.7,OCSPSigning,anyExtendedKeyUsage,codeSigning,emailProtection";
    CHECK(made_from(std::move(options)).extended_key_usage() ==
          strings{"clientAuth", "1.3.6.1.4.1.99999.7", "OCSPSigning", "anyExtendedKeyUsage", "codeSigning", "emailProtection"});
}

TEST_CASE("basic constraints") {
    using tls::basic_constraints;
    CHECK(server().constraints() == basic_constraints{});
    CHECK(certificate(bssl::UpRef(tests::test_pki().authority.certificate)).constraints() ==
          basic_constraints{.authority = true});
    CHECK(made_by([](X509* x509) { remove_extension(x509, NID_basic_constraints); }).constraints() == std::nullopt);
    certificate_options options;
    options.authority = true;
    options.path_length = 0;
    CHECK(made_from(std::move(options)).constraints() == basic_constraints{true, 0});
    const std::string authority = element(0x01, "\xFF");
    const auto length = [&](std::string_view integer) {
        return with_extension(NID_basic_constraints, sequence(authority + element(0x02, integer)));
    };
    CHECK(length("\x7F").constraints() == basic_constraints{true, 127});
    CHECK(length("\0\xFF\xFF\xFF\xFF"s).constraints() == basic_constraints{true, 0xFFFFFFFF});
    CHECK(thrown_by([&] { return length("\x01\0\0\0\0"s).constraints(); }) == errc::invalid_certificate);
    CHECK(thrown_by([&] { return length("\xFF").constraints(); }) == errc::invalid_certificate);  // -1
    CHECK(queue_is_empty());
}

TEST_CASE("where to ask about a certificate") {
    const std::string ocsp = element(0x06, "\x2B\x06\x01\x05\x05\x07\x30\x01");
    const std::string ca_issuers = element(0x06, "\x2B\x06\x01\x05\x05\x07\x30\x02");
    const std::string repository = element(0x06, "\x2B\x06\x01\x05\x05\x07\x30\x05");
    const auto uri = [](std::string_view text) { return element(0x86, text); };
    const certificate access = with_extension(
        NID_info_access, sequence(sequence(ocsp + uri("http://o.test/1")) + sequence(ca_issuers + uri("http://c.test/\n")) +
                                  sequence(ocsp + element(0x82, "o.test")) + sequence(repository + uri("http://r.test/"))));
    CHECK(access.ocsp_urls() == strings{"http://o.test/1"});
    CHECK(access.ca_issuer_urls() == strings{"http://c.test/\\0A"});
    CHECK(access.crl_urls().empty());
    CHECK(with_extension(NID_info_access, sequence(sequence(ocsp + uri("1")) + sequence(ocsp + uri("2")))).ocsp_urls() ==
          strings{"1", "2"});

    const std::string relative = element(0xA1, sequence(element(0x06, "\x55\x04\x03") + element(0x0C, "x")));
    const auto point = [](std::string_view name) { return sequence(element(0xA0, name)); };
    const certificate lists = with_extension(
        NID_crl_distribution_points,
        sequence(point(element(0xA0, uri("http://l.test/1\x1B") + element(0x82, "l.test") + uri("ldap://l.test/2"))) +
                 point(relative) + sequence(element(0x81, "\x07\x80")) + point(element(0xA0, uri("http://l.test/3")))));
    CHECK(lists.crl_urls() == strings{"http://l.test/1\\1B", "ldap://l.test/2", "http://l.test/3"});
    CHECK(lists.ocsp_urls().empty());
    CHECK(lists.ca_issuer_urls().empty());
    CHECK(queue_is_empty());
}

TEST_CASE("an extension that cannot be read, or is there twice, is an error and not absent") {
    const auto check = [](int nid, std::string_view good, auto getter) {
        CAPTURE(nid);
        CHECK_FALSE(thrown_by([&] { return getter(with_extension(nid, good)); }));
        for (const certificate& bad : {with_extension(nid, "garbage"), with_extension(nid, ""),
                                       with_extension(nid, std::string(good) + "x"), with_extension_twice(nid, good)}) {
            CHECK(thrown_by([&] { return with_stale_errors([&] { return getter(bad); }); }) == errc::invalid_certificate);
            CHECK(queue_is_empty());
        }
    };
    const std::string names = sequence(element(0x82, "a"));
    check(NID_subject_alt_name, names, [](const certificate& c) { return c.alternative_names(); });
    check(NID_subject_alt_name, names, [](const certificate& c) { return c.dns_names(); });
    check(NID_key_usage, "\x03\x02\x07\x80", [](const certificate& c) { return c.usage(); });
    check(NID_ext_key_usage, sequence(element(0x06, "\x2A\x03")), [](const certificate& c) { return c.extended_key_usage(); });
    check(NID_basic_constraints, sequence(""), [](const certificate& c) { return c.constraints(); });
    const std::string access = sequence(sequence(element(0x06, "\x2A\x03") + element(0x86, "x")));
    check(NID_info_access, access, [](const certificate& c) { return c.ocsp_urls(); });
    check(NID_info_access, access, [](const certificate& c) { return c.ca_issuer_urls(); });
    const std::string lists = sequence(sequence(element(0xA0, element(0xA0, element(0x86, "x")))));
    check(NID_crl_distribution_points, lists, [](const certificate& c) { return c.crl_urls(); });
}

TEST_CASE("type, size and curve of the key") {
    const auto check = [](const certificate& made, std::string_view type, int bits, std::string_view curve) {
        CHECK(made.key_type() == type);
        CHECK(made.key_bits() == bits);
        CHECK(made.key_curve() == curve);
        CHECK(queue_is_empty());
    };
    check(with_key(tests::new_rsa_key(2048).get()), "RSA", 2048, "");
    check(with_key(tests::new_rsa_key(1024).get()), "RSA", 1024, "");
    check(server(), "EC", 256, "P-256");
    check(with_key(new_ec_key(NID_secp384r1).get()), "EC", 384, "P-384");
    check(with_key(new_ec_key(NID_secp521r1).get()), "EC", 521, "P-521");
    check(with_key(new_ed25519_key().get()), "Ed25519", 256, "");

    // Known to others, not to BoringSSL: no error, and no size.
    constexpr const char* ec = "1.2.840.10045.2.1";
    check(with_public_key(ec, "1.3.132.0.10", "\x04" + std::string(64, 'x')), "EC", 0, "secp256k1");
    check(with_public_key(ec, "1.3.6.1.4.1.99999.9", "\x04" + std::string(64, 'x')), "EC", 0, "1.3.6.1.4.1.99999.9");
    check(with_public_key("1.3.6.1.4.1.99999.8", nullptr, std::string(57, 'x')), "1.3.6.1.4.1.99999.8", 0, "");

    // Known, and broken.
    const auto broken = [](const certificate& made) {
        CHECK(thrown_by([&] { return with_stale_errors([&] { return made.key_bits(); }); }) == errc::invalid_certificate);
        CHECK(queue_is_empty());
        CHECK(has_line(printed(made), "public key: malformed"));
    };
    broken(with_public_key(ec, "1.2.840.10045.3.1.7", "\x04" + std::string(64, 'x')));  // not on P-256
    broken(with_public_key(ec, nullptr, "\x04" + std::string(64, 'x')));
    broken(with_public_key("1.3.101.112", nullptr, std::string(31, 'x')));  // Ed25519
    broken(with_public_key("1.2.840.113549.1.1.1", nullptr, "x"));          // RSA
}

TEST_CASE("the hash of the public key is of its SubjectPublicKeyInfo") {
    const auto expected = [](EVP_PKEY* key) {
        std::uint8_t* encoded = nullptr;
        const int size = ::i2d_PUBKEY(key, &encoded);
        REQUIRE(size > 0);
        const bssl::UniquePtr<std::uint8_t> owned(encoded);
        std::array<std::uint8_t, 32> hash{};
        ::SHA256(encoded, static_cast<std::size_t>(size), hash.data());
        const auto bytes = std::as_bytes(std::span(hash));
        return std::vector(bytes.begin(), bytes.end());
    };
    const auto hash = [](const certificate& made) {
        const auto of_key = made.public_key_sha256();
        return std::vector(of_key.begin(), of_key.end());
    };
    CHECK(hash(server()) == expected(tests::test_pki().server.key.get()));
    const auto rsa = tests::new_rsa_key();
    CHECK(hash(with_key(rsa.get())) == expected(rsa.get()));
    CHECK(hash(with_key(rsa.get())) == hash(with_key(rsa.get())));
    CHECK(hash(with_key(rsa.get())) != hash(server()));
    // A key that nobody can read has a hash as well.
    CHECK(hash(with_public_key("1.3.6.1.4.1.99999.8", nullptr, "a")) !=
          hash(with_public_key("1.3.6.1.4.1.99999.8", nullptr, "b")));
}

TEST_CASE("how it was signed") {
    CHECK(server().signature_algorithm() == "ecdsa-with-SHA256");
    const auto signed_with = [](EVP_PKEY* key, const EVP_MD* digest) {
        bssl::UniquePtr<X509> x509 = issue_certificate({}).certificate;
        REQUIRE(::X509_sign(x509.get(), key, digest) > 0);
        return certificate(std::move(x509)).signature_algorithm();
    };
    CHECK(signed_with(tests::new_rsa_key().get(), ::EVP_sha256()) == "sha256WithRSAEncryption");
    CHECK(signed_with(new_ec_key(NID_secp384r1).get(), ::EVP_sha384()) == "ecdsa-with-SHA384");
    CHECK(signed_with(new_ed25519_key().get(), nullptr) == "Ed25519");

    // An algorithm that nobody knows: the last octet of ecdsa-with-SHA256's identifier changed, in both places.
    std::vector<std::byte> der = server().der();
    const std::string_view known = "\x2A\x86\x48\xCE\x3D\x04\x03\x02";
    const auto pattern = std::as_bytes(std::span(known));
    for (auto at = der.begin(); (at = std::search(at, der.end(), pattern.begin(), pattern.end())) != der.end();) {
        at += static_cast<std::ptrdiff_t>(pattern.size());
        at[-1] = std::byte{0x55};
    }
    CHECK(certificate::from_der(der).signature_algorithm() == "1.2.840.10045.4.3.85");
}

TEST_CASE("self-issued is a matter of names") {
    CHECK(certificate(bssl::UpRef(tests::test_pki().authority.certificate)).is_self_issued());
    CHECK_FALSE(server().is_self_issued());
    // Names compare without case and without needless spaces (RFC 5280 7.1).
    const auto named = [](std::string_view subject, std::string_view issuer) {
        return made_by([=](X509* x509) {
            add_attribute(::X509_get_subject_name(x509), "2.5.4.3", V_ASN1_UTF8STRING, subject);
            add_attribute(::X509_get_issuer_name(x509), "2.5.4.3", V_ASN1_PRINTABLESTRING, issuer);
        });
    };
    CHECK(named("Some  Name", "some name").is_self_issued());
    CHECK_FALSE(named("Some Name", "Some Names").is_self_issued());
}

TEST_CASE("printed, a certificate is a summary over some lines") {
    certificate_options options;
    options.common_name = "example.test";
    options.dns_names = {"example.test", "www.example.test"};
    options.ip_addresses = {tests::octets("10.1.2.3")};
    options.extended_key_usage = "serverAuth,clientAuth";
    options.before_signing = [](X509* x509) {
        REQUIRE(::ASN1_INTEGER_set_uint64(::X509_get_serialNumber(x509), 0xABC) == 1);
        REQUIRE(::ASN1_TIME_set_string(::X509_getm_notBefore(x509), "200102030405Z") == 1);
        REQUIRE(::ASN1_TIME_set_string(::X509_getm_notAfter(x509), "99991231235959Z") == 1);
        set_public_key(x509, "1.3.101.112", nullptr, std::string(32, '\0'));
        add_raw_extension(
            x509, NID_info_access,
            sequence(sequence(element(0x06, "\x2B\x06\x01\x05\x05\x07\x30\x01") + element(0x86, "http://o.test/")) +
                     sequence(element(0x06, "\x2B\x06\x01\x05\x05\x07\x30\x02") + element(0x86, "http://c.test/"))));
        add_raw_extension(x509, NID_crl_distribution_points,
                          sequence(sequence(element(0xA0, element(0xA0, element(0x86, "http://l.test/"))))));
    };
    strings lines =
        lines_of(printed(certificate(issue_certificate(std::move(options), &tests::test_pki().authority).certificate)));
    REQUIRE_FALSE(lines.empty());
    const std::string fingerprint = lines.back();  // differs from run to run, as the signature does
    lines.pop_back();
    CHECK(fingerprint.size() == std::string_view("SHA-256: ").size() + 32 * 3 - 1);
    CHECK(fingerprint.starts_with("SHA-256: "));
    CHECK(lines == strings{"subject: CN=example.test",
                           "issuer: CN=Test CA",
                           "version: 3",
                           "serial number: 0abc",
                           "not before: Jan  2 03:04:05 2020 GMT",
                           "not after: Dec 31 23:59:59 9999 GMT",
                           "public key: Ed25519, 256 bits",
                           "public key SHA-256: sha256/ciq9EumaU2fzda65ZyqOB3EuA8Kt0W+o1pFNHPou/gw=",
                           "signature algorithm: ecdsa-with-SHA256",
                           "alternative names:",
                           "    DNS: example.test",
                           "    DNS: www.example.test",
                           "    IP: 10.1.2.3",
                           "key usage: digitalSignature",
                           "extended key usage:",
                           "    serverAuth",
                           "    clientAuth",
                           "basic constraints: no authority",
                           "OCSP responders:",
                           "    http://o.test/",
                           "issuer's certificates:",
                           "    http://c.test/",
                           "revocation lists:",
                           "    http://l.test/"});
    CHECK(has_line(printed(certificate(bssl::UpRef(tests::test_pki().authority.certificate))), "basic constraints: authority"));
    certificate_options authority;
    authority.authority = true;
    authority.path_length = 2;
    const std::string shown = printed(made_from(std::move(authority)));
    CHECK(has_line(shown, "basic constraints: authority, path length 2"));
    CHECK(has_line(shown, "key usage: keyCertSign, cRLSign"));
    CHECK(has_line(shown, "public key: EC P-256, 256 bits"));
    CHECK_FALSE(has_line(shown, "alternative names:"));
    CHECK_FALSE(shown.starts_with("subject:"));
    CHECK(has_line(printed(with_extension(NID_key_usage, "\x03\x02\x07\0"s)), "key usage: none"));
    CHECK_FALSE(shown.ends_with('\n'));
}

TEST_CASE("nothing that a certificate holds breaks out of its line when it is printed") {
    // Every kind of end of line, an escape sequence, a NUL and a line that looks like one of the summary's own.
    const std::string hostile = "x\nSHA-256: 00\r\x0B\x0C\x1B[2J\0\x7F"s;
    const std::string unicode = hostile + "\xC2\x85\xC2\x9B\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAE";
    const auto uri = element(0x86, hostile + "\xC2\x85");
    const auto attribute = sequence(element(0x31, sequence(element(0x06, "\x55\x04\x03") + element(0x0C, unicode))));
    const certificate made = made_by([&](X509* x509) {
        for (X509_NAME* const name : {::X509_get_subject_name(x509), ::X509_get_issuer_name(x509)}) {
            for (const char* const type : {"2.5.4.3", "2.5.4.10", "1.3.6.1.4.1.99999.7"}) {
                add_attribute(name, type, V_ASN1_UTF8STRING, unicode);
                add_attribute(name, type, V_ASN1_T61STRING, unicode);
                add_attribute(name, type, V_ASN1_BIT_STRING, unicode);
            }
        }
        const std::string names = uri + element(0x81, hostile) + element(0x82, hostile + ", DNS: y") + element(0x87, hostile) +
                                  element(0xA4, attribute);
        const std::string size{static_cast<char>(0x81), static_cast<char>(names.size())};  // in the long form
        REQUIRE(names.size() >= 128);
        REQUIRE(names.size() < 256);
        add_alternative_name(x509, "\x30" + size + names);
        const std::string ocsp = element(0x06, "\x2B\x06\x01\x05\x05\x07\x30\x01");
        const std::string ca_issuers = element(0x06, "\x2B\x06\x01\x05\x05\x07\x30\x02");
        add_raw_extension(x509, NID_info_access, sequence(sequence(ocsp + uri) + sequence(ca_issuers + uri)));
        add_raw_extension(x509, NID_crl_distribution_points, sequence(sequence(element(0xA0, element(0xA0, uri)))));
    });
    const std::string text = printed(made);
    CAPTURE(text);
    CHECK(std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\n') || byte == 0x7F;
    }));
    for (const std::string_view hidden : {"\xC2\x85", "\xC2\x9B", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAE"}) {
        CHECK(text.find(hidden) == std::string::npos);
    }
    // Each title once and in its place, and below them 5 names and 3 URIs: no line is the certificate's own.
    strings titles;
    std::size_t entries = 0;
    for (const std::string& line : lines_of(text)) {
        if (line.starts_with("    ")) ++entries;
        else titles.push_back(line.substr(0, line.find(':')));
    }
    CHECK(entries == 8);
    CHECK(titles == strings{"subject", "issuer", "version", "serial number", "not before", "not after", "public key",
                            "public key SHA-256", "signature algorithm", "alternative names", "key usage", "basic constraints",
                            "OCSP responders", "issuer's certificates", "revocation lists", "SHA-256"});
    CHECK(queue_is_empty());
}

TEST_CASE("what is malformed is printed as that, and the rest beside it") {
    const certificate made = made_by([](X509* x509) {
        for (const int nid : {NID_key_usage, NID_basic_constraints}) remove_extension(x509, nid);
        for (const int nid : {NID_key_usage, NID_basic_constraints, NID_ext_key_usage, NID_subject_alt_name, NID_info_access,
                              NID_crl_distribution_points}) {
            add_raw_extension(x509, nid, "garbage");
        }
        add_to_subject(x509, "CN", MBSTRING_UTF8, "a");
    });
    break_subject(made.native_handle());
    const std::string text = with_stale_errors([&] { return printed(made); });
    CHECK(queue_is_empty());
    for (const std::string part : {"subject", "alternative names", "key usage", "extended key usage", "basic constraints",
                                   "OCSP responders", "issuer's certificates", "revocation lists"}) {
        CAPTURE(part);
        CHECK(has_line(text, part + ": malformed"));
    }
    CHECK(has_line(text, "version: 3"));
    CHECK(has_line(text, "public key: EC P-256, 256 bits"));
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
        CHECK(thrown_by([&] { return empty.subject_attributes(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.issuer_attributes(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.common_name(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.is_self_issued(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.alternative_names(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.version(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.usage(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.extended_key_usage(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.constraints(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.ocsp_urls(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.ca_issuer_urls(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.crl_urls(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.key_type(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.key_bits(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.key_curve(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.signature_algorithm(); }) == errc::not_open);
        CHECK(thrown_by([&] { return empty.public_key_sha256(); }) == errc::not_open);
        CHECK(printed(empty) == "no certificate");
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
    CHECK(with_stale_errors([&] { return leaf.subject_attributes(); }).size() == 1);
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.common_name(); }) == "localhost");
    CHECK(queue_is_empty());
    CHECK_FALSE(with_stale_errors([&] { return leaf.is_self_issued(); }));
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.alternative_names(); }).size() == 4);
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.usage(); }));
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.extended_key_usage(); }).size() == 1);
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.constraints(); }));
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.ocsp_urls(); }).empty());
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.crl_urls(); }).empty());
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.key_bits(); }) == 256);
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return leaf.key_curve(); }) == "P-256");
    CHECK(queue_is_empty());
    (void)with_stale_errors([&] { return leaf.public_key_sha256(); });
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
