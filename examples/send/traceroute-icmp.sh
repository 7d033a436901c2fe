#!/bin/sh
# The routers on the way, by echo requests that each live one hop longer: traceroute-icmp.sh ADDRESS
case $1 in
*:*) l4 ask --step --until '!icmpv6.type==3' "ip6(dst=$1,hlim=1-30)/icmp6()" ;;
*) l4 ask --step --until '!icmp.type==11' "ip(dst=$1,ttl=1-30)/icmp()" ;;
esac
