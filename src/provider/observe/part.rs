//! Parts of states.
//!
//! Comes in: a reading and the objects wanted. Goes out: the part of it that a direct
//! read of those would have given. Refuses: to guess: a member that names nothing known
//! stays what the directory wrote.

use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, AccountSlot, GroupRef, GroupSlot, Member, StateError};
use crate::model::{AccountId, Matching, Object, State, StateBuilder};
use crate::provider::{Reading, dn};
use std::collections::{BTreeMap, BTreeSet};

/// The part of a full reading that concerns `objects`: the accounts and groups that
/// they name, and the accounts in those groups. What is named and not there is in
/// `deletes`.
///
/// # Errors
/// [`StateError`] when there are two objects of one name.
pub fn only(reading: Reading, objects: &[Object]) -> Result<Reading, StateError> {
    let state = &reading.upserts;
    let (mut accounts, mut groups): (BTreeSet<AccountId>, BTreeSet<&str>) = Default::default();
    let mut deletes = BTreeSet::new();
    for object in objects {
        if let Some(name) = &object.account {
            match state.account_named(name) {
                Some(account) => drop(accounts.insert(account.id())),
                None => drop(deletes.insert(Object::account(name.as_str()))),
            }
        }
        let nested = match &object.member {
            Some(OtherMember::Group(name)) => Some(name),
            _ => None,
        };
        for name in object.group.iter().chain(nested) {
            match state.group_named(name) {
                Some(group) => drop(groups.insert(group.key())),
                None => drop(deletes.insert(Object::group(name.as_str()))),
            }
        }
    }
    let wanted: Vec<GroupRef<'_>> = state.groups().filter(|group| groups.contains(group.key())).collect();
    for group in &wanted {
        accounts.extend(group.members().iter().copied());
    }
    let mut copy = Copy::new(state.names(), state);
    for account in state.accounts().filter(|account| accounts.contains(&account.id())) {
        copy.account(state, account);
    }
    for group in wanted {
        copy.group(state, group);
    }
    let upserts = copy.finish()?;
    Ok(Reading { upserts, deletes: deletes.into_iter().collect(), ..reading })
}

/// Copies objects into a new state and resolves members by name and handle.
struct Copy {
    builder: StateBuilder,
    attributes: Vec<Box<str>>,
    names: Matching,
    /// Key of a handle → account or group name.
    accounts: BTreeMap<String, AccountSlot>,
    groups: BTreeMap<String, Box<str>>,
    members: Vec<(GroupSlot, Wanted)>,
}

/// A member to be placed once all objects are known.
enum Wanted {
    /// An account of a source state: name, handle.
    Account(Box<str>, Box<str>),
    /// A nested group, by name.
    Group(Box<str>),
    /// As the directory writes it.
    Other(Box<str>),
}

fn handle_key(handle: &str) -> String {
    dn::key(handle).map_or_else(|_| handle.to_owned(), std::borrow::Cow::into_owned)
}

impl Copy {
    fn new(names: Matching, like: &State) -> Self {
        Self {
            builder: StateBuilder::new(names, like.attributes().iter().cloned()),
            attributes: like.attributes().to_vec(),
            names,
            accounts: BTreeMap::new(),
            groups: BTreeMap::new(),
            members: Vec::new(),
        }
    }

    fn account(&mut self, from: &State, account: AccountRef<'_>) {
        let slot = self.builder.account(account.name(), account.handle());
        if let Some(id) = account.person_id() {
            self.builder.set_id(slot, id);
        }
        self.builder.set_status(slot, account.enabled(), account.ends());
        for (n, name) in self.attributes.iter().enumerate() {
            if let Some(old) = from.attributes().iter().position(|other| other == name) {
                for value in account.values(old) {
                    self.builder.add_value(slot, n, value);
                }
            }
        }
        self.accounts.entry(handle_key(account.handle())).or_insert(slot);
    }

    fn group(&mut self, from: &State, group: GroupRef<'_>) {
        let slot = self.builder.group(group.name(), group.handle());
        for (name, values) in group.attributes() {
            self.builder.set_group_attribute(slot, name, values.clone());
        }
        self.groups.insert(handle_key(group.handle()), group.name().into());
        for member in group.members().iter().filter_map(|id| from.account(*id)) {
            self.members.push((slot, Wanted::Account(member.name().into(), member.handle().into())));
        }
        for other in group.others() {
            let wanted = match other {
                Member::Group(name) => Wanted::Group(name.into()),
                Member::Account(text) | Member::Other(text) => Wanted::Other(text.into()),
            };
            self.members.push((slot, wanted));
        }
    }

    fn finish(mut self) -> Result<State, StateError> {
        let known: BTreeSet<String> = self.groups.values().map(|name| self.names.key(name).into_owned()).collect();
        for (group, wanted) in std::mem::take(&mut self.members) {
            match wanted {
                Wanted::Account(name, handle) => {
                    let moved = self.accounts.get(&handle_key(&handle)).copied();
                    match moved.or_else(|| self.builder.slot_of(&name)) {
                        Some(account) => self.builder.member(group, account, None),
                        None => self.builder.other(group, false, &handle),
                    }
                }
                Wanted::Group(name) => {
                    let still = known.contains(self.names.key(&name).as_ref());
                    self.builder.other(group, still, &name);
                }
                Wanted::Other(text) => self.other(group, &text),
            }
        }
        self.builder.finish()
    }

    fn other(&mut self, group: GroupSlot, text: &str) {
        let key = handle_key(text);
        if let Some(account) = self.accounts.get(&key).copied().or_else(|| self.builder.slot_of(text)) {
            self.builder.member(group, account, None);
        } else if let Some(name) = self.groups.get(&key) {
            self.builder.other(group, true, name);
        } else {
            self.builder.other(group, false, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(accounts: &[&str], groups: &[(&str, &[&str], &[&str])]) -> State {
        let mut builder = StateBuilder::new(Matching::CaseIgnore, ["cn"]);
        let slots: BTreeMap<&str, AccountSlot> = accounts
            .iter()
            .map(|name| {
                let slot = builder.account(name, &format!("uid={name},dc=x"));
                builder.add_value(slot, 0, name);
                (*name, slot)
            })
            .collect();
        for (name, members, others) in groups {
            let group = builder.group(name, &format!("cn={name},dc=x"));
            for member in *members {
                builder.member(group, slots[member], None);
            }
            for other in *others {
                builder.other(group, false, other);
            }
        }
        builder.finish().unwrap()
    }

    fn members(state: &State, group: &str) -> Vec<String> {
        let group = state.group_named(group).unwrap();
        let accounts = group.members().iter().map(|id| state.account(*id).unwrap().name().to_owned());
        accounts.chain(group.others().map(|other| format!("{other:?}"))).collect()
    }

    #[test]
    fn a_part_holds_what_was_named_and_says_what_is_gone() {
        let upserts = state(&["a", "b", "c"], &[("g", &["a"], &[]), ("h", &["b"], &[])]);
        let reading = Reading { upserts, ..Reading::default() };
        let part = only(reading, &[Object::membership("g", "zoe"), Object::account("c")]).unwrap();
        assert_eq!(part.deletes, [Object::account("zoe")]);
        assert_eq!(part.upserts.accounts().map(|a| a.name().to_owned()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(members(&part.upserts, "g"), ["a"]);
        assert_eq!(part.upserts.group_count(), 1);
    }
}
