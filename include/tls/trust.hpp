// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Whom to trust: the certificate authorities that a peer's chain must lead to, and what they have revoked.

#ifndef TLS_STREAM_TLS_TRUST_HPP
#define TLS_STREAM_TLS_TRUST_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/revocation_lists.hpp>
#include <tls/detail/system_trust.hpp>
#include <tls/detail/trust_contents.hpp>
#include <tls/detail/trust_sources.hpp>
#include <tls/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

class trust_store;
namespace detail {
const trust_contents* contents_of(const trust_store& trust) noexcept;
}  // namespace detail

/// A set of trusted certificates and revocation lists, put together from parts with `+`. A value: copies are cheap, share what was
/// loaded, and may be used by several threads. Default-constructed it is empty and trusts nobody. A certificate that occurs twice counts
/// once when it comes to verifying. Contexts that are made of one value and its copies share one X509_STORE.
///
/// What cannot be read fails with errc::invalid_trust (malformed, no certificate in it, no regular file, over 16 MiB), for revocation
/// lists errc::invalid_revocation_list, or with what the system says (std::errc::no_such_file_or_directory, permission_denied,
/// is_a_directory, ...), and the path is in error::what(), with the number of the entry that is malformed. All or nothing: one malformed
/// entry fails the whole part.
class trust_store {
public:
    /// An empty one.
    trust_store() noexcept = default;

    /// The system's authorities: a marker. They are loaded when the first context is made of it, once per process, and shared
    /// from then on; making that context is what fails if they cannot be loaded, and the next one tries again.
    ///
    /// If SSL_CERT_FILE or SSL_CERT_DIR is set and not empty, exactly these are used (a bundle, and a list of directories
    /// separated by colons; all of it must be there), and the environment is read when loading. Otherwise the first bundle
    /// that exists of those that Linux distributions and BSDs keep, or else the directory /etc/ssl/certs.
    [[nodiscard]] static trust_store system() {
        static const auto& marker = *new const auto(std::make_shared<const detail::trust_contents>(std::vector<part>(1)));
        return trust_store(marker);
    }

    /// A bundle in PEM; "TRUSTED CERTIFICATE" blocks, OpenSSL's form with trust settings, are understood, and other blocks and
    /// text between them are skipped.
    [[nodiscard]] static trust_store from_file(const std::filesystem::path& path);
    /// The same without an exception.
    [[nodiscard]] static trust_store from_file(const std::filesystem::path& path, std::error_code& ec);
    /// Every entry of a directory, subdirectories left out, that is named by a hash as openssl-rehash does ("5ed36f99.0") or
    /// ends in .pem, .crt or .cer, as a bundle in PEM; a file that several links lead to counts once.
    [[nodiscard]] static trust_store from_directory(const std::filesystem::path& path);
    /// The same without an exception.
    [[nodiscard]] static trust_store from_directory(const std::filesystem::path& path, std::error_code& ec);
    /// A bundle in PEM, from memory.
    [[nodiscard]] static trust_store from_pem(std::string_view text);
    /// The same without an exception.
    [[nodiscard]] static trust_store from_pem(std::string_view text, std::error_code& ec);
    /// One certificate in DER, or several one after the other.
    [[nodiscard]] static trust_store from_der(std::span<const std::byte> der);
    /// The same without an exception.
    [[nodiscard]] static trust_store from_der(std::span<const std::byte> der, std::error_code& ec);

    /// Revocation lists (RFC 5280 5), trusting nobody: to be added to a store. They are looked at by contexts that are asked to
    /// check for revocation. Whether a list is signed by its issuer and still current shows when a chain is verified.
    ///
    /// A file: PEM ("X509 CRL" blocks, others skipped), or DER as authorities publish it.
    [[nodiscard]] static trust_store revocation_lists_from_file(const std::filesystem::path& path);
    /// The same without an exception.
    [[nodiscard]] static trust_store revocation_lists_from_file(const std::filesystem::path& path, std::error_code& ec);
    /// PEM in memory, likewise.
    [[nodiscard]] static trust_store revocation_lists_from_pem(std::string_view text);
    /// The same without an exception.
    [[nodiscard]] static trust_store revocation_lists_from_pem(std::string_view text, std::error_code& ec);
    /// One list in DER, or several one after the other.
    [[nodiscard]] static trust_store revocation_lists_from_der(std::span<const std::byte> der);
    /// The same without an exception.
    [[nodiscard]] static trust_store revocation_lists_from_der(std::span<const std::byte> der, std::error_code& ec);

    /// Adds what is in another. A part that is there already is not added again.
    trust_store& operator+=(const trust_store& other) {
        if (!other.contents_ || contents_ == other.contents_) return *this;
        if (!contents_) return *this = other;
        std::vector<part> all = contents_->parts();
        const std::size_t before = all.size();
        for (const part& more : other.contents_->parts()) {
            if (std::find(all.begin(), all.end(), more) == all.end()) all.push_back(more);
        }
        if (all.size() != before) contents_ = std::make_shared<const detail::trust_contents>(std::move(all));
        return *this;
    }
    /// Both together, as a new store.
    [[nodiscard]] friend trust_store operator+(trust_store a, const trust_store& b) {
        a += b;
        return a;
    }

    /// False if there is nothing in it. A system marker counts as something, loaded or not, and so do revocation lists alone.
    [[nodiscard]] explicit operator bool() const noexcept { return contents_ != nullptr; }
    /// How many certificates were loaded; the system's count from when they are.
    [[nodiscard]] std::size_t size() const {
        return count([](const detail::trust_part& one) { return one.certificates.size(); });
    }
    /// How many revocation lists were loaded.
    [[nodiscard]] std::size_t revocation_list_count() const {
        return count([](const detail::trust_part& one) { return one.lists.size(); });
    }

private:
    using part = detail::trust_contents::part;

    explicit trust_store(std::shared_ptr<const detail::trust_contents> contents) noexcept : contents_(std::move(contents)) {}

    friend const detail::trust_contents* detail::contents_of(const trust_store&) noexcept;

    // A store of one part: what `read(trust_part&, failure&)` fills in.
    template <class Read>
    [[nodiscard]] static trust_store one_part(Read& read, detail::failure& why) {
        const detail::error_queue_guard guard;
        auto made = std::make_shared<detail::trust_part>();
        read(*made, why);
        if (why) return {};
        return trust_store(std::make_shared<const detail::trust_contents>(std::vector<part>{std::move(made)}));
    }
    template <class Read>
    [[nodiscard]] static trust_store made_of(Read read) {
        return detail::throwing([&](detail::failure& why) { return one_part(read, why); });
    }
    template <class Read>
    [[nodiscard]] static trust_store made_of(Read read, std::error_code& ec) {
        return detail::reporting(ec, [&](detail::failure& why) { return one_part(read, why); });
    }

    template <class Count>
    [[nodiscard]] std::size_t count(Count count) const {
        std::size_t sum = 0;
        if (!contents_) return sum;
        for (const part& one : contents_->parts()) {
            if (one) sum += count(*one);
            else if (const auto system = detail::the_system_trust().loaded()) sum += count(*system);
        }
        return sum;
    }

    std::shared_ptr<const detail::trust_contents> contents_;  // null if it is empty
};

namespace detail {

inline const trust_contents* contents_of(const trust_store& trust) noexcept { return trust.contents_.get(); }

// The store to verify against, which the value's copies share: it must not be changed. Null on failure.
[[nodiscard]] inline bssl::UniquePtr<X509_STORE> certificate_store(const trust_store& trust, failure& why) {
    const error_queue_guard guard;
    if (const trust_contents* const contents = contents_of(trust)) return contents->store(why);
    bssl::UniquePtr<X509_STORE> store(::X509_STORE_new());
    if (!store) why = input_source{"trust store", errc::invalid_trust}.wrong("cannot be built");
    return store;
}

// Tells two trust configurations apart: the same for the same certificates and revocation lists, in every process. All zeros if it is
// empty, or on failure.
[[nodiscard]] inline std::array<std::byte, 32> trust_digest(const trust_store& trust, failure& why) {
    const error_queue_guard guard;
    const trust_contents* const contents = contents_of(trust);
    return contents != nullptr ? contents->digest(why) : std::array<std::byte, 32>{};
}

// The names of all trusted authorities, each once: what a server tells its clients (RFC 8446 4.2.4). Null on failure.
[[nodiscard]] inline bssl::UniquePtr<STACK_OF(X509_NAME)> subject_names(const trust_store& trust, failure& why) {
    const error_queue_guard guard;
    bssl::UniquePtr<STACK_OF(X509_NAME)> names(sk_X509_NAME_new_null());
    std::set<std::string, std::less<>> seen;
    const auto add = [&](const certificate& authority) {
        bssl::UniquePtr<X509_NAME> name(::X509_NAME_dup(::X509_get_subject_name(authority.native_handle())));
        std::uint8_t* encoded = nullptr;
        const int size = name ? ::i2d_X509_NAME(name.get(), &encoded) : -1;
        if (size < 0) return false;
        const bssl::UniquePtr<std::uint8_t> owned(encoded);
        if (!seen.emplace(as_text({encoded, static_cast<std::size_t>(size)})).second) return true;
        return bssl::PushToStack(names.get(), std::move(name));
    };
    const auto add_all = [&](const trust_part& one) {
        return std::all_of(one.certificates.begin(), one.certificates.end(), add);
    };
    const trust_contents* const contents = contents_of(trust);
    const bool listed = names && (contents == nullptr || contents->for_each_part(why, add_all));
    if (listed) return names;
    if (!why) why = input_source{"trust store", errc::invalid_trust}.wrong("its names cannot be listed");
    return nullptr;
}

}  // namespace detail

inline trust_store trust_store::from_file(const std::filesystem::path& path) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_file(path, why); });
}
inline trust_store trust_store::from_file(const std::filesystem::path& path, std::error_code& ec) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_file(path, why); }, ec);
}
inline trust_store trust_store::from_directory(const std::filesystem::path& path) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_directory(path, why); });
}
inline trust_store trust_store::from_directory(const std::filesystem::path& path, std::error_code& ec) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_directory(path, why); }, ec);
}
inline trust_store trust_store::from_pem(std::string_view text) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_text(text, why); });
}
inline trust_store trust_store::from_pem(std::string_view text, std::error_code& ec) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_text(text, why); }, ec);
}
inline trust_store trust_store::from_der(std::span<const std::byte> der) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_der(der, why); });
}
inline trust_store trust_store::from_der(std::span<const std::byte> der, std::error_code& ec) {
    return made_of([&](auto& into, auto& why) { into.certificates = detail::read_trust_der(der, why); }, ec);
}

inline trust_store trust_store::revocation_lists_from_file(const std::filesystem::path& path) {
    return made_of([&](auto& into, auto& why) { into.lists = detail::read_revocation_file(path, why); });
}
inline trust_store trust_store::revocation_lists_from_file(const std::filesystem::path& path, std::error_code& ec) {
    return made_of([&](auto& into, auto& why) { into.lists = detail::read_revocation_file(path, why); }, ec);
}
inline trust_store trust_store::revocation_lists_from_pem(std::string_view text) {
    return made_of([&](auto& into, auto& why) { into.lists = detail::read_revocation_text(text, why); });
}
inline trust_store trust_store::revocation_lists_from_pem(std::string_view text, std::error_code& ec) {
    return made_of([&](auto& into, auto& why) { into.lists = detail::read_revocation_text(text, why); }, ec);
}
inline trust_store trust_store::revocation_lists_from_der(std::span<const std::byte> der) {
    return made_of([&](auto& into, auto& why) { into.lists = detail::read_revocation_der(der, why); });
}
inline trust_store trust_store::revocation_lists_from_der(std::span<const std::byte> der, std::error_code& ec) {
    return made_of([&](auto& into, auto& why) { into.lists = detail::read_revocation_der(der, why); }, ec);
}

}  // namespace v0
}  // namespace tls

#endif
