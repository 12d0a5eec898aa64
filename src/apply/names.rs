//! Handles of a directory's objects while the run creates and renames them.
//!
//! Comes in: what was observed, and what became done. Goes out: the handle of an
//! object by the name it has at that moment. Refuses: to guess; an object that was
//! neither observed nor made has no handle.

use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, GroupRef};
use crate::model::{AccountId, Action, Change, Object, State};
use crate::provider::{Kind, Observed, Step};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

/// Account or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Account,
    Group,
}

/// Of so many observed accounts one look-up is expected before numbering all of them pays.
const PER_LOOKUP: usize = 32;

/// Handles by name.
pub(super) struct Names<'a> {
    kind: &'a dyn Kind,
    observed: &'a State,
    /// Observed accounts by name, once many were looked for: a search through a hundred
    /// thousand sorted names waits for the memory at each of its steps.
    numbered: OnceCell<HashTable<u32>>,
    looked_for: Cell<usize>,
    /// Keys of observed groups that hold their placeholder, where that is known.
    placeholders: Option<BTreeSet<Cow<'a, str>>>,
    /// Accounts that were made or moved in this run.
    accounts: BTreeMap<String, String>,
    /// Groups that were.
    groups: BTreeMap<String, String>,
}

impl<'a> Names<'a> {
    pub(super) fn new(kind: &'a dyn Kind, observed: &'a Observed) -> Self {
        let Observed { state, placeholders, .. } = observed;
        let keys = |list: &'a Vec<Box<str>>| list.iter().map(|name| state.names().key(name)).collect();
        let placeholders = placeholders.as_ref().map(keys);
        Self {
            kind,
            observed: state,
            numbered: OnceCell::new(),
            looked_for: Cell::new(0),
            placeholders,
            accounts: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// The observed account of that name.
    fn observed_account(&self, name: &str) -> Option<AccountRef<'a>> {
        let state = self.observed;
        self.looked_for.set(self.looked_for.get() + 1);
        if self.looked_for.get() * PER_LOOKUP < state.account_count() {
            return state.account_named(name);
        }
        let key_of = |n: u32| state.account(AccountId(n)).map_or("", AccountRef::key);
        let numbered = self.numbered.get_or_init(|| {
            let mut numbered = HashTable::with_capacity(state.account_count());
            for account in state.accounts() {
                numbered.insert_unique(hash(account.key()), account.id().0, |n| hash(key_of(*n)));
            }
            numbered
        });
        let key = self.key(name);
        let found = numbered.find(hash(&key), |n| key_of(*n) == key)?;
        state.account(AccountId(*found))
    }

    /// The comparison key of a name.
    pub(super) fn key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        self.observed.names().key(name)
    }

    /// The handle of an object.
    pub(super) fn handle(&self, sort: Sort, name: &str) -> Option<&str> {
        let made = match sort {
            Sort::Account => &self.accounts,
            Sort::Group => &self.groups,
        };
        made.get(self.key(name).as_ref()).map(String::as_str).or_else(|| match sort {
            Sort::Account => self.observed_account(name).map(AccountRef::handle),
            Sort::Group => self.observed.group_named(name).map(GroupRef::handle),
        })
    }

    /// The change with its handles.
    pub(super) fn step<'c>(&self, change: &'c Change) -> Step<'c> {
        let creates = matches!(change.action, Action::CreateAccount | Action::CreateGroup);
        let handle = match subject(&change.object) {
            Some((sort, name)) if !creates => self.handle(sort, name),
            _ => None,
        };
        let member = match &change.object {
            Object { group: Some(_), account: Some(account), .. } => self.handle(Sort::Account, account),
            Object { member: Some(OtherMember::Group(group)), .. } => self.handle(Sort::Group, group),
            Object { member: Some(OtherMember::Other(text)), .. } => Some(text.as_str()),
            _ => None,
        };
        let (handle, member) = (handle.map(str::to_owned), member.map(str::to_owned));
        Step { change, handle, member, placeholder: self.placeholder(&change.object) }
    }

    /// Whether the group of a membership was seen to hold its placeholder.
    fn placeholder(&self, object: &Object) -> Option<bool> {
        let held = self.placeholders.as_ref()?;
        let group = self.observed.group_named(object.group.as_deref()?)?;
        Some(held.contains(group.key()))
    }

    /// Takes note of a change that is done; `handle` is what the directory answered.
    pub(super) fn done(&mut self, change: &Change, handle: Option<String>) {
        let Some((sort, name)) = subject(&change.object) else { return };
        let own = |name: &str| match sort {
            Sort::Account => self.kind.account_handle(name),
            Sort::Group => self.kind.group_handle(name),
        };
        match change.action {
            Action::CreateAccount | Action::CreateGroup => {
                let handle = handle.unwrap_or_else(|| own(name));
                self.make(sort, name, handle);
            }
            Action::RenameAccount | Action::RenameGroup => {
                let new = new_name(change).unwrap_or(name);
                // Without an answer the handle stays: kinds that have no names in their
                // handles do not answer one.
                if let Some(handle) = handle.or_else(|| self.handle(sort, name).map(str::to_owned)) {
                    self.make(sort, new, handle);
                }
            }
            _ => {}
        }
    }

    fn make(&mut self, sort: Sort, name: &str, handle: String) {
        let key = self.key(name).into_owned();
        match sort {
            Sort::Account => self.accounts.insert(key, handle),
            Sort::Group => self.groups.insert(key, handle),
        };
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// The object that a change writes to: a membership is written to its group.
pub(super) fn subject(object: &Object) -> Option<(Sort, &str)> {
    match (&object.group, &object.account) {
        (Some(group), _) => Some((Sort::Group, group)),
        (None, Some(account)) => Some((Sort::Account, account)),
        (None, None) => None,
    }
}

/// The new name of a rename.
pub(super) fn new_name(change: &Change) -> Option<&str> {
    change.after.as_ref()?.get("name")?.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Matching, StateBuilder};
    use crate::policy::load;
    use crate::provider::connect;
    use crate::source::InMemory;

    #[test]
    fn an_account_is_found_by_any_spelling_before_and_after_all_are_numbered() {
        let mut b = StateBuilder::new(Matching::CaseIgnore, [""; 0]);
        for n in 0..1000 {
            b.account(&format!("U{n}"), &format!("uid=u{n}"));
        }
        let observed = Observed { state: b.finish().unwrap(), ..Observed::default() };
        let yaml = "organization: x\ntimezone: UTC\ndirectories:\n  corp:\n    kind: ldif\n    file: d.ldif\n    \
                    accounts: { base: \"ou=p,dc=x\", match: uid }\n    groups: { base: \"ou=g,dc=x\" }\n";
        let policy = load(&InMemory::new([("policies/accord.yaml", yaml)])).unwrap();
        let kind = connect::kind(&policy.directories[0]).unwrap();
        let names = Names::new(kind.as_ref(), &observed);
        for n in (0..1000).chain(0..3) {
            assert_eq!(names.handle(Sort::Account, &format!("u{n}")), Some(format!("uid=u{n}").as_str()));
            assert_eq!(names.handle(Sort::Account, "u1000"), None);
        }
        assert!(names.numbered.get().is_some());
    }
}
