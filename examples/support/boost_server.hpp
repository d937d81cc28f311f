// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a server on Boost.Asio does beside serving: accepts, in one thread, a coroutine for each connection.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_BOOST_SERVER_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_BOOST_SERVER_HPP

#include <utility>  // which Boost 1.74's awaitable.hpp lacks

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <csignal>
#include <sstream>

#include "server_arguments.hpp"

namespace demo {

// serve(socket) is an awaitable<void>.
template <class Serve>
boost::asio::awaitable<void> accept_each(boost::asio::ip::tcp::acceptor& acceptor, const Serve& serve) {
    boost::asio::steady_timer pause(acceptor.get_executor());
    for (;;) {
        boost::system::error_code ec;
        auto accepted = co_await acceptor.async_accept(boost::asio::redirect_error(boost::asio::use_awaitable, ec));
        if (!ec) {
            accepted.set_option(boost::asio::ip::tcp::no_delay(true), ec);
            boost::asio::co_spawn(acceptor.get_executor(), serve(std::move(accepted)), boost::asio::detached);
        } else {
            say("cannot accept: " + ec.message());  // out of descriptors, for one: some may soon be free
            pause.expires_after(std::chrono::milliseconds(100));
            co_await pause.async_wait(boost::asio::use_awaitable);
        }
    }
}

// Until SIGINT or SIGTERM, which end it at once, connections included.
template <class Serve>
void run_boost_server(const server_arguments& given, const Serve& serve) {
    boost::asio::io_context io(1);  // one thread
    boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::make_address(given.address), given.port});
    std::ostringstream told;
    told << "listening on " << acceptor.local_endpoint();
    say(told.str());
    boost::asio::co_spawn(io, accept_each(acceptor, serve), boost::asio::detached);
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&io](boost::system::error_code, int) { io.stop(); });
    io.run();
    say("stopped");
}

}  // namespace demo

#endif
