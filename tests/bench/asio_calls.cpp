// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Counts system calls over Asio.
//
//     asio_calls END SIZE COUNT   a connection over TCP on which SIZE bytes are written COUNT times, both ends in one thread; prints how
//                                 many send calls, receive calls, and calls that wait or prepare for waiting it took from its beginning
//                                 to its end

#include "asio_ends.hpp"
#include "counted_calls.hpp"

#include <cstdio>

int main(int count, char** words) {
    if (count != 4) {
        std::fputs("usage: asio_calls END SIZE COUNT\n", stderr);
        return 2;
    }
    bench::with_asio_end<bench::asio_ssl_default, bench::asio_ssl_tuned, bench::our_asio_end>(words[1], [&]<class End>() {
        bench::counted = {};
        bench::transfer_over_asio<End>(bench::number(words[2]), 1, bench::number(words[3]));
        std::printf("%lu %lu %lu\n", bench::counted.sends, bench::counted.receives, bench::counted.waits);
    });
}
