#!/bin/sh
# The same by UDP to a port where nobody listens: the target says "port unreachable".
# traceroute-udp.sh ADDRESS
case $1 in
*:*) l4 ask --step --until '!icmpv6.type==3' "ip6(dst=$1,hlim=1-30)/udp(dport=33434)/\"probe\"" ;;
*) l4 ask --step --until '!icmp.type==11' "ip(dst=$1,ttl=1-30)/udp(dport=33434)/\"probe\"" ;;
esac
