# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""nginx, in one process with a configuration of its own, as any user. What it saw is in its log, where it was built with one."""

from harness import CLEAN, SIZE, VERSIONS, check, check_clean, check_equal, missing, numbered_lines, only, wait_until

MISSING = missing("nginx")
DATA = numbered_lines(SIZE)
CONFIGURATION = """
daemon off;
master_process off;
pid {here}/nginx.pid;
error_log {here}/error.log debug;
events {{ }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {pki}/server.pem;
        ssl_certificate_key {pki}/server.key;
        ssl_protocols TLSv{version};
        root {here}/www;
        dav_methods PUT;
    }}
}}
"""


class Nginx:
    def __init__(self, work, version):
        (work.directory / "www").mkdir()
        (work.directory / "www" / "page").write_bytes(DATA)
        configuration = work.directory / "nginx.conf"
        self.log_path = work.directory / "error.log"

        def prepare(port):
            configuration.write_text(CONFIGURATION.format(here=work.directory, port=port, pki=work.pki, version=version),
                                     encoding="ascii")
        self.port = work.start_server("nginx", "-p", work.directory, "-e", self.log_path, "-c", configuration,
                                      prepare=prepare).chosen_port

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")


def closes_first(version):
    def test(work):
        server = Nginx(work, version)
        outcome = work.our_client(server.port, "text=GET /page HTTP/1.0\r\n\r\n", "until-end", "close", **only(version))
        check_clean(outcome, version)
        check_equal(outcome["received"].partition(b"\r\n\r\n")[2], DATA, "the page")
    return test


def we_close_first(version):
    """After an upload, on a connection that the server would keep. nginx does not answer close_notify: it closes, and the result
    says so."""
    def test(work):
        server = Nginx(work, version)
        head = f"text=PUT /new HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n"
        outcome = work.our_client(server.port, head, f"send={SIZE}", "until-blank-line", "close", **only(version))
        check_equal(outcome["error"], None, "our error")
        wanted = {**CLEAN, "peer": "truncated", "clean": False}
        check_equal({key: outcome["closing"][key] for key in CLEAN}, wanted, "our closing")
        check(outcome["received"].startswith(b"HTTP/1.1 201"), f"nginx answered {outcome['received']}")
        check_equal((work.directory / "www" / "new").read_bytes(), DATA, "what nginx received")
        if "[debug]" in server.log():
            wait_until(lambda: "peer shutdown SSL cleanly" in server.log(), "nginx to see our close_notify")
    return test


def cases():
    for version in VERSIONS:
        yield f"server, TLS {version}: it closes first", closes_first(version)
        yield f"server, TLS {version}: we close first", we_close_first(version)
