# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Node's tls."""

import pathlib
import re

from harness import missing
from scripted import COMMON, Peer, matrix

MISSING = missing("node")
PROGRAM = pathlib.Path(__file__).with_name("node_peer.js")


def end(process, told):
    """Node tells nothing but an end; its trace names each record that came."""
    records = re.split(r"^(?=(?:Sent|Received) Record)", process.log, flags=re.MULTILINE)
    seen = any(record.startswith("Received") and "description=close notify" in record for record in records)
    return "close_notify" if seen else f"{told['saw']} without close_notify"


def cases():
    def command(role, port, version, steps, work):
        return ["node", PROGRAM, role, port, work.pki, version, *steps]
    yield from matrix(Peer(command, end), COMMON)
