//! The tree below a manager.
//!
//! Comes in: who reports to whom, position by position. Goes out: the people below
//! one manager, with the end (or the beginning) of the way that leads to them.
//! Refuses: to loop (a circle of managers is walked once).
//!
//! Somebody who leaves does not cut off the people below: the last written position
//! goes on linking them upwards until one that starts later takes its place. So the
//! end of a middle manager takes nobody out of the tree, and lets nobody in.

use super::span::{NEVER, Reading, Span};
use super::times::Facts;
use crate::model::Instant;
use crate::policy::{Person, PersonId, Position, Select};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Positions by manager. Built only where an entry asks.
#[derive(Default)]
pub(super) struct Tree {
    offsets: Vec<u32>,
    positions: Vec<u32>,
    /// By position: until when it links its person upwards; 0 is not now.
    links: Vec<u32>,
    /// By position: when it begins to.
    starts: Vec<u32>,
}

impl Tree {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let policy = facts.policy;
        if !policy.entries.iter().any(|entry| matches!(entry.select, Select::ReportsTo { .. })) {
            return Self::default();
        }
        let all = || policy.people.iter().flat_map(|person| person.positions.iter().map(move |p| (person, p)));
        let mut offsets = vec![0u32; policy.people.len() + 1];
        let mut links = Vec::with_capacity(facts.positions.len());
        let mut starts = Vec::with_capacity(facts.positions.len());
        for (person, position) in all() {
            if let Some(cell) = position.manager.and_then(|m| offsets.get_mut(m.0 as usize + 1)) {
                *cell += 1;
            }
            links.push(link_end(facts, person, position));
            starts.push(facts.times.start(position.window.starts));
        }
        let mut sum = 0;
        for cell in &mut offsets {
            sum += *cell;
            *cell = sum;
        }
        let mut next = offsets.clone();
        let mut positions = vec![0u32; sum as usize];
        for (n, (_, position)) in (0u32..).zip(all()) {
            if let Some(cell) = position.manager.and_then(|m| next.get_mut(m.0 as usize)) {
                if let Some(slot) = positions.get_mut(*cell as usize) {
                    *slot = n;
                }
                *cell += 1;
            }
        }
        Self { offsets, positions, links, starts }
    }

    fn reports(&self, manager: u32) -> &[u32] {
        let bounds = self.offsets.get(manager as usize).zip(self.offsets.get(manager as usize + 1));
        bounds.and_then(|(start, end)| self.positions.get(*start as usize..*end as usize)).unwrap_or_default()
    }

    /// Everybody below `manager` (one level if `direct`) whose own position is in
    /// force, the best way for each. Appended, unsorted; the manager is never in it.
    pub(super) fn sure(
        &self,
        facts: &Facts<'_>,
        manager: PersonId,
        direct: bool,
        starts: Option<Instant>,
        out: &mut Vec<Span>,
    ) {
        self.walk(
            manager.0,
            direct,
            Reading::Sure,
            |n, way| {
                let Some(position) = facts.positions.get(n as usize) else { return };
                let in_force = if position.starts > 0 { 0 } else { position.ends };
                let tick = way.min(in_force).min(facts.present(position.person, starts));
                if tick > 0 && position.person != manager.0 {
                    out.push(Span { person: position.person, tick });
                }
            },
            facts,
        );
    }

    /// Everybody who is, was or will be below `manager`.
    pub(super) fn possible(&self, facts: &Facts<'_>, manager: PersonId, direct: bool, out: &mut Vec<Span>) {
        self.walk(
            manager.0,
            direct,
            Reading::Possible,
            |n, way| {
                let Some(position) = facts.positions.get(n as usize) else { return };
                let begins = facts.person(position.person).map_or(NEVER, |person| person.begins);
                let tick = way.max(position.starts).max(begins);
                if tick != NEVER && position.person != manager.0 {
                    out.push(Span { person: position.person, tick });
                }
            },
            facts,
        );
    }

    /// Visits each position below the manager with the best way to its person's
    /// manager: the one that ends last, or begins first. No way leads through the person
    /// again: whoever is in a circle is below the top by what leads out of it alone.
    fn walk(&self, manager: u32, direct: bool, reading: Reading, mut found: impl FnMut(u32, u32), facts: &Facts<'_>) {
        let mut again = BTreeSet::new();
        let person = |n: u32| facts.positions.get(n as usize).map(|position| position.person);
        self.walk_past(None, (manager, direct, reading), facts, |n, way, is_circle| match person(n) {
            Some(person) if is_circle => drop(again.insert(person)),
            _ => found(n, way),
        });
        for left_out in again {
            self.walk_past(Some(left_out), (manager, direct, reading), facts, |n, way, _| {
                if person(n) == Some(left_out) {
                    found(n, way);
                }
            });
        }
    }

    /// The same, with the ways through one person left out. Says of each position whether
    /// the best way of its manager leads through its person.
    fn walk_past(
        &self,
        left_out: Option<u32>,
        (manager, direct, reading): (u32, bool, Reading),
        facts: &Facts<'_>,
        mut found: impl FnMut(u32, u32, bool),
    ) {
        // Ways are kept so that larger is better and 0 is none.
        let rank = |tick: u32| if reading == Reading::Sure { tick } else { NEVER - tick };
        // The best way of each, and who is next on it.
        let mut best = vec![(0u32, manager); facts.people.len()];
        let mut heap = BinaryHeap::from([(NEVER, Reverse(manager))]);
        if let Some(cell) = best.get_mut(manager as usize) {
            cell.0 = NEVER;
        }
        while let Some((way, Reverse(person))) = heap.pop() {
            if best.get(person as usize).is_none_or(|(best, _)| *best > way) {
                continue;
            }
            for n in self.reports(person) {
                let Some(below) = facts.positions.get(*n as usize).map(|position| position.person) else { continue };
                // Whoever has no way yet is on nobody's.
                let is_reached = below != manager && best.get(below as usize).is_some_and(|(best, _)| *best > 0);
                found(*n, rank(way), is_reached && leads_through(&best, person, below, manager));
                let links = if reading == Reading::Sure { &self.links } else { &self.starts };
                let next = way.min(links.get(*n as usize).map_or(0, |link| rank(*link)));
                let goes_on = !direct && Some(below) != left_out;
                if let Some(cell) = best.get_mut(below as usize).filter(|cell| goes_on && cell.0 < next) {
                    *cell = (next, person);
                    heap.push((next, Reverse(below)));
                }
            }
        }
    }
}

/// Whether the best way from one person to the top leads through another.
fn leads_through(best: &[(u32, u32)], from: u32, through: u32, top: u32) -> bool {
    let mut person = from;
    // Ways are trees: the bound is for what stands in a circle all the same.
    for _ in 0..best.len() {
        if person == through || person == top {
            return person == through;
        }
        person = best.get(person as usize).map_or(top, |(_, next)| *next);
    }
    false
}

/// Until when a position links its person upwards; 0 if it does not now.
fn link_end(facts: &Facts<'_>, person: &Person, position: &Position) -> u32 {
    let at = facts.times.at;
    if position.window.is_future(at) {
        return 0;
    }
    let in_force = |other: &Position| other.window.contains(at);
    if !in_force(position) {
        let begun = person.positions.iter().filter(|other| !other.window.is_future(at));
        let last = begun.map(|other| other.window.expires).max().flatten();
        if person.positions.iter().any(in_force) || position.window.expires != last {
            return 0;
        }
    }
    let Some(expires) = position.window.expires else { return NEVER };
    let from = expires.max(at);
    if expires > at && person.positions.iter().any(|other| other.window.contains(expires)) {
        return facts.times.tick(expires);
    }
    let next = person.positions.iter().filter_map(|other| other.window.starts).filter(|starts| *starts > from).min();
    facts.times.end(next)
}
