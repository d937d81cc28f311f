// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// TLS without I/O: ciphertext goes in and comes out through buffers, and each call says what must move before it can go on.
///
///     while (!(step = engine.handshake()).error && step.wants != want::nothing) {
///         send engine.output(), engine.output_sent(n);            // whenever it is not empty, whatever `wants` says
///         receive into engine.input_space(), engine.input_received(n);
///     }

#ifndef TLS_STREAM_TLS_ENGINE_HPP
#define TLS_STREAM_TLS_ENGINE_HPP

#include <tls/bytes.hpp>
#include <tls/context.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/connection_info.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/new_connection.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/progress.hpp>
#include <tls/shutdown.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

/// One side of one connection. For one thread at a time. An engine that was moved from or whose creation failed is empty: its calls
/// answer errc::not_open, its buffers are empty.
class engine : public detail::connection_info<engine> {
public:
    /// A client for the server of that name, a DNS name or an IP address. Errors: errc::server_name_required (an empty name, and
    /// the context verifies it), errc::invalid_server_name, errc::not_open (an empty context); those of connection_options.
    engine(const client_context& context, std::string_view server_name, const connection_options& options = {})
        : parts_(detail::throwing([&](detail::failure& why) { return make(why, context, server_name, options); })) {}
    /// A server.
    explicit engine(const server_context& context)
        : parts_(detail::throwing([&](detail::failure& why) { return make(why, context); })) {}

    /// The same without an exception; an empty engine on failure.
    [[nodiscard]] static engine create(const client_context& context, std::string_view server_name, std::error_code& ec) {
        return create(context, server_name, connection_options{}, ec);
    }
    /// The same with options of its own.
    [[nodiscard]] static engine create(const client_context& context, std::string_view server_name,
                                       const connection_options& options, std::error_code& ec) {
        return engine(detail::reporting(ec, [&](detail::failure& why) { return make(why, context, server_name, options); }));
    }
    /// The same for a server.
    [[nodiscard]] static engine create(const server_context& context, std::error_code& ec) {
        return engine(detail::reporting(ec, [&](detail::failure& why) { return make(why, context); }));
    }

    /// False when moved from, or not created.
    [[nodiscard]] explicit operator bool() const noexcept { return parts_ != nullptr; }

    /// Goes on with the handshake. Nothing wanted and no error: it is complete. read() and write() run it too. `want::output`
    /// says that there is no more room for ciphertext, and may say it of what output_sent() has taken meanwhile: call again.
    /// `want::verification`, `want::signature` and `want::identity`: a verifier, a signer or an identity_selector has been
    /// asked; call again when it has answered. Errors: errc::handshake_truncated; the peer's alert; why its certificate was
    /// refused (verify_category); ssl_category.
    progress handshake() {
        if (const std::error_code refusal = begin()) return {.error = refusal};
        return parts_->tls.handshake();
    }

    /// Into a non-empty range: at least 1 byte; or 0 with nothing wanted and no error: the peer's close_notify was read. The error
    /// errc::truncated says that it never came. Everything that came before an end is given before it.
    progress read(mutable_bytes plaintext) {
        if (const std::error_code refusal = begin()) return {.error = refusal};
        // BoringSSL would only find out the same, at ten times the price.
        if (parts_->wire.is_dry() && parts_->tls.needs_input() && !plaintext.span().empty()) return {.wants = want::input};
        return parts_->tls.read(plaintext.span());
    }

    /// Takes what the output buffer has room for, at least a record; `want::output` when it has none. What was taken is sealed: the
    /// caller's bytes are needed no longer than the call. Errors: errc::write_shut_down after close_notify(), or what ended the stream.
    progress write(const_bytes plaintext) {
        if (const std::error_code refusal = begin()) return {.error = refusal};
        const std::size_t pending = parts_->wire.pending().size();
        if (pending > output_limit && !parts_->tls.write_refusal()) return {.wants = want::output};
        const std::size_t room =
            detail::batch_plaintext - (std::min)(pending, detail::batch_plaintext - detail::record_plaintext_limit);
        return parts_->tls.write(plaintext.span().first((std::min)(plaintext.span().size(), room)));
    }

    /// Seals close_notify behind everything written (RFC 8446 6.1), once; no write is accepted afterwards. Before the handshake is
    /// complete and after a fatal alert there is none to send, and this only refuses further writes.
    progress close_notify() {
        if (const std::error_code refusal = begin()) return {.error = refusal};
        return parts_->tls.close_notify();
    }

    /// Asks for new keys in this direction, and with `ask_peer` in the other one (RFC 8446 4.6.3), in output() at once. Error:
    /// errc::not_supported, in TLS 1.2.
    progress update_keys(bool ask_peer) {
        if (const std::error_code refusal = begin()) return {.error = refusal};
        return parts_->tls.update_keys(ask_peer);
    }

    /// A client's early data (RFC 8446 8), as stream::write_early; a record at most in each call.
    progress write_early(const_bytes plaintext) {
        if (const std::error_code refusal = begin()) return {.error = refusal};
        if (parts_->wire.pending().size() > output_limit && !parts_->tls.write_refusal()) return {.wants = want::output};
        return parts_->tls.write_early(plaintext.span());
    }
    /// A server's early data, likewise.
    progress read_early(mutable_bytes plaintext) {
        if (const std::error_code refusal = begin()) return {.error = refusal};
        return parts_->tls.read_early(plaintext.span());
    }

    /// Where to put received bytes; valid until the next call of the engine's. Never empty, but in an empty engine.
    [[nodiscard]] std::span<std::byte> input_space() { return parts_ ? parts_->wire.input_space() : std::span<std::byte>{}; }
    /// The first n bytes of input_space() were filled.
    void input_received(std::size_t n) noexcept {
        if (parts_) parts_->wire.input_received(n);
    }
    /// The transport reached its end of stream.
    void input_ended() noexcept {
        if (parts_) parts_->wire.input_ended();
    }
    /// The transport broke; reads say so once everything before it was given.
    void input_failed(std::error_code why) noexcept {
        if (parts_) parts_->wire.input_failed(why);
    }

    /// What to send next, in order; valid until the next call of the engine's.
    [[nodiscard]] std::span<const std::byte> output() const noexcept {
        return parts_ ? parts_->wire.pending() : std::span<const std::byte>{};
    }
    /// The first n bytes of output() are with the transport.
    void output_sent(std::size_t n) noexcept {
        if (parts_) parts_->wire.output_sent(n);
    }

    /// The transport takes nothing any more: writes say so, unless an alert of the peer's is in what was received, which says
    /// why.
    void output_failed(std::error_code why) {
        if (begin()) return;
        parts_->wire.output_failed(why ? why : std::make_error_code(std::errc::broken_pipe));
        parts_->tls.settle_output();
    }

    /// Received bytes that are not TLS: what followed the peer's close_notify. Empty before it was read.
    [[nodiscard]] std::vector<std::byte> surplus() const {
        if (read_end() != stream_end::close_notify) return {};
        return parts_->wire.surplus();
    }

private:
    friend class detail::connection_info<engine>;

    // Above this the buffer takes no further write; below it there is room for a batch.
    static constexpr std::size_t output_limit = (detail::records_per_batch - 1) * (detail::record_plaintext_limit + 512);

    // Lives at one address: BoringSSL and the parts refer to one another.
    struct parts {
        explicit parts(detail::new_connection made)
            : tls(std::move(made.ssl), made.side, wire, std::move(made.server_name), made.port) {}

        detail::buffered_wire wire;
        detail::connection tls;
    };

    explicit engine(std::unique_ptr<parts> made) noexcept : parts_(std::move(made)) {}

    template <class... From>
    static std::unique_ptr<parts> make(detail::failure& why, const From&... from) {
        detail::new_connection made = detail::prepare(from..., why);
        if (why) return nullptr;
        auto complete = std::make_unique<parts>(std::move(made));
        if (complete->tls.ssl() == nullptr) why = {std::make_error_code(std::errc::not_enough_memory), "TLS engine", {}};
        return why ? nullptr : std::move(complete);
    }

    // Every call begins here: what others left on BoringSSL's error queue must not be taken for this call's.
    [[nodiscard]] std::error_code begin() const noexcept {
        detail::clear_error_queue();
        if (!parts_) return errc::not_open;
        return parts_->tls.in_callback() ? make_error_code(errc::called_from_callback) : std::error_code();
    }

    [[nodiscard]] const detail::connection* tls() const noexcept { return parts_ ? &parts_->tls : nullptr; }

    std::unique_ptr<parts> parts_;
};

}  // namespace v0
}  // namespace tls

#endif
