#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds docs/features.md against include/tls/detail/config.hpp: each number that it compares with has a row, and each row its number."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = "docs/features.md"
TITLE = "## What needs a later one"
# The macros of config.hpp, and what the row's first cell begins with.
ROWS = {
    "SUPPORTED": "anything at all",
    "COMPLIANCE_POLICY": "`compliance_policy::fips_202205`, `compliance_policy::wpa3_192_202304`",
    "CNSA_POLICY": "`compliance_policy::cnsa_202407`",
    "MLKEM": "`group::x25519_mlkem768`",
    "GROUPS_LIST": "`groups` and `group_list` (`SSL_CTX_set1_groups_list`",
    "GROUP_ID": "`group()` of a connection (`SSL_get_group_id`",
}


def needed(text):
    """{macro without its prefix: set of the numbers that it stands for}."""
    numbers = {}
    for name, number in re.findall(r"^#define TLS_STREAM_(?:BORINGSSL_|HAS_|NEEDS_)(\w+) [^\d\n]*(\d+)", text, re.MULTILINE):
        numbers.setdefault(name, set()).add(int(number))
    return numbers


def rows(page):
    """The cells of every row of every table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]


def complaints(root):
    page = (root / PAGE).read_text(encoding="utf-8")
    table = rows(page)
    macros = needed((root / "include/tls/detail/config.hpp").read_text(encoding="utf-8"))
    for name in sorted(set(macros) ^ set(ROWS)):
        yield f"{PAGE}: config.hpp and this script differ in {name}"
    for name in sorted(set(macros) & set(ROWS)):
        if len(macros[name]) != 1:
            yield f"include/tls/detail/config.hpp: {name} stands for several numbers"
        mine = [row for row in table if row[0].startswith(ROWS[name])]
        if len(mine) != 1 or mine[0][1] != str(min(macros[name])):
            yield f"{PAGE}: there should be one row '{ROWS[name]}' with {min(macros[name])}"

    if TITLE not in page:
        yield f"{PAGE}: there is no '{TITLE}'"
        return
    head, _, *features = rows(page.split(TITLE)[1].split("\n\n")[1])
    versions = [int(number) for number in head[2:]]
    who = rows(page.split("## Who has which number")[1].split("\n\n")[1])[2:]
    if [int(row[1]) for row in who] != versions:
        yield f"{PAGE}: the two tables have different numbers"
    for what, needs, *cells in features:
        if cells != ["yes" if version >= int(needs) else "no" for version in versions]:
            yield f"{PAGE}: '{what}' needs {needs}, and its row says otherwise"

    setup = (root / "include/tls/detail/algorithms_setup.hpp").read_text(encoding="utf-8")
    for macro in re.findall(r"not_supported\(\"[^\"]*\", TLS_STREAM_NEEDS_(\w+)\)", setup):
        if macro not in ROWS:
            yield f"{PAGE}: what needs {macro} has no row"
    for path in sorted((root / "include" / "tls").rglob("*.hpp")):
        for macro in re.findall(r"\bTLS_STREAM_(?:HAS|NEEDS)_(\w+)", path.read_text(encoding="utf-8")):
            if macro not in macros:
                yield f"{path.relative_to(root)}: config.hpp does not define {macro}"


def main(root):
    found = list(complaints(root))
    print("\n".join(found) if found else "the features are as config.hpp has them")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT))
