// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// How a peer's certificates are verified: by BoringSSL's X509_verify_cert, with pins besides, and the caller's own verifier
// after that. It is done here, and not within BoringSSL's own callback, because only so can it be known which certificate was
// refused, and only so can the caller answer later.

#ifndef TLS_STREAM_TLS_DETAIL_VERIFYING_HPP
#define TLS_STREAM_TLS_DETAIL_VERIFYING_HPP

#include <tls/alert.hpp>
#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/peer_chain.hpp>
#include <tls/detail/strength.hpp>
#include <tls/detail/x509_text.hpp>
#include <tls/error.hpp>
#include <tls/verification.hpp>
#include <tls/verify.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// "certificate has expired, depth 0, CN=example.org, not after May  1 12:00:00 2024 GMT"
[[nodiscard]] inline std::string failure_text(std::error_code reason, int depth, const certificate& about) {
    std::string text = reason.message();
    if (depth >= 0) text += ", depth " + std::to_string(depth);
    if (!about) return text;
    const auto show = [&](auto part) {
        try {
            text += ", " + part();
        } catch (const error&) {
            text += ", malformed";  // and that is why, or else no matter
        }
    };
    show([&] { return about.subject(); });
    if (reason.category() != verify_category()) return text;
    switch (reason.value()) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            show([&] { return "not after " + date_text(::X509_get0_notAfter(about.native_handle())); });
            break;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            show([&] { return "not before " + date_text(::X509_get0_notBefore(about.native_handle())); });
            break;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_UNABLE_TO_GET_CRL: show([&] { return "issuer " + about.issuer(); }); break;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            show([&] {
                std::string names = "it names";
                for (const auto& name : about.dns_names()) names += " " + name;
                for (const auto& address : about.ip_addresses()) names += " " + address;
                return names == "it names" ? std::string("it names nothing") : names;
            });
            break;
        default: break;
    }
    return text;
}

[[nodiscard]] inline verify_failure describe_failure(std::error_code reason, int depth, certificate about) {
    std::string text = failure_text(reason, depth, about);
    return {reason, depth, std::move(about), std::move(text)};
}

// X509_verify_cert for what the peer sent, as SSL would do it, with the parameters of context and connection. `chain` becomes
// what was verified.
[[nodiscard]] inline verify_failure verify_chain(const SSL* ssl, STACK_OF(X509) * sent, std::vector<certificate>& chain) {
    const auto out_of_memory = [] {
        return describe_failure(std::error_code(X509_V_ERR_OUT_OF_MEM, verify_category()), -1, {});
    };
    const auto work = new_verification(ssl, sent, ::SSL_get0_param(const_cast<SSL*>(ssl)));
    if (work == nullptr) return out_of_memory();
    const char* public_name = nullptr;
    std::size_t public_name_size = 0;
    ::SSL_get0_ech_name_override(ssl, &public_name, &public_name_size);
    if (public_name_size != 0 &&
        !require_name(::X509_STORE_CTX_get0_param(work.get()), {.name = std::string(public_name, public_name_size)})) {
        return out_of_memory();
    }
    if (::X509_verify_cert(work.get()) == 1) {
        chain = certificates_of(::X509_STORE_CTX_get0_chain(work.get()));
        return {};
    }
    int reason = ::X509_STORE_CTX_get_error(work.get());
    if (reason == X509_V_OK) reason = X509_V_ERR_UNSPECIFIED;
    X509* const about = ::X509_STORE_CTX_get_current_cert(work.get());
    return describe_failure({reason, verify_category()}, ::X509_STORE_CTX_get_error_depth(work.get()),
                            certificate(about != nullptr ? bssl::UpRef(about) : nullptr));
}

// What X509_verify_cert lets through, and no chain should rest on. The last certificate is trusted as it is: nobody asks who signed it.
[[nodiscard]] inline verify_failure check_strength(std::span<const certificate> chain) {
    for (std::size_t i = 0; i != chain.size(); ++i) {
        X509* const one = chain[i].native_handle();
        if (has_weak_key(one)) return describe_failure(errc::weak_key, static_cast<int>(i), chain[i]);
        if (i + 1 != chain.size() && has_weak_signature(one)) {
            return describe_failure(errc::weak_signature, static_cast<int>(i), chain[i]);
        }
    }
    return {};
}

// One of the keys must be in the chain that was verified. Where none was, all that the peer has proved is that it has its own.
[[nodiscard]] inline verify_failure check_pins(const pinned_keys& pins, std::span<const certificate> chain) {
    const bool found =
        std::any_of(chain.begin(), chain.end(), [&](const certificate& one) { return pins.contains(one.public_key_sha256()); });
    if (found) return {};
    return describe_failure(errc::pinned_key_missing, -1, chain.empty() ? certificate() : chain.front());
}

// What the options ask for.
[[nodiscard]] inline verify_failure verify_as_configured(const SSL* ssl, const context_settings& settings) {
    STACK_OF(X509)* const sent = ::SSL_get_peer_full_cert_chain(ssl);
    if (sent == nullptr || sk_X509_num(sent) == 0) {
        return describe_failure(std::error_code(X509_V_ERR_INVALID_CALL, verify_category()), -1, {});
    }
    std::vector<certificate> proved;
    if (settings.verification == verify_mode::dangerously_none) {
        proved.emplace_back(bssl::UpRef(sk_X509_value(sent, 0)));
    } else {
        verify_failure failed = verify_chain(ssl, sent, proved);
        if (!failed.reason) failed = check_strength(proved);
        if (failed.reason) return failed;
    }
    return settings.pins ? check_pins(settings.pins, proved) : verify_failure();
}

[[nodiscard]] inline std::uint8_t alert_for(const verify_failure& failed) noexcept {
    if (failed.reason.category() != verify_category()) return SSL_AD_BAD_CERTIFICATE;
    return static_cast<std::uint8_t>(::SSL_alert_from_verify_result(failed.reason.value()));
}

[[nodiscard]] inline verification::contents contents_for(const connection& here, const verify_failure& found) {
    const SSL* const ssl = here.ssl();
    verification::contents about{certificates_of(::SSL_get_peer_full_cert_chain(ssl)), here.server_name(), {}, {}, found};
    const char* public_name = nullptr;
    std::size_t size = 0;
    ::SSL_get0_ech_name_override(ssl, &public_name, &size);
    if (size != 0) about.server_name.assign(public_name, size);
    about.ocsp_response = stapled(ssl, &::SSL_get0_ocsp_response);
    about.sct_list = stapled(ssl, &::SSL_get0_signed_cert_timestamp_list);
    return about;
}

inline ssl_verify_result_t verify_peer_of(connection& here, const context_settings& settings, std::uint8_t* alert) {
    handshake_state& state = here.state();
    if (state.verified == nullptr) {
        state.refused = verify_as_configured(here.ssl(), settings);
        clear_error_queue();
        if (!settings.verify) {
            if (state.refused.reason) *alert = alert_for(state.refused);
            return state.refused.reason ? ssl_verify_invalid : ssl_verify_ok;
        }
        state.verified = std::make_shared<question<verification::answer>>();
        settings.verify(verification(contents_for(here, state.refused), state.verified));
    }
    if (!state.verified->is_answered()) return ssl_verify_retry;
    const verification::answer given = state.verified->answer();
    if (given.accepted) {
        state.refused = {};
        return ssl_verify_ok;
    }
    if (!state.refused.reason) state.refused = describe_failure(errc::verification_refused, -1, {});
    *alert = static_cast<std::uint8_t>(given.why);
    return ssl_verify_invalid;
}

// BoringSSL's custom verify callback.
inline ssl_verify_result_t verify_peer(SSL* ssl, std::uint8_t* alert) noexcept {
    connection* const here = connection::of(ssl);
    const context_settings* const settings = settings_of(ssl);
    if (here == nullptr || settings == nullptr) return ssl_verify_invalid;
    *alert = SSL_AD_INTERNAL_ERROR;
    return here->call_user(ssl_verify_invalid, [&] { return verify_peer_of(*here, *settings, alert); });
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
