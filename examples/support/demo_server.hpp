// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A TLS server in a thread of this process, for one connection: it sends back what it gets, and tells what it saw.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_DEMO_SERVER_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_DEMO_SERVER_HPP

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <future>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "recording_socket.hpp"
#include "wire_log.hpp"

namespace demo {

// How it ended for the server.
struct server_view {
    tls::shutdown_result closed;
    std::string failure;  // empty: none
};

class demo_server {
public:
    // Listens on loopback, on a port that the system chooses.
    explicit demo_server(tls::server_options options)
        : context_(observed(std::move(options))), listener_("127.0.0.1", 0), thread_([this] { run(); }) {}
    demo_server(const demo_server&) = delete;
    demo_server& operator=(const demo_server&) = delete;
    ~demo_server() {
        listener_.interrupt();
        if (thread_.joinable()) thread_.join();
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }

    // What the client offered and the server allows too. Waits for the handshake; empty if it failed.
    [[nodiscard]] std::vector<tls::cipher_info> shared_ciphers() { return shared_ciphers_.get_future().get(); }
    // Waits until the connection is over. The log may be read from then on.
    [[nodiscard]] const server_view& finish() {
        thread_.join();
        return view_;
    }
    [[nodiscard]] const wire_log& log() const noexcept { return log_; }

private:
    tls::server_options observed(tls::server_options options) {
        options.observe = log_.observer();
        return options;
    }

    void run() {
        try {
            serve();
        } catch (const std::exception& failed) {
            view_.failure = failed.what();
        }
    }

    void serve() {
        tls::stream stream(recording_socket(listener_.accept(), log_), context_);
        stream.expires_after(std::chrono::seconds(10));
        std::error_code ec;
        stream.handshake(ec);
        shared_ciphers_.set_value(stream.shared_ciphers());
        if (ec) throw tls::error(ec, "handshake");
        log_.handshake_done();

        std::vector<std::byte> buffer(std::size_t{64} << 10);
        while (const std::size_t n = stream.read_some(buffer)) {
            log_.data(flow::received, n);
            log_.data(flow::sent, n);
            stream.write(std::span(buffer).first(n));
        }
        view_.closed = stream.close();
    }

    wire_log log_;
    server_view view_;
    std::promise<std::vector<tls::cipher_info>> shared_ciphers_;
    tls::server_context context_;
    tls::tcp_listener listener_;
    std::thread thread_;  // the last one: it uses the others
};

}  // namespace demo

#endif
