// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The same, for tests over standalone Asio.

#include "library.hpp"

#include <support/standalone_asio.hpp>
