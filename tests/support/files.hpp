// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Files for tests that read them, and an environment to read them by.

#ifndef TLS_STREAM_TESTS_SUPPORT_FILES_HPP
#define TLS_STREAM_TESTS_SUPPORT_FILES_HPP

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tests {

// A directory of its own, removed with everything in it.
class temporary_directory {
public:
    temporary_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "tls-stream-XXXXXX").native();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

    // Makes a file, and gives its path.
    std::filesystem::path write(std::string_view name, std::string_view text) const {
        const std::filesystem::path path = path_ / name;
        std::ofstream file(path, std::ios::binary);
        file << text;
        if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
        return path;
    }

private:
    std::filesystem::path path_;
};

// Sets an environment variable, or takes it away, until it goes out of scope.
class environment_guard {
public:
    environment_guard(const char* name, const char* value) : name_(name) {
        if (const char* const old = ::getenv(name)) old_ = old;
        set(value);
    }
    ~environment_guard() { set(old_ ? old_->c_str() : nullptr); }
    environment_guard(const environment_guard&) = delete;
    environment_guard& operator=(const environment_guard&) = delete;

private:
    void set(const char* value) const { value != nullptr ? ::setenv(name_, value, 1) : ::unsetenv(name_); }

    const char* name_;
    std::optional<std::string> old_;
};

}  // namespace tests

#endif
