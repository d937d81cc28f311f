// expect: no member named .write'|has no member named .write
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A reader reads.

#include <tls/tls.hpp>

std::size_t use(tls::reader<tls::tcp_socket>& reader) {
    char some[10];
    std::size_t n = reader.read_some(some);
#ifdef TLS_STREAM_TEST_WRONG
    n += reader.write("text");
#endif
    return n;
}
