// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// TLS without I/O: the engine's whole face.

#include <tls/tls.hpp>

#include <concepts>
#include <span>
#include <system_error>
#include <utility>

template <class T>
static void is(const std::same_as<T> auto&) {}

void use(const tls::client_context& client, const tls::server_context& server, std::error_code ec) {
    tls::engine e(client, "example.test");
    tls::engine accepted(server);
    is<tls::progress>(e.handshake());
    char text[16];
    is<tls::progress>(e.read(std::as_writable_bytes(std::span(text))));
    is<tls::progress>(e.write(std::as_bytes(std::span(text))));
    is<tls::progress>(e.close_notify());
    is<std::span<std::byte>>(e.input_space());
    e.input_received(1);
    e.input_ended();
    e.input_failed(ec);
    is<std::span<const std::byte>>(std::as_const(e).output());
    e.output_sent(1);
    is<tls::stream_end>(std::as_const(e).read_end());
    static_assert(noexcept(e.read_end()));
    const tls::progress p{.bytes = 1, .wants = tls::want::input, .error = {}};
    is<std::error_code>(p.error);
    accepted = std::move(e);
}

static_assert(std::is_nothrow_move_constructible_v<tls::engine> && !std::is_copy_constructible_v<tls::engine>);
