"""What the tests with the kernel's network share: namespaces and small helpers.

enter() runs the calling test again in network, mount and process namespaces of its own, so that
whatever it makes vanishes with it; named namespaces are made inside by ns(). Where that is not
allowed the test says SKIP and why, with exit code 77.
"""
import os
import shutil
import subprocess
import sys


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def fail(why):
    print(f"FAIL: {why}")
    sys.exit(1)


def enter(*tools):
    """Call first. tools: programs that the test cannot do without."""
    for tool in ("unshare", "ip") + tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    if os.environ.get("L4_LAB") == "in":
        run("mount", "-t", "tmpfs", "none", "/run/netns" if os.path.isdir("/run/netns") else "/run")
        os.makedirs("/run/netns", exist_ok=True)
        run("ip", "link", "set", "lo", "up")
        return
    flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    how = ["unshare"] + flags if os.geteuid() == 0 else ["unshare", "--map-root-user"] + flags
    if subprocess.run(how + ["true"], stderr=subprocess.DEVNULL).returncode:
        skip("no permission to make namespaces")
    os.environ["L4_LAB"] = "in"
    os.execvp(how[0], how + [sys.executable] + sys.argv)


def run(*cmd, check=True, **kw):
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
    if check and p.returncode:
        fail(f"{' '.join(cmd)}: exit {p.returncode}: {p.stderr}{p.stdout}")
    return p


def ip(*args):
    return run("ip", *args)


def ns(name):
    """A named network namespace with its loopback up."""
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")
    return name


def veth(a_ns, a, b_ns, b, a_addrs=(), b_addrs=(), queues=0):
    """A pair of interfaces, up, one in each namespace (None: the test's own). queues: each way; 0: the
    system's default."""
    q = ["numrxqueues", str(queues), "numtxqueues", str(queues)] if queues else []
    ip("link", "add", a, *q, "type", "veth", "peer", "name", b, *q)
    for n, i, addrs in ((a_ns, a, a_addrs), (b_ns, b, b_addrs)):
        if n:
            ip("link", "set", i, "netns", n)
        at = ["-n", n] if n else []
        for x in addrs:
            ip(*at, "addr", "add", x, "dev", i, *(["nodad"] if ":" in x else []))
        ip(*at, "link", "set", i, "up")


def inside(name, *cmd):
    """The command line that runs cmd in a namespace."""
    return ["ip", "netns", "exec", name, *cmd]
