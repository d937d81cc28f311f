// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// flags: -fno-rtti
// The library needs exceptions, but not the types' names at run time.

#include <tls/tls.hpp>

void use(tls::stream<tls::tcp_socket>& s) {
    char buffer[5];
    (void)s.read(buffer);
    (void)s.close();
}
