// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The words for closing, as values.

#include <tls/shutdown.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <type_traits>

using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

// No int passes for a mode, nor a mode for an int.
static_assert(!std::is_convertible_v<int, shutdown_mode> && !std::is_convertible_v<shutdown_mode, int>);
static_assert(!std::is_convertible_v<stream_end, int> && !std::is_convertible_v<stream_end, bool>);

TEST_CASE("shutdown: the defaults are bounded", "[shutdown]") {
    constexpr tls::shutdown_options options;
    CHECK(options.timeout == std::chrono::seconds(5));
    CHECK(options.drain_limit == 1'048'576);
    CHECK_FALSE(options.keep_transport_open);
}

TEST_CASE("shutdown: a result is clean when both said close_notify and nothing was thrown away", "[shutdown]") {
    constexpr shutdown_result nothing;
    CHECK(nothing == shutdown_result{false, false, stream_end::open, false, false, 0});
    CHECK_FALSE(nothing.clean());
    const shutdown_result clean{.close_notify_sent = true, .peer = stream_end::close_notify};
    CHECK(clean.clean());

    auto other = clean;
    other.close_notify_sent = false;
    CHECK_FALSE(other.clean());
    other = clean;
    other.discarded = 1;
    CHECK_FALSE(other.clean());
    for (const auto end : {stream_end::open, stream_end::truncated, stream_end::reset, stream_end::failed}) {
        other = clean;
        other.peer = end;
        CHECK_FALSE(other.clean());
    }
    // TLS may end while the transport goes on.
    other = clean;
    other.transport_shut_down = true;
    CHECK(other.clean());
    CHECK(other != clean);
}

TEST_CASE("shutdown: enumerators have names", "[shutdown]") {
    CHECK(tls::to_string(shutdown_mode::read) == "read");
    CHECK(tls::to_string(shutdown_mode::write) == "write");
    CHECK(tls::to_string(shutdown_mode::both) == "both");
    CHECK(tls::to_string(static_cast<shutdown_mode>(9)) == "unknown");
    CHECK(tls::to_string(stream_end::open) == "open");
    CHECK(tls::to_string(stream_end::close_notify) == "close_notify");
    CHECK(tls::to_string(stream_end::truncated) == "truncated");
    CHECK(tls::to_string(stream_end::reset) == "reset");
    CHECK(tls::to_string(stream_end::failed) == "failed");
    CHECK(tls::to_string(static_cast<stream_end>(9)) == "unknown");
}
