// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chapter 5 of docs/tutorial: sends and receives at the same time, each in a thread of its own. `tutorial_5_client [PORT]`

#include <tls/tls.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;

// Sends what comes from the input, until that or the connection has ended.
void send(tls::writer<tls::tcp_socket>& writer) {
    std::error_code ec;
    for (std::string line; !ec && std::getline(std::cin, line);) writer.write(line + '\n', ec);
    if (!ec) writer.shutdown(tls::shutdown_mode::write, ec);
    // What ended the connection is for the reader to tell.
}

// Prints what the server says, up to its end, and then ends this side too, whatever the writer is doing.
void receive(tls::reader<tls::tcp_socket>& reader) {
    try {
        std::string some(16384, '\0');
        while (const std::size_t n = reader.read_some(some)) std::cout << std::string_view(some).substr(0, n) << std::flush;
        const tls::shutdown_result result = reader.close();
        std::cout << (result.clean() ? "-- complete\n" : "-- the server is done, and we could not say that we are\n")
                  << std::flush;
    } catch (const tls::error& failed) {
        std::cout << "-- " << failed.what() << std::endl;
        reader.abort();
    }
}

}  // namespace

int main(int argc, char* argv[]) {
    try {
        const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 4433);
        const tls::client_context context({.trust = tls::trust_store::from_file("ca.pem")});
        auto stream = tls::connect("localhost", port, context, std::chrono::steady_clock::now() + 5s);

        auto [reader, writer] = tls::split(std::move(stream));
        std::jthread receiving([&half = reader] { receive(half); });
        send(writer);
        receiving.join();
        return reader.read_end() == tls::stream_end::close_notify ? 0 : 1;
    } catch (const std::exception& failed) {
        std::cout << "-- " << failed.what() << '\n';
        return 1;
    }
}
