//! What the directory itself protects, and memberships that it keeps elsewhere.
//!
//! Comes in: account and group entries of Active Directory. Goes out: objects that no
//! change may concern, and members by primary group. Refuses: other dialects.

use super::collect::{Collector, Entry};
use crate::model::Object;
use crate::model::state::{AccountSlot, GroupSlot};
use crate::provider::Protected;
use crate::provider::active_directory::protection::Facts;
use crate::provider::entries::Relative;
use std::collections::BTreeMap;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Protection {
    found: Vec<Protected>,
    /// Accounts with the relative identifier of their primary group.
    primary: Vec<(AccountSlot, u32)>,
    /// Groups by relative identifier.
    groups: BTreeMap<u32, GroupSlot>,
}

impl Protection {
    fn note(&mut self, object: Object, facts: &Facts) {
        self.found.extend(facts.why().map(|why| Protected { object, why }));
    }
}

fn facts(entry: &dyn Entry) -> Facts {
    let mut facts = Facts::default();
    entry.visit(&mut |attribute, value| facts.take(attribute, value));
    facts
}

impl Collector<'_> {
    pub(super) fn protect_account(&mut self, slot: AccountSlot, name: &str, entry: &dyn Entry) {
        if self.schema.is_active() {
            let facts = facts(entry);
            self.protection.note(Object::account(name), &facts);
            self.protection.primary.extend(facts.primary.map(|group| (slot, group)));
        }
    }

    pub(super) fn protect_group(&mut self, slot: GroupSlot, name: &str, entry: &dyn Entry) {
        if self.schema.is_active() {
            let facts = facts(entry);
            self.protection.note(Object::group(name), &facts);
            self.protection.groups.extend(facts.rid().map(|rid| (rid, slot)));
        }
    }

    /// Members by primary group, which no `member` shows and no revoke can end; and
    /// everything that is protected, sorted.
    pub(super) fn settle_protection(&mut self) -> (Vec<Protected>, Relative) {
        let Protection { mut found, primary, groups } = std::mem::take(&mut self.protection);
        let relative = Relative {
            groups: groups.keys().copied().collect(),
            primary: primary.iter().map(|(_, group)| *group).collect(),
        };
        for (account, rid) in primary {
            let Some(group) = groups.get(&rid) else { continue };
            self.builder.member(*group, account, None);
            let name = self.group_names.get(group.0 as usize).map_or("", AsRef::as_ref);
            let object = Object::membership(name, self.builder.name_of(account));
            let why = "it is the account's primary group".to_owned();
            found.push(Protected { object, why });
        }
        found.sort();
        (found, relative)
    }
}
