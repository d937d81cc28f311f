#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds the C++ on the pages against the compiled files that it comes from.

A block that begins with ```cpp below a line `<!-- from examples/client.cpp -->` must stand in that file, line by line and
in one piece, but for the indentation of the whole. On the pages of COMPILED every block of C++ must come from somewhere.
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPILED = ["README.md", "docs/asio.md", "docs/errors.md", "docs/faq.md", "docs/how-to/failed-handshake.md",
            "docs/how-to/limits.md", "docs/how-to/own-authorities.md", "docs/how-to/own-socket.md", "docs/how-to/plain-text.md",
            "docs/how-to/renewed-certificates.md", "docs/how-to/testing.md", "docs/how-to/two-libraries.md",
            "docs/how-to/wireshark.md", "docs/index.md", "docs/moving-from-asio.md", "docs/moving-from-openssl.md",
            "docs/quickstart.md", "docs/sessions.md", "docs/threads.md", "docs/tutorial/1-client.md",
            "docs/tutorial/2-server.md", "docs/tutorial/3-closing.md", "docs/tutorial/4-deadlines.md",
            "docs/tutorial/5-many-clients.md", "docs/tutorial/6-graceful-stop.md", "docs/verification.md"]
BLOCK = re.compile(r"^(?:<!-- from (?P<file>\S+) -->\n\n?)?```cpp\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def stands_in(code, text):
    wanted = textwrap.dedent(code).splitlines()
    lines = text.splitlines()
    return any(textwrap.dedent("\n".join(lines[at:at + len(wanted)])).splitlines() == wanted
               for at in range(len(lines) - len(wanted) + 1))


def complaints(root):
    for page in [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]:
        name = page.relative_to(root).as_posix()
        text = page.read_text(encoding="utf-8")
        marked = 0
        for block in BLOCK.finditer(text):
            here = f"{name}:{text.count(chr(10), 0, block.start('code')) + 1}"
            file = block["file"]
            if file is None:
                if name in COMPILED:
                    yield f"{here}: does not say which file it is from"
                continue
            marked += 1
            source = root / file
            if not source.is_file():
                yield f"{here}: {file} does not exist"
            elif not block["code"].strip() or not stands_in(block["code"], source.read_text(encoding="utf-8")):
                yield f"{here}: does not stand in {file}"
        if text.count("<!-- from ") != marked:
            yield f"{name}: a mark '<!-- from ... -->' without a block of C++ below it"
    for name in COMPILED:
        if not (root / name).is_file():
            yield f"{name}: is missing"


def main(root):
    found = list(complaints(root))
    print("\n".join(found) if found else "every snippet is as it was compiled")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
