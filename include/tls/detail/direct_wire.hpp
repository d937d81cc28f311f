// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The wire that calls a socket from inside BoringSSL's BIO, so that bytes are copied only where the socket does not take them.
//
// Receiving: BoringSSL asks for a record's header, then for its body. With the header comes a little more, so that a small record
// takes one call; with the body comes the next header. Reading ahead any further would cost more in copies than it saves in calls.
// Sending: up to four records leave together, the last one from where BoringSSL made it.

#ifndef TLS_STREAM_TLS_DETAIL_DIRECT_WIRE_HPP
#define TLS_STREAM_TLS_DETAIL_DIRECT_WIRE_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/fwd.hpp>
#include <tls/socket.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

template <socket Socket>
class direct_wire final : public wire {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // From here on the socket's deadlines are the stream's.
    explicit direct_wire(Socket& under) : socket_(under) {
        if constexpr (deadline_socket<Socket>) {
            socket_.read_expires_at(never);
            socket_.write_expires_at(never);
        }
    }

    // Goes on where another wire stopped, with the `size` bytes that it had received. The socket's deadlines are these already.
    direct_wire(Socket& under, wire& from, std::unique_ptr<std::byte[]> received, std::size_t size, time_point read,
                time_point write) noexcept
        : wire(from),
          socket_(under),
          read_deadline_(read),
          write_deadline_(write),
          ahead_begin_(received.get()),
          ahead_end_(received.get() + size),
          handed_over_(std::move(received)) {}

    std::size_t take_received(std::span<std::byte> into) noexcept {
        const auto n = (std::min)(into.size(), static_cast<std::size_t>(ahead_end_ - ahead_begin_));
        if (n == 0) return 0;
        std::memcpy(into.data(), ahead_begin_, n);
        ahead_begin_ += n;
        return n;
    }

    [[gnu::always_inline]] std::size_t receive(std::span<std::byte> into) {
        std::size_t n = 0;
        do n = try_receive(into);
        while (n == 0 && input_ == input_state::flowing);  // interrupted
        return n;
    }

    [[gnu::always_inline]] void send(std::span<const std::byte> records) {
        sealed_ += records.size();
        const bool application_data = expected_records_ != 0;
        if (application_data) --expected_records_;
        if (stopped_ || output_error_) return;
        // Records that the next ones will join. And an alert, which is what is sent while the error queue holds something: a socket
        // that is itself TLS would clear the queue.
        const bool joins = expected_records_ != 0 && pending_.size() + records.size() <= batch_ciphertext;
        if (joins || output_blocked() || (!application_data && ::ERR_peek_error() != 0)) {
            keep(records, joins);
        } else if (!pending_.empty() || too_late(write_deadline_, write_late_)) {
            push(records);
        } else {
            forget_error();
            const std::size_t n = write_refusing([&] { return socket_.write_some(records, ec_); });
            if (n == records.size() && !ec_) {
                sent_ += n;
            } else if (std::span rest = records; pushed(rest, n, n > records.size())) {
                push(rest);
            }
        }
    }

    // Gives what is pending to the socket. Afterwards pending() is empty, or blocked_by() or output_error() tells why not.
    void flush() {
        output_blocked_ = false;
        expected_records_ = 0;
        if (!pending_.empty()) push({});
    }

    // The socket took less than it was given, and has not been asked since.
    [[nodiscard]] bool output_blocked() const noexcept { return output_blocked_ && !pending_.empty(); }
    // Why the socket last moved nothing: would-block or an expired deadline.
    [[nodiscard]] std::error_code blocked_by() const noexcept { return blocked_by_; }

    // Until when the socket's calls may wait; past points let them do what they can without waiting. A socket without deadlines is
    // not called any more once they have passed, after one call in each direction, unless it is known not to block.
    void set_deadlines(time_point read, time_point write) {
        if constexpr (deadline_socket<Socket>) {
            if (read != read_deadline_) socket_.read_expires_at(read);
            if (write != write_deadline_) socket_.write_expires_at(write);
        } else {
            if (read != read_deadline_) read_late_ = false;
            if (write != write_deadline_) write_late_ = false;
        }
        read_deadline_ = read;
        write_deadline_ = write;
    }

    // Would a call wait, whatever the deadline? A socket without deadlines is asked for nothing that it might wait for.
    [[nodiscard]] bool may_wait() const noexcept { return !deadline_socket<Socket> && !never_waits_; }

    // The header of the next record came along with the last one: the socket gave all that was asked for.
    [[nodiscard]] bool header_is_ahead() const noexcept {
        return ahead_end_ - ahead_begin_ >= std::ptrdiff_t{record_header_size};
    }

    // Bytes are here that a read may be made of.
    [[nodiscard]] bool input_buffered() const noexcept {
        return ahead_end_ - ahead_begin_ > std::ptrdiff_t{record_header_size};
    }

    // Bytes that were received and belong to nobody yet: after close_notify they are not TLS.
    [[nodiscard]] std::vector<std::byte> surplus() const { return {ahead_begin_, ahead_end_}; }

private:
    // Three records and their overhead.
    static constexpr std::size_t batch_ciphertext =
        (records_per_batch - 1) * (record_header_size + record_plaintext_limit + 256);

    // One call of the socket's. 0 with the input still flowing: it was interrupted.
    [[gnu::always_inline]] std::size_t try_receive(std::span<std::byte> into) {
        if ((output_error_ && !waits_after_refusal_) || too_late(read_deadline_, read_late_)) return receive_specially(into);
        if (into.size() > record_header_size) return receive_body(into);
        forget_error();
        const std::size_t n = socket_.read_some(std::span(ahead_), ec_);
        tidy();
        if (n - 1 >= ahead_.size()) return received_none(n);  // neither 1 nor up to all of it
        got_ahead(n);
        if (n < record_header_size || into.size() < record_header_size) return take_received(into);
        std::memcpy(into.data(), ahead_.data(), record_header_size);  // nearly always, and as a constant it costs nothing
        ahead_begin_ += record_header_size;
        return record_header_size;
    }

    // Into the range, and the header that follows it where one call can do both.
    [[gnu::noinline]] std::size_t receive_body(std::span<std::byte> into) {
        forget_error();
        std::size_t most = into.size();
        std::size_t n = 0;
        if constexpr (vectored_socket<Socket>) {
            const auto header = std::span(ahead_).template first<record_header_size>();
            const std::array<std::span<std::byte>, 2> parts{into, header};
            most += header.size();
            n = socket_.read_some(std::span<const std::span<std::byte>>(parts), ec_);
        } else {
            n = socket_.read_some(into, ec_);
        }
        tidy();
        if (n - 1 >= most) return received_none(n);
        got_ahead(n > into.size() ? n - into.size() : 0);
        return (std::min)(n, into.size());
    }

    // Nothing usable came: notes why. After an interruption the input flows on.
    [[gnu::noinline]] std::size_t received_none(std::size_t n) {
        handed_over_.reset();  // all of it has been taken
        if (n != 0) ec_ = errc::socket_misbehaved;
        if (!ec_) {
            input_ = input_state::ended;
        } else if (must_wait(ec_, read_deadline_)) {
            if (ec_ == std::errc::interrupted) return 0;
            input_ = input_state::blocked;
            blocked_by_ = ec_;
        } else {
            input_ = input_state::failed;
            input_error_ = ec_;
        }
        return 0;
    }

    // After a refusal without waiting, as far as the socket can do that; one that cannot ends at once if its connection is gone. And
    // not at all when it is too late.
    [[gnu::noinline]] std::size_t receive_specially(std::span<std::byte> into) {
        const bool looks = output_error_ && !waits_after_refusal_ && (deadline_socket<Socket> || is_reset(output_error_));
        if (!looks) {
            input_ = input_state::blocked;
            return 0;
        }
        const time_point limit = read_deadline_;
        set_deadlines((time_point::min)(), write_deadline_);
        waits_after_refusal_ = true;
        const std::size_t n = receive(into);
        waits_after_refusal_ = false;
        set_deadlines(limit, write_deadline_);
        return n;
    }

    void got_ahead(std::size_t n) noexcept {
        ahead_begin_ = ahead_.data();
        ahead_end_ = ahead_begin_ + n;
    }

    // Before a call of the socket's: a tcp_socket does that itself.
    void forget_error() noexcept {
        if constexpr (!std::same_as<Socket, tcp_socket>) reset(ec_);
    }

    // A socket of a foreign type may use BoringSSL itself, and what it leaves on the error queue would be taken for this connection's.
    void tidy() const noexcept {
        if constexpr (!std::same_as<Socket, tcp_socket>) clear_error_queue();
    }

    // For a socket without deadlines: may it not be called any more? `late` becomes true with the one call that it is still given.
    bool too_late(time_point deadline, bool& late) {
        if constexpr (deadline_socket<Socket>) {
            return false;
        } else {
            if (deadline == never || never_waits_ || now(socket_) < deadline) return false;
            if (late) blocked_by_ = std::make_error_code(std::errc::timed_out);
            return std::exchange(late, true);
        }
    }

    // Is this error one that passes? An interrupted call whose deadline is over has timed out.
    [[nodiscard]] bool must_wait(std::error_code& ec, time_point deadline) {
        if (ec == std::errc::operation_would_block || ec == std::errc::resource_unavailable_try_again) {
            never_waits_ = true;
            return true;
        }
        const auto expired = std::make_error_code(std::errc::timed_out);
        if (ec == std::errc::interrupted) {
            if (deadline != never && now(socket_) >= deadline) ec = expired;
            return true;
        }
        return deadline_socket<Socket> && ec.category() == expired.category() && ec.value() == expired.value();
    }

    // A socket's call for writing; the socket is not written to again if it throws.
    template <class Call>
    std::size_t write_refusing(Call&& call) {
        try {
            const std::size_t n = call();
            tidy();
            return n;
        } catch (...) {
            refuse(errc::exception_thrown);
            throw;
        }
    }

    // Sends what is pending and then `record`; what the socket does not take becomes pending.
    void push(std::span<const std::byte> record) {
        std::size_t offered = 0;
        std::size_t n = 0;
        do {
            if (too_late(write_deadline_, write_late_)) return block(record, blocked_by_);
            forget_error();
            offered = record.size();
            n = write_refusing(
                [&] { return pending_.empty() ? socket_.write_some(record, ec_) : write_pending(record, offered); });
        } while (pushed(record, n, n > offered));
    }

    // The socket took n bytes, or said that it took more than it was offered. True: the rest, which `record` is then, is to be sent.
    [[gnu::noinline]] bool pushed(std::span<const std::byte>& record, std::size_t n, bool too_many) {
        if (too_many || (n == 0 && !ec_)) return refuse(errc::socket_misbehaved), false;
        sent_ += n;
        const std::size_t from_pending = (std::min)(n, pending_.size());
        if (from_pending != 0) pending_.consume(from_pending);
        record = record.subspan(n - from_pending);
        if (ec_ && !must_wait(ec_, write_deadline_)) return refuse(ec_), false;
        if (record.empty() && pending_.empty()) return false;  // a count beside an error that passes counts
        if (ec_ && ec_ != std::errc::interrupted) return block(record, ec_), false;
        return true;
    }

    // What is pending, and the record with it where one call can do both; `offered` becomes how much that is.
    std::size_t write_pending(std::span<const std::byte> record, std::size_t& offered) {
        offered = pending_.size();
        if constexpr (vectored_socket<Socket>) {
            if (!record.empty()) {
                const std::array<std::span<const std::byte>, 2> parts{pending_.bytes(), record};
                offered += record.size();
                return socket_.write_some(std::span<const std::span<const std::byte>>(parts), ec_);
            }
        }
        return socket_.write_some(pending_.bytes(), ec_);
    }

    // With room for the ones that will join it, or what is here would be copied with each of them.
    [[gnu::noinline]] void keep(std::span<const std::byte> records, bool joins) {
        if (joins && pending_.empty())
            (void)pending_.room((std::min)(expected_records_ + 1, records_per_batch) * records.size());
        pending_.append(records);
    }

    void block(std::span<const std::byte> rest, std::error_code why) {
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
    std::error_code ec_;  // of the socket's last call
    std::error_code blocked_by_;
    std::array<std::byte, 104> ahead_;
    const std::byte* ahead_begin_ = nullptr;
    const std::byte* ahead_end_ = nullptr;
    std::unique_ptr<std::byte[]> handed_over_;  // what `ahead_begin_` points into instead, at first
    bool output_blocked_ = false;
    bool never_waits_ = false;  // it has said "would block"
    bool read_late_ = false;
    bool write_late_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
