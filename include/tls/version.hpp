// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// The version of the library: MAJOR * 10000 + MINOR * 100 + PATCH.

#ifndef TLS_STREAM_TLS_VERSION_HPP
#define TLS_STREAM_TLS_VERSION_HPP

/// The version as a number that can be compared: MAJOR * 10000 + MINOR * 100 + PATCH.
#define TLS_STREAM_VERSION 100
/// The version as text.
#define TLS_STREAM_VERSION_STRING "0.1.0"

#endif
