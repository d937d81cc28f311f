// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Counts system calls: the C library's functions are replaced, for BoringSSL as for the library.
//
//     calls END SIZE COUNT   writes SIZE bytes and reads them, COUNT times, in one thread over a socketpair; prints how many send and
//                            how many receive calls that took

#include "ends.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

unsigned long sends = 0;
unsigned long receives = 0;

}  // namespace

extern "C" {

ssize_t send(int to, const void* from, size_t size, int flags) {
    ++sends;
    return ::syscall(SYS_sendto, to, from, size, flags, nullptr, 0);
}
ssize_t sendmsg(int to, const msghdr* message, int flags) {
    ++sends;
    return ::syscall(SYS_sendmsg, to, message, flags);
}
ssize_t write(int to, const void* from, size_t size) {
    ++sends;
    return ::syscall(SYS_write, to, from, size);
}
ssize_t writev(int to, const iovec* parts, int count) {
    ++sends;
    return ::syscall(SYS_writev, to, parts, count);
}
ssize_t recv(int from, void* into, size_t size, int flags) {
    ++receives;
    return ::syscall(SYS_recvfrom, from, into, size, flags, nullptr, nullptr);
}
ssize_t recvmsg(int from, msghdr* message, int flags) {
    ++receives;
    return ::syscall(SYS_recvmsg, from, message, flags);
}
ssize_t read(int from, void* into, size_t size) {
    ++receives;
    return ::syscall(SYS_read, from, into, size);
}
ssize_t readv(int from, const iovec* parts, int count) {
    ++receives;
    return ::syscall(SYS_readv, from, parts, count);
}

}  // extern "C"

namespace {

template <class End>
void transfer(std::size_t size, std::size_t count) {
    const auto [client, server] = bench::connect_blocking<End>(bench::unix_pair());
    const std::vector<std::byte> from(size, std::byte{'x'});
    std::vector<std::byte> into(size);
    sends = receives = 0;
    for (std::size_t i = 0; i < count; ++i) {
        client->write(from);
        server->read(into);
    }
    std::printf("%lu %lu\n", sends, receives);
}

}  // namespace

int main(int count, char** words) {
    if (count != 4) {
        std::fputs("usage: calls END SIZE COUNT\n", stderr);
        return 2;
    }
    bench::with_end(words[1], [&]<class End>() { transfer<End>(bench::number(words[2]), bench::number(words[3])); });
}
