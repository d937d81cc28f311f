// expect: write
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Numbers have an order of bytes of their own.

#include <tls/tls.hpp>

#include <vector>

void use(tls::stream<tls::tcp_socket>& s) {
    std::vector<unsigned char> bytes(5);
    (void)s.write(bytes);
#ifdef TLS_STREAM_TEST_WRONG
    std::vector<int> numbers(5);
    (void)s.write(numbers);
#endif
}
