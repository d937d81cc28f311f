// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// How a fleet resumes on any machine: three server processes with one set of ticket keys, which is changed while they serve. A client
// goes from one to the next. `resumption [--redis HOST:PORT]`; without Redis the keys are handed out through a file.

#include <tls/tls.hpp>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/identity.hpp"
#include "support/key_stores.hpp"

namespace {

using namespace std::chrono_literals;

// The client knows the fleet by one name and port, whichever machine a connection reaches.
constexpr std::uint16_t fleet_port = 443;
constexpr std::size_t fleet_size = 3;

// --- A server ---

// Until the process is ended. It asks for the keys before each connection, so that it never knows less than the others; a fleet
// where they take a while to reach everybody hands a new key out behind the old ones first, and puts it in front when all have it.
void serve(tls::tcp_listener& listener, const tls::credential& identity, demo::key_store& store) {
    tls::ticket_keys keys(store.get());
    const tls::server_context context({.identity = identity, .tickets = {.keys = keys}});
    for (;;) {
        try {
            tls::tcp_socket socket = listener.accept();
            keys.set(store.get());  // `context` has a copy, and copies are the same keys
            tls::stream stream(std::move(socket), context);
            stream.expires_after(10s);
            stream.write("hello from process " + std::to_string(::getpid()));
            stream.close();
        } catch (const std::exception& failed) {
            std::cerr << "server: " << failed.what() << '\n';  // that client's trouble; the next one may do better
        }
    }
}

class server_process {
public:
    // The port is there when this returns, and clients may connect: they are served when the process is ready.
    server_process(const tls::credential& identity, demo::key_store& store) : listener_("127.0.0.1", 0), process_(::fork()) {
        if (process_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
        if (process_ > 0) return;
        try {
            serve(listener_, identity, store);
        } catch (const std::exception& failed) {
            std::cerr << "server: " << failed.what() << '\n';
        }
        ::_exit(1);
    }
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;
    ~server_process() {
        ::kill(process_, SIGTERM);
        while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

private:
    tls::tcp_listener listener_;
    ::pid_t process_;
};

// --- The client ---

void visit(std::size_t number, std::uint16_t port, const tls::client_context& context) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    tls::stream stream(tls::tcp_socket::connect("127.0.0.1", port, deadline), context, "localhost", {.port = fleet_port});
    stream.expires_at(deadline);
    // Up to the end: in TLS 1.3 the sessions to resume next time come with the data.
    std::string text(1000, '\0');
    text.resize(stream.read(text));
    const bool resumed = stream.session_reused();
    stream.close();
    std::cout << "server " << number << ": " << text << ": " << (resumed ? "resumed" : "a full handshake") << std::endl;
}

// --- The fleet's own keeper of keys ---

void run(demo::key_store& store) {
    tls::ticket_keys keys;
    store.put(keys.keys());

    const demo::identity made = demo::make_identity();
    const tls::credential identity = made.credential();
    // Before this process has any other thread, as fork(2) wants it.
    const std::array<std::unique_ptr<server_process>, fleet_size> fleet{std::make_unique<server_process>(identity, store),
                                                                        std::make_unique<server_process>(identity, store),
                                                                        std::make_unique<server_process>(identity, store)};

    const tls::client_context client(
        {.trust = tls::trust_store::from_pem(made.authority_pem), .sessions = tls::session_cache()});
    const auto visit_all = [&](const char* what) {
        std::cout << "--- " << what << std::endl;
        for (std::size_t i = 0; i != fleet_size; ++i) visit(i + 1, fleet[i]->port(), client);
    };
    // A new key seals; two older ones still open, so that tickets outlive a change, but not for ever.
    const auto rotate = [&](int times) {
        for (int i = 0; i != times; ++i) keys.rotate(tls::ticket_key::generate(), 2);
        store.put(keys.keys());
    };
    visit_all("the first visit is a full handshake, and what it brings is good everywhere");
    rotate(1);
    visit_all("with a new key: tickets of the one before are still good, and are renewed");
    rotate(3);
    visit_all("with three new ones the key of those tickets is gone");
}

class scratch_directory {
public:
    scratch_directory() : path_((std::filesystem::temp_directory_path() / "resumption-XXXXXX").string()) {
        if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::filesystem::path path() const { return path_; }

private:
    std::string path_;
};

}  // namespace

int main(int argc, char* argv[]) {
    const bool by_redis = argc == 3 && std::string_view(argv[1]) == "--redis";
    if (argc != 1 && !by_redis) {
        std::cerr << "usage: resumption [--redis HOST:PORT]\n";
        return 2;
    }
    try {
        if (by_redis) {
            demo::redis store(argv[2]);
            run(store);
        } else {
            const scratch_directory directory;
            demo::key_file store(directory.path() / "ticket-keys");
            run(store);
        }
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "resumption: " << failed.what() << '\n';
        return 1;
    }
}
