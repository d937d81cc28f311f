// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// The keys that a server seals its session tickets with (RFC 5077), shared by all servers that are to resume each other's
/// sessions, and changed while they serve.

#ifndef TLS_STREAM_TLS_TICKET_KEYS_HPP
#define TLS_STREAM_TLS_TICKET_KEYS_HPP

#include <tls/bytes.hpp>
#include <tls/detail/boringssl.hpp>
#include <tls/detail/error_queue.hpp>
#include <tls/detail/failure.hpp>
#include <tls/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

class ticket_key;
class ticket_keys;
namespace detail {
ticket_key ticket_key_from(std::span<const std::byte> bytes, failure& why);
int use_ticket_key(const ticket_keys& keys, std::uint8_t* name, std::uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* mac,
                   bool seal) noexcept;
}  // namespace detail

/// One key: 16 octets of name, which stand in the open in each ticket, 32 of an HMAC-SHA256 key and 32 of an AES-256 key.
/// Whoever has it can open every ticket that it sealed and pass for the server towards those clients: keep it as a private key
/// is kept, and replace it often. A value: copies are cheap and share the octets, which are wiped with the last of them. A
/// default-constructed or moved-from one is empty.
class ticket_key {
public:
    /// Octets of one key.
    static constexpr std::size_t size = 80;

    /// An empty one.
    ticket_key() noexcept = default;

    /// A new one, random throughout (RAND_bytes).
    [[nodiscard]] static ticket_key generate();
    /// What bytes() gave, here or on another machine. Fails with errc::invalid_ticket_key unless there are exactly 80 octets.
    [[nodiscard]] static ticket_key from_bytes(const_bytes bytes);
    /// The same without an exception.
    [[nodiscard]] static ticket_key from_bytes(const_bytes bytes, std::error_code& ec);

    /// False for an empty one.
    [[nodiscard]] explicit operator bool() const noexcept { return octets_ != nullptr; }

    /// All 80 octets: a secret. None of an empty key. They live as long as this key or a copy of it.
    [[nodiscard]] std::span<const std::byte> bytes() const& noexcept {
        return octets_ ? std::span<const std::byte>(octets_->value) : std::span<const std::byte>();
    }
    std::span<const std::byte> bytes() const&& = delete;
    /// The 16 octets by which a ticket says which key it wants. No secret.
    [[nodiscard]] std::span<const std::byte> name() const& noexcept { return octets_ ? bytes().first(name_size) : bytes(); }
    std::span<const std::byte> name() const&& = delete;

    /// Equal if all octets are; compared in constant time (CRYPTO_memcmp).
    [[nodiscard]] friend bool operator==(const ticket_key& a, const ticket_key& b) noexcept {
        if (a.octets_ == b.octets_) return true;
        return a && b && ::CRYPTO_memcmp(a.bytes().data(), b.bytes().data(), size) == 0;
    }

private:
    friend ticket_key detail::ticket_key_from(std::span<const std::byte>, detail::failure&);
    friend int detail::use_ticket_key(const ticket_keys&, std::uint8_t*, std::uint8_t*, EVP_CIPHER_CTX*, HMAC_CTX*,
                                      bool) noexcept;

    static constexpr std::size_t name_size = SSL_TICKET_KEY_NAME_LEN;
    static constexpr std::size_t secret_size = 32;  // of each of the two
    static_assert(name_size + 2 * secret_size == size);

    struct octets {
        std::array<std::byte, size> value{};

        octets() noexcept = default;
        octets(const octets&) = delete;
        octets& operator=(const octets&) = delete;
        ~octets() { ::OPENSSL_cleanse(value.data(), value.size()); }
    };
    explicit ticket_key(std::shared_ptr<const octets> filled) noexcept : octets_(std::move(filled)) {}

    std::shared_ptr<const octets> octets_;
};

namespace detail {

inline ticket_key ticket_key_from(std::span<const std::byte> bytes, failure& why) {
    if (bytes.size() != ticket_key::size) {
        why = {make_error_code(errc::invalid_ticket_key),
               "a ticket key has 80 octets, and " + std::to_string(bytes.size()) + " were given",
               {}};
        return {};
    }
    auto filled = std::make_shared<ticket_key::octets>();
    std::copy(bytes.begin(), bytes.end(), filled->value.begin());
    return ticket_key(std::move(filled));
}

}  // namespace detail

inline ticket_key ticket_key::generate() {
    auto filled = std::make_shared<octets>();
    ::RAND_bytes(reinterpret_cast<std::uint8_t*>(filled->value.data()), size);  // it aborts rather than fail
    return ticket_key(std::move(filled));
}
inline ticket_key ticket_key::from_bytes(const_bytes bytes) {
    return detail::throwing([&](detail::failure& why) { return detail::ticket_key_from(bytes, why); });
}
inline ticket_key ticket_key::from_bytes(const_bytes bytes, std::error_code& ec) {
    return detail::reporting(ec, [&](detail::failure& why) { return detail::ticket_key_from(bytes, why); });
}

/// The keys of a server, in order: the first seals new tickets, all of them open. A handle: copies are the same keys, so that
/// what set() and rotate() change holds at once in every context that was made with it. Any thread may change them while others
/// serve. A moved-from one is empty, and its members fail with errc::not_open.
///
/// Servers that are given the same keys resume each other's sessions. To change them in a fleet without losing one, make the new
/// key known everywhere behind the old one first (it opens), then put it in front (it seals), and drop the old one when the
/// tickets that it sealed have expired. A ticket that an older key opened is renewed.
class ticket_keys {
public:
    /// One key, generated: tickets are good for this process only.
    ticket_keys() : ticket_keys(std::vector<ticket_key>{ticket_key::generate()}) {}
    /// Fails with errc::invalid_ticket_key if there is none, if one is empty, or if two of them have the same name and are not
    /// the same key. The same key twice counts once.
    explicit ticket_keys(std::vector<ticket_key> keys)
        : ticket_keys(detail::throwing([&](detail::failure& why) { return made_of(std::move(keys), why); })) {}
    /// The same without an exception; empty on failure.
    [[nodiscard]] static ticket_keys create(std::vector<ticket_key> keys, std::error_code& ec) {
        return detail::reporting(ec, [&](detail::failure& why) { return made_of(std::move(keys), why); });
    }

    /// False for one that was moved from.
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

    /// Other keys from now on. Fails as the constructor does, and changes nothing then.
    void set(std::vector<ticket_key> keys) {
        detail::failure why;
        replace(std::move(keys), why);
        if (why) why.raise();
    }
    /// The same without an exception.
    void set(std::vector<ticket_key> keys, std::error_code& ec) {
        detail::failure why;
        replace(std::move(keys), why);
        ec = why.code;
    }

    /// `next` seals from now on, and of the keys until now the first `keep` go on opening. One that is there already moves to
    /// the front. Fails with errc::invalid_ticket_key, and changes nothing, if `next` is empty or has the name of another key.
    void rotate(ticket_key next, std::size_t keep = 2) {
        detail::failure why;
        advance(std::move(next), keep, why);
        if (why) why.raise();
    }
    /// The same without an exception.
    void rotate(ticket_key next, std::error_code& ec) { rotate(std::move(next), 2, ec); }
    /// The same with a number to keep.
    void rotate(ticket_key next, std::size_t keep, std::error_code& ec) {
        detail::failure why;
        advance(std::move(next), keep, why);
        ec = why.code;
    }

    /// The keys at this moment, the one that seals first.
    [[nodiscard]] std::vector<ticket_key> keys() const {
        required();
        return *state_->current();
    }
    /// How many there are.
    [[nodiscard]] std::size_t size() const {
        required();
        return state_->current()->size();
    }

private:
    friend int detail::use_ticket_key(const ticket_keys&, std::uint8_t*, std::uint8_t*, EVP_CIPHER_CTX*, HMAC_CTX*,
                                      bool) noexcept;

    // A list is never changed, only replaced: who is using one keeps it.
    using list = std::shared_ptr<const std::vector<ticket_key>>;
    struct state {
        mutable std::mutex mutex;
        list keys;

        explicit state(list first) noexcept : keys(std::move(first)) {}
        [[nodiscard]] list current() const {
            const std::lock_guard lock(mutex);
            return keys;
        }
    };

    explicit ticket_keys(std::shared_ptr<state> made) noexcept : state_(std::move(made)) {}

    [[nodiscard]] static ticket_keys made_of(std::vector<ticket_key> keys, detail::failure& why) {
        list first = checked(std::move(keys), why);
        return ticket_keys(why ? nullptr : std::make_shared<state>(std::move(first)));
    }

    void required() const {
        if (!state_) throw error(make_error_code(errc::not_open), "tls::ticket_keys");
    }

    [[nodiscard]] static list checked(std::vector<ticket_key> keys, detail::failure& why) {
        const auto refused = [&](const char* what) -> list {
            why = {make_error_code(errc::invalid_ticket_key), what, {}};
            return nullptr;
        };
        std::vector<ticket_key> distinct;
        for (ticket_key& key : keys) {
            if (!key) return refused("one of the ticket keys is empty");
            const auto same_name = std::find_if(distinct.begin(), distinct.end(), [&](const ticket_key& other) {
                return std::ranges::equal(other.name(), key.name());
            });
            if (same_name == distinct.end()) distinct.push_back(std::move(key));
            else if (*same_name != key) return refused("two ticket keys have the same name");
        }
        if (distinct.empty()) return refused("there is no ticket key");
        return std::make_shared<const std::vector<ticket_key>>(std::move(distinct));
    }

    // Runs `change(keys until now, why)`, which gives the new ones, while nobody else can change them.
    template <class Change>
    void update(detail::failure& why, Change change) {
        if (!state_) {
            why = {make_error_code(errc::not_open), "tls::ticket_keys", {}};
            return;
        }
        list changed;  // what is not needed any more is wiped when the lock is gone
        const std::lock_guard lock(state_->mutex);
        changed = change(state_->keys, why);
        if (!why) std::swap(state_->keys, changed);
    }

    void replace(std::vector<ticket_key> keys, detail::failure& why) {
        update(why, [&](const list&, detail::failure& fault) { return checked(std::move(keys), fault); });
    }

    void advance(ticket_key next, std::size_t keep, detail::failure& why) {
        update(why, [&](const list& until_now, detail::failure& fault) {
            std::vector<ticket_key> keys{next};
            for (const ticket_key& older : *until_now) {
                const bool same_name = std::ranges::equal(older.name(), next.name());
                if (older != next && (keys.size() <= keep || same_name)) keys.push_back(older);
            }
            return checked(std::move(keys), fault);
        });
    }

    std::shared_ptr<state> state_;
};

namespace detail {

// What a callback for SSL_CTX_set_tlsext_ticket_key_cb does with these keys, and what it returns: AES-256-CBC, authenticated by
// HMAC-SHA256. Sealing: 1, or -1 if it cannot. Opening: 1, 2 with an older key so that the ticket is renewed, and 0 without the
// key, for a full handshake.
inline int use_ticket_key(const ticket_keys& keys, std::uint8_t* name, std::uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* mac,
                          bool seal) noexcept {
    const int failed = seal ? -1 : 0;
    if (!keys) return failed;
    const auto list = keys.state_->current();
    const auto wanted = std::as_bytes(std::span(name, ticket_key::name_size));
    const auto key = seal ? list->begin() : std::find_if(list->begin(), list->end(), [&](const ticket_key& one) {
        return std::ranges::equal(one.name(), wanted);
    });
    if (key == list->end()) return failed;

    const auto* const octets = reinterpret_cast<const std::uint8_t*>(key->bytes().data());
    const std::uint8_t* const mac_key = octets + ticket_key::name_size;
    const std::uint8_t* const cipher_key = mac_key + ticket_key::secret_size;
    if (seal) {
        std::copy(octets, octets + ticket_key::name_size, name);
        ::RAND_bytes(iv, EVP_MAX_IV_LENGTH);
    }
    if (::HMAC_Init_ex(mac, mac_key, ticket_key::secret_size, ::EVP_sha256(), nullptr) != 1 ||
        ::EVP_CipherInit_ex(cipher, ::EVP_aes_256_cbc(), nullptr, cipher_key, iv, seal ? 1 : 0) != 1) {
        if (!seal) clear_error_queue();  // the handshake goes on
        return failed;
    }
    return key == list->begin() ? 1 : 2;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
