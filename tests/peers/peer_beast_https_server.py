# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""examples/beast_https_server with curl, with a browser (Chromium), and with Node's https."""

import json
import os
import pathlib
import re

import peer_wire
from harness import VERSIONS, check, check_equal, check_found, missing, needs, wait_until

MISSING = None
NODE_PROGRAM = pathlib.Path(__file__).with_name("https_client.js")
NO_CHROMIUM = missing("chromium", "certutil")
IT_WORKS = "<h1>It works</h1>"


def page(version):
    return rf"{IT_WORKS}\s*<p>This page came over TLSv{version} with [\w-]+\.</p>"


def check_told(server, pattern):
    """The server's line about a connection."""
    wait_until(lambda: re.search(rf"^127\.0\.0\.1:\d+: {pattern}$", server.log, re.MULTILINE),
               lambda: f"{pattern!r} in what the server says:\n{server.log}")


# --- curl ------------------------------------------------------------------------------------------------------------


def start_curl(work, port, version, *arguments, paths=("/",), trust="ca", keys=None):
    urls = [f"https://localhost:{port}{path}" for path in paths]
    return work.start("curl", "--silent", "--show-error", "--verbose", "--cacert", work.pki / f"{trust}.pem", "--noproxy", "*",
                      f"--tlsv{version}", "--tls-max", version, "--resolve", f"localhost:{port}:127.0.0.1", *arguments, *urls,
                      environment={"SSLKEYLOGFILE": str(keys)} if keys else None)


def curl(version, *arguments, requests=1, **more):
    def test(work):
        needs(missing("curl"))
        server = work.start_example_server()
        client = start_curl(work, server.port(), version, *arguments, **more)
        check_equal(client.status(), 0, f"curl's exit status\n{client.log}")
        check_equal(len(re.findall(page(version), client.out.decode())), requests, "pages")
        check_equal(client.log.count("Connected to localhost"), 1, "connections")
        check_told(server, f"{requests} requests, clean")
    return test


def curl_goes_on(version):
    return curl(version, requests=3, paths=("/", "/", "/"))


def curl_asks_once(version):
    """The server closes without waiting for curl to do so."""
    return curl(version, "--header", "Connection: close")


def curl_errors(version):
    def test(work):
        needs(missing("curl"))
        server = work.start_example_server()
        client = start_curl(work, server.port(), version, "--head", paths=("/", "/nowhere"))
        check_equal(client.status(), 0, f"curl's exit status\n{client.log}")
        check_equal(re.findall(r"^HTTP/1\.1 (\d+)", client.out.decode(), re.MULTILINE), ["200", "404"], "the answers")
        client = start_curl(work, server.port(), version, "--data", "x=1")
        check_equal(client.status(), 0, f"curl's exit status\n{client.log}")
        check_found(r"^< HTTP/1\.1 405", client.log, "the answer")
        check_told(server, "2 requests, clean")
        check_told(server, "1 requests, clean")
    return test


def curl_refuses(version):
    """And the server goes on to serve others."""
    def test(work):
        needs(missing("curl"))
        server = work.start_example_server()
        client = start_curl(work, server.port(), version, trust="selfsigned")
        check_equal(client.status(), 60, f"curl's exit status\n{client.log}")
        check_told(server, ".*, 0 requests, not clean, peer: failed")
        check_equal(start_curl(work, server.port(), version).status(), 0, "curl's exit status, the second time")
    return test


def curl_on_the_wire(version):
    """curl does not wait for the server's close_notify before it closes its socket, so that RST is its kernel's answer; the
    server's FIN may come too late then."""
    def test(work):
        needs(missing("curl"), peer_wire.MISSING)
        server = work.start_example_server()
        capture = peer_wire.Capture(work, server.port())
        client = start_curl(work, capture.port, version, keys=work.directory / "keys")
        check_equal(client.status(), 0, f"curl's exit status\n{client.log}")
        check_told(server, "1 requests, clean")
        ours, curls = capture.sides()
        check(ours in (peer_wire.CLOSED, peer_wire.CLOSED[:2]), f"the server sent {ours}")
        check_equal(curls[:2], ["SYN", "close_notify"], "what curl sent first")
    return test


# --- Chromium --------------------------------------------------------------------------------------------------------


def leftovers(directory):
    """The processes that have to do with it."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.fsencode(directory) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it has ended meanwhile
            pass
    return found


def browse(work, port, authority):
    """The document that Chromium makes of the page, and what it says; `authority` is whom it is told to trust, as a user would."""
    home = work.directory / "home"
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    commands = [["certutil", "-d", f"sql:{database}", "-N", "--empty-password"]]
    if authority:
        commands.append(["certutil", "-d", f"sql:{database}", "-A", "-n", "authority", "-t", "C,,", "-i", authority])
    for command in commands:
        process = work.start(*command)
        check_equal(process.status(), 0, f"certutil's exit status\n{process.log}")
    browser = work.start("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-breakpad", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={home}/profile",
                         "--timeout=15000", "--dump-dom", f"https://localhost:{port}/",
                         environment={"HOME": str(home), "XDG_CONFIG_HOME": f"{home}/config", "XDG_CACHE_HOME": f"{home}/cache",
                                      "XDG_DATA_HOME": f"{home}/data"})
    check_equal(browser.status(), 0, f"chromium's exit status\n{browser.log}")
    wait_until(lambda: not leftovers(home), lambda: f"chromium's processes {leftovers(home)} to end")
    return browser.out.decode(), browser.log


def chromium_opens_the_page(work):
    """Without a warning: --dump-dom gives the warning's document, or none, where there is one."""
    needs(NO_CHROMIUM)
    server = work.start_example_server()
    document, log = browse(work, server.port(), work.pki / "ca.pem")
    check_found(page(r"1\.3"), document, f"Chromium's document\n{log}")
    check_found("<title>tls-stream</title>", document, "Chromium's document")
    check("net_error" not in log and "ERR_CERT" not in log, f"Chromium says\n{log}")
    check_told(server, r".*\b[1-9]\d* requests, .*truncated")  # Chromium says no close_notify when it ends


def chromium_refuses_a_stranger(work):
    """The counterpart: who the server is matters."""
    needs(NO_CHROMIUM)
    server = work.start_example_server()
    document, log = browse(work, server.port(), None)
    check(IT_WORKS not in document, f"Chromium opened the page of a stranger:\n{document}")
    check_found("ERR_CERT_AUTHORITY_INVALID|net_error -202", log, "what Chromium says")
    check(not re.search(r"[1-9]\d* requests", server.log), f"the server answered: {server.log}")


# --- Node ------------------------------------------------------------------------------------------------------------


def node(version):
    """Three requests on one connection."""
    def test(work):
        needs(missing("node"))
        server = work.start_example_server()
        client = work.start("node", NODE_PROGRAM, server.port(), work.pki, version)
        check_equal(client.status(), 0, f"Node's exit status\n{client.log}")
        told = json.loads(client.out.decode().splitlines()[-1])
        check_equal(told["statuses"], [200, 404, 200], "the answers")
        check_equal((told["connections"], told["protocol"], told["alpn"]), (1, f"TLSv{version}", "http/1.1"), "the connection")
        check_found(page(version), told["page"], "the page")
        records = re.split(r"^(?=(?:Sent|Received) Record)", client.log, flags=re.MULTILINE)
        last = [record for record in records if record.startswith("Received")][-1]
        check_found("description=close notify", last, "Node's trace of the last record")
        check_told(server, "3 requests, clean")
    return test


def node_on_the_wire(version):
    """Each side: close_notify, then FIN, each once; and no RST."""
    def test(work):
        needs(missing("node"), peer_wire.MISSING)
        server = work.start_example_server()
        capture = peer_wire.Capture(work, server.port())
        client = work.start("node", f"--tls-keylog={work.directory / 'keys'}", NODE_PROGRAM, capture.port, work.pki, version)
        check_equal(client.status(), 0, f"Node's exit status\n{client.log}")
        check_told(server, "3 requests, clean")
        capture.check_closed_by_both()
    return test


def cases():
    tests = {"curl: keeps the connection": curl_goes_on, "curl: asks for an end": curl_asks_once,
             "curl: other requests": curl_errors, "curl: refuses the server": curl_refuses, "Node: keeps the connection": node,
             "Node: on the wire": node_on_the_wire, "curl: on the wire": curl_on_the_wire}
    for version in VERSIONS:
        for name, test in tests.items():
            who, _, what = name.partition(": ")
            yield f"{who}, TLS {version}: {what}", test(version)
    yield "Chromium, told of the authority: opens the page without a warning", chromium_opens_the_page
    yield "Chromium, not told of it: refuses", chromium_refuses_a_stranger
