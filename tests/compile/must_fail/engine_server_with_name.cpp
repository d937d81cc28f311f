// expect: engine
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A server has no name to verify.

#include <tls/tls.hpp>

void use(const tls::client_context& client, const tls::server_context& server) {
    tls::engine right(server);
#ifdef TLS_STREAM_TEST_WRONG
    tls::engine wrong(server, "example.test");
#endif
    (void)client;
    (void)server;
}
