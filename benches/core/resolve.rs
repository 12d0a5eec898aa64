//! One million people, ten million memberships: resolved and made desired, in memory.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and numbers its own small policy"
)]

use accord::model::{FileId, Instant, Matching, Place, Window};
use accord::policy::rule::{Vocabulary, compile};
use accord::policy::{
    AccountsFor, Details, Directory, DirectoryId, Entry, EntryId, Few, Grant, Group, GroupId, Guardrails, Kind, KindId,
    Manage, Period, Person, PersonId, Policy, Position, Role, RoleId, RuleId, Select, Value,
};
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

/// Prints seconds and peak memory of each step.
pub(crate) fn run() {
    let policy = policy();
    let base = peak();
    println!(
        "resolve: policy of {} people, {} groups in memory   peak {base} MiB",
        policy.people.len(),
        policy.groups.len()
    );
    let (start, used) = (Clock::now(), processor());
    let resolution = resolve(&policy, &References::default(), Instant::from_seconds(1_800_000_000));
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), processor() - used);
    println!(
        "resolve: {} memberships   {seconds:.2} s, {cpu:.2} s of processor   peak {} MiB",
        resolution.membership_count(),
        peak()
    );
    let (start, used) = (Clock::now(), processor());
    let state = desired(&policy, &resolution, DirectoryId(0), Matching::CaseIgnore, &["cn".into(), "mail".into()]);
    let count = state.map(|desired| desired.state.membership_count()).unwrap_or_default();
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), processor() - used);
    println!("desired: {count} memberships   {seconds:.2} s, {cpu:.2} s of processor   peak {} MiB", peak());
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

fn policy() -> Policy {
    let department = Arc::from("department");
    let mut policy = Policy {
        organization: "example".into(),
        timezone: jiff::tz::TimeZone::UTC,
        kinds: vec![kind("employee", false), kind("contractor", true)],
        directories: vec![Directory {
            name: "corp".into(),
            settings: serde_json::from_value(serde_json::json!({
                "kind": "ldif", "file": "corp.ldif", "accounts": {"attributes": {"cn": "name", "mail": "email"}}
            }))
            .expect("settings"),
            accounts_for: AccountsFor::Entitled,
            place: HERE,
        }],
        guardrails: Guardrails::default(),
        people: (0..PEOPLE).map(|n| person(n, &department)).collect(),
        roles: Vec::new(),
        groups: (0..DEPARTMENTS * PER_DEPARTMENT + BIRTHRIGHT + NAMED).map(group).collect(),
        constraints: Vec::new(),
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
            let named = (0..100).map(|p| PersonId((n * 7919 + part * 101 + p * 997) % PEOPLE)).collect();
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

fn person(n: u32, department: &Arc<str>) -> Person {
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
            attributes: [(Arc::clone(department), Value::Text(format!("d{:03}", n % DEPARTMENTS).into()))].into(),
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
        revoke_others: false,
        attributes: Vec::new(),
        members: Vec::new(),
        only: Vec::new(),
        except: Vec::new(),
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
        expires: None,
        place: HERE,
    }
}

fn entry(policy: &mut Policy, select: Select) -> EntryId {
    let id = EntryId(policy.entries.len() as u32);
    policy.entries.push(Entry {
        select,
        window: Window::default(),
        details: Details { kinds: vec![KindId(1)], ..Details::default() }.boxed(),
        place: HERE,
    });
    id
}
