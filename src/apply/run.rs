//! The loop of one apply, on one thread.
//!
//! Comes in: a request. Goes out: an outcome. Refuses: to send before the intents
//! are on disk, and to end while anything is in flight.
//!
//! Each turn: form batches and journal their intents with one commit; send what
//! the windows take; wait for the next event, and take all others that are there.

use super::lane::{Batch, Lane};
use super::schedule::{Consequences, Schedule};
use super::work::Work;
use super::{Cancel, Clock, Leave, Outcome, Patience, Progress, Request, Settled};
use crate::model::{Action, Change, Object};
use crate::provider::{Answer, ProviderError, Reading, Writer};
use crate::record::entry::{self, Intent, Seen, Undeclared};
use crate::record::{Journal, JournalError, Record, Status};
use futures_util::future::{FutureExt, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// Why a run ended early that somebody asked to end.
const STOPPED: &str = "stopped on request";

/// A write as long as there is leave for it. Without it nothing more of the write is sent, and
/// nobody knows what was done; a machine that slept may wake in the middle of one.
async fn within(leave: Option<&dyn Leave>, steps: usize, write: impl Future<Output = Vec<Answer>>) -> Vec<Answer> {
    let Some(leave) = leave else { return write.await };
    let mut write = std::pin::pin!(write);
    let mut alarm = std::pin::pin!(tokio::time::sleep(Duration::from_millis(leave.left().unwrap_or(0))));
    std::future::poll_fn(|context| {
        let unknown = |why| Poll::Ready((0..steps).map(|_| Answer::Unknown { why: String::clone(&why) }).collect());
        if let Err(why) = leave.left() {
            return unknown(why);
        }
        if let Poll::Ready(answers) = write.as_mut().poll(context) {
            return Poll::Ready(answers);
        }
        // A lease that was renewed meanwhile lasts longer.
        while alarm.as_mut().poll(context).is_ready() {
            match leave.left() {
                Ok(left) => alarm.as_mut().reset(tokio::time::Instant::now() + Duration::from_millis(left.max(1))),
                Err(why) => return unknown(why),
            }
        }
        Poll::Pending
    })
    .await
}

/// What became of a change so far that has no result.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempt {
    /// Attempts that failed since the directory answered anything.
    pub(super) failed: u32,
    /// Batches that the directory had answered at the last of them.
    pub(super) answered: u64,
    /// Whether nobody knows if the last one was done.
    pub(super) doubted: bool,
    /// Whether the directory was unwilling once.
    pub(super) unwilling: bool,
}

/// Something that happened.
pub(super) enum Event<'r> {
    /// A batch was answered.
    Wrote { lane: usize, batch: Batch, answers: Vec<Answer> },
    /// A read came back, and with it the writer.
    Read {
        lane: usize,
        writer: Rc<dyn Writer + 'r>,
        /// Nodes that were shown to be in effect without a read.
        confirmed: BTreeSet<usize>,
        result: Box<Result<Reading, ProviderError>>,
    },
    /// Groups were asked about while others are written.
    Glanced { lane: usize, shown: BTreeSet<usize>, settled: BTreeSet<Object> },
    /// Changes may be tried again.
    Again { lane: usize, nodes: Vec<usize> },
    /// A directory may be tried again.
    Resume { lane: usize },
}

/// One apply while it lasts.
pub(super) struct Run<'r> {
    pub(super) work: &'r Work<'r>,
    pub(super) schedule: Schedule<'r>,
    pub(super) lanes: Vec<Lane<'r>>,
    lane_of: BTreeMap<&'r str, usize>,
    pub(super) queue: FuturesUnordered<LocalBoxFuture<'r, Event<'r>>>,
    journal: &'r mut Journal,
    clock: &'r dyn Clock,
    leave: Option<&'r dyn Leave>,
    cancel: &'r Cancel,
    pub(super) progress: &'r mut dyn Progress,
    pub(super) patience: Patience,
    pub(super) attempts: BTreeMap<usize, Attempt>,
    pub(super) not_read: BTreeMap<String, String>,
    /// Where chance comes from: waits differ, results do not.
    chance: foldhash::quality::RandomState,
    pub(super) stopped: Option<String>,
}

pub(super) async fn execute<'p>(request: Request<'_, 'p>) -> Result<Outcome<'p>, JournalError> {
    let begun = request.clock.millis();
    let changes = request.work.changes();
    let (mut run, first) = Run::new(request)?;
    run.go(first).await;
    Ok(run.finish(changes, begun))
}

impl<'r> Run<'r> {
    fn new(request: Request<'r, 'r>) -> Result<(Self, Consequences), JournalError> {
        let Request { work, directories, journal, clock, cancel, progress, patience, leave } = request;
        let (schedule, first) = Schedule::new(work);
        let mut lanes: Vec<Lane<'r>> = directories.into_iter().map(Lane::new).collect();
        let lane_of: BTreeMap<&'r str, usize> = lanes.iter().enumerate().map(|(n, lane)| (lane.name, n)).collect();
        for (node, change) in work.changes().iter().enumerate() {
            if let Some(lane) = lane_of.get(change.directory.as_str()).and_then(|n| lanes.get_mut(*n)) {
                lane.expect(node, change);
            }
        }
        let mut run = Self {
            work,
            schedule,
            lanes,
            lane_of,
            queue: FuturesUnordered::new(),
            journal,
            clock,
            leave,
            cancel,
            progress,
            patience,
            attempts: BTreeMap::new(),
            not_read: BTreeMap::new(),
            chance: foldhash::quality::RandomState::default(),
            stopped: None,
        };
        run.journal_what_was_seen()?;
        run.journal_ahead()?;
        Ok((run, first))
    }

    async fn go(&mut self, first: Consequences) {
        self.progress.started(self.work.changes().len(), first.settled.len());
        self.journal_results(&first, None);
        // What nobody else can see is not begun.
        if let Some(Err(why)) = self.leave.map(Leave::begin) {
            self.stop(&why);
        }
        self.follow_quietly(first);
        loop {
            if self.cancel.is_wanted() && self.stopped.is_none() {
                self.stop(STOPPED);
            }
            self.arm();
            self.send();
            self.glance();
            self.read();
            // Waits may be left in the queue; writes and reads cannot be.
            if self.schedule.left() == 0 && self.lanes.iter().all(|lane| lane.verified) {
                break;
            }
            if self.queue.is_empty() {
                self.give_up_the_rest();
            } else {
                self.wait().await;
            }
        }
    }

    /// What the plan saw, before anything is changed.
    fn journal_what_was_seen(&mut self) -> Result<(), JournalError> {
        let plan = self.work.derived();
        let now = self.clock.now();
        let narrow = &plan.filter;
        let whole = narrow.directories.is_empty() && narrow.actions.is_empty() && !narrow.dated;
        let mut undeclared: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
        for mark in plan.directories.iter().filter(|mark| mark.complete) {
            let seen = Seen { directory: mark.name.clone(), accounts: mark.accounts, groups: mark.groups };
            self.journal.add(now, Record::Seen(seen))?;
            // A plan that leaves out what is due would make it look gone.
            if whole {
                undeclared.insert(&mark.name, Vec::new());
            }
        }
        // Those that are due stay known until a read no longer shows them: a revoke
        // may be withheld or fail, and the wait must not begin again.
        for change in plan.changes.iter().chain(plan.withheld.iter().map(|held| &held.change)) {
            if let (Action::Revoke, None, Some(group), Some(account)) =
                (change.action, &change.person, &change.object.group, &change.object.account)
                && let Some(list) = undeclared.get_mut(change.directory.as_str())
            {
                list.push((group.clone(), account.clone()));
            }
        }
        for note in &plan.notes {
            let Some((group, member)) = note.undeclared() else { continue };
            if let Some(list) = undeclared.get_mut(note.directory.as_deref().unwrap_or_default()) {
                list.push((group.to_owned(), member.to_owned()));
            }
        }
        for (directory, mut seen) in undeclared {
            seen.sort();
            let directory = directory.to_owned();
            self.journal.add(now, Record::Undeclared(Undeclared { directory, seen, members: Vec::new() }))?;
        }
        self.journal.commit()
    }

    /// Where other machines must know what a run that dies may have done, all intents come
    /// before anything is sent.
    fn journal_ahead(&mut self) -> Result<(), JournalError> {
        if self.leave.is_none() {
            return Ok(());
        }
        let now = self.clock.now();
        for (node, change) in self.work.changes().iter().enumerate() {
            if !self.schedule.is_settled(node) {
                self.journal.add(now, Record::Intent(Intent::of(change)))?;
            }
        }
        self.journal.commit()
    }

    /// Forms batches and makes their intents safe, all with one commit.
    fn arm(&mut self) {
        let work = self.work;
        let now = self.clock.now();
        let mut nodes = Vec::new();
        for lane in &mut self.lanes {
            nodes.extend(lane.arm(|node| work.change(node)));
        }
        if nodes.is_empty() {
            return;
        }
        nodes.sort_unstable();
        let mut result = Ok(());
        for node in nodes {
            // A change that is tried again has its intent already.
            let is_new = self.leave.is_none() && !self.attempts.contains_key(&node);
            if let Some(change) = work.change(node).filter(|_| is_new) {
                result = result.and_then(|()| self.journal.add(now, Record::Intent(Intent::of(change))));
            }
        }
        if let Err(error) = result.and_then(|()| self.journal.commit()) {
            self.stop(&error.to_string());
        }
    }

    fn send(&mut self) {
        let (work, leave) = (self.work, self.leave);
        if self.stopped.is_none()
            && let Some(Err(why)) = leave.map(Leave::left)
        {
            self.stop(&why);
        }
        for (n, lane) in self.lanes.iter_mut().enumerate() {
            while let Some(batch) = lane.next() {
                let Some(writer) = lane.writer.clone() else { break };
                let changes = batch.nodes.iter().filter_map(|node| work.change(*node));
                let steps: Vec<_> = changes.map(|change| lane.names.step(change)).collect();
                let write = async move {
                    let answers = within(leave, steps.len(), writer.write(&steps)).await;
                    Event::Wrote { lane: n, batch, answers }
                };
                self.queue.push(write.boxed_local());
            }
        }
    }

    /// Waits for the next event, takes it and all others that are there already:
    /// their results share a write, and what they release shares a commit.
    async fn wait(&mut self) {
        let next = if self.stopped.is_none() {
            let cancelled = std::pin::pin!(self.cancel.wanted());
            match select(self.queue.next(), cancelled).await {
                futures_util::future::Either::Left((event, _)) => event,
                futures_util::future::Either::Right(_) => None,
            }
        } else {
            self.queue.next().await
        };
        let mut event = next;
        while let Some(this) = event {
            self.take(this);
            event = self.queue.next().now_or_never().flatten();
        }
        if let Err(error) = self.journal.write() {
            self.stop(&error.to_string());
        }
    }

    fn take(&mut self, event: Event<'r>) {
        match event {
            Event::Wrote { lane, batch, answers } => self.answered(lane, &batch, answers),
            Event::Read { lane, writer, confirmed, result } => {
                let Some(this) = self.lanes.get_mut(lane) else { return };
                this.writer = Some(writer);
                if this.silent.is_empty() {
                    self.verified(lane, &confirmed, *result);
                } else {
                    self.heard(lane, *result);
                }
            }
            Event::Glanced { lane, shown, settled } => {
                if let Some(lane) = self.lanes.get_mut(lane) {
                    lane.early.answered(shown, settled);
                }
            }
            Event::Again { lane, nodes } => {
                for node in nodes {
                    self.offer(lane, node, true);
                }
            }
            Event::Resume { lane } => {
                if let Some(lane) = self.lanes.get_mut(lane) {
                    lane.paused = false;
                }
            }
        }
    }

    /// Journals a record. A journal that failed has stopped the run already, and
    /// says so in the outcome.
    pub(super) fn note(&mut self, record: Record) {
        let now = self.clock.now();
        let _ = self.journal.add(now, record);
    }

    /// Makes a change ready, unless its directory is given up or unknown.
    fn offer(&mut self, lane: usize, node: usize, again: bool) {
        let (Some(this), Some(change)) = (self.lanes.get_mut(lane), self.work.change(node)) else { return };
        if self.schedule.is_settled(node) {
            return;
        }
        match &this.down {
            _ if self.stopped.is_some() => self.settle(node, Status::NotStarted, self.stopped.clone()),
            Some(why) => {
                let why = why.clone();
                self.settle(node, Status::Broken, Some(why));
            }
            None if again => this.offer_again(node, change),
            None => this.offer(node, change),
        }
    }

    /// Gives a change its result, with everything that follows from it.
    pub(super) fn settle(&mut self, node: usize, status: Status, why: Option<String>) {
        self.settle_with(node, status, why, None);
    }

    /// As [`Self::settle`], with the handle that the directory answered.
    pub(super) fn settle_with(&mut self, node: usize, status: Status, why: Option<String>, handle: Option<String>) {
        let Some(change) = self.work.change(node).filter(|_| !self.schedule.is_settled(node)) else { return };
        if status.is_done()
            && let Some(lane) = self.lane_of.get(change.directory.as_str()).and_then(|n| self.lanes.get_mut(*n))
        {
            lane.names.done(change, handle.clone());
            lane.expectation.add(change, node, &lane.names);
        }
        let mut to = Consequences::default();
        self.schedule.settle(node, status, why, &mut to);
        self.journal_results(&to, Some(node).zip(handle).as_ref());
        self.follow_quietly(to);
    }

    /// Journals results and tells of them.
    fn journal_results(&mut self, to: &Consequences, handle: Option<&(usize, String)>) {
        for node in &to.settled {
            let (Some(change), Some((result, why))) = (self.work.change(*node), self.schedule.result(*node)) else {
                continue;
            };
            let handle = handle.filter(|(of, _)| of == node).map(|(_, handle)| handle.clone());
            let outcome = entry::Outcome { change: change.id, result, why: why.map(entry::shorten), handle };
            self.progress.settled(change, result, why);
            self.note(Record::Outcome(outcome));
        }
    }

    pub(super) fn follow(&mut self, to: Consequences) {
        self.journal_results(&to, None);
        self.follow_quietly(to);
    }

    /// Tells the directories what has a result and what is ready.
    fn follow_quietly(&mut self, to: Consequences) {
        for node in to.settled {
            if let Some(change) = self.work.change(node)
                && let Some(lane) = self.lane_of.get(change.directory.as_str()).and_then(|n| self.lanes.get_mut(*n))
            {
                lane.settled(node, change);
            }
        }
        for node in to.ready {
            let Some(change) = self.work.change(node) else { continue };
            if let Some(lane) = self.lane_of.get(change.directory.as_str()).copied() {
                self.offer(lane, node, false);
            } else {
                let why = format!("there is no writer for `{}`", change.directory);
                self.settle(node, Status::Broken, Some(why));
            }
        }
    }

    /// Nothing is sent from now on: what was not sent is not started.
    fn stop(&mut self, why: &str) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(why.to_owned());
        for lane in &mut self.lanes {
            lane.unsent();
        }
        let flying: BTreeSet<usize> = self.lanes.iter().flat_map(Lane::flying).collect();
        for node in 0..self.work.changes().len() {
            if !self.schedule.is_settled(node) && !flying.contains(&node) {
                self.settle(node, Status::NotStarted, Some(why.to_owned()));
            }
        }
    }

    /// Nothing is in flight, nothing can be sent, and changes are left: what they
    /// need is not part of what is executed.
    fn give_up_the_rest(&mut self) {
        for node in 0..self.work.changes().len() {
            if !self.schedule.is_settled(node) {
                let why = "what it needs is not part of what is executed; plan again".to_owned();
                self.settle(node, Status::Skipped, Some(why));
            }
        }
        for lane in &mut self.lanes {
            lane.verified |= lane.writer.is_none();
        }
    }

    /// Up to a quarter more: whoever was cut off together does not come back together.
    pub(super) fn spread(&self, wait: u64) -> u64 {
        let chance = self.chance.hash_one(self.clock.millis());
        wait.saturating_add(chance % (wait / 4 + 1)).min(self.patience.longest_ms)
    }

    /// Lets a directory rest.
    pub(super) fn pause(&mut self, n: usize, why: &str, wait: u64) {
        let wait = self.spread(wait);
        if let Some(lane) = self.lanes.get_mut(n) {
            lane.paused = true;
            self.progress.waiting(lane.name, why, wait);
        }
        let resume = async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            Event::Resume { lane: n }
        };
        self.queue.push(resume.boxed_local());
    }

    fn finish<'p>(self, changes: &'p [Change], begun: u64) -> Outcome<'p> {
        let result = |(node, change): (usize, &'p Change)| {
            let (status, why) = self.schedule.result(node).unwrap_or((Status::Unknown, None));
            Settled { change, status, why: why.map(str::to_owned) }
        };
        let results: Vec<Settled<'p>> = changes.iter().enumerate().map(result).collect();
        let mut totals: BTreeMap<Status, u64> = BTreeMap::new();
        for result in &results {
            *totals.entry(result.status).or_default() += 1;
        }
        let mut stopped = self.stopped;
        // Whoever asked for a stop when all was done or on its way has stopped nothing.
        if self.cancel.is_wanted() && results.iter().all(|result| result.status.is_done()) {
            stopped = stopped.filter(|why| why != STOPPED);
        }
        let words = totals.iter().map(|(status, n)| (status.word().to_owned(), *n)).collect();
        if let Err(error) = self.journal.end(self.clock.now(), words, stopped.clone()) {
            stopped.get_or_insert(error.to_string());
        }
        Outcome {
            run: self.journal.run().to_owned(),
            journal: self.journal.path().to_owned(),
            results,
            totals,
            not_read: self.not_read,
            elapsed_ms: self.clock.millis().saturating_sub(begun),
            stopped,
        }
    }
}
