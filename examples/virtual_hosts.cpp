// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One server for many names: `virtual_hosts DIRECTORY [PORT]`. Each file NAME.pem in the directory holds the certificate chain and the
// private key of a host, whose names are those in the certificate. Whoever renews one puts a new file in its place, and the next
// client gets it; nothing is restarted, and no connection is cut.

#include <tls/tls.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/number.hpp"
#include "support/server_arguments.hpp"
#include "support/stop_signal.hpp"

namespace {

using namespace std::chrono_literals;
using demo::say;
using paths = std::vector<std::filesystem::path>;

paths host_files(const std::filesystem::path& directory) {
    paths files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() == ".pem") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

// Everything anew, each time: a context never changes, another one takes its place.
tls::server_context make_context(const std::filesystem::path& directory) {
    tls::server_options options{.identity = {}};
    for (const auto& file : host_files(directory)) {
        options.hosts.push_back({.identities = {tls::credential::from_files(file, file)}});
    }
    if (options.hosts.empty()) throw std::runtime_error("no file *.pem in " + directory.string());
    // There is no `identity` for other names: such a client is told unrecognized_name, and not shown somebody else's certificate.
    options.unknown_names = tls::unknown_name::refuse;
    options.alpn = {"greeting/2", "greeting/1"};
    return tls::server_context(options);
}

// A new file in the directory changes the directory; one that is written over changes only itself.
paths watched_files(const std::filesystem::path& directory) {
    paths files = host_files(directory);
    files.push_back(directory);
    return files;
}

// What is agreed on decides how the two speak; a client that offers nothing gets the old form.
std::string greeting(std::string_view protocol, std::string_view host) {
    if (protocol == "greeting/2") return "{\"welcome\": \"" + std::string(host) + "\"}\n";
    return "Welcome to " + std::string(host) + "\n";
}

// On one line: who came, and what came of it.
std::string serve(tls::tcp_socket socket, const tls::server_context& context) {
    std::string told = to_string(socket.remote_endpoint()) + ": ";
    try {
        tls::stream stream(std::move(socket), context);
        stream.expires_after(10s);
        std::error_code ec;
        stream.handshake(ec);
        if (ec) {
            std::error_code ignored;
            stream.close({.timeout = 1s}, ignored);  // so that the alert gets there
            return told + ec.message();
        }
        told += std::string(stream.server_name()) + ", " + (stream.alpn().empty() ? "no ALPN" : std::string(stream.alpn()));
        stream.write(greeting(stream.alpn(), stream.server_name()));
        stream.close({.timeout = 1s});
    } catch (const tls::error& failed) {
        told += std::string(", ") + failed.what();
    }
    return told;
}

class virtual_hosts {
public:
    virtual_hosts(const std::filesystem::path& directory, std::uint16_t port)
        : contexts_([directory] { return make_context(directory); }, watched_files(directory)), listener_("127.0.0.1", port) {}

    [[nodiscard]] std::string where() const { return to_string(listener_.local_endpoint()); }
    void stop() { listener_.interrupt(); }

    // One client after the other, until stop() is called; examples/echo_server.cpp serves many at a time.
    void run() {
        for (;;) {
            std::error_code ec;
            tls::tcp_socket socket = listener_.accept(ec);
            if (ec == std::errc::operation_canceled) return;
            reload();
            if (!ec) say(serve(std::move(socket), contexts_.get()));
        }
    }

private:
    // It asks the system about a few files; a server with much to do does it now and then, in a thread of its own.
    void reload() {
        try {
            if (contexts_.refresh()) say("the certificates are new");
        } catch (const std::exception& failed) {
            say(std::string("the old certificates stay: ") + failed.what());  // half of them may be there; it is tried again
        }
    }

    tls::context_reloader<tls::server_context> contexts_;
    tls::tcp_listener listener_;
};

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 2 && argc != 3) {
        std::cerr << "usage: virtual_hosts DIRECTORY [PORT]\n";
        return 2;
    }
    try {
        const demo::stop_signal signal;
        virtual_hosts server(argv[1], argc == 3 ? demo::number<std::uint16_t>(argv[2], "a port") : std::uint16_t{0});
        say("listening on " + server.where());
        std::thread serving([&] { server.run(); });
        signal.wait();
        say("stopping");
        server.stop();
        serving.join();
        say("stopped");
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "virtual_hosts: " << failed.what() << '\n';
        return 1;
    }
}
