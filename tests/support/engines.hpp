// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A handshake of the library with itself, without any I/O.

#ifndef TLS_STREAM_TESTS_SUPPORT_ENGINES_HPP
#define TLS_STREAM_TESTS_SUPPORT_ENGINES_HPP

#include <support/stale_errors.hpp>

#include <tls/context.hpp>
#include <tls/engine.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace tests {

// Carries output of one engine to the input of another; true if there was any.
inline bool carry(tls::engine& from, tls::engine& to) {
    const bool any = !from.output().empty();
    while (!from.output().empty()) {
        const auto space = to.input_space();
        const std::size_t n = std::min(space.size(), from.output().size());
        std::copy_n(from.output().begin(), n, space.begin());
        to.input_received(n);
        from.output_sent(n);
    }
    return any;
}

// Both sides of a handshake, as far as it comes, and what each says.
struct engine_handshake {
    engine_handshake(const tls::client_context& for_client, const tls::server_context& for_server,
                     std::string_view name = "localhost", const tls::connection_options& options = {})
        : client(for_client, name, options), server(for_server) {
        go_on();
    }

    engine_handshake(const tls::client_options& for_client, const tls::server_options& for_server,
                     std::string_view name = "localhost")
        : engine_handshake(tls::client_context(for_client), tls::server_context(for_server), name) {}

    // From where it stopped.
    void go_on() {
        bool moved = true;
        while (moved) {
            advance(client, client_error);
            moved = carry(client, server);
            advance(server, server_error);
            moved = carry(server, client) || moved;
        }
        if (!queue_is_empty()) throw std::logic_error("a handshake leaves something on BoringSSL's error queue");
    }

    [[nodiscard]] bool complete() const { return !client_error && !server_error && client.version() && server.version(); }

    tls::engine client;
    tls::engine server;
    std::error_code client_error{};
    std::error_code server_error{};

private:
    // A read as well: in TLS 1.3 the client is done before the server has seen its certificate.
    static void advance(tls::engine& side, std::error_code& error) {
        std::array<char, 100> buffer;
        if (!error) error = side.version() ? side.read(buffer).error : side.handshake().error;
    }
};

}  // namespace tests

#endif
