// expect: read
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What is read into a temporary is lost.

#include <tls/tls.hpp>

#include <vector>

void use(tls::stream<tls::tcp_socket>& s) {
    std::vector<char> room(5);
    (void)s.read(room);
#ifdef TLS_STREAM_TEST_WRONG
    (void)s.read(std::vector<char>(5));
#endif
}
