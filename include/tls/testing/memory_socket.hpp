// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// One end of a memory connection as a socket for tls::stream.

#ifndef TLS_STREAM_TLS_TESTING_MEMORY_SOCKET_HPP
#define TLS_STREAM_TLS_TESTING_MEMORY_SOCKET_HPP

#include <tls/detail/testing_link.hpp>
#include <tls/shutdown.hpp>
#include <tls/testing/event_log.hpp>
#include <tls/testing/network_options.hpp>
#include <tls/testing/socket_features.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
namespace testing {

/// One end as a tls::socket with the abilities `Has`; memory_end::socket() makes it. It blocks unless it is told otherwise. Its
/// destructor closes it. Default-constructed, moved from or closed, its calls fail with EBADF. What it did is seen through its
/// memory_end. With deadlines but without the clock, and with waiting::pump, the virtual clock and the real one run apart: good
/// enough for an end to be reached, not for measuring. With waiting::threads it may be used as tls::split() uses a socket: one
/// thread reads, one writes. Else it belongs to one thread, with the other end.
template <socket_features Has>
class basic_memory_socket {
    static_assert(has(Has, socket_features::deadlines) ||
                      !(has(Has, socket_features::clock) || has(Has, socket_features::polling)),
                  "a clock and polling are of no use without deadlines");

public:
    using time_point = std::chrono::steady_clock::time_point;  ///< What deadlines are.

    /// A closed one.
    basic_memory_socket() noexcept = default;
    /// For memory_end.
    basic_memory_socket(std::shared_ptr<detail::memory_link> link, side who) noexcept : link_(std::move(link)), side_(who) {}
    basic_memory_socket(basic_memory_socket&&) noexcept = default;
    /// Lets go of the end that it had, as the destructor does.
    basic_memory_socket& operator=(basic_memory_socket&& from) noexcept {
        if (this != &from) {
            let_go(event_kind::destroyed);
            link_ = std::move(from.link_);
            side_ = from.side_;
        }
        return *this;
    }
    ~basic_memory_socket() { let_go(event_kind::destroyed); }

    /// tls::socket. ECONNRESET, EPIPE, EBADF, or what the script says; would-block and timed-out as every socket says them.
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return open(ec) ? link_->read(side_, {&into, 1}, ec) : 0;
    }
    /// @copydoc read_some(std::span<std::byte>, std::error_code&)
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return open(ec) ? link_->write(side_, {&from, 1}, ec) : 0;
    }
    /// tls::socket. Never waits.
    void shutdown(shutdown_mode mode, std::error_code& ec) {
        if (open(ec)) link_->shutdown(side_, mode, ec);
    }
    /// tls::socket. With bytes unread the other end is reset, as network_options::on_unread_close says. An error that a script
    /// asks for is told after the end was let go of.
    void close(std::error_code& ec) {
        ec.clear();
        if (link_) link_->close(side_, event_kind::close, ec);
    }

    /// tls::vectored_socket. A call counts as one, and a chunk's size is that of the whole call.
    std::size_t read_some(std::span<const std::span<std::byte>> into, std::error_code& ec)
        requires(has(Has, socket_features::vectored))
    {
        return open(ec) ? link_->read(side_, into, ec) : 0;
    }
    /// @copydoc read_some(std::span<const std::span<std::byte>>, std::error_code&)
    std::size_t write_some(std::span<const std::span<const std::byte>> from, std::error_code& ec)
        requires(has(Has, socket_features::vectored))
    {
        return open(ec) ? link_->write(side_, from, ec) : 0;
    }

    /// tls::deadline_socket
    void read_expires_at(time_point when)
        requires(has(Has, socket_features::deadlines))
    {
        if (link_) link_->with(side_, [&](auto& e) { e.read_deadline = when; });
    }
    /// tls::deadline_socket
    void write_expires_at(time_point when)
        requires(has(Has, socket_features::deadlines))
    {
        if (link_) link_->with(side_, [&](auto& e) { e.write_deadline = when; });
    }

    /// tls::clocked_socket: memory_network::now().
    [[nodiscard]] time_point now() const noexcept
        requires(has(Has, socket_features::clock))
    {
        return link_ ? link_->now() : time_point();
    }

    /// tls::pollable_socket. It waits on a socket that does not block, too, as poll(2) does.
    void wait_either(time_point when, std::error_code& ec)
        requires(has(Has, socket_features::polling))
    {
        if (open(ec)) link_->wait_either(side_, when, ec);
    }

    /// tls::abortable_socket
    void abort() noexcept
        requires(has(Has, socket_features::aborting))
    {
        let_go(event_kind::abort);
    }

    /// tls::non_blocking_socket
    [[nodiscard]] bool non_blocking() const noexcept
        requires(has(Has, socket_features::blocking_mode))
    {
        return link_ && link_->with(side_, [](auto& e) { return e.non_blocking; });
    }
    /// True: calls that cannot go on fail with std::errc::operation_would_block, whatever the deadline.
    void non_blocking(bool on) {
        if (link_) link_->with(side_, [&](auto& e) { e.non_blocking = on; });
    }

private:
    bool open(std::error_code& ec) const noexcept {
        ec.clear();
        if (!link_) ec = detail::system_error_code(std::errc::bad_file_descriptor);
        return link_ != nullptr;
    }
    void let_go(event_kind how) noexcept {
        std::error_code ignored;
        if (link_) link_->close(side_, how, ignored);
    }

    std::shared_ptr<detail::memory_link> link_;
    side side_ = side::a;
};

/// With everything.
using memory_socket = basic_memory_socket<socket_features::all>;
/// With the four members that a socket must have and no more.
using plain_memory_socket = basic_memory_socket<socket_features::none>;

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
