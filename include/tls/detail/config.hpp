// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// What the BoringSSL at hand can do. The only file that compares BORINGSSL_API_VERSION: the macros here are
// expressions for #if, evaluated where they are used, which is always behind detail/boringssl.hpp.

#ifndef TLS_STREAM_TLS_DETAIL_CONFIG_HPP
#define TLS_STREAM_TLS_DETAIL_CONFIG_HPP

// The oldest BoringSSL that the library is tested with (Debian 12's own package).
#define TLS_STREAM_BORINGSSL_SUPPORTED (BORINGSSL_API_VERSION >= 17)

// The number as a string literal, for messages.
#define TLS_STREAM_QUOTED_(number) #number
#define TLS_STREAM_QUOTED(number) TLS_STREAM_QUOTED_(number)
#define TLS_STREAM_BORINGSSL_API_TEXT TLS_STREAM_QUOTED(BORINGSSL_API_VERSION)

// SSL_CTX_set1_groups_list; before it SSL_CTX_set1_curves_list, the same list.
#define TLS_STREAM_HAS_GROUPS_LIST (BORINGSSL_API_VERSION >= 19)

// SSL_get_group_id and SSL_get_group_name; before them the names with "curve".
#define TLS_STREAM_HAS_GROUP_ID (BORINGSSL_API_VERSION >= 22)

// SSL_CTX_set_compliance_policy, which came before 18 with one policy and has two more since 19 and 33. Nobody packages an 18.
#define TLS_STREAM_HAS_COMPLIANCE_POLICY (BORINGSSL_API_VERSION >= 19)
#define TLS_STREAM_NEEDS_COMPLIANCE_POLICY "19"
#define TLS_STREAM_HAS_CNSA_POLICY (BORINGSSL_API_VERSION >= 33)
#define TLS_STREAM_NEEDS_CNSA_POLICY "33"

// The group X25519MLKEM768 has a macro of its own, SSL_GROUP_X25519_MLKEM768; this is the first number that was raised after it
// came.
#define TLS_STREAM_NEEDS_MLKEM "33"

#endif
