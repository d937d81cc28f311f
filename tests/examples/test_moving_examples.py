#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Runs what docs/moving-from-*.md moves from and what it moves to, side by side: `test_moving_examples.py PROGRAM...`; speaks TAP."""

import contextlib
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile

from test_examples import LIMIT, PROGRAMS, check, listener, main, run, succeeded

BEFORE = [("before_openssl", "blocking"), ("before_openssl", "polling"), ("before_asio",)]
AFTER = [("moving_from_openssl", "blocking"), ("moving_from_openssl", "polling"), ("moving_from_asio",)]
TESTS = []


def test(function):
    TESTS.append(function)
    return function


@contextlib.contextmanager
def identity():
    """A context of Python's with a certificate for localhost, and the file to trust it by."""
    with tempfile.TemporaryDirectory() as directory:
        key, leaf = pathlib.Path(directory) / "key.pem", pathlib.Path(directory) / "leaf.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", leaf],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf, key)
        yield context, leaf


def clients(which):
    """Those that were built."""
    return [(name, mode) for name, *mode in which if name in PROGRAMS]


def visit(name, mode, host="localhost", polite=True, trusted=None):
    """What a client says to a server that answers a question, and says close_notify then if it is polite."""
    with identity() as (context, leaf):

        def serve(plain):
            plain.settimeout(LIMIT)
            with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as connection:
                check(connection.recv(100) == b"Are you there?\n", "not the question")
                connection.sendall(b"I am.\n" * 1000)
                if polite:
                    connection.unwrap()

        with listener(serve) as port:
            return run(name, host, port, trusted or leaf, *mode)


@test
def they_say_the_same():
    for name, mode in clients([*BEFORE, *AFTER]):
        check(succeeded(visit(name, mode)) == "I am.\n" * 1000, name, mode)


@test
def they_refuse_the_same():
    with identity() as (_, stranger):
        for name, mode in clients([*BEFORE, *AFTER]):
            for done in [visit(name, mode, host="127.0.0.1"), visit(name, mode, trusted=stranger)]:
                check(done.returncode == 1 and done.stdout == "" and done.stderr != "", name, mode, done)


@test
def an_end_without_close_notify_is_told():
    for name, mode in clients(AFTER):
        done = visit(name, mode, polite=False)
        check(done.returncode == 1 and "the connection ended without the peer's close_notify" in done.stderr, name, mode, done)


@test
def an_error_says_all_that_docs_errors_md_shows():
    done = visit("moving_from_openssl", ["blocking"], host="127.0.0.1")
    check(re.fullmatch(r"TLS write: IP address mismatch\ncategory tls\.verify, value 64\n"
                       r"SSL routines: CERTIFICATE_VERIFY_FAILED \(IP address mismatch, depth 0, CN=localhost, it names localhost\)\n",
                       done.stderr), done.stderr)


if __name__ == "__main__":
    sys.exit(main(TESTS))
