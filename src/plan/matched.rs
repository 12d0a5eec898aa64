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

/// Directory → (account, key of its person), sorted; only what `memory` lacks.
pub fn matched(
    policy: &Policy,
    directories: &[DirectoryInput<'_>],
    memory: &Memory,
) -> BTreeMap<String, Vec<(String, String)>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
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
            let Some(person) = person.filter(|_| known.account(account.name()).is_none()) else { continue };
            let key = (directory.name.to_string(), account.name().to_owned());
            if memory.accounts.get(&key).and_then(|known| known.person.as_deref()) != Some(&person.key) {
                found.entry(key.0).or_default().push((key.1, person.key.to_string()));
            }
        }
    }
    found
}
