# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""OpenSSL's command line. What crossed the wire is in its own log of messages (-msg)."""

import contextlib
import re

from harness import (SIZE, VERSIONS, check, check_clean, check_equal, check_error, check_found, missing, numbered_lines, only,
                     wait_until)

MISSING = missing("openssl")
DATA = numbered_lines(SIZE)
HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH = 62, 64  # X509_V_ERR_*
SELF_SIGNED_LEAF, SELF_SIGNED_ROOT, NO_ISSUER = 18, 19, 20
# Alerts as -msg writes them, and by number; it has no name for the last.
HANDSHAKE_FAILURE, PROTOCOL_VERSION = ("fatal handshake_failure", 40), ("fatal protocol_version", 70)
CERTIFICATE_REQUIRED, NO_APPLICATION_PROTOCOL = ("fatal certificate_required", 116), ("fatal ???", 120)


def switch(version):
    return "-tls" + version.replace(".", "_")


class OpenSsl:
    """s_server or s_client with its log of messages."""

    def __init__(self, work, command, *options):
        self.log_path = work.new_file("messages")
        self.process = work.start("openssl", command, *options, "-msg", "-msgfile", self.log_path)

    @classmethod
    def server(cls, work, *options, identity="server", chain=()):
        return cls(work, "s_server", "-accept", "127.0.0.1:0", "-cert", work.pki / f"{identity}.pem", "-key",
                   work.pki / f"{identity}.key", *chain, *options)

    @classmethod
    def client(cls, work, port, *options):
        return cls(work, "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-verify_hostname", "localhost",
                   "-CAfile", work.pki / "ca.pem", "-verify_return_error", "-quiet", "-no_ign_eof", *options)

    def alerts(self):
        """All alerts in their order: ("<<<", "warning close_notify") is one that it received."""
        text = self.log_path.read_text(encoding="ascii") if self.log_path.exists() else ""
        return re.findall(r"^(<<<|>>>) TLS [\d.]+, Alert \[length 0002\], (.*)$", text, re.MULTILINE)

    def wait_for_output(self, data):
        wait_until(lambda: len(self.process.out) >= len(data), lambda: f"{len(data)} bytes, and not {len(self.process.out)}")
        check_equal(self.process.out, data, "what OpenSSL received")

    def check_received_alert(self, alert):
        """It was told why, and saw no mere end or reset of the connection."""
        wait_until(self.alerts, lambda: f"an alert in\n{self.process.log}")
        check_equal(self.alerts(), [("<<<", alert)], "the alerts")
        check(not re.search("unexpected eof|reset by peer", self.process.log), self.process.log)


RECEIVED, SENT = ("<<<", "warning close_notify"), (">>>", "warning close_notify")


# --- Closing ---------------------------------------------------------------------------------------------------------


def server_we_close_first(version):
    def test(work):
        server = OpenSsl.server(work, switch(version), "-quiet")
        client = work.start_our_client(server.process.port(), f"send={SIZE}", f"expect={SIZE}", "close", **only(version))
        server.wait_for_output(DATA)
        server.process.write(DATA)
        check_clean(client.outcome(), version, received=DATA, sent=SIZE)
        check_equal(server.alerts(), [RECEIVED, SENT], "the alerts")
    return test


def server_closes_first(version):
    """With a page that is a file."""
    def test(work):
        (work.directory / "page").write_bytes(DATA)
        server = OpenSsl.server(work, switch(version), "-WWW")
        outcome = work.our_client(server.process.port(), "text=GET /page HTTP/1.0\r\n\r\n", "until-end", "close", **only(version))
        check_clean(outcome, version)
        check_equal(outcome["received"].partition(b"\r\n\r\n")[2], DATA, "the page")
        check_equal(server.alerts()[0], SENT, "the first alert")
    return test


def server_ends_session(version):
    """The same on a line of the client's, read back reversed."""
    def test(work):
        server = OpenSsl.server(work, switch(version), "-rev")
        outcome = work.our_client(server.process.port(), "text=12345\n", "expect=6", "text=CLOSE\n", "until-end", "close",
                                  **only(version))
        check_clean(outcome, version, received=b"54321\n")
        wait_until(lambda: len(server.alerts()) == 2, lambda: f"two alerts, and not {server.alerts()}")
        check_equal(server.alerts(), [SENT, RECEIVED], "the alerts")
    return test


def client_we_close_first(version):
    def test(work):
        server = work.our_server(f"expect={SIZE}", f"send={SIZE}", "close", **only(version))
        client = OpenSsl.client(work, server.port(), switch(version))
        client.process.write(DATA)
        check_clean(server.outcome(), version, received=DATA, sent=SIZE)
        check_equal(client.process.status(), 0, "s_client's exit status")
        check_equal(client.process.out, DATA, "what OpenSSL received")
        check_equal(client.alerts(), [RECEIVED, SENT], "the alerts")
    return test


def client_closes_first(version):
    def test(work):
        server = work.our_server(f"expect={SIZE}", f"send={SIZE}", "until-end", "close", **only(version))
        client = OpenSsl.client(work, server.port(), switch(version))
        client.process.write(DATA)
        client.wait_for_output(DATA)
        client.process.end_of_input()
        check_clean(server.outcome(), version, received=DATA, sent=SIZE)
        check_equal(client.process.status(), 0, "s_client's exit status")
        check_equal(client.alerts()[0], SENT, "the first alert")
    return test


def client_let_go(version):
    """The counterpart: without our close OpenSSL speaks of an unexpected end."""
    def test(work):
        server = work.our_server("send=64", **only(version))
        client = OpenSsl.client(work, server.port(), switch(version))
        check_equal(server.outcome()["read_end"], "open", "our end")
        client.process.status()
        check_equal(client.process.out, numbered_lines(64), "what OpenSSL received")
        check(RECEIVED not in client.alerts(), f"the alerts are {client.alerts()}")
        check_found("unexpected eof", client.process.log, "s_client's log")
    return test


# --- Handshakes that fail: the peer gets to know why -----------------------------------------------------------------


def our_server_refuses(ending, alert, theirs, ours, request=b""):
    """With and without a close after it; `request` is what the client says before it knows."""
    def test(work):
        options = {name: work.pki / value if name == "ca" else value for name, value in ours.items()}
        server = work.our_server("handshake", *ending, **options)
        client = OpenSsl.client(work, server.port(), *theirs)
        with contextlib.suppress(BrokenPipeError):  # it may be told before it has said everything
            client.process.write(request)
        outcome = server.outcome()
        check_error(outcome, "tls.boringssl", None, "handshake")
        check_equal(outcome["read_end"], "failed", "our end")
        if ending:
            check_equal(outcome["closing"]["close_notify_sent"], False, "close_notify after a fatal alert")
        client.check_received_alert(alert[0])
        check(client.process.status() != 0, "s_client succeeded")
        check_found(rf"SSL alert number {alert[1]}\b", client.process.log, "s_client's log")
    return test


def our_client_refuses(ending, version, reason, alert, name="localhost", identity="server", chain=()):
    def test(work):
        chained = [work.pki / word if word.endswith(".pem") else word for word in chain]
        server = OpenSsl.server(work, switch(version), identity=identity, chain=chained)
        port = server.process.port()
        outcome = work.our_client(port, "send=1000", *ending, name=name, **only(version))
        check_error(outcome, "tls.verify", reason, "send")
        check_equal((outcome["sent"], outcome["read_end"]), (0, "failed"), "what we sent, and our end")
        if ending:
            check_equal(outcome["closing"]["close_notify_sent"], False, "close_notify after a fatal alert")
        server.check_received_alert(alert)
        check(b"0000000" not in server.process.out, "the server received what was not for it")
    return test


def several_times(test, count):
    def repeated(work):
        for _ in range(count):
            test(work)
    return repeated


def server_refuses_us(work):
    server = OpenSsl.server(work, "-tls1_2")
    outcome = work.our_client(server.process.port(), "handshake", "close", min="1.3")
    check_error(outcome, "tls.alert", PROTOCOL_VERSION[1], "handshake")
    check_equal(server.alerts(), [(">>>", PROTOCOL_VERSION[0])], "the alerts")


def cases():
    closing = {"server": {"we close first": server_we_close_first, "it closes first (-WWW)": server_closes_first,
                          "it closes first (-rev)": server_ends_session},
               "client": {"we close first": client_we_close_first, "it closes first": client_closes_first,
                          "let go without a close": client_let_go}}
    for role, tests in closing.items():
        for version in VERSIONS:
            for name, test in tests.items():
                yield f"{role}, TLS {version}: {name}", test(version)

    for how, ending in {"close": ["close"], "let go": []}.items():
        yield (f"F23 client of an older version, {how}: protocol_version",
               our_server_refuses(ending, PROTOCOL_VERSION, ["-tls1_2"], {"min": "1.3"}))
        yield (f"F23 client with another protocol, {how}: no_application_protocol",
               our_server_refuses(ending, NO_APPLICATION_PROTOCOL, ["-alpn", "theirs"], {"alpn": "ours"}))
        for version in VERSIONS:
            bad, unknown = "fatal bad_certificate", "fatal unknown_ca"
            yield (f"F50 server, TLS {version}, {how}: wrong host",
                   our_client_refuses(ending, version, HOSTNAME_MISMATCH, bad, name="wrong.test"))
            yield (f"F50 server, TLS {version}, {how}: wrong address",
                   our_client_refuses(ending, version, IP_ADDRESS_MISMATCH, bad, name="127.0.0.2"))
            yield (f"F52 server, TLS {version}, {how}: self-signed",
                   our_client_refuses(ending, version, SELF_SIGNED_LEAF, unknown, identity="selfsigned"))
            yield (f"F52 server, TLS {version}, {how}: unknown authority",
                   our_client_refuses(ending, version, SELF_SIGNED_ROOT, unknown, identity="unknown",
                                      chain=["-cert_chain", "unknown.pem"]))
            yield (f"F52 server, TLS {version}, {how}: missing intermediate",
                   our_client_refuses(ending, version, NO_ISSUER, unknown, identity="incomplete"))
    # A client that already talks when it is refused: were the socket closed with that unread, the reset would be all it notices.
    # Whether it does is a race, hence several times.
    for version, alert in {"1.2": HANDSHAKE_FAILURE, "1.3": CERTIFICATE_REQUIRED}.items():
        once = our_server_refuses(["close"], alert, [switch(version)], {"ca": "ca.pem"}, DATA[:800_000])
        yield f"F23 client without a certificate, TLS {version}, 8 times", several_times(once, 8)
    yield "F23 server of an older version: its alert is our error", server_refuses_us
