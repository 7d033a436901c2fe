#!/bin/sh
# A DNS query by hand, with every field of the answer: dns.sh SERVER NAME [TYPE]
case $1 in
*:*) l4 ask --detail "ip6(dst=$1)/udp(dport=53)/dns(qname=$2,qtype=${3:-A})" ;;
*) l4 ask --detail "ip(dst=$1)/udp(dport=53)/dns(qname=$2,qtype=${3:-A})" ;;
esac
