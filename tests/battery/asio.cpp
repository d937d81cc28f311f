// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over standalone Asio.

#include <support/standalone_asio.hpp>

#include "asio_battery.hpp"
