# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Java's JSSE: identity, trust and sessions. Its programs are slow to start, hence few cases."""

import json
import pathlib
import subprocess

from harness import VERSIONS, check_equal, check_found, check_told, missing, only, run
from identity import ASK, EXPIRED, IDENTITY_REFUSED, REPLY, check_refused, check_resumed

MISSING = missing("java", "javac")
SOURCE = pathlib.Path(__file__).with_name("JavaIdentityPeer.java")


class Java:
    """The program with these options."""

    def __init__(self, work, role, version, **options):
        classes = work.shared / "classes"
        if not classes.exists():
            subprocess.run(["javac", "-d", classes, SOURCE], check=True)
        words = [f"{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = work.start("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
                                  "-Dcom.sun.net.ssl.requireCloseNotify=true", "-cp", classes, "JavaIdentityPeer", role, f"pki={work.pki}",
                                  f"version={version}", *words)

    def outcomes(self):
        check_equal(self.process.status(), 0, f"Java's exit status\n{self.process.log}")
        return [json.loads(line) for line in self.process.out.decode().splitlines()]


def placed(work, options):
    return {name: str(value).replace("PKI", str(work.pki)) for name, value in options.items()}


def both(work, role, version, theirs, ours):
    if role == "client":
        server = work.our_server(*REPLY, **only(version), **placed(work, ours))
        peer = Java(work, "client", version, ports=server.port(), **theirs)
        return server.outcome(), peer.outcomes()[0]
    peer = Java(work, "server", version, **{"identity": "server", **theirs})
    told = work.our_client(peer.process.port(), *ASK, **only(version), **placed(work, ours))
    return told, peer.outcomes()[0]


def going_well(role, version, look=None, theirs=(), **ours):
    def test(work):
        told, java = both(work, role, version, dict(theirs), ours)
        check_told(told, version=f"TLSv{version}")
        check_equal(java["error"], "", "Java's error")
        if look:
            look(told, java)
    return test


def refusing(role, version, category, value, reason, theirs=(), **ours):
    def test(work):
        told, java = both(work, role, version, dict(theirs), ours)
        check_refused(told, category, value)
        check_found(reason, java["error"], "Java's error")
    return test


def client_resumes(version):
    """JSSE keeps sessions by the port, so that a fleet of processes on one machine does nothing for it."""
    def test(work):
        server = work.our_server(*REPLY, connections=3, **only(version))
        java = Java(work, "client", version, ports=",".join([str(server.port())] * 3)).outcomes()
        check_equal([told["error"] for told in java], [""] * 3, "Java's errors")
        check_resumed(server.outcomes())
        # What is resumed keeps the time at which the session began.
        check_equal(len({told["created"] for told in java}), 1, "how many sessions Java had")
    return test


def we_resume(version):
    def test(work):
        peer = Java(work, "server", version, identity="server", connections=3)
        check_resumed(work.start_our_client(peer.process.port(), *ASK, connections=3, cache="yes", **only(version)).outcomes())
        check_equal([told["error"] for told in peer.outcomes()], [""] * 3, "Java's errors")
    return test


def packed(work):
    p12 = work.new_file("p12")
    run(work, "openssl", "pkcs12", "-export", "-in", work.pki / "rsa.pem", "-inkey", work.pki / "rsa.key", "-certfile", work.pki / "ca.pem",
        "-passout", "pass:secret", "-name", "own", "-out", p12)
    # keytool writes another that has the same in it.
    again = work.new_file("p12")
    run(work, "keytool", "-importkeystore", "-srckeystore", p12, "-srcstoretype", "PKCS12", "-srcstorepass", "secret", "-destkeystore", again,
        "-deststoretype", "PKCS12", "-deststorepass", "secret")
    going_well("client", "1.3", p12=again, password="secret")(work)


def cases():
    for version in VERSIONS:
        yield f"sessions: client, TLS {version}", client_resumes(version)
        yield f"sessions: server, TLS {version}", we_resume(version)
        yield (f"client certificates: we ask, TLS {version}",
               going_well("client", version, lambda told, _: check_told(told, peer="CN=RSA Client", verified=2), {"identity": "rsa_client"},
                          ca="PKI/ca.pem"))
        yield (f"client certificates: we ask, TLS {version}, optional",
               going_well("client", version, lambda told, _: check_told(told, peer=""), ca="PKI/ca.pem", client_auth="optional"))
        yield (f"client certificates: we ask, TLS {version}, expired",
               refusing("client", version, "tls.verify", EXPIRED, "certificate_expired", {"identity": "expired_client"}, ca="PKI/ca.pem"))
        yield (f"client certificates: Java asks, TLS {version}",
               going_well("server", version, lambda _, java: check_equal(java["peer"], "CN=Test Client", "whom Java saw"),
                          {"client_auth": "required"}, cert="PKI/client.pem", key="PKI/client.key", signer="later"))
        yield (f"client certificates: Java asks, TLS {version}, none",
               refusing("server", version, "tls.alert", None, "(?i)empty", {"client_auth": "required"}))
        for role in ("client", "server"):
            agreed = lambda told, java: (check_told(told, alpn="two"), check_equal(java["alpn"], "two", "Java's ALPN"))
            yield f"ALPN: {role}, TLS {version}", going_well(role, version, agreed, {"alpn": "one,two"}, alpn="two,three")
        yield (f"keys: server, TLS {version}, RSA",
               going_well("server", version, lambda told, _: check_told(told, peer_key="RSA"), {"identity": "rsa"}))
    name = "a.wild.test"
    yield "names: client", going_well("client", "1.3", lambda told, java: check_equal(java["peer"], "CN=*.wild.test", "whom Java saw"),
                                      {"name": name}, hosts="*.wild.test=PKI/wild")
    yield ("names: client, an unknown one is refused",
           refusing("client", "1.3", "tls", IDENTITY_REFUSED, "unrecognized_name", {"name": "other.test"}, hosts="*.wild.test=PKI/wild",
                    unknown="refuse"))
    yield "keys: server, TLS 1.3, Ed25519", going_well("server", "1.3", lambda told, _: check_told(told, peer_key="Ed25519"),
                                                       {"identity": "ed25519"})
    yield "keys elsewhere: client, TLS 1.3, Ed25519", going_well("client", "1.3", identity="ed25519", signer="later")
    yield "PKCS 12: client, by keytool", packed
