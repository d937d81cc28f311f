// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A socket type of one's own under tls::stream: two pipes, such as a child process has them. For docs/how-to/own-socket.md.

#include <tls/tls.hpp>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "support/identity.hpp"

namespace {

// --- The socket ---

// Reads from one descriptor and writes to another.
class pipe_socket {
public:
    pipe_socket(int in, int out) noexcept : in_(in), out_(out) {}
    pipe_socket(pipe_socket&& other) noexcept : in_(std::exchange(other.in_, -1)), out_(std::exchange(other.out_, -1)) {}
    pipe_socket& operator=(pipe_socket&&) = delete;
    ~pipe_socket() {
        std::error_code ignored;
        close(ignored);
    }

    // At least 1 byte, or 0 at the end.
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return moved(::read(in_, into.data(), into.size()), ec);
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return moved(::write(out_, from.data(), from.size()), ec);
    }
    // A pipe ends by being closed.
    void shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        ec.clear();
        if (mode != tls::shutdown_mode::read) end(out_, ec);
    }
    void close(std::error_code& ec) {
        ec.clear();
        end(out_, ec);
        end(in_, ec);
    }

private:
    // EINTR needs no care: the stream calls again.
    static std::size_t moved(::ssize_t n, std::error_code& ec) {
        ec.clear();
        if (n < 0) ec.assign(errno, std::generic_category());
        return n < 0 ? 0 : static_cast<std::size_t>(n);
    }
    static void end(int& descriptor, std::error_code& ec) {
        if (descriptor >= 0 && ::close(descriptor) != 0) ec.assign(errno, std::generic_category());
        descriptor = -1;
    }

    int in_, out_;
};

static_assert(tls::socket<pipe_socket>);

// --- Two ends of it ---

std::pair<pipe_socket, pipe_socket> make_pair() {
    std::array<int, 2> there{}, back{};
    if (::pipe(there.data()) != 0 || ::pipe(back.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    return {pipe_socket(back[0], there[1]), pipe_socket(there[0], back[1])};
}

std::string read_all(tls::stream<pipe_socket>& stream) {
    std::string all, some(4096, '\0');
    while (const std::size_t n = stream.read_some(some)) all.append(some, 0, n);
    return all;
}

void run() {
    const demo::identity made = demo::make_identity();
    const tls::server_context server({.identity = made.credential()});
    const tls::client_context client({.trust = tls::trust_store::from_pem(made.authority_pem)});
    auto [here, there] = make_pair();

    std::thread serving([&server, socket = std::move(there)]() mutable {
        try {
            tls::stream stream(std::move(socket), server);
            stream.write("You said: " + read_all(stream));
            stream.close();
        } catch (const tls::error& failed) {
            std::cerr << failed.what() << '\n';
        }
    });
    try {
        tls::stream stream(std::move(here), client, "localhost");
        stream.write("TLS over two pipes");
        stream.shutdown(tls::shutdown_mode::write);
        std::cout << read_all(stream) << '\n';
        std::cout << (stream.close().clean() ? "closed clean\n" : "not closed clean\n");
    } catch (...) {
        serving.join();
        throw;
    }
    serving.join();
}

}  // namespace

int main() {
    ::signal(SIGPIPE, SIG_IGN);  // write(2) to a pipe that nobody reads; tcp_socket does without this
    try {
        run();
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "howto_own_socket: " << failed.what() << '\n';
        return 1;
    }
}
