#!/bin/sh
# The same by SYN, which gets through where others are filtered: traceroute-tcp.sh ADDRESS [PORT]
case $1 in
*:*) l4 ask --step --until '!icmpv6' "ip6(dst=$1,hlim=1-30)/tcp(dport=${2:-80},flags=S)" ;;
*) l4 ask --step --until '!icmp' "ip(dst=$1,ttl=1-30)/tcp(dport=${2:-80},flags=S)" ;;
esac
