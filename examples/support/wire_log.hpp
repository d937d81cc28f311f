// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What one end of a connection saw pass, with the time: handshake messages and alerts, as the library's observer tells them; the first and
// the last application data; and how the transport ended in each direction, as a recording_socket sees it.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_WIRE_LOG_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_WIRE_LOG_HPP

#include <tls/observer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace demo {

using time_point = std::chrono::steady_clock::time_point;

enum class flow : unsigned char { sent, received };

// Something that passed: "client_hello", "close_notify", "first data", "FIN"; `size` is in bytes, 0 where there is none to tell.
struct passed {
    time_point when;
    std::string what;
    std::size_t size = 0;
};

class wire_log {
public:
    wire_log() = default;
    wire_log(const wire_log&) = delete;  // an observer keeps its address
    wire_log& operator=(const wire_log&) = delete;

    // For client_options::observe and server_options::observe. The log must outlive the connection.
    [[nodiscard]] tls::observer observer() {
        return [this](const tls::protocol_event& event) {
            const bool is_message = event.kind == tls::protocol_event::content::handshake;
            // BoringSSL tells of a message before it goes out, and of an alert when it is out.
            const bool is_out = event.sent && !is_message && sending_;
            at(event.sent ? flow::sent : flow::received)
                .messages.push_back({is_out ? *sending_ : now(), std::string(event.name), is_message ? event.bytes.size() : 0});
        };
    }
    // A system call that sends begins.
    void sending(time_point when) { sending_ = when; }
    // `n` bytes of application data: before they are written, after they were read.
    void data(flow way, std::size_t n) {
        direction& here = at(way);
        if (!here.first_data) here.first_data = {now(), "first data", n};
        else here.last_data = {now(), "last data", n};
    }
    void ended(flow way, std::string how, time_point when) {
        if (!at(way).end) at(way).end = {when, std::move(how)};
    }
    void handshake_done() { handshake_done_ = now(); }
    void closed(time_point when) {
        if (!closed_) closed_ = when;
    }

    [[nodiscard]] const std::optional<passed>& end(flow way) const { return at(way).end; }
    // All that passed in one direction.
    [[nodiscard]] std::vector<passed> all(flow way) const {
        const direction& here = at(way);
        std::vector<passed> found = here.messages;
        for (const auto& more : {here.first_data, here.last_data, here.end}) {
            if (more) found.push_back(*more);
        }
        if (here.first_data && !here.last_data) found[here.messages.size()].what = "last data";  // the only one
        return found;
    }
    [[nodiscard]] std::optional<time_point> handshake_done_at() const { return handshake_done_; }
    [[nodiscard]] std::optional<time_point> closed_at() const { return closed_; }

private:
    struct direction {
        std::vector<passed> messages;
        std::optional<passed> first_data;
        std::optional<passed> last_data;
        std::optional<passed> end;
    };

    static time_point now() noexcept { return std::chrono::steady_clock::now(); }
    [[nodiscard]] direction& at(flow way) { return directions_[static_cast<std::size_t>(way)]; }
    [[nodiscard]] const direction& at(flow way) const { return directions_[static_cast<std::size_t>(way)]; }

    std::array<direction, 2> directions_;
    std::optional<time_point> sending_;
    std::optional<time_point> handshake_done_;
    std::optional<time_point> closed_;
};

}  // namespace demo

#endif
