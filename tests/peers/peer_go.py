# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Go's crypto/tls: identity, trust and sessions."""

import json
import pathlib
import re
import shutil
import subprocess

from harness import VERSIONS, Skip, check, check_clean, check_equal, check_found, check_told, only
from identity import (ASK, BAD_CLIENTS, EXPIRED, IDENTITY_REFUSED, LABEL, PINNED_KEY_MISSING, REPLY, REVOKED,
                      VERIFICATION_REFUSED, WITHOUT_CERTIFICATE, check_refused, check_resumed, client_resumes,
                      fleet_resumes, key_log_lines, make_ocsp_response, make_scts, pin_of)
from peer_bssl import TOOL

SOURCE = pathlib.Path(__file__).with_name("go_peer.go")
OLDEST = (1, 25)  # what the program is written for


def why_not():
    if shutil.which("go") is None:
        return "there is no go"
    told = subprocess.run(["go", "version"], capture_output=True, check=False, text=True).stdout
    version = re.search(r"go(\d+)\.(\d+)", told)
    good = version and tuple(map(int, version.groups())) >= OLDEST
    return None if good else f"go is older than {OLDEST[0]}.{OLDEST[1]}: {told.strip()}"


MISSING = why_not()


class Go:
    """The program with these options."""

    def __init__(self, work, role, **options):
        program = work.shared / "go_peer"
        if not program.exists():
            subprocess.run(["go", "build", "-o", program, SOURCE], check=True)
        words = [f"-{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = work.start(program, role, f"-pki={work.pki}", f"-label={LABEL}", *words)

    def outcomes(self):
        check_equal(self.process.status(), 0, f"Go's exit status\n{self.process.log}")
        return [json.loads(line) for line in self.process.out.splitlines()]


def check_went_well(told, **wanted):
    check_equal(told["error"], "", "Go's error")
    for name, value in wanted.items():
        check_equal(told[name], value, f"Go's {name}")


def both(work, role, version, theirs, ours):
    """One connection; returns what we tell and what Go tells, whose role it is."""
    if role == "client":
        server = work.our_server(*ours.pop("steps", REPLY), **only(version), **ours)
        peer = Go(work, "client", version=version, ports=server.port(), **theirs)
        return server.outcome(), peer.outcomes()[0]
    theirs.setdefault("identity", "server")
    peer = Go(work, "server", version=version, **theirs)
    outcome = work.our_client(peer.process.port(), *ours.pop("steps", ASK), **only(version), **ours)
    return outcome, peer.outcomes()[0]


def going_well(role, version, look=None, theirs=(), **ours):
    def test(work):
        placed = {name: str(value).replace("PKI", str(work.pki)) for name, value in ours.items() if name != "steps"}
        told, go = both(work, role, version, dict(theirs), {**placed, **({"steps": ours["steps"]} if "steps" in ours else {})})
        check_clean(told, version)
        check_went_well(go, version=f"TLS {version}")
        if look:
            look(told, go)
    return test


def refusing(role, version, category, value, alert, theirs=(), **ours):
    """We refuse, and Go gets to know why; or if the category is tls.alert, the other way round."""
    def test(work):
        placed = {name: str(option).replace("PKI", str(work.pki)) for name, option in ours.items()}
        told, go = both(work, role, version, dict(theirs), placed)
        check_refused(told, category, value)
        check(go["error"], "Go saw no error")
        if alert:
            check_found(alert, go["error"], "Go's error")
    return test


def told_by_both(name):
    return lambda told, go: check_equal(told[name], go[name], name)


# --- Sessions --------------------------------------------------------------------------------------------------------


def connect(work, version, ports):
    return Go(work, "client", version=version, ports=",".join(map(str, ports))).outcomes()


def bound_to_names(version):
    """F83: Go keeps sessions by the name that it is told, and here it tells another in each connection."""
    def test(work):
        hosts = f"exact.test={work.pki / 'exact'}"
        server = work.our_server(*REPLY, connections=2, hosts=hosts, **only(version))
        for name in ("localhost", "exact.test"):
            told = Go(work, "client", version=version, ports=server.port(), name=name).outcomes()[0]
            check_went_well(told, reused=False, peer=name)
        check_equal([told["server_name"] for told in server.outcomes()], ["localhost", "exact.test"], "the names")
    return test


def we_resume(version):
    def test(work):
        peer = Go(work, "server", version=version, identity="server", connections=3)
        client = work.start_our_client(peer.process.port(), *ASK, connections=3, cache="yes", **only(version))
        check_resumed(client.outcomes())
        check_equal([told["reused"] for told in peer.outcomes()], [False, True, True], "what Go resumed")
    return test


# --- Everything else -------------------------------------------------------------------------------------------------


def stapled(role, version):
    def test(work):
        response, scts = make_ocsp_response(work), work.new_file("scts")
        scts.write_bytes(make_scts())
        one = make_scts()[4:].hex()  # Go takes and gives each by itself
        if role == "client":
            look = lambda told, go: check_went_well(go, ocsp=response.read_bytes().hex(), scts=[one])
            going_well(role, version, look, staple=response, scts=scts)(work)
        else:
            look = lambda told, go: check_told(told, ocsp=response.read_bytes().hex(), scts=make_scts().hex())
            going_well(role, version, look, {"ocsp": response, "sct": one}, ask="yes")(work)
            going_well(role, version, lambda told, go: check_told(told, ocsp="", scts=""), {"ocsp": response, "sct": one})(work)
    return test


def client_certificates(role, version):
    def test(work):
        if role == "server":
            theirs = {"client-auth": "true"}
            for name, subject in (("client", "Test Client"), ("rsa_client", "RSA Client"), ("ed25519_client", "Ed25519 Client")):
                look = lambda told, go, subject=subject: check_went_well(go, peer=subject)
                going_well(role, version, look, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
            refusing(role, version, "tls.alert", WITHOUT_CERTIFICATE[version], None, theirs)(work)
            for name in ("unknown_client", "expired_client"):
                refusing(role, version, "tls.alert", None, None, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
            return
        for how in ("required", "optional"):
            for name, kind in (("client", "EC"), ("rsa_client", "RSA"), ("ed25519_client", "Ed25519")):
                look = lambda told, go, kind=kind: check_told(told, peer_key=kind, verified=2)
                going_well(role, version, look, {"identity": name}, ca="PKI/ca.pem", client_auth=how)(work)
            # Go sends no certificate that the authorities we name have not issued.
            _, reason, _ = BAD_CLIENTS[1]
            refusing(role, version, "tls.verify", reason, "expired certificate", {"identity": "expired_client"}, ca="PKI/ca.pem",
                     client_auth=how)(work)
        going_well(role, version, lambda told, go: check_told(told, peer=""), ca="PKI/ca.pem", client_auth="optional")(work)
        going_well(role, version, lambda told, go: check_told(told, peer=""), {"identity": "unknown_client"}, ca="PKI/ca.pem",
                   client_auth="optional")(work)
        refusing(role, version, "tls.boringssl", None, "certificate required|handshake failure", ca="PKI/ca.pem")(work)
    return test


def same_keys(role, version):
    def test(work):
        ours, theirs = work.new_file("our-keys"), work.new_file("their-keys")
        going_well(role, version, None, {"keylog": theirs}, keylog=ours)(work)
        check(key_log_lines(ours), "we logged nothing")
        # What is not for application data Go leaves out.
        check(set(key_log_lines(theirs)) <= set(key_log_lines(ours)) and key_log_lines(theirs), "the secrets differ")
    return test


def pinned(role):
    def test(work):
        name, theirs, ours = ("client", {"identity": "client"}, {"ca": "PKI/ca.pem"}) if role == "client" else ("server", {}, {})
        going_well(role, "1.3", None, theirs, pin=pin_of(work, name), **ours)(work)
        refusing(role, "1.3", "tls", PINNED_KEY_MISSING, "bad certificate", theirs, pin=pin_of(work, "rsa"), **ours)(work)
    return test


def revoked(role):
    crl = {"crl": "PKI/revoked.crl"}
    if role == "server":
        return refusing(role, "1.3", "tls.verify", REVOKED, "revoked certificate", {"identity": "revoked"}, **crl)
    return refusing(role, "1.3", "tls.verify", REVOKED, "revoked certificate", {"identity": "revoked_client"}, ca="PKI/ca.pem", **crl)


# --- ECH -------------------------------------------------------------------------------------------------------------


def make_ech(work):
    """A list, a configuration and its key, made by BoringSSL's tool."""
    if TOOL is None:
        raise Skip("there is no bssl-tool (package android-boringssl)")
    files = {name: work.new_file(name) for name in ("list", "config", "key")}
    subprocess.run([TOOL, "generate-ech", "-out-ech-config-list", files["list"], "-out-ech-config", files["config"], "-out-private-key",
                    files["key"], "-public-name", "public.test", "-config-id", "7"], check=True, capture_output=True)
    return files


def encrypted_hello(role):
    def test(work):
        ech = make_ech(work)
        if role == "client":
            told, go = both(work, role, "1.3", {"ech_list": ech["list"]}, {"ech_config": ech["config"], "ech_key": ech["key"]})
        else:
            told, go = both(work, role, "1.3", {"ech_config": ech["config"], "ech_key": ech["key"]}, {"ech_list": ech["list"]})
        check_told(told, ech_accepted=True, server_name="localhost")
        check_went_well(go, ech=True)
    return test


def outdated_hello(role):
    """The server has another key: it is believed by its public name, and tells the configuration of now."""
    def test(work):
        old, new = make_ech(work), make_ech(work)
        if role == "client":
            hosts = f"public.test={work.pki / 'public'}"
            told, go = both(work, role, "1.3", {"ech_list": old["list"]}, {"ech_config": new["config"], "ech_key": new["key"], "hosts": hosts})
            check_refused(told, "tls.alert", 121)  # ech_required
            check_equal(go["ech_retry"], new["list"].read_bytes().hex(), "what Go is to try")
        else:
            theirs = {"ech_config": new["config"], "ech_key": new["key"], "identity": "public"}
            told, _ = both(work, role, "1.3", theirs, {"ech_list": old["list"]})
            check_refused(told, "tls.boringssl", None)
            check_equal(told["ech_retry"], new["list"].read_bytes().hex(), "what we are to try")
    return test


def cases():
    for version in VERSIONS:
        yield f"sessions: client, TLS {version}", client_resumes("Go", version, connect)
        yield f"sessions: server, TLS {version}", we_resume(version)
        yield f"sessions: processes that share ticket keys, TLS {version}", fleet_resumes("Go", version, connect)
        yield f"F83 sessions: client, TLS {version}, one name", bound_to_names(version)
        for role in ("client", "server"):
            where = f"{role}, TLS {version}"
            yield f"OCSP and SCTs: {where}", stapled(role, version)
            yield f"client certificates: {where}", client_certificates(role, version)
            yield f"key log: {where}, the same lines", same_keys(role, version)
            exporting = {"steps": ("handshake", f"export={LABEL}", *(REPLY if role == "client" else ASK))}
            yield f"exporter: {where}", going_well(role, version, told_by_both("exported"), **exporting)
            yield f"channel binding: {where}, tls-exporter", going_well(role, version, told_by_both("tls_exporter"))
            yield f"channel binding: {where}, tls-unique", going_well(role, version, told_by_both("tls_unique"))
            agreed = lambda told, go: (check_equal(told["alpn"], "two", "ALPN"), check_equal(go["alpn"], "two", "Go's ALPN"))
            yield f"ALPN: {where}", going_well(role, version, agreed, {"alpn": "one,two" if role == "client" else "two,three"},
                                               alpn="two,three" if role == "client" else "one,two")
            for short, name in (("x25519", "X25519"), ("p256", "P-256"), ("p384", "P-384")):
                chosen = lambda told, go, name=name: check_told(told, group=name)
                yield f"groups: {where}, {name}", going_well(role, version, chosen, {"groups": short})
        for kind, identity in (("RSA", "rsa"), ("Ed25519", "ed25519")):
            yield f"keys: client, TLS {version}, {kind}", going_well("client", version, cert=f"PKI/{identity}.pem", key=f"PKI/{identity}.key")
            yield (f"keys elsewhere: client, TLS {version}, {kind}",
                   going_well("client", version, cert=f"PKI/{identity}.pem", key=f"PKI/{identity}.key", signer="later"))
            yield (f"keys: server, TLS {version}, {kind}",
                   going_well("server", version, lambda told, go, kind=kind: check_told(told, peer_key=kind), {"identity": identity}))
    for role in ("client", "server"):
        yield f"pins: {role}", pinned(role)
        yield f"CRLs: {role}", revoked(role)
        yield f"ECH: {role}", encrypted_hello(role)
        yield f"ECH: {role}, an outdated configuration", outdated_hello(role)
    for who in ("own", "ask"):
        yield f"key update: client, ours ({who})", going_well("client", "1.3", steps=("handshake", f"update-keys={who}", *REPLY))
        yield f"key update: server, ours ({who})", going_well("server", "1.3", steps=("handshake", f"update-keys={who}", *ASK))
    hosts = {"hosts": "exact.test=PKI/exact,*.wild.test=PKI/wild"}
    for name, subject in (("exact.test", "exact.test"), ("a.wild.test", "*.wild.test")):
        yield f"names: client, {name}", going_well("client", "1.3", lambda told, go, subject=subject: check_went_well(go, peer=subject),
                                                   {"name": name}, **hosts)
    yield ("names: client, an unknown one is refused",
           refusing("client", "1.3", "tls", IDENTITY_REFUSED, "unrecognized name", {"name": "other.test"}, **hosts, unknown="refuse"))
    yield "time: server, expired", refusing("server", "1.3", "tls.verify", EXPIRED, "expired certificate", {"identity": "expired"})
    yield "own verification: server, accepts", going_well("server", "1.3", None, {"identity": "expired"}, verify="accept")
    yield "own verification: server, later", going_well("server", "1.3", verify="later")
    yield "own verification: server, refuses", refusing("server", "1.3", "tls", VERIFICATION_REFUSED, "access denied", verify="refuse")
