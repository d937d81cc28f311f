#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Does what docs/tutorial and docs/how-to say, and sees what they show: `test_tutorial.py PROGRAM...`; speaks TAP.

A block ```console on a page has lines `$ COMMAND` and below each what is printed, what is typed included. Here the system chooses the ports;
the pages say 4433.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from test_examples import LIMIT, PROGRAMS, EchoServer, check, main, python_client, run, succeeded

TESTS_DIRECTORY = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS_DIRECTORY / "peers"))
from harness import free_port, listening_port  # noqa: E402 pylint: disable=wrong-import-position

DOCS = TESTS_DIRECTORY.parent / "docs"
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Page:
    """A page's commands, each to be tried once: leaving the `with` checks that all were."""

    def __init__(self, name):
        self.name = name
        text = (DOCS / name).read_text(encoding="utf-8")
        self.scripts = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.shown = []  # [command, what it prints]
        for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            for line in block.splitlines(keepends=True):
                if line.startswith("$ "):
                    self.shown.append([line[2:-1], ""])
                else:
                    self.shown[-1][1] += line  # a block without a command goes on with the one before

    def shows(self, command):
        """What the page shows below the next of these commands."""
        for number, (given, output) in enumerate(self.shown):
            if given == command:
                del self.shown[number]
                return output
        raise AssertionError(f"{self.name} has no more '$ {command}'")

    def execute(self, directory):
        """The scripts, but for compiling, which Meson has done; the commands for that must be the usual one."""
        lines = "".join(self.scripts).replace("\\\n", " ").splitlines(keepends=True)
        for line in lines:
            if line.startswith("g++ "):
                name = line.split()[2].removesuffix(".cpp")
                check(line == f"g++ -std=c++20 {name}.cpp -o {name} $(pkg-config --cflags --libs tls-stream)\n" and
                      name in PROGRAMS, f"{self.name}: cannot compile like this:", line)
        wanted = "".join(line for line in lines if not line.startswith("g++ "))
        done = subprocess.run(["bash", "-euc", wanted], cwd=directory, capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"{self.name}: this does not work:", wanted, done.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        check(kind or not self.shown, f"{self.name}: nobody has tried", *(command for command, _ in self.shown))


class Program:
    """One that runs in the learner's directory, as on a terminal: `screen` has what it prints and what is typed."""

    def __init__(self, directory, *command):
        self.name = command[0]
        self.screen = ""
        self.ended = False
        self.news = threading.Condition()
        program = os.path.abspath(PROGRAMS[self.name]) if self.name in PROGRAMS else self.name
        self.process = subprocess.Popen([program, *map(str, command[1:])], cwd=directory,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while some := os.read(self.process.stdout.fileno(), 65536):
            with self.news:
                self.screen += some.decode()
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def until(self, wanted, count=1):
        """Waits until it has said this, so often."""
        with self.news:
            self.news.wait_for(lambda: self.screen.count(wanted) >= count or self.ended, LIMIT)
            check(self.screen.count(wanted) >= count, f"{self.name} never says {wanted!r}, but", self.screen[-3000:])

    def types(self, text):
        with self.news:
            self.screen += text
        self.feed(text)

    def feed(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end_of_input(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        """All that was on the screen when it had ended."""
        self.end_of_input()
        self.process.wait(LIMIT)
        self.reader.join()
        self.process.stdout.close()
        return self.screen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        if self.reader.is_alive():
            self.finish()


class Server(Program):
    """One of the tutorial's; the system chooses its port."""

    def __init__(self, directory, name):
        super().__init__(directory, name, 0)
        self.until("\n")
        match = re.fullmatch(r"listening on port (\d+)\n", self.screen)
        check(match, f"{name} says", self.screen)
        self.port = int(match.group(1))
        self.screen = "listening on port 4433\n"  # as it would with the usual port


def same(found, page):
    check(found == page, "the page shows", page, "and there was", found)


@contextlib.contextmanager
def words():
    """The learner's directory, as chapters 1 and 2 make it."""
    with tempfile.TemporaryDirectory() as parent:
        Page("tutorial/1-client.md").execute(parent)
        directory = pathlib.Path(parent) / "words"
        Page("tutorial/2-server.md").execute(directory)
        yield directory


# --- The tutorial ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def openssl_server(directory, command):
    """`openssl s_server`, which cannot let the system choose its port. Another program may take the port first: then once more."""
    for _ in range(10):
        port = free_port()
        with Program(directory, *shlex.split(command.replace("4433", str(port)))) as server:
            deadline = time.monotonic() + LIMIT
            while not server.ended and listening_port(server.process.pid) != port:
                check(time.monotonic() < deadline, "it does not listen:", server.screen)
                time.sleep(0.01)
            if not server.ended:
                yield server, port
                return
            check("in use" in server.screen, server.screen)
    raise AssertionError("no port for openssl s_server")


@test
def chapter_1_a_clean_end_and_a_server_that_is_killed():
    serving = "openssl s_server -accept 4433 -cert server.pem -key server.key -brief"
    with words() as directory, Page("tutorial/1-client.md") as page:
        page.shows(serving)
        for end in [Program.end_of_input, lambda server: server.signal(signal.SIGINT)]:
            with openssl_server(directory, serving) as (server, port), Program(directory, "tutorial_1_client", port) as client:
                server.until("Ciphersuite: ")
                server.types("Good morning.\n")
                client.until("Good morning.\n")
                end(server)
                same(client.finish(), page.shows("./tutorial_1_client"))
                check(client.process.returncode == ("complete" not in client.screen), "the exit status is", client.process.returncode)
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            with Program(directory, "tutorial_1_client", port) as client:
                said = client.finish().replace(f":{port}", ":4433").replace("tried [::1]", "tried 127.0.0.1")
                same(said, page.shows("./tutorial_1_client"))


@test
def chapter_2_half_close_and_a_client_that_is_killed():
    with words() as directory, Page("tutorial/2-server.md") as page, Server(directory, "tutorial_2_server") as server:
        with Program(directory, "tutorial_2_client", server.port) as client:
            client.feed((directory / "text.txt").read_text())
            same(client.finish(), page.shows("./tutorial_2_client < text.txt"))
        with Program(directory, "tutorial_2_client", server.port) as client:
            client.until("Words, please.\n")
            client.types("one two\n")
            client.signal(signal.SIGINT)
            client.finish()
        server.until("client 2: ")
        server.signal(signal.SIGINT)
        same(server.finish(), page.shows("./tutorial_2_server"))


@test
def chapter_3_who_closes_in_haste_loses_and_close_does_not():
    with words() as directory, Page("tutorial/3-closing.md") as page, Server(directory, "tutorial_2_server") as server:
        page.execute(directory)
        served = 0

        def visit(way):
            nonlocal served
            served += 1
            with Program(directory, "tutorial_3_client", way, server.port) as client:
                said = client.finish()
            server.until(f"client {served}: ")
            server.until("\n", served + 1)
            return said, server.screen.splitlines(keepends=True)[served].replace(f"client {served}:", "client 1:")

        # How much arrives is a race between the two, which haste loses nearly always.
        shown, shown_by_server = page.shows("./tutorial_3_client hasty"), page.shows("./tutorial_2_server")
        for _ in range(40):
            said, told = visit("hasty")
            same(said, shown)
            if shown_by_server == "listening on port 4433\n" + told:
                break
        else:
            raise AssertionError("nothing was lost in 40 attempts, and the server never says\n" + shown_by_server)

        counts = "363637 lines, 727274 words, 4000007 bytes"
        check(counts in (DOCS / page.name).read_text(encoding="utf-8"), "the page has other numbers")
        for way, times in [("close", 20), ("read", 3)]:
            shown = page.shows(f"./tutorial_3_client {way}")
            for _ in range(times):
                said, told = visit(way)
                same(said, shown)
                check(told == f"client 1: {counts}\n", "something was lost:", told)


@test
def chapter_4_slow_clients_hold_nobody_up_for_long():
    with words() as directory, Page("tutorial/4-deadlines.md") as page, Server(directory, "tutorial_4_server") as server:
        page.execute(directory)
        with Program(directory, "tutorial_2_client", server.port) as silent:
            silent.until("Words, please.\n")
            with Program(directory, "tutorial_2_client", server.port) as waiting:
                waiting.feed((directory / "text.txt").read_text())
                same(waiting.finish(), Page("tutorial/2-server.md").shows("./tutorial_2_client < text.txt"))
        with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT):
            server.until("client 3: ")
        server.until("\n", 4)
        server.signal(signal.SIGINT)
        same(server.finish(), page.shows("./tutorial_4_server"))


@test
def chapter_5_both_directions_and_many_clients():
    with words() as directory, Page("tutorial/5-many-clients.md") as page, Server(directory, "tutorial_5_server") as server:
        page.execute(directory)
        with Program(directory, "tutorial_5_client", server.port) as client:
            client.feed((directory / "text.txt").read_text())
            same(client.finish(), page.shows("./tutorial_5_client < text.txt"))
        lines = 100_000
        with Program(directory, "tutorial_5_client", server.port) as client:
            client.feed("some words\n" * lines)
            same(client.finish(), "Words, please.\n" + "2\n" * lines +
                 f"{lines} lines, {2 * lines} words, {11 * lines} bytes\n-- complete\n")
        with contextlib.ExitStack() as running:
            clients = [running.enter_context(Program(directory, "tutorial_5_client", server.port)) for _ in range(3)]
            for words_in_line, client in enumerate(clients[1:], 1):
                client.until("Words, please.\n")
                client.types("word " * words_in_line + "\n")
                client.until(f"\n{words_in_line}\n")
            clients[0].until("Words, please.\n")
            server.signal(signal.SIGINT)
            shown = page.shows("./tutorial_5_client")
            end = shown.splitlines(keepends=True)[-1]
            for client in clients:
                client.until(end)  # before its input ends: what it would send then is answered by a reset
            same(clients[0].finish(), shown)
            for client in clients[1:]:
                check(client.finish().endswith(end), client.screen)


@test
def chapter_6_a_graceful_stop():
    with words() as directory, Page("tutorial/6-graceful-stop.md") as page, Server(directory, "tutorial_6_server") as server:
        page.execute(directory)
        with contextlib.ExitStack() as running:
            clients = []
            for _ in range(2):
                client = running.enter_context(Program(directory, "tutorial_5_client", server.port))
                client.until("Words, please.\n")
                client.types("a b c\n")
                client.until("3\n")
                clients.append(client)
            same(clients[0].screen, page.shows("./tutorial_5_client"))
            page.shows("pkill -TERM tutorial_6")
            server.signal(signal.SIGTERM)
            server.until("stopping\n")
            clients[0].feed("d e\n")
            clients[0].end_of_input()
            clients[1].until("-- complete\n")
            same(clients[1].finish(), page.shows("./tutorial_5_client"))
            check(clients[0].finish().endswith("2\n2 lines, 5 words, 10 bytes\n-- complete\n"), clients[0].screen)
        same(server.finish(), page.shows("./tutorial_6_server"))
        check(server.process.returncode == 0, "the exit status is", server.process.returncode)


def ask_until_the_end(port, ca, into):
    """Sends a line and waits for the answer, again and again, until the server ends the connection."""
    with python_client(port, ca) as client:
        said = client.makefile("r", encoding="ascii", newline="\n")
        check(said.readline() == "Words, please.\n", "no greeting")
        while True:
            client.sendall(b"line %d\n" % into["lines"])
            into["bytes"] += len(b"line %d\n" % into["lines"])
            into["lines"] += 1
            answer = said.readline()
            if answer != "2\n":
                break
            into["answers"] += 1
        into["last"] = answer
        check(said.readline() == "", "the last line is not the last")  # the clean end: another one would raise
        client.unwrap()


@test
def chapter_6_under_load_every_byte_is_accounted_for():
    half = 2000
    with words() as directory, Server(directory, "tutorial_6_server") as server, contextlib.ExitStack() as running:
        finishing = [running.enter_context(Program(directory, "tutorial_5_client", server.port)) for _ in range(4)]
        for client in finishing:
            client.feed("some words\n" * half)
            client.until("\n2\n")  # it is being served
        busy = [{"lines": 0, "bytes": 0, "answers": 0, "last": None} for _ in range(3)]
        asking = [threading.Thread(target=ask_until_the_end, args=(server.port, directory / "ca.pem", one)) for one in busy]
        for thread in asking:
            thread.start()
        for one in busy:
            deadline = time.monotonic() + LIMIT
            while one["answers"] < 10:
                check(time.monotonic() < deadline, "a client is not served:", one)
                time.sleep(0.01)

        server.signal(signal.SIGTERM)
        server.until("stopping\n")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT).close()
            raise AssertionError("it still accepts")
        except ConnectionError:
            pass
        for client in finishing:
            client.feed("more words\n" * half)
            client.end_of_input()
        total = f"{2 * half} lines, {4 * half} words, {22 * half} bytes"
        for client in finishing:
            same(client.finish(), "Words, please.\n" + "2\n" * 2 * half + f"{total}\n-- complete\n")
        for thread in asking:
            thread.join()
        told = server.finish()
        check(server.process.returncode == 0 and told.endswith("stopped: 4 finished, 3 not\n"), told)
        check(len(re.findall(rf"^client \d+: {total}$", told, re.MULTILINE)) == len(finishing), told)

        # Of the others the server has answered each line that it has counted, and says what it has thrown away.
        accounts = re.findall(r"^client \d+: (not finished: (\d+) lines, \d+ words, (\d+) bytes)(?:; (\d+) bytes thrown away, "
                              r"the client's end: close_notify)?$", told, re.MULTILINE)
        check(len(accounts) == len(busy), told)
        for one in busy:
            mine = [account for account in accounts if account[0] + "\n" == one["last"]]
            check(mine, "the client and the server do not say the same:", one, told)
            check(any(int(lines) == one["answers"] and int(counted) + int(lost or 0) == one["bytes"]
                      for _, lines, counted, lost in mine), "bytes are missing:", one, told)


# --- How-to pages ----------------------------------------------------------------------------------------------------


@test
def own_authorities():
    with words() as directory, Page("how-to/own-authorities.md") as page:
        page.execute(directory)
        with Program(directory, "howto_certificates") as program:
            same(program.finish(), page.shows("./howto_certificates"))


@test
def plain_text():
    same(succeeded(run("howto_plain_text")), "after STARTTLS: a secret\nafter TLS: You said in the open: that was it\n"
         "through a proxy: nobody on the way has read this, closed clean\n")


@test
def own_socket():
    with Page("how-to/own-socket.md") as page:
        same(succeeded(run("howto_own_socket")), page.shows("./howto_own_socket"))


@test
def failed_handshake():
    with Page("how-to/failed-handshake.md") as page:
        same(succeeded(run("howto_failures")), page.shows("./howto_failures"))


def curl_version():
    try:
        curl = ctypes.CDLL("libcurl.so.4")
    except OSError:
        return ""
    curl.curl_version.restype = ctypes.c_char_p
    return curl.curl_version().decode()


@test
def two_libraries():
    with Page("how-to/two-libraries.md") as page:
        for option, right in [("", True), ("--mixed ", False)]:
            said = succeeded(run("howto_two_libraries", *shlex.split(option), "libcurl.so.4"))
            first, second = said.splitlines()
            check((first == f"libcurl says: {curl_version()}") == right, said, curl_version())
            check(re.fullmatch(r"tls-stream has a ClientHello of \d+ bytes", second), said)
            shown = page.shows(f"./howto_two_libraries {option}libcurl.so.4")
            check(re.sub(r"[\d.]+", "N", first).startswith(re.sub(r"[\d.]+", "N", shown.strip())), "the page shows", shown, said)


def links_shared(name):
    """Whether BoringSSL is a shared library there: a static one is apart by itself."""
    return "libcrypto" in subprocess.run(["ldd", PROGRAMS[name]], capture_output=True, text=True, check=False).stdout


two_libraries.missing = [why for why, there in [
    ("howto_two_libraries with a shared BoringSSL", "howto_two_libraries" in PROGRAMS and links_shared("howto_two_libraries")),
    ("libcurl.so.4 with OpenSSL", " OpenSSL/" in curl_version())] if not there]


def may_not_capture():
    with tempfile.TemporaryDirectory() as directory, contextlib.suppress(FileNotFoundError):
        probe = subprocess.run(["dumpcap", "-q", "-i", "lo", "-a", "duration:1", "-f", "port 1", "-w", f"{directory}/probe"],
                               capture_output=True, check=False)
        subprocess.run(["tshark", "--version"], capture_output=True, check=True)
        return [] if probe.returncode == 0 else ["right to capture"]
    return ["tshark"]


class Recording:
    """What crosses a port. Packets are written in their order, so that a mark of ours is behind all that came before."""

    def __init__(self, directory, port):
        self.file, self.port = pathlib.Path(directory) / "recorded.pcapng", port
        self.program = Program(directory, "dumpcap", "-q", "-i", "lo", "-B", "32", "-f", f"port {port}", "-w", self.file)

    def mark(self, text):
        deadline = time.monotonic() + LIMIT
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self.file.exists() or text not in self.file.read_bytes():
                check(time.monotonic() < deadline, "nothing is captured:", self.program.screen)
                sender.sendto(text, ("127.0.0.1", self.port))
                time.sleep(0.02)

    def __enter__(self):
        self.mark(b"the recording begins")
        return self

    def __exit__(self, *_):
        self.mark(b"the recording ends")
        self.program.signal(signal.SIGINT)
        self.program.finish()


@test
def wireshark():
    commands = [script for script in Page("how-to/wireshark.md").scripts if script.startswith("tshark ")]
    with EchoServer() as server:
        directory = server.directory.name
        with Recording(directory, server.port):
            succeeded(run("inspect", "localhost", server.port, "--ca", server.ca, "--echo", "--keylog", f"{directory}/keys.txt"))
        check(len(commands) == 1 and "40000" in commands[0], "the page has another command")
        done = subprocess.run(["bash", "-euc", commands[0].replace("40000", str(server.port))], cwd=directory, text=True,
                              capture_output=True, check=False)
        check(done.returncode == 0, done.stderr)
        seen = re.findall(r"Description: Close Notify|\d+ → \d+ \[FIN|RST", done.stdout)
        check(len(seen) == 4 and len(set(seen)) == 3 and seen[0] == "Description: Close Notify" and "RST" not in seen, done.stdout)


wireshark.missing = ([] if "inspect" in PROGRAMS else ["inspect"]) + may_not_capture()


if __name__ == "__main__":
    sys.exit(main(TESTS))
