// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The firewall between C and C++: BoringSSL is built without exceptions, so none may pass through its frames.

#ifndef TLS_STREAM_TLS_DETAIL_CALLBACK_HPP
#define TLS_STREAM_TLS_DETAIL_CALLBACK_HPP

#include <exception>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// Keeps an exception that was thrown below a C frame until the C++ code above it can rethrow it.
class kept_exception {
public:
    // Runs `call` and gives what it returns, or `otherwise` if it throws. The first exception is kept.
    template <class Result, class Call>
    Result guard(Result otherwise, Call&& call) noexcept {
        try {
            return std::forward<Call>(call)();
        } catch (...) {
            if (!exception_) exception_ = std::current_exception();
            return otherwise;
        }
    }

    [[nodiscard]] bool any() const noexcept { return exception_ != nullptr; }

    // Throws what was kept, once; does nothing if nothing was.
    void rethrow() {
        if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
    }

private:
    std::exception_ptr exception_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
