//! One directory: what is ready for it, the batches, the window, the patience.
//!
//! Comes in: ready changes. Goes out: batches whose intents are to be journaled,
//! then batches to send. Refuses: to send two batches to one object at once, and
//! more than the directory bears.

use super::early::Early;
use super::effect::Expectation;
use super::names::{Names, Sort, subject};
use super::readback::ReadBack;
use super::window::Window;
use super::{Patience, Target};
use crate::model::{Action, Change, Object};
use crate::provider::{Batch as Form, Capabilities, Kind, Writer};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// Attempts to reach a directory that was never reached in this run.
const ATTEMPTS_AT_FIRST: u32 = 2;

/// Changes that travel together.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Nodes, ascending.
    pub(super) nodes: Vec<usize>,
    /// The object that is written; `None` where the batch may touch many.
    subject: Option<(Sort, String)>,
    /// The connection's generation when it was sent.
    pub(super) generation: u32,
    /// The window's round when it was sent.
    round: u32,
}

/// One directory while a run lasts.
pub(super) struct Lane<'r> {
    pub(super) name: &'r str,
    pub(super) kind: &'r dyn Kind,
    pub(super) names: Names<'r>,
    capabilities: Capabilities,
    /// Away while a read has it.
    pub(super) writer: Option<Rc<dyn Writer + 'r>>,
    /// Ready changes without a journaled intent, but for the memberships that share
    /// batches.
    ready: BTreeSet<usize>,
    /// Those, by group.
    by_group: BTreeMap<String, BTreeSet<usize>>,
    /// Memberships that are not in a batch and have no result, and how many of each group.
    loose: BTreeSet<usize>,
    expected: BTreeMap<String, usize>,
    /// Batches whose intents are journaled.
    armed: VecDeque<Batch>,
    busy: BTreeSet<(Sort, String)>,
    in_flight: usize,
    /// Nodes that were sent and are not answered.
    sent: BTreeSet<usize>,
    window: Window,
    /// Changes without a result.
    pub(super) left: usize,
    /// Changes without an answer, to be settled by a read.
    pub(super) silent: Vec<(usize, String)>,
    /// Waits before it sends again.
    pub(super) paused: bool,
    /// Why nothing is sent any more.
    pub(super) down: Option<String>,
    /// Counts losses of the connection.
    pub(super) generation: u32,
    /// Losses since something was answered.
    pub(super) losses: u32,
    /// Whether anything ever reached the directory in this run.
    pub(super) reached: bool,
    /// Batches that were answered: as long as there are more, attempts are not in vain.
    pub(super) answered: u64,
    /// Failed reads in a row.
    pub(super) failed_reads: u32,
    /// How many silent changes, or objects that were written, the next read is about:
    /// fewer after a failed one, so that a connection that bears little still gets on.
    pub(super) bite: usize,
    /// What the done changes claim together.
    pub(super) expectation: Expectation<'r>,
    /// What is confirmed before the writes are over.
    pub(super) early: Early,
    /// The read after the writes, once it has begun.
    pub(super) read_back: Option<ReadBack<'r>>,
    /// Whether the read after the writes is over.
    pub(super) verified: bool,
}

impl<'r> Lane<'r> {
    pub(super) fn new(target: Target<'r>) -> Self {
        let window = Window::new(target.capabilities.in_flight);
        Self {
            name: target.name,
            kind: target.kind,
            names: Names::new(target.kind, target.observed),
            capabilities: target.capabilities,
            writer: Some(Rc::from(target.writer)),
            ready: BTreeSet::new(),
            by_group: BTreeMap::new(),
            loose: BTreeSet::new(),
            expected: BTreeMap::new(),
            armed: VecDeque::new(),
            busy: BTreeSet::new(),
            in_flight: 0,
            sent: BTreeSet::new(),
            window,
            left: 0,
            silent: Vec::new(),
            paused: false,
            down: None,
            generation: 0,
            losses: 0,
            reached: false,
            answered: 0,
            failed_reads: 0,
            bite: usize::MAX,
            expectation: Expectation::default(),
            early: Early::default(),
            read_back: None,
            verified: false,
        }
    }

    /// Counts a change of this directory before anything runs.
    pub(super) fn expect(&mut self, node: usize, change: &Change) {
        self.left += 1;
        let group = self.shared(change);
        self.early.expect(group.as_deref());
        self.gather(node, change);
    }

    fn gather(&mut self, node: usize, change: &Change) {
        if let Some(group) = self.shared(change)
            && self.loose.insert(node)
        {
            match self.expected.get_mut(group.as_ref()) {
                Some(expected) => *expected += 1,
                None => drop(self.expected.insert(group.into_owned(), 1)),
            }
        }
    }

    /// A change got its result.
    pub(super) fn settled(&mut self, node: usize, change: &Change) {
        self.left = self.left.saturating_sub(1);
        let group = self.shared(change);
        self.early.settled(group.as_deref());
        self.withdraw(node, change);
    }

    /// A change can be sent.
    pub(super) fn offer(&mut self, node: usize, change: &Change) {
        match self.shared(change) {
            None => self.ready.insert(node),
            Some(group) => match self.by_group.get_mut(group.as_ref()) {
                Some(ready) => ready.insert(node),
                None => self.by_group.insert(group.into_owned(), BTreeSet::from([node])).is_none(),
            },
        };
    }

    /// A change that is to be sent again is expected again.
    pub(super) fn offer_again(&mut self, node: usize, change: &Change) {
        self.gather(node, change);
        self.offer(node, change);
    }

    /// The group of a membership that may share a batch with others of the group.
    fn shared<'c>(&self, change: &'c Change) -> Option<Cow<'c, str>> {
        let membership = matches!(change.action, Action::Grant | Action::Revoke | Action::UpdateMembership);
        match (self.capabilities.batch, &change.object.group) {
            (Form::PerGroup(_), Some(group)) if membership => Some(self.names.key(group)),
            _ => None,
        }
    }

    fn withdraw(&mut self, node: usize, change: &Change) {
        self.ready.remove(&node);
        if let Some(group) = self.shared(change) {
            if let Some(set) = self.by_group.get_mut(group.as_ref()) {
                set.remove(&node);
                if set.is_empty() {
                    self.by_group.remove(group.as_ref());
                }
            }
            if self.loose.remove(&node)
                && let Some(expected) = self.expected.get_mut(group.as_ref())
            {
                *expected = expected.saturating_sub(1);
            }
        }
    }

    /// Whether an account can be there whose first password is not set yet.
    pub(super) fn sets_passwords_apart(&self) -> bool {
        self.capabilities.password_apart
    }

    /// Changes whose result is still on its way: sent, or to be settled by a read.
    pub(super) fn flying(&self) -> impl Iterator<Item = usize> {
        self.sent.iter().copied().chain(self.silent.iter().map(|(node, _)| *node))
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.early.is_asking()
    }

    /// Memberships of groups that have nothing left to write, to be confirmed while
    /// others are written. A directory that once did not bear what was sent is asked
    /// after the writes.
    pub(super) fn glance(&mut self) -> Option<BTreeMap<Object, Vec<usize>>> {
        let bears = self.is_open() && self.window.round() == 0;
        if bears && self.left > 0 { self.early.next(&self.expectation) } else { None }
    }

    /// Whether sending is possible at all now.
    fn is_open(&self) -> bool {
        !self.paused && self.silent.is_empty() && self.down.is_none() && self.writer.is_some()
    }

    /// Forms batches whose intents are to be journaled before they are sent: more
    /// than the window takes, so that one commit serves many sends.
    pub(super) fn arm(&mut self, change_of: impl Fn(usize) -> Option<&'r Change>) -> Vec<usize> {
        let mut nodes = Vec::new();
        let whole = matches!(self.capabilities.batch, Form::Any(_));
        let enough = if whole { 1 } else { self.window.size().saturating_mul(4).max(256) };
        if !self.is_open()
            || self.armed.len() * 2 >= self.window.size().max(2)
            || (whole && self.in_flight >= self.window.size())
        {
            return nodes;
        }
        // Memberships of one group become ready one by one; a batch waits until it is
        // full, nothing more will come, or there is nothing else to do meanwhile.
        let idle = self.in_flight == 0 && self.armed.is_empty() && self.ready.is_empty();
        let gathered = self.by_group.iter().filter(|(group, ready)| idle || self.is_gathered(group, ready));
        let mut groups: BTreeSet<(usize, String)> =
            gathered.filter_map(|(group, ready)| Some((*ready.first()?, group.clone()))).collect();
        while self.armed.len() < enough {
            let batch = match (self.ready.first().copied(), groups.first().map(|(first, _)| *first)) {
                (Some(alone), group) if group.is_none_or(|first| alone < first) => self.alone(alone, &change_of),
                (_, None) => break,
                _ => self.together(&mut groups),
            };
            for node in &batch.nodes {
                if let Some(change) = change_of(*node) {
                    self.withdraw(*node, change);
                }
            }
            if let Some((Sort::Group, group)) = &batch.subject
                && let Some(ready) = self.by_group.get(group).filter(|ready| self.is_gathered(group, ready))
            {
                groups.extend(ready.first().map(|first| (*first, group.clone())));
            }
            nodes.extend_from_slice(&batch.nodes);
            self.armed.push_back(batch);
        }
        nodes
    }

    fn is_gathered(&self, group: &str, ready: &BTreeSet<usize>) -> bool {
        let most = if let Form::PerGroup(most) = self.capabilities.batch { most } else { 1 };
        ready.len() >= most || ready.len() >= self.expected.get(group).copied().unwrap_or(0)
    }

    /// A batch of one change, or of whatever is ready where a batch may be anything.
    fn alone(&self, node: usize, change_of: &impl Fn(usize) -> Option<&'r Change>) -> Batch {
        if let Form::Any(most) = self.capabilities.batch {
            let nodes = self.ready.iter().copied().take(most.max(1)).collect();
            return Batch { nodes, subject: None, generation: 0, round: 0 };
        }
        let subject = change_of(node).and_then(|change| subject(&change.object));
        let subject = subject.map(|(sort, name)| (sort, self.names.key(name).into_owned()));
        Batch { nodes: vec![node], subject, generation: 0, round: 0 }
    }

    /// A batch of memberships of the first of `groups`.
    fn together(&self, groups: &mut BTreeSet<(usize, String)>) -> Batch {
        let most = if let Form::PerGroup(most) = self.capabilities.batch { most.max(1) } else { 1 };
        let group = groups.pop_first().map(|(_, group)| group).unwrap_or_default();
        let nodes = self.by_group.get(&group).into_iter().flatten().copied().take(most).collect();
        Batch { nodes, subject: Some((Sort::Group, group)), generation: 0, round: 0 }
    }

    /// The next batch to send, if the window and its object are free.
    pub(super) fn next(&mut self) -> Option<Batch> {
        if !self.is_open() || self.in_flight >= self.window.size() {
            return None;
        }
        let free = self.armed.iter().position(|batch| batch.subject.as_ref().is_none_or(|s| !self.busy.contains(s)))?;
        let mut batch = self.armed.remove(free)?;
        (batch.generation, batch.round) = (self.generation, self.window.round());
        self.in_flight += 1;
        self.sent.extend(&batch.nodes);
        self.busy.extend(batch.subject.clone());
        Some(batch)
    }

    /// A batch came back.
    pub(super) fn back(&mut self, batch: &Batch) {
        self.in_flight = self.in_flight.saturating_sub(1);
        for node in &batch.nodes {
            self.sent.remove(node);
        }
        if let Some(subject) = &batch.subject {
            self.busy.remove(subject);
        }
    }

    /// The directory asked to wait, or did not bear this many: half as much at once.
    pub(super) fn slower(&mut self, batch: &Batch) {
        self.window.shrink(batch.round);
    }

    /// Something was learnt of a change: an answer, or a read that shows it.
    pub(super) fn heard_from(&mut self) {
        (self.losses, self.answered, self.reached) = (0, self.answered + 1, true);
    }

    /// The directory can be read.
    pub(super) fn was_reached(&mut self) {
        (self.losses, self.reached) = (0, true);
    }

    /// A batch went through: a little more at once.
    pub(super) fn faster(&mut self) {
        self.window.grow();
    }

    /// The connection was lost under a batch: whether that is news, and if so how
    /// long to wait. `None` where the directory is given up.
    pub(super) fn lost(&mut self, batch: &Batch, why: &str, patience: Patience) -> Option<u64> {
        if batch.generation != self.generation {
            return None;
        }
        self.generation += 1;
        self.losses += 1;
        // Nobody was there to begin with: that is not worth the patience with a restart.
        let most = if self.reached { patience.attempts } else { patience.attempts.min(ATTEMPTS_AT_FIRST) };
        if self.losses >= most {
            self.give_up(self.losses, why);
            return None;
        }
        self.paused = true;
        self.slower(batch);
        Some(patience.wait(self.losses))
    }

    /// Nothing is sent to the directory any more.
    pub(super) fn give_up(&mut self, attempts: u32, why: &str) {
        self.down = Some(format!("`{}` is not reachable, tried {attempts} times: {why}", self.name));
    }

    /// A read failed of which `left` was left: the next one is about half as much, then
    /// about a quarter of that and so on, until few attempts reach a single object.
    pub(super) fn read_failed(&mut self, left: usize) {
        self.failed_reads += 1;
        self.bite = (self.bite.min(left) >> self.failed_reads.min(8)).max(1);
    }

    /// Everything that waits here and was not sent.
    pub(super) fn unsent(&mut self) -> Vec<usize> {
        let mut nodes: Vec<usize> = self.ready.iter().chain(self.by_group.values().flatten()).copied().collect();
        nodes.extend(std::mem::take(&mut self.armed).into_iter().flat_map(|batch| batch.nodes));
        nodes
    }

    /// Whether a read is due: of silent changes, or of everything at the end.
    pub(super) fn wants_read(&self) -> bool {
        let at_the_end = self.left == 0 && !self.verified;
        self.is_idle() && !self.paused && self.writer.is_some() && (!self.silent.is_empty() || at_the_end)
    }
}
