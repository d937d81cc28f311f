#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""The recipe for Conan, as docs/install.md tells of it: `test_conan.py WORK BUILD_DIRECTORY COMPILER...`.

Conan is installed into WORK, and keeps its cache there. It has no remotes: BoringSSL is the one that BUILD_DIRECTORY is configured for, as
the platform's, and as the package of a recipe that stands in for ConanCenter's. Speaks TAP.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from common import (ROOT, VERSION, Failed, Skip, blocks, certificate, consumer, copy_sources, exchange, must_say, run, system_boringssl, tap)

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
BORINGSSL = "0.20260508.0"  # a version of ConanCenter's
UNREACHABLE = r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Connection (refused|broken|reset)|unreachable"


def install(work):
    """Conan's program, in an environment of its own that stays for the next time."""
    place = work / "venv"
    stamp = place / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != REQUIREMENTS.read_text(encoding="utf-8"):
        shutil.rmtree(place, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", place], capture_output=True, text=True, check=False)
        if "ensurepip is not" in made.stdout:
            raise Skip("there is no python3-venv")
        done = subprocess.run([place / "bin" / "pip", "install", "--no-deps", "--retries", "1", "--requirement", REQUIREMENTS],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            if re.search(UNREACHABLE, done.stdout + done.stderr):
                raise Skip("the Python package index cannot be reached")
            raise Failed(done.stdout + done.stderr)
        shutil.copyfile(REQUIREMENTS, stamp)
    return place / "bin" / "conan"


class Recipe:
    def __init__(self, work, build, compiler):
        self.work = work
        self.conan = install(work)
        for name in ["home", "project"]:
            shutil.rmtree(work / name, ignore_errors=True)
        (work / "home").mkdir()
        self.project = work / "project"
        self.project.mkdir()
        copy_sources(self.project / "tls-stream")
        self.blocks = blocks("conan run")
        compiler = [word for word in compiler if pathlib.Path(word).name != "ccache"]
        unwanted = {"CC", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH", "DESTDIR"}
        self.env = {name: value for name, value in os.environ.items() if name not in unwanted and not name.startswith("CONAN")}
        self.env |= {"CONAN_HOME": str(work / "home"), "CXX": shlex.join(compiler), "LC_ALL": "C",
                     "PATH": f"{self.conan.parent}{os.pathsep}{os.environ['PATH']}"}
        self.include, self.lib = system_boringssl(build, self.env)
        self.call("remote disable *")
        self.call("profile detect")
        self.detected = self.default_profile.read_text(encoding="utf-8")
        # Tools that this machine has, and nothing optimized, since compiling is what takes the time.
        self.tools = "\n".join([
            "[platform_tool_requires]", f"meson/{self.said('meson --version')}",
            "[conf]", "tools.build:cxxflags=['-O0', '-g0']", "tools.build:jobs=2", "tools.gnu:pkg_config=pkg-config", "tools.build:skip_test=True",
            f"user.boringssl:include={self.include}", f"user.boringssl:lib={self.lib}", ""])
        self.configurations = 0

    @property
    def default_profile(self):
        return self.work / "home" / "profiles" / "default"

    def said(self, command):
        return run(command.split(), self.work, self.env).strip()

    def call(self, words, fails=False):
        return run([self.conan, *words.split()], self.project, self.env, fails)

    def follow(self, name):
        """Carries out the page's commands of that name."""
        return run(["bash", "-euc", self.blocks[name]], self.project, self.env)

    def profile(self, more="", conf=""):
        """Makes the default profile what was detected, with what is here, and more."""
        self.default_profile.write_text(f"{self.detected}\n{self.tools}{conf}\n{more}\n", encoding="utf-8")

    def platform(self):
        """A profile with the platform's BoringSSL, and Catch2. CMake is told where BoringSSL is if it is not where Debian has it."""
        conf = ""
        if not self.include.startswith("/usr/include/android"):
            root = pathlib.Path(os.path.commonpath([self.include, self.lib]))
            root = root.parent if root.name == "usr" else root
            conf = f"tools.cmake.cmaketoolchain:extra_variables={{'TLS_STREAM_BORINGSSL_ROOT': '{root}'}}"
        self.profile(f"[platform_requires]\nboringssl/{BORINGSSL}\ncatch2/{self.said('pkg-config --modversion catch2')}\n", conf)

    def stand_in(self, name, version):
        """Puts a package with the components and targets of ConanCenter's boringssl into the cache."""
        self.call(f"create {HERE}/boringssl --name {name} --version {version}")

    def configure(self, options="", fails=False):
        """What CMake says to a project that only looks for tls-stream."""
        self.configurations += 1
        place = self.work / "project" / f"configured-{self.configurations}"
        place.mkdir()
        (place / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES CXX)\n"
                                              "find_package(tls-stream CONFIG REQUIRED)\nfind_package(tls-stream CONFIG REQUIRED)\n"
                                              "get_target_property(links tls_stream::tls_stream INTERFACE_LINK_LIBRARIES)\n"
                                              'message("links: ${links}")\n', encoding="utf-8")
        self.call(f"install --requires tls-stream/{VERSION} -g CMakeDeps -s compiler.cppstd=20 -of {place} {options}")
        return run(["cmake", "-S", place, "-B", place / "build", f"-DCMAKE_PREFIX_PATH={place}", "-DCMAKE_BUILD_TYPE=Release"],
                   place, self.env, fails)

    # --- The cases, each on what those before it have left in the cache ---

    def case_create_with_the_platform_s_boringssl(self):
        self.platform()
        said = self.follow("create")
        must_say(said, f"boringssl/{BORINGSSL} - Platform", "tls-stream: BoringSSL, API version", f"{VERSION}: You said: Good morning! Clean.")

    def case_use_by_conanfile_txt(self):
        self.platform()
        (self.project / "conanfile.txt").write_text(blocks("conan file")["conanfile.txt"], encoding="utf-8")
        (self.project / "CMakeLists.txt").write_text(blocks("file")["find_package CMakeLists.txt"], encoding="utf-8")
        consumer(self.project / "client.cpp")
        must_say(self.follow("use"), "tls-stream: BoringSSL, API version")
        certificate(self.work, self.env)
        exchange(self.project / "build" / "Release" / "client", self.work, self.env)

    def case_package_holds_headers_and_licence(self):
        place = pathlib.Path(self.call(f"cache path tls-stream/{VERSION}:da39a3ee5e6b4b0d3255bfef95601890afd80709").strip())
        found = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "include").rglob("*.hpp")}
        wanted |= {"licenses/LICENSE", "cmake/tls-stream-boringssl.cmake", "cmake/tls-stream-conan.cmake", "conaninfo.txt", "conanmanifest.txt"}
        if found != wanted:
            raise Failed(f"in the package, and should not be: {sorted(found - wanted)}; not in it: {sorted(wanted - found)}")

    def case_package_is_the_same_for_all_settings(self):
        self.platform()
        said = self.call(f"graph info --requires tls-stream/{VERSION} -s compiler.cppstd=23 -s build_type=Debug -s arch=armv8 -s os=Macos "
                         "--format json")
        nodes = json.JSONDecoder().raw_decode(said[said.index("{\n"):])[0]["graph"]["nodes"].values()
        binaries = {node["name"]: node["binary"] for node in nodes}
        if binaries.get("tls-stream") != "Cache":
            raise Failed(f"the package is not the one in the cache: {binaries}")

    def case_older_standards_are_refused(self):
        self.platform()
        must_say(self.call(f"install --requires tls-stream/{VERSION} -s compiler.cppstd=17", fails=True),
                 "is lower than the required C++ standard (20)")

    def case_tests_are_built_and_run_unless_skipped(self):
        self.platform()
        must_say(self.call("create tls-stream -s compiler.cppstd=20 -c tools.build:skip_test=False -tf="), "Ok:", f"catch2/{self.said('pkg-config --modversion catch2')}")

    def case_create_with_a_package_of_boringssl(self):
        # As with ConanCenter's, but for what is in it.
        self.profile()
        self.stand_in("boringssl", BORINGSSL)
        must_say(self.follow("create"), ": the targets OpenSSL::SSL and OpenSSL::Crypto", f"{VERSION}: You said: Good morning! Clean.")

    def case_boringssl_of_another_name(self):
        self.profile("[replace_requires]\nboringssl/*: system-boringssl/1.0\n")
        self.stand_in("system-boringssl", "1.0")
        must_say(self.configure(), ": the targets OpenSSL::SSL and OpenSSL::Crypto", "tls_stream::boringssl\n")

    def case_pkg_config_file_requires_boringssl(self):
        self.profile()
        place = self.project / "pkgconfig"
        self.call(f"install --requires tls-stream/{VERSION} -g PkgConfigDeps -s compiler.cppstd=20 -of {place}")
        words = run(["pkg-config", "--cflags", "--libs", "tls-stream"], place, {**self.env, "PKG_CONFIG_PATH": str(place)}).split()
        for wanted in [f"-I{self.include}", f"-L{self.lib}", "-lssl", "-lcrypto"]:
            if wanted not in words:
                raise Failed(f"{wanted} is not among {words}")

    def case_a_package_that_is_not_boringssl_is_refused(self):
        # Though a BoringSSL could be found on this machine.
        fake = self.work / "project" / "openssl" / "openssl"
        fake.mkdir(parents=True)
        for name in ["opensslv.h", "base.h", "ssl.h"]:
            (fake / name).write_text("#pragma once\n", encoding="utf-8")
        self.profile()
        must_say(self.configure(f"-c user.boringssl:include={fake.parent}", fails=True), "this is not BoringSSL",
                 "tls-stream does not work with OpenSSL")


def main(work, build, *compiler):
    for program in ["cmake", "openssl", "pkg-config"]:
        if shutil.which(program) is None:
            print(f"1..0 # SKIP there is no {program}")
            return 0
    work = pathlib.Path(work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        recipe = Recipe(work, pathlib.Path(build).resolve(), compiler)
    except Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    return tap([getattr(recipe, name) for name in vars(Recipe) if name.startswith("case_")])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
