// expect: no matching function
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Halves over different sockets are of different streams.

#include <tls/tls.hpp>

#include <utility>

void use(tls::reader<tls::tcp_socket> reader, tls::writer<tls::tcp_socket> writer, tls::writer<tls::tcp_socket&> other) {
    (void)tls::join(std::move(reader), std::move(writer));
    other.abort();
#ifdef TLS_STREAM_TEST_WRONG
    (void)tls::join(std::move(reader), std::move(other));
#endif
}
