// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What is known of a connection. What changes it is in connection.hpp.

#ifndef TLS_STREAM_TLS_DETAIL_CONNECTION_STATE_HPP
#define TLS_STREAM_TLS_DETAIL_CONNECTION_STATE_HPP

#include <tls/detail/answer.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/detail/handshake_state.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/shutdown.hpp>
#include <tls/verification.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

class connection_state;

// The user's own code that this thread runs in the middle of calls, the innermost first. It is how halves, which have a lock, know
// that they are called from within themselves.
class running_callback {
public:
    explicit running_callback(const connection_state& of) noexcept : connection_(&of), outer_(std::exchange(innermost, this)) {}
    running_callback(const running_callback&) = delete;
    running_callback& operator=(const running_callback&) = delete;
    ~running_callback() { innermost = outer_; }

    // Is this thread in one of that connection's?
    [[nodiscard]] static bool is_of(const connection_state& of) noexcept {
        const running_callback* one = innermost;
        while (one != nullptr && one->connection_ != &of) one = one->outer_;
        return one != nullptr;
    }

private:
    static inline constinit thread_local const running_callback* innermost = nullptr;

    const connection_state* connection_;
    const running_callback* outer_;
};

class connection_state {
public:
    connection_state(const connection_state&) = delete;
    connection_state& operator=(const connection_state&) = delete;

    [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
    [[nodiscard]] role side() const noexcept { return side_; }
    [[nodiscard]] bool established() const noexcept { return established_; }
    [[nodiscard]] stream_end read_end() const noexcept { return read_end_; }
    [[nodiscard]] std::error_code read_failure() const noexcept { return read_failure_; }
    [[nodiscard]] std::error_code write_failure() const noexcept { return write_failure_; }
    // Why a write is refused before it is looked at, if it is.
    [[nodiscard]] std::error_code write_refusal() const noexcept {
        if (in_callback_) return errc::called_from_callback;
        return write_shut_ ? make_error_code(errc::write_shut_down) : write_failure_;
    }
    // BoringSSL's account of the last failure.
    [[nodiscard]] std::string details() const { return rare_ != nullptr ? rare_->details : std::string(); }
    // Why the peer's certificate was refused, if it was.
    [[nodiscard]] const verify_failure* refused() const noexcept {
        const handshake_state* const state = asked();
        return state != nullptr && state->refused.reason ? &state->refused : nullptr;
    }
    // The question that the handshake waits for, if it does.
    [[nodiscard]] std::shared_ptr<pending_answer> awaited() const { return asked() != nullptr ? asked()->awaited() : nullptr; }
    [[nodiscard]] early_data_state* early() const noexcept { return rare_ != nullptr ? rare_->early.get() : nullptr; }
    // The session that came last, if it is kept.
    [[nodiscard]] session last_session() const noexcept { return rare_ != nullptr ? rare_->last_session : session(); }
    [[nodiscard]] const std::string& server_name() const noexcept { return server_name_; }
    [[nodiscard]] const std::vector<std::uint16_t>& shared_ciphers() const noexcept { return shared_ciphers_; }
    // Plaintext that is here and waits for whoever reads: early data, and what was read while looking for an alert.
    [[nodiscard]] std::size_t held() const noexcept {
        return held_.size() + (early() != nullptr ? early()->received.size() : 0);
    }
    // Would a read only ask the wire for more?
    [[nodiscard]] bool needs_input() const noexcept {
        return ready_ && read_end_ == stream_end::open && !read_shut_ && held_.empty() && ::SSL_has_pending(ssl_.get()) == 0;
    }
    // Plaintext that a read gives without any input.
    [[nodiscard]] std::size_t buffered() const noexcept {
        return read_shut_ ? 0 : held() + static_cast<std::size_t>(::SSL_pending(ssl_.get()));
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

    // What the server would have clients use, after it has refused an ECH configuration (SSL_get0_ech_retry_configs).
    [[nodiscard]] std::vector<std::byte> ech_retry_configs() const {
        return rare_ != nullptr ? rare_->ech_retry_configs : std::vector<std::byte>();
    }
    // A call is being made, and the user's own code is being run within it.
    [[nodiscard]] bool in_callback() const noexcept { return in_callback_; }
    [[nodiscard]] bool reading_shut() const noexcept { return read_shut_; }

protected:
    connection_state(bssl::UniquePtr<SSL> ssl, wire& under, role side, std::string server_name, std::uint16_t port)
        : ssl_(std::move(ssl)), wire_(&under), side_(side), port_(port), server_name_(std::move(server_name)) {}
    connection_state(connection_state&&) noexcept = default;
    ~connection_state() = default;

    bssl::UniquePtr<SSL> ssl_;
    wire* wire_;
    role side_;
    bool ready_ = false;  // established, with no early data to be read first, and in no callback: what the fast paths ask
    bool established_ = false;
    bool began_ = false;
    bool in_callback_ = false;
    bool read_shut_ = false;
    bool write_shut_ = false;
    bool alert_sent_ = false;
    bool looking_ahead_ = false;
    stream_end read_end_ = stream_end::open;
    std::uint16_t port_ = 0;
    std::error_code read_failure_;   // what reads say once everything before it was delivered
    std::error_code write_failure_;  // what writes say
    std::uint64_t close_notify_begin_ = 0;
    std::uint64_t close_notify_end_ = 0;
    plaintext_queue held_;  // plaintext that was read while looking for an alert
    std::vector<std::uint16_t> shared_ciphers_;
    std::string server_name_;

    // What hardly any connection has, or none once its handshake is complete.
    struct rarely_there {
        std::string details{};
        std::unique_ptr<handshake_state> handshake{};
        std::unique_ptr<early_data_state> early{};
        session last_session{};
        std::vector<std::byte> ech_retry_configs{};
    };
    std::unique_ptr<rarely_there> rare_;

    [[nodiscard]] rarely_there& rare() {
        if (rare_ == nullptr) rare_ = std::make_unique<rarely_there>();
        return *rare_;
    }
    [[nodiscard]] handshake_state* asked() const noexcept { return rare_ != nullptr ? rare_->handshake.get() : nullptr; }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
