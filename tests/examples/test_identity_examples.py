#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Runs the examples about identity and sessions: `test_identity_examples.py PROGRAM...`; speaks TAP."""

import contextlib
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

from test_examples import LIMIT, PROGRAMS, check, failed_with, main, run, succeeded

TESTS = []


def test(function):
    TESTS.append(function)
    return function


# --- mutual_tls ------------------------------------------------------------------------------------------------------


@test
def mutual_tls():
    output = succeeded(run("mutual_tls"))
    alice = "Alice <alice@example.test>"
    let_in = [("Alice", f"Hello, {alice}!", f"let in: {re.escape(alice)}")]
    refused = [("Bob, whose certificate has expired", "the peer sent the fatal alert certificate_expired",
                r"refused: certificate has expired, depth 0, CN=Bob, not after .* GMT"),
               ("Mallory, who is Alice by another authority", "the peer sent the fatal alert unknown_ca",
                r"refused: unable to get local issuer certificate, depth 0, CN=Alice, issuer CN=Strangers")]
    nobody = "somebody without a certificate"
    without = {"required": (nobody, "the peer sent the fatal alert certificate_required", r"refused: .*CERTIFICATE"),
               "optional": (nobody, "Hello, whoever you are!", f"let in: {nobody}")}
    expected = "".join(f"=== certificates are {kind}\n" +
                       "".join(f"{who}:\n  client: {re.escape(client)}\n  server: {server}\n"
                               for who, client, server in [*let_in, *refused, last])
                       for kind, last in without.items())
    check(re.fullmatch(expected, output), "not what was expected:", output)


# --- virtual_hosts ---------------------------------------------------------------------------------------------------


def write_host(directory, name, *names):
    """A host's certificate, its own authority, and key in one file, put in the place of the one before; the certificate."""
    key, leaf = directory / "key", directory / "leaf"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=" + ",".join(f"DNS:{one}" for one in names),
                    "-keyout", key, "-out", leaf], check=True, capture_output=True)
    certificate = leaf.read_text()
    (directory / "next").write_text(certificate + key.read_text())
    (directory / "next").rename(directory / f"{name}.pem")
    return certificate


class VirtualHosts:
    def __init__(self, directory):
        self.process = subprocess.Popen([PROGRAMS["virtual_hosts"], str(directory)], text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        match = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.line())
        check(match, "the server does not say where it listens")
        self.port = int(match.group(1))

    def line(self):
        return self.process.stdout.readline()

    def visit(self, trusted, name, *alpn):
        """What the host says to a client that trusts this certificate alone, and the protocol that was agreed on."""
        context = ssl.create_default_context(cadata=trusted)
        if alpn:
            context.set_alpn_protocols(alpn)
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as plain:
            with context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False) as stream:
                protocol = stream.selected_alpn_protocol()
                said = stream.makefile("r").read()
                with contextlib.suppress(OSError):
                    stream.unwrap()
                return said, protocol

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=LIMIT)
        check(self.process.returncode == 0 and said == "stopping\nstopped\n", "the server did not stop cleanly:", said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def refused(call, pattern):
    try:
        call()
    except ssl.SSLError as failed:
        check(re.search(pattern, str(failed)), f"not /{pattern}/:", failed)
        return
    raise AssertionError("it was not refused")


@test
def virtual_hosts():
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        first = write_host(directory, "one", "one.test", "*.one.test")
        second = write_host(directory, "two", "two.test")
        with VirtualHosts(directory) as server:
            def said(pattern):
                line = server.line()
                check(re.fullmatch(pattern + r"\n", line), f"not /{pattern}/:", line)

            check(server.visit(first, "one.test") == ("Welcome to one.test\n", None), "not one.test")
            said(r"127\.0\.0\.1:\d+: one\.test, no ALPN")
            check(server.visit(first, "www.one.test", "greeting/1", "greeting/2") ==
                  ('{"welcome": "www.one.test"}\n', "greeting/2"), "not the protocol that the server prefers")
            said(r".*: www\.one\.test, greeting/2")
            check(server.visit(second, "two.test", "greeting/1")[0] == "Welcome to two.test\n", "not two.test")
            said(r".*: two\.test, greeting/1")
            refused(lambda: server.visit(first, "three.test"), "(?i)unrecognized.name")
            said(r".*: the server has no identity for this client")
            refused(lambda: server.visit(first, "one.test", "h2"), "(?i)no.application.protocol")
            said(r".*: .*NO_APPLICATION_PROTOCOL")

            # Renewed, and one more.
            renewed = write_host(directory, "one", "one.test")
            third = write_host(directory, "three", "three.test")
            check(server.visit(renewed, "one.test")[0] == "Welcome to one.test\n", "not the renewed one")
            said("the certificates are new")
            said(r".*: one\.test, no ALPN")
            check(server.visit(third, "three.test")[0] == "Welcome to three.test\n", "not three.test")
            said(r".*: three\.test, no ALPN")

            # Half written.
            (directory / "two.pem").write_text(second)
            check(server.visit(second, "two.test")[0] == "Welcome to two.test\n", "not the old one")
            said(r"the old certificates stay: .*two\.pem.*")
            said(r".*: two\.test, no ALPN")
            mended = write_host(directory, "two", "two.test")
            check(server.visit(mended, "two.test")[0] == "Welcome to two.test\n", "not the new one")
            said("the certificates are new")
            said(r".*: two\.test, no ALPN")
            server.stop()


@test
def virtual_hosts_without_any():
    with tempfile.TemporaryDirectory() as name:
        failed_with(run("virtual_hosts", name), r"virtual_hosts: no file \*\.pem in .*")
        (pathlib.Path(name) / "bad.pem").write_text("garbage")
        failed_with(run("virtual_hosts", name), r"virtual_hosts: .*bad\.pem.*")
    failed_with(run("virtual_hosts", "/no/such/directory"), r"virtual_hosts: .*No such file or directory.*")
    failed_with(run("virtual_hosts"), r"usage: virtual_hosts DIRECTORY \[PORT\]", 2)


# --- resumption ------------------------------------------------------------------------------------------------------


def check_resumption(output):
    rows = re.findall(r"^server (\d): hello from process (\d+): (.*)$", output, re.MULTILINE)
    check([number for number, _, _ in rows] == list("123123123"), "not each server in its turn:", output)
    check(len({process for _, process, _ in rows}) == 3, "not three processes:", output)
    full = [number for number, (_, _, how) in enumerate(rows) if how == "a full handshake"]
    check(full == [0, 6] and all(how in ("resumed", "a full handshake") for _, _, how in rows),
          "not the handshakes that should be full ones:", output)


@test
def resumption_with_a_file():
    check_resumption(succeeded(run("resumption")))
    failed_with(run("resumption", "--frobnicate"), r"usage: resumption \[--redis HOST:PORT\]", 2)


@contextlib.contextmanager
def redis_server():
    """A Redis of the test's own; its port."""
    with tempfile.TemporaryDirectory() as directory:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", directory],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for line in process.stdout:
                if "eady to accept connections" in line:
                    break
            else:
                raise AssertionError("redis-server does not start")
            yield port
        finally:
            process.kill()
            process.communicate()


@test
def resumption_with_redis():
    with redis_server() as port:
        check_resumption(succeeded(run("resumption", "--redis", f"127.0.0.1:{port}")))
    failed_with(run("resumption", "--redis", f"127.0.0.1:{port}"), r"resumption: .*Connection refused.*")
    failed_with(run("resumption", "--redis", "nowhere"), r'resumption: "nowhere" is not HOST:PORT')


resumption_with_redis.missing = [] if shutil.which("redis-server") else ["redis-server"]


if __name__ == "__main__":
    sys.exit(main(TESTS))
