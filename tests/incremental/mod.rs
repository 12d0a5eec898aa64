//! A read from a snapshot on brings exactly what a full read brings: on a real server,
//! after random edits, restarts and moves of everything below an entry.
//!
//! `ACCORD_ROUNDS` says how many rounds for each sort of group.

mod command;
mod domain;
mod ds389;
mod edits;

use crate::support::ldap::{block_on, directory, policy, settings};
use crate::support::server::Tools;
use crate::support::slapd::{Options, PEOPLE, READER, SUFFIX, Slapd};
use accord::model::bytes::Out;
use accord::model::{Instant, State};
use accord::plan::{DirectoryInput, Filter, Inputs, Memory, PolicyMark, derive::derive, file};
use accord::policy::{DirectoryId, Policy};
use accord::provider::observe::seal::Key;
use accord::provider::observe::{Base, Basis, Binding, Checks, Job, Snapshot, gather_since};
use accord::provider::{Credentials, GapScope, Observed, Purpose, Reader, Scope, Target, connect};
use edits::{Dice, Groups, edit, seed};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const INCREMENTAL: &str = "incremental since ";

/// A server that somebody else writes to.
trait Server {
    /// Edits, any of which may be refused.
    fn edit(&self, ldif: &str);
    /// Lines `dn: …` of what passes a filter.
    fn find(&self, filter: &str) -> Vec<String>;
    /// Changes with every write.
    fn counter(&self) -> Vec<String>;
    /// Stops it in order and starts it again.
    fn restart(&mut self);
}

fn edit_with(tools: &Tools, ldif: &str) {
    let mut command = Command::new("ldapmodify");
    command.env("LDAPTLS_CACERT", &tools.ca).args([
        "-c",
        "-x",
        "-H",
        &tools.url,
        "-D",
        &tools.who,
        "-w",
        &tools.password,
    ]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
    child.wait().unwrap();
}

fn dns(found: &str) -> Vec<String> {
    found.lines().filter(|line| line.starts_with("dn: ")).map(str::to_owned).collect()
}

impl Server for Slapd {
    fn edit(&self, ldif: &str) {
        edit_with(&Tools { url: self.plain_url(), ..self.tools() }, ldif);
    }

    fn find(&self, filter: &str) -> Vec<String> {
        dns(&self.ldapsearch(SUFFIX, filter, &["1.1"]))
    }

    fn counter(&self) -> Vec<String> {
        self.values(SUFFIX, "contextCSN")
    }

    fn restart(&mut self) {
        Slapd::restart(self);
    }
}

/// A directory under test, as the command line would read it.
struct Case<S> {
    server: S,
    policy: Policy,
    reader: Box<dyn Reader>,
    scope: Scope,
    key: Key,
    clock: i64,
}

impl Case<Slapd> {
    fn of_slapd(options: &Options, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let server = Slapd::start(options);
        let mut settings = settings(&server, &server.plain_url());
        settings["tls"] = "none".into();
        settings.as_object_mut().unwrap().remove("ca");
        change(&mut settings);
        Self::new(server, &settings, &access(), READER.1)
    }
}

impl<S: Server> Case<S> {
    fn new(server: S, settings: &serde_json::Value, access: &str, password: &str) -> Self {
        let mut written = settings.clone();
        if settings.get("ca").is_some() {
            // Policies name files below their repository, of which there is none here.
            written["ca"] = "ca.pem".into();
        }
        let policy = policy(&written, access);
        let directory = directory(settings);
        let credentials = Credentials {
            password: Some(password.to_owned().into()),
            initial_password: None,
            client_key: None,
            root: PathBuf::from("/"),
        };
        let reader = connect::reader(&Target { directory: &directory, credentials, purpose: Purpose::Plan }).unwrap();
        let scope = Scope { resume: true, ..connect::kind(&directory).unwrap().scope() };
        Self { server, policy, reader, scope, key: Key::new([3; 32]), clock: 0 }
    }

    fn binding(&self) -> Binding {
        Binding::new("example", &self.policy.directories[0], &self.scope)
    }

    fn read(&mut self, snapshot: Option<Snapshot>) -> Observed {
        let checks = Checks::new(&self.policy.directories[0].settings, None);
        let job = Job { reader: Ok(self.reader.as_mut()), scope: self.scope.clone(), checks };
        block_on(gather_since(vec![(job, Basis { snapshot, why_full: None })])).remove(0)
    }

    /// Through the file, as from one command to the next.
    fn snapshot(&mut self, observed: &Observed) -> Option<Snapshot> {
        let onward = observed.onward.clone()?;
        self.clock += 1;
        let now = Instant::from_seconds(1_790_000_000 + self.clock);
        let base = Base {
            state: observed.state.clone(),
            identities: onward.identities,
            protected: observed.protected.clone(),
        };
        let snapshot = Snapshot { base, cookie: onward.cookie, taken: now, whole: onward.whole.unwrap_or(now) };
        let bytes = snapshot.seal(&self.binding(), &self.key).unwrap();
        Some(Snapshot::open(&bytes, &self.binding(), &self.key).unwrap())
    }

    fn plan(&self, observed: &Observed) -> Vec<u8> {
        let kind = connect::kind(&self.policy.directories[0]).unwrap();
        let observed = Observed { evidence: Vec::new(), ..observed.clone() };
        let plan = derive(&Inputs {
            policy: &self.policy,
            mark: &PolicyMark { digest: self.policy.digest.clone(), ..PolicyMark::default() },
            directories: &[DirectoryInput { id: DirectoryId(0), kind: kind.as_ref(), observed: &observed }],
            memory: &Memory::default(),
            at: Instant::try_from("2026-03-02T09:00:00Z".to_owned()).unwrap(),
            read_only: false,
            filter: &Filter::default(),
        });
        file::to_bytes(&plan)
    }

    /// Two entries of one name are a gap that nothing but their going away ends.
    fn mend(&self, observed: &Observed) {
        for gap in &observed.gaps {
            let filter = match &gap.scope {
                GapScope::Account(name) => format!("(uid={name})"),
                GapScope::Group(name) => format!("(cn={name})"),
                other => panic!("{other:?}: {}", gap.why),
            };
            let found = self.server.find(&filter).into_iter().skip(1);
            let records: Vec<String> = found.map(|dn| format!("{dn}\nchangetype: delete\n\n")).collect();
            self.server.edit(&records.concat());
        }
    }

    /// Both readings of one moment: overlays go on writing after their client was answered.
    fn both(&mut self, snapshot: &Snapshot) -> (Observed, Observed) {
        for _ in 0..50 {
            let before = self.server.counter();
            let (some, all) = (self.read(Some(snapshot.clone())), self.read(None));
            if before == self.server.counter() {
                return (some, all);
            }
        }
        panic!("the server never comes to rest");
    }
}

fn access() -> String {
    let mut text = "people:\n".to_owned();
    for n in 0..24 {
        let left = if n % 5 == 0 { ", expires: 2026-01-31" } else { "" };
        writeln!(text, "  p{n}: {{ id: \"{n}\", name: Person {n}, family_name: P, email: m{n}@example.com, attributes: {{ department: d }}{left} }}")
            .unwrap();
    }
    text.push_str("groups:\n");
    for n in 0..8 {
        writeln!(
            text,
            "  corp/g{n}: {{ members: [p{n}, p{}, p{}], attributes: {{ gidNumber: \"{}\" }} }}",
            n + 8,
            n + 16,
            5000 + n
        )
        .unwrap();
    }
    text
}

fn bytes(state: &State) -> Vec<u8> {
    let mut out = Out::default();
    state.encode(&mut out);
    out.finish().unwrap()
}

/// Everything in words, to see what differs.
fn words(state: &State) -> String {
    let mut text = String::new();
    for account in state.accounts() {
        let values: Vec<Vec<&str>> = (0..state.attributes().len()).map(|n| account.values(n).collect()).collect();
        writeln!(
            text,
            "{} {} {:?} {:?} {:?} {values:?}",
            account.name(),
            account.handle(),
            account.person_id(),
            account.enabled(),
            account.ends()
        )
        .unwrap();
    }
    for group in state.groups() {
        let members: Vec<&str> = group.members().iter().map(|id| state.account(*id).unwrap().name()).collect();
        let others: Vec<_> = group.others().collect();
        writeln!(text, "{} {} {:?}\n  {members:?}\n  {others:?}", group.name(), group.handle(), group.attributes())
            .unwrap();
    }
    text
}

/// The lines that only one of the two has.
fn difference(incremental: &str, full: &str) -> String {
    let only = |mark: &str, of: &str, other: &str| -> String {
        of.lines().filter(|line| !other.lines().any(|known| known == *line)).fold(String::new(), |mut text, line| {
            writeln!(text, "{mark} {line}").unwrap();
            text
        })
    };
    only("incremental:", incremental, full) + &only("full:", full, incremental)
}

fn rounds(usual: usize) -> usize {
    std::env::var("ACCORD_ROUNDS").ok().map_or(usual, |n| n.parse().unwrap())
}

/// Edits, reads both ways, compares; says how many readings were incremental.
fn run(groups: Groups, options: Options, seeded: u64, count: usize) {
    run_with(groups, options, seeded, count, |_| ());
}

/// The same with other settings.
fn run_with(groups: Groups, options: Options, seeded: u64, count: usize, change: impl FnOnce(&mut serde_json::Value)) {
    let options = Options { seed: seed(groups), ..options };
    let case = Case::of_slapd(&options, |settings| {
        settings["groups"]["object_class"] = groups.class().into();
        change(settings);
    });
    rounds_of(case, Dice(seeded), count, |dice| edit(dice, groups));
}

fn rounds_of<S: Server>(mut case: Case<S>, mut dice: Dice, count: usize, edit: impl Fn(&mut Dice) -> String) {
    let first = case.read(None);
    assert_eq!(first.gaps, [], "{:?}", first.evidence);
    let mut snapshot = case.snapshot(&first).unwrap_or_else(|| panic!("not gone on from: {:?}", first.evidence));
    let (mut incremental, mut changed) = (0, 0);
    for round in 0..count {
        let mut text = String::new();
        if !dice.once_in(12) {
            for _ in 0..=dice.roll(7) {
                text.push_str(&edit(&mut dice));
            }
        }
        case.server.edit(&text);
        // In order: a killed slapd 2.5 forgets deletions since its last checkpoint, for its
        // replicas too, which only a full read shows.
        if dice.once_in(10) {
            case.server.restart();
        }
        let (some, all) = case.both(&snapshot);
        let told = format!("round {round}, {:?}, after\n{text}", some.evidence);
        assert_eq!(some.gaps, all.gaps, "{told}");
        assert!(
            bytes(&some.state) == bytes(&all.state),
            "{}\n{told}",
            difference(&words(&some.state), &words(&all.state))
        );
        assert_eq!(some.protected, all.protected, "{told}");
        let identities = |observed: &Observed| observed.onward.as_ref().map(|onward| onward.identities.clone());
        assert_eq!(identities(&some), identities(&all), "{told}");
        assert_eq!(case.plan(&some), case.plan(&all), "{told}");
        let line = some.evidence.first().map_or("", String::as_str);
        incremental += usize::from(line.starts_with(INCREMENTAL));
        changed += usize::from(line.starts_with(INCREMENTAL) && !line.ends_with("nothing changed"));
        // With a gap the older snapshot stays: what happened meanwhile must still be found.
        match case.snapshot(&some) {
            Some(next) => snapshot = next,
            None => case.mend(&all),
        }
    }
    assert!(incremental * 3 >= count && changed * 4 >= count, "{incremental} and {changed} of {count} rounds");
}

#[test]
fn whatever_changes_an_incremental_read_is_a_full_read() {
    run(Groups::Names, Options { memberof: false, refint: false, ..Options::default() }, 11, rounds(45));
}

#[test]
fn members_are_written_as_the_directory_writes_them() {
    run(Groups::UniqueNames, Options { memberof: false, refint: false, ..Options::default() }, 12, rounds(25));
}

#[test]
fn several_bases_are_one_reading() {
    let options = Options { memberof: false, refint: false, ..Options::default() };
    run_with(Groups::Names, options, 15, rounds(30), |settings| {
        with_bases(settings, &format!("ou=elsewhere,{SUFFIX}"));
    });
}

/// Puts a second base beside the one that is there.
fn with_bases(settings: &mut serde_json::Value, second: &str) {
    let accounts = settings["accounts"].as_object_mut().unwrap();
    let people = accounts.remove("base").unwrap();
    let rule = "person.key == \"x\"";
    let bases = [serde_json::json!({ "where": rule, "base": second }), serde_json::json!({ "base": people })];
    accounts.insert("bases".to_owned(), bases.to_vec().into());
}

#[test]
fn members_are_found_by_their_names() {
    run(Groups::Posix, Options { memberof: false, refint: false, ..Options::default() }, 13, rounds(25));
}

#[test]
fn overlays_that_write_by_themselves_change_nothing_about_that() {
    run(Groups::Names, Options::default(), 14, rounds(15));
}

/// The manager of somebody, as a DN that the server does not keep in order.
fn manager(dice: &mut Dice) -> String {
    let person = |dice: &mut Dice| {
        let unit = ["", "", "ou=a,", "ou=b,"][dice.roll(4)];
        format!("uid=p{},{unit}{PEOPLE}", dice.roll(24))
    };
    let (whose, mut who) = (person(dice), person(dice));
    if dice.once_in(4) {
        who = who.to_uppercase();
    }
    format!("dn: {whose}\nchangetype: modify\nreplace: manager\nmanager: {who}\n\n")
}

#[test]
fn attributes_that_name_accounts_follow_them() {
    let groups = Groups::Names;
    let options = Options { seed: seed(groups), memberof: false, refint: false, ..Options::default() };
    let case = Case::of_slapd(&options, |settings| {
        settings["accounts"]["attributes"]["manager"] = serde_json::json!({ "account": "manager" });
    });
    let edits = |dice: &mut Dice| if dice.once_in(3) { manager(dice) } else { edit(dice, groups) };
    rounds_of(case, Dice(15), rounds(25), edits);
}
