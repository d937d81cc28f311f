// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Sends back what it gets, to many clients at a time, a thread for each. SIGINT or SIGTERM stops it: every connection is closed
// as TLS wants it, within a limit.

#include <tls/tls.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>
#include <list>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/server_arguments.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;
using demo::say;

class echo_server {
public:
    echo_server(const std::string& address, std::uint16_t port, tls::server_context context)
        : context_(std::move(context)), listener_(address, port) {}

    [[nodiscard]] std::string where() const { return to_string(listener_.local_endpoint()); }

    // Accepts until stop() is called.
    void run() {
        std::error_code ec;
        while (ec != std::errc::operation_canceled) {
            tls::tcp_socket accepted = listener_.accept(ec);
            if (!ec) start(std::move(accepted));
            else if (ec != std::errc::operation_canceled) {
                say("cannot accept: " + ec.message());  // out of descriptors, for one: some may soon be free
                std::this_thread::sleep_for(100ms);
            }
        }
    }

    // From another thread: run() returns, and every connection begins to close.
    void stop() {
        listener_.interrupt();
        stopping_.raise();
    }

    // After run(): gives the connections time to close as TLS wants it, then ends what is left.
    void finish() {
        const auto deadline = std::chrono::steady_clock::now() + close_limit + 500ms;
        for (connection& one : connections_) {
            while (!one.done && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(10ms);
            if (!one.done) one.socket.interrupt();
            one.thread.join();
        }
        connections_.clear();
    }

private:
    static constexpr auto handshake_limit = 10s;
    static constexpr auto write_limit = 30s;
    static constexpr auto close_limit = 2000ms;

    // The socket is not the stream's own, so that interrupt() finds it from another thread.
    struct connection {
        tls::tcp_socket socket;
        std::atomic<bool> done{false};
        std::thread thread{};

        explicit connection(tls::tcp_socket accepted) noexcept : socket(std::move(accepted)) {}
    };

    void start(tls::tcp_socket accepted) {
        for (auto one = connections_.begin(); one != connections_.end();) {
            if (one->done) one->thread.join();
            one = one->done ? connections_.erase(one) : std::next(one);
        }
        connection& one = connections_.emplace_back(std::move(accepted));
        try {
            one.thread = std::thread([this, &one] {
                serve(one.socket);
                one.done = true;
            });
        } catch (const std::system_error& failed) {
            say("cannot start a thread: " + std::string(failed.what()));
            connections_.pop_back();
        }
    }

    // A client that misbehaves ends its own connection and nothing else.
    void serve(tls::tcp_socket& socket) const {
        std::ostringstream told;
        try {
            told << to_string(socket.remote_endpoint()) << ": ";
            tls::stream<tls::tcp_socket&> stream(socket, context_);
            const std::size_t echoed = echo(stream);
            const tls::shutdown_result closed = stream.close({.timeout = close_limit});
            told << echoed << " bytes, "
                 << (closed.clean() ? "clean" : "not clean, peer: " + std::string(to_string(closed.peer)));
        } catch (const std::exception& failed) {
            told << failed.what();
        }
        std::error_code ignored;
        socket.close(ignored);
        say(told.str());
    }

    // Until the client ends, or the server does. Waiting for the client has no limit here; everything else has.
    std::size_t echo(tls::stream<tls::tcp_socket&>& stream) const {
        stream.expires_after(handshake_limit);
        stream.handshake();
        std::vector<std::byte> buffer(std::size_t{64} << 10);
        for (std::size_t echoed = 0;;) {
            // What is buffered in the stream does not make the socket readable.
            if (!stream.input_buffered() && stopping_.wait(stream.next_layer().native_handle())) return echoed;
            stream.expires_after(write_limit);
            const std::size_t n = stream.read_some(buffer);
            if (n == 0) return echoed;
            stream.write(std::span(buffer).first(n));
            echoed += n;
        }
    }

    tls::server_context context_;
    tls::tcp_listener listener_;
    demo::stop_flag stopping_;
    std::list<connection> connections_;
};

}  // namespace

int main(int argc, char* argv[]) {
    const auto serve = [](const demo::server_arguments& given) {
        const demo::stop_signal signal;
        echo_server server(given.address, given.port, tls::server_context({.identity = demo::make_credential(given)}));
        say("listening on " + server.where());
        std::thread acceptor([&] { server.run(); });
        signal.wait();
        say("stopping");
        server.stop();
        acceptor.join();
        server.finish();
        say("stopped");
    };
    return demo::server_main(argc, argv, "echo_server", "Sends back what it gets over TLS, until SIGINT or SIGTERM.", serve);
}
