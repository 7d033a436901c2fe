#!/usr/bin/env bash
# l4 demo: every byte arrives; same seed, same bytes out, twice; tshark finds nothing wrong.
# Usage: demo.sh L4
set -u
l4=$1 bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "demo: $*"; bad=$((bad + 1)); }

run() { # NAME ARGUMENT...
	local name=$1
	shift
	timeout 60 "$l4" demo --pcap "$tmp/pcap" "$@" >"$tmp/$name" 2>"$tmp/err" || fail "$name: exit $?: $(tail -n 1 "$tmp/$name") $(cat "$tmp/err")"
	mv "$tmp/pcap" "$tmp/$name.pcapng"
}

for version in '' -6; do
	run first $version
	run second $version
	cmp -s "$tmp/first" "$tmp/second" || fail "same seed, other ladder ($version)"
	cmp -s "$tmp/first.pcapng" "$tmp/second.pcapng" || fail "same seed, other capture ($version)"
	run third $version --seed 99
	cmp -s "$tmp/first.pcapng" "$tmp/third.pcapng" && fail "other seed, same capture ($version)"
	for what in '\[SYN\] Seq=0 Win=[0-9]* Len=0 MSS=[0-9]* SACK_PERM TSval=[0-9]* TSecr=0 WS=' \
		'\[SYN, ACK\] Seq=0 Ack=1 ' 'DNS question' 'DNS answer' 'GET /index.html HTTP/1.1' \
		'◀── server .*\[FIN, [A-Z, ]*ACK\]' '──▶ server .*\[FIN, [A-Z, ]*ACK\]' 'of gzip' \
		'Every byte arrived'; do
		grep -q -- "$what" "$tmp/first" || fail "no '$what' in the ladder ($version)"
	done
	if command -v tshark >/dev/null; then
		checks=(-o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE)
		wrong='_ws.malformed or tcp.checksum.status == 0 or udp.checksum.status == 0 or ip.checksum.status == 0'
		for name in first third; do
			tshark -r "$tmp/$name.pcapng" "${checks[@]}" -Y "$wrong" >"$tmp/wrong" 2>/dev/null || fail "tshark cannot read $name"
			[ -s "$tmp/wrong" ] && fail "tshark: $(cat "$tmp/wrong")"
		done
		# the ladder's words are Wireshark's
		tshark -r "$tmp/first.pcapng" -Y 'tcp.flags.syn == 1' -T fields -e _ws.col.Info 2>/dev/null |
			while read -r line; do
				grep -qF -- "$line" "$tmp/first" || echo "not in the ladder: $line"
			done >"$tmp/wrong"
		[ -s "$tmp/wrong" ] && fail "$(cat "$tmp/wrong")"
		tshark -r "$tmp/first.pcapng" -Y 'frame.comment' -T fields -e frame.comment 2>/dev/null |
			grep -q 'connect' || fail "no packet comments in the capture"
	fi
done
for seed in 1 2 3 4 5 6 7 8 9 10; do
	run "seed$seed" --seed $seed --impair loss=10%,delay=30ms,reorder=5%,dup=2%,corrupt=1%,rate=5mbit -q
done
run empty --size 0
run large --size 3000000 -q
run json --json
if command -v python3 >/dev/null; then
	python3 -c 'import json, sys; [json.loads(x) for x in sys.stdin]' <"$tmp/json" || fail "--json is not JSON"
fi
timeout 60 "$l4" demo --pcap '' --impair loss=100% -q >"$tmp/lost"
[ $? -eq 1 ] || fail "everything lost, and not exit 1"
if [ -w /dev/full ]; then
	timeout 60 "$l4" demo --pcap '' >/dev/full 2>/dev/null
	[ $? -eq 3 ] || fail "full standard output, and not exit 3"
	timeout 60 "$l4" demo --pcap /dev/full >/dev/null 2>&1
	[ $? -eq 3 ] || fail "full capture, and not exit 3"
fi
echo "$bad failures"
[ $bad -eq 0 ]
