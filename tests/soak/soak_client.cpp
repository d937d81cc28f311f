// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The client of test_soak.py: connects to an echo server on loopback many times, over Asio, in one thread.
//
//     soak_client PORT CA_FILE
//
// Each line on its input is answered with one on its output:
//
//     sequence COUNT   makes COUNT connections, one after another
//     together COUNT   makes COUNT connections, all of them open before the first one sends
//     heap 0           the bytes on the heap
//
// A connection sends a few bytes or many, reads as many while it does so, and closes. The answer says how many bytes were sent, how many
// came back the same, and how many connections closed clean. What goes wrong ends the program.

#include <tls/asio.hpp>
#include <tls/context.hpp>
#include <tls/trust.hpp>

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace {

using asio::ip::tcp;

struct outcome {
    std::size_t sent = 0;
    std::size_t same = 0;
    std::size_t clean = 0;
};

void require(const asio::error_code& ec, const char* what) {
    if (ec) throw std::system_error(ec, what);
}

// Whom to visit, and what to say there.
class visits {
public:
    visits(std::uint16_t port, const std::string& ca)
        : server_(asio::ip::address_v4::loopback(), port), context_({.trust = tls::trust_store::from_file(ca)}) {
        std::ranges::generate(text_, [this] { return static_cast<std::byte>(random_()); });
    }

    [[nodiscard]] const tcp::endpoint& server() const { return server_; }
    [[nodiscard]] const tls::client_context& context() const { return context_; }

    // A part of the text that differs from one visit to the next: mostly a few bytes, now and then several records.
    [[nodiscard]] std::span<const std::byte> next() {
        const std::size_t most = ++count_ % 16 == 0 ? text_.size() / 2 : 2000;
        const std::size_t size = 1 + random_() % most;
        return std::span(text_).subspan(random_() % (text_.size() - size), size);
    }

private:
    tcp::endpoint server_;
    tls::client_context context_;
    std::mt19937 random_{1};
    std::size_t count_ = 0;
    std::vector<std::byte> text_ = std::vector<std::byte>(std::size_t{200} << 10);
};

// One connection.
class visit {
public:
    visit(asio::io_context& io, const visits& to, std::span<const std::byte> say)
        : stream_(tcp::socket(io), to.context(), "localhost"), server_(to.server()), say_(say) {}
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;

    // `then` is called with the handshake complete.
    template <class Then>
    void arrive(Then then) {
        stream_.next_layer().async_connect(server_, [this, then](asio::error_code ec) {
            require(ec, "connect");
            stream_.next_layer().set_option(tcp::no_delay(true));
            stream_.async_handshake([then](asio::error_code failed) {
                require(failed, "handshake");
                then();
            });
        });
    }

    // `then` is called with the connection closed.
    template <class Then>
    void talk(outcome& sum, Then then) {
        const auto part = [this, &sum, then] {
            if (--parts_ == 0) leave(sum, then);
        };
        heard_.resize(say_.size());
        asio::async_write(stream_, asio::buffer(say_.data(), say_.size()), [&sum, part](asio::error_code ec, std::size_t n) {
            require(ec, "write");
            sum.sent += n;
            part();
        });
        asio::async_read(stream_, asio::buffer(heard_), [part](asio::error_code ec, std::size_t) {
            require(ec, "read");
            part();
        });
    }

private:
    template <class Then>
    void leave(outcome& sum, Then then) {
        if (std::ranges::equal(heard_, say_)) sum.same += heard_.size();
        stream_.async_close([&sum, then](asio::error_code ec, tls::shutdown_result closed) {
            require(ec, "close");
            if (closed.clean()) ++sum.clean;
            then();
        });
    }

    tls::stream<tcp::socket> stream_;
    tcp::endpoint server_;
    std::span<const std::byte> say_;
    std::vector<std::byte> heard_;
    int parts_ = 2;
};

outcome sequence(visits& to, std::size_t count) {
    asio::io_context io(1);
    outcome sum;
    for (std::size_t i = 0; i < count; ++i) {
        visit one(io, to, to.next());
        one.arrive([&] { one.talk(sum, [] {}); });
        io.restart();
        io.run();
    }
    return sum;
}

outcome together(visits& to, std::size_t count) {
    asio::io_context io(1);
    outcome sum;
    std::vector<std::unique_ptr<visit>> all;
    std::size_t arrived = 0;
    for (std::size_t i = 0; i < count; ++i) all.push_back(std::make_unique<visit>(io, to, to.next()));
    for (const auto& one : all) {
        one->arrive([&] {
            if (++arrived != count) return;
            for (const auto& each : all) each->talk(sum, [] {});
        });
    }
    io.run();
    return sum;
}

void answer(visits& to, const std::string& order, std::size_t count) {
    if (order == "heap") {
        const struct ::mallinfo2 now = ::mallinfo2();
        std::cout << now.uordblks + now.hblkhd << std::endl;
        return;
    }
    if (order != "sequence" && order != "together") throw std::invalid_argument("no such order: " + order);
    const outcome sum = order == "sequence" ? sequence(to, count) : together(to, count);
    std::cout << sum.sent << ' ' << sum.same << ' ' << sum.clean << std::endl;
}

}  // namespace

int main(int argc, char* argv[]) {
    try {
        if (argc != 3) throw std::invalid_argument("usage: soak_client PORT CA_FILE");
        visits to(static_cast<std::uint16_t>(std::stoul(argv[1])), argv[2]);
        std::string order;
        for (std::size_t count = 0; std::cin >> order >> count;) answer(to, order, count);
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "soak_client: " << failed.what() << '\n';
        return 1;
    }
}
