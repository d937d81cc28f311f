// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over Boost.Asio.

#include <support/boost_asio.hpp>

#include "asio_battery.hpp"
