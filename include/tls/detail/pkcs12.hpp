// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A chain with its key out of PKCS#12 (RFC 7292), the form that Windows, Java and browsers export.

#ifndef TLS_STREAM_TLS_DETAIL_PKCS12_HPP
#define TLS_STREAM_TLS_DETAIL_PKCS12_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/identity_material.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/private_key.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

struct pkcs12_contents {
    bssl::UniquePtr<EVP_PKEY> key;
    std::vector<certificate> certificates;  // in the file's order
};

// By PKCS12_get_key_and_certs. A password that is null is none; one with a NUL would be cut off there, so it must have none.
[[nodiscard]] inline bool open_pkcs12(std::span<const std::uint8_t> bytes, const char* password, pkcs12_contents& into) {
    const bssl::UniquePtr<STACK_OF(X509)> certificates(sk_X509_new_null());
    CBS in;
    CBS_init(&in, bytes.data(), bytes.size());
    EVP_PKEY* key = nullptr;
    if (!certificates || ::PKCS12_get_key_and_certs(&key, certificates.get(), &in, password) != 1) return false;
    into.key.reset(key);
    for (std::size_t i = 0; i != sk_X509_num(certificates.get()); ++i) {
        into.certificates.emplace_back(bssl::UpRef(sk_X509_value(certificates.get(), i)));
    }
    return true;
}

[[nodiscard]] inline bool is_pkcs8_reason(std::uint32_t packed, int reason) noexcept {
    return ERR_GET_LIB(packed) == ERR_LIB_PKCS8 && ERR_GET_REASON(packed) == reason;
}

// The leaf, whose key this is, then one after the other the certificate that issued the last, as far as there are any. The file has them
// in any order, and may have more.
[[nodiscard]] inline std::vector<certificate> arrange_chain(std::vector<certificate> certificates, const EVP_PKEY* key) {
    std::vector<certificate> chain;
    const auto move_over = [&](auto found) {
        if (found == certificates.end()) return false;
        chain.push_back(std::move(*found));
        certificates.erase(found);
        return true;
    };
    const auto has_key = [&](const certificate& one) {
        const bssl::UniquePtr<EVP_PKEY> its_key(::X509_get_pubkey(one.native_handle()));
        return its_key && ::EVP_PKEY_cmp(its_key.get(), key) == 1;
    };
    const auto issued_last = [&](const certificate& one) {
        return ::X509_check_issued(one.native_handle(), chain.back().native_handle()) == X509_V_OK;
    };
    if (!move_over(std::find_if(certificates.begin(), certificates.end(), has_key))) return chain;
    while (!issued_last(chain.back()) && move_over(std::find_if(certificates.begin(), certificates.end(), issued_last)))
        continue;
    return chain;
}

[[nodiscard]] inline std::shared_ptr<const identity_material> read_pkcs12(std::span<const std::uint8_t> bytes,
                                                                          const key_password& password, const std::string& name,
                                                                          failure& why) {
    const input_source source{name, errc::invalid_certificate};
    const input_source key_source{name, errc::invalid_private_key};
    pkcs12_contents contents;
    // Without a password first: whoever has one to give is asked only if it is needed.
    bool opened = open_pkcs12(bytes, nullptr, contents);
    const auto wrong_password = [] {
        return is_pkcs8_reason(static_cast<std::uint32_t>(::ERR_peek_last_error()), PKCS8_R_INCORRECT_PASSWORD);
    };
    if (!opened && wrong_password()) {
        password.visit([&](std::string_view text) {
            if (text.find('\0') != std::string_view::npos) return;
            clear_error_queue();
            const wiped_text terminated{std::string(text)};
            opened = open_pkcs12(bytes, terminated.text.c_str(), contents);
        });
        if (!opened && wrong_password()) {
            why = key_source.wrong(unopened(password));
            return nullptr;
        }
    }
    if (!opened) {
        const bool several =
            is_pkcs8_reason(static_cast<std::uint32_t>(::ERR_peek_last_error()), PKCS8_R_MULTIPLE_PRIVATE_KEYS_IN_PKCS12);
        why = several ? key_source.wrong("holds more than one private key")
                      : source.wrong("is not PKCS#12, or of a kind that is not known");
    } else if (!contents.key) {
        why = key_source.wrong("holds no private key");
    } else if (contents.certificates.empty()) {
        why = source.wrong("holds no certificate");
    }
    if (why) return nullptr;
    auto chain = arrange_chain(std::move(contents.certificates), contents.key.get());
    if (chain.empty()) {
        why = queued_failure(make_error_code(errc::key_mismatch), name);
        return nullptr;
    }
    auto made = material_of_chain(std::move(chain), source, why);
    return made ? with_key(std::move(made), std::move(contents.key), name, why) : nullptr;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
