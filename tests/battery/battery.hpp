// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery: whole sessions from handshake to close, the same for every transport and every face of the library.
//
// A transport makes the two ends of one connection and gives each as a face:
//
//     struct transport {
//         transport(tls::protocol_version, std::size_t chunk);
//         face client(), server();           // to be used by a thread each
//         tests::tape client_tape(), server_tape();  // what each sent, when both are done
//     };
//
// A face says what happened and throws nothing. It may work by blocking calls or by starting an asynchronous one and waiting for it:
//
//     std::error_code handshake();
//     std::size_t read_some(std::span<std::byte>, std::error_code&);  // and write_some, write
//     tls::shutdown_result shutdown(tls::shutdown_mode, std::error_code&);
//     tls::shutdown_result close(std::error_code&);
//     tls::stream_end read_end();
//     SSL* native_handle();

#ifndef TLS_STREAM_TESTS_BATTERY_BATTERY_HPP
#define TLS_STREAM_TESTS_BATTERY_BATTERY_HPP

#include <support/taped_socket.hpp>
#include <support/testing.hpp>

#include <tls/error.hpp>
#include <tls/protocol.hpp>
#include <tls/shutdown.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace battery {

enum class first : unsigned char { client, server, both };
inline constexpr std::array orders{first::client, first::server, first::both};
inline constexpr std::array<std::size_t, 6> chunks{1, 2, 5, 17, 16384, 65536};

[[nodiscard]] constexpr std::string_view to_string(first who) {
    return who == first::client ? "client first" : who == first::server ? "server first" : "both at once";
}

// One side's account of its session.
struct outcome {
    std::vector<std::string> surprises;  // errors where there should be none, bytes that are not the right ones
    tls::shutdown_result write_result{};
    tls::shutdown_result both_result{};
    tls::shutdown_result close_result{};
    std::error_code write_after_shutdown{};
    std::error_code read_after_end{};
    std::error_code read_after_close{};
    std::error_code write_after_close{};
    tls::stream_end read_end = tls::stream_end::open;
    std::vector<std::pair<int, int>> alerts_sent{};  // level and description
};

// Bytes that can be told from their neighbours, each side's from the other's.
[[nodiscard]] inline std::vector<std::byte> message(std::size_t size, unsigned seed) {
    std::vector<std::byte> made(size);
    std::uint32_t state = seed * 2654435761u + 1;
    for (auto& b : made) {
        state = state * 1664525u + 1013904223u;
        b = static_cast<std::byte>(state >> 24);
    }
    return made;
}

// One side: a face, with what it does looked at on every exit.
template <class Face>
class actor {
public:
    actor(Face& face, std::size_t chunk, unsigned seed) : face_(face), chunk_(chunk), seed_(seed) {}

    outcome result;

    void handshake() {
        expect("handshake", face_.handshake());
        ::SSL_set_msg_callback(face_.native_handle(), &actor::on_message);
        ::SSL_set_msg_callback_arg(face_.native_handle(), this);
    }

    // In pieces of the chunk's size.
    void write(std::size_t size) {
        const auto all = message(size, seed_ + sent_++);
        auto rest = std::span(all);
        while (!rest.empty()) {
            std::error_code ec;
            const std::size_t n = face_.write_some(rest.first(std::min(rest.size(), chunk_)), ec);
            if (!expect("write_some", ec) || n == 0) return;
            rest = rest.subspan(n);
        }
    }
    // At once.
    void write_whole(std::size_t size) {
        const auto all = message(size, seed_ + sent_++);
        std::error_code ec;
        const std::size_t n = face_.write(all, ec);
        expect("write", ec);
        if (n != size) surprise("write: " + std::to_string(n) + " of " + std::to_string(size));
    }
    // A message of the other side's.
    void read(std::size_t size, unsigned peer_seed) {
        std::vector<std::byte> got(size);
        std::size_t done = 0;
        while (done < size) {
            std::error_code ec;
            const std::size_t n = face_.read_some(std::span(got).subspan(done, std::min(size - done, chunk_)), ec);
            if (!expect("read_some", ec)) return;
            if (n == 0) return surprise("read_some: the end after " + std::to_string(done) + " of " + std::to_string(size));
            done += n;
        }
        if (got != message(size, peer_seed + received_++)) surprise("wrong bytes in a message of " + std::to_string(size));
    }
    void read_end() {
        std::byte one[4];
        for (int i = 0; i < 2; ++i) {
            std::error_code ec;
            const std::size_t n = face_.read_some(one, ec);
            expect("read_some at the end", ec);
            if (n != 0) surprise("bytes after the end");
            result.read_after_end = ec;
        }
        result.read_end = face_.read_end();
    }

    void shutdown_write() {
        std::error_code ec;
        result.write_result = face_.shutdown(tls::shutdown_mode::write, ec);
        expect("shutdown(write)", ec);
        write_refused();
    }
    void shutdown_both() {
        std::error_code ec;
        result.both_result = face_.shutdown(tls::shutdown_mode::both, ec);
        expect("shutdown(both)", ec);
        write_refused();
    }
    void close() {
        std::error_code ec;
        result.close_result = face_.close(ec);
        expect("close", ec);
        std::byte some[4]{};
        if (face_.read_some(some, result.read_after_close) != 0) surprise("bytes after close");
        if (face_.write_some(some, result.write_after_close) != 0) surprise("written after close");
        expect("after close", {});
    }

private:
    void surprise(std::string what) { result.surprises.push_back(std::move(what)); }

    bool expect(std::string_view where, std::error_code ec) {
        if (ec) surprise(std::string(where) + ": " + ec.message());
        if (::ERR_peek_error() != 0) surprise(std::string(where) + ": BoringSSL's error queue is not empty");
        ::ERR_clear_error();
        return !ec;
    }

    void write_refused() {
        std::byte some[4]{};
        if (face_.write_some(some, result.write_after_shutdown) != 0) surprise("written after shutdown");
        expect("a write that is refused", {});
    }

    static void on_message(int is_write, int, int type, const void* data, std::size_t size, SSL*, void* self) {
        const auto* const alert = static_cast<const std::uint8_t*>(data);
        if (is_write == 0 || type != SSL3_RT_ALERT || size != 2) return;
        static_cast<actor*>(self)->result.alerts_sent.emplace_back(alert[0], alert[1]);
    }

    Face& face_;
    std::size_t chunk_;
    unsigned seed_;
    unsigned sent_ = 0;
    unsigned received_ = 0;
};

// Sizes around the chunk's and the record's, few enough bytes that a byte at a time stays quick.
[[nodiscard]] inline std::vector<std::size_t> sizes(std::size_t chunk) {
    if (chunk < 17) return {1, chunk, chunk + 1, 100 * chunk - 1};
    if (chunk == 17) return {1, 16, 17, 18, 4000};
    return {1, chunk - 1, chunk, chunk + 1, 2 * chunk + 1};
}

// One side's part. Who closes first sends its close_notify while the other still has something to say.
template <class Face>
void play(actor<Face>& self, bool client, first who, std::size_t chunk, std::barrier<>& together) {
    constexpr unsigned client_seed = 1000;
    constexpr unsigned server_seed = 2000;
    const unsigned peer = client ? server_seed : client_seed;
    const std::size_t tail = std::min<std::size_t>(40 * chunk + 3, 40'000);
    // Nobody reads while both write: it must fit into a quarter of a socketpair's buffer, from where on poll(2) says that there is no
    // room; and each send counts as several hundred bytes there.
    const std::size_t tail_of_both = chunk <= 17 ? chunk : tail;
    constexpr std::size_t over_a_record = 16385;

    self.handshake();
    for (const std::size_t size : sizes(chunk)) {
        if (client) self.write(size);
        self.read(size, peer);
        if (!client) self.write(size);
    }
    if (client) self.write_whole(over_a_record);
    self.read(over_a_record, peer);
    if (!client) self.write_whole(over_a_record);

    if (who == first::both) {
        self.write(tail_of_both);
        together.arrive_and_wait();
        self.shutdown_write();
        self.read(tail_of_both, peer);
        self.shutdown_both();  // receives the peer's close_notify by itself
        self.read_end();
    } else if ((who == first::client) == client) {
        self.shutdown_write();
        self.read(tail, peer);
        self.read(over_a_record, peer);
        self.read_end();
        self.shutdown_both();
    } else {
        self.read_end();
        self.write(tail);
        self.write_whole(over_a_record);
        self.shutdown_both();
    }
    self.close();
}

// What every session must come to, whoever closes first and however the bytes are cut.
inline void check_outcome(const outcome& side, const tests::tape& tape, bool half_closed) {
    for (const auto& surprise : side.surprises) FAIL_CHECK(surprise);
    const tls::shutdown_result clean{
        .close_notify_sent = true, .transport_shut_down = true, .peer = tls::stream_end::close_notify};
    if (half_closed) {
        CHECK(side.write_result.close_notify_sent);
        CHECK(side.write_result.transport_shut_down);
        CHECK_FALSE(side.write_result.timed_out);
    }
    CHECK(side.both_result == clean);
    CHECK(side.both_result.clean());
    CHECK(side.close_result == clean);
    CHECK(side.read_end == tls::stream_end::close_notify);
    CHECK_FALSE(side.read_after_end);
    CHECK(side.write_after_shutdown == tls::errc::write_shut_down);
    CHECK(side.read_after_close == tls::errc::not_open);
    CHECK(side.write_after_close == tls::errc::not_open);

    // On the wire: one close_notify, the last record of all, and FIN behind it.
    CHECK(side.alerts_sent == std::vector<std::pair<int, int>>{{1, 0}});
    REQUIRE(tape.fin);
    CHECK(tape.closed);
    CHECK(tape.sent_before_fin == tape.sent.size());
    const auto records = tests::records(tape.sent);
    REQUIRE_FALSE(records.empty());
    CHECK(tests::to_string(records.back()) == "alert");
    CHECK(std::all_of(records.begin(), records.end(), [](const tests::record& r) { return r.complete; }));
}

// Runs one session.
template <class Transport>
void run(tls::protocol_version version, first who, std::size_t chunk) {
    Transport transport(version, chunk);
    auto client_face = transport.client();
    auto server_face = transport.server();
    actor client(client_face, chunk, 1000);
    actor server(server_face, chunk, 2000);
    std::barrier<> together(2);
    const auto guarded = [&](auto& side, bool is_client) {
        try {
            play(side, is_client, who, chunk, together);
        } catch (const std::exception& e) {
            side.result.surprises.push_back(std::string("exception: ") + e.what());
            together.arrive_and_drop();
        }
    };
    {
        std::thread other([&] { guarded(server, false); });
        guarded(client, true);
        other.join();
    }
    const auto half_closed = [&](bool is_client) { return who == first::both || (who == first::client) == is_client; };
    INFO("client");
    check_outcome(client.result, transport.client_tape(), half_closed(true));
    INFO("server");
    check_outcome(server.result, transport.server_tape(), half_closed(false));
}

// Every order and chunk size, for one version.
template <class Transport>
void run_all(tls::protocol_version version) {
    for (const first who : orders) {
        for (const std::size_t chunk : chunks) {
            DYNAMIC_SECTION(to_string(who) << ", " << chunk << " bytes at a time") { run<Transport>(version, who, chunk); }
        }
    }
}

}  // namespace battery

#endif
