// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The certificates, keys and revocation lists that the tests with other programs use, as files.

#ifndef TLS_STREAM_TESTS_PEERS_DRIVER_PKI_HPP
#define TLS_STREAM_TESTS_PEERS_DRIVER_PKI_HPP

#include <support/pki.hpp>
#include <support/revocation.hpp>

#include <openssl/curve25519.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace driver {

inline bssl::UniquePtr<EVP_PKEY> new_ed25519_key() {
    std::array<std::uint8_t, ED25519_PUBLIC_KEY_LEN> public_key{};
    std::array<std::uint8_t, ED25519_PRIVATE_KEY_LEN> private_key{};
    ::ED25519_keypair(public_key.data(), private_key.data());
    bssl::UniquePtr<EVP_PKEY> key(::EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, private_key.data(), 32));
    demo::require(key != nullptr, "Ed25519 key");
    return key;
}

inline tests::certificate_options for_server(std::vector<std::string> names) {
    tests::certificate_options options;
    options.common_name = names.front();
    options.dns_names = std::move(names);
    options.extended_key_usage = "serverAuth";
    return options;
}

inline tests::certificate_options for_client(std::string name) {
    tests::certificate_options options;
    options.common_name = std::move(name);
    options.extended_key_usage = "clientAuth";
    return options;
}

inline tests::certificate_options expired(tests::certificate_options options) {
    options.begins_in_days = -20;
    options.ends_in_days = -10;
    return options;
}

inline tests::certificate_options with_key(tests::certificate_options options, bssl::UniquePtr<EVP_PKEY> key) {
    options.key = std::move(key);
    return options;
}

// NAME.pem and NAME.key for each, and revoked.crl.
inline void write_pki(const std::filesystem::path& directory) {
    const auto write = [&](const std::string& name, const std::string& chain, const tests::issued& one) {
        std::ofstream(directory / (name + ".pem")) << chain;
        std::ofstream(directory / (name + ".key")) << one.key_pem();
    };
    const tests::pki& good = tests::test_pki();
    const auto issue = [&](const std::string& name, tests::certificate_options options) {
        tests::issued made = tests::issue_certificate(std::move(options), &good.authority);
        write(name, made.certificate_pem(), made);
        return made;
    };
    write("ca", good.authority.certificate_pem(), good.authority);
    write("server", good.server.certificate_pem(), good.server);
    write("client", good.client.certificate_pem(), good.client);

    // As people make them: an authority that is its own server, with nothing said of the key's usage.
    tests::certificate_options own;
    own.dns_names = {"localhost"};
    own.common_name = "localhost";
    own.authority = true;
    own.before_signing = [](X509* x509) { tests::remove_extension(x509, NID_key_usage); };
    const tests::issued selfsigned = tests::issue_certificate(std::move(own));
    write("selfsigned", selfsigned.certificate_pem(), selfsigned);
    const tests::issued stranger = tests::make_authority("Unknown CA");
    const tests::issued unknown = tests::make_leaf({"localhost"}, &stranger);
    write("unknown", unknown.certificate_pem() + stranger.certificate_pem(), unknown);
    const tests::issued between = tests::make_authority("Intermediate CA", &good.authority);
    const tests::issued incomplete = tests::make_leaf({"localhost"}, &between);
    write("incomplete", incomplete.certificate_pem(), incomplete);

    // Other kinds of keys.
    issue("rsa", with_key(for_server({"localhost"}), tests::new_rsa_key()));
    issue("ed25519", with_key(for_server({"localhost"}), new_ed25519_key()));
    issue("rsa_client", with_key(for_client("RSA Client"), tests::new_rsa_key()));
    issue("ed25519_client", with_key(for_client("Ed25519 Client"), new_ed25519_key()));
    // Other names.
    issue("exact", for_server({"exact.test"}));
    issue("wild", for_server({"*.wild.test"}));
    issue("public", for_server({"public.test"}));
    // What is not good, or not good any more.
    issue("expired", expired(for_server({"localhost"})));
    issue("expired_client", expired(for_client("Expired Client")));
    const tests::issued unknown_client = tests::issue_certificate(for_client("Unknown Client"), &stranger);
    write("unknown_client", unknown_client.certificate_pem(), unknown_client);
    const tests::issued revoked = issue("revoked", for_server({"localhost"}));
    const tests::issued revoked_client = issue("revoked_client", for_client("Revoked Client"));
    std::ofstream(directory / "revoked.crl") << tests::revoke(good.authority, {.revoked = {&revoked, &revoked_client}}).pem();
}

}  // namespace driver

#endif
