# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""GnuTLS's command line. gnutls-cli fails without our close_notify; what the server saw is in its log (--debug)."""

import pathlib
import signal

from harness import (CLEAN, SIZE, VERSIONS, check, check_clean, check_equal, check_error, check_found, missing, numbered_lines,
                     only, wait_until)

MISSING = missing("gnutls-serv", "gnutls-cli")
DATA = numbered_lines(SIZE)
RECEIVED = r"Alert\[1\|0\] - Close notify - was received"
SENT = r"Sending Alert\[1\|0\] - Close notify"
BAD_CERTIFICATE = 42  # what GnuTLS says to whom it does not know


def priority(version):
    return f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}"


def start_server(work, version, *options):
    return work.start("gnutls-serv", "--port=0", f"--x509certfile={work.pki / 'server.pem'}",
                      f"--x509keyfile={work.pki / 'server.key'}", priority(version), "--debug=6", *options)


def start_client(work, port, version, *options, trust="ca"):
    return work.start("gnutls-cli", f"--x509cafile={work.pki / trust}.pem", f"--port={port}", priority(version), "--debug=6",
                      "--logfile=log", *options, "localhost")


def server_we_close_first(version):
    def test(work):
        server = start_server(work, version, "--echo")
        outcome = work.our_client(server.port(), f"send={SIZE}", f"expect={SIZE}", "close", **only(version))
        check_clean(outcome, version, received=DATA, sent=SIZE)
        check_found(RECEIVED, server.log, "the server's log")
        check_found(SENT, server.log, "the server's log")
    return test


def server_closes_first(version):
    def test(work):
        server = start_server(work, version, "--http")
        outcome = work.our_client(server.port(), "text=GET / HTTP/1.0\r\n\r\n", "until-end", "close", **only(version))
        check_clean(outcome, version)
        check_found("(?s)^HTTP/1.0 200.*</HTML>\\s*$", outcome["received"].decode(), "the page")
        check_found(SENT, server.log, "the server's log")
    return test


def server_stands_still(version):
    """It is stopped as a whole: our close ends at its limit, truthfully, and is no error."""
    def test(work):
        server = start_server(work, version, "--echo")
        client = work.start_our_client(server.port(), "send=16", "expect=16", "wait", "close", close_timeout=700, **only(version))
        client.wait_for("waiting")
        server.process.send_signal(signal.SIGSTOP)
        try:
            stat = pathlib.Path(f"/proc/{server.process.pid}/stat")
            wait_until(lambda: stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T", "the server to stop")
            client.end_of_input()
            outcome = client.outcome()
        finally:
            server.process.send_signal(signal.SIGCONT)
        wanted = {**CLEAN, "peer": "open", "timed_out": True, "clean": False}
        check_equal((outcome["error"], outcome["read_end"]), (None, "open"), "our error and end")
        check_equal({key: outcome["closing"][key] for key in CLEAN}, wanted, "our closing")
        check(700 <= outcome["closing"]["milliseconds"] < 5000, f"closing took {outcome['closing']['milliseconds']} ms")
    return test


def client_we_close_first(version):
    """gnutls-cli ends at our close_notify without one of its own, and the result says so."""
    def test(work):
        server = work.our_server(f"expect={SIZE}", f"send={SIZE}", "close", **only(version))
        client = start_client(work, server.port(), version)
        client.write(DATA)
        outcome = server.outcome()
        check_equal((outcome["error"], outcome["sent"], outcome["received"]), (None, SIZE, DATA), "our error and bytes")
        wanted = {**CLEAN, "peer": "truncated", "clean": False}
        check_equal({key: outcome["closing"][key] for key in CLEAN}, wanted, "our closing")
        check_equal(client.status(), 0, "gnutls-cli's exit status")
        check(client.out.endswith(DATA), "gnutls-cli did not receive everything")
    return test


def client_closes_first(version):
    def test(work):
        server = work.our_server(f"expect={SIZE}", f"send={SIZE}", "until-end", "close", **only(version))
        client = start_client(work, server.port(), version)
        client.write(DATA)
        wait_until(lambda: client.out.endswith(DATA), "gnutls-cli to receive everything")
        client.end_of_input()
        check_clean(server.outcome(), version, received=DATA, sent=SIZE)
        check_equal(client.status(), 0, "gnutls-cli's exit status")
        check_found(RECEIVED, client.log, "gnutls-cli's log")
    return test


def client_let_go(version):
    """The counterpart: without our close gnutls-cli fails."""
    def test(work):
        server = work.our_server("send=64", **only(version))
        client = start_client(work, server.port(), version)
        server.outcome()
        check_equal(client.status(), 1, "gnutls-cli's exit status")
        check_found("non-properly terminated", client.log, "gnutls-cli's log")
    return test


def client_refuses_us(version):
    def test(work):
        server = work.our_server("expect=1", "close", **only(version))
        client = start_client(work, server.port(), version, trust="selfsigned")
        check_error(server.outcome(), "tls.alert", BAD_CERTIFICATE)
        check_equal(client.status(), 1, "gnutls-cli's exit status")
    return test


def cases():
    tests = {"server, TLS {}: we close first": server_we_close_first, "server, TLS {}: it closes first": server_closes_first,
             "F29 server, TLS {}: stands still after our close_notify": server_stands_still,
             "client, TLS {}: we close first": client_we_close_first, "client, TLS {}: it closes first": client_closes_first,
             "client, TLS {}: let go without a close": client_let_go,
             "client, TLS {}: its alert is our error": client_refuses_us}
    for version in VERSIONS:
        for name, test in tests.items():
            yield name.format(version), test(version)
