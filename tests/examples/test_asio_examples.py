#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Runs the examples on Asio and Boost, of which some may not have been built: `test_asio_examples.py PROGRAM...`; speaks TAP."""

import base64
import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys

from test_examples import LIMIT, PROGRAMS, EchoServer, check, failed_with, listener, main, python_client, run, succeeded

TESTS = []


def test(*names):
    """A test of the examples of these names; it is skipped if one was not built."""
    def take(function):
        function.missing = [name for name in names if name not in PROGRAMS]
        TESTS.append(function)
        return function
    return take


class AsioEchoServer(EchoServer):
    program = "asio_echo_server"


class HttpsServer(EchoServer):
    program = "beast_https_server"


class WebSocketServer(EchoServer):
    program = "beast_websocket"


def start(name, *arguments):
    return subprocess.Popen([PROGRAMS[name], *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def identity(server):
    """A context of Python's for servers, with an identity that asio_client trusts when it is told of the file beside it."""
    directory = server.directory.name
    key, leaf = f"{directory}/leaf.key", f"{directory}/leaf.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", leaf],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    return context, leaf


# --- asio_echo_server ------------------------------------------------------------------------------------------------


@test("asio_echo_server")
def asio_echo_server_with_many_clients():
    with AsioEchoServer() as server:
        clients = [start("poll_client", "localhost", server.port, server.ca) for _ in range(8)]
        for client in clients:
            said, _ = client.communicate(timeout=LIMIT)
            check(said == "4194304 bytes came back, the same; closed clean\n" and client.returncode == 0, said)
        said = server.stop()
        check(said.count(": 4194304 bytes, clean\n") == 8, said)


@test("asio_echo_server")
def asio_echo_server_stops_with_connections_open():
    for number in [signal.SIGINT, signal.SIGTERM]:
        with AsioEchoServer() as server, contextlib.ExitStack() as closing:
            idle = closing.enter_context(python_client(server.port, server.ca))
            idle.sendall(b"anybody there?")
            check(idle.recv(100) == b"anybody there?", "no echo")
            mute = closing.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT))
            # Connections are accepted in their order: once a later one is served, the mute one is in the server's hands.
            later = closing.enter_context(python_client(server.port, server.ca))
            later.sendall(b"served?")
            check(later.recv(100) == b"served?", "no echo")

            server.process.send_signal(number)
            for client in (idle, later):
                check(client.recv(100) == b"", "no clean end")  # a ragged one would raise
                client.unwrap()
            check(mute.recv(100) == b"", "no end for the one that never said anything")
            mute.close()
            said, _ = server.process.communicate(timeout=LIMIT)
            check(server.process.returncode == 0 and said.endswith("\nstopped\n"), "the server did not stop cleanly:", said)
            check(": 14 bytes, clean\n" in said and ": 7 bytes, clean\n" in said, "not clean:", said)
            check(said.count("\n") == 5, "one line for each connection:", said)


@test("asio_echo_server")
def asio_echo_server_does_not_wait_for_a_client_that_takes_nothing():
    with AsioEchoServer() as server, python_client(server.port, server.ca) as stuck:
        stuck.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                stuck.send(b"x" * 65536)
        said = server.stop()
        check(" bytes, not clean, peer: failed\n" in said, said)  # it has been ended, in the middle of a write


@test("asio_echo_server")
def asio_echo_server_tells_how_clients_end():
    with AsioEchoServer() as server:
        with python_client(server.port, server.ca) as client:
            client.sendall(b"1234")
            check(client.recv(100) == b"1234", "no echo")
        refused = run("asio_client", "localhost", server.port) if "asio_client" in PROGRAMS else None
        said = server.stop()
        check(": the connection ended without the peer's close_notify, 4 bytes, not clean, peer: truncated\n" in said, said)
        if refused:
            check("the peer sent the fatal alert unknown_ca, 0 bytes, not clean, peer: failed\n" in said, said)


@test("asio_echo_server", "beast_https_server", "beast_websocket")
def servers_say_what_is_wrong():
    with AsioEchoServer() as server:
        for name in ["asio_echo_server", "beast_https_server", "beast_websocket"]:
            failed_with(run(name, "--port", server.port), rf"{name}: .*[Aa]ddress already in use.*")
            failed_with(run(name, "--cert", "a"), rf"{name}: --cert and --key go together; see --help", 2)
            failed_with(run(name, "--bad"), rf"{name}: cannot make sense of --bad; see --help", 2)
            failed_with(run(name, "--cert", "/no/such/file", "--key", "b"), rf"{name}: /no/such/file: No such file.*")
            check(succeeded(run(name, "--help")).startswith(f"usage: {name} [OPTION...]\n\n"), "no help")


# --- asio_client -----------------------------------------------------------------------------------------------------


def serve_page(context, clean):
    """Reads a request and answers it; with or without close_notify."""
    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            request = b""
            while b"\r\n\r\n" not in request:
                request += secure.recv(4096)
            secure.sendall(b"HTTP/1.1 200 OK\r\n\r\nHello")
            if clean:
                secure.unwrap()
    return serve


@test("asio_client", "asio_echo_server")
def asio_client_tells_truncation_from_a_clean_end():
    with AsioEchoServer() as server:  # for its directory
        context, leaf = identity(server)
        with listener(serve_page(context, True)) as port:
            done = run("asio_client", "localhost", port, leaf)
        check((done.returncode, done.stdout) == (0, "HTTP/1.1 200 OK\n\nHello"), done.stdout, done.stderr)  # in text mode
        check(done.stderr == "24 bytes, complete; closed clean (close_notify sent, FIN sent, peer close_notify, "
              "0 bytes discarded)\n", done.stderr)
        with listener(serve_page(context, False)) as port:
            done = run("asio_client", "localhost", port, leaf)
        check(done.returncode == 1 and done.stdout.endswith("Hello"), done.stdout, done.stderr)
        check(done.stderr == "24 bytes, TRUNCATED: the connection ended without close_notify; closed, not clean "
              "(close_notify sent, FIN sent, peer truncated, 0 bytes discarded)\n", done.stderr)


@test("asio_client", "asio_echo_server")
def asio_client_says_what_is_wrong():
    with AsioEchoServer() as server:
        failed_with(run("asio_client", "localhost", server.port), "asio_client: unable to get local issuer certificate")
        failed_with(run("asio_client", "localhost", server.port, "/no/such/file"), "asio_client: /no/such/file: No such file.*")
    failed_with(run("asio_client", "localhost", server.port), r"asio_client: .*refused.*")
    failed_with(run("asio_client"), r"usage: asio_client HOST PORT \[CA-FILE\]", 2)


# --- asio_guide ------------------------------------------------------------------------------------------------------


@test("asio_guide")
def asio_guide():
    said = succeeded(run("asio_guide"))
    for line in ["You said: Good morning!", "sent 3000000 bytes, received 3000010",
                 "both sides said that they were done, and nothing was lost", "the server says something unasked: no",
                 "nobody listens any more", "You said: nothing, and that was all", "You said: Do callbacks work?",
                 "You said: And without them?"]:
        check(line + "\n" in said, f"not there: {line}", said)


# --- Beast -----------------------------------------------------------------------------------------------------------


@test("beast_https_server")
def beast_https_server_keeps_the_connection():
    with HttpsServer() as server:
        client = http.client.HTTPSConnection("localhost", server.port, timeout=LIMIT,
                                             context=ssl.create_default_context(cafile=server.ca))
        bodies = []
        for path in ["/", "/nowhere", "/"]:
            client.request("GET", path)
            answer = client.getresponse()
            bodies.append((answer.status, answer.read().decode()))
        client.sock.unwrap()
        client.close()
        check([status for status, _ in bodies] == [200, 404, 200], bodies)
        check("<h1>It works</h1>" in bodies[0][1] and "TLSv1.3 with TLS_" in bodies[0][1], bodies)
        check(": 3 requests, clean\n" in server.stop(), "the server saw something else")


@test("beast_websocket")
def beast_websocket_echoes_and_closes():
    with WebSocketServer() as server:
        with python_client(server.port, server.ca) as client:
            key = base64.b64encode(os.urandom(16)).decode()
            client.sendall((f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += client.recv(4096)
            check(answer.startswith(b"HTTP/1.1 101 "), answer)
            nothing = bytes(4)  # the mask
            client.sendall(b"\x81\x85" + nothing + b"Hello" + b"\x88\x82" + nothing + b"\x03\xe8")  # a text, and a close: 1000
            frames = b""
            while some := client.recv(4096):  # a ragged end would raise
                frames += some
            check(frames == b"\x81\x05Hello\x88\x02\x03\xe8", frames)
            client.unwrap()
        check(": 1 messages, the client's end: close_notify\n" in server.stop(), "the server saw something else")


if __name__ == "__main__":
    sys.exit(main(TESTS))
