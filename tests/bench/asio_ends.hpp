// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What is measured over Asio: asio::ssl::stream, with the buffers that it has by itself and with larger ones; tls::stream; and a socket
// without TLS. All have the same members, and with TLS the same BoringSSL, certificates, versions, ciphers and verification.

#ifndef TLS_STREAM_TESTS_BENCH_ASIO_ENDS_HPP
#define TLS_STREAM_TESTS_BENCH_ASIO_ENDS_HPP

#include "ends.hpp"

#include <tls/asio.hpp>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/write.hpp>

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bench {

using asio_socket = asio::ip::tcp::socket;

// The members of an end: stream(), what is read and written; async_handshake and async_close, whose handlers get an error_code; name,
// and whether this version of Asio has it.

// asio::ssl::stream. `Buffers`: how many bytes its input and its output buffer have; 0 leaves that to Asio, which before 1.36 does not
// let it be said.
template <std::size_t Buffers>
class asio_ssl_end {
public:
    using stream_type = asio::ssl::stream<asio_socket>;
    static constexpr std::string_view name = Buffers == 0 ? "asio" : "tuned";
    static constexpr bool available =
        Buffers == 0 || std::is_constructible_v<stream_type, asio_socket, asio::ssl::context&, std::size_t, std::size_t>;

    asio_ssl_end(tls::role side, asio_socket socket) : side_(side), stream_(make(std::move(socket), context(side))) {
        if (side == tls::role::client) expect_server(stream_.native_handle());
    }

    [[nodiscard]] stream_type& stream() { return stream_; }
    [[nodiscard]] const SSL* ssl() { return stream_.native_handle(); }

    template <class Handler>
    void async_handshake(Handler handler) {
        stream_.async_handshake(side_ == tls::role::client ? asio::ssl::stream_base::client : asio::ssl::stream_base::server,
                                std::move(handler));
    }
    template <class Handler>
    void async_close(Handler handler) {
        stream_.async_shutdown([this, handler](asio::error_code ec) mutable {
            stream_.lowest_layer().close();
            handler(ec);
        });
    }

private:
    static asio::ssl::context& context(tls::role side) {
        static asio::ssl::context client(bssl::UpRef(raw_client_context()).release());
        static asio::ssl::context server(bssl::UpRef(raw_server_context()).release());
        return side == tls::role::client ? client : server;
    }
    // A template, so that what the version does not have is not looked at.
    template <class Context>
    static stream_type make(asio_socket socket, Context& context) {
        if constexpr (Buffers == 0) return stream_type(std::move(socket), context);
        else return stream_type(std::move(socket), context, Buffers, Buffers);
    }

    tls::role side_;
    stream_type stream_;
};

class our_asio_end {
public:
    using stream_type = tls::stream<asio_socket>;
    static constexpr std::string_view name = "ours";
    static constexpr bool available = true;

    our_asio_end(tls::role side, asio_socket socket)
        : stream_(side == tls::role::client ? stream_type(std::move(socket), client_context(), server_name)
                                            : stream_type(std::move(socket), server_context())) {}

    [[nodiscard]] stream_type& stream() { return stream_; }
    [[nodiscard]] const SSL* ssl() { return stream_.native_handle(); }

    template <class Handler>
    void async_handshake(Handler handler) {
        stream_.async_handshake(std::move(handler));
    }
    template <class Handler>
    void async_close(Handler handler) {
        stream_.async_close([handler](asio::error_code ec, tls::shutdown_result) mutable { handler(ec); });
    }

private:
    stream_type stream_;
};

// What Asio itself holds for a connection.
class plain_asio_end {
public:
    static constexpr std::string_view name = "plain";
    static constexpr bool available = true;

    plain_asio_end(tls::role, asio_socket socket) : socket_(std::move(socket)) {}

    [[nodiscard]] asio_socket& stream() { return socket_; }

private:
    asio_socket socket_;
};

using asio_ssl_default = asio_ssl_end<0>;
using asio_ssl_tuned = asio_ssl_end<std::size_t{68} << 10>;  // four records

inline asio_socket adopt(asio::io_context& io, int descriptor) { return {io, asio::ip::tcp::v4(), descriptor}; }

inline void require(const asio::error_code& ec, const char* what) {
    if (ec) std::fprintf(stderr, "%s: ", ec.message().c_str());
    require(!ec, what);
}

// A whole connection over TCP in one thread, both ends in one io_context: handshake, `count` times an async_write of `Pieces`, which the
// server reads as it comes, and close.
template <class End, class Pieces>
class asio_transfer {
public:
    asio_transfer(asio::io_context& io, Pieces pieces, std::size_t count) : asio_transfer(io, tcp_pair(), pieces, count) {}
    asio_transfer(const asio_transfer&) = delete;
    asio_transfer& operator=(const asio_transfer&) = delete;

    void start() {
        client_.async_handshake([this](asio::error_code ec) {
            require(ec, "client's handshake");
            require_cipher(client_.ssl());
            write();
        });
        server_.async_handshake([this](asio::error_code ec) {
            require(ec, "server's handshake");
            read();
        });
    }
    // After io_context::run(): all of it was read, and both ends have closed.
    [[nodiscard]] bool complete() const { return unread_ == 0 && closed_ == 2; }

private:
    asio_transfer(asio::io_context& io, descriptors ends, Pieces pieces, std::size_t count)
        : client_(tls::role::client, adopt(io, ends.client)),
          server_(tls::role::server, adopt(io, ends.server)),
          pieces_(std::move(pieces)),
          unwritten_(count),
          unread_(count * asio::buffer_size(pieces_)),
          into_(std::size_t{256} << 10) {}

    void write() {
        if (unwritten_-- == 0) return close(client_);
        asio::async_write(client_.stream(), pieces_, [this](asio::error_code ec, std::size_t) {
            require(ec, "write");
            write();
        });
    }
    void read() {
        server_.stream().async_read_some(asio::buffer(into_), [this](asio::error_code ec, std::size_t n) {
            unread_ -= n;
            if (ec == asio::error::eof) return close(server_);
            require(ec, "read");
            read();
        });
    }
    void close(End& end) {
        end.async_close([this](asio::error_code ec) {
            require(ec, "close");
            ++closed_;
        });
    }

    End client_;
    End server_;
    Pieces pieces_;
    std::size_t unwritten_;
    std::size_t unread_;
    int closed_ = 0;
    std::vector<std::byte> into_;
};

// Runs one from beginning to end. `size` bytes in `parts` buffers.
template <class End>
void transfer_over_asio(std::size_t size, std::size_t parts, std::size_t count) {
    const std::vector<std::byte> from(size, std::byte{'x'});
    asio::io_context io(1);
    const auto run = [&](auto pieces) {
        asio_transfer<End, decltype(pieces)> one(io, pieces, count);
        one.start();
        io.run();
        require(one.complete(), "all of it arrives");
    };
    if (parts == 1) return run(asio::buffer(from));
    std::array<asio::const_buffer, 64> pieces;
    require(parts == pieces.size(), "1 part, or 64");
    for (std::size_t i = 0; i < parts; ++i) pieces[i] = asio::buffer(from.data() + i * (size / parts), size / parts);
    run(pieces);
}

// Calls `measure.operator()<End>()` for the end of that name; says "unavailable" if there is none with this Asio.
template <class... Ends, class Measure>
void with_asio_end(std::string_view name, Measure&& measure) {
    const auto try_one = [&]<class End>(std::type_identity<End>) {
        if (name != End::name) return false;
        if constexpr (End::available) measure.template operator()<End>();
        else std::puts("unavailable");
        return true;
    };
    require((try_one(std::type_identity<Ends>()) || ...), "the name of an end");
}

}  // namespace bench

#endif
