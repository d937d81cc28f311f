// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What docs/moving-from-asio.md moves from: a client over asio::ssl::stream. `before_asio HOST PORT CA-FILE` asks the server and prints
// its answer.

#include <asio.hpp>
#include <asio/ssl.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
using asio::use_awaitable;
using asio::ip::tcp;
namespace ssl = asio::ssl;

namespace {

asio::awaitable<void> ask(std::string host, std::string port, ssl::context& context, std::string question) {
    const auto executor = co_await asio::this_coro::executor;
    ssl::stream<tcp::socket> stream(executor, context);
    stream.set_verify_mode(ssl::verify_peer);
    stream.set_verify_callback(ssl::host_name_verification(host));
    if (SSL_set_tlsext_host_name(stream.native_handle(), host.c_str()) != 1) throw std::runtime_error("SNI");

    // A limit: whatever is outstanding fails when the socket is closed.
    asio::steady_timer limit(executor, 30s);
    limit.async_wait([&stream](std::error_code ec) {
        if (!ec) stream.lowest_layer().close();
    });

    tcp::resolver resolver(executor);
    co_await asio::async_connect(stream.lowest_layer(), co_await resolver.async_resolve(host, port, use_awaitable),
                                 use_awaitable);
    co_await stream.async_handshake(ssl::stream_base::client, use_awaitable);
    co_await asio::async_write(stream, asio::buffer(question), use_awaitable);

    std::string answer;
    std::error_code ec;
    co_await asio::async_read(stream, asio::dynamic_buffer(answer), asio::redirect_error(use_awaitable, ec));
    if (ec != asio::error::eof) throw std::system_error(ec);
    std::cout << answer;

    co_await stream.async_shutdown(asio::redirect_error(use_awaitable, ec));
    stream.lowest_layer().close();
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 4) return 2;
    try {
        ssl::context context(ssl::context::tls_client);
        context.load_verify_file(argv[3]);
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
