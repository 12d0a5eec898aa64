//! Every written date as a small number, relative to the instant of the resolution.
//!
//! Comes in: the policy and an instant. Goes out: ticks, and for every person and
//! position the few numbers that set operations need, side by side in memory.
//! Refuses: the clock.

use super::holder::Holders;
use super::span::NEVER;
use super::term::Terms;
use crate::model::{Instant, Term, Window};
use crate::policy::{Period, Policy};
use std::collections::BTreeSet;

/// Instants after `at`, numbered from 1. Tick 0 is the past (and now).
#[derive(Debug, Clone)]
pub(super) struct Times {
    pub(super) at: Instant,
    future: Vec<Instant>,
}

impl Times {
    pub(super) fn new(policy: &Policy, at: Instant) -> Self {
        let mut future = Vec::new();
        each_instant(policy, &mut |instant| {
            // Most instants are the same few; the last one alone stops most repeats.
            if instant > at && future.last() != Some(&instant) {
                future.push(instant);
            }
        });
        future.sort_unstable();
        future.dedup();
        Self { at, future }
    }

    /// The tick of an instant.
    pub(super) fn tick(&self, instant: Instant) -> u32 {
        let n = self.future.partition_point(|i| *i <= instant);
        u32::try_from(n).unwrap_or(NEVER - 1)
    }

    /// The tick of an end; without one, [`NEVER`].
    pub(super) fn end(&self, end: Option<Instant>) -> u32 {
        end.map_or(NEVER, |end| self.tick(end))
    }

    /// The tick of a start; without one, it was always.
    pub(super) fn start(&self, start: Option<Instant>) -> u32 {
        start.map_or(0, |start| self.tick(start))
    }

    /// The instant of a tick after now.
    pub(super) fn instant(&self, tick: u32) -> Option<Instant> {
        self.future.get((tick as usize).checked_sub(1)?).copied()
    }
}

/// All instants at which the written dates can change anything, sorted.
pub fn instants(policy: &Policy) -> BTreeSet<Instant> {
    let mut all = Vec::new();
    each_instant(policy, &mut |instant| {
        if all.last() != Some(&instant) {
            all.push(instant);
        }
    });
    all.into_iter().collect()
}

/// The first and the last of them.
pub(super) fn bounds(policy: &Policy) -> Option<(Instant, Instant)> {
    let mut found: Option<(Instant, Instant)> = None;
    each_instant(policy, &mut |instant| {
        let (first, last) = found.unwrap_or((instant, instant));
        found = Some((first.min(instant), last.max(instant)));
    });
    found
}

fn each_instant(policy: &Policy, found: &mut impl FnMut(Instant)) {
    let terms: Vec<i64> = policy.constraints.iter().filter_map(|c| c.maximum_term).map(Term::seconds).collect();
    let graces: Vec<i64> =
        policy.constraints.iter().filter_map(|c| c.sponsor_gone).map(|s| s.grace.seconds()).collect();
    let early: Vec<i64> =
        policy.directories.iter().filter_map(|d| d.settings.accounts.create_before()).map(Term::seconds).collect();
    let window = |window: Window, found: &mut dyn FnMut(Instant)| {
        for instant in [window.starts, window.expires].into_iter().flatten() {
            found(instant);
        }
        if let Some(starts) = window.starts {
            for term in &terms {
                found(starts.plus(*term));
            }
        }
    };
    for person in &policy.people {
        for period in &person.periods {
            window(period.window, found);
            if let Some(starts) = period.window.starts {
                for before in &early {
                    found(starts.plus(-before));
                }
            }
            if let Some(end) = period.window.expires {
                for grace in &graces {
                    found(end.plus(*grace));
                }
            }
        }
        for position in &person.positions {
            [position.window.starts, position.window.expires, kept(position)]
                .into_iter()
                .flatten()
                .for_each(&mut *found);
        }
        for leave in &person.leave {
            [leave.window.starts, leave.window.expires].into_iter().flatten().for_each(&mut *found);
        }
    }
    for entry in &policy.entries {
        window(entry.window(), found);
    }
    for exception in policy.constraints.iter().flat_map(|c| &c.exceptions) {
        [exception.window.starts, exception.window.expires].into_iter().flatten().for_each(&mut *found);
    }
    let roles = policy.roles.iter().filter_map(|role| role.expires);
    roles.chain(policy.groups.iter().filter_map(|group| group.expires)).for_each(found);
}

/// When a position stops to give, `keep` included.
pub(super) fn kept(position: &crate::policy::Position) -> Option<Instant> {
    position.window.expires.map(|end| end.plus(position.keep.unwrap_or_default().seconds()))
}

/// What set operations need of one person.
#[derive(Debug, Clone, Copy)]
pub(super) struct PersonFacts {
    /// End of the period now; 0 if there is none now.
    pub(super) end: u32,
    /// When the first period begins; 0 if it has begun.
    pub(super) begins: u32,
    /// Whether there is only one period.
    pub(super) single: bool,
    pub(super) kind: u16,
}

/// What set operations need of one position.
#[derive(Debug, Clone, Copy)]
pub(super) struct PositionFacts {
    pub(super) person: u32,
    pub(super) starts: u32,
    /// `keep` included.
    pub(super) ends: u32,
    pub(super) kind: u16,
}

/// The policy's people in numbers, at one instant.
pub(super) struct Facts<'p> {
    pub(super) policy: &'p Policy,
    pub(super) times: Times,
    pub(super) people: Vec<PersonFacts>,
    pub(super) positions: Vec<PositionFacts>,
    /// What takes holders apart.
    pub(super) holders: Holders,
    /// Whether a kind is gated, by number.
    pub(super) gated: Vec<bool>,
    pub(super) terms: Terms,
}

impl<'p> Facts<'p> {
    pub(super) fn new(policy: &'p Policy, at: Instant) -> Self {
        let times = Times::new(policy, at);
        let mut people = Vec::with_capacity(policy.people.len());
        let mut positions = Vec::with_capacity(policy.people.len());
        for (n, person) in policy.people.iter().enumerate() {
            let now = person.periods.iter().find(|period| period.window.contains(at));
            let begins = person.periods.iter().map(|period| times.start(period.window.starts)).min();
            people.push(PersonFacts {
                end: now.map_or(0, |period| times.end(period.window.expires)),
                begins: begins.unwrap_or(NEVER),
                single: person.periods.len() == 1,
                kind: person.kind.0,
            });
            positions.extend(person.positions.iter().map(|position| PositionFacts {
                person: u32::try_from(n).unwrap_or(NEVER),
                starts: times.start(position.window.starts),
                ends: times.end(kept(position)),
                kind: position.kind.0,
            }));
        }
        let gated = policy.kinds.iter().map(|kind| kind.gated).collect();
        let terms = Terms::new(policy, at);
        let holders = Holders::new(people.len());
        Self { policy, times, people, positions, holders, gated, terms }
    }

    /// The same with everybody's period open and without maximum terms: what is said of
    /// positions and entries alone.
    pub(super) fn timeless(policy: &'p Policy, at: Instant) -> Self {
        let mut facts = Self::new(policy, at);
        for person in &mut facts.people {
            *person = PersonFacts { end: NEVER, begins: 0, single: true, ..*person };
        }
        facts.terms = Terms::default();
        facts
    }

    pub(super) fn person(&self, person: u32) -> Option<PersonFacts> {
        self.people.get(person as usize).copied()
    }

    /// Start and end tick of a named person under an entry's window, cut to the
    /// period that the entry belongs to. The end is 0 unless both are in force.
    pub(super) fn named(&self, person: u32, window: Window, start: u32, end: u32) -> Option<(u32, u32)> {
        let facts = self.person(person)?;
        if facts.single && self.terms.is_empty() {
            let enter = start.max(facts.begins);
            return Some((enter, if enter > 0 { 0 } else { end.min(facts.end) }));
        }
        let periods = &self.policy.people.get(person as usize)?.periods;
        let Some(period) = period_of(periods, window.starts) else {
            // The person was gone before the entry began: it names nobody, but what is
            // taken away by it stays away.
            return Some((start, 0));
        };
        let enter = start.max(self.times.start(period.window.starts));
        let clamp = self.terms.clamp(person, later_start(window.starts, period.window.starts));
        let end = end.min(self.times.end(period.window.expires)).min(self.times.end(clamp));
        Some((enter, if enter > 0 { 0 } else { end }))
    }

    /// The end of a person's present period, shortened by the terms that count from
    /// the later of it and `starts`. 0 if the person is not here.
    pub(super) fn present(&self, person: u32, starts: Option<Instant>) -> u32 {
        let Some(facts) = self.person(person) else { return 0 };
        if facts.end == 0 || self.terms.is_empty() {
            return facts.end;
        }
        let periods = self.policy.people.get(person as usize).map_or(&[][..], |person| &person.periods);
        let now = periods.iter().find(|period| period.window.contains(self.times.at));
        let starts = later_start(starts, now.and_then(|period| period.window.starts));
        facts.end.min(self.times.end(self.terms.clamp(person, starts)))
    }
}

/// The period that an entry belongs to: the first without a start, otherwise the one
/// that contains the start or the next that begins after it.
pub(super) fn period_of(periods: &[Period], starts: Option<Instant>) -> Option<&Period> {
    let Some(starts) = starts else { return periods.first() };
    let containing = periods.iter().find(|period| period.window.contains(starts));
    containing.or_else(|| periods.iter().find(|period| period.window.is_future(starts)))
}

/// The later of two starts, where `None` means "always".
pub(super) fn later_start(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.max(b)
}
