// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// See first.cpp.

#include <tls/tls.hpp>

const std::error_category* category_of_second() noexcept;

const std::error_category* category_of_second() noexcept { return &tls::stream_category(); }
