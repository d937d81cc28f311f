// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// TLS records as they lie on the wire (RFC 8446 5.1): found in bytes, and told what happens to them on their way.

#ifndef TLS_STREAM_TLS_TESTING_RECORDS_HPP
#define TLS_STREAM_TLS_TESTING_RECORDS_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tls {
inline namespace v0 {
namespace testing {

/// Bytes of the wire.
using bytes = std::vector<std::byte>;

/// A record's outer type. From TLS 1.3's first encrypted record on, everything says application_data.
enum class record_type : unsigned char {
    none = 0,                 ///< Too short for a header, or no record at all.
    change_cipher_spec = 20,  ///< TLS 1.3 sends it for the sake of old machines on the way.
    alert = 21,               ///< In TLS 1.3 only while nothing is encrypted.
    handshake = 22,           ///< In TLS 1.3 only what is not encrypted: ClientHello, ServerHello.
    application_data = 23,    ///< Data, and whatever TLS 1.3 encrypts.
};

/// Bytes of a record before its body.
inline constexpr std::size_t record_header_size = 5;

/// One record's header, and where it is.
struct record {
    record_type type = record_type::none;  ///< With `none` it reaches to the end of the bytes that were searched.
    std::uint16_t version = 0;             ///< On the wire, 0x0303 for every version but the first ClientHello's.
    std::size_t length = 0;                ///< Of the body, as the header says.
    std::size_t offset = 0;                ///< Of the header, in the bytes that were searched.
    bool complete = false;                 ///< All of the body is there.

    /// Where the next record begins.
    [[nodiscard]] std::size_t end() const noexcept { return offset + record_header_size + length; }
};

/// The records that `wire` begins with, in order. What is left over, the beginning of a record or none, is the last one and
/// not complete.
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

/// True for an alert, as far as size and type tell. TLS 1.2 says so in the clear; in TLS 1.3 an encrypted record of 2 bytes
/// of alert, 1 of inner type and 16 of tag is taken for one, so a test must not send two bytes of data there.
[[nodiscard]] constexpr bool is_alert_sized(const record& r) noexcept {
    return r.type == record_type::alert || (r.type == record_type::application_data && r.length == 2 + 1 + 16);
}

/// "handshake", "ccs", "alert" (by is_alert_sized), "data"; "partial" if bytes are missing, "other" for what is no record.
[[nodiscard]] constexpr std::string_view to_string(const record& r) noexcept {
    if (r.type == record_type::none) return "other";
    if (!r.complete) return "partial";
    if (is_alert_sized(r)) return "alert";
    switch (r.type) {
        case record_type::handshake: return "handshake";
        case record_type::change_cipher_spec: return "ccs";
        default: return "data";
    }
}

/// What happens to a record on its way. Records are counted from 0, from the first byte that was ever sent.
struct record_fault {
    /// The ways of the world.
    enum class action : unsigned char {
        drop,       ///< It never arrives.
        duplicate,  ///< It arrives twice in a row.
        swap,       ///< It arrives after its successor.
        replay,     ///< It arrives, and once more behind the record `after`.
    };
    action what = action::drop;  ///< What happens,
    std::size_t record = 0;      ///< to this one.
    std::size_t after = 0;       ///< With `replay` only: not before `record`.
};

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
