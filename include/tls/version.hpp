// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The version of the library: MAJOR * 10000 + MINOR * 100 + PATCH.

#ifndef TLS_STREAM_TLS_VERSION_HPP
#define TLS_STREAM_TLS_VERSION_HPP

#define TLS_STREAM_VERSION 100
#define TLS_STREAM_VERSION_STRING "0.1.0"

#endif
