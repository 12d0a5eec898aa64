//! Constraints: grants that would break one are withheld; what time broke is noted.
//!
//! Comes in: the breaches that `resolve` found. Goes out: withheld grants with both
//! paths, notes. Refuses: to take anything away by itself (`on_breach` does that in
//! `resolve`).

use crate::model::Action;
use crate::model::Instant;
use crate::plan::Note;
use crate::plan::draft::{Fate, Found, Reason};
use crate::plan::explain::{self, Ways};
use crate::plan::order::carried_by;
use crate::policy::rule::Verdict;
use crate::policy::{Constraint, Exception, GroupId, Holding, PersonId, Policy};
use crate::resolve::Resolution;
use std::collections::{BTreeMap, BTreeSet};

/// One person who would break one constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who.
    pub person: PersonId,
    /// Groups that carry what conflicts.
    pub groups: BTreeSet<GroupId>,
    /// `breaks payments-separation: dana.wolf also holds …`.
    pub reason: String,
    /// Where the constraint was written and what to do.
    pub setting: String,
}

/// Who would break which constraint if everything desired were granted.
///
/// An exception in force lets its person through. A rule that is not plainly false
/// for somebody counts as concerning them.
pub fn conflicts(policy: &Policy, resolution: &Resolution) -> Vec<Conflict> {
    let mut found = Vec::new();
    for constraint in &policy.constraints {
        let mut holders: BTreeMap<PersonId, Vec<Holding>> = BTreeMap::new();
        for holding in constraint.exclusive.iter().chain(&constraint.forbid) {
            for held in resolution.held_in(*holding) {
                let holdings = holders.entry(held.person).or_default();
                if !holdings.contains(holding) {
                    holdings.push(*holding);
                }
            }
        }
        for (person, holdings) in holders {
            let forbidden = holdings.iter().any(|holding| constraint.forbid.contains(holding));
            let exclusive = holdings.iter().filter(|holding| constraint.exclusive.contains(holding)).count() > 1;
            if (forbidden || exclusive) && is_concerned(policy, constraint, person, resolution.at()) {
                found.push(conflict(policy, resolution, constraint, person, &holdings));
            }
        }
    }
    found
}

fn is_concerned(policy: &Policy, constraint: &Constraint, person: PersonId, at: Instant) -> bool {
    let excepted = |exception: &Exception| exception.person == person && exception.window.contains(at);
    if constraint.exceptions.iter().any(excepted) {
        return false;
    }
    let Some(rule) = constraint.applies_to.and_then(|rule| policy.rules.get(rule.0 as usize)) else { return true };
    let Some(person) = policy.people.get(person.0 as usize) else { return false };
    person.positions.iter().any(|position| rule.verdict(policy, person, position) != Verdict::No)
}

fn conflict(
    policy: &Policy,
    resolution: &Resolution,
    constraint: &Constraint,
    person: PersonId,
    holdings: &[Holding],
) -> Conflict {
    let key = policy.people.get(person.0 as usize).map_or("?", |person| person.key.as_ref());
    let ways = Ways { policy, resolution };
    let paths: Vec<String> = holdings
        .iter()
        .map(|holding| {
            let name = match holding {
                Holding::Role(role) => policy.roles.get(role.0 as usize).map_or("?", |role| &role.key).to_owned(),
                Holding::Group(group) => explain::group(policy, *group),
            };
            match ways.path(person, *holding).first() {
                Some((text, place)) => {
                    let (file, line) = policy.locate(*place);
                    format!("{name} by {text} ({file}:{line})")
                }
                None => name,
            }
        })
        .collect();
    let (file, line) = policy.locate(constraint.place);
    Conflict {
        person,
        groups: holdings.iter().flat_map(|holding| carried_by(policy, *holding)).collect(),
        reason: format!("breaks {}: {key} would hold {}", constraint.key, paths.join(" and ")),
        setting: format!("take the other away, or an exception with an expiry ({file}:{line})"),
    }
}

/// Withholds the new grants of people who would break a constraint. Where there is
/// none, the breach is already in the directory: a note says so.
pub fn withhold(policy: &Policy, conflicts: &[Conflict], found: &mut Found) {
    let mut by_person: BTreeMap<PersonId, Vec<&Conflict>> = BTreeMap::new();
    for conflict in conflicts {
        by_person.entry(conflict.person).or_default().push(conflict);
    }
    let mut met: BTreeSet<(PersonId, &str)> = BTreeSet::new();
    for draft in &mut found.drafts {
        let (Some(person), Some(group), Action::Grant) = (draft.person, draft.group, draft.change.action) else {
            continue;
        };
        for conflict in by_person.get(&person).into_iter().flatten() {
            if conflict.groups.contains(&group) {
                met.insert((person, &conflict.reason));
                if draft.is_kept() {
                    draft.fate = Fate::withheld(Reason::new(conflict.reason.clone(), conflict.setting.clone()));
                }
            }
        }
    }
    for conflict in conflicts {
        if !met.contains(&(conflict.person, conflict.reason.as_str())) {
            let person = policy.people.get(conflict.person.0 as usize).map(|person| person.key.to_string());
            found.notes.push(Note {
                code: "breach".to_owned(),
                directory: None,
                object: person,
                text: format!("{}; {}", conflict.reason, conflict.setting),
            });
        }
    }
}
