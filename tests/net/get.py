#!/usr/bin/env python3
"""l4 get from nginx on the kernel's TCP: every device, both versions of IP, with and without loss.

Usage: get.py L4 [large [impaired]]   (large: the file of 1 GiB instead; impaired: with loss and
reordering, minutes for each device)
"""
import os
import signal
import subprocess
import sys
import tempfile

import cli_lab
import lab
from cli_lab import KERNEL4, KERNEL6, expect

cli_lab.start("nginx")
IMPAIR = "loss=3%,reorder=3%,delay=10ms"
LARGE = "large" in sys.argv[2:]
LARGE_OPTIONS = ["--impair", IMPAIR] if "impaired" in sys.argv[2:] else []
SIZES = {"0": 0, "1": 1, "1M": 1 << 20}


def fetch(wire, tmp, host, name, *options, timeout=100):
    out = os.path.join(tmp, "out")
    if os.path.exists(out):
        os.unlink(out)
    code, _, err = wire.l4("get", *options, "-o", out, f"http://{host}/{name}", timeout=timeout)
    if code:
        lab.fail(f"{wire.kind} {host}/{name} {' '.join(options)}: exit {code}: {err}")
    expect(f"{wire.kind} {host}/{name} {' '.join(options)}", cli_lab.digest(out),
           cli_lab.source_digest(f"{tmp}/www/{name}"))


def errors(wire, tmp):
    """What is not there, or does not last, is said by the exit code and the message."""
    code, out, err = wire.l4("get", f"http://{KERNEL4}/nosuch", "-o", f"{tmp}/none")
    expect("404: exit", code, 1)
    expect("404: named", "404" in err, True)
    expect("404: no file", os.path.exists(f"{tmp}/none"), False)
    code, _, err = wire.l4("get", f"http://{KERNEL4}:81/")
    expect("closed port: exit", (code, "refused" in err), (1, True))
    code, _, err = wire.l4("get", "--connect-timeout", "1s", "http://10.44.0.77/")
    expect("no such host: exit", (code, "timed out" in err), (1, True))
    code, _, err = wire.l4("get", "-L", f"http://{KERNEL4}/moved", "-o", f"{tmp}/moved")
    expect("redirect", (code, cli_lab.digest(f"{tmp}/moved")),
           (0, cli_lab.digest(f"{tmp}/www/text.txt")))
    code, _, err = wire.l4("get", "-L", f"http://{KERNEL4}/ring")
    expect("redirect ring", (code, "more than" in err), (1, True))
    code, _, err = wire.l4("get", "-L", f"http://{KERNEL4}/away")
    expect("redirect to https", (code, "https" in err), (1, True))
    # -C: half a file is made whole, a whole one left alone
    half = f"{tmp}/half"
    with open(f"{tmp}/www/1M", "rb") as f, open(half, "wb") as g:
        g.write(f.read(300000))
    for what in ("half", "whole"):
        code, _, err = wire.l4("get", "-C", f"http://{KERNEL4}/1M", "-o", half)
        expect(f"continue from {what}", (code, cli_lab.digest(half)),
               (0, cli_lab.digest(f"{tmp}/www/1M")))
    code, _, err = wire.l4("get", f"http://{KERNEL4}/1M", "-o", "/dev/full")
    expect("disk full", (code, "No space left" in err), (3, True))
    code, out, err = wire.l4("get", "-I", f"http://{KERNEL4}/1M")
    expect("head", (code, out.split(b"\r\n")[0], b"Content-Length: 1048576" in out),
           (0, b"HTTP/1.1 200 OK", True))


SERVER = """
import socket, sys, struct, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 8080)); s.listen(1); print('up')
c, a = s.accept(); c.recv(4096); how = sys.argv[1]
head = b'HTTP/1.1 200 OK\\r\\n'
if how == 'cut': c.sendall(head + b'Content-Length: 100\\r\\n\\r\\n' + b'x' * 50)
if how == 'cut-chunk': c.sendall(head + b'Transfer-Encoding: chunked\\r\\n\\r\\n32\\r\\n' + b'x' * 50)
if how == 'until-close': c.sendall(head + b'\\r\\n' + b'x' * 50)
if how == 'reset':
    c.sendall(head + b'\\r\\n' + b'x' * 50); time.sleep(0.3)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
if how == 'rubbish': c.sendall(b'SSH-2.0-x\\r\\n\\r\\n')
if how == 'both': c.sendall(head + b'Content-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n')
if how == 'silent': time.sleep(4)
c.close()
"""


def truncated(wire):
    """RFC 9112 8: what is not whole is never taken for it."""
    for how, want in (("cut", 3), ("cut-chunk", 3), ("until-close", 0), ("reset", 3),
                      ("rubbish", 3), ("both", 3), ("silent", 1)):
        p = wire.python(SERVER, how, stdout=subprocess.PIPE)
        p.stdout.readline()
        code, out, err = wire.l4("get", "--timeout", "2s", f"http://{KERNEL4}:8080/")
        p.wait()
        expect(f"server {how}: {err.strip()}", code, want)
        if how in ("cut", "until-close"):
            expect(f"server {how}: bytes given on", out, b"x" * 50)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)
        os.mkdir(f"{tmp}/www")
        for name, size in SIZES.items():
            cli_lab.make_file(f"{tmp}/www/{name}", size)
        with open(f"{tmp}/www/text.txt", "w") as f:
            f.write("".join(f"line {i}\n" for i in range(20000)))
        if LARGE:
            cli_lab.make_file(f"{tmp}/www/1G", 1 << 30)
        for kind in ("tap", "tun", "packet", "shared"):
            wire = cli_lab.Wire(kind)
            server = cli_lab.nginx(wire, tmp, f"{tmp}/www")
            for host in (KERNEL4, f"[{KERNEL6}]"):
                for name in ["1G"] if LARGE else list(SIZES) + ["text.txt"]:
                    fetch(wire, tmp, host, name, *LARGE_OPTIONS,
                          timeout=600 if LARGE_OPTIONS else 100)
                if not LARGE:
                    for name in SIZES:
                        fetch(wire, tmp, host, name, "--impair", IMPAIR)
            if kind == "tap" and not LARGE:
                errors(wire, tmp)
                truncated(wire)
                capture(wire, tmp)
                interrupted(wire, tmp)
            server.kill()
            server.wait()
            wire.close()


def interrupted(wire, tmp):
    """Ctrl-C in the middle: the connection is reset, the capture is whole."""
    pcap = f"{tmp}/int.pcapng"
    p = wire.l4_start("get", "--impair", "rate=2mbit", "--pcap", pcap, f"http://{KERNEL4}/1M", "-o",
                      f"{tmp}/part", stderr=subprocess.PIPE)
    cli_lab.wait_for("a part", lambda: os.path.exists(f"{tmp}/part") and
                     os.path.getsize(f"{tmp}/part") > 10000)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=10)[1].decode()
    expect("interrupted: exit", (p.returncode, "interrupted" in err), (3, True))
    part = open(f"{tmp}/part", "rb").read()
    expect("interrupted: what is there is right", open(f"{tmp}/www/1M", "rb").read(len(part)), part)
    if lab.shutil.which("tshark"):
        q = lab.run("tshark", "-r", pcap, "-Y", "tcp.flags.reset == 1 and ip.src == 10.44.0.2",
                    check=False)
        expect("interrupted: capture is whole", (q.returncode, "cut short" in q.stderr), (0, False))
        # what was on its way is answered by another one each (RFC 9293 3.10.7.1)
        expect("interrupted: reset", q.stdout.count("[RST") >= 1, True)


def capture(wire, tmp):
    """--pcap, --trace and --info tell of the same connection."""
    pcap = f"{tmp}/get.pcapng"
    code, out, err = wire.l4("get", "--pcap", pcap, "--trace", "--info", f"http://{KERNEL4}/1")
    expect("traced: exit", code, 0)
    for word in ("[SYN] Seq=0", "[SYN, ACK] Seq=0 Ack=1", "MSS=1460", "FIN", "rcv_mss", "GET /1"):
        expect(f"traced: '{word}'", word in err, True)
    if lab.shutil.which("tshark"):
        p = lab.run("tshark", "-r", pcap, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-e",
                    "tcp.flags.syn", "-Y", "tcp", check=False)
        expect("captured: SYNs", p.stdout.split().count("1"), 2)
        p = lab.run("tshark", "-r", pcap, "-o", "tcp.check_checksum:TRUE", "-o",
                    "ip.check_checksum:TRUE", "-Y",
                    "_ws.malformed or (ip.checksum.status == 0) or (tcp.checksum.status == 0 "
                    f"and not (tcp.checksum == 0xffff and ip.src == {KERNEL4}))",
                    check=False)
        expect("captured: nothing malformed", p.stdout, "")


main()
print("done")
