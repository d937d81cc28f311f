// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What hello.cpp does, by asio::ssl.
//
//     hello_asio HOST PORT

#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/host_name_verification.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/write.hpp>

#include <cstdio>
#include <exception>
#include <string>

int main(int count, char** words) try {
    if (count != 3) return 2;
    asio::io_context io;
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.set_default_verify_paths();
    context.set_verify_mode(asio::ssl::verify_peer);
    asio::ssl::stream<asio::ip::tcp::socket> stream(io, context);
    asio::connect(stream.lowest_layer(), asio::ip::tcp::resolver(io).resolve(words[1], words[2]));
    stream.set_verify_callback(asio::ssl::host_name_verification(words[1]));
    if (::SSL_set_tlsext_host_name(stream.native_handle(), words[1]) != 1) return 1;
    stream.handshake(asio::ssl::stream_base::client);
    asio::write(stream, asio::buffer("hello\n", 6));
    std::string answer(1000, '\0');
    asio::error_code ended;
    answer.resize(asio::read(stream, asio::buffer(answer), ended));
    std::puts(answer.c_str());
    stream.shutdown(ended);
} catch (const std::exception& failed) {
    std::puts(failed.what());
    return 1;
}
