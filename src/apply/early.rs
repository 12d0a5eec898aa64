//! Groups that are confirmed while others are still written.
//!
//! Comes in: which memberships a directory is to get, and which of them have their
//! result. Goes out: groups whose last change was answered, to be asked about; at the
//! end, what was shown of them. Refuses: runs that write anything but memberships: a
//! rename, an end of an account may touch groups that it does not name.
//!
//! The directory carries out one write after another, and answers questions beside it:
//! asked only after the last write, thousands of groups take half as long again as their
//! writes did. A group is asked after its own last change all the same, and a *yes* is
//! worth no less; everything else is read after the writes, as ever.

use super::effect::{Claim, Expectation, Subject};
use super::names::Sort;
use crate::model::Object;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Groups that are worth a question of their own before the writes are over.
const WORTH: usize = 16;

/// So many memberships of one group are worth asking about one by one: each costs the
/// directory a look at all members.
const FEW: usize = 32;

/// What is asked early in one directory.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// Whether something other than memberships that share batches is written.
    mixed: bool,
    /// Changes without a result, by the group's key.
    open: BTreeMap<String, usize>,
    /// Groups without any, not asked about yet.
    finished: Vec<String>,
    /// Whether a question is on its way.
    asking: bool,
    /// Groups that were asked about, as objects.
    asked: BTreeSet<Object>,
    /// Those of which everything was shown.
    settled: BTreeSet<Object>,
    /// Nodes that were shown to be in effect.
    shown: BTreeSet<usize>,
}

impl Early {
    /// Counts a change before anything runs; `group` is the key of the group of a
    /// membership that shares batches.
    pub(super) fn expect(&mut self, group: Option<&str>) {
        match group.map(|group| (group, self.open.get_mut(group))) {
            None => self.mixed = true,
            Some((_, Some(open))) => *open += 1,
            Some((group, None)) => drop(self.open.insert(group.to_owned(), 1)),
        }
    }

    /// A change got its result.
    pub(super) fn settled(&mut self, group: Option<&str>) {
        let Some((group, open)) = group.and_then(|group| Some((group, self.open.get_mut(group)?))) else { return };
        *open = open.saturating_sub(1);
        if *open == 0 && !self.mixed {
            self.finished.push(group.to_owned());
        }
    }

    /// Whether a question is on its way.
    pub(super) fn is_asking(&self) -> bool {
        self.asking
    }

    /// The memberships to ask about next, by group, if that is worth it; the answers
    /// go to [`Self::answered`].
    pub(super) fn next(&mut self, expectation: &Expectation<'_>) -> Option<BTreeMap<Object, Vec<usize>>> {
        if self.mixed || self.asking || self.finished.len() < WORTH {
            return None;
        }
        let finished = std::mem::take(&mut self.finished);
        let few: BTreeMap<_, _> = finished.iter().filter_map(|group| expectation.few_of(group)).collect();
        self.asked.extend(few.keys().cloned());
        self.asking = !few.is_empty();
        self.asking.then_some(few)
    }

    /// What the directory said: nodes that are shown, groups of which all are.
    pub(super) fn answered(&mut self, shown: BTreeSet<usize>, settled: BTreeSet<Object>) {
        self.asking = false;
        self.shown.extend(shown);
        self.settled.extend(settled);
    }

    /// Whether a group was asked about: only a read tells more then.
    pub(super) fn was_asked(&self, group: &Object) -> bool {
        self.asked.contains(group)
    }

    /// Whether all of a group was shown: it need not be read.
    pub(super) fn is_settled(&self, group: &Object) -> bool {
        self.settled.contains(group)
    }

    /// Nodes that were shown to be in effect.
    pub(super) fn shown(&self) -> &BTreeSet<usize> {
        &self.shown
    }
}

impl<'c> Expectation<'c> {
    /// Groups of which nothing is claimed but a few members, with the nodes that claim
    /// them: these can be asked about without reading the group.
    pub(super) fn few(&self) -> BTreeMap<Object, Vec<usize>> {
        let mut groups: BTreeMap<&Subject<'_>, Option<Vec<usize>>> = BTreeMap::new();
        for (claim, (_, node)) in self.claims.iter().filter(|_| !self.renamed) {
            match claim {
                Claim::Member(of, ..) => {
                    let nodes = groups.entry(of).or_insert_with(|| Some(Vec::new()));
                    if let Some(list) = nodes.as_mut().filter(|list| list.len() < FEW) {
                        list.push(*node);
                    } else {
                        *nodes = None;
                    }
                }
                Claim::Exists(of) | Claim::Value(of, _) | Claim::Until(of, _) => drop(groups.insert(of, None)),
            }
        }
        groups.into_iter().filter_map(|(of, nodes)| Some((self.object(of), nodes?))).collect()
    }

    /// One such group by its key, while nothing but memberships without ends was claimed
    /// of anything: whether the directory ends one, only a read tells.
    pub(super) fn few_of(&self, group: &str) -> Option<(Object, Vec<usize>)> {
        let of: Subject<'c> = (Sort::Group, Cow::Owned(group.to_owned()));
        let first = Claim::Member(of.clone(), false, Cow::Borrowed(""));
        let own = self.claims.range(first..).take_while(|(claim, _)| *claim.of() == of);
        let nodes: Vec<usize> = own.map(|(_, (_, node))| *node).take(FEW + 1).collect();
        let is_plain = !self.renamed && !self.dated;
        (is_plain && (1..=FEW).contains(&nodes.len())).then(|| (self.object(&of), nodes))
    }
}
