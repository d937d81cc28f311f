// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F74 to F76 over Asio: an io_context that several threads run, with streams on strands. For asio_threads.cpp, which TSan watches.

#ifndef TLS_STREAM_TESTS_FAULTS_ASIO_THREADS_HPP
#define TLS_STREAM_TESTS_FAULTS_ASIO_THREADS_HPP

#include <support/asio_tools.hpp>

#include <tls/detail/boringssl.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace async_threads {
namespace {

using namespace std::chrono_literals;
using tests::end_of_file;
using tests::on_net;
using tests::tcp_socket;

// What went wrong, said by any thread.
class complaints {
public:
    void add(std::string what) {
        const std::lock_guard guard(mutex_);
        all_.push_back(std::move(what));
    }
    [[nodiscard]] std::vector<std::string> all() const {
        const std::lock_guard guard(mutex_);
        return all_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> all_;
};

// The bytes that each side sends: the same, so that both know them.
[[nodiscard]] const std::string& pattern() {
    static const std::string made = tests::text_of(1'000'003);
    return made;
}

// One side of a connection, on its strand: it reads and writes at the same time, renews its keys now and then, and closes when both are
// done. Or it closes after so many bytes, in the middle of everything.
class busy_end : public std::enable_shared_from_this<busy_end> {
public:
    struct options {
        std::size_t to_send = 0;
        std::size_t close_after = tests::no_limit;  // bytes received
        bool key_updates = false;
    };

    busy_end(tls::stream<tcp_socket> stream, const options& how, complaints& wrong)
        : stream_(std::move(stream)), how_(how), wrong_(wrong), into_(50'000, '\0') {}

    void start() {
        net::post(stream_.get_executor(), [self = shared_from_this()] {
            self->write();
            self->read();
        });
    }
    // Ready when it is closed.
    [[nodiscard]] std::future<void> done() { return done_.get_future(); }

    std::size_t sent = 0;      // to be looked at when it is done
    std::size_t received = 0;  // what was read
    tls::shutdown_result closed{};

private:
    void write() {
        if (sent == how_.to_send) return wrote_all();
        const std::size_t at = sent % pattern().size();
        const std::size_t size = std::min({how_.to_send - sent, pattern().size() - at, 1 + ++turns_ * 7919 % 70'000});
        if (how_.key_updates && turns_ % 16 == 0 && ::SSL_key_update(stream_.native_handle(), SSL_KEY_UPDATE_REQUESTED) != 1) {
            wrong_.add("SSL_key_update");
        }
        stream_.async_write_some(net::buffer(pattern().data() + at, size),
                                 [self = shared_from_this()](tests::net_code ec, std::size_t n) {
                                     self->sent += n;
                                     // Refused: the close is under way, or done already.
                                     const auto why = tests::as_std(ec);
                                     if (self->closing_ && (why == tls::errc::write_shut_down || why == tls::errc::not_open))
                                         return;
                                     if (ec) return self->fail("write", ec);
                                     self->write();
                                 });
    }
    void wrote_all() {
        if (closing_) return;
        stream_.async_shutdown(tls::shutdown_mode::write, {.timeout = 60s},
                               [self = shared_from_this()](tests::net_code ec, const tls::shutdown_result&) {
                                   if (ec) return self->fail("shutdown", ec);
                                   self->wrote_ = true;
                                   self->close_if_done();
                               });
    }
    void read() {
        stream_.async_read_some(net::buffer(into_), [self = shared_from_this()](tests::net_code ec, std::size_t n) {
            self->check(n);
            if (tests::as_std(ec) == end_of_file) {
                self->read_ = true;
                return self->close_if_done();
            }
            if (ec) return self->fail("read", ec);
            if (!self->closing_ && self->received >= self->how_.close_after) return self->close();
            if (!self->closing_) self->read();
        });
    }
    void check(std::size_t n) {
        for (std::size_t i = 0; i < n;) {
            const std::size_t at = received % pattern().size();
            const std::size_t part = std::min(n - i, pattern().size() - at);
            if (std::string_view(into_).substr(i, part) != std::string_view(pattern()).substr(at, part))
                wrong_.add("wrong bytes");
            received += part;
            i += part;
        }
    }
    void close_if_done() {
        if (read_ && wrote_ && !closing_) close();
    }
    void close() {
        closing_ = true;
        stream_.async_close({.timeout = 60s, .drain_limit = std::size_t{1} << 30},
                            [self = shared_from_this()](tests::net_code ec, const tls::shutdown_result& result) {
                                if (ec) return self->fail("close", ec);
                                self->closed = result;
                                self->done_.set_value();
                            });
    }
    void fail(std::string_view what, const tests::net_code& ec) {
        wrong_.add(std::string(what) + ": " + ec.message());
        if (!std::exchange(failed_, true)) done_.set_value();
        stream_.abort();
    }

    tls::stream<tcp_socket> stream_;
    options how_;
    complaints& wrong_;
    std::string into_;
    std::size_t turns_ = 0;
    bool read_ = false;
    bool wrote_ = false;
    bool closing_ = false;
    bool failed_ = false;
    std::promise<void> done_;
};

struct busy_pair {
    std::shared_ptr<busy_end> client;
    std::shared_ptr<busy_end> server;
};

busy_pair connect(net::io_context& io, tls::protocol_version version, const busy_end::options& of_client,
                  const busy_end::options& of_server, complaints& wrong) {
    tests::sockets<tcp_socket> pair(net::make_strand(io), net::make_strand(io));
    return {
        std::make_shared<busy_end>(tls::stream<tcp_socket>(std::move(pair.a), tests::client_of(version), "localhost"),
                                   of_client, wrong),
        std::make_shared<busy_end>(tls::stream<tcp_socket>(std::move(pair.b), tests::server_of(version)), of_server, wrong)};
}

// Runs them all in four threads. False: they do not come to an end.
bool run(net::io_context& io, const std::vector<busy_pair>& pairs) {
    std::vector<std::future<void>> all;
    for (const auto& pair : pairs) {
        all.push_back(pair.client->done());
        all.push_back(pair.server->done());
        pair.client->start();
        pair.server->start();
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&io] { io.run(); });
    const auto limit = tests::clock::now() + 240s;
    bool done = true;
    for (auto& each : all) done = done && each.wait_until(limit) == std::future_status::ready;
    if (!done) io.stop();
    for (auto& thread : threads) thread.join();
    return done;
}

constexpr std::size_t plenty = 20'000'000;

}  // namespace
}  // namespace async_threads

TEST_CASE("F74 streams on strands, both directions at full speed, with key updates from both sides" + tests::on_net,
          "[faults][threads]") {
    using namespace async_threads;
    net::io_context io;
    complaints wrong;
    std::vector<busy_pair> pairs;
    for (int i = 0; i < 3; ++i) {
        const auto version = i == 2 ? tls::protocol_version::tls1_2 : tls::protocol_version::tls1_3;
        const busy_end::options how{.to_send = plenty, .key_updates = i != 2};
        pairs.push_back(connect(io, version, how, how, wrong));
    }
    REQUIRE(run(io, pairs));
    for (const auto& what : wrong.all()) FAIL_CHECK(what);
    for (const auto& pair : pairs) {
        for (const auto& end : {pair.client, pair.server}) {
            CHECK(end->sent == plenty);
            CHECK(end->received == plenty);
            CHECK(end->closed.clean());
        }
    }
}

TEST_CASE("F75 streams on strands: one side closes in the middle of everything, and nothing is lost" + tests::on_net,
          "[faults][threads]") {
    using namespace async_threads;
    net::io_context io;
    complaints wrong;
    std::vector<busy_pair> pairs;
    for (std::size_t i = 0; i < 12; ++i) {
        const busy_end::options closes{.to_send = plenty, .close_after = 1 + i * 77'777, .key_updates = true};
        const busy_end::options goes_on{.to_send = 2'000'000, .key_updates = true};
        const bool by_client = i % 2 == 0;
        pairs.push_back(
            connect(io, tls::protocol_version::tls1_3, by_client ? closes : goes_on, by_client ? goes_on : closes, wrong));
    }
    REQUIRE(run(io, pairs));
    for (const auto& what : wrong.all()) FAIL_CHECK(what);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        const auto& closes = i % 2 == 0 ? pairs[i].client : pairs[i].server;
        const auto& goes_on = i % 2 == 0 ? pairs[i].server : pairs[i].client;
        CHECK(closes->closed.close_notify_sent);
        CHECK(closes->closed.peer == tls::stream_end::close_notify);
        CHECK(closes->received + closes->closed.discarded == goes_on->sent);
        CHECK(goes_on->received == closes->sent);
        CHECK(goes_on->closed.clean());
    }
}

TEST_CASE("F76 contexts that many threads share, and that go before their streams" + tests::on_net, "[faults][threads]") {
    using namespace async_threads;
    using conversation_stream = tls::stream<tcp_socket>;
    const auto& pki = tests::test_pki();
    std::optional<tls::client_context> client_context(
        tls::client_context({.trust = tls::trust_store::from_pem(pki.authority.certificate_pem())}));
    std::optional<tls::server_context> server_context(
        tls::server_context({.identity = tls::credential::from_pem(pki.server.certificate_pem(), pki.server.key_pem())}));
    std::atomic<int> ready{0};
    std::atomic<bool> gone{false};
    std::atomic<int> clean{0};
    std::vector<std::thread> threads;
    constexpr int count = 16;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([&] {
            net::io_context io;
            std::vector<std::pair<conversation_stream, conversation_stream>> talks;
            for (int k = 0; k < 4; ++k) {
                tests::sockets<tcp_socket> pair(io, io);
                talks.emplace_back(conversation_stream(std::move(pair.a), *client_context, "localhost"),
                                   conversation_stream(std::move(pair.b), *server_context));
            }
            ++ready;
            while (!gone) std::this_thread::yield();
            int closed = 0;
            for (auto& [client, server] : talks) {
                client.async_write_some(net::buffer("x", 1), [](tests::net_code, std::size_t) {});
                const auto close = [&closed](auto& stream) {
                    stream.async_close({.timeout = 60s, .drain_limit = 1000},
                                       [&closed](tests::net_code ec, const tls::shutdown_result& result) {
                                           if (!ec && result.close_notify_sent && result.peer == tls::stream_end::close_notify)
                                               ++closed;
                                       });
                };
                server.async_handshake([close, &client = client, &server = server](tests::net_code) {
                    close(client);
                    close(server);
                });
            }
            io.run_for(60s);
            clean += closed;
        });
    }
    while (ready != count) std::this_thread::yield();
    client_context.reset();
    server_context.reset();
    gone = true;
    for (auto& thread : threads) thread.join();
    CHECK(clean == count * 4 * 2);
}

#endif
