// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The vocabulary of the protocol.

#include <tls/protocol.hpp>

#include <catch2/catch_test_macros.hpp>

#include <type_traits>

static_assert(static_cast<int>(tls::protocol_version::tls1_2) == 0x0303);
static_assert(static_cast<int>(tls::protocol_version::tls1_3) == 0x0304);
static_assert(tls::protocol_version::tls1_2 < tls::protocol_version::tls1_3);
static_assert(!std::is_convertible_v<tls::role, int> && !std::is_convertible_v<tls::protocol_version, int>);

TEST_CASE("protocol: versions are spelt as Python and OpenSSL spell them", "[protocol]") {
    CHECK(tls::to_string(tls::protocol_version::tls1_2) == "TLSv1.2");
    CHECK(tls::to_string(tls::protocol_version::tls1_3) == "TLSv1.3");
    CHECK(tls::to_string(static_cast<tls::protocol_version>(0x0301)) == "unknown");
}

TEST_CASE("protocol: cipher_info is compared by all of it", "[protocol]") {
    const tls::cipher_info info{"TLS_AES_128_GCM_SHA256", "TLSv1.3", 128};
    CHECK(info == tls::cipher_info{"TLS_AES_128_GCM_SHA256", "TLSv1.3", 128});
    CHECK(info != tls::cipher_info{"TLS_AES_256_GCM_SHA384", "TLSv1.3", 128});
    CHECK(info != tls::cipher_info{"TLS_AES_128_GCM_SHA256", "TLSv1.2", 128});
    CHECK(info != tls::cipher_info{"TLS_AES_128_GCM_SHA256", "TLSv1.3", 256});
}
