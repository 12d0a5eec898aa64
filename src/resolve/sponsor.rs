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

/// What a constraint says about a person whose sponsor is gone. `None` where it says
/// nothing, the sponsor is here, the person is not, or an exception is in force.
pub(super) fn sponsor_gone(policy: &Policy, constraint: &Constraint, id: PersonId, at: Instant) -> Option<Gone> {
    let rule = constraint.sponsor_gone?;
    let person = policy.people.get(id.0 as usize)?;
    let sponsor = person.sponsor?;
    let Standing::Left(since) = policy.people.get(sponsor.0 as usize)?.standing(at) else { return None };
    let (Standing::Present(_) | Standing::OnLeave(_)) = person.standing(at) else { return None };
    let mut exceptions = constraint.exceptions.iter().filter(|exception| exception.person == id);
    if exceptions.any(|exception| exception.window.contains(at)) || !is_concerned(policy, constraint, person, at) {
        return None;
    }
    let until = since.plus(rule.grace.seconds());
    Some(Gone { sponsor, since, grace: rule.grace, until, disable: rule.disable, place: constraint.place })
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
