// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The command line that the servers here have in common: where to listen, and who to be.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_SERVER_ARGUMENTS_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_SERVER_ARGUMENTS_HPP

#include <tls/credential.hpp>

#include <getopt.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "identity.hpp"
#include "number.hpp"

namespace demo {

struct server_arguments {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
    std::string certificate_file, key_file, ca_out;
    std::chrono::milliseconds timeout{10000};  // for who asks for it
    bool help = false;
};

inline constexpr std::string_view server_options = R"(
  --address A    listen on this address, default 127.0.0.1
  --port N       and this port, default 0: the system chooses one
  --cert FILE    the server's certificate and chain (PEM), with
  --key FILE     its private key; without them an identity for localhost is made in memory
  --ca-out FILE  where to write the authority of the identity that was made, for clients to trust
  --help         this text
)";

// Throws std::invalid_argument, which says what is wrong.
[[nodiscard]] inline server_arguments parse_server_arguments(int argc, char* argv[], bool has_timeout = false) {
    const ::option options[] = {{"address", required_argument, nullptr, 'a'},
                                {"port", required_argument, nullptr, 'p'},
                                {"cert", required_argument, nullptr, 'c'},
                                {"key", required_argument, nullptr, 'k'},
                                {"ca-out", required_argument, nullptr, 'o'},
                                {"help", no_argument, nullptr, 'h'},
                                has_timeout ? ::option{"timeout", required_argument, nullptr, 't'} : ::option{},
                                {nullptr, 0, nullptr, 0}};
    server_arguments given;
    for (int option = 0; (option = ::getopt_long(argc, argv, ":", options, nullptr)) != -1;) {
        switch (option) {
            case 'a': given.address = ::optarg; break;
            case 'p': given.port = number<std::uint16_t>(::optarg, "a port"); break;
            case 'c': given.certificate_file = ::optarg; break;
            case 'k': given.key_file = ::optarg; break;
            case 'o': given.ca_out = ::optarg; break;
            case 't': given.timeout = std::chrono::milliseconds(number<std::uint32_t>(::optarg, "a number of ms")); break;
            case 'h': given.help = true; return given;
            default: throw std::invalid_argument("cannot make sense of " + std::string(argv[::optind - 1]) + "; see --help");
        }
    }
    if (::optind != argc) throw std::invalid_argument("too many arguments; see --help");
    if (given.certificate_file.empty() != given.key_file.empty()) {
        throw std::invalid_argument("--cert and --key go together; see --help");
    }
    return given;
}

[[nodiscard]] inline tls::credential make_credential(const server_arguments& given) {
    if (!given.certificate_file.empty()) return tls::credential::from_files(given.certificate_file, given.key_file);
    const identity made = make_identity();
    if (!given.ca_out.empty()) {
        std::ofstream file(given.ca_out);
        file << made.authority_pem << std::flush;
        if (!file) throw std::runtime_error("cannot write " + given.ca_out);
    }
    return made.credential();
}

// One line, whole, whichever thread says it.
inline void say(const std::string& text) { std::cout << text + "\n" << std::flush; }

// What main() of a server does beside serving; what it returns. With a text on what is limited there is an option --timeout.
template <class Serve>
[[nodiscard]] int server_main(int argc, char* argv[], const std::string& name, const std::string& purpose, Serve serve,
                              const std::string& timeout = {}) {
    try {
        const server_arguments given = parse_server_arguments(argc, argv, !timeout.empty());
        if (given.help) {
            std::cout << "usage: " << name << " [OPTION...]\n\n" << purpose << '\n' << server_options;
            if (!timeout.empty()) std::cout << "  --timeout MS   " << timeout << ", default 10000\n";
            return 0;
        }
        serve(given);
        return 0;
    } catch (const std::invalid_argument& wrong) {
        std::cerr << name << ": " << wrong.what() << '\n';
        return 2;
    } catch (const std::exception& failed) {
        std::cerr << name << ": " << failed.what() << '\n';
        return 1;
    }
}

}  // namespace demo

#endif
