// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The library's memory sockets, which most tests here are made of, among the suite's own tools.

#ifndef TLS_STREAM_TESTS_SUPPORT_TESTING_HPP
#define TLS_STREAM_TESTS_SUPPORT_TESTING_HPP

#include <tls/testing.hpp>

namespace tests {
using namespace tls::testing;
}  // namespace tests

#endif
