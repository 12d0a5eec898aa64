//! The loop of one apply, on one thread.
//!
//! Comes in: a request. Goes out: an outcome. Refuses: to send before the intents
//! are on disk, and to end while anything is in flight.
//!
//! Each turn: form batches and journal their intents with one commit; send what
//! the windows take; wait for the next event, and take all others that are there.

use super::effect::{Effect, objects_of, probe};
use super::lane::{Batch, Lane};
use super::schedule::{Consequences, Schedule};
use super::work::Work;
use super::{Cancel, Clock, Outcome, Patience, Progress, Request, Settled};
use crate::model::{Change, ChangeId, Object};
use crate::provider::{Answer, ProviderError, Reading, Scope, Writer};
use crate::record::entry::{self, Intent, RunEnded, Seen, Undeclared, Verified};
use crate::record::{Journal, JournalError, Record, Status};
use futures_util::future::{FutureExt, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Something that happened.
pub(super) enum Event<'r> {
    /// A batch was answered.
    Wrote { lane: usize, batch: Batch, answers: Vec<Answer> },
    /// A read came back, and with it the writer.
    Read { lane: usize, writer: Rc<dyn Writer + 'r>, result: Result<Reading, ProviderError> },
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
    cancel: &'r Cancel,
    pub(super) progress: &'r mut dyn Progress,
    pub(super) patience: Patience,
    /// Failed attempts and, for the last one, whether nobody knows if it was done.
    pub(super) attempts: BTreeMap<usize, (u32, bool)>,
    not_read: BTreeMap<String, String>,
    stopped: Option<String>,
}

pub(super) async fn execute<'a>(request: Request<'a>) -> Result<Outcome<'a>, JournalError> {
    let begun = request.clock.millis();
    let (run, first) = Run::new(request)?;
    run.go(first, begun).await
}

impl<'r> Run<'r> {
    fn new(request: Request<'r>) -> Result<(Self, Consequences), JournalError> {
        let Request { work, directories, journal, clock, cancel, progress, patience } = request;
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
            cancel,
            progress,
            patience,
            attempts: BTreeMap::new(),
            not_read: BTreeMap::new(),
            stopped: None,
        };
        run.journal_what_was_seen()?;
        Ok((run, first))
    }

    async fn go(mut self, first: Consequences, begun: u64) -> Result<Outcome<'r>, JournalError> {
        self.progress.started(self.work.changes().len(), first.settled.len());
        self.follow(first);
        loop {
            if self.cancel.is_wanted() && self.stopped.is_none() {
                self.stop("stopped on request".to_owned());
            }
            self.arm();
            self.send();
            self.read();
            if self.queue.is_empty() {
                if self.schedule.left() > 0 {
                    self.give_up_the_rest();
                    continue;
                }
                if self.lanes.iter().all(|lane| lane.verified) {
                    break;
                }
            }
            self.wait().await;
        }
        self.finish(begun)
    }

    /// What the plan saw, before anything is changed.
    fn journal_what_was_seen(&mut self) -> Result<(), JournalError> {
        let plan = self.work.plan();
        let now = self.clock.now();
        let mut undeclared: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
        for mark in plan.directories.iter().filter(|mark| mark.complete) {
            let seen = Seen { directory: mark.name.clone(), accounts: mark.accounts, groups: mark.groups };
            self.journal.add(now, Record::Seen(seen))?;
            undeclared.insert(&mark.name, Vec::new());
        }
        for note in plan.notes.iter().filter(|note| note.code == "undeclared-member") {
            let Some((group, member)) = note.object.as_deref().and_then(|object| object.split_once('/')) else {
                continue;
            };
            let list = undeclared.get_mut(note.directory.as_deref().unwrap_or_default());
            list.into_iter().for_each(|list| list.push((group.to_owned(), member.to_owned())));
        }
        for (directory, mut members) in undeclared {
            members.sort();
            let directory = directory.to_owned();
            self.journal.add(now, Record::Undeclared(Undeclared { directory, members }))?;
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
            if let Some(change) = work.change(node).filter(|_| !self.attempts.contains_key(&node)) {
                result = result.and_then(|()| self.journal.add(now, Record::Intent(Intent::of(change))));
            }
        }
        if let Err(error) = result.and_then(|()| self.journal.commit()) {
            self.stop(error.to_string());
        }
    }

    fn send(&mut self) {
        let work = self.work;
        for (n, lane) in self.lanes.iter_mut().enumerate() {
            while let Some(batch) = lane.next() {
                let Some(writer) = lane.writer.clone() else { break };
                let changes = batch.nodes.iter().filter_map(|node| work.change(*node));
                let steps: Vec<_> = changes.map(|change| lane.names.step(change)).collect();
                let write = async move {
                    let answers = writer.write(&steps).await;
                    Event::Wrote { lane: n, batch, answers }
                };
                self.queue.push(write.boxed_local());
            }
        }
    }

    /// Starts the reads that are due: of what was not answered, and at the end of
    /// everything that was touched.
    fn read(&mut self) {
        for n in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(n).filter(|lane| lane.wants_read()) else { continue };
            let mut objects: Vec<Object> = if lane.silent.is_empty() {
                lane.expectation.objects()
            } else {
                let changes = lane.silent.iter().filter_map(|(node, _)| self.work.change(*node));
                changes.flat_map(|change| objects_of(change, &lane.names)).collect()
            };
            objects.sort();
            objects.dedup();
            if objects.is_empty() {
                lane.verified = true;
                continue;
            }
            let Some(mut writer) = lane.writer.take() else { continue };
            self.progress.reading(lane.name, objects.len());
            let scope = Scope { only: Some(objects), authors: false, ..lane.kind.scope() };
            let directory = lane.name;
            let read = async move {
                let result = match Rc::get_mut(&mut writer) {
                    Some(writer) => writer.read(&scope, None).await,
                    None => Err(ProviderError {
                        directory: directory.to_owned(),
                        operation: "read back".to_owned(),
                        message: "a write is still in flight".to_owned(),
                        help: Vec::new(),
                    }),
                };
                Event::Read { lane: n, writer, result }
            };
            self.queue.push(read.boxed_local());
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
            self.stop(error.to_string());
        }
    }

    fn take(&mut self, event: Event<'r>) {
        match event {
            Event::Wrote { lane, batch, answers } => self.answered(lane, &batch, answers),
            Event::Read { lane, writer, result } => {
                let Some(this) = self.lanes.get_mut(lane) else { return };
                this.writer = Some(writer);
                if this.silent.is_empty() { self.verified(lane, result) } else { self.heard(lane, result) }
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

    /// Makes a change ready, unless its directory is given up or unknown.
    fn offer(&mut self, lane: usize, node: usize, again: bool) {
        let (Some(this), Some(change)) = (self.lanes.get_mut(lane), self.work.change(node)) else { return };
        if self.schedule.is_settled(node) {
            return;
        }
        match &this.down {
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
        let Some(change) = self.work.change(node) else { return };
        if status.is_done()
            && let Some(lane) = self.lane_of.get(change.directory.as_str()).and_then(|n| self.lanes.get_mut(*n))
        {
            lane.names.done(change, handle.clone());
            lane.expectation.add(change, node, &lane.names);
        }
        let mut to = Consequences::default();
        self.schedule.settle(node, status, why, &mut to);
        self.journal_results(&to, Some(node).zip(handle));
        self.follow_quietly(to);
    }

    /// Journals results and tells of them.
    fn journal_results(&mut self, to: &Consequences, handle: Option<(usize, String)>) {
        let now = self.clock.now();
        for node in &to.settled {
            let (Some(change), Some((result, why))) = (self.work.change(*node), self.schedule.result(*node)) else {
                continue;
            };
            let handle = handle.as_ref().filter(|(of, _)| of == node).map(|(_, handle)| handle.clone());
            let outcome = entry::Outcome { change: change.id, result, why: why.map(entry::shorten), handle };
            // A journal that failed has stopped the run already.
            let _ = self.journal.add(now, Record::Outcome(outcome));
            self.progress.settled(change, result, why);
        }
    }

    fn follow(&mut self, to: Consequences) {
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
            match self.lane_of.get(change.directory.as_str()).copied() {
                _ if self.stopped.is_some() => self.settle(node, Status::NotStarted, self.stopped.clone()),
                Some(lane) => self.offer(lane, node, false),
                None => {
                    let why = format!("there is no writer for `{}`", change.directory);
                    self.settle(node, Status::Broken, Some(why));
                }
            }
        }
    }

    /// Nothing is sent from now on: what was not sent is not started.
    pub(super) fn stop(&mut self, why: String) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(why.clone());
        for lane in &mut self.lanes {
            lane.unsent();
        }
        let flying: std::collections::BTreeSet<usize> =
            self.lanes.iter().flat_map(|lane| lane.flying()).collect();
        for node in 0..self.work.changes().len() {
            if !self.schedule.is_settled(node) && !flying.contains(&node) {
                self.settle(node, Status::NotStarted, Some(why.clone()));
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
    }

    /// A read of silent changes came back.
    fn heard(&mut self, n: usize, result: Result<Reading, ProviderError>) {
        let Some(lane) = self.lanes.get_mut(n) else { return };
        match result {
            Ok(reading) => {
                lane.failed_reads = 0;
                let silent = std::mem::take(&mut lane.silent);
                let seen = super::effect::Seen::new(lane.kind, &lane.names, &reading);
                let told: Vec<(usize, String, Effect)> = silent
                    .into_iter()
                    .filter_map(|(node, why)| Some((node, why, probe(self.work.change(node)?, &seen))))
                    .collect();
                for (node, why, effect) in told {
                    self.told(n, node, why, effect);
                }
            }
            Err(error) => {
                lane.failed_reads += 1;
                if lane.failed_reads < self.patience.attempts {
                    let wait = self.patience.wait(lane.failed_reads);
                    self.pause(n, &error.to_string(), wait);
                } else {
                    lane.failed_reads = 0;
                    for (node, why) in std::mem::take(&mut lane.silent) {
                        let why = format!("{why}; and it could not be read whether it was done: {error}");
                        self.settle(node, Status::Unknown, Some(why));
                    }
                }
            }
        }
    }

    /// Lets a directory rest.
    pub(super) fn pause(&mut self, n: usize, why: &str, wait: u64) {
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

    /// The read after the writes came back.
    fn verified(&mut self, n: usize, result: Result<Reading, ProviderError>) {
        let Some(lane) = self.lanes.get_mut(n) else { return };
        let judged = match result {
            Ok(reading) => lane.expectation.judge(&super::effect::Seen::new(lane.kind, &lane.names, &reading)),
            Err(error) => {
                lane.failed_reads += 1;
                if lane.failed_reads < self.patience.attempts {
                    let wait = self.patience.wait(lane.failed_reads);
                    return self.pause(n, &error.to_string(), wait);
                }
                lane.verified = true;
                return self.unread(n, &error.to_string());
            }
        };
        lane.verified = true;
        let mut record = Verified::of(lane.name);
        let mut to = Consequences::default();
        for (node, effect) in judged {
            let Some(change) = self.work.change(node) else { continue };
            match effect {
                Effect::InEffect => record.in_effect.push(change.id),
                Effect::Hidden(why) => {
                    record.not_read.push(change.id);
                    record.why = Some(entry::shorten(&why));
                    self.not_read.insert(lane.name.to_owned(), why);
                }
                Effect::Undone(why) | Effect::Else(why) => {
                    record.not_in_effect.push(change.id);
                    let why = format!("not in effect: it was acknowledged, but {why}");
                    self.progress.settled(change, Status::NotInEffect, Some(&why));
                    self.schedule.correct(node, why, &mut to);
                }
            }
        }
        record.sort();
        // A journal that failed has stopped the run already.
        let _ = self.journal.add(self.clock.now(), Record::Verified(record));
        self.follow(to);
    }

    /// The read after the writes failed for good.
    fn unread(&mut self, n: usize, why: &str) {
        let Some(lane) = self.lanes.get(n) else { return };
        let mut record = Verified::of(lane.name);
        let is_done = |node: &usize| self.schedule.result(*node).is_some_and(|(status, _)| status.is_done());
        let changes = self.work.changes().iter().enumerate();
        let mine = changes.filter(|(node, change)| change.directory == lane.name && is_done(node));
        record.not_read = mine.map(|(_, change)| change.id).collect::<Vec<ChangeId>>();
        record.why = Some(entry::shorten(why));
        self.not_read.insert(lane.name.to_owned(), why.to_owned());
        // A journal that failed has stopped the run already.
        let _ = self.journal.add(self.clock.now(), Record::Verified(record));
    }

    fn finish(self, begun: u64) -> Result<Outcome<'r>, JournalError> {
        let result = |(node, change): (usize, &'r Change)| {
            let (status, why) = self.schedule.result(node).unwrap_or((Status::Unknown, None));
            Settled { change, status, why: why.map(str::to_owned) }
        };
        let results: Vec<Settled<'r>> = self.work.changes().iter().enumerate().map(result).collect();
        let mut totals: BTreeMap<Status, u64> = BTreeMap::new();
        for result in &results {
            *totals.entry(result.status).or_default() += 1;
        }
        let mut stopped = self.stopped;
        let words = totals.iter().map(|(status, n)| (status.word().to_owned(), *n)).collect();
        if let Err(error) = self.journal.end(self.clock.now(), RunEnded { totals: words, stopped: stopped.clone() }) {
            stopped.get_or_insert(error.to_string());
        }
        Ok(Outcome {
            run: self.journal.run().to_owned(),
            journal: self.journal.path().to_owned(),
            results,
            totals,
            not_read: self.not_read,
            elapsed_ms: self.clock.millis().saturating_sub(begun),
            stopped,
        })
    }
}
