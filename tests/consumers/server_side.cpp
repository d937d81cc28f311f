// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The server's end of the consumers' exchange; see client_side.cpp.

#include <tls/tls.hpp>

#include <chrono>
#include <string>

tls::shutdown_result answer(int descriptor, const tls::server_context& context);

tls::shutdown_result answer(int descriptor, const tls::server_context& context) {
    tls::stream stream(tls::tcp_socket(descriptor), context);
    stream.expires_after(std::chrono::seconds(30));
    std::string question(1000, '\0');
    question.resize(stream.read(question));
    stream.write("You said: " + question);
    return stream.close();
}
