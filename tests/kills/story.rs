//! What the tests of this folder share: a wanted content, a planner that is
//! obviously right, one apply from start to end.

use crate::support::ldap::block_on;
pub(crate) use crate::support::model::Content;
use crate::support::model::{Account, Model};
use accord::apply::{Cancel, Clock, Outcome, Patience, Progress, Request, Silent, Target, Work, execute};
use accord::model::{Action, Change, Instant, Object, Side};
use accord::plan::{DirectoryMark, FORMAT, Filter, Plan, PolicyMark};
use accord::provider::Writer;
use accord::record::store::Disk;
use accord::record::{Journal, Start, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// 2026-11-22T10:31:00Z, and never later.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::from_seconds(1_795_343_460)
    }

    fn millis(&self) -> u64 {
        0
    }
}

/// Milliseconds instead of seconds, but as long as a directory asks for.
pub(crate) const PATIENCE: Patience = Patience { attempts: 4, first_ms: 1, longest_ms: 2_000 };

/// A plan of nothing, for `corp` with `model`.
pub(crate) fn no_plan(changes: Vec<Change>) -> Plan {
    let mark = DirectoryMark {
        ends_itself: Vec::new(),
        name: "corp".into(),
        kind: "model".into(),
        accounts: 1,
        groups: 1,
        complete: true,
        evidence: vec![],
    };
    Plan {
        format: FORMAT.into(),
        policy: PolicyMark::default(),
        approvals: None,
        at: Still.now(),
        read_only: false,
        filter: Filter::default(),
        versions: BTreeMap::new(),
        directories: vec![mark],
        references: BTreeMap::new(),
        facts: vec![],
        changes,
        barriers: vec![],
        withheld: vec![],
        notes: vec![],
        next: None,
        summary: BTreeMap::new(),
        digest: "d".into(),
    }
}

pub(crate) fn change(id: u32, action: Action, object: Object, needs: Vec<u32>) -> Change {
    let side = |key: &str, value: &str| Some(Side::from([(key.to_owned(), vec![value.to_owned()])]));
    let (before, after) = match action {
        Action::DisableAccount => (side("enabled", "true"), side("enabled", "false")),
        Action::EnableAccount => (side("enabled", "false"), side("enabled", "true")),
        _ => (None, None),
    };
    let person = object.account.clone();
    Change {
        id,
        directory: "corp".into(),
        action,
        object,
        person,
        label: None,
        before,
        after,
        because: vec![],
        ends: None,
        needs,
    }
}

/// The steps from `observed` to `wanted`: an object before what uses it, and what
/// takes away before what gives.
pub(crate) fn plan(observed: &Content, wanted: &Content) -> Plan {
    let mut changes: Vec<Change> = Vec::new();
    let mut made: BTreeMap<Object, u32> = BTreeMap::new();
    let mut add = |action, object: Object, needs: Vec<u32>| {
        let id = u32::try_from(changes.len()).unwrap() + 1;
        changes.push(change(id, action, object, needs));
        id
    };
    let mut leaving: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (group, members) in &observed.groups {
        let keeps = wanted.groups.get(group).cloned().unwrap_or_default();
        for member in members.difference(&keeps) {
            let id = add(Action::Revoke, Object::membership(group, member), vec![]);
            leaving.entry(member.clone()).or_default().push(id);
        }
    }
    for (name, want) in &wanted.accounts {
        match observed.accounts.get(name) {
            None => {
                made.insert(Object::account(name), add(Action::CreateAccount, Object::account(name), vec![]));
            }
            Some(have) if have.enabled && !want.enabled => {
                add(Action::DisableAccount, Object::account(name), vec![]);
            }
            Some(have) if !have.enabled && want.enabled => {
                add(Action::EnableAccount, Object::account(name), vec![]);
            }
            Some(_) => {}
        }
    }
    for group in wanted.groups.keys().filter(|name| !observed.groups.contains_key(*name)) {
        made.insert(Object::group(group), add(Action::CreateGroup, Object::group(group), vec![]));
    }
    for (group, members) in &wanted.groups {
        let has = observed.groups.get(group).cloned().unwrap_or_default();
        for member in members.difference(&has) {
            let uses = [Object::group(group), Object::account(member)];
            let needs = uses.iter().filter_map(|object| made.get(object).copied()).collect();
            add(Action::Grant, Object::membership(group, member), needs);
        }
    }
    for name in observed.accounts.keys().filter(|name| !wanted.accounts.contains_key(*name)) {
        add(Action::DeleteAccount, Object::account(name), leaving.remove(name).unwrap_or_default());
    }
    no_plan(changes)
}

/// Before: some people, some of whom leave. After: others come.
pub(crate) fn before() -> Content {
    let mut content = Content::default();
    for n in 0..12 {
        content.accounts.insert(format!("old{n}"), Account::default());
        let group = content.groups.entry(format!("group{}", n % 3)).or_default();
        group.insert(format!("old{n}"));
    }
    content
}

pub(crate) fn after() -> Content {
    let mut content = before();
    for n in 0..6 {
        let name = format!("old{n}");
        content.groups.values_mut().for_each(|members| {
            members.remove(&name);
        });
        if n % 2 == 0 {
            content.accounts.remove(&name);
        } else {
            content.accounts.get_mut(&name).unwrap().enabled = false;
        }
    }
    for n in 0..12 {
        let name = format!("new{n}");
        content.accounts.insert(name.clone(), Account::default());
        content.groups.entry(format!("group{}", n % 5)).or_default().insert(name.clone());
        content.groups.entry("everybody".into()).or_default().insert(name);
    }
    content
}

/// What is unusual about one apply.
pub(crate) struct With<'a> {
    pub(crate) cancel: &'a Cancel,
    pub(crate) progress: &'a mut dyn Progress,
    /// What is put around the journal's disk.
    pub(crate) around: Box<dyn FnOnce(Disk) -> Box<dyn Store>>,
}

/// One apply of `work` on what `model` holds now, through `writer`.
pub(crate) fn apply_with<'p>(
    root: &Path,
    work: &Work<'p>,
    model: &Model,
    writer: Box<dyn Writer + '_>,
    with: With<'_>,
) -> Outcome<'p> {
    let observed = model.observed();
    let capabilities = model.capabilities.clone();
    run(root, work, Target { name: "corp", kind: model, capabilities, observed: &observed, writer }, with)
}

/// One apply of `work` on `target`.
pub(crate) fn run<'p>(root: &Path, work: &Work<'p>, target: Target<'_>, with: With<'_>) -> Outcome<'p> {
    let start = Start { plan: work.plan().digest.clone(), version: "test".into(), ..Start::default() };
    let mut journal = Journal::start_with(root, start, Still.now(), with.around).unwrap();
    let request = Request {
        work,
        directories: vec![target],
        journal: &mut journal,
        clock: &Still,
        cancel: with.cancel,
        progress: with.progress,
        patience: PATIENCE,
        leave: None,
    };
    block_on(execute(request)).unwrap()
}

/// One ordinary apply.
pub(crate) fn apply<'p>(root: &Path, work: &Work<'p>, model: &Model, writer: Box<dyn Writer + '_>) -> Outcome<'p> {
    let with = With { cancel: &Cancel::new(), progress: &mut Silent, around: Box::new(|disk| Box::new(disk)) };
    apply_with(root, work, model, writer, with)
}

/// What became of each change, in words: `1 done`, `2 skipped: needs #1 …`.
pub(crate) fn results(outcome: &Outcome<'_>) -> Vec<String> {
    let say = |result: &accord::apply::Settled<'_>| match &result.why {
        Some(why) => format!("{} {}: {why}", result.change.id, result.status.word()),
        None => format!("{} {}", result.change.id, result.status.word()),
    };
    outcome.results.iter().map(say).collect()
}

/// The changes that a run's file intends, in words.
pub(crate) fn words_of(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let intents = text.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let intent = line["record"].get("intent")?;
        let action = serde_json::from_value(intent["action"].clone()).unwrap();
        let object = serde_json::from_value(intent["object"].clone()).unwrap();
        Some(accord::plan::draft::words(&change(1, action, object, vec![])))
    });
    intents.collect()
}
