//! Which objects may change without being written.
//!
//! Comes in: a state; handles that are not what they were. Goes out: objects that name
//! something unknown, or one of those handles. Refuses: to trust a change counter there:
//! overlays that keep references in order (refint, memberof; Active Directory by itself)
//! take a name out of every entry that lists it when the entry that it names goes, and
//! leave those entries' own counters as they were.

use super::Schema;
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{Matching, State};
use crate::provider::dn;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Numbers of accounts and groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loose {
    /// Accounts.
    pub accounts: BTreeSet<u32>,
    /// Groups.
    pub groups: BTreeSet<u32>,
}

impl Loose {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.groups.is_empty()
    }

    /// Both together.
    pub fn extend(&mut self, other: &Self) {
        self.accounts.extend(&other.accounts);
        self.groups.extend(&other.groups);
    }
}

/// The objects that name a DN which is none of this state's. `by_name`: members are no
/// DNs. `columns`: attributes that hold DNs beside those that always do.
pub fn loose(state: &State, by_name: bool, columns: &[u32]) -> Loose {
    let mut known: Vec<Cow<'_, str>> = Vec::new();
    if has_references(state, columns) {
        let handles = state.accounts().map(AccountRef::handle).chain(state.groups().map(GroupRef::handle));
        known.extend(handles.filter_map(|handle| dn::key(handle).ok()));
        known.sort_unstable();
    }
    let mut out = references(state, columns, |key| known.binary_search_by(|other| other.as_ref().cmp(key)).is_err());
    if !by_name {
        let unknown = |member: Member<'_>| matches!(member, Member::Other(text) if dn::key(text).is_ok());
        out.groups.extend(state.groups().filter(|group| group.others().any(unknown)).map(|group| group.id().0));
    }
    out
}

/// The objects with an attribute (members are not looked at) that names one of `keys`.
pub fn mentioning(state: &State, columns: &[u32], keys: &BTreeSet<String>) -> Loose {
    if keys.is_empty() { Loose::default() } else { references(state, columns, |key| keys.contains(key)) }
}

fn is_reference(attribute: &str) -> bool {
    Schema::matching(attribute) == Matching::Dn
}

/// Groups come with attributes that nobody listed: what looks like a DN may be kept in
/// order like one.
fn may_be_dn(attribute: &str, value: &str) -> bool {
    is_reference(attribute) || (value.contains('=') && dn::key(value).is_ok())
}

fn has_references(state: &State, columns: &[u32]) -> bool {
    let held = |(name, values): &(Box<str>, Vec<Box<str>>)| values.iter().any(|value| may_be_dn(name, value));
    !columns.is_empty()
        || state.attributes().iter().any(|name| is_reference(name))
        || state.groups().any(|group| group.attributes().iter().any(held))
}

fn references(state: &State, columns: &[u32], meant: impl Fn(&str) -> bool) -> Loose {
    let is_meant = |value: &str| dn::key(value).is_ok_and(|key| meant(&key));
    let listed = |n: usize| columns.iter().any(|column| *column as usize == n);
    let columns: Vec<usize> = (state.attributes().iter().enumerate())
        .filter(|(n, name)| is_reference(name) || listed(*n))
        .map(|(n, _)| n)
        .collect();
    let mut out = Loose::default();
    if !columns.is_empty() {
        let accounts = state.accounts().filter(|account| columns.iter().any(|n| account.values(*n).any(is_meant)));
        out.accounts.extend(accounts.map(|account| account.id().0));
    }
    for group in state.groups() {
        let mut values = group.attributes().iter().flat_map(|(name, list)| list.iter().map(move |value| (name, value)));
        if values.any(|(name, value)| may_be_dn(name, value) && is_meant(value)) {
            out.groups.insert(group.id().0);
        }
    }
    out
}
