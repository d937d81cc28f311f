// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What each way to get the library is tried with: `client CERTIFICATE KEY`, a TLS exchange over a socketpair. It ends with 0 if
// the answer came and both ends are clean. test_consumers.py builds it of this file and server_side.cpp, as one unit or as two.

#include <tls/tls.hpp>

#include <chrono>
#include <exception>
#include <future>
#include <iostream>
#include <string>

#include <sys/socket.h>

tls::shutdown_result answer(int descriptor, const tls::server_context& context);

namespace {

bool exchange(const std::string& certificate, const std::string& key) {
    const tls::server_context serving({.identity = tls::credential::from_files(certificate, key)});
    const tls::client_context trusting({.trust = tls::trust_store::from_file(certificate)});
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return false;
    auto server = std::async(std::launch::async, [&] { return answer(ends[1], serving); });

    tls::stream stream(tls::tcp_socket(ends[0]), trusting, "localhost");
    stream.expires_after(std::chrono::seconds(30));
    stream.write("Good morning!");
    stream.shutdown(tls::shutdown_mode::write);
    std::string reply(1000, '\0');
    reply.resize(stream.read(reply));
    const tls::shutdown_result ours = stream.close();
    const tls::shutdown_result theirs = server.get();
    const bool complete = stream.read_end() == tls::stream_end::close_notify;
    std::cout << TLS_STREAM_VERSION_STRING << ": " << reply << (ours.clean() && theirs.clean() ? " Clean." : " Not clean.")
              << '\n';
    return reply == "You said: Good morning!" && complete && ours.clean() && theirs.clean();
}

}  // namespace

int main(int argc, char* argv[]) {
    try {
        return argc == 3 && exchange(argv[1], argv[2]) ? 0 : 1;
    } catch (const std::exception& failed) {
        std::cerr << "client: " << failed.what() << '\n';
        return 1;
    }
}
