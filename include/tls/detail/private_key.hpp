// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Private keys from PEM and DER, and the passwords that open them. Neither is ever in a message.

#ifndef TLS_STREAM_TLS_DETAIL_PRIVATE_KEY_HPP
#define TLS_STREAM_TLS_DETAIL_PRIVATE_KEY_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/callback.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/pem_file.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace tls {
inline namespace v0 {

// Gives the password of a key. It is called only when the key is encrypted, what it returns is wiped, and what it throws comes out of
// the call that loads the key, whichever overload that is.
using password_function = std::function<std::string()>;

namespace detail {

// Text that is wiped when it is no longer needed.
struct wiped_text {
    std::string text;

    wiped_text() = default;
    explicit wiped_text(std::string&& given) noexcept : text(std::move(given)) { wipe(given); }
    ~wiped_text() { wipe(text); }
    wiped_text(const wiped_text&) = delete;
    wiped_text& operator=(const wiped_text&) = delete;

private:
    // A short string stays in the object that it was moved from.
    static void wipe(std::string& used) noexcept {
        used.resize(used.capacity());
        ::OPENSSL_cleanse(used.data(), used.size());
    }
};

// How a password is given to a call: text, std::nullopt for none, or a password_function. Text must live as long as the call.
class key_password {
public:
    key_password() noexcept = default;

    template <class Text>
        requires(!std::same_as<Text, key_password> && std::convertible_to<const Text&, std::optional<std::string_view>>)
    key_password(const Text& text) : text_(text) {}

    template <class Function>
        requires(!std::same_as<Function, key_password> && std::convertible_to<const Function&, password_function> &&
                 !std::convertible_to<const Function&, std::optional<std::string_view>>)
    key_password(const Function& ask) : ask_(ask) {}

    // Is there one at all?
    [[nodiscard]] explicit operator bool() const noexcept { return text_.has_value() || ask_ != nullptr; }

    // Runs `use(std::string_view)` with the password, asking for it if need be; without one `use` is not run.
    template <class Use>
    void visit(Use&& use) const {
        if (text_) {
            std::forward<Use>(use)(*text_);
        } else if (ask_) {
            const wiped_text asked(ask_());
            std::forward<Use>(use)(std::string_view(asked.text));
        }
    }

private:
    std::optional<std::string_view> text_;
    password_function ask_;
};

// What is wrong with an encrypted key that did not open.
[[nodiscard]] inline std::string_view unopened(const key_password& password) noexcept {
    return password ? "the private key does not open with this password"
                    : "the private key is encrypted, and no password was given";
}

// What the password callback knows and learns.
struct password_request {
    const key_password& password;
    bool made = false;
    kept_exception thrown{};
};

// BoringSSL's pem_password_cb: gives the caller's password, or -1. It wipes its own copy.
inline int give_password(char* into, int capacity, int, void* user) noexcept {
    auto& request = *static_cast<password_request*>(user);
    request.made = true;
    return request.thrown.guard(-1, [&] {
        int size = -1;
        request.password.visit([&](std::string_view text) {
            if (text.size() > static_cast<std::size_t>(capacity)) return;
            if (!text.empty()) std::memcpy(into, text.data(), text.size());
            size = static_cast<int>(text.size());
        });
        return size;
    });
}

// The one private key of a PEM text; null and `why` if there is none, or several, or it cannot be read.
[[nodiscard]] inline bssl::UniquePtr<EVP_PKEY> read_private_key(std::string_view text, const key_password& password,
                                                                const input_source& source, failure& why) {
    int keys = 0;
    const bool well_formed = read_pem(text, source, why, [&](const pem_block& block) {
        if (block.label.ends_with("PRIVATE KEY")) ++keys;
        return true;
    });
    if (!well_formed) return nullptr;
    if (keys != 1) {
        why = source.wrong(keys == 0 ? "holds no private key in PEM" : "holds more than one private key");
        return nullptr;
    }
    password_request request{password};
    const auto reader = pem_reader(text);
    bssl::UniquePtr<EVP_PKEY> key(reader ? ::PEM_read_bio_PrivateKey(reader.get(), nullptr, give_password, &request) : nullptr);
    request.thrown.rethrow();
    if (!key)
        why = source.wrong(request.made ? unopened(password) : "the private key is malformed or of a kind that is not known");
    return key;
}

// A private key in DER, with nothing behind it: PKCS#8, encrypted or not (RFC 5958), PKCS#1 or SEC1. Null and `why` if it is none.
[[nodiscard]] inline bssl::UniquePtr<EVP_PKEY> read_private_key(std::span<const std::uint8_t> der, const key_password& password,
                                                                const input_source& source, failure& why) {
    CBS whole;
    CBS inside;
    CBS_init(&whole, der.data(), der.size());
    bssl::UniquePtr<EVP_PKEY> key;
    const bool is_sequence = ::CBS_get_asn1(&whole, &inside, CBS_ASN1_SEQUENCE) == 1 && CBS_len(&whole) == 0;
    // EncryptedPrivateKeyInfo begins with an algorithm, all other forms with a version.
    const bool encrypted = is_sequence && ::CBS_peek_asn1_tag(&inside, CBS_ASN1_SEQUENCE) == 1;
    if (encrypted) {
        password.visit([&](std::string_view text) {
            CBS_init(&whole, der.data(), der.size());
            key.reset(::PKCS8_parse_encrypted_private_key(&whole, text.data(), text.size()));
        });
    } else if (is_sequence) {
        const std::uint8_t* at = der.data();
        key.reset(::d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
    }
    if (!key) why = source.wrong(encrypted ? unopened(password) : "is not a private key of a kind that is known");
    return key;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
