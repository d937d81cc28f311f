// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Refuses scripts and options that make no sense: a fault that can never happen would make a test that cannot fail.

#ifndef TLS_STREAM_TLS_DETAIL_TESTING_SCRIPT_HPP
#define TLS_STREAM_TLS_DETAIL_TESTING_SCRIPT_HPP

#include <tls/detail/testing_end_state.hpp>
#include <tls/testing/faults.hpp>
#include <tls/testing/network_options.hpp>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tls {
inline namespace v0 {
namespace detail {

[[noreturn]] inline void refuse_script(const std::string& what, const std::string& why) {
    throw std::invalid_argument("faults: " + what + " " + why);
}

// What a call may be told to do.
inline void check_call_fault(const testing::call_fault& fault, const std::string& name, const memory_end_state& end) {
    using kind = testing::outcome::kind;
    using testing::call_kind;
    const kind ends = fault.ends.what();
    const bool moves_bytes = fault.call == call_kind::read || fault.call == call_kind::write || fault.call == call_kind::io;
    if (!moves_bytes && ends != kind::error && ends != kind::exception) {
        refuse_script(name, "is for shutdown or close, which end by an error or an exception only");
    }
    if (ends == kind::end_of_stream && fault.call != call_kind::read)
        refuse_script(name, "is an end of stream, and not for reads");
    if (ends == kind::broken_pipe && fault.call != call_kind::write)
        refuse_script(name, "is a broken pipe, and not for writes");
    const auto& counts = end.counts;
    const std::size_t made = fault.call == call_kind::read       ? counts.reads
                             : fault.call == call_kind::write    ? counts.writes
                             : fault.call == call_kind::io       ? counts.io
                             : fault.call == call_kind::shutdown ? counts.shutdowns
                                                                 : counts.closes;
    if (fault.number < made) {
        refuse_script(name,
                      "is for call " + std::to_string(fault.number) + ", and " + std::to_string(made) + " were made already");
    }
}

inline void check_storm(std::error_code code, const std::string& name) {
    if (code && code != std::errc::operation_would_block && code != std::errc::interrupted) {
        refuse_script(name, "is neither operation_would_block nor interrupted");
    }
}

// Throws std::invalid_argument for what has no meaning, and for what lies behind `end` already.
inline void check_script(const testing::faults& script, const memory_end_state& end) {
    if (script.read_chunk == 0) refuse_script("read_chunk", "is 0: nothing would ever be read");
    if (script.write_chunk == 0) refuse_script("write_chunk", "is 0: nothing would ever be written; room = 0 blocks");
    check_storm(script.before_each_read, "before_each_read");
    check_storm(script.before_each_write, "before_each_write");
    for (std::size_t i = 0; i < script.calls.size(); ++i) {
        check_call_fault(script.calls[i], "calls[" + std::to_string(i) + "]", end);
    }
    const auto ahead = [](std::optional<std::size_t> offset, std::size_t moved, const std::string& name) {
        if (!offset || *offset >= moved) return;
        refuse_script(name,
                      "is at byte " + std::to_string(*offset) + ", and " + std::to_string(moved) + " have passed already");
    };
    ahead(script.input_ends_at, end.received.size(), "input_ends_at");
    ahead(script.input_resets_at, end.received.size(), "input_resets_at");
    ahead(script.output_breaks_at, end.sent.size(), "output_breaks_at");
    if (script.input_ends_at && script.input_ends_at == script.input_resets_at) {
        refuse_script("input_ends_at and input_resets_at", "are the same byte");
    }
    for (std::size_t i = 0; i < script.flips.size(); ++i) {
        const std::string name = "flips[" + std::to_string(i) + "]";
        if (script.flips[i].mask == std::byte{0}) refuse_script(name, "has the mask 0, which changes nothing");
        ahead(script.flips[i].offset, end.received.size(), name);
    }
    for (std::size_t i = 0; i < script.records.size(); ++i) {
        const auto& fault = script.records[i];
        const std::string name = "records[" + std::to_string(i) + "]";
        if (fault.record < end.filter.next()) {
            refuse_script(name, "is for record " + std::to_string(fault.record) + ", and " + std::to_string(end.filter.next()) +
                                    " are under way already");
        }
        const bool replays = fault.what == testing::record_fault::action::replay;
        if (replays && fault.after < fault.record) refuse_script(name, "replays a record before it was sent");
        if (!replays && fault.after != 0) refuse_script(name, "has an `after`, which is for replay");
    }
}

inline void check_options(const testing::network_options& options) {
    const auto refuse = [](const char* why) { throw std::invalid_argument(std::string("network_options: ") + why); };
    if (options.capacity_a_to_b == 0) refuse("capacity_a_to_b is 0: nothing could ever be sent");
    if (options.capacity_b_to_a == 0) refuse("capacity_b_to_a is 0: nothing could ever be sent");
    if (options.patience < options.patience.zero()) refuse("patience is below zero");
    if (options.max_rounds == 0) refuse("max_rounds is 0: no pump could ever run");
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
