#!/usr/bin/env python3
"""How flows share, by l4 sim in virtual time: two CUBIC flows with equal round trips, CUBIC beside Reno
where CUBIC is to be as friendly as Reno, and the queue that BBR leaves in a deep buffer. TAP output
with the figures. Usage: share.py L4
"""
import json
import subprocess
import sys

L4 = sys.argv[1]
SEEDS = range(1, 6)
ms = 25  # one way


def run(rate_mbit, one_way_ms, queue, flows, seed, seconds=80, loss=0):
    # starts differ by the seed, so that the seeds are not one run
    text = f"""time {seconds}s
seed {seed}
set rcvbuf_max=32m sndbuf_max=32m
host a
host b
link a b rate={rate_mbit}mbit,delay={one_way_ms}ms,queue={int(queue)},loss={loss}% delay={one_way_ms}ms
"""
    for i, cc in enumerate(flows):
        text += f"flow f{i} a b bulk cc={cc} start={i * seed * 37}ms\n"
    out = subprocess.run([L4, "sim", "--json", "-"], input=text, stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    return [r for r in rows if "flow" in r], [r for r in rows if "link" in r][0], rows[-1]


def bdp(rate_mbit, one_way_ms):
    return rate_mbit * 1e6 / 8 * 2 * one_way_ms / 1e3


n = bad = 0


def report(ok, text):
    global n, bad
    n += 1
    bad += not ok
    print(f"{'' if ok else 'not '}ok {n} - {text}", flush=True)


for rate in (10, 100) if "--all" in sys.argv else (10,):
    jain = [run(rate, ms, bdp(rate, ms), ("cubic", "cubic"), s)[2]["jain"] for s in SEEDS]
    mean = sum(jain) / len(jain)
    report(mean >= 0.95, f"two CUBIC flows, {rate} Mbit/s, 50 ms: Jain {mean:.3f} (least {min(jain):.3f}), at least 0.95")
# by the queue's losses, which both see at once, and by chance
for rate, delay, loss in ((10, 25, 0), (20, 20, 0), (20, 10, 1)):
    share = [run(rate, delay, bdp(rate, delay), ("cubic", "reno"), s, loss=loss)[0][0]["share"] for s in SEEDS]
    mean = sum(share) / len(share)
    report(0.4 <= mean <= 0.6, f"CUBIC beside Reno, {rate} Mbit/s, {2 * delay} ms, {loss} % lost: {mean:.3f} of the goodput "
           f"({min(share):.3f} to {max(share):.3f}), 0.4 to 0.6")
for rate in (10, 100) if "--all" in sys.argv else (10,):
    delay = [run(rate, ms, 4 * bdp(rate, ms), ("bbr",), s, 60)[1]["queue_mean_ms"] for s in SEEDS]
    worst = max(delay)
    report(worst <= ms, f"BBR, {rate} Mbit/s, 50 ms, buffer of four products: mean queue {worst:.1f} ms at the worst, at most {ms}")
print(f"1..{n}")
sys.exit(1 if bad else 0)
