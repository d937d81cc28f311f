# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""What the tests of identity, trust and sessions with other programs have in common: files that other programs make, numbers, and
the conversation, one line each way."""

import base64
import hashlib
import os
import struct

from harness import check, check_equal, check_error, check_told, only, run

HELLO, ANSWER = b"hello\n", b"answer\n"
# The client's side of the conversation, and the server's, which speaks second.
ASK = ("text=hello\n", "expect-text=answer\n", "close")
REPLY = ("expect-text=hello\n", "text=answer\n", "close")

# X509_V_ERR_*, alerts and errc by their numbers.
NOT_YET_VALID, EXPIRED, NO_ISSUER, REVOKED = 9, 10, 20, 23
HANDSHAKE_FAILURE, BAD_CERTIFICATE, CERTIFICATE_REVOKED, CERTIFICATE_EXPIRED, UNKNOWN_CA, ACCESS_DENIED = 40, 42, 44, 45, 48, 49
UNRECOGNIZED_NAME, CERTIFICATE_REQUIRED, NO_APPLICATION_PROTOCOL = 112, 116, 120
# What errc's own messages say.
PINNED_KEY_MISSING, VERIFICATION_REFUSED, IDENTITY_REFUSED = "pinned public key", "caller's own verification", "no identity"
NO_PROTOCOL = "no application protocol"

LABEL = "EXPERIMENTAL tls-stream"

# How a server that insists on a certificate tells who has none.
WITHOUT_CERTIFICATE = {"1.2": HANDSHAKE_FAILURE, "1.3": CERTIFICATE_REQUIRED}
# (identity, our reason, the alert that tells it)
BAD_CLIENTS = (("unknown_client", NO_ISSUER, UNKNOWN_CA), ("expired_client", EXPIRED, CERTIFICATE_EXPIRED))


def check_refused(outcome, category, value):
    """The handshake failed with this, in whichever step that showed; of category "tls" the value is in the message's words."""
    named = category == "tls"
    check_error(outcome, category, None if named else value)
    check(not named or value in outcome["error"]["message"], lambda: f"our error is {outcome['error']}")
    check_equal(outcome["read_end"], "failed", "our end")


def pem_body(path):
    """The DER in a file with one PEM block."""
    return base64.b64decode("".join(line for line in path.read_text().splitlines() if not line.startswith("-----")))


def make_ticket_keys(work, *seeds):
    """A file of ticket keys, each made from its seed."""
    path = work.new_file("tickets")
    path.write_bytes(b"".join(hashlib.shake_256(seed.encode()).digest(80) for seed in seeds))
    return path


def make_scts():
    """A list of one timestamp, well-formed and signed by nobody (RFC 6962 3.2, 3.3)."""
    signature = bytes(range(64))
    sct = b"\0" + hashlib.sha256(b"log").digest() + struct.pack(">Q", 1_700_000_000_000) + b"\0\0\4\3" + struct.pack(">H", 64) + signature
    return struct.pack(">HH", len(sct) + 2, len(sct)) + sct


def make_ocsp_response(work, name="server"):
    """What OpenSSL answers for a certificate of the authority's: good."""
    certificate, ca = work.pki / f"{name}.pem", work.pki / "ca.pem"
    serial = run(work, "openssl", "x509", "-in", certificate, "-noout", "-serial").decode().strip().partition("=")[2]
    index, response = work.new_file("index"), work.new_file("ocsp")
    index.write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN={name}\n")
    run(work, "openssl", "ocsp", "-index", index, "-rsigner", ca, "-rkey", work.pki / "ca.key", "-CA", ca, "-issuer", ca, "-cert",
        certificate, "-respout", response, "-ndays", "2")
    return response


def pin_of(work, name):
    """The pin of a certificate's key as curl writes it, by OpenSSL."""
    public = run(work, "openssl", "x509", "-in", work.pki / f"{name}.pem", "-noout", "-pubkey")
    der = run(work, "openssl", "pkey", "-pubin", "-outform", "DER", data=public)
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def key_log_lines(path):
    """The secrets that a key log has, by label and client random, without remarks; spelt alike."""
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return sorted(line.lower() for line in lines if line and not line.startswith("#"))


def owner_only(path):
    return os.stat(path).st_mode & 0o777 == 0o600


def check_resumed(outcomes):
    """The first connection was a full handshake, and the others were resumed."""
    for number, outcome in enumerate(outcomes):
        check_told(outcome, reused=number != 0)


# What a client that keeps sessions resumes: `connect(work, version, ports)` connects to each port in turn and gives what it saw, `who`
# is its name.


def client_resumes(who, version, connect):
    def test(work):
        server = work.our_server(*REPLY, connections=3, **only(version))
        seen = connect(work, version, [server.port()] * 3)
        check_resumed(server.outcomes())
        check_equal([told["reused"] for told in seen], [False, True, True], f"what {who} resumed")
    return test


def fleet_resumes(who, version, connect):
    """Three processes of ours; the last one has other keys."""
    def test(work):
        servers = [work.our_server(*REPLY, tickets=make_ticket_keys(work, *keys), **only(version))
                   for keys in (["old"], ["new", "old"], ["other"])]
        seen = connect(work, version, [server.port() for server in servers])
        wanted = [False, True, False]
        check_equal([told["reused"] for told in seen], wanted, f"what {who} resumed")
        for server, reused in zip(servers, wanted):
            check_told(server.outcome(), reused=reused)
    return test
