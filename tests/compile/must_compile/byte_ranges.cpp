// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What can be written, and what can be read into.

#include <tls/tls.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using stream = tls::stream<tls::tcp_socket>;

// In every member that writes, with and without an error code.
template <class Bytes>
void write(stream& s, Bytes&& bytes) {
    std::error_code ec;
    std::size_t n = s.write(bytes);
    n += s.write(bytes, ec);
    n += s.write_some(bytes);
    n += s.write_some(bytes, ec);
    (void)n;
}

template <class Bytes>
void read(stream& s, Bytes&& bytes) {
    std::error_code ec;
    std::size_t n = s.read(bytes);
    n += s.read(bytes, ec);
    n += s.read_some(bytes);
    n += s.read_some(bytes, ec);
    (void)n;
}

template <class Byte>
void each_range_of(stream& s) {
    Byte array[5] = {};
    const std::vector<Byte> constant_vector(5);
    std::vector<Byte> vector(5);
    const std::array<Byte, 5> constant_std_array{};
    std::array<Byte, 5> std_array{};

    write(s, array);
    write(s, vector);
    write(s, constant_vector);
    write(s, std_array);
    write(s, constant_std_array);
    write(s, std::span<Byte>(array));
    write(s, std::span<const Byte>(array));
    write(s, std::span<Byte, 5>(array));
    write(s, std::span<const Byte, 5>(array));
    (void)s.write(std::vector<Byte>(5));

    read(s, array);
    read(s, vector);
    read(s, std_array);
    read(s, std::span<Byte>(array));
    read(s, std::span<Byte, 5>(array));
    read(s, std::span(vector).subspan(1));
    (void)s.read(std::span(array).first(3));
}

void text(stream& s) {
    std::error_code ec;
    (void)s.write("GET / HTTP/1.0\r\n\r\n");
    (void)s.write("GET / HTTP/1.0\r\n\r\n", ec);
    (void)s.write_some("x");
    (void)s.write_some("x", ec);
    (void)s.write("");
    using namespace std::literals;
    (void)s.write("text"sv);
    (void)s.write("text"s);
    std::string string = "text";
    const std::string constant = "text";
    write(s, string);
    write(s, constant);
    write(s, std::string_view(string));
    (void)s.write(string + constant);
    read(s, string);
    const char literal_like[4] = {'n', 'o', 'n', 'e'};
    write(s, std::span(literal_like));
    const unsigned char octets[] = {1, 2, 3};
    write(s, octets);
    static constexpr std::byte bytes[] = {std::byte{1}, std::byte{2}};
    write(s, bytes);
}

void gathered(stream& s, std::span<const std::byte> head, std::span<const std::byte> body) {
    const std::array<std::span<const std::byte>, 2> parts{head, body};
    const std::vector<std::span<const std::byte>> more(parts.begin(), parts.end());
    const std::span<const std::span<const std::byte>> all = parts;
    std::error_code ec;
    (void)s.write(all);
    (void)s.write(all, ec);
    (void)s.write(std::span<const std::span<const std::byte>>(more));
}

}  // namespace

void use(stream& s) {
    each_range_of<char>(s);
    each_range_of<unsigned char>(s);
    each_range_of<std::byte>(s);
    text(s);
    gathered(s, {}, {});
}

// An array of char is its bytes, all of them, whichever way it goes.
char buffer[5];
static_assert(noexcept(tls::const_bytes(buffer)) && noexcept(tls::mutable_bytes(buffer)));
static_assert(std::is_constructible_v<tls::const_bytes, char (&)[5]>);
static_assert(std::is_constructible_v<tls::mutable_bytes, char (&)[5]>);
