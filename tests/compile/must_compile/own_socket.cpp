// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A type of the user's own with the four members is a socket, and nothing more is asked of it.

#include <tls/tls.hpp>

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

static_assert(tls::socket<plain>);
static_assert(!tls::vectored_socket<plain> && !tls::deadline_socket<plain> && !tls::abortable_socket<plain>);

template <class T>
concept takes_deadlines = requires(T& stream) { stream.expires_never(); };

static_assert(!takes_deadlines<tls::stream<plain>>);
static_assert(takes_deadlines<tls::stream<tls::tcp_socket>>);

}  // namespace

void use(const tls::client_context& client) {
    tls::stream<plain> s(plain(), client, "example.test");
    char buffer[5];
    (void)s.read(buffer);
    (void)s.write(buffer);
    (void)s.shutdown(tls::shutdown_mode::both);
    (void)s.close();
    s.abort();
    plain p;
    tls::stream<plain&> r(p, client, "example.test");
    (void)r.close();
}
