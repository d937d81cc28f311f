// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// No secret in any error's text, and no plaintext in memory that is given back.

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/ech.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/key_log.hpp>
#include <tls/session.hpp>
#include <tls/ticket_keys.hpp>

#include <support/engines.hpp>
#include <support/pkcs12.hpp>
#include <support/pki.hpp>
#include <support/resuming.hpp>
#include <support/session.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::string_view_literals;

namespace {

// --- memory that is given back ---

// Long enough to stand nowhere by chance; only ever in static storage and on the stack, but for what the library does with it.
constexpr std::string_view plaintext = "plaintext that nobody may find in memory once it was given back";

std::atomic<bool> watching{false};
std::atomic<int> found{0};

void* allocate(std::size_t size) noexcept { return std::malloc(std::max(size, std::size_t{1})); }

void give_back(void* memory) noexcept {
    if (memory != nullptr && watching) {
        const std::string_view all(static_cast<const char*>(memory), ::malloc_usable_size(memory));
        if (all.find(plaintext.substr(0, 20)) != std::string_view::npos) ++found;
    }
    std::free(memory);
}

void* allocate_or_throw(std::size_t size) {
    void* const memory = allocate(size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete[](void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { give_back(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { give_back(memory); }

namespace {

// How often plaintext was found in memory that `run` gave back.
template <class Run>
int finds(Run&& run) {
    found = 0;
    watching = true;
    run();
    watching = false;
    return found;
}

TEST_CASE("F84 the test that looks for plaintext finds it") {
    CHECK(finds([] {
              const auto left = std::make_unique<char[]>(100);
              std::copy(plaintext.begin(), plaintext.end(), left.get() + 10);
          }) == 1);
}

TEST_CASE("F84 what was read in search of an alert is wiped") {
    const auto version = GENERATE(Catch::Generators::from_range(tests::versions));
    auto both = std::make_unique<tests::engine_handshake>(tests::client_of(version), tests::server_of(version));
    REQUIRE(both->complete());
    std::array<char, plaintext.size()> some{};
    CHECK(both->server.write(plaintext).bytes == plaintext.size());
    // Room for more than one record, so that the queue grows.
    for (int i = 0; i != 8; ++i) {
        CHECK(both->server.write(std::string(9000, 'x')).bytes == 9000);
        tests::carry(both->server, both->client);
    }
    const int way = GENERATE(0, 1, 2);
    CAPTURE(way);
    CHECK(finds([&] {
              both->client.output_failed(std::make_error_code(std::errc::broken_pipe));
              if (way != 0) CHECK(both->client.read(some).bytes == plaintext.size());
              if (way == 2) {
                  std::array<char, 9000> rest{};
                  for (int i = 0; i != 8; ++i) CHECK(both->client.read(rest).bytes == rest.size());
              }
              both.reset();
          }) == 0);
    if (way != 0) CHECK(std::string_view(some.data(), some.size()) == plaintext);
}

TEST_CASE("F84 early data is wiped on either side") {
    auto client_options = tests::resuming_client();
    client_options.early_data = true;
    auto server_options = tests::resuming_server();
    server_options.early_data = true;
    const tls::client_context for_client(client_options);
    const tls::server_context for_server(server_options);
    server_options.early_data = false;
    const bool accepted = GENERATE(true, false);
    const tls::server_context refusing(server_options);
    const auto session = tests::new_session(for_client, for_server);
    const int way = GENERATE(0, 1, 2);
    CAPTURE(accepted, way);
    CHECK(finds([&] {
              tls::engine client(for_client, "localhost", {.resume = session});
              tls::engine server(accepted ? for_server : refusing);
              std::array<char, plaintext.size()> some{};
              for (int i = 0; i != 20; ++i) CHECK(client.write_early(plaintext).bytes == plaintext.size());
              if (way == 0) return;
              tests::carry(client, server);
              CHECK(server.handshake().error == std::error_code());
              if (way == 1) return;
              for (int i = 0; i != 5; ++i) {
                  tests::carry(server, client);
                  CHECK(client.handshake().error == std::error_code());
                  tests::carry(client, server);
                  CHECK(server.handshake().error == std::error_code());
              }
              for (int i = 0; i != 20; ++i) {
                  const auto step = accepted ? server.read_early(some) : server.read(some);
                  CHECK(std::string_view(some.data(), step.bytes) == plaintext);
              }
          }) == 0);
}

// --- texts ---

// What errors say, and whether a secret is in it.
class account {
public:
    // `call()` throws.
    template <class Call>
    void provoke(Call&& call) {
        try {
            static_cast<void>(call());
            FAIL_CHECK("not refused");
        } catch (const tls::error& e) {
            add(std::string(e.what()) + '\n' + std::string(e.details()));
        }
    }
    void add(std::string text) { texts_.push_back(std::move(text)); }

    void check_free_of(std::string_view secret) const { CHECK_FALSE(has(secret)); }

    // As it is, in hexadecimal or in base64, or a part of it.
    [[nodiscard]] bool has(std::string_view secret) const {
        REQUIRE(secret.size() >= 8);
        std::string lower, upper;
        for (const char c : secret) {
            const auto octet = static_cast<unsigned char>(c);
            lower += {"0123456789abcdef"[octet >> 4], "0123456789abcdef"[octet & 15]};
            upper += {"0123456789ABCDEF"[octet >> 4], "0123456789ABCDEF"[octet & 15]};
        }
        std::vector<std::uint8_t> base64(4 * secret.size());
        base64.resize(::EVP_EncodeBlock(base64.data(), reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()));
        const std::string_view encoded(reinterpret_cast<const char*>(base64.data()), base64.size());
        for (const std::string_view form : {secret, std::string_view(lower), std::string_view(upper), encoded}) {
            for (std::size_t at = 0; at + 8 <= form.size(); ++at) {
                for (const std::string& text : texts_) {
                    if (text.find(form.substr(at, 8)) != std::string::npos) return true;
                }
            }
        }
        return false;
    }
    [[nodiscard]] std::size_t size() const noexcept { return texts_.size(); }

private:
    std::vector<std::string> texts_;
};

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What stands between the lines of a PEM text's frame.
std::string body_of(const std::string& pem) {
    const auto begin = pem.find('\n') + 1;
    return pem.substr(begin, pem.find("\n-----END") - begin);
}

TEST_CASE("F84 the test that looks for secrets in texts finds them") {
    for (const auto* const text : {"a secret key", "it is 61207365637265", "it is 7365637265742C", "YSBzZWNyZXQs it is"}) {
        account said;
        said.add(text);
        CHECK(said.has("a secret, and more"));
        CHECK_FALSE(said.has("something else"));
    }
}

TEST_CASE("F84 no private key and no password is in an error of a credential's") {
    const auto& server = tests::test_pki().server;
    const auto& client = tests::test_pki().client;
    constexpr std::string_view password = "Xq7!vb2#Zr9$Lm4%";
    constexpr std::string_view wrong = "Wk3&ty8*Hn5(Bc6)";
    std::string given(password);
    const std::string locked = demo::text_of([&](BIO* into) {
        return ::PEM_write_bio_PKCS8PrivateKey(into, server.key.get(), ::EVP_aes_256_cbc(), given.data(),
                                               static_cast<int>(given.size()), nullptr, nullptr);
    });
    const std::string chain = server.certificate_pem();
    const std::string key = server.key_pem();
    const std::string others = client.key_pem();
    const std::string pkcs12 =
        tests::make_pkcs12({.password = given.c_str(), .key = server.key.get(), .leaf = server.certificate.get()});
    account said;
    using tls::credential;
    const auto from_pem = [&](std::string_view a, std::string_view b, std::optional<std::string_view> opens = {}) {
        said.provoke([&] { return credential::from_pem(a, b, opens); });
    };
    from_pem(chain, others);
    from_pem(chain, key + others);
    from_pem(key, key);
    from_pem(key, chain);
    from_pem(chain + key, locked, wrong);
    from_pem(chain, locked);
    from_pem(chain, password);
    from_pem(chain, locked, std::string(2000, '%') + std::string(password));
    // Cut and damaged in every place.
    for (std::size_t at = 0; at + 30 < key.size(); at += 7) {
        from_pem(chain, key.substr(0, at));
        std::string damaged = key;
        damaged[at] = '*';
        from_pem(chain, damaged);
        from_pem(key.substr(0, at), key);
    }
    for (std::size_t at = 0; at + 30 < locked.size(); at += 17) from_pem(chain, locked.substr(0, at), password);
    said.provoke([&] { return credential::from_pem(chain, locked, [&] { return std::string(wrong); }); });
    said.provoke([&] { return credential::from_pkcs12(pkcs12); });
    said.provoke([&] { return credential::from_pkcs12(pkcs12, wrong); });
    said.provoke([&] { return credential::from_pkcs12(std::string(pkcs12, 0, pkcs12.size() - 10), password); });
    said.provoke([&] { return credential::from_pkcs12(password, password); });
    const std::vector<std::vector<std::byte>> chain_der{tls::certificate(bssl::UpRef(server.certificate)).der()};
    said.provoke([&] { return credential::from_der(chain_der, key); });
    said.provoke([&] { return credential::from_files("/does/not/exist/chain.pem", "/does/not/exist/key.pem", password); });
    CHECK(said.size() > 60);
    said.check_free_of(body_of(key));
    said.check_free_of(body_of(others));
    said.check_free_of(body_of(locked));
    said.check_free_of(password);
    said.check_free_of(wrong);
    std::array<std::uint8_t, 32> scalar{};
    REQUIRE(::BN_bn2bin_padded(scalar.data(), scalar.size(),
                               ::EC_KEY_get0_private_key(::EVP_PKEY_get0_EC_KEY(server.key.get()))) == 1);
    said.check_free_of(text_of(std::as_bytes(std::span(scalar))));
}

TEST_CASE("F84 no session's secrets are in an error of it") {
    const auto version = GENERATE(Catch::Generators::from_range(tests::versions));
    const tls::client_context client(tests::resuming_client(version));
    const auto session = tests::new_session(client, tls::server_context(tests::resuming_server(version)));
    const auto form = session.serialize();
    account said;
    for (std::size_t size = 0; size < form.size(); size += 3) {
        said.provoke([&] { return tls::session::parse(std::span(form).first(size)); });
    }
    said.provoke([&] { return tls::engine(client, "example.test", {.resume = session}); });
    std::array<std::uint8_t, SSL_MAX_MASTER_KEY_LENGTH> secret{};
    const std::size_t size = ::SSL_SESSION_get_master_key(session.native_handle(), secret.data(), secret.size());
    REQUIRE(size >= 32);
    said.check_free_of(text_of(std::as_bytes(std::span(secret).first(size))));
}

TEST_CASE("F84 no key is in an error of ticket keys' or of ECH's") {
    account said;
    const auto key = tls::ticket_key::generate();
    const auto octets = key.bytes();
    for (std::size_t size = 0; size != 80; ++size) {
        said.provoke([&] { return tls::ticket_key::from_bytes(octets.first(size)); });
    }
    // Two keys of one name.
    std::vector<std::byte> altered(octets.begin(), octets.end());
    altered[79] ^= std::byte{1};
    const auto other = tls::ticket_key::from_bytes(altered);
    said.provoke([&] { return tls::ticket_keys({key, other}); });
    tls::ticket_keys keys({key});
    said.provoke([&] { return keys.rotate(other), 0; });
    said.provoke([&] { return keys.set({}), 0; });
    said.check_free_of(text_of(octets));

    const auto ech = tls::ech_key::generate("public.test", 1);
    const auto secret = ech.private_key();
    const auto config = ech.config();
    said.provoke([&] { return tls::ech_key::from_bytes(config, std::span(secret).first(31)); });
    said.provoke([&] { return tls::ech_key::from_bytes(secret, secret); });
    said.provoke([&] { return tls::ech_key::from_bytes(std::span(config).first(config.size() - 1), secret); });
    said.provoke([&] { return tls::ech_key::from_bytes(tls::ech_key::generate("public.test", 1).config(), secret); });
    said.check_free_of(text_of(secret));
}

TEST_CASE("F84 neither the secrets of a key log nor plaintext are in an error of a connection's") {
    const auto version = GENERATE(Catch::Generators::from_range(tests::versions));
    std::vector<std::string> secrets;
    auto for_client = tests::resuming_client(version);
    auto for_server = tests::resuming_server(version);
    const auto log = tls::key_log::to([&](std::string_view line) { secrets.emplace_back(line.substr(line.rfind(' ') + 1)); });
    for_client.keys = for_server.keys = log;
    account said;
    const auto add = [&](const tls::engine& side, std::error_code ec) {
        CHECK(ec);
        said.add(ec.message() + '\n' + side.details());
    };
    // Every byte of a record damaged in turn.
    for (std::size_t at = 0; at != 5 + plaintext.size(); ++at) {
        const tls::client_context client_context(for_client);
        const tls::server_context server_context(for_server);
        tests::engine_handshake both(client_context, server_context);
        REQUIRE(both.complete());
        CHECK(both.client.write(plaintext).bytes == plaintext.size());
        const auto record = both.client.output();
        const auto space = both.server.input_space();
        std::copy(record.begin(), record.end(), space.begin());
        space[at] ^= std::byte{64};
        both.server.input_received(record.size());
        both.server.input_ended();
        std::array<char, 100> some;
        add(both.server, both.server.read(some).error);
    }
    CHECK(secrets.size() >= said.size());
    for (const std::string& secret : secrets) said.check_free_of(secret);
    said.check_free_of(plaintext);
    std::error_code ec;
    CHECK_FALSE(tls::key_log::to_file("/does/not/exist", ec));
}

}  // namespace
