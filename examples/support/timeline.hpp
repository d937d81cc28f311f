// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Puts what one or both ends of a connection saw in order, and prints it.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_TIMELINE_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_TIMELINE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report.hpp"
#include "wire_log.hpp"

namespace demo {

class timeline {
public:
    explicit timeline(time_point zero) : zero_(zero) {}

    void add_client(const wire_log& log) { add(log, true); }
    void add_server(const wire_log& log) {
        add(log, false);
        server_seen_ = true;
    }

    // What was seen, in the order of time.
    struct row {
        bool at_client;
        std::optional<flow> way;  // nothing passed
        std::string what;
        std::size_t size = 0;
    };
    [[nodiscard]] const std::multimap<time_point, row>& rows() const noexcept { return rows_; }
    [[nodiscard]] std::uint64_t microseconds(time_point when) const {
        return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(when - zero_).count());
    }

    // Microseconds since zero; the client's end on the left, the server's, where it was seen, on the right.
    void print() const {
        output() << "  Microseconds since TCP stood: of sending when it began, of receiving when it was done.\n"
                    "  Handshake messages and alerts as the library's observer tells them.\n\n"
                    "        us  client"
                 << (server_seen_ ? std::string(38, ' ') + "server" : "") << '\n';
        for (const auto& [when, one] : rows_) {
            output() << std::right << std::setw(10) << grouped(microseconds(when)) << "  ";
            if (!one.at_client) output() << std::string(44, ' ');
            // To the right is to the server, at either end.
            const char* const arrow = !one.way ? "   " : (*one.way == flow::sent) == one.at_client ? "-->" : "<--";
            output() << arrow << ' ' << one.what;
            if (one.way) output() << (*one.way == flow::sent ? " sent" : " received");
            if (one.size != 0) output() << ", " << grouped(one.size) << " bytes";
            output() << '\n';
        }
    }

private:
    void add(const wire_log& log, bool at_client) {
        if (log.handshake_done_at()) rows_.emplace(*log.handshake_done_at(), row{at_client, {}, "handshake complete"});
        for (const flow way : {flow::sent, flow::received}) {
            for (const passed& one : log.all(way)) rows_.emplace(one.when, row{at_client, way, one.what, one.size});
        }
        if (log.closed_at()) rows_.emplace(*log.closed_at(), row{at_client, {}, "socket closed"});
    }

    time_point zero_;
    std::multimap<time_point, row> rows_;
    bool server_seen_ = false;
};

}  // namespace demo

#endif
