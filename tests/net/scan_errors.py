#!/usr/bin/env python3
"""l4 scan when things are odd: names that do not resolve, no permission, nobody there, limits, port
0, Ctrl-C and --resume, a full disk, forged answers. Usage: scan_errors.py L4"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from scan_lab import L4, Lab, V4, V6, enter, fail, from_xml, run, scan

DTD = "/usr/share/nmap/nmap.dtd"


def l4(*args):
    p = subprocess.run([L4, "scan", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=60)
    return p.returncode, p.stdout, p.stderr


def expect(what, got, want):
    if got != want:
        fail(f"{what}: got {str(got)[:500]}, expected {want}")
    print(f"ok: {what}")


def wrong_use():
    for args, word in ((["no.such.name.invalid"], "no.such.name.invalid"), ([], "no target"),
                       (["300.1.1.1"], "300.1.1.1"), (["10.0.0.0/33"], "10.0.0.0/33"), (["10.0.0.9-3"], "10.0.0.9-3"),
                       (["-p", "70000", "10.9.0.2"], "70000"), (["-p", "", "10.9.0.2"], "no port"),
                       (["-p", "nosuchport", "10.9.0.2"], "nosuchport"), (["--shard", "3/2", "10.9.0.2"], "3/2"),
                       (["--rate", "-1", "10.9.0.2"], "-1"), (["--syn", "--udp", "10.9.0.2"], "one at a time"),
                       (["--targets", "/no/such/file"], "/no/such/file"), (["--nonsense"], "--help"),
                       (["--interface", "nosuch0", "10.9.0.2"], "nosuch0")):
        code, _, err = l4(*args)
        if code != 2 or word not in err:
            fail(f"{args}: exit {code}, {err!r}")
    print("ok: wrong use is told with what is wrong")


def limits():
    """Towards public addresses. Nothing is sent: --list only prints, and refusals come first."""
    for args in (["--list", "8.0.0.0/15"], ["--list", "--rate", "20000", "9.9.9.9"], ["--list", "2000:db9::/110"]):
        code, _, err = l4(*args)
        if code != 2 or "--i-am-responsible" not in err:
            fail(f"{args}: exit {code}, {err!r}")
        if l4("--i-am-responsible", *args)[0] != 0:
            fail(f"{args} with --i-am-responsible is refused")
    for args in (["--list", "9.9.0.0/16"], ["--list", "--rate", "1000000", "10.0.0.0/14"]):
        if l4(*args)[0] != 0:
            fail(f"{args} is refused")
    print("ok: limits towards public addresses")
    _, out, err = l4("--list", "224.0.0.0/30", "10.1.1.0/31", "0.0.0.1", "10.1.1.0-3", "--exclude", "10.1.1.2")
    expect("reserved addresses only when named, duplicates once", out.split(),
           ["0.0.0.1", "10.1.1.0", "10.1.1.1", "10.1.1.3"])
    if "4 reserved" not in err:
        fail(f"the reserved ones are not told: {err}")
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("10.2.0.1 # one\n10.2.0.2-3, fd09::/127\n\n")
        f.flush()
        expect("a file of targets", l4("--list", "--targets", f.name)[1].split(),
               ["10.2.0.1", "10.2.0.2", "10.2.0.3", "fd09::", "fd09::1"])


def nobody(lab):
    ports, hosts, summary = scan("-p", "22", "10.9.0.99")
    expect("nobody there", (hosts["10.9.0.99"]["state"], ports, summary["up"]), ("down", {}, 0))
    ports, hosts, _ = scan("-p", "22", "10.200.0.1")
    expect("no route", (hosts["10.200.0.1"]["state"], ports), ("down", {}))
    code, _, _ = l4("-p", "1,2", V4)
    expect("nothing open is exit 1", code, 1)
    ports, _, _ = scan("-p", "0,22", V4)
    expect("port 0", (ports[V4, 0][0], ports[V4, 22][0]), ("closed", "open"))
    lab.nft("table inet quiet { chain i { type filter hook input priority 0; tcp dport 5000-5999 drop; }\n}")
    start = time.time()
    _, hosts, _ = scan("-p", "5000-5999", V4)
    expect("all filtered", hosts[V4]["counts"], {"filtered": 1000})
    if time.time() - start > 8:
        fail("1000 silent ports took longer than 8 s")
    ports, _, _ = scan("-p", "22", V4, V4, "10.9.0.2/32")
    expect("duplicate targets", ports, {(V4, 22): ("open", "syn-ack")})


def no_permission():
    """Without CAP_NET_RAW: the same command, as nobody in this namespace."""
    p = subprocess.run(["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", "--ambient-caps=-all",
                        L4, "scan", "--json", "-p", "22,23", V4], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True)
    said = [json.loads(x) for x in p.stdout.splitlines()]
    states = {o["port"]: (o["state"], o["reason"]) for o in said if o["type"] == "port"}
    if p.returncode != 0 or "connect scan instead" not in p.stderr or "connect scan" not in said[-1].get("note", ""):
        fail(f"no fall back to connect scan: {p.returncode} {p.stderr} {p.stdout}")
    expect("no permission: connect scan", states, {22: ("open", "syn-ack"), 23: ("closed", "conn-refused")})


def interrupted():
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        args = ["-p", "1-65535", "--resume", state]
        for i in range(2):  # eight seconds' work at that rate: the signal finds it running
            p = subprocess.Popen([L4, "scan", *args, "--rate", "8000", "--json", V4], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(0.8)
            p.send_signal(signal.SIGINT)
            out, err = p.communicate()
            summary = json.loads(out.splitlines()[-1])
            if p.returncode != 1 or summary["complete"] or not os.path.exists(state):
                fail(f"interrupted: exit {p.returncode}, {summary}, {err}")
        ports, hosts, summary = scan(*args, V4)
        expect("Ctrl-C twice, then --resume", hosts[V4]["counts"], {"open": 3, "closed": 64532, "filtered": 1000})
        if summary["packets"] > 60000 or os.path.exists(state):
            fail(f"it began anew, or the state is still there: {summary}")
        with open(state, "w") as f:
            f.write("layer4-scan 1 0 0 0\n")
        code, _, err = l4("-p", "22", "--resume", state, V4)
        if code != 3 or "other targets" not in err:
            fail(f"a foreign state is taken: {code} {err}")


def full_disk():
    code, out, err = l4("-p", "22", "-oX", "/dev/full", V4)
    if code != 3 or "/dev/full" not in err or "22/tcp" not in out:
        fail(f"a full disk for the XML: {code} {err} {out}")
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        with open("/dev/full", "w") as full:
            p = subprocess.run([L4, "scan", "-p", "22", "--resume", state, V4], stdout=full, stderr=subprocess.PIPE,
                               text=True)
        if p.returncode != 3 or "writing the results" not in p.stderr or not os.path.exists(state):
            fail(f"a full disk for the results: {p.returncode} {p.stderr}")
        ports, _, summary = scan("-p", "22", "--resume", state, V4)
        if ports != {(V4, 22): ("open", "syn-ack")} or summary["packets"] > 3:
            fail(f"the results were not kept: {ports} {summary}")
    print("ok: a full disk loses nothing")


FORGER = """
import socket, struct, sys
# Answers every SYN to ports 6000-6009, which the firewall drops, with a SYN-ACK of a wrong number.
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
s.bind(('vb', 0x800))
def csum(b):
    t = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    t = (t & 65535) + (t >> 16)
    return ~((t & 65535) + (t >> 16)) & 65535
print('up', flush=True)
while True:
    f = s.recv(2000)
    if f[23] != 6 or f[47] != 2:
        continue
    sport, dport, seq = struct.unpack('!HHI', f[34:42])
    if not 6000 <= dport < 6010:
        continue
    for flags, ack in ((0x12, seq + 77), (0x14, seq + 2), (0x14, 0)):
        tcp = struct.pack('!HHIIBBHHH', dport, sport, 5, ack & 0xffffffff, 0x50, flags, 1000, 0, 0)
        pseudo = f[30:34] + f[26:30] + struct.pack('!HH', 6, len(tcp))
        tcp = tcp[:16] + struct.pack('!H', csum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack('!BBHHHBBH', 0x45, 0, 40, 0, 0, 64, 6, 0) + f[30:34] + f[26:30]
        ip = ip[:10] + struct.pack('!H', csum(ip)) + ip[12:]
        s.send(f[6:12] + f[0:6] + b'\\x08\\x00' + ip + tcp)
"""


def forged(lab):
    lab.nft("table inet forge { chain i { type filter hook input priority 0; tcp dport 6000-6009 drop; }\n}")
    p = lab.start_there(sys.executable, "-c", FORGER, stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    _, hosts, summary = scan("-p", "6000-6009", V4)
    expect("forged answers change nothing", hosts[V4]["counts"], {"filtered": 10})
    if summary["forged"] < 10:
        fail(f"the forged answers are not counted: {summary}")


def own_address(lab):
    """-a: an address that no kernel has; ARP and NDP are answered by the scan."""
    for source, target in (("10.9.0.77", V4), ("fd09::77", V6)):
        ports, hosts, _ = scan("-a", source, "-p", "22,23", target)
        expect(f"from an address of our own, {source}", [ports.get((target, p)) for p in (22, 23)],
               [("open", "syn-ack"), ("closed", "reset")])


TARPIT = """
import select, socket, sys
# Takes every connection: on 7100 it never says a word and reads nothing, on 7101 it says a letter every
# 20 ms for ever, on 7102 as much as it can.
lists = {}
for port in (7100, 7101, 7102):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1); s.bind(('', port)); s.listen(4096)
    lists[s] = port
print('up', flush=True)
taken = {7100: [], 7101: [], 7102: []}
flood = b'nonsense without end ' * 400
while True:
    for s in select.select(list(lists), [], [], 0.02)[0]:
        c = s.accept()[0]
        c.setblocking(False)
        taken[lists[s]].append(c)
    for port, what in ((7101, b'x'), (7102, flood)):
        for c in list(taken[port]):
            try:
                c.send(what)
            except BlockingIOError:
                pass
            except OSError:
                taken[port].remove(c)
                c.close()
"""


def tarpit(lab):
    """A thousand ports behind which there is nothing but patience: the scan says open, and ends."""
    p = lab.start_there(sys.executable, "-c", TARPIT, stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    lab.nft("""
        table ip tar { chain pre { type nat hook prerouting priority -100;
            tcp dport 20000-20999 redirect to :7100; tcp dport 21000-21007 redirect to :7101;
            tcp dport 22000-22007 redirect to :7102;
        }
        }""")
    _, hosts, _ = scan("-p", "20000-20999,23000", V4)
    expect("a thousand ports of a tarpit are open", hosts[V4]["counts"], {"open": 1000, "closed": 1})
    ports = "20000-20007,21000-21007,22000-22007"
    commands = [[L4, "scan", "--json", "--services", *more, "-p", ports, V4] for more in ([], ["--kernel-tcp"])]
    running = [(c, subprocess.Popen(c, stdout=subprocess.PIPE, text=True)) for c in commands]
    for command, q in running:
        try:
            said = [json.loads(x) for x in q.communicate(timeout=60)[0].splitlines()]
        except subprocess.TimeoutExpired:
            fail(f"24 ports of a tarpit take more than 60 s: {command}")
        states = [o["state"] for o in said if o["type"] == "port"]
        expect(f"the services of a tarpit end, {said[-1]['services_over']}", states, ["open"] * 24)
    p.kill()


def by_the_dtd():
    """What nmap's own definition of its XML says to ours."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.xml")
        for args in (["-p", "1-100,7000", V4], ["-p", "22", "10.9.0.0/29", V6], ["--udp", "-p", "53,161", V4],
                     ["--services", "--kernel-tcp", "--timeout", "100", "-p", "7010", V4], ["-p", "22", "10.200.0.1"]):
            run(L4, "scan", "-oX", out, *args, ok=(0, 1))
            p = subprocess.run(["xmllint", "--noout", "--dtdvalid", DTD, out], stderr=subprocess.PIPE, text=True)
            if p.returncode:
                fail(f"the XML of {args} is not valid by nmap's DTD: {p.stderr}")
    print("ok: valid by nmap's DTD")


def targets_and_ports(lab):
    """Names, standard input, files to leave out, names of ports, the most used ports, parts."""
    p = subprocess.run([L4, "scan", "--list", "--targets", "-"], input="10.3.0.0/30",
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect("targets from standard input", p.stdout.split(), ["10.3.0.0", "10.3.0.1", "10.3.0.2", "10.3.0.3"])
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("# not these\n10.3.0.1-2\n")
        f.flush()
        expect("a file of exclusions", l4("--list", "--exclude-file", f.name, "10.3.0.0/30")[1].split(),
               ["10.3.0.0", "10.3.0.3"])
    _, out, _ = l4("--connect", "-4", "-p", "1", "localhost")
    if "127.0.0.1" not in out or "localhost" not in out:
        fail(f"a name: {out}")
    ports, _, _ = scan("-p", "ssh,http-alt", V4)
    expect("names of ports", sorted(p for _, p in ports), [22, 8080])
    for n in (1, 20, 1000):
        expect(f"--top {n}", scan("--top", n, V4)[2]["ports"], n)
    expect("20 of the most used are those that everybody knows",
           {22, 25, 53, 80, 443} - {p for _, p in scan("--top", "20", V4)[0]}, set())
    seen = []
    for i in (1, 2, 3):
        seen += [p for _, p in scan("--shard", f"{i}/3", "--seed", "5", "-p", "1-20", V4)[0]]
    expect("parts are disjoint and whole", sorted(seen), list(range(1, 21)))


def unreachable(lab):
    """A router that says there is no way to the target, and one that says nothing."""
    lab.there("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lab.there("ip", "route", "add", "unreachable", "10.88.0.1/32")
    lab.there("ip", "route", "add", "blackhole", "10.88.0.2/32")
    run("ip", "route", "add", "10.88.0.0/24", "via", V4)
    ports, _, _ = scan("-p", "22", "10.88.0.1")
    expect("unreachable", ports, {("10.88.0.1", 22): ("filtered", "host-unreach")})
    ports, _, _ = scan("-p", "22", "10.88.0.2")
    expect("lost on the way", ports, {("10.88.0.2", 22): ("filtered", "no-response")})


FROBD = """
import socketserver
class Frobd(socketserver.BaseRequestHandler):
    def handle(self):
        if self.request.recv(100) == b'FROB?\\r\\n':
            self.request.send(b'frob 4.5 ready\\r\\n')
socketserver.ThreadingTCPServer.allow_reuse_address = True
s = socketserver.ThreadingTCPServer(('', 7010), Frobd)
print('up', flush=True)
s.serve_forever()
"""


def own_fingerprint(lab):
    """docs/fingerprints.md, "Adding one": a service that no file knows, until two blocks are added."""
    p = lab.start_there(sys.executable, "-c", FROBD, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                        text=True)
    p.stdout.readline()

    def product(*args):
        out = run(L4, "scan", "--json", "--services", *args, "-p", "7010", V4).splitlines()
        port = next(json.loads(x) for x in out if json.loads(x)["type"] == "port")
        return port.get("service"), port.get("product"), port.get("version")

    if product()[1] is not None:
        fail(f"somebody knows it already: {product()}")
    with open(os.environ["L4_FINGERPRINTS"], encoding="utf-8") as f:
        text = f.read()
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(text + """
probe frob tcp
  ports 7010
  send "FROB?\\r\\n"

service frobnicate
  after frob
  match ^frob ([0-9.]+) ready
  product Frobd
  version $1
""")
        f.flush()
        expect("an added fingerprint", product("--fingerprints", f.name), ("frobnicate", "Frobd", "4.5"))
        f.write("service broken\n  match (\n")
        f.flush()
        code, _, err = l4("--services", "--fingerprints", f.name, "-p", "7010", V4)
        if code not in (2, 3) or not re.search(re.escape(f.name) + r":\d+", err):
            fail(f"a wrong line is not told by its place: {code} {err}")
    p.kill()


def ndiff(kind, *ports):
    """nmap's own tool reads our XML and finds no difference to nmap's."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = os.path.join(folder, "ours.xml"), os.path.join(folder, "theirs.xml")
        run(L4, "scan", "-p", *ports, "-oX", ours, V4)
        run("nmap", "-n", kind, "-p", *ports, "-oX", theirs, V4)
        p = subprocess.run(["ndiff", "-v", theirs, ours], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # The header names the program and the time; hosts and ports are what counts.
    changed = [x for x in p.stdout.splitlines() if x.startswith(("+", "-")) and "scan initiated" not in x]
    if p.returncode == 2 or p.stderr or changed or "22/tcp" not in p.stdout:
        fail(f"ndiff: exit {p.returncode}: {p.stderr} {p.stdout}")
    print("ok: ndiff reads the XML and finds no difference to nmap's")


def outputs():
    text = run(L4, "scan", "-p", "22,23", "-oX", "-", V4)
    expect("XML", from_xml(text), ({(V4, 22): "open", (V4, 23): "closed"}, {}))
    _, out, _ = l4("-p", "22,23", "--open", V4)
    if "22/tcp" not in out or "23/tcp" in out or "1 port open" not in out:
        fail(f"--open: {out}")
    one, two = (run(L4, "scan", "--json", "--seed", "7", "-p", "1-100", V4, ok=(0, 1)).splitlines()[:-1] for _ in "12")
    def without_rtt(lines):
        return [{k: v for k, v in json.loads(x).items() if k != "rtt_ms"} for x in lines]
    expect("the same twice", without_rtt(one), without_rtt(two))


def main():
    wrong_use()
    limits()
    lab = Lab()
    try:
        lab.listen(tcp=[22, 7000, 8000])
        nobody(lab)
        no_permission()
        interrupted()
        full_disk()
        forged(lab)
        own_address(lab)
        tarpit(lab)
        outputs()
        targets_and_ports(lab)
        unreachable(lab)
        own_fingerprint(lab)
        if shutil.which("xmllint") and os.path.exists(DTD):
            by_the_dtd()
        else:
            print("SKIP: xmllint or nmap's DTD is not installed")
        if shutil.which("ndiff") and shutil.which("nmap"):
            ndiff("-sS", "21,22,23")
        else:
            print("SKIP: ndiff or nmap is not installed: the XML is not read by it")
    finally:
        lab.close()


sys.path.insert(0, __file__.rsplit("/", 1)[0])
enter("setpriv")
main()
