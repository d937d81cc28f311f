// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Handshakes that wait for an answer of the user's own, early data and new keys over Asio. For asio.cpp and boost_asio.cpp.

#ifndef TLS_STREAM_TESTS_FAULTS_ASIO_ANSWERS_HPP
#define TLS_STREAM_TESTS_FAULTS_ASIO_ANSWERS_HPP

#include <support/asio_layer.hpp>
#include <support/asio_tools.hpp>

#include <tls/detail/boringssl.hpp>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace answers {
namespace {

using namespace std::chrono_literals;
using tests::aborted;
using tests::end_of_file;
using tests::finish;
using tests::keep;
using tests::no_error;
using tests::operation;
using tests::too_late;
using tests::unix_socket;
using layer = tests::taped_layer<unix_socket>;

// What the user was asked, to be answered when the test says so.
template <class Question>
class asked {
public:
    [[nodiscard]] auto callable() {
        return [this](Question question) {
            const std::lock_guard held(mutex_);
            waiting_.push_back(std::move(question));
        };
    }
    [[nodiscard]] std::size_t count() const {
        const std::lock_guard held(mutex_);
        return waiting_.size();
    }
    [[nodiscard]] Question take() {
        const std::lock_guard held(mutex_);
        Question first = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        return first;
    }

private:
    mutable std::mutex mutex_;
    std::vector<Question> waiting_;
};

tls::client_options client_options() {
    return {.trust = tls::trust_store::from_pem(tests::test_pki().authority.certificate_pem())};
}
tls::server_options server_options() {
    const auto& server = tests::test_pki().server;
    return {.identity = tls::credential::from_pem(server.certificate_pem(), server.key_pem())};
}

void sign(const tls::signature_request& request) {
    bssl::ScopedEVP_MD_CTX context;
    const auto input = request.input();
    const auto* const data = reinterpret_cast<const std::uint8_t*>(input.data());
    std::size_t size = 0;
    REQUIRE(::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr, tests::test_pki().server.key.get()) == 1);
    REQUIRE(::EVP_DigestSign(context.get(), nullptr, &size, data, input.size()) == 1);
    std::vector<std::byte> signature(size);
    REQUIRE(::EVP_DigestSign(context.get(), reinterpret_cast<std::uint8_t*>(signature.data()), &size, data, input.size()) == 1);
    signature.resize(size);
    request.sign(signature);
}

// A client whose verifier is asked, over a socket or over a layer that is none, and a server.
template <class Socket>
struct meeting {
    explicit meeting(tls::server_options served = server_options()) : meeting(client_options(), std::move(served)) {}
    meeting(tls::client_options options, tls::server_options served) {
        options.verify = verifier.callable();
        const tls::client_context trusting(options);
        const tls::server_context serving(served);
        if constexpr (std::is_same_v<Socket, layer>) {
            client.emplace(layer(std::move(pair.a), std::make_shared<tests::layer_state>()), trusting, "localhost");
        } else {
            client.emplace(std::move(pair.a), trusting, "localhost");
        }
        server.emplace(std::move(pair.b), serving);
    }

    // Runs until the verifier has been asked.
    void ask() {
        tests::run_until(io, [&] { return verifier.count() != 0; });
        tests::settle(io);
    }

    asked<tls::verification> verifier;
    net::io_context io;
    tests::sockets<unix_socket> pair{io, io};
    std::optional<tls::stream<Socket>> client;
    std::optional<tls::stream<unix_socket>> server;
};

TEMPLATE_TEST_CASE("a verification is answered later, by another thread, and the handshake goes on", "", unix_socket, layer) {
    meeting<TestType> here;
    const auto one = tests::handshake(*here.client);
    const auto other = tests::handshake(*here.server);
    here.ask();
    CHECK_FALSE(one->done());

    std::thread answering([question = here.verifier.take()] { question.accept(); });
    const auto ended = finish(here.io, one).ec;
    answering.join();
    CHECK(ended == no_error);
    CHECK(finish(here.io, other).ec == no_error);
    std::string got(2, '\0');
    const auto written = tests::write_all(*here.client, "hi");
    const auto read = tests::read_all(*here.server, got);
    CHECK(finish(here.io, written).ec == no_error);
    CHECK(finish(here.io, read).ec == no_error);
    CHECK(got == "hi");
}

TEST_CASE("a read and a write that both run the handshake wait for the same answer") {
    meeting<unix_socket> here;
    std::string got(4, '\0');
    std::string there(2, '\0');
    const auto read = tests::read_all(*here.client, got);
    const auto write = tests::write_all(*here.client, "hi");
    const auto server_reads = tests::read_all(*here.server, there);
    here.ask();
    CHECK_FALSE(read->done());
    CHECK_FALSE(write->done());
    here.verifier.take().accept();
    CHECK(finish(here.io, write).ec == no_error);
    CHECK(finish(here.io, server_reads).ec == no_error);
    const auto back = tests::write_all(*here.server, "back");
    CHECK(finish(here.io, back).ec == no_error);
    CHECK(finish(here.io, read).ec == no_error);
    CHECK(got == "back");
}

TEMPLATE_TEST_CASE("who gives no answer refuses, and the peer is told", "", unix_socket, layer) {
    meeting<TestType> here;
    const auto one = tests::handshake(*here.client);
    const auto other = tests::handshake(*here.server);
    here.ask();
    {
        const auto dropped = here.verifier.take();
    }
    CHECK(finish(here.io, one).ec == tls::errc::verification_refused);
    // In TLS 1.3 the server's handshake may be complete before the alert comes.
    std::error_code told = finish(here.io, other).ec;
    std::string any(1, '\0');
    if (!told) told = finish(here.io, tests::read_some(*here.server, any)).ec;
    CHECK(told == std::error_code(static_cast<int>(tls::alert::certificate_unknown), tls::alert_category()));
}

TEST_CASE("a deadline ends the waiting for an answer, and what comes later is good for the next call") {
    meeting<unix_socket> here;
    here.client->expires_after(20ms);
    const auto one = tests::handshake(*here.client);
    const auto other = tests::handshake(*here.server);
    here.ask();
    CHECK(finish(here.io, one).ec == too_late);
    here.verifier.take().accept();
    here.client->expires_never();
    CHECK(finish(here.io, tests::handshake(*here.client)).ec == no_error);
    CHECK(finish(here.io, other).ec == no_error);
}

TEMPLATE_TEST_CASE("a stream that is destroyed or aborted waits for no answer", "", unix_socket, layer) {
    meeting<TestType> here;
    const auto one = tests::handshake(*here.client);
    const auto other = tests::handshake(*here.server);
    here.ask();
    SECTION("destroyed") { here.client.reset(); }
    SECTION("aborted") { here.client->abort(); }
    CHECK(finish(here.io, one).ec == aborted);
    here.verifier.take().accept();  // nobody is there any more
    CHECK(finish(here.io, other).ec == tls::errc::handshake_truncated);
}

TEST_CASE("an io_context that is destroyed takes with it who waits for an answer") {
    asked<tls::verification> verifier;
    operation one;
    {
        auto options = client_options();
        options.verify = verifier.callable();
        const tls::client_context trusting(options);
        auto io = std::make_unique<net::io_context>();
        tests::sockets<unix_socket> pair(*io, *io);
        auto client = std::make_shared<tls::stream<unix_socket>>(std::move(pair.a), trusting, "localhost");
        auto server = std::make_shared<tls::stream<unix_socket>>(std::move(pair.b), tls::server_context(server_options()));
        // As a coroutine's frame would, the handlers own the streams.
        one = tests::start([&](keep handler) {
            client->async_handshake([client, kept = std::move(handler)](tests::net_code ec) mutable { kept(ec); });
        });
        const auto other = tests::start([&](keep handler) {
            server->async_handshake([server, kept = std::move(handler)](tests::net_code ec) mutable { kept(ec); });
        });
        tests::run_until(*io, [&] { return verifier.count() != 0; });
        tests::settle(*io);
        client.reset();
        server.reset();
        io.reset();
    }
    CHECK(one->gone);
    CHECK_FALSE(one->done());
    verifier.take().accept();
}

TEST_CASE("signatures and identities may come later too") {
    asked<tls::signature_request> signer;
    asked<tls::identity_request> selector;
    const auto& server = tests::test_pki().server;
    auto options = server_options();
    options.identity = tls::credential::with_signer(server.certificate_pem(), signer.callable());
    options.select_identity = selector.callable();
    meeting<unix_socket> here(std::move(options));
    const auto one = tests::handshake(*here.client);
    const auto other = tests::handshake(*here.server);

    tests::run_until(here.io, [&] { return selector.count() != 0; });
    const auto question = selector.take();
    CHECK(question.hello().server_name == "localhost");
    question.use_default();
    tests::run_until(here.io, [&] { return signer.count() != 0; });
    sign(signer.take());
    here.ask();
    here.verifier.take().accept();
    CHECK(finish(here.io, one).ec == no_error);
    CHECK(finish(here.io, other).ec == no_error);
}

TEST_CASE("answers come while other threads run the io_context") {
    net::io_context io;
    const auto guard = net::make_work_guard(io);
    std::vector<std::thread> running;
    for (int i = 0; i < 2; ++i) running.emplace_back([&] { io.run(); });

    std::mutex mutex;
    std::vector<std::thread> answering;
    auto options = client_options();
    options.verify = [&](tls::verification question) {
        const std::lock_guard held(mutex);
        answering.emplace_back([question = std::move(question)] { question.accept(); });
    };
    const tls::client_context trusting(options);
    const tls::server_context serving(server_options());
    for (int i = 0; i < 50; ++i) {
        const auto one_strand = net::make_strand(io);
        const auto other_strand = net::make_strand(io);
        tests::sockets<unix_socket> pair(one_strand, other_strand);
        tls::stream<unix_socket> client(std::move(pair.a), trusting, "localhost");
        tls::stream<unix_socket> server(std::move(pair.b), serving);
        std::promise<tests::net_code> one;
        std::promise<tests::net_code> other;
        net::post(one_strand, [&] { client.async_handshake([&](tests::net_code ec) { one.set_value(ec); }); });
        net::post(other_strand, [&] { server.async_handshake([&](tests::net_code ec) { other.set_value(ec); }); });
        CHECK_FALSE(one.get_future().get());
        CHECK_FALSE(other.get_future().get());
        std::promise<void> gone;
        net::post(one_strand, [&] {
            client = {};
            gone.set_value();
        });
        gone.get_future().get();
        std::promise<void> other_gone;
        net::post(other_strand, [&] {
            server = {};
            other_gone.set_value();
        });
        other_gone.get_future().get();
    }
    io.stop();
    for (auto& thread : running) thread.join();
    for (auto& thread : answering) thread.join();
}

// --- early data, new keys ---

// A client that resumes what it has in `sessions`, and a server that takes early data, and their handshake.
struct resumption {
    resumption(const tls::session_cache& sessions, const tls::server_context& serving) {
        auto options = client_options();
        options.sessions = sessions;
        options.early_data = true;
        client.emplace(std::move(pair.a), tls::client_context(options), "localhost");
        server.emplace(std::move(pair.b), serving);
    }
    template <class Start>
    operation early(Start start) {
        return tests::start(std::move(start));
    }

    net::io_context io;
    tests::sockets<unix_socket> pair{io, io};
    std::optional<tls::stream<unix_socket>> client;
    std::optional<tls::stream<unix_socket>> server;
};

TEST_CASE("early data over Asio: written in the first flight, and read under its own name") {
    const tls::session_cache sessions;
    auto options = server_options();
    options.early_data = true;
    const tls::server_context serving(options);
    std::string from = "early";
    std::string into(100, '\0');
    {
        resumption first(sessions, serving);
        const auto none =
            tests::start([&](keep handler) { first.client->async_write_early(net::buffer(from), std::move(handler)); });
        CHECK(finish(first.io, none).ec == tls::errc::early_data_unavailable);
        CHECK(none->bytes == 0);
        const auto written = tests::write_all(*first.server, "x");
        const auto read = tests::read_some(*first.client, into);
        CHECK(finish(first.io, written).ec == no_error);
        CHECK(finish(first.io, read).ec == no_error);
    }
    REQUIRE(sessions.size() != 0);
    resumption second(sessions, serving);
    const auto write =
        tests::start([&](keep handler) { second.client->async_write_early(net::buffer(from), std::move(handler)); });
    CHECK(finish(second.io, write).ec == no_error);
    CHECK(write->bytes == from.size());
    const auto early =
        tests::start([&](keep handler) { second.server->async_read_early(net::buffer(into), std::move(handler)); });
    CHECK(finish(second.io, early).ec == no_error);
    CHECK(into.substr(0, early->bytes) == "early");
    // Before the client has proved that it is there.
    std::string answer = "answer";
    const auto replied =
        tests::start([&](keep handler) { second.server->async_write_early(net::buffer(answer), std::move(handler)); });
    CHECK(finish(second.io, replied).ec == no_error);
    const auto no_more =
        tests::start([&](keep handler) { second.server->async_read_early(net::buffer(into), std::move(handler)); });
    std::string got(6, '\0');
    const auto read = tests::read_all(*second.client, got);
    CHECK(finish(second.io, read).ec == no_error);
    CHECK(got == "answer");
    CHECK(finish(second.io, no_more).ec == end_of_file);
    CHECK(second.client->early_data_accepted());
    CHECK(second.client->session_reused());
}

TEST_CASE("new keys over Asio, in both directions") {
    for (const auto version : tests::versions) {
        tests::conversation<unix_socket> here(version);
        const auto updated = tests::start([&](keep handler) { here.client.async_update_keys(true, std::move(handler)); });
        const bool has_them = version == tls::protocol_version::tls1_3;
        CHECK(finish(here.io, updated).ec == (has_them ? std::error_code() : make_error_code(tls::errc::not_supported)));
        CHECK(here.works());
    }
}

}  // namespace
}  // namespace answers

#endif
