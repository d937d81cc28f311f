# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""GnuTLS's command line: identity, trust and sessions."""

import re

from harness import VERSIONS, check, check_equal, check_found, check_told, missing, only, run, wait_until
from identity import (BAD_CERTIFICATE, BAD_CLIENTS, CERTIFICATE_EXPIRED, EXPIRED, IDENTITY_REFUSED, LABEL, NO_PROTOCOL,
                      NO_APPLICATION_PROTOCOL, PINNED_KEY_MISSING, REVOKED, CERTIFICATE_REVOKED, UNRECOGNIZED_NAME,
                      VERIFICATION_REFUSED, ACCESS_DENIED, WITHOUT_CERTIFICATE, check_refused, check_resumed, key_log_lines,
                      make_ocsp_response, make_ticket_keys)
from peer_gnutls import priority

MISSING = missing("gnutls-serv", "gnutls-cli", "certtool")

# gnutls-cli listens first, and gnutls-serv echoes.
GREET = ("handshake", "text=answer\n", "until-end", "close")
ASK_ECHO = ("text=answer\n", "expect-text=answer\n", "close")


def start_client(work, port, version, *options, name="localhost", strings="", environment=None):
    return work.start("gnutls-cli", f"--x509cafile={work.pki / 'ca.pem'}", f"--port={port}", priority(version) + strings, "--verbose",
                      f"--sni-hostname={name}", "--verify-hostname=" + name, *options, "127.0.0.1", environment=environment)


def greet(work, port, version, *options, **more):
    """One connection of gnutls-cli's, or two with --resume; to the end that it makes."""
    client = start_client(work, port, version, *options, **more)
    client.wait_for("^(- Received.*)?answer$")
    client.end_of_input()
    check_equal(client.status(), 0, f"gnutls-cli's exit status\n{client.log}")
    return client


def start_server(work, version, *options, identity="server", strings="", environment=None):
    return work.start("gnutls-serv", "--port=0", "--echo", f"--x509certfile={work.pki / identity}.pem",
                      f"--x509keyfile={work.pki / identity}.key", priority(version) + strings, "--debug=6", *options,
                      environment=environment)


def in_pki(work, words):
    return [word.replace("PKI", str(work.pki)) for word in words]


def placed(work, options):
    return {name: str(value).replace("PKI", str(work.pki)) for name, value in options.items()}


def greeted(version, look=None, theirs=(), identity="server", steps=GREET, name="localhost", strings="", **ours):
    """Our server with these options, and gnutls-cli with those; `name` and `strings` are its, too."""
    def test(work):
        server = work.our_server(*steps, identity=identity, **only(version), **placed(work, ours))
        client = greet(work, server.port(), version, *in_pki(work, theirs), name=name, strings=strings)
        told = server.outcome()
        check_told(told, version=f"TLSv{version}")
        if look:
            look(told, client)
    return test


def asking(version, look=None, theirs=("--disable-client-cert",), identity="server", steps=ASK_ECHO, strings="", **ours):
    """Our client, and gnutls-serv."""
    def test(work):
        server = start_server(work, version, *in_pki(work, theirs), identity=identity, strings=strings)
        told = work.our_client(server.port(), *steps, **only(version), **placed(work, ours))
        check_told(told, version=f"TLSv{version}")
        if look:
            look(told, server)
    return test


def refusing_client(version, category, value, alert, theirs=(), name="localhost", strings="", **ours):
    def test(work):
        server = work.our_server(*GREET, **only(version), **placed(work, ours))
        client = start_client(work, server.port(), version, *in_pki(work, theirs), name=name, strings=strings)
        check_refused(server.outcome(), category, value)
        check_equal(client.status(), 1, f"gnutls-cli's exit status\n{client.log}")
        check_found(rf"Received alert \[{alert}\]", client.log, "gnutls-cli's log")
    return test


def refusing_server(version, category, value, alert=None, theirs=("--disable-client-cert",), identity="server", **ours):
    def test(work):
        server = start_server(work, version, *in_pki(work, theirs), identity=identity)
        check_refused(work.our_client(server.port(), *ASK_ECHO, **only(version), **placed(work, ours)), category, value)
        if alert is not None:
            wait_until(lambda: re.search(rf"Alert\[2\|{alert}\] .* was received", server.log),
                       lambda: f"alert {alert} in\n{server.log}")
    return test


def says(pattern):
    return lambda _, peer: check_found(pattern, peer.log, "GnuTLS's log")


# --- Sessions --------------------------------------------------------------------------------------------------------


def client_resumes(version):
    def test(work):
        server = work.our_server(*GREET, connections=2, **only(version))
        client = greet(work, server.port(), version, "--resume", *["--waitresumption"] * (version == "1.3"))
        check_found("This is a resumed session", client.log, "gnutls-cli's log")
        check_resumed(server.outcomes())
    return test


def we_resume(version):
    def test(work):
        server = start_server(work, version, "--disable-client-cert")
        # In TLS 1.2 a session of another kind is what it keeps without tickets.
        check_resumed(work.start_our_client(server.port(), *ASK_ECHO, connections=3, cache="yes", **only(version)).outcomes())
        plain = start_server(work, version, "--disable-client-cert", "--nodb", "--noticket")
        for told in work.start_our_client(plain.port(), *ASK_ECHO, connections=2, cache="yes", **only(version)).outcomes():
            check_told(told, reused=False)
        if version == "1.2":
            by_number = start_server(work, version, "--disable-client-cert", "--noticket")
            check_resumed(work.start_our_client(by_number.port(), *ASK_ECHO, connections=2, cache="yes", **only(version)).outcomes())
    return test


def client_sends_early(accepted):
    def test(work):
        early = work.new_file("early")
        early.write_bytes(b"early data\n")
        # Early data is read first; where there is none that is the handshake.
        steps = ("read-early", *GREET) if accepted else GREET
        server = work.our_server(*steps, connections=2, tickets=make_ticket_keys(work, "keys"), **({"early": "yes"} if accepted else {}))
        client = greet(work, server.port(), "1.3", "--resume", "--waitresumption", f"--earlydata={early}")
        check_found("This is a resumed session", client.log, "gnutls-cli's log")
        first, second = server.outcomes()
        check_told(first, reused=False, early="")
        check_told(second, reused=True, early="early data\n" if accepted else "", early_accepted=accepted)
    return test


def we_send_early(accepted):
    """A server with other keys rejects it."""
    def test(work):
        steps = ("early=early data\n", *ASK_ECHO)
        session = work.new_file("session")
        options = ("--disable-client-cert", "--earlydata", "--maxearlydata=1000")
        first = start_server(work, "1.3", *options)
        check_told(work.our_client(first.port(), *steps, session=session, early="yes"), reused=False, early_sent=0)
        server = first if accepted else start_server(work, "1.3", *options)
        told = work.our_client(server.port(), *steps, session=session, early="yes")
        check_told(told, reused=accepted, early_sent=11, early_accepted=accepted, early_resent=0 if accepted else 11)
        # It echoes what it took for early data not at all.
        check_equal(told["received"], b"answer\n" if accepted else b"early data\nanswer\n", "what it echoed")
    return test


# --- What both know --------------------------------------------------------------------------------------------------


MATERIAL = (f"--keymatexport={LABEL}", "--keymatexportsize=32")


def exports(field, pattern):
    def same(told, peer):
        found = re.search(pattern, peer.log, re.MULTILINE)
        check(found, lambda: f"no {pattern} in\n{peer.log}")
        check_equal(told[field], found[1], field)
    return same


def same_keys(role, version):
    def test(work):
        ours, theirs = work.new_file("our-keys"), work.new_file("their-keys")
        environment = {"SSLKEYLOGFILE": str(theirs)}
        if role == "client":
            server = work.our_server(*GREET, keylog=ours, **only(version))
            greet(work, server.port(), version, environment=environment)
            check_told(server.outcome())
        else:
            server = start_server(work, version, "--disable-client-cert", environment=environment)
            check_told(work.our_client(server.port(), *ASK_ECHO, keylog=ours, **only(version)))
        check(key_log_lines(ours), "we logged nothing")
        check_equal(key_log_lines(ours), key_log_lines(theirs), "the secrets")
    return test


def it_updates_keys(work):
    server = work.our_server("handshake", "text=answer\n", "expect-text=again\n", "until-end", "close", observe="yes", **only("1.3"))
    client = start_client(work, server.port(), "1.3", "--inline-commands")
    client.wait_for("answer$")
    client.write(b"^rekey^\n")
    client.wait_for("(?i)rekey")
    client.write(b"again\n")
    client.end_of_input()
    told = server.outcome()
    check_told(told)
    check("received key_update" in told["events"], f"the events are {told['events']}")


# --- Who one is ------------------------------------------------------------------------------------------------------


# By default GnuTLS 3.7 leaves out the parameters of PBKDF2's hash, which RFC 8018 B.1.2 wants to be NULL, and BoringSSL insists on it.
UNDERSTOOD = ("--pkcs-cipher", "3des-pkcs12")


def pkcs12(work):
    packed = work.new_file("p12")
    run(work, "certtool", "--to-p12", "--load-privkey", work.pki / "rsa.key", "--load-certificate", work.pki / "rsa.pem", "--p12-name",
        "it", "--password", "secret", *UNDERSTOOD, "--outder", "--outfile", packed)
    greeted("1.3", identity="rsa", p12=packed, password="secret")(work)


def encrypted_key(work):
    key = work.new_file("key")
    run(work, "certtool", "--to-p8", "--load-privkey", work.pki / "rsa.key", "--password", "secret", *UNDERSTOOD, "--outfile", key)
    check("ENCRYPTED" in key.read_text(), "certtool has not encrypted the key")
    greeted("1.3", cert="PKI/rsa.pem", key=key, password="secret")(work)


def chosen_by_signatures(version):
    def test(work):
        server = work.our_server(*GREET, identity="rsa", more=work.pki / "server", connections=3, **only(version))
        for strings, wanted in (("", "RSA"), (":-SIGN-ALL:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256", "ECDSA"), (":-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256", "RSA")):
            # The authority's own signature, which is of ECDSA, it need not understand.
            client = greet(work, server.port(), version, "--insecure", strings=strings)
            check_found(f"^- Server Signature: {wanted}", client.log, "gnutls-cli's log")
        server.outcomes()
    return test


HOSTS = {"hosts": "exact.test=PKI/exact,*.wild.test=PKI/wild"}


def stapled(role, version):
    def test(work):
        response = make_ocsp_response(work)
        if role == "server":
            theirs = ("--disable-client-cert", f"--ocsp-response={response}")
            asking(version, lambda told, _: check_told(told, ocsp=response.read_bytes().hex()), theirs, ask="yes")(work)
            return
        saved = work.new_file("saved")
        greeted(version, None, [f"--save-ocsp={saved}", "--insecure"], staple=response)(work)
        check_equal(saved.read_bytes(), response.read_bytes(), "what GnuTLS was told")
    return test


# --- Whom one believes -----------------------------------------------------------------------------------------------


def own(name):
    return [f"--x509certfile=PKI/{name}.pem", f"--x509keyfile=PKI/{name}.key"]


def we_ask_for_its(version):
    def test(work):
        for how in ("required", "optional"):
            ours = {"ca": "PKI/ca.pem", "client_auth": how}
            for name, kind in (("client", "EC"), ("rsa_client", "RSA"), ("ed25519_client", "Ed25519")):
                greeted(version, lambda told, _, kind=kind: check_told(told, peer_key=kind, verified=2), own(name), **ours)(work)
            refusing_client(version, "tls.verify", EXPIRED, CERTIFICATE_EXPIRED, own("expired_client"), **ours)(work)
        greeted(version, lambda told, _: check_told(told, peer=""), [], **ours)(work)
        refusing_client(version, "tls.boringssl", None, WITHOUT_CERTIFICATE[version], [], ca="PKI/ca.pem")(work)
    return test


def it_asks_for_ours(version):
    def test(work):
        theirs = ["--require-client-cert", "--verify-client-cert", "--x509cafile=PKI/ca.pem"]
        for name in ("client", "rsa_client", "ed25519_client"):
            asking(version, None, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
            asking(version, None, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key", signer="later")(work)
        refusing_server(version, "tls.alert", None, None, theirs)(work)
        for name, _, _ in BAD_CLIENTS:
            refusing_server(version, "tls.alert", None, None, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
    return test


def pins(role):
    """As gnutls-cli writes them: pin-sha256:BASE64."""
    def test(work):
        def pin_of(name):
            info = run(work, "certtool", "--certificate-info", "--infile", work.pki / f"{name}.pem").decode()
            return "sha256/" + re.search("pin-sha256:(\\S+)", info)[1]
        if role == "server":
            asking("1.3", pin=pin_of("server"))(work)
            refusing_server("1.3", "tls", PINNED_KEY_MISSING, BAD_CERTIFICATE, pin=pin_of("rsa"))(work)
        else:
            greeted("1.3", None, own("client"), ca="PKI/ca.pem", pin=pin_of("client"))(work)
            refusing_client("1.3", "tls", PINNED_KEY_MISSING, BAD_CERTIFICATE, own("client"), ca="PKI/ca.pem", pin=pin_of("rsa"))(work)
    return test


def revoked(role):
    """By a list that certtool makes."""
    def test(work):
        template, crl = work.new_file("template"), work.new_file("crl")
        template.write_text("crl_next_update = 7\ncrl_number = 1\n")
        both = work.new_file("pem")
        both.write_text("".join((work.pki / f"{name}.pem").read_text() for name in ("revoked", "revoked_client")))
        run(work, "certtool", "--generate-crl", "--load-ca-privkey", work.pki / "ca.key", "--load-ca-certificate", work.pki / "ca.pem",
            "--load-certificate", both, "--template", template, "--outfile", crl)
        if role == "server":
            asking("1.3", crl=crl)(work)
            refusing_server("1.3", "tls.verify", REVOKED, CERTIFICATE_REVOKED, identity="revoked", crl=crl)(work)
        else:
            greeted("1.3", None, own("client"), ca="PKI/ca.pem", crl=crl)(work)
            refusing_client("1.3", "tls.verify", REVOKED, CERTIFICATE_REVOKED, own("revoked_client"), ca="PKI/ca.pem", crl=crl)(work)
    return test


def agrees(field, value):
    return lambda told, _: check_told(told, **{field: value})


def cases():
    for version in VERSIONS:
        yield f"sessions: client, TLS {version}", client_resumes(version)
        yield f"sessions: server, TLS {version}", we_resume(version)
        yield f"client certificates: we ask, TLS {version}", we_ask_for_its(version)
        yield f"client certificates: gnutls-serv asks, TLS {version}", it_asks_for_ours(version)
        yield f"identities by signatures: client, TLS {version}", chosen_by_signatures(version)
        material = exports("exported", "^- Key material: (\\w+)$")
        yield f"exporter: client, TLS {version}", greeted(version, material, MATERIAL, steps=("handshake", f"export={LABEL}", *GREET[1:]))
        for kind in ("tls-exporter", "tls-unique")[: 2 if version == "1.2" else 1]:
            binding = exports(kind.replace("-", "_"), f"^ - '{kind}': (\\w+)$")
            yield f"channel binding: client, TLS {version}, {kind}", greeted(version, binding)
        for role in ("client", "server"):
            yield f"key log: {role}, TLS {version}, the same lines", same_keys(role, version)
            yield f"OCSP: {role}, TLS {version}", stapled(role, version)
        two = agrees("alpn", "two")
        yield f"ALPN: client, TLS {version}", greeted(version, two, ["--alpn=one", "--alpn=two"], alpn="two,three")
        yield f"ALPN: server, TLS {version}", asking(version, two, ["--disable-client-cert", "--alpn=two"], alpn="one,two")
        yield (f"ALPN: client, TLS {version}, a callable refuses",
               refusing_client(version, "tls.boringssl", None, NO_APPLICATION_PROTOCOL, ["--alpn=one"], select_alpn="two"))
        yield (f"ALPN: server, TLS {version}, missed",
               refusing_server(version, "tls", NO_PROTOCOL, NO_APPLICATION_PROTOCOL, alpn="one", require_alpn="yes"))
        for name, string in (("X25519", "X25519"), ("P-256", "SECP256R1"), ("P-384", "SECP384R1")):
            strings = f":-GROUP-ALL:+GROUP-{string}"
            yield f"groups: client, TLS {version}, {name}", greeted(version, agrees("group", name), strings=strings)
            yield f"groups: server, TLS {version}, {name}", asking(version, agrees("group", name), strings=strings)
        for kind, name in (("RSA", "rsa"), ("EC", "server"), ("Ed25519", "ed25519")):
            signed = says(f"^- Server Signature: {'EdDSA-Ed25519' if kind == 'Ed25519' else kind}")
            yield f"keys: client, TLS {version}, {kind}", greeted(version, signed, identity=name)
            yield f"keys elsewhere: client, TLS {version}, {kind}", greeted(version, signed, identity=name, signer="later")
            yield f"keys: server, TLS {version}, {kind}", asking(version, agrees("peer_key", kind), identity=name)
    for name in ("early data accepted", "early data rejected"):
        yield f"{name}: client", client_sends_early(name.endswith("accepted"))
        yield f"F83 {name}: server", we_send_early(name.endswith("accepted"))
    yield "key update: client, its", it_updates_keys
    for who in ("own", "ask"):
        yield f"key update: client, ours ({who})", greeted("1.3", steps=("handshake", f"update-keys={who}", *GREET[1:]))
        yield f"key update: server, ours ({who})", asking("1.3", steps=("handshake", f"update-keys={who}", *ASK_ECHO))
    yield "PKCS 12: client", pkcs12
    yield "encrypted key: client, PKCS 8", encrypted_key
    for name, subject in (("exact.test", "exact.test"), ("a.wild.test", r"\*\.wild\.test")):
        yield f"names: client, {name}", greeted("1.3", says(f"(?i)subject:? .?CN={subject}"), name=name, **HOSTS)
    yield ("names: client, an unknown one is refused",
           refusing_client("1.3", "tls", IDENTITY_REFUSED, UNRECOGNIZED_NAME, name="other.test", **HOSTS, unknown="refuse"))
    for role in ("client", "server"):
        yield f"pins: {role}", pins(role)
        yield f"CRLs: {role}", revoked(role)
    yield "time: server, expired", refusing_server("1.3", "tls.verify", EXPIRED, CERTIFICATE_EXPIRED, identity="expired")
    yield "own verification: server, accepts", asking("1.3", identity="expired", verify="accept")
    yield "own verification: server, later", asking("1.3", verify="later")
    yield "own verification: server, refuses", refusing_server("1.3", "tls", VERIFICATION_REFUSED, ACCESS_DENIED, verify="refuse")
    yield "own verification: client, later", greeted("1.3", None, own("client"), ca="PKI/ca.pem", verify="later")
    yield ("own verification: client, refuses",
           refusing_client("1.3", "tls", VERIFICATION_REFUSED, ACCESS_DENIED, own("client"), ca="PKI/ca.pem", verify="refuse"))
