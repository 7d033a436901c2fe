"""What the tests of get, serve, dig and nc share: a wire with the kernel at its other end.

wire(kind) gives the kernel's addresses and the options for l4 on "tap", "tun", "packet" (an address
of our own on a veth) or "shared" (the veth's own address)."""
import functools
import hashlib
import os
import subprocess
import sys
import time

import lab

L4 = None
KERNEL4, KERNEL6 = "10.44.0.1", "fd44::1"
OWN4, OWN6 = "10.44.0.2", "fd44::2"
PEER = "l4-cli-peer"


def start(*tools):
    global L4
    lab.enter(*tools)
    L4 = os.path.abspath(sys.argv[1])
    os.environ.pop("NO_COLOR", None)


class Wire:
    """kernel: the command prefix that runs a program at the kernel's end; options: for l4; l4: the
    prefix that l4 runs under."""

    def __init__(self, kind, queues=0):
        addrs = [f"{KERNEL4}/24", f"{KERNEL6}/64"]
        self.kind = kind
        if kind in ("tap", "tun"):
            lab.ip("tuntap", "add", "dev", "l4w", "mode", kind, "vnet_hdr")
            for a in addrs:
                lab.ip("addr", "add", a, "dev", "l4w", *(["nodad"] if ":" in a else []))
            lab.ip("link", "set", "l4w", "up")
            self.kernel = []
            self.options = ["-d", f"{kind}:l4w", "-a", f"{OWN4}/24", "-a", f"{OWN6}/64"]
            self.own4, self.own6 = OWN4, OWN6
        else:
            lab.ns(PEER)
            lab.veth(None, "l4w", PEER, "l4p", [f"{OWN4}/24", f"{OWN6}/64"], addrs, queues)
            self.kernel = lab.inside(PEER)
            self.options = ["-d", "xdp:l4w" if kind == "xdp" else "packet:l4w"]
            self.own4, self.own6 = OWN4, OWN6
            if kind == "shared":
                self.options += ["--shared"]
            else:
                self.own4, self.own6 = "10.44.0.9", "fd44::9"
                self.options += ["-a", f"{self.own4}/24", "-a", f"{self.own6}/64"]

    def close(self):
        if self.kind in ("tap", "tun"):
            lab.ip("tuntap", "del", "dev", "l4w", "mode", self.kind)
        else:
            lab.ip("netns", "del", PEER)
            lab.run("ip", "link", "del", "l4w", check=False)

    def l4(self, command, *args, timeout=60, **kw):
        """Runs l4 to its end: exit code, standard output, standard error."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.run([L4, command, *self.options, *args], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=timeout, **kw)
        return p.returncode, p.stdout, p.stderr.decode()

    def l4_start(self, command, *args, **kw):
        return subprocess.Popen([L4, command, *self.options, *args], **kw)

    def run(self, *cmd, **kw):
        return subprocess.run([*self.kernel, *cmd], **kw)

    def start(self, *cmd, **kw):
        return subprocess.Popen([*self.kernel, *cmd], **kw)

    def python(self, code, *args, **kw):
        return self.start(sys.executable, "-u", "-c", code, *args, **kw)


def wait_for(what, true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            lab.fail(f"{what} did not come about within {seconds} s")
        time.sleep(0.02)


@functools.cache
def source_digest(path):
    """Of a file that does not change."""
    return digest(path)


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            block = f.read(1 << 20)
            if not block:
                return h.hexdigest()
            h.update(block)


def make_file(path, size):
    """Bytes that do not compress, the same each time."""
    with open(path, "wb") as f:
        i = 0
        while size:
            block = hashlib.shake_128(i.to_bytes(8, "big")).digest(min(size, 1 << 20))
            f.write(block)
            size -= len(block)
            i += 1


def nginx(wire, tmp, root):
    """nginx at the kernel's end; gives the process."""
    conf = os.path.join(tmp, "nginx.conf")
    with open(conf, "w") as f:
        f.write(f"""daemon off; master_process off; worker_processes 1; pid {tmp}/nginx.pid;
error_log {tmp}/nginx.err; user root;
events {{ worker_connections 512; }}
http {{ access_log off; sendfile on; gzip on; gzip_types text/plain; gzip_min_length 100;
  client_body_temp_path {tmp}/nb; proxy_temp_path {tmp}/np; fastcgi_temp_path {tmp}/nf;
  uwsgi_temp_path {tmp}/nu; scgi_temp_path {tmp}/ns;
  server {{ listen 80; listen [::]:80; root {root};
    location /moved {{ return 302 /text.txt; }}
    location /ring {{ return 302 /ring; }}
    location /away {{ return 302 https://example.org/; }}
  }} }}
""")
    p = wire.start("nginx", "-e", f"{tmp}/nginx.err", "-c", conf)
    probe = "import socket; socket.create_connection(('127.0.0.1', 80), 1)"
    wait_for("nginx", lambda: wire.run(sys.executable, "-c", probe,
                                       stderr=subprocess.DEVNULL).returncode == 0)
    return p


def expect(what, got, want):
    if got != want:
        lab.fail(f"{what}: {got!r}, not {want!r}")
    print(f"ok {what}", flush=True)
