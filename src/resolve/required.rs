//! Member entries that lack what a constraint requires of them: a ticket, a reason, an end.
//!
//! Comes in: a policy. Goes out: errors, at the entry. Refuses: the clock: an entry that has
//! ended is history that somebody will read, and must say as much as another.

use super::because::{lists, name};
use super::terms::is_ever_concerned;
use crate::diagnostic::Diagnostic;
use crate::policy::{Constraint, Entry, EntryId, GroupId, Holding, Person, Policy, RoleId, Select};
use std::collections::BTreeSet;

/// Entries that name people concerned by a constraint without the fields it requires. Where
/// it says `into`, those by which somebody comes into one of these, also by rule.
pub(super) fn missing_fields(policy: &Policy) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for constraint in policy.constraints.iter().filter(|constraint| !constraint.require.is_empty()) {
        let holdings = if constraint.into.is_empty() { every(policy) } else { leading(policy, &constraint.into) };
        for id in holdings.into_iter().filter_map(|holding| lists(policy, holding)).flat_map(|lists| lists.members) {
            leaves(policy, *id, &mut Vec::new(), &mut |entry, around, whom| {
                lacks(policy, constraint, (entry, around), whom, &mut found);
            });
        }
    }
    found
}

/// Whom an entry selects.
#[derive(Clone, Copy)]
enum Whom<'p> {
    /// This person, by name.
    Named(&'p Person),
    /// Whoever a rule or a manager's tree finds.
    Found,
}

fn lacks(
    policy: &Policy,
    constraint: &Constraint,
    (entry, around): (&Entry, &[&Entry]),
    whom: Whom<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let into = constraint.into.iter().map(|holding| name(policy, *holding)).collect::<Vec<_>>().join(" or ");
    let of = match whom {
        Whom::Named(person) if !is_ever_concerned(policy, constraint, person) => return,
        Whom::Named(person) if into.is_empty() => format!("for {}", person.key),
        Whom::Named(person) => format!("that leads {} to {into}", person.key),
        // Whom a rule finds may be somebody that the constraint is not about.
        Whom::Found if into.is_empty() || constraint.applies_to.is_some() => return,
        Whom::Found => format!("that leads to {into}"),
    };
    for field in constraint.require.iter().filter(|field| !around.iter().any(|entry| has(entry, field))) {
        let message = format!("`{}` requires `{field}` of an entry {of}", constraint.key);
        let mut diagnostic = Diagnostic::error("constraint-requires", message);
        diagnostic.span = Some(policy.span(entry.place));
        diagnostic.related.push((policy.span(constraint.place), "required here".to_owned()));
        diagnostic.help.push(format!("write `{field}:` in the entry"));
        found.push(diagnostic);
    }
}

fn has(entry: &Entry, field: &str) -> bool {
    match field {
        "ticket" => entry.details().ticket.is_some(),
        "reason" => entry.details().reason.is_some(),
        "expires" => entry.window().expires.is_some(),
        "starts" => entry.window().starts.is_some(),
        "approved_by" => entry.details().approved_by.is_some(),
        _ => true,
    }
}

fn every(policy: &Policy) -> BTreeSet<Holding> {
    let roles = (0u32..).zip(&policy.roles).map(|(n, _)| Holding::Role(RoleId(n)));
    roles.chain((0u32..).zip(&policy.groups).map(|(n, _)| Holding::Group(GroupId(n)))).collect()
}

/// These, and every role and group whose members come into one of them.
fn leading(policy: &Policy, into: &[Holding]) -> BTreeSet<Holding> {
    let mut seen: BTreeSet<Holding> = BTreeSet::new();
    let mut open: Vec<Holding> = into.to_vec();
    while let Some(holding) = open.pop() {
        if !seen.insert(holding) {
            continue;
        }
        for (n, role) in (0u32..).zip(&policy.roles) {
            let gives = match holding {
                Holding::Group(group) => role.grants.iter().any(|grant| grant.group == group),
                Holding::Role(other) => role.includes.iter().any(|(included, _)| *included == other),
            };
            if gives {
                open.push(Holding::Role(RoleId(n)));
            }
        }
        for entry in lists(policy, holding).iter().flat_map(|lists| lists.members) {
            nested(policy, *entry, &mut open);
        }
    }
    seen
}

/// The roles and groups whose members an entry lets in.
fn nested(policy: &Policy, id: EntryId, out: &mut Vec<Holding>) {
    match policy.entries.get(id.0 as usize).map(|entry| &entry.select) {
        Some(Select::Role(role)) => out.push(Holding::Role(*role)),
        Some(Select::Group(group)) => out.push(Holding::Group(*group)),
        Some(Select::Groups(glob)) => out.extend(glob.groups.iter().map(|group| Holding::Group(*group))),
        Some(Select::All(parts) | Select::Any(parts)) => {
            for part in parts {
                nested(policy, *part, out);
            }
        }
        Some(Select::People(_) | Select::Where(_) | Select::ReportsTo { .. } | Select::Not(_)) | None => {}
    }
}

/// Calls `found` for each person that an entry, or a part of it, names, and once for what
/// finds people, with that entry and all around it (itself included).
fn leaves<'p>(
    policy: &'p Policy,
    id: EntryId,
    around: &mut Vec<&'p Entry>,
    found: &mut dyn FnMut(&Entry, &[&Entry], Whom<'_>),
) {
    let Some(entry) = policy.entries.get(id.0 as usize) else { return };
    around.push(entry);
    match &entry.select {
        Select::People(people) => {
            for person in people.iter().filter_map(|id| policy.people.get(id.0 as usize)) {
                found(entry, around, Whom::Named(person));
            }
        }
        Select::Where(_) | Select::ReportsTo { .. } => found(entry, around, Whom::Found),
        Select::All(parts) | Select::Any(parts) => {
            for part in parts {
                leaves(policy, *part, around, found);
            }
        }
        Select::Role(_) | Select::Group(_) | Select::Groups(_) | Select::Not(_) => {}
    }
    around.pop();
}
