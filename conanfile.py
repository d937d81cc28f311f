# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""The recipe for Conan 2. docs/install.md tells how to use it."""

import os
import re

from conan import ConanFile
from conan.tools.build import can_run, check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.gnu import PkgConfigDeps
from conan.tools.layout import basic_layout
from conan.tools.meson import Meson, MesonToolchain

required_conan_version = ">=2.4"


class TlsStreamConan(ConanFile):
    name = "tls-stream"
    description = "A TLS stream over any socket, on BoringSSL, that closes right"
    license = "BSL-1.0"
    topics = ("tls", "ssl", "boringssl", "asio", "networking", "header-only")
    package_type = "header-library"
    # Of what the tests are built for, and of what C++20 is asked of; the package is the same for all.
    settings = "os", "arch", "compiler", "build_type"
    exports_sources = ("LICENSE", "include/*", "packaging/*", "meson.build", "meson.options", "subprojects/*.wrap", "examples/*", "tests/*",
                       "!*/__pycache__/*")
    no_copy_source = True

    def set_version(self):
        header = load(self, os.path.join(self.recipe_folder, "include", "tls", "version.hpp"))
        self.version = re.search(r'^#define TLS_STREAM_VERSION_STRING "(.+)"$', header, re.MULTILINE)[1]

    def layout(self):
        basic_layout(self, build_folder="build/conan")

    def requirements(self):
        # BoringSSL's versions are dates and promise nothing, but its fixes come with the newest alone. A lockfile holds on to one. What
        # uses a header-library gets the headers and libraries that this needs.
        self.requires("boringssl/[>=0.20251124.0 <1]")

    def build_requirements(self):
        if self._tests:
            self.test_requires("catch2/[>=3.7 <4]")
            self.tool_requires("meson/[>=1.2 <2]")
            if not self.conf.get("tools.gnu:pkg_config", check_type=str):
                self.tool_requires("pkgconf/[>=2.2 <3]")

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    @property
    def _tests(self):
        return not self.conf.get("tools.build:skip_test", default=False, check_type=bool)

    def generate(self):
        if self._tests:
            PkgConfigDeps(self).generate()
            toolchain = MesonToolchain(self)
            toolchain.project_options.update({"tests": "enabled", "examples": "disabled"})
            toolchain.generate()

    def build(self):
        if self._tests:
            meson = Meson(self)
            meson.configure()
            # What every kind of stream must do, with this compiler and this BoringSSL. The rest takes many minutes, and is ./dev test's.
            meson.build(target="battery_tests")
            if can_run(self):
                self.run("meson test --no-rebuild --print-errorlogs --suite battery", cwd=self.build_folder)

    def package(self):
        # Copied, not installed by Meson: that would look for BoringSSL, for files that say where it is on this machine. Conan writes
        # such files for whoever uses the package, with the BoringSSL that is there then.
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        for part in ["cmake/tls-stream-boringssl.cmake", "conan/tls-stream-conan.cmake"]:
            directory, name = os.path.split(part)
            copy(self, name, os.path.join(self.source_folder, "packaging", directory), os.path.join(self.package_folder, "cmake"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.requires = ["boringssl::ssl", "boringssl::crypto"]
        if self.settings.os in ["Linux", "FreeBSD"]:
            self.cpp_info.system_libs = ["pthread"]
        self.cpp_info.set_property("cmake_file_name", "tls-stream")
        self.cpp_info.set_property("cmake_target_name", "tls_stream::tls_stream")
        self.cpp_info.set_property("cmake_build_modules", [os.path.join("cmake", "tls-stream-conan.cmake")])
        self.cpp_info.set_property("pkg_config_name", "tls-stream")
