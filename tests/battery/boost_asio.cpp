// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over Boost.Asio: one source has it over standalone Asio in full, so this is a part that uses all of it.

#include <support/boost_asio.hpp>

#include "asio_battery.hpp"

#include <catch2/catch_test_macros.hpp>

TEST_CASE("battery: TLS 1.3, async, TCP (Boost.Asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::tcp_socket, async_face>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, async, a layer that is no socket (Boost.Asio)", "[battery]") {
    battery::run_all<layered_transport<tests::unix_socket, async_face>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, sync, AF_UNIX (Boost.Asio)", "[battery]") {
    battery::run_all<tapped_transport<tests::unix_socket, sync_face>>(tls::protocol_version::tls1_3);
}
