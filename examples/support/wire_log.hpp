// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What one end of a connection saw pass: TLS records, and how each direction ended, with the time.
//
// Two sources make it. A recording_socket sees the bytes and cuts them into records by their headers, which are not encrypted.
// What a record holds is encrypted, so that is told by BoringSSL: its message callback says of each record that it opens or seals
// whether it carried an alert, and which (SSL_set_msg_callback).

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_WIRE_LOG_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_WIRE_LOG_HPP

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace demo {

using time_point = std::chrono::steady_clock::time_point;

enum class flow : unsigned char { sent, received };

// A record once its last byte had passed.
struct wire_record {
    time_point when;
    std::size_t size = 0;  // header included
};

// How a direction ended: "FIN", "RST".
struct wire_end {
    time_point when;
    std::string how;
};

class wire_log {
public:
    static constexpr const char* data = "data";
    static constexpr const char* handshake = "handshake";

    wire_log() = default;
    wire_log(const wire_log&) = delete;  // BoringSSL keeps its address
    wire_log& operator=(const wire_log&) = delete;

    // --- for the socket ---

    void passed(flow way, std::span<const std::byte> bytes, time_point when) {
        direction& here = at(way);
        while (!bytes.empty()) {
            const bool in_header = here.header_size < here.header.size();
            const std::size_t n = std::min(bytes.size(), in_header ? here.header.size() - here.header_size : here.body_left);
            if (in_header) {
                std::copy_n(bytes.begin(), n, here.header.begin() + static_cast<std::ptrdiff_t>(here.header_size));
                here.header_size += n;
                if (here.header_size == here.header.size()) here.body_left = here.body_size();
            } else {
                here.body_left -= n;
            }
            bytes = bytes.subspan(n);
            if (here.header_size == here.header.size() && here.body_left == 0) {
                here.records.push_back({when, here.header.size() + here.body_size()});
                here.header_size = 0;
            }
        }
    }
    void ended(flow way, std::string how, time_point when) {
        if (!at(way).end) at(way).end = {when, std::move(how)};
    }
    void closed(time_point when) {
        if (!closed_) closed_ = when;
    }

    // --- for whoever has the stream ---

    // From here on BoringSSL tells what the records hold. To be called when the handshake is complete, before anything else is
    // read or written; the log must outlive the stream's use.
    void watch(SSL* ssl) {
        for (direction& here : directions_) here.contents.assign(here.records.size(), handshake);
        handshake_done_ = std::chrono::steady_clock::now();
        // A TLS 1.3 server's session tickets leave with its first write; BoringSSL has spoken of them before this.
        at(flow::sent).handshake_next = ::SSL_is_server(ssl) != 0 && ::SSL_version(ssl) == TLS1_3_VERSION;
        ::SSL_set_msg_callback(ssl, &wire_log::on_message);
        ::SSL_set_msg_callback_arg(ssl, this);
    }

    // --- for the report ---

    [[nodiscard]] const std::vector<wire_record>& records(flow way) const { return at(way).records; }
    // What a record held: `data`, `handshake`, or an alert by its name; empty if it was never opened.
    [[nodiscard]] std::string content(flow way, std::size_t record) const {
        return record < at(way).contents.size() ? at(way).contents[record] : std::string();
    }
    [[nodiscard]] const std::optional<wire_end>& end(flow way) const { return at(way).end; }
    [[nodiscard]] std::optional<time_point> handshake_done() const { return handshake_done_; }
    [[nodiscard]] std::optional<time_point> closed() const { return closed_; }

private:
    struct direction {
        std::array<std::byte, SSL3_RT_HEADER_LENGTH> header{};  // of the record that is passing
        std::size_t header_size = 0;
        std::size_t body_left = 0;
        std::vector<wire_record> records;
        std::vector<std::string> contents;  // one for each record that BoringSSL sealed or opened
        bool handshake_next = false;
        std::optional<wire_end> end;

        [[nodiscard]] std::size_t body_size() const {
            return std::to_integer<std::size_t>(header[3]) << 8 | std::to_integer<std::size_t>(header[4]);
        }
    };

    [[nodiscard]] direction& at(flow way) { return directions_[static_cast<std::size_t>(way)]; }
    [[nodiscard]] const direction& at(flow way) const { return directions_[static_cast<std::size_t>(way)]; }

    // A record's header comes first; its alert follows it. A handshake message follows the header of a record that was opened,
    // and goes before that of one that is sealed.
    void message(flow way, int type, std::span<const std::uint8_t> bytes) {
        direction& here = at(way);
        if (type == SSL3_RT_HEADER) {
            here.contents.emplace_back(std::exchange(here.handshake_next, false) ? handshake : data);
        } else if (type == SSL3_RT_HANDSHAKE && way == flow::sent) {
            here.handshake_next = true;
        } else if (type == SSL3_RT_HANDSHAKE && !here.contents.empty()) {
            here.contents.back() = handshake;
        } else if (type == SSL3_RT_ALERT && bytes.size() == 2 && !here.contents.empty()) {
            std::string name = ::SSL_alert_desc_string_long(bytes[1]);  // level, then description
            std::replace(name.begin(), name.end(), ' ', '_');
            here.contents.back() = std::move(name);
        }
    }

    static void on_message(int is_write, int, int type, const void* bytes, std::size_t size, SSL*, void* log) noexcept {
        static_cast<wire_log*>(log)->message(is_write != 0 ? flow::sent : flow::received, type,
                                             {static_cast<const std::uint8_t*>(bytes), size});
    }

    std::array<direction, 2> directions_;
    std::optional<time_point> handshake_done_;
    std::optional<time_point> closed_;
};

}  // namespace demo

#endif
