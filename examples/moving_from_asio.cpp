// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What docs/moving-from-asio.md moves to: a client over tls::stream. What it moves from is tests/examples/before_asio.cpp.
// `moving_from_asio HOST PORT CA-FILE` asks the server and prints its answer.

#include <tls/asio.hpp>
#include <tls/tls.hpp>

#include <asio.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
using asio::use_awaitable;
using asio::ip::tcp;

namespace {

asio::awaitable<void> ask(std::string host, std::string port, tls::client_context context, std::string question) {
    const auto executor = co_await asio::this_coro::executor;
    tls::stream<tcp::socket> stream(tcp::socket(executor), context, host);

    tcp::resolver resolver(executor);
    co_await asio::async_connect(stream.lowest_layer(), co_await resolver.async_resolve(host, port, use_awaitable),
                                 use_awaitable);
    stream.expires_after(30s);
    co_await asio::async_write(stream, asio::buffer(question), use_awaitable);  // the handshake runs by itself

    std::string answer;
    std::error_code ec;
    co_await asio::async_read(stream, asio::dynamic_buffer(answer), asio::redirect_error(use_awaitable, ec));
    if (ec != asio::error::eof) throw std::system_error(ec);
    std::cout << answer;

    co_await stream.async_close(use_awaitable);
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 4) return 2;
    try {
        const tls::client_context context({.trust = tls::trust_store::from_file(argv[3])});
        asio::io_context loop;
        std::exception_ptr failed;
        asio::co_spawn(loop, ask(argv[1], argv[2], context, "Are you there?\n"), [&](std::exception_ptr why) { failed = why; });
        loop.run();
        if (failed) std::rethrow_exception(failed);
    } catch (const std::exception& failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
