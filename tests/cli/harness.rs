//! A repository in a folder of its own and the built binary run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A repository that is thrown away.
pub(crate) struct Repo {
    folder: TempDir,
}

/// What a command line came to.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Ran {
    /// Asserts the exit code; shows everything where it is another.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that stderr is empty and returns stdout.
    pub(crate) fn quiet(self) -> String {
        assert_eq!(self.stderr, "", "stdout:\n{}", self.stdout);
        self.stdout
    }

    /// Exit code, then stdout, then stderr, for snapshots.
    pub(crate) fn all(self) -> String {
        let Self { stdout, stderr, code } = self;
        format!("exit {code}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}

impl Repo {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A small company: two employees, a contractor, a leaver, two roles.
    pub(crate) fn company() -> Self {
        let repo = Self::empty();
        repo.write("policies/accord.yaml", ACCORD);
        repo.write("policies/people.yaml", PEOPLE);
        repo.write("policies/roles.yaml", ROLES);
        repo
    }

    /// The company, applied.
    pub(crate) fn applied() -> Self {
        let repo = Self::company();
        let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
        repo
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.file(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.file(path)).unwrap()
    }

    /// Replaces a text that must be there.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` is not in {path}");
        self.write(path, &text.replace(from, to));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accord"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        // Nothing of the machine may show: no colour, no git settings, no locale.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.path()).env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs accord. Whatever happens, it neither panics nor shows a backtrace.
    pub(crate) fn accord(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "{stderr}");
        Ran { stdout: self.stable(&stdout), stderr: self.stable(&stderr), code: output.status.code().unwrap() }
    }

    /// The text without what differs from run to run: times, digests, folders.
    pub(crate) fn stable(&self, text: &str) -> String {
        let here = self.path().to_str().unwrap();
        text.replace(here, "[here]").lines().map(|line| stable_line(line) + "\n").collect()
    }
}

fn stable_line(line: &str) -> String {
    let mut line = line.to_owned();
    if line.starts_with("policies without git") {
        let at = line.split(" · ").nth(1).unwrap_or_default();
        // A chosen time stays: it is the same in every run.
        let at = if at.contains("for reading only") { at.to_owned() } else { "[now]".to_owned() };
        line = format!("policies without git, digest [digest] · {at}");
    }
    if let Some((head, _)) = line.split_once("sha256 ") {
        line = format!("{head}sha256 [hash]");
    }
    if line.starts_with("applied ") {
        let mut parts = line.split(" · ");
        let head = parts.next().unwrap().split(" in ").next().unwrap().to_owned();
        line = format!("{head} in [time] · run [run] · journal [journal]");
    }
    line
}

const ACCORD: &str = "\
organization: example
timezone: Europe/Berlin
directories:
  corp:
    kind: ldif
    file: directory.ldif
    create: true
    accounts:
      base: ou=people,dc=example,dc=com
      id_attribute: employeeNumber
      for: everyone
      attributes: { cn: name, sn: family_name, mail: email }
    groups: { base: \"ou=groups,dc=example,dc=com\" }
kinds: { contractor: { default: deny, require: [sponsor, expires] } }
";

const PEOPLE: &str = "\
people:
  wei.chen:
    id: \"1\"
    name: Wei Chen
    family_name: Chen
    email: wei.chen@example.com
    kind: employee
    starts: 2020-01-01
    attributes: { department: platform }
  ana.silva:
    id: \"2\"
    name: Ana Silva
    family_name: Silva
    email: ana.silva@example.com
    kind: employee
    manager: wei.chen
    starts: 2020-01-01
    attributes: { department: finance }
  maria.lopez:
    id: \"3\"
    name: Maria Lopez
    family_name: Lopez
    email: maria.lopez@example.com
    kind: contractor
    company: Initech
    sponsor: wei.chen
    starts: 2020-01-01
    expires: 2197-03-31
  li.na:
    id: \"4\"
    name: Li Na
    family_name: Na
    email: li.na@example.com
    kind: employee
    starts: 2020-01-01
    expires: 2021-12-31
";

const ROLES: &str = "\
roles:
  sre:
    description: Runs production
    owner: wei.chen
    grants: [corp/sre, corp/vpn]
    members:
      - wei.chen
      - person: maria.lopez
        expires: 2196-12-31
        ticket: ACC-1042
        reason: Migration project
      - person: li.na
  staff:
    grants: [corp/staff]
    members:
      - where: person.kind == \"employee\"
groups:
  corp/sre: { description: Production access }
  corp/vpn: { description: Network access }
  corp/staff: { description: Everybody }
";
