// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The key log: off unless somebody asks, whole lines, for the owner's eyes only.

#include <tls/key_log.hpp>

#include <support/files.hpp>
#include <support/refusal.hpp>

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::string_literals;
using tests::check_refused;
using tests::environment_guard;
using tests::temporary_directory;
using tls::errc;
using tls::key_log;

static_assert(std::is_nothrow_default_constructible_v<key_log> && std::is_nothrow_move_constructible_v<key_log>);
static_assert(!std::is_convertible_v<key_log, bool>);

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> found;
    std::istringstream from(text);
    for (std::string line; std::getline(from, line);) found.push_back(line);
    return found;
}

void check_file_refused(const std::filesystem::path& path, std::error_condition expected) {
    CAPTURE(path);
    check_refused(expected, [&](auto&... ec) { return key_log::to_file(path, ec...); });
    try {
        (void)key_log::to_file(path);
    } catch (const tls::error& e) {
        CHECK(std::string_view(e.what()).find(path.filename().c_str()) != std::string_view::npos);
    }
}
void check_file_refused(const std::filesystem::path& path, errc expected) {
    check_file_refused(path, make_error_code(expected).default_error_condition());
}
void check_file_refused(const std::filesystem::path& path, std::errc expected) {
    check_file_refused(path, make_error_condition(expected));
}

TEST_CASE("a key log is off by default", "[key_log]") {
    const key_log log;
    CHECK_FALSE(log);
    log.write("CLIENT_RANDOM a b");
    key_log on = key_log::to([](std::string_view) {});
    CHECK(on);
    const key_log moved = std::move(on);
    CHECK(moved);
    CHECK_FALSE(on);  // NOLINT(bugprone-use-after-move)
    on.write("CLIENT_RANDOM a b");
}

TEST_CASE("a key log file has a line for each line, for its owner only", "[key_log]") {
    const temporary_directory directory;
    const auto path = directory / "keys";
    const ::mode_t mask = ::umask(0);
    const key_log log = key_log::to_file(path);
    ::umask(mask);
    REQUIRE(log);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    CHECK(contents(path).empty());
    log.write("CLIENT_RANDOM 00 11");
    CHECK(contents(path) == "CLIENT_RANDOM 00 11\n");
    log.write("");
    log.write("EXPORTER_SECRET 00 22");
    CHECK(contents(path) == "CLIENT_RANDOM 00 11\n\nEXPORTER_SECRET 00 22\n");
    // What is there is added to, also by another log and by a copy.
    std::error_code ec = errc::truncated;
    const key_log again = key_log::to_file(path, ec);
    CHECK_FALSE(ec);
    again.write("a");
    const key_log copy = log;
    copy.write("b");
    CHECK(contents(path) == "CLIENT_RANDOM 00 11\n\nEXPORTER_SECRET 00 22\na\nb\n");
}

TEST_CASE("a key log keeps its file open, and no longer than it lives", "[key_log]") {
    const temporary_directory directory;
    const auto path = directory / "keys";
    const auto descriptors = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
    };
    const auto before = descriptors();
    {
        const key_log log = key_log::to_file(path);
        std::filesystem::rename(path, directory / "elsewhere");
        log.write("a");
        CHECK(contents(directory / "elsewhere") == "a\n");
        CHECK(descriptors() == before + 1);
        // Not for programs that are started.
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            if (std::filesystem::read_symlink(entry, gone) != directory / "elsewhere") continue;
            CHECK((::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    CHECK(descriptors() == before);
}

TEST_CASE("what is no file is no key log, and nothing hangs", "[key_log]") {
    const temporary_directory directory;
    check_file_refused(directory.path(), std::errc::is_a_directory);
    check_file_refused(directory / "absent" / "keys", std::errc::no_such_file_or_directory);
    check_file_refused(directory.write("file", "") / "keys", std::errc::not_a_directory);
    check_file_refused(std::filesystem::path(), std::errc::no_such_file_or_directory);
    check_file_refused(std::filesystem::path("/dev/null\0x"s), std::errc::invalid_argument);

    const auto fifo = directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    check_file_refused(fifo, errc::invalid_key_log);
    const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(reader >= 0);
    check_file_refused(fifo, errc::invalid_key_log);  // with somebody at the other end too
    ::close(reader);

    const auto name = directory / "socket";
    const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ::sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(name.native(), address.sun_path);
    REQUIRE(::bind(listener, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) == 0);
    check_file_refused(name, errc::invalid_key_log);
    ::close(listener);
}

TEST_CASE("a key log that takes nothing fails nobody", "[key_log]") {
    const key_log full = key_log::to_file("/dev/full");
    CHECK(full);
    full.write("CLIENT_RANDOM 00 11");
    const key_log nothing = key_log::to_file("/dev/null");
    CHECK(nothing);
    nothing.write("CLIENT_RANDOM 00 11");
}

TEST_CASE("SSLKEYLOGFILE names a key log for programs that ask", "[key_log]") {
    const temporary_directory directory;
    const auto path = directory / "keys";
    {
        const environment_guard unset("SSLKEYLOGFILE", nullptr);
        CHECK_FALSE(key_log::from_environment());
    }
    {
        const environment_guard empty("SSLKEYLOGFILE", "");
        std::error_code ec = errc::truncated;
        CHECK_FALSE(key_log::from_environment(ec));
        CHECK_FALSE(ec);
    }
    {
        const environment_guard named("SSLKEYLOGFILE", path.c_str());
        const key_log log = key_log::from_environment();
        REQUIRE(log);
        log.write("a");
        CHECK(contents(path) == "a\n");
        std::error_code ec = errc::truncated;
        CHECK(key_log::from_environment(ec));
        CHECK_FALSE(ec);
    }
    const environment_guard bad("SSLKEYLOGFILE", directory.path().c_str());
    check_refused(make_error_condition(std::errc::is_a_directory),
                  [](auto&... ec) { return key_log::from_environment(ec...); });
}

TEST_CASE("SSLKEYLOGFILE means nothing to a program with other rights than who started it", "[key_log]") {
    if (::geteuid() != 0) SKIP("only root can take other rights");
    const temporary_directory directory;
    REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
    const environment_guard named("SSLKEYLOGFILE", (directory / "keys").c_str());
    enum : int { off = 10, on = 11, broken = 12 };
    const auto in_child = [](int (*become)(unsigned)) {
        std::fflush(stdout);  // a sanitizer would flush it in the child once more
        const ::pid_t child = ::fork();
        if (child == 0) {
            if (become(65534) != 0) ::_exit(broken);
            std::error_code ec;
            const key_log log = key_log::from_environment(ec);
            ::_exit(ec ? broken : log ? on : off);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    };
    CHECK(in_child([](unsigned) { return 0; }) == on);
    CHECK(in_child([](unsigned id) { return ::seteuid(id); }) == off);
    CHECK(in_child([](unsigned id) { return ::setegid(id); }) == off);
}

TEST_CASE("a callable gets each line of a key log", "[key_log]") {
    std::vector<std::string> seen;
    const key_log log = key_log::to([&](std::string_view line) { seen.emplace_back(line); });
    REQUIRE(log);
    log.write("a b c");
    const key_log copy = log;
    copy.write("d");
    CHECK(seen == std::vector<std::string>{"a b c", "d"});

    std::error_code ec = errc::truncated;
    CHECK(key_log::to([](std::string_view) {}, ec));
    CHECK_FALSE(ec);
    check_refused(errc::invalid_key_log, [](auto&... e) { return key_log::to(std::function<void(std::string_view)>(), e...); });
}

TEST_CASE("what a key log's callable throws comes out, and it is called again", "[key_log]") {
    int calls = 0;
    const key_log log = key_log::to([&](std::string_view) {
        if (++calls == 1) throw std::runtime_error("no room");
    });
    CHECK_THROWS_AS(log.write("a"), std::runtime_error);
    CHECK_NOTHROW(log.write("b"));
    CHECK(calls == 2);
}

TEST_CASE("lines of a key log that threads write do not mix", "[key_log][threads]") {
    constexpr std::size_t each = 200;
    const temporary_directory directory;
    const auto path = directory / "keys";
    const key_log file = key_log::to_file(path);
    std::string heard;
    const key_log callable = key_log::to([&](std::string_view line) {
        for (const char c : line) heard += c;
        heard += '\n';
    });
    const auto write = [&](char what) {
        const key_log other = key_log::to_file(path);
        for (std::size_t i = 0; i != each; ++i) {
            (i % 2 == 0 ? file : other).write(std::string(170, what));
            callable.write(std::string(170, what));
        }
    };
    std::thread one(write, 'a');
    std::thread other(write, 'b');
    one.join();
    other.join();
    for (const std::string& text : {contents(path), heard}) {
        const auto all = lines(text);
        CHECK(std::ranges::count(all, std::string(170, 'a')) == each);
        CHECK(std::ranges::count(all, std::string(170, 'b')) == each);
        CHECK(all.size() == 2 * each);
    }
}

}  // namespace
