// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Certificate revocation lists (RFC 5280 5) from text, bytes and files, all or nothing.

#ifndef TLS_STREAM_TLS_DETAIL_REVOCATION_LISTS_HPP
#define TLS_STREAM_TLS_DETAIL_REVOCATION_LISTS_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/error.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

using revocation_lists = std::vector<bssl::UniquePtr<X509_CRL>>;

// DER to a list, and on to the next: `der` becomes what follows it. Null if it is malformed; the reason is on the queue.
[[nodiscard]] inline bssl::UniquePtr<X509_CRL> parse_revocation_list(std::span<const std::uint8_t>& der) {
    const std::uint8_t* at = der.data();
    bssl::UniquePtr<X509_CRL> parsed(::d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
    if (parsed) der = der.subspan(static_cast<std::size_t>(at - der.data()));
    return parsed;
}

[[nodiscard]] inline failure malformed_revocation_list(const input_source& source, std::size_t number) {
    return source.wrong("revocation list " + std::to_string(number) + " is malformed");
}

// Every list of a PEM text, in order; blocks of other kinds are skipped. One that is malformed fails the whole, and so does finding none.
[[nodiscard]] inline revocation_lists revocation_lists_from_pem(std::string_view text, const input_source& source,
                                                                failure& why) {
    revocation_lists found;
    const bool well_formed = read_pem(text, source, why, [&](const pem_block& block) {
        if (block.label != "X509 CRL") return true;
        auto rest = block.der;
        auto parsed = block.encrypted ? nullptr : parse_revocation_list(rest);
        if (!parsed || !rest.empty()) {
            why = malformed_revocation_list(source, found.size() + 1);
            return false;
        }
        found.push_back(std::move(parsed));
        return true;
    });
    if (well_formed && !why && found.empty()) why = source.wrong("holds no revocation list in PEM");
    if (why) found.clear();
    return found;
}

// One or more lists in DER, back to back.
[[nodiscard]] inline revocation_lists revocation_lists_from_der(std::span<const std::uint8_t> der, const input_source& source,
                                                                failure& why) {
    revocation_lists found;
    if (der.empty()) why = source.wrong("holds no revocation list");
    while (!der.empty() && !why) {
        found.push_back(parse_revocation_list(der));
        if (!found.back()) why = malformed_revocation_list(source, found.size());
    }
    if (why) found.clear();
    return found;
}

[[nodiscard]] inline revocation_lists read_revocation_text(std::string_view text, failure& why) {
    return revocation_lists_from_pem(text, {"PEM text", errc::invalid_revocation_list}, why);
}

[[nodiscard]] inline revocation_lists read_revocation_der(std::span<const std::byte> der, failure& why) {
    return revocation_lists_from_der(as_octets(der), {"DER", errc::invalid_revocation_list}, why);
}

[[nodiscard]] inline revocation_lists read_revocation_file(const std::filesystem::path& path, failure& why) {
    const input_source source = file_source(path, errc::invalid_revocation_list);
    const file_contents file = read_file(path, source, why);
    if (why) return {};
    const std::string_view text = file.text();
    const bool is_der = text.starts_with('\x30') && text.find("-----BEGIN ") == std::string_view::npos;  // 30: a SEQUENCE
    if (!is_der) return revocation_lists_from_pem(text, source, why);
    return revocation_lists_from_der(as_octets(std::as_bytes(std::span(text))), source, why);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
