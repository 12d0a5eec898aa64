//! A repository, the directory that its policies are for, and the built binary.

use super::view::{self, Entries};
use super::weeks::{self, Size};
use crate::cli::harness::{Ran, Repo};
use crate::support::gate::Gate;
use crate::support::slapd::{GROUPS, Options, PEOPLE, READER, SUFFIX, Slapd, WRITER};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What the policies are applied to.
pub(crate) enum System {
    /// One LDIF file.
    Ldif,
    /// A server behind a gate.
    Slapd(Box<(Slapd, Gate)>),
    /// A server that another bed has started, at its URL.
    Elsewhere(String),
}

/// Everything of one test.
pub(crate) struct Bed {
    pub(crate) repo: Repo,
    pub(crate) system: System,
    pub(crate) size: Size,
    /// Where the journal is shared with other machines.
    pub(crate) journal: Option<Value>,
}

impl Bed {
    /// An LDIF file that is not there yet.
    pub(crate) fn ldif(size: Size) -> Self {
        Self { repo: Repo::empty(), system: System::Ldif, size, journal: None }
    }

    /// An empty server that logs what it does.
    pub(crate) fn slapd(size: Size) -> Self {
        let server = Slapd::start(&Options { accesslog: true, ..Options::default() });
        let gate = Gate::start(server.port());
        Self { repo: Repo::empty(), system: System::Slapd(Box::new((server, gate))), size, journal: None }
    }

    pub(crate) fn server(&self) -> &Slapd {
        let System::Slapd(both) = &self.system else { panic!("this bed has no server") };
        &both.0
    }

    pub(crate) fn server_mut(&mut self) -> &mut Slapd {
        let System::Slapd(both) = &mut self.system else { panic!("this bed has no server") };
        &mut both.0
    }

    pub(crate) fn gate(&self) -> &Gate {
        let System::Slapd(both) = &self.system else { panic!("this bed has no gate") };
        &both.1
    }

    fn url(&self) -> String {
        match &self.system {
            System::Ldif => panic!("a file has no URL"),
            System::Slapd(both) => both.1.url(),
            System::Elsewhere(url) => url.clone(),
        }
    }

    fn settings(&self) -> Value {
        let accounts = json!({
            "base": PEOPLE, "id_attribute": "employeeNumber",
            "attributes": { "cn": "name", "sn": "family_name", "mail": "email" },
        });
        match &self.system {
            System::Ldif => json!({
                "kind": "ldif", "file": "directory.ldif", "create": true,
                "accounts": accounts, "groups": { "base": GROUPS },
            }),
            System::Slapd(_) | System::Elsewhere(_) => json!({
                "kind": "ldap", "url": self.url(), "tls": "none",
                "bind": { "dn": WRITER.0, "password": { "env": "W" } },
                "plan_bind": { "dn": READER.0, "password": { "env": "R" } },
                "accounts": accounts, "groups": { "base": GROUPS },
            }),
        }
    }

    /// The directory's settings with more said of its accounts.
    pub(crate) fn settings_with(&self, accounts: &[(&str, Value)]) -> Value {
        let mut settings = self.settings();
        for (key, value) in accounts {
            settings["accounts"][*key] = value.clone();
        }
        settings
    }

    /// Writes the policies of a week.
    pub(crate) fn write(&self, week: usize) {
        let journal = self.journal.as_ref().map(|journal| format!("journal: {journal}\n")).unwrap_or_default();
        self.repo.write("policies/accord.yaml", &(weeks::accord(self.settings(), week) + &journal));
        self.repo.write("policies/people.yaml", &weeks::people(self.size, week));
        self.repo.write("policies/groups.yaml", &weeks::groups(self.size, week));
    }

    /// The binary, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.repo.command(arguments);
        command.env("W", WRITER.1).env("R", READER.1);
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn accord(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).end()
    }

    /// Starts the binary.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
        let mut command = self.command(arguments);
        // Not pipes: a full one would stop the process.
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let runs = view::runs(self.repo.path()).len();
        let child = command.spawn().unwrap();
        Running { child, folder, root: self.repo.path().to_owned(), runs }
    }

    /// What the directory holds, told by `ldapsearch` or read off the file.
    pub(crate) fn entries(&self) -> Entries {
        self.entries_of("groupOfNames")
    }

    /// As [`Self::entries`], with groups of that class.
    pub(crate) fn entries_of(&self, class: &str) -> Entries {
        view::entries(&match &self.system {
            System::Elsewhere(_) => panic!("the bed that started the server can tell"),
            System::Ldif => std::fs::read_to_string(self.repo.file("directory.ldif")).unwrap_or_default(),
            System::Slapd(both) => {
                let filter = format!("(|(objectClass=inetOrgPerson)(objectClass={class}))");
                both.0.ldapsearch(SUFFIX, &filter, &["*", "pwdAccountLockedTime", "pwdEndTime"])
            }
        })
    }

    /// Records of the newest run.
    pub(crate) fn records(&self) -> usize {
        view::runs(self.repo.path()).last().map_or(0, |run| view::records(run).len())
    }

    /// The journal is whole, as accord says.
    pub(crate) fn verify(&self, at: &str) {
        let ran = self.accord(&["audit", "journal", "verify"]);
        assert_eq!(ran.code, 0, "{at}: {ran:#?}");
        assert!(ran.stdout.starts_with("the journal is as it was written"), "{at}: {}", ran.stdout);
    }

    /// Applies, and kills the run once so many of its writes were answered, of `writes` in all:
    /// how many records it had written. `None` if it was over before: what is ready at the
    /// same time is written together, so a run may need a few writes less than another.
    pub(crate) fn killed_after(&self, answers: usize, writes: usize, at: &str) -> Option<usize> {
        self.gate().close_after(answers);
        let mut run = self.start(&["apply", "--auto-approve"]);
        let stands_still = run.stands_still(self.gate());
        let records = if stands_still {
            let records = run.records();
            assert!(run.kill(), "{at}");
            Some(records)
        } else {
            let ran = run.end();
            assert_eq!(ran.code, 0, "{at}: {ran:#?}");
            assert!(answers + 5 >= writes, "{at}: {ran:#?}");
            None
        };
        self.gate().open();
        records
    }

    /// Applies the rest of a week; nothing is left to do then.
    pub(crate) fn converges(&self, at: &str) {
        let ran = self.accord(&["apply", "--auto-approve"]);
        assert_eq!(ran.code, 0, "{at}: {ran:#?}");
        let ran = self.accord(&["plan", "--detailed-exitcode"]);
        assert_eq!(ran.code, 0, "{at}: {ran:#?}");
    }
}

/// The binary while it runs.
pub(crate) struct Running {
    child: Child,
    folder: tempfile::TempDir,
    root: PathBuf,
    /// Runs in the journal before it was started.
    runs: usize,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its journal's file, once there is one.
    pub(crate) fn journal(&self) -> Option<PathBuf> {
        view::runs(&self.root).into_iter().nth(self.runs)
    }

    /// Whole records that it has written.
    pub(crate) fn records(&self) -> usize {
        let bytes = self.journal().and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
        bytes.split(|byte| *byte == b'\n').count().saturating_sub(1)
    }

    /// Waits until the gate holds an answer back and the run writes no more records;
    /// false if the run ends before.
    pub(crate) fn stands_still(&mut self, gate: &Gate) -> bool {
        let until = Instant::now() + Duration::from_mins(1);
        let (mut last, mut equal) = (0, 0);
        while equal < 5 {
            if self.is_over() {
                return false;
            }
            assert!(Instant::now() < until, "{}", self.printed("stderr"));
            std::thread::sleep(Duration::from_millis(2));
            let now = if gate.holds() { self.records() } else { 0 };
            equal = if now > 0 && now == last { equal + 1 } else { 0 };
            last = now;
        }
        true
    }

    /// Sends a signal: `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGKILL; whether it was still running.
    pub(crate) fn kill(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let _ = self.child.kill();
        self.child.wait().unwrap().signal() == Some(9)
    }

    fn printed(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// What it has said on stderr so far.
    pub(crate) fn said(&self) -> String {
        self.printed("stderr")
    }

    /// Waits for its end; the signal that ended it.
    pub(crate) fn ended_by(mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        self.child.wait().unwrap().signal()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        self.wait()
    }

    /// As [`Self::end`], for a run that is looked at afterwards.
    pub(crate) fn wait(&mut self) -> Ran {
        let status = self.child.wait().unwrap();
        let (stdout, stderr) = (self.printed("stdout"), self.printed("stderr"));
        assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "{stderr}");
        let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
        Ran { stdout, stderr, code }
    }
}
