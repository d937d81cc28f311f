# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""examples/beast_websocket with Node's ws."""

import json
import os
import pathlib
import subprocess

import peer_wire
from harness import VERSIONS, check_equal, missing, needs

PROGRAM = pathlib.Path(__file__).with_name("websocket_client.js")
# Debian's Node looks there by itself.
MODULES = {"NODE_PATH": "/usr/share/nodejs"}


def why_not():
    why = missing("node")
    if why is None:
        probe = subprocess.run(["node", "-e", "require('ws')"], env={**os.environ, **MODULES}, capture_output=True, check=False)
        why = None if probe.returncode == 0 else "there is no ws for Node"
    return why


MISSING = why_not()


def talk(work, server, version, *steps, keys=None):
    """What the client tells of its connection."""
    logging = [f"--tls-keylog={keys}"] if keys else []
    client = work.start("node", *logging, PROGRAM, server.port(), work.pki, version, *steps, environment=MODULES)
    check_equal(client.status(), 0, f"Node's exit status\n{client.log}")
    return json.loads(client.out.decode().splitlines()[-1])


def wanted(echoed, code):
    """The last is the end of the connection below: Node raises no error, and has seen an end."""
    return {"echoed": echoed, "same": True, "code": code, "clean": True, "error": None, "ended": True}


def client_closes(version):
    def test(work):
        server = work.start_example_server()
        told = talk(work, server, version, "text=11", "binary=70000", "text=0", "binary=1000000", "text=1", "close")
        check_equal(told, wanted(5, 1000), "what the client saw")
        server.wait_for(r"^127\.0\.0\.1:\d+: 5 messages, the client's end: close_notify$")
    return test


def server_closes(version):
    """A message that is too long for it."""
    def test(work):
        server = work.start_example_server()
        told = talk(work, server, version, "text=11", "binary=1048577")
        check_equal(told, wanted(1, 1009), "what the client saw")
        server.wait_for(r"^127\.0\.0\.1:\d+: .*, 1 messages, the client's end: close_notify$")
    return test


def many(work):
    """A connection each, all at a time."""
    server = work.start_example_server()
    command = ["node", PROGRAM, server.port(), work.pki, "1.3", "text=100", "binary=200000", "close"]
    clients = [work.start(*command, environment=MODULES) for _ in range(4)]
    for client in clients:
        check_equal(client.status(), 0, f"Node's exit status\n{client.log}")
        check_equal(json.loads(client.out.decode().splitlines()[-1]), wanted(2, 1000), "what the client saw")


def on_the_wire(version, *steps):
    """Each side: close_notify, then FIN, each once; and no RST."""
    def test(work):
        needs(peer_wire.MISSING)
        server = work.start_example_server()
        capture = peer_wire.Capture(work, server.port())
        talk(work, server, version, *steps, keys=work.directory / "keys")
        server.wait_for("messages, the client's end: close_notify$")
        capture.check_closed_by_both()
    return test


def cases():
    for version in VERSIONS:
        yield f"TLS {version}: the client closes", client_closes(version)
        yield f"TLS {version}: the server closes", server_closes(version)
        yield f"TLS {version}: on the wire, the client closes", on_the_wire(version, "text=11", "close")
    yield "four clients at a time", many
