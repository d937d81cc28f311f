// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Faults of waiting, closing and destroying, over standalone Asio.

#include <support/standalone_asio.hpp>

#include "asio_closing.hpp"
#include "asio_objects.hpp"
#include "asio_waiting.hpp"
