// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The pieces of docs/asio.md, running against each other on loopback, on standalone Asio.

#include <tls/asio.hpp>

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/trust.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/detached.hpp>
#include <asio/error.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "support/identity.hpp"

namespace {

using namespace std::chrono_literals;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using stream = tls::stream<tcp::socket>;

// --- A server ---

// Reads a question, up to the client's close_notify, and answers it.
asio::awaitable<void> answer(tcp::socket socket, tls::server_context context) {
    stream session(std::move(socket), context);
    session.expires_after(30s);
    std::string question;
    std::error_code ec;
    co_await asio::async_read(session, asio::dynamic_buffer(question, 10'000'000), redirect_error(use_awaitable, ec));
    if (ec != asio::error::eof) throw std::system_error(ec);  // not all of the question has come
    co_await asio::async_write(session, asio::buffer("You said: " + question), use_awaitable);
    co_await session.async_close(use_awaitable);
}

asio::awaitable<void> serve(tcp::acceptor& acceptor, tls::server_context context) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        asio::co_spawn(acceptor.get_executor(), answer(std::move(socket), context), asio::detached);
    }
}

// --- A client that half-closes ---

asio::awaitable<std::string> ask(tcp::endpoint where, tls::client_context context, std::string question) {
    stream session(tcp::socket(co_await asio::this_coro::executor), context, "localhost");
    co_await session.next_layer().async_connect(where, use_awaitable);

    session.expires_after(30s);  // all that follows, together; the first write runs the handshake
    co_await asio::async_write(session, asio::buffer(question), use_awaitable);
    co_await session.async_shutdown(tls::shutdown_mode::write, use_awaitable);  // "That was all": close_notify, then FIN.

    std::string reply;
    std::error_code ec;
    co_await asio::async_read(session, asio::dynamic_buffer(reply), redirect_error(use_awaitable, ec));
    if (ec != asio::error::eof) throw std::system_error(ec);  // tls::errc::truncated, for one
    co_await session.async_close(use_awaitable);
    co_return reply;
}

// --- The same by callbacks ---

class question : public std::enable_shared_from_this<question> {
public:
    using callback = std::function<void(std::error_code, const std::string&)>;

    question(tcp::socket connected, const tls::client_context& context, callback done)
        : session_(std::move(connected), context, "localhost"), done_(std::move(done)) {}

    void ask(std::string text) {
        text_ = std::move(text);
        session_.expires_after(30s);
        asio::async_write(session_, asio::buffer(text_), [self = shared_from_this()](std::error_code ec, std::size_t) {
            if (ec) self->done_(ec, {});
            else self->say_that_was_all();
        });
    }

private:
    void say_that_was_all() {
        session_.async_shutdown(tls::shutdown_mode::write,
                                [self = shared_from_this()](std::error_code ec, const tls::shutdown_result&) {
                                    if (ec) self->done_(ec, {});
                                    else self->read_the_answer();
                                });
    }

    void read_the_answer() {
        asio::async_read(session_, asio::dynamic_buffer(reply_), [self = shared_from_this()](std::error_code ec, std::size_t) {
            self->done_(ec == asio::error::eof ? std::error_code() : ec, self->reply_);
        });  // Both sides have ended then: the stream may go.
    }

    stream session_;
    callback done_;
    std::string text_, reply_;
};

// --- Full duplex ---

// Sends and receives at the same time: neither end waits for the other to take something first.
asio::awaitable<std::string> exchange(stream& session, const std::string& message) {
    using namespace asio::experimental::awaitable_operators;
    std::string received;
    const auto send = [&]() -> asio::awaitable<void> {
        co_await asio::async_write(session, asio::buffer(message), use_awaitable);
        co_await session.async_shutdown(tls::shutdown_mode::write, use_awaitable);
    };
    const auto receive = [&]() -> asio::awaitable<void> {
        std::error_code ec;
        co_await asio::async_read(session, asio::dynamic_buffer(received), redirect_error(use_awaitable, ec));
        if (ec != asio::error::eof) throw std::system_error(ec);
    };
    co_await session.async_handshake(use_awaitable);
    co_await (send() && receive());
    co_return received;
}

// --- Waiting only so long, and going on ---

asio::awaitable<bool> says_something(stream& session, std::chrono::milliseconds limit) {
    std::array<char, 100> some;
    std::error_code ec;
    session.expires_after(limit);
    co_await session.async_read_some(asio::buffer(some), redirect_error(use_awaitable, ec));
    session.expires_never();
    if (ec == std::errc::timed_out) co_return false;  // Nothing is lost; read again whenever you like.
    if (ec) throw std::system_error(ec);
    co_return true;
}

// --- Cancelling one read ---

// Asks to be told when something comes; the caller may think better of it.
void listen(stream& session, asio::cancellation_signal& stop, std::string& into) {
    into.resize(100);
    const auto heard = [&into](std::error_code ec, std::size_t n) {
        into.resize(n);
        if (ec == asio::error::operation_aborted) std::cout << "nobody listens any more\n";
    };
    session.async_read_some(asio::buffer(into), asio::bind_cancellation_slot(stop.slot(), heard));
}

// --- Closing, and what came of it ---

asio::awaitable<void> say_goodbye(stream& session) {
    const tls::shutdown_result end = co_await session.async_close({.timeout = 2s}, use_awaitable);
    if (end.clean()) {
        std::cout << "both sides said that they were done, and nothing was lost\n";
    } else if (end.peer == tls::stream_end::open) {
        std::cout << "the peer did not end in time; what was written went out, and so did close_notify\n";
    } else {
        std::cout << "the peer's end: " << to_string(end.peer) << ", " << end.discarded << " bytes of it unread\n";
    }
}

// --- Synchronously ---

std::string ask_and_wait(tcp::socket connected, const tls::client_context& context, const std::string& question) {
    stream session(std::move(connected), context, "localhost");
    session.expires_after(30s);
    asio::write(session, asio::buffer(question));
    session.shutdown(tls::shutdown_mode::write);
    std::string reply;
    std::error_code ec;
    asio::read(session, asio::dynamic_buffer(reply), ec);
    if (ec != asio::error::eof) throw tls::error(ec, "read");
    session.close();
    return reply;
}

// --- All of it ---

stream connected(asio::io_context& io, const tcp::endpoint& where, const tls::client_context& context) {
    tcp::socket socket(io);
    socket.connect(where);
    return stream(std::move(socket), context, "localhost");
}

asio::awaitable<void> talk(asio::io_context& io, tcp::endpoint where, tls::client_context context) {
    std::cout << co_await ask(where, context, "Good morning!") << '\n';

    const std::string message(3'000'000, 'x');
    stream duplex = connected(io, where, context);
    const std::string echo = co_await exchange(duplex, message);
    std::cout << "sent " << message.size() << " bytes, received " << echo.size() << '\n';
    co_await say_goodbye(duplex);

    stream idle = connected(io, where, context);
    co_await idle.async_handshake(use_awaitable);
    std::cout << "the server says something unasked: " << (co_await says_something(idle, 50ms) ? "yes" : "no") << '\n';
    asio::cancellation_signal stop;
    std::string heard;
    listen(idle, stop, heard);
    stop.emit(asio::cancellation_type::total);
    co_await idle.async_shutdown(tls::shutdown_mode::write, use_awaitable);  // cancelling was no end: the stream goes on
    std::error_code ec;
    co_await asio::async_read(idle, asio::dynamic_buffer(heard), redirect_error(use_awaitable, ec));
    std::cout << heard << (ec == asio::error::eof ? "nothing, and that was all\n" : ec.message() + '\n');
    co_await say_goodbye(idle);
}

void run() {
    const demo::identity made = demo::make_identity();
    const tls::server_context server({.identity = made.credential()});
    const tls::client_context client({.trust = tls::trust_store::from_pem(made.authority_pem)});

    asio::io_context io(1);
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    const tcp::endpoint where = acceptor.local_endpoint();
    asio::co_spawn(io, serve(acceptor, server), asio::detached);
    std::thread thread([&io] { io.run(); });
    struct ended {  // also by an exception
        asio::io_context& io;
        std::thread& thread;
        ~ended() {
            io.stop();
            thread.join();
        }
    } const at_the_end{io, thread};

    asio::co_spawn(io, talk(io, where, client), asio::use_future).get();

    asio::io_context other;
    tcp::socket socket(other);
    socket.connect(where);
    const auto done = [](std::error_code ec, const std::string& reply) {
        std::cout << (ec ? "no answer: " + ec.message() : reply) << '\n';
    };
    std::make_shared<question>(std::move(socket), client, done)->ask("Do callbacks work?");
    other.run();

    tcp::socket another(other);
    another.connect(where);
    std::cout << ask_and_wait(std::move(another), client, "And without them?") << '\n';
}

}  // namespace

int main() {
    try {
        run();
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "asio_guide: " << failed.what() << '\n';
        return 1;
    }
}
