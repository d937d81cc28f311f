// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What can be made to go wrong at one end of a memory connection, by the number of a call or of a byte.

#ifndef TLS_STREAM_TLS_TESTING_FAULTS_HPP
#define TLS_STREAM_TLS_TESTING_FAULTS_HPP

#include <tls/testing/outcome.hpp>
#include <tls/testing/records.hpp>

#include <cstddef>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace testing {

/// Which calls are counted.
enum class call_kind : unsigned char {
    read,      ///< read_some
    write,     ///< write_some
    io,        ///< both, counted together
    shutdown,  ///< shutdown
    close      ///< close
};

/// No limit to a size.
inline constexpr std::size_t no_limit = (std::numeric_limits<std::size_t>::max)();
/// In place of a call's number: all of them.
inline constexpr std::size_t every_call = no_limit;

/// One call that ends otherwise than it would. Calls are counted from 0, from the end's first call on: a fault at the next read
/// has the number `end.calls().reads`.
struct call_fault {
    call_kind call = call_kind::io;         ///< What is counted.
    std::size_t number = 0;                 ///< Which of them, or every_call.
    outcome ends = outcome::would_block();  ///< How it ends. A shutdown or close: by an error or an exception.
};

/// One byte that arrives changed.
struct bit_flip {
    std::size_t offset = 0;  ///< Its place in what this end receives.
    std::byte mask{1};       ///< What is XORed onto it; not 0.
};

/// The script of one end. Offsets count bytes from the end's first byte in that direction, so that `end.bytes_received()` is
/// the next one that comes in and `end.bytes_sent()` the next one that goes out. The default does nothing.
struct faults {
    /// Short reads: no call moves more bytes. Not 0.
    std::size_t read_chunk = no_limit;
    /// Short writes: no call moves more bytes. Not 0.
    std::size_t write_chunk = no_limit;
    /// A storm: each read fails with this first and does its work when it is called again. operation_would_block or
    /// interrupted; it comes out of an end that blocks, too.
    std::error_code before_each_read{};
    /// The same for writes.
    std::error_code before_each_write{};
    /// By the number of the call.
    std::vector<call_fault> calls{};
    /// The incoming bytes end before the one at this offset, by EOF, whatever else the other end sends.
    std::optional<std::size_t> input_ends_at{};
    /// The same by a reset, which the other end gets, too.
    std::optional<std::size_t> input_resets_at{};
    /// Incoming bytes that are not what was sent.
    std::vector<bit_flip> flips{};
    /// Incoming TLS records that are lost, doubled or moved.
    std::vector<record_fault> records{};
    /// Writes take bytes up to this offset, and fail with EPIPE then.
    std::optional<std::size_t> output_breaks_at{};
    /// Writes take this many bytes from now on, and block then, until memory_end::add_room() or another script.
    std::optional<std::size_t> room{};
    /// So many calls of wait_either return at once although nothing is ready.
    std::size_t spurious_waits = 0;
};

/// A storm both ways; `code` as for faults::before_each_read.
[[nodiscard]] inline faults storm(std::errc code = std::errc::operation_would_block) {
    return {.before_each_read = std::make_error_code(code), .before_each_write = std::make_error_code(code)};
}
/// Short reads and writes, of `size` bytes at most.
[[nodiscard]] inline faults chunked(std::size_t size) { return {.read_chunk = size, .write_chunk = size}; }
/// One fault at one call.
[[nodiscard]] inline faults at_call(call_kind call, std::size_t number, outcome ends) {
    return {.calls = {{call, number, std::move(ends)}}};
}

}  // namespace testing
}  // namespace v0
}  // namespace tls

#endif
