// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One TLS connection over a wire: the SSL object, and the one place that decides what counts as the end of a stream.
//
// BoringSSL does not tell these apart or forgets them: SSL_get_shutdown says "received" after any fatal error, SSL_write goes on after
// the peer's alert, SSL_shutdown says 1 when nothing was sent. So the connection remembers: how the peer's direction ended and with
// which error, why writing is refused, and where close_notify lies in the ciphertext.

#ifndef TLS_STREAM_TLS_DETAIL_CONNECTION_HPP
#define TLS_STREAM_TLS_DETAIL_CONNECTION_HPP

#include <tls/detail/answer.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/detail/client_hello.hpp>
#include <tls/detail/connection_state.hpp>
#include <tls/detail/context_settings.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/handshake_state.hpp>
#include <tls/detail/peer_chain.hpp>
#include <tls/detail/protocol_events.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/observer.hpp>
#include <tls/progress.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/shutdown.hpp>
#include <tls/verification.hpp>

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
class connection : public connection_state {
public:
    // Takes over a configured SSL that has no BIO yet; `under` must outlive this. Check ssl() for null before use.
    template <class Wire>
    connection(bssl::UniquePtr<SSL> ssl, role side, Wire& under, std::string server_name, std::uint16_t port = 0)
        : connection_state(std::move(ssl), under, side, std::move(server_name), port) {
        auto bio = make_wire_bio(&under);
        if (ssl_ == nullptr || bio == nullptr) {
            ssl_ = nullptr;
            return;
        }
        BIO* const shared = bio.release();
        ::SSL_set_bio(ssl_.get(), shared, shared);
        side_ == role::client ? ::SSL_set_connect_state(ssl_.get()) : ::SSL_set_accept_state(ssl_.get());
        ::SSL_set_shed_handshake_config(ssl_.get(), 1);
        under.belongs_to(this);
        ::SSL_set_msg_callback(ssl_.get(), &connection::on_message);
        ::SSL_set_msg_callback_arg(ssl_.get(), this);
    }
    // The same connection over another wire, which has taken over what the one before had; `bio` is make_wire_bio<Wire>'s. Nothing is
    // left in `from`.
    template <class Wire>
    connection(connection&& from, Wire& under, bssl::UniquePtr<BIO> bio) noexcept : connection(std::move(from)) {
        wire_ = &under;
        under.belongs_to(this);
        ::BIO_set_data(bio.get(), static_cast<wire*>(&under));
        BIO* const shared = bio.release();
        ::SSL_set_bio(ssl_.get(), shared, shared);
        ::SSL_set_msg_callback_arg(ssl_.get(), this);
    }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // --- what it does: each call makes as much progress as the wire's input allows ---

    // A want other than input: the user has been asked something, see awaited().
    progress handshake() { return go_on(false); }

    // Into a non-empty range: bytes; or 0 with nothing wanted and no error: close_notify, or reading was shut down by the caller.
    progress read(std::span<std::byte> into) {
        progress done;
        done.bytes = read(into, [&](const progress& other) { return done = other, done.bytes; });
        return done;
    }
    // The same for who cannot wait for a `progress` to be made: returns the bytes, or what `otherwise` makes of anything else.
    template <class Otherwise>
    std::size_t read(std::span<std::byte> into, Otherwise&& otherwise) {
        if (!ready_ || read_end_ != stream_end::open || read_shut_ || !held_.empty() || into.empty()) {
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
        if (!ready_) {
            if (const progress step = handshake(); step.error || step.wants != want::nothing) return otherwise(step);
        }
        const std::size_t size = (std::min)(from.size(), batch_plaintext);
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
        if (in_callback_) return {.error = errc::called_from_callback};
        rethrow_kept();
        write_shut_ = true;
        if (!established_ || write_failure_ || close_notify_sealed()) return {};
        wire_->begin_call();
        close_notify_begin_ = wire_->sealed();
        const int result = ::SSL_shutdown(ssl_.get());
        if (result < 0) return stopped(result);
        rethrow_kept();
        close_notify_end_ = wire_->sealed();
        settle_output();
        return {};
    }

    // Asks for new keys (RFC 8446 4.6.3), with the next record at the latest.
    progress update_keys(bool ask_peer) {
        if (write_shut_ || write_failure_) return {.error = write_refusal()};
        if (!ready_) {
            if (const progress step = handshake(); step.error || step.wants != want::nothing) return step;
        }
        wire_->begin_call();
        const int request = ask_peer ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
        if (::SSL_version(ssl_.get()) < TLS1_3_VERSION) return {.error = errc::not_supported};
        if (::SSL_key_update(ssl_.get(), request) != 1) return stopped(-1);
        const int result = ::SSL_write(ssl_.get(), "", 0);
        if (result < 0) return stopped(result);
        clear_error_queue();
        settle_output();
        return {.error = write_failure_};
    }

    // --- early data (RFC 8446 8) ---

    // A client's: bytes for the first flight, as many as the server allows; at least 1, or errc::early_data_unavailable. A
    // server's: bytes that go out before the client has proved that it is there.
    progress write_early(std::span<const std::byte> from) {
        if (from.empty()) return {};
        if (write_shut_ || write_failure_) return {.error = write_refusal()};
        if (const std::error_code refusal = handshake_refusal()) return {.error = refusal};
        const without_input only_output(ssl_.get());
        if (side_ == role::client && !began_ && !offer_early_data()) return {.error = errc::early_data_unavailable};
        if (::SSL_in_early_data(ssl_.get()) == 0) return {.error = errc::early_data_unavailable};
        wire_->begin_call(1);
        // So that the limit is met between two records, and not in the middle of a call.
        ::SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
        const std::size_t size = (std::min)(from.size(), record_plaintext_limit);
        const int result = ::SSL_write(ssl_.get(), from.data(), static_cast<int>(size));
        ::SSL_clear_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
        if (result <= 0) {
            const progress stop = stopped(result);
            return {.error = stop.error ? stop.error : make_error_code(errc::early_data_unavailable)};
        }
        const auto taken = from.first(static_cast<std::size_t>(result));
        if (side_ == role::client) early()->sent.append(taken);
        settle_output();
        return {.bytes = taken.size(), .error = write_failure_};
    }

    // A server's: what the client sent before the handshake was complete, and whoever is on the way may have sent again. 0 with
    // nothing wanted and no error: there is no more.
    progress read_early(std::span<std::byte> into) {
        if (into.empty()) return {};
        if (in_callback_) return {.error = errc::called_from_callback};
        if (side_ == role::client) return {.error = errc::early_data_unavailable};
        for (;;) {
            if (has_early()) {
                const std::size_t n = early()->received.take(into);
                early_taken();
                return {.bytes = n};
            }
            if (established_ || read_shut_) return {};
            const progress step = go_on(true);
            if (step.bytes == 0 && (step.error || step.wants != want::nothing)) return step;
        }
    }

    // --- what BoringSSL's callbacks call ---

    // The connection of an SSL; null if it is none of this library's.
    [[nodiscard]] static connection* of(const SSL* ssl) noexcept {
        BIO* const bio = ::SSL_get_wbio(ssl);
        if (bio == nullptr || ::BIO_method_type(bio) != wire_bio_type()) return nullptr;
        return static_cast<wire*>(::BIO_get_data(bio))->owner();
    }

    // Runs the user's code, in which the stream must not be called. `otherwise` if it throws; the exception comes out of the
    // call that is being made, or if that has succeeded all the same, of the next one.
    template <class Result, class Call>
    Result call_user(Result otherwise, Call&& call) noexcept {
        const bool was_ready = std::exchange(ready_, false);
        const bool was_in_callback = std::exchange(in_callback_, true);
        const running_callback running(*this);
        Result result = wire_->exceptions.guard(std::move(otherwise), [&] {
            const error_queue_guard queue;  // BoringSSL keeps nothing there when it calls
            return std::forward<Call>(call)();
        });
        in_callback_ = was_in_callback;
        ready_ = was_ready && !wire_->exceptions.any();
        return result;
    }

    [[nodiscard]] handshake_state& state() {
        auto& state = rare().handshake;
        if (state == nullptr) state = std::make_unique<handshake_state>();
        return *state;
    }

    // A session that a client may resume has come.
    void received_session(bssl::UniquePtr<SSL_SESSION> given) noexcept {
        const context_settings* const settings = settings_of(ssl_.get());
        call_user(0, [&] {
            session made(std::move(given), server_name_);
            if (settings->sessions) session_cache(*settings->sessions).put(made, port_);
            if (settings->keep_session) rare().last_session = made;
            if (settings->on_session) settings->on_session(made);
            return 0;
        });
    }

    // The stream is over, for a reason that TLS knows nothing of: an exception came out of the transport between BoringSSL's
    // calls, or the caller gave it up. Nothing more is sent.
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
        if (early() != nullptr) early()->received.clear();
    }

    // Looks for input and throws away what the peer sent, at most one record and at most `allowance` bytes of it (without limit
    // once reading is shut). 0 bytes and nothing wanted: the allowance does not suffice, or the peer's direction has ended.
    progress drain(std::size_t allowance) {
        if (read_shut_) allowance = (std::numeric_limits<std::size_t>::max)();
        if (held() != 0) {
            plaintext_queue& from = has_early() ? early()->received : held_;
            const std::size_t n = (std::min)({from.size(), allowance, record_plaintext_limit});
            from.consume(n);
            if (&from != &held_) early_taken();
            return {.bytes = n};
        }
        std::array<std::byte, record_plaintext_limit> thrown_away;
        if (read_end_ != stream_end::open) return {};
        wire_->begin_call();
        const int result = ::SSL_peek(ssl_.get(), thrown_away.data(), 1);
        if (result <= 0) {
            progress stop = stopped(result);
            stop.error.clear();  // read_end() tells how the peer's direction ended
            return stop;
        }
        const auto waiting = static_cast<std::size_t>(::SSL_pending(ssl_.get()));
        if (const auto n = (std::min)({waiting, allowance, thrown_away.size()}); n != 0) {
            const progress step = read_record(std::span(thrown_away).first(n));
            ::OPENSSL_cleanse(thrown_away.data(), n);
            return step;
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

    // Why the handshake does not go on, if it does not. Throws what a callback threw in a call that succeeded all the same.
    [[nodiscard]] std::error_code handshake_refusal() {
        if (in_callback_) return errc::called_from_callback;
        rethrow_kept();
        return established_ ? std::error_code() : read_failure_;
    }

    void rethrow_kept() {
        if (!wire_->exceptions.any()) return;
        clear_error_queue();
        ready_ = established_;
        fail(errc::exception_thrown);
        wire_->exceptions.rethrow();
    }

    // `until_early`: stops when early data has come.
    progress go_on(bool until_early) {
        for (;;) {
            if (const std::error_code refusal = handshake_refusal()) return {.error = refusal};
            if (established_) return {};
            began_ = true;
            wire_->begin_call();
            const int result = ::SSL_do_handshake(ssl_.get());
            if (result != 1) {
                if (rejects_early_data(result)) continue;
                return handshake_stopped(result);
            }
            rethrow_kept();
            if (::SSL_in_early_data(ssl_.get()) == 0) return complete();
            // A client's first flight is out, and the server's is what comes next.
            if (side_ == role::client) continue;
            const progress step = receive_early();
            if (step.bytes == 0 || (until_early && has_early())) return step;
        }
    }

    [[gnu::noinline]] progress handshake_stopped(int result) {
        const progress stop = stopped(result);
        // Nobody can answer any more: what the transport said is the reason, unless the peer sent an alert.
        if (wire_->output_error() && read_end_ != stream_end::failed) {
            read_failure_ = write_failure_ = wire_->output_error();
            if (read_end_ == stream_end::open) read_end_ = is_reset(read_failure_) ? stream_end::reset : stream_end::failed;
            return {.error = read_failure_};
        }
        return stop;
    }

    progress complete() {
        clear_error_queue();  // verification leaves its searches there
        established_ = true;
        ready_ = !has_early();
        if (rare_ != nullptr) rare_->handshake.reset();
        if (early() == nullptr && !last_session()) rare_.reset();
        const context_settings* const settings = settings_of(ssl_.get());
        if (settings == nullptr || !settings->observe) ::SSL_set_msg_callback(ssl_.get(), nullptr);
        wire_->wait_after_refusal(true);
        settle_output();
        if (settings != nullptr && settings->require_alpn) require_alpn();
        if (early() != nullptr && side_ == role::client && !write_failure_) settle_early_data();
        // Our last flight is lost: the peer waits for it, and nothing will come.
        if (write_failure_) end(is_reset(write_failure_) ? stream_end::reset : stream_end::failed, write_failure_);
        return {.error = read_end_ != stream_end::open ? read_failure_ : write_failure_};
    }

    void require_alpn() {
        const std::uint8_t* name = nullptr;
        unsigned size = 0;
        ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
        if (size != 0 || write_failure_) return;
        wire_->begin_call();
        ::SSL_send_fatal_alert(ssl_.get(), SSL_AD_NO_APPLICATION_PROTOCOL);
        clear_error_queue();
        alert_sent_ = true;
        established_ = ready_ = false;
        write_failure_ = errc::no_application_protocol;
        end(stream_end::failed, write_failure_);
    }

    // Begins the handshake with a first flight that early data may follow; false: the session does not allow it.
    [[nodiscard]] bool offer_early_data() {
        const SSL_SESSION* const resumed = ::SSL_get_session(ssl_.get());
        const context_settings* const settings = settings_of(ssl_.get());
        if (settings == nullptr || !settings->early_data || resumed == nullptr) return false;
        if (::SSL_SESSION_early_data_capable(resumed) == 0) return false;
        rare().early = std::make_unique<early_data_state>();
        ::SSL_set_early_data_enabled(ssl_.get(), 1);
        began_ = true;
        wire_->begin_call();
        const int result = ::SSL_do_handshake(ssl_.get());
        clear_error_queue();
        rethrow_kept();
        return result == 1 && ::SSL_in_early_data(ssl_.get()) != 0;
    }

    // The server will have none of a client's early data: the handshake goes on as if it had not been sent.
    [[nodiscard]] bool rejects_early_data(int result) {
        if (early() == nullptr || ::SSL_get_error(ssl_.get(), result) != SSL_ERROR_EARLY_DATA_REJECTED) return false;
        clear_error_queue();
        ::SSL_reset_early_data_reject(ssl_.get());
        return true;
    }

    // What the server has not accepted is sent once more, as the first that it gets after the handshake.
    void settle_early_data() {
        const bool accepted = ::SSL_early_data_accepted(ssl_.get()) != 0;
        while (!accepted && !early()->sent.empty() && !write_failure_) {
            const auto again = early()->sent.bytes().first((std::min)(early()->sent.size(), batch_plaintext));
            wire_->begin_call(records_in(again.size()));
            const int result = ::SSL_write(ssl_.get(), again.data(), static_cast<int>(again.size()));
            if (result <= 0) return static_cast<void>(stopped(result));
            early()->resent += static_cast<std::size_t>(result);
            early()->sent.consume(static_cast<std::size_t>(result));
            settle_output();
        }
        early()->sent.clear();
    }

    // A server's. More than 0 bytes: some came, or the handshake is complete.
    progress receive_early() {
        std::array<std::byte, record_plaintext_limit> record;
        wire_->begin_call();
        const int result = [&] {
            const input_until_complete no_further(ssl_.get());
            return ::SSL_read(ssl_.get(), record.data(), static_cast<int>(record.size()));
        }();
        rethrow_kept();
        if (result <= 0) {
            if (::SSL_in_init(ssl_.get()) != 0) return stopped(result);
            clear_error_queue();  // an end that was found stays, and the next read finds it again
            return {.bytes = 1};
        }
        const auto came = std::span(record).first(static_cast<std::size_t>(result));
        if (::SSL_in_early_data(ssl_.get()) == 0) {
            if (!read_shut_) held_.append(came);
        } else if (!read_shut_) {
            if (early() == nullptr) rare().early = std::make_unique<early_data_state>();
            early()->received.append(came);
        }
        ::OPENSSL_cleanse(record.data(), came.size());
        return {.bytes = came.size()};
    }

    [[nodiscard]] bool has_early() const noexcept { return early() != nullptr && !early()->received.empty(); }
    // Reads go on as usual when all of it is fetched.
    void early_taken() noexcept { ready_ = established_ && !has_early() && !wire_->exceptions.any(); }

    [[gnu::noinline]] void output_refused() {
        write_failure_ = wire_->output_error();
        if (established_ && is_reset(write_failure_)) look_ahead();
    }

    int read_call(std::span<std::byte> into) {
        wire_->begin_call();
        constexpr std::size_t most = (std::numeric_limits<int>::max)();
        return ::SSL_read(ssl_.get(), into.data(), static_cast<int>((std::min)(into.size(), most)));
    }

    progress read_record(std::span<std::byte> into) {
        const int result = read_call(into);
        if (result > 0) return {.bytes = static_cast<std::size_t>(result)};
        return stopped(result);
    }

    progress read_slowly(std::span<std::byte> into) {
        if (into.empty()) return {};
        if (in_callback_) return {.error = errc::called_from_callback};
        if (read_shut_) return {};
        if (!ready_ && held_.empty() && read_end_ == stream_end::open) {
            if (const progress step = handshake(); held_.empty() && (step.error || step.wants != want::nothing)) return step;
        }
        // Replayable bytes come before these, and are to be asked for by their name.
        if (has_early()) return {.error = errc::early_data_unread};
        if (!held_.empty()) return {.bytes = held_.take(into)};
        if (read_end_ != stream_end::open) return {.error = read_failure_};
        return read_record(into);
    }

    // A call of BoringSSL's did not go through: why? SSL_get_error comes first, before anything can touch the queue.
    [[gnu::noinline]] progress stopped(int result) {
        const int kind = ::SSL_get_error(ssl_.get(), result);
        rethrow_kept();
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
        } else if (const want answer = asks_for(kind); answer != want::nothing) {
            clear_error_queue();
            return {.wants = answer};
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
        if (is_ssl_reason(queued.first, SSL_R_CERTIFICATE_VERIFY_FAILED) && refused() != nullptr) {
            code = refused()->reason;
            queued.text += " (" + refused()->text + ")";
        } else if (asked() != nullptr && asked()->failure) {
            code = asked()->failure;
        }
        if (is_ssl_reason(queued.first, SSL_R_ECH_REJECTED)) {
            rare().ech_retry_configs = stapled(ssl_.get(), &::SSL_get0_ech_retry_configs);
        }
        rare().details = std::move(queued.text);
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
        const std::span message(static_cast<const std::uint8_t*>(data), size);
        const bool by_client = (is_write != 0) == (here.side_ == role::client);
        if (content_type == SSL3_RT_HANDSHAKE && by_client && !here.established_) {
            try {
                if (is_client_hello(message)) here.shared_ciphers_ = usable_ciphers(message, ssl);
            } catch (const std::bad_alloc&) {
                here.shared_ciphers_.clear();  // information only; the handshake can do without
            }
        }
        const context_settings* const settings = settings_of(ssl);
        if (settings == nullptr || !settings->observe) return;
        here.call_user(0, [&] {
            if (const auto event = describe_event(is_write != 0, content_type, message, ssl)) settings->observe(*event);
            return 0;
        });
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
