// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The members of a stream over Asio. For asio.cpp and boost_asio.cpp, each of which says over which Asio.

#ifndef TLS_STREAM_TESTS_UNIT_ASIO_FACE_HPP
#define TLS_STREAM_TESTS_UNIT_ASIO_FACE_HPP

#include <support/asio_layer.hpp>
#include <support/asio_tools.hpp>

#include <tls/detail/boringssl.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::aborted;
using tests::end_of_file;
using tests::finish;
using tests::keep;
using tests::no_error;
using tests::on_net;
using tests::perform;
using tests::start;
using tests::tcp_socket;
using tests::too_late;
using tests::unix_socket;
using tls::shutdown_mode;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using conversation = tests::conversation<unix_socket>;
using unix_stream = tls::stream<unix_socket>;
using layer = tests::taped_layer<unix_socket>;

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// A client over a taped layer and a server over a socket.
struct taped_conversation {
    explicit taped_conversation(tls::protocol_version version = tls::protocol_version::tls1_3, bool handshaken = true)
        : client(layer(std::move(pair.a), state), tests::client_of(version), "localhost"),
          server(std::move(pair.b), tests::server_of(version)) {
        if (!handshaken) return;
        const auto one = tests::handshake(client);
        const auto other = tests::handshake(server);
        REQUIRE(finish(io, one).ec == no_error);
        REQUIRE(finish(io, other).ec == no_error);
    }

    // The sizes of the records that the client sent from there on.
    [[nodiscard]] std::vector<std::size_t> records(std::size_t since) const {
        std::vector<std::size_t> sizes;
        for (const auto& r : tests::records(std::span(state->written.sent).subspan(since))) sizes.push_back(r.length);
        return sizes;
    }

    net::io_context io;
    tests::sockets<unix_socket> pair{io, io};
    std::shared_ptr<tests::layer_state> state = std::make_shared<tests::layer_state>();
    tls::stream<layer> client;
    unix_stream server;
};

// Runs an io_context in a thread of its own, for as long as it is there.
class running {
public:
    explicit running(net::io_context& io)
        : io_(io), thread_([&io] {
              const auto work = net::prefer(io.get_executor(), net::execution::outstanding_work.tracked);
              io.restart();
              io.run();
          }) {}
    ~running() {
        io_.stop();
        thread_.join();
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;

private:
    net::io_context& io_;
    std::thread thread_;
};

// Two streams, each with an io_context of its own: for calls that block.
struct two_contexts {
    explicit two_contexts(tls::protocol_version version = tls::protocol_version::tls1_3)
        : client(std::move(pair.a), tests::client_of(version), "localhost"),
          server(std::move(pair.b), tests::server_of(version)) {}

    net::io_context client_io;
    net::io_context server_io;
    tests::sockets<unix_socket> pair{client_io, server_io};
    unix_stream client;
    unix_stream server;
};

// An executor that passes on to another one, and knows when it is at work.
class watched_executor {
public:
    struct account {
        int calls = 0;
        bool inside = false;
    };

    watched_executor(net::any_io_executor under, std::shared_ptr<account> counts) noexcept
        : under_(std::move(under)), counts_(std::move(counts)) {}

    template <class Work>
    void execute(Work&& work) const {
        under_.execute([counts = counts_, work = std::decay_t<Work>(std::forward<Work>(work))]() mutable {
            ++counts->calls;
            counts->inside = true;
            std::move(work)();
            counts->inside = false;
        });
    }
    template <class Property>
    [[nodiscard]] auto query(const Property& property) const -> decltype(net::query(net::any_io_executor(), property)) {
        return net::query(under_, property);
    }
    template <class Property, class = decltype(net::require(net::any_io_executor(), std::declval<const Property&>()))>
    [[nodiscard]] watched_executor require(const Property& property) const {
        return {net::require(under_, property), counts_};
    }
    template <class Property, class = decltype(net::prefer(net::any_io_executor(), std::declval<const Property&>()))>
    [[nodiscard]] watched_executor prefer(const Property& property) const {
        return {net::prefer(under_, property), counts_};
    }
    friend bool operator==(const watched_executor& a, const watched_executor& b) noexcept { return a.under_ == b.under_; }
    friend bool operator!=(const watched_executor& a, const watched_executor& b) noexcept { return !(a == b); }

private:
    net::any_io_executor under_;
    std::shared_ptr<account> counts_;
};

struct allocations {
    std::size_t made = 0;
    std::size_t alive = 0;
};

template <class T>
class counting_allocator {
public:
    using value_type = T;

    explicit counting_allocator(allocations& counts) noexcept : counts_(&counts) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) noexcept : counts_(other.counts_) {}

    [[nodiscard]] T* allocate(std::size_t n) {
        ++counts_->made;
        ++counts_->alive;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) noexcept {
        --counts_->alive;
        std::allocator<T>().deallocate(p, n);
    }
    friend bool operator==(const counting_allocator& a, const counting_allocator& b) noexcept { return a.counts_ == b.counts_; }
    friend bool operator!=(const counting_allocator& a, const counting_allocator& b) noexcept { return !(a == b); }

private:
    template <class>
    friend class counting_allocator;

    allocations* counts_;
};

// A handler with that allocator, which looks whether everything is given back when it is called.
class allocating_keep : public keep {
public:
    using allocator_type = counting_allocator<char>;

    allocating_keep(keep handler, allocations& counts) : keep(std::move(handler)), counts_(&counts) {}
    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type(*counts_); }

    template <class... With>
    void operator()(const With&... with) const {
        if (counts_->alive != 0) throw std::logic_error("memory is held while the handler is called");
        keep::operator()(with...);
    }

private:
    allocations* counts_;
};

// A piece of work for each kind of operation, by a stream whose handshake is done or not. Each calls `with(name, initiate)`.
template <class Stream, class With>
void for_each_operation(Stream& stream, std::string& into, const std::string& from, With&& with) {
    with("handshake", [&](auto handler) { stream.async_handshake(std::move(handler)); });
    with("read", [&](auto handler) { stream.async_read_some(net::buffer(into), std::move(handler)); });
    with("write", [&](auto handler) { stream.async_write_some(net::buffer(from), std::move(handler)); });
    with("shutdown", [&](auto handler) { stream.async_shutdown(shutdown_mode::write, std::move(handler)); });
    with("shutdown, limited",
         [&](auto handler) { stream.async_shutdown(shutdown_mode::both, {.timeout = 60s}, std::move(handler)); });
}

// A stream that is not open answers so, whatever it is asked.
template <class Stream>
void check_refuses(net::io_context& io, Stream& stream) {
    std::string text = "text";
    const std::string from = "text";
    const auto here = [&](auto initiate) {
        return perform(io, [&](keep handler) { initiate(net::bind_executor(io.get_executor(), std::move(handler))); });
    };
    for_each_operation(stream, text, from, [&](std::string_view name, auto initiate) {
        INFO(name);
        CHECK(here(initiate).ec == tls::errc::not_open);
    });
    tests::net_code ec;
    stream.handshake(ec);
    CHECK(tests::as_std(ec) == tls::errc::not_open);
    CHECK(stream.read_some(net::buffer(text), ec) == 0);
    CHECK(tests::as_std(ec) == tls::errc::not_open);
    CHECK(stream.write_some(net::buffer(text), ec) == 0);
    CHECK(tests::as_std(ec) == tls::errc::not_open);
    (void)stream.shutdown(shutdown_mode::both, ec);
    CHECK(tests::as_std(ec) == tls::errc::not_open);
    CHECK_THROWS_AS(stream.handshake(), tests::net_exception);
    CHECK_THROWS_AS(stream.read_some(net::buffer(text)), tests::net_exception);
    CHECK_THROWS_AS(stream.write_some(net::buffer(text)), tests::net_exception);
    CHECK_THROWS_AS(stream.shutdown(shutdown_mode::both), tests::net_exception);
    // Closing what is closed is harmless.
    const auto closed = here([&](auto handler) { stream.async_close(std::move(handler)); });
    CHECK(closed.ec == no_error);
    stream.close(ec);
    CHECK(tests::as_std(ec) == no_error);
    stream.abort();
    stream.expires_after(1s);
    stream.expires_never();
    CHECK(stream.pending_output() == 0);
    CHECK_FALSE(stream.input_buffered());
    CHECK_FALSE(std::move(stream).release(ec));
    CHECK(tests::as_std(ec) == tls::errc::not_open);
}

}  // namespace

static_assert(std::is_nothrow_move_constructible_v<unix_stream> && std::is_nothrow_move_assignable_v<unix_stream>);
static_assert(!std::is_copy_constructible_v<unix_stream> && !std::is_copy_assignable_v<unix_stream>);
static_assert(std::is_same_v<unix_stream::executor_type, unix_socket::executor_type>);
static_assert(std::is_same_v<tls::stream<unix_socket&>::next_layer_type, unix_socket>);
static_assert(std::is_same_v<tls::stream<unix_stream>::next_layer_type, unix_stream>);
static_assert(
    std::is_same_v<decltype(std::declval<tls::stream<unix_stream>&>().lowest_layer()), unix_socket::lowest_layer_type&>);

// --- completion tokens, and what is associated with a handler ---

TEST_CASE("stream: every operation by callback" + on_net, "[asio]") {
    conversation c(any_version(), false);
    CHECK(c.client.read_end() == stream_end::open);
    c.shake();
    std::string into(100, '\0');
    const std::string from = "from the client";
    const auto read = tests::read_some(c.server, into);
    const auto written = perform(c.io, [&](keep handler) { c.client.async_write_some(net::buffer(from), std::move(handler)); });
    CHECK(written.ec == no_error);
    CHECK(written.bytes == from.size());
    CHECK(finish(c.io, read).ec == no_error);
    CHECK(into.substr(0, read->bytes) == from);
    const auto end = tests::read_some(c.server, into);
    const auto shut = perform(c.io, [&](keep handler) { c.client.async_shutdown(shutdown_mode::write, std::move(handler)); });
    CHECK(shut.ec == no_error);
    CHECK(shut.result.close_notify_sent);
    CHECK(finish(c.io, end).ec == end_of_file);
    CHECK(end->bytes == 0);
    CHECK(c.server.read_end() == stream_end::close_notify);
    const auto closed = tests::close(c.server);
    const auto other = perform(c.io, [&](keep handler) { c.client.async_close(std::move(handler)); });
    CHECK(other.ec == no_error);
    CHECK(other.result.clean());
    CHECK(finish(c.io, closed).result.clean());
}

TEST_CASE("stream: every operation by future" + on_net, "[asio]") {
    conversation c(any_version(), false);
    const running thread(c.io);
    std::string into(100, '\0');
    auto shaken = c.server.async_handshake(net::use_future);
    c.client.async_handshake(net::use_future).get();
    shaken.get();
    auto read = c.server.async_read_some(net::buffer(into), net::use_future);
    CHECK(c.client.async_write_some(net::buffer("12345", 5), net::use_future).get() == 5);
    CHECK(read.get() == 5);
    auto end = c.server.async_read_some(net::buffer(into), net::use_future);
    CHECK(c.client.async_shutdown(shutdown_mode::write, net::use_future).get().close_notify_sent);
    CHECK_THROWS(end.get());
    auto closed = c.server.async_close(net::use_future);
    CHECK(c.client.async_close({.timeout = 60s}, net::use_future).get().clean());
    CHECK(closed.get().clean());
}

#if NET_HAS_COROUTINES
namespace {

net::awaitable<std::string> talk_as_client(unix_stream& stream) {
    co_await stream.async_handshake(net::use_awaitable);
    co_await net::async_write(stream, net::buffer("question\n", 9), net::use_awaitable);
    std::string answer;
    co_await net::async_read_until(stream, net::dynamic_buffer(answer), '\n', net::use_awaitable);
    const auto half = co_await stream.async_shutdown(shutdown_mode::write, net::use_awaitable);
    if (!half.close_notify_sent) answer += "(no close_notify)";
    std::string rest(10, '\0');
    try {
        co_await stream.async_read_some(net::buffer(rest), net::use_awaitable);
        answer += "(no end)";
    } catch (const std::system_error& e) {
        if (e.code() != end_of_file) throw;
#if defined(BOOST_ASIO_VERSION)
    } catch (const boost::system::system_error& e) {
        if (tests::as_std(e.code()) != end_of_file) throw;
#endif
    }
    if (!(co_await stream.async_close(net::use_awaitable)).clean()) answer += "(not clean)";
    co_return answer;
}

net::awaitable<void> talk_as_server(unix_stream& stream) {
    std::string question;
    co_await net::async_read_until(stream, net::dynamic_buffer(question), '\n', net::use_awaitable);
    co_await net::async_write(stream, net::buffer("answer to " + question), net::use_awaitable);
    co_await stream.async_close({.timeout = 60s}, net::use_awaitable);
}

}  // namespace

TEST_CASE("stream: every operation in coroutines" + on_net, "[asio]") {
    conversation c(any_version(), false);
    auto server = net::co_spawn(c.io, talk_as_server(c.server), net::use_future);
    auto client = net::co_spawn(c.io, talk_as_client(c.client), net::use_future);
    tests::run_until(c.io, [&] {
        return client.wait_for(0s) == std::future_status::ready && server.wait_for(0s) == std::future_status::ready;
    });
    CHECK(client.get() == "answer to question\n");
    CHECK_NOTHROW(server.get());
}
#endif

#if NET_VERSION >= 102400
TEST_CASE("stream: a deferred operation begins when it is called" + on_net, "[asio]") {
    conversation c(any_version());
    const std::string from = "deferred";
    std::string into(100, '\0');
    auto write = c.client.async_write_some(net::buffer(from), net::deferred);
    auto read = c.server.async_read_some(net::buffer(into), net::deferred);
    tests::settle(c.io);
    CHECK_FALSE(c.server.input_buffered());
    CHECK(perform(c.io, [&](keep handler) { std::move(write)(std::move(handler)); }).bytes == from.size());
    CHECK(perform(c.io, [&](keep handler) { std::move(read)(std::move(handler)); }).bytes == from.size());
    const auto closed = tests::close(c.server);
    CHECK(perform(c.io, [&](keep handler) { c.client.async_close(net::deferred)(std::move(handler)); }).result.clean());
    finish(c.io, closed);
}
#endif

TEST_CASE("stream: handlers are called by their own executor" + on_net, "[asio]") {
    conversation c(any_version(), false);
    const auto counts = std::make_shared<watched_executor::account>();
    net::io_context elsewhere;
    // The stream's own thing is done by the stream's executor, the handler's by the handler's: another io_context.
    const watched_executor executor(elsewhere.get_executor(), counts);
    std::string into(4, '\0');
    const std::string from = "text";
    const auto check = [&](std::string_view name, auto initiate) {
        INFO(name);
        bool called_inside = false;
        const auto begun = counts->calls;
        const auto done = start([&](keep handler) { initiate(net::bind_executor(executor, std::move(handler))); },
                                [&] { called_inside = counts->inside; });
        const auto limit = tests::patience();
        while (!done->done() && tests::clock::now() < limit) {
            c.io.restart();
            c.io.run_for(1ms);
            CHECK_FALSE(done->done());
            tests::settle(elsewhere);
        }
        CHECK(done->ec == no_error);
        CHECK(called_inside);
        CHECK(counts->calls > begun);
    };
    const auto told = start([&](keep handler) { net::async_write(c.server, net::buffer(from), std::move(handler)); });
    for_each_operation(c.client, into, from, [&](std::string_view name, auto initiate) {
        tests::operation end;
        if (name == "shutdown, limited") end = tests::close(c.server);
        check(name, initiate);
        if (end) finish(c.io, end);
    });
    check("close", [&](auto handler) { c.client.async_close(std::move(handler)); });
    finish(c.io, told);
}

TEST_CASE("stream: handlers are called in their strand" + on_net, "[asio]") {
    conversation c(any_version(), false);
    auto strand = net::make_strand(c.io);
    int checked = 0;
    const auto in_strand = [&] {
        ++checked;
        if (!strand.running_in_this_thread()) throw std::logic_error("not in the strand");
    };
    std::string into(4, '\0');
    const std::string from = "text";
    const auto told = start([&](keep handler) { net::async_write(c.server, net::buffer(from), std::move(handler)); });
    for_each_operation(c.client, into, from, [&](std::string_view name, auto initiate) {
        INFO(name);
        tests::operation end;
        if (name == "shutdown, limited") end = tests::close(c.server);
        CHECK(finish(c.io, start([&](keep handler) { initiate(net::bind_executor(strand, std::move(handler))); }, in_strand))
                  .ec == no_error);
        if (end) finish(c.io, end);
    });
    CHECK(checked == 5);
    finish(c.io, told);
}

TEST_CASE("stream: operations that wait take their memory from the handler's allocator, and give it back first" + on_net,
          "[asio]") {
    conversation c(any_version(), false);
    allocations counts;
    std::string into(4, '\0');
    const std::string from = "text";
    const auto shaken = tests::handshake(c.server);
    tests::operation told;
    for_each_operation(c.client, into, from, [&](std::string_view name, auto initiate) {
        INFO(name);
        const auto before = counts.made;
        const auto done = start([&](keep handler) { initiate(allocating_keep(std::move(handler), counts)); });
        // The read waits for this, and the last shutdown for that.
        if (name == "read") finish(c.io, shaken);
        if (name == "read")
            told = start([&](keep handler) { net::async_write(c.server, net::buffer(from), std::move(handler)); });
        if (name == "shutdown, limited") told = tests::close(c.server);
        CHECK(finish(c.io, done).ec == no_error);
        // What is complete at once is only posted, and Asio's any_io_executor posts without allocators.
        if (name != "write" && name != "shutdown") CHECK(counts.made > before);
        CHECK(counts.alive == 0);
    });
    finish(c.io, told);
}

TEST_CASE("stream: no handler is called inside the initiating function, however little there is to do" + on_net, "[asio]") {
    // tests::start looks at that; here is what could be complete at once, also when it is started by a handler.
    conversation c(any_version());
    const auto by_handler = [&](auto initiate) {
        tests::operation made;
        net::post(c.io, [&] { made = start(initiate); });
        tests::run_until(c.io, [&] { return made && made->done(); });
        return *made;
    };
    std::string into(4, '\0');
    const std::string from = "text";
    REQUIRE(c.send(c.server, c.client, "1") == "1");
    REQUIRE(finish(c.io, tests::write_all(c.server, std::string(8, 'x'))).ec == no_error);
    CHECK(by_handler([&](keep h) { c.client.async_handshake(std::move(h)); }).ec == no_error);  // it is complete
    CHECK(by_handler([&](keep h) { c.client.async_read_some(net::buffer(into), std::move(h)); }).bytes == 4);
    CHECK(by_handler([&](keep h) { c.client.async_read_some(net::buffer(into), std::move(h)); }).bytes == 4);  // it is here
    CHECK(by_handler([&](keep h) { c.client.async_write_some(net::buffer(from), std::move(h)); }).bytes == 4);
    CHECK(by_handler([&](keep h) { c.client.async_read_some(net::mutable_buffer(), std::move(h)); }).ec == no_error);
    CHECK(by_handler([&](keep h) { c.client.async_write_some(net::const_buffer(), std::move(h)); }).ec == no_error);
    CHECK(by_handler([&](keep h) { c.client.async_shutdown(shutdown_mode::read, std::move(h)); }).ec == no_error);
    CHECK(by_handler([&](keep h) { c.client.async_read_some(net::buffer(into), std::move(h)); }).ec == end_of_file);
    CHECK(by_handler([&](keep h) { c.client.async_shutdown(shutdown_mode::write, std::move(h)); }).ec == no_error);
    CHECK(by_handler([&](keep h) { c.client.async_write_some(net::buffer(from), std::move(h)); }).ec ==
          tls::errc::write_shut_down);
    CHECK(by_handler([&](keep h) { c.client.async_close({.timeout = 0ms}, std::move(h)); }).ec == no_error);
    CHECK(by_handler([&](keep h) { c.client.async_close(std::move(h)); }).ec == no_error);
}

// --- buffers ---

TEST_CASE("stream: hundreds of buffers are gathered into full records" + on_net, "[asio]") {
    const auto version = any_version();
    taped_conversation c(version);
    // What sealing adds, as the first record shows.
    const std::size_t first = c.state->written.sent.size();
    REQUIRE(perform(c.io, [&](keep h) { c.client.async_write_some(net::buffer("x", 1), std::move(h)); }).bytes == 1);
    const std::size_t overhead = c.records(first).back() - 1;
    const std::size_t since = c.state->written.sent.size();

    std::vector<std::size_t> sizes;
    std::vector<std::size_t> expected;
    SECTION("300 of 100 bytes") {
        sizes = std::vector<std::size_t>(300, 100);
        expected = {16384, 30'000 - 16384};
    }
    SECTION("a large one behind a small one") {
        sizes = {100, 20'000};
        expected = {16384, 20'100 - 16384};
    }
    SECTION("empty ones do not count") {
        sizes = {0, 0, 3, 0, 4, 0};
        expected = {7};
    }
    SECTION("more than is taken at once") {
        sizes = std::vector<std::size_t>(1000, 90);
        expected = {16384, 16384, 16384, 16384};
    }
    const std::string text = tests::text_of(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}));
    std::vector<net::const_buffer> buffers;
    std::size_t offset = 0;
    for (const auto size : sizes) {
        buffers.emplace_back(text.data() + offset, size);
        offset += size;
    }
    const auto done = perform(c.io, [&](keep h) { c.client.async_write_some(buffers, std::move(h)); });
    CHECK(done.ec == no_error);
    CHECK(done.bytes == std::min<std::size_t>(text.size(), 65536));
    CHECK(c.client.pending_output() == 0);
    for (auto& size : expected) size += overhead;
    CHECK(c.records(since) == expected);

    std::string got(1 + done.bytes, '\0');
    CHECK(finish(c.io, tests::read_all(c.server, got)).ec == no_error);
    CHECK(got.substr(1) == text.substr(0, done.bytes));
}

TEST_CASE("stream: a composed write of many buffers fills its records as well" + on_net, "[asio]") {
    taped_conversation c(any_version());
    const std::size_t since = c.state->written.sent.size();
    const std::string text = tests::text_of(200'000);
    std::vector<net::const_buffer> buffers;
    for (std::size_t offset = 0; offset < text.size(); offset += 5000) buffers.emplace_back(text.data() + offset, 5000);
    std::string got(text.size(), '\0');
    const auto read = tests::read_all(c.server, got);
    const auto done = perform(c.io, [&](keep h) { net::async_write(c.client, buffers, std::move(h)); });
    CHECK(done.bytes == text.size());
    CHECK(finish(c.io, read).ec == no_error);
    CHECK(got == text);
    // Asio offers 16 buffers at a time, which are more than the 64 KiB that are taken.
    CHECK(c.records(since).size() == 13);
}

TEST_CASE("stream: a read fills many buffers from what is there" + on_net, "[asio]") {
    conversation c(any_version());
    const std::string text = tests::text_of(1000);
    REQUIRE(finish(c.io, tests::write_all(c.server, text)).ec == no_error);
    std::vector<std::string> parts(20, std::string(37, '\0'));
    std::vector<net::mutable_buffer> buffers{net::mutable_buffer()};
    for (auto& part : parts) buffers.push_back(net::buffer(part));
    const auto done = perform(c.io, [&](keep h) { c.client.async_read_some(buffers, std::move(h)); });
    CHECK(done.ec == no_error);
    CHECK(done.bytes == 740);
    std::string got;
    for (const auto& part : parts) got += part;
    CHECK(got == text.substr(0, 740));
    std::string rest(260, '\0');
    CHECK(finish(c.io, tests::read_all(c.client, rest)).bytes == 260);
    CHECK(rest == text.substr(740));
}

TEST_CASE("F47 stream: empty buffers read and write nothing, run no handshake and say nothing of the end" + on_net, "[asio]") {
    taped_conversation c(any_version(), false);
    const std::vector<net::mutable_buffer> empty_ones(3);
    const std::vector<net::const_buffer> none;
    for (int turn = 0; turn < 2; ++turn) {
        CHECK(perform(c.io, [&](keep h) { c.client.async_read_some(empty_ones, std::move(h)); }).ec == no_error);
        CHECK(perform(c.io, [&](keep h) { c.client.async_write_some(none, std::move(h)); }).ec == no_error);
        tests::net_code ec;
        CHECK(c.client.read_some(empty_ones, ec) == 0);
        CHECK(tests::as_std(ec) == no_error);
        CHECK(c.client.write_some(net::buffer(std::string()), ec) == 0);
        CHECK(tests::as_std(ec) == no_error);
        if (turn == 0) CHECK(c.state->calls() == 0);
        CHECK(c.client.read_end() == stream_end::open);

        if (turn != 0) break;
        const auto one = tests::handshake(c.client);
        const auto other = tests::handshake(c.server);
        finish(c.io, one);
        finish(c.io, other);
        REQUIRE(finish(c.io, tests::shut(c.server, shutdown_mode::write)).ec == no_error);
    }
}

// --- over Asio's own algorithms ---

TEST_CASE("stream: async_read, async_read_until and async_write" + on_net, "[asio]") {
    conversation c(any_version());
    const std::string text = tests::text_of(300'000);
    CHECK(c.send(c.client, c.server, text) == text);
    CHECK(c.send(c.server, c.client, text) == text);

    std::string lines;
    const auto written = tests::write_all(c.server, "first\r\nsecond\r\n");
    const auto line =
        perform(c.io, [&](keep h) { net::async_read_until(c.client, net::dynamic_buffer(lines), "\r\n", std::move(h)); });
    CHECK(line.ec == no_error);
    CHECK(lines.substr(0, line.bytes) == "first\r\n");
    finish(c.io, written);

    std::string more(100, '\0');
    const auto read = tests::read_all(c.client, more);
    finish(c.io, tests::write_all(c.server, std::string(40, 'y')));
    const auto closed = tests::close(c.server);
    CHECK(finish(c.io, read).ec == end_of_file);
    CHECK(read->bytes == 40 + (15 - lines.size()));
    finish(c.io, tests::close(c.client));
    CHECK(finish(c.io, closed).result.clean());
}

TEST_CASE("stream: the first read and the first write run the handshake, also together" + on_net, "[asio]") {
    conversation c(any_version(), false);
    std::string to_client(5, '\0');
    std::string to_server(5, '\0');
    const std::string hello = "hello";
    const auto a = tests::read_some(c.client, to_client);
    const auto b = tests::write_some(c.client, hello);
    const auto d = tests::write_some(c.server, hello);
    const auto e = tests::read_some(c.server, to_server);
    for (const auto& each : {a, b, d, e}) {
        CHECK(finish(c.io, each).ec == no_error);
        CHECK(each->bytes == 5);
    }
    CHECK(to_client == hello);
    CHECK(to_server == hello);
    CHECK(c.client.version());
}

TEST_CASE("stream: a failed handshake says why, to everybody who asks" + on_net, "[asio]") {
    net::io_context io;
    tests::sockets<unix_socket> pair(io, io);
    unix_stream client(std::move(pair.a), tests::client_of(tls::protocol_version::tls1_3), "wrong.example");
    unix_stream server(std::move(pair.b), tests::server_of(tls::protocol_version::tls1_3));
    std::string into(5, '\0');
    const auto read = tests::read_some(client, into);
    const auto write = tests::write_some(client, "hello");
    const auto other = tests::read_some(server, into);
    CHECK(finish(io, read).ec.category() == tls::verify_category());
    CHECK(finish(io, write).ec == read->ec);
    CHECK(finish(io, other).ec.category() == tls::alert_category());
    CHECK(finish(io, tests::handshake(client)).ec == read->ec);
    CHECK_FALSE(client.version());
    server.abort();  // else the close waits for it, so that no reset erases the alert
    CHECK(finish(io, tests::close(client)).result.transport_shut_down);
}

// --- how a stream is made, and of what ---

TEST_CASE("stream: over a reference, the socket stays its owner's" + on_net, "[asio]") {
    const auto version = any_version();
    net::io_context io;
    tests::sockets<tcp_socket> pair(io, io);
    {
        tls::stream<tcp_socket&> client(pair.a, tests::client_of(version), "localhost");
        tls::stream<tcp_socket> server(std::move(pair.b), tests::server_of(version));
        CHECK(&client.next_layer() == &pair.a);
        CHECK(&client.lowest_layer() == &pair.a.lowest_layer());
        CHECK(client.get_executor() == pair.a.get_executor());
        const auto shaken = tests::handshake(server);
        CHECK(finish(io, tests::handshake(client)).ec == no_error);
        CHECK(finish(io, shaken).ec == no_error);
        std::string got(5, '\0');
        const auto read = tests::read_all(server, got);
        CHECK(finish(io, tests::write_all(client, "hello")).ec == no_error);
        CHECK(finish(io, read).ec == no_error);
        CHECK(got == "hello");
    }
    CHECK(pair.a.is_open());
    char one = 0;
    tests::net_code ec;
    CHECK(pair.a.read_some(net::buffer(&one, 1), ec) ==
          0);  // FIN and nothing before it: the other destructor sent nothing either
    CHECK(tests::as_std(ec) == end_of_file);
}

TEST_CASE("stream: create tells why there is none, and the constructor throws it" + on_net, "[asio]") {
    net::io_context io;
    tests::sockets<unix_socket> pair(io, io);
    const auto& context = tests::client_of(tls::protocol_version::tls1_3);
    std::error_code ec;
    const auto none = tls::stream<unix_socket&>::create(pair.a, context, "no such name!", ec);
    CHECK_FALSE(none);
    CHECK(ec == tls::errc::invalid_server_name);
    CHECK_THROWS_AS(tls::stream<unix_socket&>(pair.a, context, ""), tls::error);
    const auto made = tls::stream<unix_socket&>::create(pair.a, context, "localhost", ec);
    CHECK(made);
    CHECK(ec == no_error);
    const auto served = unix_stream::create(std::move(pair.b), tests::server_of(tls::protocol_version::tls1_3), ec);
    CHECK(served);
}

TEST_CASE("F70 stream: an empty one and a closed one refuse by name" + on_net, "[asio]") {
    conversation c(any_version());
    SECTION("never made") {
        unix_stream empty;
        CHECK_FALSE(empty);
        CHECK_FALSE(empty.version());
        CHECK_FALSE(empty.peer_certificate());
        CHECK(empty.read_end() == stream_end::open);
        CHECK(empty.native_handle() == nullptr);
        check_refuses(c.io, empty);
    }
    SECTION("moved from") {
        unix_stream other(std::move(c.client));
        CHECK_FALSE(c.client);
        CHECK(other);
        check_refuses(c.io, c.client);
        other = unix_stream();
        CHECK_FALSE(other);
    }
    SECTION("closed") {
        const auto closed = tests::close(c.server);
        CHECK(finish(c.io, tests::close(c.client)).result.clean());
        finish(c.io, closed);
        check_refuses(c.io, c.client);
    }
    SECTION("aborted") {
        c.client.abort();
        CHECK_FALSE(c.client.lowest_layer().is_open());
        check_refuses(c.io, c.client);
        std::string into(4, '\0');
        CHECK(finish(c.io, tests::read_some(c.server, into)).ec == tls::errc::truncated);
        CHECK(c.server.read_end() == stream_end::truncated);
    }
}

TEST_CASE("stream: what it knows of the connection" + on_net, "[asio]") {
    const auto version = any_version();
    net::io_context io;
    tests::sockets<unix_socket> pair(io, io);
    const auto& pki = tests::test_pki();
    const tls::client_context client_context({.trust = tls::trust_store::from_pem(pki.authority.certificate_pem()),
                                              .alpn = {"h2", "http/1.1"},
                                              .min_version = version,
                                              .max_version = version});
    const tls::server_context server_context(
        {.identity = tls::credential::from_pem(pki.server.certificate_pem(), pki.server.key_pem()), .alpn = {"http/1.1"}});
    unix_stream client(std::move(pair.a), client_context, "localhost");
    unix_stream server(std::move(pair.b), server_context);
    CHECK_FALSE(client.version());
    CHECK_FALSE(client.cipher());
    CHECK(client.alpn().empty());
    CHECK_FALSE(client.peer_certificate());
    const auto shaken = tests::handshake(server);
    REQUIRE(finish(io, tests::handshake(client)).ec == no_error);
    REQUIRE(finish(io, shaken).ec == no_error);
    CHECK(client.version() == version);
    REQUIRE(client.cipher());
    CHECK(client.cipher()->bits >= 128);
    CHECK(client.cipher()->name == server.cipher()->name);
    CHECK(client.alpn() == "http/1.1");
    CHECK(server.alpn() == "http/1.1");
    CHECK_FALSE(client.group().empty());
    CHECK(server.server_name() == "localhost");
    REQUIRE(client.peer_certificate());
    CHECK(client.peer_certificate()->dns_names().front() == "localhost");
    CHECK(client.peer_chain().size() == 1);
    CHECK_FALSE(server.peer_certificate());
    CHECK_FALSE(server.shared_ciphers().empty());
    CHECK(client.compression() == std::nullopt);
    CHECK(client.native_handle() != nullptr);
    CHECK(client.read_end() == stream_end::open);
}

TEST_CASE("stream: moved while operations are outstanding, they go on" + on_net, "[asio]") {
    conversation c(any_version());
    std::string into(5, '\0');
    const auto read = tests::read_all(c.client, into);
    const std::string large = tests::text_of(3'000'000);
    const auto write = start([&](keep h) { c.client.async_write_some(net::buffer(large), std::move(h)); });
    tests::settle(c.io);
    unix_stream moved(std::move(c.client));
    unix_stream assigned;
    assigned = std::move(moved);
    CHECK_FALSE(read->done());
    std::string got(65536, '\0');
    const auto received = tests::read_all(c.server, got);
    CHECK(finish(c.io, write).bytes == 65536);
    CHECK(finish(c.io, received).ec == no_error);
    CHECK(got == large.substr(0, 65536));
    const auto answer = tests::write_all(c.server, "hello");
    CHECK_FALSE(finish(c.io, answer).ec);
    // The composed read goes on with the stream that it was given, which is empty now: only its first part can still be complete.
    CHECK(finish(c.io, read).bytes == 5);
    CHECK(into == "hello");
}

TEST_CASE("stream: release gives the socket back, and what came behind the peer's close_notify" + on_net, "[asio]") {
    conversation c(any_version());
    tests::net_code ec;
    CHECK_FALSE(std::move(c.client).release(ec));
    CHECK(tests::as_std(ec) == tls::errc::not_closed);
    CHECK_THROWS_AS(std::move(c.client).release(), tests::net_exception);
    CHECK(c.works());

    const tls::shutdown_options tls_only{.timeout = 60s, .keep_transport_open = true};
    const auto other = tests::shut(c.server, shutdown_mode::both, tls_only);
    CHECK(finish(c.io, tests::shut(c.client, shutdown_mode::both, tls_only)).result.clean());
    CHECK(finish(c.io, other).result.clean());
    auto client = std::move(c.client).release(ec);
    REQUIRE(client);
    CHECK(tests::as_std(ec) == no_error);
    CHECK_FALSE(c.client);
    auto server = std::move(c.server).release();
    CHECK(client->surplus.empty());
    std::string text(5, '\0');
    net::write(client->socket, net::buffer("plain", 5));
    net::read(server.socket, net::buffer(text));
    CHECK(text == "plain");
}

TEST_CASE("F69 stream: TLS in TLS" + on_net, "[asio]") {
    const auto version = any_version();
    const bool inner_first = GENERATE(true, false);
    conversation c(version);
    tls::stream<unix_stream> client(std::move(c.client), tests::client_of(version), "localhost");
    tls::stream<unix_stream> server(std::move(c.server), tests::server_of(version));
    const auto shaken = tests::handshake(server);
    REQUIRE(finish(c.io, tests::handshake(client)).ec == no_error);
    REQUIRE(finish(c.io, shaken).ec == no_error);
    const std::string text = tests::text_of(150'000);
    CHECK(c.send(client, server, text) == text);
    CHECK(c.send(server, client, text) == text);
    CHECK(client.lowest_layer().is_open());
    if (inner_first) {
        std::string into(5, '\0');
        const auto end = tests::read_some(server, into);
        const auto half = finish(c.io, tests::shut(client, shutdown_mode::write));
        CHECK(half.ec == no_error);
        CHECK(half.result.close_notify_sent);
        CHECK(finish(c.io, end).ec == end_of_file);
        CHECK(server.read_end() == stream_end::close_notify);
        const std::string last = "the last word";
        CHECK(c.send(server, client, last) == last);
    }
    const auto closed = tests::close(server);
    CHECK(finish(c.io, tests::close(client)).result.clean());
    CHECK(finish(c.io, closed).result.clean());
    CHECK_FALSE(closed->ec);
    CHECK_FALSE(client.lowest_layer().is_open());
}

// --- deadlines ---

TEST_CASE("stream: expires_after and expires_at bound what is started afterwards" + on_net, "[asio]") {
    conversation c(any_version());
    std::string into(4, '\0');
    c.client.expires_after(30ms);
    CHECK(finish(c.io, tests::read_some(c.client, into)).ec == too_late);
    CHECK(c.client.read_end() == stream_end::open);
    c.client.expires_at(tests::in(30ms));
    CHECK(finish(c.io, tests::read_some(c.client, into)).ec == too_late);
    // Nothing is lost, and a later deadline lets it go on.
    c.client.expires_after(60s);
    CHECK(c.works());
    c.client.expires_never();
    const auto read = tests::read_some(c.client, into);
    c.client.expires_after(1ms);  // not for the read that is outstanding
    CHECK(finish(c.io, tests::write_all(c.server, "late")).ec == no_error);
    CHECK(finish(c.io, read).ec == no_error);
    CHECK(into == "late");
    c.client.expires_after(std::chrono::nanoseconds::max());
    CHECK(c.works());
}

// --- by members that block ---

TEST_CASE("stream: the members that block" + on_net, "[asio]") {
    two_contexts c(any_version());
    const running thread(c.server_io);
    auto shaken = c.server.async_handshake(net::use_future);
    c.client.handshake();
    shaken.get();

    const std::string text = tests::text_of(200'000);
    std::string got(text.size(), '\0');
    auto read = net::async_read(c.server, net::buffer(got), net::use_future);
    CHECK(net::write(c.client, net::buffer(text)) == text.size());
    CHECK(read.get() == text.size());
    CHECK(got == text);
    auto written = net::async_write(c.server, net::buffer(text), net::use_future);
    got.assign(text.size(), '\0');
    CHECK(net::read(c.client, net::buffer(got)) == text.size());
    CHECK(written.get() == text.size());
    CHECK(got == text);

    std::string line;
    written = net::async_write(c.server, net::buffer("a line\n", 7), net::use_future);
    CHECK(net::read_until(c.client, net::dynamic_buffer(line), '\n') == 7);
    written.get();
    std::vector<net::const_buffer> many;
    for (std::size_t i = 0; i < 500; ++i) many.push_back(net::buffer(text.data() + i * 100, 100));
    got.assign(50'000, '\0');
    read = net::async_read(c.server, net::buffer(got), net::use_future);
    CHECK(c.client.write_some(many) == 50'000);
    read.get();
    CHECK(got == text.substr(0, 50'000));

    auto end = c.server.async_read_some(net::buffer(got), net::use_future);
    CHECK(c.client.shutdown(shutdown_mode::write).close_notify_sent);
    CHECK_THROWS(end.get());
    auto closed = c.server.async_close(net::use_future);
    tests::net_code ec;
    CHECK(c.client.read_some(net::buffer(line), ec) == 0);
    CHECK(tests::as_std(ec) == end_of_file);
    CHECK(c.client.close({.timeout = 60s}).clean());
    CHECK(closed.get().clean());
}

TEST_CASE("stream: the members that block throw, and keep to the deadline" + on_net, "[asio]") {
    two_contexts c(any_version());
    const auto code_of = [](auto call) {
        try {
            call();
        } catch (const tests::net_exception& e) {
            return tests::as_std(e.code());
        }
        return no_error;
    };
    std::string into(4, '\0');
    SECTION("nobody is there") {
        c.client.expires_after(30ms);
        CHECK(code_of([&] { c.client.handshake(); }) == too_late);
        CHECK(code_of([&] { (void)c.client.read_some(net::buffer(into)); }) == too_late);
        CHECK(c.client.close({.timeout = 0ms}).transport_shut_down);
        CHECK(code_of([&] { c.client.handshake(); }) == tls::errc::not_open);
    }
    SECTION("a peer that breaks off, and one that ends") {
        const bool cleanly = GENERATE(true, false);
        const running thread(c.server_io);
        auto shaken = c.server.async_handshake(net::use_future);
        c.client.handshake();
        shaken.get();
        if (cleanly) c.server.async_shutdown(shutdown_mode::write, net::use_future).get();
        else c.server.abort();
        CHECK(code_of([&] { (void)c.client.read_some(net::buffer(into)); }) ==
              (cleanly ? end_of_file : tls::make_error_code(tls::errc::truncated)));
        CHECK(c.client.read_end() == (cleanly ? stream_end::close_notify : stream_end::truncated));
    }
}

// --- the two libraries' errors ---

TEST_CASE("stream: errors compare with the library's own" + on_net, "[asio]") {
    conversation c(any_version());
    tests::net_code ec;
    c.client.abort();
    std::string into(4, '\0');
    CHECK(c.client.read_some(net::buffer(into), ec) == 0);
    CHECK(ec == tls::errc::not_open);
    CHECK(tests::as_std(ec).category() == tls::stream_category());
    CHECK(ec.message() == tls::make_error_code(tls::errc::not_open).message());
    const tests::net_code same = ec;
    CHECK(same == ec);
    CHECK_FALSE(ec == tls::errc::truncated);
    // The transport's come through as they are.
    conversation other(any_version());
    other.client.lowest_layer().shutdown(net::socket_base::shutdown_send, ec);
    const auto failed = perform(other.io, [&](keep h) { other.client.async_write_some(net::buffer("text", 4), std::move(h)); });
    CHECK(failed.ec == tests::as_std(tests::net_code(net::error::broken_pipe)));
}

#endif
