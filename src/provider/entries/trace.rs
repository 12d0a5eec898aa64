//! What a later read needs to go on from this one, noted while entries pass.
//!
//! Comes in: entries and resolved members. Goes out: [`Traced`]: identities beside the
//! finished state, and the entries above the objects. Refuses: identities when a single
//! entry showed no id: a delta could not say what became of it.

use super::collect::Entry;
use super::loose::loose;
use crate::model::state::{AccountSlot, GroupSlot, Member, Order};
use crate::model::{State, StateGroupId};
use crate::provider::dn;
use crate::provider::identities::{Identities, ObjectId, Spellings, Target};
use std::collections::BTreeSet;

/// What was noted.
#[derive(Debug)]
pub struct Traced {
    /// Beside the state; otherwise the DN of an entry that showed no id.
    pub identities: Result<Identities, String>,
    /// The DNs directly above accounts and groups, each once, as written.
    pub parents: BTreeSet<Box<str>>,
    /// Entries below the accounts' base that are no account.
    pub no_accounts: Vec<ObjectId>,
    /// Entries of the groups' class that are no group.
    pub no_groups: Vec<ObjectId>,
    /// In a domain: relative identifiers of the groups, and of primary groups.
    pub relative: Relative,
}

/// Which groups could be somebody's primary one: relative identifiers, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relative {
    /// Of the groups.
    pub groups: BTreeSet<u32>,
    /// That accounts name.
    pub primary: BTreeSet<u32>,
}

impl Relative {
    /// A group that is an account's primary one, whether `other` has the one or the other.
    pub fn meets(&self, other: &Self) -> Option<u32> {
        let met = |a: &BTreeSet<u32>, b: &BTreeSet<u32>| a.intersection(b).next().copied();
        met(&self.groups, &other.primary).or_else(|| met(&self.primary, &other.groups))
    }

    /// Both together.
    pub fn extend(&mut self, other: &Self) {
        self.groups.extend(&other.groups);
        self.primary.extend(&other.primary);
    }
}

/// How often a group names accounts, and groups.
pub(crate) type Named = (usize, usize);

/// Notes while entries pass.
#[derive(Default)]
pub(super) struct Trace {
    accounts: Vec<ObjectId>,
    groups: Vec<ObjectId>,
    by_name: bool,
    /// By group slot and member slot.
    spelled: Spellings,
    /// By group slot: how often it names an account, and a group.
    named: Vec<Named>,
    parents: BTreeSet<Box<str>>,
    /// The parent seen last: most entries are beside the one before.
    last_parent: Box<str>,
    no_accounts: Vec<ObjectId>,
    no_groups: Vec<ObjectId>,
    without_id: Option<String>,
    references: Vec<u32>,
}

impl Trace {
    /// `references`: columns of attributes whose values become names of accounts.
    pub(super) fn new(by_name: bool, references: Vec<u32>) -> Self {
        Self { by_name, references, ..Self::default() }
    }

    pub(super) fn account(&mut self, entry: &dyn Entry) {
        let id = self.object(entry);
        self.accounts.push(id);
    }

    pub(super) fn group(&mut self, entry: &dyn Entry) {
        let id = self.object(entry);
        self.groups.push(id);
        self.named.push((0, 0));
    }

    pub(super) fn no_account(&mut self, entry: &dyn Entry) {
        self.no_accounts.extend(entry.id());
    }

    pub(super) fn no_group(&mut self, entry: &dyn Entry) {
        self.no_groups.extend(entry.id());
    }

    fn object(&mut self, entry: &dyn Entry) -> ObjectId {
        let parent = dn::parent(entry.dn()).unwrap_or_default();
        if parent != self.last_parent.as_ref() {
            self.last_parent = parent.into();
            self.parents.insert(self.last_parent.clone());
        }
        entry.id().unwrap_or_else(|| {
            self.without_id.get_or_insert_with(|| entry.dn().to_owned());
            ObjectId([0; 16])
        })
    }

    /// `group` writes the account as `text`; it is called `known` (name and handle).
    pub(super) fn member(&mut self, group: GroupSlot, account: AccountSlot, text: &str, known: (&str, &str)) {
        if let Some((accounts, _)) = self.named.get_mut(group.0 as usize) {
            *accounts += 1;
        }
        let usual = if self.by_name { known.0 } else { known.1 };
        if text != usual {
            self.spelled.push(group.0, Target::Account(account.0), text);
        }
    }

    /// `group` writes the group `nested`, whose handle is `handle`, as `text`.
    pub(super) fn nested(&mut self, group: GroupSlot, nested: GroupSlot, text: &str, handle: &str) {
        if let Some((_, groups)) = self.named.get_mut(group.0 as usize) {
            *groups += 1;
        }
        if text != handle {
            self.spelled.push(group.0, Target::Group(nested.0), text);
        }
    }

    /// What was noted, by the numbers of the finished state.
    pub(super) fn finish(self, state: &State, order: &Order, relative: Relative) -> Traced {
        let identities = match self.without_id {
            Some(dn) => Err(dn),
            None => Ok(Identities {
                accounts: placed(&self.accounts, &order.accounts),
                groups: placed(&self.groups, &order.groups),
                by_name: self.by_name,
                spelled: renumbered(self.spelled, order),
                ambiguous: ambiguous(state, &self.named, &order.groups),
                loose: loose(state, self.by_name, &self.references),
                references: self.references,
                beside: self
                    .no_accounts
                    .iter()
                    .chain(&self.no_groups)
                    .copied()
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            }),
        };
        let Self { parents, no_accounts, no_groups, .. } = self;
        Traced { identities, parents, no_accounts, no_groups, relative }
    }
}

fn placed(ids: &[ObjectId], order: &[u32]) -> Vec<ObjectId> {
    let mut out = vec![ObjectId([0; 16]); ids.len()];
    for (id, number) in ids.iter().zip(order) {
        if let Some(cell) = out.get_mut(*number as usize) {
            *cell = *id;
        }
    }
    out
}

fn renumbered(mut spelled: Spellings, order: &Order) -> Spellings {
    let number = |order: &[u32], slot: u32| order.get(slot as usize).copied().unwrap_or(slot);
    spelled.sort(|group, target| {
        let target = match target {
            Target::Account(slot) => Target::Account(number(&order.accounts, slot)),
            Target::Group(slot) => Target::Group(number(&order.groups, slot)),
        };
        (number(&order.groups, group), target)
    });
    spelled
}

/// Groups that name more accounts, or more groups, than they have: some are written in
/// two ways. `named` is by slot, `order` says which number a slot became.
pub(crate) fn ambiguous(state: &State, named: &[Named], order: &[u32]) -> BTreeSet<u32> {
    let twice = |(number, (accounts, groups)): (&u32, &Named)| {
        let group = state.group(StateGroupId(*number))?;
        let nested = group.others().filter(|other| matches!(other, Member::Group(_))).count();
        (group.members().len() != *accounts || nested != *groups).then_some(*number)
    };
    order.iter().zip(named).filter_map(twice).collect()
}
