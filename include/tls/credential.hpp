// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A certificate chain with its private key: who a server is, or a client that is asked.

#ifndef TLS_STREAM_TLS_CREDENTIAL_HPP
#define TLS_STREAM_TLS_CREDENTIAL_HPP

#include <tls/bytes.hpp>
#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/identity_material.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/pkcs12.hpp>
#include <tls/detail/private_key.hpp>
#include <tls/error.hpp>
#include <tls/signing.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

class credential;
namespace detail {
// How the library looks into a credential.
struct credential_access {
    [[nodiscard]] static credential make(std::shared_ptr<const identity_material> material);
    [[nodiscard]] static const identity_material* material(const credential& of) noexcept;  // null if it is empty
    [[nodiscard]] static const staples* stapled(const credential& of) noexcept;             // null if there are none
};
}  // namespace detail

/// A certificate chain with its private key, immutable and shared: copies are cheap and may be used by several threads. A
/// default-constructed or moved-from one is empty.
///
/// The chain is the leaf first, then the intermediates, each of which issued the one before it by its name and key identifiers; the root
/// may be left out. In PEM, blocks of other kinds are skipped, so that key and chain may stand in one text. The key is RSA, ECDSA or
/// Ed25519, as PKCS#8 (encrypted or not), PKCS#1 ("RSA PRIVATE KEY") or SEC1 ("EC PRIVATE KEY"); in PEM there must be exactly one.
///
/// A password is text, std::nullopt, or a password_function. It opens an encrypted key and is otherwise not looked at; in PEM it is at
/// most 1024 bytes. Nobody is ever asked for one but a password_function, and no password or key is in any error's text.
///
/// Failures, by name:
/// - errc::invalid_certificate: no certificate in the chain, a malformed one, one that did not issue the one before it, or no PKCS#12
/// - errc::invalid_private_key: no key, several keys, a malformed one, or a password that is missing or wrong
/// - errc::key_mismatch: the key is not that of the leaf
///
/// For files there is also what the system says (std::errc::no_such_file_or_directory, is_a_directory, ...); what is no regular
/// file, or is larger than 16 MiB, is invalid_certificate or invalid_private_key. The path is in error::what().
class credential {
public:
    /// An empty one.
    credential() noexcept = default;

    /// From a file with the chain and one with the key, both in PEM; they may be the same file.
    [[nodiscard]] static credential from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                               const detail::key_password& password = {});
    /// The same without an exception.
    [[nodiscard]] static credential from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                               std::error_code& ec);
    /// The same with a password.
    [[nodiscard]] static credential from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                               const detail::key_password& password, std::error_code& ec);

    /// From PEM in memory.
    [[nodiscard]] static credential from_pem(std::string_view chain, std::string_view key,
                                             const detail::key_password& password = {});
    /// The same without an exception.
    [[nodiscard]] static credential from_pem(std::string_view chain, std::string_view key, std::error_code& ec);
    /// The same with a password.
    [[nodiscard]] static credential from_pem(std::string_view chain, std::string_view key, const detail::key_password& password,
                                             std::error_code& ec);

    /// From DER: one certificate in each element of the chain.
    [[nodiscard]] static credential from_der(std::span<const std::vector<std::byte>> chain, const_bytes key,
                                             const detail::key_password& password = {});
    /// The same without an exception.
    [[nodiscard]] static credential from_der(std::span<const std::vector<std::byte>> chain, const_bytes key,
                                             std::error_code& ec);
    /// The same with a password.
    [[nodiscard]] static credential from_der(std::span<const std::vector<std::byte>> chain, const_bytes key,
                                             const detail::key_password& password, std::error_code& ec);

    /// PKCS#12 (RFC 7292: .p12, .pfx), whose one key chooses the leaf; the other certificates may come in any order, and those that are
    /// not of the leaf's chain are left out. It is opened without a password if it can be. A password with a NUL opens none.
    [[nodiscard]] static credential from_pkcs12(const_bytes bytes, const detail::key_password& password = {});
    /// The same without an exception.
    [[nodiscard]] static credential from_pkcs12(const_bytes bytes, std::error_code& ec);
    /// The same with a password.
    [[nodiscard]] static credential from_pkcs12(const_bytes bytes, const detail::key_password& password, std::error_code& ec);
    /// From a file with PKCS#12.
    [[nodiscard]] static credential from_pkcs12_file(const std::filesystem::path& path,
                                                     const detail::key_password& password = {});
    /// The same without an exception.
    [[nodiscard]] static credential from_pkcs12_file(const std::filesystem::path& path, std::error_code& ec);
    /// The same with a password.
    [[nodiscard]] static credential from_pkcs12_file(const std::filesystem::path& path, const detail::key_password& password,
                                                     std::error_code& ec);

    /// A private key that is elsewhere: `sign` is asked in each handshake, see signing.hpp. That it signs with the leaf's key shows only
    /// then. Fails with errc::invalid_private_key if `sign` is empty, errc::invalid_certificate if TLS has no use for the leaf's key.
    [[nodiscard]] static credential with_signer(std::string_view chain_pem, signer sign);
    /// The same without an exception.
    [[nodiscard]] static credential with_signer(std::string_view chain_pem, signer sign, std::error_code& ec);

    /// The same identity with an OCSP response for its leaf (RFC 6960, in DER), which clients that ask get stapled (RFC 8446 4.4.2.1);
    /// an empty one takes it away. It is not looked into. Fails with errc::not_open if this is empty, and with errc::invalid_certificate
    /// if it is longer than 16,777,215 bytes.
    [[nodiscard]] credential with_ocsp_response(const_bytes response) const;
    /// The same without an exception.
    [[nodiscard]] credential with_ocsp_response(const_bytes response, std::error_code& ec) const;
    /// The same identity with certificate timestamps, a SignedCertificateTimestampList of RFC 6962 3.3, for clients that ask; an empty
    /// one takes it away. Fails with errc::not_open if this is empty, and with errc::invalid_certificate if it is no such list.
    [[nodiscard]] credential with_sct_list(const_bytes list) const;
    /// The same without an exception.
    [[nodiscard]] credential with_sct_list(const_bytes list, std::error_code& ec) const;

    /// False for an empty one.
    [[nodiscard]] explicit operator bool() const noexcept { return material_ != nullptr; }

    /// The certificate that the key belongs to; an empty one if this is empty.
    [[nodiscard]] certificate leaf() const { return material_ ? material_->chain.front() : certificate(); }
    /// All certificates, the leaf first; none if this is empty.
    [[nodiscard]] std::vector<certificate> chain() const { return material_ ? material_->chain : std::vector<certificate>(); }
    /// What kind of key the leaf has: "RSA", "EC", "Ed25519"; "unknown" if TLS has no use for it, "" if this is empty. Static storage.
    [[nodiscard]] std::string_view key_type() const noexcept {
        return material_ ? detail::key_type_name(material_->public_key.get()) : std::string_view();
    }
    /// The OCSP response that is stapled; empty if none is.
    [[nodiscard]] std::vector<std::byte> ocsp_response() const {
        return stapled_ ? stapled_->ocsp_response : std::vector<std::byte>();
    }
    /// The certificate timestamps that are stapled, likewise.
    [[nodiscard]] std::vector<std::byte> sct_list() const { return stapled_ ? stapled_->sct_list : std::vector<std::byte>(); }

private:
    friend detail::credential_access;
    explicit credential(std::shared_ptr<const detail::identity_material> checked) noexcept : material_(std::move(checked)) {}

    // This one with what `put(staples&, failure&)` changes.
    template <class Put>
    [[nodiscard]] credential with(detail::failure& why, Put put) const {
        const detail::error_queue_guard guard;
        if (!material_) {
            why = {make_error_code(errc::not_open), "tls::credential", {}};
            return {};
        }
        auto changed = stapled_ ? std::make_shared<detail::staples>(*stapled_) : std::make_shared<detail::staples>();
        put(*changed, why);
        if (why) return {};
        credential other = *this;
        other.stapled_ = std::move(changed);
        return other;
    }
    [[nodiscard]] credential with_ocsp(std::span<const std::byte> response, detail::failure& why) const;
    [[nodiscard]] credential with_scts(std::span<const std::byte> list, detail::failure& why) const;

    std::shared_ptr<const detail::identity_material> material_;
    std::shared_ptr<const detail::staples> stapled_;
};

namespace detail {

inline credential credential_access::make(std::shared_ptr<const identity_material> material) {
    return credential(std::move(material));
}
inline const identity_material* credential_access::material(const credential& of) noexcept { return of.material_.get(); }
inline const staples* credential_access::stapled(const credential& of) noexcept { return of.stapled_.get(); }

// The public key of the leaf, for choosing by what a peer can verify; null if the credential is empty. Lives as long as a copy of it.
[[nodiscard]] inline const EVP_PKEY* public_key_of(const credential& identity) noexcept {
    const identity_material* const material = credential_access::material(identity);
    return material != nullptr ? material->public_key.get() : nullptr;
}

// Who signs for it; empty if the credential has its key itself. Lives as long as a copy of it.
[[nodiscard]] inline const signer* signer_of(const credential& identity) noexcept {
    const identity_material* const material = credential_access::material(identity);
    return material != nullptr && material->sign ? &material->sign : nullptr;
}

[[nodiscard]] inline credential credential_from_pem(std::string_view chain, std::string_view key, const key_password& password,
                                                    const input_source& chain_source, const input_source& key_source,
                                                    failure& why) {
    const error_queue_guard guard;
    auto certificates = read_certificates(chain, chain_source, why);
    if (why) return {};
    auto private_key = read_private_key(key, password, key_source, why);
    if (why) return {};
    auto made = material_of_chain(std::move(certificates), chain_source, why);
    if (why) return {};
    return credential_access::make(
        with_key(std::move(made), std::move(private_key), chain_source.name + " and " + key_source.name, why));
}

// What input that is no file is called.
[[nodiscard]] inline input_source given_chain() { return {"certificate chain", errc::invalid_certificate}; }
[[nodiscard]] inline input_source given_key() { return {"private key", errc::invalid_private_key}; }

[[nodiscard]] inline credential credential_from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                                      const key_password& password, failure& why) {
    const error_queue_guard guard;
    const input_source chain_source = file_source(chain, errc::invalid_certificate);
    const input_source key_source = file_source(key, errc::invalid_private_key);
    const file_contents chain_file = read_file(chain, chain_source, why);
    if (why) return {};
    const file_contents key_file = read_file(key, key_source, why);
    if (why) return {};
    return credential_from_pem(chain_file.text(), key_file.text(), password, chain_source, key_source, why);
}

[[nodiscard]] inline credential credential_from_der(std::span<const std::vector<std::byte>> chain,
                                                    std::span<const std::byte> key, const key_password& password,
                                                    failure& why) {
    const error_queue_guard guard;
    std::vector<certificate> certificates;
    for (const std::vector<std::byte>& der : chain) {
        auto rest = as_octets(der);
        certificates.push_back(parse_certificate(rest));
        if (certificates.back() && rest.empty()) continue;
        why = given_chain().wrong("certificate " + std::to_string(certificates.size()) + " is malformed");
        return {};
    }
    auto private_key = read_private_key(as_octets(key), password, given_key(), why);
    if (why) return {};
    auto made = material_of_chain(std::move(certificates), given_chain(), why);
    if (why) return {};
    return credential_access::make(with_key(std::move(made), std::move(private_key), "certificate chain and private key", why));
}

[[nodiscard]] inline credential credential_from_pkcs12(std::span<const std::byte> bytes, const key_password& password,
                                                       failure& why) {
    const error_queue_guard guard;
    return credential_access::make(read_pkcs12(as_octets(bytes), password, "PKCS#12", why));
}

[[nodiscard]] inline credential credential_from_pkcs12_file(const std::filesystem::path& path, const key_password& password,
                                                            failure& why) {
    const error_queue_guard guard;
    const input_source source = file_source(path, errc::invalid_certificate);
    const file_contents file = read_file(path, source, why);
    if (why) return {};
    return credential_access::make(read_pkcs12(as_octets(std::as_bytes(std::span(file.text()))), password, source.name, why));
}

[[nodiscard]] inline credential credential_with_signer(std::string_view chain_pem, signer sign, failure& why) {
    const error_queue_guard guard;
    if (!sign) {
        why = given_key().wrong("the signer is empty");
        return {};
    }
    auto certificates = read_certificates(chain_pem, given_chain(), why);
    if (why) return {};
    auto made = material_of_chain(std::move(certificates), given_chain(), why);
    if (why) return {};
    if (key_type_name(made->public_key.get()) == "unknown") {
        why = given_chain().wrong("the leaf's key is of a kind that TLS does not have");
        return {};
    }
    made->sign = std::move(sign);
    return credential_access::make(std::move(made));
}

// What has a name for SSL_CTX and another for SSL.
inline bool set_chain_and_key(SSL_CTX* to, std::span<CRYPTO_BUFFER* const> chain, EVP_PKEY* key,
                              const SSL_PRIVATE_KEY_METHOD* method) {
    return ::SSL_CTX_set_chain_and_key(to, chain.data(), chain.size(), key, method) == 1;
}
inline bool set_chain_and_key(SSL* to, std::span<CRYPTO_BUFFER* const> chain, EVP_PKEY* key,
                              const SSL_PRIVATE_KEY_METHOD* method) {
    ::SSL_certs_clear(to);  // what it has from its SSL_CTX, forms that are remembered included
    return ::SSL_set_chain_and_key(to, chain.data(), chain.size(), key, method) == 1;
}
inline bool set_ocsp_response(SSL_CTX* to, std::span<const std::uint8_t> response) {
    return ::SSL_CTX_set_ocsp_response(to, response.data(), response.size()) == 1;
}
inline bool set_ocsp_response(SSL* to, std::span<const std::uint8_t> response) {
    return ::SSL_set_ocsp_response(to, response.data(), response.size()) == 1;
}
inline bool set_sct_list(SSL_CTX* to, std::span<const std::uint8_t> list) {
    return ::SSL_CTX_set_signed_cert_timestamp_list(to, list.data(), list.size()) == 1;
}
inline bool set_sct_list(SSL* to, std::span<const std::uint8_t> list) {
    return ::SSL_set_signed_cert_timestamp_list(to, list.data(), list.size()) == 1;
}

// Makes the credential the own one of an SSL_CTX or an SSL. A key that is elsewhere signs by `elsewhere`, which must live as long. Fails
// with errc::not_open if it is empty, with errc::not_supported if it needs `elsewhere` and that is null, and with
// errc::invalid_certificate if it is of a kind that TLS does not know.
//
// BoringSSL cannot take a staple away: an SSL whose SSL_CTX has some keeps those that this credential has none for. Where an SSL may get
// another identity than its SSL_CTX's, install that on the SSL too and leave the SSL_CTX without.
template <class Target>
    requires(std::is_same_v<Target, SSL_CTX> || std::is_same_v<Target, SSL>)
void install(const credential& identity, Target* to, const SSL_PRIVATE_KEY_METHOD* elsewhere, failure& why) {
    const error_queue_guard guard;
    const identity_material* const material = credential_access::material(identity);
    if (material == nullptr) {
        why = {make_error_code(errc::not_open), "tls::credential", {}};
        return;
    }
    if (!material->key && elsewhere == nullptr) {
        why = {make_error_code(errc::not_supported), "credential whose private key is elsewhere", {}};
        return;
    }
    std::vector<CRYPTO_BUFFER*> chain;
    chain.reserve(material->encoded.size());
    for (const auto& one : material->encoded) chain.push_back(one.get());
    if (!set_chain_and_key(to, chain, material->key.get(), material->key ? nullptr : elsewhere)) {
        why = given_chain().wrong("cannot be used for TLS");
        return;
    }
    const staples* const more = credential_access::stapled(identity);
    if (more == nullptr) return;
    if (!more->ocsp_response.empty() && !set_ocsp_response(to, as_octets(more->ocsp_response))) {
        why = given_chain().wrong("its OCSP response cannot be used");
    } else if (!more->sct_list.empty() && !set_sct_list(to, as_octets(more->sct_list))) {
        why = given_chain().wrong("its certificate timestamps cannot be used");
    }
}

}  // namespace detail

inline credential credential::from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                         const detail::key_password& password) {
    return detail::throwing([&](detail::failure& why) { return detail::credential_from_files(chain, key, password, why); });
}
inline credential credential::from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                         std::error_code& ec) {
    return from_files(chain, key, {}, ec);
}
inline credential credential::from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                         const detail::key_password& password, std::error_code& ec) {
    return detail::reporting(ec,
                             [&](detail::failure& why) { return detail::credential_from_files(chain, key, password, why); });
}

inline credential credential::from_pem(std::string_view chain, std::string_view key, const detail::key_password& password) {
    return detail::throwing([&](detail::failure& why) {
        return detail::credential_from_pem(chain, key, password, detail::given_chain(), detail::given_key(), why);
    });
}
inline credential credential::from_pem(std::string_view chain, std::string_view key, std::error_code& ec) {
    return from_pem(chain, key, {}, ec);
}
inline credential credential::from_pem(std::string_view chain, std::string_view key, const detail::key_password& password,
                                       std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) {
        return detail::credential_from_pem(chain, key, password, detail::given_chain(), detail::given_key(), why);
    });
}

inline credential credential::from_der(std::span<const std::vector<std::byte>> chain, const_bytes key,
                                       const detail::key_password& password) {
    return detail::throwing([&](detail::failure& why) { return detail::credential_from_der(chain, key, password, why); });
}
inline credential credential::from_der(std::span<const std::vector<std::byte>> chain, const_bytes key, std::error_code& ec) {
    return from_der(chain, key, {}, ec);
}
inline credential credential::from_der(std::span<const std::vector<std::byte>> chain, const_bytes key,
                                       const detail::key_password& password, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::credential_from_der(chain, key, password, why); });
}

inline credential credential::from_pkcs12(const_bytes bytes, const detail::key_password& password) {
    return detail::throwing([&](detail::failure& why) { return detail::credential_from_pkcs12(bytes, password, why); });
}
inline credential credential::from_pkcs12(const_bytes bytes, std::error_code& ec) { return from_pkcs12(bytes, {}, ec); }
inline credential credential::from_pkcs12(const_bytes bytes, const detail::key_password& password, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::credential_from_pkcs12(bytes, password, why); });
}
inline credential credential::from_pkcs12_file(const std::filesystem::path& path, const detail::key_password& password) {
    return detail::throwing([&](detail::failure& why) { return detail::credential_from_pkcs12_file(path, password, why); });
}
inline credential credential::from_pkcs12_file(const std::filesystem::path& path, std::error_code& ec) {
    return from_pkcs12_file(path, {}, ec);
}
inline credential credential::from_pkcs12_file(const std::filesystem::path& path, const detail::key_password& password,
                                               std::error_code& ec) {
    return detail::reporting(ec,
                             [&](detail::failure& why) { return detail::credential_from_pkcs12_file(path, password, why); });
}

inline credential credential::with_signer(std::string_view chain_pem, signer sign) {
    return detail::throwing(
        [&](detail::failure& why) { return detail::credential_with_signer(chain_pem, std::move(sign), why); });
}
inline credential credential::with_signer(std::string_view chain_pem, signer sign, std::error_code& ec) {
    return detail::reporting(
        ec, [&](detail::failure& why) { return detail::credential_with_signer(chain_pem, std::move(sign), why); });
}

inline credential credential::with_ocsp(std::span<const std::byte> response, detail::failure& why) const {
    return with(why, [&](detail::staples& into, detail::failure& wrong) {
        if (response.size() > 0xffffff)
            wrong = {make_error_code(errc::invalid_certificate), "OCSP response over 16,777,215 bytes", {}};
        into.ocsp_response.assign(response.begin(), response.end());
    });
}
inline credential credential::with_scts(std::span<const std::byte> list, detail::failure& why) const {
    return with(why, [&](detail::staples& into, detail::failure& wrong) {
        if (!list.empty() && !detail::is_sct_list(detail::as_octets(list))) {
            wrong = {make_error_code(errc::invalid_certificate), "list of certificate timestamps", {}};
        }
        into.sct_list.assign(list.begin(), list.end());
    });
}
inline credential credential::with_ocsp_response(const_bytes response) const {
    return detail::throwing([&](detail::failure& why) { return with_ocsp(response, why); });
}
inline credential credential::with_ocsp_response(const_bytes response, std::error_code& ec) const {
    return detail::reporting(ec, [&](detail::failure& why) { return with_ocsp(response, why); });
}
inline credential credential::with_sct_list(const_bytes list) const {
    return detail::throwing([&](detail::failure& why) { return with_scts(list, why); });
}
inline credential credential::with_sct_list(const_bytes list, std::error_code& ec) const {
    return detail::reporting(ec, [&](detail::failure& why) { return with_scts(list, why); });
}

}  // namespace v0
}  // namespace tls

#endif
