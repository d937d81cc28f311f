// expect: no member named .read_some'|has no member named .read_some
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A writer writes.

#include <tls/tls.hpp>

std::size_t use(tls::writer<tls::tcp_socket>& writer) {
    std::size_t n = writer.write("text");
#ifdef TLS_STREAM_TEST_WRONG
    char some[10];
    n += writer.read_some(some);
#endif
    return n;
}
