// expect: shutdown
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// POSIX's constants are numbers too.

#include <tls/tls.hpp>

#include <sys/socket.h>

void use(tls::stream<tls::tcp_socket>& s) {
    (void)s.shutdown(tls::shutdown_mode::both);
#ifdef TLS_STREAM_TEST_WRONG
    (void)s.shutdown(SHUT_RDWR);
#endif
}
