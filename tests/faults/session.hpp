// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A whole session over a connection that goes wrong where a script says so, and what must be true of it whatever goes wrong.
//
//     auto seen = trial::run({.role = tls::role::server, .script = {.input_ends_at = 700}});
//     seen.expect(seen.handshake == tls::errc::handshake_truncated, "the handshake says so");
//     trial::verdict(seen, "EOF at 700");
//
// The library is at one end, tests::raw_peer at the other, and everything runs in one thread. The library's end makes its handshake,
// writes, reads, writes twice, and closes; every answer that ought to last is asked for again, and so is every answer after the close.

#ifndef TLS_STREAM_TESTS_FAULTS_SESSION_HPP
#define TLS_STREAM_TESTS_FAULTS_SESSION_HPP

#include <support/testing.hpp>

#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace trial {

// Which socket the library has: one with every ability, one with the four members only, and one with every ability that does not
// block.
enum class socket_kind : unsigned char { full, plain, non_blocking };
inline constexpr std::array socket_kinds{socket_kind::full, socket_kind::plain, socket_kind::non_blocking};
inline constexpr std::array roles{tls::role::client, tls::role::server};

// peer_first   the peer says all it has to say, close_notify and FIN at once; the library reads to the end, and closes.
// we_first     the library reads what the peer has to say, and closes; the peer answers with close_notify and FIN.
// half_close   the same, but the library shuts down writing, reads to the end, and then closes.
enum class order : unsigned char { peer_first, we_first, half_close };
inline constexpr std::array orders{order::peer_first, order::we_first, order::half_close};

struct plan {
    tls::protocol_version version = tls::protocol_version::tls1_3;
    tls::role role = tls::role::client;  // of the library
    socket_kind socket = socket_kind::full;
    order ends = order::peer_first;
    tests::faults script{};                      // of the library's end
    std::vector<std::size_t> ours{20, 300, 40};  // sizes of what the library writes: three
    std::vector<std::size_t> theirs{60, 200};    // ... and of what the peer sends
};

[[nodiscard]] std::string to_string(const plan& what);

// What a session came to. `breaches` holds what must never be, in words; run() puts there whatever breaks these rules, and a test what
// breaks its own:
//
// - What was read is the beginning of what the peer sent, and what the peer received of what was accepted for writing.
// - An end is clean only if all of the peer's close_notify has arrived.
// - An error or an end is the same again, for every way to ask. After a failure nothing is sent.
// - A close that says close_notify_sent without an error has delivered everything that was accepted, and the peer saw close_notify.
// - Nothing of what was written is on the wire as it was; everything there is whole records, but for the last.
// - BoringSSL's error queue is empty after each call.
// - The number of calls is bounded by the bytes that moved.
struct account {
    plan planned;
    std::vector<std::string> breaches{};

    std::error_code handshake{};
    bool authenticated = false;  // something is known of the peer: version, cipher, certificate
    std::string read{};
    bool read_ended = false;  // reads came to an end, by `read_error` or, if that is empty, by 0
    std::error_code read_error{};
    tls::stream_end read_end = tls::stream_end::open;  // before the close
    std::size_t accepted = 0;                          // bytes, for writing
    std::error_code write_error{};                     // the first
    tls::shutdown_result closed{};
    std::error_code close_error{};
    std::size_t exceptions = 0;         // that came out of calls
    std::size_t retries = 0;            // calls that would have blocked
    std::chrono::nanoseconds waited{};  // in the handshake and in writes, by the virtual clock

    tests::bytes sent{};     // by the library
    tests::bytes arrived{};  // there, faults included
    tests::bytes peer_sent{};
    bool peer_said_all = false;         // close_notify included, which is the last record then
    std::size_t handshake_arrived = 0;  // bytes, when the handshake was complete
    tests::call_counts calls{};
    tests::call_counts handshake_calls{};
    std::string peer_received{};
    std::string peer_account{};  // raw_peer::account()
    std::vector<int> peer_alerts{};
    std::string wire{};  // memory_end::wire_text()

    void expect(bool holds, std::string_view what) {
        if (!holds) breaches.emplace_back(what);
    }
    // Every byte went both ways, and both sides closed cleanly.
    void expect_all_well();
    // The handshake failed with `why`, and nothing came of it: no peer, no plaintext either way.
    void expect_no_session(std::error_code why);
    // The peer's messages whose records are whole within the first `size` bytes that it sent. Each must fit a record.
    [[nodiscard]] std::string plaintext_within(std::size_t size) const;
    // Bytes of the peer's that make up its part of the handshake.
    [[nodiscard]] std::size_t handshake_size() const;
};

[[nodiscard]] account run(const plan& what);

// Tells Catch what was breached. False if anything was.
bool verdict(const account& seen, std::string_view where);

// Runs the session with fault 0, 1, 2 ... until one comes too late to happen: `fault(plan, i)` puts it in, `judge(account, i)` holds the
// outcome against what must be true and says whether the fault could happen. Stops after a few failures, and gives the number of runs.
std::size_t at_every_index(const plan& what, const std::function<void(plan&, std::size_t)>& fault,
                           const std::function<bool(account&, std::size_t)>& judge, std::size_t first = 0,
                           std::size_t step = 1);

// Every version, role and kind of socket.
void for_each_setting(const std::function<void(const plan&)>& with);
// Every version and role, over the socket with every ability.
void for_each_side(const std::function<void(const plan&)>& with);

// How far apart the bytes are at which a fault is tried: each of them where a connection is most at home, fewer elsewhere.
[[nodiscard]] std::size_t byte_step(const plan& what);

// What the i-th message of either side is.
[[nodiscard]] std::string our_message(std::size_t i, std::size_t size);
[[nodiscard]] std::string their_message(std::size_t i, std::size_t size);

}  // namespace trial

#endif
