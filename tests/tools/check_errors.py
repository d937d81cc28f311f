#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds docs/errors.md against the headers and the tests.

Every tls::errc has a heading and below it its message, and is met by some test; every alert that the library names has a row, and no other;
every std::errc that the library makes has a row; the reasons of certificates are those of tests/identity/reasons.cpp, which holds them
against BoringSSL; every reason of BoringSSL's is met by some test.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = "docs/errors.md"
REASONS = "tests/identity/reasons.cpp"
HEADING = re.compile(r"^#### `(\w+)`\n\n(?:> (.*)\n)?", re.MULTILINE)
# What the library makes and nobody meets: a layer under Asio that cannot do something, which is then done another way.
INTERNAL = {"operation_not_supported"}


def read(path):
    return path.read_text(encoding="utf-8")


def enumerators(text, name):
    """{enumerator: number} of `enum class name`."""
    body = re.search(rf"^enum class {name}\b[^{{]*\{{(.*?)^\}};", text, re.MULTILINE | re.DOTALL)[1]
    found, number = {}, -1
    for enumerator, given in re.findall(r"(\w+)(?:\s*=\s*(\d+))?\s*(?:,|$)", re.sub(r"//.*", "", body)):
        number = int(given) if given else number + 1
        found[enumerator] = number
    return found


def section(page, title):
    return re.split(r"^## ", page.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0] if f"\n## {title}\n" in page else ""


def differ(where, found, wanted):
    for name in sorted(wanted - found):
        yield f"{PAGE}: {where}: {name} is missing"
    for name in sorted(found - wanted):
        yield f"{PAGE}: {where}: there is no {name}"


def check_errc(root, page, tests):
    text = read(root / "include/tls/error.hpp")
    codes = enumerators(text, "errc")
    messages = dict(re.findall(r'case errc::(\w+): return "(.*)";', text))
    entries = HEADING.findall(section(page, "errc"))
    names = [name for name, _ in entries]
    yield from differ("errc", set(names), set(codes))
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{PAGE}: errc: {name} has two entries"
    for name, said in entries:
        if name in messages and said != messages[name]:
            yield f"{PAGE}: errc: {name} says '{messages[name]}', and not '{said}'"
    for name in codes:
        # A test that counts them all meets none.
        if not any(re.search(rf"\berrc::{name}\b", test) for path, test in tests.items() if path != "tests/unit/error.cpp"):
            yield f"tests: none meets errc::{name}"


def check_alerts(root, page):
    known = {(str(number), name) for name, number in enumerators(read(root / "include/tls/alert.hpp"), "alert").items()}
    rows = set(re.findall(r"^\| (\d+) \| `(\w+)` \|", section(page, "Alerts of the peer"), re.MULTILINE))
    yield from differ("alerts", {" ".join(row) for row in rows}, {" ".join(row) for row in known})


def check_certificates(root, page):
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*?) \| .* \| `(\w+)` \|$", section(page, "Refused certificates"), re.MULTILINE)
    tested = re.findall(r'row\{X509_V_ERR_(\w+),\s*(\d+),\s*"(.*?)",\s*(\w+)\}', read(root / REASONS))
    yield from differ("certificates", {f"{name} ({number}, '{text}', {alert})" for number, name, text, alert in rows},
                      {f"{name} ({number}, '{text}', {alert})" for name, number, text, alert in tested})


def check_boringssl(page, tests):
    names = re.findall(r"^\| `(\w+)` \|", section(page, "What BoringSSL says"), re.MULTILINE)
    if not names:
        yield f"{PAGE}: no reason of BoringSSL's"
    for name in names:
        if not any(re.search(rf'\bSSL_R_{name}\b|[" ]{name}"', test) for test in tests.values()):
            yield f"{PAGE}: no test meets {name}"


def check_standard(root, page):
    made = set()
    for path in sorted((root / "include" / "tls").rglob("*.hpp")):
        if "testing" not in path.relative_to(root).as_posix():
            made.update(re.findall(r"make_error_code\(std::errc::(\w+)\)", read(path)))
    made.add("operation_would_block")  # the sockets' own
    rows = set(re.findall(r"^\| `(\w+)` \|", section(page, "The standard's and the system's"), re.MULTILINE))
    yield from differ("std::errc", rows, made - INTERNAL)


def complaints(root):
    page = read(root / PAGE)
    tests = {path.relative_to(root).as_posix(): read(path) for path in sorted((root / "tests").rglob("*.[ch]pp"))}
    yield from check_errc(root, page, tests)
    yield from check_alerts(root, page)
    yield from check_certificates(root, page)
    yield from check_boringssl(page, tests)
    yield from check_standard(root, page)


def main(root):
    found = list(complaints(root))
    print("\n".join(found) if found else "every error has its entry, and every entry is so")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
