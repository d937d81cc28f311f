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
    std::size_t resent = 0;
};

// While it lives BoringSSL reads from another BIO than its own.
class other_input {
public:
    other_input(const other_input&) = delete;
    other_input& operator=(const other_input&) = delete;

protected:
    // Throws std::bad_alloc for null.
    other_input(SSL* ssl, bssl::UniquePtr<BIO> other) : ssl_(ssl), own_(bssl::UpRef(::SSL_get_rbio(ssl))) {
        if (other == nullptr) throw std::bad_alloc();
        ::SSL_set0_rbio(ssl_, other.release());
    }
    ~other_input() { ::SSL_set0_rbio(ssl_, own_.release()); }

    SSL* ssl_;
    bssl::UniquePtr<BIO> own_;
};

// There is none: to write early data must not become to wait for the server, or to complete the handshake, which is what SSL_write does
// beyond the limit.
class without_input : other_input {
public:
    explicit without_input(SSL* ssl) : other_input(ssl, bssl::UniquePtr<BIO>(::BIO_new(::BIO_s_mem()))) {}
};

// There is none once the handshake is complete: SSL_read, which is to give early data, would read on and wait for a client that waits
// for us.
class input_until_complete : other_input {
public:
    explicit input_until_complete(SSL* ssl) : other_input(ssl, gate(this)) {}

private:
    static bssl::UniquePtr<BIO> gate(input_until_complete* here) {
        static const BIO_METHOD* const method = [] {
            BIO_METHOD* const made = ::BIO_meth_new(::BIO_get_new_index(), "tls-stream early data");
            if (made != nullptr) ::BIO_meth_set_read(made, &input_until_complete::read);
            return made;
        }();
        bssl::UniquePtr<BIO> made(method != nullptr ? ::BIO_new(method) : nullptr);
        if (made == nullptr) return nullptr;
        ::BIO_set_data(made.get(), here);
        ::BIO_set_init(made.get(), 1);
        return made;
    }

    static int read(BIO* gate, char* into, int size) noexcept {
        const auto& here = *static_cast<const input_until_complete*>(::BIO_get_data(gate));
        ::BIO_clear_retry_flags(gate);
        const bool complete = ::SSL_in_init(here.ssl_) == 0;
        const int n = complete ? -1 : ::BIO_read(here.own_.get(), into, size);
        if (n <= 0 && (complete || ::BIO_should_retry(here.own_.get()) != 0)) ::BIO_set_retry_read(gate);
        return n;
    }
};

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
