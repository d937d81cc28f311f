// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A certificate chain with its private key: who a server is, or a client that is asked.

#ifndef TLS_STREAM_TLS_CREDENTIAL_HPP
#define TLS_STREAM_TLS_CREDENTIAL_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

class credential;
namespace detail {
void install(const credential& identity, SSL_CTX* context, failure& why);
credential credential_from_pem(std::string_view chain, std::string_view key, std::optional<std::string_view> password,
                               const input_source& chain_source, const input_source& key_source, failure& why);
}  // namespace detail

// Immutable and shared: copies are cheap and may be used by several threads. A default-constructed or moved-from one is empty.
//
// The chain is PEM, the leaf first, then the intermediates in order; the root may be left out. Blocks of other kinds are
// skipped, so that key and chain may stand in one text. The key is PEM too: PKCS#8 ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
// PKCS#1 ("RSA PRIVATE KEY") or SEC1 ("EC PRIVATE KEY"); there must be exactly one. A password opens an encrypted key and is
// otherwise not looked at; it is at most 1024 bytes. Nobody is ever asked for one.
//
// Failures, by name:
//   errc::invalid_certificate   no certificate in the chain, or one of them is malformed
//   errc::invalid_private_key   no key, several keys, a malformed one, or a password that is missing or wrong
//   errc::key_mismatch          the key is not that of the leaf
// and for files also what the system says (std::errc::no_such_file_or_directory, is_a_directory, ...); what is no regular
// file, or is larger than 16 MiB, is invalid_certificate or invalid_private_key. The path is in error::what().
class credential {
public:
    credential() noexcept = default;

    [[nodiscard]] static credential from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                               std::optional<std::string_view> password = std::nullopt);
    [[nodiscard]] static credential from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                               std::error_code& ec);
    [[nodiscard]] static credential from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                               std::optional<std::string_view> password, std::error_code& ec);

    [[nodiscard]] static credential from_pem(std::string_view chain, std::string_view key,
                                             std::optional<std::string_view> password = std::nullopt);
    [[nodiscard]] static credential from_pem(std::string_view chain, std::string_view key, std::error_code& ec);
    [[nodiscard]] static credential from_pem(std::string_view chain, std::string_view key,
                                             std::optional<std::string_view> password, std::error_code& ec);

    [[nodiscard]] explicit operator bool() const noexcept { return material_ != nullptr; }

    // The certificate that the key belongs to; an empty one if this is empty.
    [[nodiscard]] certificate leaf() const { return material_ ? material_->chain.front() : certificate(); }
    // All certificates, the leaf first; none if this is empty.
    [[nodiscard]] std::vector<certificate> chain() const { return material_ ? material_->chain : std::vector<certificate>(); }

private:
    struct material {
        std::vector<certificate> chain;  // never empty
        bssl::UniquePtr<EVP_PKEY> key;
    };
    explicit credential(std::shared_ptr<const material> checked) noexcept : material_(std::move(checked)) {}

    friend void detail::install(const credential&, SSL_CTX*, detail::failure&);
    friend credential detail::credential_from_pem(std::string_view, std::string_view, std::optional<std::string_view>,
                                                  const detail::input_source&, const detail::input_source&, detail::failure&);

    std::shared_ptr<const material> material_;
};

namespace detail {

// What the password callback knows and learns.
struct password_request {
    std::optional<std::string_view> password;
    bool made = false;
};

// BoringSSL's pem_password_cb: gives the caller's password, or -1. It wipes its own copy.
inline int give_password(char* into, int capacity, int, void* user) noexcept {
    auto& request = *static_cast<password_request*>(user);
    request.made = true;
    if (!request.password || request.password->size() > static_cast<std::size_t>(capacity)) return -1;
    if (!request.password->empty()) std::memcpy(into, request.password->data(), request.password->size());
    return static_cast<int>(request.password->size());
}

[[nodiscard]] inline bssl::UniquePtr<EVP_PKEY> read_private_key(std::string_view text, std::optional<std::string_view> password,
                                                                const input_source& source, failure& why) {
    int keys = 0;
    const bool well_formed = read_pem(text, source, why, [&](const pem_block& block) {
        if (block.label.ends_with("PRIVATE KEY")) ++keys;
        return true;
    });
    if (!well_formed) return nullptr;
    if (keys != 1) {
        why = source.wrong(keys == 0 ? "holds no private key in PEM" : "holds more than one private key");
        return nullptr;
    }
    password_request request{password};
    const auto reader = pem_reader(text);
    bssl::UniquePtr<EVP_PKEY> key(reader ? ::PEM_read_bio_PrivateKey(reader.get(), nullptr, give_password, &request) : nullptr);
    if (!key) {
        why = source.wrong(!request.made ? "the private key is malformed or of a kind that is not known"
                           : !password   ? "the private key is encrypted, and no password was given"
                                         : "the private key does not open with this password");
    }
    return key;
}

inline credential credential_from_pem(std::string_view chain, std::string_view key, std::optional<std::string_view> password,
                                      const input_source& chain_source, const input_source& key_source, failure& why) {
    const error_queue_guard guard;
    credential::material read;
    read.chain = read_certificates(chain, chain_source, why);
    if (why) return {};
    read.key = read_private_key(key, password, key_source, why);
    if (why) return {};
    const bssl::UniquePtr<EVP_PKEY> expected(::X509_get_pubkey(read.chain.front().native_handle()));
    if (!expected) {
        why = chain_source.wrong("the leaf's public key is malformed or of a kind that is not known");
        return {};
    }
    if (::EVP_PKEY_cmp(expected.get(), read.key.get()) != 1) {
        why = queued_failure(make_error_code(errc::key_mismatch), chain_source.name + " and " + key_source.name);
        return {};
    }
    return credential(std::make_shared<const credential::material>(std::move(read)));
}

[[nodiscard]] inline credential credential_from_text(std::string_view chain, std::string_view key,
                                                     std::optional<std::string_view> password, failure& why) {
    return credential_from_pem(chain, key, password, {"certificate chain", errc::invalid_certificate},
                               {"private key", errc::invalid_private_key}, why);
}

[[nodiscard]] inline credential credential_from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                                      std::optional<std::string_view> password, failure& why) {
    const error_queue_guard guard;
    const input_source chain_source = file_source(chain, errc::invalid_certificate);
    const input_source key_source = file_source(key, errc::invalid_private_key);
    const file_contents chain_file = read_file(chain, chain_source, why);
    if (why) return {};
    const file_contents key_file = read_file(key, key_source, why);
    if (why) return {};
    return credential_from_pem(chain_file.text(), key_file.text(), password, chain_source, key_source, why);
}

// Makes the credential the context's own (SSL_CTX_use_certificate, SSL_CTX_add1_chain_cert, SSL_CTX_use_PrivateKey).
// Fails with errc::not_open if it is empty, and with errc::invalid_certificate or errc::invalid_private_key if it is of a
// kind that TLS does not know.
inline void install(const credential& identity, SSL_CTX* context, failure& why) {
    const error_queue_guard guard;
    if (!identity) {
        why = {make_error_code(errc::not_open), "tls::credential", {}};
        return;
    }
    const auto& [chain, key] = *identity.material_;
    bool taken = ::SSL_CTX_use_certificate(context, chain.front().native_handle()) == 1;
    for (std::size_t i = 1; taken && i != chain.size(); ++i) {
        taken = ::SSL_CTX_add1_chain_cert(context, chain[i].native_handle()) == 1;
    }
    if (!taken) {
        why = input_source{"certificate chain", errc::invalid_certificate}.wrong("cannot be used for TLS");
    } else if (::SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
        why = input_source{"private key", errc::invalid_private_key}.wrong("cannot be used for TLS");
    }
}

}  // namespace detail

inline credential credential::from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                         std::optional<std::string_view> password) {
    return detail::throwing([&](detail::failure& why) { return detail::credential_from_files(chain, key, password, why); });
}
inline credential credential::from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                         std::error_code& ec) {
    return from_files(chain, key, std::nullopt, ec);
}
inline credential credential::from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                         std::optional<std::string_view> password, std::error_code& ec) {
    return detail::reporting(ec,
                             [&](detail::failure& why) { return detail::credential_from_files(chain, key, password, why); });
}

inline credential credential::from_pem(std::string_view chain, std::string_view key, std::optional<std::string_view> password) {
    return detail::throwing([&](detail::failure& why) { return detail::credential_from_text(chain, key, password, why); });
}
inline credential credential::from_pem(std::string_view chain, std::string_view key, std::error_code& ec) {
    return from_pem(chain, key, std::nullopt, ec);
}
inline credential credential::from_pem(std::string_view chain, std::string_view key, std::optional<std::string_view> password,
                                       std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::credential_from_text(chain, key, password, why); });
}

}  // namespace v0
}  // namespace tls

#endif
