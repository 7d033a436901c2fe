#!/usr/bin/env python3
"""l4 serve --workers: one address, several threads, connections dealt out by flow, over TAP, TUN, a
packet socket and queues of AF_XDP. Each worker must serve, and every byte must be right.

Usage: serve_workers.py L4
"""
import os
import re
import shutil
import signal
import subprocess
import tempfile

import cli_lab
import lab
from cli_lab import expect

cli_lab.start("curl", "wrk")


def serve(kind, www):
    wire = cli_lab.Wire(kind, 3 if kind == "xdp" else 0)
    options = wire.options
    if kind == "xdp":
        for where, i in (([], "l4w"), (wire.kernel, "l4p")): # it carries plain frames
            lab.run(*where, "ethtool", "-K", i, "tso", "off", "gso", "off", "gro", "off", "tx", "off", check=False)
        r = lab.run(cli_lab.L4, "serve", *options, "--workers", "2", www, check=False)
        if "not built in" in r.stderr:
            print(f"SKIP of {kind}: {r.stderr.strip()}")
            wire.close()
            return
        expect(f"{kind}: a device for each queue", (r.returncode, "receives by 3 queues" in r.stderr), (3, True))
    if kind in ("tap", "tun"): # the interface must have several queues: l4 makes it
        lab.ip("tuntap", "del", "dev", "l4w", "mode", kind)
    out = tempfile.TemporaryFile("w+") # a pipe would fill
    p = subprocess.Popen([cli_lab.L4, "serve", *options, "--workers", "3", www], stdin=subprocess.DEVNULL,
                         stdout=out, stderr=subprocess.PIPE, text=True)
    line = p.stderr.readline()
    if kind == "xdp" and "Operation not" in line: # no right to, or no support in the driver
        print(f"SKIP of {kind}: {line.strip()}")
        p.wait()
        wire.close()
        return
    expect(f"{kind}: says where once", "on http://" in line, True)
    if kind in ("tap", "tun"):
        lab.ip("addr", "add", f"{cli_lab.KERNEL4}/24", "dev", "l4w")
        lab.ip("addr", "add", f"{cli_lab.KERNEL6}/64", "dev", "l4w", "nodad")
    want = cli_lab.digest(f"{www}/1M")
    for host in (wire.own4, f"[{wire.own6}]"):
        for i in range(12): # each its own flow
            copy = f"{www}/../out"
            r = wire.run("curl", "-s", "-S", "-g", "-m", "20", "-o", copy, f"http://{host}/1M",
                         stderr=subprocess.PIPE)
            if r.returncode or cli_lab.digest(copy) != want:
                lab.fail(f"{kind}: {host}, turn {i}: {r.stderr.decode()}")
    print(f"ok {kind}: 24 files")
    r = wire.run("wrk", "-c", "32", "-t", "1", "-d", "1", f"http://{wire.own4}/1k", stdout=subprocess.PIPE)
    said = r.stdout.decode()
    expect(f"{kind}: wrk", (r.returncode, "Socket errors" in said, "Non-2xx" in said), (0, False, False))
    n = int(re.search(r"(\d+) requests in", said).group(1))
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=15)[1]
    out.seek(0)
    log = out.read()
    expect(f"{kind}: ends by a signal", (p.returncode, "failed" in err), (0, False) if not p.returncode else (0, err))
    got = re.search(r"(\d+) requests answered \((\d+), (\d+), (\d+)\)", err)
    total, *each = (int(x) for x in got.groups())
    expect(f"{kind}: {each} add up, all serve", (sum(each) == total, total >= n + 24, min(each) > 0),
           (True, True, True))
    lines = log.splitlines()
    whole = re.compile(r"\[[^]]*\] - \S+ - GET - /1[kM]$")
    expect(f"{kind}: a whole line each", (len(lines), [x for x in lines if not whole.match(x)]), (total, []))
    if kind in ("packet", "xdp"):
        wire.close()


with tempfile.TemporaryDirectory() as tmp:
    os.mkdir(f"{tmp}/www")
    cli_lab.make_file(f"{tmp}/www/1M", 1 << 20)
    cli_lab.make_file(f"{tmp}/www/1k", 1000)
    for kind in "packet", "tap", "tun", "xdp":
        if kind in ("tap", "tun") and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            print(f"SKIP of {kind}: no /dev/net/tun")
        elif kind == "xdp" and not shutil.which("ethtool"):
            print(f"SKIP of {kind}: ethtool is not installed")
        else:
            serve(kind, f"{tmp}/www")
