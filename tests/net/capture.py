#!/usr/bin/env python3
"""l4 capture on interfaces of its own namespaces: what the file holds is what was sent; filters,
several interfaces and any; the views live; processes; rotation; signals, a full disk, a reader that
goes away, an interface that does; drop counters; what is said where it cannot be done.

Usage: capture.py L4 [PART...]
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import lab

lab.enter()
L4 = os.path.abspath(sys.argv[1])
TMP = tempfile.mkdtemp(prefix="l4-capture-")
os.chdir(TMP)
TSHARK = shutil.which("tshark")


def expect(what, ok, detail=""):
    if not ok:
        lab.fail(f"{what}: {detail}")
    print(f"ok {what}")


def capture(*args, **kw):
    """Starts a capture and waits until its sockets are bound."""
    p = subprocess.Popen([L4, "capture", *args], stdout=kw.pop("stdout", subprocess.PIPE),
                         stderr=subprocess.PIPE, text=kw.pop("text", True), **kw)
    want = max(1, sum(a == "-i" for a in args))
    end = time.monotonic() + 20
    while time.monotonic() < end and p.poll() is None:
        with open("/proc/net/packet", encoding="ascii") as f:
            if sum(row.split()[3] == "0003" for row in f.read().splitlines()[1:]) >= want:
                return p
        time.sleep(0.01)
    lab.fail(f"{args}: does not begin: {p.communicate(timeout=5)}")


def end(p, sig=signal.SIGINT):
    p.send_signal(sig)
    out, err = p.communicate(timeout=30)
    return p.returncode, out, err


def datagrams(n, port, size=10, addr="127.0.0.1"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(n):
        s.sendto(b"%d " % i + b"x" * size, (addr, port))
    s.close()


def fields(path, names, *more):
    p = lab.run(L4, "dissect", "-e", names, *more, path)
    return [row.split("\t") for row in p.stdout.splitlines()]


def refused(what, args, code, words, **kw):
    p = subprocess.run(kw.pop("prefix", []) + [L4, "capture"] + args, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=30, check=False, **kw)
    expect(f"error: {what}", p.returncode == code and all(w in p.stderr for w in words),
           f"exit {p.returncode}: {p.stderr}")


def files_and_signals():
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        p = capture("-i", "lo", "-f", "udp port 7001", "-w", "a.pcapng")
        datagrams(20, 7001)
        code, _, err = end(p, sig)
        rows = fields("a.pcapng", "udp.dstport,frame.interface_name,frame.interface_description,frame.len")
        expect(f"{sig.name}: whole file", code == 0 and len(rows) == 20 and "20 packets, 0 dropped" in err,
               f"{code} {len(rows)} {err}")
        expect("interface's name and description", rows[0][1:3] == ["lo", "loopback"], str(rows[0]))
    if TSHARK:
        p = lab.run(TSHARK, "-n", "-r", "a.pcapng", "-T", "fields", "-e", "frame.interface_name", "-e",
                    "frame.interface_description", "-e", "udp.dstport")
        expect("tshark reads the same", p.stdout.splitlines() == ["lo\tloopback\t7001"] * 20, p.stdout)
        p = lab.run("capinfos", "-A", "a.pcapng", check=False)
        expect("capinfos: dropped packets are counted", "Number of packets dropped by interface" not in p.stdout
               or " 0" in p.stdout, p.stdout)
    expect("statistics block", statistics("a.pcapng")[0][1] == 0, str(statistics("a.pcapng")))
    # killed without a chance to end: what is there is whole blocks
    p = capture("-i", "lo", "-f", "udp port 7001", "-w", "k.pcapng")
    datagrams(50, 7001, 500)
    wait_size("k.pcapng", 50 * 500)
    end(p, signal.SIGKILL)
    r = lab.run(L4, "dissect", "k.pcapng", check=False)
    expect("SIGKILL: whole blocks", r.returncode == 0 and r.stdout.count("\n") == 50, r.stderr)


def statistics(path):
    """(received, dropped) of each interface statistics block."""
    out, at = [], 0
    with open(path, "rb") as f:
        data = f.read()
    while at < len(data):
        kind, n = (int.from_bytes(data[at + i:at + i + 4], sys.byteorder) for i in (0, 4))
        if kind == 5:
            o, v = at + 20, {}
            while data[o:o + 4] != b"\0\0\0\0":
                code, size = (int.from_bytes(data[o + i:o + i + 2], sys.byteorder) for i in (0, 2))
                v[code] = int.from_bytes(data[o + 4:o + 4 + size], sys.byteorder)
                o += 4 + (size + 3) // 4 * 4
            out.append((v[4], v[5]))
        at += n
    expect(f"{path}: blocks fill the file", at == len(data), f"{at} of {len(data)}")
    return out


def wait_size(path, size):
    for _ in range(500):
        if os.path.exists(path) and os.path.getsize(path) >= size:
            return
        time.sleep(0.01)
    lab.fail(f"{path}: does not grow to {size}")


def counts_and_filters():
    p = capture("-i", "lo", "-f", "udp port 7002", "-c", "5", "-w", "c.pcapng")
    datagrams(9, 7002)
    p.communicate(timeout=30)
    expect("-c", p.returncode == 0 and len(fields("c.pcapng", "udp.port")) == 5, str(p.returncode))
    p = capture("-i", "lo", "-f", "udp port 7003", "-Y", "udp.length > 100", "-c", "2", "-s", "60", "--print",
                "-w", "y.pcapng", "-e", "frame.number,udp.length,frame.cap_len")
    for size in (10, 200, 20, 300, 30, 400):
        datagrams(1, 7003, size)
    out, _ = p.communicate(timeout=30)
    expect("-Y counts what it selects; -s", out == "2\t210\t60\n4\t310\t60\n" and len(fields("y.pcapng", "udp.port")) == 2,
           out)
    p = capture("-i", "lo", "-f", "udp port 7004", "-t", "1")
    datagrams(3, 7004)
    before = time.monotonic()
    out, _ = p.communicate(timeout=30)
    expect("-t", p.returncode == 0 and out.count("\n") == 3 and time.monotonic() - before < 10, out)
    p = capture("-i", "lo", "-f", "udp port 7005", "-c", "2", "-w", "-", text=False)
    datagrams(2, 7005)
    out, err = p.communicate(timeout=30)
    r = subprocess.run([L4, "dissect", "-"], input=out, stdout=subprocess.PIPE, check=False)
    expect("-w -", r.returncode == 0 and r.stdout.count(b"\n") == 2, err)
    p = capture("-i", "lo", "-f", "udp port 7006", "-w", "-", text=False)
    r = subprocess.Popen([L4, "dissect", "-"], stdin=p.stdout, stdout=subprocess.PIPE)
    p.stdout.close()
    datagrams(3, 7006)
    seen = b"".join(r.stdout.readline() for _ in range(3))
    r.send_signal(signal.SIGINT)
    r.communicate(timeout=30)
    expect("piped into l4 dissect: seen at once, Ctrl-C ends the wait", seen.count(b"7006") == 3 and r.returncode == 0,
           f"{r.returncode} {seen}")
    datagrams(1, 7006)
    expect("the capture ends with its reader", p.wait(timeout=30) == 0)
    p.stderr.close()
    p = capture("-i", "lo", "-f", "udp port 7005", "-w", "-", text=False)
    p.stdout.close()
    datagrams(2, 7005)
    expect("-w - and nobody reads", p.wait(timeout=30) == 0)
    p.stderr.close()


def views():
    want = {"": "UDP", "-d": "User Datagram Protocol, Src Port", "-l": "4 transport     udp       datagram",
            "-x": "0020  ", "-j": '"udp.dstport":7010'}
    for option, words in want.items():
        p = capture("-i", "lo", "-f", "udp port 7010", "-c", "1", *([option] if option else []))
        datagrams(1, 7010)
        out, _ = p.communicate(timeout=30)
        expect(f"live view {option or 'summary'}", p.returncode == 0 and words in out, out)
        if option == "-j":
            j = json.loads(out)
            expect("live JSON", j["layers"][0]["frame.interface_name"] == "lo", out)
    for option, words in (("--conversations", "127.0.0.1:7011"), ("--stats", "packets   2"),
                          ("--expert", "note            2  udp      Partial checksum")):
        p = capture("-i", "lo", "-f", "udp port 7011", "-c", "2", "--checksums", option)
        datagrams(2, 7011)
        out, _ = p.communicate(timeout=30)
        expect(f"at the end {option}", p.returncode == 0 and words in out, out)
    with open("services", "w", encoding="ascii") as f:
        f.write("l4-testing\t7012/udp\t\t# of this test\nl4-other 7012/tcp\n")
    lab.run("mount", "--bind", "services", "/etc/services")
    p = capture("-i", "lo", "-f", "udp port 7012", "-c", "1", "-N", "-w", "n.pcapng", "--print")
    datagrams(1, 7012)
    out, _ = p.communicate(timeout=30)
    expect("names of services, live", "→ l4-testing(7012) Len=" in out, out)
    for option, words in (("", "→ l4-testing(7012)"), ("-d", "Destination Port: l4-testing (7012)"),
                          ("-d", "Dst Port: l4-testing (7012)"), ("-l", "→ l4-testing(7012)"),
                          ("--conversations", "127.0.0.1:l4-testing ")):
        r = lab.run(L4, "dissect", "-N", *([option] if option else []), "n.pcapng")
        expect(f"names of services {option}", words in r.stdout and "l4-other" not in r.stdout, r.stdout)
        r = lab.run(L4, "dissect", *([option] if option else []), "n.pcapng")
        expect(f"no names without -N {option}", "l4-testing" not in r.stdout, r.stdout)
    expect("-N keeps the numbers of fields", fields("n.pcapng", "udp.dstport", "-N") == [["7012"]])
    lab.run("umount", "/etc/services")


def processes():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    port = server.getsockname()[1]
    client = subprocess.Popen(
        [sys.executable, "-c", "import socket, sys\nsys.stdin.readline()\n"
         f"s = socket.create_connection(('127.0.0.1', {port}))\ns.sendall(b'hello')\nsys.stdin.readline()"],
        stdin=subprocess.PIPE, text=True)
    p = capture("-i", "lo", "-f", f"tcp port {port}", "-w", "p.pcapng", "--print")
    client.stdin.write("\n")
    client.stdin.flush()
    conn, _ = server.accept()
    conn.recv(5)
    wait_size("p.pcapng", 700)
    conn.sendall(b"more")
    time.sleep(0.2)
    _, out, _ = end(p)
    with open("/proc/self/comm", encoding="ascii") as f:
        name = f.read().strip()
    who = [f"from {name} ({client.pid}) to {name} ({os.getpid()})", f"from {name} ({os.getpid()}) to {name} ({client.pid})"]
    rows = fields("p.pcapng", "tcp.dstport,frame.comment")
    expect("processes in the file", rows and all(c == who[d != str(port)] for d, c in rows), str(rows))
    expect("processes in the view", all(r.endswith(f"  [{w}]") for r, w in
                                        zip(out.splitlines()[:2], who)), out)
    if TSHARK:
        r = lab.run(TSHARK, "-n", "-r", "p.pcapng", "-T", "fields", "-e", "frame.comment")
        expect("processes in tshark", r.stdout.splitlines()[0] == who[0], r.stdout)
    p = capture("-i", "lo", "-f", f"tcp port {port}", "-c", "1", "--no-process")
    conn.sendall(b"x")
    out, _ = p.communicate(timeout=30)
    client.communicate("\n", timeout=30)
    expect("--no-process", "python" not in out and f"({os.getpid()})" not in out, out)
    conn.close()
    server.close()


def several():
    lab.ns("l4-capture-peer")
    lab.veth(None, "c0", "l4-capture-peer", "c1", ["10.91.0.1/24"], ["10.91.0.2/24"])
    lab.ip("link", "set", "c0", "alias", "to the peer")
    p = capture("-i", "lo", "-i", "c0", "-f", "icmp[icmptype] != icmp-unreach or udp port 7020", "-w", "s.pcapng")
    datagrams(3, 7020)
    lab.run("ping", "-c", "2", "-i", "0.2", "10.91.0.2", check=False)
    datagrams(1, 7020)
    _, _, err = end(p)
    rows = fields("s.pcapng", "frame.interface_name,frame.interface_description,icmp.type")
    names = [r[0] for r in rows]
    expect("two interfaces", names.count("lo") == 4 and names.count("c0") >= 4, str(rows) + err)
    expect("alias in the description", any("to the peer, Ethernet" in r[1] for r in rows), str(rows))
    times = [float(r[0]) for r in fields("s.pcapng", "frame.time_epoch")]
    expect("in the order of time", times == sorted(times), str(times))
    expect("statistics of both", len(statistics("s.pcapng")) == 2, str(statistics("s.pcapng")))
    p = capture("-i", "any", "-f", "icmp[icmptype] != icmp-unreach or arp or udp port 7021", "-w", "any.pcapng")
    datagrams(2, 7021)
    lab.run("ip", "neigh", "flush", "dev", "c0")
    lab.run("ping", "-c", "1", "10.91.0.2", check=False)
    end(p)
    rows = fields("any.pcapng", "frame.interface_name,frame.protocols,sll.pkttype")
    kinds = {(r[0], r[1].split(":")[2]) for r in rows}
    expect("any: ARP and IP of their interfaces", {("lo", "ip"), ("c0", "ip"), ("c0", "arp")} <= kinds
           and sum(r[0] == "lo" for r in rows) == 2, str(rows))
    if TSHARK:
        r = lab.run(TSHARK, "-n", "-r", "any.pcapng", "-T", "fields", "-e", "frame.interface_name", "-e",
                    "frame.protocols", "-e", "sll.pkttype")
        expect("any: as tshark reads it", [x.split("\t") for x in r.stdout.splitlines()] == rows, r.stdout)
    # a VLAN tag that the device keeps beside the packet is put back, and the filter sees it
    frame = bytes.fromhex("02000000000902000000000a" "81000007" "0800" "4500001c000000004011000001020304"
                          "05060708" "1b6e1b6e00080000")
    p = capture("-i", "c0", "-f", "vlan 7 and udp", "-w", "v.pcapng")
    send = ("import socket\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\ns.bind(('c1', 0))\n"
            f"for f in ({frame!r}, {frame[:14] + bytes((0, 8)) + frame[16:]!r}) * 2: s.send(f)")
    lab.run(*lab.inside("l4-capture-peer", sys.executable, "-c", send))
    end(p)
    expect("VLAN tag", fields("v.pcapng", "vlan.id,udp.dstport") == [["7", "7022"]] * 2,
           str(fields("v.pcapng", "vlan.id,udp.dstport,frame.protocols")))
    # sent from here: the checksum is left to the card, and that is seen
    p = capture("-i", "c0", "-f", "udp port 7023", "-c", "1", "-w", "sum.pcapng")
    datagrams(1, 7023, addr="10.91.0.2")
    p.communicate(timeout=30)
    r = lab.run(L4, "dissect", "--checksums", "--expert", "sum.pcapng")
    expect("a checksum left to the card", "note" in r.stdout and "Partial checksum" in r.stdout
           and "Bad checksum" not in r.stdout, r.stdout)
    # the interface goes
    p = capture("-i", "c0", "-w", "gone.pcapng")
    datagrams(3, 7024, addr="10.91.0.2")
    lab.ip("link", "del", "c0")
    _, err = p.communicate(timeout=30)
    expect("the interface goes: said, file whole", p.returncode == 3 and "is gone" in err
           and len(fields("gone.pcapng", "udp.dstport", "-Y", "udp.dstport == 7024 && !icmp")) == 3,
           err + lab.run(L4, "dissect", "gone.pcapng").stdout)
    lab.ip("netns", "del", "l4-capture-peer")


def rotation():
    p = capture("-i", "lo", "-f", "udp port 7030", "-w", "r.pcapng", "--ring", "3,packets=10")
    datagrams(45, 7030)
    end(p)
    names = sorted(n for n in os.listdir(".") if n.startswith("r."))
    expect("ring by packets", names == [f"r.{k:05}.pcapng" for k in (3, 4, 5)], str(names))
    expect("each is whole", [len(fields(n, "udp.port")) for n in names] == [10, 10, 5])
    expect("each has its statistics", all(len(statistics(n)) == 1 for n in names))
    first = lab.run(L4, "dissect", *names)
    expect("several files are read", first.stdout.count("\n") == 25)
    p = capture("-i", "lo", "-f", "udp port 7031", "-w", "d/z", "--ring", "0,size=100k", cwd=sub("d"))
    datagrams(400, 7031, 1000)
    end(p)
    names = sorted(os.listdir("d/d"))
    sizes = [os.path.getsize(f"d/d/{n}") for n in names]
    total = sum(len(fields(f"d/d/{n}", "udp.port")) for n in names)
    expect("ring by size, all kept", len(names) >= 4 and total == 400 and names[0] == "z.00001"
           and all(100000 <= s < 103000 for s in sizes[:-1]), f"{names} {sizes} {total}")
    p = capture("-i", "lo", "-f", "udp port 7032", "-w", "t.pcapng", "--ring", "2,time=1")
    datagrams(5, 7032)
    for _ in range(500):
        if os.path.exists("t.00003.pcapng"):
            break
        time.sleep(0.01)
    end(p)
    names = sorted(n for n in os.listdir(".") if n.startswith("t."))
    expect("ring by time", len(names) == 2 and names[-1] >= "t.00003.pcapng", str(names))
    for bad in ("5", "x", "5,size=0", "5,size=-1", "5,colour=3", "0x5", "5x", "5,time=1s"):
        refused(f"--ring {bad}", ["-i", "lo", "-w", "q", "--ring", bad], 2, ["--ring is N"])
    refused("--ring without -w", ["-i", "lo", "--ring", "2,time=1"], 2, ["--ring needs -w"])


def sub(name):
    os.makedirs(f"{name}/{name}", exist_ok=True)
    return name


def full_disk():
    os.mkdir("small")
    lab.run("mount", "-t", "tmpfs", "-o", "size=256k", "none", "small")
    p = capture("-i", "lo", "-f", "udp port 7040", "-w", "small/f.pcapng")
    datagrams(600, 7040, 1200)
    _, err = p.communicate(timeout=30)
    r = lab.run(L4, "dissect", "-e", "udp.port", "small/f.pcapng", check=False)
    n = r.stdout.count("\n")
    expect("full disk: said", p.returncode == 3 and "small/f.pcapng: cannot be written: No space left" in err
           and "whole packets" in err, f"{p.returncode} {err}")
    expect("full disk: what is there is whole", r.returncode == 0 and 100 < n < 600, f"{n} {r.stderr}")
    os.unlink("small/f.pcapng")
    with open("small/fill", "wb") as f:
        f.write(b"x" * (256 << 10))
    refused("full disk at the start", ["-i", "lo", "-w", "small/g"], 3, ["small/g", "No space left"])
    lab.run("umount", "small")
    # a limit of size is the same kind of end
    p = capture("-i", "lo", "-f", "udp port 7041", "-w", "limit.pcapng", preexec_fn=lambda: __import__(
        "resource").setrlimit(__import__("resource").RLIMIT_FSIZE, (50000, 50000)))
    datagrams(100, 7041, 1200)
    _, err = p.communicate(timeout=30)
    r = lab.run(L4, "dissect", "limit.pcapng", check=False)
    expect("file size limit", p.returncode == 3 and "File too large" in err and r.returncode == 0
           and r.stdout.count("\n") > 30, f"{p.returncode} {err} {r.stderr}")


def drops():
    """The ring holds 8 MiB: a capture that stands still drops the rest, and says how many."""
    p = capture("-i", "lo", "-f", "udp port 7050", "-w", "drop.pcapng", "--no-process")
    p.send_signal(signal.SIGSTOP)
    datagrams(4000, 7050, 8000)
    p.send_signal(signal.SIGCONT)
    _, _, err = end(p)
    m = re.search(r"(\d+) packets, (\d+) dropped", err)
    seen, lost = int(m.group(1)), int(m.group(2))
    rows = len(fields("drop.pcapng", "udp.port"))
    expect("dropped packets are counted", lost > 0 and seen == rows and statistics("drop.pcapng")[0][1] == lost,
           f"{err} {rows} {statistics('drop.pcapng')}")
    # on the loopback the kernel sees each packet twice, going out and coming in
    expect("none is missing in the count", statistics("drop.pcapng")[0][0] == 8000, str(statistics("drop.pcapng")))
    p = capture("-i", "lo", "-f", "udp port 7051")
    datagrams(2, 7051)
    time.sleep(0.3)
    p.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    _, _, err = end(p)
    expect("SIGUSR1", err.count("2 packets, 0 dropped") == 2, err)


def errors():
    refused("no such interface", ["-i", "nosuch"], 3, ["no interface 'nosuch'", "there are any, lo"])
    refused("no interface", [], 2, ["-i is missing"])
    refused("the same twice", ["-i", "lo", "-i", "lo"], 2, ["captured already"])
    refused("any and another", ["-i", "any", "-i", "lo"], 2, ["captured already"])
    refused("BPF", ["-i", "lo", "-f", "port port"], 2, ["-f 'port port'", "syntax error"])
    refused("-Y", ["-i", "lo", "-Y", "tcp.nonsense"], 2, ["tcp.nonsense"])
    refused("-e", ["-i", "lo", "-e", "tcp.nonsense"], 2, ["tcp.nonsense"])
    refused("-c 0", ["-i", "lo", "-c", "0"], 2, ["-c needs"])
    refused("-t", ["-i", "lo", "-t", "-3"], 2, ["-t needs"])
    refused("no such directory", ["-i", "lo", "-w", "no/such/file"], 3, ["no/such/file", "No such file"])
    # in a user namespace of its own it owns no network
    r = subprocess.run(["unshare", "-U", "true"], stderr=subprocess.DEVNULL, check=False)
    if r.returncode:
        print("SKIP of the missing permission: no user namespaces here")
    else:
        refused("no permission", ["-i", "lo"], 3, ["lo: packet socket", "CAP_NET_RAW", "setcap"],
                prefix=["unshare", "-U"])
    r = lab.run(L4, "capture", "-D")
    expect("-D", "lo" in r.stdout and "127.0.0.1" in r.stdout, r.stdout)


PARTS = (errors, files_and_signals, counts_and_filters, views, processes, several, rotation, full_disk, drops)
for part in PARTS:
    if sys.argv[2:] and part.__name__ not in sys.argv[2:]:
        continue
    began = time.monotonic()
    part()
    print(f"# {part.__name__}: {time.monotonic() - began:.1f} s")
shutil.rmtree(TMP, ignore_errors=True)
print("PASS")
