// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Counts system calls. To be linked with counted_calls.cpp, which replaces the C library's functions: for BoringSSL and Asio as for
// the library.

#ifndef TLS_STREAM_TESTS_BENCH_COUNTED_CALLS_HPP
#define TLS_STREAM_TESTS_BENCH_COUNTED_CALLS_HPP

namespace bench {

struct call_counts {
    unsigned long sends = 0;
    unsigned long receives = 0;
    unsigned long waits = 0;  // epoll_wait, epoll_ctl, poll
};
inline call_counts counted;

}  // namespace bench

#endif
