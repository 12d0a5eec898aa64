//! Reference groups as they were read: account names become people.
//!
//! Comes in: the observed reference groups. Goes out: [`References`] for `resolve`,
//! a digest of each for the plan, the keys of the people for the journal; and back
//! from what the journal kept. Refuses: to call a group empty that was not read
//! whole, that is not there, or whose members cannot be told for sure.

use super::file::hex;
use super::{DirectoryInput, Memory};
use crate::model::state::{GroupRef, Member};
use crate::model::{Matching, State};
use crate::policy::{DirectoryId, GroupId, Manage, PersonId, Policy};
use crate::resolve::{Reference, References};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What was read of every reference group of the policy.
pub fn references(policy: &Policy, directories: &[DirectoryInput<'_>]) -> References {
    let mut references = References::default();
    let mut names: BTreeMap<DirectoryId, BTreeMap<String, PersonId>> = BTreeMap::new();
    for (n, group) in policy.groups.iter().enumerate().filter(|(_, group)| group.manage == Manage::Reference) {
        let Ok(n) = u32::try_from(n) else { continue };
        let Some(input) = directories.iter().find(|input| input.id == group.directory) else { continue };
        let matching = input.kind.capabilities().names;
        let names = names.entry(group.directory).or_insert_with(|| accounts(policy, group.directory, matching));
        let reference = match read(policy, input, &group.directory_name, names) {
            Ok(people) => Reference::Read(people.into_iter().collect()),
            Err(why) => Reference::NotRead(why),
        };
        references.groups.insert(GroupId(n), reference);
    }
    references
}

/// Digests for the plan: SHA-256 over the sorted keys, one a line; or why not.
pub fn digests(policy: &Policy, references: &References) -> BTreeMap<String, String> {
    let digest = |reference: &Reference| match reference {
        Reference::Read(people) => digest(keys(policy, people)),
        Reference::NotRead(why) => format!("not read: {why}"),
    };
    references
        .groups
        .iter()
        .filter_map(|(id, reference)| {
            let (directory, group) = name(policy, *id)?;
            Some((format!("{directory}/{group}"), digest(reference)))
        })
        .collect()
}

/// SHA-256 over the sorted keys of a reference group's people, one a line.
pub fn digest<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(key.as_bytes());
        hash.update(b"\n");
    }
    hex(&hash.finalize())
}

/// What the journal keeps of the reference groups that were read: (directory, group)
/// → keys, sorted. Those that were not read are left out.
pub fn kept(policy: &Policy, references: &References) -> BTreeMap<(String, String), Vec<String>> {
    let read = references.groups.iter().filter_map(|(id, reference)| match reference {
        Reference::Read(people) => Some((name(policy, *id)?, keys(policy, people).map(str::to_owned).collect())),
        Reference::NotRead(_) => None,
    });
    read.collect()
}

/// The last readings that the journal kept, for questions that contact no directory.
/// People whom these policies do not declare are in nobody's set.
pub fn remembered(policy: &Policy, memory: &Memory) -> References {
    let mut references = References::default();
    let groups = (0u32..).zip(&policy.groups).filter(|(_, group)| group.manage == Manage::Reference);
    for (n, _) in groups {
        let id = GroupId(n);
        let Some(known) = name(policy, id).and_then(|name| memory.references.get(&name)) else { continue };
        let people: BTreeSet<PersonId> = known.people.iter().filter_map(|key| policy.person_named(key)).collect();
        references.groups.insert(id, Reference::Read(people.into_iter().collect()));
    }
    references
}

fn keys<'p>(policy: &'p Policy, people: &[PersonId]) -> impl Iterator<Item = &'p str> {
    people.iter().filter_map(|id| policy.people.get(id.0 as usize)).map(|person| person.key.as_ref())
}

/// Directory and name of a group of the policy.
fn name(policy: &Policy, id: GroupId) -> Option<(String, String)> {
    let group = policy.groups.get(id.0 as usize)?;
    let directory = policy.directories.get(usize::from(group.directory.0))?;
    Some((directory.name.to_string(), group.name.to_string()))
}

/// Account name (as the directory compares it) → person.
fn accounts(policy: &Policy, directory: DirectoryId, matching: Matching) -> BTreeMap<String, PersonId> {
    let mut names = BTreeMap::new();
    for (n, person) in policy.people.iter().enumerate() {
        let Ok(id) = u32::try_from(n).map(PersonId) else { continue };
        let here = person.accounts.iter().filter(|account| account.directory == directory);
        let mut own = false;
        for account in here {
            own |= !account.label.is_second();
            names.insert(matching.key(&account.name).into_owned(), id);
        }
        if !own {
            names.entry(matching.key(&person.key).into_owned()).or_insert(id);
        }
    }
    names
}

fn read(
    policy: &Policy,
    input: &DirectoryInput<'_>,
    name: &str,
    names: &BTreeMap<String, PersonId>,
) -> Result<BTreeSet<PersonId>, String> {
    let matching = input.kind.capabilities().names;
    let known = super::diff::Known::new(&input.observed.gaps, matching);
    if let Some(why) = known.directory().or_else(|| known.accounts()) {
        return Err(why.to_owned());
    }
    let state = &input.observed.state;
    let Some(group) = state.group_named(name) else {
        return Err(known.groups().map_or_else(|| format!("there is no group `{name}`"), str::to_owned));
    };
    let mut people = BTreeSet::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<GroupRef<'_>> = vec![group];
    while let Some(group) = open.pop() {
        if !seen.insert(group.key()) {
            continue;
        }
        if let Some(why) = known.group(group.name()) {
            return Err(why.to_owned());
        }
        for id in group.members() {
            people.extend(person(policy, state, *id, names)?);
        }
        for other in group.others() {
            if let Member::Group(below) = other {
                match state.group_named(below) {
                    Some(below) => open.push(below),
                    None => return Err(format!("the nested group `{below}` was not read")),
                }
            }
        }
    }
    Ok(people)
}

fn person(
    policy: &Policy,
    state: &State,
    id: crate::model::AccountId,
    names: &BTreeMap<String, PersonId>,
) -> Result<Option<PersonId>, String> {
    let Some(account) = state.account(id) else { return Ok(None) };
    let Some(found) = names.get(account.key()).copied() else { return Ok(None) };
    let written = policy.people.get(found.0 as usize).and_then(|person| person.id.as_deref());
    match (written, account.person_id()) {
        (Some(written), Some(held)) if written != held => {
            Err(format!("the account `{}` carries the id of somebody else", account.name()))
        }
        _ => Ok(Some(found)),
    }
}
