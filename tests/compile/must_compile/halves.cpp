// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Every way to take a stream apart, over sockets with every ability and with the least.

#include <tls/tls.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

namespace {

class plain {
public:
    std::size_t read_some(std::span<std::byte>, std::error_code& ec) { return ec.clear(), 0; }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) { return ec.clear(), from.size(); }
    void shutdown(tls::shutdown_mode, std::error_code& ec) { ec.clear(); }
    void close(std::error_code& ec) { ec.clear(); }
};

template <class Socket>
void use(tls::stream<Socket> s) {
    std::error_code ec;
    auto [reader, writer] = tls::split(std::move(s));
    static_assert(std::same_as<decltype(reader), tls::reader<Socket>> && std::same_as<decltype(writer), tls::writer<Socket>>);
    char buffer[5];
    (void)reader.read_some(buffer);
    (void)reader.read(buffer, ec);
    (void)writer.write("text");
    (void)writer.write_some(buffer, ec);
    (void)writer.flush();
    (void)writer.shutdown(tls::shutdown_mode::both, {.drain_limit = 0}, ec);
    (void)writer.shutdown(tls::shutdown_mode::write);
    (void)reader.shutdown_read();
    tls::stream<Socket> whole = tls::join(std::move(reader), std::move(writer), ec);
    tls::reader<Socket> rest = std::move(whole).finish({.keep_transport_open = true}, ec);
    rest.with_native_handle([](SSL*) {});
    (void)rest.close();
    rest.abort();
}

}  // namespace

void use_all(tls::stream<tls::tcp_socket> s, tls::stream<tls::tcp_socket&> referring, const tls::client_context& client) {
    use(std::move(s));
    use(std::move(referring));
    use(tls::stream<plain>(plain(), client, "example.test"));
}
