// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Trusted certificates from text, files and directories, all or nothing.

#ifndef TLS_STREAM_TLS_DETAIL_TRUST_SOURCES_HPP
#define TLS_STREAM_TLS_DETAIL_TRUST_SOURCES_HPP

#include <tls/certificate.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/error.hpp>

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

[[nodiscard]] inline std::vector<certificate> read_trust_text(std::string_view text, failure& why) {
    return read_certificates(text, {"PEM text", errc::invalid_trust}, why);
}

// One or more certificates in DER, back to back.
[[nodiscard]] inline std::vector<certificate> read_trust_der(std::span<const std::byte> der, failure& why) {
    const input_source source{"DER", errc::invalid_trust};
    std::vector<certificate> found;
    auto rest = as_octets(der);
    if (rest.empty()) why = source.wrong("holds no certificate");
    while (!rest.empty() && !why) {
        found.push_back(parse_certificate(rest));
        if (!found.back()) why = source.wrong("certificate " + std::to_string(found.size()) + " is malformed");
    }
    return found;
}

[[nodiscard]] inline std::vector<certificate> read_trust_file(const std::filesystem::path& path, failure& why) {
    const input_source source = file_source(path, errc::invalid_trust);
    const file_contents file = read_file(path, source, why);
    return why ? std::vector<certificate>() : read_certificates(file.text(), source, why);
}

// Is a directory's entry meant to hold certificates, by its name? openssl-rehash makes `xxxxxxxx.N` of a subject's hash.
[[nodiscard]] inline bool names_certificates(const std::filesystem::path& path) {
    const std::string extension = path.extension().native();
    if (extension == ".pem" || extension == ".crt" || extension == ".cer") return true;
    const std::string stem = path.stem().native();
    return stem.size() == 8 && stem.find_first_not_of("0123456789abcdef") == std::string::npos && extension.size() > 1 &&
           extension.find_first_not_of("0123456789", 1) == std::string::npos;
}

[[nodiscard]] inline std::vector<certificate> read_trust_directory(const std::filesystem::path& path, failure& why) {
    const input_source source = file_source(path, errc::invalid_trust);
    if (path.native().find('\0') != std::string::npos) {
        why = {std::make_error_code(std::errc::invalid_argument), source.name, {}};
        return {};
    }
    std::vector<std::filesystem::path> entries;
    std::error_code ec;
    for (std::filesystem::directory_iterator entry(path, ec), end; !ec && entry != end; entry.increment(ec)) {
        std::error_code unknown;
        if (names_certificates(entry->path()) && !entry->is_directory(unknown)) entries.push_back(entry->path());
    }
    if (ec) {
        why = {std::error_code(ec.value(), std::generic_category()), source.name, {}};
        return {};
    }
    std::sort(entries.begin(), entries.end());

    std::vector<certificate> found;
    std::set<std::pair<dev_t, ino_t>> seen;
    for (const std::filesystem::path& entry : entries) {
        const input_source entry_source = file_source(entry, errc::invalid_trust);
        const file_contents file = read_file(entry, entry_source, why);
        if (why) return {};
        if (!seen.emplace(file.device, file.inode).second) continue;
        auto more = read_certificates(file.text(), entry_source, why);
        if (why) return {};
        found.insert(found.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
    if (found.empty()) why = source.wrong("holds no certificates");
    return found;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
