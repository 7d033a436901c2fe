#!/usr/bin/env python3
"""l4 ports agrees with ss and lsof on a state of sockets that this test makes.

In a network namespace of its own: listeners (v4, v6 only, dual-stack), a connection in each state
that a peer or a firewall can hold it in, bound and idle sockets, UDP connected and not, a process
of another user, a process in its own mount namespace and root, and a second network namespace.
Usage: ports_agree.py L4
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

L4 = os.path.abspath(sys.argv[1])


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def run(*cmd, ok=(0,)):
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ok is not None and p.returncode not in ok:
        raise SystemExit(f"FAIL: {' '.join(cmd)}: exit {p.returncode}: {p.stderr}{p.stdout}")
    return p.stdout


def enter():
    """Runs this test again inside new network and mount namespaces."""
    for tool in ("ss", "lsof", "nft", "ip"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    how = ["unshare", "-nm"] if os.geteuid() == 0 else ["unshare", "-rnm"]
    if subprocess.run(how + ["true"], stderr=subprocess.DEVNULL).returncode:
        skip("no permission to make namespaces")
    os.execvp(how[0], how + [sys.executable, __file__, L4, "--inner"])


keep = []


def listener(family, addr, port, v6only=None, backlog=16):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if v6only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    s.bind((addr, port))
    s.listen(backlog)
    keep.append(s)
    return s


def pair(server, addr):
    c = socket.socket(server.family, socket.SOCK_STREAM)
    c.connect(addr)
    a, _ = server.accept()
    keep.extend((c, a))
    return c, a


def drop(rule, chain="out"):
    run("nft", "add", "rule", "inet", "l4ports", chain, *rule.split())


def child(code, **kw):
    """A python process that runs code, says a line and sleeps; ends when its stdin closes."""
    p = subprocess.Popen([sys.executable, "-c", code + "\nprint('up', flush=True)\nimport sys; sys.stdin.read()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **kw)
    if p.stdout.readline() != "up\n":
        raise SystemExit(f"FAIL: the helper process did not start: {code}")
    keep.append(p)
    return p


def make_state():
    run("ip", "link", "set", "lo", "up")
    run("nft", "add", "table", "inet", "l4ports")
    for chain, hook in (("out", "output"), ("in", "input")):
        run("nft", "add", "chain", "inet", "l4ports", chain, f"{{ type filter hook {hook} priority 0 ; }}")
    v4 = listener(socket.AF_INET, "127.0.0.1", 4000)
    v6 = listener(socket.AF_INET6, "::1", 4001)
    listener(socket.AF_INET6, "::", 4002, 0)
    listener(socket.AF_INET6, "::", 4003, 1)
    listener(socket.AF_INET, "0.0.0.0", 4003)
    dual = listener(socket.AF_INET6, "::", 8080, 0)
    pair(v4, ("127.0.0.1", 4000))                       # established
    pair(v6, ("::1", 4001))
    pair_mapped = socket.create_connection(("127.0.0.1", 8080))
    keep.append(pair_mapped)
    keep.append(dual.accept()[0])                       # v4-mapped end of a dual-stack listener
    c, a = pair(v4, ("127.0.0.1", 4000))
    c.send(b"unread")                                   # a receive queue
    c, a = pair(v4, ("127.0.0.1", 4000))
    c.shutdown(socket.SHUT_WR)                          # fin-wait-2 and close-wait
    c, a = pair(v4, ("127.0.0.1", 4000))
    c.close()
    a.close()                                           # time-wait
    # Held by the firewall: what must not arrive is dropped from now on.
    fin = listener(socket.AF_INET, "127.0.0.1", 4010)
    c, a = pair(fin, ("127.0.0.1", 4010))
    drop("tcp dport 4010 tcp flags & fin == fin drop")
    c.shutdown(socket.SHUT_WR)                          # fin-wait-1
    both = listener(socket.AF_INET, "127.0.0.1", 4011)
    c, a = pair(both, ("127.0.0.1", 4011))
    c.shutdown(socket.SHUT_WR)
    a.recv(1)                                           # returns when the FIN is there
    drop("tcp sport 4011 tcp flags & fin == fin drop")
    a.shutdown(socket.SHUT_WR)                          # last-ack
    syn = socket.socket()
    syn.setblocking(False)
    drop("tcp dport 4012 drop")
    syn.connect_ex(("127.0.0.1", 4012))                 # syn-sent
    keep.append(syn)
    listener(socket.AF_INET, "127.0.0.1", 4013)
    # On its way in: the kernel forgets a half-open connection whose SYN-ACK could not be sent again.
    drop("tcp sport 4013 tcp flags & (syn|ack) == (syn|ack) drop", "in")
    half = socket.socket()
    half.setblocking(False)
    half.connect_ex(("127.0.0.1", 4013))                # syn-received on the other side
    keep.append(half)
    bound = socket.socket()
    bound.bind(("127.0.0.1", 4020))                     # bound, not listening
    keep.append(bound)
    for fam, addr in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")):
        u = socket.socket(fam, socket.SOCK_DGRAM)
        u.bind((addr, 5000 if addr != "::" else 5001))
        keep.append(u)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.connect(("127.0.0.1", 5000))                      # connected UDP
    keep.append(u)
    if os.geteuid() == 0 and open("/proc/self/uid_map").read().split()[2] != "1":
        child("import ctypes, os, socket\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
              "ctypes.CDLL(None).prctl(4, 1)\n"  # dumpable: or its /proc stays root's
              "s=socket.socket(); s.bind(('127.0.0.1', 4030)); s.listen()")
    root = tempfile.mkdtemp(prefix="l4-ports-")
    keep.append(child("import os, socket, ctypes\nctypes.CDLL(None).unshare(0x20000)\n"
                      f"s=socket.socket(); s.bind(('127.0.0.1', 4031)); s.listen()\nos.chroot({root!r}); os.chdir('/')\n"))
    os.rmdir(root)
    # Two processes that share one socket; two that have one each of the same port.
    shared = listener(socket.AF_INET, "127.0.0.1", 4032)
    child("import time", pass_fds=(shared.fileno(),))
    for port_of in (4033, 4033):
        child("import socket\ns=socket.socket(); s.setsockopt(1, 15, 1)\n"  # SO_REUSEPORT
              f"s.bind(('127.0.0.1', {port_of})); s.listen()\nimport os, sys")
    child("import ctypes, socket, subprocess\nctypes.CDLL(None).unshare(0x40000000)\n"
          "subprocess.run(['ip','link','set','lo','up'], check=True)\n"
          "s=socket.socket(); s.bind(('127.0.0.1', 4040)); s.listen()")


# ss words for states, to ours.
SS_STATE = {"ESTAB": "established", "SYN-SENT": "syn-sent", "SYN-RECV": "syn-received", "FIN-WAIT-1": "fin-wait-1",
            "FIN-WAIT-2": "fin-wait-2", "TIME-WAIT": "time-wait", "CLOSE-WAIT": "close-wait", "LAST-ACK": "last-ack",
            "LISTEN": "listen", "CLOSING": "closing", "UNCONN": "unconnected"}


def from_ss():
    rows = set()
    for line in run("ss", "-tuapnH").splitlines():
        f = line.split(None, 6)
        proto, state = f[0], SS_STATE[f[1]]
        if proto == "udp" and state == "established":
            state = "connected"
        who = frozenset((m[0], int(m[1]), int(m[2])) for m in
                        re.findall(r'\("([^"]*)",pid=(\d+),fd=(\d+)\)', f[6] if len(f) > 6 else ""))
        rows.add((proto, state, f[4].split("%")[0], f[5].replace("0.0.0.0:*", "*:*").replace("[::]:*", "*:*"),
                  int(f[2]), int(f[3]), who))
    return rows


def from_l4(objects):
    rows = set()
    for o in objects:
        def end(which):
            if which + "_port" not in o:
                return "*:*"
            a = o[which + "_address"]
            waits = o["state"] in ("listen", "unconnected") or (o["protocol"] == "udp" and which == "local")
            if a == "::" and not o.get("v6only") and waits:
                a = "*"
            elif ":" in a:
                a = f"[{a}]"
            return f"{a}:{o[which + '_port']}"
        who = frozenset((p["name"], p["pid"], p["fd"]) for p in o["processes"])
        rows.add((o["protocol"], o["state"], end("local"), end("remote"), o["recv_q"], o["send_q"], who))
    return rows


def from_lsof():
    """(pid, fd, protocol, name) of each internet socket; lsof knows no sockets without a process."""
    rows, pid, fd, proto = set(), None, None, None
    for line in run("lsof", "-nP", "-i", "-FpfPn", ok=(0, 1)).splitlines():
        tag, rest = line[0], line[1:]
        if tag == "p":
            pid = int(rest)
        elif tag == "f":
            fd = int(rest) if rest.isdigit() else None
        elif tag == "P":
            proto = rest.lower()
        elif tag == "n" and fd is not None:
            rows.add((pid, fd, proto, int(re.search(r":(\d+)(->|$)", rest)[1])))
    return rows


def check(name, a, b):
    if a != b:
        print(f"FAIL: {name}")
        for r in sorted(a - b, key=str):
            print("  only the peer tool:", r)
        for r in sorted(b - a, key=str):
            print("  only l4 ports:     ", r)
        sys.exit(1)
    print(f"ok: {name}: {len(a)} agree")


def l4(*args, ok=(0,)):
    return run(L4, "ports", *args, ok=ok)


def objects(*args):
    return [json.loads(line) for line in l4("--json", *args).splitlines()]


def still(look):
    """What `look` sees and what we see of one and the same state: the kernel may still be moving sockets (a late
    acknowledgment, a timer), so ours is taken before and after, and both must be equal."""
    for _ in range(100):
        before = objects()
        theirs = look()
        if before == objects():
            return theirs, before
        time.sleep(0.05)
    raise SystemExit("FAIL: the state of the sockets does not come to rest")


def unprivileged():
    """Another user sees all sockets, few processes, and is told so."""
    if os.geteuid() or open("/proc/self/uid_map").read().split()[2] == "1" or not shutil.which("setpriv"):
        print("SKIP: no second user here: what one without rights is told")
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        exe = shutil.copy(L4, folder)
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", exe, "ports"]
        p = subprocess.run(nobody + ["--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    seen = [json.loads(line) for line in p.stdout.splitlines()]
    ours = objects()
    check("sockets without rights", {(o["protocol"], o["state"], o.get("local_port")) for o in ours},
          {(o["protocol"], o["state"], o.get("local_port")) for o in seen})
    with_process = {o["local_port"] for o in seen if o["processes"]}
    if with_process != {4030}:
        raise SystemExit(f"FAIL: nobody sees the processes of ports {with_process}, its own is 4030")
    hidden = sum(1 for o in ours if o["processes"]) - sum(1 for o in seen if o["processes"])
    told = re.search(r"(\d+) sockets?", p.stderr)
    if not told or int(told[1]) < hidden or "root" not in p.stderr:
        raise SystemExit(f"FAIL: {hidden} sockets' processes could not be seen, and it says {p.stderr!r}")
    print("ok: without rights it says what it could not see")


def asked():
    """All who have a port, whichever way they were found: one socket of two processes (compared by kcmp), two
    sockets, many connections, both protocols; and the same as the whole list says."""
    whole = objects()
    for port, n in ((4032, 2), (4033, 2), (4000, 1), (4002, 1), (5000, 1), (4030, 1), (4031, 1)):
        passive = [o for o in whole if o["local_port"] == port and o["state"] in ("listen", "unconnected")]
        want = {(p["pid"], p["fd"]) for o in passive for p in o["processes"]}
        if port == 4030 and not passive:
            continue  # no second user here
        line = l4(str(port))
        got = {(int(a), int(b)) for a, b in re.findall(r"\[(\d+),(\d+)\]", line.split(", user ")[0])}
        if got != want or len({pid for pid, _ in want}) != n:
            raise SystemExit(f"FAIL: {port} is held by {want}, and the answer is {line!r}")
        mine = {(p["pid"], p["fd"]) for o in objects(str(port)) for p in o["processes"]}
        if mine != {(p["pid"], p["fd"]) for o in whole if o["local_port"] == port for p in o["processes"]}:
            raise SystemExit(f"FAIL: --json {port} names {mine}")
    if ": no process any more" not in l4(str(next(o["local_port"] for o in whole if o["state"] == "time-wait"
                                              and o["local_port"] > 5001))):
        raise SystemExit("FAIL: a port in time-wait has an owner")
    print("ok: a question about a port names all holders")


def watch():
    """--watch shows what is there and then tells what opens and closes: no waiting by the clock."""
    listener(socket.AF_INET, "127.0.0.1", 4051)
    p = subprocess.Popen([L4, "ports", "--watch", "--interval", "0.05", "--json", "-p", "4050,4051"],
                         stdout=subprocess.PIPE, text=True)

    def told():
        o = json.loads(p.stdout.readline())
        return o.get("event"), o["local_port"]

    events = [told()]
    s = listener(socket.AF_INET, "127.0.0.1", 4050)
    events.append(told())
    s.close()
    events.append(told())
    p.send_signal(2)
    if p.wait(20) != 0 or events != [(None, 4051), ("opened", 4050), ("closed", 4050)]:
        raise SystemExit(f"FAIL: --watch told {events}")


def main():
    make_state()
    theirs, ours = still(from_ss)
    check("ss", theirs, from_l4(o for o in ours if o["state"] != "bound"))
    states = {o["state"] for o in ours}
    for s in list(SS_STATE.values()) + ["connected", "bound"]:
        if s != "closing" and s not in states:
            raise SystemExit(f"FAIL: no socket in {s}: the test's state is not what it should be")
    theirs, ours = still(from_lsof)
    mine = {(p["pid"], p["fd"], o["protocol"], o["local_port"]) for o in ours for p in o["processes"]
            if o["state"] != "bound"}  # lsof -i knows sockets by /proc/net only, where these are not
    check("lsof", theirs, mine)
    unprivileged()
    answer = l4("8080")
    if not re.fullmatch(rf"8080/tcp.*: \S+\[{os.getpid()},\d+\].*listening on \*:8080, 1 connection\n", answer):
        raise SystemExit(f"FAIL: the answer for 8080 is {answer!r}")
    asked()
    if "nobody" not in l4("4999", ok=(1,)):
        raise SystemExit("FAIL: an unused port has an owner")
    if {o["state"] for o in objects("-t", "-s", "fin-wait-2,close-wait")} != {"fin-wait-2", "close-wait"}:
        raise SystemExit("FAIL: --state does not filter")
    if {o["local_port"] for o in objects("-l", "-p", "4000-4003")} != {4000, 4001, 4002, 4003}:
        raise SystemExit("FAIL: --port does not filter")
    info = [o["info"] for o in objects("-i", "-t", "-s", "established")]
    if not info or any(i["snd_mss"] < 500 or i["cwnd"] < 1 or not i["congestion"] for i in info):
        raise SystemExit(f"FAIL: --info tells nothing sensible: {info[:1]}")
    other = [o for o in objects("-A", "-l", "-p", "4040") if o["netns"] != "own"]
    if len(other) != 1 or not other[0]["processes"]:
        raise SystemExit(f"FAIL: --all-namespaces does not show the socket of the other namespace: {other}")
    watch()
    for bad in (["--port", "0-99999"], ["--state", "nonsense"], ["--port", ""], ["--interval", "0"]):
        l4(*bad, ok=(2,))
    if subprocess.run([L4, "ports"], stdout=open("/dev/full", "w"), stderr=subprocess.DEVNULL).returncode != 3:
        raise SystemExit("FAIL: a full disk is not told")
    print("ok: answers, filters, info, namespaces, watch and errors")


if sys.argv[2:] == ["--inner"]:
    main()
else:
    enter()
