// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a certificate says, as text and time. Nothing in it is trusted: what is malformed is shown as such, or refused with
// errc::invalid_certificate.

#ifndef TLS_STREAM_TLS_DETAIL_X509_TEXT_HPP
#define TLS_STREAM_TLS_DETAIL_X509_TEXT_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/printable.hpp>
#include <tls/error.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

[[noreturn]] inline void malformed_certificate(std::string_view part) {
    input_source{"certificate", errc::invalid_certificate}.wrong(part).raise();
}

// How many octets the character at the beginning takes if it ends lines (U+2028, U+2029) or turns the direction of writing
// (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069); 0 for every other one.
[[nodiscard]] inline std::size_t misleading_character(std::string_view utf8) {
    const auto between = [&](std::string_view first, std::string_view last) {
        const std::string_view character = utf8.substr(0, first.size());
        return character >= first && character <= last;
    };
    if (between("\xD8\x9C", "\xD8\x9C")) return 2;
    const bool misleads = between("\xE2\x80\x8E", "\xE2\x80\x8F") || between("\xE2\x80\xA8", "\xE2\x80\xAE") ||
                          between("\xE2\x81\xA6", "\xE2\x81\xA9");
    return misleads ? 3 : 0;
}

// UTF-8, fit to be shown on one line: control characters and what misleads become \XX for each octet. Refuses what is not
// UTF-8, which BoringSSL before API 19 hands through.
[[nodiscard]] inline std::string on_one_line(std::string_view utf8) {
    const auto* const octets = reinterpret_cast<const std::uint8_t*>(utf8.data());
    const auto size = static_cast<int>(utf8.size());
    if (size != 0 && ::ASN1_mbstring_copy(nullptr, octets, size, MBSTRING_UTF8, B_ASN1_UTF8STRING) < 0) {
        malformed_certificate("malformed text in a name");
    }
    const std::string printable = printable_utf8(utf8);
    std::string text;
    for (std::string_view rest = printable; !rest.empty();) {
        const std::size_t escaped = misleading_character(rest);
        for (const char c : rest.substr(0, escaped)) append_escaped(text, static_cast<unsigned char>(c));
        if (escaped == 0) text += rest.front();
        rest.remove_prefix(escaped == 0 ? 1 : escaped);
    }
    return text;
}

[[nodiscard]] inline std::string name_text(const X509_NAME* name) {
    constexpr unsigned long form = ASN1_STRFLGS_ESC_2253 | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_UTF8_CONVERT |
                                   ASN1_STRFLGS_DUMP_UNKNOWN | ASN1_STRFLGS_DUMP_DER | XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_DN_REV |
                                   XN_FLAG_FN_SN | XN_FLAG_DUMP_UNKNOWN_FIELDS;
    const error_queue_guard guard;
    const bssl::UniquePtr<BIO> memory(::BIO_new(::BIO_s_mem()));
    if (!memory || ::X509_NAME_print_ex(memory.get(), name, 0, form) < 0) malformed_certificate("malformed name");
    return on_one_line(contents(memory.get()));
}

// An extension, decoded; null if the certificate has none. One that is malformed or there twice is refused.
template <class Extension>
[[nodiscard]] bssl::UniquePtr<Extension> extension(const X509* x509, int nid, std::string_view name) {
    constexpr int absent = -1;
    int state = 0;
    bssl::UniquePtr<Extension> decoded(static_cast<Extension*>(::X509_get_ext_d2i(x509, nid, &state, nullptr)));
    if (!decoded && state != absent) malformed_certificate("malformed " + std::string(name));
    return decoded;
}

[[nodiscard]] inline std::string_view string_octets(const ASN1_STRING* value) {
    return as_text({::ASN1_STRING_get0_data(value), static_cast<std::size_t>(::ASN1_STRING_length(value))});
}

// Runs `show(std::string_view octets) -> std::string` for each entry of one type in the subjectAltName.
template <class Show>
[[nodiscard]] std::vector<std::string> alternative_names(const X509* x509, int type, Show show) {
    const error_queue_guard guard;
    const auto names = extension<GENERAL_NAMES>(x509, NID_subject_alt_name, "subjectAltName");
    std::vector<std::string> shown;
    for (std::size_t i = 0; names && i != sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == type) shown.push_back(show(string_octets(type == GEN_IPADD ? name->d.iPAddress : name->d.dNSName)));
    }
    return shown;
}

[[nodiscard]] inline std::string address_text(std::string_view octets) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = octets.size() == 4 ? AF_INET : AF_INET6;
    const bool is_address = octets.size() == 4 || octets.size() == 16;
    if (is_address && ::inet_ntop(family, octets.data(), text.data(), text.size()) != nullptr) return text.data();
    std::string escaped;
    for (const char octet : octets) append_escaped(escaped, static_cast<unsigned char>(octet));
    return escaped;
}

// "Jan  1 00:00:00 2030 GMT", whatever the clock can count.
[[nodiscard]] inline std::string date_text(const ASN1_TIME* time) {
    const error_queue_guard guard;
    const bssl::UniquePtr<BIO> memory(::BIO_new(::BIO_s_mem()));
    if (!memory || ::ASN1_TIME_print(memory.get(), time) != 1) malformed_certificate("malformed date");
    return std::string(contents(memory.get()));
}

[[nodiscard]] inline std::string serial_text(const ASN1_INTEGER* serial) {
    const error_queue_guard guard;
    const bssl::UniquePtr<BIGNUM> number(::ASN1_INTEGER_to_BN(serial, nullptr));
    const bssl::UniquePtr<char> text(number ? ::BN_bn2hex(number.get()) : nullptr);
    if (!text) malformed_certificate("malformed serial number");
    return text.get();
}

// Saturates at the clock's ends.
[[nodiscard]] inline std::chrono::system_clock::time_point time_of(const ASN1_TIME* time) {
    using point = std::chrono::system_clock::time_point;
    using std::chrono::seconds;
    const error_queue_guard guard;
    const bssl::UniquePtr<ASN1_TIME> epoch(::ASN1_TIME_set(nullptr, 0));
    int whole_days = 0;
    int more_seconds = 0;
    if (!epoch || ::ASN1_TIME_diff(&whole_days, &more_seconds, epoch.get(), time) != 1) malformed_certificate("malformed date");
    const seconds since_epoch = std::chrono::days(whole_days) + seconds(more_seconds);
    if (since_epoch > std::chrono::duration_cast<seconds>((point::max)().time_since_epoch())) return (point::max)();
    if (since_epoch < std::chrono::duration_cast<seconds>((point::min)().time_since_epoch())) return (point::min)();
    return point(since_epoch);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
