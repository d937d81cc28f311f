// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What can be made to go wrong at one end of a memory connection, by the number of a call or of a byte.

#ifndef TLS_STREAM_TESTS_SUPPORT_FAULTS_HPP
#define TLS_STREAM_TESTS_SUPPORT_FAULTS_HPP

#include <support/records.hpp>

#include <cstddef>
#include <exception>
#include <limits>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

namespace tests {

// Which calls are counted. `io` counts reads and writes together.
enum class call_kind : unsigned char { read, write, io, shutdown, close };

// What outcome::exception throws unless told otherwise.
class injected_exception : public std::runtime_error {
public:
    injected_exception() : std::runtime_error("an exception that the test asked for") {}
};

// How a call ends that a script interferes with. Nothing is moved then.
class outcome {
public:
    enum class kind : unsigned char { error, end_of_stream, reset, broken_pipe, zero, excess, exception };

    // The call fails with `code`, once; the connection is as good as before.
    static outcome error(std::error_code code) { return outcome(kind::error, code); }
    static outcome would_block() { return error(std::make_error_code(std::errc::operation_would_block)); }
    static outcome interrupted() { return error({static_cast<int>(std::errc::interrupted), std::system_category()}); }
    // A code in a category that nobody knows.
    static outcome unknown_error();
    // A read returns 0, as do all after it, whatever the other end sends.
    static outcome end_of_stream() { return outcome(kind::end_of_stream); }
    // ECONNRESET; later writes fail with EPIPE and later reads return 0, as they do on Linux. What had not been read is lost.
    static outcome reset() { return outcome(kind::reset); }
    // EPIPE, now and for all later writes; reading is not touched.
    static outcome broken_pipe() { return outcome(kind::broken_pipe); }
    // 0 without an error.
    static outcome zero() { return outcome(kind::zero); }
    // A count above what was asked for, by `more`.
    static outcome excess(std::size_t more = 1) {
        outcome made(kind::excess);
        made.more_ = more;
        return made;
    }
    static outcome exception(std::exception_ptr thrown = std::make_exception_ptr(injected_exception())) {
        outcome made(kind::exception);
        made.thrown_ = std::move(thrown);
        return made;
    }

    [[nodiscard]] kind what() const noexcept { return kind_; }
    [[nodiscard]] std::error_code code() const noexcept { return code_; }
    [[nodiscard]] std::size_t more() const noexcept { return more_; }
    [[noreturn]] void raise() const { std::rethrow_exception(thrown_); }

private:
    explicit outcome(kind what, std::error_code code = {}) : kind_(what), code_(code) {}

    kind kind_;
    std::error_code code_;
    std::size_t more_ = 0;
    std::exception_ptr thrown_;
};

class unknown_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "tests.unknown"; }
    [[nodiscard]] std::string message(int value) const override { return "unheard-of error " + std::to_string(value); }
};
inline constinit const unknown_error_category the_unknown_error_category;

inline outcome outcome::unknown_error() { return error({4711, the_unknown_error_category}); }

inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
// In place of a call's number: all of them.
inline constexpr std::size_t every_call = no_limit;

// One call that ends otherwise than it would. Calls are counted from 0, from the end's first call on (see memory_end::calls).
struct call_fault {
    call_kind call = call_kind::io;
    std::size_t number = 0;
    outcome ends = outcome::would_block();
};

// One byte that arrives changed: `mask` is XORed onto it.
struct bit_flip {
    std::size_t offset = 0;
    std::byte mask{1};
};

// The script of one end. Offsets count bytes from the end's first byte in that direction. The default does nothing.
struct faults {
    // Short reads and writes: no call moves more bytes.
    std::size_t read_chunk = no_limit;
    std::size_t write_chunk = no_limit;
    // Storms: each read or write fails with this first and does its work when it is called again. operation_would_block and
    // interrupted are the ones that make sense; both come out of an end that blocks, too.
    std::error_code before_each_read{};
    std::error_code before_each_write{};
    // By the number of the call.
    std::vector<call_fault> calls{};
    // The incoming bytes end here, by EOF or by a reset, whatever else the other end sends.
    std::optional<std::size_t> input_ends_at{};
    std::optional<std::size_t> input_resets_at{};
    // Incoming bytes that are not what was sent.
    std::vector<bit_flip> flips{};
    // Incoming TLS records that are lost, doubled or moved.
    std::vector<record_fault> records{};
    // Writes take this many bytes in all, and fail with EPIPE then.
    std::optional<std::size_t> output_breaks_at{};
    // Writes take this many bytes from now on, and block then, until memory_end::add_room.
    std::optional<std::size_t> room{};
    // So many calls of wait_either return at once although nothing is ready.
    std::size_t spurious_waits = 0;
};

// Shorthands for the storms.
[[nodiscard]] inline faults storm(std::errc code = std::errc::operation_would_block) {
    return {.before_each_read = std::make_error_code(code), .before_each_write = std::make_error_code(code)};
}
// ... for the same chunk both ways.
[[nodiscard]] inline faults chunked(std::size_t size) { return {.read_chunk = size, .write_chunk = size}; }
// ... and for one fault at one call.
[[nodiscard]] inline faults at_call(call_kind call, std::size_t number, outcome ends) {
    return {.calls = {{call, number, std::move(ends)}}};
}

}  // namespace tests

#endif
