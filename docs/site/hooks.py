# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""What MkDocs does beside the pages in docs/, which read well without it.

Files of the repository that a page links to become pages too, code with its colours, so that a link to ../examples/client.cpp works in a
checkout and on the site. The reference is made by reference.py, is found by the site's search, and has a page of its own.
"""

import html
import json
import os
import pathlib
import re
import sys

import doxygen_awesome_css
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, InclusionLevel

SITE = pathlib.Path(__file__).resolve().parent
ROOT = SITE.parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(SITE))
import reference  # noqa: E402, pylint: disable=wrong-import-position

# Pages of the repository that have a place of their own on the site.
ROOT_PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
LANGUAGES = {".hpp": "cpp", ".cpp": "cpp", ".py": "python", ".build": "meson", ".txt": "cmake", ".sh": "sh", ".json": "json"}
LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(#[^)\s]*)?(?=\))")
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)

# What reference.make() has found to search for.
found = []


def place_of(path):
    """Where the site has a file of the repository, as a path in docs/."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    if name == "include/tls":
        return "reference.md"
    if name in ROOT_PAGES:
        return name
    return f"sources/{name}" if path.suffix == ".md" else f"sources/{name}.md"


def rewritten(text, source, place):
    """A page's text, whose links are seen from its place on the site; and the files of the repository that it links to."""
    targets = []

    def link(match):
        path = pathlib.Path(os.path.normpath(source.parent / match[1]))
        if not (path.is_relative_to(ROOT) and path.exists()):
            return match[0]  # MkDocs complains
        targets.append(path)
        return os.path.relpath(place_of(path), pathlib.PurePosixPath(place).parent) + (match[2] or "")

    parts = FENCED.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts), targets


def source_page(path):
    """A file of the repository as a page: Markdown, code, or what is in a directory; and the files that it links to."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix == ".md":
        return rewritten(path.read_text(encoding="utf-8"), path, place_of(path))
    if path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if entry.is_file())
        links = "".join(f"- [{entry.name}]({path.name}/{entry.name}.md)\n" for entry in entries)
        return f"# {name}\n\nIn the sources:\n\n{links}", entries
    head = f"---\ntitle: {path.name}\nhide: [navigation, toc]\nsearch:\n  exclude: true\n---\n\n# {name}\n\n"
    if name.startswith("include/tls/") and (page := reference_page(name.removeprefix("include/"))):
        head += f"Its names are in the [reference]({os.path.relpath(page, f'sources/{path.parent.relative_to(ROOT)}')}).\n\n"
    language = LANGUAGES.get(path.suffix, "text")
    return f"{head}````{language}\n{path.read_text(encoding='utf-8').rstrip()}\n````\n", []


def reference_page(header):
    """Doxygen's page for a header, such as tls/stream.hpp."""
    for one in found:
        if one.get("kind") == "file" and header_of(one) == header:
            return f"reference/{one.get('id')}.html"
    return None


def header_of(element):
    """The header that something is from, such as tls/stream.hpp."""
    return element.find("location").get("file").removeprefix("include/")


def reference_overview():
    """The page that leads into the reference: what there is, header by header."""
    text = ["# Reference", "", "Every public name, from the comments in the headers: each is the contract of what it stands above. A call that",
            "can fail comes twice: one throws `tls::error`, one takes a `std::error_code` last.", "",
            "[All of it in one place](reference/index.html). The search of this site finds it too.", ""]
    names = {}
    for one in found:
        if reference.is_type(one) and "::detail::" not in one.findtext("compoundname"):
            names.setdefault(header_of(one), {})[reference.short(one.findtext("compoundname"))] = (one.get("id") + ".html", one)
    for one in found:
        if one.get("kind") == "namespace" and "detail" not in one.findtext("compoundname"):
            for member in one.iter("memberdef"):
                file, _, anchor = member.get("id").rpartition("_1")
                scope = reference.short(one.findtext("compoundname") + "::")
                names.setdefault(header_of(member), {}).setdefault(scope + member.findtext("name"), (f"{file}.html#{anchor}", member))
    for one in sorted((one for one in found if one.get("kind") == "file"), key=header_of):
        header = header_of(one)
        if header.startswith("tls/") and "/detail/" not in header:
            about = html.escape(reference.text_of(one, "briefdescription"))
            text += [f"## [`<{header}>`](reference/{one.get('id')}.html)", "", about, ""]
            for name, (place, what) in names.get(header, {}).items():
                text.append(f"- [`{name}`](reference/{place}): {html.escape(reference.text_of(what, 'briefdescription'))}")
            text.append("")
    return "\n".join(text)


def on_files(files, config):
    """Adds the reference, and the files of the repository that pages link to."""
    directory = ROOT / "build/reference"
    style = pathlib.Path(doxygen_awesome_css.__file__).parent
    complaints, compounds = reference.make(directory, [style / "doxygen-awesome.css", style / "doxygen-awesome-sidebar-only.css",
                                                  SITE / "reference.css"])
    if complaints:
        raise PluginError("\n".join(complaints))
    found[:] = compounds
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            name = f"reference/{path.relative_to(directory).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV))
    files.append(File.generated(config, "reference.md", content=reference_overview()))

    waiting = []
    for file in list(files.documentation_pages()):
        if file.src_uri != "reference.md":
            waiting += rewritten(file.content_string, DOCS / file.src_uri, file.src_uri)[1]
    waiting += [ROOT / name for name in ROOT_PAGES if (ROOT / name).exists()]
    seen = set()
    while waiting:
        path = waiting.pop()
        place = place_of(path)
        if path in seen or files.get_file_from_path(place):
            continue
        seen.add(path)
        content, more = source_page(path)
        level = InclusionLevel.INCLUDED if place in ROOT_PAGES else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, place, content=content, inclusion=level))
        waiting += more
    return files


def on_page_markdown(markdown, page, config, files):
    """A page in docs/ gets its links to the rest of the repository turned."""
    if page.file.generated_by is None:
        return rewritten(markdown, DOCS / page.file.src_uri, page.file.src_uri)[0]
    return markdown


@event_priority(-50)
def on_post_build(config):
    """Puts the reference into the index of the site's search."""
    index = pathlib.Path(config.site_dir) / "search/search_index.json"
    content = json.loads(index.read_text(encoding="utf-8"))
    for place, title, text in reference.searchable(found):
        content["docs"].append({"location": f"reference/{place}", "title": title, "text": text})
    index.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
