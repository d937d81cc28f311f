// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One of two files of one program that include everything. Also what the linter reads: see ./dev.

#include <tls/tls.hpp>

const std::error_category* category_of_second() noexcept;

int main() {
    // The categories are compared by address, so there must be one of each.
    return category_of_second() == &tls::stream_category() ? 0 : 1;
}
