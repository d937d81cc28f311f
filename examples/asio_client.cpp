// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Asks a web server for its first page, in a coroutine on standalone Asio, and tells whether all of it came and how the connection
// was closed. `asio_client HOST PORT [CA-FILE]`

#include <tls/asio.hpp>

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/trust.hpp>

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/error.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace {

using namespace std::chrono_literals;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;

constexpr std::size_t longest_page = std::size_t{64} << 20;

// Looking the name up and connecting are not the stream's, so its deadline does not hold for them: a timer races them.
asio::awaitable<tcp::socket> connect(const std::string& host, const std::string& port, std::chrono::seconds limit) {
    using namespace asio::experimental::awaitable_operators;
    const auto executor = co_await asio::this_coro::executor;
    tcp::resolver resolver(executor);
    tcp::socket socket(executor);
    asio::steady_timer timer(executor, limit);
    // `||` waits for the first that succeeds, so that a failure must not be an exception here.
    const auto dial = [&]() -> asio::awaitable<std::error_code> {
        std::error_code ec;
        const auto found = co_await resolver.async_resolve(host, port, redirect_error(use_awaitable, ec));
        if (!ec) co_await asio::async_connect(socket, found, redirect_error(use_awaitable, ec));
        co_return ec;
    };
    const auto first = co_await (dial() || timer.async_wait(use_awaitable));
    const std::error_code ec = first.index() == 0 ? std::get<0>(first) : std::make_error_code(std::errc::timed_out);
    if (ec) throw std::system_error(ec, "connect");
    socket.set_option(tcp::no_delay(true));
    co_return socket;
}

// Only the peer's close_notify, which Asio calls eof, says that nothing is missing.
std::string describe(std::error_code end_of_page) {
    if (end_of_page == asio::error::eof) return "complete";
    if (end_of_page == tls::errc::truncated) return "TRUNCATED: the connection ended without close_notify";
    return end_of_page ? "cut short: " + end_of_page.message() : "and more than this client takes";
}

std::string describe(const tls::shutdown_result& closed, std::error_code ec) {
    std::ostringstream told;
    if (ec) told << "closing failed: " << ec.message();
    else told << (closed.clean() ? "closed clean" : "closed, not clean");
    told << " (close_notify " << (closed.close_notify_sent ? "sent" : "not sent");
    told << ", FIN " << (closed.transport_shut_down ? "sent" : "not sent");
    told << ", peer " << to_string(closed.peer) << ", " << closed.discarded << " bytes discarded";
    told << (closed.timed_out ? ", timed out)" : closed.limit_reached ? ", limit reached)" : ")");
    return told.str();
}

// True if the whole page came.
asio::awaitable<bool> fetch(std::string host, std::string port, tls::client_context context) {
    tls::stream<tcp::socket> stream(co_await connect(host, port, 10s), context, host);

    stream.expires_after(10s);
    co_await stream.async_handshake(use_awaitable);

    stream.expires_after(30s);  // the request and the answer together
    const std::string request = "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
    co_await asio::async_write(stream, asio::buffer(request), use_awaitable);

    std::string page;
    std::error_code end;
    co_await asio::async_read(stream, asio::dynamic_buffer(page, longest_page), redirect_error(use_awaitable, end));
    std::cout << page << std::flush;

    stream.expires_never();  // the close has a limit of its own
    std::error_code ec;
    const tls::shutdown_result closed = co_await stream.async_close({.timeout = 5s}, redirect_error(use_awaitable, ec));
    std::cerr << page.size() << " bytes, " << describe(end) << "; " << describe(closed, ec) << '\n';
    co_return end == asio::error::eof;
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 3 && argc != 4) {
        std::cerr << "usage: asio_client HOST PORT [CA-FILE]\n";
        return 2;
    }
    try {
        tls::client_options options;
        if (argc == 4) options.trust = tls::trust_store::from_file(argv[3]);
        asio::io_context io(1);
        auto complete = asio::co_spawn(io, fetch(argv[1], argv[2], tls::client_context(options)), asio::use_future);
        io.run();
        return complete.get() ? 0 : 1;
    } catch (const std::exception& failed) {
        std::cerr << "asio_client: " << failed.what() << '\n';
        return 1;
    }
}
