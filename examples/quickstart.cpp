// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The pieces of docs/quickstart.md, running against each other on loopback.

#include <tls/tls.hpp>

#include <stdlib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "support/identity.hpp"

namespace {

using namespace std::chrono_literals;

// --- A server ---

// Reads a question, up to the client's close_notify, and answers it.
void answer(tls::tcp_socket connection, const tls::server_context& context) {
    tls::stream stream(std::move(connection), context);
    stream.expires_after(30s);
    std::string question(1000, '\0');
    question.resize(stream.read(question));
    stream.write("You said: " + question);
    stream.close();
}

// One client after the other, until somebody calls listener.interrupt().
void serve(tls::tcp_listener& listener, const tls::server_context& context) {
    for (;;) {
        std::error_code ec;
        tls::tcp_socket connection = listener.accept(ec);
        if (ec == std::errc::operation_canceled) return;
        try {
            if (!ec) answer(std::move(connection), context);
        } catch (const tls::error& failed) {
            std::cerr << failed.what() << '\n';  // that client's trouble; the next one may do better
        }
    }
}

// --- A client, with deadlines ---

std::string ask(const std::string& host, std::uint16_t port, const tls::client_context& context, const std::string& question) {
    // Looking the name up, TCP and the handshake together: at most ten seconds.
    auto stream = tls::connect(host, port, context, std::chrono::steady_clock::now() + 10s);

    stream.expires_after(30s);  // all that follows, together
    stream.write(question);
    stream.shutdown(tls::shutdown_mode::write);  // "That was all": close_notify, then TCP's FIN.

    std::string reply(1000, '\0');
    reply.resize(stream.read(reply));  // Reading goes on, up to the server's own close_notify.
    stream.close();
    return reply;
}

// --- Waiting only so long, and going on ---

bool says_something(tls::stream<tls::tcp_socket>& stream, std::chrono::milliseconds limit) {
    std::array<char, 100> some;
    std::error_code ec;
    stream.expires_after(limit);
    stream.read_some(some, ec);
    stream.expires_never();
    if (ec == std::errc::timed_out) return false;  // Nothing is lost; read again whenever you like.
    if (ec) throw tls::error(ec, "read");
    return true;
}

// --- Closing, and what came of it ---

void say_goodbye(tls::stream<tls::tcp_socket>& stream) {
    const tls::shutdown_result end = stream.close({.timeout = 2s});
    if (end.clean()) {
        std::cout << "both sides said that they were done, and nothing was lost\n";
    } else if (end.peer == tls::stream_end::open) {
        std::cout << "the peer did not end in time; what was written went out, and so did close_notify\n";
    } else {
        std::cout << "the peer's end: " << to_string(end.peer) << ", " << end.discarded << " bytes of it unread\n";
    }
}

// --- Errors ---

void explain(const std::string& host, std::uint16_t port, const tls::client_context& context) {
    try {
        std::cout << ask(host, port, context, "Are you there?") << '\n';
    } catch (const tls::error& failed) {
        std::cout << failed.what() << '\n';  // "TLS handshake with example.org port 443: certificate has expired"
        if (failed.code().category() == tls::verify_category()) {
            std::cout << "The server could not prove who it is.\n";
        } else if (failed.code().category() == tls::alert_category()) {
            std::cout << "The server sent a fatal alert.\n";
        } else if (failed.code() == tls::errc::truncated) {
            std::cout << "The connection broke in the middle; what was read may be incomplete.\n";
        } else if (failed.code() == std::errc::connection_refused) {
            std::cout << "Nobody listens there.\n";
        }
    }
}

// --- The files that the pieces expect ---

class scratch_directory {
public:
    scratch_directory() : path_((std::filesystem::temp_directory_path() / "quickstart-XXXXXX").string()) {
        if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    void write(const char* name, const std::string& text) const { std::ofstream(path_ + '/' + name) << text; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

void run() {
    const scratch_directory directory;
    const demo::identity made = demo::make_identity();
    directory.write("chain.pem", made.chain_pem);
    directory.write("key.pem", made.key_pem);
    directory.write("ca.pem", made.authority_pem);
    std::filesystem::current_path(directory.path());

    const tls::server_context context({.identity = tls::credential::from_files("chain.pem", "key.pem")});
    tls::tcp_listener listener("127.0.0.1", 0);  // port 0: the system chooses; listener.port() tells
    std::thread server([&] { serve(listener, context); });
    try {
        const tls::client_context trusting({.trust = tls::trust_store::from_file("ca.pem")});
        std::cout << ask("localhost", listener.port(), trusting, "Good morning!") << '\n';

        auto stream = tls::connect("localhost", listener.port(), trusting);
        std::cout << "the server says something unasked: " << (says_something(stream, 50ms) ? "yes" : "no") << '\n';
        say_goodbye(stream);

        explain("localhost", listener.port(), trusting);
        explain("localhost", listener.port(), tls::client_context({.trust = {}}));
    } catch (...) {
        listener.interrupt();
        server.join();
        throw;
    }
    listener.interrupt();
    server.join();
}

}  // namespace

int main() {
    try {
        run();
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "quickstart: " << failed.what() << '\n';
        return 1;
    }
}
