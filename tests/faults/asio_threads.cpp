// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Threads, over standalone Asio.

#include <support/standalone_asio.hpp>

#include "asio_answers.hpp"
#include "asio_threads.hpp"
