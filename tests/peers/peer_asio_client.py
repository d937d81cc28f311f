# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""examples/asio_client with nginx, OpenSSL's s_server and BoringSSL's tool: what it prints, and what the server saw."""

import peer_bssl
import peer_nginx
import peer_openssl
import peer_wire
from harness import VERSIONS, check, check_equal, check_found, needs, wait_until

MISSING = None
CLEAN = r"complete; closed clean \(close_notify sent, FIN sent, peer close_notify, 0 bytes discarded\)$"


def start(work, port, *trust, host="localhost"):
    return work.start(work.example, host, port, *(trust or [work.pki / "ca.pem"]))


def errors(client):
    return client.err_path.read_text(encoding="utf-8")


def nginx_page(version):
    def test(work):
        needs(peer_nginx.MISSING)
        server = peer_nginx.Nginx(work, version)
        (work.directory / "www" / "index.html").write_bytes(peer_nginx.DATA)
        client = start(work, server.port)
        check_equal(client.status(), 0, f"the client's exit status\n{errors(client)}")
        head, _, body = client.out.partition(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 200 OK\r\n"), f"nginx answered {head}")
        check_equal(body, peer_nginx.DATA, "the page")
        check_found(rf"^{len(client.out)} bytes, {CLEAN}", errors(client), "what the client says")
    return test


def openssl_page(version):
    def test(work):
        needs(peer_openssl.MISSING)
        server = peer_openssl.OpenSsl.server(work, peer_openssl.switch(version), "-www")
        client = start(work, server.process.port())
        check_equal(client.status(), 0, f"the client's exit status\n{errors(client)}")
        check_found(rf"^ +Protocol +: TLSv{version}$", client.out.decode(), "the page, which tells of the connection")
        check_found(rf"^{len(client.out)} bytes, {CLEAN}", errors(client), "what the client says")
        both = [peer_openssl.SENT, peer_openssl.RECEIVED]
        wait_until(lambda: server.alerts() == both, lambda: f"the alerts {both}, and not {server.alerts()}")
    return test


def truncated(work):
    """BoringSSL's tool closes without close_notify: the connection has an end, and TLS has none."""
    needs(peer_bssl.MISSING)
    server = work.start_server(peer_bssl.TOOL, "server", "-accept", "PORT", "-cert", work.pki / "server.pem", "-key",
                               work.pki / "server.key", "-www", "-loop")
    client = start(work, server.chosen_port)
    check_equal(client.status(), 1, f"the client's exit status\n{errors(client)}")
    check(b"Cipher:" in client.out, f"the page is {client.out}")
    check_found(rf"^{len(client.out)} bytes, TRUNCATED: .*; closed, not clean \(close_notify sent, FIN sent, peer truncated, ",
                errors(client), "what the client says")


def refused(version):
    """The server is told why, and sends nothing to anybody."""
    def test(work):
        needs(peer_openssl.MISSING)
        server = peer_openssl.OpenSsl.server(work, peer_openssl.switch(version), "-www")
        client = start(work, server.process.port(), work.pki / "selfsigned.pem")
        check_equal((client.status(), client.out), (1, b""), f"the client's exit status and output\n{errors(client)}")
        check_found(r"^asio_client: .*certificate", errors(client), "what the client says")
        server.check_received_alert("fatal unknown_ca")
    return test


def on_the_wire(version):
    """Each side: close_notify, then FIN, each once; and no RST."""
    def test(work):
        needs(peer_openssl.MISSING, peer_wire.MISSING)
        server = peer_openssl.OpenSsl.server(work, peer_openssl.switch(version), "-www", "-keylogfile", work.directory / "keys")
        capture = peer_wire.Capture(work, server.process.port())
        client = start(work, capture.port)
        check_equal(client.status(), 0, f"the client's exit status\n{errors(client)}")
        capture.check_closed_by_both()
    return test


def cases():
    for version in VERSIONS:
        yield f"nginx, TLS {version}: a page", nginx_page(version)
        yield f"OpenSSL, TLS {version}: a page", openssl_page(version)
        yield f"OpenSSL, TLS {version}: the client refuses it", refused(version)
        yield f"OpenSSL, TLS {version}: on the wire", on_the_wire(version)
    yield "BoringSSL's tool: truncated", truncated
