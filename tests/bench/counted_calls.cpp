// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

#include "counted_calls.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

using bench::counted;

extern "C" {

ssize_t send(int to, const void* from, size_t size, int flags) {
    ++counted.sends;
    return ::syscall(SYS_sendto, to, from, size, flags, nullptr, 0);
}
ssize_t sendmsg(int to, const msghdr* message, int flags) {
    ++counted.sends;
    return ::syscall(SYS_sendmsg, to, message, flags);
}
ssize_t write(int to, const void* from, size_t size) {
    ++counted.sends;
    return ::syscall(SYS_write, to, from, size);
}
ssize_t writev(int to, const iovec* parts, int count) {
    ++counted.sends;
    return ::syscall(SYS_writev, to, parts, count);
}
ssize_t recv(int from, void* into, size_t size, int flags) {
    ++counted.receives;
    return ::syscall(SYS_recvfrom, from, into, size, flags, nullptr, nullptr);
}
ssize_t recvmsg(int from, msghdr* message, int flags) {
    ++counted.receives;
    return ::syscall(SYS_recvmsg, from, message, flags);
}
ssize_t read(int from, void* into, size_t size) {
    ++counted.receives;
    return ::syscall(SYS_read, from, into, size);
}
ssize_t readv(int from, const iovec* parts, int count) {
    ++counted.receives;
    return ::syscall(SYS_readv, from, parts, count);
}
int epoll_wait(int on, epoll_event* events, int count, int timeout) {
    ++counted.waits;
    return static_cast<int>(::syscall(SYS_epoll_pwait, on, events, count, timeout, nullptr, 0));
}
int epoll_ctl(int on, int what, int descriptor, epoll_event* event) noexcept {
    ++counted.waits;
    return static_cast<int>(::syscall(SYS_epoll_ctl, on, what, descriptor, event));
}
int poll(pollfd* on, nfds_t count, int timeout) {
    ++counted.waits;
    const timespec limit{timeout / 1000, timeout % 1000 * 1'000'000L};
    return static_cast<int>(::syscall(SYS_ppoll, on, count, timeout < 0 ? nullptr : &limit, nullptr, 0));
}

}  // extern "C"
