// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// The face of tls::stream over an AsyncStream of Asio's or Boost.Asio's, from one source. `Library` tells the two apart.

#ifndef TLS_STREAM_TLS_DETAIL_ASYNC_STREAM_HPP
#define TLS_STREAM_TLS_DETAIL_ASYNC_STREAM_HPP

#include <tls/closing.hpp>
#include <tls/context.hpp>
#include <tls/detail/async_core.hpp>
#include <tls/detail/async_layer.hpp>
#include <tls/detail/async_operation.hpp>
#include <tls/detail/async_work.hpp>
#include <tls/detail/connection_info.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/new_connection.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>
#include <tls/stream.hpp>

#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

/// TLS over `Socket`: any AsyncStream, owned by the stream, or a reference to one, which is only used. A model of Asio's AsyncStream and
/// SyncStream: asio::async_read, asio::write, Beast and the like run over it. `token` is any completion token.
///
/// By Asio's convention the clean end of stream, the peer's close_notify, is asio::error::eof; tls::errc::truncated says that it never
/// came. Other errors are those of the blocking stream (stream.hpp); an expired deadline is std::errc::timed_out, and what was cancelled
/// or lost its stream asio::error::operation_aborted. Errors of the layer below keep their own code.
///
/// One read, and one write, handshake, shutdown or close may be outstanding together, all of them started and completed on one strand,
/// explicit or implicit; a shutdown or close may be started beside a write and waits for it, and nothing can be written from then on. A
/// second operation of a kind is a mistake: it fails an assertion, and with NDEBUG completes with asio::error::already_started. The
/// buffers of an operation must live until it completes. No handler is called inside the call that starts its operation.
///
/// A stream may be moved while operations are outstanding. Destroying it, like abort() and close(), completes them with operation_aborted.
/// The destructor does no I/O: the peer sees truncation. Like every Asio object a stream must not outlive its execution context.
///
/// A handler's cancellation slot is honoured where the library has them. `terminal` ends the stream: no close_notify is sent. `partial`
/// and `total` end the operation alone: no byte is lost, and it may be called again. A write that has sealed its bytes ignores `total`,
/// and with `partial` tells how many: they go out before anything later, and must not be written again.
template <class Library, class Socket>
class async_stream : public async_stream_tag, public connection_info<async_stream<Library, Socket>> {
    using core = async_core<Library, Socket>;

public:
    /// The layer below without its reference.
    using socket_type = std::remove_reference_t<Socket>;
    /// The same by Asio's name.
    using next_layer_type = socket_type;
    /// The socket at the bottom of the layers.
    using lowest_layer_type = std::remove_reference_t<decltype(lowest_layer_of(std::declval<next_layer_type&>()))>;
    /// The layer's executor.
    using executor_type = typename socket_type::executor_type;
    /// std::error_code over standalone Asio, boost::system::error_code over Boost.Asio.
    using error_code = typename Library::error_code;
    /// What deadlines are.
    using time_point = std::chrono::steady_clock::time_point;

    /// An empty stream: its members answer errc::not_open, and it has no executor.
    async_stream() noexcept = default;
    /// A client for the server of that name, a DNS name or an IP address; SNI is sent for names only (RFC 6066 3). Does no I/O.
    /// Errors: errc::server_name_required, errc::invalid_server_name, errc::not_open (an empty context), and those of
    /// connection_options, as tls::error.
    async_stream(Socket socket, const client_context& context, std::string_view server_name,
                 const connection_options& options = {})
        : async_stream(
              throwing([&](failure& why) { return make(why, std::forward<Socket>(socket), context, server_name, options); })) {}
    /// A server.
    async_stream(Socket socket, const server_context& context)
        : async_stream(throwing([&](failure& why) { return make(why, std::forward<Socket>(socket), context); })) {}

    /// What is outstanding goes on; the other is empty.
    async_stream(async_stream&& other) noexcept : core_(other.give()) {}
    /// What was outstanding here ends as by abort().
    async_stream& operator=(async_stream&& other) noexcept {
        if (this == &other) return *this;
        let_go();
        core_ = other.give();
        return *this;
    }
    ~async_stream() { let_go(); }

    /// False when moved from, released, or not created.
    [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

    /// The layer's. Not to be called on a stream that never had one.
    [[nodiscard]] executor_type get_executor() const noexcept { return (core_ ? core_ : former_)->executor(); }
    /// The layer below. What is outstanding on it, its deadlines and its end belong to the stream. Not to be called on an empty stream.
    [[nodiscard]] next_layer_type& next_layer() noexcept { return core_->layer().next(); }
    /// The same for a const stream.
    [[nodiscard]] const next_layer_type& next_layer() const noexcept { return core_->layer().next(); }
    /// The lowest layer of that, where it has one: the socket. Else it is the layer itself.
    [[nodiscard]] lowest_layer_type& lowest_layer() noexcept { return lowest_layer_of(next_layer()); }
    /// The same for a const stream.
    [[nodiscard]] const lowest_layer_type& lowest_layer() const noexcept { return lowest_layer_of(next_layer()); }

    // --- asynchronously ---

    /// Runs the handshake to its end: optional, the first read or write does it too. void(error_code). Errors: errc::handshake_truncated;
    /// an alert of the peer's (alert_category); why its certificate was refused (verify_category); ssl_category.
    template <class Token = typename Library::template default_token<executor_type>>
    auto async_handshake(Token&& token = Token()) {
        return start<Token, void(error_code)>(token, handshake_work<core>());
    }

    /// Reads at least 1 byte. void(error_code, std::size_t).
    template <class MutableBuffers, class Token = typename Library::template default_token<executor_type>>
    auto async_read_some(const MutableBuffers& buffers, Token&& token = Token()) {
        return start<Token, void(error_code, std::size_t)>(token, read_work<core, MutableBuffers>(buffers));
    }

    /// Writes at least 1 byte and at most 64 KiB, gathered into full records however many buffers they are, and is done when they are with
    /// the layer below. void(error_code, std::size_t). Errors: errc::write_shut_down; what ended the stream.
    template <class ConstBuffers, class Token = typename Library::template default_token<executor_type>>
    auto async_write_some(const ConstBuffers& buffers, Token&& token = Token()) {
        return start<Token, void(error_code, std::size_t)>(token, write_work<core, ConstBuffers>(buffers));
    }

    /// Ends a direction, or both; docs/shutdown.md has the whole contract. void(error_code, shutdown_result). `both` beside an outstanding
    /// read: that read does the receiving, and when it completes the shutdown takes over; at the limit it ends with operation_aborted. A
    /// handshake that is outstanding ends so at once. shutdown(read) ends a read with eof.
    template <class Token = typename Library::template default_token<executor_type>>
    auto async_shutdown(shutdown_mode mode, const shutdown_options& options, Token&& token = Token()) {
        return start<Token, void(error_code, shutdown_result)>(token, close_work<core>(mode, options));
    }
    /// The same within the default limits.
    template <class Token = typename Library::template default_token<executor_type>>
        requires(!std::same_as<std::remove_cvref_t<Token>, shutdown_options>)
    auto async_shutdown(shutdown_mode mode, Token&& token = Token()) {
        return async_shutdown(mode, shutdown_options{}, std::forward<Token>(token));
    }

    /// async_shutdown(both) for Beast, whose handler has no place for the result. void(error_code).
    template <class Token>
    auto async_teardown(Token&& token) {
        return start<Token, void(error_code)>(token, teardown_work<core>());
    }

    /// As async_shutdown(both), unless one came to its end before; then closes the layer, whatever happened. Twice is harmless.
    template <class Token = typename Library::template default_token<executor_type>>
    auto async_close(const shutdown_options& options, Token&& token = Token()) {
        return start<Token, void(error_code, shutdown_result)>(token, close_work<core>(options));
    }
    /// The same within the default limits.
    template <class Token = typename Library::template default_token<executor_type>>
        requires(!std::same_as<std::remove_cvref_t<Token>, shutdown_options>)
    auto async_close(Token&& token = Token()) {
        return async_close(shutdown_options{}, std::forward<Token>(token));
    }

    /// Asks for new keys, as stream::update_keys; done when that is with the layer. void(error_code).
    template <class Token = typename Library::template default_token<executor_type>>
    auto async_update_keys(bool ask_peer, Token&& token = Token()) {
        return start<Token, void(error_code)>(token, key_update_work<core>(ask_peer));
    }

    /// A client's early data (RFC 8446 8), as stream::write_early, in the place of a write. void(error_code, std::size_t).
    template <class ConstBuffers, class Token = typename Library::template default_token<executor_type>>
    auto async_write_early(const ConstBuffers& buffers, Token&& token = Token()) {
        return start<Token, void(error_code, std::size_t)>(token, write_work<core, ConstBuffers, data_kind::early>(buffers));
    }
    /// A server's early data, as stream::read_early, in the place of a read; that there is no more of it is eof. void(error_code,
    /// std::size_t).
    template <class MutableBuffers, class Token = typename Library::template default_token<executor_type>>
    auto async_read_early(const MutableBuffers& buffers, Token&& token = Token()) {
        return start<Token, void(error_code, std::size_t)>(token, read_work<core, MutableBuffers, data_kind::early>(buffers));
    }

    /// Bounds every operation that is started from here on, and every synchronous call, until it is said anew: one that is not done by then
    /// ends with std::errc::timed_out, nothing is lost, and it may be started again. A write tells how many bytes are sealed.
    void expires_at(time_point when) {
        if (core_) core_->stream.set_deadlines(when, when);
    }
    /// The same, counted from now.
    void expires_after(std::chrono::nanoseconds span) { expires_at(saturating_sum(std::chrono::steady_clock::now(), span)); }
    /// No deadline: operations take as long as they take.
    void expires_never() { expires_at(never); }

    // --- synchronously: not while an operation is outstanding ---

    /// As async_handshake. A socket that was made non_blocking(true) answers std::errc::operation_would_block.
    void handshake(error_code& ec) {
        waiting(ec, [&](std::error_code& why) { core_->stream.handshake(why); });
    }
    /// The same; throws tls::error.
    void handshake() {
        checked("TLS handshake", [&](error_code& ec) { handshake(ec); });
    }

    /// As async_read_some.
    template <class MutableBuffers>
    std::size_t read_some(const MutableBuffers& buffers, error_code& ec) {
        return read_first(buffers, ec, [this](auto into, std::error_code& why) { return core_->stream.read_some(into, why); });
    }
    /// The same; throws tls::error.
    template <class MutableBuffers>
    std::size_t read_some(const MutableBuffers& buffers) {
        return checked("TLS read", [&](error_code& ec) { return read_some(buffers, ec); });
    }
    /// As async_read_early.
    template <class MutableBuffers>
    std::size_t read_early(const MutableBuffers& buffers, error_code& ec) {
        return read_first(buffers, ec, [this](auto into, std::error_code& why) { return core_->stream.read_early(into, why); });
    }
    /// The same; throws tls::error.
    template <class MutableBuffers>
    std::size_t read_early(const MutableBuffers& buffers) {
        return checked("TLS early read", [&](error_code& ec) { return read_early(buffers, ec); });
    }

    /// As async_write_some.
    template <class ConstBuffers>
    std::size_t write_some(const ConstBuffers& buffers, error_code& ec) {
        std::size_t n = 0;
        waiting(ec, [&](std::error_code& why) {
            n = core_->write_some(buffers, why);
            if (n != 0 && why == std::errc::operation_would_block) why.clear();
        });
        return n;
    }
    /// The same; throws tls::error.
    template <class ConstBuffers>
    std::size_t write_some(const ConstBuffers& buffers) {
        return checked("TLS write", [&](error_code& ec) { return write_some(buffers, ec); });
    }

    /// As async_write_early.
    template <class ConstBuffers>
    std::size_t write_early(const ConstBuffers& buffers, error_code& ec) {
        std::size_t n = 0;
        waiting(ec, [&](std::error_code& why) { n = core_->write_early(buffers, why); });
        return n;
    }
    /// The same; throws tls::error.
    template <class ConstBuffers>
    std::size_t write_early(const ConstBuffers& buffers) {
        return checked("TLS early write", [&](error_code& ec) { return write_early(buffers, ec); });
    }

    /// As async_update_keys.
    void update_keys(bool ask_peer, error_code& ec) {
        waiting(ec, [&](std::error_code& why) { core_->stream.update_keys(ask_peer, why); });
    }
    /// The same; throws tls::error.
    void update_keys(bool ask_peer) {
        checked("TLS key update", [&](error_code& ec) { update_keys(ask_peer, ec); });
    }

    /// As async_shutdown.
    shutdown_result shutdown(shutdown_mode mode, const shutdown_options& options, error_code& ec) {
        shutdown_result result;
        waiting(ec, [&](std::error_code& why) {
            result = mode == shutdown_mode::read ? core_->stream.shut_reading(why)
                                                 : core_->stream.close_by_steps(closing::goal_of(mode), options, why);
        });
        return result;
    }
    /// The same within the default limits.
    shutdown_result shutdown(shutdown_mode mode, error_code& ec) { return shutdown(mode, {}, ec); }
    /// The same; throws tls::error.
    shutdown_result shutdown(shutdown_mode mode, const shutdown_options& options = {}) {
        return checked("TLS shutdown", [&](error_code& ec) { return shutdown(mode, options, ec); });
    }
    /// As async_close. Beside outstanding operations it waits for nothing, and they are aborted.
    shutdown_result close(shutdown_options options, error_code& ec) {
        shutdown_result result;
        ec = {};
        if (!core_) return result;
        const bool alone = core_->is_idle();
        if (!alone) options.timeout = {};
        core_->stream.leave_receiving(false);
        const waiting_scope scope(*core_, alone);
        std::error_code why;
        result = core_->stream.close_by_steps(closing::goal::close, options, why);
        ec = Library::from_std(why);
        core_->abort_operations();
        return result;
    }
    /// The same within the default limits.
    shutdown_result close(error_code& ec) { return close({}, ec); }
    /// The same; throws tls::error.
    shutdown_result close(const shutdown_options& options = {}) {
        return checked("TLS close", [&](error_code& ec) { return close(options, ec); });
    }

    /// Closes the layer at once, without I/O: the peer sees truncation.
    void abort() noexcept {
        if (core_) core_->abort();
    }

    /// Ciphertext bytes that were accepted and are not yet with the layer.
    [[nodiscard]] std::size_t pending_output() const noexcept { return core_ ? core_->stream.pending_output() : 0; }
    /// A read may give bytes without the layer being readable.
    [[nodiscard]] bool input_buffered() const noexcept { return core_ && core_->stream.input_buffered(); }

    /// Back to plain text on the same connection, once close_notify went both ways (shutdown_options::keep_transport_open) and nothing is
    /// outstanding: the layer and what was received beyond the peer's close_notify. The stream is empty afterwards. Error:
    /// errc::not_closed, and the stream is as it was; std::nullopt then.
    [[nodiscard]] std::optional<released<Socket>> release(error_code& ec) && {
        std::error_code why;
        if (!core_ || core_->stream.is_closed()) {
            why = errc::not_open;
        } else if (!core_->is_idle() || !core_->stream.is_over()) {
            why = errc::not_closed;
        }
        ec = Library::from_std(why);
        if (why) return std::nullopt;
        std::optional<released<Socket>> parts(released<Socket>{std::forward<Socket>(core_->layer().next()), core_->surplus()});
        core_.reset();
        return parts;
    }
    /// The same; throws tls::error.
    [[nodiscard]] released<Socket> release() && {
        error_code ec;
        auto parts = std::move(*this).release(ec);
        if (ec) Library::raise(ec, "TLS release", {});
        return *std::move(parts);
    }

protected:
    explicit async_stream(std::shared_ptr<core> made) noexcept : core_(std::move(made)) {}

    template <class... From>
    static std::shared_ptr<core> make(failure& why, Socket&& socket, const From&... from) {
        new_connection made = prepare(from..., why);
        if (why) return nullptr;
        auto complete = std::make_shared<core>(std::forward<Socket>(socket), std::move(made));
        if (complete->stream.tls.ssl() == nullptr) why = {std::make_error_code(std::errc::not_enough_memory), "TLS stream", {}};
        return why ? nullptr : std::move(complete);
    }

private:
    friend class connection_info<async_stream>;

    // While this lives the loops wait for the layer.
    class waiting_scope {
    public:
        waiting_scope(core& stream, bool waits) noexcept : core_(stream) { core_.layer().waits(waits); }
        ~waiting_scope() { core_.layer().waits(false); }
        waiting_scope(const waiting_scope&) = delete;
        waiting_scope& operator=(const waiting_scope&) = delete;

    private:
        core& core_;
    };

    [[nodiscard]] const connection* tls() const noexcept { return core_ ? &core_->stream.tls : nullptr; }

    void let_go() noexcept {
        if (core_) core_->die();
        core_.reset();
    }

    // Moved from, a stream still answers by the executor that it had.
    [[nodiscard]] std::shared_ptr<core> give() noexcept {
        if (core_) former_ = core_;
        return std::move(core_);
    }

    template <class Token, class Signature, class Work>
    auto start(std::remove_reference_t<Token>& token, Work work) {
        return Library::template initiate<Token, Signature>(start_operation<core>(core_, former_), token, std::move(work));
    }

    template <class Call>
    void waiting(error_code& ec, Call&& call) {
        std::error_code why;
        clear_error_queue();
        if (core_) {
            assert(!core_->any_outstanding() && "tls::stream: a synchronous call beside an operation that is outstanding");
            const waiting_scope scope(*core_, true);
            call(why);
        } else {
            why = errc::not_open;
        }
        ec = Library::from_std(why);
    }

    // Reads into the first buffer that has room. Nothing without an error is the end.
    template <class MutableBuffers, class Read>
    std::size_t read_first(const MutableBuffers& buffers, error_code& ec, Read read) {
        std::size_t n = 0;
        bool at_end = false;
        waiting(ec, [&](std::error_code& why) {
            const auto end = Library::end(buffers);
            for (auto next = Library::begin(buffers); next != end; ++next) {
                const auto into = Library::bytes(*next);
                if (into.empty()) continue;
                n = read(into, why);
                at_end = n == 0 && !why;
                return;
            }
        });
        if (at_end) ec = Library::eof();
        return n;
    }

    // The throwing overload of a call.
    template <class Call>
    auto checked(const char* what, Call&& call) {
        error_code ec;
        if constexpr (std::is_void_v<decltype(call(ec))>) {
            call(ec);
            if (ec) Library::raise(ec, what, this->details());
        } else {
            const auto done = call(ec);
            if (ec) Library::raise(ec, what, this->details(), done);
            return done;
        }
    }

    std::shared_ptr<core> core_;
    std::shared_ptr<core> former_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
