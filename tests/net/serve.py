#!/usr/bin/env python3
"""l4 serve with curl and wrk on the kernel's TCP.

Usage: serve.py L4
"""
import gzip
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

import cli_lab
import lab
from cli_lab import expect

cli_lab.start("curl", "wrk")


class Server:
    def __init__(self, wire, root, *options):
        self.log = tempfile.TemporaryFile()
        self.p = wire.l4_start("serve", *options, root, stdin=subprocess.DEVNULL, stdout=self.log,
                               stderr=subprocess.PIPE)
        self.p.stderr.readline()  # "... on http://": it listens

    def stop(self):
        self.p.send_signal(signal.SIGINT)
        expect("serve ends by a signal", self.p.wait(10), 0)
        self.log.seek(0)
        return self.log.read().decode()


def curl(wire, *args):
    p = wire.run("curl", "-s", "-S", "-g", "-m", "60", *args, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE)
    if p.returncode:
        lab.fail(f"curl {' '.join(args)}: exit {p.returncode}: {p.stderr.decode()}")
    return p.stdout


def status(wire, url, *args):
    return curl(wire, "-o", "/dev/null", "-w", "%{http_code}", *args, url).decode()


def files(wire, tmp, host):
    base = f"http://{host}"
    for name in ("0", "1", "1M", "16M"):
        curl(wire, "-o", f"{tmp}/out", f"{base}/{name}")
        expect(f"{base}/{name}", cli_lab.digest(f"{tmp}/out"), cli_lab.digest(f"{tmp}/www/{name}"))
    text = open(f"{tmp}/www/text.txt", "rb").read()
    expect("identity", curl(wire, f"{base}/text.txt"), text)
    packed = curl(wire, "-H", "Accept-Encoding: gzip", f"{base}/text.txt")
    expect("gzip", (len(packed) < len(text) // 2, gzip.decompress(packed)), (True, text))
    expect("gzip by curl", curl(wire, "--compressed", f"{base}/text.txt"), text)
    big = open(f"{tmp}/www/big.txt", "rb").read()
    expect("gzip, streamed", curl(wire, "--compressed", f"{base}/big.txt"), big)
    expect("range", curl(wire, "-r", "100-199", f"{base}/text.txt"), text[100:200])
    expect("last bytes", curl(wire, "-r", "-7", f"{base}/text.txt"), text[-7:])
    expect("range beyond", status(wire, f"{base}/1", "-r", "5-"), "416")
    head = curl(wire, "-I", f"{base}/text.txt").decode()
    etag = re.search(r"ETag: (\S+)", head).group(1)
    date = re.search(r"Last-Modified: (.*)\r", head).group(1)
    expect("not modified by tag", status(wire, f"{base}/text.txt", "-H", f"If-None-Match: {etag}"),
           "304")
    expect("not modified by date",
           status(wire, f"{base}/text.txt", "-H", f"If-Modified-Since: {date}"), "304")
    expect("redirect to a directory", status(wire, f"{base}/sub"), "301")
    expect("listing", b'href="./a%20b%26.txt"' in curl(wire, f"{base}/sub/"), True)
    expect("keep-alive", curl(wire, "-w", "%{num_connects}\\n", f"{base}/1", "-o", "/dev/null",
                              f"{base}/1", "-o", "/dev/null").decode().split(), ["1", "0"])


def tricks(wire, host):
    for path in ("/../secret", "/%2e%2e/secret", "/..%2fsecret", "/sub/../../secret", "/link",
                 "/linkdir/secret", "/%00", "/.%2e/%2e%2e/etc/passwd", "/..%5csecret", "//../secret"):
        got = status(wire, f"http://{host}{path}", "--path-as-is")
        expect(f"trick {path}: {got}", got in ("400", "404"), True)
    expect("link inside", status(wire, f"http://{host}/inner"), "200")
    expect("post", status(wire, f"http://{host}/1", "-d", "x=y"), "405")
    expect("large head", status(wire, f"http://{host}/1", "-H", "X: " + "a" * 20000), "431")


SLOW = """
import socket, sys, time
c = socket.create_connection((sys.argv[1], 80), 5); c.settimeout(20); start = time.monotonic()
c.sendall(b'GET / HTTP/1.1\\r\\n')
got = c.recv(1000)
print(got.split(b'\\r\\n')[0].decode(), int(time.monotonic() - start))
"""
PIPELINE = """
import socket, sys
c = socket.create_connection((sys.argv[1], 80), 5); c.settimeout(20)
c.sendall(b'GET /1 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' * 500 + b'GET /1 HTTP/1.0\\r\\n\\r\\n')
got = b''
while True:
    b = c.recv(65536)
    if not b: break
    got += b
print(got.count(b'HTTP/1.1 200 OK'))
"""
HOLD = """
import socket, sys
c = []
try:
    for i in range(int(sys.argv[2])): c.append(socket.create_connection((sys.argv[1], 80), 5))
except OSError: pass  # refused
n = 0
for s in c:
    s.settimeout(5)
    try:
        s.sendall(b'GET /1 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')
        n += s.recv(100).startswith(b'HTTP/1.1 200')
    except OSError: pass
print(n)
"""


def python(wire, code, *args):
    p = wire.python(code, *args, stdout=subprocess.PIPE)
    return p.communicate(timeout=60)[0].decode().strip()


def load(wire, host):
    for name in ("1", "text.txt"):
        p = wire.run("wrk", "-c", "64", "-t", "2", "-d", "3", f"http://{host}/{name}",
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out = p.stdout.decode()
        rate = re.search(r"Requests/sec: *([\d.]+)", out)
        if p.returncode or not rate or float(rate.group(1)) < 1:
            lab.fail(f"wrk {name}: {out}")
        expect(f"wrk {name}: {rate.group(1)} requests/s, none failed",
               "Socket errors" in out or "Non-2xx" in out, False)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        www = f"{tmp}/www"
        os.makedirs(f"{www}/sub")
        for name, size in (("0", 0), ("1", 1), ("1M", 1 << 20), ("16M", 1 << 24)):
            cli_lab.make_file(f"{www}/{name}", size)
        for name, lines in (("text.txt", 20000), ("big.txt", 300000), ("sub/a b&.txt", 1)):
            with open(f"{www}/{name}", "w") as f:
                f.write("".join(f"line {i}\n" for i in range(lines)))
        with open(f"{tmp}/secret", "w") as f:
            f.write("secret")
        os.symlink("../secret", f"{www}/link")
        os.symlink("..", f"{www}/linkdir")
        os.symlink("1", f"{www}/inner")
        for kind in ("tap", "shared"):
            wire = cli_lab.Wire(kind)
            server = Server(wire, www, "--header-timeout", "2s")
            for host in (wire.own4, f"[{wire.own6}]"):
                files(wire, tmp, host)
            tricks(wire, wire.own4)
            expect("slow client", python(wire, SLOW, wire.own4), "HTTP/1.1 408 Request Timeout 2")
            expect("pipeline", python(wire, PIPELINE, wire.own4), "501")
            expect("200 connections", python(wire, HOLD, wire.own4, "200"), "200")
            load(wire, wire.own4)
            log = server.stop()
            line = re.compile(r"^\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d\] - (\[[0-9a-f:]+\]|[\d.]+):\d+ - "
                              r"[A-Z]+ - \S+$")
            bad = [x for x in log.splitlines()[:2000] if not line.match(x) and " - - - -" not in x]
            expect("access log", bad, [])
            # limits: the 11th connection is refused
            server = Server(wire, www, "--max-source", "10")
            expect("connections of one source", python(wire, HOLD, wire.own4, "15"), "10")
            server.stop()
            # over a bad line
            server = Server(wire, www, "--impair", "loss=2%,reorder=2%,delay=5ms")
            curl(wire, "-o", f"{tmp}/out", f"http://{wire.own4}/1M")
            expect("1M over a bad line", cli_lab.digest(f"{tmp}/out"), cli_lab.digest(f"{www}/1M"))
            server.stop()
            wire.close()


main()
print("done")
