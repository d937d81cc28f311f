// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What hello.cpp does, by BoringSSL's own calls. run.py includes the same standard headers here as hello.cpp has.
//
//     hello_raw HOST PORT

#include <openssl/ssl.h>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>

int main(int count, char** words) {
    if (count != 3) return 2;
    const bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
    ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    ::SSL_CTX_set_default_verify_paths(context.get());
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(words[1], words[2], &hints, &found) != 0) return 1;
    const int descriptor = ::socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    const bool connected = ::connect(descriptor, found->ai_addr, found->ai_addrlen) == 0;
    ::freeaddrinfo(found);
    const bssl::UniquePtr<SSL> ssl(::SSL_new(context.get()));
    if (!connected || ::SSL_set_fd(ssl.get(), descriptor) != 1 || ::SSL_set_tlsext_host_name(ssl.get(), words[1]) != 1 ||
        ::SSL_set1_host(ssl.get(), words[1]) != 1 || ::SSL_connect(ssl.get()) != 1 ||
        ::SSL_write(ssl.get(), "hello\n", 6) != 6) {
        return 1;
    }
    std::string answer(1000, '\0');
    std::size_t size = 0;
    while (size < answer.size()) {
        const int n = ::SSL_read(ssl.get(), answer.data() + size, static_cast<int>(answer.size() - size));
        if (n <= 0) break;
        size += static_cast<std::size_t>(n);
    }
    answer.resize(size);
    std::puts(answer.c_str());
    ::SSL_shutdown(ssl.get());
    ::close(descriptor);
}
