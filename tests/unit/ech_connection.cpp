// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Encrypted Client Hello from one end to the other: what an onlooker sees, what a client is told whose configuration is out of date, and
// whom it believes then.

#include <tls/context.hpp>
#include <tls/ech.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/session.hpp>
#include <tls/stream.hpp>

#include <support/refusal.hpp>
#include <support/resuming.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using tests::resuming_pair;
using tls::ech_key;
using tls::ech_keys;
using tls::engine;
using tls::errc;
using octets = std::vector<std::byte>;

namespace {

const std::error_code none;

// The authority, and a server that has secrets and one that everybody may know of.
struct hosts {
    tests::issued hidden = tests::make_leaf({"hidden.test"}, &tests::test_pki().authority);
    tests::issued open = tests::make_leaf({"public.test"}, &tests::test_pki().authority);
};
const hosts& all_hosts() {
    static const hosts made;
    return made;
}
tls::credential identity(const tests::issued& of) { return tls::credential::from_pem(of.certificate_pem(), of.key_pem()); }

tls::server_options server_options(const ech_keys& keys) {
    auto options = tests::resuming_server();
    options.identity = identity(all_hosts().open);
    options.hosts = {{.names = {}, .identities = {identity(all_hosts().hidden)}}};
    options.ech = keys;
    return options;
}

std::string text_of(std::span<const std::byte> from) { return {reinterpret_cast<const char*>(from.data()), from.size()}; }

std::string first_flight(const tls::client_context& context, std::string_view name, const tls::connection_options& options) {
    engine client(context, name, options);
    CHECK(client.handshake().wants == tls::want::input);
    return text_of(client.output());
}

bool is_ech_rejection(std::error_code ec) {
    return ec.category() == tls::ssl_category() && ERR_GET_REASON(static_cast<std::uint32_t>(ec.value())) == SSL_R_ECH_REJECTED;
}

TEST_CASE("ech: the name is for the server alone", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const tls::client_context client(tests::resuming_client());
    const tls::server_context server(server_options(keys));
    const std::string with = first_flight(client, "hidden.test", {.ech_config_list = keys.config_list()});
    CHECK(with.find("hidden") == std::string::npos);
    CHECK(with.find("public.test") != std::string::npos);
    CHECK(first_flight(client, "hidden.test", {}).find("hidden.test") != std::string::npos);

    const resuming_pair made(client, server, "hidden.test", {.ech_config_list = keys.config_list()});
    REQUIRE(made.complete());
    CHECK(made.client.ech_accepted());
    CHECK(made.server.ech_accepted());
    CHECK(made.client.server_name() == "hidden.test");
    CHECK(made.server.server_name() == "hidden.test");
    CHECK(made.client.peer_certificate()->common_name() == "hidden.test");
    CHECK(made.client.ech_retry_configs().empty());

    const resuming_pair plain(client, server, "hidden.test");
    REQUIRE(plain.complete());
    CHECK_FALSE(plain.client.ech_accepted());
    CHECK_FALSE(plain.server.ech_accepted());
    CHECK(tests::queue_is_empty());
}

TEST_CASE("ech: who has outdated keys is told the right ones, and comes again", "[ech]") {
    const auto mode =
        GENERATE(tls::verify_mode::full, tls::verify_mode::dangerously_chain_only, tls::verify_mode::dangerously_none);
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const ech_keys old({ech_key::generate("public.test", GENERATE(std::uint8_t{1}, std::uint8_t{2}))});
    auto options = tests::resuming_client();
    options.verification = mode;
    const tls::client_context client(options);
    const tls::server_context server(server_options(keys));
    const resuming_pair made(client, server, "hidden.test", {.ech_config_list = old.config_list()});
    CHECK(is_ech_rejection(made.client_error));
    CHECK_FALSE(made.client.version());
    CHECK_FALSE(made.client.ech_accepted());
    CHECK(made.client.read_end() == tls::stream_end::failed);
    CHECK(made.server_error == std::error_code(SSL_AD_ECH_REQUIRED, tls::alert_category()));
    const octets retry = made.client.ech_retry_configs();
    CHECK(retry == keys.config_list());
    const resuming_pair again(client, server, "hidden.test", {.ech_config_list = retry});
    REQUIRE(again.complete());
    CHECK(again.client.ech_accepted());
    CHECK(tests::queue_is_empty());
}

TEST_CASE("ech: what is told to retry with is believed of the public name only", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const ech_keys old({ech_key::generate("public.test", 2)});
    auto options = tests::resuming_client();
    auto for_server = server_options(keys);
    int reason = X509_V_ERR_HOSTNAME_MISMATCH;
    // The hidden name's own certificate does not count either: the server shows that it is not the one that was asked for.
    SECTION("a certificate for another name") { for_server.identity = identity(tests::test_pki().server); }
    SECTION("a certificate for the hidden name") { for_server.identity = identity(all_hosts().hidden); }
    SECTION("a certificate for the hidden name, and names do not matter otherwise") {
        for_server.identity = identity(all_hosts().hidden);
        options.verification = tls::verify_mode::dangerously_chain_only;
    }
    SECTION("a certificate with the public name where it does not count") {
        tests::certificate_options common_name_only;
        common_name_only.common_name = "public.test";
        common_name_only.extended_key_usage = "serverAuth";
        for_server.identity = identity(tests::issue_certificate(std::move(common_name_only), &tests::test_pki().authority));
        options.verification = GENERATE(tls::verify_mode::full, tls::verify_mode::dangerously_chain_only);
    }
    SECTION("a certificate of nobody's") {
        for_server.identity = identity(tests::make_leaf({"public.test"}));
        reason = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    }
    const resuming_pair made(tls::client_context(options), tls::server_context(for_server), "hidden.test",
                             {.ech_config_list = old.config_list()});
    CHECK(made.client_error == std::error_code(reason, tls::verify_category()));
    CHECK(made.client.ech_retry_configs().empty());
    REQUIRE(made.client.verify_failure());
    CHECK(made.client.verify_failure()->depth == 0);
    CHECK(made.server_error.category() == tls::alert_category());
}

TEST_CASE("ech: a verifier is asked about the public name when the server did not understand", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const ech_keys old({ech_key::generate("public.test", 2)});
    std::vector<std::string> asked;
    auto options = tests::resuming_client();
    options.verify = [&](const tls::verification& about) {
        asked.emplace_back(about.server_name());
        about.accept();
    };
    const tls::client_context client(options);
    const tls::server_context server(server_options(keys));
    CHECK(is_ech_rejection(resuming_pair(client, server, "hidden.test", {.ech_config_list = old.config_list()}).client_error));
    CHECK(resuming_pair(client, server, "hidden.test", {.ech_config_list = keys.config_list()}).complete());
    CHECK(asked == std::vector<std::string>{"public.test", "hidden.test"});
}

TEST_CASE("ech: a server without it has nothing to tell", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    auto options = server_options(keys);
    options.ech.reset();
    const tls::client_context client(tests::resuming_client());
    const resuming_pair made(client, tls::server_context(options), "hidden.test", {.ech_config_list = keys.config_list()});
    CHECK(is_ech_rejection(made.client_error));
    CHECK(made.client.ech_retry_configs().empty());
    CHECK_FALSE(made.client.version());
    // TLS 1.2 has no ECH: to go on would be to give the name away.
    options.max_version = options.min_version = tls::protocol_version::tls1_2;
    auto either = tests::resuming_client();
    either.min_version = tls::protocol_version::tls1_2;
    const resuming_pair old(tls::client_context(either), tls::server_context(options), "hidden.test",
                            {.ech_config_list = keys.config_list()});
    CHECK(is_ech_rejection(old.client_error));
}

TEST_CASE("ech: no identity of the client's goes to a server that did not understand", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const ech_keys old({ech_key::generate("public.test", 2)});
    auto options = tests::resuming_client();
    options.identity = identity(tests::test_pki().client);
    auto for_server = server_options(keys);
    for_server.authentication = tls::client_auth::optional;
    for_server.trust = options.trust;
    int asked = 0;
    for_server.verify = [&](const tls::verification& about) {
        ++asked;
        about.accept();
    };
    const tls::client_context client(options);
    const tls::server_context server(for_server);
    CHECK(is_ech_rejection(resuming_pair(client, server, "hidden.test", {.ech_config_list = old.config_list()}).client_error));
    CHECK(asked == 0);
    CHECK(resuming_pair(client, server, "hidden.test", {.ech_config_list = keys.config_list()}).complete());
    CHECK(asked == 1);
}

TEST_CASE("ech: what means nothing looks like what does, and does no harm", "[ech]") {
    auto options = tests::resuming_client();
    options.ech_grease = true;
    const tls::client_context client(options);
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const std::string extension("\xFE\x0D", 2);  // encrypted_client_hello, RFC 9849 11.1
    const tls::client_context plain(tests::resuming_client());
    CHECK(first_flight(client, "hidden.test", {}).find(extension) != std::string::npos);
    CHECK(first_flight(client, "hidden.test", {}).find("hidden.test") != std::string::npos);
    auto without = server_options(keys);
    without.ech.reset();
    for (const auto& server : {tls::server_context(server_options(keys)), tls::server_context(without)}) {
        const resuming_pair made(client, server, "hidden.test");
        REQUIRE(made.complete());
        CHECK_FALSE(made.client.ech_accepted());
        CHECK_FALSE(made.server.ech_accepted());
        CHECK(made.client.ech_retry_configs().empty());
    }
    // With a configuration it is the real one.
    const resuming_pair made(client, tls::server_context(server_options(keys)), "hidden.test",
                             {.ech_config_list = keys.config_list()});
    REQUIRE(made.complete());
    CHECK(made.client.ech_accepted());
}

TEST_CASE("ech: what is no list of configurations is refused by name", "[ech]") {
    const tls::client_context client(tests::resuming_client());
    const octets good = ech_keys({ech_key::generate("public.test", 1)}).config_list();
    const auto check = [&](const octets& bad) {
        tests::check_refused(errc::invalid_ech, [&](auto&... ec) {
            return tests::with_stale_errors([&] {
                if constexpr (sizeof...(ec) == 0) return engine(client, "hidden.test", {.ech_config_list = bad});
                else return engine::create(client, "hidden.test", {.ech_config_list = bad}, ec...);
            });
        });
        std::error_code ec;
        tests::memory_network net;
        using stream = tests::session<>::stream_type;
        CHECK_FALSE(stream::create(net.a().socket(), client, "hidden.test", {.ech_config_list = bad}, ec));
        CHECK(ec == errc::invalid_ech);
    };
    for (const std::size_t size : {1u, 2u, 3u, 20u}) check({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)});
    check({good.begin(), good.end() - 1});
    auto longer = good;
    longer.push_back(std::byte{0});
    check(longer);
    check({good.begin() + 2, good.end()});
    check(octets(40, std::byte{0x41}));
    // Nothing at all is no configuration, and no ECH.
    CHECK(engine(client, "hidden.test", {.ech_config_list = {}}));
}

TEST_CASE("ech: a name is never sent in the open because no configuration is of use", "[ech]") {
    const tls::client_context client(tests::resuming_client());
    const octets good = ech_keys({ech_key::generate("public.test", 1)}).config_list();
    // ECHConfigList (RFC 9849 4): length, version, length, config_id, KEM, public key, cipher suites, maximum_name_length, public_name,
    // extensions.
    constexpr std::size_t version = 2, kem = 7, suites = 9 + 2 + 32 + 2;
    const std::size_t suites_size = std::to_integer<std::size_t>(good[suites - 1]);
    const std::size_t name = suites + suites_size + 2;
    REQUIRE(text_of(good).substr(name, 11) == "public.test");
    REQUIRE(good.size() == name + 11 + 2);
    const auto changed = [&](std::size_t at, int mask) {
        octets list = good;
        list[at] ^= static_cast<std::byte>(mask);
        return list;
    };
    std::vector<octets> useless{changed(version + 1, 1), changed(kem + 1, 1)};
    octets no_suite = good;
    for (std::size_t i = 0; i != suites_size; i += 4) no_suite[suites + i + 1] = std::byte{0x7F};
    useless.push_back(no_suite);
    no_suite = good;
    for (std::size_t i = 0; i != suites_size; i += 4) no_suite[suites + i + 3] = std::byte{0x7F};
    useless.push_back(no_suite);
    // Public names that are none: "-ublic.test", "publi-.test", "public.-est", "public.tes-", "p_blic.test", "public.t..t", "public.1234".
    for (const auto& [at, text] : std::vector<std::pair<std::size_t, std::string>>{
             {0, "-"}, {5, "-"}, {7, "-"}, {10, "-"}, {1, "_"}, {8, ".."}, {7, "1234"}}) {
        octets list = good;
        for (std::size_t i = 0; i != text.size(); ++i) list[name + at + i] = static_cast<std::byte>(text[i]);
        useless.push_back(list);
    }
    // An extension that must be understood, and one that need not be.
    const auto with_extension = [&](unsigned char first) {
        octets list = good;
        for (const std::size_t length : {std::size_t{0}, version + 2}) {
            const auto size = std::to_integer<unsigned>(list[length]) * 256 + std::to_integer<unsigned>(list[length + 1]) + 4;
            list[length] = static_cast<std::byte>(size / 256);
            list[length + 1] = static_cast<std::byte>(size % 256);
        }
        list.back() = std::byte{4};
        for (const unsigned char c :
             {first, static_cast<unsigned char>(7), static_cast<unsigned char>(0), static_cast<unsigned char>(0)}) {
            list.push_back(static_cast<std::byte>(c));
        }
        return list;
    };
    useless.push_back(with_extension(0x80));
    const auto hides = [&](const octets& list) {
        std::error_code ec;
        engine made = engine::create(client, "hidden.test", {.ech_config_list = list}, ec);
        CHECK(static_cast<bool>(made) == !ec);
        if (!made) return false;
        CHECK(made.handshake().wants == tls::want::input);
        CHECK(text_of(made.output()).find("hidden.test") == std::string::npos);
        return true;
    };
    CHECK(hides(good));
    CHECK(hides(with_extension(0x00)));
    for (std::size_t i = 0; i != useless.size(); ++i) {
        CAPTURE(i);
        CHECK_FALSE(hides(useless[i]));
        tests::check_refused(errc::invalid_ech, [&](auto&... ec) {
            if constexpr (sizeof...(ec) == 0) return engine(client, "hidden.test", {.ech_config_list = useless[i]});
            else return engine::create(client, "hidden.test", {.ech_config_list = useless[i]}, ec...);
        });
        // One that is of use suffices.
        octets both = useless[i];
        both.insert(both.end(), good.begin() + 2, good.end());
        const std::size_t size = both.size() - 2;
        both[0] = static_cast<std::byte>(size / 256);
        both[1] = static_cast<std::byte>(size % 256);
        CHECK(hides(both));
    }
    // TLS 1.2 has none at all.
    const tls::client_context old(tests::resuming_client(tls::protocol_version::tls1_2));
    tests::check_refused(errc::not_supported, [&](auto&... ec) {
        if constexpr (sizeof...(ec) == 0) return engine(old, "hidden.test", {.ech_config_list = good});
        else return engine::create(old, "hidden.test", {.ech_config_list = good}, ec...);
    });
}

TEST_CASE("ech: virtual hosts are chosen by the name that nobody else sees", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    auto options = server_options(keys);
    options.hosts.push_back(
        {.names = {"*.wild.test"}, .identities = {identity(tests::make_leaf({"*.wild.test"}, &tests::test_pki().authority))}});
    options.unknown_names = tls::unknown_name::refuse;
    std::vector<std::string> seen;
    options.select_alpn = [&](const std::vector<std::string>&, std::string_view name) {
        seen.emplace_back(name);
        return std::string("h2");
    };
    auto for_client = tests::resuming_client();
    for_client.alpn = {"h2"};
    const tls::client_context client(for_client);
    const tls::server_context server(options);
    const tls::connection_options hiding{.ech_config_list = keys.config_list()};
    for (const char* const name : {"hidden.test", "a.wild.test"}) {
        const resuming_pair made(client, server, name, hiding);
        REQUIRE(made.complete());
        CHECK(made.client.ech_accepted());
        CHECK(made.server.server_name() == name);
    }
    CHECK(seen == std::vector<std::string>{"hidden.test", "a.wild.test"});
    const resuming_pair unknown(client, server, "unknown.test", hiding);
    CHECK(unknown.client_error == std::error_code(SSL_AD_UNRECOGNIZED_NAME, tls::alert_category()));
    CHECK(unknown.server_error == errc::identity_refused);
}

TEST_CASE("ech: sessions are resumed behind it", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const tls::connection_options hiding{.ech_config_list = keys.config_list()};
    auto options = tests::resuming_client();
    options.early_data = true;
    auto for_server = server_options(keys);
    for_server.early_data = true;
    const tls::client_context client(options);
    const tls::server_context server(for_server);
    const resuming_pair full(client, server, "hidden.test", hiding);
    REQUIRE(full.complete());
    REQUIRE(full.client.session());
    auto again = hiding;
    again.resume = full.client.session();
    const resuming_pair made(client, server, "hidden.test", again);
    CHECK(made.resumed());
    CHECK(made.client.ech_accepted());
    // Early data too.
    again.resume = made.client.session();
    engine near(client, "hidden.test", again);
    engine far(server);
    CHECK(near.write_early("early").bytes == 5);
    CHECK(text_of(near.output()).find("hidden") == std::string::npos);
    tests::carry(near, far);
    std::array<char, 10> some;
    CHECK(far.read_early(some).bytes == 5);
    tests::carry(far, near);
    CHECK(near.handshake().wants == tls::want::nothing);
    CHECK(near.ech_accepted());
    CHECK(near.early_data_accepted());
}

TEST_CASE("ech: early data of a client that was not understood goes nowhere", "[ech]") {
    ech_keys keys({ech_key::generate("public.test", 1)});
    auto options = tests::resuming_client();
    options.early_data = true;
    auto for_server = server_options(keys);
    for_server.early_data = true;
    const tls::client_context client(options);
    const tls::server_context server(for_server);
    tls::connection_options hiding{.ech_config_list = keys.config_list()};
    hiding.resume = tests::new_session(client, server, "hidden.test");
    REQUIRE(hiding.resume.early_data_capable());
    keys.set({ech_key::generate("public.test", 2)});
    engine near(client, "hidden.test", hiding);
    engine far(server);
    CHECK(near.write_early("early").bytes == 5);
    std::array<char, 10> some;
    std::error_code ec;
    for (int i = 0; i != 3; ++i) {
        tests::carry(near, far);
        const auto step = far.read_early(some);
        CHECK(step.bytes == 0);
        tests::carry(far, near);
        ec = near.handshake().error;
    }
    CHECK(is_ech_rejection(ec));
    CHECK(near.early_data_resent() == 0);
    CHECK(near.ech_retry_configs() == keys.config_list());
}

TEST_CASE("ech: keys rotate while a context serves", "[ech]") {
    const ech_key first = ech_key::generate("public.test", 1);
    const ech_key second = ech_key::generate("public.test", 2);
    ech_keys keys({first});
    const tls::client_context client(tests::resuming_client());
    const octets first_list = keys.config_list();
    tls::server_context server(server_options(keys));
    const tls::server_context copy(server);
    const auto accepted = [&](const octets& list) {
        return resuming_pair(client, copy, "hidden.test", {.ech_config_list = list}).client.ech_accepted();
    };
    CHECK(accepted(first_list));
    keys.set({second, first});
    const octets second_list = keys.config_list();
    CHECK(accepted(first_list));
    CHECK(accepted(second_list));
    keys.set({second});
    CHECK_FALSE(accepted(first_list));
    CHECK(accepted(second_list));
    // A connection that has begun outlives its context, and rotation goes on without it.
    {
        engine near(client, "hidden.test", {.ech_config_list = second_list});
        auto far = [&] {
            const tls::server_context gone(server_options(keys));
            return engine(gone);
        }();
        CHECK(near.handshake().wants == tls::want::input);
        tests::carry(near, far);
        CHECK(far.handshake().wants == tls::want::input);
        keys.set({first});
        tests::carry(far, near);
        CHECK(near.handshake().wants == tls::want::nothing);
        CHECK(near.ech_accepted());
    }
    keys.set({second});
    CHECK(accepted(second_list));
}

TEST_CASE("ech: keys rotate in one thread while others serve", "[ech][threads]") {
    const ech_key stays = ech_key::generate("public.test", 1);
    ech_keys keys({stays});
    const octets list = keys.config_list();
    const tls::client_context client(tests::resuming_client());
    const tls::server_context server(server_options(keys));
    std::atomic<int> at_work = 2;
    std::atomic<int> accepted = 0;
    const auto serve = [&] {
        for (int i = 0; i != 10; ++i) {
            const resuming_pair made(client, server, "hidden.test", {.ech_config_list = list});
            accepted += made.server.ech_accepted() ? 1 : 0;
            const tls::server_context own(server_options(keys));
        }
        --at_work;
    };
    std::thread one(serve);
    std::thread other(serve);
    for (std::uint8_t id = 2; at_work != 0; ++id) {
        keys.set({ech_key::generate("public.test", id), stays});
        std::this_thread::yield();
    }
    one.join();
    other.join();
    CHECK(accepted == 20);
}

TEST_CASE("ech: over a stream, which tells what to retry with", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const ech_keys old({ech_key::generate("public.test", 2)});
    const tls::client_context client(tests::resuming_client());
    const tls::server_context server(server_options(keys));
    using stream = tests::session<>::stream_type;
    octets list = old.config_list();
    for (const bool understood : {false, true}) {
        tests::memory_network net;
        auto socket = net.b().non_blocking_socket();
        stream far(std::move(socket), server);
        net.a().pump([&] {
            std::error_code ignored;
            far.handshake(ignored);
        });
        stream near(net.a().socket(), client, "hidden.test", {.ech_config_list = list});
        std::error_code ec;
        near.handshake(ec);
        CHECK(is_ech_rejection(ec) != understood);
        CHECK(near.ech_accepted() == understood);
        CHECK(near.details().empty() == understood);
        if (!understood) list = near.ech_retry_configs();
        const auto sent = net.a().sent();
        CHECK(text_of(sent).find("hidden") == std::string::npos);
    }
}

}  // namespace
