# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""OpenSSL's command line: sessions, early data, keys, and what is agreed on."""

import re

from harness import VERSIONS, Skip, check, check_equal, check_found, check_told, missing, only, wait_until
from identity import (ANSWER, ASK, HELLO, LABEL, NO_APPLICATION_PROTOCOL, NO_PROTOCOL, REPLY, check_resumed, key_log_lines,
                      make_ticket_keys, owner_only)
from peer_openssl import OpenSsl, switch
from peer_openssl_identity import ASK_REVERSED, ask, asked, asking, refusing_client, refusing_server, start_client, start_server

MISSING = missing("openssl")


# --- Sessions --------------------------------------------------------------------------------------------------------


def client_resumes(version):
    def test(work):
        server = work.our_server(*REPLY, connections=3, **only(version))
        session = work.new_file("session")
        full = ask(work, server.port(), switch(version), "-sess_out", session)
        check_found(r"^New, TLSv", full.process.log, "s_client's log")
        for _ in range(2):
            resumed = ask(work, server.port(), switch(version), "-sess_in", session)
            check_found(r"^Reused, TLSv", resumed.process.log, "s_client's log")
        check_resumed(server.outcomes())
    return test


def we_resume(version, **options):
    def test(work):
        server = start_server(work, switch(version))
        client = work.start_our_client(server.process.port(), *ASK_REVERSED, connections=3, **options, **only(version))
        check_resumed(client.outcomes())
    return test


def we_resume_from_a_file(version):
    """In another process; the same session is not good for another name, and none is resumed by whom another authority is trusted."""
    def test(work):
        session = work.new_file("session")
        server = start_server(work, switch(version))
        outcomes = [work.our_client(server.process.port(), *ASK_REVERSED, session=session, **only(version)) for _ in range(3)]
        check_resumed(outcomes)
        both = work.new_file("ca.pem")
        both.write_text((work.pki / "ca.pem").read_text() + (work.pki / "selfsigned.pem").read_text())
        other = work.our_client(server.process.port(), *ASK_REVERSED, session=session, ca=both, **only(version))
        check_told(other, reused=False)
        renamed = work.start_our_client(server.process.port(), *ASK_REVERSED, session=session, name="example.test", **only(version))
        check_equal(renamed.status(), 3, "the driver's exit status")
        check_found("invalid session", renamed.log, "the error")
    return test


def no_tickets(version):
    """A server with no tickets resumes nothing."""
    def test(work):
        server = work.our_server(*REPLY, connections=2, ticket_count=0, **only(version))
        session = work.new_file("session")
        ask(work, server.port(), switch(version), "-sess_out", session)
        given = ["-sess_in", session] if session.exists() else []
        ask(work, server.port(), switch(version), *given)
        for outcome in server.outcomes():
            check_told(outcome, reused=False)
    return test


def fleet_resumes(version, client, keeps_renewed=True):
    """Processes of ours with shared ticket keys, which are rotated, and one with others; `client(work, port, version, session)` is one
    connection, and returns whether it was resumed. Does it keep a ticket that came with a resumed session?"""
    def test(work):
        session = work.new_file("session")
        rows = [("first", ["old"], False), ("the same keys", ["old"], True), ("a newer key in front", ["new", "old"], True),
                ("the newer key alone", ["new"], keeps_renewed), ("other keys", ["other"], False)]
        for what, keys, wanted in rows:
            server = work.our_server(*REPLY, tickets=make_ticket_keys(work, *keys), **only(version))
            resumed = client(work, server.port(), version, session)
            check_told(server.outcome(), reused=wanted)
            check_equal(resumed, wanted, f"resumed with {what}")
    return test


def openssl_client(work, port, version, session):
    given = ["-sess_in", session] if session.exists() else []
    return "Reused, TLSv" in ask(work, port, switch(version), "-sess_out", session, *given).process.log


def our_client(work, port, version, session):
    return work.our_client(port, *ASK, session=session, **only(version))["reused"]


# --- Early data ------------------------------------------------------------------------------------------------------


def client_sends_early(accepted):
    """To a process that did not give the session: early data crosses a fleet, too."""
    def test(work):
        keys, session, early = make_ticket_keys(work, "keys"), work.new_file("session"), work.new_file("early")
        early.write_bytes(b"early data\n")
        first = work.our_server(*REPLY, tickets=keys, early="yes")
        ask(work, first.port(), "-sess_out", session)
        check_told(first.outcome(), reused=False, early="")
        options = {"early": "yes"} if accepted else {}
        second = work.our_server("read-early", *REPLY, tickets=keys, **options)
        client = ask(work, second.port(), "-sess_in", session, "-early_data", early)
        told = second.outcome()
        check_told(told, reused=True, early="early data\n" if accepted else "")
        check_equal(told["received"], HELLO, "what came after it")
        check_found("Early data was " + ("accepted" if accepted else "rejected"), client.process.log, "s_client's log")
    return test


def we_send_early(accepted):
    """Rejected by a server that has other keys: the library sends them once more, and says so."""
    def test(work):
        session = work.new_file("session")
        steps = ("early=early data\n", "text=hello\n", "expect-text=answer\n", "close")

        def exchange(server, **wanted):
            client = work.start_our_client(server.process.port(), *steps, session=session, early="yes")
            wait_until(lambda: HELLO in server.process.out, lambda: f"our line in {server.process.log}")
            server.process.write(ANSWER)
            check_told(client.outcome(), **wanted)

        first = OpenSsl.server(work, "-early_data")
        exchange(first, reused=False, early_sent=0, early_accepted=False)
        if accepted:
            before = first.process.out
            client = work.start_our_client(first.process.port(), *steps, session=session, early="yes")
            wait_until(lambda: HELLO in first.process.out[len(before):], lambda: f"our line in {first.process.log}")
            first.process.write(ANSWER)
            check_told(client.outcome(), reused=True, early_sent=11, early_accepted=True, early_resent=0)
            check_found("^Early data received:$", first.process.out.decode(), "s_server's output")
            check_equal(len(re.findall(rb"(?m)^early data$", first.process.out)), 1, "how often it came")
        else:
            second = OpenSsl.server(work, "-early_data")
            exchange(second, reused=False, early_sent=11, early_accepted=False, early_resent=11)
            check_found(r"^early data\nhello$", second.process.out.decode(), "s_server's output")
            check("Early data received" not in second.process.log, "it was taken for early data")
    return test


# --- What both know --------------------------------------------------------------------------------------------------


KEYING_MATERIAL = ("-keymatexport", LABEL, "-keymatexportlen", "32")
BINDING = ("-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32")


def exports(field):
    def same(told, peer):
        material = re.search("Keying material: ([0-9A-F]+)", peer.process.log)
        check(material, lambda: f"no keying material in\n{peer.process.log}")
        check_equal(told[field], material[1].lower(), "the keying material")
    return same


def server_exports(version):
    """s_server tells it only without -rev."""
    def test(work):
        server = OpenSsl.server(work, switch(version), *KEYING_MATERIAL)
        client = work.start_our_client(server.process.port(), "handshake", f"export={LABEL}", "text=hello\n", "wait", "close", **only(version))
        server.process.wait_for("Keying material: ")
        client.end_of_input()
        told = client.outcome()
        check_told(told)
        exports("exported")(told, server)
    return test


def logs_the_same_keys(role, version):
    def test(work):
        ours, theirs = work.new_file("our-keys"), work.new_file("their-keys")
        ask_or_serve = asked if role == "client" else asking
        ask_or_serve(version, None, ["-keylogfile", str(theirs)], keylog=ours)(work)
        found, wanted = key_log_lines(ours), key_log_lines(theirs)
        check(found, "we logged nothing")
        check_equal(found, wanted, "the secrets")
        check(owner_only(ours), "others can read the key log")
    return test


# OpenSSL's names of the messages by ours.
MESSAGES = {"ClientHello": "client_hello", "ServerHello": "server_hello", "EncryptedExtensions": "encrypted_extensions",
            "Certificate": "certificate", "CertificateVerify": "certificate_verify", "Finished": "finished",
            "NewSessionTicket": "new_session_ticket", "ServerKeyExchange": "server_key_exchange", "KeyUpdate": "key_update",
            "ServerHelloDone": "server_hello_done", "ClientKeyExchange": "client_key_exchange", "CertificateStatus": "certificate_status",
            "close_notify": "close_notify"}


def observes_the_same(role, version):
    """Each message and alert that OpenSSL writes down is an event of ours, in the order of its direction."""
    def test(work):
        def compare(told, peer):
            def logged():
                pattern = r"^(<<<|>>>) .*?(?:Handshake \[length \w+\], (\w+)|Alert \[length \w+\], \w+ (\w+))$"
                found = re.findall(pattern, peer.log_path.read_text(encoding="ascii"), re.MULTILINE)
                return [(arrow, MESSAGES[handshake or alert]) for arrow, handshake, alert in found]
            wait_until(lambda: len(logged()) >= len(told["events"]), lambda: f"{len(told['events'])} messages: {logged()}")
            for arrow, ours in (("<<<", "sent "), (">>>", "received ")):
                wanted = [name for way, name in logged() if way == arrow]
                check_equal([event.removeprefix(ours) for event in told["events"] if event.startswith(ours)], wanted, ours)
        (asked if role == "client" else asking)(version, compare, observe="yes")(work)
    return test


# --- Keys ------------------------------------------------------------------------------------------------------------


def our_key_update(role, who):
    """Asking for the peer's too is answered by it with its next record at the latest."""
    def test(work):
        arrows = ["<<<"] if who == "own" else ["<<<", ">>>"]

        def seen(_, peer):
            text = peer.log_path.read_text(encoding="ascii")
            check_equal(sorted(re.findall(r"^(...) .*KeyUpdate$", text, re.MULTILINE)), arrows, "the updates")
        if role == "server":
            asking("1.3", seen, steps=("handshake", f"update-keys={who}", *ASK_REVERSED))(work)
            return
        server = work.our_server("expect-text=hello\n", f"update-keys={who}", "text=answer\n", "expect-text=again\n", "close", **only("1.3"))
        client = start_client(work, server.port())
        client.process.write(HELLO)
        client.process.wait_for("^answer$")
        client.process.write(b"again\n")
        check_told(server.outcome())
        seen(None, client)
    return test


def its_key_update(role, command):
    """'k' is for its own keys, 'K' for ours too."""
    def test(work):
        asks = command == b"K\n"
        if role == "client":
            server = work.our_server("expect-text=hello\n", "text=answer\n", "expect-text=again\n", "text=answer\n", "close", observe="yes",
                                     **only("1.3"))
            peer = start_client(work, server.port())
            ours = server
        else:
            peer = OpenSsl.server(work)
            ours = work.start_our_client(peer.process.port(), "text=first\n", "expect-text=hello\n", "text=answer\n",
                                         "expect-text=again\n", "close", observe="yes", **only("1.3"))
            peer.process.wait_for("^first$")
        peer.process.write(HELLO)
        peer.process.wait_for("^answer$")  # so that the command is the first that is read
        peer.process.write(command)
        wait_until(lambda: "KeyUpdate" in peer.log_path.read_text(encoding="ascii"), "the update")
        peer.process.write(b"again\n")
        told = ours.outcome()
        check_told(told)
        updates = [event for event in told["events"] if "key_update" in event]
        check_equal(updates, ["received key_update"] + ["sent key_update"] * asks, "the updates")
    return test


# --- What is agreed on -----------------------------------------------------------------------------------------------


def agrees(field, value):
    return lambda told, _: check_told(told, **{field: value})


def policy(role, version):
    """An older BoringSSL has none, and says so."""
    def test(work):
        probe = work.start_our_client(1, policy="fips")
        probe.status()
        if "is needed" in probe.log:
            raise Skip(probe.log.strip())

        def look(told, _):
            check(told["group"] in ("P-256", "P-384") and "GCM" in told["cipher"], f"it is {told}")
        (asked if role == "client" else asking)(version, look, policy="fips")(work)
    return test


def cases():
    for version in VERSIONS:
        yield f"sessions: client, TLS {version}", client_resumes(version)
        yield f"sessions: server, TLS {version}, a cache", we_resume(version, cache="yes")
        yield f"F83 sessions: server, TLS {version}, a file, one name and one trust", we_resume_from_a_file(version)
        yield f"sessions: client, TLS {version}, no tickets", no_tickets(version)
        yield f"sessions: processes that share ticket keys, TLS {version}, s_client", fleet_resumes(version, openssl_client, version == "1.3")
        yield f"sessions: processes that share ticket keys, TLS {version}, our client", fleet_resumes(version, our_client)
        yield f"exporter: client, TLS {version}", asked(version, exports("exported"), KEYING_MATERIAL,
                                                        steps=("handshake", f"export={LABEL}", *REPLY))
        yield f"exporter: server, TLS {version}", server_exports(version)
        for role in ("client", "server"):
            yield f"key log: {role}, TLS {version}, the same lines", logs_the_same_keys(role, version)
            yield f"observation: {role}, TLS {version}, the same messages", observes_the_same(role, version)
            yield f"policy: {role}, TLS {version}, FIPS", policy(role, version)
        two = agrees("alpn", "two")
        yield f"ALPN: client, TLS {version}", asked(version, two, ["-alpn", "one,two,three"], alpn="four,two,one")
        yield f"ALPN: client, TLS {version}, a callable", asked(version, two, ["-alpn", "one,two,three"], select_alpn="two")
        yield (f"ALPN: client, TLS {version}, a callable refuses",
               refusing_client(version, "tls.boringssl", None, ["-alpn", "one"], alert=NO_APPLICATION_PROTOCOL, select_alpn="two"))
        yield f"ALPN: server, TLS {version}", asking(version, two, ["-alpn", "two,one"], alpn="one,two", require_alpn="yes")
        yield (f"ALPN: server, TLS {version}, missed",
               refusing_server(version, "tls", NO_PROTOCOL, alert=NO_APPLICATION_PROTOCOL, alpn="one", require_alpn="yes"))
        for group in ("X25519", "P-256", "P-384", "P-521"):
            chosen = agrees("group", group)
            yield f"groups: client, TLS {version}, {group}", asked(version, chosen, identity="rsa", groups=group)
            yield (f"groups: client, TLS {version}, {group} by -groups",
                   asked(version, chosen, ["-groups", group], identity="rsa", groups="X25519:P-256:P-384:P-521"))
            yield f"groups: server, TLS {version}, {group}", asking(version, chosen, identity="rsa", groups=group)
    yield "channel binding: client, TLS 1.3, tls-exporter", asked("1.3", exports("tls_exporter"), BINDING)
    suite = "ECDHE-ECDSA-CHACHA20-POLY1305"
    yield "ciphers: client, TLS 1.2", asked("1.2", agrees("cipher", suite), ciphers=suite)
    yield "ciphers: server, TLS 1.2", asking("1.2", agrees("cipher", suite), ciphers=suite)
    for name in ("early data accepted", "early data rejected"):
        yield f"{name}: client", client_sends_early(name.endswith("accepted"))
        yield f"F83 {name}: server", we_send_early(name.endswith("accepted"))
    for role in ("client", "server"):
        for who in ("own", "ask"):
            yield f"key update: {role}, ours ({who})", our_key_update(role, who)
        for command in (b"k\n", b"K\n"):
            yield f"key update: {role}, its {command.decode().strip()}", its_key_update(role, command)
