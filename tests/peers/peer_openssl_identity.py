# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""OpenSSL's command line: identity, trust and sessions."""

import base64
import re
import time

from harness import VERSIONS, check, check_equal, check_found, check_told, missing, only, run, wait_until
from identity import (ACCESS_DENIED, BAD_CERTIFICATE, BAD_CLIENTS, CERTIFICATE_EXPIRED, CERTIFICATE_REVOKED, EXPIRED, HELLO,
                      IDENTITY_REFUSED, NOT_YET_VALID, PINNED_KEY_MISSING, REPLY, REVOKED, UNRECOGNIZED_NAME, VERIFICATION_REFUSED,
                      WITHOUT_CERTIFICATE, check_refused, make_ocsp_response, make_scts, pem_body, pin_of)
from peer_openssl import OpenSsl, switch

MISSING = missing("openssl")


def start_client(work, port, *options, name="localhost"):
    return OpenSsl(work, "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-CAfile", work.pki / "ca.pem",
                   "-verify_return_error", "-no_ign_eof", *options)


def ask(work, port, *options, name="localhost"):
    """One connection of s_client's, to the end that our server makes; returns it with its log."""
    client = start_client(work, port, *options, name=name)
    client.process.write(HELLO)
    client.process.status()
    return client


def start_server(work, *options, identity="server"):
    """It reads a line and says it backwards; so that our client asks for that."""
    return OpenSsl.server(work, *options, "-rev", identity=identity)


ASK_REVERSED = ("text=rewsna\n", "expect-text=answer\n", "close")


def asking(version, check_outcome=None, theirs=(), identity="server", steps=ASK_REVERSED, **ours):
    """Our client with these options, and s_server with those."""
    def test(work):
        server = start_server(work, switch(version), *in_pki(work, theirs), identity=identity)
        told = work.our_client(server.process.port(), *steps, **only(version), **placed(work, ours))
        check_told(told, version=f"TLSv{version}")
        if check_outcome:
            check_outcome(told, server)
    return test


def asked(version, check_outcome=None, theirs=(), identity="server", steps=REPLY, name="localhost", **ours):
    """Our server with these options, and s_client with those."""
    def test(work):
        server = work.our_server(*steps, identity=identity, **only(version), **placed(work, ours))
        client = ask(work, server.port(), switch(version), *in_pki(work, theirs), name=name)
        told = server.outcome()
        check_told(told, version=f"TLSv{version}")
        check_equal(client.process.status(), 0, f"s_client's exit status\n{client.process.log}")
        if check_outcome:
            check_outcome(told, client)
    return test


def refusing_server(version, category, value, theirs=(), identity="server", alert=None, name="localhost", **ours):
    """The same, and our client refuses s_server, which gets to know why; or the other way round."""
    def test(work):
        server = start_server(work, switch(version), *in_pki(work, theirs), identity=identity)
        told = work.our_client(server.process.port(), *ASK_REVERSED, name=name, **only(version), **placed(work, ours))
        check_refused(told, category, value)
        if category != "tls.alert":
            check_told_why(server, alert)
    return test


def refusing_client(version, category, value, theirs=(), identity="server", alert=None, name="localhost", **ours):
    def test(work):
        server = work.our_server(*REPLY, identity=identity, **only(version), **placed(work, ours))
        client = ask_whoever_refuses(work, server.port(), switch(version), *in_pki(work, theirs), name=name)
        check_refused(server.outcome(), category, value)
        check(client.process.status() != 0, "s_client succeeded")
        check_told_why(client, alert)
    return test


def check_told_why(peer, alert):
    """The peer received this fatal alert from us."""
    def logged():
        pattern = r"^(<<<|>>>) .*Alert \[length 0002\].*\n +02 (\w\w)$"
        return [(arrow, int(number, 16)) for arrow, number in re.findall(pattern, peer.log_path.read_text(encoding="ascii"), re.MULTILINE)]
    wait_until(logged, lambda: f"an alert in\n{peer.process.log}")
    check_equal(logged(), [("<<<", alert)], "the fatal alerts")


def ask_whoever_refuses(work, port, *options, name):
    client = start_client(work, port, *options, name=name)
    try:
        client.process.write(HELLO)
    except BrokenPipeError:
        pass  # it was told before that
    client.process.status()
    return client


def in_pki(work, words):
    """Files that are named as such: PKI/client.pem."""
    return [word.replace("PKI", str(work.pki)) for word in words]


def placed(work, options):
    return {name: str(value).replace("PKI", str(work.pki)) for name, value in options.items()}


def says(pattern):
    return lambda told, peer: check_found(pattern, peer.process.log, "OpenSSL's log")


# --- Who one is ------------------------------------------------------------------------------------------------------


def pkcs12(version, *options):
    """A key with its certificate as OpenSSL packs them."""
    def test(work):
        packed = work.new_file("p12")
        run(work, "openssl", "pkcs12", "-export", "-in", work.pki / "rsa.pem", "-inkey", work.pki / "rsa.key", "-certfile",
            work.pki / "ca.pem", "-passout", "pass:secret", "-out", packed, *options)
        asked(version, identity="rsa", p12=packed, password="secret")(work)
    return test


def encrypted_key(version, *command):
    def test(work):
        key = work.new_file("key")
        run(work, "openssl", *command, "-in", work.pki / "rsa.key", "-passout", "pass:secret", "-out", key)
        server = work.our_server(*REPLY, cert=work.pki / "rsa.pem", key=key, password="secret", **only(version))
        ask(work, server.port(), switch(version))
        check_told(server.outcome())
        wrong = work.our_server(*REPLY, cert=work.pki / "rsa.pem", key=key, password="Secret", **only(version))
        check_equal(wrong.status(), 3, "the driver's exit status")
        check_found("invalid private key", wrong.log, "the error")
        check("ecret" not in wrong.log, "the password is in the error")
    return test


def der_files(version, name, *traditional):
    def test(work):
        certificate, key = work.new_file("certificate"), work.new_file("key")
        run(work, "openssl", "x509", "-in", work.pki / f"{name}.pem", "-outform", "DER", "-out", certificate)
        run(work, "openssl", "pkey", "-in", work.pki / f"{name}.key", "-outform", "DER", *traditional, "-out", key)
        asked(version, form="der", cert=certificate, key=key)(work)
    return test


def chosen_by_signatures(version):
    """RSA before ECDSA, and whichever the client can verify."""
    def test(work):
        rows = [([], "RSA-PSS"), (["-sigalgs", "ECDSA+SHA256"], "ECDSA"), (["-sigalgs", "RSA-PSS+SHA256"], "RSA-PSS")]
        server = work.our_server(*REPLY, identity="rsa", more=work.pki / "server", connections=len(rows), **only(version))
        for options, wanted in rows:
            log = ask(work, server.port(), switch(version), *options).process.log
            check_found(f"^Peer signature type: {wanted}$", log, "s_client's log")
    return test


HOSTS = "exact.test=PKI/exact,*.wild.test=PKI/wild"


def chosen_by_name(version, **options):
    def test(work):
        rows = [("exact.test", "exact.test"), ("EXACT.test", "exact.test"), ("a.wild.test", "*.wild.test"), ("a.b.wild.test", "localhost"),
                ("wild.test", "localhost"), ("other.test", "localhost")]
        server = work.our_server(*REPLY, connections=len(rows), **placed(work, {"hosts": HOSTS}), **options, **only(version))
        for name, subject in rows:
            log = ask(work, server.port(), switch(version), name=name).process.log
            check_found(rf"^subject=CN = {re.escape(subject)}$", log, "s_client's log")
        check_equal([told["server_name"].lower() for told in server.outcomes()], [name.lower() for name, _ in rows], "the names")
    return test


def reloaded(version):
    """Another certificate takes the files' place while the server runs."""
    def test(work):
        certificate, key = work.directory / "cert.pem", work.directory / "key.pem"

        def put(name):
            for path, suffix in ((certificate, "pem"), (key, "key")):
                fresh = work.new_file(suffix)
                fresh.write_bytes((work.pki / f"{name}.{suffix}").read_bytes())
                fresh.rename(path)

        put("server")
        server = work.our_server(*REPLY, cert=certificate, key=key, reload="yes", connections=2, **only(version))
        check_found("^Peer signature type: ECDSA$", ask(work, server.port(), switch(version)).process.log, "s_client's log")
        put("rsa")
        check_found("^Peer signature type: RSA-PSS$", ask(work, server.port(), switch(version)).process.log, "s_client's log")
        server.outcomes()
    return test


# --- What is stapled -------------------------------------------------------------------------------------------------


def we_staple(version):
    def test(work):
        response = make_ocsp_response(work)
        asked(version, says("(?s)OCSP Response Status: successful.*Cert Status: good"), ["-status"], staple=response)(work)
        asked(version, says("OCSP response: no response sent"), ["-status"])(work)
    return test


def it_staples(version):
    def test(work):
        response = make_ocsp_response(work)
        theirs = ["-status_file", str(response)]
        asking(version, lambda told, _: check_equal(told["ocsp"], response.read_bytes().hex(), "OCSP response"), theirs, ask="yes")(work)
        asking(version, lambda told, _: check_equal(told["ocsp"], "", "OCSP response"), theirs)(work)
    return test


def we_send_timestamps(work):
    """s_client prints what came of that extension in TLS 1.2 only."""
    scts = work.new_file("scts")
    scts.write_bytes(make_scts())

    def printed(_, client):
        path = work.new_file("pem")
        path.write_text(re.search("-----BEGIN SERVERINFO(?s:.*)-----END SERVERINFO[^-]*-----", client.process.log)[0])
        check_equal(pem_body(path)[4:], make_scts(), "the timestamps")
    asked("1.2", printed, ["-serverinfo", "18"], scts=scts)(work)


def it_sends_timestamps(version):
    def test(work):
        # In the ClientHello, in TLS 1.2's ServerHello and TLS 1.3's Certificate; not when a session is resumed.
        body = (0x11C0).to_bytes(4, "big") + (18).to_bytes(2, "big") + len(make_scts()).to_bytes(2, "big") + make_scts()
        info = work.new_file("serverinfo")
        text = base64.encodebytes(body).decode()
        info.write_text(f"-----BEGIN SERVERINFOV2 FOR EXTENSION 18-----\n{text}-----END SERVERINFOV2 FOR EXTENSION 18-----\n")
        theirs = ["-serverinfo", str(info)]
        asking(version, lambda told, _: check_equal(told["scts"], make_scts().hex(), "the timestamps"), theirs, ask="yes")(work)
    return test


# --- Whom one believes -----------------------------------------------------------------------------------------------


def pins(role, version):
    def test(work):
        client = ["-cert", "PKI/client.pem", "-key", "PKI/client.key"] if role == "client" else []
        own = {"ca": "PKI/ca.pem"} if role == "client" else {}
        right, wrong = pin_of(work, "client" if role == "client" else "server"), pin_of(work, "rsa")
        (asked if role == "client" else asking)(version, None, client, pin=right, **own)(work)
        (asked if role == "client" else asking)(version, None, client, pin=pin_of(work, "ca"), **own)(work)
        refusing = refusing_client if role == "client" else refusing_server
        refusing(version, "tls", PINNED_KEY_MISSING, client, alert=BAD_CERTIFICATE, pin=wrong, **own)(work)
    return test


def list_by_openssl(work):
    """A revocation list as OpenSSL makes it, over the certificates that ours is over."""
    index, number, configuration = (work.new_file(name) for name in ("index", "number", "cnf"))
    rows = []
    for name in ("revoked", "revoked_client"):
        serial = run(work, "openssl", "x509", "-in", work.pki / f"{name}.pem", "-noout", "-serial").decode().strip().partition("=")[2]
        rows.append(f"R\t491231235959Z\t230101000000Z\t{serial}\tunknown\t/CN={name}\n")
    index.write_text("".join(rows))
    number.write_text("01\n")
    configuration.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={index}\ncrlnumber={number}\ndefault_md=sha256\n"
                             "default_crl_days=7\ncrl_extensions=extensions\n[extensions]\nauthorityKeyIdentifier=keyid\n")
    made = work.new_file("crl")
    run(work, "openssl", "ca", "-config", configuration, "-gencrl", "-cert", work.pki / "ca.pem", "-keyfile", work.pki / "ca.key", "-out",
        made)
    return made


def revoked(role, version):
    def test(work):
        crl = list_by_openssl(work)
        if role == "server":
            asking(version, crl=crl)(work)
            refusing_server(version, "tls.verify", REVOKED, identity="revoked", alert=CERTIFICATE_REVOKED, crl=crl)(work)
        else:
            asked(version, None, own("client"), ca="PKI/ca.pem", crl=crl)(work)
            refusing_client(version, "tls.verify", REVOKED, own("revoked_client"), alert=CERTIFICATE_REVOKED, ca="PKI/ca.pem",
                            crl=crl)(work)
    return test


def own(name):
    return ["-cert", f"PKI/{name}.pem", "-key", f"PKI/{name}.key"]


def it_asks_for_ours(version):
    """s_server insists; what our client has is good, missing, of nobody known, expired."""
    def test(work):
        theirs = ["-verifyCAfile", "PKI/ca.pem", "-Verify", "1", "-verify_return_error"]
        for name in ("client", "rsa_client", "ed25519_client"):
            asking(version, None, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
        refusing_server(version, "tls.alert", WITHOUT_CERTIFICATE[version], theirs)(work)
        for name, _, alert in BAD_CLIENTS:
            refusing_server(version, "tls.alert", alert, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
    return test


def we_ask_for_its(version):
    def test(work):
        for how in ("required", "optional"):
            ours = {"ca": "PKI/ca.pem", "client_auth": how}
            for name, kind in (("client", "EC"), ("rsa_client", "RSA")):
                asked(version, lambda told, _, kind=kind: check_told(told, peer_key=kind, verified=2), own(name), **ours)(work)
            for name, reason, alert in BAD_CLIENTS:
                refusing_client(version, "tls.verify", reason, own(name), alert=alert, **ours)(work)
        asked(version, lambda told, _: check_told(told, peer="", verified=0), [], **ours)(work)
        refusing_client(version, "tls.boringssl", None, [], alert=WITHOUT_CERTIFICATE[version], ca="PKI/ca.pem")(work)
        # One that is not asked for one sends none.
        asked(version, lambda told, _: check_told(told, peer=""), own("client"), ca="PKI/ca.pem", client_auth="none")(work)
    return test


def past():
    """When what is expired was good, and everything else was not yet."""
    return {"time": int(time.time()) - 15 * 86400}


def cases():
    for version in VERSIONS:
        yield f"client certificates: s_server asks, TLS {version}", it_asks_for_ours(version)
        yield f"client certificates: we ask, TLS {version}", we_ask_for_its(version)
        yield f"names: client, TLS {version}", chosen_by_name(version)
        yield f"names: client, TLS {version}, later", chosen_by_name(version, select="later")
        yield (f"names: client, TLS {version}, an unknown one is refused",
               refusing_client(version, "tls", IDENTITY_REFUSED, alert=UNRECOGNIZED_NAME, name="other.test", hosts=HOSTS, unknown="refuse"))
        yield f"identities by -sigalgs: client, TLS {version}", chosen_by_signatures(version)
        yield f"reload: client, TLS {version}", reloaded(version)
        yield f"OCSP: client, TLS {version}", we_staple(version)
        yield f"OCSP: server, TLS {version}", it_staples(version)
        yield f"SCTs: server, TLS {version}", it_sends_timestamps(version)
        for role in ("client", "server"):
            yield f"pins: {role}, TLS {version}", pins(role, version)
            yield f"CRLs: {role}, TLS {version}", revoked(role, version)
        for name, kind in (("rsa", "RSA"), ("server", "EC"), ("ed25519", "Ed25519")):
            kept = says("^Peer signature type: " + {"RSA": "RSA-PSS", "EC": "ECDSA", "Ed25519": "ed25519"}[kind])
            yield f"keys: client, TLS {version}, {kind}", asked(version, kept, identity=name)
            yield f"keys elsewhere: client, TLS {version}, {kind}", asked(version, kept, identity=name, signer="later")
            yield (f"keys: server, TLS {version}, {kind}",
                   asking(version, lambda told, _, kind=kind: check_told(told, peer_key=kind), identity=name))
    yield "SCTs: client, TLS 1.2", we_send_timestamps
    for name in ("client", "rsa_client", "ed25519_client"):
        theirs = ["-verifyCAfile", "PKI/ca.pem", "-Verify", "1", "-verify_return_error"]
        yield (f"keys elsewhere: server, {name}",
               asking("1.3", None, theirs, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key", signer="later"))
    yield "PKCS 12: client", pkcs12("1.3")
    yield "PKCS 12: client, 3DES and RC2", pkcs12("1.3", "-legacy", "-provider", "legacy", "-provider", "default")
    yield "encrypted key: client, PKCS 8", encrypted_key("1.3", "pkcs8", "-topk8", "-v2", "aes-256-cbc")
    yield "encrypted key: client, PKCS 1", encrypted_key("1.3", "rsa", "-aes256", "-traditional")
    for name in ("rsa", "server", "ed25519"):
        yield f"DER: client, {name}", der_files("1.3", name)
    yield "DER: client, PKCS 1", der_files("1.3", "rsa", "-traditional")
    yield "DER: client, SEC1", der_files("1.3", "server", "-traditional")

    yield "time: server, expired", refusing_server("1.3", "tls.verify", EXPIRED, identity="expired", alert=CERTIFICATE_EXPIRED)
    yield "time: server, too early", refusing_server("1.3", "tls.verify", NOT_YET_VALID, alert=CERTIFICATE_EXPIRED, **past())
    yield "own verification: server, accepts", asking("1.3", identity="expired", verify="accept")
    yield "own verification: server, later", asking("1.3", verify="later")
    yield ("own verification: server, later and as found",
           refusing_server("1.3", "tls.verify", EXPIRED, identity="expired", alert=BAD_CERTIFICATE, verify="later"))
    yield ("own verification: server, refuses",
           refusing_server("1.3", "tls", VERIFICATION_REFUSED, alert=ACCESS_DENIED, verify="refuse"))
    yield "own verification: client, later", asked("1.3", None, own("client"), ca="PKI/ca.pem", verify="later")
    yield "own verification: client, accepts", asked("1.3", None, own("expired_client"), ca="PKI/ca.pem", verify="accept")
    yield ("own verification: client, refuses",
           refusing_client("1.3", "tls", VERIFICATION_REFUSED, own("client"), alert=ACCESS_DENIED, ca="PKI/ca.pem", verify="refuse"))
