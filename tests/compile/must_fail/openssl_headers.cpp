// expect: tls-stream needs BoringSSL: <openssl/is_boringssl.h> is not on the include path
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// flags: no-boringssl
// Without BoringSSL's headers, be OpenSSL's there or not, the first error says what is needed.

#include <tls/tls.hpp>
