// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Any other AsyncStream as a tls::socket: what was received waits here, and what is to be sent waits in the wire until the layer has
// taken it. So between the layer's own operations this is a socket that would block.

#ifndef TLS_STREAM_TLS_DETAIL_BUFFERED_LAYER_HPP
#define TLS_STREAM_TLS_DETAIL_BUFFERED_LAYER_HPP

#include <tls/detail/async_layer.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/detail/wire.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

template <class Library, class Socket>
class buffered_layer {
public:
    using next_type = std::remove_reference_t<Socket>;
    using library_code = typename Library::error_code;
    using time_point = std::chrono::steady_clock::time_point;

    explicit buffered_layer(Socket&& under) noexcept : next_(std::forward<Socket>(under)) {}
    // Moved only before it is used.
    buffered_layer(buffered_layer&& other) noexcept : next_(std::forward<Socket>(other.next_)) {}

    [[nodiscard]] next_type& next() noexcept { return next_; }
    [[nodiscard]] const next_type& next() const noexcept { return next_; }

    // Whether calls may wait, as those of the synchronous members do; they wait as long as the layer's own calls do.
    void waits(bool on) noexcept { waits_ = on; }
    [[nodiscard]] bool non_blocking() const noexcept { return !waits_; }

    // --- tls::socket, with deadlines that are looked at before each call ---

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        ec.clear();
        if (!received_.empty()) return received_.take(into);
        if (ended_) return ec = input_error_, std::size_t{0};
        if (!may_call(read_deadline_, ec)) return 0;
        if constexpr (requires(library_code& why) { next_.read_some(Library::buffer(into), why); }) {
            library_code why;
            const std::size_t n = next_.read_some(Library::buffer(into), why);
            if (why == Library::eof()) {
                ended_ = true;
            } else {
                ec = Library::to_std(why);
            }
            return n;
        } else {
            ec = std::make_error_code(std::errc::operation_not_supported);
            return 0;
        }
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        ec = output_error_;
        if (ec || !may_call(write_deadline_, ec)) return 0;
        if constexpr (requires(library_code& why) { next_.write_some(Library::buffer(from), why); }) {
            library_code why;
            const std::size_t n = next_.write_some(Library::buffer(from), why);
            ec = Library::to_std(why);
            return n;
        } else {
            ec = std::make_error_code(std::errc::operation_not_supported);
            return 0;
        }
    }
    // Of a tls::stream below this is an operation of its own: it would block until that is done.
    void shutdown(shutdown_mode mode, std::error_code& ec) {
        ec.clear();
        if constexpr (!async_tls_stream<next_type>) {
            shut_down_layer<Library>(next_, mode, ec);
        } else if (waits_) {
            library_code why;
            next_.shutdown(mode, until(write_deadline_), why);
            ec = Library::to_std(why);
        } else if (shut_ == mode) {
            ec = shut_error_;
        } else {
            wanted_ = mode;
            ec = std::make_error_code(std::errc::operation_would_block);
        }
    }
    void close(std::error_code& ec) { close_layer<Library>(next_, ec); }
    void read_expires_at(time_point when) noexcept { read_deadline_ = when; }
    void write_expires_at(time_point when) noexcept { write_deadline_ = when; }

    // --- asynchronously ---

    template <class Handler>
    void start_input(Handler&& handler) {
        next_.async_read_some(Library::buffer(received_.room(room_).first(room_)), std::forward<Handler>(handler));
    }
    // Not again before finish_input().
    void finish_input(std::size_t n, library_code why) noexcept {
        received_.commit(n);
        room_ = n == room_ ? room_when_busy : room_when_idle;
        if (received_.empty()) received_.clear();
        if (!why || why == Library::operation_aborted() || ended_) return;
        ended_ = true;
        if (why != Library::eof()) input_error_ = Library::to_std(why);
    }

    template <class Handler>
    void start_output(Handler&& handler, std::span<const std::byte> from) {
        next_.async_write_some(Library::buffer(from), std::forward<Handler>(handler));
    }
    void finish_output(library_code why) noexcept {
        if (why && why != Library::operation_aborted()) output_error_ = Library::to_std(why);
    }

    // The side of a tls::stream below that shutdown() waits for.
    [[nodiscard]] std::optional<shutdown_mode> wanted_shutdown() const noexcept { return wanted_; }
    template <class Handler>
    void start_shutdown(Handler&& handler, time_point deadline) {
        next_.async_shutdown(*wanted_, until(deadline), std::forward<Handler>(handler));
    }
    void finish_shutdown(library_code why) noexcept {
        if (why == Library::operation_aborted()) return;
        shut_ = std::exchange(wanted_, std::nullopt);
        shut_error_ = Library::to_std(why);
    }

    // Bytes were received that nobody has asked for yet.
    [[nodiscard]] bool input_buffered() const noexcept { return !received_.empty(); }
    [[nodiscard]] std::span<const std::byte> received() const noexcept { return received_.bytes(); }

private:
    // A small buffer until something comes, so that an idle stream holds little; then a record of the largest size.
    static constexpr std::size_t room_when_idle = 512;
    static constexpr std::size_t room_when_busy = buffered_wire::input_room;

    [[nodiscard]] bool may_call(time_point deadline, std::error_code& ec) const noexcept {
        if (!waits_) {
            ec = std::make_error_code(std::errc::operation_would_block);
        } else if (deadline != never && deadline <= std::chrono::steady_clock::now()) {
            ec = std::make_error_code(std::errc::timed_out);
        }
        return !ec;
    }

    // A shutdown of the stream below must not take longer than what it is a part of.
    [[nodiscard]] static shutdown_options until(time_point deadline) noexcept {
        using std::chrono::milliseconds;
        const auto left = (std::max)(deadline - std::chrono::steady_clock::now(), time_point::duration{});
        return {.timeout = deadline == never ? (milliseconds::max)() : std::chrono::ceil<milliseconds>(left)};
    }

    Socket next_;
    byte_queue received_;
    std::size_t room_ = room_when_idle;
    std::error_code input_error_;
    std::error_code output_error_;
    std::optional<shutdown_mode> wanted_;
    std::optional<shutdown_mode> shut_;
    std::error_code shut_error_;
    time_point read_deadline_ = never;
    time_point write_deadline_ = never;
    bool ended_ = false;
    bool waits_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
