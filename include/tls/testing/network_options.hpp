// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What kind of connection a memory network is.

#ifndef TLS_STREAM_TLS_TESTING_NETWORK_OPTIONS_HPP
#define TLS_STREAM_TLS_TESTING_NETWORK_OPTIONS_HPP

#include <tls/testing/faults.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>

namespace tls {
inline namespace v0 {
namespace testing {

/// Which end of a connection. They are alike: either may be the client's.
enum class side : unsigned char {
    a,  ///< memory_network::a()
    b   ///< memory_network::b()
};

/// What a blocking end does when it cannot go on.
enum class waiting : unsigned char {
    /// One thread, virtual time: it runs its pump, then lets time pass until something happens or its deadline is there.
    pump,
    /// A thread for each end, real time: it sleeps until the other thread has moved something.
    threads,
};

/// What happens to the other end when an end is let go of while bytes lie unread in it.
enum class unread_close : unsigned char {
    reset_and_lose,  ///< It is reset, and what it has not read yet is lost: what TCP can do at worst.
    reset,           ///< It is reset after it has read what there is, as an AF_UNIX socketpair does it.
    fin,             ///< It sees an orderly end: a kinder world than the real one.
};

/// How a memory_network is made.
struct network_options {
    /// Bytes that are on their way from a to b at most; writing blocks then, as it does when the sockets' buffers are full. Not 0.
    std::size_t capacity_a_to_b = no_limit;
    /// The same from b to a.
    std::size_t capacity_b_to_a = no_limit;
    /// How its ends wait.
    waiting wait = waiting::pump;
    /// What an end does that is closed too early.
    unread_close on_unread_close = unread_close::reset_and_lose;
    /// waiting::threads: who waits longer than this, deadline or not, gets a deadlock. Not below zero.
    std::chrono::seconds patience{60};
    /// waiting::pump: whose pump has run so often within one call and still moves something else, gets one, too. Not 0.
    std::size_t max_rounds = 100'000;
};

/// Thrown out of a blocking call of a memory socket's that can never end: nothing moves, and there is no deadline, or too much
/// moves in vain. It says which end waits.
class deadlock : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
