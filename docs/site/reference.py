#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""The reference: Doxygen over the public headers, and what Doxygen itself does not see.

Without an argument it only checks, and every complaint is an error: a public name without a comment, which Doxygen finds but for
enumerators and concepts; and a name of the library's, in a header's comment or on a page, that does not exist. With a directory it also
writes the reference there, as HTML, and returns what there is to search for.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What a first word before `::` may be beside a name of the library's.
FOREIGN = {"std", "asio", "boost", "bssl", "detail", "v0"}
# Names that come from a base class of the standard library's.
INHERITED = {"error::code", "error::what"}
# Where a name may be from without saying so.
SCOPES = ["", "testing::"]
TEXTS = ["*.md", "docs/**/*.md"]


def doxygen(settings, root=ROOT):
    """Runs Doxygen with settings beside those of the Doxyfile; it fails if there is a warning."""
    config = (root / "docs/site/Doxyfile").read_text(encoding="utf-8")
    config += "".join(f"{name} = {value}\n" for name, value in settings.items())
    return subprocess.run(["doxygen", "-"], input=config, text=True, cwd=root, check=False).returncode == 0


def load(directory):
    """The compounds of Doxygen's XML."""
    index = ET.parse(directory / "index.xml").getroot()
    for compound in index.iter("compound"):
        yield ET.parse(directory / f"{compound.get('refid')}.xml").getroot().find("compounddef")


def text_of(element, tag):
    return "".join(element.find(tag).itertext()).strip() if element.find(tag) is not None else ""


def is_documented(element):
    return bool(text_of(element, "briefdescription") or text_of(element, "detaileddescription"))


def is_type(compound):
    """A class or a concept that is public."""
    return compound.get("kind") in {"class", "struct", "concept"} and compound.get("prot", "public") == "public"


def short(name):
    return name.removeprefix("tls::")


def names_in(compounds):
    """Every public name as `stream::read_some`, inherited ones too."""
    names = set(INHERITED)
    for one in compounds:
        name = short(one.findtext("compoundname"))
        scope = "" if name == "tls" or one.get("kind") == "file" else re.sub(r"<.*>", "", name).strip() + "::"
        if one.get("kind") in {"class", "struct", "concept", "namespace"}:
            names.add(scope.removesuffix("::"))
        for member in [*one.iter("memberdef"), *one.findall("listofallmembers/member")]:
            if member.get("prot") != "public":
                continue
            names.add(scope + member.findtext("name"))
            names.update(f"{scope}{member.findtext('name')}::{value.findtext('name')}" for value in member.iter("enumvalue"))
    return names


def undocumented(compounds):
    for one in compounds:
        for member in one.iter("memberdef"):
            for value in member.iter("enumvalue"):
                if member.get("prot") == "public" and not is_documented(value):
                    yield f"{one.findtext('compoundname')}: the enumerator {value.findtext('name')} is not documented"
        if one.get("kind") == "concept" and not is_documented(one):
            yield f"{one.find('location').get('file')}: the concept {one.findtext('compoundname')} is not documented"


def misspelt(names, root=ROOT):
    """What is called by a name that does not exist: `errc::x` and `x()` in the headers, `tls::x` on the pages too."""
    simple = {name.rpartition("::")[2] for name in names}
    headers = [*root.glob("include/tls/*.hpp"), *root.glob("include/tls/testing/*.hpp")]
    pages = [page for pattern in TEXTS for page in root.glob(pattern)]
    for path in sorted({*headers, *pages}):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            here = f"{path.relative_to(root)}:{number}"
            if path.suffix == ".md":
                found = re.findall(r"(?<![\w:-])tls::(\w+(?:::\w+)*)", line)
            else:
                comment = re.search(r"///<?(.*)", line)
                said = re.sub(r"<.*?>", "", comment[1]) if comment else ""
                found = [short(name) for name in re.findall(r"(?<![\w:])[a-z]\w*(?:::[a-z_]\w*)+", said)]
                for call in re.findall(r"(?<![\w:.>])([a-z]\w*)\(\)", said):
                    if call not in simple:
                        yield f"{here}: there is no {call}()"
            for name in found:
                if name.partition("::")[0] not in FOREIGN and not any(scope + name in names for scope in SCOPES):
                    yield f"{here}: there is no tls::{name}"


def searchable(compounds):
    """Place, title and text of everything in the reference, for the site's search."""
    for one in compounds:
        page = f"{one.get('id')}.html"
        name = one.findtext("compoundname")
        if one.get("prot") == "private":
            continue
        if is_type(one):
            yield page, name, text_of(one, "briefdescription") + " " + text_of(one, "detaileddescription")
        for member in one.iter("memberdef"):
            file, _, anchor = member.get("id").rpartition("_1")
            if member.get("prot") != "public" or (file != one.get("id") and one.get("kind") != "namespace"):
                continue  # also not an inherited one, or one that is a namespace's too
            words = text_of(member, "briefdescription") + " " + text_of(member, "detaileddescription")
            values = " ".join(value.findtext("name") + " " + text_of(value, "briefdescription") for value in member.iter("enumvalue"))
            scope = "" if one.get("kind") == "file" else f"{name}::"
            yield f"{file}.html#{anchor}", scope + member.findtext("name"), f"{words} {values}".strip()


def make(html=None, style=()):
    """Checks, and with a directory `html` writes the reference. Gives the complaints, and the compounds to search."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = {"OUTPUT_DIRECTORY": scratch, "GENERATE_XML": "YES", "XML_PROGRAMLISTING": "NO", "GENERATE_HTML": "NO"}
        if html is not None:
            settings |= {"GENERATE_HTML": "YES", "HTML_OUTPUT": html, "HTML_EXTRA_STYLESHEET": " ".join(map(str, style))}
        clean = doxygen(settings)
        compounds = list(load(pathlib.Path(scratch) / "xml"))
    complaints = [] if clean else ["Doxygen has complained"]
    return complaints + [*undocumented(compounds), *misspelt(names_in(compounds))], compounds


if __name__ == "__main__":
    found, _ = make()
    print("\n".join(found) if found else "the reference: every public name is documented, every name that is called exists")
    sys.exit(1 if found else 0)
