// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A socket around another one that moves a few bytes per call and keeps a record of what was sent.

#ifndef TLS_STREAM_TESTS_SUPPORT_TAPED_SOCKET_HPP
#define TLS_STREAM_TESTS_SUPPORT_TAPED_SOCKET_HPP

#include <tls/shutdown.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace tests {

// What left a socket. To be looked at when nobody uses the socket any more.
struct tape {
    std::vector<std::byte> sent{};
    bool fin = false;
    std::size_t sent_before_fin = 0;
    bool closed = false;
};

// `Under` with its abilities, at most `chunk` bytes per call.
template <tls::socket Under>
class taped_socket {
public:
    using time_point = std::chrono::steady_clock::time_point;

    taped_socket(Under under, std::size_t chunk, std::shared_ptr<tape> onto)
        : under_(std::move(under)), chunk_(chunk), tape_(std::move(onto)) {}

    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return under_.read_some(into.first(std::min(into.size(), chunk_)), ec);
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return note(from, under_.write_some(from.first(std::min(from.size(), chunk_)), ec));
    }
    std::size_t read_some(std::span<const std::span<std::byte>> into, std::error_code& ec)
        requires tls::vectored_socket<Under>
    {
        const auto parts = shortened(into);
        return under_.read_some(std::span<const std::span<std::byte>>(parts), ec);
    }
    std::size_t write_some(std::span<const std::span<const std::byte>> from, std::error_code& ec)
        requires tls::vectored_socket<Under>
    {
        const auto parts = shortened(from);
        const std::size_t n = under_.write_some(std::span<const std::span<const std::byte>>(parts), ec);
        std::size_t left = n;
        for (const auto part : parts) left -= note(part, std::min(left, part.size()));
        return n;
    }
    void shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        if (mode != tls::shutdown_mode::read && !std::exchange(tape_->fin, true)) tape_->sent_before_fin = tape_->sent.size();
        under_.shutdown(mode, ec);
    }
    void close(std::error_code& ec) {
        tape_->closed = true;
        under_.close(ec);
    }
    void read_expires_at(time_point when)
        requires tls::deadline_socket<Under>
    {
        under_.read_expires_at(when);
    }
    void write_expires_at(time_point when)
        requires tls::deadline_socket<Under>
    {
        under_.write_expires_at(when);
    }
    void wait_either(time_point when, std::error_code& ec)
        requires tls::pollable_socket<Under>
    {
        under_.wait_either(when, ec);
    }

private:
    std::size_t note(std::span<const std::byte> from, std::size_t n) {
        tape_->sent.insert(tape_->sent.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
        return n;
    }

    // The library never gives more than two ranges.
    template <class Byte>
    std::array<std::span<Byte>, 2> shortened(std::span<const std::span<Byte>> ranges) const {
        std::array<std::span<Byte>, 2> parts;
        std::size_t left = chunk_;
        for (std::size_t i = 0; i < std::min(ranges.size(), parts.size()); ++i) {
            parts[i] = ranges[i].first(std::min(ranges[i].size(), left));
            left -= parts[i].size();
        }
        return parts;
    }

    Under under_;
    std::size_t chunk_;
    std::shared_ptr<tape> tape_;
};

}  // namespace tests

#endif
