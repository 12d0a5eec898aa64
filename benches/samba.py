"""A Samba Active Directory domain controller for benches/directory.py.

It is provisioned once per run, copied for each server, listens for LDAP and LDAPS
on free ports of loopback only, and ends with the script, whatever that ends by.
Needs root, samba, openssl and a C compiler (for tests/support/portshim.c, which
moves Samba's fixed ports).
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

BASE = "DC=bench,DC=test"
ADMIN = "administrator@bench.test"
SHIM = Path(__file__).resolve().parent.parent / "tests/support/portshim.c"
PROVISION = (
    "samba-tool domain provision --configfile=/dev/null --realm=BENCH.TEST --domain=BENCH --host-name=dc1 "
    "--host-ip=127.0.0.1 --server-role=dc --dns-backend=NONE --use-rfc2307 --backend-store=tdb --option=ldb:nosync=yes "
    "--option=interfaces=127.0.0.1/8 '--option=bind interfaces only=yes'"
)
AUTHORITY = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj /CN=accord-bench "
    "-keyout ca.key -out ca.pem -addext keyUsage=critical,keyCertSign,cRLSign"
)
CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj /CN=localhost -CA ca.pem "
    "-CAkey ca.key -keyout server.key -out server.pem -addext subjectAltName=IP:127.0.0.1 "
    "-addext basicConstraints=critical,CA:FALSE"
)


def run(command, folder, *more):
    """A program that must succeed; what it says is shown only where it does not."""
    words = shlex.split(command)
    try:
        done = subprocess.run([*words, *more], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"{words[0]} cannot be started: {error}")
    if done.returncode:
        sys.exit(f"{words[:3]} … exited {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def version():
    return run("samba-tool --version", "/").strip()


def provision(folder, password):
    """A new domain and its certificates in `folder`: what every server starts from."""
    if os.geteuid():
        sys.exit("a Samba domain controller needs root: run this as root, or inside a container")
    folder.mkdir(parents=True)
    run(PROVISION, folder, f"--adminpass={password}", f"--targetdir={folder}")
    run(AUTHORITY, folder)
    run(CERTIFICATE, folder)
    # Samba refuses a key that others may read.
    (folder / "server.key").chmod(0o600)
    run("cc -shared -fPIC -O1 -o portshim.so", folder, str(SHIM), "-ldl")


class Samba:
    """One domain controller in a folder of its own, without durable writes, on loopback."""

    def __init__(self, folder, password):
        self.folder = Path(folder)
        self.password = password
        self.process = None
        with socket.socket() as plain, socket.socket() as tls:
            for s in (plain, tls):
                s.bind(("127.0.0.1", 0))
            self.plain_port, self.port = plain.getsockname()[1], tls.getsockname()[1]
        # Samba takes simple binds over TLS only.
        self.url = f"ldaps://127.0.0.1:{self.port}"
        self.ca = self.folder / "ca.pem"

    def start(self, provisioned):
        # `-a` keeps what Samba insists on: owners, modes, extended attributes.
        run("cp -a", "/", str(provisioned), str(self.folder))
        conf, log = self.folder / "smb.conf", self.folder / "samba.log"
        conf.write_text(self.configuration())
        env = dict(os.environ, LD_PRELOAD=str(self.folder / "portshim.so"))
        env["PORTSHIM"] = f"389:{self.plain_port} 636:{self.port} 3268:0 3269:0"
        # One process that ends when its standard input does: at the latest with this script.
        command = ["samba", "--interactive", "--model=single", "--no-process-group", "--debug-stdout"]
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [*command, f"--configfile={conf}"], env=env, stdin=subprocess.PIPE, stdout=out, stderr=out
            )
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                break
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        answer = subprocess.run(self.tool("ldapsearch", "-s", "base", "-b", "", "1.1"), capture_output=True, text=True)
        if answer.returncode:
            sys.exit(f"samba did not start: {answer.stderr}\n{log.read_text()[-2000:]}")

    def configuration(self):
        at = self.folder
        return f"""[global]
netbios name = DC1
realm = BENCH.TEST
workgroup = BENCH
server role = active directory domain controller
server services = ldap
interfaces = 127.0.0.1/8
bind interfaces only = yes
disable netbios = yes
rpc start on demand helpers = no
idmap_ldb:use rfc2307 = yes
ldb:nosync = yes
private dir = {at}/private
state directory = {at}/state
cache directory = {at}/cache
binddns dir = {at}/bind-dns
lock directory = {at}
pid directory = {at}
ncalrpc dir = {at}/ncalrpc
winbindd socket directory = {at}/winbindd
ntp signd socket directory = {at}/ntp_signd
log file = {at}/samba.log.%m
tls enabled = yes
tls keyfile = {at}/server.key
tls certfile = {at}/server.pem
tls cafile = {at}/ca.pem
[sysvol]
path = {at}/state/sysvol
read only = no
"""

    def tool(self, name, *args):
        # `env` becomes the program: what is measured is the program's own.
        return ["env", f"LDAPTLS_CACERT={self.ca}", "LDAPTLS_REQCERT=demand",
                name, "-x", "-H", self.url, "-D", ADMIN, "-w", self.password, *args]

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
