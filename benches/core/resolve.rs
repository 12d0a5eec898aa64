//! One million people, ten million memberships: resolved and compared with what a
//! directory holds, in memory, through the one way there is to a plan.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and numbers its own small policy"
)]

use accord::model::{Enabled, FileId, Instant, Matching, Place, StateBuilder, Window};
use accord::plan::{DirectoryInput, Filter, Inputs, Memory, PolicyMark, derive};
use accord::policy::rule::{Vocabulary, compile};
use accord::policy::{
    AccountsFor, Details, Directory, DirectoryId, Entry, EntryId, Few, Grant, Group, GroupId, Guardrails, Kind, KindId,
    Manage, Period, Person, PersonId, Policy, Position, Role, RoleId, RuleId, Select, Value,
};
use accord::provider::{Observed, connect};
use accord::resolve::{References, desired, resolve};
use std::fs;
use std::sync::Arc;
use std::time::Instant as Clock;

const PEOPLE: u32 = 1_000_000;
const DEPARTMENTS: u32 = 200;
/// Groups that each department's role grants: 6 million memberships.
const PER_DEPARTMENT: u32 = 6;
/// Groups for everybody: 2 million.
const BIRTHRIGHT: u32 = 2;
/// Groups with 1,000 named people each: 2 million.
const NAMED: u32 = 2_000;

const HERE: Place = Place { file: FileId(0), line: 1, column: 1 };

/// The instant that is planned for.
const AT: i64 = 1_800_000_000;

/// Prints seconds and peak memory of each step. Each step holds what a plan holds then:
/// the policy, then what was read, then what should be and what must change.
pub(crate) fn run() {
    let policy = policy();
    println!("policy: {} people, {} groups   peak {} MiB", policy.people.len(), policy.groups.len(), peak());
    timed("resolved and desired", || {
        let resolution = resolve(&policy, &References::default(), Instant::from_seconds(AT));
        let state = desired(&policy, &resolution, DirectoryId(0), Matching::CaseIgnore, &["cn".into(), "mail".into()]);
        format!("{} memberships", state.map(|desired| desired.state.membership_count()).unwrap_or_default())
    });
    let observed = observed(&policy);
    println!("observed: {} memberships   peak {} MiB", observed.state.membership_count(), peak());
    let kind = connect::kind(&policy.directories[0]).expect("a kind");
    timed("planned", || {
        let plan = derive(&Inputs {
            policy: &policy,
            mark: &PolicyMark::default(),
            directories: &[DirectoryInput { id: DirectoryId(0), kind: kind.as_ref(), observed: &observed }],
            memory: &Memory::default(),
            at: Instant::from_seconds(AT),
            read_only: false,
            filter: &Filter::default(),
        });
        assert!(plan.withheld.is_empty(), "{:?}", plan.withheld.first());
        format!("{:?}", plan.summary)
    });
}

fn timed(what: &str, step: impl FnOnce() -> String) {
    let (start, used) = (Clock::now(), processor());
    let made = step();
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), processor() - used);
    println!("{what}: {made}   {seconds:.2} s, {cpu:.2} s of processor   peak {} MiB", peak());
}

/// What a directory holds of it: of a thousand accounts one lacks a group and is in
/// another one too many; of ten thousand one is called otherwise, and one is not there.
fn observed(policy: &Policy) -> Observed {
    let mut builder = StateBuilder::new(Matching::CaseIgnore, ["cn", "mail"]);
    let mut slots = Vec::with_capacity(policy.people.len());
    for (n, person) in (0..PEOPLE).zip(&policy.people) {
        if n % 10_000 == 1 {
            slots.push(None);
            continue;
        }
        let slot = builder.account(&person.key, &format!("uid={},ou=people,dc=example,dc=com", person.key));
        let name = person.name.as_deref().filter(|_| n % 10_000 != 2).unwrap_or("Somebody else");
        builder.set_id(slot, person.id.as_deref().unwrap_or_default());
        builder.set_status(slot, Enabled::Yes, None);
        builder.add_value(slot, 0, name);
        builder.add_value(slot, 1, person.email.as_deref().unwrap_or_default());
        slots.push(Some(slot));
    }
    let first_named = DEPARTMENTS * PER_DEPARTMENT + BIRTHRIGHT;
    for (n, group) in (0u32..).zip(&policy.groups) {
        let slot = builder.group(&group.name, &format!("cn={},ou=groups,dc=example,dc=com", group.name));
        let mut members: Vec<u32> = if n < DEPARTMENTS * PER_DEPARTMENT {
            let department = n / PER_DEPARTMENT;
            let moved = (0..PEOPLE).step_by(1_000).skip(n as usize % 1_000).take(1);
            (department..PEOPLE)
                .step_by(DEPARTMENTS as usize)
                .filter(|p| p / DEPARTMENTS % 1_000 != 7)
                .chain(moved)
                .collect()
        } else if n < first_named {
            (0..PEOPLE).collect()
        } else {
            let named = n - first_named;
            let spared = |person: &u32| !named.is_multiple_of(10) || person % DEPARTMENTS != named % DEPARTMENTS;
            (0..10).flat_map(|part| (0..100).map(move |p| named_in(named, part, p))).filter(spared).collect()
        };
        members.sort_unstable();
        for account in members.into_iter().filter_map(|person| slots[person as usize]) {
            builder.member(slot, account, None);
        }
    }
    Observed { state: builder.finish().expect("names are unique"), ..Observed::default() }
}

/// Who stands at a place of a list of a group that names its members.
fn named_in(group: u32, part: u32, place: u32) -> u32 {
    (group * 7919 + part * 101 + place * 997) % PEOPLE
}

/// Processor seconds of the process so far, all threads (Linux, 100 ticks a second).
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// Most memory that the process has held, in MiB (Linux).
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

type Attributes = Arc<[(Arc<str>, Value)]>;

fn directory() -> Directory {
    Directory {
        name: "corp".into(),
        settings: serde_json::from_value(serde_json::json!({
            "kind": "ldif", "file": "corp.ldif",
            "accounts": {
                "base": "ou=people,dc=example,dc=com", "id_attribute": "employeeNumber",
                "attributes": {"cn": "name", "mail": "email"}
            },
            "groups": {"base": "ou=groups,dc=example,dc=com"}
        }))
        .expect("settings"),
        accounts_for: AccountsFor::Entitled,
        bases: Vec::new(),
        place: HERE,
    }
}

fn policy() -> Policy {
    let name: Arc<str> = "department".into();
    let department = |n| Value::Text(format!("d{n:03}").into());
    // Held once for all who have the same, as the loader does it.
    let departments: Vec<Attributes> = (0..DEPARTMENTS).map(|n| [(Arc::clone(&name), department(n))].into()).collect();
    let mut policy = Policy {
        labels: vec![],
        organization: "example".into(),
        timezone: jiff::tz::TimeZone::UTC,
        kinds: vec![kind("employee", false), kind("contractor", true)],
        directories: vec![directory()],
        guardrails: Guardrails::default(),
        trusted_guardrails: None,
        oversight: accord::policy::Oversight::default(),
        people: (0..PEOPLE).map(|n| person(n, &departments[(n % DEPARTMENTS) as usize])).collect(),
        roles: Vec::new(),
        groups: (0..DEPARTMENTS * PER_DEPARTMENT + BIRTHRIGHT + NAMED).map(group).collect(),
        constraints: Vec::new(),
        tests: Vec::new(),
        entries: Vec::new(),
        rules: Vec::new(),
        files: vec![Arc::from("policies/bench.yaml")],
        digest: String::new(),
        warnings: Vec::new(),
    };
    let vocabulary = Vocabulary::of(&policy.people);
    let mut next = 0..policy.groups.len() as u32;
    for n in 0..=DEPARTMENTS {
        let (text, grants) = match n {
            DEPARTMENTS => ("person.kind == \"employee\" || person.kind == \"contractor\"".to_owned(), BIRTHRIGHT),
            n => (format!("person.department == \"d{n:03}\""), PER_DEPARTMENT),
        };
        policy.rules.push(compile(&text, HERE, &vocabulary).expect("a rule"));
        let entry = entry(&mut policy, Select::Where(RuleId(n)));
        let grants = next.by_ref().take(grants as usize).map(|g| Grant { group: GroupId(g), place: HERE }).collect();
        policy.roles.push(role(n, entry, grants));
    }
    for (n, group) in (0u32..).zip(next) {
        for part in 0..10 {
            let named = (0..100).map(|p| PersonId(named_in(n, part, p))).collect();
            let entry = entry(&mut policy, Select::People(named));
            policy.groups[group as usize].members.push(entry);
        }
        if n % 10 == 0 {
            let except = entry(&mut policy, Select::Role(RoleId(n % DEPARTMENTS)));
            policy.groups[group as usize].except.push(except);
        }
    }
    policy
}

fn kind(name: &str, gated: bool) -> Kind {
    Kind { name: name.into(), gated, require: Vec::new(), place: None }
}

fn person(n: u32, attributes: &Attributes) -> Person {
    let kind = KindId(u16::from(n.is_multiple_of(100)));
    let end = n.is_multiple_of(50).then(|| Instant::from_seconds(1_800_000_000 + i64::from(n % 365) * 86_400 + 86_400));
    Person {
        key: format!("person-{n:07}").into(),
        id: Some(format!("{n:07}").into()),
        name: Some(format!("Person {n}").into()),
        given_name: None,
        family_name: None,
        email: Some(format!("person-{n:07}@example.com").into()),
        kind,
        periods: Few::one(Period { window: Window { starts: None, expires: end }, place: HERE }),
        positions: Few::one(Position {
            window: Window::default(),
            keep: None,
            manager: (n > 0).then_some(PersonId(n / 10)),
            kind,
            attributes: Arc::clone(attributes),
            place: HERE,
        }),
        rare: None,
        place: HERE,
    }
}

fn group(n: u32) -> Group {
    let name: Box<str> = format!("g{n:05}").into();
    Group {
        directory: DirectoryId(0),
        directory_name: name.clone(),
        name,
        previously: None,
        description: None,
        owner: None,
        manage: Manage::Exact,
        privileged: false,
        revoke_others: false,
        attributes: Vec::new(),
        members: Vec::new(),
        only: Vec::new(),
        except: Vec::new(),
        account: None,
        expires: None,
        place: HERE,
    }
}

fn role(n: u32, entry: EntryId, grants: Vec<Grant>) -> Role {
    Role {
        key: format!("r{n:04}").into(),
        description: None,
        owner: None,
        includes: Vec::new(),
        grants,
        members: vec![entry],
        only: Vec::new(),
        except: Vec::new(),
        account: None,
        expires: None,
        place: HERE,
    }
}

fn entry(policy: &mut Policy, select: Select) -> EntryId {
    let id = EntryId(policy.entries.len() as u32);
    policy.entries.push(Entry {
        select,
        details: Details { kinds: vec![KindId(1)], ..Details::default() }.boxed(),
        place: HERE,
    });
    id
}
