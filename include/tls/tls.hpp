// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Everything: every public header.

#ifndef TLS_STREAM_TLS_TLS_HPP
#define TLS_STREAM_TLS_TLS_HPP

#include <tls/alert.hpp>
#include <tls/bytes.hpp>
#include <tls/certificate.hpp>
#include <tls/certificate_fields.hpp>
#include <tls/client_hello.hpp>
#include <tls/closing.hpp>
#include <tls/connect.hpp>
#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/ech.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/fwd.hpp>
#include <tls/key_log.hpp>
#include <tls/observer.hpp>
#include <tls/options.hpp>
#include <tls/pinned_keys.hpp>
#include <tls/progress.hpp>
#include <tls/protocol.hpp>
#include <tls/reloadable.hpp>
#include <tls/session.hpp>
#include <tls/session_cache.hpp>
#include <tls/shutdown.hpp>
#include <tls/signing.hpp>
#include <tls/socket.hpp>
#include <tls/split.hpp>
#include <tls/stream.hpp>
#include <tls/tcp.hpp>
#include <tls/ticket_keys.hpp>
#include <tls/trust.hpp>
#include <tls/verification.hpp>
#include <tls/verify.hpp>
#include <tls/version.hpp>

#endif
