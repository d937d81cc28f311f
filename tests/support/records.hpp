// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// TLS records as they lie on the wire (RFC 8446 5.1): found in bytes, and dropped, doubled or moved on their way.

#ifndef TLS_STREAM_TESTS_SUPPORT_RECORDS_HPP
#define TLS_STREAM_TESTS_SUPPORT_RECORDS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tests {

using bytes = std::vector<std::byte>;

// A record's outer type. From TLS 1.3's first encrypted record on, everything says application_data.
enum class record_type : unsigned char { none = 0, change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23 };

inline constexpr std::size_t record_header_size = 5;

// One record's header, and where it is.
struct record {
    record_type type = record_type::none;  // none: too short for a header, or no record at all; it then reaches to the end
    std::uint16_t version = 0;
    std::size_t length = 0;  // of the body, as the header says
    std::size_t offset = 0;  // of the header, in the bytes that were searched
    bool complete = false;   // all of the body is there

    // Where the next record begins.
    [[nodiscard]] std::size_t end() const noexcept { return offset + record_header_size + length; }
};

// The records that `wire` begins with, in order. What is left over, the beginning of a record or none, is the last one and
// not complete.
[[nodiscard]] inline std::vector<record> records(std::span<const std::byte> wire) {
    std::vector<record> found;
    const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(wire[i]); };
    for (std::size_t offset = 0; offset < wire.size();) {
        record next{.offset = offset};
        const bool known = at(offset) >= 20 && at(offset) <= 23;
        if (!known || wire.size() - offset < record_header_size) {
            found.push_back(next);
            break;
        }
        next.type = static_cast<record_type>(at(offset));
        next.version = static_cast<std::uint16_t>(at(offset + 1) << 8 | at(offset + 2));
        next.length = at(offset + 3) << 8 | at(offset + 4);
        next.complete = wire.size() >= next.end();
        found.push_back(next);
        offset = next.end();
    }
    return found;
}

// True for an alert, as far as size and type tell. TLS 1.2 says so in the clear; in TLS 1.3 an encrypted record of 2 bytes
// of alert, 1 of inner type and 16 of tag is taken for one, so a test must not send two bytes of data there.
[[nodiscard]] constexpr bool is_alert_sized(const record& r) noexcept {
    return r.type == record_type::alert || (r.type == record_type::application_data && r.length == 2 + 1 + 16);
}

// "handshake", "ccs", "alert" (by is_alert_sized), "data"; "partial" if bytes are missing, "other" for what is no record.
[[nodiscard]] constexpr std::string_view name(const record& r) noexcept {
    if (r.type == record_type::none) return "other";
    if (!r.complete) return "partial";
    if (is_alert_sized(r)) return "alert";
    switch (r.type) {
        case record_type::handshake: return "handshake";
        case record_type::change_cipher_spec: return "ccs";
        default: return "data";
    }
}

// What happens to a record on its way. Records are counted from 0, from the first byte that was ever sent.
struct record_fault {
    enum class action : unsigned char {
        drop,       // it never arrives
        duplicate,  // it arrives twice in a row
        swap,       // it arrives after its successor
        replay,     // it arrives, and once more after record `after`
    };
    action what = action::drop;
    std::size_t record = 0;
    std::size_t after = 0;
};

// Passes bytes on and counts the records in them. While there are faults, records go out whole.
class record_filter {
public:
    void set(std::vector<record_fault> faults) { faults_ = std::move(faults); }

    // Appends to `out` what of `in`, and of what was held back, goes on.
    void push(std::span<const std::byte> in, bytes& out) {
        while (!in.empty()) {
            if (seen_ == 0) holding_ = !faults_.empty();
            std::size_t wanted = record_header_size - std::min(seen_, record_header_size);
            if (wanted == 0) wanted = record_header_size + body_ - seen_;
            const auto part = in.first(std::min(in.size(), wanted));
            if (seen_ < record_header_size) std::copy(part.begin(), part.end(), std::span(header_).subspan(seen_).begin());
            if (holding_) {
                record_.insert(record_.end(), part.begin(), part.end());
            } else {
                out.insert(out.end(), part.begin(), part.end());
            }
            seen_ += part.size();
            in = in.subspan(part.size());
            const auto length_byte = [&](std::size_t i) { return std::to_integer<std::size_t>(header_[i]); };
            if (seen_ == record_header_size) body_ = length_byte(3) << 8 | length_byte(4);
            if (seen_ >= record_header_size && seen_ == record_header_size + body_) finish(out);
        }
    }

    // The sender has ended: what was held back goes out.
    void flush(bytes& out) {
        append(out, std::exchange(swapped_, {}));
        append(out, std::exchange(record_, {}));
    }

private:
    static void append(bytes& out, const bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

    [[nodiscard]] bool planned(record_fault::action what) const {
        return std::any_of(faults_.begin(), faults_.end(),
                           [&](const record_fault& f) { return f.what == what && f.record == index_; });
    }

    void finish(bytes& out) {
        const bytes whole = std::exchange(record_, {});
        if (holding_) {
            const bool swap = planned(record_fault::action::swap);
            for (const auto& f : faults_) {
                if (f.what == record_fault::action::replay && f.record == index_) replayed_ = whole;
            }
            if (swap && swapped_.empty()) {
                swapped_ = whole;
            } else {
                if (!planned(record_fault::action::drop)) append(out, whole);
                if (planned(record_fault::action::duplicate)) append(out, whole);
                append(out, std::exchange(swapped_, {}));
            }
            for (const auto& f : faults_) {
                if (f.what == record_fault::action::replay && f.after == index_) append(out, replayed_);
            }
        }
        ++index_;
        seen_ = 0;
        body_ = 0;
    }

    std::vector<record_fault> faults_;
    std::array<std::byte, record_header_size> header_{};
    std::size_t seen_ = 0;   // bytes of the present record
    std::size_t body_ = 0;   // its length, once the header is there
    std::size_t index_ = 0;  // its number
    bool holding_ = false;   // it is kept in record_ until it is whole
    bytes record_;
    bytes swapped_;
    bytes replayed_;
};

}  // namespace tests

#endif
