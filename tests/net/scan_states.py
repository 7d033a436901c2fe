#!/usr/bin/env python3
"""l4 scan finds every port in its true state: all kinds of scan, both versions of IP, firewalled
ranges, and loss; and agrees with nmap where nmap is installed. Usage: scan_states.py L4"""
import shutil
import sys

from scan_lab import L4, Lab, V4, V6, enter, fail, from_xml, run, scan

OPEN = [7, 21, 22, 25, 53, 80, 110, 143, 443, 993, 1521, 2500, 3306, 5432, 6379, 8080, 11211, 27017, 49152, 65535]
RUNS = 20


def expect(what, got, want):
    if got != want:
        fail(f"{what}: got {str(got)[:600]}, expected {str(want)[:600]}")
    print(f"ok: {what}")


def full_scans(lab):
    for target in (V4, V6):
        for kind in ("--syn", "--connect"):
            ports, hosts, summary = scan(kind, "-p", "1-65535", target)
            expect(f"{kind} {target}: open ports", sorted(p for (_, p), (s, _) in ports.items() if s == "open"), OPEN)
            counts = hosts[target]["counts"]
            expect(f"{kind} {target}: counts", counts, {"open": 20, "filtered": 200, "closed": 65535 - 220})
            if summary["open"] != 20 or not summary["complete"]:
                fail(f"the summary says {summary}")


def other_kinds(lab):
    """A port open, closed, dropped, rejected by ICMP, rejected by a reset."""
    ports = "22,23,2000,3000,4000"
    want = {
        "--ack": ["unfiltered", "unfiltered", "filtered", "filtered", "unfiltered"],
        "--window": ["closed", "closed", "filtered", "filtered", "closed"],
        "--fin": ["open|filtered", "closed", "open|filtered", "filtered", "closed"],
        "--null": ["open|filtered", "closed", "open|filtered", "filtered", "closed"],
        "--xmas": ["open|filtered", "closed", "open|filtered", "filtered", "closed"],
    }
    nmap = {"--ack": "-sA", "--window": "-sW", "--fin": "-sF", "--null": "-sN", "--xmas": "-sX"}
    for kind, states in want.items():
        for target in (V4, V6):
            got, _, _ = scan(kind, "-p", ports, target)
            expect(f"{kind} {target}", [got[target, int(p)][0] for p in ports.split(",")], states)
            if shutil.which("nmap"):
                six = ["-6"] if target == V6 else []
                theirs, _ = from_xml(run("nmap", "-n", *six, nmap[kind], "-p", ports, "-oX", "-", target))
                expect(f"{kind} {target}: nmap agrees", [theirs[target, int(p)] for p in ports.split(",")], states)


def reasons(lab):
    got, _, _ = scan("-p", "22,23,2000,3000,4000", V4)
    want = [("open", "syn-ack"), ("closed", "reset"), ("filtered", "no-response"), ("filtered", "admin-prohibited"),
            ("closed", "reset")]
    expect("reasons", [got[V4, p] for p in (22, 23, 2000, 3000, 4000)], want)


def like_nmap(lab):
    if not shutil.which("nmap"):
        print("SKIP: nmap is not installed: no comparison")
        return
    ports = "1-100,1990-2010,2995-3005,3995-4005,5432,65535"
    for target, six in ((V4, []), (V6, ["-6"])):
        for kind, nmap in (("--syn", "-sS"), ("--connect", "-sT")):
            theirs = from_xml(run("nmap", "-n", *six, nmap, "-p", ports, "-oX", "-", target))
            ours = from_xml(run(L4, "scan", kind, "-p", ports, "-oX", "-", target))
            expect(f"nmap's states, {kind} {target}", ours, theirs)
        udp = "53,161,2000,5000"
        theirs = from_xml(run("nmap", "-n", *six, "-sU", "-p", udp, "--max-retries", "3", "-oX", "-", target))
        ours = from_xml(run(L4, "scan", "--udp", "-p", udp, "-oX", "-", target))
        expect(f"nmap's states, UDP, {target}", ours, theirs)


def many_hosts(lab):
    """A block, one of whose hosts exists besides us; duplicates and exclusions."""
    ports, hosts, summary = scan("-p", "22,23", "10.9.0.0/28", "10.9.0.2", "10.9.0.1-5", "--exclude", "10.9.0.1")
    expect("hosts of a block", sorted(h for h, o in hosts.items() if o["state"] == "up"), [V4])
    expect("hosts asked", summary["hosts"], 15)
    # Addresses beyond the link, all answered by one machine.
    lab.there("ip", "route", "add", "local", "10.77.0.0/20", "dev", "lo")
    run("ip", "route", "add", "10.77.0.0/20", "via", V4)
    _, _, summary = scan("-p", "22", "10.77.0.0/20")
    expect("a sweep of 4096 hosts", (summary["open"], summary["up"]), (4096, 4096))
    parts = [scan("-p", "22", "--shard", f"{i}/3", "--seed", "1", "10.77.0.0/24")[2]["open"] for i in (1, 2, 3)]
    expect("three shards make the whole", (sum(parts), min(parts) >= 85), (256, True))


def lossy(lab):
    for loss, runs in ((5, RUNS), (10, 3)):
        lab.lose(loss)
        for seed in range(1, runs + 1):
            target = V4 if seed % 2 else V6
            ports, hosts, summary = scan("--syn", "-p", "1-65535", "--seed", seed, target)
            found = sorted(p for (_, p), (s, _) in ports.items() if s == "open")
            if found != OPEN:
                fail(f"at {loss} % loss with --seed {seed}: missed {set(OPEN) - set(found)}, "
                     f"false {set(found) - set(OPEN)}; {summary}")
            if hosts[target]["counts"] != {"open": 20, "filtered": 200, "closed": 65315}:
                fail(f"at {loss} % loss with --seed {seed}: {hosts[target]['counts']}")
        print(f"ok: {loss} % loss each way: all ports right in {runs} of {runs} runs; "
              f"measured {summary['loss']:.1%}, {summary['retries']} asked again, {summary['seconds']} s")
    ports, _, _ = scan("--connect", "-p", "1-1000", V4)
    expect("connect scan at 10 % loss", sorted(p for (_, p), (s, _) in ports.items() if s == "open"),
           [p for p in OPEN if p <= 1000])
    lab.lose(0)


def main():
    lab = Lab()
    try:
        lab.listen(tcp=OPEN, udp=[53, 161])
        lab.firewall()
        for part in (full_scans, reasons, other_kinds, like_nmap, many_hosts, lossy):
            part(lab)
    finally:
        lab.close()


sys.path.insert(0, __file__.rsplit("/", 1)[0])
enter()
main()
