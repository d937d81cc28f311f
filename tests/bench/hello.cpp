// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A small client. How much there is to compile of it is measured against hello_raw.cpp, which does the same.
//
//     hello HOST PORT

#include <tls/connect.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

int main(int count, char** words) try {
    if (count != 3) return 2;
    const tls::client_context context;
    auto stream = tls::connect(words[1], static_cast<std::uint16_t>(std::stoi(words[2])), context);
    stream.write("hello\n");
    std::string answer(1000, '\0');
    answer.resize(stream.read(answer));
    std::puts(answer.c_str());
    stream.close();
} catch (const std::exception& failed) {
    std::puts(failed.what());
    return 1;
}
