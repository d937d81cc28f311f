// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// For F68: entries that others left on BoringSSL's error queue mean nothing to the library, and it leaves none behind.

#ifndef TLS_STREAM_TESTS_SUPPORT_STALE_ERRORS_HPP
#define TLS_STREAM_TESTS_SUPPORT_STALE_ERRORS_HPP

#include <openssl/err.h>
#include <openssl/pem.h>

#include <utility>

namespace tests {

// Runs `call` with stale entries on the queue, of a kind that the library itself looks for: memory that ran out, and the
// end of a PEM text. Gives what it returns.
template <class Call>
decltype(auto) with_stale_errors(Call&& call) {
    ::ERR_put_error(ERR_LIB_PEM, 0, PEM_R_NO_START_LINE, __FILE__, __LINE__);
    ::ERR_put_error(ERR_LIB_X509, 0, ERR_R_MALLOC_FAILURE, __FILE__, __LINE__);
    return std::forward<Call>(call)();
}

[[nodiscard]] inline bool queue_is_empty() noexcept { return ::ERR_peek_error() == 0; }

}  // namespace tests

#endif
