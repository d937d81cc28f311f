// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A stream in two halves: one reads, the other writes, each in a thread of its own if you like.
///
///     auto [reader, writer] = tls::split(std::move(stream));
///     std::thread sending([&] { writer.write(text); writer.shutdown(tls::shutdown_mode::write); });
///     while (const std::size_t n = reader.read_some(some)) ...
///     sending.join();
///     auto whole = tls::join(std::move(reader), std::move(writer));
///
/// docs/threads.md tells who may call what, and when.

#ifndef TLS_STREAM_TLS_SPLIT_HPP
#define TLS_STREAM_TLS_SPLIT_HPP

#include <tls/bytes.hpp>
#include <tls/closing.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/detail/direct_wire.hpp>
#include <tls/detail/half.hpp>
#include <tls/detail/halves_closing.hpp>
#include <tls/detail/halves_core.hpp>
#include <tls/detail/stream_core.hpp>
#include <tls/detail/wire.hpp>
#include <tls/error.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>
#include <tls/stream.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {

/// The half that reads. The first call that reads or writes, on either half, runs the handshake.
///
/// What holds for both halves: each half is for one thread at a time; the two may be used by two threads at the same time. They wait for
/// the socket outside of any lock. So the socket must allow these calls beside one another: its reading (read_some, read_expires_at)
/// beside its writing (write_some, write_expires_at), and shutdown() beside both; a shutdown of a direction must make a call that waits
/// for it return. tcp_socket is like that. A tls::stream is not: TLS in TLS cannot be split. The halves are for sockets that block; from
/// one that does not, operation_would_block comes through, and there is no wants().
///
/// What an end is, what closing means and which errors there are is as in stream, with these differences:
/// - A deadline is a half's own (expires_at).
/// - std::errc::operation_canceled: the other half has closed or aborted the stream while this call waited; or, for a read,
///   shutdown(both) has come to its limit beside it.
/// - What a write has left behind because its time ran out goes out with the writer's next call, not with the reader's.
/// - When the connection breaks under a write, an alert that the peer sent before is looked for; a reader in the middle of a call comes upon
///   it himself and tells it, and the write says what the socket said.
/// - An exception out of the socket comes out of the call in which it happened, and the stream has failed then, for both.
///
/// The socket goes when both halves are gone; one that is referred to is left alone. Destructors do no I/O: no close_notify is sent, and
/// the other half goes on.
template <class Socket>
class reader : public detail::half<Socket> {
    using base = detail::half<Socket>;

public:
    /// The socket without its reference.
    using typename base::socket_type;
    /// What deadlines are.
    using typename base::time_point;

    /// An empty one.
    reader() noexcept = default;
    reader(reader&&) noexcept = default;
    reader& operator=(reader&&) noexcept = default;
    ~reader() = default;

    /// As stream's: at least 1 byte; 0 says that the peer's close_notify was read, or that reading was shut down here.
    std::size_t read_some(mutable_bytes into, std::error_code& ec) {
        return base::opened(ec) ? this->core_->read(into.span(), false, this->deadline_, ec) : 0;
    }
    /// The same; throws tls::error.
    std::size_t read_some(mutable_bytes into) {
        return base::checked("TLS read", [&](std::error_code& ec) { return read_some(into, ec); });
    }

    /// Fills the range, or stops at the clean end.
    std::size_t read(mutable_bytes into, std::error_code& ec) {
        return base::opened(ec) ? this->core_->read(into.span(), true, this->deadline_, ec) : 0;
    }
    /// The same; throws tls::error.
    std::size_t read(mutable_bytes into) {
        return base::checked("TLS read", [&](std::error_code& ec) { return read(into, ec); });
    }

    /// As stream::shutdown(read): reads give 0 from here on, and what comes in is thrown away by a later shutdown(both) or close().
    shutdown_result shutdown_read(std::error_code& ec) {
        return base::opened(ec) ? this->core_->shut_reading(ec) : shutdown_result{};
    }
    /// The same; throws tls::error.
    shutdown_result shutdown_read() {
        return base::checked("TLS shutdown", [&](std::error_code& ec) { return shutdown_read(ec); });
    }

    /// The deadline, by its name in a socket.
    void read_expires_at(time_point when) noexcept
        requires deadline_socket<socket_type>
    {
        base::expires_at(when);
    }

private:
    friend struct detail::splitting<Socket>;
    reader(std::shared_ptr<detail::halves_core<Socket>> core, time_point deadline) noexcept : base(std::move(core), deadline) {}
};

/// The half that writes, and says when that was all. What holds for both halves is told at reader.
template <class Socket>
class writer : public detail::half<Socket> {
    using base = detail::half<Socket>;

public:
    /// The socket without its reference.
    using typename base::socket_type;
    /// What deadlines are.
    using typename base::time_point;

    /// An empty one.
    writer() noexcept = default;
    writer(writer&&) noexcept = default;
    writer& operator=(writer&&) noexcept = default;
    ~writer() = default;

    /// As stream's: at least 1 byte and at most 64 KiB, which are with the socket then. A count beside std::errc::timed_out was
    /// accepted: it goes out before anything later and must not be written again.
    std::size_t write_some(const_bytes from, std::error_code& ec) {
        return base::opened(ec) ? this->core_->write_some(from.span(), this->deadline_, ec) : 0;
    }
    /// The same; throws tls::error.
    std::size_t write_some(const_bytes from) {
        return base::checked("TLS write", [&](std::error_code& ec) { return write_some(from, ec); });
    }

    /// Writes all of it; a smaller count comes with an error.
    std::size_t write(const_bytes from, std::error_code& ec) {
        const std::span<const std::byte> all = from;
        std::size_t done = 0;
        do done += write_some(all.subspan(done), ec);
        while (!ec && done < all.size());
        return done;
    }
    /// The same; throws tls::error.
    std::size_t write(const_bytes from) {
        return base::checked("TLS write", [&](std::error_code& ec) { return write(from, ec); });
    }

    /// All of the pieces in their order, gathered into full records.
    std::size_t write(std::span<const std::span<const std::byte>> pieces, std::error_code& ec) {
        return base::opened(ec) ? this->core_->write(pieces, this->deadline_, ec) : 0;
    }
    /// The same; throws tls::error.
    std::size_t write(std::span<const std::span<const std::byte>> pieces) {
        return base::checked("TLS write", [&](std::error_code& ec) { return write(pieces, ec); });
    }

    /// As stream::update_keys.
    void update_keys(bool ask_peer, std::error_code& ec) {
        if (base::opened(ec)) this->core_->update_keys(ask_peer, this->deadline_, ec);
    }
    /// The same; throws tls::error.
    void update_keys(bool ask_peer) {
        return base::checked("TLS key update", [&](std::error_code& ec) { update_keys(ask_peer, ec); });
    }

    /// Sends what was accepted and is still here. True: nothing is.
    bool flush(std::error_code& ec) { return base::opened(ec) && this->core_->flush(this->deadline_, ec); }
    /// The same; throws tls::error.
    bool flush() {
        return base::checked("TLS flush", [&](std::error_code& ec) { return flush(ec); });
    }
    /// Ciphertext bytes that were accepted and are not yet with the socket.
    [[nodiscard]] std::size_t pending_output() const {
        if (!this->core_) return 0;
        const auto held = this->core_->enter();
        return this->core_->wire.pending().size();
    }

    /// As stream's, for `write` and `both`; std::errc::invalid_argument for `read`, which is the reader's. `both` leaves the receiving to
    /// a call that reads, and takes over when that has ended. If the limit comes first, such a read ends with operation_canceled and
    /// reading is over, for the end of the transport's input is the only thing that calls it out (keep_transport_open leaves it waiting).
    shutdown_result shutdown(shutdown_mode mode, const shutdown_options& options, std::error_code& ec) {
        if (!base::opened(ec)) return {};
        if (mode == shutdown_mode::read) {
            ec = std::make_error_code(std::errc::invalid_argument);
            return {};
        }
        return detail::halves_closing<Socket>(*this->core_, closing::goal_of(mode)).run(options, this->deadline_, ec);
    }
    /// The same within the default limits.
    shutdown_result shutdown(shutdown_mode mode, std::error_code& ec) { return shutdown(mode, {}, ec); }
    /// The same; throws tls::error.
    shutdown_result shutdown(shutdown_mode mode, const shutdown_options& options = {}) {
        return base::checked("TLS shutdown", [&](std::error_code& ec) { return shutdown(mode, options, ec); });
    }

    /// The deadline, by its name in a socket.
    void write_expires_at(time_point when) noexcept
        requires deadline_socket<socket_type>
    {
        base::expires_at(when);
    }

private:
    friend struct detail::splitting<Socket>;
    writer(std::shared_ptr<detail::halves_core<Socket>> core, time_point deadline) noexcept : base(std::move(core), deadline) {}
};

namespace detail {

template <class Socket>
inline constexpr bool is_stream = false;
template <class Socket>
inline constexpr bool is_stream<stream<Socket>> = true;

// Takes streams apart and puts them together. Whatever can fail comes first: then nothing has changed.
template <class Socket>
struct splitting {
    using socket_type = std::remove_reference_t<Socket>;
    using core_type = halves_core<Socket>;
    using time_point = typename core_type::time_point;

    static_assert(tls::socket<socket_type>, "only a tls::stream over a tls::socket has halves");

    struct parts {
        std::shared_ptr<core_type> core;
        time_point read_deadline = never;
        time_point write_deadline = never;
    };

    static parts take_apart(stream<Socket>& whole, std::error_code& ec) {
        clear_error_queue();
        ec.clear();
        if (!whole.core_ || whole.core_->is_closed()) return ec = errc::not_open, parts{};
        stream_core<Socket>& from = *whole.core_;
        if (from.tls.in_callback()) return ec = errc::called_from_callback, parts{};
        byte_queue received;
        received.append(from.wire.surplus());
        parts made{std::make_shared<core_type>(from, new_bio<buffered_wire>(), std::move(received)), from.read_deadline(),
                   from.write_deadline()};
        whole.core_.reset();
        return made;
    }

    static std::pair<reader<Socket>, writer<Socket>> split(stream<Socket>& whole, std::error_code& ec) {
        const parts made = take_apart(whole, ec);
        return {reader<Socket>(made.core, made.read_deadline), writer<Socket>(made.core, made.write_deadline)};
    }

    static stream<Socket> join(reader<Socket>& reading, writer<Socket>& writing, std::error_code& ec) {
        clear_error_queue();
        ec.clear();
        const auto core = reading.core_;
        if (!core || !writing.core_) ec = errc::not_open;
        else if (core != writing.core_) ec = errc::mismatched_halves;
        if (ec) return {};
        const auto held = core->shared.enter();
        if (core->shared.is_gone()) return ec = errc::not_open, stream<Socket>();
        core->shared.set_deadlines(reading.deadline_, writing.deadline_);
        const auto received = core->wire.surplus();
        auto bytes = std::make_unique<std::byte[]>(received.size());
        std::copy(received.begin(), received.end(), bytes.get());
        stream<Socket> whole(std::make_unique<stream_core<Socket>>(
            core->shared.socket, std::move(core->tls), core->wire, core->steps, new_bio<direct_wire<socket_type>>(),
            std::move(bytes), received.size(), reading.deadline_, writing.deadline_));
        reading.core_.reset();
        writing.core_.reset();
        return whole;
    }

    static reader<Socket> finish(stream<Socket>& whole, const shutdown_options& options, std::error_code& ec,
                                 shutdown_result& result) {
        ec.clear();
        if (whole.core_ && !whole.core_->tls.established()) whole.handshake(ec);
        if (ec) return {};
        result = whole.shutdown(shutdown_mode::write, options, ec);
        if (!ec && !result.close_notify_sent) ec = whole.core_->tls.write_failure();
        if (ec) return {};
        const parts made = take_apart(whole, ec);
        return {made.core, made.read_deadline};
    }

private:
    template <class Wire>
    static bssl::UniquePtr<BIO> new_bio() {
        auto bio = make_wire_bio<Wire>();
        if (bio == nullptr) throw std::bad_alloc();
        return bio;
    }
};

}  // namespace detail

/// Takes a stream apart, between any two of its calls; what it had received, what is still to be sent and its deadlines go with it.
/// Does no I/O. Error: errc::not_open, the stream is empty or closed; it is as it was then, and the halves are empty. Throws what `new`
/// throws, and nothing has changed then.
template <class Socket>
[[nodiscard]] std::pair<reader<Socket>, writer<Socket>> split(stream<Socket>&& whole, std::error_code& ec) {
    static_assert(!detail::is_stream<std::remove_reference_t<Socket>>,
                  "tls::split: the stream below is for one thread at a time, so TLS in TLS cannot be split");
    return detail::splitting<Socket>::split(whole, ec);
}
/// The same; throws tls::error.
template <class Socket>
[[nodiscard]] std::pair<reader<Socket>, writer<Socket>> split(stream<Socket>&& whole) {
    std::error_code ec;
    auto halves = tls::split(std::move(whole), ec);
    if (ec) throw error(ec, "TLS split");
    return halves;
}

/// Puts the halves together again, when no call of theirs is being made; with their deadlines. Does no I/O. Errors: errc::not_open, one is
/// empty, or the stream was closed; errc::mismatched_halves, they are of different streams. The halves are as they were then, as they
/// are when it throws what `new` or the socket's setting of a deadline throws.
template <class Socket>
[[nodiscard]] stream<Socket> join(reader<Socket>&& reading, writer<Socket>&& writing, std::error_code& ec) {
    return detail::splitting<Socket>::join(reading, writing, ec);
}
/// The same; throws tls::error.
template <class Socket>
[[nodiscard]] stream<Socket> join(reader<Socket>&& reading, writer<Socket>&& writing) {
    std::error_code ec;
    auto whole = tls::join(std::move(reading), std::move(writing), ec);
    if (ec) throw error(ec, "TLS join");
    return whole;
}

}  // namespace v0
}  // namespace tls

#endif
