// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What every face tells about its connection, from one piece of code.

#ifndef TLS_STREAM_TLS_DETAIL_CONNECTION_INFO_HPP
#define TLS_STREAM_TLS_DETAIL_CONNECTION_INFO_HPP

#include <tls/bytes.hpp>
#include <tls/certificate.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/client_hello.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/peer_chain.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/shutdown.hpp>
#include <tls/verification.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

/// A base of `Face`, which has a member `const connection* tls() const noexcept` (null when the face is empty). Before the handshake
/// is complete, and in an empty face, everything here is empty or std::nullopt. Views live as long as the face.
template <class Face>
class connection_info {
public:
    /// How the peer's direction ended, if that is known yet. Once it is known it never changes.
    [[nodiscard]] stream_end read_end() const noexcept {
        const connection* const tls = self().tls();
        return tls != nullptr ? tls->read_end() : stream_end::open;
    }

    /// SSL_version.
    [[nodiscard]] std::optional<protocol_version> version() const {
        const SSL* const ssl = established();
        if (ssl == nullptr) return std::nullopt;
        return static_cast<protocol_version>(::SSL_version(ssl));
    }

    /// The suite in use (SSL_get_current_cipher).
    [[nodiscard]] std::optional<cipher_info> cipher() const {
        const SSL* const ssl = established();
        const SSL_CIPHER* const current = ssl != nullptr ? ::SSL_get_current_cipher(ssl) : nullptr;
        if (current == nullptr) return std::nullopt;
        return describe(current);
    }

    /// On a server: what the client offered and the server allows too, in the client's order. On a client: what it offered; a server's
    /// own list never crosses the wire.
    [[nodiscard]] std::vector<cipher_info> shared_ciphers() const {
        std::vector<cipher_info> shared;
        if (established() == nullptr) return shared;
        for (const std::uint16_t value : self().tls()->shared_ciphers()) {
            shared.push_back(describe(::SSL_get_cipher_by_value(value)));
        }
        return shared;
    }

    /// Always empty: BoringSSL has no compression, which would leak plaintext (CRIME).
    [[nodiscard]] std::optional<std::string_view> compression() const { return std::nullopt; }

    /// The protocol that was agreed on, or empty (SSL_get0_alpn_selected).
    [[nodiscard]] std::string_view alpn() const {
        const SSL* const ssl = established();
        if (ssl == nullptr) return {};
        const std::uint8_t* name = nullptr;
        unsigned size = 0;
        ::SSL_get0_alpn_selected(ssl, &name, &size);
        return size != 0 ? std::string_view(reinterpret_cast<const char*>(name), size) : std::string_view{};
    }

    /// The key exchange group by name, "X25519" for one; empty where there is none.
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

    /// On a client the name or address that it asked for; on a server the name that the client sent (SNI), if it sent one.
    [[nodiscard]] std::string_view server_name() const {
        const SSL* const ssl = established();
        if (ssl == nullptr) return {};
        if (self().tls()->side() == role::client) return self().tls()->server_name();
        const char* const name = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        return name != nullptr ? std::string_view(name) : std::string_view{};
    }

    /// The peer's own certificate, if it sent one.
    [[nodiscard]] std::optional<certificate> peer_certificate() const {
        const SSL* const ssl = established();
        bssl::UniquePtr<X509> leaf(ssl != nullptr ? ::SSL_get_peer_certificate(ssl) : nullptr);
        if (leaf == nullptr) return std::nullopt;
        return certificate(std::move(leaf));
    }

    /// The certificates as the peer sent them, its own first; empty if it sent none. This is not the chain that was verified.
    [[nodiscard]] std::vector<certificate> peer_chain() const {
        const SSL* const ssl = established();
        return ssl != nullptr ? certificates_of(::SSL_get_peer_full_cert_chain(ssl)) : std::vector<certificate>();
    }

    /// The chain that was verified, from the peer's own certificate to the trusted one; empty where none was. It is built anew
    /// from what the peer sent and what the context trusts.
    [[nodiscard]] std::vector<certificate> verified_chain() const {
        std::vector<certificate> chain;
        const SSL* const ssl = established();
        STACK_OF(X509)* const sent = ssl != nullptr ? ::SSL_get_peer_full_cert_chain(ssl) : nullptr;
        const context_settings* const settings = ssl != nullptr ? settings_of(ssl) : nullptr;
        const bool verified = settings != nullptr && settings->verification != verify_mode::dangerously_none;
        if (!verified || sent == nullptr || sk_X509_num(sent) == 0) return chain;
        const error_queue_guard guard;
        const auto work = new_verification(ssl, sent, ::SSL_CTX_get0_param(::SSL_get_SSL_CTX(ssl)));
        if (work != nullptr && ::X509_verify_cert(work.get()) == 1)
            chain = certificates_of(::X509_STORE_CTX_get0_chain(work.get()));
        return chain;
    }

    /// Why the peer's certificate was refused, and at which certificate of its chain; std::nullopt if it was not.
    [[nodiscard]] std::optional<tls::verify_failure> verify_failure() const {
        const connection* const tls = self().tls();
        if (tls == nullptr || tls->refused() == nullptr) return std::nullopt;
        return *tls->refused();
    }
    /// BoringSSL's account of the last failure, and for a refused certificate that of the verification; as error::details().
    [[nodiscard]] std::string details() const {
        const connection* const tls = self().tls();
        return tls != nullptr ? tls->details() : std::string();
    }

    /// The OCSP response (RFC 6960) that the server stapled; empty if it did not, or was not asked to (client_options::request_ocsp).
    /// Nobody has looked into it.
    [[nodiscard]] std::vector<std::byte> ocsp_response() const { return stapled_by(&::SSL_get0_ocsp_response); }
    /// The SignedCertificateTimestampList (RFC 6962) that the server stapled, likewise (client_options::request_scts).
    [[nodiscard]] std::vector<std::byte> sct_list() const { return stapled_by(&::SSL_get0_signed_cert_timestamp_list); }

    /// Was a session resumed, and the peer believed for what it had shown then (SSL_session_reused)?
    [[nodiscard]] bool session_reused() const {
        const SSL* const ssl = established();
        return ssl != nullptr && ::SSL_session_reused(ssl) != 0;
    }
    /// A client's: the latest session that the server gave, if client_options::keep_session is set; in TLS 1.3 it comes with the
    /// first reads. Empty: none has come.
    [[nodiscard]] tls::session session() const {
        const connection* const tls = self().tls();
        return tls != nullptr ? tls->last_session() : tls::session();
    }

    /// Did the server accept what write_early() sent?
    [[nodiscard]] bool early_data_accepted() const {
        const SSL* const ssl = established();
        return ssl != nullptr && ::SSL_early_data_accepted(ssl) != 0;
    }
    /// How many bytes of write_early() were sent a second time, because the server had not accepted them; they came before
    /// anything else.
    [[nodiscard]] std::size_t early_data_resent() const {
        const connection* const tls = self().tls();
        return tls != nullptr && tls->early() != nullptr ? tls->early()->resent : 0;
    }

    /// Was the server's name sent encrypted, and understood (SSL_ech_accepted)?
    [[nodiscard]] bool ech_accepted() const {
        const SSL* const ssl = established();
        return ssl != nullptr && ::SSL_ech_accepted(ssl) != 0;
    }
    /// After a handshake that failed because the server did not understand the ECH configuration: the configurations to use on
    /// another connection (RFC 9849 6.1.6). Empty: the server has none any more, or this is not why it failed.
    [[nodiscard]] std::vector<std::byte> ech_retry_configs() const {
        const connection* const tls = self().tls();
        return tls != nullptr ? tls->ech_retry_configs() : std::vector<std::byte>();
    }

    /// Secrets of the connection's own for another protocol, agreed on without being sent (RFC 8446 7.5, RFC 5705). Without a
    /// context and with an empty one are two things in TLS 1.2. Errors: errc::not_established, std::errc::invalid_argument.
    [[nodiscard]] std::vector<std::byte> export_keying_material(std::string_view label, std::optional<const_bytes> context,
                                                                std::size_t length, std::error_code& ec) const {
        std::vector<std::byte> secret;
        SSL* const ssl = established();
        ec.clear();
        if (ssl == nullptr) ec = errc::not_established;
        if (length == 0 || length > 65535 || label.empty()) ec = std::make_error_code(std::errc::invalid_argument);
        if (ec) return secret;
        const error_queue_guard guard;
        secret.resize(length);
        const auto bytes = context ? context->span() : std::span<const std::byte>();
        if (::SSL_export_keying_material(ssl, reinterpret_cast<std::uint8_t*>(secret.data()), length, label.data(),
                                         label.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                                         context ? 1 : 0) != 1) {
            ec = code_from_packed(static_cast<std::uint32_t>(::ERR_peek_error()));
            secret.clear();
        }
        return secret;
    }
    /// The same; throws tls::error.
    [[nodiscard]] std::vector<std::byte> export_keying_material(std::string_view label, std::optional<const_bytes> context,
                                                                std::size_t length) const {
        // By value: through a reference g++ 12 takes the context for uninitialized.
        return call_or_throw(
            "keying material", [] { return std::string(); },
            [=, this](std::error_code& ec) { return export_keying_material(label, context, length, ec); });
    }

    /// What ties another protocol's authentication to this connection. tls_exporter (RFC 9266) is for TLS 1.3, and for TLS 1.2
    /// with the extended master secret; tls_unique (RFC 5929) is for TLS 1.2 alone, and only where it is sound (RFC 7627). Else,
    /// and where BoringSSL knows that it would not be: errc::not_supported. errc::not_established.
    [[nodiscard]] std::vector<std::byte> channel_binding(channel_binding_type type, std::error_code& ec) const {
        std::vector<std::byte> binding;
        const SSL* const ssl = established();
        ec.clear();
        if (ssl == nullptr) {
            ec = errc::not_established;
            return binding;
        }
        const error_queue_guard guard;
        const bool sound = ::SSL_version(ssl) >= TLS1_3_VERSION || ::SSL_get_extms_support(ssl) != 0;
        if (type == channel_binding_type::tls_exporter && sound) {
            return export_keying_material("EXPORTER-Channel-Binding", const_bytes(std::span<const std::byte>()), 32, ec);
        }
        std::array<std::uint8_t, EVP_MAX_MD_SIZE> unique{};
        std::size_t size = 0;
        if (type != channel_binding_type::tls_unique || !sound ||
            ::SSL_get_tls_unique(ssl, unique.data(), &size, unique.size()) != 1) {
            ec = errc::not_supported;
            return binding;
        }
        const auto bytes = std::as_bytes(std::span(unique).first(size));
        binding.assign(bytes.begin(), bytes.end());
        return binding;
    }
    /// The same; throws tls::error.
    [[nodiscard]] std::vector<std::byte> channel_binding(channel_binding_type type) const {
        return call_or_throw(
            "channel binding", [] { return std::string(); }, [&](std::error_code& ec) { return channel_binding(type, ec); });
    }

    /// For what this library does not cover; null when the face is empty. Its BIO, its shutdown and its read and write calls
    /// belong to the library. Configuration that only a handshake needs is gone once it is complete
    /// (SSL_set_shed_handshake_config).
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
    [[nodiscard]] std::vector<std::byte> stapled_by(void (*get)(const SSL*, const std::uint8_t**, std::size_t*)) const {
        const SSL* const ssl = established();
        return ssl != nullptr ? stapled(ssl, get) : std::vector<std::byte>();
    }

    [[nodiscard]] const Face& self() const noexcept { return static_cast<const Face&>(*this); }
    [[nodiscard]] SSL* established() const noexcept {
        const connection* const tls = self().tls();
        return tls != nullptr && tls->established() ? tls->ssl() : nullptr;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
