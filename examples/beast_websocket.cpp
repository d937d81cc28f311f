// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A WebSocket server on Boost.Beast (wss://): sends back each message, in a coroutine for each connection. The closing handshake of the
// WebSocket is followed by that of TLS and then TCP's: Beast finds both in namespace tls. SIGINT or SIGTERM ends the program at once.

#include <utility>  // which Boost 1.74's awaitable.hpp lacks

#include <tls/boost_asio.hpp>

#include <tls/context.hpp>
#include <tls/shutdown.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <sstream>
#include <string>

#include "support/boost_server.hpp"
#include "support/server_arguments.hpp"

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using demo::say;
using wss_stream = websocket::stream<tls::stream<beast::tcp_stream>>;

constexpr std::size_t longest_message = std::size_t{1} << 20;

// Until the client closes, or one of its messages is too long: the WebSocket closes by itself then.
asio::awaitable<void> echo(wss_stream& socket, std::size_t& echoed) {
    tls::stream<beast::tcp_stream>& stream = socket.next_layer();
    stream.expires_after(10s);
    co_await stream.async_handshake(use_awaitable);
    stream.expires_never();  // from here on the WebSocket's own limits hold

    socket.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
    socket.read_message_max(longest_message);
    co_await socket.async_accept(use_awaitable);
    for (beast::flat_buffer message;; message.clear()) {
        boost::system::error_code ec;
        co_await socket.async_read(message, redirect_error(use_awaitable, ec));
        if (ec == websocket::error::closed) co_return;  // and so are TLS and TCP
        if (ec) throw boost::system::system_error(ec);
        socket.text(socket.got_text());
        co_await socket.async_write(message.data(), use_awaitable);
        ++echoed;
    }
}

// A client that misbehaves ends its own connection and nothing else.
asio::awaitable<void> serve(tcp::socket accepted, const tls::server_context& context) {
    boost::system::error_code ec;
    std::ostringstream told;
    told << accepted.remote_endpoint(ec) << ": ";
    wss_stream socket(beast::tcp_stream(std::move(accepted)), context);
    std::size_t echoed = 0;
    try {
        co_await echo(socket, echoed);
    } catch (const std::exception& failed) {
        told << failed.what() << ", ";
    }
    told << echoed << " messages, the client's end: " << to_string(socket.next_layer().read_end());
    say(told.str());
}

}  // namespace

int main(int argc, char* argv[]) {
    const auto run = [](const demo::server_arguments& given) {
        const tls::server_context context({.identity = demo::make_credential(given), .alpn = {"http/1.1"}});
        demo::run_boost_server(given, [&](tcp::socket accepted) { return serve(std::move(accepted), context); });
    };
    return demo::server_main(argc, argv, "beast_websocket", "Sends back WebSocket messages over TLS, until SIGINT or SIGTERM.",
                             run);
}
