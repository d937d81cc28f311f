// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What the copies of a trust store share: the parts it is put together from, and what is made of them once, when it is first needed.

#ifndef TLS_STREAM_TLS_DETAIL_TRUST_CONTENTS_HPP
#define TLS_STREAM_TLS_DETAIL_TRUST_CONTENTS_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/revocation_lists.hpp>
#include <tls/detail/system_trust.hpp>
#include <tls/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Immutable but for what it remembers; safe between threads.
class trust_contents {
public:
    using part = std::shared_ptr<const trust_part>;  // null stands for the system's
    using digest_type = std::array<std::byte, 32>;

    explicit trust_contents(std::vector<part> parts) noexcept : parts_(std::move(parts)) {}

    [[nodiscard]] const std::vector<part>& parts() const noexcept { return parts_; }

    // The store to verify against, made once: it must not be changed. If the system's authorities are all there is, it is the one that
    // the whole process shares. Null on failure, and the next call tries again.
    [[nodiscard]] bssl::UniquePtr<X509_STORE> store(failure& why) const {
        const std::lock_guard held(mutex_);
        if (!store_) store_ = make_store(why);
        return bssl::UpRef(store_);
    }

    // The same for the same certificates and lists, in whatever order and however often they were put in, and in every process.
    // Made once; all zeros on failure, and the next call tries again.
    [[nodiscard]] digest_type digest(failure& why) const {
        const std::lock_guard held(mutex_);
        if (!digest_) digest_ = make_digest(why);
        return digest_.value_or(digest_type{});
    }

    // Runs `use(const trust_part&) -> bool` for each part, and stops at the first false. False if the system's cannot be loaded.
    template <class Use>
    [[nodiscard]] bool for_each_part(failure& why, Use use) const {
        for (const part& one : parts_) {
            if (one) {
                if (!use(*one)) return false;
                continue;
            }
            const auto system = the_system_trust().load(why);
            if (!system || !use(*system)) return false;
        }
        return true;
    }

private:
    [[nodiscard]] bssl::UniquePtr<X509_STORE> make_store(failure& why) const {
        if (parts_.size() == 1 && !parts_.front()) {
            const auto system = the_system_trust().load(why);
            return system ? bssl::UpRef(system->store) : nullptr;
        }
        auto store = new_store([&](const auto& add) { return for_each_part(why, add); });
        if (!store && !why) why = input_source{"trust store", errc::invalid_trust}.wrong("cannot be built");
        return store;
    }

    // SHA-256 over the sorted hashes of everything. A certificate's trust settings ("TRUSTED CERTIFICATE") are part of what is hashed.
    [[nodiscard]] std::optional<digest_type> make_digest(failure& why) const {
        std::set<digest_type> hashes;
        const auto add = [&](std::uint8_t* encoded, int size) {
            const bssl::UniquePtr<std::uint8_t> owned(encoded);
            digest_type hash{};
            if (size < 0 || !hash_of(encoded, static_cast<std::size_t>(size), hash)) return false;
            hashes.insert(hash);
            return true;
        };
        const auto add_certificate = [&](const certificate& authority) {
            std::uint8_t* encoded = nullptr;
            const int size = ::i2d_X509_AUX(authority.native_handle(), &encoded);
            return add(encoded, size);
        };
        const auto add_list = [&](const bssl::UniquePtr<X509_CRL>& list) {
            std::uint8_t* encoded = nullptr;
            const int size = ::i2d_X509_CRL(list.get(), &encoded);
            return add(encoded, size);
        };
        const bool hashed = for_each_part(why, [&](const trust_part& one) {
            return std::all_of(one.certificates.begin(), one.certificates.end(), add_certificate) &&
                   std::all_of(one.lists.begin(), one.lists.end(), add_list);
        });
        std::vector<std::byte> all;
        for (const digest_type& hash : hashes) all.insert(all.end(), hash.begin(), hash.end());
        digest_type digest{};
        if (hashed && hash_of(all.data(), all.size(), digest)) return digest;
        if (!why) why = input_source{"trust store", errc::invalid_trust}.wrong("cannot be hashed");
        return std::nullopt;
    }

    [[nodiscard]] static bool hash_of(const void* data, std::size_t size, digest_type& into) {
        return ::EVP_Digest(data, size, reinterpret_cast<std::uint8_t*>(into.data()), nullptr, ::EVP_sha256(), nullptr) == 1;
    }

    std::vector<part> parts_;
    mutable std::mutex mutex_;
    mutable bssl::UniquePtr<X509_STORE> store_;
    mutable std::optional<digest_type> digest_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
