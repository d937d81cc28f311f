// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// For tests of code that uses this library: two connected sockets in memory, what goes wrong between them, and the time.
///
///     tls::testing::memory_network net;                                          // one connection, ends a and b
///     tls::stream client(net.a().socket(), client_context, "localhost");         // blocks, as the code under test expects it
///     tls::stream server(net.b().non_blocking_socket(), server_context);         // played by the test
///     net.a().pump([&] { answer(server); });                                     // what happens while end a waits
///     net.a().script({.read_chunk = 1});                                         // what goes wrong at end a
///     CHECK(fetch(client, "question") == "answer");
///     CHECK(net.a().wire_text() == "handshake, ccs, data*2, alert, FIN, close");  // what went out, and in which order
///
/// Everything runs in one thread and in virtual time. An end that blocks and cannot go on runs its pump. If that moved nothing and
/// took no time, the clock goes on to the next call that was set on it or to the deadline of the call, whichever is first: a limit
/// of five seconds is reached at once. A call that can never end throws a deadlock. A call whose deadline has passed already runs no
/// pump; it does what can be done at once.
///
/// With waiting::threads each end may be used by a thread of its own, or by two as tls::split() needs it, in real time. There is
/// no pump and no virtual clock then.
///
/// Between the ends the rules of TCP hold, as far as they matter for closing and as Linux has them. After FIN the other end reads
/// what there is and then 0, and can still write. Writing after one's own FIN is EPIPE. The first write to an end that is gone
/// succeeds and brings back a reset. A reset is told once, as ECONNRESET, by the next read that finds no bytes or by the next write;
/// from then on writes are EPIPE and reads 0. After SHUT_RD reads give what there is, then 0.
///
/// What makes no sense is refused by an exception that names it: std::invalid_argument for values, std::logic_error for calls.
///
/// docs/how-to/testing.md shows it at work. This header is not part of <tls/tls.hpp>, and knows nothing of BoringSSL.

#ifndef TLS_STREAM_TLS_TESTING_HPP
#define TLS_STREAM_TLS_TESTING_HPP

#include <tls/testing/event_log.hpp>
#include <tls/testing/faults.hpp>
#include <tls/testing/memory_end.hpp>
#include <tls/testing/memory_network.hpp>
#include <tls/testing/memory_socket.hpp>
#include <tls/testing/network_options.hpp>
#include <tls/testing/outcome.hpp>
#include <tls/testing/records.hpp>
#include <tls/testing/socket_features.hpp>
#include <tls/testing/virtual_clock.hpp>

namespace tls {
inline namespace v0 {

/// Sockets in memory for tests, with scripted faults and a clock that stands still until it is told to go on.
namespace testing {}

}  // namespace v0
}  // namespace tls

#endif
