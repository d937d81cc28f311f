# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""BoringSSL's own tool, which never says close_notify: a peer that truncates, ready-made."""

import shutil

from harness import CLEAN, SIZE, VERSIONS, check, check_equal, check_error, numbered_lines, only, wait_until

TOOL = shutil.which("bssl-tool") or shutil.which("bssl")
MISSING = None if TOOL else "there is no bssl-tool (package android-boringssl)"
DATA = numbered_lines(SIZE)
TRUNCATED = {**CLEAN, "peer": "truncated", "clean": False}
ERRC_TRUNCATED = 1


def check_truncated(outcome, step):
    """Everything before the end was delivered, and the end has its right name."""
    check_equal(outcome["read_end"], "truncated", "our end")
    check_equal({key: outcome["closing"][key] for key in CLEAN}, TRUNCATED, "our closing")
    if step is None:
        check_equal(outcome["error"], None, "our error")
    else:
        check_error(outcome, "tls", ERRC_TRUNCATED, step)


def server_truncates(version):
    def test(work):
        server = work.start_server(TOOL, "server", "-accept", "PORT", "-cert", work.pki / "server.pem", "-key",
                                   work.pki / "server.key", "-www", "-loop")
        outcome = work.our_client(server.chosen_port, "text=GET / HTTP/1.0\r\n\r\n", "until-end", "close", **only(version))
        check_equal(outcome["version"], f"TLSv{version}", "the version")
        check(b"Cipher:" in outcome["received"], f"the page is {outcome['received']}")
        check_truncated(outcome, "until-end")
    return test


def start_client(work, port):
    return work.start(TOOL, "client", "-connect", f"127.0.0.1:{port}", "-server-name", "localhost", "-root-certs",
                      work.pki / "ca.pem")


def client_we_close_first(version):
    """It ends at our close_notify, content, and answers with a bare end: a result, not an error."""
    def test(work):
        server = work.our_server(f"expect={SIZE}", f"send={SIZE}", "close", **only(version))
        client = start_client(work, server.port())
        client.write(DATA)
        outcome = server.outcome()
        check_equal((outcome["sent"], outcome["received"]), (SIZE, DATA), "our bytes")
        check_truncated(outcome, None)
        check_equal(client.status(), 0, "the client's exit status")
        check_equal(client.out, DATA, "what the client received")
    return test


def client_truncates(version):
    def test(work):
        server = work.our_server(f"expect={SIZE}", f"send={SIZE}", "until-end", "close", **only(version))
        client = start_client(work, server.port())
        client.write(DATA)
        wait_until(lambda: len(client.out) == SIZE, lambda: f"all bytes, and not {len(client.out)}")
        client.end_of_input()
        outcome = server.outcome()
        check_equal((outcome["sent"], outcome["received"]), (SIZE, DATA), "our bytes")
        check_truncated(outcome, "until-end")
    return test


def cases():
    for version in VERSIONS:
        yield f"F30 server, TLS {version}: it closes first, without close_notify", server_truncates(version)
        yield f"F30 client, TLS {version}: it closes first, without close_notify", client_truncates(version)
        yield f"F30 client, TLS {version}: we close first, and it answers without close_notify", client_we_close_first(version)
