// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Precompiled for test programs with few files: what nearly every test includes and none changes. The others have the library's own
// headers besides (library.hpp): they change, but where there are many files that still is the quicker way.

#ifndef TLS_STREAM_TESTS_SUPPORT_PCH_CATCH2_HPP
#define TLS_STREAM_TESTS_SUPPORT_PCH_CATCH2_HPP

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#endif
