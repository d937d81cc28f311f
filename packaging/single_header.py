#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Writes the library as one header: `single_header.py FILE [HEADER...]`.

FILE gets what <tls/tls.hpp> gives, and besides it what each named header does (asio, boost_asio, testing). Every header goes in whole,
after those that it includes, within its own guard: so a file that includes FILE may include <tls/asio.hpp> from a directory as well.
"""

import pathlib
import re
import sys

INCLUDE = pathlib.Path(__file__).resolve().parents[1] / "include"
OURS = re.compile(r"^#include <(tls/[^>]+)>\n", re.MULTILINE)
THEIRS = re.compile(r"^#include <[^>]+>\n")
CONDITION = re.compile(r"^#(if|endif)")
LICENCE = re.compile(r"\A(// SPDX-[^\n]*\n)+\n")

PREFACE = """\
// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// tls-stream {version} in one header, written from its headers by packaging/single_header.py: change those, not this.
"""


def in_order(name, seen):
    """The header and all that it includes, each once and after what it needs."""
    if name in seen:
        return
    seen.add(name)
    for needed in OURS.findall((INCLUDE / name).read_text(encoding="utf-8")):
        yield from in_order(needed, seen)
    yield name


def without_repeats(text, included):
    """Leaves out the includes of others' headers that stand further up, unless they hang on a condition."""
    depth = 0
    for line in text.splitlines(keepends=True):
        condition = CONDITION.match(line)
        if condition:
            depth += 1 if condition[1] == "if" else -1
        elif THEIRS.match(line) and depth == 1:  # 1: within the header's own guard
            if line in included:
                continue
            included.add(line)
        yield line


def single_header(headers):
    seen, included = set(), set()
    version = re.search(r'VERSION_STRING "(.+)"', (INCLUDE / "tls/version.hpp").read_text(encoding="utf-8"))[1]
    parts = [PREFACE.format(version=version)]
    for header in headers:
        for name in in_order(header, seen):
            text = LICENCE.sub("", (INCLUDE / name).read_text(encoding="utf-8"))
            text = "".join(without_repeats(OURS.sub("", text), included))
            parts.append(f"// ===== <{name}> =====\n\n" + re.sub(r"\n{3,}", "\n\n", text))
    return "\n".join(parts)


def main(output, *names):
    headers = ["tls/tls.hpp", *(f"tls/{name}.hpp" for name in names)]
    for header in headers:
        if not (INCLUDE / header).is_file():
            sys.exit(f"single_header.py: there is no <{header}>")
    path = pathlib.Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(single_header(headers), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
