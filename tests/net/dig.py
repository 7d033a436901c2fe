#!/usr/bin/env python3
"""l4 dig with dnsmasq, and with a server that answers badly.

Usage: dig.py L4
"""
import json
import subprocess
import sys
import tempfile
import time

import cli_lab
import lab
from cli_lab import KERNEL4, KERNEL6, expect

cli_lab.start("dnsmasq")

CONF = f"""port=53
no-resolv
no-hosts
no-daemon
listen-address={KERNEL4},{KERNEL6}
bind-interfaces
local=/test/
host-record=h.test,192.0.2.80,2001:db8::80
mx-host=test,mail.test,10
txt-record=test,"hello world","a \\"quoted\\" one"
cname=alias.test,h.test
srv-host=_sip._udp.test,h.test,5060,1,2
""" + "".join(f'txt-record=big.test,"{"x" * 80}{i:02}"\n' for i in range(40))

# Answers the first question it gets in the manner of its first argument.
BAD = """
import socket, struct, sys, time
how = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5300)); print('up')
while True:
    q, a = s.recvfrom(4096)
    end = q.index(b'\\0', 12) + 5
    name = q[12:end]
    def head(id=q[:2], flags=0x8180, qd=1, an=1): return id + struct.pack('!HHHHH', flags, qd, an, 0, 0)
    rr = b'\\xc0\\x0c' + struct.pack('!HHIH', 1, 1, 60, 4) + bytes([192, 0, 2, 1])
    good = head() + name + rr
    loop = head() + name + b'\\xc0' + bytes([len(head() + name)]) + rr[2:]
    other = bytes([q[0] ^ 255, q[1]])
    bad = {
        'good': [good], 'silent': [],
        'short': [b'', b'x', good[:11], q[:2]],
        'cut': [good[:-1], good[:-5], good[:20]],
        'loop': [loop],
        'rdlength': [head() + name + rr[:10] + struct.pack('!H', 5) + rr[12:]],
        'count': [head(an=2) + name + rr],
        'id': [head(id=other) + name + rr],
        'question': [head() + name.replace(b'\\1h', b'\\1i') + rr],
        'query': [q],
        'then-good': [good[:-1], head(id=other) + name + rr, good],
        'formerr': [good] if len(q) == end else [q[:2] + struct.pack('!HHHHH', 0x8181, 0, 0, 0, 0)],
    }[how]
    for b in bad: s.sendto(b, a)
"""


def dig(wire, *args):
    code, out, err = wire.l4("dig", *args)
    return code, out.decode(), err


def answers(wire, server):
    for words, want in (
            (["h.test"], "192.0.2.80\n"),
            (["h.test", "AAAA"], "2001:db8::80\n"),
            (["test", "MX"], "10 mail.test.\n"),
            (["test", "TXT"], '"hello world" "a \\"quoted\\" one"\n'),
            (["alias.test", "a"], "h.test.\n192.0.2.80\n"),
            (["_sip._udp.test", "SRV"], "1 2 5060 h.test.\n"),
            (["-x", "192.0.2.80"], "h.test.\n"),
            (["--tcp", "h.test"], "192.0.2.80\n"),
            (["--bufsize", "0", "h.test"], "192.0.2.80\n")):
        expect(f"{' '.join(words)} {server}", dig(wire, "--short", *words, f"@{server}")[:2],
               (0, want))
    code, out, _ = dig(wire, "--json", "big.test", "TXT", f"@{server}")
    j = json.loads(out)
    expect("cut answer comes by TCP", (code, j["transport"], j["truncated"], len(j["answer"])),
           (0, "tcp", True, 40))
    code, out, _ = dig(wire, "--json", "--no-tcp", "big.test", "TXT", f"@{server}")
    expect("cut answer as it is", json.loads(out)["transport"], "udp")
    code, out, _ = dig(wire, "nosuch.test", f"@{server}")
    expect("NXDOMAIN", (code, "status NXDOMAIN" in out), (1, True))
    code, out, _ = dig(wire, "h.test", "MX", f"@{server}")
    expect("no data", (code, "status NOERROR" in out), (1, True))


def main():
    wire = cli_lab.Wire("tap")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(CONF)
        f.flush()
        server = wire.start("dnsmasq", "-C", f.name, "-u", "root", stderr=subprocess.DEVNULL)
        cli_lab.wait_for("dnsmasq", lambda: dig(wire, "--tries", "1", "--timeout", "200ms", "h.test",
                                                f"@{KERNEL4}")[0] == 0)
        answers(wire, KERNEL4)
        answers(wire, KERNEL6)
        server.kill()
        server.wait()
    start = time.monotonic()
    code, _, err = dig(wire, "--timeout", "500ms", "--tries", "2", "h.test", "@10.44.0.77")
    took = time.monotonic() - start
    expect("no answer", (code, "no answer" in err, 0.9 < took < 3), (1, True, True))
    code, _, err = dig(wire, "h.test", f"@{KERNEL4}")
    expect("closed port", (code, "refused" in err), (1, True))
    for how, want in (("good", 0), ("silent", 1), ("short", 3), ("cut", 3), ("loop", 3),
                      ("rdlength", 3), ("count", 3), ("id", 1), ("question", 1), ("query", 1),
                      ("then-good", 0), ("formerr", 0)):
        p = wire.python(BAD, how, stdout=subprocess.PIPE)
        p.stdout.readline()
        code, out, err = dig(wire, "--short", "-p", "5300", "--timeout", "1500ms", "--tries", "2",
                             "h.test", f"@{KERNEL4}")
        p.kill()
        p.wait()
        expect(f"answer '{how}': {err.strip()}", code, want)
        if want == 0:
            expect(f"answer '{how}': data", out, "192.0.2.1\n")
    wire.close()


main()
print("done")
