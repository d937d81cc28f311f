// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Whom to trust: the certificate authorities that a peer's chain must lead to.

#ifndef TLS_STREAM_TLS_TRUST_HPP
#define TLS_STREAM_TLS_TRUST_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/system_trust.hpp>
#include <tls/detail/trust_sources.hpp>
#include <tls/error.hpp>

#include <algorithm>
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
bssl::UniquePtr<X509_STORE> certificate_store(const trust_store& trust, failure& why);
bssl::UniquePtr<STACK_OF(X509_NAME)> subject_names(const trust_store& trust, failure& why);
}  // namespace detail

// A set of trusted certificates, put together from parts with `+`. A value: copies are cheap, share what was loaded, and may
// be used by several threads. Default-constructed it is empty and trusts nobody. A certificate that occurs twice counts
// once when it comes to verifying.
//
// What cannot be read fails with errc::invalid_trust (malformed, no certificate in it, no regular file, over 16 MiB) or with
// what the system says (std::errc::no_such_file_or_directory, permission_denied, is_a_directory, ...), and the path is in
// error::what(). All or nothing: one malformed certificate fails the whole part.
class trust_store {
public:
    trust_store() noexcept = default;

    // The system's authorities: a marker. They are loaded when the first context is made of it, once per process, and shared
    // from then on; making that context is what fails if they cannot be loaded, and the next one tries again.
    //
    // If SSL_CERT_FILE or SSL_CERT_DIR is set and not empty, exactly these are used (a bundle, and a list of directories
    // separated by colons; all of it must be there), and the environment is read when loading. Otherwise the first bundle
    // that exists of those that Linux distributions and BSDs keep, or else the directory /etc/ssl/certs.
    [[nodiscard]] static trust_store system() {
        trust_store trust;
        trust.parts_.emplace_back();
        return trust;
    }

    // A bundle in PEM; "TRUSTED CERTIFICATE" blocks, OpenSSL's form with trust settings, are understood, and other blocks and
    // text between them are skipped.
    [[nodiscard]] static trust_store from_file(const std::filesystem::path& path);
    [[nodiscard]] static trust_store from_file(const std::filesystem::path& path, std::error_code& ec);
    // Every entry of a directory, subdirectories left out, that is named by a hash as openssl-rehash does ("5ed36f99.0") or
    // ends in .pem, .crt or .cer, as a bundle in PEM; a file that several links lead to counts once.
    [[nodiscard]] static trust_store from_directory(const std::filesystem::path& path);
    [[nodiscard]] static trust_store from_directory(const std::filesystem::path& path, std::error_code& ec);
    // A bundle in PEM, from memory.
    [[nodiscard]] static trust_store from_pem(std::string_view text);
    [[nodiscard]] static trust_store from_pem(std::string_view text, std::error_code& ec);
    // One certificate in DER, or several one after the other.
    [[nodiscard]] static trust_store from_der(std::span<const std::byte> der);
    [[nodiscard]] static trust_store from_der(std::span<const std::byte> der, std::error_code& ec);

    // Both together. A part that is there already is not added again.
    trust_store& operator+=(const trust_store& other) {
        std::vector<part> all = parts_;
        for (const part& more : other.parts_) {
            if (std::find(all.begin(), all.end(), more) == all.end()) all.push_back(more);
        }
        parts_ = std::move(all);
        return *this;
    }
    [[nodiscard]] friend trust_store operator+(trust_store a, const trust_store& b) {
        a += b;
        return a;
    }

    // False if it trusts nobody. A system marker counts as something, loaded or not.
    [[nodiscard]] explicit operator bool() const noexcept { return !parts_.empty(); }
    // How many certificates were loaded; the system's count from when they are.
    [[nodiscard]] std::size_t size() const {
        std::size_t count = 0;
        for (const part& one : parts_) {
            if (one) count += one->size();
            else if (const auto system = detail::the_system_trust().loaded()) count += system->certificates.size();
        }
        return count;
    }

private:
    friend bssl::UniquePtr<X509_STORE> detail::certificate_store(const trust_store&, detail::failure&);
    friend bssl::UniquePtr<STACK_OF(X509_NAME)> detail::subject_names(const trust_store&, detail::failure&);

    using part = std::shared_ptr<const std::vector<certificate>>;

    // A store of one part: the certificates that `read(failure&)` gives.
    template <class Read>
    [[nodiscard]] static trust_store one_part(Read& read, detail::failure& why) {
        const detail::error_queue_guard guard;
        std::vector<certificate> certificates = read(why);
        trust_store trust;
        if (!why) trust.parts_.push_back(std::make_shared<const std::vector<certificate>>(std::move(certificates)));
        return trust;
    }
    template <class Read>
    [[nodiscard]] static trust_store made_of(Read read) {
        return detail::throwing([&](detail::failure& why) { return one_part(read, why); });
    }
    template <class Read>
    [[nodiscard]] static trust_store made_of(Read read, std::error_code& ec) {
        return detail::reporting(ec, [&](detail::failure& why) { return one_part(read, why); });
    }

    // Runs `use(certificates) -> bool` for each part, and stops at the first false. False if the system's cannot be loaded.
    template <class Use>
    [[nodiscard]] bool for_each_part(detail::failure& why, Use use) const {
        for (const part& one : parts_) {
            if (one) {
                if (!use(*one)) return false;
                continue;
            }
            const auto system = detail::the_system_trust().load(why);
            if (!system || !use(system->certificates)) return false;
        }
        return true;
    }

    std::vector<part> parts_;  // null stands for the system's; none is empty
};

namespace detail {

// The store to verify against. If the system's authorities are all there is, it is the one that the whole process shares:
// it must not be changed. Otherwise a new one. Null on failure.
inline bssl::UniquePtr<X509_STORE> certificate_store(const trust_store& trust, failure& why) {
    const error_queue_guard guard;
    if (trust.parts_.size() == 1 && !trust.parts_.front()) {
        const auto system = the_system_trust().load(why);
        return system ? bssl::UpRef(system->store) : nullptr;
    }
    bssl::UniquePtr<X509_STORE> store(::X509_STORE_new());
    const bool built = store && trust.for_each_part(why, [&](const std::vector<certificate>& certificates) {
        return add_certificates(store.get(), certificates);
    });
    if (built) return store;
    if (!why) why = input_source{"trust store", errc::invalid_trust}.wrong("cannot be built");
    return nullptr;
}

// The names of all trusted authorities, each once: what a server tells its clients (RFC 8446 4.2.4). Null on failure.
inline bssl::UniquePtr<STACK_OF(X509_NAME)> subject_names(const trust_store& trust, failure& why) {
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
    const bool listed = names && trust.for_each_part(why, [&](const std::vector<certificate>& certificates) {
        return std::all_of(certificates.begin(), certificates.end(), add);
    });
    if (listed) return names;
    if (!why) why = input_source{"trust store", errc::invalid_trust}.wrong("its names cannot be listed");
    return nullptr;
}

}  // namespace detail

inline trust_store trust_store::from_file(const std::filesystem::path& path) {
    return made_of([&](detail::failure& why) { return detail::read_trust_file(path, why); });
}
inline trust_store trust_store::from_file(const std::filesystem::path& path, std::error_code& ec) {
    return made_of([&](detail::failure& why) { return detail::read_trust_file(path, why); }, ec);
}
inline trust_store trust_store::from_directory(const std::filesystem::path& path) {
    return made_of([&](detail::failure& why) { return detail::read_trust_directory(path, why); });
}
inline trust_store trust_store::from_directory(const std::filesystem::path& path, std::error_code& ec) {
    return made_of([&](detail::failure& why) { return detail::read_trust_directory(path, why); }, ec);
}
inline trust_store trust_store::from_pem(std::string_view text) {
    return made_of([&](detail::failure& why) { return detail::read_trust_text(text, why); });
}
inline trust_store trust_store::from_pem(std::string_view text, std::error_code& ec) {
    return made_of([&](detail::failure& why) { return detail::read_trust_text(text, why); }, ec);
}
inline trust_store trust_store::from_der(std::span<const std::byte> der) {
    return made_of([&](detail::failure& why) { return detail::read_trust_der(der, why); });
}
inline trust_store trust_store::from_der(std::span<const std::byte> der, std::error_code& ec) {
    return made_of([&](detail::failure& why) { return detail::read_trust_der(der, why); }, ec);
}

}  // namespace v0
}  // namespace tls

#endif
