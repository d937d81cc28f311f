// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Reading what is in a ClientHello, piece by piece.

#ifndef TLS_STREAM_TLS_DETAIL_HELLO_EXTENSIONS_HPP
#define TLS_STREAM_TLS_DETAIL_HELLO_EXTENSIONS_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/printable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

[[nodiscard]] inline std::vector<std::byte> bytes_of(const CBS& from) {
    const auto all = std::as_bytes(std::span(::CBS_data(&from), ::CBS_len(&from)));
    return {all.begin(), all.end()};
}

// A list of 16-bit numbers behind its length of `length_octets`; empty where it is malformed, for BoringSSL refuses it then.
[[nodiscard]] inline std::vector<std::uint16_t> numbers_of(CBS from, int length_octets) {
    CBS list;
    std::vector<std::uint16_t> numbers;
    const bool there =
        length_octets == 1 ? ::CBS_get_u8_length_prefixed(&from, &list) != 0 : ::CBS_get_u16_length_prefixed(&from, &list) != 0;
    std::uint16_t number = 0;
    while (there && ::CBS_get_u16(&list, &number) != 0) numbers.push_back(number);
    return numbers;
}

[[nodiscard]] inline std::optional<CBS> extension_of(const SSL_CLIENT_HELLO* hello, std::uint16_t number) noexcept {
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    if (::SSL_early_callback_ctx_extension_get(hello, number, &data, &size) == 0) return std::nullopt;
    CBS contents;
    ::CBS_init(&contents, data, size);
    return contents;
}

// SNI (RFC 6066 3), in lower case and without the trailing dot that it should not have; empty where there is none.
[[nodiscard]] inline std::string server_name_of(const SSL_CLIENT_HELLO* hello) {
    std::string name;
    auto contents = extension_of(hello, TLSEXT_TYPE_server_name);
    CBS list, host;
    std::uint8_t type = 0;
    if (contents && ::CBS_get_u16_length_prefixed(&*contents, &list) != 0 && ::CBS_get_u8(&list, &type) != 0 &&
        type == TLSEXT_NAMETYPE_host_name && ::CBS_get_u16_length_prefixed(&list, &host) != 0) {
        name.assign(reinterpret_cast<const char*>(::CBS_data(&host)), ::CBS_len(&host));
    }
    if (name.ends_with('.')) name.pop_back();
    return lower_case(name);
}

[[nodiscard]] inline std::vector<std::string> alpn_names_of(CBS list) {
    std::vector<std::string> names;
    CBS name;
    while (::CBS_get_u8_length_prefixed(&list, &name) != 0) {
        names.emplace_back(reinterpret_cast<const char*>(::CBS_data(&name)), ::CBS_len(&name));
    }
    return names;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
