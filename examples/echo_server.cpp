// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Sends back what it gets, to many clients at a time, a thread for each. SIGINT or SIGTERM stops it: every connection is closed
// as TLS wants it, within a limit.

#include <tls/tls.hpp>

#include <getopt.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <list>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/identity.hpp"
#include "support/number.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;

constexpr std::string_view usage = R"(usage: echo_server [OPTION...]

Sends back what it gets over TLS, until SIGINT or SIGTERM.

  --address A    listen on this address, default 127.0.0.1
  --port N       and this port, default 0: the system chooses one
  --cert FILE    the server's certificate and chain (PEM), with
  --key FILE     its private key; without them an identity for localhost is made in memory
  --ca-out FILE  where to write the authority of the identity that was made, for clients to trust
  --help         this text
)";

struct arguments {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
    std::string certificate_file, key_file, ca_out;
    bool help = false;
};

arguments parse(int argc, char* argv[]) {
    const ::option options[] = {{"address", required_argument, nullptr, 'a'},
                                {"port", required_argument, nullptr, 'p'},
                                {"cert", required_argument, nullptr, 'c'},
                                {"key", required_argument, nullptr, 'k'},
                                {"ca-out", required_argument, nullptr, 'o'},
                                {"help", no_argument, nullptr, 'h'},
                                {nullptr, 0, nullptr, 0}};
    arguments given;
    for (int option = 0; (option = ::getopt_long(argc, argv, ":", options, nullptr)) != -1;) {
        switch (option) {
            case 'a': given.address = ::optarg; break;
            case 'p': given.port = demo::number<std::uint16_t>(::optarg, "a port"); break;
            case 'c': given.certificate_file = ::optarg; break;
            case 'k': given.key_file = ::optarg; break;
            case 'o': given.ca_out = ::optarg; break;
            case 'h': given.help = true; return given;
            default: throw std::invalid_argument("cannot make sense of " + std::string(argv[::optind - 1]) + "; see --help");
        }
    }
    if (::optind != argc) throw std::invalid_argument("too many arguments; see --help");
    if (given.certificate_file.empty() != given.key_file.empty()) {
        throw std::invalid_argument("--cert and --key go together; see --help");
    }
    return given;
}

tls::credential make_credential(const arguments& given) {
    if (!given.certificate_file.empty()) return tls::credential::from_files(given.certificate_file, given.key_file);
    const demo::identity made = demo::make_identity();
    if (!given.ca_out.empty()) {
        std::ofstream file(given.ca_out);
        file << made.authority_pem << std::flush;
        if (!file) throw std::runtime_error("cannot write " + given.ca_out);
    }
    return made.credential();
}

// One line, whole, whichever thread says it.
void say(const std::string& text) { std::cout << text + "\n" << std::flush; }

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
    try {
        const arguments given = parse(argc, argv);
        if (given.help) {
            std::cout << usage;
            return 0;
        }
        const demo::stop_signal signal;
        echo_server server(given.address, given.port, tls::server_context({.identity = make_credential(given)}));
        say("listening on " + server.where());
        std::thread acceptor([&] { server.run(); });
        signal.wait();
        say("stopping");
        server.stop();
        acceptor.join();
        server.finish();
        say("stopped");
        return 0;
    } catch (const std::invalid_argument& wrong) {
        std::cerr << "echo_server: " << wrong.what() << '\n';
        return 2;
    } catch (const std::exception& failed) {
        std::cerr << "echo_server: " << failed.what() << '\n';
        return 1;
    }
}
