// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Which versions, suites, groups and signatures an SSL_CTX may use.

#ifndef TLS_STREAM_TLS_DETAIL_ALGORITHMS_SETUP_HPP
#define TLS_STREAM_TLS_DETAIL_ALGORITHMS_SETUP_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/config.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

[[nodiscard]] inline bool is_known(protocol_version version) noexcept {
    return version == protocol_version::tls1_2 || version == protocol_version::tls1_3;
}

inline void set_versions(SSL_CTX* ctx, protocol_version least, protocol_version most, failure& why) {
    if (!is_known(least) || !is_known(most) || least > most) {
        why = {errc::invalid_versions, "protocol versions", {}};
    } else if (::SSL_CTX_set_min_proto_version(ctx, static_cast<std::uint16_t>(least)) == 0 ||
               ::SSL_CTX_set_max_proto_version(ctx, static_cast<std::uint16_t>(most)) == 0) {
        why = queued_failure(errc::invalid_versions, "protocol versions");
    }
}

// An option that this BoringSSL does not have.
[[nodiscard]] inline failure not_supported(std::string_view option, std::string_view needed) {
    return {errc::not_supported,
            std::string(option) + ": this BoringSSL has API number " + TLS_STREAM_BORINGSSL_API_TEXT + ", and " +
                std::string(needed) + " is needed",
            {}};
}

// A typed list as BoringSSL's own, and the string beside it: only one of the two may be given.
template <class Value>
[[nodiscard]] std::string joined(const std::vector<Value>& values, const std::string& text, const char* option, errc kind,
                                 failure& why) {
    std::string list = text;
    if (!values.empty() && !text.empty()) why = {kind, std::string(option) + " is given twice, as a list and as a string", {}};
    for (const Value value : values) {
        const std::string_view name = to_string(value);
        if (name.empty())
            why = {kind, std::string(option) + ": unknown value " + std::to_string(static_cast<unsigned>(value)), {}};
        if (!list.empty()) list += ':';
        list += name;
    }
    if (list.find('\0') != std::string::npos) why = {kind, std::string(option) + " with a NUL", {}};
    return list;
}

template <class Options>
void set_groups(SSL_CTX* ctx, const Options& from, failure& why) {
    std::string groups = joined(from.group_list, from.groups, "groups", errc::invalid_groups, why);
    if (why) return;
#if !defined(SSL_GROUP_X25519_MLKEM768)
    const bool wants_mlkem = groups.find(to_string(group::x25519_mlkem768)) != std::string::npos;
    if (wants_mlkem) why = not_supported("group X25519MLKEM768", TLS_STREAM_NEEDS_MLKEM);
    if (wants_mlkem || groups.empty()) return;
#else
    if (groups.empty()) groups = "X25519MLKEM768:X25519:P-256:P-384";
#endif
#if TLS_STREAM_HAS_GROUPS_LIST
    const int done = ::SSL_CTX_set1_groups_list(ctx, groups.c_str());
#else
    const int done = ::SSL_CTX_set1_curves_list(ctx, groups.c_str());
#endif
    if (done == 0) why = queued_failure(errc::invalid_groups, "groups '" + groups + "'");
}

template <class Options>
void set_ciphers(SSL_CTX* ctx, const Options& from, failure& why) {
    const std::string ciphers = joined(from.cipher_list, from.tls1_2_ciphers, "TLS 1.2 ciphers", errc::invalid_ciphers, why);
    if (why || ciphers.empty()) return;
    if (::SSL_CTX_set_strict_cipher_list(ctx, ciphers.c_str()) == 0) {
        why = queued_failure(errc::invalid_ciphers, "TLS 1.2 ciphers '" + ciphers + "'");
    }
}

// What the peer may sign with: BoringSSL's own list, which lacks Ed25519, without SHA-1 (RFC 9155).
inline void set_signatures(SSL_CTX* ctx, failure& why) {
    constexpr std::array<std::uint16_t, 9> schemes{SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
                                                   SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_RSA_PKCS1_SHA256,
                                                   SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384,
                                                   SSL_SIGN_RSA_PKCS1_SHA384,       SSL_SIGN_RSA_PSS_RSAE_SHA512,
                                                   SSL_SIGN_RSA_PKCS1_SHA512};
    if (::SSL_CTX_set_verify_algorithm_prefs(ctx, schemes.data(), schemes.size()) != 1) {
        why = queued_failure(std::make_error_code(std::errc::not_enough_memory), "signatures");
    }
}

inline void set_policy(SSL_CTX* ctx, compliance_policy policy, failure& why) {
    if (policy == compliance_policy::none) return;
#if !TLS_STREAM_HAS_COMPLIANCE_POLICY
    static_cast<void>(ctx);
    why = not_supported("policy", TLS_STREAM_NEEDS_COMPLIANCE_POLICY);
#else
    ssl_compliance_policy_t native = ssl_compliance_policy_fips_202205;
    switch (policy) {
        case compliance_policy::none:
        case compliance_policy::fips_202205: break;
        case compliance_policy::wpa3_192_202304: native = ssl_compliance_policy_wpa3_192_202304; break;
        case compliance_policy::cnsa_202407:
#if TLS_STREAM_HAS_CNSA_POLICY
            native = ssl_compliance_policy_cnsa_202407;
            break;
#else
            why = not_supported("policy cnsa_202407", TLS_STREAM_NEEDS_CNSA_POLICY);
            return;
#endif
    }
    if (::SSL_CTX_set_compliance_policy(ctx, native) != 1) why = queued_failure(errc::not_supported, "policy");
#endif
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
