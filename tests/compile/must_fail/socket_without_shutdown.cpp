// expect: tls::socket|concept .*socket
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A type that lacks shutdown is no socket, and the message says which concept it is that it lacks.

#include <tls/tls.hpp>

#include <cstddef>
#include <span>
#include <system_error>

class incomplete {
public:
    std::size_t read_some(std::span<std::byte>, std::error_code& ec) { return ec.clear(), 0; }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) { return ec.clear(), from.size(); }
#ifndef TLS_STREAM_TEST_WRONG
    void shutdown(tls::shutdown_mode, std::error_code& ec) { ec.clear(); }
#endif
    void close(std::error_code& ec) { ec.clear(); }
};

void use(const tls::client_context& client) { tls::stream<incomplete> s(incomplete(), client, "example.test"); }
