#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Runs the examples as a user would, and reads what they say: `test_examples.py PROGRAM...`; speaks TAP."""

import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import traceback

LIMIT = 60  # seconds, for what should take one
PROGRAMS = {pathlib.Path(path).name: path for path in sys.argv[1:]}
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def run(name, *arguments, **environment):
    return subprocess.run([PROGRAMS[name], *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **environment})


def check(condition, *told):
    if not condition:
        raise AssertionError("\n".join(map(str, told)))


def succeeded(done):
    check(done.returncode == 0 and done.stderr == "", f"exit status {done.returncode}", done.stderr, done.stdout)
    return done.stdout


def failed_with(done, pattern, status=1):
    """One clear line, and nothing else."""
    check(done.returncode == status, f"exit status {done.returncode}, not {status}", done.stderr)
    check(done.stdout == "", "it printed something beside the error:", done.stdout)
    check(re.fullmatch(pattern + r"\n", done.stderr) and done.stderr.count("\n") == 1, f"not /{pattern}/:", done.stderr)


class EchoServer:
    """examples/echo_server, with its own authority in .ca."""

    program = "echo_server"

    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory()
        self.ca = str(pathlib.Path(self.directory.name) / "ca.pem")
        self.process = subprocess.Popen([PROGRAMS[self.program], "--ca-out", self.ca, *arguments], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        first = self.process.stdout.readline()
        match = re.fullmatch(r"listening on (.+):(\d+)\n", first)
        check(match, "the server says", first)
        self.port = int(match.group(2))

    def stop(self, number=signal.SIGINT):
        """What it said since, once it has stopped by itself."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=LIMIT)
        check(self.process.returncode == 0, f"the server's exit status is {self.process.returncode}", said)
        check(said.endswith("\nstopped\n") or said == "stopping\nstopped\n", "the server did not stop cleanly:", said)
        return said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.directory.cleanup()


@contextlib.contextmanager
def listener(serve):
    """A TCP server on loopback that hands its first connection to `serve`; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(LIMIT)

        def accept():
            with contextlib.suppress(OSError):  # what went wrong shows at the client
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(LIMIT)
                    serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join()


def python_client(port, ca):
    context = ssl.create_default_context(cafile=ca)
    plain = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)


def timeline(output):
    """[(microseconds, "client" or "server", arrow, text)] of inspect's account of what crossed the wire."""
    rows = re.findall(r"^ *([\d,]+)  ( {44})?(-->|<--|   ) (.+)$", output, re.MULTILINE)
    return [(int(time.replace(",", "")), "server" if right else "client", arrow, text) for time, right, arrow, text in rows]


def moments(rows, end, way):
    """When the direction's last data, close_notify and FIN passed this end: exactly one of each."""
    found = []
    for what in ["last data", "close_notify", "FIN"]:
        times = [time for time, at, _, text in rows if at == end and text.startswith(f"{what} {way}")]
        check(len(times) == 1, f"{end}: {len(times)} times '{what} {way}' in", *rows)
        found += times
    return found


def ordered(rows, end, way):
    found = moments(rows, end, way)
    texts = [text for _, at, _, text in rows if at == end and f" {way}" in text]
    check(found == sorted(found), f"{end}: what was {way} is not in order:", *rows)
    check([text.split(f" {way}")[0] for text in texts][-3:] == ["last data", "close_notify", "FIN"],
          f"{end}: something comes after close_notify or between:", *rows)
    return found


@test
def inspect_alone():
    output = succeeded(run("inspect"))
    for pattern in [r"^Connected to localhost port \d+ \(127\.0\.0\.1:\d+\)$", r"^  version +TLSv1\.3$",
                    r"^  cipher +TLS_\w+, TLSv1\.3, (128|256) bits$", r"^  group +\w+$", r"^  ALPN +demo$",
                    r"^  compression +none$", r"^  subject +CN=Demo Server$", r"^  subject +CN=Demo Issuing Authority$",
                    r"^  DNS names +localhost$", r"^  sent +1,048,576 bytes$", r"^  received +1,048,576 bytes, the same$",
                    r"^  TLS_AES_128_GCM_SHA256 +TLSv1\.3 +128   offered +shared",
                    r"^  close_notify_sent +yes +yes +yes$", r"^  transport_shut_down +yes +yes +yes$",
                    r"^  peer +close_notify +close_notify +close_notify$", r"^  discarded +0 bytes +0 bytes +0 bytes$",
                    r"^  clean\(\) +yes +yes +yes$"]:
        check(re.search(pattern, output, re.MULTILINE), f"not there: /{pattern}/", output)
    check(len(re.findall(r" in use$", output, re.MULTILINE)) == 1, "not one cipher is in use:", output)
    for line in output.splitlines():
        check(len(line) <= 100 and line == line.rstrip(), "a line is too long, or ends in spaces:", repr(line))


@test
def inspect_alone_tells_the_order_on_the_wire():
    rows = timeline(succeeded(run("inspect")))
    for there, back in [("client", "server"), ("server", "client")]:
        sent = ordered(rows, there, "sent")
        received = ordered(rows, back, "received")
        check(all(a <= b for a, b in zip(sent, received)), "something arrives before it is sent:", *rows)
    for sender, receiver, messages in [("client", "server", ["client_hello", "finished"]),
                                       ("server", "client", ["server_hello", "encrypted_extensions", "certificate", "certificate_verify",
                                                             "finished", "new_session_ticket"])]:
        times = []
        for message in messages:
            sent, received = ([time for time, at, _, text in rows if at == end and text.startswith(f"{message} {way}")]
                              for end, way in [(sender, "sent"), (receiver, "received")])
            check(sent and len(sent) == len(received), f"{message} did not pass:", *rows)
            check(all(a <= b for a, b in zip(sent, received)), f"{message} arrives before it is sent:", *rows)
            times += sent
        check(times == sorted(times), "the handshake is in another order:", *rows)
    check(all((arrow == "-->") == ((at == "client") == (" sent" in text)) for _, at, arrow, text in rows if arrow.strip()),
          "an arrow points to the wrong side:", *rows)


@test
def inspect_tells_all_of_it_as_json():
    with tempfile.TemporaryDirectory() as directory:
        secrets = pathlib.Path(directory) / "keys"
        report = json.loads(succeeded(run("inspect", "--json", "--keylog", secrets)))
        check(report["session"]["version"] == "TLSv1.3" and report["session"]["alpn"] == "demo", report["session"])
        check([one["subject"] for one in report["session"]["chain"]] == ["CN=Demo Server", "CN=Demo Issuing Authority"],
              report["session"]["chain"])
        check(report["session"]["cipher"] in report["session"]["offered_ciphers"], report["session"])
        check([end["clean"] for end in report["closing"].values()] == [True] * 3, report["closing"])
        rows = [(row["what"], row.get("way")) for row in report["timeline"] if row["end"] == "client"]
        check(rows.index(("close_notify", "sent")) < rows.index(("FIN", "sent")), *rows)
        check(rows.index(("client_hello", "sent")) < rows.index(("server_hello", "received")), *rows)
        labels = {line.split(" ")[0] for line in secrets.read_text(encoding="ascii").splitlines()}
        check({"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels, labels)
        check(secrets.stat().st_mode & 0o077 == 0, "others may read the secrets")
    failed_with(run("inspect", "--keylog", "/no/such/directory/keys"),
                r"inspect: key log /no/such/directory/keys: No such file or directory")


@test
def inspect_an_echo_server():
    with EchoServer() as server:
        output = succeeded(run("inspect", "localhost", server.port, "--ca", server.ca, "--echo"))
        check("received        1,048,576 bytes, the same" in output, output)
        check("its own list never crosses the wire" in output, output)
        rows = timeline(output)
        ordered(rows, "client", "sent")
        ordered(rows, "client", "received")
        check(all(at == "client" for _, at, _, _ in rows), "it knows what it cannot know:", *rows)
        check(re.search(r"^  clean\(\) +yes +yes$", output, re.MULTILINE), output)
        check("1048576 bytes, clean" in server.stop(), "the server saw something else")


@test
def inspect_asks_for_a_page_and_gives_up_waiting():
    with EchoServer() as server:
        output = succeeded(run("inspect", "--timeout", 1000, "--ca", server.ca, "127.0.0.1", server.port))
        check("begins          GET / HTTP/1.1\n" in output and "nothing more in time" in output, output)
        check(re.search(r"^  clean\(\) +yes +yes$", output, re.MULTILINE), output)


@test
def inspect_tells_truncation():
    """Between the two sits one that keeps close_notify to itself: the only TLS 1.3 records here with a body of 19 bytes."""
    with EchoServer() as server:

        def swallow_close_notify(client):
            with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT) as upstream:
                held = {client: b"", upstream: b""}
                while held:  # an end is passed on as an end: closing at once could make it a reset
                    for ready in select.select(list(held), [], [], LIMIT)[0]:
                        other = upstream if ready is client else client
                        some = ready.recv(65536)
                        if not some:
                            del held[ready]
                            with contextlib.suppress(OSError):
                                other.shutdown(socket.SHUT_WR)
                            continue
                        held[ready] += some
                        while len(held[ready]) >= 5 and len(held[ready]) >= (size := 5 + int.from_bytes(held[ready][3:5], "big")):
                            record, held[ready] = held[ready][:size], held[ready][size:]
                            if size != 5 + 19:
                                other.sendall(record)

        with listener(swallow_close_notify) as port:
            output = succeeded(run("inspect", "localhost", port, "--ca", server.ca, "--echo"))
        check("close_notify sent" in output and "close_notify received" not in output, output)
        check(re.search(r"^  peer +truncated +truncated$", output, re.MULTILINE), output)
        check(re.search(r"^  clean\(\) +no +no$", output, re.MULTILINE), output)
        check("without the peer's close_notify" in server.stop(), "the server took the end for a clean one")


@test
def inspect_a_bad_name():
    with EchoServer("--address", "127.0.0.2") as server:  # the certificate says 127.0.0.1
        failed_with(run("inspect", "127.0.0.2", server.port, "--ca", server.ca),
                    r"inspect: the certificate of 127\.0\.0\.2 port \d+ \(.*\) was refused: IP address mismatch, depth 0, .+127\.0\.0\.1.*")


@test
def inspect_an_untrusted_certificate():
    with EchoServer() as server, EchoServer() as other:
        line = r"inspect: the certificate of localhost port \d+ \(.*\) was refused: unable to get local issuer certificate, .+"
        failed_with(run("inspect", "localhost", server.port, SSL_CERT_FILE=other.ca, SSL_CERT_DIR=""), line)
        failed_with(run("inspect", "localhost", server.port, "--ca", other.ca), line)
        succeeded(run("inspect", "localhost", server.port, "--echo", SSL_CERT_FILE=server.ca, SSL_CERT_DIR=""))


@test
def inspect_a_port_where_nobody_listens():
    with EchoServer() as server, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        failed_with(run("inspect", "127.0.0.1", bound.getsockname()[1], "--ca", server.ca),
                    r"inspect: cannot connect to 127\.0\.0\.1:\d+.*: Connection refused")


@test
def inspect_a_server_that_says_nothing():
    with EchoServer() as server, listener(lambda connection: connection.makefile("rb").read()) as port:
        failed_with(run("inspect", "--timeout", 300, "localhost", port, "--ca", server.ca),
                    r"inspect: TLS handshake with localhost port \d+ \(.*\): Connection timed out")


@test
def inspect_a_server_that_speaks_no_tls():
    def serve(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.makefile("rb").read()

    with EchoServer() as server, listener(serve) as port:
        failed_with(run("inspect", "localhost", port, "--ca", server.ca), r"inspect: TLS handshake with localhost port .+")


@test
def inspect_a_host_that_does_not_exist():
    with EchoServer() as server:
        failed_with(run("inspect", "--timeout", 10000, "--ca", server.ca, "no-such-host.invalid"),
                    r"inspect: cannot connect to no-such-host\.invalid:443.*: (host not found|Connection timed out)")


@test
def wrong_arguments():
    failed_with(run("inspect", "--ca", "/no/such/file", "localhost"), r"inspect: /no/such/file: No such file or directory")
    failed_with(run("inspect", "--frobnicate"), r"inspect: there is no option --frobnicate; see --help", 2)
    failed_with(run("inspect", "--timeout"), r"inspect: --timeout needs a value; see --help", 2)
    failed_with(run("inspect", "--timeout", "soon", "localhost"), r'inspect: "soon" is not a number of ms', 2)
    failed_with(run("inspect", "localhost", "65536"), r'inspect: "65536" is not a port', 2)
    failed_with(run("inspect", "a", "1", "b"), r"inspect: too many arguments; see --help", 2)
    failed_with(run("inspect", "--echo"), r"inspect: --ca, --echo and --alpn go with a HOST; see --help", 2)
    failed_with(run("echo_server", "--cert", "a"), r"echo_server: --cert and --key go together; see --help", 2)
    failed_with(run("echo_server", "--cert", "/no/such/file", "--key", "b"), r"echo_server: /no/such/file: No such file.*")
    failed_with(run("poll_client"), r"usage: poll_client HOST PORT \[CA-FILE\]", 2)
    for name in ["inspect", "echo_server"]:
        check(succeeded(run(name, "--help")).startswith(f"usage: {name}"), "no help")


@test
def echo_server_with_many_clients():
    with EchoServer() as server:
        command = [PROGRAMS["poll_client"], "localhost", str(server.port), server.ca]
        clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(8)]
        for client in clients:
            said, _ = client.communicate(timeout=LIMIT)
            check(said == "4194304 bytes came back, the same; closed clean\n" and client.returncode == 0, said)
        said = server.stop()
        check(said.count(": 4194304 bytes, clean\n") == 8, said)


@test
def echo_server_whose_port_is_taken():
    with EchoServer() as server:
        failed_with(run("echo_server", "--port", server.port), r"echo_server: .*: Address already in use")


@test
def echo_server_stops_with_connections_open():
    for number in [signal.SIGINT, signal.SIGTERM]:
        # On a terminal the client says at once what has come back: then it is known to wait for more.
        terminal, its_end = pty.openpty()
        with EchoServer() as server, contextlib.ExitStack() as closing:
            closing.callback(os.close, terminal)
            client = subprocess.Popen([PROGRAMS["client"], "localhost", str(server.port)], stdout=its_end,
                                      stderr=subprocess.PIPE, text=True, env={**os.environ, "SSL_CERT_FILE": server.ca})
            os.close(its_end)
            said = b""
            while b"Connection: close" not in said:
                check(select.select([terminal], [], [], LIMIT)[0], "the client gets no echo", said)
                said += os.read(terminal, 4096)

            idle = closing.enter_context(python_client(server.port, server.ca))
            idle.sendall(b"anybody there?")
            check(idle.recv(100) == b"anybody there?", "no echo")
            mute = closing.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT))
            # Connections are accepted in their order: once a later one is served, the mute one is in the server's hands.
            later = closing.enter_context(python_client(server.port, server.ca))
            later.sendall(b"served?")
            check(later.recv(100) == b"served?", "no echo")

            told = server.stop(number)
            check(idle.recv(100) == b"" and later.recv(100) == b"", "no clean end")  # a ragged one would raise
            check(mute.recv(100) == b"", "no end for the one that never said anything")
            _, noise = client.communicate(timeout=LIMIT)
            check(client.returncode == 0 and noise == "", "the client:", noise)
            check(re.search(r": \d+ bytes, clean\n", told), "the client's connection was not closed clean:", told)
            check("ended during the TLS handshake" in told, "the mute one was waited for, not interrupted:", told)


@test
def full_duplex():
    with EchoServer() as server:
        output = succeeded(run("full_duplex", "localhost", server.port, server.ca))
        check(output == "4194304 bytes came back while others were sent, the same; closed clean\n"
                        "the answer to all that was said: Is that all?\n", output)
        said = server.stop()
        check(": 4194304 bytes, clean\n" in said and ": 12 bytes, clean\n" in said, said)
        failed_with(run("full_duplex", "localhost", server.port, server.ca), r"full_duplex: cannot connect to .*: Connection refused")
    failed_with(run("full_duplex"), r"usage: full_duplex HOST PORT \[CA-FILE\]", 2)


@test
def quickstart():
    output = succeeded_with_log(run("quickstart"))
    for line in ["You said: Good morning!", "the server says something unasked: no", "You said: Are you there?",
                 "The server could not prove who it is."]:
        check(line + "\n" in output, f"not there: {line}", output)


def succeeded_with_log(done):
    """quickstart's server tells its own trouble on stderr: the client that did not trust it."""
    check(done.returncode == 0, f"exit status {done.returncode}", done.stderr)
    check(done.stderr == "TLS read: the peer sent the fatal alert unknown_ca\n", done.stderr)
    return done.stdout


@test
def testing_guide():
    output = succeeded(run("testing_guide"))
    check(output.count("\n") == 16 and output.endswith("the document comes from another thread\n"), "not all of it was checked:", output)


@test
def identity_guide():
    output = succeeded(run("identity_guide"))
    for line in ["company: hello, somebody", "  Hostname mismatch, depth 0, CN=Demo Server, it names localhost 127.0.0.1 ::1",
                 "pinned: hello, somebody", "  no certificate of the peer's chain has a pinned public key, CN=Demo Server",
                 "no clock: hello, somebody", "strict: hello, somebody", "asked: hello, somebody",
                 "  the peer was refused by the caller's own verification", "a member: hello, Alice",
                 "first: hello, somebody", "second, elsewhere: hello, somebody, resumed",
                 "with the new key in use: hello, somebody, resumed", "with the old key gone: hello, somebody, resumed",
                 "the next day: resumed", "0 bytes early, not accepted, 0 sent again", "11 bytes early, accepted, 0 sent again",
                 "You asked: GET /again", "425 Too Early"]:
        check(line + "\n" in output, f"not there: {line}", output)


def main(tests):
    bad = 0
    print(f"1..{len(tests)}")
    for number, function in enumerate(tests, 1):
        told = ""
        missing = getattr(function, "missing", [])
        if missing:
            print(f"ok {number} - {function.__name__.replace('_', ' ')} # SKIP there is no {', '.join(missing)}")
            continue
        try:
            function()
        except Exception as failed:  # pylint: disable=broad-except
            told = str(failed) if isinstance(failed, AssertionError) else traceback.format_exc()
        bad += bool(told)
        print(f"{'not ok' if told else 'ok'} {number} - {function.__name__.replace('_', ' ')}")
        for line in told.splitlines():
            print(f"# {line}")
        sys.stdout.flush()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(TESTS))
