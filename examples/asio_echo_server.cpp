// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Sends back what it gets, to many clients at a time in one thread: a coroutine for each, on standalone Asio. SIGINT or SIGTERM
// stops it: every connection is closed as TLS wants it, within a limit.

#include <tls/asio.hpp>

#include <tls/context.hpp>
#include <tls/shutdown.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <exception>
#include <list>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/server_arguments.hpp"

namespace {

using namespace std::chrono_literals;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using demo::say;
using stream = tls::stream<tcp::socket>;

class echo_server {
public:
    echo_server(asio::io_context& io, const tcp::endpoint& where, tls::server_context context)
        : io_(io), acceptor_(io, where), context_(std::move(context)), grace_(io) {
        asio::co_spawn(io_, accept(), asio::detached);
        asio::co_spawn(io_, stop_on_signal(), asio::detached);
    }

    [[nodiscard]] tcp::endpoint where() const { return acceptor_.local_endpoint(); }

private:
    static constexpr auto handshake_limit = 10s;
    static constexpr auto idle_limit = 5min;
    static constexpr auto write_limit = 30s;
    static constexpr auto close_limit = 2000ms;

    asio::awaitable<void> accept() {
        asio::steady_timer pause(io_);
        while (!stopping_) {
            std::error_code ec;
            tcp::socket accepted = co_await acceptor_.async_accept(redirect_error(use_awaitable, ec));
            if (!ec) {
                start(std::move(accepted));
            } else if (!stopping_) {
                say("cannot accept: " + ec.message());  // out of descriptors, for one: some may soon be free
                pause.expires_after(100ms);
                co_await pause.async_wait(use_awaitable);
            }
        }
    }

    void start(tcp::socket accepted) {
        const auto one = connections_.emplace(connections_.end());
        const auto over = [this, one](const std::exception_ptr&) {
            connections_.erase(one);
            if (connections_.empty()) grace_.cancel();
        };
        asio::co_spawn(io_, serve(std::move(accepted)), asio::bind_cancellation_slot(one->slot(), over));
    }

    // A client that misbehaves ends its own connection and nothing else.
    asio::awaitable<void> serve(tcp::socket socket) {
        // Cancelled, a read ends and the stream goes on to its close; by default a coroutine would end instead.
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        co_await asio::this_coro::throw_if_cancelled(false);

        std::error_code ec;
        std::ostringstream told;
        told << socket.remote_endpoint(ec) << ": ";
        socket.set_option(tcp::no_delay(true), ec);
        stream session(std::move(socket), context_);
        std::size_t echoed = 0;
        try {
            co_await echo(session, echoed);
        } catch (const std::exception& failed) {
            told << failed.what() << ", ";
        }
        session.expires_after(close_limit);
        const tls::shutdown_result closed = co_await session.async_close(redirect_error(use_awaitable, ec));
        told << echoed << " bytes, " << (closed.clean() ? "clean" : "not clean, peer: " + std::string(to_string(closed.peer)));
        say(told.str());
    }

    // Until the client ends, or the server does. Each wait has a limit.
    asio::awaitable<void> echo(stream& session, std::size_t& echoed) {
        session.expires_after(handshake_limit);
        co_await session.async_handshake(use_awaitable);
        std::vector<std::byte> buffer(std::size_t{16} << 10);
        while (!stopping_) {
            std::error_code ec;
            session.expires_after(idle_limit);
            const std::size_t n = co_await session.async_read_some(asio::buffer(buffer), redirect_error(use_awaitable, ec));
            if (ec == asio::error::eof || (stopping_ && ec == asio::error::operation_aborted)) co_return;
            if (ec) throw std::system_error(ec);
            session.expires_after(write_limit);
            co_await asio::async_write(session, asio::buffer(buffer, n), use_awaitable);
            echoed += n;
        }
    }

    // No new connections, and those that there are begin to close; what does not come to its end by itself is ended.
    asio::awaitable<void> stop_on_signal() {
        asio::signal_set signals(io_, SIGINT, SIGTERM);
        co_await signals.async_wait(use_awaitable);
        say("stopping");
        stopping_ = true;
        acceptor_.close();
        for (asio::cancellation_signal& one : connections_) one.emit(asio::cancellation_type::total);
        if (connections_.empty()) co_return;
        std::error_code ignored;
        grace_.expires_after(close_limit + 500ms);
        co_await grace_.async_wait(redirect_error(use_awaitable, ignored));
        for (asio::cancellation_signal& one : connections_) one.emit(asio::cancellation_type::terminal);
    }

    asio::io_context& io_;
    tcp::acceptor acceptor_;
    tls::server_context context_;
    std::list<asio::cancellation_signal> connections_;
    asio::steady_timer grace_;
    bool stopping_ = false;
};

}  // namespace

int main(int argc, char* argv[]) {
    const auto serve = [](const demo::server_arguments& given) {
        asio::io_context io(1);  // one thread
        const tcp::endpoint where(asio::ip::make_address(given.address), given.port);
        echo_server server(io, where, tls::server_context({.identity = demo::make_credential(given)}));
        std::ostringstream told;
        told << "listening on " << server.where();
        say(told.str());
        io.run();
        say("stopped");
    };
    return demo::server_main(argc, argv, "asio_echo_server", "Sends back what it gets over TLS, until SIGINT or SIGTERM.",
                             serve);
}
