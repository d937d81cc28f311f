// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What many connections share: trust, identity, versions, ciphers. Made once, never changed, shared freely between threads.

#ifndef TLS_STREAM_TLS_CONTEXT_HPP
#define TLS_STREAM_TLS_CONTEXT_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/context_setup.hpp>
#include <tls/detail/failure.hpp>
#include <tls/options.hpp>
#include <tls/protocol.hpp>

#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {

/// An SSL_CTX that does not change. Copies share it; streams and engines keep what they need of it, so it may go before them.
///
/// Errors of construction: errc::not_open (a server's identity is empty), errc::invalid_trust or the file's error (system trust),
/// errc::invalid_alpn, errc::invalid_versions, errc::invalid_ciphers, errc::invalid_groups; a failure of BoringSSL's in ssl_category.
template <role Role>
class context {
    enum class defaults : unsigned char {};  // what `{}` alone fits best

public:
    /// client_options or server_options.
    using options = std::conditional_t<Role == role::client, client_options, server_options>;

    /// A client's context with every default: the system's trust, full verification, TLS 1.2 and 1.3.
    context()
        requires(Role == role::client)
        : context(options{}) {}
    /// `client_context({})` says the same, and would otherwise be ambiguous.
    explicit context(defaults)
        requires(Role == role::client)
        : context(options{}) {}

    /// A context of these options.
    explicit context(const options& from)
        : handle_(detail::throwing([&](detail::failure& why) { return detail::make_context(from, why); })) {}

    /// The same without an exception; an empty context on failure.
    [[nodiscard]] static context create(const options& from, std::error_code& ec) {
        return context(detail::reporting(ec, [&](detail::failure& why) { return detail::make_context(from, why); }));
    }

    /// Copies share the SSL_CTX.
    context(const context& other) noexcept : handle_(bssl::UpRef(other.handle_)) {}
    context(context&&) noexcept = default;
    /// Copies share the SSL_CTX.
    context& operator=(const context& other) noexcept {
        handle_ = bssl::UpRef(other.handle_);
        return *this;
    }
    context& operator=(context&&) noexcept = default;
    ~context() = default;

    /// False for one that was moved from or whose creation failed; a stream or engine refuses it with errc::not_open.
    [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// For what this library does not cover. Changing it once streams use it is not safe. Null when empty.
    [[nodiscard]] SSL_CTX* native_handle() const noexcept { return handle_.get(); }

private:
    explicit context(bssl::UniquePtr<SSL_CTX> handle) noexcept : handle_(std::move(handle)) {}

    bssl::UniquePtr<SSL_CTX> handle_;
};

/// What clients share.
using client_context = context<role::client>;
/// What servers share.
using server_context = context<role::server>;

}  // namespace v0
}  // namespace tls

#endif
