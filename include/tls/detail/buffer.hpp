// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A queue of bytes that owns memory only while it holds something, so that an idle connection costs none.

#ifndef TLS_STREAM_TLS_DETAIL_BUFFER_HPP
#define TLS_STREAM_TLS_DETAIL_BUFFER_HPP

#include <tls/detail/boringssl.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// `Wiped`: its memory is wiped before it is given back.
template <bool Wiped>
class basic_byte_queue {
public:
    basic_byte_queue() noexcept = default;
    // Not while it is pinned.
    basic_byte_queue(basic_byte_queue&& other) noexcept { swap(other); }
    basic_byte_queue& operator=(basic_byte_queue&& other) noexcept {
        basic_byte_queue taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~basic_byte_queue() { wipe(); }

    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {memory_.get() + begin_, size()}; }

    // Room for at least `wanted` bytes behind the last one; commit() says how many were put there.
    [[nodiscard]] std::span<std::byte> room(std::size_t wanted) {
        if (capacity_ - end_ < wanted) grow(wanted);
        return {memory_.get() + end_, capacity_ - end_};
    }
    void commit(std::size_t n) noexcept { end_ += static_cast<position>(n); }

    void append(std::span<const std::byte> from) {
        if (from.empty()) return;
        std::memcpy(room(from.size()).data(), from.data(), from.size());
        commit(from.size());
    }

    // Drops the first n bytes, and with the last one the memory.
    void consume(std::size_t n) noexcept {
        begin_ += static_cast<position>(n);
        if (begin_ == end_) clear();
    }

    // Moves up to into.size() bytes out.
    std::size_t take(std::span<std::byte> into) noexcept {
        const std::size_t n = (std::min)(into.size(), size());
        if (n == 0) return 0;
        std::memcpy(into.data(), memory_.get() + begin_, n);
        consume(n);
        return n;
    }

    void clear() noexcept {
        replace(nullptr);
        begin_ = end_ = capacity_ = 0;
    }

    // Keeps what bytes() shows now where it is, whatever becomes of the queue, until unpin(): somebody is still reading it.
    void pin() noexcept { pinned_ = true; }
    void unpin() noexcept {
        pinned_ = false;
        kept_.reset();
    }

private:
    void swap(basic_byte_queue& other) noexcept {
        memory_.swap(other.memory_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(capacity_, other.capacity_);
    }

    void wipe() noexcept {
        if constexpr (Wiped) {
            if (memory_ != nullptr) ::OPENSSL_cleanse(memory_.get(), capacity_);
        }
    }

    void replace(std::unique_ptr<std::byte[]> memory) noexcept {
        wipe();
        memory_.swap(memory);
        if (pinned_ && kept_ == nullptr) kept_ = std::move(memory);
    }

    void grow(std::size_t wanted) {
        const std::size_t held = size();
        if (wanted > most - held) throw std::length_error("tls: more than 4 GiB to be kept");
        const std::size_t ahead = held != 0 ? (std::min)(std::size_t{2} * capacity_, held + wanted + step) : wanted;
        const std::size_t capacity = (std::min)((std::max)(held + wanted, ahead), most);
        auto memory = std::make_unique_for_overwrite<std::byte[]>(capacity);
        if (held != 0) std::memcpy(memory.get(), memory_.get() + begin_, held);
        replace(std::move(memory));
        begin_ = 0;
        end_ = static_cast<position>(held);
        capacity_ = static_cast<position>(capacity);
    }

    using position = std::uint32_t;  // small, since every connection has a few of these, which are nearly always empty
    static constexpr std::size_t most = (std::numeric_limits<position>::max)();
    static constexpr std::size_t step = std::size_t{1} << 16;

    std::unique_ptr<std::byte[]> memory_;
    std::unique_ptr<std::byte[]> kept_;  // pinned, and not the queue's any more
    position begin_ = 0;
    position end_ = 0;
    position capacity_ = 0;
    bool pinned_ = false;
};

using byte_queue = basic_byte_queue<false>;
using plaintext_queue = basic_byte_queue<true>;

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
