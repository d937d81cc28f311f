// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// <tls/asio.hpp>, over standalone Asio.

#include <support/standalone_asio.hpp>

#include "asio_face.hpp"
