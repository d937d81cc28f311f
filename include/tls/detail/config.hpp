// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What the BoringSSL at hand can do. The only file that compares BORINGSSL_API_VERSION: the macros here are
// expressions for #if, evaluated where they are used, which is always behind detail/boringssl.hpp.

#ifndef TLS_STREAM_TLS_DETAIL_CONFIG_HPP
#define TLS_STREAM_TLS_DETAIL_CONFIG_HPP

// The oldest BoringSSL that the library is tested with (Debian 12's own package).
#define TLS_STREAM_BORINGSSL_SUPPORTED (BORINGSSL_API_VERSION >= 17)

// SSL_CTX_set1_groups_list; before it SSL_CTX_set1_curves_list, the same list.
#define TLS_STREAM_HAS_GROUPS_LIST (BORINGSSL_API_VERSION >= 19)

// SSL_get_group_id and SSL_get_group_name; before them the names with "curve".
#define TLS_STREAM_HAS_GROUP_ID (BORINGSSL_API_VERSION >= 22)

#endif
