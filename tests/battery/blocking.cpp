// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over blocking streams: in memory, over a socketpair, and over TCP.

#include "battery.hpp"
#include "pairs.hpp"

#include <tls/stream.hpp>

#include <support/session.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

namespace {

// A stream that blocks, with a limit that is there only so that a test cannot hang.
template <class Socket>
class blocking_face {
public:
    explicit blocking_face(tls::stream<Socket> stream) : stream_(std::move(stream)) { stream_.expires_at(tests::patience()); }

    std::error_code handshake() {
        std::error_code ec;
        stream_.handshake(ec);
        return ec;
    }
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) { return stream_.read_some(into, ec); }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) { return stream_.write_some(from, ec); }
    std::size_t write(std::span<const std::byte> from, std::error_code& ec) { return stream_.write(from, ec); }
    tls::shutdown_result shutdown(tls::shutdown_mode mode, std::error_code& ec) { return stream_.shutdown(mode, patient, ec); }
    tls::shutdown_result close(std::error_code& ec) { return stream_.close(patient, ec); }
    [[nodiscard]] tls::stream_end read_end() const { return stream_.read_end(); }
    [[nodiscard]] SSL* native_handle() { return stream_.native_handle(); }

private:
    static constexpr tls::shutdown_options patient{.timeout = std::chrono::seconds(60)};

    tls::stream<Socket> stream_;
};

template <class Pair>
using blocking_transport = battery::taped_transport<blocking_face, Pair>;

using battery::memory_pair;
using battery::tcp_pair;
using battery::unix_pair;

}  // namespace

TEST_CASE("battery: TLS 1.2, blocking, in memory", "[battery]") {
    battery::run_all<blocking_transport<memory_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, blocking, in memory", "[battery]") {
    battery::run_all<blocking_transport<memory_pair>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, blocking, socketpair", "[battery]") {
    battery::run_all<blocking_transport<unix_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, blocking, socketpair", "[battery]") {
    battery::run_all<blocking_transport<unix_pair>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, blocking, TCP", "[battery]") {
    battery::run_all<blocking_transport<tcp_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, blocking, TCP", "[battery]") {
    battery::run_all<blocking_transport<tcp_pair>>(tls::protocol_version::tls1_3);
}
