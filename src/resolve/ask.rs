//! Whether one person is in one entry, answered for that person alone.
//!
//! Comes in: who holds the roles and groups that an entry refers to (a resolution, or
//! one person's readings at an instant), and a person. Goes out: yes or no in either
//! reading. Refuses: ends (the resolution has them). Because-chains are rebuilt with it,
//! breaches are dated with it; property tests hold it to the sets.

use super::Resolution;
use super::sets::Node;
use super::span::find;
use super::term::clamp_of;
use super::times::{kept, later_start, period_of};
use crate::model::{Instant, Window, time};
use crate::policy::rule::Verdict;
use crate::policy::{Entry, EntryId, Holding, KindId, Label, Person, PersonId, Policy, Position, RuleId, Select};

/// What the entries around a nested one say.
#[derive(Debug, Clone)]
pub(super) struct Around {
    pub(super) window: Window,
    /// Gated kinds let in; `None` where nothing is given.
    pub(super) kinds: Option<Vec<KindId>>,
}

impl Around {
    pub(super) fn giving() -> Self {
        Self { window: Window::default(), kinds: Some(Vec::new()) }
    }

    pub(super) fn filtering() -> Self {
        Self { window: Window::default(), kinds: None }
    }

    pub(super) fn within(&self, entry: &Entry) -> Self {
        let kinds = self.kinds.as_ref().map(|kinds| kinds.iter().chain(&entry.details().kinds).copied().collect());
        let window = Window {
            starts: later_start(self.window.starts, entry.window().starts),
            expires: time::earlier(self.window.expires, entry.window().expires),
        };
        Self { window, kinds }
    }
}

/// Who holds what at one instant, in either reading.
pub(super) trait Holds {
    /// The instant.
    fn at(&self) -> Instant;
    /// Whether the person surely holds it.
    fn surely(&self, person: PersonId, holding: Holding) -> bool;
    /// Whether the person possibly holds it.
    fn possibly(&self, person: PersonId, holding: Holding) -> bool;
}

impl Holds for Resolution {
    fn at(&self) -> Instant {
        Self::at(self)
    }

    fn surely(&self, person: PersonId, holding: Holding) -> bool {
        self.held(person, holding).is_some()
    }

    /// A set that takes nothing away has no possible reading; it is not asked then.
    fn possibly(&self, person: PersonId, holding: Holding) -> bool {
        match self.nodes.get(holding).and_then(Node::possible) {
            Some(possible) => find(possible, person.0) == Some(0),
            None => self.held(person, holding).is_some(),
        }
    }
}

/// One person, and everything needed to place the person.
pub(super) struct Ask<'a, H = Resolution> {
    pub(super) policy: &'a Policy,
    pub(super) resolution: &'a H,
    pub(super) id: PersonId,
    pub(super) person: &'a Person,
    pub(super) at: Instant,
    /// Which of the person's accounts is asked about; `None` is any.
    pub(super) label: Option<Label>,
}

impl<'a, H: Holds> Ask<'a, H> {
    pub(super) fn new(policy: &'a Policy, resolution: &'a H, id: PersonId) -> Option<Self> {
        let person = policy.people.get(id.0 as usize)?;
        Some(Self { policy, resolution, id, person, at: resolution.at(), label: None })
    }

    pub(super) fn entry(&self, id: EntryId) -> Option<&'a Entry> {
        self.policy.entries.get(id.0 as usize)
    }

    /// Whether the person is surely in the entry now.
    pub(super) fn is_in(&self, id: EntryId, around: &Around) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let around = around.within(entry);
        if !around.window.contains(self.at) {
            return false;
        }
        let holds = |holding: Holding| self.resolution.surely(self.id, holding);
        match &entry.select {
            Select::People(people) => people.contains(&self.id) && self.is_named_now(around.window),
            Select::Role(role) => self.lets_in(&around, self.person.kind) && holds(Holding::Role(*role)),
            Select::Group(group) => self.lets_in(&around, self.person.kind) && holds(Holding::Group(*group)),
            Select::Groups(glob) => {
                self.lets_in(&around, self.person.kind) && glob.groups.iter().any(|group| holds(Holding::Group(*group)))
            }
            Select::Where(rule) => self.position_for(*rule, &around).is_some(),
            Select::ReportsTo { manager, direct, including } => {
                let here = self.is_present(around.window.starts);
                let below = || self.way_up(*manager, *direct, around.window.starts).is_some();
                self.lets_in(&around, self.person.kind)
                    && here
                    && if *manager == self.id { *including } else { below() }
            }
            Select::All(parts) => parts.iter().all(|part| self.is_in(*part, &around)),
            Select::Any(parts) => parts.iter().any(|part| self.is_in(*part, &around)),
            Select::Not(part) => !self.may_be_in(*part, &Around::filtering()),
        }
    }

    /// Whether the person is possibly in the entry: expired counts, unknown counts.
    pub(super) fn may_be_in(&self, id: EntryId, around: &Around) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let around = around.within(entry);
        if around.window.is_future(self.at) {
            return false;
        }
        let begun = || self.person.periods.iter().any(|period| !period.window.is_future(self.at));
        match &entry.select {
            Select::People(people) => {
                let period = period_of(&self.person.periods, around.window.starts);
                people.contains(&self.id) && !period.is_some_and(|period| period.window.is_future(self.at))
            }
            Select::Role(role) => self.lets_in(&around, self.person.kind) && self.may_hold(Holding::Role(*role)),
            Select::Group(group) => self.lets_in(&around, self.person.kind) && self.may_hold(Holding::Group(*group)),
            Select::Groups(glob) => {
                let mut groups = glob.groups.iter().map(|group| Holding::Group(*group));
                self.lets_in(&around, self.person.kind) && groups.any(|group| self.may_hold(group))
            }
            Select::Where(rule) => {
                let rule = self.policy.rules.get(rule.0 as usize);
                let fits = |position: &Position| {
                    !position.window.is_future(self.at)
                        && self.lets_in(&around, position.kind)
                        && rule.is_some_and(|rule| rule.verdict(self.policy, self.person, position) != Verdict::No)
                };
                begun() && self.person.positions.iter().any(fits)
            }
            Select::ReportsTo { manager, direct, including } => {
                let below = || self.was_below(self.person, *manager, *direct, &mut vec![self.id]);
                begun()
                    && self.lets_in(&around, self.person.kind)
                    && if *manager == self.id { *including } else { below() }
            }
            Select::All(parts) => parts.iter().all(|part| self.may_be_in(*part, &around)),
            Select::Any(parts) => parts.iter().any(|part| self.may_be_in(*part, &around)),
            Select::Not(part) => !self.is_in(*part, &Around::filtering()),
        }
    }

    fn may_hold(&self, holding: Holding) -> bool {
        self.resolution.possibly(self.id, holding)
    }

    pub(super) fn lets_in(&self, around: &Around, kind: KindId) -> bool {
        let Some(kinds) = &around.kinds else { return true };
        let gated = self.policy.kinds.get(usize::from(kind.0)).is_some_and(|kind| kind.gated);
        !gated || kinds.contains(&kind)
    }

    fn is_named_now(&self, window: Window) -> bool {
        period_of(&self.person.periods, window.starts).is_some_and(|period| {
            let starts = later_start(window.starts, period.window.starts);
            period.window.contains(self.at) && self.is_within_terms(starts)
        })
    }

    fn is_within_terms(&self, starts: Option<Instant>) -> bool {
        clamp_of(self.policy, self.id, starts, self.at).is_none_or(|end| end > self.at)
    }

    /// Whether the person is here, and terms that count from `starts` have not run out.
    fn is_present(&self, starts: Option<Instant>) -> bool {
        let now = self.person.periods.iter().find(|period| period.window.contains(self.at));
        now.is_some_and(|period| self.is_within_terms(later_start(starts, period.window.starts)))
    }

    /// The position in force on which the rule is true; of several the one that counts longest.
    pub(super) fn position_for(&self, rule: RuleId, around: &Around) -> Option<&'a Position> {
        let rule = self.policy.rules.get(rule.0 as usize)?;
        if !self.is_present(around.window.starts) {
            return None;
        }
        let fits = |position: &&Position| {
            self.is_in_force(position)
                && self.lets_in(around, position.kind)
                && rule.verdict(self.policy, self.person, position) == Verdict::Yes
        };
        let end = |position: &Position| (kept(position).is_none(), kept(position));
        let fitting = self.person.positions.iter().filter(fits);
        fitting.reduce(|best, next| if end(next) > end(best) { next } else { best })
    }

    /// Whether a position gives, `keep` included.
    fn is_in_force(&self, position: &Position) -> bool {
        Window { starts: position.window.starts, expires: kept(position) }.contains(self.at)
    }

    /// The managers from the person (left out) up to `manager`, by positions that count now.
    pub(super) fn way_up(&self, manager: PersonId, direct: bool, starts: Option<Instant>) -> Option<Vec<PersonId>> {
        if !self.is_present(starts) {
            return None;
        }
        let mine = self.person.positions.iter().filter(|position| self.is_in_force(position));
        mine.filter_map(|position| position.manager).find_map(|up| self.climb(up, manager, direct, &mut vec![self.id]))
    }

    fn climb(&self, from: PersonId, top: PersonId, direct: bool, seen: &mut Vec<PersonId>) -> Option<Vec<PersonId>> {
        if from == top {
            return Some(vec![top]);
        }
        if direct || seen.contains(&from) {
            return None;
        }
        // Never taken off again: a way that failed once fails from everywhere.
        seen.push(from);
        let person = self.policy.people.get(from.0 as usize)?;
        let links = person.positions.iter().filter(|position| links(person, position, self.at));
        let mut way = links.filter_map(|p| p.manager).find_map(|up| self.climb(up, top, direct, seen))?;
        way.insert(0, from);
        Some(way)
    }

    fn was_below(&self, person: &Person, top: PersonId, direct: bool, seen: &mut Vec<PersonId>) -> bool {
        let begun = person.positions.iter().filter(|position| !position.window.is_future(self.at));
        let managers: Vec<PersonId> = begun.filter_map(|position| position.manager).collect();
        managers.contains(&top)
            || !direct
                && managers.into_iter().any(|up| {
                    if seen.contains(&up) {
                        return false;
                    }
                    seen.push(up);
                    self.policy.people.get(up.0 as usize).is_some_and(|p| self.was_below(p, top, direct, seen))
                })
    }
}

/// Whether a position links its person upwards: in force, or the last one written.
pub(super) fn links(person: &Person, position: &Position, at: Instant) -> bool {
    if position.window.is_future(at) || position.window.contains(at) {
        return position.window.contains(at);
    }
    let begun = person.positions.iter().filter(|other| !other.window.is_future(at));
    let last = begun.map(|other| other.window.expires).max().flatten();
    !person.positions.iter().any(|other| other.window.contains(at)) && position.window.expires == last
}
