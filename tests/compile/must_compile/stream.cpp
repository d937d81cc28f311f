// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Every member of a stream, each in its two forms, with the results that the documentation gives.

#include <tls/tls.hpp>

#include <chrono>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

template <class T>
void is(const std::same_as<T> auto&) {}

template <class Stream>
void each_member(Stream& s, const Stream& c) {
    using namespace std::chrono_literals;
    std::error_code ec;
    const tls::shutdown_options options{.timeout = 1s};

    s.handshake();
    s.handshake(ec);
    is<tls::shutdown_result>(s.shutdown(tls::shutdown_mode::both));
    is<tls::shutdown_result>(s.shutdown(tls::shutdown_mode::both, ec));
    is<tls::shutdown_result>(s.shutdown(tls::shutdown_mode::write, options));
    is<tls::shutdown_result>(s.shutdown(tls::shutdown_mode::write, options, ec));
    is<tls::shutdown_result>(s.shutdown(tls::shutdown_mode::read, {.timeout = 0ms}));
    is<tls::shutdown_result>(s.shutdown(tls::shutdown_mode::read, {.drain_limit = 0}, ec));
    is<tls::shutdown_result>(s.close());
    is<tls::shutdown_result>(s.close(ec));
    is<tls::shutdown_result>(s.close(options));
    is<tls::shutdown_result>(s.close(options, ec));
    is<tls::shutdown_result>(s.close({.keep_transport_open = true}));
    static_assert(noexcept(s.abort()));
    s.abort();

    is<tls::want>(c.wants());
    is<bool>(s.flush());
    is<bool>(s.flush(ec));
    is<std::size_t>(c.pending_output());
    is<bool>(c.input_buffered());

    is<tls::stream_end>(c.read_end());
    is<std::optional<tls::protocol_version>>(c.version());
    is<std::optional<tls::cipher_info>>(c.cipher());
    is<std::vector<tls::cipher_info>>(c.shared_ciphers());
    is<std::optional<std::string_view>>(c.compression());
    is<std::string_view>(c.alpn());
    is<std::string_view>(c.group());
    is<std::string_view>(c.server_name());
    is<std::optional<tls::certificate>>(c.peer_certificate());
    is<std::vector<tls::certificate>>(c.peer_chain());
    is<SSL*>(s.native_handle());
}

template <class Stream>
void each_deadline(Stream& s) {
    using namespace std::chrono_literals;
    s.expires_after(5s);
    s.expires_after(1ns);
    s.expires_after(std::chrono::hours(24));
    s.expires_after(std::chrono::nanoseconds::max());
    s.expires_at(std::chrono::steady_clock::now() + 1min);
    s.expires_never();
}

}  // namespace

void use(tls::tcp_socket& socket, const tls::client_context& client, const tls::server_context& server) {
    tls::stream<tls::tcp_socket> by_value(tls::tcp_socket(3), client, "example.test");
    tls::stream<tls::tcp_socket> serving(tls::tcp_socket(3), server);
    tls::stream<tls::tcp_socket&> by_reference(socket, client, "192.0.2.1");
    tls::stream<tls::stream<tls::tcp_socket>> inner(std::move(by_value), client, "inner.test");
    tls::stream<tls::stream<tls::tcp_socket>&> inner_by_reference(serving, server);

    each_member(by_value, by_value);
    each_member(by_reference, by_reference);
    each_member(inner, inner);
    each_deadline(by_value);
    each_deadline(by_reference);
    each_deadline(inner);

    is<tls::tcp_socket>(by_value.next_layer());
    is<tls::tcp_socket>(by_reference.next_layer());
    tls::released<tls::tcp_socket> released = std::move(by_value).release();
    is<tls::tcp_socket>(released.socket);
    is<std::vector<std::byte>>(released.surplus);
    std::error_code ec;
    (void)std::move(serving).release(ec);

    by_value = std::move(serving);
    tls::stream<tls::tcp_socket> moved(std::move(by_value));
    (void)tls::stream<tls::tcp_socket>::create(tls::tcp_socket(3), client, "example.test", ec);
    (void)tls::stream<tls::tcp_socket>::create(tls::tcp_socket(3), server, ec);
    if (!moved) return;

    using namespace std::chrono_literals;
    is<tls::stream<tls::tcp_socket>>(tls::connect("example.test", 443, client));
    is<tls::stream<tls::tcp_socket>>(tls::connect("example.test", 443, client, ec));
    is<tls::stream<tls::tcp_socket>>(tls::connect("example.test", 443, client, std::chrono::steady_clock::now() + 5s));
    is<tls::stream<tls::tcp_socket>>(tls::connect("example.test", 443, client, tls::never, ec));
}
