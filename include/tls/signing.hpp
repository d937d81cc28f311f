// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Private keys that are elsewhere, in a module, an agent or another process: whoever holds one is asked to sign, and answers at once or
/// later.

#ifndef TLS_STREAM_TLS_SIGNING_HPP
#define TLS_STREAM_TLS_SIGNING_HPP

#include <tls/bytes.hpp>
#include <tls/detail/answer.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/error.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

/// How a handshake is signed, by the numbers of RFC 8446 4.2.3.
enum class signature_scheme : std::uint16_t {
    rsa_pkcs1_sha1 = 0x0201,          ///< TLS 1.2 only
    rsa_pkcs1_sha256 = 0x0401,        ///< TLS 1.2 only
    rsa_pkcs1_sha384 = 0x0501,        ///< TLS 1.2 only
    rsa_pkcs1_sha512 = 0x0601,        ///< TLS 1.2 only
    ecdsa_secp256r1_sha256 = 0x0403,  ///< ECDSA; in TLS 1.3 with a key on P-256
    ecdsa_secp384r1_sha384 = 0x0503,  ///< ECDSA; in TLS 1.3 with a key on P-384
    ecdsa_secp521r1_sha512 = 0x0603,  ///< ECDSA; in TLS 1.3 with a key on P-521
    rsa_pss_rsae_sha256 = 0x0804,     ///< RSASSA-PSS with an ordinary RSA key
    rsa_pss_rsae_sha384 = 0x0805,     ///< RSASSA-PSS with an ordinary RSA key
    rsa_pss_rsae_sha512 = 0x0806,     ///< RSASSA-PSS with an ordinary RSA key
    ed25519 = 0x0807,                 ///< RFC 8032
};

/// The name in the standard, "ecdsa_secp256r1_sha256" for one (SSL_get_signature_algorithm_name); empty for one that is not known.
[[nodiscard]] inline std::string_view to_string(signature_scheme scheme) noexcept {
    const char* const name = ::SSL_get_signature_algorithm_name(static_cast<std::uint16_t>(scheme), 1);
    return name != nullptr ? std::string_view(name) : std::string_view();
}

namespace detail {
// A signature, or nothing: it was refused.
using signature_answer = std::optional<std::vector<std::byte>>;
}  // namespace detail

/// What the holder of a private key is asked. Copies are the same request: whoever keeps one may answer later, from any thread; when the
/// last one goes without an answer the handshake fails, as with fail(), with errc::signature_failed and the alert internal_error. The
/// first answer counts, and none is needed once the connection is gone.
class signature_request {
public:
    /// How to sign: with the key, the padding and the hash of this scheme.
    [[nodiscard]] signature_scheme scheme() const noexcept { return asked_->scheme; }
    /// The message itself, not a digest of it.
    [[nodiscard]] std::span<const std::byte> input() const noexcept { return asked_->input; }
    /// Its digest by the scheme's hash, for keys that sign such; Ed25519 has none, and this is empty.
    [[nodiscard]] std::vector<std::byte> digest() const;
    /// RSASSA-PSS with a salt as long as the hash; otherwise RSA is PKCS#1 v1.5.
    [[nodiscard]] bool is_pss() const noexcept {
        return ::SSL_is_signature_algorithm_rsa_pss(static_cast<std::uint16_t>(scheme())) == 1;
    }

    /// ECDSA: the DER form of r and s; RSA: as long as the key; Ed25519: 64 octets. The peer verifies it.
    void sign(const_bytes signature) const {
        const auto bytes = signature.span();
        asked_->answering.answer(std::vector<std::byte>(bytes.begin(), bytes.end()));
    }
    /// There will be no signature: the handshake fails with errc::signature_failed.
    void fail() const { asked_->answering.answer(std::nullopt); }

    struct internal;  ///< how the library makes one

private:
    struct asked {
        asked(signature_scheme how, std::span<const std::byte> what,
              std::shared_ptr<detail::question<detail::signature_answer>> question)
            : scheme(how), input(what.begin(), what.end()), answering(std::move(question), std::nullopt) {}

        signature_scheme scheme;
        std::vector<std::byte> input;
        detail::answering<detail::signature_answer> answering;
    };
    explicit signature_request(std::shared_ptr<const asked> about) noexcept : asked_(std::move(about)) {}

    std::shared_ptr<const asked> asked_;
};

/// Is asked for each handshake that the credential takes part in (credential::with_signer). What it throws comes out of the stream's call.
/// It may be called by several threads at the same time, and must not call the stream.
using signer = std::function<void(signature_request)>;

/// How the library makes one; not for use.
struct signature_request::internal {
    /// A request that is answered to `asked`.
    [[nodiscard]] static signature_request make(signature_scheme scheme, std::span<const std::byte> input,
                                                std::shared_ptr<detail::question<detail::signature_answer>> asked) {
        return signature_request(std::make_shared<const signature_request::asked>(scheme, input, std::move(asked)));
    }
};

inline std::vector<std::byte> signature_request::digest() const {
    const detail::error_queue_guard guard;
    const EVP_MD* const hash = ::SSL_get_signature_algorithm_digest(static_cast<std::uint16_t>(scheme()));
    if (hash == nullptr) return {};
    std::vector<std::byte> digest(::EVP_MD_size(hash));
    const auto* const from = input().data();
    if (::EVP_Digest(from, input().size(), reinterpret_cast<std::uint8_t*>(digest.data()), nullptr, hash, nullptr) != 1) {
        throw error(make_error_code(errc::signature_failed), "digest for a signature");
    }
    return digest;
}

}  // namespace v0
}  // namespace tls

#endif
