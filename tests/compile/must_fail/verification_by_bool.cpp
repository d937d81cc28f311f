// expect: verif|conver
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Turning verification off takes an ugly name.

#include <tls/tls.hpp>

void use(const tls::client_context& client, const tls::server_context& server) {
    (void)tls::client_options{.verification = tls::verify_mode::dangerously_none};
#ifdef TLS_STREAM_TEST_WRONG
    (void)tls::client_options{.verification = false};
#endif
    (void)client;
    (void)server;
}
