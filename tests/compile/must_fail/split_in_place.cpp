// expect: no matching function|cannot bind
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A stream that is taken apart is given away.

#include <tls/tls.hpp>

#include <utility>

void use(tls::stream<tls::tcp_socket>& s) {
    (void)tls::split(std::move(s));
#ifdef TLS_STREAM_TEST_WRONG
    (void)tls::split(s);
#endif
}
