# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""One end of a connection on Python's ssl: `python_peer.py client|server PORT PKI-DIRECTORY 1.2|1.3 STEP...`.

Prints how the connection ended as a line of JSON. The steps are those of scripted.py.
"""

import json
import os
import socket
import ssl
import sys
import time

from harness import numbered_lines


def context_for(role, pki, version):
    if role == "server":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{pki}/server.pem", f"{pki}/server.key")
    else:
        context = ssl.create_default_context(cafile=f"{pki}/ca.pem")
    if "SSLKEYLOGFILE" in os.environ:
        context.keylog_filename = os.environ["SSLKEYLOGFILE"]
    # Python 3.10 and 3.11 may have OpenSSL take a bare end of the connection for close_notify.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv1_" + version[-1])
    return context


def connect(role, port, pki, version):
    context = context_for(role, pki, version)
    if role == "server":
        with socket.create_server(("127.0.0.1", port)) as listener:
            plain, _ = listener.accept()
    else:
        plain = socket.create_connection(("127.0.0.1", port))
    name = None if role == "server" else "localhost"
    plain.settimeout(60)
    return context.wrap_socket(plain, server_side=role == "server", server_hostname=name, suppress_ragged_eofs=False)


def receive(stream, received, at_most, told):
    """Reads so many bytes, or to the end, whose kind it notes."""
    while at_most > 0:
        try:
            chunk = stream.recv(min(at_most, 65536))
        except ssl.SSLError as error:
            if not isinstance(error, ssl.SSLEOFError) and error.reason != "UNEXPECTED_EOF_WHILE_READING":
                raise
            told["saw"] = "truncated"
            return
        except ConnectionResetError:
            told["saw"] = "reset"
            return
        if not chunk:
            told["saw"] = "close_notify"  # nothing else reads as b"" without suppress_ragged_eofs
            return
        received += chunk
        at_most -= len(chunk)


def take(step, value, stream, received, told):
    if step == "send":
        stream.sendall(numbered_lines(int(value)))
    elif step == "expect":
        receive(stream, received, int(value), told)
    elif step == "until-end":
        receive(stream, received, sys.maxsize, told)
    elif step == "close":
        stream.unwrap().close()  # sends close_notify, and returns once the peer's is in
        told["saw"] = "close_notify"
    elif step == "stay":
        while True:
            time.sleep(60)
    else:
        raise ValueError(step)


def main(role, port, pki, version, *steps):
    told, received = {"saw": "open", "error": None}, bytearray()
    stream = connect(role, int(port), pki, version)
    try:
        for step in steps:
            name, _, value = step.partition("=")
            take(name, value, stream, received, told)
    except OSError as error:
        told["error"] = f"{type(error).__name__}: {error}"
    told["received"] = len(received)
    told["complete"] = received == numbered_lines(len(received))
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
