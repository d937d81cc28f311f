// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From a host's name to a verified stream, over real TCP.

#include <tls/connect.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

using namespace std::chrono_literals;

namespace {

// Serves one client by `serve`, in a thread, on loopback.
class one_server {
public:
    template <class Serve>
    explicit one_server(Serve serve)
        : thread_([this, serve] {
              try {
                  serve(listener_.accept(tests::patience()));
              } catch (const std::system_error&) {
                  // What the client saw is what counts.
              }
          }) {}
    ~one_server() {
        listener_.interrupt();
        thread_.join();
    }
    [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

private:
    tls::tcp_listener listener_{"127.0.0.1", 0};
    std::thread thread_;
};

void echo(tls::tcp_socket socket, tls::protocol_version version) {
    tls::stream stream(std::move(socket), tests::server_of(version));
    stream.expires_at(tests::patience());
    std::array<char, 1000> into{};
    while (const std::size_t n = stream.read_some(into)) stream.write(std::span(into).first(n));
    stream.close();
}

}  // namespace

TEST_CASE("connect: a verified stream, without a deadline", "[connect]") {
    const auto version = GENERATE(Catch::Generators::from_range(tests::versions));
    const std::string_view host = GENERATE("127.0.0.1", "localhost");
    const one_server server([version](tls::tcp_socket socket) { echo(std::move(socket), version); });
    auto stream = tls::connect(host, server.port(), tests::client_of(version), tests::in(30s));
    CHECK(stream.version() == version);
    CHECK(stream.server_name() == host);
    CHECK(stream.peer_certificate().has_value());
    CHECK(stream.write("hello") == 5);
    std::array<char, 5> into{};
    CHECK(stream.read(into) == 5);
    CHECK(std::string_view(into.data(), 5) == "hello");
    CHECK(stream.close().clean());
    CHECK(tests::queue_is_empty());
}

TEST_CASE("connect: the deadline is cleared before it returns", "[connect]") {
    constexpr auto version = tls::protocol_version::tls1_3;
    const one_server server([](tls::tcp_socket socket) { echo(std::move(socket), version); });
    const auto deadline = tests::in(2s);
    auto stream = tls::connect("127.0.0.1", server.port(), tests::client_of(version), deadline);
    while (tests::clock::now() < deadline) std::this_thread::yield();
    CHECK(stream.write("hello") == 5);
    std::array<char, 5> into{};
    CHECK(stream.read(into) == 5);
    CHECK(stream.close().clean());
}

TEST_CASE("connect: what goes wrong, by both overloads", "[connect]") {
    const auto version = tls::protocol_version::tls1_3;
    const auto& context = tests::client_of(version);
    std::error_code ec;
    // The same error, an empty stream, and a message that names the host.
    const auto check = [&](std::string_view host, std::uint16_t port, std::error_code expected, auto deadline) {
        CHECK_FALSE(tls::connect(host, port, context, deadline(), ec));
        CHECK(ec == expected);
        CHECK(tests::queue_is_empty());
        try {
            (void)tls::connect(host, port, context, deadline());
            FAIL("it should have thrown");
        } catch (const tls::error& e) {
            CHECK(e.code() == expected);
            if (!host.empty()) CHECK(std::string(e.what()).find(host) != std::string::npos);
        }
    };
    const auto patience = [] { return tests::patience(); };
    SECTION("nobody listens") {
        tls::tcp_listener listener("127.0.0.1", 0);
        const auto port = listener.port();
        listener.close();
        check("127.0.0.1", port, {static_cast<int>(std::errc::connection_refused), std::system_category()}, patience);
    }
    SECTION("names that TLS refuses, before anything goes out") {
        check("", 1, tls::errc::server_name_required, patience);
        check("no such name", 1, tls::errc::invalid_server_name, patience);
    }
    SECTION("a server that says nothing") {
        tls::tcp_listener listener("127.0.0.1", 0);
        check("127.0.0.1", listener.port(), std::make_error_code(std::errc::timed_out), [] { return tests::in(50ms); });
    }
}

TEST_CASE("connect: a certificate for another name is refused, and nothing but an alert goes out", "[connect]") {
    const auto impostor = tests::make_leaf({"other.test"}, &tests::test_pki().authority);
    std::error_code server_error;
    {
        const one_server server([&](tls::tcp_socket socket) {
            const tls::server_context context(
                {.identity = tls::credential::from_pem(impostor.certificate_pem(), impostor.key_pem())});
            tls::stream stream(std::move(socket), context);
            stream.expires_at(tests::patience());
            std::array<char, 10> into{};
            stream.read_some(into, server_error);
        });
        try {
            (void)tls::connect("localhost", server.port(), tests::client_of(tls::protocol_version::tls1_3), tests::patience());
            FAIL("it should have thrown");
        } catch (const tls::error& e) {
            CHECK(e.code() == std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, tls::verify_category()));
            CHECK(std::string(e.what()).find("localhost") != std::string::npos);
            CHECK_FALSE(e.details().empty());
        }
    }
    CHECK(server_error.category() == tls::alert_category());
}
