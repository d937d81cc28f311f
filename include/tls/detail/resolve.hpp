// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// From a host's name to its addresses, and from an address to its text. getaddrinfo cannot be given a limit in time, so
// with a deadline it runs in a thread that can be left behind.

#ifndef TLS_STREAM_TLS_DETAIL_RESOLVE_HPP
#define TLS_STREAM_TLS_DETAIL_RESOLVE_HPP

#include <tls/detail/posix.hpp>
#include <tls/detail/printable.hpp>
#include <tls/error.hpp>
#include <tls/socket.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// A sockaddr of any family.
struct socket_address {
    ::sockaddr_storage storage{};
    ::socklen_t size = sizeof(::sockaddr_storage);

    [[nodiscard]] ::sockaddr* get() noexcept { return reinterpret_cast<::sockaddr*>(&storage); }
    [[nodiscard]] const ::sockaddr* get() const noexcept { return reinterpret_cast<const ::sockaddr*>(&storage); }
    [[nodiscard]] int family() const noexcept { return storage.ss_family; }

    // The address as it reads itself, that is as sockaddr_in or whichever it is.
    template <class Family>
    [[nodiscard]] Family as() const noexcept {
        static_assert(sizeof(Family) <= sizeof(::sockaddr_storage));
        Family address;
        std::memcpy(&address, &storage, sizeof address);
        return address;
    }
};

// The IP address in numbers (with its zone, if it has one), the path of an AF_UNIX socket that has one, else empty.
[[nodiscard]] inline std::string host_text(const socket_address& address) {
    if (address.family() == AF_UNIX) {
        const auto unix_address = address.as<::sockaddr_un>();
        const std::size_t before = offsetof(::sockaddr_un, sun_path);
        const std::size_t room = address.size > before ? address.size - before : 0;
        return {unix_address.sun_path, ::strnlen(unix_address.sun_path, room)};
    }
    char text[NI_MAXHOST];
    const int status = ::getnameinfo(address.get(), address.size, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    return status == 0 ? text : "";
}

// The TCP port, 0 where there is none.
[[nodiscard]] inline std::uint16_t port_of(const socket_address& address) noexcept {
    switch (address.family()) {
        case AF_INET: return ntohs(address.as<::sockaddr_in>().sin_port);
        case AF_INET6: return ntohs(address.as<::sockaddr_in6>().sin6_port);
        default: return 0;
    }
}

// "host:port", with brackets round an IPv6 address (RFC 3986 3.2.2), fit to be shown.
[[nodiscard]] inline std::string join_host_port(std::string_view host, std::uint16_t port) {
    const std::string shown = printable_utf8(host);
    return (host.find(':') != std::string_view::npos ? '[' + shown + ']' : shown) + ':' + std::to_string(port);
}

// One call of getaddrinfo with everything that it reads and writes.
class name_lookup {
public:
    name_lookup(std::string_view host, std::uint16_t port) : host_(host), port_(std::to_string(port)) {}

    // With AI_NUMERICHOST it asks nobody and returns at once.
    void run(int flags) noexcept {
        ::addrinfo hints{};
        hints.ai_flags = flags | AI_NUMERICSERV;
        hints.ai_socktype = SOCK_STREAM;
        ::addrinfo* found = nullptr;
        status_ = ::getaddrinfo(host_.c_str(), port_.c_str(), &hints, &found);
        if (status_ == EAI_SYSTEM) errno_ = errno;
        if (status_ == 0) found_.reset(found);
    }

    // The same in another thread, and then tells await().
    void run_and_tell() noexcept {
        run(0);
        const std::lock_guard lock(mutex_);
        done_ = true;
        told_.notify_one();
    }

    // Whether run_and_tell() ended by the deadline. If not, nothing else here may be touched.
    [[nodiscard]] bool await(std::chrono::steady_clock::time_point deadline) {
        std::unique_lock lock(mutex_);
        return told_.wait_until(lock, deadline, [this] { return done_; });
    }

    [[nodiscard]] bool succeeded() const noexcept { return status_ == 0; }

    // EAI_AGAIN is errc::host_not_found like the others: its namesake EAGAIN would pass for "would block".
    [[nodiscard]] std::error_code code() const noexcept {
        switch (status_) {
            case 0: return {};
            case EAI_MEMORY: return std::make_error_code(std::errc::not_enough_memory);
            case EAI_SYSTEM:
                if (errno_ != 0 && errno_ != EAGAIN) return {errno_, std::system_category()};
                return errc::host_not_found;
            default: return errc::host_not_found;
        }
    }
    [[nodiscard]] std::string details() const { return status_ == 0 ? "" : ::gai_strerror(status_); }

    [[nodiscard]] std::vector<socket_address> addresses() const {
        std::vector<socket_address> all;
        for (const ::addrinfo* entry = found_.get(); entry != nullptr; entry = entry->ai_next) {
            socket_address& address = all.emplace_back();
            std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
            address.size = entry->ai_addrlen;
        }
        return all;
    }

private:
    struct free_list {
        void operator()(::addrinfo* list) const noexcept { ::freeaddrinfo(list); }
    };

    const std::string host_;
    const std::string port_;
    int status_ = EAI_FAIL;
    int errno_ = 0;
    std::unique_ptr<::addrinfo, free_list> found_;
    std::mutex mutex_;
    std::condition_variable told_;
    bool done_ = false;
};

// Blocks all signals in this thread, and in the threads that it starts meanwhile.
class signals_blocked {
public:
    signals_blocked() noexcept {
        ::sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;

private:
    ::sigset_t before_;
};

// Starts the lookup in a detached thread that shares it; false if there can be no thread. A program's signal handlers run in
// the threads that it knows of, not in this one.
[[nodiscard]] inline bool start_elsewhere(const std::shared_ptr<name_lookup>& lookup) {
    const signals_blocked guard;
    try {
        std::thread([lookup] { lookup->run_and_tell(); }).detach();
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

// What resolve() found: addresses, at least one, or an error and the resolver's words for it.
struct resolution {
    std::vector<socket_address> addresses;
    std::error_code code;
    std::string details;
};

// The addresses of `host`, in the order of RFC 6724. An address in numbers needs no thread; a name that is still being looked
// up at the deadline is std::errc::timed_out, and its thread ends when the resolver does.
[[nodiscard]] inline resolution resolve(std::string_view host, std::uint16_t port,
                                        std::chrono::steady_clock::time_point deadline) {
    if (host.empty()) return {{}, errc::host_not_found, "the name is empty"};
    if (host.find('\0') != std::string_view::npos) return {{}, errc::host_not_found, "the name has a NUL in it"};

    const auto lookup = std::make_shared<name_lookup>(host, port);
    lookup->run(AI_NUMERICHOST);
    const bool may_be_a_name = host.find(':') == std::string_view::npos;
    if (!lookup->succeeded() && may_be_a_name) {
        if (deadline == never) {
            lookup->run(0);
        } else if (has_passed(deadline)) {
            return {{}, std::make_error_code(std::errc::timed_out), "no time to look the name up"};
        } else if (!start_elsewhere(lookup)) {
            return {{}, std::make_error_code(std::errc::not_enough_memory), "no thread for the resolver"};
        } else if (!lookup->await(deadline)) {
            return {{}, std::make_error_code(std::errc::timed_out), "the resolver did not answer in time"};
        }
    }
    if (!lookup->succeeded()) return {{}, lookup->code(), lookup->details()};
    return {lookup->addresses(), {}, {}};
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
