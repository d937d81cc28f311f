// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Where connections' secrets go so that a tool can decrypt what was captured (RFC 9850, the form of SSLKEYLOGFILE): for
/// debugging, and never unless a program asks for it.

#ifndef TLS_STREAM_TLS_KEY_LOG_HPP
#define TLS_STREAM_TLS_KEY_LOG_HPP

#include <tls/detail/failure.hpp>
#include <tls/detail/posix.hpp>
#include <tls/detail/printable.hpp>
#include <tls/detail/system_trust.hpp>
#include <tls/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {

class key_log;
namespace detail {
key_log key_log_to_file(const std::filesystem::path& path, failure& why);
key_log key_log_from_environment(failure& why);
key_log key_log_to(std::function<void(std::string_view)> receiver, failure& why);
}  // namespace detail

/// Off, a file, or a callable. Copies are the same log, and any thread may use it. Whoever has the log can read all that the
/// connections carried.
class key_log {
public:
    /// Off.
    key_log() noexcept = default;

    /// Lines are appended to a file, which is made, for its owner only, if it does not exist. Several programs may write to it:
    /// each line is one write(2). Fails with what the system says (std::errc::permission_denied, is_a_directory, ...), and with
    /// errc::invalid_key_log for what is neither a regular file nor a device; the path is in error::what().
    [[nodiscard]] static key_log to_file(const std::filesystem::path& path);
    /// The same without an exception.
    [[nodiscard]] static key_log to_file(const std::filesystem::path& path, std::error_code& ec);
    /// The file that the environment variable SSLKEYLOGFILE names; off if it is not set or is empty, and off in a program that
    /// runs with other rights than whoever started it (set-user-ID and its like).
    [[nodiscard]] static key_log from_environment();
    /// The same without an exception.
    [[nodiscard]] static key_log from_environment(std::error_code& ec);
    /// A callable that gets each line, without its end. It is called by one thread at a time, in the middle of handshakes: it
    /// should be short, and must not write to this log. Fails with errc::invalid_key_log if there is none in it.
    [[nodiscard]] static key_log to(std::function<void(std::string_view)> receiver);
    /// The same without an exception.
    [[nodiscard]] static key_log to(std::function<void(std::string_view)> receiver, std::error_code& ec);

    /// Is it on?
    [[nodiscard]] explicit operator bool() const noexcept { return shared_ != nullptr; }

    /// One line, without its end; nothing happens if it is off. What a file does not take is lost: a full disk ends no
    /// handshake. What the callable throws comes out.
    void write(std::string_view line) const {
        if (!shared_) return;
        if (shared_->file) {
            append(shared_->file.get(), line);
        } else {
            const std::lock_guard lock(shared_->mutex);
            shared_->receiver(line);
        }
    }

private:
    friend key_log detail::key_log_to_file(const std::filesystem::path&, detail::failure&);
    friend key_log detail::key_log_to(std::function<void(std::string_view)>, detail::failure&);

    struct target {
        detail::descriptor file{};
        std::function<void(std::string_view)> receiver{};
        std::mutex mutex{};  // of the receiver
    };
    explicit key_log(std::shared_ptr<target> where) noexcept : shared_(std::move(where)) {}

    // Line and end in one call, from where they lie: no copy of a secret is left behind.
    static void append(int file, std::string_view line) noexcept {
        char end = '\n';
        std::array<::iovec, 2> parts{{{const_cast<char*>(line.data()), line.size()}, {&end, 1}}};  // it only reads them
        while (::writev(file, parts.data(), static_cast<int>(parts.size())) < 0 && errno == EINTR) {
        }
    }

    std::shared_ptr<target> shared_;
};

namespace detail {

inline key_log key_log_to_file(const std::filesystem::path& path, failure& why) {
    const std::string name = "key log " + printable_utf8(path.native());
    const auto failed = [&](int number) -> key_log {
        why = {std::error_code(number, std::generic_category()), name, {}};
        return {};
    };
    const auto refused = [&]() -> key_log {
        why = {make_error_code(errc::invalid_key_log), name + ": neither a regular file nor a device", {}};
        return {};
    };
    if (path.native().find('\0') != std::string::npos) return failed(EINVAL);
    // O_NONBLOCK: a FIFO that nobody reads must not hold the program up. A FIFO would raise SIGPIPE besides, so it is refused.
    descriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, S_IRUSR | S_IWUSR));
    if (!file) return errno == ENXIO ? refused() : failed(errno);  // a socket, or a FIFO that nobody reads
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return failed(errno);
    if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) return refused();
    auto made = std::make_shared<key_log::target>();
    made->file = std::move(file);
    return key_log(std::move(made));
}

inline key_log key_log_from_environment(failure& why) {
    const std::string path = environment("SSLKEYLOGFILE");
    if (path.empty() || ::getuid() != ::geteuid() || ::getgid() != ::getegid()) return {};
    return key_log_to_file(path, why);
}

inline key_log key_log_to(std::function<void(std::string_view)> receiver, failure& why) {
    if (!receiver) {
        why = {make_error_code(errc::invalid_key_log), "key log: there is no callable", {}};
        return {};
    }
    auto made = std::make_shared<key_log::target>();
    made->receiver = std::move(receiver);
    return key_log(std::move(made));
}

}  // namespace detail

inline key_log key_log::to_file(const std::filesystem::path& path) {
    return detail::throwing([&](detail::failure& why) { return detail::key_log_to_file(path, why); });
}
inline key_log key_log::to_file(const std::filesystem::path& path, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::key_log_to_file(path, why); });
}
inline key_log key_log::from_environment() {
    return detail::throwing([](detail::failure& why) { return detail::key_log_from_environment(why); });
}
inline key_log key_log::from_environment(std::error_code& ec) {
    return detail::reporting(ec, [](detail::failure& why) { return detail::key_log_from_environment(why); });
}
inline key_log key_log::to(std::function<void(std::string_view)> receiver) {
    return detail::throwing([&](detail::failure& why) { return detail::key_log_to(std::move(receiver), why); });
}
inline key_log key_log::to(std::function<void(std::string_view)> receiver, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::key_log_to(std::move(receiver), why); });
}

}  // namespace v0
}  // namespace tls

#endif
