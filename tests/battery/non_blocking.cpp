// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over streams whose sockets do not block: each call is made again when poll(2) says that it can go on.

#include "battery.hpp"

#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <support/session.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace {

using tape_socket = tests::taped_socket<tls::tcp_socket>;

class polling_face {
public:
    polling_face(tls::stream<tape_socket> stream, int descriptor) : stream_(std::move(stream)), descriptor_(descriptor) {}

    std::error_code handshake() {
        std::error_code ec;
        again(ec, [&] { return stream_.handshake(ec), false; });
        return ec;
    }
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return again(ec, [&] { return stream_.read_some(into, ec); });
    }
    // Not done before it is out: then the wire shows one write after the other.
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        const std::size_t n = again(ec, [&] { return stream_.write_some(from, ec); });
        if (!ec) flush(ec);
        return n;
    }
    std::size_t write(std::span<const std::byte> from, std::error_code& ec) {
        std::size_t done = 0;
        do {
            done += again(ec, [&] { return stream_.write(from.subspan(done), ec); });
        } while (!ec && done < from.size());
        if (!ec) flush(ec);
        return done;
    }
    tls::shutdown_result shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        return again(ec, [&] { return stream_.shutdown(mode, patient, ec); }, true);
    }
    tls::shutdown_result close(std::error_code& ec) {
        return again(ec, [&] { return stream_.close(patient, ec); }, true);
    }
    [[nodiscard]] tls::stream_end read_end() const { return stream_.read_end(); }
    [[nodiscard]] SSL* native_handle() { return stream_.native_handle(); }

private:
    static constexpr tls::shutdown_options patient{.timeout = std::chrono::seconds(60)};

    // Makes the call again until it would not block, or has moved something before it would.
    template <class Call>
    std::invoke_result_t<Call> again(std::error_code& ec, Call call, bool closing = false) {
        for (;;) {
            const auto made = call();
            if (ec != std::errc::operation_would_block) return made;
            if constexpr (std::is_same_v<std::invoke_result_t<Call>, std::size_t>) {
                if (made != 0) return ec.clear(), made;
            }
            if (!wait(closing)) return ec = std::make_error_code(std::errc::timed_out), made;
        }
    }
    void flush(std::error_code& ec) {
        while (!stream_.flush(ec) && !ec) {
            if (!wait(false)) ec = std::make_error_code(std::errc::timed_out);
        }
    }
    bool wait(bool closing) {
        short events = 0;
        if (stream_.wants() == tls::want::input || closing) events |= POLLIN;
        if (stream_.wants() == tls::want::output) events |= POLLOUT;
        ::pollfd polled{descriptor_, events, 0};
        return ::poll(&polled, 1, 60'000) > 0;
    }

    tls::stream<tape_socket> stream_;
    int descriptor_;
};

template <tests::socket_pair (*MakePair)()>
class polling_transport {
public:
    polling_transport(tls::protocol_version version, std::size_t chunk) : version_(version), chunk_(chunk) {
        pair_.a.non_blocking(true);
        pair_.b.non_blocking(true);
    }

    polling_face client() {
        const int descriptor = pair_.a.native_handle();
        return {tls::stream<tape_socket>(tape_socket(std::move(pair_.a), chunk_, client_tape_), tests::client_of(version_),
                                         "localhost"),
                descriptor};
    }
    polling_face server() {
        const int descriptor = pair_.b.native_handle();
        return {tls::stream<tape_socket>(tape_socket(std::move(pair_.b), chunk_, server_tape_), tests::server_of(version_)),
                descriptor};
    }
    [[nodiscard]] const tests::tape& client_tape() const { return *client_tape_; }
    [[nodiscard]] const tests::tape& server_tape() const { return *server_tape_; }

private:
    tls::protocol_version version_;
    std::size_t chunk_;
    tests::socket_pair pair_ = MakePair();
    std::shared_ptr<tests::tape> client_tape_ = std::make_shared<tests::tape>();
    std::shared_ptr<tests::tape> server_tape_ = std::make_shared<tests::tape>();
};

}  // namespace

TEST_CASE("battery: TLS 1.2, by poll, socketpair", "[battery]") {
    battery::run_all<polling_transport<&tests::unix_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, by poll, socketpair", "[battery]") {
    battery::run_all<polling_transport<&tests::unix_pair>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, by poll, TCP", "[battery]") {
    battery::run_all<polling_transport<&tests::tcp_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, by poll, TCP", "[battery]") {
    battery::run_all<polling_transport<&tests::tcp_pair>>(tls::protocol_version::tls1_3);
}
