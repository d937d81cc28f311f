// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Every member of the option structs by its own name, alone and together: nothing else has to be named.

#include <tls/tls.hpp>

#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;

void shutdown_options() {
    (void)tls::shutdown_options{};
    (void)tls::shutdown_options{.timeout = 1s};
    (void)tls::shutdown_options{.timeout = 250ms};
    (void)tls::shutdown_options{.timeout = {}};
    (void)tls::shutdown_options{.drain_limit = 0};
    (void)tls::shutdown_options{.keep_transport_open = true};
    (void)tls::shutdown_options{.timeout = 1s, .drain_limit = 1 << 16};
    (void)tls::shutdown_options{.timeout = 1s, .keep_transport_open = true};
    (void)tls::shutdown_options{.drain_limit = 0, .keep_transport_open = true};
    (void)tls::shutdown_options{.timeout = 1s, .drain_limit = 0, .keep_transport_open = true};
}

void client_options() {
    (void)tls::client_context();
    (void)tls::client_context(tls::client_options{});
    (void)tls::client_context({.trust = tls::trust_store::system()});
    (void)tls::client_context({.trust = tls::trust_store::from_file("ca.pem")});
    (void)tls::client_context({.trust = tls::trust_store::system() + tls::trust_store::from_directory("cas")});
    (void)tls::client_context({.verification = tls::verify_mode::full});
    (void)tls::client_context({.verification = tls::verify_mode::dangerously_chain_only});
    (void)tls::client_context({.verification = tls::verify_mode::dangerously_none});
    (void)tls::client_context({.identity = tls::credential::from_files("cert.pem", "key.pem")});
    (void)tls::client_context({.identity = std::nullopt});
    (void)tls::client_context({.alpn = {"h2", "http/1.1"}});
    (void)tls::client_context({.min_version = tls::protocol_version::tls1_3});
    (void)tls::client_context({.max_version = tls::protocol_version::tls1_2});
    (void)tls::client_context({.tls1_2_ciphers = "ECDHE+AESGCM"});
    (void)tls::client_context({.groups = "X25519"});
    (void)tls::client_context({.trust = tls::trust_store::system(),
                               .verification = tls::verify_mode::full,
                               .identity = tls::credential::from_files("cert.pem", "key.pem", "password"),
                               .alpn = {"h2"},
                               .min_version = tls::protocol_version::tls1_2,
                               .max_version = tls::protocol_version::tls1_3,
                               .tls1_2_ciphers = "ECDHE+AESGCM",
                               .groups = "X25519:P-256"});
    const tls::client_options options{.trust = tls::trust_store::from_pem("..."), .groups = "X25519"};
    std::error_code ec;
    (void)tls::client_context(options);
    (void)tls::client_context::create(options, ec);
    (void)tls::client_context::create({.alpn = {"h2"}}, ec);
}

void server_options() {
    const tls::credential identity;
    (void)tls::server_context({.identity = identity});
    (void)tls::server_context({.identity = tls::credential::from_files("cert.pem", "key.pem")});
    (void)tls::server_context({.identity = tls::credential::from_pem("cert", "key")});
    (void)tls::server_context({.identity = identity, .authentication = tls::client_auth::none});
    (void)tls::server_context({.identity = identity, .authentication = tls::client_auth::optional});
    (void)tls::server_context({.identity = identity,
                               .authentication = tls::client_auth::required,
                               .trust = tls::trust_store::from_file("clients.pem")});
    (void)tls::server_context({.identity = identity, .trust = tls::trust_store::system()});
    (void)tls::server_context({.identity = identity, .alpn = {"h2", "http/1.1"}});
    (void)tls::server_context({.identity = identity, .min_version = tls::protocol_version::tls1_3});
    (void)tls::server_context({.identity = identity, .max_version = tls::protocol_version::tls1_2});
    (void)tls::server_context({.identity = identity, .tls1_2_ciphers = "ECDHE+AESGCM"});
    (void)tls::server_context({.identity = identity, .groups = "P-256"});
    (void)tls::server_context({.identity = identity,
                               .authentication = tls::client_auth::required,
                               .trust = tls::trust_store::system(),
                               .alpn = {"h2"},
                               .min_version = tls::protocol_version::tls1_2,
                               .max_version = tls::protocol_version::tls1_3,
                               .tls1_2_ciphers = "ECDHE+AESGCM",
                               .groups = "X25519"});
    const tls::server_options options{.identity = identity, .groups = "X25519"};
    std::error_code ec;
    (void)tls::server_context(options);
    (void)tls::server_context::create(options, ec);
    (void)tls::server_context::create({.identity = identity}, ec);
}
