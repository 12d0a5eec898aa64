//! People, roles and groups that came, went or changed their shape.
//!
//! Comes in: two policies and their pairs. Goes out: what a reviewer should know beside
//! who holds what. Refuses: to call any of it access.

use super::pairs::{Pair, Pairs};
use super::{Difference, Side};
use crate::policy::{Group, GroupId, Holding, Person, PersonId, Policy, RoleId, Standing};
use crate::resolve;
use std::collections::BTreeSet;

/// A person who comes, goes, is absent, is called or reached otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonShift {
    /// Number in [`Pairs::people`].
    pub person: u32,
    /// The key on each side; `None` is not declared.
    pub key: Pair<String>,
    /// Where the person stands on each side, at that side's instant.
    pub standing: Pair<Standing>,
    /// Accounts that are called otherwise or are declared on one side only:
    /// `corp` or `corp#admin`, with the account's name on each side.
    pub accounts: Vec<(String, Pair<String>)>,
}

/// A role that comes, goes, or gives something else. Names of roles and groups, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleShift {
    /// Its key.
    pub key: String,
    /// Whether it is declared before and after.
    pub declared: (bool, bool),
    /// Groups that it gives now and did not.
    pub grants_added: Vec<String>,
    /// Groups that it gave.
    pub grants_removed: Vec<String>,
    /// Roles that it includes now and did not.
    pub includes_added: Vec<String>,
    /// Roles that it included.
    pub includes_removed: Vec<String>,
}

/// The key of a person, the head's first.
pub(super) fn key<'d>(difference: &'d Difference<'_>, pair: Pair<PersonId>) -> &'d str {
    let head = person(difference.head.policy, pair.head);
    head.or_else(|| person(difference.base.policy, pair.base)).map_or("?", |person| person.key.as_ref())
}

fn person(policy: &Policy, id: Option<PersonId>) -> Option<&Person> {
    policy.people.get(id?.0 as usize)
}

fn group(policy: &Policy, id: Option<GroupId>) -> Option<&Group> {
    policy.groups.get(id?.0 as usize)
}

/// `directory/group`, the head's name first.
pub(super) fn entitlement(base: &Policy, head: &Policy, pair: Pair<GroupId>) -> String {
    match pair {
        Pair { head: Some(id), .. } => resolve::name(head, Holding::Group(id)),
        Pair { base: Some(id), .. } => resolve::name(base, Holding::Group(id)),
        _ => String::new(),
    }
}

/// Everybody who stands elsewhere or is called otherwise.
pub(super) fn people(base: &Side<'_>, head: &Side<'_>, pairs: &Pairs) -> Vec<PersonShift> {
    let mut found = Vec::new();
    for (number, pair) in (0u32..).zip(pairs.people.pairs()) {
        let (before, after) = (person(base.policy, pair.base), person(head.policy, pair.head));
        let standing = Pair {
            base: before.map(|person| person.standing(base.at())),
            head: after.map(|person| person.standing(head.at())),
        };
        let accounts = accounts(base.policy, head.policy, before, after);
        let renamed = before.zip(after).is_some_and(|(before, after)| before.key != after.key);
        if standing.base.map(sort) != standing.head.map(sort) || renamed || !accounts.is_empty() {
            let key = |person: Option<&Person>| person.map(|person| person.key.to_string());
            let key = Pair { base: key(before), head: key(after) };
            found.push(PersonShift { person: number, key, standing, accounts });
        }
    }
    found
}

/// Standing without its dates: those are told by what the person holds.
fn sort(standing: Standing) -> u8 {
    match standing {
        Standing::Future(_) => 0,
        Standing::Present(_) => 1,
        Standing::OnLeave(_) => 2,
        Standing::Left(_) => 3,
    }
}

/// Accounts whose names are written and differ. Of people on one side only none is told.
fn accounts(
    base: &Policy,
    head: &Policy,
    before: Option<&Person>,
    after: Option<&Person>,
) -> Vec<(String, Pair<String>)> {
    let Some((before, after)) = before.zip(after) else { return Vec::new() };
    if before.accounts.is_empty() && after.accounts.is_empty() {
        return Vec::new();
    }
    let written = |policy: &Policy, person: &Person| -> BTreeSet<(String, String)> {
        person.accounts.iter().map(|one| (account(policy, one), one.name.to_string())).collect()
    };
    let (before, after) = (written(base, before), written(head, after));
    let places: BTreeSet<&String> = before.symmetric_difference(&after).map(|(place, _)| place).collect();
    let name = |list: &BTreeSet<(String, String)>, place: &str| {
        list.iter().find(|(other, _)| other == place).map(|(_, name)| name.clone())
    };
    places
        .into_iter()
        .map(|place| (place.clone(), Pair { base: name(&before, place), head: name(&after, place) }))
        .collect()
}

fn account(policy: &Policy, account: &crate::policy::AccountName) -> String {
    let directory = policy.directories.get(usize::from(account.directory.0)).map_or("?", |one| one.name.as_ref());
    match policy.label(account.label) {
        Some(label) => format!("{directory}#{label}"),
        None => directory.to_owned(),
    }
}

/// Roles that came, went, or give something else.
pub(super) fn roles(base: &Policy, head: &Policy, pairs: &Pairs) -> Vec<RoleShift> {
    pairs.roles.pairs().iter().filter_map(|pair| role(base, head, *pair)).collect()
}

fn role(base: &Policy, head: &Policy, pair: Pair<RoleId>) -> Option<RoleShift> {
    let of = |policy: &Policy, id: Option<RoleId>| {
        let role = policy.roles.get(id?.0 as usize)?;
        let grants = role.grants.iter().map(|grant| resolve::name(policy, Holding::Group(grant.group)));
        let key_of = |id: &RoleId| policy.roles.get(id.0 as usize).map(|role| role.key.to_string());
        let includes = role.includes.iter().filter_map(|(id, _)| key_of(id));
        Some((role.key.to_string(), grants.collect::<BTreeSet<_>>(), includes.collect::<BTreeSet<_>>()))
    };
    let (before, after) = (of(base, pair.base), of(head, pair.head));
    if before == after {
        return None;
    }
    let declared = (before.is_some(), after.is_some());
    let (base, base_grants, base_includes) = before.unwrap_or_default();
    let (head, head_grants, head_includes) = after.unwrap_or_default();
    let less = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    Some(RoleShift {
        key: if head.is_empty() { base } else { head },
        declared,
        grants_added: less(&head_grants, &base_grants),
        grants_removed: less(&base_grants, &head_grants),
        includes_added: less(&head_includes, &base_includes),
        includes_removed: less(&base_includes, &head_includes),
    })
}

/// Groups that came, went, or are called otherwise in the policies or in the directory.
pub(super) fn groups(base: &Policy, head: &Policy, pairs: &Pairs) -> Vec<u32> {
    let differs = |pair: &Pair<GroupId>| match (group(base, pair.base), group(head, pair.head)) {
        (Some(before), Some(after)) => before.name != after.name || before.directory_name != after.directory_name,
        _ => true,
    };
    (0u32..).zip(pairs.groups.pairs()).filter(|(_, pair)| differs(pair)).map(|(number, _)| number).collect()
}
