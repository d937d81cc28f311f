// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// BoringSSL here, and OpenSSL in a library that is loaded: docs/how-to/two-libraries.md. `howto_two_libraries [--mixed] LIBCURL`

#include <tls/tls.hpp>

#include <dlfcn.h>

#include <exception>
#include <iostream>
#include <stdexcept>
#include <string_view>

namespace {

// With its own libraries before those of the program.
void* load_apart(const char* path) { return ::dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND); }

// With those of the program before its own: what it takes for OpenSSL's functions is BoringSSL's.
void* load_mixed(const char* path) { return ::dlopen(path, RTLD_NOW | RTLD_LOCAL); }

}  // namespace

int main(int argc, char* argv[]) {
    try {
        const bool mixed = argc > 1 && argv[1] == std::string_view("--mixed");
        if (argc != (mixed ? 3 : 2)) throw std::runtime_error("usage: howto_two_libraries [--mixed] LIBCURL");
        void* const curl = mixed ? load_mixed(argv[2]) : load_apart(argv[1]);
        if (curl == nullptr) throw std::runtime_error(::dlerror());
        const auto version = reinterpret_cast<const char* (*)()>(::dlsym(curl, "curl_version"));
        if (version == nullptr) throw std::runtime_error(::dlerror());
        std::cout << "libcurl says: " << version() << std::endl;

        tls::engine engine(tls::client_context({.trust = {}}), "example.org");
        engine.handshake();
        std::cout << "tls-stream has a ClientHello of " << engine.output().size() << " bytes" << std::endl;
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
