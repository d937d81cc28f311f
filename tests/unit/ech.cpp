// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Keys for Encrypted Client Hello as values, and what real handshakes make of them, before and after a rotation.

#include <tls/ech.hpp>

#include <support/raw_resumption.hpp>
#include <support/refusal.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using tests::check_refused;
using tests::queue_is_empty;
using tests::with_stale_errors;
using tls::ech_key;
using tls::ech_keys;
using tls::errc;
using bytes = std::vector<std::byte>;

static_assert(std::is_nothrow_default_constructible_v<ech_key> && std::is_nothrow_move_constructible_v<ech_key>);
static_assert(std::is_nothrow_move_constructible_v<ech_keys>);
static_assert(!std::is_convertible_v<ech_key, bool> && !std::is_convertible_v<ech_keys, bool>);
static_assert(!std::is_convertible_v<std::vector<ech_key>, ech_keys>);

const std::string hidden = "hidden.test";

std::string text(const bytes& of) { return {reinterpret_cast<const char*>(of.data()), of.size()}; }

// What came of a connection to `hidden` with a configuration list.
struct attempt {
    std::string client;  // raw_peer::account
    bool client_accepted = false;
    bool server_accepted = false;
    std::string server_saw;  // the name
    bytes retry;             // the configurations that a server which could not open it told of
    std::string wire;
};

attempt try_ech(const bytes& list, const ech_keys* keys) {
    attempt made;
    const auto raw =
        tests::connect_raw({.server_name = hidden,
                            .prepare_client =
                                [&](SSL* ssl) {
                                    const auto* const data = reinterpret_cast<const std::uint8_t*>(list.data());
                                    if (::SSL_set1_ech_config_list(ssl, data, list.size()) != 1)
                                        throw std::runtime_error("SSL_set1_ech_config_list");
                                },
                            .prepare_server =
                                [&](SSL* ssl) {
                                    if (keys == nullptr) return;
                                    SSL_CTX* const ctx = ::SSL_get_SSL_CTX(ssl);
                                    tls::detail::failure why;
                                    tls::detail::attach(*keys, ctx, why);
                                    if (why) why.raise();
                                    tls::detail::detach(*keys, ctx);  // it keeps what it has
                                }},
                           [&](SSL* client, SSL* server) {
                               made.client_accepted = ::SSL_ech_accepted(client) == 1;
                               made.server_accepted = ::SSL_ech_accepted(server) == 1;
                               if (const char* const name = ::SSL_get_servername(server, TLSEXT_NAMETYPE_host_name))
                                   made.server_saw = name;
                               if (made.client_accepted) return;
                               const std::uint8_t* data = nullptr;
                               std::size_t size = 0;
                               ::SSL_get0_ech_retry_configs(client, &data, &size);
                               const auto retry = std::as_bytes(std::span(data, size));
                               made.retry.assign(retry.begin(), retry.end());
                           });
    made.client = raw.client;
    made.wire = raw.wire;
    return made;
}

bool accepted(const bytes& list, const ech_keys& keys) {
    const attempt made = try_ech(list, &keys);
    CHECK(made.client_accepted == made.server_accepted);
    return made.client_accepted;
}

// A server's context that has the keys while it lives.
class attached_context {
public:
    explicit attached_context(const ech_keys& keys) : keys_(keys), ctx_(::SSL_CTX_new(::TLS_method())) {
        const auto& identity = tests::test_pki().server;
        REQUIRE(::SSL_CTX_use_certificate(ctx_.get(), identity.certificate.get()) == 1);
        REQUIRE(::SSL_CTX_use_PrivateKey(ctx_.get(), identity.key.get()) == 1);
        tls::detail::failure why;
        with_stale_errors([&] { tls::detail::attach(keys_, ctx_.get(), why); });
        REQUIRE_FALSE(why);
        CHECK(queue_is_empty());
    }
    ~attached_context() { detach(); }
    attached_context(const attached_context&) = delete;
    attached_context& operator=(const attached_context&) = delete;

    void detach() noexcept { tls::detail::detach(keys_, ctx_.get()); }

    // Does a handshake with it open what was made for this configuration?
    [[nodiscard]] bool opens(const bytes& list) const {
        const bssl::UniquePtr<SSL_CTX> client_ctx(::SSL_CTX_new(::TLS_method()));
        const bssl::UniquePtr<SSL> client(::SSL_new(client_ctx.get()));
        const bssl::UniquePtr<SSL> server(::SSL_new(ctx_.get()));
        BIO* client_end = nullptr;
        BIO* server_end = nullptr;
        if (!client || !server || ::BIO_new_bio_pair(&client_end, 0, &server_end, 0) != 1) throw std::bad_alloc();
        ::SSL_set_bio(client.get(), client_end, client_end);
        ::SSL_set_bio(server.get(), server_end, server_end);
        ::SSL_set_connect_state(client.get());
        ::SSL_set_accept_state(server.get());
        ::SSL_set_tlsext_host_name(client.get(), hidden.c_str());
        ::SSL_set1_ech_config_list(client.get(), reinterpret_cast<const std::uint8_t*>(list.data()), list.size());
        for (int i = 0; i != 4; ++i) {
            ::SSL_do_handshake(client.get());
            ::SSL_do_handshake(server.get());
        }
        ::ERR_clear_error();
        return ::SSL_ech_accepted(server.get()) == 1;
    }

private:
    ech_keys keys_;
    bssl::UniquePtr<SSL_CTX> ctx_;
};

TEST_CASE("an ECH key is a configuration and its private key", "[ech]") {
    std::error_code ec = errc::truncated;
    const ech_key key = with_stale_errors([&] { return ech_key::generate("public.test", 7, ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    REQUIRE(key);
    CHECK(key.private_key().size() == 32);
    const std::string config = text(key.config());
    CHECK(config.substr(0, 2) == "\xFE\x0D");  // version (RFC 9849 4), length, config_id
    CHECK(config[4] == 7);
    CHECK(config.find("public.test") != std::string::npos);
    CHECK(config.find(text(key.private_key())) == std::string::npos);

    const ech_key other = ech_key::generate("public.test", 7);
    CHECK(other != key);
    CHECK(other.private_key() != key.private_key());

    ec = errc::truncated;
    const ech_key again = with_stale_errors([&] { return ech_key::from_bytes(key.config(), key.private_key(), ec); });
    CHECK_FALSE(ec);
    CHECK(queue_is_empty());
    CHECK(again == key);
    CHECK(again.private_key() == key.private_key());
    CHECK(accepted(ech_keys({key}).config_list(), ech_keys({again})));
}

TEST_CASE("how long hidden names are is part of the configuration", "[ech]") {
    // The octet before the public name's length.
    const auto length_in = [](const ech_key& key) {
        const std::string config = text(key.config());
        return static_cast<unsigned char>(config.at(config.find("public.test") - 2));
    };
    CHECK(length_in(ech_key::generate("public.test", 1)) == 64);
    CHECK(length_in(ech_key::generate("public.test", 1, 255)) == 255);
    std::error_code ec;
    CHECK(length_in(ech_key::generate("public.test", 1, ec)) == 64);
    CHECK(length_in(ech_key::generate("public.test", 1, 0, ec)) == 0);
    CHECK_FALSE(ec);
    check_refused(errc::invalid_ech,
                  [](auto&... e) { return with_stale_errors([&] { return ech_key::generate("public.test", 1, 256, e...); }); });
}

TEST_CASE("what is no DNS name is no public name", "[ech]") {
    using namespace std::string_view_literals;
    for (const std::string_view name :
         {""sv, "."sv, ".test"sv, "test."sv, "a..test"sv, "-a.test"sv, "a-.test"sv, "a b.test"sv, "a_b.test"sv, "127.0.0.1"sv,
          "0x7f"sv, "public.test\0"sv, "public.test\0.evil"sv, "\xC3\xA4.test"sv}) {
        CAPTURE(name);
        check_refused(errc::invalid_ech,
                      [&](auto&... ec) { return with_stale_errors([&] { return ech_key::generate(name, 1, ec...); }); });
    }
    check_refused(errc::invalid_ech, [&](auto&... ec) { return ech_key::generate(std::string(64, 'a') + ".test", 1, ec...); });
    check_refused(errc::invalid_ech, [&](auto&... ec) { return ech_key::generate(std::string(300, 'a'), 1, ec...); });
    CHECK(ech_key::generate(std::string(63, 'a') + ".test", 1));
    // Not more of the text than it says.
    CHECK(text(ech_key::generate("public.test.more"sv.substr(0, 11), 1).config()).find("more") == std::string::npos);
}

TEST_CASE("halves that do not belong together, or are damaged, are no ECH key", "[ech]") {
    const ech_key key = ech_key::generate("public.test", 1);
    const ech_key other = ech_key::generate("public.test", 1);
    const bytes config = key.config();
    const bytes secret = key.private_key();
    const auto check_no_key = [](const bytes& a, const bytes& b) {
        check_refused(errc::invalid_ech,
                      [&](auto&... ec) { return with_stale_errors([&] { return ech_key::from_bytes(a, b, ec...); }); });
    };
    check_no_key(config, other.private_key());
    check_no_key(other.config(), secret);
    check_no_key(secret, config);
    check_no_key(config, {});
    check_no_key({}, secret);
    for (std::size_t size = 0; size != config.size(); ++size)
        check_no_key({config.begin(), config.begin() + static_cast<long>(size)}, secret);
    auto longer = config;
    longer.push_back(std::byte{0});
    check_no_key(longer, secret);
    for (const std::size_t size : {1u, 31u, 33u}) check_no_key(config, bytes(size, std::byte{1}));
    // The list has a length in front.
    check_no_key(ech_keys({key}).config_list(), secret);
    // Another version, another KEM.
    for (const std::size_t at : {std::size_t{0}, std::size_t{5}}) {
        auto changed = config;
        changed[at] ^= std::byte{1};
        check_no_key(changed, secret);
    }
}

TEST_CASE("an empty ECH key has nothing", "[ech]") {
    ech_key key = ech_key::generate("public.test", 1);
    const ech_key copy = key;
    const ech_key moved = std::move(key);
    CHECK(moved == copy);
    for (const ech_key& empty : {ech_key(), key}) {  // NOLINT(bugprone-use-after-move)
        CHECK_FALSE(empty);
        CHECK(empty.config().empty());
        CHECK(empty.private_key().empty());
        CHECK(empty == ech_key());
        CHECK(empty != copy);
    }
}

TEST_CASE("a server's ECH keys are checked", "[ech]") {
    const ech_key a = ech_key::generate("public.test", 1);
    const ech_key b = ech_key::generate("public.test", 2);
    ech_keys keys({a, b});
    CHECK(keys.keys() == std::vector{a, b});
    for (const std::vector<ech_key>& bad : {std::vector<ech_key>{}, {ech_key()}, {a, ech_key()}}) {
        CAPTURE(bad.size());
        check_refused(errc::invalid_ech, [&](auto&... ec) {
            return with_stale_errors([&] {
                if constexpr (sizeof...(ec) == 0) return ech_keys(bad);
                else return ech_keys::create(bad, ec...);
            });
        });
        check_refused(errc::invalid_ech, [&](auto&... ec) { with_stale_errors([&] { keys.set(bad, ec...); }); });
        CHECK(keys.keys() == std::vector{a, b});
    }
    std::error_code ec = errc::truncated;
    CHECK(ech_keys::create({a}, ec).keys() == std::vector{a});
    CHECK_FALSE(ec);
    ec = errc::truncated;
    keys.set({b}, ec);
    CHECK_FALSE(ec);
    CHECK(keys.keys() == std::vector{b});
}

TEST_CASE("clients are told of the first ECH key alone", "[ech]") {
    const ech_key a = ech_key::generate("public.test", 1);
    const ech_key b = ech_key::generate("public.test", 2);
    const bytes list = ech_keys({a, b}).config_list();
    REQUIRE(list.size() == a.config().size() + 2);
    CHECK(bytes(list.begin() + 2, list.end()) == a.config());
    CHECK(std::to_integer<std::size_t>(list[0]) * 256 + std::to_integer<std::size_t>(list[1]) == a.config().size());
}

TEST_CASE("copies of ECH keys are the same keys, and moving leaves none", "[ech]") {
    const ech_key next = ech_key::generate("public.test", 2);
    ech_keys keys({ech_key::generate("public.test", 1)});
    const ech_keys copy = keys;
    keys.set({next});
    CHECK(copy.keys() == std::vector{next});
    const ech_keys moved = std::move(keys);
    CHECK(moved.keys() == copy.keys());
    CHECK_FALSE(keys);  // NOLINT(bugprone-use-after-move)
    check_refused(errc::not_open, [&](auto&... ec) { keys.set({next}, ec...); });
    CHECK_THROWS_AS(keys.keys(), tls::error);
    CHECK_THROWS_AS(keys.config_list(), tls::error);
    tls::detail::failure why;
    const bssl::UniquePtr<SSL_CTX> ctx(::SSL_CTX_new(::TLS_method()));
    tls::detail::attach(keys, ctx.get(), why);
    CHECK(why.code == errc::not_open);
    tls::detail::detach(keys, ctx.get());
}

TEST_CASE("the name that is asked for is seen by the server alone", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1)});
    const attempt made = try_ech(keys.config_list(), &keys);
    CHECK(made.client == "handshake, data 1");
    CHECK(made.client_accepted);
    CHECK(made.server_accepted);
    CHECK(made.server_saw == hidden);
    CHECK(made.wire.find("public.test") != std::string::npos);
    CHECK(made.wire.find(hidden) == std::string::npos);
}

TEST_CASE("a client with another server's ECH configuration is told the right one", "[ech]") {
    const ech_keys keys({ech_key::generate("public.test", 1), ech_key::generate("public.test", 2)});
    // Another id, and the same id with another key.
    for (const std::uint8_t id : {std::uint8_t{9}, std::uint8_t{1}}) {
        const ech_keys others({ech_key::generate("public.test", id)});
        const attempt made = try_ech(others.config_list(), &keys);
        CHECK(made.client == "error ECH_REJECTED");
        CHECK_FALSE(made.client_accepted);
        CHECK_FALSE(made.server_accepted);
        CHECK(made.server_saw == "public.test");
        CHECK(made.wire.find(hidden) == std::string::npos);
        CHECK(made.retry == keys.config_list());
        CHECK(accepted(made.retry, keys));
    }
    // A server without keys has nothing to tell.
    const attempt without = try_ech(keys.config_list(), nullptr);
    CHECK(without.client == "error ECH_REJECTED");
    CHECK(without.retry.empty());
}

TEST_CASE("ECH keys rotate in contexts that are in use", "[ech]") {
    const ech_key first = ech_key::generate("public.test", 1);
    const ech_key second = ech_key::generate("public.test", 2);
    ech_keys keys({first});
    const bytes first_list = keys.config_list();
    const bytes second_list = ech_keys({second}).config_list();
    const attached_context one(keys);
    const attached_context other(keys);
    for (const auto* const ctx : {&one, &other}) {
        CHECK(ctx->opens(first_list));
        CHECK_FALSE(ctx->opens(second_list));
    }
    keys.set({first, second});  // known, not told
    CHECK(keys.config_list() == first_list);
    for (const auto* const ctx : {&one, &other}) {
        CHECK(ctx->opens(first_list));
        CHECK(ctx->opens(second_list));
    }
    keys.set({second, first});  // told
    CHECK(keys.config_list() == second_list);
    for (const auto* const ctx : {&one, &other}) {
        CHECK(ctx->opens(first_list));
        CHECK(ctx->opens(second_list));
    }
    keys.set({second});
    for (const auto* const ctx : {&one, &other}) {
        CHECK_FALSE(ctx->opens(first_list));
        CHECK(ctx->opens(second_list));
    }
    // A set that fails changes nothing there either.
    CHECK_THROWS_AS(keys.set({first, ech_key()}), tls::error);
    CHECK_FALSE(one.opens(first_list));
    CHECK(one.opens(second_list));
}

TEST_CASE("a context that is detached gets no other ECH keys", "[ech]") {
    ech_keys keys({ech_key::generate("public.test", 1)});
    const bytes before = keys.config_list();
    attached_context ctx(keys);
    {
        const attached_context gone(keys);
    }
    ctx.detach();
    keys.set({ech_key::generate("public.test", 2)});  // and does not touch what is gone
    CHECK(ctx.opens(before));
    CHECK_FALSE(ctx.opens(keys.config_list()));
}

TEST_CASE("a context may be detached while its extra data is freed", "[ech]") {
    static ech_keys keys({ech_key::generate("public.test", 1)});
    struct leave {
        static void now(void*, void* ctx, CRYPTO_EX_DATA*, int, long, void*) {
            if (ctx != nullptr) tls::detail::detach(keys, static_cast<SSL_CTX*>(ctx));
        }
    };
    static const int index = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &leave::now);
    bssl::UniquePtr<SSL_CTX> ctx(::SSL_CTX_new(::TLS_method()));
    REQUIRE(::SSL_CTX_set_ex_data(ctx.get(), index, ctx.get()) == 1);
    tls::detail::failure why;
    tls::detail::attach(keys, ctx.get(), why);
    ctx.reset();
    keys.set({ech_key::generate("public.test", 2)});
    CHECK(keys.keys().size() == 1);
}

TEST_CASE("ECH keys rotate while servers use them", "[ech][threads]") {
    const ech_key stays = ech_key::generate("public.test", 1);
    ech_keys keys({stays});
    const bytes list = keys.config_list();
    const attached_context ctx(keys);
    std::atomic<int> opened = 0;
    std::atomic<bool> done = false;
    const auto serve = [&] {
        for (int i = 0; i != 15; ++i) {
            if (ctx.opens(list)) ++opened;
            const attached_context own(keys);
            if (own.opens(list)) ++opened;
        }
    };
    (void)tests::test_pki();
    std::thread rotating([&] {
        for (std::uint8_t id = 2; !done; ++id) {
            keys.set({ech_key::generate("public.test", id), stays});
            std::this_thread::yield();
        }
    });
    serve();
    done = true;
    rotating.join();
    CHECK(opened == 30);
}

}  // namespace
