//! Whose an account is, for those that accord has matched and never had to change.
//!
//! Comes in: what is written, what was read, what earlier runs left. Goes out: pairs
//! that are new to the journal. Refuses: to believe a name alone, unless the
//! directory's accounts are taken over by name (`adopt: true`).
//!
//! An account that was right from the first day leaves no change in the journal.
//! Without these pairs its person could be removed from the files, and the account
//! would look like one that nobody ever declared.

use super::diff::{Known, by_object};
use super::{DirectoryInput, Memory};
use crate::policy::settings::AccountManage;
use crate::policy::{Label, Person, Policy};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// An account and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its name.
    pub account: String,
    /// Key of its person.
    pub person: String,
    /// What the directory itself calls it for ever, where it says so.
    pub object: Option<String>,
    /// Which account of the person it is: a label, or an empty text for the everyday one;
    /// `None` where nobody declared it.
    pub label: Option<String>,
}

/// People by a text of theirs; of two with one text the later.
struct ByText<'p>(HashTable<(Cow<'p, str>, &'p Person)>);

impl<'p> ByText<'p> {
    fn with_capacity(people: usize) -> Self {
        Self(HashTable::with_capacity(people))
    }

    fn insert(&mut self, text: Cow<'p, str>, person: &'p Person) {
        match self.0.entry(hash(&text), |(other, _)| *other == text, |(other, _)| hash(other)) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = person,
            Entry::Vacant(entry) => drop(entry.insert((text, person))),
        }
    }

    fn get(&self, text: &str) -> Option<&'p Person> {
        self.0.find(hash(text), |(other, _)| other == text).map(|(_, person)| *person)
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Directory → accounts with their people, sorted; only what `memory` lacks.
pub fn matched(
    policy: &Policy,
    directories: &[DirectoryInput<'_>],
    memory: &Memory,
) -> BTreeMap<String, Vec<Sighting>> {
    let mut found: BTreeMap<String, Vec<Sighting>> = BTreeMap::new();
    for input in directories {
        let Some(directory) = policy.directories.get(usize::from(input.id.0)) else { continue };
        let settings = &directory.settings.accounts;
        if settings.manage != AccountManage::Full {
            continue;
        }
        let matching = input.kind.capabilities().names;
        let ids = input.kind.matching(settings.id_attribute.as_deref().unwrap_or("id"));
        let mut by_id = ByText::with_capacity(policy.people.len());
        let mut by_name = ByText::with_capacity(policy.people.len());
        let mut second: BTreeMap<String, (&Person, Label)> = BTreeMap::new();
        for person in &policy.people {
            if let Some(id) = &person.id {
                by_id.insert(ids.key(id), person);
            }
            let own = person.account(input.id, Label::EVERYDAY).unwrap_or(&person.key);
            by_name.insert(matching.key(own), person);
            for account in person.accounts.iter().filter(|a| a.directory == input.id && a.label.is_second()) {
                second.insert(matching.key(&account.name).into_owned(), (person, account.label));
            }
        }
        let objects = by_object(memory, &directory.name);
        let known = Known::new(&input.observed.gaps, matching);
        let mut key = (directory.name.to_string(), String::new());
        for account in input.observed.state.accounts() {
            let of_second = second.get(account.key());
            let everyday = || by_name.get(account.key()).map(|person| (person, Label::EVERYDAY));
            let declared = of_second.copied().or_else(everyday);
            let by_key = || declared.map(|(person, _)| person).filter(|_| settings.adopt);
            let person = account.person_id().map_or_else(by_key, |id| by_id.get(ids.key(id).as_ref()));
            account.name().clone_into(&mut key.1);
            let remembered = memory.accounts.get(&key);
            // One that accord made, and of which it could not know yet what the
            // directory would call it.
            let made = || remembered.filter(|known| known.object.is_none()).and_then(|known| known.person.as_deref());
            let person = person.map(|person| person.key.as_ref()).or_else(made);
            let Some(person) = person.filter(|_| known.account(account.name()).is_none()) else { continue };
            // The name says which account it is, unless it was seen to be another one before.
            let declared = declared.filter(|(declared, _)| *declared.key == *person);
            let named = || declared.map(|(_, label)| policy.label(label).unwrap_or_default());
            let seen = account.object_id().and_then(|object| objects.get(object).copied()).or(remembered);
            let seen = || seen.filter(|known| known.person.as_deref() == Some(person))?.label.as_deref();
            let adopts = declared.is_some_and(|(person, _)| person.adopt);
            let label = if adopts { named().or_else(seen) } else { seen().or_else(named) };
            let is_known = remembered.is_some_and(|known| {
                known.person.as_deref() == Some(person)
                    && label.is_none_or(|label| known.label.as_deref() == Some(label))
                    && account.object_id().is_none_or(|object| known.object.as_deref() == Some(object))
            });
            if !is_known {
                found.entry(key.0.clone()).or_default().push(Sighting {
                    account: key.1.clone(),
                    person: person.to_owned(),
                    object: account.object_id().map(str::to_owned),
                    label: label.map(str::to_owned),
                });
            }
        }
    }
    found
}
