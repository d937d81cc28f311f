// expect: delete|deleted
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A stream is one end of one connection.

#include <tls/tls.hpp>

#include <utility>

void use(tls::stream<tls::tcp_socket>& s) {
    tls::stream<tls::tcp_socket> other(std::move(s));
#ifdef TLS_STREAM_TEST_WRONG
    s = other;
#endif
}
