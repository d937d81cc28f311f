// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The client of the README: asks a web server for its first page. `client [HOST [PORT]]`

#include <tls/tls.hpp>

#include <iostream>

int main(int argc, char* argv[]) {
    const std::string host = argc > 1 ? argv[1] : "example.org";
    const int port = argc > 2 ? std::stoi(argv[2]) : 443;
    auto stream = tls::connect(host, static_cast<std::uint16_t>(port), tls::client_context());
    stream.write("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    for (char some[4096]; const std::size_t n = stream.read_some(some);) std::cout << std::string_view(some, n);
    stream.close();
}
