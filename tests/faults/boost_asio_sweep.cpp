// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Interference at every suspension point, over Boost.Asio.

#include <support/boost_asio.hpp>

#include "asio_sweep.hpp"
