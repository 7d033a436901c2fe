#!/usr/bin/env python3
"""l4 send, ask and script against the kernel, nginx and dnsmasq across three routers, by the examples
of examples/send; and that nothing is left behind. Usage: send.py L4

This host and the server are joined by r1, r2, r3; the link between r2 and r3 carries 1400 bytes."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import lab

lab.enter("nft", "nginx", "dnsmasq", "ss", "setpriv")
L4 = os.path.abspath(sys.argv[1])
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "send")
os.environ["PATH"] = os.path.dirname(L4) + ":" + os.environ["PATH"]
SERVER = "l4-send-server"
V4, V6 = "10.84.4.2", "fd84:4::2"
OWN4, OWN6 = "10.84.1.99", "fd84:1::99"
children = []


def expect(what, got, want):
    if got != want:
        lab.fail(f"{what}: {got!r}, not {want!r}")
    print(f"ok {what}", flush=True)


def routers():
    names = ["l4-send-r1", "l4-send-r2", "l4-send-r3"]
    ends = [None] + [lab.ns(n) for n in names] + [lab.ns(SERVER)]
    for n in ends:  # or routers are mute until duplicate address detection of their links is done
        lab.run(*(lab.inside(n) if n else []), "sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad")
    for i, (a, b) in enumerate(zip(ends, ends[1:]), 1):
        lab.veth(a, f"s{i}a", b, f"s{i}b", [f"10.84.{i}.1/24", f"fd84:{i}::1/64"],
                 [f"10.84.{i}.2/24", f"fd84:{i}::2/64"])
        if i == 3:
            for n, dev in ((a, "s3a"), (b, "s3b")):
                lab.ip("-n", n, "link", "set", dev, "mtu", "1400")
    for i, n in enumerate(names, 1):
        lab.run(*lab.inside(n, "sh", "-c", "for f in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 >"
                            "/proc/sys/net/$f; done; echo 0 >/proc/sys/net/ipv4/icmp_ratelimit;"
                            "echo 0 >/proc/sys/net/ipv6/icmp/ratelimit"))
        if i < 3:
            lab.ip("-n", n, "route", "add", "default", "via", f"10.84.{i + 1}.2")
            lab.ip("-n", n, "-6", "route", "add", "default", "via", f"fd84:{i + 1}::2")
        for k in range(1, i):
            lab.ip("-n", n, "route", "add", f"10.84.{k}.0/24", "via", f"10.84.{i}.1")
            lab.ip("-n", n, "-6", "route", "add", f"fd84:{k}::/64", "via", f"fd84:{i}::1")
    lab.ip("route", "add", "default", "via", "10.84.1.2")
    lab.ip("-6", "route", "add", "default", "via", "fd84:1::2")
    lab.ip("-n", SERVER, "route", "add", "default", "via", "10.84.4.1")
    lab.ip("-n", SERVER, "-6", "route", "add", "default", "via", "fd84:4::1")
    lab.run(*lab.inside(SERVER, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit;"
                        "echo 0 >/proc/sys/net/ipv6/icmp/ratelimit; echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts"))


def start(*cmd, **kw):
    p = subprocess.Popen(lab.inside(SERVER, *cmd), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    children.append(p)
    return p


def services(tmp):
    os.mkdir(f"{tmp}/www")
    with open(f"{tmp}/www/index.html", "w") as f:
        f.write("<h1>by hand</h1>\n" * 20)
    with open(f"{tmp}/nginx.conf", "w") as f:
        f.write(f"daemon off; master_process off; pid {tmp}/pid; error_log {tmp}/err; user root; events {{}}\n"
                f"http {{ access_log off; server {{ listen 80; listen [::]:80; root {tmp}/www; }} "
                f"client_body_temp_path {tmp}/a; proxy_temp_path {tmp}/b; fastcgi_temp_path {tmp}/c; "
                f"uwsgi_temp_path {tmp}/d; scgi_temp_path {tmp}/e; }}\n")
    start("nginx", "-e", f"{tmp}/err", "-c", f"{tmp}/nginx.conf")
    start("dnsmasq", "-k", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", f"--pid-file={tmp}/dpid",
          "--host-record=www.example.test,192.0.2.80,2001:db8::80")
    start(sys.executable, "-c", CUT, V4)
    lab.run(*lab.inside(SERVER, "nft", "-f", "-"), input="table inet f { chain i { type filter hook input priority 0;"
            " tcp dport 2000 drop; tcp dport 2001 reject with icmpx admin-prohibited\n }\n }\n")
    for _ in range(200):
        if len(re.findall(r":(?:80|53|5300)\b", lab.run(*lab.inside(SERVER, "ss", "-lntu")).stdout)) >= 5:
            return
        time.sleep(0.02)
    lab.fail("the servers did not start")


# Answers DNS questions on 127 of the second address with the header and half a question.
CUT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5300))
while True:
    d, peer = s.recvfrom(2048)
    s.sendto(d[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0\\7exam', peer)
"""


def l4(*args, code=0, **kw):
    p = subprocess.run([L4, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, **kw)
    if p.returncode != code:
        lab.fail(f"l4 {' '.join(args)}: exit {p.returncode}, not {code}\n{p.stdout}{p.stderr}")
    return p.stdout, p.stderr


def ask(*args, code=0):
    out, _ = l4("ask", "--json", *args, code=code)
    rows = [json.loads(line) for line in out.splitlines()]
    return rows[:-1], rows[-1]


def example(name, *args, code=0):
    p = subprocess.run(["sh", os.path.join(EXAMPLES, name), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=60)
    if p.returncode != code:
        lab.fail(f"{name} {args}: exit {p.returncode}\n{p.stdout}{p.stderr}")
    return p.stdout


def script(name, *args, code=0):
    options = [a for a in args if a.startswith("-") or a in (OWN4, OWN6)]
    return l4("script", *options, os.path.join(EXAMPLES, name), *[a for a in args if "=" in a], code=code)


def state():
    """What a run could leave behind: rules, interfaces, sockets here; connections at the server."""
    conns = [line for line in lab.run(*lab.inside(SERVER, "ss", "-Htan")).stdout.splitlines()
             if not line.startswith(("LISTEN", "TIME-WAIT"))]
    return (lab.run("nft", "list", "tables").stdout, re.sub(r" state \w+", "", lab.run("ip", "-o", "link").stdout),
            lab.run("ss", "-Htuanw").stdout, conns)


def hops(text, per=4):
    return re.findall(r"=\d+ +(\S+) +[\d.]+ ms", text)[:per]


def first_answers():
    rows, end = ask(f"ip(dst={V4})/icmp()")
    expect("echo", (rows[0]["answer"]["src"], end["answered"]), (V4, 1))
    if not 0 < rows[0]["rtt_ms"] < 1000:
        lab.fail(f"round trip {rows[0]['rtt_ms']} ms")
    rows, _ = ask(f"ip6(dst={V6})/icmp6()")
    expect("echo over IPv6", rows[0]["answer"]["src"], V6)
    for family, dst in (("ip", V4), ("ip6", V6)):
        rows, _ = ask("--timeout", "300ms", "--retry", "1", f"{family}(dst={dst})/tcp(dport=[80,81,2000,2001],flags=S)")
        said = [(r["varied"]["dport"], r["type"], r.get("kind"), r["attempts"]) for r in rows]
        expect(f"open, closed, filtered, refused: {family}", said,
               [("80", "answer", "answer", 1), ("81", "answer", "answer", 1), ("2000", "unanswered", None, 2),
                ("2001", "answer", "error", 1)])
        expect("their flags", [("[SYN, ACK]" in rows[0]["answer"]["info"]), "[RST, ACK]" in rows[1]["answer"]["info"]],
               [True, True])
    _, end = ask("--timeout", "200ms", "--retry", "0", f"ip(dst={V4})/tcp(dport=2000,flags=S)", code=1)
    expect("a filtered port alone is exit 1", (end["answered"], end["unanswered"]), (0, 1))
    rows, _ = ask("ip(dst=127.0.0.1)/icmp()")
    expect("the loopback interface", rows[0]["answer"]["src"], "127.0.0.1")
    rows, _ = ask(f"ip(dst={V4})/icmp(type=13)/raw(zeros=12)")
    expect("timestamp", "reply" in rows[0]["answer"]["info"].lower(), True)


def dns():
    for family, dst in (("ip", V4), ("ip6", V6)):
        rows, _ = ask(f"{family}(dst={dst})/udp(dport=53)/dns(qname=www.example.test,qtype=[A,AAAA])")
        info = " ".join(r["answer"]["info"] for r in rows)
        expect(f"dnsmasq over {family}", ("192.0.2.80" in info, "2001:db8::80" in info), (True, True))
    expect("by hand", "192.0.2.80" in example("dns.sh", V4, "www.example.test"), True)
    expect("by hand over IPv6", "2001:db8::80" in example("dns.sh", V6, "www.example.test", "AAAA"), True)
    rows, end = ask("--retry", "0", f"ip(dst={V4})/udp(sport=53,dport=5300)/dns(qname=example.test)", code=3)
    expect("a cut answer is called malformed", (rows[0]["answer"].get("malformed"), end["malformed"]), (True, 1))


def routes():
    way4 = ["10.84.1.2", "10.84.2.2", "10.84.3.2", V4]
    way6 = ["fd84:1::2", "fd84:2::2", "fd84:3::2", V6]
    for kind in ("icmp", "udp", "tcp"):
        expect(f"traceroute by {kind}", hops(example(f"traceroute-{kind}.sh", V4)), way4)
        expect(f"traceroute by {kind} over IPv6", hops(example(f"traceroute-{kind}.sh", V6)), way6)
    rows, _ = ask(f"ip(dst={V4},ttl=1-6)/udp(sport=4000,dport=33434)")
    expect("all at once from one port, told apart by identification", [r["answer"]["src"] for r in rows],
           way4 + [V4, V4])
    for name, dst, want in (("pmtu.l4", V4, "10.84.2.2: no more than 1400 bytes"),
                            ("pmtu6.l4", V6, "fd84:2::2: no more than 1400 bytes")):
        out, _ = script(name, f"dst={dst}")
        expect(f"path MTU, {name}", out.splitlines(), [want, f"path MTU to {dst}: 1400 bytes"])


def conversations():
    for how, what in ((["--shared"], "the interface's address"), (["-a", OWN4], "an address of our own")):
        out, _ = script("get.l4", *how, f"dst={V4}")
        expect(f"handshake and GET from {what}", re.match(r"200 OK: \d+ bytes", out) is not None, True)
    with tempfile.NamedTemporaryFile("w", suffix=".l4") as f:
        with open(os.path.join(EXAMPLES, "get.l4")) as g:
            f.write(g.read().replace("ip(dst", "ip6(dst"))
        f.flush()
        for how in (["--shared"], ["-a", OWN6]):
            out, _ = l4("script", *how, f.name, f"dst={V6}")
            expect("the same over IPv6", out[:7], "200 OK:")
    out, _ = script("window.l4", "--shared", f"dst={V4}")
    expect("a window of 10 bytes", out.startswith("10 bytes into a window of 10"), True)
    out, _ = script("options.l4", "--shared", f"dst={V4}")
    expect("options of TCP", re.findall(r"header (\d+) words", out), ["10", "6", "6"])
    out = example("syn-ping.sh", V4, "80,81")
    expect("SYN ping", ("[SYN, ACK]" in out, "[RST, ACK]" in out), (True, True))


RESPONDER = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 1900))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton('239.255.255.250') + socket.inet_aton('10.84.1.2'))
print('up', flush=True)
while True:
    d, peer = s.recvfrom(2048)
    if d.startswith(b'M-SEARCH'):
        for i in range(2):
            t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            t.sendto(b'HTTP/1.1 200 OK\\r\\nST: test:%d\\r\\nEXT:\\r\\n\\r\\n' % i, peer)
"""


def on_link():
    p = subprocess.Popen(lab.inside("l4-send-r1", sys.executable, "-c", RESPONDER), stdout=subprocess.PIPE, text=True)
    children.append(p)
    p.stdout.readline()
    out = example("ssdp.sh", "s1a")
    expect("SSDP: two answers from other ports", len(re.findall(r"10\.84\.1\.2 +[\d.]+ ms", out)), 2)
    out = example("arp-sweep.sh", "10.84.1.0/28")
    expect("ARP sweep", re.findall(r"(\S+) is at", out), ["10.84.1.2"])
    expect("ARP sweep: the silent by address", "no answer: Who has 10.84.1.9? Tell" in out, True)
    rows, _ = ask("-i", "s1a", "--all", "--timeout", "300ms", "ip6(dst=ff02::1)/icmp6()")
    expect("all nodes of the link", len(rows), 1)
    for own, target in ((OWN4, "10.84.1.2"), (OWN6, "fd84:1::2")):
        family, icmp = ("ip6", "icmp6") if ":" in own else ("ip", "icmp")
        lab.run(*lab.inside("l4-send-r1", "ip", "neigh", "flush", "all"))
        rows, _ = ask("-a", own, f"{family}(dst={target})/{icmp}()")
        expect(f"the router finds {own} by our answer", rows[0]["answer"]["dst"], own)
    mac = re.search(r"link/ether (\S+)", lab.run("ip", "link", "show", "s1a").stdout)[1]
    rows, _ = ask("-i", "s1a", f"eth()/ip6(dst=ff02::1:ff00:2,hlim=255)/icmp6(type=135,target=fd84:1::2,"
                  f"options=[sll({mac})])")
    expect("neighbour solicitation", rows[0]["answer"]["src"], "fd84:1::2")


def counted(cmd, *args):
    """What l4 send says it sent, and what the router's interface got."""
    def got():
        return json.loads(lab.run("ip", "-n", "l4-send-r1", "-s", "-j", "link", "show", "s1b").stdout)[0][
            "stats64"]["rx"]["packets"]

    before = got()
    out, _ = l4("send", "--json", *cmd)
    return json.loads(out)["sent"], got() - before


def sending():
    lab.run(*lab.inside("l4-send-r1", "nft", "-f", "-"), input="table netdev d { chain i { type filter hook ingress "
            "device s1b priority 0; udp dport 9 drop\n }\n }\n")
    for what, cmd, n in (
            ("one packet", [f"ip(dst={V4})/udp(dport=9)"], 1),
            ("a set, twice", ["-c", "8", f"ip(dst={V4},ttl=[1,2])/udp(dport=9,sport=5-6)"], 8),
            ("30000, as fast as can be", ["-c", "30000", "--rate", "0", f"ip6(dst={V6})/udp(dport=9)"], 30000),
            ("200000, by two threads", ["-c", "200000", "--rate", "0", f"ip(dst={V4},src=random)/udp(dport=9)"], 200000),
            ("20000 a second", ["-c", "10000", "--rate", "20k", f"ip(dst={V4})/udp(dport=9)"], 10000)):
        start = time.monotonic()
        sent, got = counted(cmd)
        if not (sent == n and n <= got <= n + 20):  # others: neighbour discovery of the kernels
            lab.fail(f"sending {what}: {sent} sent, {got} came, not {n}")
        if "20k" in cmd and time.monotonic() - start < 0.45:
            lab.fail("10000 packets at 20000 a second took less than half a second")
        print(f"ok sending {what}", flush=True)
    p = subprocess.Popen([L4, "send", "--flood", "--json", f"ip(dst={V4})/udp(dport=9)"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.3)
    p.send_signal(2)
    out, _ = p.communicate(timeout=5)
    expect("Ctrl-C ends a flood with its summary", (p.returncode, json.loads(out)["sent"] > 100), (0, True))


def replay(tmp):
    """What was captured goes out again as it was, with its gaps."""
    file, again = f"{tmp}/first.pcapng", f"{tmp}/second.pcapng"
    l4("send", "--pcap", file, "--rate", "20", "-c", "6", f"ip(dst={V4})/udp(dport=9)/\"again\"")
    for speed, least, most in (("1", 0.2, 2), ("10", 0.02, 0.2)):
        start = time.monotonic()
        l4("send", "-i", "s1a", "--replay", file, "--speed", speed, "--pcap", again)
        took = time.monotonic() - start
        if not least <= took <= most:
            lab.fail(f"replay at {speed} times the speed took {took} s of 0.25")

    def bytes_of(path):
        return [line for line in l4("craft", "--from", path)[0].splitlines() if "again" in line]

    expect("a replay sends the same bytes", bytes_of(again), bytes_of(file))
    sent, got = counted(["-i", "s1a", "--replay", file, "--speed", "0", "-c", "50"])
    expect("50 rounds without pauses", sent >= 300 and got >= 300, True)
    l4("craft", "-w", file, f"ip(src=10.84.1.1,dst={V4})/udp(dport=[9,10])")
    sent, _ = counted(["--replay", file])
    expect("bare IP packets go by the route", sent, 2)
    _, err = l4("send", "--replay", "/etc/passwd", code=3)
    expect("what is no capture", "/etc/passwd: at offset 0: not a pcap or pcapng file" in err, True)


def interrupted():
    """Ctrl-C and kill -9 in the middle of a conversation."""
    with tempfile.NamedTemporaryFile("w", suffix=".l4") as f:
        f.write(f"ask s = ip(dst={V4})/tcp(dport=80,flags=S)\n"
                f"send ip(dst={V4})/tcp(sport=$s.tcp.dport,dport=80,flags=A,seq=$s.tcp.ack,ack=$s.tcp.seq+1)\n"
                "print up\nwait 60s\n")
        f.flush()
        for sig, code in ((2, 1), (9, -9)):
            p = subprocess.Popen([L4, "script", "--shared", f.name], stdout=subprocess.PIPE, text=True)
            if p.stdout.readline() != "up\n":
                lab.fail("the script did not come to its wait")
            held = lab.run(*lab.inside(SERVER, "ss", "-Htan", "state", "established")).stdout
            p.send_signal(sig)
            expect(f"signal {sig} ends a script", (p.wait(5), bool(held)), (code, True))
            rules = lab.run("nft", "list", "tables").stdout
            expect("no rule is left", rules, "")
            if sig == 2:
                left = lab.run(*lab.inside(SERVER, "ss", "-Htan", "state", "established")).stdout
                expect("the server has no connection", left, "")
    # What kill -9 leaves at the server, the kernel's reset ends at the next segment; here by ours.
    lab.run(*lab.inside(SERVER, "ss", "-K", "-t", "sport", "=", "80"), check=False)
    p = subprocess.Popen([L4, "ask", "--timeout", "30s", f"ip(dst={V4})/tcp(dport=2000,flags=S)"], stdout=subprocess.PIPE,
                         text=True)
    time.sleep(0.3)
    p.send_signal(2)
    out, _ = p.communicate(timeout=5)
    expect("Ctrl-C in ask", (p.returncode, "1 asked, 0 answered, 1 not" in out), (1, True))


REFLECT = """
import fcntl, os, struct
f = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(f, 0x400454ca, struct.pack('16sH22x', b'l4tun', 0x1001))
print('up', flush=True)
while True:
    p = bytearray(os.read(f, 2000))
    if p[0] >> 4 == 4 and p[9] == 1 and p[20] == 8:
        p[12:16], p[16:20] = p[16:20], p[12:16]
        c = struct.unpack('!H', p[22:24])[0] + 0x800
        p[20:24] = struct.pack('!BBH', 0, 0, (c & 65535) + (c >> 16))
        os.write(f, bytes(p))
"""


def tunnel():
    """A link without Ethernet: packets go bare."""
    if not os.path.exists("/dev/net/tun"):
        print("not done: no /dev/net/tun")
        return
    p = subprocess.Popen([sys.executable, "-c", REFLECT], stdout=subprocess.PIPE, text=True)
    children.append(p)
    p.stdout.readline()
    lab.ip("addr", "add", "10.86.0.1/24", "dev", "l4tun")
    lab.ip("link", "set", "l4tun", "up")
    rows, _ = ask("ip(dst=10.86.0.2)/icmp()")
    expect("through a TUN interface", (rows[0]["sent"]["src"], rows[0]["answer"]["src"]), ("10.86.0.1", "10.86.0.2"))
    p.kill()
    p.wait()


def scripts_that_fail():
    def run(text, code, *args):
        with tempfile.NamedTemporaryFile("w", suffix=".l4") as f:
            f.write(text)
            f.flush()
            return l4("script", *args, f.name, code=code)

    for text, code, word in (
            ("send ip(dst=$nobody)/icmp()\n", 2, "nothing is called '$nobody'"),
            ("frobnicate\n", 2, "no statement"), ("repeat 3\n", 2, "no end"), ("a = 1\nassert $a == 2\n", 1, "not so"),
            ("a = 1 / 0\nassert $a\n", 0, ""),
            (f"ask a = ip(dst={V4})/icmp()\nprint $a.icmp.tpye\n", 2, "near: type"),
            (f"ask a timeout 100ms retry 0 = ip(dst={V4})/tcp(dport=2000,flags=S)\n", 1, ":1: no answer"),
            ("expect a timeout 50ms = tcp.flags.syn==1\n", 1, "nothing came"),
            ("expect a = tcp.flagz==1\n", 2, "no field"), ("exit 5\n", 5, "")):
        _, err = run(text, code)
        if word not in err:
            lab.fail(f"{text!r} says {err!r}, not {word!r}")
    print("ok scripts that fail say where and why")
    out, _ = run("n = 0\nrepeat 4 as i\n  if $i == 3\n    break\n  else\n    n = $n + $i\n  end\nend\n"
                 "s = \"a\"\nprint $n $i $s $(($n << 4) | 1) $n+4 $$\n", 0)
    expect("loops and sums", out, "3 3 a 49 7 $\n")
    out, _ = run(f"ask a = ip(dst={V4})/tcp(dport=81,flags=S,seq=0xffffffff)\nprint $a.tcp.ack $a.tcp.ack-1\n", 0)
    expect("sequence numbers wrap", out, "0 4294967295\n")


def errors():
    for args, code, word in (
            (["send", "ip(dst=203.0.113.1)/icmp()"], 3, "no route to 203.0.113.1"),
            (["send", "ip(dst=10.84.0.0/9)/icmp()"], 1, "8388608 packets"),
            (["ask", "ip(dst=10.84.4.0/15)/icmp()"], 1, "131072 packets"),
            (["ask", "ip(dst=10.84.1.77)/icmp()", "--timeout", "100ms"], 1, ""),
            (["send", "ip(dst=10.84.1.77)/icmp()"], 1, "10.84.1.77 does not answer ARP on s1a"),
            (["send", "ip6(dst=fd84:1::77)/icmp6()"], 1, "does not answer neighbour solicitations"),
            (["send", "ip(dts=1.2.3.4)/icmp()"], 2, "near: dst"), (["send", "tpc()"], 2, "near: tcp"),
            (["send", "tcp()"], 2, "begins with ip"), (["send", "ip(ttl=256)"], 2, "at most 255"),
            (["send", "-i", "nosuch", "ip(dst=1.2.3.4)"], 2, "no interface 'nosuch'"),
            (["send", "-i", "dn0", "ip(dst=10.85.0.2)/icmp()"], 3, "dn0 up"),
            (["send", f"ip(dst={V4})/raw(zeros=3000)"], 3, "larger than"),
            (["ask", "--until", "nosuch.field", f"ip(dst={V4})/icmp()"], 2, "no field")):
        if "203.0.113.1" in args[-1]:
            lab.ip("route", "add", "unreachable", "203.0.113.0/24")
        if "dn0" in args:
            lab.ip("link", "add", "dn0", "type", "veth", "peer", "name", "dn1")
        _, err = l4(*args, code=code)
        if word not in err:
            lab.fail(f"l4 {args} says {err!r}, not {word!r}")
    lab.ip("link", "del", "dn0")
    p = subprocess.run(["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", "--ambient-caps=-all", L4, "send",
                        f"ip(dst={V4})/icmp()"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect("no permission says what is needed", (p.returncode, "CAP_NET_RAW" in p.stderr, "setcap" in p.stderr),
           (3, True, True))
    print("ok errors")


def main():
    routers()
    with tempfile.TemporaryDirectory() as tmp:
        services(tmp)
        lab.run("nft", "list", "tables")
        before = state()
        try:
            first_answers()
            dns()
            routes()
            conversations()
            on_link()
            sending()
            replay(tmp)
            interrupted()
            tunnel()
            scripts_that_fail()
            errors()
            lab.run("ip", "route", "del", "unreachable", "203.0.113.0/24")
            for _ in range(50):
                after = state()
                if after == before:
                    break
                time.sleep(0.1)
            expect("nothing is left behind", after, before)
        finally:
            for p in children:
                p.kill()
                p.wait()
    ran = set(re.findall(r"[\w-]+\.(?:l4|sh)", open(__file__).read()))
    ran |= {f"traceroute-{k}.sh" for k in ("icmp", "udp", "tcp")}
    expect("every example is run", {os.path.basename(f) for f in glob.glob(EXAMPLES + "/*")} - ran, set())


main()
