// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Faults that only the system can make: real sockets, descriptors, signals and processes.

#include <tls/stream.hpp>
#include <tls/tcp.hpp>

#include <support/pki.hpp>
#include <support/session.hpp>
#include <support/stale_errors.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using tests::would_block;
using tls::shutdown_mode;
using tls::shutdown_options;
using tls::shutdown_result;
using tls::stream_end;

namespace {

using tcp_stream = tls::stream<tls::tcp_socket>;

const std::error_code none;
const shutdown_options patient{.timeout = 60s};

tls::protocol_version any_version() { return GENERATE(Catch::Generators::from_range(tests::versions)); }

// Two streams in one thread, the handshake done.
template <class Stream>
struct basic_ends {
    Stream client;
    Stream server;
};
using ends = basic_ends<tcp_stream>;

template <class Client, class Server>
void shake_hands(Client& client, Server& server) {
    client.next_layer().non_blocking(true);
    server.next_layer().non_blocking(true);
    std::error_code of_client;
    std::error_code of_server;
    do {
        client.handshake(of_client);
        server.handshake(of_server);
        if (of_client && of_client != would_block) throw std::system_error(of_client, "the client's handshake");
        if (of_server && of_server != would_block) throw std::system_error(of_server, "the server's handshake");
    } while (of_client || of_server);
    client.next_layer().non_blocking(false);
    server.next_layer().non_blocking(false);
    client.expires_at(tests::patience());
    server.expires_at(tests::patience());
}

ends connected(tests::socket_pair over, tls::protocol_version version = tls::protocol_version::tls1_3) {
    ends both{tcp_stream(std::move(over.a), tests::client_of(version), "localhost"),
              tcp_stream(std::move(over.b), tests::server_of(version))};
    shake_hands(both.client, both.server);
    return both;
}

std::string read_text(tcp_stream& from, std::error_code& ec) {
    std::array<char, 1000> into;
    return {into.data(), from.read_some(into, ec)};
}

// Bytes that the kernel holds for a reader.
int unread(int descriptor) {
    int size = 0;
    REQUIRE(::ioctl(descriptor, FIONREAD, &size) == 0);
    return size;
}

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

// Has the connection been reset? Only for one whose input has been read.
bool was_reset(int descriptor) {
    char byte = 0;
    return ::recv(descriptor, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}

// A server written straight against BoringSSL, for one connection: greets, reads to the end, answers close_notify.
struct raw_server {
    std::size_t received = 0;
    bool close_notify = false;
    bool failed = false;
    std::string greeting = std::string(5000, 'g');  // more than anybody reads ahead

    void serve(int descriptor, tls::protocol_version version) {
        const auto& pki = tests::test_pki().server;
        const bssl::UniquePtr<SSL_CTX> ctx(::SSL_CTX_new(::TLS_method()));
        const bool ready = ::SSL_CTX_use_certificate(ctx.get(), pki.certificate.get()) == 1 &&
                           ::SSL_CTX_use_PrivateKey(ctx.get(), pki.key.get()) == 1 &&
                           ::SSL_CTX_set_max_proto_version(ctx.get(), static_cast<std::uint16_t>(version)) == 1;
        const bssl::UniquePtr<SSL> ssl(::SSL_new(ctx.get()));
        if (!ready || ::SSL_set_fd(ssl.get(), descriptor) != 1 || ::SSL_accept(ssl.get()) != 1 ||
            ::SSL_write(ssl.get(), greeting.data(), static_cast<int>(greeting.size())) <= 0) {
            failed = true;
        } else {
            std::vector<char> into(16384);
            int n = 0;
            while ((n = ::SSL_read(ssl.get(), into.data(), static_cast<int>(into.size()))) > 0)
                received += static_cast<std::size_t>(n);
            close_notify = ::SSL_get_error(ssl.get(), n) == SSL_ERROR_ZERO_RETURN;
            ::SSL_shutdown(ssl.get());
        }
        ::ERR_clear_error();
        ::close(descriptor);
    }
};

// Runs `child` in a child process; true if it came to its end and said true.
template <class Child>
bool in_a_child(Child child) {
    const ::pid_t pid = ::fork();
    if (pid == 0) ::_exit(child() ? 0 : 1);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CAPTURE(status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// SIGPIPE as it is when a process starts.
class default_sigpipe {
public:
    default_sigpipe() {
        struct ::sigaction action{};
        action.sa_handler = SIG_DFL;
        ::sigaction(SIGPIPE, &action, &before_);
    }
    ~default_sigpipe() { ::sigaction(SIGPIPE, &before_, nullptr); }
    default_sigpipe(const default_sigpipe&) = delete;
    default_sigpipe& operator=(const default_sigpipe&) = delete;

private:
    struct ::sigaction before_{};
};

}  // namespace

// --- closing ---

TEST_CASE("F29 over a real socket: a peer that never says close_notify is waited for until the limit") {
    const auto version = any_version();
    const bool tcp = GENERATE(false, true);
    auto [client, server] = connected(tcp ? tests::tcp_pair() : tests::unix_pair(), version);
    const auto begin = tests::clock::now();
    std::error_code ec;
    const auto result = client.close({.timeout = 40ms}, ec);
    const auto took = tests::clock::now() - begin;
    CHECK(ec == none);
    CHECK(result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
    CHECK(took >= 40ms);
    CHECK(took < 10s);
    CHECK(read_text(server, ec).empty());
    CHECK(ec == none);
    CHECK(server.read_end() == stream_end::close_notify);
}

TEST_CASE("F30 over a real socket: a peer that is let go of without close_notify") {
    const auto version = any_version();
    auto both = connected(tests::tcp_pair(), version);
    std::error_code ec;
    both.server.write("half a sen");
    {
        const tcp_stream gone = std::move(both.server);
    }
    CHECK(read_text(both.client, ec) == "half a sen");
    CHECK(ec == none);
    for (int i = 0; i < 2; ++i) {
        CHECK(read_text(both.client, ec).empty());
        CHECK(ec == tls::errc::truncated);
    }
    CHECK(both.client.read_end() == stream_end::truncated);
    CHECK(both.client.close(ec).peer == stream_end::truncated);
}

TEST_CASE("F31 over a real socket: a peer that goes on sending after our close_notify") {
    const bool tcp = GENERATE(false, true);
    auto both = connected(tcp ? tests::tcp_pair() : tests::unix_pair());
    tcp_stream& client = both.client;
    std::atomic<bool> over = false;
    std::error_code ec;
    const auto peer = [&](std::size_t size, std::chrono::milliseconds pause) {
        return std::thread([&, size, pause] {
            const std::string text(size, 'f');
            std::error_code why;
            while (!why && !over) {
                both.server.write(text, why);
                if (pause != 0ms) std::this_thread::sleep_for(pause);
            }
        });
    };
    SECTION("a flood, and close") {
        auto flood = peer(50'000, 0ms);
        const auto result = client.close({.timeout = 60s, .drain_limit = 100'000}, ec);
        CHECK(ec == none);
        CHECK(result.limit_reached);
        CHECK(result.discarded == 100'000);
        CHECK_FALSE(result.timed_out);
        flood.join();
    }
    SECTION("a flood, and shutdown: what was not thrown away stays readable") {
        auto flood = peer(50'000, 0ms);
        const auto result = client.shutdown(shutdown_mode::both, {.timeout = 60s, .drain_limit = 100'000}, ec);
        CHECK(ec == none);
        CHECK(result ==
              shutdown_result{
                  .close_notify_sent = true, .transport_shut_down = true, .limit_reached = true, .discarded = 100'000});
        CHECK_FALSE(read_text(client, ec).empty());
        CHECK(ec == none);
        over = true;
        client.abort();
        flood.join();
    }
    SECTION("slow") {
        auto drip = peer(1, 1ms);
        const auto begin = tests::clock::now();
        const auto result = client.close({.timeout = 50ms}, ec);
        const auto took = tests::clock::now() - begin;
        CHECK(ec == none);
        CHECK(result.timed_out);
        CHECK_FALSE(result.limit_reached);
        CHECK(took >= 50ms);
        CHECK(took < 10s);
        over = true;
        drip.join();
    }
}

TEST_CASE("F32 over a real socket: bytes behind the peer's close_notify do not cost what was written") {
    const auto version = any_version();
    const std::string text(2'000'000, 't');
    for (int i = 0; i < 10; ++i) {
        auto both = connected(tests::tcp_pair(), version);
        std::error_code ec;
        both.server.shutdown(shutdown_mode::write, {.keep_transport_open = true});
        both.server.next_layer().write_some("what is this?");
        CHECK(read_text(both.client, ec).empty());
        CHECK(ec == none);
        std::size_t received = 0;
        std::error_code at_server;
        std::thread other([&] {
            std::vector<char> into(1000);
            while (const std::size_t n = both.server.read_some(into, at_server)) received += n;
        });
        CHECK(both.client.write(text, ec) == text.size());
        CHECK(both.client.close(patient, ec).clean());
        other.join();
        CHECK(received == text.size());
        CHECK(at_server == none);
    }
}

TEST_CASE("F34 both sides close at once, a thousand times: clean, and no reset") {
    constexpr int times = 250;
    const auto version = any_version();
    const bool tcp = GENERATE(false, true);
    tls::tcp_listener listener("127.0.0.1", 0);
    for (int i = 0; i < times; ++i) {
        tests::socket_pair pair;
        if (tcp) {
            pair.a = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience());
            pair.b = listener.accept(tests::patience());
        } else {
            pair = tests::unix_pair();
        }
        tls::stream<tls::tcp_socket&> client(pair.a, tests::client_of(version), "localhost");
        tls::stream<tls::tcp_socket&> server(pair.b, tests::server_of(version));
        shake_hands(client, server);
        std::atomic<int> ready = 0;
        const auto end = [&](tls::stream<tls::tcp_socket&>& stream, shutdown_result& result, std::error_code& ec) {
            ++ready;
            while (ready != 2) std::this_thread::yield();
            result = stream.shutdown(shutdown_mode::both, patient, ec);
        };
        shutdown_result at_client;
        shutdown_result at_server;
        std::error_code of_client;
        std::error_code of_server;
        std::thread other([&] { end(server, at_server, of_server); });
        end(client, at_client, of_client);
        other.join();
        CAPTURE(i);
        REQUIRE(of_client == none);
        REQUIRE(of_server == none);
        REQUIRE(at_client.clean());
        REQUIRE(at_server.clean());
        // Nothing is left that a close would answer with a reset, and none has come.
        REQUIRE(unread(pair.a.native_handle()) == 0);
        REQUIRE(unread(pair.b.native_handle()) == 0);
        REQUIRE_FALSE(was_reset(pair.a.native_handle()));
        REQUIRE_FALSE(was_reset(pair.b.native_handle()));
    }
}

TEST_CASE("F40 with the peer's session tickets unread in the kernel, close() loses nothing") {
    const auto version = any_version();
    const std::string text(std::size_t{4} << 20, 't');
    tls::tcp_listener listener("127.0.0.1", 0);
    for (int i = 0; i < 10; ++i) {
        auto near = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::patience());
        auto far = listener.accept(tests::patience());
        raw_server server;
        std::thread serving([&, number = far.release()] { server.serve(number, version); });
        tcp_stream client(std::move(near), tests::client_of(version), "localhost");
        client.expires_at(tests::patience());
        std::error_code ec;
        client.handshake(ec);
        CHECK(ec == none);
        CHECK(client.write(text, ec) == text.size());
        // The greeting and, in TLS 1.3, the tickets: what resets a connection that is just closed.
        ::pollfd arrival{client.next_layer().native_handle(), POLLIN, 0};
        CHECK(::poll(&arrival, 1, 60'000) == 1);
        CHECK(unread(client.next_layer().native_handle()) > 0);
        const auto result = client.close(patient, ec);
        serving.join();
        CHECK(ec == none);
        CHECK(result.close_notify_sent);
        CHECK(result.peer == stream_end::close_notify);
        CHECK(result.discarded == server.greeting.size());
        CHECK_FALSE(server.failed);
        CHECK(server.received == text.size());
        CHECK(server.close_notify);
    }
}

// --- processes and signals ---

TEST_CASE("F77 a child process that lets go of its copy of a stream says nothing on the wire") {
    const auto version = any_version();
    const auto how = GENERATE(0, 1, 2);  // the destructor, abort(), an assignment
    auto both = connected(tests::unix_pair(), version);
    auto client = std::make_unique<tcp_stream>(std::move(both.client));
    tcp_stream& server = both.server;
    std::error_code ec;
    client->write("before");
    CHECK(in_a_child([&] {
        if (how == 0) client.reset();
        if (how == 1) client->abort();
        if (how == 2) *client = tcp_stream();
        {
            const tcp_stream gone = std::move(server);
        }
        return tests::queue_is_empty();
    }));
    CHECK(client->write("after", ec) == 5);
    CHECK(ec == none);
    std::array<char, 11> into{};
    CHECK(server.read(into, ec) == 11);
    CHECK(ec == none);
    CHECK(std::string(into.data(), into.size()) == "beforeafter");
    server.write("answer");
    CHECK(read_text(*client, ec) == "answer");

    std::thread other([&] {
        std::error_code why;
        server.close(patient, why);
    });
    CHECK(client->close(patient, ec).clean());
    CHECK(ec == none);
    other.join();
}

TEST_CASE("F78 a stream never raises SIGPIPE, whatever its disposition") {
    const auto version = any_version();
    const default_sigpipe terrible;
    auto both = connected(tests::unix_pair(), version);
    tcp_stream& client = both.client;
    std::error_code ec;
    SECTION("by a write") {
        both.server.abort();
        CHECK(client.write("into the void", ec) == 0);
        CHECK(ec == std::errc::broken_pipe);
    }
    SECTION("by a large write") {
        both.server.abort();
        CHECK(client.write(std::string(1'000'000, 'x'), ec) == 0);
        CHECK(ec == std::errc::broken_pipe);
    }
    SECTION("by close_notify") {
        both.server.abort();
        const auto result = client.close(ec);
        CHECK(ec == std::errc::broken_pipe);
        CHECK_FALSE(result.close_notify_sent);
    }
    SECTION("by an alert") {
        const std::string garbage = "this is no TLS record";
        std::error_code ignored;
        both.server.next_layer().write_some(garbage, ignored);
        both.server.abort();
        CHECK(read_text(client, ec).empty());
        CHECK(ec.category() == tls::ssl_category());
        (void)client.close(ec);
    }
    SECTION("by the handshake") {
        auto pair = tests::unix_pair();
        pair.b.close();
        tcp_stream fresh(std::move(pair.a), tests::client_of(version), "localhost");
        fresh.handshake(ec);
        CHECK(ec == std::errc::broken_pipe);
    }
    CHECK(tests::queue_is_empty());
}

// --- descriptors ---

TEST_CASE("F79 a stream that has let go of its descriptor never touches another of the same number") {
    const auto how = GENERATE(0, 1, 2, 3);  // close, abort, a move, release
    auto both = connected(tests::unix_pair());
    tcp_stream client = std::move(both.client);
    const int number = client.next_layer().native_handle();
    std::optional<tls::tcp_socket> kept;
    std::optional<tcp_stream> moved;
    std::error_code ec;
    if (how == 0) (void)client.close({.timeout = 0ms}, ec);
    if (how == 1) client.abort();
    if (how == 2) {
        moved = std::move(client);
        moved->abort();
    }
    if (how == 3) {
        both.server.shutdown(shutdown_mode::write, {.keep_transport_open = true});
        client.shutdown(shutdown_mode::both, {.keep_transport_open = true});
        kept = std::move(client).release().socket;
        kept->close();
    }
    REQUIRE_FALSE(is_open(number));

    const auto [a, b] = tests::descriptor_pair();
    tls::tcp_socket other(b);
    REQUIRE(a == number);
    other.write_some("not for the stream");
    std::array<char, 100> into;
    const std::array<std::span<const std::byte>, 1> pieces{std::as_bytes(std::span(into))};
    for (tcp_stream* stream : {&client, moved ? &*moved : &client}) {
        stream->handshake(ec);
        CHECK(ec == tls::errc::not_open);
        CHECK(stream->read_some(into, ec) == 0);
        CHECK(ec == tls::errc::not_open);
        CHECK(stream->write("a secret", ec) == 0);
        CHECK(ec == tls::errc::not_open);
        CHECK(stream->write(pieces, ec) == 0);
        (void)stream->flush(ec);
        for (const auto mode : {shutdown_mode::read, shutdown_mode::write, shutdown_mode::both})
            (void)stream->shutdown(mode, ec);
        (void)stream->close(ec);
        stream->abort();
    }
    client = tcp_stream();
    moved.reset();
    kept.reset();
    CHECK(is_open(a));
    CHECK(unread(b) == 0);
    CHECK(unread(a) == 18);
    ::close(a);
}

TEST_CASE("F79 a stream keeps no descriptor of its own: another socket in its place is the one that it uses") {
    auto pair = tests::unix_pair();
    auto unused = tests::unix_pair();
    tcp_stream client(std::move(unused.a), tests::client_of(tls::protocol_version::tls1_3), "localhost");
    const int number = client.next_layer().native_handle();
    client.next_layer() = std::move(pair.a);
    REQUIRE_FALSE(is_open(number));
    const auto [a, b] = tests::descriptor_pair();
    REQUIRE(a == number);
    tcp_stream server(std::move(pair.b), tests::server_of(tls::protocol_version::tls1_3));
    shake_hands(client, server);
    client.write("hello");
    std::error_code ec;
    CHECK(read_text(server, ec) == "hello");
    CHECK(unread(b) == 0);
    client.abort();
    CHECK(is_open(a));
    ::close(a);
    ::close(b);
}

TEST_CASE("F80 closing twice, after release, and with a descriptor that is gone") {
    auto both = connected(tests::unix_pair());
    tcp_stream client = std::move(both.client);
    std::error_code ec;
    SECTION("twice: the same result again") {
        const auto first = client.close({.timeout = 0ms}, ec);
        CHECK(ec == none);
        CHECK(first.close_notify_sent);
        CHECK(client.close(ec) == first);
        CHECK(ec == none);
        client.abort();
        CHECK(client.close(ec) == first);
        CHECK(ec == none);
    }
    SECTION("after abort") {
        client.abort();
        CHECK_FALSE(client.close(ec).close_notify_sent);
        CHECK(ec == none);
    }
    SECTION("after release: nothing, and the socket is its new owner's") {
        both.server.shutdown(shutdown_mode::write, {.keep_transport_open = true});
        client.shutdown(shutdown_mode::both, {.keep_transport_open = true});
        both.server.shutdown(shutdown_mode::both, {.keep_transport_open = true});
        auto socket = std::move(client).release().socket;
        CHECK(client.close(ec) == shutdown_result{});
        CHECK(ec == none);
        client.abort();
        CHECK(socket.is_open());
        CHECK(socket.write_some("plain") == 5);
        CHECK(tests::read_text(both.server.next_layer()) == "plain");
    }
    SECTION("a descriptor that was closed behind the stream's back is told, not hidden") {
        REQUIRE(::close(client.next_layer().native_handle()) == 0);
        const int call = GENERATE(0, 1, 2, 3);
        if (call == 0) (void)client.close(ec);
        if (call == 1) (void)client.shutdown(shutdown_mode::write, ec);
        if (call == 2) CHECK(read_text(client, ec).empty());
        if (call == 3) CHECK(client.write("text", ec) == 0);
        CHECK(ec == std::errc::bad_file_descriptor);
        (void)client.next_layer().release();
    }
    CHECK(tests::queue_is_empty());
}

TEST_CASE("F81 a whole session over descriptors above 1023, with deadlines") {
    const auto version = any_version();
    ::rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur < 1200) {
        if (limit.rlim_max < 1200) SKIP("this process may not have that many descriptors");
        limit.rlim_cur = 1200;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    }
    const auto lifted = [](tls::tcp_socket low) {
        const int high = ::fcntl(low.native_handle(), F_DUPFD_CLOEXEC, 1024);
        REQUIRE(high >= 1024);
        return tls::tcp_socket(high);
    };
    auto pair = tests::tcp_pair();
    auto both = connected({lifted(std::move(pair.a)), lifted(std::move(pair.b))}, version);
    REQUIRE(both.client.next_layer().native_handle() >= 1024);
    std::error_code ec;

    // It waits, and its limits hold.
    both.client.expires_after(20ms);
    CHECK(read_text(both.client, ec).empty());
    CHECK(ec == std::errc::timed_out);
    both.client.expires_at(tests::patience());
    const std::string text(3'000'000, 't');
    std::string got;
    shutdown_result at_server;
    std::thread other([&] {
        std::error_code why;
        std::vector<char> into(100'000);
        while (const std::size_t n = both.server.read_some(into, why)) got.append(into.data(), n);
        at_server = both.server.close(patient, why);
    });
    CHECK(both.client.write(text, ec) == text.size());
    const auto result = both.client.close(patient, ec);
    other.join();
    CHECK(ec == none);
    CHECK(result.clean());
    CHECK(at_server.clean());
    CHECK(got == text);
}

TEST_CASE("F82 only a clock that never jumps can make a deadline") {
    using steady = std::chrono::steady_clock::time_point;
    using system = std::chrono::system_clock::time_point;
    const auto takes = []<class Point>(Point when) {
        return requires(tcp_stream& s) { s.expires_at(when); } || requires(tcp_stream& s) { s.read_expires_at(when); } ||
               requires(tcp_stream& s) { s.write_expires_at(when); };
    };
    STATIC_REQUIRE(takes(steady()));
    STATIC_REQUIRE_FALSE(takes(system()));
    STATIC_REQUIRE(std::chrono::steady_clock::is_steady);
}

TEST_CASE("F82 deadlines at the ends of the clock, and a clock that leaps") {
    tests::session<> s;
    std::error_code ec;
    std::array<char, 10> into;
    SECTION("as far away as can be said: it waits as if there were none") {
        const auto span = GENERATE(std::chrono::nanoseconds::max(), std::chrono::nanoseconds::max() - 1ns);
        s.stream.expires_after(span);
        s.net.clock().call_after(std::chrono::hours(24 * 365), [&] {
            s.peer.send("late");
            s.peer.pump();
        });
        CHECK(s.stream.read_some(into, ec) == 4);
        CHECK(ec == none);
    }
    SECTION("as long ago as can be said: it waits no time") {
        s.stream.expires_after(std::chrono::nanoseconds::min());
        const auto begin = s.net.now();
        CHECK(s.stream.read_some(into, ec) == 0);
        CHECK(ec == std::errc::timed_out);
        s.stream.expires_at(tests::clock::time_point::min());
        CHECK(s.stream.write("goes out all the same", ec) == 21);
        CHECK(ec == none);
        CHECK(s.net.now() == begin);
    }
    SECTION("a limit of a close that is past all clocks") {
        const auto timeout = GENERATE(std::chrono::milliseconds::max(), std::chrono::milliseconds::min());
        s.peer.close_notify();
        s.work();
        CHECK(s.stream.close({.timeout = timeout}, ec).clean());
        CHECK(ec == none);
    }
    SECTION("a leap in the middle of a close ends it, once") {
        s.net.clock().call_after(1s, [&] { s.net.clock().advance(std::chrono::hours(24 * 365 * 10)); });
        const auto result = s.stream.close({.timeout = 2s}, ec);
        CHECK(ec == none);
        CHECK(result == shutdown_result{.close_notify_sent = true, .transport_shut_down = true, .timed_out = true});
        CHECK(s.net.a().closed());
    }
}
