#!/usr/bin/env bash
# l4 sim: the scenarios of examples/ run and their pages are whole; same seed, same bytes of trace,
# capture and page; errors name file and line; a JSON summary that is JSON.
# Usage: sim.sh L4
set -u
l4=$1 bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "sim: $*"; bad=$((bad + 1)); }
root=${L4_SOURCE_ROOT:-$(dirname "$0")/../..}

html=yes
"$l4" sim --time 1 -q --html "$tmp/page" "$root/examples/scenarios/loss.sim" 2>"$tmp/err"
if [ $? -eq 3 ] && grep -q 'libjs-chart.js' "$tmp/err"; then
	echo "sim: built without Chart.js; pages not tested"
	html=
fi
for f in "$root"/examples/scenarios/*.sim; do
	name=${f##*/}
	for n in 1 2; do
		timeout 60 "$l4" sim --time 8 --seed 11 --trace "$tmp/trace$n" --pcap "$tmp/pcap$n" ${html:+--html "$tmp/page$n"} \
			"$f" >"$tmp/out$n" 2>"$tmp/err"
		rc=$?
		# loss.sim is not done in 8 s
		[ $rc -eq 0 ] || { [ $rc -eq 1 ] && grep -q 'not done in time' "$tmp/out$n"; } || fail "$name: exit $rc: $(cat "$tmp/err")"
	done
	for what in out trace pcap ${html:+page}; do
		cmp -s "$tmp/${what}1" "$tmp/${what}2" || fail "$name: same seed, other $what"
	done
	timeout 60 "$l4" sim --time 8 --seed 12 --trace "$tmp/trace2" -q "$f"
	cmp -s "$tmp/trace1" "$tmp/trace2" && fail "$name: other seed, same trace"
	[ "$(wc -l <"$tmp/trace1")" -gt 100 ] || fail "$name: hardly a trace"
	if [ -n "$html" ]; then
		grep -q 'Chart.js v' "$tmp/page1" || fail "$name: the page lacks the library"
		grep -q '@DATA@\|@CHART@' "$tmp/page1" && fail "$name: the page lacks its data"
		grep -qE '(src|href) *= *"' "$tmp/page1" && fail "$name: the page loads something"
	fi
	if command -v tshark >/dev/null; then
		tshark -r "$tmp/pcap1" -o tcp.check_checksum:TRUE -Y 'tcp.checksum.status == 0' -c 20000 2>/dev/null >"$tmp/wrong"
		[ -s "$tmp/wrong" ] && [ "$name" != loss.sim ] && fail "$name: tshark: $(head -n 2 "$tmp/wrong")"
	fi
done
timeout 60 "$l4" sim "$root/examples/scenarios/loss.sim" >"$tmp/out" || fail "loss.sim: exit $?"
grep -q 'file .* done at' "$tmp/out" || fail "loss.sim: the file did not arrive"

if command -v python3 >/dev/null; then
	timeout 60 "$l4" sim --json --trace "$tmp/trace" "$root/examples/scenarios/web.sim" >"$tmp/json" || fail "web.sim --json: exit $?"
	python3 - "$tmp/json" "$tmp/trace" ${html:+"$tmp/page1"} <<'P' || fail "not what it should be in JSON"
import json, re, sys
rows = [json.loads(x) for x in open(sys.argv[1])]
flows = {r["flow"]: r for r in rows if "flow" in r}
assert rows[-1]["ok"] is True and set(flows) == {"pages", "api", "video", "bulk", "voice"}, rows
assert flows["api"]["responses"] > 100 and flows["api"]["p50_ms"] >= 30, flows["api"]
assert flows["voice"]["received"] <= flows["voice"]["sent"]
events = [json.loads(x) for x in open(sys.argv[2])]
assert {"tcp_send", "tcp_cwnd", "tcp_rtt", "flow_start", "flow_done", "response"} <= {e["event"] for e in events}
assert all(a["t"] <= b["t"] for a, b in zip(events, events[1:]))
for page in sys.argv[3:]:
    data = json.loads(re.search(r"^const R = (.*?);\nconst \$", open(page).read(), re.M | re.S).group(1))
    assert data["flows"] and all(len(f["bins"]) == 240 for f in data["flows"])
    for f in data["flows"]:
        for k in ("cwnd", "ssthresh", "flight", "srtt", "acked", "sent"):
            if k in f:
                assert len(f[k]["t"]) == len(f[k]["v"]) <= 4008, (k, len(f[k]["t"]))
                assert f[k]["t"] == sorted(f[k]["t"]), k
P
fi

# wrong scenarios: exit 2, and the line is named
wrong() { # LINE-NUMBER WORDS SCENARIO
	printf '%b' "$3" | timeout 10 "$l4" sim - >"$tmp/out" 2>"$tmp/err"
	local rc=$?
	[ $rc -eq 2 ] || fail "'$3': exit $rc, not 2"
	[ -s "$tmp/out" ] && fail "'$3': writes to standard output"
	grep -q "standard input:$1: .*$2" "$tmp/err" || fail "'$3': $(cat "$tmp/err")"
}
two='host a\nhost b\nlink a b delay=1ms\n'
wrong 1 'no flow' 'host a\n'
wrong 1 'no statement' 'hosts a\n'
wrong 2 'there already' 'host a\nhost a\n'
wrong 1 'no setting' 'host a colour=red\n'
wrong 1 'expected on or off' 'host a sack=maybe\n'
wrong 1 'cubic, reno and bbr' 'host a cc=vegas\n'
wrong 2 'not known' 'host a\nlink a b delay=1ms\n'
wrong 3 "cannot read 'dalay" 'host a\nhost b\nlink a b loss=1%,dalay=1ms\n'
wrong 4 'linked already' "${two}link b a delay=1ms\n"
wrong 4 'no kind of flow' "${two}flow f a b torrent\n"
wrong 4 'stops before' "${two}flow f a b bulk start=2s stop=1s\n"
wrong 4 'no link between' "host a\nhost b\nhost c\nat 1s link a c loss=1%\n"
wrong 3 'switch' "host a\nswitch s\nflow f a s bulk\n"
printf 'host a\nhost b\nflow f a b bulk\n' | timeout 10 "$l4" sim - 2>"$tmp/err"
[ $? -eq 2 ] || fail "hosts without a common network, and not exit 2"
grep -q 'no common network' "$tmp/err" || fail "hosts without a common network: $(cat "$tmp/err")"
timeout 10 "$l4" sim /nowhere/at.all 2>"$tmp/err"
[ $? -eq 3 ] || fail "no such file, and not exit 3"
printf '%bflow f a b bulk size=1m\ntime 5s\n' "$two" >"$tmp/short.sim"
timeout 10 "$l4" sim -q "$tmp/short.sim" || fail "a megabyte in five seconds: exit $?"
printf 'host a syn_retries=1\nhost b\nlink a b loss=100%%\nflow f a b bulk\ntime 30s\n' | timeout 10 "$l4" sim - >"$tmp/out"
[ $? -eq 1 ] || fail "nothing can pass, and not exit 1"
if [ -w /dev/full ]; then
	for o in --trace --pcap ${html:+--html}; do
		timeout 10 "$l4" sim -q "$o" /dev/full "$tmp/short.sim" 2>/dev/null
		[ $? -eq 3 ] || fail "$o /dev/full, and not exit 3"
	done
fi
echo "$bad failures"
[ $bad -eq 0 ]
