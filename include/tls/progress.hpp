// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// How a call that does no I/O of its own answers: what it did, and what must move before it can go on.

#ifndef TLS_STREAM_TLS_PROGRESS_HPP
#define TLS_STREAM_TLS_PROGRESS_HPP

#include <cstddef>
#include <system_error>

namespace tls {
inline namespace v0 {

// What must move before a call can go on: nothing, bytes from the peer, or bytes to it; or, in a handshake, an answer of the
// user's own: to a verifier, a signer or an identity_selector. Whoever gives it calls again.
enum class want : unsigned char { nothing, input, output, verification, signature, identity };

namespace detail {
// Does a call wait for the user, and not for the transport?
[[nodiscard]] constexpr bool needs_answer(want what) noexcept { return what > want::output; }
}  // namespace detail

// What a step did: bytes of plaintext moved, what it waits for, and what went wrong.
struct progress {
    std::size_t bytes = 0;
    want wants = want::nothing;
    std::error_code error{};
};

}  // namespace v0
}  // namespace tls

#endif
