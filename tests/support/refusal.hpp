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
#include <utility>

namespace tests {

// `call()` throws and `call(ec)` reports `expected`; what the latter gives, if anything, is empty (converts to false).
template <class Call>
void check_refused(std::error_condition expected, Call&& call) {
    std::error_code ec;
    if constexpr (std::is_void_v<decltype(call(ec))>) {
        call(ec);
    } else {
        CHECK_FALSE(call(ec));
    }
    CHECK(ec.default_error_condition() == expected);
    CHECK(queue_is_empty());
    try {
        static_cast<void>(call());
        FAIL_CHECK("not refused");
    } catch (const tls::error& e) {
        CHECK(e.code() == ec);
        CHECK_FALSE(std::string_view(e.what()).empty());
    }
    CHECK(queue_is_empty());
}
template <class Call>
void check_refused(tls::errc expected, Call&& call) {
    check_refused(make_error_code(expected).default_error_condition(), std::forward<Call>(call));
}

}  // namespace tests

#endif
