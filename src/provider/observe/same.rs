//! What a delta brings although it is as it was.
//!
//! Comes in: a base and the objects that came. Goes out: the ids of those that came and
//! are no different. Refuses: to call a group the same that names a member in two ways.
//!
//! A server is asked from a moment before the last reading, and so sends what was written
//! last again: without this, a directory in which nothing happens would be merged anew,
//! and its snapshot written anew, with every plan.

use super::merge::Base;
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{AccountId, State, StateGroupId};
use crate::provider::identities::{Identities, ObjectId, Target};
use std::collections::{BTreeMap, BTreeSet};

/// What came and is as it was: ids.
pub(super) struct Same {
    pub(super) accounts: BTreeSet<ObjectId>,
    pub(super) groups: BTreeSet<ObjectId>,
}

impl Same {
    pub(super) fn new(base: &Base, new: &State, ids: &Identities) -> Self {
        let by_id = |ids: &[ObjectId]| -> BTreeMap<ObjectId, u32> { ids.iter().copied().zip(0..).collect() };
        let (accounts, groups) = (by_id(&ids.accounts), by_id(&ids.groups));
        let mut same = Self { accounts: BTreeSet::new(), groups: BTreeSet::new() };
        if !accounts.is_empty() {
            for (was, id) in base.state.accounts().zip(&base.identities.accounts) {
                let now = accounts.get(id).and_then(|n| new.account(AccountId(*n)));
                if now.is_some_and(|now| same_account(was, now, new.attributes().len())) {
                    same.accounts.insert(*id);
                }
            }
        }
        if !groups.is_empty() {
            for (was, id) in base.state.groups().zip(&base.identities.groups) {
                let now = groups.get(id).and_then(|n| new.group(StateGroupId(*n)));
                if now.is_some_and(|now| same_group(&base.state, &base.identities, was, new, ids, now)) {
                    same.groups.insert(*id);
                }
            }
        }
        same
    }
}

fn same_account(a: AccountRef<'_>, b: AccountRef<'_>, attributes: usize) -> bool {
    (a.name(), a.handle(), a.person_id(), a.enabled(), a.ends())
        == (b.name(), b.handle(), b.person_id(), b.enabled(), b.ends())
        && (0..attributes).all(|n| a.values(n).eq(b.values(n)))
}

fn same_group(
    state: &State,
    ids: &Identities,
    a: GroupRef<'_>,
    new: &State,
    new_ids: &Identities,
    b: GroupRef<'_>,
) -> bool {
    let plain = (a.name(), a.handle(), a.attributes()) == (b.name(), b.handle(), b.attributes());
    let clear = !ids.ambiguous.contains(&a.id().0) && !new_ids.ambiguous.contains(&b.id().0);
    plain && clear && written_in(state, ids, a) == written_in(new, new_ids, b)
}

/// The members of a group as the directory writes them, sorted.
fn written_in<'s>(state: &'s State, ids: &'s Identities, group: GroupRef<'s>) -> Vec<&'s str> {
    let spelled = |target| ids.spelled.get(group.id().0, target);
    let accounts = group.members().iter().filter_map(|id| {
        let account = state.account(*id)?;
        let usual = if ids.by_name { account.name() } else { account.handle() };
        Some(spelled(Target::Account(id.0)).unwrap_or(usual))
    });
    let others = group.others().map(|other| match other {
        Member::Group(name) => state
            .group_named(name)
            .map_or(name, |nested| spelled(Target::Group(nested.id().0)).unwrap_or(nested.handle())),
        Member::Account(text) | Member::Other(text) => text,
    });
    let mut list: Vec<&str> = accounts.chain(others).collect();
    list.sort_unstable();
    list
}
