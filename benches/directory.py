#!/usr/bin/env python3
"""Whole-process figures on real servers, each beside the plain LDAP tools.

    cargo build --release && python3 benches/directory.py [--sizes 1k,10k,50k,100k] [--runs 3]
    cargo build --release && python3 benches/directory.py --diff [--sizes 100k] [--runs 3]
    cargo build --release && python3 benches/directory.py --active-directory [--domain-size 1000,100,5000] [--runs 3]

For every size this makes policies, starts an slapd of its own on a free loopback
port, and prints wall seconds, CPU seconds and peak memory of

    validate            accord validate
    first apply         accord apply on an empty tree  beside  ldapadd of the same entries
    plan, nothing to do accord plan --refresh full     beside  ldapsearch (paged) of the same entries
    … incremental       accord plan, nothing changed since the last one
    read                accord plan of a policy that only looks: in full, with nothing changed,
                        and with 1 % of the accounts and groups changed behind its back
    plan, 1 % changed   accord plan
    apply, 1 % changed  accord apply                   beside  ldapmodify of the same values
    10,000 grants       accord apply                   beside  ldapmodify of the same values
    … delayed           the same number once more with 10 ms of delay in each direction, both programs,
                        and how many times the undelayed apply it takes

ldapmodify runs twice: with one modify per group, the fastest way it has, and with
one modify per value, as they come out of a ticket.

With --diff there is no server: one line more in a group, committed, and

    diff of one line    accord diff HEAD~1..HEAD       beside  accord validate

With --active-directory the servers are Samba domain controllers (benches/samba.py),
and everything goes over TLS, from both programs. Sizes are people, groups and grants;
there are about as many memberships before the grants. At the end both domains must
hold the same. It prints

    first apply, people accord apply on an empty unit  beside  ldapadd of the same accounts, disabled, each enabled
                        by a modify of its own, as accord does it
    first apply, groups accord apply                   beside  ldapadd of the same groups with their members
    plan, nothing to do accord plan --refresh full     beside  ldapsearch (paged) of the same entries
    … incremental       accord plan, nothing changed since the last one, beside the same
    plan, N grants      accord plan
    apply of N values   accord apply                   beside  ldapmodify of the same values, twice as above

The median of the runs is printed; ratios are of medians in this one run. Nothing
but loopback is contacted. Needs slapd, ldap-utils and Python 3.9, no packages; for
a domain also what benches/samba.py names.
"""

import argparse
import asyncio
import collections
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The module beside this one leaves no compiled copy in the source tree.
sys.dont_write_bytecode = True
import samba

SIZES = {
    "1k": (1_000, 200, 10_000),
    "10k": (10_000, 1_000, 50_000),
    "50k": (50_000, 5_000, 252_000),
    "100k": (100_000, 10_000, 1_000_000),
}
BASE = "dc=bench,dc=test"
# Seconds that everything takes longer in each direction.
DELAY = 0.010
ADMIN, PASSWORD = f"cn=admin,{BASE}", "Bench-0nly"
# Filter and attributes of what accord reads in a domain.
DOMAIN_ACCOUNT = ("(&(objectCategory=person)(objectClass=user))", "sAMAccountName", "displayName", "sn", "mail",
                  "employeeID", "userAccountControl", "accountExpires")
DOMAIN_GROUP = ("(objectClass=group)", "sAMAccountName", "groupType", "description", "member")
ROOT = Path(__file__).resolve().parent.parent


class Slapd:
    """One slapd in a folder of its own, without durable writes, on loopback."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.process = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"ldap://127.0.0.1:{self.port}"

    def start(self):
        db = self.folder / "db"
        db.mkdir(parents=True)
        conf = self.folder / "slapd.conf"
        conf.write_text(
            f"""include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
sizelimit unlimited
database mdb
suffix {BASE}
rootdn {ADMIN}
rootpw {PASSWORD}
directory {db}
maxsize 8589934592
dbnosync
checkpoint 0 0
index objectClass,uid,cn,entryCSN,entryUUID eq
overlay syncprov
syncprov-sessionlog 100000
"""
        )
        top = (
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Bench\ndc: bench\n\n"
            + "".join(f"dn: ou={ou},{BASE}\nobjectClass: organizationalUnit\nou: {ou}\n\n" for ou in ("people", "groups"))
        )
        subprocess.run(["slapadd", "-q", "-w", "-f", conf, "-b", BASE], input=top, text=True, check=True)
        self.process = subprocess.Popen(["slapd", "-f", conf, "-h", self.url, "-d", "0"], stderr=subprocess.DEVNULL)
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return self
            except OSError:
                time.sleep(0.025)
        sys.exit("slapd did not start")

    def tool(self, name, *args, url=None):
        return [name, "-x", "-H", url or self.url, "-D", ADMIN, "-w", PASSWORD, *args]

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Delay:
    """A proxy that lets everything arrive so many seconds later, in either direction: pieces wait side by side."""

    def __init__(self, port, seconds):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.process = multiprocessing.get_context("fork").Process(target=self.serve, args=(port, seconds), daemon=True)
        self.process.start()
        self.listener.close()

    def serve(self, port, seconds):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

        async def pump(reader, writer):
            waiting, there = collections.deque(), asyncio.Event()

            async def send():
                while True:
                    while not waiting:
                        there.clear()
                        await there.wait()
                    due, piece = waiting.popleft()
                    await asyncio.sleep(max(0, due - time.monotonic()))
                    if not piece:
                        return writer.close()
                    writer.write(piece)

            task = asyncio.create_task(send())
            piece = True
            while piece:
                try:
                    piece = await reader.read(65536)
                except OSError:
                    piece = b""
                waiting.append((time.monotonic() + seconds, piece))
                there.set()
            await task

        async def client(reader, writer):
            to_server = await asyncio.open_connection("127.0.0.1", port)
            for one in (writer, to_server[1]):
                one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(pump(reader, to_server[1]), pump(to_server[0], writer), return_exceptions=True)

        async def main():
            server = await asyncio.start_server(client, sock=self.listener)
            await server.serve_forever()

        asyncio.run(main())

    def stop(self):
        self.process.terminate()
        self.process.join()


def measure(command, cwd=None, stdin=None, accept=(0,), said=None):
    """Runs a command; wall seconds, CPU seconds, peak MiB of exactly that process. What it
    says on stdout goes into the list `said`."""
    env = dict(os.environ, BENCH_PASSWORD=PASSWORD)
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source = open(stdin, "rb") if stdin else subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=cwd, env=env, stdin=source, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in accept:
            err.seek(0)
            sys.exit(f"{command[:4]} … exited {process.returncode}:\n{err.read().decode()[-2000:]}")
        if said is not None:
            out.seek(0)
            said.append(out.read().decode())
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def median(runs):
    return tuple(statistics.median(column) for column in zip(*runs))


class Data:
    """People and groups of one size, always the same for the same size."""

    def __init__(self, people, groups, memberships):
        self.random = random.Random(20260101)
        self.people = people
        self.groups = []
        mean = memberships / groups
        for _ in range(groups):
            size = min(people, max(1, round(self.random.uniform(1, 2 * mean - 1))))
            self.groups.append(set(self.random.sample(range(people), size)))

    def change(self, share):
        """Replaces that share of the memberships; returns what was taken and given per group."""
        total = sum(map(len, self.groups))
        moves = {}
        for _ in range(max(1, round(total * share))):
            g = self.random.randrange(len(self.groups))
            members = self.groups[g]
            leaver = self.random.choice(sorted(members))
            joiner = self.random.randrange(self.people)
            if joiner in members or len(members) < 2:
                continue
            members.remove(leaver)
            members.add(joiner)
            moves.setdefault(g, [set(), set()])
            moves[g][0].add(leaver)
            moves[g][1].add(joiner)
        for minus, plus in moves.values():
            both = minus & plus
            minus -= both
            plus -= both
        return {g: move for g, move in moves.items() if move[0] or move[1]}

    def grow(self, grants):
        """Adds that many members; returns what was given per group."""
        moves = {}
        while grants:
            g = self.random.randrange(len(self.groups))
            joiner = self.random.randrange(self.people)
            if joiner not in self.groups[g]:
                self.groups[g].add(joiner)
                moves.setdefault(g, [set(), set()])[1].add(joiner)
                grants -= 1
        return moves

    def settings(self, url):
        """The directory `corp`, as YAML."""
        return f"""    kind: ldap
    url: {url}
    tls: none
    bind: {{ dn: "{ADMIN}", password: {{ env: BENCH_PASSWORD }} }}
    accounts:
      base: ou=people,{BASE}
      match: uid
      id_attribute: employeeNumber
      for: everyone
      object_classes: [inetOrgPerson]
      attributes: {{ cn: name, sn: family_name, mail: email }}
    groups: {{ base: "ou=groups,{BASE}", object_class: groupOfNames }}
"""

    def write_policies(self, root, url):
        policies = root / "policies"
        shutil.rmtree(policies, ignore_errors=True)
        (policies / "people").mkdir(parents=True)
        (policies / "groups").mkdir()
        (policies / "accord.yaml").write_text(
            f"""organization: bench
timezone: UTC
directories:
  corp:
{self.settings(url)}guardrails:
  grants: {{ floor: 10000000, percent: 100, per: group }}
  revocations: {{ floor: 10000000, percent: 100 }}
"""
        )
        for first in range(0, self.people, 500):
            with open(policies / "people" / f"{first:07}.yaml", "w") as f:
                f.write("people:\n")
                for n in range(first, min(first + 500, self.people)):
                    f.write(
                        f'  u{n:07}:\n    id: "{n}"\n    name: User Number {n}\n    family_name: Number {n}\n'
                        f"    email: u{n:07}@bench.test\n    kind: employee\n"
                    )
        for first in range(0, len(self.groups), 100):
            with open(policies / "groups" / f"{first:06}.yaml", "w") as f:
                f.write("groups:\n")
                for g in range(first, min(first + 100, len(self.groups))):
                    f.write(f"  corp/g{g:06}:\n    description: Group {g}\n    members:\n")
                    f.writelines(f"      - u{n:07}\n" for n in sorted(self.groups[g]))

    def write_ldif(self, path):
        with open(path, "w") as f:
            for n in range(self.people):
                f.write(
                    f"dn: {dn(n)}\nobjectClass: inetOrgPerson\nuid: u{n:07}\ncn: User Number {n}\nsn: Number {n}\n"
                    f"mail: u{n:07}@bench.test\nemployeeNumber: {n}\n\n"
                )
            for g, members in enumerate(self.groups):
                f.write(f"dn: {group_dn(g)}\nobjectClass: groupOfNames\ncn: g{g:06}\ndescription: Group {g}\n")
                f.writelines(f"member: {dn(n)}\n" for n in sorted(members))
                f.write("\n")


def dn(n):
    return f"uid=u{n:07},ou=people,{BASE}"


def group_dn(g):
    return f"cn=g{g:06},ou=groups,{BASE}"


class DomainData(Data):
    """The same in a domain: an account stands under its display name."""

    @staticmethod
    def dn(n):
        return f"CN=User Number {n},OU=people,{samba.BASE}"

    @staticmethod
    def group_dn(g):
        return f"CN=g{g:06},OU=groups,{samba.BASE}"

    def settings(self, server):
        return f"""    kind: active-directory
    url: {server.url}
    ca: {server.folder.name}/ca.pem
    bind: {{ dn: "{samba.ADMIN}", password: {{ env: BENCH_PASSWORD }} }}
    accounts:
      base: OU=people,{samba.BASE}
      for: everyone
      attributes: {{ displayName: name, sn: family_name, mail: email }}
    groups: {{ base: "OU=groups,{samba.BASE}" }}
"""

    def write_people(self, path):
        with open(path, "w") as f:
            for n in range(self.people):
                f.write(
                    f"dn: {self.dn(n)}\nchangetype: add\nobjectClass: user\nsAMAccountName: u{n:07}\n"
                    f"userAccountControl: 514\ndisplayName: User Number {n}\nsn: Number {n}\nmail: u{n:07}@bench.test\n"
                    f"employeeID: {n}\n\n"
                    f"dn: {self.dn(n)}\nchangetype: modify\ndelete: userAccountControl\nuserAccountControl: 514\n-\n"
                    f"add: userAccountControl\nuserAccountControl: 512\n-\n\n"
                )

    def write_groups(self, path):
        with open(path, "w") as f:
            for g, members in enumerate(self.groups):
                f.write(
                    f"dn: {self.group_dn(g)}\nchangetype: add\nobjectClass: group\nsAMAccountName: g{g:06}\n"
                    f"groupType: -2147483646\ndescription: Group {g}\n"
                )
                f.writelines(f"member: {self.dn(n)}\n" for n in sorted(members))
                f.write("\n")


def write_modifications(path, moves, backwards=False, singly=False, dn=dn, group_dn=group_dn):
    """One modify per group with all its values, or one per value."""
    with open(path, "w") as f:
        for g, (minus, plus) in sorted(moves.items()):
            if backwards:
                minus, plus = plus, minus
            if singly:
                for word, people in (("add", plus), ("delete", minus)):
                    for n in sorted(people):
                        f.write(f"dn: {group_dn(g)}\nchangetype: modify\n{word}: member\nmember: {dn(n)}\n\n")
                continue
            f.write(f"dn: {group_dn(g)}\nchangetype: modify\n")
            for word, people in (("add", plus), ("delete", minus)):
                if people:
                    f.write(f"{word}: member\n")
                    f.writelines(f"member: {dn(n)}\n" for n in sorted(people))
                    f.write("-\n")
            f.write("\n")


def show(what, figures, **beside):
    wall, cpu, memory = figures
    line = f"  {what:<22}{wall:8.2f} s wall {cpu:8.2f} s cpu {memory:7.0f} MiB"
    for name, other in beside.items():
        line += f"   {name.replace('_', ' ')} {other[0]:.2f} s, ratio {wall / other[0]:.2f}"
    print(line, flush=True)


def search(server, *searches):
    """Paged searches one after another: seconds are added, the peak is the higher one."""
    figures = [measure(server.tool("ldapsearch", "-LLL", "-E", "pr=1000/noprompt", "-b", *one)) for one in searches]
    wall, cpu, memory = zip(*figures)
    return sum(wall), sum(cpu), max(memory)


def search_everything(server):
    return search(
        server,
        (f"ou=people,{BASE}", "(uid=*)", "uid", "cn", "sn", "mail", "employeeNumber"),
        (f"ou=groups,{BASE}", "(objectClass=groupOfNames)", "cn", "description", "member"),
    )


def search_domain(server):
    return search(server, (f"OU=people,{samba.BASE}", *DOMAIN_ACCOUNT, "objectGUID"),
                  (f"OU=groups,{samba.BASE}", *DOMAIN_GROUP, "objectGUID"))


def write_looking(root, url):
    """Policies that manage nothing: what is left of a plan is reading and little else."""
    policies = root / "policies"
    policies.mkdir(parents=True)
    (policies / "accord.yaml").write_text(
        f"""organization: bench
timezone: UTC
directories:
  corp:
    kind: ldap
    url: {url}
    tls: none
    bind: {{ dn: "{ADMIN}", password: {{ env: BENCH_PASSWORD }} }}
    accounts:
      base: ou=people,{BASE}
      manage: reference
      id_attribute: employeeNumber
      attributes: {{ cn: name, sn: family_name, mail: email }}
    groups: {{ base: "ou=groups,{BASE}" }}
"""
    )


def show_reads(data, server, work, accord, runs):
    """Reads alone: in full, with nothing changed, with 1 % of the entries changed."""
    folder = work / "looking"
    write_looking(folder, server.url)
    plan = [accord, "plan"]
    full = median([measure([*plan, "--refresh", "full"], folder) for _ in range(runs)])
    show("read, in full", full)
    show("read, nothing changed", median([measure(plan, folder) for _ in range(runs)]), full=full)
    snapshot, kept, changes = folder / ".accord/cache/corp.snapshot", work / "kept", work / "looked.ldif"
    print(f"  the snapshot has {snapshot.stat().st_size / 2**20:.1f} MiB", flush=True)
    shutil.copy(snapshot, kept)
    for text in ("looked at", None):
        with open(changes, "w") as f:
            for n in range(0, data.people, 100):
                mail = f"u{n:07}@bench.test" if text is None else f"changed{n}@bench.test"
                f.write(f"dn: {dn(n)}\nchangetype: modify\nreplace: mail\nmail: {mail}\n\n")
            for g in range(0, len(data.groups), 100):
                description = f"Group {g}" if text is None else text
                f.write(f"dn: {group_dn(g)}\nchangetype: modify\nreplace: description\ndescription: {description}\n\n")
        measure(server.tool("ldapmodify", "-f", str(changes)))
        if text:
            figures = []
            for _ in range(runs):
                shutil.copy(kept, snapshot)
                figures.append(measure(plan, folder))
            show("read, 1 % changed", median(figures), full=full)


def show_delayed(data, server, plain, work, apply, near):
    """As many grants again, over a long line."""
    lines = [Delay(one.port, DELAY) for one in (server, plain)]
    try:
        # A snapshot belongs to its URL: over the line there is one too, as there is for the apply beside it.
        data.write_policies(work, lines[0].url)
        measure([apply[0], "plan"], work)
        moves = data.grow(10_000)
        data.write_policies(work, lines[0].url)
        changes = work / "changes.ldif"
        write_modifications(changes, moves)
        modified = measure(plain.tool("ldapmodify", "-f", str(changes), url=lines[1].url))
        far = measure(apply, work)
        show("… delayed", far, ldapmodify_delayed=modified, undelayed=near)
        data.write_policies(work, server.url)
    finally:
        for line in lines:
            line.stop()


def run_size(name, accord, runs, keep):
    people, groups, memberships = SIZES[name]
    data = Data(people, groups, memberships)
    print(f"{people:,} people, {groups:,} groups, {sum(map(len, data.groups)):,} memberships", flush=True)
    work = Path(tempfile.mkdtemp(prefix="accord-bench-"))
    server = Slapd(work / "slapd").start()
    plain = Slapd(work / "plain").start()
    ldif = work / "data.ldif"
    # The key of snapshots is not taken from inside a repository.
    state = tempfile.mkdtemp(prefix="accord-bench-state-")
    os.environ["XDG_STATE_HOME"] = state
    incremental = [accord, "plan", "--detailed-exitcode"]
    plan = [*incremental, "--refresh", "full"]
    apply = [accord, "apply", "--auto-approve"]
    try:
        data.write_policies(work, server.url)
        data.write_ldif(ldif)
        show("validate", median([measure([accord, "validate"], work) for _ in range(runs)]))
        added = measure(plain.tool("ldapadd", "-f", str(ldif)))
        show("first apply", measure(apply, work), ldapadd=added)
        searched, planned = [], []
        for _ in range(runs):
            searched.append(search_everything(server))
            planned.append(measure(plan, work, accept=(0,)))
        show("plan, nothing to do", median(planned), ldapsearch=median(searched))
        again = median([measure(incremental, work, accept=(0,)) for _ in range(runs)])
        show("… incremental", again, ldapsearch=median(searched), full=median(planned))
        show_reads(data, server, work, accord, runs)
        for title, edit in (("1 % changed", lambda: data.change(0.01)), ("10,000 grants", lambda: data.grow(10_000))):
            moves = edit()
            data.write_policies(work, server.url)
            count = sum(len(a) + len(b) for a, b in moves.values())
            show(f"plan, {title}", median([measure(plan, work, accept=(2,)) for _ in range(runs)]))
            changes = work / "changes.ldif"
            write_modifications(changes, moves)
            modified = measure(plain.tool("ldapmodify", "-f", str(changes)))
            write_modifications(changes, moves, backwards=True)
            measure(plain.tool("ldapmodify", "-f", str(changes)))
            write_modifications(changes, moves, singly=True)
            one_by_one = measure(plain.tool("ldapmodify", "-f", str(changes)))
            said = []
            near = measure(apply, work, said=said)
            show(f"apply of {count:,} values", near, ldapmodify_per_group=modified, ldapmodify_per_value=one_by_one)
            applied = float(re.search(r"^applied .* in ([0-9.]+) s ", said[0], re.MULTILINE)[1])
            print(f"  … after its plan      {applied:8.1f} s   "
                  f"ldapmodify per value {one_by_one[0]:.2f} s, ratio {applied / one_by_one[0]:.2f}", flush=True)
        show_delayed(data, server, plain, work, apply, near)
        measure(plan, work, accept=(0,))
    finally:
        server.stop()
        plain.stop()
        if not keep:
            shutil.rmtree(work, ignore_errors=True)
            shutil.rmtree(state, ignore_errors=True)


def git(root, *words):
    settings = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *settings, *words], cwd=root, check=True, stdout=subprocess.DEVNULL)


def run_diff(name, accord, runs):
    """What one changed line means: two commits, no server."""
    people, groups, memberships = SIZES[name]
    data = Data(people, groups, memberships)
    print(f"{people:,} people, {groups:,} groups, {sum(map(len, data.groups)):,} memberships", flush=True)
    with tempfile.TemporaryDirectory(prefix="accord-bench-") as work:
        root = Path(work)
        data.write_policies(root, "ldap://127.0.0.1")
        git(root, "init", "-q")
        git(root, "add", "policies")
        git(root, "commit", "-q", "-m", "before")
        first = root / "policies" / "groups" / "000000.yaml"
        joiner = next(n for n in range(people) if n not in data.groups[0])
        line = "    members:\n"
        first.write_text(first.read_text().replace(line, f"{line}      - {{ person: u{joiner:07}, expires: 2099-06-30 }}\n", 1))
        git(root, "commit", "-q", "-a", "-m", "after")
        diff = [accord, "diff", "HEAD~1..HEAD", "--detailed-exitcode"]
        validate = median([measure([accord, "validate"], root) for _ in range(runs)])
        show("diff of one line", median([measure(diff, root, accept=(2,)) for _ in range(runs)]), validate=validate)


def contents(server):
    """What accounts and groups hold, in an order of its own, whoever wrote it."""
    found = []
    for unit, attributes in (("people", DOMAIN_ACCOUNT), ("groups", DOMAIN_GROUP)):
        command = server.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-b",
                              f"OU={unit},{samba.BASE}", *attributes)
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.lower()
        # Comments tell of the pages, whose borders differ.
        entries = ([line for line in entry.splitlines() if line[:1] != "#"] for entry in text.split("\n\n"))
        found += [sorted(entry) for entry in entries if entry]
    return sorted(found)


def start_domain(work):
    """Two controllers of equal, empty domains: accord's, and the one of the plain tools."""
    samba.provision(work / "domain", PASSWORD)
    units = work / "units.ldif"
    units.write_text(
        "".join(f"dn: OU={ou},{samba.BASE}\nobjectClass: organizationalUnit\n\n" for ou in ("people", "groups"))
    )
    for name in ("samba", "plain"):
        server = samba.Samba(work / name, PASSWORD)
        try:
            server.start(work / "domain")
            measure(server.tool("ldapadd", "-f", str(units)))
        except BaseException:
            server.stop()
            raise
        yield server


def run_domain(people, groups, grants, accord, runs, keep):
    work = Path(tempfile.mkdtemp(prefix="accord-bench-"))
    # The key of snapshots is not taken from inside a repository.
    state = tempfile.mkdtemp(prefix="accord-bench-state-")
    os.environ["XDG_STATE_HOME"] = state
    servers = []
    try:
        for server in start_domain(work):
            servers.append(server)
        data = DomainData(people, groups, grants)
        print(
            f"Active Directory (Samba {samba.version()}, TLS): {people:,} people, {groups:,} groups, "
            f"{sum(map(len, data.groups)):,} memberships",
            flush=True,
        )
        show_domain(data, *servers, grants, work, accord, runs)
    finally:
        for server in servers:
            server.stop()
        if not keep:
            shutil.rmtree(work, ignore_errors=True)
            shutil.rmtree(state, ignore_errors=True)


def show_domain(data, server, plain, grants, work, accord, runs):
    incremental = [accord, "plan", "--detailed-exitcode"]
    plan = [*incremental, "--refresh", "full"]
    apply = [accord, "apply", "--auto-approve"]
    ldif = work / "changes.ldif"

    def write(tool):
        return measure(plain.tool(tool, "-f", str(ldif)))

    groups, data.groups = data.groups, []
    data.write_policies(work, server)
    data.write_people(ldif)
    added = write("ldapadd")
    show("first apply, people", measure(apply, work), ldapadd=added)
    data.groups = groups
    data.write_policies(work, server)
    data.write_groups(ldif)
    added = write("ldapadd")
    show("first apply, groups", measure(apply, work), ldapadd=added)
    searched, planned, again = [], [], []
    for _ in range(runs):
        searched.append(search_domain(server))
        planned.append(measure(plan, work, accept=(0,)))
        again.append(measure(incremental, work, accept=(0,)))
    show("plan, nothing to do", median(planned), ldapsearch=median(searched))
    show("… incremental", median(again), ldapsearch=median(searched), full=median(planned))
    moves = data.grow(grants)
    data.write_policies(work, server)
    show(f"plan, {grants:,} grants", median([measure(plan, work, accept=(2,)) for _ in range(runs)]))
    figures = []
    for how in ({}, {"backwards": True}, {"singly": True}):
        write_modifications(ldif, moves, **how, dn=data.dn, group_dn=data.group_dn)
        figures.append(write("ldapmodify"))
    show(f"apply of {grants:,} values", measure(apply, work), ldapmodify_per_group=figures[0],
         ldapmodify_per_value=figures[2])
    # Both did the same work.
    measure(plan, work, accept=(0,))
    if contents(server) != contents(plain):
        sys.exit("the two domains do not hold the same")


def domain_size(text):
    people, groups, grants = (int(word) for word in text.split(","))
    # Grants are new memberships, beside as many that are there.
    if min(people, groups, grants) < 1 or 3 * grants > people * groups:
        raise argparse.ArgumentTypeError("wants at least one of each, and three times as much room as grants")
    return people, groups, grants


def main():
    # A run that is asked to end takes its servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", help=f"of {','.join(SIZES)}; all of them, or none with --active-directory")
    parser.add_argument("--active-directory", action="store_true", help="on Samba domain controllers; needs root")
    parser.add_argument("--domain-size", type=domain_size, default=(1_000, 100, 5_000), metavar="PEOPLE,GROUPS,GRANTS")
    parser.add_argument("--diff", action="store_true", help="only what one changed line means; no server")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--accord", default=str(ROOT / "target/release/accord"))
    parser.add_argument("--keep", action="store_true", help="keep the generated files")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin"
    # Every command runs in a folder of its own.
    options.accord = str(Path(options.accord).resolve())
    sizes = ",".join(SIZES) if options.sizes is None and not options.active_directory else options.sizes
    for size in sizes.split(",") if sizes else []:
        if options.diff:
            run_diff(size, options.accord, options.runs)
            continue
        run_size(size, options.accord, options.runs, options.keep)
    if options.active_directory:
        run_domain(*options.domain_size, options.accord, options.runs, options.keep)


if __name__ == "__main__":
    main()
