#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Many connections leave nothing behind: `test_soak.py --server PROGRAM --client PROGRAM [--full]`. Speaks TAP.

Connections one after another and many at once go through the Asio echo server, from a client over Asio. Each byte must come back, each
connection must close clean by both programs' account; and once they are gone, both must have as many descriptors as before, and as much
memory, which is looked at after a first round of everything, so that pools have their size:

- The client's is malloc's own account of what is in use (mallinfo2). The bound is 16 KiB, and the least that malloc gives is 32 bytes: one
  such piece kept for each connection is too much.
- The server is an example as it is, and is seen from outside: what is resident of its memory. That malloc keeps pages or gives them
  back made up to 2 MiB of difference; the bound is 3 MiB. BoringSSL's part of a connection alone is more than 3 KB, which makes 5 MB of
  the least of these numbers of connections; with --full, 140 bytes of each are too much.
"""

import argparse
import contextlib
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

LIMIT = 280  # seconds, for any one answer; Meson's own limit is above
SPARE = 100  # descriptors, beside those of the connections
HEAP_BOUND, RESIDENT_BOUND = 16 << 10, 3 << 20  # bytes


class Program:
    """A child and what the system knows of it."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(list(map(str, command)), text=True, **options)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self):
        """Bytes of memory that are the process's own: without the pages of files and libraries."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE).group(1)) << 10


class Server(Program):
    def __init__(self, program, directory):
        self.ca = directory / "ca.pem"
        self.log = directory / "server.log"
        with self.log.open("w") as log:
            super().__init__([program, "--ca-out", self.ca], stdout=log, stderr=subprocess.STDOUT)
        first = self.until(lambda: re.match(r"listening on .*:(\d+)\n", self.log.read_text(encoding="utf-8")))
        if not first:
            raise SystemExit(f"test_soak.py: the server says {self.log.read_text(encoding='utf-8')!r}")
        self.port = int(first.group(1))

    @staticmethod
    def until(condition, limit=20):
        """What the condition came to, after at most `limit` seconds."""
        deadline = time.monotonic() + limit
        while not (found := condition()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return found

    def settled(self, descriptors):
        """Whether it has that many descriptors; the last ones close a moment after their clients."""
        return self.until(lambda: self.descriptors() == descriptors)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


class Client(Program):
    def __init__(self, program, server):
        # Without malloc's per-thread cache, which counts as in use.
        environment = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
        super().__init__([program, server.port, server.ca], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def order(self, what, count=0):
        """The numbers that it answers with."""
        self.process.stdin.write(f"{what} {count}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"test_soak.py: the client ended at '{what} {count}'")
        return list(map(int, answer.split()))


class Tap:
    def __init__(self, count):
        self.number, self.failed = 0, 0
        print(f"1..{count}")

    def say(self, good, name, told=""):
        self.number += 1
        self.failed += not good
        if told:
            print(f"# {told}")
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}", flush=True)

    def skip(self, name, reason):
        self.number += 1
        print(f"ok {self.number} - {name} # SKIP {reason}", flush=True)


def round_of(tap, client, what, count, name):
    """How many bytes were sent."""
    began = time.monotonic()
    sent, same, clean = client.order(what, count)
    tap.say(sent == same and sent > 0 and clean == count, name,
            f"{count} connections, {clean} closed clean; {sent} bytes, {same} came back; {time.monotonic() - began:.1f} s")
    return sent


def soak(tap, server, client, arguments):
    """How many connections there were, and how many bytes were sent."""
    at_once, sequence = arguments.together, arguments.sequence
    with_nobody = server.descriptors()

    # Everything once, and what is big twice.
    first = [("sequence", 20), ("together", at_once), ("together", at_once)]
    sent = sum(client.order(*each)[0] for each in first)
    server.settled(with_nobody)
    before = {"descriptors": (server.descriptors(), client.descriptors()), "heap": client.order("heap")[0], "server": server.resident()}

    sent += round_of(tap, client, "sequence", sequence, "one after another: every byte comes back, every close is clean")
    sent += round_of(tap, client, "together", at_once, "all at once: every byte comes back, every close is clean")

    settled = server.settled(before["descriptors"][0])
    after = (server.descriptors(), client.descriptors())
    tap.say(settled and after == before["descriptors"], "no descriptor is left",
            f"server and client had {before['descriptors']}, have {after}")

    names = "the client's heap is back to where it was", "the server's memory is back to where it was"
    if arguments.sanitized:
        for name in names:
            tap.skip(name, "a sanitizer keeps what is freed")
    else:
        grown = client.order("heap")[0] - before["heap"], server.resident() - before["server"]
        for name, more, bound in zip(names, grown, (HEAP_BOUND, RESIDENT_BOUND)):
            tap.say(more <= bound, name, f"{more} bytes more after {sequence} + {at_once} connections")
    return sum(count for _, count in first) + sequence + at_once, sent


def server_agrees(tap, server, connections, sent):
    """The server's own account of each connection, when it has ended."""
    echoed = [int(number) for number in re.findall(r": (\d+) bytes, clean$", server.log.read_text(encoding="utf-8"), re.MULTILINE)]
    tap.say(len(echoed) == connections and sum(echoed) == sent, "the server has seen every byte and every close",
            f"{connections} connections and {sent} bytes; by the server's account {len(echoed)} clean, {sum(echoed)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, type=pathlib.Path)
    parser.add_argument("--client", required=True, type=pathlib.Path)
    parser.add_argument("--sequence", type=int, default=1000, help="how many connections one after another")
    parser.add_argument("--together", type=int, default=500, help="how many at once")
    parser.add_argument("--full", action="store_true", help="20,000 one after another and 2,000 at once")
    parser.add_argument("--sanitized", action="store_true", help="memory says nothing")
    arguments = parser.parse_args()
    if arguments.full:
        arguments.sequence, arguments.together = 20000, 2000

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    arguments.together = min(arguments.together, most - SPARE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (arguments.together + SPARE, most))
    with tempfile.TemporaryDirectory(prefix="tls-stream-") as directory, contextlib.ExitStack() as children:
        server = Server(arguments.server.resolve(), pathlib.Path(directory))
        children.callback(server.process.kill)
        client = Client(arguments.client.resolve(), server)
        children.callback(client.process.kill)
        tap = Tap(7)
        totals = soak(tap, server, client, arguments)
        client.process.stdin.close()
        statuses = client.process.wait(timeout=60), server.stop()
        tap.say(statuses == (0, 0), "both end well", f"exit status of client and server: {statuses}")
        server_agrees(tap, server, *totals)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
