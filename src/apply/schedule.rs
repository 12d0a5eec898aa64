//! What may go next, and what came of everything.
//!
//! Comes in: the graph and one result after another. Goes out: the changes that
//! became ready, and those that never will. Refuses: a second result for a change.

use super::work::{Work, words};
use crate::record::Status;

/// The state of every node of the graph.
pub(super) struct Schedule<'p> {
    work: &'p Work<'p>,
    /// Needs that are not done yet.
    unmet: Vec<u32>,
    dependants: Vec<Vec<usize>>,
    results: Vec<Option<(Status, Option<String>)>>,
    /// Changes without a result.
    left: usize,
}

/// What one result leads to.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// Changes whose needs are all done now, ascending.
    pub(super) ready: Vec<usize>,
    /// Changes that got a result, in order: the first is the one that was settled.
    pub(super) settled: Vec<usize>,
}

impl<'p> Schedule<'p> {
    /// The schedule at the beginning, and what is ready or settled at once.
    pub(super) fn new(work: &'p Work<'p>) -> (Self, Consequences) {
        let nodes = work.needs().len();
        let mut schedule = Self {
            work,
            unmet: vec![0; nodes],
            dependants: vec![Vec::new(); nodes],
            results: vec![None; nodes],
            left: work.changes().len(),
        };
        for (node, needs) in work.needs().iter().enumerate() {
            if let Some(unmet) = schedule.unmet.get_mut(node) {
                *unmet = u32::try_from(needs.len()).unwrap_or(u32::MAX);
            }
            for need in needs {
                if let Some(list) = schedule.dependants.get_mut(*need) {
                    list.push(node);
                }
            }
        }
        let mut first = Consequences::default();
        for (node, status, why) in work.presettled() {
            schedule.settle(*node, *status, Some(why.clone()), &mut first);
        }
        for node in 0..nodes {
            if schedule.unmet.get(node) == Some(&0) && !schedule.is_settled(node) {
                schedule.release(node, &mut first);
            }
        }
        first.ready.retain(|node| !schedule.is_settled(*node));
        first.ready.sort_unstable();
        first.ready.dedup();
        (schedule, first)
    }

    /// Changes without a result.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Whether the node has a result.
    pub(super) fn is_settled(&self, node: usize) -> bool {
        self.results.get(node).is_some_and(Option::is_some)
    }

    /// The result of a node.
    pub(super) fn result(&self, node: usize) -> Option<(Status, Option<&str>)> {
        self.results.get(node)?.as_ref().map(|(status, why)| (*status, why.as_deref()))
    }

    /// Gives a node its result. A second one is ignored.
    pub(super) fn settle(&mut self, node: usize, status: Status, why: Option<String>, to: &mut Consequences) {
        let mut open = vec![(node, status, why)];
        while let Some((node, status, why)) = open.pop() {
            let Some(cell @ None) = self.results.get_mut(node) else { continue };
            *cell = Some((status, why));
            let is_change = self.work.change(node).is_some();
            if is_change {
                self.left -= 1;
                to.settled.push(node);
            }
            let dependants = self.dependants.get(node).cloned().unwrap_or_default();
            for dependant in dependants {
                if status.is_done() {
                    let Some(unmet) = self.unmet.get_mut(dependant) else { continue };
                    *unmet = unmet.saturating_sub(1);
                    if *unmet == 0 && !self.is_settled(dependant) {
                        self.release_onto(dependant, &mut open, to);
                    }
                } else {
                    open.push(self.after_failure(node, dependant));
                }
            }
        }
    }

    /// Replaces an acknowledged result by what a read showed. What needed it and was
    /// not sent yet is stopped.
    pub(super) fn correct(&mut self, node: usize, why: String, is_sent: impl Fn(usize) -> bool, to: &mut Consequences) {
        if let Some(cell) = self.results.get_mut(node) {
            *cell = Some((Status::NotInEffect, Some(why)));
        }
        let why = self.blame(node);
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            for dependant in self.dependants.get(node).cloned().unwrap_or_default() {
                if self.work.change(dependant).is_none() {
                    open.push(dependant);
                } else if !is_sent(dependant) {
                    self.settle(dependant, Status::Skipped, Some(why.clone()), to);
                }
            }
        }
    }

    /// What becomes of `dependant` when `node`, which it needs, is not done.
    fn after_failure(&self, node: usize, dependant: usize) -> (usize, Status, Option<String>) {
        match self.result(node) {
            // A run that was stopped failed at nothing.
            Some((Status::NotStarted, why)) => (dependant, Status::NotStarted, why.map(str::to_owned)),
            _ => (dependant, Status::Skipped, Some(self.blame(node))),
        }
    }

    /// A node without open needs: a barrier is done, a change is ready.
    fn release(&mut self, node: usize, to: &mut Consequences) {
        let mut open = Vec::new();
        self.release_onto(node, &mut open, to);
        for (node, status, why) in open {
            self.settle(node, status, why, to);
        }
    }

    fn release_onto(&self, node: usize, open: &mut Vec<(usize, Status, Option<String>)>, to: &mut Consequences) {
        if self.work.change(node).is_some() {
            to.ready.push(node);
        } else {
            open.push((node, Status::Done, None));
        }
    }

    /// Why whatever needs `node` is skipped.
    fn blame(&self, node: usize) -> String {
        match (self.work.change(node), self.result(node)) {
            // The root of it, not the whole chain: chains are as long as plans.
            (Some(_), Some((Status::Skipped, Some(why)))) | (None, Some((_, Some(why)))) => why.to_owned(),
            (Some(change), Some((status, _))) => format!("needs {}, which {}", words(change), status.phrase()),
            _ => "something it needs is not done".to_owned(),
        }
    }
}
