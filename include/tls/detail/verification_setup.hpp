// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// How an SSL_CTX verifies the peer, and what its sessions are bound to.

#ifndef TLS_STREAM_TLS_DETAIL_VERIFICATION_SETUP_HPP
#define TLS_STREAM_TLS_DETAIL_VERIFICATION_SETUP_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/options.hpp>
#include <tls/protocol.hpp>
#include <tls/trust.hpp>
#include <tls/verification.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>

namespace tls {
inline namespace v0 {
namespace detail {

// When certificates and revocation lists must be good, and which of them must not be revoked.
template <class Options>
void set_verification(SSL_CTX* ctx, const Options& from, failure& why) {
    auto store = certificate_store(from.trust, why);
    if (why) return;
    ::SSL_CTX_set_cert_store(ctx, store.release());
    X509_VERIFY_PARAM* const parameters = ::SSL_CTX_get0_param(ctx);
    if (from.verification_time) {
        const auto time = std::chrono::system_clock::to_time_t(*from.verification_time);
        ::X509_VERIFY_PARAM_set_time(parameters, time);
    }
    const bool any_lists = from.trust.revocation_list_count() != 0;
    const revocation_check checked = from.revocation.value_or(any_lists ? revocation_check::leaf : revocation_check::none);
    if (checked == revocation_check::none) return;
    if (!any_lists) {
        why = {errc::invalid_trust,
               "revocation is to be checked, and there is no revocation list in "
               "the trust store",
               {}};
        return;
    }
    const unsigned long flags =
        checked == revocation_check::leaf ? X509_V_FLAG_CRL_CHECK : X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    if (::X509_VERIFY_PARAM_set_flags(parameters, flags) != 1) why = queued_failure(errc::invalid_trust, "revocation");
}

// What decides whether a session of the one context may be resumed in another: everything that decided whether the peer was
// believed.
template <class Options>
void set_session_binding(const Options& from, unsigned mode, bool verifies_chain, context_settings& settings, failure& why) {
    bssl::ScopedEVP_MD_CTX hash;
    bool hashed = ::EVP_DigestInit_ex(hash.get(), ::EVP_sha256(), nullptr) == 1;
    const auto add = [&](std::span<const std::byte> bytes) {
        hashed = hashed && ::EVP_DigestUpdate(hash.get(), bytes.data(), bytes.size()) == 1;
    };
    const auto add_number = [&](std::uint64_t number) { add(std::as_bytes(std::span(&number, 1))); };
    constexpr std::string_view form = "tls-stream 1";
    add(std::as_bytes(std::span(form)));
    add_number(settings.side == role::client ? 1 : 2);
    add_number(mode);
    if (verifies_chain) {
        add(trust_digest(from.trust, why));
        add_number(from.revocation ? 1 + static_cast<unsigned>(*from.revocation) : 0);
        add_number(from.verification_time ? static_cast<std::uint64_t>(from.verification_time->time_since_epoch().count()) : 0);
    }
    add_number(from.pins.size());
    for (const auto& pin : from.pins.hashes()) add(pin);
    // What a callable decides nobody can compare: a client's own contexts differ by it, the servers of a fleet have the same.
    add_number(from.verify ? 1 : 0);
    if (from.verify && settings.side == role::client) {
        std::array<std::uint8_t, 16> unique{};
        hashed = hashed && ::RAND_bytes(unique.data(), unique.size()) == 1;
        add(std::as_bytes(std::span(unique)));
    }
    if (!hashed || ::EVP_DigestFinal_ex(hash.get(), settings.session_binding.data(), nullptr) != 1) {
        if (!why) why = queued_failure(std::make_error_code(std::errc::not_enough_memory), "TLS context");
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
