// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What idle connections over Asio, a read outstanding on each, keep on the heap.
//
//     asio_heap END COUNT   makes COUNT connections, sends something both ways on each, and leaves them reading; prints the bytes of
//                           each server and of each client
//
// The other end is BoringSSL's own calls, whose bytes are not counted. What is in the caller's buffer is not either. To be run
// without malloc's per-thread cache, which counts as in use: GLIBC_TUNABLES=glibc.malloc.tcache_count=0.

#include "asio_ends.hpp"
#include "in_use.hpp"

#include <asio/read.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using some_bytes = std::array<std::byte, 100>;

// Runs what is ready until `done`.
template <class Done>
void run_until(asio::io_context& io, Done&& done) {
    while (!done()) {
        io.restart();
        io.poll();
    }
}

// Makes the connection, and sends something both ways.
template <class End>
void acquaint(asio::io_context& io, End& end, bench::raw_end& peer) {
    bool ready = false;
    bool peer_ready = false;
    end.async_handshake([&](asio::error_code ec) {
        bench::require(ec, "handshake");
        ready = true;
    });
    run_until(io, [&] { return (peer_ready = peer_ready || peer.handshake()) && ready; });
    bench::require_cipher(peer.ssl());
    peer.set_blocking();

    some_bytes bytes{};
    std::size_t moved = 0;
    const auto count = [&](asio::error_code ec, std::size_t n) {
        bench::require(ec, "the first bytes");
        moved += n;
    };
    peer.write(bytes);
    asio::async_read(end.stream(), asio::buffer(bytes), count);
    run_until(io, [&] { return moved == bytes.size(); });
    asio::async_write(end.stream(), asio::buffer(bytes), count);
    run_until(io, [&] { return moved == 2 * bytes.size(); });
    peer.read(bytes);
}

// The bytes on the heap for each of `count` ends that read.
template <class End>
std::size_t measure(tls::role side, std::size_t count) {
    static constexpr bool plain = std::is_same_v<End, bench::plain_asio_end>;
    const tls::role other = side == tls::role::client ? tls::role::server : tls::role::client;
    asio::io_context io(1);
    some_bytes into{};
    std::vector<std::unique_ptr<End>> idle;
    std::vector<std::unique_ptr<bench::raw_end>> peers;
    idle.reserve(count + 1);
    peers.reserve(count + 1);
    const auto add = [&] {
        const bench::descriptors made = bench::tcp_pair();
        idle.push_back(std::make_unique<End>(side, bench::adopt(io, made.client)));
        bench::set_blocking(made.server, false);
        peers.push_back(std::make_unique<bench::raw_end>(other, made.server));
        if constexpr (!plain) acquaint(io, *idle.back(), *peers.back());
        // Never called before what is measured has been: nobody sends anything more.
        idle.back()->stream().async_read_some(asio::buffer(into), [](asio::error_code, std::size_t) {});
        io.restart();
        io.poll();
    };
    add();  // what is made once for all
    const std::size_t one = bench::in_use();
    for (std::size_t i = 0; i < count; ++i) add();
    const std::size_t all = bench::in_use();
    peers.clear();
    const std::size_t of_peers = all - bench::in_use();
    return (all - one) / count - of_peers / (count + 1);
}

}  // namespace

int main(int count, char** words) {
    if (count != 3) {
        std::fputs("usage: asio_heap END COUNT\n", stderr);
        return 2;
    }
    bench::with_asio_end<bench::plain_asio_end, bench::asio_ssl_default, bench::asio_ssl_tuned, bench::our_asio_end>(
        words[1], [&]<class End>() {
            const std::size_t server = measure<End>(tls::role::server, bench::number(words[2]));
            const std::size_t client = measure<End>(tls::role::client, bench::number(words[2]));
            std::printf("%zu %zu\n", server, client);
        });
}
