# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""curl, a client that has only bytes and alerts to say in its trace (--verbose): a missing close_notify does not bother it."""

from harness import SIZE, VERSIONS, check, check_clean, check_equal, check_error, check_found, missing, numbered_lines, only

MISSING = missing("curl")
DATA = numbered_lines(SIZE)
HEAD = "text=HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"  # the body goes on to the end of the connection
SIZED_HEAD = f"text=HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"
RECEIVED = r"\(IN\), TLS alert, close notify"
UNKNOWN_CA = 48


def start(work, port, version, trust="ca"):
    return work.start("curl", "--silent", "--show-error", "--verbose", "--cacert", work.pki / f"{trust}.pem", "--noproxy", "*",
                      f"--tlsv{version}", "--tls-max", version, "--resolve", f"localhost:{port}:127.0.0.1", "--output", "page",
                      f"https://localhost:{port}/")


def transfer(work, version, *steps):
    """Our outcome, and curl's trace; checks that curl received the whole page."""
    server = work.our_server("until-blank-line", *steps, **only(version))
    curl = start(work, server.port(), version)
    outcome = server.outcome()
    check_equal(curl.status(), 0, f"curl's exit status\n{curl.log}")
    check_equal((work.directory / "page").read_bytes(), DATA, "the page")
    return outcome, curl.log


def we_close_first(version):
    def test(work):
        outcome, log = transfer(work, version, HEAD, f"send={SIZE}", "close")
        check_clean(outcome, version)
        check_found(RECEIVED, log, "curl's trace")
    return test


def curl_closes_first(version):
    def test(work):
        outcome, _ = transfer(work, version, SIZED_HEAD, f"send={SIZE}", "until-end", "close")
        check_clean(outcome, version)
    return test


def let_go(version):
    def test(work):
        _, log = transfer(work, version, HEAD, f"send={SIZE}")
        check("TLS alert, close notify" not in log.split("(OUT), TLS alert")[0], f"close_notify came without a close:\n{log}")
    return test


def curl_refuses_us(version):
    def test(work):
        server = work.our_server("until-blank-line", "close", **only(version))
        curl = start(work, server.port(), version, trust="selfsigned")
        # In TLS 1.3 OpenSSL sends this alert in the clear, where only a sealed record may come; BoringSSL refuses that.
        check_error(server.outcome(), *(("tls.alert", UNKNOWN_CA) if version == "1.2" else ("tls.boringssl", None)))
        check_equal(curl.status(), 60, "curl's exit status")
    return test


def cases():
    tests = {"we close first": we_close_first, "it closes first": curl_closes_first, "let go without a close": let_go,
             "it refuses us": curl_refuses_us}
    for version in VERSIONS:
        for name, test in tests.items():
            yield f"client, TLS {version}: {name}", test(version)
