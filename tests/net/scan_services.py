#!/usr/bin/env python3
"""l4 scan --services names the services and versions of Debian's servers, on ports of their own
and on others, and within TLS; next to nmap -sV where nmap is installed. Usage: scan_services.py L4"""
import json
import os
import pwd
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

from scan_lab import L4, Lab, V4, enter, fail, run, skip


def version(*cmd):
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return p.stdout


def find(*names):
    for name in names:
        path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if path:
            return path
    return None


class Servers:
    """Each method starts one server and notes what the scan should say of it."""

    def __init__(self, lab, folder):
        self.lab, self.folder, self.want, self.missing = lab, folder, {}, []

    def path(self, name, text=None):
        p = os.path.join(self.folder, name)
        if text is not None:
            with open(p, "w") as f:
                f.write(text)
        return p

    def start(self, *cmd, **kw):
        log = open(self.path("log"), "a")
        return self.lab.start_there(*cmd, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **kw)

    def nginx(self, exe):
        v = re.search(r"nginx/([\d.]+)", version(exe, "-v"))[1]
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-keyout", self.path("key.pem"), "-out", self.path("cert.pem"), "-subj", "/CN=inventory.example",
            "-addext", "subjectAltName=DNS:one.example,DNS:two.example")
        os.mkdir(self.path("www"))
        self.path("www/index.html", "<html><title>Shelf of things</title></html>")
        self.path("nginx.conf", f"""
            daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log; events {{}}
            http {{ access_log off; root {self.folder}/www;
                client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p;
                fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
                server {{ listen 80; listen 7777; listen 8080; listen 8081; listen 8888; }}
                server {{ listen 443 ssl; listen 7778 ssl; listen 8443 ssl; listen 9443 ssl; ssl_certificate {self.folder}/cert.pem;
                          ssl_certificate_key {self.folder}/key.pem; }} }}""")
        self.start(exe, "-c", self.path("nginx.conf"), "-p", self.folder)
        for port in (80, 7777, 8080, 8081, 8888, 443, 7778, 8443, 9443):
            self.want[port] = ("http", "nginx", v)

    def sshd(self, exe):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("hostkey"))
        os.makedirs("/run/sshd", exist_ok=True)
        self.start(exe, "-D", "-e", "-f", "/dev/null", "-p", "22", "-p", "2022", "-p", "2200", "-p", "2222",
                   "-h", self.path("hostkey"))
        v = re.search(r"OpenSSH_([\w.]+)(?: (Debian\S+?))?,", version(find("ssh"), "-V"))
        for port in (22, 2022, 2200, 2222):
            self.want[port] = ("ssh", "OpenSSH", f"{v[1]} {v[2]}".replace(" None", ""))

    def dnsmasq(self, exe):
        v = re.search(r"version (\S+)", version(exe, "--version"))[1]
        self.start(exe, "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "-u", "root", "--pid-file=", "-p", "53")
        self.want[53] = ("domain", "dnsmasq", v)

    def redis(self, exe):
        v = re.search(r"v=([\d.]+)", version(exe, "--version"))[1]
        for port in (6379, 6380):
            self.start(exe, "--port", port, "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir",
                       self.folder)
            self.want[port] = ("redis", "Redis", v)

    def memcached(self, exe):
        v = re.search(r"memcached ([\w.]+)", version(exe, "-V"))[1]
        self.start(exe, "-u", "nobody", "-l", "0.0.0.0", "-p", "11211", "-U", "0")
        self.want[11211] = ("memcached", "Memcached", v)

    def postgres(self, exe):
        user = pwd.getpwnam("postgres")
        data = self.path("pg")
        os.mkdir(data)
        os.chown(data, user.pw_uid, user.pw_gid)
        as_user = dict(user=user.pw_uid, group=user.pw_gid, cwd="/")
        folder = os.path.dirname(exe)
        p = subprocess.run([f"{folder}/initdb", "-D", data, "-A", "trust", "--no-sync", "-U", "postgres"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user)
        if p.returncode:
            self.missing.append("postgresql (initdb failed)")
            return
        with open(data + "/pg_hba.conf", "a") as f:
            f.write("host all all all scram-sha-256\n")
        self.lab.children.append(subprocess.Popen(
            ["nsenter", "-t", str(self.lab.other.pid), "-n", "setpriv", f"--reuid={user.pw_uid}",
             f"--regid={user.pw_gid}", "--clear-groups", exe, "-D", data, "-h", "0.0.0.0", "-k", data],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"))
        major = int(re.search(r"(\d+)", version(exe, "--version"))[1])
        self.want[5432] = ("postgresql", "PostgreSQL",
                           "18 or later" if major >= 18 else "14 or later" if major >= 14 else "13 or earlier")

    def vsftpd(self, exe):
        os.makedirs("/run/vsftpd/empty", exist_ok=True)
        self.path("vsftpd.conf", "listen=YES\nbackground=NO\nsecure_chroot_dir=/run/vsftpd/empty\nseccomp_sandbox=NO\n")
        self.start(exe, self.path("vsftpd.conf"))
        v = run("dpkg-query", "-W", "-f", "${Version}", "vsftpd", ok=None)
        self.want[21] = ("ftp", "vsftpd", re.match(r"[\d.]+", v)[0] if v else None)

    def smtpd(self, exe):
        self.path("smtpd.conf", "listen on 0.0.0.0 port 25 hostname mail.example\n"
                                "action \"local\" maildir\nmatch for local action \"local\"\n")
        os.chmod(self.path("smtpd.conf"), 0o600)
        self.start(exe, "-d", "-f", self.path("smtpd.conf"))
        self.want[25] = ("smtp", "OpenSMTPD", "")

    def start_all(self):
        for method, names in ((self.nginx, ["nginx"]), (self.sshd, ["sshd"]), (self.dnsmasq, ["dnsmasq"]),
                              (self.redis, ["redis-server"]), (self.memcached, ["memcached"]),
                              (self.vsftpd, ["vsftpd"]), (self.smtpd, ["smtpd"])):
            exe = find(*names)
            if exe:
                method(exe)
            else:
                self.missing.append(names[0])
        exe = next((p for v in range(20, 9, -1) for p in [f"/usr/lib/postgresql/{v}/bin/postgres"]
                    if os.path.exists(p)), None)
        if exe:
            self.postgres(exe)
        else:
            self.missing.append("postgresql")

    def wait(self):
        """Until every port accepts."""
        end = time.time() + 20
        left = set(self.want)
        while left and time.time() < end:
            out = self.lab.there("ss", "-Htln")
            left -= {int(x) for x in re.findall(r":(\d+)\s+\S+\s*$", out, re.M)} | \
                {int(x.rsplit(":", 1)[1]) for x in re.findall(r"LISTEN\s+\d+\s+\d+\s+(\S+)", out)}
            time.sleep(0.1)
        for port in left:
            print(f"note: nothing listens on {port} ({self.want[port][1]}): left out; log:",
                  open(self.path("log")).read()[-400:])
            self.missing.append(self.want.pop(port)[1])


def services(*args, over="layer4"):
    found, took = {}, time.time()
    for line in run(L4, "scan", "--json", "--services", *args, ok=(0, 1)).splitlines():
        o = json.loads(line)
        if o["type"] == "port" and o["state"] == "open":
            found[o["port"]] = o
        elif o["type"] == "summary" and o.get("services_over") != over:
            fail(f"the services were asked over {o.get('services_over')}, not {over}")
    return found, time.time() - took


def compare(s, ports):
    """A row for bench/: the medians of three alternating runs, and how many products each names."""
    ours, theirs, right, nmap_right = [], [], [], []
    for _ in range(3):
        found, took = services("-p", ports, V4)
        ours.append(took)
        right.append(sum(found.get(port, {}).get("product") == want[1] for port, want in s.want.items()))
        start = time.time()
        tree = ET.fromstring(run("nmap", "-n", "-sV", "-p", ports, "-oX", "-", V4))
        theirs.append(time.time() - start)
        said = {int(p.get("portid")): p.find("service") for p in tree.iter("port")}
        nmap_right.append(sum(said.get(port) is not None and want[1].lower() in (said[port].get("product") or "").lower()
                              for port, want in s.want.items()))
    x, y = statistics.median(ours), statistics.median(theirs)
    print(json.dumps({"name": "scan-services-nmap", "unit": "s", "layer4": round(x, 3), "peer_name": "nmap -n -sV",
                      "peer": round(y, 3), "ratio": round(y / x, 1),
                      "conditions": f"{len(s.want)} ports of Debian's servers, medians of 3 alternating runs; right "
                                    f"products: layer4 {min(right)} in each, nmap {max(nmap_right)}"}), flush=True)


def main():
    if os.geteuid() != 0 or open("/proc/self/uid_map").read().split()[2] == "1":
        skip("the servers need root to change their user")
    lab = Lab()
    # Servers that give up root must be able to come in.
    folder = tempfile.mkdtemp(prefix="l4-services-")
    os.chmod(folder, 0o755)
    try:
        s = Servers(lab, folder)
        s.start_all()
        s.wait()
        ports = ",".join(map(str, sorted(s.want)))
        found, took = services("-p", ports, V4)
        bad = []
        for port, (name, product, ver) in sorted(s.want.items()):
            o = found.get(port, {})
            got = (o.get("service"), o.get("product"), o.get("version", ""))
            right = got[:2] == (name, product) and (ver is None or got[2] == ver)
            print(f"{'ok' if right else 'NOT OK'}: {port}: {got} {o.get('info', '')}")
            if not right:
                bad.append((port, got, (name, product, ver), o.get("banner")))
        if 443 in s.want:
            for port in (443, 7778, 8443, 9443):
                info = found.get(port, {}).get("info", "")
                if "CN=inventory.example" not in info or "two.example" not in info:
                    bad.append((port, "the certificate's names are not in", info))
            if "Shelf of things" not in found.get(80, {}).get("info", ""):
                bad.append((80, "no title in", found.get(80)))
        again, _ = services("--kernel-tcp", "-p", ports, V4, over="kernel")
        for port, o in found.items():
            if any(o.get(k) != again.get(port, {}).get(k) for k in ("service", "product", "version", "info")):
                bad.append((port, "the kernel's TCP finds something else:", o, again.get(port)))
        udp, _ = services("--udp", "-p", "53", V4, over="kernel")
        if 53 in s.want and udp.get(53, {}).get("version") != s.want[53][2]:
            bad.append(("53/udp", udp))
        if bad:
            fail(f"{bad}; log: {open(s.path('log')).read()[-1000:]}")
        print(f"ok: {len(s.want)} services right in {took:.2f} s; not here: {', '.join(s.missing) or 'none'}")
        if "--compare" in sys.argv and shutil.which("nmap"):
            compare(s, ports)
        if len(s.want) < 4:
            skip("fewer than four servers are installed")
    finally:
        lab.close()
        shutil.rmtree(folder, ignore_errors=True)


sys.path.insert(0, __file__.rsplit("/", 1)[0])
enter("openssl")
main()
