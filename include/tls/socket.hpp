// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What a transport must be able to do. Four members make a socket; the rest is optional and makes it better.
///
///     std::size_t read_some(std::span<std::byte>, std::error_code&);         at least 1 byte; 0 without an error: end of stream
///     std::size_t write_some(std::span<const std::byte>, std::error_code&);  at least 1 byte, or an error
///     void shutdown(tls::shutdown_mode, std::error_code&);                   end a direction: TCP's shutdown(2)
///     void close(std::error_code&);                                          let go of the connection; twice is harmless
///
/// The members set the error code on each call: clear on success. std::errc::operation_would_block says "not now, call again"
/// and std::errc::interrupted is retried at once. A count that is returned beside an error counts. An exception that a member
/// throws comes out of the stream's call, once, and the stream has failed then.

#ifndef TLS_STREAM_TLS_SOCKET_HPP
#define TLS_STREAM_TLS_SOCKET_HPP

#include <tls/shutdown.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <span>
#include <system_error>
#include <type_traits>

namespace tls {
inline namespace v0 {

/// "No deadline": a call with it waits as long as it takes.
inline constexpr std::chrono::steady_clock::time_point never = (std::chrono::steady_clock::time_point::max)();

/// Bytes can be received.
template <class S>
concept readable_socket = requires(S& s, std::span<std::byte> into, std::error_code& ec) {
    { s.read_some(into, ec) } -> std::same_as<std::size_t>;
};

/// Bytes can be sent.
template <class S>
concept writable_socket = requires(S& s, std::span<const std::byte> from, std::error_code& ec) {
    { s.write_some(from, ec) } -> std::same_as<std::size_t>;
};

/// A direction can be ended, and the whole let go of.
template <class S>
concept closable_socket = requires(S& s, shutdown_mode mode, std::error_code& ec) {
    s.shutdown(mode, ec);
    s.close(ec);
};

/// A stream is moved while it is in use, and a move that fails half-way would lose bytes.
template <class S>
concept movable_socket = std::is_nothrow_move_constructible_v<S>;

/// What tls::stream needs.
template <class S>
concept socket = readable_socket<S> && writable_socket<S> && closable_socket<S> && movable_socket<S>;

/// Several ranges in one system call: fewer calls for the same bytes, and the body of a record comes with the next header.
template <class S>
concept vectored_socket = socket<S> && requires(S& s, std::span<const std::span<std::byte>> into,
                                                std::span<const std::span<const std::byte>> from, std::error_code& ec) {
    { s.read_some(into, ec) } -> std::same_as<std::size_t>;
    { s.write_some(from, ec) } -> std::same_as<std::size_t>;
};

/// Absolute points in time, honoured by the two calls: one that has not moved a byte by then fails with exactly
/// std::make_error_code(std::errc::timed_out), the generic category, so that it cannot be taken for the transport's own ETIMEDOUT.
/// A point that has passed already still lets a call do what it can without waiting. `never` takes a deadline back.
template <class S>
concept deadline_socket = socket<S> && requires(S& s, std::chrono::steady_clock::time_point when) {
    s.read_expires_at(when);
    s.write_expires_at(when);
};

/// Lets go of the connection at once, without I/O; used instead of close() by stream::abort().
template <class S>
concept abortable_socket = socket<S> && requires(S& s) {
    { s.abort() } noexcept;
};

/// Waits until the socket can be read or written, whichever comes first, or until `when` (ec: std::errc::timed_out). With it a
/// close can go on sending to a peer that is itself stuck sending; without it the stream tries the directions in turn.
template <class S>
concept pollable_socket = deadline_socket<S> && requires(S& s, std::chrono::steady_clock::time_point when,
                                                         std::error_code& ec) { s.wait_either(when, ec); };

/// A socket whose deadlines run by a clock of its own, such as a test's: the stream asks it for the time.
template <class S>
concept clocked_socket = deadline_socket<S> && requires(const S& s) {
    { s.now() } noexcept -> std::same_as<std::chrono::steady_clock::time_point>;
};

/// Says whether its calls never wait. A stream over a socket that blocks, as one without this is taken to, also waits for answers of the
/// user's own (want::verification and its like); over one that does not they are operation_would_block.
template <class S>
concept non_blocking_socket = socket<S> && requires(const S& s) {
    { s.non_blocking() } noexcept -> std::same_as<bool>;
};

namespace detail {

// The time by which a socket's deadlines are measured.
template <class S>
[[nodiscard]] std::chrono::steady_clock::time_point now(const S& s) noexcept {
    if constexpr (clocked_socket<S>) {
        return s.now();
    } else {
        return std::chrono::steady_clock::now();
    }
}

template <class S>
[[nodiscard]] bool never_blocks(const S& s) noexcept {
    if constexpr (non_blocking_socket<S>) {
        return s.non_blocking();
    } else {
        return false;
    }
}

// Lets go of a connection at once, when there is nobody to tell.
template <class S>
void abandon(S& s) noexcept {
    if constexpr (abortable_socket<S>) {
        s.abort();
    } else {
        try {
            std::error_code ignored;
            s.close(ignored);
        } catch (...) {
            return;  // the socket is done for, and nobody asked how
        }
    }
}

// from + span, without overflow: what lies beyond the clock's end is `never`, before its beginning the beginning.
template <class Rep, class Period>
[[nodiscard]] constexpr std::chrono::steady_clock::time_point saturating_sum(std::chrono::steady_clock::time_point from,
                                                                             std::chrono::duration<Rep, Period> span) noexcept {
    using point = std::chrono::steady_clock::time_point;
    using std::chrono::duration_cast;
    const auto since_epoch = from.time_since_epoch();
    if (span >= span.zero()) {
        const auto room = since_epoch > point::duration::zero() ? (point::max)() - from : (point::duration::max)();
        return span >= duration_cast<decltype(span)>(room) ? never : from + duration_cast<point::duration>(span);
    }
    const auto room = since_epoch < point::duration::zero() ? (point::min)() - from : (point::duration::min)();
    return span <= duration_cast<decltype(span)>(room) ? (point::min)() : from + duration_cast<point::duration>(span);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
