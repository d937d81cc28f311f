// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// PKCS#12 for tests.

#ifndef TLS_STREAM_TESTS_SUPPORT_PKCS12_HPP
#define TLS_STREAM_TESTS_SUPPORT_PKCS12_HPP

#include <support/pki.hpp>

#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pkcs8.h>
#include <openssl/stack.h>
#include <openssl/x509.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tests {

// What a file is to hold.
struct pkcs12_options {
    const char* password = nullptr;             // null: none
    EVP_PKEY* key = nullptr;                    // null: none
    X509* leaf = nullptr;                       // null: none; must be the key's if there is one
    std::vector<const issued*> certificates{};  // more of them, in this order
    int encryption = NID_pbe_WithSHA1And3_Key_TripleDES_CBC;
    int iterations = 1;  // quick, and good for nothing else
};

[[nodiscard]] inline std::string make_pkcs12(const pkcs12_options& options) {
    const bssl::UniquePtr<STACK_OF(X509)> more(sk_X509_new_null());
    demo::require(more != nullptr, "certificates");
    for (const issued* const one : options.certificates) {
        demo::require(bssl::PushToStack(more.get(), bssl::UpRef(one->certificate)), "certificates");
    }
    const int encryption = options.password != nullptr ? options.encryption : -1;
    const bssl::UniquePtr<PKCS12> made(::PKCS12_create(options.password, nullptr, options.key, options.leaf, more.get(),
                                                       encryption, encryption, options.iterations, options.iterations, 0));
    std::uint8_t* encoded = nullptr;
    const int size = made ? ::i2d_PKCS12(made.get(), &encoded) : -1;
    const bssl::UniquePtr<std::uint8_t> owned(encoded);
    demo::require(size > 0, "PKCS#12");
    return {reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size)};
}

}  // namespace tests

#endif
