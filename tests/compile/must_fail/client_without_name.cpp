// expect: stream
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A client says whom it wants to talk to.

#include <tls/tls.hpp>

void use(const tls::client_context& client, const tls::server_context& server) {
    tls::stream<tls::tcp_socket> right(tls::tcp_socket(3), client, "example.test");
#ifdef TLS_STREAM_TEST_WRONG
    tls::stream<tls::tcp_socket> wrong(tls::tcp_socket(3), client);
#endif
    (void)client;
    (void)server;
}
