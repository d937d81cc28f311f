// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// tls::stream over standalone Asio's sockets and streams; Asio 1.22 and newer. What its members promise is in detail/async_stream.hpp.

#ifndef TLS_STREAM_TLS_ASIO_HPP
#define TLS_STREAM_TLS_ASIO_HPP

#include <tls/context.hpp>
#include <tls/detail/async_core.hpp>
#include <tls/detail/async_stream.hpp>
#include <tls/detail/failure.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/stream.hpp>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#include <asio/socket_base.hpp>
#include <asio/system_executor.hpp>
#include <asio/wait_traits.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

template <class S>
inline constexpr bool is_asio_socket = false;
template <class Protocol, class Executor>
inline constexpr bool is_asio_socket<asio::basic_stream_socket<Protocol, Executor>> = true;

// What the asynchronous stream needs of standalone Asio, by names that it shares with boost_asio_library.
struct asio_library {
    using error_code = asio::error_code;

    // --- errors ---

    // Asio's category for what the system says is one of its own, and before 1.24 it knows no conditions: nothing in it is equal to a
    // std::errc. Inside the library it is the standard's. What goes out is Asio's again; but conditions of the library's own, such as
    // std::errc::timed_out, are so by Asio's category only where that can be equal to them.
    [[nodiscard]] static std::error_code to_std(const error_code& code) noexcept {
        return code.category() == asio::system_category() ? std::error_code(code.value(), std::system_category()) : code;
    }
    [[nodiscard]] static error_code from_std(const std::error_code& code) noexcept {
        if (!code) return {};
        const error_code system(code.value(), asio::system_category());
        const bool is_condition = code.category() == std::generic_category() && system == code.default_error_condition();
        return is_condition || code.category() == std::system_category() ? system : code;
    }
    [[nodiscard]] static error_code eof() noexcept { return asio::error::eof; }
    [[nodiscard]] static error_code operation_aborted() noexcept { return asio::error::operation_aborted; }
    [[nodiscard]] static error_code already_started() noexcept { return asio::error::already_started; }
    [[noreturn]] static void raise(const error_code& code, const char* what, std::string details, std::size_t transferred = 0) {
        throw error(code, what, std::move(details), transferred);
    }
    [[noreturn]] static void raise(const error_code& code, const char* what, std::string details,
                                   const shutdown_result& result) {
        throw error(code, what, std::move(details), 0, result);
    }

    // --- sockets, timers, buffers ---

    template <class S>
    static constexpr bool is_native = is_asio_socket<S>;

    [[nodiscard]] static asio::socket_base::shutdown_type socket_side(shutdown_mode mode) noexcept {
        return mode == shutdown_mode::read    ? asio::socket_base::shutdown_receive
               : mode == shutdown_mode::write ? asio::socket_base::shutdown_send
                                              : asio::socket_base::shutdown_both;
    }

    template <class Executor>
    using timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

    template <class Buffers>
    [[nodiscard]] static auto begin(const Buffers& buffers) {
        return asio::buffer_sequence_begin(buffers);
    }
    template <class Buffers>
    [[nodiscard]] static auto end(const Buffers& buffers) {
        return asio::buffer_sequence_end(buffers);
    }
    [[nodiscard]] static std::span<std::byte> bytes(asio::mutable_buffer buffer) noexcept {
        return {static_cast<std::byte*>(buffer.data()), buffer.size()};
    }
    [[nodiscard]] static std::span<const std::byte> bytes(asio::const_buffer buffer) noexcept {
        return {static_cast<const std::byte*>(buffer.data()), buffer.size()};
    }
    [[nodiscard]] static asio::mutable_buffer buffer(std::span<std::byte> bytes) noexcept {
        return {bytes.data(), bytes.size()};
    }
    [[nodiscard]] static asio::const_buffer buffer(std::span<const std::byte> bytes) noexcept {
        return {bytes.data(), bytes.size()};
    }

    // --- handlers and what is associated with them ---

    template <class Executor>
    using default_token = typename asio::default_completion_token<Executor>::type;
    // `Token` as it was deduced: what was given as an lvalue is copied, not moved from.
    template <class Token, class Signature, class Initiation, class... Args>
    static auto initiate(Initiation&& initiation, std::remove_reference_t<Token>& token, Args&&... args) {
        return asio::async_initiate<Token, Signature>(std::forward<Initiation>(initiation), token, std::forward<Args>(args)...);
    }

    template <class Handler, class Executor>
    using handler_executor = typename asio::associated_executor<Handler, Executor>::type;
    template <class Handler>
    [[nodiscard]] static auto executor_of(const Handler& handler) noexcept {
        return asio::get_associated_executor(handler, asio::system_executor());
    }
    template <class Handler, class Executor>
    [[nodiscard]] static handler_executor<Handler, Executor> executor_of(const Handler& handler,
                                                                         const Executor& otherwise) noexcept {
        return asio::get_associated_executor(handler, otherwise);
    }
    template <class Executor, class Function>
    [[nodiscard]] static auto on_executor(const Executor& executor, Function&& function) {
        return asio::bind_executor(executor, std::forward<Function>(function));
    }
    // By way of the layer's executor, which never calls it at once, and then, if there is another, by that one.
    template <class LayersExecutor, class Executor, class Function>
    static void post(const LayersExecutor& layers, const Executor* other, Function&& function) {
        if (other == nullptr) {
            asio::post(layers, std::forward<Function>(function));
        } else {
            asio::post(layers, asio::bind_executor(*other, std::forward<Function>(function)));
        }
    }
    // An executor that counts as outstanding work.
    template <class Executor>
    [[nodiscard]] static auto track(const Executor& executor) {
        return asio::prefer(executor, asio::execution::outstanding_work.tracked);
    }
    template <class Executor>
    using tracked_executor = decltype(track(std::declval<const Executor&>()));

    template <class Handler>
    using handler_allocator = typename asio::associated_allocator<Handler>::type;
    template <class Handler>
    [[nodiscard]] static handler_allocator<Handler> allocator_of(const Handler& handler) noexcept {
        return asio::get_associated_allocator(handler);
    }

    // --- cancellation ---

    static constexpr bool has_cancellation_slots = true;
    using signal = asio::cancellation_signal;
    using slot = asio::cancellation_slot;
    using cancellation = asio::cancellation_type_t;
    [[nodiscard]] static slot signal_slot(signal& from) noexcept { return from.slot(); }
    template <class Handler>
    [[nodiscard]] static auto slot_of(const Handler& handler) noexcept {
        return asio::get_associated_cancellation_slot(handler);
    }
    static void emit_cancellation(signal& to, bool terminal) {
        to.emit(terminal ? asio::cancellation_type::all : asio::cancellation_type::total | asio::cancellation_type::partial);
    }
    [[nodiscard]] static cancellation_effects allowed_effects(cancellation type) noexcept {
        const auto has = [type](cancellation one) { return (type & one) != asio::cancellation_type::none; };
        return {.total = has(asio::cancellation_type::total),
                .partial = has(asio::cancellation_type::partial),
                .terminal = has(asio::cancellation_type::terminal)};
    }
};

// A layer of standalone Asio's: its executor decides.
template <class S>
concept asio_layer = requires(const typename S::executor_type& executor) {
    { asio::query(executor, asio::execution::context) } -> std::convertible_to<asio::execution_context&>;
};

}  // namespace detail

/// TLS over a socket or stream of standalone Asio's, and of Boost.Asio's by <tls/boost_asio.hpp>. Its members, and what they promise, are
/// those of detail::async_stream.
template <class Socket>
    requires detail::asio_layer<std::remove_reference_t<Socket>>
class stream<Socket> : public detail::async_stream<detail::asio_library, Socket> {
    using base = detail::async_stream<detail::asio_library, Socket>;

public:
    using base::base;

    /// As the constructors, without an exception; an empty stream on failure.
    [[nodiscard]] static stream create(Socket socket, const client_context& context, std::string_view server_name,
                                       std::error_code& ec) {
        return create(std::forward<Socket>(socket), context, server_name, connection_options{}, ec);
    }
    /// The same with options of its own.
    [[nodiscard]] static stream create(Socket socket, const client_context& context, std::string_view server_name,
                                       const connection_options& options, std::error_code& ec) {
        return stream(detail::reporting(ec, [&](detail::failure& why) {
            return base::make(why, std::forward<Socket>(socket), context, server_name, options);
        }));
    }
    /// The same for a server.
    [[nodiscard]] static stream create(Socket socket, const server_context& context, std::error_code& ec) {
        return stream(detail::reporting(
            ec, [&](detail::failure& why) { return base::make(why, std::forward<Socket>(socket), context); }));
    }
};

}  // namespace v0
}  // namespace tls

#endif
