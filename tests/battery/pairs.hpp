// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Connections for the faces that block: two sockets, `first` and `second`, in memory, over a socketpair, and over TCP.

#ifndef TLS_STREAM_TESTS_BATTERY_PAIRS_HPP
#define TLS_STREAM_TESTS_BATTERY_PAIRS_HPP

#include <support/session.hpp>
#include <support/taped_socket.hpp>
#include <support/tcp_tools.hpp>
#include <support/testing.hpp>

#include <tls/protocol.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace battery {

struct memory_pair {
    using socket_type = tests::memory_socket;
    tests::memory_network net{{.wait = tests::waiting::threads}};
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

// Both ends of a connection, made by `Pair`, each as a `Face` of a stream over a socket that is taped.
template <template <class> class Face, class Pair>
class taped_transport {
public:
    using socket_type = tests::taped_socket<typename Pair::socket_type>;
    using face = Face<socket_type>;

    taped_transport(tls::protocol_version version, std::size_t chunk) : version_(version), chunk_(chunk) {}

    face client() {
        return face(tls::stream<socket_type>(socket_type(std::move(pair_.first), chunk_, client_tape_),
                                             tests::client_of(version_), "localhost"));
    }
    face server() {
        return face(
            tls::stream<socket_type>(socket_type(std::move(pair_.second), chunk_, server_tape_), tests::server_of(version_)));
    }
    [[nodiscard]] const tests::tape& client_tape() const { return *client_tape_; }
    [[nodiscard]] const tests::tape& server_tape() const { return *server_tape_; }

private:
    tls::protocol_version version_;
    std::size_t chunk_;
    Pair pair_;
    std::shared_ptr<tests::tape> client_tape_ = std::make_shared<tests::tape>();
    std::shared_ptr<tests::tape> server_tape_ = std::make_shared<tests::tape>();
};

}  // namespace battery

#endif
