// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From the driver's command line to the library's options.

#ifndef TLS_STREAM_TESTS_PEERS_DRIVER_OPTIONS_HPP
#define TLS_STREAM_TESTS_PEERS_DRIVER_OPTIONS_HPP

#include <tls/tls.hpp>

#include <openssl/bio.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace driver {

constexpr const char* options_text = R"(  --port N            client: where to
  --name NAME         client: the server's name (localhost)
  --ca FILE           client: whom to trust; server: clients must have a certificate of this authority
  --cert FILE         the own certificate and
  --key FILE          its key
  --alpn A,B          the protocols to offer or accept
  --min, --max 1.2    versions (1.2, 1.3)
  --timeout MS        of everything but closing (30000)
  --close-timeout MS  of each shutdown and close (10000)
  --received FILE     where to put what was received
  --connections N     one after the other, of one context (1)
who one is
  --p12 FILE          instead of --cert and --key, which with --form der are not PEM
  --password TEXT     of the key
  --signer later      the key is elsewhere, and another thread signs
  --staple FILE       server: an OCSP response;  --scts FILE: certificate timestamps
  --more STEM         server: STEM.pem and STEM.key besides;  --hosts NAME=STEM,...: for other names
  --unknown refuse    server: names that no host has
  --select later      server: which identity is asked for, and another thread says the default
  --reload yes        server: reads the files again when they have changed
whom one believes
  --client-auth HOW   server: none, optional, required
  --crl FILE, --pin PIN, --time SECONDS (since 1970)
  --verify HOW        accept (all), later (as found, from another thread), refuse
  --ask WHAT          client: ocsp and scts
sessions
  --cache yes         client: a session_cache;  --session FILE: taken from there if it exists, and put there
  --tickets FILE      server: ticket keys of 80 bytes each;  --ticket-count N
  --early yes         early data is allowed
  --require-alpn yes  client;  --select-alpn NAME: server
  --ech-list FILE     client: an ECHConfigList;  --ech-config FILE, --ech-key FILE: server
  --groups LIST, --ciphers LIST, --policy fips
  --keylog FILE
  --observe yes       tells each handshake message and alert
)";

using step = std::pair<std::string, std::string>;

struct command_line {
    std::string role;
    std::map<std::string, std::string, std::less<>> options{{"name", "localhost"}, {"min", "1.2"},
                                                            {"max", "1.3"},        {"timeout", "30000"},
                                                            {"connections", "1"},  {"close-timeout", "10000"}};
    std::vector<step> steps;

    [[nodiscard]] bool has(std::string_view name) const { return options.find(name) != options.end(); }
    [[nodiscard]] const std::string& text(std::string_view name) const {
        const auto found = options.find(name);
        if (found == options.end()) throw std::invalid_argument("--" + std::string(name) + " is missing");
        return found->second;
    }
    [[nodiscard]] bool is(std::string_view name, std::string_view value) const { return has(name) && text(name) == value; }
    [[nodiscard]] std::uint64_t number(std::string_view name) const { return std::stoull(text(name)); }
    [[nodiscard]] std::chrono::milliseconds time(std::string_view name) const {
        return std::chrono::milliseconds(std::stoll(text(name)));
    }
    [[nodiscard]] tls::protocol_version version(std::string_view name) const {
        if (text(name) == "1.2") return tls::protocol_version::tls1_2;
        if (text(name) == "1.3") return tls::protocol_version::tls1_3;
        throw std::invalid_argument("there is no TLS " + text(name));
    }
};

inline std::string contents_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::invalid_argument("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::byte> bytes_in(const std::string& path) {
    const std::string text = contents_of(path);
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

inline std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::istringstream from(list);
    for (std::string part; std::getline(from, part, ',');) parts.push_back(part);
    return parts;
}

// Runs something in another thread; all of them are waited for at the end of the process.
inline void later(std::function<void()> what) {
    static std::vector<std::future<void>> running;
    running.push_back(std::async(std::launch::async, std::move(what)));
}

// --- who one is ---

// What an agent does that holds a key.
inline void sign(const tls::signature_request& asked, EVP_PKEY* key) {
    const auto scheme = static_cast<std::uint16_t>(asked.scheme());
    bssl::ScopedEVP_MD_CTX context;
    EVP_PKEY_CTX* padding = nullptr;
    const auto input = asked.input();
    const auto* const message = reinterpret_cast<const std::uint8_t*>(input.data());
    bool good = ::EVP_DigestSignInit(context.get(), &padding, ::SSL_get_signature_algorithm_digest(scheme), nullptr, key) == 1;
    if (asked.is_pss()) {
        good = good && ::EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) == 1 &&
               ::EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, -1) == 1;
    }
    std::vector<std::byte> signature(static_cast<std::size_t>(::EVP_PKEY_size(key)));
    std::size_t size = signature.size();
    good = good && ::EVP_DigestSign(context.get(), reinterpret_cast<std::uint8_t*>(signature.data()), &size, message,
                                    input.size()) == 1;
    signature.resize(size);
    good ? asked.sign(signature) : asked.fail();
}

inline tls::credential signed_elsewhere(const std::string& chain, const std::string& key_file) {
    const std::string pem = contents_of(key_file);
    const bssl::UniquePtr<BIO> text(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const std::shared_ptr<EVP_PKEY> key =
        bssl::UniquePtr<EVP_PKEY>(::PEM_read_bio_PrivateKey(text.get(), nullptr, nullptr, nullptr));
    return tls::credential::with_signer(contents_of(chain), [key](tls::signature_request asked) {
        later([asked = std::move(asked), key] { sign(asked, key.get()); });
    });
}

inline tls::credential own_identity(const command_line& line) {
    // By a callable, which is not called for a key that is not encrypted.
    const tls::password_function password = [&line] { return line.text("password"); };
    tls::credential identity;
    if (line.has("p12")) {
        identity = tls::credential::from_pkcs12_file(line.text("p12"), password);
    } else if (line.has("signer")) {
        identity = signed_elsewhere(line.text("cert"), line.text("key"));
    } else if (line.is("form", "der")) {
        const std::vector<std::vector<std::byte>> chain{bytes_in(line.text("cert"))};
        identity = tls::credential::from_der(chain, bytes_in(line.text("key")), password);
    } else {
        identity = tls::credential::from_files(line.text("cert"), line.text("key"), password);
    }
    if (line.has("staple")) identity = identity.with_ocsp_response(bytes_in(line.text("staple")));
    if (line.has("scts")) identity = identity.with_sct_list(bytes_in(line.text("scts")));
    return identity;
}

inline tls::credential identity_at(const std::string& stem) {
    return tls::credential::from_files(stem + ".pem", stem + ".key");
}

// --- whom one believes ---

inline tls::verifier verifier_of(const std::string& how) {
    if (how == "accept") return [](const tls::verification& asked) { asked.accept(); };
    if (how == "refuse") return [](const tls::verification& asked) { asked.reject(tls::alert::access_denied); };
    return [](tls::verification asked) {
        later([asked = std::move(asked)] { asked.built_in_result().reason ? asked.reject() : asked.accept(); });
    };
}

// What client and server have in common.
template <class Options>
void set_common(Options& options, const command_line& line, tls::observer observe) {
    options.min_version = line.version("min");
    options.max_version = line.version("max");
    if (line.has("ca")) options.trust = tls::trust_store::from_file(line.text("ca"));
    if (line.has("crl")) options.trust = options.trust + tls::trust_store::revocation_lists_from_file(line.text("crl"));
    if (line.has("alpn")) options.alpn = split(line.text("alpn"));
    if (line.has("groups")) options.groups = line.text("groups");
    if (line.has("ciphers")) options.tls1_2_ciphers = line.text("ciphers");
    if (line.is("policy", "fips")) options.policy = tls::compliance_policy::fips_202205;
    if (line.has("pin")) options.pins = tls::pinned_keys::from_text({line.text("pin")});
    if (line.has("time")) {
        options.verification_time = std::chrono::system_clock::from_time_t(static_cast<std::time_t>(line.number("time")));
    }
    if (line.has("verify")) options.verify = verifier_of(line.text("verify"));
    if (line.has("keylog")) options.keys = tls::key_log::to_file(line.text("keylog"));
    if (line.has("observe")) options.observe = std::move(observe);
    options.early_data = line.has("early");
}

inline tls::client_options client_options_of(const command_line& line, tls::observer observe) {
    tls::client_options options;
    set_common(options, line, std::move(observe));
    if (line.has("cert") || line.has("p12")) options.identity = own_identity(line);
    options.require_alpn = line.has("require-alpn");
    options.keep_session = line.has("session");
    if (line.has("cache")) options.sessions.emplace();
    options.request_ocsp = options.request_scts = line.has("ask");
    return options;
}

inline tls::client_auth authentication_of(const command_line& line) {
    if (!line.has("client-auth")) return line.has("ca") ? tls::client_auth::required : tls::client_auth::none;
    return line.is("client-auth", "required")   ? tls::client_auth::required
           : line.is("client-auth", "optional") ? tls::client_auth::optional
                                                : tls::client_auth::none;
}

inline std::vector<tls::ticket_key> ticket_keys_in(const std::string& path) {
    const std::vector<std::byte> all = bytes_in(path);
    std::vector<tls::ticket_key> keys;
    for (std::span<const std::byte> rest = all; !rest.empty(); rest = rest.subspan(tls::ticket_key::size)) {
        keys.push_back(tls::ticket_key::from_bytes(rest.first(tls::ticket_key::size)));
    }
    return keys;
}

inline tls::server_options server_options_of(const command_line& line, tls::observer observe) {
    tls::server_options options{.identity = own_identity(line)};
    set_common(options, line, std::move(observe));
    options.authentication = authentication_of(line);
    if (line.has("more")) options.more_identities = {identity_at(line.text("more"))};
    if (line.has("hosts")) {
        for (const std::string& host : split(line.text("hosts"))) {
            const std::size_t equals = host.find('=');
            options.hosts.push_back({{host.substr(0, equals)}, {identity_at(host.substr(equals + 1))}});
        }
    }
    if (line.is("unknown", "refuse")) options.unknown_names = tls::unknown_name::refuse;
    if (line.has("select")) {
        options.select_identity = [](tls::identity_request asked) {
            later([asked = std::move(asked)] { asked.use_default(); });
        };
    }
    if (line.has("select-alpn")) {
        options.select_alpn = [chosen = line.text("select-alpn")](const std::vector<std::string>& offered, std::string_view) {
            const bool there = std::find(offered.begin(), offered.end(), chosen) != offered.end();
            return there ? std::optional(chosen) : std::nullopt;
        };
    }
    if (line.has("tickets")) options.tickets.keys = tls::ticket_keys(ticket_keys_in(line.text("tickets")));
    if (line.has("ticket-count")) options.tickets.count = line.number("ticket-count");
    if (line.has("ech-key")) {
        const auto key = tls::ech_key::from_bytes(bytes_in(line.text("ech-config")), bytes_in(line.text("ech-key")));
        options.ech = tls::ech_keys({key});
    }
    return options;
}

}  // namespace driver

#endif
