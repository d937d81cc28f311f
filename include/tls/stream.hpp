// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A TLS stream over any socket, blocking or not.

#ifndef TLS_STREAM_TLS_STREAM_HPP
#define TLS_STREAM_TLS_STREAM_HPP

#include <tls/bytes.hpp>
#include <tls/context.hpp>
#include <tls/detail/connection.hpp>
#include <tls/detail/connection_info.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/new_connection.hpp>
#include <tls/detail/stream_core.hpp>
#include <tls/error.hpp>
#include <tls/fwd.hpp>
#include <tls/progress.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
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
struct splitting;  // <tls/split.hpp>
}  // namespace detail

/// What is left when TLS has ended on a connection that goes on: the socket, and what it had received beyond close_notify.
template <class Socket>
struct released {
    Socket socket;                   ///< what the stream was over
    std::vector<std::byte> surplus;  ///< to be read before anything from the socket
};

/// TLS over `Socket`: a type with the members of socket.hpp, owned by the stream, or a reference to one, which is only used.
///
/// Each member that can fail comes twice: with `std::error_code& ec` last, which then throws nothing but what `new` or the socket
/// throws; and without it, throwing tls::error. Where a count is returned it is valid beside an error too (error::bytes_transferred).
///
/// Errors that any reading or writing member may give: errc::not_open (closed, moved from); the handshake's, see handshake(), since the
/// first read or write runs it; std::errc::operation_would_block, call again when wants() can move (the memory may be another's then);
/// std::errc::timed_out, the deadline has passed and nothing is lost: call again with a later one; and the socket's own.
/// Once a stream has failed it says the same again, and no byte is ever sent in the clear.
///
/// For one thread at a time. The destructor does no I/O: it lets go of the socket without close_notify, so that an exception in the
/// middle of a message shows as truncation at the peer. Say close() when all is said.
template <class Socket>
class stream : public detail::connection_info<stream<Socket>> {
    using core = detail::stream_core<Socket>;

public:
    /// The socket without its reference.
    using socket_type = std::remove_reference_t<Socket>;
    /// What deadlines are.
    using time_point = std::chrono::steady_clock::time_point;

    static_assert(tls::socket<socket_type>,
                  "tls::stream<Socket>: Socket must satisfy the concept tls::socket (see <tls/socket.hpp>); "
                  "over a socket of Asio's include <tls/asio.hpp>, of Boost.Asio's <tls/boost_asio.hpp>");

    /// An empty stream.
    stream() noexcept = default;
    /// A client for the server of that name, a DNS name or an IP address; SNI is sent for names only (RFC 6066 3). Does no I/O.
    /// Errors: errc::server_name_required (an empty name that the context verifies), errc::invalid_server_name, errc::not_open
    /// (an empty context); those of connection_options.
    stream(Socket socket, const client_context& context, std::string_view server_name, const connection_options& options = {})
        : core_(detail::throwing(
              [&](detail::failure& why) { return make(why, std::forward<Socket>(socket), context, server_name, options); })) {}
    /// A server.
    stream(Socket socket, const server_context& context)
        : core_(detail::throwing([&](detail::failure& why) { return make(why, std::forward<Socket>(socket), context); })) {}

    /// The same without an exception; an empty stream on failure.
    [[nodiscard]] static stream create(Socket socket, const client_context& context, std::string_view server_name,
                                       std::error_code& ec) {
        return create(std::forward<Socket>(socket), context, server_name, connection_options{}, ec);
    }
    /// The same with options of its own.
    [[nodiscard]] static stream create(Socket socket, const client_context& context, std::string_view server_name,
                                       const connection_options& options, std::error_code& ec) {
        return stream(detail::reporting(
            ec, [&](detail::failure& why) { return make(why, std::forward<Socket>(socket), context, server_name, options); }));
    }
    /// The same for a server.
    [[nodiscard]] static stream create(Socket socket, const server_context& context, std::error_code& ec) {
        return stream(
            detail::reporting(ec, [&](detail::failure& why) { return make(why, std::forward<Socket>(socket), context); }));
    }

    /// Moving does no I/O; the source is empty afterwards, and its members answer errc::not_open.
    stream(stream&&) noexcept = default;
    stream& operator=(stream&&) noexcept = default;
    ~stream() = default;

    /// False when moved from, released, or not created.
    [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

    /// Runs the handshake to its end; harmless when it is complete. Errors: errc::handshake_truncated; an alert of the peer's
    /// (alert_category); why its certificate was refused (verify_category); ssl_category. Our own alert is sent where one is due.
    void handshake(std::error_code& ec) {
        if (opened(ec)) core_->handshake(ec);
    }
    /// The same; throws tls::error.
    void handshake() {
        return checked("TLS handshake", [&](std::error_code& ec) { handshake(ec); });
    }

    /// Bytes or an error, never both: at least 1 byte; 0 into a non-empty range says that the peer's close_notify was read, or that
    /// reading was shut down here (read_end() tells which); errc::truncated, that it never came.
    std::size_t read_some(mutable_bytes into, std::error_code& ec) {
        return core_ ? core_->read_some(into.span(), ec) : refused(ec);
    }
    /// The same; throws tls::error.
    std::size_t read_some(mutable_bytes into) {
        return checked("TLS read", [&](std::error_code& ec) { return read_some(into, ec); });
    }

    /// Fills the range, or stops at the clean end: less than its size without an error says that the peer is done.
    std::size_t read(mutable_bytes into, std::error_code& ec) {
        const std::span<std::byte> all = into;
        std::size_t done = 0;
        std::size_t n = 0;
        do {
            n = read_some(all.subspan(done), ec);
            done += n;
        } while (n != 0 && done < all.size());
        return done;
    }
    /// The same; throws tls::error.
    std::size_t read(mutable_bytes into) {
        return checked("TLS read", [&](std::error_code& ec) { return read(into, ec); });
    }

    /// Writes at least 1 byte and tells how many, at most 64 KiB. On a blocking socket they are with the socket then. What was accepted
    /// is sealed, goes out before anything later, and must not be written again: a count beside std::errc::timed_out says so too. On a
    /// socket that does not block, flush() tells when it is out. Errors: errc::write_shut_down; what ended the stream; an alert that
    /// the peer sent before the connection broke.
    std::size_t write_some(const_bytes from, std::error_code& ec) {
        return core_ ? core_->write_some(from.span(), ec) : refused(ec);
    }
    /// The same; throws tls::error.
    std::size_t write_some(const_bytes from) {
        return checked("TLS write", [&](std::error_code& ec) { return write_some(from, ec); });
    }

    /// Writes all of it; a smaller count comes with an error.
    std::size_t write(const_bytes from, std::error_code& ec) { return core_ ? core_->write(from.span(), ec) : refused(ec); }
    /// The same; throws tls::error.
    std::size_t write(const_bytes from) {
        return checked("TLS write", [&](std::error_code& ec) { return write(from, ec); });
    }

    /// All of the pieces in their order, gathered into full records: {100, 20000} bytes are two records.
    std::size_t write(std::span<const std::span<const std::byte>> pieces, std::error_code& ec) {
        return opened(ec) ? core_->write(pieces, ec) : 0;
    }
    /// The same; throws tls::error.
    std::size_t write(std::span<const std::span<const std::byte>> pieces) {
        return checked("TLS write", [&](std::error_code& ec) { return write(pieces, ec); });
    }

    /// Asks for new keys in this direction, and with `ask_peer` in the other one, at once (RFC 8446 4.6.3). Error:
    /// errc::not_supported, in TLS 1.2.
    void update_keys(bool ask_peer, std::error_code& ec) {
        if (opened(ec)) core_->update_keys(ask_peer, ec);
    }
    /// The same; throws tls::error.
    void update_keys(bool ask_peer) {
        return checked("TLS key update", [&](std::error_code& ec) { update_keys(ask_peer, ec); });
    }

    /// Early data (RFC 8446 8): bytes that whoever is on the way can send again, and that must not matter twice.
    ///
    /// A client's, before anything else and with client_options::early_data: into the first flight of a connection that resumes
    /// a session which allows it. Tells how many; fewer than all of them when the server's limit is reached (most allow some
    /// 14 KiB), or on a socket that does not block when it takes no more; and none with errc::early_data_unavailable: write() is
    /// the way. Never waits for the server. If it does not accept them, the library sends them once more, as the first that it
    /// gets after the handshake; early_data_accepted() and early_data_resent() tell. A server that drops them counts their
    /// records too, so a few large writes are better than many small ones. Until handshake() or a read or write has completed
    /// the handshake nobody knows: a close() before that sends neither them again nor close_notify.
    ///
    /// A server's, while it reads early data: an answer to it, before the client has proved that it is there. Complete the
    /// handshake before close(): until then there is no close_notify.
    std::size_t write_early(const_bytes from, std::error_code& ec) {
        return opened(ec) ? core_->write_early(from.span(), ec) : 0;
    }
    /// The same; throws tls::error.
    std::size_t write_early(const_bytes from) {
        return checked("TLS early write", [&](std::error_code& ec) { return write_early(from, ec); });
    }
    /// A server's, with server_options::early_data: what the client sent before the handshake was complete; 0 into a non-empty
    /// range: there is no more. No other member gives these bytes, and a read before they are fetched fails with
    /// errc::early_data_unread.
    std::size_t read_early(mutable_bytes into, std::error_code& ec) {
        return opened(ec) ? core_->read_early(into.span(), ec) : 0;
    }
    /// The same; throws tls::error.
    std::size_t read_early(mutable_bytes into) {
        return checked("TLS early read", [&](std::error_code& ec) { return read_early(into, ec); });
    }

    /// Ends a direction, or both; docs/shutdown.md has the whole contract. What the peer does meanwhile is told in the result;
    /// an error says that our own part failed: std::errc::timed_out, something written or close_notify is still here; or what
    /// ended the stream. On a socket that does not block: operation_would_block, call again. Twice is harmless.
    shutdown_result shutdown(shutdown_mode mode, const shutdown_options& options, std::error_code& ec) {
        if (!opened(ec)) return {};
        if (mode == shutdown_mode::read) return core_->shut_reading(ec);
        return core_->close_by_steps(closing::goal_of(mode), options, ec);
    }
    /// The same within the default limits.
    shutdown_result shutdown(shutdown_mode mode, std::error_code& ec) { return shutdown(mode, {}, ec); }
    /// The same; throws tls::error.
    shutdown_result shutdown(shutdown_mode mode, const shutdown_options& options = {}) {
        return checked("TLS shutdown", [&](std::error_code& ec) { return shutdown(mode, options, ec); });
    }

    /// As shutdown(both), unless one came to its end before; then closes the socket, whatever happened. Twice is harmless.
    shutdown_result close(const shutdown_options& options, std::error_code& ec) {
        if (!opened(ec)) return ec.clear(), shutdown_result{};
        try {
            return core_->close_by_steps(closing::goal::close, options, ec);
        } catch (...) {
            core_->abort();
            throw;
        }
    }
    /// The same within the default limits.
    shutdown_result close(std::error_code& ec) { return close({}, ec); }
    /// The same; throws tls::error.
    shutdown_result close(const shutdown_options& options = {}) {
        return checked("TLS close", [&](std::error_code& ec) { return close(options, ec); });
    }

    /// Closes the socket at once, without I/O: the peer sees truncation.
    void abort() noexcept {
        if (core_) core_->abort();
    }

    /// Bounds every wait of the calls that follow, shutdown and close included, until it is said anew. A deadline that has passed still
    /// lets a call do what needs no waiting. expires_after beyond the clock's end is expires_never.
    void expires_at(time_point when)
        requires deadline_socket<socket_type>
    {
        if (core_) core_->set_deadlines(when, when);
    }
    /// The same, counted from now by the socket's clock.
    void expires_after(std::chrono::nanoseconds span)
        requires deadline_socket<socket_type>
    {
        if (core_) expires_at(detail::saturating_sum(detail::now(next_layer()), span));
    }
    /// No deadline: waits last as long as they take.
    void expires_never()
        requires deadline_socket<socket_type>
    {
        expires_at(never);
    }
    /// The two directions by themselves: with them a stream is a deadline_socket, and TLS runs in TLS.
    void read_expires_at(time_point when)
        requires deadline_socket<socket_type>
    {
        if (core_) core_->set_deadlines(when, core_->write_deadline());
    }
    /// The deadline of writing alone.
    void write_expires_at(time_point when)
        requires deadline_socket<socket_type>
    {
        if (core_) core_->set_deadlines(core_->read_deadline(), when);
    }
    /// Waits until a read may give bytes or the socket takes some, as pollable_socket has it.
    void wait_either(time_point when, std::error_code& ec)
        requires pollable_socket<socket_type>
    {
        if (opened(ec) && !input_buffered()) next_layer().wait_either(when, ec);
    }
    /// The time by the clock of the socket below.
    [[nodiscard]] time_point now() const noexcept
        requires clocked_socket<socket_type>
    {
        return core_ ? detail::now(core_->socket) : time_point{};
    }

    /// Does no call wait, as the socket below says it?
    [[nodiscard]] bool non_blocking() const noexcept { return core_ && detail::never_blocks(core_->socket); }

    /// After operation_would_block: what to poll for; or which of the user's own answers is awaited. While pending_output() is
    /// not 0 poll for output as well, and during a shutdown or close that wants output for input as well: a peer that is stuck
    /// in sending takes nothing until it is read.
    [[nodiscard]] want wants() const noexcept { return core_ ? core_->wants() : want::nothing; }

    /// Sends what was accepted and is still here. True: nothing is. False without an error: the socket takes no more now. Every read,
    /// write and shutdown does this first.
    bool flush(std::error_code& ec) { return opened(ec) && core_->flush(ec); }
    /// The same; throws tls::error.
    bool flush() {
        return checked("TLS flush", [&](std::error_code& ec) { return flush(ec); });
    }
    /// Ciphertext bytes that were accepted and are not yet with the socket.
    [[nodiscard]] std::size_t pending_output() const noexcept { return core_ ? core_->pending_output() : 0; }
    /// A read may give bytes without the socket being readable.
    [[nodiscard]] bool input_buffered() const noexcept { return core_ && core_->input_buffered(); }

    /// The socket. Its own deadlines and shutdown belong to the stream. Not to be called on an empty stream.
    [[nodiscard]] socket_type& next_layer() noexcept { return core_->socket; }
    /// The same for a const stream.
    [[nodiscard]] const socket_type& next_layer() const noexcept { return core_->socket; }

    /// Back to plain text on the same connection, once close_notify went both ways (shutdown_options::keep_transport_open): the socket
    /// and what it had received beyond the peer's close_notify. The stream is empty afterwards. Error: errc::not_closed, and the stream
    /// is as it was; std::nullopt then.
    [[nodiscard]] std::optional<released<Socket>> release(std::error_code& ec) && {
        if (!opened(ec)) return std::nullopt;
        if (core_->is_closed()) ec = errc::not_open;
        else if (!core_->is_over()) ec = errc::not_closed;
        if (ec) return std::nullopt;
        core_->set_deadlines(never, never);
        std::optional<released<Socket>> parts(released<Socket>{std::forward<Socket>(core_->socket), core_->wire.surplus()});
        core_.reset();
        return parts;
    }
    /// The same; throws tls::error.
    [[nodiscard]] released<Socket> release() && {
        std::error_code ec;
        auto parts = std::move(*this).release(ec);
        if (ec) throw error(ec, "TLS release");
        return *std::move(parts);
    }

    /// Says that this was all: shutdown(write), that is everything written, close_notify and FIN, and gives back the half that reads, which
    /// has no write. The stream is empty afterwards. Include <tls/split.hpp> for it. Runs the handshake first, if that is still to be
    /// done, within the stream's own deadlines. Errors: the handshake's and shutdown's; what ended the stream, if close_notify could
    /// not be sent. The reader is empty then, and the stream is as the call that failed left it: read on, call again, or close().
    [[nodiscard]] reader<Socket> finish(const shutdown_options& options, std::error_code& ec) && {
        shutdown_result result;
        return detail::splitting<Socket>::finish(*this, options, ec, result);
    }
    /// The same within the default limits.
    [[nodiscard]] reader<Socket> finish(std::error_code& ec) && { return std::move(*this).finish({}, ec); }
    /// The same; throws tls::error.
    [[nodiscard]] reader<Socket> finish(const shutdown_options& options = {}) && {
        std::error_code ec;
        shutdown_result result;
        reader<Socket> rest = detail::splitting<Socket>::finish(*this, options, ec, result);
        if (ec) throw error(ec, "TLS finish", this->details(), 0, result);
        return rest;
    }

private:
    friend class detail::connection_info<stream<Socket>>;
    friend struct detail::splitting<Socket>;

    explicit stream(std::unique_ptr<core> made) noexcept : core_(std::move(made)) {}

    template <class... From>
    static std::unique_ptr<core> make(detail::failure& why, Socket&& socket, const From&... from) {
        detail::new_connection made = detail::prepare(from..., why);
        if (why) return nullptr;
        auto complete = std::make_unique<core>(std::forward<Socket>(socket), std::move(made));
        if (complete->tls.ssl() == nullptr) why = {std::make_error_code(std::errc::not_enough_memory), "TLS stream", {}};
        return why ? nullptr : std::move(complete);
    }

    [[nodiscard]] const detail::connection* tls() const noexcept { return core_ ? &core_->tls : nullptr; }

    // What others left on BoringSSL's error queue must not be taken for this call's. Reading and writing do without this where they come
    // to SSL_read and SSL_write, which begin with the same.
    bool opened(std::error_code& ec) const noexcept {
        detail::clear_error_queue();
        ec.clear();
        if (!core_) ec = errc::not_open;
        return core_ != nullptr;
    }

    // The answer of an empty stream to reading and writing.
    std::size_t refused(std::error_code& ec) const noexcept { return opened(ec), 0; }

    // The throwing overload of a call.
    template <class Call>
    auto checked(const char* what, Call&& call) {
        return detail::call_or_throw(what, [this] { return this->details(); }, call);
    }

    std::unique_ptr<core> core_;
};

/// A client over a copy of the socket, or what was moved.
template <class Socket>
stream(Socket, const client_context&, std::string_view) -> stream<Socket>;
/// A server over a copy of the socket, or what was moved.
template <class Socket>
stream(Socket, const server_context&) -> stream<Socket>;

}  // namespace v0
}  // namespace tls

#endif
