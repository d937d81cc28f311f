#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""What must compile, and what must not, with one compiler; speaks TAP.

must_compile/*.cpp  compile without a warning.
must_fail/*.cpp     compile without a warning too, but not with -DTLS_STREAM_TEST_WRONG, which adds the one wrong thing: so
                    they fail for that and for nothing else. What the compiler says then must match the regular expression
                    of the first line, `// expect: ...`.
each header         compiles alone, as the first thing of a file and without a warning (--headers).

A line `// flags: ...` adds flags, and the file is then compiled without the precompiled <tls/tls.hpp> that speeds up the
rest. Two words there are no flags: `alone` only does the latter, and `no-boringssl` leaves BoringSSL's directories out when
the wrong thing is wanted.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "include"
STRICT = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fsyntax-only"]
OUR_DIRECTORY = ["-I", str(INCLUDE)]


class Compiler:
    """A compiler with its flags, and <tls/tls.hpp> precompiled."""

    def __init__(self, command, boringssl, scratch):
        self.command = command
        self.boringssl = boringssl
        self.scratch = scratch
        self.precompiled = []

    def precompile(self):
        header = self.scratch / "precompiled.hpp"
        header.write_text("#include <tls/tls.hpp>\n", encoding="utf-8")
        flags = [flag for flag in STRICT if flag != "-fsyntax-only"]
        self.run([*flags, *OUR_DIRECTORY, *self.boringssl, "-x", "c++-header", header, "-o", f"{header}.gch"])
        self.precompiled = ["-include", header]

    def run(self, arguments):
        """(did it compile, what the compiler said)."""
        env = dict(os.environ, LC_ALL="C")
        run = subprocess.run([*self.command, *map(str, arguments)], capture_output=True, text=True, env=env, check=False)
        return run.returncode == 0, run.stderr

    def compile(self, source, text="", define=()):
        line = re.search(r"^// flags: (.*)$", text, re.MULTILINE)
        words = line.group(1).split() if line else []
        own = [word for word in words if word not in ("alone", "no-boringssl")]
        boringssl = [] if "no-boringssl" in words and define else self.boringssl
        first = [] if words else self.precompiled
        return self.run([*STRICT, *own, *OUR_DIRECTORY, *boringssl, *first, *define, source])


def cases(compiler, headers):
    """Yields (name, complaint or None)."""
    if headers:
        for path in sorted(INCLUDE.rglob("*.hpp")):
            name = path.relative_to(INCLUDE).as_posix()
            alone = compiler.scratch / "alone.cpp"
            alone.write_text(f"#include <{name}>\n#include <{name}>\n", encoding="utf-8")
            good, said = compiler.compile(alone)
            yield name, None if good else said
        return

    compiler.precompile()
    for path in sorted((HERE / "must_compile").glob("*.cpp")):
        good, said = compiler.compile(path, path.read_text(encoding="utf-8"))
        yield f"must compile: {path.stem}", None if good else said
    for path in sorted((HERE / "must_fail").glob("*.cpp")):
        text = path.read_text(encoding="utf-8")
        expected = re.match(r"// expect: (.*)\n", text).group(1)
        name = f"must fail: {path.stem}"
        good, said = compiler.compile(path, text)
        if not good:
            yield name, "without the wrong line it fails too:\n" + said
            continue
        good, said = compiler.compile(path, text, ["-DTLS_STREAM_TEST_WRONG"])
        if good:
            yield name, "it compiles"
        else:
            yield name, None if re.search(expected, said) else f"the compiler does not say /{expected}/:\n{said}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--headers", action="store_true")
    parser.add_argument("--pkg-config-path", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    env = dict(os.environ, PKG_CONFIG_PATH=options.pkg_config_path)
    boringssl = subprocess.run(["pkg-config", "--cflags", "tls-stream"], capture_output=True, text=True, env=env, check=True)

    with tempfile.TemporaryDirectory() as scratch:
        compiler = Compiler(options.command, boringssl.stdout.split(), pathlib.Path(scratch))
        number, bad = 0, 0
        for number, (name, complaint) in enumerate(cases(compiler, options.headers), 1):
            bad += complaint is not None
            print(f"{'ok' if complaint is None else 'not ok'} {number} - {name}", flush=True)
            if complaint:  # not as TAP's comments, which Meson hides
                print(f"{name}:\n" + "\n".join(complaint.splitlines()[:40]), file=sys.stderr)
        print(f"1..{number}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
