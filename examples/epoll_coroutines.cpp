// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// An echo server for a thousand clients in one thread: coroutines over epoll(7) and tls::engine, and nobody's framework. The
// engine says what must move before it can go on, the event loop waits until it can; neither knows of the other.

#include <tls/context.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/progress.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>
#include <tls/tcp.hpp>

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "support/event_loop.hpp"
#include "support/server_arguments.hpp"
#include "support/task.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using time_point = clock_type::time_point;
using demo::event_loop;
using demo::say;
using demo::task;
using demo::wake;

// The server's end of a TLS connection. Every call has a deadline (std::errc::timed_out); all but close() end when the loop is
// stopped (std::errc::operation_canceled).
class connection {
public:
    connection(event_loop& loop, tls::tcp_socket socket, const tls::server_context& context)
        : socket_(std::move(socket)), source_(loop, socket_.native_handle()), engine_(context) {}

    task<> handshake(time_point deadline) {
        co_await advance([](tls::engine& engine) { return engine.handshake(); }, deadline, "TLS handshake");
        established_ = true;
    }

    // At least 1 byte; or 0: the peer's close_notify.
    task<std::size_t> read(std::span<std::byte> into, time_point deadline) {
        return advance([into](tls::engine& engine) { return engine.read(into); }, deadline, "TLS read");
    }

    // All of it. What the socket does not take at once stays in the engine, up to its limit, and leaves with later calls.
    task<> write(std::span<const std::byte> from, time_point deadline) {
        while (!from.empty()) {
            const auto step = [from](tls::engine& engine) { return engine.write(from); };
            from = from.subspan(co_await advance(step, deadline, "TLS write"));
        }
    }

    // What tls::stream's close() does: everything written, close_notify, FIN. Then what the peer still sends is received until
    // its own end, and thrown away: closed with unread input, a socket is reset, which erases what the peer has not read yet.
    task<tls::shutdown_result> close(time_point deadline) {
        const std::size_t drain_limit = tls::shutdown_options().drain_limit;
        tls::shutdown_result result;
        source_.ignore_stop();
        engine_.close_notify();
        for (std::size_t received = 0;;) {
            std::error_code gone = send_output();
            if (!gone && engine_.output().empty() && !result.transport_shut_down) {
                socket_.shutdown(tls::shutdown_mode::write, gone);
                result.transport_shut_down = !gone;
                // There is none in the middle of a handshake, and none after a fatal alert.
                result.close_notify_sent = !gone && established_ && engine_.read_end() != tls::stream_end::failed;
            }
            result.discarded += discard();
            while (received < drain_limit) {
                const std::size_t n = receive_input();
                result.discarded += discard();
                if (n == 0) break;
                received += n;
            }
            result.peer = engine_.read_end();
            result.limit_reached = received >= drain_limit;

            // Nobody is waited for in the middle of a handshake; after an alert of ours the peer is, so that it can be read.
            const bool in_handshake = !established_ && result.peer == tls::stream_end::open;
            const bool peer_done = input_ended_ || in_handshake || result.peer == tls::stream_end::close_notify;
            if (gone || (result.transport_shut_down && (peer_done || result.limit_reached))) break;
            const auto events =
                (result.limit_reached || input_ended_ ? 0U : EPOLLIN) | (engine_.output().empty() ? 0U : EPOLLOUT);
            result.timed_out = co_await source_.wait(events, deadline) == wake::late;
            if (result.timed_out) break;
        }
        co_return result;
    }

private:
    // Repeats a step of the engine's, and moves what it wants moved, until it is done.
    template <class Step>
    task<std::size_t> advance(Step step, time_point deadline, const char* what) {
        for (;;) {
            const tls::progress now = step(engine_);
            const std::error_code unsent = send_output();  // whatever the engine wants: it may be an alert, or a session ticket
            if (now.error || unsent) throw tls::error(now.error ? now.error : unsent, what);
            if (now.wants == tls::want::nothing) co_return now.bytes;

            const bool input = now.wants == tls::want::input;
            if (input ? receive_input() != 0 || input_ended_ : engine_.output().empty()) continue;
            const auto events = (input ? EPOLLIN : 0U) | (engine_.output().empty() ? 0U : EPOLLOUT);
            const wake why = co_await source_.wait(events, deadline);
            if (why == wake::late) throw tls::error(std::make_error_code(std::errc::timed_out), what);
            if (why == wake::stopped) throw tls::error(std::make_error_code(std::errc::operation_canceled), what);
        }
    }

    // As much of the engine's output as the socket takes.
    std::error_code send_output() {
        std::error_code ec;
        while (!ec && !engine_.output().empty()) engine_.output_sent(socket_.write_some(engine_.output(), ec));
        if (ec != std::errc::operation_would_block) return ec;
        source_.exhausted(EPOLLOUT);
        return {};
    }

    // What the socket has: for the engine, or for nobody once TLS has ended. 0: nothing now, or nothing any more.
    std::size_t receive_input() {
        std::error_code ec;
        const std::size_t n = socket_.read_some(engine_.input_space(), ec);
        if (ec == std::errc::operation_would_block) {
            source_.exhausted(EPOLLIN);
        } else if (n == 0) {
            input_ended_ = true;
            ec ? engine_.input_failed(ec) : engine_.input_ended();
        } else if (engine_.read_end() == tls::stream_end::open) {
            engine_.input_received(n);
        }
        return n;
    }

    // Throws away what the engine has to read; it learns of the peer's end by it. How many bytes were thrown away.
    std::size_t discard() {
        std::array<std::byte, 16384> nowhere;
        std::size_t sum = 0;
        while (established_) {
            const std::size_t n = engine_.read(nowhere).bytes;
            if (n == 0) break;
            sum += n;
        }
        return sum;
    }

    tls::tcp_socket socket_;
    event_loop::source source_;
    tls::engine engine_;
    bool established_ = false;
    bool input_ended_ = false;
};

// SIGINT and SIGTERM as something to read, instead of something that interrupts.
int open_signals() {
    ::sigset_t both;
    ::sigemptyset(&both);
    ::sigaddset(&both, SIGINT);
    ::sigaddset(&both, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &both, nullptr);
    return ::signalfd(-1, &both, SFD_NONBLOCK | SFD_CLOEXEC);
}

class echo_server {
public:
    explicit echo_server(const demo::server_arguments& given)
        : context_({.identity = demo::make_credential(given)}), listener_(given.address, given.port), timeout_(given.timeout) {}

    // Until a signal.
    void run() {
        say("listening on " + to_string(listener_.local_endpoint()));
        loop_.spawn(await_signal());
        loop_.spawn(accept_all());
        loop_.run();
        say(std::to_string(served_) + " connections, " + std::to_string(most_) + " at once, " + std::to_string(clean_) +
            " closed clean, " + std::to_string(echoed_) + " bytes");
        say("stopped");
    }

private:
    task<> await_signal() {
        event_loop::source source(loop_, signals_.get());
        co_await source.wait(EPOLLIN, tls::never);
        loop_.stop();
    }

    task<> accept_all() {
        event_loop::source source(loop_, listener_.native_handle());
        for (std::error_code ec, before; !loop_.stopping(); before = ec) {
            tls::tcp_socket accepted = listener_.accept(clock_type::now(), ec);
            if (!ec) accepted.non_blocking(true, ec);
            if (!ec) {
                loop_.spawn(serve(std::move(accepted)));
                co_await loop_.turn();
            } else if (ec == std::errc::timed_out) {  // there is nobody now
                source.exhausted(EPOLLIN);
                co_await source.wait(EPOLLIN, tls::never);
            } else {
                if (ec != before) say("cannot accept: " + ec.message());
                co_await source.wait(0, clock_type::now() + 100ms);  // out of descriptors, for one: some may soon be free
            }
        }
        listener_.close();
        say("stopping");
    }

    // A client that misbehaves ends its own connection and nothing else.
    task<> serve(tls::tcp_socket accepted) {
        std::error_code ec;
        const tls::endpoint client = accepted.remote_endpoint(ec);
        std::string trouble;
        ++served_;
        most_ = std::max(most_, ++open_);
        try {
            connection session(loop_, std::move(accepted), context_);
            trouble = co_await talk(session);
            const tls::shutdown_result closed = co_await session.close(clock_type::now() + std::min(timeout_, close_limit));
            clean_ += closed.clean();
            if (trouble.empty() && !closed.clean()) trouble = "not clean, peer: " + std::string(to_string(closed.peer));
        } catch (const std::exception& failed) {
            trouble = failed.what();
        }
        --open_;
        if (!trouble.empty()) say((ec ? "a client that is gone" : to_string(client)) + ": " + trouble);
    }

    // Until the client ends, or the server does. What went wrong, if something did.
    task<std::string> talk(connection& session) {
        std::array<std::byte, 16384> some;
        try {
            co_await session.handshake(clock_type::now() + timeout_);
            while (!loop_.stopping()) {
                const std::size_t n = co_await session.read(some, clock_type::now() + timeout_);
                if (n == 0) break;
                co_await session.write(std::span(some).first(n), clock_type::now() + timeout_);
                echoed_ += n;
                co_await loop_.turn();
            }
        } catch (const tls::error& failed) {
            if (failed.code() != std::errc::operation_canceled) co_return failed.what();
        }
        co_return std::string();
    }

    static constexpr std::chrono::milliseconds close_limit{2000};

    demo::descriptor signals_{open_signals(), "signalfd"};
    tls::server_context context_;
    tls::tcp_listener listener_;
    std::chrono::milliseconds timeout_;
    std::size_t served_ = 0, open_ = 0, most_ = 0, clean_ = 0, echoed_ = 0;
    event_loop loop_;  // last, so that the tasks go before what they refer to
};

}  // namespace

int main(int argc, char* argv[]) {
    const auto serve = [](const demo::server_arguments& given) { echo_server(given).run(); };
    return demo::server_main(argc, argv, "epoll_coroutines", "Sends back what it gets over TLS, until SIGINT or SIGTERM.",
                             serve, "how long a client may let the server wait, each time");
}
