// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F64: what a trust store of many authorities costs, and whom.
//
//     trust AUTHORITIES   prints: the heap of the store, with its first context; of each further context; of each stream; and the
//                         CPU seconds of making the first context, a further one, and a stream
//
// To be run without malloc's per-thread cache, which counts as in use: GLIBC_TUNABLES=glibc.malloc.tcache_count=0.

#include "cpu_seconds.hpp"
#include "ends.hpp"
#include "in_use.hpp"

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace {

struct cost {
    std::size_t heap;
    double seconds;
};

// What `make()` costs for each of `count` things, which live until all are made.
template <class Make>
cost of(std::size_t count, Make make) {
    std::vector<decltype(make())> made;
    made.reserve(count);
    const std::size_t heap = bench::in_use();
    const double seconds = bench::cpu_seconds();
    for (std::size_t i = 0; i < count; ++i) made.push_back(make());
    return {(bench::in_use() - heap) / count, (bench::cpu_seconds() - seconds) / static_cast<double>(count)};
}

std::string authorities(std::size_t count) {
    std::string pem;
    for (std::size_t i = 0; i < count; ++i) pem += tests::make_authority("Authority " + std::to_string(i)).certificate_pem();
    return pem;
}

}  // namespace

int main(int count, char** words) {
    if (count != 2) {
        std::fputs("usage: trust AUTHORITIES\n", stderr);
        return 2;
    }
    const std::string pem = authorities(bench::number(words[1]));
    const auto make_context = [trust = tls::trust_store::from_pem(pem)] { return tls::client_context({.trust = trust}); };
    const cost first = of(1, make_context);
    const tls::client_context context = make_context();
    const cost further = of(100, make_context);
    const cost stream = of(100, [&] { return tls::engine(context, bench::server_name); });
    std::printf("%zu %zu %zu %.9f %.9f %.9f\n", first.heap, further.heap, stream.heap, first.seconds, further.seconds,
                stream.seconds);
}
