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

[[nodiscard]] inline std::string name_text(const X509_NAME* name) {
    constexpr unsigned long form = ASN1_STRFLGS_ESC_2253 | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_UTF8_CONVERT |
                                   ASN1_STRFLGS_DUMP_UNKNOWN | ASN1_STRFLGS_DUMP_DER | XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_DN_REV |
                                   XN_FLAG_FN_SN | XN_FLAG_DUMP_UNKNOWN_FIELDS;
    const error_queue_guard guard;
    const bssl::UniquePtr<BIO> memory(::BIO_new(::BIO_s_mem()));
    if (!memory || ::X509_NAME_print_ex(memory.get(), name, 0, form) < 0) malformed_certificate("malformed name");
    return printable_utf8(contents(memory.get()));
}

// Runs `show(std::string_view octets) -> std::string` for each entry of one type in the subjectAltName.
template <class Show>
[[nodiscard]] std::vector<std::string> alternative_names(const X509* x509, int type, Show show) {
    const error_queue_guard guard;
    int state = 0;
    const bssl::UniquePtr<GENERAL_NAMES> names(
        static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(x509, NID_subject_alt_name, &state, nullptr)));
    std::vector<std::string> shown;
    if (!names) {
        if (state != -1) malformed_certificate("malformed subjectAltName");
        return shown;
    }
    for (std::size_t i = 0; i != sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != type) continue;
        const ASN1_STRING* const value = type == GEN_IPADD ? name->d.iPAddress : name->d.dNSName;
        shown.push_back(show(as_text({::ASN1_STRING_get0_data(value), static_cast<std::size_t>(::ASN1_STRING_length(value))})));
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
    if (since_epoch > std::chrono::duration_cast<seconds>(point::max().time_since_epoch())) return point::max();
    if (since_epoch < std::chrono::duration_cast<seconds>(point::min().time_since_epoch())) return point::min();
    return point(since_epoch);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
