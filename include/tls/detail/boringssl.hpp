// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The only file that includes <openssl/...>. It insists on BoringSSL: OpenSSL's headers with BoringSSL's library
// compile, link and run without a word, and then do something else.

#ifndef TLS_STREAM_TLS_DETAIL_BORINGSSL_HPP
#define TLS_STREAM_TLS_DETAIL_BORINGSSL_HPP

#if defined(__has_include)
#if !__has_include(<openssl/is_boringssl.h>)
#error "tls-stream needs BoringSSL: <openssl/is_boringssl.h> is not on the include path (OpenSSL's headers will not do)"
#endif
#endif

#include <openssl/is_boringssl.h>
//
#include <openssl/base.h>

#if !defined(OPENSSL_IS_BORINGSSL)
#error "tls-stream needs BoringSSL: the <openssl/base.h> that was found is not BoringSSL's"
#endif

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/hpke.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pkcs8.h>
#include <openssl/pool.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <tls/detail/config.hpp>

#if !TLS_STREAM_BORINGSSL_SUPPORTED
#error "tls-stream needs BoringSSL with BORINGSSL_API_VERSION 17 or newer"
#endif

#endif
