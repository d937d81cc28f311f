#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds the headers' includes against the floors: a header may include its own floor and lower ones, never a higher one.

CONTRIBUTING.md tells what belongs on which floor. A header that is not in the table here is an error: place it.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

FLOORS = {
    6: ["tls.hpp", "asio.hpp", "boost_asio.hpp", "detail/async_core.hpp", "detail/async_lane.hpp", "detail/async_layer.hpp",
        "detail/async_operation.hpp", "detail/async_stream.hpp", "detail/async_work.hpp", "detail/boost_errors.hpp",
        "detail/buffer_list.hpp", "detail/buffered_layer.hpp", "detail/native_layer.hpp"],
    5: ["stream.hpp", "split.hpp", "connect.hpp", "detail/direct_wire.hpp", "detail/half.hpp", "detail/halves_closing.hpp",
        "detail/halves_core.hpp", "detail/shared_socket.hpp", "detail/stream_core.hpp"],
    4: ["options.hpp", "context.hpp", "engine.hpp", "closing.hpp", "client_hello.hpp", "detail/algorithms_setup.hpp",
        "detail/client_hello.hpp", "detail/connection.hpp", "detail/connection_info.hpp", "detail/connection_state.hpp",
        "detail/context_settings.hpp", "detail/context_setup.hpp", "detail/gather.hpp", "detail/handshake_state.hpp",
        "detail/hello_extensions.hpp", "detail/new_connection.hpp", "detail/protocol_events.hpp", "detail/server_setup.hpp",
        "detail/serving.hpp", "detail/signatures.hpp", "detail/verification_setup.hpp", "detail/verifying.hpp",
        "detail/wire.hpp"],
    3: ["certificate.hpp", "credential.hpp", "trust.hpp", "verify.hpp", "session.hpp", "certificate_fields.hpp", "ech.hpp",
        "key_log.hpp", "pinned_keys.hpp", "session_cache.hpp", "signing.hpp", "ticket_keys.hpp", "verification.hpp",
        "detail/certificate_fields.hpp", "detail/certificate_summary.hpp", "detail/identity_material.hpp",
        "detail/peer_chain.hpp", "detail/pem_file.hpp", "detail/pkcs12.hpp", "detail/private_key.hpp",
        "detail/queued_failure.hpp", "detail/revocation_lists.hpp", "detail/strength.hpp", "detail/system_trust.hpp",
        "detail/trust_contents.hpp", "detail/trust_sources.hpp", "detail/x509_text.hpp"],
    2: ["error.hpp", "shutdown.hpp", "protocol.hpp", "progress.hpp", "bytes.hpp", "socket.hpp", "tcp.hpp", "alert.hpp",
        "observer.hpp", "reloadable.hpp", "detail/answer.hpp", "detail/descriptor_io.hpp", "detail/dial.hpp",
        "detail/failure.hpp", "detail/posix.hpp", "detail/resolve.hpp", "testing.hpp", "testing/event_log.hpp",
        "testing/faults.hpp", "testing/memory_end.hpp", "testing/memory_network.hpp", "testing/memory_socket.hpp",
        "testing/network_options.hpp", "testing/outcome.hpp", "testing/records.hpp", "testing/socket_features.hpp",
        "testing/virtual_clock.hpp", "detail/testing_end_state.hpp", "detail/testing_link.hpp",
        "detail/testing_record_filter.hpp", "detail/testing_script.hpp", "detail/testing_waiting.hpp",
        "detail/testing_wire_view.hpp"],
    1: ["detail/boringssl.hpp", "detail/buffer.hpp", "detail/callback.hpp", "detail/error_queue.hpp"],
    0: ["fwd.hpp", "version.hpp", "detail/config.hpp", "detail/printable.hpp"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]tls/([^">]+)[">]', re.MULTILINE)


def find_cycle(includes):
    """A list of headers that include each other in a ring, or None."""
    done = set()

    def visit(header, path):
        if header in path:
            return path[path.index(header):] + [header]
        if header in done or header not in includes:
            return None
        for target in includes[header]:
            ring = visit(target, path + [header])
            if ring:
                return ring
        done.add(header)
        return None

    for header in includes:
        ring = visit(header, [])
        if ring:
            return ring
    return None


def check(root):
    """All complaints about the headers under root/include/tls."""
    floor_of = {name: floor for floor, names in FLOORS.items() for name in names}
    tree = root / "include" / "tls"
    includes = {}
    for path in sorted(tree.rglob("*.hpp")):
        includes[path.relative_to(tree).as_posix()] = INCLUDE.findall(path.read_text(encoding="utf-8"))

    complaints = []
    for header, targets in includes.items():
        if header not in floor_of:
            complaints.append(f"include/tls/{header}: on no floor; place it in {pathlib.Path(__file__).name}")
            continue
        for target in targets:
            if target not in includes:
                complaints.append(f"include/tls/{header}: includes <tls/{target}>, which does not exist")
            elif target in floor_of and floor_of[target] > floor_of[header]:
                complaints.append(f"include/tls/{header}: is on floor {floor_of[header]} and includes <tls/{target}>, "
                                  f"which is on floor {floor_of[target]}")
    ring = find_cycle(includes)
    if ring:
        complaints.append("include/tls: a ring of includes: " + " -> ".join(ring))
    return complaints


if __name__ == "__main__":
    found = check(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    print("\n".join(found) if found else "floors: every include goes down or stays")
    sys.exit(1 if found else 0)
