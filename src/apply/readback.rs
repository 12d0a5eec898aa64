//! Reading back: what was not answered, and what was acknowledged.
//!
//! Comes in: directories in which nothing is in flight. Goes out: results for the
//! changes that nobody answered, corrections for those that had no effect. Refuses:
//! to read while a write is in flight.

use super::effect::{Effect, Seen, Subject, objects_of, probe, worse};
use super::lane::Lane;
use super::names::{Sort, new_name, subject};
use super::run::{Event, Run};
use super::schedule::Consequences;
use crate::model::{Action, Change, Object};
use crate::provider::{ProviderError, Reading, Scope, Step, Writer};
use crate::record::entry::{self, Verified};
use crate::record::{Record, Status};
use futures_util::future::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The read after the writes, while it lasts: in one piece where the connection bears
/// it, otherwise in as many as it takes.
#[derive(Debug)]
pub(super) struct ReadBack<'r> {
    /// What is still to be read, sorted; taken from the end.
    rest: Vec<Subject<'r>>,
    /// What the pieces so far showed of each node.
    effects: BTreeMap<usize, Effect>,
}

impl<'r> ReadBack<'r> {
    fn new(lane: &Lane<'r>) -> Self {
        Self { rest: lane.expectation.subjects(), effects: BTreeMap::new() }
    }

    /// The next piece, of at most so many objects.
    fn piece(&self, most: usize) -> &[Subject<'r>] {
        self.rest.get(self.rest.len().saturating_sub(most)..).unwrap_or_default()
    }

    /// The next piece was read.
    fn done(&mut self, most: usize, effects: BTreeMap<usize, Effect>) {
        self.rest.truncate(self.rest.len().saturating_sub(most));
        for (node, effect) in effects {
            worse(&mut self.effects, node, effect);
        }
    }
}

/// Memberships that the directory is asked about before groups are read.
struct Asked<'c> {
    steps: Vec<Step<'c>>,
    nodes: Vec<usize>,
    /// Group → how many of the steps, which stand together.
    groups: Vec<(Object, usize)>,
}

impl<'c> Asked<'c> {
    fn new(few: BTreeMap<Object, Vec<usize>>, step: impl Fn(usize) -> Option<Step<'c>>) -> Self {
        let mut asked = Self { steps: Vec::new(), nodes: Vec::new(), groups: Vec::new() };
        for (group, nodes) in few {
            let steps: Vec<_> = nodes.iter().filter_map(|node| step(*node)).collect();
            asked.groups.push((group, steps.len()));
            asked.steps.extend(steps);
            asked.nodes.extend(nodes);
        }
        asked
    }

    /// The nodes that are shown to be in effect, and the groups of which all are: these
    /// need not be read any more.
    async fn confirm(self, writer: &dyn Writer) -> (BTreeSet<usize>, BTreeSet<Object>) {
        if self.steps.is_empty() {
            return Default::default();
        }
        let answers = writer.confirm(&self.steps).await;
        let mut rest = answers.as_slice();
        let mut settled = BTreeSet::new();
        for (group, count) in self.groups {
            let (own, others) = rest.split_at_checked(count).unwrap_or((&[], &[]));
            rest = others;
            if own.len() == count && own.iter().all(|shown| *shown) {
                settled.insert(group);
            }
        }
        let shown = self.nodes.iter().zip(&answers).filter(|(_, shown)| **shown).map(|(node, _)| *node);
        (shown.collect(), settled)
    }
}

/// The handle of what a change made or moved, as it was read: what comes after it in
/// this run goes by that.
fn made(change: &Change, reading: &Reading) -> Option<String> {
    let (sort, name) = subject(&change.object)?;
    let name = match change.action {
        Action::CreateAccount | Action::CreateGroup => name,
        Action::RenameAccount | Action::RenameGroup => new_name(change)?,
        _ => return None,
    };
    match sort {
        Sort::Account => reading.upserts.account_named(name).map(|account| account.handle().to_owned()),
        Sort::Group => reading.upserts.group_named(name).map(|group| group.handle().to_owned()),
    }
}

impl Run<'_> {
    /// Starts the reads that are due: of what was not answered, and at the end of
    /// everything that was touched.
    pub(super) fn read(&mut self) {
        for n in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(n).filter(|lane| lane.wants_read()) else { continue };
            let mut objects: Vec<Object> = if lane.silent.is_empty() {
                let whole = lane.read_back.take().unwrap_or_else(|| ReadBack::new(lane));
                let piece = lane.read_back.insert(whole).piece(lane.bite);
                lane.expectation.objects_for(piece)
            } else {
                let some = lane.silent.iter().take(lane.bite);
                let changes = some.filter_map(|(node, _)| self.work.change(*node));
                changes.flat_map(|change| objects_of(change, &lane.names)).collect()
            };
            objects.sort();
            objects.dedup();
            if objects.is_empty() {
                lane.verified = true;
                continue;
            }
            let mut few = if lane.silent.is_empty() { lane.expectation.few() } else { BTreeMap::new() };
            few.retain(|group, _| !lane.early.was_asked(group) && objects.binary_search(group).is_ok());
            let asked = Asked::new(few, |node| self.work.change(node).map(|change| lane.names.step(change)));
            let Some(mut writer) = lane.writer.take() else { continue };
            self.progress.reading(lane.name, objects.len());
            let mut early = BTreeSet::new();
            if lane.silent.is_empty() {
                objects.retain(|object| !lane.early.is_settled(object));
                early.clone_from(lane.early.shown());
            }
            let mut scope = Scope { only: None, authors: false, ..lane.kind.scope() };
            let directory = lane.name;
            let read = async move {
                let (mut confirmed, settled) = asked.confirm(writer.as_ref()).await;
                confirmed.append(&mut early);
                objects.retain(|object| !settled.contains(object));
                let nothing = objects.is_empty();
                scope.only = Some(objects);
                let result = match Rc::get_mut(&mut writer) {
                    Some(_) if nothing => Ok(Reading::default()),
                    Some(writer) => writer.read(&scope, None).await,
                    None => Err(ProviderError {
                        directory: directory.to_owned(),
                        operation: "read back".to_owned(),
                        message: "a write is still in flight".to_owned(),
                        help: Vec::new(),
                    }),
                };
                Event::Read { lane: n, writer, confirmed, result: Box::new(result) }
            };
            self.queue.push(read.boxed_local());
        }
    }

    /// Asks about groups that have nothing left to write, while others are written.
    pub(super) fn glance(&mut self) {
        let work = self.work;
        for (n, lane) in self.lanes.iter_mut().enumerate() {
            let Some(writer) = lane.writer.clone() else { continue };
            let Some(few) = lane.glance() else { continue };
            let asked = Asked::new(few, |node| work.change(node).map(|change| lane.names.step(change)));
            let glance = async move {
                let (shown, settled) = asked.confirm(writer.as_ref()).await;
                Event::Glanced { lane: n, shown, settled }
            };
            self.queue.push(glance.boxed_local());
        }
    }

    /// A read of silent changes came back.
    pub(super) fn heard(&mut self, n: usize, result: Result<Reading, ProviderError>) {
        let Some(lane) = self.lanes.get_mut(n) else { return };
        match result {
            Ok(reading) => {
                lane.failed_reads = 0;
                let read = lane.bite.min(lane.silent.len());
                lane.bite = lane.bite.saturating_mul(2);
                let silent = lane.silent.drain(..read);
                let seen = Seen::new(lane.kind, &lane.names, &reading);
                let told: Vec<(usize, String, Effect, Option<String>)> = silent
                    .filter_map(|(node, why)| {
                        let change = self.work.change(node)?;
                        Some((node, why, probe(change, &seen), made(change, &reading)))
                    })
                    .collect();
                // A read alone is no progress: what is never carried out is not tried for ever.
                if told.iter().any(|(_, _, effect, _)| *effect == Effect::Shown) {
                    lane.heard_from();
                } else {
                    lane.was_reached();
                }
                for (node, why, effect, handle) in told {
                    self.told(n, node, &why, effect, handle);
                }
            }
            Err(error) => {
                lane.read_failed(lane.silent.len());
                let away = lane.writer.as_ref().is_some_and(|writer| writer.is_away());
                if lane.failed_reads < self.patience.attempts && lane.down.is_none() {
                    let wait = self.patience.wait(lane.failed_reads);
                    self.pause(n, &error.to_string(), wait);
                } else {
                    // Whoever could not be reached for a read cannot be for a write.
                    if away && lane.down.is_none() {
                        lane.give_up(lane.failed_reads, &error.to_string());
                    }
                    lane.failed_reads = 0;
                    for (node, why) in std::mem::take(&mut lane.silent) {
                        let why = format!("{why}; and it could not be read whether it was done: {error}");
                        self.settle(node, Status::Unknown, Some(why));
                    }
                    self.given_up(n);
                }
            }
        }
    }

    /// A piece of the read after the writes came back.
    pub(super) fn verified(&mut self, n: usize, confirmed: &BTreeSet<usize>, result: Result<Reading, ProviderError>) {
        let Some(lane) = self.lanes.get_mut(n) else { return };
        let mut back = lane.read_back.take().unwrap_or_else(|| ReadBack::new(lane));
        match result {
            Ok(reading) => {
                lane.failed_reads = 0;
                let seen = Seen::new(lane.kind, &lane.names, &reading);
                let effects = lane.expectation.judge(&seen, confirmed, back.piece(lane.bite));
                back.done(lane.bite, effects);
                lane.bite = lane.bite.saturating_mul(2);
                if !back.rest.is_empty() {
                    lane.read_back = Some(back);
                    return;
                }
            }
            Err(error) => {
                lane.read_failed(back.rest.len());
                if lane.failed_reads < self.patience.attempts && lane.down.is_none() {
                    let wait = self.patience.wait(lane.failed_reads);
                    lane.read_back = Some(back);
                    return self.pause(n, &error.to_string(), wait);
                }
                // What the pieces before showed stays shown.
                for node in lane.expectation.nodes(&back.rest) {
                    worse(&mut back.effects, node, Effect::Hidden(error.to_string()));
                }
            }
        }
        lane.verified = true;
        self.conclude(n, back.effects);
    }

    /// Journals what the read after the writes showed, and corrects what it did not.
    fn conclude(&mut self, n: usize, effects: BTreeMap<usize, Effect>) {
        let sent: BTreeSet<usize> = self.lanes.iter().flat_map(Lane::flying).collect();
        let Some(lane) = self.lanes.get(n) else { return };
        let mut record = Verified::of(lane.name);
        let mut to = Consequences::default();
        for (node, effect) in effects {
            let Some(change) = self.work.change(node) else { continue };
            match effect {
                Effect::Shown => record.in_effect.push(change.id),
                Effect::Hidden(why) => {
                    record.not_read.push(change.id);
                    record.why = Some(entry::shorten(&why));
                    self.not_read.insert(lane.name.to_owned(), why);
                }
                Effect::Undone(why) | Effect::Else(why) => {
                    record.not_in_effect.push(change.id);
                    let why = format!("not in effect: it was acknowledged, but {why}");
                    self.progress.settled(change, Status::NotInEffect, Some(&why));
                    self.schedule.correct(node, why, |node| sent.contains(&node), &mut to);
                }
            }
        }
        record.sort();
        self.note(Record::Verified(record));
        self.follow(to);
    }
}
