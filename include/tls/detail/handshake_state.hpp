// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What a connection has to remember while its handshake is going on, if anything.

#ifndef TLS_STREAM_TLS_DETAIL_HANDSHAKE_STATE_HPP
#define TLS_STREAM_TLS_DETAIL_HANDSHAKE_STATE_HPP

#include <tls/client_hello.hpp>
#include <tls/detail/answer.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/buffer.hpp>
#include <tls/progress.hpp>
#include <tls/signing.hpp>
#include <tls/verification.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// Questions that were asked of the user, one at a time, and what came of them.
struct handshake_state {
    std::shared_ptr<question<verification::answer>> verified{};
    std::shared_ptr<question<signature_answer>> signature{};
    std::shared_ptr<question<identity_answer>> identity{};
    signer sign{};              // whoever holds the private key of the identity that was chosen
    verify_failure refused{};   // what the built-in verification found
    std::error_code failure{};  // what a failure that BoringSSL only hears of is called

    // The question that has no answer yet, if there is one.
    [[nodiscard]] std::shared_ptr<pending_answer> awaited() const {
        const auto open = [](const auto& asked) { return asked != nullptr && !asked->is_answered(); };
        if (open(verified)) return verified;
        if (open(signature)) return signature;
        if (open(identity)) return identity;
        return nullptr;
    }
};

// What a call of BoringSSL's waits for that only the user can give, by its SSL_get_error.
[[nodiscard]] inline want asks_for(int kind) noexcept {
    switch (kind) {
        case SSL_ERROR_WANT_CERTIFICATE_VERIFY: return want::verification;
        case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION: return want::signature;
        case SSL_ERROR_PENDING_CERTIFICATE: return want::identity;
        default: return want::nothing;
    }
}

// Early data (RFC 8446 8), on either side.
struct early_data_state {
    plaintext_queue received{};  // a server's, until read_early() fetches it
    plaintext_queue sent{};      // a client's, until the server has accepted it
    bool was_offered = false;    // a client's first flight asks for it
    bool rejected = false;
    std::size_t resent = 0;
};

// While it lives BoringSSL finds no input: to write early data must not become to wait for the server, or to complete the
// handshake, which is what SSL_write does beyond the limit.
class without_input {
public:
    explicit without_input(SSL* ssl) : ssl_(ssl), own_(bssl::UpRef(::SSL_get_rbio(ssl))) {
        bssl::UniquePtr<BIO> nothing(::BIO_new(::BIO_s_mem()));
        if (nothing == nullptr) throw std::bad_alloc();
        ::SSL_set0_rbio(ssl_, nothing.release());
    }
    ~without_input() { ::SSL_set0_rbio(ssl_, own_.release()); }
    without_input(const without_input&) = delete;
    without_input& operator=(const without_input&) = delete;

private:
    SSL* ssl_;
    bssl::UniquePtr<BIO> own_;
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
