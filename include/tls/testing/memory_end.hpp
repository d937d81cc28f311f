// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// One end of a memory connection as the test sees it: its socket, its script, and what it did.

#ifndef TLS_STREAM_TLS_TESTING_MEMORY_END_HPP
#define TLS_STREAM_TLS_TESTING_MEMORY_END_HPP

#include <tls/detail/testing_link.hpp>
#include <tls/detail/testing_script.hpp>
#include <tls/detail/testing_wire_view.hpp>
#include <tls/testing/event_log.hpp>
#include <tls/testing/faults.hpp>
#include <tls/testing/memory_socket.hpp>
#include <tls/testing/network_options.hpp>
#include <tls/testing/records.hpp>
#include <tls/testing/socket_features.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace testing {

/// One end of a memory_network, seen from outside: gives out its socket, scripts it, and shows what it did. A handle: copies are
/// of the same end, and it stays good when the network or the socket is gone.
class memory_end {
public:
    /// For memory_network.
    memory_end(std::shared_ptr<detail::memory_link> link, side who) noexcept : link_(std::move(link)), side_(who) {}

    /// The socket of this end, with the abilities `Has`. It exists once: std::logic_error when it is asked for again.
    template <socket_features Has = socket_features::all>
    [[nodiscard]] basic_memory_socket<Has> socket() {
        link_->with(side_, [](auto& e) {
            if (std::exchange(e.taken, true))
                throw std::logic_error("memory_end: the socket of " + e.name() + " was given out before");
        });
        return {link_, side_};
    }
    /// The same, one that does not block: for the end that is played in the pump of the other.
    template <socket_features Has = socket_features::all>
    [[nodiscard]] basic_memory_socket<Has> non_blocking_socket() {
        auto made = socket<Has>();
        made.non_blocking(true);
        return made;
    }

    /// What goes wrong here from now on, in place of the script before; calls, bytes and records are counted from the end's
    /// beginning all the same. A script that makes no sense, or is for a call, byte or record that has passed, is
    /// std::invalid_argument, whose text names it; the old one stays then.
    void script(faults script) {
        link_->change(side_, [&](auto& e) {
            detail::check_script(script, e);
            e.filter.set(script.records);
            e.script = std::move(script);
        });
    }
    /// What runs while this end waits. It may use the other end, look at both, set scripts and move the clock. What it throws
    /// comes out of the call that waits. It must not own the network: keep handles by reference. An empty one takes the last one
    /// back. With waiting::threads there is none: std::logic_error.
    void pump(std::function<void()> pump) {
        if (link_->is_by_threads()) throw std::logic_error("memory_end: with waiting::threads no pump ever runs");
        link_->with(side_, [&](auto& e) { e.pump = std::move(pump); });
    }
    /// Room for `size` more bytes of writing. std::logic_error if the script has no faults::room.
    void add_room(std::size_t size) {
        link_->change(side_, [&](auto& e) {
            if (!e.script.room)
                throw std::logic_error("memory_end: room is added to " + e.name() + ", whose script has no faults::room");
            *e.script.room += size;
        });
    }
    /// Sends RST and closes: what SO_LINGER {1, 0} does. With `lose` the other end loses what it has not read yet.
    void reset(bool lose = false) { link_->reset(side_, lose); }

    /// What the socket did, in order.
    [[nodiscard]] std::vector<event> log() const {
        return link_->with(side_, [](auto& e) { return e.log; });
    }
    /// How often it was called.
    [[nodiscard]] call_counts calls() const {
        return link_->with(side_, [](auto& e) { return e.counts; });
    }
    /// Every byte that was sent, as it was sent.
    [[nodiscard]] bytes sent() const {
        return link_->with(side_, [](auto& e) { return e.sent; });
    }
    /// Every byte that was received, as it was received, faults included.
    [[nodiscard]] bytes received() const {
        return link_->with(side_, [](auto& e) { return e.received; });
    }
    /// The size of sent().
    [[nodiscard]] std::size_t bytes_sent() const {
        return link_->with(side_, [](auto& e) { return e.sent.size(); });
    }
    /// The size of received().
    [[nodiscard]] std::size_t bytes_received() const {
        return link_->with(side_, [](auto& e) { return e.received.size(); });
    }
    /// Bytes that have arrived and were not read yet.
    [[nodiscard]] std::size_t unread() const {
        return link_->with(side_, [](auto& e) { return e.unread(); });
    }
    /// Closed, aborted, destroyed or reset.
    [[nodiscard]] bool closed() const {
        return link_->with(side_, [](auto& e) { return e.closed; });
    }

    /// What left this end, records and the transport's own signs together and in order: a record by its name (see
    /// to_string(const record&)), "FIN" for the first shutdown of the write side, "RST", and "close", "abort" or "destroyed". A
    /// socket that is let go of without "FIN" or "RST" before it sends its FIN then. Records that begin before byte `since`, and
    /// signs that came before `since` bytes were sent, are left out.
    [[nodiscard]] std::vector<std::string> wire(std::size_t since = 0) const {
        return link_->with(side_, [&](auto& e) { return detail::wire_view(e.log, e.sent, since); });
    }
    /// The same as one text: "data*3, alert, FIN, close".
    [[nodiscard]] std::string wire_text(std::size_t since = 0) const { return joined(wire(since)); }

private:
    std::shared_ptr<detail::memory_link> link_;
    side side_;
};

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
