// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A ConstBufferSequence as spans, however many buffers it is.

#ifndef TLS_STREAM_TLS_DETAIL_BUFFER_LIST_HPP
#define TLS_STREAM_TLS_DETAIL_BUFFER_LIST_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// The first `most` bytes of it, without its empty buffers. Refers to the bytes, not to the sequence.
template <class Library, class Buffers>
class buffer_list {
public:
    using piece = std::span<const std::byte>;

    buffer_list(const Buffers& buffers, std::size_t most) {
        const auto end = Library::end(buffers);
        for (auto next = Library::begin(buffers); next != end && most != 0; ++next) {
            const piece bytes = Library::bytes(*next);
            if (bytes.empty()) continue;
            add(bytes.first((std::min)(bytes.size(), most)));
            most -= (std::min)(bytes.size(), most);
        }
    }

    // At most one piece, which may be empty.
    [[nodiscard]] bool single() const noexcept { return count_ <= 1; }
    [[nodiscard]] piece front() const noexcept { return few_.front(); }
    [[nodiscard]] std::span<const piece> all() const noexcept {
        return many_.empty() ? std::span(few_).first(count_) : std::span<const piece>(many_);
    }

private:
    void add(piece bytes) {
        if (count_ == few_.size() && many_.empty()) many_.assign(few_.begin(), few_.end());
        if (count_ < few_.size()) {
            few_[count_] = bytes;
        } else {
            many_.push_back(bytes);
        }
        ++count_;
    }

    std::array<piece, 16> few_{};
    std::vector<piece> many_;  // all of them, once they are more
    std::size_t count_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
