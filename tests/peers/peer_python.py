# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Python's ssl, which tells every kind of end apart (suppress_ragged_eofs=False)."""

import pathlib
import sys

from harness import CLEAN, VERSIONS, check, check_equal, only
from scripted import COMMON, Peer, matrix

MISSING = None
PROGRAM = pathlib.Path(__file__).with_name("python_peer.py")


def command(role, port, version, steps, work):
    return [sys.executable, PROGRAM, role, port, work.pki, version, *steps]


PEER = Peer(command, lambda process, told: told["saw"])


def stays_open(version):
    """It reads our close_notify and says nothing: our close ends at its limit, truthfully, and is no error."""
    def test(work):
        server = work.start(*command("server", 0, version, ["until-end", "stay"], work))
        outcome = work.our_client(server.port(), "send=1000", "close", close_timeout=700, **only(version))
        closing = outcome["closing"]
        wanted = {**CLEAN, "peer": "open", "timed_out": True, "clean": False}
        check_equal({key: closing[key] for key in CLEAN}, wanted, "our closing")
        check_equal((outcome["error"], outcome["read_end"]), (None, "open"), "our error and end")
        check(700 <= closing["milliseconds"] < 5000, f"closing took {closing['milliseconds']} ms instead of 700")
    return test


def cases():
    yield from matrix(PEER, COMMON)
    for version in VERSIONS:
        yield f"F29 server, TLS {version}: stays open after our close_notify", stays_open(version)
