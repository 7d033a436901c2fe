#!/usr/bin/env python3
"""A shared address: the kernel is quiet on our ports, only there, and talks again after kill -9.

Usage: guard.py HOLD
"""
import errno
import os
import select
import socket
import subprocess
import sys
import time

import lab

lab.enter("nft")
HOLD = os.path.abspath(sys.argv[1])
lab.ns("l4-device-peer")
lab.veth(None, "g0", "l4-device-peer", "g1", ["10.77.0.1/24", "fd77::1/64"],
         ["10.77.0.2/24", "fd77::2/64"])

PROBE = """
import socket, sys, errno
f, kind, addr, port = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if f == '6' else socket.AF_INET,
                  socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
s.settimeout(0.4)
try:
    s.connect((addr, int(port)))
    if kind == 'udp':
        s.send(b'x')
        s.recv(1)
    print('answered')
except socket.timeout:
    print('silent')
except ConnectionRefusedError:
    print('refused')
"""


def probe(f, kind, port):
    addr = "10.77.0.1" if f == "4" else "fd77::1"
    return lab.run(*lab.inside("l4-device-peer", sys.executable, "-c", PROBE, f, kind, addr,
                               str(port))).stdout.strip()


def expect(what, got, want):
    if got != want:
        lab.fail(f"{what}: {got!r}, not {want!r}")
    print(f"ok {what}: {got}")


def hold(*ports):
    p = subprocess.Popen([HOLD, "g0", *ports], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
    line = p.stdout.readline().strip()
    return p, line


def tables():
    return lab.run("nft", "list", "tables").stdout.strip()


lab.run("nft", "list", "tables")
p, line = hold("tcp/8080", "udp/5353")
if line != "ready":
    lab.skip(line)

for f in "46":
    expect(f"v{f} our TCP port", probe(f, "tcp", 8080), "silent")
    expect(f"v{f} another TCP port", probe(f, "tcp", 8081), "refused")
    expect(f"v{f} our UDP port", probe(f, "udp", 5353), "silent")
    expect(f"v{f} another UDP port", probe(f, "udp", 5354), "refused")
    expect(f"v{f} UDP port of our TCP number", probe(f, "udp", 8080), "refused")

# The kernel's own service on the shared address works beside ours.
server = socket.create_server(("10.77.0.1", 9090))
got = lab.run(*lab.inside("l4-device-peer", sys.executable, "-c",
                          "import socket; s=socket.create_connection(('10.77.0.1',9090),2);"
                          "print('connected')")).stdout.strip()
expect("the kernel's own port", got, "connected")
lab.run(*lab.inside("l4-device-peer", "ping", "-c1", "-W2", "10.77.0.1"), check=False)

# A second holder of the same port is refused; other ports may have other holders.
q, line = hold("tcp/8080")
expect("a port that is held", "has it" in line, True)
q.wait()
expect("its exit", q.returncode, 1)
q, line = hold("tcp/8090")
expect("a second holder", line, "ready")
expect("tables", tables().count("layer4-"), 2)
q.stdin.close()
expect("the second's exit", q.wait(), 0)
expect("tables after it", tables().count("layer4-"), 1)

# Nobody else can change the table while its owner lives.
name = tables().split()[-1]
expect("deleting it", lab.run("nft", "delete", "table", "inet", name, check=False).returncode != 0,
       True)

# What the holder saw: our ports only, no echo requests.
os.kill(p.pid, 9)
p.wait()
seen = set(p.stdout.read().split("\n")) - {""}
expect("ours seen", {"tcp 8080", "udp 5353"} <= seen, True)
others = {s for s in seen if s.startswith(("tcp", "udp"))} - {"tcp 8080", "udp 5353"}
expect("others seen", others, set())
expect("echo requests seen", seen & {"icmp 8", "icmp 128"}, set())

deadline = time.monotonic() + 5
while tables() and time.monotonic() < deadline:
    time.sleep(0.02)
expect("tables after kill -9", tables(), "")
expect("our port after kill -9", probe("4", "tcp", 8080), "refused")
print("PASS")
