// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The session that the fault tests share, and its rules.

#include "session.hpp"

#include <support/session.hpp>
#include <support/stale_errors.hpp>

#include <tls/error.hpp>
#include <tls/stream.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <type_traits>
#include <utility>

namespace trial {

namespace {

const std::error_code would_block = std::make_error_code(std::errc::operation_would_block);

std::string filled(std::string text, std::string_view with, std::size_t size) {
    while (text.size() < size) text += with;
    text.resize(size);
    return text;
}

std::string total(const std::vector<std::size_t>& sizes, std::string (*message)(std::size_t, std::size_t)) {
    std::string all;
    for (std::size_t i = 0; i < sizes.size(); ++i) all += message(i, sizes[i]);
    return all;
}

bool contains(const tests::bytes& where, std::span<const std::byte> what) {
    return std::search(where.begin(), where.end(), what.begin(), what.end()) != where.end();
}

std::string name_of(std::error_code ec) {
    return ec ? std::string(ec.category().name()) + " " + std::to_string(ec.value()) + " (" + ec.message() + ")" : "no error";
}

template <tests::socket_features Has>
class session {
public:
    explicit session(const plan& what)
        : net_(world_of(what)),
          seen_{.planned = what},
          peer_(net_.b(), what.role == tls::role::client ? tls::role::server : tls::role::client,
                tests::peer_of(what.version, what.ends == order::peer_first ? tests::reaction::none : tests::reaction::fin)),
          stream_(make(what)) {
        stream_.next_layer().non_blocking(what.socket == socket_kind::non_blocking);
        if constexpr (tls::deadline_socket<tests::basic_memory_socket<Has>>) stream_.expires_after(std::chrono::seconds(60));
        net_.a().script(what.script);
        net_.a().pump([this] { peer_.pump(); });
        for (std::size_t i = 0; i < what.theirs.size(); ++i) peer_.send(their_message(i, what.theirs[i]));
        if (what.ends == order::peer_first) {
            peer_.close_notify();
            peer_.fin();
        }
    }

    account run() {
        const auto& what = seen_.planned;
        const auto begin = net_.now();
        seen_.handshake = call("handshake", [&](std::error_code& ec) { stream_.handshake(ec); });
        seen_.authenticated =
            stream_.version() || stream_.cipher() || stream_.peer_certificate() || !stream_.peer_chain().empty();
        seen_.handshake_arrived = net_.a().bytes_received();
        seen_.handshake_calls = net_.a().calls();

        seen_.waited = net_.now() - begin;

        write(0);
        std::size_t expected = 0;
        for (const auto size : what.theirs) expected += size;
        read_up_to(what.ends == order::peer_first ? tests::no_limit : expected);
        write(1);
        write(2);
        if (what.ends == order::half_close) {
            std::error_code ec =
                call("shutdown", [&](std::error_code& why) { stream_.shutdown(tls::shutdown_mode::write, why); });
            if (ec && !seen_.close_error) seen_.close_error = ec;
            read_up_to(tests::no_limit);
        }
        if (seen_.handshake) same_again("handshake", seen_.handshake, [&](std::error_code& ec) { stream_.handshake(ec); });
        ask_again();
        close();
        peer_.pump();
        look_at_the_wire();
        return std::move(seen_);
    }

private:
    using stream_type = tls::stream<tests::basic_memory_socket<Has>>;

    // Input that a script cuts off has not arrived, and what it plays again was not sent: neither resets the peer.
    static tests::network_options world_of(const plan& what) {
        const bool untrue = what.script.input_ends_at || !what.script.records.empty();
        return {.on_unread_close = untrue ? tests::unread_close::fin : tests::unread_close::reset_and_lose};
    }

    stream_type make(const plan& what) {
        auto socket = net_.a().template socket<Has>();
        if (what.role == tls::role::client) return stream_type(std::move(socket), tests::client_of(what.version), "localhost");
        return stream_type(std::move(socket), tests::server_of(what.version));
    }

    // Calls until it would not block, the peer working in between. An exception counts as errc::exception_thrown.
    template <class Call>
    std::error_code call(std::string_view name, Call&& make) {
        std::error_code ec;
        for (int in_vain = 0; in_vain < 8;) {
            const auto before = net_.a().bytes_sent() + net_.a().bytes_received();
            try {
                make(ec);
            } catch (const tests::injected_exception&) {
                ++seen_.exceptions;
                ec = tls::errc::exception_thrown;
            }
            if (!tests::queue_is_empty()) breach(name, "leaves something on the error queue");
            peer_.pump();
            if (ec != would_block) return ec;
            ++seen_.retries;
            in_vain = before == net_.a().bytes_sent() + net_.a().bytes_received() ? in_vain + 1 : 0;
            if (in_vain > 2) net_.clock().advance(std::chrono::seconds(2));
        }
        breach(name, "would block for ever");
        return ec;
    }

    void write(std::size_t i) {
        const std::string text = our_message(i, seen_.planned.ours[i]);
        std::string_view rest = text;
        while (!rest.empty()) {
            std::size_t n = 0;
            const auto begin = net_.now();
            const std::error_code ec = call("write", [&](std::error_code& why) {
                n = stream_.write_some(rest, why);
                seen_.accepted += n;
                rest.remove_prefix(n);
                if (rest.empty()) why.clear();  // accepted; what is still here is the close's to send
            });
            seen_.waited += net_.now() - begin;
            if (ec) {
                if (!seen_.write_error) seen_.write_error = ec;
                return;
            }
        }
    }

    // Reads until so many bytes are there, or to the end.
    void read_up_to(std::size_t size) {
        std::array<char, 150> into;  // less than a record, so that plaintext is left in BoringSSL
        while (!seen_.read_ended && seen_.read.size() < size) {
            std::size_t n = 0;
            const std::error_code ec = call("read", [&](std::error_code& why) {
                n = stream_.read_some(std::span(into).first(std::min(into.size(), size - seen_.read.size())), why);
                if (n != 0 && why) breach("read", "gives bytes and an error");
            });
            seen_.read.append(into.data(), n);
            if (n != 0 && !ec) continue;
            seen_.read_ended = true;
            seen_.read_error = ec;
        }
    }

    template <class Call>
    void same_again(std::string_view name, std::error_code expected, Call&& make) {
        for (int i = 0; i < 2; ++i) {
            const std::error_code ec = call(name, make);
            if (ec != expected) breach(name, "changes its mind from " + name_of(expected) + " to " + name_of(ec));
        }
    }

    // What is known stays; and what is refused sends nothing.
    void ask_again() {
        seen_.read_end = stream_.read_end();
        std::array<char, 10> into;
        if (seen_.read_ended) {
            same_again("read", seen_.read_error, [&](std::error_code& ec) {
                if (stream_.read_some(into, ec) != 0) breach("read", "gives bytes after the end");
            });
            if (stream_.read_end() != seen_.read_end) breach("read_end", "changes");
        }
        if (seen_.write_error) {
            const auto refused =
                seen_.planned.ends == order::half_close ? make_error_code(tls::errc::write_shut_down) : seen_.write_error;
            const std::string text = our_message(3, 50);
            const std::array pieces{std::as_bytes(std::span(text)), std::as_bytes(std::span(text))};
            const auto sent = net_.a().bytes_sent();
            same_again("write", refused, [&](std::error_code& ec) {
                if (stream_.write(text, ec) != 0) breach("write", "takes bytes after it failed");
            });
            same_again("gathered write", refused, [&](std::error_code& ec) {
                if (stream_.write(pieces, ec) != 0) breach("gathered write", "takes bytes after it failed");
            });
            if (net_.a().bytes_sent() != sent) breach("write", "sends something after it failed");
        }
    }

    void close() {
        const auto thrown = seen_.exceptions;
        const std::error_code ec = call("close", [&](std::error_code& why) { seen_.closed = stream_.close(why); });
        if (seen_.exceptions != thrown) call("close", [&](std::error_code& why) { seen_.closed = stream_.close(why); });
        if (ec && !seen_.close_error) seen_.close_error = ec;
        if (!net_.a().closed()) breach("close", "leaves the socket open");
        std::array<char, 10> into;
        same_again("read", tls::errc::not_open, [&](std::error_code& why) { stream_.read_some(into, why); });
        same_again("write", tls::errc::not_open, [&](std::error_code& why) { stream_.write_some("text", why); });
        same_again("close", {}, [&](std::error_code& why) {
            if (stream_.close(why) != seen_.closed) breach("close", "has another result the second time");
        });
    }

    void look_at_the_wire() {
        seen_.sent = net_.a().sent();
        seen_.arrived = net_.a().received();
        seen_.peer_sent = net_.b().sent();
        seen_.calls = net_.a().calls();
        seen_.wire = net_.a().wire_text();
        seen_.peer_received = peer_.received();
        seen_.peer_account = peer_.account();
        seen_.peer_alerts = peer_.alerts();

        const auto wire = tests::records(seen_.peer_sent);
        seen_.peer_said_all = (::SSL_get_shutdown(peer_.native_handle()) & SSL_SENT_SHUTDOWN) != 0 && !wire.empty() &&
                              wire.back().complete && tests::is_alert_sized(wire.back()) &&
                              seen_.peer_account.find("error") == std::string::npos;

        const auto& what = seen_.planned;
        seen_.expect(total(what.theirs, their_message).starts_with(seen_.read), "what was read is what the peer sent");
        seen_.expect(total(what.ours, our_message).starts_with(seen_.peer_received), "the peer received what was written");
        seen_.expect(seen_.peer_received.size() <= seen_.accepted, "the peer received no more than was accepted");

        const bool clean = seen_.read_end == tls::stream_end::close_notify ||
                           seen_.closed.peer == tls::stream_end::close_notify || (seen_.read_ended && !seen_.read_error);
        if (clean) {
            seen_.expect(seen_.peer_said_all && contains(seen_.arrived, std::span(seen_.peer_sent).subspan(wire.back().offset)),
                         "a clean end needs the peer's whole close_notify");
        }
        if (seen_.read_ended && (seen_.read_end == tls::stream_end::close_notify) != !seen_.read_error) {
            breach("read", "and read_end() disagree");
        }
        if (seen_.closed.close_notify_sent && !seen_.close_error) {
            seen_.expect(seen_.peer_received.size() == seen_.accepted, "close() delivers what was written");
            seen_.expect(peer_.close_notify_received(), "close() delivers close_notify");
        }

        for (const std::string_view secret : {"our secret", "ours to k"}) {
            if (contains(seen_.sent, std::as_bytes(std::span(secret)))) breach("the wire", "shows plaintext");
        }
        for (const auto& r : tests::records(seen_.sent)) {
            const bool cut = r.type == tests::record_type::none && seen_.sent.size() - r.offset < tests::record_header_size;
            if (r.type == tests::record_type::none && !cut) breach("the wire", "holds what is no record");
        }
        if (seen_.calls.io > 100 + 3 * (seen_.sent.size() + seen_.arrived.size())) breach("the socket", "was called too often");
    }

    void breach(std::string_view who, std::string_view what) {
        seen_.breaches.push_back(std::string(who) + " " + std::string(what));
    }

    tests::memory_network net_;
    account seen_;
    tests::raw_peer peer_;
    stream_type stream_;
};

// How many of the peer's records are its handshake, and how many come before its first message: session tickets lie between. Found out
// once, a byte at a time, so that nothing is read ahead.
struct opening {
    std::size_t handshake = 0;
    std::size_t before_data = 0;
};
opening opening_of(tls::protocol_version version, tls::role role) {
    static std::map<std::pair<tls::protocol_version, tls::role>, opening> known;
    auto& found = known[{version, role}];
    if (found.handshake == 0) {
        const account clean = run({.version = version, .role = role, .script = {.read_chunk = 1}});
        const auto arrived = tests::records(std::span(clean.arrived).first(clean.handshake_arrived));
        REQUIRE_FALSE(clean.handshake);
        REQUIRE_FALSE(arrived.empty());
        REQUIRE(arrived.back().complete);
        found = {arrived.size(), tests::records(clean.peer_sent).size() - clean.planned.theirs.size() - 1};
    }
    return found;
}

}  // namespace

std::string our_message(std::size_t i, std::size_t size) {
    return filled("our secret " + std::to_string(i) + " ", "our secret, ours to keep; ", size);
}
std::string their_message(std::size_t i, std::size_t size) {
    return filled("their part " + std::to_string(i) + " ", "theirs to tell, ", size);
}

std::string to_string(const plan& what) {
    std::string text = what.version == tls::protocol_version::tls1_2 ? "TLS 1.2 " : "TLS 1.3 ";
    text += what.role == tls::role::client ? "client, " : "server, ";
    text += what.socket == socket_kind::full    ? "full socket, "
            : what.socket == socket_kind::plain ? "plain socket, "
                                                : "not blocking, ";
    text += what.ends == order::peer_first ? "peer first" : what.ends == order::we_first ? "we first" : "half close";
    return text;
}

void account::expect_all_well() {
    const std::string theirs = total(planned.theirs, their_message);
    expect(!handshake, "the handshake succeeds");
    expect(read == theirs, "everything is read");
    expect(!write_error && peer_received == total(planned.ours, our_message), "everything is received");
    expect(!read_ended || !read_error, "the end is clean");
    expect(closed.clean() && closed.transport_shut_down && !close_error, "the close is clean");
    expect(exceptions == 0, "nothing is thrown");
    expect(peer_account.starts_with("handshake, data ") && peer_account.ends_with(", close_notify, eof"),
           "the peer is content");
}

std::string account::plaintext_within(std::size_t size) const {
    const auto all = tests::records(peer_sent);
    const std::size_t first = opening_of(planned.version, planned.role).before_data;
    std::string text;
    for (std::size_t i = 0; i < planned.theirs.size() && first + i < all.size(); ++i) {
        if (all[first + i].end() <= size) text += their_message(i, planned.theirs[i]);
    }
    return text;
}

std::size_t account::handshake_size() const {
    const auto all = tests::records(peer_sent);
    const std::size_t count = opening_of(planned.version, planned.role).handshake;
    return all.size() >= count ? all[count - 1].end() : tests::no_limit;
}

void account::expect_no_session(std::error_code why) {
    // A TLS 1.3 client is done before its last flight has left, and so is a TLS 1.2 server.
    const bool last = (planned.version == tls::protocol_version::tls1_3) == (planned.role == tls::role::client);
    const bool own_flight_lost = last && authenticated;
    expect(handshake == why, "the handshake says why");
    expect(!authenticated || own_flight_lost, "nothing is known of the peer");
    expect(read.empty() && read_ended && read_error == why, "reads give nothing but the handshake's error");
    expect(accepted == 0 && write_error == why, "writes are refused with the handshake's error");
    expect(peer_received.empty(), "the peer received nothing");
    expect(!closed.close_notify_sent, "no close_notify is claimed");
    expect(!close_error || own_flight_lost || planned.ends == order::half_close,
           "a close has nothing that it could fail to do");
    expect(peer_account.find("close_notify") == std::string::npos, "the peer sees no close_notify");
    expect(exceptions <= 1, "an exception is told once");
}

account run(const plan& what) {
    return what.socket == socket_kind::plain ? session<tests::socket_features::none>(what).run()
                                             : session<tests::socket_features::all>(what).run();
}

bool verdict(const account& seen, std::string_view where) {
    if (seen.breaches.empty()) return true;
    std::string text = std::string(where) + ": " + to_string(seen.planned);
    for (const auto& breach : seen.breaches) text += "\n  not so: " + breach;
    text += "\n  handshake " + name_of(seen.handshake) + "; read " + std::to_string(seen.read.size()) + " bytes, " +
            (seen.read_ended ? name_of(seen.read_error) : "no end") + ", " + std::string(tls::to_string(seen.read_end)) +
            "; accepted " + std::to_string(seen.accepted) + ", " + name_of(seen.write_error) + "; close " +
            name_of(seen.close_error) + (seen.closed.close_notify_sent ? ", close_notify sent" : "") +
            (seen.closed.timed_out ? ", timed out" : "") + ", peer " + std::string(tls::to_string(seen.closed.peer)) + "; " +
            std::to_string(seen.exceptions) + " exceptions, " + std::to_string(seen.calls.io) + " calls, " +
            std::to_string(seen.arrived.size()) + " of " + std::to_string(seen.peer_sent.size()) +
            " bytes arrived\n  wire: " + seen.wire + "\n  peer: " + seen.peer_account;
    FAIL_CHECK(text);
    return false;
}

std::size_t at_every_index(const plan& what, const std::function<void(plan&, std::size_t)>& fault,
                           const std::function<bool(account&, std::size_t)>& judge, std::size_t first, std::size_t step) {
    constexpr int enough = 3;
    std::size_t runs = 0;
    int failed = 0;
    for (std::size_t i = first; failed < enough; i += step) {
        plan with = what;
        fault(with, i);
        account seen = run(with);
        if (!judge(seen, i)) break;
        ++runs;
        if (!verdict(seen, "at " + std::to_string(i))) ++failed;
    }
    return runs;
}

void for_each_setting(const std::function<void(const plan&)>& with) {
    for_each_side([&](plan side) {
        for (const auto kind : socket_kinds) {
            side.socket = kind;
            with(side);
        }
    });
}

void for_each_side(const std::function<void(const plan&)>& with) {
    for (const auto version : tests::versions) {
        for (const auto role : roles) with({.version = version, .role = role});
    }
}

std::size_t byte_step(const plan& what) { return what.socket == socket_kind::full ? 1 : 7; }

}  // namespace trial
