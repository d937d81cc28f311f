# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""A stand-in for ConanCenter's recipe `boringssl`, with its components and targets: the BoringSSL that is on this machine.

The profile says where it is: [conf] user.boringssl:include and user.boringssl:lib.
"""

from conan import ConanFile


class SystemBoringSSLConan(ConanFile):
    package_type = "shared-library"
    settings = "os", "arch", "compiler", "build_type"

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "OpenSSL")
        for name, target in {"crypto": "OpenSSL::Crypto", "ssl": "OpenSSL::SSL"}.items():
            component = self.cpp_info.components[name]
            component.set_property("cmake_target_name", target)
            component.libs = [name]
            component.includedirs = [self.conf.get("user.boringssl:include", check_type=str)]
            component.libdirs = [self.conf.get("user.boringssl:lib", check_type=str)]
            component.bindirs = []
        self.cpp_info.components["ssl"].requires = ["crypto"]
