// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// <tls/boost_asio.hpp>, over Boost.Asio.

#include <support/boost_asio.hpp>

#include "asio_face.hpp"
