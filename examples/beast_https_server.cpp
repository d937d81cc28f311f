// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A web server on Boost.Beast: one page, which tells how it came, in a coroutine for each connection. Connections are kept for further
// requests, every wait has a limit, and each connection is closed as TLS wants it. SIGINT or SIGTERM ends the program at once;
// asio_echo_server.cpp shows how to stop gently.

#include <utility>  // which Boost 1.74's awaitable.hpp lacks

#include <tls/boost_asio.hpp>

#include <tls/context.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>

#include "support/boost_server.hpp"
#include "support/server_arguments.hpp"

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using demo::say;
using https_stream = tls::stream<beast::tcp_stream>;

constexpr auto handshake_limit = 10s;
constexpr auto request_limit = 30s;  // idle between requests included
constexpr auto response_limit = 30s;
constexpr auto close_limit = 2000ms;

http::response<http::string_body> answer(const http::request<http::string_body>& request, const https_stream& stream) {
    http::response<http::string_body> response(http::status::ok, request.version());
    response.keep_alive(request.keep_alive());
    response.set(http::field::content_type, "text/html; charset=utf-8");
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
        response.result(http::status::method_not_allowed);
        response.set(http::field::allow, "GET, HEAD");
        response.body() = "<!doctype html><title>No</title><p>Only GET and HEAD.</p>\n";
    } else if (request.target() != "/") {
        response.result(http::status::not_found);
        response.body() = "<!doctype html><title>Not here</title><p>There is one page here: <a href=\"/\">/</a>.</p>\n";
    } else {
        response.body() = "<!doctype html><title>tls-stream</title><h1>It works</h1>\n<p>This page came over " +
                          std::string(to_string(stream.version().value())) + " with " +
                          std::string(stream.cipher().value().name) + ".</p>\n";
    }
    response.prepare_payload();
    if (request.method() == http::verb::head) response.body().clear();
    return response;
}

// Until the client ends, or the last request says that it was the last.
asio::awaitable<void> answer_requests(https_stream& stream, std::size_t& answered) {
    stream.expires_after(handshake_limit);
    co_await stream.async_handshake(use_awaitable);
    beast::flat_buffer buffer;
    for (bool more = true; more;) {
        http::request<http::string_body> request;
        boost::system::error_code ec;
        stream.expires_after(request_limit);
        co_await http::async_read(stream, buffer, request, redirect_error(use_awaitable, ec));
        if (ec == http::error::end_of_stream) co_return;  // the client's close_notify, between two requests
        if (ec) throw boost::system::system_error(ec);

        const http::response<http::string_body> response = answer(request, stream);
        stream.expires_after(response_limit);
        co_await http::async_write(stream, response, use_awaitable);
        ++answered;
        more = response.keep_alive();
    }
}

// A client that misbehaves ends its own connection and nothing else.
asio::awaitable<void> serve(tcp::socket socket, const tls::server_context& context) {
    boost::system::error_code ec;
    std::ostringstream told;
    told << socket.remote_endpoint(ec) << ": ";
    https_stream stream(beast::tcp_stream(std::move(socket)), context);
    std::size_t answered = 0;
    try {
        co_await answer_requests(stream, answered);
    } catch (const std::exception& failed) {
        told << failed.what() << ", ";
    }
    stream.expires_after(close_limit);
    const tls::shutdown_result closed = co_await stream.async_close(redirect_error(use_awaitable, ec));
    told << answered << " requests, " << (closed.clean() ? "clean" : "not clean, peer: " + std::string(to_string(closed.peer)));
    say(told.str());
}

}  // namespace

int main(int argc, char* argv[]) {
    const auto run = [](const demo::server_arguments& given) {
        const tls::server_context context({.identity = demo::make_credential(given), .alpn = {"http/1.1"}});
        demo::run_boost_server(given, [&](tcp::socket accepted) { return serve(std::move(accepted), context); });
    };
    return demo::server_main(argc, argv, "beast_https_server", "Serves a page over HTTPS, until SIGINT or SIGTERM.", run);
}
