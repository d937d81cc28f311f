// expect: shutdown
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A number is no direction: Python's and POSIX's SHUT_RDWR is 2.

#include <tls/tls.hpp>

void use(tls::stream<tls::tcp_socket>& s) {
    (void)s.shutdown(tls::shutdown_mode::both);
#ifdef TLS_STREAM_TEST_WRONG
    (void)s.shutdown(2);
#endif
}
