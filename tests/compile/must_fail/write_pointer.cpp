// expect: delete|deleted
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A pointer does not say how many bytes there are.

#include <tls/tls.hpp>

void use(tls::stream<tls::tcp_socket>& s) {
    (void)s.write("text");
#ifdef TLS_STREAM_TEST_WRONG
    const char* text = "text";
    (void)s.write(text);
#endif
}
