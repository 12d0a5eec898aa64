//! Who breaks a constraint, now and at every later instant that the dates imply.
//!
//! Comes in: a policy, what is known of its references, a span. Goes out: breaches, each with
//! both ways and its window. Refuses: sponsors who left (`resolve::constraints` has them at an
//! instant), what constraints have taken away (it is not held), and I/O.
//!
//! A breach begins where something starts or an exception ends; when it ends by itself is
//! known from the ends of its sides. So these instants are looked at, in a part of the policy
//! (`slice`) with the people who could ever hold two sides, or what is forbidden.

use super::slice::Slice;
use crate::model::{Instant, time};
use crate::policy::{Holding, PersonId, Policy};
use crate::resolve::{self, Breach, BreachKind, Reference, References};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A breach with the span in which it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Who breaks what, with both ways as they are at `since`.
    pub breach: Breach,
    /// Since when: the first instant asked about, or a later one.
    pub since: Instant,
    /// Until when, as far as is written; `None` is no end.
    pub until: Option<Instant>,
}

/// What makes two breaches one that goes on.
type Key = (usize, PersonId, BreachKind, Vec<Holding>);

/// Every breach from an instant on, of two things that exclude each other or one that is
/// forbidden; by start, then constraint, then person. `until` does not belong to the span.
pub fn broken(policy: &Policy, references: &References, from: Instant, until: Option<Instant>) -> Vec<Broken> {
    let Some(slice) = part(policy, references) else { return Vec::new() };
    let instants = instants(&slice, from, until);
    let at = |at: Instant| {
        let resolution = resolve::resolve(&slice.policy, &slice.references, at);
        let mut breaches = resolve::constraints(&slice.policy, &resolution);
        breaches.retain(|one| {
            let is_held = matches!(one.kind, BreachKind::Exclusive | BreachKind::Forbidden | BreachKind::Unsettled);
            is_held && slice.asked.get(one.person.0 as usize) == Some(&true)
        });
        (at, breaches)
    };
    let found: Vec<(Instant, Vec<Breach>)> = instants.into_par_iter().map(at).collect();
    let mut all: Vec<Broken> = Vec::new();
    let mut open: BTreeMap<Key, usize> = BTreeMap::new();
    for (at, breaches) in found {
        let mut here: BTreeMap<Key, usize> = BTreeMap::new();
        for mut breach in breaches {
            let until = ends(&breach);
            let holdings = breach.sides.iter().map(|side| side.holding).collect();
            let key = (breach.constraint, breach.person, breach.kind, holdings);
            let known = open.get(&key).and_then(|n| Some((*n, all.get_mut(*n)?)));
            if let Some((n, known)) = known.filter(|(_, known)| known.until.is_none_or(|end| end >= at)) {
                known.until = until;
                here.insert(key, n);
                continue;
            }
            breach.person = whole(&slice, breach.person);
            for held in breach.sides.iter_mut().filter_map(|side| side.held.as_mut()) {
                held.person = breach.person;
            }
            here.insert(key, all.len());
            all.push(Broken { breach, since: at, until });
        }
        for (key, n) in &open {
            // What was to last longer is over now: an exception began, or a position.
            if !here.contains_key(key)
                && let Some(known) = all.get_mut(*n)
            {
                known.until = time::earlier(known.until, Some(at));
            }
        }
        open = here;
    }
    all
}

fn whole(slice: &Slice, person: PersonId) -> PersonId {
    slice.people.get(person.0 as usize).copied().unwrap_or(person)
}

/// When a breach ends by itself: with the last but one of what excludes each other, with the
/// last of what is forbidden.
fn ends(breach: &Breach) -> Option<Instant> {
    let mut ends: Vec<Option<Instant>> = breach.sides.iter().map(|side| side.held.and_then(|held| held.ends)).collect();
    // No end comes last.
    ends.sort_by_key(|end| (end.is_none(), *end));
    match breach.kind {
        BreachKind::Exclusive => ends.iter().rev().nth(1).copied().flatten(),
        BreachKind::Forbidden => ends.last().copied().flatten(),
        BreachKind::Unsettled | BreachKind::SponsorGone(_) | BreachKind::Revoked(_) => None,
    }
}

/// The part of the policy in which everybody is who could ever break a constraint; `None`
/// where nobody could.
fn part(policy: &Policy, references: &References) -> Option<Slice> {
    let sides: Vec<Holding> =
        policy.constraints.iter().flat_map(|one| one.exclusive.iter().chain(&one.forbid)).copied().collect();
    let sides: BTreeSet<Holding> = sides.into_iter().collect();
    let asked: Vec<_> = sides.iter().map(|side| (vec![*side], Vec::new())).collect();
    let could: BTreeMap<Holding, Option<Vec<PersonId>>> =
        sides.iter().copied().zip(resolve::could_ever(policy, references, &asked)).collect();
    let mut wanted = vec![false; policy.people.len()];
    for constraint in &policy.constraints {
        for (holdings, least) in [(&constraint.exclusive, 2u32), (&constraint.forbid, 1)] {
            let mut held = vec![0u32; policy.people.len()];
            for people in holdings.iter().filter_map(|side| could.get(side)) {
                match people {
                    None => held.iter_mut().for_each(|n| *n += 1),
                    Some(people) => {
                        for person in people {
                            if let Some(n) = held.get_mut(person.0 as usize) {
                                *n += 1;
                            }
                        }
                    }
                }
            }
            for (cell, held) in wanted.iter_mut().zip(held) {
                *cell |= held >= least;
            }
        }
    }
    if !wanted.contains(&true) {
        return None;
    }
    let kept = resolve::needed(policy, sides);
    let is_wanted = |person: PersonId| wanted.get(person.0 as usize) == Some(&true);
    let mut slice = Slice::new(policy, references, is_wanted, |holding| kept.contains(&holding));
    // Both ways are told with their lines.
    slice.policy.files.clone_from(&policy.files);
    Some(slice)
}

fn instants(slice: &Slice, from: Instant, until: Option<Instant>) -> Vec<Instant> {
    let policy = &slice.policy;
    let mut instants: BTreeSet<Instant> = slice.starts(from).into_iter().collect();
    let exceptions = policy.constraints.iter().flat_map(|constraint| &constraint.exceptions);
    instants.extend(exceptions.filter_map(|exception| exception.window.expires));
    let is_unread =
        |group: &crate::policy::GroupId| !matches!(slice.references.groups.get(group), Some(Reference::Read(_)));
    let sides = policy.constraints.iter().flat_map(|one| one.exclusive.iter().chain(&one.forbid)).copied();
    if resolve::references_of(policy, sides).iter().any(is_unread) {
        instants.extend(resolve::instants(policy));
    }
    instants.insert(from);
    instants.retain(|at| from <= *at && until.is_none_or(|until| *at < until));
    instants.into_iter().collect()
}
