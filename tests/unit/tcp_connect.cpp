// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// tcp_socket::connect, with a resolver that a test can script: names that end in ".test" (RFC 6761) never reach the real one.

#include <tls/tcp.hpp>

#include "support/tcp_tools.hpp"

#include <catch2/catch_test_macros.hpp>

#include <dlfcn.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using tests::timed_out;

namespace {

// What the scripted resolver knows and has seen.
struct resolver {
    std::mutex mutex;
    std::condition_variable changed;
    bool silent = true;  // "silent.test" gets no answer
    int waiting = 0;     // calls that are in there
    int calls = 0;       // all for names in ".test"
    std::thread::id thread;
    bool takes_signals = true;

    static resolver& get() {
        static resolver& the = *new resolver;  // a thread that was left behind may use it until the very end
        return the;
    }

    void wait_for_word() {
        std::unique_lock lock(mutex);
        ++waiting;
        changed.notify_all();
        changed.wait(lock, [this] { return !silent; });
        --waiting;
        changed.notify_all();
    }
    // Lets the one call go that has come or will come.
    void answer() {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return waiting == 1; });
        silent = false;
        changed.notify_all();
        changed.wait(lock, [this] { return waiting == 0; });
        silent = true;
    }
    void came() {
        const std::lock_guard lock(mutex);
        ++calls;
        thread = std::this_thread::get_id();
        ::sigset_t blocked;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        takes_signals = ::sigismember(&blocked, SIGALRM) == 0;
    }
    int call_count() {
        const std::lock_guard lock(mutex);
        return calls;
    }
};

using resolve_call = int(const char*, const char*, const ::addrinfo*, ::addrinfo**);

int resolve_really(const char* name, const char* service, const ::addrinfo* hints, ::addrinfo** found) {
    static auto* const really = reinterpret_cast<resolve_call*>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return really(name, service, hints, found);
}

// The addresses, one after the other, as freeaddrinfo takes them.
int resolve_to(std::initializer_list<const char*> addresses, const char* service, const ::addrinfo* hints, ::addrinfo** found) {
    for (const char* address : addresses) {
        if (const int status = resolve_really(address, service, hints, found); status != 0) return status;
        found = &(*found)->ai_next;
    }
    return 0;
}

}  // namespace

extern "C" int getaddrinfo(const char* __restrict name, const char* __restrict service, const ::addrinfo* __restrict hints,
                           ::addrinfo** __restrict found) {
    const std::string_view host = name != nullptr ? name : "";
    if (!host.ends_with(".test") || (hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0)) {
        return resolve_really(name, service, hints, found);
    }
    resolver::get().came();
    if (host == "two.test") return resolve_to({"127.0.0.1", "127.0.0.2"}, service, hints, found);
    if (host == "silent.test") resolver::get().wait_for_word();
    if (host == "again.test") return EAI_AGAIN;
    if (host == "memory.test") return EAI_MEMORY;
    if (host == "system.test") return errno = EMFILE, EAI_SYSTEM;
    if (host == "confused.test") return errno = EAGAIN, EAI_SYSTEM;
    return host == "silent.test" ? resolve_to({"127.0.0.1"}, service, hints, found) : EAI_NONAME;
}

namespace {

std::error_code connect_code(std::string_view host, std::uint16_t port, tests::clock::time_point deadline = tls::never) {
    auto ec = std::make_error_code(std::errc::owner_dead);
    const auto made = tls::tcp_socket::connect(host, port, deadline, ec);
    CHECK(made.is_open() == !ec);
    return ec;
}

// A port of 127.0.0.1 on which nobody listens, and which nobody gets while this lives.
class closed_port {
public:
    closed_port() : bound_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        ::sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::bind(bound_.native_handle(), reinterpret_cast<const ::sockaddr*>(&any), sizeof any) != 0) std::abort();
    }
    std::uint16_t number() const { return bound_.local_endpoint().port; }

private:
    tls::tcp_socket bound_;
};

// Listens on 127.0.0.1 and answers nobody: its queue is full.
class deaf_port {
public:
    deaf_port() : listener_("127.0.0.1", 0) {
        if (::listen(listener_.native_handle(), 0) != 0) std::abort();
        for (std::error_code ec; !ec;) {
            queued_.push_back(tls::tcp_socket::connect("127.0.0.1", listener_.port(), tests::in(200ms), ec));
        }
    }
    std::uint16_t number() const { return listener_.port(); }

private:
    tls::tcp_listener listener_;
    std::vector<tls::tcp_socket> queued_;
};

int option_of(const tls::tcp_socket& socket, int level, int option) {
    int value = -1;
    ::socklen_t size = sizeof value;
    CHECK(::getsockopt(socket.native_handle(), level, option, &value, &size) == 0);
    return value;
}

}  // namespace

TEST_CASE("tcp_socket::connect: a socket that blocks, sends at once, and is not inherited") {
    tls::tcp_listener listener("127.0.0.1", 0);
    for (const auto deadline : {tls::never, tests::patience()}) {
        auto a = tls::tcp_socket::connect("127.0.0.1", listener.port(), deadline);
        auto b = listener.accept(tests::patience());
        CHECK_FALSE(a.non_blocking());
        CHECK((::fcntl(a.native_handle(), F_GETFL) & O_NONBLOCK) == 0);
        CHECK((::fcntl(a.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
        CHECK(option_of(a, IPPROTO_TCP, TCP_NODELAY) != 0);
        b.write_some("hello");
        CHECK(tests::read_text(a) == "hello");
    }
}

TEST_CASE("tcp_socket::connect: all its forms") {
    tls::tcp_listener listener("::1", 0);
    std::error_code ec = timed_out;
    CHECK(tls::tcp_socket::connect("::1", listener.port()));
    CHECK(tls::tcp_socket::connect("::1", listener.port(), tests::patience()));
    CHECK(tls::tcp_socket::connect("::1", listener.port(), ec));
    CHECK_FALSE(ec);
    ec = timed_out;
    CHECK(tls::tcp_socket::connect("::1", listener.port(), tests::patience(), ec));
    CHECK_FALSE(ec);
}

TEST_CASE("tcp_socket::connect: the deadline does not stay behind") {
    tls::tcp_listener listener("127.0.0.1", 0);
    auto a = tls::tcp_socket::connect("127.0.0.1", listener.port(), tests::past());
    auto b = listener.accept(tests::patience());
    std::string got;
    tests::waiting_thread reader([&] { got = tests::read_text(a); });
    b.write_some("late");
    reader.join();
    CHECK(got == "late");
}

TEST_CASE("tcp_socket::connect: refused, with host, port and address in what()") {
    const closed_port port;
    const std::string number = std::to_string(port.number());
    CHECK(connect_code("127.0.0.1", port.number()) == std::error_code(ECONNREFUSED, std::system_category()));
    CHECK(connect_code("127.0.0.1", port.number(), tests::patience()) == std::errc::connection_refused);
    try {
        (void)tls::tcp_socket::connect("two.test", port.number());
        FAIL("somebody listens");
    } catch (const tls::error& e) {
        const std::string what = e.what();
        CHECK(e.code() == std::errc::connection_refused);
        CHECK(what.find("two.test:" + number) != std::string::npos);
        CHECK(what.find("127.0.0.2:" + number) != std::string::npos);
    }
}

TEST_CASE("tcp_socket::connect: names that do not resolve") {
    using namespace std::string_view_literals;
    for (const auto host : {"nobody.test"sv, "again.test"sv, "confused.test"sv, ""sv, "127.0.0.1\0.test"sv, "[::1]"sv,
                            "::1::"sv, "fe80::1%no-such-zone"sv, "no:name.test"sv}) {
        for (const auto deadline : {tls::never, tests::patience()}) {
            const std::error_code ec = connect_code(host, 443, deadline);
            CHECK(ec == tls::errc::host_not_found);
            CHECK(ec != std::errc::operation_would_block);
        }
    }
    try {
        (void)tls::tcp_socket::connect("nobody.test", 443);
        FAIL("a name that does not exist resolved");
    } catch (const tls::error& e) {
        CHECK(std::string_view(e.what()).find("nobody.test:443") != std::string_view::npos);
        CHECK(e.details() == ::gai_strerror(EAI_NONAME));
    }
    try {
        (void)tls::tcp_socket::connect(std::string_view("a\0b\n", 4), 443);
        FAIL("a name with a NUL resolved");
    } catch (const tls::error& e) {
        CHECK(std::string_view(e.what()).find("a\\00b\\0A:443") != std::string_view::npos);
    }
}

TEST_CASE("tcp_socket::connect: the resolver's other troubles keep their names") {
    CHECK(connect_code("memory.test", 443) == std::errc::not_enough_memory);
    CHECK(connect_code("system.test", 443) == std::error_code(EMFILE, std::system_category()));
    CHECK(connect_code("system.test", 443, tests::patience()) == std::error_code(EMFILE, std::system_category()));
}

TEST_CASE("tcp_socket::connect: the next address is tried when one refuses") {
    tls::tcp_listener listener("127.0.0.2", 0);
    for (const auto deadline : {tls::never, tests::patience()}) {
        const auto a = tls::tcp_socket::connect("two.test", listener.port(), deadline);
        CHECK(a.remote_endpoint() == tls::endpoint{"127.0.0.2", listener.port()});
    }
}

TEST_CASE("tcp_socket::connect: a deadline ends it where nobody answers") {
    const deaf_port port;
    const auto deadline = tests::in(50ms);
    CHECK(connect_code("127.0.0.1", port.number(), deadline) == timed_out);
    CHECK(tests::clock::now() >= deadline);
    CHECK(tests::clock::now() < deadline + 20s);
    CHECK(connect_code("127.0.0.1", port.number(), tests::past()) == timed_out);
}

TEST_CASE("F04 tcp_socket::connect: signals do not end it early") {
    const deaf_port port;
    const tests::signal_storm storm;
    const auto deadline = tests::in(100ms);
    CHECK(connect_code("127.0.0.1", port.number(), deadline) == timed_out);
    CHECK(tests::clock::now() >= deadline);
    CHECK(tests::signal_storm::count() > 10);
}

TEST_CASE("tcp_socket::connect: an address that does not answer uses its share of the time only") {
    const deaf_port port;
    tls::tcp_listener listener("127.0.0.2", port.number());
    const auto start = tests::clock::now();
    const auto a = tls::tcp_socket::connect("two.test", port.number(), start + 1s);
    CHECK(a.remote_endpoint().address == "127.0.0.2");
    CHECK(tests::clock::now() >= start + 500ms);
    CHECK(tests::clock::now() < start + 1s);
}

TEST_CASE("dial: shares of the time that is left") {
    const auto before = tests::clock::now();
    const auto quarter = tls::detail::share(before + 4h, 4);
    CHECK(quarter > before + 59min);
    CHECK(quarter < before + 2h);
    CHECK(tls::detail::share(before + 4h, 1) <= before + 4h);
    CHECK(tls::detail::share(tls::never, 4) == tls::never);
    CHECK(tls::detail::share(before, 4) == before);
}

TEST_CASE("tcp_listener: the next address is tried when one is taken") {
    const tls::tcp_listener first("two.test", 0);
    std::error_code ec = timed_out;
    const auto second = tls::tcp_listener::create("two.test", first.port(), ec);
    CHECK_FALSE(ec);
    CHECK(first.local_endpoint().address == "127.0.0.1");
    CHECK(second.local_endpoint() == tls::endpoint{"127.0.0.2", first.port()});
}

TEST_CASE("tcp_socket::connect: a deadline that has passed still connects where that needs no waiting") {
    tls::tcp_listener listener("127.0.0.1", 0);
    CHECK_FALSE(connect_code("127.0.0.1", listener.port(), tests::past()));
    CHECK(connect_code("silent.test", listener.port(), tests::past()) == timed_out);
}

TEST_CASE("tcp_socket::connect: a resolver that does not answer is left behind at the deadline") {
    const auto deadline = tests::in(30ms);
    CHECK(connect_code("silent.test", 443, deadline) == timed_out);
    CHECK(tests::clock::now() >= deadline);
    CHECK(tests::clock::now() < deadline + 20s);
    resolver::get().answer();  // it ends with what it owns, long after its caller
}

TEST_CASE("tcp_socket::connect: a resolver that answers in time") {
    tls::tcp_listener listener("127.0.0.1", 0);
    tls::tcp_socket made;
    std::error_code ec = timed_out;
    std::thread other([&] { made = tls::tcp_socket::connect("silent.test", listener.port(), tests::patience(), ec); });
    resolver::get().answer();
    other.join();
    CHECK_FALSE(ec);
    CHECK(made);
}

TEST_CASE("tcp_socket::connect: where names are looked up") {
    auto& seen = resolver::get();
    (void)connect_code("nobody.test", 443);
    CHECK(seen.thread == std::this_thread::get_id());

    (void)connect_code("nobody.test", 443, tests::patience());
    {
        const std::lock_guard lock(seen.mutex);
        CHECK(seen.thread != std::this_thread::get_id());
        CHECK_FALSE(seen.takes_signals);  // the program's handlers do not run there
    }
    ::sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    CHECK(::sigismember(&blocked, SIGALRM) == 0);

    const int calls = seen.call_count();
    (void)connect_code("nobody.test", 443, tests::past());  // no time
    (void)connect_code("no:name.test", 443);                // no name
    CHECK(seen.call_count() == calls);
}

TEST_CASE("resolve: numeric addresses, a zone included, and nothing in brackets") {
    const auto resolved = [](std::string_view host) { return tls::detail::resolve(host, 443, tests::patience()); };
    const auto four = resolved("192.0.2.7");
    REQUIRE(four.addresses.size() == 1);
    CHECK(tls::detail::host_text(four.addresses[0]) == "192.0.2.7");
    CHECK(tls::detail::port_of(four.addresses[0]) == 443);

    const auto zone = resolved("fe80::1%lo");
    REQUIRE(zone.addresses.size() == 1);
    CHECK(tls::detail::host_text(zone.addresses[0]) == "fe80::1%lo");
    CHECK(zone.addresses[0].as<::sockaddr_in6>().sin6_scope_id == ::if_nametoindex("lo"));

    CHECK(resolved("[::1]").code == tls::errc::host_not_found);
}

TEST_CASE("dial: a socket that is connected to itself is known as such") {
    const tls::tcp_socket self(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    tls::detail::socket_address own = tls::detail::resolve("127.0.0.1", 0, tls::never).addresses.at(0);
    REQUIRE(::bind(self.native_handle(), own.get(), own.size) == 0);
    REQUIRE(::getsockname(self.native_handle(), own.get(), &own.size) == 0);
    REQUIRE(::connect(self.native_handle(), own.get(), own.size) == 0);
    CHECK(tls::detail::is_connected_to_itself(self.native_handle()));

    const auto pair = tests::tcp_pair();
    CHECK_FALSE(tls::detail::is_connected_to_itself(pair.a.native_handle()));
}
