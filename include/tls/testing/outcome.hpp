// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// How a call of a memory socket's ends when a script says otherwise than it would.

#ifndef TLS_STREAM_TLS_TESTING_OUTCOME_HPP
#define TLS_STREAM_TLS_TESTING_OUTCOME_HPP

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
namespace testing {

/// What outcome::exception() throws unless told otherwise.
class injected_exception : public std::runtime_error {
public:
    injected_exception() : std::runtime_error("an exception that the test asked for") {}
};

/// The category of outcome::unknown_error(): one that no code knows.
[[nodiscard]] const std::error_category& unknown_category() noexcept;

/// How a call ends that a script interferes with. Nothing is moved then.
class outcome {
public:
    /// What the factories below make.
    enum class kind : unsigned char {
        error,          ///< error() and what is made of it
        end_of_stream,  ///< end_of_stream()
        reset,          ///< reset()
        broken_pipe,    ///< broken_pipe()
        zero,           ///< zero()
        excess,         ///< excess()
        exception       ///< exception()
    };

    /// The call fails with `code`, once; the connection is as good as before. An empty code is std::invalid_argument.
    static outcome error(std::error_code code) {
        if (!code) throw std::invalid_argument("outcome::error: the code says that there is no error");
        return outcome(kind::error, code);
    }
    /// std::errc::operation_would_block, also of a socket that blocks: a stream takes it as it comes.
    static outcome would_block() { return error(std::make_error_code(std::errc::operation_would_block)); }
    /// EINTR: what a signal does to a system call.
    static outcome interrupted() { return error({static_cast<int>(std::errc::interrupted), std::system_category()}); }
    /// A code in unknown_category().
    static outcome unknown_error() { return error({4711, unknown_category()}); }
    /// For reads. It returns 0, as do all after it, whatever the other end sends.
    static outcome end_of_stream() { return outcome(kind::end_of_stream); }
    /// For reads and writes. ECONNRESET; later writes fail with EPIPE and later reads return 0, as they do on Linux. What had not
    /// been read is lost, and the other end gets a reset behind what was sent to it.
    static outcome reset() { return outcome(kind::reset); }
    /// For writes. EPIPE, now and for all later writes; reading is not touched.
    static outcome broken_pipe() { return outcome(kind::broken_pipe); }
    /// For reads and writes. 0 without an error, once: a read says that the stream has ended, a write what no socket may say.
    static outcome zero() { return outcome(kind::zero); }
    /// For reads and writes. A count above what was asked for, by `more`, which no socket may return.
    static outcome excess(std::size_t more = 1) {
        outcome made(kind::excess);
        made.more_ = more;
        return made;
    }
    /// The call throws it. An empty pointer is std::invalid_argument.
    static outcome exception(std::exception_ptr thrown = std::make_exception_ptr(injected_exception())) {
        if (!thrown) throw std::invalid_argument("outcome::exception: there is no exception to throw");
        outcome made(kind::exception);
        made.thrown_ = std::move(thrown);
        return made;
    }

    /// Which of them it is.
    [[nodiscard]] kind what() const noexcept { return kind_; }
    /// Of error(); else empty.
    [[nodiscard]] std::error_code code() const noexcept { return code_; }
    /// Of excess(); else 0.
    [[nodiscard]] std::size_t more() const noexcept { return more_; }
    /// Throws the exception of exception(). Not to be called on another.
    [[noreturn]] void raise() const { std::rethrow_exception(thrown_); }

private:
    explicit outcome(kind what, std::error_code code = {}) : kind_(what), code_(code) {}

    kind kind_;
    std::error_code code_;
    std::size_t more_ = 0;
    std::exception_ptr thrown_;
};

}  // namespace testing

namespace detail {

class unknown_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "tls.testing.unknown"; }
    [[nodiscard]] std::string message(int value) const override { return "unheard-of error " + std::to_string(value); }
};
inline constinit const unknown_error_category the_unknown_category;

}  // namespace detail

inline const std::error_category& testing::unknown_category() noexcept { return detail::the_unknown_category; }

}  // namespace v0
}  // namespace tls

#endif
