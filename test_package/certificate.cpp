// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// `certificate CERTIFICATE KEY`: writes a certificate for localhost and its key into two files.

#include <tls/detail/boringssl.hpp>

#include <issue_certificate.hpp>

#include <exception>
#include <fstream>
#include <iostream>

int main(int argc, char* argv[]) {
    try {
        demo::require(argc == 3, "usage: certificate CERTIFICATE KEY");
        const demo::issued made = demo::issue_certificate({.common_name = "localhost",
                                                           .dns_names = {"localhost"},
                                                           .authority = true,
                                                           .key_usage = "digitalSignature,keyCertSign"});
        std::ofstream(argv[1]) << made.certificate_pem();
        std::ofstream(argv[2]) << made.key_pem();
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "certificate: " << failed.what() << '\n';
        return 1;
    }
}
