// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The application data of `inspect`: a megabyte there and back, or a web server's first page.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_EXCHANGE_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_EXCHANGE_HPP

#include <tls/error.hpp>
#include <tls/stream.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "report.hpp"
#include "wire_log.hpp"

namespace demo {

inline constexpr std::size_t megabyte = std::size_t{1} << 20;

// Sends a megabyte to a server that sends back what it gets. In pieces: two ends that both only write would wait for each other
// once the buffers between them are full.
template <class Socket>
void echo_megabyte(tls::stream<Socket>& stream, wire_log& log) {
    std::vector<unsigned char> there(megabyte / 16), back(there.size());
    unsigned value = 1;
    for (std::size_t done = 0; done < megabyte; done += there.size()) {
        for (unsigned char& byte : there) byte = static_cast<unsigned char>((value = value * 1664525 + 1013904223) >> 24);
        log.data(flow::sent, there.size());
        stream.write(there);
        if (stream.read(back) != back.size()) throw std::runtime_error("the server ended before everything had come back");
        log.data(flow::received, back.size());
        if (there != back) throw std::runtime_error("the server sent back something else: it is no echo server");
    }
    field("sent", grouped(megabyte) + " bytes");
    field("received", grouped(megabyte) + " bytes, the same");
}

// Asks for a web server's first page, and takes up to a megabyte of answer.
// However the answer ends, the connection is then closed, so that is told and is no error.
template <class Socket>
void ask_for_page(tls::stream<Socket>& stream, wire_log& log, const std::string& host) {
    const std::string request = "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
    std::error_code ec;
    log.data(flow::sent, request.size());
    field("sent", grouped(stream.write(request, ec)) + " bytes: GET / HTTP/1.1");

    std::string answer(megabyte, '\0');
    std::size_t size = 0;
    while (!ec && size < answer.size()) {
        const std::size_t n = stream.read_some(std::span(answer).subspan(size), ec);
        if (n == 0) break;
        log.data(flow::received, n);
        size += n;
    }
    answer.resize(size);
    field("received", grouped(answer.size()) + " bytes");
    if (!answer.empty()) {
        std::string line = answer.substr(0, std::min(answer.find_first_of("\r\n"), std::size_t{60}));
        for (char& c : line) {
            if (c < ' ' || c > '~') c = '.';  // a terminal would obey it
        }
        field("begins", line);
    }
    if (ec == std::errc::timed_out) field("then", "nothing more in time");
    else if (ec) field("then", ec.message());
    else field("then", answer.size() == megabyte ? "more may come" : "the server's close_notify");
}

}  // namespace demo

#endif
