# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Node's tls: identity, trust and sessions."""

import json
import pathlib

from harness import VERSIONS, check, check_clean, check_equal, check_found, check_told, missing, only, run
from identity import (ASK, BAD_CLIENTS, EXPIRED, IDENTITY_REFUSED, LABEL, REPLY, check_refused, check_resumed,
                      client_resumes, fleet_resumes, key_log_lines, make_ocsp_response)

MISSING = missing("node")
PROGRAM = pathlib.Path(__file__).with_name("node_identity_peer.js")


class Node:
    """The program with these options."""

    def __init__(self, work, role, version, **options):
        told = {"role": role, "version": version, "pki": str(work.pki), "label": LABEL, **options}
        self.process = work.start("node", PROGRAM, json.dumps(told, default=str))

    def outcomes(self):
        check_equal(self.process.status(), 0, f"Node's exit status\n{self.process.log}")
        return [json.loads(line) for line in self.process.out.decode().splitlines()]


def placed(work, options):
    return {name: str(value).replace("PKI", str(work.pki)) for name, value in options.items()}


def both(work, role, version, theirs, ours, steps=None):
    """One connection: what we tell, and what Node tells, whose role it is."""
    if role == "client":
        server = work.our_server(*(steps or REPLY), **only(version), **placed(work, ours))
        peer = Node(work, "client", version, ports=[server.port()], **theirs)
        return server.outcome(), peer.outcomes()[0]
    peer = Node(work, "server", version, **{"identity": "server", **theirs})
    told = work.our_client(peer.process.port(), *(steps or ASK), **only(version), **placed(work, ours))
    return told, peer.outcomes()[0]


def going_well(role, version, look=None, theirs=(), steps=None, **ours):
    def test(work):
        told, node = both(work, role, version, dict(theirs), ours, steps)
        check_clean(told, version)
        check_equal(node["error"], None, "Node's error")
        if look:
            look(told, node)
    return test


def refusing(role, version, category, value, reason, theirs=(), **ours):
    def test(work):
        told, node = both(work, role, version, dict(theirs), ours)
        check_refused(told, category, value)
        check_found(reason, str(node["error"]), "Node's error")
    return test


def same(*fields):
    def look(told, node):
        for field in fields:
            check_equal(told[field], node[field], field)
            check(told[field], f"{field} is empty")
    return look


# --- Sessions --------------------------------------------------------------------------------------------------------


def connect(work, version, ports):
    return Node(work, "client", version, ports=ports).outcomes()


def we_resume(version):
    def test(work):
        peer = Node(work, "server", version, identity="server", connections=3)
        check_resumed(work.start_our_client(peer.process.port(), *ASK, connections=3, cache="yes", **only(version)).outcomes())
        check_equal([told["reused"] for told in peer.outcomes()], [False, True, True], "what Node resumed")
    return test


# --- Everything else -------------------------------------------------------------------------------------------------


def same_keys(role, version):
    def test(work):
        ours, theirs = work.new_file("our-keys"), work.new_file("their-keys")
        going_well(role, version, None, {"keylog": theirs}, keylog=ours)(work)
        check(key_log_lines(ours), "we logged nothing")
        check_equal(key_log_lines(ours), key_log_lines(theirs), "the secrets")
    return test


def stapled(role, version):
    def test(work):
        response = make_ocsp_response(work)
        hexadecimal = response.read_bytes().hex()
        if role == "client":
            going_well(role, version, lambda _, node: check_equal(node["ocsp"], hexadecimal, "OCSP"), {"ocsp": "yes"}, staple=response)(work)
        else:
            going_well(role, version, lambda told, _: check_told(told, ocsp=hexadecimal), {"ocsp": response}, ask="yes")(work)
    return test


def client_certificates(role, version):
    def test(work):
        if role == "client":
            for how in ("required", "optional"):
                ours = {"ca": "PKI/ca.pem", "client_auth": how}
                for name, kind in (("client", "EC"), ("rsa_client", "RSA"), ("ed25519_client", "Ed25519")):
                    look = lambda told, _, kind=kind: check_told(told, peer_key=kind, verified=2)
                    going_well(role, version, look, {"identity": name}, **ours)(work)
                refusing(role, version, "tls.verify", EXPIRED, "certificate expired", {"identity": "expired_client"}, **ours)(work)
                refusing(role, version, "tls.verify", BAD_CLIENTS[0][1], "unknown ca", {"identity": "unknown_client"}, **ours)(work)
            going_well(role, version, lambda told, _: check_told(told, peer=""), **ours)(work)
            reason = {"1.2": "handshake failure", "1.3": "certificate required"}[version]
            refusing(role, version, "tls.boringssl", None, reason, ca="PKI/ca.pem")(work)
            return
        for name, subject in (("client", "Test Client"), ("rsa_client", "RSA Client"), ("ed25519_client", "Ed25519 Client")):
            look = lambda _, node, subject=subject: check_equal(node["peer"], subject, "whom Node saw")
            going_well(role, version, look, {"clientAuth": "required"}, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
        going_well(role, version, lambda _, node: check_equal(node["peer"], "", "whom Node saw"), {"clientAuth": "optional"})(work)
    return test


def packed(work):
    """One PKCS#12 is good for both."""
    p12 = work.new_file("p12")
    run(work, "openssl", "pkcs12", "-export", "-in", work.pki / "rsa.pem", "-inkey", work.pki / "rsa.key", "-passout", "pass:secret", "-out",
        p12)
    going_well("client", "1.3", p12=p12, password="secret")(work)
    going_well("server", "1.3", lambda told, _: check_told(told, peer_key="RSA"), {"identity": None, "p12": p12, "password": "secret"})(work)


HOSTS = {"hosts": "exact.test=PKI/exact,*.wild.test=PKI/wild"}


def cases():
    for version in VERSIONS:
        yield f"sessions: client, TLS {version}", client_resumes("Node", version, connect)
        yield f"sessions: server, TLS {version}", we_resume(version)
        yield f"sessions: processes that share ticket keys, TLS {version}", fleet_resumes("Node", version, connect)
        for role in ("client", "server"):
            where = f"{role}, TLS {version}"
            yield f"key log: {where}, the same lines", same_keys(role, version)
            yield f"OCSP: {where}", stapled(role, version)
            yield f"client certificates: {where}", client_certificates(role, version)
            steps = ("handshake", f"export={LABEL}", *(REPLY if role == "client" else ASK))
            yield (f"exporter, ALPN, version: {where}",
                   going_well(role, version, same("exported", "alpn", "version"), {"alpn": ["one", "two"]}, steps, alpn="two,three"))
        for name, subject in (("exact.test", "exact.test"), ("a.wild.test", "*.wild.test"), ("localhost", "localhost")):
            look = lambda _, node, subject=subject: check_equal(node["peer"], subject, "whom Node saw")
            yield f"names: client, TLS {version}, {name}", going_well("client", version, look, {"name": name}, **HOSTS)
        yield (f"names: client, TLS {version}, an unknown one is refused",
               refusing("client", version, "tls", IDENTITY_REFUSED, "unrecognized name", {"name": "other.test"}, **HOSTS, unknown="refuse"))
        yield f"ALPN: client, TLS {version}, none in common", refusing("client", version, "tls.boringssl", None, "no application protocol",
                                                                       {"alpn": ["one"]}, alpn="two")
        for kind, name in (("RSA", "rsa"), ("Ed25519", "ed25519")):
            yield (f"keys elsewhere: client, TLS {version}, {kind}",
                   going_well("client", version, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key", signer="later"))
            yield (f"keys: server, TLS {version}, {kind}",
                   going_well("server", version, lambda told, _, kind=kind: check_told(told, peer_key=kind), {"identity": name}))
    yield "PKCS 12", packed
