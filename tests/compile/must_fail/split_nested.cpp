// expect: TLS in TLS cannot be split
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The stream below is for one thread at a time. What finish() leaves is, too.

#include <tls/tls.hpp>

#include <utility>

void use(tls::stream<tls::stream<tls::tcp_socket>>& nested, tls::stream<tls::stream<tls::tcp_socket>>& other) {
    (void)std::move(other).finish();
#ifdef TLS_STREAM_TEST_WRONG
    (void)tls::split(std::move(nested));
#else
    nested.abort();
#endif
}
