#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Holds the tree against the house rules that a script can see; CONTRIBUTING.md tells them to people."""

import os
import re
import shutil
import statistics
import subprocess
import sys

import tap
from check_floors import FLOORS

NOT_IN_UMBRELLA = {"tls.hpp", "asio.hpp", "boost_asio.hpp", "testing.hpp"}
LONGEST_HEADER = 600
MEDIAN_HEADER = 150
SPDX = ["SPDX-FileCopyrightText: The tls-stream authors", "SPDX-License-Identifier: BSL-1.0"]
SOURCES = {".hpp", ".cpp", ".py", ".sh", ".java", ".js", ".mjs"}
NAMED_SOURCES = {"meson.build", "meson.options", "dev", "run", ".clang-format", ".clang-tidy"}
LIST_DIRECTORIES = ["identity", "unit", "battery", "faults", "python"]


def read(path):
    return path.read_text(encoding="utf-8")


def headers(root):
    tree = root / "include" / "tls"
    return {path.relative_to(tree).as_posix(): path for path in sorted(tree.rglob("*.hpp"))}


def sources(root):
    for top in [root, *(root / name for name in ["include", "tests", "examples", "docs", "packaging", "subprojects", "test_package", ".ci"])]:
        for path in sorted(top.iterdir() if top == root else top.rglob("*")):
            if path.is_file() and (path.suffix in SOURCES or path.name in NAMED_SOURCES):
                yield path


def check_spdx(root):
    for path in sources(root):
        lines = read(path).splitlines()
        first = 1 if lines and lines[0].startswith(("#!", "// expect:")) else 0
        for number, wanted in enumerate(SPDX, first):
            if len(lines) <= number or not re.fullmatch(r"(//|#) " + re.escape(wanted), lines[number]):
                yield f"{path.relative_to(root)}:{number + 1}: should be the comment '{wanted}'"


def check_guards(root):
    for name, path in headers(root).items():
        guard = "TLS_STREAM_TLS_" + re.sub(r"[/.]", "_", name).upper()
        code = [line for line in read(path).splitlines() if line and not line.startswith("//")]
        if code[:2] != [f"#ifndef {guard}", f"#define {guard}"] or code[-1] != "#endif":
            yield f"{path.relative_to(root)}: is not wrapped in #ifndef {guard}, #define {guard}, #endif"


def check_sizes(root):
    sizes = {path: len(read(path).splitlines()) for path in headers(root).values()}
    for path, size in sizes.items():
        if size > LONGEST_HEADER:
            yield f"{path.relative_to(root)}: has {size} lines, and {LONGEST_HEADER} is the limit"
    median = statistics.median(sizes.values())
    if median > MEDIAN_HEADER:
        yield f"include/tls: the median header has {median} lines, and {MEDIAN_HEADER} is the limit"


def check_umbrella(root):
    """tls.hpp includes every public header; those for tests are together in testing.hpp instead."""
    public = {name for name in headers(root) if not name.startswith("detail/")}
    for_tests = {name for name in public if name.startswith("testing/")}
    for umbrella, wanted in {"tls.hpp": public - for_tests - NOT_IN_UMBRELLA, "testing.hpp": for_tests}.items():
        path = root / "include" / "tls" / umbrella
        if not path.exists():
            yield f"include/tls/{umbrella}: is missing"
            continue
        given = set(re.findall(r"^#include <tls/([^>]+)>", read(path), re.MULTILINE))
        for name in sorted(wanted - given):
            yield f"include/tls/{umbrella}: does not include <tls/{name}>"
        for name in sorted(given - wanted):
            yield f"include/tls/{umbrella}: includes <tls/{name}>, which does not belong there"


def check_words(root):
    """What only one header may say, and what none may."""
    for name, path in headers(root).items():
        for number, line in enumerate(read(path).splitlines(), 1):
            here = f"{path.relative_to(root)}:{number}"
            code = line.split("//")[0]
            if re.match(r"\s*#\s*include\s*[<\"]openssl/", code) and name != "detail/boringssl.hpp":
                yield f"{here}: only detail/boringssl.hpp includes <openssl/...>"
            if "BORINGSSL_API_VERSION" in re.sub(r'"[^"]*"', "", code) and name != "detail/config.hpp":
                yield f"{here}: only detail/config.hpp compares BORINGSSL_API_VERSION"
            if re.search(r"\busing\s+namespace\b", code):
                yield f"{here}: no 'using namespace' in a header"
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                yield f"{here}: do it, or leave it"


def check_lists(root):
    """The lists in meson.build name every header and every test."""
    installed = set(re.findall(r"^\s*'tls/([^']+\.hpp)'", read(root / "include" / "meson.build"), re.MULTILINE))
    for name in sorted(set(headers(root)) - installed):
        yield f"include/meson.build: does not list tls/{name}"
    tests = root / "tests"
    listed = set(re.findall(r"'([^']+\.cpp)'", read(tests / "meson.build")))
    for directory in LIST_DIRECTORIES:
        for path in sorted((tests / directory).glob("*.cpp")):
            if path.relative_to(tests).as_posix() not in listed:
                yield f"tests/meson.build: does not list {path.relative_to(tests)}"


def check_light_headers(root):
    """Floor 2 is the vocabulary: it must not pull in BoringSSL, by whatever way."""
    compiler = os.environ.get("CXX", "").split() or [shutil.which("g++") or shutil.which("clang++") or "c++"]
    for name in FLOORS[2]:
        path = root / "include" / "tls" / name
        if not path.exists():
            continue
        run = subprocess.run([*compiler, "-std=c++20", "-M", "-I", root / "include", "-x", "c++", path],
                             capture_output=True, text=True, check=False)
        if run.returncode != 0:
            yield f"{path.relative_to(root)}: does not preprocess without BoringSSL:\n{run.stderr}"
        elif "/openssl/" in run.stdout:
            yield f"{path.relative_to(root)}: pulls in <openssl/...>"


CHECKS = [check_spdx, check_guards, check_sizes, check_umbrella, check_words, check_lists, check_light_headers]


if __name__ == "__main__":
    sys.exit(tap.run(CHECKS))
