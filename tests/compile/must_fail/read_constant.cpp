// expect: read
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Nothing can be read into what is constant.

#include <tls/tls.hpp>

#include <vector>

void use(tls::stream<tls::tcp_socket>& s) {
    std::vector<char> room(5);
    (void)s.read(room);
#ifdef TLS_STREAM_TEST_WRONG
    const std::vector<char> constant(5);
    (void)s.read(constant);
#endif
}
