#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds docs/python.md against the members that Python's ssl has, and against the tests in tests/python.

Every public member has one row, no row is of something else, each row with a counterpart has a test case of that name, and
each test case has a row. Written for Python 3.13: what an older one lacks is listed here, what a newer one adds is only told.
"""

import pathlib
import re
import socket
import ssl
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WRITTEN_FOR = (3, 13)
# What came after the oldest Python that this runs on.
ADDED = {
    (3, 13): {
        "SSLContext.set_psk_client_callback", "SSLContext.set_psk_server_callback",
        "SSLSocket.get_unverified_chain", "SSLSocket.get_verified_chain",
        "SSLObject.get_unverified_chain", "SSLObject.get_verified_chain",
    },
}
# Depends on the system that Python runs on.
SOMETIMES = {"SSLSocket.sendmsg_afalg"}
ROW = re.compile(r"^\| `((?:SSLContext|SSLSocket|SSLObject|MemoryBIO)\.\w+)` \| (.*?) \|", re.MULTILINE)
CASE = re.compile(r'TEST_CASE\("((?:SSLContext|SSLSocket|SSLObject|MemoryBIO)\.[^"]*)"')


def members():
    """'SSLSocket.cipher' and so on, as the running Python has them; attributes that only an object has included."""
    ours, peer = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with peer, server.wrap_socket(ours, server_side=True, do_handshake_on_connect=False) as one:
        found = {"SSLContext": dir(ssl.SSLContext), "SSLSocket": dir(one), "SSLObject": dir(ssl.SSLObject),
                 "MemoryBIO": dir(ssl.MemoryBIO)}
    return {f"{kind}.{name}" for kind, names in found.items() for name in names if not name.startswith("_")}


def complaints(root):
    page = (root / "docs" / "python.md").read_text(encoding="utf-8")
    rows = ROW.findall(page)
    named = [name for name, _ in rows]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"docs/python.md: {name} has two rows"

    here = members()
    running = sys.version_info[:2]
    later = {name for version, names in ADDED.items() if version > running for name in names}
    for name in sorted(here - set(named)):
        if running > WRITTEN_FOR:
            print(f"Python {running[0]}.{running[1]} also has {name}")
        else:
            yield f"docs/python.md: {name} has no row"
    if running <= WRITTEN_FOR:
        for name in sorted(set(named) - here - later - SOMETIMES):
            yield f"docs/python.md: Python has no {name}"

    cases = []
    for path in sorted((root / "tests" / "python").glob("*.cpp")):
        cases += CASE.findall(path.read_text(encoding="utf-8"))
    tested = {name for name, counterpart in rows if counterpart != "—"}
    for name, counterpart in rows:
        if not counterpart.strip():
            yield f"docs/python.md: {name} has neither a counterpart nor a dash"
    for name in sorted(tested - set(cases)):
        yield f"tests/python: there is no test case {name}"
    for name in sorted(set(cases) - tested):
        yield f"docs/python.md: {name} is tested, and has no row with a counterpart"


def main(root):
    found = list(complaints(root))
    print("\n".join(found) if found else "every member of Python's has its row, and every counterpart its test")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
