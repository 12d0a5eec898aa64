//! Random graphs, random faults: a change is sent only when its intent is on disk
//! and all it needs is done, has exactly one result, and is done exactly where its
//! effect is there.

use super::story::{With, apply_with, change, no_plan};
use crate::support::fake_writer::{Fault, Faulty};
use crate::support::model::{Account, Content, Model};
use accord::apply::{Cancel, Progress, Work};
use accord::model::{Action, Change, Object};
use accord::plan::{Barrier, Plan};
use accord::provider::Batch;
use accord::record::store::Disk;
use accord::record::{Head, Status, Store, journal_folder, verify};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Committed(BTreeSet<u32>),
    Sent(u32),
    Settled(u32, Status),
}

type Events = Rc<RefCell<Vec<Event>>>;

/// Tells which intents a commit made safe.
struct Watched(Disk, BTreeSet<u32>, Events);

impl Store for Watched {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            if let Some(id) = line["record"]["intent"]["change"].as_u64() {
                self.1.insert(u32::try_from(id).unwrap());
            }
        }
        self.0.append(lines)
    }

    fn commit(&mut self, head: &Head) -> io::Result<()> {
        self.0.commit(head)?;
        self.2.borrow_mut().push(Event::Committed(std::mem::take(&mut self.1)));
        Ok(())
    }
}

struct Watching(Events);

impl Progress for Watching {
    fn settled(&mut self, change: &Change, status: Status, _why: Option<&str>) {
        self.0.borrow_mut().push(Event::Settled(change.id, status));
    }
}

#[derive(Debug, Clone)]
struct Case {
    plan: Plan,
    faults: BTreeMap<u32, Vec<Fault>>,
    batch: Batch,
    in_flight: usize,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::Refuse),
        2 => Just(Fault::Busy),
        2 => Just(Fault::Broken),
        2 => Just(Fault::AnswerLost),
        2 => Just(Fault::RequestLost),
        1 => Just(Fault::Lie),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let node = (
        0..3u32,
        proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
        proptest::collection::vec(fault(), 0..4),
    );
    let batch = prop_oneof![Just(Batch::Single), Just(Batch::PerGroup(3)), Just(Batch::Any(4))];
    let barriers = proptest::collection::vec(proptest::collection::vec(any::<proptest::sample::Index>(), 1..4), 0..3);
    (proptest::collection::vec(node, 1..24), barriers, batch, 1..4usize).prop_map(
        |(nodes, barriers, batch, in_flight)| {
            let count = u32::try_from(nodes.len()).unwrap();
            let first_half = (nodes.len() / 2).max(1);
            // Barriers wait for the first half; the second half may wait for barriers.
            let barriers: Vec<Barrier> = (count + 1..)
                .zip(barriers)
                .map(|(id, needs)| Barrier {
                    id,
                    needs: needs.iter().map(|n| u32::try_from(n.index(first_half)).unwrap() + 1).collect(),
                })
                .collect();
            let mut faults = BTreeMap::new();
            let mut changes = Vec::new();
            for (n, (group, needs, list)) in nodes.into_iter().enumerate() {
                let id = u32::try_from(n).unwrap() + 1;
                let above = if n >= first_half { barriers.len() } else { 0 };
                let mut needs: Vec<u32> = needs
                    .into_iter()
                    .filter(|_| n + above > 0)
                    .map(|index| match index.index(n + above) {
                        earlier if earlier < n => u32::try_from(earlier).unwrap() + 1,
                        barrier => barriers[barrier - n].id,
                    })
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                changes.push(match group {
                    0 => change(id, Action::CreateAccount, Object::account(format!("new{id}")), needs),
                    group => {
                        change(id, Action::Grant, Object::membership(format!("g{group}"), format!("old{id}")), needs)
                    }
                });
                faults.insert(id, list);
            }
            let mut plan = no_plan(changes);
            plan.barriers = barriers;
            Case { plan, faults, batch, in_flight }
        },
    )
}

fn content() -> Content {
    let mut content = Content::default();
    for id in 1..=24 {
        content.accounts.insert(format!("old{id}"), Account::default());
    }
    content.groups.insert("g1".into(), BTreeSet::new());
    content.groups.insert("g2".into(), BTreeSet::new());
    content
}

fn is_in_effect(content: &Content, change: &Change) -> bool {
    match (&change.object.group, &change.object.account) {
        (Some(group), Some(account)) => content.groups[group].contains(account),
        (None, Some(account)) => content.accounts.contains_key(account),
        _ => panic!("{change:?}"),
    }
}

/// What a change needs, barriers replaced by what they wait for.
fn through_barriers(plan: &Plan, ids: &[u32]) -> BTreeSet<u32> {
    let through = |id: &u32| match plan.barriers.iter().find(|barrier| barrier.id == *id) {
        Some(barrier) => barrier.needs.clone(),
        None => vec![*id],
    };
    ids.iter().flat_map(through).collect()
}

/// Nothing is sent before its time; the last result of each change.
fn in_order(plan: &Plan, events: &[Event]) -> BTreeMap<u32, Status> {
    let (mut safe, mut done, mut settled) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for event in events {
        match event {
            Event::Committed(ids) => safe.extend(ids.iter().copied()),
            Event::Sent(id) => {
                assert!(safe.contains(id), "#{id} was sent before its intent was safe");
                let needs = through_barriers(plan, &plan.changes[*id as usize - 1].needs);
                assert!(needs.is_subset(&done), "#{id} was sent before {needs:?}; done: {done:?}");
            }
            Event::Settled(id, Status::NotInEffect) => {
                assert_eq!(settled.insert(*id, Status::NotInEffect), Some(Status::Done));
            }
            Event::Settled(id, status) => {
                assert_eq!(settled.insert(*id, *status), None, "#{id} has two results");
                if status.is_done() {
                    done.insert(*id);
                }
            }
        }
    }
    settled
}

fn check(case: &Case) {
    let root = tempfile::tempdir().unwrap();
    let events: Events = Rc::default();
    let mut model = Model::new(content());
    model.capabilities.batch = case.batch;
    model.capabilities.in_flight = case.in_flight;
    let (sent, mut faults) = (Rc::clone(&events), case.faults.clone());
    let writer = Faulty::new(model.clone(), move |change: &Change| {
        sent.borrow_mut().push(Event::Sent(change.id));
        faults.get_mut(&change.id).and_then(Vec::pop).unwrap_or(Fault::None)
    });
    let work = Work::new(&case.plan, None).unwrap();
    let journal = Rc::clone(&events);
    let with = With {
        cancel: &Cancel::new(),
        progress: &mut Watching(Rc::clone(&events)),
        around: Box::new(move |disk| Box::new(Watched(disk, BTreeSet::new(), journal))),
    };
    let outcome = apply_with(root.path(), &work, &model, Box::new(writer), with);
    assert!(verify(&journal_folder(root.path())).unwrap().is_intact());

    let changes = &case.plan.changes;
    let settled = in_order(&case.plan, &events.borrow());
    let needs = |ids: &[u32]| through_barriers(&case.plan, ids);
    assert_eq!(outcome.results.len(), changes.len());
    let content = model.content();
    for result in &outcome.results {
        let id = result.change.id;
        assert_eq!(settled.get(&id), Some(&result.status));
        let there = is_in_effect(&content, result.change);
        assert_eq!(there, result.status == Status::Done, "#{id} {:?} {:?}", result.status, result.why);
        let stopped = needs(&result.change.needs).iter().any(|need| settled[need] != Status::Done);
        if result.status == Status::Skipped {
            assert!(stopped, "#{id} is skipped though all it needs is done: {:?}", result.why);
        }
    }
    let log = model.log();
    assert_eq!(log.iter().collect::<BTreeSet<_>>().len(), log.len(), "something was done twice: {log:#?}");
    let text = std::fs::read_to_string(&outcome.journal).unwrap();
    assert_eq!(text.matches("\"outcome\"").count(), changes.len(), "one outcome for each change");
}

proptest! {
    #[test]
    fn every_change_waits_for_its_needs_and_has_one_result(case in case()) {
        check(&case);
    }
}
