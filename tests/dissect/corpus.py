"""Captures for the comparisons with tshark: the real ones of $L4_CAPTURES and $L4_SHARED/vectors, the
project's own (golden captures, seeds of the fuzzers, what demo, sim and craft write), packets cut after
each byte, and damaged copies of all of them."""
import glob, os, random, shutil, struct, subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LINK_ETHER, LINK_RAW = 1, 101


def below(folder):
    return sorted(os.path.join(d, n) for d, _, names in os.walk(folder) for n in names
                  if ".pcap" in n or ".cap" in n)


def real():
    """Captures that nobody here made, and the vectors."""
    found = below(os.environ["L4_CAPTURES"]) if os.environ.get("L4_CAPTURES") else []
    if os.environ.get("L4_SHARED"):
        found += below(os.path.join(os.environ["L4_SHARED"], "vectors"))
    return found


def write_pcap(path, link, packets):
    """packets: (bytes, length on the wire) each."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)]
    for i, (data, wire) in enumerate(packets):
        out.append(struct.pack("<IIII", 1700000000 + i // 1000, i % 1000 * 1000, len(data), wire) + data)
    with open(path, "wb") as f:
        f.write(b"".join(out))
    return path


def read_pcap(path):
    """Link type and packets of a plain pcap file; nothing of anything else or of its damaged end."""
    with open(path, "rb") as f:
        b = f.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">",
             b"\xa1\xb2\x3c\x4d": ">"}.get(b[:4])
    found = []
    if not order or len(b) < 24:
        return 0, found
    link = struct.unpack(order + "I", b[20:24])[0] & 0xFFFF
    at = 24
    while at + 16 <= len(b):
        _, _, n, wire = struct.unpack(order + "IIII", b[at:at + 16])
        if n > len(b) - at - 16 or wire > 1 << 20:
            break
        found.append((b[at + 16:at + 16 + n], wire))
        at += 16 + n
    return link, found


def cut_packets(folder):
    """TCP and UDP cut after each byte, on the wire or by the capture."""
    four = bytes.fromhex("4500003c00010000400600000a0000010a000002"
                         "04d2005000000001000000025018100000000000") + b"abcdefghijklmnopqrst"
    six = bytes.fromhex("6000000000141140") + bytes(15) + b"\1" + bytes(15) + b"\2" + \
        bytes.fromhex("0035003500200000") + b"x" * 24
    packets = []
    for kind, packet in (b"\x08\0", four), (b"\x86\xdd", six):
        frame = b"\2" * 12 + kind + packet
        packets += [(frame[:n], wire) for n in range(len(frame)) for wire in (len(frame), n)]
    return write_pcap(os.path.join(folder, "cut.pcap"), LINK_ETHER, packets)


def seed_files(kind):
    for name in sorted(glob.glob(os.path.join(TOP, "fuzz", "corpus", kind, "*"))):
        with open(name, "rb") as f:
            yield f.read()


def seeds(folder):
    """The fuzzers' seeds that are packets or messages."""
    ether, raw = [], []
    for b in seed_files("wire"):
        if b[:1] == b"\1":
            raw.append(b[1:])
        elif b[:1] and b[0] % 2 == 0:
            ether.append(b)
    for b in seed_files("dns"):
        raw.append(struct.pack("!BBHHHBBH8s", 0x45, 0, 28 + len(b), 1, 0, 64, 17, 0, b"\x0a\0\0\1\x0a\0\0\2") +
                   struct.pack("!HHHH", 53, 53, 8 + len(b), 0) + b)
    for i, b in enumerate(seed_files("http")):
        for flags, seq, data in (2, 0, b""), (24, 1, b):
            raw.append(struct.pack("!BBHHHBBH8s", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0,
                                   b"\x0a\0\0\1\x0a\0\0\2") +
                       struct.pack("!HHIIBBHHH", 1024 + i, 80, seq, 0, 0x50, flags, 1000, 0, 0) + data)
    return [write_pcap(os.path.join(folder, "seeds_ether.pcap"), LINK_ETHER, [(p, len(p)) for p in ether]),
            write_pcap(os.path.join(folder, "seeds_raw.pcap"), LINK_RAW, [(p, len(p)) for p in raw])]


def runs(l4, folder):
    """What the stack itself sends, and packets from expressions."""
    made = []

    def make(name, *args):
        path = os.path.join(folder, name + ".pcapng")
        subprocess.run([l4] + [a.replace("OUT", path) for a in args], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        if os.path.exists(path):
            made.append(path)

    make("demo4", "demo", "-q", "--pcap", "OUT")
    make("demo6", "demo", "-q", "-6", "--seed", "7", "--impair", "delay=20ms,loss=4%,reorder=4%,dup=2%",
         "--pcap", "OUT")
    for path in sorted(glob.glob(os.path.join(TOP, "examples", "scenarios", "*.sim"))):
        make(os.path.basename(path), "sim", "-q", "--time", "500ms", "--pcap", "OUT", path)
    for i, text in enumerate(seed_files("craft")):
        make(f"craft{i}", "craft", "--max", "2000", "-w", "OUT", text.decode("utf-8", "replace").strip().replace("\0", ""))
    crafted = [p for p in made if os.path.basename(p).startswith("craft")]
    if crafted and shutil.which("mergecap"):
        path = os.path.join(folder, "crafted.pcapng")
        if subprocess.run(["mergecap", "-a", "-w", path] + crafted, check=False).returncode == 0:
            made = [p for p in made if p not in crafted] + [path]
    return made


def own(l4, folder):
    here = os.path.join(HERE, "golden")
    found = [os.path.join(here, n) for n in sorted(os.listdir(here)) if n.endswith(".pcap")]
    found += sorted(glob.glob(os.path.join(TOP, "fuzz", "corpus", "capfile", "*.pcap*")))
    return found + [cut_packets(folder)] + seeds(folder) + runs(l4, folder)


def damaged(files, folder, seed, most=4000):
    """Copies with bytes changed in the headers, kept short by the capture or cut on the wire; a file
    a link type."""
    rng = random.Random(seed)
    by_link = {}
    for path in files:
        link, packets = read_pcap(path)
        if packets:
            by_link.setdefault(link, []).extend(packets[:60])
    made = []
    for link, packets in sorted(by_link.items()):
        out = []
        for data, wire in packets if len(packets) <= most else rng.sample(packets, most):
            how = rng.randrange(4)
            b = bytearray(data)
            if how & 1 and b:
                for _ in range(rng.choice((1, 1, 2, 4))):
                    at = rng.randrange(min(len(b), 90))
                    b[at] = rng.choice((0, 1, 255, b[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
            if how & 2 and b:
                n = rng.randrange(len(b) + 1)
                wire = rng.choice((wire, n))
                b = b[:n]
            out.append((bytes(b), max(wire, len(b))))
        made.append(write_pcap(os.path.join(folder, f"damaged{seed}_{link}.pcap"), link, out))
    return made
