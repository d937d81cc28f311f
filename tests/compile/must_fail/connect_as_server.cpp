// expect: connect
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Who connects is the client.

#include <tls/tls.hpp>

void use(const tls::client_context& client, const tls::server_context& server) {
    (void)tls::connect("example.test", 443, client);
#ifdef TLS_STREAM_TEST_WRONG
    (void)tls::connect("example.test", 443, server);
#endif
    (void)client;
    (void)server;
}
