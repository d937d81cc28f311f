# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""What the tests of the packages share: the BoringSSL that the build directory has found, the page's blocks, a copy of the sources, TAP."""

import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "consumers"))
from test_consumers import BLOCK, PAGE, ROOT, Failed, Skip, must_say, outcome, run  # noqa: E402,F401 # pylint: disable=wrong-import-position,unused-import

VERSION = re.search(r'_VERSION_STRING "(.+)"', (ROOT / "include/tls/version.hpp").read_text(encoding="utf-8"))[1]


def blocks(tool):
    """{name: text} of the blocks of docs/install.md that are marked `<!-- TOOL: name -->`."""
    pattern = BLOCK.pattern.replace("run|file", re.escape(tool))
    return {block["name"]: block["text"] for block in re.finditer(pattern, PAGE.read_text(encoding="utf-8"), BLOCK.flags)}


def copy_sources(place):
    shutil.copytree(ROOT, place, ignore=lambda where, names: [
        name for name in names if name in (".git", "__pycache__") or (name == "build" and pathlib.Path(where).parent in (ROOT, ROOT.parent))])


def system_boringssl(build, env):
    """Directories of the headers and of the libraries that BUILD is configured for."""
    words = run(["pkg-config", "--cflags", "--libs", "tls-stream"], build, {**env, "PKG_CONFIG_PATH": str(build / "meson-uninstalled")}).split()
    includes = [word.removeprefix("-I") for word in words if word.startswith("-I")]
    includes += [after for before, after in zip(words, words[1:]) if before == "-isystem"]
    libs = [word[2:] for word in words if word.startswith("-L")]
    include = next((name for name in includes if pathlib.Path(name, "openssl", "is_boringssl.h").exists()), None)
    lib = next((name for name in libs if list(pathlib.Path(name).glob("libssl.*"))), None)
    if not include or not lib:
        raise Skip("BoringSSL is not in directories of its own here")
    return include, lib


def consumer(path):
    """Writes the program that every way to get the library is tried with, as one unit."""
    path.write_text("".join((ROOT / "tests" / "consumers" / name).read_text(encoding="utf-8")
                            for name in ["server_side.cpp", "client_side.cpp"]), encoding="utf-8")


def certificate(scratch, env):
    run(["openssl", *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext "
         "subjectAltName=DNS:localhost -keyout key.pem -out cert.pem".split()], scratch, env)


def exchange(program, scratch, env):
    must_say(run([program, scratch / "cert.pem", scratch / "key.pem"], scratch, env), f"{VERSION}: You said: Good morning! Clean.")


def tap(cases):
    """Runs methods called case_..., one after the other; the exit status."""
    print(f"1..{len(cases)}", flush=True)
    bad = 0
    for number, case in enumerate(cases, 1):
        wrong, skipped = outcome(case)
        bad += bool(wrong)
        title = case.__name__.removeprefix("case_").replace("_", " ")
        print(f"{'not ok' if wrong else 'ok'} {number} - {title}{f' # SKIP {skipped}' if skipped else ''}", flush=True)
        if wrong:  # not as TAP's comments, which Meson hides
            print(f"{title}:\n{wrong}", file=sys.stderr, flush=True)
    return 1 if bad else 0
