// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What idle connections keep on the heap.
//
//     heap END COUNT   makes COUNT connections, sends something both ways on each, and lets them go again; prints the bytes that went
//                      with each server and with each client
//
// To be run without malloc's per-thread cache, which counts as in use: GLIBC_TUNABLES=glibc.malloc.tcache_count=0.

#include "ends.hpp"
#include "in_use.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

template <class End>
void measure(std::size_t count) {
    std::vector<bench::connection<End>> idle;
    for (std::size_t i = 0; i < count; ++i) {
        idle.push_back(bench::connect_blocking<End>(bench::unix_pair()));
        std::array<std::byte, 100> some{};
        idle.back().client->write(some);
        idle.back().server->read(some);
        idle.back().server->write(some);
        idle.back().client->read(some);
    }
    const std::size_t all = bench::in_use();
    for (auto& one : idle) one.server.reset();
    const std::size_t clients = bench::in_use();
    for (auto& one : idle) one.client.reset();
    const std::size_t none = bench::in_use();
    std::printf("%zu %zu\n", (all - clients) / count, (clients - none) / count);
}

}  // namespace

int main(int count, char** words) {
    if (count != 3) {
        std::fputs("usage: heap END COUNT\n", stderr);
        return 2;
    }
    bench::with_end(words[1], [&]<class End>() { measure<End>(bench::number(words[2])); });
}
