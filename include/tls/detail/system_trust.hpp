// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The system's own trusted certificates: where they lie, and loading them once per process.

#ifndef TLS_STREAM_TLS_DETAIL_SYSTEM_TRUST_HPP
#define TLS_STREAM_TLS_DETAIL_SYSTEM_TRUST_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/revocation_lists.hpp>
#include <tls/detail/trust_sources.hpp>
#include <tls/error.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// What one call loaded.
struct trust_part {
    std::vector<certificate> certificates;
    revocation_lists lists;
};

// While this lives a store takes what it is given without looking for it among what it has. With the comparison BoringSSL sorts them all
// for each one that comes: 8 seconds for 10,000 authorities. They are sorted at the first look-up then.
class unsorted_filling {
public:
    explicit unsorted_filling(X509_STORE* store) noexcept
        : objects_(::X509_STORE_get0_objects(store)), comparison_(sk_X509_OBJECT_set_cmp_func(objects_, nullptr)) {}
    ~unsorted_filling() { sk_X509_OBJECT_set_cmp_func(objects_, comparison_); }
    unsorted_filling(const unsorted_filling&) = delete;
    unsorted_filling& operator=(const unsorted_filling&) = delete;

private:
    STACK_OF(X509_OBJECT) * objects_;
    decltype(sk_X509_OBJECT_set_cmp_func(nullptr, nullptr)) comparison_;  // the type's name is not the same in all versions
};

// A new store of all parts: `for_each(add)` runs `add(const trust_part&) -> bool` on each. Null if memory ran out.
template <class ForEach>
[[nodiscard]] bssl::UniquePtr<X509_STORE> new_store(ForEach&& for_each) {
    bssl::UniquePtr<X509_STORE> store(::X509_STORE_new());
    if (!store) return nullptr;
    const unsorted_filling filling(store.get());
    const auto add_certificate = [&](const certificate& one) {
        return ::X509_STORE_add_cert(store.get(), one.native_handle()) == 1;
    };
    const auto add_list = [&](const auto& one) { return ::X509_STORE_add_crl(store.get(), one.get()) == 1; };
    const bool added = for_each([&](const trust_part& part) {
        return std::all_of(part.certificates.begin(), part.certificates.end(), add_certificate) &&
               std::all_of(part.lists.begin(), part.lists.end(), add_list);
    });
    return added ? std::move(store) : nullptr;
}

// Bundles, the most usual places first.
inline constexpr std::array<const char*, 5> system_bundles{
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Alpine, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // RHEL, newer
    "/etc/ssl/ca-bundle.pem",                             // openSUSE
    "/etc/ssl/cert.pem",                                  // Alpine, BSDs, macOS
};
inline constexpr const char* system_directory = "/etc/ssl/certs";

// An environment variable, or "" if it is not set; also in a program that runs with more rights than who started it.
[[nodiscard]] inline std::string environment(const char* name) {
#if defined(__GLIBC__)
    const char* const value = ::secure_getenv(name);
#else
    const char* const value = std::getenv(name);
#endif
    return value != nullptr ? value : "";
}

// The system's certificates, read now.
[[nodiscard]] inline std::vector<certificate> read_system_certificates(failure& why) {
    const std::string bundle = environment("SSL_CERT_FILE");
    const std::string directories = environment("SSL_CERT_DIR");
    if (bundle.empty() && directories.empty()) {
        std::error_code unknown;
        for (const char* const usual : system_bundles) {
            if (std::filesystem::exists(usual, unknown)) return read_trust_file(usual, why);
        }
        return read_trust_directory(system_directory, why);
    }
    std::vector<certificate> found;
    if (!bundle.empty()) found = read_trust_file(bundle, why);
    for (std::string_view rest = directories; !rest.empty() && !why;) {
        const std::string_view directory = rest.substr(0, rest.find(':'));
        rest.remove_prefix((std::min)(rest.size(), directory.size() + 1));
        if (directory.empty()) continue;
        auto more = read_trust_directory(directory, why);
        found.insert(found.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
    if (found.empty() && !why) why = input_source{"SSL_CERT_DIR", errc::invalid_trust}.wrong("names no directory");
    return found;
}

// What was loaded, as certificates and as the store that all contexts share.
struct system_trust : trust_part {
    bssl::UniquePtr<X509_STORE> store;
};

// Loads the system's certificates when they are first asked for. A load that failed is not kept. Safe between threads.
class system_trust_cache {
public:
    // Null on failure.
    [[nodiscard]] std::shared_ptr<const system_trust> load(failure& why) {
        const std::lock_guard lock(mutex_);
        if (loaded_) return loaded_;
        const error_queue_guard guard;
        auto loading = std::make_shared<system_trust>();
        loading->certificates = read_system_certificates(why);
        if (why) return nullptr;
        loading->store = new_store([&](const auto& add) { return add(*loading); });
        if (!loading->store) {
            why = input_source{"the system's trust store", errc::invalid_trust}.wrong("cannot be built");
            return nullptr;
        }
        loaded_ = std::move(loading);
        return loaded_;
    }

    // What was loaded before; null if nothing was.
    [[nodiscard]] std::shared_ptr<const system_trust> loaded() const {
        const std::lock_guard lock(mutex_);
        return loaded_;
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const system_trust> loaded_;
};

// The process's own. It is never destroyed: objects with static storage may still make contexts at exit.
[[nodiscard]] inline system_trust_cache& the_system_trust() {
    static system_trust_cache& cache = *new system_trust_cache;
    return cache;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
