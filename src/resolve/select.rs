//! Member entries become lists of people, in either reading.
//!
//! Comes in: an entry, the readings of what it refers to. Goes out: spans appended to
//! a list. Refuses: to know which role or group the entry stands in.

use super::rules::Rules;
use super::sets::Nodes;
use super::span::{NEVER, Reading, Span, normalise};
use super::times::{Facts, later_start};
use super::tree::Tree;
use crate::model::{Window, time};
use crate::policy::rule::Verdict;
use crate::policy::{Entry, EntryId, Holding, KindId, PersonId, RuleId, Select};

/// A reading, and whether unread references are taken at their most generous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lens {
    pub(super) reading: Reading,
    pub(super) generous: bool,
}

impl Lens {
    pub(super) const SURE: Self = Self { reading: Reading::Sure, generous: false };

    pub(super) fn flipped(self) -> Self {
        Self { reading: self.reading.flipped(), ..self }
    }
}

/// What the entries around an entry say: it is cut to their windows, and lets in the
/// gated kinds that any of them names.
#[derive(Debug, Clone)]
pub(super) struct Around {
    window: Window,
    start: u32,
    end: u32,
    /// `None`: nobody is kept out, because the entry does not give anything.
    kinds: Option<Vec<KindId>>,
}

impl Around {
    /// An entry that gives.
    pub(super) fn giving() -> Self {
        Self { kinds: Some(Vec::new()), ..Self::filtering() }
    }

    /// An entry of `only`, `except` or under `not`.
    pub(super) fn filtering() -> Self {
        Self { window: Window::default(), start: 0, end: NEVER, kinds: None }
    }
}

/// Everything that entries are resolved against.
pub(super) struct Selector<'r, 'p> {
    pub(super) facts: &'r Facts<'p>,
    pub(super) rules: &'r Rules<'p>,
    pub(super) tree: &'r Tree,
    pub(super) nodes: &'r Nodes,
}

impl Selector<'_, '_> {
    /// Appends the people of an entry, not normalised.
    pub(super) fn collect(&self, entry: EntryId, lens: Lens, around: &Around, out: &mut Vec<Span>) {
        let Some(entry) = self.facts.policy.entries.get(entry.0 as usize) else { return };
        let around = self.within(around, entry);
        if lens.reading == Reading::Sure && (around.start > 0 || around.end == 0) {
            return;
        }
        match &entry.select {
            Select::People(people) => self.people(people, lens, &around, out),
            Select::Role(role) => self.node(Holding::Role(*role), lens, &around, out),
            Select::Group(group) => self.node(Holding::Group(*group), lens, &around, out),
            Select::Groups(glob) => {
                for group in &glob.groups {
                    self.node(Holding::Group(*group), lens, &around, out);
                }
            }
            Select::Where(rule) => self.rule(*rule, lens, &around, out),
            Select::ReportsTo { manager, direct, including } => {
                self.reports_to(*manager, *direct, *including, lens, &around, out);
            }
            Select::Any(parts) => {
                for part in parts {
                    self.collect(*part, lens, &around, out);
                }
            }
            Select::All(parts) => out.append(&mut self.all(parts, lens, &around)),
            Select::Not(part) => {
                let mut rest = self.everybody(lens, &around);
                self.take_away(*part, lens, &mut rest);
                out.append(&mut rest);
            }
        }
    }

    fn within(&self, around: &Around, entry: &Entry) -> Around {
        let times = &self.facts.times;
        let mut kinds = around.kinds.clone();
        if let Some(kinds) = &mut kinds {
            kinds.extend_from_slice(&entry.details().kinds);
        }
        Around {
            window: Window {
                starts: later_start(around.window.starts, entry.window().starts),
                expires: time::earlier(around.window.expires, entry.window().expires),
            },
            start: around.start.max(times.start(entry.window().starts)),
            end: around.end.min(times.end(entry.window().expires)),
            kinds,
        }
    }

    fn people(&self, people: &[PersonId], lens: Lens, around: &Around, out: &mut Vec<Span>) {
        for person in people {
            if let Some((enter, end)) = self.facts.named(person.0, around.window, around.start, around.end) {
                let tick = if lens.reading == Reading::Sure { end } else { enter };
                out.push(Span { person: person.0, tick });
            }
        }
    }

    fn node(&self, holding: Holding, lens: Lens, around: &Around, out: &mut Vec<Span>) {
        let first = out.len();
        self.nodes.spans(holding, lens, out);
        // Which account counts only where something is given.
        if around.kinds.is_none() || lens.reading == Reading::Possible {
            self.facts.holders.forget(out.get_mut(first..).unwrap_or_default());
        }
        let mut kept = first;
        for n in first..out.len() {
            let Some(mut span) = out.get(n).copied() else { continue };
            span.tick = lens.reading.both(span.tick, Self::bound(lens, around));
            let person = self.facts.person(self.facts.holders.person(span.person));
            let lets_in = person.is_some_and(|person| self.lets_in(around, person.kind));
            if let Some(cell) = out.get_mut(kept).filter(|_| lets_in && !lens.reading.is_out(span.tick)) {
                *cell = span;
                kept += 1;
            }
        }
        out.truncate(kept);
    }

    fn rule(&self, rule: RuleId, lens: Lens, around: &Around, out: &mut Vec<Span>) {
        let sure = lens.reading == Reading::Sure;
        let least = if sure { Verdict::Yes } else { Verdict::Unknown };
        for n in self.rules.positions(rule, least) {
            let Some(position) = self.facts.positions.get(n as usize) else { continue };
            if !self.lets_in(around, position.kind) {
                continue;
            }
            let tick = if sure {
                let in_force = if position.starts > 0 { 0 } else { position.ends };
                in_force.min(around.end).min(self.facts.present(position.person, around.window.starts))
            } else {
                let begins = self.facts.person(position.person).map_or(NEVER, |person| person.begins);
                position.starts.max(begins).max(around.start)
            };
            if !lens.reading.is_out(tick) {
                out.push(Span { person: position.person, tick });
            }
        }
    }

    fn reports_to(
        &self,
        manager: PersonId,
        direct: bool,
        including: bool,
        lens: Lens,
        around: &Around,
        out: &mut Vec<Span>,
    ) {
        let first = out.len();
        if lens.reading == Reading::Sure {
            self.tree.sure(self.facts, manager, direct, around.window.starts, out);
        } else {
            self.tree.possible(self.facts, manager, direct, out);
        }
        if including {
            let tick = if lens.reading == Reading::Sure {
                self.facts.present(manager.0, around.window.starts)
            } else {
                self.facts.person(manager.0).map_or(NEVER, |person| person.begins)
            };
            out.push(Span { person: manager.0, tick });
        }
        let mut mine = out.split_off(first);
        mine.retain_mut(|span| {
            span.tick = lens.reading.both(span.tick, Self::bound(lens, around));
            let lets_in = self.facts.person(span.person).is_some_and(|person| self.lets_in(around, person.kind));
            lets_in && !lens.reading.is_out(span.tick)
        });
        out.append(&mut mine);
    }

    /// People in every part: those in all positive parts, without those of each `not`.
    fn all(&self, parts: &[EntryId], lens: Lens, around: &Around) -> Vec<Span> {
        let entries = &self.facts.policy.entries;
        let negated = |part: &EntryId| match entries.get(part.0 as usize).map(|entry| (&entry.select, entry)) {
            Some((Select::Not(inner), entry)) => Some((*inner, entry)),
            _ => None,
        };
        let mut people: Option<Vec<Span>> = None;
        for part in parts.iter().filter(|part| negated(part).is_none()) {
            if people.as_ref().is_some_and(Vec::is_empty) {
                return Vec::new();
            }
            let mut list = Vec::new();
            self.collect(*part, lens, around, &mut list);
            normalise(&mut list, lens.reading);
            people = Some(match people {
                Some(people) => self.facts.holders.meet(&people, &list, lens.reading),
                None => list,
            });
        }
        let mut people = people.unwrap_or_else(|| self.everybody(lens, around));
        for (inner, entry) in parts.iter().filter_map(negated) {
            // The `not` itself may be dated: before it starts, nobody is "not in it".
            let around = self.within(around, entry);
            let bound = if around.start > 0 && lens.reading == Reading::Sure { 0 } else { Self::bound(lens, &around) };
            people.retain_mut(|span| {
                span.tick = lens.reading.both(span.tick, bound);
                !lens.reading.is_out(span.tick)
            });
            self.take_away(inner, lens, &mut people);
        }
        people
    }

    /// Everybody there is, with the bounds of the entry.
    fn everybody(&self, lens: Lens, around: &Around) -> Vec<Span> {
        let count = u32::try_from(self.facts.people.len()).unwrap_or(u32::MAX);
        (0..count).map(|person| Span { person, tick: Self::bound(lens, around) }).collect()
    }

    /// Takes away whoever is in `entry` in the flipped reading.
    pub(super) fn take_away(&self, entry: EntryId, lens: Lens, people: &mut Vec<Span>) {
        let mut away = Vec::new();
        self.collect(entry, lens.flipped(), &Around::filtering(), &mut away);
        normalise(&mut away, lens.reading.flipped());
        self.facts.holders.subtract(people, &away, lens.reading);
    }

    /// The tick of somebody to whom only the entry's own dates apply.
    fn bound(lens: Lens, around: &Around) -> u32 {
        match lens.reading {
            Reading::Sure => around.end,
            Reading::Possible => around.start,
        }
    }

    /// The contractor gate.
    fn lets_in(&self, around: &Around, kind: u16) -> bool {
        let Some(kinds) = &around.kinds else { return true };
        self.facts.gated.get(usize::from(kind)) != Some(&true) || kinds.contains(&KindId(kind))
    }
}
