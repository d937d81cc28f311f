// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The wire that calls a socket from inside BoringSSL's BIO, so that bytes are copied only where the socket does not take them.
//
// Receiving: BoringSSL asks for a record's header, then for its body. The body comes together with the next header in one call. Reading
// ahead any further would cost a copy. Sending: up to four records leave together, the last one from where BoringSSL made it.

#ifndef TLS_STREAM_TLS_DETAIL_DIRECT_WIRE_HPP
#define TLS_STREAM_TLS_DETAIL_DIRECT_WIRE_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <span>
#include <system_error>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

template <socket Socket>
class direct_wire final : public wire {
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit direct_wire(Socket& under) noexcept : socket_(under) {}

    std::size_t receive(std::span<std::byte> into) override {
        if (ahead_size_ != 0) return take_ahead(into);
        if (!output_error_ || waits_after_refusal_) return receive_from_socket(into);
        // Without waiting, as far as the socket can do that. One that cannot ends at once if its connection is gone.
        if (!deadline_socket<Socket> && !is_reset(output_error_)) {
            input_ = input_state::blocked;
            return 0;
        }
        const time_point limit = read_deadline_;
        set_deadlines(time_point::min(), write_deadline_);
        const std::size_t n = receive_from_socket(into);
        set_deadlines(limit, write_deadline_);
        return n;
    }

    void send(std::span<const std::byte> records) override {
        sealed_ += records.size();
        if (stopped_ || output_error_) return;
        const bool more_to_come = expected_records_ > 1;
        if (expected_records_ != 0) --expected_records_;
        // While the error queue holds something, what is sent is an alert: a socket that is itself TLS would clear the queue.
        const bool later = output_blocked_ || ::ERR_peek_error() != 0 ||
                           (more_to_come && pending_.size() + records.size() <= batch_ciphertext);
        if (later) {
            pending_.append(records);
        } else {
            push(records);
        }
    }

    // Gives what is pending to the socket. Afterwards pending() is empty, or blocked_by() or output_error() tells why not.
    void flush() {
        output_blocked_ = false;
        expected_records_ = 0;
        if (!pending_.empty()) push({});
    }

    // The socket took less than it was given, and has not been asked since.
    [[nodiscard]] bool output_blocked() const noexcept { return output_blocked_; }
    // Why the socket last moved nothing: would-block or an expired deadline.
    [[nodiscard]] std::error_code blocked_by() const noexcept { return blocked_by_; }

    // Until when the socket's calls may wait; past points let them do what they can without waiting.
    void set_deadlines(time_point read, time_point write) {
        if constexpr (deadline_socket<Socket>) {
            if (read != read_deadline_) socket_.read_expires_at(read);
            if (write != write_deadline_) socket_.write_expires_at(write);
        }
        read_deadline_ = read;
        write_deadline_ = write;
    }

    [[nodiscard]] std::vector<std::byte> surplus() const override {
        const auto rest = std::span(ahead_).subspan(ahead_begin_, ahead_size_);
        return {rest.begin(), rest.end()};
    }

private:
    // Three records and their overhead.
    static constexpr std::size_t batch_ciphertext = (records_per_batch - 1) * (record_header_size + record_plaintext_limit + 256);

    std::size_t receive_from_socket(std::span<std::byte> into) {
        for (;;) {
            std::error_code ec;
            std::size_t n = 0;
            std::size_t most = into.size();
            if constexpr (vectored_socket<Socket>) {
                if (into.size() > record_header_size) {
                    const std::array<std::span<std::byte>, 2> parts{into, std::span(ahead_)};
                    most += ahead_.size();
                    n = socket_.read_some(std::span<const std::span<std::byte>>(parts), ec);
                } else {
                    n = socket_.read_some(into, ec);
                }
            } else {
                n = socket_.read_some(into, ec);
            }
            if (n > most) ec = errc::socket_misbehaved;
            if (n != 0 && n <= most) {
                const std::size_t taken = std::min(n, into.size());
                ahead_size_ = static_cast<unsigned char>(n - taken);
                ahead_begin_ = 0;
                return taken;
            }
            if (!ec) {
                input_ = input_state::ended;
            } else if (must_wait(ec, read_deadline_)) {
                if (ec == std::errc::interrupted) continue;
                input_ = input_state::blocked;
                blocked_by_ = ec;
            } else {
                input_ = input_state::failed;
                input_error_ = ec;
            }
            return 0;
        }
    }

    std::size_t take_ahead(std::span<std::byte> into) noexcept {
        const std::size_t n = std::min<std::size_t>(into.size(), ahead_size_);
        std::memcpy(into.data(), ahead_.data() + ahead_begin_, n);
        ahead_begin_ = static_cast<unsigned char>(ahead_begin_ + n);
        ahead_size_ = static_cast<unsigned char>(ahead_size_ - n);
        return n;
    }

    // Is this error one that passes? An interrupted call whose deadline is over has timed out.
    [[nodiscard]] bool must_wait(std::error_code& ec, time_point deadline) const {
        if (ec == std::errc::operation_would_block || ec == std::errc::resource_unavailable_try_again) return true;
        if constexpr (deadline_socket<Socket>) {
            const auto expired = std::make_error_code(std::errc::timed_out);
            if (ec == std::errc::interrupted && now(socket_) >= deadline) ec = expired;
            return ec == std::errc::interrupted || (ec.category() == expired.category() && ec.value() == expired.value());
        } else {
            return ec == std::errc::interrupted;
        }
    }

    // Sends what is pending and then `record`; what the socket does not take becomes pending.
    void push(std::span<const std::byte> record) {
        while (!pending_.empty() || !record.empty()) {
            std::error_code ec;
            std::size_t n = 0;
            try {
                n = write(record, ec);
            } catch (...) {
                refuse(errc::exception_thrown);
                throw;
            }
            const std::size_t offered = pending_.size() + record.size();
            if (n > offered || (n == 0 && !ec)) {
                refuse(errc::socket_misbehaved);
                return;
            }
            sent_ += n;
            const std::size_t from_pending = std::min(n, pending_.size());
            if (from_pending != 0) pending_.consume(from_pending);
            record = record.subspan(n - from_pending);
            if (!ec) continue;
            if (!must_wait(ec, write_deadline_)) return refuse(ec);
            if (ec != std::errc::interrupted) return block(record, ec);
        }
    }

    std::size_t write(std::span<const std::byte> record, std::error_code& ec) {
        if (pending_.empty()) return socket_.write_some(record, ec);
        if constexpr (vectored_socket<Socket>) {
            if (!record.empty()) {
                const std::array<std::span<const std::byte>, 2> parts{pending_.bytes(), record};
                return socket_.write_some(std::span<const std::span<const std::byte>>(parts), ec);
            }
        }
        return socket_.write_some(pending_.bytes(), ec);
    }

    void block(std::span<const std::byte> rest, std::error_code why) {
        if (pending_.empty() && rest.empty()) return;  // a count beside an error counts
        pending_.append(rest);
        output_blocked_ = true;
        blocked_by_ = why;
    }

    void refuse(std::error_code why) noexcept {
        output_error_ = why;
        pending_.clear();
    }

    Socket& socket_;
    time_point read_deadline_ = never;
    time_point write_deadline_ = never;
    std::error_code blocked_by_;
    std::array<std::byte, record_header_size> ahead_;  // the next record's header
    unsigned char ahead_begin_ = 0;
    unsigned char ahead_size_ = 0;
    bool output_blocked_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
