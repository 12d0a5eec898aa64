//! Constraints against who holds what.
//!
//! Comes in: a resolution. Goes out: breaches, each with both ways and what to do;
//! and, for `validate`, those that no date brings or ends. Refuses: to take anything
//! away (new grants of the people concerned are withheld by `plan`).

use super::because::{last_day, name};
use super::term::is_concerned;
use super::{Held, References, Resolution, Via, because, instants, resolve};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Place, Window};
use crate::policy::{
    Constraint, EntryId, Exception, GroupId, Holding, Period, Person, PersonId, Policy, RoleId, Select, Standing,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreachKind {
    /// The person holds two things that exclude each other.
    Exclusive,
    /// The person holds something forbidden.
    Forbidden,
    /// The person's sponsor left then.
    SponsorGone(Instant),
}

/// One person who breaks one constraint at the instant of the resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Position of the constraint in `Policy::constraints`.
    pub constraint: usize,
    /// Who.
    pub person: PersonId,
    /// What is wrong.
    pub kind: BreachKind,
    /// What conflicts, each with its winning way.
    pub holdings: Vec<(Holding, Held)>,
    /// Groups that carry what conflicts: new grants of them are withheld.
    pub groups: BTreeSet<GroupId>,
    /// An exception that ended, or has not begun.
    pub exception: Option<Place>,
    /// `breaks payments-separation: dana.wolf holds role clerk by …, and role approver by …`.
    pub message: String,
    /// What to do next.
    pub help: String,
    /// Where the constraint was written.
    pub place: Place,
}

/// Every breach at the instant of the resolution, by constraint, then person.
pub fn constraints(policy: &Policy, resolution: &Resolution) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (number, constraint) in policy.constraints.iter().enumerate() {
        let checked = Checked { policy, resolution, number, constraint };
        checked.held_together(&constraint.exclusive, 2, BreachKind::Exclusive, &mut breaches);
        checked.held_together(&constraint.forbid, 1, BreachKind::Forbidden, &mut breaches);
        checked.sponsors(&mut breaches);
    }
    breaches.sort_by_key(|breach| (breach.constraint, breach.person, breach.kind));
    breaches
}

struct Checked<'a> {
    policy: &'a Policy,
    resolution: &'a Resolution,
    number: usize,
    constraint: &'a Constraint,
}

impl Checked<'_> {
    /// People who hold at least `least` of the holdings.
    fn held_together(&self, holdings: &[Holding], least: usize, kind: BreachKind, out: &mut Vec<Breach>) {
        let mut held: BTreeMap<PersonId, Vec<(Holding, Held)>> = BTreeMap::new();
        for holding in holdings {
            for one in self.resolution.held_in(*holding) {
                held.entry(one.person).or_default().push((*holding, one));
            }
        }
        for (id, holdings) in held.into_iter().filter(|(_, holdings)| holdings.len() >= least) {
            let Some(person) = self.policy.people.get(id.0 as usize) else { continue };
            let at = self.resolution.at();
            let mine = || self.constraint.exceptions.iter().filter(|exception| exception.person == id);
            if mine().any(|exception| exception.window.contains(at))
                || !is_concerned(self.policy, self.constraint, person, at)
            {
                continue;
            }
            let exception = mine().max_by_key(|exception| exception.window.expires);
            let groups = holdings.iter().flat_map(|(holding, _)| carried(self.policy, *holding)).collect();
            let message = self.message(person, kind, &holdings);
            out.push(self.breach(id, kind, holdings, groups, exception, message));
        }
    }

    fn breach(
        &self,
        person: PersonId,
        kind: BreachKind,
        holdings: Vec<(Holding, Held)>,
        groups: BTreeSet<GroupId>,
        exception: Option<&Exception>,
        message: String,
    ) -> Breach {
        let at = self.resolution.at();
        let ended = exception.and_then(|exception| exception.window.expires).filter(|end| *end <= at);
        let help = match (kind, ended) {
            (BreachKind::SponsorGone(_), _) => "name another sponsor, or let the person end".to_owned(),
            (_, Some(end)) => format!(
                "the exception expired {}: take one away, or write a new exception with an expiry",
                last_day(self.policy, end)
            ),
            (BreachKind::Exclusive, None) => "take the other away, or write an exception with an expiry".to_owned(),
            (BreachKind::Forbidden, None) => "take it away, or write an exception with an expiry".to_owned(),
        };
        Breach {
            constraint: self.number,
            person,
            kind,
            holdings,
            groups,
            exception: exception.map(|exception| exception.place),
            message,
            help,
            place: self.constraint.place,
        }
    }

    fn message(&self, person: &Person, kind: BreachKind, holdings: &[(Holding, Held)]) -> String {
        let all: Vec<String> = holdings
            .iter()
            .map(|(holding, held)| {
                let (file, line) = self.policy.locate(self.place_of(*holding, held));
                format!("{} {} ({file}:{line})", name(self.policy, *holding), self.by(*held))
            })
            .collect();
        let verb = if kind == BreachKind::Forbidden { "may not hold" } else { "holds" };
        format!("breaks {}: {} {verb} {}", self.constraint.key, person.key, all.join(", and "))
    }

    fn by(&self, held: Held) -> String {
        match held.via {
            Via::Role(role) => {
                self.policy.roles.get(role.0 as usize).map_or_else(String::new, |role| format!("by role {}", role.key))
            }
            Via::Entry(_) => "by its own members".to_owned(),
            Via::Directory => "by the directory".to_owned(),
        }
    }

    fn place_of(&self, holding: Holding, held: &Held) -> Place {
        let chain = because(self.policy, self.resolution, held.person, holding).into_iter().next();
        chain.and_then(|chain| chain.steps.first().map(|step| step.place)).unwrap_or(self.constraint.place)
    }

    /// People whose sponsor has left, where the constraint says what follows.
    fn sponsors(&self, out: &mut Vec<Breach>) {
        let Some(gone) = self.constraint.sponsor_gone else { return };
        let at = self.resolution.at();
        for (n, person) in (0u32..).zip(&self.policy.people) {
            let Some(sponsor) = person.sponsor.and_then(|id| self.policy.people.get(id.0 as usize)) else { continue };
            let (Standing::Left(end), Standing::Present(_) | Standing::OnLeave(_)) =
                (sponsor.standing(at), person.standing(at))
            else {
                continue;
            };
            if !is_concerned(self.policy, self.constraint, person, at) {
                continue;
            }
            let until = end.plus(gone.grace.seconds());
            let then = match (gone.disable, until <= at) {
                (true, false) => format!("; the accounts are disabled {}", until.civil(&self.policy.timezone)),
                (true, true) => "; the accounts are disabled".to_owned(),
                (false, _) => String::new(),
            };
            let message = format!(
                "breaks {}: the sponsor of {}, {}, left, ended {}{then}",
                self.constraint.key,
                person.key,
                sponsor.key,
                end.civil(&self.policy.timezone)
            );
            let kind = BreachKind::SponsorGone(end);
            let all = (0u32..).take(self.policy.groups.len()).map(GroupId).collect();
            out.push(self.breach(PersonId(n), kind, Vec::new(), all, None, message));
        }
    }
}

/// The groups that a holding gives: itself, or what the role and all it includes grant.
pub fn carried(policy: &Policy, holding: Holding) -> BTreeSet<GroupId> {
    let mut groups = BTreeSet::new();
    let mut seen: BTreeSet<RoleId> = BTreeSet::new();
    let mut open = Vec::new();
    match holding {
        Holding::Group(group) => drop(groups.insert(group)),
        Holding::Role(role) => open.push(role),
    }
    while let Some(id) = open.pop() {
        if let Some(role) = policy.roles.get(id.0 as usize).filter(|_| seen.insert(id)) {
            groups.extend(role.grants.iter().map(|grant| grant.group));
            open.extend(role.includes.iter().map(|(other, _)| *other));
        }
    }
    groups
}

/// Breaches that the files bring whatever the date (undated on both sides, no
/// exception), and member entries that lack what a constraint requires: errors for
/// `validate`.
pub fn static_breaches(policy: &Policy) -> Vec<Diagnostic> {
    let mut found = missing_fields(policy);
    if policy.constraints.iter().all(|c| c.exclusive.is_empty() && c.forbid.is_empty()) {
        return found;
    }
    let timeless = timeless(policy);
    let written = instants(&timeless);
    let first = written.first().map_or(Instant::from_seconds(0), |first| first.plus(-1));
    let last = written.last().map_or(first, |last| last.plus(1));
    // Before anything starts and after everything has ended: what holds both times is undated.
    let at = |at: Instant| constraints(&timeless, &resolve(&timeless, &References::default(), at));
    let early: BTreeSet<_> = at(first).iter().map(identity).collect();
    for breach in at(last).iter().filter(|breach| early.contains(&identity(breach))) {
        let mut diagnostic = Diagnostic::error("constraint-broken", breach.message.clone());
        diagnostic.span = Some(policy.span(breach.place));
        for (holding, held) in &breach.holdings {
            if let Via::Entry(entry) = held.via
                && let Some(entry) = policy.entries.get(entry.0 as usize)
            {
                diagnostic = diagnostic.related(policy.span(entry.place), format!("gives {}", name(policy, *holding)));
            }
        }
        diagnostic.help.push(breach.help.clone());
        found.push(diagnostic);
    }
    found
}

type Identity = (usize, PersonId, BreachKind, Vec<Holding>);

fn identity(breach: &Breach) -> Identity {
    (breach.constraint, breach.person, breach.kind, breach.holdings.iter().map(|(holding, _)| *holding).collect())
}

/// The policy with people who were always here, without terms and sponsors, and
/// without constraints for people who have any exception.
fn timeless(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    for person in &mut policy.people {
        let place = person.periods.first().map_or(person.place, |period| period.place);
        person.periods = vec![Period { window: Window::default(), place }];
    }
    for constraint in &mut policy.constraints {
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
        named(policy, *id, &mut |entry, person| {
            for constraint in &demanding {
                let ever = |position: &crate::policy::Position| {
                    let rule = constraint.applies_to.and_then(|rule| policy.rules.get(rule.0 as usize));
                    rule.is_none_or(|rule| rule.verdict(policy, person, position) != crate::policy::rule::Verdict::No)
                };
                if !person.positions.iter().any(ever) {
                    continue;
                }
                for field in constraint.require.iter().filter(|field| !has(entry, field)) {
                    let message = format!("{} requires `{field}` of an entry for {}", constraint.key, person.key);
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

fn has(entry: &crate::policy::Entry, field: &str) -> bool {
    match field {
        "ticket" => entry.ticket.is_some(),
        "reason" => entry.reason.is_some(),
        "expires" => entry.window.expires.is_some(),
        "starts" => entry.window.starts.is_some(),
        "approved_by" => entry.approved_by.is_some(),
        _ => true,
    }
}

/// Calls `found` for each person that an entry, or a part of it, names.
fn named(policy: &Policy, id: EntryId, found: &mut dyn FnMut(&crate::policy::Entry, &Person)) {
    let Some(entry) = policy.entries.get(id.0 as usize) else { return };
    match &entry.select {
        Select::People(people) => {
            for person in people.iter().filter_map(|id| policy.people.get(id.0 as usize)) {
                found(entry, person);
            }
        }
        Select::All(parts) | Select::Any(parts) => parts.iter().for_each(|part| named(policy, *part, found)),
        _ => {}
    }
}
