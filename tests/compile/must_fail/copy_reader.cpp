// expect: delete|deleted
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// There is one reader and one writer of a stream.

#include <tls/tls.hpp>

#include <utility>

void use(tls::reader<tls::tcp_socket>& reader) {
    tls::reader<tls::tcp_socket> other(std::move(reader));
#ifdef TLS_STREAM_TEST_WRONG
    tls::reader<tls::tcp_socket> copy(other);
#endif
}
