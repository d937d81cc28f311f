// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chains and keys from bad DER and PKCS#12. What bad PEM does is in unit/credential.cpp.

#include <tls/context.hpp>
#include <tls/credential.hpp>

#include <support/files.hpp>
#include <support/pkcs12.hpp>
#include <support/pki.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using namespace std::string_literals;
using tests::issued;
using tests::queue_is_empty;
using tests::temporary_directory;
using tests::with_stale_errors;
using tls::credential;
using tls::errc;

const issued& server() { return tests::test_pki().server; }
const std::string secret = "correct horse battery staple";

std::vector<std::byte> certificate_der() { return tls::certificate(bssl::UpRef(server().certificate)).der(); }

std::string key_der(const EVP_CIPHER* cipher = nullptr) {
    std::string password = secret;
    return demo::text_of([&](BIO* into) {
        return ::i2d_PKCS8PrivateKey_bio(into, server().key.get(), cipher, password.data(), static_cast<int>(password.size()),
                                         nullptr, nullptr);
    });
}

std::string pkcs12() {
    static const std::string made = tests::make_pkcs12({.password = secret.c_str(),
                                                        .key = server().key.get(),
                                                        .leaf = server().certificate.get(),
                                                        .certificates = {&tests::test_pki().authority}});
    return made;
}

// Loads by both overloads, and gives the error that both must agree on. Whatever it is, it tells no secret and leaves nothing behind.
template <class Load>
std::error_code error_of(Load&& load, std::string* told = nullptr) {
    std::error_code ec;
    const credential loaded = with_stale_errors([&] { return load(ec); });
    CHECK(static_cast<bool>(loaded) == !ec);
    CHECK(queue_is_empty());
    try {
        (void)with_stale_errors([&] { return load(); });
        CHECK_FALSE(ec);
    } catch (const tls::error& e) {
        CHECK(e.code() == ec);
        const std::string text = std::string(e.what()) + std::string(e.details());
        CHECK(text.find(secret) == std::string::npos);
        if (told != nullptr) *told = text;
    }
    CHECK(queue_is_empty());
    return ec;
}

std::error_code key_error(const std::string& key) {
    const std::vector<std::vector<std::byte>> chain{certificate_der()};
    return error_of([&](auto&... ec) { return credential::from_der(chain, key, secret, ec...); });
}

std::error_code pkcs12_error(const std::string& bytes) {
    return error_of([&](auto&... ec) { return credential::from_pkcs12(bytes, secret, ec...); });
}

TEST_CASE("F60 DER that is cut, lengthened or no such thing is refused by its name") {
    for (const std::string& key : {key_der(), key_der(::EVP_aes_256_cbc())}) {
        CHECK_FALSE(key_error(key));
        for (std::size_t size = 0; size != key.size(); ++size)
            CHECK(key_error(key.substr(0, size)) == errc::invalid_private_key);
        CHECK(key_error(key + "\0"s) == errc::invalid_private_key);
        CHECK(key_error(key + key) == errc::invalid_private_key);
    }
    for (const std::string& key : {"garbage"s, "\x30\x00"s, "\x30\x80\x00\x00"s, "\x30\x02\x30\x00"s, "\x30\x03\x02\x01\x00"s,
                                   std::string(10'000'000, '\x30'), server().key_pem()}) {
        CAPTURE(key.substr(0, 60));
        CHECK(key_error(key) == errc::invalid_private_key);
    }

    const auto chain_error = [](const std::vector<std::vector<std::byte>>& chain) {
        return error_of([&, key = key_der()](auto&... ec) { return credential::from_der(chain, key, ec...); });
    };
    const auto good = certificate_der();
    CHECK_FALSE(chain_error({good}));
    CHECK(chain_error({}) == errc::invalid_certificate);
    CHECK(chain_error({{}}) == errc::invalid_certificate);
    for (std::size_t size = 0; size != good.size(); ++size) {
        const auto cut = std::span(good).first(size);
        CHECK(chain_error({{cut.begin(), cut.end()}}) == errc::invalid_certificate);
    }
    auto more = good;
    more.push_back(std::byte{0});
    CHECK(chain_error({more}) == errc::invalid_certificate);
    CHECK(chain_error({good, {}}) == errc::invalid_certificate);
}

TEST_CASE("F60 PKCS#12 that is cut, changed or no such thing is refused by its name") {
    const std::string good = pkcs12();
    CHECK_FALSE(pkcs12_error(good));
    for (std::size_t size = 0; size != good.size(); ++size)
        CHECK(pkcs12_error(good.substr(0, size)) == errc::invalid_certificate);
    for (const std::string& bytes :
         {"garbage"s, "\x30\x00"s, std::string(10'000'000, '\x30'), good + "\0"s, server().certificate_pem(), key_der()}) {
        CAPTURE(bytes.substr(0, 60));
        CHECK(pkcs12_error(bytes) == errc::invalid_certificate);
    }
    // The file is authenticated: a bit that is changed is noticed, unless it is in a part that says nothing.
    std::size_t unnoticed = 0;
    for (std::size_t i = 0; i != good.size(); ++i) {
        std::string changed = good;
        changed[i] = static_cast<char>(changed[i] ^ 0x01);
        const std::error_code ec = pkcs12_error(changed);
        CHECK((!ec || ec == errc::invalid_certificate || ec == errc::invalid_private_key));
        if (!ec) ++unnoticed;
    }
    CHECK(unnoticed < 3);
}

TEST_CASE("F60 PKCS#12 that lacks something says what") {
    std::string told;
    const auto error = [&](const tests::pkcs12_options& options) {
        const std::string bytes = tests::make_pkcs12(options);
        return error_of([&](auto&... ec) { return credential::from_pkcs12(bytes, secret, ec...); }, &told);
    };
    CHECK(error({.password = secret.c_str(), .certificates = {&server()}}) == errc::invalid_private_key);
    CHECK(told.find("holds no private key") != std::string::npos);
    CHECK(error({.password = secret.c_str(), .key = server().key.get()}) == errc::invalid_certificate);
    CHECK(told.find("holds no certificate") != std::string::npos);
    CHECK(error({.password = secret.c_str(), .key = server().key.get(), .certificates = {&tests::test_pki().authority}}) ==
          errc::key_mismatch);
}

TEST_CASE("F61 what is no readable PKCS#12 file is refused at once, by its name") {
    const temporary_directory directory;
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    const auto check = [&](const std::filesystem::path& path, std::error_condition expected) {
        CAPTURE(path);
        std::string told;
        const std::error_code ec =
            error_of([&](auto&... code) { return credential::from_pkcs12_file(path, secret, code...); }, &told);
        CHECK(ec.default_error_condition() == expected);
        CHECK(told.find(path.filename().native()) != std::string::npos);
    };
    const auto invalid = make_error_code(errc::invalid_certificate).default_error_condition();
    check(directory / "fifo", invalid);
    check("/dev/zero", invalid);
    check(directory.write("empty", ""), invalid);
    check(directory.write("large", pkcs12() + std::string(std::size_t{17} << 20, '\0')), invalid);
    check(directory.path(), std::make_error_condition(std::errc::is_a_directory));
    check(directory / "absent", std::make_error_condition(std::errc::no_such_file_or_directory));
    check("/proc/self/mem", std::make_error_condition(std::errc::io_error));
}

TEST_CASE("F62 another's key is refused before there is a context, in whatever form it comes") {
    const std::vector<std::vector<std::byte>> chain{tls::certificate(bssl::UpRef(tests::test_pki().client.certificate)).der()};
    CHECK(error_of([&](auto&... ec) { return credential::from_der(chain, key_der(), ec...); }) == errc::key_mismatch);
    std::error_code ec;
    CHECK_FALSE(tls::server_context::create({.identity = credential()}, ec));
    CHECK(ec == errc::not_open);
}

}  // namespace
