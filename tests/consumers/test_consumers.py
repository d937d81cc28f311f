#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Every way to get the library, tried as docs/install.md tells it: `test_consumers.py [-Dboringssl_root=DIR] [--only WORD] COMPILER...`.

The commands and the files of Meson and CMake are the page's own, carried out in a directory that has nothing but a fresh copy of the
sources and the program, which is then run. What is installed is moved before it is used. Speaks TAP.
"""

import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "install.md"
BLOCK = re.compile(r"^<!-- (?P<kind>run|file): (?P<name>.+?) -->\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
DEBIAN = pathlib.Path("/usr/include/android/openssl/is_boringssl.h")
INCLUDE = "#include <tls/tls.hpp>\n"
# What Windows, X11, macOS, Qt, <complex.h>, <termios.h> and compilers in their GNU mode define, and what people do.
HOSTILE = ["min(a, b) ((a) < (b) ? (a) : (b))", "max(a, b) ((a) > (b) ? (a) : (b))", "ERROR 0", "NO_ERROR 0", "IN", "OUT", "OPTIONAL",
           "CONST const", "VOID void", "BOOL int", "TRUE 1", "FALSE 0", "DELETE 1", "STRICT 1", "small char", "near", "far",
           "interface struct", "None 0", "Success 0", "Bool int", "Status int", "True 1", "False 0", "Always 2", "check(x) x",
           "require(x) x", "major(x) x", "minor(x) x", "emit", "slots", "signals public", "foreach(a, b) for (a : b)",
           "forever for (;;)", "I 1", "B0 0", "unix 1", "linux 1", "DOMAIN 1", "OVERFLOW 3", "DEBUG 1"]


class Failed(Exception):
    """What is wrong."""


class Skip(Exception):
    """Why a case cannot be tried here."""


def run(command, directory, env, fails=False):
    """What the command printed, in one line if it failed as it should; its exit status must be as expected."""
    done = subprocess.run([str(word) for word in command], text=True, check=False, stdin=subprocess.DEVNULL, cwd=directory, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    if (done.returncode != 0) != fails:
        raise Failed(f"{shlex.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return " ".join(done.stdout.split()) if fails else done.stdout


def must_say(text, *wanted):
    for words in wanted:
        if words not in text:
            raise Failed(f"does not say '{words}':\n{text}")


def needs_cmake():
    if shutil.which("cmake") is None:
        raise Skip("there is no cmake")


class Consumers:
    def __init__(self, root, compiler, scratch):
        self.root = root
        # A cache has nothing to give to directories that are new each time, and CMake wants one word.
        self.compiler = [word for word in compiler if pathlib.Path(word).name != "ccache"]
        self.scratch = scratch
        self.home = scratch / "moved"
        self.blocks = {(block["kind"], block["name"]): block["text"] for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}
        self.used = set()
        unwanted = {"CXXFLAGS", "CPPFLAGS", "LDFLAGS", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH", "DESTDIR"}
        self.env = {name: value for name, value in os.environ.items() if name not in unwanted}
        self.env |= {"HOME": str(self.home), "CXX": shlex.join(self.compiler), "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1"}

        self.clone = scratch / "tls-stream"
        shutil.copytree(ROOT, self.clone, ignore=lambda where, names: [
            name for name in names if name in (".git", "__pycache__") or (pathlib.Path(where) == ROOT and name == "build")])
        version = re.search(r'VERSION_STRING "(.+)"', (ROOT / "include/tls/version.hpp").read_text(encoding="utf-8"))[1]
        for words in ["init -q", "add -A", "-c user.name=test -c user.email=test@localhost commit -q -m All", f"tag v{version}"]:
            run(["git", *words.split()], self.clone, self.env)
        run(["openssl", *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext "
             "subjectAltName=DNS:localhost -keyout key.pem -out cert.pem".split()], scratch, self.env)
        # Installed by the page, and then moved away.
        before = scratch / "before"
        place = self.project("install", home=before)
        nowhere = {} if not (root or DEBIAN.exists()) else {"CMAKE": "/nowhere/cmake"}
        self.follow(place, "install", HOME=before, **nowhere)
        before.rename(self.home)
        self.prefix = self.home / ".local"

    def project(self, name, program=True, home=None):
        """A new directory with a copy of the sources, the program, and the page's files of that name."""
        place = self.scratch / "projects" / name
        place.mkdir(parents=True)
        (home or self.home).mkdir(exist_ok=True)
        shutil.copytree(self.clone, place / "tls-stream", ignore=shutil.ignore_patterns(".git"))
        if program:
            (place / "client.cpp").write_text("".join((HERE / file).read_text(encoding="utf-8")
                                                      for file in ["server_side.cpp", "client_side.cpp"]), encoding="utf-8")
        for (kind, title), text in self.blocks.items():
            if kind == "file" and title.split()[0] == name:
                path = place / title.split()[1]
                path.parent.mkdir(exist_ok=True)
                path.write_text(text.replace("/path/to/tls-stream", str(self.clone)), encoding="utf-8")
                self.used.add((kind, title))
        return place

    def follow(self, place, name, **env):
        """Carries out the page's commands of that name, with this test's compiler and BoringSSL."""
        text = self.blocks["run", name]
        self.used.add(("run", name))
        if "/usr/include/android" in text and (self.root or not DEBIAN.exists()):
            raise Skip("the page's command is for Debian's BoringSSL")
        text = re.sub(r"^g\+\+ ", shlex.join(self.compiler) + " ", text, flags=re.MULTILINE)
        if self.root:
            option = "tls-stream:boringssl_root" if name == "meson" else "boringssl_root"
            text = text.replace("meson setup ", f"meson setup -D{option}={shlex.quote(self.root)} ")
            text = text.replace("cmake -B ", f"cmake -DTLS_STREAM_BORINGSSL_ROOT={shlex.quote(self.root)} -B ")
        return run(["bash", "-euc", text], place, {**self.env, **{name: str(value) for name, value in env.items()}})

    def exchange(self, program):
        must_say(run([program, self.scratch / "cert.pem", self.scratch / "key.pem"], self.scratch, self.env), "Clean.")

    def flags(self, *which):
        env = {**self.env, "PKG_CONFIG_PATH": str(self.prefix / "share" / "pkgconfig")}
        return run(["pkg-config", *which, "tls-stream"], self.scratch, env).split()

    def compile(self, place, sources, *flags):
        run([*self.compiler, "-std=c++20", *flags, *self.flags("--cflags"), *sources, "-o", "client", *self.flags("--libs")], place, self.env)
        self.exchange(place / "client")

    def cmake(self, name, text, *options, fails=False):
        """Configures a project for CMake without a program; what CMake said."""
        needs_cmake()
        place = self.scratch / "cmake" / name
        place.mkdir(parents=True)
        (place / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES CXX)\n" + text, encoding="utf-8")
        return run(["cmake", "-S", place, "-B", place / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", *options], place, self.env, fails)

    def fake(self, name, headers, definitions="", directory="include"):
        """A root with headers of little content and libraries of none."""
        place = self.scratch / "roots" / name
        (place / directory / "openssl").mkdir(parents=True)
        (place / "lib").mkdir()
        for header in headers:
            (place / directory / "openssl" / header).write_text("#pragma once\n" + definitions, encoding="utf-8")
        for library in ["libssl.so", "libcrypto.so"]:
            run([*self.compiler, "-shared", "-x", "c++", "/dev/null", "-o", place / "lib" / library], place, self.env)
        return place

    def real(self):
        """Directories of BoringSSL's headers and libraries."""
        cflags, libs = self.flags("--cflags"), self.flags("--libs")
        includes = [after for before, after in zip(cflags, cflags[1:]) if before == "-isystem"]
        directories = [word[2:] for word in libs if word.startswith("-L")]
        if not includes or not directories:
            raise Skip("BoringSSL is a package here")
        return includes[0], directories[0]

    def as_openssl(self, name):
        """A prefix that has BoringSSL where OpenSSL would be, and a CMake package that says so."""
        include, lib = self.real()
        place = self.scratch / "roots" / name
        (place / "lib" / "cmake" / "OpenSSL").mkdir(parents=True)
        (place / "include").symlink_to(include)
        for library in ["libssl.so", "libcrypto.so"]:
            (place / "lib" / library).symlink_to(f"{lib}/{library}")
        return place

    OPENSSL_TARGETS = """
foreach(name Crypto SSL)
  string(TOLOWER lib${name}.so file)
  add_library(OpenSSL::${name} UNKNOWN IMPORTED)
  set_target_properties(OpenSSL::${name} PROPERTIES IMPORTED_LOCATION PLACE/lib/${file} INTERFACE_INCLUDE_DIRECTORIES PLACE/include)
endforeach()
set_property(TARGET OpenSSL::SSL PROPERTY INTERFACE_LINK_LIBRARIES OpenSSL::Crypto)
"""

    # --- The ways ---

    def case_a_pkg_config_from_a_moved_prefix(self):
        place = self.project("pkg-config")
        shutil.rmtree(place / "tls-stream")
        self.follow(place, "pkg-config")
        self.exchange(place / "client")

    def case_b_cmake_find_package_from_a_moved_prefix(self):
        needs_cmake()
        place = self.project("find_package")
        shutil.rmtree(place / "tls-stream")
        must_say(self.follow(place, "find_package"), "tls-stream: BoringSSL, API version")
        self.exchange(place / "build" / "client")

    def case_c_cmake_add_subdirectory(self):
        needs_cmake()
        place = self.project("add_subdirectory")
        self.follow(place, "add_subdirectory")
        self.exchange(place / "build" / "client")

    def case_c_cmake_FetchContent(self):
        needs_cmake()
        place = self.project("FetchContent")
        shutil.rmtree(place / "tls-stream")
        self.follow(place, "FetchContent")
        self.exchange(place / "build" / "client")

    def case_d_meson_subproject_by_a_wrap(self):
        place = self.project("meson")
        shutil.rmtree(place / "tls-stream")
        self.follow(place, "meson", PKG_CONFIG_LIBDIR=os.environ.get("PKG_CONFIG_LIBDIR", "/usr/lib/pkgconfig"))
        self.exchange(place / "build" / "client")
        shipped = (ROOT / "packaging/meson/tls-stream.wrap").read_text(encoding="utf-8")
        if shipped != self.blocks["file", "meson subprojects/tls-stream.wrap"]:
            raise Failed("packaging/meson/tls-stream.wrap is not what the page shows")

    def case_e_copying_the_headers(self):
        place = self.project("copying")
        self.follow(place, "copying")
        self.exchange(place / "client")

    def case_f_one_header(self):
        place = self.project("single header")
        program = place / "client.cpp"
        program.write_text(program.read_text(encoding="utf-8").replace(INCLUDE, '#include "tls.hpp"\n'), encoding="utf-8")
        self.follow(place, "single header")
        self.exchange(place / "client")

    def case_g_two_translation_units(self):
        place = self.project("two", program=False)
        self.compile(place, [HERE / "server_side.cpp", HERE / "client_side.cpp"])

    def case_h_no_rtti_and_hostile_macros(self):
        # Everything of others' first: some of it takes such macros away, and some breaks.
        place = self.project("hostile")
        others = {line for path in (ROOT / "include" / "tls").rglob("*.hpp") if "asio" not in path.name
                  for line in re.findall(r"^#include <(?!tls/|asio|boost)[^>]+>\n", path.read_text(encoding="utf-8"), re.MULTILINE)}
        others |= {"#include <future>\n", "#include <iostream>\n"}
        (place / "hostile.hpp").write_text("".join(sorted(others)) + "".join(f"#undef {word.split('(')[0].split()[0]}\n#define {word}\n"
                                                                          for word in HOSTILE), encoding="utf-8")
        self.compile(place, ["client.cpp"], "-fno-rtti", "-include", "hostile.hpp")

    # --- What else the page says ---

    def case_the_tree_that_is_installed(self):
        found = {path.relative_to(self.prefix).as_posix() for path in self.prefix.rglob("*") if path.is_file()}
        wanted = {f"include/{path.relative_to(ROOT / 'include').as_posix()}" for path in (ROOT / "include").rglob("*.hpp")}
        wanted |= {"share/pkgconfig/tls-stream.pc", "share/licenses/tls-stream/LICENSE"}
        wanted |= {f"share/cmake/tls-stream/tls-stream-{name}.cmake" for name in ["boringssl", "config", "config-version"]}
        if found != wanted:
            raise Failed(f"installed, and should not be: {sorted(found - wanted)}; not installed: {sorted(wanted - found)}")
        for path in found - {name for name in found if name.endswith(".hpp")}:
            if str(self.scratch / "before") in (self.prefix / path).read_text(encoding="utf-8"):
                raise Failed(f"{path} names the prefix")

    def case_cmake_versions(self):
        series = re.search(r"_VERSION_STRING \"((\d+)\.(\d+)\.(\d+))\"", (ROOT / "include/tls/version.hpp").read_text(encoding="utf-8"))
        full, major, minor, patch = series[1], *map(int, series.groups()[1:])
        good = ["", full, f"{major}.{minor}", f"{full} EXACT", f"{major}.{minor}...<{major + 1}", f"{major}...{full}"]
        bad = [f"{major}.{minor}.{patch + 1}", f"{major}.{minor + 1}", f"{major + 1}", f"{major}.{minor}.{patch + 1} EXACT",
               f"{major}...<{full}", f"{major + 1}...<{major + 2}"]
        if major == 0:
            bad += [f"0.{minor - 1}"] if minor > 0 else []
        version = run(["cmake", "--version"], self.scratch, self.env) if shutil.which("cmake") else ""
        ranges = re.search(r"version (\d+)\.(\d+)", version) and tuple(map(int, re.search(r"(\d+)\.(\d+)", version).groups())) >= (3, 19)
        asked = [words for words in good + bad if ranges or "..." not in words]
        text = "".join(f'find_package(tls-stream {words} CONFIG QUIET)\nmessage("asked [{words}]: ${{tls-stream_FOUND}}")\n'
                       for words in asked)
        said = self.cmake("versions", text, *self.cmake_root())
        for words in asked:
            must_say(said, f"asked [{words}]: {1 if words in good else 0}\n")

    def cmake_root(self):
        return [f"-DTLS_STREAM_BORINGSSL_ROOT={self.root}"] if self.root else []

    def case_cmake_refuses_what_is_not_boringssl(self):
        known = "#define OPENSSL_IS_BORINGSSL\n#define BORINGSSL_API_VERSION "
        openssl = self.fake("openssl", ["opensslv.h", "base.h", "ssl.h"])
        old = self.fake("old", ["is_boringssl.h", "base.h", "ssl.h"], known + "16\n")
        mixed = self.fake("mixed", ["is_boringssl.h", "base.h", "ssl.h"])
        other = self.fake("other", ["is_boringssl.h", "base.h", "ssl.h"],
                          known + "17\nstruct SSL; void SSL_set_shed_handshake_config(SSL*, int);\n")
        broken = self.fake("broken", ["is_boringssl.h", "base.h", "ssl.h"], known + "17\n}\n")
        nothing = self.scratch / "nothing"
        text = "".join(f"set(TLS_STREAM_BORINGSSL_ROOT {place})\nfind_package(tls-stream CONFIG QUIET)\n"
                       f'message("<{place.name}> ${{tls-stream_FOUND}} ${{tls-stream_NOT_FOUND_MESSAGE}}")\n'
                       for place in [openssl, old, mixed, other, broken, nothing])
        # The package OpenSSL, which is what it says; and Debian's directories behind it.
        (openssl / "lib" / "cmake" / "OpenSSL").mkdir(parents=True)
        (openssl / "lib" / "cmake" / "OpenSSL" / "OpenSSLConfig.cmake").write_text(
            self.OPENSSL_TARGETS.replace("PLACE", str(openssl)), encoding="utf-8")
        text += f"""
unset(TLS_STREAM_BORINGSSL_ROOT)
set(CMAKE_PREFIX_PATH {openssl} {self.prefix})
set(debian "${{CMAKE_LIBRARY_ARCHITECTURE}}")
set(CMAKE_LIBRARY_ARCHITECTURE "")
find_package(tls-stream CONFIG QUIET)
message("<package> ${{tls-stream_FOUND}} ${{tls-stream_NOT_FOUND_MESSAGE}} In the cache: [${{OpenSSL_DIR}}]")
set(CMAKE_LIBRARY_ARCHITECTURE "${{debian}}")
find_package(tls-stream CONFIG QUIET)
message("<debian> ${{tls-stream_FOUND}}")
"""
        said = dict(part.split("> ", 1) for part in self.cmake("refuses", text).split("\n<")[1:])
        for name in ["openssl", "old", "mixed", "other", "broken", "nothing", "package"]:
            must_say(said[name], "0 BoringSSL was not found", "-DTLS_STREAM_BORINGSSL_ROOT=DIR", "android-libboringssl-dev")
        must_say(said["openssl"], f"{openssl}/lib: this is not BoringSSL", "tls-stream does not work with OpenSSL")
        must_say(said["old"], "too old, BORINGSSL_API_VERSION is 16 and must be 17 or more")
        must_say(said["mixed"], "OpenSSL's headers come before it")
        must_say(said["other"], "the library is not BoringSSL's", "SSL_set_shed_handshake_config")
        must_say(said["broken"], "the headers do not compile")
        must_say(said["nothing"], f"under TLS_STREAM_BORINGSSL_ROOT={nothing}")
        must_say(said["package"], f"the package OpenSSL in {openssl}/lib/cmake/OpenSSL: this is not BoringSSL",
                 "tls-stream does not work with OpenSSL", "In the cache: []")
        if DEBIAN.exists():
            must_say(said["debian"], "1")

    def case_cmake_stops_if_boringssl_is_missing(self):
        nowhere = f"-DTLS_STREAM_BORINGSSL_ROOT={self.scratch}/nowhere"
        for name, text in {"required": "find_package(tls-stream CONFIG REQUIRED)\n",
                           "added": f"add_subdirectory({self.clone} tls-stream)\n"}.items():
            must_say(self.cmake(name, text, nowhere, fails=True), "BoringSSL was not found under TLS_STREAM_BORINGSSL_ROOT=")
        must_say(run(["cmake", "-S", self.clone, "-B", self.scratch / "alone"], self.scratch, self.env, fails=True), "Meson installs tls-stream")

    def case_cmake_takes_boringssl_that_is_called_OpenSSL(self):
        # As CMake's module finds it, as a package does, as targets that are there already; and passed on by a subdirectory.
        find, add = "find_package(tls-stream CONFIG REQUIRED)\n", f"add_subdirectory({self.clone} tls-stream)\n"
        use = 'file(WRITE empty.cpp "")\nadd_library(user empty.cpp)\ntarget_link_libraries(user tls_stream::tls_stream)\n'
        module, package, project = (self.as_openssl(name) for name in ["module", "package", "project"])
        (package / "lib/cmake/OpenSSL/OpenSSLConfig.cmake").write_text(self.OPENSSL_TARGETS.replace("PLACE", str(package)), encoding="utf-8")
        must_say(self.cmake("module", add + use, f"-DOPENSSL_ROOT_DIR={module}"), f": the package OpenSSL in {module}/include\n")
        must_say(self.cmake("package", add + use, f"-DOpenSSL_DIR={package}/lib/cmake/OpenSSL"),
                 f": the package OpenSSL in {package}/lib/cmake/OpenSSL\n")
        must_say(self.cmake("targets", self.OPENSSL_TARGETS.replace("PLACE", str(project)) + find + use),
                 ": the targets OpenSSL::SSL and OpenSSL::Crypto\n")

    def case_the_commands_of_other_pages_are_this_page_s(self):
        page = PAGE.read_text(encoding="utf-8")
        for name in ["README.md", "docs/quickstart.md"]:
            text = (ROOT / name).read_text(encoding="utf-8")
            for block in BLOCK.finditer(text):
                if self.blocks.get((block["kind"], block["name"])) != block["text"]:
                    raise Failed(f"{name}: {PAGE.name} has another block '{block['name']}':\n{block['text']}")
            for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
                if "g++ " in block and block not in page:
                    raise Failed(f"{name}: {PAGE.name} has no such command:\n{block}")

    def left(self):
        """What the page marks and nothing has used."""
        return sorted(f"{kind}: {name}" for kind, name in set(self.blocks) - self.used)


def outcome(case):
    """(what is wrong or "", why it was skipped or "")"""
    try:
        case()
    except Failed as failed:
        return str(failed), ""
    except Skip as why:
        return "", str(why)
    except Exception:  # pylint: disable=broad-except # the other cases still run
        return traceback.format_exc(), ""
    return "", ""


def main(arguments):
    root, only = "", ""
    while arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option == "--only":
            only = arguments.pop(0)
        else:
            root = option.removeprefix("-Dboringssl_root=")
    for program in ["git", "openssl"]:
        if shutil.which(program) is None:
            print(f"1..0 # SKIP there is no {program}")
            return 0
    names = [name for name in vars(Consumers) if name.startswith("case_") and only in name]
    print(f"1..{len(names) + 1}", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="tls-stream-") as directory:
        consumers = Consumers(root, arguments, pathlib.Path(directory).resolve())
        with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            running = [(name, pool.submit(outcome, getattr(consumers, name))) for name in names]
            for number, (name, future) in enumerate(running, 1):
                wrong, skipped = future.result()
                bad += bool(wrong)
                title = name.removeprefix("case_").replace("_", " ")
                print(f"{'not ok' if wrong else 'ok'} {number} - {title}{f' # SKIP {skipped}' if skipped else ''}", flush=True)
                if wrong:  # not as TAP's comments, which Meson hides
                    print(f"{title}:\n" + "\n".join(wrong.splitlines()[:60]), file=sys.stderr, flush=True)
        left = consumers.left() if not only and shutil.which("cmake") else []
        bad += bool(left)
        print(f"{'not ok' if left else 'ok'} {len(names) + 1} - everything that the page marks was tried")
        if left:
            print("\n".join(left), file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
