#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Nothing that was written is lost: `test_loss.py --driver PROGRAM --control PROGRAM`. Speaks TAP.

4 MiB are written and the stream is closed, while the tickets of a TLS 1.3 server (Python's ssl) lie unread. The server must read
all of them, and close_notify, every time. Beside it the same with a bare SSL_shutdown and close(fd), which must lose data: where
it does not, the test would prove nothing.
"""

import argparse
import collections
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
from harness import Work, numbered_lines  # pylint: disable=wrong-import-position

SIZE = 4 << 20


class Server:
    """Serves one connection after the other; received(process) is what came of the next one."""

    def __init__(self, pki):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(pki / "server.pem", pki / "server.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]

    def serve(self, result):
        """Reads one connection to its end: bytes, and how it ended."""
        received, end = bytearray(), "nothing"
        result += [received, end]
        try:
            plain, _ = self.listener.accept()
            plain.settimeout(60)
            with self.context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as stream:
                while chunk := stream.recv(65536):
                    received += chunk
                result[1] = "close_notify"  # without suppress_ragged_eofs nothing else reads as b""
                stream.unwrap()
        except OSError as error:
            if result[1] != "close_notify":  # that our answer meets a closed socket is the control's affair
                result[1] = type(error).__name__

    def session(self, act):
        """What the server received from act(), and how it ended."""
        result = []
        thread = threading.Thread(target=self.serve, args=(result,), daemon=True)
        thread.start()
        act()
        thread.join(120)
        return bytes(result[0]), result[1]


def ours(work, server, runs):
    """How many of the runs lost something, or said that they did, and what."""
    data, losses = numbered_lines(SIZE), collections.Counter()
    for _ in range(runs):
        with work:
            outcomes = []
            received, end = server.session(lambda: outcomes.append(work.our_client(server.port, f"send={SIZE}", "close")))
            closing, error = outcomes[0]["closing"], outcomes[0]["error"]
            if received != data or end != "close_notify" or error or not closing["clean"]:
                losses[f"{len(received)} bytes, {end}; we say {closing}, {error}"] += 1
    return losses


def control(program, server, runs):
    losses = collections.Counter()
    for _ in range(runs):
        received, end = server.session(lambda: subprocess.run([program, str(server.port), str(SIZE)], check=True))
        if len(received) < SIZE:
            losses[f"{len(received)} bytes, {end}"] += 1
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", required=True, type=pathlib.Path)
    parser.add_argument("--control", required=True, type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--control-runs", type=int, default=20)
    arguments = parser.parse_args()

    print("1..2")
    with tempfile.TemporaryDirectory(prefix="tls-stream-") as directory:
        work = Work(arguments.driver.resolve(), pathlib.Path(directory), "loss")
        server = Server(work.pki)
        lost = ours(work, server, arguments.runs)
        print(f"# close(): {sum(lost.values())} of {arguments.runs} lost something", dict(lost))
        print(f"{'not ok' if lost else 'ok'} 1 - F40 4 MiB and close(): nothing is lost", flush=True)
        control_lost = control(arguments.control.resolve(), server, arguments.control_runs)
        print(f"# SSL_shutdown and close(fd): {sum(control_lost.values())} of {arguments.control_runs} lost something",
              dict(control_lost))
        print(f"{'ok' if control_lost else 'not ok'} 2 - F40 control: 4 MiB, SSL_shutdown and close(fd): something is lost")
    return 1 if lost or not control_lost else 0


if __name__ == "__main__":
    sys.exit(main())
