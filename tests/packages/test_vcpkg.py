#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""The port for vcpkg and the example that uses it, as far as can be tried without vcpkg: `test_vcpkg.py BUILD_DIRECTORY COMPILER...`.

The JSON is held against what vcpkg documents. The portfile is carried out by vcpkg.cmake, which stands in for vcpkg's functions, and what
comes of that is used by the example and by the consumers' program. Speaks TAP.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import sys
import tempfile

from common import ROOT, VERSION, Failed, Skip, blocks, certificate, consumer, exchange, must_say, run, system_boringssl, tap

HERE = pathlib.Path(__file__).resolve().parent
PORTS = ROOT / "packaging" / "vcpkg" / "ports"
PORT = PORTS / "tls-stream"
EXAMPLE = ROOT / "examples" / "vcpkg"
# What vcpkg's own boringssl has for CMake.
OPENSSL = """foreach(name Crypto SSL)
  string(TOLOWER lib${name}.so file)
  get_filename_component(prefix "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
  add_library(OpenSSL::${name} SHARED IMPORTED)
  set_target_properties(OpenSSL::${name} PROPERTIES
    IMPORTED_LOCATION "${prefix}/lib/${file}" INTERFACE_INCLUDE_DIRECTORIES "${prefix}/include")
endforeach()
set_property(TARGET OpenSSL::SSL PROPERTY INTERFACE_LINK_LIBRARIES OpenSSL::Crypto)
"""


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


class Port:
    def __init__(self, build, compiler, scratch):
        self.build = build
        self.scratch = scratch
        unwanted = {"CXXFLAGS", "CPPFLAGS", "LDFLAGS", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH", "DESTDIR"}
        self.env = {name: value for name, value in os.environ.items() if name not in unwanted}
        # CMake wants one word, and a cache has nothing to give to directories that are new each time.
        compiler = [word for word in compiler if pathlib.Path(word).name != "ccache"]
        self.env |= {"CXX": shlex.join(compiler), "LC_ALL": "C"}
        self.installed = scratch / "installed"
        self.package = scratch / "package"

    def case_manifests_and_configurations_are_what_vcpkg_documents(self):
        try:
            import jsonschema  # pylint: disable=import-outside-toplevel # Debian: python3-jsonschema
        except ImportError:
            raise Skip("there is no jsonschema") from None
        schema = load(HERE / "vcpkg.schema.json")
        kinds = {PORT / "vcpkg.json": "port", EXAMPLE / "vcpkg.json": "manifest", EXAMPLE / "vcpkg-configuration.json": "configuration"}
        for path, kind in kinds.items():
            wanted = {"$ref": f"#/definitions/{kind}", "definitions": schema["definitions"]}
            wrong = [f"{path}: {error.json_path}: {error.message}" for error in jsonschema.Draft7Validator(wanted).iter_errors(load(path))]
            if wrong:
                raise Failed("\n".join(wrong))

    def case_port_and_example_agree_with_the_sources(self):
        port, example = load(PORT / "vcpkg.json"), load(EXAMPLE / "vcpkg.json")
        if (port["name"], port["version-semver"]) != (PORT.name, VERSION):
            raise Failed(f"the port is {port['name']} {port['version-semver']}, and should be {PORT.name} {VERSION}")
        if example["dependencies"] != [PORT.name]:
            raise Failed(f"the example depends on {example['dependencies']}")
        overlays = [(EXAMPLE / name).resolve() for name in load(EXAMPLE / "vcpkg-configuration.json")["overlay-ports"]]
        if overlays != [PORTS]:
            raise Failed(f"the example's overlay ports are in {overlays}, and should be in {PORTS}")
        # Each helper's port, from what the portfile calls.
        helpers = {"vcpkg_configure_meson": "vcpkg-tool-meson", "vcpkg_install_meson": "vcpkg-tool-meson",
                   "vcpkg_cmake_config_fixup": "vcpkg-cmake-config"}
        called = re.findall(r"^(vcpkg_\w+)\(", (PORT / "portfile.cmake").read_text(encoding="utf-8"), re.MULTILINE)
        needed = {helpers[name] for name in called if name in helpers}
        given = {entry["name"] for entry in port["dependencies"] if isinstance(entry, dict) and entry.get("host")}
        if needed != given:
            raise Failed(f"the port has the host tools {given}, and calls functions of {needed}")
        shown = blocks("vcpkg file")
        for name in ["vcpkg.json", "vcpkg-configuration.json", "CMakeLists.txt"]:
            text = re.sub(r"\A(# SPDX.*\n)+\n", "", (EXAMPLE / name).read_text(encoding="utf-8"))
            text = text.replace("../../packaging", "tls-stream/packaging").replace("../client.cpp", "client.cpp")
            if shown.get(name) != text:
                raise Failed(f"docs/install.md shows another {name} than examples/vcpkg has, which is, as seen from there:\n{text}")

    def case_portfile_makes_a_package_of_headers_alone(self):
        if shutil.which("cmake") is None:
            raise Skip("there is no cmake")
        include, lib = system_boringssl(self.build, self.env)
        for directory in ["include", "lib", "share/openssl", "share/pkgconfig"]:
            (self.installed / directory).mkdir(parents=True)
        (self.installed / "include" / "openssl").symlink_to(f"{include}/openssl")
        for library in [*pathlib.Path(lib).glob("libssl.*"), *pathlib.Path(lib).glob("libcrypto.*")]:
            (self.installed / "lib" / library.name).symlink_to(library)
        (self.installed / "share" / "openssl" / "OpenSSLConfig.cmake").write_text(OPENSSL, encoding="utf-8")
        values = {"PORT": PORT.name, "VERSION": VERSION, "CURRENT_PORT_DIR": PORT, "CURRENT_BUILDTREES_DIR": self.scratch / "buildtrees",
                  "CURRENT_INSTALLED_DIR": self.installed, "CURRENT_PACKAGES_DIR": self.package}
        said = run(["cmake", *(f"-D{name}={value}" for name, value in values.items()), "-P", HERE / "vcpkg.cmake"], self.scratch, self.env)
        must_say(" ".join(said.split()), f"BoringSSL : {self.installed}/include, {self.installed}/lib")

        found = {path.relative_to(self.package).as_posix() for path in self.package.rglob("*")}
        headers = {path.relative_to(ROOT).as_posix() for path in (ROOT / "include").rglob("*") if path.name != "meson.build"}
        wanted = headers | {"include", "share", "share/pkgconfig", "share/pkgconfig/tls-stream.pc"} | {
            f"share/tls-stream{name}" for name in ["", "/copyright", "/usage", "/tls-stream-config.cmake", "/tls-stream-config-version.cmake",
                                                   "/tls-stream-boringssl.cmake"]}
        if found != wanted:
            raise Failed(f"in the package, and should not be: {sorted(found - wanted)}; not in it: {sorted(wanted - found)}")
        if (self.package / "share/tls-stream/copyright").read_bytes() != (ROOT / "LICENSE").read_bytes():
            raise Failed("the copyright is not LICENSE")
        for path in self.package.rglob("share/*/*"):
            for place in [self.scratch, ROOT]:
                if str(place) in path.read_text(encoding="utf-8"):
                    raise Failed(f"{path.relative_to(self.package)} names {place}:\n{path.read_text(encoding='utf-8')}")

    def ready(self):
        """vcpkg puts the packages into one tree, which may be moved."""
        if not self.package.exists():
            raise Skip("there is no package")
        moved = self.scratch / "moved"
        if not moved.exists():
            shutil.copytree(self.package, self.installed, dirs_exist_ok=True)
            self.installed.rename(moved)
        return moved

    def case_pkg_config_finds_the_package_and_boringssl(self):
        moved = self.ready()
        words = run(["pkg-config", "--cflags", "--libs", "tls-stream"], self.scratch,
                    {**self.env, "PKG_CONFIG_PATH": str(moved / "share" / "pkgconfig")}).split()
        plain = [os.path.normpath(word.removeprefix("-I").removeprefix("-L")) for word in words]
        for wanted in [f"{moved}/include", f"{moved}/lib", "-lssl", "-lcrypto"]:
            if wanted not in plain:
                raise Failed(f"{wanted} is not among {plain}")

    def cmake(self, source):
        moved = self.ready()
        build = self.scratch / f"build-{source.name}"
        must_say(run(["cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={moved}"], self.scratch, self.env),
                 "tls-stream: BoringSSL, API version", f": the package OpenSSL in {moved}/share/openssl\n")
        run(["cmake", "--build", build], self.scratch, self.env)
        return build

    def case_example_builds(self):
        build = self.cmake(EXAMPLE)
        if not (build / "client").exists():
            raise Failed("there is no client")

    def case_consumer_by_cmake_find_package(self):
        source = self.scratch / "consumer"
        source.mkdir()
        text = (EXAMPLE / "CMakeLists.txt").read_text(encoding="utf-8")
        (source / "CMakeLists.txt").write_text(text.replace("../client.cpp", "client.cpp"), encoding="utf-8")
        consumer(source / "client.cpp")
        build = self.cmake(source)
        certificate(self.scratch, self.env)
        exchange(build / "client", self.scratch, self.env)


def main(build, *compiler):
    with tempfile.TemporaryDirectory(prefix="tls-stream-") as scratch:
        port = Port(pathlib.Path(build).resolve(), compiler, pathlib.Path(scratch).resolve())
        return tap([getattr(port, name) for name in vars(Port) if name.startswith("case_")])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
