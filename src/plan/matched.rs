//! Whose an account is, for those that accord has matched and never had to change.
//!
//! Comes in: what is written, what was read, what earlier runs left. Goes out: pairs
//! that are new to the journal. Refuses: to believe a name alone, unless the
//! directory's accounts are taken over by name (`adopt: true`).
//!
//! An account that was right from the first day leaves no change in the journal.
//! Without these pairs its person could be removed from the files, and the account
//! would look like one that nobody ever declared.

use super::diff::Known;
use super::{DirectoryInput, Memory};
use crate::policy::settings::AccountManage;
use crate::policy::{Person, Policy};
use std::collections::BTreeMap;

/// An account and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its name.
    pub account: String,
    /// Key of its person.
    pub person: String,
    /// What the directory itself calls it for ever, where it says so.
    pub object: Option<String>,
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
        let mut by_id: BTreeMap<String, &Person> = BTreeMap::new();
        let mut by_name: BTreeMap<String, &Person> = BTreeMap::new();
        for person in &policy.people {
            if let Some(id) = &person.id {
                by_id.insert(ids.key(id).into_owned(), person);
            }
            let own = person.accounts.iter().find(|a| a.directory == input.id && a.suffix.is_none());
            by_name.insert(matching.key(own.map_or(&person.key, |own| &own.name)).into_owned(), person);
        }
        let known = Known::new(&input.observed.gaps, matching);
        for account in input.observed.state.accounts() {
            let by_key = || by_name.get(account.key()).filter(|_| settings.adopt);
            let person = account.person_id().map_or_else(by_key, |id| by_id.get(ids.key(id).as_ref()));
            let key = (directory.name.to_string(), account.name().to_owned());
            let remembered = memory.accounts.get(&key);
            // One that accord made, and of which it could not know yet what the
            // directory would call it.
            let made = || remembered.filter(|known| known.object.is_none()).and_then(|known| known.person.as_deref());
            let person = person.map(|person| person.key.as_ref()).or_else(made);
            let Some(person) = person.filter(|_| known.account(account.name()).is_none()) else { continue };
            let is_known = remembered.is_some_and(|known| {
                known.person.as_deref() == Some(person)
                    && account.object_id().is_none_or(|object| known.object.as_deref() == Some(object))
            });
            if !is_known {
                found.entry(key.0).or_default().push(Sighting {
                    account: key.1,
                    person: person.to_owned(),
                    object: account.object_id().map(str::to_owned),
                });
            }
        }
    }
    found
}
