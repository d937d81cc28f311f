#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds docs/threat-model.md against the tests: every defence names at least one, and there is one that begins so."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TITLE = "| attack | defence | shown by |"
CASE = re.compile(r'\bTEST_CASE\(\s*"((?:[^"\\]|\\.)*)"')


def complaints(root):
    cases = set()
    for path in sorted((root / "tests").rglob("*.[ch]pp")):
        cases.update(CASE.findall(path.read_text(encoding="utf-8")))
    page = (root / "docs" / "threat-model.md").read_text(encoding="utf-8")
    if TITLE not in page:
        yield f"docs/threat-model.md: there is no table '{TITLE}'"
        return
    for line in page.split(TITLE)[1].split("\n\n")[0].splitlines()[2:]:
        attack, _, tests = (cell.strip() for cell in line.strip("|").split("|"))
        names = re.findall(r"`([^`]+)`", tests)
        if not names:
            yield f"docs/threat-model.md: '{attack}' names no test"
        for name in names:
            if not any(case.startswith(name) for case in cases):
                yield f"docs/threat-model.md: '{attack}': no test begins with '{name}'"


def main(root):
    found = list(complaints(root))
    print("\n".join(found) if found else "every defence has its test")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
