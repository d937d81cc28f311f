// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Public keys that are known beforehand: a peer's chain must hold one of them, besides everything else that is verified.

#ifndef TLS_STREAM_TLS_PINNED_KEYS_HPP
#define TLS_STREAM_TLS_PINNED_KEYS_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/certificate_summary.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tls {
inline namespace v0 {

/// A set of SHA-256 hashes of SubjectPublicKeyInfos in DER (RFC 7469 2.4). A value. An empty set means that nothing is pinned.
/// Pin a key that is in reserve too: who pins one key only cannot replace it.
class pinned_keys {
public:
    /// A SHA-256.
    using hash = std::array<std::byte, 32>;

    /// Empty.
    pinned_keys() noexcept = default;

    /// Hashes as text, each in one of these forms: base64 with its padding, 44 characters; that with "sha256/" or, as curl
    /// writes it, "sha256//" before it; or 64 hexadecimal digits, all octets or none separated by colons. Fails with
    /// errc::invalid_pin, error::what() telling which one it is by its position, from 1. All or nothing.
    [[nodiscard]] static pinned_keys from_text(std::initializer_list<std::string_view> texts);
    /// The same without an exception.
    [[nodiscard]] static pinned_keys from_text(std::initializer_list<std::string_view> texts, std::error_code& ec);
    /// The same; throws tls::error.
    [[nodiscard]] static pinned_keys from_text(std::span<const std::string> texts);
    /// The same without an exception.
    [[nodiscard]] static pinned_keys from_text(std::span<const std::string> texts, std::error_code& ec);

    /// The key of a certificate. Fails with errc::not_open if that is empty.
    [[nodiscard]] static pinned_keys of(const certificate& holder);
    /// The same without an exception.
    [[nodiscard]] static pinned_keys of(const certificate& holder, std::error_code& ec);

    /// Adds a hash, as certificate::public_key_sha256() gives it; one that is there already is not added again.
    void add(const hash& one) {
        const auto place = std::lower_bound(hashes_.begin(), hashes_.end(), one);
        if (place == hashes_.end() || *place != one) hashes_.insert(place, one);
    }
    /// Is this hash one of them?
    [[nodiscard]] bool contains(const hash& one) const noexcept {
        return std::binary_search(hashes_.begin(), hashes_.end(), one);
    }

    /// All of them, in ascending order.
    [[nodiscard]] const std::vector<std::array<std::byte, 32>>& hashes() const noexcept { return hashes_; }
    /// How many there are.
    [[nodiscard]] std::size_t size() const noexcept { return hashes_.size(); }
    /// False for an empty set.
    [[nodiscard]] explicit operator bool() const noexcept { return !hashes_.empty(); }

    /// The hashes as from_text() reads them, "sha256/" and base64; in no particular order.
    [[nodiscard]] std::vector<std::string> to_text() const {
        std::vector<std::string> texts;
        texts.reserve(hashes_.size());
        for (const hash& one : hashes_) texts.push_back(detail::pin_text(one));
        return texts;
    }

    /// Adds those of another set.
    pinned_keys& operator+=(const pinned_keys& other) {
        if (this == &other) return *this;
        for (const hash& one : other.hashes_) add(one);
        return *this;
    }
    /// Both together, as a new set.
    [[nodiscard]] friend pinned_keys operator+(pinned_keys a, const pinned_keys& b) {
        a += b;
        return a;
    }
    /// The same hashes, in whatever order they were added.
    [[nodiscard]] friend bool operator==(const pinned_keys&, const pinned_keys&) = default;

private:
    std::vector<hash> hashes_;  // sorted
};

namespace detail {

[[nodiscard]] inline std::optional<pinned_keys::hash> hash_from_base64(std::string_view text) {
    std::array<std::uint8_t, 33> decoded{};  // what BoringSSL wants to have room for: 44 * 3 / 4
    std::size_t size = 0;
    const auto* const encoded = reinterpret_cast<const std::uint8_t*>(text.data());
    if (text.size() != 44 || ::EVP_DecodeBase64(decoded.data(), &size, decoded.size(), encoded, text.size()) != 1) return {};
    pinned_keys::hash hash{};
    std::transform(decoded.begin(), decoded.begin() + hash.size(), hash.begin(),
                   [](std::uint8_t octet) { return std::byte{octet}; });
    // Neither more nor fewer octets, and the bits that are left over in the last character 0: else two texts would be one pin.
    if (!pin_text(hash).ends_with(text)) return {};
    return hash;
}

[[nodiscard]] inline std::optional<pinned_keys::hash> hash_from_hexadecimal(std::string_view text) {
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    pinned_keys::hash hash{};
    const std::size_t step = text.size() == 3 * hash.size() - 1 ? 3 : 2;
    if (step == 2 && text.size() != 2 * hash.size()) return {};
    for (std::size_t i = 0; i != hash.size(); ++i) {
        const std::string_view octet = text.substr(step * i, step);
        const int high = digit(octet[0]);
        const int low = digit(octet[1]);
        if (high < 0 || low < 0 || (octet.size() == 3 && octet[2] != ':')) return {};
        hash[i] = std::byte(static_cast<std::uint8_t>(high * 16 + low));
    }
    return hash;
}

// The prefix is told by what is left: base64 may begin with '/' as well.
[[nodiscard]] inline std::optional<pinned_keys::hash> hash_from_text(std::string_view text) {
    for (const std::string_view prefix : {"sha256//", "sha256/", ""}) {
        if (!text.starts_with(prefix)) continue;
        if (const auto hash = hash_from_base64(text.substr(prefix.size()))) return hash;
    }
    return hash_from_hexadecimal(text);
}

template <class Texts>
[[nodiscard]] pinned_keys pinned_from_text(const Texts& texts, failure& why) {
    const error_queue_guard guard;
    pinned_keys pinned;
    std::size_t position = 0;
    for (const std::string_view text : texts) {
        ++position;
        const auto hash = hash_from_text(text);
        if (!hash) {
            why = {make_error_code(errc::invalid_pin), "pin " + std::to_string(position), {}};
            return {};
        }
        pinned.add(*hash);
    }
    return pinned;
}

[[nodiscard]] inline pinned_keys pinned_from_certificate(const certificate& holder, failure& why) {
    pinned_keys pinned;
    try {
        pinned.add(holder.public_key_sha256());
    } catch (const error& e) {
        why = {e.code(), "tls::pinned_keys: no certificate, or a malformed one", std::string(e.details())};
    }
    return pinned;
}

}  // namespace detail

inline pinned_keys pinned_keys::from_text(std::initializer_list<std::string_view> texts) {
    return detail::throwing([&](detail::failure& why) { return detail::pinned_from_text(texts, why); });
}
inline pinned_keys pinned_keys::from_text(std::initializer_list<std::string_view> texts, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::pinned_from_text(texts, why); });
}
inline pinned_keys pinned_keys::from_text(std::span<const std::string> texts) {
    return detail::throwing([&](detail::failure& why) { return detail::pinned_from_text(texts, why); });
}
inline pinned_keys pinned_keys::from_text(std::span<const std::string> texts, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::pinned_from_text(texts, why); });
}
inline pinned_keys pinned_keys::of(const certificate& holder) {
    return detail::throwing([&](detail::failure& why) { return detail::pinned_from_certificate(holder, why); });
}
inline pinned_keys pinned_keys::of(const certificate& holder, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::pinned_from_certificate(holder, why); });
}

}  // namespace v0
}  // namespace tls

#endif
