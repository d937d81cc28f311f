// expect: no member named .write_some'|has no member named .write_some
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What finish() leaves cannot write any more, and the compiler knows it.

#include <tls/tls.hpp>

#include <utility>

std::size_t use(tls::stream<tls::tcp_socket>& s) {
    auto rest = std::move(s).finish();
    char some[10];
    std::size_t n = rest.read_some(some);
#ifdef TLS_STREAM_TEST_WRONG
    n += rest.write_some("text");
#endif
    return n;
}
