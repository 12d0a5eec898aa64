//! A policy as if one more line were written.
//!
//! Comes in: a policy, a change in words. Goes out: the policy with it. Refuses: names that
//! are not declared, what is there already, circles, and groups that others manage.

use crate::model::Place;
use crate::policy::{Entry, EntryId, Grant, GroupId, Holding, Manage, PersonId, Policy, RoleId, Select};
use crate::resolve::{depends_on, name};

/// One line more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `sre grants corp/payments`.
    Grants(RoleId, GroupId),
    /// `sre includes auditor`.
    Includes(RoleId, RoleId),
    /// `maria.lopez joins sre`, `maria.lopez joins corp/payments`.
    Joins(PersonId, Holding),
}

/// Why a change cannot be thought of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// It is no change in words.
    #[error("`{0}` is no change")]
    Words(String),
    /// A role, group or person that is not declared: its sort and the word.
    #[error("there is no {0} `{1}`")]
    Unknown(&'static str, String),
    /// It is written already.
    #[error("`{0}` is so already")]
    Already(String),
    /// It would need itself.
    #[error("`{0}` would be a circle: {1} depends on {2} already")]
    Circle(String, String, String),
    /// A group that others manage.
    #[error("`{0}` is managed elsewhere and cannot be given from here")]
    Elsewhere(String),
}

/// Reads `ROLE grants DIRECTORY/GROUP`, `ROLE includes ROLE`, `PERSON joins ROLE` or
/// `PERSON joins DIRECTORY/GROUP`.
///
/// # Errors
/// When it is none of these, or a name is not declared.
pub fn parse(policy: &Policy, text: &str) -> Result<Change, Impossible> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let &[who, verb, what] = words.as_slice() else { return Err(Impossible::Words(text.to_owned())) };
    let role = |word: &str| policy.role_named(word).ok_or_else(|| Impossible::Unknown("role", word.to_owned()));
    let group = |word: &str| policy.group_named(word).ok_or_else(|| Impossible::Unknown("group", word.to_owned()));
    let person = |word: &str| policy.person_named(word).ok_or_else(|| Impossible::Unknown("person", word.to_owned()));
    Ok(match verb {
        "grants" => Change::Grants(role(who)?, group(what)?),
        "includes" => Change::Includes(role(who)?, role(what)?),
        "joins" if what.contains('/') => Change::Joins(person(who)?, Holding::Group(group(what)?)),
        "joins" => Change::Joins(person(who)?, Holding::Role(role(what)?)),
        _ => return Err(Impossible::Words(text.to_owned())),
    })
}

/// Writes the change into the policy; `text` is what it is called in errors.
///
/// # Errors
/// When it is there already, would be a circle, or gives what others manage.
pub fn apply(policy: &mut Policy, change: Change, text: &str) -> Result<(), Impossible> {
    let already = || Impossible::Already(text.to_owned());
    match change {
        Change::Grants(role, group) => {
            ours(policy, Holding::Group(group))?;
            no_circle(policy, role, Holding::Group(group), text)?;
            let Some(role) = policy.roles.get_mut(role.0 as usize) else { return Err(already()) };
            if role.grants.iter().any(|grant| grant.group == group) {
                return Err(already());
            }
            role.grants.push(Grant { group, place: role.place });
        }
        Change::Includes(role, other) => {
            no_circle(policy, role, Holding::Role(other), text)?;
            let Some(role) = policy.roles.get_mut(role.0 as usize) else { return Err(already()) };
            if role.includes.iter().any(|(included, _)| *included == other) {
                return Err(already());
            }
            role.includes.push((other, role.place));
        }
        Change::Joins(person, holding) => {
            ours(policy, holding)?;
            let place = place_of(policy, holding).ok_or_else(already)?;
            let id = EntryId(u32::try_from(policy.entries.len()).unwrap_or(u32::MAX));
            let names = |id: &EntryId| {
                policy.entries.get(id.0 as usize).is_some_and(|entry| match &entry.select {
                    Select::People(people) => people.contains(&person) && entry.window().expires.is_none(),
                    _ => false,
                })
            };
            let members = match holding {
                Holding::Role(id) => policy.roles.get(id.0 as usize).map(|role| &role.members),
                Holding::Group(id) => policy.groups.get(id.0 as usize).map(|group| &group.members),
            };
            if members.into_iter().flatten().any(names) {
                return Err(already());
            }
            policy.entries.push(Entry { select: Select::People(vec![person].into()), details: None, place });
            let members = match holding {
                Holding::Role(id) => policy.roles.get_mut(id.0 as usize).map(|role| &mut role.members),
                Holding::Group(id) => policy.groups.get_mut(id.0 as usize).map(|group| &mut group.members),
            };
            members.ok_or_else(already)?.push(id);
        }
    }
    Ok(())
}

fn place_of(policy: &Policy, holding: Holding) -> Option<Place> {
    match holding {
        Holding::Role(id) => policy.roles.get(id.0 as usize).map(|role| role.place),
        Holding::Group(id) => policy.groups.get(id.0 as usize).map(|group| group.place),
    }
}

fn ours(policy: &Policy, holding: Holding) -> Result<(), Impossible> {
    match holding {
        Holding::Group(id) if policy.groups.get(id.0 as usize).is_some_and(|g| g.manage == Manage::Reference) => {
            Err(Impossible::Elsewhere(name(policy, holding)))
        }
        _ => Ok(()),
    }
}

/// Whoever is in the role comes into `given`; the role must not hang on it.
fn no_circle(policy: &Policy, role: RoleId, given: Holding, text: &str) -> Result<(), Impossible> {
    let role = Holding::Role(role);
    if depends_on(policy, [role]).contains(&given) {
        return Err(Impossible::Circle(text.to_owned(), name(policy, role), name(policy, given)));
    }
    Ok(())
}
