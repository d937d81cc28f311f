// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// tls::stream over Boost.Asio's sockets and streams, Boost.Beast's among them; Boost 1.74 and newer. What its members promise is in
/// detail/async_stream.hpp.
///
/// Error codes are boost::system::error_code: `ec == tls::errc::truncated` works with them, to_std(ec) has the library's own category, and
/// what a layer below has failed with is as it was. Members that throw throw boost::system::system_error, whose what() has BoringSSL's
/// account as well. Cancellation slots came with Boost 1.77.

#ifndef TLS_STREAM_TLS_BOOST_ASIO_HPP
#define TLS_STREAM_TLS_BOOST_ASIO_HPP

#include <tls/context.hpp>
#include <tls/detail/async_core.hpp>
#include <tls/detail/async_stream.hpp>
#include <tls/detail/boost_errors.hpp>
#include <tls/detail/failure.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/stream.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/wait_traits.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#if __has_include(<boost/asio/cancellation_signal.hpp>)
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#endif

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

namespace boost::beast {
enum class role_type;  // <boost/beast/core/role.hpp>
}  // namespace boost::beast

namespace tls {
inline namespace v0 {
namespace detail {

template <class S>
inline constexpr bool is_boost_asio_socket = false;
template <class Protocol, class Executor>
inline constexpr bool is_boost_asio_socket<boost::asio::basic_stream_socket<Protocol, Executor>> = true;

// What the asynchronous stream needs of Boost.Asio, by names that it shares with asio_library.
struct boost_asio_library {
    using error_code = boost::system::error_code;

    // --- errors ---

    [[nodiscard]] static std::error_code to_std(const error_code& code) { return boost_to_std(code); }
    [[nodiscard]] static error_code from_std(const std::error_code& code) { return std_to_boost(code); }
    [[nodiscard]] static error_code eof() noexcept { return boost::asio::error::eof; }
    [[nodiscard]] static error_code operation_aborted() noexcept { return boost::asio::error::operation_aborted; }
    [[nodiscard]] static error_code already_started() noexcept { return boost::asio::error::already_started; }
    // Of what was done before, Boost's exception has no member to tell.
    template <class Done = int>
    [[noreturn]] static void raise(const error_code& code, const char* what, const std::string& details, const Done& = {}) {
        throw boost::system::system_error(code, details.empty() ? std::string(what) : std::string(what) + " (" + details + ")");
    }

    // --- sockets, timers, buffers ---

    template <class S>
    static constexpr bool is_native = is_boost_asio_socket<S>;

    [[nodiscard]] static boost::asio::socket_base::shutdown_type socket_side(shutdown_mode mode) noexcept {
        return mode == shutdown_mode::read    ? boost::asio::socket_base::shutdown_receive
               : mode == shutdown_mode::write ? boost::asio::socket_base::shutdown_send
                                              : boost::asio::socket_base::shutdown_both;
    }

    template <class Executor>
    using timer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                    boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

    template <class Buffers>
    [[nodiscard]] static auto begin(const Buffers& buffers) {
        return boost::asio::buffer_sequence_begin(buffers);
    }
    template <class Buffers>
    [[nodiscard]] static auto end(const Buffers& buffers) {
        return boost::asio::buffer_sequence_end(buffers);
    }
    [[nodiscard]] static std::span<std::byte> bytes(boost::asio::mutable_buffer buffer) noexcept {
        return {static_cast<std::byte*>(buffer.data()), buffer.size()};
    }
    [[nodiscard]] static std::span<const std::byte> bytes(boost::asio::const_buffer buffer) noexcept {
        return {static_cast<const std::byte*>(buffer.data()), buffer.size()};
    }
    [[nodiscard]] static boost::asio::mutable_buffer buffer(std::span<std::byte> bytes) noexcept {
        return {bytes.data(), bytes.size()};
    }
    [[nodiscard]] static boost::asio::const_buffer buffer(std::span<const std::byte> bytes) noexcept {
        return {bytes.data(), bytes.size()};
    }

    // --- handlers and what is associated with them ---

    template <class Executor>
    using default_token = typename boost::asio::default_completion_token<Executor>::type;
    // `Token` as it was deduced: what was given as an lvalue is copied, not moved from.
    template <class Token, class Signature, class Initiation, class... Args>
    static auto initiate(Initiation&& initiation, std::remove_reference_t<Token>& token, Args&&... args) {
        return boost::asio::async_initiate<Token, Signature>(std::forward<Initiation>(initiation), token,
                                                             std::forward<Args>(args)...);
    }

    template <class Handler, class Executor>
    using handler_executor = typename boost::asio::associated_executor<Handler, Executor>::type;
    template <class Handler>
    [[nodiscard]] static auto executor_of(const Handler& handler) noexcept {
        return boost::asio::get_associated_executor(handler, boost::asio::system_executor());
    }
    template <class Handler, class Executor>
    [[nodiscard]] static handler_executor<Handler, Executor> executor_of(const Handler& handler,
                                                                         const Executor& otherwise) noexcept {
        return boost::asio::get_associated_executor(handler, otherwise);
    }
    template <class Executor, class Function>
    [[nodiscard]] static auto on_executor(const Executor& executor, Function&& function) {
        return boost::asio::bind_executor(executor, std::forward<Function>(function));
    }
    // By way of the layer's executor, which never calls it at once, and then, if there is another, by that one.
    template <class LayersExecutor, class Executor, class Function>
    static void post(const LayersExecutor& layers, const Executor* other, Function&& function) {
        if (other == nullptr) {
            boost::asio::post(layers, std::forward<Function>(function));
        } else {
            boost::asio::post(layers, boost::asio::bind_executor(*other, std::forward<Function>(function)));
        }
    }
    // An executor that counts as outstanding work.
    template <class Executor>
    [[nodiscard]] static auto track(const Executor& executor) {
        return boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked);
    }
    template <class Executor>
    using tracked_executor = decltype(track(std::declval<const Executor&>()));

    template <class Handler>
    using handler_allocator = typename boost::asio::associated_allocator<Handler>::type;
    template <class Handler>
    [[nodiscard]] static handler_allocator<Handler> allocator_of(const Handler& handler) noexcept {
        return boost::asio::get_associated_allocator(handler);
    }

    // --- cancellation ---

#if __has_include(<boost/asio/cancellation_signal.hpp>)
    static constexpr bool has_cancellation_slots = true;
    using signal = boost::asio::cancellation_signal;
    using slot = boost::asio::cancellation_slot;
    using cancellation = boost::asio::cancellation_type_t;
    [[nodiscard]] static slot signal_slot(signal& from) noexcept { return from.slot(); }
    template <class Handler>
    [[nodiscard]] static auto slot_of(const Handler& handler) noexcept {
        return boost::asio::get_associated_cancellation_slot(handler);
    }
    static void emit_cancellation(signal& to, bool terminal) {
        to.emit(terminal ? boost::asio::cancellation_type::all
                         : boost::asio::cancellation_type::total | boost::asio::cancellation_type::partial);
    }
    [[nodiscard]] static cancellation_effects allowed_effects(cancellation type) noexcept {
        const auto has = [type](cancellation one) { return (type & one) != boost::asio::cancellation_type::none; };
        return {.total = has(boost::asio::cancellation_type::total),
                .partial = has(boost::asio::cancellation_type::partial),
                .terminal = has(boost::asio::cancellation_type::terminal)};
    }
#else
    static constexpr bool has_cancellation_slots = false;
    struct slot {};
    struct signal {};
    [[nodiscard]] static slot signal_slot(signal&) noexcept { return {}; }
#endif
};

// A layer of Boost.Asio's: its executor decides.
template <class S>
concept boost_asio_layer = requires(const typename S::executor_type& executor) {
    { boost::asio::query(executor, boost::asio::execution::context) } -> std::convertible_to<boost::asio::execution_context&>;
};

}  // namespace detail

/// TLS over a socket or stream of Boost.Asio's. Its members, and what they promise, are those of detail::async_stream.
template <class Socket>
    requires detail::boost_asio_layer<std::remove_reference_t<Socket>>
class stream<Socket> : public detail::async_stream<detail::boost_asio_library, Socket> {
    using base = detail::async_stream<detail::boost_asio_library, Socket>;

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

/// A code of Boost's as the standard's: of one of the library's categories where it is one of the library's.
[[nodiscard]] inline std::error_code to_std(const boost::system::error_code& code) { return detail::boost_to_std(code); }

/// Later ones can do this by themselves.
template <std::same_as<boost::system::error_code> Code>
    requires(!detail::boost_holds_std)
[[nodiscard]] bool operator==(const Code& code, errc what) {
    return detail::boost_to_std(code) == make_error_code(what);
}

/// Beast finds these by argument-dependent lookup when a WebSocket over TLS ends: shutdown(both), which waits for the peer's own end within
/// the default limits. As with every shutdown the error is that of our own part; read_end() tells how the peer has ended.
template <class Socket>
void teardown(boost::beast::role_type, stream<Socket>& ended, boost::system::error_code& ec) {
    ended.shutdown(shutdown_mode::both, ec);
}
/// The same, and what is awaited is `handler`, a completion token: void(boost::system::error_code).
template <class Socket, class Handler>
void async_teardown(boost::beast::role_type, stream<Socket>& ended, Handler&& handler) {
    ended.async_teardown(std::forward<Handler>(handler));
}

}  // namespace v0
}  // namespace tls

#endif
