// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A queue of bytes that owns memory only while it holds something, so that an idle connection costs none.

#ifndef TLS_STREAM_TLS_DETAIL_BUFFER_HPP
#define TLS_STREAM_TLS_DETAIL_BUFFER_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

class byte_queue {
public:
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {memory_.get() + begin_, size()}; }

    // Room for at least `wanted` bytes behind the last one; commit() says how many were put there.
    [[nodiscard]] std::span<std::byte> room(std::size_t wanted) {
        if (capacity_ - end_ < wanted) grow(wanted);
        return {memory_.get() + end_, capacity_ - end_};
    }
    void commit(std::size_t n) noexcept { end_ += n; }

    void append(std::span<const std::byte> from) {
        if (from.empty()) return;
        std::memcpy(room(from.size()).data(), from.data(), from.size());
        commit(from.size());
    }

    // Drops the first n bytes, and with the last one the memory.
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) clear();
    }

    // Moves up to into.size() bytes out.
    std::size_t take(std::span<std::byte> into) noexcept {
        const std::size_t n = std::min(into.size(), size());
        if (n == 0) return 0;
        std::memcpy(into.data(), memory_.get() + begin_, n);
        consume(n);
        return n;
    }

    void clear() noexcept {
        memory_.reset();
        begin_ = end_ = capacity_ = 0;
    }

private:
    void grow(std::size_t wanted) {
        const std::size_t held = size();
        const std::size_t capacity =
            std::max(held + wanted, held != 0 ? std::min(2 * capacity_, held + wanted + step) : wanted);
        auto memory = std::make_unique_for_overwrite<std::byte[]>(capacity);
        if (held != 0) std::memcpy(memory.get(), memory_.get() + begin_, held);
        memory_ = std::move(memory);
        begin_ = 0;
        end_ = held;
        capacity_ = capacity;
    }

    static constexpr std::size_t step = std::size_t{1} << 16;

    std::unique_ptr<std::byte[]> memory_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
