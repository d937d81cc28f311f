// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Prints the table of names as JSON, with a certificate for each row, for test_names.py.

#include "name_table.hpp"

#include <tls/detail/printable.hpp>

#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string json_string(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
    }
    return out + '"';
}

std::string shown(std::string_view text) {
    return tls::detail::printable_ascii(text.size() < 60 ? text : std::string(text.substr(0, 50)) + "...");
}

// "a.test and DNS b.test, CN c.test"
std::string described(const identity::row& row) {
    std::string text = "'" + shown(row.host) + "' and";
    const auto add = [&](const char* kind, const std::vector<std::string>& values) {
        for (const std::string& value : values) text += std::string(" ") + kind + " '" + shown(value) + "',";
    };
    add("DNS", row.certificate.dns);
    add("IP", row.certificate.addresses);
    add("email", row.certificate.emails);
    add("URI", row.certificate.uris);
    add("CN", {row.certificate.common_name});
    text.pop_back();
    return text;
}

}  // namespace

int main() {
    using identity::dissent;
    const tests::issued authority = tests::make_authority("Name CA");
    std::cout << R"({"authority": )" << json_string(authority.certificate_pem()) << R"(, "rows": [)";
    bool first = true;
    for (const identity::row& row : identity::table()) {
        const tests::issued leaf = identity::issue(row.certificate, authority);
        const bool ours = row.ours == identity::answer::accepted;
        const auto answer_of = [&](dissent who) {
            return (row.others == who || row.others == dissent::both) != ours ? "true" : "false";
        };
        std::cout << (first ? "\n" : ",\n") << R"({"name": )" << json_string(std::string(row.fault) + " " + described(row))
                  << R"(, "host": )" << json_string(row.host) << R"(, "decided_by": )" << json_string(row.decided_by)
                  << R"(, "accepted": )" << (ours ? "true" : "false") << R"(, "openssl": )" << answer_of(dissent::openssl)
                  << R"(, "python": )" << answer_of(dissent::python) << R"(, "certificate": )"
                  << json_string(leaf.certificate_pem()) << R"(, "key": )" << json_string(leaf.key_pem()) << "}";
        first = false;
    }
    std::cout << "]}\n";
}
