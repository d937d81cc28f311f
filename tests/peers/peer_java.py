# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Java's JSSE."""

import pathlib
import subprocess

from harness import SIZE, check_clean, check_equal, check_found, missing, numbered_lines
from scripted import COMMON, SENT, WANTED, Peer, matrix

MISSING = missing("java", "javac")
SOURCE = pathlib.Path(__file__).with_name("JavaPeer.java")


def command(role, port, version, steps, work, options=()):
    classes = work.shared / "classes"
    if not classes.exists():
        subprocess.run(["javac", "-d", classes, SOURCE], check=True)
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    strict = "-Dcom.sun.net.ssl.requireCloseNotify=true"  # else a bare end of the connection reads like close_notify
    return ["java", *quick, strict, *options, "-cp", classes, "JavaPeer", role, port, work.pki, version, *steps]


# SSLSocket.close() looks at nothing that comes in, so a Java that closes first does not say what it saw.
PEER = Peer(command, lambda process, told: None if told["saw"] == "open" else told["saw"])


def user_canceled(role):
    """JSSE closes a TLS 1.3 connection with the warning user_canceled before close_notify. That is a clean close."""
    def test(work):
        verbose = ["-Djavax.net.debug=ssl,record"]
        logging = Peer(lambda *arguments: command(*arguments, options=verbose), lambda process, _: process.log)
        outcome, told, log = logging.session(work, role, "1.3", [SENT, "until-end", "close"], [WANTED, SENT, "close"])
        check_clean(outcome, "1.3", received=numbered_lines(SIZE), sent=SIZE)
        check_equal((told["error"], told["received"], told["complete"]), (None, SIZE, True), "what the peer received")
        check_found(r"WRITE: TLSv1.3 alert\(user_canceled\)(?s:.*)WRITE: TLSv1.3 alert\(close_notify\)", log, "Java's log")
    return test


def tls1_2_half_close(peer, role, version):
    """In TLS 1.2 who receives close_notify answers it at once, and drops what it had still to write (RFC 5246 7.2.1)."""
    def test(work):
        ours = [SENT, "shutdown=write", "until-end", "close"]
        outcome, told, end = peer.session(work, role, version, ours, ["until-end", SENT, "close"])
        check_clean(outcome, version, received=b"", sent=SIZE)
        check_equal((told["received"], told["complete"], end), (SIZE, True, "close_notify"), "what the peer received")
        check_found("output is already shutdown|closed", told["error"] or "", "the peer's error")
    return test


def cases():
    for name, test in matrix(PEER, COMMON):
        if name.endswith("TLS 1.2: half-close"):
            role = name.partition(",")[0]
            yield f"F41 {name}, which it answers by dropping its own writes", tls1_2_half_close(PEER, role, "1.2")
        else:
            yield name, test
    for role in ("server", "client"):
        yield f"F45 {role}, TLS 1.3: user_canceled and close_notify", user_canceled(role)
