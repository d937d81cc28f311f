// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// A server's keys for Encrypted Client Hello (RFC 9849): which name a client asks for is seen by the server alone.

#ifndef TLS_STREAM_TLS_ECH_HPP
#define TLS_STREAM_TLS_ECH_HPP

#include <tls/bytes.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

class ech_key;
class ech_keys;
namespace detail {
ech_key new_ech_key(std::string_view public_name, std::uint8_t config_id, std::size_t max_name_length, failure& why);
ech_key ech_key_from(std::span<const std::byte> config, std::span<const std::byte> private_key, failure& why);
bool add_ech_key(SSL_ECH_KEYS* to, const ech_key& key, bool told);
void attach(const ech_keys& keys, SSL_CTX* ctx, failure& why);
void detach(const ech_keys& keys, SSL_CTX* ctx) noexcept;
}  // namespace detail

/// One key: an ECHConfig, which everybody may know, and its private key (DHKEM X25519, HKDF-SHA256). A value: copies are cheap
/// and share the key, which is wiped with the last of them. A default-constructed or moved-from one is empty.
class ech_key {
public:
    /// An empty one.
    ech_key() noexcept = default;

    /// A new one. `public_name` is what stands in the open instead of the real name: a DNS name for which the server has a
    /// certificate too, so that a client with an outdated configuration can be told the current one. `config_id` should differ
    /// from that of other keys in use: with equal ones the server has to try them. `max_name_length`, at most 255, is how long
    /// the longest hidden name is: shorter ones are padded. Fails with errc::invalid_ech if `public_name` is no DNS name or
    /// `max_name_length` is too large.
    [[nodiscard]] static ech_key generate(std::string_view public_name, std::uint8_t config_id,
                                          std::size_t max_name_length = 64);
    /// The same without an exception.
    [[nodiscard]] static ech_key generate(std::string_view public_name, std::uint8_t config_id, std::error_code& ec);
    /// The same with a length of its own.
    [[nodiscard]] static ech_key generate(std::string_view public_name, std::uint8_t config_id, std::size_t max_name_length,
                                          std::error_code& ec);
    /// What config() and private_key() gave, here or on another machine. Fails with errc::invalid_ech if either is malformed or
    /// not supported, or if they do not belong together.
    [[nodiscard]] static ech_key from_bytes(const_bytes config, const_bytes private_key);
    /// The same without an exception.
    [[nodiscard]] static ech_key from_bytes(const_bytes config, const_bytes private_key, std::error_code& ec);

    /// False for an empty one.
    [[nodiscard]] explicit operator bool() const noexcept { return shared_ != nullptr; }

    /// One ECHConfig, without the length that precedes a list; nothing of an empty key.
    [[nodiscard]] std::vector<std::byte> config() const { return shared_ ? shared_->config : std::vector<std::byte>(); }
    /// The 32 octets of the private key: a secret. Nothing of an empty key.
    [[nodiscard]] std::vector<std::byte> private_key() const {
        std::vector<std::byte> octets(shared_ ? std::size_t{EVP_HPKE_MAX_PRIVATE_KEY_LENGTH} : 0);
        std::size_t size = 0;
        if (shared_ && ::EVP_HPKE_KEY_private_key(shared_->key.get(), reinterpret_cast<std::uint8_t*>(octets.data()), &size,
                                                  octets.size()) != 1) {
            size = 0;
        }
        octets.resize(size);
        return octets;
    }

    /// Equal if their configurations are, which have the public key in them.
    [[nodiscard]] friend bool operator==(const ech_key& a, const ech_key& b) noexcept {
        if (a.shared_ == b.shared_) return true;
        return a && b && a.shared_->config == b.shared_->config;
    }

private:
    friend ech_key detail::new_ech_key(std::string_view, std::uint8_t, std::size_t, detail::failure&);
    friend ech_key detail::ech_key_from(std::span<const std::byte>, std::span<const std::byte>, detail::failure&);
    friend bool detail::add_ech_key(SSL_ECH_KEYS*, const ech_key&, bool);

    struct contents {
        std::vector<std::byte> config;
        bssl::UniquePtr<EVP_HPKE_KEY> key;  // wiped when it is freed
    };
    explicit ech_key(contents filled) : shared_(std::make_shared<const contents>(std::move(filled))) {}

    std::shared_ptr<const contents> shared_;
};

namespace detail {

// SSL_ECH_KEYS_add, which checks that both halves are good and belong together. `told`: clients are told of this one.
inline bool add_ech_key(SSL_ECH_KEYS* to, const ech_key& key, bool told) {
    const auto& [config, secret] = *key.shared_;
    return ::SSL_ECH_KEYS_add(to, told ? 1 : 0, reinterpret_cast<const std::uint8_t*>(config.data()), config.size(),
                              secret.get()) == 1;
}

inline ech_key new_ech_key(std::string_view public_name, std::uint8_t config_id, std::size_t max_name_length, failure& why) {
    const error_queue_guard guard;
    const auto refused = [&](const char* what) -> ech_key {
        why = queued_failure(make_error_code(errc::invalid_ech), what);
        return {};
    };
    if (public_name.find('\0') != std::string_view::npos) return refused("the ECH public name has a NUL byte");
    bssl::UniquePtr<EVP_HPKE_KEY> key(::EVP_HPKE_KEY_new());
    std::uint8_t* config = nullptr;
    std::size_t size = 0;
    if (!key || ::EVP_HPKE_KEY_generate(key.get(), ::EVP_hpke_x25519_hkdf_sha256()) != 1 ||
        ::SSL_marshal_ech_config(&config, &size, config_id, key.get(), std::string(public_name).c_str(), max_name_length) !=
            1) {
        return refused("no ECH configuration can be made of this public name and length");
    }
    const bssl::UniquePtr<std::uint8_t> owned(config);
    const auto bytes = std::as_bytes(std::span(config, size));
    return ech_key({{bytes.begin(), bytes.end()}, std::move(key)});
}

inline ech_key ech_key_from(std::span<const std::byte> config, std::span<const std::byte> private_key, failure& why) {
    const error_queue_guard guard;
    const auto refused = [&](const char* what) -> ech_key {
        why = queued_failure(make_error_code(errc::invalid_ech), what);
        return {};
    };
    bssl::UniquePtr<EVP_HPKE_KEY> key(::EVP_HPKE_KEY_new());
    if (!key || ::EVP_HPKE_KEY_init(key.get(), ::EVP_hpke_x25519_hkdf_sha256(),
                                    reinterpret_cast<const std::uint8_t*>(private_key.data()), private_key.size()) != 1) {
        return refused("not an ECH private key");
    }
    ech_key made({{config.begin(), config.end()}, std::move(key)});
    const bssl::UniquePtr<SSL_ECH_KEYS> trial(::SSL_ECH_KEYS_new());
    if (!trial || !add_ech_key(trial.get(), made, true)) return refused("not an ECH configuration, or one of another key");
    return made;
}

}  // namespace detail

inline ech_key ech_key::generate(std::string_view public_name, std::uint8_t config_id, std::size_t max_name_length) {
    return detail::throwing(
        [&](detail::failure& why) { return detail::new_ech_key(public_name, config_id, max_name_length, why); });
}
inline ech_key ech_key::generate(std::string_view public_name, std::uint8_t config_id, std::error_code& ec) {
    return generate(public_name, config_id, 64, ec);
}
inline ech_key ech_key::generate(std::string_view public_name, std::uint8_t config_id, std::size_t max_name_length,
                                 std::error_code& ec) {
    return detail::reporting(
        ec, [&](detail::failure& why) { return detail::new_ech_key(public_name, config_id, max_name_length, why); });
}
inline ech_key ech_key::from_bytes(const_bytes config, const_bytes private_key) {
    return detail::throwing([&](detail::failure& why) { return detail::ech_key_from(config, private_key, why); });
}
inline ech_key ech_key::from_bytes(const_bytes config, const_bytes private_key, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::ech_key_from(config, private_key, why); });
}

/// The keys of a server, in order: all of them open what clients send, and the first is the one that clients are told of, by
/// config_list() and when what they sent could not be opened. A handle: copies are the same keys, so that what set() changes
/// holds at once in every context that was made with it. Any thread may change them while others serve. A moved-from one is
/// empty, and its members fail with errc::not_open.
///
/// To change them: put the new key behind the old one on every server; publish its configuration, by putting it in front; drop
/// the old one when no client can have its configuration any more.
class ech_keys {
public:
    /// Fails with errc::invalid_ech if there is no key or one is empty.
    explicit ech_keys(std::vector<ech_key> keys)
        : ech_keys(detail::throwing([&](detail::failure& why) { return made_of(std::move(keys), why); })) {}
    /// The same without an exception; empty on failure.
    [[nodiscard]] static ech_keys create(std::vector<ech_key> keys, std::error_code& ec) {
        return detail::reporting(ec, [&](detail::failure& why) { return made_of(std::move(keys), why); });
    }

    /// False for one that was moved from.
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

    /// Other keys from now on. Fails as the constructor does, and changes nothing then.
    void set(std::vector<ech_key> keys) {
        detail::failure why;
        replace(std::move(keys), why);
        if (why) why.raise();
    }
    /// The same without an exception.
    void set(std::vector<ech_key> keys, std::error_code& ec) {
        detail::failure why;
        replace(std::move(keys), why);
        ec = why.code;
    }

    /// The keys at this moment, the one that clients are told of first.
    [[nodiscard]] std::vector<ech_key> keys() const {
        const std::lock_guard lock(required().mutex);
        return state_->current.keys;
    }
    /// The ECHConfigList for clients: what their connection takes, and what goes into DNS as the parameter "ech" of an HTTPS
    /// record (RFC 9848).
    [[nodiscard]] std::vector<std::byte> config_list() const {
        const std::lock_guard lock(required().mutex);
        return state_->current.list;
    }

private:
    friend void detail::attach(const ech_keys&, SSL_CTX*, detail::failure&);
    friend void detail::detach(const ech_keys&, SSL_CTX*) noexcept;

    struct contents {
        std::vector<ech_key> keys;
        std::vector<std::byte> list;
        bssl::UniquePtr<SSL_ECH_KEYS> native;
    };
    struct state {
        std::mutex mutex{};
        contents current;
        std::vector<SSL_CTX*> attached{};  // not owned: each leaves before it is gone

        explicit state(contents first) noexcept : current(std::move(first)) {}
    };
    explicit ech_keys(std::shared_ptr<state> made) noexcept : state_(std::move(made)) {}

    [[nodiscard]] static ech_keys made_of(std::vector<ech_key> keys, detail::failure& why) {
        contents first = checked(std::move(keys), why);
        return ech_keys(why ? nullptr : std::make_shared<state>(std::move(first)));
    }

    [[nodiscard]] static contents checked(std::vector<ech_key> keys, detail::failure& why) {
        const detail::error_queue_guard guard;
        const auto refused = [&](const char* what) -> contents {
            why = detail::queued_failure(make_error_code(errc::invalid_ech), what);
            return {};
        };
        if (keys.empty()) return refused("there is no ECH key");
        bssl::UniquePtr<SSL_ECH_KEYS> native(::SSL_ECH_KEYS_new());
        for (std::size_t i = 0; i != keys.size(); ++i) {
            if (!keys[i]) return refused("one of the ECH keys is empty");
            if (!native || !detail::add_ech_key(native.get(), keys[i], i == 0)) return refused("an ECH key cannot be used");
        }
        std::uint8_t* list = nullptr;
        std::size_t size = 0;
        if (::SSL_ECH_KEYS_marshal_retry_configs(native.get(), &list, &size) != 1) return refused("ECH keys");
        const bssl::UniquePtr<std::uint8_t> owned(list);
        const auto bytes = std::as_bytes(std::span(list, size));
        return {std::move(keys), {bytes.begin(), bytes.end()}, std::move(native)};
    }

    [[nodiscard]] state& required() const {
        if (!state_) throw error(make_error_code(errc::not_open), "tls::ech_keys");
        return *state_;
    }

    void replace(std::vector<ech_key> keys, detail::failure& why) {
        if (!state_) {
            why = {make_error_code(errc::not_open), "tls::ech_keys", {}};
            return;
        }
        contents fresh = checked(std::move(keys), why);  // it holds the old ones in the end, and they go without the lock
        if (why) return;
        const std::lock_guard lock(state_->mutex);
        // SSL_CTX_set1_ech_keys may be called while connections use the context, and fails only if no client could be told of a
        // key.
        for (SSL_CTX* const ctx : state_->attached) ::SSL_CTX_set1_ech_keys(ctx, fresh.native.get());
        std::swap(state_->current, fresh);
    }

    std::shared_ptr<state> state_;
};

namespace detail {

// The context uses these keys, and those that come after them, until it is detached; that must be before it is gone, and may be
// as late as in the callback that frees its extra data. Fails with errc::not_open for keys that were moved from.
inline void attach(const ech_keys& keys, SSL_CTX* ctx, failure& why) {
    const error_queue_guard guard;
    if (!keys) {
        why = {make_error_code(errc::not_open), "tls::ech_keys", {}};
        return;
    }
    auto& state = *keys.state_;
    const std::lock_guard lock(state.mutex);
    state.attached.push_back(ctx);
    ::SSL_CTX_set1_ech_keys(ctx, state.current.native.get());
}

// The context keeps the keys that it has, and gets no others.
inline void detach(const ech_keys& keys, SSL_CTX* ctx) noexcept {
    if (!keys) return;
    const std::lock_guard lock(keys.state_->mutex);
    std::erase(keys.state_->attached, ctx);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
