// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What lies under BoringSSL: a BIO of our own whose other side is a wire. `wire` is what all of them have in common.
//
// BoringSSL frees a record as soon as the BIO returns, so a wire takes every record whole and keeps what the transport does not take
// at once. SSL never sees "want write": no write is left unfinished, no alert meets a full socket, and a call that is repeated may
// come with other memory.

#ifndef TLS_STREAM_TLS_DETAIL_WIRE_HPP
#define TLS_STREAM_TLS_DETAIL_WIRE_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/detail/callback.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

inline constexpr std::size_t record_header_size = 5;          // RFC 8446 5.1
inline constexpr std::size_t record_plaintext_limit = 16384;  // RFC 8446 5.1
inline constexpr std::size_t records_per_batch = 4;           // sent together: one second-level cache full; more bring nothing
inline constexpr std::size_t batch_plaintext = records_per_batch * record_plaintext_limit;

// How many records that many bytes make.
[[nodiscard]] constexpr std::size_t records_in(std::size_t bytes) noexcept {
    return (bytes + record_plaintext_limit - 1) / record_plaintext_limit;
}

// Did the transport go away, rather than fail in a way of its own?
[[nodiscard]] inline bool is_reset(std::error_code code) noexcept {
    return code == std::errc::connection_reset || code == std::errc::connection_aborted || code == std::errc::broken_pipe;
}

// Why a wire gave BoringSSL nothing when it was last asked for input.
enum class input_state : unsigned char { flowing, blocked, ended, failed };

class connection;

class wire {
public:
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;

    // --- what BoringSSL calls ---

    // Each wire has these three, called directly:
    //
    //     std::size_t take_received(std::span<std::byte> into) noexcept;  // bytes that are here already, or 0
    //     std::size_t receive(std::span<std::byte> into);                 // at least 1 byte, or 0 and input() tells why
    //     void send(std::span<const std::byte> records);                  // takes a whole record, or a whole flight of them

    // --- what the connection and the faces ask ---

    // Whose wire this is: how BoringSSL's callbacks, which are told the SSL only, find the connection.
    [[nodiscard]] connection* owner() const noexcept { return owner_; }
    void belongs_to(connection* owner) noexcept { owner_ = owner; }

    [[nodiscard]] input_state input() const noexcept { return input_; }
    [[nodiscard]] std::error_code input_error() const noexcept { return input_error_; }
    // Why the transport takes nothing any more, if it does not; from then on, what BoringSSL sends is dropped.
    [[nodiscard]] std::error_code output_error() const noexcept { return output_error_; }
    // Ciphertext that the transport has not taken yet.
    [[nodiscard]] std::span<const std::byte> pending() const noexcept { return pending_.bytes(); }
    // Ciphertext since the beginning: all that BoringSSL made, and what of it the transport took.
    [[nodiscard]] std::uint64_t sealed() const noexcept { return sealed_; }
    [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }

    // Before each call of BoringSSL's: forgets why the last one got no input. `records`: how many records of application data the call
    // will make, and others right behind it, so that they can leave together.
    void begin_call(std::size_t records = 0) noexcept {
        input_ = input_state::flowing;
        expected_records_ = records;
    }
    // Is input worth waiting for once the transport has refused output? Not in a handshake, where the peer waits for us, and not while
    // something is looked for.
    void wait_after_refusal(bool on) noexcept { waits_after_refusal_ = on; }
    // Sends nothing more, not even what is pending.
    void stop_output() noexcept {
        stopped_ = true;
        pending_.clear();
    }
    // The first n bytes of pending() went another way than through BoringSSL. A fatal alert may have emptied it since.
    void output_sent(std::size_t n) noexcept {
        n = (std::min)(n, pending_.size());
        sent_ += n;
        pending_.consume(n);
    }
    // While somebody sends from pending() where it lies.
    void pin_pending() noexcept { pending_.pin(); }
    void unpin_pending() noexcept { pending_.unpin(); }

    kept_exception exceptions;  // thrown by the transport below BoringSSL's frames

protected:
    wire() = default;
    // Goes on where another one stopped: with what it has not sent, and with what it knows of the transport. Between two calls only.
    explicit wire(wire& from) noexcept
        : pending_(std::move(from.pending_)),
          sealed_(from.sealed_),
          sent_(from.sent_),
          output_error_(from.output_error_),
          stopped_(from.stopped_),
          waits_after_refusal_(from.waits_after_refusal_) {}
    ~wire() = default;

    byte_queue pending_;
    connection* owner_ = nullptr;
    std::uint64_t sealed_ = 0;
    std::uint64_t sent_ = 0;
    std::size_t expected_records_ = 0;
    std::error_code input_error_;
    std::error_code output_error_;
    input_state input_ = input_state::flowing;
    bool stopped_ = false;
    bool waits_after_refusal_ = false;
};

// The wire of faces that carry the bytes themselves: the public engine, and whoever builds on it.
class buffered_wire final : public wire {
public:
    buffered_wire() = default;
    // `received` is what `from` had received and not given to BoringSSL.
    buffered_wire(wire& from, byte_queue received) noexcept : wire(from), received_(std::move(received)) {}

    std::size_t take_received(std::span<std::byte> into) noexcept { return received_.take(into); }

    std::size_t receive(std::span<std::byte>) {
        input_ = end_;
        return 0;
    }

    void send(std::span<const std::byte> records) {
        sealed_ += records.size();
        if (!stopped_ && !output_error_) pending_.append(records);
    }

    // Bytes that were received and belong to nobody yet: after close_notify they are not TLS.
    [[nodiscard]] std::vector<std::byte> surplus() const {
        const auto rest = received_.bytes();
        return {rest.begin(), rest.end()};
    }

    // Nothing is here, and more may come.
    [[nodiscard]] bool is_dry() const noexcept { return received_.empty() && end_ == input_state::blocked; }
    [[nodiscard]] std::span<std::byte> input_space() { return received_.room(input_room); }
    void input_received(std::size_t n) noexcept { received_.commit(n); }
    // The same for bytes that were received elsewhere, all of the queue's.
    void input_received(byte_queue& from) {
        if (received_.empty()) {
            std::swap(received_, from);
        } else {
            received_.append(from.bytes());
            from.clear();
        }
    }
    void input_ended() noexcept {
        if (end_ == input_state::blocked) end_ = input_state::ended;
    }
    void input_failed(std::error_code why) noexcept {
        if (end_ != input_state::blocked) return;
        end_ = why ? input_state::failed : input_state::ended;
        input_error_ = why;
    }
    // The transport takes nothing any more; see connection::settle_output.
    void output_failed(std::error_code why) noexcept {
        output_error_ = why;
        pending_.clear();
    }

    // A record of the largest size, so that a busy connection needs one receive call for each.
    static constexpr std::size_t input_room = record_header_size + record_plaintext_limit + 256;

private:
    byte_queue received_;
    input_state end_ = input_state::blocked;  // what an empty queue means
};

// --- the BIO ---

// What BIO_get_data gives is a `wire*`. One set of callbacks for each type of wire, so that its members are called directly.
// `size` is never 0: BIO_read and BIO_write see to that. The retry flag is looked at only when a read gives nothing, so it is
// set then.

template <class Wire>
int wire_bio_receive(BIO* bio, Wire& under, std::span<std::byte> into) noexcept {
    const auto n = under.exceptions.guard(std::size_t{0}, [&] { return under.receive(into); });
    if (n != 0) return static_cast<int>(n);
    ::BIO_clear_retry_flags(bio);
    if (under.input() == input_state::blocked) ::BIO_set_retry_read(bio);
    return under.input() == input_state::ended ? 0 : -1;
}

template <class Wire>
int wire_bio_read(BIO* bio, char* into, int size) noexcept {
    auto& under = *static_cast<Wire*>(static_cast<wire*>(::BIO_get_data(bio)));
    const auto room = std::as_writable_bytes(std::span(into, static_cast<std::size_t>(size)));
    const std::size_t n = under.take_received(room);
    return n != 0 ? static_cast<int>(n) : wire_bio_receive(bio, under, room);
}

template <class Wire>
int wire_bio_write(BIO* bio, const char* from, int size) noexcept {
    auto& under = *static_cast<Wire*>(static_cast<wire*>(::BIO_get_data(bio)));
    return under.exceptions.guard(-1, [&] {
        under.send(std::as_bytes(std::span(from, static_cast<std::size_t>(size))));
        return size;
    });
}

inline long wire_bio_ctrl(BIO*, int command, long, void*) noexcept { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// What BIO_method_type says of every wire's BIO.
[[nodiscard]] inline int wire_bio_type() noexcept {
    static const int type = ::BIO_get_new_index();
    return type;
}

// A BIO over `under`, or over what BIO_set_data names later, which must outlive it; null when memory ran out.
template <class Wire>
[[nodiscard]] bssl::UniquePtr<BIO> make_wire_bio(Wire* under = nullptr) {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* const made = ::BIO_meth_new(wire_bio_type(), "tls-stream wire");
        if (made == nullptr) return made;
        ::BIO_meth_set_read(made, &wire_bio_read<Wire>);
        ::BIO_meth_set_write(made, &wire_bio_write<Wire>);
        ::BIO_meth_set_ctrl(made, &wire_bio_ctrl);
        return made;
    }();
    bssl::UniquePtr<BIO> bio(method != nullptr ? ::BIO_new(method) : nullptr);
    if (bio == nullptr) return nullptr;
    ::BIO_set_data(bio.get(), static_cast<wire*>(under));
    ::BIO_set_init(bio.get(), 1);
    return bio;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
