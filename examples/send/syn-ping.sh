#!/bin/sh
# Is a port open? SYN, ACK says yes, RST says no, silence says that somebody filters:
# syn-ping.sh ADDRESS [PORT[,PORT...]]
case $1 in
*:*) l4 ask "ip6(dst=$1)/tcp(dport=[${2:-80}],flags=S,options=[mss(1440)])" ;;
*) l4 ask "ip(dst=$1)/tcp(dport=[${2:-80}],flags=S,options=[mss(1460)])" ;;
esac
