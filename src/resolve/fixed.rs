//! What the files break whatever the date, and what a maximum term makes of them.
//!
//! Comes in: a policy. Goes out: the same policy with further warnings, or every error
//! that only who-holds-what can tell. Refuses: the clock; what a date brings is for
//! `constraints`, at an instant.

use super::because::name;
use super::constraints::{Breach, BreachKind, undated};
use super::ever::{Ever, ever_surely};
use super::lacking::lacking;
use super::required::missing_fields;
use super::sets::Ground;
use super::terms::{self, is_ever_concerned};
use super::times::{Facts, bounds};
use super::{References, Resolution, Via, logon, nesting};
use crate::diagnostic::Diagnostic;
use crate::model::Instant;
use crate::policy::{Holding, PersonId, Policy};
use std::collections::BTreeSet;

/// The policy, once nothing in it breaks a constraint whatever the date.
///
/// # Errors
/// Every such breach and every name that a directory refuses, together with the warnings there were before; sorted.
pub fn checked(mut policy: Policy) -> Result<Policy, Vec<Diagnostic>> {
    let mut found = static_breaches(&policy);
    found.extend(logon::refused(&policy));
    found.extend(nesting::refused(&policy));
    found.extend(lacking(&policy));
    found.append(&mut policy.warnings);
    found.sort();
    found.dedup();
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    policy.warnings = found;
    Ok(policy)
}

/// Breaches that the files bring whatever the date (undated on both sides, no
/// exception), member entries that lack what a constraint requires, grants that a
/// maximum term cannot be counted for (errors), and those that it shortens (warnings).
pub fn static_breaches(policy: &Policy) -> Vec<Diagnostic> {
    let mut found = missing_fields(policy);
    found.extend(terms::findings(policy));
    if policy.constraints.iter().all(|c| c.exclusive.is_empty() && c.forbid.is_empty()) {
        return found;
    }
    let (first, last) = bounds(policy).unwrap_or((Instant::from_seconds(0), Instant::from_seconds(0)));
    // Before anything starts and after everything has ended: what holds both times is undated.
    let late = broken(policy, last.plus(1));
    if late.is_empty() {
        return found;
    }
    let early: BTreeSet<_> = broken(policy, first.plus(-1)).iter().map(identity).collect();
    for breach in late.iter().filter(|breach| early.contains(&identity(breach))) {
        let mut diagnostic = Diagnostic::error("constraint-broken", breach.message.clone());
        diagnostic.span = Some(policy.span(breach.place));
        for side in &breach.sides {
            if let Some(Via::Entry(entry)) = side.held.map(|held| held.via)
                && let Some(entry) = policy.entries.get(entry.0 as usize)
            {
                let gives = format!("gives {}", name(policy, side.holding));
                diagnostic = diagnostic.related(policy.span(entry.place), gives);
            }
        }
        diagnostic.help.push(breach.help.clone());
        found.push(diagnostic);
    }
    found
}

/// Who breaks a constraint at an instant, with everybody's period open, whatever the
/// dates of exceptions. Sets are made only of what two sides of a constraint could
/// ever meet in; of most policies that is nothing.
fn broken(policy: &Policy, at: Instant) -> Vec<Breach> {
    let facts = Facts::timeless(policy, at);
    let references = References::default();
    let ground = Ground::new(&facts, &references);
    let numbers: BTreeSet<usize> =
        (0..policy.constraints.len()).filter(|number| could_be_broken(&ground, *number)).collect();
    if numbers.is_empty() {
        return Vec::new();
    }
    let constraints = numbers.iter().filter_map(|number| policy.constraints.get(*number));
    let sides: Vec<Holding> = constraints.flat_map(|c| c.exclusive.iter().chain(&c.forbid)).copied().collect();
    let nodes = ground.only(&sides);
    let resolution = Resolution { nodes, ..Resolution::without_sets(facts) };
    let mut found = undated(policy, &resolution, &numbers);
    found.retain(|breach| breach.kind != BreachKind::Unsettled);
    found
}

/// Whether somebody without an exception could ever hold two sides, or what is forbidden.
fn could_be_broken(ground: &Ground<'_, '_>, number: usize) -> bool {
    let policy = ground.facts.policy;
    let Some(constraint) = policy.constraints.get(number) else { return false };
    let counts = |id: &u32| {
        policy.people.get(*id as usize).is_some_and(|person| {
            !constraint.exceptions.iter().any(|exception| exception.person.0 == *id)
                && is_ever_concerned(policy, constraint, person)
        })
    };
    let everybody = 0..u32::try_from(policy.people.len()).unwrap_or(u32::MAX);
    let holders = |holdings: &[Holding]| -> Vec<Vec<u32>> {
        let people = |holding: &Holding| match ever_surely(ground, *holding) {
            Ever::Everybody => everybody.clone().collect(),
            Ever::Some(people) => people,
        };
        holdings.iter().map(people).collect()
    };
    if holders(&constraint.forbid).iter().flatten().any(counts) {
        return true;
    }
    let mut held: Vec<u32> = holders(&constraint.exclusive).into_iter().flatten().collect();
    held.sort_unstable();
    held.windows(2).any(|pair| matches!(pair, [a, b] if a == b && counts(a)))
}

type Identity = (usize, PersonId, BreachKind, Vec<Holding>);

fn identity(breach: &Breach) -> Identity {
    (breach.constraint, breach.person, breach.kind, breach.sides.iter().map(|side| side.holding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load::load;
    use crate::source::InMemory;

    /// Messages about constraints where `a` holds one side and the other reads `other`.
    fn said(other: &str, exceptions: &str) -> Vec<String> {
        let directory = "  d: { kind: ldif, file: d.ldif, accounts: { base: 'ou=p,dc=x', id_attribute: uidNumber }, groups: { base: 'ou=g,dc=x' } }";
        let accord = format!("organization: x\ntimezone: UTC\ndirectories:\n{directory}\n");
        let text = format!(
            "people:\n  a: {{ expires: 2026-01-31 }}\n  b: {{}}\ngroups:\n  d/one: {{ members: [a] }}\n  d/two: {{ {other} }}\n  d/seen: {{ manage: reference }}\nconstraints:\n  apart:\n    exclusive: [group: d/one, group: d/two]\n{exceptions}"
        );
        let source = InMemory::new([("policies/accord.yaml", accord.as_str()), ("policies/x.yaml", text.as_str())]);
        let policy = load(&source).unwrap_or_else(|found| panic!("{found:?}"));
        static_breaches(&policy).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn only_what_holds_whatever_the_date_and_whatever_is_unread_is_an_error() {
        let broken = said("members: [a]", "");
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(broken[0].starts_with("breaks apart: a holds"), "{}", broken[0]);
        // Both could be held, but no two sides at every date.
        assert!(said("members: [{ person: a, expires: 2026-01-10 }]", "").is_empty());
        assert!(said("members: [b]", "").is_empty());
        // Somebody else's group, which nobody reads here: who is in it is not known.
        assert!(said("members: [group: d/seen]", "").is_empty());
        assert!(said("members: [a], except: [group: d/seen]", "").is_empty());
        assert_eq!(said("members: [a, group: d/seen]", "").len(), 1);
        let exception =
            "    exceptions:\n      - { person: a, expires: 2026-01-05, ticket: T-1, reason: r, approved_by: b }\n";
        assert!(said("members: [a]", exception).is_empty());
    }
}
