// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What most test programs' files have in common, compiled once for each program.

#include "catch2.hpp"

#include <support/session.hpp>

#include <tls/tls.hpp>
