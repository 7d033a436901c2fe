#!/bin/sh
# Who is on this link? arp-sweep.sh PREFIX, as 192.0.2.0/24
l4 ask --timeout 500ms "arp(pdst=$1)"
