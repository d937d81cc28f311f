# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0

# Finds BoringSSL, and proves that it is BoringSSL: OpenSSL's headers with BoringSSL's library would compile, link and run, and then do
# something else. For CMake 3.16 and later. The installed package and CMakeLists.txt both use this.
#
# tls_stream_find_boringssl(WHY) makes the target tls_stream::boringssl and leaves WHY empty, or it says in WHY why there is none.
# With TLS_STREAM_BORINGSSL_ROOT=DIR only that directory counts. Otherwise the first of these that holds BoringSSL is taken:
#   - the targets OpenSSL::SSL and OpenSSL::Crypto, if the project has them already
#   - the package OpenSSL, which is what BoringSSL's own installation, vcpkg and Conan call it
#   - Debian's directories

set(_tls_stream_proof [[
#if !__has_include(<openssl/is_boringssl.h>)
#error "TLS_STREAM: not BoringSSL"
#else
#include <openssl/is_boringssl.h>
#include <openssl/base.h>
#ifndef OPENSSL_IS_BORINGSSL
#error "TLS_STREAM: not first"
#else
#ifdef __clang__
#pragma clang diagnostic warning "-W#pragma-messages"  // whatever -Werror says
#endif
#define TLS_STREAM_TEXT_(number) #number
#define TLS_STREAM_TEXT(number) TLS_STREAM_TEXT_(number)
#pragma message("TLS_STREAM: API " TLS_STREAM_TEXT(BORINGSSL_API_VERSION))
#if BORINGSSL_API_VERSION < 17
#error "TLS_STREAM: too old"
#endif
#include <openssl/ssl.h>
// OpenSSL has no such function.
int main() { SSL_set_shed_handshake_config(nullptr, 1); }
#endif
#endif
]])

# Sets WHY to what is wrong with TARGET, which the messages call PLACE, or to nothing; and API to the number of BoringSSL's interface.
function(_tls_stream_prove why api place target)
  set(work "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/tls-stream")
  file(WRITE "${work}/proof.cpp" "${_tls_stream_proof}")
  # Linked, and if that fails only compiled, to tell headers from library.
  foreach(kind EXECUTABLE STATIC_LIBRARY)
    set(CMAKE_TRY_COMPILE_TARGET_TYPE ${kind})
    try_compile(_tls_stream_good "${work}/${kind}" "${work}/proof.cpp" LINK_LIBRARIES ${target} OUTPUT_VARIABLE said_${kind}
      CXX_STANDARD 20 CXX_STANDARD_REQUIRED TRUE)
    set(good_${kind} ${_tls_stream_good})
    unset(_tls_stream_good CACHE)
    if(good_EXECUTABLE)
      break()
    endif()
  endforeach()

  set(number "unknown")
  if(said_EXECUTABLE MATCHES "TLS_STREAM: API ([0-9]+)")
    set(number ${CMAKE_MATCH_1})
  endif()
  set(${api} ${number} PARENT_SCOPE)
  if(good_EXECUTABLE)
    set(text "")
  elseif(said_EXECUTABLE MATCHES "error[^\n]*TLS_STREAM: not BoringSSL")
    set(text "${place}: this is not BoringSSL, it has no header openssl/is_boringssl.h.")
  elseif(said_EXECUTABLE MATCHES "error[^\n]*TLS_STREAM: not first")
    set(text "${place}: the <openssl/base.h> is not BoringSSL's, OpenSSL's headers come before it.")
  elseif(said_EXECUTABLE MATCHES "error[^\n]*TLS_STREAM: too old")
    set(text "${place}: this BoringSSL is too old, BORINGSSL_API_VERSION is ${number} and must be 17 or more.")
  elseif(good_STATIC_LIBRARY)
    set(text "${place}: the library is not BoringSSL's, or lacks something that it needs:\n${said_EXECUTABLE}")
  else()
    set(text "${place}: the headers do not compile:\n${said_EXECUTABLE}")
  endif()
  set(${why} "${text}" PARENT_SCOPE)
endfunction()

# Makes a target of a directory of headers, which may be empty, and of libraries. What is imported is a system's to the compiler.
macro(_tls_stream_add name directory)
  if(NOT TARGET ${name})
    add_library(${name} INTERFACE IMPORTED)
    set_target_properties(${name} PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${directory}"
      INTERFACE_LINK_LIBRARIES "${ARGN};Threads::Threads")
  endif()
endmacro()

# Makes tls_stream::boringssl, if this is proved to be BoringSSL; else adds to `refused`.
macro(_tls_stream_take place directory)
  string(MAKE_C_IDENTIFIER "tls_stream_candidate_${place}" _candidate)
  _tls_stream_add(${_candidate} "${directory}" ${ARGN})
  _tls_stream_prove(_why _api "${place}" ${_candidate})
  if(_why)
    string(APPEND refused "\n${_why}")
  else()
    _tls_stream_add(tls_stream::boringssl "${directory}" ${ARGN})
    message(STATUS "tls-stream: BoringSSL, API version ${_api}: ${place}")
  endif()
endmacro()

# The same with pairs of a directory of headers and one of libraries. By full path, so that CMake sets the run path of what it builds.
macro(_tls_stream_take_directories)
  foreach(_pair ${ARGN})
    string(REGEX REPLACE "\\|.*" "" _include "${_pair}")
    string(REGEX REPLACE ".*\\|" "" _lib "${_pair}")
    foreach(_suffix .so .a .dylib)
      if(NOT TARGET tls_stream::boringssl AND EXISTS "${_include}/openssl/ssl.h"
         AND EXISTS "${_lib}/libssl${_suffix}" AND EXISTS "${_lib}/libcrypto${_suffix}")
        _tls_stream_take("${_include}, ${_lib}" "${_include}" "${_lib}/libssl${_suffix}" "${_lib}/libcrypto${_suffix}")
      endif()
    endforeach()
  endforeach()
endmacro()

function(tls_stream_find_boringssl why)
  set(${why} "" PARENT_SCOPE)
  if(TARGET tls_stream::boringssl)
    return()
  endif()
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(NOT "CXX" IN_LIST languages)
    set(${why} "tls-stream needs C++, and this project has not enabled it: project(... LANGUAGES CXX)." PARENT_SCOPE)
    return()
  endif()
  set(THREADS_PREFER_PTHREAD_FLAG TRUE)
  find_package(Threads QUIET)
  if(NOT TARGET Threads::Threads)
    set(${why} "tls-stream needs threads, and CMake's package Threads was not found." PARENT_SCOPE)
    return()
  endif()

  set(refused "")
  set(root "${TLS_STREAM_BORINGSSL_ROOT}")
  set(multiarch "${CMAKE_LIBRARY_ARCHITECTURE}")
  if(root)
    get_filename_component(root "${root}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
    _tls_stream_take_directories(
      "${root}/include|${root}/lib" "${root}/include|${root}/lib64" "${root}/include|${root}/lib/${multiarch}"
      "${root}/include|${root}/build"
      "${root}/include/android|${root}/lib/${multiarch}/android"
      "${root}/usr/include|${root}/usr/lib"
      "${root}/usr/include/android|${root}/usr/lib/${multiarch}/android")
  else()
    # What the search leaves in the cache is taken out again if it is OpenSSL, so that the next run of CMake looks anew.
    set(fresh)
    foreach(name OpenSSL_DIR OPENSSL_INCLUDE_DIR OPENSSL_SSL_LIBRARY OPENSSL_CRYPTO_LIBRARY)
      if(NOT DEFINED ${name})
        list(APPEND fresh ${name})
      endif()
    endforeach()
    set(place "the targets OpenSSL::SSL and OpenSSL::Crypto")
    foreach(mode NONE CONFIG MODULE)
      if(NOT mode STREQUAL "NONE" AND NOT TARGET OpenSSL::SSL)
        find_package(OpenSSL QUIET ${mode})
        set(place "the package OpenSSL")
        if(mode STREQUAL "CONFIG")
          string(APPEND place " in ${OpenSSL_DIR}")
        else()
          string(APPEND place " in ${OPENSSL_INCLUDE_DIR}")
        endif()
      endif()
      if(TARGET OpenSSL::SSL AND TARGET OpenSSL::Crypto)
        _tls_stream_take("${place}" "" OpenSSL::SSL OpenSSL::Crypto)
        break()
      endif()
    endforeach()
    if(NOT TARGET tls_stream::boringssl)
      foreach(name IN LISTS fresh)
        unset(${name} CACHE)
      endforeach()
      if(multiarch)
        _tls_stream_take_directories("/usr/include/android|/usr/lib/${multiarch}/android")
      endif()
    endif()
  endif()

  if(NOT TARGET tls_stream::boringssl)
    set(where "")
    if(root)
      set(where " under TLS_STREAM_BORINGSSL_ROOT=${root}")
    endif()
    set(text "BoringSSL was not found${where}.${refused}")
    if(refused MATCHES "is not BoringSSL")
      string(APPEND text "\ntls-stream does not work with OpenSSL.")
    endif()
    string(APPEND text "\nSay where BoringSSL is with -DTLS_STREAM_BORINGSSL_ROOT=DIR (DIR/include, DIR/lib), or on Debian install "
      "android-libboringssl-dev.")
    set(${why} "${text}" PARENT_SCOPE)
  endif()
endfunction()
