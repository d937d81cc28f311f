// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A certificate in some lines, for people to read.

#ifndef TLS_STREAM_TLS_DETAIL_CERTIFICATE_SUMMARY_HPP
#define TLS_STREAM_TLS_DETAIL_CERTIFICATE_SUMMARY_HPP

#include <tls/certificate_fields.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/certificate_fields.hpp>
#include <tls/detail/x509_text.hpp>
#include <tls/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// A public key's SHA-256 as pinned_keys reads it: "sha256/" and base64.
[[nodiscard]] inline std::string pin_text(std::span<const std::byte, 32> hash) {
    std::array<char, 45> base64{};  // 44 characters and a NUL
    ::EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(base64.data()), reinterpret_cast<const std::uint8_t*>(hash.data()),
                      hash.size());
    return std::string("sha256/") + base64.data();
}

[[nodiscard]] inline std::string colon_separated(std::span<const std::byte> octets) {
    std::string text;
    for (const std::byte octet : octets) {
        const auto value = std::to_integer<std::uint8_t>(octet);
        text += (text.empty() ? "" : ":") + hexadecimal({&value, 1});
    }
    return text;
}

[[nodiscard]] inline std::string kind_text(alternative_name::kind kind) {
    switch (kind) {
        case alternative_name::kind::dns: return "DNS";
        case alternative_name::kind::ip_address: return "IP";
        case alternative_name::kind::email: return "email";
        case alternative_name::kind::uri: return "URI";
        case alternative_name::kind::directory: return "directory";
        case alternative_name::kind::registered_id: return "registered ID";
        case alternative_name::kind::other: break;
    }
    return "other";
}

// By the names of RFC 5280.
[[nodiscard]] inline std::string usage_text(const key_usage& usage) {
    std::string text;
    for (const auto& [granted, name] :
         {std::pair(usage.digital_signature, "digitalSignature"), std::pair(usage.content_commitment, "nonRepudiation"),
          std::pair(usage.key_encipherment, "keyEncipherment"), std::pair(usage.data_encipherment, "dataEncipherment"),
          std::pair(usage.key_agreement, "keyAgreement"), std::pair(usage.certificate_signing, "keyCertSign"),
          std::pair(usage.crl_signing, "cRLSign"), std::pair(usage.encipher_only, "encipherOnly"),
          std::pair(usage.decipher_only, "decipherOnly")}) {
        if (granted) text += (text.empty() ? "" : ", ") + std::string(name);
    }
    return text.empty() ? "none" : text;
}

[[nodiscard]] inline std::string constraints_text(const basic_constraints& constraints) {
    std::string text = constraints.authority ? "authority" : "no authority";
    if (constraints.path_length) text += ", path length " + std::to_string(*constraints.path_length);
    return text;
}

// Collects the lines. A part is what a callable gives; one that throws errc::invalid_certificate is shown as malformed.
class summary_lines {
public:
    // "title: text", or nothing if there is no text.
    template <class Part>
    void line(std::string_view title, Part part) {
        std::string text = well_formed(part);
        if (!text.empty()) begin(title) += ' ' + text;
    }
    // "title:" and each entry on an indented line of its own: no separator that an entry could hold as well.
    template <class Part>
    void list(std::string_view title, Part part) {
        std::vector<std::string> entries;
        const std::string state = well_formed([&] {
            entries = part();
            return std::string();
        });
        if (state.empty() && entries.empty()) return;
        std::string& text = begin(title);
        if (!state.empty()) text += ' ' + state;
        for (const std::string& entry : entries) text += "\n    " + entry;
    }

    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    template <class Part>
    [[nodiscard]] static std::string well_formed(Part&& part) {
        try {
            return part();
        } catch (const error& e) {
            if (e.code() != errc::invalid_certificate) throw;
            return "malformed";
        }
    }
    std::string& begin(std::string_view title) {
        if (!text_.empty()) text_ += '\n';
        text_ += title;
        return text_ += ':';
    }

    std::string text_;
};

// A template, because it is the certificate that includes this header.
template <class Certificate>
[[nodiscard]] std::string certificate_summary(const Certificate& shown) {
    summary_lines out;
    out.line("subject", [&] { return shown.subject(); });
    out.line("issuer", [&] { return shown.issuer(); });
    out.line("version", [&] { return std::to_string(shown.version()); });
    out.line("serial number", [&] { return shown.serial(); });
    out.line("not before", [&] { return date_text(::X509_get0_notBefore(shown.native_handle())); });
    out.line("not after", [&] { return date_text(::X509_get0_notAfter(shown.native_handle())); });
    out.line("public key", [&] {
        const std::string curve = shown.key_curve();
        const int bits = shown.key_bits();
        return shown.key_type() + (curve.empty() ? "" : " " + curve) + (bits != 0 ? ", " + std::to_string(bits) + " bits" : "");
    });
    out.line("public key SHA-256", [&] { return pin_text(shown.public_key_sha256()); });
    out.line("signature algorithm", [&] { return shown.signature_algorithm(); });
    out.list("alternative names", [&] {
        std::vector<std::string> names;
        for (const alternative_name& name : shown.alternative_names())
            names.push_back(kind_text(name.type) + ": " + name.value);
        return names;
    });
    out.line("key usage", [&] {
        const auto usage = shown.usage();
        return usage ? usage_text(*usage) : std::string();
    });
    out.list("extended key usage", [&] { return shown.extended_key_usage(); });
    out.line("basic constraints", [&] {
        const auto constraints = shown.constraints();
        return constraints ? constraints_text(*constraints) : std::string();
    });
    out.list("OCSP responders", [&] { return shown.ocsp_urls(); });
    out.list("issuer's certificates", [&] { return shown.ca_issuer_urls(); });
    out.list("revocation lists", [&] { return shown.crl_urls(); });
    out.line("SHA-256", [&] { return colon_separated(shown.sha256()); });
    return out.take();
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
