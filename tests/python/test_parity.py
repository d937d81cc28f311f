#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Connections between the library and Python's own ssl, and what both say of them: `test_parity.py TELL`, speaks TAP."""

import contextlib
import ipaddress
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import traceback

TELL = sys.argv[1]
LIMIT = 60  # seconds, for what should take one
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def check(condition, *told):
    if not condition:
        raise AssertionError(" ".join(map(repr, told)))


def equal(ours, pythons, what):
    check(ours == pythons, what, ours, pythons)


def context(directory, version, server=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = made.maximum_version = VERSIONS[version]
    made.load_verify_locations(directory / "ca.pem")
    made.load_cert_chain(directory / f"{server or 'client'}.pem")
    made.set_alpn_protocols(["http/1.1", "h2"] if server else ["h2", "http/1.1"])
    made.keylog_filename = str(directory / "python.keys")
    if server:
        made.verify_mode = ssl.CERT_OPTIONAL
    return made


def chain_of(stream, kind):
    """get_verified_chain() or get_unverified_chain(), which the module has hidden until 3.13."""
    if hasattr(stream, kind):
        return [der.hex() for der in getattr(stream, kind)()]
    inner = getattr(stream._sslobj, kind, None)  # since 3.10
    return inner and [ssl.PEM_cert_to_DER_cert(one.public_bytes()).hex() for one in inner() or ()]


def account(stream):
    """What Python says of a connection, in the words of `tell`."""
    certificate = stream.getpeercert()
    return {"version": stream.version(), "cipher": list(stream.cipher()), "alpn": stream.selected_alpn_protocol(),
            "unique": stream.get_channel_binding("tls-unique").hex(), "reused": stream.session_reused,
            "shared": [list(cipher) for cipher in stream.shared_ciphers() or []],
            "certificate": certificate and in_words(certificate),
            "chain": chain_of(stream, "get_unverified_chain"), "verified": chain_of(stream, "get_verified_chain")}


def in_words(certificate):
    """Python's dictionary as `tell` writes it: times as numbers, addresses in one form, names without their nesting."""
    def name(parts):
        return [list(attribute) for part in parts for attribute in part]

    def address(kind, value):
        return [kind, str(ipaddress.ip_address(value.strip()))] if kind == "IP Address" else [kind, value]

    return {"subject": name(certificate["subject"]), "issuer": name(certificate["issuer"]), "version": certificate["version"],
            "serialNumber": certificate["serialNumber"].lower(),
            "notBefore": ssl.cert_time_to_seconds(certificate["notBefore"]),
            "notAfter": ssl.cert_time_to_seconds(certificate["notAfter"]),
            "subjectAltName": [address(*one) for one in certificate.get("subjectAltName", ())],
            **{key: list(certificate.get(key, ())) for key in ("OCSP", "caIssuers", "crlDistributionPoints")}}


@contextlib.contextmanager
def running(*arguments):
    process = subprocess.Popen([TELL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=LIMIT)
        if process.poll() is None:
            process.kill()
        process.communicate()


def told(process):
    line = process.stdout.readline()
    check(line, "tell said nothing", process.stderr.read() if process.poll() is not None else "")
    return json.loads(line)


def python_client(directory, version, certificate, name="localhost", times=1):
    """Python's client and our server: (ours, Python's) for each connection, and Python's own error instead."""
    found = []
    with running("server", directory, certificate, version, times) as server:
        port = int(server.stdout.readline())
        client, session = context(directory, version), None
        for _ in range(times):
            with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as plain:
                try:
                    with client.wrap_socket(plain, server_hostname=name, session=session) as stream:
                        check(stream.recv(1) == b"x", "no word from the server")
                        pythons, session = account(stream), stream.session
                        stream.unwrap()
                except ssl.SSLCertVerificationError as error:
                    pythons = error
            found.append((told(server), pythons))
    return found


def python_server(directory, version, certificate, name="localhost", times=1):
    """Python's server and our client: (ours, Python's) for each connection; the names that it was asked for as well."""
    server = context(directory, version, server=certificate)
    names, pythons = [], []
    server.sni_callback = lambda _stream, asked, _context: names.append(asked)

    def serve(listener):
        for _ in range(times):
            plain, _ = listener.accept()
            plain.settimeout(LIMIT)
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                with server.wrap_socket(plain, server_side=True) as stream:
                    pythons.append(account(stream))
                    stream.send(b"x")
                    stream.recv(1)
                    stream.unwrap()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        with running("client", directory, listener.getsockname()[1], name, version, times) as client:
            ours = [told(client) for _ in range(times)]
        thread.join(LIMIT)
    return ours, pythons, names


def connections(directory, certificate="plain", times=1):
    """Each version in both roles: (role of ours, version, ours, Python's) of the last connection."""
    for version in VERSIONS:
        yield "server", version, *python_client(directory, version, certificate, times=times)[-1]
        ours, pythons, _ = python_server(directory, version, certificate, times=times)
        yield "client", version, ours[-1], pythons[-1]


@test
def version_and_cipher(directory):
    for role, version, ours, pythons in connections(directory):
        check(not ours["error"], role, ours["error"])
        equal(ours["version"], version, role)
        equal(ours["version"], pythons["version"], role)
        equal(ours["cipher"], pythons["cipher"], role)


@test
def selected_alpn_protocol(directory):
    for role, _, ours, pythons in connections(directory):
        equal(ours["alpn"], "http/1.1", role)
        equal(ours["alpn"], pythons["alpn"], role)


@test
def getpeercert(directory):
    """The same certificate, shown by both: a server's with everything in it, to clients of either kind."""
    for version in VERSIONS:
        [(server, pythons)] = python_client(directory, version, "rich")
        [ours], [pythons_server], _ = python_server(directory, version, "rich")
        check(pythons["certificate"]["OCSP"] and len(pythons["certificate"]["subjectAltName"]) == 6, pythons["certificate"])
        equal(ours["certificate"], pythons["certificate"], "the server's certificate")
        # And the client's, seen by the servers.
        check(pythons_server["certificate"]["subject"] == [["commonName", "Parity Client"]], pythons_server["certificate"])
        equal(server["certificate"], pythons_server["certificate"], "the client's certificate")


@test
def get_channel_binding(directory):
    for role, version, ours, pythons in connections(directory):
        if version == "TLSv1.2":
            check(ours["unique"], role, "no tls-unique")
            equal(ours["unique"], pythons["unique"], role)
        else:  # Python gives something that nobody has defined (RFC 8446 C.5)
            check(pythons["unique"] and not ours["unique"], role, ours["unique"], pythons["unique"])


@test
def session_reused(directory):
    for role, version, ours, pythons in connections(directory, times=1):
        check(not ours["reused"] and not pythons["reused"], role, version)
    for role, version, ours, pythons in connections(directory, times=2):
        check(ours["reused"] and pythons["reused"], role, version, ours["reused"], pythons["reused"])


@test
def server_hostname(directory):
    """SNI, as sni_callback sees it, and as our server does."""
    for version in VERSIONS:
        for name, sent in (("localhost", "localhost"), ("a.example.test", "a.example.test"), ("127.0.0.1", None)):
            [(ours, _)] = python_client(directory, version, "rich", name)
            equal(ours["name"], sent or "", "our server")
            [ours], _, names = python_server(directory, version, "rich", name)
            equal([ours["name"], names], [name, [sent]], "our client")


@test
def shared_ciphers(directory):
    """On our server; older Pythons' tell their own list."""
    for version in VERSIONS:
        [(ours, _)] = python_client(directory, version, "plain")
        offered = context(directory, version).get_ciphers()
        known = {cipher["name"]: (cipher["protocol"], cipher["strength_bits"]) for cipher in offered}
        check(ours["cipher"] in ours["shared"], ours["shared"])
        for name, protocol, bits in ours["shared"]:
            equal((protocol, bits), known.get(name), name)


@test
def keylog_filename(directory):
    """The two ends of one connection have the same secrets, line by line."""
    for version in VERSIONS:
        for role, talk in (("server", python_client), ("client", python_server)):
            for name in (f"{role}.keys", "python.keys"):
                (directory / name).unlink(missing_ok=True)
            talk(directory, version, "plain")
            ours, pythons = ({line for line in (directory / name).read_text().splitlines() if not line.startswith("#")}
                             for name in (f"{role}.keys", "python.keys"))
            check(ours and ours == pythons, role, version, sorted(ours ^ pythons))


@test
def get_verified_chain(directory):
    for version in VERSIONS:
        [(_, pythons)] = python_client(directory, version, "chain")
        [ours], _, _ = python_server(directory, version, "chain")
        if pythons["verified"] is None:
            continue  # Python is older than 3.10
        check(len(ours["verified"]) == 3 and len(ours["chain"]) == 2, len(ours["verified"]), len(ours["chain"]))
        equal(ours["verified"], pythons["verified"], "verified")
        equal(ours["chain"], pythons["chain"], "as sent")


@test
def verify_code(directory):
    """Why a certificate is refused: the same number."""
    for certificate, name in (("plain", "other.test"), ("other", "localhost"), ("plain", "127.0.0.1"), ("expired", "localhost"),
                              ("early", "localhost"), ("unknown", "localhost")):
        for version in VERSIONS:
            [(_, error)] = python_client(directory, version, certificate, name)
            check(isinstance(error, ssl.SSLCertVerificationError), certificate, error)
            [ours], _, _ = python_server(directory, version, certificate, name)
            equal(ours["error"], ["tls.verify", error.verify_code], certificate)


def main():
    print(f"1..{len(TESTS)}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="tls-stream-") as name:
        directory = pathlib.Path(name)
        subprocess.run([TELL, "pki", directory], check=True, timeout=LIMIT)
        for number, run in enumerate(TESTS, 1):
            try:
                run(directory)
                print(f"ok {number} - {run.__name__}", flush=True)
            except Exception:  # whatever it is, the next test runs
                bad += 1
                print(f"not ok {number} - {run.__name__}", flush=True)
                traceback.print_exc()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
