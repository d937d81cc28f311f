// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A socket of Asio's or Boost.Asio's as a tls::socket: its descriptor is read and written directly, and Asio is needed for waiting only.
// So nothing is ever under way in a buffer, and a wait that is given up loses nothing.

#ifndef TLS_STREAM_TLS_DETAIL_NATIVE_LAYER_HPP
#define TLS_STREAM_TLS_DETAIL_NATIVE_LAYER_HPP

#include <tls/detail/async_layer.hpp>
#include <tls/detail/descriptor_io.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

template <class Library, class Socket>
class native_layer {
public:
    using next_type = std::remove_reference_t<Socket>;
    using time_point = std::chrono::steady_clock::time_point;

    explicit native_layer(Socket&& under) noexcept : next_(std::forward<Socket>(under)) {}
    native_layer(native_layer&& other) noexcept : next_(std::forward<Socket>(other.next_)) {}

    [[nodiscard]] next_type& next() noexcept { return next_; }
    [[nodiscard]] const next_type& next() const noexcept { return next_; }

    // Whether calls may wait, as those of the synchronous members do. Otherwise they would block.
    void waits(bool on) noexcept { waits_ = on; }
    [[nodiscard]] bool non_blocking() const noexcept { return !waits_ || next_.non_blocking(); }

    // --- tls::socket, and what makes it a better one ---

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) noexcept {
        return receive(next_.native_handle(), into, how(read_deadline_), ec);
    }
    std::size_t read_some(std::span<const std::span<std::byte>> into, std::error_code& ec) noexcept {
        return receive(next_.native_handle(), into, how(read_deadline_), ec);
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) noexcept {
        return send(next_.native_handle(), from, how(write_deadline_), ec);
    }
    std::size_t write_some(std::span<const std::span<const std::byte>> from, std::error_code& ec) noexcept {
        return send(next_.native_handle(), from, how(write_deadline_), ec);
    }
    void shutdown(shutdown_mode mode, std::error_code& ec) { shut_down_layer<Library>(next_, mode, ec); }
    void close(std::error_code& ec) { close_layer<Library>(next_, ec); }
    void read_expires_at(time_point when) noexcept { read_deadline_ = when; }
    void write_expires_at(time_point when) noexcept { write_deadline_ = when; }
    void wait_either(time_point when, std::error_code& ec) noexcept {
        ec = wait_for(next_.native_handle(), POLLIN | POLLOUT, when);
    }

    // --- asynchronously ---

    template <class Handler>
    void start_input(Handler&& handler) {
        next_.async_wait(next_type::wait_read, std::forward<Handler>(handler));
    }
    template <class Handler>
    void start_output(Handler&& handler, std::span<const std::byte>) {
        next_.async_wait(next_type::wait_write, std::forward<Handler>(handler));
    }

private:
    [[nodiscard]] patience how(time_point deadline) const noexcept {
        if (!waits_) return {never, true};
        return {deadline, next_.non_blocking()};
    }

    Socket next_;
    time_point read_deadline_ = never;
    time_point write_deadline_ = never;
    bool waits_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
