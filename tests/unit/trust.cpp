// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Where trust comes from, how it is put together, and that nothing is trusted by half.

#include <tls/trust.hpp>

#include <support/files.hpp>
#include <support/pki.hpp>
#include <support/refusal.hpp>
#include <support/revocation.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using tests::environment_guard;
using tests::issued;
using tests::make_authority;
using tests::make_leaf;
using tests::queue_is_empty;
using tests::temporary_directory;
using tests::verify_reason;
using tests::with_stale_errors;
using tls::certificate;
using tls::errc;
using tls::trust_store;

static_assert(std::is_nothrow_default_constructible_v<trust_store> && std::is_nothrow_move_constructible_v<trust_store>);
static_assert(!std::is_convertible_v<trust_store, bool>);

const issued& first() {
    static const issued made = make_authority("First CA");
    return made;
}
const issued& second() {
    static const issued made = make_authority("Second CA");
    return made;
}

std::vector<std::byte> der(const issued& of) { return certificate(bssl::UpRef(of.certificate)).der(); }

bssl::UniquePtr<X509_STORE> store_of(const trust_store& trust) {
    tls::detail::failure why;
    auto store = with_stale_errors([&] { return tls::detail::certificate_store(trust, why); });
    CHECK_FALSE(why);
    CHECK(queue_is_empty());
    REQUIRE(store);
    return store;
}

// Is a leaf of this authority's accepted?
bool trusts(const trust_store& trust, const issued& authority) {
    const issued leaf = make_leaf({"a.test"}, &authority);
    const int reason = verify_reason(leaf.certificate.get(), store_of(trust).get());
    CHECK((reason == X509_V_OK || reason == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
    return reason == X509_V_OK;
}

// OpenSSL's form with trust settings: for servers, unless it is to be rejected for them.
std::string trusted_certificate_pem(const issued& of, bool rejected) {
    const certificate copy = certificate::from_der(der(of));
    const bssl::UniquePtr<ASN1_OBJECT> purpose(::OBJ_dup(::OBJ_nid2obj(NID_server_auth)));
    REQUIRE((rejected ? ::X509_add1_reject_object(copy.native_handle(), purpose.get())
                      : ::X509_add1_trust_object(copy.native_handle(), purpose.get())) == 1);
    std::string text = demo::text_of([&](BIO* into) { return ::PEM_write_bio_X509_AUX(into, copy.native_handle()); });
    REQUIRE(text.starts_with("-----BEGIN TRUSTED CERTIFICATE-----"));
    return text;
}

std::error_condition condition(errc code) { return make_error_code(code).default_error_condition(); }

void check_file_refused(const std::filesystem::path& path, std::error_condition expected) {
    CAPTURE(path);
    tests::check_refused_over_stale_errors(
        expected, [&](auto&... ec) { return trust_store::from_file(path, ec...); }, path.filename().string());
}

void check_directory_refused(const std::filesystem::path& path, std::string_view bad, std::error_condition expected) {
    CAPTURE(path);
    tests::check_refused_over_stale_errors(
        expected, [&](auto&... ec) { return trust_store::from_directory(path, ec...); }, bad);
}

TEST_CASE("an empty store trusts nobody") {
    CHECK_FALSE(trust_store());
    CHECK(trust_store().size() == 0);
    CHECK_FALSE(trusts(trust_store(), first()));
    CHECK_FALSE(trust_store() + trust_store());
    trust_store moved = trust_store::from_pem(first().certificate_pem());
    const trust_store taken = std::move(moved);
    CHECK(taken);
    CHECK_FALSE(moved);
    trust_store marker = trust_store::system();
    const trust_store taken_marker = std::move(marker);
    CHECK(taken_marker);
    CHECK_FALSE(marker);
}

TEST_CASE("parts are put together, and what is there twice does no harm") {
    const auto one = trust_store::from_pem(first().certificate_pem());
    const auto two = trust_store::from_pem(second().certificate_pem());
    CHECK(trusts(one, first()));
    CHECK_FALSE(trusts(one, second()));
    const auto sum = one + two;
    CHECK(sum.size() == 2);
    CHECK(trusts(sum, first()));
    CHECK(trusts(sum, second()));
    CHECK(one.size() == 1);

    auto again = sum + sum + trust_store::from_der(der(first())) + trust_store();
    again += again;
    CHECK(again.size() == 3);
    CHECK(trusts(again, first()));
    CHECK(trusts(again, second()));
    const auto twice = trust_store::from_pem(first().certificate_pem() + first().certificate_pem());
    CHECK(trusts(twice, first()));
    CHECK_FALSE(trusts(twice, second()));
}

TEST_CASE("trust from memory, in PEM and DER") {
    const std::string text =
        "First CA\n========\n" + first().certificate_pem() + "\nSecond CA\n" + first().key_pem() + second().certificate_pem();
    CHECK(trust_store::from_pem(text).size() == 2);
    std::error_code ec = make_error_code(errc::not_open);
    CHECK(with_stale_errors([&] { return trust_store::from_pem(text, ec); }).size() == 2);
    CHECK_FALSE(ec);

    auto bytes = der(first());
    CHECK(trust_store::from_der(bytes).size() == 1);
    const auto more = der(second());
    bytes.insert(bytes.end(), more.begin(), more.end());
    const auto both = with_stale_errors([&] { return trust_store::from_der(bytes, ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(both.size() == 2);
    CHECK(trusts(both, second()));

    const auto refused_der = [&](const std::vector<std::byte>& bad) {
        tests::check_refused_over_stale_errors(
            condition(errc::invalid_trust), [&](auto&... code) { return trust_store::from_der(bad, code...); }, "DER");
    };
    refused_der({});
    bytes.push_back(std::byte{0});
    refused_der(bytes);
    bytes.resize(bytes.size() - 2);
    refused_der(bytes);
    tests::check_refused_over_stale_errors(
        condition(errc::invalid_trust), [&](auto&... code) { return trust_store::from_pem("", code...); }, "PEM");
    tests::check_refused_over_stale_errors(
        condition(errc::invalid_trust), [&](auto&... code) { return trust_store::from_pem(first().key_pem(), code...); },
        "PEM");
}

TEST_CASE("OpenSSL's TRUSTED CERTIFICATE keeps its meaning") {
    const auto for_servers = [](X509_VERIFY_PARAM* parameters) {
        REQUIRE(::X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER) == 1);
        REQUIRE(::X509_VERIFY_PARAM_set_trust(parameters, X509_TRUST_SSL_SERVER) == 1);
    };
    const issued leaf = make_leaf({"a.test"}, &first());
    const auto trusted = store_of(trust_store::from_pem(trusted_certificate_pem(first(), false)));
    CHECK(verify_reason(leaf.certificate.get(), trusted.get(), for_servers) == X509_V_OK);
    const auto rejected = store_of(trust_store::from_pem(trusted_certificate_pem(first(), true)));
    CHECK(verify_reason(leaf.certificate.get(), rejected.get(), for_servers) == X509_V_ERR_CERT_REJECTED);
}

TEST_CASE("F60 a bundle that is bad in any part is refused whole, by its name") {
    const temporary_directory directory;
    const std::string good = first().certificate_pem();
    std::string with_crlf;
    for (const char c : good) with_crlf += c == '\n' ? "\r\n"s : std::string(1, c);
    for (const std::string& text :
         {good, with_crlf, "\xEF\xBB\xBF" + good, "text\n" + good + "text", first().key_pem() + good}) {
        CHECK(trust_store::from_file(directory.write("good", text)).size() == 1);
    }

    const std::string cut = good.substr(0, good.size() / 2) + "\n" + good.substr(good.find("-----END"));
    for (const std::string& text : {
             ""s,
             "garbage"s,
             "\0\0"s,
             first().key_pem(),
             std::string(10'000'000, '\xA5'),
             good.substr(0, good.size() / 2),
             cut,
             good + cut,
             good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + second().certificate_pem(),
             good + "-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n",
             good + "-----BEGIN CERTIFICATE-----\n",
         }) {
        CAPTURE(text.substr(0, 60));
        check_file_refused(directory.write("bad-bundle", text), condition(errc::invalid_trust));
    }
    check_file_refused(directory.write("large", good + std::string(std::size_t{17} << 20, '\n')),
                       condition(errc::invalid_trust));
}

TEST_CASE("F61 what is no readable bundle is refused at once") {
    const temporary_directory directory;
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    check_file_refused(directory / "fifo", condition(errc::invalid_trust));
    check_file_refused("/dev/zero", condition(errc::invalid_trust));
    check_file_refused(directory.path(), std::make_error_condition(std::errc::is_a_directory));
    check_file_refused(directory / "absent", std::make_error_condition(std::errc::no_such_file_or_directory));
    check_file_refused("/proc/self/mem", std::make_error_condition(std::errc::io_error));
    check_directory_refused(directory / "absent", "absent", std::make_error_condition(std::errc::no_such_file_or_directory));
    const auto file = directory.write("file", first().certificate_pem());
    check_directory_refused(file, "file", std::make_error_condition(std::errc::not_a_directory));
    check_directory_refused(directory.path().native() + "\0"s, "\\00", std::make_error_condition(std::errc::invalid_argument));
    if (::geteuid() != 0) {
        std::filesystem::permissions(file, std::filesystem::perms::none);
        check_file_refused(file, std::make_error_condition(std::errc::permission_denied));
    }
}

TEST_CASE("a directory is read by the names of its entries, each file once") {
    const temporary_directory directory;
    directory.write("first.pem", first().certificate_pem());
    directory.write("README", "not a certificate");
    directory.write("5ed36f99.r0", "a revocation list, by its name");
    directory.write("5ed36f9.0", "a hash too short");
    directory.write("5ED36F99.0", "a hash in capitals");
    directory.write("5ed36f99.", "no number");
    std::filesystem::create_directory(directory / "subdirectory.pem");
    std::filesystem::create_symlink("first.pem", directory / "5ed36f99.0");
    std::filesystem::create_hard_link(directory / "first.pem", directory / "same.crt");
    const auto one = trust_store::from_directory(directory.path());
    CHECK(one.size() == 1);
    CHECK(trusts(one, first()));

    directory.write("0123abcd.12", second().certificate_pem());
    directory.write("third.cer", make_authority("Third CA").certificate_pem());
    directory.write("fourth.crt", make_authority("Fourth CA").certificate_pem());
    std::error_code ec = make_error_code(errc::not_open);
    const auto four = with_stale_errors([&] { return trust_store::from_directory(directory.path(), ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(four.size() == 4);
    CHECK(trusts(four, second()));

    SECTION("one malformed file fails the whole") {
        directory.write("zz-bad.pem", "garbage");
        check_directory_refused(directory.path(), "zz-bad.pem", condition(errc::invalid_trust));
    }
    SECTION("a link that leads nowhere does too") {
        std::filesystem::create_symlink("nowhere", directory / "dangling.pem");
        check_directory_refused(directory.path(), "dangling.pem",
                                std::make_error_condition(std::errc::no_such_file_or_directory));
    }
    SECTION("and a FIFO") {
        REQUIRE(::mkfifo((directory / "fifo.pem").c_str(), 0600) == 0);
        check_directory_refused(directory.path(), "fifo.pem", condition(errc::invalid_trust));
    }
}

TEST_CASE("a directory without certificates is no trust") {
    const temporary_directory directory;
    directory.write("README", "nothing here");
    check_directory_refused(directory.path(), directory.path().native(), condition(errc::invalid_trust));
}

// The subject names of what the environment makes the system's certificates, or the failure's text.
std::string system_certificates(const char* file, const char* directories, std::error_code* code = nullptr) {
    const environment_guard file_variable("SSL_CERT_FILE", file);
    const environment_guard directory_variable("SSL_CERT_DIR", directories);
    tls::detail::failure why;
    const auto read = tls::detail::read_system_certificates(why);
    ::ERR_clear_error();
    if (code != nullptr) *code = why.code;
    if (why) return why.what;
    std::string names;
    for (const certificate& one : read) names += one.subject() + ";";
    return names;
}

TEST_CASE("the environment says where the system's certificates are") {
    const temporary_directory directory;
    const auto bundle = directory.write("bundle", first().certificate_pem()).native();
    for (const char* const name : {"a", "b", "none"}) std::filesystem::create_directory(directory / name);
    directory.write("a/a.pem", second().certificate_pem());
    directory.write("b/b.pem", make_authority("Third CA").certificate_pem());
    const auto a = (directory / "a").native();
    const auto b = (directory / "b").native();
    const auto none = (directory / "none").native();
    const auto absent = (directory / "absent").native();

    CHECK(system_certificates(bundle.c_str(), nullptr) == "CN=First CA;");
    CHECK(system_certificates(nullptr, a.c_str()) == "CN=Second CA;");
    CHECK(system_certificates("", a.c_str()) == "CN=Second CA;");
    CHECK(system_certificates(bundle.c_str(), "") == "CN=First CA;");
    CHECK(system_certificates(nullptr, (a + ":" + b).c_str()) == "CN=Second CA;CN=Third CA;");
    CHECK(system_certificates(nullptr, (":" + b + "::" + a + ":").c_str()) == "CN=Third CA;CN=Second CA;");
    CHECK(system_certificates(bundle.c_str(), (a + ":" + b).c_str()) == "CN=First CA;CN=Second CA;CN=Third CA;");

    std::error_code code;
    CHECK(system_certificates(absent.c_str(), nullptr, &code).find(absent) == 0);
    CHECK(code == std::errc::no_such_file_or_directory);
    CHECK(system_certificates(bundle.c_str(), absent.c_str(), &code).find(absent) == 0);
    CHECK(code == std::errc::no_such_file_or_directory);
    CHECK(system_certificates(absent.c_str(), a.c_str(), &code).find(absent) == 0);
    CHECK(code == std::errc::no_such_file_or_directory);
    CHECK(system_certificates(nullptr, (a + ":" + none).c_str(), &code).find(none) == 0);
    CHECK(code == errc::invalid_trust);
    CHECK(system_certificates(nullptr, ":", &code).find("SSL_CERT_DIR") == 0);
    CHECK(code == errc::invalid_trust);
    directory.write("garbage", "garbage");
    CHECK(system_certificates((directory / "garbage").c_str(), nullptr, &code).find("garbage") != std::string::npos);
    CHECK(code == errc::invalid_trust);
}

TEST_CASE("the system's certificates are loaded once, and a load that failed is tried again") {
    const temporary_directory directory;
    const environment_guard file_variable("SSL_CERT_FILE", (directory / "bundle").c_str());
    const environment_guard directory_variable("SSL_CERT_DIR", nullptr);
    tls::detail::system_trust_cache cache;
    CHECK(cache.loaded() == nullptr);
    tls::detail::failure why;
    CHECK(with_stale_errors([&] { return cache.load(why); }) == nullptr);
    CHECK(why.code == std::errc::no_such_file_or_directory);
    CHECK(queue_is_empty());
    CHECK(cache.loaded() == nullptr);

    directory.write("bundle", first().certificate_pem());
    std::array<std::shared_ptr<const tls::detail::system_trust>, 8> loaded;
    {
        std::vector<std::thread> threads;
        for (auto& mine : loaded) {
            threads.emplace_back([&] {
                tls::detail::failure none;
                mine = cache.load(none);
            });
        }
        for (auto& thread : threads) thread.join();
    }
    REQUIRE(loaded[0] != nullptr);
    for (const auto& one : loaded) CHECK(one == loaded[0]);
    CHECK(loaded[0]->certificates.size() == 1);

    directory.write("bundle", "garbage");
    why = {};
    CHECK(cache.load(why) == loaded[0]);
    CHECK_FALSE(why);
    CHECK(cache.loaded() == loaded[0]);
    const issued leaf = make_leaf({"a.test"}, &first());
    CHECK(verify_reason(leaf.certificate.get(), loaded[0]->store.get()) == X509_V_OK);
}

TEST_CASE("all contexts share the system's store, and none shares one that has more in it") {
    const trust_store marker = trust_store::system();
    CHECK(marker);
    tls::detail::failure why;
    const auto store = tls::detail::certificate_store(marker, why);
    if (!store) SKIP("this system has no trust store: " + why.what);
    CHECK(store_of(trust_store::system()).get() == store.get());
    CHECK(store_of(marker + trust_store::system() + trust_store()).get() == store.get());
    CHECK(marker.size() > 0);

    const auto more = marker + trust_store::from_pem(first().certificate_pem());
    CHECK(more.size() == marker.size() + 1);
    const auto other = store_of(more);
    CHECK(other.get() != store.get());
    CHECK(trusts(more, first()));
    CHECK_FALSE(trusts(marker, first()));
}

TEST_CASE("the names of the authorities, each once") {
    const auto names_of = [](const trust_store& trust) {
        tls::detail::failure why;
        auto names = with_stale_errors([&] { return tls::detail::subject_names(trust, why); });
        CHECK_FALSE(why);
        CHECK(queue_is_empty());
        REQUIRE(names);
        return names;
    };
    CHECK(sk_X509_NAME_num(names_of(trust_store()).get()) == 0);
    const issued renewed = make_authority("First CA");  // another key, the same name
    const auto names = names_of(trust_store::from_pem(first().certificate_pem() + second().certificate_pem()) +
                                trust_store::from_pem(renewed.certificate_pem()));
    REQUIRE(sk_X509_NAME_num(names.get()) == 2);
    CHECK(::X509_NAME_cmp(sk_X509_NAME_value(names.get(), 0), ::X509_get_subject_name(first().certificate.get())) == 0);
    CHECK(::X509_NAME_cmp(sk_X509_NAME_value(names.get(), 1), ::X509_get_subject_name(second().certificate.get())) == 0);
}

trust_store list_of(const tests::revocation_list& list) { return trust_store::revocation_lists_from_pem(list.pem()); }

// What verification with revocation makes of a leaf of first()'s.
int revocation_reason(const issued& leaf, const trust_store& trust, unsigned long flags = X509_V_FLAG_CRL_CHECK) {
    return verify_reason(leaf.certificate.get(), store_of(trust).get(), [&](X509_VERIFY_PARAM* parameters) {
        REQUIRE(::X509_VERIFY_PARAM_set_flags(parameters, flags) == 1);
    });
}

TEST_CASE("revocation lists alone are something, and trust nobody") {
    const auto list = list_of(tests::revoke(first()));
    CHECK(list);
    CHECK(list.size() == 0);
    CHECK(list.revocation_list_count() == 1);
    CHECK_FALSE(trusts(list, first()));
    CHECK(trust_store().revocation_list_count() == 0);
    CHECK(trust_store::from_pem(first().certificate_pem()).revocation_list_count() == 0);

    const auto both = trust_store::from_pem(first().certificate_pem()) + list;
    CHECK(both.size() == 1);
    CHECK(both.revocation_list_count() == 1);
    CHECK(trusts(both, first()));
    tls::detail::failure why;
    CHECK(sk_X509_NAME_num(tls::detail::subject_names(both, why).get()) == 1);
    CHECK(sk_X509_NAME_num(tls::detail::subject_names(list, why).get()) == 0);
    CHECK_FALSE(why);
}

TEST_CASE("revocation lists are read from PEM, DER and files of either kind") {
    const temporary_directory directory;
    const auto one = tests::revoke(first());
    const auto two = tests::revoke(second());
    const auto count = [](const trust_store& trust) { return trust.revocation_list_count(); };
    const std::string pem = "text\n" + first().certificate_pem() + one.pem() + first().key_pem() + two.pem();
    auto bytes = one.der();
    CHECK(count(trust_store::revocation_lists_from_der(bytes)) == 1);
    const auto more = two.der();
    bytes.insert(bytes.end(), more.begin(), more.end());
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());

    CHECK(count(trust_store::revocation_lists_from_pem(pem)) == 2);
    CHECK(trust_store::revocation_lists_from_pem(pem).size() == 0);
    CHECK(count(trust_store::revocation_lists_from_der(bytes)) == 2);
    CHECK(count(trust_store::revocation_lists_from_file(directory.write("pem", pem))) == 2);
    CHECK(count(trust_store::revocation_lists_from_file(directory.write("0", "0 is no tag\n" + pem))) == 2);
    CHECK(count(trust_store::revocation_lists_from_file(directory.write("der", text))) == 2);

    std::error_code ec = make_error_code(errc::not_open);
    const auto clean = [&](const trust_store& trust) {
        CHECK_FALSE(ec);
        CHECK(queue_is_empty());
        CHECK(count(trust) == 2);
        ec = make_error_code(errc::not_open);
    };
    clean(with_stale_errors([&] { return trust_store::revocation_lists_from_pem(pem, ec); }));
    clean(with_stale_errors([&] { return trust_store::revocation_lists_from_der(bytes, ec); }));
    clean(with_stale_errors([&] { return trust_store::revocation_lists_from_file(directory / "der", ec); }));
}

TEST_CASE("a list decides whether a certificate is revoked") {
    const issued good = make_leaf({"a.test"}, &first());
    const issued bad = make_leaf({"b.test"}, &first());
    const auto authority = trust_store::from_pem(first().certificate_pem());
    const auto with = [&](tests::revocation_options options) { return authority + list_of(tests::revoke(first(), options)); };

    const auto current = with({.revoked = {&bad}});
    CHECK(revocation_reason(good, current) == X509_V_OK);
    CHECK(revocation_reason(bad, current) == X509_V_ERR_CERT_REVOKED);
    CHECK(revocation_reason(bad, current, 0) == X509_V_OK);  // nobody asked
    CHECK(revocation_reason(good, authority) == X509_V_ERR_UNABLE_TO_GET_CRL);
    CHECK(revocation_reason(good, authority + list_of(tests::revoke(second()))) == X509_V_ERR_UNABLE_TO_GET_CRL);
    CHECK(revocation_reason(good, with({.begins_in_days = -9, .ends_in_days = -2})) == X509_V_ERR_CRL_HAS_EXPIRED);
    CHECK(revocation_reason(good, with({.begins_in_days = 2})) == X509_V_ERR_CRL_NOT_YET_VALID);
    CHECK(revocation_reason(good, with({.signing_key = second().key.get()})) == X509_V_ERR_CRL_SIGNATURE_FAILURE);
}

TEST_CASE("copies share one store, whoever asks first, and a sum has its own") {
    const auto one = trust_store::from_pem(first().certificate_pem());
    const trust_store copy = one;
    std::array<bssl::UniquePtr<X509_STORE>, 8> stores;
    {
        std::vector<std::thread> threads;
        for (auto& mine : stores) {
            threads.emplace_back([&mine, copy] {
                tls::detail::failure why;
                mine = tls::detail::certificate_store(copy, why);
            });
        }
        for (auto& thread : threads) thread.join();
    }
    REQUIRE(stores[0]);
    for (const auto& store : stores) CHECK(store.get() == stores[0].get());
    CHECK(store_of(one).get() == stores[0].get());
    CHECK(store_of(one + trust_store()).get() == stores[0].get());
    CHECK(store_of(trust_store() + one).get() == stores[0].get());
    CHECK(store_of(one + copy).get() == stores[0].get());
    const auto sum = one + trust_store::from_pem(second().certificate_pem());
    CHECK(store_of(sum).get() != stores[0].get());
    CHECK(store_of(sum).get() == store_of(sum).get());
    CHECK_FALSE(trusts(one, second()));
    CHECK(store_of(trust_store()).get() != store_of(trust_store()).get());
}

TEST_CASE("trust has a digest that its contents decide, and nothing else") {
    const auto digest_of = [](const trust_store& trust) {
        tls::detail::failure why;
        const auto digest = with_stale_errors([&] { return tls::detail::trust_digest(trust, why); });
        CHECK_FALSE(why);
        CHECK(queue_is_empty());
        return digest;
    };
    const auto one = trust_store::from_pem(first().certificate_pem());
    const auto two = trust_store::from_pem(second().certificate_pem());
    CHECK(digest_of(trust_store()) == std::array<std::byte, 32>{});

    // The same in every process: the hash of the certificates' hashes.
    std::array<std::byte, 32> expected{};
    const auto fingerprint = certificate(bssl::UpRef(first().certificate)).sha256();
    REQUIRE(::EVP_Digest(fingerprint.data(), fingerprint.size(), reinterpret_cast<std::uint8_t*>(expected.data()), nullptr,
                         ::EVP_sha256(), nullptr) == 1);
    CHECK(digest_of(one) == expected);
    CHECK(digest_of(one) == expected);

    CHECK(digest_of(trust_store::from_der(der(first()))) == expected);
    CHECK(digest_of(one + trust_store::from_der(der(first()))) == expected);
    CHECK(digest_of(two) != expected);
    CHECK(digest_of(one + two) == digest_of(two + one));
    CHECK(digest_of(one + two) == digest_of(trust_store::from_pem(second().certificate_pem() + first().certificate_pem())));
    CHECK(digest_of(one + two) != expected);

    const auto list = tests::revoke(first());
    CHECK(digest_of(one + list_of(list)) != expected);
    CHECK(digest_of(one + list_of(list)) == digest_of(trust_store::revocation_lists_from_der(list.der()) + one));
    const issued leaf = make_leaf({"a.test"}, &first());
    CHECK(digest_of(one + list_of(tests::revoke(first(), {.revoked = {&leaf}}))) != digest_of(one + list_of(list)));
    // What a trusted certificate is not trusted for is part of what is trusted.
    const auto rejecting = trust_store::from_pem(trusted_certificate_pem(first(), true));
    CHECK(digest_of(rejecting) != digest_of(trust_store::from_pem(trusted_certificate_pem(first(), false))));
    CHECK(digest_of(rejecting) != expected);
}

}  // namespace
