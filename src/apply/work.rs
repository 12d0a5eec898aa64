//! What is executed: the changes, and the graph of what needs what.
//!
//! Comes in: the plan derived just now and, where there is one, the plan that was
//! reviewed. Goes out: the changes of the reviewed plan (of the derived one
//! without a review) with their needs by position. Refuses: a review of something
//! else, and plans that are for reading only.

use crate::model::{Change, ChangeId};
use crate::plan::compare::{Refused, Verdict, compare};
use crate::plan::{Barrier, Plan};
use crate::record::Status;
use std::collections::BTreeMap;

/// Why a change is done that nothing was sent for.
pub const IN_EFFECT: &str = "in effect before this run";

/// The changes to execute and their graph.
#[derive(Debug, Clone)]
pub struct Work<'p> {
    plan: &'p Plan,
    /// The plan that was derived just now: what the directories held.
    derived: &'p Plan,
    /// Needs by position: first all changes in the plan's order, then barriers.
    needs: Vec<Vec<usize>>,
    /// Changes that are not executed at all: position, status, why.
    settled: Vec<(usize, Status, String)>,
}

impl<'p> Work<'p> {
    /// The work of `derived`, or of `reviewed` as far as `derived` still says the same.
    ///
    /// # Errors
    /// When `derived` is for reading only, or `reviewed` is of other policies or options.
    pub fn new(derived: &'p Plan, reviewed: Option<&'p Plan>) -> Result<Self, Refused> {
        Self::going_on(derived, reviewed, &|_| false)
    }

    /// As [`Self::new`]; a reviewed change that is not derived any more because
    /// `in_effect` sees it done is done, not a conflict. See [`super::Found`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn going_on(
        derived: &'p Plan,
        reviewed: Option<&'p Plan>,
        in_effect: &dyn Fn(&Change) -> bool,
    ) -> Result<Self, Refused> {
        if derived.read_only {
            return Err(Refused::ReadOnly);
        }
        let plan = reviewed.unwrap_or(derived);
        let mut work = Self { plan, derived, needs: vec![Vec::new(); plan.changes.len()], settled: Vec::new() };
        let own: BTreeMap<ChangeId, usize> =
            plan.changes.iter().enumerate().map(|(n, change)| (change.id, n)).collect();
        work.connect(plan, &own);
        if reviewed.is_some() {
            let mut twins = BTreeMap::new();
            for verdict in compare(plan, derived, in_effect)? {
                match verdict {
                    Verdict::Same { id, derived } => {
                        if let Some(n) = own.get(&id) {
                            twins.insert(derived, *n);
                        }
                    }
                    Verdict::InEffect { id } => work.settle(&own, id, Status::Done, IN_EFFECT.to_owned()),
                    Verdict::Conflict { id, why } => work.settle(&own, id, Status::Conflict, why),
                    Verdict::Blocked { id, by } => {
                        let why = match own.get(&by).and_then(|n| plan.changes.get(*n)) {
                            Some(change) => format!("needs {}, which is a conflict", words(change)),
                            None => "something it needs is a conflict".to_owned(),
                        };
                        work.settle(&own, id, Status::Skipped, why);
                    }
                }
            }
            // What must come first now counts as well as what had to when it was reviewed.
            work.connect(derived, &twins);
        }
        Ok(work)
    }

    /// The plan that the results belong to.
    pub fn plan(&self) -> &'p Plan {
        self.plan
    }

    /// The plan that was derived just now.
    pub fn derived(&self) -> &'p Plan {
        self.derived
    }

    /// Adds the needs of `plan`, of whose changes `at` says which node they are.
    fn connect(&mut self, plan: &Plan, at: &BTreeMap<ChangeId, usize>) {
        let first = self.needs.len();
        let barriers: BTreeMap<ChangeId, usize> =
            plan.barriers.iter().enumerate().map(|(n, barrier)| (barrier.id, first + n)).collect();
        // A need that is no node of ours is never done: whatever needs it waits for
        // itself, that is, for ever, and is told so.
        let node = |id: &ChangeId, own: usize| at.get(id).or_else(|| barriers.get(id)).copied().unwrap_or(own);
        self.needs.resize(first + plan.barriers.len(), Vec::new());
        let add = |needs: &mut Vec<Vec<usize>>, own: usize, ids: &[ChangeId]| {
            if let Some(list) = needs.get_mut(own) {
                list.extend(ids.iter().map(|id| node(id, own)));
                list.sort_unstable();
                list.dedup();
            }
        };
        for change in &plan.changes {
            if let Some(own) = at.get(&change.id) {
                add(&mut self.needs, *own, &change.needs);
            }
        }
        for Barrier { id, needs } in &plan.barriers {
            if let Some(own) = barriers.get(id) {
                add(&mut self.needs, *own, needs);
            }
        }
    }

    fn settle(&mut self, own: &BTreeMap<ChangeId, usize>, id: ChangeId, status: Status, why: String) {
        if let Some(n) = own.get(&id) {
            self.settled.push((*n, status, why));
        }
    }

    pub(super) fn changes(&self) -> &'p [Change] {
        &self.plan.changes
    }

    pub(super) fn change(&self, node: usize) -> Option<&'p Change> {
        self.plan.changes.get(node)
    }

    pub(super) fn needs(&self) -> &[Vec<usize>] {
        &self.needs
    }

    pub(super) fn presettled(&self) -> &[(usize, Status, String)] {
        &self.settled
    }
}

/// A change in words, with its number.
pub(super) fn words(change: &Change) -> String {
    format!("#{} {}", change.id, crate::plan::draft::words(change))
}
