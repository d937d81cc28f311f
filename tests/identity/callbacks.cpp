// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The user's own code in the middle of a call: what it throws comes out of the call, and it cannot make another one on the same stream.

#include <tls/client_hello.hpp>
#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/engine.hpp>
#include <tls/error.hpp>
#include <tls/key_log.hpp>
#include <tls/observer.hpp>
#include <tls/signing.hpp>
#include <tls/split.hpp>
#include <tls/stream.hpp>
#include <tls/trust.hpp>
#include <tls/verification.hpp>

#include <support/engines.hpp>
#include <support/pki.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using tls::errc;
using tls::protocol_version;
using tls::want;

namespace {

using memory_stream = tls::stream<tests::memory_socket>;

const std::error_code none;

// What is run in the midst of the user's own code; may be nothing.
using hook = std::function<void()>;

// By a key that this process has after all.
void sign_with(EVP_PKEY* key, const tls::signature_request& request) {
    bssl::ScopedEVP_MD_CTX context;
    std::array<std::uint8_t, 256> signature{};
    std::size_t size = signature.size();
    const auto input = request.input();
    const auto* const message = reinterpret_cast<const std::uint8_t*>(input.data());
    REQUIRE(request.scheme() == tls::signature_scheme::ecdsa_secp256r1_sha256);
    REQUIRE((::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr, key) == 1 &&
             ::EVP_DigestSign(context.get(), signature.data(), &size, message, input.size()) == 1));
    request.sign(std::span(signature).first(size));
}

// One kind of the user's own code, and the options in which it is.
struct callable {
    std::string_view name;
    tls::role side;  // whose it is
    void (*add)(tls::client_options&, tls::server_options&, const hook&);
};
const std::vector<callable>& callables() {
    using tls::role;
    static const std::vector<callable> all{
        {"a client's verifier", role::client,
         [](auto& client, auto&, const hook& run) {
             client.verify = [run](const tls::verification& one) { run(), one.accept(); };
         }},
        {"a client's signer", role::client,
         [](auto& client, auto& server, const hook& run) {
             const auto& pki = tests::test_pki();
             server.authentication = tls::client_auth::required;
             server.trust = tls::trust_store::from_pem(pki.authority.certificate_pem());
             client.identity = tls::credential::with_signer(
                 pki.client.certificate_pem(),
                 [run](const tls::signature_request& one) { run(), sign_with(tests::test_pki().client.key.get(), one); });
         }},
        {"a client's observer", role::client,
         [](auto& client, auto&, const hook& run) { client.observe = [run](const tls::protocol_event&) { run(); }; }},
        {"a client's key log", role::client,
         [](auto& client, auto&, const hook& run) { client.keys = tls::key_log::to([run](std::string_view) { run(); }); }},
        {"on_session", role::client,
         [](auto& client, auto&, const hook& run) { client.on_session = [run](const tls::session&) { run(); }; }},
        {"an identity_selector", role::server,
         [](auto&, auto& server, const hook& run) {
             server.select_identity = [run](const tls::identity_request& one) { run(), one.use_default(); };
         }},
        {"an alpn_selector", role::server,
         [](auto& client, auto& server, const hook& run) {
             client.alpn = {"talk"};
             server.select_alpn = [run](const std::vector<std::string>& offered, std::string_view) {
                 run();
                 return std::optional(offered.at(0));
             };
         }},
        {"a server's verifier", role::server,
         [](auto& client, auto& server, const hook& run) {
             const auto& pki = tests::test_pki();
             server.authentication = tls::client_auth::required;
             server.trust = tls::trust_store::from_pem(pki.authority.certificate_pem());
             server.verify = [run](const tls::verification& one) { run(), one.accept(); };
             client.identity = tls::credential::from_pem(pki.client.certificate_pem(), pki.client.key_pem());
         }},
        {"a server's signer", role::server,
         [](auto&, auto& server, const hook& run) {
             server.identity = tls::credential::with_signer(
                 tests::test_pki().server.certificate_pem(),
                 [run](const tls::signature_request& one) { run(), sign_with(tests::test_pki().server.key.get(), one); });
         }},
        {"a server's observer", role::server,
         [](auto&, auto& server, const hook& run) { server.observe = [run](const tls::protocol_event&) { run(); }; }},
        {"a server's key log", role::server,
         [](auto&, auto& server, const hook& run) { server.keys = tls::key_log::to([run](std::string_view) { run(); }); }},
    };
    return all;
}

// The contexts for it.
struct contexts {
    tls::client_options client_options;
    tls::server_options server_options;

    contexts(const callable& which, protocol_version version, const hook& run)
        : client_options{.trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem()),
                         .min_version = version,
                         .max_version = version},
          server_options{.identity = tls::credential::from_pem(tests::test_pki().server.certificate_pem(),
                                                               tests::test_pki().server.key_pem()),
                         .min_version = version,
                         .max_version = version} {
        which.add(client_options, server_options, run);
    }
    [[nodiscard]] tls::client_context client() const { return tls::client_context(client_options); }
    [[nodiscard]] tls::server_context server() const { return tls::server_context(server_options); }
    [[nodiscard]] tls::engine engine_of(tls::role side) const {
        return side == tls::role::client ? tls::engine(client(), "localhost") : tls::engine(server());
    }
    template <class Socket>
    [[nodiscard]] tls::stream<Socket> stream_of(tls::role side, Socket socket) const {
        return side == tls::role::client ? tls::stream<Socket>(std::move(socket), client(), "localhost")
                                         : tls::stream<Socket>(std::move(socket), server());
    }
};

// The other side: it answers "ping" with "pong", and close_notify with its own.
struct partner {
    tls::engine engine;
    std::string received{};
    bool closed = false;
    std::error_code error{};

    bool work() {
        if (error || closed) return false;
        std::array<char, 100> some;
        const auto step = engine.version() ? engine.read(some) : engine.handshake();
        error = step.error;
        const auto before = received.size();
        received.append(some.data(), step.bytes);
        if (before < 4 && received.size() >= 4) error = engine.write("pong").error;
        if (engine.version() && step.wants == want::nothing && step.bytes == 0 &&
            engine.read_end() == tls::stream_end::close_notify) {
            closed = true;
            error = engine.close_notify().error;
        }
        return step.bytes != 0 || (step.wants == want::nothing && !error && !closed);
    }
};

// A partner at the end of a memory connection.
struct network_partner {
    partner who;
    tests::memory_socket socket;

    network_partner(tls::engine engine, tests::memory_end end) : who{std::move(engine)}, socket(end.non_blocking_socket()) {}
    void pump() {
        std::error_code ec;
        std::size_t n = 1;
        for (bool moved = true; moved;) {
            moved = who.work();
            const auto space = who.engine.input_space();
            n = socket.read_some(space, ec);
            if (n != 0) who.engine.input_received(n);
            if (n == 0 && !ec) who.engine.input_ended();
            moved = moved || n != 0;
            while (!who.engine.output().empty() && (n = socket.write_some(who.engine.output(), ec)) != 0) {
                who.engine.output_sent(n);
                moved = true;
            }
        }
    }
};

// A stream or something like it that has something to say: "ping", "pong", and close. talk() throws what its calls throw.
class stream_face {
public:
    static constexpr std::string_view name = "stream";
    stream_face(const contexts& from, tls::role side)
        : partner_(from.engine_of(side == tls::role::client ? tls::role::server : tls::role::client), net_.b()),
          stream_(from.stream_of(side, net_.a().socket())) {
        net_.a().pump([this] { partner_.pump(); });
    }

    std::string talk() {
        std::array<char, 4> some{};
        stream_.handshake();
        stream_.write("ping");
        const std::size_t n = stream_.read(some);
        stream_.close({.timeout = 100ms});
        return std::string(some.data(), n);
    }
    [[nodiscard]] const partner& other() const { return partner_.who; }

    // Every member, from within one of its calls.
    void call_all(const std::function<void(std::string_view, std::error_code)>& told) {
        std::error_code ec;
        std::array<char, 10> some;
        const std::array pieces{std::as_bytes(std::span("x"sv))};
        stream_.handshake(ec), told("handshake", ec);
        CHECK(stream_.read_some(some, ec) == 0);
        told("read_some", ec);
        CHECK(stream_.read(some, ec) == 0);
        told("read", ec);
        CHECK(stream_.write_some("x", ec) == 0);
        told("write_some", ec);
        CHECK(stream_.write("x", ec) == 0);
        told("write", ec);
        CHECK(stream_.write(pieces, ec) == 0);
        told("write pieces", ec);
        stream_.update_keys(true, ec), told("update_keys", ec);
        CHECK(stream_.read_early(some, ec) == 0);
        told("read_early", ec);
        CHECK(stream_.write_early("x", ec) == 0);
        told("write_early", ec);
        CHECK_FALSE(stream_.flush(ec));
        told("flush", ec);
        using enum tls::shutdown_mode;
        for (const auto mode : {read, write, both}) stream_.shutdown(mode, ec), told("shutdown", ec);
        stream_.close(ec), told("close", ec);
        CHECK_FALSE(tls::split(std::move(stream_), ec).first);
        told("split", ec);
        CHECK_FALSE(std::move(stream_).finish(ec));
        told("finish", ec);
        CHECK_THROWS_AS(stream_.read_some(some), tls::error);
        CHECK(stream_.details().empty());
        static_cast<void>(stream_.version());
        static_cast<void>(stream_.pending_output());
    }
    std::vector<std::error_code> afterwards() {
        std::array<char, 10> some;
        std::vector<std::error_code> told(2);
        stream_.read_some(some, told[0]);
        stream_.write_some("secret", told[1]);
        if (!stream_.version()) stream_.handshake(told.emplace_back());
        std::error_code ec;
        stream_.close(ec);
        return told;
    }

private:
    tests::memory_network net_;
    network_partner partner_;
    memory_stream stream_;
};

class halves_face {
public:
    static constexpr std::string_view name = "halves";
    halves_face(const contexts& from, tls::role side)
        : partner_(from.engine_of(side == tls::role::client ? tls::role::server : tls::role::client), net_.b()) {
        net_.a().pump([this] { partner_.pump(); });
        std::tie(reader_, writer_) = tls::split(from.stream_of(side, net_.a().socket()));
    }

    std::string talk() {
        std::array<char, 4> some{};
        writer_.write("ping");
        const std::size_t n = reader_.read(some);
        writer_.close({.timeout = 100ms});
        return std::string(some.data(), n);
    }
    [[nodiscard]] const partner& other() const { return partner_.who; }

    void call_all(const std::function<void(std::string_view, std::error_code)>& told) {
        std::error_code ec;
        std::array<char, 10> some;
        const std::array pieces{std::as_bytes(std::span("x"sv))};
        CHECK(reader_.read_some(some, ec) == 0);
        told("read_some", ec);
        CHECK(reader_.read(some, ec) == 0);
        told("read", ec);
        reader_.shutdown_read(ec), told("shutdown_read", ec);
        CHECK(writer_.write_some("x", ec) == 0);
        told("write_some", ec);
        CHECK(writer_.write("x", ec) == 0);
        told("write", ec);
        CHECK(writer_.write(pieces, ec) == 0);
        told("write pieces", ec);
        CHECK_FALSE(writer_.flush(ec));
        told("flush", ec);
        for (const auto mode : {tls::shutdown_mode::write, tls::shutdown_mode::both}) {
            writer_.shutdown(mode, ec), told("shutdown", ec);
        }
        reader_.close(ec), told("a reader's close", ec);
        writer_.close(ec), told("a writer's close", ec);
        CHECK_THROWS_AS(reader_.read_some(some), tls::error);
        static_cast<void>(reader_.version());
        static_cast<void>(writer_.pending_output());
        writer_.with_native_handle([](SSL* ssl) { CHECK(ssl != nullptr); });
    }
    std::vector<std::error_code> afterwards() {
        std::array<char, 10> some;
        std::vector<std::error_code> told(2);
        reader_.read_some(some, told[0]);
        writer_.write_some("secret", told[1]);
        std::error_code ec;
        writer_.close(ec);
        return told;
    }

private:
    tests::memory_network net_;
    network_partner partner_;
    tls::reader<tests::memory_socket> reader_;
    tls::writer<tests::memory_socket> writer_;
};

class engine_face {
public:
    static constexpr std::string_view name = "engine";
    engine_face(const contexts& from, tls::role side)
        : engine_(from.engine_of(side)),
          partner_{from.engine_of(side == tls::role::client ? tls::role::server : tls::role::client)} {}

    std::string talk() {
        std::array<char, 4> some{};
        until_done([&] { return engine_.handshake(); });
        until_done([&] { return engine_.write("ping"); });
        const std::size_t n = until_done([&] { return engine_.read(some); }).bytes;
        until_done([&] { return engine_.close_notify(); });
        until_done([&] { return engine_.read(some); });
        return std::string(some.data(), n);
    }
    [[nodiscard]] const partner& other() const { return partner_; }

    void call_all(const std::function<void(std::string_view, std::error_code)>& told) {
        std::array<char, 10> some;
        const auto check = [&](std::string_view what, const tls::progress& step) {
            CHECK(step.bytes == 0);
            CHECK(step.wants == want::nothing);
            told(what, step.error);
        };
        check("handshake", engine_.handshake());
        check("read", engine_.read(some));
        check("write", engine_.write("x"));
        check("close_notify", engine_.close_notify());
        check("update_keys", engine_.update_keys(true));
        check("read_early", engine_.read_early(some));
        check("write_early", engine_.write_early("x"));
        static_cast<void>(engine_.version());
        CHECK(engine_.details().empty());
    }
    std::vector<std::error_code> afterwards() {
        std::array<char, 10> some;
        std::vector told{engine_.read(some).error, engine_.write("secret").error};
        if (!engine_.version()) told.push_back(engine_.handshake().error);
        return told;
    }

private:
    template <class Call>
    tls::progress until_done(Call&& call) {
        for (;;) {
            const tls::progress step = call();
            bool moved = tests::carry(engine_, partner_.engine);
            while (partner_.work()) moved = true;
            moved = tests::carry(partner_.engine, engine_) || moved;
            if (step.error) throw std::system_error(step.error);
            if (step.wants == want::nothing) return step;
            if (!moved) throw std::logic_error("nothing moves");
        }
    }

    tls::engine engine_;
    partner partner_;
};

struct oops : std::runtime_error {
    oops() : runtime_error("the user's own") {}
};

// Throws in the n-th run of the user's code, for every n. How often it can be run.
template <class Face>
std::size_t throw_everywhere(const callable& which, protocol_version version) {
    for (std::size_t n = 0;; ++n) {
        CAPTURE(n);
        std::size_t runs = 0;
        const contexts from(which, version, [&] {
            if (runs++ == n) throw oops();
        });
        Face face(from, which.side);
        try {
            const std::string said = face.talk();
            CHECK(said == "pong");
            CHECK(runs <= n);
            return n;
        } catch (const oops&) {
            CHECK(runs > n);
        }
        CHECK(tests::queue_is_empty());
        CHECK(face.other().received.substr(0, 4) == "ping"sv.substr(0, face.other().received.size()));
        // Said once; after a close there is nothing left.
        for (const auto ec : face.afterwards())
            CHECK((ec == errc::exception_thrown || ec == errc::not_open || ec == errc::write_shut_down));
        CHECK(face.other().received.find("secret") == std::string::npos);
        CHECK(tests::queue_is_empty());
    }
}

template <class Face>
void check_throwing() {
    for (const auto version : tests::versions) {
        for (const auto& which : callables()) {
            CAPTURE(Face::name, version, which.name);
            CHECK(throw_everywhere<Face>(which, version) != 0);
        }
    }
}

TEST_CASE("F66 an exception out of a callable comes out of the engine's call") { check_throwing<engine_face>(); }
TEST_CASE("F66 an exception out of a callable comes out of the stream's call") { check_throwing<stream_face>(); }
TEST_CASE("F66 an exception out of a callable comes out of a half's call") { check_throwing<halves_face>(); }

TEST_CASE("F66 an exception out of a password_function comes out of the call") {
    const auto& server = tests::test_pki().server;
    std::string password = "password";
    const std::string key = demo::text_of([&](BIO* into) {
        return ::PEM_write_bio_PKCS8PrivateKey(into, server.key.get(), ::EVP_aes_256_cbc(), password.data(),
                                               static_cast<int>(password.size()), nullptr, nullptr);
    });
    const auto ask = []() -> std::string { throw oops(); };
    CHECK_THROWS_AS(tls::credential::from_pem(server.certificate_pem(), key, ask), oops);
    CHECK(tests::queue_is_empty());
    std::error_code ec;
    CHECK_THROWS_AS(tls::credential::from_pem(server.certificate_pem(), key, ask, ec), oops);
    CHECK(tests::queue_is_empty());
}

// Calls everything in each run of the user's code; the conversation is unharmed.
template <class Face>
void check_calling_back() {
    for (const auto version : tests::versions) {
        for (const auto& which : callables()) {
            CAPTURE(Face::name, version, which.name);
            Face* face = nullptr;
            std::size_t runs = 0;
            const contexts from(which, version, [&] {
                ++runs;
                tests::with_stale_errors([&] {
                    face->call_all([](std::string_view what, std::error_code told) {
                        CAPTURE(what);
                        CHECK(told == errc::called_from_callback);
                    });
                });
            });
            Face made(from, which.side);
            face = &made;
            CHECK(made.talk() == "pong");
            CHECK(runs != 0);
            CHECK(made.other().received == "ping");
            CHECK(made.other().closed);
            CHECK(made.other().error == none);
            CHECK(tests::queue_is_empty());
        }
    }
}

TEST_CASE("F67 a callable cannot call its engine") { check_calling_back<engine_face>(); }
TEST_CASE("F67 a callable cannot call its stream") { check_calling_back<stream_face>(); }
TEST_CASE("F67 a callable cannot call its stream's halves") { check_calling_back<halves_face>(); }

TEST_CASE("F68 what a callable leaves on the error queue is not taken for the reason") {
    const auto version = GENERATE(Catch::Generators::from_range(tests::versions));
    const auto& pki = tests::test_pki();
    const auto leave = [](const tls::protocol_event&) { tests::with_stale_errors([] {}); };
    const auto trust = tls::trust_store::from_pem(pki.authority.certificate_pem());
    const bool trusted = GENERATE(false, true);
    const tls::client_context client({.trust = trusted ? trust : tls::trust_store(),
                                      .alpn = {"talk"},
                                      .min_version = version,
                                      .max_version = version,
                                      .observe = leave});
    const tls::server_context server({.identity = tls::credential::from_pem(pki.server.certificate_pem(), pki.server.key_pem()),
                                      .alpn = {trusted ? "other" : "talk"},
                                      .observe = leave});
    const tests::engine_handshake both(client, server);
    CHECK(tests::queue_is_empty());
    if (trusted) {
        CHECK(both.client_error == std::error_code(SSL_AD_NO_APPLICATION_PROTOCOL, tls::alert_category()));
        CHECK(both.server.details().find("NO_APPLICATION_PROTOCOL") != std::string::npos);
        CHECK(both.server_error.category() == tls::ssl_category());
    } else {
        CHECK(both.client_error == std::error_code(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, tls::verify_category()));
        CHECK(both.client.details().starts_with("SSL routines: CERTIFICATE_VERIFY_FAILED"));
        CHECK(both.server_error == std::error_code(SSL_AD_UNKNOWN_CA, tls::alert_category()));
    }
}

TEST_CASE("F67 a callable may give the stream up") {
    const auto version = GENERATE(Catch::Generators::from_range(tests::versions));
    const auto& pki = tests::test_pki();
    tests::memory_network net;
    tests::raw_peer peer(net.b(), tls::role::server, tests::peer_of(version));
    net.a().pump([&] { peer.pump(); });
    std::function<void()> give_up;
    const tls::client_context client({.trust = tls::trust_store::from_pem(pki.authority.certificate_pem()),
                                      .min_version = version,
                                      .max_version = version,
                                      .verify = [&](const tls::verification& one) { give_up(), one.accept(); }});
    memory_stream stream(net.a().socket(), client, "localhost");
    std::error_code ec;
    std::array<char, 10> some;
    SECTION("whole") {
        give_up = [&] { stream.abort(); };
        stream.handshake(ec);
        CHECK(ec);
        CHECK(stream.read_some(some, ec) == 0);
        CHECK(ec == errc::not_open);
    }
    SECTION("in halves") {
        auto [reader, writer] = tls::split(std::move(stream));
        give_up = [&writing = writer] { writing.abort(); };
        CHECK(reader.read_some(some, ec) == 0);
        CHECK(ec);
        CHECK(writer.write_some("x", ec) == 0);
        CHECK(ec == errc::not_open);
    }
    CHECK(net.a().closed());
    CHECK(tests::queue_is_empty());
}

}  // namespace
