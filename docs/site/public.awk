# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0

# Shows Doxygen a header as its users see it: without the inline namespace, without tls::detail, but for the base classes whose members
# are public, and without what the compiler writes itself where there is nothing to say about it. Every line stays where it is.

function is_own_file() { return FILENAME !~ /\/detail\// }

{ line = $0 }
/^inline namespace v0 \{$/ || /^\}  \/\/ namespace v0$/ { line = "" }
/^namespace detail \{$/ && is_own_file() { line = "/** @cond */ namespace detail {" }
/^\}  \/\/ namespace detail$/ && is_own_file() { line = "} /** @endcond */" }
/= default;$/ && /&&\)|const [a-z_:]+&|~|operator=/ && before !~ /^ *\/\/\// { line = "" }
# Doxygen takes this specialization for the one in asio.hpp, which has the same members.
FILENAME ~ /boost_asio/ && /^\/\/\/ TLS over a socket or stream of Boost.Asio's/ { line = "/** @cond */"; twin = 1 }
twin && /^};$/ { line = "}; /** @endcond */"; twin = 0 }
/^protected:$/ { line = "private:" }
{ print line; before = $0 }
