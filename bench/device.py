"""What the benchmarks on devices share: namespaces, l4 bench at both ends, rows.

Runs alternate between the two sides, so that what else the machine does hits both, and medians are
taken."""
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/net"))
import lab # noqa: E402

BUILD = os.environ.get("L4_BUILD_ROOT", os.path.join(HERE, "../build"))
L4 = os.environ.get("L4", os.path.join(BUILD, "l4"))
SECONDS = next((a for a in sys.argv[1:] if a[:1].isdigit()), "2")
TURNS = 3
NS = "l4-bench-dev"


def row(name, unit, mine, peer_name, peer, conditions, less_is_better=False):
    ratio = (peer / mine if less_is_better else mine / peer) if mine and peer else 0
    print(json.dumps({"name": name, "unit": unit, "layer4": round(mine, 3), "peer_name": peer_name,
                      "peer": round(peer, 3), "ratio": round(ratio, 3),
                      "conditions": conditions + f"; medians of {TURNS} x {SECONDS} s in turn, "
                      f"{os.cpu_count()} CPUs"}), flush=True)


def start(cmd, word="serving"):
    """A server; waits for the line that says so."""
    p = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    line = p.stderr.readline()
    if word not in line:
        lab.fail(f"{' '.join(cmd)}: {line}")
    return p


def stop(p):
    p.terminate()
    p.communicate(timeout=20)


def client(cmd, *args):
    """Rows of l4 bench."""
    p = lab.run(*cmd, *args, "-t", SECONDS, "-i", "0", "--json")
    return [json.loads(line) for line in p.stdout.splitlines()]


def pick(rows, event, **keys):
    return [r for r in rows if r["event"] == event and all(r.get(k) == v for k, v in keys.items())][-1]


def in_turn(*measures):
    """The median of each."""
    got = [[] for _ in measures]
    for _ in range(TURNS):
        for values, measure in zip(got, measures):
            values.append(measure())
    if isinstance(got[0][0], tuple):
        return [tuple(statistics.median(v) for v in zip(*values)) for values in got]
    return [statistics.median(v) for v in got]


def wait_device(name):
    end = time.monotonic() + 10
    while not os.path.exists(f"/sys/class/net/{name}"):
        if time.monotonic() > end:
            lab.fail(f"no interface {name}")
        time.sleep(0.02)
