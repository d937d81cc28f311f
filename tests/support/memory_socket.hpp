// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A connection in memory, whose two ends are sockets as tls::stream wants them, for tests in which nothing is left to chance.
//
//     tests::network net;
//     net.a().pump([&] { peer.pump(); });            // what happens while end a waits
//     net.a().script({.read_chunk = 1});             // what goes wrong at end a
//     tls::stream stream(net.a().socket(), context, "localhost");
//     ...
//     CHECK(net.a().wire_text(since) == "data*3, alert, FIN, close");
//
// With waiting::pump everything runs in one thread. An end that blocks and cannot go on runs its pump; if that moved
// nothing and took no time, the virtual clock goes on to the next call that was set on it or to the deadline, whichever is
// first. A call whose deadline has passed already runs no pump: it does what can be done at once.
// With waiting::threads each end may be used by a thread of its own, in real time, and the virtual clock is not used.

#ifndef TLS_STREAM_TESTS_SUPPORT_MEMORY_SOCKET_HPP
#define TLS_STREAM_TESTS_SUPPORT_MEMORY_SOCKET_HPP

#include <support/event_log.hpp>
#include <support/faults.hpp>
#include <support/memory_link.hpp>
#include <support/records.hpp>
#include <support/virtual_clock.hpp>

#include <tls/socket.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tests {

// The optional abilities of a socket, one bit each: the library takes other paths where one is missing.
enum class features : unsigned {
    none = 0,
    vectored = 1,   // tls::vectored_socket
    deadlines = 2,  // tls::deadline_socket
    clock = 4,      // tls::clocked_socket; with deadlines only
    polling = 8,    // tls::pollable_socket; with deadlines only
    aborting = 16,  // tls::abortable_socket
    all = 31,
};
[[nodiscard]] constexpr features operator|(features x, features y) noexcept {
    return static_cast<features>(static_cast<unsigned>(x) | static_cast<unsigned>(y));
}
// All of `set` but those in `less`.
[[nodiscard]] constexpr features operator-(features set, features less) noexcept {
    return static_cast<features>(static_cast<unsigned>(set) & ~static_cast<unsigned>(less));
}
[[nodiscard]] constexpr bool has(features set, features wanted) noexcept {
    return (static_cast<unsigned>(set) & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

// One end as a tls::socket with the abilities `Has`. Its destructor closes it. Default-constructed, moved from or closed, its
// calls fail with EBADF. What it did is seen through its memory_end. With deadlines but without the clock, and with
// waiting::pump, the virtual clock and the real one run apart: good enough for an end to be reached, not for measuring.
template <features Has>
class basic_memory_socket {
    static_assert(has(Has, features::deadlines) || !(has(Has, features::clock) || has(Has, features::polling)),
                  "a clock and polling are of no use without deadlines");

public:
    using time_point = std::chrono::steady_clock::time_point;

    basic_memory_socket() noexcept = default;
    basic_memory_socket(std::shared_ptr<detail::memory_link> link, side who) noexcept : link_(std::move(link)), side_(who) {}
    basic_memory_socket(basic_memory_socket&&) noexcept = default;
    basic_memory_socket& operator=(basic_memory_socket&& from) noexcept {
        if (this != &from) {
            let_go(event_kind::destroyed);
            link_ = std::move(from.link_);
            side_ = from.side_;
        }
        return *this;
    }
    ~basic_memory_socket() { let_go(event_kind::destroyed); }

    // tls::socket
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return open(ec) ? link_->read(side_, {&into, 1}, ec) : 0;
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return open(ec) ? link_->write(side_, {&from, 1}, ec) : 0;
    }
    void shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        if (open(ec)) link_->shutdown(side_, mode, ec);
    }
    void close(std::error_code& ec) {
        ec.clear();
        if (link_) link_->close(side_, event_kind::close, ec);
    }

    // tls::vectored_socket; a call counts as one, and a chunk's size is that of the whole call.
    std::size_t read_some(std::span<const std::span<std::byte>> into, std::error_code& ec)
        requires(has(Has, features::vectored))
    {
        return open(ec) ? link_->read(side_, into, ec) : 0;
    }
    std::size_t write_some(std::span<const std::span<const std::byte>> from, std::error_code& ec)
        requires(has(Has, features::vectored))
    {
        return open(ec) ? link_->write(side_, from, ec) : 0;
    }

    // tls::deadline_socket
    void read_expires_at(time_point when)
        requires(has(Has, features::deadlines))
    {
        if (link_) link_->with(side_, [&](auto& e) { e.read_deadline = when; });
    }
    void write_expires_at(time_point when)
        requires(has(Has, features::deadlines))
    {
        if (link_) link_->with(side_, [&](auto& e) { e.write_deadline = when; });
    }

    // tls::clocked_socket
    [[nodiscard]] time_point now() const noexcept
        requires(has(Has, features::clock))
    {
        return link_ ? link_->now() : time_point();
    }

    // tls::pollable_socket
    void wait_either(time_point when, std::error_code& ec)
        requires(has(Has, features::polling))
    {
        if (open(ec)) link_->wait_either(side_, when, ec);
    }

    // tls::abortable_socket
    void abort() noexcept
        requires(has(Has, features::aborting))
    {
        let_go(event_kind::abort);
    }

    // True: calls that cannot go on fail with std::errc::operation_would_block, whatever the deadline.
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

// With everything, and with the four members that a socket must have and no more.
using memory_socket = basic_memory_socket<features::all>;
using plain_memory_socket = basic_memory_socket<features::none>;

// One end of a network, seen from outside: gives out its socket, scripts it, and shows what it did. A handle: copies are of
// the same end, and it stays good when the network or the socket is gone.
class memory_end {
public:
    memory_end(std::shared_ptr<detail::memory_link> link, side who) noexcept : link_(std::move(link)), side_(who) {}

    // The socket of this end. It exists once: std::logic_error when it is asked for again.
    template <features Has = features::all>
    [[nodiscard]] basic_memory_socket<Has> socket() {
        if (link_->with(side_, [](auto& e) { return std::exchange(e.taken, true); })) {
            throw std::logic_error("memory_end: the socket of this end was given out before");
        }
        return {link_, side_};
    }

    // What goes wrong here from now on; calls, bytes and records are counted from the end's beginning all the same.
    void script(faults script) {
        link_->change(side_, [&](auto& e) {
            e.filter.set(script.records);
            e.script = std::move(script);
        });
    }
    // What runs while this end waits (waiting::pump). It may use the other end, look at both, set scripts and move the clock.
    // What it throws comes out of the call that waits. It must not own the network: keep handles by reference.
    void pump(std::function<void()> pump) {
        link_->with(side_, [&](auto& e) { e.pump = std::move(pump); });
    }
    // Room for `size` more bytes of writing; only with faults::room.
    void add_room(std::size_t size) {
        link_->change(side_, [&](auto& e) { e.script.room = e.script.room.value_or(0) + size; });
    }
    // Sends RST and closes: what SO_LINGER {1, 0} does. With `lose` the other end loses what it has not read yet.
    void reset(bool lose = false) { link_->reset(side_, lose); }

    // What the socket did, in order; see event_log.hpp.
    [[nodiscard]] std::vector<event> log() const {
        return link_->with(side_, [](auto& e) { return e.log; });
    }
    [[nodiscard]] call_counts calls() const {
        return link_->with(side_, [](auto& e) { return e.counts; });
    }
    // Every byte that was sent, as it was sent, and every byte that was received, as it was received, faults included.
    [[nodiscard]] bytes sent() const {
        return link_->with(side_, [](auto& e) { return e.sent; });
    }
    [[nodiscard]] bytes received() const {
        return link_->with(side_, [](auto& e) { return e.received; });
    }
    [[nodiscard]] std::size_t bytes_sent() const {
        return link_->with(side_, [](auto& e) { return e.sent.size(); });
    }
    [[nodiscard]] std::size_t bytes_received() const {
        return link_->with(side_, [](auto& e) { return e.received.size(); });
    }
    // Bytes that have arrived and were not read yet.
    [[nodiscard]] std::size_t unread() const {
        return link_->with(side_, [](auto& e) { return e.unread(); });
    }
    // Closed, aborted, destroyed or reset.
    [[nodiscard]] bool closed() const {
        return link_->with(side_, [](auto& e) { return e.closed; });
    }

    // What left this end from byte `since` on, records and FIN together; see event_log.hpp.
    [[nodiscard]] std::vector<std::string> wire(std::size_t since = 0) const {
        return link_->with(side_, [&](auto& e) { return wire_view(e.log, e.sent, since); });
    }
    // ... as one text: "data*3, alert, FIN, close".
    [[nodiscard]] std::string wire_text(std::size_t since = 0) const { return joined(wire(since)); }

private:
    std::shared_ptr<detail::memory_link> link_;
    side side_;
};

// A connection. Its state lives as long as the network, a memory_end or a socket of it does.
class network {
public:
    explicit network(const network_options& options = {}) : link_(std::make_shared<detail::memory_link>(options)) {}

    [[nodiscard]] memory_end a() const noexcept { return {link_, side::a}; }
    [[nodiscard]] memory_end b() const noexcept { return {link_, side::b}; }
    [[nodiscard]] memory_end end(side who) const noexcept { return {link_, who}; }

    // The time by which deadlines run.
    [[nodiscard]] std::chrono::steady_clock::time_point now() const noexcept { return link_->now(); }
    // The clock of waiting::pump.
    [[nodiscard]] virtual_clock& clock() const noexcept { return link_->clock(); }

private:
    std::shared_ptr<detail::memory_link> link_;
};

}  // namespace tests

#endif
