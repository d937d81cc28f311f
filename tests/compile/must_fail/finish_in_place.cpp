// expect: rvalue|as .this. argument|qualifiers
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A stream that becomes a reader is given away.

#include <tls/tls.hpp>

#include <utility>

void use(tls::stream<tls::tcp_socket>& s) {
    (void)std::move(s).finish();
#ifdef TLS_STREAM_TEST_WRONG
    (void)s.finish();
#endif
}
