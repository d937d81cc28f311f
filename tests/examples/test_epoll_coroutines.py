#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""A thousand clients of examples/epoll_coroutines, and some that misbehave: `test_epoll_coroutines.py PROGRAM`; speaks TAP."""

import asyncio
import contextlib
import os
import pathlib
import random
import re
import resource
import select
import signal
import socket
import ssl
import sys
import threading
import time

from test_examples import LIMIT, EchoServer, check, failed_with, main, python_client, run, succeeded

TESTS = []
SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(SOFT, min(HARD, 4096)), HARD))


def test(function):
    TESTS.append(function)
    return function


class Server(EchoServer):
    program = "epoll_coroutines"

    def __init__(self, *arguments, timeout=60_000):
        super().__init__("--timeout", str(timeout), *arguments)
        self.at_rest = self.descriptors()

    def descriptors(self):
        return {int(name) for name in os.listdir(f"/proc/{self.process.pid}/fd")}

    def threads(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^Threads:\s+(\d+)$", status, re.MULTILINE).group(1))

    def until_open(self, count):
        """Until it has that many connections."""
        deadline = time.monotonic() + LIMIT
        while len(self.descriptors()) != len(self.at_rest) + count:
            check(time.monotonic() < deadline, f"not {count} connections, but descriptors:", self.descriptors(), self.at_rest)
            time.sleep(0.01)

    def until_said(self, wanted):
        """Reads up to that line; what came before it."""
        before = ""
        guard = threading.Timer(LIMIT, self.process.kill)
        guard.start()
        for line in iter(self.process.stdout.readline, ""):
            if line == wanted:
                guard.cancel()
                return before
            before += line
        guard.cancel()
        raise AssertionError(f"it never says {wanted!r}, but\n{before}")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)

    def served_client(self):
        client = python_client(self.port, self.ca)
        client.sendall(b"served?")
        check(client.recv(100) == b"served?", "no echo")
        return client


def send_until_stuck(client, message):
    """How much of it goes out while nothing of the echo is read."""
    client.setblocking(False)
    sent = 0
    writable = select.poll()
    writable.register(client, select.POLLOUT)
    while sent < len(message) and writable.poll(300):
        with contextlib.suppress(ssl.SSLWantWriteError):
            sent += client.send(memoryview(message)[sent:sent + 16384])
    return sent


@test
def a_thousand_clients_at_once_in_one_thread():
    async def connect(server, context, number):
        plain = socket.socket()
        if number % 50 == 0:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", server.port))
        return await asyncio.open_connection(sock=plain, ssl=context, server_hostname="localhost")

    async def exchange(reader, writer, number):
        message = random.Random(number).randbytes(1_000_000 if number % 50 == 0 else 1 + number * 7)
        writer.write(message)
        check(await reader.readexactly(len(message)) == message, f"client {number} got something else back")
        return len(message)

    async def close(reader, writer):
        writer.close()
        await writer.wait_closed()

    async def clients(server):
        context = ssl.create_default_context(cafile=server.ca)
        streams = await asyncio.gather(*(connect(server, context, number) for number in range(1000)))
        server.until_open(1000)
        check(server.threads() == 1, "the server has", server.threads(), "threads")
        total = sum(await asyncio.gather(*(exchange(*stream, number) for number, stream in enumerate(streams))))
        server.until_open(1000)

        await asyncio.gather(*(close(*stream) for stream in streams[:500]))
        for _, writer in streams[500:750]:
            writer.transport.abort()
        await asyncio.to_thread(server.until_open, 250)
        server.process.send_signal(signal.SIGTERM)
        for reader, _ in streams[750:]:
            check(await reader.read() == b"", "more comes than was sent")
        await asyncio.gather(*(close(*stream) for stream in streams[750:]))
        return total

    with Server() as server:
        total = asyncio.run(clients(server))
        said, _ = server.process.communicate(timeout=LIMIT)
        check(server.process.returncode == 0, f"exit status {server.process.returncode}", said)
        lines = said.splitlines()
        dropped = [line for line in lines if line.endswith(": TLS read: the connection ended without the peer's close_notify")]
        check(len(dropped) == 250, f"{len(dropped)} were truncated, not 250:", said)
        check([line for line in lines if line not in dropped] ==
              ["stopping", f"1000 connections, 1000 at once, 750 closed clean, {total} bytes", "stopped"], said[-1000:])


@test
def nothing_is_left_of_closed_connections():
    with Server() as server:
        for _ in range(3):
            clients = [server.served_client() for _ in range(10)]
            mute = [server.connect() for _ in range(10)]
            server.until_open(20)
            for client in clients[:5]:
                client.unwrap().close()
            for client in clients[5:] + mute:
                client.close()
            server.until_open(0)
            check(server.descriptors() == server.at_rest, "descriptors are left:", server.descriptors(), server.at_rest)
        check("60 connections, 20 at once, 15 closed clean, 210 bytes" in server.stop(), "it counted something else")


@test
def one_that_sends_much_before_it_reads():
    """What does not fit into the sockets' buffers stays with the client: the server does not heap it up."""
    message = random.Random(1).randbytes(1 << 20) * 48
    with Server() as server, python_client(server.port, server.ca) as client:
        sent = send_until_stuck(client, message)
        check(sent < len(message), "it took everything and gave nothing back")
        received = bytearray()
        ready = select.poll()
        while len(received) < len(message):
            ready.register(client, select.POLLIN | (select.POLLOUT if sent < len(message) else 0))
            check(client.pending() or ready.poll(LIMIT * 1000), f"{len(received)} bytes came back, and no more")
            with contextlib.suppress(ssl.SSLWantWriteError):
                if sent < len(message):
                    sent += client.send(memoryview(message)[sent:sent + 16384])
            with contextlib.suppress(ssl.SSLWantReadError):
                received += client.recv(65536)
        check(received == message, "something else came back")
        client.setblocking(True)
        client.unwrap().close()
        check(f", 1 closed clean, {len(message)} bytes" in server.stop(), "the server saw something else")


@test
def who_lets_it_wait_is_thrown_out():
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()

    with Server(timeout=2000) as server, contextlib.ExitStack() as open_ones:
        mute, dripping = (open_ones.enter_context(server.connect()) for _ in range(2))
        idle = open_ones.enter_context(server.served_client())
        greedy = open_ones.enter_context(server.served_client())
        message = bytes(48 << 20)
        check(send_until_stuck(greedy, message) < len(message), "it takes everything")

        # One byte after another does not stretch the limit.
        dripping.setblocking(False)
        ended = select.poll()
        ended.register(dripping, select.POLLIN)
        for byte in hello.read():
            if ended.poll(20):
                break
            dripping.sendall(bytes([byte]))
        else:
            check(False, "it waits for as long as something comes")
        check(mute.recv(100) == b"", "something for the one that never said anything")
        check(idle.recv(100) == b"", "no clean end for the idle one")  # a ragged one would raise
        idle.unwrap().close()
        server.until_open(0)
        said = server.stop()
        for what, count in [("TLS handshake", 2), ("TLS read", 1), ("TLS write", 1)]:
            check(said.count(f": {what}: Connection timed out\n") == count, f"not {count} times {what}:", said)
        check("4 connections, 4 at once, 1 closed clean," in said, said)


@test
def one_that_speaks_no_tls_gets_an_alert():
    """More than the server reads comes with it: still no reset may erase the alert."""
    with Server() as server:
        with server.connect() as client:
            client.sendall(b"EHLO localhost\r\n" + bytes(200_000))
            client.shutdown(socket.SHUT_WR)
            answer = client.makefile("rb").read()
            check(answer[:1] == b"\x15" and len(answer) == 7, "not one alert:", answer)
        server.until_open(0)
        said = server.stop()
        check(re.match(r"127\.0\.0\.1:\d+: TLS handshake: .+\nstopping\n1 connections, 1 at once, 0 closed clean", said), said)


@test
def without_descriptors_it_waits_until_there_are_some():
    with Server() as server, contextlib.ExitStack() as open_ones:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (max(server.at_rest) + 1 + 8, HARD))
        clients = [open_ones.enter_context(server.connect()) for _ in range(12)]
        server.until_open(8)
        server.until_said("cannot accept: Too many open files\n")
        for client in clients[:6]:
            client.close()
        for client in clients[6:]:
            session = ssl.create_default_context(cafile=server.ca).wrap_socket(client, server_hostname="localhost")
            session.unwrap().close()
        server.until_open(0)
        check("12 connections, 8 at once, 6 closed clean, 0 bytes" in server.stop(), "it counted something else")


@test
def it_stops_on_a_signal_and_waits_for_nobody_for_long():
    for number in [signal.SIGINT, signal.SIGTERM]:
        with Server() as server, contextlib.ExitStack() as open_ones:
            polite, silent = (open_ones.enter_context(server.served_client()) for _ in range(2))
            mute = open_ones.enter_context(server.connect())
            server.until_open(3)
            server.process.send_signal(number)
            said = server.until_said("stopping\n")
            with contextlib.suppress(ConnectionRefusedError):
                server.connect()
                check(False, "it still accepts")
            check(polite.recv(100) == b"" and silent.recv(100) == b"", "no clean end")
            check(mute.recv(100) == b"", "no end for the one that never said anything")
            polite.unwrap().close()
            said += server.process.communicate(timeout=LIMIT)[0]
            check(server.process.returncode == 0, f"exit status {server.process.returncode}", said)
            check("3 connections, 3 at once, 1 closed clean, 14 bytes\nstopped\n" in said, said)
            check(said.count(": not clean, peer: open\n") == 2, said)  # of the mute one and the silent one


def narrow_client(server, closing):
    """One for which the server's buffers are small."""
    plain = closing.enter_context(socket.socket())
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    plain.settimeout(LIMIT)
    plain.connect(("127.0.0.1", server.port))
    context = ssl.create_default_context(cafile=server.ca)
    return closing.enter_context(context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False))


@test
def it_goes_on_sending_while_it_waits_for_more():
    """Among the sizes is one whose echo fills the server's socket and leaves the rest in its engine."""
    sizes = range(32_000, 640_000, 32_000)
    with Server() as server:
        for size in sizes:
            with contextlib.ExitStack() as closing:
                client = narrow_client(server, closing)
                message = random.Random(size).randbytes(size)
                check(send_until_stuck(client, message) == size, "it does not take so little")
                time.sleep(0.05)  # for the server to get there: only then is the test hard
                client.settimeout(LIMIT)
                received = bytearray()
                while len(received) < size:
                    received += client.recv(65536)
                check(received == message, "something else came back")
                client.unwrap().close()
        check(f" {len(sizes)} closed clean, {sum(sizes)} bytes" in server.stop(), "the server saw something else")


@test
def what_it_has_written_goes_out_before_it_closes():
    """It is stopped while it waits for room to write; no more than it drains is on its way to it."""
    message = random.Random(3).randbytes(900_000)
    with Server() as server, contextlib.ExitStack() as closing:
        client = narrow_client(server, closing)
        send_until_stuck(client, message)
        server.process.send_signal(signal.SIGTERM)
        server.until_said("stopping\n")
        client.settimeout(LIMIT)
        received = bytearray()
        while some := client.recv(65536):
            received += some
        check(received and message.startswith(received), "something else came back")
        client.unwrap().close()
        said, _ = server.process.communicate(timeout=LIMIT)
        check(server.process.returncode == 0 and re.search(r"not clean, peer: close_notify\n|, 1 closed clean, ", said), said)


@test
def wrong_arguments():
    failed_with(run("epoll_coroutines", "--timeout", "soon"), r'epoll_coroutines: "soon" is not a number of ms', 2)
    failed_with(run("epoll_coroutines", "--frobnicate"), r"epoll_coroutines: cannot make sense of --frobnicate; see --help", 2)
    check("--timeout MS " in succeeded(run("epoll_coroutines", "--help")), "no help")
    with Server() as server:
        failed_with(run("epoll_coroutines", "--port", server.port), r"epoll_coroutines: .*: Address already in use")


if __name__ == "__main__":
    sys.exit(main(TESTS))
