// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What lies under an asynchronous stream can be a socket, something with a socket in it, or a tls::stream: how each is shut down, closed
// and cancelled. `Library` is asio_library (asio.hpp) or boost_asio_library (boost_asio.hpp).

#ifndef TLS_STREAM_TLS_DETAIL_ASYNC_LAYER_HPP
#define TLS_STREAM_TLS_DETAIL_ASYNC_LAYER_HPP

#include <tls/shutdown.hpp>

#include <chrono>
#include <concepts>
#include <system_error>
#include <type_traits>

namespace tls {
inline namespace v0 {
namespace detail {

// A base of every asynchronous tls::stream.
class async_stream_tag {};
template <class S>
concept async_tls_stream = std::derived_from<S, async_stream_tag>;

// Calls `use` with the first that it takes of: the layer, what its socket() gives, what its lowest_layer() gives. False: none.
template <class S, class Use>
bool on_socket_of(S& layer, Use use) {
    if constexpr (std::invocable<Use&, S&>) {
        use(layer);
        return true;
    } else if constexpr (requires { layer.socket(); }) {
        return on_socket_of(layer.socket(), use);
    } else if constexpr (requires { layer.lowest_layer(); }) {
        if constexpr (std::same_as<std::remove_cvref_t<decltype(layer.lowest_layer())>, S>) {
            return false;
        } else {
            return on_socket_of(layer.lowest_layer(), use);
        }
    } else {
        return false;
    }
}

// The lowest layer of an AsyncStream: its own word for it, the socket in it, or itself.
template <class Layer>
[[nodiscard]] auto& lowest_layer_of(Layer& layer) noexcept {
    if constexpr (requires { layer.lowest_layer(); }) {
        return layer.lowest_layer();
    } else if constexpr (requires { layer.socket(); }) {
        return layer.socket();
    } else {
        return layer;
    }
}

// shutdown(2), by whatever has it; std::errc::operation_not_supported where nothing has, or the socket was closed by somebody else. That
// both directions have ended already is no error.
template <class Library, class S>
void shut_down_layer(S& layer, shutdown_mode mode, std::error_code& ec) {
    typename Library::error_code failure;
    const auto side = Library::socket_side(mode);
    const bool done =
        on_socket_of(layer, [&](auto& s) -> decltype(s.shutdown(side, failure), void()) { s.shutdown(side, failure); });
    ec = done ? Library::to_std(failure) : std::make_error_code(std::errc::operation_not_supported);
    if (ec == std::errc::not_connected) ec.clear();
    if (ec == std::errc::bad_file_descriptor) ec = std::make_error_code(std::errc::operation_not_supported);
}

// Closes it at once; what cannot be closed is cancelled, and goes with the stream.
template <class Library, class S>
void close_layer(S& layer, std::error_code& ec) {
    typename Library::error_code failure;
    if constexpr (async_tls_stream<S>) {
        // Its own ends were shut down before, or there is no time for that any more.
        layer.close(shutdown_options{.timeout = std::chrono::milliseconds(0)}, failure);
    } else {
        on_socket_of(layer, [&](auto& s) -> decltype(s.close(failure), void()) { s.close(failure); });
    }
    ec = Library::to_std(failure);
}

// Ends what is under way on it; operation_aborted.
template <class S>
void cancel_layer(S& layer) {
    on_socket_of(layer, [](auto& s) -> decltype(s.cancel(), void()) { s.cancel(); });
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
