// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The work whose instructions and CPU time are measured.
//
//     work transfer END SIZE COUNT   writes SIZE bytes and reads them, COUNT times, in one thread over a socketpair
//     work handshake END COUNT       makes COUNT connections over a socketpair, in one thread
//     work resumed END COUNT         the same, each of them with the session of the one before; a byte brings it
//     work rate END KIND COUNT       the CPU seconds of COUNT such connections, KIND is handshake or resumed; without the first one
//     work seconds END SIZE COUNT    writes COUNT times SIZE bytes over TCP, from one thread to another; prints the CPU seconds

#include "cpu_seconds.hpp"
#include "ends.hpp"

#include <array>
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
void resume() {
    const auto made = bench::connect<End>(bench::unix_pair());
    made.client->set_blocking();
    made.server->set_blocking();
    std::array<std::byte, 1> one{};
    made.server->write(one);
    made.client->read(one);
    static bool first = true;
    bench::require((::SSL_session_reused(made.client->ssl()) != 0) != first, "resumed");
    first = false;
}

template <class End>
void resumed(std::size_t count) {
    bench::resuming = true;
    for (std::size_t i = 0; i < count + 1; ++i) resume<End>();
}

template <class End>
void rate(std::string_view kind, std::size_t count) {
    bench::resuming = kind == "resumed";
    const auto once = [] { bench::resuming ? resume<End>() : handshake<End>(1); };
    once();
    const double before = bench::cpu_seconds();
    for (std::size_t i = 0; i < count; ++i) once();
    std::printf("%.6f\n", bench::cpu_seconds() - before);
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
    const int wanted = what == "handshake" || what == "resumed" ? 4 : 5;
    if (count != wanted) {
        std::fputs("usage: work transfer|seconds END SIZE COUNT, work handshake|resumed END COUNT, work rate END KIND COUNT\n",
                   stderr);
        return 2;
    }
    bench::with_end(words[2], [&]<class End>() {
        if (what == "transfer") transfer<End>(number(words[3]), number(words[4]));
        if (what == "handshake") handshake<End>(number(words[3]));
        if (what == "resumed") resumed<End>(number(words[3]));
        if (what == "rate") rate<End>(words[3], number(words[4]));
        if (what == "seconds") seconds<End>(number(words[3]), number(words[4]));
    });
}
