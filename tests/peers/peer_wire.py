# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""The wire itself: tshark looks at connections with Python's ssl on the loopback interface, and decrypts them."""

import collections
import signal
import socket
import subprocess
import tempfile

import peer_python
from harness import VERSIONS, check, check_clean, check_equal, missing, only, wait_until

SIZE = 50_000  # enough for some records, and too little to be lost by the capture
SENT, WANTED = f"send={SIZE}", f"expect={SIZE}"

FIELDS = ("tcp.srcport", "tcp.flags.syn", "tcp.flags.fin", "tcp.flags.reset", "tls.alert_message.level", "tls.alert_message.desc")
CLOSE_NOTIFY = ("1", "0")
CLOSED = ["SYN", "close_notify", "FIN"]  # what one side sends


def why_not():
    """Why nothing can be captured here."""
    why = missing("tshark", "dumpcap")
    if why is None:
        with tempfile.TemporaryDirectory() as directory:
            command = ["dumpcap", "-q", "-i", "lo", "-a", "duration:1", "-f", "port 1", "-w", f"{directory}/probe"]
            probe = subprocess.run(command, capture_output=True, check=False)
            why = None if probe.returncode == 0 else "tshark may not capture here"
    return why


MISSING = why_not()


class Capture:
    """Everything that crosses one port."""

    def __init__(self, work, port):
        self.work, self.port, self.file = work, port, work.new_file("pcap")
        self.process = work.start("dumpcap", "-q", "-i", "lo", "-B", "32", "-f", f"port {port}", "-w", self.file)
        self.mark(b"the capture begins")

    def mark(self, text):
        """Returns when all that came before has been captured: packets are written in their order, and this one is among them."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            def seen():
                sender.sendto(text, ("127.0.0.1", self.port))
                return self.file.exists() and text in self.file.read_bytes()
            wait_until(seen, lambda: f"the capture to go on: {self.process.log}")

    def finish(self):
        """What matters, in its order: (sender's port, what)."""
        self.mark(b"the capture ends")
        self.process.process.send_signal(signal.SIGINT)
        self.process.status()
        command = ["tshark", "-r", self.file, "-n", "-o", f"tls.keylog_file:{self.work.directory / 'keys'}", "-d",
                   f"tcp.port=={self.port},tls", "-Y", "tcp && !tcp.analysis.retransmission", "-T", "fields", "-E", "separator=;",
                   *(f"-e{field}" for field in FIELDS)]
        told = []
        text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        for sender, syn, fin, reset, levels, descriptions in (line.split(";") for line in text.splitlines()):
            alerts = zip(levels.split(","), descriptions.split(",")) if levels else ()
            told += [(sender, "SYN")] * (syn in ("1", "True")) + [(sender, "RST")] * (reset in ("1", "True"))
            told += [(sender, "close_notify" if alert == CLOSE_NOTIFY else f"alert {alert}") for alert in alerts]
            told += [(sender, "FIN")] * (fin in ("1", "True"))
        return told

    def sides(self):
        """What matters of what the server sent, and of what the client sent."""
        by_sender = collections.defaultdict(list)
        for sender, what in self.finish():
            by_sender[sender].append(what)
        check_equal(len(by_sender), 2, "the senders")
        check(str(self.port) in by_sender, f"nothing came from port {self.port}")
        return by_sender.pop(str(self.port)), *by_sender.values()

    def check_closed_by_both(self):
        """Each side: close_notify, then FIN, each once; and no RST."""
        for who, seen in zip(("server", "client"), self.sides()):
            check_equal(seen, CLOSED, f"what the {who} sent")


def on_the_wire(role, version, we_first):
    """Each side: close_notify, then FIN, each once; and no RST."""
    ours = [SENT, WANTED, "close"] if we_first else [SENT, "until-end", "close"]
    theirs = [WANTED, SENT] + (["until-end"] if we_first else []) + ["close"]

    def test(work):
        keys = {"SSLKEYLOGFILE": str(work.directory / "keys")}
        if role == "server":
            peer = work.start(*peer_python.command(role, 0, version, theirs, work), environment=keys)
            port = peer.port()
            capture = Capture(work, port)
            outcome = work.our_client(port, *ours, **only(version))
        else:
            server = work.our_server(*ours, **only(version))
            port = server.port()
            capture = Capture(work, port)
            peer = work.start(*peer_python.command(role, port, version, theirs, work), environment=keys)
            outcome = server.outcome()
        check_equal(peer.status(), 0, "the peer's exit status")
        check_clean(outcome, version, sent=SIZE)

        capture.check_closed_by_both()
    return test


def cases():
    for role in ("server", "client"):
        for version in VERSIONS:
            yield f"{role}, TLS {version}: we close first", on_the_wire(role, version, True)
            yield f"{role}, TLS {version}: it closes first", on_the_wire(role, version, False)
