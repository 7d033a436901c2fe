#!/usr/bin/env bash
# What demo, get, serve, dig, nc and bench say to wrong use: exit codes and messages, without a device.
# Usage: errors.sh L4
set -u
l4=$1 bad=0 n=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# try EXIT TEXT ARGUMENT...: this exit code, and this text on standard error.
try() {
	local want=$1 text=$2 rc
	shift 2
	n=$((n + 1))
	timeout 20 "$l4" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
	if [ $rc -ne "$want" ] || ! grep -qF -- "$text" "$tmp/err"; then
		echo "l4 $*: exit $rc, not $want, or no '$text' in: $(cat "$tmp/err")"
		bad=$((bad + 1))
	fi
}

for command in get serve dig nc bench; do
	case $command in
	get) words=(http://192.0.2.1/) ;;
	serve) words=("$tmp") ;;
	dig) words=(example.test @192.0.2.1) ;;
	nc) words=(192.0.2.1 80) ;;
	bench) words=(192.0.2.1) ;;
	esac
	try 2 'no device' $command "${words[@]}"
	try 2 "not a device 'eth0'" $command -d eth0 "${words[@]}"
	try 2 'tap:NAME' $command -d tap: "${words[@]}"
	try 2 '192.0.2.2/24' $command -d tap:x -a 192.0.2.300/24 "${words[@]}"
	try 2 '192.0.2.2/24' $command -d tap:x -a 192.0.2.1 "${words[@]}"
	try 2 '192.0.2.2/24' $command -d tap:x -a 192.0.2.1/33 "${words[@]}"
	try 2 "gateway 'here'" $command -g here "${words[@]}"
	try 2 "not an Ethernet address" $command --mac 01:00:00:00:00:01 "${words[@]}"
	try 2 "not an MTU" $command --mtu 10 "${words[@]}"
	try 2 "name server 'x'" $command --dns x "${words[@]}"
	try 2 "cannot read" $command --impair los=2% "${words[@]}"
	try 2 "not a seed" $command --seed -1 "${words[@]}"
	try 2 'packet:INTERFACE' $command -d tap:x --shared "${words[@]}"
	try 2 'tun needs an address' $command -d tun:x "${words[@]}"
	try 2 "invalid option -- '~'" $command -~ "${words[@]}"
	try 3 'nosuchif' $command -d packet:nosuchif -a 192.0.2.9/24 "${words[@]}"
done
try 2 'no URL' get
try 2 'more than one URL' get http://a/ http://b/
try 2 'is not a URL' get 'http://a b/'
try 2 'is not a URL' get 'http://a:70000/'
try 2 'is not a URL' get 'http:///x'
try 2 'is not a URL' get $'http://a/\r\nX: y'
try 2 'only http' get https://a/
try 2 'user names' get http://u:p@a/
try 2 'is not a header line' get -H 'no colon' http://a/
try 2 'is not a header line' get -H $'a: b\r\nc: d' http://a/
try 2 'needs a file' get -C http://a/
try 2 'not a time' get --timeout soon http://a/
try 2 'No such file' serve /nonexistent
try 2 'Not a directory' serve "$l4"
try 2 'more than one directory' serve a b
try 2 '--port' serve -p 70000 "$tmp"
try 2 '--max-connections' serve --max-connections 0 "$tmp"
try 2 'not a time' serve --idle-timeout -1 "$tmp"
try 2 '--workers' serve --workers 0 "$tmp"
try 2 '--workers' serve --workers 65 "$tmp"
try 2 'does not go with --shared' serve --workers 2 -d packet:x --shared "$tmp"
try 2 'does not go with --pcap' serve --workers 2 -d tap:x -a 10.0.0.1/24 --pcap f "$tmp"
try 2 'does not go with --trace' serve --workers 2 -d tap:x -a 10.0.0.1/24 --trace "$tmp"
try 2 'does not go with addresses by DHCP' serve --workers 2 -d tap:x "$tmp"
try 2 'no device' serve --workers 2 "$tmp"
try 3 'xdp:x: ' serve --workers 2 -d xdp:x -a 10.0.0.1/24 "$tmp"
try 3 'nosuchif' serve --workers 2 -d packet:nosuchif -a 10.0.0.1/24 "$tmp"
try 2 'no name' dig
try 2 'record type' dig a.test NOSUCH
try 2 'server address' dig a.test @ns.test
try 2 'domain name' dig 'a..test'
try 2 'address' dig -x a.test
try 2 'port' dig -p 0 a.test
try 2 'tries' dig --tries 0 a.test
try 2 'a host and a port' nc
try 2 'a host and a port' nc a
try 2 'not a port' nc a http
try 2 'not a port' nc a 65536
try 2 '-l takes' nc -l
try 2 'not an address of ours' nc -l a 80
try 2 'not a multicast group' nc -u -l -j 192.0.2.1 80
try 2 '--join goes with' nc -j 239.1.2.3 a 80
try 2 'not a time' nc -w 0 a 80
try 2 'no host' bench
try 2 'more than one host' bench a b
try 2 '--server takes no HOST' bench --server a
try 2 '--memory takes no HOST' bench --memory a
try 2 '--memory takes no HOST' bench --memory -d tap:x
try 2 '--kernel goes without' bench --kernel -d tap:x a
try 2 'tap:NAME or tun:NAME' bench -d packet:x --against-kernel 10.0.0.1/24
try 2 'not an IPv4 address with' bench --against-kernel 10.0.0.1
try 2 'takes no HOST' bench --against-kernel 10.0.0.1/24 a
try 2 'one of them' bench --memory --rr --reverse
try 2 '--crr does not go' bench --memory --crr -u
try 2 '32 to 65507' bench --memory -u -l 20
try 2 'go with --server' bench --memory -q
try 2 '--parallel' bench --memory -P 129
try 2 '--parallel' bench --memory -P 0
try 2 '--bytes' bench --memory -n 10X
try 2 '--bytes' bench --memory -n 1kk
try 2 '--bitrate' bench --memory -b fast
try 2 '--window' bench --memory -w 1
try 2 'not reno, cubic' bench --memory -C vegas
try 2 'not a time' bench --memory -t 0
try 2 "'x' is not an address" bench --server --bind x
try 1 'refused' bench --kernel -p 1 127.0.0.1
try 2 '--size' demo --size -1
try 2 'unexpected' demo now
try 2 'cannot read' demo --impair delay=fast
try 3 '/nonexistent/x' demo --pcap /nonexistent/x
echo "$n cases, $bad failures"
[ $bad -eq 0 ]
