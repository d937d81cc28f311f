# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""curl: names, protocols, client certificates, and what is stapled, which it verifies."""

from harness import VERSIONS, check, check_equal, check_found, check_told, missing, only, run
from identity import (CERTIFICATE_EXPIRED, EXPIRED, IDENTITY_REFUSED, PINNED_KEY_MISSING, check_refused, make_ocsp_response, make_ticket_keys,
                      pin_of)

MISSING = missing("curl", "openssl")
REPLY = ("until-blank-line", "text=HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nanswer\n", "close")


def start(work, port, version, *options, name="localhost"):
    return work.start("curl", "--silent", "--show-error", "--verbose", "--cacert", work.pki / "ca.pem", "--noproxy", "*",
                      f"--tlsv{version}", "--tls-max", version, "--resolve", f"{name}:{port}:127.0.0.1", *in_pki(work, options),
                      f"https://{name}:{port}/")


def in_pki(work, words):
    return [str(word).replace("PKI", str(work.pki)) for word in words]


def fetched(version, look=None, theirs=(), name="localhost", trace=None, **ours):
    def test(work):
        server = work.our_server(*REPLY, **only(version), **placed(work, ours))
        curl = start(work, server.port(), version, *theirs, name=name)
        told = server.outcome()
        check_told(told, version=f"TLSv{version}")
        check_equal(curl.status(), 0, f"curl's exit status\n{curl.log}")
        check_equal(curl.out, b"answer\n", "what curl received")
        if trace:
            check_found(trace, curl.log, "curl's trace")
        if look:
            look(told)
    return test


def placed(work, options):
    return dict(zip(options, in_pki(work, options.values())))


def refused(version, category, value, trace, theirs=(), name="localhost", **ours):
    def test(work):
        server = work.our_server(*REPLY, **only(version), **placed(work, ours))
        curl = start(work, server.port(), version, *theirs, name=name)
        check_refused(server.outcome(), category, value)
        check(curl.status() != 0, "curl succeeded")
        check_found(trace, curl.log, "curl's trace")
    return test


def stapled(version):
    """curl verifies the response, and insists on one; it looks for who issued the certificate in what the server sends."""
    def test(work):
        chain = work.new_file("pem")
        chain.write_text((work.pki / "server.pem").read_text() + (work.pki / "ca.pem").read_text())
        fetched(version, None, ["--cert-status"], trace="SSL certificate status: good", cert=chain, staple=make_ocsp_response(work))(work)
        server = work.our_server(*REPLY, **only(version))
        curl = start(work, server.port(), version, "--cert-status")
        check_equal(curl.status(), 91, "curl's exit status")  # CURLE_SSL_INVALIDCERTSTATUS
        server.outcome()
    return test


def pinned(version):
    """The same pin as ours is good for both."""
    def test(work):
        fetched(version, None, ["--pinnedpubkey", pin_of(work, "server")])(work)
        theirs = ["--cert", "PKI/client.pem", "--key", "PKI/client.key"]
        fetched(version, None, theirs, ca="PKI/ca.pem", pin=pin_of(work, "client"))(work)
        refused(version, "tls", PINNED_KEY_MISSING, "bad certificate", theirs, ca="PKI/ca.pem", pin=pin_of(work, "server"))(work)
    return test


def packed_client(work):
    """One PKCS#12 for both."""
    packed = work.new_file("p12")
    run(work, "openssl", "pkcs12", "-export", "-in", work.pki / "rsa_client.pem", "-inkey", work.pki / "rsa_client.key", "-passout",
        "pass:secret", "-out", packed)
    theirs = ["--cert-type", "P12", "--cert", f"{packed}:secret"]
    fetched("1.3", lambda told: check_told(told, peer="CN=RSA Client", peer_key="RSA"), theirs, ca="PKI/ca.pem")(work)


def resumed(version):
    """Two requests of one process, which closes the connection between."""
    def test(work):
        server = work.our_server(*REPLY, connections=2, tickets=make_ticket_keys(work, "keys"), **only(version))
        url = f"https://localhost:{server.port()}/"
        curl = start(work, server.port(), version, url)
        told = server.outcomes()
        check_equal(curl.status(), 0, f"curl's exit status\n{curl.log}")
        check_equal([one["reused"] for one in told], [False, True], "what was resumed")
    return test


HOSTS = {"hosts": "exact.test=PKI/exact,*.wild.test=PKI/wild"}


def agrees(field, value):
    return lambda told: check_told(told, **{field: value})


def cases():
    for version in VERSIONS:
        for name, subject in (("exact.test", r"exact\.test"), ("a.wild.test", r"\*\.wild\.test"), ("localhost", "localhost")):
            yield (f"names: TLS {version}, {name}",
                   fetched(version, agrees("server_name", name), name=name, trace=f"subject: CN={subject}", **HOSTS))
        yield (f"names: TLS {version}, an unknown one is refused",
               refused(version, "tls", IDENTITY_REFUSED, "unrecognized name", name="other.test", unknown="refuse", **HOSTS))
        yield f"ALPN: TLS {version}, a list", fetched(version, agrees("alpn", "http/1.1"), ["--http2"], alpn="other,http/1.1,h2")
        yield f"ALPN: TLS {version}, a callable", fetched(version, agrees("alpn", "http/1.1"), ["--http2"], select_alpn="http/1.1")
        yield f"OCSP: TLS {version}", stapled(version)
        yield f"pins: TLS {version}", pinned(version)
        yield f"sessions: TLS {version}", resumed(version)
        for name, kind in (("client", "EC"), ("rsa_client", "RSA"), ("ed25519_client", "Ed25519")):
            theirs = ["--cert", f"PKI/{name}.pem", "--key", f"PKI/{name}.key"]
            yield f"client certificates: TLS {version}, {kind}", fetched(version, agrees("peer_key", kind), theirs, ca="PKI/ca.pem")
        yield f"client certificates: TLS {version}, none", fetched(version, agrees("peer", ""), ca="PKI/ca.pem", client_auth="optional")
        yield (f"client certificates: TLS {version}, expired",
               refused(version, "tls.verify", EXPIRED, f"certificate expired|alert number {CERTIFICATE_EXPIRED}",
                       ["--cert", "PKI/expired_client.pem", "--key", "PKI/expired_client.key"], ca="PKI/ca.pem"))
        for name in ("rsa", "server", "ed25519"):
            yield f"keys elsewhere: TLS {version}, {name}", fetched(version, identity=name, signer="later")
    yield "PKCS 12", packed_client
