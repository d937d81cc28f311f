// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F72 and F73 over Asio: a whole session is recorded over a layer that counts the operations it is asked for, and played again with an
// interference at each of them: a cancellation, a deadline, the stream's end. For asio_sweep.cpp and boost_asio.cpp.

#ifndef TLS_STREAM_TESTS_FAULTS_ASIO_SWEEP_HPP
#define TLS_STREAM_TESTS_FAULTS_ASIO_SWEEP_HPP

#include <support/asio_layer.hpp>
#include <support/asio_tools.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace sweep {
namespace {

using namespace std::chrono_literals;
using tests::aborted;
using tests::end_of_file;
using tests::keep;
using tests::no_error;
using tests::on_net;
using tests::operation;
using tests::start;
using tests::too_late;
using tests::unix_socket;
using tls::shutdown_mode;
using tls::stream_end;
using layer = tests::taped_layer<unix_socket>;
using our_stream = tls::stream<layer>;
using peer_stream = tls::stream<unix_socket>;

// What happens at the chosen suspension point.
enum class deed : unsigned char {
    nothing,
    total,         // the operation's own cancellation slot, by type
    partial,       // ...
    terminal,      // ...
    cancel_layer,  // next_layer().cancel()
    deadline,      // the operation's deadline comes
    destroy,       // the stream is destroyed
    leave,         // everything is: the io_context's handlers are never called
};
constexpr std::string_view to_string(deed what) {
    constexpr std::array<std::string_view, 8> names{"nothing",      "total",    "partial", "terminal",
                                                    "cancel_layer", "deadline", "destroy", "leave"};
    return names[static_cast<std::size_t>(what)];
}

struct plan {
    tls::protocol_version version = tls::protocol_version::tls1_3;
    tls::role role = tls::role::client;  // ours
    bool half_close = true;              // we shut down writing, and read on; else shutdown(both)
    bool held = true;                    // the layer's operation does not complete before the deed, else it may
    deed what = deed::nothing;
    std::size_t at = 0;
};

std::string to_string(const plan& p) {
    return std::string(p.version == tls::protocol_version::tls1_2 ? "TLS 1.2 " : "TLS 1.3 ") +
           (p.role == tls::role::client ? "client, " : "server, ") + (p.half_close ? "half close, " : "both, ") +
           (p.held ? "held, " : "") + std::string(to_string(p.what)) + " at " + std::to_string(p.at);
}

// The peer's part, by itself: it reads all that there is to come, answers, and closes.
class peer {
public:
    peer(peer_stream stream, std::size_t first, std::string answer, std::string last)
        : stream_(std::move(stream)), first_(first), answer_(std::move(answer)), last_(std::move(last)) {
        into_.resize(20'000);
        read();
    }

    std::string received{};
    std::error_code ended{};  // why reading did
    bool done = false;
    std::error_code close_error{};
    tls::shutdown_result closed{};

private:
    void read() {
        stream_.async_read_some(net::buffer(into_), [this](tests::net_code ec, std::size_t n) {
            received.append(into_, 0, n);
            if (ec) {
                ended = tests::as_std(ec);
                return answered_ ? last() : close();
            }
            if (received.size() >= first_ && !std::exchange(answered_, true)) {
                net::async_write(stream_, net::buffer(answer_), [](tests::net_code, std::size_t) {});
            }
            read();
        });
    }
    void last() {
        if (ended != end_of_file) return close();
        net::async_write(stream_, net::buffer(last_), [this](tests::net_code, std::size_t) { close(); });
    }
    void close() {
        stream_.async_close({.timeout = 60s}, [this](tests::net_code ec, const tls::shutdown_result& result) {
            close_error = tests::as_std(ec);
            closed = result;
            done = true;
        });
    }

    peer_stream stream_;
    std::size_t first_;
    std::string answer_;
    std::string last_;
    std::string into_;
    bool answered_ = false;
};

// Our part: one operation after the other, in the test's own thread.
class session {
public:
    explicit session(const plan& what) : plan_(what) {
        state_->chunk = 7000;
        if (what.held && what.what != deed::nothing) state_->hold_at = what.at;
        const bool client = what.role == tls::role::client;
        ours_.emplace(client ? our_stream(layer(std::move(pair_.a), state_), tests::client_of(what.version), "localhost")
                             : our_stream(layer(std::move(pair_.a), state_), tests::server_of(what.version)));
        peer_.emplace(client ? peer_stream(std::move(pair_.b), tests::server_of(what.version))
                             : peer_stream(std::move(pair_.b), tests::client_of(what.version), "localhost"),
                      first_.size() + second_.size(), answer_, what.half_close ? last_ : std::string());
    }

    // False if the deed could not be done any more: there are fewer suspension points.
    bool run() {
        if (play()) finish();
        return fired_;
    }

    [[nodiscard]] std::size_t calls() const noexcept { return state_->calls(); }
    // What is wrong, in words; empty if nothing is.
    std::string wrong{};

private:
    void expect(bool holds, std::string_view what) {
        if (holds) return;
        wrong += (wrong.empty() ? "" : "; ") + std::string(what);
    }

    // --- the session; false: it ended early, as it should ---

    bool play() {
        return step("handshake", [&] { return on([&](auto h) { ours_->async_handshake(std::move(h)); }); }) && write(first_) &&
               write(second_) && read(answer_.size()) && write(third_) && end_writing() && close();
    }

    bool write(const std::string& text) {
        for (std::size_t done = 0; done < text.size();) {
            const bool more = step("write", [&] {
                return on([&](auto h) {
                    ours_->async_write_some(net::buffer(text.data() + done, text.size() - done), std::move(h));
                });
            });
            done += last_seen_.bytes;
            accepted_ += text.substr(done - last_seen_.bytes, last_seen_.bytes);
            if (!more) return false;
        }
        return true;
    }
    bool read(std::size_t size) {
        while (received_.size() < size) {
            std::string into(std::min<std::size_t>(9000, size - received_.size()), '\0');
            const bool more =
                step("read", [&] { return on([&](auto h) { ours_->async_read_some(net::buffer(into), std::move(h)); }); });
            received_.append(into, 0, last_seen_.bytes);
            if (!more) return false;
            if (last_seen_.ec == end_of_file) return expect(false, "the end comes too early"), false;
        }
        return true;
    }
    bool end_writing() {
        const auto mode = plan_.half_close ? shutdown_mode::write : shutdown_mode::both;
        do {
            if (!step("shutdown", [&] { return on([&](auto h) { ours_->async_shutdown(mode, patient(), std::move(h)); }); }))
                return false;
        } while (last_seen_.result.timed_out);
        expect(last_seen_.result.close_notify_sent && last_seen_.result.transport_shut_down, "the shutdown does its part");
        shut_ = true;
        if (plan_.half_close) {
            if (!read(answer_.size() + last_.size())) return false;
            std::string into(10, '\0');
            if (!step("read", [&] { return on([&](auto h) { ours_->async_read_some(net::buffer(into), std::move(h)); }); }))
                return false;
            expect(last_seen_.ec == end_of_file && last_seen_.bytes == 0, "a clean end");
        }
        expect(ours_->read_end() == stream_end::close_notify, "read_end() says so");
        return true;
    }
    bool close() {
        if (!step("close", [&] { return on([&](auto h) { ours_->async_close(patient(), std::move(h)); }); })) return false;
        expect(last_seen_.result.clean(), "a clean close");
        return true;
    }

    static tls::shutdown_options patient() { return {.timeout = 60s}; }

    template <class Initiate>
    operation on(Initiate initiate) {
        ours_->expires_never();
        if (plan_.what == deed::deadline && !fired_) ours_->expires_after(8ms);
#if NET_VERSION >= 102000
        return start([&](keep handler) { initiate(net::bind_cancellation_slot(signal_.slot(), std::move(handler))); });
#else
        return start([&](keep handler) { initiate(std::move(handler)); });
#endif
    }

    // Runs one operation, and the deed when its time has come; then the operation again, unless it was done. False: the session is over.
    bool step(std::string_view name, const std::function<operation()>& begin) {
        for (;;) {
            last_seen_ = {};
            const operation what = begin();
            const bool before = fired_;
            const auto limit = tests::patience();
            while (!what->done()) {
                if (!fired_ && plan_.what != deed::nothing && state_->calls() > plan_.at) {
                    if (!act(what)) return false;
                    continue;
                }
                io_->restart();
                if (io_->run_one_until(limit) == 0)
                    throw std::runtime_error("no progress in a " + std::string(name) + ", " + to_string(plan_));
                if (plan_.what == deed::deadline && what->done())
                    fired_ = fired_ || what->ec == too_late || what->result.timed_out;
            }
            if (fired_) state_->release();
            last_seen_ = *what;
            last_seen_.then = nullptr;
            const bool cancelled = what->ec == aborted;
            const bool late = what->ec == too_late || what->result.timed_out;
            if (!what->ec || what->ec == end_of_file) {
                if (!before && fired_)
                    expect(plan_.what != deed::terminal, std::string(name) + ": terminal ends what is outstanding");
                if (late) expect(plan_.what == deed::deadline, std::string(name) + ": nobody set a deadline");
                return true;
            }
            expect(fired_, std::string(name) + ": fails by itself: " + what->ec.message());
            expect((cancelled && plan_.what != deed::deadline) || (late && plan_.what == deed::deadline),
                   std::string(name) + ": says " + what->ec.message());
            if (plan_.what == deed::terminal) return refused(name), false;
            expect(!before, std::string(name) + ": once is enough");
            expect(ours_->read_end() == stream_end::open || received_all(), "a cancellation is no end");
            if (!wrong.empty()) return false;
            if (name == "write" && what->bytes != 0) return true;  // that much is accepted; the rest comes next
        }
    }

    [[nodiscard]] bool received_all() const { return received_.size() >= answer_.size(); }

    // False: there is no stream any more.
    bool act(const operation& what) {
        if (plan_.what == deed::deadline) {
            // It comes by itself; what is held waits for it.
            io_->restart();
            if (io_->run_one_until(tests::patience()) == 0) throw std::runtime_error("no deadline, " + to_string(plan_));
            fired_ = what->done() && (what->ec == too_late || what->result.timed_out);
            if (!fired_ && what->done()) fired_ = true;  // it was done in time
            return true;
        }
        fired_ = true;
        switch (plan_.what) {
#if NET_VERSION >= 102000
            case deed::total: signal_.emit(net::cancellation_type::total); break;
            case deed::partial: signal_.emit(net::cancellation_type::partial); break;
            case deed::terminal: signal_.emit(net::cancellation_type::terminal); break;
#endif
            case deed::cancel_layer: ours_->next_layer().cancel(); break;
            case deed::destroy: ours_.reset(); break;
            case deed::leave: return leave(what), false;
            default: break;
        }
        expect(!what->done(), "no handler is called inside of what cancels it");
        if (plan_.what == deed::destroy) {
            tests::finish(*io_, what);
            expect(what->ec == aborted, "what is outstanding is aborted: " + what->ec.message());
            return false;
        }
        // What does not mind goes on.
        tests::settle(*io_);
        state_->release();
        return true;
    }

    // The stream goes, then the io_context, without another handler.
    void leave(const operation& what) {
        ours_.reset();
        state_->held.clear();
        peer_.reset();
        io_.reset();
        expect(what->calls == 0, "no handler is called");
        expect(what->gone, "the handler is destroyed");
    }

    // After `terminal` the stream has failed, and says so to everything.
    void refused(std::string_view name) {
        const auto sent = state_->written.sent.size();
        const auto refuses = [&](std::string_view call, const operation& asked, std::error_code expected = aborted) {
            tests::finish(*io_, asked);
            expect(asked->ec == expected,
                   std::string(call) + " after a terminal " + std::string(name) + " says " + asked->ec.message());
            expect(asked->bytes == 0, std::string(call) + " after a terminal " + std::string(name) + " moves bytes");
        };
        ours_->expires_never();
        std::string into(10, '\0');
        const bool closing = name == "shutdown" || name == "close";
        if (ours_->read_end() == stream_end::open) expect(false, "a stream that has failed has no open end");
        if (!closing) {
            refuses("read", tests::read_some(*ours_, into));
            refuses("write", tests::write_some(*ours_, "text"), shut_ ? make_error_code(tls::errc::write_shut_down) : aborted);
            expect(ours_->read_end() == stream_end::failed, "read_end() says that it failed");
        }
        const auto closed = tests::finish(*io_, tests::close(*ours_));
        expect(!closed.ec || closed.ec == aborted, "close() after that says " + closed.ec.message());
        expect(closed.result.peer == stream_end::failed || closing, "and its result too");
        if (!closing && !shut_) expect(!closed.result.close_notify_sent, "no close_notify is sent any more");
        tests::settle(*io_);
        // A write of the layer's that was under way may still have ended; nothing new begins.
        expect(state_->written.sent.size() <= sent + state_->chunk, "nothing is sent any more");
    }

    // --- the other side ---

    void finish() {
        tests::run_until(*io_, [&] { return peer_->done; });
        const std::string all = first_ + second_ + third_;
        expect(accepted_ == all, "everything is accepted");
        expect(peer_->received == all,
               "everything arrives, once: " + std::to_string(peer_->received.size()) + " of " + std::to_string(all.size()));
        expect(received_ == answer_ + (plan_.half_close ? last_ : std::string()), "everything is read, once");
        expect(peer_->ended == end_of_file, "the peer finds a clean end: " + peer_->ended.message());
        expect(peer_->closed.clean() && !peer_->close_error, "the peer closes cleanly");
        expect(state_->written.closed && state_->written.fin, "the layer is shut down and closed");
    }

public:
    // After an early end: what the peer has is the beginning of what was accepted, and it is not told that this is all.
    void judge_broken_off() {
        if (plan_.what == deed::leave) return;
        ours_.reset();
        tests::run_until(*io_, [&] { return peer_->done; });
        const std::string all = first_ + second_ + third_;
        expect(all.starts_with(peer_->received), "the peer has the beginning of it");
        expect((answer_ + last_).starts_with(received_), "and so have we");
        expect(peer_->ended != end_of_file || peer_->received == all, "the peer is not told that this was all");
    }
    [[nodiscard]] bool broken_off() const { return plan_.what == deed::terminal || plan_.what == deed::destroy; }

private:
    plan plan_;
    const std::string first_ = tests::text_of(300, 1);
    const std::string second_ = tests::text_of(40'000, 2);
    const std::string third_ = tests::text_of(40, 3);
    const std::string answer_ = tests::text_of(21'000, 4);
    const std::string last_ = tests::text_of(100, 5);

    std::unique_ptr<net::io_context> io_ = std::make_unique<net::io_context>();
    tests::sockets<unix_socket> pair_{*io_, *io_};
    std::shared_ptr<tests::layer_state> state_ = std::make_shared<tests::layer_state>();
    std::optional<our_stream> ours_;
    std::optional<peer> peer_;
#if NET_VERSION >= 102000
    net::cancellation_signal signal_;
#endif
    tests::seen last_seen_{};
    bool fired_ = false;
    bool shut_ = false;
    std::string accepted_;
    std::string received_;
};

// The session with that deed at every suspension point, in every version, role and order.
void at_every_point(deed what, bool held) {
    int failed = 0;
    std::size_t runs = 0;
    for (const auto version : tests::versions) {
        for (const auto role : {tls::role::client, tls::role::server}) {
            for (const bool half_close : {true, false}) {
                for (std::size_t at = 0; failed < 3; ++at) {
                    const plan p{version, role, half_close, held, what, at};
                    std::string wrong;
                    bool fired = false;
                    try {
                        session s(p);
                        fired = s.run();
                        if (fired && s.broken_off()) s.judge_broken_off();
                        wrong = s.wrong;
                    } catch (const std::exception& e) {
                        wrong = e.what();
                        fired = true;
                    }
                    if (!wrong.empty()) {
                        ++failed;
                        FAIL_CHECK(to_string(p) << ": " << wrong);
                    }
                    if (!fired) break;
                    ++runs;
                }
            }
        }
    }
    CHECK(runs >= 8 * 15);
}

// Reading and writing at the same time, with a deed at one of the two operations or at both.
enum class whom : unsigned char { reader, writer, both };

class duplex {
public:
    duplex(tls::protocol_version version, deed what, whom to, bool held, std::size_t at)
        : what_(what),
          to_(to),
          at_(at),
          ours_(our_stream(layer(std::move(pair_.a), state_), tests::client_of(version), "localhost")),
          peer_(std::move(pair_.b), tests::server_of(version)) {
        const auto shaken = tests::handshake(peer_);
        if (tests::finish(io_, tests::handshake(*ours_)).ec || tests::finish(io_, shaken).ec)
            throw std::runtime_error("handshake");
        state_->chunk = 7000;
        at_ += state_->calls();
        if (held) state_->hold_at = at_;
    }

    // False if the deed could not be done any more. What is wrong is in `wrong`.
    bool run() {
        const auto answer = tests::write_all(peer_, theirs_);
        std::string at_peer(ours_text_.size(), '\0');
        const auto arrives = tests::read_all(peer_, at_peer);
        const auto limit = tests::patience();
        while (sent_ < ours_text_.size() || received_.size() < theirs_.size()) {
            if (!writing_ && sent_ < ours_text_.size()) write();
            if (!reading_ && received_.size() < theirs_.size()) read();
            if (!fired_ && state_->calls() > at_) {
                if (!act()) return true;
                continue;
            }
            io_.restart();
            if (io_.run_one_until(limit) == 0) throw std::runtime_error("no progress");
            if (writing_ && writing_->done()) wrote();
            if (reading_ && reading_->done()) did_read();
        }
        state_->release();  // if there are not so many points
        expect(!tests::finish(io_, answer).ec, "the peer's write");
        expect(!tests::finish(io_, arrives).ec && at_peer == ours_text_, "everything arrives, once");
        expect(received_ == theirs_, "everything is read, once");
        expect(aborted_ <= 2, "once is enough");
        const auto closed = tests::close(peer_);
        expect(tests::finish(io_, tests::close(*ours_)).result.clean(), "a clean close");
        tests::finish(io_, closed);
        return fired_;
    }

    std::string wrong{};

private:
    void expect(bool holds, std::string_view what) {
        if (!holds) wrong += std::string(wrong.empty() ? "" : "; ") + std::string(what);
    }

#if NET_VERSION >= 102000
    auto bound(std::size_t which, keep handler) {
        return net::bind_cancellation_slot(signals_[which].slot(), std::move(handler));
    }
#else
    static keep bound(std::size_t, keep handler) { return handler; }
#endif

    void write() {
        const auto from = net::buffer(ours_text_.data() + sent_, ours_text_.size() - sent_);
        writing_ = start([&](keep handler) { ours_->async_write_some(from, bound(1, std::move(handler))); });
    }
    void read() {
        into_.resize(std::min<std::size_t>(9000, theirs_.size() - received_.size()));
        reading_ = start([&](keep handler) { ours_->async_read_some(net::buffer(into_), bound(0, std::move(handler))); });
    }
    void wrote() {
        const auto done = std::exchange(writing_, nullptr);
        sent_ += done->bytes;
        judge(*done, whom::writer);
    }
    void did_read() {
        const auto done = std::exchange(reading_, nullptr);
        received_.append(into_, 0, done->bytes);
        judge(*done, whom::reader);
    }
    void judge(const tests::seen& done, whom which) {
        if (!done.ec) return;
        ++aborted_;
        expect(done.ec == aborted, "says " + done.ec.message());
        expect(fired_ && (to_ == which || to_ == whom::both), "only who is cancelled is aborted");
    }

#if NET_VERSION >= 102000
    void cancel(net::cancellation_type type) {
        if (to_ != whom::writer) signals_[0].emit(type);
        if (to_ != whom::reader) signals_[1].emit(type);
    }
#endif
    bool act() {
        fired_ = true;
        switch (what_) {
#if NET_VERSION >= 102000
            case deed::total: cancel(net::cancellation_type::total); break;
            case deed::partial: cancel(net::cancellation_type::partial); break;
#endif
            case deed::cancel_layer: ours_->next_layer().cancel(); break;
            case deed::destroy: {
                ours_.reset();
                for (const auto& each : {reading_, writing_}) {
                    if (!each) continue;
                    const auto& done = tests::finish(io_, each);
                    // It may have been complete, and its handler queued.
                    expect(done.ec == aborted || (!done.ec && done.bytes != 0), "what is outstanding is aborted");
                }
                tests::settle(io_);
                return false;
            }
            default: break;
        }
        tests::settle(io_);
        state_->release();
        if (writing_ && writing_->done()) wrote();
        if (reading_ && reading_->done()) did_read();
        return true;
    }

    deed what_;
    whom to_;
    std::size_t at_;
    const std::string ours_text_ = tests::text_of(90'000, 6);
    const std::string theirs_ = tests::text_of(80'000, 7);
    net::io_context io_;
    tests::sockets<unix_socket> pair_{io_, io_};
    std::shared_ptr<tests::layer_state> state_ = std::make_shared<tests::layer_state>();
    std::optional<our_stream> ours_;
    peer_stream peer_;
#if NET_VERSION >= 102000
    std::array<net::cancellation_signal, 2> signals_{};
#endif
    std::string into_;  // outlives what reads into it
    operation writing_;
    operation reading_;
    std::size_t sent_ = 0;
    std::string received_;
    int aborted_ = 0;
    bool fired_ = false;
};

void in_full_duplex(deed what, whom to) {
    std::size_t runs = 0;
    for (const auto version : tests::versions) {
        for (const bool held : {true, false}) {
            int failed = 0;
            for (std::size_t at = 0; failed < 3; ++at, ++runs) {
                std::string wrong;
                bool fired = true;
                try {
                    duplex d(version, what, to, held, at);
                    fired = d.run();
                    wrong = d.wrong;
                } catch (const std::exception& e) {
                    wrong = e.what();
                }
                if (!wrong.empty()) {
                    ++failed;
                    FAIL_CHECK(to_string(what)
                               << (held ? ", held," : "") << " at " << at << ", to " << static_cast<int>(to) << ": " << wrong);
                }
                if (!fired) break;
            }
        }
    }
    CHECK(runs >= 4 * 20);
}

}  // namespace
}  // namespace sweep

TEST_CASE("F73 the session that is swept is clean by itself" + tests::on_net, "[faults]") {
    for (const auto version : tests::versions) {
        for (const auto role : {tls::role::client, tls::role::server}) {
            for (const bool half_close : {true, false}) {
                sweep::session s({.version = version, .role = role, .half_close = half_close});
                CHECK_FALSE(s.run());
                CHECK(s.wrong == "");
                CHECK(s.calls() >= 15);
            }
        }
    }
}

#if NET_VERSION >= 102000
TEST_CASE("F73 a partial cancellation at every suspension point: nothing is lost, and the session ends cleanly" + tests::on_net,
          "[faults]") {
    sweep::at_every_point(sweep::deed::partial, true);
    sweep::at_every_point(sweep::deed::partial, false);
}
TEST_CASE("F73 a total cancellation at every suspension point: nothing is lost, and the session ends cleanly" + tests::on_net,
          "[faults]") {
    sweep::at_every_point(sweep::deed::total, true);
    sweep::at_every_point(sweep::deed::total, false);
}
TEST_CASE("F73 a terminal cancellation at every suspension point ends the stream, and is no clean end" + tests::on_net,
          "[faults]") {
    sweep::at_every_point(sweep::deed::terminal, true);
    sweep::at_every_point(sweep::deed::terminal, false);
}
TEST_CASE("F73 one of two operations is cancelled, at every suspension point: the other goes on, and nothing is lost" +
              tests::on_net,
          "[faults]") {
    for (const auto to : {sweep::whom::reader, sweep::whom::writer, sweep::whom::both}) {
        sweep::in_full_duplex(sweep::deed::partial, to);
    }
    sweep::in_full_duplex(sweep::deed::total, sweep::whom::both);
}
#endif
TEST_CASE("F73 the layer is cancelled beside two operations, at every suspension point: nothing is lost" + tests::on_net,
          "[faults]") {
    sweep::in_full_duplex(sweep::deed::cancel_layer, sweep::whom::both);
}
TEST_CASE("F72 the stream is destroyed beside two operations, at every suspension point: both are aborted" + tests::on_net,
          "[faults]") {
    sweep::in_full_duplex(sweep::deed::destroy, sweep::whom::both);
}
TEST_CASE("F73 the layer is cancelled at every suspension point: nothing is lost, and the session ends cleanly" + tests::on_net,
          "[faults]") {
    sweep::at_every_point(sweep::deed::cancel_layer, true);
    sweep::at_every_point(sweep::deed::cancel_layer, false);
}
TEST_CASE("F73 a deadline at every suspension point: nothing is lost, and the session ends cleanly" + tests::on_net,
          "[faults]") {
    sweep::at_every_point(sweep::deed::deadline, true);
}
TEST_CASE("F72 the stream is destroyed at every suspension point: what is outstanding is aborted" + tests::on_net, "[faults]") {
    sweep::at_every_point(sweep::deed::destroy, true);
    sweep::at_every_point(sweep::deed::destroy, false);
}
TEST_CASE("F72 everything is destroyed at every suspension point: no handler is called" + tests::on_net, "[faults]") {
    sweep::at_every_point(sweep::deed::leave, true);
    sweep::at_every_point(sweep::deed::leave, false);
}

#endif
