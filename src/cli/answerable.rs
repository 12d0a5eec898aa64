//! Who answers for somebody's access, as `expiring` groups what it lists.
//!
//! Comes in: a person, what the person holds, an instant. Goes out: the key of whoever
//! answers, or `nobody`. Refuses: to name somebody who has left; their manager answers
//! then (`resolve::answering`).

use super::questions::key;
use crate::model::Instant;
use crate::policy::{Holding, Person, PersonId, Policy};
use crate::resolve::answering;

/// For a person: the sponsor, the owner of a service account, or the manager; of
/// somebody who is gone the last one there was.
pub(super) fn for_person(policy: &Policy, person: &Person, at: Instant) -> String {
    found(policy, responsible(person, at), at).unwrap_or_else(|| "nobody".to_owned())
}

/// For what a person holds: the owner of the role or group; where nobody owns it, who
/// answers for the person.
pub(super) fn for_holding(policy: &Policy, holding: Holding, person: &Person, at: Instant) -> String {
    let owner = match holding {
        Holding::Role(id) => policy.roles.get(id.0 as usize).and_then(|role| role.owner),
        Holding::Group(id) => policy.groups.get(id.0 as usize).and_then(|group| group.owner),
    };
    found(policy, owner, at).unwrap_or_else(|| for_person(policy, person, at))
}

fn found(policy: &Policy, who: Option<PersonId>, at: Instant) -> Option<String> {
    key(policy, who.and_then(|who| answering(policy, who, at)))
}

fn responsible(person: &Person, at: Instant) -> Option<PersonId> {
    let now = person.positions.iter().find(|position| position.window.contains(at));
    let begun = person.positions.iter().filter(|position| !position.window.is_future(at));
    let position = now.or_else(|| begun.max_by_key(|position| position.window.expires));
    person.sponsor.or(person.owner).or_else(|| position.and_then(|position| position.manager))
}
