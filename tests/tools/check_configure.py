#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""How others come by the library: configured against the wrong headers, installed, and as a subproject. Speaks TAP.

`check_configure.py [-Dboringssl_root=DIR] BUILD_DIR COMPILER...` takes the BoringSSL that BUILD_DIR was configured with.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
#include <tls/certificate.hpp>
#include <tls/version.hpp>
#include <cstdio>
int main() {
    std::error_code ec;
    const auto none = tls::certificate::from_pem("nothing", ec);
    std::puts(TLS_STREAM_VERSION_STRING);
    return !none && ec == tls::errc::invalid_certificate ? 0 : 1;
}
"""


class Failed(Exception):
    """What a check found wrong."""


def run(command, env=None, fails=False):
    """What the command printed; its exit status must be as expected."""
    done = subprocess.run([str(word) for word in command], text=True, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})))
    if (done.returncode != 0) != fails:
        raise Failed(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def must_say(text, wanted):
    if wanted not in text:
        raise Failed(f"does not say '{wanted}':\n{text}")


class Checks:
    def __init__(self, options, build, compiler, scratch):
        self.options = options
        self.compiler = compiler
        self.scratch = scratch
        self.found = build / "meson-uninstalled"
        self.setup = ["meson", "setup", "-Dtests=disabled", "-Dexamples=disabled"]

    def flags(self, which, path):
        return run(["pkg-config", which, "tls-stream"], env={"PKG_CONFIG_PATH": str(path)}).split()

    def package(self, name, cflags, libs):
        """A directory for PKG_CONFIG_PATH with one package in it."""
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        (directory / f"{name}.pc").write_text(f"Name: {name}\nDescription: made for a test\nVersion: 1\n"
                                              f"Cflags: {cflags}\nLibs: {libs}\n", encoding="utf-8")
        return {"PKG_CONFIG_PATH": str(directory)}

    def openssl(self):
        """A stand-in for an OpenSSL that is installed in a place of its own."""
        place = self.scratch / "openssl"
        if not place.exists():
            (place / "include" / "openssl").mkdir(parents=True)
            (place / "lib").mkdir()
            for name in ["opensslv.h", "base.h", "ssl.h"]:
                (place / "include" / "openssl" / name).write_text("#pragma once\n", encoding="utf-8")
            for name in ["libssl.so", "libcrypto.so"]:
                (place / "lib" / name).touch()
        return place

    def check_openssl_is_refused(self):
        said = run([*self.setup, f"-Dboringssl_root={self.openssl()}", ROOT, self.scratch / "refused"], fails=True)
        must_say(said, "BoringSSL was not found under boringssl_root=")
        must_say(said, "tls-stream does not work with OpenSSL")

    def check_openssl_headers_before_boringssl_are_refused(self):
        env = {"CXXFLAGS": f"-I{self.openssl()}/include"}
        said = run([*self.setup, *self.options, ROOT, self.scratch / "before"], env=env, fails=True)
        must_say(said, "is not BoringSSL's: OpenSSL's headers come before it")

    def check_openssl_package_under_the_wrong_name_is_passed_over(self):
        env = self.package("boringssl", f"-I{self.openssl()}/include", f"-L{self.openssl()}/lib -lssl -lcrypto")
        said = run([*self.setup, *self.options, ROOT, self.scratch / "over"], env=env)
        if "package boringssl" in said:
            raise Failed(said)

    def check_boringssl_package_is_taken_and_required(self):
        # The same BoringSSL as ever, by the name of a package.
        cflags, libs = self.flags("--cflags", self.found), self.flags("--libs", self.found)
        env = self.package("boringssl", " ".join(cflags), " ".join(libs))
        said = run([*self.setup, ROOT, self.scratch / "package"], env=env)
        must_say(said, "pkgconfig package boringssl 1")
        must_say((self.scratch / "package" / "meson-private" / "tls-stream.pc").read_text(encoding="utf-8"),
                 "Requires: boringssl")

    def check_installed(self):
        prefix = self.scratch / "prefix"
        run([*self.setup, *self.options, f"--prefix={prefix}", ROOT, self.scratch / "installed"])
        run(["meson", "install", "-C", self.scratch / "installed"])
        ours = {path.relative_to(ROOT / "include") for path in (ROOT / "include").rglob("*.hpp")}
        theirs = {path.relative_to(prefix / "include") for path in (prefix / "include").rglob("*.hpp")}
        if ours != theirs:
            raise Failed(f"other headers were installed than there are: {ours ^ theirs}")
        source = self.scratch / "program.cpp"
        source.write_text(PROGRAM, encoding="utf-8")
        flags = self.flags("--cflags", prefix / "share" / "pkgconfig"), self.flags("--libs", prefix / "share" / "pkgconfig")
        run([*self.compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", *flags[0], source, "-o", self.scratch / "program",
             *flags[1]])
        version = run(["pkg-config", "--modversion", "tls-stream"], env={"PKG_CONFIG_PATH": str(prefix / "share" / "pkgconfig")})
        if run([self.scratch / "program"]) != version:
            raise Failed(f"tls-stream.pc gives another version than <tls/version.hpp>: {version}")

    def check_subproject(self):
        project = self.scratch / "project"
        (project / "subprojects").mkdir(parents=True)
        (project / "subprojects" / "tls-stream").symlink_to(ROOT)
        (project / "program.cpp").write_text(PROGRAM, encoding="utf-8")
        (project / "meson.build").write_text(
            "project('user', 'cpp', default_options: ['cpp_std=c++20', 'warning_level=3', 'werror=true'])\n"
            "tls = dependency('tls-stream', fallback: 'tls-stream')\n"
            "test('program', executable('program', 'program.cpp', dependencies: tls))\n", encoding="utf-8")
        build = self.scratch / "subproject"
        options = [option.replace("-D", "-Dtls-stream:") for option in self.options]
        run(["meson", "setup", *options, project, build], env={"PKG_CONFIG_PATH": ""})
        must_say(run(["meson", "test", "-C", build]), "Ok:                 1")
        targets = run(["meson", "introspect", "--targets", build])
        if targets.count('"build_by_default"') != 1:
            raise Failed("a subproject's own tests or examples are built: " + targets)


def main(arguments):
    options = [argument for argument in arguments if argument.startswith("-D")]
    build, *compiler = [argument for argument in arguments if argument not in options]
    checks = [name for name in vars(Checks) if name.startswith("check_")]
    print(f"1..{len(checks)}")
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        given = Checks(options, pathlib.Path(build), compiler, pathlib.Path(scratch))
        for number, name in enumerate(checks, 1):
            try:
                getattr(given, name)()
                complaint = ""
            except Failed as failed:
                complaint = str(failed)
            bad += bool(complaint)
            print(f"{'not ok' if complaint else 'ok'} {number} - {name.replace('_', ' ')}", flush=True)
            if complaint:  # not as TAP's comments, which Meson hides
                print(complaint, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
