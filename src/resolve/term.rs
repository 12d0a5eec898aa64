//! Maximum terms and whom a constraint concerns.
//!
//! Comes in: constraints. Goes out: the latest end that a grant of a person may have.
//! Refuses: to warn (`constraints` says what was clamped).

use crate::model::Instant;
use crate::policy::rule::Verdict;
use crate::policy::{Constraint, Person, PersonId, Policy, Position};

/// The maximum terms of a policy, with whom each concerns at an instant.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms(Vec<Term>);

#[derive(Debug, Clone)]
struct Term {
    seconds: i64,
    /// By person; empty is everybody.
    concerned: Vec<bool>,
    /// Exceptions in force, by person: until when.
    exceptions: Vec<(u32, Option<Instant>)>,
}

impl Terms {
    pub(super) fn new(policy: &Policy, at: Instant) -> Self {
        let terms = policy.constraints.iter().filter_map(|constraint| {
            let seconds = constraint.maximum_term?.seconds();
            let concerned = match constraint.applies_to {
                None => Vec::new(),
                Some(_) => policy.people.iter().map(|person| is_concerned(policy, constraint, person, at)).collect(),
            };
            let exceptions = constraint.exceptions.iter().filter(|exception| exception.window.contains(at));
            let exceptions = exceptions.map(|exception| (exception.person.0, exception.window.expires)).collect();
            Some(Term { seconds, concerned, exceptions })
        });
        Self(terms.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The latest end of a grant that began at `starts`; no start, no clamp (the
    /// checks demand one).
    pub(super) fn clamp(&self, person: u32, starts: Option<Instant>) -> Option<Instant> {
        let starts = starts?;
        let mine = |term: &&Term| term.concerned.is_empty() || term.concerned.get(person as usize) == Some(&true);
        self.0.iter().filter(mine).filter_map(|term| term.end(person, starts)).min()
    }
}

impl Term {
    /// `None` where an exception without an end is in force.
    fn end(&self, person: u32, starts: Instant) -> Option<Instant> {
        let end = starts.plus(self.seconds);
        let mut exceptions = self.exceptions.iter().filter(|(who, _)| *who == person).map(|(_, until)| *until);
        exceptions.try_fold(end, |end, until| until.map(|until| end.max(until)))
    }
}

/// Whether a constraint concerns a person at an instant: where its rule is true or
/// unknown on a position that counts. A constraint only narrows, so unknown is yes.
pub(super) fn is_concerned(policy: &Policy, constraint: &Constraint, person: &Person, at: Instant) -> bool {
    let Some(rule) = constraint.applies_to.and_then(|rule| policy.rules.get(rule.0 as usize)) else {
        return constraint.applies_to.is_none();
    };
    let counts = |position: &&Position| counts(person, position, at);
    person.positions.iter().filter(counts).any(|position| rule.verdict(policy, person, position) != Verdict::No)
}

/// Whether a position counts for constraints: it has begun, and has not ended, or
/// nothing that was written to start then or later has taken its place (so that an end
/// alone frees nobody from a constraint).
fn counts(person: &Person, position: &Position, at: Instant) -> bool {
    let Some(ended) = position.window.expires.filter(|end| *end <= at) else {
        return !position.window.is_future(at);
    };
    let replaces =
        |other: &Position| other.window.contains(at) && other.window.starts.is_some_and(|starts| starts >= ended);
    !position.window.is_future(at) && !person.positions.iter().any(replaces)
}

/// The same for one person alone, without preparing everybody.
pub(super) fn clamp_of(policy: &Policy, id: PersonId, starts: Option<Instant>, at: Instant) -> Option<Instant> {
    let starts = starts?;
    let person = policy.people.get(id.0 as usize)?;
    let mine = policy.constraints.iter().filter_map(|constraint| {
        let seconds = constraint.maximum_term?.seconds();
        is_concerned(policy, constraint, person, at).then(|| {
            let exceptions = constraint.exceptions.iter().filter(|e| e.person == id && e.window.contains(at));
            let exceptions = exceptions.map(|exception| (id.0, exception.window.expires)).collect();
            Term { seconds, concerned: Vec::new(), exceptions }
        })
    });
    mine.filter_map(|term| term.end(id.0, starts)).min()
}
