# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""The wire itself: tshark decrypts what it captured with the key log that our end wrote."""

import subprocess

import peer_python
from harness import VERSIONS, check_clean, check_equal, numbered_lines, only
from identity import make_ticket_keys
from peer_wire import MISSING, Capture  # pylint: disable=unused-import # MISSING is for test_peers.py

SIZE = 5000


def plaintext(capture, keys):
    """All application data, in its order, of both sides."""
    command = ["tshark", "-r", capture.file, "-n", "-o", f"tls.keylog_file:{keys}", "-d", f"tcp.port=={capture.port},tls", "-Y",
               "tls.app_data && !tcp.analysis.retransmission", "-T", "fields", "-e", "data.data", "-e", "tls.segment.data"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return bytes.fromhex(text.replace("\n", "").replace("\t", "").replace(",", "").replace(":", ""))


def decrypted(role, version, resumed):
    """Of a full handshake, and of one that is resumed, where the secrets are others."""
    def test(work):
        keys = work.new_file("keys")
        steps = [f"send={SIZE}", f"expect={SIZE}", "close"]
        theirs = [f"expect={SIZE}", f"send={SIZE}", "until-end", "close"]
        if resumed:
            # Both ends are ours.
            tickets, session = make_ticket_keys(work, "keys"), work.new_file("session")
            connect = {"session": session, **only(version)}
            first = work.our_server(f"expect={SIZE}", f"send={SIZE}", "until-end", "close", tickets=tickets, **only(version))
            work.our_client(first.port(), *steps, **connect)
            server = work.our_server(f"expect={SIZE}", f"send={SIZE}", "until-end", "close", tickets=tickets, **only(version),
                                     **({"keylog": keys} if role == "server" else {}))
            capture = Capture(work, server.port())
            told = work.our_client(server.port(), *steps, **connect, **({"keylog": keys} if role == "client" else {}))
            check_equal(told["reused"], True, "resumed")
        elif role == "client":
            peer = work.start(*peer_python.command("server", 0, version, theirs, work))
            capture = Capture(work, peer.port())
            told = work.our_client(peer.port(), *steps, keylog=keys, **only(version))
        else:
            server = work.our_server(*steps, keylog=keys, **only(version))
            capture = Capture(work, server.port())
            work.start(*peer_python.command("client", server.port(), version, theirs, work))
            told = server.outcome()
        check_clean(told, version)
        capture.finish()
        found = plaintext(capture, keys)
        check_equal(sorted(found), sorted(numbered_lines(SIZE) * 2), "what tshark reads")
    return test


def cases():
    for version in VERSIONS:
        for role in ("client", "server"):
            yield f"key log: {role}, TLS {version}", decrypted(role, version, False)
            yield f"key log: {role}, TLS {version}, resumed", decrypted(role, version, True)
