//! What a delta does to what it does not bring.
//!
//! Comes in: a base, a delta, which rows stay. Goes out: what the directory protects by
//! itself; the names of accounts that new values call by their DNs; which accounts call
//! somebody who has another name now. Refuses: to change a value that was not read.

use super::merge::Base;
use crate::model::State;
use crate::model::state::{AccountRef, GroupRef};
use crate::provider::identities::{Identities, ObjectId};
use crate::provider::{Protected, Reading, dn};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What is protected: of the rows that stay, as it was; of those that came, as they say.
pub(super) fn protected(
    base: &Base,
    reading: &Reading,
    identities: &Identities,
    kept_accounts: &[bool],
    kept_groups: &[bool],
) -> Vec<Protected> {
    if base.protected.is_empty() && reading.protected.is_empty() {
        return Vec::new();
    }
    let came = |ids: &[ObjectId]| -> BTreeSet<ObjectId> { ids.iter().copied().collect() };
    let (accounts, groups) = (came(&identities.accounts), came(&identities.groups));
    let rows = base.state.accounts().map(AccountRef::name).zip(&base.identities.accounts).zip(kept_accounts);
    let stale: BTreeSet<&str> =
        rows.filter(|((_, id), kept)| !**kept || accounts.contains(id)).map(|((name, _), _)| name).collect();
    let rows = base.state.groups().map(GroupRef::name).zip(&base.identities.groups).zip(kept_groups);
    let stale_groups: BTreeSet<&str> =
        rows.filter(|((_, id), kept)| !**kept || groups.contains(id)).map(|((name, _), _)| name).collect();
    let stays = |protected: &&Protected| {
        let object = &protected.object;
        !object.account.as_deref().is_some_and(|name| stale.contains(name))
            && !object.group.as_deref().is_some_and(|name| stale_groups.contains(name))
    };
    let mut out: Vec<Protected> = base.protected.iter().filter(stays).chain(&reading.protected).cloned().collect();
    out.sort();
    out.dedup();
    out
}

/// What values of attributes that name accounts become.
pub(super) struct Names<'a> {
    columns: &'a [u32],
    /// Key of a DN that a new value calls → the account's name.
    by_key: BTreeMap<String, &'a str>,
    /// Names whose bearers are not what they were.
    departed: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn new(base: &'a Base, new: &'a State, identities: &'a Identities, kept: &[bool]) -> Self {
        let columns = identities.references.as_slice();
        let mut out = Self { columns, by_key: BTreeMap::new(), departed: BTreeSet::new() };
        if columns.is_empty() {
            return out;
        }
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for account in new.accounts() {
            let values = columns.iter().flat_map(|n| account.values(*n as usize));
            wanted.extend(values.filter_map(|value| dn::key(value).ok()).map(Cow::into_owned));
        }
        let staying = base.state.accounts().zip(kept).filter(|(_, kept)| **kept).map(|(account, _)| account);
        // What came says where it is now.
        for account in staying.chain(new.accounts()).filter(|_| !wanted.is_empty()) {
            if let Ok(key) = dn::key(account.handle())
                && wanted.contains(key.as_ref())
            {
                out.by_key.insert(key.into_owned(), account.name());
            }
        }
        let now: BTreeMap<&ObjectId, &str> =
            identities.accounts.iter().zip(new.accounts().map(AccountRef::name)).collect();
        let was = base.state.accounts().map(AccountRef::name).zip(&base.identities.accounts).zip(kept);
        let gone = was.filter(|((name, id), kept)| !**kept && now.get(id) != Some(name));
        out.departed.extend(gone.map(|((name, _), _)| name));
        out
    }

    /// What a value of a new or changed account says, where the attribute names an account.
    pub(super) fn account<'v>(&'v self, column: usize, value: &'v str) -> &'v str {
        if !self.columns.iter().any(|n| *n as usize == column) {
            return value;
        }
        dn::key(value).ok().and_then(|key| self.by_key.get(key.as_ref())).map_or(value, |name| name)
    }

    /// Accounts that call somebody by a name which is not theirs any more.
    pub(super) fn departed(&self, state: &State, columns: &[u32]) -> BTreeSet<u32> {
        if self.departed.is_empty() {
            return BTreeSet::new();
        }
        let calls = |account: &AccountRef<'_>| {
            columns.iter().flat_map(|n| account.values(*n as usize)).any(|value| self.departed.contains(value))
        };
        state.accounts().filter(calls).map(|account| account.id().0).collect()
    }
}
