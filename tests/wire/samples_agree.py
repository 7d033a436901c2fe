#!/usr/bin/env python3
"""Does another program read what our emitters write? tshark reads the sample frames: no checksum
may be wrong, nothing malformed but the frame that means to be, and the fields below must have the
values that testsamples.h and testdns.h put there.

Usage: samples_agree.py SAMPLES-PROGRAM. Exit 77: no tshark here.
"""
import os
import shutil
import subprocess
import sys
import tempfile

# sample -> {field: value}; a field that occurs several times has its values joined by commas
WANT = {
    "arp": {"arp.opcode": "1", "arp.src.proto_ipv4": "192.0.2.1", "arp.dst.proto_ipv4": "192.0.2.2"},
    "vlan-udp": {"vlan.id": "100", "vlan.priority": "3", "udp.length": "11"},
    "qinq-udp6": {"ieee8021ad.id": "100", "vlan.id": "101", "ipv6.flow": "0x0abcde"},
    "ip4-options": {"ip.hdr_len": "44", "ip.opt.type": "7,1,148,68,0", "icmp.ident": "1"},
    "tcp-syn": {"tcp.options.mss_val": "1460", "tcp.options.wscale.shift": "7",
                "tcp.options.timestamp.tsval": "1000", "tcp.flags": "0x0002", "tcp.hdr_len": "40"},
    "tcp-ts": {"tcp.options.timestamp.tsecr": "2", "tcp.len": "5"},
    "tcp-sack": {"tcp.options.sack.count": "3", "tcp.flags.ece": "1"},
    "tcp-accecn": {"tcp.options.user_to_val": "5", "tcp.options.acc_ecn.eceb": "16777214"},
    "tcp-fastopen": {"tcp.options.tfo.cookie": "636f6f6b69653800", "tcp.len": "5"},
    "frag4-first": {"ip.flags.mf": "1", "ip.id": "0x4321"},
    "frag4-last": {"ip.frag_offset": "2", "ip.flags.mf": "0"},
    "frag6-last": {"ipv6.fraghdr.offset": "2", "ipv6.fraghdr.ident": "0x0000004d"},
    "ip6-chain": {"ipv6.opt.type": "0x05,0x1e,0x00,0x01,0x01", "udp.length": "15"},
    "icmp-unreach": {"icmp.mtu": "1400"},
    "icmp6-too-big": {"icmpv6.mtu": "1280"},
    "rs": {"icmpv6.opt.src_linkaddr": "02:00:00:00:00:01"},
    "ra": {"icmpv6.nd.ra.cur_hop_limit": "64", "icmpv6.nd.ra.router_lifetime": "1800",
           "icmpv6.nd.ra.retrans_timer": "1000", "icmpv6.opt.prefix.length": "64,48",
           "icmpv6.opt.mtu": "1500", "icmpv6.opt.rdnss": "2001:db8::53,2001:db8::54"},
    "ns": {"icmpv6.nd.ns.target_address": "2001:db8::2", "icmpv6.opt.nonce": "010203040506"},
    "na": {"icmpv6.nd.na.flag.s": "1", "icmpv6.nd.na.flag.o": "1", "icmpv6.nd.na.flag.r": "0"},
    "redirect": {"icmpv6.nd.rd.target_address": "fe80::3",
                 "icmpv6.rd.na.destination_address": "2001:db8::9"},
    "igmp3-report": {"igmp.num_grp_recs": "2", "igmp.record_type": "4,5",
                     "igmp.saddr": "192.0.2.7,192.0.2.8"},
    "igmp3-query": {"igmp.max_resp": "200", "igmp.qqic": "125", "igmp.qrv": "2"},
    "mld2-report": {"icmpv6.mldr.nb_mcast_records": "2", "icmpv6.mldr.mar.record_type": "4,1"},
    "mld2-query": {"icmpv6.mld.nb_sources": "2", "icmpv6.mld.qqi": "992"},
    "dhcp-discover": {"dhcp.option.dhcp": "1", "dhcp.option.requested_ip_address": "192.0.2.77",
                      "dhcp.option.hostname": "host", "dhcp.flags.bc": "1", "dhcp.secs": "3"},
    "dhcp-ack": {"dhcp.option.dhcp": "5", "dhcp.option.subnet_mask": "255.255.255.0",
                 "dhcp.option.ip_address_lease_time": "3600", "dhcp.option.interface_mtu": "1400",
                 "dhcp.option.domain_name_server": "192.0.2.53,192.0.2.54"},
    "dhcp-overload": {"dhcp.option.router": "192.0.2.1",
                      "dhcp.option.ip_address_lease_time": "3600"},
    "dns": {"dns.count.answers": "12", "dns.cname": "alias.example.org", "dns.a": "192.0.2.80",
            "dns.aaaa": "2001:db8::80", "dns.mx.mail_exchange": "mx1.example.org",
            "dns.txt": 'hello,,"\\\x07', "dns.srv.port": "5060", "dns.caa.value": "ca.example",
            "dns.soa.serial_number": "2026112101", "dns.ptr.domain_name": "host.example.org",
            "dns.svcb.svcparam.port": "443", "dns.rr.udp_payload_size": "1232"},
}
MALFORMED = {"llc"}  # its payload is no protocol at all
WRONG = "Bad checksum"


def tshark(capture, fields):
    checks = [f"-o{p}.check_checksum:TRUE" for p in ("ip", "tcp", "udp")]
    args = ["tshark", "-r", capture, *checks, "-Tfields", "-Eseparator=\t"]
    for f in fields:
        args += ["-e", f]
    out = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in out.stdout.rstrip("\n").split("\n")]


def main():
    if not shutil.which("tshark"):
        print("SKIP: no tshark here")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        capture = os.path.join(folder, "samples.pcapng")
        names = subprocess.run([sys.argv[1], capture], capture_output=True, text=True, check=True)
        names = [line.split()[1] for line in names.stdout.splitlines()]
        fields = sorted({f for want in WANT.values() for f in want})
        table = tshark(capture, ["_ws.malformed", "_ws.expert.message"] + fields)
    failed = 0
    for name, row in zip(names, table):
        row += [""] * (2 + len(fields) - len(row))
        got = dict(zip(fields, row[2:]))
        problems = []
        if bool(row[0]) != (name in MALFORMED):
            problems.append("malformed" if row[0] else "not malformed")
        if WRONG in row[1]:
            problems.append(row[1])
        for field, value in WANT.get(name, {}).items():
            if got[field] != value:
                problems.append(f"{field} is {got[field]!r}, not {value!r}")
        for p in problems:
            print(f"{name}: {p}")
        failed += bool(problems)
    missing = set(WANT) - set(names)
    if len(names) != len(table) or missing:
        print(f"{len(names)} samples, {len(table)} rows, without sample: {sorted(missing)}")
        failed += 1
    print(f"{len(table)} frames read by tshark, {failed} disagree")
    return 1 if failed else 0


sys.exit(main())
