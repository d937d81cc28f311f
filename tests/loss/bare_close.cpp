// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The control of test_loss.py: what people write by hand. It sends as many bytes as its second argument says to the port of its
// first, says close_notify and closes the descriptor. The peer's session tickets lie unread then, the kernel answers with a
// reset, and that erases what the peer has not read yet.

#include <openssl/is_boringssl.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    std::signal(SIGPIPE, SIG_IGN);
    const std::string data(std::strtoul(argv[2], nullptr, 10), 'x');

    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 3;

    const bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
    const bssl::UniquePtr<SSL> ssl(::SSL_new(context.get()));
    if (::SSL_set_fd(ssl.get(), descriptor) != 1 || ::SSL_connect(ssl.get()) != 1) return 4;
    for (std::size_t done = 0; done < data.size();) {
        const int n =
            ::SSL_write(ssl.get(), data.data() + done, static_cast<int>(std::min<std::size_t>(data.size() - done, 1U << 20U)));
        if (n <= 0) return 5;
        done += static_cast<std::size_t>(n);
    }
    ::SSL_shutdown(ssl.get());
    ::close(descriptor);
    return 0;
}
