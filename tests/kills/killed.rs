//! SIGKILL at every record of the journal, on every kind of directory.
//!
//! A run is this test binary started again, with one test and the instant of its
//! death in the environment; a journal's store around the disk kills the process.

use super::story::{Content, Still, With, after, before, plan, run, words_of};
use crate::support::copy_folder;
use crate::support::ldap;
use crate::support::model::Model;
use crate::support::slapd::{Options, Slapd, WRITER};
use accord::apply::{Cancel, Clock as _, Outcome, Silent, Work};
use accord::model::{Enabled, Instant};
use accord::plan::Plan;
use accord::policy::settings::Directory;
use accord::provider::{Capabilities, Credentials, Kind, Observed, Purpose, Target, Writer, connect};
use accord::record::store::Disk;
use accord::record::{Head, Holder, Lock, Store, journal_folder, verify};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const VARIABLE: &str = "ACCORD_TEST_DEATH";

/// The directory that a run writes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum System {
    /// A map in one file.
    Model,
    /// An LDIF file, or a server.
    Real(Value),
}

/// When a run dies.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum When {
    /// When the record is about to be written, with all that happened meanwhile.
    Before,
    /// Half of it is on disk.
    Torn,
    /// It is on disk, and nothing has happened since.
    After,
}

/// A run that is going to die.
#[derive(Debug, Serialize, Deserialize)]
struct Death {
    root: PathBuf,
    system: System,
    /// Number of the record, from 1; 0 is never.
    record: usize,
    when: When,
}

/// The disk with a death in it.
struct Deadly {
    disk: Disk,
    written: usize,
    record: usize,
    when: When,
}

impl Store for Deadly {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let ends: Vec<usize> = (1..=lines.len()).filter(|n| lines[n - 1] == b'\n').collect();
        if self.written < self.record && self.record <= self.written + ends.len() {
            let nth = self.record - self.written;
            let start = if nth == 1 { 0 } else { ends[nth - 2] };
            let end = match self.when {
                When::Before => 0,
                When::Torn => usize::midpoint(start, ends[nth - 1]),
                When::After => ends[nth - 1],
            };
            self.disk.append(&lines[..end]).unwrap();
            die();
        }
        self.written += ends.len();
        self.disk.append(lines)
    }

    fn commit(&mut self, head: &Head) -> io::Result<()> {
        self.disk.commit(head)
    }
}

fn die() -> ! {
    Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
    loop {
        std::thread::park();
    }
}

/// A directory opened for one run.
struct Opened {
    kind: Box<dyn Kind>,
    writer: Box<dyn Writer>,
    observed: Observed,
    capabilities: Capabilities,
}

impl System {
    fn open(&self, root: &Path) -> Opened {
        let (kind, mut writer): (Box<dyn Kind>, Box<dyn Writer>) = match self {
            Self::Model => {
                let model = Model::open(&root.join("model.json"));
                (Box::new(model.clone()), Box::new(model))
            }
            Self::Real(settings) => {
                let directory: Directory = ldap::directory(settings);
                let password = Some(WRITER.1.to_owned().into());
                let credentials =
                    Credentials { password, initial_password: None, client_key: None, root: root.to_owned() };
                let target = Target { directory: &directory, credentials, purpose: Purpose::Apply };
                (connect::kind(&directory).unwrap(), connect::writer(&target, None).unwrap())
            }
        };
        let reading = ldap::block_on(writer.read(&kind.scope(), None)).unwrap();
        assert_eq!(reading.gaps, []);
        // A connection lives in the runtime that made it: the run gets a new one.
        let writer = match self {
            Self::Model => writer,
            Self::Real(settings) => {
                let directory = ldap::directory(settings);
                let password = Some(WRITER.1.to_owned().into());
                let credentials =
                    Credentials { password, initial_password: None, client_key: None, root: root.to_owned() };
                connect::writer(&Target { directory: &directory, credentials, purpose: Purpose::Apply }, None).unwrap()
            }
        };
        let capabilities = reading.capabilities.clone().unwrap_or_else(|| kind.capabilities().clone());
        let observed = Observed { state: reading.upserts, ..Observed::default() };
        Opened { kind, writer, observed, capabilities }
    }

    fn content(&self, root: &Path) -> Content {
        content(&self.open(root).observed)
    }

    /// Plans and applies until `wanted`, dying as `deadly` says.
    fn apply<'p>(&self, root: &Path, plan: &'p Plan, record: usize, when: When) -> Outcome<'p> {
        let Opened { kind, writer, observed, capabilities } = self.open(root);
        let work: Work<'p> = Work::new(plan, None).unwrap();
        let target =
            accord::apply::Target { name: "corp", kind: kind.as_ref(), capabilities, observed: &observed, writer };
        let around = move |disk| -> Box<dyn Store> { Box::new(Deadly { disk, written: 0, record, when }) };
        run(root, &work, target, With { cancel: &Cancel::new(), progress: &mut Silent, around: Box::new(around) })
    }

    fn plan(&self, root: &Path, wanted: &Content) -> Plan {
        plan(&self.content(root), wanted)
    }
}

fn content(observed: &Observed) -> Content {
    let mut out = Content::default();
    for account in observed.state.accounts() {
        let entry = out.accounts.entry(account.name().to_owned()).or_default();
        entry.enabled = account.enabled() != Enabled::No;
    }
    for group in observed.state.groups() {
        let name = |id: &accord::model::AccountId| observed.state.account(*id).unwrap().name().to_owned();
        assert_eq!(group.others().len(), 0);
        out.groups.insert(group.name().to_owned(), group.members().iter().map(name).collect());
    }
    out
}

/// What a death leaves, and that the next run makes it good. `undisturbed` is the
/// number of records of a run that nobody kills.
fn survive(root: &Path, system: &System, record: usize, when: When) {
    let at = format!("record {record}, {when:?}");
    let begin = system.content(root);
    let death = Death { root: root.to_owned(), system: system.clone(), record, when };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::killed::one_run", "--nocapture"])
        .env(VARIABLE, serde_json::to_string(&death).unwrap())
        .output()
        .unwrap();
    assert_eq!(child.status.signal(), Some(9), "{at}: {}", String::from_utf8_lossy(&child.stderr));

    let folder = journal_folder(root);
    let report = verify(&folder).unwrap();
    assert!(report.is_intact(), "{at}: {:#?}", report.findings);
    // Nothing is lost: whatever is different now was intended in the journal first.
    let newest = newest_run(&folder);
    let intents: BTreeSet<String> = words_of(&newest);
    for change in &plan(&begin, &system.content(root)).changes {
        let words = accord::plan::draft::words(change);
        assert!(intents.contains(&words), "{at}: `{words}` was done and never intended");
    }
    // The lock went with the process.
    drop(Lock::take(root, &Holder { pid: 1, host: None, since: Still.now() }).unwrap());

    let rest = system.plan(root, &after());
    let outcome = system.apply(root, &rest, 0, When::After);
    assert!(outcome.is_complete(), "{at}: {:#?}", outcome.results);
    assert_eq!(system.content(root), after(), "{at}");
    let report = verify(&folder).unwrap();
    assert!(report.is_intact(), "{at}: {:#?}", report.findings);
}

fn newest_run(folder: &Path) -> PathBuf {
    let (runs, _) = accord::record::store::list(folder).unwrap();
    accord::record::store::file_of(folder, runs.last().unwrap())
}

/// How many records a run from `before` to `after` has that nobody kills.
fn undisturbed(root: &Path, system: &System) -> usize {
    let all = system.plan(root, &after());
    let outcome = system.apply(root, &all, 0, When::After);
    assert!(outcome.is_complete(), "{:#?}", outcome.results);
    std::fs::read_to_string(outcome.journal).unwrap().lines().count()
}

/// A root whose directory holds what [`before`] says.
fn prepared(system: &System) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    match system {
        System::Model => Model::open(&root.path().join("model.json")).edit(|content| *content = before()),
        System::Real(_) => {
            let first = system.plan(root.path(), &before());
            assert!(system.apply(root.path(), &first, 0, When::After).is_complete());
        }
    }
    root
}

/// The run that dies. Without a death in the environment it is an ordinary one.
#[test]
#[expect(clippy::disallowed_methods, reason = "the parent process says when to die")]
fn one_run() {
    let Ok(death) = std::env::var(VARIABLE) else {
        let system = System::Model;
        let root = prepared(&system);
        assert!(undisturbed(root.path(), &system) >= 100);
        assert_eq!(system.content(root.path()), after());
        return;
    };
    let death: Death = serde_json::from_str(&death).unwrap();
    let holder = Holder { pid: std::process::id(), host: None, since: Still.now() };
    let _lock = Lock::take(&death.root, &holder).unwrap_or_else(|error| panic!("{error}"));
    let plan = death.system.plan(&death.root, &after());
    let outcome = death.system.apply(&death.root, &plan, death.record, death.when);
    panic!("record {} was never written: {:#?}", death.record, outcome.totals);
}

#[test]
fn killed_at_every_record_on_the_model() {
    let system = System::Model;
    let template = prepared(&system);
    let measure = prepared(&system);
    let records = undisturbed(measure.path(), &system);
    assert!(records >= 100, "{records} records");
    for record in 1..=records {
        // All three instants over the run; each record at one of them.
        let when = [When::Before, When::Torn, When::After][record % 3];
        let root = tempfile::tempdir().unwrap();
        copy_folder(template.path(), root.path());
        survive(root.path(), &system, record, when);
        let log = Model::open(&root.path().join("model.json")).log();
        let once: BTreeSet<&String> = log.iter().collect();
        assert_eq!(once.len(), log.len(), "record {record}: something was done twice: {log:#?}");
    }
}

#[test]
fn killed_at_every_record_on_an_ldif_file() {
    let system = System::Real(json!({
        "kind": "ldif",
        "file": "directory.ldif",
        "create": true,
        "accounts": { "base": "ou=people,dc=example,dc=com" },
        "groups": { "base": "ou=groups,dc=example,dc=com" },
    }));
    let template = prepared(&system);
    let measure = tempfile::tempdir().unwrap();
    copy_folder(template.path(), measure.path());
    let records = undisturbed(measure.path(), &system);
    assert!(records >= 100, "{records} records");
    for record in 1..=records {
        let when = [When::After, When::Before, When::Torn][record % 3];
        let root = tempfile::tempdir().unwrap();
        copy_folder(template.path(), root.path());
        survive(root.path(), &system, record, when);
    }
}

#[test]
fn killed_now_and_then_on_slapd() {
    let server = Slapd::start(&Options::default());
    let system = System::Real(ldap::settings(&server, &server.url()));
    let root = prepared(&system);
    let mut records = undisturbed(root.path(), &system);
    let mut record = 1;
    while record < records {
        // Back to the beginning; groups that are there stay.
        let mut begin = before();
        for group in after().groups.keys() {
            begin.groups.entry(group.clone()).or_default();
        }
        let back = system.plan(root.path(), &begin);
        assert!(system.apply(root.path(), &back, 0, When::After).is_complete());
        // Without the groups' creation there are fewer records.
        records = records.min(plan(&begin, &after()).changes.len() * 2 + 4);
        survive(root.path(), &system, record, [When::After, When::Before][record % 2]);
        record += 7;
    }
}

#[test]
fn the_second_of_two_applies_is_told_about_the_first() {
    let system = System::Model;
    let root = prepared(&system);
    let since = Instant::from_seconds(1_795_343_460);
    let _first = Lock::take(root.path(), &Holder { pid: 4711, host: Some("build-3".into()), since }).unwrap();
    let death = Death { root: root.path().to_owned(), system, record: 1, when: When::Before };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::killed::one_run", "--nocapture"])
        .env(VARIABLE, serde_json::to_string(&death).unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(text.contains("process 4711 on build-3 since 2026-11-22T10:31:00Z"), "{text}");
    assert!(!journal_folder(root.path()).join("head.json").exists(), "the second wrote nothing");
}
