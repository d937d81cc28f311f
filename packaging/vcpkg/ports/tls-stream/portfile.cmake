# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0

set(VCPKG_BUILD_TYPE release)  # headers alone

# As an overlay port this is part of the sources. A port in a registry fetches them instead, at the tag of ${VERSION}:
# vcpkg_from_git(OUT_SOURCE_PATH SOURCE_PATH URL ... REF ...)
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../../.." ABSOLUTE)

# This BoringSSL and no other: the machine may have an OpenSSL as well.
vcpkg_configure_meson(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -Dtests=disabled
    -Dexamples=disabled
    "-Dboringssl_root=${CURRENT_INSTALLED_DIR}"
)
vcpkg_install_meson()
vcpkg_fixup_pkgconfig()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/tls-stream)

# vcpkg has a place of its own for the licence.
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug" "${CURRENT_PACKAGES_DIR}/lib" "${CURRENT_PACKAGES_DIR}/share/licenses")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
