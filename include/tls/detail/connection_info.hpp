// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What every face tells about its connection, from one piece of code.

#ifndef TLS_STREAM_TLS_DETAIL_CONNECTION_INFO_HPP
#define TLS_STREAM_TLS_DETAIL_CONNECTION_INFO_HPP

#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/client_hello.hpp>
#include <tls/detail/connection.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// A base of `Face`, which has a member `const connection* tls() const noexcept` (null when the face is empty). Before the handshake
// is complete, and in an empty face, everything here is empty or std::nullopt. Views live as long as the face.
template <class Face>
class connection_info {
public:
    // How the peer's direction ended, if that is known yet. Once it is known it never changes.
    [[nodiscard]] stream_end read_end() const noexcept {
        const connection* const tls = self().tls();
        return tls != nullptr ? tls->read_end() : stream_end::open;
    }

    // SSL_version.
    [[nodiscard]] std::optional<protocol_version> version() const {
        const SSL* const ssl = established();
        if (ssl == nullptr) return std::nullopt;
        return static_cast<protocol_version>(::SSL_version(ssl));
    }

    // The suite in use (SSL_get_current_cipher).
    [[nodiscard]] std::optional<cipher_info> cipher() const {
        const SSL* const ssl = established();
        const SSL_CIPHER* const current = ssl != nullptr ? ::SSL_get_current_cipher(ssl) : nullptr;
        if (current == nullptr) return std::nullopt;
        return describe(current);
    }

    // On a server: what the client offered and the server allows too, in the client's order. On a client: what it offered; a server's
    // own list never crosses the wire.
    [[nodiscard]] std::vector<cipher_info> shared_ciphers() const {
        std::vector<cipher_info> shared;
        if (established() == nullptr) return shared;
        for (const std::uint16_t value : self().tls()->shared_ciphers()) {
            shared.push_back(describe(::SSL_get_cipher_by_value(value)));
        }
        return shared;
    }

    // Always empty: BoringSSL has no compression, which would leak plaintext (CRIME).
    [[nodiscard]] std::optional<std::string_view> compression() const { return std::nullopt; }

    // The protocol that was agreed on, or empty (SSL_get0_alpn_selected).
    [[nodiscard]] std::string_view alpn() const {
        const SSL* const ssl = established();
        if (ssl == nullptr) return {};
        const std::uint8_t* name = nullptr;
        unsigned size = 0;
        ::SSL_get0_alpn_selected(ssl, &name, &size);
        return size != 0 ? std::string_view(reinterpret_cast<const char*>(name), size) : std::string_view{};
    }

    // The key exchange group by name, "X25519" for one; empty where there is none.
    [[nodiscard]] std::string_view group() const {
        const SSL* const ssl = established();
        if (ssl == nullptr) return {};
#if TLS_STREAM_HAS_GROUP_ID
        const char* const name = ::SSL_get_group_name(::SSL_get_group_id(ssl));
#else
        const char* const name = ::SSL_get_curve_name(::SSL_get_curve_id(ssl));
#endif
        return name != nullptr ? std::string_view(name) : std::string_view{};
    }

    // On a client the name or address that it asked for; on a server the name that the client sent (SNI), if it sent one.
    [[nodiscard]] std::string_view server_name() const {
        const SSL* const ssl = established();
        if (ssl == nullptr) return {};
        if (self().tls()->side() == role::client) return self().tls()->server_name();
        const char* const name = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        return name != nullptr ? std::string_view(name) : std::string_view{};
    }

    // The peer's own certificate, if it sent one.
    [[nodiscard]] std::optional<certificate> peer_certificate() const {
        const SSL* const ssl = established();
        bssl::UniquePtr<X509> leaf(ssl != nullptr ? ::SSL_get_peer_certificate(ssl) : nullptr);
        if (leaf == nullptr) return std::nullopt;
        return certificate(std::move(leaf));
    }

    // The certificates as the peer sent them, its own first; empty if it sent none. This is not the chain that was verified.
    [[nodiscard]] std::vector<certificate> peer_chain() const {
        std::vector<certificate> chain;
        const SSL* const ssl = established();
        const STACK_OF(X509)* const sent = ssl != nullptr ? ::SSL_get_peer_full_cert_chain(ssl) : nullptr;
        for (std::size_t i = 0; sent != nullptr && i < sk_X509_num(sent); ++i) {
            chain.emplace_back(bssl::UpRef(sk_X509_value(sent, i)));
        }
        return chain;
    }

    // For what this library does not cover; null when the face is empty. Its BIO, its shutdown and its read and write calls belong to
    // the library. Configuration that only a handshake needs is gone once it is complete (SSL_set_shed_handshake_config).
    [[nodiscard]] SSL* native_handle() noexcept {
        const connection* const tls = self().tls();
        return tls != nullptr ? tls->ssl() : nullptr;
    }

protected:
    connection_info() = default;
    ~connection_info() = default;
    connection_info(const connection_info&) = default;
    connection_info& operator=(const connection_info&) = default;

private:
    [[nodiscard]] const Face& self() const noexcept { return static_cast<const Face&>(*this); }
    [[nodiscard]] const SSL* established() const noexcept {
        const connection* const tls = self().tls();
        return tls != nullptr && tls->established() ? tls->ssl() : nullptr;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
