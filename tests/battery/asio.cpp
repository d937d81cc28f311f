// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over standalone Asio.

#include <support/standalone_asio.hpp>

#include "asio_battery.hpp"

#include <catch2/catch_test_macros.hpp>

TEST_CASE("battery: TLS 1.2, async, TCP (asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::tcp_socket, async_face>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, async, TCP (asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::tcp_socket, async_face>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, async, AF_UNIX (asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::unix_socket, async_face>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, async, AF_UNIX (asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::unix_socket, async_face>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, async, a layer that is no socket (asio)", "[battery]") {
    battery::run_all<layered_transport<tests::tcp_socket, async_face>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, async, a layer that is no socket (asio)", "[battery]") {
    battery::run_all<layered_transport<tests::tcp_socket, async_face>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, sync, TCP (asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::tcp_socket, sync_face>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, sync, AF_UNIX (asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::unix_socket, sync_face>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.3, sync, a layer that is no socket (asio)", "[battery]") {
    battery::run_all<layered_transport<tests::tcp_socket, sync_face>>(tls::protocol_version::tls1_3);
}
