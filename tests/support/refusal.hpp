// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// For calls in two overloads that are to fail: both do, alike.

#ifndef TLS_STREAM_TESTS_SUPPORT_REFUSAL_HPP
#define TLS_STREAM_TESTS_SUPPORT_REFUSAL_HPP

#include <support/stale_errors.hpp>

#include <tls/error.hpp>

#include <catch2/catch_test_macros.hpp>

#include <string_view>
#include <system_error>
#include <type_traits>

namespace tests {

namespace detail {
[[nodiscard]] inline bool is(std::error_code code, std::error_code expected) { return code == expected; }
[[nodiscard]] inline bool is(std::error_code code, std::error_condition expected) {
    return code.default_error_condition() == expected;
}
[[nodiscard]] inline bool is(std::error_code code, tls::errc expected) { return code == expected; }
}  // namespace detail

// `call()` throws and `call(ec)` reports `expected`, an error code, a condition or an errc, and BoringSSL's queue is empty afterwards; what the
// latter gives, if anything, is empty (converts to false). The exception says `about`.
template <class Expected, class Call>
void check_refused(const Expected& expected, Call&& call, std::string_view about = {}) {
    CAPTURE(about);
    std::error_code ec;
    if constexpr (std::is_void_v<decltype(call(ec))>) {
        call(ec);
    } else {
        CHECK_FALSE(call(ec));
    }
    CAPTURE(ec, ec.message());
    CHECK(detail::is(ec, expected));
    CHECK(queue_is_empty());
    try {
        static_cast<void>(call());
        FAIL_CHECK("not refused");
    } catch (const tls::error& e) {
        const std::string_view what = e.what();
        CHECK(e.code() == ec);
        CAPTURE(what);
        CHECK_FALSE(what.empty());
        CHECK(what.find(about) != std::string_view::npos);
    }
    CHECK(queue_is_empty());
}

// The same for calls of BoringSSL's, with entries on the queue that are no concern of theirs.
template <class Expected, class Call>
void check_refused_over_stale_errors(const Expected& expected, Call&& call, std::string_view about = {}) {
    check_refused(expected, [&](auto&... ec) { return with_stale_errors([&] { return call(ec...); }); }, about);
}

// The same for a context of these options.
template <class Context, class Expected>
void check_options_refused(const typename Context::options& options, const Expected& expected, std::string_view about = {}) {
    const auto make = [&](auto&... ec) {
        if constexpr (sizeof...(ec) == 0) return Context(options);
        else return Context::create(options, ec...);
    };
    check_refused_over_stale_errors(expected, make, about);
}

}  // namespace tests

#endif
