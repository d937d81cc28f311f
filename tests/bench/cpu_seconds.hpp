// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The processor's time.

#ifndef TLS_STREAM_TESTS_BENCH_CPU_SECONDS_HPP
#define TLS_STREAM_TESTS_BENCH_CPU_SECONDS_HPP

#include "ends.hpp"

#include <sys/resource.h>
#include <sys/time.h>

namespace bench {

// Of all threads of this process, the kernel's part included.
inline double cpu_seconds() {
    ::rusage used{};
    require(::getrusage(RUSAGE_SELF, &used) == 0, "getrusage");
    const auto seconds = [](const ::timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace bench

#endif
