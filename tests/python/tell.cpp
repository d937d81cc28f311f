// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One end of connections whose other end is Python, for test_parity.py: says in JSON what it knows of each.
//
//     tell pki DIRECTORY                              NAME.pem: a certificate and its key, for each; ca.pem
//     tell server DIRECTORY CERTIFICATE VERSION TIMES  prints its port first
//     tell client DIRECTORY PORT NAME VERSION TIMES

#include "ends.hpp"

#include <tls/certificate.hpp>
#include <tls/key_log.hpp>
#include <tls/session_cache.hpp>

#include <openssl/x509.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using tls::protocol_version;

std::string hex(std::span<const std::byte> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::byte b : bytes)
        text += {digits[std::to_integer<unsigned>(b) >> 4], digits[std::to_integer<unsigned>(b) & 15]};
    return text;
}

// What is told here has nothing to escape.
std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

template <class Values, class Show>
std::string list(const Values& values, Show show) {
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ", ") + show(value);
    return '[' + text + ']';
}
std::string pair(std::string_view a, std::string_view b) { return '[' + in_quotes(a) + ", " + in_quotes(b) + ']'; }
std::string told(const tls::cipher_info& cipher) {
    return '[' + in_quotes(cipher.name) + ", " + in_quotes(cipher.protocol) + ", " + std::to_string(cipher.bits) + ']';
}

std::string_view kind(tls::alternative_name::kind type) {
    switch (type) {
        case tls::alternative_name::kind::dns: return "DNS";
        case tls::alternative_name::kind::ip_address: return "IP Address";
        case tls::alternative_name::kind::email: return "email";
        case tls::alternative_name::kind::uri: return "URI";
        default: return "other";
    }
}

std::string told(const tls::certificate& one) {
    const auto attribute = [](const tls::name_attribute& a) { return pair(a.type, a.value); };
    const auto seconds = [](auto time) { return std::to_string(std::chrono::system_clock::to_time_t(time)); };
    return "{\"subject\": " + list(one.subject_attributes(), attribute) +
           ", \"issuer\": " + list(one.issuer_attributes(), attribute) + ", \"version\": " + std::to_string(one.version()) +
           ", \"serialNumber\": " + in_quotes(one.serial()) + ", \"notBefore\": " + seconds(one.not_before()) +
           ", \"notAfter\": " + seconds(one.not_after()) + ", \"subjectAltName\": " +
           list(one.alternative_names(), [](const tls::alternative_name& name) { return pair(kind(name.type), name.value); }) +
           ", \"OCSP\": " + list(one.ocsp_urls(), in_quotes) + ", \"caIssuers\": " + list(one.ca_issuer_urls(), in_quotes) +
           ", \"crlDistributionPoints\": " + list(one.crl_urls(), in_quotes) + "}";
}

void tell(const python::stream& stream, std::error_code failed) {
    const auto der = [](const tls::certificate& one) { return in_quotes(hex(one.der())); };
    std::error_code ec;
    const auto unique = stream.channel_binding(tls::channel_binding_type::tls_unique, ec);
    const auto leaf = stream.peer_certificate();
    std::cout << "{\"error\": "
              << (failed ? '[' + in_quotes(failed.category().name()) + ", " + std::to_string(failed.value()) + ']' : "null")
              << ", \"version\": " << in_quotes(stream.version() ? to_string(*stream.version()) : "")
              << ", \"cipher\": " << (stream.cipher() ? told(*stream.cipher()) : "null")
              << ", \"shared\": " << list(stream.shared_ciphers(), [](const auto& cipher) { return told(cipher); })
              << ", \"alpn\": " << in_quotes(stream.alpn()) << ", \"name\": " << in_quotes(stream.server_name())
              << ", \"unique\": " << in_quotes(hex(unique)) << ", \"reused\": " << (stream.session_reused() ? "true" : "false")
              << ", \"certificate\": " << (leaf ? told(*leaf) : "null") << ", \"chain\": " << list(stream.peer_chain(), der)
              << ", \"verified\": " << list(stream.verified_chain(), der) << "}" << std::endl;
}

template <class Options>
Options of_version(Options options, std::string_view version) {
    return python::only(version == "TLSv1.2" ? protocol_version::tls1_2 : protocol_version::tls1_3, std::move(options));
}

void serve(const std::filesystem::path& directory, const std::string& name, std::string_view version, int times) {
    const auto pem = directory / (name + ".pem");
    auto options = of_version(tls::server_options{.identity = tls::credential::from_files(pem, pem)}, version);
    options.authentication = tls::client_auth::optional;
    options.trust = tls::trust_store::from_file(directory / "ca.pem");
    options.alpn = {"http/1.1", "h2"};
    options.keys = tls::key_log::to_file(directory / "server.keys");
    const tls::server_context context(options);
    tls::tcp_listener listener("127.0.0.1", 0);
    std::cout << listener.port() << std::endl;
    for (; times > 0; --times) {
        python::stream stream(listener.accept(tests::patience()), context);
        stream.expires_at(tests::patience());
        std::error_code ec, ignored;
        stream.handshake(ec);
        std::string word(1, 'x');
        if (!ec) stream.write(word, ec);
        if (!ec) stream.read(word, ec);  // the client's end
        tell(stream, ec);
        stream.close(ignored);
    }
}

void call(const std::filesystem::path& directory, std::uint16_t port, const std::string& name, std::string_view version,
          int times) {
    auto options = of_version(tls::client_options{.trust = tls::trust_store::from_file(directory / "ca.pem")}, version);
    const auto own = directory / "client.pem";
    options.identity = tls::credential::from_files(own, own);
    options.alpn = {"h2", "http/1.1"};
    options.keys = tls::key_log::to_file(directory / "client.keys");
    options.sessions = tls::session_cache();
    const tls::client_context context(options);
    for (; times > 0; --times) {
        python::stream stream(tls::tcp_socket::connect("127.0.0.1", port), context, name);
        stream.expires_at(tests::patience());
        std::error_code ec, ignored;
        stream.handshake(ec);
        std::string word(1, '\0');
        if (!ec) stream.read(word, ec);
        tell(stream, ec);
        stream.close(ignored);
    }
}

void make_pki(const std::filesystem::path& directory) {
    const tests::issued authority = tests::make_authority("Parity CA");
    std::ofstream(directory / "ca.pem") << authority.certificate_pem();
    const auto write = [&](const char* name, tests::certificate_options options, const tests::issued& issuer,
                           std::string more = {}) {
        const tests::issued one = tests::issue_certificate(std::move(options), &issuer);
        std::ofstream(directory / (std::string(name) + ".pem")) << one.certificate_pem() << more << one.key_pem();
    };
    const auto named = [](std::string name) {
        return tests::certificate_options{
            .common_name = "Parity", .dns_names = {std::move(name)}, .extended_key_usage = "serverAuth"};
    };
    write("plain", named("localhost"), authority);
    const tests::issued middle = tests::make_authority("Parity Middle CA", &authority);
    write("chain", named("localhost"), middle, middle.certificate_pem());
    write("other", named("other.test"), authority);
    auto expired = named("localhost");
    expired.begins_in_days = -20;
    expired.ends_in_days = -10;
    write("expired", std::move(expired), authority);
    auto early = named("localhost");
    early.begins_in_days = 10;
    write("early", std::move(early), authority);
    const tests::issued stranger = tests::make_authority("Unknown CA");
    write("unknown", named("localhost"), stranger);
    write("client", {.common_name = "Parity Client", .extended_key_usage = "clientAuth"}, authority);

    auto rich = named("localhost");
    rich.dns_names.emplace_back("*.example.test");
    rich.ip_addresses = {tests::octets("127.0.0.1"), tests::octets("2001:db8::1")};
    rich.emails = {"a@example.test"};
    rich.uris = {"https://example.test/"};
    rich.before_signing = [&](X509* x509) {
        const auto add = [&](const char* type, std::string_view value) {
            demo::require(::X509_NAME_add_entry_by_txt(::X509_get_subject_name(x509), type, MBSTRING_UTF8,
                                                       reinterpret_cast<const std::uint8_t*>(value.data()),
                                                       static_cast<int>(value.size()), -1, 0) == 1,
                          "name");
        };
        add("C", "XX");
        add("ST", "A State");
        add("L", "A Town");
        add("O", "An Organization, Inc.");
        add("OU", "A Unit");
        add("serialNumber", "1234");
        demo::add_extension(x509, authority.certificate.get(), NID_info_access,
                            "OCSP;URI:http://ocsp.example.test/,caIssuers;URI:http://ca.example.test/ca.der");
        demo::add_extension(x509, authority.certificate.get(), NID_crl_distribution_points,
                            "URI:http://crl.example.test/a.crl,URI:http://crl.example.test/b.crl");
    };
    write("rich", std::move(rich), authority);
}

}  // namespace

int main(int argc, char* argv[]) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const std::string mode = arguments.empty() ? "" : arguments[0];
    try {
        if (mode == "pki" && arguments.size() == 2) {
            make_pki(arguments[1]);
        } else if (mode == "server" && arguments.size() == 5) {
            serve(arguments[1], arguments[2], arguments[3], std::stoi(arguments[4]));
        } else if (mode == "client" && arguments.size() == 6) {
            call(arguments[1], static_cast<std::uint16_t>(std::stoi(arguments[2])), arguments[3], arguments[4],
                 std::stoi(arguments[5]));
        } else {
            std::cerr << "tell: see the beginning of tell.cpp\n";
            return 2;
        }
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "tell: " << failed.what() << '\n';
        return 1;
    }
}
