// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What tests of the Asio faces need: connected sockets, operations that are run to their end, and two streams that talk.
//
// To be included after standalone_asio.hpp or boost_asio.hpp, one of which says what `net` is. A test program holds both; so all of
// this is known in its own source file only.

#ifndef TLS_STREAM_TESTS_SUPPORT_ASIO_TOOLS_HPP
#define TLS_STREAM_TESTS_SUPPORT_ASIO_TOOLS_HPP

#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tests {
namespace {

using tcp_socket = net::ip::tcp::socket;
using unix_socket = net::local::stream_protocol::socket;

// --- connected sockets ---

inline void connect(unix_socket& a, unix_socket& b) { net::local::connect_pair(a, b); }
inline void connect(tcp_socket& a, tcp_socket& b) {
    using net::ip::tcp;
    net::io_context io;
    tcp::acceptor acceptor(io, {net::ip::address_v4::loopback(), 0});
    a.connect(acceptor.local_endpoint());
    acceptor.accept(b);
    a.set_option(tcp::no_delay(true));
    b.set_option(tcp::no_delay(true));
}

template <class Socket>
struct sockets {
    Socket a;
    Socket b;

    // Each on its own io_context or executor.
    template <class Context>
    sockets(Context&& of_a, Context&& of_b) : a(of_a), b(of_b) {
        connect(a, b);
    }
};

// --- operations ---

// What an operation came to.
struct seen {
    int calls = 0;        // of the handler: 1 when it is complete
    bool inside = false;  // the handler was called before the initiating function returned
    bool gone = false;    // the handler was destroyed, called or not
    std::error_code ec{};
    std::size_t bytes = 0;
    tls::shutdown_result result{};
    std::function<void()> then{};  // what the handler does besides
    std::string text{};            // what is written

    [[nodiscard]] bool done() const noexcept { return calls != 0; }
};

// A handler that keeps what it is called with. Like any handler it can be moved and not copied.
class keep {
public:
    explicit keep(std::shared_ptr<seen> into) : into_(std::move(into)) {}
    keep(keep&&) noexcept = default;
    keep& operator=(keep&&) = delete;
    ~keep() {
        if (into_) into_->gone = true;
    }

    void operator()(net_code ec) const { note(ec); }
    void operator()(net_code ec, std::size_t n) const {
        into_->bytes = n;
        note(ec);
    }
    void operator()(net_code ec, const tls::shutdown_result& result) const {
        into_->result = result;
        note(ec);
    }

private:
    void note(net_code ec) const {
        if (++into_->calls != 1) throw std::logic_error("a handler is called twice");
        if (!queue_is_empty()) throw std::logic_error("BoringSSL's error queue is not empty in a handler");
        into_->ec = as_std(ec);
        if (const auto then = std::exchange(into_->then, nullptr)) then();
    }

    std::shared_ptr<seen> into_;
};

using operation = std::shared_ptr<seen>;

// Starts an operation: `initiate` is called with a handler for it. `then` is what the handler does.
template <class Initiate>
operation start_into(operation made, Initiate&& initiate) {
    std::forward<Initiate>(initiate)(keep(made));
    made->inside = made->done();
    if (made->inside) throw std::logic_error("a handler is called inside the initiating function");
    if (!queue_is_empty()) throw std::logic_error("an initiating function leaves something on BoringSSL's error queue");
    return made;
}
template <class Initiate>
operation start(Initiate&& initiate, std::function<void()> then = nullptr) {
    auto made = std::make_shared<seen>();
    made->then = std::move(then);
    return start_into(std::move(made), std::forward<Initiate>(initiate));
}

// Runs handlers until `done()`. Not to be waited for in vain: std::runtime_error after a minute, or when there is nothing to wait for.
template <class Done>
void run_until(net::io_context& io, Done&& done) {
    const auto limit = patience();
    while (!done()) {
        io.restart();
        if (io.run_one_until(limit) == 0) {
            throw std::runtime_error(io.stopped() ? "nothing is left to wait for, and an operation is not complete"
                                                  : "an operation does not complete");
        }
    }
}

// All that can be done without waiting.
inline void settle(net::io_context& io) {
    io.restart();
    io.poll();
}

inline const seen& finish(net::io_context& io, const operation& what) {
    run_until(io, [&] { return what->done(); });
    return *what;
}

// Starts an operation and runs it to its end.
template <class Initiate>
seen perform(net::io_context& io, Initiate&& initiate) {
    return finish(io, start(std::forward<Initiate>(initiate)));
}

const std::error_code no_error{};
const std::error_code aborted = as_std(net_code(net::error::operation_aborted));
// An expired deadline.
constexpr std::errc too_late = std::errc::timed_out;
const std::error_code end_of_file = as_std(net_code(net::error::eof));

// --- two streams that talk ---

[[nodiscard]] inline std::string text_of(std::size_t size, unsigned seed = 1) {
    std::string made(size, '\0');
    std::uint32_t state = seed * 2654435761u + 1;
    for (char& c : made) {
        state = state * 1664525u + 1013904223u;
        c = static_cast<char>('a' + (state >> 24) % 26);
    }
    return made;
}

// Writes all of it.
template <class Stream>
operation write_all(Stream& stream, std::string text) {
    auto made = std::make_shared<seen>();
    made->text = std::move(text);
    const net::const_buffer from(made->text.data(), made->text.size());
    return start_into(std::move(made), [&](keep handler) { net::async_write(stream, from, std::move(handler)); });
}
// Reads until `into` is full, or to the end.
template <class Stream>
operation read_all(Stream& stream, std::string& into) {
    return start([&](keep handler) { net::async_read(stream, net::buffer(into), std::move(handler)); });
}
template <class Stream>
operation read_some(Stream& stream, std::string& into) {
    return start([&](keep handler) { stream.async_read_some(net::buffer(into), std::move(handler)); });
}
template <class Stream>
operation write_some(Stream& stream, std::string text) {
    auto made = std::make_shared<seen>();
    made->text = std::move(text);
    const net::const_buffer from(made->text.data(), made->text.size());
    return start_into(std::move(made), [&](keep handler) { stream.async_write_some(from, std::move(handler)); });
}
template <class Stream>
operation handshake(Stream& stream) {
    return start([&](keep handler) { stream.async_handshake(std::move(handler)); });
}
template <class Stream>
operation shut(Stream& stream, tls::shutdown_mode mode,
               const tls::shutdown_options& options = {.timeout = std::chrono::seconds(60)}) {
    return start([&](keep handler) { stream.async_shutdown(mode, options, std::move(handler)); });
}
template <class Stream>
operation close(Stream& stream, const tls::shutdown_options& options = {.timeout = std::chrono::seconds(60)}) {
    return start([&](keep handler) { stream.async_close(options, std::move(handler)); });
}

// A stream and its peer, which is one too, in one io_context, with the handshake done.
template <class Socket>
class conversation {
public:
    explicit conversation(tls::protocol_version version = tls::protocol_version::tls1_3, bool handshaken = true)
        : pair_(io, io),
          client(std::move(pair_.a), client_of(version), "localhost"),
          server(std::move(pair_.b), server_of(version)) {
        if (handshaken) shake();
    }

    void shake() {
        const auto one = handshake(client);
        const auto other = handshake(server);
        finish(io, one);
        finish(io, other);
        if (one->ec || other->ec) throw std::system_error(one->ec ? one->ec : other->ec, "handshake");
    }
    // Sends a text one way, and gives what arrived.
    template <class From, class To>
    std::string send(From& from, To& to, const std::string& text) {
        std::string got(text.size(), '\0');
        const auto written = write_all(from, text);
        const auto read = read_all(to, got);
        finish(io, written);
        finish(io, read);
        if (written->ec || read->ec) throw std::system_error(written->ec ? written->ec : read->ec, "send");
        return got;
    }
    // Both ways.
    bool works() { return send(client, server, "to the server") == "to the server" && send(server, client, "back") == "back"; }

    net::io_context io;

private:
    sockets<Socket> pair_;

public:
    tls::stream<Socket> client;
    tls::stream<Socket> server;
};

}  // namespace
}  // namespace tests

#endif
