#!/usr/bin/env python3
"""The kernel's ping, UDP and TCP against a layer4 host on TAP, TUN, packet sockets and a shared
address, IPv4 and IPv6, with and without offloads and impairments. Usage: kernel.py PEER
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import lab

lab.enter("ping")
PEER = os.path.abspath(sys.argv[1])
TMP = tempfile.mkdtemp()
OURS = "02:00:00:00:07:07"

EXCHANGE = r"""
import os, socket, sys, threading, hashlib
addr, size = sys.argv[1], int(sys.argv[2])
f = socket.AF_INET6 if ':' in addr else socket.AF_INET
u = socket.socket(f, socket.SOCK_DGRAM)
u.settimeout(0.7)
u.connect((addr, 7))
# Every frame of a datagram and its echo must pass: 60000 bytes are 84 of them, and through losses of
# a few in a hundred hardly ever would.
for n in (0, 1, 100, 1400, 5000, 15000 if 'impaired' in sys.argv else 60000):
    data = os.urandom(n)
    for attempt in range(20):
        u.send(data)
        try:
            got = u.recv(70000)
            while got != data:
                got = u.recv(70000)
            break
        except socket.timeout:
            if 'impaired' not in sys.argv:
                sys.exit(f'no echo of {n} bytes')
    else:
        sys.exit(f'never an echo of {n} bytes')
print('udp')
# TCP echo, byte for byte, while both directions are full.
data = os.urandom(1 << 16) * (size >> 16)
s = socket.create_connection((addr, 7), 20)
s.settimeout(60)
def feed():
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
t = threading.Thread(target=feed)
t.start()
h, n = hashlib.sha256(), 0
while True:
    b = s.recv(1 << 20)
    if not b:
        break
    h.update(b)
    n += len(b)
t.join()
if h.digest() != hashlib.sha256(data).digest():
    sys.exit(f'echo differs: {n} of {len(data)} bytes')
print('tcp')
# A reset by the kernel, and a closed port.
s = socket.create_connection((addr, 19), 20)
s.recv(100)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
s.close()
try:
    socket.create_connection((addr, 4), 3)
    sys.exit('port 4 is open')
except ConnectionRefusedError:
    print('refused')
except socket.timeout:
    print('silent')
"""


def expect(what, ok, detail=""):
    if not ok:
        lab.fail(f"{what}: {detail}")
    print(f"ok {what} {detail}", flush=True)


def session(what, spec, addresses, peers, *options, where=None, size=8 << 20, ping=True,
            closed="refused"):
    pcap = f"{TMP}/{what.replace(' ', '-')}.pcapng"
    p = subprocess.Popen([PEER, spec, ",".join(addresses), f"pcap={pcap}", *options],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = p.stdout.readline().strip()
    if line != "ready":
        lab.fail(f"{what}: {line}")
    if callable(peers):
        peers()
    if where: # the address may have had another MAC before
        lab.ip("-n", where, "neigh", "flush", "all")
    for a in addresses:
        a = a.split("/")[0]
        at = (lambda *c: lab.inside(where, *c)) if where else (lambda *c: list(c))
        if ping:
            for big in ("56", "3000"):
                r = lab.run(*at("ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", big, a), check=False)
                expect(f"{what} ping {big} {a}", " 0 received" not in r.stdout and r.returncode == 0,
                       r.stdout[-200:] if r.returncode else "")
        kind = ["impaired"] if any(o.startswith("impair=") for o in options) else []
        try:
            r = lab.run(*at(sys.executable, "-c", EXCHANGE, a, str(size), *kind), check=False,
                        timeout=100)
            out, err = r.stdout.split(), r.stderr
        except subprocess.TimeoutExpired as e:
            out, err = [], f"still running after {e.timeout} s"
        if out != ["udp", "tcp", closed]:
            keep = f"/tmp/l4-kernel-{what.replace(' ', '-')}.pcapng"
            p.communicate("")
            shutil.copy(pcap, keep)
            lab.fail(f"{what} {a}: {out} {err.strip()[-300:]} (capture: {keep})")
        expect(f"{what} {a}", True, " ".join(out))
    out, _ = p.communicate("")
    expect(what, p.returncode == 0, out.strip())
    if shutil.which("tshark") and not kind:
        # The kernel stores 0xffff for a sum of zero, in TCP too; we must not, but a peer may.
        ours = " || ".join(f"{'ipv6' if ':' in a else 'ip'}.src=={a.split('/')[0]}" for a in addresses)
        t = lab.run("tshark", "-r", pcap, "-o", "udp.check_checksum:TRUE", "-o",
                    "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y",
                    f"(tcp.checksum.status==0 && (tcp.checksum!=0xffff || {ours})) || "
                    "udp.checksum.status==0 || ip.checksum.status==0 || _ws.malformed", "-c", "20000", check=False)
        expect(f"{what} capture", t.returncode == 0 and not t.stdout.strip(), t.stdout[:300])
    os.unlink(pcap)


def addresses_of(dev, v4, v6):
    def do():
        lab.ip("addr", "add", v4, "dev", dev)
        lab.ip("addr", "add", v6, "dev", dev, "nodad")
    return do


IMPAIR = "impair=loss=3%,reorder=3%,delay=10ms"
if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
    print("SKIP of TAP and TUN: /dev/net/tun is not there, or not for us")
else:
    for kind in "tap", "tun":
        kernel = addresses_of("l4dev", "10.78.0.1/24", "fd78::1/64")
        ours = ["10.78.0.2/24", "fd78::2/64"]
        session(kind, f"{kind}:l4dev", ours, kernel)
        session(f"{kind} plain", f"{kind}:l4dev", ours, kernel, "plain")
        session(f"{kind} impaired", f"{kind}:l4dev", ours, kernel, IMPAIR, size=1 << 20, ping=False)

lab.ns("l4-device-peer")
lab.veth(None, "d0", "l4-device-peer", "d1", [], ["10.80.0.1/24", "fd80::1/64"])
lab.ip("addr", "flush", "dev", "d0") # also its link-local address: the kernel has no voice there
ours = ["10.80.0.2/24", "fd80::2/64"]
at = {"where": "l4-device-peer"}
session("packet", "packet:d0", ours, None, **at)
session("packet own MAC", "packet:d0", ours, None, f"mac={OURS}", **at)
session("packet plain", "packet:d0", ours, None, "plain", **at)
session("packet impaired", "packet:d0", ours, None, IMPAIR, size=1 << 20, ping=False, **at)
# AF_XDP sees frames as the other end of the veth left them: with sums that no device would add.
missing = lab.run(PEER, "xdp:d0", "10.80.0.2/24", check=False, input="").stdout
if "not built in" in missing or "no AF_XDP" in missing:
    print(f"SKIP of AF_XDP: {missing.strip()}")
elif not shutil.which("ethtool"):
    print("SKIP of AF_XDP: ethtool is not installed")
else:
    lab.run(*lab.inside("l4-device-peer", "ethtool", "-K", "d1", "tx", "off", "tso", "off", "gso", "off"))
    session("xdp", "xdp:d0", ours, None, **at)
    session("xdp impaired", "xdp:d0", ours, None, IMPAIR, size=1 << 20, ping=False, **at)
    links = lab.ip("link", "show", "d0").stdout
    expect("the program of AF_XDP goes with the process", "xdp" not in links, links)
    lab.run(*lab.inside("l4-device-peer", "ethtool", "-K", "d1", "tx", "on", "tso", "on", "gso", "on"))
lab.ip("addr", "add", "10.80.0.2/24", "dev", "d0")
lab.ip("addr", "add", "fd80::2/64", "dev", "d0", "nodad")
session("shared", "packet:d0", ours, None, "shared", **at)
print("PASS")
