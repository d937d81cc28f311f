// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Everything: every public header.

#ifndef TLS_STREAM_TLS_TLS_HPP
#define TLS_STREAM_TLS_TLS_HPP

#include <tls/bytes.hpp>
#include <tls/certificate.hpp>
#include <tls/closing.hpp>
#include <tls/connect.hpp>
#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/fwd.hpp>
#include <tls/options.hpp>
#include <tls/progress.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>
#include <tls/socket.hpp>
#include <tls/split.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>
#include <tls/trust.hpp>
#include <tls/verify.hpp>
#include <tls/version.hpp>

#endif
