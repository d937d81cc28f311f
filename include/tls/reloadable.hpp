// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Changing what a running server serves with: a value that is swapped while others use it, files that are watched, and both
/// together.

#ifndef TLS_STREAM_TLS_RELOADABLE_HPP
#define TLS_STREAM_TLS_RELOADABLE_HPP

#include <tls/error.hpp>

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

/// A value, such as a context, that one thread replaces while others take copies of it: each copy is the old one or the new one,
/// whole. Any thread may call any member at any time.
template <class Value>
class reloadable {
public:
    /// Begins with this value.
    explicit reloadable(Value first) : value_(std::move(first)) {}
    reloadable(const reloadable&) = delete;
    reloadable& operator=(const reloadable&) = delete;

    /// A copy of the value at this moment.
    [[nodiscard]] Value get() const {
        const std::lock_guard lock(mutex_);
        return value_;
    }
    /// Who calls get() from now on gets this; copies that were taken before stay as they are.
    void set(Value next) {
        using std::swap;
        const std::lock_guard lock(mutex_);
        swap(value_, next);  // the old one goes when the lock is gone
        ++generation_;
    }
    /// How often it was set.
    [[nodiscard]] std::uint64_t generation() const {
        const std::lock_guard lock(mutex_);
        return generation_;
    }

private:
    mutable std::mutex mutex_;
    Value value_;
    std::uint64_t generation_ = 0;
};

/// Tells when files have changed, by asking the system when it is asked (stat(2)): modification time, size, and which file it is
/// behind all links. A file that is missing or cannot be looked at has not changed: it may be about to be replaced. For one
/// thread at a time.
class file_watch {
public:
    /// Changes count from here on.
    explicit file_watch(std::vector<std::filesystem::path> files) {
        for (auto& path : files) watched_.push_back({std::move(path), std::nullopt});
        (void)changed();
    }

    /// Has any of them changed since this was last asked?
    [[nodiscard]] bool changed() {
        bool any = false;
        for (watched& one : watched_) {
            const std::optional<state> now = look(one.path);
            if (!now || now == one.last) continue;
            one.last = now;
            any = true;
        }
        return any;
    }

private:
    struct state {
        std::time_t seconds;
        long nanoseconds;
        ::off_t size;
        ::dev_t device;
        ::ino_t inode;

        friend bool operator==(const state&, const state&) noexcept = default;
    };
    struct watched {
        std::filesystem::path path;
        std::optional<state> last;
    };

    [[nodiscard]] static std::optional<state> look(const std::filesystem::path& path) noexcept {
        struct stat status{};
        if (::stat(path.c_str(), &status) != 0) return std::nullopt;
        return state{status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_dev, status.st_ino};
    }

    std::vector<watched> watched_;
};

/// A context that is made anew when its files have changed. Whoever serves asks get() for each connection; somebody calls
/// refresh() now and then. Any thread may call any member at any time.
///
///     tls::context_reloader<tls::server_context> contexts(
///         [] { return tls::server_context({.identity = tls::credential::from_files("cert.pem", "key.pem")}); },
///         {"cert.pem", "key.pem"});
template <class Context>
class context_reloader {
public:
    /// Makes the first one, and throws what `make` throws. `make` reads the files each time; `files` are the ones that are
    /// watched.
    context_reloader(std::function<Context()> make, std::vector<std::filesystem::path> files)
        : make_(std::move(make)), watch_(std::move(files)), current_(make_()) {}

    /// The context at this moment.
    [[nodiscard]] Context get() const { return current_.get(); }
    /// How many have taken the place of another.
    [[nodiscard]] std::uint64_t generation() const { return current_.generation(); }

    /// Makes a new context if a file has changed, and tells whether it took the old one's place. If making it fails the old one
    /// stays, what `make` threw comes out, and the next call tries again. Certificate and key are two files: between the two
    /// being replaced they do not match, and that is such a failure.
    bool refresh() {
        const std::lock_guard lock(checking_);
        due_ = watch_.changed() || due_;
        if (!due_) return false;
        current_.set(make_());
        due_ = false;
        return true;
    }
    /// The same; std::system_error, which tls::error is one of, goes into `ec`.
    bool refresh(std::error_code& ec) {
        ec.clear();
        try {
            return refresh();
        } catch (const std::system_error& e) {
            ec = e.code();
            return false;
        }
    }

private:
    std::mutex checking_;
    std::function<Context()> make_;
    file_watch watch_;  // begins before the first context is made, so that no change is missed
    reloadable<Context> current_;
    bool due_ = false;
};

}  // namespace v0
}  // namespace tls

#endif
