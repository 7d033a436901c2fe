#!/bin/sh
# Who offers services on this link (UPnP's discovery)? All answers of two seconds. ssdp.sh INTERFACE
l4 ask -i "$1" --all --timeout 2s 'ip(dst=239.255.255.250,ttl=2)/udp(dport=1900)/"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n"'
