// expect: context|conver
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A role is part of a context's type.

#include <tls/tls.hpp>

void use(const tls::client_context& client, const tls::server_context& server) {
    tls::client_context right = client;
#ifdef TLS_STREAM_TEST_WRONG
    tls::client_context wrong = server;
#endif
    (void)client;
    (void)server;
}
