// expect: release
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A stream that gives its socket away is given away itself.

#include <tls/tls.hpp>

#include <utility>

void use(tls::stream<tls::tcp_socket>& s) {
    (void)std::move(s).release();
#ifdef TLS_STREAM_TEST_WRONG
    (void)s.release();
#endif
}
