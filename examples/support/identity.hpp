// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A server's identity for trying out, made in memory: an authority, one below it, and a leaf for this machine's own names.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_IDENTITY_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_IDENTITY_HPP

#include <tls/credential.hpp>

#include <string>

#include "issue_certificate.hpp"

namespace demo {

struct identity {
    std::string chain_pem;      // the leaf, and the authority that issued it
    std::string key_pem;        // the leaf's
    std::string authority_pem;  // whom a client must trust

    [[nodiscard]] tls::credential credential() const { return tls::credential::from_pem(chain_pem, key_pem); }
};

// For localhost, 127.0.0.1 and ::1.
[[nodiscard]] inline identity make_identity() {
    const issued root = issue_certificate({.common_name = "Demo Root", .authority = true});
    const issued middle =
        issue_certificate({.common_name = "Demo Issuing Authority", .authority = true, .path_length = 0}, &root);
    const issued leaf = issue_certificate({.common_name = "Demo Server",
                                           .dns_names = {"localhost"},
                                           .ip_addresses = {octets("127.0.0.1"), octets("::1")},
                                           .extended_key_usage = "serverAuth"},
                                          &middle);
    return {leaf.certificate_pem() + middle.certificate_pem(), leaf.key_pem(), root.certificate_pem()};
}

}  // namespace demo

#endif
