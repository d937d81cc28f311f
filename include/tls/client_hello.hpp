// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// What a client asks for and can do, as a server sees it before it has decided anything; and the choice of an identity by it.

#ifndef TLS_STREAM_TLS_CLIENT_HELLO_HPP
#define TLS_STREAM_TLS_CLIENT_HELLO_HPP

#include <tls/alert.hpp>
#include <tls/credential.hpp>
#include <tls/detail/answer.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/hello_extensions.hpp>
#include <tls/signing.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

/// A ClientHello (RFC 8446 4.1.2). Nothing in it is proved. Values that are not known to this library, GREASE for one, stand as they are.
struct client_hello {
    std::string server_name{};                       ///< SNI, in lower case, no dot at its end; empty: none was sent
    std::vector<std::string> alpn{};                 ///< in the client's order
    std::vector<std::uint16_t> ciphers{};            ///< all numbers as in the IANA registries, in the client's order
    std::vector<std::uint16_t> versions{};           ///< supported_versions, or the one version of a client that has none
    std::vector<std::uint16_t> groups{};             ///< supported_groups
    std::vector<std::uint16_t> signature_schemes{};  ///< signature_algorithms
    std::vector<std::uint16_t> extensions{};         ///< which ones there are, in their order
    std::vector<std::byte> bytes{};                  ///< the message without its header

    /// The extension's contents, std::nullopt if there is none.
    [[nodiscard]] std::optional<std::vector<std::byte>> extension(std::uint16_t number) const;
};

namespace detail {

// Which identity: this one, the default (std::nullopt with `refused` not set), or none, and the client gets the alert.
struct identity_answer {
    std::optional<credential> chosen{};
    std::optional<alert> refused{};
};

[[nodiscard]] inline client_hello read_client_hello(const SSL_CLIENT_HELLO* from) {
    client_hello hello;
    const auto message = std::as_bytes(std::span(from->client_hello, from->client_hello_len));
    hello.bytes.assign(message.begin(), message.end());
    hello.server_name = server_name_of(from);
    CBS suites, extensions, contents;
    ::CBS_init(&suites, from->cipher_suites, from->cipher_suites_len);
    std::uint16_t number = 0;
    while (::CBS_get_u16(&suites, &number) != 0) hello.ciphers.push_back(number);
    ::CBS_init(&extensions, from->extensions, from->extensions_len);
    while (::CBS_get_u16(&extensions, &number) != 0 && ::CBS_get_u16_length_prefixed(&extensions, &contents) != 0) {
        hello.extensions.push_back(number);
        CBS list;
        switch (number) {
            case TLSEXT_TYPE_supported_versions: hello.versions = numbers_of(contents, 1); break;
            case TLSEXT_TYPE_supported_groups: hello.groups = numbers_of(contents, 2); break;
            case TLSEXT_TYPE_signature_algorithms: hello.signature_schemes = numbers_of(contents, 2); break;
            case TLSEXT_TYPE_application_layer_protocol_negotiation:
                if (::CBS_get_u16_length_prefixed(&contents, &list) != 0) hello.alpn = alpn_names_of(list);
                break;
            default: break;
        }
    }
    if (hello.versions.empty()) hello.versions.push_back(from->version);
    return hello;
}

}  // namespace detail

/// A server's choice of who to be, by the ClientHello. Copies are the same request: whoever keeps one may answer later, from any thread;
/// when the last one goes without an answer the client is refused with the alert unrecognized_name. The first answer counts, and none is
/// needed once the connection is gone.
class identity_request {
public:
    /// What the client sent.
    [[nodiscard]] const client_hello& hello() const noexcept { return asked_->hello; }

    /// An empty one fails the handshake with errc::not_open.
    void use(credential chosen) const { asked_->answering.answer({std::move(chosen), std::nullopt}); }
    /// As if there were no callable: by server_options::hosts, and then server_options::identity.
    void use_default() const { asked_->answering.answer({}); }
    /// The handshake fails with errc::identity_refused, and the client gets the alert.
    void refuse(alert why = alert::unrecognized_name) const { asked_->answering.answer({std::nullopt, why}); }

    /// The library makes these.
    identity_request(client_hello hello, std::shared_ptr<detail::question<detail::identity_answer>> question)
        : asked_(std::make_shared<const asked>(std::move(hello), std::move(question))) {}

private:
    struct asked {
        asked(client_hello what, std::shared_ptr<detail::question<detail::identity_answer>> question)
            : hello(std::move(what)), answering(std::move(question), {std::nullopt, alert::unrecognized_name}) {}

        client_hello hello;
        detail::answering<detail::identity_answer> answering;
    };

    std::shared_ptr<const asked> asked_;
};

/// Is asked for each connection. What it throws comes out of the stream's call. It may be called by several threads at the same time, and
/// must not call the stream.
using identity_selector = std::function<void(identity_request)>;

inline std::optional<std::vector<std::byte>> client_hello::extension(std::uint16_t number) const {
    CBS message, skipped, list, contents;
    ::CBS_init(&message, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    constexpr std::size_t version_random = 2 + 32;
    std::uint16_t found = 0;
    if (::CBS_skip(&message, version_random) == 0 || ::CBS_get_u8_length_prefixed(&message, &skipped) == 0 ||
        ::CBS_get_u16_length_prefixed(&message, &skipped) == 0 || ::CBS_get_u8_length_prefixed(&message, &skipped) == 0 ||
        ::CBS_get_u16_length_prefixed(&message, &list) == 0) {
        return std::nullopt;
    }
    while (::CBS_get_u16(&list, &found) != 0 && ::CBS_get_u16_length_prefixed(&list, &contents) != 0) {
        if (found == number) return detail::bytes_of(contents);
    }
    return std::nullopt;
}

}  // namespace v0
}  // namespace tls

#endif
