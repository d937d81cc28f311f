// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Counts system calls.
//
//     calls END SIZE COUNT   writes SIZE bytes and reads them, COUNT times, in one thread over a socketpair; prints how many send and
//                            how many receive calls that took

#include "counted_calls.hpp"
#include "ends.hpp"

#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

template <class End>
void transfer(std::size_t size, std::size_t count) {
    const auto [client, server] = bench::connect_blocking<End>(bench::unix_pair());
    const std::vector<std::byte> from(size, std::byte{'x'});
    std::vector<std::byte> into(size);
    bench::counted = {};
    for (std::size_t i = 0; i < count; ++i) {
        client->write(from);
        server->read(into);
    }
    std::printf("%lu %lu\n", bench::counted.sends, bench::counted.receives);
}

}  // namespace

int main(int count, char** words) {
    if (count != 4) {
        std::fputs("usage: calls END SIZE COUNT\n", stderr);
        return 2;
    }
    bench::with_end(words[1], [&]<class End>() { transfer<End>(bench::number(words[2]), bench::number(words[3])); });
}
