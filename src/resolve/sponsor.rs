//! Sponsors and owners who are gone: what follows, and who answers in their place.
//!
//! Comes in: a policy, a person, an instant. Goes out: since when a sponsor is gone and
//! until when that is borne; the manager who takes an owner's place. Refuses: to take
//! anything away (`desired` and `plan` do).

use super::desired::main_position;
use super::term::is_concerned;
use crate::model::{Instant, Place, Term};
use crate::policy::{Constraint, PersonId, Policy, Standing};
use std::collections::BTreeSet;

/// A sponsor who is gone, as one constraint sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Who is gone.
    pub sponsor: PersonId,
    /// Whether that is the owner of a service identity, for whom nobody answers any more.
    pub is_owner: bool,
    /// Since when.
    pub since: Instant,
    /// How long that is borne.
    pub grace: Term,
    /// When the grace ends.
    pub until: Instant,
    /// Whether the accounts are disabled then; otherwise it is only reported.
    pub disable: bool,
    /// Where the constraint was written.
    pub place: Place,
}

impl Gone {
    /// `sponsor wei.chen left`, or `owner wei.chen left and nobody answers`, by key.
    pub fn words(&self, key: &str) -> String {
        if self.is_owner { format!("owner {key} left and nobody answers") } else { format!("sponsor {key} left") }
    }
}

/// What a constraint says about a person whose sponsor is gone, or for whom nobody answers
/// since the owner, and every manager above, has left. `None` where it says
/// nothing, the sponsor is here, the person is not, or an exception is in force.
pub(super) fn sponsor_gone(policy: &Policy, constraint: &Constraint, id: PersonId, at: Instant) -> Option<Gone> {
    let rule = constraint.sponsor_gone?;
    let person = policy.people.get(id.0 as usize)?;
    let is_owner = person.sponsor.is_none();
    let sponsor = person.sponsor.or(person.owner)?;
    let since = if is_owner { unanswered(policy, sponsor, at)? } else { left(policy, sponsor, at)? };
    let (Standing::Present(_) | Standing::OnLeave(_)) = person.standing(at) else { return None };
    let mut exceptions = constraint.exceptions.iter().filter(|exception| exception.person == id);
    if exceptions.any(|exception| exception.window.contains(at)) || !is_concerned(policy, constraint, person, at) {
        return None;
    }
    let until = since.plus(rule.grace.seconds());
    Some(Gone { sponsor, is_owner, since, grace: rule.grace, until, disable: rule.disable, place: constraint.place })
}

/// Since when somebody has left.
fn left(policy: &Policy, id: PersonId, at: Instant) -> Option<Instant> {
    match policy.people.get(id.0 as usize)?.standing(at) {
        Standing::Left(since) => Some(since),
        _ => None,
    }
}

/// Since when nobody is left who would answer for what this person owns: the last of them
/// left then.
fn unanswered(policy: &Policy, owner: PersonId, at: Instant) -> Option<Instant> {
    let (mut seen, mut id, mut since) = (BTreeSet::new(), Some(owner), None);
    while let Some(one) = id.filter(|one| seen.insert(*one)) {
        since = since.max(Some(left(policy, one, at)?));
        id = policy.people.get(one.0 as usize).and_then(|person| main_position(person, at)?.manager);
    }
    since
}

/// Why the accounts of a person cannot be used although the person is here: the
/// sponsor has been gone for longer than the grace.
pub fn unsponsored(policy: &Policy, id: PersonId, at: Instant) -> Option<Gone> {
    let all = policy.constraints.iter().filter_map(|constraint| sponsor_gone(policy, constraint, id, at));
    all.filter(|gone| gone.disable && gone.until <= at).min_by_key(|gone| gone.until)
}

/// Who answers for what this person owns or sponsors: the person, or, once the person
/// is gone, the manager, and so on upwards. `None` where nobody is left.
pub fn answering(policy: &Policy, id: PersonId, at: Instant) -> Option<PersonId> {
    let mut seen = BTreeSet::new();
    let mut id = id;
    while seen.insert(id) {
        let person = policy.people.get(id.0 as usize)?;
        let Standing::Left(_) = person.standing(at) else { return Some(id) };
        id = main_position(person, at)?.manager?;
    }
    None
}
