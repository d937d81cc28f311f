# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""The cases for peers that are a program of ours on another implementation, and so can be told what to do.

Steps: send=N (numbered lines), expect=N, until-end, close (as that implementation closes), and for some stay (open, for ever).
"""

import json

from harness import SIZE, VERSIONS, check, check_clean, check_equal, numbered_lines, only, shortened

SENT = f"send={SIZE}"
WANTED = f"expect={SIZE}"


class Peer:
    """`command(role, port, version, steps, work)` starts it; `end(process, told)` is the end that it saw, or None if it cannot
    tell."""

    def __init__(self, command, end):
        self.command = command
        self.end = end

    def session(self, work, role, version, ours, theirs):
        """Runs both sides. Returns our outcome, what the peer tells, and the end that it saw; `role` is the peer's."""
        if role == "server":
            process = work.start(*self.command(role, 0, version, theirs, work))
            outcome = work.our_client(process.port(), *ours, **only(version))
        else:
            server = work.our_server(*ours, **only(version))
            process = work.start(*self.command(role, server.port(), version, theirs, work))
            outcome = server.outcome()
        process.status()
        lines = [line for line in process.out.decode().splitlines() if line.startswith("{")]
        check(lines, lambda: f"the peer told nothing:\n{shortened(process.log, 3000)}")
        told = json.loads(lines[-1])
        return outcome, told, self.end(process, told)

    def check_clean(self, work, role, version, ours, theirs, size=SIZE):
        """Both sides received everything, and saw the other's close_notify."""
        outcome, told, end = self.session(work, role, version, ours, theirs)
        check_clean(outcome, version, received=numbered_lines(size), sent=size)
        check_equal(told["error"], None, "the peer's error")
        check_equal((told["received"], told["complete"]), (size, True), "what the peer received")
        check(end in ("close_notify", None), f"the peer saw {end}: {told}")
        return outcome, told, end


def we_close_first(peer, role, version):
    def test(work):
        _, _, end = peer.check_clean(work, role, version, [SENT, WANTED, "close"], [WANTED, SENT, "until-end", "close"])
        check_equal(end, "close_notify", "the end that the peer saw")
    return test


def peer_closes_first(peer, role, version):
    return lambda work: peer.check_clean(work, role, version, [SENT, "until-end", "close"], [WANTED, SENT, "close"])


def both_at_once(peer, role, version):
    steps = ["send=64", "expect=64", "close"]
    return lambda work: peer.check_clean(work, role, version, steps, steps, size=64)


def half_close(peer, role, version):
    def test(work):
        ours = [SENT, "shutdown=write", "until-end", "close"]
        _, _, end = peer.check_clean(work, role, version, ours, ["until-end", SENT, "close"])
        check_equal(end, "close_notify", "the end that the peer saw")
    return test


def let_go(peer, role, version):
    """Promise: a stream that is destroyed without a close shows as truncation."""
    def test(work):
        outcome, told, end = peer.session(work, role, version, [SENT, "expect=8"], [WANTED, "send=8", "until-end"])
        check_equal((outcome["error"], outcome["read_end"]), (None, "open"), "our error and end")
        check_equal((told["received"], told["complete"]), (SIZE, True), "what the peer received")
        check(end not in ("close_notify", "open"), f"the peer saw {end}: {told}")
    return test


def matrix(peer, tests):
    """Every test in every version, the peer being server and client."""
    for role in ("server", "client"):
        for version in VERSIONS:
            for name, test in tests.items():
                yield f"{role}, TLS {version}: {name}", test(peer, role, version)


COMMON = {"we close first": we_close_first, "it closes first": peer_closes_first, "both at once": both_at_once,
          "half-close": half_close, "let go without a close": let_go}
