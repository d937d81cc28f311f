// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Reading files that hold certificates and keys, and taking PEM text apart (RFC 7468). Whatever lies at a path, the answer
// is bytes or an error that names the path: never a hang, never a part of it.

#ifndef TLS_STREAM_TLS_DETAIL_PEM_FILE_HPP
#define TLS_STREAM_TLS_DETAIL_PEM_FILE_HPP

#include <tls/detail/boringssl.hpp>
#include <tls/detail/failure.hpp>
#include <tls/detail/printable.hpp>
#include <tls/detail/queued_failure.hpp>
#include <tls/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tls {
inline namespace v0 {
namespace detail {

// What input is called in messages, and which error it is when it is wrong.
struct input_source {
    std::string name;
    errc kind;

    // A failure of this input, with BoringSSL's queue as its details. Memory that ran out keeps its own code.
    [[nodiscard]] failure wrong(std::string_view what) const {
        const auto packed = static_cast<std::uint32_t>(::ERR_peek_error());
        const bool no_memory = packed != 0 && ERR_GET_REASON(packed) == ERR_R_MALLOC_FAILURE;
        return queued_failure(no_memory ? std::make_error_code(std::errc::not_enough_memory) : make_error_code(kind),
                              name + ": " + std::string(what));
    }
};

[[nodiscard]] inline input_source file_source(const std::filesystem::path& path, errc kind) {
    return {printable_utf8(path.native()), kind};
}

[[nodiscard]] inline std::string_view as_text(std::span<const std::uint8_t> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline std::string_view contents(const BIO* memory) noexcept {
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    if (memory == nullptr || ::BIO_mem_contents(memory, &data, &size) != 1) return {};
    return as_text({data, size});
}

// A file's bytes, in memory that BoringSSL wipes when it frees it, and which file that was behind all links.
struct file_contents {
    bssl::UniquePtr<BIO> memory;
    dev_t device{};
    ino_t inode{};

    [[nodiscard]] std::string_view text() const noexcept { return contents(memory.get()); }
};

inline constexpr std::size_t largest_file = std::size_t{16} << 20;

// Reads a regular file whole. Failures: what open(2) and read(2) report, in the generic category; std::errc::is_a_directory;
// `source.kind` for a FIFO, device or socket and for a file over 16 MiB.
[[nodiscard]] inline file_contents read_file(const std::filesystem::path& path, const input_source& source, failure& why) {
    const auto failed = [&](int number) -> file_contents {
        why = {std::error_code(number, std::generic_category()), source.name, {}};
        return {};
    };
    const auto refused = [&](std::string_view what) -> file_contents {
        why = source.wrong(what);
        return {};
    };

    struct opened_file {
        int value;
        explicit opened_file(int opened) noexcept : value(opened) {}
        ~opened_file() {
            if (value >= 0) ::close(value);
        }
        opened_file(const opened_file&) = delete;
        opened_file& operator=(const opened_file&) = delete;
    };

    if (path.native().find('\0') != std::string::npos) return failed(EINVAL);
    const opened_file file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (file.value < 0) return errno == ENXIO ? refused("is not a regular file") : failed(errno);  // a socket is ENXIO
    struct stat status{};
    if (::fstat(file.value, &status) != 0) return failed(errno);
    if (S_ISDIR(status.st_mode)) return failed(EISDIR);
    if (!S_ISREG(status.st_mode)) return refused("is not a regular file");

    file_contents read{bssl::UniquePtr<BIO>(::BIO_new(::BIO_s_mem())), status.st_dev, status.st_ino};
    if (!read.memory) return refused("cannot be read");
    std::array<char, 16384> chunk;
    struct wipe {
        std::span<char> bytes;
        ~wipe() { ::OPENSSL_cleanse(bytes.data(), bytes.size()); }
    } const wiped{chunk};
    for (std::size_t size = 0;;) {
        const ::ssize_t count = ::read(file.value, chunk.data(), chunk.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(errno);
        if (count == 0) return read;
        size += static_cast<std::size_t>(count);
        if (size > largest_file) return refused("is larger than 16 MiB");
        if (::BIO_write(read.memory.get(), chunk.data(), static_cast<int>(count)) != count) return refused("cannot be read");
    }
}

// One block of a PEM text.
struct pem_block {
    std::string_view label;             // what stands after BEGIN
    bool encrypted;                     // it has headers (RFC 1421), which certificates and PKCS#8 never have
    std::span<const std::uint8_t> der;  // decoded
};

// A read-only BIO over PEM text, which must outlive it. A byte order mark is left out. Null if there is no memory, or for
// text larger than an int can count, which is all that older BIO_new_mem_buf take.
[[nodiscard]] inline bssl::UniquePtr<BIO> pem_reader(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (text.size() > std::size_t{(std::numeric_limits<int>::max)()}) return nullptr;
    return bssl::UniquePtr<BIO>(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Runs `visit(const pem_block&) -> bool` for each block, until it returns false; what stands between blocks is skipped
// (PEM_read_bio). Returns false, and fills in `why`, if a block has no end or is not base64.
template <class Visit>
bool read_pem(std::string_view text, const input_source& source, failure& why, Visit&& visit) {
    const auto reader = pem_reader(text);
    while (reader) {
        char* label = nullptr;
        char* header = nullptr;
        unsigned char* data = nullptr;
        long size = 0;
        if (::PEM_read_bio(reader.get(), &label, &header, &data, &size) != 1) {
            const auto packed = static_cast<std::uint32_t>(::ERR_peek_last_error());
            if (ERR_GET_LIB(packed) == ERR_LIB_PEM && ERR_GET_REASON(packed) == PEM_R_NO_START_LINE) {
                clear_error_queue();
                return true;
            }
            break;
        }
        const bssl::UniquePtr<char> owned_label(label);
        const bssl::UniquePtr<char> owned_header(header);
        const bssl::UniquePtr<std::uint8_t> owned_data(data);
        if (!visit(pem_block{label, *header != '\0', {data, static_cast<std::size_t>(size)}})) return true;
    }
    why = source.wrong("malformed PEM");
    return false;
}

}  // namespace detail
}  // namespace v0
}  // namespace tls

#endif
