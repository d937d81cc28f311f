# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""BoringSSL's own tool: Encrypted ClientHello, sessions, early data and what is stapled. It never says close_notify."""

from harness import VERSIONS, check_equal, check_found, check_told, only, run, wait_until
from identity import ANSWER, HELLO, check_refused, check_resumed, make_ocsp_response, make_scts
from peer_bssl import MISSING, TOOL  # pylint: disable=unused-import # MISSING is for test_peers.py

# The server speaks first, so that the client's early data is over when it answers.
GREET = ("handshake", "text=answer\n", "expect-text=hello\n", "close")
LISTEN = ("handshake", "text=hello\n", "expect-text=answer\n", "close")
NO_CLOSE = {"read_end": "truncated"}


def start_client(work, port, *options, name="localhost"):
    return work.start(TOOL, "client", "-connect", f"127.0.0.1:{port}", "-server-name", name, "-root-certs", work.pki / "ca.pem", *options)


def listen(work, port, *options):
    client = start_client(work, port, *options)
    client.wait_for("^answer$")
    client.write(HELLO)
    check_equal(client.status(), 0, f"its exit status\n{client.log}")
    return client.log


def start_server(work, *options, identity="server"):
    return work.start_server(TOOL, "server", "-accept", "PORT", "-cert", work.pki / f"{identity}.pem", "-key",
                             work.pki / f"{identity}.key", *options)


def answer(server, client):
    """What the tool's server says to its one client, which has spoken; our outcomes."""
    server.wait_for("^hello$")
    server.write(ANSWER)
    return client.outcome()


def make_ech(work):
    files = {name: work.new_file(name) for name in ("list", "config", "key")}
    run(work, TOOL, "generate-ech", "-out-ech-config-list", files["list"], "-out-ech-config", files["config"], "-out-private-key",
        files["key"], "-public-name", "public.test", "-config-id", "7")
    return files


def encrypted_hello(work):
    ech = make_ech(work)
    server = work.our_server(*GREET, ech_config=ech["config"], ech_key=ech["key"])
    log = listen(work, server.port(), "-ech-config-list", ech["list"])
    check_found("^ *Encrypted ClientHello: yes$", log, "its log")
    check_told(server.outcome(), ech_accepted=True, server_name="localhost")


def outdated_hello(work):
    """Our server has another key, and one certificate for its public name."""
    old, new = make_ech(work), make_ech(work)
    server = work.our_server(*GREET, ech_config=new["config"], ech_key=new["key"], hosts=f"public.test={work.pki / 'public'}")
    client = start_client(work, server.port(), "-ech-config-list", old["list"])
    check_refused(server.outcome(), "tls.alert", 121)  # ech_required
    check_equal(client.status(), 1, "its exit status")
    check_found("ECH_REJECTED", client.log, "its log")


def greased(work):
    """What means nothing does no harm, to a server that has a key nor to one that has none."""
    ech = make_ech(work)
    for options in ({}, {"ech_config": ech["config"], "ech_key": ech["key"]}):
        server = work.our_server(*GREET, **options)
        listen(work, server.port(), "-ech-grease")
        check_told(server.outcome(), ech_accepted=False)


def we_encrypt_hello(work):
    ech = make_ech(work)
    server = start_server(work, "-ech-config", ech["config"], "-ech-key", ech["key"])
    told = answer(server, work.start_our_client(server.chosen_port, *LISTEN, ech_list=ech["list"]))
    check_told(told, ech_accepted=True, **NO_CLOSE)
    check_found("^ *Encrypted ClientHello: yes$", server.log, "its log")
    check_found("^ *Client sent SNI: localhost$", server.log, "its log")


def we_are_outdated(work):
    """The server is believed for its public name, and the second connection goes by what it told."""
    old, new = make_ech(work), make_ech(work)
    server = start_server(work, "-ech-config", new["config"], "-ech-key", new["key"], identity="public")
    told = work.our_client(server.chosen_port, *LISTEN, ech_list=old["list"])
    check_refused(told, "tls.boringssl", None)
    check_equal(told["ech_retry"], new["list"].read_bytes().hex(), "what we are to try")
    # One whom the public name does not belong to is not believed.
    stranger = start_server(work, "-ech-config", new["config"], "-ech-key", new["key"])
    told = work.our_client(stranger.chosen_port, *LISTEN, ech_list=old["list"])
    check_refused(told, "tls.verify", 62)  # X509_V_ERR_HOSTNAME_MISMATCH
    check_equal(told["ech_retry"], "", "what we are to try")


def client_resumes(version):
    def test(work):
        session = work.new_file("session")
        server = work.our_server(*GREET, connections=2, **only(version))
        listen(work, server.port(), "-session-out", session)
        check_found("^ *Resumed session: yes$", listen(work, server.port(), "-session-in", session), "its log")
        check_resumed(server.outcomes())
    return test


def we_resume(version):
    def test(work):
        session = work.new_file("session")
        server = start_server(work, "-loop", "-max-version", f"tls{version}")
        for reused in (False, True):
            before = server.out.count(HELLO)
            client = work.start_our_client(server.chosen_port, *LISTEN, session=session, **only(version))
            wait_until(lambda before=before: server.out.count(HELLO) > before, "our line")
            server.write(ANSWER)
            check_told(client.outcome(), reused=reused, **NO_CLOSE)
    return test


def client_sends_early(accepted):
    def test(work):
        session = work.new_file("session")
        keys = work.new_file("tickets")
        keys.write_bytes(bytes(range(80)))
        first = work.our_server(*GREET, early="yes", tickets=keys)
        listen(work, first.port(), "-session-out", session)
        first.outcome()
        steps = ("read-early", *GREET) if accepted else GREET
        second = work.our_server(*steps, tickets=keys, **({"early": "yes"} if accepted else {}))
        client = start_client(work, second.port(), "-session-in", session, "-early-data", "early data")
        if accepted:
            client.wait_for("^answer$")
            client.write(HELLO)
            check_told(second.outcome(), reused=True, early="early data", early_accepted=True)
            check_found("^ *Early data: yes$", client.log, "its log")
        else:
            # It gives up then, and says why.
            client.status()
            check_found("EARLY_DATA_REJECTED|rejected", client.log, "its log")
    return test


def we_send_early(work):
    session = work.new_file("session")
    server = start_server(work, "-loop", "-early-data")
    for sent in (0, 11):
        before = server.out.count(HELLO)
        client = work.start_our_client(server.chosen_port, "early=early data\n", *LISTEN, session=session, early="yes")
        wait_until(lambda before=before: server.out.count(HELLO) > before, lambda: f"our line in {server.log}")
        server.write(ANSWER)
        check_told(client.outcome(), reused=sent != 0, early_sent=sent, early_accepted=sent != 0, early_resent=0)
    check_equal(server.out.count(b"early data\n"), 1, "how often it came")


def stapled(version):
    def test(work):
        response, scts = make_ocsp_response(work), work.new_file("scts")
        scts.write_bytes(make_scts())
        wanted = ("-ocsp-stapling", "-signed-certificate-timestamps")
        for options, told in (({"staple": response, "scts": scts}, "yes"), ({}, "no")):
            server = work.our_server(*GREET, **options, **only(version))
            log = listen(work, server.port(), *wanted)
            check_found(f"^ *OCSP staple: {told}$", log, "its log")
            check_found(f"^ *SCT list: {told}$", log, "its log")
            server.outcome()
    return test


def it_staples(work):
    response = make_ocsp_response(work)
    server = start_server(work, "-ocsp-response", response)
    check_told(answer(server, work.start_our_client(server.chosen_port, *LISTEN, ask="yes")), ocsp=response.read_bytes().hex())


def cases():
    yield "ECH: client", encrypted_hello
    yield "ECH: client, an outdated configuration", outdated_hello
    yield "ECH: client, GREASE", greased
    yield "ECH: server", we_encrypt_hello
    yield "ECH: server, an outdated configuration", we_are_outdated
    for version in VERSIONS:
        yield f"sessions: client, TLS {version}", client_resumes(version)
        yield f"sessions: server, TLS {version}", we_resume(version)
        yield f"OCSP and SCTs: client, TLS {version}", stapled(version)
    yield "OCSP: server", it_staples
    yield "early data accepted: client", client_sends_early(True)
    yield "early data rejected: client", client_sends_early(False)
    yield "early data accepted: server", we_send_early
