// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Faults over Boost.Asio, where it is not the same as standalone Asio: it may have no cancellation slots, and cancels the whole layer.

#include <support/boost_asio.hpp>

#include "asio_answers.hpp"
#include "asio_closing.hpp"
#include "asio_waiting.hpp"
