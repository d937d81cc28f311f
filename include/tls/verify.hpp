// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What a client expects its server to be called, and how BoringSSL is told to insist on it (RFC 9525).

#ifndef TLS_STREAM_TLS_VERIFY_HPP
#define TLS_STREAM_TLS_VERIFY_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/printable.hpp>
#include <tls/error.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace tls {
inline namespace v0 {
namespace detail {

// A server's reference identity: a DNS name or an IP address, never both.
struct server_identity {
    std::string name;  // as SNI and for the check: a DNS name without its trailing dot, or the address in its usual text
    bool is_address = false;
    std::array<unsigned char, 16> octets{};  // of an address, in network order
    std::size_t octet_count = 0;             // 4, 16, or 0 for a DNS name
};

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_hex_digit(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// What makes `name`, without a trailing dot, no DNS host name, or null if nothing does. Beyond RFC 1123 an underscore is
// let through, because it occurs.
[[nodiscard]] inline const char* dns_name_fault(std::string_view name) noexcept {
    if (name.empty()) return "it is empty";
    if (name.size() > 253) return "it is longer than 253 bytes";
    std::string_view label;
    for (std::string_view rest = name;;) {
        const std::size_t end = rest.find('.');
        label = rest.substr(0, end);
        if (label.empty()) return "it has an empty label";
        if (label.size() > 63) return "it has a label longer than 63 bytes";
        for (const char c : label) {
            if (static_cast<unsigned char>(c) >= 0x80) return "international names must be in ASCII form (xn--)";
            if (c == '*') return "a server's own name cannot be a wildcard";
            if (!is_hex_digit(c) && !(c >= 'g' && c <= 'z') && !(c >= 'G' && c <= 'Z') && c != '-' && c != '_') {
                return "it has a character that no host name has";
            }
        }
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    // Resolvers take such names for IPv4 addresses: 127.1, 0x7f000001.
    const bool hexadecimal = label.starts_with("0x") || label.starts_with("0X");
    if (hexadecimal) label.remove_prefix(2);
    for (const char c : label) {
        if (hexadecimal ? !is_hex_digit(c) : !is_digit(c)) return nullptr;
    }
    return "its last label is a number, and it is not an IP address";
}

// Understands the name that a caller gave. An IPv4 or IPv6 address is one in the strict text of inet_pton, without
// brackets; an IPv6 zone (fe80::1%eth0) says which way to send, not who answers, and is left out. Everything else must be a
// DNS name (RFC 1123), an internationalized one in its ASCII form; one trailing dot is left out (RFC 6066 3). Fails with
// errc::invalid_server_name.
[[nodiscard]] inline server_identity parse_server_name(std::string_view given, failure& why) {
    const auto refuse = [&](const char* fault) -> server_identity {
        why = {make_error_code(errc::invalid_server_name), "server name \"" + printable_ascii(given) + "\": " + fault, {}};
        return {};
    };
    if (given.find('\0') != std::string_view::npos) return refuse("it has a NUL byte");

    server_identity identity;
    const std::size_t zone = given.find('%');
    std::string address(given.substr(0, zone));
    if (zone == std::string_view::npos && ::inet_pton(AF_INET, address.c_str(), identity.octets.data()) == 1) {
        identity.octet_count = 4;
    } else if (zone + 1 != given.size() && ::inet_pton(AF_INET6, address.c_str(), identity.octets.data()) == 1) {
        identity.octet_count = 16;
    }
    if (identity.octet_count != 0) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(identity.octet_count == 4 ? AF_INET : AF_INET6, identity.octets.data(), text.data(), text.size());
        identity.name = text.data();
        identity.is_address = true;
        return identity;
    }

    std::string_view name = given;
    if (name.ends_with('.')) name.remove_suffix(1);
    if (const char* const fault = dns_name_fault(name)) return refuse(fault);
    identity.name = name;
    return identity;
}

// Makes verification with these parameters fail unless the certificate names `identity` in its subjectAltName. The
// subject's common name never counts, a wildcard is a whole left-most label and stands for exactly one label, and an
// address matches its own octets only. False if memory runs out.
[[nodiscard]] inline bool require_name(X509_VERIFY_PARAM* parameters, const server_identity& identity) {
    if (identity.is_address) {
        return ::X509_VERIFY_PARAM_set1_ip(parameters, identity.octets.data(), identity.octet_count) == 1;
    }
    ::X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return ::X509_VERIFY_PARAM_set1_host(parameters, identity.name.data(), identity.name.size()) == 1;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
