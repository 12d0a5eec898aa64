//! What maximum terms say about the files: grants that have no start to count from
//! (errors), and ends that a term brings forward (warnings, and the reason of an end).
//!
//! Comes in: a policy. Goes out: findings. Refuses: the clock, and to look at ways that
//! a term does not shorten (nested roles and groups are shortened where they begin).

use super::rules::Rules;
use super::term::is_concerned;
use super::times::{Facts, later_start, period_of};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Place, Window, time};
use crate::policy::rule::Verdict;
use crate::policy::{Constraint, Entry, EntryId, KindId, Period, Person, PersonId, Policy, Select};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that maximum terms find in the files.
pub(super) fn findings(policy: &Policy) -> Vec<Diagnostic> {
    let limited: Vec<&Constraint> = policy.constraints.iter().filter(|c| c.maximum_term.is_some()).collect();
    if limited.is_empty() {
        return Vec::new();
    }
    // Which instant is all the same: of the facts only positions and kinds are read.
    let facts = Facts::new(policy, Instant::from_seconds(0));
    let walk = Walk { policy, rules: Rules::new(&facts), facts: &facts, reports: reports(policy) };
    let mut findings = Findings::default();
    for constraint in limited {
        let concerned: Vec<bool> =
            policy.people.iter().map(|person| is_ever_concerned(policy, constraint, person)).collect();
        let roles = policy.roles.iter().map(|role| (&role.members, role.expires));
        let groups = policy.groups.iter().map(|group| (&group.members, group.expires));
        for (members, expires) in roles.chain(groups) {
            for id in members {
                let around = Around { window: Window { starts: None, expires }, kinds: Vec::new() };
                walk.entry(*id, &around, &mut |entry, person, reach, window| {
                    if concerned.get(person.0 as usize) == Some(&true) {
                        findings.reached(policy, constraint, entry, person, reach, window);
                    }
                });
            }
        }
    }
    findings.told(policy)
}

/// The maximum term that ends what a person holds at `ends`, in words and with its
/// place; `None` where something that is written ends it.
pub fn ending_term(policy: &Policy, id: PersonId, ends: Instant, at: Instant) -> Option<(String, Place)> {
    let person = policy.people.get(id.0 as usize)?;
    let windows = || {
        let periods = person.periods.iter().map(|period| period.window);
        periods.chain(policy.entries.iter().map(crate::policy::Entry::window))
    };
    if windows().any(|window| window.expires == Some(ends)) {
        return None;
    }
    let mut limiting = policy.constraints.iter().filter(|constraint| is_concerned(policy, constraint, person, at));
    limiting.find_map(|constraint| {
        let term = constraint.maximum_term?;
        let starts = windows().filter_map(|window| window.starts).find(|starts| starts.plus(term.seconds()) == ends)?;
        let text = format!("ends with {}: at most {term} from {}", constraint.key, starts.civil(&policy.timezone));
        Some((text, constraint.place))
    })
}

/// Whether a constraint may concern the person on some position.
pub(super) fn is_ever_concerned(policy: &Policy, constraint: &Constraint, person: &Person) -> bool {
    let Some(rule) = constraint.applies_to.and_then(|rule| policy.rules.get(rule.0 as usize)) else { return true };
    person.positions.iter().any(|position| rule.verdict(policy, person, position) != Verdict::No)
}

/// How an entry comes to a person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// By name: for one period.
    Named,
    /// By a rule or a tree: for each period.
    Found,
}

/// What the entries around an entry say.
#[derive(Clone)]
struct Around {
    window: Window,
    kinds: Vec<KindId>,
}

struct Walk<'a> {
    policy: &'a Policy,
    facts: &'a Facts<'a>,
    rules: Rules<'a>,
    /// Manager → people who ever report to them.
    reports: BTreeMap<PersonId, Vec<PersonId>>,
}

fn reports(policy: &Policy) -> BTreeMap<PersonId, Vec<PersonId>> {
    let mut reports: BTreeMap<PersonId, Vec<PersonId>> = BTreeMap::new();
    if policy.entries.iter().any(|entry| matches!(entry.select, Select::ReportsTo { .. })) {
        for (n, person) in (0u32..).zip(&policy.people) {
            for manager in person.positions.iter().filter_map(|position| position.manager) {
                reports.entry(manager).or_default().push(PersonId(n));
            }
        }
    }
    reports
}

type Found<'f, 'a> = &'f mut dyn FnMut(&'a Entry, PersonId, Reach, Window);

impl<'a> Walk<'a> {
    /// Everybody to whom an entry leads by itself, with the window around.
    fn entry(&self, id: EntryId, around: &Around, found: Found<'_, 'a>) {
        let Some(entry) = self.policy.entries.get(id.0 as usize) else { return };
        let around = Around {
            window: Window {
                starts: later_start(around.window.starts, entry.window().starts),
                expires: time::earlier(around.window.expires, entry.window().expires),
            },
            kinds: around.kinds.iter().chain(&entry.details().kinds).copied().collect(),
        };
        match &entry.select {
            Select::People(people) => people.iter().for_each(|one| found(entry, *one, Reach::Named, around.window)),
            Select::Where(rule) => {
                for n in self.rules.positions(*rule, Verdict::Yes) {
                    let Some(position) = self.facts.positions.get(n as usize) else { continue };
                    if self.lets_in(&around, position.kind) {
                        found(entry, PersonId(position.person), Reach::Found, around.window);
                    }
                }
            }
            Select::ReportsTo { manager, direct, including } => {
                let mut below = self.below(*manager, *direct);
                if *including {
                    below.insert(*manager);
                }
                for one in below {
                    let kind = self.facts.person(one.0).map(|person| person.kind);
                    if kind.is_some_and(|kind| self.lets_in(&around, kind)) {
                        found(entry, one, Reach::Found, around.window);
                    }
                }
            }
            Select::All(parts) | Select::Any(parts) => parts.iter().for_each(|part| self.entry(*part, &around, found)),
            Select::Role(_) | Select::Group(_) | Select::Groups(..) | Select::Not(_) => {}
        }
    }

    fn below(&self, manager: PersonId, direct: bool) -> BTreeSet<PersonId> {
        let mut below = BTreeSet::new();
        let mut open = vec![manager];
        while let Some(manager) = open.pop() {
            for one in self.reports.get(&manager).into_iter().flatten() {
                if below.insert(*one) && !direct {
                    open.push(*one);
                }
            }
        }
        below
    }

    fn lets_in(&self, around: &Around, kind: u16) -> bool {
        self.facts.gated.get(usize::from(kind)) != Some(&true) || around.kinds.contains(&KindId(kind))
    }
}

/// What was found, each once.
#[derive(Default)]
struct Findings<'a> {
    /// (constraint, place without a start) → the constraint, who, and how they are reached.
    startless: BTreeMap<(&'a str, Place), (&'a Constraint, PersonId, &'a Entry)>,
    /// (constraint, entry) → the constraint, what happens to the first person, and how many others.
    clamped: BTreeMap<(&'a str, Place), (&'a Constraint, Clamped, BTreeSet<PersonId>)>,
}

/// An end that a term brings forward.
struct Clamped {
    person: PersonId,
    written: Option<Instant>,
    end: Instant,
}

impl<'a> Findings<'a> {
    fn reached(
        &mut self,
        policy: &'a Policy,
        constraint: &'a Constraint,
        entry: &'a Entry,
        id: PersonId,
        reach: Reach,
        window: Window,
    ) {
        let Some(person) = policy.people.get(id.0 as usize) else { return };
        let one = match reach {
            Reach::Named => period_of(&person.periods, window.starts).map(std::slice::from_ref),
            Reach::Found => Some(&*person.periods),
        };
        for period in one.unwrap_or_default() {
            let Some(starts) = later_start(window.starts, period.window.starts) else {
                let place = if reach == Reach::Named { entry.place } else { period.place };
                self.startless.entry((&constraint.key, place)).or_insert((constraint, id, entry));
                continue;
            };
            self.counted(constraint, entry, id, period, starts, window);
        }
    }

    /// A grant that the term can be counted for.
    fn counted(
        &mut self,
        constraint: &'a Constraint,
        entry: &'a Entry,
        person: PersonId,
        period: &Period,
        starts: Instant,
        window: Window,
    ) {
        let term = constraint.maximum_term.unwrap_or_default();
        let exceptions = constraint.exceptions.iter().filter(|exception| exception.person == person);
        let excepted = exceptions.filter_map(|exception| exception.window.expires);
        let end = excepted.fold(starts.plus(term.seconds()), Instant::max);
        let written = time::earlier(window.expires, period.window.expires);
        if written.is_some_and(|written| written <= end) {
            return;
        }
        let clamped = Clamped { person, written, end };
        let (_, _, people) = self
            .clamped
            .entry((&constraint.key, entry.place))
            .or_insert_with(|| (constraint, clamped, BTreeSet::new()));
        people.insert(person);
    }

    fn told(self, policy: &Policy) -> Vec<Diagnostic> {
        let key = |id: PersonId| policy.people.get(id.0 as usize).map_or("?", |person| person.key.as_ref());
        let term = |constraint: &Constraint| constraint.maximum_term.unwrap_or_default();
        let limit = |constraint: &Constraint| (policy.span(constraint.place), format!("at most {}", term(constraint)));
        let mut told = Vec::with_capacity(self.startless.len() + self.clamped.len());
        for ((_, place), (constraint, id, entry)) in self.startless {
            let message = format!("`{}` counts from a start, and this grant to `{}` has none", constraint.key, key(id));
            let mut diagnostic = Diagnostic::error("term-needs-start", message).at(policy.span(place));
            diagnostic.related.push(limit(constraint));
            if place != entry.place {
                diagnostic.related.push((policy.span(entry.place), "granted here".to_owned()));
            }
            let help = if place == entry.place {
                format!("write `starts:` in the entry, or in the period of `{}`", key(id))
            } else {
                format!("write `starts:` for `{}`", key(id))
            };
            told.push(diagnostic.help(help));
        }
        for ((_, place), (constraint, clamped, people)) in self.clamped {
            let others = match people.len() {
                0 | 1 => String::new(),
                2 => " (and of 1 other)".to_owned(),
                n => format!(" (and of {} others)", n - 1),
            };
            let zone = &policy.timezone;
            let written = clamped.written.map_or("has no end".to_owned(), |end| format!("ends {}", end.civil(zone)));
            let message = format!(
                "`{}` ends this grant of `{}`{others} {}; what is written {written}",
                constraint.key,
                key(clamped.person),
                clamped.end.civil(zone)
            );
            let mut diagnostic = Diagnostic::warning("maximum-term", message).at(policy.span(place));
            diagnostic.related.push(limit(constraint));
            told.push(diagnostic.help("write an `expires:` within the term, or an exception with an expiry"));
        }
        told
    }
}
