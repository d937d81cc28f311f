// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The three ways to one connection that are measured against one another: BoringSSL's own calls, tls::stream and tls::engine. All have
// the same members, so that whatever is measured is the same code for each of them; and the same certificates, versions, ciphers and
// verification.

#ifndef TLS_STREAM_TESTS_BENCH_ENDS_HPP
#define TLS_STREAM_TESTS_BENCH_ENDS_HPP

#include <support/pki.hpp>
#include <tls/connect.hpp>
#include <tls/engine.hpp>

#include <openssl/ssl.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bench {

// Nothing here may fail; a number that was measured while something failed is worth nothing.
inline void require(bool worked, const char* what) {
    if (worked) return;
    std::fprintf(stderr, "failed: %s\n", what);
    std::_Exit(1);
}

inline constexpr const char* server_name = "localhost";

inline void set_blocking(int descriptor, bool on) {
    const int flags = ::fcntl(descriptor, F_GETFL);
    require(flags >= 0 && ::fcntl(descriptor, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0, "fcntl");
}

// Whether clients resume the session of the connection before; to be set before the first connection.
inline bool resuming = false;

// --- BoringSSL's own calls: SSL_set_fd, and the loops that everybody writes ---

// The latest session that a server gave.
inline bssl::UniquePtr<SSL_SESSION> raw_session;
inline int keep_raw_session(SSL*, SSL_SESSION* given) {
    raw_session.reset(given);
    return 1;
}

inline bssl::UniquePtr<SSL_CTX> new_raw_context() {
    bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
    require(context != nullptr && ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1, "SSL_CTX");
    return context;
}
inline SSL_CTX* raw_client_context() {
    static const bssl::UniquePtr<SSL_CTX> made = [] {
        bssl::UniquePtr<SSL_CTX> context = new_raw_context();
        ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
        X509_STORE* const trusted = ::SSL_CTX_get_cert_store(context.get());
        require(::X509_STORE_add_cert(trusted, tests::test_pki().authority.certificate.get()) == 1, "trust");
        if (resuming) {
            ::SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
            ::SSL_CTX_sess_set_new_cb(context.get(), &keep_raw_session);
        }
        return context;
    }();
    return made.get();
}
inline SSL_CTX* raw_server_context() {
    static const bssl::UniquePtr<SSL_CTX> made = [] {
        bssl::UniquePtr<SSL_CTX> context = new_raw_context();
        const tests::issued& identity = tests::test_pki().server;
        require(::SSL_CTX_use_certificate(context.get(), identity.certificate.get()) == 1 &&
                    ::SSL_CTX_use_PrivateKey(context.get(), identity.key.get()) == 1,
                "identity");
        return context;
    }();
    return made.get();
}

// Has a client's handshake ask for the server's name, and verify it.
inline void expect_server(SSL* ssl) {
    X509_VERIFY_PARAM* const expected = ::SSL_get0_param(ssl);
    ::X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    require(::SSL_set_tlsext_host_name(ssl, server_name) == 1 &&
                ::X509_VERIFY_PARAM_set1_host(expected, server_name, std::string_view(server_name).size()) == 1,
            "server name");
}

class raw_end {
public:
    static constexpr std::string_view name = "raw";

    raw_end(tls::role side, int descriptor)
        : ssl_(::SSL_new(side == tls::role::client ? raw_client_context() : raw_server_context())), descriptor_(descriptor) {
        require(ssl_ != nullptr && ::SSL_set_fd(ssl_.get(), descriptor) == 1, "SSL_set_fd");
        if (side == tls::role::server) {
            ::SSL_set_accept_state(ssl_.get());
            return;
        }
        ::SSL_set_connect_state(ssl_.get());
        expect_server(ssl_.get());
        if (raw_session != nullptr) ::SSL_set_session(ssl_.get(), raw_session.get());
    }
    ~raw_end() { ::close(descriptor_); }
    raw_end(const raw_end&) = delete;
    raw_end& operator=(const raw_end&) = delete;

    // False: it would block.
    bool handshake() {
        const int done = ::SSL_do_handshake(ssl_.get());
        require(done == 1 || ::SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ, "handshake");
        return done == 1;
    }
    void write(std::span<const std::byte> from) {
        while (!from.empty()) {
            const int n = ::SSL_write(ssl_.get(), from.data(), static_cast<int>(from.size()));
            require(n > 0, "SSL_write");
            from = from.subspan(static_cast<std::size_t>(n));
        }
    }
    void read(std::span<std::byte> into) {
        while (!into.empty()) {
            const int n = ::SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
            require(n > 0, "SSL_read");
            into = into.subspan(static_cast<std::size_t>(n));
        }
    }
    void set_blocking() { bench::set_blocking(descriptor_, true); }
    [[nodiscard]] const SSL* ssl() const { return ssl_.get(); }

private:
    bssl::UniquePtr<SSL> ssl_;
    int descriptor_;
};

// --- the library ---

inline const tls::client_context& client_context() {
    static const tls::client_context made = [] {
        tls::client_options options{.trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem())};
        if (resuming) options.sessions.emplace();
        return tls::client_context(options);
    }();
    return made;
}
inline const tls::server_context& server_context() {
    static const tls::server_context made({.identity = tls::credential::from_pem(tests::test_pki().server.certificate_pem(),
                                                                                 tests::test_pki().server.key_pem())});
    return made;
}

class stream_end {
public:
    static constexpr std::string_view name = "stream";

    stream_end(tls::role side, int descriptor)
        : stream_(side == tls::role::client ? tls::stream(tls::tcp_socket(descriptor), client_context(), server_name)
                                            : tls::stream(tls::tcp_socket(descriptor), server_context())) {}

    bool handshake() {
        std::error_code ec;
        stream_.handshake(ec);
        require(!ec || ec == std::errc::operation_would_block, "handshake");
        return !ec;
    }
    // With error codes, because BoringSSL's calls have them too.
    void write(std::span<const std::byte> from) {
        std::error_code ec;
        stream_.write(from, ec);
        require(!ec, "write");
    }
    void read(std::span<std::byte> into) {
        std::error_code ec;
        require(stream_.read(into, ec) == into.size(), "read");
    }
    void set_blocking() { stream_.next_layer().non_blocking(false); }
    [[nodiscard]] const SSL* ssl() { return stream_.native_handle(); }

private:
    tls::stream<tls::tcp_socket> stream_;
};

class engine_end {
public:
    static constexpr std::string_view name = "engine";

    engine_end(tls::role side, int descriptor)
        : engine_(side == tls::role::client ? tls::engine(client_context(), server_name) : tls::engine(server_context())),
          socket_(descriptor) {}

    bool handshake() {
        for (;;) {
            const tls::progress step = engine_.handshake();
            require(!step.error, "handshake");
            send();
            if (step.wants == tls::want::nothing) return true;
            if (!receive()) return false;
        }
    }
    void write(std::span<const std::byte> from) {
        while (!from.empty()) {
            const tls::progress step = engine_.write(from);
            require(!step.error, "write");
            from = from.subspan(step.bytes);
            send();
        }
    }
    void read(std::span<std::byte> into) {
        while (!into.empty()) {
            const tls::progress step = engine_.read(into);
            require(!step.error && (step.wants == tls::want::nothing || receive()), "read");
            into = into.subspan(step.bytes);
        }
    }
    void set_blocking() { socket_.non_blocking(false); }
    [[nodiscard]] const SSL* ssl() { return engine_.native_handle(); }

private:
    void send() {
        while (!engine_.output().empty()) {
            std::error_code ec;
            engine_.output_sent(socket_.write_some(engine_.output(), ec));
            require(!ec, "send");
        }
    }
    bool receive() {
        std::error_code ec;
        const std::size_t n = socket_.read_some(engine_.input_space(), ec);
        require(n != 0 || ec == std::errc::operation_would_block, "receive");
        engine_.input_received(n);
        return n != 0;
    }

    tls::engine engine_;
    tls::tcp_socket socket_;
};

// --- connections ---

struct descriptors {
    int client;
    int server;
};

// With room for what is written before anything is read: all that the system gives.
inline descriptors unix_pair() {
    std::array<int, 2> made{};
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data()) == 0, "socketpair");
    for (const int descriptor : made) {
        const int size = 8 << 20;
        require(::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0, "SO_SNDBUF");
        require(::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0, "SO_RCVBUF");
    }
    return {made[0], made[1]};
}

inline descriptors tcp_pair() {
    tls::tcp_listener listener("127.0.0.1", 0);
    tls::tcp_socket client = tls::tcp_socket::connect("127.0.0.1", listener.port());
    tls::tcp_socket server = listener.accept();
    return {client.release(), server.release()};
}

template <class End>
struct connection {
    std::unique_ptr<End> client;
    std::unique_ptr<End> server;
};

// Both ends of a connection, the handshake complete, in one thread.
template <class End>
connection<End> connect(descriptors ends) {
    set_blocking(ends.client, false);
    set_blocking(ends.server, false);
    connection<End> made{std::make_unique<End>(tls::role::client, ends.client),
                         std::make_unique<End>(tls::role::server, ends.server)};
    for (bool client = false, server = false; !client || !server;) {
        if (!client) client = made.client->handshake();
        if (!server) server = made.server->handshake();
    }
    return made;
}

// What is compared must be the same cipher.
inline void require_cipher(const SSL* ssl) {
    require(::SSL_CIPHER_get_value(::SSL_get_current_cipher(ssl)) == 0x1301, "TLS_AES_128_GCM_SHA256");
}

// The same, blocking from here on.
template <class End>
connection<End> connect_blocking(descriptors ends) {
    connection<End> made = connect<End>(ends);
    made.client->set_blocking();
    made.server->set_blocking();
    require_cipher(made.client->ssl());
    return made;
}

// --- the command line ---

// Calls `measure.operator()<End>()` for the end of that name.
template <class Measure>
void with_end(std::string_view name, Measure&& measure) {
    const auto try_one = [&]<class End>(End*) {
        if (name != End::name) return false;
        measure.template operator()<End>();
        return true;
    };
    require(try_one(static_cast<raw_end*>(nullptr)) || try_one(static_cast<stream_end*>(nullptr)) ||
                try_one(static_cast<engine_end*>(nullptr)),
            "the name of an end: raw, stream or engine");
}

inline std::size_t number(const char* text) { return std::strtoull(text, nullptr, 10); }

}  // namespace bench

#endif
