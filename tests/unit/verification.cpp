// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

#include <tls/verification.hpp>

#include <tls/alert.hpp>
#include <tls/certificate.hpp>
#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/error.hpp>
#include <tls/pinned_keys.hpp>
#include <tls/split.hpp>
#include <tls/stream.hpp>
#include <tls/trust.hpp>

#include <support/engines.hpp>
#include <support/revocation.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <future>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using tls::errc;
using tls::revocation_check;
using tls::verification;
using tls::verify_mode;
using tls::want;

namespace {

using memory_stream = tls::stream<tests::memory_socket>;

const std::error_code none;

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

std::error_code refused(int reason) { return {reason, tls::verify_category()}; }
std::error_code alerted(tls::alert value) { return {static_cast<int>(value), tls::alert_category()}; }

tls::trust_store trust_in(std::initializer_list<const tests::issued*> authorities) {
    std::string pem;
    for (const tests::issued* one : authorities) pem += one->certificate_pem();
    return tls::trust_store::from_pem(pem);
}
tls::trust_store trust() { return trust_in({&tests::test_pki().authority}); }
tls::trust_store strangers() {
    static const tests::issued stranger = tests::make_authority("Another CA");
    return trust_in({&stranger});
}
tls::credential identity_of(const tests::issued& one, const std::string& more = {}) {
    return tls::credential::from_pem(one.certificate_pem() + more, one.key_pem());
}
tls::certificate certificate_of(const tests::issued& one) { return tls::certificate(bssl::UpRef(one.certificate)); }

// Contexts that speak that version only.
tls::client_context context_of(tls::protocol_version version, tls::client_options options) {
    options.min_version = options.max_version = version;
    return tls::client_context(options);
}
tls::server_context context_of(tls::protocol_version version, tls::server_options options) {
    options.min_version = options.max_version = version;
    return tls::server_context(options);
}

// A handshake with a server whose certificate is for localhost.
tests::engine_handshake connect(tls::protocol_version version, tls::client_options options,
                                std::string_view name = "localhost") {
    return {context_of(version, std::move(options)), tests::server_of(version), name};
}

// Keeps what it is asked.
struct keeper {
    std::vector<verification> asked;

    tls::verifier verifier() {
        return [this](verification one) { asked.push_back(std::move(one)); };
    }
    // The last handle goes.
    void answer(void (*how)(const verification&)) {
        const auto taken = std::exchange(asked, {});
        how(taken.at(0));
    }
};
void accept(const verification& one) { one.accept(); }
void deny(const verification& one) { one.reject(tls::alert::access_denied); }
void forget(const verification&) {}

TEST_CASE("verifier: it is asked once, and sees what there is to see") {
    const auto version = any_version();
    keeper kept;
    auto both = connect(version, {.trust = trust(), .verify = kept.verifier()}, "example.test.");
    REQUIRE(kept.asked.size() == 1);
    CHECK_FALSE(both.client.version());
    const verification& one = kept.asked[0];
    REQUIRE(one.chain().size() == 1);
    CHECK(one.chain()[0] == certificate_of(tests::test_pki().server));
    CHECK(one.server_name() == "example.test");
    CHECK(one.built_in_result().reason == none);
    CHECK(one.built_in_result().text.empty());
    CHECK_FALSE(one.built_in_result().certificate);
    CHECK(one.ocsp_response().empty());
    CHECK(one.sct_list().empty());
    kept.answer(accept);
    both.go_on();
    CHECK(both.complete());
    CHECK(kept.asked.empty());
}

TEST_CASE("verifier: it is told the address that was asked for") {
    keeper kept;
    const auto both = connect(any_version(), {.trust = trust(), .verify = kept.verifier()}, "::1");
    REQUIRE(kept.asked.size() == 1);
    CHECK(kept.asked[0].server_name() == "::1");
}

TEST_CASE("verifier: an answer at once") {
    const auto version = any_version();
    SECTION("accepts") {
        const auto both = connect(version, {.trust = trust(), .verify = accept});
        CHECK(both.complete());
        CHECK_FALSE(both.client.verify_failure());
    }
    SECTION("accepts what nothing else would") {
        std::error_code built_in;
        const auto both = connect(version,
                                  {.trust = strangers(),
                                   .verify =
                                       [&](const verification& one) {
                                           built_in = one.built_in_result().reason;
                                           one.accept();
                                       }},
                                  "other.test");
        CHECK(built_in == refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
        CHECK(both.complete());
        CHECK_FALSE(both.client.verify_failure());
    }
    SECTION("refuses, by the alert it names") {
        const auto both = connect(version, {.trust = trust(), .verify = deny});
        CHECK(both.client_error == errc::verification_refused);
        CHECK(both.server_error == alerted(tls::alert::access_denied));
        const auto failure = both.client.verify_failure();
        REQUIRE(failure);
        CHECK(failure->reason == errc::verification_refused);
        CHECK(failure->depth == -1);
        CHECK(failure->text == "the peer was refused by the caller's own verification");
        CHECK(both.client.details().find(failure->text) != std::string::npos);
        CHECK_FALSE(both.client.version());
    }
    SECTION("refuses what is refused anyhow: the reason stays") {
        const auto both = connect(version, {.trust = strangers(), .verify = deny});
        CHECK(both.client_error == refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
        CHECK(both.server_error == alerted(tls::alert::access_denied));
    }
    SECTION("is none: whoever lets go of the question refuses") {
        const auto both = connect(version, {.trust = trust(), .verify = forget});
        CHECK(both.client_error == errc::verification_refused);
        CHECK(both.server_error == alerted(tls::alert::certificate_unknown));
    }
    SECTION("the first one counts") {
        CHECK(
            connect(version, {.trust = trust(), .verify = [](const verification& one) { accept(one), deny(one); }}).complete());
        CHECK(connect(version, {.trust = trust(), .verify = [](const verification& one) { deny(one), accept(one); }})
                  .client_error == errc::verification_refused);
    }
    SECTION("is asked for where nothing else is verified") {
        const tls::client_options unverified{.trust = {}, .verification = verify_mode::dangerously_none, .verify = deny};
        CHECK(connect(version, unverified, "").client_error == errc::verification_refused);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("verifier: an answer later, to an engine") {
    const auto version = any_version();
    keeper kept;
    auto both = connect(version, {.trust = trust(), .verify = kept.verifier()});
    REQUIRE(kept.asked.size() == 1);
    // Whatever is called waits for it, and nothing moves.
    std::array<char, 10> some;
    CHECK(both.client.handshake().wants == want::verification);
    CHECK(both.client.read(some).wants == want::verification);
    CHECK(both.client.write("secret").wants == want::verification);
    CHECK(both.client.write("secret").bytes == 0);
    CHECK(both.client.update_keys(true).wants == want::verification);
    CHECK(both.client.output().empty());
    CHECK(kept.asked.size() == 1);
    SECTION("yes") {
        std::thread([&] { kept.answer(accept); }).join();
        both.go_on();
        CHECK(both.complete());
        CHECK(both.client.write("secret").bytes == 6);
    }
    SECTION("no") {
        std::thread([&] { kept.answer(deny); }).join();
        both.go_on();
        CHECK(both.client_error == errc::verification_refused);
        CHECK(both.server_error == alerted(tls::alert::access_denied));
        CHECK(both.client.write("secret").error == errc::verification_refused);
    }
    SECTION("none") {
        kept.answer(forget);
        both.go_on();
        CHECK(both.client_error == errc::verification_refused);
        CHECK(both.server_error == alerted(tls::alert::certificate_unknown));
    }
    SECTION("a copy keeps the question open") {
        auto copy = std::optional(kept.asked[0]);
        kept.asked.clear();
        CHECK(both.client.handshake().wants == want::verification);
        copy.reset();
        CHECK(both.client.handshake().error == errc::verification_refused);
    }
    SECTION("the engine is gone before") {
        both.client = tls::engine(tests::client_of(version), "localhost");
        kept.answer(accept);
    }
    CHECK(tests::queue_is_empty());
}

// A server, and what is to be waited for.
struct waiting {
    tests::memory_network net;
    tests::raw_peer peer;
    keeper kept;
    tls::client_context context;

    explicit waiting(tls::protocol_version version)
        : peer(net.b(), tls::role::server, tests::peer_of(version)),
          context(context_of(version, tls::client_options{.trust = trust(), .verify = kept.verifier()})) {
        net.a().pump([this] { peer.pump(); });
    }
};

TEST_CASE("verifier: a blocking stream waits for the answer, within its deadline") {
    const auto version = any_version();
    waiting with(version);
    memory_stream stream(with.net.a().socket(), with.context, "localhost");
    with.peer.send("pong");
    std::array<char, 4> some;
    std::error_code ec;
    const auto call = [&](int which) {
        switch (which) {
            case 0: stream.handshake(ec); return std::size_t{0};
            case 1: return stream.read_some(some, ec);
            case 2: return stream.write("ping", ec);
            case 3: {
                const std::array pieces{std::as_bytes(std::span("pi"sv)), std::as_bytes(std::span("ng"sv))};
                return stream.write(pieces, ec);
            }
            default:
                if (version == tls::protocol_version::tls1_3) stream.update_keys(false, ec);
                else stream.handshake(ec);
                return std::size_t{0};
        }
    };
    const int which = GENERATE(0, 1, 2, 3, 4);
    CAPTURE(which);
    // Neither a deadline that is over nor one that comes while it waits loses anything.
    for (const auto deadline : {std::chrono::steady_clock::time_point::min(), with.net.now(), with.net.now() + 20ms}) {
        // Whoever has no time receives nothing either, and comes this far by the first call that has.
        if (with.kept.asked.empty()) stream.expires_never();
        if (with.kept.asked.empty()) stream.expires_after(20ms);
        else stream.expires_at(deadline);
        CHECK(call(which) == 0);
        CHECK(ec == std::errc::timed_out);
        CHECK(stream.wants() == want::verification);
        REQUIRE(with.kept.asked.size() == 1);
    }
    stream.expires_never();
    SECTION("yes") {
        std::thread other([&] { with.kept.answer(accept); });
        const auto done = call(which);
        other.join();
        CHECK(ec == none);
        CHECK(done == (which == 0 || which == 4 ? 0 : 4));
        CHECK(stream.version() == version);
        CHECK(stream.wants() == want::nothing);
        with.peer.pump();
        if (which == 2 || which == 3) CHECK(with.peer.received() == "ping");
    }
    SECTION("no") {
        std::thread other([&] { with.kept.answer(deny); });
        CHECK(call(which) == 0);
        other.join();
        CHECK(ec == errc::verification_refused);
        with.peer.pump();
        CHECK(with.peer.alerts() == std::vector<int>{SSL_AD_ACCESS_DENIED});
        CHECK(with.peer.received().empty());
    }
    SECTION("the stream is closed instead") {
        CHECK(stream.close({.timeout = 0ms}, ec).close_notify_sent == false);
        CHECK(ec == none);
        CHECK(with.peer.alerts().empty());
        with.kept.answer(accept);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("verifier: a stream that does not block says what it waits for") {
    const auto version = any_version();
    waiting with(version);
    memory_stream stream(with.net.a().non_blocking_socket(), with.context, "localhost");
    std::array<char, 10> some;
    std::error_code ec;
    do {
        stream.handshake(ec);
        with.peer.pump();
    } while (ec == std::errc::operation_would_block && stream.wants() == want::input);
    REQUIRE(with.kept.asked.size() == 1);
    CHECK(ec == std::errc::operation_would_block);
    CHECK(stream.wants() == want::verification);
    CHECK(stream.read_some(some, ec) == 0);
    CHECK(ec == std::errc::operation_would_block);
    CHECK(stream.wants() == want::verification);
    CHECK(stream.write_some("ping", ec) == 0);
    CHECK(ec == std::errc::operation_would_block);
    CHECK(stream.wants() == want::verification);
    with.kept.answer(accept);
    do {
        stream.handshake(ec);
        with.peer.pump();
    } while (ec == std::errc::operation_would_block);
    CHECK(ec == none);
    CHECK(stream.version() == version);
    CHECK(stream.wants() == want::nothing);
}

TEST_CASE("verifier: halves wait for the answer") {
    const auto version = any_version();
    waiting with(version);
    with.peer.send("pong");
    auto halves = tls::split(memory_stream(with.net.a().socket(), with.context, "localhost"));
    auto& reader = halves.first;
    auto& writer = halves.second;
    const bool reads = GENERATE(true, false);
    std::array<char, 4> some;
    std::error_code ec;
    const auto call = [&] { return reads ? reader.read_some(some, ec) : writer.write("ping", ec); };
    reader.expires_after(20ms);
    writer.expires_after(20ms);
    CHECK(call() == 0);
    CHECK(ec == std::errc::timed_out);
    REQUIRE(with.kept.asked.size() == 1);
    reader.expires_never();
    writer.expires_never();
    SECTION("yes") {
        std::thread other([&] { with.kept.answer(accept); });
        CHECK(call() == 4);
        other.join();
        CHECK(ec == none);
        CHECK(reader.version() == version);
    }
    SECTION("no") {
        std::thread other([&] { with.kept.answer(deny); });
        CHECK(call() == 0);
        other.join();
        CHECK(ec == errc::verification_refused);
        with.peer.pump();
        CHECK(with.peer.alerts() == std::vector<int>{SSL_AD_ACCESS_DENIED});
    }
    SECTION("it came before anybody waited") {
        with.kept.answer(accept);
        CHECK(call() == 4);
        CHECK(ec == none);
    }
    SECTION("the whole stream goes on") {
        auto whole = tls::join(std::move(reader), std::move(writer));
        with.kept.answer(accept);
        whole.handshake(ec);
        CHECK(ec == none);
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("verifier: both halves wait for the same answer, in threads of their own") {
    const auto version = any_version();
    tests::memory_network net({.wait = tests::waiting::threads});
    std::promise<verification> question;
    const auto context = context_of(
        version, tls::client_options{.trust = trust(), .verify = [&](const verification& one) { question.set_value(one); }});
    std::string echoed;
    std::thread server([&] {
        memory_stream stream(net.b().socket(), tests::server_of(version));
        std::array<char, 4> some;
        std::error_code ec;
        stream.write("pong", ec);
        echoed.assign(some.data(), stream.read(some, ec));
    });
    auto halves = tls::split(memory_stream(net.a().socket(), context, "localhost"));
    auto& reader = halves.first;
    auto& writer = halves.second;
    std::error_code read_error, write_error;
    std::array<char, 4> some{};
    std::size_t got = 0, put = 0;
    std::thread reading([&] { got = reader.read(some, read_error); });
    std::thread writing([&] { put = writer.write("ping", write_error); });
    {
        const verification asked = question.get_future().get();
        asked.accept();
    }
    reading.join();
    writing.join();
    server.join();
    CHECK(read_error == none);
    CHECK(write_error == none);
    CHECK(std::string_view(some.data(), got) == "pong");
    CHECK(put == 4);
    CHECK(echoed == "ping");
}

TEST_CASE("verifier: a server's sees the client's chain") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    keeper kept;
    const auto server = context_of(version, tls::server_options{.identity = identity_of(pki.server),
                                                                .authentication = tls::client_auth::optional,
                                                                .trust = trust(),
                                                                .verify = kept.verifier()});
    SECTION("if it has one") {
        const auto client = context_of(version, tls::client_options{.trust = trust(), .identity = identity_of(pki.client)});
        tests::engine_handshake both(client, server);
        REQUIRE(kept.asked.size() == 1);
        CHECK(kept.asked[0].chain().at(0) == certificate_of(pki.client));
        CHECK(kept.asked[0].server_name().empty());
        CHECK(kept.asked[0].built_in_result().reason == none);
        CHECK(both.server.handshake().wants == want::verification);
        SECTION("yes") {
            kept.answer(accept);
            both.go_on();
            CHECK(both.complete());
            CHECK(both.server.peer_certificate() == certificate_of(pki.client));
        }
        SECTION("no") {
            kept.answer(deny);
            both.go_on();
            CHECK(both.server_error == errc::verification_refused);
            CHECK(both.client_error == alerted(tls::alert::access_denied));
        }
    }
    SECTION("and is not asked without") {
        CHECK(tests::engine_handshake(tests::client_of(version), server).complete());
        CHECK(kept.asked.empty());
    }
}

TEST_CASE("stapling: what is asked for is there, for the verifier too") {
    const auto version = any_version();
    constexpr auto timestamps = "\0\x05\0\x03one"sv;
    const auto identity = identity_of(tests::test_pki().server).with_ocsp_response("a response").with_sct_list(timestamps);
    const auto server = context_of(version, tls::server_options{.identity = identity});
    const auto text = [](std::span<const std::byte> bytes) {
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    for (const bool ocsp : {false, true}) {
        for (const bool scts : {false, true}) {
            std::string seen;
            const auto client = context_of(
                version, tls::client_options{.trust = trust(),
                                             .verify =
                                                 [&](const verification& one) {
                                                     seen = text(one.ocsp_response()) + text(one.sct_list()), one.accept();
                                                 },
                                             .request_ocsp = ocsp,
                                             .request_scts = scts});
            const tests::engine_handshake both(client, server);
            REQUIRE(both.complete());
            const std::string response = ocsp ? "a response" : "";
            const std::string list(scts ? timestamps : ""sv);
            CHECK(seen == response + list);
            CHECK(text(both.client.ocsp_response()) == response);
            CHECK(text(both.client.sct_list()) == list);
            CHECK(both.server.ocsp_response().empty());
        }
    }
    // Asked for, and not there.
    const auto both = connect(version, {.trust = trust(), .request_ocsp = true, .request_scts = true});
    CHECK(both.complete());
    CHECK(both.client.ocsp_response().empty());
    CHECK(both.client.sct_list().empty());
}

TEST_CASE("pins: one of them must be in the chain that was verified") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    const auto leaf = tls::pinned_keys::of(certificate_of(pki.server));
    const auto root = tls::pinned_keys::of(certificate_of(pki.authority));
    const auto other = tls::pinned_keys::of(certificate_of(pki.client));
    CHECK(connect(version, {.trust = trust(), .pins = leaf}).complete());
    CHECK(connect(version, {.trust = trust(), .pins = root}).complete());  // although it was not sent
    CHECK(connect(version, {.trust = trust(), .pins = other + root}).complete());
    const auto both = connect(version, {.trust = trust(), .pins = other});
    CHECK(both.client_error == errc::pinned_key_missing);
    CHECK(both.server_error == alerted(tls::alert::bad_certificate));
    const auto failure = both.client.verify_failure();
    REQUIRE(failure);
    CHECK(failure->reason == errc::pinned_key_missing);
    CHECK(failure->depth == -1);
    CHECK(failure->certificate == certificate_of(pki.server));
    CHECK(failure->text == "no certificate of the peer's chain has a pinned public key, CN=localhost");
    // A chain that does not hold is refused first, and a verifier sees it all.
    CHECK(connect(version, {.trust = strangers(), .pins = leaf}).client_error.category() == tls::verify_category());
    std::error_code seen;
    const auto look = [&](const verification& one) { seen = one.built_in_result().reason, one.accept(); };
    CHECK(connect(version, {.trust = trust(), .pins = other, .verify = look}).complete());
    CHECK(seen == errc::pinned_key_missing);
}

TEST_CASE("pins: without a chain that was verified only the server's own key counts") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    const auto server =
        context_of(version, tls::server_options{.identity = identity_of(pki.server, pki.authority.certificate_pem())});
    const auto outcome = [&](const tls::certificate& pinned) {
        const auto client = context_of(
            version, tls::client_options{
                         .trust = {}, .verification = verify_mode::dangerously_none, .pins = tls::pinned_keys::of(pinned)});
        return tests::engine_handshake(client, server, "").client_error;
    };
    CHECK(outcome(certificate_of(pki.server)) == none);
    // Anybody can send an authority's certificate along.
    CHECK(outcome(certificate_of(pki.authority)) == errc::pinned_key_missing);
}

TEST_CASE("pins: of clients") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    const auto client = context_of(version, tls::client_options{.trust = trust(), .identity = identity_of(pki.client)});
    const auto outcome = [&](const tests::issued& pinned) {
        const auto server = context_of(version, tls::server_options{.identity = identity_of(pki.server),
                                                                    .authentication = tls::client_auth::required,
                                                                    .trust = trust(),
                                                                    .pins = tls::pinned_keys::of(certificate_of(pinned))});
        return tests::engine_handshake(client, server).server_error;
    };
    CHECK(outcome(pki.client) == none);
    CHECK(outcome(pki.authority) == none);
    CHECK(outcome(pki.server) == errc::pinned_key_missing);
}

TEST_CASE("verification_time: certificates are judged as of then") {
    const auto version = any_version();
    const auto today = std::chrono::system_clock::now();
    const auto at = [&](auto when) {
        return connect(version, {.trust = trust(), .verification_time = today + when}).client_error;
    };
    using std::chrono::days;
    CHECK(at(days(0)) == none);
    CHECK(at(days(29)) == none);
    CHECK(at(days(31)) == refused(X509_V_ERR_CERT_HAS_EXPIRED));
    CHECK(at(days(-2)) == refused(X509_V_ERR_CERT_NOT_YET_VALID));
    // For a server's clients as well.
    const auto& pki = tests::test_pki();
    const auto server = context_of(version, tls::server_options{.identity = identity_of(pki.server),
                                                                .authentication = tls::client_auth::required,
                                                                .trust = trust(),
                                                                .verification_time = today + days(31)});
    const auto client = context_of(version, tls::client_options{.trust = trust(), .identity = identity_of(pki.client)});
    CHECK(tests::engine_handshake(client, server).server_error == refused(X509_V_ERR_CERT_HAS_EXPIRED));
}

// A root, an authority below it, and a server below that.
struct three {
    tests::issued root = tests::make_authority("Root");
    tests::issued middle = tests::make_authority("Middle", &root);
    tests::issued leaf = tests::make_leaf({"localhost"}, &middle);

    [[nodiscard]] tests::engine_handshake judge(tls::protocol_version version, tls::client_options options) const {
        const auto server = context_of(version, tls::server_options{.identity = identity_of(leaf, middle.certificate_pem())});
        return {context_of(version, std::move(options)), server};
    }
};

TEST_CASE("revocation: lists in the trust store are held against the leaf, unless more or less is asked for") {
    const auto version = any_version();
    const three chain;
    const auto lists = [](std::initializer_list<tests::revocation_list> all) {
        tls::trust_store store;
        for (const auto& one : all) store += tls::trust_store::revocation_lists_from_der(one.der());
        return store;
    };
    const auto plain = trust_in({&chain.root});
    const auto judge = [&](const tls::trust_store& store, std::optional<revocation_check> check = {}) {
        return chain.judge(version, {.trust = store, .revocation = check}).client_error;
    };
    const auto nothing = plain + lists({tests::revoke(chain.root), tests::revoke(chain.middle)});
    CHECK(judge(nothing) == none);
    CHECK(judge(nothing, revocation_check::leaf) == none);
    CHECK(judge(nothing, revocation_check::chain) == none);

    const auto leaf = plain + lists({tests::revoke(chain.root), tests::revoke(chain.middle, {.revoked = {&chain.leaf}})});
    CHECK(judge(leaf) == refused(X509_V_ERR_CERT_REVOKED));
    CHECK(judge(leaf, revocation_check::leaf) == refused(X509_V_ERR_CERT_REVOKED));
    CHECK(judge(leaf, revocation_check::chain) == refused(X509_V_ERR_CERT_REVOKED));
    CHECK(judge(leaf, revocation_check::none) == none);
    const auto both = chain.judge(version, {.trust = leaf});
    CHECK(both.server_error == alerted(tls::alert::certificate_revoked));
    REQUIRE(both.client.verify_failure());
    CHECK(both.client.verify_failure()->text == "certificate revoked, depth 0, CN=localhost");

    const auto middle = plain + lists({tests::revoke(chain.root, {.revoked = {&chain.middle}}), tests::revoke(chain.middle)});
    CHECK(judge(middle) == none);
    CHECK(judge(middle, revocation_check::chain) == refused(X509_V_ERR_CERT_REVOKED));
    CHECK(chain.judge(version, {.trust = middle, .revocation = revocation_check::chain}).client.verify_failure()->depth == 1);

    // A list that is missing or out of date is no good sign.
    const auto others = plain + lists({tests::revoke(chain.root)});
    CHECK(judge(others) == refused(X509_V_ERR_UNABLE_TO_GET_CRL));
    const auto old =
        plain + lists({tests::revoke(chain.root), tests::revoke(chain.middle, {.begins_in_days = -9, .ends_in_days = -1})});
    CHECK(judge(old) == refused(X509_V_ERR_CRL_HAS_EXPIRED));

    CHECK(judge(plain) == none);
    for (const auto check : {revocation_check::leaf, revocation_check::chain}) {
        const tls::client_options options{.trust = plain, .revocation = check};
        std::error_code ec;
        CHECK_FALSE(tls::client_context::create(options, ec));
        CHECK(ec == errc::invalid_trust);
        CHECK_THROWS_WITH(tls::client_context(options),
                          Catch::Matchers::StartsWith("revocation is to be checked, and there is no revocation list"));
    }
    CHECK(judge(plain, revocation_check::none) == none);
}

TEST_CASE("revocation: of clients") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    const auto lists =
        tls::trust_store::revocation_lists_from_pem(tests::revoke(pki.authority, {.revoked = {&pki.client}}).pem());
    const auto client = context_of(version, tls::client_options{.trust = trust(), .identity = identity_of(pki.client)});
    const auto outcome = [&](std::optional<revocation_check> check) {
        return tests::engine_handshake(client,
                                       context_of(version, tls::server_options{.identity = identity_of(pki.server),
                                                                               .authentication = tls::client_auth::required,
                                                                               .trust = trust() + lists,
                                                                               .revocation = check}))
            .server_error;
    };
    CHECK(outcome({}) == refused(X509_V_ERR_CERT_REVOKED));
    CHECK(outcome(revocation_check::none) == none);
}

TEST_CASE("verify_failure: reason, depth and certificate, for people too") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    const auto failure = [](const tests::engine_handshake& both) {
        REQUIRE(both.client_error);
        const auto told = both.client.verify_failure();
        REQUIRE(told);
        CHECK(told->reason == both.client_error);
        CHECK(both.client.details().ends_with("(" + told->text + ")"));
        return *told;
    };
    SECTION("expired") {
        const three chain;
        auto options = tests::certificate_options{.common_name = "old.test", .dns_names = {"localhost"}};
        options.begins_in_days = -30;
        options.ends_in_days = -1;
        const auto old = tests::issue_certificate(std::move(options), &pki.authority);
        const auto told = failure({context_of(version, tls::client_options{.trust = trust()}),
                                   context_of(version, tls::server_options{.identity = identity_of(old)})});
        CHECK(told.depth == 0);
        CHECK(told.certificate == certificate_of(old));
        const std::string_view before = "certificate has expired, depth 0, CN=old.test, not after ";
        CHECK(told.text.starts_with(before));
        CHECK(told.text.ends_with(" GMT"));
        CHECK(told.text.size() == before.size() + "May  1 12:00:00 2024 GMT"sv.size());
    }
    SECTION("not yet valid, in the middle") {
        three chain;
        auto options = tests::certificate_options{.common_name = "Young", .authority = true};
        options.begins_in_days = 1;
        chain.middle = tests::issue_certificate(std::move(options), &chain.root);
        chain.leaf = tests::make_leaf({"localhost"}, &chain.middle);
        const auto told = failure(chain.judge(version, {.trust = trust_in({&chain.root})}));
        CHECK(told.depth == 1);
        CHECK(told.certificate == certificate_of(chain.middle));
        CHECK(told.text.starts_with("certificate is not yet valid, depth 1, CN=Young, not before "));
    }
    SECTION("another name") {
        const auto told = failure(connect(version, {.trust = trust()}, "other.test"));
        CHECK(told.depth == 0);
        CHECK(told.text == "Hostname mismatch, depth 0, CN=localhost, it names localhost example.test 127.0.0.1 ::1");
    }
    SECTION("an unknown issuer") {
        const auto told = failure(connect(version, {.trust = strangers()}));
        CHECK(told.depth == 0);
        CHECK(told.text == "unable to get local issuer certificate, depth 0, CN=localhost, issuer CN=Test CA");
    }
    SECTION("a weak key, in the middle") {
        three chain;
        chain.middle =
            tests::issue_certificate({.common_name = "Weak", .authority = true, .key = tests::new_rsa_key(1024)}, &chain.root);
        chain.leaf = tests::make_leaf({"localhost"}, &chain.middle);
        const auto told = failure(chain.judge(version, {.trust = trust_in({&chain.root})}));
        CHECK(told.reason == errc::weak_key);
        CHECK(told.text == "a certificate's key is too weak, depth 1, CN=Weak");
    }
    SECTION("a weak signature") {
        three chain;
        tests::certificate_options options{
            .common_name = "leaf", .dns_names = {"localhost"}, .extended_key_usage = "serverAuth"};
        options.digest = ::EVP_sha1();
        chain.leaf = tests::issue_certificate(std::move(options), &chain.middle);
        const auto told = failure(chain.judge(version, {.trust = trust_in({&chain.root})}));
        CHECK(told.reason == errc::weak_signature);
        CHECK(told.text == "a certificate is signed over MD5 or SHA-1, depth 0, CN=leaf");
    }
}

TEST_CASE("verify_failure: it is in what a stream throws, and none where nothing was refused") {
    const auto version = any_version();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
    net.a().pump([&] { peer.pump(); });
    memory_stream stream(net.a().socket(), tests::client_of(version), "other.test");
    CHECK_FALSE(stream.verify_failure());
    try {
        stream.handshake();
        FAIL("no exception");
    } catch (const tls::error& e) {
        REQUIRE(stream.verify_failure());
        CHECK(e.code() == stream.verify_failure()->reason);
        CHECK(std::string(e.details()).find(stream.verify_failure()->text) != std::string::npos);
    }
    CHECK_FALSE(connect(version, {.trust = trust()}).client.verify_failure());
    CHECK_FALSE(memory_stream().verify_failure());
    CHECK(memory_stream().details().empty());
}

TEST_CASE("client certificates: required, optional, wrong, expired") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    const auto stranger = tests::make_authority("Another CA");
    const auto make = [](int ends, std::string usage, const tests::issued& issuer) {
        tests::certificate_options options{.common_name = "Client", .extended_key_usage = std::move(usage)};
        options.begins_in_days = -30;
        options.ends_in_days = ends;
        return tests::issue_certificate(std::move(options), &issuer);
    };
    const auto expired = make(-1, "clientAuth", pki.authority);
    const auto wrong_use = make(30, "serverAuth", pki.authority);
    const auto unknown = make(30, "clientAuth", stranger);
    const auto judge = [&](const tests::issued* client, tls::client_auth authentication) {
        tls::client_options options{.trust = trust()};
        if (client != nullptr) options.identity = identity_of(*client);
        const auto server = context_of(
            version,
            tls::server_options{.identity = identity_of(pki.server), .authentication = authentication, .trust = trust()});
        return tests::engine_handshake(context_of(version, options), server);
    };
    struct row {
        const tests::issued* client;
        std::error_code server_error;
        tls::alert alert;
    };
    for (const auto& [client, error, told] : std::vector<row>{
             {&pki.client, none, tls::alert::close_notify},
             {&expired, refused(X509_V_ERR_CERT_HAS_EXPIRED), tls::alert::certificate_expired},
             {&wrong_use, refused(X509_V_ERR_INVALID_PURPOSE), tls::alert::unsupported_certificate},
             {&unknown, refused(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY), tls::alert::unknown_ca},
         }) {
        for (const auto authentication : {tls::client_auth::optional, tls::client_auth::required}) {
            const auto both = judge(client, authentication);
            CHECK(both.server_error == error);
            CHECK(both.client_error == (error ? alerted(told) : none));
            CHECK(both.server.peer_certificate().has_value() == !error);
            if (error) CHECK(both.server.verify_failure()->reason == error);
        }
        const auto unasked = judge(client, tls::client_auth::none);
        CHECK(unasked.complete());
        CHECK_FALSE(unasked.server.peer_certificate());
    }
    CHECK(judge(nullptr, tls::client_auth::none).complete());
    const auto without = judge(nullptr, tls::client_auth::optional);
    CHECK(without.complete());
    CHECK_FALSE(without.server.peer_certificate());
    CHECK(without.server.verified_chain().empty());
    const auto needed = judge(nullptr, tls::client_auth::required);
    CHECK(needed.server_error.category() == tls::ssl_category());
    CHECK(needed.server_error.message() == "SSL routines: PEER_DID_NOT_RETURN_A_CERTIFICATE");
    CHECK(needed.client_error ==
          alerted(version == tls::protocol_version::tls1_3 ? tls::alert::certificate_required : tls::alert::handshake_failure));
    CHECK(tests::queue_is_empty());
}

TEST_CASE("verified_chain: from the peer's certificate to the trusted one, whatever was sent") {
    const auto version = any_version();
    const auto& pki = tests::test_pki();
    const std::vector chain{certificate_of(pki.server), certificate_of(pki.authority)};
    const auto both = connect(version, {.trust = trust()});
    REQUIRE(both.complete());
    CHECK(both.client.peer_chain().size() == 1);
    CHECK(both.client.verified_chain() == chain);
    CHECK(both.server.verified_chain().empty());
    // More than what is needed was sent.
    const three more;
    const auto server = context_of(
        version,
        tls::server_options{.identity = identity_of(more.leaf, more.middle.certificate_pem() + more.root.certificate_pem())});
    const tests::engine_handshake other(context_of(version, tls::client_options{.trust = trust_in({&more.middle, &more.root})}),
                                        server);
    REQUIRE(other.complete());
    CHECK(other.client.peer_chain().size() == 3);
    CHECK(other.client.verified_chain().front() == certificate_of(more.leaf));
    CHECK(other.client.verified_chain().back() == certificate_of(more.root));

    const auto unverified = connect(version, {.trust = trust(), .verification = verify_mode::dangerously_none});
    CHECK(unverified.complete());
    CHECK(unverified.client.verified_chain().empty());

    const auto mutual = context_of(
        version, tls::server_options{
                     .identity = identity_of(pki.server), .authentication = tls::client_auth::required, .trust = trust()});
    const auto client = context_of(version, tls::client_options{.trust = trust(), .identity = identity_of(pki.client)});
    const tests::engine_handshake proved(client, mutual);
    REQUIRE(proved.complete());
    CHECK(proved.server.verified_chain() == std::vector{certificate_of(pki.client), certificate_of(pki.authority)});
    CHECK(tests::queue_is_empty());
}

}  // namespace
