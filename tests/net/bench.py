#!/usr/bin/env python3
"""l4 bench: in memory, with the kernel's sockets at the other end of each kind of device, and with
itself over a veth pair; what is counted at both ends must agree.

Usage: bench.py L4
"""
import json
import os
import signal
import subprocess
import sys
import time

import cli_lab
import lab
from cli_lab import expect

cli_lab.start()
L4 = cli_lab.L4


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def pick(found, event, **keys):
    """The last row of this event with these values; the one of a sum if there is one."""
    got = [r for r in found if r["event"] == event and all(r.get(k) == v for k, v in keys.items())]
    if not got:
        lab.fail(f"no row {event} {keys} in {found}")
    return got[-1]


def run(cmd, *args, code=0, timeout=60):
    p = subprocess.run([*cmd, *args, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=timeout)
    if p.returncode != code:
        lab.fail(f"{' '.join([*cmd, *args])}: exit {p.returncode}, not {code}: {p.stderr}{p.stdout}")
    return rows(p.stdout)


def bulk(what, cmd, *args, up=True, down=False, total=None):
    """Figures of both ends: what one has had acknowledged or the other has received."""
    found = run(cmd, *args)
    for direction in ["up"] * up + ["down"] * down:
        sent = pick(found, "summary", direction=direction, counted_by="sender")["bytes"]
        got = pick(found, "summary", direction=direction, counted_by="receiver")["bytes"]
        if total is not None:
            expect(f"{what} {direction}: bytes", (sent, got), (total, total))
        else:
            expect(f"{what} {direction}: {sent} sent, {got} received",
                   sent > 100000 and got > 100000 and abs(sent - got) < max(sent, got) / 2 + (8 << 20), True)
    return found


def requests(what, cmd, *args):
    found = run(cmd, "-n", "50", *args)
    n, failed = (pick(found, "summary")[k] for k in ("transactions", "failed"))
    expect(f"{what}: transactions", n >= 50 and failed == 0, True)
    l = pick(found, "latency")
    expect(f"{what}: latencies in order", 0 < l["p50_us"] <= l["p90_us"] <= l["p99_us"] <= l["max_us"],
           True)


def datagrams(what, cmd, *args):
    """2000 datagrams of 100 bytes at 8 Mbit/s."""
    found = run(cmd, "-u", "-l", "100", "-b", "8M", "-n", "200000", "-t", "20", *args)
    r = pick(found, "summary", counted_by="receiver")
    expect(f"{what}: datagrams {r}", r["datagrams"] + r["lost"] == 2000 and r["datagrams"] > 1800 and
           r["jitter_ms"] >= 0, True)
    expect(f"{what}: pace", 0.15 < r["end"] < 15, True)


def all_of(what, cmd):
    bulk(f"{what}: bytes", cmd, "-n", "3M", "-P", "2", total=6000000)
    bulk(f"{what}: reverse", cmd, "-n", "3M", "-R", up=False, down=True, total=3000000)
    bulk(f"{what}: both ways", cmd, "-t", "0.3", "--bidir", down=True)
    requests(f"{what}: rr", [*cmd, "--rr"])
    datagrams(f"{what}: udp", cmd)
    datagrams(f"{what}: udp reverse", [*cmd, "-R"])


class Server:
    def __init__(self, cmd):
        self.p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        line = self.p.stderr.readline()
        if "serving" not in line:
            lab.fail(f"{cmd}: {line}")

    def stop(self, tests):
        self.p.send_signal(signal.SIGINT)
        out, err = self.p.communicate(timeout=10)
        expect("server ends by a signal", (self.p.returncode, err.strip()), (0, f"l4 bench: {tests} tests"))
        return out


def memory():
    cmd = [L4, "bench", "--memory"]
    all_of("memory", cmd)
    requests("memory: crr", [*cmd, "--crr", "-P", "4"])
    requests("memory: rr of datagrams", [*cmd, "--rr", "-u"])
    requests("memory: large requests", [*cmd, "--rr", "-l", "200k"])
    found = run(cmd, "-t", "0.5", "-i", "0.1", "-b", "80M", "--no-offload")
    lines = [r for r in found if r["event"] == "interval"]
    expect(f"memory: {len(lines)} intervals", 3 <= len(lines) <= 5, True)
    expect("memory: intervals follow", all(a["end"] == b["start"] for a, b in zip(lines, lines[1:])), True)
    rate = pick(found, "summary", counted_by="receiver")["bits_per_second"]
    expect(f"memory: {rate} bit/s of 80M", 40e6 < rate < 90e6, True)


def interrupted():
    p = subprocess.Popen([L4, "bench", "--memory", "-t", "60", "-i", "0.1"], stdout=subprocess.PIPE,
                         text=True)
    for _ in range(3):
        p.stdout.readline()
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=10)
    expect("Ctrl-C: summary", (p.returncode, "sent" in out, "received" in out), (0, True, True))


def devices():
    """Our client with the kernel's server, and the other way."""
    # shared first: TIME-WAIT of the kernel's servers would hold the port
    for kind in "shared", "packet", "tap", "tun":
        if kind in ("tap", "tun") and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            print(f"SKIP of {kind}: no /dev/net/tun")
            continue
        wire = cli_lab.Wire(kind)
        s = Server([*wire.kernel, L4, "bench", "--server", "--kernel", "--quiet"])
        ours = [L4, "bench", *wire.options, cli_lab.KERNEL4]
        all_of(f"{kind}, ours to the kernel", ours)
        bulk(f"{kind}, v6", [*ours[:-1], cli_lab.KERNEL6], "-n", "1M", total=1000000)
        tests = 7
        if kind != "shared":
            requests(f"{kind}: crr", [*ours, "--crr", "-P", "3"])
            tests += 1
        if kind == "tap":
            bulk("tap, plain frames", ours, "-n", "3M", "--no-offload", total=3000000)
            lossy = run(ours, "-u", "-l", "200", "-b", "4M", "-t", "0.4", "-R", "--impair", "loss=20%",
                        "--seed", "7")
            r = pick(lossy, "summary", counted_by="receiver")
            expect(f"tap: {r['lost']} of {r['lost'] + r['datagrams']} datagrams lost",
                   0.03 < r["lost"] / (r["lost"] + r["datagrams"]) < 0.5, True)
            tests += 2
        s.stop(tests)
        run(ours, code=1)  # nobody listens now
        s = Server([L4, "bench", *wire.options, "--server"])
        theirs = [*wire.kernel, L4, "bench", "--kernel", wire.own4]
        all_of(f"{kind}, the kernel to ours", theirs)
        requests(f"{kind}: crr to ours", [*theirs, "--crr", "-P", "3"])
        out = s.stop(7)
        expect(f"{kind}: a line each", len(out.splitlines()), 7)
        wire.close()


def ourselves():
    """Two of our stacks, an address of its own each."""
    lab.ns("l4-bench-peer")
    lab.veth(None, "l4b0", "l4-bench-peer", "l4b1")
    s = Server([*lab.inside("l4-bench-peer", L4), "bench", "-d", "packet:l4b1", "-a", "10.45.0.2/24",
                "--server", "--one-off"])
    bulk("ours to ours", [L4, "bench", "-d", "packet:l4b0", "-a", "10.45.0.1/24", "10.45.0.2"], "-n", "5M",
         "-P", "3", total=15000000)
    expect("one test and no more", s.p.wait(10), 0)
    lab.ip("netns", "del", "l4-bench-peer")


def against():
    cmd = [L4, "bench", "-d", "tap:l4b2", "-a", "10.46.0.2/24", "--against-kernel", "10.46.0.1/24"]
    bulk("against the kernel", cmd, "-n", "5M", total=5000000)
    requests("against the kernel: rr", [*cmd, "--rr"])
    end = time.monotonic() + 5
    while os.path.exists("/sys/class/net/l4b2") and time.monotonic() < end:
        time.sleep(0.02)
    expect("the interface went with it", "l4b2" in lab.ip("link").stdout, False)


def rude():
    """A server takes no nonsense and goes on."""
    s = Server([L4, "bench", "--server", "--kernel", "--bind", "127.0.0.1", "--port", "5211", "--quiet"])
    code = """
import socket, sys
good = b'l4bench 1 id=%016x mode=bulk udp=0 up=1 down=0 streams=1 len=100 rate=0 bytes=0 time=1000000000 window=0\\n'
def talk(*parts):
    c = socket.create_connection(('127.0.0.1', 5211), 5); c.settimeout(5)
    got = b''
    try:
        for p in parts:
            c.sendall(p)
            if p.endswith(b'\\n'): got += c.recv(1000)
        c.shutdown(socket.SHUT_WR)
        while True:
            b = c.recv(1000)
            if not b: break
            got += b
    except OSError: pass
    return got
assert talk(b'GET / HTTP/1.1\\r\\n\\r\\n') == b''
assert talk(b'l4bd' + b'\\0' * 12) == b''
assert talk(b'l4bench 2 what\\n').startswith(b'error')
assert talk(b'l4be' + b'x' * 4000) == b''
for old, new in ((b'streams=1 ', b'streams=1000 '), (b'len=100', b'len=0'), (b'len=100', b'len=99999999'),
                 (b'mode=bulk', b'mode=bulk2'), (b'up=1', b'up=0'), (b'udp=0', b'udp=1')):
    line = (good % 1).replace(old, new)
    if old == b'udp=0': line = line.replace(b'len=100', b'len=10')
    assert talk(line).startswith(b'error'), line
assert talk(good % 2) == b'ok\\n'
assert talk(good % 3, b'nonsense\\n') == b'ok\\n'
assert b'done cpu=' in talk(good % 4, b'end\\n')
print('polite')
"""
    expect("nonsense", lab.run(sys.executable, "-c", code).stdout.strip(), "polite")
    bulk("after it", [L4, "bench", "--kernel", "-p", "5211", "127.0.0.1"], "-n", "1M", total=1000000)
    s.stop(4)


def main():
    memory()
    interrupted()
    rude()
    devices()
    ourselves()
    if os.access("/dev/net/tun", os.R_OK | os.W_OK):
        against()


main()
