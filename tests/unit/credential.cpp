// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Chains and keys: every form that is read, and that everything else is refused by name with nothing half-loaded.

#include <tls/credential.hpp>

#include <support/files.hpp>
#include <support/pki.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
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
    with_stale_errors([&] { tls::detail::install(credential::from_pem(chain_pem(), server().key_pem()), context.get(), why); });
    CHECK_FALSE(why);
    CHECK(queue_is_empty());
    CHECK(::X509_cmp(::SSL_CTX_get0_certificate(context.get()), server().certificate.get()) == 0);
    CHECK(::EVP_PKEY_cmp(::SSL_CTX_get0_privatekey(context.get()), server().key.get()) == 1);
    STACK_OF(X509)* chain = nullptr;
    REQUIRE(::SSL_CTX_get0_chain_certs(context.get(), &chain) == 1);
    REQUIRE(sk_X509_num(chain) == 1);
    CHECK(::X509_cmp(sk_X509_value(chain, 0), tests::test_pki().authority.certificate.get()) == 0);

    tls::detail::install(credential(), context.get(), why);
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
    tls::detail::install(identity, context.get(), why);
    CHECK((why.code == errc::invalid_certificate || why.code == errc::invalid_private_key));
    CHECK_FALSE(why.details.empty());
    CHECK(queue_is_empty());
}

}  // namespace
