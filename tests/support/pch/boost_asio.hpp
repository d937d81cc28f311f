// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The same, for tests over Boost.Asio.

#include "library.hpp"

#include <support/boost_asio.hpp>
