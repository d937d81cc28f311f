// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// boost::system::error_code and std::error_code, one into the other and back without loss. Boost 1.74 can do only the first half, and
// not back, so that a code of beast::error would come out as somebody's errno.
//
// A category of the one world is shown to the other by a twin, made once and kept for good.

#ifndef TLS_STREAM_TLS_DETAIL_BOOST_ERRORS_HPP
#define TLS_STREAM_TLS_DETAIL_BOOST_ERRORS_HPP

#include <tls/error.hpp>

#include <boost/system/error_code.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

namespace tls {
inline namespace v0 {
namespace detail {

// The twins of one direction.
template <class Twin, class Original>
class category_twins {
public:
    // Of the whole program; never destroyed, since error codes may be looked at until its very end.
    [[nodiscard]] static category_twins& all() {
        static auto* const made = new category_twins;
        return *made;
    }

    [[nodiscard]] const Twin& of(const Original& original) {
        const std::lock_guard lock(mutex_);
        for (const auto& twin : twins_) {
            if (twin->original() == original) return *twin;
        }
        return *twins_.emplace_back(std::make_unique<Twin>(original));
    }
    // Null if this is nobody's twin.
    template <class Category>
    [[nodiscard]] const Original* original_of(const Category& category) {
        const std::lock_guard lock(mutex_);
        for (const auto& twin : twins_) {
            if (*twin == category) return &twin->original();
        }
        return nullptr;
    }

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Twin>> twins_;
};

// A standard category in Boost's world: the library's own are these.
class boost_twin final : public boost::system::error_category {
public:
    explicit boost_twin(const std::error_category& original) noexcept : original_(original) {}
    [[nodiscard]] const std::error_category& original() const noexcept { return original_; }

    [[nodiscard]] const char* name() const noexcept override { return original_.name(); }
    [[nodiscard]] std::string message(int value) const override { return original_.message(value); }
    [[nodiscard]] boost::system::error_condition default_error_condition(int value) const noexcept override {
        const std::error_condition condition = original_.default_error_condition(value);
        if (condition.category() == std::generic_category()) return {condition.value(), boost::system::generic_category()};
        return {value, *this};
    }

private:
    const std::error_category& original_;
};

// A category of Boost's in the standard's world: what a layer below has failed with.
class std_twin final : public std::error_category {
public:
    explicit std_twin(const boost::system::error_category& original) noexcept : original_(original) {}
    [[nodiscard]] const boost::system::error_category& original() const noexcept { return original_; }

    [[nodiscard]] const char* name() const noexcept override { return original_.name(); }
    [[nodiscard]] std::string message(int value) const override { return original_.message(value); }
    [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
        const boost::system::error_condition condition = original_.default_error_condition(value);
        if (condition.category() == boost::system::generic_category()) return {condition.value(), std::generic_category()};
        return {value, *this};
    }

private:
    const boost::system::error_category& original_;
};

using boost_twins = category_twins<boost_twin, std::error_category>;
using std_twins = category_twins<std_twin, boost::system::error_category>;

// From 1.77 on a code of Boost's can hold one of the standard's, and be compared with it.
inline constexpr bool boost_holds_std = std::is_constructible_v<boost::system::error_code, std::error_code>;

[[nodiscard]] inline bool is_of_this_library(const std::error_category& category) noexcept {
    return category == stream_category() || category == ssl_category() || category == alert_category() ||
           category == verify_category();
}

[[nodiscard]] inline std::error_code boost_to_std(const boost::system::error_code& code) {
    if (!code) return {};
    if constexpr (boost_holds_std) {
        const auto held = static_cast<std::error_code>(code);
        if (is_of_this_library(held.category())) return held;
    }
    if (code.category() == boost::system::system_category()) return {code.value(), std::system_category()};
    if (code.category() == boost::system::generic_category()) return {code.value(), std::generic_category()};
    if (const std::error_category* const original = boost_twins::all().original_of(code.category()))
        return {code.value(), *original};
    return {code.value(), std_twins::all().of(code.category())};
}

template <class Code>
[[nodiscard]] boost::system::error_code boost_of_std(const Code& code) {
    if constexpr (boost_holds_std) {
        return boost::system::error_code(code);
    } else {
        return {code.value(), boost_twins::all().of(code.category())};
    }
}

// Conditions become the system's codes, which are what Boost.Asio's own are.
[[nodiscard]] inline boost::system::error_code std_to_boost(const std::error_code& code) {
    if (!code) return {};
    if (code.category() == std::system_category() || code.category() == std::generic_category()) {
        return {code.value(), boost::system::system_category()};
    }
    if (const boost::system::error_category* const original = std_twins::all().original_of(code.category())) {
        return {code.value(), *original};
    }
    return boost_of_std(code);
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
