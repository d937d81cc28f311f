// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a call found wrong, before it becomes an exception or an error code: both overloads come from one function that fills this in.

#ifndef TLS_STREAM_TLS_DETAIL_FAILURE_HPP
#define TLS_STREAM_TLS_DETAIL_FAILURE_HPP

#include <tls/error.hpp>
#include <tls/shutdown.hpp>

#include <cstddef>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// What went wrong, what it went wrong with (for error::what), and BoringSSL's own account (for error::details).
struct failure {
    std::error_code code;
    std::string what;
    std::string details;

    explicit operator bool() const noexcept { return static_cast<bool>(code); }
    [[noreturn]] void raise() const { throw error(code, what, details); }
};

// Runs `make(failure&)`, the one implementation behind a factory's two overloads, and throws what it found wrong.
template <class Make>
auto throwing(Make&& make) {
    failure why;
    auto made = std::forward<Make>(make)(why);
    if (why) why.raise();
    return made;
}

// The same for the overload with an error code.
template <class Make>
auto reporting(std::error_code& ec, Make&& make) {
    failure why;
    auto made = std::forward<Make>(make)(why);
    ec = why.code;
    return made;
}

// The throwing overload of a call: what the one with an error code gives, or an exception with what was done and BoringSSL's account.
template <class Details, class Call>
auto call_or_throw(const char* what, Details&& details, Call&& call) {
    std::error_code ec;
    if constexpr (std::is_void_v<decltype(call(ec))>) {
        call(ec);
        if (ec) throw error(ec, what, details());
    } else {
        auto done = call(ec);
        if constexpr (std::is_same_v<decltype(done), shutdown_result>) {
            if (ec) throw error(ec, what, details(), 0, done);
        } else if constexpr (std::is_convertible_v<decltype(done), std::size_t>) {
            if (ec) throw error(ec, what, details(), done);
        } else {
            if (ec) throw error(ec, what, details());
        }
        return done;
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
