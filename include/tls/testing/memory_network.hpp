// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A connection in memory.

#ifndef TLS_STREAM_TLS_TESTING_MEMORY_NETWORK_HPP
#define TLS_STREAM_TLS_TESTING_MEMORY_NETWORK_HPP

#include <tls/detail/testing_link.hpp>
#include <tls/testing/memory_end.hpp>
#include <tls/testing/network_options.hpp>
#include <tls/testing/virtual_clock.hpp>

#include <chrono>
#include <memory>

namespace tls {
inline namespace v0 {
namespace testing {

/// One connection with two ends. Its state lives as long as the network, a memory_end or a socket of it does. What is said of an
/// end through the network or its memory_end may be said from any thread; the clock and pumps are for one thread.
class memory_network {
public:
    /// Options that make no sense are std::invalid_argument, whose text names them.
    explicit memory_network(const network_options& options = {}) : link_(std::make_shared<detail::memory_link>(options)) {}

    /// One end,
    [[nodiscard]] memory_end a() const noexcept { return {link_, side::a}; }
    /// the other,
    [[nodiscard]] memory_end b() const noexcept { return {link_, side::b}; }
    /// and the one that is asked for.
    [[nodiscard]] memory_end end(side who) const noexcept { return {link_, who}; }

    /// The time by which deadlines run: the virtual clock's, or with waiting::threads the real one.
    [[nodiscard]] std::chrono::steady_clock::time_point now() const noexcept { return link_->now(); }
    /// The clock of waiting::pump, to set calls on and to let time pass. With waiting::threads there is none: std::logic_error.
    [[nodiscard]] virtual_clock& clock() const { return link_->clock(); }

private:
    std::shared_ptr<detail::memory_link> link_;
};

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
