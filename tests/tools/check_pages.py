#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds the pages against each other: every one in docs/ has a place in mkdocs.yml, and every link leads somewhere.

./dev docs finds the same on the site; this needs nothing but Python.
"""

import pathlib
import re
import sys

import tap

# What is not in the repository, or not ours.
SKIPPED = {"build", ".git", "subprojects"}
# Pages that docs/site/hooks.py makes, or takes from the root.
MADE = {"reference.md"}
FROM_ROOT = {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
# Whether the pages there exist nobody can tell without the network; that they are on a host that is known here everybody can.
HOSTS = {"boringssl.googlesource.com", "conan.io", "keepachangelog.com", "mesonbuild.com", "semver.org", "think-async.com", "vcpkg.io",
         "www.chromium.org", "www.rfc-editor.org"}


def read(path):
    return path.read_text(encoding="utf-8")


def pages(root):
    for path in sorted(root.rglob("*.md")):
        if not SKIPPED & set(path.relative_to(root).parts[:-1]):
            yield path


def without_code(text):
    text = re.sub(r"^([ \t]*)(```+)[^\n]*\n.*?^\1\2[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def anchors(text):
    """The anchors of a page's headings, as MkDocs with this project's settings and most viewers of Markdown make them."""
    for title in re.findall(r"^#+\s+(.*?)\s*#*$", without_code(text), re.MULTILINE):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def check_navigation(root):
    """The navigation names every page in docs/, and no other, each once."""
    named = re.findall(r"^ +- (?:.*: )?(\S+\.md)$", read(root / "mkdocs.yml").partition("\nnav:\n")[2], re.MULTILINE)
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"mkdocs.yml: names {name} more than once"
    for name in named:
        if name not in MADE and not (root / ("." if name in FROM_ROOT else "docs") / name).is_file():
            yield f"mkdocs.yml: names {name}, which does not exist"
    there = {path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")}
    there |= {name for name in FROM_ROOT if (root / name).is_file()}
    for name in sorted(there - set(named)):
        yield f"mkdocs.yml: {name} is not in the navigation"


def check_links(root):
    """Links between the pages, and from them to files, lead to what exists, and to headings that do."""
    for page in pages(root):
        here = page.relative_to(root)
        for target in re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", without_code(read(page))):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, heading = target.partition("#")
            path = (page.parent / file).resolve() if file else page
            if not path.exists() or not path.is_relative_to(root):
                yield f"{here}: links to {target}, which does not exist"
            elif heading and (path.suffix != ".md" or heading not in anchors(read(path))):
                yield f"{here}: links to {target}, a heading that does not exist"


def check_addresses(root):
    """Links to elsewhere are https, and to hosts that are known."""
    for page in pages(root):
        text = without_code(read(page))
        for address in re.findall(r"(?:\]\(|^\[[^\]]*\]: +|<)((?:https?|ftp):[^)>\s]*)", text, re.MULTILINE):
            match = re.fullmatch(r"https://([a-z0-9.-]+)(/[\w./#?=&%+~-]*)?", address)
            if not match:
                yield f"{page.relative_to(root)}: {address} is not a well-formed https address"
            elif match[1] not in HOSTS:
                yield f"{page.relative_to(root)}: {address} is on a host that {pathlib.Path(__file__).name} does not know"


CHECKS = [check_navigation, check_links, check_addresses]


if __name__ == "__main__":
    sys.exit(tap.run(CHECKS))
