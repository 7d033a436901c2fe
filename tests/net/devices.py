#!/usr/bin/env python3
"""TAP, TUN and packet sockets carry datagrams between the kernel and a program without a stack:
small and full ones, and super-frames where the device takes them; and captures are what tshark
calls right. Usage: devices.py REFLECT
"""
import ctypes
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile

import lab

lab.enter()
REFLECT = os.path.abspath(sys.argv[1])
IO_URING_SETUP = 425 # the same on every machine
TMP = tempfile.mkdtemp()
OURS = "02:00:00:00:07:07"

EXCHANGE = r"""
import socket, sys
addr, gso = sys.argv[1], int(sys.argv[2])
f = socket.AF_INET6 if ':' in addr else socket.AF_INET
s = socket.socket(f, socket.SOCK_DGRAM)
s.settimeout(3)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.connect((addr, 7))
def pattern(n, k):
    return bytes((i * 7 + i // 256 * 13 + k) & 255 for i in range(n))
for n in (1, 2, 17, 100, 999, 1452):
    s.send(pattern(n, n))
    assert s.recv(70000) == pattern(n, n), n
if gso:
    s.setsockopt(socket.IPPROTO_UDP, 103, 1400)
    data = pattern(40001, 3)
    s.send(data)
    got = [s.recv(70000) for _ in range(-(-len(data) // 1400))]
    assert [len(g) for g in got[:-1]] == [1400] * (len(got) - 1), [len(g) for g in got]
    assert b''.join(got) == data
print('same')
"""


def expect(what, ok, detail=""):
    if not ok:
        lab.fail(f"{what}: {detail}")
    print(f"ok {what} {detail}")


def io_uring_here():
    """Whether the system lets programs have it, and ours was built with it."""
    fd = ctypes.CDLL(None).syscall(IO_URING_SETUP, 4, ctypes.create_string_buffer(120))
    if fd >= 0:
        os.close(fd)
    return fd >= 0 and "liburing" in lab.run("ldd", REFLECT).stdout


def rings(p):
    fds = f"/proc/{p.pid}/fd"
    return sum("[io_uring]" in os.readlink(f"{fds}/{n}") for n in os.listdir(fds))


def session(what, where, spec, peers, *options, gso=True, ring=None):
    """Runs reflect on a device and exchanges datagrams with it from namespace `where`. ring: whether
    batches are to go by io_uring; False takes from the program the right to more descriptors."""
    pcap = f"{TMP}/{what.replace(' ', '-')}.pcapng"
    p = subprocess.Popen([REFLECT, spec, f"pcap={pcap}", *options], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    line = p.stdout.readline().strip()
    if line != "ready":
        lab.fail(f"{what}: {line}")
    if ring is False:
        held = set(map(int, os.listdir(f"/proc/{p.pid}/fd")))
        n = min(set(range(len(held) + 1)) - held)
        resource.prlimit(p.pid, resource.RLIMIT_NOFILE, (n, n))
    setup = peers() if callable(peers) else peers
    for addr in setup:
        cmd = [sys.executable, "-c", EXCHANGE, addr, str(int(gso))]
        r = lab.run(*(lab.inside(where, *cmd) if where else cmd), check=False)
        expect(f"{what} {addr}", r.stdout.strip() == "same", r.stderr.strip()[-300:])
    if ring is not None:
        expect(f"{what} rings", rings(p) == int(ring), str(rings(p)))
    out, _ = p.communicate("")
    if ring:
        expect(f"{what} gone with its program", f"{spec.split(':')[1]}:" not in lab.ip("link").stdout)
    figures = dict(zip(out.split()[::2], map(int, out.split()[1::2])))
    expect(what, p.returncode == 0 and figures["dropped"] == 0, out.strip())
    if shutil.which("tshark"):
        t = lab.run("tshark", "-r", pcap, "-o", "udp.check_checksum:TRUE", "-o",
                    "ip.check_checksum:TRUE", "-Y",
                    "udp.checksum.status==0 || ip.checksum.status==0 || _ws.malformed", check=False)
        expect(f"{what} capture", t.returncode == 0 and not t.stdout.strip(), t.stdout[:300])
        n = lab.run("tshark", "-r", pcap, "-Y", "udp.port==7").stdout.count("\n")
        expect(f"{what} capture's packets", n >= 12 * len(setup), str(n))
    return figures


if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
    print("SKIP of TAP and TUN: /dev/net/tun is not there, or not for us")
else:
    def tap_peers():
        lab.ip("addr", "add", "10.78.0.1/24", "dev", "l4tap")
        lab.ip("addr", "add", "fd78::1/64", "dev", "l4tap", "nodad")
        for a in ("10.78.0.2", "fd78::2"):
            lab.ip("neigh", "add", a, "lladdr", OURS, "dev", "l4tap", "nud", "permanent")
        return "10.78.0.2", "fd78::2"

    def tun_peers():
        lab.ip("addr", "add", "10.79.0.1/24", "dev", "l4tun")
        lab.ip("addr", "add", "fd79::1/64", "dev", "l4tun", "nodad")
        return "10.79.0.2", "fd79::2"

    f = session("tap", None, "tap:l4tap", tap_peers)
    expect("tap super-frames", f["supers"] >= 2 and f["largest"] > 40000, str(f))
    f = session("tap plain", None, "tap:l4tap", tap_peers, "plain", ring=io_uring_here())
    expect("tap plain frames", f["supers"] == 0 and f["unfinished"] == 0, str(f))
    session("tap without io_uring", None, "tap:l4tap", tap_peers, "plain", ring=False)
    f = session("tun", None, "tun:l4tun", tun_peers)
    expect("tun super-frames", f["supers"] >= 2, str(f))
    f = session("tun slow", None, "tun:l4tun", tun_peers, "impair=delay=20ms,jitter=5ms")
    # Two programs, a queue each: the kernel deals the flows out, and either answers.
    other = subprocess.Popen([REFLECT, "tap:l4tap", "queue"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    expect("first queue", other.stdout.readline().strip() == "ready")
    p = subprocess.Popen([REFLECT, "tap:l4tap", "queue"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    expect("second queue", p.stdout.readline().strip() == "ready")
    for a in tap_peers() * 4:
        r = lab.run(sys.executable, "-c", EXCHANGE, a, "1", check=False)
        expect(f"queues {a}", r.stdout.strip() == "same", r.stderr.strip()[-300:])
    seen = [int(q.communicate("")[0].split()[1]) for q in (p, other)]
    expect("queues together", sum(seen) == 8 * 7, str(seen))
    expect("interfaces gone", "l4t" not in lab.ip("link").stdout)

lab.ns("l4-device-peer")
lab.veth(None, "d0", "l4-device-peer", "d1", [], ["10.80.0.1/24", "fd80::1/64"])
own = json.loads(lab.ip("-j", "link", "show", "d0").stdout)[0]["address"]


def packet_peers(mac):
    for a in ("10.80.0.2", "fd80::2"):
        lab.ip("-n", "l4-device-peer", "neigh", "replace", a, "lladdr", mac, "dev", "d1", "nud",
               "permanent")
    return "10.80.0.2", "fd80::2"


f = session("packet", "l4-device-peer", "packet:d0", lambda: packet_peers(own))
expect("packet super-frames", f["supers"] >= 2, str(f))
f = session("packet own MAC", "l4-device-peer", "packet:d0", lambda: packet_peers(OURS),
            f"mac={OURS}")
expect("packet unfinished checksums", f["unfinished"] > 0, str(f))
f = session("packet impaired", "l4-device-peer", "packet:d0", lambda: packet_peers(own),
            "impair=delay=10ms")
for bad, why in (("packet:nosuch", "No such device"), ("tap:lo", "Invalid"), ("tun:d0", "Invalid")):
    r = lab.run(REFLECT, bad, check=False, input="")
    expect(f"error of {bad}", r.returncode == 3 and why in r.stdout, r.stdout.strip())
print("PASS")
