// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The work whose instructions and CPU time are measured.
//
//     work transfer END SIZE COUNT   writes SIZE bytes and reads them, COUNT times, in one thread over a socketpair
//     work handshake END COUNT       makes COUNT connections over a socketpair, in one thread
//     work seconds END SIZE COUNT    writes COUNT times SIZE bytes over TCP, from one thread to another; prints the CPU seconds

#include "cpu_seconds.hpp"
#include "ends.hpp"

#include <cstddef>
#include <cstdio>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

namespace {

template <class End>
void transfer(std::size_t size, std::size_t count) {
    const auto [client, server] = bench::connect_blocking<End>(bench::unix_pair());
    const std::vector<std::byte> from(size, std::byte{'x'});
    std::vector<std::byte> into(size);
    for (std::size_t i = 0; i < count; ++i) {
        client->write(from);
        server->read(into);
    }
    bench::require(into == from, "what was read is what was written");
}

template <class End>
void handshake(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) bench::connect<End>(bench::unix_pair());
}

template <class End>
void seconds(std::size_t size, std::size_t count) {
    const auto [client, server] = bench::connect_blocking<End>(bench::tcp_pair());
    const double before = bench::cpu_seconds();
    std::thread reader([&server = *server, size, count] {
        std::vector<std::byte> into(size);
        for (std::size_t i = 0; i < count; ++i) server.read(into);
    });
    const std::vector<std::byte> from(size, std::byte{'x'});
    for (std::size_t i = 0; i < count; ++i) client->write(from);
    reader.join();
    std::printf("%.6f\n", bench::cpu_seconds() - before);
}

}  // namespace

int main(int count, char** words) {
    using bench::number;
    const std::string_view what = count > 1 ? words[1] : "";
    const int wanted = what == "handshake" ? 4 : 5;
    if (count != wanted) {
        std::fputs("usage: work transfer|seconds END SIZE COUNT, work handshake END COUNT\n", stderr);
        return 2;
    }
    bench::with_end(words[2], [&]<class End>() {
        if (what == "transfer") transfer<End>(number(words[3]), number(words[4]));
        if (what == "handshake") handshake<End>(number(words[3]));
        if (what == "seconds") seconds<End>(number(words[3]), number(words[4]));
    });
}
