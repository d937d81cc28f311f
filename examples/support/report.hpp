// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// How `inspect` prints what it found: headings, and columns below them, at most 100 wide.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_REPORT_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_REPORT_HPP

#include <tls/certificate.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demo {

// Where the report goes: to standard output, unless it is told otherwise.
[[nodiscard]] inline std::ostream*& output_stream() {
    static std::ostream* to = &std::cout;
    return to;
}
[[nodiscard]] inline std::ostream& output() { return *output_stream(); }

inline void heading(std::string_view text) { output() << '\n' << text << '\n' << std::string(text.size(), '-') << '\n'; }

inline void field(std::string_view name, std::string_view value) {
    output() << "  " << std::left << std::setw(16) << name << value << '\n';
}

// 1048576 as "1,048,576".
[[nodiscard]] inline std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

[[nodiscard]] inline std::string joined(const std::vector<std::string>& parts) {
    std::string all;
    for (const std::string& part : parts) all += (all.empty() ? "" : ", ") + part;
    return all;
}

// "2026-11-24 07:02:11 UTC"
[[nodiscard]] inline std::string date(std::chrono::system_clock::time_point when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::ostringstream text;
    text << std::put_time(&parts, "%F %T UTC");
    return text.str();
}

[[nodiscard]] inline std::string describe(const tls::cipher_info& cipher) {
    return std::string(cipher.name) + ", " + std::string(cipher.protocol) + ", " + std::to_string(cipher.bits) + " bits";
}

// One line for each cipher that the client offered. `shared` is what the server says, where the server can be asked.
inline void print_ciphers(const std::vector<tls::cipher_info>& offered, const tls::cipher_info& used,
                          const std::optional<std::vector<tls::cipher_info>>& shared) {
    const auto row = [](std::string_view name, std::string_view protocol, const std::string& bits, std::string_view client,
                        std::string_view server, std::string_view use) {
        std::ostringstream line;
        line << "  " << std::left << std::setw(33) << name << std::setw(10) << protocol << std::right << std::setw(4) << bits
             << "   " << std::left << std::setw(10) << client << std::setw(10) << server << use;
        std::string text = line.str();
        text.erase(text.find_last_not_of(' ') + 1);
        output() << text << '\n';
    };
    row("name", "protocol", "bits", "client", "server", "");
    for (const tls::cipher_info& cipher : offered) {
        const bool allowed = shared && std::find(shared->begin(), shared->end(), cipher) != shared->end();
        row(cipher.name, cipher.protocol, std::to_string(cipher.bits), "offered", allowed ? "shared" : "",
            cipher == used ? "in use" : "");
    }
    if (!shared) output() << "  (which of them the server allows too is not known: its own list never crosses the wire)\n";
}

// SHA-256 of the certificate, in hexadecimal.
[[nodiscard]] inline std::string fingerprint(const tls::certificate& certificate) {
    std::ostringstream text;
    for (const std::byte octet : certificate.sha256()) {
        text << std::hex << std::setw(2) << std::setfill('0') << std::to_integer<int>(octet);
    }
    return text.str();
}

inline void print_certificate(const tls::certificate& certificate) {
    field("subject", certificate.subject());
    field("issuer", certificate.issuer());
    if (const auto names = certificate.dns_names(); !names.empty()) field("DNS names", joined(names));
    if (const auto addresses = certificate.ip_addresses(); !addresses.empty()) field("IP addresses", joined(addresses));
    field("valid", date(certificate.not_before()) + "  to  " + date(certificate.not_after()));
    field("serial number", certificate.serial());
    field("SHA-256", fingerprint(certificate));
}

// Results side by side, a column each under its title.
inline void print_results(const std::vector<std::pair<std::string, tls::shutdown_result>>& results) {
    const auto row = [&](std::string_view name, auto value) {
        output() << "  " << std::left << std::setw(22) << name;
        for (std::size_t i = 0; i < results.size(); ++i) {
            output() << std::setw(i + 1 < results.size() ? 26 : 0) << value(results[i]);
        }
        output() << '\n';
    };
    const auto yes = [](bool is_so) { return std::string(is_so ? "yes" : "no"); };
    row("", [](const auto& column) { return column.first; });
    row("close_notify_sent", [&](const auto& column) { return yes(column.second.close_notify_sent); });
    row("transport_shut_down", [&](const auto& column) { return yes(column.second.transport_shut_down); });
    row("peer", [](const auto& column) { return std::string(to_string(column.second.peer)); });
    row("timed_out", [&](const auto& column) { return yes(column.second.timed_out); });
    row("limit_reached", [&](const auto& column) { return yes(column.second.limit_reached); });
    row("discarded", [](const auto& column) { return grouped(column.second.discarded) + " bytes"; });
    row("clean()", [&](const auto& column) { return yes(column.second.clean()); });
}

}  // namespace demo

#endif
