// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Where TLS records are dropped, doubled or moved on their way through a memory connection.

#ifndef TLS_STREAM_TLS_DETAIL_TESTING_RECORD_FILTER_HPP
#define TLS_STREAM_TLS_DETAIL_TESTING_RECORD_FILTER_HPP

#include <tls/testing/records.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// Passes bytes on and counts the records in them. While there are faults, records go out whole.
class record_filter {
public:
    using bytes = testing::bytes;
    using action = testing::record_fault::action;

    void set(std::vector<testing::record_fault> faults) { faults_ = std::move(faults); }

    // The number of the first record that a fault can still meet: one that has begun goes out as it is.
    [[nodiscard]] std::size_t next() const noexcept { return seen_ == 0 ? index_ : index_ + 1; }

    // Appends to `out` what of `in`, and of what was held back, goes on.
    void push(std::span<const std::byte> in, bytes& out) {
        constexpr std::size_t header_size = testing::record_header_size;
        while (!in.empty()) {
            if (seen_ == 0) holding_ = !faults_.empty();
            std::size_t wanted = header_size - (std::min)(seen_, header_size);
            if (wanted == 0) wanted = header_size + body_ - seen_;
            const auto part = in.first((std::min)(in.size(), wanted));
            if (seen_ < header_size) std::copy(part.begin(), part.end(), std::span(header_).subspan(seen_).begin());
            if (holding_) {
                record_.insert(record_.end(), part.begin(), part.end());
            } else {
                out.insert(out.end(), part.begin(), part.end());
            }
            seen_ += part.size();
            in = in.subspan(part.size());
            const auto length_byte = [&](std::size_t i) { return std::to_integer<std::size_t>(header_[i]); };
            if (seen_ == header_size) body_ = length_byte(3) << 8 | length_byte(4);
            if (seen_ >= header_size && seen_ == header_size + body_) finish(out);
        }
    }

    // The sender has ended: what was held back goes out.
    void flush(bytes& out) {
        append(out, std::exchange(swapped_, {}));
        append(out, std::exchange(record_, {}));
    }

private:
    static void append(bytes& out, const bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

    [[nodiscard]] bool planned(action what) const {
        return std::any_of(faults_.begin(), faults_.end(),
                           [&](const auto& fault) { return fault.what == what && fault.record == index_; });
    }

    void finish(bytes& out) {
        const bytes whole = std::exchange(record_, {});
        if (holding_) {
            const bool swap = planned(action::swap);
            for (const auto& fault : faults_) {
                if (fault.what == action::replay && fault.record == index_) replayed_ = whole;
            }
            if (swap && swapped_.empty()) {
                swapped_ = whole;
            } else {
                if (!planned(action::drop)) append(out, whole);
                if (planned(action::duplicate)) append(out, whole);
                append(out, std::exchange(swapped_, {}));
            }
            for (const auto& fault : faults_) {
                if (fault.what == action::replay && fault.after == index_) append(out, replayed_);
            }
        }
        ++index_;
        seen_ = 0;
        body_ = 0;
    }

    std::vector<testing::record_fault> faults_;
    std::array<std::byte, testing::record_header_size> header_{};
    std::size_t seen_ = 0;   // bytes of the present record
    std::size_t body_ = 0;   // its length, once the header is there
    std::size_t index_ = 0;  // its number
    bool holding_ = false;   // it is kept in record_ until it is whole
    bytes record_;
    bytes swapped_;
    bytes replayed_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
