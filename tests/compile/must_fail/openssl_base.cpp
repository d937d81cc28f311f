// expect: tls-stream needs BoringSSL: the <openssl/base.h> that was found is not BoringSSL's
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// flags: alone
// A base.h that does not call itself BoringSSL's is refused.

#ifdef TLS_STREAM_TEST_WRONG
#include <openssl/base.h>
#undef OPENSSL_IS_BORINGSSL
#endif

#include <tls/tls.hpp>
