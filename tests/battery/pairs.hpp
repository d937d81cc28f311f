// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Connections for the faces that block: two sockets, `first` and `second`, in memory, over a socketpair, and over TCP.

#ifndef TLS_STREAM_TESTS_BATTERY_PAIRS_HPP
#define TLS_STREAM_TESTS_BATTERY_PAIRS_HPP

#include <support/memory_socket.hpp>
#include <support/tcp_tools.hpp>

#include <tls/tcp.hpp>

#include <utility>

namespace battery {

struct memory_pair {
    using socket_type = tests::memory_socket;
    tests::network net{{.wait = tests::waiting::threads}};
    socket_type first = net.a().socket();
    socket_type second = net.b().socket();
};

struct real_pair {
    using socket_type = tls::tcp_socket;
    socket_type first;
    socket_type second;

protected:
    explicit real_pair(tests::socket_pair made) : first(std::move(made.a)), second(std::move(made.b)) {}
};
struct unix_pair : real_pair {
    unix_pair() : real_pair(tests::unix_pair()) {}
};
struct tcp_pair : real_pair {
    tcp_pair() : real_pair(tests::tcp_pair()) {}
};

}  // namespace battery

#endif
