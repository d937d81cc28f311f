// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

/// @file
/// Verifying the peer: how it is done, why it failed, and the caller's own say in it.

#ifndef TLS_STREAM_TLS_VERIFICATION_HPP
#define TLS_STREAM_TLS_VERIFICATION_HPP

#include <tls/alert.hpp>
#include <tls/certificate.hpp>
#include <tls/detail/answer.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tls {
inline namespace v0 {

/// Which certificates of a chain must not be on a revocation list. A list that is missing, or past its next update, fails the verification
/// too.
enum class revocation_check : unsigned char {
    none,   ///< no certificate
    leaf,   ///< the peer's own
    chain,  ///< all of them but the root
};

/// Why the peer's certificate was refused, and at which certificate.
struct verify_failure {
    std::error_code reason;          ///< in verify_category, or errc::pinned_key_missing, errc::verification_refused
    int depth = -1;                  ///< 0 is the peer's own; -1: it is not about one of them
    tls::certificate certificate{};  ///< the one that it is about; empty without one
    /// All of it in a line: "certificate has expired, depth 0, CN=example.org, not after May  1 12:00:00 2024 GMT".
    std::string text{};
};

/// What a verifier sees, and answers: all of it the peer's word, but for built_in_result(). Copies are the same verification: whoever keeps
/// one may answer later, from any thread; when the last one goes without an answer the peer is refused with certificate_unknown. The
/// first answer counts, and none is needed once the connection is gone.
class verification {
public:
    /// As the peer sent them, its own first. Never empty.
    [[nodiscard]] const std::vector<certificate>& chain() const noexcept { return asked_->about.chain; }
    /// Whom a client asked for, a DNS name or an IP address; with ECH refused by the server, its public name. Empty on a server.
    [[nodiscard]] std::string_view server_name() const noexcept { return asked_->about.server_name; }
    /// The OCSP response (RFC 6960) that the server stapled, if it was asked to and did.
    [[nodiscard]] std::span<const std::byte> ocsp_response() const noexcept { return asked_->about.ocsp_response; }
    /// The SignedCertificateTimestampList (RFC 6962) that it stapled, likewise.
    [[nodiscard]] std::span<const std::byte> sct_list() const noexcept { return asked_->about.sct_list; }
    /// What the verification found that the options ask for, pins included; no reason: nothing is wrong. An accept() overrules it.
    [[nodiscard]] const verify_failure& built_in_result() const noexcept { return asked_->about.built_in; }

    /// The peer is believed, whatever built_in_result() says.
    void accept() const { asked_->answering.answer({true, alert::close_notify}); }
    /// The handshake fails: with built_in_result() if it found something, else with errc::verification_refused. The peer gets the alert.
    void reject(alert why = alert::bad_certificate) const { asked_->answering.answer({false, why}); }

    /// What a verification is about.
    struct contents {
        std::vector<certificate> chain;        ///< see verification::chain()
        std::string server_name;               ///< see verification::server_name()
        std::vector<std::byte> ocsp_response;  ///< see verification::ocsp_response()
        std::vector<std::byte> sct_list;       ///< see verification::sct_list()
        verify_failure built_in;               ///< see verification::built_in_result()
    };
    /// What a verifier said.
    struct answer {
        bool accepted;  ///< or refused
        alert why;      ///< what the peer is told then
    };
    /// The library makes these.
    verification(contents about, std::shared_ptr<detail::question<answer>> question)
        : asked_(std::make_shared<const asked>(std::move(about), std::move(question))) {}

private:
    struct asked {
        asked(contents what, std::shared_ptr<detail::question<answer>> question)
            : about(std::move(what)), answering(std::move(question), {false, alert::certificate_unknown}) {}

        contents about;
        detail::answering<answer> answering;
    };

    std::shared_ptr<const asked> asked_;
};

/// Is asked once in each full handshake in which the peer sends certificates; a resumed one relies on the answer of before. What it throws
/// comes out of the stream's call. It may be called by several threads at the same time, and must not call the stream.
using verifier = std::function<void(verification)>;

}  // namespace v0
}  // namespace tls

#endif
