#!/usr/bin/env python3
"""l4 nc with peers on the kernel's sockets that half-close, reset, go silent, close their window.

Usage: nc.py L4
"""
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time

import cli_lab
import lab
from cli_lab import KERNEL4, KERNEL6, expect

cli_lab.start("ip")

# A TCP server on port 7000 of the kernel that behaves as its first argument says.
PEER = """
import hashlib, socket, struct, sys, time
how = sys.argv[1]
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if how == 'closed-window': s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.bind(('::', 7000)); s.listen(1); print('up', flush=True)
c, a = s.accept()
def rest():
    h, n = hashlib.sha256(), 0
    while True:
        b = c.recv(65536)
        if not b: return h.hexdigest()
        h.update(b)
if how == 'echo-after-eof':
    got = b''
    while True:
        b = c.recv(65536)
        if not b: break
        got += b
    c.sendall(got.upper())
if how == 'half-close-first':
    c.sendall(b'bye\\n'); c.shutdown(socket.SHUT_WR); print(rest(), flush=True)
if how == 'reset':
    c.recv(10); c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.close()
if how == 'silent': time.sleep(60)
if how == 'closed-window': time.sleep(3); print(rest(), flush=True)
if how == 'send':
    f = open(sys.argv[2], 'rb')
    while True:
        b = f.read(65536)
        if not b: break
        c.sendall(b)
c.close()
"""


def peer(wire, how, *args):
    p = wire.python(PEER, how, *args, stdout=subprocess.PIPE)
    p.stdout.readline()
    return p


def tcp(wire, tmp):
    text = "".join(f"line {i}\n" for i in range(20000)).encode()
    for host in (KERNEL4, KERNEL6):
        p = peer(wire, "echo-after-eof")
        code, out, err = wire.l4("nc", "-N", host, "7000", stdin=None, input=text)
        expect(f"half close, answer after it ({host})", (code, out == text.upper(), err),
               (0, True, ""))
        p.wait()
    big = f"{tmp}/1M"
    p = peer(wire, "half-close-first")
    with open(big, "rb") as f:
        code, out, err = wire.l4("nc", "-N", KERNEL4, "7000", stdin=f)
    expect("peer half-closes first", (code, out, p.stdout.readline().decode().strip()),
           (0, b"bye\n", cli_lab.digest(big)))
    p.wait()
    p = peer(wire, "reset")
    q = wire.l4_start("nc", KERNEL4, "7000", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    q.stdin.write(b"x")
    q.stdin.flush()
    expect("reset", (q.wait(10), b"reset" in q.stderr.read()), (1, True))
    p.wait()
    p = peer(wire, "silent")
    start = time.monotonic()
    code, out, err = wire.l4("nc", "-w", "1s", KERNEL4, "7000")
    expect("silent peer", (code, "timed out" in err, time.monotonic() - start < 5), (1, True, True))
    p.kill()
    p.wait()
    p = peer(wire, "closed-window")
    with open(big, "rb") as f:
        code, out, err = wire.l4("nc", "-N", KERNEL4, "7000", stdin=f)
    expect("closed window", (code, p.stdout.readline().decode().strip()), (0, cli_lab.digest(big)))
    p.wait()
    # our own window closes while standard output is not read
    p = peer(wire, "send", big)
    q = wire.l4_start("nc", KERNEL4, "7000", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    time.sleep(2)
    got = q.stdout.read()
    expect("output that waits", (q.wait(10), hashlib.sha256(got).hexdigest()),
           (0, cli_lab.digest(big)))
    p.wait()
    code, _, err = wire.l4("nc", KERNEL4, "7999")
    expect("closed port", (code, "refused" in err), (1, True))


SEND = """
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
c.sendall(open(sys.argv[3], 'rb').read()); c.shutdown(socket.SHUT_WR)
while c.recv(1000): pass
"""


def listen(wire, tmp):
    for own in (wire.own4, wire.own6):
        out = open(f"{tmp}/out", "wb")
        q = wire.l4_start("nc", "-v", "-N", "-l", "9000", stdin=subprocess.DEVNULL, stdout=out,
                          stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        wire.python(SEND, own, "9000", f"{tmp}/1M").wait(20)
        expect(f"listen on {own}", (q.wait(10), cli_lab.digest(f"{tmp}/out")),
               (0, cli_lab.digest(f"{tmp}/1M")))
    q = wire.l4_start("nc", "-k", "-N", "-l", "9000", stdin=subprocess.DEVNULL,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    for i in range(3):
        with open(f"{tmp}/line", "w") as f:
            f.write(f"connection {i}\n")
        wire.python(SEND, wire.own4, "9000", f"{tmp}/line").wait(10)
    q.terminate()
    expect("keep listening", q.communicate(timeout=10)[0].decode(),
           "connection 0\nconnection 1\nconnection 2\n")


UDP_ECHO = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', 7005)); print('up', flush=True)
while True:
    b, a = s.recvfrom(65536)
    s.sendto(b.upper(), a)
"""
TO_GROUP = """
import socket, struct, sys
own, group, port, text = sys.argv[1:]
if ':' in group:
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    i = socket.if_nametoindex('l4w')
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, i)
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
s.sendto(text.encode(), (group, int(port)))
"""
FROM_GROUP = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5001))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton('239.1.2.4') + socket.inet_aton('10.44.0.1'))
print('up', flush=True); s.settimeout(5)
print(s.recv(100).decode(), flush=True)
"""


def udp(wire):
    p = wire.python(UDP_ECHO, stdout=subprocess.PIPE)
    p.stdout.readline()
    for host in (KERNEL4, KERNEL6):
        for text in (b"hello", b"x" * 10000):  # the second in fragments
            code, out, err = wire.l4("nc", "-u", "-w", "500ms", host, "7005", stdin=None, input=text)
            expect(f"UDP {len(text)} bytes {host}", (code, out), (0, text.upper()))
    p.kill()
    p.wait()
    code, out, err = wire.l4("nc", "-u", "-w", "500ms", KERNEL4, "7006", stdin=None, input=b"x")
    expect("UDP to a closed port", (code, "refused" in err), (1, True))
    for group, own in (("239.1.2.3", KERNEL4), ("ff15::123", KERNEL6)):
        q = wire.l4_start("nc", "-u", "-l", "-j", group, "-w", "1s", "5000",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        time.sleep(0.4)
        for text in ("one\n", "two\n"):
            wire.python(TO_GROUP, own, group, "5000", text).wait(5)
        expect(f"group {group}", q.communicate(timeout=10)[0], b"one\ntwo\n")
    p = wire.python(FROM_GROUP, stdout=subprocess.PIPE)
    p.stdout.readline()
    code, _, _ = wire.l4("nc", "-u", "-N", "239.1.2.4", "5001", stdin=None, input=b"to the group")
    expect("to a group", (code, p.stdout.readline()), (0, b"to the group\n"))
    p.wait()


def main():
    wire = cli_lab.Wire("tap")
    with tempfile.TemporaryDirectory() as tmp:
        cli_lab.make_file(f"{tmp}/1M", 1 << 20)
        tcp(wire, tmp)
        listen(wire, tmp)
    udp(wire)
    wire.close()


main()
print("done")
