//! What the files break whatever the date, and what a maximum term makes of them.
//!
//! Comes in: a policy. Goes out: the same policy with further warnings, or every error
//! that only who-holds-what can tell. Refuses: the clock; what a date brings is for
//! `constraints`, at an instant.

use super::because::name;
use super::constraints::{Breach, BreachKind, constraints};
use super::logon;
use super::terms::{self, is_ever_concerned};
use super::{References, Via, instants, resolve};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Window};
use crate::policy::{self, Constraint, Entry, EntryId, Few, Holding, Period, Person, PersonId, Policy, Select};
use std::collections::BTreeSet;

/// The policy, once nothing in it breaks a constraint whatever the date.
///
/// # Errors
/// Every such breach and every name that a directory refuses, together with the warnings there were before; sorted.
pub fn checked(mut policy: Policy) -> Result<Policy, Vec<Diagnostic>> {
    let mut found = static_breaches(&policy);
    found.extend(logon::refused(&policy));
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
    let timeless = timeless(policy);
    let written = instants(&timeless);
    let first = written.first().map_or(Instant::from_seconds(0), |first| first.plus(-1));
    let last = written.last().map_or(first, |last| last.plus(1));
    // Before anything starts and after everything has ended: what holds both times is undated.
    let at = |at: Instant| constraints(&timeless, &resolve(&timeless, &References::default(), at));
    let late: Vec<Breach> = at(last).into_iter().filter(|breach| breach.kind != BreachKind::Unsettled).collect();
    if late.is_empty() {
        return found;
    }
    let early: BTreeSet<_> = at(first).iter().map(identity).collect();
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

type Identity = (usize, PersonId, BreachKind, Vec<Holding>);

fn identity(breach: &Breach) -> Identity {
    (breach.constraint, breach.person, breach.kind, breach.sides.iter().map(|side| side.holding).collect())
}

/// The policy with people who were always here, without terms and sponsors, and
/// without constraints for people who have any exception.
pub(super) fn timeless(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    for person in &mut policy.people {
        let place = person.periods.first().map_or(person.place, |period| period.place);
        person.periods = Few::one(Period { window: Window::default(), place });
    }
    for constraint in &mut policy.constraints {
        // What is broken whatever the date is an error, not something to take away.
        constraint.on_breach = policy::Breach::Report;
        constraint.maximum_term = None;
        constraint.sponsor_gone = None;
        for exception in &mut constraint.exceptions {
            exception.window = Window::default();
        }
    }
    policy
}

/// Entries that name people concerned by a constraint without the fields it requires.
fn missing_fields(policy: &Policy) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let demanding: Vec<&Constraint> = policy.constraints.iter().filter(|c| !c.require.is_empty()).collect();
    if demanding.is_empty() {
        return found;
    }
    let lists = policy.roles.iter().map(|role| &role.members).chain(policy.groups.iter().map(|group| &group.members));
    for id in lists.flatten() {
        named(policy, *id, &mut Vec::new(), &mut |entry, around, person| {
            for constraint in &demanding {
                if !is_ever_concerned(policy, constraint, person) {
                    continue;
                }
                for field in constraint.require.iter().filter(|field| !around.iter().any(|entry| has(entry, field))) {
                    let message = format!("`{}` requires `{field}` of an entry for {}", constraint.key, person.key);
                    let mut diagnostic = Diagnostic::error("constraint-requires", message);
                    diagnostic.span = Some(policy.span(entry.place));
                    diagnostic.related.push((policy.span(constraint.place), "required here".to_owned()));
                    diagnostic.help.push(format!("write `{field}:` in the entry"));
                    found.push(diagnostic);
                }
            }
        });
    }
    found
}

fn has(entry: &Entry, field: &str) -> bool {
    match field {
        "ticket" => entry.details().ticket.is_some(),
        "reason" => entry.details().reason.is_some(),
        "expires" => entry.window.expires.is_some(),
        "starts" => entry.window.starts.is_some(),
        "approved_by" => entry.details().approved_by.is_some(),
        _ => true,
    }
}

/// Calls `found` for each person that an entry, or a part of it, names, with that
/// entry and all around it (itself included).
fn named<'p>(
    policy: &'p Policy,
    id: EntryId,
    around: &mut Vec<&'p Entry>,
    found: &mut dyn FnMut(&Entry, &[&Entry], &Person),
) {
    let Some(entry) = policy.entries.get(id.0 as usize) else { return };
    around.push(entry);
    match &entry.select {
        Select::People(people) => {
            for person in people.iter().filter_map(|id| policy.people.get(id.0 as usize)) {
                found(entry, around, person);
            }
        }
        Select::All(parts) | Select::Any(parts) => parts.iter().for_each(|part| named(policy, *part, around, found)),
        _ => {}
    }
    around.pop();
}
