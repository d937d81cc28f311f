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

    // Microseconds since zero; the client's end on the left, the server's, where it was seen, on the right.
    void print() const {
        std::cout << "  Microseconds since TCP stood: of sending when its system call began, of receiving when it had\n"
                     "  returned. What an encrypted record holds is told by BoringSSL's message callback.\n\n"
                     "        us  client"
                  << (server_seen_ ? std::string(38, ' ') + "server" : "") << '\n';
        for (const auto& [when, one] : rows_) {
            const auto since = std::chrono::duration_cast<std::chrono::microseconds>(when - zero_).count();
            std::cout << std::right << std::setw(10) << grouped(static_cast<std::uint64_t>(since)) << "  ";
            if (!one.at_client) std::cout << std::string(44, ' ');
            // To the right is to the server, at either end.
            const char* const arrow = !one.way ? "   " : (*one.way == flow::sent) == one.at_client ? "-->" : "<--";
            std::cout << arrow << ' ' << one.what << '\n';
        }
    }

private:
    struct row {
        bool at_client;
        std::optional<flow> way;
        std::string what;
    };

    void add(const wire_log& log, bool at_client) {
        if (log.handshake_done()) add_row(*log.handshake_done(), {at_client, {}, "handshake complete"});
        for (const flow way : {flow::sent, flow::received}) {
            const std::string verb = way == flow::sent ? " sent" : " received";
            const std::vector<wire_record>& records = log.records(way);
            std::optional<std::size_t> first, last;
            for (std::size_t i = 0; i < records.size(); ++i) {
                const std::string content = log.content(way, i);
                if (content == wire_log::data) {
                    if (!first) first = i;
                    last = i;
                } else if (content != wire_log::handshake && !content.empty()) {
                    add_row(records[i].when, {at_client, way, content + verb + bytes(records[i])});
                }
            }
            if (first != last) add_row(records[*first].when, {at_client, way, "first data" + verb + bytes(records[*first])});
            if (last) add_row(records[*last].when, {at_client, way, "last data" + verb + bytes(records[*last])});
            if (log.end(way)) add_row(log.end(way)->when, {at_client, way, log.end(way)->how + verb});
        }
        if (log.closed()) add_row(*log.closed(), {at_client, {}, "socket closed"});
    }

    void add_row(time_point when, row seen) { rows_.emplace(when, std::move(seen)); }

    [[nodiscard]] static std::string bytes(const wire_record& record) { return ", " + grouped(record.size) + " bytes"; }

    time_point zero_;
    std::multimap<time_point, row> rows_;
    bool server_seen_ = false;
};

}  // namespace demo

#endif
