// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chapter 3 of docs/tutorial: sends a long text and ends the connection, in one of three ways.
// `tutorial_3_client hasty|close|read [PORT]`

#include <tls/tls.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

int main(int argc, char* argv[]) {
    try {
        const std::string_view way = argc > 1 ? argv[1] : "close";
        const auto port = static_cast<std::uint16_t>(argc > 2 ? std::stoi(argv[2]) : 4433);
        const tls::client_context context({.trust = tls::trust_store::from_file("ca.pem")});
        auto stream = tls::connect("localhost", port, context);

        std::string text;
        while (text.size() < 4'000'000) text += "some words\n";
        stream.write(text);
        stream.shutdown(tls::shutdown_mode::write);
        std::cout << text.size() << " bytes sent, close_notify and FIN behind them\n";

        if (way == "hasty") {
            stream.abort();  // closes the socket at once
            return 0;
        }
        if (way == "read") {
            std::string some(4096, '\0');
            while (const std::size_t n = stream.read_some(some)) std::cout << std::string_view(some).substr(0, n);
        }
        const tls::shutdown_result result = stream.close();
        std::cout << "close_notify sent: " << (result.close_notify_sent ? "yes" : "no") << '\n'
                  << "the server's end: " << to_string(result.peer) << '\n'
                  << "thrown away:      " << result.discarded << " bytes\n"
                  << "clean:            " << (result.clean() ? "yes" : "no") << '\n';
        return 0;
    } catch (const std::exception& failed) {
        std::cout << "-- " << failed.what() << '\n';
        return 1;
    }
}
