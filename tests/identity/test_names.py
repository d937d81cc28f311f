#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds openssl and Python against the library's table of names: `test_names.py PRINT_NAMES`, speaks TAP.

PRINT_NAMES prints the table: hosts, certificates, what the library says, and who is known to say otherwise. A difference that is
not in the table is a failure, and so is one that is in the table and gone. What the library says is held by names.cpp.
"""

import contextlib
import ipaddress
import json
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile

MISMATCHES = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def is_address(host):
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def ask_openssl(row, certificate, authority):
    """Whether `openssl verify` takes the certificate for that host."""
    if "\0" in row["host"]:
        return False  # which no argument can hold
    option = "-verify_ip" if is_address(row["host"]) else "-verify_hostname"
    run = subprocess.run(["openssl", "verify", "-CAfile", authority, option, row["host"], certificate],
                         capture_output=True, text=True, check=False)
    told = run.stdout + run.stderr
    if run.returncode == 0:
        return True
    reason = re.search(r"^error (\d+) at 0 depth", told, re.MULTILINE)
    if reason and int(reason[1]) in MISMATCHES:
        return False
    if option == "-verify_ip" and not told:
        return False  # it takes no such address, and does not say so
    raise AssertionError(f"openssl refuses for another reason: {told}")


def ask_python(row, certificate, authority):
    """Whether Python's ssl connects to a server of that host with that certificate."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.load_verify_locations(authority)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    try:
        client = client_context.wrap_bio(to_client, to_server, server_hostname=row["host"])
    except (ValueError, TypeError, ssl.SSLError):
        return False  # no host at all
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as refused:
            if refused.verify_code in MISMATCHES:
                return False
            raise
    return client.version() is not None and client.getpeercert() != {}


def main():
    if not shutil.which("openssl"):
        print("1..0 # SKIP openssl is not installed")
        return 0
    table = json.loads(subprocess.run([sys.argv[1]], capture_output=True, check=True).stdout)
    asked = [("openssl", ask_openssl), ("python", ask_python)]
    print(f"1..{len(asked) * len(table['rows'])}")
    bad = number = 0
    with tempfile.TemporaryDirectory(prefix="tls-stream-") as directory:
        authority, certificate = (pathlib.Path(directory) / name for name in ("authority.pem", "certificate.pem"))
        authority.write_text(table["authority"], encoding="ascii")
        for row in table["rows"]:
            certificate.write_text(row["certificate"] + row["key"], encoding="ascii")
            for who, ask in asked:
                number += 1
                try:
                    found = ask(row, certificate, authority)
                    wrong = None if found == row[who] else (
                        f"{who} {'accepts' if found else 'refuses'}; the table says otherwise, decided by {row['decided_by']}")
                except (AssertionError, OSError) as error:
                    wrong = str(error)
                bad += wrong is not None
                agreement = "as the library" if row[who] == row["accepted"] else f"otherwise, {row['decided_by']}"
                print(f"{'not ok' if wrong else 'ok'} {number} - {row['name']}: {who} {agreement}".replace("#", "\\#"))
                if wrong:
                    print(f"# {wrong}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
