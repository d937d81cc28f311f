// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F74 and F75 at full speed: two connections' ends, each with a reader's and a writer's thread, KeyUpdates from both sides in the middle, and
// an end at a random moment. For about two seconds, or for as many as TLS_STREAM_STRESS_SECONDS says.

#include <tls/split.hpp>

#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

namespace {

const std::error_code none;
const std::error_code canceled = std::make_error_code(std::errc::operation_canceled);

// How the first end closes; the other one follows when it has seen that.
enum class ending : unsigned char { write, both, close, close_by_reader, abort };
constexpr std::array endings{ending::write, ending::both, ending::close, ending::close_by_reader, ending::abort};
constexpr std::array<std::string_view, endings.size()> names{"shutdown(write)", "shutdown(both)", "close",
                                                             "close by the reader", "abort"};

// The bytes of a direction: those of a long pattern, over and over, so that each place can be told from the others near it.
class pattern {
public:
    explicit pattern(unsigned seed) : bytes_(period + largest) {
        std::mt19937 random(seed);
        for (std::size_t i = 0; i < period; ++i) bytes_[i] = static_cast<std::byte>(random());
        std::copy_n(bytes_.begin(), largest, bytes_.begin() + period);
    }
    [[nodiscard]] std::span<const std::byte> at(std::size_t offset, std::size_t size) const {
        return std::span(bytes_).subspan(offset % period, size);
    }
    static constexpr std::size_t largest = 60'000;  // piece

private:
    static constexpr std::size_t period = 65'521;
    std::vector<std::byte> bytes_;
};

// One end of a connection: what its two threads do, and what came of it.
class end {
public:
    end(tls::stream<tls::tcp_socket> stream, unsigned seed, unsigned peer_seed)
        : random_(seed),
          seed_(peer_seed),
          ours_(seed),
          theirs_(peer_seed),
          tls1_3_(stream.version() == tls::protocol_version::tls1_3) {
        auto [reader, writer] = tls::split(std::move(stream));
        reader_ = std::move(reader);
        writer_ = std::move(writer);
    }

    // --- in the writer's thread ---

    void write_until(const std::atomic<bool>& stop) {
        while (!stop && !write_error) {
            if (tls1_3_ && chance(8)) {
                writer_.with_native_handle([&](SSL* ssl) {
                    return ::SSL_key_update(ssl, chance(2) ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
                });
                ++key_updates;
            }
            const std::size_t size = 1 + random_() % (chance(2) ? 300 : pattern::largest);
            written += writer_.write(ours_.at(written, size), write_error);
            if (chance(16)) (void)writer_.read_end();
        }
    }
    void shut(shutdown_mode mode) { result = writer_.shutdown(mode, patient, close_error); }
    void close(bool by_reader) {
        result = by_reader ? reader_.close(patient, close_error) : writer_.close(patient, close_error);
    }
    void abort() { writer_.abort(); }

    // --- in the reader's thread ---

    void read_until_end(const std::atomic<bool>* stop = nullptr) {
        std::vector<std::byte> into(50'000);
        std::minstd_rand random(seed_);
        for (;;) {
            if (stop != nullptr && *stop) return;
            const std::size_t n = reader_.read_some(std::span(into).first(1 + random() % into.size()), read_error);
            if (n == 0) break;
            const auto expected = theirs_.at(received, n);
            if (!std::equal(expected.begin(), expected.end(), into.begin())) wrong = true;
            received += n;
            if (random() % 16 == 0) (void)reader_.cipher();
        }
        // It says the same again, or that the stream was closed meanwhile.
        std::error_code again;
        if (reader_.read_some(into, again) != 0 || (again != read_error && again != tls::errc::not_open)) wrong = true;
    }

    // --- when both have come to their end ---

    [[nodiscard]] stream_end read_end() const { return reader_.read_end(); }
    [[nodiscard]] bool joins() {
        std::error_code ec;
        auto whole = tls::join(std::move(reader_), std::move(writer_), ec);
        if (ec) return false;
        result = whole.close(patient, ec);
        return !ec;
    }

    std::size_t written = 0;
    std::size_t received = 0;
    std::size_t key_updates = 0;
    bool wrong = false;
    std::error_code write_error{};
    std::error_code read_error{};
    std::error_code close_error{};
    shutdown_result result{};

private:
    static constexpr tls::shutdown_options patient{.timeout = 60s, .drain_limit = tests::no_limit};

    bool chance(unsigned one_in) { return random_() % one_in == 0; }

    std::mt19937 random_;  // the writer's
    unsigned seed_;
    pattern ours_;
    pattern theirs_;
    bool tls1_3_;
    tls::reader<tls::tcp_socket> reader_;
    tls::writer<tls::tcp_socket> writer_;
};

struct totals {
    std::size_t rounds = 0;
    std::size_t bytes = 0;
    std::size_t key_updates = 0;
    std::size_t canceled = 0;
};

// One connection, from its handshake to its end.
void run(unsigned seed, ending how, tls::protocol_version version, bool tcp, bool limited, totals& sum) {
    std::mt19937 random(seed);
    auto pair = tcp ? tests::tcp_pair() : tests::unix_pair();
    tls::stream client(std::move(pair.a), tests::client_of(version), "localhost");
    tls::stream server(std::move(pair.b), tests::server_of(version));
    std::thread shaking([&] {
        std::error_code ec;
        server.handshake(ec);
    });
    std::error_code ec;
    client.handshake(ec);
    shaking.join();
    REQUIRE(ec == none);
    if (limited) {
        client.expires_after(60s);
        server.expires_after(60s);
    }
    const bool client_first = random() % 2 == 0;
    end first(client_first ? std::move(client) : std::move(server), seed, seed + 1);
    end second(client_first ? std::move(server) : std::move(client), seed + 1, seed);

    std::atomic<bool> first_stops = false;
    std::atomic<bool> second_stops = false;
    std::atomic<bool> reader_closes = false;
    std::thread first_reads([&] {
        first.read_until_end(how == ending::close_by_reader ? &reader_closes : nullptr);
        if (how == ending::close_by_reader) first.close(true);
    });
    std::thread first_writes([&] {
        first.write_until(first_stops);
        if (how == ending::write) first.shut(shutdown_mode::write);
        if (how == ending::both) first.shut(shutdown_mode::both);
        if (how == ending::close) first.close(false);
        if (how == ending::abort) first.abort();
    });
    std::thread second_reads([&] {
        second.read_until_end();
        second_stops = true;
    });
    std::thread second_writes([&] {
        second.write_until(second_stops);
        second.shut(shutdown_mode::write);
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    if (how == ending::close_by_reader) reader_closes = true;
    else first_stops = true;
    first_reads.join();
    first_writes.join();
    second_reads.join();
    second_writes.join();

    CAPTURE(seed, names[static_cast<std::size_t>(how)], version, tcp, limited);
    CAPTURE(first.written, first.received, first.write_error, first.read_error, first.close_error, first.result.discarded);
    CAPTURE(second.written, second.received, second.write_error, second.read_error, second.close_error);
    CHECK_FALSE(second.wrong);
    const bool drained = first.result.discarded != 0;
    CHECK((!first.wrong || drained));  // a read behind what was thrown away
    if (how == ending::abort) {
        CHECK(second.read_error);
        CHECK(second.read_end() != stream_end::close_notify);
        CHECK(second.received <= first.written);
        CHECK((first.read_error == canceled || first.read_error == tls::errc::not_open));
    } else {
        CHECK(first.close_error == none);
        CHECK(first.result.close_notify_sent);
        CHECK(second.read_error == none);
        CHECK(second.read_end() == stream_end::close_notify);
        if (how == ending::close_by_reader) {
            // What is written when the close begins is refused, or told as accepted and cut off by nothing but the close.
            const bool refused = first.write_error == tls::errc::write_shut_down || first.write_error == tls::errc::not_open ||
                                 first.write_error == canceled;
            CHECK(refused);
        } else {
            CHECK(first.write_error == none);
        }
        CHECK(second.received == first.written);
        CHECK(second.write_error == none);
        CHECK(second.close_error == none);
        if (how == ending::write) {
            CHECK(first.read_error == none);
            CHECK(first.received == second.written);
            CHECK(first.joins());
            CHECK(second.joins());
            CHECK(first.result.clean());
            CHECK(second.result.clean());
        } else {
            CHECK(first.result.peer == stream_end::close_notify);
            CHECK(first.received + first.result.discarded == second.written);
            CHECK((first.read_error == none || first.read_error == canceled || first.read_error == tls::errc::not_open));
        }
    }
    CHECK(tests::queue_is_empty());
    ++sum.rounds;
    sum.bytes += first.received + second.received;
    sum.key_updates += first.key_updates + second.key_updates;
    if (first.read_error == canceled) ++sum.canceled;
}

std::chrono::seconds duration() {
    const char* const wanted = std::getenv("TLS_STREAM_STRESS_SECONDS");
    const long seconds = wanted != nullptr ? std::strtol(wanted, nullptr, 10) : 0;
    return std::chrono::seconds(seconds > 0 ? seconds : 2);
}

}  // namespace

TEST_CASE("F74 F75 reader and writer threads at full speed, KeyUpdates from both sides, an end at a random moment",
          "[faults]") {
    const auto until = tests::clock::now() + duration();
    const unsigned seed = std::random_device{}();
    totals sum;
    for (unsigned i = 0; i < endings.size() || tests::clock::now() < until; ++i) {
        run(seed + i, endings[i % endings.size()], tests::versions[i / 5 % 4 != 3], i / 2 % 2 == 0, i % 3 == 0, sum);
    }
    CHECK(sum.key_updates > 0);
    CHECK(sum.bytes > 1'000'000);
    if (std::getenv("TLS_STREAM_STRESS_SECONDS") != nullptr) {
        WARN(sum.rounds << " connections, " << sum.bytes << " bytes, " << sum.key_updates << " KeyUpdates, " << sum.canceled
                        << " reads that a close ended");
    }
}
