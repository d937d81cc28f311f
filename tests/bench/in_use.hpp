// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The heap.

#ifndef TLS_STREAM_TESTS_BENCH_IN_USE_HPP
#define TLS_STREAM_TESTS_BENCH_IN_USE_HPP

#include <malloc.h>

#include <cstddef>

namespace bench {

// Bytes in use, malloc's own overhead included.
inline std::size_t in_use() {
    const struct ::mallinfo2 now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
}

}  // namespace bench

#endif
