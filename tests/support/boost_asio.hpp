// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Boost.Asio as `net`: see standalone_asio.hpp.

#ifndef TLS_STREAM_TESTS_SUPPORT_BOOST_ASIO_HPP
#define TLS_STREAM_TESTS_SUPPORT_BOOST_ASIO_HPP

#include <utility>  // which Boost 1.74's awaitable.hpp lacks

#include <tls/boost_asio.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/version.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <string>
#include <system_error>

#define NET_VERSION BOOST_ASIO_VERSION
#if NET_VERSION >= 102000
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif
#if NET_VERSION >= 102400
#include <boost/asio/deferred.hpp>
#endif
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#define NET_HAS_COROUTINES 1
#else
#define NET_HAS_COROUTINES 0
#endif

namespace net = ::boost::asio;

namespace tests {
namespace {

using net_code = ::boost::system::error_code;
using net_exception = ::boost::system::system_error;
const std::string on_net = " (Boost.Asio)";

[[nodiscard]] inline std::error_code as_std(const net_code& code) { return tls::to_std(code); }

}  // namespace
}  // namespace tests

#endif
