// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Names of the library's types, for headers that only mention them.

#ifndef TLS_STREAM_TLS_FWD_HPP
#define TLS_STREAM_TLS_FWD_HPP

namespace tls {
inline namespace v0 {

enum class role : unsigned char;
enum class shutdown_mode : unsigned char;
enum class stream_end : unsigned char;
struct shutdown_options;
struct shutdown_result;

class error;
class tcp_socket;
class tcp_listener;

class certificate;
class credential;
class trust_store;

struct client_options;
struct server_options;
template <role Role>
class context;

class engine;
class closing;
template <class Socket>
class stream;
template <class Socket>
struct released;
template <class Socket>
class reader;
template <class Socket>
class writer;

}  // namespace v0
}  // namespace tls

#endif
