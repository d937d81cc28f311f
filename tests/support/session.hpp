// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A connection for tests of streams: the library at end a of a memory connection, a scripted peer at end b, the handshake done.

#ifndef TLS_STREAM_TESTS_SUPPORT_SESSION_HPP
#define TLS_STREAM_TESTS_SUPPORT_SESSION_HPP

#include <support/pki.hpp>
#include <support/raw_peer.hpp>
#include <support/testing.hpp>

#include <tls/context.hpp>
#include <tls/credential.hpp>
#include <tls/protocol.hpp>
#include <tls/stream.hpp>
#include <tls/trust.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tests {

inline constexpr std::array versions{tls::protocol_version::tls1_2, tls::protocol_version::tls1_3};

// Contexts that speak one version only: a client's that trusts the test authority, a server's with its certificate.
[[nodiscard]] inline const tls::client_context& client_of(tls::protocol_version version) {
    const auto make = [](tls::protocol_version only) {
        const auto trust = tls::trust_store::from_pem(test_pki().authority.certificate_pem());
        return tls::client_context({.trust = trust, .min_version = only, .max_version = only});
    };
    static const std::array made{make(versions[0]), make(versions[1])};
    return made[version == tls::protocol_version::tls1_3];
}
[[nodiscard]] inline const tls::server_context& server_of(tls::protocol_version version) {
    const auto make = [](tls::protocol_version only) {
        const auto& server = test_pki().server;
        return tls::server_context({.identity = tls::credential::from_pem(server.certificate_pem(), server.key_pem()),
                                    .min_version = only,
                                    .max_version = only});
    };
    static const std::array made{make(versions[0]), make(versions[1])};
    return made[version == tls::protocol_version::tls1_3];
}

// Options for a raw_peer of that version, on either side.
[[nodiscard]] inline raw_peer_options peer_of(tls::protocol_version version, reaction on_close_notify = reaction::none) {
    const auto& server = test_pki().server;
    const auto number = static_cast<std::uint16_t>(version);
    return {.certificate = server.certificate.get(),
            .key = server.key.get(),
            .min_version = number,
            .max_version = number,
            .on_close_notify = on_close_notify};
}

struct session_options {
    tls::protocol_version version = tls::protocol_version::tls1_3;
    reaction on_close_notify = reaction::none;  // what the peer does when ours has come
    tls::role role = tls::role::client;         // of the library
    bool non_blocking = false;
    bool handshake = true;
    network_options net{};
};

// The events of a log from the given one on, without sizes and without repetition: "write, shutdown write, read, eof". Waits that
// ended without anything are left out.
[[nodiscard]] inline std::string steps_of(const memory_end& end, std::size_t from) {
    std::string text;
    std::string last;
    const auto log = end.log();
    for (std::size_t i = from; i < log.size(); ++i) {
        const auto& e = log[i];
        if (e.kind == event_kind::error && e.error == std::errc::timed_out) continue;
        std::string word = e.kind == event_kind::read ? "read" : e.kind == event_kind::write ? "write" : to_string(e);
        if (word == last) continue;
        text += (text.empty() ? "" : ", ") + word;
        last = std::move(word);
    }
    return text;
}

template <socket_features Has = socket_features::all>
class session {
public:
    using stream_type = tls::stream<basic_memory_socket<Has>>;

    explicit session(const session_options& options = {})
        : net(options.net),
          peer(net.b(), options.role == tls::role::client ? tls::role::server : tls::role::client,
               peer_of(options.version, options.on_close_notify)),
          stream(make(options)) {
        stream.next_layer().non_blocking(options.non_blocking);
        net.a().pump([this] { work(); });
        if (!options.handshake) return;
        std::error_code ec;
        for (stream.handshake(ec); ec == std::errc::operation_would_block; stream.handshake(ec)) peer.pump();
        if (ec) throw std::system_error(ec, "tests::session: handshake");
        peer.pump();
        since = net.a().bytes_sent();
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    // What left our end since the handshake: "data, alert, FIN".
    [[nodiscard]] std::string wire() const { return net.a().wire_text(since); }
    // Where the log of our end is now, and what is in it from there on.
    [[nodiscard]] std::size_t mark() const { return net.a().log().size(); }
    [[nodiscard]] std::string steps(std::size_t from) const { return steps_of(net.a(), from); }

    // Makes the peer do all it was told to do, as far as our end lets it.
    void work() {
        if (stuck_while_sending) peer.reading(peer.idle());
        peer.pump();
    }

    // Calls again until it would not block, the peer working in between.
    template <class Call>
    auto repeat(Call&& call, std::error_code& ec) {
        for (;;) {
            auto made = call(ec);
            if (ec != std::errc::operation_would_block) return made;
            const auto before = net.a().log().size() + net.b().log().size();
            work();
            if (net.a().log().size() + net.b().log().size() == before) return made;
        }
    }

    // Everything up to the end, or to the first error.
    std::string read_all(std::error_code& ec) {
        std::string text;
        std::array<char, 5000> some;
        while (const std::size_t n = stream.read_some(some, ec)) text.append(some.data(), n);
        return text;
    }

    memory_network net;
    raw_peer peer;
    bool stuck_while_sending = false;  // the peer takes nothing while it has something to send
    stream_type stream;
    std::size_t since = 0;

private:
    stream_type make(const session_options& options) {
        auto socket = net.a().template socket<Has>();
        if (options.role == tls::role::client) return stream_type(std::move(socket), client_of(options.version), "localhost");
        return stream_type(std::move(socket), server_of(options.version));
    }
};

}  // namespace tests

#endif
