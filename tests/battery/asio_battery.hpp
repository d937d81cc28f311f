// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over the Asio faces, by asynchronous operations and by the members that block: over sockets, behind a wiretap, and over a
// layer that is none. For asio.cpp and boost_asio.cpp, each of which says by which Asio, and what of it.

#ifndef TLS_STREAM_TESTS_BATTERY_ASIO_BATTERY_HPP
#define TLS_STREAM_TESTS_BATTERY_ASIO_BATTERY_HPP

#include "battery.hpp"

#include <support/asio_layer.hpp>
#include <support/asio_tools.hpp>
#include <support/wiretap.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

namespace {

constexpr tls::shutdown_options patient{.timeout = std::chrono::seconds(60)};

// What the battery takes for no error: Asio says `eof` where the peer has said close_notify.
std::error_code without_eof(std::error_code ec) { return ec == tests::end_of_file ? std::error_code() : ec; }

// Starts each operation, and runs the io_context until it is complete.
template <class Stream>
class async_face {
public:
    template <class... With>
    async_face(std::unique_ptr<net::io_context> io, std::shared_ptr<bool> closed, With&&... with)
        : io_(std::move(io)), closed_(std::move(closed)), stream_(std::forward<With>(with)...) {}

    std::error_code handshake() { return tests::finish(*io_, tests::handshake(stream_)).ec; }
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return counted(
            ec, [&](auto handler) { stream_.async_read_some(net::buffer(into.data(), into.size()), std::move(handler)); });
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return counted(
            ec, [&](auto handler) { stream_.async_write_some(net::buffer(from.data(), from.size()), std::move(handler)); });
    }
    std::size_t write(std::span<const std::byte> from, std::error_code& ec) {
        return counted(
            ec, [&](auto handler) { net::async_write(stream_, net::buffer(from.data(), from.size()), std::move(handler)); });
    }
    tls::shutdown_result shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        return closing(ec, tests::shut(stream_, mode, patient));
    }
    tls::shutdown_result close(std::error_code& ec) {
        const auto result = closing(ec, tests::close(stream_, patient));
        *closed_ = !stream_.lowest_layer().is_open();
        return result;
    }
    [[nodiscard]] tls::stream_end read_end() const { return stream_.read_end(); }
    [[nodiscard]] SSL* native_handle() { return stream_.native_handle(); }

private:
    template <class Initiate>
    std::size_t counted(std::error_code& ec, Initiate initiate) {
        const auto seen = tests::perform(*io_, initiate);
        ec = without_eof(seen.ec);
        return seen.bytes;
    }
    tls::shutdown_result closing(std::error_code& ec, const tests::operation& what) {
        const auto& seen = tests::finish(*io_, what);
        ec = seen.ec;
        return seen.result;
    }

    std::unique_ptr<net::io_context> io_;
    std::shared_ptr<bool> closed_;
    Stream stream_;
};

// Calls the members that block.
template <class Stream>
class sync_face {
public:
    template <class... With>
    sync_face(std::unique_ptr<net::io_context> io, std::shared_ptr<bool> closed, With&&... with)
        : io_(std::move(io)), closed_(std::move(closed)), stream_(std::forward<With>(with)...) {
        stream_.expires_after(std::chrono::seconds(60));
    }

    std::error_code handshake() {
        tests::net_code ec;
        stream_.handshake(ec);
        return tests::as_std(ec);
    }
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) {
        return counted(ec, [&](tests::net_code& why) { return stream_.read_some(net::buffer(into.data(), into.size()), why); });
    }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return counted(ec,
                       [&](tests::net_code& why) { return stream_.write_some(net::buffer(from.data(), from.size()), why); });
    }
    std::size_t write(std::span<const std::byte> from, std::error_code& ec) {
        return counted(ec,
                       [&](tests::net_code& why) { return net::write(stream_, net::buffer(from.data(), from.size()), why); });
    }
    tls::shutdown_result shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        return counted(ec, [&](tests::net_code& why) { return stream_.shutdown(mode, patient, why); });
    }
    tls::shutdown_result close(std::error_code& ec) {
        const auto result = counted(ec, [&](tests::net_code& why) { return stream_.close(patient, why); });
        *closed_ = !stream_.lowest_layer().is_open();
        return result;
    }
    [[nodiscard]] tls::stream_end read_end() const { return stream_.read_end(); }
    [[nodiscard]] SSL* native_handle() { return stream_.native_handle(); }

private:
    template <class Call>
    auto counted(std::error_code& ec, Call call) {
        tests::net_code why;
        const auto made = call(why);
        ec = without_eof(tests::as_std(why));
        return made;
    }

    std::unique_ptr<net::io_context> io_;
    std::shared_ptr<bool> closed_;
    Stream stream_;
};

template <class Socket>
Socket connected_to(int& other, net::io_context& io) {
    auto pair = tests::sockets<Socket>(io, io);
    other = pair.b.release();
    return std::move(pair.a);
}

// Two sockets with a wiretap between them.
template <class Socket, template <class> class Face>
class tapped_transport {
public:
    using face = Face<tls::stream<Socket>>;

    tapped_transport(tls::protocol_version version, std::size_t chunk) : version_(version) {
        int a = -1;
        int b = -1;
        client_ = connected_to<Socket>(a, *client_io_);
        server_ = connected_to<Socket>(b, *server_io_);
        tap_ = std::make_unique<tests::wiretap>(a, b, chunk);
    }

    face client() {
        return {std::move(client_io_), client_closed_, std::move(*client_), tests::client_of(version_), "localhost"};
    }
    face server() { return {std::move(server_io_), server_closed_, std::move(*server_), tests::server_of(version_)}; }
    [[nodiscard]] tests::tape client_tape() { return tape(&tests::wiretap::from_a, *client_closed_); }
    [[nodiscard]] tests::tape server_tape() { return tape(&tests::wiretap::from_b, *server_closed_); }

private:
    tests::tape tape(const tests::tape& (tests::wiretap::*side)() const noexcept, bool closed) {
        tap_->stop();
        tests::tape made = (*tap_.*side)();
        made.closed = closed && !tap_->reset();
        return made;
    }

    tls::protocol_version version_;
    std::unique_ptr<net::io_context> client_io_ = std::make_unique<net::io_context>();
    std::unique_ptr<net::io_context> server_io_ = std::make_unique<net::io_context>();
    std::optional<Socket> client_;
    std::optional<Socket> server_;
    std::shared_ptr<bool> client_closed_ = std::make_shared<bool>(false);
    std::shared_ptr<bool> server_closed_ = std::make_shared<bool>(false);
    std::unique_ptr<tests::wiretap> tap_;
};

// Two layers with tapes of their own.
template <class Socket, template <class> class Face>
class layered_transport {
public:
    using layer = tests::taped_layer<Socket>;
    using face = Face<tls::stream<layer>>;

    layered_transport(tls::protocol_version version, std::size_t chunk) : version_(version) {
        client_->chunk = server_->chunk = chunk;
    }

    face client() {
        return {std::move(client_io_), std::make_shared<bool>(), layer(std::move(pair_.a), client_), tests::client_of(version_),
                "localhost"};
    }
    face server() {
        return {std::move(server_io_), std::make_shared<bool>(), layer(std::move(pair_.b), server_),
                tests::server_of(version_)};
    }
    [[nodiscard]] const tests::tape& client_tape() const { return client_->written; }
    [[nodiscard]] const tests::tape& server_tape() const { return server_->written; }

private:
    tls::protocol_version version_;
    std::unique_ptr<net::io_context> client_io_ = std::make_unique<net::io_context>();
    std::unique_ptr<net::io_context> server_io_ = std::make_unique<net::io_context>();
    tests::sockets<Socket> pair_{*client_io_, *server_io_};
    std::shared_ptr<tests::layer_state> client_ = std::make_shared<tests::layer_state>();
    std::shared_ptr<tests::layer_state> server_ = std::make_shared<tests::layer_state>();
};

}  // namespace

#endif
