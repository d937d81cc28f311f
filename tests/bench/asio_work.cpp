// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The work over Asio whose instructions and CPU time are measured. All over TCP, in one thread.
//
//     asio_work transfer END SIZE PARTS COUNT   a connection on which SIZE bytes, in so many buffers, are written COUNT times
//     asio_work handshake END COUNT             COUNT connections, one after another, that are made and closed
//     asio_work seconds END SIZE PARTS COUNT    as transfer; prints the CPU seconds
//     asio_work version                         prints which Asio this is

#include "asio_ends.hpp"
#include "cpu_seconds.hpp"

#include <asio/version.hpp>

#include <cstddef>
#include <cstdio>
#include <string_view>

namespace {

template <class End>
void handshakes(std::size_t count) {
    asio::io_context io(1);
    for (std::size_t i = 0; i < count; ++i) {
        bench::asio_transfer<End, asio::const_buffer> one(io, asio::const_buffer(), 0);
        one.start();
        io.run();
        io.restart();
        bench::require(one.complete(), "a connection");
    }
}

}  // namespace

int main(int count, char** words) {
    using bench::number;
    const std::string_view what = count > 1 ? words[1] : "";
    const int wanted = what == "version" ? 2 : what == "handshake" ? 4 : 6;
    if (count != wanted) {
        std::fputs("usage: asio_work transfer|seconds END SIZE PARTS COUNT, asio_work handshake END COUNT, asio_work version\n",
                   stderr);
        return 2;
    }
    if (what == "version") {
        std::printf("%d.%d.%d\n", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
        return 0;
    }
    bench::with_asio_end<bench::asio_ssl_default, bench::asio_ssl_tuned, bench::our_asio_end>(words[2], [&]<class End>() {
        if (what == "handshake") return handshakes<End>(number(words[3]));
        const double before = bench::cpu_seconds();
        bench::transfer_over_asio<End>(number(words[3]), number(words[4]), number(words[5]));
        if (what == "seconds") std::printf("%.6f\n", bench::cpu_seconds() - before);
    });
}
