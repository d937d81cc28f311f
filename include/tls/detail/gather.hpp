// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Cuts a list of pieces into full records: small pieces are joined, large ones are taken from where they lie.

#ifndef TLS_STREAM_TLS_DETAIL_GATHER_HPP
#define TLS_STREAM_TLS_DETAIL_GATHER_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/wire.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace tls {
inline namespace v0 {
namespace detail {

class gather {
public:
    explicit gather(std::span<const std::span<const std::byte>> pieces) noexcept : pieces_(pieces) {
        for (const auto piece : pieces_) left_ += piece.size();
    }
    ~gather() { ::OPENSSL_cleanse(joined_.data(), joined_size_); }
    gather(const gather&) = delete;
    gather& operator=(const gather&) = delete;

    // Bytes that have not been taken yet.
    [[nodiscard]] std::size_t left() const noexcept { return left_; }

    // Whole records from the front, at least one if anything is left; valid until the next call. The same again until taken().
    [[nodiscard]] std::span<const std::byte> next() noexcept {
        while (offset_ == pieces_.front().size()) advance();
        const auto front = pieces_.front().subspan(offset_);
        if (front.size() == left_ || front.size() >= record_plaintext_limit) {
            const std::size_t whole =
                front.size() == left_ ? front.size() : front.size() - front.size() % record_plaintext_limit;
            return front.first((std::min)(whole, batch_plaintext));
        }
        std::size_t size = 0;
        for (std::size_t at = 0, from = offset_; at < pieces_.size() && size < joined_.size(); ++at, from = 0) {
            const auto part = pieces_[at].subspan(from, (std::min)(pieces_[at].size() - from, joined_.size() - size));
            if (!part.empty()) std::memcpy(joined_.data() + size, part.data(), part.size());
            size += part.size();
        }
        joined_size_ = (std::max)(joined_size_, size);
        return std::span(joined_).first(size);
    }

    // The first n bytes of next() were accepted.
    void taken(std::size_t n) noexcept {
        left_ -= n;
        while (n != 0) {
            const std::size_t here = (std::min)(n, pieces_.front().size() - offset_);
            offset_ += here;
            n -= here;
            if (n != 0) advance();
        }
    }

private:
    void advance() noexcept {
        pieces_ = pieces_.subspan(1);
        offset_ = 0;
    }

    std::span<const std::span<const std::byte>> pieces_;
    std::size_t offset_ = 0;  // into the first of them
    std::size_t left_ = 0;
    std::array<std::byte, record_plaintext_limit> joined_;
    std::size_t joined_size_ = 0;  // how much of it has held plaintext
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
