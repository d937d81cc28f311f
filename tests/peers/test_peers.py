#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Runs our end against other implementations of TLS: `test_peers.py --driver PROGRAM --peer NAME [WORD IN A CASE'S NAME]`.

Speaks TAP. A peer that is not on this machine is skipped, by name. Each peer has a module peer_NAME with MISSING, why it cannot
be used or None, and cases(), pairs of a name and a function of a harness.Work that raises when something is wrong. Our end is the
driver, or for a peer that is named after an example that example: `--peer NAME --example PROGRAM`, empty if it was not built.
"""

import argparse
import importlib
import pathlib
import signal
import sys
import tempfile
import traceback

import harness

PEERS = ("openssl", "gnutls", "python", "node", "java", "curl", "nginx", "bssl", "wire", "openssl_identity", "openssl_sessions",
         "gnutls_identity", "python_identity", "go", "node_identity", "java_identity", "curl_identity", "bssl_identity", "wire_identity")
EXAMPLES = ("asio_client", "beast_https_server", "beast_websocket")


def run(test, *surroundings):
    """None, or what is wrong."""
    try:
        with harness.Work(*surroundings) as work:
            test(work)
    except AssertionError as wrong:
        where = traceback.extract_tb(wrong.__traceback__)
        lines = [f"{pathlib.Path(frame.filename).name}:{frame.lineno}" for frame in where[1:]]
        return f"{wrong}\n({' > '.join(lines)})"
    except harness.Skip:
        raise
    except Exception:  # pylint: disable=broad-except # the other cases still run
        return traceback.format_exc()
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", required=True, type=pathlib.Path)
    parser.add_argument("--peer", required=True, choices=PEERS + EXAMPLES)
    parser.add_argument("--example", default="")
    parser.add_argument("word", nargs="?", default="")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that processes and files are cleaned up

    peer = importlib.import_module(f"peer_{arguments.peer}")
    missing = f"{arguments.peer} was not built" if arguments.peer in EXAMPLES and not arguments.example else peer.MISSING
    if missing:
        print(f"1..0 # SKIP {arguments.peer}: {missing}")
        return 0
    example = pathlib.Path(arguments.example).resolve()
    cases = [(name, test) for name, test in peer.cases() if arguments.word in name]
    print(f"1..{len(cases)}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="tls-stream-") as directory:
        for number, (name, test) in enumerate(cases, 1):
            skipped = ""
            try:
                wrong = run(test, arguments.driver.resolve(), pathlib.Path(directory), f"case{number}", example)
            except harness.Skip as why:
                wrong, skipped = None, f" # SKIP {why}"
            bad += wrong is not None
            print(f"{'not ok' if wrong else 'ok'} {number} - {name}{skipped}", flush=True)
            for line in (wrong or "").splitlines():
                print(f"# {line}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
