# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0

# What Conan's find_package(tls-stream) ends with. Conan has made the targets; this holds BoringSSL to the same proof as elsewhere, and
# looks for it where it is the platform's, of which Conan tells CMake nothing.

include("${CMAKE_CURRENT_LIST_DIR}/tls-stream-boringssl.cmake")

function(_tls_stream_find_conan_boringssl why)
  # Conan's targets are empty in every configuration but the one that is built.
  if(NOT CMAKE_TRY_COMPILE_CONFIGURATION)
    set(CMAKE_TRY_COMPILE_CONFIGURATION "${CMAKE_BUILD_TYPE}")
  endif()
  # If Conan has given a BoringSSL it is this one or none: two in one program would be worse.
  if(TARGET OpenSSL::SSL)
    set(TLS_STREAM_BORINGSSL_ROOT "")
    set(CMAKE_LIBRARY_ARCHITECTURE "")  # nor Debian's
  endif()
  tls_stream_find_boringssl(text)
  set(${why} "${text}" PARENT_SCOPE)
endfunction()

_tls_stream_find_conan_boringssl(_tls_stream_why)
if(_tls_stream_why)
  set(tls-stream_FOUND FALSE)
  set(tls-stream_NOT_FOUND_MESSAGE "${_tls_stream_why}")
else()
  get_target_property(_tls_stream_links tls_stream::tls_stream INTERFACE_LINK_LIBRARIES)
  if(NOT "tls_stream::boringssl" IN_LIST _tls_stream_links)
    set_property(TARGET tls_stream::tls_stream APPEND PROPERTY INTERFACE_LINK_LIBRARIES tls_stream::boringssl)
    set_property(TARGET tls_stream::tls_stream APPEND PROPERTY INTERFACE_COMPILE_FEATURES cxx_std_20)
  endif()
  unset(_tls_stream_links)
endif()
unset(_tls_stream_why)
