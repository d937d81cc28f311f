// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// flags: alone
// Macros that other headers are known for do no harm.

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define ERROR 0
#define check(x) x
#define major(x) x
#define minor(x) x

#include <tls/tls.hpp>

void use() { (void)tls::client_options{}; }
