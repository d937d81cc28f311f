// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chains and keys: every form that is read, and that everything else is refused by name with nothing half-loaded.

#include <tls/credential.hpp>

#include <support/files.hpp>
#include <support/pkcs12.hpp>
#include <support/pki.hpp>
#include <support/refusal.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using demo::text_of;
using tests::issued;
using tests::queue_is_empty;
using tests::temporary_directory;
using tests::with_stale_errors;
using tls::credential;
using tls::errc;

static_assert(std::is_nothrow_default_constructible_v<credential> && std::is_nothrow_copy_constructible_v<credential>);
static_assert(std::is_nothrow_move_constructible_v<credential> && !std::is_convertible_v<credential, bool>);

const issued& server() { return tests::test_pki().server; }
std::string chain_pem() { return server().certificate_pem() + tests::test_pki().authority.certificate_pem(); }

std::string encrypted_key(std::string password, EVP_PKEY* key) {
    return text_of([&](BIO* into) {
        return ::PEM_write_bio_PKCS8PrivateKey(into, key, ::EVP_aes_256_cbc(), password.data(),
                                               static_cast<int>(password.size()), nullptr, nullptr);
    });
}

std::string sec1_key() {
    const bssl::UniquePtr<EC_KEY> ec(::EVP_PKEY_get1_EC_KEY(server().key.get()));
    return text_of(
        [&](BIO* into) { return ::PEM_write_bio_ECPrivateKey(into, ec.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

// As OpenSSL's "traditional" format encrypts it, with headers inside the block.
std::string traditional_key(std::string password) {
    const bssl::UniquePtr<EC_KEY> ec(::EVP_PKEY_get1_EC_KEY(server().key.get()));
    return text_of([&](BIO* into) {
        return ::PEM_write_bio_ECPrivateKey(into, ec.get(), ::EVP_aes_128_cbc(),
                                            reinterpret_cast<unsigned char*>(password.data()),
                                            static_cast<int>(password.size()), nullptr, nullptr);
    });
}

std::string with_crlf(std::string_view text) {
    std::string result;
    for (const char c : text) result += c == '\n' ? "\r\n"s : std::string(1, c);
    return result;
}

// A PEM text whose block stops in the middle of its base64, its last line still there.
std::string cut_inside(const std::string& pem) {
    return pem.substr(0, pem.size() / 2) + "\n" + pem.substr(pem.find("-----END"));
}

TEST_CASE("a credential holds the chain, leaf first, and its key") {
    const credential identity = credential::from_pem(chain_pem(), server().key_pem());
    REQUIRE(identity);
    CHECK(identity.leaf().subject() == "CN=localhost");
    REQUIRE(identity.chain().size() == 2);
    CHECK(identity.chain()[0] == identity.leaf());
    CHECK(identity.chain()[1].subject() == "CN=Test CA");
    CHECK(queue_is_empty());
}

TEST_CASE("an empty credential has no certificates") {
    credential moved = credential::from_pem(chain_pem(), server().key_pem());
    const credential copy = moved;
    const credential taken = std::move(moved);
    CHECK(taken.chain() == copy.chain());
    for (const credential& empty : {credential(), moved}) {
        CHECK_FALSE(empty);
        CHECK_FALSE(empty.leaf());
        CHECK(empty.chain().empty());
    }
}

TEST_CASE("keys come in all their forms") {
    tests::certificate_options options;
    options.common_name = "rsa.test";
    options.key = tests::new_rsa_key();
    const issued rsa_leaf = tests::issue_certificate(std::move(options));
    const bssl::UniquePtr<RSA> rsa(::EVP_PKEY_get1_RSA(rsa_leaf.key.get()));
    const std::string pkcs1 = text_of(
        [&](BIO* into) { return ::PEM_write_bio_RSAPrivateKey(into, rsa.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    REQUIRE(pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    REQUIRE(sec1_key().starts_with("-----BEGIN EC PRIVATE KEY-----"));
    REQUIRE(server().key_pem().starts_with("-----BEGIN PRIVATE KEY-----"));

    CHECK(credential::from_pem(rsa_leaf.certificate_pem(), pkcs1));
    CHECK(credential::from_pem(rsa_leaf.certificate_pem(), rsa_leaf.key_pem()));
    CHECK(credential::from_pem(chain_pem(), sec1_key()));
    CHECK(credential::from_pem(chain_pem(), server().key_pem(), "not needed"));
    CHECK(credential::from_pem(chain_pem(),
                               "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1_key()));
}

TEST_CASE("an encrypted key opens with its password only, and nobody is asked for one") {
    const std::string secret = "correct horse battery staple";
    const std::string key = encrypted_key(secret, server().key.get());
    REQUIRE(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    CHECK(credential::from_pem(chain_pem(), key, secret));
    CHECK(credential::from_pem(chain_pem(), traditional_key(secret), secret));
    const std::string with_nul = "a\0b"s;
    CHECK(credential::from_pem(chain_pem(), encrypted_key(with_nul, server().key.get()), with_nul));

    std::error_code ec;
    for (const std::string& locked : {key, traditional_key(secret)}) {
        for (const std::optional<std::string>& password :
             {std::optional<std::string>(), std::optional(""s), std::optional("wrong secret word"s),
              std::optional(secret + "x"), std::optional(secret.substr(1)), std::optional(std::string(5000, 'x'))}) {
            CHECK_FALSE(credential::from_pem(chain_pem(), locked, password, ec));
            CHECK(ec == errc::invalid_private_key);
            CHECK(queue_is_empty());
            try {
                (void)credential::from_pem(chain_pem(), locked, password);
                FAIL("opened");
            } catch (const tls::error& e) {
                CHECK(e.code() == errc::invalid_private_key);
                // F84: what is secret is in no message.
                const std::string told = std::string(e.what()) + std::string(e.details());
                if (password && !password->empty()) CHECK(told.find(*password) == std::string::npos);
            }
        }
    }
    CHECK_FALSE(credential::from_pem(chain_pem(), key, ec));
    CHECK(ec == errc::invalid_private_key);
}

TEST_CASE("files are read as text is") {
    const temporary_directory directory;
    const auto chain = directory.write("chain.pem", chain_pem());
    const auto key = directory.write("key.pem", server().key_pem());
    const auto locked = directory.write("locked.pem", encrypted_key("secret", server().key.get()));
    const auto both = directory.write("both.pem", server().key_pem() + chain_pem());

    CHECK(credential::from_files(chain, key).chain().size() == 2);
    CHECK(credential::from_files(both, both).chain().size() == 2);
    CHECK(credential::from_files(chain, locked, "secret"));
    std::error_code ec = make_error_code(errc::not_open);
    CHECK(with_stale_errors([&] { return credential::from_files(chain, key, ec); }));
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(with_stale_errors([&] { return credential::from_files(chain, locked, "secret", ec); }));
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    std::filesystem::create_symlink(key, directory / "link");
    CHECK(credential::from_files(chain, directory / "link"));
}

// What a bad pair of files does: the error, the name of the file that is bad, and nothing else.
void check_refused(const std::filesystem::path& chain, const std::filesystem::path& key, const std::filesystem::path& bad,
                   std::error_condition condition, std::string_view reason = "") {
    CAPTURE(chain, key);
    std::error_code ec;
    CHECK_FALSE(with_stale_errors([&] { return credential::from_files(chain, key, ec); }));
    CHECK(ec.default_error_condition() == condition);
    CHECK(queue_is_empty());
    try {
        (void)with_stale_errors([&] { return credential::from_files(chain, key); });
        FAIL_CHECK("loaded");
    } catch (const tls::error& e) {
        CHECK(e.code() == ec);
        CHECK(std::string(e.what()).find(bad.filename().string()) != std::string::npos);
        CHECK(std::string(e.what()).find(reason) != std::string::npos);
    }
    CHECK(queue_is_empty());
}

std::error_condition condition(errc code) { return make_error_code(code).default_error_condition(); }

TEST_CASE("F60 bad PEM is an error that names the file") {
    const temporary_directory directory;
    const auto good_chain = directory.write("good-chain", chain_pem());
    const auto good_key = directory.write("good-key", server().key_pem());
    const std::string leaf = server().certificate_pem();
    const std::string key = server().key_pem();
    const std::string megabytes(10'000'000, '\xA5');
    const std::string lines = [] {
        std::string text;
        while (text.size() < 10'000'000) text += "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoQUJDREVGR0hJSktMTU5PUFFSU1RVV\n";
        return text;
    }();

    SECTION("accepted: CRLF, byte order mark, text around, key beside the certificates") {
        const auto loads = [&](const std::string& chain_text, const std::string& key_text) {
            return credential::from_files(directory.write("c", chain_text), directory.write("k", key_text)).chain().size();
        };
        CHECK(loads(with_crlf(chain_pem()), with_crlf(key)) == 2);
        CHECK(loads("\xEF\xBB\xBF" + chain_pem(), "\xEF\xBB\xBF" + key) == 2);
        CHECK(loads("subject=localhost\n" + leaf + "\n# issuer\n" + tests::test_pki().authority.certificate_pem() + "end",
                    "key\n" + key) == 2);
        CHECK(loads(key + leaf, leaf + key) == 1);
        CHECK(loads(leaf.substr(0, leaf.size() - 1), key.substr(0, key.size() - 1)) == 1);  // no line end at the end
    }
    SECTION("refused as a chain") {
        for (const std::string& text : {
                 ""s,
                 "\xEF\xBB\xBF"s,
                 "garbage"s,
                 "\0\0\0"s,
                 key,
                 megabytes,
                 lines,
                 leaf.substr(0, leaf.size() / 2),
                 cut_inside(leaf),
                 leaf + cut_inside(tests::test_pki().authority.certificate_pem()),  // the leaf alone is not used
                 leaf + leaf.substr(0, 200),
                 "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" + leaf,
                 leaf + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                 leaf + "-----BEGIN CERTIFICATE-----\n" + lines + "-----END CERTIFICATE-----\n",
                 leaf.substr(0, leaf.find('\n') + 1) + "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" +
                     leaf.substr(leaf.find('\n') + 1),
             }) {
            CAPTURE(text.substr(0, 60));
            const auto bad = directory.write("bad-chain", text);
            check_refused(bad, good_key, bad, condition(errc::invalid_certificate));
        }
    }
    SECTION("refused as a key") {
        for (const std::string& text : {
                 ""s,
                 "\xEF\xBB\xBF"s,
                 "garbage"s,
                 "\0\0\0"s,
                 leaf,
                 megabytes,
                 lines,
                 key.substr(0, key.size() / 2),
                 cut_inside(key),
                 key + key,  // two keys, even the same one
                 key + tests::test_pki().client.key_pem(),
                 key + cut_inside(key),
                 key + sec1_key(),
                 encrypted_key("secret", server().key.get()),
                 "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"s,
                 "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"s,
                 "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"s,
                 "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"s,
             }) {
            CAPTURE(text.substr(0, 60));
            const auto bad = directory.write("bad-key", text);
            check_refused(good_chain, bad, bad, condition(errc::invalid_private_key));
        }
    }
    SECTION("refused for its size") {
        std::string text = chain_pem();
        text.resize(std::size_t{17} << 20, '\n');
        const auto large_chain = directory.write("large-chain", text);
        check_refused(large_chain, good_key, large_chain, condition(errc::invalid_certificate));
        const auto large_key = directory.write("large-key", key + std::string(std::size_t{17} << 20, '\n'));
        check_refused(good_chain, large_key, large_key, condition(errc::invalid_private_key));
    }
}

TEST_CASE("F61 what is no readable file is an error that names it, at once") {
    const temporary_directory directory;
    const auto chain = directory.write("chain", chain_pem());
    const auto key = directory.write("key", server().key_pem());
    const auto fifo = directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    std::filesystem::create_symlink(fifo, directory / "link-to-fifo");
    std::filesystem::create_symlink("loop", directory / "loop");
    const auto local = directory / "socket";
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(listener >= 0);
    ::sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(local.native().size() < sizeof address.sun_path);
    local.native().copy(address.sun_path, sizeof address.sun_path - 1);
    const bool bound = ::bind(listener, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) == 0;
    ::close(listener);
    REQUIRE(bound);

    const auto system_error = [](std::errc code) { return std::make_error_condition(code); };
    const auto both = [&](const std::filesystem::path& bad, std::optional<std::errc> code) {
        const std::string_view reason = code ? "" : "is not a regular file";
        check_refused(bad, key, bad, code ? system_error(*code) : condition(errc::invalid_certificate), reason);
        check_refused(chain, bad, bad, code ? system_error(*code) : condition(errc::invalid_private_key), reason);
    };
    both(directory.path(), std::errc::is_a_directory);
    both(directory / "absent", std::errc::no_such_file_or_directory);
    both(chain / "below-a-file", std::errc::not_a_directory);
    both(directory / "loop", std::errc::too_many_symbolic_link_levels);
    both(directory / std::string(300, 'n'), std::errc::filename_too_long);
    both("", std::errc::no_such_file_or_directory);
    both(fifo, std::nullopt);
    both(directory / "link-to-fifo", std::nullopt);
    both(local, std::nullopt);
    both("/dev/zero", std::nullopt);
    both("/dev/null", std::nullopt);
    both("/proc/self/mem", std::errc::io_error);  // can be opened, cannot be read
    if (::geteuid() != 0) {
        std::filesystem::permissions(chain, std::filesystem::perms::none);
        check_refused(chain, key, chain, system_error(std::errc::permission_denied));
    }
}

TEST_CASE("F54 a NUL in a path does not cut it off") {
    const temporary_directory directory;
    const auto chain = directory.write("chain", chain_pem());
    const auto key = directory.write("key", server().key_pem());
    std::error_code ec;
    CHECK_FALSE(credential::from_files(chain.native() + "\0"s, key, ec));
    CHECK(ec == std::errc::invalid_argument);
    CHECK_FALSE(credential::from_files(chain, key.native() + "\0.other"s, ec));
    CHECK(ec == std::errc::invalid_argument);
}

TEST_CASE("F62 a key that is not the leaf's is refused") {
    const temporary_directory directory;
    const auto chain = directory.write("chain", chain_pem());
    const auto other = directory.write("other-key", tests::test_pki().client.key_pem());
    check_refused(chain, other, other, condition(errc::key_mismatch));
    check_refused(chain, other, chain, condition(errc::key_mismatch));

    // The authority's key fits a certificate of the chain, but not the leaf.
    std::error_code ec;
    CHECK_FALSE(credential::from_pem(chain_pem(), tests::test_pki().authority.key_pem(), ec));
    CHECK(ec == errc::key_mismatch);
    // A key of another kind.
    const bssl::UniquePtr<EVP_PKEY> rsa = tests::new_rsa_key();
    const std::string rsa_pem = text_of(
        [&](BIO* into) { return ::PEM_write_bio_PKCS8PrivateKey(into, rsa.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    CHECK_FALSE(credential::from_pem(chain_pem(), rsa_pem, ec));
    CHECK(ec == errc::key_mismatch);
    CHECK(queue_is_empty());
}

TEST_CASE("a context takes a credential over") {
    const bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
    REQUIRE(context);
    tls::detail::failure why;
    with_stale_errors(
        [&] { tls::detail::install(credential::from_pem(chain_pem(), server().key_pem()), context.get(), nullptr, why); });
    CHECK_FALSE(why);
    CHECK(queue_is_empty());
    CHECK(::X509_cmp(::SSL_CTX_get0_certificate(context.get()), server().certificate.get()) == 0);
    CHECK(::EVP_PKEY_cmp(::SSL_CTX_get0_privatekey(context.get()), server().key.get()) == 1);
    STACK_OF(X509)* chain = nullptr;
    REQUIRE(::SSL_CTX_get0_chain_certs(context.get(), &chain) == 1);
    REQUIRE(sk_X509_num(chain) == 1);
    CHECK(::X509_cmp(sk_X509_value(chain, 0), tests::test_pki().authority.certificate.get()) == 0);

    tls::detail::install(credential(), context.get(), nullptr, why);
    CHECK(why.code == errc::not_open);
}

TEST_CASE("a credential of a kind that TLS does not have is refused by the context, by name") {
    const bssl::UniquePtr<EVP_PKEY> x25519 = [] {
        const bssl::UniquePtr<EVP_PKEY_CTX> maker(::EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, nullptr));
        EVP_PKEY* key = nullptr;
        REQUIRE(maker);
        REQUIRE(::EVP_PKEY_keygen_init(maker.get()) == 1);
        REQUIRE(::EVP_PKEY_keygen(maker.get(), &key) == 1);
        return bssl::UniquePtr<EVP_PKEY>(key);
    }();
    tests::certificate_options options;
    options.key = bssl::UpRef(x25519);
    const issued leaf = tests::issue_certificate(std::move(options), &tests::test_pki().authority);
    const credential identity = credential::from_pem(leaf.certificate_pem(), leaf.key_pem());
    REQUIRE(identity);
    const bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
    tls::detail::failure why;
    tls::detail::install(identity, context.get(), nullptr, why);
    CHECK((why.code == errc::invalid_certificate || why.code == errc::invalid_private_key));
    CHECK_FALSE(why.details.empty());
    CHECK(queue_is_empty());
}

std::vector<std::byte> der(X509* x509) { return tls::certificate(bssl::UpRef(x509)).der(); }

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

std::vector<std::vector<std::byte>> chain_der() {
    return {der(server().certificate.get()), der(tests::test_pki().authority.certificate.get())};
}

// What `encode(EVP_PKEY*, std::uint8_t**) -> int` makes of the server's key or another.
template <class Encode>
std::vector<std::byte> key_der(Encode&& encode, EVP_PKEY* key = server().key.get()) {
    std::uint8_t* encoded = nullptr;
    const int size = encode(key, &encoded);
    const bssl::UniquePtr<std::uint8_t> owned(encoded);
    REQUIRE(size > 0);
    return bytes_of({reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size)});
}

// Encrypted unless the password is empty.
std::vector<std::byte> pkcs8_der(EVP_PKEY* key = server().key.get(), std::string password = "") {
    const EVP_CIPHER* const cipher = password.empty() ? nullptr : ::EVP_aes_256_cbc();
    return bytes_of(text_of([&](BIO* into) {
        return ::i2d_PKCS8PrivateKey_bio(into, key, cipher, password.data(), static_cast<int>(password.size()), nullptr,
                                         nullptr);
    }));
}

issued leaf_with(bssl::UniquePtr<EVP_PKEY> key) {
    tests::certificate_options options;
    options.common_name = "leaf.test";
    options.key = std::move(key);
    return tests::issue_certificate(std::move(options), &tests::test_pki().authority);
}

bssl::UniquePtr<EVP_PKEY> new_ed25519_key() {
    const std::array<std::uint8_t, 32> seed{1, 2, 3};
    return bssl::UniquePtr<EVP_PKEY>(::EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
}

TEST_CASE("chain and key from DER, in all forms of a key") {
    const auto sec1 = key_der([](EVP_PKEY* key, std::uint8_t** out) { return ::i2d_PrivateKey(key, out); });
    for (const auto& key : {pkcs8_der(), sec1}) {
        const credential identity = with_stale_errors([&] { return credential::from_der(chain_der(), key); });
        CHECK(identity.chain() == credential::from_pem(chain_pem(), server().key_pem()).chain());
        CHECK(identity.key_type() == "EC");
        CHECK(queue_is_empty());
        CHECK(credential::from_der(chain_der(), key, "not needed"));
    }
    const issued rsa = leaf_with(tests::new_rsa_key());
    const std::vector<std::vector<std::byte>> rsa_chain{der(rsa.certificate.get())};
    const auto pkcs1 = key_der([](EVP_PKEY* key, std::uint8_t** out) { return ::i2d_PrivateKey(key, out); }, rsa.key.get());
    CHECK(credential::from_der(rsa_chain, pkcs1).key_type() == "RSA");
    CHECK(credential::from_der(rsa_chain, pkcs8_der(rsa.key.get())).key_type() == "RSA");
    const issued edwards = leaf_with(new_ed25519_key());
    const std::vector<std::vector<std::byte>> edwards_chain{der(edwards.certificate.get())};
    CHECK(credential::from_der(edwards_chain, pkcs8_der(edwards.key.get())).key_type() == "Ed25519");
    CHECK(credential::from_pem(edwards.certificate_pem(), edwards.key_pem()).key_type() == "Ed25519");
    CHECK(credential().key_type().empty());

    std::error_code ec = make_error_code(errc::not_open);
    const auto locked = pkcs8_der(server().key.get(), "secret");
    CHECK(with_stale_errors([&] { return credential::from_der(chain_der(), locked, "secret", ec); }));
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(credential::from_der(chain_der(), locked, [] { return "secret"s; }));
    const auto refused = [&](const auto& password, std::string_view reason) {
        tests::check_refused_over_stale_errors(
            errc::invalid_private_key,
            [&](auto&... code) { return credential::from_der(chain_der(), locked, password, code...); }, reason);
    };
    refused("wrong", "does not open with this password");
    refused("", "does not open with this password");
    refused(std::nullopt, "no password was given");
    refused(tls::password_function(), "no password was given");
    refused([] { return "wrong"s; }, "does not open with this password");
}

TEST_CASE("a password is asked for only where it is needed, and what asking throws comes out") {
    int asked = 0;
    const tls::password_function ask = [&] {
        ++asked;
        return "secret"s;
    };
    std::error_code ec;
    CHECK(credential::from_pem(chain_pem(), server().key_pem(), ask));
    CHECK(credential::from_der(chain_der(), pkcs8_der(), ask, ec));
    CHECK_FALSE(credential::from_pem(chain_pem(), "garbage", ask, ec));
    CHECK_FALSE(credential::from_pem("garbage", encrypted_key("secret", server().key.get()), ask, ec));
    CHECK(asked == 0);
    CHECK(credential::from_pem(chain_pem(), encrypted_key("secret", server().key.get()), ask));
    CHECK(asked == 1);
    CHECK(credential::from_pem(chain_pem(), traditional_key("secret"), ask, ec));
    CHECK(asked == 2);
    const temporary_directory directory;
    const auto chain = directory.write("chain", chain_pem());
    const auto key = directory.write("key", encrypted_key("secret", server().key.get()));
    CHECK(credential::from_files(chain, key, ask));
    CHECK(credential::from_files(chain, key, ask, ec));
    CHECK(asked == 4);
    const auto file = tests::make_pkcs12({.password = "secret", .key = server().key.get(), .leaf = server().certificate.get()});
    CHECK(credential::from_pkcs12(file, ask));
    CHECK(asked == 5);

    const auto fail = []() -> std::string { throw std::runtime_error("the agent is away"); };
    const auto locked = pkcs8_der(server().key.get(), "secret");
    const auto check_throws = [&](auto&& load) {
        CHECK_THROWS_AS(with_stale_errors([&] { return load(); }), std::runtime_error);
        CHECK(queue_is_empty());
    };
    check_throws([&] { return credential::from_files(chain, key, fail); });
    check_throws([&] { return credential::from_files(chain, key, fail, ec); });
    check_throws([&] { return credential::from_pem(chain_pem(), traditional_key("secret"), fail); });
    check_throws([&] { return credential::from_pem(chain_pem(), traditional_key("secret"), fail, ec); });
    check_throws([&] { return credential::from_der(chain_der(), locked, fail); });
    check_throws([&] { return credential::from_der(chain_der(), locked, fail, ec); });
    check_throws([&] { return credential::from_pkcs12(file, fail); });
    check_throws([&] { return credential::from_pkcs12(file, fail, ec); });
}

TEST_CASE("PKCS#12 gives the chain in its order, whatever the file's is") {
    const issued root = tests::make_authority("Root");
    const issued upper = tests::make_authority("Upper", &root);
    const issued lower = tests::make_authority("Lower", &upper);
    const issued leaf = tests::make_leaf({"a.test"}, &lower);
    const issued& stranger = tests::test_pki().authority;
    const auto subjects = [](const credential& identity) {
        std::string text;
        for (const auto& one : identity.chain()) text += one.common_name() + ";";
        return text;
    };
    std::vector<const issued*> others{&root, &upper, &lower, &stranger};
    std::sort(others.begin(), others.end());
    do {
        const auto file = tests::make_pkcs12(
            {.password = "secret", .key = leaf.key.get(), .leaf = leaf.certificate.get(), .certificates = others});
        CHECK(subjects(credential::from_pkcs12(file, "secret")) == "a.test;Lower;Upper;Root;");
    } while (std::next_permutation(others.begin(), others.end()));

    // The leaf need not come first, and a chain ends where an issuer is missing.
    std::vector<const issued*> all{&root, &lower, &leaf};
    const auto file = tests::make_pkcs12({.password = "secret", .key = leaf.key.get(), .certificates = all});
    CHECK(subjects(credential::from_pkcs12(file, "secret")) == "a.test;Lower;");
}

TEST_CASE("PKCS#12 opens with its password only, and without one if it has none") {
    tests::pkcs12_options options{.password = "secret", .key = server().key.get(), .leaf = server().certificate.get()};
    const auto file = tests::make_pkcs12(options);
    options.password = nullptr;
    const auto open = tests::make_pkcs12(options);
    options.password = "";
    const auto empty = tests::make_pkcs12(options);
    std::error_code ec = make_error_code(errc::not_open);
    const credential identity = with_stale_errors([&] { return credential::from_pkcs12(file, "secret", ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(identity.leaf() == credential::from_pem(chain_pem(), server().key_pem()).leaf());

    int asked = 0;
    const auto ask = [&] {
        ++asked;
        return "other"s;
    };
    for (const auto& unlocked : {open, empty}) {
        CHECK(credential::from_pkcs12(unlocked));
        CHECK(credential::from_pkcs12(unlocked, "not needed"));
        CHECK(credential::from_pkcs12(unlocked, ask));
    }
    CHECK(asked == 0);
    const auto refused = [&](const auto& password, std::string_view reason) {
        tests::check_refused_over_stale_errors(
            errc::invalid_private_key, [&](auto&... code) { return credential::from_pkcs12(file, password, code...); }, reason);
    };
    refused(std::nullopt, "no password was given");
    refused("wrong", "does not open with this password");
    refused("", "does not open with this password");
    refused("secret\0"s, "does not open with this password");
    refused("secret\0more"s, "does not open with this password");
    refused(std::string(5000, 'x'), "does not open with this password");
    refused(ask, "does not open with this password");
    tests::check_refused_over_stale_errors(errc::invalid_private_key,
                                           [&](auto&... code) { return credential::from_pkcs12(file, code...); });

    const temporary_directory directory;
    const auto path = directory.write("identity.p12", file);
    CHECK(credential::from_pkcs12_file(path, "secret").leaf() == identity.leaf());
    CHECK(with_stale_errors([&] { return credential::from_pkcs12_file(path, "secret", ec); }));
    CHECK_FALSE(ec);
    tests::check_refused_over_stale_errors(
        errc::invalid_private_key, [&](auto&... code) { return credential::from_pkcs12_file(path, code...); }, "identity.p12");
}

TEST_CASE("a chain that is out of order is refused, and the error says where") {
    const issued root = tests::make_authority("Root");
    const issued middle = tests::make_authority("Middle", &root);
    const issued leaf = tests::make_leaf({"a.test"}, &middle);
    const auto load = [&](std::vector<const issued*> chain) {
        std::string pem;
        for (const issued* const one : chain) pem += one->certificate_pem();
        return [pem, key = leaf.key_pem()](auto&... code) { return credential::from_pem(pem, key, code...); };
    };
    CHECK(load({&leaf})());
    CHECK(load({&leaf, &middle})());
    CHECK(load({&leaf, &middle, &root})());
    tests::check_refused_over_stale_errors(errc::invalid_certificate, load({&leaf, &root, &middle}),
                                           "certificate 2 (CN=Root) did not issue certificate 1 (CN=a.test)");
    tests::check_refused_over_stale_errors(errc::invalid_certificate, load({&leaf, &root}), "certificate 2 (CN=Root)");
    tests::check_refused_over_stale_errors(errc::invalid_certificate, load({&leaf, &middle, &middle}),
                                           "certificate 3 (CN=Middle) did not issue certificate 2 (CN=Middle)");
    tests::check_refused_over_stale_errors(errc::invalid_certificate, load({&leaf, &middle, &server()}),
                                           "certificate 3 (CN=localhost)");
    // The same name, another key.
    const issued renewed = tests::make_authority("Middle", &root);
    tests::check_refused_over_stale_errors(errc::invalid_certificate, load({&leaf, &renewed}), "certificate 2 (CN=Middle)");
    const std::vector<std::vector<std::byte>> der_chain{der(leaf.certificate.get()), der(root.certificate.get())};
    tests::check_refused_over_stale_errors(
        errc::invalid_certificate,
        [&](auto&... code) { return credential::from_der(der_chain, pkcs8_der(leaf.key.get()), code...); },
        "certificate 2 (CN=Root) did not issue certificate 1 (CN=a.test)");
    tests::check_refused_over_stale_errors(
        errc::invalid_certificate,
        [&](auto&... code) {
            return credential::with_signer(
                leaf.certificate_pem() + root.certificate_pem(), [](tls::signature_request) {}, code...);
        },
        "certificate 2 (CN=Root)");
    // A name that would break out of the line does not.
    const issued hostile = tests::make_authority("Evil\nCA");
    tests::check_refused_over_stale_errors(errc::invalid_certificate, load({&leaf, &hostile}), "certificate 2 (CN=Evil\\0ACA)");
}

// A handshake of two SSLs in memory; the client asks for staples. Both are done then.
struct raw_pair {
    bssl::UniquePtr<SSL_CTX> client_context{::SSL_CTX_new(::TLS_method())};
    bssl::UniquePtr<SSL> client;
    bssl::UniquePtr<SSL> server;

    raw_pair(SSL_CTX* server_context, std::uint16_t version) {
        ::SSL_CTX_set_verify(client_context.get(), SSL_VERIFY_NONE, nullptr);
        client.reset(::SSL_new(client_context.get()));
        server.reset(::SSL_new(server_context));
        REQUIRE((client && server));
        REQUIRE(::SSL_set_max_proto_version(client.get(), version) == 1);
        ::SSL_enable_ocsp_stapling(client.get());
        ::SSL_enable_signed_cert_timestamps(client.get());
        BIO* one = nullptr;
        BIO* other = nullptr;
        REQUIRE(::BIO_new_bio_pair(&one, 0, &other, 0) == 1);
        ::SSL_set_bio(client.get(), one, one);
        ::SSL_set_bio(server.get(), other, other);
        ::SSL_set_connect_state(client.get());
        ::SSL_set_accept_state(server.get());
    }
    bool handshake() const {
        for (int round = 0; round != 20; ++round) {
            const int theirs = ::SSL_do_handshake(client.get());
            const int ours = ::SSL_do_handshake(server.get());
            ::ERR_clear_error();
            if (theirs == 1 && ours == 1) return true;
        }
        return false;
    }
    std::string ocsp_response() const {
        const std::uint8_t* data = nullptr;
        std::size_t size = 0;
        ::SSL_get0_ocsp_response(client.get(), &data, &size);
        return {reinterpret_cast<const char*>(data), size};
    }
    std::string sct_list() const {
        const std::uint8_t* data = nullptr;
        std::size_t size = 0;
        ::SSL_get0_signed_cert_timestamp_list(client.get(), &data, &size);
        return {reinterpret_cast<const char*>(data), size};
    }
    std::string leaf() const {
        const bssl::UniquePtr<X509> peer(::SSL_get_peer_certificate(client.get()));
        return peer ? tls::certificate(bssl::UpRef(peer)).common_name() : "";
    }
};

const std::string two_timestamps = "\0\x0A\0\x03one\0\x03two"s;

TEST_CASE("what is stapled is served, and only where it was put") {
    const credential plain = credential::from_pem(chain_pem(), server().key_pem());
    const credential stapled = plain.with_ocsp_response("a response").with_sct_list(two_timestamps);
    CHECK(plain.ocsp_response().empty());
    CHECK(plain.sct_list().empty());
    CHECK(stapled.ocsp_response() == bytes_of("a response"));
    CHECK(stapled.sct_list() == bytes_of(two_timestamps));
    CHECK(stapled.chain() == plain.chain());
    CHECK(stapled.with_ocsp_response("").ocsp_response().empty());
    CHECK(stapled.with_ocsp_response("").sct_list() == bytes_of(two_timestamps));
    CHECK(stapled.with_sct_list("").sct_list().empty());
    CHECK(credential().ocsp_response().empty());

    for (const std::uint16_t version : {std::uint16_t{TLS1_2_VERSION}, std::uint16_t{TLS1_3_VERSION}}) {
        CAPTURE(version);
        const auto serve = [&](const credential& identity) {
            const bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
            tls::detail::failure why;
            with_stale_errors([&] { tls::detail::install(identity, context.get(), nullptr, why); });
            CHECK_FALSE(why);
            CHECK(queue_is_empty());
            const raw_pair pair(context.get(), version);
            CHECK(pair.handshake());
            CHECK(pair.leaf() == "localhost");
            return pair.ocsp_response() + "|" + pair.sct_list();
        };
        CHECK(serve(plain) == "|");
        CHECK(serve(stapled) == "a response|" + two_timestamps);
        CHECK(serve(stapled.with_ocsp_response("")) == "|" + two_timestamps);
        CHECK(serve(stapled.with_sct_list("")) == "a response|");
    }
}

TEST_CASE("what cannot be stapled is refused") {
    const credential identity = credential::from_pem(chain_pem(), server().key_pem());
    const auto refused = [&](const std::string& list) {
        CAPTURE(list);
        tests::check_refused_over_stale_errors(errc::invalid_certificate,
                                               [&](auto&... code) { return identity.with_sct_list(list, code...); });
    };
    CHECK(identity.with_sct_list("\0\x03\0\x01x"s));
    refused("\0\0"s);               // no entry
    refused("\0\x02\0\0"s);         // an empty entry
    refused("\0\x07\0\x01x\0\0"s);  // longer than it is
    refused("\0\x05\0\x01x\0\0"s);  // an empty one behind another
    refused("\0\x03\0\x01xy"s);     // more behind it
    refused("\0\x04\0\x01x"s);
    refused("\0"s);
    refused("garbage");
    for (std::size_t size = 1; size != two_timestamps.size(); ++size) refused(two_timestamps.substr(0, size));
    const std::string large(std::size_t{1} << 24, 'x');
    CHECK(identity.with_ocsp_response(std::string_view(large).substr(1)));
    tests::check_refused_over_stale_errors(errc::invalid_certificate,
                                           [&](auto&... code) { return identity.with_ocsp_response(large, code...); });
    tests::check_refused_over_stale_errors(errc::not_open,
                                           [&](auto&... code) { return credential().with_ocsp_response("x", code...); });
    tests::check_refused_over_stale_errors(errc::not_open,
                                           [&](auto&... code) { return credential().with_sct_list(two_timestamps, code...); });
}

TEST_CASE("an SSL takes a credential over in the place of its context's") {
    const issued rsa = leaf_with(tests::new_rsa_key());
    struct choice {
        credential identity;
        tls::detail::failure why{};
    } choice{credential::from_pem(rsa.certificate_pem() + tests::test_pki().authority.certificate_pem(), rsa.key_pem())
                 .with_ocsp_response("for the leaf")};
    const bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
    tls::detail::install(credential::from_pem(chain_pem(), server().key_pem()), context.get(), nullptr, choice.why);
    // So that the context remembers its certificates in another form, too.
    REQUIRE(::SSL_CTX_get0_certificate(context.get()) != nullptr);
    ::SSL_CTX_set_cert_cb(
        context.get(),
        [](SSL* ssl, void* chosen) {
            auto& [identity, why] = *static_cast<struct choice*>(chosen);
            tls::detail::install(identity, ssl, nullptr, why);
            return why ? 0 : 1;
        },
        &choice);
    for (const std::uint16_t version : {std::uint16_t{TLS1_2_VERSION}, std::uint16_t{TLS1_3_VERSION}}) {
        const raw_pair pair(context.get(), version);
        CHECK(pair.handshake());
        CHECK_FALSE(choice.why);
        CHECK(pair.leaf() == "leaf.test");
        CHECK(pair.ocsp_response() == "for the leaf");
        CHECK(sk_X509_num(::SSL_get_peer_cert_chain(pair.client.get())) == 2);
    }
    CHECK(::EVP_PKEY_cmp(::SSL_CTX_get0_privatekey(context.get()), server().key.get()) == 1);

    // One after the other, with everything looked at in between.
    const bssl::UniquePtr<SSL> ssl(::SSL_new(context.get()));
    const credential other = credential::from_pem(server().certificate_pem(), server().key_pem());
    for (const credential& next : {choice.identity, other, choice.identity}) {
        tls::detail::install(next, ssl.get(), nullptr, choice.why);
        CHECK_FALSE(choice.why);
        CHECK(::X509_cmp(::SSL_get_certificate(ssl.get()), next.leaf().native_handle()) == 0);
        STACK_OF(X509)* chain = nullptr;
        REQUIRE(::SSL_get0_chain_certs(ssl.get(), &chain) == 1);
        CHECK(sk_X509_num(chain) + 1 == next.chain().size());
    }
}

TEST_CASE("a credential whose key is elsewhere is installed with who asks for signatures") {
    static constexpr SSL_PRIVATE_KEY_METHOD method{
        [](SSL*, std::uint8_t*, std::size_t*, std::size_t, std::uint16_t, const std::uint8_t*, std::size_t) {
            return ssl_private_key_failure;
        },
        nullptr,
        nullptr,
    };
    int asked = 0;
    const auto sign = [&](tls::signature_request) { ++asked; };
    std::error_code ec = make_error_code(errc::not_open);
    const credential identity = with_stale_errors([&] { return credential::with_signer(chain_pem(), sign, ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(identity.chain().size() == 2);
    CHECK(identity.key_type() == "EC");
    REQUIRE(tls::detail::signer_of(identity) != nullptr);
    CHECK(tls::detail::public_key_of(identity) != nullptr);

    const bssl::UniquePtr<SSL_CTX> context(::SSL_CTX_new(::TLS_method()));
    tls::detail::failure why;
    tls::detail::install(identity, context.get(), nullptr, why);
    CHECK(why.code == errc::not_supported);
    why = {};
    tls::detail::install(identity, context.get(), &method, why);
    CHECK_FALSE(why);
    CHECK(::SSL_CTX_get0_privatekey(context.get()) == nullptr);
    CHECK(::X509_cmp(::SSL_CTX_get0_certificate(context.get()), server().certificate.get()) == 0);
    CHECK(asked == 0);

    const credential local = credential::from_pem(chain_pem(), server().key_pem());
    CHECK(tls::detail::signer_of(local) == nullptr);
    CHECK(::EVP_PKEY_cmp(tls::detail::public_key_of(local), server().key.get()) == 1);
    tls::detail::install(local, context.get(), &method, why);
    CHECK_FALSE(why);
    CHECK(::SSL_CTX_get0_privatekey(context.get()) != nullptr);  // a key that is there signs by itself
    CHECK(tls::detail::public_key_of(credential()) == nullptr);
    CHECK(tls::detail::signer_of(credential()) == nullptr);

    tests::check_refused_over_stale_errors(
        errc::invalid_private_key, [&](auto&... code) { return credential::with_signer(chain_pem(), tls::signer(), code...); });
    tests::check_refused_over_stale_errors(
        errc::invalid_certificate, [&](auto&... code) { return credential::with_signer(server().key_pem(), sign, code...); });
}

}  // namespace
