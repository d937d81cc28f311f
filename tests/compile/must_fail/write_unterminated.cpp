// expect: not a constant expression|constant expression
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// An array of const char without a NUL at its end is no string literal.

#include <tls/tls.hpp>

#include <span>

void use(tls::stream<tls::tcp_socket>& s) {
    static constexpr char text[4] = {'t', 'e', 'x', 't'};
    (void)s.write(std::span(text));
#ifdef TLS_STREAM_TEST_WRONG
    (void)s.write(text);
#endif
}
