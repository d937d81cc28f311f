// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What the types promise without being run.

#include <tls/tls.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <system_error>
#include <type_traits>

using tcp_stream = tls::stream<tls::tcp_socket>;

static_assert(tls::socket<tls::tcp_socket>);
static_assert(tls::vectored_socket<tls::tcp_socket> && tls::deadline_socket<tls::tcp_socket>);
static_assert(tls::pollable_socket<tls::tcp_socket> && tls::abortable_socket<tls::tcp_socket>);
static_assert(tls::socket<tcp_stream> && tls::deadline_socket<tcp_stream> && tls::abortable_socket<tcp_stream>);
static_assert(tls::socket<tls::stream<tcp_stream>>);

template <class T>
inline constexpr bool moves_only =
    std::is_nothrow_move_constructible_v<T> && !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<tls::tcp_socket> && moves_only<tls::tcp_listener>);
static_assert(moves_only<tcp_stream> && moves_only<tls::stream<tls::tcp_socket&>>);
static_assert(std::is_nothrow_destructible_v<tcp_stream>);

template <class T>
inline constexpr bool is_a_value = std::copyable<T> && std::is_nothrow_move_constructible_v<T>;
static_assert(is_a_value<tls::certificate> && is_a_value<tls::credential> && is_a_value<tls::trust_store>);
static_assert(is_a_value<tls::client_context> && is_a_value<tls::server_context>);
static_assert(!std::is_constructible_v<tls::client_context, tls::server_context>);

static_assert(std::is_same_v<tls::client_context, tls::context<tls::role::client>>);
static_assert(std::is_same_v<tls::server_context, tls::context<tls::role::server>>);

static_assert(!std::is_convertible_v<tls::shutdown_mode, int> && !std::is_convertible_v<int, tls::shutdown_mode>);
static_assert(!std::is_constructible_v<tls::tcp_socket, const char*> && !std::is_convertible_v<int, tls::tcp_socket>);

static_assert(std::is_error_code_enum_v<tls::errc>);
static_assert(std::derived_from<tls::error, std::system_error> && std::is_nothrow_copy_constructible_v<tls::error>);
static_assert(static_cast<int>(tls::errc::truncated) == 1);

static_assert(static_cast<std::uint16_t>(tls::protocol_version::tls1_2) == 0x0303);
static_assert(static_cast<std::uint16_t>(tls::protocol_version::tls1_3) == 0x0304);

static_assert(tls::shutdown_options{}.timeout == std::chrono::seconds(5));
static_assert(tls::shutdown_options{}.drain_limit == 1 << 20 && !tls::shutdown_options{}.keep_transport_open);
static_assert(!tls::shutdown_result{}.clean());
static_assert(tls::shutdown_result{.close_notify_sent = true, .peer = tls::stream_end::close_notify}.clean());
static_assert(!tls::shutdown_result{.close_notify_sent = true, .peer = tls::stream_end::truncated}.clean());
static_assert(tls::never == std::chrono::steady_clock::time_point::max());

static_assert(TLS_STREAM_VERSION >= 100);
