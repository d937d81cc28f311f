// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One TLS connection over a wire: the SSL object, and the one place that decides what counts as the end of a stream.
//
// BoringSSL does not tell these apart or forgets them: SSL_get_shutdown says "received" after any fatal error, SSL_write goes on after
// the peer's alert, SSL_shutdown says 1 when nothing was sent. So the connection remembers: how the peer's direction ended and with
// which error, why writing is refused, and where close_notify lies in the ciphertext.

#ifndef TLS_STREAM_TLS_DETAIL_CONNECTION_HPP
#define TLS_STREAM_TLS_DETAIL_CONNECTION_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/detail/client_hello.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/progress.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Lives where it was made: BoringSSL keeps its address.
class connection {
public:
    // Takes over a configured SSL that has no BIO yet; `under` must outlive this. Check ssl() for null before use.
    template <class Wire>
    connection(bssl::UniquePtr<SSL> ssl, role side, Wire& under, std::string server_name)
        : ssl_(std::move(ssl)), wire_(&under), side_(side), server_name_(std::move(server_name)) {
        auto bio = make_wire_bio(&under);
        if (ssl_ == nullptr || bio == nullptr) {
            ssl_ = nullptr;
            return;
        }
        BIO* const shared = bio.release();
        ::SSL_set_bio(ssl_.get(), shared, shared);
        side_ == role::client ? ::SSL_set_connect_state(ssl_.get()) : ::SSL_set_accept_state(ssl_.get());
        ::SSL_set_shed_handshake_config(ssl_.get(), 1);
        ::SSL_set_msg_callback(ssl_.get(), &connection::on_message);
        ::SSL_set_msg_callback_arg(ssl_.get(), this);
    }
    // The same connection over another wire, which has taken over what the one before had; `bio` is make_wire_bio<Wire>'s. Nothing is
    // left in `from`.
    template <class Wire>
    connection(connection&& from, Wire& under, bssl::UniquePtr<BIO> bio) noexcept : connection(std::move(from)) {
        wire_ = &under;
        ::BIO_set_data(bio.get(), &under);
        BIO* const shared = bio.release();
        ::SSL_set_bio(ssl_.get(), shared, shared);
        if (!established_) ::SSL_set_msg_callback_arg(ssl_.get(), this);
    }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // --- what is known ---

    [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
    [[nodiscard]] role side() const noexcept { return side_; }
    [[nodiscard]] bool established() const noexcept { return established_; }
    [[nodiscard]] stream_end read_end() const noexcept { return read_end_; }
    [[nodiscard]] std::error_code read_failure() const noexcept { return read_failure_; }
    [[nodiscard]] std::error_code write_failure() const noexcept { return write_failure_; }
    // Why a write is refused before it is looked at, if it is.
    [[nodiscard]] std::error_code write_refusal() const noexcept {
        return write_shut_ ? make_error_code(errc::write_shut_down) : write_failure_;
    }
    // BoringSSL's account of the last failure.
    [[nodiscard]] std::string details() const { return details_ != nullptr ? *details_ : std::string(); }
    [[nodiscard]] const std::string& server_name() const noexcept { return server_name_; }
    [[nodiscard]] const std::vector<std::uint16_t>& shared_ciphers() const noexcept { return shared_ciphers_; }
    // Plaintext that was read while looking for an alert, and waits for whoever reads.
    [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }
    // Would a read only ask the wire for more?
    [[nodiscard]] bool needs_input() const noexcept {
        return established_ && read_end_ == stream_end::open && !read_shut_ && held_.empty() &&
               ::SSL_has_pending(ssl_.get()) == 0;
    }
    // Plaintext that a read gives without any input.
    [[nodiscard]] std::size_t buffered() const noexcept {
        return read_shut_ ? 0 : held_.size() + static_cast<std::size_t>(::SSL_pending(ssl_.get()));
    }
    // An alert of our own ended the connection: it should reach the peer before the transport goes.
    [[nodiscard]] bool alert_sent() const noexcept { return alert_sent_; }
    // close_notify is in the ciphertext / is with the transport, whole.
    [[nodiscard]] bool close_notify_sealed() const noexcept { return close_notify_end_ != 0; }
    [[nodiscard]] bool close_notify_sent() const noexcept {
        return close_notify_sealed() && wire_->sent() >= close_notify_end_;
    }
    // Ciphertext waits for the transport.
    [[nodiscard]] bool has_output() const noexcept { return !wire_->pending().empty(); }
    // The transport takes nothing any more.
    [[nodiscard]] bool transport_refuses() const noexcept { return static_cast<bool>(wire_->output_error()); }
    // Writing has failed, and ciphertext from before close_notify never reached the transport.
    [[nodiscard]] bool lost_output() const noexcept {
        return write_failure_ && wire_->sent() < (close_notify_sealed() ? close_notify_begin_ : wire_->sealed());
    }

    // --- what it does: each call makes as much progress as the wire's input allows ---

    progress handshake() {
        if (established_) return {};
        if (read_failure_) return {.error = read_failure_};
        wire_->begin_call();
        const int result = ::SSL_do_handshake(ssl_.get());
        if (result == 1) {
            clear_error_queue();  // verification leaves its searches there
            established_ = true;
            ::SSL_set_msg_callback(ssl_.get(), nullptr);
            wire_->wait_after_refusal(true);
            settle_output();
            // Our last flight is lost: the peer waits for it, and nothing will come.
            if (write_failure_) end(is_reset(write_failure_) ? stream_end::reset : stream_end::failed, write_failure_);
            return {.error = read_end_ != stream_end::open ? read_failure_ : write_failure_};
        }
        const progress stop = stopped(result);
        // Nobody can answer any more: what the transport said is the reason, unless the peer sent an alert.
        if (wire_->output_error() && read_end_ != stream_end::failed) {
            read_failure_ = write_failure_ = wire_->output_error();
            if (read_end_ == stream_end::open) read_end_ = is_reset(read_failure_) ? stream_end::reset : stream_end::failed;
            return {.error = read_failure_};
        }
        return stop;
    }

    // Into a non-empty range: bytes; or 0 with nothing wanted and no error: close_notify, or reading was shut down by the caller.
    progress read(std::span<std::byte> into) {
        progress done;
        done.bytes = read(into, [&](const progress& other) { return done = other, done.bytes; });
        return done;
    }
    // The same for who cannot wait for a `progress` to be made: returns the bytes, or what `otherwise` makes of anything else.
    template <class Otherwise>
    std::size_t read(std::span<std::byte> into, Otherwise&& otherwise) {
        if (!established_ || read_end_ != stream_end::open || read_shut_ || !held_.empty() || into.empty()) {
            return otherwise(read_slowly(into));
        }
        const int result = read_call(into);
        return result > 0 ? static_cast<std::size_t>(result) : otherwise(stopped(result));
    }

    // Accepts up to `batch_plaintext` bytes; what is accepted is sealed and will leave in order.
    progress write(std::span<const std::byte> from, std::size_t records_to_follow = 0) {
        progress done;
        done.bytes = write(from, records_to_follow, [&](const progress& other) { return done = other, done.bytes; });
        return done;
    }
    template <class Otherwise>
    [[gnu::always_inline]] std::size_t write(std::span<const std::byte> from, std::size_t records_to_follow,
                                             Otherwise&& otherwise) {
        if (from.empty()) return 0;
        if (write_shut_ || write_failure_) return otherwise(progress{.error = write_refusal()});
        if (!established_) {
            if (const progress step = handshake(); step.error || step.wants != want::nothing) return otherwise(step);
        }
        const std::size_t size = std::min(from.size(), batch_plaintext);
        wire_->begin_call(records_in(size) + records_to_follow);
        const int result = ::SSL_write(ssl_.get(), from.data(), static_cast<int>(size));
        if (result <= 0) return otherwise(stopped(result));
        settle_output();
        if (write_failure_) return otherwise(progress{.error = write_failure_});
        return static_cast<std::size_t>(result);
    }

    // No write is accepted from here on; close_notify is sealed behind everything written, once, if it may be sent at all: never
    // before the handshake is complete, and never after a fatal alert (RFC 8446 6.2). One call of SSL_shutdown, never a second; said
    // again once a handshake is complete that was not, it is sealed then.
    progress close_notify() {
        write_shut_ = true;
        if (!established_ || write_failure_ || close_notify_sealed()) return {};
        wire_->begin_call();
        close_notify_begin_ = wire_->sealed();
        const int result = ::SSL_shutdown(ssl_.get());
        if (result < 0) return stopped(result);
        close_notify_end_ = wire_->sealed();
        settle_output();
        return {};
    }

    // The stream is over, for a reason that TLS knows nothing of: an exception came out of the transport between BoringSSL's calls, or
    // the caller gave it up. Nothing more is sent.
    void fail(std::error_code why) noexcept {
        wire_->stop_output();
        end(stream_end::failed, why);
        if (!write_failure_) write_failure_ = why;
    }

    // The peer's direction is given up, for a reason that TLS knows nothing of. What waits to be sent still goes.
    void end_reading(std::error_code why) noexcept { end(stream_end::failed, why); }

    // From here on what arrives is thrown away: reads give 0, and drain() is not limited.
    void shut_reading() noexcept {
        read_shut_ = true;
        held_.clear();
    }
    [[nodiscard]] bool reading_shut() const noexcept { return read_shut_; }

    // Looks for input and throws away what the peer sent, at most one record and at most `allowance` bytes of it (without limit
    // once reading is shut). 0 bytes and nothing wanted: the allowance does not suffice, or the peer's direction has ended.
    progress drain(std::size_t allowance) {
        if (read_shut_) allowance = std::numeric_limits<std::size_t>::max();
        std::array<std::byte, record_plaintext_limit> thrown_away;
        if (!held_.empty()) return {.bytes = held_.take(std::span(thrown_away).first(std::min(allowance, thrown_away.size())))};
        if (read_end_ != stream_end::open) return {};
        wire_->begin_call();
        const int result = ::SSL_peek(ssl_.get(), thrown_away.data(), 1);
        if (result <= 0) {
            progress stop = stopped(result);
            stop.error.clear();  // read_end() tells how the peer's direction ended
            return stop;
        }
        const auto waiting = static_cast<std::size_t>(::SSL_pending(ssl_.get()));
        if (const auto n = std::min({waiting, allowance, thrown_away.size()}); n != 0) {
            return read_record(std::span(thrown_away).first(n));
        }
        return {};
    }

    // To be called when the transport may have refused output: takes note, and if the transport is gone looks for what the peer said
    // before it went, waiting for nothing. An alert is the better reason, and plaintext that came before it stays readable.
    void settle_output() {
        if (wire_->output_error() && !write_failure_) output_refused();
    }

    // Looks for that in what has come in. True: more input could tell more.
    bool look_ahead() {
        wire_->wait_after_refusal(false);
        looking_ahead_ = true;
        while (read_end_ == stream_end::open && held_.size() < look_ahead_limit) {
            const progress step = read_record(held_.room(record_plaintext_limit).first(record_plaintext_limit));
            if (step.bytes == 0) break;
            held_.commit(step.bytes);
        }
        looking_ahead_ = false;
        wire_->wait_after_refusal(true);
        const bool more = read_end_ == stream_end::open && held_.size() < look_ahead_limit;
        if (read_shut_ || held_.empty()) held_.clear();
        return more;
    }

private:
    connection(connection&&) noexcept = default;

    // How much is read ahead in search of an alert.
    static constexpr std::size_t look_ahead_limit = std::size_t{1} << 20;

    [[gnu::noinline]] void output_refused() {
        write_failure_ = wire_->output_error();
        if (established_ && is_reset(write_failure_)) look_ahead();
    }

    int read_call(std::span<std::byte> into) {
        wire_->begin_call();
        constexpr std::size_t most = std::numeric_limits<int>::max();
        return ::SSL_read(ssl_.get(), into.data(), static_cast<int>(std::min(into.size(), most)));
    }

    progress read_record(std::span<std::byte> into) {
        const int result = read_call(into);
        if (result > 0) return {.bytes = static_cast<std::size_t>(result)};
        return stopped(result);
    }

    progress read_slowly(std::span<std::byte> into) {
        if (into.empty() || read_shut_) return {};
        if (!established_ && held_.empty() && read_end_ == stream_end::open) {
            if (const progress step = handshake(); held_.empty() && (step.error || step.wants != want::nothing)) return step;
        }
        if (!held_.empty()) return {.bytes = held_.take(into)};
        if (read_end_ != stream_end::open) return {.error = read_failure_};
        return read_record(into);
    }

    // A call of BoringSSL's did not go through: why? SSL_get_error comes first, before anything can touch the queue.
    [[gnu::noinline]] progress stopped(int result) {
        const int kind = ::SSL_get_error(ssl_.get(), result);
        if (wire_->exceptions.any()) {
            clear_error_queue();
            fail(errc::exception_thrown);
            wire_->exceptions.rethrow();
        }
        if (wire_->input() == input_state::ended || wire_->input_error() == errc::truncated) {
            clear_error_queue();
            // Linux reports a reset once, to whoever asks first; the next read sees an end.
            if (wire_->output_error() == std::errc::connection_reset) {
                end(stream_end::reset, wire_->output_error());
            } else {
                end(stream_end::truncated, established_ ? errc::truncated : errc::handshake_truncated);
            }
        } else if (wire_->input() == input_state::failed) {
            clear_error_queue();
            end(is_reset(wire_->input_error()) ? stream_end::reset : stream_end::failed, wire_->input_error());
        } else if (kind == SSL_ERROR_WANT_READ) {
            clear_error_queue();
            return {.wants = want::input};
        } else if (kind == SSL_ERROR_ZERO_RETURN) {
            clear_error_queue();
            if (established_) end(stream_end::close_notify, {});
            else end(stream_end::truncated, errc::handshake_truncated);
        } else {
            protocol_failed();
        }
        return {.error = read_failure_};
    }

    // A fatal alert, received or sent, or a failure inside BoringSSL.
    void protocol_failed() {
        queued_errors queued = take_error_queue();
        std::error_code code =
            queued.first != 0 ? code_from_packed(queued.first) : std::make_error_code(std::errc::protocol_error);
        const long refused = ::SSL_get_verify_result(ssl_.get());
        if (is_ssl_reason(queued.first, SSL_R_CERTIFICATE_VERIFY_FAILED) && refused != X509_V_OK) {
            code = {static_cast<int>(refused), verify_category()};
            queued.text += " (" + code.message() + ")";
        }
        details_ = std::make_unique<const std::string>(std::move(queued.text));
        if (is_peer_alert(queued.first)) {
            wire_->stop_output();  // nothing more may be sent, not even what is pending
        } else {
            alert_sent_ = wire_->sealed() != 0;
        }
        // While looking for what broke the connection this is it; a refusal that was told already keeps its name.
        if (!write_failure_ || looking_ahead_) write_failure_ = code;
        end(stream_end::failed, code);
    }

    // The first end that is found stays.
    void end(stream_end how, std::error_code why) noexcept {
        if (read_end_ != stream_end::open) return;
        if (!why && how != stream_end::close_notify) why = std::make_error_code(std::errc::protocol_error);
        read_end_ = how;
        read_failure_ = why;
        const bool writable = established_ && (how == stream_end::close_notify || how == stream_end::truncated);
        if (!writable && !write_failure_) write_failure_ = why;
    }

    static void on_message(int is_write, int, int content_type, const void* data, std::size_t size, SSL* ssl,
                           void* self) noexcept {
        auto& here = *static_cast<connection*>(self);
        if (content_type != SSL3_RT_HANDSHAKE || (is_write != 0) != (here.side_ == role::client)) return;
        try {
            const std::span message(static_cast<const std::uint8_t*>(data), size);
            if (is_client_hello(message)) here.shared_ciphers_ = usable_ciphers(message, ssl);
        } catch (const std::bad_alloc&) {
            here.shared_ciphers_.clear();  // information only; the handshake can do without
        }
    }

    bssl::UniquePtr<SSL> ssl_;
    wire* wire_;
    role side_;
    bool established_ = false;
    bool read_shut_ = false;
    bool write_shut_ = false;
    bool alert_sent_ = false;
    bool looking_ahead_ = false;
    stream_end read_end_ = stream_end::open;
    std::error_code read_failure_;   // what reads say once everything before it was delivered
    std::error_code write_failure_;  // what writes say
    std::uint64_t close_notify_begin_ = 0;
    std::uint64_t close_notify_end_ = 0;
    byte_queue held_;  // plaintext that was read while looking for an alert
    std::vector<std::uint16_t> shared_ciphers_;
    std::string server_name_;
    std::unique_ptr<const std::string> details_;  // hardly any connection has some
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
