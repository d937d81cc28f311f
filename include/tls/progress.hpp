// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// How a call that does no I/O of its own answers: what it did, and what must move before it can go on.

#ifndef TLS_STREAM_TLS_PROGRESS_HPP
#define TLS_STREAM_TLS_PROGRESS_HPP

#include <cstddef>
#include <system_error>

namespace tls {
inline namespace v0 {

/// What must move before a call can go on: nothing, bytes from the peer, or bytes to it; or, in a handshake, an answer of the
/// user's own: to a verifier, a signer or an identity_selector. Whoever gives it calls again.
enum class want : unsigned char {
    nothing,       ///< The call is done.
    input,         ///< Bytes from the peer.
    output,        ///< Bytes to the peer: room in the output buffer, or a socket that takes some.
    verification,  ///< A verifier's answer.
    signature,     ///< A signer's answer.
    identity,      ///< An identity_selector's answer.
};

namespace detail {
// Does a call wait for the user, and not for the transport?
[[nodiscard]] constexpr bool needs_answer(want what) noexcept { return what > want::output; }
}  // namespace detail

/// What a step did: bytes of plaintext moved, what it waits for, and what went wrong.
struct progress {
    std::size_t bytes = 0;       ///< plaintext that was moved
    want wants = want::nothing;  ///< what the step waits for
    std::error_code error{};     ///< what went wrong, if anything did
};

}  // namespace v0
}  // namespace tls

#endif
