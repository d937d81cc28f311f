// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A TLS session as a value: what lets a client take up again where an earlier connection to the same server left off.

#ifndef TLS_STREAM_TLS_SESSION_HPP
#define TLS_STREAM_TLS_SESSION_HPP

#include <tls/bytes.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

class session;
namespace detail {
session parse_session(std::span<const std::byte> serialized, failure& why);
std::vector<std::byte> serialize_session(const session& from, failure& why);
}  // namespace detail

/// A session and the name of the server that it was made with. Immutable and shared: copies are cheap and may be used by several
/// threads. A default-constructed or moved-from one is empty; of an empty one the times are the clock's epoch, and everything
/// else is false, nothing or empty.
class session {
public:
    /// An empty one.
    session() noexcept = default;
    /// Takes the reference over; null gives an empty one. Nobody may change the SSL_SESSION any more.
    session(bssl::UniquePtr<SSL_SESSION> native, std::string server_name)
        : shared_(native ? std::make_shared<const contents>(contents{std::move(native), std::move(server_name)}) : nullptr) {}

    /// What serialize() gave, here or on another machine. Fails with errc::invalid_session if anything is missing or left over,
    /// or if it was written by another version of the library or has something in it that this BoringSSL does not know. Whether
    /// the server still wants it shows when it is used; an expired one is no error.
    [[nodiscard]] static session parse(const_bytes serialized);
    /// The same without an exception.
    [[nodiscard]] static session parse(const_bytes serialized, std::error_code& ec);
    /// All of it as bytes. A secret: whoever has them can take the session up, and read what is sent as early data or, in TLS
    /// 1.2, everything. Fails with errc::not_open if this is empty, and with errc::invalid_session if it cannot be resumed.
    [[nodiscard]] std::vector<std::byte> serialize() const;
    /// The same without an exception.
    [[nodiscard]] std::vector<std::byte> serialize(std::error_code& ec) const;

    /// False for an empty one.
    [[nodiscard]] explicit operator bool() const noexcept { return shared_ != nullptr; }

    /// Whom it was made with: a DNS name without its trailing dot, or an IP address as text. It is good for no other name.
    [[nodiscard]] std::string_view server_name() const noexcept {
        return shared_ ? std::string_view(shared_->server_name) : std::string_view();
    }
    /// The protocol version that was agreed on, and will be again.
    [[nodiscard]] std::optional<protocol_version> version() const noexcept {
        if (!shared_) return std::nullopt;
        return static_cast<protocol_version>(::SSL_SESSION_get_protocol_version(native_handle()));
    }
    /// When it was made, to the second.
    [[nodiscard]] std::chrono::system_clock::time_point established_at() const noexcept { return shared_ ? after(0) : epoch; }
    /// Until when it may be used, by the server's word and BoringSSL's own limits, to the second. What lies beyond the clock's end
    /// is the clock's end.
    [[nodiscard]] std::chrono::system_clock::time_point expires_at() const noexcept {
        return shared_ ? after(::SSL_SESSION_get_timeout(native_handle())) : epoch;
    }
    /// Should it be used for one connection only? True in TLS 1.3, where a second one could be linked to the first (RFC 8446
    /// C.4).
    [[nodiscard]] bool single_use() const noexcept {
        return shared_ && ::SSL_SESSION_should_be_single_use(native_handle()) == 1;
    }
    /// Does the server take early data with it (RFC 8446 4.2.10)?
    [[nodiscard]] bool early_data_capable() const noexcept {
        return shared_ && ::SSL_SESSION_early_data_capable(native_handle()) == 1;
    }

    /// The session itself, null if empty. It belongs to this object and its copies: do not change it.
    [[nodiscard]] SSL_SESSION* native_handle() const noexcept { return shared_ ? shared_->native.get() : nullptr; }

private:
    struct contents {
        bssl::UniquePtr<SSL_SESSION> native;
        std::string server_name;
    };
    static constexpr std::chrono::system_clock::time_point epoch{};

    [[nodiscard]] std::chrono::system_clock::time_point after(std::uint64_t more_seconds) const noexcept {
        using point = std::chrono::system_clock::time_point;
        using std::chrono::seconds;
        constexpr auto last =
            static_cast<std::uint64_t>(std::chrono::duration_cast<seconds>((point::max)().time_since_epoch()).count());
        const std::uint64_t from = ::SSL_SESSION_get_time(native_handle());
        if (from > last || more_seconds > last - from) return (point::max)();
        return point(seconds(static_cast<seconds::rep>(from + more_seconds)));
    }

    std::shared_ptr<const contents> shared_;
};

namespace detail {

// The form of serialize(): these eight octets, the last of which is its version; the server's name behind a length of 16 bits;
// the SSL_SESSION (SSL_SESSION_to_bytes) behind a length of 24 bits.
inline constexpr std::string_view session_form{"tlsstrm\x01", 8};

// SSL_SESSION_from_bytes wants a context for its certificate method and its buffers. The process's own, never destroyed:
// objects with static storage may still parse at exit.
[[nodiscard]] inline SSL_CTX* session_context() {
    static SSL_CTX* const made = [] {
        bssl::UniquePtr<SSL_CTX> fresh(::SSL_CTX_new(::TLS_method()));
        if (!fresh) throw std::bad_alloc();
        return fresh.release();
    }();
    return made;
}

inline session parse_session(std::span<const std::byte> serialized, failure& why) {
    const error_queue_guard guard;
    const auto refused = [&](const char* what) -> session {
        why = queued_failure(make_error_code(errc::invalid_session), what);
        return {};
    };
    CBS rest, form, name, body;
    ::CBS_init(&rest, reinterpret_cast<const std::uint8_t*>(serialized.data()), serialized.size());
    if (::CBS_get_bytes(&rest, &form, session_form.size()) != 1 ||
        ::CBS_mem_equal(&form, reinterpret_cast<const std::uint8_t*>(session_form.data()), session_form.size()) != 1) {
        return refused("not a serialized session of this version");
    }
    if (::CBS_get_u16_length_prefixed(&rest, &name) != 1 || ::CBS_get_u24_length_prefixed(&rest, &body) != 1 ||
        ::CBS_len(&rest) != 0) {
        return refused("serialized session: bytes are missing or left over");
    }
    bssl::UniquePtr<SSL_SESSION> native(::SSL_SESSION_from_bytes(::CBS_data(&body), ::CBS_len(&body), session_context()));
    if (!native) return refused("serialized session: BoringSSL does not understand it");
    const auto version = ::SSL_SESSION_get_protocol_version(native.get());
    if (version != TLS1_2_VERSION && version != TLS1_3_VERSION)
        return refused("serialized session: its version is not supported");
    return session(std::move(native), std::string(reinterpret_cast<const char*>(::CBS_data(&name)), ::CBS_len(&name)));
}

inline std::vector<std::byte> serialize_session(const session& from, failure& why) {
    const error_queue_guard guard;
    if (!from) {
        why = {make_error_code(errc::not_open), "tls::session", {}};
        return {};
    }
    if (::SSL_SESSION_is_resumable(from.native_handle()) != 1) {  // SSL_SESSION_to_bytes would give a placeholder
        why = {make_error_code(errc::invalid_session), "the session cannot be resumed", {}};
        return {};
    }
    std::uint8_t* native = nullptr;
    std::size_t native_size = 0;
    const bool encoded = ::SSL_SESSION_to_bytes(from.native_handle(), &native, &native_size) == 1;
    const bssl::UniquePtr<std::uint8_t> owned_native(native);  // wiped when it is freed, as is what follows

    const std::string_view server = from.server_name();
    std::uint8_t* whole = nullptr;
    std::size_t whole_size = 0;
    bssl::ScopedCBB all;
    CBB name, body;
    const bool written =
        encoded && ::CBB_init(all.get(), session_form.size() + 5 + server.size() + native_size) == 1 &&
        ::CBB_add_bytes(all.get(), reinterpret_cast<const std::uint8_t*>(session_form.data()), session_form.size()) == 1 &&
        ::CBB_add_u16_length_prefixed(all.get(), &name) == 1 &&
        ::CBB_add_bytes(&name, reinterpret_cast<const std::uint8_t*>(server.data()), server.size()) == 1 &&
        ::CBB_add_u24_length_prefixed(all.get(), &body) == 1 && ::CBB_add_bytes(&body, native, native_size) == 1 &&
        ::CBB_finish(all.get(), &whole, &whole_size) == 1;
    const bssl::UniquePtr<std::uint8_t> owned_whole(whole);
    if (!written) {
        why = queued_failure(make_error_code(errc::invalid_session), "the session cannot be serialized");
        return {};
    }
    const auto bytes = std::as_bytes(std::span(whole, whole_size));
    return {bytes.begin(), bytes.end()};
}

}  // namespace detail

inline session session::parse(const_bytes serialized) {
    return detail::throwing([&](detail::failure& why) { return detail::parse_session(serialized, why); });
}
inline session session::parse(const_bytes serialized, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::parse_session(serialized, why); });
}
inline std::vector<std::byte> session::serialize() const {
    return detail::throwing([&](detail::failure& why) { return detail::serialize_session(*this, why); });
}
inline std::vector<std::byte> session::serialize(std::error_code& ec) const {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::serialize_session(*this, why); });
}

}  // namespace v0
}  // namespace tls

#endif
