// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chapter 1 of docs/tutorial: prints what a server sends, up to the server's own end. `tutorial_1_client [PORT]`

#include <tls/tls.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

int main(int argc, char* argv[]) {
    try {
        const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 4433);
        const tls::client_context context({.trust = tls::trust_store::from_file("ca.pem")});
        auto stream = tls::connect("localhost", port, context);

        std::string some(4096, '\0');
        while (const std::size_t n = stream.read_some(some)) {
            std::cout << std::string_view(some).substr(0, n) << std::flush;
        }
        std::cout << "-- complete\n";
        stream.close();
        return 0;
    } catch (const std::exception& failed) {
        std::cout << "-- " << failed.what() << '\n';
        return 1;
    }
}
