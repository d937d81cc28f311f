// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Standalone Asio as `net`, for the tests that boost_asio.hpp lets run over Boost.Asio as well: a source file includes one of the two, and
// then the tests.

#ifndef TLS_STREAM_TESTS_SUPPORT_STANDALONE_ASIO_HPP
#define TLS_STREAM_TESTS_SUPPORT_STANDALONE_ASIO_HPP

#include <tls/asio.hpp>

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <asio/version.hpp>
#include <asio/write.hpp>

#include <string>
#include <system_error>

#define NET_VERSION ASIO_VERSION
#if NET_VERSION >= 102000
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#endif
#if NET_VERSION >= 102400
#include <asio/deferred.hpp>
#endif
#ifdef ASIO_HAS_CO_AWAIT
#define NET_HAS_COROUTINES 1
#else
#define NET_HAS_COROUTINES 0
#endif

namespace net = ::asio;

namespace tests {
namespace {

using net_code = ::asio::error_code;
using net_exception = tls::error;  // what the stream's throwing members throw
const std::string on_net = " (asio)";

[[nodiscard]] inline std::error_code as_std(const net_code& code) { return code; }

}  // namespace
}  // namespace tests

#endif
