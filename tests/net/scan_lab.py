"""What the tests of `l4 scan` stand on: two hosts in namespaces of their own.

The test runs itself again inside new namespaces (enter), which is the scanner's host; Lab() makes
the target's, joined by a veth pair: 10.9.0.1 and fd09::1 here, 10.9.0.2 and fd09::2 there. All ends
with the processes."""
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

L4 = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "l4"
V4, V6 = "10.9.0.2", "fd09::2"
# The tree's own, wherever the tool was built.
os.environ.setdefault("L4_FINGERPRINTS",
                      os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "fingerprints"))


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def fail(why):
    print(f"FAIL: {why}")
    sys.exit(1)


def run(*cmd, ok=(0,), text=True, **kw):
    p = subprocess.run([str(c) for c in cmd], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text, **kw)
    if ok is not None and p.returncode not in ok:
        fail(f"{' '.join(map(str, cmd))}: exit {p.returncode}: {p.stderr}{p.stdout}")
    return p.stdout


def enter(*tools):
    """Returns inside the namespaces; the caller's main() follows."""
    if sys.argv[2:3] == ["--inner"]:
        return
    for tool in ("ip", "nft", "nsenter") + tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    how = ["unshare", "-nm"] if os.geteuid() == 0 else ["unshare", "-rnm"]
    if subprocess.run(how + ["true"], stderr=subprocess.DEVNULL).returncode:
        skip("no permission to make namespaces")
    os.execvp(how[0], how + [sys.executable, sys.argv[0], L4, "--inner"] + sys.argv[2:])


LISTENER = """
import socket, sys
keep = []
for arg in sys.argv[1:]:
    kind, port = arg.split(':')
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if kind == 't' else socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('::', int(port)))
    if kind == 't':
        s.listen(4096)
    keep.append(s)
print('up', flush=True)
udp = {s: s for s in keep if s.type == socket.SOCK_DGRAM}
import select
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
for s in udp:
    poll.register(s, select.POLLIN)
by_fd = {s.fileno(): s for s in udp}
while True:
    for fd, _ in poll.poll():
        if fd == sys.stdin.fileno():
            sys.exit()
        data, peer = by_fd[fd].recvfrom(2048)
        by_fd[fd].sendto(b'answer', peer)
"""


class Lab:
    def __init__(self):
        self.children = []
        self.other = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo up; exec sleep 1000"],
                                      stdout=subprocess.PIPE, text=True)
        self.children.append(self.other)
        self.other.stdout.readline()
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", self.other.pid)
        self.there("ip", "link", "set", "lo", "up")
        for here, dev, n in ((run, "va", 1), (self.there, "vb", 2)):
            here("ip", "addr", "add", f"10.9.0.{n}/24", "dev", dev)
            here("ip", "-6", "addr", "add", f"fd09::{n}/64", "dev", dev, "nodad")
            here("ip", "link", "set", dev, "up")
        for _ in range(100):
            if "state UP" in run("ip", "link", "show", "va"):
                break
            time.sleep(0.02)

    def there(self, *cmd, **kw):
        return run("nsenter", "-t", self.other.pid, "-n", *cmd, **kw)

    def start_there(self, *cmd, **kw):
        p = subprocess.Popen(["nsenter", "-t", str(self.other.pid), "-n"] + [str(c) for c in cmd], **kw)
        self.children.append(p)
        return p

    def listen(self, tcp=(), udp=()):
        p = self.start_there(sys.executable, "-c", LISTENER, *[f"t:{x}" for x in tcp], *[f"u:{x}" for x in udp],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if p.stdout.readline() != "up\n":
            fail("the target's listeners did not start")

    def nft(self, text):
        self.there("nft", "-f", "-", input=text)

    def firewall(self):
        """Ports 2000-2099 dropped, 3000-3099 rejected by ICMP, 4000-4099 by a reset."""
        self.nft("""
            table inet fw {
                chain input {
                    type filter hook input priority 0;
                    tcp dport 2000-2099 drop
                    tcp dport 3000-3099 reject with icmpx admin-prohibited
                    tcp dport 4000-4099 reject with tcp reset
                    udp dport 2000-2003 drop
                }
            }""")

    def lose(self, percent):
        """The given share of packets is lost, each way."""
        self.there("nft", "delete", "table", "netdev", "loss", ok=None)
        if percent:
            self.nft(f"""
                table netdev loss {{
                    chain in {{ type filter hook ingress device vb priority 0;
                        numgen random mod 1000 < {round(percent * 10)} drop;
                    }}
                    chain out {{ type filter hook egress device vb priority 0;
                        numgen random mod 1000 < {round(percent * 10)} drop;
                    }}
                }}""")

    def close(self):
        for p in reversed(self.children):
            p.kill()
            p.wait()


def scan(*args, ok=(0, 1)):
    """What l4 scan --json says, as {(address, port): (state, reason)}, hosts and summary."""
    ports, hosts, summary = {}, {}, None
    for line in run(L4, "scan", "--json", *args, ok=ok).splitlines():
        o = json.loads(line)
        if o["type"] == "port":
            ports[o["address"], o["port"]] = (o["state"], o["reason"])
        elif o["type"] == "host":
            hosts[o["address"]] = o
        else:
            summary = o
    return ports, hosts, summary


def from_xml(text):
    """(address, port) -> state of all ports, the counted ones by their state alone, of nmap's XML."""
    ports, counted = {}, {}
    for host in ET.fromstring(text).iter("host"):
        addr = next(a.get("addr") for a in host.iter("address") if a.get("addrtype") != "mac")
        for p in host.iter("port"):
            ports[addr, int(p.get("portid"))] = p.find("state").get("state")
        for e in host.iter("extraports"):
            counted[addr, e.get("state")] = int(e.get("count"))
    return ports, counted
