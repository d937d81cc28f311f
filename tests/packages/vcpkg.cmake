# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0

# Carries out the portfile in PORT_DIR without vcpkg: `cmake -DNAME=VALUE... -P vcpkg.cmake`, with what vcpkg sets: PORT, VERSION,
# CURRENT_PORT_DIR, CURRENT_BUILDTREES_DIR, CURRENT_INSTALLED_DIR and CURRENT_PACKAGES_DIR. The functions here take the arguments that
# vcpkg's take, and do to a release what they do, as far as a package without programs and libraries is concerned.

cmake_minimum_required(VERSION 3.21)

macro(parse flags values lists)
  cmake_parse_arguments(PARSE_ARGV 0 arg "${flags}" "${values}" "${lists}")
  if(DEFINED arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${CMAKE_CURRENT_FUNCTION} has no ${arg_UNPARSED_ARGUMENTS}")
  endif()
endmacro()

function(vcpkg_configure_meson)
  parse("NO_PKG_CONFIG" "SOURCE_PATH"
    "OPTIONS;OPTIONS_RELEASE;OPTIONS_DEBUG;LANGUAGES;ADDITIONAL_BINARIES;ADDITIONAL_PROPERTIES")
  if(NOT VCPKG_BUILD_TYPE STREQUAL "release")
    message(FATAL_ERROR "vcpkg would configure for debugging as well")
  endif()
  execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND
    meson setup --backend ninja --wrap-mode nodownload -Doptimization=plain -Ddebug=false --libdir lib --pkgconfig.relocatable
    --prefix "${CURRENT_PACKAGES_DIR}"
    --pkg-config-path "['${CURRENT_INSTALLED_DIR}/lib/pkgconfig','${CURRENT_INSTALLED_DIR}/share/pkgconfig']"
    "-Dcmake_prefix_path=['${CURRENT_INSTALLED_DIR}','${CURRENT_INSTALLED_DIR}/debug']"
    ${arg_OPTIONS} ${arg_OPTIONS_RELEASE} "${arg_SOURCE_PATH}" "${CURRENT_BUILDTREES_DIR}/rel")
endfunction()

function(vcpkg_install_meson)
  parse("ADD_BIN_TO_PATH" "" "")
  execute_process(COMMAND meson install -C "${CURRENT_BUILDTREES_DIR}/rel" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Makes what pkg-config reads find everything from where it lies.
function(vcpkg_fixup_pkgconfig)
  parse("SKIP_CHECK" "" "RELEASE_FILES;DEBUG_FILES")
  file(GLOB_RECURSE files "${CURRENT_PACKAGES_DIR}/*.pc")
  if(NOT files)
    message(FATAL_ERROR "there is no .pc file")
  endif()
  foreach(file IN LISTS files)
    cmake_path(GET file PARENT_PATH directory)
    file(RELATIVE_PATH to_prefix "${directory}" "${CURRENT_PACKAGES_DIR}")
    cmake_path(SET to_prefix NORMALIZE "${to_prefix}/.")
    string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
    file(READ "${file}" text)
    string(REPLACE "${CURRENT_PACKAGES_DIR}" "\${prefix}" text "${text}")
    string(REPLACE "${CURRENT_INSTALLED_DIR}" "\${prefix}" text "${text}")
    string(REGEX REPLACE "(^|\n)prefix=[^\n]*" "\\1prefix=\${pcfiledir}/${to_prefix}" text "${text}")
    file(WRITE "${file}" "${text}")
    if(NOT arg_SKIP_CHECK)
      cmake_path(GET file STEM LAST_ONLY package)
      execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND
        "${CMAKE_COMMAND}" -E env "PKG_CONFIG_PATH=${directory}" pkg-config --print-errors --exists "${package}")
    endif()
  endforeach()
endfunction()

# Moves the package for CMake to share/PORT, two steps below the prefix.
function(vcpkg_cmake_config_fixup)
  parse("DO_NOT_DELETE_PARENT_CONFIG_PATH;NO_PREFIX_CORRECTION" "PACKAGE_NAME;CONFIG_PATH" "")
  if(NOT arg_PACKAGE_NAME)
    set(arg_PACKAGE_NAME "${PORT}")
  endif()
  set(place "${CURRENT_PACKAGES_DIR}/share/${arg_PACKAGE_NAME}")
  set(before "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}")
  file(GLOB files "${before}/*")
  if(NOT files)
    message(FATAL_ERROR "there is nothing in ${before}")
  endif()
  file(COPY ${files} DESTINATION "${place}")
  file(REMOVE_RECURSE "${before}")
  cmake_path(GET before PARENT_PATH parent)
  if(parent MATCHES "/cmake$" AND NOT arg_DO_NOT_DELETE_PARENT_CONFIG_PATH)
    file(REMOVE_RECURSE "${parent}")
  endif()
  file(GLOB_RECURSE files "${place}/*.cmake")
  foreach(file IN LISTS files)
    file(READ "${file}" text)
    if(NOT arg_NO_PREFIX_CORRECTION)
      string(REGEX REPLACE "(\\(PACKAGE_PREFIX_DIR \"\\\${CMAKE_CURRENT_LIST_DIR})(/\\.\\.)+\" ABSOLUTE\\)" "\\1/../../\" ABSOLUTE)"
        text "${text}")
    endif()
    string(REPLACE "${CURRENT_INSTALLED_DIR}" "\${_IMPORT_PREFIX}" text "${text}")
    string(REPLACE "${CURRENT_PACKAGES_DIR}" "\${_IMPORT_PREFIX}" text "${text}")
    file(WRITE "${file}" "${text}")
  endforeach()
endfunction()

function(vcpkg_install_copyright)
  parse("" "COMMENT" "FILE_LIST")
  list(LENGTH arg_FILE_LIST number)
  if(NOT number EQUAL 1 OR arg_COMMENT)
    message(FATAL_ERROR "one licence, without a comment, is all that this can do")
  endif()
  file(INSTALL ${arg_FILE_LIST} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}" RENAME copyright)
endfunction()

include("${CURRENT_PORT_DIR}/portfile.cmake")
