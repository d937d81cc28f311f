// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Values that are swapped while others use them, files that are watched, and contexts that are made anew.

#include <tls/reloadable.hpp>

#include <support/files.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using tests::temporary_directory;
using tls::context_reloader;
using tls::errc;
using tls::file_watch;
using tls::reloadable;

static_assert(!std::is_copy_constructible_v<reloadable<int>> && !std::is_convertible_v<int, reloadable<int>>);

// Another modification time than now, so that no clock's grain hides a change.
void age(const std::filesystem::path& path, std::chrono::seconds by) {
    std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - by);
}

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::system_error(make_error_code(std::errc::no_such_file_or_directory));
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a reloadable value is what was set last, and counts", "[reloadable]") {
    reloadable<std::string> value("a");
    CHECK(value.get() == "a");
    CHECK(value.generation() == 0);
    const std::string kept = value.get();
    value.set("b");
    CHECK(value.get() == "b");
    CHECK(value.generation() == 1);
    value.set("b");
    CHECK(value.generation() == 2);
    CHECK(kept == "a");
}

TEST_CASE("an old value goes when its last user does, and not under the lock", "[reloadable]") {
    struct noisy {
        std::function<void()> gone;
        explicit noisy(std::function<void()> call) : gone(std::move(call)) {}
        noisy(const noisy&) = delete;
        noisy& operator=(const noisy&) = delete;
        ~noisy() { gone(); }
    };
    using pointer = std::shared_ptr<noisy>;
    int went = 0;
    reloadable<pointer> value(nullptr);
    // It looks at the value while it goes: with the lock held this would never end.
    value.set(std::make_shared<noisy>([&] {
        ++went;
        CHECK(value.get() == nullptr);
    }));
    pointer user = value.get();
    value.set(nullptr);
    CHECK(went == 0);
    user.reset();
    CHECK(went == 1);
    value.set(std::make_shared<noisy>([&] {
        ++went;
        CHECK(value.generation() == 4);
    }));
    value.set(nullptr);
    CHECK(went == 2);
}

TEST_CASE("each copy of a reloadable value is one value, whole", "[reloadable][threads]") {
    using pair = std::pair<std::string, std::string>;
    reloadable<pair> value({"0", "0"});
    std::atomic<bool> done = false;
    std::atomic<int> torn = 0;
    const auto use = [&] {
        while (!done) {
            const pair now = value.get();
            if (now.first != now.second) ++torn;
            std::this_thread::yield();
        }
    };
    std::thread one(use);
    std::thread other(use);
    for (int i = 1; i != 500; ++i) value.set({std::to_string(i), std::to_string(i)});
    done = true;
    one.join();
    other.join();
    CHECK(torn == 0);
    CHECK(value.get().first == "499");
    CHECK(value.generation() == 499);
}

TEST_CASE("a watch tells of each change once", "[reloadable]") {
    const temporary_directory directory;
    const auto a = directory.write("a", "1");
    const auto b = directory.write("b", "1");
    file_watch watch({a, b});
    CHECK_FALSE(watch.changed());
    SECTION("modification time") {
        age(a, 1s);
        CHECK(watch.changed());
        CHECK_FALSE(watch.changed());
        age(b, 1s);
        CHECK(watch.changed());
    }
    SECTION("of two files at once") {
        age(a, 1s);
        age(b, 1s);
        CHECK(watch.changed());
    }
    SECTION("modification time, less than a second") {
        std::filesystem::last_write_time(a, std::filesystem::last_write_time(a) + 1us);
        CHECK(watch.changed());
    }
    SECTION("size, with the time as it was") {
        const auto time = std::filesystem::last_write_time(a);
        directory.write("a", "12");
        std::filesystem::last_write_time(a, time);
        CHECK(watch.changed());
    }
    SECTION("another file of the same size and time") {
        const auto other = directory.write("other", "2");
        std::filesystem::last_write_time(other, std::filesystem::last_write_time(a));
        std::filesystem::rename(other, a);
        CHECK(watch.changed());
    }
    CHECK_FALSE(watch.changed());
}

TEST_CASE("a watch follows links", "[reloadable]") {
    const temporary_directory directory;
    std::filesystem::create_directory(directory / "1");
    std::filesystem::create_directory(directory / "2");
    const auto first = directory.write("1/a", "1");
    const auto second = directory.write("2/a", "2");
    std::filesystem::last_write_time(second, std::filesystem::last_write_time(first));
    std::filesystem::create_directory_symlink("1", directory / "now");
    file_watch watch({directory / "now" / "a"});
    std::filesystem::create_directory_symlink("2", directory / "next");
    CHECK_FALSE(watch.changed());
    std::filesystem::rename(directory / "next", directory / "now");
    CHECK(watch.changed());
    CHECK_FALSE(watch.changed());
}

TEST_CASE("a file that is missing has not changed", "[reloadable]") {
    const temporary_directory directory;
    const auto a = directory.write("a", "1");
    file_watch watch({a, directory / "later"});
    std::filesystem::rename(a, directory / "aside");
    CHECK_FALSE(watch.changed());
    std::filesystem::rename(directory / "aside", a);
    CHECK_FALSE(watch.changed());
    std::filesystem::remove(a);
    CHECK_FALSE(watch.changed());
    directory.write("a", "22");
    CHECK(watch.changed());
    directory.write("later", "1");
    CHECK(watch.changed());
    CHECK_FALSE(watch.changed());
    CHECK_FALSE(file_watch({}).changed());
}

// Stands for a context: made of two files that must belong together.
std::string made_of(const temporary_directory& directory) {
    const std::string certificate = contents(directory / "cert");
    if (certificate != contents(directory / "key")) throw tls::error(errc::key_mismatch, "cert and key");
    return certificate;
}

TEST_CASE("a context is made anew when its files have changed", "[reloadable]") {
    const temporary_directory directory;
    const auto cert = directory.write("cert", "1");
    const auto key = directory.write("key", "1");
    int made = 0;
    context_reloader<std::string> contexts(
        [&] {
            ++made;
            return made_of(directory);
        },
        {cert, key});
    CHECK(contexts.get() == "1");
    CHECK_FALSE(contexts.refresh());
    CHECK(made == 1);

    directory.write("cert", "22");
    directory.write("key", "22");
    CHECK(contexts.get() == "1");
    CHECK(contexts.refresh());
    CHECK(contexts.get() == "22");
    CHECK(made == 2);
    CHECK(contexts.generation() == 1);
    std::error_code ec = errc::truncated;
    CHECK_FALSE(contexts.refresh(ec));
    CHECK_FALSE(ec);
    CHECK(made == 2);

    directory.write("cert", "333");
    directory.write("key", "333");
    CHECK(contexts.refresh(ec));
    CHECK_FALSE(ec);
    CHECK(contexts.get() == "333");
}

TEST_CASE("a context that cannot be made leaves the old one, and is tried again", "[reloadable]") {
    const temporary_directory directory;
    const auto cert = directory.write("cert", "1");
    const auto key = directory.write("key", "1");
    context_reloader<std::string> contexts([&] { return made_of(directory); }, {cert, key});

    // Half of it is there.
    directory.write("cert", "22");
    std::error_code ec;
    CHECK_FALSE(contexts.refresh(ec));
    CHECK(ec == errc::key_mismatch);
    CHECK(contexts.get() == "1");
    CHECK(contexts.generation() == 0);
    try {
        contexts.refresh();
        FAIL_CHECK("made");
    } catch (const tls::error& e) {
        CHECK(e.code() == errc::key_mismatch);
    }
    // And the rest, by a write that the watch does not see: it is tried again all the same.
    const auto time = std::filesystem::last_write_time(key);
    directory.write("key", "2");
    std::filesystem::last_write_time(key, time);
    directory.write("cert", "2");
    CHECK(contexts.refresh(ec));
    CHECK_FALSE(ec);
    CHECK(contexts.get() == "2");
    CHECK_FALSE(contexts.refresh(ec));
    CHECK_FALSE(ec);

    // A failure that is not one of the files'.
    age(cert, 1s);
    std::filesystem::rename(key, directory / "aside");
    CHECK_FALSE(contexts.refresh(ec));
    CHECK(ec == std::errc::no_such_file_or_directory);
    std::filesystem::rename(directory / "aside", key);
    CHECK(contexts.refresh(ec));
    CHECK(contexts.generation() == 2);
}

TEST_CASE("only a failure to make a context is an error code", "[reloadable]") {
    const temporary_directory directory;
    const auto file = directory.write("a", "1");
    bool broken = false;
    context_reloader<int> contexts(
        [&] {
            if (broken) throw std::logic_error("broken");
            return 1;
        },
        {file});
    broken = true;
    age(file, 1s);
    std::error_code ec;
    CHECK_THROWS_AS(contexts.refresh(ec), std::logic_error);
    broken = false;
    CHECK(contexts.refresh(ec));
    CHECK_THROWS_AS(context_reloader<int>([]() -> int { throw std::runtime_error("no"); }, {file}), std::runtime_error);
}

TEST_CASE("a change while the first context is made is not missed", "[reloadable]") {
    const temporary_directory directory;
    const auto file = directory.write("a", "1");
    bool first = true;
    context_reloader<std::string> contexts(
        [&] {
            std::string read = contents(file);
            if (std::exchange(first, false)) directory.write("a", "22");
            return read;
        },
        {file});
    CHECK(contexts.get() == "1");
    CHECK(contexts.refresh());
    CHECK(contexts.get() == "22");
    CHECK_FALSE(contexts.refresh());
}

TEST_CASE("contexts are asked for while they are made anew", "[reloadable][threads]") {
    const temporary_directory directory;
    const auto cert = directory.write("cert", "1");
    const auto key = directory.write("key", "1");
    std::atomic<int> made = 0;
    context_reloader<std::string> contexts(
        [&] {
            ++made;
            return made_of(directory);
        },
        {cert, key});
    std::atomic<bool> done = false;
    std::atomic<int> wrong = 0;
    std::atomic<int> replaced = 0;
    std::thread serving([&] {
        while (!done) {
            if (contexts.get().empty()) ++wrong;
            std::this_thread::yield();
        }
    });
    std::thread checking([&] {
        while (!done) {
            std::error_code half_written;
            if (contexts.refresh(half_written)) ++replaced;
            std::this_thread::yield();
        }
    });
    std::string last;
    for (std::size_t i = 2; i != 30; ++i) {
        last.assign(i, 'x');
        for (const std::string_view name : {"cert", "key"}) {
            std::filesystem::rename(directory.write("next", last), directory / name);
        }
        std::error_code half_written;
        if (contexts.refresh(half_written)) ++replaced;
    }
    done = true;
    serving.join();
    checking.join();
    std::error_code ec;
    if (contexts.refresh(ec)) ++replaced;
    CHECK_FALSE(ec);
    CHECK(wrong == 0);
    CHECK(contexts.get() == last);
    CHECK(contexts.generation() == static_cast<std::size_t>(replaced.load()));
    CHECK(made > replaced);
}

}  // namespace
