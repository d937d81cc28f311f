// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A socket of one's own for tls::stream: a tls::tcp_socket that writes down what passes, and when.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_RECORDING_SOCKET_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_RECORDING_SOCKET_HPP

#include <tls/shutdown.hpp>
#include <tls/socket.hpp>
#include <tls/tcp.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include "wire_log.hpp"

namespace demo {

// A FIN that is sent gets the time when its system call began, one that is received the time when its call had returned: so between two
// ends in one process nothing seems to arrive before it was sent. The log must outlive the socket.
class recording_socket {
public:
    recording_socket(tls::tcp_socket socket, wire_log& log) noexcept : socket_(std::move(socket)), log_(&log) {}

    // --- what every socket has ---

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        const std::array<std::span<std::byte>, 1> parts{into};
        return read_some(std::span<const std::span<std::byte>>(parts), ec);
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        const std::array<std::span<const std::byte>, 1> parts{from};
        return write_some(std::span<const std::span<const std::byte>>(parts), ec);
    }
    void shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        if (mode == tls::shutdown_mode::both) wait_for_fin();
        const time_point began = now();
        socket_.shutdown(mode, ec);
        if (mode != tls::shutdown_mode::read && !ec) log_->ended(flow::sent, "FIN", began);
    }
    void close(std::error_code& ec) {
        if (socket_) log_->closed(now());
        socket_.close(ec);
    }

    // --- what makes it a better one: several ranges in one call, deadlines, waiting for both directions, abort ---

    std::size_t read_some(std::span<const std::span<std::byte>> into, std::error_code& ec) {
        const std::size_t n = socket_.read_some(into, ec);
        const time_point returned = now();
        if (n == 0 && !ec) log_->ended(flow::received, "FIN", returned);
        if (ec == std::errc::connection_reset) log_->ended(flow::received, "RST", returned);
        return n;
    }
    std::size_t write_some(std::span<const std::span<const std::byte>> from, std::error_code& ec) {
        log_->sending(now());
        return socket_.write_some(from, ec);
    }
    void read_expires_at(time_point when) noexcept {
        read_deadline_ = when;
        socket_.read_expires_at(when);
    }
    void write_expires_at(time_point when) noexcept { socket_.write_expires_at(when); }
    void wait_either(time_point when, std::error_code& ec) noexcept { socket_.wait_either(when, ec); }
    void abort() noexcept {
        if (socket_) log_->closed(now());
        socket_.abort();
    }

private:
    static time_point now() noexcept { return std::chrono::steady_clock::now(); }

    // A stream asks for the end of both directions once the peer's close_notify is in, and reads no further: TLS has ended. The
    // FIN behind it matters to this log alone, so it is waited for here, a moment.
    void wait_for_fin() {
        socket_.read_expires_at(std::min(read_deadline_, now() + std::chrono::seconds(1)));
        std::array<std::byte, 4096> surplus;
        std::error_code ec;
        while (!log_->end(flow::received) && !ec) read_some(std::span(surplus), ec);
        socket_.read_expires_at(read_deadline_);
    }

    tls::tcp_socket socket_;
    wire_log* log_;
    time_point read_deadline_ = tls::never;
};

static_assert(tls::vectored_socket<recording_socket> && tls::pollable_socket<recording_socket> &&
              tls::abortable_socket<recording_socket>);

}  // namespace demo

#endif
