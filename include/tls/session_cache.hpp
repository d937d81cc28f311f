// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Where a client keeps its sessions between connections: in memory, bounded, by server.

#ifndef TLS_STREAM_TLS_SESSION_CACHE_HPP
#define TLS_STREAM_TLS_SESSION_CACHE_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/printable.hpp>
#include <tls/error.hpp>
#include <tls/session.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

class session_cache;
namespace detail {
session take_session(const session_cache& from, std::string_view server_name, std::uint16_t port,
                     std::span<const std::uint8_t> id_context);
}  // namespace detail

/// Sessions by server name and port. A handle: copies are the same cache, and any thread may use it at any time, also through a
/// const copy. At most four sessions are kept for each server, and the oldest makes room for a new one; when the whole cache is
/// full, the server that was asked for or added to least recently loses its oldest. Names are compared without regard to case
/// (RFC 4343). A moved-from cache is empty, and its members throw errc::not_open.
class session_cache {
public:
    /// `capacity` is how many sessions it holds altogether; each is some kilobytes, because it holds the server's certificates.
    explicit session_cache(std::size_t capacity = 1024) : state_(std::make_shared<state>(capacity)) {}

    /// False for one that was moved from.
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

    /// Adds a session under its own server name. One that cannot be resumed or has expired is left out. Throws errc::not_open if
    /// the session is empty.
    void put(session fresh, std::uint16_t port = 0) const {
        if (!fresh) throw error(make_error_code(errc::not_open), "tls::session_cache::put");
        state& all = required();
        if (::SSL_SESSION_is_resumable(fresh.native_handle()) != 1 || has_expired(fresh)) return;
        const std::string key = key_of(fresh.server_name(), port);
        const std::lock_guard lock(all.mutex);
        all.add(key, std::move(fresh));
    }

    /// The newest session that has not expired, or an empty one. A session for single use (TLS 1.3) is removed; others stay.
    [[nodiscard]] session take(std::string_view server_name, std::uint16_t port = 0) const {
        return take(server_name, port, std::nullopt);
    }

    /// Forgets all sessions of a server.
    void erase(std::string_view server_name, std::uint16_t port = 0) const {
        state& all = required();
        const std::lock_guard lock(all.mutex);
        const auto found = all.by_key.find(key_of(server_name, port));
        if (found != all.by_key.end()) all.forget(found->second);
    }
    /// Forgets everything.
    void clear() const {
        state& all = required();
        const std::lock_guard lock(all.mutex);
        all.by_key.clear();
        all.servers.clear();
        all.count = 0;
    }

    /// How many sessions there are now; expired ones count until somebody comes upon them.
    [[nodiscard]] std::size_t size() const {
        state& all = required();
        const std::lock_guard lock(all.mutex);
        return all.count;
    }
    /// How many there may be.
    [[nodiscard]] std::size_t capacity() const { return required().capacity; }

private:
    friend session detail::take_session(const session_cache&, std::string_view, std::uint16_t, std::span<const std::uint8_t>);

    static constexpr std::size_t most_for_a_server = 4;

    struct server {
        std::string key;
        std::vector<session> sessions;  // the oldest first; never none
    };
    using position = std::list<server>::iterator;

    struct state {
        const std::size_t capacity;
        std::mutex mutex{};
        std::list<server> servers{};                              // the most recently used first
        std::unordered_map<std::string_view, position> by_key{};  // of the keys in `servers`
        std::size_t count = 0;

        explicit state(std::size_t most) noexcept : capacity(most) {}

        void forget(position which) noexcept {
            count -= which->sessions.size();
            by_key.erase(which->key);
            servers.erase(which);
        }
        void remove(position from, std::vector<session>::iterator which) noexcept {
            if (from->sessions.size() == 1) return forget(from);
            from->sessions.erase(which);
            --count;
        }
        void add(const std::string& key, session fresh) {
            auto known = by_key.find(key);
            if (known == by_key.end()) {
                std::list<server> made(1);
                made.front().key = key;
                made.front().sessions.reserve(1);
                known = by_key.emplace(made.front().key, made.begin()).first;
                servers.splice(servers.begin(), made);
            } else {
                known->second->sessions.reserve(most_for_a_server);
                servers.splice(servers.begin(), servers, known->second);
            }
            auto& sessions = known->second->sessions;
            if (sessions.size() == most_for_a_server) remove(known->second, sessions.begin());
            sessions.push_back(std::move(fresh));  // there is room
            if (++count > capacity) remove(std::prev(servers.end()), servers.back().sessions.begin());
        }
    };

    [[nodiscard]] state& required() const {
        if (!state_) throw error(make_error_code(errc::not_open), "tls::session_cache");
        return *state_;
    }

    // Two octets of port, then the name in lower case.
    [[nodiscard]] static std::string key_of(std::string_view server_name, std::uint16_t port) {
        std::string key{static_cast<char>(port >> 8), static_cast<char>(port & 0xFF)};
        key += detail::lower_case(server_name);
        return key;
    }

    [[nodiscard]] static bool has_expired(const session& one) noexcept {
        return one.expires_at() <= std::chrono::system_clock::now();
    }

    [[nodiscard]] static bool is_of(const session& one, std::span<const std::uint8_t> id_context) noexcept {
        unsigned size = 0;
        const std::uint8_t* const own = ::SSL_SESSION_get0_id_context(one.native_handle(), &size);
        return std::ranges::equal(std::span(own, size), id_context);
    }

    [[nodiscard]] session take(std::string_view server_name, std::uint16_t port,
                               std::optional<std::span<const std::uint8_t>> id_context) const {
        state& all = required();
        const std::string key = key_of(server_name, port);
        const std::lock_guard lock(all.mutex);
        const auto known = all.by_key.find(key);
        if (known == all.by_key.end()) return {};
        const position from = known->second;
        auto& sessions = from->sessions;
        all.count -= std::erase_if(sessions, &has_expired);
        if (sessions.empty()) {
            all.forget(from);
            return {};
        }
        all.servers.splice(all.servers.begin(), all.servers, from);
        const auto newest = std::find_if(sessions.rbegin(), sessions.rend(),
                                         [&](const session& one) { return !id_context || is_of(one, *id_context); });
        if (newest == sessions.rend()) return {};
        session taken = *newest;
        if (taken.single_use()) all.remove(from, std::prev(newest.base()));
        return taken;
    }

    std::shared_ptr<state> state_;
};

namespace detail {

// As session_cache::take, among sessions with this session ID context (SSL_SESSION_get0_id_context) only: what another
// configuration's verification let in is never given.
inline session take_session(const session_cache& from, std::string_view server_name, std::uint16_t port,
                            std::span<const std::uint8_t> id_context) {
    return from.take(server_name, port, id_context);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
