# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Python's ssl, in this process: identity, trust and sessions."""

import contextlib
import socket
import ssl
import threading

from harness import PATIENCE, VERSIONS, check, check_clean, check_equal, check_told, only, run
from identity import (ANSWER, ASK, BAD_CLIENTS, EXPIRED, HELLO, IDENTITY_REFUSED, REPLY,
                      WITHOUT_CERTIFICATE, check_refused, check_resumed, key_log_lines, make_ticket_keys)

MISSING = None


def own_context(work, role, version, identity=None, alpn=(), keylog=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if role == "client" else ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(work.pki / "ca.pem")
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv1_" + version[-1])
    if identity:
        context.load_cert_chain(work.pki / f"{identity}.pem", work.pki / f"{identity}.key")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if keylog:
        context.keylog_filename = str(keylog)
    return context


def told_by(stream):
    bindings = {kind: stream.get_channel_binding(kind) for kind in ("tls-unique",)}
    return {"reused": stream.session_reused, "session": stream.session, "alpn": stream.selected_alpn_protocol(),
            "certificate": stream.getpeercert(), "tls_unique": (bindings["tls-unique"] or b"").hex(), "version": stream.version(),
            "cipher": stream.cipher()[0]}


def receive(stream, wanted):
    received = b""
    while received != wanted:
        chunk = stream.recv(100)
        check(chunk, lambda: f"the end came after {received}")
        received += chunk


def ask(port, context, name="localhost", session=None):
    """One connection as a client, which we close."""
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with context.wrap_socket(plain, server_hostname=name, session=session, suppress_ragged_eofs=False) as stream:
        stream.sendall(HELLO)
        receive(stream, ANSWER)
        check_equal(stream.recv(1), b"", "the end")
        told = told_by(stream)
        stream.unwrap().close()
        return told


class Server:
    """Serves so many connections in a thread; refused() of one that fails is why."""

    def __init__(self, context, count=1):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.context, self.count, self.results = context, count, []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with self.listener:
            for _ in range(self.count):
                plain, _ = self.listener.accept()
                plain.settimeout(PATIENCE)
                try:
                    with self.context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as stream:
                        receive(stream, HELLO)
                        stream.sendall(ANSWER)
                        check_equal(stream.recv(1), b"", "the end")
                        self.results.append(told_by(stream))
                        stream.unwrap().close()
                except (OSError, AssertionError) as error:
                    self.results.append(error)

    def outcomes(self):
        self.thread.join(PATIENCE)
        check_equal(len(self.results), self.count, "how many it served")
        return self.results


def check_good(told):
    if isinstance(told, Exception):
        raise AssertionError(f"Python's error: {told}") from told
    return told


def asked(version, look=None, name="localhost", steps=REPLY, context=None, **ours):
    """Our server, and Python's client."""
    def test(work):
        server = work.our_server(*steps, **only(version), **placed(work, ours))
        python = ask(server.port(), own_context(work, "client", version, **(context or {})), name)
        told = server.outcome()
        check_clean(told, version)
        if look:
            look(told, python)
    return test


def asking(version, look=None, steps=ASK, context=None, authentication=ssl.CERT_NONE, **ours):
    """Our client, and Python's server."""
    def test(work):
        own = own_context(work, "server", version, **{"identity": "server", **(context or {})})
        own.verify_mode = authentication
        server = Server(own)
        told = work.our_client(server.port, *steps, **only(version), **placed(work, ours))
        python = check_good(server.outcomes()[0])
        check_clean(told, version)
        if look:
            look(told, python)
    return test


def placed(work, options):
    return {name: str(value).replace("PKI", str(work.pki)) for name, value in options.items()}


def refusing_client(version, category, value, reason, name="localhost", context=None, **ours):
    """Our server refuses Python, which says why."""
    def test(work):
        server = work.our_server(*REPLY, **only(version), **placed(work, ours))
        try:
            ask(server.port(), own_context(work, "client", version, **(context or {})), name)
            check(False, "Python's client saw no error")
        except OSError as error:
            check(reason in str(error).upper().replace(" ", "_"), f"Python's error is {error}")
        check_refused(server.outcome(), category, value)
    return test


# --- Sessions --------------------------------------------------------------------------------------------------------


def client_resumes(version):
    def test(work):
        server = work.our_server(*REPLY, connections=3, **only(version))
        context, session = own_context(work, "client", version), None
        for number in range(3):
            told = ask(server.port(), context, session=session)
            check_equal(told["reused"], number != 0, "what Python resumed")
            session = told["session"]
        check_resumed(server.outcomes())
    return test


def fleet_resumes(version):
    def test(work):
        context, session = own_context(work, "client", version), None
        for keys, wanted in ((["old"], False), (["new", "old"], True), (["other"], False)):
            server = work.our_server(*REPLY, tickets=make_ticket_keys(work, *keys), **only(version))
            told = ask(server.port(), context, session=session)
            check_equal(told["reused"], wanted, f"resumed with {keys}")
            check_told(server.outcome(), reused=wanted)
            session = told["session"]
    return test


def we_resume(version):
    def test(work):
        server = Server(own_context(work, "server", version, identity="server"), 3)
        check_resumed(work.start_our_client(server.port, *ASK, connections=3, cache="yes", **only(version)).outcomes())
        check_equal([check_good(told)["reused"] for told in server.outcomes()], [False, True, True], "what Python resumed")
    return test


# --- Everything else -------------------------------------------------------------------------------------------------


def common_name(told):
    return dict(pair for (pair,) in told["certificate"]["subject"])["commonName"]


def names(version):
    def test(work):
        hosts = f"exact.test={work.pki / 'exact'},*.wild.test={work.pki / 'wild'}"
        rows = {"exact.test": "exact.test", "a.wild.test": "*.wild.test", "localhost": "localhost"}
        server = work.our_server(*REPLY, connections=len(rows), hosts=hosts, **only(version))
        for name, subject in rows.items():
            check_equal(common_name(ask(server.port(), own_context(work, "client", version), name)), subject, "whom Python saw")
        check_equal([told["server_name"] for told in server.outcomes()], list(rows), "the names")
    return test


def same_keys(role, version):
    def test(work):
        ours, theirs = work.new_file("our-keys"), work.new_file("their-keys")
        (asked if role == "client" else asking)(version, context={"keylog": theirs}, keylog=ours)(work)
        check(key_log_lines(ours), "we logged nothing")
        check_equal(key_log_lines(ours), key_log_lines(theirs), "the secrets")
    return test


def client_certificates(version):
    def test(work):
        for how in ("required", "optional"):
            ours = {"ca": "PKI/ca.pem", "client_auth": how}
            for name, kind in (("client", "EC"), ("rsa_client", "RSA"), ("ed25519_client", "Ed25519")):
                look = lambda told, _, kind=kind: check_told(told, peer_key=kind, verified=2)
                asked(version, look, context={"identity": name}, **ours)(work)
            refusing_client(version, "tls.verify", EXPIRED, "CERTIFICATE_EXPIRED", context={"identity": "expired_client"}, **ours)(work)
            refusing_client(version, "tls.verify", BAD_CLIENTS[0][1], "UNKNOWN_CA", context={"identity": "unknown_client"}, **ours)(work)
        asked(version, lambda told, _: check_told(told, peer=""), **ours)(work)
        reason = {"1.2": "HANDSHAKE_FAILURE", "1.3": "CERTIFICATE_REQUIRED"}[version]
        refusing_client(version, "tls.boringssl", None, reason, ca="PKI/ca.pem")(work)
    return test


def our_certificates(version):
    """Python insists, asks, or does not; what we have is good, missing, of nobody known, expired."""
    def test(work):
        for how in (ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL):
            for name in ("client", "rsa_client", "ed25519_client"):
                look = lambda _, python: check(python["certificate"], "Python saw no certificate")
                asking(version, look, authentication=how, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key")(work)
            for name, _, alert in BAD_CLIENTS:
                check_equal(refused_by(work, version, how, cert=f"PKI/{name}.pem", key=f"PKI/{name}.key"), alert, "the alert")
        asking(version, lambda _, python: check(not python["certificate"], "Python saw one"), authentication=ssl.CERT_OPTIONAL)(work)
        check_equal(refused_by(work, version, ssl.CERT_REQUIRED), WITHOUT_CERTIFICATE[version], "the alert")
    return test


def refused_by(work, version, how, **ours):
    """The alert with which Python's server refuses our client."""
    own = own_context(work, "server", version, identity="server")
    own.verify_mode = how
    server = Server(own)
    told = work.our_client(server.port, *ASK, **only(version), **placed(work, ours))
    with contextlib.suppress(AssertionError):
        check_good(server.outcomes()[0])
        raise RuntimeError("Python saw no error")
    check_refused(told, "tls.alert", None)
    return told["error"]["value"]


def encrypted_key(work):
    """What Python reads with a password, too."""
    key = work.new_file("key")
    run(work, "openssl", "pkcs8", "-topk8", "-in", work.pki / "rsa.key", "-passout", "pass:secret", "-out", key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(work.pki / "rsa.pem", key, lambda: "secret")
    asked("1.3", cert="PKI/rsa.pem", key=key, password="secret")(work)


def same(*fields):
    def look(told, python):
        for field in fields:
            check_equal(told[field], python[field], field)
            check(told[field], f"{field} is empty")
    return look


def cases():
    for version in VERSIONS:
        yield f"sessions: client, TLS {version}", client_resumes(version)
        yield f"sessions: server, TLS {version}", we_resume(version)
        yield f"sessions: processes that share ticket keys, TLS {version}", fleet_resumes(version)
        yield f"client certificates: we ask, TLS {version}", client_certificates(version)
        yield f"client certificates: Python asks, TLS {version}", our_certificates(version)
        yield f"names: client, TLS {version}", names(version)
        yield (f"names: client, TLS {version}, an unknown one is refused",
               refusing_client(version, "tls", IDENTITY_REFUSED, "UNRECOGNIZED_NAME", name="other.test", unknown="refuse",
                               hosts="exact.test=PKI/exact"))
        for role, run_one in (("client", asked), ("server", asking)):
            yield f"key log: {role}, TLS {version}, the same lines", same_keys(role, version)
            alpn = {"context": {"alpn": ["one", "two"]}, "alpn": "two,one"}
            yield f"ALPN, version and cipher: {role}, TLS {version}", run_one(version, same("alpn", "version", "cipher"), **alpn)
            # Where the handshake was not resumed; of TLS 1.3 there is none that is sound, and we give none.
            if version == "1.2":
                yield f"channel binding: {role}, TLS {version}, tls-unique", run_one(version, same("tls_unique"))
            else:
                yield (f"channel binding: {role}, TLS {version}, no tls-unique",
                       run_one(version, lambda told, _: check_told(told, tls_unique="")))
        yield f"ALPN: client, TLS {version}, none in common", refusing_client(version, "tls.boringssl", None, "NO_APPLICATION_PROTOCOL",
                                                                              context={"alpn": ["one"]}, alpn="two")
        for kind, name in (("RSA", "rsa"), ("EC", "server"), ("Ed25519", "ed25519")):
            yield f"keys elsewhere: client, TLS {version}, {kind}", asked(version, identity=name, signer="later")
            yield (f"keys: server, TLS {version}, {kind}",
                   asking(version, lambda told, _, kind=kind: check_told(told, peer_key=kind), context={"identity": name}))
    yield "encrypted key: client, PKCS 8", encrypted_key
    yield "key update: client, ours", asked("1.3", steps=("handshake", "update-keys=ask", *REPLY))
    yield "key update: server, ours", asking("1.3", steps=("handshake", "update-keys=ask", *ASK))
