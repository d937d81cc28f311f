// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What a reader and a writer have in common.

#ifndef TLS_STREAM_TLS_DETAIL_HALF_HPP
#define TLS_STREAM_TLS_DETAIL_HALF_HPP

#include <tls/bytes.hpp>
#include <tls/certificate.hpp>
#include <tls/closing.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/connection_info.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/halves_closing.hpp>
#include <tls/detail/halves_core.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>
#include <tls/verification.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

template <class Socket>
struct splitting;

/// What a reader and a writer have in common.
template <class Socket>
class half {
    using core_type = halves_core<Socket>;

public:
    /// The socket without its reference.
    using socket_type = std::remove_reference_t<Socket>;
    /// What deadlines are.
    using time_point = std::chrono::steady_clock::time_point;

    half(half&&) noexcept = default;
    half& operator=(half&&) noexcept = default;

    /// False when moved from, joined, or not made.
    [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

    /// As shutdown(both), unless one came to its end before; then closes the socket, whatever happened. For both halves: a call that the
    /// other one waits in ends with std::errc::operation_canceled, and its later ones with errc::not_open. Twice is harmless.
    shutdown_result close(const shutdown_options& options, std::error_code& ec) {
        clear_error_queue();
        ec.clear();
        return core_ ? halves_closing<Socket>(*core_, closing::goal::close).run(options, deadline_, ec) : shutdown_result{};
    }
    /// The same within the default limits.
    shutdown_result close(std::error_code& ec) { return close({}, ec); }
    /// The same; throws tls::error.
    shutdown_result close(const shutdown_options& options = {}) {
        return checked("TLS close", [&](std::error_code& ec) { return close(options, ec); });
    }

    /// Closes the socket at once, without a word to the peer, who sees truncation; for both halves, as close() does.
    void abort() noexcept {
        if (core_) core_->abort();
    }

    /// Bounds every wait of this half's calls that follow, shutdown and close included, until it is said anew. As in stream a deadline
    /// that has passed still lets a call do what needs no waiting, and expires_after beyond the clock's end is expires_never.
    void expires_at(time_point when) noexcept
        requires deadline_socket<socket_type>
    {
        deadline_ = when;
    }
    /// The same, counted from now by the socket's clock.
    void expires_after(std::chrono::nanoseconds span) noexcept
        requires deadline_socket<socket_type>
    {
        if (core_) deadline_ = saturating_sum(now(core_->shared.socket), span);
    }
    /// No deadline.
    void expires_never() noexcept
        requires deadline_socket<socket_type>
    {
        deadline_ = never;
    }

    /// The same as stream's, whichever half is asked. Views live as long as one of the halves.
    /// @{
    [[nodiscard]] stream_end read_end() const noexcept { return look().read_end(); }
    [[nodiscard]] std::optional<protocol_version> version() const { return look().version(); }
    [[nodiscard]] std::optional<cipher_info> cipher() const { return look().cipher(); }
    [[nodiscard]] std::vector<cipher_info> shared_ciphers() const { return look().shared_ciphers(); }
    [[nodiscard]] std::optional<std::string_view> compression() const { return look().compression(); }
    [[nodiscard]] std::string_view alpn() const { return look().alpn(); }
    [[nodiscard]] std::string_view group() const { return look().group(); }
    [[nodiscard]] std::string_view server_name() const { return look().server_name(); }
    [[nodiscard]] std::optional<certificate> peer_certificate() const { return look().peer_certificate(); }
    [[nodiscard]] std::vector<certificate> peer_chain() const { return look().peer_chain(); }
    [[nodiscard]] std::vector<certificate> verified_chain() const { return look().verified_chain(); }
    [[nodiscard]] std::optional<tls::verify_failure> verify_failure() const { return look().verify_failure(); }
    [[nodiscard]] std::string details() const { return look().details(); }
    [[nodiscard]] std::vector<std::byte> ocsp_response() const { return look().ocsp_response(); }
    [[nodiscard]] std::vector<std::byte> sct_list() const { return look().sct_list(); }
    [[nodiscard]] bool session_reused() const { return look().session_reused(); }
    [[nodiscard]] tls::session session() const { return look().session(); }
    [[nodiscard]] bool early_data_accepted() const { return look().early_data_accepted(); }
    [[nodiscard]] std::size_t early_data_resent() const { return look().early_data_resent(); }
    [[nodiscard]] bool ech_accepted() const { return look().ech_accepted(); }
    [[nodiscard]] std::vector<std::byte> ech_retry_configs() const { return look().ech_retry_configs(); }
    [[nodiscard]] std::vector<std::byte> export_keying_material(std::string_view label, std::optional<const_bytes> context,
                                                                std::size_t length, std::error_code& ec) const {
        return look().export_keying_material(label, context, length, ec);
    }
    [[nodiscard]] std::vector<std::byte> export_keying_material(std::string_view label, std::optional<const_bytes> context,
                                                                std::size_t length) const {
        return look().export_keying_material(label, context, length);
    }
    [[nodiscard]] std::vector<std::byte> channel_binding(channel_binding_type type, std::error_code& ec) const {
        return look().channel_binding(type, ec);
    }
    [[nodiscard]] std::vector<std::byte> channel_binding(channel_binding_type type) const {
        return look().channel_binding(type);
    }
    /// @}

    /// Runs `use(SSL*)` while no other thread is in BoringSSL, and gives what it returns: for what this library does not cover. It must
    /// not wait, nor call the halves; see stream::native_handle for what belongs to the library. The pointer is null in an empty half.
    template <class Use>
    decltype(auto) with_native_handle(Use&& use) {
        return core_ ? core_->with_ssl(std::forward<Use>(use)) : std::forward<Use>(use)(static_cast<SSL*>(nullptr));
    }

    /// The socket, for what it lets any thread do, such as tcp_socket::interrupt(). Not to be called on an empty half.
    [[nodiscard]] socket_type& next_layer() noexcept { return core_->shared.socket; }
    /// The same for a const half.
    [[nodiscard]] const socket_type& next_layer() const noexcept { return core_->shared.socket; }

protected:
    half() noexcept = default;
    half(std::shared_ptr<core_type> core, time_point deadline) noexcept : core_(std::move(core)), deadline_(deadline) {}
    ~half() = default;

    bool opened(std::error_code& ec) const noexcept {
        clear_error_queue();
        ec.clear();
        if (!core_) ec = errc::not_open;
        return core_ != nullptr;
    }

    // The throwing overload of a call.
    template <class Call>
    auto checked(const char* what, Call&& call) {
        return call_or_throw(what, [this] { return details(); }, call);
    }

    std::shared_ptr<core_type> core_;
    time_point deadline_ = never;

private:
    friend struct splitting<Socket>;

    // The connection's members, for as long as the lock is held.
    class locked_info : public connection_info<locked_info> {
    public:
        explicit locked_info(core_type* core) : core_(core) {
            if (core_ != nullptr) held_ = core_->enter();
        }
        [[nodiscard]] const connection* tls() const noexcept { return core_ != nullptr ? &core_->tls : nullptr; }

    private:
        core_type* core_;
        typename core_type::lock held_;
    };
    [[nodiscard]] locked_info look() const { return locked_info(core_.get()); }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
