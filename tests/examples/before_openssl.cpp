// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What docs/moving-from-openssl.md moves from: a client by the SSL_* calls alone, with a socket that blocks and with one that does not.
// `before_openssl HOST PORT CA-FILE blocking|polling` asks a server on this machine and prints its answer.

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

struct descriptor {
    int number;
    explicit descriptor(int opened) : number(opened) {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { ::close(number); }
};

void connect_to(int number, std::uint16_t port) {
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(number, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("connect");
}

std::runtime_error failure(const std::string& what) {
    char text[256] = "no reason";
    if (const auto code = ERR_peek_error()) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return std::runtime_error(what + ": " + text);
}

using context_pointer = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using ssl_pointer = std::unique_ptr<SSL, decltype(&SSL_free)>;

context_pointer make_context(const std::string& ca_file) {
    context_pointer ctx(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
    if (!ctx) throw failure("SSL_CTX_new");
    SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
    if (SSL_CTX_load_verify_locations(ctx.get(), ca_file.c_str(), nullptr) != 1) throw failure(ca_file);
    return ctx;
}

ssl_pointer make_ssl(SSL_CTX* ctx, const std::string& host, int descriptor) {
    ssl_pointer ssl(SSL_new(ctx), &SSL_free);
    if (!ssl) throw failure("SSL_new");
    if (SSL_set_tlsext_host_name(ssl.get(), host.c_str()) != 1) throw failure("SNI");
    if (SSL_set1_host(ssl.get(), host.c_str()) != 1) throw failure("host");
    if (SSL_set_fd(ssl.get(), descriptor) != 1) throw failure("SSL_set_fd");
    return ssl;
}

std::string ask(SSL* ssl, const std::string& question) {
    if (SSL_connect(ssl) != 1) throw failure("SSL_connect");
    for (std::size_t done = 0; done < question.size();) {
        const int n = SSL_write(ssl, question.data() + done, static_cast<int>(question.size() - done));
        if (n <= 0) throw failure("SSL_write");
        done += static_cast<std::size_t>(n);
    }
    std::string answer;
    for (char some[4096];;) {
        const int n = SSL_read(ssl, some, sizeof some);
        if (n > 0) answer.append(some, static_cast<std::size_t>(n));
        else if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN) break;
        else throw failure("SSL_read");
    }
    SSL_shutdown(ssl);
    return answer;
}

// Repeats a call until it does not want to wait any more.
template <class Call>
int repeat(SSL* ssl, int descriptor, Call call) {
    for (;;) {
        ERR_clear_error();
        const int result = call();
        const int why = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return result;
        ::pollfd entry{descriptor, static_cast<short>(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
        if (::poll(&entry, 1, 10'000) <= 0) throw std::runtime_error("it takes too long");
    }
}

std::string ask_polling(SSL* ssl, int descriptor, const std::string& question) {
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (repeat(ssl, descriptor, [&] { return SSL_connect(ssl); }) != 1) throw failure("SSL_connect");
    for (std::size_t done = 0; done < question.size();) {
        const int size = static_cast<int>(std::min<std::size_t>(question.size() - done, std::numeric_limits<int>::max()));
        const int n = repeat(ssl, descriptor, [&] { return SSL_write(ssl, question.data() + done, size); });
        if (n <= 0) throw failure("SSL_write");
        done += static_cast<std::size_t>(n);
    }
    std::string answer;
    for (char some[4096];;) {
        const int n = repeat(ssl, descriptor, [&] { return SSL_read(ssl, some, sizeof some); });
        if (n > 0) answer.append(some, static_cast<std::size_t>(n));
        else if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN) break;
        else throw failure("SSL_read");
    }
    // 0: close_notify is sent, and the peer's has not come. Called again it waits for that, and fails if data comes first.
    if (SSL_shutdown(ssl) == 0) repeat(ssl, descriptor, [&] { return SSL_shutdown(ssl); });
    return answer;
}

}  // namespace

int main(int argc, char* argv[]) {
    if (argc != 5) return 2;
    const std::string host = argv[1];
    std::signal(SIGPIPE, SIG_IGN);
    try {
        const context_pointer ctx = make_context(argv[3]);
        const descriptor opened(::socket(AF_INET, SOCK_STREAM, 0));
        connect_to(opened.number, static_cast<std::uint16_t>(std::stoi(argv[2])));
        const bool polls = std::string(argv[4]) == "polling";
        if (polls) ::fcntl(opened.number, F_SETFL, O_NONBLOCK);
        const ssl_pointer ssl = make_ssl(ctx.get(), host, opened.number);
        std::cout << (polls ? ask_polling(ssl.get(), opened.number, "Are you there?\n") : ask(ssl.get(), "Are you there?\n"));
    } catch (const std::exception& failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
