// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F48, F49, F67, F71 and F72 over Asio: buffers, handlers and streams that come and go. For asio.cpp and boost_asio.cpp.

#ifndef TLS_STREAM_TESTS_FAULTS_ASIO_OBJECTS_HPP
#define TLS_STREAM_TESTS_FAULTS_ASIO_OBJECTS_HPP

#include <support/asio_layer.hpp>
#include <support/asio_tools.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace async_objects {
namespace {

using namespace std::chrono_literals;
using tests::aborted;
using tests::end_of_file;
using tests::finish;
using tests::keep;
using tests::no_error;
using tests::on_net;
using tests::start;
using tests::unix_socket;
using tls::shutdown_mode;
using tls::stream_end;
using conversation = tests::conversation<unix_socket>;
using unix_stream = tls::stream<unix_socket>;
using layer = tests::taped_layer<unix_socket>;

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// Operations that a stream can be in the middle of: none of them completes unless somebody at the other end does something.
enum class pending : unsigned char { handshake, read, write, shutdown, close };
constexpr std::array all_pending{pending::handshake, pending::read, pending::write, pending::shutdown, pending::close};

// A handler that frees what was read into or written from when it is called, and takes something else with it when it goes.
class freeing {
public:
    freeing(std::shared_ptr<std::string> buffer, keep handler, std::shared_ptr<void> owned)
        : buffer_(std::move(buffer)), handler_(std::move(handler)), owned_(std::move(owned)) {}

    template <class... More>
    void operator()(tests::net_code ec, const More&... more) const {
        buffer_->clear();
        buffer_->shrink_to_fit();
        handler_(ec, more...);
    }

private:
    std::shared_ptr<std::string> buffer_;
    keep handler_;
    std::shared_ptr<void> owned_;
};

// A stream in the middle of one.
tests::operation begin(unix_stream& stream, pending what, std::function<void()> then = nullptr,
                       std::shared_ptr<void> owned = nullptr) {
    constexpr tls::shutdown_options patient{.timeout = 60s};
    const auto buffer = std::make_shared<std::string>(200'000, 'b');
    const auto initiate = [&](keep handler) {
        freeing made(buffer, std::move(handler), std::move(owned));
        switch (what) {
            case pending::handshake: return stream.async_handshake(std::move(made));
            case pending::read: return stream.async_read_some(net::buffer(*buffer), std::move(made));
            case pending::write: return net::async_write(stream, net::buffer(*buffer), std::move(made));
            case pending::shutdown: return stream.async_shutdown(shutdown_mode::both, patient, std::move(made));
            case pending::close: return stream.async_close(patient, std::move(made));
        }
    };
    return start(initiate, std::move(then));
}

// Two connected streams, of which the client's handshake is done if that operation needs it, and nobody reads at the server's.
struct scene {
    explicit scene(pending what, tls::protocol_version version = tls::protocol_version::tls1_3)
        : talk(version, what != pending::handshake) {
        // So that a write gets stuck.
        talk.client.lowest_layer().set_option(net::socket_base::send_buffer_size(8192));
    }

    conversation talk;
};

}  // namespace
}  // namespace async_objects

TEST_CASE("F48 what is left of a write may come from other memory" + tests::on_net, "[faults]") {
    using namespace async_objects;
    net::io_context io;
    tests::sockets<unix_socket> pair(io, io);
    const auto state = std::make_shared<tests::layer_state>();
    const auto version = any_version();
    tls::stream<layer> client(layer(std::move(pair.a), state), tests::client_of(version), "localhost");
    unix_stream server(std::move(pair.b), tests::server_of(version));
    const auto shaken = tests::handshake(server);
    REQUIRE(finish(io, tests::handshake(client)).ec == no_error);
    REQUIRE(finish(io, shaken).ec == no_error);
    const std::string text = tests::text_of(100'000);
    std::string got(text.size(), '\0');
    const auto read = tests::read_all(server, got);
    std::size_t done = 0;
    // Each write is stuck after some more bytes, and cancelled; the next one has the rest, elsewhere.
    for (std::size_t room = 0; done < text.size(); room += 1717) {
        state->room = room;
        auto copy = std::make_unique<std::string>(text.substr(done));
        const auto written =
            start([&](keep h) { client.async_write_some(net::const_buffer(copy->data(), copy->size()), std::move(h)); });
        tests::settle(io);
        if (!written->done()) client.next_layer().cancel();
        finish(io, written);
        REQUIRE((written->ec == no_error || written->ec == aborted));
        done += written->bytes;
        std::fill(copy->begin(), copy->end(), '!');
        copy.reset();
    }
    state->release();
    CHECK(finish(io, tests::write_some(client, "")).ec == no_error);
    const auto closed = tests::close(client);
    CHECK(finish(io, read).ec == no_error);
    CHECK(got == text);
    const auto answer = tests::close(server);
    CHECK(finish(io, closed).result.clean());
    finish(io, answer);
}

TEST_CASE("F49 buffers may go as soon as the handler is called, however the operation ended" + tests::on_net, "[faults]") {
    using namespace async_objects;
    const auto what = GENERATE(Catch::Generators::from_range(all_pending));
    const int ending = GENERATE(0, 1, 2, 3);
    CAPTURE(static_cast<int>(what), ending);
    scene s(what);
    std::optional<unix_stream> client(std::move(s.talk.client));
    const auto done = begin(*client, what);
    tests::settle(s.talk.io);
    REQUIRE_FALSE(done->done());
    switch (ending) {
        case 0: client.reset(); break;
        case 1: client->abort(); break;
        case 2: *client = unix_stream(); break;
        default: s.talk.server.abort(); break;
    }
    finish(s.talk.io, done);
    if (ending < 3) CHECK(done->ec == aborted);
    tests::settle(s.talk.io);
    CHECK(done->calls == 1);
}

TEST_CASE("F67 a handler may start the next operation" + tests::on_net, "[faults]") {
    using namespace async_objects;
    conversation c(any_version());
    // The server echoes from within its handlers; the client sends and counts within its own.
    std::string into(1000, '\0');
    std::function<void(tests::net_code, std::size_t)> echo = [&](tests::net_code ec, std::size_t n) {
        if (ec) return c.server.async_close([](tests::net_code, tls::shutdown_result) {});
        net::async_write(c.server, net::buffer(into.data(), n),
                         [&](tests::net_code, std::size_t) { c.server.async_read_some(net::buffer(into), echo); });
    };
    c.server.async_read_some(net::buffer(into), echo);
    int rounds = 0;
    std::string answer(4, '\0');
    bool closed = false;
    std::function<void()> ask = [&] {
        net::async_write(c.client, net::buffer("ping", 4), [&](tests::net_code, std::size_t) {
            net::async_read(c.client, net::buffer(answer), [&](tests::net_code, std::size_t) {
                if (answer == "ping" && ++rounds < 200) return ask();
                c.client.async_close(
                    [&](tests::net_code ec, const tls::shutdown_result& result) { closed = !ec && result.clean(); });
            });
        });
    };
    ask();
    tests::run_until(c.io, [&] { return closed; });
    CHECK(rounds == 200);
}

TEST_CASE("F67 a handler may close, abort, move or destroy its stream" + tests::on_net, "[faults]") {
    using namespace async_objects;
    const auto what = GENERATE(Catch::Generators::from_range(all_pending));
    const int deed = GENERATE(0, 1, 2, 3);
    CAPTURE(static_cast<int>(what), deed);
    scene s(what);
    auto client = std::make_unique<unix_stream>(std::move(s.talk.client));
    std::unique_ptr<unix_stream> elsewhere;
    tests::operation closing;
    tests::operation reading;
    std::string into(10, '\0');
    if (what == pending::write) reading = tests::read_some(*client, into);
    const auto act = [&] {
        switch (deed) {
            case 0: closing = tests::close(*client); break;
            case 1: client->abort(); break;
            case 2: elsewhere = std::make_unique<unix_stream>(std::move(*client)); break;
            default: client.reset(); break;
        }
    };
    const auto done = begin(*client, what, act);
    tests::settle(s.talk.io);
    REQUIRE_FALSE(done->done());
    // The other side does what lets it complete.
    std::string got(200'000, '\0');
    tests::operation other;
    if (what == pending::handshake) other = tests::handshake(s.talk.server);
    else if (what == pending::read) other = tests::write_all(s.talk.server, "here");
    else if (what == pending::write) other = tests::read_all(s.talk.server, got);
    else other = tests::close(s.talk.server);
    finish(s.talk.io, done);
    CHECK(done->ec == no_error);
    finish(s.talk.io, other);
    tests::operation last;
    if (other && (what == pending::handshake || what == pending::read || what == pending::write))
        last = tests::close(s.talk.server);
    if (closing) CHECK(finish(s.talk.io, closing).ec == no_error);
    if (reading && deed != 2) CHECK((finish(s.talk.io, reading).ec == (deed == 0 ? end_of_file : aborted)));
    if (deed == 2) {
        CHECK(*elsewhere);
        elsewhere.reset();
    }
    tests::settle(s.talk.io);
    if (last) finish(s.talk.io, last);
    CHECK(done->calls == 1);
}

TEST_CASE("F67 a handler that is aborted may use what is left of its stream" + tests::on_net, "[faults]") {
    using namespace async_objects;
    conversation c(any_version());
    std::string into(10, '\0');
    std::error_code later;
    const auto read = start([&](keep handler) { c.client.async_read_some(net::buffer(into), std::move(handler)); },
                            [&] {
                                tests::net_code ec;
                                c.client.read_some(net::buffer(into), ec);
                                later = tests::as_std(ec);
                            });
    c.client.abort();
    CHECK(finish(c.io, read).ec == aborted);
    CHECK(later == tls::errc::not_open);
}

TEST_CASE("F71 a stream that is moved in the middle of any operation goes on" + tests::on_net, "[faults]") {
    using namespace async_objects;
    const auto what = GENERATE(Catch::Generators::from_range(all_pending));
    if (what == pending::write) return;  // a composed operation belongs to the object that it was given
    CAPTURE(static_cast<int>(what));
    scene s(what, any_version());
    auto client = std::make_unique<unix_stream>(std::move(s.talk.client));
    const auto done = begin(*client, what);
    tests::settle(s.talk.io);
    REQUIRE_FALSE(done->done());
    unix_stream moved(std::move(*client));
    client.reset();
    unix_stream assigned;
    assigned = std::move(moved);
    tests::operation other;
    if (what == pending::handshake) other = tests::handshake(s.talk.server);
    else if (what == pending::read) other = tests::write_all(s.talk.server, "here");
    else other = tests::close(s.talk.server);
    CHECK(finish(s.talk.io, done).ec == no_error);
    CHECK(finish(s.talk.io, other).ec == no_error);
    if (what == pending::handshake || what == pending::read) CHECK(s.talk.send(assigned, s.talk.server, "go on") == "go on");
}

TEST_CASE("F71 a stream that is moved over in the middle of an operation: that is aborted, and the new one works" +
              tests::on_net,
          "[faults]") {
    using namespace async_objects;
    const auto what = GENERATE(Catch::Generators::from_range(all_pending));
    CAPTURE(static_cast<int>(what));
    scene s(what);
    conversation other;
    const auto done = begin(s.talk.client, what);
    tests::settle(s.talk.io);
    REQUIRE_FALSE(done->done());
    s.talk.client = std::move(other.client);
    CHECK(finish(s.talk.io, done).ec == aborted);
    CHECK(other.send(s.talk.client, other.server, "works") == "works");
    s.talk.client = unix_stream();
}

TEST_CASE("F72 an io_context that goes first takes operations, handlers and streams with it" + tests::on_net, "[faults]") {
    using namespace async_objects;
    const auto what = GENERATE(Catch::Generators::from_range(all_pending));
    const bool owning = GENERATE(true, false);
    const bool with_deadline = GENERATE(true, false);
    CAPTURE(static_cast<int>(what), owning, with_deadline);
    std::vector<tests::operation> all;
    {
        auto s = std::make_unique<scene>(what);
        auto client = std::make_shared<unix_stream>(std::move(s->talk.client));
        if (with_deadline) client->expires_after(60s);
        const auto owned = owning ? client : nullptr;
        all.push_back(begin(*client, what, nullptr, owned));
        if (what == pending::write || what == pending::shutdown) all.push_back(begin(*client, pending::read, nullptr, owned));
        tests::settle(s->talk.io);
        // Handlers that own their stream keep it; else it goes before its io_context.
        client.reset();
        for (const auto& each : all) REQUIRE_FALSE(each->gone);
    }
    for (const auto& each : all) {
        CHECK(each->calls == 0);
        CHECK(each->gone);
    }
}

TEST_CASE("F72 a stream that is destroyed while its completions are queued" + tests::on_net, "[faults]") {
    using namespace async_objects;
    conversation c(any_version());
    std::string into(10, '\0');
    // The server's bytes are here, and so is the room: both operations complete without waiting.
    const auto sent = tests::write_all(c.server, "here");
    finish(c.io, sent);
    const auto read = tests::read_some(c.client, into);
    const auto written = tests::write_some(c.client, "there");
    c.client = unix_stream();
    CHECK(finish(c.io, read).ec == no_error);
    CHECK(finish(c.io, written).ec == no_error);
    CHECK(into.substr(0, read->bytes) == "here");
}

// A second operation of a kind is a mistake of the program's, which an assertion finds.
#ifndef NDEBUG
TEST_CASE("F67 a second operation of a kind fails an assertion" + tests::on_net, "[faults]") {
    using namespace async_objects;
    const int which = GENERATE(0, 1, 2, 3, 4);
    CAPTURE(which);
    const auto in_child = [&] {
        conversation c;
        std::string into(10, '\0');
        const std::string text(3'000'000, 't');
        const auto nothing = [](tests::net_code, const auto&...) {};
        const auto write = [&] {
            net::async_write(c.client, net::buffer(text), nothing);
            tests::settle(c.io);  // until it is stuck
        };
        const auto read = [&] { c.client.async_read_some(net::buffer(into), nothing); };
        const auto shut = [&] { c.client.async_shutdown(shutdown_mode::both, {.timeout = 60s}, nothing); };
        tests::net_code ec;
        switch (which) {
            case 0: read(), read(); break;
            case 1: write(), write(); break;
            case 2: shut(), shut(); break;
            case 3: read(), c.client.read_some(net::buffer(into), ec); break;
            default: write(), c.client.async_handshake(nothing); break;
        }
    };
    const ::pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::signal(SIGABRT, SIG_DFL);
        if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(3);
        try {
            in_child();
        } catch (...) {
            ::_exit(2);
        }
        ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
}
#endif

#endif
